"""Red flags: cases that are not a question for a risk model, nor for a ranking of causes.

A flag is shown, and no risk. One that was not asked for does not count as raised.

`all_of` in `red_flags.csv` joins by `+` what must all hold: a yes or no by its name, a number or a grade
with a threshold (`age_years>=70`). Any row of a flag raises it. `followup_red_flags.csv` adds, in the same
words, what is a flag only after an operation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.dictionary import Known, Variable, load_dictionary
from features.findings import Findings
from features.knowledge_tables import knowledge_table, refuse
from features.layout import Floats

BEFORE, AFTER = "red_flags", "followup_red_flags"
"""The flags of any case, and those of a case that was operated on."""
CONDITION = re.compile(r"(?P<name>\w+?)(?:(?P<rule>>=|<=)(?P<threshold>-?\d+(?:\.\d+)?))?")


MONTHS_SINCE = "months_since_operation"
"""Made from two dates, and never stored; a flag after an operation may name it."""


class Recorded(Protocol):
    """Anything that knows the variables which a flag names."""

    def variable(self, name: str, /) -> Floats: ...


class Condition(NamedTuple):
    """One part of a flag: a variable that must reach its threshold from above or below."""

    name: str
    rule: str
    threshold: float

    def holds(self, record: Recorded) -> NDArray[np.bool_]:
        """Whether it holds for each case: (n,) bool; never where it is not recorded."""
        values = record.variable(self.name)
        return values >= self.threshold if self.rule == ">=" else values <= self.threshold


class Advice(NamedTuple):
    """What is to be done about a raised flag, from its row: in words, for a person."""

    red_flag: str
    label: str
    urgency: str
    action: str


@cache
def red_flag_rules(table: str = BEFORE) -> tuple[tuple[str, tuple[Condition, ...]], ...]:
    """Each row of a table of red flags as the flag and its conditions.

    Raises
    ------
    KnowledgeError
        For conditions that cannot be read, name no variable known by then, lack a threshold where one
        is needed, or have one that the variable cannot reach; all at once.
    """
    moment: Known = "preoperative" if table == BEFORE else "follow_up"
    rules, problems = [], []
    for row in knowledge_table(table).itertuples():
        conditions = []
        for text in row.all_of.split("+"):
            condition, problem = _condition(text, moment)
            conditions += [condition] if condition else []
            problems += [f"{row.red_flag} {problem}"] if problem else []
        rules.append((row.red_flag, tuple(conditions)))
    refuse(table, problems)
    return tuple(rules)


def _condition(text: str, moment: Known) -> tuple[Condition | None, str]:
    """A condition as written, or what is wrong with it."""
    read = CONDITION.fullmatch(text.strip())
    if read is None:
        return None, f"has the condition {text}. Write a yes or no by its name, a number as name>=threshold."
    name, dictionary = read["name"], load_dictionary()
    if name == MONTHS_SINCE and moment != "preoperative" and read["rule"]:
        return Condition(name, read["rule"], float(read["threshold"])), ""
    if name not in dictionary:
        return None, f"names {name}, not a variable."
    variable = dictionary[name]
    if variable not in dictionary.known_by(moment) or not variable.is_numeric:
        when = "before the operation" if moment == "preoperative" else "by the follow-up"
        return None, f"names {name}, which is no number or answer known {when}."
    if read["rule"] is None:
        needed = "" if variable.type == "yes_no" else f"names {name} without a threshold, as in {name}>=1."
        return Condition(name, ">=", 1.0), needed
    condition = Condition(name, read["rule"], float(read["threshold"]))
    return condition, "" if _can_decide(condition, variable) else f"has {text}, but {name} is {variable.expected}."


def _can_decide(condition: Condition, variable: Variable) -> bool:
    """Whether some value of the variable meets the condition and some other does not."""
    reach = [float(code) for code in variable.codes] or [float(variable.lower or 0), float(variable.upper or 0)]
    met = [value >= condition.threshold if condition.rule == ">=" else value <= condition.threshold for value in reach]
    return any(met) and not all(met)


def raised_flags(findings: Findings) -> dict[str, NDArray[np.bool_]]:
    """Each red flag of `red_flags.csv`, and whether it is raised: (n_cases,) bool."""
    return _raised(findings, BEFORE)


def raised_flags_after(findings: Findings, followup: Recorded) -> dict[str, NDArray[np.bool_]]:
    """The same after an operation: the flags of any case on the findings of the follow-up, and those of
    `followup_red_flags.csv` on all that is known by then: (n_cases,) bool."""
    raised = _raised(findings, BEFORE)
    for flag, held in _raised(followup, AFTER).items():
        raised[flag] = raised[flag] | held if flag in raised else held
    return raised


def _raised(record: Recorded, table: str) -> dict[str, NDArray[np.bool_]]:
    raised: dict[str, NDArray[np.bool_]] = {}
    for flag, conditions in red_flag_rules(table):
        held = np.all([condition.holds(record) for condition in conditions], axis=0)
        raised[flag] = raised[flag] | held if flag in raised else held
    return raised


def flag_names(findings: Findings) -> list[str]:
    """The raised flags of each case in one text, empty where none is."""
    return names_of_flags(raised_flags(findings))


def names_of_flags(raised: Mapping[str, NDArray[np.bool_]]) -> list[str]:
    """The flags of each case that are raised in one text, empty where none is."""
    matrix = np.stack(list(raised.values()), axis=1)
    flags, names = list(raised), [""] * len(matrix)
    for case in np.flatnonzero(matrix.any(axis=1)):
        names[case] = ", ".join(flags[place] for place in np.flatnonzero(matrix[case]))
    return names


class _Named:
    """A few variables of many cases, without the matrix of all."""

    def __init__(self, cases: pd.DataFrame) -> None:
        self._cases = cases

    def variable(self, name: str, /) -> Floats:
        if name in self._cases.columns and self._cases[name].dtype == np.float64:
            return self._cases[name].to_numpy()
        return Findings(self._cases[[name] if name in self._cases.columns else []]).variable(name)


def red_flags(cases: pd.DataFrame) -> pd.DataFrame:
    """One bool column per red flag of `red_flags.csv`, True where it is raised; the index is kept."""
    return pd.DataFrame(raised_flags(Findings(cases)), index=cases.index)


def red_flag_names(cases: pd.DataFrame) -> pd.Series:
    """The raised flags of each case in one text, empty where none is, or where a study has no red flag at all."""
    names = names_of_flags(_raised(_Named(cases), BEFORE)) if red_flag_rules() else ""
    return pd.Series(names, index=cases.index, name="red_flags", dtype=object)


def red_flag_advice(flags: str) -> list[Advice]:
    """What to do about the flags of one case, as `red_flag_names` gives them; emergencies first."""
    advice = [_advice()[name] for name in flags.split(", ") if name in _advice()]
    return sorted(advice, key=lambda one: one.urgency != "emergency")


@cache
def _advice() -> dict[str, Advice]:
    table = pd.concat([knowledge_table(BEFORE), knowledge_table(AFTER)]).drop_duplicates("red_flag")
    return {row.red_flag: Advice(row.red_flag, row.label, row.urgency, row.action) for row in table.itertuples()}
