"""The facts about treatments, read from their tables; a faulty table is refused, with all that is wrong in it.

`treatments.csv` holds what is done for each generator of pain, the least invasive first; `treatment_confirmations.csv`
what must be shown before anything invasive; `contraindications.csv` what the record forbids, of treatments and of
investigations; `treatment_goals.csv` the change that counts. What a rule asks of a case is written in the words of
`features/conditions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.conditions import Clauses, names_in, read_conditions
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.knowledge_checks import gaps, outside, repeated, unknown_words
from features.knowledge_tables import knowledge_table

TIERS: Mapping[int, str] = {
    0: "at once",
    1: "first: education, exercise, manual therapy, psychology, medication",
    2: "then: injections and short courses of stronger drugs",
    3: "then: radiofrequency, stimulation, operation",
    4: "at last",
}
"""Of treatments, the least invasive first."""
TAGS = (
    "referral",
    "exercise",
    "manual_therapy",
    "psychology",
    "drug",
    "injection",
    "steroid",
    "toxin",
    "ablation",
    "basivertebral",
    "stimulation",
    "trial",
    "implant",
    "pump",
    "surgery",
    "revision",
    "fusion",
    "arthroplasty",
    "rule",
)
"""What a treatment is; a rule is advice that shows, and is never withheld."""
INVASIVE_TAGS = ("injection", "ablation", "stimulation", "pump", "surgery")
CORRECTS = "has_correctable_lesion"
"""What conditions can name beside the record: a generator has a lesion, confirmed, that an operation can correct."""
EVERYBODY = "any"
"""Generator of what helps whatever the source."""
EFFECTS = ("withhold", "caution")
KEYS = {
    "treatments": ["generator", "treatment"],
    "treatment_confirmations": ["confirmation", "all_of"],
    "contraindications": ["applies_to", "effect", "all_of"],
    "treatment_goals": ["goal"],
}
"""The tables, and what no two rows of one share."""
COLUMNS = {
    "treatments": (
        *("generator", "treatment", "label", "tier", "tags", "all_of", "needs", "tried", "goals", "review_weeks"),
        *("stop", "evidence", "effect", "source", "status"),
    ),
    "treatment_confirmations": ("confirmation", "label", "all_of", "investigation", "source", "status"),
    "contraindications": ("applies_to", "effect", "all_of", "reason", "source", "status"),
    "treatment_goals": ("goal", "label", "variable", "points", "percent", "detectable", "source", "status"),
}
"""Columns without which a table cannot be checked any further."""


class Goal(NamedTuple):
    """The change that counts in one measure; NaN where there is no such figure."""

    goal: str
    label: str
    variable: str
    points: float
    percent: float
    detectable: float
    """A smaller change in one person may be an error of measurement."""
    source: str
    status: str


class Confirmation(NamedTuple):
    """What must be shown: any of its ways to hold."""

    name: str
    label: str
    ways: tuple[Clauses, ...]
    investigations: tuple[str, ...]
    """What shows it, all of them together; none for what is a treatment itself."""
    source: str
    status: str


class Treatment(NamedTuple):
    """One row of `treatments.csv`."""

    generator: str
    name: str
    label: str
    tier: int
    tags: tuple[str, ...]
    indication: Clauses
    needs: str
    """The confirmation that it waits for, or empty."""
    tried: Clauses
    goals: tuple[str, ...]
    review_weeks: float
    stop: str
    evidence: str
    effect: str
    source: str
    status: str

    @property
    def is_rule(self) -> bool:
        return "rule" in self.tags

    @property
    def is_invasive(self) -> bool:
        return bool(set(self.tags) & set(INVASIVE_TAGS))

    @property
    def corrects(self) -> bool:
        """Whether it is an operation that corrects a lesion left or new after the first one."""
        return "revision" in self.tags


class Contraindication(NamedTuple):
    """One row of `contraindications.csv`."""

    applies_to: tuple[str, ...]
    """Treatments, tags of treatments, investigations."""
    effect: str
    conditions: Clauses
    reason: str
    source: str
    status: str

    def concerns(self, treatment: Treatment) -> bool:
        return bool({treatment.name, *treatment.tags} & set(self.applies_to))


class TreatmentFacts(NamedTuple):
    """What the tables say, in their order."""

    treatments: tuple[Treatment, ...]
    confirmations: Mapping[str, Confirmation]
    contraindications: tuple[Contraindication, ...]
    goals: Mapping[str, Goal]
    generator_of: Mapping[str, str]
    """The generator of each cause."""

    def of_generator(self, generator: str) -> tuple[Treatment, ...]:
        """Its treatments, the least invasive first; of one tier in the order of the table."""
        return tuple(sorted((t for t in self.treatments if t.generator == generator), key=lambda t: t.tier))


@cache
def treatment_facts() -> TreatmentFacts:
    """All tables of the plan.

    Raises
    ------
    KnowledgeError
        If a table has an unknown name, a gap, a duplicate, a condition that cannot be read, or an operation
        that waits for nothing; all problems are listed.
    """
    tables = {name: knowledge_table(name) for name in KEYS}
    causes = knowledge_table("causes")
    _refuse({name: _missing_columns(table, COLUMNS[name]) for name, table in tables.items()})
    _refuse(problems_of_tables(tables, causes, knowledge_table("investigations")))
    return TreatmentFacts(
        treatments=tuple(_treatment(row) for row in _records(tables["treatments"])),
        confirmations=_confirmations(tables["treatment_confirmations"]),
        contraindications=tuple(_contraindication(row) for row in _records(tables["contraindications"])),
        goals={row["goal"]: Goal(**row) for row in _records(tables["treatment_goals"])},
        generator_of=dict(zip(causes["cause"], causes["generator"], strict=True)),
    )


def problems_of_tables(
    tables: Mapping[str, pd.DataFrame], causes: pd.DataFrame, investigations: pd.DataFrame
) -> dict[str, list[str]]:
    """Everything that is wrong with the tables of the plan, by table."""
    of_each = {
        "treatments": treatment_problems(tables, causes),
        "treatment_confirmations": confirmation_problems(tables, investigations),
        "contraindications": contraindication_problems(tables, investigations),
        "treatment_goals": goal_problems(tables["treatment_goals"]),
    }
    return {name: repeated(tables[name], KEYS[name]) + problems for name, problems in of_each.items()}


def _missing_columns(table: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    missing = [column for column in columns if column not in table.columns]
    return [f"there is no column {', '.join(missing)}."] if missing else []


def _refuse(found: Mapping[str, list[str]]) -> None:
    told = [f"{name}.csv: {problem}" for name, problems in found.items() for problem in dict.fromkeys(problems)]
    if told:
        raise KnowledgeError("features/knowledge: " + "\n".join(told))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, empty text for an empty cell of words, NaN for one of numbers."""
    words = table.select_dtypes(exclude="number").columns
    return table.fillna(dict.fromkeys(words, "")).to_dict("records")


