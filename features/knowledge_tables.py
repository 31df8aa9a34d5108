"""Reads the knowledge tables of `features/knowledge/`, or of a study, and refuses a faulty one.

One row is one fact, with its source and how sure it is: `verified` (read in the source), `memory`
(background knowledge, to be checked), `mixed` (in part the one, in part the other; the source says
which), `assumption` (nobody has measured it), `derived` (computed from figures that were read), or
`expert_assignment` (a judgement). Files are read here and nowhere else in `features/`, once a process.

A study with a record of its own brings the tables that speak of it (`OF_THE_RECORD`) in its own folder.
Which study a process works on is said once, at its door, before any of them is read: `use_study`.
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
    "OF_THE_RECORD",
    "STATUSES",
    "has_own_record",
    "knowledge_table",
    "own_tables",
    "refuse",
    "refuse_duplicates",
    "refuse_gaps",
    "refuse_outside",
    "study_tables",
    "table_names",
    "use_study",
)

KNOWLEDGE = Path(__file__).resolve().parent / "knowledge"
OF_THE_RECORD = ("variables", "choices", "outcomes", "predictors", "criteria")
"""Tables that speak of the variables of a record: a study with variables of its own brings all of them."""
OPTIONAL = ("red_flags", "followup_red_flags", "grading_systems")
"""They speak of the record too; a study with variables of its own has none of those that it does not bring."""
_own: dict[str, Path] = {}
"""Tables of the study at hand in place of those here, by name; `use_study` fills it."""


def use_study(folder: Path | None) -> None:
    """Let the tables of a study's folder replace those of `features/knowledge/`, for the whole process.

    A study that brings none has the record that is described here, as has None.

    Raises
    ------
    KnowledgeError
        If the study brings variables of its own and lacks a table that speaks of them, or if this process
        has read the tables of another record: what was read is kept, and two records must not mix.
    """
    wanted = study_tables(folder) if folder else {}
    if _contents(wanted) == _contents(_own):
        return
    if _is_read():
        raise KnowledgeError(
            f"This process has read the tables of another record than that of {folder or KNOWLEDGE}. One process "
            f"works on one study: start a new one."
        )
    lacking = [name for name in OF_THE_RECORD if name not in wanted] if wanted else []
    if lacking:
        raise KnowledgeError(
            f"{folder} brings tables of its own, and not {', '.join(f'{name}.csv' for name in lacking)}. A study with "
            f"a record of its own brings {', '.join(f'{name}.csv' for name in OF_THE_RECORD)}."
        )
    _own.clear()
    _own.update(wanted)


def study_tables(folder: Path) -> dict[str, Path]:
    """The tables of its record that a study's folder brings, by name; none where it has the record described here."""
    paths = {name: (folder / f"{name}.csv").resolve() for name in (*OF_THE_RECORD, *OPTIONAL)}
    return {name: path for name, path in paths.items() if path.is_file()}


def own_tables() -> dict[str, bytes]:
    """The tables of the record that the study at hand brings, by name, byte by byte: a model takes them along."""
    return _contents(_own)


def _contents(tables: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in tables.items()}


def has_own_record() -> bool:
    """Whether the study at hand has a record of its own, of which nothing else in `features/knowledge/` speaks."""
    return bool(_own)


def _is_read() -> bool:
    return knowledge_table.cache_info().currsize > 0


def table_names() -> list[str]:
    """Every knowledge table there is, by name."""
    return sorted(path.stem for path in KNOWLEDGE.glob("*.csv"))


@cache
def knowledge_table(name: str) -> pd.DataFrame:
    """The table `features/knowledge/<name>.csv`, or the study's own; empty cells are missing.

    Raises
    ------
    KnowledgeError
        If the file is absent, or with everything that is wrong with it: rows without a source or a
        status, a fact stated twice, a gap, a value outside its range, an interval without its estimate,
        a ratio that its sensitivity and specificity contradict.
    """
    path = _own.get(name, KNOWLEDGE / f"{name}.csv")
    if not path.exists():
        raise KnowledgeError(f"features/knowledge/{name}.csv is missing. Restore it from git.")
    table = _read(path, name)
    if name in _own or not _own:
        refuse(name, table_problems(table, name, _as_it_stands))
    return table.iloc[:0] if _own and name in OPTIONAL and name not in _own else table


def _read(path: Path, name: str) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (ValueError, OSError) as error:
        first = (str(error).splitlines() or ["it cannot be read"])[0]
        raise KnowledgeError(f"{_where(name)} is no table: {first}") from None


def _as_it_stands(name: str) -> pd.DataFrame:
    """Another table to compare with, whose own faults are told where it is read."""
    return pd.read_csv(_own.get(name, KNOWLEDGE / f"{name}.csv"))


def _where(name: str) -> str:
    """The file of a table as a message names it: from the folder in which the project, or the study, lies."""
    path = _own.get(name)
    return f"{path.parent.parent.name}/{path.parent.name}/{path.name}" if path else f"features/knowledge/{name}.csv"


def refuse(name: str, problems: Iterable[str]) -> None:
    """Refuse a table with all its problems at once; none is no error."""
    found = list(problems)
    if len(found) == 1:
        raise KnowledgeError(f"{_where(name)}: {found[0]}")
    if found:
        lines = "\n".join(f"  - {problem}" for problem in found)
        raise KnowledgeError(f"{_where(name)}: {len(found)} problems.\n{lines}")


def refuse_duplicates(table: pd.DataFrame, name: str, key: list[str]) -> None:
    """Refuse a table that states one fact twice."""
    refuse(name, repeated(table, key))


def refuse_outside(table: pd.DataFrame, name: str, column: str, lower: float, upper: float) -> None:
    """Refuse a table with a value of that column outside [lower, upper]; an empty cell is none."""
    refuse(name, outside(table, column, lower, upper))


def refuse_gaps(name: str, what: str, expected: Iterable[object], found: Iterable[object]) -> None:
    """Refuse a table that has no `what` for something that is expected."""
    refuse(name, gaps(what, expected, found))
