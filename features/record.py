"""Is this table fit for the pipeline? Every problem at once: columns, numbers, ranges, choices, dates, ids.

Problems count rows and name columns; they never quote a value. The check of a whole table runs through
a pandera schema made from the dictionary; `value_problems` is the same check for the request path.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from features.axes import LEG_REGIONS, SIDES
from features.dictionary import COORDINATES, Dictionary, Known, Variable, load_dictionary
from features.errors import BackcastError, ColumnsError, TimingError, ValuesError
from features.knowledge_tables import knowledge_table
from features.outcomes import reported_variables

ROWS_NAMED = 5
MOMENTS = {
    "preoperative": "the decision",
    "operative": "the operation",
    "follow_up": "follow-up",
    "adjudication": "the adjudication of the cause",
}
FRACTION_RANGE = 50
"""A variable that reaches at least this far and never exceeds 1 was probably recorded as a fraction."""
FRACTION_CASES = 20


@dataclass(frozen=True)
class Problem:
    """One rule broken by one column: where, how often, and what to do.

    `rows` are line numbers of the file (the header is line 1), or places in a table counted from 1. Among several
    files `places` say the file of each too.
    """

    kind: type[BackcastError]
    rule: str
    column: str
    what: str
    to_do: str
    rows: tuple[int, ...] = ()
    places: tuple[str, ...] = ()
    count: int = 0
    """Of all rows, where `rows` and `places` hold the first of them alone."""

    @property
    def n_rows(self) -> int:
        return self.count or len(self.rows or self.places)

    @property
    def stands(self) -> tuple[str, ...]:
        """Where each row stands, in words."""
        return self.places or tuple(map(str, self.rows))

    def __str__(self) -> str:
        where, n_rows = "", self.n_rows
        if n_rows:
            first = ", ".join(self.stands[:ROWS_NAMED]) + (", ..." if n_rows > ROWS_NAMED else "")
            where = f" in {n_rows} row{'s' if n_rows > 1 else ''} ({first})"
        return f"{self.column} {self.what}{where}. {self.to_do}"


def refuse_problems(source: str, problems: Sequence[Problem]) -> None:
    """Raise all problems as one error, of the kind that comes first in the tree of errors."""
    if not problems:
        return
    kind = min((problem.kind for problem in problems), key=lambda kind: kind.exit_status)
    lines = "\n".join(f"  - {problem}" for problem in problems)
    raise kind(f"{source}: {len(problems)} problem{'s' if len(problems) > 1 else ''}.\n{lines}")


def problem_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """One row a problem: rule, column, n_rows, rows, what, to_do."""
    rows = [(p.rule, p.column, p.n_rows, " ".join(p.stands), p.what, p.to_do, p.kind.__name__) for p in problems]
    return pd.DataFrame(rows, columns=["rule", "column", "n_rows", "rows", "what", "to_do", "error"])


def required_columns(moment: Known) -> tuple[str, ...]:
    """Columns without which a table is not fit: to train, keys and essentials; to predict, essentials.

    A work-up takes what there is, since the record before the operation may be another clinic's.
    """
    if moment == "follow_up":
        return ("case_id",)
    essential = [v for v in load_dictionary().essential if moment != "preoperative" or v.form != "keys"]
    names = [variable.name for variable in essential]
    dates = [name for name in ("reoperation_date", "death_date", "last_contact_date") if name in load_dictionary()]
    return ("case_id", *names) if moment == "preoperative" else (*names, *reported_variables(), *dates)


def wrong_columns(columns: Iterable[str], moment: Known, required: Collection[str]) -> list[Problem]:
    """Columns that are missing, unknown, repeated, or known only later than the question is asked."""
    dictionary, given = load_dictionary(), Counter(iter(columns))
    seen = {variable.name for variable in dictionary.known_by(moment)}
    problems = [
        Problem(
            ColumnsError,
            "missing_column",
            name,
            "is missing",
            f"Add the column; a value that is not recorded stays empty. Expected: {dictionary[name].expected}.",
        )
        for name in required
        if name not in given
    ]
    for name, times in given.items():
        if times > 1:
            problems.append(Problem(ColumnsError, "repeated_column", name, f"stands {times} times", "Keep one."))
        if name not in dictionary:
            problems.append(_unknown_column(dictionary, name))
        elif name not in seen:
            problems.append(
                Problem(
                    TimingError,
                    "later_variable",
                    name,
                    f"is known only at {MOMENTS[dictionary[name].known]}, after the question is asked",
                    f"Leave the column out: a {'work-up' if moment == 'follow_up' else 'prediction'} must not see it.",
                )
            )
    return problems


def _unknown_column(dictionary: Dictionary, name: str) -> Problem:
    misplaced = _misplaced(dictionary, name)
    if misplaced:
        return Problem(ColumnsError, "unknown_column", name, *misplaced)
    closest = dictionary.closest(name)
    to_do = "Leave the column out, or name it as in docs/reference/dictionary.md."
    if closest:
        variable = dictionary[closest]
        to_do = f"Is {closest} meant ({variable.label}; {variable.expected})? Rename it, in that unit."
    return Problem(ColumnsError, "unknown_column", name, "is not in the dictionary", to_do)


PLACE_LIKE = {
    "level": re.compile(r"[ctls]\d{1,2}(_?[ctls]\d{1,2})?"),
    "root": re.compile(r"[ctls]\d{1,2}"),
    "side": re.compile(r"both|bilateral|bil|either|l|r|lt|rt|le|ri|li|re|links|rechts|midline"),
    "zone": re.compile(r"(?!.*(left|right|both))[a-z_]+"),
    "region": re.compile(r"(?!.*(left|right|both))[a-z_]+"),
}
"""What a word in a column's name looks like that was meant for a place on that axis."""
BOTH_SIDES = re.compile(r"both|bilateral|bil|either")


