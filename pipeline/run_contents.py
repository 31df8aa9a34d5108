"""What a run in MLflow holds of a chosen model, under names that stay: parameters, metrics, files.

Metrics are grouped by the part before the slash: `temporal` and `geographic` (the test sets), each also
`_vs_<learner>` (paired differences, chosen less other) and `_weighted_...`; `internal_external` (pooled over
centres left out), `heterogeneity` (over those centres), and `vs_champion` (paired, out of fold). An
estimate has its plain name, its limits end in `_lower` and `_upper`; what is not estimable is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.estimates import as_stored
from models.metrics import Estimate
from pipeline import paths
from pipeline.files import read_json

ENDINGS = {
    "estimate": "",
    "lower": "_lower",
    "upper": "_upper",
    "prediction_lower": "_prediction_lower",
    "prediction_upper": "_prediction_upper",
    "tau": "_tau",
    "i_squared": "_i_squared",
}
"""How each part of a figure is named in a run."""
VIRTUAL = "virtual"
"""The provenance of cases that are nobody."""
SAID_BY_NET_BENEFIT = "interventions_avoided"
"""A multiple of the net benefit at the same threshold: among differences it would say the same twice."""


def run_params(outcome: str, head: Mapping[str, Any]) -> dict[str, Any]:
    """What the run was made with: the chosen setting, the size of its development, what the builders took."""
    named = {
        "development": {k: v for k, v in head["development"].items() if k != "fingerprint"},
        "setting": head["hyperparameters"],
        "builders": head["builder_params"],
    }
    return {
        "outcome": outcome,
        "learner": head["learner"],
        "predictors": len(head["predictors"]),
        **{f"{group}.{key}": value for group, values in named.items() for key, value in values.items()},
    }


def run_metrics(outcome: str, chosen: str, vs_champion: Mapping[str, Estimate]) -> dict[str, float]:
    """Every figure of the chosen learner, from the files that `evaluate` and `validate` made."""
    found: dict[str, float] = {}
    for test_set, metrics in read_json(paths.METRICS)[outcome][chosen].items():
        found |= flat(metrics, test_set)
    for test_set, compared in read_json(paths.COMPARISONS)[outcome].items():
        for other, against in compared.items():
            found |= flat(_told_once(against["differences"]), f"{test_set}_vs_{other}")
    for test_set, ways in read_json(paths.WEIGHTED)[outcome].items():
        for way, weighted in ways.items():
            if way != "plain":
                found |= flat(weighted["metrics"], f"{test_set}_{way}")
    if paths.internal_external(outcome).exists():
        recipe = read_json(paths.internal_external(outcome))["recipe"]
        found |= flat(recipe["pooled"], "internal_external") | flat(recipe["heterogeneity"], "heterogeneity")
    return found | flat(_told_once(as_stored(vs_champion)), "vs_champion")


def flat(figures: Mapping[str, Mapping[str, Any]], group: str) -> dict[str, float]:
    """Figures as `<group>/<metric>` and its limits; nothing for what is not estimable.

    Examples
    --------
    >>> flat({"auroc": {"estimate": 0.7, "lower": 0.65, "upper": None}}, "temporal")
    {'temporal/auroc': 0.7, 'temporal/auroc_lower': 0.65}
    """
    return {
        f"{group}/{metric}{ending}": float(value[part])
        for metric, value in figures.items()
        for part, ending in ENDINGS.items()
        if value.get(part) is not None
    }


def _told_once(differences: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {name: value for name, value in differences.items() if not name.startswith(SAID_BY_NET_BENEFIT)}


def run_files(outcome: str, provenance: str) -> dict[str, Path]:
    """Files of a run by the name each keeps there; what a study has not made is left out.

    Tracking has no authentication. What shows a single case (waterfalls, sources of the pain, the report with
    its examples) goes there of the virtual registry alone, whose cases are nobody; of any other, it stays at home.
    """
    report = paths.REPORT.parent
    wanted = {
        "pictures/importance.png": paths.EXPLAIN / outcome / "importance.png",
        "pictures/performance.png": report / f"{outcome}.png",
        "pictures/internal_external.png": paths.forest(outcome),
        "pictures/subgroups.png": paths.subgroup_forest(outcome),
        "pictures/stability.png": paths.stability_picture(outcome),
        "figures/metrics.json": paths.METRICS,
        "figures/comparisons.json": paths.COMPARISONS,
        "figures/weighted.json": paths.WEIGHTED,
        "figures/internal_external.json": paths.internal_external(outcome),
        "choice/choice.json": paths.choice(outcome),
        **{f"report/{path.name}": path for path in sorted([*report.glob("model_card*"), *report.glob("*.csv")])},
        **(single_cases(outcome) if provenance == VIRTUAL else {}),
    }
    return {name: path for name, path in wanted.items() if path.exists()}


def single_cases(outcome: str) -> dict[str, Path]:
    """Files that show single cases: pictures of some of them, and the report, which holds these."""
    drawn = sorted((paths.EXPLAIN / outcome).glob("waterfall_*.png"))
    return {**{f"pictures/{path.name}": path for path in drawn}, "report/report.html": paths.REPORT}
