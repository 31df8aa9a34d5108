"""The table of a scored batch, written slice by slice: all cases of an outcome, then all of the next.

Memory holds one slice. The rows of the first outcome go straight into the file; those of the others wait in files of
their own until all cases are scored.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


class Said(NamedTuple):
    """What is told of an outcome when all is written."""

    mean_risk: float
    """Over the cases that have a risk; NaN where none has."""
    flagged: int
    """Cases with a red flag."""
    with_risk: int


class BatchFile:
    """A Parquet file that grows by slices of cases; whole when it is left without an error.

    Parameters
    ----------
    path : Path
        As of `written_whole`, which keeps a file that is not whole from appearing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = ExitStack()
        self._writers: list[pq.ParquetWriter] = []
        self._waiting: list[Path] = []
        self._risks: dict[str, list[np.ndarray]] = {}
        self._flagged: dict[str, int] = {}
        self.n_cases = 0

    def __enter__(self) -> Self:
        self._open.__enter__()
        return self

    def write(self, tables: Sequence[pd.DataFrame]) -> None:
        """Append a slice of the cases: its table of each outcome, in the same columns."""
        if not self._writers:
            self._begin(pa.Schema.from_pandas(tables[0], preserve_index=False), len(tables))
        for writer, table in zip(self._writers, tables, strict=True):
            writer.write_table(pa.Table.from_pandas(table, schema=writer.schema, preserve_index=False))
            outcome = str(table["outcome"].iloc[0])
            self._risks.setdefault(outcome, []).append(table["risk"].to_numpy())
            self._flagged[outcome] = self._flagged.get(outcome, 0) + int((table["red_flags"] != "").sum())
        self.n_cases += len(tables[0])

    def _begin(self, schema: pa.Schema, n_outcomes: int) -> None:
        beside = tempfile.TemporaryDirectory(dir=self._path.parent, prefix=f"{self._path.name}.")
        folder = Path(self._open.enter_context(beside))
        self._waiting = [folder / f"{place}.parquet" for place in range(1, n_outcomes)]
        for path in (self._path, *self._waiting):
            self._writers.append(self._open.enter_context(pq.ParquetWriter(path, schema, compression="zstd")))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._append_waiting()
        finally:
            self._open.__exit__(kind, error, trace)

    def _append_waiting(self) -> None:
        """The rows of the other outcomes below those of the first."""
        for writer, path in zip(self._writers[1:], self._waiting, strict=True):
            writer.close()
            with pq.ParquetFile(path) as rows:
                for group in range(rows.num_row_groups):
                    self._writers[0].write_table(rows.read_row_group(group))

    def said(self) -> dict[str, Said]:
        """Of each outcome; the same however the cases were sliced."""
        return {
            outcome: Said(float(known.mean()), self._flagged[outcome], int(known.count()))
            for outcome, risks in self._risks.items()
            if len(known := pd.Series(np.concatenate(risks)))
        }

    def note(self, footer: Mapping[bytes, bytes]) -> None:
        """Let the file's footer hold this too."""
        self._writers[0].add_key_value_metadata(footer)
