"""What a validation elsewhere found, in sentences and as a page; both are made from its figures alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.words import number
from models.external import HARDLY, PRECISE, ROUGH
from models.metrics import net_benefit_name
from models.subgroups import FEWEST
from models.updating import INTERCEPT, INTERCEPT_AND_SLOPE, ORIGINAL
from pipeline.reporting.page import rendered
from pipeline.reporting.performance_tables import Cell, metric_cell
from pipeline.reporting.words import with_interval

Figures = Mapping[str, Any]

QUESTIONS: Mapping[str, str] = {
    "observed_to_expected": "whether risks are right on average",
    "calibration_slope": "whether risks are too extreme or too timid",
    "auroc": "how well risks order the cases",
    "net_benefit": "whether acting on them is worth it",
}
"""What each criterion of size is about."""
MAIN = (
    "auroc", "calibration_intercept", "calibration_slope", "observed_to_expected", "ici", "e90", "brier_score",
    "scaled_brier_score",
)  # fmt: skip
OF_GROUPS = ("auroc", "observed_to_expected", "calibration_intercept", "calibration_slope")
NOT_FOR_PATIENTS = "Model or cases are of the virtual registry: nothing here is about patients."
UPDATED_ON_THESE = (
    "These very cases updated the model: on average it is right here by construction, and they judge it no longer."
)
UPDATE_WORDS: Mapping[str, str] = {
    ORIGINAL: "no change",
    INTERCEPT: "another intercept",
    INTERCEPT_AND_SLOPE: "another intercept and slope",
}


# ---- sentences ---------------------------------------------------------------------------------------


def findings(found: Figures) -> list[str]:
    """The validation in sentences: how many cases, what they can say, what they say."""
    cases, model = found["cases"], found["model"]
    lines = [
        f"{model['uri']}: {model['outcome']} is known of {cases['known']:,} of {cases['included']:,} cases that meet "
        f"the criteria, {cases['events']:,} had it.",
        *([UPDATED_ON_THESE] if found["updated_on_these"] else []),
        *can_say(found),
        *agreement(found),
        update_line(found["closed_test"]),
    ]
    return [*lines, NOT_FOR_PATIENTS] if found["provenance"] == "virtual" else lines


def can_say(found: Figures) -> list[str]:
    """What so many cases can say and cannot, as it was known before any outcome was looked at."""
    size = found["sample_size"]
    if "reason" in size:
        return [f"These cases say little: {size['reason']}."]
    lines = []
    for verdict, words in ((PRECISE, "These cases say as precisely as wanted"), (ROUGH, "These cases say roughly")):
        asked = [criterion for criterion in size["criteria"] if criterion["verdict"] == verdict]
        lines += [f"{words} {_joined([_within(one) for one in asked])}."] if asked else []
    hardly = [criterion for criterion in size["criteria"] if criterion["verdict"] == HARDLY]
    if hardly:
        wanted = [f"{_within(one)}; {one['needed']:,} cases would be needed" for one in hardly]
        lines.append(f"These cases hardly say {'; nor '.join(wanted)}.")
    return lines


def _within(criterion: Figures) -> str:
    return f"{QUESTIONS[criterion['measure']]} (to within {number(criterion['width'] / 2)})"


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def agreement(found: Figures) -> list[str]:
    """How risks agreed with outcomes: a difference is named where its interval shows one, and not otherwise."""
    measured, size = found["performance"], found["sample_size"]
    intercept, slope, auroc = (measured[name] for name in ("calibration_intercept", "calibration_slope", "auroc"))
    lines = [
        f"{_direction(intercept, 0.0, 'Risks are too low on average', 'Risks are too high on average', 'on average')}: "
        f"calibration intercept {with_interval(intercept)}, observed to expected "
        f"{with_interval(measured['observed_to_expected'])}.",
        f"{_direction(slope, 1.0, 'Risks are too timid', 'Risks are too extreme', 'in their spread')}: calibration "
        f"slope {with_interval(slope)}.",
    ]
    expected = size.get("expected_auroc")
    if expected is not None and auroc["estimate"] is not None:
        lines.append(
            f"AUROC {with_interval(auroc)}, where risks that spread like these would reach {number(expected)} if they "
            "were right."
        )
    spared = measured.get(f"interventions_avoided_{round(100 * found['threshold'])}")
    if spared and spared["estimate"] is not None:
        lines.append(
            f"Acting at a risk of {number(found['threshold'])} spares {with_interval(spared, 1)} of 100 work-ups, net "
            "of outcomes missed, compared with working up everybody."
        )
    lacking = found["mix"]["never_recorded"]
    if lacking:
        lines.append(f"Of the predictors that matter most these are mostly not recorded here: {', '.join(lacking)}.")
    return lines


def _direction(estimate: Figures, ideal: float, above: str, below: str, where: str) -> str:
    if estimate["lower"] is None or estimate["upper"] is None:
        return f"Nothing can be said of risks {where}"
    if estimate["lower"] > ideal:
        return above
    if estimate["upper"] < ideal:
        return below
    return f"Nothing shows that risks are wrong {where}, which is no proof that they are right"


def update_line(update: Figures) -> str:
    """What the closed test says of these cases, with its numbers."""
    if "reason" in update:
        return f"No update can be asked for: {update['reason']}"
    tests = "; ".join(
        f"{test['larger']} against {test['smaller']}: p {p_value(test['p_value'])}" for test in update["tests"]
    )
    made = [
        f"{name} {with_interval(update[name])}" for name in ("intercept", "slope") if update[name]["lower"] is not None
    ]
    numbers = f": {', '.join(made)}" if made else ""
    return f"The closed test at {update['level']:g} asks for {UPDATE_WORDS[update['method']]}{numbers} ({tests})."


def p_value(value: float) -> str:
    """A p-value as people read it.

    >>> p_value(0.0312), p_value(0.00001)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else number(value, 3 if value < 0.1 else 2)


