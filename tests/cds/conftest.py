"""A hospital's system that asks for cards, and a service that answers it, in this process and without a socket."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from pipeline.cds.settings import CdsSettings
from pipeline.params import load_params
from pipeline.prediction_record.reading import Kept, open_record
from pipeline.prediction_record.store import Record
from pipeline.service.app import create_app
from pipeline.service.settings import ServiceSettings
from tests import small_service
from tests.cds import ehr as hospital

BASE = "https://cds.example.org"
bundles, causes, answerers = small_service.bundles, small_service.causes, small_service.answerers


class InProcess:
    """Talks to the application itself, and looks into its record."""

    def __init__(self, app: Any, record: Path) -> None:
        self.record, self._loop = record, asyncio.new_event_loop()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=BASE)

    def __call__(self, method: str, path: str, **how: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.request(method, path, **how))

    def recorded(self) -> int:
        """How many entries the record holds, feedback among them; its chain holds too."""
        with open_record(self.record) as reader:
            verdict = reader.verdict()
        assert verdict.holds
        return verdict.entries

    def kept(self, prediction_id: str) -> list[Kept]:
        with open_record(self.record) as reader:
            return reader.entries_of(prediction_id)

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


@pytest.fixture(scope="module")
def served(bundles, causes, answerers, tmp_path_factory) -> Callable[..., Any]:
    """Starts a service inside this process, with other choices of `cds_hooks` where they are named."""

    @contextmanager
    def start(token: str | None = None, **chosen: Any) -> Iterator[InProcess]:
        params = load_params()
        cds = CdsSettings.of(
            dataclasses.replace(params, cds_hooks=dataclasses.replace(params.cds_hooks, **{"base_url": BASE, **chosen}))
        )
        path = tmp_path_factory.mktemp("cds") / "record.db"
        limits = dataclasses.replace(params.service, requests_per_second=1e6, burst=10**6)
        settings = ServiceSettings(
            models=bundles, causes=causes, record=path, params=limits, token=token, exports=False, cds=cds
        )
        with Record.open(path) as record:
            client = InProcess(create_app(settings, *answerers, record), path)
            yield client
            client.close()

    return start


@pytest.fixture(scope="session")
def socketed(bundles, causes, answerers) -> Callable[..., Any]:
    """Starts a service inside this process, on a free port of this machine."""
    return functools.partial(small_service.inside, bundles, causes, answerers)


@pytest.fixture(scope="module")
def service(served) -> Iterator[InProcess]:
    with served() as one:
        yield one


class Stranger:
    """A server that the service has no leave to ask. It accepts nobody, so that who knocked stays in its queue."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def was_asked(self) -> bool:
        waiting, _, _ = select.select([self._listening], [], [], 0)
        return bool(waiting)


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Stranger(listening)


@pytest.fixture(scope="session")
def chart() -> ModuleType:
    """What makes FHIR resources, requests and feedback: `tests/cds/ehr.py`."""
    return hospital


@pytest.fixture
def ehr(service) -> Any:
    """The hospital's system, with one patient who has spinal stenosis."""
    return hospital.Ehr(service)
