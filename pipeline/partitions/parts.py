"""The parts of a folder: each of its Parquet files, compared by their footers before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import ColumnsError, FileFormatError
from pipeline.sources.parquet import parquet_footer
from pipeline.sources.records import PARQUET, files_of, unlike_header


@dataclass(frozen=True)
class Part:
    """One Parquet file of a folder, as its footer describes it."""

    path: Path
    rows: int
    size: int
    """In bytes."""
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.name


def parts_of(folder: Path) -> list[Part]:
    """Every part of a folder, in the order of their names; only footers are read.

    Parameters
    ----------
    folder : Path
        Of Parquet files with the same columns, in any order; the dictionary types them, so their types may differ.

    Raises
    ------
    FileFormatError
        If it is no such folder; with every file that is not whole or holds no case.
    ColumnsError
        With every file whose columns are not those of the first.
    """
    files = _parquet_files(folder)
    parts: list[Part] = []
    unusable: list[str] = []
    for file in files:
        try:
            parts.append(_part(file))
        except FileFormatError as error:
            unusable.append(str(error))
    unlike = _unlike_headers(parts)
    if unusable:
        raise FileFormatError(_listed(folder, [*unusable, *unlike]))
    if unlike:
        raise ColumnsError(_listed(folder, unlike))
    return parts


def _parquet_files(folder: Path) -> list[Path]:
    if not folder.exists():
        raise FileFormatError(f"{folder} does not exist. Name a folder of Parquet files in the dictionary's layout.")
    if not folder.is_dir():
        raise FileFormatError(
            f"{folder} is no folder. With --workers or --scheduler name a folder of Parquet files: each is a part."
        )
    files = files_of(folder)
    others = [file.name for file in files if file.suffix.lower() not in PARQUET]
    if others:
        raise FileFormatError(
            f"{folder} holds {', '.join(others)}. With --workers or --scheduler every file is Parquet; without them "
            f"other kinds are read too, in one process."
        )
    passed_over = [file.name for file in files if file.name.startswith("_")]
    if passed_over:
        raise FileFormatError(
            f"{folder} holds {', '.join(passed_over)}: readers of a folder of Parquet files pass over names that begin "
            f"with _, and so they would over what is made from it. Give it another name."
        )
    return files


def _part(file: Path) -> Part:
    rows, columns = parquet_footer(file.name, file)
    if not rows:
        raise FileFormatError(f"{file.name} has a header and no case. Add one row a case, or take it away.")
    return Part(file.resolve(), rows, file.stat().st_size, columns)


def _unlike_headers(parts: Sequence[Part]) -> list[str]:
    """A sentence on every part whose columns are not those of the first."""
    said = [(part.name, unlike_header(parts[0].columns, part.columns)) for part in parts[1:]]
    return [
        f"{name} {how}, beside {parts[0].name}. Give all the same columns; a value that was not recorded stays empty."
        for name, how in said
        if how
    ]


def _listed(folder: Path, problems: Sequence[str]) -> str:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return f"{folder}: {len(problems)} problem{'s' if len(problems) > 1 else ''}, before any work.\n{lines}"
