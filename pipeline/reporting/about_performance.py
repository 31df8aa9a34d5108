"""Sections on how good the risks are in the test sets, and against what else one could use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from models.drawing import performance_panels, save
from models.published_facts import PUBLISHED, published_table
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_table
from pipeline.reporting.performance_tables import (
    WEIGHTED_METRICS,
    compared_metrics,
    comparison_rows,
    coverage_lines,
    metric_rows,
    same_case_rows,
    shown_metrics,
    threshold_metrics,
    weighted_rows,
)
from pipeline.reporting.study import Content, StudyArtefacts


def performance(study: StudyArtefacts, folder: Path) -> Content:
    return {
        "outcomes": [outcome_performance(study, outcome, folder) for outcome in study.outcomes],
        "weighted_metrics": WEIGHTED_METRICS,
    }


def outcome_performance(study: StudyArtefacts, outcome: str, folder: Path) -> dict[str, Any]:
    """Everything that the page says of how good the risks of one outcome are."""
    metrics, chosen = study.metrics[outcome], study.chosen[outcome]
    picture = folder / f"{outcome}.png"
    roc, calibration, decision = (curve_of(kind, outcome) for kind in ("roc", "calibration", "decision"))
    title = f"{outcome}: {study.label(outcome)}"
    save(
        performance_panels(
            roc, calibration, decision, chosen, title, study.table(paths.predictions(outcome)), act=study.words.act
        ),
        picture,
    )
    names = shown_metrics(metrics, chosen)
    benefits = threshold_metrics(metrics, chosen, "net_benefit_")
    avoided = threshold_metrics(metrics, chosen, "interventions_avoided_")
    weighted = (study.json(paths.WEIGHTED) or {}).get(outcome)
    return {
        "name": outcome,
        "label": study.label(outcome),
        "choice": study.choices[outcome],
        "chosen": chosen,
        "development": study.heads[outcome]["development"],
        "picture": picture,
        "names": names,
        "rows": metric_rows(metrics, chosen, names),
        "benefit_names": benefits,
        "benefits": metric_rows(metrics, chosen, benefits),
        "avoided_names": avoided,
        "avoided": metric_rows({chosen: metrics[chosen]}, chosen, avoided),
        "published": published(study, outcome),
        "weighted": weighted_rows(weighted) if weighted else None,
    }


def published(study: StudyArtefacts, outcome: str) -> Content:
    """The published equations beside the chosen learner on the same cases; None where none applies to a case."""
    compared = (study.json(paths.SAME_CASES) or {}).get(outcome, {}).get(PUBLISHED)
    if compared is None:
        return None
    coverage, facts = read_table(paths.PUBLISHED_COVERAGE), published_table("applies")
    facts = facts[facts["outcome"] == outcome]
    labels = published_table("inputs").set_index("term")["label"]
    return {
        "rows": same_case_rows(compared, [PUBLISHED, study.chosen[outcome]]),
        "coverage": coverage_lines(coverage[coverage["outcome"] == outcome], labels),
        "auroc": (facts["auroc_low"].min(), facts["auroc_high"].max()),
        "sources": list(dict.fromkeys(facts["source"])),
    }


def curve_of(kind: str, outcome: str) -> pd.DataFrame:
    """A curve of every learner on each test set, in the order of the test sets."""
    curves = read_table(paths.curves(kind))
    order = curves["test_set"].map({name: place for place, name in enumerate(TEST_SETS)})
    return curves.iloc[order.argsort(kind="stable")].query("outcome == @outcome")


def comparisons(study: StudyArtefacts, folder: Path) -> Content:
    found = study.json(paths.COMPARISONS)
    if not found:
        return None
    outcomes = []
    for outcome in study.outcomes:
        threshold = study.params.evaluate.main_threshold.get(outcome)
        names = compared_metrics(found[outcome], threshold)
        rows = comparison_rows(found[outcome], study.chosen[outcome], names)
        outcomes.append({"name": outcome, "chosen": study.chosen[outcome], "names": names, "rows": rows})
    return {"outcomes": outcomes}
