"""`backcast validate`: the whole evidence of a model on another site's cases, and what they cannot say.

    report.html      a page that needs no other file
    validation.json  every figure of it, with intervals and reasons
    *.csv            case mix, subgroups, and the curves behind the pictures
    *.png            the pictures

In the order of the page: how much the cases can say, judged before any outcome is looked at; who they are beside
development; then how well risks agreed with what happened. No single case is in any of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from scipy.special import logit

from features.completeness import WHOLE
from features.errors import OutcomeError
from models.bundle import Bundle
from models.encoding import rounded
from models.estimates import Estimate, as_stored, effective_cases, not_estimable
from models.external import SampleVerdict, case_mix, never_recorded, recorded_importance, risk_drift, sample_verdict
from models.meta_analysis import heterogeneity
from models.metrics import (
    decision_curve,
    net_benefit_name,
    net_benefit_treat_all,
    performance,
    roc_points,
    smooth_calibration_curve,
    told_count,
)
from models.subgroups import Grouping, Judged, by_chance, group_performance, grouping
from models.updating import Site, closed_test
from models.validation import POOLED_OVER_CENTRES, LeftOut, centre_metrics
from pipeline import tracking
from pipeline.external_page import findings, page
from pipeline.files import whole_folder, write_json, write_table, write_text
from pipeline.intake import Reading
from pipeline.params import Params, load_params
from pipeline.run_contents import flat
from pipeline.scoring import LoadedModel
from pipeline.site_cases import SiteCases, definition_as_json, one_model, site_cases

CURVE_THRESHOLDS = [percent / 100 for percent in range(2, 81, 2)]
LEVEL = 0.05
"""Of the closed test that `backcast update` would take, unless it is told another."""
COMPLETENESS_BANDS = (0.6, 0.8, 0.95)
"""Where bands of a record's completeness end: the share of what moves the risks that is recorded."""
COMPLETENESS = "completeness"
RESULT, REPORT, MIX, GROUPS = "validation.json", "report.html", "case_mix.csv", "subgroups.csv"
PERFORMANCE, FOREST = "performance.png", "centres.png"
CURVES = ("roc", "calibration", "decision")
MADE = (RESULT, REPORT, MIX, GROUPS, PERFORMANCE, FOREST, *(f"{curve}.csv" for curve in CURVES))
"""Everything that the folder may hold."""
IDEALS = {"observed_to_expected": 1.0, "calibration_intercept": 0.0, "calibration_slope": 1.0}
EXTERNAL = "external"


def validate_file(path: Path, name: str, out: Path, **reading: Unpack[Reading]) -> str:
    """Judge a model on the cases of a file, write the folder, log the run, and say what was found."""
    params = load_params()
    model = one_model(name)
    site = site_cases(path, model, params, **reading)
    found = evidence(site, model, params)
    with whole_folder(out, MADE) as beside:
        write_evidence(found, site, model, params, beside)
        with tracking.store() as client:
            run_id = tracking.log_validation(
                model.predictor.bundle.outcome,
                uri=model.uri,
                model_sha256=model.predictor.sha256,
                model_id=tracking.logged_model(client, model.uri),
                input_sha256=site.input_sha256,
                provenance=site.provenance,
                params={key: found["cases"][key] for key in ("included", "known", "events", "centres")},
                metrics=flat(found["performance"], EXTERNAL),
                files={f"validation/{file.name}": file for file in sorted(beside.iterdir())},
            )
    return "\n".join([*findings(found), f"The evidence is in {out / REPORT}; logged in MLflow as run {run_id}."])


# ---- the figures -------------------------------------------------------------------------------------


def evidence(site: SiteCases, model: LoadedModel, params: Params) -> dict[str, Any]:
    """Everything that is told of a model at a site, for a file; estimates with limits or a reason."""
    bundle = model.predictor.bundle
    known = site.known
    y, risk, weights = site.y[known], site.risk[known], site.weights[known]
    threshold = main_threshold(bundle, params)
    thresholds = sorted({*params.evaluate.thresholds, threshold})
    mix = case_mix(
        model.predictor,
        {name: values[known] for name, values in site.columns.items()},
        minimum=params.monitor.minimum_predictions,
        most_index=params.monitor.stability_index,
    )
    recorded = recorded_importance(site.missing, model.predictor.importance)
    groups = subgroups(site, params, recorded, threshold)
    return {
        "model": about_model(model),
        "provenance": site.provenance,
        "updated_on_these": updated_on(site, bundle),
        "input_sha256": site.input_sha256,
        "definition": definition_as_json(site.definition),
        "flow": site.flow.to_dict("records"),
        "cases": {
            "included": len(site.y),
            "known": int(known.sum()),
            "effective": round(effective_cases(weights), 1),
            "events": int(y.sum()),
            "patients": len(np.unique(site.patients.astype(str))),
            "centres": len(np.unique(site.centres.astype(str))),
        },
        "threshold": threshold,
        "sample_size": sample_size(sample_verdict(risk, weights, threshold), threshold),
        "case_mix": _without_nan(mix),
        "mix": {
            "mean_risk": float(rounded(np.mean(risk))),
            "prevalence_before": bundle.development["prevalence"],
            "risk_drift": _or_none(risk_drift(bundle, risk)),
            "far_from_all": float(rounded(np.mean(far(model, site)[known]))),
            "never_recorded": never_recorded(mix),
        },
        "completeness": completeness(recorded[known]),
        "performance": as_stored(
            performance(y, risk, thresholds=thresholds, seed=params.evaluate.seed, weights=weights)
        ),
        "treat_all": {
            net_benefit_name(at): net_benefit_treat_all(y, at, weights).as_json() for at in thresholds
        },
        "subgroups": groups,
        "by_chance": {
            metric: by_chance([_estimate(row["metrics"][metric]) for row in groups if row["variable"] != "all"], ideal)
            for metric, ideal in IDEALS.items()
        },
        "centres": centres(site, bundle),
        "closed_test": asked_update(site),
    }  # fmt: skip


