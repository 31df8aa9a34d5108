"""How good the risks are, as plain rows: metrics come in, cells with estimate, interval and reason go out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from features.words import ABSENT, number
from models.splitting import TEST_SETS
from pipeline.reporting.words import count, plain, with_interval

SETS = ("development", *TEST_SETS)
LABELS = {
    "auroc": "AUROC",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "observed_to_expected": "Observed to expected",
    "ici": "ICI",
    "e50": "E50",
    "e90": "E90",
    "brier_score": "Brier score",
    "brier_difference": "Difference in Brier score",
    "scaled_brier_score": "Scaled Brier score",
    "log_loss": "Log loss",
    "net_benefit": "Net benefit",
    "prevalence": "Observed",
    "mean_risk": "Mean risk",
}
"""Metrics as tables head them; those at a threshold are named by `metric_label`."""
SHOWN = (
    "auroc", "calibration_intercept", "calibration_slope", "observed_to_expected", "ici", "e50", "e90",
    "brier_score", "scaled_brier_score",
)  # fmt: skip
"""Of each learner in the main table; net benefit follows in one of its own."""
SMALL = ("ici", "e50", "e90", "emax", "brier", "scaled_brier", "log_loss", "net_benefit")
"""Metrics that need a third digit, by the start of their names."""
BETTER_ABOVE = ("auroc", "net_benefit", "interventions_avoided")
"""Differences that favour the first above zero; the others are losses."""


@dataclass(frozen=True)
class Cell:
    """A figure of a table: the estimate, its interval beneath it, and the reason where there is none."""

    estimate: str
    interval: str = ""
    reason: str = ""


def cell(value: Mapping[str, Any] | None, digits: int = 2) -> Cell:
    """An Estimate of a JSON artefact as a cell; an artefact that does not name it gives an em dash."""
    if value is None:
        return Cell(ABSENT)
    reason = value.get("reason") or ""
    if value["estimate"] is None:
        return Cell(ABSENT, reason=f"not estimable: {reason or 'no reason given'}")
    if value.get("lower") is None or value.get("upper") is None:
        return Cell(number(value["estimate"], digits), reason=reason)
    return Cell(
        number(value["estimate"], digits), f"{number(value['lower'], digits)} to {number(value['upper'], digits)}"
    )


def digits_of(metric: str) -> int:
    return 3 if metric.startswith(SMALL) else 1 if metric.startswith("interventions") else 2


def metric_cell(measured: Mapping[str, Any], metric: str) -> Cell:
    return cell(measured.get(metric), digits_of(metric))


def metric_label(metric: str) -> str:
    """A metric as a table heads it; one at a threshold with the threshold.

    >>> metric_label("net_benefit_30")
    'Net benefit at 0.30'
    """
    for name, words in (("net_benefit_", "Net benefit"), ("interventions_avoided_", "Interventions avoided per 100")):
        if metric.startswith(name):
            return f"{words} at {int(metric.removeprefix(name)) / 100:.2f}"
    return LABELS.get(metric, plain(metric))


def metric_rows(metrics: Mapping[str, Any], chosen: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row a test set and learner, with a cell for each of the metrics named.

    What cannot be estimated for one reason has it once, as the `note` of the row.
    """
    rows = []
    for test_set in TEST_SETS:
        for learner in in_order(metrics):
            if test_set not in metrics[learner]:
                continue
            cells, note = reason_once([metric_cell(metrics[learner][test_set], name) for name in names])
            rows.append(
                {"learner": learner, "test_set": test_set, "is_chosen": learner == chosen, "cells": cells, "note": note}
            )
    return rows


def in_order(learners: Iterable[str]) -> list[str]:
    """Learners from the plainest to the most flexible; those that nobody ranked at the end."""
    from models.drawing import LEARNER_STYLES  # matplotlib, which a page of one case does not need

    known = list(LEARNER_STYLES)
    return sorted(learners, key=lambda learner: (known.index(learner) if learner in known else len(known), learner))


