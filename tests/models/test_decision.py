"""Net benefit and what follows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decision import (
    case_net_benefit,
    decision_curve,
    interventions_avoided,
    net_benefit,
    net_benefit_treat_all,
)
from models.estimates import paired_difference
from models.metrics import prevalence

REFERENCE = Path(__file__).parents[1] / "reference" / "metrics"
CASES = dict(list(pd.read_csv(REFERENCE / "cases.csv").groupby("set")))
TABLES = {None: "reference.csv", "weight": "weighted_reference.csv"}

drawn_cases = st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(0.01, 5)), min_size=1, max_size=60).map(
    lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True))
)
some_threshold = st.floats(0.01, 0.99)


@given(drawn_cases, some_threshold)
def test_net_benefit_never_exceeds_prevalence(cases, threshold):
    y_true, risk, weights = cases
    assert net_benefit(y_true, risk, threshold).estimate <= y_true.mean() + 1e-12
    weighted = net_benefit(y_true, risk, threshold, weights).estimate
    assert weighted <= prevalence(y_true, weights).estimate + 1e-12


@given(drawn_cases, some_threshold)
def test_interventions_avoided_are_the_gain_over_treating_all(cases, threshold):
    y_true, risk, weights = cases
    model, treat_all = (
        net_benefit(y_true, risk, threshold, weights),
        net_benefit_treat_all(y_true, threshold, weights),
    )
    gain = model.estimate - treat_all.estimate
    avoided = interventions_avoided(y_true, risk, threshold, weights).estimate
    assert avoided == pytest.approx(100 * gain * (1 - threshold) / threshold, abs=1e-6)


@pytest.mark.parametrize("weight", TABLES)
@pytest.mark.parametrize("name", CASES)
def test_decision_curve_is_the_net_benefit_at_each_threshold(name, weight):
    cases, from_r = CASES[name], pd.read_csv(REFERENCE / TABLES[weight]).set_index(["set", "metric"])
    weights = None if weight is None else cases[weight]
    curve = pd.DataFrame(decision_curve(cases["y"], cases["risk"], [0.2, 0.35], weights)).set_index("threshold")
    for threshold, metric in ((0.2, "net_benefit_20"), (0.35, "net_benefit_35")):
        theirs = from_r.loc[(name, metric), ["estimate", "lower", "upper"]].tolist()
        assert curve.loc[threshold, ["model", "lower", "upper"]].tolist() == pytest.approx(theirs, abs=1e-6)
    assert (curve["treat_none"] == 0).all()
    observed = np.average(cases["y"], weights=weights)
    assert curve["treat_all"].tolist() == pytest.approx([observed - (1 - observed) * t / (1 - t) for t in (0.2, 0.35)])


def test_case_net_benefit_compares_two_models_on_the_same_cases():
    cases = CASES["smooth"]
    ours, theirs = (case_net_benefit(cases["y"], cases[name], 0.2) for name in ("risk", "other_risk"))
    gain = paired_difference(ours, theirs, groups=cases["patient"])
    separately = [net_benefit(cases["y"], cases[name], 0.2).estimate for name in ("risk", "other_risk")]
    assert gain.mean == pytest.approx(separately[0] - separately[1])


@pytest.mark.parametrize("threshold", [0, 1, -0.2, np.nan])
def test_an_impossible_threshold_is_a_mistake_of_the_caller(threshold):
    for measure in (net_benefit, interventions_avoided, case_net_benefit):
        with pytest.raises(ValueError, match="strictly between 0 and 1, got"):
            measure([0, 1], [0.1, 0.2], threshold=threshold)
