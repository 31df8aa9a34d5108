"""The fields of the REDCap project, each made from the dictionary: name, instrument, section, kind, choices.

Four small tables say what the dictionary does not: `instruments.csv` which forms make an instrument and which
instrument repeats, `abbreviations.csv` how a name is shortened, `branching.csv` when an item is shown, and
`missing_codes.csv` the codes that REDCap offers for what is missing. Sections are the blocks of the screening page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path

import pandas as pd

from features.axes import LABELS
from features.dictionary import Variable, load_dictionary
from features.errors import KnowledgeError
from pipeline.service.page.form import form_sections

NAME_LENGTH = 26
"""Letters beyond which REDCap warns of a field's name."""
RADIO_CHOICES = 6
"""A choice among at most so many stands side by side; more are a drop-down list."""
BOXED = "not planned once any level is planned"
"""What missing means of the variables that are boxes: only of them does an empty box say what it means."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of the project.

    `kind` is `text`, `radio`, `dropdown` or `checkbox`. A checkbox has a variable for each of its boxes, in their
    order; any other field has one. `matrix` names the grid that it is a row of, `shown_if` is REDCap's branching
    logic; either may be empty.
    """

    name: str
    instrument: str
    section: str
    kind: str
    label: str
    choices: tuple[tuple[str, str], ...]
    variables: tuple[Variable, ...]
    matrix: str
    shown_if: str

    @property
    def variable(self) -> Variable:
        return self.variables[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a flat export, one a variable."""
        if self.kind != "checkbox":
            return (self.name,)
        return tuple(f"{self.name}___{code}" for code, _ in self.choices)


@cache
def project_fields() -> tuple[Field, ...]:
    """Every field in the order of the project: instrument by instrument, as the screening page has them.

    Raises
    ------
    KnowledgeError
        With all that is wrong: a form without an instrument, a name too long or given twice, a branching rule of an
        item that there is not.
    """
    instruments = table("instruments")
    forms = list(instruments["form"])
    variables = load_dictionary().variables
    nowhere = sorted({v.form for v in variables} - set(forms))
    if nowhere:
        raise KnowledgeError(
            f"pipeline/redcap/tables/instruments.csv has no instrument for {', '.join(nowhere)}. Add it."
        )
    instrument_of = dict(zip(forms, instruments["instrument"], strict=True))
    places = _places()
    ordered = sorted(variables, key=lambda v: (forms.index(v.form), *places.get(v.item, (len(places), ""))[:1]))
    fields = [
        _field(rows, instrument_of[rows[0].form], places) for rows in _by_field(ordered)
    ]  # sorting is stable, so that within an item the dictionary's order holds
    fields = _in_matrices(fields)
    _refuse_names(fields)
    return tuple(fields)


def table(name: str) -> pd.DataFrame:
    """A table of this package, as text; an empty cell is an empty text."""
    return pd.read_csv(Path(__file__).parent / "tables" / f"{name}.csv", dtype=str, keep_default_na=False)


@cache
def repeating_instrument() -> str:
    """The instrument that a record has once for each work-up."""
    instruments = table("instruments")
    return str(instruments.loc[instruments["repeats"] == "yes", "instrument"].iloc[0])


@cache
def missing_codes() -> dict[str, str]:
    """The codes that REDCap offers for what is missing, with their labels."""
    codes = table("missing_codes")
    return dict(zip(codes["code"], codes["label"], strict=True))


@cache
def _places() -> dict[str, tuple[int, str]]:
    """By item: its place on the screening page, and the title of its block."""
    titles: dict[str, str] = {}
    for tab in ("before", "after"):
        for section in form_sections(tab):
            for block in section.blocks:
                for row in block.rows:
                    titles.setdefault(row.item, block.title)
    return {item: (place, title) for place, (item, title) in enumerate(titles.items())}


def _by_field(variables: Iterable[Variable]) -> Iterable[tuple[Variable, ...]]:
    """The variables that share a field: the boxes of an item, or else each its own."""
    for _, rows in groupby(variables, key=lambda v: v.item if v.missing_means == BOXED else v.name):
        yield tuple(rows)


def _field(rows: tuple[Variable, ...], instrument: str, places: dict[str, tuple[int, str]]) -> Field:
    first = rows[0]
    is_boxes = first.missing_means == BOXED
    _, section = places.get(first.item, (0, first.form.capitalize()))
    choices = tuple((code_text(code), label) for code, label in first.choices)
    return Field(
        name=first.item if is_boxes else field_name(first),
        instrument=instrument,
        section=section,
        kind="checkbox" if is_boxes else _kind(first),
        label=first.label.removesuffix(f" {_place(first)}") if is_boxes else first.label,
        choices=tuple((v.name.removeprefix(f"{v.item}_"), _place(v)) for v in rows) if is_boxes else choices,
        variables=rows,
        matrix="",
        shown_if=_shown_if(first),
    )


def _kind(variable: Variable) -> str:
    if not variable.choices:
        return "text"
    return "radio" if len(variable.choices) <= RADIO_CHOICES else "dropdown"


def _place(variable: Variable) -> str:
    """As in "L4-L5, left"."""
    return ", ".join(LABELS[place] for _, place in variable.coordinates)


def code_text(code: float | str) -> str:
    """A code as REDCap keeps it: 0, not 0.0."""
    return code if isinstance(code, str) else f"{code:g}"


@cache
def field_name(variable: Variable) -> str:
    """The name of a variable in REDCap: its own, or a shorter one for all of its item if any is too long.

    >>> field_name(load_dictionary()["followup_foraminal_stenosis_l4_l5_left"])
    'fu_foram_stenosis_l45_lt'
    >>> field_name(load_dictionary()["slr_left"])
    'slr_left'
    """
    if variable.item not in _long_items():
        return variable.name
    name = variable.name
    for written, short in _abbreviations():
        name = re.sub(rf"(?<![a-z0-9]){written}(?![a-z0-9])", short, name)
    return name


@cache
def _long_items() -> frozenset[str]:
    return frozenset(v.item for v in load_dictionary().variables if len(v.name) > NAME_LENGTH)


@cache
def _abbreviations() -> tuple[tuple[str, str], ...]:
    """Longest first, so that what is written in several words goes before its words."""
    pairs = table("abbreviations").itertuples(index=False, name=None)
    return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair)))


def _shown_if(variable: Variable) -> str:
    """The rule of its item, at its place and with REDCap's names; empty where it is always shown."""
    rule = _rules().get(variable.item, "").format(**dict(variable.coordinates))
    return re.sub(r"\[(\w+)\]", lambda name: f"[{field_name(load_dictionary()[name[1]])}]", rule)


@cache
def _rules() -> dict[str, str]:
    rules = table("branching")
    unknown = sorted(set(rules["item"]) - {v.item for v in load_dictionary().variables})
    if unknown:
        raise KnowledgeError(f"pipeline/redcap/tables/branching.csv names {', '.join(unknown)}, which is no item.")
    return dict(zip(rules["item"], rules["shown_if"], strict=True))


def _in_matrices(fields: Iterable[Field]) -> list[Field]:
    """Fields of one section that follow one another with the same choices become the rows of a grid."""
    gridded: list[Field] = []
    alike = groupby(fields, key=lambda f: (f.instrument, f.section, f.choices if f.kind == "radio" else f.name))
    for _, group in alike:
        rows = list(group)
        matrix = f"grid_{rows[0].name}" if len(rows) > 1 else ""
        gridded += [replace(field, matrix=matrix) for field in rows]
    return gridded


def _refuse_names(fields: list[Field]) -> None:
    counts = Counter(field.name for field in fields)
    problems = [f"{name} stands for {n} fields" for name, n in counts.items() if n > 1]
    problems += [f"{name} has more than {NAME_LENGTH} letters" for name in counts if len(name) > NAME_LENGTH]
    if problems:
        raise KnowledgeError(
            f"pipeline/redcap/tables/abbreviations.csv does not shorten every name into one of its own: "
            f"{'; '.join(problems)}. Add abbreviations."
        )
