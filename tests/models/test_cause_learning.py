"""Causes learned by the code of the first question: what is learned, from how much, and what is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.axes import CAUSES
from features.predictors import Predictor
from models import cause_learning as learning
from models.training import Development, learn

N = 900
GRIDS = {"prevalence": {}, "logistic": {"C": [0.01, 1.0]}}
RECIPE = learning.Recipe(
    learners=("prevalence", "logistic"), grid=GRIDS.__getitem__, anticipated_c_statistic=0.8, seed=3
)
COMMON, OTHER, RARE = "epidural_fibrosis", "residual_stenosis", "hardware"
NUMBERS = {cause: CAUSES.index(cause) for cause in (COMMON, OTHER, RARE)}


def finding(name: str) -> Predictor:
    return Predictor(name=name, label=name, group="findings", form="linear", levels=(), direction=0)


@pytest.fixture(scope="module")
def right() -> np.ndarray:
    return np.random.default_rng(5).choice(list(NUMBERS.values()), N, p=[0.4, 0.594, 0.006])


@pytest.fixture(scope="module")
def features(right) -> pd.DataFrame:
    """Twenty findings, each present, absent or not sought; the first tells scar, the others nothing."""
    rng = np.random.default_rng(6)
    states = (rng.random((N, 20)) < 0.3) * 1.0
    states[:, 0] = rng.random(N) < np.where(right == NUMBERS[COMMON], 0.8, 0.2)
    states[rng.random(states.shape) < 0.1] = np.nan
    return pd.DataFrame(states, columns=[f"finding_{i}" for i in range(20)])


@pytest.fixture(scope="module")
def candidates(features) -> list[Predictor]:
    return [finding(str(name)) for name in features.columns]


@pytest.fixture(scope="module")
def learned(features, right, candidates) -> dict[str, learning.LearnedCause]:
    patients = np.array([f"P{i // 2}" for i in range(N)])
    folds = np.arange(N) // 2 % 5
    return learning.learned_causes(features, right, patients, folds, dict.fromkeys(NUMBERS, candidates), RECIPE)


def test_a_cause_is_learned_exactly_as_an_outcome_is(learned, features, right):
    """The same function on the same cases: no copy of the code of the first question."""
    found = learned[COMMON]
    patients, folds = np.array([f"P{i // 2}" for i in range(N)]), np.arange(N) // 2 % 5
    names = [p.name for p in found.predictors]
    y = (right == NUMBERS[COMMON]) * 1.0
    data = Development(COMMON, features[names], y, np.ones(N), patients, folds)
    alone = learn(data, "logistic", found.predictors, GRIDS["logistic"], refits=0, seed=3, threads=1)
    assert found.log_odds(features) == pytest.approx(alone.log_odds(features), abs=1e-12)
    assert roc_auc_score(y, alone.out_of_fold) > 0.7


def test_the_cases_decide_how_many_findings_are_used(learned):
    found = learned[COMMON]
    assert [p.name for p in found.predictors] == [f"finding_{i}" for i in range(found.capacity.used)]
    assert 0 < found.capacity.used <= 20
    assert found.verdict.allowed == ("prevalence", "logistic")


def test_a_rare_cause_is_not_learned_and_keeps_its_share(learned, features, right):
    found, events = learned[RARE], int((right == NUMBERS[RARE]).sum())
    assert 0 < events < 10
    assert found.chosen is None
    assert found.reason == f"adjudicated in {events} of 900 development cases, too few for 5 folds"
    share = (events + 0.5) / (N + 1)
    assert found.log_odds(features) == pytest.approx(np.log(share / (1 - share)))


def test_a_cause_that_nobody_had_is_not_impossible(learned, features):
    found = learned["hip"]
    assert found.reason == "adjudicated in 0 of 900 development cases, and no finding is a candidate"
    assert np.isfinite(found.log_odds(features)).all()


def test_a_cause_without_any_candidate_finding_is_not_learned(features, right):
    patients, folds = np.arange(N), np.arange(N) % 5
    found = learning.learned_causes(features, right, patients, folds, {}, RECIPE)[COMMON]
    assert found.chosen is None
    assert found.reason.endswith("and no finding is a candidate")


def test_every_cause_has_log_odds_for_every_case(learned, features):
    log_odds = learning.log_odds_of_causes(learned, features.iloc[:7])
    assert log_odds.shape == (7, len(CAUSES))
    assert np.isfinite(log_odds).all()
    assert log_odds[:, NUMBERS[COMMON]] == pytest.approx(learned[COMMON].log_odds(features.iloc[:7]))
