"""The learners, unfitted: scikit-learn pipelines in which everything that is fitted sits.

`logistic` and `xgboost` are candidates; `prevalence` and `baseline` are comparators and never chosen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from features.errors import ParamsError
from features.outcomes import baseline_scores
from features.predictors import Predictor
from models.encoding import Encoding, Floats, fitted_encoding, rounded
from models.fitted import FittedModel, LinearModel, TreeModel

CANDIDATES = ("logistic", "xgboost")
"""In the order of simplicity: of two that are as good, the first is chosen."""
COMPARATORS = ("prevalence", "baseline")
LEARNERS = COMPARATORS + CANDIDATES
UNPENALISED = 1e6
"""C of the baseline comparator, whose one or two parameters need no penalty."""
Grow = Callable[[XGBClassifier, Floats, NDArray[np.int64], Floats], None]
"""Fits trees in place to encoded columns (n, p), labels (n,) and weights (n,)."""


class PredictorEncoder(TransformerMixin, BaseEstimator):
    """Fits an `Encoding` on the development cases: medians, knots, commonest levels."""

    def __init__(self, predictors: Sequence[Predictor], linear: bool) -> None:
        self.predictors = predictors
        self.linear = linear

    def fit(self, X: pd.DataFrame, y: Any = None) -> PredictorEncoder:
        self.encoding_: Encoding = fitted_encoding(X, list(self.predictors), linear=self.linear)
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        return self.encoding_.encode(X)


def settings(learner: str, grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every setting of a learner's grid, the simplest first. A single value is a grid of one.

    The comparators have nothing to set.
    """
    if learner in COMPARATORS:
        return [{}]
    lists = {name: value if isinstance(value, list) else [value] for name, value in grid.items()}
    products = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    return sorted(products, key=lambda setting: complexity(learner, setting))


def complexity(learner: str, setting: Mapping[str, Any]) -> tuple[float, ...]:
    """What orders settings from simple to complex: more penalty, shallower, fewer rounds."""
    if learner == "logistic":
        return (setting["C"],)
    return (setting["max_depth"], setting["n_rounds"], -setting["min_child_weight"])


