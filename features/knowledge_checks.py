"""What is wrong with a knowledge table: each function names every fault it looks for, in words.

Rows are named by their line in the file (the header is line 1). What holds for every table goes by the
names of its columns: a `share` is a proportion, `low` and `high` hold their `value`, a ratio agrees with
its sensitivity and specificity. What one table promises beyond that stands in `TABLE_PROBLEMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd

from features.axes import CAUSES, LEVELS, MIMICS, REGIONS, ROOTS, ZONES

STATUSES = ("verified", "memory", "mixed", "derived", "assumption", "expert_assignment")
SOURCED_ELSEWHERE = ("choices", "mimic_items")
"""Choices are sourced by the variables that use them, items of a cluster by their cluster."""
WITHOUT_STATUS = (*SOURCED_ELSEWHERE, "variables")
"""A variable is a declaration and not a measurement: it names a source, and is neither sure nor unsure."""
PROPORTIONS = ("share", "prevalence", "reach", "sensitivity", "specificity", "prior")
"""Columns that hold a proportion in [0, 1] in whatever table they stand."""
INTERVALS = (("value", "low", "high"), *((name, f"{name}_low", f"{name}_high") for name in PROPORTIONS))
"""(estimate, its lower bound, its upper bound) by column."""
ACCURACY = ("sensitivity", "specificity", "lr_positive", "lr_negative")
"""What the accuracy of a test is told by; the ratios follow from the first two."""
RATIO_TOLERANCE = 0.15
"""How far a published ratio may stand from its own sensitivity and specificity (rounding in print)."""
SMALLEST_RATIO = 0.1
"""Below this a ratio is compared by difference: rounding moves 0.02 by half and means nothing."""
DECADES = (20, 30, 40, 50, 60, 70, 80)
"""Ages at which the prevalence of a finding is given."""
ROOT_ZONES = (*ZONES, "paracentral_up", "paracentral_down")
AXIAL_SOURCES = ("disc", "facet")
ROWS_NAMED = 5
LINE_OF_FIRST_ROW = 2

Read = Callable[[str], pd.DataFrame]


SUREST_WEIGHT = 0.99
"""No finding is a certain source of pain: as odds, a weight of 1 would outweigh everything else."""


def table_problems(table: pd.DataFrame, name: str, read: Read) -> list[str]:
    """Everything that is wrong with a table; `read` gives the others that it has to agree with."""
    problems = general_problems(table, name)
    missing = [column for column in TABLE_COLUMNS.get(name, ()) if column not in table.columns]
    if missing:
        return [*problems, f"there is no column {', '.join(missing)}."]
    return problems + (TABLE_PROBLEMS[name](table, read) if name in TABLE_PROBLEMS else [])


def general_problems(table: pd.DataFrame, name: str) -> list[str]:
    """Faults that any table can have: no source, no status, a proportion beyond 1, a contradiction."""
    problems = unsourced(table, name)
    if "status" in table.columns:
        problems += unknown_words(table, "status", STATUSES)
    for column in PROPORTIONS:
        problems += outside(table, column, 0, 1)
    for estimate, low, high in INTERVALS:
        problems += intervals_without_their_estimate(table, estimate, low, high)
    return problems + contradicted_ratios(table)


def unsourced(table: pd.DataFrame, name: str) -> list[str]:
    """Rows without a source or a status, and a table that lacks the column."""
    problems = []
    for column, excused in (("source", SOURCED_ELSEWHERE), ("status", WITHOUT_STATUS)):
        if column not in table.columns:
            problems += [] if name in excused else [f"there is no column {column}. {_EVERY_FACT}"]
            continue
        text = table[column].astype("string").str.strip()
        empty = table.index[text.isna() | (text == "")]
        if len(empty):
            first = empty[0] + LINE_OF_FIRST_ROW
            problems.append(f"{len(empty)} rows have no {column} (first: row {first}). {_EVERY_FACT}")
    return problems


_EVERY_FACT = "Every fact says where it comes from and how sure it is."


def unknown_words(table: pd.DataFrame, column: str, allowed: Collection[str]) -> list[str]:
    """Words of a column that are none of those allowed; an empty cell is no word."""
    words = table[column].dropna().astype(str)
    unknown = sorted(set(words) - set(allowed))
    if not unknown:
        return []
    seen = _rows(words.isin(unknown)).removeprefix(" in ")
    return [f"unknown {column} {', '.join(unknown)}. It is one of {', '.join(allowed)}; see {seen}."]


def outside(table: pd.DataFrame, column: str, lower: float, upper: float) -> list[str]:
    """Values of a column outside [lower, upper], or that are no number; an empty cell is none."""
    if column not in table.columns:
        return []
    wrong = table[column].notna() & ~_numbers(table[column]).between(lower, upper)
    return [f"{column} is outside {lower:g} to {upper:g}{_rows(wrong)}."] if wrong.any() else []


def repeated(table: pd.DataFrame, key: Iterable[str]) -> list[str]:
    """Rows that state one fact twice: the same key as an earlier row."""
    key = list(key)
    again = table.duplicated(key)
    return [f"row {_lines(again)[0]} repeats the {', '.join(key)} of another row."] if again.any() else []


def gaps(what: str, expected: Iterable[object], found: Iterable[object]) -> list[str]:
    """What is expected and not there, in the order in which it is expected."""
    there = set(found)
    missing = [_words(one) for one in dict.fromkeys(expected) if one not in there]
    return [f"there is no {what} for {', '.join(missing)}."] if missing else []


def intervals_without_their_estimate(table: pd.DataFrame, estimate: str, low: str, high: str) -> list[str]:
    """Intervals that do not hold their estimate, stand on their head, or have one end."""
    if not {estimate, low, high} <= set(table.columns):
        return []
    value, lower, upper = (_numbers(table[column]) for column in (estimate, low, high))
    problems = []
    half = lower.isna() ^ upper.isna()
    if half.any():
        problems.append(f"{low} and {high} stand alone{_rows(half)}. An interval has two ends.")
    beyond = (lower > upper) | (value < lower) | (value > upper)
    if beyond.any():
        problems.append(f"{low} to {high} does not hold its {estimate}{_rows(beyond)}.")
    return problems


def contradicted_ratios(table: pd.DataFrame) -> list[str]:
    """Likelihood ratios, in columns of their own, that their sensitivity and specificity contradict."""
    if not set(ACCURACY) <= set(table.columns):
        return []
    figures = zip(*(_numbers(table[name]) for name in ACCURACY), strict=True)
    return [
        f"row {line}: {said}"
        for line, of_one in enumerate(figures, start=LINE_OF_FIRST_ROW)
        for said in contradictions(*of_one)
    ]


def contradictions(sensitivity: float, specificity: float, lr_positive: float, lr_negative: float) -> list[str]:
    """What a test's ratios say against its sensitivity and specificity; nothing where one is NaN.

    Examples
    --------
    >>> contradictions(0.91, 0.78, 4.16, 0.12)
    []
    >>> contradictions(0.91, 0.78, 9.9, 0.12)
    ['a positive ratio of 9.9, but sensitivity and specificity give 4.14.']
    """
    if np.isnan(sensitivity) or np.isnan(specificity):
        return []
    with np.errstate(divide="ignore"):
        derived = np.divide([sensitivity, 1 - sensitivity], [1 - specificity, specificity])
    stated = (("positive", lr_positive), ("negative", lr_negative))
    return [
        f"a {name} ratio of {figure:g}, but sensitivity and specificity give {ratio:.2f}."
        for (name, figure), ratio in zip(stated, derived, strict=True)
        if abs(figure - ratio) > RATIO_TOLERANCE * max(ratio, SMALLEST_RATIO)
    ]


def _numbers(column: pd.Series) -> pd.Series:
    """The column as floats, NaN where it is empty or no number."""
    return pd.to_numeric(column, errors="coerce").astype(np.float64)


def _rows(wrong: pd.Series) -> str:
    lines = _lines(wrong)
    shown = ", ".join(map(str, lines[:ROWS_NAMED])) + (", ..." if len(lines) > ROWS_NAMED else "")
    return f" in row{'s' if len(lines) > 1 else ''} {shown}"


def _lines(wrong: pd.Series) -> list[int]:
    return [int(row) + LINE_OF_FIRST_ROW for row in wrong.index[wrong]]


def _words(one: object) -> str:
    return " ".join(map(str, one)) if isinstance(one, tuple) else str(one)


# What one table promises


def _root_reach_problems(table: pd.DataFrame, read: Read) -> list[str]:
    expected = [(level, zone) for level in LEVELS for zone in ROOT_ZONES]
    found = table[_numbers(table["reach"]) > 0]
    return [
        *repeated(table, ["level", "zone", "root"]),
        *unknown_words(table, "level", LEVELS),
        *unknown_words(table, "zone", ROOT_ZONES),
        *unknown_words(table, "root", ROOTS),
        *gaps("root", expected, zip(found["level"], found["zone"], strict=True)),
    ]


def _territory_problems(table: pd.DataFrame, read: Read) -> list[str]:
    return [
        *repeated(table, ["pain_source", "region"]),
        *unknown_words(table, "region", REGIONS),
        *gaps("territory", ROOTS + AXIAL_SOURCES + MIMICS, table[_numbers(table["share"]) > 0]["pain_source"]),
    ]


def _prevalence_problems(table: pd.DataFrame, read: Read) -> list[str]:
    ages = _numbers(table["age_years"])
    weights = read("lesion_weights")["prevalence_finding"].dropna()
    findings = [*dict.fromkeys(table["finding"]), *dict.fromkeys(weights)]
    expected = [(finding, f"at {age}") for finding in findings for age in DECADES]
    found = ((finding, f"at {age:g}") for finding, age in zip(table["finding"], ages, strict=True))
    return [*repeated(table, ["finding", "age_years"]), *gaps("prevalence", expected, found)]


def _weight_problems(table: pd.DataFrame, read: Read) -> list[str]:
    """A grade without a weight is not harmless until somebody says so: an explicit 0."""
    abnormal = _abnormal_codes(read("variables"), read("choices"))
    keyed = table.fillna({"zone": ""})
    rows = [
        (item, zone, site_zone)
        for item, zone, site_zone in keyed[["item", "zone", "site_zone"]].itertuples(index=False)
    ]
    expected = [
        (item, *(part for part in (zone, "at the", site_zone) if part), f"grade {code:g}")
        for item, zone, site_zone in dict.fromkeys(rows)
        for code in abnormal.get(item, ())
    ]
    found = [
        (item, *(part for part in (zone, "at the", site_zone) if part), f"grade {grade:g}")
        for (item, zone, site_zone), grade in zip(rows, _numbers(keyed["grade"]), strict=True)
    ]
    unknown = [f"{_words(one)} is no grade of the dictionary." for one in found if one not in set(expected)]
    return [
        *repeated(table, ["item", "zone", "site_zone", "grade"]),
        *outside(table, "weight", 0, SUREST_WEIGHT),
        *unknown_words(table, "site_zone", (*ROOT_ZONES, *AXIAL_SOURCES)),
        *gaps("weight", expected, found),
        *unknown,
    ]


def _abnormal_codes(variables: pd.DataFrame, choices: pd.DataFrame) -> dict[str, list[float]]:
    """Grades above 0 of each graded finding of the scan, by item."""
    graded = variables[(variables["form"] == "imaging") & variables["type"].isin(["grade", "yes_no"])]
    codes = {name: pd.to_numeric(rows["code"], errors="coerce") for name, rows in choices.groupby("choices")}
    return {
        item: [code for code in codes[name] if code > 0]
        for item, name in zip(graded["item"], graded["choices"], strict=True)
        if name in codes
    }


def _ratio_problems(table: pd.DataFrame, read: Read) -> list[str]:
    upside_down = _numbers(table["grade_from"]) > _numbers(table["grade_to"])
    problems = [
        *repeated(table, ["finding", "metric", "question", "source"]),
        *_undeclared_items(table, read),
        *unknown_words(table, "metric", RATIO_METRICS),
        *([f"grade_from is above grade_to{_rows(upside_down)}."] if upside_down.any() else []),
    ]
    for metric, rows in table.groupby("metric"):
        if metric in RATIO_METRICS:
            problems += [f"{metric}: {said}" for said in outside(rows, "value", *RATIO_METRICS[str(metric)])]
    kept = table[table["metric"].isin(ACCURACY)]
    for (finding, _, _), rows in kept.groupby(["finding", "question", "source"], sort=False):
        figures = _numbers(rows.drop_duplicates("metric").set_index("metric")["value"]).reindex(list(ACCURACY))
        problems += [f"{finding}: {said}" for said in contradictions(*map(float, figures))]
    return problems


def _sign_problems(table: pd.DataFrame, read: Read) -> list[str]:
    return [
        *repeated(table, ["item", "tested_root", "root"]),
        *_undeclared_items(table, read),
        *unknown_words(table, "root", ROOTS),
        *unknown_words(table, "tested_root", ROOTS),
        *unknown_words(table, "rule", ("<=", ">=")),
    ]


def _undeclared_items(table: pd.DataFrame, read: Read) -> list[str]:
    declared = set(read("variables")["item"])
    return [
        f"{item} is no item of variables.csv." for item in dict.fromkeys(table["item"].dropna()) if item not in declared
    ]


RATIO_METRICS = {
    "odds_ratio": (0.0, np.inf),
    "lr_positive": (1.0, np.inf),
    "lr_negative": (0.0, 1.0),
    "sensitivity": (0.0, 1.0),
    "specificity": (0.0, 1.0),
    "share_with_pain": (0.0, 1.0),
    "share_without_pain": (0.0, 1.0),
    "share_with_symptoms": (0.0, 1.0),
}
"""Metrics of `finding_ratios.csv` and the range of each; the shares are of people."""


def _agreement_problems(table: pd.DataFrame, read: Read) -> list[str]:
    nothing = table["value"].isna() & table["low"].isna()
    return [
        *repeated(table, ["finding", "statistic", "comparison", "source"]),
        *_undeclared_items(table, read),
        *unknown_words(table, "setting", SETTINGS),
        *(problem for column in ("value", "low", "high") for problem in outside(table, column, -1, 1)),
        *([f"neither a value nor a range{_rows(nothing)}."] if nothing.any() else []),
    ]


SETTINGS = ("trial", "routine", "developers", "patients")
"""Who read: readers of a trial, of daily practice, those who devised the grading, or patients drawing."""


def _red_flag_problems(table: pd.DataFrame, read: Read) -> list[str]:
    said = table.groupby("red_flag")[["label", "urgency", "action"]].nunique(dropna=False)
    two = said.index[(said > 1).any(axis=1)]
    return [
        *repeated(table, ["red_flag", "all_of"]),
        *unknown_words(table, "urgency", ("emergency", "urgent")),
        *(f"{flag} has more than one label, urgency or action." for flag in two),
        *_empty(table, said),
    ]


def _cause_problems(table: pd.DataFrame, read: Read) -> list[str]:
    shares = [column for column in table if str(column).startswith("share_")]
    none_found = table["cause"] == NONE_FOUND
    others = {column: _numbers(table[column])[~none_found].max() for column in shares}
    below = [column for column in shares if (_numbers(table[column])[none_found] <= others[column]).any()]
    return [
        *repeated(table, ["cause"]),
        *unknown_words(table, "cause", CAUSES),
        *gaps("row", CAUSES, table["cause"]),
        *unknown_words(table, "class", CAUSE_CLASSES),
        *unknown_words(table, "needs", CAUSE_NEEDS),
        *(problem for column in shares for problem in outside(table, column, *OPEN_UNIT)),
        *(
            f"{column} of {NONE_FOUND} is not above all others: it leads where nothing speaks for any."
            for column in below
        ),
        *_empty(table, ("class", "needs", "generator")),
    ]


NONE_FOUND = "none_found"
CAUSE_CLASSES = ("postoperative", "postoperative or missed", "technical", "selection", "patient", "unknown")
CAUSE_NEEDS = ("any", "opened", "disc", "disc_one_side", "fused", "implant")
OPEN_UNIT = (0.001, 0.999)
"""A proportion whose odds are wanted is neither 0 nor 1."""


def _cause_finding_problems(table: pd.DataFrame, read: Read) -> list[str]:
    alone = table[table["variable"].notna()]
    known = read("variables").set_index("name")["known"]
    problems = [
        f"{row.finding} is read from {row.variable}, which is no variable known by the follow-up."
        for row in alone.itertuples()
        if known.get(row.variable, "adjudication") == "adjudication"
    ]
    return [
        *repeated(table, ["finding"]),
        *_empty(table, ("label", "negative", "sought", "definition", "investigation", "background")),
        *_empty(alone, ("rule", "threshold")),
        *unknown_words(alone, "rule", (">=", "<=")),
        *unknown_words(table, "investigation", read("investigations")["investigation"].astype(str)),
        *gaps("evidence", table["finding"], read("cause_evidence")["finding"]),
        *outside(table, "background", *OPEN_UNIT),
        *problems,
    ]


def _cause_evidence_problems(table: pd.DataFrame, read: Read) -> list[str]:
    return [
        *repeated(table, ["cause", "finding"]),
        *unknown_words(table, "cause", [cause for cause in CAUSES if cause != NONE_FOUND]),
        *unknown_words(table, "finding", read("cause_findings")["finding"].astype(str)),
        *unknown_words(table, "basis", EVIDENCE_BASES),
        *(problem for column in EVIDENCE_WORDS for problem in unknown_words(table, column, EVIDENCE_RULES)),
        *gaps("evidence", [cause for cause in CAUSES if cause != NONE_FOUND], table["cause"]),
        *_empty(table, ("cluster",)),
        *(problem for row in table.itertuples() for problem in _row_of_evidence_problems(row)),
    ]


EVIDENCE_BASES = ("ratio", "rule", "mimic")
"""A published likelihood ratio, an ordered rule, or what the first question's builder of mimics says."""
EVIDENCE_WORDS = ("if_present", "if_absent")
EVIDENCE_RULES = tuple(f"{strength} {way}" for way in ("for", "against") for strength in ("weak", "moderate", "strong"))
MIMIC_PARTS = ("tests", "block", "age")