# ---- the page ----------------------------------------------------------------------------------------


def page(found: Figures, pictures: Mapping[str, Path]) -> str:
    """A page of HTML that needs no other file."""
    return rendered(
        "external_validation.html.j2",
        it=found,
        pictures=pictures,
        said=agreement(found),
        updated_on_these=UPDATED_ON_THESE if found["updated_on_these"] else "",
        can_say=can_say(found),
        update=update_line(found["closed_test"]),
        tests=found["closed_test"].get("tests", []),
        would_be=found["closed_test"].get("would_be", {}),
        metrics=MAIN,
        beside=beside(found),
        acting=acting(found),
        groups=[_group_row(row) for row in found["subgroups"]],
        of_groups=OF_GROUPS,
        centres=[_centre_row(name, row) for name, row in (found["centres"] or {"centres": {}})["centres"].items()],
        pooled=pooled(found),
        questions=QUESTIONS,
        fewest=FEWEST,
        p_value=p_value,
    )


def beside(found: Figures) -> list[dict[str, Any]]:
    """The site's figures, and below them those that the model brought from its own test sets."""
    here = {"cases": found["cases"]["known"], "events": found["cases"]["events"], "metrics": found["performance"]}
    sets = {"this site": here} | {f"{name} test set": about for name, about in found["model"]["test_sets"].items()}
    return [
        {
            "name": name,
            **{count: about[count] for count in ("cases", "events")},
            "cells": [metric_cell(about["metrics"], metric) for metric in MAIN],
        }
        for name, about in sets.items()
    ]


def acting(found: Figures) -> list[dict[str, Any]]:
    """One row a threshold: net benefit of the risks and of working up all, and what is spared."""
    measured = found["performance"]
    rows = []
    for name in (key for key in measured if key.startswith("net_benefit_")):
        percent_of_risk = name.removeprefix("net_benefit_")
        rows.append(
            {
                "threshold": float(percent_of_risk.replace("_", ".")) / 100,
                "is_main": name == net_benefit_name(found["threshold"]),
                "model": metric_cell(measured, name),
                "all": metric_cell(found["treat_all"], name),
                "spared": metric_cell(measured, f"interventions_avoided_{percent_of_risk}"),
            }
        )
    return sorted(rows, key=lambda row: row["threshold"])


def _group_row(row: Figures) -> dict[str, Any]:
    cells = [metric_cell(row["metrics"], name) for name in OF_GROUPS]
    reasons = {cell.reason for cell in cells}
    is_small = len(reasons) == 1 and all(reasons)
    return {
        **{name: row[name] for name in ("variable", "label", "group", "cases", "known", "events")},
        "cells": [Cell(cell.estimate, cell.interval) for cell in cells] if is_small else cells,
        "note": reasons.pop().removeprefix("not estimable: ") if is_small else "",
    }


def _centre_row(name: str, row: Figures) -> dict[str, Any]:
    cells = [metric_cell(row["metrics"], metric) for metric in OF_GROUPS]
    return {"centre": name, "cases": row["cases"], "events": row["events"], "cells": cells}


def pooled(found: Figures) -> list[dict[str, Any]]:
    """The mean over centres and where the next one is expected, a row a measure; empty where they are too few."""
    over = (found["centres"] or {"heterogeneity": {}})["heterogeneity"]
    return [
        {
            "metric": name,
            "mean": with_interval(value),
            "next": f"{number(value['prediction_lower'])} to {number(value['prediction_upper'])}",
            "tau": number(value["tau"]),
            "centres": value["centres"],
        }
        for name, value in over.items()
        if value["estimate"] is not None
    ]
