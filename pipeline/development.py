"""The development cases of an outcome, and what they carry: as every stage that learns takes them from files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import FileFormatError
from features.predictors import Predictor, candidate_predictors, predictor_frame
from models.censoring import label_weights
from models.splitting import refuse_shared_patients
from models.training import Development
from pipeline import paths
from pipeline.files import read_cases, read_json


@dataclass(frozen=True)
class Carried:
    """What the development cases of an outcome can carry, as stage `appraise` found before any fit.

    `learners` in the order of `train.learners`; `predictors` from the top of their ranking.
    """

    learners: list[str]
    predictors: list[Predictor]


def carried(outcome: str) -> Carried:
    """The learners and candidate predictors of an outcome (`data/appraise/learners.json`)."""
    appraised = read_json(paths.LEARNERS)
    if outcome not in appraised:
        raise FileFormatError(f"{paths.LEARNERS} does not name {outcome}. Stage appraise makes it: run `dvc repro`.")
    found = appraised[outcome]
    return Carried(found["allowed"], candidate_predictors(outcome, found["parameters"]["used"]))


def development(cases: pd.DataFrame, outcome: str, predictors: list[Predictor]) -> Development:
    """The development cases whose outcome is known, or weighted for where it is censored."""
    split = read_cases(paths.SPLIT)
    refuse_shared_patients(split)
    labels = read_cases(paths.OUTCOMES)
    is_development = (split["set"] == "development").to_numpy()
    weights = label_weights(labels, outcome, is_development)
    used = weights > 0
    return Development(
        outcome=outcome,
        X=predictor_frame(cases, read_cases(paths.FEATURES), [p.name for p in predictors])[used],
        y=labels[outcome].to_numpy(dtype=np.float64)[used],
        weights=weights[used],
        patients=split["patient_id"].to_numpy(dtype=str)[used],
        folds=split["fold"].to_numpy()[used],
    )
