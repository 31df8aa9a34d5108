"""A service inside the test, over two small models and the model of causes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
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
from tests.small_models import invented_development, made_bundle

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


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, Path], ...]:
    """A small model of each outcome, a linear one and trees, as a name and the folder of its bundle."""
    development = invented_development()
    predictors = [predictor(name) for name in development.X.columns]
    folder = tmp_path_factory.mktemp("bundles")
    for outcome, (learner, setting) in LEARNED.items():
        bundle = made_bundle(learn(development, learner, predictors, setting, refits=4, seed=5), development)
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
