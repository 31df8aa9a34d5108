"""The file of a record: SQLite, opened for the one process that writes or for any number that read."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pipeline import only_one as locks
from pipeline.prediction_record.errors import RecordError, RecordFullError

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = 2
READABLE = (1, SCHEMA_VERSION)
KINDS_OF_1 = "'prediction', 'outcome', 'feedback', 'erasure'"
KINDS_OF_2 = "'prediction', 'red_flag', 'outcome', 'feedback', 'erasure'"
APPLICATION_ID = 0x4243_5052
"""In the header of the file, so that another database is not mistaken for a record."""
OWNER_ONLY = 0o600
BUSY_SECONDS = 20.0
"""How long one writer waits for another; the exporter holds the file for milliseconds."""
NO_ROOM_BYTES = 256 * 1024
"""With less than this left, an input/output error of SQLite means that the disk is full."""
DAMAGED = "It is damaged as a file, or no record: restore it from its backup."
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """What SQLite and the system say, as errors of a record.

    Raises
    ------
    RecordFullError
        If there is no room.
    RecordError
        For anything else that keeps the file from being read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _plain(error, path) from None
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _full(path) from None
        raise RecordError(f"{path} cannot be used: {error.strerror}. Name another place, or mend this one.") from None


def _plain(error: sqlite3.Error, path: Path) -> RecordError:
    if _is_full(error, path):
        return _full(path)
    return RecordError(f"{path}: {_first_words(error)}. {_way_out(error)}")


def _full(path: Path) -> RecordFullError:
    return RecordFullError(
        f"{path}: the disk is full, so nothing was recorded and no answer may be given. Make room; the record is whole."
    )


def _is_full(error: sqlite3.Error, path: Path) -> bool:
    primary = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return True
    # SQLite says "disk I/O error" where it cannot lengthen its shared memory on a full disk.
    return primary == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < NO_ROOM_BYTES


def _first_words(error: sqlite3.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _way_out(error: sqlite3.Error) -> str:
    primary = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DAMAGED
    if primary == sqlite3.SQLITE_BUSY:
        return "Another process keeps it busy: wait, or stop that one."
    return "Check the disk and who may write there."


def connect_to_write(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on disk when they return; the file is made where there is none."""
    with plain_errors(path):
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, OWNER_ONLY))
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    if not _one(connection, "SELECT count(*) FROM sqlite_schema"):
        # One transaction: a process killed here leaves an empty file, never half a schema.
        connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA.read_text(encoding='utf-8')} PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    _check_schema(connection, path)
    if _one(connection, "PRAGMA user_version") < SCHEMA_VERSION:
        _upgrade(connection)


def _upgrade(connection: sqlite3.Connection) -> None:
    """Let a record of schema 1 take entries of the kind `red_flag`; not one of its rows is touched.

    As SQLite documents it for a constraint that only becomes wider: the text of the table is changed in
    the schema, and the schema's own number tells every open connection to read it again.
    """
    connection.execute("BEGIN IMMEDIATE")
    if _one(connection, "PRAGMA user_version") < SCHEMA_VERSION:  # nobody else did it meanwhile
        read_again = _one(connection, "PRAGMA schema_version") + 1
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'chain'",
            (KINDS_OF_1, KINDS_OF_2),
        )
        connection.execute(f"PRAGMA schema_version = {read_again}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("PRAGMA writable_schema = OFF")
    connection.execute("COMMIT")


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    if _one(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise RecordError(f"{path} is a database, but no prediction record. Name another file.")
    version = _one(connection, "PRAGMA user_version")
    if version not in READABLE:
        raise RecordError(
            f"{path}: a record of schema {version}; this version of Backcast writes {SCHEMA_VERSION}. "
            f"Use the version that made it, or start a new record beside it."
        )


def _one(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


@contextmanager
def connection_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of the record throughout, whatever is written meanwhile.

    Raises
    ------
    RecordError
        If there is no record, or the file is none.
    """
    refuse_missing(path)
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        ) as connection:
            connection.text_factory = _text
            _check_schema(connection, path)
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:  # no OSError: what goes wrong with a reader's own files is not the record's fault
        raise _plain(error, path) from None
    except UnicodeDecodeError:  # SQLite quotes a damaged schema, byte by byte, in its message
        raise RecordError(f"{path}: {DAMAGED}") from None


def _text(raw: bytes) -> str:
    """Text as stored, even where somebody put bytes there that are none: their digest will be another."""
    return raw.decode("utf-8", "surrogateescape")


def refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise RecordError(f"{path} does not exist. Name a record; params.yaml: record.store says where it is kept.")


@contextmanager
def only_one(path: Path, doing: str) -> Iterator[None]:
    """A lock that the system takes back however its holder ends.

    Raises
    ------
    RecordError
        If another process holds it, which is named.
    """
    record = path.with_suffix("")
    with ExitStack() as stack:
        with plain_errors(path):
            held = locks.only_one(
                path, lambda holder: RecordError(f"{record}: {holder} is {doing} it. {ONE_AT_A_TIME}"), OWNER_ONLY
            )
            stack.enter_context(held)
        yield


ONE_AT_A_TIME = "One process does that at a time: ask that one, stop it, or wait until it ends."
