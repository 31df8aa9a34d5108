"""What all parts say together: their problems in one list, with those that only the whole can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import BackcastError
from features.record import ROWS_NAMED, Problem, patient_problems, problems_of_highest
from features.table_check import repeated_id
from pipeline.partitions.identities import people_of, repeated_rows
from pipeline.partitions.parts import Part
from pipeline.partitions.work import Found
from pipeline.sources.records import first_row


def all_problems(found: Mapping[Part, Found]) -> list[Problem]:
    """Every problem of every part that is a table, and of the whole, each with where its rows stand and how many."""
    parts = [part for part in found if found[part].refusal is None]
    merged = _merged([problem for part in parts for problem in found[part].problems])
    identities = [each for part in parts if (each := found[part].identities) is not None]
    rows = repeated_rows(identities) if identities else np.zeros(0, dtype=np.int64)
    if len(rows):
        merged.append(repeated_id(places=_places(parts, rows[:ROWS_NAMED]), count=len(rows)))
    merged += problems_of_highest(_highest([found[part].highest or {} for part in parts]))
    people = people_of(identities)
    if people is not None:
        merged += [_placed(parts, problem) for problem in patient_problems(people, first_row=0)]
    return merged


def refuse_all(source: str, found: Mapping[Part, Found]) -> None:
    """Raise everything that is wrong with any part as one error, of the kind that comes first in the tree of errors."""
    refusals = [each.refusal for each in found.values() if each.refusal is not None]
    problems = all_problems(found)
    said = [*map(str, refusals), *map(str, problems)]
    if not said:
        return
    kinds: list[type[BackcastError]] = [*map(type, refusals), *(problem.kind for problem in problems)]
    kind = min(kinds, key=lambda kind: kind.exit_status)
    lines = "\n".join(f"  - {line}" for line in said)
    raise kind(f"{source}: {len(said)} problem{'s' if len(said) > 1 else ''}.\n{lines}")


def _merged(problems: Sequence[Problem]) -> list[Problem]:
    """One problem for each rule that a column breaks, over all parts."""
    merged: dict[tuple[Any, ...], Problem] = {}
    for problem in problems:
        key = (problem.kind, problem.rule, problem.column, problem.what, problem.to_do)
        earlier = merged.get(key)
        if earlier is not None:
            places = (*earlier.places, *problem.places)[:ROWS_NAMED]
            problem = replace(problem, places=places, count=earlier.count + problem.count)
        merged[key] = problem
    return list(merged.values())


def _highest(each: Sequence[Mapping[str, tuple[int, float]]]) -> dict[str, tuple[int, float]]:
    names = dict.fromkeys(name for part in each for name in part)
    values = {name: [part[name] for part in each if name in part] for name in names}
    return {name: (sum(n for n, _ in found), max(value for _, value in found)) for name, found in values.items()}


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
