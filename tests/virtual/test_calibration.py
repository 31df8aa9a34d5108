"""The rows that recentre the registry are those of the present tables, and come back after a change."""

from __future__ import annotations

import csv
import shutil

import pytest

from pipeline.virtual import calibration, facts
from pipeline.virtual.calibration import Row, calibrated, drifted, main, measured_rows, written
from pipeline.virtual.facts import TABLES, forget_tables


@pytest.fixture
def own_tables(tmp_path, monkeypatch):
    """A copy of the tables, which may be written."""
    tables = tmp_path / "tables"
    shutil.copytree(TABLES, tables)
    for module in (facts, calibration):
        monkeypatch.setattr(module, "TABLES", tables)
    forget_tables()
    yield tables
    forget_tables()


def value_in(tables, row: Row) -> float:
    with (tables / f"{row.table}.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    names = list(lines[0])[: len(row.keys)]
    return float(next(line[row.column] for line in lines if tuple(line[name] for name in names) == row.keys))


def test_the_committed_tables_are_calibrated():
    """Of a change of any table that moves a marginal this tells; the command restores it."""
    rows = measured_rows()
    assert len({row[:3] for row in rows}) == len(rows) > 60
    assert drifted(rows) == []


def test_a_row_is_written_and_every_other_cell_keeps_its_text(own_tables):
    row = Row("outcome_levels", ("spinal_stenosis", "relief_mean"), "value", 0.123456)
    before = (own_tables / "outcome_levels.csv").read_text().splitlines()
    written([row])
    after = (own_tables / "outcome_levels.csv").read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0][1].startswith("spinal_stenosis,relief_mean,0.1235,")
    assert changed[0][0].split(",")[3:] == changed[0][1].split(",")[3:]


def test_a_base_rate_that_was_changed_is_met_again(own_tables, monkeypatch):
    monkeypatch.setattr(calibration, "SEEDS", (101,))
    failure = Row("outcome_levels", ("spinal_stenosis", "failure_12m"), "value", 0.45)
    relief = Row("outcome_levels", ("spinal_stenosis", "relief_mean"), "value", 0.0)
    was = value_in(own_tables, relief)
    written([failure])
    calibrated(3)
    now = value_in(own_tables, relief)
    assert now < was - 0.1
    settled = next(row for row in measured_rows() if row[:3] == relief[:3])
    assert settled.value == pytest.approx(now, abs=0.015)


def test_a_check_names_what_would_move_and_writes_nothing(own_tables, monkeypatch, capsys):
    rows = measured_rows_of(monkeypatch)
    text = (own_tables / "events.csv").read_text()
    assert main(["--check"]) == 1
    assert "events dural_tear mean_ratio" in capsys.readouterr().out
    assert (own_tables / "events.csv").read_text() == text
    monkeypatch.setattr(calibration, "measured_rows", lambda: rows[1:])
    assert main(["--check"]) == 0


def measured_rows_of(monkeypatch) -> list[Row]:
    """The rows as they stand, but the first by 0.5 too high."""
    row = Row("events", ("dural_tear",), "mean_ratio", 0.0)
    others = [Row("effects", ("male",), "usual", 0.0)]
    rows = [now._replace(value=value_in(calibration.TABLES, now)) for now in (row, *others)]
    rows[0] = rows[0]._replace(value=rows[0].value + 0.5)
    monkeypatch.setattr(calibration, "measured_rows", lambda: rows)
    return rows
