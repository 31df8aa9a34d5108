"""What the check of a part found, slice by slice: small, and nothing of it names a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from features.errors import BackcastError
from features.record import ROWS_NAMED, Problem
from pipeline.intake import highest_together
from pipeline.partitions.identities import Identities, joined


@dataclass(frozen=True)
class Found:
    """What was found of cases that stand together, a slice or a part."""

    problems: tuple[Problem, ...] = ()
    """Each with the first of the rows that it is about, and the number of all."""
    identities: tuple[Identities, ...] = ()
    highest: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """As of `highest_values`."""
    refusals: tuple[BackcastError, ...] = ()
    """Why it could not be read as a table, where it could not."""

    @classmethod
    def together(cls, found: Iterable[Found]) -> Found:
        """What was found of all of them, as if they had been looked at as one."""
        known = list(found)
        identities = [each for one in known for each in one.identities]
        return cls(
            problems=_merged([problem for one in known for problem in one.problems]),
            identities=(joined(identities),) if identities else (),
            highest=highest_together(one.highest for one in known),
            refusals=tuple(refusal for one in known for refusal in one.refusals),
        )


def placed(problem: Problem, name: str) -> Problem:
    """The problem with the first of its rows as they stand in a folder, such as `2017.parquet:14`."""
    places = tuple(f"{name}:{row}" for row in problem.rows[:ROWS_NAMED])
    return replace(problem, rows=(), places=places, count=len(problem.rows))


def _merged(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """One problem for each rule that a column breaks."""
    merged: dict[tuple[Any, ...], Problem] = {}
    for problem in problems:
        key = (problem.kind, problem.rule, problem.column, problem.what, problem.to_do)
        earlier = merged.get(key)
        if earlier is not None:
            places = (*earlier.places, *problem.places)[:ROWS_NAMED]
            problem = replace(problem, places=places, count=earlier.count + problem.count)
        merged[key] = problem
    return tuple(merged.values())
