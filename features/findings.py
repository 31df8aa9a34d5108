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

from features.axes import REGIONS, UPPER_REGIONS
from features.dictionary import COORDINATES, load_dictionary

Floats = NDArray[np.float64]

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
        names = _names()
        values = np.full((len(cases), len(names) + 1), np.nan)
        present = [(place, name) for place, name in enumerate(names) if name in cases.columns]
        numeric = [(place, name) for place, name in present if name not in _codes()]
        if numeric:
            places, columns = zip(*numeric, strict=True)
            values[:, places] = _as_floats(cases[list(columns)])
        for place, name in present:
            if name in _codes():
                found = pd.Index(_codes()[name]).get_indexer(pd.Index(cases[name]))
                values[:, place] = np.where(found >= 0, found, np.nan)
        self._values: Floats = values

    @classmethod
    def of_records(cls, records: Sequence[Mapping[str, Any]]) -> Self:
        """The same from plain records, as a request holds them: numbers, words, None for not recorded."""
        findings = cls.__new__(cls)
        codes = _codes()
        rows = [[*map(record.get, _names()), None] for record in records]
        for row in rows:
            for place, name in _word_places():
                word = row[place]
                row[place] = codes[name].index(word) if word in codes[name] else None
        findings._values = np.array(rows, dtype=np.float64).reshape(len(rows), len(_names()) + 1)
        return findings

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
        return self._values[:, _place_of()[name]]

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
    place_of = {}
    for place, name in enumerate(_names()):
        variable = load_dictionary()[name]
        if variable.item == item:
            place_of[frozenset(variable.coordinates)] = place
    if not place_of:
        raise KeyError(f"the dictionary declares no preoperative item {item}")
    shape = [_axis(axis) for axis in axes]
    found = np.full([len(labels) for labels in shape], len(_names()), dtype=np.intp)
    for index in np.ndindex(*found.shape):
        wanted = frozenset(
            [(_COORDINATE.get(axis, axis), labels[i]) for axis, labels, i in zip(axes, shape, index, strict=True)]
            + list(fixed)
        )
        found[index] = place_of.get(wanted, len(_names()))
    return found


def _as_floats(columns: pd.DataFrame) -> Floats:
    if all(dtype.kind in "fiu" for dtype in columns.dtypes if hasattr(dtype, "kind")):
        return columns.to_numpy(dtype=np.float64, na_value=np.nan)
    return columns.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


@cache
def _names() -> tuple[str, ...]:
    return tuple(v.name for v in load_dictionary().predictors if v.is_numeric or v.item in WORD_ITEMS)


@cache
def _place_of() -> dict[str, int]:
    return {name: place for place, name in enumerate(_names())}


@cache
def _codes() -> dict[str, tuple[Any, ...]]:
    """The choices of each variable that holds words."""
    return {v.name: tuple(v.codes) for v in load_dictionary().predictors if v.item in WORD_ITEMS}


@cache
def _word_places() -> tuple[tuple[int, str], ...]:
    return tuple((place, name) for place, name in enumerate(_names()) if name in _codes())


_COORDINATE = {"upper_region": "region"}


def _axis(axis: str) -> tuple[str, ...]:
    return {"region": REGIONS, "upper_region": UPPER_REGIONS}.get(axis) or COORDINATES[axis]
