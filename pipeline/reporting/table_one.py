"""Table 1: who the cases are, by set and by what became of them, with what is missing.

Groups are compared by standardised differences, which do not grow with the number of cases as p values do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.dictionary import Variable, load_dictionary
from features.words import ABSENT, number, percent
from pipeline.reporting.words import count

NOTABLE = 0.1
"""A standardised difference that is usually called an imbalance (Austin 2009)."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table: its label, a cell a group, and a difference for each pair of groups compared."""

    label: str
    unit: str
    cells: Sequence[str]
    differences: Sequence[float | None]
    is_level: bool = False


def table_one(cases: pd.DataFrame, groups: Mapping[str, pd.Series], compared: Sequence[tuple[str, str]]) -> list[Row]:
    """The essential variables of the dictionary, in each group.

    Parameters
    ----------
    cases : DataFrame
        One row a case. A variable that the study does not have is left out.
    groups : mapping of str to (n_cases,) bool
        Who belongs to each group, in the order of the columns.
    compared : sequence of pairs of group names
        Each pair gets a column of standardised differences.

    Returns
    -------
    list of Row
        Numbers as median (quartiles); words and codes as count (per cent of those recorded), a row a
        level; then what is not recorded, where anything is not.
    """
    rows = [Row(label="Cases", unit="", cells=[count(own.sum()) for own in groups.values()],
                differences=[None] * len(compared))]  # fmt: skip
    for variable in described_variables(cases):
        values = cases[variable.name]
        of_group = {name: values[own.to_numpy(dtype=bool)] for name, own in groups.items()}
        pairs = [standardised_difference(of_group[a], of_group[b], variable.type == "number") for a, b in compared]
        rows += _rows_of(variable, of_group, pairs)
    return rows


def described_variables(cases: pd.DataFrame) -> list[Variable]:
    """The essential variables that are no keys, as far as the study has them."""
    return [v for v in load_dictionary().essential if v.form != "keys" and v.name in cases.columns]


def _rows_of(variable: Variable, of_group: Mapping[str, pd.Series], pairs: Sequence[float | None]) -> list[Row]:
    nothing: list[float | None] = [None] * len(pairs)
    groups = list(of_group.values())
    if variable.type == "number":
        cells = [_median(values.dropna().astype(float)) for values in groups]
        unit = variable.unit if variable.unit != variable.label else ""
        rows = [Row(label=variable.label, unit=f"{unit}, median (quartiles)", cells=cells, differences=pairs)]
    elif variable.type == "yes_no":
        cells = [_share_of(values, 1.0) for values in groups]
        rows = [Row(label=variable.label, unit="n (%)", cells=cells, differences=pairs)]
    else:
        rows = [Row(label=variable.label, unit="n (%)", cells=[""] * len(groups), differences=pairs)]
        rows += [
            Row(label=label, unit="", cells=[_share_of(values, code) for values in groups], differences=nothing,
                is_level=True)
            for code, label in variable.choices
        ]  # fmt: skip
    if any(values.isna().any() for values in groups):
        missing = [_counted(int(values.isna().sum()), len(values)) for values in groups]
        rows.append(Row(label="not recorded", unit="", cells=missing, differences=nothing, is_level=True))
    return rows


def _median(values: pd.Series) -> str:
    if values.empty:
        return ABSENT
    digits = 0 if (values == values.round()).all() else 1
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return f"{number(middle, digits)} ({number(low, digits)} to {number(high, digits)})"


def _share_of(values: pd.Series, code: float | str) -> str:
    known = values.dropna()
    return _counted(int((known == code).sum()), len(known))


def _counted(some: int, of: int) -> str:
    return f"{count(some)} ({percent(some / of)})".replace(" %", "") if of else ABSENT


def standardised_difference(values: pd.Series, others: pd.Series, is_number: bool) -> float | None:
    """How far two groups lie apart, in standard deviations; None where that is not defined.

    For words and codes it is the distance between the two vectors of shares, in the metric of their mean
    covariance; of two levels it is the usual difference of two proportions. What is missing is left out.

    References
    ----------
    Yang & Dalton, SAS Global Forum 2012, paper 335; Austin, Stat Med 2009;28:3083-3107.

    Examples
    --------
    >>> standardised_difference(pd.Series([1.0, 2.0, 3.0]), pd.Series([2.0, 3.0, 4.0]), is_number=True)
    1.0
    """
    a, b = values.dropna(), others.dropna()
    if len(a) < 2 or len(b) < 2:
        return None
    if is_number:
        a, b = a.astype(float), b.astype(float)
        spread = np.sqrt((a.var() + b.var()) / 2)
        return float(abs(a.mean() - b.mean()) / spread) if spread > 0 else None
    levels = sorted(set(a) | set(b), key=str)[1:]  # one is given by the others
    if not levels:
        return 0.0
    p, q = (np.array([(own == level).mean() for level in levels]) for own in (a, b))
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    if np.linalg.matrix_rank(covariance) < len(levels):
        return None
    return float(np.sqrt((p - q) @ np.linalg.solve(covariance, p - q)))


def largest_differences(rows: Sequence[Row], place: int, most: int = 8) -> list[tuple[str, float]]:
    """The variables in which a pair of groups differs most, as label and standardised difference."""
    found = [(row.label, row.differences[place]) for row in rows]
    known = [(label, value) for label, value in found if value is not None]
    return sorted(known, key=lambda pair: -pair[1])[:most]


def outcome_groups(y: pd.Series) -> dict[str, Any]:
    """Cases by what became of them: the outcome did not happen, it happened, nobody knows."""
    return {"without": y == 0, "with": y == 1, "unknown": y.isna()}
