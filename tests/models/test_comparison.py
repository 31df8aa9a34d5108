"""Paired differences agree with R, follow the patient, and say why where there is none.

The reference numbers, and the program that made them, are in `tests/reference/comparison/`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.comparison import auroc_difference, brier_difference, paired_differences
from models.metrics import auroc, brier_score, interventions_avoided, log_loss, net_benefit

REFERENCE = Path(__file__).parents[1] / "reference" / "comparison"
CASES = pd.read_csv(REFERENCE / "cases.csv")
FROM_R = pd.read_csv(REFERENCE / "reference.csv")
TOLERANCE = 1e-6
THRESHOLDS = [0.2, 0.35]
NAMES = {
    "auroc", "brier_score", "log_loss", "net_benefit_20", "net_benefit_35", "interventions_avoided_20",
    "interventions_avoided_35",
}  # fmt: skip


def drawn(n: int = 400, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An outcome and two risks that share most of what they know; a knows more."""
    rng = np.random.default_rng(seed)
    known, more = rng.normal(size=n), rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(0.5 - known - more))).astype(float)
    return y, 1 / (1 + np.exp(0.5 - known - more)), 1 / (1 + np.exp(0.5 - known))


@pytest.mark.parametrize("row", FROM_R[FROM_R["metric"].isin(NAMES)].to_dict("records"), ids=str)
def test_differences_agree_with_r(row):
    cases = CASES[CASES["set"] == row["set"]]
    found = paired_differences(cases["y"], cases["risk_a"], cases["risk_b"], thresholds=THRESHOLDS)[row["metric"]]
    expected = [row["estimate"], row["lower"], row["upper"]]
    np.testing.assert_allclose(found[:3], expected, rtol=0, atol=TOLERANCE)


def test_a_difference_is_that_of_the_metrics_of_each():
    y, a, b = drawn()
    found = paired_differences(y, a, b, thresholds=THRESHOLDS)
    assert set(found) == NAMES
    for name, metric in (("auroc", auroc), ("brier_score", brier_score), ("log_loss", log_loss)):
        assert found[name].estimate == pytest.approx(metric(y, a).estimate - metric(y, b).estimate)
    for name, metric in (("net_benefit", net_benefit), ("interventions_avoided", interventions_avoided)):
        ours, theirs = metric(y, a, 0.2).estimate, metric(y, b, 0.2).estimate
        assert found[f"{name}_20"].estimate == pytest.approx(ours - theirs)


def test_the_better_risks_win_in_every_sense():
    y, a, b = drawn(2000)
    found = paired_differences(y, a, b, thresholds=[0.35])
    assert found["auroc"].lower > 0
    assert found["net_benefit_35"].lower > 0
    assert found["brier_score"].upper < 0
    assert found["log_loss"].upper < 0


def test_pairing_makes_the_interval_narrower_than_two_of_their_own():
    y, a, b = drawn(2000)
    paired, ours, theirs = (
        found.upper - found.lower for found in (auroc_difference(y, a, b), auroc(y, a), auroc(y, b))
    )
    assert paired < 0.8 * np.hypot(ours, theirs)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_case_that_is_there_twice_for_one_patient_tells_nothing_new(name):
    y, a, b = drawn()
    once = paired_differences(y, a, b, thresholds=THRESHOLDS)[name]
    twice = [np.tile(values, 2) for values in (y, a, b)]
    of_one_patient = paired_differences(*twice, thresholds=THRESHOLDS, patients=np.tile(np.arange(len(y)), 2))[name]
    of_two = paired_differences(*twice, thresholds=THRESHOLDS)[name]
    np.testing.assert_allclose(of_one_patient[:3], once[:3], rtol=0, atol=1e-12)
    assert of_two.upper - of_two.lower < 0.75 * (once.upper - once.lower)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_weight_of_two_is_two_cases_of_one_patient(name):
    y, a, b = drawn()
    weights = 1.0 + (np.arange(len(y)) % 3 == 0)
    repeat = np.repeat(np.arange(len(y)), weights.astype(int))
    weighted = paired_differences(y, a, b, thresholds=THRESHOLDS, weights=weights)[name]
    repeated = paired_differences(y[repeat], a[repeat], b[repeat], thresholds=THRESHOLDS, patients=repeat)[name]
    np.testing.assert_allclose(weighted[:3], repeated[:3], rtol=0, atol=1e-12)


