"""Stage ``cohort``: who is in the study, what became of them, and whether they are enough."""

from __future__ import annotations

import pandas as pd

from features.cohort import cohort_flow, outcome_flow
from features.dictionary import load_dictionary
from features.errors import CohortError
from features.outcomes import outcome_labels
from features.predictors import candidate_predictors, n_parameters
from models.sample_size import r2_from_c_statistic, riley_development_size
from pipeline import paths
from pipeline.files import read_cases, write_table
from pipeline.params import Params


def run(params: Params) -> None:
    cases = read_cases(paths.INGESTED_CASES)
    included, flow = cohort_flow(cases, params.cohort)
    if not included.any():
        met = "; ".join(f"{row.criterion}: {row.excluded} excluded" for row in flow.iloc[1:].itertuples())
        raise CohortError(f"No case of {len(cases)} meets the criteria ({met}). See `cohort` in params.yaml.")
    cases = cases[included]
    labels = outcome_labels(cases, params.cohort.outcomes)
    outcomes = list(params.cohort.outcomes)
    flow = pd.concat([flow, outcome_flow(cases, labels, outcomes)], ignore_index=True)
    known = [v.name for v in load_dictionary().known_by("preoperative") if v.name in cases.columns]
    write_table(cases[known], paths.COHORT_CASES)
    write_table(labels, paths.OUTCOMES)
    write_table(flow, paths.FLOW)
    write_table(sample_sizes(labels, params), paths.SAMPLE_SIZE)


def sample_sizes(labels: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Riley's sample size for each outcome against what there is, before anything is fitted.

    A lower bound: it is for penalised regression, and trees need more.
    """
    c_statistic = params.cohort.anticipated_c_statistic
    rows = []
    for outcome in params.train.outcomes:
        known = labels[outcome].dropna()
        used = n_parameters(candidate_predictors(outcome, params.train.max_parameters[outcome]))
        row = {
            "outcome": outcome,
            "candidate_parameters": used,
            "cases_with_outcome_known": len(known),
            "events": int(known.sum()),
            "anticipated_c_statistic": c_statistic,
        }
        if 0 < known.mean() < 1:
            r2 = r2_from_c_statistic(c_statistic, float(known.mean()))
            needed = riley_development_size(used, float(known.mean()), r2).n_cases
            row |= {"r2_cox_snell": round(r2, 4), "needed_cases": needed, "is_enough": len(known) >= needed}
        rows.append(row)
    return pd.DataFrame(rows)
