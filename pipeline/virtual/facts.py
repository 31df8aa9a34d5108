"""The virtual registry's own tables, apart from those of the builders, and refused when faulty.

One row is one fact, with its source and how sure it is. None of `features/knowledge/` is read here: a
registry drawn from the builders' tables would only prove that they agree with themselves.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import KnowledgeError

TABLES = Path(__file__).resolve().parent / "tables"
STATUSES = ("verified", "memory", "mixed", "derived", "assumption", "expert_assignment")


@cache
def facts(name: str) -> pd.DataFrame:
    """The table `pipeline/virtual/tables/<name>.csv`, every row with source and known status."""
    path = TABLES / f"{name}.csv"
    if not path.exists():
        raise KnowledgeError(f"pipeline/virtual/tables/{name}.csv is missing. Restore it from git.")
    table = pd.read_csv(path)
    faulty = table["source"].isna() | ~table["status"].isin(STATUSES)
    if faulty.any():
        raise KnowledgeError(
            f"pipeline/virtual/tables/{name}.csv: {int(faulty.sum())} rows without a source or with an "
            f"unknown status (first: row {int(np.flatnonzero(faulty)[0]) + 2})."
        )
    return table


def fact(name: str, row: str, column: str) -> float:
    """The number in the named row (by the first column) and column of a table."""
    table = facts(name)
    return float(table.set_index(table.columns[0])[column].astype(float)[row])


def fact_grid(name: str, rows: tuple[str, ...], columns: tuple[str, ...]) -> np.ndarray:
    """(rows, columns) numbers of a table whose first column names the rows."""
    table = facts(name)
    return table.set_index(table.columns[0]).loc[list(rows), list(columns)].to_numpy(dtype=float)


def fact_by(name: str, rows: tuple[str, ...], quantity: str) -> np.ndarray:
    """(rows,) values of one quantity of a table with the columns <row>, quantity, value."""
    table = facts(name)
    chosen = table[table["quantity"] == quantity].set_index(table.columns[0])["value"]
    return chosen.loc[list(rows)].to_numpy(dtype=float)


def share_at_age(name: str, finding: str, age: np.ndarray) -> np.ndarray:
    """(n_cases,) published share at each age, linear between the printed ages, flat beyond them."""
    table = facts(name)
    rows = table[table["finding"] == finding]
    return np.interp(age, rows["age"].to_numpy(dtype=float), rows["share"].to_numpy(dtype=float))
