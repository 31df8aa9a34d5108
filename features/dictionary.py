"""The dictionary: every variable of the record, declared once in `knowledge/variables.csv`.

Everything that has to know a variable derives from here: the check of a table, the signature of a
served model, the reference page, and later the screening form and the exports.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import pandas as pd

from features.axes import LEVELS, REGIONS, ROOTS, SIDES, UPPER_REGIONS, ZONES
from features.errors import KnowledgeError
from features.knowledge_tables import knowledge_table, refuse_duplicates

Known = Literal["preoperative", "operative", "follow_up", "adjudication"]
KNOWN_ORDER: tuple[Known, ...] = ("preoperative", "operative", "follow_up", "adjudication")
NUMERIC_TYPES = ("number", "grade", "yes_no")
TEXT_TYPES = ("identifier", "choice", "date")
COORDINATES = {
    "level": LEVELS,
    "side": SIDES,
    "root": ROOTS,
    "region": REGIONS + UPPER_REGIONS,
    "zone": ZONES,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """One variable of the record.

    `type` is `number`, `grade` (an ordered code), `yes_no` (0, 1 or empty; never a boolean), `choice`
    (a word), `identifier` or `date` (ISO 8601). `item` is what is measured, and with the coordinates
    gives its place in a grid. `direction` is +1 where more of it certainly raises the risk of failure,
    -1 where it certainly lowers it, and 0 where that is not certain.
    """

    name: str
    label: str
    form: str
    item: str
    type: str
    unit: str
    lower: float | str | None
    upper: float | None
    choices: tuple[tuple[float | str, str], ...]
    known: Known
    identifies: bool
    essential: bool
    missing_means: str
    coordinates: tuple[tuple[str, str], ...]
    direction: int
    source: str

    @property
    def is_numeric(self) -> bool:
        return self.type in NUMERIC_TYPES

    @property
    def codes(self) -> tuple[float | str, ...]:
        return tuple(code for code, _ in self.choices)

    @property
    def expected(self) -> str:
        """What a value may be, in words: a range with its unit, the choices, or a date."""
        if self.choices:
            return ", ".join(f"{_number(code)} ({label})" for code, label in self.choices)
        if self.type == "number":
            return f"{_number(self.lower)} to {_number(self.upper)} {self.unit}".strip()
        return {"date": "a date as YYYY-MM-DD", "identifier": "text"}[self.type]


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


class Dictionary:
    """All variables, in the order of the record."""

    def __init__(self, variables: Iterable[Variable]) -> None:
        self.variables = tuple(variables)
        self.by_name = {variable.name: variable for variable in self.variables}

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __getitem__(self, name: str) -> Variable:
        return self.by_name[name]

    def known_by(self, moment: Known) -> list[Variable]:
        """Variables known at that moment: `preoperative` is all that a prediction may see."""
        seen = KNOWN_ORDER[: KNOWN_ORDER.index(moment) + 1]
        return [variable for variable in self.variables if variable.known in seen]

    @property
    def predictors(self) -> list[Variable]:
        """What a prediction may use: known before the operation, and not a key of the record."""
        return [variable for variable in self.known_by("preoperative") if variable.form != "keys"]

    @property
    def essential(self) -> list[Variable]:
        return [variable for variable in self.variables if variable.essential]

    def closest(self, name: str) -> str | None:
        """The declared name most like a misspelt one, if any is like it."""
        return next(iter(difflib.get_close_matches(name, self.by_name, n=1, cutoff=0.75)), None)


@cache
def load_dictionary() -> Dictionary:
    """The dictionary of this version, checked.

    Raises
    ------
    KnowledgeError
        For a variable declared twice, an unknown type, choice set or coordinate, an empty range, or a
        grid place taken twice.
    """
    table = knowledge_table("variables")
    choices = knowledge_table("choices")
    refuse_duplicates(table, "variables", ["name"])
    refuse_duplicates(choices, "choices", ["choices", "code"])
    refuse_duplicates(table, "variables", ["item", *COORDINATES])
    choice_sets = {
        name: tuple(zip(_codes(rows["code"]), rows["label"], strict=True))
        for name, rows in choices.groupby("choices", sort=False)
    }
    return Dictionary(_variable(row, choice_sets) for row in table.to_dict("records"))


def _codes(codes: pd.Series) -> list[float | str]:
    numbers = pd.to_numeric(codes, errors="coerce")
    return [float(number) for number in numbers] if numbers.notna().all() else list(codes)


def _variable(row: dict[str, Any], choice_sets: dict[str, tuple[tuple[float | str, str], ...]]) -> Variable:
    row = {key: None if pd.isna(value) else value for key, value in row.items()}
    name, type_ = row["name"], row["type"]
    if type_ not in NUMERIC_TYPES + TEXT_TYPES:
        raise KnowledgeError(f"variables.csv: {name} has the unknown type {type_}.")
    if row["known"] not in KNOWN_ORDER:
        raise KnowledgeError(f"variables.csv: {name} is known at {row['known']}, not one of {KNOWN_ORDER}.")
    if row["choices"] and row["choices"] not in choice_sets:
        raise KnowledgeError(f"variables.csv: {name} names {row['choices']}, which choices.csv does not declare.")
    if bool(row["choices"]) != (type_ in ("grade", "yes_no", "choice")):
        raise KnowledgeError(f"variables.csv: {name} is a {type_}; choices belong to grade, yes_no and choice.")
    for coordinate, axis in COORDINATES.items():
        if row[coordinate] is not None and row[coordinate] not in axis:
            raise KnowledgeError(f"variables.csv: {name} has the unknown {coordinate} {row[coordinate]}.")
    lower, upper = row["lower"], row["upper"]
    if type_ == "number":
        if lower is None or upper is None:
            raise KnowledgeError(f"variables.csv: {name} is a number without a range.")
        lower, upper = float(lower), float(upper)
        if not lower < upper:
            raise KnowledgeError(f"variables.csv: the range of {name} is empty ({lower:g} to {upper:g}).")
    return Variable(
        name=name,
        label=row["label"],
        form=row["form"],
        item=row["item"],
        type=type_,
        unit=row["unit"] or "",
        lower=lower,
        upper=upper if type_ == "number" else None,
        choices=choice_sets.get(row["choices"] or "", ()),
        known=row["known"],
        identifies=bool(row["identifies"]),
        essential=bool(row["essential"]),
        missing_means=row["missing_means"],
        coordinates=tuple((c, row[c]) for c in COORDINATES if row[c] is not None),
        direction=int(row["direction"] or 0),
        source=row["source"],
    )
