"""Reads the knowledge tables of `features/knowledge/` and refuses a faulty one.

One row is one fact, with its source and how sure it is: `verified` (read in the source), `memory`
(background knowledge, to be checked), `assumption` (nobody has measured it), `derived` (computed from
figures that were read), or `expert_assignment` (a judgement). Files are read here and nowhere else in
`features/`, once a process.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from features.errors import KnowledgeError

KNOWLEDGE = Path(__file__).resolve().parent / "knowledge"
STATUSES = ("verified", "memory", "mixed", "derived", "assumption", "expert_assignment")


@cache
def knowledge_table(name: str) -> pd.DataFrame:
    """The table `features/knowledge/<name>.csv`; empty cells are missing.

    Raises
    ------
    KnowledgeError
        If the file is absent, or a row is without a source or with an unknown status.
    """
    path = KNOWLEDGE / f"{name}.csv"
    if not path.exists():
        raise KnowledgeError(f"features/knowledge/{name}.csv is missing. Restore it from git.")
    table = pd.read_csv(path)
    for column in {"source", "status"} & set(table.columns):
        unsourced = table.index[table[column].isna()]
        if len(unsourced):
            raise KnowledgeError(
                f"features/knowledge/{name}.csv: {len(unsourced)} rows have no {column} "
                f"(first: row {unsourced[0] + 2}). Every fact says where it comes from and how sure it is."
            )
    if "status" in table.columns:
        unknown = sorted(set(table["status"]) - set(STATUSES))
        if unknown:
            raise KnowledgeError(
                f"features/knowledge/{name}.csv: unknown status {', '.join(unknown)}. "
                f"It is one of {', '.join(STATUSES)}."
            )
    return table


def refuse_duplicates(table: pd.DataFrame, name: str, key: list[str]) -> None:
    """Refuse a table that states one fact twice."""
    repeated = table.index[table.duplicated(key)]
    if len(repeated):
        raise KnowledgeError(
            f"features/knowledge/{name}.csv: row {repeated[0] + 2} repeats the {', '.join(key)} of another row."
        )
