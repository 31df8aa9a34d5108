"""The record as arrays, laid out on the axes by the coordinates of the dictionary.

This is the only adapter between records and the array cores of the builders: one matrix, a row a case,
a column a preoperative variable. What is absent, empty or not a number is NaN: not recorded. A word
(`migration`, `work_status`, ...) is the place of its code among the choices of its variable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.dictionary import load_dictionary
from features.layout import Floats, Layout

__all__ = ("WORD_ITEMS", "Findings", "Floats", "findings_layout", "places", "word_code")

WORD_ITEMS = (
    "migration",
    "transitional_vertebra",
    "numbering_method",
    "planned_zone",
    "planned_procedure",
    "work_status",
)


class Findings:
    """What is recorded before the operation of n cases.

    Parameters
    ----------
    cases : DataFrame
        Any subset of the dictionary's columns, in any order; others are ignored. It is not changed.
    """

    def __init__(self, cases: pd.DataFrame) -> None:
        self._values: Floats = findings_layout().matrix(cases)

    @classmethod
    def of_records(cls, records: Sequence[Mapping[str, Any]]) -> Self:
        """The same from plain records, as a request holds them: numbers, words, None for not recorded."""
        return cls.of_values(findings_layout().matrix_of_records(records))

    @classmethod
    def of_values(cls, values: Floats) -> Self:
        """The same from a matrix in the layout of `findings_layout`, which is kept and not copied."""
        findings = cls.__new__(cls)
        findings._values = values
        return findings

    @classmethod
    def of_columns(cls, columns: Mapping[int, Floats], rows: slice) -> Self:
        """The same of some of the cases, from the columns as `findings_layout` has them."""
        return cls.of_values(findings_layout().matrix_of_columns(columns, rows))

    @classmethod
    def stacked(cls, *parts: Findings) -> Self:
        """The cases of all parts, one part after the other."""
        return cls.of_values(np.concatenate([part._values for part in parts]))

    def rows(self, rows: slice) -> Findings:
        """Some of the cases."""
        return Findings.of_values(self._values[rows])

    @property
    def n_cases(self) -> int:
        return len(self._values)

    def columns(self, places: NDArray[np.intp]) -> Floats:
        """The columns at places (see `places`) of every case: (n_cases, *places.shape)."""
        return self._values.take(places, axis=1)  # three times as fast as an index

    def grid(self, item: str, *axes: str, **fixed: str) -> Floats:
        """An item over axes: `grid("pain", "region", "side")` is (n_cases, n_regions, n_sides).

        A place for which the dictionary declares no variable is NaN, as is one not recorded.
        """
        return self._values[:, places(item, axes, tuple(sorted(fixed.items())))]

    def variable(self, name: str) -> Floats:
        """One variable of the record as a number: (n_cases,).

        Raises
        ------
        KeyError
            If the dictionary declares no such number, or word with a place among its choices.
        """
        return self._values[:, findings_layout().place_of[name]]

    @cached_property
    def pain(self) -> Floats:
        """Reported pain, 0 to 10, 0 where unmarked: (n_cases, n_regions, n_sides). See `has_drawing`."""
        drawn = self.grid("pain", "region", "side")
        return np.where(drawn == drawn, drawn, 0.0)

    @cached_property
    def has_drawing(self) -> NDArray[np.bool_]:
        """(n_cases,): any region of the lower body is recorded in the pain drawing."""
        drawn = self._values[:, places("pain", ("region", "side")).ravel()]
        return (drawn == drawn).any(axis=1)


@cache
def word_code(item: str, word: str) -> float:
    """The number that stands for a word of an item in the matrix."""
    variable = next(v for v in load_dictionary().predictors if v.item == item)
    return float(variable.codes.index(word))


@cache
def places(item: str, axes: tuple[str, ...] = (), fixed: tuple[tuple[str, str], ...] = ()) -> NDArray[np.intp]:
    """The columns of an item over axes; that of a place which the dictionary lacks is always NaN.

    Raises
    ------
    KeyError
        If the dictionary declares no preoperative variable of that item.
    """
    try:
        return findings_layout().places(item, axes, fixed)
    except KeyError:
        raise KeyError(f"the dictionary declares no preoperative item {item}") from None


@cache
def findings_layout() -> Layout:
    """Which preoperative variable lies in which column."""
    return Layout(v for v in load_dictionary().predictors if v.is_numeric or v.item in WORD_ITEMS)
