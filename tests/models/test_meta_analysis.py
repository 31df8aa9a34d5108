"""Random-effects meta-analysis: numbers of R's metafor, what must always hold, and centres that cannot be pooled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.estimates import Estimate, not_estimable
from models.meta_analysis import LIMITS, heterogeneity, random_effects

REFERENCE = Path(__file__).parents[1] / "reference" / "validation"
CENTRES = pd.read_csv(REFERENCE / "centres.csv")
METAFOR = pd.read_csv(REFERENCE / "pooled.csv").set_index(["set", "test"])
SETS = CENTRES["set"].unique().tolist()


def pooled(name):
    centres = CENTRES[CENTRES["set"] == name]
    return random_effects(centres["estimate"], centres["standard_error"])


@pytest.mark.parametrize("name", SETS)
def test_it_agrees_with_metafor(name):
    found, expected = pooled(name), METAFOR.loc[name, "adhoc"]
    for figure in (*LIMITS, "tau", "i_squared"):
        assert getattr(found, figure) == pytest.approx(expected[figure], abs=1e-6), figure


def test_the_remedy_changes_nothing_where_centres_differ():
    plain, remedied = (METAFOR.xs(test, level="test") for test in ("knha", "adhoc"))
    differ = plain["tau"] > 0
    assert differ.any()
    assert not differ.all()
    for name in plain.index[differ]:
        assert pooled(name).upper == pytest.approx(plain.loc[name, "upper"], abs=1e-6)
    narrower = (plain["upper"] - plain["lower"]) < (remedied["upper"] - remedied["lower"]) - 1e-9
    assert (narrower == ~differ).all()


some_centres = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=3, max_size=12)


@given(some_centres, st.floats(-2, 2))
@settings(max_examples=60, deadline=None)
def test_what_always_holds(centres, shift):
    y, se = np.transpose(centres)
    found, moved = random_effects(y, se), random_effects(y + shift, se)
    assert found.prediction_lower <= found.lower <= found.estimate <= found.upper <= found.prediction_upper
    assert y.min() - 1e-9 <= found.estimate <= y.max() + 1e-9
    assert 0 <= found.i_squared < 1
    assert moved.estimate == pytest.approx(found.estimate + shift, abs=1e-6)
    assert moved.tau == pytest.approx(found.tau, abs=1e-5)
    backwards = random_effects(y[::-1], se[::-1])
    assert backwards.upper == pytest.approx(found.upper, abs=1e-6)


def test_the_interval_covers_the_mean_and_the_prediction_a_new_centre():
    """A thousand studies of six centres: the mean as promised, a new centre somewhat less often, as is known of few."""
    rng = np.random.default_rng(2)
    mean, tau, se = 1.0, 0.15, np.array([0.08, 0.1, 0.1, 0.12, 0.14, 0.15])
    studies = [random_effects(mean + tau * rng.normal(size=6) + se * rng.normal(size=6), se) for _ in range(1000)]
    new = mean + tau * rng.normal(size=len(studies))
    covered = np.mean([found.lower <= mean <= found.upper for found in studies])
    predicted = np.mean([f.prediction_lower <= at <= f.prediction_upper for f, at in zip(studies, new, strict=True)])
    assert covered == pytest.approx(0.95, abs=0.025)
    assert 0.88 < predicted < 0.95


@pytest.mark.parametrize(
    ("y", "se"),
    [([1.0, 1.1], [0.1, 0.1]), ([1.0, 1.1, np.nan], [0.1] * 3), ([1.0, 1.1, 1.2], [0.1, 0.0, 0.1])],
)
def test_too_few_centres_or_faulty_ones_are_the_callers_mistake(y, se):
    with pytest.raises(ValueError, match="3 centres or more"):
        random_effects(y, se)


def test_an_auroc_is_pooled_as_log_odds_and_stays_within_bounds():
    centres = {name: Estimate(0.97, 0.92, 1.0) for name in "ABCD"} | {"E": Estimate(0.7, 0.5, 0.9)}
    found = heterogeneity("auroc", centres)
    assert 0.7 < found["estimate"] < 0.97
    assert found["prediction_lower"] < found["lower"]
    assert found["prediction_upper"] < 1


def test_a_ratio_is_pooled_as_its_logarithm():
    centres = {"A": Estimate(2.0, 1.0, 4.0), "B": Estimate(0.5, 0.25, 1.0), "C": Estimate(1.0, 0.5, 2.0)}
    assert heterogeneity("observed_to_expected", centres)["estimate"] == pytest.approx(1.0)


def test_centres_without_an_interval_are_left_out_and_counted():
    nothing = not_estimable("no case has the outcome")
    three = {"A": Estimate(1.0, 0.8, 1.2), "B": Estimate(1.1, 0.9, 1.3), "C": Estimate(0.9, 0.7, 1.1)}
    with_nothing = heterogeneity("calibration_slope", {**three, "D": nothing, "E": Estimate(1.0, reason="no interval")})
    reason = "left out (D: no case has the outcome; E: no interval)"
    assert with_nothing == heterogeneity("calibration_slope", three) | {"reason": reason}
    assert with_nothing["centres"] == 3
    too_few = heterogeneity("calibration_slope", {"A": three["A"], "B": three["B"], "D": nothing})
    words = "2 of 3 centres can be pooled; at least 3 are needed (D: no case has the outcome)"
    assert too_few["reason"] == words
    assert too_few["tau"] is too_few["prediction_lower"] is too_few["estimate"] is None


def test_an_auroc_of_one_cannot_be_pooled():
    perfect = {name: Estimate(1.0, reason="no interval: the risks separate the outcomes completely") for name in "ABC"}
    assert heterogeneity("auroc", perfect)["centres"] == 0
