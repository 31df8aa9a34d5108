"""Delimited text: a CSV, plain or compressed, read as it is written; nothing is mended in silence."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Collection

import pandas as pd

from features.errors import FileFormatError
from pipeline.sources.text import NAMED, refuse_odd_header

SIGNATURES = {
    b"PK\x03\x04": "an Excel or zip file",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file",
    b"SQLite format 3\x00": "an SQLite database",
}
WIDE = ("utf-16", "utf-32")
"""How names of encodings begin in which a character takes two bytes or more; of Latin letters all but one are zero."""
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""By the bytes that a file begins with, longest first."""
HEADER_BYTES = 16
"""So many at the start of a file without a mark tell how wide its characters are: names of columns are in ASCII."""
TO_DO = "Save the file as CSV UTF-8, or name its encoding (--encoding {}, or ingest.encoding in params.yaml)."
BROKEN_OFF = "Did a download or a copy break off? Fetch it again."
BESIDE_THE_CSV = ("__MACOSX/", ".")
"""How names in a zip begin that archivers add of their own accord."""


def unpacked(where: str, raw: bytes, ending: str) -> tuple[str, bytes]:
    """The bytes of the one CSV in a `.gz` or `.zip`, and what to call it in a message; else both as they are.

    Raises
    ------
    FileFormatError
        If the archive is not whole, is protected, or holds none or several.
    """
    try:
        if ending == ".gz":
            return where, gzip.decompress(raw)
        if ending == ".zip":
            return _only_member(where, zipfile.ZipFile(io.BytesIO(raw)))
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error):
        raise FileFormatError(f"{where} is not a whole {ending.removeprefix('.')} file. {BROKEN_OFF}") from None
    except (RuntimeError, NotImplementedError):  # a password, or a compression that Python does not know
        raise FileFormatError(f"{where} is protected or compressed in a rare way. Zip the CSV plainly.") from None
    return where, raw


def _only_member(where: str, archive: zipfile.ZipFile) -> tuple[str, bytes]:
    members = [
        info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith(BESIDE_THE_CSV)
    ]
    if len(members) != 1:
        raise FileFormatError(f"{where} holds {len(members)} files. Leave one CSV in it, or unzip them to a folder.")
    return f"{where} ({members[0].filename})", archive.read(members[0])


def delimited_table(
    where: str, raw: bytes, *, encoding: str, separator: str, missing_marks: list[str], names: Collection[str] | None
) -> pd.DataFrame:
    """A CSV as text, missing marks as missing; nothing else is interpreted here.

    Raises
    ------
    FileFormatError
        If it is empty, not a CSV, in another encoding or with another separator.
    ColumnsError
        If the header names a column twice, or not at all.
    """
    text, separator = decoded_text(where, raw, encoding), separating_mark(where, separator)
    _refuse_uneven_rows(where, text, separator, names)
    try:
        return pd.read_csv(
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
            f"{where} is not a CSV with one value a column: {reason} Quote values that hold a {separator!r}."
        ) from None


def decoded_text(where: str, raw: bytes, encoding: str) -> str:
    """The bytes of a CSV as text, without a byte order mark.

    Raises
    ------
    FileFormatError
        If they are none, binary or in another encoding.
    """
    _refuse_what_is_no_text(where, raw)
    try:
        is_wide = codecs.lookup(encoding).name.startswith(WIDE)
        if not is_wide:
            _refuse_zero_bytes(where, raw)
        text = raw.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise FileFormatError(_encoding_message(where, raw, encoding, error)) from None
    # Nearly any bytes can be read as wide characters; those of a table end its lines with a zero byte.
    if is_wide and (b"\x00" not in raw or "\x00" in text):
        raise FileFormatError(f"{where} is not {encoding.upper()}. {TO_DO.format('latin-1')}")
    return text.removeprefix("\ufeff")


def separating_mark(where: str, separator: str) -> str:
    """The one mark between the values of a row; a tab may be written as a shell hands it over.

    Raises
    ------
    FileFormatError
        If it is not one mark, or one that quotes a value or ends a row.
    """
    mark = "\t" if separator == r"\t" else separator
    if len(mark) != 1 or mark in '"\r\n':
        raise FileFormatError(
            f"{where}: {mark!r} cannot separate values. Set --separator or ingest.separator to one mark."
        )
    return mark


def _refuse_what_is_no_text(where: str, raw: bytes) -> None:
    if not raw.strip():
        raise FileFormatError(f"{where} is empty. It needs a header and one row a case.")
    kind = next((name for signature, name in SIGNATURES.items() if raw.startswith(signature)), None)
    if kind:
        raise FileFormatError(
            f"{where} is {kind}, not a CSV. Let its name end as such a file's does, or export it as CSV (UTF-8)."
        )


def _refuse_zero_bytes(where: str, raw: bytes) -> None:
    if b"\x00" not in raw:
        return
    wide = _wide_encoding(raw)
    if wide:
        raise FileFormatError(f"{where} is {wide.upper()}. {TO_DO.format(wide)}")
    raise FileFormatError(f"{where} is a binary file, not a CSV. Export it as CSV (UTF-8).")


def _wide_encoding(raw: bytes) -> str | None:
    """The encoding with wide characters that a file seems to be in, by its first bytes; None where it is in none."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)), None)
    even, odd = raw[:HEADER_BYTES:2], raw[1:HEADER_BYTES:2]
    if marked or (any(even) and any(odd)):
        return marked
    return "utf-16-le" if all(even) else "utf-16-be" if all(odd) else None


def _encoding_message(where: str, raw: bytes, encoding: str, error: Exception) -> str:
    if isinstance(error, LookupError):
        return f"{where}: there is no encoding {encoding}. Set ingest.encoding or --encoding, such as utf-8 or latin-1."
    line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
    return (
        f"{where} is not {encoding.upper()}: line {line} holds a byte that it does not allow. {TO_DO.format('latin-1')}"
    )


def _refuse_uneven_rows(where: str, text: str, separator: str, names: Collection[str] | None) -> None:
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
                _refuse_one_column(where, header, separator)
                refuse_odd_header(where, header, names)
            elif len(row) <= 1 and not "".join(row).strip():
                empty.append(line)
            elif len(row) != len(header):
                uneven.append(line)
    except csv.Error:  # a value longer than any that is meant
        is_whole, line = False, line + 1
    if not is_whole:
        raise FileFormatError(f"{where}: a value of line {line} runs over the end of the line. Close its quote.")
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
        raise FileFormatError(f"{where}: {' '.join(problems)}")


def _first(lines: list[int]) -> str:
    return "line " + ", ".join(map(str, lines[:NAMED])) + (", ..." if len(lines) > NAMED else "")


def _refuse_one_column(where: str, header: list[str], separator: str) -> None:
    if not "".join(header).strip():
        raise FileFormatError(f"{where}: line 1 is empty. The first line names the columns.")
    if len(header) > 1:
        return
    other = next((mark for mark in (";", "\t", ",", "|") if mark != separator and mark in header[0]), None)
    if other:
        raise FileFormatError(
            f"{where} has one column when read with {separator!r}, but {other!r} separates its header. "
            f"Set --separator or ingest.separator to {other!r}."
        )
    raise FileFormatError(f"{where} has one column only; it is not a CSV in the dictionary's layout.")
