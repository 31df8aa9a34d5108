"""The commands as a person types them: what they say, and their exit status."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from features.errors import BackcastError
from pipeline.cli import cli
from pipeline.prediction_record.errors import MonitorAlarm, RecordBrokenError, RecordError, RecordFullError
from pipeline.prediction_record.store import Record

FOLLOW_UP = "followup.csv"


@pytest.fixture
def run(monkeypatch):
    """Runs a command; gives what it said and its exit status."""

    def command(*words: object) -> tuple[str, int]:
        done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=True)
        if isinstance(done.exception, BackcastError):
            return str(done.exception), done.exception.exit_status
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output, done.exit_code

    return command


@pytest.fixture
def receipt(path, clock, answered):
    with Record.open(path, clock=clock) as record:
        return record.append(answered(), {"odi": 50.0, "age_years": 61.0}, {"case_id": "C1", "patient_id": "P1"})


def test_every_kind_of_error_has_a_status_of_its_own():
    def kinds(kind: type[BackcastError]) -> list[type[BackcastError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in kinds(child))]

    everything = kinds(BackcastError)
    assert len({kind.exit_status for kind in everything}) == len(everything)
    assert {RecordError, RecordFullError, RecordBrokenError, MonitorAlarm} <= set(everything)


def test_verify_prints_the_head_and_holds_it_against_one_written_down(run, path, receipt):
    said, status = run("verify", path)
    assert status == 0
    assert f"head {receipt.sha256}" in said
    assert "1 entry, 1 prediction," in said
    assert run("verify", path, "--head", receipt.sha256.upper())[1] == 0
    said, status = run("verify", path, "--head", "f" * 64)
    assert status == RecordBrokenError.exit_status
    assert "the anchored head ffffffffffff... is not in the chain" in said


def test_show_tells_and_draws_and_gives_the_json(run, path, receipt, tmp_path):
    said, status = run("show", receipt.prediction_id, "--store", path, "--out", tmp_path / "pictures")
    assert status == 0
    assert "The chain verifies." in said
    assert (tmp_path / "pictures" / f"{receipt.prediction_id}_failure_12m.png").is_file()
    stored = json.loads(run("show", receipt.prediction_id, "--store", path, "--json")[0])
    assert stored["answer"]["outcomes"][0]["risk"] == 0.25
    assert run("show", "nobody", "--store", path)[1] == 12


def test_erase_takes_a_person_out_and_the_chain_verifies(run, path, receipt):
    said, status = run("erase", "--patient", "P1", "--store", path)
    assert status == 0
    assert "the content of 1 answer," in said
    assert "P1" not in said
    assert "content of 1 entry erased" in run("verify", path)[0]
    said, status = run("erase", "--case", "C1", "--store", path)
    assert (status, "C1" in said) == (12, False)
    assert run("erase", "--case", "C1", "--patient", "P1", "--store", path)[1] == 2


def test_outcomes_are_attached_from_a_file(run, path, receipt, tmp_path):
    file = tmp_path / "followup.csv"
    file.write_text("case_id,odi_12m\nC1,48\nC9,20\n")
    said, status = run("outcomes", file, "--store", path)
    assert status == 0
    assert "1 predictions have an outcome now" in said
    assert "1 of 2 cases have no prediction in the record" in said


def test_monitor_says_when_there_is_too_little_to_say(run, path, receipt, tmp_path):
    said, status = run("monitor", "--store", path, "--out", tmp_path / "monitor")
    assert status == 0
    assert "too few to say" in said
    assert "No alarm." in said


def test_monitor_ends_with_a_status_of_its_own_on_an_alarm(run, path, clock, answered, tmp_path):
    with Record.open(path, clock=clock) as record:
        made = [record.append(answered(), {"odi": 50.0}, {"case_id": str(i)}).prediction_id for i in range(120)]
        clock.later(days=400)
        record.attach_outcomes({one: {"labels": {"failure_12m": int(i % 3 > 0)}} for i, one in enumerate(made)})
    said, status = run("monitor", "--store", path, "--out", tmp_path / "monitor")
    assert status == MonitorAlarm.exit_status
    assert "ALARM" in said
    assert "67 % had it where 25 % were expected" in said


@pytest.mark.parametrize(
    "command",
    [
        ["verify"],
        ["erase", "--case", "C1", "--store"],
        ["monitor", "--store"],
        ["show", "nobody", "--store"],
        ["export", "--store"],
        ["outcomes", FOLLOW_UP, "--store"],
        ["fhir", "show", "nobody", "--store"],
    ],
)
def test_no_command_on_the_past_makes_a_new_record(run, path, command, tmp_path):
    path.parent.mkdir(exist_ok=True)
    file = tmp_path / FOLLOW_UP
    file.write_text("case_id,odi_12m\nC1,48\n")
    said, status = run(*(file if word == FOLLOW_UP else word for word in command), path)
    assert status == RecordError.exit_status
    assert "does not exist" in said
    assert not path.exists()
    assert not list(path.parent.glob("*")), "nor a lock of one"
