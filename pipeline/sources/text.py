"""Values of any source as the text that a CSV would hold, so that one dictionary types and judges them all."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.errors import ColumnsError, FileFormatError, ValuesError

CELL_ERRORS = (
    "#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#GETTING_DATA",
)  # fmt: skip
"""What a spreadsheet shows where a formula failed; a CSV that was saved from one holds these as text."""
NAMED = 5
"""Rows, files or cells that a message names before it says "..."."""


def text_of(value: Any) -> str | None:
    """A value as a CSV would hold it, None where it is missing: whole numbers without a point, days as ISO 8601.

    Yes and no are 1 and 0, as in the record.

    Raises
    ------
    TypeError
        Of a value that is no single number, word or time, such as a list or bytes.

    Examples
    --------
    >>> [text_of(value) for value in (40.0, 7.5, True, Decimal("27.50"), dt.datetime(2021, 3, 4), float("nan"))]
    ['40', '7.5', '1', '27.50', '2021-03-04', None]
    """
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float | Decimal):
        return _number_text(value)
    if isinstance(value, dt.datetime):
        is_day = value.tzinfo is None and value.time() == dt.time()
        return value.date().isoformat() if is_day else value.isoformat(sep=" ")
    if isinstance(value, int | dt.date | dt.time | dt.timedelta | uuid.UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _number_text(number: float | Decimal) -> str | None:
    if math.isnan(number):
        return None
    if isinstance(number, float):
        # repr is the shortest text that reads back as the same number
        return repr(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return format(number.to_integral_value() if number == number.to_integral_value() else number, "f")


def text_table(
    where: str, names: Sequence[str], columns: Sequence[Sequence[Any]], marks: Sequence[str]
) -> pd.DataFrame:
    """A table of text from columns of values; missing marks are missing.

    Raises
    ------
    FileFormatError
        Naming every column that holds what is no single value.
    """
    texts, unusable = [], []
    for name, values in zip(names, columns, strict=True):
        try:
            texts.append(pd.Series([text_of(value) for value in values], dtype="str"))
        except TypeError as error:
            unusable.append(f"{name} holds values of type {error}")
    if unusable:
        raise FileFormatError(f"{where}: {'; '.join(unusable)}. Give each column single numbers, words or dates.")
    table = pd.concat(texts, axis=1, keys=range(len(texts)))
    table.columns = pd.Index(names)
    return table.mask(table.isin(list(marks)))


def as_text(values: pd.Series) -> pd.Series:
    """A column of numbers as the text that a CSV would hold."""
    return pd.Series([text_of(value) for value in values.tolist()], index=values.index, dtype="str")


def refuse_odd_header(where: str, header: Sequence[str | None], names: Collection[str] | None) -> None:
    """Refuse a header that names no column that is meant, a column twice, or a column not at all.

    `names` are those of which the header must hold at least one; None stands for the dictionary's.
    """
    given = [name or "" for name in header]
    meant: Collection[str] = {v.name for v in load_dictionary().variables} if names is None else names
    if not any(name.strip() in meant for name in given):
        raise FileFormatError(
            f"{where}: line 1 names not one column {'of the dictionary' if names is None else 'that is meant'}. "
            f"Is the header missing? The first line names the columns as in docs/reference/dictionary.md."
        )
    nameless = [str(place) for place, name in enumerate(given, start=1) if not name.strip()]
    if nameless:
        raise ColumnsError(
            f"{where}: the header has no name for column {', '.join(nameless)}. "
            f"Name it as in docs/reference/dictionary.md, or delete it."
        )
    repeated = sorted({name for name in given if given.count(name) > 1})
    if repeated:
        raise ColumnsError(f"{where}: the header names {', '.join(repeated)} more than once. Keep one of each.")


def refuse_cell_errors(where: str, text: pd.DataFrame) -> None:
    """Refuse what a failed formula left behind: in an id or a word it would pass for a value.

    Raises
    ------
    ValuesError
        With every column and its rows.
    """
    found = []
    for name in text.columns:
        if pd.api.types.is_numeric_dtype(text[name]):
            continue
        errors = text[name].isin(CELL_ERRORS)
        if errors.any():
            said = ", ".join(sorted(set(text.loc[errors, name])))
            rows = text.index[np.flatnonzero(errors)]
            found.append(f"{name} holds {said} in {len(rows)} row{'s' if len(rows) > 1 else ''} ({first_of(rows)})")
    if found:
        raise ValuesError(
            f"{where}: {'; '.join(found)}: what a spreadsheet shows where a formula failed. Mend the formulas or clear "
            f"the cells; where it means that a value is missing, list it in ingest.missing_marks."
        )


def place_text(place: Any) -> str:
    """Where a case stands, in words: its row, or the file and its row.

    Examples
    --------
    >>> place_text(17), place_text(("2017.csv", 17))
    ('17', '2017.csv:17')
    """
    return ":".join(map(str, place)) if isinstance(place, tuple) else str(place)


def first_of(places: Collection[Any]) -> str:
    return ", ".join([place_text(place) for place in places][:NAMED]) + (", ..." if len(places) > NAMED else "")
