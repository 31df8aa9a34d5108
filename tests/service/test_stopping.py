"""However it ends, what a client received is in the record; told to stop, it finishes what it began."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from pipeline.prediction_record.reading import open_record

CASE = {"age_years": 47, "odi": 48, "smoking": 2, "slr_left": 1, "pain_lateral_leg_left": 8}
BODY = json.dumps(CASE).encode()


class Clerk(threading.Thread):
    """Asks one case after another, and keeps the ids that it received whole."""

    def __init__(self, client) -> None:
        super().__init__()
        self.client, self.received, self.failed = client, [], []

    def run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                try:
                    response = session.post(self.client.address + "/screen", json=CASE, timeout=10)
                except requests.RequestException:
                    return
                if response.status_code == 200:
                    self.received.append(response.json()["prediction_id"])
                elif response.status_code == 429:
                    time.sleep(0.1)
                else:
                    self.failed.append(response.status_code)
                    return


def asked_until(client, end, *, clerks: int = 4, seconds: float, least: int = 0) -> list[str]:
    """Ids that clients received before the service ended, that many seconds after they had so many, or began."""
    asking = [Clerk(client) for _ in range(clerks)]
    for clerk in asking:
        clerk.start()
    until = time.monotonic() + 30
    while sum(len(clerk.received) for clerk in asking) < least and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(seconds)
    end()
    for clerk in asking:
        clerk.join()
    assert [clerk.failed for clerk in asking] == [[]] * clerks
    return [prediction_id for clerk in asking for prediction_id in clerk.received]


def half_asked(client) -> socket.socket:
    """A connection on which a case was sent, but for the last byte of it."""
    address = client.address.removeprefix("http://").rsplit(":", 1)
    connection = socket.create_connection((address[0], int(address[1])), timeout=30)
    head = f"POST /screen HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
    connection.sendall(head.encode() + b"\r\n\r\n" + BODY[:-1])
    return connection


def check(path: Path, received: list[str]) -> None:
    with open_record(path) as reader:
        verdict = reader.verdict()
        missing = [one for one in received if not reader.has_content(one)]
    assert verdict.holds, verdict
    assert not missing
    assert verdict.predictions >= len(received)


def test_killed_nothing_that_was_received_is_missing_and_told_to_stop_it_ends_in_order(served):
    started = served("--no-export")
    received = asked_until(started.client, started.process.kill, seconds=random.uniform(0, 0.02), least=60)
    started.process.wait()
    assert len(received) >= 60
    check(started.record, received)
    again = served("--no-export")  # the lock of the dead is no lock
    with half_asked(again.client) as begun:
        received += asked_until(again.client, again.process.terminate, clerks=2, seconds=0.3)
        begun.sendall(BODY[-1:])
        assert begun.recv(100).startswith(b"HTTP/1.1 200")
    assert again.process.wait(timeout=20) == 0
    assert again.lines()[-1]["event"] == "stopped"
    assert not again.record.with_name(again.record.name + "-wal").exists()
    check(again.record, received)


@pytest.mark.slow
def test_two_thousand_answers_and_killed_at_random_moments(served):
    moments = random.Random(6)
    received: list[str] = []
    kills = 0
    while len(received) < 2000 or kills < 20:
        started = served("--no-export")
        received += asked_until(started.client, started.process.kill, clerks=3, seconds=moments.uniform(0, 1.0))
        started.process.wait()
        kills += 1
        check(started.record, received)
    print(f"{kills} kills, {len(received)} answers received, none missing")


@pytest.mark.slow
def test_mlflow_may_be_down_for_the_whole_run_and_has_everything_afterwards(served, tmp_path):
    """The store is a server that nobody listens at; then the same record is exported to one that is there."""
    started = served(MLFLOW_TRACKING_URI="http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    ids = {started.client.screen(CASE).json()["prediction_id"] for _ in range(20)}
    until = time.monotonic() + 60
    while "trying again" not in started.log.read_text() and time.monotonic() < until:
        assert started.client.screen(CASE).status_code == 200
        time.sleep(0.2)
    assert "trying again" in started.log.read_text()
    assert started.end() == 0
    store = f"sqlite:///{tmp_path}/mlflow.db"
    again = served(MLFLOW_TRACKING_URI=store)
    ids.add(again.client.screen(CASE).json()["prediction_id"])
    until = time.monotonic() + 90
    while _pending(again.record) and time.monotonic() < until:
        time.sleep(0.5)
    assert _pending(again.record) == 0
    assert again.end() == 0
    told = subprocess.run(
        [sys.executable, "-c", TRACES, store], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.split()
    assert {one.replace("-", "") for one in ids} <= {one.removeprefix("tr-") for one in told}


TRACES = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
found = client.search_traces(experiment_ids=[e.experiment_id for e in client.search_experiments()], max_results=500)
print(*[trace.info.trace_id for trace in found])
"""


def _pending(record: Path) -> int:
    with open_record(record) as reader:
        return reader.n_pending()


@pytest.mark.slow
def test_an_exporter_that_ends_is_started_again_and_ends_with_the_service(served, tmp_path):
    started = served(MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db")
    first = _first_exporter(started)
    subprocess.run(["kill", "-9", str(first)], check=True)
    until = time.monotonic() + 30
    while len(_exporters(started)) < 2 and time.monotonic() < until:
        assert started.client.screen(CASE).status_code == 200
        time.sleep(0.1)
    assert len(_exporters(started)) == 2
    started.process.kill()
    started.process.wait()
    until = time.monotonic() + 30
    while Path(f"/proc/{_exporters(started)[1]}").exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert not Path(f"/proc/{_exporters(started)[1]}").exists()


def _first_exporter(started) -> int:
    until = time.monotonic() + 30
    while not _exporters(started) and time.monotonic() < until:
        time.sleep(0.02)
    return _exporters(started)[0]


def _exporters(started) -> list[int]:
    return [line["process"] for line in started.lines() if line["event"] == "exporter started"]
