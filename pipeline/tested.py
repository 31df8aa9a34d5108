"""The test cases, and the chosen learner that answers for them: as every stage that judges it takes them from files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.outcomes import is_asked
from models.censoring import label_weights
from models.encoding import Floats
from models.predictor import RiskPredictor
from models.splitting import TEST_SETS, sets_with_cases
from pipeline import paths
from pipeline.files import read_cases, read_json


@dataclass(frozen=True)
class Tested:
    """All cases of the test sets: their records, their features, and the set and patient of each."""

    cases: pd.DataFrame
    features: pd.DataFrame
    sets: NDArray[np.object_]
    patients: NDArray[np.object_]

    def rows(self, test_set: str) -> NDArray[np.bool_]:
        return self.sets == test_set

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The test sets that hold a case."""
        return sets_with_cases(self.sets)

    def asked(self, outcome: str) -> Tested:
        """The cases that the outcome is one of."""
        rows = is_asked(self.cases, outcome).to_numpy()
        return (
            self if rows.all() else Tested(self.cases[rows], self.features[rows], self.sets[rows], self.patients[rows])
        )


def tested_cases() -> Tested:
    """The cases of both test sets, whether or not an outcome became known."""
    split = read_cases(paths.SPLIT)
    is_tested = split["set"].isin(TEST_SETS)
    return Tested(
        cases=read_cases(paths.COHORT_CASES)[is_tested],
        features=read_cases(paths.FEATURES)[is_tested],
        sets=split.loc[is_tested, "set"].to_numpy(dtype=object),
        patients=split.loc[is_tested, "patient_id"].to_numpy(dtype=object),
    )


def known_outcomes(outcome: str, tested: Tested) -> tuple[Floats, Floats]:
    """Outcome of each test case, (n,), NaN where it is not known, and its weight: 0 there.

    A known outcome weighs 1; that of an event in time as much more as it stands for cases of its test set that
    were censored.
    """
    labels = read_cases(paths.OUTCOMES).loc[tested.cases.index]
    weights = sum(label_weights(labels, outcome, tested.rows(test_set)) for test_set in tested.test_sets)
    return labels[outcome].to_numpy(dtype=np.float64), np.asarray(weights)


def chosen_learner(outcome: str) -> str:
    """The learner that stage `train` chose for an outcome."""
    chosen: str = read_json(paths.choice(outcome))["chosen"]
    return chosen


def chosen_predictor(outcome: str) -> RiskPredictor:
    """The model of that learner, ready to answer."""
    return RiskPredictor.load(paths.learner_folder(outcome, chosen_learner(outcome)))
