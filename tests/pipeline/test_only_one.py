"""A lock on a file: one holder at a time, who is named, and nothing that a killed one leaves is in the way."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from pipeline import only_one as locks
from pipeline.only_one import only_one

HOLD = """
import sys
from pathlib import Path
from pipeline.only_one import only_one
with only_one(Path(sys.argv[1]), ValueError):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held_by_another(tmp_path, root) -> Callable[[], subprocess.Popen]:
    def start() -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        return other

    return start


def test_the_second_is_told_who_holds_it_and_a_killed_holder_is_in_nobodys_way(held_by_another, tmp_path):
    with held_by_another() as other:
        with pytest.raises(ValueError, match=rf"process {other.pid} \(.*\)"), only_one(tmp_path / "lock", ValueError):
            raise AssertionError("held by two")
        other.kill()
    assert (tmp_path / "lock").exists(), "left by the killed one"
    with only_one(tmp_path / "lock", ValueError):
        assert f'"process": {os.getpid()}' in (tmp_path / "lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_on_another_machine_is_named_with_it(tmp_path, monkeypatch):
    with only_one(tmp_path / "lock", ValueError):
        monkeypatch.setattr(locks.socket, "gethostname", lambda: "elsewhere")
        with (
            pytest.raises(ValueError, match=rf"process {os.getpid()} on .+ \("),
            only_one(tmp_path / "lock", ValueError),
        ):
            pass


def test_a_file_that_its_holder_takes_away_meanwhile_is_not_the_lock(tmp_path, monkeypatch):
    """Between opening the file and locking it; whoever comes next sees another file."""
    flock = fcntl.flock

    def taken_away_before(file, how):
        monkeypatch.setattr(locks.fcntl, "flock", flock)
        (tmp_path / "lock").unlink()
        flock(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", taken_away_before)
    with (
        only_one(tmp_path / "lock", ValueError),
        pytest.raises(ValueError, match="process"),
        only_one(tmp_path / "lock", ValueError),
    ):
        raise AssertionError("held by two")
