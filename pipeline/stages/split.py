"""Stage ``split``: development and test by patient, and the folds inside development."""

from __future__ import annotations

from models.splitting import split_cases
from pipeline import paths
from pipeline.files import read_cases, write_table
from pipeline.params import Params


def run(params: Params) -> None:
    cases = read_cases(paths.COHORT_CASES)[["patient_id", "centre_id", "index_date"]]
    split = split_cases(cases, params.split.test_centres, params.split.folds, params.split.seed)
    write_table(split, paths.SPLIT)
