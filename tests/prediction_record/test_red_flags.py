"""An answer under a red flag predicts nothing, and counts apart; records from before that are read and go on."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from pipeline.prediction_record.export import Exported
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record

EARLIER = Path(__file__).resolve().parents[1] / "reference" / "prediction_record" / "schema_1.sql"
FLAG = {"red_flag": "infection", "label": "Infection", "urgency": "emergency", "action": "Refer today"}


@pytest.fixture
def earlier(tmp_path) -> Path:
    """A record that an earlier version wrote, with its key."""
    path = tmp_path / "earlier.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(EARLIER.read_text(encoding="utf-8"))
    shutil.copy(EARLIER.with_suffix(".key"), path.with_suffix(".key"))
    path.with_suffix(".key").chmod(0o600)
    return path


def schema(path) -> set[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        return set(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def test_a_red_flag_is_an_answer_that_counts_as_no_prediction(record, path, answered):
    made = record.append(answered(), {}, {"case_id": "C1", "patient_id": "P1"})
    flagged = record.append(answered(red_flags=[FLAG], outcomes=[]), {}, {"case_id": "C1", "patient_id": "P1"})
    with open_record(path) as reader:
        verdict = reader.verdict()
        assert (verdict.entries, verdict.predictions, verdict.red_flags) == (2, 1, 1)
        assert [kept.entry.kind for kept in reader.entries("prediction", "red_flag")] == ["prediction", "red_flag"]
        assert reader.predictions_with("case", record.pseudonym("case_id", "C1")) == [made.prediction_id]
    assert flagged.prediction_id in record.predictions_of(patient_id="P1"), "or nobody could erase it"
    record.attach_all_feedback([(flagged.prediction_id, {"outcome": "referred"})])
    record.erase(record.predictions_of(patient_id="P1"), "on request")
    with open_record(path) as reader:
        assert (reader.verdict().holds, reader.verdict().erased) == (True, 3)


def test_what_went_to_mlflow_is_counted_by_kind(record, path, answered):
    record.append(answered(), {})
    record.append(answered(red_flags=[FLAG], outcomes=[]), {})
    with open_record(path) as reader:
        assert str(Exported().after(reader.pending(10), 4)).startswith("1 prediction, 1 red flag and 0 later entries")


def test_a_record_of_an_earlier_version_is_read_as_it_is(earlier):
    before = earlier.read_bytes()
    with open_record(earlier) as reader:
        verdict = reader.verdict()
        answers = [kept.answer for kept in reader.entries("prediction", "red_flag") if kept.content]
    assert (verdict.holds, verdict.entries, verdict.predictions, verdict.red_flags, verdict.erased) == (
        True,
        5,
        3,
        0,
        1,
    )
    assert [bool(answer["red_flags"]) for answer in answers] == [False, True]
    assert earlier.read_bytes() == before


def test_it_goes_on_with_the_kinds_of_today_and_no_entry_of_then_is_touched(earlier, path, answered):
    with open_record(earlier) as reader:
        head, old = reader.verdict().head, list(reader.entries("prediction"))
    with Record.open(earlier) as record:
        assert len(record.predictions_of(case_id="C2")) == 1
        record.append(answered(red_flags=[FLAG], outcomes=[]), {}, {"case_id": "C2"})
    with open_record(earlier) as reader:
        verdict = reader.verdict(anchors=[head])
        assert (verdict.holds, verdict.entries, verdict.red_flags) == (True, 6, 1)
        assert list(reader.entries("prediction")) == old
    Record.open(path).close()
    assert schema(earlier) == schema(path)
    with sqlite3.connect(earlier) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO chain VALUES (7, 'P', 'praise', '2020', 'c', 'p', 's')")


def test_who_has_it_open_meanwhile_sees_the_kinds_of_today(earlier, answered):
    """The exporter of an earlier start holds the file while the service is started anew."""
    with sqlite3.connect(earlier) as connection:
        connection.execute("SELECT count(*) FROM chain").fetchone()
        with Record.open(earlier) as record:
            record.append(answered(red_flags=[FLAG], outcomes=[]), {})
        assert connection.execute("SELECT kind FROM chain ORDER BY sequence DESC").fetchone() == ("red_flag",)
    with open_record(earlier) as reader:
        assert reader.verdict().holds
