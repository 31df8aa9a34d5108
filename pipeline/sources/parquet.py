"""Parquet: numbers of the dictionary stay numbers, all else is given back as the text that a CSV would hold.

A value is the same either way, and so is what is said of it: a number as text is its shortest digits, which read
back as the same number. What is no plain number (a decimal, a half, a whole number beyond 2**53) goes by its text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.dictionary import load_dictionary
from features.errors import FileFormatError
from pipeline.sources.delimited import BROKEN_OFF
from pipeline.sources.text import refuse_odd_header, text_of

UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
"""The row counter that pandas writes beside the columns: no variable of anybody's."""
EXACT = 2**53
"""Whole numbers up to here are the same as a double."""


class Footer(NamedTuple):
    """What the end of a Parquet file says of it."""

    rows: int
    columns: tuple[str, ...]


def parquet_footer(where: str, file: Path) -> Footer:
    """The end of a file, and no more of it is read.

    Raises
    ------
    FileFormatError
        If the file is not whole.
    """
    try:
        with pq.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            return Footer(opened.metadata.num_rows, tuple(n for n in names if not UNNAMED_INDEX.fullmatch(n)))
    except (pa.ArrowException, OSError):
        raise FileFormatError(f"{where} is not a whole Parquet file. {BROKEN_OFF}") from None


def parquet_table(where: str, raw: bytes, *, missing_marks: list[str], names: Collection[str] | None) -> pd.DataFrame:
    """The whole table; a named index of pandas is a column like the others.

    Parameters
    ----------
    where : str
        Its name in messages.
    raw : bytes
        The file.
    missing_marks : list of str
        Texts, and numbers whose text they are, that stand for a missing value.
    names : collection of str, optional
        Names of columns of which there must be at least one. None stands for the dictionary's, by which columns
        that it declares as numbers and that hold numbers are float64; with other names everything is text.

    Raises
    ------
    FileFormatError
        If the file is not whole, or a column holds lists, records or bytes.
    ColumnsError
        If the header names a column twice, or not at all.
    """
    (table,) = parquet_slices(where, raw, missing_marks=missing_marks, names=names)
    return table


def parquet_slices(
    where: str, raw: bytes, *, missing_marks: list[str], names: Collection[str] | None, rows: int | None = None
) -> Iterator[pd.DataFrame]:
    """The same in slices of so many rows, the last of which is shorter; all at once unless `rows` is given."""
    try:
        file = pq.ParquetFile(pa.BufferReader(raw))
        header = file.schema_arrow.names
        own = [place for place, name in enumerate(header) if not UNNAMED_INDEX.fullmatch(name)]
        refuse_odd_header(where, [header[place] for place in own], names)
        for table in [file.read()] if rows is None else _slices(file, rows):
            yield _recorded(where, table.select(own), missing_marks, has_variables=names is None)
    except (pa.ArrowException, OSError):
        raise FileFormatError(f"{where} is not a whole Parquet file. {BROKEN_OFF}") from None


def _slices(file: pq.ParquetFile, rows: int) -> Iterator[pa.Table]:
    """Tables of exactly so many rows but the last, however long the groups of rows in the file are."""
    waiting, n_waiting = [], 0
    for batch in file.iter_batches(batch_size=rows):
        waiting.append(batch)
        n_waiting += len(batch)
        while n_waiting >= rows:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, rows)
            waiting, n_waiting = table.slice(rows).to_batches(), n_waiting - rows
    if n_waiting:
        yield pa.Table.from_batches(waiting)


def _recorded(where: str, table: pa.Table, marks: list[str], *, has_variables: bool) -> pd.DataFrame:
    """A table of numbers and text, missing marks as missing."""
    dictionary = load_dictionary()
    columns: list[np.ndarray | pd.Series] = []
    unusable = []
    for name, values in zip(table.column_names, table.columns, strict=True):
        is_number = has_variables and name in dictionary and dictionary[name].is_numeric
        numbers = _numbers(values, marks) if is_number else None
        try:
            columns.append(_text(values, marks) if numbers is None else numbers)
        except TypeError as error:
            unusable.append(f"{name} holds values of type {error}")
    if unusable:
        raise FileFormatError(f"{where}: {'; '.join(unusable)}. Give each column single numbers, words or dates.")
    recorded = pd.DataFrame(dict(enumerate(columns)), copy=False)
    recorded.columns = pd.Index(table.column_names)
    return recorded


def _numbers(values: pa.ChunkedArray, marks: list[str]) -> np.ndarray | None:
    """(n,) float64, NaN where missing; None where the type is no plain number, or a number is not the same as a double.

    Minus zero is zero, as in text.
    """
    kind = values.type
    if pa.types.is_boolean(kind):
        values = values.cast(pa.uint8())
    elif pa.types.is_integer(kind):
        ends = pc.min_max(values).as_py()
        if max(abs(ends["min"] or 0), abs(ends["max"] or 0)) > EXACT:
            return None
    elif not (pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        return None
    numbers: np.ndarray = values.cast(pa.float64()).to_numpy()
    numbers = np.add(numbers, 0.0, out=numbers if numbers.flags.writeable else None)
    for mark in marks:
        number = _number_of(mark)
        if number is not None:
            numbers[numbers == number] = np.nan
    return numbers


def _number_of(mark: str) -> float | None:
    """The number whose text a mark is, if it is that of one."""
    try:
        return float(mark) if text_of(float(mark)) == mark else None
    except ValueError:
        return None


def _text(values: pa.ChunkedArray, marks: list[str]) -> pd.Series:
    """Text, missing marks as missing; of other types each different value is written once.

    Raises
    ------
    TypeError
        Of a type that is no single value.
    """
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        text = pd.Series(values.cast(pa.large_string()), dtype="str")
    elif pa.types.is_primitive(values.type):
        coded = values.combine_chunks().dictionary_encode()
        different = pd.Series([text_of(value) for value in coded.dictionary.to_pylist()], dtype="str")
        place = coded.indices.fill_null(len(different)).to_numpy(zero_copy_only=False)
        text = pd.concat([different, pd.Series([None], dtype="str")], ignore_index=True).take(place)
        text = text.reset_index(drop=True)
    else:
        text = pd.Series([text_of(value) for value in values.to_pylist()], dtype="str")
    return text.mask(text.isin(marks))
