"""The virtual registry as a file of any size: CSV or Parquet, written in pieces, whole or not at all.

Memory holds one block of cases and one piece. How large the pieces are makes no difference to the bytes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import yaml

from features.errors import FileFormatError, ParamsError
from pipeline.files import ENDINGS, written_whole
from pipeline.params import load_params
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import BLOCK_CASES, registry_blocks

FIELDS = tuple(field.name for field in fields(RegistryParams))
ROW_GROUP = BLOCK_CASES
"""Rows that a Parquet file keeps together; fixed, so that equal registries are equal files."""


def registry_params(cases: int | None, seed: int | None, changes: Sequence[str] = ()) -> RegistryParams:
    """The section `registry` of params.yaml, with what is asked for in its place.

    Parameters
    ----------
    cases, seed : int or None
        None leaves what params.yaml says.
    changes : NAME=VALUE
        Other fields of the section; the value is read as YAML.

    Raises
    ------
    ParamsError
        Naming every field that is unknown, written wrongly or out of its range, before anything is drawn.
    """
    wanted: dict[str, Any] = {
        name: value for name, value in {"cases": cases, "seed": seed}.items() if value is not None
    }
    problems = []
    for change in changes:
        name, equals, text = change.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not equals:
            problems.append(f"--set {change} is not NAME=VALUE")
        elif name not in FIELDS:
            closest = difflib.get_close_matches(name, FIELDS, n=1)
            problems.append(f"--set names {name}" + (f" (is {closest[0]} meant?)" if closest else ""))
        else:
            wanted[name] = value
    if problems:
        raise ParamsError("; ".join(problems) + f". Fields of registry are {', '.join(FIELDS)}.")
    return replace(load_params().registry, **wanted)


def write_registry(params: RegistryParams, cases: Path, truth: Path | None = None, piece: int = ROW_GROUP) -> None:
    """Draw the registry into a file, and its truth into another where one is named.

    Parameters
    ----------
    params : RegistryParams
        What to draw.
    cases, truth : path ending in .csv or .parquet
        Both appear together, complete, or neither does.
    piece : int
        Rows handed to the writer at a time.

    Raises
    ------
    FileFormatError
        If an ending is unknown, both are one file, or nothing can be written there.
    """
    targets = [cases] if truth is None else [cases, truth]
    _refuse_targets(targets)
    with ExitStack() as stack:
        beside = [stack.enter_context(written_whole(path)) for path in targets]
        writers = [stack.enter_context(_Writer(path, to.suffix)) for path, to in zip(beside, targets, strict=True)]
        for tables in in_pieces(registry_blocks(params), piece):
            for writer, table in zip(writers, tables, strict=False):
                writer.write(table)


def in_pieces(blocks: Iterable[tuple[pd.DataFrame, ...]], rows: int) -> Iterator[tuple[pd.DataFrame, ...]]:
    """The same tables, row by row in the same order, in pieces of so many rows; the last is shorter."""
    held: tuple[pd.DataFrame, ...] | None = None
    for tables in blocks:
        held = tables if held is None else tuple(_after(*pair) for pair in zip(held, tables, strict=True))
        while len(held[0]) >= rows:
            yield tuple(table.iloc[:rows] for table in held)
            held = tuple(table.iloc[rows:] for table in held)
    if held is not None and len(held[0]):
        yield held


def _after(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([first, second], ignore_index=True) if len(first) else second


class _Writer:
    """Appends tables to one file; rows of a Parquet file are gathered until a row group is full."""

    def __init__(self, path: Path, ending: str) -> None:
        self._path, self._is_parquet = path, ending == ".parquet"
        self._writer: Any = None
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> _Writer:
        return self

    def write(self, table: pd.DataFrame) -> None:
        rows = pa.Table.from_pandas(table, schema=arrow_schema(table), preserve_index=False)
        if self._writer is None:
            self._writer = self._opened(rows.schema)
        if not self._is_parquet:
            self._writer.write_table(rows)
            return
        self._waiting.append(rows)
        while sum(part.num_rows for part in self._waiting) >= ROW_GROUP:
            gathered = pa.concat_tables(self._waiting)
            self._writer.write_table(gathered.slice(0, ROW_GROUP).combine_chunks(), row_group_size=ROW_GROUP)
            self._waiting = [gathered.slice(ROW_GROUP)]

    def _opened(self, schema: pa.Schema) -> Any:
        if self._is_parquet:
            return pyarrow.parquet.ParquetWriter(self._path, schema, compression="zstd")
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        return pyarrow.csv.CSVWriter(self._path, schema, write_options=options)

    def __exit__(self, kind: Any, *_: object) -> None:
        if self._writer is None:
            return
        rest = pa.concat_tables(self._waiting) if self._waiting else None
        if kind is None and rest is not None and rest.num_rows:
            self._writer.write_table(rest.combine_chunks(), row_group_size=ROW_GROUP)
        self._writer.close()


def arrow_schema(table: pd.DataFrame) -> pa.Schema:
    """Numbers as doubles and words as text, also where a piece happens to hold none; nothing about pandas."""
    return pa.schema([(name, pa.float64() if table[name].dtype.kind == "f" else pa.string()) for name in table])


def _refuse_targets(targets: list[Path]) -> None:
    problems = [f"{path} does not end in {' or '.join(ENDINGS)}" for path in targets if path.suffix not in ENDINGS]
    if len({path.resolve() for path in targets}) < len(targets):
        problems.append(f"cases and truth are one file, {targets[0]}")
    if problems:
        raise FileFormatError("; ".join(problems) + ". Name another file.")