def ends_of_grid(learner: str, best: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands at the most complex of its tried values in the best setting: a wider grid might do better.

    Examples
    --------
    >>> ends_of_grid("logistic", {"C": 1.0}, [{"C": 0.1}, {"C": 1.0}])
    ['C']
    >>> ends_of_grid("logistic", {"C": 0.1}, [{"C": 0.1}, {"C": 1.0}])
    []
    """

    def reached(name: str) -> list[tuple[float, ...]]:
        return sorted({complexity(learner, {**best, name: setting[name]}) for setting in tried})

    orders = {name: reached(name) for name in best}
    return [name for name, order in orders.items() if len(order) > 1 and complexity(learner, best) == order[-1]]


def learner_predictors(learner: str, outcome_predictors: Sequence[Predictor]) -> list[Predictor]:
    """The predictors a learner may use: none for the prevalence, the baseline score for the baseline."""
    if learner == "prevalence":
        return []
    if learner == "baseline":
        return [predictor for predictor in outcome_predictors if predictor.name in baseline_scores()]
    return list(outcome_predictors)


def estimator(learner: str, setting: Mapping[str, Any], predictors: Sequence[Predictor], seed: int) -> Pipeline:
    """The unfitted pipeline of a learner with one setting.

    Raises
    ------
    ParamsError
        For a learner that does not exist, by name.
    """
    if learner == "xgboost":
        return Pipeline(
            [
                ("encode", PredictorEncoder(predictors, linear=False)),
                ("learn", _trees(setting, predictors, seed)),
            ]
        )
    if learner not in LEARNERS:
        raise ParamsError(f"params.yaml: there is no learner {learner}; choose from {', '.join(LEARNERS)}.")
    if not predictors:
        return Pipeline([("encode", PredictorEncoder([], linear=True)), ("learn", DummyClassifier(strategy="prior"))])
    logistic = LogisticRegression(C=setting.get("C", UNPENALISED), solver="newton-cholesky", max_iter=200, tol=1e-10)
    return Pipeline(
        [
            ("encode", PredictorEncoder(predictors, linear=True)),
            ("scale", StandardScaler()),
            ("learn", logistic),
        ]
    )


def _trees(setting: Mapping[str, Any], predictors: Sequence[Predictor], seed: int) -> XGBClassifier:
    constraints = [p.direction for p in predictors for _ in range(len(p.levels) - 1 if p.form == "levels" else 1)]
    return XGBClassifier(
        n_estimators=setting["n_rounds"],
        max_depth=setting["max_depth"],
        learning_rate=setting["learning_rate"],
        min_child_weight=setting["min_child_weight"],
        reg_lambda=setting["reg_lambda"],
        colsample_bytree=setting["colsample_bytree"],
        monotone_constraints=tuple(constraints),
        tree_method="hist",
        n_jobs=1,
        random_state=seed,
    )


def grown_here(trees: XGBClassifier, columns: Floats, labels: NDArray[np.int64], weights: Floats) -> None:
    """Trees grown by this process."""
    trees.fit(columns, labels, sample_weight=weights)


def fit(pipeline: Pipeline, X: pd.DataFrame, y: Floats, weights: Floats, grow: Grow = grown_here) -> Pipeline:
    """The pipeline fitted with case weights, its stored numbers rounded in place.

    Rounding here, and not when the model is written, keeps scikit-learn and the stored model equal.
    """
    return fit_all([pipeline], X, y, weights, grow)[0]


def fit_all(
    pipelines: Sequence[Pipeline], X: pd.DataFrame, y: Floats, weights: Floats, grow: Grow = grown_here
) -> list[Pipeline]:
    """Pipelines of one learner with different settings, each as `fit` alone would fit it.

    The steps before the last have nothing to set; they are fitted once and shared, since encoding costs
    as much as a logistic fit. Trees are grown by `grow`.
    """
    before = pipelines[0][:-1]
    learned = [pipeline["learn"] for pipeline in pipelines]
    _fit_last(learned, before.fit_transform(X), y.astype(np.int64), weights, grow)
    if "scale" in before.named_steps:
        before["scale"].mean_, before["scale"].scale_ = rounded(before["scale"].mean_), rounded(before["scale"].scale_)
        for logistic in learned:
            logistic.coef_, logistic.intercept_ = rounded(logistic.coef_), rounded(logistic.intercept_)
    return [Pipeline([*before.steps, ("learn", last)]) for last in learned]


def _fit_last(learned: Sequence[Any], columns: Floats, labels: NDArray[np.int64], weights: Floats, grow: Grow) -> None:
    """Fit in place. Trees that differ in their rounds alone are grown once: the first rounds of many are the few."""
    grown: dict[str, XGBClassifier] = {}
    for last in sorted(learned, key=lambda each: -getattr(each, "n_estimators", 0)):
        kind = str(last.get_params() | {"n_estimators": None})
        if not isinstance(last, XGBClassifier):
            last.fit(columns, labels, sample_weight=weights)
        elif kind not in grown:
            grow(last, columns, labels, weights)
            grown[kind] = last
        else:
            last.load_model(grown[kind].get_booster()[: last.n_estimators].save_raw("ubj"))


def fitted_model(pipeline: Pipeline) -> FittedModel:
    """The plain numbers of a fitted pipeline."""
    encoding, learned = pipeline["encode"].encoding_, pipeline["learn"]
    if isinstance(learned, XGBClassifier):
        return TreeModel(encoding, bytes(learned.get_booster().save_raw("ubj")))
    if isinstance(learned, DummyClassifier):
        prior = learned.class_prior_[1]
        none = np.zeros(0)
        return LinearModel(encoding, none, none, none, float(rounded(np.log(prior / (1 - prior)))))
    scaler = pipeline["scale"]
    return LinearModel(encoding, scaler.mean_, scaler.scale_, learned.coef_[0], float(learned.intercept_[0]))


def log_odds(pipeline: Pipeline, X: pd.DataFrame) -> Floats:
    """The margin of a fitted pipeline, before recalibration."""
    return log_odds_of_all([pipeline], X)[0]


def log_odds_of_all(pipelines: Sequence[Pipeline], X: pd.DataFrame) -> list[Floats]:
    """The margins of pipelines that `fit_all` fitted, and whose steps before the last are therefore one."""
    columns = pipelines[0][:-1].transform(X)
    return [_margin(pipeline["learn"], columns) for pipeline in pipelines]


def _margin(learned: Any, columns: Floats) -> Floats:
    if isinstance(learned, XGBClassifier):
        return learned.predict(columns, output_margin=True).astype(np.float64)
    if isinstance(learned, DummyClassifier):
        return np.full(len(columns), np.log(learned.class_prior_[1] / learned.class_prior_[0]))
    return learned.decision_function(columns)
