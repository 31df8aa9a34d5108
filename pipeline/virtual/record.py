"""From arrays to the columns of the record, by the names and ranges of the dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from features.axes import LEVELS, REGIONS, ROOTS, SIDES, UPPER_REGIONS
from features.dictionary import load_dictionary

AXES: dict[str, tuple[str, ...]] = {
    "level": LEVELS,
    "side": SIDES,
    "root": ROOTS,
    "region": REGIONS,
    "upper_region": UPPER_REGIONS,
}


@cache
def _names() -> dict[tuple[str, frozenset[tuple[str, str]]], str]:
    return {(v.item, frozenset(v.coordinates)): v.name for v in load_dictionary().variables}


def name_of(item: str, **coordinates: str | None) -> str:
    """Name of the variable of that item and place.

    >>> name_of("recess_stenosis", level="l4_l5", side="left")
    'recess_stenosis_l4_l5_left'
    """
    place = frozenset((axis, value) for axis, value in coordinates.items() if value is not None)
    return _names()[item, place]


def grid_columns(item: str, values: np.ndarray, *axes: str, roots: tuple[str, ...] = ROOTS) -> dict[str, np.ndarray]:
    """Columns of a grid (n_cases, *axes); `roots` names the root axis where not all are recorded."""
    members = [roots if axis == "root" else AXES[axis] for axis in axes]
    keys = ["region" if axis == "upper_region" else axis for axis in axes]
    return {
        name_of(item, **dict(zip(keys, place, strict=True))): np.moveaxis(values, 0, -1)[index]
        for index, place in zip(product(*(range(len(names)) for names in members)), product(*members), strict=True)
    }


def record_frame(columns: Mapping[str, np.ndarray], n: int, names: list[str]) -> pd.DataFrame:
    """The record: all the named columns in that order; numbers as floats, words and dates as text."""
    unknown = sorted(set(columns) - set(load_dictionary().by_name))
    if unknown:
        raise KeyError(f"not in the dictionary: {unknown}")
    data: dict[str, Any] = {}
    for name in names:
        if load_dictionary()[name].is_numeric:
            values = columns.get(name)
            data[name] = np.full(n, np.nan) if values is None else np.asarray(values, dtype=float)
        else:
            data[name] = pd.array(columns.get(name, np.full(n, None)), dtype="str")
    return pd.DataFrame(data, index=pd.RangeIndex(n), columns=names)


def with_text(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with words as text also where a column happens to hold none."""
    return table.astype({name: "str" for name in table if table[name].dtype.kind != "f"})


def first_day(year: int) -> int:
    """Days from 1970-01-01 to the first of January."""
    return int(np.datetime64(f"{year}-01-01", "D").astype(int))


def iso_dates(days: np.ndarray) -> np.ndarray:
    """ISO 8601 text of days since 1970-01-01; NaN becomes None."""
    known = ~np.isnan(days)
    text = np.full(len(days), None, dtype=object)
    text[known] = np.datetime_as_string(days[known].astype("int64").astype("datetime64[D]")).astype(object)
    return text
