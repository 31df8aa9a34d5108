from __future__ import annotations

import pytest

from features.predictors import candidate_predictors, predictor
from models.training import Development
from tests.small_models import invented_development, made_bundle


@pytest.fixture(scope="session")
def development() -> Development:
    """Twelve hundred invented cases of 1,000 patients; the outcome follows disability and smoking."""
    return invented_development()


@pytest.fixture(scope="session")
def predictors(development):
    known = {p.name: p for p in candidate_predictors("failure_12m", 40)}
    return [known.get(name) or predictor(name) for name in development.X.columns]


GRIDS = {
    "logistic": {"C": [0.01, 1.0]},
    "xgboost": {
        "max_depth": 2,
        "n_rounds": [20, 40],
        "min_child_weight": 5.0,
        "learning_rate": 0.1,
        "reg_lambda": 1.0,
        "colsample_bytree": 0.8,
    },
}


@pytest.fixture(scope="session")
def learned(development, predictors):
    from models.learners import LEARNERS
    from models.training import learn

    return {
        learner: learn(development, learner, predictors, GRIDS.get(learner, {}), refits=4, seed=5)
        for learner in LEARNERS
    }


@pytest.fixture(scope="session")
def grids():
    return GRIDS


@pytest.fixture(scope="session")
def bundle_of(development):
    """Makes a bundle of what a learner learned."""

    def made(result, provenance="virtual"):
        return made_bundle(result, development, provenance)

    return made
