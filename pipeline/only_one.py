"""One process at a time: a lock on a file, which the system takes back however its holder ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from features.errors import BackcastError


@contextmanager
def only_one(lock: Path, refusal: Callable[[str], BackcastError], mode: int = 0o666) -> Iterator[None]:
    """Hold the lock, whose file tells others by whom it is held and is gone afterwards.

    Parameters
    ----------
    lock : Path
        A file for nothing else. One that a killed process left is taken over.
    refusal : callable
        What to raise where another process holds the lock, from words for that process.
    mode : int
        Who may read and write the file, as far as the system's own mask lets them.

    Raises
    ------
    OSError
        If the file cannot be made or written.
    """
    with _locked(lock, refusal, mode) as file:
        try:
            file.truncate()
            held = {"process": os.getpid(), "host": socket.gethostname(), "command": _command()}
            file.write(json.dumps(held) + "\n")
            file.flush()
            yield
        finally:
            lock.unlink(missing_ok=True)  # while it is held: later it might be another's


def _locked(lock: Path, refusal: Callable[[str], BackcastError], mode: int) -> TextIO:
    while True:
        file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, mode), "r+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, file):
                return file
        except BlockingIOError:
            raise refusal(_holder(file)) from None
        except BaseException:
            file.close()
            raise
        file.close()  # its holder took it away after it was opened here


def _is_at(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _holder(file: TextIO) -> str:
    with file:
        try:
            held = json.loads(file.read())
            where = "" if held["host"] == socket.gethostname() else f" on {held['host']}"
            return f"process {held['process']}{where} ({held['command']})"
        except (ValueError, KeyError, TypeError):
            return "another process"


def _command() -> str:
    """Program and subcommand, and no more: what follows may name a case."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:2]]
    return " ".join(word for word in words if word and not word.startswith("-"))
