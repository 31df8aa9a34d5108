"""The smooth curve is R's; errors of calibration know what chance does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import calibration
from models.calibration import (
    calibration_errors,
    calibration_intercept,
    calibration_slope,
    observed_to_expected,
    smooth_calibration_curve,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "metrics"
CASES = dict(list(pd.read_csv(REFERENCE / "cases.csv").groupby("set")))
LOWESS_FROM_R = dict(list(pd.read_csv(REFERENCE / "lowess_reference.csv").groupby("set")))
LOESS_FROM_R = dict(list(pd.read_csv(REFERENCE / "loess_reference.csv").groupby("set")))
TOLERANCE = 1e-6


def invented_cases(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Perfectly calibrated risks and what happened."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 4, n)
    return (rng.random(n) < risk).astype(int), risk


@pytest.mark.parametrize("name", CASES)
def test_smooth_curve_is_the_lowess_of_r_at_every_case(name):
    curve = smooth_calibration_curve(CASES[name]["y"], CASES[name]["risk"])
    theirs = LOWESS_FROM_R[name]
    ours = np.interp(theirs["risk"], curve["risk"], curve["observed"])
    np.testing.assert_allclose(ours, theirs["observed"], atol=TOLERANCE)


@pytest.mark.parametrize("name", LOESS_FROM_R)
def test_weighted_curve_is_the_loess_of_r_where_fits_are_made(name):
    cases = CASES[name]
    curve = smooth_calibration_curve(cases["y"], cases["risk"], weights=cases["weight"])
    theirs = LOESS_FROM_R[name].set_index("risk")["observed"].loc[curve["risk"]]
    np.testing.assert_allclose(curve["observed"], theirs, atol=TOLERANCE)


def test_smooth_curve_band_surrounds_it():
    curve = smooth_calibration_curve(*invented_cases(500, seed=8), seed=1)
    inside = (curve["lower"] <= curve["observed"]) & (curve["observed"] <= curve["upper"])
    assert inside.mean() > 0.95
    assert len(curve["risk"]) <= 200


@pytest.mark.parametrize("power", [0, 3], ids=["plain", "weighted"])
def test_fixed_neighbourhoods_hardly_change_the_bootstrap_of_the_ici(monkeypatch, power):
    """Our resamples keep the neighbourhoods of the full sample; here lowess starts afresh in each."""
    monkeypatch.setattr(calibration, "N_RESAMPLES", 100)
    cases = CASES["smooth"].sort_values(["risk", "y"])
    y_true, risk = cases["y"].to_numpy(float), 0.6 * cases["risk"].to_numpy()  # more wrong than chance explains
    weights = cases["weight"].to_numpy() ** power
    afresh = []
    for draw in np.concatenate(list(calibration._draws(len(risk), seed=3))):
        curve = smooth_calibration_curve(y_true[draw], risk[draw], weights=weights[draw])
        errors = np.abs(np.interp(risk[draw], curve["risk"], curve["observed"]) - risk[draw])
        afresh.append(np.average(errors, weights=weights[draw]))
    found = calibration_errors(y_true, risk, seed=3, weights=weights)["ici"]
    assert (found.lower, found.upper) == pytest.approx(np.quantile(afresh, [0.025, 0.975]), abs=0.003)


@pytest.mark.parametrize("power", [0, 2], ids=["plain", "weighted"])
def test_chance_alone_explains_the_ici_of_well_calibrated_risks(power):
    lower_limits = []
    for seed in range(10):
        y_true, risk = invented_cases(400, seed=seed)
        weights = np.random.default_rng(seed).exponential(1, 400) ** power
        lower_limits.append(calibration_errors(y_true, risk, seed=seed, weights=weights)["ici"].lower)
    assert sum(limit == 0 for limit in lower_limits) >= 8


def test_risks_far_too_high_have_an_ici_that_chance_does_not_explain():
    y_true, risk = invented_cases(1000, seed=1)
    ici = calibration_errors(y_true, (1 + risk) / 2, seed=1)["ici"]
    assert 0 < ici.lower < ici.estimate < ici.upper


def test_weights_find_the_miscalibration_of_those_who_stayed_away():
    """Half of the low risks are missing and the rest count twice: the figures are those of everybody, nearly."""
    y_true, risk = invented_cases(2000, seed=12)
    too_low = 0.6 * risk + 0.02
    rng = np.random.default_rng(13)
    came = (too_low > 0.2) | (rng.random(2000) < 0.5)
    weights = np.where(came, np.where(too_low > 0.2, 1, 2), 0)
    everybody, weighted, plain = (
        calibration_errors(y_true[who], too_low[who], seed=1, weights=by)["ici"].estimate
        for who, by in ((slice(None), None), (slice(None), weights), (came, None))
    )
    assert abs(weighted - everybody) < 0.005 < plain - everybody


def test_most_intervals_of_good_risks_hold_the_truth():
    y_true, risk = zip(*(invented_cases(400, seed=s) for s in range(200)), strict=True)
    for metric, truth in ((calibration_intercept, 0.0), (calibration_slope, 1.0), (observed_to_expected, 1.0)):
        found = [metric(*cases) for cases in zip(y_true, risk, strict=True)]
        assert 0.90 <= np.mean([one.lower <= truth <= one.upper for one in found]) <= 0.99


def test_most_robust_intervals_hold_the_truth_where_only_some_came():
    """Low risks come less often, and weigh more; the truth is that of everybody."""
    held = dict.fromkeys((calibration_intercept, calibration_slope, observed_to_expected), 0)
    for seed in range(200):
        y_true, risk = invented_cases(600, seed=seed)
        chance = 0.3 + 0.6 * risk
        weights = np.where(np.random.default_rng(seed + 1000).random(600) < chance, 1 / chance, 0)
        for metric, truth in zip(held, (0.0, 1.0, 1.0), strict=True):
            found = metric(y_true, risk, weights)
            held[metric] += found.lower <= truth <= found.upper
    assert all(180 <= n <= 199 for n in held.values())


def test_risks_that_expect_nothing_have_no_ratio():
    found = observed_to_expected([0, 1] * 10, [0.0] * 20)
    assert found.reason == "every risk is 0, so no outcome is expected"


FLAT = (
    [(0, 0.5, 0.5), *[(0, 0.5, 1.5)] * 5, (1, 0.5, 1.0), (1, 0.5, 1.5), *[(1, 0.5, 4.0)] * 2, *[(1, 5e-157, 4.0)] * 2],
    [(0, 0.5, 0.5), *[(0, 0.5, 1.5)] * 5, *[(1, 0.5, 4.0)] * 3, *[(1, 5e-157, 4.0)] * 2],
)
"""Outcome, risk, weight of each case: those with the outcome weigh what those of risk 0.5 weigh, so that any
intercept from 35 to 320 fits them alike."""


@pytest.mark.parametrize("cases", FLAT)
@pytest.mark.parametrize("seed", range(4))
def test_an_intercept_that_the_cases_leave_open_is_none_in_any_order(cases, seed):
    """R's `glm` warns here that fitted probabilities numerically 0 or 1 occurred."""
    y_true, risk, weights = np.random.default_rng(seed).permutation(cases).T
    found = calibration_intercept(y_true, risk, weights)
    assert found.estimate is None
    assert found.reason.startswith("the outcomes do not determine it")


def test_an_intercept_may_be_far_off_and_yet_be_known():
    found = calibration_intercept([0, 1] * 10, [1e-12] * 20)
    assert found.estimate == pytest.approx(12 * np.log(10), abs=1e-6)
    assert found.upper - found.lower == pytest.approx(2 * 1.96 / np.sqrt(5), rel=1e-3)


def test_resamples_are_the_same_whatever_the_batches(monkeypatch):
    y_true, risk = invented_cases(150, seed=3)
    at_once = calibration_errors(y_true, 0.7 * risk, seed=1)
    monkeypatch.setattr(calibration, "NUMBERS_AT_ONCE", 7 * 150)
    assert calibration_errors(y_true, 0.7 * risk, seed=1) == at_once
