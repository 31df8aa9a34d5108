"""A past answer is told and drawn from what was stored; the model may be long gone."""

from __future__ import annotations

import pytest

from models.story import NOT_A_VERDICT
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.told import told, waterfalls


@pytest.fixture
def story(path):
    def of(receipt) -> str:
        with open_record(path) as reader:
            return "\n".join(told(reader.entries_of(receipt.prediction_id), "The chain verifies."))

    return of


def test_an_answer_is_told_with_what_moved_it_and_what_was_attached(record, answered, story, clock):
    mimics = [
        {"label": "sacroiliac joint", "side": "right", "probability": 0.22},
        {"label": "vascular claudication", "side": "left", "flag": 1.0},
        {"label": "vascular claudication", "side": "right", "flag": None},
        {"label": "peripheral neuropathy", "side": "left", "flag": 0.0},
    ]
    parts = {"mimics": mimics, "next_test": {"text": "Thigh thrust"}}
    receipt = record.append(answered(**parts), {}, {"case_id": "C1"})
    clock.later(days=400)
    record.attach_outcomes({receipt.prediction_id: {"labels": {"failure_12m": 1, "worse_12m": None}}})
    record.attach_all_feedback([(receipt.prediction_id, {"outcome": "overridden"})])
    said = story(receipt)
    for words in (
        f"Prediction {receipt.prediction_id}, made 2024-03-05 09:30 UTC: entry 1 of the record. The chain verifies.",
        "Risk of failure_12m (ODI fell by less than 30 %) within 12 months: 25 % ",
        "(95 % interval of the model 20 % to 31 %)",
        "where 33 % of the development cases had it",
        "raised by: Disability (ODI) +0.30",
        "lowered by: Age -0.70",
        "Mimics: sacroiliac joint, right (22 %); vascular claudication, left\n",
        "Next: Thigh thrust",
        "Caution: Few similar cases in development.",
        "Caution: Made from the virtual registry: not for patients.",
        "Outcome, attached 2025-04-09 09:30 UTC: failure_12m happened; worse_12m not known.",
        "Feedback, 2025-04-09 09:30 UTC: outcome overridden.",
        NOT_A_VERDICT,
    ):
        assert words in said, words


def test_a_red_flag_is_told_first_and_without_a_risk(record, answered, story):
    receipt = record.append(answered(outcomes=[], red_flags=["cauda_equina"]), {}, {"case_id": "C1"})
    said = story(receipt)
    _, question, first, *_ = said.splitlines()
    assert question.startswith("Question: ")
    assert first.startswith("Red flag: ")
    assert "no risk is given" in first
    assert "Risk of" not in said


def test_an_erased_answer_says_so_and_no_more(record, answered, story):
    receipt = record.append(answered(), {}, {"case_id": "C1"})
    record.erase([receipt.prediction_id], "on request")
    head, rest = story(receipt).splitlines()
    assert head.startswith(f"Prediction {receipt.prediction_id}, made 2024-03-05 09:30 UTC: entry 1 of the record.")
    assert rest == "Its content was erased on 2024-03-05 09:30 UTC; that it was made is all that is kept."


def test_a_predictor_that_this_version_does_not_know_keeps_its_name(record, answered, story):
    answer = answered()
    answer["outcomes"][0]["contributions"] = {"an_older_predictor": 0.4}
    assert "raised by: an_older_predictor +0.40" in story(record.append(answer, {}, {}))


def test_a_waterfall_is_drawn_for_each_outcome_that_has_a_risk(answered, tmp_path):
    answer = answered()
    answer["outcomes"].append({"outcome": "worse_12m", "risk": None, "contributions": {}})
    (picture,) = waterfalls(answer, tmp_path, "P1")
    assert picture.name == "P1_failure_12m.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
