"""The service run by uvicorn on a socket of its own, from the first request to the last."""

from __future__ import annotations

import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pipeline.cds.settings import CdsSettings
from pipeline.models_to_serve import Fetching, by_question, models_to_serve
from pipeline.params import Params, ServiceParams
from pipeline.prediction_record.store import Record
from pipeline.service.answering import load_cause_finder, load_screener
from pipeline.service.app import create_app
from pipeline.service.errors import ServiceError
from pipeline.service.logs import event, log_to_stderr
from pipeline.service.settings import Door, ServiceSettings, own_names

BACKLOG = 128


def run(
    params: Params, names: Sequence[str], door: Door, record: Path, fetching: Fetching | None, *, exports: bool
) -> None:
    """Load the models, open the record, and answer until told to stop; then close the record."""
    log_to_stderr()
    found = models_to_serve(names, Path(params.service.models), fetching)
    with tempfile.TemporaryDirectory() as scratch:
        models, causes = by_question(found, params, Path(scratch))
        settings = ServiceSettings(
            models=models,
            causes=causes,
            record=record,
            params=params.service,
            outcomes=params.cohort.outcomes,
            token=door.token,
            hosts=own_names(door),
            is_encrypted=door.is_encrypted,
            exports=exports,
            cds=CdsSettings.of(params),
        )
        screener, finder = load_screener(settings), load_cause_finder(settings)
    with listening_at(door.host, door.port) as listening, Record.open(record) as opened, _outliving_signals():
        app = create_app(settings, screener, finder, opened)
        event("listening", address=_address(door, listening), needs_token=door.token is not None)
        uvicorn.Server(server_config(app, params.service, door)).run(sockets=[listening])
    event("stopped")


def server_config(app: FastAPI, params: ServiceParams, door: Door) -> uvicorn.Config:
    """How uvicorn runs it: no log of its own, no word of what it is, and no belief in what a proxy says."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # a client must not choose the name under which it is counted
        ws="none",
        backlog=BACKLOG,
        timeout_graceful_shutdown=params.stop_seconds,
        ssl_certfile=door.certfile,
        ssl_keyfile=door.keyfile,
    )


def listening_at(host: str, port: int) -> socket.socket:
    """A socket that listens.

    It is told that it speaks TCP, or asyncio leaves Nagle's algorithm on: an answer, which leaves in two
    parts, would then wait 40 ms for the client to acknowledge the first.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServiceError(f"{host}, port {port}: {error.strerror}. Name another --host or --port.") from None
    return listening


def _address(door: Door, listening: socket.socket) -> str:
    host = f"[{door.host}]" if ":" in door.host else door.host
    return f"{'https' if door.is_encrypted else 'http'}://{host}:{listening.getsockname()[1]}"


@contextmanager
def _outliving_signals() -> Iterator[None]:
    """Uvicorn, once it has stopped, sends itself the signal again; the record is still to be closed then."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