def _misplaced(dictionary: Dictionary, name: str) -> tuple[str, str] | None:
    """Whether a name is that of a variable but for one place: a level, root or side that there is none of.

    Returns what is wrong and what to do, or None.
    """
    for axis, like in PLACE_LIKE.items():
        for variable in dictionary.variables:
            place = dict(variable.coordinates).get(axis)
            if place is None or variable.name.count(f"_{place}") != 1:
                continue
            before, after = variable.name.split(f"_{place}")
            if name == before + after:
                return _without_place(dictionary, variable, axis, place)
            word = name.removeprefix(f"{before}_").removesuffix(after)
            if name == f"{before}_{word}{after}" and like.fullmatch(word):
                return _at_unknown_place(dictionary, variable, axis, place, word)
    return None


def _at_unknown_place(dictionary: Dictionary, variable: Variable, axis: str, place: str, word: str) -> tuple[str, str]:
    if axis == "side":
        both = "; what holds for both stands in both" if BOTH_SIDES.fullmatch(word) else ""
        return f"names the side {word}", f"{_one_column_a_side(variable, place)}{both}."
    return (
        f"names the {axis} {word}, for which there is no column",
        f"The {axis}s are {_places_of(dictionary, variable, axis)}.",
    )


def _without_place(dictionary: Dictionary, variable: Variable, axis: str, place: str) -> tuple[str, str]:
    what = f"does not say which {axis}"
    if axis == "side":
        return what, f"{_one_column_a_side(variable, place)}."
    return what, f"There is one column for each, such as {variable.name}: {_places_of(dictionary, variable, axis)}."


def _one_column_a_side(variable: Variable, place: str) -> str:
    columns = " and ".join(variable.name.replace(f"_{place}", f"_{side}") for side in SIDES)
    return f"There is one column for each side, {columns}"


def _places_of(dictionary: Dictionary, variable: Variable, axis: str) -> str:
    """The places of an axis at which an item is recorded, in the order of the axis."""
    used = {dict(other.coordinates).get(axis) for other in dictionary.variables if other.item == variable.item}
    return ", ".join(place for place in COORDINATES[axis] if place in used)


