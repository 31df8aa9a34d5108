"""What resources say of a case, one fact at a time, before the facts are held against one another."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pipeline.fhir.findings import Finding


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A value of a variable, with where it was said and when.

    `when` is the earliest moment that a day or time may mean; None where none is given. `is_answer` marks what
    was answered or coded for Backcast itself, which comes before what a code of others says.
    """

    variable: str
    value: float | str
    at: str
    when: dt.datetime | None = None
    is_answer: bool = False


Read = Fact | Finding
"""A fact, or why there is none."""


def moment(text: Any) -> dt.datetime | None:
    """The earliest moment that a FHIR date or dateTime may mean; None for none, and for a day that does not exist.

    >>> moment("2024-05").isoformat(), moment("2024-05-02T10:00:00+02:00").isoformat()
    ('2024-05-01T00:00:00+00:00', '2024-05-02T08:00:00+00:00')
    """
    if not isinstance(text, str):
        return None
    try:
        full = dt.datetime.fromisoformat(text + {4: "-01-01", 7: "-01"}.get(len(text), ""))
        return full.replace(tzinfo=dt.UTC) if full.tzinfo is None else full.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
