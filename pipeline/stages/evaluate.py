"""Stage ``evaluate``: how good the risks are in the test sets, and against what else one could use.

An event in time that is censored before its horizon has no outcome: those still observed stand for such
cases, by weights, everywhere in these files. A comparator that was not trained here, such as the published
equations, has a risk for some cases only. Its metrics are those of its cases; `same_cases.json` has every
learner on the very same ones beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.outcomes import failed_by_event, is_defined
from features.predictors import candidate_predictors, predictor_frame
from models.censoring import label_weights
from models.comparison import brier_difference, paired_differences
from models.estimates import as_stored
from models.metrics import (
    Floats,
    auroc,
    brier_score,
    calibration_intercept,
    calibration_slope,
    decision_curve,
    effective_cases,
    enough_cases,
    mean_risk,
    net_benefit,
    net_benefit_name,
    performance,
    prevalence,
    roc_points,
    smooth_calibration_curve,
)
from models.nonresponse import fitted_response
from models.splitting import TEST_SETS, left_out_together, sets_with_cases
from pipeline import paths
from pipeline.files import read_cases, read_json, read_table, write_json, write_table
from pipeline.params import Params

CURVE_THRESHOLDS = [percent / 100 for percent in range(2, 81, 2)]
SUMMARISED = ("auroc", "brier_score", "calibration_intercept", "calibration_slope", "ici")
PLAIN, CENSORING, RESPONSE = "plain", "weighted_for_censoring", "weighted_for_response"


FILES = (
    paths.METRICS,
    paths.METRICS_SUMMARY,
    paths.SAME_CASES,
    paths.COMPARISONS,
    paths.WEIGHTED,
    paths.WITHHELD,
)


class Cohort(NamedTuple):
    """What is known of every case apart from its risks: one row a case in each.

    `cases` hold what was known before the operation, `record` all that was ingested.
    """

    cases: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    split: pd.DataFrame
    record: pd.DataFrame


def read_cohort() -> Cohort:
    cases, features, labels, split = (
        read_cases(path) for path in (paths.COHORT_CASES, paths.FEATURES, paths.OUTCOMES, paths.SPLIT)
    )
    return Cohort(cases, features, labels, split, read_cases(paths.INGESTED_CASES).loc[cases.index])


def run(params: Params) -> None:
    cohort = read_cohort()
    found: dict[Path, dict[str, Any]] = {path: {} for path in FILES}
    curves: dict[str, list[pd.DataFrame]] = {"roc": [], "calibration": [], "decision": []}
    for outcome in params.train.outcomes:
        choice = read_json(paths.choice(outcome))
        chosen, trained = choice["chosen"], [name for name in params.train.learners if name in choice["learners"]]
        tested = with_weights(read_table(paths.predictions(outcome)), outcome, cohort)
        apart = comparators_apart(tested, trained)
        metrics = {learner: measured(tested, learner, params) for learner in [*trained, *apart]}
        found[paths.METRICS][outcome] = metrics
        found[paths.METRICS_SUMMARY][outcome] = summary(metrics, chosen, params.evaluate.main_threshold[outcome])
        found[paths.SAME_CASES][outcome] = {
            name: same_cases(tested, name, params.evaluate.thresholds) for name in apart
        }
        found[paths.COMPARISONS][outcome] = comparisons(tested, chosen, params.evaluate.thresholds)
        found[paths.WEIGHTED][outcome] = weighted(tested, outcome, chosen, cohort, params)
        found[paths.WITHHELD][outcome] = withheld(outcome, cohort)
        for kind, curve in test_curves(tested, outcome, apart, params.evaluate.seed):
            curves[kind].append(curve)
    for kind, tables in curves.items():
        write_table(pd.concat(tables, ignore_index=True).round(6), paths.curves(kind))
    for path, content in found.items():
        write_json(content, path)


def comparators_apart(predictions: pd.DataFrame, trained: Sequence[str]) -> list[str]:
    """Learners with predictions that were not trained here, in their order."""
    return [learner for learner in predictions["learner"].unique() if learner not in trained]


# ---- the cases and what each stands for --------------------------------------------------------------


def with_weights(predictions: pd.DataFrame, outcome: str, cohort: Cohort) -> pd.DataFrame:
    """The predictions with the `patient_id` of each case and its `weight`: 1, unless the outcome is censored."""
    weights = pd.concat(
        [observed_weights(outcome, cohort, test_set) for test_set in sets_with_cases(cohort.split["set"])]
    )
    return predictions.assign(
        patient_id=predictions["case_id"].map(cohort.split["patient_id"]),
        weight=predictions["case_id"].map(weights),
    )


def observed_weights(outcome: str, cohort: Cohort, test_set: str) -> pd.Series:
    """What each case of a test set stands for: 1, or by the censoring of that very set; 0 where it is not known."""
    labels = cohort.labels[cohort.split["set"] == test_set]
    weights = label_weights(labels, outcome, np.ones(len(labels), dtype=bool))
    return pd.Series(weights, index=labels.index)


# ---- how good each learner is ------------------------------------------------------------------------


def measured(tested: pd.DataFrame, learner: str, params: Params) -> dict[str, dict[str, Any]]:
    """Every metric of a learner in each test set."""
    found = {}
    for test_set in sets_with_cases(tested["test_set"]):
        part = tested.query("learner == @learner and test_set == @test_set")
        found[test_set] = _performance(part, part["weight"].to_numpy(), params)
    return found


def summary(measured_: Mapping[str, Any], chosen: str, main_threshold: float) -> dict[str, Any]:
    """A few estimates of each learner, without limits: what `dvc metrics diff` shows at a glance.

    `chosen` is the learner's name. What is not estimable is left out.
    """
    names = (*SUMMARISED, net_benefit_name(main_threshold))
    learners = {
        learner: {
            test_set: {name: round(found[name]["estimate"], 4) for name in names if found[name]["estimate"] is not None}
            for test_set, found in by_set.items()
        }
        for learner, by_set in measured_.items()
    }
    return {"chosen": chosen, **learners}


def test_curves(tested: pd.DataFrame, outcome: str, apart: Sequence[str], seed: int) -> list[tuple[str, pd.DataFrame]]:
    """ROC, smooth calibration and decision curve of each learner on each test set; empty where undefined."""
    curves = []
    for (learner, test_set), part in tested.groupby(["learner", "test_set"], sort=False):
        y, risk, weights = part["y_true"], part["risk"], part["weight"]
        drawn = {
            "roc": pd.DataFrame(roc_points(y, risk, weights=weights)).rename_axis("place").reset_index(),
            "calibration": pd.DataFrame(smooth_calibration_curve(y, risk, seed=seed, weights=weights)),
            "decision": pd.DataFrame(decision_curve(y, risk, CURVE_THRESHOLDS, weights=weights)),
        }
        if learner in apart:  # net benefit hangs on how common the outcome is: that of other cases is no comparison
            del drawn["decision"]
        curves += [
            (kind, curve.assign(outcome=outcome, learner=learner, test_set=test_set)) for kind, curve in drawn.items()
        ]
    return curves


# ---- against each other ------------------------------------------------------------------------------


def comparisons(tested: pd.DataFrame, chosen: str, thresholds: Sequence[float]) -> dict[str, Any]:
    """The chosen learner less each other one, in each test set, on the cases for which both have a risk.

    By test set and other learner: `cases`, and `differences` by metric. Of AUROC, net benefit and
    interventions avoided the chosen one is better above 0; of the losses below. Intervals are paired and
    clustered by patient.
    """
    found: dict[str, Any] = {}
    for test_set in sets_with_cases(tested["test_set"]):
        of_set = tested[tested["test_set"] == test_set]
        risks = of_set.pivot_table(index="case_id", columns="learner", values="risk", aggfunc="first")
        about = of_set.drop_duplicates("case_id").set_index("case_id").loc[risks.index]
        others = [learner for learner in of_set["learner"].unique() if learner != chosen]
        found[test_set] = {}
        for other in others:
            both = risks[[chosen, other]].notna().all(axis=1)
            differences = paired_differences(
                about["y_true"][both],
                risks[chosen][both],
                risks[other][both],
                thresholds=thresholds,
                patients=about["patient_id"][both],
                weights=about["weight"][both],
            )
            told = enough_cases(differences, int((about["weight"][both] > 0).sum()))
            found[test_set][other] = {"cases": int(both.sum()), "differences": as_stored(told)}
    return found


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
                "prevalence": _prevalence(rows["y_true"], rows["weight"].to_numpy()),
                "learners": {
                    str(learner): _beside(part.set_index("case_id").loc[rows.index], rows, thresholds)
                    for learner, part in learners
                },
            }
    return found


def _beside(part: pd.DataFrame, comparator: pd.DataFrame, thresholds: Sequence[float]) -> dict[str, Any]:
    y, risk, weights = part["y_true"], part["risk"], part["weight"]
    measured = {
        "auroc": auroc(y, risk, weights=weights),
        "calibration_intercept": calibration_intercept(y, risk, weights=weights),
        "calibration_slope": calibration_slope(y, risk, weights=weights),
        "brier_score": brier_score(y, risk, weights=weights),
        "mean_risk": mean_risk(risk, weights=weights),
        **{net_benefit_name(at): net_benefit(y, risk, at, weights=weights) for at in thresholds},
    }
    if not part["learner"].equals(comparator["learner"]):
        measured["brier_difference"] = brier_difference(
            y, risk, comparator["risk"], patients=part["patient_id"], weights=weights
        )
    return as_stored(enough_cases(measured, int((weights > 0).sum())))


def _prevalence(y: pd.Series, weights: Floats) -> dict[str, Any]:
    return as_stored(enough_cases({"prevalence": prevalence(y, weights)}, int((weights > 0).sum())))["prevalence"]


# ---- what weights and withholding change -------------------------------------------------------------


def weighted(tested: pd.DataFrame, outcome: str, chosen: str, cohort: Cohort, params: Params) -> dict[str, Any]:
    """The chosen learner's metrics plain and weighted, in each test set.

    `plain` counts every known outcome once. An event in time is `weighted_for_censoring`; any other
    outcome is `weighted_for_response`, with `response` to say how the weights came about. `cases` are
    those with a known outcome, `effective_cases` what they are worth under their weights (Kish).
    """
    found: dict[str, Any] = {}
    for test_set in sets_with_cases(tested["test_set"]):
        part = tested.query("learner == @chosen and test_set == @test_set").set_index("case_id")
        found[test_set] = {PLAIN: _weighted_metrics(part, np.ones(len(part)), params)}
        if f"{outcome}_days" in cohort.labels.columns:
            found[test_set][CENSORING] = _weighted_metrics(part, part["weight"].to_numpy(), params)
            continue
        weights, response = response_weights(outcome, cohort, test_set, params)
        found[test_set][RESPONSE] = {
            **_weighted_metrics(part, weights.loc[part.index].to_numpy(), params),
            "response": response,
        }
    return found


def _weighted_metrics(part: pd.DataFrame, weights: Floats, params: Params) -> dict[str, Any]:
    return {
        "cases": len(part),
        "effective_cases": round(effective_cases(weights), 1),
        "metrics": _performance(part, weights, params),
    }


def _performance(part: pd.DataFrame, weights: Floats, params: Params) -> dict[str, Any]:
    thresholds, seed = params.evaluate.thresholds, params.evaluate.seed
    return as_stored(performance(part["y_true"], part["risk"], thresholds=thresholds, seed=seed, weights=weights))


def response_weights(outcome: str, cohort: Cohort, test_set: str, params: Params) -> tuple[pd.Series, dict[str, Any]]:
    """Weights for loss to follow-up of a test set's cases, and how they came about.

    What was known before the operation, and where it was done, may say who was lost. Cases without a
    baseline that an outcome could be measured from were not lost: it is not defined in them. An event that
    counts as failure settles the outcome of all whom it happened to, so that none of them is lost.
    """
    choice = params.cohort.outcomes[outcome]
    is_settled = failed_by_event(cohort.record, outcome, choice)
    could_be_known = is_defined(cohort.cases, outcome, choice) | is_settled
    is_asked = (cohort.split["set"] == test_set) & could_be_known
    names = [p.name for p in candidate_predictors(outcome, params.train.max_parameters[outcome])]
    centres = left_out_together(cohort.cases["centre_id"], params.validate.clusters, params.validate.seed)
    X = predictor_frame(cohort.cases, cohort.features, names).assign(centre_id=centres)[is_asked]
    response = fitted_response(
        cohort.labels.loc[is_asked, outcome].notna(), X, params.evaluate.response_percentiles, is_settled[is_asked]
    )
    return pd.Series(response.weights, index=X.index), response.as_json()


def withheld(outcome: str, cohort: Cohort) -> dict[str, Any]:
    """Whether withholding cases from development selects: how common the outcome is with and without them.

    `development` as it is; `earlier_cases`, withheld because their patient came back into a test set;
    `later_cases`, whose horizon is not complete; and `with_earlier_cases`, development and the earlier ones
    together. Each with its `cases`, those `known`, and the `prevalence` among them, plain also for an
    event in time.
    """
    sets, years = cohort.split["set"], cohort.cases["index_date"].dt.year
    is_development, is_later = sets == "development", years > years[sets.isin(TEST_SETS)].max()
    is_earlier = (sets == "withheld") & ~is_later
    groups = {
        "development": is_development,
        "earlier_cases": is_earlier,
        "later_cases": (sets == "withheld") & is_later,
        "with_earlier_cases": is_development | is_earlier,
    }
    found = {}
    for name, members in groups.items():
        known = cohort.labels.loc[members, outcome].dropna()
        told = _prevalence(known, np.ones(len(known)))
        found[name] = {"cases": int(members.sum()), "known": len(known), "prevalence": told}
    return found
