"""Which column of an export is which field: by name, by label, by the dictionary's own name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from features.dictionary import load_dictionary
from features.errors import ColumnsError, FileFormatError, ValuesError
from features.record import Problem, refuse_problems
from pipeline.redcap.fields import Field, project_fields

RECORD_ID = "case_id"
OWN_COLUMNS = re.compile(
    r"redcap_\w+|\w+_(complete|timestamp)|Event Name|Repeat Instrument|Repeat Instance|Data Access Group"
    r"|Survey Identifier|Survey Timestamp|Complete\?"
)
"""What REDCap adds to the columns of the fields, by name and by label."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of an export holds.

    `kind` is `value` (of the variable `name`), `box` (whether the variable `name` is ticked) or `missing_box` (whether
    a missing-data code, `code`, is ticked in the checkbox field `name`).
    """

    kind: Literal["value", "box", "missing_box"]
    name: str
    code: str = ""


def recognised(
    header: Iterable[str], codes: Mapping[str, str], source: str
) -> tuple[dict[int, Column], tuple[str, ...]]:
    """The columns that are fields, by their place, and the names of those that belong to nobody here.

    Parameters
    ----------
    header : iterable of str
        As exported: names, or labels, which REDCap may repeat for its own columns.
    codes : mapping
        Missing-data codes of the project, with their labels.

    Raises
    ------
    FileFormatError
        If this is an export of another project.
    ColumnsError, ValuesError
        With every column that stands twice or holds all boxes of a field, and every code that is also a value.
    """
    names = [name.strip() for name in header]
    known = _known() | _missing_boxes(codes)
    found = {place: known[name] for place, name in enumerate(names) if name in known}
    _refuse_another_project(names, found, source)
    others = [name for place, name in enumerate(names) if place not in found]
    refuse_problems(source, [*_repeated(found), *_other_boxes(others), *_ambiguous(codes)])
    return found, tuple(name for name in others if not OWN_COLUMNS.fullmatch(name))


@cache
def _known() -> dict[str, Column]:
    known: dict[str, Column] = {}
    for field in project_fields():
        kind: Literal["value", "box"] = "box" if field.kind == "checkbox" else "value"
        for name, label, variable in zip(field.columns, _labels(field), field.variables, strict=True):
            known |= dict.fromkeys((label, variable.name, name), Column(kind, variable.name))
    return known


def _labels(field: Field) -> list[str]:
    """What REDCap writes over the columns of a field when it exports labels."""
    if field.kind != "checkbox":
        return [field.label]
    return [f"{field.label} (choice={label})" for _, label in field.choices]


def _missing_boxes(codes: Mapping[str, str]) -> dict[str, Column]:
    """The boxes that REDCap adds to a checkbox for each missing-data code, in small letters."""
    boxes: dict[str, Column] = {}
    for field in _checkboxes():
        for code, label in codes.items():
            box = Column("missing_box", field.name, code)
            boxes |= {f"{field.name}___{code.lower()}": box, f"{field.label} (choice={label})": box}
    return boxes


@cache
def _checkboxes() -> tuple[Field, ...]:
    return tuple(field for field in project_fields() if field.kind == "checkbox")


def _refuse_another_project(names: list[str], found: Mapping[int, Column], source: str) -> None:
    has_record = any(column.name == RECORD_ID for column in found.values())
    if has_record and len(found) > 1:
        return
    record = "" if has_record else f", and its record id is not {RECORD_ID}"
    raise FileFormatError(
        f"{source} is an export of another REDCap project, or has another separator: of its {len(names)} columns "
        f"{len(found)} are fields of the record{record}. Export the project that was made from "
        f"`backcast redcap dictionary`, or name the --separator."
    )


def _repeated(found: Mapping[int, Column]) -> list[Problem]:
    columns = list(found.values())
    twice = dict.fromkeys(column.name for column in columns if columns.count(column) > 1)
    return [Problem(ColumnsError, "repeated_column", name, "stands more than once", "Keep one.") for name in twice]


def _other_boxes(others: Iterable[str]) -> list[Problem]:
    """Checkboxes that are not a column a box, and fields of ours that were made into checkboxes."""
    problems = []
    boxed = {field.name for field in _checkboxes()}
    for name in dict.fromkeys(name.split("___")[0] for name in others):
        if name in boxed:
            what, to_do = "has all its boxes in one column", "Export a column for each box, with its code."
        elif name in _known() and any(other.startswith(f"{name}___") for other in others):
            what, to_do = "is a checkbox in this project", "One answer is meant: make it radio buttons again."
        else:
            continue
        problems.append(Problem(ColumnsError, "other_boxes", name, what, to_do))
    return problems


def _ambiguous(codes: Mapping[str, str]) -> list[Problem]:
    """Missing-data codes that are also a possible value of a number: nobody could tell which is meant."""
    problems = []
    numbers = [variable for variable in load_dictionary().variables if variable.type == "number"]
    for code in codes:
        value = _number(code)
        clash = next((v for v in numbers if float(v.lower or 0) <= value <= float(v.upper or 0)), None)
        if clash:
            what = f"may be {code}, which the project also uses as a missing-data code"
            problems.append(Problem(ValuesError, "missing_code", clash.name, what, "Give the project another code."))
    return problems


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
