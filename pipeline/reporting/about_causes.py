"""The section on the second question: after a failed operation, is the right cause named?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.cause_tables import causes
from features.words import percent
from models.cause_figures import METHOD_STYLES
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.reporting.performance_tables import Cell, cell, reason_once
from pipeline.reporting.study import Content, StudyArtefacts
from pipeline.reporting.words import with_interval

MEASURES = ("top_1", "top_2", "log_loss")
OF_PAIRS = ("both", "either", "apart")
OF_A_CAUSE = ("auroc", "calibration_intercept", "calibration_slope", "observed_to_expected")
PICTURES = ("accuracy", "confusion", "recurrence", "words")
GROUPS = {"course": "The course alone", "scan": "The scan alone", "both": "Both"}
SERVED = "knowledge"


def after_failure(study: StudyArtefacts, folder: Path) -> Content:
    found = study.json(paths.CAUSES)
    if found is None:
        return None
    registry, drawn = found["registry"], found["drawn"]
    is_judged = "accuracy" in registry
    return {
        "pictures": {name: study.picture(paths.cause_picture(name)) for name in PICTURES},
        "registry": registry_content(registry) if is_judged else None,
        "why_not": registry.get("reason"),
        "drawn": drawn_content(drawn),
        "rules": found["rules"],
    }


def card_causes(study: StudyArtefacts) -> dict[str, Any] | None:
    """What the model card says of the ranking of causes; None where it was not judged at all."""
    found = study.json(paths.CAUSES)
    if found is None:
        return None
    registry, drawn = found["registry"], found["drawn"]
    told = {
        "drawn": drawn["cases"],
        "drawn_top_1": with_interval(drawn["accuracy"][SERVED]["top_1"]),
        "attainable": with_interval(drawn["accuracy"]["attainable"]["top_1"]),
        "reason": registry.get("reason"),
        "top_1": None,
    }
    if "accuracy" not in registry:
        return told
    served, rules = (registry["accuracy"]["both"][method] for method in (SERVED, "rules"))
    return told | {
        "cases": registry["cases"]["both"],
        "top_1": with_interval(served["top_1"]),
        "top_2": with_interval(served["top_2"]),
        "rules": with_interval(rules["top_1"]),
    }


def registry_content(found: Mapping[str, Any]) -> dict[str, Any]:
    """The test sets, by adjudication."""
    sets = {"both": "Both test sets", **{name: f"{name.capitalize()} test set" for name in TEST_SETS}}
    return {
        "cases": found["cases"],
        "accuracy": [
            {"set": title, "cases": found["cases"][name], "rows": accuracy_rows(found["accuracy"][name])}
            for name, title in sets.items()
        ],
        "ahead": {method: with_interval(its["top_1"]) for method, its in found["lead"].items()},
        "by_cause": cause_rows(found),
        "others": others_of(found),
        "words": word_rows(found["words"]),
        "recurrence": recurrence_rows(found["recurrence_or_scar"]),
        "flagged": percent_of(found["red_flags"]["all"]),
        "learned": learned_rows(found["learned"]),
        "has_trained": "trained" in found["lead"],
    }


def drawn_content(found: Mapping[str, Any]) -> dict[str, Any]:
    """Work-ups drawn apart, by the truth."""
    return {
        "cases": found["cases"],
        "taught": found["taught"],
        "accuracy": accuracy_rows(found["accuracy"]),
        "ahead": {method: with_interval(its["top_1"]) for method, its in found["lead"].items()},
        "holding": [
            {
                "cause": label,
                "events": found["holding"][name]["events"],
                "others": [],
                **cells_of(found["holding"][name]),
            }
            for name, label in labels().items()
        ],
        "words": word_rows(found["words"]),
        "recurrence": recurrence_rows(found["recurrence_or_scar"]),
        "pairs": [
            {
                "method": name,
                "is_served": method == SERVED,
                "cells": [cell(found["pairs"][method][m]) for m in OF_PAIRS],
            }
            for method, (_, name) in METHOD_STYLES.items()
            if method in found["pairs"]
        ],
        "n_pairs": found["pairs"][SERVED]["both"]["n"],
        "flagged": percent_of(found["red_flags"]["all"]),
        "flagged_infections": percent_of(found["red_flags"]["infection"]),
        "gain": found["gain_of_last_doubling"],
    }


def labels() -> dict[str, str]:
    return {cause.name: cause.label for cause in causes()}


def accuracy_rows(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a method: first, among the first two, log loss."""
    return [
        {"method": name, "is_served": method == SERVED, "cells": [cell(found[method][m]) for m in MEASURES]}
        for method, (_, name) in METHOD_STYLES.items()
        if method in found
    ]


def cause_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a cause: cases, knowledge in full, and the AUROC of the others."""
    return [
        {
            "cause": label,
            "events": found["events"][name],
            **cells_of(found["by_cause"][name][SERVED]),
            # Why a rival knows nothing of a cause (there is no rule for it) is not worth a column.
            "others": [Cell(cell(found["by_cause"][name][m]["auroc"]).estimate) for m in others_of(found)],
        }
        for name, label in labels().items()
    ]


def others_of(found: Mapping[str, Any]) -> list[str]:
    """The methods beside the served one that say something of single causes."""
    return [method for method in METHOD_STYLES if method != SERVED and method in found["by_cause"]["infection"]]


def cells_of(figures: Mapping[str, Any]) -> dict[str, Any]:
    """`cells` of one cause; what cannot be estimated for one reason has it once, as the `note` of the row."""
    cells, note = reason_once([cell(figures[name]) for name in OF_A_CAUSE])
    return {"cells": cells, "note": note}


def word_rows(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a word, from the likeliest: how often it was told, how often it was so, and what was behind it."""
    order = sorted(found, key=lambda word: -(found[word]["promised"] or 0.0))
    return [
        {
            "word": word,
            "told": found[word]["told"],
            "so": found[word]["so"],
            "share": cell(found[word]["share"]),
            "promised": found[word]["promised"],
        }
        for word in order
    ]


def recurrence_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"group": name, "n": found[group]["n"], "auroc": cell(found[group])} for group, name in GROUPS.items()]


def learned_rows(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a cause of the demonstration: what the cases carried, and by what it was learned or why not."""
    return [
        {
            "cause": label,
            "events": its["events"],
            "chosen": its["chosen"],
            "reason": its["reason"],
            "used": its.get("parameters", {}).get("used"),
            "carried": its.get("parameters", {}).get("carried"),
            "candidates": its.get("parameters", {}).get("candidates"),
            "findings": its.get("findings", []),
        }
        for name, label in labels().items()
        if (its := found.get(name))
    ]


def percent_of(found: Mapping[str, Any]) -> str:
    """A share with its interval as percentages."""
    if found["lower"] is None:
        return percent(found["estimate"], 1)
    return f"{percent(found['estimate'], 1)} ({percent(found['lower'], 1)} to {percent(found['upper'], 1)})"
