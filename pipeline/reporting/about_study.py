"""Sections on what was studied: in short, what is predicted, who took part, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.dictionary import load_dictionary
from features.predictors import candidate_predictors
from pipeline import paths
from pipeline.reporting.flow_diagram import branches, flow_diagram
from pipeline.reporting.missing import known_by_centre, missing_by_form, missing_by_predictor
from pipeline.reporting.performance_tables import SETS, metric_cell
from pipeline.reporting.study import Content, StudyArtefacts
from pipeline.reporting.table_one import NOTABLE, largest_differences, outcome_groups, table_one


def summary(study: StudyArtefacts, folder: Path) -> Content:
    return {
        "cases": len(study.cases),
        "variables": len(load_dictionary().predictors),
        "test_sets": study.test_sets,
        "rows": [
            {
                "outcome": outcome,
                "label": study.label(outcome),
                "learner": study.chosen[outcome],
                "sets": {
                    name: {
                        metric: metric_cell(measured, metric) for metric in ("prevalence", "auroc", "calibration_slope")
                    }
                    for name, measured in study.metrics[outcome][study.chosen[outcome]].items()
                },
            }
            for outcome in study.outcomes
        ],
    }


def about(study: StudyArtefacts, folder: Path) -> Content:
    """What is predicted, by what, for whom."""
    return {
        "outcomes": [
            {
                "name": outcome,
                "label": study.label(outcome),
                "horizon": study.horizon(outcome),
                "learner": study.chosen[outcome],
                "predictors": len(study.heads[outcome]["predictors"]),
                "development": study.heads[outcome]["development"],
            }
            for outcome in study.outcomes
        ],
        "learners": sorted({learner for choice in study.choices.values() for learner in choice["learners"]}),
        "demographic": demographic_inputs(study),
        "refits": study.params.train.refits,
        "centres": study.cases["centre_id"].nunique(),
        "years": study.years(study.cases["index_date"]),
        "attribution": study.params.study.attribution,
        "licence": study.params.study.licence,
    }


def demographic_inputs(study: StudyArtefacts) -> list[str]:
    """Labels of the demographic and social variables that a chosen model takes."""
    used = {p["name"]: p["label"] for head in study.heads.values() for p in head["predictors"]}
    return [used[name] for name in study.words.demographic if name in used]


def flow_of(study: StudyArtefacts) -> str:
    """The flow of cases, from those recorded to the sets, as SVG text."""
    y = study.labels[study.primary]
    found = branches(study.cases, study.sets, y, study.asked(study.primary), study.years)
    return flow_diagram(study.flow, found, study.primary, (study.words.centre, study.words.centres))


def participants(study: StudyArtefacts, folder: Path) -> Content:
    y = study.labels[study.primary]
    sets = {name: study.sets == name for name in SETS if (study.sets == name).any()}
    pairs = [("development", name) for name in study.test_sets]
    asked = study.asked(study.primary)
    fates = {name: group & asked for name, group in outcome_groups(y).items()}
    return {
        "diagram": flow_of(study),
        "primary": study.primary,
        "label": study.label(study.primary),
        "outcomes": outcome_counts(study, [*sets]),
        "sets": [*sets],
        "pairs": pairs,
        "by_set": table_one(study.cases, sets, pairs),
        "by_outcome": table_one(study.cases, fates, [("without", "with"), ("without", "unknown")]),
        "notable": NOTABLE,
    }


def outcome_counts(study: StudyArtefacts, sets: list[str]) -> list[dict[str, Any]]:
    """Each outcome: cases whose outcome is known and who had it, in each set; why it is not known in the others."""
    rows = []
    for outcome in study.outcomes:
        steps = study.flow[study.flow["step"] == f"outcome {outcome}"]
        of_set = {name: study.labels.loc[study.sets == name, outcome].dropna() for name in sets}
        rows.append(
            {
                "outcome": outcome,
                "unknown": [(row.criterion, row.excluded) for row in steps.itertuples() if row.excluded],
                "sets": {name: (len(known), int(known.sum())) for name, known in of_set.items()},
            }
        )
    return rows


def missing(study: StudyArtefacts, folder: Path) -> Content:
    asked = study.asked(study.primary)
    y = study.labels.loc[asked, study.primary]
    groups = {
        "known": y.notna().reindex(asked.index, fill_value=False),
        "unknown": asked & study.labels[study.primary].isna(),
    }
    rows = table_one(study.cases, groups, [("known", "unknown")])
    sets = [name for name in SETS if (study.sets == name).any()]
    used = {p["name"] for p in study.heads[study.primary]["predictors"]}
    every = candidate_predictors(study.primary, study.params.train.max_parameters[study.primary])
    predictors = [p for p in every if p.name in used]
    return {
        "primary": study.primary,
        "forms": missing_by_form(study.cases),
        "predictors": missing_by_predictor(
            study.cases[asked], study.features[asked], predictors, study.sets[asked], sets
        ),
        "used": len(used),
        "sets": sets,
        "lost": largest_differences(rows, place=0),
        "unknown": int(y.isna().sum()),
        "share_unknown": float(y.isna().mean()),
        "centres": known_by_centre(y, study.left_out_together[asked]),
        "unit": study.unit[0],
        "problems": problems_found(study),
        "notable": NOTABLE,
    }


def problems_found(study: StudyArtefacts) -> int | None:
    """Kinds of problems that the check of the registry's file listed."""
    table = study.table(paths.PROBLEMS)
    return None if table is None else len(table)
