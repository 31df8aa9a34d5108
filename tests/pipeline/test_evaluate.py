"""What stands for cases without an outcome, what the chosen learner is compared with, and what DVC shows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.outcomes import DAYS_PER_MONTH, OutcomeParams, is_defined
from models.censoring import censoring_weights
from models.comparison import paired_differences
from pipeline import paths
from pipeline import tested as test_cases
from pipeline.files import write_table
from pipeline.stages import evaluate
from pipeline.stages.evaluate import CENSORING, PLAIN, RESPONSE, Cohort

EVENT, REPORTED = "reoperation_24m", "failure_12m"
OUTCOMES = [REPORTED, EVENT]
PARAMS = SimpleNamespace(
    cohort=SimpleNamespace(outcomes={REPORTED: OutcomeParams(baseline_floor=10.0), EVENT: OutcomeParams()}),
    validate=SimpleNamespace(clusters=0, seed=1),
    train=SimpleNamespace(outcomes=OUTCOMES, max_parameters={REPORTED: 6, EVENT: 6}),
    evaluate=SimpleNamespace(thresholds=[0.1, 0.3], seed=1, response_percentiles=[1.0, 99.0]),
)


def nobody_reoperated(cases: pd.DataFrame) -> pd.DataFrame:
    return cases.assign(reoperation_date=pd.NaT, death_date=pd.NaT).astype(
        {"reoperation_date": "datetime64[ns]", "death_date": "datetime64[ns]"}
    )


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Cases of one test set with a rare event that many leave before, and answers that the disabled do not give."""
    rng = np.random.default_rng(4)
    n = 2500
    index = pd.Index([f"C{i:05d}" for i in range(n)], name="case_id")
    odi = rng.integers(2, 45, n) * 2.0
    event, leaves = rng.exponential(4000, n), rng.exponential(1500, n)
    days = np.minimum(np.minimum(event, leaves), 731)
    failed = (rng.random(n) < 1 / (1 + np.exp(-0.06 * (odi - 50)))).astype(float)
    answers = (rng.random(n) < 1 / (1 + np.exp(0.08 * (odi - 50)))) & (odi >= 10)
    labels = pd.DataFrame(
        {
            REPORTED: np.where(answers, failed, np.nan),
            EVENT: np.where(event <= np.minimum(leaves, 730.5), 1.0, np.where(leaves < 730.5, np.nan, 0.0)),
            f"{EVENT}_days": days,
        },
        index=index,
    )
    cases = pd.DataFrame(
        {"odi": odi, "age_years": 50.0, "centre_id": "A", "index_date": pd.Timestamp("2020-05-01"), "truth": failed},
        index=index,
    )
    split = pd.DataFrame({"patient_id": [f"P{i // 2:05d}" for i in range(n)], "set": "temporal"}, index=index)
    return Cohort(cases, cases[[]], labels, split, nobody_reoperated(cases))


def predictions(cohort: Cohort, outcome: str, *learners: str) -> pd.DataFrame:
    risk = 1 / (1 + np.exp(1 - 0.03 * (cohort.cases["odi"] - 50)))
    tables = [
        pd.DataFrame(
            {
                "case_id": cohort.cases.index,
                "test_set": "temporal",
                "y_true": cohort.labels[outcome].to_numpy(),
                "learner": learner,
                "risk": (risk ** (1 + place)).to_numpy(),
            }
        )
        for place, learner in enumerate(learners)
    ]
    return pd.concat(tables, ignore_index=True).dropna(subset=["y_true"])


def test_those_still_observed_stand_for_those_censored(cohort):
    tested = evaluate.with_weights(predictions(cohort, EVENT, "logistic"), EVENT, cohort)
    assert tested["weight"].min() >= 1
    assert tested["weight"].sum() == pytest.approx(len(cohort.cases), rel=0.02)
    found = evaluate.weighted(tested, EVENT, "logistic", cohort, PARAMS)["temporal"]
    assert set(found) == {PLAIN, CENSORING}
    truth = 1 - np.exp(-730.5 / 4000)
    plain, weighted = (found[way]["metrics"]["prevalence"] for way in (PLAIN, CENSORING))
    assert plain["estimate"] > truth + 0.03, "events are seen, and those who left without one are not"
    assert weighted["lower"] < truth < weighted["upper"]
    assert found[CENSORING]["effective_cases"] < found[CENSORING]["cases"] == found[PLAIN]["cases"]


