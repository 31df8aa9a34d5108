"""A project over its API, through PyCap, against the small REDCap of our own (see there what that cannot show)."""

from __future__ import annotations

import logging
import socket

import pytest

from features.errors import ValuesError
from pipeline.redcap import api
from pipeline.redcap.errors import RedcapServerError
from pipeline.redcap.fields import missing_codes
from tests.redcap import small_redcap

CASES = 7


@pytest.fixture
def project(narrow):
    """With seven cases."""
    metadata, rows = narrow
    known = set(list(dict.fromkeys(row["case_id"] for row in rows))[:CASES])
    project = small_redcap.Project(metadata, ["follow_up_work_up"], missing_codes())
    project.take([row for row in rows if row["case_id"] in known])
    return project


@pytest.fixture
def served(project, monkeypatch):
    """Its server, and the token in the environment; three cases are asked for at a time."""
    monkeypatch.setenv(api.TOKEN_VARIABLE, small_redcap.TOKEN)
    monkeypatch.setattr(api, "BATCH", 3)
    with small_redcap.served(project) as server:
        yield server


def fetch(backcast, server, *more):
    return backcast("redcap", "fetch", server.url, "--out", "cases.csv", *more)


def test_what_is_fetched_is_what_the_exported_file_holds(served, backcast, project, tmp_path):
    status, said = fetch(backcast, served)
    assert (status, f"{CASES} cases, " in said) == (0, True), said
    (tmp_path / "export.csv").write_text(project.file(), encoding="utf-8")
    assert backcast("redcap", "read", "export.csv", "--out", "read.csv")[0] == 0
    assert (tmp_path / "cases.csv").read_bytes() == (tmp_path / "read.csv").read_bytes()
    asked = [request for request in served.asked if request["content"] == "record" and "records[0]" in request]
    assert [sum(name.startswith("records[") for name in request) for request in asked] == [3, 3, 1]


def test_cases_sent_to_an_empty_project_come_back(served, backcast, narrow, tmp_path):
    assert fetch(backcast, served)[0] == 0
    with small_redcap.served(small_redcap.Project(narrow[0], ["follow_up_work_up"])) as empty:
        status, said = backcast("redcap", "send", "cases.csv", empty.url)
        assert (status, f"took {CASES} cases" in said) == (0, True), said
        before = (tmp_path / "cases.csv").read_bytes()
        assert fetch(backcast, empty)[0] == 0
    assert (tmp_path / "cases.csv").read_bytes() == before


def test_the_projects_own_codes_for_what_is_missing_are_asked_for(served, backcast, project):
    project.missing = {"-9999": "No answer"}
    for parts in project.stored.values():
        parts["", ""]["bmi_kg_m2"] = "-9999"
    status, said = fetch(backcast, served)
    assert (status, f"-9999 ({CASES})" in said) == (0, True), said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda field: field | {"select_choices_or_calculations": "0, positive | 1, negative"},
            "another meaning for the code 0, 1",
        ),
        (lambda field: field | {"field_type": "checkbox"}, "slr_left is of the kind checkbox in this project"),
    ],
)
def test_a_field_that_means_another_thing_is_refused(served, backcast, project, change, said, tmp_path):
    project.metadata = [change(row) if row["field_name"] == "slr_left" else row for row in project.metadata]
    status, message = fetch(backcast, served)
    assert (status, said in message) == (ValuesError.exit_status, True), message
    assert not (tmp_path / "cases.csv").exists()


def test_another_project_is_refused_before_a_record_is_asked_for(served, backcast, project):
    project.metadata = [{"field_name": "record_id", "field_type": "text", "select_choices_or_calculations": ""}]
    status, message = fetch(backcast, served)
    assert (status, "case_id is not the record id of this project" in message) == (ValuesError.exit_status, True)
    assert {request["content"] for request in served.asked} == {"metadata"}


def test_what_a_project_refuses_is_named_by_field_and_not_by_value(served, backcast, project, registry, tmp_path):
    registry[["case_id", "age_years"]].head(CASES).to_csv(tmp_path / "cases.csv", index=False)
    project.fields["age_years"]["text_validation_max"] = "17"
    status, message = backcast("redcap", "send", "cases.csv", served.url)
    assert (status, "refuses what stands in age_years" in message) == (RedcapServerError.exit_status, True), message
    assert f"It had taken 0 of {CASES} cases" in message
    ages = {parts["", ""]["age_years"] for parts in project.stored.values()}
    assert not any(f'"{age}"' in message for age in ages)


def test_the_token_is_in_no_message_and_in_no_log(served, backcast, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    wrong = "F" * 32
    monkeypatch.setenv(api.TOKEN_VARIABLE, wrong)
    status, message = fetch(backcast, served)
    assert (status, "gives no leave to this token" in message) == (RedcapServerError.exit_status, True)
    monkeypatch.setenv(api.TOKEN_VARIABLE, wrong[:20])
    status, short = fetch(backcast, served)
    assert (status, "is not 32 letters and digits" in short) == (RedcapServerError.exit_status, True)
    assert wrong[:20] not in message + short + caplog.text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://redcap.example.org/", "not that of an API"),
        ("redcap.example.org/api/", "not that of an API"),
        ("http://redcap.example.org/api/", "http would carry the token in clear"),
        ("https://me:secret@redcap.example.org/api/", "more than an address"),
    ],
)
def test_an_address_that_would_betray_the_token_is_refused(backcast, monkeypatch, url, said):
    monkeypatch.setenv(api.TOKEN_VARIABLE, small_redcap.TOKEN)
    status, message = backcast("redcap", "fetch", url, "--out", "cases.csv")
    assert (status, said in message) == (RedcapServerError.exit_status, True), message


def test_without_a_token_nothing_is_asked(served, backcast, monkeypatch):
    monkeypatch.delenv(api.TOKEN_VARIABLE)
    status, message = fetch(backcast, served)
    assert (status, f"{api.TOKEN_VARIABLE} is not set" in message) == (RedcapServerError.exit_status, True)
    assert served.asked == []


def test_a_redirection_is_not_followed(served, backcast, narrow):
    with small_redcap.served(small_redcap.Project(narrow[0])) as elsewhere:
        served.redirects_to = elsewhere.url
        status, message = fetch(backcast, served)
        assert (status, "not of REDCap's API" in message) == (RedcapServerError.exit_status, True), message
        assert elsewhere.asked == []


@pytest.mark.parametrize("saying", [b"<html>Fatal error: out of memory</html>", {"welcome": 1}, [1, 2], "hello"])
def test_a_server_that_is_no_redcap_is_named_as_such(served, backcast, saying):
    served.saying = saying
    status, message = fetch(backcast, served)
    assert (status, "not of REDCap's API" in message) == (RedcapServerError.exit_status, True), message


def test_a_server_that_is_away_is_a_message(backcast, monkeypatch):
    monkeypatch.setenv(api.TOKEN_VARIABLE, small_redcap.TOKEN)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    status, message = backcast("redcap", "fetch", f"http://127.0.0.1:{port}/api/", "--out", "cases.csv")
    assert (status, "cannot be reached" in message) == (RedcapServerError.exit_status, True), message


def test_a_project_without_records_is_a_message(served, backcast, project):
    project.stored.clear()
    assert "has no record that this token may export" in fetch(backcast, served)[1]
