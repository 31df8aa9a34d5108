"""A file of records, read and checked against the dictionary: for the pipeline, `check` and `score`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from features.dictionary import Known
from features.record import (
    Problem,
    date_problems,
    followup_problems,
    fraction_problems,
    required_columns,
    typed_cases,
    wrong_columns,
)
from features.table_check import schema_problems
from pipeline.files import read_records
from pipeline.params import IngestParams

FIRST_ROW = 2
"""The header is line 1 of a file."""


def checked_records(
    path: Path, params: IngestParams, moment: Known, *, today: dt.date
) -> tuple[pd.DataFrame, list[Problem]]:
    """The typed cases of a file, and everything that is wrong with it at that moment.

    With `moment` `preoperative` the file is for a prediction, and a variable known later is a problem.

    Raises
    ------
    FileFormatError, ColumnsError
        If the file cannot be read as a table at all.
    """
    text = read_records(path, params.encoding, params.separator, params.missing_marks)
    problems = wrong_columns(text.columns, moment, required_columns(moment))
    cases, unreadable = typed_cases(text, FIRST_ROW)
    said = {(problem.column, row) for problem in unreadable for row in problem.rows}
    found = schema_problems(cases, moment, FIRST_ROW)
    # A key that could not be read was said to be unreadable; it is not also missing.
    found = [p for p in found if p.rule != "missing_key" or not {(p.column, row) for row in p.rows} <= said]
    problems += unreadable + found + fraction_problems(cases) + date_problems(cases, today, FIRST_ROW)
    problems += followup_problems(cases, FIRST_ROW)
    return cases, problems
