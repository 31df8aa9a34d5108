"""Metrics agree with R, never crash, and say why where there is no number.

The reference numbers, and the program that made each, are in `tests/reference/metrics/`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models import metrics
from models.metrics import (
    Estimate,
    auroc,
    brier_score,
    calibration_errors,
    calibration_intercept,
    calibration_slope,
    case_log_loss,
    case_net_benefit,
    decision_curve,
    interventions_avoided,
    log_loss,
    mean_risk,
    net_benefit,
    net_benefit_treat_all,
    paired_difference,
    performance,
    prevalence,
    roc_points,
    scaled_brier_score,
    smooth_calibration_curve,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "metrics"
CASES = pd.read_csv(REFERENCE / "cases.csv")
FROM_R = pd.read_csv(REFERENCE / "reference.csv")
LOWESS_FROM_R = pd.read_csv(REFERENCE / "lowess_reference.csv")
SETS = ["smooth", "ties"]
# R stops its iterations, we stop ours, and the CSV keeps 12 digits.
TOLERANCE = 1e-6

NEED_BOTH_OUTCOMES = {
    "auroc", "calibration_intercept", "calibration_slope", "ici", "e50", "e90", "scaled_brier_score",
}  # fmt: skip
ALL_METRICS = {
    "auroc", "calibration_intercept", "calibration_slope", "ici", "e50", "e90", "brier_score",
    "scaled_brier_score", "net_benefit_20", "net_benefit_35", "prevalence", "mean_risk",
}  # fmt: skip


def cases_of(name: str) -> pd.DataFrame:
    return CASES[CASES["set"] == name]


def from_r(name: str, metric: str) -> tuple[float, float, float]:
    row = FROM_R.set_index(["set", "metric"]).loc[(name, metric)]
    return row["estimate"], row["lower"], row["upper"]


def invented_cases(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Perfectly calibrated risks and what happened."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 4, n)
    return (rng.random(n) < risk).astype(int), risk


drawn_cases = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60).map(
    lambda rows: (np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
)
both_outcomes = st.lists(st.floats(0, 1), min_size=10, max_size=60).map(
    lambda risks: (np.arange(len(risks)) % 2 == 0, np.array(risks))
)
some_threshold = st.floats(0.01, 0.99)


# ---- the numbers of R --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    ("metric", "ours"),
    [
        ("auroc", auroc),
        ("calibration_intercept", calibration_intercept),
        ("calibration_slope", calibration_slope),
        ("log_loss", log_loss),
        ("net_benefit_20", lambda y_true, risk: net_benefit(y_true, risk, 0.2)),
        ("net_benefit_35", lambda y_true, risk: net_benefit(y_true, risk, 0.35)),
        ("interventions_avoided_20", lambda y_true, risk: interventions_avoided(y_true, risk, 0.2)),
        ("prevalence", lambda y_true, risk: prevalence(y_true)),
        ("mean_risk", lambda y_true, risk: mean_risk(risk)),
    ],
)
def test_estimate_and_interval_are_those_of_r(name, metric, ours):
    cases = cases_of(name)
    assert ours(cases["y"], cases["risk"])[:3] == pytest.approx(from_r(name, metric), abs=TOLERANCE)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("metric", ["brier_score", "scaled_brier_score"])
def test_brier_scores_are_those_of_val_prob(name, metric):
    cases = cases_of(name)
    found = getattr(metrics, metric)(cases["y"], cases["risk"])
    assert found.estimate == pytest.approx(from_r(name, metric)[0], abs=TOLERANCE)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("metric", ["ici", "e50", "e90", "emax"])
def test_calibration_errors_are_those_of_val_prob(name, metric):
    cases = cases_of(name)
    found = calibration_errors(cases["y"], cases["risk"], seed=1)[metric]
    assert found.estimate == pytest.approx(from_r(name, metric)[0], abs=TOLERANCE)


@pytest.mark.parametrize("name", SETS)
def test_smooth_curve_is_the_lowess_of_r_at_every_case(name):
    cases, theirs = cases_of(name), LOWESS_FROM_R[LOWESS_FROM_R["set"] == name]
    curve = smooth_calibration_curve(cases["y"], cases["risk"])
    ours = np.interp(theirs["risk"], curve["risk"], curve["observed"])
    np.testing.assert_allclose(ours, theirs["observed"], atol=TOLERANCE)


@pytest.mark.parametrize("name", SETS)
def test_paired_difference_is_clustered_by_patient_as_in_sandwich(name):
    cases = cases_of(name)
    found = paired_difference(
        case_log_loss(cases["y"], cases["risk"]),
        case_log_loss(cases["y"], cases["other_risk"]),
        groups=cases["patient"],
    )
    estimate, lower, upper = from_r(name, "paired_difference")
    assert found.mean == pytest.approx(estimate, abs=TOLERANCE)
    assert found.standard_error == pytest.approx((upper - lower) / 2 / metrics.NORMAL_QUANTILE, abs=TOLERANCE)


# ---- intervals that R does not give ------------------------------------------------------------------


@pytest.mark.parametrize("metric", [brier_score, scaled_brier_score])
def test_brier_intervals_agree_with_a_bootstrap(metric):
    cases = cases_of("smooth")
    y_true, risk = cases["y"].to_numpy(), cases["risk"].to_numpy()
    rng = np.random.default_rng(7)
    draws = [rng.integers(len(risk), size=len(risk)) for _ in range(1000)]
    by_bootstrap = np.std([metric(y_true[draw], risk[draw]).estimate for draw in draws])
    found = metric(y_true, risk)
    assert (found.upper - found.lower) / 2 / 1.96 == pytest.approx(by_bootstrap, rel=0.1)


def test_fixed_neighbourhoods_hardly_change_the_bootstrap_of_the_ici():
    """Our resamples keep the neighbourhoods of the full sample; here lowess starts afresh in each."""
    cases = cases_of("smooth")
    y_true, risk = cases["y"].to_numpy(float), cases["risk"].to_numpy()
    afresh = []
    for draw in metrics._draws(len(risk), seed=3):
        curve = smooth_calibration_curve(y_true[draw], risk[draw])
        errors = np.abs(np.interp(risk[draw], curve["risk"], curve["observed"]) - risk[draw])
        afresh.append(errors.mean())
    found = calibration_errors(y_true, risk, seed=3)["ici"]
    assert (found.lower, found.upper) == pytest.approx(np.quantile(afresh, [0.025, 0.975]), abs=0.003)


def test_chance_alone_explains_the_ici_of_well_calibrated_risks():
    lower_limits = [calibration_errors(*invented_cases(400, seed=s), seed=s)["ici"].lower for s in range(20)]
    assert sum(limit == 0 for limit in lower_limits) >= 17


def test_risks_far_too_high_have_an_ici_that_chance_does_not_explain():
    y_true, risk = invented_cases(1000, seed=1)
    ici = calibration_errors(y_true, (1 + risk) / 2, seed=1)["ici"]
    assert 0 < ici.lower < ici.estimate < ici.upper


def test_most_intervals_of_good_risks_hold_the_truth():
    y_true, risk = zip(*(invented_cases(400, seed=s) for s in range(200)), strict=True)
    for metric, truth in ((calibration_intercept, 0.0), (calibration_slope, 1.0)):
        found = [metric(*cases) for cases in zip(y_true, risk, strict=True)]
        assert 0.90 <= np.mean([one.lower <= truth <= one.upper for one in found]) <= 0.99


def test_outcome_shuffled_among_cases_leaves_no_discrimination():
    y_true, risk = invented_cases(500, seed=2)
    shuffled = [np.random.default_rng(s).permutation(y_true) for s in range(100)]
    assert np.mean([found.lower <= 0.5 <= found.upper for found in (auroc(y, risk) for y in shuffled)]) >= 0.9


def test_equal_seeds_give_equal_bytes_and_others_do_not():
    y_true, risk = invented_cases(300, seed=4)

    def stored(seed: int) -> str:
        found = performance(y_true, 0.5 * risk, thresholds=[0.2], seed=seed)
        return json.dumps({name: estimate.as_json() for name, estimate in found.items()}, allow_nan=False)

    assert stored(1) == stored(1)
    assert stored(1) != stored(2)


# ---- what must always hold ---------------------------------------------------------------------------


@given(drawn_cases, some_threshold)
def test_net_benefit_never_exceeds_prevalence(cases, threshold):
    y_true, risk = cases
    assert net_benefit(y_true, risk, threshold).estimate <= y_true.mean() + 1e-12


@given(drawn_cases, some_threshold)
def test_interventions_avoided_are_the_gain_over_treating_all(cases, threshold):
    y_true, risk = cases
    gain = net_benefit(y_true, risk, threshold).estimate - net_benefit_treat_all(y_true, threshold).estimate
    avoided = interventions_avoided(y_true, risk, threshold).estimate
    assert avoided == pytest.approx(100 * gain * (1 - threshold) / threshold, abs=1e-6)


@given(both_outcomes)
def test_auroc_depends_on_the_order_of_risks_alone(cases):
    y_true, risk = cases
    risk = risk.round(6)  # so that the transformed risks keep their order in floating point
    assert auroc(y_true, risk) == auroc(y_true, (risk + risk**2) / 3)


@given(both_outcomes)
def test_auroc_of_the_opposite_outcome_is_the_complement(cases):
    y_true, risk = cases
    found = auroc(y_true, risk)
    assume(found.is_estimable)
    assert auroc(~y_true, risk).estimate == pytest.approx(1 - found.estimate, abs=1e-12)


@given(both_outcomes)
def test_roc_curve_climbs_from_corner_to_corner_and_holds_the_auroc(cases):
    y_true, risk = cases
    curve = roc_points(y_true, risk)
    x, y = curve["false_positive_rate"], curve["true_positive_rate"]
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    found = auroc(y_true, risk)
    if found.is_estimable:
        assert np.trapezoid(y, x) == pytest.approx(found.estimate, abs=1e-9)


odd_risk = st.one_of(st.floats(), st.floats(0, 1), st.sampled_from([0.0, 1.0, 5e-324, 1 - 1e-16, np.nan]))
odd_cases = st.one_of(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), odd_risk), max_size=40),
    st.lists(st.tuples(st.booleans(), st.sampled_from([5e-324, 1e-9, 0.5, 1 - 1e-16])), min_size=20, max_size=40),
)


@settings(max_examples=100)
@given(odd_cases)
def test_no_outcome_and_no_risk_however_odd_is_a_crash_or_a_silent_nan(rows):
    y_true, risk = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], float)
    found = performance(y_true, risk, thresholds=[0.2], seed=1)
    for estimate in found.values():
        json.dumps(estimate.as_json(), allow_nan=False)
        numbers = [estimate.estimate, estimate.lower, estimate.upper]
        assert (None in numbers) == (estimate.reason is not None)
    decision_curve(y_true, risk, [0.1, 0.2])
    roc_points(y_true, risk)
    smooth_calibration_curve(y_true, risk, seed=1)


@settings(max_examples=50)
@given(both_outcomes)
def test_every_interval_holds_its_estimate_but_for_the_bootstrap(cases):
    found = performance(*cases, thresholds=[0.2, 0.35], seed=1)
    for name in ALL_METRICS - {"ici", "e50", "e90"}:
        if found[name].reason is None:
            assert found[name].lower - 1e-12 <= found[name].estimate <= found[name].upper + 1e-12


def test_arrays_of_the_caller_are_left_alone():
    y_true, risk = invented_cases(100, seed=5)
    y_before, risk_before = y_true.copy(), risk.copy()
    performance(y_true, risk, thresholds=[0.2], seed=1)
    np.testing.assert_array_equal(y_true, y_before)
    np.testing.assert_array_equal(risk, risk_before)


# ---- what cannot be estimated ------------------------------------------------------------------------

SIX_AND_SIX = [0, 1] * 6
RISING = np.linspace(0.1, 0.9, 12)


@pytest.mark.parametrize(
    ("y_true", "risk", "reason", "without_a_number"),
    [
        (
            [0] * 12, RISING, "no case has the outcome",
            NEED_BOTH_OUTCOMES,
        ),
        (
            [1] * 12, RISING, "every case has the outcome",
            NEED_BOTH_OUTCOMES,
        ),
        (
            [0, 1, 1], [0.1, 0.2, 0.8], "only 2 cases have the outcome; at least 5 are needed",
            NEED_BOTH_OUTCOMES,
        ),
        (
            SIX_AND_SIX, [0.3] * 12, "every case has the same risk",
            {"auroc", "calibration_slope", "ici", "e50", "e90"},
        ),
        (
            SIX_AND_SIX, [0.0, 1.0, *RISING[2:]], "2 risks are exactly 0 or 1, where log-odds are infinite",
            {"calibration_intercept", "calibration_slope"},
        ),
        (
            SIX_AND_SIX, [np.nan, *RISING[1:]], "1 risk is missing",
            ALL_METRICS - {"prevalence"},
        ),
        (
            SIX_AND_SIX, [1.2, *RISING[1:]], "1 risk is outside 0 to 1",
            ALL_METRICS - {"prevalence"},
        ),
        (
            [None, *SIX_AND_SIX[1:]], RISING, "1 outcome is missing",
            ALL_METRICS - {"mean_risk"},
        ),
        (
            [7, *SIX_AND_SIX[1:]], RISING, "1 outcome is neither 0 nor 1",
            ALL_METRICS - {"mean_risk"},
        ),
        (
            [0] * 6 + [1] * 6, RISING, "the risks separate the outcomes completely",
            {"calibration_slope"},
        ),
        ([], [], "there are no cases", ALL_METRICS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_metric_that_cannot_be_estimated_says_why(y_true, risk, reason, without_a_number):
    found = performance(y_true, risk, thresholds=[0.2, 0.35], seed=1)
    assert set(found) == ALL_METRICS
    assert {name for name, one in found.items() if not one.is_estimable} == without_a_number
    assert {found[name].reason for name in without_a_number} == {reason}


def test_complete_separation_is_an_auroc_of_one_without_an_interval():
    assert auroc([0] * 6 + [1] * 6, RISING) == Estimate(
        1.0, None, None, "no interval: the risks separate the outcomes completely"
    )


def test_log_loss_of_a_certain_risk_is_not_estimable():
    assert log_loss([0, 1], [0.0, 0.5]).reason == "1 risk is exactly 0 or 1, where log-odds are infinite"
    assert case_log_loss([1, 0], [0.0, 0.0]).tolist() == [np.inf, 0.0]


def test_losses_that_are_missing_or_infinite_leave_no_difference():
    found = paired_difference([np.inf, 0.1, np.nan], [0.1, 0.1, 0.1], groups=[1, 2, 3])
    assert (found.mean, found.standard_error) == (None, None)
    assert found.reason == "2 losses are missing or infinite"


def test_outcomes_and_risks_may_be_nullable_columns():
    y_true = pd.Series([True, None, *[True, False] * 5], dtype="boolean")
    assert auroc(y_true, pd.Series(RISING, dtype="Float64")).reason == "1 outcome is missing"


def test_unequal_lengths_and_impossible_thresholds_are_mistakes_of_the_caller():
    with pytest.raises(ValueError, match="unequal length: 3, 2 cases"):
        auroc([0, 1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="groups names 2 cases, the losses have 1"):
        paired_difference([0.1], [0.2], groups=["P1", "P2"])
    with pytest.raises(ValueError, match="strictly between 0 and 1, got 1"):
        net_benefit([0, 1], [0.1, 0.2], threshold=1)
    with pytest.raises(ValueError, match="one value per case"):
        auroc([[0, 1], [1, 0]], [[0.1, 0.2], [0.3, 0.4]])


# ---- curves and files --------------------------------------------------------------------------------


def test_decision_curve_is_the_net_benefit_at_each_threshold():
    cases = cases_of("ties")
    curve = pd.DataFrame(decision_curve(cases["y"], cases["risk"], [0.2, 0.35])).set_index("threshold")
    for threshold, metric in ((0.2, "net_benefit_20"), (0.35, "net_benefit_35")):
        row = curve.loc[threshold, ["model", "lower", "upper"]]
        assert row.tolist() == pytest.approx(from_r("ties", metric), abs=TOLERANCE)
    assert (curve["treat_none"] == 0).all()
    observed = cases["y"].mean()
    assert curve["treat_all"].tolist() == pytest.approx([observed - (1 - observed) * t / (1 - t) for t in (0.2, 0.35)])


def test_case_net_benefit_compares_two_models_on_the_same_cases():
    cases = cases_of("smooth")
    ours, theirs = (case_net_benefit(cases["y"], cases[name], 0.2) for name in ("risk", "other_risk"))
    gain = paired_difference(ours, theirs, groups=cases["patient"])
    separately = [net_benefit(cases["y"], cases[name], 0.2).estimate for name in ("risk", "other_risk")]
    assert gain.mean == pytest.approx(separately[0] - separately[1])


def test_a_long_roc_curve_is_thinned_and_keeps_its_area():
    y_true, risk = invented_cases(5000, seed=6)
    curve = roc_points(y_true, risk)
    assert len(curve["true_positive_rate"]) <= metrics.ROC_POINTS
    assert (curve["false_positive_rate"][[0, -1]].tolist()) == [0, 1]
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(auroc(y_true, risk).estimate, abs=1e-3)


def test_smooth_curve_band_surrounds_it():
    curve = smooth_calibration_curve(*invented_cases(500, seed=8), seed=1)
    inside = (curve["lower"] <= curve["observed"]) & (curve["observed"] <= curve["upper"])
    assert inside.mean() > 0.95
    assert len(curve["risk"]) <= 200


def test_stored_estimates_drop_dust_and_minus_zero():
    stored = Estimate(-0.0, 1 / 3, 1e-16).as_json()
    assert json.dumps(stored) == '{"estimate": 0.0, "lower": 0.3333333333, "upper": 0.0}'
