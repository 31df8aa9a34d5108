"""What a mistake in `mapping.csv` looks like in the values: another unit, another way to write dates, an unknown code.

A hint goes beside the problem that names the rows. It counts; a code is named where at least ten rows have it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.dictionary import Variable, load_dictionary
from features.errors import ValuesError
from features.record import Problem
from pipeline.mapping import ColumnRule, unit_conversions

DATE_FORMATS = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d", "%d %b %Y", "%d.%m.%y",
    "%m/%d/%y",
)  # fmt: skip
"""Ways to write a day that registries use."""
LEAST_ROWS = 10
"""Rows behind anything of a file that is named."""
SUSPICIOUS_CASES = 20
SCALES = ((10.0, 100.0, "ten_to_hundred"), (1.0, 100.0, "share_to_percent"))
"""A variable that reaches the second and never exceeds the first was probably recorded on another scale."""


def hint(problem: Problem, rule: ColumnRule, raw: pd.Series) -> str:
    """What the mapping may have wrong, from the values as they stand in the file, in a sentence; empty if nothing."""
    variable = load_dictionary().by_name.get(problem.column)
    if variable is None:
        return ""
    if problem.rule == "not_a_date":
        return date_hint(raw, rule)
    if problem.rule == "not_a_choice":
        return code_hint(raw, rule, variable)
    if problem.rule == "not_a_number" and "decimal comma" in problem.what and "decimal_comma" not in rule.conversion:
        return "Its conversion may be decimal_comma."
    if problem.rule in ("out_of_range", "wrong_unit"):
        return unit_hint(raw, rule, variable)
    return ""


def date_hint(raw: pd.Series, rule: ColumnRule) -> str:
    """Which way to write a day reads every recorded value."""
    recorded = raw.dropna().str.strip()
    fitting = [form for form in DATE_FORMATS if pd.to_datetime(recorded, errors="coerce", format=form).notna().all()]
    fitting = [form for form in fitting if f"date:{form}" != rule.conversion]
    if not fitting:
        return "No usual way to write a day reads all of them."
    named = " and ".join(f"date:{form}" for form in fitting)
    return f"{named} read{'s' if len(fitting) == 1 else ' both'} all {len(recorded):,} values."


def code_hint(raw: pd.Series, rule: ColumnRule, variable: Variable) -> str:
    """The codes of a column that neither the mapping nor the dictionary knows, as far as many rows have them."""
    known = {str(code) for code in variable.codes} | {f"{code:g}" for code in variable.codes if isinstance(code, float)}
    counts = raw.dropna().str.strip().value_counts()
    unknown = counts[[code not in rule.codes and code not in known for code in counts.index]]
    often = [f"{code} ({rows:,})" for code, rows in unknown.items() if rows >= LEAST_ROWS]
    return f"Codes without a line: {', '.join(often)}." if often else ""


def unit_hint(raw: pd.Series, rule: ColumnRule, variable: Variable) -> str:
    """A conversion that would bring all of a column into the range of its variable."""
    numbers = pd.to_numeric(raw.dropna().str.strip().str.replace(",", "."), errors="coerce").dropna().to_numpy(float)
    if not len(numbers) or variable.type != "number":
        return ""
    fitting = [
        name
        for name, (_, to_unit, factor, offset) in unit_conversions().items()
        if to_unit == variable.unit and name not in rule.conversion and _within(numbers * factor + offset, variable)
    ]
    if rule.conversion in unit_conversions() and _within(numbers, variable):
        return f"Without {rule.conversion} all {len(numbers):,} values would lie in its range."
    if not fitting:
        return ""
    named = " or ".join(fitting)
    return f"{named} would bring all {len(numbers):,} values into its range."


def _within(numbers: np.ndarray, variable: Variable) -> bool:
    lower, upper = float(variable.lower or 0), float(variable.upper or 0)
    return bool(((numbers >= lower) & (numbers <= upper)).all())


def scale_problems(cases: pd.DataFrame) -> list[Problem]:
    """Variables that never exceed a tenth of their range: recorded from 0 to 10 in place of 0 to 100."""
    problems = []
    for variable in load_dictionary().variables:
        if variable.type != "number" or variable.name not in cases.columns:
            continue
        recorded = cases[variable.name].notna()
        values = cases.loc[recorded, variable.name]
        for most, reach, conversion in SCALES:
            is_suspect = variable.upper == reach and 1 < values.max() <= most and len(values) >= SUSPICIOUS_CASES
            if is_suspect:
                rows = tuple(map(int, cases.index[recorded]))
                what = f"never exceeds {most:g}, although its range is {variable.expected}"
                to_do = f"Recorded from 0 to {most:g}? Its conversion is then {conversion}."
                problems.append(Problem(ValuesError, "wrong_scale", variable.name, what, to_do, rows))
    return problems
