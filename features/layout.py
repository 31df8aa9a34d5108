"""A part of the record as a matrix: a row a case, a column a variable, laid out on the axes by coordinates.

What is absent, empty or not a number is NaN: not recorded. A word is the place of its code among the
choices of its variable. The last column of every matrix is NaN, for places that the dictionary lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.axes import REGIONS, UPPER_REGIONS
from features.dictionary import COORDINATES, Variable

Floats = NDArray[np.float64]


class Layout:
    """Which variable lies in which column.

    Parameters
    ----------
    variables : iterable of Variable
        Numbers, and choices, whose words become numbers; in the order of the columns.
    """

    def __init__(self, variables: Iterable[Variable]) -> None:
        self.variables = tuple(variables)
        self.names = tuple(variable.name for variable in self.variables)
        self.place_of = {name: place for place, name in enumerate(self.names)}
        self.codes = {v.name: tuple(v.codes) for v in self.variables if not v.is_numeric}
        self._word_places = tuple((self.place_of[name], codes) for name, codes in self.codes.items())

    @property
    def nowhere(self) -> int:
        """The column that is always NaN."""
        return len(self.names)

    def matrix(self, cases: pd.DataFrame) -> Floats:
        """(n_cases, n_names + 1) from a table of any subset of the columns, in any order; it is not changed."""
        return self.matrix_of_columns(self.columns(cases), slice(0, len(cases)))

    def columns(self, cases: pd.DataFrame) -> dict[int, Floats]:
        """The columns that a table has, each (n_cases,), by their place; those of numbers are not copied."""
        return {
            place: self._coded(cases[name], name) if name in self.codes else _as_floats(cases[name])
            for place, name in enumerate(self.names)
            if name in cases.columns
        }

    def _coded(self, words: pd.Series, name: str) -> Floats:
        found = pd.Index(self.codes[name]).get_indexer(pd.Index(words))
        return np.where(found >= 0, found, np.nan)

    def matrix_of_columns(self, columns: Mapping[int, Floats], rows: slice) -> Floats:
        """The matrix of some of the cases, from `columns`."""
        by_column = np.full((len(self.names) + 1, rows.stop - rows.start), np.nan)
        for place, values in columns.items():
            by_column[place] = values[rows]
        return np.ascontiguousarray(by_column.T)

    def matrix_of_records(self, records: Sequence[Mapping[str, Any]]) -> Floats:
        """The same from plain records, as a request holds them: numbers, words, None for not recorded."""
        rows = [[*map(record.get, self.names), None] for record in records]
        for row in rows:
            for place, codes in self._word_places:
                word = row[place]
                row[place] = codes.index(word) if word in codes else None
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.names) + 1)

    def places(
        self, item: str, axes: tuple[str, ...] = (), fixed: tuple[tuple[str, str], ...] = ()
    ) -> NDArray[np.intp]:
        """The columns of an item over axes; that of a place which the dictionary lacks is always NaN.

        Raises
        ------
        KeyError
            If no variable here is of that item.
        """
        place_of = {frozenset(v.coordinates): self.place_of[v.name] for v in self.variables if v.item == item}
        if not place_of:
            raise KeyError(item)
        shape = [_axis(axis) for axis in axes]
        found = np.full([len(labels) for labels in shape], self.nowhere, dtype=np.intp)
        for index in np.ndindex(*found.shape):
            wanted = frozenset(
                [(_COORDINATE.get(axis, axis), labels[i]) for axis, labels, i in zip(axes, shape, index, strict=True)]
                + list(fixed)
            )
            found[index] = place_of.get(wanted, self.nowhere)
        return found


def _as_floats(column: pd.Series) -> Floats:
    if getattr(column.dtype, "kind", "") not in "fiu":
        column = pd.to_numeric(column, errors="coerce")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


_COORDINATE = {"upper_region": "region"}


def _axis(axis: str) -> tuple[str, ...]:
    return {"region": REGIONS, "upper_region": UPPER_REGIONS}.get(axis) or COORDINATES[axis]