def _row_of_evidence_problems(row: Any) -> list[str]:
    """What is wrong with one row: figures and words mixed, none of them, or a finding that cannot lose."""
    where = f"{row.cause}, {row.finding}"
    words = [word for word in (row.if_present, row.if_absent) if not pd.isna(word)]
    has_accuracy = not (np.isnan(row.sensitivity) or np.isnan(row.specificity))
    has_ratios = not (np.isnan(row.lr_positive) or np.isnan(row.lr_negative))
    has_figures = not np.isnan([row.sensitivity, row.specificity, row.lr_positive, row.lr_negative]).all()
    if row.basis == "rule":
        both = len(words) == len(EVIDENCE_WORDS) and len({word.split()[-1] for word in words}) == 1
        return [
            *([] if words else [f"{where} is a rule that says nothing."]),
            *([f"{where} is a rule and has figures: which of them counts?"] if has_figures else []),
            *([f"{where} speaks {words[0].split()[-1]} the cause whether it is there or not."] if both else []),
        ]
    problems = [f"{where} has the words of a rule, and is none."] if words else []
    if row.basis == "ratio":
        is_whole = has_accuracy or has_ratios
        problems += [] if is_whole else [f"{where} has no ratio, nor a sensitivity and a specificity."]
        problems += [f"{where}: {said}" for said in _wrong_ratios(row)]
    if row.basis == "mimic":
        mimic, _, part = str(row.finding).rpartition("_")
        problems += [f"{where} has figures, but mimic_clusters.csv has them."] if has_figures else []
        problems += [] if mimic in MIMICS and part in MIMIC_PARTS else [f"{where} is nothing that the mimics weigh."]
    return problems


