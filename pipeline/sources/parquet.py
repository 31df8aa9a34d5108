"""Parquet: typed columns, given back as the text a CSV would hold."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import FileFormatError
from pipeline.sources.delimited import BROKEN_OFF
from pipeline.sources.text import refuse_odd_header, text_table

UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
"""The row counter that pandas writes beside the columns: no variable of anybody's."""


def parquet_table(where: str, raw: bytes, *, missing_marks: list[str], names: Collection[str] | None) -> pd.DataFrame:
    """Every column as text; a named index of pandas is a column like the others.

    Raises
    ------
    FileFormatError
        If the file is not whole, or a column holds lists, records or bytes.
    ColumnsError
        If the header names a column twice, or not at all.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(raw)).read()
    except (pa.ArrowException, OSError):
        raise FileFormatError(f"{where} is not a whole Parquet file. {BROKEN_OFF}") from None
    own = [place for place, name in enumerate(table.column_names) if not UNNAMED_INDEX.fullmatch(name)]
    header = [table.column_names[place] for place in own]
    refuse_odd_header(where, header, names)
    return text_table(where, header, [table.column(place).to_pylist() for place in own], missing_marks)
