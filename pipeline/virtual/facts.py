"""The virtual registry's own tables, apart from those of the builders, and refused when faulty.

One row is one fact, with its source and how sure it is. None of `features/knowledge/` is read here: a
registry drawn from the builders' tables would only prove that they agree with themselves.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from features.axes import CAUSES, LEVELS, REGIONS
from features.errors import KnowledgeError
from pipeline.virtual.parameters import DIAGNOSES

TABLES = Path(__file__).resolve().parent / "tables"
STATUSES = ("verified", "memory", "mixed", "derived", "assumption", "expert_assignment")


SHARES: dict[str, tuple[str, ...]] = {
    "adjudication": ("share",),
    "causes": DIAGNOSES,
    "comorbidities": ("share_at_45", "share_at_70"),
    "events": DIAGNOSES,
    "generator_levels": LEVELS,
    "generator_mix": ("radicular", "claudicant", "slip", "axial"),
    "incidental": ("share",),
    "later_events": ("at_once", "by_3_months", "by_12_months", "by_24_months", "by_60_months", "operated", "sudden"),
    "missingness": ("share",),
    "reader_error": ("misread",),
    "territories": (*REGIONS, "above_thigh_only"),
    "workup_conditions": ("share_at_45", "share_at_70"),
    "workup_course": ("good_start", "sudden", "triggered"),
    "workup_done": ("share",),
    "workup_enhancement": ("rim", "homogeneous"),
    "workup_shares": ("share",),
    "workup_symptoms": CAUSES,
    "tests": tuple(f"{share}{end}" for share in ("sensitivity", "false_positive") for end in ("", "_low", "_high")),
}
"""Columns of which every number is a share of patients."""
SUM_DOWN = ("causes", "generator_mix")
"""Tables each of whose columns of shares sums to one."""
SUM_ALONG = ("generator_levels",)
"""Tables each of whose rows sums to one."""
SUM_TOLERANCE = 0.0005
"""Shares are printed with three digits."""
RISING: dict[str, tuple[str, ...]] = {
    "later_events": ("at_once", "by_3_months", "by_12_months", "by_24_months", "by_60_months"),
}
"""Columns that are cumulative."""
WITHIN: dict[str, tuple[str, ...]] = {"tests": ("sensitivity", "false_positive")}
"""Columns of which each number lies in its own published interval, the columns `_low` and `_high`."""


@cache
def facts(name: str) -> pd.DataFrame:
    """The table `pipeline/virtual/tables/<name>.csv`, refused where `problems_of` finds any.

    Raises
    ------
    KnowledgeError
        With every problem of the table.
    """
    path = TABLES / f"{name}.csv"
    if not path.exists():
        raise KnowledgeError(f"pipeline/virtual/tables/{name}.csv is missing. Restore it from git.")
    table = pd.read_csv(path)
    problems = problems_of(name, table)
    if problems:
        raise KnowledgeError(f"pipeline/virtual/tables/{name}.csv: " + "; ".join(problems) + ".")
    return table


def problems_of(name: str, table: pd.DataFrame) -> list[str]:
    """What is wrong with a table of that name: sources, statuses, shares, sums, order, published ranges."""
    problems = []
    faulty = table["source"].isna() | ~table["status"].isin(STATUSES)
    if faulty.any():
        problems.append(
            f"{int(faulty.sum())} rows without a source or with an unknown status "
            f"(first: row {int(np.flatnonzero(faulty)[0]) + 2})"
        )
    shares = table[list(SHARES.get(name, ()))]
    for column in shares:
        outside = ~shares[column].between(0, 1)
        if outside.any():
            problems.append(f"{column} lies outside 0 to 1 in row {int(np.flatnonzero(outside)[0]) + 2}")
    sums = shares.sum(axis=0 if name in SUM_DOWN else 1)
    for which, total in sums.items() if name in SUM_DOWN + SUM_ALONG else ():
        if abs(total - 1) > SUM_TOLERANCE:
            place = which if name in SUM_DOWN else f"row {int(str(which)) + 2}"
            problems.append(f"{place} sums to {total:g}, not to 1")
    cumulative = table[list(RISING.get(name, ()))].to_numpy(dtype=float)
    falls = (np.diff(cumulative, axis=1) < 0).any(axis=1) if cumulative.size else np.zeros(0, dtype=bool)
    if falls.any():
        problems.append(f"cumulative shares fall in row {int(np.flatnonzero(falls)[0]) + 2}")
    for column in WITHIN.get(name, ()):
        beyond = ~table[column].between(table[f"{column}_low"], table[f"{column}_high"])
        if beyond.any():
            problems.append(f"{column} lies outside its interval in row {int(np.flatnonzero(beyond)[0]) + 2}")
    return problems


def forget_tables() -> None:
    """Read every table anew when next asked for, since one has been written."""
    for reader in (facts, fact, fact_grid, fact_by):
        reader.cache_clear()


def refuse_faulty_tables() -> None:
    """Read every table, so that a faulty one is refused before anything is drawn.

    Raises
    ------
    KnowledgeError
        With every problem of every table.
    """
    problems = []
    for path in sorted(TABLES.glob("*.csv")):
        try:
            facts(path.stem)
        except KnowledgeError as error:
            problems.append(str(error))
    if problems:
        raise KnowledgeError(" ".join(problems))


@cache
def fact(name: str, row: str, column: str) -> float:
    """The number in the named row (by the first column) and column of a table."""
    table = facts(name)
    return float(table.set_index(table.columns[0])[column].astype(float)[row])


def constant(quantity: str) -> float:
    """A number of tables/constants.csv."""
    return fact("constants", quantity, "value")


@cache
def fact_grid(name: str, rows: tuple[str, ...], columns: tuple[str, ...]) -> np.ndarray:
    """(rows, columns) numbers of a table whose first column names the rows; not to be written to."""
    table = facts(name)
    return _shared(table.set_index(table.columns[0]).loc[list(rows), list(columns)].to_numpy(dtype=float))


@cache
def fact_by(name: str, rows: tuple[str, ...], quantity: str) -> np.ndarray:
    """(rows,) values of one quantity of a table with the columns <row>, quantity, value; not to be written to."""
    table = facts(name)
    chosen = table[table["quantity"] == quantity].set_index(table.columns[0])["value"]
    return _shared(chosen.loc[list(rows)].to_numpy(dtype=float))


def _shared(numbers: np.ndarray) -> np.ndarray:
    """The same numbers for every caller: nobody may change them."""
    numbers = numbers.copy()
    numbers.flags.writeable = False
    return numbers


def share_at_age(name: str, finding: str, age: np.ndarray) -> np.ndarray:
    """(n_cases,) published share at each age, linear between the printed ages, flat beyond them."""
    table = facts(name)
    rows = table[table["finding"] == finding]
    return np.interp(age, rows["age"].to_numpy(dtype=float), rows["share"].to_numpy(dtype=float))
