"""A file of records, read and checked against the dictionary: for the pipeline, `check` and `score`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import pandas as pd

from features.dictionary import Known
from features.errors import BackcastError, CaseNotFoundError, FileFormatError
from features.record import (
    Problem,
    date_problems,
    followup_problems,
    fraction_problems,
    highest_values,
    patient_problems,
    problems_of_highest,
    refuse_problems,
    required_columns,
    typed_cases,
    wrong_columns,
)
from features.table_check import schema_problems
from pipeline.params import IngestParams
from pipeline.sources.records import input_sha256, is_parquet, n_records, read_records, record_slices
from pipeline.sources.text import place_text

FIRST_ROW = 2
"""The number that the first case has while problems are looked for; then each is told its true place."""
MARKS = ["", "NA"]
"""What stands for a missing value in a file that is named on the command line."""
OF_THE_WHOLE = ("wrong_unit", "duplicate_id")
"""Rules that a slice or a part can neither keep nor break: they are judged when all is known."""
WHOSE = ["case_id", "patient_id", "index_date", "sex", "age_years"]
"""What the whole is asked of a case: whether it stands twice, and before training whose it is."""
SLICE = 2**16
"""Cases that are in memory at a time."""


class Reading(TypedDict, total=False):
    """How a file is read that is named on the command line; each as in `IngestParams`."""

    encoding: str
    separator: str
    sheet: str | None
    url: str | None


def named_file(path: Path, **reading: Unpack[Reading]) -> IngestParams:
    return IngestParams(file=str(path), missing_marks=MARKS, **reading)


def fit_cases(
    path: Path, moment: Known, required: Collection[str] | None = None, **reading: Unpack[Reading]
) -> pd.DataFrame:
    """The typed cases of a file that is named on the command line and fit for that moment, `case_id` as index.

    Raises
    ------
    BackcastError
        With every problem of the file.
    """
    how, today = named_file(path, **reading), dt.date.today()
    cases, problems = checked_records(path, how, moment, today=today, required=required)
    refuse_problems(str(path), problems)
    return cases.set_index("case_id").copy()  # in one piece, since others add columns


@dataclass(frozen=True)
class PlannedCases:
    """The cases of a file that are to be scored: so many, a hash of the input, and themselves, slice by slice."""

    n: int
    sha256: str
    slices: Iterator[pd.DataFrame]
    """Each with `case_id` as index."""


def planned_cases(path: Path, rows: int, **reading: Unpack[Reading]) -> PlannedCases:
    """The cases of a file or folder that is fit for a prediction, in slices of no more than so many.

    The first slice is read and checked at once, the others of Parquet when they are asked for; anything else is read
    as a whole.

    Raises
    ------
    BackcastError
        With every problem of the file, also when a later slice is asked for.
    """
    if not is_parquet(path):
        cases = fit_cases(path, "preoperative", **reading)
        slices = (cases.iloc[start : start + rows] for start in range(0, len(cases), rows))
        return PlannedCases(len(cases), input_sha256(path, cases), slices)
    later = _fit_slices(path, "preoperative", rows, **reading)
    first = next(later)
    return PlannedCases(n_records(path), input_sha256(path, first), chain([first], later))


def counted_cases(path: Path, moment: Known, **reading: Unpack[Reading]) -> tuple[int, int]:
    """How many cases and variables a file has that is fit for that moment; of Parquet a slice is in memory at a time.

    Raises
    ------
    BackcastError
        With every problem of the file.
    """
    slices = _fit_slices(path, moment, SLICE, **reading) if is_parquet(path) else [fit_cases(path, moment, **reading)]
    sizes = [(len(cases), 1 + len(cases.columns)) for cases in slices]  # one more: `case_id` is their index
    return sum(n for n, _ in sizes), sizes[0][1]


def _fit_slices(path: Path, moment: Known, rows: int, **reading: Unpack[Reading]) -> Iterator[pd.DataFrame]:
    """The cases of Parquet; whatever is wrong with a slice is looked for and said of the whole file or folder."""
    how, today, required = named_file(path, **reading), dt.date.today(), required_columns(moment)
    whose: list[pd.DataFrame] = []
    highest: list[dict[str, tuple[int, float]]] = []
    try:
        for text in record_slices(path, how, rows):
            cases, problems = checked_text(text, moment, today=today, required=required, is_part=True)
            refuse_problems(str(path), [problem for problem in problems if problem.rule not in OF_THE_WHOLE])
            whose.append(cases.reindex(columns=WHOSE if moment == "adjudication" else WHOSE[:1]))
            highest.append(highest_values(cases))
            yield cases.set_index("case_id")
        refuse_problems(str(path), problems_of_highest(highest_together(highest)))
        whole = pd.concat(whose)
        if moment == "adjudication":
            refuse_problems(str(path), patient_problems(whole, FIRST_ROW))
        is_sound = whole["case_id"].is_unique
    except BackcastError:
        is_sound = False
    if not is_sound:
        fit_cases(path, moment, **reading)
        raise FileFormatError(f"{path} was changed while it was read. Start again when it is whole.")


def highest_together(each: Iterable[Mapping[str, tuple[int, float]]]) -> dict[str, tuple[int, float]]:
    """The `highest_values` of a table from those of its parts."""
    highest: dict[str, tuple[int, float]] = {}
    for name, (number, value) in chain.from_iterable(one.items() for one in each):
        before, most = highest.get(name, (0, value))
        highest[name] = before + number, max(most, value)
    return highest


def named_case(path: Path, cases: pd.DataFrame, case_id: str) -> pd.DataFrame:
    """The one of a file's cases that has this id, as a frame of one row.

    Raises
    ------
    CaseNotFoundError
        If the file has no such case.
    """
    if case_id not in cases.index:
        raise CaseNotFoundError(f"{path} has no such case_id among its {len(cases)} cases. Check --case.")
    return cases.loc[[case_id]]


def checked_records(
    path: Path, params: IngestParams, moment: Known, *, today: dt.date, required: Collection[str] | None = None
) -> tuple[pd.DataFrame, list[Problem]]:
    """The typed cases of a file, a folder or a query, and everything that is wrong with them at that moment.

    With `moment` `preoperative` they are for a prediction, and a variable known later is a problem. Other columns
    than those the moment asks for may be `required`. The index of the cases, and the rows of a problem, say where
    each stands (see `read_records`).

    Raises
    ------
    FileFormatError, ColumnsError, ValuesError, DatabaseError
        If there is no table to be read at all.
    """
    wanted = required_columns(moment) if required is None else required
    return checked_text(read_records(path, params), moment, today=today, required=wanted)


def checked_text(
    text: pd.DataFrame, moment: Known, *, today: dt.date, required: Collection[str], is_part: bool = False
) -> tuple[pd.DataFrame, list[Problem]]:
    """The same for records that were read already, as text in the dictionary's layout.

    Of a part (`is_part`) nothing is said of a patient's cases, which may stand in another.
    """
    problems = wrong_columns(text.columns, moment, required)
    cases, unreadable = typed_cases(text, FIRST_ROW)
    said = {(problem.column, row) for problem in unreadable for row in problem.rows}
    found = schema_problems(cases, moment, FIRST_ROW)
    # A key that could not be read was said to be unreadable; it is not also missing.
    found = [p for p in found if p.rule != "missing_key" or not {(p.column, row) for row in p.rows} <= said]
    problems += unreadable + found + fraction_problems(cases) + date_problems(cases, today, FIRST_ROW)
    problems += followup_problems(cases, FIRST_ROW)
    if moment == "adjudication" and not is_part:
        problems += patient_problems(cases, FIRST_ROW)
    return cases, placed(problems, text.index)


def placed(problems: Sequence[Problem], index: pd.Index) -> list[Problem]:
    """The problems with their rows as they stand in what was read, in a folder such as `2017.csv:14`."""
    found = []
    for problem in problems:
        stand = sorted(index[np.array(problem.rows, dtype=int) - FIRST_ROW])
        if isinstance(index, pd.MultiIndex):
            found.append(replace(problem, places=tuple(map(place_text, stand))))
        else:
            found.append(replace(problem, rows=tuple(map(int, stand))))
    return found
