"""A running service over two small models: a process of its own, or inside the test where that must look closer."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests
import uvicorn

from features.predictors import predictor
from models.bundle import write_bundle
from models.cause_model import write_cause_model
from models.screening import Screener
from models.training import learn
from models.workup import CauseFinder
from pipeline.cds.settings import CdsSettings
from pipeline.params import load_params
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record
from pipeline.service.answering import load_cause_finder, load_screener
from pipeline.service.app import create_app
from pipeline.service.running import listening_at, server_config
from pipeline.service.settings import Door, ServiceSettings

LEARNED = {
    "failure_12m": ("logistic", {"C": 0.1}),
    "worse_12m": (
        "xgboost",
        {
            "max_depth": 2,
            "n_rounds": 20,
            "min_child_weight": 5.0,
            "learning_rate": 0.1,
            "reg_lambda": 1.0,
            "colsample_bytree": 0.8,
        },
    ),
}
"""The learner of each outcome, with its setting."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "slow" in (config.getoption("-m") or ""):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run it with pytest -m slow"))


def invented() -> ModuleType:
    """The invented development of the tests of the models."""
    spec = importlib.util.spec_from_file_location("invented", Path(__file__).parent.parent / "models" / "conftest.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, Path], ...]:
    """A small model of each outcome, a linear one and trees, as a name and the folder of its bundle."""
    made = invented()
    development = made.invented_development()
    predictors = [predictor(name) for name in development.X.columns]
    folder = tmp_path_factory.mktemp("bundles")
    for outcome, (learner, setting) in LEARNED.items():
        bundle = made.made_bundle(learn(development, learner, predictors, setting, refits=4, seed=5), development)
        write_bundle(dataclasses.replace(bundle, outcome=outcome), folder / outcome)
    return tuple((f"models:/backcast-{outcome}/1", folder / outcome) for outcome in LEARNED)


@pytest.fixture(scope="session")
def causes(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The model of causes, as a name and the folder of its bundle."""
    params, folder = load_params(), tmp_path_factory.mktemp("knowledge") / "causes"
    write_cause_model(params.cause, params.derive, folder)
    return "models:/backcast-cause/1", folder


@pytest.fixture(scope="session")
def answerers(bundles, causes) -> tuple[Screener, CauseFinder]:
    """What answers the two questions, loaded once."""
    settings = ServiceSettings(models=bundles, causes=causes, record=Path("none"), params=load_params().service)
    return load_screener(settings), load_cause_finder(settings)


@pytest.fixture
def screener(answerers) -> Screener:
    return answerers[0]


class Client:
    """What talks to a service, and looks into its record."""

    def __init__(self, address: str, record: Path) -> None:
        self.address, self.record, self._session = address, record, requests.Session()
        self._session.trust_env = False

    def __call__(self, method: str, path: str, **how: Any) -> requests.Response:
        return self._session.request(method, self.address + path, timeout=30, **how)

    def screen(self, case: Any, **how: Any) -> requests.Response:
        return self("POST", "/screen", json=case, **how)

    def work_up(self, case: Any, **how: Any) -> requests.Response:
        return self("POST", "/workup", json=case, **how)

    def send(self, body: bytes, content_type: str = "application/json", path: str = "/screen") -> requests.Response:
        return self("POST", path, data=body, headers={"Content-Type": content_type})

    def recorded(self) -> int:
        """How many answers the record holds, red flags among them; its chain holds too."""
        with open_record(self.record) as reader:
            verdict = reader.verdict()
        assert verdict.holds
        return verdict.predictions + verdict.red_flags


@contextmanager
def inside(
    bundles: tuple[tuple[str, Path], ...],
    causes: tuple[str, Path],
    answerers: tuple[Screener, CauseFinder],
    path: Path,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
    **params: Any,
) -> Iterator[Any]:
    """A service inside this process, on a free port, with other settings where they are named."""
    chosen = dataclasses.replace(load_params().service, **{"requests_per_second": 1e6, "burst": 10**6, **params})
    settings = ServiceSettings(
        models=bundles,
        causes=causes,
        record=path,
        params=chosen,
        outcomes=load_params().cohort.outcomes,
        token=token,
        hosts=hosts,
        exports=False,
        cds=CdsSettings.of(load_params()),
    )
    with Record.open(path) as record, listening_at("127.0.0.1", 0) as listening:
        config = server_config(create_app(settings, *answerers, record), chosen, Door(host="127.0.0.1", port=0))
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            client = Client(f"http://127.0.0.1:{listening.getsockname()[1]}", path)
            yield SimpleNamespace(client=client, open_record=record)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def running(bundles, causes, answerers, tmp_path) -> Callable[..., Any]:
    return functools.partial(inside, bundles, causes, answerers, tmp_path / "records" / "record.db")


@pytest.fixture
def service(running) -> Iterator[Client]:
    with running() as one:
        yield one.client


@pytest.fixture(scope="module")
def refusing(bundles, causes, answerers, tmp_path_factory) -> Iterator[Client]:
    """One service for tests in which every request is refused, so that its record stays empty."""
    with inside(bundles, causes, answerers, tmp_path_factory.mktemp("refusing") / "record.db") as one:
        yield one.client


@pytest.fixture(scope="module")
def answering(bundles, causes, answerers, tmp_path_factory) -> Iterator[Client]:
    """One service for tests that ask it again and again."""
    with inside(bundles, causes, answerers, tmp_path_factory.mktemp("answering") / "record.db") as one:
        yield one.client


class Served:
    """`backcast serve` as a process of its own."""

    def __init__(self, bundles: tuple[tuple[str, Path], ...], folder: Path, *options: str, **variables: str) -> None:
        self.record = folder / "record.db"
        self.log = folder / f"log-{time.monotonic_ns()}.jsonl"
        named = [word for _, bundle in bundles for word in ("--model", str(bundle))]
        command = [sys.executable, "-m", "pipeline.cli", "serve", *named, "--port", "0", "--store", str(self.record)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*command, *options], stderr=log, env={**os.environ, **variables})
        self.client = Client(self._address(), self.record)

    def _address(self) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r'"address": "([^"]+)"', self.log.read_text())
            if found and '"event": "ready"' in self.log.read_text():
                return found[1]
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def end(self) -> int:
        """Tell it to stop, and wait until it has."""
        self.process.terminate()
        return self.process.wait(timeout=30)


@pytest.fixture
def served(bundles, tmp_path) -> Iterator[Callable[..., Served]]:
    """Starts services; those that a test leaves running are ended."""
    started: list[Served] = []

    def start(*options: str, **variables: str) -> Served:
        started.append(Served(bundles, tmp_path, *options, **variables))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
