"""The form as the clinic works through it: sections of blocks of fields, every field from the dictionary.

`blocks.csv` says which blocks there are, in which order and how each is laid out; `items.csv` which item of
the dictionary stands in which block, what is recorded for it when a block is normal in one act, and in which
zone of a level it is clicked. What a field is called, its unit, range and choices come from the dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from features.axes import LABELS
from features.dictionary import Variable, load_dictionary
from features.errors import KnowledgeError
from features.knowledge_tables import refuse_duplicates

LAYOUTS = ("fields", "list", "body", "sides", "roots", "levels", "plan")
PICTURES = ("body", "levels", "plan")
HOME_OF_FORM = {
    "patient": "behaviour",
    "scores": "questionnaires",
    "pain drawing": "drawing",
    "examination": "feet",
    "imaging": "about_scan",
    "plan": "procedure",
}
"""The block in which a variable stands that `items.csv` does not place yet."""
SEGMENTS = 4
"""A choice among at most so many stands side by side; more are a list."""
SEGMENT_ROOM = 27
"""Letters that fit side by side into one column of fields; every choice needs room for two beside its own."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One variable as it is asked for."""

    name: str
    label: str
    """The whole label, which names the field to a screen reader."""
    short: str
    """Without the place that its row and column already give."""
    item: str
    unit: str
    lower: float | None
    upper: float | None
    options: tuple[tuple[str, str], ...]
    missing: str
    """The word for a field that is left empty."""
    is_essential: bool
    normal: str
    """The code that is recorded when its block is normal in one act; empty where it takes no part."""
    unremarkable: tuple[str, ...]
    """Codes that are no finding."""
    zone: str
    level: str
    side: str
    root: str
    region: str

    @property
    def control(self) -> str:
        """`number`, `segments` or `list`."""
        if not self.options:
            return "number"
        letters = sum(len(label) + 2 for _, label in self.options)
        return "segments" if len(self.options) <= SEGMENTS and letters <= SEGMENT_ROOM else "list"

    @property
    def range(self) -> str:
        """As in "16 to 105"."""
        return f"{_number(self.lower)} to {_number(self.upper)}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An item with its fields, in the order of the dictionary."""

    item: str
    short: str
    fields: tuple[Field, ...]

    def at(self, **place: str) -> Field | None:
        """The field at a place, such as side="left"; None where there is none."""
        found = (field for field in self.fields if all(getattr(field, axis) == at for axis, at in place.items()))
        return next(found, None)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Fields that are recorded together."""

    name: str
    title: str
    about: str
    layout: str
    all_normal: str
    rows: tuple[Row, ...]
    is_open: bool

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(field for row in self.rows for field in row.fields)

    @property
    def missing(self) -> str:
        """What a block that nobody filled in is called."""
        return self.fields[0].missing

    def row(self, item: str) -> Row | None:
        return next((row for row in self.rows if row.item == item), None)


@dataclass(frozen=True, kw_only=True)
class Section:
    name: str
    title: str
    blocks: tuple[Block, ...]


@cache
def form_sections() -> tuple[Section, ...]:
    """The whole form: every preoperative variable but the keys, exactly once.

    Raises
    ------
    KnowledgeError
        If a table places an item twice, names an item or a block that there is not, has an unknown layout,
        or records as normal what is none of the choices; all at once.
    """
    blocks, items = _table("blocks"), _table("items")
    refuse_duplicates(blocks, "blocks", ["block"])
    refuse_duplicates(items, "items", ["item"])
    by_item: dict[str, list[Variable]] = {}
    for variable in load_dictionary().predictors:
        by_item.setdefault(variable.item, []).append(variable)
    _refuse_faults(blocks, items, by_item)
    unplaced = [
        {"block": HOME_OF_FORM[variables[0].form], "item": item, "normal": "", "unremarkable": "", "zone": ""}
        for item, variables in by_item.items()
        if item not in set(items["item"])
    ]
    rows: dict[str, list[Row]] = {}
    for place in [*items.to_dict("records"), *unplaced]:
        fields = tuple(_field(variable, place) for variable in by_item[place["item"]])
        rows.setdefault(place["block"], []).append(Row(item=place["item"], short=fields[0].short, fields=fields))
    return tuple(
        Section(name=name, title=group["section_title"].iloc[0], blocks=tuple(_blocks(group, rows)))
        for name, group in blocks.groupby("section", sort=False)
    )


def _table(name: str) -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name(f"{name}.csv"), dtype=str, keep_default_na=False)


def _blocks(table: pd.DataFrame, rows: dict[str, list[Row]]) -> Iterable[Block]:
    """Without those that hold nothing; pictures and essential fields stand open."""
    for block in table.itertuples():
        own = tuple(rows.get(block.block, ()))
        if own:
            yield Block(
                name=block.block,
                title=block.title,
                about=block.about,
                layout=block.layout,
                all_normal=block.all_normal,
                rows=own,
                is_open=block.layout in PICTURES or any(field.is_essential for row in own for field in row.fields),
            )


def _field(variable: Variable, place: dict[str, str]) -> Field:
    at = dict(variable.coordinates)
    return Field(
        name=variable.name,
        label=variable.label,
        short=_without_places(variable),
        item=variable.item,
        unit=variable.unit,
        lower=float(variable.lower) if variable.type == "number" and variable.lower is not None else None,
        upper=variable.upper,
        options=tuple((_number(code), label) for code, label in variable.choices),
        missing=variable.missing_means.split(",")[0],
        is_essential=variable.essential,
        normal=place["normal"],
        unremarkable=tuple(filter(None, place["unremarkable"].split("|"))) or _none_of(variable),
        zone=place["zone"] or at.get("zone", ""),
        level=at.get("level", ""),
        side=at.get("side", ""),
        root=at.get("root", ""),
        region=at.get("region", ""),
    )


def _without_places(variable: Variable) -> str:
    """A label without the level, side, root and zone that the row and the column of its field give.

    >>> _without_places(load_dictionary()["foraminal_stenosis_l4_l5_left"])
    'Foraminal stenosis (Lee)'
    """
    short = variable.label
    for _, place in variable.coordinates:
        for written in (f", {LABELS[place]}", f" of root {LABELS[place]}", f" ({LABELS[place]})", f" {LABELS[place]}"):
            short = short.replace(written, "", 1) if written in short else short
    return short


def _refuse_faults(blocks: pd.DataFrame, items: pd.DataFrame, by_item: dict[str, list[Variable]]) -> None:
    problems = [f"blocks.csv: {b.block} has the unknown layout {b.layout}." for b in blocks.itertuples()
                if b.layout not in LAYOUTS]  # fmt: skip
    for row in items.itertuples():
        if row.block not in set(blocks["block"]):
            problems.append(f"items.csv: {row.item} stands in {row.block}, which blocks.csv does not declare.")
        if row.item not in by_item:
            problems.append(f"items.csv: {row.item} is no item that is known before the operation.")
            continue
        stated = set(filter(None, [row.normal, *row.unremarkable.split("|")]))
        unknown = sorted(stated - {_number(code) for code in by_item[row.item][0].codes})
        if unknown:
            problems.append(f"items.csv: {row.item} takes {', '.join(unknown)} for normal, none of its choices.")
    if problems:
        raise KnowledgeError("The form of the screening page cannot be made:\n" + "\n".join(problems))


def _none_of(variable: Variable) -> tuple[str, ...]:
    """A plain no is no finding."""
    return ("0",) if variable.type == "yes_no" else ()


def _number(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
