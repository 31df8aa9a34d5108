"""A query put to a database through SQLAlchemy; it only reads, and its password appears nowhere."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from sqlalchemy import URL, Engine, NullPool, create_engine, exc, make_url

from features.errors import FileFormatError
from pipeline.sources.errors import DatabaseError
from pipeline.sources.text import refuse_odd_header, text_table

FROM_ENVIRONMENT = re.compile(r"env:(\w+)")
DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""The driver that `backcast[sql]` brings, where a URL names none."""
CONNECT_SECONDS = 10
HOW_TO_NAME = "env:NAME, where the environment variable NAME holds postgresql://user:password@server/database"
SQLITE = b"SQLite format 3\x00"
ONE_SELECT = "Write one SELECT."
READ_ONLY = "25006"
"""SQLSTATE of a change in a transaction that only reads."""
SYNTAX = "42601"
"""SQLSTATE of what is no one statement."""
AT_ONCE = {"prepare_threshold": 0}
"""psycopg prepares a query before it is put, and what is prepared is one statement. Unprepared, a COMMIT would end the
transaction that only reads, and what follows it would be done."""


def database_url(url: str) -> URL:
    """The address of a database, from the environment variable that `env:NAME` names, or as it is.

    Raises
    ------
    DatabaseError
        If the variable is not set or no address can be read from it. What it holds is never quoted.
    """
    match = FROM_ENVIRONMENT.fullmatch(url)
    named = url if match else "What ingest.url or --url holds"
    if match and not os.environ.get(match[1]):
        raise DatabaseError(f"The environment variable {match[1]} is not set. It holds the address of the database.")
    try:
        read = make_url(os.environ[match[1]] if match else url)
    except (exc.ArgumentError, ValueError):
        raise DatabaseError(f"{named} is no address of a database. Name {HOW_TO_NAME}.") from None
    if "@" in (read.host or ""):
        raise DatabaseError(f"{named}: the address has @ twice. In a password write @ as %40, : as %3A, / as %2F.")
    return read.set(drivername=DRIVERS.get(read.drivername, read.drivername))


def described(url: URL) -> str:
    """What is asked, without user and password.

    Examples
    --------
    >>> described(make_url("postgresql://ada:secret@registry.example:5433/spine"))
    'postgresql registry.example:5433/spine'
    """
    server = f"{url.host}:{url.port}/" if url.port else f"{url.host}/" if url.host else ""
    return f"{url.get_backend_name()} {server}{url.database or ''}".strip()


def query_table(
    where: str, query: str, *, url: str, missing_marks: list[str], names: Collection[str] | None
) -> pd.DataFrame:
    """The answer to a query as text, rows in its order.

    Raises
    ------
    DatabaseError
        If the database is not there, refuses the login, or cannot answer the query.
    FileFormatError
        If the answer is no table, or holds no case.
    ColumnsError
        If it names a column twice, or not at all.
    """
    address = database_url(url)
    with _engine(where, address) as engine, _said_plainly(where, address), engine.connect() as connection:
        # Without parameters a % in the query is a %; the driver would else look for placeholders.
        connection = connection.execution_options(no_parameters=True, **_only_reading(address))
        answer = connection.exec_driver_sql(query)
        if not answer.returns_rows:
            raise FileFormatError(f"{where} asks for nothing: its query returns no table. {ONE_SELECT}")
        header, rows = list(answer.keys()), answer.fetchall()
    refuse_odd_header(where, header, names)
    if not rows:
        raise FileFormatError(f"{where}: the query returns no case. Try its conditions in the database.")
    return text_table(where, header, list(zip(*rows, strict=True)), missing_marks)


def _only_reading(address: URL) -> dict[str, bool]:
    """SQLite is opened to be read only; of another database SQLAlchemy's transaction is never committed."""
    return {"postgresql_readonly": True} if address.get_backend_name() == "postgresql" else {}


@contextmanager
def _engine(where: str, address: URL) -> Iterator[Engine]:
    """An engine that keeps no connection, and that does not make a database where there is none."""
    try:
        if address.get_backend_name() == "sqlite":
            engine = create_engine("sqlite://", creator=lambda: _opened(where, address), poolclass=NullPool)
        else:
            options = AT_ONCE if address.get_driver_name() == "psycopg" else {}
            engine = create_engine(_with_timeout(address), poolclass=NullPool, connect_args=options)
    except exc.NoSuchModuleError:
        raise DatabaseError(f"{where}: SQLAlchemy knows no database {address.drivername}.") from None
    except ImportError as error:
        raise DatabaseError(
            f"{where}: the driver {error.name} is not installed. For PostgreSQL run: pip install 'backcast[sql]'."
        ) from None
    try:
        yield engine
    finally:
        engine.dispose()


def _with_timeout(address: URL) -> URL:
    """With an end to the wait for a server that does not answer, unless the address has one."""
    if address.get_backend_name() != "postgresql" or "connect_timeout" in address.query:
        return address
    return address.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})


def _opened(where: str, address: URL) -> sqlite3.Connection:
    if not address.database or not Path(address.database).is_file():
        raise DatabaseError(f"{where}: there is no SQLite file {address.database or ''}. Correct ingest.url or --url.")
    with Path(address.database).open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            raise DatabaseError(f"{where}: {address.database} is no SQLite file, or is encrypted.")
    connection = sqlite3.connect(f"file:{quote(address.database)}?mode=ro", uri=True)
    connection.set_authorizer(_leave_to_read)
    return connection


def _leave_to_read(action: int, *_: str | None) -> int:
    """No second file: opened to be read only is the first alone, and VACUUM INTO attaches one too."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


@contextmanager
def _said_plainly(where: str, address: URL) -> Iterator[None]:
    """Turns what a database refuses into one message without the query, a password, or a value of a patient.

    The database's own words are repeated where they speak of the login, the server or the query; of a value that it
    could not turn into another they may quote the value, and are left out.
    """
    try:
        yield
    except exc.DBAPIError as error:
        asked = f"{where}: {described(address)}"
        words = _own_words(error, address)
        state = getattr(error.orig, "sqlstate", None)
        denied = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH
        if error.statement is None:
            to_do = "Is it the right server, port, database, user and password?"
            raise DatabaseError(f"{asked} cannot be reached or refuses the login{words}. {to_do}") from None
        if state == READ_ONLY:
            raise DatabaseError(f"{asked} is only read, but the query changes it. {ONE_SELECT}") from None
        if denied:
            raise DatabaseError(f"{asked} is only read, and no other file beside it. {ONE_SELECT}") from None
        to_do = f"{ONE_SELECT} Try it in the database." if state == SYNTAX else "Try it in the database."
        raise DatabaseError(f"{asked} cannot answer the query{words}. {to_do}") from None


def _own_words(error: exc.DBAPIError, address: URL) -> str:
    """The first line of what the driver said, after a colon, or its kind alone where the line may quote a value."""
    line = str(error.orig).strip().split("\n")[0].strip().rstrip(".")
    secrets = [address.password, *address.query.values()]
    if isinstance(error, exc.OperationalError | exc.ProgrammingError) and not any(
        str(secret) in line for secret in secrets if secret
    ):
        return f": {line}"
    return f" ({type(error.orig).__name__})"
