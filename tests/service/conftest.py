"""A running service over two small models: a process of its own, or inside the test where that must look closer."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.screening import Screener
from tests import small_service
from tests.small_service import Client

bundles, causes, answerers = small_service.bundles, small_service.causes, small_service.answerers


@pytest.fixture
def screener(answerers) -> Screener:
    return answerers[0]


@pytest.fixture
def running(bundles, causes, answerers, tmp_path) -> Callable[..., Any]:
    return functools.partial(small_service.inside, bundles, causes, answerers, tmp_path / "records" / "record.db")


@pytest.fixture
def service(running) -> Iterator[Client]:
    with running() as one:
        yield one.client


@pytest.fixture(scope="module")
def refusing(bundles, causes, answerers, tmp_path_factory) -> Iterator[Client]:
    """One service for tests in which every request is refused, so that its record stays empty."""
    with small_service.inside(bundles, causes, answerers, tmp_path_factory.mktemp("refusing") / "record.db") as one:
        yield one.client


@pytest.fixture(scope="module")
def answering(bundles, causes, answerers, tmp_path_factory) -> Iterator[Client]:
    """One service for tests that ask it again and again."""
    with small_service.inside(bundles, causes, answerers, tmp_path_factory.mktemp("answering") / "record.db") as one:
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
