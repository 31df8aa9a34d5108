"""Reading and writing, so that nothing is ever half-written: a file appears whole, or not at all."""

from __future__ import annotations

import codecs
import csv
import errno
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from features.dictionary import load_dictionary
from features.errors import ColumnsError, FileFormatError

ENDINGS = (".csv", ".parquet")
"""Of a table, by which its format is chosen."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Faults of the place that is written to, not of what is written."""
SIGNATURES = {b"PK\x03\x04": "an Excel or zip file", b"PAR1": "a Parquet file", b"\x1f\x8b": "a gzip file"}


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path beside the target to write to, moved onto the target when all went well.

    Raises
    ------
    FileFormatError
        If nothing can be written there, or not all of it.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise _unwritable(path, error) from None
    finally:
        beside.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> FileFormatError:
    why = os.strerror(error.errno or errno.EIO)
    return FileFormatError(f"{path} cannot be written: {why}. Make room, or name another place.")


def write_text(text: str, path: Path) -> None:
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(content: Any, path: Path) -> None:
    """Sorted and without NaN, so that equal contents give equal bytes and any reader can read them."""
    write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n", path)


def read_json(path: Path) -> Any:
    """A JSON file of an earlier stage; refused with what to do where it is absent or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> FileFormatError:
    state = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
    return FileFormatError(f"{path} {state}. An earlier stage makes it: run `dvc repro`.")


def read_table(path: Path) -> pd.DataFrame:
    """A Parquet or CSV table of an earlier stage, as it is."""
    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise _unreadable(path, error) from None


def write_table(table: pd.DataFrame, path: Path) -> None:
    """CSV or Parquet by the ending; the index is written when it has a name."""
    with written_whole(path) as beside:
        put_table(table, beside, path.suffix)


def put_table(table: pd.DataFrame, beside: Path, ending: str) -> None:
    """The same within `written_whole`, for what must go well before the file appears."""
    keep = table.index.name is not None
    if ending == ".csv":
        table.to_csv(beside, index=keep, lineterminator="\n")
    else:
        table.to_parquet(beside, index=keep, compression="zstd")


def refuse_out(out: Path, source: Path, endings: Sequence[str] = ENDINGS) -> None:
    """Refuse a file for a table that would replace what it is made from, or whose ending promises another format.

    Raises
    ------
    FileFormatError
        With what to name in its place.
    """
    if out.resolve() == source.resolve():
        raise FileFormatError(f"--out names {source} itself, which it would replace. Name another file.")
    if out.suffix not in endings:
        raise FileFormatError(f"--out {out} does not end in {' or '.join(endings)}. Name another file.")


def read_cases(path: Path) -> pd.DataFrame:
    """A Parquet table of an earlier stage, `case_id` as index."""
    table = read_table(path)
    return table if table.index.name == "case_id" else table.set_index("case_id")


def read_records(path: Path, encoding: str, separator: str, missing_marks: list[str]) -> pd.DataFrame:
    """A CSV as text, missing marks as missing; nothing else is interpreted here.

    Raises
    ------
    FileFormatError
        If the file is absent, empty, not a CSV, in another encoding or with another separator.
    ColumnsError
        If the header names a column twice.
    """
    raw = _bytes(path)
    try:
        text = raw.decode("utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding)
    except (UnicodeError, LookupError) as error:
        raise FileFormatError(_encoding_message(path, raw, encoding, error)) from None
    separator = "\t" if separator == r"\t" else separator  # as a shell hands it over
    if len(separator) != 1 or separator in '"\r\n':
        raise FileFormatError(
            f"{path}: {separator!r} cannot separate values. Set --separator or ingest.separator to one mark."
        )
    _refuse_uneven_rows(path, text, separator)
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            na_values=missing_marks,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise FileFormatError(
            f"{path} is not a CSV with one value a column: {reason} Quote values that hold a {separator!r}."
        ) from None
    if table.empty:
        raise FileFormatError(f"{path} has a header and no case. Add one row a case.")
    return table


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise FileFormatError(f"{path} does not exist. Name a CSV in the dictionary's layout.") from None
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from None
    if not raw.strip():
        raise FileFormatError(f"{path} is empty. It needs a header and one row a case.")
    kind = next((name for signature, name in SIGNATURES.items() if raw.startswith(signature)), None)
    if kind or b"\x00" in raw:
        raise FileFormatError(f"{path} is {kind or 'a binary file'}, not a CSV. Export it as CSV (UTF-8).")
    return raw


def _encoding_message(path: Path, raw: bytes, encoding: str, error: Exception) -> str:
    if isinstance(error, LookupError):
        return f"{path}: there is no encoding {encoding}. Set ingest.encoding or --encoding, such as utf-8 or latin-1."
    line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
    return (
        f"{path} is not {encoding.upper()}: line {line} holds a byte that it does not allow. "
        f"Save the file as CSV UTF-8, or name its encoding (--encoding latin-1, or ingest.encoding in params.yaml)."
    )


def _refuse_uneven_rows(path: Path, text: str, separator: str) -> None:
    """Refuse what pandas would mend in silence: rows longer or shorter than the header, empty lines.

    A row is then a line of the file, so that a problem can name it.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header: list[str] = []
    uneven, empty, line = [], [], 0
    is_whole = True
    try:
        for row in reader:
            line += 1
            is_whole = reader.line_num == line
            if not is_whole:
                break
            if line == 1:
                header = row
                _refuse_odd_header(path, header, separator)
            elif len(row) <= 1 and not "".join(row).strip():
                empty.append(line)
            elif len(row) != len(header):
                uneven.append(line)
    except csv.Error:  # a value longer than any that is meant
        is_whole, line = False, line + 1
    if not is_whole:
        raise FileFormatError(f"{path}: a value of line {line} runs over the end of the line. Close its quote.")
    while empty and empty[-1] == line:  # empty lines at the end are no rows
        empty.pop()
        line -= 1
    problems = []
    if uneven:
        problems.append(
            f"{len(uneven)} {'rows do' if len(uneven) > 1 else 'row does'} not have the {len(header)} values that the "
            f"header names ({_first(uneven)}). Quote values that hold a {separator!r}, and write decimals with a point."
        )
    if empty:
        problems.append(
            f"{len(empty)} {'lines are' if len(empty) > 1 else 'line is'} empty ({_first(empty)}). Delete them."
        )
    if problems:
        raise FileFormatError(f"{path}: {' '.join(problems)}")


