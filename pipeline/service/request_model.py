"""The request: a model of the record made from the dictionary, and its mistakes in the dictionary's words."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, create_model

from features.dictionary import Known, Variable, load_dictionary
from features.errors import ValuesError
from features.record import DATE_ORDER, Problem, followup_problems, value_problems, wrong_columns
from pipeline.service.problems import Mistake

IDENTIFIER = r"^[A-Za-z0-9 ._:/#@+-]{1,64}$"
IDENTIFIER_WORDS = "1 to 64 letters, digits, spaces and . _ : / # @ + -"
EARLIEST_DAY = "1900-01-01"
"""For a day to which the dictionary gives no first one."""
NAME_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What may be a variable's name; anything else is not sent back."""
ADVISED = 10
"""Unknown names for which a like one is sought: each search costs milliseconds, and anybody can send thousands."""
UNKNOWN_LISTED = 100


class Checked(NamedTuple):
    """A record with what is wrong with it; `record` holds what is recorded, and is fit only without mistakes."""

    record: dict[str, Any]
    mistakes: list[Mistake]
    unlisted: int = 0


@cache
def case_model(known: Known = "preoperative") -> type[BaseModel]:
    """The record that a question may hold, each variable optional: a number, a code, a day, an identifier.

    Numbers are finite and within the range of the dictionary; a boolean is no number here, nor is text.
    """
    fields: dict[str, Any] = {
        variable.name: (
            _annotation(variable) | None,
            Field(default=None, title=variable.label, description=_description(variable)),
        )
        for variable in load_dictionary().known_by(known)
    }
    config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
    name, about = ASKED_AT[known]
    left_out = "What was not recorded or not examined is left out, or null; never 0."
    return create_model(name, __config__=config, __doc__=f"{about} {left_out}", **fields)


ASKED_AT: dict[Known, tuple[str, str]] = {
    "preoperative": ("Case", "One planned operation."),
    "follow_up": ("WorkUp", "One operation that failed: the record before it, what was done, and what is found now."),
    "adjudication": ("FollowUp", "What became of one operation; case_id says of which."),
}
"""By what a request may know: the name of its model, and what it is about."""


def _annotation(variable: Variable) -> Any:
    if variable.type == "number":
        return Annotated[float, Field(ge=variable.lower, le=variable.upper, allow_inf_nan=False)]
    if variable.is_numeric:
        return Annotated[float, AfterValidator(_one_of(variable.codes)), _enum("number", variable)]
    if variable.type == "choice":
        return Annotated[str, AfterValidator(_one_of(variable.codes)), _enum("string", variable)]
    if variable.type == "date":
        return Annotated[str, AfterValidator(_day_from(_first_day(variable))), _day_schema()]
    return Annotated[str, Field(pattern=IDENTIFIER)]


def _enum(kind: str, variable: Variable) -> WithJsonSchema:
    codes = [int(code) if isinstance(code, float) and code.is_integer() else code for code in variable.codes]
    return WithJsonSchema({"type": kind, "enum": codes})


def _day_schema() -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "format": "date"})


def _one_of(codes: Sequence[float | str]) -> Callable[[Any], Any]:
    allowed = frozenset(codes)

    def one_of(value: Any) -> Any:
        if value not in allowed:
            raise ValueError("none of the choices")
        return value

    return one_of


def _first_day(variable: Variable) -> str:
    return str(variable.lower or EARLIEST_DAY)


def _day_from(first: str) -> Callable[[str], str]:
    def day(value: str) -> str:
        if not dt.date.fromisoformat(first) <= dt.date.fromisoformat(value) <= dt.date.today():
            raise ValueError("before the first day, or in the future")
        return value

    return day


def _description(variable: Variable) -> str:
    expected = f"{_expected(variable)}." if variable.type != "identifier" else f"{IDENTIFIER_WORDS}."
    missing = {"refused": "", "": ""}.get(variable.missing_means, f" Left out: {variable.missing_means}.")
    later = "" if variable.known == "preoperative" else f" Known at {variable.known.replace('_', '-')}."
    return f"{expected}{missing}{later}"


def _expected(variable: Variable) -> str:
    return IDENTIFIER_WORDS if variable.type == "identifier" else variable.expected


