"""Trees as tables give the numbers of XGBoost to the last bit, however deep a tree may be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

import models.fitted as fitted
from models.encoding import EncodedPredictor, Encoding
from models.fitted import TreeModel, TreeStack

NAMES = ("odi", "grade", "is_smoker", "share")


def drawn(n: int, seed: int) -> pd.DataFrame:
    """Cases with many, few and two different values a column, and some of each missing."""
    rng = np.random.default_rng(seed)
    cases = pd.DataFrame(
        {
            "odi": rng.normal(45, 15, n),
            "grade": rng.integers(0, 4, n).astype(float),
            "is_smoker": rng.integers(0, 2, n).astype(float),
            "share": rng.random(n).astype(np.float32).astype(float),
        }
    )
    return cases.mask(rng.random(cases.shape) < 0.15)


def grown(depth: int, seed: int, rounds: int = 25) -> TreeModel:
    """Trees of that depth, whose cases with nothing recorded are filled differently by each seed."""
    cases, rng = drawn(1_500, seed), np.random.default_rng(seed)
    fills = cases.median() + rng.integers(0, 2, len(NAMES))
    encoding = Encoding(tuple(EncodedPredictor(name=n, form="linear", fill=float(fills[n])) for n in NAMES))
    columns = encoding.encode(cases)
    y = rng.random(len(cases)) < 1 / (1 + np.exp(-(columns[:, 0] - 45) / 10 * (columns[:, 2] - 0.5) - columns[:, 3]))
    params = {"max_depth": depth, "objective": "binary:logistic", "min_child_weight": 1, "seed": seed, "nthread": 1}
    booster = xgb.train(params, xgb.DMatrix(columns, y.astype(float), nthread=1), rounds)
    return TreeModel(encoding, bytes(booster.save_raw("ubj")))


@pytest.fixture(params=[1, 2, 3, 4])
def refits(request) -> list[TreeModel]:
    return [grown(request.param, seed) for seed in (1, 2, 3)]


def test_contributions_and_margins_are_those_of_the_boosters(refits, monkeypatch):
    cases = drawn(700, seed=9)
    walked = [refit.contributions(cases) for refit in refits]
    alone = np.stack([refit.log_odds(cases) for refit in refits])
    monkeypatch.setattr(fitted, "MANY_CASES", 1)
    for refit, (base, contributions) in zip(refits, walked, strict=True):
        looked_up = refit.contributions(cases)
        assert looked_up[0] == base
        np.testing.assert_array_equal(looked_up[1], contributions)
    stack = TreeStack.of(refits)
    np.testing.assert_array_equal(stack.log_odds(cases), alone)


def test_a_case_is_the_same_among_any_others(monkeypatch):
    monkeypatch.setattr(fitted, "MANY_CASES", 1)
    refits, cases = [grown(3, seed) for seed in (1, 2)], drawn(60, seed=9)
    whole, stack = refits[0].contributions(cases)[1], TreeStack.of(refits)
    for rows in (slice(0, 1), slice(7, 31)):
        np.testing.assert_array_equal(refits[0].contributions(cases.iloc[rows])[1], whole[rows])
        np.testing.assert_array_equal(stack.log_odds(cases.iloc[rows]), stack.log_odds(cases)[:, rows])


def test_trees_that_ask_too_much_have_no_table():
    assert grown(3, seed=1).tables is not None
    assert grown(4, seed=1).tables is None
    assert not TreeStack.of([grown(4, seed=1)]).is_fast_for(10**6)


def test_trees_that_ask_nothing_add_what_they_hold(monkeypatch):
    monkeypatch.setattr(fitted, "MANY_CASES", 1)
    cases = drawn(30, seed=9)
    model = grown(2, seed=1, rounds=1)
    params = {"objective": "binary:logistic", "min_child_weight": 1e9, "nthread": 1}
    constant = xgb.train(params, xgb.DMatrix(np.zeros((4, 4)), np.array([0, 1, 0, 1]), nthread=1), 3)
    bare = TreeModel(model.encoding, bytes(constant.save_raw("ubj")))
    assert bare.tables is not None
    assert not bare.contributions(cases)[1].any()