def _first(lines: list[int]) -> str:
    return "line " + ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")


def _refuse_odd_header(path: Path, header: list[str], separator: str) -> None:
    if not "".join(header).strip():
        raise FileFormatError(f"{path}: line 1 is empty. The first line names the columns.")
    if len(header) == 1:
        other = next((mark for mark in (";", "\t", ",", "|") if mark != separator and mark in header[0]), None)
        if other:
            raise FileFormatError(
                f"{path} has one column when read with {separator!r}, but {other!r} separates its header. "
                f"Set --separator or ingest.separator to {other!r}."
            )
        raise FileFormatError(f"{path} has one column only; it is not a CSV in the dictionary's layout.")
    if not any(name.strip() in load_dictionary() for name in header):
        raise FileFormatError(
            f"{path}: line 1 names not one column of the dictionary. Is the header missing? "
            f"The first line names the columns as in docs/dictionary.md."
        )
    nameless = [str(place) for place, name in enumerate(header, start=1) if not name.strip()]
    if nameless:
        raise ColumnsError(
            f"{path}: the header has no name for column {', '.join(nameless)}. "
            f"Name it as in docs/dictionary.md, or delete it."
        )
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise ColumnsError(f"{path}: the header names {', '.join(repeated)} more than once. Keep one of each.")
