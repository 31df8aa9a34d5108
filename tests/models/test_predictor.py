from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from features.errors import ColumnsError, TimingError, ValuesError
from models.bundle import write_bundle
from models.predictor import RiskPredictor
from models.story import caution_lines, red_flag_line, risk_lines
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases


@pytest.fixture(scope="session")
def planned():
    params = RegistryParams(seed=3, cases=150, centres=3, first_year=2020, years=1, discordance_effect=1.0)
    return draw_planned_cases(params).set_index("case_id")


@pytest.fixture(params=["prevalence", "baseline", "logistic", "xgboost"])
def predictor(request, learned, tmp_path, bundle_of):
    write_bundle(bundle_of(learned[request.param]), tmp_path / "bundle")
    return RiskPredictor.load(tmp_path / "bundle")


@pytest.fixture
def logistic(learned, tmp_path, bundle_of):
    write_bundle(bundle_of(learned["logistic"]), tmp_path / "bundle")
    return RiskPredictor.load(tmp_path / "bundle")


def with_a_risk(explained):
    return explained.risks["red_flags"] == ""


def test_contributions_add_up_to_the_log_odds_of_the_risk(predictor, planned):
    explained = predictor.predict(planned)
    rows = with_a_risk(explained)
    total = explained.risks["base_log_odds"] + explained.contributions.sum(axis=1)
    np.testing.assert_allclose(total[rows], logit(explained.risks["risk"][rows]), rtol=0, atol=1e-9)


def test_groups_add_up_to_the_same(logistic, planned):
    explained = logistic.predict(planned)
    groups = explained.groups(logistic.bundle)
    np.testing.assert_allclose(groups.sum(axis=1), explained.contributions.sum(axis=1), atol=1e-12)


def test_the_interval_holds_the_risk(logistic, planned):
    risks = logistic.predict(planned).risks.query("red_flags == ''")
    assert (risks["risk_lower"] < risks["risk"]).all()
    assert (risks["risk"] < risks["risk_upper"]).all()


def test_a_case_alone_gets_the_risk_it_gets_in_a_batch(predictor, planned):
    batch = predictor.predict(planned).risks["risk"]
    alone = pd.concat([predictor.predict(planned.loc[[case]]).risks["risk"] for case in planned.index[:10]])
    np.testing.assert_array_equal(alone, batch.head(10))


def test_a_red_flag_is_answered_with_no_risk_at_all(logistic, planned):
    flagged = planned.head(2).assign(has_saddle_numbness=[1.0, 0.0], has_sphincter_disturbance=0.0)
    explained = logistic.predict(flagged)
    first, second = explained.risks["red_flags"]
    assert first == "cauda_equina"
    assert explained.risks.iloc[0][["risk", "risk_lower", "risk_upper"]].isna().all()
    assert explained.contributions.iloc[0].isna().all()
    assert second == ""
    assert "no risk is given" in red_flag_line(first)


def test_the_record_is_left_as_it_was(logistic, planned):
    before = planned.copy(deep=True)
    logistic.predict(planned)
    pd.testing.assert_frame_equal(planned, before)


def test_absent_and_empty_are_both_not_recorded(logistic, planned):
    empty = logistic.predict(planned.assign(odi=np.nan)).risks
    absent = logistic.predict(planned.drop(columns="odi")).risks
    pd.testing.assert_frame_equal(empty, absent)


def test_a_variable_known_later_is_refused_by_name(logistic, planned):
    with pytest.raises(TimingError, match="odi_12m is known only at follow-up"):
        logistic.predict(planned.assign(odi_12m=20.0))


def test_an_unknown_column_is_refused_by_name(logistic, planned):
    with pytest.raises(ColumnsError, match=r"smoker is not in the dictionary"):
        logistic.predict(planned.assign(smoker=1.0))


def test_all_wrong_values_are_said_at_once_and_none_is_quoted(logistic, planned):
    wrong = planned.assign(odi=140.0, sex="unknown")
    with pytest.raises(ValuesError) as refusal:
        logistic.predict(wrong)
    assert "odi is outside 0 to 100" in str(refusal.value)
    assert "sex holds a code" in str(refusal.value)
    assert "140" not in str(refusal.value)


def test_a_model_of_the_virtual_registry_says_so(logistic, planned):
    explained = logistic.predict(planned)
    assert (explained.risks["provenance"] == "virtual").all()
    assert "not for patients" in "\n".join(caution_lines(logistic, explained.risks.iloc[0]))


def test_a_model_of_a_registry_does_not_call_itself_virtual(learned, planned, tmp_path, bundle_of):
    write_bundle(bundle_of(learned["logistic"], provenance="registry"), tmp_path / "bundle")
    predictor = RiskPredictor.load(tmp_path / "bundle")
    assert predictor.cautions == []
    assert "virtual" not in "\n".join(caution_lines(predictor, predictor.predict(planned).risks.iloc[0]))


def test_the_story_says_risk_interval_base_rate_and_what_moved_it(logistic, planned):
    explained = logistic.predict(planned)
    case = explained.risks.index[with_a_risk(explained).to_numpy()][0]
    story = "\n".join(risk_lines(logistic, explained, case))
    for part in ("Risk of failure_12m", "95 % interval", "development cases", "raised by", "by group"):
        assert part in story
