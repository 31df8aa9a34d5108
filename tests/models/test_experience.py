"""What a model has seen of the world, kept so that nobody can be found in it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.predictors import predictor
from models.experience import LEAST_CASES, SeenLimits, SimilarCases, seen_in


@pytest.fixture
def two_kinds():
    """300 cases whose risks disability raises and hardly anybody fails, 300 of whom most do."""
    rng = np.random.default_rng(1)
    contributions = np.concatenate([rng.normal(-1, 0.1, (300, 3)), rng.normal(1, 0.1, (300, 3))])
    y = np.concatenate([rng.random(300) < 0.1, rng.random(300) < 0.7]).astype(float)
    return contributions, y


def test_similar_cases_are_those_whose_risks_are_moved_alike(two_kinds):
    contributions, y = two_kinds
    similar = SimilarCases.learned(contributions, y, np.ones(600))
    near = similar.near(np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]), wanted=300)
    assert near.cases.tolist() == [300, 300]
    assert near.events == pytest.approx([y[:300].sum(), y[300:].sum()], abs=0.001)


def test_as_many_as_asked_for_and_never_part_of_a_group(two_kinds):
    similar = SimilarCases.learned(*two_kinds, np.ones(600))
    near = similar.near(np.zeros((4, 3)), wanted=50)
    assert ((near.cases >= 50) & (near.cases < 50 + similar.cases.max())).all()
    assert similar.near(np.zeros((1, 3)), wanted=10_000).cases.tolist() == [600]


def test_a_case_unlike_any_is_called_so(two_kinds):
    similar = SimilarCases.learned(*two_kinds, np.ones(600))
    assert similar.near(np.array([[1.0, 1.0, 1.0], [9.0, -9.0, 9.0]]), wanted=50).is_far.tolist() == [False, True]


def test_a_group_weighs_its_events_where_some_are_censored():
    similar = SimilarCases.learned(np.zeros((10, 1)), np.array([1.0] * 2 + [0.0] * 8), np.array([2.0] * 2 + [0.75] * 8))
    assert similar.events.tolist() == [4.0]  # 4 of 10 by weight, where 2 of 10 were seen


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.integers(0, 4), st.integers(0, 10_000))
def test_no_group_is_so_small_that_it_tells_of_one_person(n, n_predictors, seed):
    rng = np.random.default_rng(seed)
    similar = SimilarCases.learned(rng.normal(size=(n, n_predictors)), np.zeros(n), np.ones(n))
    assert similar.cases.sum() == n
    assert similar.cases.min() >= min(n, LEAST_CASES)


def test_what_was_seen_ends_where_ten_cases_stand():
    ages = pd.DataFrame({"age_years": [18.0, 99.0, *range(30, 70)] * 1})
    seen = seen_in(ages, [predictor("age_years")])["age_years"]
    values = np.sort(ages["age_years"])
    assert (seen.lower, seen.upper) == (values[LEAST_CASES - 1], values[-LEAST_CASES])


def test_values_outside_what_was_seen_are_named():
    known = [predictor("odi"), predictor("diagnosis")]
    development = pd.DataFrame(
        {"odi": np.tile([30.0, 40.0, 50.0], 10), "diagnosis": ["disc_herniation"] * 29 + ["spinal_stenosis"]}
    )
    limits = SeenLimits(seen_in(development, known), known)
    cases = pd.DataFrame(
        {
            "odi": [40.0, 80.0, np.nan, 40.0],
            "diagnosis": ["disc_herniation", "disc_herniation", None, "spinal_stenosis"],
        }
    )
    assert limits.outside(cases) == [[], ["odi"], [], ["diagnosis"]]


def test_a_predictor_that_nobody_had_makes_every_value_new():
    limits = SeenLimits(seen_in(pd.DataFrame({"odi": [np.nan] * 20}), [predictor("odi")]), [predictor("odi")])
    assert limits.outside({"odi": np.array([40.0, np.nan])}) == [["odi"], []]
