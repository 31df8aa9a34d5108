"""Stage ``predict``: the risk of every test case, by every learner that was trained on its outcome.

The published equations have no fit and so no folder under `train`: their rows are made here, for the cases
to which one applies and no others. `published_coverage.csv` counts the others, with what was wanting.
"""

from __future__ import annotations

import pandas as pd

from features.errors import BundleError
from models.predictor import RiskPredictor
from models.published_facts import PUBLISHED
from models.published_risk import coverage, published_outcomes, published_risk
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_cases, read_json, write_table
from pipeline.params import Params

NOTHING_COVERED = pd.DataFrame(columns=["outcome", "diagnosis", "answer", "input", "cases"], dtype=object)


def run(params: Params) -> None:
    refuse_unexpected_folders(params.train.outcomes)
    split = read_cases(paths.SPLIT)
    is_tested = split["set"].isin(TEST_SETS)
    cases = read_cases(paths.COHORT_CASES)[is_tested]
    features = read_cases(paths.FEATURES)[is_tested]
    labels = read_cases(paths.OUTCOMES)[is_tested]
    covered = []
    for outcome in params.train.outcomes:
        about = pd.DataFrame(
            {
                "case_id": cases.index,
                "outcome": outcome,
                "test_set": split.loc[is_tested, "set"].to_numpy(),
                "diagnosis": cases["diagnosis"].to_numpy() if "diagnosis" in cases else "all",
                "y_true": labels[outcome].to_numpy(),
            }
        )
        tables = []
        trained = read_json(paths.choice(outcome))["learners"]
        for learner in [name for name in params.train.learners if name in trained]:
            predictor = RiskPredictor.load(paths.learner_folder(outcome, learner))
            tables.append(about.assign(learner=learner, risk=predictor.risk(cases, features).to_numpy()))
        if outcome in published_outcomes():
            published = published_risk(cases, outcome)
            is_known = labels[outcome].notna()
            covered.append(coverage(published, cases.loc[is_known, "diagnosis"]).assign(outcome=outcome))
            tables.append(about.assign(learner=PUBLISHED, risk=published.risk.to_numpy()).dropna(subset=["risk"]))
        known = pd.concat(tables, ignore_index=True).dropna(subset=["y_true"]).reset_index(drop=True)
        write_table(known, paths.predictions(outcome))
    write_table(pd.concat([NOTHING_COVERED, *covered], ignore_index=True), paths.PUBLISHED_COVERAGE)


def refuse_unexpected_folders(outcomes: list[str]) -> None:
    """A folder that no parameter names is left over from another run, and must not be read by chance."""
    unexpected = sorted(folder.name for folder in paths.TRAIN.iterdir() if folder.name not in outcomes)
    if unexpected:
        raise BundleError(
            f"{paths.TRAIN} holds {', '.join(unexpected)}, which train.outcomes does not name. Remove the folder, or "
            f"name the outcome."
        )