def test_the_metrics_of_an_event_are_the_weighted_ones_and_of_a_report_the_plain_ones(cohort):
    for outcome, way in ((EVENT, CENSORING), (REPORTED, PLAIN)):
        tested = evaluate.with_weights(predictions(cohort, outcome, "logistic"), outcome, cohort)
        metrics = evaluate.measured(tested, "logistic", PARAMS)["temporal"]
        assert metrics == evaluate.weighted(tested, outcome, "logistic", cohort, PARAMS)["temporal"][way]["metrics"]


def test_those_who_answered_stand_for_those_who_did_not(cohort):
    tested = evaluate.with_weights(predictions(cohort, REPORTED, "logistic"), REPORTED, cohort)
    found = evaluate.weighted(tested, REPORTED, "logistic", cohort, PARAMS)["temporal"]
    truth = cohort.cases.loc[cohort.cases["odi"] >= 10, "truth"].mean()
    plain, weighted = (found[way]["metrics"]["prevalence"]["estimate"] for way in (PLAIN, RESPONSE))
    assert plain < truth - 0.1
    assert abs(weighted - truth) < 0.4 * abs(plain - truth)
    defined = int((cohort.cases["odi"] >= 10).sum())
    assert found[RESPONSE]["response"]["cases"] == defined < len(cohort.cases)


def test_a_comparison_is_paired_clustered_by_patient_and_weighted(cohort):
    tested = evaluate.with_weights(predictions(cohort, EVENT, "logistic", "xgboost"), EVENT, cohort)
    tested = tested.sample(frac=1, random_state=2)  # the order of rows must not matter
    found = evaluate.comparisons(tested, "xgboost", [0.1])["temporal"]["logistic"]
    by_case = {name: part.set_index("case_id").sort_index() for name, part in tested.groupby("learner")}
    ours, theirs = by_case["xgboost"], by_case["logistic"]
    expected = paired_differences(
        ours["y_true"], ours["risk"], theirs["risk"], thresholds=[0.1],
        patients=ours["patient_id"], weights=ours["weight"],
    )  # fmt: skip
    assert found["cases"] == len(ours)
    assert found["differences"] == {name: value.as_json() for name, value in expected.items()}
    assert ours["patient_id"].duplicated().any()


def test_a_learner_with_risks_for_some_cases_is_compared_on_those(cohort):
    rows = predictions(cohort, REPORTED, "logistic", "published")
    rows = rows[(rows["learner"] == "logistic") | (rows["case_id"] < "C00800")]
    tested = evaluate.with_weights(rows, REPORTED, cohort)
    found = evaluate.comparisons(tested, "logistic", [0.3])
    assert found["temporal"]["published"]["cases"] == (rows["learner"] == "published").sum()
    assert list(found) == ["temporal"]


def test_what_was_withheld_is_told_by_why():
    index = pd.Index([f"C{i:02d}" for i in range(37)], name="case_id")
    sets = ["development"] * 16 + ["withheld"] * 16 + ["temporal"] + ["withheld"] * 4
    years = [2018] * 16 + [2018, 2019] * 8 + [2020] + [2021] * 4
    cases = pd.DataFrame({"index_date": [pd.Timestamp(year, 5, 1) for year in years]}, index=index)
    labels = pd.DataFrame({REPORTED: [0, 0, 1, np.nan] * 4 + [1] * 16 + [0] + [1] * 4}, index=index)
    split = pd.DataFrame({"set": sets}, index=index)
    found = evaluate.withheld(REPORTED, Cohort(cases, cases[[]], labels, split, cases))
    counts = {name: (part["cases"], part["known"], part["prevalence"]["estimate"]) for name, part in found.items()}
    assert counts == {
        "development": (16, 12, pytest.approx(1 / 3)),
        "earlier_cases": (16, 16, 1.0),
        "later_cases": (4, 4, None),
        "with_earlier_cases": (32, 28, pytest.approx(20 / 28)),
    }
    assert found["later_cases"]["prevalence"]["reason"] == "only 4 cases; at least 5 are needed"


def test_the_summary_has_a_few_figures_of_each_learner_and_none_that_is_not_there():
    names = (*evaluate.SUMMARISED, "net_benefit_30", "emax")
    figures = {name: {"estimate": 0.123456, "lower": 0.1, "upper": 0.2} for name in names}
    figures["ici"] = {"estimate": None, "lower": None, "upper": None, "reason": "there are no cases"}
    found = evaluate.summary({"logistic": {"temporal": figures}}, "logistic", 0.3)
    assert found["chosen"] == "logistic"
    assert found["logistic"]["temporal"] == dict.fromkeys(
        ("auroc", "brier_score", "calibration_intercept", "calibration_slope", "net_benefit_30"), 0.1235
    )


