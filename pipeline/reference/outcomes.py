"""The page of the outcomes: what each means, from `outcomes.csv`, and what was chosen of it, from `params.yaml`."""

from __future__ import annotations

import pandas as pd

from features.knowledge_tables import knowledge_table
from features.outcomes import outcome_names
from pipeline.params import Params, load_params
from pipeline.reference.markdown import made_from, table

KINDS = {
    "percent_change": "percent change: the score of the follow-up against that before the operation",
    "change": "change: the difference between the two scores",
    "state": "state: the score of the follow-up alone",
    "anchor": "anchor: what the patient answers about the change",
    "event": "event in time: a case watched too briefly is censored, and weighted for",
}
RULES = {
    "fell_less_than": "fell by less than {cutoff:g} {unit}",
    "rose_less_than": "rose by less than {cutoff:g} {unit}",
    "above": "above {cutoff:g}",
    "within": "within {cutoff:g} months",
}
WHAT_AN_EVENT_MEANS = {
    "failed": "the outcome happened",
    "as_reported": "whatever the questionnaire says",
    "unknown": "the outcome is not known",
}


def outcomes_page() -> str:
    """Every outcome as a Markdown page."""
    outcomes, params = knowledge_table("outcomes"), load_params()
    lines = [
        "# Outcomes",
        "",
        made_from("features/knowledge/outcomes.csv", "params.yaml"),
        "",
        "An outcome that is not known is missing, never imputed. A label never mixes kinds:",
        "",
        *(f"- {KINDS[kind]};" for kind in dict.fromkeys(outcomes["kind"])),
        "",
        *table(("outcome", "of", "happened when", "horizon", "source", "status"), map(_row, _records(outcomes))),
        "",
        "## What is chosen of each",
        "",
        "The sections `cohort`, `train` and `evaluate` of the [parameters](parameters.md). A reoperation or a death "
        "before the horizon means: "
        + "; ".join(f"`{word}`, {meaning}" for word, meaning in WHAT_AN_EVENT_MEANS.items())
        + ".",
        "",
        *table(
            ("outcome", "reoperation", "death", "baseline at least", "parameters at most", "threshold"),
            [_chosen(outcome, params) for outcome in outcome_names()],
        ),
    ]
    return "\n".join(lines) + "\n"


def _records(table_: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in table_.to_dict("records")]


def _row(row: dict[str, object]) -> tuple[str, ...]:
    unit = "%" if row["kind"] == "percent_change" else "points"
    rule = RULES[str(row["rule"])].format(cutoff=row["cutoff"], unit=unit)
    of = "every diagnosis" if row["diagnosis"] == "all" else str(row["diagnosis"]).replace("_", " ")
    happened = f"{row['label']} (`{row['instrument']}` {rule})"
    return (
        f"`{row['outcome']}`",
        of,
        happened,
        f"{row['horizon_months']} months",
        str(row["source"]),
        str(row["status"]),
    )


def _chosen(outcome: str, params: Params) -> tuple[str, ...]:
    chosen = params.cohort.outcomes.get(outcome)
    if chosen is None:
        return f"`{outcome}`", "not in this study", "", "", "", ""
    spent, acted = params.train.max_parameters.get(outcome), params.evaluate.main_threshold.get(outcome)
    return (
        f"`{outcome}`",
        chosen.reoperation,
        chosen.death,
        f"{chosen.baseline_floor:g}" if chosen.baseline_floor else "",
        "" if spent is None else str(spent),
        "" if acted is None else f"{acted:g}",
    )
