"""No room: the answer is refused, what is there stays whole, and it goes on once there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.prediction_record.errors import RecordError, RecordFullError
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record

FILL = """
import os, sys
from pathlib import Path
from pipeline.prediction_record.errors import RecordFullError
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record

folder = Path(sys.argv[1])
ballast = folder / "ballast"
path = folder / "record.db"
answer = {"question": "failure", "filler": "x" * 8000}
ballast.write_bytes(b"0" * 400_000)
with Record.open(path) as record:
    kept = []
    for _ in range(10_000):
        try:
            kept.append(record.append(answer, {}, {"case_id": "C1"}))
        except RecordFullError as error:
            print(error)
            break
    refused = 0
    for _ in range(3):
        try:
            record.append(answer, {}, {"case_id": "C1"})
        except RecordFullError:
            refused += 1
    ballast.unlink()
    after = record.append(answer, {}, {"case_id": "C1"})
with open_record(path) as reader:
    verdict = reader.verdict([receipt.sha256 for receipt in [*kept, after]])
print(verdict.holds, refused, len(kept) > 10, verdict.predictions == len(kept) + 1)
"""


def test_a_full_disk_refuses_and_loses_nothing(tmp_path):
    """A real file system of two megabytes, in a mount namespace of its own."""
    script = 'mount -t tmpfs -o size=2m small "$1" && exec "$2" -c "$3" "$1"'
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    try:
        allowed = subprocess.run(["unshare", "--mount", "--map-root-user", "true"], check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if allowed.returncode:
        pytest.skip("this system does not let its users mount")
    done = subprocess.run([*inside, tmp_path, sys.executable, FILL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert "the disk is full, so nothing was recorded and no answer may be given" in said[0]
    assert said[1] == "True 3 True True"


def test_a_database_that_may_not_grow_refuses_all_that_waited_together(path, answered):
    """The limit is SQLite's own, so that it is met on every system."""
    with Record.open(path) as record:
        kept = record.append(answered(), {}, {})
        record._connection.execute("PRAGMA max_page_count = 40")
        waiting = [record.submit(answered(plan={"text": "x" * 50_000}), {}, {}) for _ in range(8)]
        errors = [one.exception() for one in waiting]
        assert any(isinstance(error, RecordFullError) for error in errors)
        assert {type(error) for error in errors} <= {RecordFullError, type(None)}
        record._connection.execute("PRAGMA max_page_count = 4000000")
        after = record.append(answered(), {}, {})
    with open_record(path) as reader:
        verdict = reader.verdict([kept.sha256, after.sha256])
    assert verdict.holds
    assert verdict.predictions == 2 + sum(error is None for error in errors)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    file = tmp_path / "file"
    file.write_text("no folder")
    with pytest.raises(RecordError, match="cannot be used"):
        Record.open(Path(file) / "record.db")
