"""Sections on whether to trust it: appraisal, internal-external validation, subgroups, completeness, stability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from features.words import ABSENT, number, percent
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.reporting.performance_tables import cell, digits_of, favour, in_order, metric_cell, of_test_sets
from pipeline.reporting.study import Content, StudyArtefacts
from pipeline.reporting.words import capital, count, plain

# ---- before any fit ----------------------------------------------------------------------------------


def appraisal(study: StudyArtefacts, folder: Path) -> Content:
    """Sample size, which learners the cases carry, what the guards saw, and PROBAST's questions."""
    sizes, learners = study.table(paths.SAMPLE_SIZE), study.json(paths.LEARNERS)
    if sizes is None or learners is None:
        return None
    diagnostics, guards = study.table(paths.DIAGNOSTICS), study.table(paths.GUARDS)
    return {
        "development": [development_size(sizes, outcome) for outcome in study.outcomes],
        "tests": [row for outcome in study.outcomes for row in test_sizes(sizes, outcome)],
        "anticipated": sizes["anticipated_c_statistic"].iloc[0],
        "learners": [learner_notes(learners[outcome], outcome) for outcome in study.outcomes if outcome in learners],
        "guards": None if guards is None else [guard_row(row) for row in guards.to_dict("records")],
        "judgements": None if diagnostics is None else domain_judgements(diagnostics, study.outcomes),
        "questions": None if diagnostics is None else diagnostics.to_dict("records"),
        "outcomes": study.outcomes,
        "primary": study.primary,
    }