def _wrong_ratios(row: Any) -> list[str]:
    """A certain test, and ratios that lie on one side of 1."""
    certain = [name for name in ("sensitivity", "specificity") if getattr(row, name) in (0, 1)]
    is_one_sided = (row.lr_positive - 1) * (row.lr_negative - 1) > 0
    return [
        *(f"a {name} of 0 or 1 makes a finding certain." for name in certain),
        *(["both ratios speak the same way."] if is_one_sided else []),
    ]


def _investigation_problems(table: pd.DataFrame, read: Read) -> list[str]:
    included = table["includes"].dropna().astype(str).str.split().explode()
    unknown = sorted(set(included) - set(table["investigation"]))
    return [
        *repeated(table, ["investigation"]),
        *unknown_words(table, "kind", INVESTIGATION_KINDS),
        *_empty(table, ("label", "kind", "looks_for")),
        *gaps("finding", table["investigation"], read("cause_findings")["investigation"]),
        *(f"{name} is included somewhere and declared nowhere." for name in unknown),
    ]


INVESTIGATION_KINDS = ("record", "question", "examination", "laboratory", "image", "block")


def _empty(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Columns with cells that must not be empty."""
    return [f"{column} is empty{_rows(table[column].isna())}." for column in columns if table[column].isna().any()]


TABLE_COLUMNS = {
    "root_reach": ("level", "zone", "root", "reach"),
    "territories": ("pain_source", "region", "share", "n"),
    "asymptomatic_prevalence": ("finding", "age_years", "prevalence", "n"),
    "lesion_weights": ("item", "zone", "site_zone", "grade", "weight", "prevalence_finding"),
    "root_signs": ("item", "tested_root", "root", "rule", "threshold", "weight"),
    "finding_ratios": ("finding", "item", "grade_from", "grade_to", "metric", "value", "low", "high", "question"),
    "reader_agreement": ("finding", "item", "setting", "statistic", "comparison", "value", "low", "high"),
    "grading_systems": ("item", "system", "written_as"),
    "red_flags": ("red_flag", "label", "all_of", "urgency", "action"),
    "followup_red_flags": ("red_flag", "label", "all_of", "urgency", "action"),
    "causes": ("cause", "class", "needs", "generator", "share_discectomy", "share_decompression", "share_fusion"),
    "cause_findings": (
        "finding",
        "investigation",
        "label",
        "negative",
        "sought",
        "variable",
        "rule",
        "threshold",
        "definition",
        "background",
    ),
    "cause_evidence": ("cause", "finding", "cluster", "basis", *ACCURACY, "n", *EVIDENCE_WORDS),
    "investigations": ("investigation", "label", "kind", "looks_for", "includes"),
}
"""Columns without which a table cannot be checked any further."""

TABLE_PROBLEMS: dict[str, Callable[[pd.DataFrame, Read], list[str]]] = {
    "root_reach": _root_reach_problems,
    "territories": _territory_problems,
    "asymptomatic_prevalence": _prevalence_problems,
    "lesion_weights": _weight_problems,
    "root_signs": _sign_problems,
    "finding_ratios": _ratio_problems,
    "reader_agreement": _agreement_problems,
    "grading_systems": lambda table, read: [*repeated(table, ["item"]), *_undeclared_items(table, read)],
    "red_flags": _red_flag_problems,
    "followup_red_flags": _red_flag_problems,
    "causes": _cause_problems,
    "cause_findings": _cause_finding_problems,
    "cause_evidence": _cause_evidence_problems,
    "investigations": _investigation_problems,
}
