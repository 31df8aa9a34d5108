from __future__ import annotations

import pytest

from models.training import Development
from tests.small_models import GRIDS, invented_development, made_bundle, predictors_of


@pytest.fixture(scope="session")
def development() -> Development:
    """Twelve hundred invented cases of 1,000 patients; the outcome follows disability and smoking."""
    return invented_development()


@pytest.fixture(scope="session")
def predictors(development):
    return predictors_of(development)


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