def development_size(sizes: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """Riley's three criteria for one outcome against the development cases there are."""
    rows = sizes[(sizes["outcome"] == outcome) & (sizes["set"] == "development")].set_index("criterion")
    whole = rows.loc["all"]
    return {
        "outcome": outcome,
        "cases": whole["cases_with_outcome_known"],
        "events": whole["events"],
        "declared": whole["candidate_parameters"],
        "carried": whole["parameters_carried"],
        "used": whole["parameters_used"],
        "needed": {name: rows.loc[name, "needed_cases"] for name in rows.index},
        "is_enough": bool(whole["is_enough"]),
    }


def test_sizes(sizes: pd.DataFrame, outcome: str) -> list[dict[str, Any]]:
    """What each test set would need by Riley's criteria, and how wide an interval its cases will give."""
    found = []
    for test_set in TEST_SETS:
        rows = sizes[(sizes["outcome"] == outcome) & (sizes["set"] == test_set)].set_index("criterion")
        if rows.empty:
            continue
        found.append(
            {
                "outcome": outcome,
                "test_set": test_set,
                "cases": rows["cases_with_outcome_known"].iloc[0],
                "events": rows["events"].iloc[0],
                "criteria": {
                    name: {"needed": row["needed_cases"], "is_enough": bool(row["is_enough"]),
                           "width": row["interval_width"]}
                    for name, row in rows.iterrows()
                    if name != "all"
                },
            }
        )  # fmt: skip
    return found


def learner_notes(found: dict[str, Any], outcome: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "allowed": found["allowed"],
        "refused": found["refused"],
        "notes": found.get("notes", []),
        "spending": {learner: spent["parameters"] for learner, spent in found.get("spending", {}).items()},
    }


def guard_row(row: dict[str, Any]) -> dict[str, Any]:
    """What a guard saw, with the reason where it could not see."""
    auroc = {part: None if pd.isna(row[part]) else row[part] for part in ("estimate", "lower", "upper", "reason")}
    return {
        "outcome": row["outcome"],
        "guard": row["guard"],
        "learner": "" if pd.isna(row["learner"]) else row["learner"],
        "auroc": cell(auroc),
        "most": row["most"],
        "verdict": row["verdict"],
    }


def domain_judgements(diagnostics: pd.DataFrame, outcomes: list[str]) -> list[dict[str, Any]]:
    """One row a domain and part of PROBAST+AI, with the judgement of each outcome."""
    table = diagnostics.drop_duplicates(["outcome", "domain", "part"])
    domains = table.drop_duplicates(["domain", "part"])[["domain", "part"]].itertuples(index=False)
    by_outcome = table.set_index(["outcome", "domain", "part"])["judgement"]
    return [
        {
            "domain": domain,
            "part": part,
            "judgements": {outcome: by_outcome.get((outcome, domain, part), ABSENT) for outcome in outcomes},
        }
        for domain, part in domains
    ]


# ---- centre by centre --------------------------------------------------------------------------------

HETEROGENEITY = ("auroc", "calibration_intercept", "calibration_slope", "observed_to_expected")
POOLED = (*HETEROGENEITY, "ici", "brier_score", "scaled_brier_score")
CENTRE_METRICS = ("auroc", "calibration_intercept", "calibration_slope", "observed_to_expected", "brier_score")
OPTIMISM_METRICS = ("auroc", "calibration_intercept", "calibration_slope", "brier_score", "ici", "e90")


def validation(study: StudyArtefacts, folder: Path) -> Content:
    """Leaving one centre out with the whole recipe inside, and bootstrap optimism as a cross-check."""
    found = [outcome_validation(study, outcome) for outcome in study.outcomes]
    made = [one for one in found if one is not None]
    if not made:
        return None
    left_out = [outcome for outcome, one in zip(study.outcomes, found, strict=True) if one is None]
    unit, units = study.unit
    return {
        "outcomes": made,
        "unit": unit,
        "units": units,
        "is_clustered": bool(study.params.validate.clusters),
        "has_test_centres": "geographic" in study.test_sets,
        "left_out": left_out,
        "heterogeneity": HETEROGENEITY,
        "pooled": POOLED,
        "optimism_metrics": OPTIMISM_METRICS,
    }


def outcome_validation(study: StudyArtefacts, outcome: str) -> dict[str, Any] | None:
    found = study.json(paths.internal_external(outcome))
    if found is None:
        return None
    recipe = found["recipe"]
    return {
        "name": outcome,
        "label": study.label(outcome),
        "picture": study.picture(paths.forest(outcome)),
        "centres": [
            {
                "centre": centre,
                "cases": its["cases"],
                "events": its["events"],
                "chosen": its.get("chosen"),
                "cells": [metric_cell(its["metrics"], name) for name in CENTRE_METRICS],
            }
            for centre, its in recipe["centres"].items()
        ],
        "centre_metrics": CENTRE_METRICS,
        "pooled": [
            {"learner": learner, "cells": [metric_cell(its["pooled"], name) for name in POOLED]}
            for learner, its in ((name, found[name]) for name in ("recipe", *in_order(set(found) - {"recipe"})))
        ],
        "heterogeneity": [heterogeneity_row(recipe["heterogeneity"], name) for name in HETEROGENEITY
                          if name in recipe["heterogeneity"]],
        "optimism": optimism_rows(study, outcome),
    }  # fmt: skip


def heterogeneity_row(found: dict[str, Any], metric: str) -> dict[str, Any]:
    """The mean over centres with its interval, and where the next centre may lie."""
    one, digits = found[metric], digits_of(metric)
    has_range = one.get("prediction_lower") is not None
    return {
        "metric": metric,
        "centres": one.get("centres"),
        "mean": cell(one, digits),
        "prediction": f"{number(one['prediction_lower'], digits)} to {number(one['prediction_upper'], digits)}"
        if has_range
        else ABSENT,
        "tau": number(one.get("tau"), 3),
        "i_squared": percent(one.get("i_squared")),
    }


def optimism_rows(study: StudyArtefacts, outcome: str) -> dict[str, Any] | None:
    """Apparent, optimism and corrected figures of the one learner for which the bootstrap is sound."""
    found = study.json(paths.optimism(outcome))
    if not found:
        return None
    learner, its = next(iter(found.items()))
    return {
        "learner": learner,
        "resamples": its["resamples"],
        "cases": its["cases"],
        "rows": [
            {
                "metric": name,
                "cells": [number(its["metrics"][name].get(part), max(3, digits_of(name)))
                          for part in ("apparent", "optimism", "corrected")],
                "reason": its["metrics"][name].get("reason"),
            }
            for name in OPTIMISM_METRICS
            if name in its["metrics"]
        ],
    }  # fmt: skip


# ---- who the risks serve -----------------------------------------------------------------------------

GROUP_METRICS = ("auroc", "observed_to_expected", "calibration_intercept", "calibration_slope", "brier_score")


def subgroups(study: StudyArtefacts, folder: Path) -> Content:
    found, rates = study.json(paths.SUBGROUPS), study.table(paths.FLAG_RATES)
    if found is None:
        return None
    return {
        "fewest": found["fewest_cases"],
        "skipped": found["skipped"],
        "metrics": GROUP_METRICS,
        "outcomes": [
            {
                "name": outcome,
                "label": study.label(outcome),
                "picture": study.picture(paths.subgroup_forest(outcome)),
                "threshold": its["main_threshold"],
                "by_chance": its["by_chance"],
                "sets": {name: group_rows(rows) for name, rows in its["sets"].items()},
                "flags": flag_rows(rates, outcome, its["main_threshold"], study.words.fairness),
            }
            for outcome, its in ((name, found["outcomes"][name]) for name in study.outcomes
                                 if name in found["outcomes"])
        ],
    }  # fmt: skip


def group_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "label": row["label"],
            "group": row["group"],
            "cases": row["cases"],
            "events": row["events"],
            "cells": [metric_cell(row["metrics"], name) for name in GROUP_METRICS],
        }
        for row in rows
    ]


