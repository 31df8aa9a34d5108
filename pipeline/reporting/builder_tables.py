"""The clinical feature builders in the report: what they found in the cohort, and whether they find the truth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.axes import FLAGGED_MIMICS, LABELS, MIMICS
from features.words import number, percent
from pipeline.reporting.words import capital, with_interval

ASKED = {
    "plan": "the plan reaches\nthe main source",
    **{mimic: LABELS[mimic].replace(" (", "\n(") for mimic in MIMICS},
    "all": "all pairs",
    "another_lesion": "the other source is\nanother lesion",
    "a_mimic": "the other source is\na mimic",
}
"""What is asked of the builders, as pictures and tables name it."""


def builder_facts(features: pd.DataFrame) -> list[tuple[str, str]]:
    """What the builders found in the cohort, in a line each."""
    known = features["concordance_unknown"] == 0
    facts = [
        ("Cases with a drawing and a scan, so that concordance is known", percent(known.mean())),
        ("Pain explained by the best single lesion, median", number(features["share_best_lesion"].median())),
        ("Pain explained by all lesions together, median", number(features["share_all_lesions"].median())),
        ("A mimic explains more than the best lesion", percent((features["margin_lesion_mimic"] < 0)[known].mean(), 1)),
        ("The plan does not reach the lesion that explains most", percent(features["plan_misses_best"].mean(), 1)),
        ("The plan does not reach the best supported lesion", percent(features["plan_misses_likeliest"].mean(), 1)),
        ("Support of what the plan reaches (concordance), median", number(features["plan_support"].median())),
        ("The plan opens the painless side alone", percent(features["side_conflict"].mean(), 1)),
        ("A lesion and a mimic both fit", percent(features["competing"].mean(), 1)),
        ("Numbering of the levels in doubt", percent(features["numbering_uncertain"].mean(), 1)),
    ]
    for mimic in MIMICS:
        examined = features[f"{mimic}_tests_done"] > 0
        flagged = features.loc[examined, f"{mimic}_flag"].mean()
        found = f"{percent(examined.mean())}, {percent(flagged, 1)}"
        facts.append((f"{capital(LABELS[mimic])}: examined in, flagged of those", found))
    for mimic in FLAGGED_MIMICS:
        flags = features[f"{mimic}_flag"]
        found = f"{percent(flags.notna().mean())}, {percent(flags.mean(), 1)}"
        facts.append((f"{capital(LABELS[mimic])}: rule decided in, flagged of those", found))
    return facts


def truth_figures(found: dict[str, Any]) -> dict[str, Any]:
    """How well the builders find the truth of virtual cases: rows of the table, and what the text says."""
    plan, lesion, twins = found["plan"], found["lesion"], found["twins"]
    asked = {"plan": plan} | {mimic: found["mimics"][mimic] for mimic in MIMICS}
    return {
        "rows": [
            {
                "question": ASKED[question].replace("\n", " "),
                "n": figures["compared"]["builders"]["n"],
                **{
                    name: with_interval(figures["compared"][name]) if name in figures["compared"] else None
                    for name in ("crude_rival", "builders", "attainable", "ratio_attainable")
                },
            }
            for question, figures in asked.items()
        ],
        "drawn": found["drawn"],
        "headline": plan["headline"],
        "ahead": with_interval(plan["compared"].get("less_crude_rival", plan["compared"]["crude_rival"])),
        "is_levelled": plan["attainable_learning_curve"]["is_levelled"],
        "gain": plan["attainable_learning_curve"]["gain_of_last_doubling"],
        "lesion": with_interval(lesion["best_lesion"]["same_level_and_side"]),
        "rival_lesion": with_interval(lesion["crude_rival"]["same_level_and_side"]),
        "twins": with_interval(twins["all"][plan["headline"]]),
        "rival_twins": with_interval(twins["all"]["crude_rival"]),
        "ahead_twins": with_interval(twins["all"]["less_crude_rival"]),
        "n_twins": twins["all"][plan["headline"]]["n"],
    }