def about_model(model: LoadedModel) -> dict[str, Any]:
    """Which model it is, for whoever reads the file without the store."""
    bundle = model.predictor.bundle
    return {
        "uri": model.uri,
        "bundle_sha256": model.predictor.sha256,
        "outcome": bundle.outcome,
        "label": bundle.outcome_label,
        "horizon_months": bundle.horizon_months,
        "learner": bundle.learner,
        "provenance": bundle.provenance,
        "development": dict(bundle.development),
        "updates": [dict(update) for update in bundle.updates],
        "predictors": len(bundle.predictors),
        "test_sets": dict(model.predictor.evidence.get(WHOLE, {})),
    }


def updated_on(site: SiteCases, bundle: Bundle) -> bool:
    """Whether these very cases once updated the model, so that they no longer judge it."""
    return any(update["fingerprint"] == site.fingerprint(update["parent_sha256"]) for update in bundle.updates)


def main_threshold(bundle: Bundle, params: Params) -> float:
    """The risk at which one would act: as the parameters have it, else the one nearest to the prevalence."""
    nearest = min(params.evaluate.thresholds, key=lambda at: abs(at - bundle.development["prevalence"]))
    return params.evaluate.main_threshold.get(bundle.outcome, nearest)


def sample_size(verdict: SampleVerdict | None, threshold: float) -> dict[str, Any]:
    """The verdict on size for a file; `reason` where there is none."""
    if verdict is None:
        return {
            "reason": "every case has the same risk, so that there is nothing to order and no slope",
            "criteria": [],
        }
    return {
        "effective_cases": round(verdict.cases, 1),
        "expected_prevalence": float(rounded(verdict.expected_prevalence)),
        "expected_auroc": float(rounded(verdict.expected_auroc)),
        "threshold": threshold,
        "criteria": [found._asdict() | {"width": float(rounded(found.width))} for found in verdict.precisions],
    }


def far(model: LoadedModel, site: SiteCases) -> np.ndarray:
    """(n,): whether even the nearest development cases are far, by what moves the risks; 1 in 100 at development."""
    slope = model.predictor.bundle.recalibration.slope
    unscaled = site.contributions / slope if slope else 0 * site.contributions
    return model.predictor.bundle.similar.near(unscaled, 1).is_far


def completeness(recorded: np.ndarray) -> dict[str, Any]:
    """How much of what moves the risks is recorded: mean and quartiles over cases."""
    quartiles = np.quantile(recorded, [0.25, 0.5, 0.75])
    return {
        "mean": float(rounded(recorded.mean())),
        "quartiles": [float(rounded(value)) for value in quartiles],
    }


# ---- groups and centres ------------------------------------------------------------------------------


def subgroups(site: SiteCases, params: Params, recorded: np.ndarray, threshold: float) -> list[dict[str, Any]]:
    """All cases, then each group of the parameters and each band of completeness: counts, and metrics from 20 on."""
    wanted = [name for name in params.subgroups.by if name != "centre_id"]
    groupings = [grouping(site.cases, name, params.subgroups.bands.get(name, ())) for name in wanted]
    shares = pd.DataFrame({COMPLETENESS: recorded}, index=site.cases.index)
    groupings.append(grouping(shares, COMPLETENESS, COMPLETENESS_BANDS))
    everyone = Judged(y=site.y, risk=site.risk, weights=site.weights)
    rows = [_group("all", "All", "all cases", everyone, threshold)]
    return rows + [row for each in groupings for row in _groups(each, everyone, threshold)]


def _groups(groups: Grouping, everyone: Judged, threshold: float) -> Iterator[dict[str, Any]]:
    of_case = groups.of_case.to_numpy()
    label = "Completeness of the record" if groups.variable == COMPLETENESS else groups.label
    for name in groups.order:
        yield _group(groups.variable, label, name, everyone.of(of_case == name), threshold)


