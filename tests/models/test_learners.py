from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import shap

from features.errors import ParamsError
from features.predictors import predictor
from models.fitted import LinearModel, LinearStack, TreeModel, TreeStack
from models.learners import LEARNERS, estimator, fit, fit_all, fitted_model, log_odds, log_odds_of_all, settings


@pytest.mark.parametrize("setting", [{"C": 0.01}, {"C": 1.0}])
def test_the_stored_logistic_equals_scikit_learn(development, predictors, setting):
    pipeline = fit(
        estimator("logistic", setting, predictors, seed=1), development.X, development.y, development.weights
    )
    ours = fitted_model(pipeline).log_odds(development.X)
    np.testing.assert_allclose(ours, pipeline.decision_function(development.X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("learner", LEARNERS)
def test_contributions_add_up_to_the_margin(learned, development, learner):
    result = learned[learner]
    base, contributions = result.model.contributions(development.X)
    assert contributions.shape == (len(development.X), len(result.predictors))
    tolerance = 1e-12 if isinstance(result.model, LinearModel) else 1e-5  # XGBoost sums in single precision
    np.testing.assert_allclose(
        base + contributions.sum(axis=1), result.model.log_odds(development.X), rtol=0, atol=tolerance
    )


def test_tree_contributions_are_those_that_shap_computes(learned, development):
    model = learned["xgboost"].model
    encoded = model.encoding.encode(development.X)
    by_shap = shap.TreeExplainer(model.booster, feature_perturbation="tree_path_dependent").shap_values(encoded)
    _, ours = model.contributions(development.X)
    np.testing.assert_allclose(ours, model.encoding.by_predictor(by_shap), atol=1e-5)


def test_linear_contributions_are_those_that_shap_computes(learned, development):
    model = learned["logistic"].model
    encoded = model.encoding.encode(development.X)
    coefficients = model.coefficients / model.scale
    intercept = model.intercept - (model.coefficients * model.mean / model.scale).sum()
    explainer = shap.LinearExplainer(
        (coefficients, intercept), shap.maskers.Independent(encoded, max_samples=len(encoded))
    )
    base, ours = model.contributions(development.X)
    np.testing.assert_allclose(ours, model.encoding.by_predictor(explainer.shap_values(encoded)), atol=1e-6)
    assert base == pytest.approx(float(explainer.expected_value), abs=1e-6)


def test_tree_contributions_are_shapley_values_by_brute_force(development):
    """Two predictors, one tree: the average over both orders of what a predictor adds along the paths."""
    used = [predictor("odi"), predictor("nrs_back")]
    setting = {"max_depth": 2, "n_rounds": 1, "min_child_weight": 1.0, "learning_rate": 1.0, "reg_lambda": 0.0}
    pipeline = estimator("xgboost", setting | {"colsample_bytree": 1.0}, used, seed=0)
    X = development.X[["odi", "nrs_back"]]
    model = fitted_model(fit(pipeline, X, development.y, development.weights))
    assert isinstance(model, TreeModel)
    _, contributions = model.contributions(X.head(20))
    tree = model.booster.trees_to_dataframe().set_index("ID")
    for row, ours in zip(model.encoding.encode(X.head(20)), contributions, strict=True):
        both, odi, nrs, none = (_expected(tree, row, known) for known in ({"f0", "f1"}, {"f0"}, {"f1"}, set()))
        assert ours[0] == pytest.approx(((odi - none) + (both - nrs)) / 2, abs=1e-5)
        assert ours[1] == pytest.approx(((nrs - none) + (both - odi)) / 2, abs=1e-5)


def _expected(tree: pd.DataFrame, row: np.ndarray, known: set[str], node: str = "0-0") -> float:
    """Value of the tree when only some predictors are known: the others are averaged over the training cover."""
    here = tree.loc[node]
    if here["Feature"] == "Leaf":
        return float(here["Gain"])
    if here["Feature"] in known:
        goes_left = np.float32(row[int(here["Feature"][1:])]) < np.float32(here["Split"])
        return _expected(tree, row, known, here["Yes"] if goes_left else here["No"])
    covers = [tree.loc[here[side], "Cover"] for side in ("Yes", "No")]
    values = [_expected(tree, row, known, here[side]) for side in ("Yes", "No")]
    return float(np.average(values, weights=covers))


def test_more_of_a_certain_harm_never_lowers_the_risk(learned, development):
    X = development.X.head(200)
    model = learned["xgboost"].model
    smoker, other = (model.log_odds(X.assign(is_current_smoker=value)) for value in (1.0, 0.0))
    assert (smoker >= other).all()
    assert (smoker > other).any()


def test_a_blank_is_never_better_than_the_best_value(learned, development):
    """Of a predictor whose direction is certain; XGBoost's own missing direction would not keep this."""
    X = development.X.head(200)
    model = learned["xgboost"].model
    blank = model.log_odds(X.assign(is_current_smoker=np.nan, leg_pain_duration_months=np.nan))
    best = model.log_odds(X.assign(is_current_smoker=0.0, leg_pain_duration_months=0.0))
    assert (blank >= best - 1e-12).all()


def test_settings_go_from_simple_to_complex():
    assert [s["C"] for s in settings("logistic", {"C": [1.0, 0.01, 0.1]})] == [0.01, 0.1, 1.0]
    grid = {"max_depth": [3, 2], "n_rounds": 50, "min_child_weight": [5, 50]}
    assert [(s["max_depth"], s["min_child_weight"]) for s in settings("xgboost", grid)] == [
        (2, 50),
        (2, 5),
        (3, 50),
        (3, 5),
    ]


def test_an_unknown_learner_is_refused_by_name(predictors):
    with pytest.raises(ParamsError, match="no learner forest"):
        estimator("forest", {}, predictors, seed=0)


def test_the_prevalence_says_the_same_of_everybody(learned, development):
    risks = learned["prevalence"].model.log_odds(development.X)
    assert len(set(risks)) == 1
    assert 1 / (1 + np.exp(-risks[0])) == pytest.approx(development.y.mean(), abs=1e-9)


def test_log_odds_of_a_pipeline_and_of_its_stored_model_agree(development, predictors, learned):
    setting = learned["xgboost"].setting
    pipeline = fit(estimator("xgboost", setting, predictors, seed=5), development.X, development.y, development.weights)
    np.testing.assert_allclose(
        fitted_model(pipeline).log_odds(development.X), log_odds(pipeline, development.X), atol=1e-6
    )


@pytest.mark.parametrize("learner", LEARNERS)
def test_settings_fitted_together_are_those_fitted_alone_to_the_bit(development, predictors, grids, learner):
    """The encoding and, of trees, the first rounds are shared: that must save time and nothing else."""
    rounds = {"n_rounds": [30, 10, 20], "max_depth": [2, 3]} if learner == "xgboost" else {}
    tried = settings(learner, grids.get(learner, {}) | rounds)
    used = [] if learner == "prevalence" else predictors
    known, asked = development.rows(np.arange(800)), development.X.iloc[800:]

    def unfitted(setting):
        return estimator(learner, setting, used, seed=3)

    together = fit_all([unfitted(setting) for setting in tried], known.X, known.y, known.weights)
    alone = [fit(unfitted(setting), known.X, known.y, known.weights) for setting in tried]
    for a, b, odds in zip(together, alone, log_odds_of_all(together, asked), strict=True):
        np.testing.assert_array_equal(odds, log_odds(b, asked))
        if learner == "xgboost":
            assert fitted_model(a).booster.num_boosted_rounds() == fitted_model(b).booster.num_boosted_rounds()
        else:
            assert fitted_model(a).as_json() == fitted_model(b).as_json()


def test_refits_evaluated_together_are_what_each_says_alone(learned, development):
    refits = learned["logistic"].refits
    alone = np.stack([refit.log_odds(development.X) for refit in refits])
    together = LinearStack(refits).log_odds(development.X)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    for rows in (slice(0, 1), slice(100, 300)):  # however the cases are cut
        np.testing.assert_array_equal(LinearStack(refits).log_odds(development.X.iloc[rows]), together[:, rows])


def test_refits_may_differ_in_what_bends_and_know_a_word_that_is_none(development, predictors):
    part = development.rows(np.arange(60))
    part = dataclasses.replace(part, X=part.X.assign(odi=20.0))  # knots coincide: no spline in this one
    one, other = (
        fitted_model(fit(estimator("logistic", {"C": 1.0}, predictors, 0), data.X, data.y, data.weights))
        for data in (development, part)
    )
    cases = development.X.head(20).copy()
    cases["diagnosis"] = ["never heard of"] * 5 + [None] * 5 + cases["diagnosis"].tolist()[10:]
    alone = np.stack([one.log_odds(cases), other.log_odds(cases)])
    np.testing.assert_allclose(LinearStack([one, other]).log_odds(cases), alone, rtol=0, atol=1e-12)


def test_trees_as_arrays_give_the_numbers_of_xgboost_to_the_bit(learned, development):
    refits = learned["xgboost"].refits
    cases = development.X.assign(diagnosis=development.X["diagnosis"].where(development.X["odi"] > 30))
    alone = np.stack([refit.log_odds(cases) for refit in refits])
    np.testing.assert_array_equal(TreeStack.of(refits).log_odds(cases), alone)
