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

from features.dictionary import Variable, load_dictionary
from features.knowledge_tables import knowledge_table, refuse

CONDITION = re.compile(r"(?P<name>\w+?)(?:(?P<rule>>=|<=)(?P<threshold>-?\d+(?:\.\d+)?))?")


class Condition(NamedTuple):
    """One part of a flag: a variable that must reach its threshold from above or below."""

    name: str
    rule: str
    threshold: float

    def holds(self, cases: pd.DataFrame) -> np.ndarray:
        """Whether it holds for each case: (n,) bool; never where it is not recorded."""
        if self.name not in cases.columns:
            return np.zeros(len(cases), dtype=bool)
        values = pd.to_numeric(cases[self.name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
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


def red_flags(cases: pd.DataFrame) -> pd.DataFrame:
    """One bool column per red flag of `red_flags.csv`, True where it is raised; the index is kept."""
    rules = red_flag_rules()
    raised = {flag: np.zeros(len(cases), dtype=bool) for flag, _ in rules}
    for flag, conditions in rules:
        raised[flag] |= np.all([condition.holds(cases) for condition in conditions], axis=0)
    return pd.DataFrame(raised, index=cases.index)


def red_flag_names(cases: pd.DataFrame) -> pd.Series:
    """The raised flags of each case in one text, empty where none is."""
    flags = red_flags(cases)
    names = [", ".join(flags.columns[row]) for row in flags.to_numpy()]
    return pd.Series(names, index=cases.index, name="red_flags", dtype=object)


def red_flag_advice(flags: str) -> list[Advice]:
    """What to do about the flags of one case, as `red_flag_names` gives them; emergencies first."""
    table = knowledge_table("red_flags").drop_duplicates("red_flag").set_index("red_flag")
    advice = [
        Advice(name, *table.loc[name, ["label", "urgency", "action"]])
        for name in flags.split(", ")
        if name in table.index
    ]
    return sorted(advice, key=lambda one: one.urgency != "emergency")
