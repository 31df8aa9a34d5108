"""Stage ``derive``: the features of both clinical builders, from each case's own row."""

from __future__ import annotations

from features.builders import build_features
from pipeline import paths
from pipeline.files import read_cases, write_table
from pipeline.params import Params


def run(params: Params) -> None:
    cases = read_cases(paths.COHORT_CASES)
    write_table(build_features(cases, params.derive), paths.FEATURES)
