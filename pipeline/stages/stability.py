"""Stage ``stability``: how far the risks of the test cases hang on which patients the model was learned from.

Over the refits that each bundle ships with. The pictures hold some cases by risk alone; no case is named.
"""

from __future__ import annotations

import shutil

from features.outcomes import outcome_label
from models.drawing import save
from models.estimates import as_stored
from models.stability import (
    Instability,
    calibration_curves,
    flag_instability,
    instability,
    performance_instability,
    risk_instability,
    spread_cases,
)
from models.stability_figure import stability_panels
from pipeline import paths
from pipeline.files import write_json
from pipeline.params import Params
from pipeline.tested import chosen_predictor, known_outcomes, tested_cases

CASES_SHOWN = 150


def run(params: Params) -> None:
    shutil.rmtree(paths.STABILITY.parent, ignore_errors=True)
    every = tested_cases()
    told = {}
    for outcome in params.train.outcomes:
        bundle = chosen_predictor(outcome).bundle
        tested = every.asked(outcome)
        everything = instability(bundle, tested.cases, tested.features)
        y, weights = known_outcomes(outcome, tested)
        threshold = params.evaluate.main_threshold[outcome]
        test_sets, cases, curves = {}, {}, {}
        for test_set in tested.test_sets:
            rows = tested.rows(test_set)
            found = Instability(everything.risk[rows], everything.refits[rows])
            cases[test_set] = spread_cases(found, CASES_SHOWN)
            curves[test_set] = calibration_curves(found, y[rows], weights[rows])
            test_sets[test_set] = {
                "cases": int(rows.sum()),
                "known": int((weights[rows] > 0).sum()),
                "risk": as_stored(risk_instability(found)),
                "flags": {f"{at:g}": as_stored(flag_instability(found, at)) for at in params.evaluate.thresholds},
                "performance": as_stored(performance_instability(found, y[rows], weights[rows])),
            }
        told[outcome] = {
            "learner": bundle.learner,
            "refits": len(bundle.refits),
            "main_threshold": threshold,
            "test_set": test_sets,
        }
        title = f"{outcome}, {bundle.learner}, {len(bundle.refits)} refits: {outcome_label(outcome)}"
        save(stability_panels(cases, curves, threshold, title), paths.stability_picture(outcome))
    write_json(told, paths.STABILITY)
