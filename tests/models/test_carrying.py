"""What cases can carry: parameters by Riley's criteria, learners by what they spend."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.predictors import n_parameters
from models import carrying
from models.carrying import (
    NOISE_DRAWS,
    Spending,
    capacity,
    parameters_carried,
    spending,
    spent_on_noise,
    verdict,
)
from models.sample_size import r2_from_c_statistic, riley_development_size

TREES = {"learning_rate": 0.1, "reg_lambda": 1.0, "colsample_bytree": 0.8}
SHALLOW = TREES | {"max_depth": 1, "n_rounds": 10, "min_child_weight": 20.0}
DEEP = TREES | {"max_depth": 5, "n_rounds": 40, "min_child_weight": 1.0}


@pytest.fixture
def few_draws(monkeypatch):
    """Enough where a figure is compared with one many times as large, or with itself."""
    monkeypatch.setattr(carrying, "NOISE_DRAWS", 4)


def test_an_unpenalised_regression_spends_its_parameters(development, predictors):
    """Efron's covariance counts what it should where the answer is known: here one parameter a column."""
    complete = [p for p in predictors if p.form != "levels"]
    spent = spent_on_noise(development, "logistic", complete, {"C": 1e6}, seed=1)
    parameters = n_parameters(complete)
    # Twice the covariance is a chi-squared statistic, whose variance is twice its degrees of freedom.
    standard_error = np.sqrt(parameters / 2 / NOISE_DRAWS)
    assert np.mean(spent) == pytest.approx(parameters, abs=4 * standard_error + 0.05 * parameters)


def test_a_penalty_lowers_what_is_spent_and_not_what_counts(development, predictors, few_draws):
    penalised = spent_on_noise(development, "logistic", predictors, {"C": 0.001}, seed=1)
    assert np.mean(penalised) < n_parameters(predictors) / 2
    found = spending(development, "logistic", predictors, {"C": 0.001}, seed=1)
    assert found.parameters == n_parameters(predictors)


def test_deep_trees_spend_many_times_what_shallow_ones_do(development, predictors, few_draws):
    shallow, deep = (
        spending(development, "xgboost", predictors, setting, seed=1).parameters for setting in (SHALLOW, DEEP)
    )
    assert n_parameters(predictors) <= shallow < deep / 5


def test_what_is_spent_knows_nothing_of_the_outcomes(development, predictors, few_draws):
    shuffled = dataclasses.replace(development, y=np.random.default_rng(3).permutation(development.y))
    assert spent_on_noise(development, "xgboost", predictors, SHALLOW, seed=1) == spent_on_noise(
        shuffled, "xgboost", predictors, SHALLOW, seed=1
    )


def test_the_simplest_setting_of_a_grid_is_what_a_learner_must_afford(development, predictors, few_draws):
    grid = SHALLOW | {"n_rounds": [200, 10], "max_depth": [4, 1]}
    found = spending(development, "xgboost", predictors, grid, seed=1)
    assert (found.setting["max_depth"], found.setting["n_rounds"]) == (1, 10)


@given(st.integers(20, 20_000), st.floats(0.03, 0.97), st.floats(0.6, 0.9))
def test_one_parameter_more_than_is_carried_needs_more_cases(cases, prevalence, c_statistic):
    carried = parameters_carried(cases, prevalence, c_statistic)
    r2 = r2_from_c_statistic(c_statistic, prevalence)
    assert riley_development_size(carried + 1, prevalence, r2).n_cases > cases
    if carried:
        assert riley_development_size(carried, prevalence, r2).n_cases <= cases


def test_too_few_cases_for_the_overall_risk_carry_nothing():
    """340 cases are needed to know a risk of a third to within 0.05, whatever the predictors."""
    assert parameters_carried(300, 0.33, 0.9) == 0
    assert parameters_carried(345, 0.33, 0.9) > 0


def test_what_is_used_is_never_more_than_was_declared():
    plenty, scarce = (capacity(cases, 0.33, 0.7, declared=20) for cases in (6000, 800))
    assert (plenty.used, plenty.is_enough) == (20, True)
    assert scarce.used == scarce.carried < 20
    assert not scarce.is_enough


def test_a_learner_that_spends_too_much_is_refused_in_words():
    found = capacity(1000, 0.33, 0.7, declared=10)
    spent = {
        "logistic": Spending({"C": 0.01}, candidates=10),
        "xgboost": Spending({"max_depth": 2}, candidates=10, on_noise=40.2, standard_error=1.0),
    }
    judged = verdict(["prevalence", "baseline", "logistic", "xgboost"], spent, found)
    assert judged.allowed == ("prevalence", "baseline", "logistic")
    assert list(judged.refused) == ["xgboost"]
    assert "(max_depth 2) spends as much as 43 parameters on drawn outcomes" in judged.refused["xgboost"]
    assert f"1,000 development cases carry {found.carried} " in judged.refused["xgboost"]


def test_a_learner_that_can_be_carried_is_not_refused():
    found = capacity(6000, 0.33, 0.7, declared=10)
    spent = {"xgboost": Spending({"max_depth": 2}, candidates=10, on_noise=40.2, standard_error=1.0)}
    assert verdict(["prevalence", "xgboost"], spent, found).refused == {}
