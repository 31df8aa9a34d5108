"""An estimate says why it is none; weights count cases; quantiles and differences agree with R."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import estimates
from models.estimates import Estimate, effective_cases, judged, paired_difference, weighted_quantiles
from models.metrics import (
    auroc,
    brier_score,
    calibration_errors,
    calibration_slope,
    case_log_loss,
    observed_to_expected,
    scaled_brier_score,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "metrics"
CASES = dict(list(pd.read_csv(REFERENCE / "cases.csv").groupby("set")))
FROM_R = pd.read_csv(REFERENCE / "reference.csv").set_index(["set", "metric"])
WEIGHTED_FROM_R = pd.read_csv(REFERENCE / "weighted_reference.csv").set_index(["set", "metric"])
TOLERANCE = 1e-6


@pytest.mark.parametrize("name", CASES)
def test_paired_difference_is_clustered_by_patient_as_in_sandwich(name):
    cases = CASES[name]
    found = paired_difference(
        case_log_loss(cases["y"], cases["risk"]),
        case_log_loss(cases["y"], cases["other_risk"]),
        groups=cases["patient"],
    )
    row = FROM_R.loc[(name, "paired_difference")]
    assert found.mean == pytest.approx(row["estimate"], abs=TOLERANCE)
    margin = estimates.NORMAL_QUANTILE * found.standard_error
    assert margin == pytest.approx((row["upper"] - row["lower"]) / 2, abs=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_weighted_quantiles_are_those_of_hmisc(name):
    risk, weights = judged(CASES[name]["risk"], weights=CASES[name]["weight"])
    theirs = [WEIGHTED_FROM_R.loc[(name, metric), "estimate"] for metric in ("risk_50", "risk_90")]
    assert weighted_quantiles(risk, weights, [0.5, 0.9]) == pytest.approx(theirs, abs=TOLERANCE)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_almost_equal_weights_give_almost_the_quantiles_of_none(values, share):
    ordered = np.sort(values)
    weights = np.ones(len(values))
    weights[0] += 1e-12  # enough to take the weighted way
    assert weighted_quantiles(ordered, weights, [share]) == pytest.approx(np.quantile(ordered, [share]), abs=1e-6)


def test_a_case_of_weight_0_may_hold_anything():
    y, risk, weights = judged([1, None, 0], [0.2, np.nan, 0.4], weights=[2, 0, 6])
    assert (y.tolist(), risk.tolist(), weights.tolist()) == ([1, 0], [0.2, 0.4], [0.5, 1.5])
    with_it = paired_difference([0.4, np.nan, 0.9], [0.1, 0.1, 0.2], groups=["P1", "P2", "P3"], weights=[1, 0, 3])
    assert with_it == paired_difference([0.4, 0.9], [0.1, 0.2], groups=["P1", "P3"], weights=[1, 3])


def test_effective_cases_are_counted_by_kish():
    assert effective_cases([]) == effective_cases([0, 0]) == 0
    assert effective_cases([5, 5, 5]) == 3
    with pytest.raises(ValueError, match="1 weight is negative"):
        effective_cases([1, -1])


def test_a_mean_of_few_cases_has_no_interval():
    three, nine_worth = (
        brier_score([0, 1, 1], [0.1, 0.2, 0.8]),
        brier_score([0] * 20, np.linspace(0, 0.5, 20), [9] + [1] * 19),
    )
    assert three.reason == "no interval: only 3 cases; at least 10 are needed"
    assert nine_worth.reason == "no interval: the weights leave only 7.8 effective cases; at least 10 are needed"
    assert (three.is_estimable, three.lower, three.upper) == (True, None, None)


def test_losses_that_are_missing_or_infinite_leave_no_difference():
    found = paired_difference([np.inf, 0.1, np.nan], [0.1, 0.1, 0.1], groups=[1, 2, 3])
    assert (found.mean, found.standard_error) == (None, None)
    assert found.reason == "2 losses are missing or infinite"


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ([0, 0], "every weight is 0"),
        ([1, -1], "1 weight is negative"),
        ([np.nan, np.inf], "1 weight is missing; 1 weight is infinite"),
    ],
)
def test_weights_that_cannot_be_used_leave_no_difference(weights, reason):
    assert paired_difference([0.1, 0.2], [0.2, 0.2], groups=[1, 2], weights=weights).reason == reason


def test_cases_of_another_number_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="groups names 2 cases, the losses have 1"):
        paired_difference([0.1], [0.2], groups=["P1", "P2"])
    with pytest.raises(ValueError, match="unequal length: 1, 1, 2 cases"):
        paired_difference([0.1], [0.2], groups=["P1"], weights=[1, 2])
    with pytest.raises(ValueError, match="one value per case"):
        judged([[0, 1], [1, 0]])


def test_stored_estimates_drop_dust_and_minus_zero():
    stored = Estimate(-0.0, 1 / 3, 1e-16).as_json()
    assert json.dumps(stored) == '{"estimate": 0.0, "lower": 0.3333333333, "upper": 0.0}'


def test_risks_that_differ_by_dust_are_one_risk():
    y, risk = np.tile([0.0, 1.0], 50), 0.3 + 1e-15 * np.random.default_rng(1).random(100)
    assert len(set(risk)) > 1
    for measure in (auroc, calibration_slope):
        assert measure(y, risk).reason == "every case has the same risk"
    assert calibration_slope(y, 1e-6 * np.linspace(1, 2, 100)).is_estimable, "small is not dust"


def test_perfect_risks_have_no_interval_of_no_width():
    y = np.tile([0.0, 1.0], 50)
    errors = calibration_errors(y, y, seed=1)
    for found in (observed_to_expected(y, y), scaled_brier_score(y, y), brier_score(y, y), *errors.values()):
        assert found.lower is found.upper is None
        assert found.reason.startswith("no interval")
