"""Invented development cases, and a bundle of what a learner learned from them: for tests of models and of services."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.predictors import Predictor, candidate_predictors, predictor
from models.bundle import Bundle
from models.experience import SimilarCases, seen_in
from models.training import Development

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
"""What each learner tries on the invented cases."""


def invented_development(n: int = 1200, seed: int = 0) -> Development:
    """Cases of 1,000 patients; the outcome follows disability and smoking."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "odi": rng.integers(5, 48, n) * 2.0,
            "nrs_back": rng.integers(0, 11, n).astype(float),
            "leg_pain_duration_months": np.round(rng.exponential(12, n)),
            "is_current_smoker": rng.integers(0, 2, n).astype(float),
            "diagnosis": rng.choice(np.array(["disc_herniation", "spinal_stenosis"], dtype=object), n),
            "share_best_lesion": rng.random(n).round(3),
        },
        index=pd.Index([f"C{i:04d}" for i in range(n)], name="case_id"),
    )
    log_odds = -1 + 0.03 * (X["odi"] - 50) + 0.7 * X["is_current_smoker"]
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float).to_numpy()
    blank = rng.random(X.shape) < 0.05
    X = X.mask(pd.DataFrame(blank, index=X.index, columns=X.columns))
    patients = np.array([f"P{i % 1000:04d}" for i in range(n)])
    folds = np.array([int(patient[1:]) % 4 for patient in patients])
    return Development("failure_12m", X, y, np.ones(n), patients, folds)


def predictors_of(development: Development) -> list[Predictor]:
    """As a study chooses them, where it would; the others as the dictionary has them."""
    known = {p.name: p for p in candidate_predictors("failure_12m", 40)}
    return [known.get(name) or predictor(name) for name in development.X.columns]


def made_bundle(result, data, provenance="virtual") -> Bundle:
    return Bundle(
        outcome="failure_12m",
        outcome_label="ODI fell by less than 30 %",
        horizon_months=12,
        learner=result.learner,
        hyperparameters=result.setting,
        provenance=provenance,
        predictors=result.predictors,
        recalibration=result.recalibration,
        builder_params={
            "mimic_priors": {"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.1},
            "mimic_flag_threshold": 0.5,
        },
        development={"cases": 1200, "patients": 1000, "events": 400, "prevalence": 0.33, "fingerprint": "f"},
        model=result.model,
        refits=result.refits,
        seen=seen_in(data.X, result.predictors),
        similar=SimilarCases.learned(result.model.contributions(data.X)[1], data.y, data.weights),
    )
