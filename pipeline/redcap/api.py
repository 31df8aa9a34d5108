"""A REDCap project over its API, through PyCap: its shape, its records, and cases sent to it.

The token comes from the environment and goes nowhere but into the requests; what a server says in an error may
hold a patient's value, so it is never repeated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd
from tqdm import tqdm

from features.errors import ValuesError
from features.record import Problem
from pipeline.redcap.columns import RECORD_ID
from pipeline.redcap.errors import RedcapServerError
from pipeline.redcap.fields import project_fields
from pipeline.redcap.writing import redcap_rows

if TYPE_CHECKING:
    import redcap

TOKEN_VARIABLE = "BACKCAST_REDCAP_TOKEN"
TOKEN = re.compile(r"[0-9A-Za-z]{32}")
BATCH = 100
"""Records a request; a REDCap server answers a whole large project with a memory error."""
SECONDS = 120
"""That one answer may take."""
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def project_at(url: str) -> redcap.Project:
    """The project whose token the environment holds; nothing is asked of it yet.

    Raises
    ------
    RedcapServerError
        Without a token, at an address that is no API or would carry the token in clear, or without PyCap.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    problems = _address_problems(url)
    if not TOKEN.fullmatch(token):
        problems.append(f"{TOKEN_VARIABLE} {'is not 32 letters and digits' if token else 'is not set'}")
    if problems:
        raise RedcapServerError(f"REDCap cannot be asked: {'; '.join(problems)}.")
    try:
        import redcap
    except ImportError:
        raise RedcapServerError('PyCap is not installed: pip install "backcast[redcap]".') from None
    # A redirection would carry the token to another address.
    return redcap.Project(url, token, timeout=SECONDS, allow_redirects=False)


def exported(project: redcap.Project) -> pd.DataFrame:
    """Every record as the API has it: one row a record and one a repeated instance, raw codes.

    Raises
    ------
    RedcapServerError
        If the server refuses, is away or answers with something else.
    """
    with _asking(project):
        ids = _rows(project.export_records(fields=[RECORD_ID], event_name="unique"), project, RECORD_ID)
        records = list(dict.fromkeys(str(row[RECORD_ID]) for row in ids))
        rows: list[dict[str, Any]] = []
        for batch in tqdm(_batches(records), unit="request", desc="REDCap", disable=None):
            rows += _rows(project.export_records(records=batch, event_name="unique"), project, RECORD_ID)
    if not rows:
        raise RedcapServerError(f"{project.url} has no record that this token may export.")
    return pd.DataFrame(rows, dtype=object).fillna("")


def codes_for_missing(project: redcap.Project) -> dict[str, str]:
    """The project's missing-data codes with their labels; none if it has none.

    Raises
    ------
    RedcapServerError
        As of `exported`.
    """
    with _asking(project):
        info = project.export_project_info()
    written = info.get("missing_data_codes") if isinstance(info, dict) else None
    return _coded(str(written or ""))


def shape_problems(project: redcap.Project) -> list[Problem]:
    """What makes this project another one: its record id, a field of another kind, a code that means another thing.

    Fields that it lacks are no problem here: a check for the purpose says which are needed.

    Raises
    ------
    RedcapServerError
        As of `exported`.
    """
    with _asking(project):
        theirs = {str(row["field_name"]): row for row in _rows(project.metadata, project, "field_name")}
    problems = []
    if next(iter(theirs), None) != RECORD_ID:
        what = "is not the record id of this project"
        problems.append(Problem(ValuesError, "another_project", RECORD_ID, what, "Name the project's own token."))
    for field in project_fields():
        if field.name not in theirs:
            continue
        their = theirs[field.name]
        if (their["field_type"] == "checkbox") != (field.kind == "checkbox"):
            what = f"is of the kind {their['field_type']} in this project, not {field.kind}"
            problems.append(Problem(ValuesError, "another_kind", field.name, what, "Give it back its kind."))
        codes = _coded(str(their["select_choices_or_calculations"])) if field.choices else {}
        other = [code for code, label in field.choices if code in codes and codes[code].casefold() != label.casefold()]
        if other:
            what = f"has another meaning for the code {', '.join(other)} in this project"
            problems.append(Problem(ValuesError, "another_meaning", field.name, what, "Upload the data dictionary."))
    return problems


def sent(project: redcap.Project, cases: pd.DataFrame) -> int:
    """Import cases, batch by batch; what is empty leaves the project's value as it is. Returns how many cases.

    Raises
    ------
    RedcapServerError
        As of `exported`, saying how many cases the project had taken before.
    """
    taken = 0
    for batch in tqdm(_batches(list(cases.index)), unit="request", desc="REDCap", disable=None):
        rows = redcap_rows(cases.loc[batch])
        with _asking(project, f" It had taken {taken} of {len(cases)} cases; sending them again does no harm."):
            project.import_records(rows.to_csv(index=False), import_format="csv")
        taken += len(batch)
    return taken


def _address_problems(url: str) -> list[str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.endswith("/api/"):
        return ["the address is not that of an API, such as https://redcap.example.org/api/"]
    if parts.username or parts.password or parts.query:
        return ["the address holds more than an address"]
    if parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        return ["http would carry the token in clear; name the https address"]
    return []


def _batches(records: Sequence[Any]) -> list[list[Any]]:
    return [list(records[start : start + BATCH]) for start in range(0, len(records), BATCH)]


def _coded(written: str) -> dict[str, str]:
    """Codes with their labels, as in "0, no | 1, yes", or one a line.

    >>> _coded("0, no | 1, yes, of course")
    {'0': 'no', '1': 'yes, of course'}
    """
    pairs = (pair.partition(",") for pair in re.split(r"[|\n]", written))
    return {code.strip(): label.strip() for code, _, label in pairs if code.strip()}


@contextmanager
def _asking(project: redcap.Project, so_far: str = "") -> Iterator[None]:
    """Turns what PyCap raises into a message of ours, without the server's words."""
    import requests

    try:
        yield
    except requests.exceptions.SSLError:
        why = "has a certificate that is not trusted; name your own authority in REQUESTS_CA_BUNDLE"
    except (requests.ConnectionError, requests.Timeout):
        why = "cannot be reached"
    except requests.exceptions.JSONDecodeError:
        why = "answers with something that is not of REDCap's API"
    except requests.RequestException as error:
        why = _refusal(str(error))
    else:
        return
    raise RedcapServerError(f"{project.url} {why}.{so_far}")


def _refusal(said: str) -> str:
    """Which fields a refusal names, or that it is about rights; a value that it quotes is not repeated."""
    names = {field.name for field in project_fields()}
    named = [name for name in dict.fromkeys(re.findall(r"\w+", said)) if name in names and name != RECORD_ID]
    if named:
        return f"refuses what stands in {', '.join(named)}; see the project's own checks of these fields"
    if "permission" in said.lower():
        return f"gives no leave to this token: check {TOKEN_VARIABLE} and the rights to use the API"
    return "refuses the request; the project's log says why"


def _rows(answer: Any, project: redcap.Project, name: str) -> list[dict[str, Any]]:
    """An answer that is rows with that name, or a refusal: anybody's server may stand at an address."""
    if isinstance(answer, list) and all(isinstance(row, dict) and name in row for row in answer):
        return answer
    raise RedcapServerError(f"{project.url} answers with something that is not of REDCap's API.")