def typed_cases(text: pd.DataFrame, first_row: int = 2) -> tuple[pd.DataFrame, list[Problem]]:
    """A table of text as numbers, dates and words, with the problems of those that are none.

    Parameters
    ----------
    text : DataFrame of str
        As read from a file; missing is missing. Columns that the dictionary lacks are left out. A column of numbers
        may hold them as float64, where its source does.
    first_row : int
        Line of the file on which the first case stands.
    """
    dictionary = load_dictionary()
    problems: list[Problem] = []
    columns = {}
    for name, times in Counter(text.columns).items():
        if name in dictionary and times == 1:
            columns[name], found = _typed(text[name], dictionary[name], first_row)
            problems += found
    return pd.DataFrame(columns, index=text.index, copy=False), problems


def _typed(text: pd.Series, variable: Variable, first_row: int) -> tuple[pd.Series, list[Problem]]:
    if variable.is_numeric and text.dtype == np.float64:
        infinite = np.isinf(text.to_numpy())
        numbers = text.mask(infinite) if infinite.any() else text
        return numbers, _unread_problems(text, infinite, variable, first_row)
    text = text.str.strip()
    text = text.mask(text == "")
    if variable.is_numeric:
        numbers = pd.to_numeric(text, errors="coerce").astype(np.float64)
        wrong = text.notna() & ~np.isfinite(numbers)
        return numbers.where(~wrong), _unread_problems(text, wrong, variable, first_row)
    if variable.type == "date":
        dates = pd.to_datetime(text, errors="coerce", format="%Y-%m-%d")
        wrong = text.notna() & dates.isna()
        return dates, _problem_if(wrong, variable, "not_a_date", "is not a date", "Write it as YYYY-MM-DD.", first_row)
    return text.astype(object), []


DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
SIDE_WORD = re.compile(r"left|right|both|bilateral", re.IGNORECASE)
OTHER_GRADING = re.compile(r"(grade |type )?([a-g]|[ivx]+)|none|normal|mild|moderate|severe", re.IGNORECASE)
"""Grades as other systems write them: letters, Roman numerals, words."""


def _unread_problems(
    values: pd.Series, wrong: pd.Series | np.ndarray, variable: Variable, first_row: int
) -> list[Problem]:
    """The problems of values that are no number, told apart by what they look like, never translated."""
    if not np.asarray(wrong).any():
        return []
    text = values.where(np.asarray(wrong)).astype("string").str.strip()
    has_comma, is_side, is_graded = (
        text.str.fullmatch(pattern).fillna(False).to_numpy(dtype=bool)
        for pattern in (DECIMAL_COMMA, SIDE_WORD, OTHER_GRADING)
    )
    is_graded &= variable.type == "grade"
    rest = np.asarray(wrong) & ~is_side & ~is_graded
    return [
        *_problem_if(is_side, variable, *_side_words(variable), first_row),
        *_problem_if(is_graded, variable, *_grading_words(variable), first_row),
        *_problem_if(rest, variable, *_number_words(variable, bool(has_comma.any())), first_row),
    ]


def _side_words(variable: Variable) -> tuple[str, str, str]:
    side = dict(variable.coordinates).get("side")
    columns = f"{_one_column_a_side(variable, side)}; what holds for both stands in both. " if side else ""
    return "side_as_value", "holds a side where a value is meant", f"{columns}Expected: {variable.expected}."


def _grading_words(variable: Variable) -> tuple[str, str, str]:
    to_do = f"Translate it, since nothing is translated silently. Expected: {variable.expected}.{_system(variable)}"
    return "other_grading", "holds a grade that is no number", to_do


def _number_words(variable: Variable, has_decimal_comma: bool) -> tuple[str, str, str]:
    if has_decimal_comma:
        return "not_a_number", "holds a decimal comma", "Write the decimal with a point: 7.5, not 7,5."
    return "not_a_number", "is not a number", f"Expected: {variable.expected}.{_system(variable)}"


def _system(variable: Variable) -> str:
    """A sentence on the grading system of a column and how it is usually written; empty for a column without one."""
    return _systems().get(variable.item, "")


@cache
def _systems() -> dict[str, str]:
    """The sentence on each graded item; read once, since every column of every case asks."""
    return {
        row.item: f" The column is in the grading of {row.system}, usually written {row.written_as}."
        for row in knowledge_table("grading_systems").itertuples()
    }


