"""`kill -9` at any moment: whoever held a receipt finds the entry, and the chain goes on.

A killed process leaves what it had handed to the system; that the system had it on disk is SQLite's
`synchronous = FULL`, which a test cannot see without cutting the power.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record

PROGRAM = Path(__file__).with_name("appending.py")


def killed_while_appending(path: Path, *, seconds: float, threads: int = 4) -> list[tuple[str, str]]:
    """Ids and digests that a process acknowledged before it was killed, that many seconds after its start."""
    process = subprocess.Popen([sys.executable, PROGRAM, path, str(threads), "100000"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    time.sleep(seconds)
    process.kill()
    said = process.stdout.read()
    process.wait()
    whole = said[: said.rfind(b"\n") + 1].decode()
    return [tuple(line.split()) for line in whole.splitlines()]


def check(path: Path, acknowledged: list[tuple[str, str]]) -> int:
    """How many predictions the record holds; refuses one that was acknowledged and is not there."""
    with open_record(path) as reader:
        verdict = reader.verdict([digest for _, digest in acknowledged])
        missing = [one for one, _ in acknowledged if not reader.has_content(one)]
    assert verdict.holds, verdict
    assert not missing
    return verdict.predictions


def test_what_a_killed_process_acknowledged_is_in_the_record(path):
    acknowledged = killed_while_appending(path, seconds=0.2)
    assert check(path, acknowledged) >= len(acknowledged) > 0
    with Record.open(path) as record:  # the lock of the dead is no lock
        record.append({"question": "failure"}, {}, {"case_id": "after"})


@pytest.mark.slow
def test_two_thousand_answers_and_killed_at_random_moments(path):
    moments = random.Random(2)
    acknowledged: list[tuple[str, str]] = []
    kills = 0
    while len(acknowledged) < 2000 or kills < 30:
        acknowledged += killed_while_appending(path, seconds=moments.uniform(0, 0.4), threads=moments.choice([1, 8]))
        kills += 1
        check(path, acknowledged)
    print(f"{kills} kills, {len(acknowledged)} acknowledged, {check(path, acknowledged)} in the record")
