"""Reads the knowledge tables of `features/knowledge/` and refuses a faulty one.

One row is one fact, with its source and how sure it is: `verified` (read in the source), `memory`
(background knowledge, to be checked), `mixed` (in part the one, in part the other; the source says
which), `assumption` (nobody has measured it), `derived` (computed from figures that were read), or
`expert_assignment` (a judgement). Files are read here and nowhere else in `features/`, once a process.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from features.errors import KnowledgeError
from features.knowledge_checks import STATUSES, gaps, outside, repeated, table_problems

__all__ = (
    "KNOWLEDGE",
    "STATUSES",
    "knowledge_table",
    "refuse",
    "refuse_duplicates",
    "refuse_gaps",
    "refuse_outside",
    "table_names",
)

KNOWLEDGE = Path(__file__).resolve().parent / "knowledge"


def table_names() -> list[str]:
    """Every knowledge table there is, by name."""
    return sorted(path.stem for path in KNOWLEDGE.glob("*.csv"))


@cache
def knowledge_table(name: str) -> pd.DataFrame:
    """The table `features/knowledge/<name>.csv`; empty cells are missing.

    Raises
    ------
    KnowledgeError
        If the file is absent, or with everything that is wrong with it: rows without a source or a
        status, a fact stated twice, a gap, a value outside its range, an interval without its estimate,
        a ratio that its sensitivity and specificity contradict.
    """
    path = KNOWLEDGE / f"{name}.csv"
    if not path.exists():
        raise KnowledgeError(f"features/knowledge/{name}.csv is missing. Restore it from git.")
    table = pd.read_csv(path)
    refuse(name, table_problems(table, name, _as_it_stands))
    return table


def _as_it_stands(name: str) -> pd.DataFrame:
    """Another table to compare with, whose own faults are told where it is read."""
    return pd.read_csv(KNOWLEDGE / f"{name}.csv")


def refuse(name: str, problems: Iterable[str]) -> None:
    """Refuse a table with all its problems at once; none is no error."""
    found = list(problems)
    if len(found) == 1:
        raise KnowledgeError(f"features/knowledge/{name}.csv: {found[0]}")
    if found:
        lines = "\n".join(f"  - {problem}" for problem in found)
        raise KnowledgeError(f"features/knowledge/{name}.csv: {len(found)} problems.\n{lines}")


def refuse_duplicates(table: pd.DataFrame, name: str, key: list[str]) -> None:
    """Refuse a table that states one fact twice."""
    refuse(name, repeated(table, key))


def refuse_outside(table: pd.DataFrame, name: str, column: str, lower: float, upper: float) -> None:
    """Refuse a table with a value of that column outside [lower, upper]; an empty cell is none."""
    refuse(name, outside(table, column, lower, upper))


def refuse_gaps(name: str, what: str, expected: Iterable[object], found: Iterable[object]) -> None:
    """Refuse a table that has no `what` for something that is expected."""
    refuse(name, gaps(what, expected, found))