def _treatment(row: Mapping[str, Any]) -> Treatment:
    return Treatment(
        generator=row["generator"],
        name=row["treatment"],
        label=row["label"],
        tier=int(row["tier"]),
        tags=_parts(row["tags"]),
        indication=_clauses(row["all_of"]),
        needs=row["needs"],
        tried=_clauses(row["tried"]),
        goals=_parts(row["goals"]),
        review_weeks=row["review_weeks"],
        stop=row["stop"],
        evidence=row["evidence"],
        effect=row["effect"],
        source=row["source"],
        status=row["status"],
    )


def _confirmations(table: pd.DataFrame) -> dict[str, Confirmation]:
    made: dict[str, Confirmation] = {}
    for row in _records(table):
        name, clauses = row["confirmation"], _clauses(row["all_of"])
        earlier = made[name].ways if name in made else ()
        made[name] = Confirmation(
            name, row["label"], (*earlier, clauses), _parts(row["investigation"]), row["source"], row["status"]
        )
    return made


def _contraindication(row: Mapping[str, Any]) -> Contraindication:
    return Contraindication(
        applies_to=tuple(row["applies_to"].split(", ")),
        effect=row["effect"],
        conditions=_clauses(row["all_of"]),
        reason=row["reason"],
        source=row["source"],
        status=row["status"],
    )


def _clauses(text: str) -> Clauses:
    return read_conditions(text, MORE_NAMES).clauses


MORE_NAMES = frozenset([CORRECTS])


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split("+")) if text else ()


# What is wrong with them