def of_test_sets(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What an artefact holds of each test set, in their order."""
    return [(name, found[name]) for name in TEST_SETS if name in found]


def reason_once(cells: Sequence[Cell]) -> tuple[list[Cell], str]:
    """Cells without their reasons, and the reason, where several cells of a row have the same one."""
    reasons = {found.reason for found in cells if found.reason}
    if len(reasons) != 1 or sum(bool(found.reason) for found in cells) < 2:
        return list(cells), ""
    return [replace(found, reason="") for found in cells], reasons.pop()


def shown_metrics(metrics: Mapping[str, Any], chosen: str) -> list[str]:
    """Those of the main table that were measured."""
    return [name for name in SHOWN if any(name in measured for measured in metrics[chosen].values())]


def threshold_metrics(metrics: Mapping[str, Any], chosen: str, start: str) -> list[str]:
    """Metrics at a threshold, by the start of their names, from the lowest threshold up."""
    measured = next(iter(metrics[chosen].values()))
    return sorted((name for name in measured if name.startswith(start)), key=lambda name: int(name.rsplit("_", 1)[1]))


def comparison_rows(compared: Mapping[str, Any], chosen: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row a test set and other learner: the chosen one less the other, on the same cases.

    Beside each cell stands `better` or `worse` where its interval excludes no difference.
    """
    rows = []
    for test_set in TEST_SETS:
        of_set = compared.get(test_set, {})
        for other in in_order(of_set):
            differences = of_set[other]["differences"]
            cells = [_named(metric_cell(differences, name), chosen, other) for name in names]
            verdicts = [favour(name, differences.get(name)) for name in names]
            rows.append(
                {
                    "test_set": test_set,
                    "other": other,
                    "cases": count(of_set[other]["cases"]),
                    "cells": list(zip(cells, verdicts, strict=True)),
                }
            )
    return rows


def _named(found: Cell, chosen: str, other: str) -> Cell:
    """The reason with the learners' names for a and b."""
    return replace(found, reason=found.reason.replace("a: ", f"{chosen}: ").replace("b: ", f"{other}: "))


def favour(metric: str, difference: Mapping[str, Any] | None) -> str:
    """Whether a difference favours the first: `better`, `worse`, or nothing where chance may explain it."""
    if difference is None or difference.get("lower") is None or difference.get("upper") is None:
        return ""
    if difference["lower"] > 0 or difference["upper"] < 0:
        return "better" if (difference["lower"] > 0) == metric.startswith(BETTER_ABOVE) else "worse"
    return ""


def compared_metrics(compared: Mapping[str, Any], threshold: float | None) -> list[str]:
    """What is shown of a comparison: discrimination, error, and what it is worth at the threshold."""
    measured = {name for by_set in compared.values() for found in by_set.values() for name in found["differences"]}
    wanted = ["auroc", "brier_score"]
    if threshold is not None:
        wanted += [f"net_benefit_{round(100 * threshold)}", f"interventions_avoided_{round(100 * threshold)}"]
    return [name for name in wanted if name in measured]


WEIGHTINGS = {
    "plain": "each known outcome once",
    "weighted_for_censoring": "weighted for censoring",
    "weighted_for_response": "weighted for loss to follow-up",
}
WEIGHTED_METRICS = ("prevalence", "auroc", "calibration_intercept", "calibration_slope", "brier_score")


def weighted_rows(weighted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a test set and way of weighting the chosen learner's cases."""
    return [
        {
            "test_set": test_set,
            "weighting": words,
            "cases": count(by_way[way]["cases"]),
            "effective": count(by_way[way]["effective_cases"]),
            "cells": [metric_cell(by_way[way]["metrics"], name) for name in WEIGHTED_METRICS],
        }
        for test_set, by_way in ((name, weighted[name]) for name in TEST_SETS if name in weighted)
        for way, words in WEIGHTINGS.items()
        if way in by_way
    ]


COMPARED_METRICS = (
    "auroc", "calibration_intercept", "calibration_slope", "brier_score", "brier_difference", "net_benefit_30",
)  # fmt: skip
"""What is shown of learners on the cases of a comparator."""


def same_case_rows(compared: Mapping[str, Any], learners: Sequence[str]) -> list[dict[str, Any]]:
    """One row a test set, group of cases and learner: the learners on the cases of a comparator.

    `compared` is what `same_cases.json` holds of one outcome and comparator.
    """
    return [
        {
            "test_set": test_set,
            "group": "all" if group == "all" else plain(group),
            "learner": learner,
            "cases": f"{count(found['cases'])} of {count(found['of'])}",
            "prevalence": with_interval(found["prevalence"]).split(" (")[0],
            "shown": {metric_label(name): metric_cell(found["learners"][learner], name) for name in COMPARED_METRICS},
        }
        for test_set in TEST_SETS
        for group, found in compared.get(test_set, {}).items()
        for learner in learners
    ]


def coverage_lines(coverage: pd.DataFrame, labels: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Each diagnosis: to how many of its cases a comparator gave a risk, and what was wanting in the others.

    `coverage` is that of one outcome as `models.published_risk.coverage` makes it; `labels` are those of inputs.
    """
    lines = []
    for diagnosis, rows in coverage.groupby("diagnosis", sort=False):
        whole = rows[rows["input"].isna() | (rows["input"] == "")].set_index("answer")["cases"]
        wanting = "; ".join(
            f"{answer}: " + ", ".join(f"{labels[row.input]} ({row.cases:,})" for row in inputs.itertuples())
            for answer, inputs in rows[rows["answer"].isin(("not recorded", "out of range"))].groupby("answer")
        )
        if whole.get("no equation", 0):
            wanting = "; ".join(filter(None, [f"no published equation ({whole['no equation']:,})", wanting]))
        estimated = f"{whole['estimated']:,} of {whole['asked']:,}"
        lines.append((plain(str(diagnosis)), estimated, wanting or ABSENT))
    return lines
