"""After an operation that failed: causes with their evidence, recorded before they leave, and told again later."""

import datetime as dt
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from features.axes import CAUSES
from features.dictionary import load_dictionary
from models.cause_model import CauseModel
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.traces import points_of

RECURRENCE = {
    "diagnosis": "disc_herniation",
    "performed_procedure": "microdiscectomy",
    "planned_decompression_l4_l5_left": 1,
    "operated_decompression_l4_l5_left": 1,
    "followup_operated_site_l4_l5_left": 1,
    "operation_date": "2024-01-10",
    "workup_date": "2025-01-09",
    "initial_relief_percent": 80,
    "pain_free_interval_months": 7,
    "return_tempo": "sudden",
    "return_trigger": "lifting_or_twisting",
    "nrs_leg": 8,
    "followup_nrs_leg": 8,
    "pain_lateral_leg_left": 8,
    "followup_pain_lateral_leg_left": 8,
    "followup_slr_left": 1,
    "followup_contrast": 1,
    "followup_herniation_l4_l5_left": 3,
    "followup_mass_in_continuity_l4_l5_left": 1,
    "followup_enhancement_l4_l5_left": 1,
}
FIBROSIS = {
    **{name: value for name, value in RECURRENCE.items() if "mass" not in name and "herniation_l4" not in name},
    "return_tempo": "gradual",
    "return_trigger": "none",
    "followup_enhancement_l4_l5_left": 2,
}


def mistakes(response):
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    return {error["name"]: error for error in response.json()["errors"]}


def told(answer):
    return {name: part for name, part in answer.items() if name not in ("prediction_id", "made_at", "record_sha256")}


def test_a_text_book_recurrence_is_ranked_first_and_recorded_as_it_was_answered(service):
    answer = service.work_up({**RECURRENCE, "case_id": "Case-QXZW", "patient_id": "Patient-WZXQ"}).json()
    assert [answer["causes"][0][name] for name in ("cause", "likelihood")] == ["recurrent_herniation", "likely"]
    assert answer["course"]["text"].startswith("Operated on 12 months ago. At first the pain fell by 80 %; after 7")
    assert answer["operated"] == dict.fromkeys(("intended", "noted", "seen"), "L4-L5 left")
    assert "epidural_fibrosis" in {cause["cause"] for cause in answer["causes"]}
    assert "pseudarthrosis" in {one["cause"] for one in answer["impossible"]}
    assert answer["plan"]["generators"][0]["cause"] == "recurrent_herniation"
    assert service("GET", f"/predictions/{answer['prediction_id']}").json() == {**answer, "later": []}
    with open_record(service.record) as reader:
        (kept,) = reader.entries_of(answer["prediction_id"])
    assert (kept.entry.kind, kept.entry.sha256) == ("prediction", answer["record_sha256"])
    days = ("operation_date", "workup_date")
    assert kept.content["inputs"] == {name: value for name, value in RECURRENCE.items() if name not in days}
    assert not re.search("QXZW|WZXQ|2024-01-10", json.dumps(kept.content))


def test_another_course_and_enhancement_make_another_cause_first(answering):
    first = [answering.work_up(case).json()["causes"][0]["cause"] for case in (RECURRENCE, FIBROSIS)]
    assert first == ["recurrent_herniation", "epidural_fibrosis"]


def test_the_points_of_each_cause_add_up_to_its_log_odds(answering):
    for cause in answering.work_up(RECURRENCE).json()["causes"]:
        assert cause["prior_log_odds"] + sum(points_of(cause).values()) == pytest.approx(cause["log_odds"], abs=1e-12)


def test_one_by_one_in_a_batch_and_by_the_tracked_model_it_is_the_same(answering, causes):
    cases = [RECURRENCE, FIBROSIS, {**FIBROSIS, "followup_has_allodynia": 1, "followup_crp_mg_l": 60}]
    batch = answering("POST", "/workup/batch", json=cases).json()["answers"]
    assert [told(answer) for answer in batch] == [told(answering.work_up(case).json()) for case in cases]
    frame = pd.DataFrame([{k: float(v) if isinstance(v, int) else v for k, v in case.items()} for case in cases])
    table = CauseModel.load(causes[1]).predict(frame)
    for place, answer in enumerate(batch):
        said = {cause["cause"]: cause["log_odds"] for cause in answer["causes"]}
        ours = {cause: table[f"log_odds_{cause}"].iloc[place] for cause in CAUSES}
        assert said.keys() == {cause for cause, value in ours.items() if value == value}
        np.testing.assert_allclose(list(said.values()), [ours[cause] for cause in said], rtol=0, atol=1e-12)
        assert table["first_cause"].iloc[place] == answer["causes"][0]["cause"]


