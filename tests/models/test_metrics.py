"""Metrics agree with R, never crash, and say why where there is no number.

The reference numbers, and the program that made each, are in `tests/reference/metrics/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
from models.metrics import (
    Estimate,
    auroc,
    brier_score,
    calibration_errors,
    case_log_loss,
    decision_curve,
    log_loss,
    mean_risk,
    performance,
    prevalence,
    roc_points,
    scaled_brier_score,
    smooth_calibration_curve,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "metrics"
CASES = dict(list(pd.read_csv(REFERENCE / "cases.csv").groupby("set")))
FROM_R = pd.read_csv(REFERENCE / "reference.csv").set_index(["set", "metric"])
WEIGHTED_FROM_R = pd.read_csv(REFERENCE / "weighted_reference.csv").set_index(["set", "metric"])
# R stops its iterations, we stop ours, and the CSV keeps 12 digits.
TOLERANCE = 1e-6
THRESHOLDS = [0.2, 0.35]

NEED_BOTH_OUTCOMES = {
    "auroc", "calibration_intercept", "calibration_slope", "observed_to_expected", "ici", "e50", "e90", "emax",
    "scaled_brier_score",
}  # fmt: skip
ALL_METRICS = NEED_BOTH_OUTCOMES | {
    "brier_score", "net_benefit_20", "net_benefit_35", "interventions_avoided_20", "interventions_avoided_35",
    "prevalence", "mean_risk",
}  # fmt: skip
CALIBRATION_ERRORS = {"ici", "e50", "e90", "emax"}


def everything(y_true, risk, weights=None) -> dict[str, Estimate]:
    found = performance(y_true, risk, thresholds=THRESHOLDS, seed=1, weights=weights)
    return found | {"log_loss": log_loss(y_true, risk, weights)}


@pytest.fixture(scope="module")
def of_r_s_cases() -> Callable[[str, str | None], dict[str, Estimate]]:
    """All metrics of one of R's sets, with or without its weights."""
    measured: dict[tuple[str, str | None], dict[str, Estimate]] = {}

    def of(name: str, weight: str | None = None) -> dict[str, Estimate]:
        if (name, weight) not in measured:
            cases = CASES[name]
            measured[name, weight] = everything(cases["y"], cases["risk"], None if weight is None else cases[weight])
        return measured[name, weight]

    return of


