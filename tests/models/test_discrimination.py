"""The area under the ROC curve, by every pair; the curve holds the same area."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models import discrimination
from models.discrimination import auroc, roc_points
from models.estimates import Estimate

both_outcomes = st.lists(st.floats(0, 1), min_size=10, max_size=60).map(
    lambda risks: (np.arange(len(risks)) % 2 == 0, np.array(risks))
)
some_weights = st.lists(st.integers(1, 4), min_size=60, max_size=60).map(np.array)


def weighted_area_by_every_pair(y_true, risk, weights) -> float:
    won = total = 0.0
    for i in np.flatnonzero(y_true == 1):
        for j in np.flatnonzero(y_true == 0):
            pair = weights[i] * weights[j]
            won += pair * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
            total += pair
    return won / total


@settings(max_examples=30, deadline=None)
@given(both_outcomes, some_weights)
def test_weighted_auroc_is_the_share_of_weighted_pairs(cases, weights):
    y_true, risk = cases
    found = auroc(y_true, risk, weights[: len(risk)])
    assume(found.is_estimable)
    assert found.estimate == pytest.approx(weighted_area_by_every_pair(y_true, risk, weights), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(both_outcomes, some_weights)
def test_a_weight_of_three_is_the_same_case_three_times(cases, weights):
    y_true, risk = cases
    times = weights[: len(risk)]
    found = auroc(y_true, risk, times)
    assume(found.is_estimable)
    assert found.estimate == pytest.approx(auroc(np.repeat(y_true, times), np.repeat(risk, times)).estimate, abs=1e-12)


def test_weighted_interval_is_as_wide_as_a_bootstrap_says():
    rng = np.random.default_rng(5)
    risk = rng.beta(2, 4, 600).round(2)
    y_true, weights = rng.random(600) < risk, rng.exponential(1, 600) + 0.2
    draws = rng.integers(600, size=(1000, 600))
    areas = [auroc(y_true[draw], risk[draw], weights[draw]).estimate for draw in draws]
    found = auroc(y_true, risk, weights)
    assert (found.upper - found.lower) / 2 / 1.96 == pytest.approx(np.std(areas), rel=0.1)


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


def test_outcome_shuffled_among_cases_leaves_no_discrimination():
    rng = np.random.default_rng(2)
    risk = rng.beta(2, 4, 500)
    y_true = rng.random(500) < risk
    found = [auroc(rng.permutation(y_true), risk) for _ in range(100)]
    assert np.mean([one.lower <= 0.5 <= one.upper for one in found]) >= 0.9


def test_complete_separation_is_an_auroc_of_one_without_an_interval():
    rising, weights = np.linspace(0.1, 0.9, 12), np.linspace(0.3, 1.7, 12)
    separated = Estimate(1.0, None, None, "no interval: the risks separate the outcomes completely")
    assert auroc([0] * 6 + [1] * 6, rising) == separated
    assert auroc([0] * 6 + [1] * 6, rising, weights) == separated


@settings(max_examples=30, deadline=None)
@given(both_outcomes, some_weights)
def test_roc_curve_climbs_from_corner_to_corner_and_holds_the_auroc(cases, weights):
    y_true, risk = cases
    curve = roc_points(y_true, risk, weights[: len(risk)])
    x, y = curve["false_positive_rate"], curve["true_positive_rate"]
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    found = auroc(y_true, risk, weights[: len(risk)])
    if found.is_estimable:
        assert np.trapezoid(y, x) == pytest.approx(found.estimate, abs=1e-9)


def test_a_long_roc_curve_is_thinned_and_keeps_its_area():
    rng = np.random.default_rng(6)
    risk = rng.beta(2, 4, 5000)
    y_true = rng.random(5000) < risk
    curve = roc_points(y_true, risk)
    assert len(curve["true_positive_rate"]) <= discrimination.ROC_POINTS
    assert (curve["false_positive_rate"][[0, -1]].tolist()) == [0, 1]
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(auroc(y_true, risk).estimate, abs=1e-3)