def _group(variable: str, label: str, name: str, judged: Judged, threshold: float) -> dict[str, Any]:
    known = int(judged.is_known.sum())
    return {
        "variable": variable,
        "label": label,
        "group": name,
        "cases": len(judged.y),
        "known": known,
        "events": told_count(int((judged.y[judged.is_known] == 1).sum()), known),
        "metrics": as_stored(group_performance(judged, threshold)),
    }


def centres(site: SiteCases, bundle: Bundle) -> dict[str, Any] | None:
    """Each centre's figures and their random-effects mean; None of a file with one centre."""
    known = site.known
    names = site.centres[known].astype(str)
    if len(np.unique(names)) < 2:
        return None
    judged = LeftOut(site.y[known], site.weights[known], names, {bundle.learner: logit(site.risk[known])}, {}, {})
    measured = {name: centre_metrics(judged, bundle.learner, name) for name in np.unique(names).tolist()}
    return {
        "centres": {
            name: {
                "cases": int((names == name).sum()),
                "events": told_count(int(judged.y[names == name].sum()), int((names == name).sum())),
                "metrics": as_stored(metrics),
            }
            for name, metrics in measured.items()
        },
        "heterogeneity": {
            metric: heterogeneity(metric, {name: metrics[metric] for name, metrics in measured.items()})
            for metric in POOLED_OVER_CENTRES
        },
    }


def asked_update(site: SiteCases) -> dict[str, Any]:
    """What `backcast update` would do with these cases; `reason` where it cannot be asked."""
    try:
        return closed_test(Site.of(site.risk, site.y, site.weights, site.patients), LEVEL).as_json()
    except OutcomeError as error:
        return {"reason": str(error)}


# ---- the folder --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curves:
    """ROC, calibration and decision curve of a model at a site."""

    roc: pd.DataFrame
    calibration: pd.DataFrame
    decision: pd.DataFrame


def curves(site: SiteCases, bundle: Bundle, params: Params) -> Curves:
    known = site.known
    y, risk, weights = site.y[known], site.risk[known], site.weights[known]
    calibration = smooth_calibration_curve(y, risk, seed=params.evaluate.seed, weights=weights)
    named = {"learner": bundle.learner, "test_set": EXTERNAL}
    return Curves(
        roc=pd.DataFrame(roc_points(y, risk, weights=weights)).assign(**named),
        calibration=pd.DataFrame(calibration).assign(**named),
        decision=pd.DataFrame(decision_curve(y, risk, CURVE_THRESHOLDS, weights=weights)).assign(**named),
    )


def write_evidence(found: dict[str, Any], site: SiteCases, model: LoadedModel, params: Params, folder: Path) -> None:
    """All files of a validation into an empty folder."""
    from models.drawing import performance_panels, save  # matplotlib costs a second
    from models.forest_figure import forest

    bundle = model.predictor.bundle
    title = f"{bundle.outcome_label}, {bundle.horizon_months} months: {bundle.learner} at another site"
    drawn = curves(site, bundle, params)
    for name, curve in vars(drawn).items():
        write_table(curve.drop(columns=["learner", "test_set"]).round(6), folder / f"{name}.csv")
    pictures = {}
    if len(drawn.calibration):
        known = site.known
        told = pd.DataFrame(
            {"learner": bundle.learner, "test_set": EXTERNAL, "risk": site.risk[known], "y_true": site.y[known]}
        )
        pictures["performance"] = folder / PERFORMANCE
        panels = performance_panels(drawn.roc, drawn.calibration, drawn.decision, bundle.learner, title, told)
        save(panels, pictures["performance"])
    if found["centres"]:
        pictures["centres"] = folder / FOREST
        save(forest(found["centres"], title, how="each centre's own cases under the one model"), pictures["centres"])
    write_table(pd.DataFrame(found["case_mix"]).round(6), folder / MIX)
    write_table(_flat_groups(found["subgroups"]), folder / GROUPS)
    write_json(found, folder / RESULT)
    write_text(page(found, pictures), folder / REPORT)


def _flat_groups(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    counts = ("variable", "group", "cases", "known", "events")
    return pd.DataFrame(
        [
            {name: row[name] for name in counts}
            | {
                f"{metric}{'' if part == 'estimate' else f'_{part}'}": value[part]
                for metric, value in row["metrics"].items()
                for part in ("estimate", "lower", "upper")
            }
            for row in rows
        ]
    )


def _estimate(stored: Mapping[str, Any]) -> Estimate:
    if stored["estimate"] is None:
        return not_estimable(stored["reason"])
    return Estimate(stored["estimate"], stored["lower"], stored["upper"], stored.get("reason"))


def _without_nan(table: pd.DataFrame) -> list[dict[str, Any]]:
    numbers = table.select_dtypes("number").columns
    plain = table.assign(**{name: rounded(table[name].to_numpy()) for name in numbers}).astype(object)
    return [{str(k): v for k, v in row.items()} for row in plain.where(plain.notna(), None).to_dict("records")]


def _or_none(value: float | None) -> float | None:
    return None if value is None else float(rounded(value))
