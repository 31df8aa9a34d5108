"""The model card: one page for all outcomes, in the sections of CHAI's applied model card.

References
----------
Coalition for Health AI, applied model card, schema 0.2.
"""

from __future__ import annotations

from typing import Any

from features.red_flags import red_flag_rules
from pipeline import paths
from pipeline.reporting.about_causes import card_causes
from pipeline.reporting.about_study import demographic_inputs
from pipeline.reporting.checklists import tally
from pipeline.reporting.performance_tables import metric_cell, of_test_sets
from pipeline.reporting.study import StudyArtefacts

CARD_METRICS = ("prevalence", "auroc", "calibration_intercept", "calibration_slope", "scaled_brier_score")


def model_card(study: StudyArtefacts) -> dict[str, Any]:
    """Everything that the card prints, from the artefacts of the study."""
    steps = study.flow[study.flow["step"] == "criterion"]
    return {
        "outcomes": [card_outcome(study, outcome) for outcome in study.outcomes],
        "criteria": list(steps["criterion"]),
        "cases": len(study.cases),
        "centres": study.cases["centre_id"].nunique(),
        "years": study.years(study.cases["index_date"]),
        "test_sets": study.test_sets,
        "has_test_centres": "geographic" in study.test_sets,
        "has_red_flags": bool(red_flag_rules()),
        "has_blocks": "completeness" not in study.params.study.not_asked,
        "attribution": study.params.study.attribution,
        "licence": study.params.study.licence,
        "metrics": CARD_METRICS,
        "thresholds": study.params.evaluate.thresholds,
        "refits": study.params.train.refits,
        "demographic": demographic_inputs(study),
        "tally": tally(study.checklists["source_attributes"]),
        "strays": strays(study),
        "causes": card_causes(study),
        "fewest": (study.json(paths.SUBGROUPS) or {}).get("fewest_cases"),
    }


def card_outcome(study: StudyArtefacts, outcome: str) -> dict[str, Any]:
    head, chosen = study.heads[outcome], study.chosen[outcome]
    return {
        "name": outcome,
        "label": study.label(outcome),
        "horizon": study.horizon(outcome),
        "learner": chosen,
        "hyperparameters": head["hyperparameters"],
        "predictors": [p["label"] for p in head["predictors"]],
        "development": head["development"],
        "explanation": head["explanation"],
        "code": head["code_sha256"],
        "threshold": study.params.evaluate.main_threshold.get(outcome),
        "sets": {
            name: {
                "cells": [metric_cell(measured, metric) for metric in CARD_METRICS],
                "benefit": benefit(study, outcome, measured),
            }
            for name, measured in of_test_sets(study.metrics[outcome][chosen])
        },
    }


def benefit(study: StudyArtefacts, outcome: str, measured: dict[str, Any]) -> Any:
    """Net benefit at the risk at which one would act, as the parameters have it."""
    threshold = study.params.evaluate.main_threshold.get(outcome)
    return None if threshold is None else metric_cell(measured, f"net_benefit_{round(100 * threshold)}")


def strays(study: StudyArtefacts) -> list[dict[str, Any]] | None:
    """By outcome: intervals of observed to expected over groups, those that exclude 1, and how many would by chance."""
    found = study.json(paths.SUBGROUPS)
    if found is None:
        return None
    return [
        {"outcome": outcome, **found["outcomes"][outcome]["by_chance"]["observed_to_expected"]}
        for outcome in study.outcomes
        if outcome in found["outcomes"]
    ]