def _problem_if(
    wrong: pd.Series | np.ndarray, variable: Variable, rule: str, what: str, to_do: str, first_row: int
) -> list[Problem]:
    rows = tuple((np.flatnonzero(np.asarray(wrong)) + first_row).tolist())
    return [Problem(ValuesError, rule, variable.name, what, to_do, rows)] if rows else []


def value_problems(cases: pd.DataFrame, first_row: int = 1) -> list[Problem]:
    """Values outside the range or the choices of their variable, in typed cases; missing is no problem."""
    dictionary = load_dictionary()
    problems = []
    for name in cases.columns:
        if name in dictionary and dictionary[name].type not in ("identifier", "date"):
            problems += _value_problems(cases[name], dictionary[name], first_row)
    return problems


def _value_problems(values: pd.Series, variable: Variable, first_row: int) -> list[Problem]:
    if variable.type == "choice":
        wrong = values.notna() & ~values.isin(variable.codes)
        return _problem_if(wrong, variable, *choice_words(variable), first_row)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    unread = np.asarray(values.notna()) & np.isnan(numbers)
    found = _unread_problems(values, unread, variable, first_row)
    if variable.choices:
        wrong = ~np.isnan(numbers) & ~np.isin(numbers, variable.codes)
        return found + _problem_if(wrong, variable, *choice_words(variable), first_row)
    wrong = (numbers < variable.lower) | (numbers > variable.upper)
    return found + _problem_if(wrong, variable, *range_words(variable), first_row)


def choice_words(variable: Variable) -> tuple[str, str, str]:
    to_do = f"Choices: {variable.expected}.{_system(variable)}"
    return "not_a_choice", "holds a code that is none of its choices", to_do


def range_words(variable: Variable) -> tuple[str, str, str]:
    return (
        "out_of_range",
        f"is outside {variable.expected}",
        f"Recorded in another unit? Expected: {variable.unit or 'a plain number'}.",
    )


def fraction_problems(cases: pd.DataFrame) -> list[Problem]:
    """Variables of a wide range that never exceed 1: recorded as a fraction, or in another unit."""
    return problems_of_highest(highest_values(cases))


def highest_values(cases: pd.DataFrame) -> dict[str, tuple[int, float]]:
    """Of each variable of a wide range, how many values are above 0 and the highest of them."""
    highest = {}
    for variable in load_dictionary().variables:
        if variable.type != "number" or variable.name not in cases.columns or (variable.upper or 0) < FRACTION_RANGE:
            continue
        positive = cases.loc[cases[variable.name] > 0, variable.name]
        if len(positive):
            highest[variable.name] = len(positive), float(positive.max())
    return highest


def problems_of_highest(highest: Mapping[str, tuple[int, float]]) -> list[Problem]:
    """The same from the highest values alone, which may have been gathered over parts of a table."""
    problems = []
    for name, (positive, value) in highest.items():
        if positive >= FRACTION_CASES and value <= 1:
            variable = load_dictionary()[name]
            problems.append(
                Problem(
                    ValuesError,
                    "wrong_unit",
                    variable.name,
                    f"never exceeds 1, although its range is {variable.expected}",
                    f"Recorded as a fraction or in another unit? Expected: {variable.unit}.",
                )
            )
    return problems


DATE_ORDER = (
    ("index_date", "operation_date"),
    ("operation_date", "followup_date"),
    ("operation_date", "reoperation_date"),
    ("operation_date", "workup_date"),
    ("index_date", "death_date"),
    ("index_date", "last_contact_date"),
)


def date_problems(cases: pd.DataFrame, today: dt.date, first_row: int) -> list[Problem]:
    """Dates in the future, before the variable's first day, and dates in an impossible order."""
    dictionary, problems = load_dictionary(), []
    limit = pd.Timestamp(today)
    for variable in dictionary.variables:
        if variable.type != "date" or variable.name not in cases.columns:
            continue
        values = cases[variable.name]
        problems += _problem_if(
            values > limit, variable, "future_date", "lies in the future", "Correct the date.", first_row
        )
        if variable.lower:
            early = values < pd.Timestamp(str(variable.lower))
            what = f"lies before {variable.lower}"
            problems += _problem_if(early, variable, "out_of_range", what, "Correct the date.", first_row)
    for earlier, later in DATE_ORDER:
        if {earlier, later} <= set(cases.columns):
            wrong = cases[later] < cases[earlier]
            problems += _problem_if(
                wrong,
                dictionary[later],
                "date_order",
                f"lies before {earlier}",
                "Correct one of the dates.",
                first_row,
            )
    return problems


