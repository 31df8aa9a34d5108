"""The store: what was acknowledged is there, nothing in it is changed, one process writes, a person can go."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from pipeline.prediction_record import pseudonyms
from pipeline.prediction_record.errors import RecordBrokenError, RecordError
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record

IDENTITY = {"case_id": "CASE-4711", "patient_id": "PATIENT-0815", "centre_id": "K3"}


def files_of(path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def test_what_was_appended_is_read_again(record, path, answered):
    answer = answered()
    receipt = record.append(
        answer, {"age_years": 61.0, "odi": 44.0, "smoking": None, "bmi_kg_m2": float("nan")}, IDENTITY
    )
    with open_record(path) as reader:
        (kept,) = reader.entries_of(receipt.prediction_id)
        assert reader.verdict([receipt.sha256]).holds
    assert kept.content["answer"] == answer
    assert kept.content["inputs"] == {"age_years": 61.0, "odi": 44.0}
    assert kept.content["centre"] == "K3"
    assert (receipt.sequence, receipt.made_at) == (1, "2024-03-05T09:30:00.000000+00:00")


def test_nothing_that_identifies_a_person_is_in_any_file(record, path, answered):
    """Not in the request, not in the identity, not where a service put it into the answer by mistake."""
    answer = answered(case_id="CASE-4711", sources=[{"label": "L5", "patient_id": "PATIENT-0815"}])
    record.append(answer, {"age_years": 61.0, **IDENTITY}, None)
    record.append(answered(), {"age_years": 61.0, "index_date": "2024-03-04"}, IDENTITY)
    held = files_of(path)
    assert b"few_similar" in held
    assert not re.search(rb"CASE-4711|PATIENT-0815|2024-03-04", held)


def test_a_pseudonym_needs_the_key(record, path):
    key = pseudonyms.read_key(pseudonyms.key_path(path))
    own = record.pseudonym("case_id", "C1")
    assert own == record.pseudonym("case_id", " C1 ")
    assert len({own, record.pseudonym("patient_id", "C1"), pseudonyms.pseudonym(key[::-1], "case_id", "C1")}) == 3
    assert record.pseudonym("case_id", None) is None


def test_the_files_are_for_their_owner_alone(record, path, answered):
    record.append(answered(), {}, IDENTITY)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert "record.key" in modes


def test_a_key_that_is_missing_open_to_others_or_another_is_refused(path, answered):
    with Record.open(path) as record:
        record.append(answered(), {}, IDENTITY)
    key = pseudonyms.key_path(path)
    key.chmod(0o644)
    with pytest.raises(RecordError, match="chmod 600"):
        Record.open(path)
    own = key.read_text()
    key.unlink()
    with pytest.raises(RecordError, match="restore it from its backup"):
        Record.open(path)
    pseudonyms.make_key(key)
    with pytest.raises(RecordError, match="not the key of"):
        Record.open(path)
    key.write_text(own)
    Record.open(path).close()


def test_the_database_itself_refuses_what_is_not_an_append(record, path, answered):
    record.append(answered(), {}, IDENTITY)
    with sqlite3.connect(path) as connection:
        for statement in (
            "UPDATE chain SET made_at = '2020'",
            "DELETE FROM chain",
            "UPDATE content SET body = '{}'",
            "DELETE FROM content",
            "INSERT INTO chain VALUES (7, 'P', 'prediction', '2020', 'c', 'p', 's')",
            "INSERT INTO chain VALUES (2, 'P', 'praise', '2020', 'c', 'p', 's')",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
    with open_record(path) as reader:
        assert reader.verdict().entries == 1


def test_who_gets_past_the_database_is_found(record, path, answered):
    """A risk made smaller with the triggers taken away: the chain says where, and no reader uses it."""
    receipts = [record.append(answered(), {}, IDENTITY) for _ in range(3)]
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER content_unchanged")
    connection.execute("UPDATE content SET body = replace(body, '0.25', '0.15') WHERE sequence = 2")
    connection.commit()
    connection.close()
    with open_record(path) as reader:
        assert [problem.sequence for problem in reader.verdict().problems] == [2]
        with pytest.raises(RecordBrokenError, match="Entry 2"):
            reader.entries_of(receipts[1].prediction_id)


def test_a_byte_of_the_file_changed_anywhere_is_found_if_it_changed_an_entry(path, tmp_path, answered):
    with Record.open(path) as record:
        for number in range(4):
            record.append(answered(), {"odi": 40.0}, {"case_id": f"C{number}", "patient_id": "P1"})
    whole, copy, noise = path.read_bytes(), tmp_path / "copy.db", random.Random(6)
    with open_record(path) as reader:
        entries = list(reader.entries("prediction"))
    found = 0
    for _ in range(150):
        at = noise.randrange(100, len(whole))  # behind the header of the file
        copy.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << noise.randrange(8))]) + whole[at + 1 :])
        try:
            with open_record(copy) as reader:
                holds = reader.verdict().holds
                is_same = not holds or list(reader.entries("prediction")) == entries
        except RecordError:  # no longer a database
            holds, is_same = False, False
        assert is_same or not holds
        found += not holds
    assert found > 10  # most of a file this small is empty pages


def test_only_one_writes_and_the_other_is_told_who(record, path):
    with pytest.raises(RecordError, match=rf"process {os.getpid()} \(.*\) is writing it. One process does that"):
        Record.open(path)
    record.close()
    Record.open(path).close()


def test_threads_share_commits_and_lose_nothing(record, path, answered):
    acknowledged, statements = [], []
    record._connection.set_trace_callback(statements.append)

    def clerk(number: int) -> None:
        for turn in range(25):
            acknowledged.append(record.append(answered(), {}, {"case_id": f"{number}-{turn}"}))

    threads = [threading.Thread(target=clerk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipt.sequence for receipt in acknowledged) == list(range(1, 201))
    assert 0 < statements.count("COMMIT") < 200
    with open_record(path) as reader:
        assert reader.verdict([receipt.sha256 for receipt in acknowledged]).holds


def test_a_commit_waits_until_the_disk_has_it(record):
    """What that is good for shows only when the power is cut; that SQLite is told so shows here."""
    (waits,) = record._connection.execute("PRAGMA synchronous").fetchone()
    assert waits == 2, "FULL"


def test_closing_writes_what_was_submitted_and_takes_no_more(path, answered):
    record = Record.open(path)
    waiting = [record.submit(answered(), {}, IDENTITY) for _ in range(20)]
    record.close()
    assert all(one.done() for one in waiting)
    with pytest.raises(RecordError, match="closed"):
        record.append(answered(), {}, IDENTITY)


def test_an_answer_that_nobody_waits_for_any_more_is_left_out_and_the_next_is_written(path, answered, clock):
    """A client that hangs up cancels its future; the writer goes on."""
    begun, go_on = threading.Event(), threading.Event()

    def slow_clock():
        begun.set()
        go_on.wait(10)
        return clock()

    with Record.open(path, clock=slow_clock) as record:
        first = record.submit(answered(), {}, IDENTITY)
        begun.wait(10)
        second, third = (record.submit(answered(), {}, IDENTITY) for _ in range(2))
        assert not first.cancel()
        assert second.cancel()
        go_on.set()
        assert [one.result(10)[0].sequence for one in (first, third)] == [1, 2]


def test_an_erased_person_is_gone_from_every_file_and_the_chain_verifies(record, path, answered, clock):
    word = "Sagittal malalignment of one person alone"
    kept = record.append(answered(), {}, {"case_id": "C2", "patient_id": "P2"})
    gone = [record.append(answered(plan={"text": word}), {}, {"case_id": c, "patient_id": "P1"}) for c in ("C1", "C3")]
    record.attach_outcomes({gone[0].prediction_id: {"labels": {"failure_12m": 1}, "note": word}})
    assert word.encode() in files_of(path)
    clock.later(days=3)
    found = record.predictions_of(patient_id="P1")
    assert found == [receipt.prediction_id for receipt in gone]
    record.erase(found, "on request")
    assert word.encode() not in files_of(path)
    with open_record(path) as reader:
        verdict = reader.verdict([kept.sha256, *(receipt.sha256 for receipt in gone)])
        assert verdict.holds
        assert verdict.erased == 3
        assert reader.entries_of(gone[0].prediction_id)[0].content is None
        assert reader.entries_of(kept.prediction_id)[0].content is not None
    assert record.predictions_of(patient_id="P1") == []
    with pytest.raises(RecordError, match="1 of 1 predictions are not in the record, or were erased"):
        record.attach_all_feedback([(gone[0].prediction_id, {"outcome": "accepted"})])


def test_an_answer_that_is_no_json_is_refused_and_nothing_is_recorded(record, path, answered):
    with pytest.raises(ValueError, match="JSON"):
        record.append(answered(risk=float("nan")), {}, IDENTITY)
    record.append(answered(plan={"text": "lone \ud800 surrogate, Ünïcode"}), {}, IDENTITY)
    with open_record(path) as reader:
        assert reader.verdict().entries == 1


def test_a_file_that_is_no_record_is_refused(tmp_path, path):
    text, other = tmp_path / "text.db", tmp_path / "other.db"
    text.write_text("no database at all" * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE something (a)")
    for file, words in ((text, "damaged as a file, or no record"), (other, "no prediction record"), (path, "exist")):
        with pytest.raises(RecordError, match=words), open_record(file):
            pass
    with pytest.raises(RecordError, match="no prediction record"):
        Record.open(other)


def test_a_record_of_another_schema_is_refused(path):
    Record.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RecordError, match="schema 99"):
        Record.open(path)


def test_a_copy_taken_in_operation_verifies(record, path, tmp_path, answered):
    """As the page on the record tells how to back it up."""
    record.append(answered(), {}, IDENTITY)
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    shutil.copy(pseudonyms.key_path(path), tmp_path / "copy.key")
    with Record.open(tmp_path / "copy.db") as copy:
        assert len(copy.predictions_of(case_id="CASE-4711")) == 1
    with open_record(tmp_path / "copy.db") as reader:
        assert reader.verdict().holds


PAGE = Path(__file__).resolve().parents[2] / "docs/reference/prediction_record.md"


def test_a_stranger_verifies_with_the_page_alone(record, path, answered, monkeypatch, capsys):
    """The program on the page, word by word, on a record with every kind of entry; then on one that was changed."""
    made = [record.append(answered(plan={"text": "Ünïcode"}), {"odi": 40.5}, IDENTITY) for _ in range(3)]
    record.attach_outcomes({made[0].prediction_id: {"labels": {"failure_12m": 1}}})
    record.erase([made[0].prediction_id], "on request")
    last = record.append(answered(), {}, IDENTITY)
    program = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1)
    monkeypatch.chdir(path.parent.parent)
    exec(program, {})
    assert capsys.readouterr().out == f"6 entries, head {last.sha256}\n"
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER content_unchanged")
        connection.execute("UPDATE content SET body = replace(body, '0.25', '0.15') WHERE sequence = 3")
    with pytest.raises(AssertionError, match="3"):
        exec(program, {})
