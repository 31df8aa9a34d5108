"""A query put to a real PostgreSQL server and to SQLite: the same cases as from a file, and a password nowhere.

The server is one of the tests' own, in a temporary folder, on the loopback address, run by an ordinary user.
Skipped with a reason where PostgreSQL is not installed; BACKCAST_REQUIRE_POSTGRES=1 makes that a failure.
"""

from __future__ import annotations

import datetime as dt
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import DATE, URL, NullPool, create_engine
from sqlalchemy.exc import OperationalError

from features.errors import ColumnsError, FileFormatError, ParamsError
from features.record import required_columns, typed_cases
from pipeline import stage
from pipeline.files import read_json
from pipeline.intake import checked_records
from pipeline.params import IngestParams
from pipeline.sources.errors import DatabaseError
from pipeline.sources.records import read_records

TODAY = dt.date(2026, 1, 1)
KEYS = ("patient_id", "centre_id", "index_date")
USER, PASSWORD = "registry", "s3cr/et:w@rd"
SECONDS = 20
"""How long a test waits for the server before it fails."""


def _missing(why: str) -> None:
    if os.environ.get("BACKCAST_REQUIRE_POSTGRES") == "1":
        pytest.fail(f"{why} BACKCAST_REQUIRE_POSTGRES=1 forbids to skip this.")
    pytest.skip(why)


def _programs() -> Path:
    """The folder of the newest PostgreSQL's programs; Debian keeps it out of the PATH."""
    found = [Path(name).resolve().parent for name in (shutil.which("initdb"),) if name]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    if not found:
        _missing("There is no PostgreSQL: on Debian `apt install postgresql`.")
    return found[0]


