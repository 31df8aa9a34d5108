"""Nothing is half-written, and equal contents give equal bytes."""

from __future__ import annotations

import errno

import numpy as np
import pandas as pd
import pytest

from features.errors import FileFormatError
from pipeline.files import read_json, write_json, write_table, written_whole


def half_written(path):
    with written_whole(path) as beside:
        beside.write_text("half")
        raise OSError("the disk is full")


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="full"):
        half_written(tmp_path / "folder" / "table.csv")
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="full"):
        half_written(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_or_failing_disk_is_a_message_and_leaves_nothing(tmp_path, number):
    path = tmp_path / "folder" / "table.csv"
    with pytest.raises(FileFormatError, match=r"table\.csv cannot be written: .*\. Make room, or name another place"):
        torn_by(number, path)
    assert list(path.parent.iterdir()) == []


def torn_by(number, path):
    with written_whole(path) as beside:
        beside.write_text("half")
        raise OSError(number, "as the disk says")


def test_nothing_is_at_the_target_until_all_is_written(tmp_path):
    path = tmp_path / "table.csv"
    with written_whole(path) as beside:
        beside.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_json_repeats_byte_for_byte_whatever_the_order_of_keys(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    write_json({"b": [1, 0.1], "a": {"é": None}}, first)
    write_json({"a": {"é": None}, "b": [1, 0.1]}, second)
    assert first.read_bytes() == second.read_bytes()
    assert read_json(first) == {"a": {"é": None}, "b": [1, 0.1]}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_json_refuses_what_other_readers_cannot_read(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": value}, tmp_path / "metrics.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_repeat_byte_for_byte(tmp_path, ending):
    table = pd.DataFrame({"risk": [0.1, np.nan]}, index=pd.Index(["C1", "C2"], name="case_id"))
    for name in ("first", "second"):
        write_table(table, tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"first.{ending}").read_bytes() == (tmp_path / f"second.{ending}").read_bytes()
