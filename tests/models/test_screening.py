"""What a clinic gets for one case, and that it is the same by every door."""

import json

import numpy as np
import pandas as pd
import pytest

from features import builders
from features.errors import BundleError
from features.next_test import next_tests
from models.body_figure import body_figure
from models.bundle import write_bundle
from models.predictor import RiskPredictor
from models.screening import Screener, picture_of

RECORD = {
    "age_years": 47.0,
    "sex": "female",
    "odi": 48.0,
    "nrs_back": 5.0,
    "smoking": 2.0,
    "leg_pain_duration_months": 6.0,
    "diagnosis": "disc_herniation",
    "herniation_l4_l5_paracentral_left": 3.0,
    "pain_lateral_leg_left": 8.0,
    "pain_foot_dorsum_left": 6.0,
    "slr_left": 1.0,
    "planned_decompression_l4_l5_left": 1.0,
}


@pytest.fixture(scope="module")
def predictor_(bundle_of, learned, tmp_path_factory):
    folder = tmp_path_factory.mktemp("screening") / "bundle"
    write_bundle(bundle_of(learned["logistic"]), folder)
    return RiskPredictor.load(folder)


@pytest.fixture(scope="module")
def screener(predictor_):
    return Screener([predictor_], ["models:/backcast-failure_12m/1"])


def test_an_answer_holds_everything_and_json_can_hold_it(screener):
    (answer,) = screener.answers([RECORD])
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    (outcome,) = answer["outcomes"]
    assert outcome["risk_lower"] < outcome["risk"] < outcome["risk_upper"]
    log_odds = outcome["base_log_odds"] + sum(outcome["contributions"].values())
    assert np.log(outcome["risk"] / (1 - outcome["risk"])) == pytest.approx(log_odds, abs=1e-9)
    assert outcome["similar"]["cases"] >= 50
    assert answer["plan"]["misses_likeliest"] == 0
    assert "L4-L5" in answer["sources"][0]["label"]
    assert answer["sources"][0]["is_reached"] is True
    assert answer["cautions"][0]["code"] == "virtual"


def test_one_case_alone_a_batch_and_a_frame_have_the_same_risk(screener, predictor_):
    records = [{**RECORD, "odi": float(odi)} for odi in range(10, 90, 8)] + [{"odi": None}, {}]
    batch = screener.answers(records)
    alone = [screener.answers([record])[0] for record in records]
    assert batch == alone
    frame = predictor_.predict(pd.DataFrame(records)).risks["risk"]
    assert [answer["outcomes"][0]["risk"] for answer in batch] == pytest.approx(frame.tolist(), rel=0, abs=1e-12)


def test_what_to_examine_next_is_worked_out_once_for_all_cases(screener, monkeypatch):
    worked_out = []
    monkeypatch.setattr(builders, "next_tests", lambda evidence: worked_out.append(1) or next_tests(evidence))
    answers = screener.answers([RECORD, {**RECORD, "pain_buttock_left": 8.0}, {}])
    assert worked_out == [1]
    assert answers[1]["next_tests"][0]["action"] in next(line for line in answers[1]["story"] if "Examine next" in line)


def test_a_red_flag_comes_first_and_there_is_no_risk(screener):
    (answer,) = screener.answers([{**RECORD, "has_saddle_numbness": 1.0}])
    assert answer["red_flags"][0]["red_flag"] == "cauda_equina"
    assert answer["outcomes"] == []


def test_an_answer_carries_the_figures_of_records_as_complete_as_this_one(bundle_of, learned, tmp_path):
    write_bundle(bundle_of(learned["logistic"]), tmp_path / "bundle")
    figures = {"temporal": {"cases": 900, "metrics": {"auroc": {"estimate": 0.66}}}}
    (tmp_path / "bundle" / "evidence.json").write_text(json.dumps({"no_questions": figures}))
    screener = Screener([RiskPredictor.load(tmp_path / "bundle")], ["bundle"])
    with_plan, bare = screener.answers([RECORD, {"odi": 40.0}])
    assert with_plan["completeness"] == {"level": "no_questions", "label": "no further questions and scores"}
    assert with_plan["outcomes"][0]["evidence"] == figures
    assert bare["completeness"]["level"] == "essential_only"
    assert bare["outcomes"][0]["evidence"] is None


def test_what_is_not_recorded_or_was_never_seen_is_a_caution(screener):
    (answer,) = screener.answers([{**RECORD, "odi": None, "leg_pain_duration_months": 590.0}])
    codes = {caution["code"] for caution in answer["cautions"]}
    assert {"missing_key_predictor", "outside_development"} <= codes
    assert answer["outcomes"][0]["missing"].count("odi") == 1


def test_a_picture_is_drawn_again_without_the_model(screener):
    from features.builders import sources_of_pain
    from features.findings import Findings
    from models.case_picture import case_figure

    (answer,) = screener.answers([RECORD])
    sources = sources_of_pain(Findings(pd.DataFrame([RECORD])), screener.builder_params)
    assert body_figure(picture_of(json.loads(json.dumps(answer["picture"]))), "Pain") == case_figure(sources, 0, "Pain")


def test_nothing_recorded_is_answered_with_what_is_missing(screener):
    (answer,) = screener.answers([{}])
    assert answer["sources"] == []
    assert answer["plan"]["support"] is None
    assert answer["outcomes"][0]["risk"] is not None
    assert picture_of(answer["picture"]).has_drawing is False


def test_no_records_no_answers(screener):
    assert screener.answers([]) == []


def test_two_models_of_one_outcome_are_refused(predictor_):
    with pytest.raises(BundleError, match="One model for each outcome"):
        Screener([predictor_, predictor_], ["a", "b"])