def flag_rows(
    rates: pd.DataFrame | None, outcome: str, threshold: float, groupings: Sequence[str]
) -> list[dict[str, Any]]:
    """Who is flagged at the main threshold, by some of the groupings, in the test sets."""
    if rates is None:
        return []
    of_outcome = rates[(rates["outcome"] == outcome) & ((rates["threshold"] - threshold).abs() < 1e-9)]
    wanted = of_outcome[of_outcome["variable"].isin(groupings) & of_outcome["set"].isin(TEST_SETS)]
    return [
        {
            "test_set": row["set"],
            "variable": plain(row["variable"]),
            "group": row["group"],
            "cases": row["cases"],
            "cells": [
                cell(_estimate_of(row, name))
                for name in ("flagged_share", "flagged_share_difference", "sensitivity", "specificity")
            ],
            "false_flags": row["false_flags"],
        }
        for row in wanted.to_dict("records")
    ]


def _estimate_of(row: dict[str, Any], name: str) -> dict[str, Any]:
    """An Estimate from the columns of a table."""
    parts = {"estimate": name, "lower": f"{name}_lower", "upper": f"{name}_upper", "reason": f"{name}_reason"}
    return {part: None if pd.isna(row[column]) else row[column] for part, column in parts.items()}


# ---- when the record is not complete, and other teachers ---------------------------------------------

BLANKED_METRICS = ("auroc", "calibration_slope", "observed_to_expected", "brier_score")
BLANKED_DIFFERENCES = ("auroc", "brier_score")


def completeness(study: StudyArtefacts, folder: Path) -> Content:
    found = study.json(paths.COMPLETENESS)
    if not found:
        return None
    return {
        "metrics": BLANKED_METRICS,
        "differences": BLANKED_DIFFERENCES,
        "outcomes": [
            {"name": outcome, "rows": [row for level in shown_levels(found[outcome]) for row in level_rows(level)]}
            for outcome in study.outcomes
            if outcome in found
        ],
    }


def shown_levels(levels: dict[str, Any]) -> list[dict[str, Any]]:
    """The whole record, each block blank alone, and all of them; the artefact has every combination."""
    ordered = sorted(levels.values(), key=lambda level: level["order"])
    most = max(len(level["blocks_blanked"]) for level in ordered)
    return [level for level in ordered if len(level["blocks_blanked"]) in (0, 1, most)]


def level_rows(level: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "label": capital(level["label"]),
            "variables": level["variables_blanked"],
            "test_set": test_set,
            "cases": count(its["cases"]),
            "as_recorded": count(its["as_recorded"]),
            "cells": [metric_cell(its["metrics"], name) for name in BLANKED_METRICS],
            "differences": [
                (metric_cell(its["difference"], name), favour(name, its["difference"].get(name)))
                for name in BLANKED_DIFFERENCES
            ],
        }
        for test_set, its in of_test_sets(level["test_set"])
    ]


def stability(study: StudyArtefacts, folder: Path) -> Content:
    found = study.json(paths.STABILITY)
    if not found:
        return None
    return {
        "outcomes": [
            {
                "name": outcome,
                "label": study.label(outcome),
                "learner": its["learner"],
                "refits": its["refits"],
                "threshold": its["main_threshold"],
                "picture": study.picture(paths.stability_picture(outcome)),
                "rows": [
                    stability_row(name, one, its["main_threshold"]) for name, one in of_test_sets(its["test_set"])
                ],
            }
            for outcome, its in ((name, found[name]) for name in study.outcomes if name in found)
        ],
    }


def stability_row(test_set: str, found: dict[str, Any], threshold: float) -> dict[str, Any]:
    flags = found["flags"][f"{threshold:g}"]
    risk, performance = found["risk"], found["performance"]
    return {
        "test_set": test_set,
        "cases": count(found["cases"]),
        "mape": cell(risk["mape"], 3),
        "width": cell(risk["range_width"], 3),
        "instability": percent(flags["classification_instability"]["estimate"], 1),
        "often": percent(flags["flip_in_5_percent"]["estimate"], 1),
        "mostly": percent(flags["flip_in_50_percent"]["estimate"], 1),
        "auroc": metric_cell(performance, "auroc"),
        "slope": metric_cell(performance, "calibration_slope"),
    }