def invented_cases(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Perfectly calibrated risks, what happened, and weights."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 4, n)
    return (rng.random(n) < risk).astype(int), risk, rng.exponential(1, n) + 0.2


# ---- the numbers of R --------------------------------------------------------------------------------

WITH_INTERVAL = [
    "auroc", "calibration_intercept", "calibration_slope", "observed_to_expected", "log_loss", "net_benefit_20",
    "net_benefit_35", "interventions_avoided_20", "interventions_avoided_35", "prevalence", "mean_risk",
]  # fmt: skip


@pytest.mark.parametrize("metric", WITH_INTERVAL)
@pytest.mark.parametrize("name", CASES)
def test_estimate_and_interval_are_those_of_r(of_r_s_cases, name, metric):
    theirs = FROM_R.loc[(name, metric), ["estimate", "lower", "upper"]].tolist()
    assert of_r_s_cases(name)[metric][:3] == pytest.approx(theirs, abs=TOLERANCE)


@pytest.mark.parametrize("metric", ["brier_score", "scaled_brier_score", "ici", "e50", "e90", "emax"])
@pytest.mark.parametrize("name", CASES)
def test_estimate_is_that_of_val_prob(of_r_s_cases, name, metric):
    theirs = FROM_R.loc[(name, metric), "estimate"]
    assert of_r_s_cases(name)[metric].estimate == pytest.approx(theirs, abs=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_area_and_slope_are_those_of_other_programs_too(of_r_s_cases, name):
    found, theirs = of_r_s_cases(name), FROM_R.loc[name, "estimate"]
    assert found["auroc"].estimate == pytest.approx(theirs["auroc_of_somers2"], abs=TOLERANCE)
    # val.prob sorts the risks into 5,000 bins before it counts pairs.
    assert found["auroc"].estimate == pytest.approx(theirs["auroc_of_val_prob"], abs=1e-4)
    assert found["calibration_slope"].estimate == pytest.approx(theirs["slope_of_val_prob"], abs=TOLERANCE)


@pytest.mark.parametrize("metric", [*WITH_INTERVAL, "brier_score", "scaled_brier_score"])
@pytest.mark.parametrize("name", CASES)
def test_weighted_estimate_and_robust_interval_are_those_of_survey(of_r_s_cases, name, metric):
    theirs = WEIGHTED_FROM_R.loc[(name, metric), ["estimate", "lower", "upper"]].tolist()
    assert of_r_s_cases(name, "weight")[metric][:3] == pytest.approx(theirs, abs=TOLERANCE)


@pytest.mark.parametrize("metric", sorted(CALIBRATION_ERRORS))
def test_weighted_calibration_errors_are_those_of_loess(of_r_s_cases, metric):
    theirs = WEIGHTED_FROM_R.loc[("ties", metric), "estimate"]
    assert of_r_s_cases("ties", "weight")[metric].estimate == pytest.approx(theirs, abs=TOLERANCE)


# ---- intervals that R does not give ------------------------------------------------------------------


@pytest.mark.parametrize("metric", [brier_score, scaled_brier_score])
def test_brier_intervals_agree_with_a_bootstrap(metric):
    y_true, risk = CASES["smooth"]["y"].to_numpy(), CASES["smooth"]["risk"].to_numpy()
    rng = np.random.default_rng(7)
    draws = [rng.integers(len(risk), size=len(risk)) for _ in range(1000)]
    by_bootstrap = np.std([metric(y_true[draw], risk[draw]).estimate for draw in draws])
    found = metric(y_true, risk)
    assert (found.upper - found.lower) / 2 / 1.96 == pytest.approx(by_bootstrap, rel=0.1)


def test_weights_recover_the_prevalence_that_those_who_came_misstate():
    """Cases with a high risk come less often: the plain figure is too low, the weighted interval holds the truth."""
    held = plain_held = 0
    for seed in range(200):
        y_true, risk, _ = invented_cases(800, seed=seed)
        chance = 0.95 - 0.8 * risk
        came = np.random.default_rng(seed + 500).random(800) < chance
        weighted, plain = prevalence(y_true, np.where(came, 1 / chance, 0)), prevalence(y_true[came])
        held += weighted.lower <= 1 / 3 <= weighted.upper
        plain_held += plain.lower <= 1 / 3 <= plain.upper
    assert held >= 180
    assert plain_held <= 120


def test_equal_seeds_give_equal_bytes_and_others_do_not():
    y_true, risk, weights = invented_cases(300, seed=4)

    def stored(seed: int) -> str:
        found = performance(y_true, 0.5 * risk, thresholds=[0.2], seed=seed, weights=weights)
        return json.dumps({name: estimate.as_json() for name, estimate in found.items()}, allow_nan=False)

    assert stored(1) == stored(1)
    assert stored(1) != stored(2)


# ---- what must always hold ---------------------------------------------------------------------------

odd_number = st.one_of(st.floats(), st.floats(0, 1), st.sampled_from([0.0, 1.0, 5e-324, 1 - 1e-16, np.nan]))
odd_cases = st.one_of(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), odd_number, odd_number), max_size=40),
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([5e-324, 1e-9, 0.5, 1 - 1e-16]),
            st.sampled_from([5e-324, 1e-9, 1.0, 2.0, 1e300]),
        ),
        min_size=20,
        max_size=40,
    ),
)
weighted_cases = st.lists(
    st.tuples(st.booleans(), st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0, 1.5, 4.0])), min_size=10, max_size=50
).map(lambda rows: tuple(np.array(column, float) for column in zip(*rows, strict=True)))


def assert_same(ours: dict[str, Estimate], theirs: dict[str, Estimate]) -> None:
    """Equal but for rounding; an estimate that is none has the same reason."""
    for name, one in ours.items():
        other = theirs[name]
        assert one.reason == other.reason, name
        for mine, yours in zip(one[:3], other[:3], strict=True):
            assert mine == (yours if yours is None else pytest.approx(yours, rel=1e-6, abs=1e-6)), name


@settings(max_examples=60, deadline=None)
@given(odd_cases)
def test_no_outcome_risk_or_weight_however_odd_is_a_crash_or_a_silent_nan(rows):
    y_true, risk, odd = (np.array([row[place] for row in rows], float) for place in range(3))
    for weights in (None, odd):
        for estimate in everything(y_true, risk, weights).values():
            json.dumps(estimate.as_json(), allow_nan=False)
            assert (None in estimate[:3]) == (estimate.reason is not None)
        decision_curve(y_true, risk, [0.1, 0.2], weights)
        roc_points(y_true, risk, weights)
        smooth_calibration_curve(y_true, risk, seed=1, weights=weights)


@settings(max_examples=25, deadline=None)
@given(weighted_cases)
def test_every_interval_holds_its_estimate_but_for_the_bootstrap(cases):
    y_true, risk, weights = cases
    for by in (None, weights):
        for name, one in everything(y_true, risk, by).items():
            if one.reason is None:
                slack = np.inf if name in CALIBRATION_ERRORS else 1e-12
                assert one.lower - slack <= one.estimate <= one.upper + slack


