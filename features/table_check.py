"""The check of a whole table, by a pandera schema made from the dictionary.

Kept apart from `features.record`, since pandera is slow to import and to run on one row, and has no
place in the request path.
"""

from __future__ import annotations

from functools import cache

import pandas as pd
import pandera.pandas as pa

from features.dictionary import Known, Variable, load_dictionary
from features.errors import ValuesError
from features.record import Problem, choice_words, range_words


@cache
def record_schema(moment: Known) -> pa.DataFrameSchema:
    """The pandera schema of a typed table known by that moment; every column but the keys may be empty,
    and for a prediction or a work-up all but `case_id`."""
    return pa.DataFrameSchema(
        {variable.name: _column(variable, moment) for variable in load_dictionary().known_by(moment)}, strict=False
    )


def _column(variable: Variable, moment: Known) -> pa.Column:
    checks = []
    if variable.choices:
        checks.append(pa.Check.isin(list(variable.codes), name="not_a_choice"))
    elif variable.type == "number":
        checks.append(pa.Check.in_range(variable.lower, variable.upper, name="out_of_range"))
    # A prediction or a work-up needs to know its case apart; who, where and when matter to training.
    is_key = variable.name == "case_id" or (variable.form == "keys" and moment == "adjudication")
    return pa.Column(None, checks=checks, nullable=not is_key, unique=variable.name == "case_id", required=False)


def schema_problems(cases: pd.DataFrame, moment: Known, first_row: int) -> list[Problem]:
    """Every value that the dictionary does not allow: ranges, choices, missing keys, repeated case ids."""
    try:
        record_schema(moment).validate(cases.reset_index(drop=True), lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases
        return [
            _problem(str(column), str(check), rows["index"], first_row)
            for (column, check), rows in failures.groupby(["column", "check"], sort=False)
        ]
    return []


def _problem(column: str, check: str, places: pd.Series, first_row: int) -> Problem:
    variable = load_dictionary()[column]
    rows = tuple(sorted(int(place) + first_row for place in places.dropna()))
    if check == "not_nullable":
        return Problem(ValuesError, "missing_key", column, "is empty", "Every case needs one.", rows)
    if check == "field_uniqueness":
        return Problem(ValuesError, "duplicate_id", column, "is not unique", "Give each case an id of its own.", rows)
    words = choice_words(variable) if variable.choices else range_words(variable)
    return Problem(ValuesError, words[0], column, words[1], words[2], rows)
