"""Work-ups in the record: told again, given the cause that was adjudicated, and counted apart from forecasts."""

from __future__ import annotations

import datetime as dt

import pytest

from features.builders import BuilderParams
from features.errors import ColumnsError
from features.outcomes import OutcomeParams
from pipeline.params import MonitorParams
from pipeline.prediction_record.followup import attach_file, read_follow_up
from pipeline.prediction_record.monitor import answers_of, monitored
from pipeline.prediction_record.monitor import told as told_of_forecasts
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.told import told, waterfalls
from pipeline.prediction_record.workups import Workups, workups_of

FLAG = {"red_flag": "infection", "label": "Infection", "urgency": "emergency", "action": "Refer today"}


@pytest.fixture
def attach(record, tmp_path):
    def attached(text: str):
        file = tmp_path / "followup.csv"
        file.write_text(text)
        follow_up = read_follow_up(file, encoding="utf-8", separator=",", today=dt.date(2026, 1, 1))
        return attach_file(record, file, follow_up, {"failure_12m": OutcomeParams()})

    return attached


def labels(path, prediction_id):
    with open_record(path) as reader:
        return [kept.content["labels"] for kept in reader.entries_of(prediction_id) if kept.entry.kind == "outcome"]


def test_a_work_up_is_told_as_it_was_answered_with_the_cause_that_was_adjudicated(record, path, worked_up):
    receipt = record.append(worked_up(), {"followup_nrs_leg": 8.0}, {"case_id": "C1"})
    record.attach_outcomes({receipt.prediction_id: {"labels": {"adjudicated_cause": "epidural_fibrosis"}}})
    with open_record(path) as reader:
        said = "\n".join(told(reader.entries_of(receipt.prediction_id), "The chain verifies."))
    for words in (
        "Question: cause; completeness: 2 of 76 findings sought; provenance: knowledge.",
        "Operated on 12 months ago.\nLikely: recurrent herniation, same side.",
        "Given by: models:/backcast-cause/2, SHA-256 d4d4d4d4d4d4.",
        "adjudicated_cause is epidural fibrosis",
        "Caution: Of 76 findings only 2 were sought.",
        "This ranks what is known about causes.",
    ):
        assert words in said, words
    assert "risk" not in said


def test_the_points_of_each_likely_cause_are_drawn(worked_up, tmp_path):
    (picture,) = waterfalls(worked_up(), tmp_path, "P1")
    assert picture.name == "P1_recurrent_herniation.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_each_answer_of_a_case_has_the_label_of_its_question(record, path, attach, answered, worked_up):
    forecast = record.append(answered(), {"odi": 50.0}, {"case_id": "C1"}).prediction_id
    work_up = record.append(worked_up(), {"odi": 50.0}, {"case_id": "C1"}).prediction_id
    done = attach("case_id,odi_12m,adjudicated_cause\nC1,48,infection\nC2,20,hip\n")
    assert (done.cases, done.attached, done.unmatched) == (2, 2, 1)
    assert labels(path, forecast) == [{"failure_12m": 1}]
    assert labels(path, work_up) == [{"adjudicated_cause": "infection"}]
    assert attach("case_id,odi_12m,adjudicated_cause\nC1,48,infection\n").unchanged == 2
    done = attach("case_id,adjudicated_cause\nC1,hip\n")
    assert (done.corrected, done.unchanged) == (1, 1), "of the forecast nothing is said, so what is known stays"
    assert labels(path, forecast) == [{"failure_12m": 1}]
    with pytest.raises(ColumnsError, match="adjudicated_cause"):
        attach("case_id,odi\nC1,40\n")


def test_a_red_flag_has_nothing_to_adjudicate(record, attach, worked_up):
    record.append(worked_up(red_flags=[FLAG], causes=[]), {}, {"case_id": "C1"})
    assert attach("case_id,adjudicated_cause\nC1,infection\n").unmatched == 1


def test_monitoring_counts_work_ups_apart_and_says_how_often_the_ranking_was_right(record, path, answered, worked_up):
    record.append(answered(), {"odi": 50.0}, {"case_id": "C0"})
    said = ["recurrent_herniation"] * 6 + ["epidural_fibrosis"] * 3 + ["hip", None]
    for number, cause in enumerate(said):
        made = record.append(worked_up(), {"odi": 50.0}, {"case_id": f"W{number}"})
        record.attach_outcomes({made.prediction_id: {"labels": {"adjudicated_cause": cause}}})
    record.append(worked_up(red_flags=[FLAG], causes=[]), {}, {"case_id": "W-flag"})
    with open_record(path) as reader:
        found = workups_of(reader)
        forecasts = answers_of(reader, BUILDERS)
    assert found == Workups(cases=12, red_flags=1, adjudicated=10, first=6, among_two=9)
    assert str(found) == (
        "12 cases worked up after an operation, 1 of them with a red flag; of 10 cases the cause was adjudicated: the "
        "first of the ranking in 60 %, among the first two in 90 %."
    )
    assert len(forecasts.about) == 1


BUILDERS = BuilderParams(mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.1})
RULES = MonitorParams(minimum_predictions=20, minimum_known=20, calibration_intercept=0.3, stability_index=0.2)


def test_a_record_of_work_ups_alone_does_not_stop_monitoring(record, path, worked_up):
    made = record.append(worked_up(), {"odi": 50.0}, {"case_id": "W1"})
    record.attach_outcomes({made.prediction_id: {"labels": {"adjudicated_cause": "hip"}}})
    with open_record(path) as reader:
        lines = told_of_forecasts(monitored(answers_of(reader, BUILDERS), None, RULES))
        assert "too few to say how often" in str(workups_of(reader))
    assert lines[0].startswith("0 cases answered")
