"""Stage ``evaluate``: how good the risks are, from predictions alone."""

from __future__ import annotations

import pandas as pd

from models.metrics import decision_curve, performance, roc_points, smooth_calibration_curve
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_table, write_json, write_table
from pipeline.params import Params

CURVE_THRESHOLDS = [percent / 100 for percent in range(2, 81, 2)]


def run(params: Params) -> None:
    metrics: dict[str, dict] = {}
    curves: dict[str, list[pd.DataFrame]] = {"roc": [], "calibration": [], "decision": []}
    for outcome in params.train.outcomes:
        predictions = read_table(paths.predictions(outcome))
        metrics[outcome] = {}
        for learner in params.train.learners:
            metrics[outcome][learner] = {}
            for test_set in TEST_SETS:
                part = predictions.query("learner == @learner and test_set == @test_set")
                measured = performance(
                    part["y_true"],
                    part["risk"],
                    thresholds=params.evaluate.thresholds,
                    seed=params.evaluate.seed,
                )
                metrics[outcome][learner][test_set] = {name: value.as_json() for name, value in measured.items()}
                for kind, curve in test_curves(part, params.evaluate.seed).items():
                    curves[kind].append(curve.assign(outcome=outcome, learner=learner, test_set=test_set))
    for kind, tables in curves.items():
        write_table(pd.concat(tables, ignore_index=True).round(6), paths.curves(kind))
    write_json(metrics, paths.METRICS)


def test_curves(part: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """ROC, smooth calibration and decision curve of one learner on one test set; empty where undefined."""
    y, risk = part["y_true"], part["risk"]
    return {
        "roc": pd.DataFrame(roc_points(y, risk)).rename_axis("place").reset_index(),
        "calibration": pd.DataFrame(smooth_calibration_curve(y, risk, seed=seed)),
        "decision": pd.DataFrame(decision_curve(y, risk, CURVE_THRESHOLDS)),
    }