def test_reoperated_cases_are_as_many_under_the_weights_as_they_are(cohort):
    """Whoever answers, a reoperation that counts as failure is known: such cases do not stand for those lost."""
    rng = np.random.default_rng(11)
    reoperated = pd.Series(rng.random(len(cohort.cases)) < 0.12, index=cohort.cases.index)
    dates = cohort.cases["index_date"].where(~reoperated, cohort.cases["index_date"] + pd.Timedelta(days=90))
    record = cohort.record.assign(reoperation_date=dates.where(reoperated))
    labels = cohort.labels.assign(**{REPORTED: cohort.labels[REPORTED].mask(reoperated, 1.0)})
    failed = OutcomeParams(baseline_floor=10.0, reoperation="failed")
    params = SimpleNamespace(
        cohort=SimpleNamespace(outcomes={REPORTED: failed}),
        train=PARAMS.train,
        evaluate=PARAMS.evaluate,
        validate=PARAMS.validate,
    )
    spoilt = cohort._replace(record=record, labels=labels)
    weights, response = evaluate.response_weights(REPORTED, spoilt, "temporal", params)
    asked = reoperated[weights.index]
    assert np.average(asked, weights=weights) == pytest.approx(asked.mean(), abs=1e-9)
    known = labels.loc[weights.index, REPORTED].notna()
    assert asked[known].mean() > asked.mean() + 0.03
    assert response["settled_by_event"] == reoperated.sum()
    assert len(weights) == ((cohort.cases["odi"] >= 10) | reoperated).sum()


def test_whether_an_outcome_is_defined_is_asked_of_its_rule():
    """A percentage of nothing is undefined whatever the floor; a state needs no baseline at all."""
    cases = pd.DataFrame({"odi": [0.0, 5.0, 40.0, np.nan], "diagnosis": "disc_herniation"})
    free, floored = OutcomeParams(), OutcomeParams(baseline_floor=10.0)
    assert is_defined(cases, REPORTED, free).tolist() == [False, True, True, False]
    assert is_defined(cases, REPORTED, floored).tolist() == [False, False, True, False]
    assert is_defined(cases, "unacceptable_12m", floored).all()


def test_each_test_set_knows_its_own_censoring(cohort, elsewhere):
    """In one of two sets nobody is censored: its cases weigh 1, and those of the other stand for their own alone."""
    is_whole = (cohort.split["patient_id"] < "P00600").to_numpy()
    y, days = cohort.labels[EVENT], cohort.labels[f"{EVENT}_days"]
    labels = pd.DataFrame({EVENT: y.mask(is_whole & y.isna(), 0.0), f"{EVENT}_days": days.mask(is_whole, 731.0)})
    split = cohort.split.assign(set=np.where(is_whole, "geographic", "temporal"))
    spoilt = cohort._replace(labels=labels, split=split)
    alone = censoring_weights(days[~is_whole].to_numpy(), y[~is_whole].to_numpy(), 24 * DAYS_PER_MONTH)
    found = evaluate.with_weights(predictions(spoilt, EVENT, "logistic"), EVENT, spoilt).set_index("case_id")["weight"]
    assert (found[cohort.cases.index[is_whole]] == 1).all()
    assert found[cohort.cases.index[~is_whole & y.notna()]].tolist() == alone[alone > 0].tolist()
    write_table(labels, paths.OUTCOMES)
    in_sets = test_cases.Tested(cohort.cases, cohort.features, split["set"].to_numpy(), split["patient_id"].to_numpy())
    _, weights = test_cases.known_outcomes(EVENT, in_sets)
    assert (weights[is_whole] == 1).all()
    assert weights[~is_whole].tolist() == alone.tolist()


def test_a_group_of_a_handful_has_no_figure(cohort):
    rows = predictions(cohort, EVENT, "logistic", "published")
    rows["diagnosis"] = np.where(rows["case_id"].isin(sorted(set(rows["case_id"]))[:3]), "rare", "usual")
    tested = evaluate.with_weights(rows, EVENT, cohort)
    rare = evaluate.same_cases(tested, "published", [0.3])["temporal"]["rare"]
    handful = evaluate.comparisons(tested[tested["diagnosis"] == "rare"], "logistic", [0.3])["temporal"]["published"]
    figures = [rare["prevalence"], *handful["differences"].values()]
    figures += [metric for learner in rare["learners"].values() for metric in learner.values()]
    assert {figure["reason"] for figure in figures} == {"only 3 cases; at least 5 are needed"}
    assert all(figure["estimate"] is None for figure in figures)