def test_the_weighted_auroc_is_that_of_a_loop_over_pairs():
    y, a, b = drawn(60)
    weights = np.random.default_rng(1).uniform(0.5, 3, len(y))

    def concordance(risk: np.ndarray) -> float:
        pairs = [(i, j) for i in np.flatnonzero(y == 1) for j in np.flatnonzero(y == 0)]
        won = [weights[i] * weights[j] * ((risk[i] > risk[j]) + (risk[i] == risk[j]) / 2) for i, j in pairs]
        return sum(won) / sum(weights[i] * weights[j] for i, j in pairs)

    found = auroc_difference(y, a, b.round(1), weights=weights)
    assert found.estimate == pytest.approx(concordance(a) - concordance(b.round(1)), abs=1e-12)


def test_the_interval_over_patients_is_that_of_resampled_patients():
    """Half the patients come twice and are alike: a bootstrap of patients is the independent judge."""
    rng = np.random.default_rng(8)
    y, a, b = drawn(500)
    patients = np.concatenate([np.arange(250), np.repeat(np.arange(250, 375), 2)])
    first = np.concatenate([np.arange(250), np.repeat(np.arange(250, 500, 2), 2)])
    y, a, b = y[first], a[first], b[first]
    found = auroc_difference(y, a, b, patients=patients)
    rows_of = [np.flatnonzero(patients == patient) for patient in range(375)]
    resampled = []
    for _ in range(400):
        rows = np.concatenate([rows_of[patient] for patient in rng.integers(0, 375, 375)])
        resampled.append(auroc_difference(y[rows], a[rows], b[rows]).estimate)
    assert (found.upper - found.lower) / 3.92 == pytest.approx(np.std(resampled), rel=0.12)


def test_who_weighs_nothing_is_not_there():
    y, a, b = drawn()
    weights = np.r_[np.ones(300), np.zeros(100)]
    unknown = np.where(weights > 0, y, np.nan)
    weighted = paired_differences(unknown, a, b, thresholds=THRESHOLDS, weights=weights)
    assert weighted == paired_differences(y[:300], a[:300], b[:300], thresholds=THRESHOLDS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100))
def test_order_and_scale_change_nothing_and_exchange_turns_the_sign(seed, scale):
    y, a, b = drawn(80, seed)
    weights, patients = np.random.default_rng(seed).uniform(0.5, 2, 80), np.arange(80) // 2
    order = np.random.default_rng(seed).permutation(80)
    found = paired_differences(y, a, b, thresholds=[0.3], patients=patients, weights=weights)
    moved = paired_differences(
        y[order], a[order], b[order], thresholds=[0.3], patients=patients[order], weights=scale * weights[order]
    )
    turned = paired_differences(y, b, a, thresholds=[0.3], patients=patients, weights=weights)
    for name, value in found.items():
        if value.lower is None:
            assert moved[name].reason == value.reason
            continue
        np.testing.assert_allclose(moved[name][:3], value[:3], rtol=0, atol=1e-9)
        np.testing.assert_allclose(turned[name][:3], [-value.estimate, -value.upper, -value.lower], rtol=0, atol=1e-9)
        assert value.lower <= value.estimate <= value.upper


