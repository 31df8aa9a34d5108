"""The one door for records: a file, a folder of files or a query comes in, a table of text goes out.

The ending of the name says how it is read: `.csv` (or any other ending; `.csv.gz`, `.zip` with one CSV),
`.parquet`, `.xlsx`, and `.sql` for a query. Everything is text, and missing marks are missing; the dictionary
types and judges it, so that a mistake is said in the same words wherever the records come from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ColumnsError, FileFormatError
from pipeline.params import IngestParams
from pipeline.sources.delimited import delimited_table, unpacked
from pipeline.sources.parquet import parquet_footer, parquet_slices, parquet_table
from pipeline.sources.text import as_text, refuse_cell_errors
from pipeline.sources.workbook import workbook_table

DELIMITED = (".csv", ".tsv", ".txt", ".gz", ".zip")
PARQUET = (".parquet",)
EXCEL = (".xlsx", ".xlsm")
QUERY = ".sql"
LEFT_BEHIND = (".", "~$")
"""How names in a folder begin that a desktop leaves there of its own accord."""
MARKERS = ("_SUCCESS", "_metadata", "_common_metadata")
"""What Spark and Dask write beside the parts of a table; no case is in them."""


def read_records(path: Path, params: IngestParams, names: Collection[str] | None = None) -> pd.DataFrame:
    """Records as text, missing marks as missing; nothing else is interpreted here.

    Parameters
    ----------
    path : Path
        A file; a folder, whose files are appended in the order of their names; or a query in a `.sql` file, which is
        put to the database of `params.url`.
    params : IngestParams
        How to read it; `params.file` is not looked at.
    names : collection of str, optional
        Names of columns of which there must be at least one; those of the dictionary unless given.

    Returns
    -------
    DataFrame of str
        Numbers of a Parquet file are float64 instead where the dictionary has them as such (see `parquet_table`).
        The index `row` says where each case stands: in the line of the file or row of the sheet (the header is 1), or
        in the row of the Parquet file or of the answer, counted from 1. Of a folder the index is `file` and `row`.
        An answer is put into the order of its `case_id`, since a database may give its rows in any.

    Raises
    ------
    FileFormatError
        If there is nothing to read, or it cannot be read as a table with one row a case.
    ColumnsError
        If a header names a column twice or not at all, or the headers of several files differ.
    ValuesError
        If a cell holds what a spreadsheet shows where a formula failed.
    DatabaseError
        If the database is not there, refuses the login, or cannot answer.
    """
    if path.suffix.lower() == QUERY:
        text = _answer(path, params, names)
    elif path.is_dir():
        text = _appended(path, _files(path, params, names))
    else:
        text = _file(path, params, names)
    refuse_cell_errors(str(path), text)
    return text


def is_parquet(path: Path) -> bool:
    """Whether it is a Parquet file, or a folder of such files and nothing else."""
    return all(file.suffix.lower() in PARQUET for file in (files_of(path) if path.is_dir() else [path]))


def n_records(path: Path) -> int:
    """How many records a sound Parquet file or folder of such files holds; only the ends of files are read."""
    files = files_of(path) if path.is_dir() else [path]
    return sum(parquet_footer(str(file), file).rows for file in files)


def record_slices(path: Path, params: IngestParams, rows: int) -> Iterator[pd.DataFrame]:
    """As `read_records`, of a Parquet file or a folder of such files, in slices of no more than so many rows.

    A file that has more is cut into slices of its own, of which the last alone is shorter; files that have less and
    stand side by side in a folder make a slice together.
    """
    if not path.is_dir():
        yield from _file_slices(path, params, rows)
        return
    footers = {file: parquet_footer(str(file), file) for file in files_of(path)}
    header = _one_header(path, {file.name: footer.columns for file, footer in footers.items()})
    for files in _side_by_side({file: footer.rows for file, footer in footers.items()}, rows):
        # either one file of any number of slices, or several of one each
        for texts in zip(*(_file_slices(file, params, rows) for file in files), strict=True):
            yield _together({file.name: text[header] for file, text in zip(files, texts, strict=True)})


def _side_by_side(sizes: Mapping[Path, int], rows: int) -> list[list[Path]]:
    """The files in their order, as many together as have no more than so many rows; a longer one is alone."""
    groups: list[list[Path]] = []
    n = rows
    for file, size in sizes.items():
        if n + size > rows:
            groups.append([])
            n = 0
        groups[-1].append(file)
        n += size
    return groups


def _file_slices(path: Path, params: IngestParams, rows: int) -> Iterator[pd.DataFrame]:
    raw, first = file_bytes(path), first_row(path)
    for text in parquet_slices(str(path), raw, missing_marks=params.missing_marks, names=None, rows=rows):
        text.index = pd.RangeIndex(first, first + len(text), name="row")
        first += len(text)
        refuse_cell_errors(str(path), text)
        yield text
    if first == first_row(path):
        raise _no_case(str(path))


def _files(folder: Path, params: IngestParams, names: Collection[str] | None) -> dict[str, pd.DataFrame]:
    """Each file of a folder by its name; where some cannot be read, all of those are named together."""
    tables, unusable = {}, []
    for file in files_of(folder):
        try:
            tables[file.name] = _file(file, params, names)
        except (FileFormatError, ColumnsError) as error:
            unusable.append(error)
    if unusable:
        raise type(unusable[0])("\n".join(map(str, unusable)))
    return tables


def _file(path: Path, params: IngestParams, names: Collection[str] | None) -> pd.DataFrame:
    raw, ending, where = file_bytes(path), path.suffix.lower(), str(path)
    marks = params.missing_marks
    if ending in PARQUET:
        text = parquet_table(where, raw, missing_marks=marks, names=names)
    elif ending in EXCEL:
        text = workbook_table(where, raw, sheet=params.sheet, missing_marks=marks, names=names)
    else:
        where, raw = unpacked(where, raw, ending)
        text = delimited_table(
            where, raw, encoding=params.encoding, separator=params.separator, missing_marks=marks, names=names
        )
    if text.empty:
        raise _no_case(where)
    first = first_row(path)
    text.index = pd.RangeIndex(first, first + len(text), name="row")
    return text


def _no_case(where: str) -> FileFormatError:
    return FileFormatError(f"{where} has a header and no case. Add one row a case.")


def first_row(path: Path) -> int:
    """The number of the first case in its file: a header is line 1, and Parquet has no line for one."""
    return 1 if path.suffix.lower() in (*PARQUET, QUERY) else 2


def file_bytes(path: Path, empty: str = "It needs a header and one row a case.") -> bytes:
    """What a file holds; refused where it is absent, cannot be read or is empty."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        kinds = "a CSV, Parquet or Excel file, a folder of such files, or a query (.sql)"
        raise FileFormatError(f"{path} does not exist. Name {kinds} in the dictionary's layout.") from None
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from None
    if not raw.strip():
        raise FileFormatError(f"{path} is empty. {empty}")
    return raw