def checked(body: Any, at: str = "#", known: Known = "preoperative") -> Checked:
    """What is recorded in a JSON object, with every mistake in it at once.

    Parameters
    ----------
    body : JSON value
    at : str
        Pointer to the object within the body.
    """
    if not isinstance(body, dict):
        what = "One JSON object is expected here, with the variables of the dictionary by name."
        return Checked({}, [Mistake(pointer=at, name=None, rule="not_an_object", detail=what)])
    dictionary = load_dictionary()
    foreign = [name for name in body if name not in dictionary]
    named = [name for name in foreign if NAME_LIKE.fullmatch(name)]
    columns = [*(name for name in body if name in dictionary), *named[:ADVISED]]
    mistakes = [_mistake(problem, at) for problem in wrong_columns(columns, known, required=())]
    later = {mistake.name for mistake in mistakes}
    mistakes += [_unknown(name, at) for name in named[ADVISED:UNKNOWN_LISTED]]
    if len(foreign) > len(named):
        mistakes.append(_nameless(len(foreign) - len(named), at))
    record, wrong = _typed({name: body[name] for name in body if name in dictionary and name not in later}, known)
    mistakes += [_mistake(_value_problem(dictionary[name], body[name]), at) for name in wrong]
    if known == "follow_up":
        contradictions = [one for one in _contradictions(record) if not (wrong and one.rule == NOT_OPERATED)]
        mistakes += [_mistake(problem, at) for problem in contradictions]
    if known in ANSWERED and not mistakes and not record.keys() & asked_of(known):
        what = "Nothing is recorded, so there is nothing to answer. Send at least one variable with a value."
        mistakes.append(Mistake(pointer=at, name=None, rule="nothing_recorded", detail=what))
    return Checked(record, mistakes, max(0, len(named) - UNKNOWN_LISTED))


NOT_OPERATED = "work_up_without_operation"
"""A contradiction that may only seem one where something is recorded and cannot be read."""
ANSWERED: tuple[Known, ...] = ("preoperative", "follow_up")
"""The moments at which a question is asked; what comes after them is attached to its answers."""


def _contradictions(record: Mapping[str, Any]) -> list[Problem]:
    """What cannot be, in values of which each may: days in an impossible order, and what a work-up contradicts."""
    days = load_dictionary()
    wrong = [(earlier, later) for earlier, later in DATE_ORDER if record.get(later, "9") < record.get(earlier, "0")]
    order = [
        Problem(
            ValuesError, "date_order", later, f"lies before the {days[earlier].label.lower()}", "Correct one of them."
        )
        for earlier, later in wrong
    ]
    return [*order, *followup_problems({name: [value] for name, value in record.items()})]


@cache
def asked_of(known: Known) -> frozenset[str]:
    """What an answer at that moment may use; the keys of a record are none."""
    return frozenset(variable.name for variable in load_dictionary().known_by(known) if variable.form != "keys")


def _typed(given: Mapping[str, Any], known: Known) -> tuple[dict[str, Any], list[str]]:
    """What is recorded as the model has it, and the names of what is not."""
    try:
        return case_model(known).model_validate(given).model_dump(exclude_none=True), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = list(dict.fromkeys(str(one["loc"][0]) for one in found))
        return _typed({name: value for name, value in given.items() if name not in wrong}, known)[0], wrong


def _value_problem(variable: Variable, value: Any) -> Problem:
    """What is wrong with a value that the model refused, in the words of the check of a table where it has them."""
    own = _own_words(variable, value)
    if own is None and variable.type not in ("identifier", "date"):
        found = value_problems(pd.DataFrame({variable.name: pd.Series([value], dtype=object)}))
        if found:
            return found[0]
    rule, what = own or ("not_a_number", "is text where a number is meant, without quotation marks")
    return Problem(ValuesError, rule, variable.name, what, f"Expected: {_expected(variable)}.")


def _own_words(variable: Variable, value: Any) -> tuple[str, str] | None:
    """Rule and words for what only JSON can hold; None for what a table can hold too."""
    if isinstance(value, bool):
        hint = "; the codes are numbers, and what was not examined is left out" if variable.choices else ""
        return "is_boolean", f"is true or false, which it cannot be{hint}"
    if isinstance(value, list | dict):
        return "not_one_value", "is a list or an object where one value is meant"
    if isinstance(value, int | float) and not _is_finite(value):
        return "not_finite", "is not a finite number"
    if variable.type == "date":
        return "not_a_day", f"is no day from {_first_day(variable)} to today"
    if variable.type == "identifier":
        return "not_an_identifier", "is longer than an identifier, or holds other signs"
    if isinstance(value, int | float) and not variable.is_numeric:
        return "not_a_choice", "is a number where a word is meant"
    return None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what a float can hold
        return False


def _mistake(problem: Problem, at: str) -> Mistake:
    variable = load_dictionary().by_name.get(problem.column)
    about = f"{variable.label} ({variable.name})" if variable else problem.column
    return Mistake(
        pointer=f"{at}/{problem.column}",
        name=problem.column,
        label=variable.label if variable else None,
        unit=variable.unit or None if variable else None,
        rule=problem.rule,
        detail=f"{about} {problem.what}. {problem.to_do}",
        expected=_expected(variable) if variable and problem.rule != "later_variable" else None,
    )


def _unknown(name: str, at: str) -> Mistake:
    return Mistake(
        pointer=f"{at}/{name}",
        name=name,
        rule="unknown_column",
        detail=f"{name} is not in the dictionary. Leave it out.",
    )


def _nameless(count: int, at: str) -> Mistake:
    has = "fields have names" if count > 1 else "field has a name"
    what = f"{count} {has} that no variable can have. Leave out what the dictionary lacks."
    return Mistake(pointer=at, name=None, rule="unknown_column", detail=what)
