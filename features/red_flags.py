"""Red flags: cases that are not a question for a risk model.

A flag is shown, and no risk. One that was not asked for does not count as raised.

`all_of` in `red_flags.csv` joins by `+` what must all hold: a yes or no by its name, a number or a grade
with a threshold (`age_years>=70`). Any row of a flag raises it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.dictionary import Variable, load_dictionary
from features.findings import Findings
from features.knowledge_tables import knowledge_table, refuse

CONDITION = re.compile(r"(?P<name>\w+?)(?:(?P<rule>>=|<=)(?P<threshold>-?\d+(?:\.\d+)?))?")


class Condition(NamedTuple):
    """One part of a flag: a variable that must reach its threshold from above or below."""

    name: str
    rule: str
    threshold: float

    def holds(self, findings: Findings) -> NDArray[np.bool_]:
        """Whether it holds for each case: (n,) bool; never where it is not recorded."""
        values = findings.variable(self.name)
        return values >= self.threshold if self.rule == ">=" else values <= self.threshold


class Advice(NamedTuple):
    """What is to be done about a raised flag, from its row: in words, for a person."""

    red_flag: str
    label: str
    urgency: str
    action: str


@cache
def red_flag_rules() -> tuple[tuple[str, tuple[Condition, ...]], ...]:
    """Each row of `red_flags.csv` as the flag and its conditions.

    Raises
    ------
    KnowledgeError
        For conditions that cannot be read, name no variable known before the operation, lack a
        threshold where one is needed, or have one that the variable cannot reach; all at once.
    """
    rules, problems = [], []
    for row in knowledge_table("red_flags").itertuples():
        conditions = []
        for text in row.all_of.split("+"):
            condition, problem = _condition(text)
            conditions += [condition] if condition else []
            problems += [f"{row.red_flag} {problem}"] if problem else []
        rules.append((row.red_flag, tuple(conditions)))
    refuse("red_flags", problems)
    return tuple(rules)


def _condition(text: str) -> tuple[Condition | None, str]:
    """A condition as written, or what is wrong with it."""
    read = CONDITION.fullmatch(text.strip())
    if read is None:
        return None, f"has the condition {text}. Write a yes or no by its name, a number as name>=threshold."
    name, dictionary = read["name"], load_dictionary()
    if name not in dictionary:
        return None, f"names {name}, not a variable."
    variable = dictionary[name]
    if variable.known != "preoperative" or not variable.is_numeric:
        return None, f"names {name}, which is no number or answer known before the operation."
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
    raised: dict[str, NDArray[np.bool_]] = {}
    for flag, conditions in red_flag_rules():
        held = np.all([condition.holds(findings) for condition in conditions], axis=0)
        raised[flag] = raised[flag] | held if flag in raised else held
    return raised


def flag_names(findings: Findings) -> list[str]:
    """The raised flags of each case in one text, empty where none is."""
    raised = raised_flags(findings)
    matrix = np.stack(list(raised.values()), axis=1)
    if not matrix.any():
        return [""] * len(matrix)
    flags = list(raised)
    return [", ".join(flags[place] for place in np.flatnonzero(row)) for row in matrix]


def red_flags(cases: pd.DataFrame) -> pd.DataFrame:
    """One bool column per red flag of `red_flags.csv`, True where it is raised; the index is kept."""
    return pd.DataFrame(raised_flags(Findings(cases)), index=cases.index)


def red_flag_names(cases: pd.DataFrame) -> pd.Series:
    """The raised flags of each case in one text, empty where none is."""
    return pd.Series(flag_names(Findings(cases)), index=cases.index, name="red_flags", dtype=object)


def red_flag_advice(flags: str) -> list[Advice]:
    """What to do about the flags of one case, as `red_flag_names` gives them; emergencies first."""
    advice = [_advice()[name] for name in flags.split(", ") if name in _advice()]
    return sorted(advice, key=lambda one: one.urgency != "emergency")


@cache
def _advice() -> dict[str, Advice]:
    table = knowledge_table("red_flags").drop_duplicates("red_flag")
    return {row.red_flag: Advice(row.red_flag, row.label, row.urgency, row.action) for row in table.itertuples()}