BIRTH_SLACK_YEARS = 2
"""By which the years of birth that two cases imply may differ: ages are in whole years, and some are of another day."""


def patient_problems(cases: pd.DataFrame, first_row: int) -> list[Problem]:
    """Cases of one `patient_id` that cannot be so: the same decision twice, or different people.

    Mostly the files of two years, or of two hospitals that number their patients alike, were put together. What is
    not recorded contradicts nothing.
    """
    keys = cases.reindex(columns=["patient_id", "index_date", "sex", "age_years"]).reset_index(drop=True)
    decision, days = keys[["patient_id", "index_date"]], pd.to_datetime(keys["index_date"])
    sexes = keys.groupby("patient_id")["sex"].transform("nunique")
    born = (days.dt.year + days.dt.dayofyear / 366 - keys["age_years"]).groupby(keys["patient_id"])
    again = decision.duplicated(keep=False) & decision.notna().all(axis="columns")
    apart = born.transform("max") - born.transform("min")
    one = "One row is one planned operation: keep one, or give each the day of its own decision."
    person = "Correct it. Do two files number their patients alike? Give each person an id of their own."
    found = (
        ("index_date", again, "repeated_decision", "stands more than once for one patient", one),
        ("sex", sexes > 1, "two_people", "differs within one patient_id", person),
        ("age_years", apart > BIRTH_SLACK_YEARS, "two_people", "fits no one year of birth within a patient_id", person),
    )
    dictionary = load_dictionary()
    return [
        problem
        for name, wrong, rule, what, to_do in found
        if name in dictionary
        for problem in _problem_if(wrong, dictionary[name], rule, what, to_do, first_row)
    ]


FOLLOW_UP_FORMS = ("follow-up work-up", "follow-up drawing", "follow-up examination", "follow-up imaging")
FUSING = ("decompression_and_fusion", "fusion", "disc_prosthesis")
"""Procedures that leave an implant or a fused level."""
MUCH_RELIEF = 50
"""Per cent of relief at the start that contradicts a pain that was never better."""
DRAWN_PAIN = 4
"""Drawn pain of 10 that contradicts a score of 0."""
DAYS_A_MONTH = 365.25 / 12
INTERVAL_SLACK_MONTHS = 1
"""By which an interval remembered in whole months may exceed the time since the operation."""


def followup_problems(cases: pd.DataFrame | Mapping[str, Any], first_row: int = 1) -> list[Problem]:
    """What contradicts itself in the record of a work-up; any of it is refused.

    - a work-up without an operation: no day, no procedure, no level planned or operated on;
    - enhancement recorded of an MRI without contrast;
    - a pain that was never better, with an interval free of it or with much relief at the start;
    - a pain that came back, suddenly or gradually, after no relief and no interval;
    - an interval longer than the time since the operation;
    - a state of bony fusion, or a fault of an implant, where nothing was ever fused or implanted;
    - a pregnant man.

    What is not recorded contradicts nothing. What is odd but may be so is for `followup_cautions`.
    Dates in a wrong order are found by `date_problems`, levels that do not exist by `wrong_columns`.

    Parameters
    ----------
    cases : DataFrame, or mapping of each variable's name to its values
        Typed cases; days as datetimes or as YYYY-MM-DD. For one record: `{name: [value], ...}`.
    first_row : int
        Number of the first case in the messages; values are never quoted.
    """
    if not _work_up_names():
        return []
    told = _Told(cases)
    return [
        problem
        for name, wrong, rule, what, to_do in (*_contradictions(told), *_contradicted_images(told))
        for problem in _problem_if(wrong, load_dictionary()[name], rule, what, to_do, first_row)
    ]


