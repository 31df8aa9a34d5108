"""A record in a folder of its own, with a clock that the test sets, and answers as a service gives them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.prediction_record.store import Record


class Clock:
    """The time as the record sees it."""

    def __init__(self) -> None:
        self.now = dt.datetime(2024, 3, 5, 9, 30, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def later(self, **delta: float) -> None:
        self.now += dt.timedelta(**delta)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records" / "record.db"


@pytest.fixture
def record(path: Path, clock: Clock) -> Iterator[Record]:
    with Record.open(path, clock=clock) as opened:
        yield opened


@pytest.fixture
def answered() -> Callable[..., dict[str, Any]]:
    """An answer on one outcome; `risk` and any other part may be given."""

    def make(risk: float | None = 0.25, **parts: Any) -> dict[str, Any]:
        outcome = {
            "outcome": "failure_12m",
            "label": "ODI fell by less than 30 %",
            "horizon_months": 12,
            "model": {"uri": "models:/backcast-failure_12m/3", "sha256": "c3" * 32, "learner": "logistic"},
            "risk": risk,
            "risk_lower": 0.2,
            "risk_upper": 0.31,
            "base_log_odds": -0.7,
            "base_rate": 0.33,
            "contributions": {"odi": 0.3, "age_years": -0.7},
            "groups": {"burden": 0.3, "history": -0.7},
        }
        return {
            "question": "failure",
            "provenance": "virtual",
            "red_flags": [],
            "cautions": [{"code": "few_similar", "text": "Few similar cases in development."}],
            "completeness": "essential",
            "input_sha256": "ab" * 32,
            "outcomes": [outcome],
            **parts,
        }

    return make


@pytest.fixture
def worked_up() -> Callable[..., dict[str, Any]]:
    """An answer after an operation that failed, as the service gives one; any part of it may be given."""

    def make(**parts: Any) -> dict[str, Any]:
        said = [{"finding": "sudden_return", "label": "the pain came back suddenly", "points": 1.5}]
        against = [{"finding": "never_better", "label": "the pain got better at first", "points": -0.25}]
        cause = {"cause": "recurrent_herniation", "label": "recurrent herniation, same side", "class": "postoperative"}
        other = {"cause": "epidural_fibrosis", "label": "epidural fibrosis", "class": "postoperative"}
        no = {"for": [], "against": [], "not_sought": []}
        return {
            "question": "cause",
            "provenance": "knowledge",
            "model": {"name": "backcast-cause", "uri": "models:/backcast-cause/2", "sha256": "d4" * 32},
            "red_flags": [],
            "completeness": {"sought": 2, "findings": 76, "label": "2 of 76 findings sought"},
            "causes": [
                {**cause, "likelihood": "likely", "rank": 1, "log_odds": 0.25, "prior_log_odds": -1.0, **no,
                 "for": said, "against": against},
                {**other, "likelihood": "possible", "rank": 2, "log_odds": -0.8, "prior_log_odds": -0.8, **no},
            ],
            "next_investigations": [{"investigation": "ct", "label": "CT", "gain": 0.2, "burden": 30.0, "text": "CT."}],
            "plan": {"first": "", "generators": []},
            "story": ["Operated on 12 months ago.", "Likely: recurrent herniation, same side."],
            "cautions": [{"code": "little_sought", "text": "Of 76 findings only 2 were sought."}],
            "is_not": "This ranks what is known about causes.",
            "input_sha256": "ef" * 32,
            **parts,
        }  # fmt: skip

    return make
