"""Stage ``cohort``: who is in the study and what became of them."""

from __future__ import annotations

import pandas as pd

from features.cohort import cohort_flow, outcome_flow
from features.dictionary import load_dictionary
from features.errors import CohortError
from features.outcomes import outcome_labels
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
    flow = pd.concat([flow, outcome_flow(cases, labels, outcomes, params.cohort.outcomes)], ignore_index=True)
    known = [v.name for v in load_dictionary().known_by("preoperative") if v.name in cases.columns]
    write_table(cases[known], paths.COHORT_CASES)
    write_table(labels, paths.OUTCOMES)
    write_table(flow, paths.FLOW)
