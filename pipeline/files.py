"""Reading and writing, so that nothing is ever half-written: a file appears whole, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import FileFormatError

ENDINGS = (".csv", ".parquet")
"""Of a table, by which its format is chosen."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Faults of the place that is written to, not of what is written."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path beside the target to write to, moved onto the target when all went well.

    Raises
    ------
    FileFormatError
        If nothing can be written there, or not all of it.
    """
    beside = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
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


@contextmanager
def whole_folder(out: Path, made: Collection[str]) -> Iterator[Path]:
    """A folder beside the target to fill, moved onto the target when all went well.

    An earlier one is replaced where it holds nothing but names that are `made`.

    Raises
    ------
    FileFormatError
        If something else is there, or nothing can be written, or not all of it.
    """
    if out.exists() and not (out.is_dir() and {path.name for path in out.iterdir()} <= set(made)):
        raise FileFormatError(f"--out names {out}, which holds something else. Name a new folder.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise _unwritable(out, error) from None
    try:
        yield beside
        beside.chmod(0o755)  # a temporary folder is its maker's alone
        shutil.rmtree(out, ignore_errors=True)
        beside.rename(out)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise _unwritable(out, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


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
    if source.resolve() in (out.resolve(), *out.resolve().parents):
        raise FileFormatError(f"--out names {source} itself, which it would replace. Name another file.")
    if out.suffix not in endings:
        raise FileFormatError(f"--out {out} does not end in {' or '.join(endings)}. Name another file.")


def read_cases(path: Path) -> pd.DataFrame:
    """A Parquet table of an earlier stage, `case_id` as index."""
    table = read_table(path)
    return table if table.index.name == "case_id" else table.set_index("case_id")