@settings(max_examples=25, deadline=None)
@given(weighted_cases, st.randoms(use_true_random=False))
def test_the_order_of_the_cases_changes_nothing(cases, random):
    order = list(range(len(cases[0])))
    random.shuffle(order)
    assert_same(everything(*cases), everything(*(array[order] for array in cases)))


@settings(max_examples=25, deadline=None)
@given(weighted_cases, st.sampled_from([1e-6, 0.3, 7.0, 1e9]))
def test_a_factor_on_all_weights_changes_nothing(cases, factor):
    y_true, risk, weights = cases
    assert_same(everything(y_true, risk, weights), everything(y_true, risk, factor * weights))


@settings(max_examples=25, deadline=None)
@given(weighted_cases)
def test_a_case_of_weight_0_is_not_there(cases):
    y_true, risk, weights = cases
    counts = weights > 0
    unknown = np.where(counts, y_true, np.nan)
    if counts.any():
        there = everything(y_true[counts], risk[counts], weights[counts])
        assert_same(everything(unknown, risk, weights), there)


def test_equal_weights_are_no_weights():
    y_true, risk, _ = invented_cases(200, seed=9)
    assert everything(y_true, risk, np.ones(200)) == everything(y_true, risk, [0.37] * 200) == everything(y_true, risk)


def test_weights_that_hardly_differ_hardly_matter():
    """Robust and ordinary intervals are those of two formulas, and of one truth."""
    y_true, risk, weights = invented_cases(2000, seed=10)
    plain, weighted = everything(y_true, risk), everything(y_true, risk, 1 + 1e-4 * weights)
    for name in plain.keys() - CALIBRATION_ERRORS:
        width = plain[name].upper - plain[name].lower
        assert weighted[name].estimate == pytest.approx(plain[name].estimate, abs=0.01 * width)
        assert weighted[name].upper - weighted[name].lower == pytest.approx(width, rel=0.1)


def test_a_weight_of_two_is_the_same_case_twice():
    y_true, risk, weights = invented_cases(400, seed=11)
    times = np.where(weights > 1, 2, 1)
    weighted, repeated = everything(y_true, risk, times), everything(np.repeat(y_true, times), np.repeat(risk, times))
    for name in weighted.keys() - CALIBRATION_ERRORS:  # whose neighbourhoods are counted in cases
        assert weighted[name].estimate == pytest.approx(repeated[name].estimate, abs=1e-9), name


def test_arrays_of_the_caller_are_left_alone():
    arrays = invented_cases(100, seed=5)
    before = [array.copy() for array in arrays]
    everything(*arrays)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


# ---- what cannot be estimated ------------------------------------------------------------------------

SIX_AND_SIX = [0, 1] * 6
RISING = np.linspace(0.1, 0.9, 12)


