"""The facts about causes of failure, read from their tables; a faulty table is refused, with all that is wrong in it.

`causes.csv` holds how common each cause is among failures by kind of operation, and what it needs;
`cause_findings.csv` what is looked for, and when it counts as present; `cause_evidence.csv` what each finding
says of each cause, by published ratios where there are any and by ordered rules where there are none;
`investigations.csv` what brings a finding to light.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.axes import CAUSES
from features.dictionary import load_dictionary
from features.knowledge_tables import knowledge_table
from features.layout import Floats
from features.mimic_tables import capped_ratios

GROUPS = ("discectomy", "decompression", "fusion")
"""Kinds of operation by which the causes of failure differ."""
STRENGTHS = ("weak", "moderate", "strong")
"""How much a rule says, from the least."""
RULES = tuple(f"{strength} {way}" for strength in STRENGTHS for way in ("for", "against"))


class Cause(NamedTuple):
    """One cause of failure."""

    name: str
    label: str
    kind: str
    """postoperative, technical, selection, patient or unknown."""
    needs: str
    """What was operated on where it can be the cause at all: see `features.causes`."""
    generator: str
    shares: Mapping[str, float]
    """Share of failures by kind of operation, in (0, 1)."""
    source: str
    status: str


class CauseFinding(NamedTuple):
    """Something that is looked for."""

    name: str
    investigation: str
    label: str
    """In words where it is present; `{value}` stands for the number behind it, `{percent}` for the same in percent."""
    negative: str
    """In words where it was sought and is absent."""
    sought: str
    """In words where it was not sought: what there is to ask or to look at."""
    variable: str
    """The one variable that is compared with the threshold; empty where more is needed."""
    rule: str
    threshold: float
    definition: str
    background: float
    """Share of failures from other causes in which it is present."""
    source: str
    status: str


class Investigation(NamedTuple):
    """What brings findings to light."""

    name: str
    label: str
    kind: str
    """record, question, examination, laboratory, image or block."""
    looks_for: str
    includes: tuple[str, ...]
    """Investigations of which it shows everything too."""


class Evidence(NamedTuple):
    """What the findings say of the causes: arrays over the pairs of cause and finding that have a row.

    Pairs are ordered by cause, and within it by cluster; in a cluster they stand as in the table.
    """

    cause: NDArray[np.intp]
    finding: NDArray[np.intp]
    cluster_starts: NDArray[np.intp]
    """Where the pairs of each cluster begin."""
    log_ratio: Floats
    """(n_pairs, 2): log likelihood ratio of a finding that is absent and of one that is present, by ratio."""
    level: NDArray[np.intp]
    """(n_pairs, 2): the strength of a rule from 1 to 3, below 0 where it speaks against, 0 where there is none."""
    mimic: NDArray[np.bool_]
    """(n_pairs,): weighed by the first question's builder of mimics, case by case."""
    rows: tuple[Mapping[str, Any], ...]
    """The row of the table behind each pair."""


@cache
def causes() -> tuple[Cause, ...]:
    """Every cause, in the order of CAUSES."""
    table = knowledge_table("causes").set_index("cause").loc[list(CAUSES)]
    labels = dict(load_dictionary()["adjudicated_cause"].choices)
    return tuple(
        Cause(
            name=str(name),
            label=labels[str(name)],
            kind=row["class"],
            needs=row["needs"],
            generator=row["generator"],
            shares={group: float(row[f"share_{group}"]) for group in GROUPS},
            source=row["source"],
            status=row["status"],
        )
        for name, row in table.iterrows()
    )


@cache
def cause_findings() -> tuple[CauseFinding, ...]:
    """Every finding, in the order of the table."""
    table = knowledge_table("cause_findings").fillna({"variable": "", "rule": ""})
    return tuple(
        CauseFinding(name=row.finding, **{field: getattr(row, field) for field in CauseFinding._fields[1:]})
        for row in table.itertuples()
    )


@cache
def finding_places() -> Mapping[str, int]:
    """Where each finding lies on the axis of findings."""
    return {finding.name: place for place, finding in enumerate(cause_findings())}


@cache
def investigations() -> tuple[Investigation, ...]:
    """Every investigation, from the least burden on."""
    table = knowledge_table("investigations").fillna({"includes": ""})
    return tuple(
        Investigation(row.investigation, row.label, row.kind, row.looks_for, tuple(row.includes.split()))
        for row in table.itertuples()
    )


@cache
def able_investigations() -> tuple[Investigation, ...]:
    """Those that can be done at a work-up, in the order of the table: all but the record before the operation."""
    return tuple(one for one in investigations() if one.kind != "record")


@cache
def evidence() -> Evidence:
    """What the findings say of the causes: see `Evidence`."""
    table = knowledge_table("cause_evidence").fillna({"if_present": "", "if_absent": ""})
    order = pd.DataFrame({"cause": table["cause"].map(CAUSES.index), "finding": table["finding"].map(finding_places())})
    order["cluster"] = table["cluster"]
    first = order.groupby(["cause", "cluster"])["finding"].transform("min")
    table = table.assign(**order[["cause", "finding"]], first=first)
    table = table.sort_values(["cause", "first", "cluster", "finding"], kind="stable").reset_index(drop=True)
    is_new = table.duplicated(["cause", "cluster"]).to_numpy() ^ True
    return Evidence(
        cause=table["cause"].to_numpy(np.intp),
        finding=table["finding"].to_numpy(np.intp),
        cluster_starts=np.flatnonzero(is_new),
        log_ratio=np.array([_log_ratios(row) for row in table.itertuples()]),
        level=np.array([[_level(row.if_absent), _level(row.if_present)] for row in table.itertuples()], dtype=np.intp),
        mimic=(table["basis"] == "mimic").to_numpy(),
        rows=tuple(table.drop(columns=["first"]).to_dict("records")),
    )


def check_cause_tables() -> object:
    """Everything that the tables of causes hold, so that a fault in any of them is told."""
    return causes(), cause_findings(), investigations(), evidence()


def _log_ratios(row: Any) -> tuple[float, float]:
    """Of an absent and of a present finding; no further than the size of the study allows."""
    if row.basis != "ratio":
        return 0.0, 0.0
    positive, negative = stated_ratios(row.sensitivity, row.specificity, row.lr_positive, row.lr_negative)
    positive, negative = capped_ratios(positive, negative, row.n)
    return float(np.log(negative)), float(np.log(positive))


def stated_ratios(
    sensitivity: float, specificity: float, lr_positive: float, lr_negative: float
) -> tuple[float, float]:
    """The positive and the negative likelihood ratio, as stated or as sensitivity and specificity give them.

    >>> stated_ratios(0.8, 0.8, float("nan"), float("nan"))
    (4.0, 0.25)
    """
    positive = sensitivity / (1 - specificity) if np.isnan(lr_positive) else lr_positive
    negative = (1 - sensitivity) / specificity if np.isnan(lr_negative) else lr_negative
    return round(float(positive), 9), round(float(negative), 9)


def _level(rule: str) -> int:
    if not rule:
        return 0
    strength, way = rule.split()
    return (STRENGTHS.index(strength) + 1) * (1 if way == "for" else -1)
