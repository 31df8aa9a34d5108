"""What all parts say together: their problems in one list, with those that only the whole can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from features.errors import BackcastError
from features.record import ROWS_NAMED, Problem, patient_problems, problems_of_highest
from features.table_check import repeated_id
from pipeline.partitions.found import Found
from pipeline.partitions.identities import people_of, repeated_rows
from pipeline.partitions.parts import Part
from pipeline.sources.records import first_row


def refuse_all(source: str, found: Mapping[Part, Found]) -> None:
    """Raise everything that is wrong with any part as one error, of the kind that comes first in the tree of errors."""
    whole = Found.together(found.values())
    problems = [*whole.problems, *_of_the_whole(whole, [part for part in found if not found[part].refusals])]
    said = [*map(str, whole.refusals), *map(str, problems)]
    if not said:
        return
    kinds: list[type[BackcastError]] = [*map(type, whole.refusals), *(problem.kind for problem in problems)]
    kind = min(kinds, key=lambda kind: kind.exit_status)
    lines = "\n".join(f"  - {line}" for line in said)
    raise kind(f"{source}: {len(said)} problem{'s' if len(said) > 1 else ''}.\n{lines}")


def _of_the_whole(whole: Found, parts: Sequence[Part]) -> list[Problem]:
    """Problems that no part can show alone; `parts` are those that could be read, which the identities are of."""
    problems = problems_of_highest(whole.highest)
    for identities in whole.identities:
        rows = repeated_rows(identities)
        if len(rows):
            problems.append(repeated_id(places=_places(parts, rows[:ROWS_NAMED]), count=len(rows)))
        people = people_of(identities)
        if people is not None:
            problems += [_placed(parts, problem) for problem in patient_problems(people, first_row=0)]
    return problems


def _placed(parts: Sequence[Part], problem: Problem) -> Problem:
    rows = np.array(problem.rows[:ROWS_NAMED], dtype=np.int64)
    return replace(problem, rows=(), places=_places(parts, rows), count=len(problem.rows))


def _places(parts: Sequence[Part], rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Where rows of the whole stand, such as `2017.parquet:14`."""
    starts = np.concatenate([[0], np.cumsum([part.rows for part in parts])])
    part_of = np.searchsorted(starts, rows, side="right") - 1
    return tuple(
        f"{parts[place].name}:{row - starts[place] + first_row(parts[place].path)}"
        for place, row in zip(part_of, rows, strict=True)
    )
