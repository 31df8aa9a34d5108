"""What stands for cases without an outcome, what the chosen learner is compared with, and what DVC shows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.outcomes import OutcomeParams
from models.comparison import paired_differences
from pipeline.stages import evaluate
from pipeline.stages.evaluate import CENSORING, PLAIN, RESPONSE, Cohort

EVENT, REPORTED = "reoperation_24m", "failure_12m"
OUTCOMES = [REPORTED, EVENT]
PARAMS = SimpleNamespace(
    cohort=SimpleNamespace(outcomes={REPORTED: OutcomeParams(baseline_floor=10.0), EVENT: OutcomeParams()}),
    train=SimpleNamespace(outcomes=OUTCOMES, max_parameters={REPORTED: 6, EVENT: 6}),
    evaluate=SimpleNamespace(thresholds=[0.1, 0.3], seed=1, response_percentiles=[1.0, 99.0]),
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
    return Cohort(cases, cases[[]], labels, split)


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
    assert found["geographic"] == {}


def test_what_was_withheld_is_told_by_why():
    index = pd.Index([f"C{i}" for i in range(8)], name="case_id")
    sets = ["development"] * 4 + ["withheld", "withheld", "temporal", "withheld"]
    years = [2018] * 4 + [2018, 2019, 2020, 2021]
    cases = pd.DataFrame({"index_date": [pd.Timestamp(year, 5, 1) for year in years]}, index=index)
    labels = pd.DataFrame({REPORTED: [0, 0, 1, np.nan, 1, 1, 0, 1]}, index=index)
    found = evaluate.withheld(REPORTED, Cohort(cases, cases[[]], labels, pd.DataFrame({"set": sets}, index=index)))
    counts = {name: (part["cases"], part["known"], part["prevalence"]["estimate"]) for name, part in found.items()}
    assert counts == {
        "development": (4, 3, pytest.approx(1 / 3)),
        "earlier_cases": (2, 2, 1.0),
        "later_cases": (1, 1, 1.0),
        "with_earlier_cases": (6, 5, pytest.approx(0.6)),
    }


def test_the_summary_has_a_few_figures_of_each_learner_and_none_that_is_not_there():
    names = (*evaluate.SUMMARISED, "net_benefit_30", "emax")
    figures = {name: {"estimate": 0.123456, "lower": 0.1, "upper": 0.2} for name in names}
    figures["ici"] = {"estimate": None, "lower": None, "upper": None, "reason": "there are no cases"}
    found = evaluate.summary({"logistic": {"temporal": figures}}, "logistic", 0.3)
    assert found["chosen"] == "logistic"
    assert found["logistic"]["temporal"] == dict.fromkeys(
        ("auroc", "brier_score", "calibration_intercept", "calibration_slope", "net_benefit_30"), 0.1235
    )