def _other_account() -> dict[str, Any]:
    """The account that the server runs under: it refuses root's."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        _missing("PostgreSQL does not run as root, and there is no account postgres.")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    """A PostgreSQL server with one user and a database of the name `postgres`, gone after the last test."""
    programs, account = _programs(), _other_account()
    folder = Path(tempfile.mkdtemp(prefix="backcast-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD)
        if account:
            for path in (folder, folder / "password"):
                os.chown(path, account["user"], account["group"])
        data, log = ["-D", str(folder / "data")], (folder / "log").open("wb")
        how = {"cwd": folder, "stdout": log, "stderr": log, **account}
        made = subprocess.run(
            [programs / "initdb", *data, "-U", USER, "-A", "scram-sha-256", "--pwfile", folder / "password",
             "--no-sync", "--no-instructions", "--encoding", "UTF8", "--locale", "C"],
            timeout=60, check=False, **how,
        )  # fmt: skip
        assert made.returncode == 0, (folder / "log").read_text()
        url = URL.create("postgresql+psycopg", USER, PASSWORD, "127.0.0.1", _free_port(), "postgres")
        settings = {"listen_addresses": url.host, "port": url.port, "unix_socket_directories": "", "fsync": "off"}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        running = subprocess.Popen([programs / "postgres", *data, *options], **how)
        try:
            _wait_for(url, running, folder / "log")
            yield url
        finally:
            running.send_signal(signal.SIGINT)  # disconnects clients; SIGTERM would wait for them
            running.wait(timeout=SECONDS)
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(url: URL, running: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + SECONDS
    while time.monotonic() < last and running.poll() is None:
        try:
            create_engine(url, poolclass=NullPool).connect().close()
            return
        except OperationalError:
            time.sleep(0.02)
    pytest.fail(f"PostgreSQL does not start: {log.read_text()}")


@pytest.fixture(scope="module")
def typed(registry_as_drawn) -> pd.DataFrame:
    """Sixty operations with their follow-up, as a database would hold them: numbers, words and days."""
    columns = [*required_columns("adjudication"), *KEYS, "has_diabetes", "slr_left", "operation_date"]
    chosen = registry_as_drawn[list(dict.fromkeys(columns))]
    cases, problems = typed_cases(chosen.astype(str).where(chosen.notna()))
    assert problems == []
    days = [name for name in cases.columns if name.endswith("_date")]
    return cases.assign(**{name: cases[name].dt.date for name in days})


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request, typed, tmp_path_factory) -> URL:
    """A database that holds the cases in the table `operations`."""
    if request.param == "postgresql":
        found = request.getfixturevalue("server")
    else:
        found = URL.create("sqlite", database=str(tmp_path_factory.mktemp("database") / "registry.db"))
    engine = create_engine(found, poolclass=NullPool)
    days = {name: DATE for name in typed.columns if name.endswith("_date")}
    typed.to_sql("operations", engine, index=False, dtype=days)
    return found


@pytest.fixture
def named(elsewhere, monkeypatch) -> Callable[[URL], None]:
    """Puts an address into the environment variable REGISTRY_URL."""
    return lambda url: monkeypatch.setenv("REGISTRY_URL", url.render_as_string(hide_password=False))


def answer(query: str = "SELECT * FROM operations") -> pd.DataFrame:
    Path("cases.sql").write_text(query)
    return read_records(Path("cases.sql"), IngestParams(file="cases.sql", url="env:REGISTRY_URL"))


@pytest.fixture
def ask(url, named) -> Callable[..., pd.DataFrame]:
    """Puts a query to each of the databases."""
    named(url)
    return answer


@pytest.fixture
def ask_server(server, named) -> Callable[[str], pd.DataFrame]:
    """Puts a query to PostgreSQL."""
    named(server)
    return answer


def test_a_database_gives_the_same_cases_as_a_csv(ask, backcast, typed):
    ask()
    typed.to_csv("cases.csv", index=False)
    how = IngestParams(file="cases.sql", url="env:REGISTRY_URL")
    asked, problems = checked_records(Path("cases.sql"), how, "adjudication", today=TODAY)
    read, same = checked_records(Path("cases.csv"), IngestParams(file="cases.csv"), "adjudication", today=TODAY)
    assert problems == same == []
    pd.testing.assert_frame_equal(asked.set_index("case_id"), read.set_index("case_id"))
    answer = backcast("check", "cases.sql", "--for", "training", "--url", "env:REGISTRY_URL")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("cases.sql: 60 cases")


def test_problems_name_the_row_of_the_answer(ask, backcast):
    ask("SELECT case_id, age_years * 12 AS age_years FROM operations ORDER BY case_id DESC")
    answer = backcast("check", "cases.sql", "--url", "env:REGISTRY_URL")
    assert answer.status == 6
    assert answer.says("age_years is outside 16 to 105 years in 60 rows (1, 2, 3, 4, 5, ...)")
    assert answer.says("odi is missing")


def test_the_order_of_the_answer_does_not_matter(ask, url, params_yaml, elsewhere, root):
    shutil.copy(root / "dvc.yaml", elsewhere)
    params_yaml({"ingest.file": "cases.sql", "ingest.url": "env:REGISTRY_URL"})
    kept = []
    for order in ("ASC", "DESC"):
        ask(f"SELECT * FROM operations ORDER BY odi {order}")
        assert stage.main(["ingest"]) == 0
        kept.append((Path("data/ingest/cases.parquet").read_bytes(), read_json(Path("data/ingest/source.json"))))
    (cases, source), (again, other) = kept
    assert cases == again
    assert source["content_sha256"] == other["content_sha256"]
    assert source["query_sha256"] != other["query_sha256"]
    assert (source["kind"], source["cases"]) == ("query", 60)
    assert source["database"].startswith(url.get_backend_name())
    assert PASSWORD not in str(source)
    assert f"{USER}@" not in source["database"]


def test_a_query_is_put_as_it_is_written(ask):
    answer = ask("SELECT case_id, '12:30 :odi' AS odi, '100%s' AS sex FROM operations WHERE case_id LIKE 'C%';\n")
    assert len(answer) == 60
    assert set(answer["odi"]) == {"12:30 :odi"}
    assert set(answer["sex"]) == {"100%s"}
    assert len(ask("\ufeffSELECT case_id, odi FROM operations")) == 60  # as Notepad saves it


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT case_id, oddi FROM operations", "cannot answer the query: .*oddi"),
        ("SELECT * FROM operation", "cannot answer the query: .*operation"),
        ("SELEKT * FROM operations", "cannot answer the query: .*SELEKT"),
        ("DELETE FROM operations", "is only read, but the query changes it|readonly database"),
    ],
)
def test_a_query_that_fails_is_one_message(ask, query, words):
    with pytest.raises(DatabaseError, match=words) as refused:
        ask(query)
    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert len(ask()) == 60


def test_an_answer_without_cases_is_refused(ask):
    with pytest.raises(FileFormatError, match=r"cases\.sql: the query returns no case"):
        ask("SELECT * FROM operations WHERE odi > 1000")


def test_an_answer_that_names_a_column_twice_is_refused(ask):
    with pytest.raises(ColumnsError, match="the header names case_id, odi more than once"):
        ask("SELECT a.case_id, a.odi, b.case_id, b.odi FROM operations a JOIN operations b ON a.case_id = b.case_id")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM operations; SELECT 1",
        "SELECT 1 AS odi; DROP TABLE operations",
        "COMMIT; DELETE FROM operations",  # what follows would no longer be in the transaction that only reads
    ],
)
def test_a_file_holds_one_query(ask, query):
    with pytest.raises((FileFormatError, DatabaseError), match=r"Write one SELECT|one statement at a time"):
        ask(query)
    assert len(ask()) == 60


@pytest.mark.parametrize("query", ["VACUUM INTO 'copy.db'", "ATTACH DATABASE 'copy.db' AS other"])
def test_no_other_sqlite_file_is_made(elsewhere, monkeypatch, query):
    with closing(sqlite3.connect("registry.db")) as made:
        made.execute("CREATE TABLE operations (case_id)")
    monkeypatch.setenv("REGISTRY_URL", "sqlite:///registry.db")
    with pytest.raises(DatabaseError, match=r"is only read, and no other file beside it\. Write one SELECT"):
        answer(query)
    assert not Path("copy.db").exists()


@pytest.mark.parametrize(
    ("query", "words"),
    [("", "cases.sql is empty. It needs one SELECT"), ("-- later", "its query returns no table. Write one SELECT")],
)
def test_a_file_without_a_query_is_refused(ask, query, words):
    with pytest.raises(FileFormatError, match=re.escape(words)):
        ask(query)


def test_a_column_without_any_value_is_not_recorded(ask):
    assert ask("SELECT case_id, NULL AS odi FROM operations")["odi"].isna().all()


def test_what_a_value_cannot_become_is_refused_without_the_value(ask_server):
    with pytest.raises(DatabaseError, match=r"cannot answer the query \(InvalidTextRepresentation\)") as refused:
        ask_server("SELECT 'C1' AS case_id, CAST(word AS integer) AS odi FROM (VALUES ('fem' || 'ale')) AS said (word)")
    assert "female" not in str(refused.value)


def test_types_of_a_server_are_read_as_a_csv_would_hold_them(ask_server):
    answer = ask_server(
        "SELECT 1001::bigint AS case_id, true AS has_diabetes, 27.50::numeric AS bmi_kg_m2, 44.0::float AS odi, "
        "DATE '2021-03-04' AS index_date, TIMESTAMP '2021-03-05 00:00' AS operation_date, 'NaN'::float AS nrs_leg"
    )
    assert answer.iloc[0].fillna("").tolist() == ["1001", "1", "27.50", "44", "2021-03-04", "2021-03-05", ""]


@pytest.mark.parametrize("spoil", ["password", "port", "database", "user"])
def test_a_login_that_fails_is_one_message_without_the_password(server, named, elsewhere, backcast, spoil):
    wrong = {"password": "wr0ng", "port": _free_port(), "database": "elsewhere", "user": "nobody"}[spoil]
    named(server.set(**{"username" if spoil == "user" else spoil: wrong}))
    Path("cases.sql").write_text("SELECT * FROM operations")
    answer = backcast("check", "cases.sql", "--url", "env:REGISTRY_URL")
    assert answer.status == 25
    assert answer.says("backcast: cases.sql: postgresql 127.0.0.1", "Is it the right server, port, database, user")
    assert len(answer.err.splitlines()) == 1
    assert "wr0ng" not in answer.err
    assert PASSWORD not in answer.err
    assert os.listdir(elsewhere) == ["cases.sql"]


def test_a_password_like_the_user_is_not_said_either(server, named, elsewhere, backcast):
    named(server.set(password=USER))
    Path("cases.sql").write_text("SELECT * FROM operations")
    answer = backcast("check", "cases.sql", "--url", "env:REGISTRY_URL")
    assert answer.status == 25
    assert answer.says("cannot be reached or refuses the login (OperationalError). Is it the right server")
    assert USER not in answer.err


def test_what_is_no_address_is_not_repeated(elsewhere, backcast):
    Path("cases.sql").write_text("SELECT 1")
    answer = backcast("check", "cases.sql", "--url", "pa55word")
    assert answer.status == 25
    assert answer.says("What ingest.url or --url holds is no address of a database. Name env:NAME")
    assert "pa55" not in answer.err


def test_a_database_that_is_not_there_is_not_made(elsewhere, backcast):
    Path("cases.sql").write_text("SELECT 1")
    answer = backcast("check", "cases.sql", "--url", "sqlite:///absent.db")
    assert answer.status == 25
    assert answer.says("there is no SQLite file absent.db")
    assert os.listdir(elsewhere) == ["cases.sql"]


def test_a_file_that_is_no_database_is_refused(elsewhere, backcast):
    Path("cases.sql").write_text("SELECT case_id, odi FROM operations")
    Path("cases.db").write_text("case_id,odi\nC1,40\n" * 100)
    answer = backcast("check", "cases.sql", "--url", "sqlite:///cases.db")
    assert answer.status == 25
    assert answer.says("cases.db is no SQLite file, or is encrypted")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (None, "The environment variable REGISTRY_URL is not set"),
        ("pa55word", "env:REGISTRY_URL is no address of a database"),
        ("postgresql://ada:pa55:word@registry", "env:REGISTRY_URL is no address of a database|cannot be reached"),
        (
            "postgresql://ada:pa55@word@registry/spine",
            "env:REGISTRY_URL: the address has @ twice. In a password write @ as %40",
        ),
        ("nosuchbase://ada:pa55word@registry/spine", "SQLAlchemy knows no database nosuchbase"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_unquoted(elsewhere, monkeypatch, backcast, address, words):
    monkeypatch.delenv("REGISTRY_URL", raising=False)
    if address:
        monkeypatch.setenv("REGISTRY_URL", address)
    Path("cases.sql").write_text("SELECT 1")
    answer = backcast("check", "cases.sql", "--url", "env:REGISTRY_URL")
    assert answer.status == 25
    assert re.search(words, answer.err)
    assert "pa55" not in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:pa55@server/spine",
        "postgresql://ada@server/spine?password=pa55",
        "postgresql://ada:pa/55@server/spine",
        "ada:pa55@server/spine",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dpa55",
    ],
)
def test_a_password_does_not_stand_in_the_parameters(url):
    with pytest.raises(ParamsError, match=r"holds a password.*env:REGISTRY_URL") as refused:
        IngestParams(file="cases.sql", url=url)
    assert "pa55" not in str(refused.value)


def test_a_query_needs_a_database_and_a_file_has_none():
    with pytest.raises(ParamsError, match=r"cases\.sql is a query: say in ingest\.url"):
        IngestParams(file="cases.sql")
    with pytest.raises(ParamsError, match=r"is for a query, and cases\.csv is none"):
        IngestParams(file="cases.csv", url="sqlite:///cases.db")