@pytest.mark.parametrize(
    ("change", "metric", "reason"),
    [
        ({"y": np.zeros(40)}, "auroc", "no case has the outcome"),
        ({"y": np.r_[np.ones(3), np.zeros(37)]}, "auroc", "only 3 cases have the outcome; at least 5 are needed"),
        ({"b": np.full(40, 0.3)}, "auroc", "b: every case has the same risk"),
        ({"a": np.r_[np.nan, np.full(39, 0.2)]}, "brier_score", "a: 1 risk is missing"),
        ({"a": np.r_[np.nan, np.full(39, 0.2)]}, "net_benefit_20", "a: 1 risk is missing"),
        ({"a": np.r_[np.nan, np.full(39, 0.2)]}, "interventions_avoided_20", "a: 1 risk is missing"),
        ({"y": np.r_[np.nan, np.ones(39)]}, "brier_score", "1 outcome is missing"),
        ({"b": np.r_[1.0, np.full(39, 0.2)]}, "log_loss", "b: 1 risk is exactly 0 or 1"),
        ({"b": np.r_[1.5, np.full(39, 0.2)]}, "brier_score", "b: 1 risk is outside 0 to 1"),
        ({"weights": np.zeros(40)}, "auroc", "every weight is 0"),
        ({"weights": np.r_[-1.0, np.ones(39)]}, "net_benefit_20", "1 weight is negative"),
        ({"weights": np.r_[np.nan, np.ones(39)]}, "brier_score", "1 weight is missing"),
    ],
)
def test_what_is_not_estimable_says_why(change, metric, reason):
    y, a, b = drawn(40)
    given_ = {"y": y, "a": a, "b": b, "weights": np.ones(40)} | change
    found = paired_differences(given_["y"], given_["a"], given_["b"], thresholds=THRESHOLDS, weights=given_["weights"])[
        metric
    ]
    assert found[:3] == (None, None, None)
    assert found.reason.startswith(reason)


def test_no_interval_where_every_case_differs_by_the_same():
    y, a, _ = drawn()
    found = paired_differences(y, a, a, thresholds=THRESHOLDS)
    for name, value in found.items():
        assert value[:3] == (0.0, None, None), name
        assert value.reason == "no interval: every case differs by the same"


def test_no_interval_where_one_patient_has_all_the_events():
    y, a, b = drawn()
    patients = np.where(y == 1, -1, np.arange(len(y)))
    found = auroc_difference(y, a, b, patients=patients)
    assert found.estimate == pytest.approx(auroc_difference(y, a, b).estimate)
    assert (found.lower, found.upper) == (None, None)
    assert "of one patient" in found.reason
    assert "all cases are of one patient" in brier_difference(y, a, b, patients=np.zeros(len(y))).reason


def test_arrays_that_do_not_belong_together_are_refused():
    y, a, b = drawn(40)
    for wrong in ({"risk_b": b[:39]}, {"patients": np.arange(39)}, {"weights": np.ones(39)}):
        with pytest.raises(ValueError, match="unequal length"):
            auroc_difference(y, **({"risk_a": a, "risk_b": b} | wrong))


def test_no_interval_from_a_handful_of_patients():
    y, a, b = drawn(40)
    found = paired_differences(y[:3], a[:3], b[:3], thresholds=THRESHOLDS)
    assert found["auroc"].estimate is None
    assert found["brier_score"].estimate == pytest.approx(((a[:3] - y[:3]) ** 2 - (b[:3] - y[:3]) ** 2).mean())
    assert found["brier_score"].reason == "no interval: only 3 patients; at least 10 are needed"


def test_no_cases_are_no_crash():
    found = paired_differences([], [], [], thresholds=THRESHOLDS)
    assert {value.reason for value in found.values()} == {"there are no cases"}


def test_a_patient_with_both_outcomes_pulls_on_both_classes_at_once():
    """One case of each patient has the outcome and the other has not; a jackknife over patients is the judge."""
    rng = np.random.default_rng(12)
    n = 200
    y, patients, own = np.tile([1.0, 0.0], n), np.repeat(np.arange(n), 2), np.repeat(rng.normal(size=n), 2)
    a, b = (1 / (1 + np.exp(-(y + at * own + 0.5 * rng.normal(size=2 * n)))) for at in (1.0, 0.0))
    found = auroc_difference(y, a, b, patients=patients)
    without = [auroc_difference(y[rest], a[rest], b[rest]).estimate for rest in patients != np.arange(n)[:, None]]
    standard_error = np.sqrt((n - 1) / n * ((without - np.mean(without)) ** 2).sum())
    assert (found.upper - found.lower) / 3.92 == pytest.approx(standard_error, rel=0.03)
    unclustered = auroc_difference(y, a, b)
    assert (unclustered.upper - unclustered.lower) / 3.92 > 1.1 * standard_error
