"""The ledger: a chain that shows every change, written by one at a time, and what the command says of it."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import TrackingError
from pipeline import ledger, paths


def entry(outcome: str = "failure_12m", decision: str = "promoted", **more: Any) -> dict[str, Any]:
    """A decision as `register` writes it."""
    return {
        "outcome": outcome,
        "decision": decision,
        "verdict": "beats the champion"
        if decision == "promoted"
        else "champion stays: the challenger fails on log loss",
        "conditions": [],
        "rule": {"threshold": 0.3},
        "judged": "both out of fold",
        "figures": {"differences": {"auroc": {"estimate": 0.0123, "lower": -0.001, "upper": 0.0256}}},
        "challenger": {"version": "2", "learner": "xgboost", "bundle_sha256": "b" * 64},
        "champion": {"version": "1", "learner": "logistic", "bundle_sha256": "a" * 64},
        "made_from": {},
    } | more


@pytest.fixture
def path(elsewhere: Path) -> Path:
    """A ledger of four lines where the store would be."""
    for number in range(4):
        ledger.append(paths.promotions(), entry(decision="refused" if number % 2 else "promoted"))
    return paths.promotions()


def test_a_line_holds_the_digest_of_the_one_before(path):
    lines = ledger.lines(path)
    assert [line["line"] for line in lines] == [1, 2, 3, 4]
    assert lines[0]["previous"] == ledger.FIRST
    assert [line["previous"] for line in lines[1:]] == [line["digest"] for line in lines[:-1]]
    assert [ledger.digest(line) for line in lines] == [line["digest"] for line in lines]


def test_a_line_says_who_and_when(elsewhere, monkeypatch):
    monkeypatch.setenv("BACKCAST_WHO", "Dr Ada Example")
    line = ledger.append(Path("some/where/promotions.jsonl"), entry())
    assert line["who"] == "Dr Ada Example"
    assert line["when"].endswith("Z")
    assert json.loads(Path("some/where/promotions.jsonl").read_text()) == line


def test_without_a_name_it_is_git_s_or_the_system_s(elsewhere, monkeypatch):
    monkeypatch.setenv("BACKCAST_WHO", " ")
    assert ledger.who().strip()


def test_there_is_no_line_where_there_is_no_file(elsewhere):
    assert ledger.lines(paths.promotions()) == []


def spoilt(lines: list[bytes]) -> dict[str, tuple[list[bytes], str]]:
    """Ways to tamper with a ledger of four lines, and what must be said."""
    other = lines[1].replace(b'"refused"', b'"promoted"')
    return {
        "changed": ([lines[0], other, *lines[2:]], "line 2 was changed after it was written"),
        "spaces": ([lines[0], lines[1].replace(b":", b": "), *lines[2:]], "line 2 was changed after it was written"),
        "removed": ([lines[0], *lines[2:]], "line 2 does not follow the line before it"),
        "beheaded": (lines[1:], "line 1 does not follow the line before it"),
        "moved": ([lines[0], lines[2], lines[1], lines[3]], "line 2 says that it is line 3"),
        "twice": ([*lines, lines[3]], "line 5 does not follow the line before it"),
        "nonsense": ([lines[0], b"[1, 2]", *lines[2:]], "line 2 is not a line of a ledger"),
        "not a number": ([lines[0], b'{"digest": "0", "a": NaN}', *lines[2:]], "line 2 is not a line of a ledger"),
        "blank": ([lines[0], b"", *lines[1:]], "line 2 is not a line of a ledger"),
    }


def rechained(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same lines with digests worked out again, as somebody would who covers up a change."""
    made: list[dict[str, Any]] = []
    for line in lines:
        line = line | {"previous": made[-1]["digest"] if made else ledger.FIRST}
        made.append(line | {"digest": ledger.digest(line)})
    return made


def test_the_same_content_in_other_bytes_is_a_change(path):
    """The digest is of the content: without this, keys could be moved or numbers written otherwise, unseen."""
    lines = ledger.lines(path)
    others = [dict(reversed(lines[0].items())), *lines[1:]]
    assert [ledger.digest(line) for line in others] == [line["digest"] for line in lines]
    path.write_text("".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in others))
    assert "line 1 was changed after it was written" in ledger.checked(path)[1]


def witnesses_of(lines: list[dict[str, Any]]) -> list[ledger.Witness]:
    return [ledger.Witness(f"backcast-x version {line['line']}", str(line["line"]), line["digest"]) for line in lines]


def test_versions_contradict_a_ledger_that_was_cut_off_or_written_anew(path):
    lines = ledger.lines(path)
    ledger.refuse_contradictions(path, lines, witnesses_of(lines)[1:])
    with pytest.raises(TrackingError, match=r"line 3, by which backcast-x version 3 .* not there; line 4.* not there"):
        ledger.refuse_contradictions(path, lines[:2], witnesses_of(lines))
    anew = rechained([lines[0], lines[1] | {"decision": "promoted"}, *lines[2:]])
    path.write_bytes(b"".join(ledger._canonical(line) + b"\n" for line in anew))
    assert ledger.checked(path)[1] == []
    with pytest.raises(TrackingError, match=r"line 2, .*version 2 was decided, is another; line 3.*put the longest"):
        ledger.refuse_contradictions(path, ledger.lines(path), witnesses_of(lines))


