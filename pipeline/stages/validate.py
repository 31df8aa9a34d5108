"""Stage ``validate``: one outcome, the whole recipe without each development centre in turn, and what it makes of it.

The test centres and the test year are not touched: this is what development cases alone can say.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.outcomes import horizon_months, outcome_label
from models.censoring import label_weights
from models.drawing import save
from models.encoding import Floats, rounded
from models.forest_figure import forest
from models.learners import Grow
from models.optimism import Optimism, bootstrap_optimism, learned_log_odds
from models.splitting import left_out_together
from models.training import Development, Learned, learn, patient_resamples
from models.validation import RECIPE, LeftOut, internal_external, leave_one_centre_out, others
from pipeline import paths
from pipeline.development import Carried, carried, development
from pipeline.files import read_cases, read_json, write_json, write_table
from pipeline.params import Params
from pipeline.partitions.training import grower

SUMMARISED = ("auroc", "brier_score", "calibration_intercept", "calibration_slope", "ici", "observed_to_expected")
OPTIMISM_LEARNER = "logistic"
"""Of trees the bootstrap is badly wrong: see `models.optimism`."""


def run(params: Params, *only: str) -> None:
    """All of `train.outcomes`, or those alone that are named."""
    with grower(params.train.dask_workers) as grow:
        for outcome in only or params.train.outcomes:
            run_outcome(params, outcome, grow)
    made = [outcome for outcome in params.train.outcomes if paths.internal_external(outcome).exists()]
    pooled = {outcome: summary(read_json(paths.internal_external(outcome))[RECIPE]) for outcome in made}
    write_json(pooled, paths.VALIDATED_SUMMARY)


def run_outcome(params: Params, outcome: str, grow: Grow) -> None:
    cases = read_cases(paths.COHORT_CASES)
    can = carried(outcome)
    data = development(cases, outcome, can.predictors)
    cases = cases.assign(
        centre_id=left_out_together(cases["centre_id"], params.validate.clusters, params.validate.seed)
    )
    centres = cases["centre_id"].reindex(data.X.index).to_numpy(dtype=str)
    left_out = leave_one_centre_out(
        data,
        centres,
        functools.partial(learned_by_all, params=params, can=can, grow=grow),
        learners=can.learners,
        weights_without=functools.partial(weights_without, cases, data),
    )
    evaluated = internal_external(left_out, thresholds=params.evaluate.thresholds, seed=params.validate.seed)
    write_table(as_table(left_out, data), paths.left_out(outcome))
    write_json(evaluated, paths.internal_external(outcome))
    write_json(optimism(data, params, can), paths.optimism(outcome))
    title = f"{outcome_label(outcome)}, {horizon_months(outcome)} months"
    unit = "cluster" if params.validate.clusters else "centre"
    save(forest(evaluated[RECIPE], title, unit), paths.forest(outcome))


def learned_by_all(data: Development, *, params: Params, can: Carried, grow: Grow) -> dict[str, Learned]:
    """What stage `train` does before it chooses, but for the refits, which change no prediction."""
    return {
        learner: learn(
            data,
            learner,
            can.predictors,
            params.train.grid(learner),
            refits=0,
            seed=params.train.seed,
            threads=1,
            grow=grow,
        )
        for learner in can.learners
    }


def weights_without(cases: pd.DataFrame, data: Development, centre: str) -> Floats:
    """The weights of the development cases as teachers, (n,), with who stands for the censored learned elsewhere."""
    split = read_cases(paths.SPLIT)
    patients, centres = split["patient_id"].to_numpy(dtype=str), cases["centre_id"].to_numpy(dtype=str)
    among = (split["set"] == "development").to_numpy() & others(patients, centres, centre)
    weights = label_weights(read_cases(paths.OUTCOMES), data.outcome, among)
    return weights[cases.index.get_indexer(data.X.index)]


def optimism(data: Development, params: Params, can: Carried) -> dict[str, Any]:
    """Bootstrap optimism of the logistic learner, by measure; empty where it was not asked for or not learned."""
    if data.outcome not in params.validate.optimism_outcomes or OPTIMISM_LEARNER not in can.learners:
        return {}
    recipe = learned_log_odds(OPTIMISM_LEARNER, can.predictors, params.train.grid(OPTIMISM_LEARNER), params.train.seed)
    draws = patient_resamples(data.patients, params.validate.resamples, params.validate.seed)
    found: Mapping[str, Optimism] = bootstrap_optimism(data, recipe, draws)
    return {
        OPTIMISM_LEARNER: {
            "resamples": params.validate.resamples,
            "cases": len(data.y),
            "metrics": {name: each.as_json() for name, each in found.items()},
        }
    }


def summary(recipe: Mapping[str, Any]) -> dict[str, float | None]:
    """What `dvc metrics diff` compares: the recipe's pooled figures, and how far centres differ."""
    pooled = {name: recipe["pooled"][name]["estimate"] for name in SUMMARISED}
    return pooled | {f"{name}_tau": found["tau"] for name, found in recipe["heterogeneity"].items()}


def as_table(left_out: LeftOut, data: Development) -> pd.DataFrame:
    """One row a case and learner, `recipe` among them, as the out-of-fold table of `train` has it."""
    return pd.concat(
        pd.DataFrame(
            {
                "learner": learner,
                "patient_id": data.patients,
                "centre_id": left_out.centres,
                "y_true": left_out.y,
                "weight": left_out.weights,
                "log_odds": rounded(np.asarray(log_odds)),
            },
            index=data.X.index,
        )
        for learner, log_odds in left_out.log_odds.items()
    )
