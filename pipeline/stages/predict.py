"""Stage ``predict``: the risk of every test case, by every learner of every outcome."""

from __future__ import annotations

import pandas as pd

from features.errors import BundleError
from models.predictor import RiskPredictor
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_cases, write_table
from pipeline.params import Params


def run(params: Params) -> None:
    refuse_unexpected_folders(params.train.outcomes)
    split = read_cases(paths.SPLIT)
    is_tested = split["set"].isin(TEST_SETS)
    cases = read_cases(paths.COHORT_CASES)[is_tested]
    features = read_cases(paths.FEATURES)[is_tested]
    labels = read_cases(paths.OUTCOMES)[is_tested]
    for outcome in params.train.outcomes:
        tables = []
        for learner in params.train.learners:
            predictor = RiskPredictor.load(paths.learner_folder(outcome, learner))
            tables.append(
                pd.DataFrame(
                    {
                        "case_id": cases.index,
                        "outcome": outcome,
                        "learner": learner,
                        "test_set": split.loc[is_tested, "set"].to_numpy(),
                        "y_true": labels[outcome].to_numpy(),
                        "risk": predictor.risk(cases, features).to_numpy(),
                    }
                )
            )
        known = pd.concat(tables, ignore_index=True).dropna(subset=["y_true"]).reset_index(drop=True)
        write_table(known, paths.predictions(outcome))


def refuse_unexpected_folders(outcomes: list[str]) -> None:
    """A folder that no parameter names is left over from another run, and must not be read by chance."""
    unexpected = sorted(folder.name for folder in paths.TRAIN.iterdir() if folder.name not in outcomes)
    if unexpected:
        raise BundleError(
            f"{paths.TRAIN} holds {', '.join(unexpected)}, which train.outcomes does not name. Remove the folder, or "
            f"name the outcome."
        )
