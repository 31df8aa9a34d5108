"""The check of a whole table, by a pandera schema made from the dictionary.

pandera judges and places what is wrong. Since it takes longer over a sound column than a prediction takes, it is asked
only about columns in which something is: a look at each as an array tells. It is imported when it is asked.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.dictionary import Known, Variable, load_dictionary
from features.errors import ValuesError
from features.record import Problem, choice_words, range_words

if TYPE_CHECKING:
    import pandera.pandas as pa


@cache
def record_schema(moment: Known) -> pa.DataFrameSchema:
    """The pandera schema of a typed table known by that moment; every column but the keys may be empty,
    and for a prediction or a work-up all but `case_id`."""
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        {variable.name: _column(variable, moment) for variable in load_dictionary().known_by(moment)}, strict=False
    )


def _column(variable: Variable, moment: Known) -> pa.Column:
    import pandera.pandas as pa

    checks = []
    if variable.choices:
        checks.append(pa.Check.isin(list(variable.codes), name="not_a_choice"))
    elif variable.type == "number":
        checks.append(pa.Check.in_range(variable.lower, variable.upper, name="out_of_range"))
    is_unique = variable.name == "case_id"
    return pa.Column(None, checks=checks, nullable=not _is_key(variable, moment), unique=is_unique, required=False)


def _is_key(variable: Variable, moment: Known) -> bool:
    """Whether every case needs a value: a prediction or a work-up has to tell its cases apart; who, where and when
    matter to training."""
    return variable.name == "case_id" or (variable.form == "keys" and moment == "adjudication")


def schema_problems(cases: pd.DataFrame, moment: Known, first_row: int) -> list[Problem]:
    """Every value that the dictionary does not allow: ranges, choices, missing keys, repeated case ids."""
    known = [v for v in load_dictionary().known_by(moment) if v.name in cases.columns]
    suspect = [v.name for v in known if _is_suspect(cases[v.name], v, moment)]
    if not suspect:
        return []
    import pandera.pandas as pa

    try:
        record_schema(moment).validate(cases[suspect].reset_index(drop=True), lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases
        return [
            _problem(str(column), str(check), rows["index"], first_row)
            for (column, check), rows in failures.groupby(["column", "check"], sort=False)
        ]
    return []


def _is_suspect(values: pd.Series, variable: Variable, moment: Known) -> bool:
    """Whether a column may hold anything that its schema refuses."""
    if _is_key(variable, moment) and values.isna().any():
        return True
    if variable.name == "case_id":
        return not values.is_unique
    if variable.type == "choice":
        return not pd.Index(values.dropna().unique()).isin(variable.codes).all()
    if not variable.is_numeric:
        return False
    if values.dtype != np.float64:
        return True
    numbers = values.to_numpy()
    if variable.choices:
        is_wrong = ~(np.isin(numbers, variable.codes) | np.isnan(numbers))
    else:
        is_wrong = (numbers < variable.lower) | (numbers > variable.upper)
    return bool(is_wrong.any())


def _problem(column: str, check: str, places: pd.Series, first_row: int) -> Problem:
    variable = load_dictionary()[column]
    rows = tuple(sorted(int(place) + first_row for place in places.dropna()))
    if check == "not_nullable":
        return Problem(ValuesError, "missing_key", column, "is empty", "Every case needs one.", rows)
    if check == "field_uniqueness":
        return repeated_id(rows)
    words = choice_words(variable) if variable.choices else range_words(variable)
    return Problem(ValuesError, words[0], column, words[1], words[2], rows)


def repeated_id(rows: tuple[int, ...] = (), places: tuple[str, ...] = (), count: int = 0) -> Problem:
    """Ids that stand more than once; see `Problem` for where they stand."""
    what, to_do = "is not unique", "Give each case an id of its own."
    return Problem(ValuesError, "duplicate_id", "case_id", what, to_do, rows, places, count)