@pytest.mark.parametrize(
    ("y_true", "risk", "reason", "without_a_number"),
    [
        pytest.param(
            [0] * 12, RISING, "no case has the outcome",
            NEED_BOTH_OUTCOMES, id="a test set without events",
        ),
        pytest.param(
            [1] * 12, RISING, "every case has the outcome",
            NEED_BOTH_OUTCOMES, id="one class",
        ),
        pytest.param(
            [0, 1, 1], [0.1, 0.2, 0.8], "only 3 cases; at least 5 are needed",
            ALL_METRICS, id="a subgroup of 3",
        ),
        pytest.param(
            [0, 1], [0.1, 0.2], "only 2 cases; at least 5 are needed",
            ALL_METRICS, id="two cases",
        ),
        pytest.param(
            [0] * 8 + [1] * 4, [0.3] * 12, "only 4 cases have the outcome; at least 5 are needed",
            NEED_BOTH_OUTCOMES, id="too few events",
        ),
        pytest.param(
            SIX_AND_SIX, [0.3] * 12, "every case has the same risk",
            {"auroc", "calibration_slope", *CALIBRATION_ERRORS}, id="a constant prediction",
        ),
        pytest.param(
            SIX_AND_SIX, [0.0, 1.0, *RISING[2:]], "2 risks are exactly 0 or 1, where log-odds are infinite",
            {"calibration_intercept", "calibration_slope"}, id="risks of exactly 0 and 1",
        ),
        pytest.param(
            SIX_AND_SIX, [np.nan, *RISING[1:]], "1 risk is missing",
            ALL_METRICS - {"prevalence"}, id="a missing risk",
        ),
        pytest.param(
            SIX_AND_SIX, [1.2, *RISING[1:]], "1 risk is outside 0 to 1",
            ALL_METRICS - {"prevalence"}, id="a risk above 1",
        ),
        pytest.param(
            [None, *SIX_AND_SIX[1:]], RISING, "1 outcome is missing",
            ALL_METRICS - {"mean_risk"}, id="a missing outcome",
        ),
        pytest.param(
            [7, *SIX_AND_SIX[1:]], RISING, "1 outcome is neither 0 nor 1",
            ALL_METRICS - {"mean_risk"}, id="an outcome of 7",
        ),
        pytest.param(
            [0] * 6 + [1] * 6, RISING, "the risks separate the outcomes completely",
            {"calibration_slope"}, id="complete separation",
        ),
        pytest.param([], [], "there are no cases", ALL_METRICS, id="no cases"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("weight", [None, 2.5], ids=["plain", "weighted"])
def test_a_metric_that_cannot_be_estimated_says_why(y_true, risk, reason, without_a_number, weight):
    weights = None if weight is None else np.full(len(y_true), weight)
    found = performance(y_true, risk, thresholds=THRESHOLDS, seed=1, weights=weights)
    assert set(found) == ALL_METRICS
    assert {name for name, one in found.items() if not one.is_estimable} == without_a_number
    assert {found[name].reason for name in without_a_number} == {reason}


@pytest.mark.parametrize(
    ("weights", "reason", "without_a_number"),
    [
        pytest.param(
            [np.nan, np.nan, *[1] * 10], "2 weights are missing", ALL_METRICS, id="missing weights",
        ),
        pytest.param([-1, *[1] * 11], "1 weight is negative", ALL_METRICS, id="a negative weight"),
        pytest.param([np.inf, *[1] * 11], "1 weight is infinite", ALL_METRICS, id="an infinite weight"),
        pytest.param([0] * 12, "every weight is 0", ALL_METRICS, id="all weights 0"),
        pytest.param(
            [0, 1] * 6, "every case has the outcome", NEED_BOTH_OUTCOMES, id="weights that leave one class",
        ),
        pytest.param(
            [1, 50] + [1] * 10, "the weights leave only 1.2 effective cases with the outcome; at least 5 are needed",
            NEED_BOTH_OUTCOMES, id="one case outweighs its class",
        ),
        pytest.param(
            [1e300, 1e-9] * 6, "the weights leave next to nothing of the cases with the outcome",
            NEED_BOTH_OUTCOMES, id="one class outweighs the other",
        ),
    ],
)  # fmt: skip
def test_weights_that_leave_nothing_to_estimate_say_why(weights, reason, without_a_number):
    found = performance(SIX_AND_SIX, RISING, thresholds=THRESHOLDS, seed=1, weights=weights)
    assert {name for name, one in found.items() if not one.is_estimable} == without_a_number
    assert {found[name].reason for name in without_a_number} == {reason}


def test_everything_that_is_wrong_is_said_at_once():
    found = brier_score([None, *SIX_AND_SIX[1:]], [1.2, np.nan, *RISING[2:]], [-1, *[1] * 11])
    assert found.reason == "1 weight is negative; 1 outcome is missing; 1 risk is missing; 1 risk is outside 0 to 1"


def test_a_prevalence_that_rests_on_one_case_is_known_as_from_one_case():
    found = prevalence([0] + [1] * 10, [1e9] + [1] * 10)
    assert found.estimate == pytest.approx(1e-8)
    assert found.upper == pytest.approx(prevalence([0]).upper, abs=1e-3)


def test_of_seven_cases_no_number_has_an_interval_but_the_prevalence():
    found = performance([0, 1] * 3 + [1], [0.1, 0.2, 0.8, 0.3, 0.4, 0.5, 0.6], thresholds=THRESHOLDS, seed=1)
    with_interval = {name for name, one in found.items() if one.lower is not None}
    assert with_interval == {"prevalence"}  # Wilson's holds for any number of cases


def test_log_loss_of_a_certain_risk_is_not_estimable():
    assert log_loss([0, 1], [0.0, 0.5]).reason == "1 risk is exactly 0 or 1, where log-odds are infinite"
    assert case_log_loss([1, 0], [0.0, 0.0]).tolist() == [np.inf, 0.0]


def test_outcomes_and_risks_may_be_nullable_columns():
    y_true = pd.Series([True, None, *[True, False] * 5], dtype="boolean")
    assert auroc(y_true, pd.Series(RISING, dtype="Float64")).reason == "1 outcome is missing"


def test_unequal_lengths_are_a_mistake_of_the_caller():
    for measure in (auroc, brier_score, metrics.calibration_slope, metrics.observed_to_expected, case_log_loss):
        with pytest.raises(ValueError, match="unequal length: 3, 2 cases"):
            measure([0, 1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="unequal length: 2, 2, 3 cases"):
        calibration_errors([0, 1], [0.1, 0.2], seed=1, weights=[1, 1, 1])
    with pytest.raises(ValueError, match="unequal length: 2, 1 cases"):
        mean_risk([0.1, 0.2], [1])