def followup_cautions(cases: pd.DataFrame | Mapping[str, Any], first_row: int = 1) -> list[Problem]:
    """What is odd in the record of a work-up and may be so: told beside an answer, never refused.

    - what brought a pain back that was never better;
    - a mass in continuity with a disc at a place whose herniation is recorded as none;
    - a work-up after a reoperation, so that it is not plain which operation is meant;
    - a state of fusion where it is not recorded whether anything was ever fused;
    - a score of leg pain of 0 beside leg pain that is drawn.

    Parameters as of `followup_problems`.
    """
    told = _Told(cases)
    return [
        problem
        for name, odd, rule, what, to_do in _oddities(told)
        for problem in _problem_if(odd, load_dictionary()[name], rule, what, to_do, first_row)
    ]


Finding = tuple[str, np.ndarray, str, str, str]
"""Column, the cases in which the rule is broken, the rule, what is wrong, what to do."""


class _Told:
    """The columns of cases as arrays, missing where there are none."""

    def __init__(self, cases: pd.DataFrame | Mapping[str, Any]) -> None:
        self._cases = cases
        self.n = len(cases) if isinstance(cases, pd.DataFrame) else max(map(len, cases.values()), default=0)

    def numbers(self, name: str) -> np.ndarray:
        if name not in self._cases:
            return np.full(self.n, np.nan)
        return np.asarray(self._cases[name], dtype=np.float64)

    def days(self, name: str) -> np.ndarray:
        if name not in self._cases:
            return np.full(self.n, np.datetime64("NaT", "D"))
        return np.asarray(self._cases[name], dtype="datetime64[D]")

    def is_word(self, name: str, *words: str) -> np.ndarray:
        if name not in self._cases:
            return np.zeros(self.n, dtype=bool)
        values = np.asarray(self._cases[name], dtype=object)
        return np.array([value in words for value in values], dtype=bool)

    def is_recorded(self, name: str) -> np.ndarray:
        if name not in self._cases:
            return np.zeros(self.n, dtype=bool)
        return ~np.asarray(pd.isna(self._cases[name]), dtype=bool)

    def any_of(self, names: Iterable[str], test: Callable[[str], np.ndarray]) -> np.ndarray:
        """(n,) whether the test holds for any of these columns."""
        found = np.zeros(self.n, dtype=bool)
        for name in names:
            if found.all():
                break
            if name in self._cases:
                found |= test(name)
        return found

    def months(self, since: str, until: str) -> np.ndarray:
        days = (self.days(until) - self.days(since)) / np.timedelta64(1, "D")
        return days / DAYS_A_MONTH


@cache
def _names_of(*items: str) -> tuple[str, ...]:
    return tuple(variable.name for variable in load_dictionary().variables if variable.item in items)


@cache
def _leg_names() -> tuple[str, ...]:
    """The drawing of the legs at the follow-up."""
    return tuple(f"followup_pain_{region}_{side}" for region in LEG_REGIONS for side in SIDES)


@cache
def _work_up_names() -> tuple[str, ...]:
    return tuple(variable.name for variable in load_dictionary().variables if variable.form in FOLLOW_UP_FORMS)


def _contradictions(told: _Told) -> Iterable[Finding]:
    """Of the operation, the course and the person."""
    seen = told.any_of(_work_up_names(), told.is_recorded)
    levels = _names_of("planned_decompression", "planned_fusion", "operated_decompression", "operated_fusion")
    operated = told.any_of(levels, lambda name: told.numbers(name) == 1)
    operated |= told.any_of(("operation_date", "planned_procedure", "performed_procedure"), told.is_recorded)
    yield (
        "operation_date",
        seen & ~operated,
        "work_up_without_operation",
        "is empty, and no procedure and no level is recorded, though a work-up is",
        "Say what was operated and when, or leave the work-up out.",
    )
    never = told.is_word("return_tempo", "never_better")
    back = told.is_word("return_tempo", "sudden", "gradual")
    interval, relief = told.numbers("pain_free_interval_months"), told.numbers("initial_relief_percent")
    one = "Correct the interval, the relief or the tempo."
    yield "pain_free_interval_months", never & (interval > 0), "never_better", "is above 0 in a pain never better", one
    much = never & (relief >= MUCH_RELIEF)
    yield "initial_relief_percent", much, "never_better", f"is {MUCH_RELIEF} % or more in a pain never better", one
    nothing = back & (interval == 0) & (relief == 0)
    yield "return_tempo", nothing, "came_back", "says that the pain came back, after no relief and no interval", one
    since = told.months("operation_date", "workup_date")
    yield (
        "pain_free_interval_months",
        interval > since + INTERVAL_SLACK_MONTHS,
        "interval_too_long",
        "is longer than the time from the operation to the work-up",
        "Correct the interval or one of the dates.",
    )
    yield (
        "is_pregnant",
        (told.numbers("is_pregnant") == 1) & told.is_word("sex", "male"),
        "pregnant_man",
        "is 1 in a man",
        "Correct it or the sex.",
    )


