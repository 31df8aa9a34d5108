"""The numeric side of the record as arrays, laid out on the axes by the coordinates of the dictionary.

This is the only adapter between frames and the array cores of the builders. A value that is absent,
empty or not numeric is NaN: not recorded. Words (`migration`, `diagnosis`, ...) stay as arrays of text.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.axes import REGIONS, UPPER_REGIONS
from features.dictionary import COORDINATES, load_dictionary

Floats = NDArray[np.float64]

TEXT_ITEMS = ("migration", "transitional_vertebra", "numbering_method", "planned_zone", "planned_procedure")


class Findings:
    """What is recorded before the operation of n cases.

    Parameters
    ----------
    cases : DataFrame
        Any subset of the dictionary's columns, in any order; others are ignored. It is not changed.
    """

    def __init__(self, cases: pd.DataFrame) -> None:
        names = _numeric_names()
        self.n_cases = len(cases)
        self._values: Floats = np.full((self.n_cases, len(names) + 1), np.nan)
        present = [(place, name) for place, name in enumerate(names) if name in cases.columns]
        if present:
            places, columns = zip(*present, strict=True)
            self._values[:, places] = _as_floats(cases[list(columns)])
        self._text = {name: words(cases[name]) for name in _text_names() if name in cases.columns}

    def grid(self, item: str, *axes: str, **fixed: str) -> Floats:
        """An item over axes: `grid("pain", "region", "side")` is (n_cases, n_regions, n_sides).

        A place for which the dictionary declares no variable is NaN, as is one not recorded.
        """
        return self._values[:, _places(item, axes, tuple(sorted(fixed.items())))]

    def text(self, item: str, level: str | None = None) -> NDArray[np.object_]:
        """The words recorded for an item; None where nothing is."""
        name = f"{item}_{level}" if level else item
        return self._text.get(name, np.full(self.n_cases, None, dtype=object))


def words(column: pd.Series) -> NDArray[np.object_]:
    """A column of words as an array, None where nothing is recorded (`pd.NA` cannot be compared)."""
    return np.where(column.isna(), np.array(None, dtype=object), column.to_numpy(dtype=object))


def _as_floats(columns: pd.DataFrame) -> Floats:
    if all(dtype.kind in "fiu" for dtype in columns.dtypes if hasattr(dtype, "kind")):
        return columns.to_numpy(dtype=np.float64, na_value=np.nan)
    return columns.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


@cache
def _numeric_names() -> tuple[str, ...]:
    return tuple(v.name for v in load_dictionary().predictors if v.is_numeric)


@cache
def _text_names() -> tuple[str, ...]:
    return tuple(v.name for v in load_dictionary().predictors if v.item in TEXT_ITEMS)


@cache
def _places(item: str, axes: tuple[str, ...], fixed: tuple[tuple[str, str], ...]) -> Any:
    """Where on the axis of numeric variables each place of a grid stands; the last one is always NaN."""
    names = _numeric_names()
    dictionary = load_dictionary()
    place_of = {}
    for place, name in enumerate(names):
        variable = dictionary[name]
        if variable.item == item:
            place_of[frozenset(variable.coordinates)] = place
    if not place_of:
        raise KeyError(f"the dictionary declares no preoperative item {item}")
    shape = [_axis(axis) for axis in axes]
    places = np.full([len(axis) for axis in shape], len(names), dtype=np.intp)
    for index in np.ndindex(*places.shape):
        wanted = frozenset(
            [(_COORDINATE.get(axis, axis), labels[i]) for axis, labels, i in zip(axes, shape, index, strict=True)]
            + list(fixed)
        )
        places[index] = place_of.get(wanted, len(names))
    return places


_COORDINATE = {"upper_region": "region"}


def _axis(axis: str) -> tuple[str, ...]:
    return {"region": REGIONS, "upper_region": UPPER_REGIONS}.get(axis) or COORDINATES[axis]
