"""The tables of the report, as plain rows: numbers come in, words go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from features.dictionary import Variable, load_dictionary

SETS = ("development", "temporal", "geographic")
COMPARED_METRICS = {
    "auroc": "AUROC",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "brier_score": "Brier score",
    "brier_difference": "Difference in Brier score",
    "net_benefit_30": "Net benefit at 0.30",
}
"""What is shown of learners on the cases of a comparator."""
SHOWN_METRICS = {
    "auroc": "AUROC",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "ici": "ICI",
    "scaled_brier_score": "Scaled Brier score",
    "net_benefit_30": "Net benefit at 0.30",
}


def number(value: float | None, digits: int = 2) -> str:
    """A number for people; an em dash where there is none."""
    if value is None or pd.isna(value):
        return "—"
    return f"{value:.{digits}f}".replace("-", "−")


def with_interval(value: Mapping[str, Any], digits: int = 2) -> str:
    """An estimate with its interval, or why there is none."""
    if value["estimate"] is None:
        return f"not estimable: {value.get('reason', 'no reason given')}"
    if value["lower"] is None:
        return number(value["estimate"], digits)
    return f"{number(value['estimate'], digits)} ({number(value['lower'], digits)} to {number(value['upper'], digits)})"


def metric_rows(metrics: Mapping[str, Any], chosen: str) -> list[dict[str, Any]]:
    """One row a learner and test set, its metrics with intervals."""
    return [
        {
            "learner": learner,
            "test_set": test_set,
            "is_chosen": learner == chosen,
            "n_shown": {
                label: with_interval(measured[name], 3 if name.startswith(("ici", "net", "scaled")) else 2)
                for name, label in SHOWN_METRICS.items()
                if name in measured
            },
        }
        for learner, by_set in metrics.items()
        for test_set, measured in by_set.items()
    ]


def same_case_rows(compared: Mapping[str, Any], learners: Sequence[str]) -> list[dict[str, Any]]:
    """One row a test set, group of cases and learner: the learners on the cases of a comparator.

    `compared` is what `same_cases.json` holds of one outcome and comparator.
    """
    return [
        {
            "test_set": test_set,
            "group": "all" if group == "all" else group.replace("_", " "),
            "learner": learner,
            "cases": f"{found['cases']:,} of {found['of']:,}",
            "prevalence": number(found["prevalence"]["estimate"]),
            "shown": {
                label: with_interval(found["learners"][learner][name], 3 if name.startswith(("brier", "net")) else 2)
                if name in found["learners"][learner]
                else "—"
                for name, label in COMPARED_METRICS.items()
            },
        }
        for test_set in SETS
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
        lines.append((str(diagnosis).replace("_", " "), estimated, wanting or "—"))
    return lines


def characteristics(cases: pd.DataFrame, sets: pd.Series) -> list[tuple[str, list[str]]]:
    """Table 1: each essential variable in development and in the test sets, with what is missing."""
    rows = [("Cases", [f"{(sets == name).sum():,}" for name in SETS])]
    for variable in load_dictionary().essential:
        if variable.form == "keys":
            continue
        if variable.type == "number":
            rows.append((f"{variable.label}, {variable.unit}: mean (SD)", _by_set(cases, sets, variable, _mean_sd)))
        elif variable.type == "yes_no":
            rows.append((variable.label, _by_set(cases, sets, variable, _share_of(1.0))))
        else:
            rows += [
                (f"{variable.label}: {label}", _by_set(cases, sets, variable, _share_of(code)))
                for code, label in variable.choices
            ]
        missing = cases[variable.name].isna()
        if missing.any():
            rows.append((f"{variable.label}: not recorded", [f"{missing[sets == name].mean():.0%}" for name in SETS]))
    return rows


def _by_set(cases: pd.DataFrame, sets: pd.Series, variable: Variable, summary: Any) -> list[str]:
    return [summary(cases.loc[sets == name, variable.name].dropna()) for name in SETS]


def _mean_sd(values: pd.Series) -> str:
    return f"{values.mean():.1f} ({values.std():.1f})" if len(values) > 1 else "—"


def _share_of(code: float | str) -> Any:
    return lambda values: f"{(values == code).mean():.0%}" if len(values) else "—"


def completeness(cases: pd.DataFrame) -> list[tuple[str, int, str]]:
    """How much of each form is recorded: form, variables, share of values present."""
    rows = []
    by_form: dict[str, list[str]] = {}
    for variable in load_dictionary().predictors:
        by_form.setdefault(variable.form, []).append(variable.name)
    for form, names in by_form.items():
        present = cases.reindex(columns=names).notna().to_numpy().mean()
        rows.append((form, len(names), f"{present:.0%}"))
    return rows


def fidelity_section(found: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any] | None:
    """What the page says of the virtual registry beside published figures; None where that was not asked.

    `found` and `table` are the two files of the stage `fidelity`. `misses` come farthest first within a topic.
    """
    if not found["is_applicable"]:
        return None
    order = table["relative_distance"].abs().sort_values(ascending=False, kind="stable").index
    rows = [_fidelity_row(row) for row in table.to_dict("records")]
    topics = list(dict.fromkeys(table["topic"]))
    farthest = sorted((rows[place] for place in order), key=lambda row: topics.index(row["topic"]))
    return {
        **found,
        "topics": {topic: found["topics"][topic] for topic in topics},
        "rows": rows,
        "misses": [row for row in farthest if row["verdict"] == "misses"],
    }


def _fidelity_row(row: Mapping[str, Any]) -> dict[str, str]:
    """A published figure and the registry's, in words."""
    names = ("topic", "what", "verdict", "source", "note", "reason")
    words = {name: "" if pd.isna(row[name]) else str(row[name]) for name in names}
    published = _three_digits(row["published"])
    if not pd.isna(row["published_low"]):
        interval = f"{_three_digits(row['published_low'])} to {_three_digits(row['published_high'])}"
        published = interval if pd.isna(row["published"]) else f"{published} ({interval})"
    registry = _three_digits(row["registry"])
    if not pd.isna(row["registry_low"]):
        registry += f" ({_three_digits(row['registry_low'])} to {_three_digits(row['registry_high'])})"
    direction = "" if row["verdict"] != "misses" else "too high" if row["distance"] > 0 else "too low"
    if row["chance_explains"] == 1:
        direction += ", chance explains it"
    return words | {"published": published, "registry": registry, "direction": direction}


def _three_digits(value: float) -> str:
    return "—" if pd.isna(value) else f"{value:.3g}".replace("-", "−")