def test_a_red_flag_comes_first_and_no_cause_is_ranked(service):
    answer = service.work_up({**RECURRENCE, "followup_has_saddle_numbness": 1}).json()
    assert answer["red_flags"][0]["red_flag"] == "cauda_equina"
    assert answer["causes"] == answer["impossible"] == answer["next_investigations"] == []
    assert answer["plan"]["generators"] == []
    assert "refer" in answer["plan"]["first"]
    with open_record(service.record) as reader:
        verdict = reader.verdict()
    assert (verdict.predictions, verdict.red_flags) == (0, 1)


def test_the_figure_of_a_work_up_shows_what_was_operated_on(answering):
    answer = answering.work_up(RECURRENCE).json()
    drawing = answering("GET", f"/predictions/{answer['prediction_id']}/figure.svg")
    assert ElementTree.fromstring(drawing.text).tag.endswith("svg")
    assert "Operated on: decompression L4-L5 left" in drawing.text
    assert "to be decompressed" not in drawing.text


def test_equal_findings_have_one_hash_whoever_and_on_whatever_days(answering):
    moved = {**RECURRENCE, "operation_date": "2023-01-10", "workup_date": "2024-01-10", "case_id": "C9"}
    later = {**RECURRENCE, "workup_date": "2025-06-09"}
    first, same, other = (answering.work_up(case).json()["input_sha256"] for case in (RECURRENCE, moved, later))
    assert first == same != other


TOMORROW = (dt.date.today() + dt.timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"adjudicated_cause": "infection"}, "adjudicated_cause", "known only at the adjudication of the cause"),
        ({"operated_decompression_l6_s1_left": 1}, "operated_decompression_l6_s1_left", "level"),
        ({"operation_date": "2025-03-01"}, "workup_date", "lies before"),
        ({"workup_date": TOMORROW}, "workup_date", "to today"),
        ({"followup_contrast": 0}, "followup_enhancement_l4_l5_left", "MRI without contrast"),
        ({"return_tempo": "never_better"}, "pain_free_interval_months", "never better"),
        ({"followup_nrs_leg": 80}, "followup_nrs_leg", "outside 0 to 10"),
        ({"followup_has_allodynia": True}, "followup_has_allodynia", "is true or false"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_not_recorded(refusing, changes, name, words):
    found = mistakes(refusing.work_up({**RECURRENCE, **changes}))
    assert words in found[name]["detail"]
    assert found[name]["pointer"] == f"#/{name}"
    assert refusing.recorded() == 0


def test_a_work_up_without_an_operation_or_with_nothing_is_refused(refusing):
    assert "operation_date" in mistakes(refusing.work_up({"followup_nrs_leg": 7}))
    assert mistakes(refusing.work_up({"case_id": "C1"}))[None]["rule"] == "nothing_recorded"
    batch = refusing("POST", "/workup/batch", json=[RECURRENCE, {**RECURRENCE, "odi": 400}])
    assert [error["pointer"] for error in batch.json()["errors"]] == ["#/1/odi"]
    assert refusing.recorded() == 0


def test_the_adjudicated_cause_is_attached_to_the_work_up_and_to_no_forecast(service):
    forecast = service.screen({"odi": 48, "case_id": "C1"}).json()
    answer = service.work_up({**RECURRENCE, "case_id": "C1"}).json()
    counts = service("POST", "/outcomes", json={"case_id": "C1", "adjudicated_cause": "epidural_fibrosis"}).json()
    assert {name: counts[name] for name in ("cases", "attached", "not_known")} == {
        "cases": 1, "attached": 1, "not_known": 1,
    }  # fmt: skip
    later = {one: service("GET", f"/predictions/{one}").json()["later"] for one in
             (forecast["prediction_id"], answer["prediction_id"])}  # fmt: skip
    assert later[forecast["prediction_id"]] == []
    (attached,) = later[answer["prediction_id"]]
    assert attached["content"]["labels"] == {"adjudicated_cause": "epidural_fibrosis"}
    again = service("POST", "/outcomes", json={"case_id": "C1", "adjudicated_cause": "infection", "odi_12m": 40}).json()
    assert (again["attached"], again["corrected"]) == (2, 1)
    wrong = service("POST", "/outcomes", json={"case_id": "C1", "adjudicated_cause": "bad luck"})
    assert "none of its choices" in mistakes(wrong)["adjudicated_cause"]["detail"]


def test_what_can_be_asked_is_on_the_page_of_the_service(answering):
    known = [variable.name for variable in load_dictionary().known_by("follow_up")]
    page = answering("GET", "/openapi.json").json()
    assert {"/workup", "/workup/batch"} <= page["paths"].keys()
    assert list(page["components"]["schemas"]["WorkUp"]["properties"]) == known
    assert "adjudicated_cause" in page["components"]["schemas"]["FollowUp"]["properties"]
    described = answering("GET", "/dictionary").json()
    names = [variable["name"] for part in (described, described["workup"]) for variable in part["variables"]]
    assert sorted(names) == sorted(known)
    causes = answering("GET", "/models").json()["causes"]
    assert (causes["uri"], causes["provenance"]) == ("models:/backcast-cause/1", "knowledge")
    assert [cause["cause"] for cause in causes["causes"]] == list(CAUSES)
