"""What became of a case finds its predictions by pseudonym; a correction is an entry more."""

from __future__ import annotations

import datetime as dt

import pytest

from features.errors import ColumnsError, ValuesError
from features.outcomes import OutcomeParams
from pipeline.prediction_record.followup import attach_file, read_follow_up
from pipeline.prediction_record.reading import open_record

PARAMS = {
    "failure_12m": OutcomeParams(reoperation="failed", baseline_floor=10),
    "reoperation_24m": OutcomeParams(),
}


@pytest.fixture
def attach(record, tmp_path):
    """Attaches a follow-up file that is drawn as CSV."""

    def attached(text: str):
        file = tmp_path / "followup.csv"
        file.write_text("\n".join(line.strip() for line in text.strip().splitlines()))
        follow_up = read_follow_up(file, encoding="utf-8", separator=",", today=dt.date(2026, 1, 1))
        return attach_file(record, file, follow_up, PARAMS)

    return attached


def labels(path, prediction_id):
    with open_record(path) as reader:
        return [kept.content["labels"] for kept in reader.entries_of(prediction_id) if kept.entry.kind == "outcome"]


def test_outcomes_are_judged_against_the_baseline_of_the_prediction(record, path, attach, answered):
    better, worse = (
        record.append(answered(), {"odi": 50.0, "diagnosis": "disc_herniation"}, {"case_id": case}).prediction_id
        for case in ("C1", "C2")
    )
    done = attach("""
        case_id,odi_12m,reoperation_date,last_contact_date
        C1,20,,2025-12-01
        C2,48,2024-09-01,2025-12-01
        C3,30,,2025-12-01
    """)
    assert (done.cases, done.attached, done.unmatched, done.corrected) == (3, 2, 1, 0)
    assert labels(path, better) == [{"failure_12m": 0, "reoperation_24m": None}]
    assert labels(path, worse) == [{"failure_12m": 1, "reoperation_24m": 1}]


def test_the_file_has_the_last_word_on_the_baseline(record, path, attach, answered):
    made = record.append(answered(), {"odi": 50.0}, {"case_id": "C1"}).prediction_id
    attach("""
        case_id,odi,odi_12m
        C1,25,20
    """)
    assert labels(path, made)[0]["failure_12m"] == 1


def test_a_file_that_is_silent_on_an_outcome_takes_nothing_back(record, path, attach, answered):
    made = record.append(answered(), {"odi": 50.0}, {"case_id": "C1"}).prediction_id
    attach("""
        case_id,reoperation_date,last_contact_date
        C1,2025-10-01,2025-12-01
    """)
    before = labels(path, made)[-1]
    assert before["reoperation_24m"] == 1
    attach("""
        case_id,odi_12m
        C1,48
    """)
    assert labels(path, made)[-1] == {"failure_12m": 1, "reoperation_24m": 1}


def test_a_corrected_file_adds_an_entry_and_the_same_file_none(record, path, attach, answered, clock):
    made = record.append(answered(), {"odi": 50.0}, {"case_id": "C1"}).prediction_id
    clock.later(days=400)
    first, corrected = "case_id,odi_12m\nC1,48", "case_id,odi_12m\nC1,18"
    assert attach(first).attached == 1
    assert attach(first).unchanged == 1
    done = attach(corrected)
    assert (done.attached, done.corrected) == (1, 1)
    assert [said["failure_12m"] for said in labels(path, made)] == [1, 0]
    assert attach(first).corrected == 1
    with open_record(path) as reader:
        assert reader.verdict().entries == 4


def test_every_prediction_of_a_case_has_its_outcome(record, path, attach, answered):
    made = [record.append(answered(), {"odi": odi}, {"case_id": "C1"}).prediction_id for odi in (50.0, 20.0)]
    assert attach("case_id,odi_12m\nC1,19").attached == 2
    assert [labels(path, one)[0]["failure_12m"] for one in made] == [0, 1]


def test_what_is_not_known_yet_is_counted_and_not_attached(record, attach, answered):
    record.append(answered(), {"odi": 50.0}, {"case_id": "C1"})
    done = attach("case_id,odi_12m\nC1,")
    assert (done.attached, done.not_known) == (0, 1)


def test_for_how_long_a_case_was_watched_is_kept_though_no_outcome_is_known_yet(record, path, attach, answered):
    made = record.append(answered(), {"odi": 50.0}, {"case_id": "C1"}).prediction_id
    watched = "case_id,odi_12m,last_contact_date\nC1,,2024-12-30"
    for _ in range(2):
        done = attach(watched)
        assert (done.attached, done.corrected, done.unchanged, done.not_known) == (0, 0, 0, 1)
    done = attach("case_id,odi_12m,reoperation_date,last_contact_date\nC1,20,2025-03-05,2025-12-01")
    assert (done.attached, done.corrected) == (1, 0)
    with open_record(path) as reader:
        kept = [entry.content for entry in reader.entries_of(made) if entry.entry.kind == "outcome"]
    assert [said["days"] for said in kept] == [{"reoperation_24m": 300}, {"reoperation_24m": 365}]
    assert [said["labels"]["reoperation_24m"] for said in kept] == [None, 1]


def test_an_erased_case_has_no_prediction_any_more(record, attach, answered):
    made = record.append(answered(), {"odi": 50.0}, {"case_id": "C1"}).prediction_id
    record.erase([made], "on request")
    assert attach("case_id,odi_12m\nC1,20").unmatched == 1


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("odi_12m,death_date\n40,", ColumnsError, "case_id is missing"),
        ("case_id,odi\nC1,40", ColumnsError, "every other variable of the outcome is missing"),
        ("case_id,odi_12m,oddi\nC1,40,3", ColumnsError, "oddi is not in the dictionary"),
        ("case_id,odi_12m\nC1,140", ValuesError, "odi_12m is outside 0 to 100"),
        ("case_id,odi_12m\nC1,40\nC1,41", ValuesError, "case_id is not unique"),
        ("case_id,odi_12m,reoperation_date\nC1,40,2031-01-01", ValuesError, "lies in the future"),
    ],
)
def test_a_file_that_is_not_fit_is_refused(record, path, attach, answered, text, error, words):
    record.append(answered(), {"odi": 50.0}, {"case_id": "C1"})
    with pytest.raises(error, match=words) as refused:
        attach(text)
    assert "C1" not in str(refused.value)
    with open_record(path) as reader:
        assert reader.verdict().entries == 1, "nothing was attached"


def test_every_mistake_of_a_file_is_said_at_once(attach):
    with pytest.raises(ValuesError) as refused:
        attach("case_id,odi_12m,reoperation_date\nC1,140,2031-01-01\nC1,40,")
    for words in ("odi_12m is outside 0 to 100", "case_id is not unique", "lies in the future"):
        assert words in str(refused.value)