@pytest.mark.parametrize("how", spoilt([b""] * 4))
def test_a_broken_chain_says_where_and_takes_no_further_line(path, how):
    broken, words = spoilt(path.read_bytes().splitlines())[how]
    path.write_bytes(b"\n".join(broken) + b"\n")
    with pytest.raises(TrackingError, match=words):
        ledger.lines(path)
    with pytest.raises(TrackingError, match="keep the broken file"):
        ledger.append(path, entry())
    assert path.read_bytes() == b"\n".join(broken) + b"\n"


def test_a_line_cut_off_by_a_crash_is_told(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    found, problems = ledger.checked(path)
    assert len(found) == 3
    assert problems == ["line 4 is cut off"]


def test_every_problem_is_told_at_once(path):
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0].replace(b"promoted", b"refused "), lines[2]]) + b"\nrest")
    assert ledger.checked(path)[1] == [
        "line 3 is cut off",
        "line 1 was changed after it was written",
        "line 2 says that it is line 3",
        "line 2 does not follow the line before it",
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), new=st.integers(0, 255))
def test_no_byte_can_be_changed_unseen(path, place, new):
    whole = path.read_bytes()
    spot = int(place * len(whole))
    changed = whole[:spot] + bytes([new]) + whole[spot + 1 :]
    try:
        path.write_bytes(changed)
        assert (ledger.checked(path)[1] == []) == (changed == whole)
    finally:
        path.write_bytes(whole)


def written(number: int) -> int:
    return int(ledger.append(Path("promotions.jsonl"), entry(verdict=f"number {number}"))["line"])


def test_writers_at_the_same_time_make_one_chain(elsewhere):
    with ProcessPoolExecutor(4) as pool:
        places = list(pool.map(written, range(40)))
    assert sorted(places) == list(range(1, 41))
    assert {line["verdict"] for line in ledger.lines(Path("promotions.jsonl"))} == {f"number {n}" for n in range(40)}


def test_a_folder_that_cannot_be_written_is_told(elsewhere):
    Path("file").write_text("")
    with pytest.raises(TrackingError, match="cannot be written"):
        ledger.append(Path("file/promotions.jsonl"), entry())


def test_the_ledger_writes_its_own_fields_itself(elsewhere):
    with pytest.raises(ValueError, match="digest, who"):
        ledger.append(Path("promotions.jsonl"), entry(who="somebody", digest="0"))


@pytest.mark.parametrize(
    ("store", "place"),
    [
        (None, "promotions.jsonl"),
        ("sqlite:////srv/clinic/mlflow.db", "/srv/clinic/promotions.jsonl"),
        ("sqlite:///sub/mlflow.db", "sub/promotions.jsonl"),
        ("http://127.0.0.1:5000", "promotions.jsonl"),
    ],
)
def test_the_ledger_is_beside_a_store_that_is_a_file(elsewhere, monkeypatch, store, place):
    if store:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    assert paths.promotions() == Path(place)


def test_the_command_shows_every_decision_and_that_the_chain_is_whole(path, backcast):
    ledger.append(path, entry("worse_12m", champion=None, figures={}))
    said = backcast("promotions")
    assert said.status == 0
    assert said.out.count("2 (xgboost)") == 5
    assert "+0.0123 (-0.0010 to +0.0256)" in said.out
    assert "   2  champion stays: the challenger fails on log loss" in said.out
    assert "promotions.jsonl: 5 decisions, the chain is whole. Not compared with the store" in said.out
    assert said.out.endswith("would not be seen: there is no store beside it.\n")
    assert not Path("mlflow.db").exists()


def test_the_command_shows_one_outcome_or_one_line(path, backcast):
    ledger.append(path, entry("worse_12m"))
    assert backcast("promotions", "--outcome", "worse_12m").out.count("2 (xgboost)") == 1
    one = backcast("promotions", "--line", "3").out
    assert json.loads(one[: one.rindex("}") + 1]) == ledger.lines(path)[2]
    assert backcast("promotions", "--line", "9").says("5 lines", "none that is line 9")


def test_the_command_shows_what_it_can_and_ends_with_the_status_of_a_broken_ledger(path, backcast):
    path.write_bytes(path.read_bytes().replace(b'"refused"', b'"promoted"', 1))
    said = backcast("promotions")
    assert said.status == TrackingError.exit_status
    assert said.out.count("2 (xgboost)") == 4
    assert "whole" not in said.out
    assert said.says("promotions.jsonl is broken", "line 2 was changed after it was written")


def test_the_command_reads_a_ledger_that_a_run_carries(path, backcast):
    kept = path.rename("kept.jsonl")
    assert backcast("promotions", "--ledger", kept).says() is False
    assert backcast("promotions", "--ledger", kept).out.endswith("would not be seen: another ledger was named.\n")
    assert backcast("promotions").out.startswith("promotions.jsonl: 0 decisions, the chain is whole. Not compared")
