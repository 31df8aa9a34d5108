"""Stage ``train``: one outcome learned by every learner, and the one that is chosen.

Sees development cases alone; each learner's model is a bundle of its own.
"""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pandas as pd

from features.cohort import provenance
from features.outcomes import horizon_months, outcome_label
from models.bundle import Bundle, write_bundle
from models.distributions import development_distributions
from models.encoding import rounded
from models.estimates import paired_difference
from models.experience import SimilarCases, seen_in
from models.guards import refuse_leak
from models.learners import CANDIDATES, Grow
from models.training import Development, Learned, chosen_learner, learn
from pipeline import paths
from pipeline.development import carried, development
from pipeline.files import read_cases, write_json, write_table
from pipeline.params import Params
from pipeline.partitions.training import grower


def run(params: Params, *only: str) -> None:
    """All of `train.outcomes`, or those alone that are named."""
    with grower(params.train.dask_workers) as grow:
        for outcome in only or params.train.outcomes:
            run_outcome(params, outcome, grow)


def run_outcome(params: Params, outcome: str, grow: Grow) -> None:
    cases = read_cases(paths.COHORT_CASES)
    can = carried(outcome)
    data = development(cases, outcome, can.predictors)
    learned = {
        learner: learn(
            data,
            learner,
            can.predictors,
            params.train.grid(learner),
            refits=params.train.refits,
            seed=params.train.seed,
            grow=grow,
        )
        for learner in can.learners
    }
    if outcome not in params.train.overrule_leak_alarm:
        out_of_fold_odds = {learner: result.out_of_fold for learner, result in learned.items()}
        refuse_leak(outcome, data.X, data.y, out_of_fold_odds, most=params.train.leak_alarm_auroc)
    folder = paths.TRAIN / outcome
    shutil.rmtree(folder, ignore_errors=True)
    for learner, result in learned.items():
        bundle = as_bundle(result, data, params, outcome, provenance(cases))
        write_bundle(bundle, paths.learner_folder(outcome, learner))
    write_json(choice(learned, data), paths.choice(outcome))
    write_table(out_of_fold(learned, data), paths.out_of_fold(outcome))


def as_bundle(result: Learned, data: Development, params: Params, outcome: str, made_from: str) -> Bundle:
    return Bundle(
        outcome=outcome,
        outcome_label=outcome_label(outcome),
        horizon_months=horizon_months(outcome),
        learner=result.learner,
        hyperparameters=result.setting,
        provenance=made_from,
        predictors=result.predictors,
        recalibration=result.recalibration,
        builder_params=dataclasses.asdict(params.derive) if params.derive else {},
        development={
            "cases": len(data.y),
            "patients": len(np.unique(data.patients)),
            "events": int(data.y.sum()),
            "prevalence": float(rounded(np.average(data.y, weights=data.weights))),
            "fingerprint": data.fingerprint,
        },
        model=result.model,
        refits=result.refits,
        seen=seen_in(data.X, result.predictors),
        similar=SimilarCases.learned(result.model.contributions(data.X)[1], data.y, data.weights),
        distributions=development_distributions(data.X[[p.name for p in result.predictors]], result.out_of_fold),
        cohort={
            "minimum_age_years": params.cohort.minimum_age_years,
            **dataclasses.asdict(params.cohort.outcomes[outcome]),
        },
    )


def choice(learned: dict[str, Learned], data: Development) -> dict:
    """Which learner is chosen and why: the simplest candidate within one standard error of the best."""
    candidates = [learner for learner in CANDIDATES if learner in learned]
    losses = [learned[learner].losses for learner in candidates]
    chosen = chosen_learner(learned, data)
    best = candidates[int(np.argmin([np.average(loss, weights=data.weights) for loss in losses]))]
    compared = {}
    for learner, result in learned.items():
        difference = paired_difference(result.losses, learned[best].losses, data.patients, data.weights)
        compared[learner] = {
            "setting": dict(result.setting),
            "log_loss": float(rounded(np.average(result.losses, weights=data.weights))),
            "difference_from_best": float(rounded(difference.mean)),
            "standard_error": float(rounded(difference.standard_error)),
            "is_candidate": learner in candidates,
            "recalibration": vars(result.recalibration),
            "trials": [dict(trial) for trial in result.trials],
            "ends_of_grid": result.ends_of_grid,
        }
    return {
        "outcome": data.outcome,
        "chosen": chosen,
        "best": best,
        "rule": "simplest candidate within one standard error of the paired difference from the best",
        "development": data.fingerprint,
        "learners": compared,
    }


def out_of_fold(learned: dict[str, Learned], data: Development) -> pd.DataFrame:
    """Recalibrated out-of-fold log-odds and losses of every learner, one row a case and learner."""
    return pd.concat(
        pd.DataFrame(
            {
                "learner": learner,
                "patient_id": data.patients,
                "y_true": data.y,
                "weight": data.weights,
                "log_odds": rounded(result.out_of_fold),
                "loss": rounded(result.losses),
            },
            index=data.X.index,
        )
        for learner, result in learned.items()
    )
