"""The facts about mimics, read from their tables; a faulty table is refused, with all that is wrong in it.

`mimic_clusters.csv` holds what multiplies the odds, and `mimic_items.csv` the tests in it; `mimic_tests.csv`
holds the accuracy of each test alone, used or not; `mimic_rules.csv` what flags a mimic without a usable
ratio, and what a diagnostic block says; `mimic_priors.csv` the pre-test probabilities that were published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.axes import FLAGGED_MIMICS, MIMICS, REGIONS, SIDES
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.knowledge_checks import contradictions, gaps, repeated, unknown_words
from features.knowledge_tables import knowledge_table

LR_CAPS = ((50, 5.0), (100, 10.0), (np.inf, 20.0))
"""(patients fewer than, ratio at most): a ratio from a tiny study moves the odds no further than this."""
ROLES = ("cluster", "single", "background", "block")
"""Of each role one counts: the first cluster that is decided, the first further test done, what is known of the
person, relief by a diagnostic block."""
EXAMINED_ROLES = ("cluster", "single")
"""What an examination can complete."""
RULES = (">=", "<=", ">", "<")
RULE_SIDES = ("own", "other", "none")
"""Where a rule looks: on the side in question, on the other one, or at something without a side."""
USES = ("in cluster", "block", "rule", "documented")
KEYS = {
    "mimic_clusters": ["mimic", "cluster"],
    "mimic_items": ["mimic", "cluster", "item"],
    "mimic_tests": ["mimic", "finding"],
    "mimic_rules": ["mimic", "alternative", "item", "region", "side"],
    "mimic_priors": ["mimic", "setting"],
}
"""The tables of the mimics, and what no two rows of one share."""


class Cluster(NamedTuple):
    """Tests that count together, positive when at least `positives_needed` of them are."""

    mimic: str
    name: str
    role: str
    label: str
    positives_needed: int
    lr_positive: float
    """Capped by the size of its study; 1 where none was published."""
    lr_negative: float
    sensitivity: float
    """As published, or as both ratios imply; NaN where neither is known."""
    specificity: float
    n: float
    """Patients behind the figures; NaN where unknown, which counts as few."""
    is_assumed: bool
    """Nobody has measured its ratios."""
    items: tuple[tuple[str, str, float], ...]
    """Its tests as (item, rule, threshold)."""


class Condition(NamedTuple):
    """One finding that a rule asks for."""

    item: str
    region: str
    side: str
    rule: str
    threshold: float


class Rule(NamedTuple):
    """Conditions that flag a mimic when all of them hold; its `name` says so in words."""

    mimic: str
    name: str
    conditions: tuple[Condition, ...]


class MimicFacts(NamedTuple):
    """What the tables say, in their order."""

    clusters: tuple[Cluster, ...]
    rules: tuple[Rule, ...]
    labels: Mapping[str, str]
    """The name of each test of a cluster, by item."""


def clusters() -> tuple[Cluster, ...]:
    """The clusters of `mimic_clusters.csv`, the ratios capped; checked against their own accuracy."""
    return mimic_facts().clusters


@cache
def mimic_facts() -> MimicFacts:
    """All tables of the mimics.

    Raises
    ------
    KnowledgeError
        If a table has an unknown name, a gap, a duplicate, a figure out of range or one that contradicts
        another; all problems are listed.
    """
    tables = {name: knowledge_table(name) for name in KEYS}
    table, items, tests = tables["mimic_clusters"], tables["mimic_items"], tables["mimic_tests"]
    problems = {
        "mimic_clusters": _problems_of_clusters(table, items),
        "mimic_items": _problems_of_items(items, table),
        "mimic_tests": _problems_of_tests(tests, items, table),
        "mimic_rules": _problems_of_rules(tables["mimic_rules"]),
        "mimic_priors": _problems_of_priors(tables["mimic_priors"]),
        "territories": gaps("territory", FLAGGED_MIMICS, knowledge_table("territories")["pain_source"]),
    }
    for name, key in KEYS.items():
        problems[name] = repeated(tables[name], key) + problems[name]
    told = [f"{name}.csv: {problem}" for name, found in problems.items() for problem in dict.fromkeys(found)]
    if told:
        raise KnowledgeError("features/knowledge: " + "\n".join(told))
    in_cluster = tests[tests["use"] == "in cluster"]
    return MimicFacts(
        clusters=_clusters(table, items),
        rules=_rules(tables["mimic_rules"]),
        labels=dict(zip(in_cluster["item"], in_cluster["label"], strict=True)),
    )


def implied_accuracy(lr_positive: float, lr_negative: float) -> tuple[float, float]:
    """Sensitivity and specificity that two likelihood ratios imply.

    From LR+ = sensitivity / (1 - specificity) and LR- = (1 - sensitivity) / specificity.

    >>> sensitivity, specificity = implied_accuracy(4.0, 0.25)
    >>> round(sensitivity, 3), round(specificity, 3)
    (0.8, 0.8)
    """
    if not lr_positive > lr_negative:
        return np.nan, np.nan
    specificity = (lr_positive - 1) / (lr_positive - lr_negative)
    return lr_positive * (1 - specificity), specificity


def _clusters(table: pd.DataFrame, items: pd.DataFrame) -> tuple[Cluster, ...]:
    made = []
    for row in table.itertuples():
        members = items[(items["mimic"] == row.mimic) & (items["cluster"] == row.cluster)]
        lr_positive, lr_negative = _capped(row)
        implied = implied_accuracy(row.lr_positive, row.lr_negative)
        made.append(
            Cluster(
                mimic=row.mimic,
                name=row.cluster,
                role=row.role,
                label=row.label,
                positives_needed=int(row.positives_needed),
                lr_positive=lr_positive,
                lr_negative=lr_negative,
                sensitivity=row.sensitivity if _is_known(row.sensitivity) else implied[0],
                specificity=row.specificity if _is_known(row.specificity) else implied[1],
                n=row.n,
                is_assumed=row.status == "assumption",
                items=tuple(zip(members["item"], members["rule"], members["threshold"], strict=True)),
            )
        )
    return tuple(made)


def _capped(row: Any) -> tuple[float, float]:
    return capped_ratios(row.lr_positive, row.lr_negative, row.n)


def capped_ratios(lr_positive: float, lr_negative: float, n: float) -> tuple[float, float]:
    """The positive and the negative ratio that count: no more extreme than the size of the study allows; 1 for none.

    >>> capped_ratios(24.0, 0.04, 50)
    (10.0, 0.1)
    """
    patients = n if _is_known(n) else 0
    cap = next(ratio for fewer_than, ratio in LR_CAPS if patients < fewer_than)
    return (
        min(lr_positive, cap) if _is_known(lr_positive) else 1.0,
        max(lr_negative, 1 / cap) if _is_known(lr_negative) else 1.0,
    )


def _rules(table: pd.DataFrame) -> tuple[Rule, ...]:
    columns = list(Condition._fields)
    return tuple(
        Rule(mimic, name, tuple(Condition(*row) for row in rows[columns].itertuples(index=False)))
        for (mimic, name), rows in table.fillna({"region": ""}).groupby(["mimic", "alternative"], sort=False)
    )


def _problems_of_clusters(table: pd.DataFrame, items: pd.DataFrame) -> list[str]:
    problems = [
        *unknown_words(table, "mimic", MIMICS),
        *unknown_words(table, "role", ROLES),
        *gaps("cluster", MIMICS, table[table["role"] == "cluster"]["mimic"]),
    ]
    for row in table.itertuples():
        where = row.cluster
        size = ((items["mimic"] == row.mimic) & (items["cluster"] == row.cluster)).sum()
        problems += _problems_of_accuracy(where, row)
        if not 1 <= row.positives_needed <= size:
            problems.append(
                f"{where} has fewer items than it needs positive, or needs none ({row.positives_needed:g} of {size})."
            )
        if row.role in ("single", "block") and size != 1:
            problems.append(f"{where} is a single test but has {size} items.")
        ratios = [_is_known(row.lr_positive), _is_known(row.lr_negative)]
        if not any(ratios) or (row.role != "background" and not all(ratios)):
            problems.append(f"{where} has no usable ratio. It belongs into mimic_tests.csv.")
    return problems + _problems_of_order(table)


def _problems_of_order(table: pd.DataFrame) -> list[str]:
    """Clusters below a weaker one of their role: once that is decided it counts, so a positive test would lower."""
    problems = []
    for _, rows in table.groupby(["mimic", "role"]):
        ratios = [_capped(row)[0] for row in rows.itertuples()]
        for above, ratio, name in zip(ratios, ratios[1:], rows["cluster"].iloc[1:], strict=False):
            if ratio > above:
                problems.append(
                    f"{name} has a positive ratio of {ratio:g} and stands below one of {above:g}: "
                    "move it up, or a positive test could lower the probability."
                )
    return problems


def _problems_of_accuracy(where: str, row: Any) -> Iterable[str]:
    for name in ("sensitivity", "specificity"):
        figure = getattr(row, name)
        if _is_known(figure) and not 0 < figure <= 1:
            yield f"{where} has a {name} of {figure:g}, which is no share in (0, 1]."
    positive, negative = row.lr_positive, row.lr_negative
    if (_is_known(positive) and positive < 1) or (_is_known(negative) and not 0 < negative <= 1):
        yield f"{where}: a positive result would lower the odds, or a negative one raise them."
    if _is_known(row.n) and row.n < 1:
        yield f"{where} rests on {row.n:g} patients."
    for said in contradictions(row.sensitivity, row.specificity, positive, negative):
        yield f"{where}: {said} Correct one of them from the source."


def _problems_of_items(items: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    merged = items.merge(table[["mimic", "cluster", "role"]], on=["mimic", "cluster"], how="left")
    problems = [
        *unknown_words(items, "rule", RULES),
        *(
            f"{row.item} belongs to {row.cluster}, which mimic_clusters.csv does not declare."
            for row in merged[merged["role"].isna()].itertuples()
        ),
        *(f"{row.item} of {row.cluster} has no threshold." for row in items[items["threshold"].isna()].itertuples()),
    ]
    for row in merged.itertuples():
        sides = _sides_wanted(row.role == "background")
        problems += _problems_of_place(row.cluster, row.item, "", sides)
    for item, rows in merged.groupby("item"):
        owners, is_alone = sorted(set(rows["mimic"])), rows["role"] != "cluster"
        if len(owners) > 1:
            problems.append(f"{item} counts for {', '.join(owners)}: it has one owner.")
        elif is_alone.any() and len(rows) > 1:
            problems.append(f"{item} counts in a cluster and alone: each item counts once.")
    return problems


def _problems_of_tests(tests: pd.DataFrame, items: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    problems = [
        *unknown_words(tests, "mimic", MIMICS + FLAGGED_MIMICS),
        *unknown_words(tests, "use", USES),
    ]
    for row in tests.itertuples():
        where = row.finding
        problems += _problems_of_accuracy(where, row)
        if _is_known(row.item):
            problems += [] if _sides_of(row.item) else [f"{where} is read from {row.item}, which the dictionary lacks."]
        elif row.use != "documented":
            problems.append(f"{where} is used, and names no item.")
    named = tests[(tests["use"] == "in cluster") & tests["label"].notna()]
    problems += [f"{item} is named twice." for item in named["item"][named["item"].duplicated()]]
    in_clusters = items.merge(table[table["role"] == "cluster"], on=["mimic", "cluster"])
    return problems + gaps("label", in_clusters["item"], named["item"])


def _problems_of_rules(table: pd.DataFrame) -> list[str]:
    problems = [
        *unknown_words(table, "mimic", MIMICS + FLAGGED_MIMICS),
        *unknown_words(table, "rule", RULES),
        *unknown_words(table, "side", RULE_SIDES),
        *unknown_words(table, "region", REGIONS),
        *gaps("rule", FLAGGED_MIMICS, table["mimic"]),
    ]
    for row in table.itertuples():
        sides = _sides_wanted(row.side == "none")
        region = row.region if _is_known(row.region) else ""
        problems += _problems_of_place(row.alternative, row.item, region, sides)
        if not _is_known(row.threshold):
            problems.append(f"{row.alternative}: {row.item} has no threshold.")
    return problems


def _problems_of_priors(table: pd.DataFrame) -> list[str]:
    problems = [
        *unknown_words(table, "mimic", MIMICS + FLAGGED_MIMICS),
        *gaps("pre-test probability", MIMICS, table["mimic"]),
    ]
    for row in table.itertuples():
        where = f"{row.mimic}, {row.setting}"
        if not (0 < row.low < 1 and 0 < row.high < 1):
            problems.append(f"{where} has a probability outside (0, 1).")
        elif row.low > row.high:
            problems.append(f"{where}: its low {row.low:g} is above its high {row.high:g}.")
    return problems


def _problems_of_place(where: str, item: str, region: str, sides: set[str | None]) -> list[str]:
    known = _sides_of(item, region)
    if not known:
        return [f"{where}: the dictionary has no {item} {region}".rstrip() + " known before the operation."]
    return [] if known == sides else [f"{where}: {item} is recorded for {_in_words(known)}, not {_in_words(sides)}."]


def _sides_of(item: str, region: str | None = None) -> set[str | None]:
    """The sides on which a number is recorded before the operation, in that region or in any; empty where nowhere."""
    found: set[str | None] = set()
    for variable in load_dictionary().predictors:
        at = dict(variable.coordinates)
        if variable.item == item and variable.is_numeric and region in (None, at.get("region", "")):
            found.add(at.get("side"))
    return found


def _sides_wanted(is_sideless: bool) -> set[str | None]:
    return {None} if is_sideless else set(SIDES)


def _in_words(sides: set[str | None]) -> str:
    return "both sides" if sides == set(SIDES) else "no side" if sides == {None} else "some sides"


def _is_known(figure: Any) -> bool:
    return not pd.isna(figure)