def treatment_problems(tables: Mapping[str, pd.DataFrame], causes: pd.DataFrame) -> list[str]:
    """Faults of `treatments.csv`: every operation that corrects waits for its lesion, every cause has a treatment."""
    table = tables["treatments"]
    confirmations = set(tables["treatment_confirmations"]["confirmation"])
    problems = [
        *outside(table, "tier", min(TIERS), max(TIERS)),
        *outside(table, "review_weeks", 1, 52),
        *gaps("treatment", [EVERYBODY, *dict.fromkeys(causes["generator"])], table["generator"]),
        *unknown_words(table, "generator", [EVERYBODY, *dict.fromkeys(causes["generator"])]),
        *unknown_words(table, "needs", sorted(confirmations)),
    ]
    for row in _records(table):
        problems += [f"{row['generator']}, {row['treatment']}: {said}" for said in _problems_of_treatment(row, tables)]
    return problems


def _problems_of_treatment(row: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> list[str]:
    tags, goals = _parts(row["tags"]), _parts(row["goals"])
    known = set(tables["treatment_goals"]["goal"])
    problems = [
        *_unreadable(row["all_of"]),
        *_unreadable(row["tried"]),
        *(f"has the unknown tag {tag}." for tag in tags if tag not in TAGS),
        *(f"has the unknown goal {goal}." for goal in goals if goal not in known),
    ]
    if not tags:
        problems.append("has no tag that says what it is.")
    if "revision" in tags and not row["needs"]:
        problems.append("is an operation that corrects a lesion, and waits for none to be confirmed.")
    if set(tags) & set(INVASIVE_TAGS) and row["tier"] < 2:
        problems.append(f"is invasive, in tier {row['tier']:g}.")
    if not set(tags) & {"rule", "referral"}:
        empty = [name for name in ("goals", "stop", "evidence") if not row[name]]
        empty += ["review_weeks"] if np.isnan(row["review_weeks"]) else []
        problems += [f"does not say its {name}." for name in empty]
    return problems


def confirmation_problems(tables: Mapping[str, pd.DataFrame], investigations: pd.DataFrame) -> list[str]:
    """Faults of `treatment_confirmations.csv`: each is used, and says in words what it asks."""
    table = tables["treatment_confirmations"]
    said = table.groupby("confirmation")[["label", "investigation", "source"]].nunique(dropna=False)
    two = said.index[(said > 1).any(axis=1)]
    used = set(tables["treatments"]["needs"].dropna())
    shown_by = table.assign(investigation=table["investigation"].str.split("+")).explode("investigation")
    problems = [
        *unknown_words(shown_by, "investigation", list(investigations["investigation"])),
        *(f"{name} has more than one label, investigation or source." for name in two),
        *(f"{name} confirms nothing that treatments need." for name in said.index if name not in used),
    ]
    for row in _records(table):
        found = _unreadable(row["all_of"]) if row["all_of"] else ["asks nothing."]
        found += [f"names {name}, which follows from it." for name in _named(row["all_of"]) if name in MORE_NAMES]
        problems += [f"{row['confirmation']} {problem}" for problem in found]
    return problems


def contraindication_problems(tables: Mapping[str, pd.DataFrame], investigations: pd.DataFrame) -> list[str]:
    """Faults of `contraindications.csv`: each concerns something that there is, for a reason in words."""
    table = tables["contraindications"]
    known = {*TAGS, *tables["treatments"]["treatment"], *investigations["investigation"]}
    problems = [*unknown_words(table, "effect", EFFECTS)]
    for row in _records(table):
        where = f"{row['applies_to']} ({row['reason']})"
        found = _unreadable(row["all_of"]) if row["all_of"] else ["asks nothing."]
        found += [
            f"concerns {name}, no treatment, tag or investigation."
            for name in row["applies_to"].split(", ")
            if name not in known
        ]
        found += [] if row["reason"] else ["gives no reason."]
        problems += [f"{where} {problem}" for problem in found]
    return problems


def goal_problems(table: pd.DataFrame) -> list[str]:
    """Faults of `treatment_goals.csv`: a goal is a fall of a number of the follow-up, by points or by percent."""
    dictionary = load_dictionary()
    numbers = [v.name for v in dictionary.known_by("follow_up") if v.type == "number"]
    nothing = table["points"].isna() & table["percent"].isna()
    return [
        *outside(table, "points", 0, 100),
        *outside(table, "percent", 0, 100),
        *unknown_words(table, "variable", numbers),
        *(f"{goal} names no change." for goal in table["goal"][nothing]),
    ]


def _unreadable(text: str) -> list[str]:
    return list(read_conditions(text, MORE_NAMES).problems)


def _named(text: str) -> list[str]:
    return list(names_in(_clauses(text)))
