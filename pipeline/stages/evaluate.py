"""Stage ``evaluate``: how good the risks are, from predictions alone.

A comparator that was not trained here, such as the published equations, has a risk for some cases only. Its
metrics are those of its cases; `same_cases.json` has every learner on the very same ones beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from models.metrics import (
    NORMAL_QUANTILE,
    Estimate,
    auroc,
    brier_score,
    calibration_intercept,
    calibration_slope,
    decision_curve,
    mean_risk,
    net_benefit,
    net_benefit_name,
    not_estimable,
    paired_difference,
    performance,
    prevalence,
    roc_points,
    smooth_calibration_curve,
)
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_table, write_json, write_table
from pipeline.params import Params

CURVE_THRESHOLDS = [percent / 100 for percent in range(2, 81, 2)]


def run(params: Params) -> None:
    metrics: dict[str, dict] = {}
    same: dict[str, dict] = {}
    curves: dict[str, list[pd.DataFrame]] = {"roc": [], "calibration": [], "decision": []}
    for outcome in params.train.outcomes:
        predictions = read_table(paths.predictions(outcome))
        metrics[outcome] = {}
        apart = comparators_apart(predictions, params.train.learners)
        same[outcome] = {learner: same_cases(predictions, learner, params.evaluate.thresholds) for learner in apart}
        for learner in [*params.train.learners, *apart]:
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
                    # Net benefit hangs on how common the outcome is: that of other cases is no comparison.
                    if kind != "decision" or learner not in apart:
                        curves[kind].append(curve.assign(outcome=outcome, learner=learner, test_set=test_set))
    for kind, tables in curves.items():
        write_table(pd.concat(tables, ignore_index=True).round(6), paths.curves(kind))
    write_json(metrics, paths.METRICS)
    write_json(same, paths.SAME_CASES)


def comparators_apart(predictions: pd.DataFrame, trained: Sequence[str]) -> list[str]:
    """Learners with predictions that no parameter of training names, in their order."""
    return [learner for learner in predictions["learner"].unique() if learner not in trained]


def same_cases(predictions: pd.DataFrame, comparator: str, thresholds: Sequence[float]) -> dict[str, Any]:
    """Every learner on the cases of a comparator, whole and by diagnosis, in each test set where it has any.

    By test set and group (`all`, or a diagnosis): `cases` with a risk by the comparator, `of` all with a known
    outcome, `prevalence` of the outcome, and the metrics of each of `learners`. `brier_difference` is the
    Brier score less the comparator's on the same cases: below 0 the learner is better. Net benefit is at
    each of `thresholds`.
    """
    found: dict[str, Any] = {}
    for test_set, tested in predictions.groupby("test_set", sort=False):
        theirs = tested[tested["learner"] == comparator].set_index("case_id")
        groups = {"all": theirs} | {str(kind): rows for kind, rows in theirs.groupby("diagnosis")}
        for group, rows in groups.items() if len(theirs) else ():
            asked = tested if group == "all" else tested[tested["diagnosis"] == group]
            learners = asked[asked["case_id"].isin(rows.index)].groupby("learner", sort=False)
            found.setdefault(str(test_set), {})[group] = {
                "cases": len(rows),
                "of": asked["case_id"].nunique(),
                "prevalence": prevalence(rows["y_true"]).as_json(),
                "learners": {
                    str(learner): _beside(part.set_index("case_id").loc[rows.index], rows, thresholds)
                    for learner, part in learners
                },
            }
    return found


def _beside(part: pd.DataFrame, comparator: pd.DataFrame, thresholds: Sequence[float]) -> dict[str, Any]:
    y, risk = part["y_true"], part["risk"]
    measured = {
        "auroc": auroc(y, risk),
        "calibration_intercept": calibration_intercept(y, risk),
        "calibration_slope": calibration_slope(y, risk),
        "brier_score": brier_score(y, risk),
        "mean_risk": mean_risk(risk),
        **{net_benefit_name(threshold): net_benefit(y, risk, threshold) for threshold in thresholds},
    }
    if not part["learner"].equals(comparator["learner"]):
        measured["brier_difference"] = _brier_difference(part, comparator)
    return {name: value.as_json() for name, value in measured.items()}


def _brier_difference(part: pd.DataFrame, comparator: pd.DataFrame) -> Estimate:
    ours, theirs = ((rows["risk"] - rows["y_true"]) ** 2 for rows in (part, comparator))
    difference = paired_difference(ours, theirs, groups=part.index)  # cases as independent, as in the other metrics
    if difference.mean is None or difference.standard_error is None:
        return not_estimable(difference.reason or "there are no cases")
    half_width = NORMAL_QUANTILE * difference.standard_error
    return Estimate(difference.mean, difference.mean - half_width, difference.mean + half_width)


def test_curves(part: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """ROC, smooth calibration and decision curve of one learner on one test set; empty where undefined."""
    y, risk = part["y_true"], part["risk"]
    return {
        "roc": pd.DataFrame(roc_points(y, risk)).rename_axis("place").reset_index(),
        "calibration": pd.DataFrame(smooth_calibration_curve(y, risk, seed=seed)),
        "decision": pd.DataFrame(decision_curve(y, risk, CURVE_THRESHOLDS)),
    }
