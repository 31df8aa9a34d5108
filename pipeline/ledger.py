"""An append-only file of decisions: JSON lines, each with the digest of the one before.

A line that was changed, removed from the middle, put in or moved breaks the chain, and whoever reads it
says where. Lines cut off at the end leave a whole, shorter chain, and a chain written anew with other digests
is whole too: so the digest of a version's last decision stands on the version in MLflow, and stage `register`
and `backcast promotions` compare. Every run carries the ledger as it was. Nothing here deletes or rewrites.

One writer at a time holds a lock on the file; a line is on the disk before anything is done by it.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import getpass
import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from features.errors import TrackingError

FIRST = "0" * 64
"""What stands for the digest of the line before the first."""
OWN = ("line", "previous", "when", "who", "digest")
"""Fields that the ledger itself writes into a line."""


class Witness(NamedTuple):
    """What a version in MLflow says of its last decision: the line of the ledger, and that line's digest."""

    version: str
    line: str
    digest: str


def append(path: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Put an entry at the end of the ledger, and return its line as written.

    Raises
    ------
    TrackingError
        If the ledger is broken, or cannot be written: no line is put after one that cannot be trusted.
    """
    reserved = sorted(set(entry) & set(OWN))
    if reserved:
        raise ValueError(f"the ledger writes {', '.join(reserved)} itself")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed
            return _appended(path, file, entry)
    except OSError as error:
        raise TrackingError(f"{path} cannot be written: {error.strerror}. Make its folder writable.") from None


def _appended(path: Path, file: BinaryIO, entry: Mapping[str, Any]) -> dict[str, Any]:
    file.seek(0)
    lines, problems = _read(file.read())
    refuse(path, problems)
    line = {
        **entry,
        "line": len(lines) + 1,
        "previous": lines[-1]["digest"] if lines else FIRST,
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "who": who(),
    }
    line["digest"] = digest(line)
    file.write(_canonical(line) + b"\n")
    file.flush()
    os.fsync(file.fileno())
    if not lines:
        _sync_folder(path.parent)
    return line


def _sync_folder(folder: Path) -> None:
    """A new file is there after a power cut only when its folder is on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lines(path: Path) -> list[dict[str, Any]]:
    """Every line of the ledger, oldest first; none where there is no file.

    Raises
    ------
    TrackingError
        If the chain is broken, with every place where it is.
    """
    found, problems = checked(path)
    refuse(path, problems)
    return found


def checked(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines that can be read, and every problem of the chain."""
    try:
        return _read(path.read_bytes())
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise TrackingError(f"{path} cannot be read: {error.strerror}.") from None


def refuse(path: Path, problems: list[str]) -> None:
    """Raise `TrackingError` with every problem of a chain, if there is one."""
    if problems:
        raise TrackingError(
            f"{path} is broken: {'; '.join(problems)}. Every run in MLflow carries the ledger as it was "
            f"(ledger/{path.name}): compare, keep the broken file, and put the last whole one in its place."
        )


def refuse_contradictions(path: Path, lines: Sequence[Mapping[str, Any]], witnesses: Sequence[Witness]) -> None:
    """Raise `TrackingError` with every version in MLflow whose decision the ledger does not hold as it was."""
    digests = {str(line["line"]): line["digest"] for line in lines}
    problems = [
        f"line {its.line}, by which {its.version} was decided, is {'another' if its.line in digests else 'not there'}"
        for its in witnesses
        if digests.get(its.line) != its.digest
    ]
    if problems:
        raise TrackingError(
            f"{path} is not the ledger that the store was decided by: {'; '.join(problems)}. The run of each of these "
            f"versions carries the ledger as it was (ledger/{path.name}): compare, keep the present file, and put "
            f"the longest of theirs in its place. Does another checkout write to this store? They need one ledger."
        )


def digest(line: Mapping[str, Any]) -> str:
    """SHA-256 of a line without its own digest, keys sorted and no spaces."""
    return hashlib.sha256(_canonical({key: value for key, value in line.items() if key != "digest"})).hexdigest()


def who() -> str:
    """Who decides: `BACKCAST_WHO`, or the name that git signs with, or that of the system's user."""
    named = os.environ.get("BACKCAST_WHO", "").strip()
    if named:
        return named
    try:
        git = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        git = ""
    try:
        return git or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def _read(raw: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    texts = raw.split(b"\n")
    if texts.pop():
        problems.append(f"line {len(texts) + 1} is cut off")
    before = FIRST
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            before_it, digest_of_it = line["previous"], line["digest"]
            is_untouched = _canonical(line) == text and digest(line) == digest_of_it
        except (ValueError, TypeError, KeyError):
            problems.append(f"line {number} is not a line of a ledger")
            before = ""
            continue
        if not is_untouched:
            problems.append(f"line {number} was changed after it was written")
        if line.get("line") != number:
            problems.append(f"line {number} says that it is line {line.get('line')}")
        if before and before_it != before:
            problems.append(f"line {number} does not follow the line before it")
        before = digest_of_it
        found.append(line)
    return found, problems
