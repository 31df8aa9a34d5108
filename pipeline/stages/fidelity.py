"""Stage ``fidelity``: the virtual registry against published figures, figure by figure.

It reads the truth, which no stage that trains may, and nothing that it writes goes into a model. Of a real
registry the question is not asked; the outputs then say so.
"""

from __future__ import annotations

import pandas as pd

from features.cohort import provenance
from models.drawing import save
from pipeline import paths
from pipeline.fidelity.judgement import COLUMNS, fidelity_table, summary
from pipeline.fidelity.picture import fidelity_picture, not_applicable_picture
from pipeline.fidelity.quantities import describes, measurable
from pipeline.fidelity.targets import left_out, published_targets
from pipeline.files import read_cases, write_json, write_table
from pipeline.params import Params

VIRTUAL = "virtual"
DIGITS = 6
NOT_ASKED = "these cases are not of the virtual registry"


def run(params: Params) -> None:
    cases, truth = read_cases(paths.INGESTED_CASES), read_cases(paths.REGISTRY_TRUTH)
    if provenance(cases) != VIRTUAL:
        write_json({"is_applicable": 0, "reason": NOT_ASKED}, paths.FIDELITY_SUMMARY)
        write_table(pd.DataFrame(columns=list(COLUMNS)), paths.FIDELITY)
        save(not_applicable_picture(NOT_ASKED), paths.FIDELITY_PICTURE)
        return
    is_theirs = describes(truth, cases)
    table = fidelity_table(published_targets(), measurable(cases, truth if is_theirs else None))
    found = {"is_applicable": 1, "has_truth": int(is_theirs), "left_out": len(left_out()), **summary(table)}
    write_json(found, paths.FIDELITY_SUMMARY)
    write_table(table.round(DIGITS), paths.FIDELITY)
    save(fidelity_picture(table), paths.FIDELITY_PICTURE)