def files_of(folder: Path) -> list[Path]:
    """The files of records in a folder, in the order of their names.

    Raises
    ------
    FileFormatError
        If there is none, or anything that cannot be told to be one.
    """
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith(LEFT_BEHIND))
    found = [folder / name for name in names if name not in MARKERS]
    odd = [path.name for path in found if path.is_dir() or path.suffix.lower() not in DELIMITED + PARQUET + EXCEL]
    if odd:
        raise FileFormatError(
            f"{folder} holds {', '.join(odd)}, and it cannot be told whether there are cases in it. Leave only files "
            f"of records there: {', '.join(DELIMITED + PARQUET + EXCEL)}."
        )
    if not found:
        raise FileFormatError(f"{folder} is an empty folder. Put the files of records there.")
    return found


def _appended(folder: Path, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All tables below one another, in the first one's order of columns.

    Raises
    ------
    ColumnsError
        If a header differs from the first one's.
    """
    header = _one_header(folder, {name: tuple(table.columns) for name, table in tables.items()})
    return _together({name: table[header] for name, table in tables.items()})


def _one_header(folder: Path, headers: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns of the first file, which are those of all.

    Raises
    ------
    ColumnsError
        Naming every file whose header differs from the first one's, and in what.
    """
    first, *others = headers
    unlike = {name: unlike_header(headers[first], headers[name]) for name in others}
    differences = [f"{name} {how}" for name, how in unlike.items() if how]
    if differences:
        raise ColumnsError(
            f"{folder}: the files have different headers. Beside {first}, {'; '.join(differences)}. Give all the same "
            f"columns; a value that was not recorded stays empty."
        )
    return list(headers[first])


def _together(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns below one another, by the names of their files."""
    return pd.concat(_alike(tables), names=["file", "row"])


def _alike(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The same tables, a column as text in all where it is text in one of them and numbers in another."""
    is_text = pd.DataFrame({name: table.dtypes != np.float64 for name, table in tables.items()})
    mixed = is_text.index[is_text.any(axis="columns") & ~is_text.all(axis="columns")]
    return {
        name: table.assign(**{c: as_text(table[c]) for c in mixed if not is_text.loc[c, name]})
        for name, table in tables.items()
    }


def unlike_header(first: Collection[str], other: Collection[str]) -> str:
    """In what another header differs from the first one, in words that follow its file's name; empty if in nothing."""
    lacks, has = sorted(set(first) - set(other)), sorted(set(other) - set(first))
    return " and ".join(f"{verb} {', '.join(found)}" for verb, found in (("lacks", lacks), ("also has", has)) if found)


def _answer(path: Path, params: IngestParams, names: Collection[str] | None) -> pd.DataFrame:
    from pipeline.sources.database import query_table  # SQLAlchemy, for those who ask a database

    text = query_table(str(path), _query(path), url=params.url or "", missing_marks=params.missing_marks, names=names)
    text.index = pd.RangeIndex(1, 1 + len(text), name="row")
    return text.sort_values("case_id", kind="stable") if "case_id" in text.columns else text


def _query(path: Path) -> str:
    try:
        return file_bytes(path, empty="It needs one SELECT.").decode("utf-8-sig").strip().rstrip(";")
    except UnicodeDecodeError:
        raise FileFormatError(f"{path} is not UTF-8. Save the query as UTF-8.") from None


def content_sha256(cases: pd.DataFrame) -> str:
    """A hash of typed cases, the same whatever they came from and in whatever order.

    Parameters
    ----------
    cases : DataFrame
        With `case_id` as a column or as the index.
    """
    cases = cases.reset_index() if cases.index.name == "case_id" else cases
    cases = cases.sort_values("case_id", kind="stable") if "case_id" in cases.columns else cases
    digest = hashlib.sha256()
    for name in sorted(cases.columns):
        digest.update(name.encode() + b"\n" + _canonical_bytes(cases[name]))
    return digest.hexdigest()


def _canonical_bytes(values: pd.Series) -> bytes:
    """Numbers as float64, days as seconds, words as JSON; missing is always alike, and so is zero."""
    if pd.api.types.is_datetime64_dtype(values):
        return values.to_numpy().astype("datetime64[s]").tobytes()
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64)
        return (np.where(np.isnan(numbers), np.nan, numbers) + 0.0).tobytes()
    return json.dumps([None if pd.isna(value) else value for value in values]).encode()


def input_sha256(path: Path, cases: pd.DataFrame) -> str:
    """Which input it was: the hash of a file's bytes, or of the cases where there is no one file that holds them.

    That of a folder of Parquet files is of the files, since it may hold more cases than memory.
    """
    if path.is_file() and path.suffix.lower() != QUERY:
        return file_sha256(path)
    if path.is_dir() and is_parquet(path):
        return folder_sha256({file.name: file_sha256(file) for file in files_of(path)})
    return content_sha256(cases)


def folder_sha256(sha256s: Mapping[str, str]) -> str:
    """The hash of a folder by those of its files: what `sha256sum *.parquet | sha256sum` says there."""
    return hashlib.sha256("".join(f"{sha256}  {name}\n" for name, sha256 in sha256s.items()).encode()).hexdigest()


def source_facts(path: Path, params: IngestParams, cases: pd.DataFrame) -> dict[str, Any]:
    """What was read, for a file beside the cases: names, hashes and numbers of rows; no user, no password, no time.

    Parameters
    ----------
    path, params
        As `read_records` took them.
    cases : DataFrame
        Typed, with the index that `read_records` gave.
    """
    facts: dict[str, Any] = {
        "name": str(path), "cases": len(cases), "columns": len(cases.columns), "content_sha256": content_sha256(cases),
    }  # fmt: skip
    if path.suffix.lower() == QUERY:
        from pipeline.sources.database import database_url, described

        asked = described(database_url(params.url or ""))
        return {**facts, "kind": "query", "query_sha256": file_sha256(path), "database": asked}
    if path.is_dir():
        sizes = cases.groupby(level="file", sort=True).size()
        files = [_file_facts(file, int(sizes[file.name])) for file in files_of(path)]
        return {**facts, "kind": "folder", "files": files}
    return {**facts, "kind": "file", "files": [_file_facts(path, len(cases))]}


def _file_facts(path: Path, n_cases: int) -> dict[str, Any]:
    return {"name": path.name, "sha256": file_sha256(path), "cases": n_cases, "first_row": first_row(path)}


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