def _contradicted_images(told: _Told) -> Iterable[Finding]:
    """What a scan cannot have shown."""
    plain = told.numbers("followup_contrast") == 0
    for name in _names_of("followup_enhancement"):
        yield (
            name,
            plain & told.is_recorded(name),
            "enhancement_without_contrast",
            "is recorded of an MRI without contrast",
            "Leave it empty, or correct followup_contrast.",
        )
    never_fused = _was_never_fused(told)
    without = "though nothing was fused or implanted"
    to_do = "Leave it empty, or say what was fused: operated_fusion, performed_procedure, has_earlier_fusion."
    for name in _names_of("followup_fusion"):
        yield name, never_fused & told.is_recorded(name), "fusion_without_fusion", f"is recorded {without}", to_do
    fault = never_fused & (told.numbers("followup_hardware_fault") == 1)
    yield "followup_hardware_fault", fault, "implant_without_implant", f"is 1 {without}", to_do


def _is_fused(told: _Told) -> np.ndarray:
    """(n,) whether something fused or implanted is recorded, of this operation or of an earlier one."""
    levels = _names_of("planned_fusion", "operated_fusion")
    fused = told.any_of(levels, lambda name: told.numbers(name) == 1)
    fused |= told.any_of(("planned_procedure", "performed_procedure"), lambda name: told.is_word(name, *FUSING))
    return fused | (told.numbers("has_earlier_fusion") == 1)


def _was_never_fused(told: _Told) -> np.ndarray:
    """(n,) whether it is recorded that neither this operation nor an earlier one fused anything."""
    said = told.any_of(("planned_procedure", "performed_procedure"), told.is_recorded)
    said |= told.any_of(_names_of("operated_fusion"), told.is_recorded)
    none_before = (told.numbers("has_earlier_fusion") == 0) | (told.numbers("earlier_lumbar_operations") == 0)
    return said & none_before & ~_is_fused(told)


def _oddities(told: _Told) -> Iterable[Finding]:
    never = told.is_word("return_tempo", "never_better")
    brought = told.is_recorded("return_trigger") & ~told.is_word("return_trigger", "none")
    what = "names what brought back a pain that was never better"
    yield "return_trigger", never & brought, "trigger_without_return", what, "Check the tempo or the trigger."
    for name in _names_of("followup_mass_in_continuity"):
        disc = name.replace("mass_in_continuity", "herniation")
        odd = (told.numbers(name) == 1) & (told.numbers(disc) == 0)
        yield name, odd, "mass_without_herniation", f"is 1 where {disc} is 0", "Check either reading."
    again = told.months("reoperation_date", "workup_date") > 0
    what = "lies after a reoperation, so that it is not plain which operation is meant"
    yield "workup_date", again, "after_reoperation", what, "Check which operation the work-up followed."
    drawn = told.any_of(_leg_names(), lambda name: told.numbers(name) >= DRAWN_PAIN)
    what = "is 0, though leg pain is drawn"
    yield (
        "followup_nrs_leg",
        (told.numbers("followup_nrs_leg") == 0) & drawn,
        "score_against_drawing",
        what,
        "Check both.",
    )
    unsaid = ~_is_fused(told) & ~_was_never_fused(told)
    for name in _names_of("followup_fusion"):
        what = "is recorded, and not whether anything was fused"
        yield name, unsaid & told.is_recorded(name), "fusion_unsaid", what, "Record what was fused, and when."
