"""Stage ``split``: development and test by patient, and the folds inside development."""

from __future__ import annotations

from features.outcomes import horizon_months
from models.splitting import last_complete_year, split_cases
from pipeline import paths
from pipeline.files import read_cases, write_table
from pipeline.params import Params


def run(params: Params) -> None:
    cases = read_cases(paths.COHORT_CASES)[["patient_id", "centre_id", "index_date"]]
    last_year = params.split.test_year or last_complete_year(
        cases["index_date"],
        read_cases(paths.INGESTED_CASES)["last_contact_date"].max(),
        max(horizon_months(outcome) for outcome in params.train.outcomes),
    )
    split = split_cases(cases, params.split.test_centres, params.split.folds, params.split.seed, last_year)
    write_table(split, paths.SPLIT)
