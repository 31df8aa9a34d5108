"""What `backcast monitor` says of the work-ups in a record: how many there are, and how often the ranking was right.

The last answer of a case counts, as for predictions. Under a red flag no cause is ranked.
"""

from __future__ import annotations

from dataclasses import dataclass

from features.words import percent
from models.monitoring import SMALL_CELL
from pipeline.prediction_record.chain import ANSWERS
from pipeline.prediction_record.followup import ADJUDICATED
from pipeline.prediction_record.reading import Kept, Reader
from pipeline.reporting.words import several


@dataclass(frozen=True)
class Workups:
    """Counts of cases; `first` and `among_two` are of those whose cause was adjudicated after a ranking."""

    cases: int = 0
    red_flags: int = 0
    adjudicated: int = 0
    first: int = 0
    among_two: int = 0

    def __str__(self) -> str:
        line = f"{several(self.cases, 'case')} worked up after an operation, {self.red_flags} of them with a red flag"
        if not self.adjudicated:
            return f"{line}; no cause was adjudicated yet."
        line += f"; of {several(self.adjudicated, 'case')} the cause was adjudicated"
        if self.adjudicated < SMALL_CELL:
            return f"{line}, too few to say how often the ranking was right."
        first, among_two = (percent(count / self.adjudicated) for count in (self.first, self.among_two))
        return f"{line}: the first of the ranking in {first}, among the first two in {among_two}."


def workups_of(reader: Reader) -> Workups:
    """The work-ups of a record, counted."""
    made = [one for one in reader.entries(*ANSWERS) if one.is_workup]
    last = list({(one.content or {}).get("case") or one.entry.prediction_id: one for one in made}.values())
    said = {kept.entry.prediction_id: _adjudicated(kept) for kept in reader.entries("outcome") if kept.content}
    places = [_place(one, said.get(one.entry.prediction_id)) for one in last]
    return Workups(
        cases=len(last),
        red_flags=sum(bool(one.answer.get("red_flags")) for one in last),
        adjudicated=sum(place is not None for place in places),
        first=places.count(1),
        among_two=places.count(1) + places.count(2),
    )


def _adjudicated(kept: Kept) -> str | None:
    return (kept.content or {})["labels"].get(ADJUDICATED)


def _place(one: Kept, cause: str | None) -> int | None:
    """The place of the adjudicated cause in the ranking, 0 where it was called impossible; None where none was made."""
    causes = one.answer.get("causes")
    if cause is None or not causes:
        return None
    return next((int(said["rank"]) for said in causes if said["cause"] == cause), 0)
