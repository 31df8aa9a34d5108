"""The forms as the clinic works through them: sections of blocks of fields, every field from the dictionary.

There are two: `before` a planned operation, and `after` one that failed. `blocks.csv` says which blocks each has,
in which order and how each is laid out; `items.csv` which item of the dictionary stands in which block, what is
recorded for it when a block is normal in one act, in which zone of a level it is clicked, which examination shows
it, and what it says was done. What a field is called, its unit, range and choices come from the dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pandas as pd

from features.axes import LABELS
from features.dictionary import Variable, load_dictionary
from features.errors import KnowledgeError
from features.knowledge_tables import refuse_duplicates

Tab = Literal["before", "after"]
PREFIXES: dict[Tab, str] = {"before": "", "after": "w-"}
"""What the ids of a form begin with: some variables stand in both."""
LAYOUTS = ("fields", "list", "body", "sides", "roots", "levels", "plan", "layers", "course")
PICTURES = ("body", "levels", "plan", "layers", "course")
NOTHING_IN = {"body": "no drawing", "plan": "nothing planned", "layers": "nothing marked"}
"""What a picture is called in which nothing is recorded."""
HOME_OF_FORM = {
    "before": {
        "patient": "behaviour",
        "scores": "questionnaires",
        "pain drawing": "drawing",
        "examination": "feet",
        "imaging": "about_scan",
        "plan": "procedure",
    },
    "after": {
        "operation": "during",
        "outcome": "year_after",
        "follow-up work-up": "behaviour_now",
        "follow-up drawing": "drawing_now",
        "follow-up examination": "back_now",
        "follow-up imaging": "done",
    },
}
"""The block in which a variable stands that `items.csv` does not place yet."""
LEFT_OUT = ("death_date", "last_contact_date")
"""Of a registry, and of nobody who sits in the clinic."""
OF_NOBODY_HERE = ("not operated", "lost to follow-up", "no work-up")
"""What missing means in a registry; of whom sits in the clinic it is not recorded."""
MOMENT_WORDS = ("At the work-up: ", "At follow-up: ", " at the work-up", " at 12 months")
"""What a label of the second form need not say again."""
SEGMENTS = 4
"""A choice among at most so many stands side by side; more are a list."""
SEGMENT_ROOM = 27
"""Letters that fit side by side into one column of fields; every choice needs room for two beside its own."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One variable as it is asked for."""

    name: str
    key: str
    """The name by which its ids end; unlike the name it is the only one on the page."""
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
    modality: str
    """The examination that shows it, where a level has several."""
    implies: str
    """The name of what was done if this is recorded."""
    level: str
    side: str
    root: str
    region: str
    is_date: bool

    @property
    def control(self) -> str:
        """`date`, `number`, `segments` or `list`."""
        if not self.options:
            return "date" if self.is_date else "number"
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
        return NOTHING_IN.get(self.layout, self.fields[0].missing)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The examinations whose findings stand together at each level, in their order."""
        return tuple(dict.fromkeys(field.modality for field in self.fields))

    def row(self, item: str) -> Row | None:
        return next((row for row in self.rows if row.item == item), None)


@dataclass(frozen=True, kw_only=True)
class Section:
    name: str
    title: str
    blocks: tuple[Block, ...]


@cache
def form_sections(tab: Tab = "before") -> tuple[Section, ...]:
    """One whole form.

    Parameters
    ----------
    tab : "before" or "after"
        Before: every preoperative variable but the keys, exactly once. After: every variable of the operation and
        of the follow-up exactly once, and of those before it what `items.csv` places there too.

    Raises
    ------
    KnowledgeError
        If a table places an item twice, names an item or a block that there is not, has an unknown layout,
        or records as normal what is none of the choices; all at once.
    """
    blocks, items = _table("blocks"), _table("items")
    refuse_duplicates(blocks, "blocks", ["block"])
    refuse_duplicates(items, "items", ["tab", "item"])
    _refuse_faults(blocks, items)
    by_item = _asked(tab)
    rows: dict[str, list[Row]] = {}
    for place in _places(items[items["tab"] == tab], by_item, tab):
        fields = tuple(_field(variable, place, tab) for variable in by_item[place["item"]])
        rows.setdefault(place["block"], []).append(Row(item=place["item"], short=fields[0].short, fields=fields))
    return tuple(
        Section(name=name, title=group["section_title"].iloc[0], blocks=tuple(_blocks(group, rows)))
        for name, group in blocks[blocks["tab"] == tab].groupby("section", sort=False)
    )


def _asked(tab: Tab) -> dict[str, list[Variable]]:
    """By item, the variables that a form may ask for; the second form may ask again for what the first has."""
    dictionary = load_dictionary()
    by_item: dict[str, list[Variable]] = {}
    for variable in dictionary.predictors if tab == "before" else dictionary.known_by("follow_up"):
        if variable.form != "keys" and variable.name not in LEFT_OUT:
            by_item.setdefault(variable.item, []).append(variable)
    return by_item


def _places(items: pd.DataFrame, by_item: dict[str, list[Variable]], tab: Tab) -> list[dict[str, str]]:
    """Where each item stands: as the table says, or with what else is on its form."""
    placed = items.to_dict("records")
    homes = HOME_OF_FORM[tab]
    nowhere = dict.fromkeys(items.columns, "")
    return placed + [
        nowhere | {"item": item, "block": homes[variables[0].form]}
        for item, variables in by_item.items()
        if item not in set(items["item"]) and variables[0].form in homes
    ]


def _table(name: str) -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name(f"{name}.csv"), dtype=str, keep_default_na=False)


def _blocks(table: pd.DataFrame, rows: dict[str, list[Row]]) -> Iterable[Block]:
    """Without those that hold nothing."""
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
                is_open=_is_open(block.layout, block.open, own),
            )


def _is_open(layout: str, is_said: str, rows: tuple[Row, ...]) -> bool:
    """Pictures and essential fields stand open, and what the table says."""
    return bool(is_said) or layout in PICTURES or any(field.is_essential for row in rows for field in row.fields)


def _field(variable: Variable, place: dict[str, str], tab: Tab) -> Field:
    at = dict(variable.coordinates)
    return Field(
        name=variable.name,
        key=PREFIXES[tab] + variable.name,
        label=variable.label,
        short=_without_places(variable),
        item=variable.item,
        unit=variable.unit.replace("m2", "m²"),
        lower=float(variable.lower) if variable.type == "number" and variable.lower is not None else None,
        upper=variable.upper,
        options=tuple((_number(code), label) for code, label in variable.choices),
        missing=_missing_word(variable),
        is_essential=variable.essential,
        normal=place["normal"],
        unremarkable=tuple(filter(None, place["unremarkable"].split("|"))) or _none_of(variable),
        zone=place["zone"] or at.get("zone", ""),
        modality=place["modality"],
        implies=place["implies"],
        level=at.get("level", ""),
        side=at.get("side", ""),
        root=at.get("root", ""),
        region=at.get("region", ""),
        is_date=variable.type == "date",
    )


def _missing_word(variable: Variable) -> str:
    word = re.split("[,;]", variable.missing_means)[0]
    return "not recorded" if word in OF_NOBODY_HERE else word


def _without_places(variable: Variable) -> str:
    """A label without the level, side, root and zone that the row and the column of its field give, nor the moment.

    >>> _without_places(load_dictionary()["foraminal_stenosis_l4_l5_left"])
    'Foraminal stenosis (Lee)'
    >>> _without_places(load_dictionary()["followup_foraminal_stenosis_l4_l5_left"])
    'Foraminal stenosis (Lee)'
    """
    short = variable.label
    for moment in MOMENT_WORDS:
        short = short.replace(moment, "", 1)
    for _, place in variable.coordinates:
        label = LABELS[place]
        ways = (f", {label}", f" of root {label}", f" ({label})", f" {label}")
        written = next((way for way in ways if way in short), "")
        short = short.replace(written, "", 1)
    return short[:1].upper() + short[1:]


def _refuse_faults(blocks: pd.DataFrame, items: pd.DataFrame) -> None:
    problems = [f"blocks.csv: {b.block} has the unknown layout {b.layout}." for b in blocks.itertuples()
                if b.layout not in LAYOUTS]  # fmt: skip
    tabs = dict(zip(blocks["block"], blocks["tab"], strict=True))
    known = {tab: _asked(tab) for tab in PREFIXES}
    problems += [f"{name}.csv: {tab} is no form." for name, table in (("blocks", blocks), ("items", items))
                 for tab in sorted(set(table["tab"]) - set(known))]  # fmt: skip
    for row in items[items["tab"].isin(list(known))].itertuples():
        if tabs.get(row.block) != row.tab:
            problems.append(f"items.csv: {row.item} stands in {row.block}, which blocks.csv does not declare there.")
        if row.item not in known[row.tab]:
            problems.append(f"items.csv: {row.item} is no item that the form {row.tab} may ask for.")
            continue
        if row.implies and row.implies not in load_dictionary():
            problems.append(f"items.csv: {row.item} implies {row.implies}, which is not in the dictionary.")
        stated = set(filter(None, [row.normal, *row.unremarkable.split("|")]))
        unknown = sorted(stated - {_number(code) for code in known[row.tab][row.item][0].codes})
        if unknown:
            problems.append(f"items.csv: {row.item} takes {', '.join(unknown)} for normal, none of its choices.")
    if problems:
        raise KnowledgeError("The forms of the page cannot be made:\n" + "\n".join(problems))


def _none_of(variable: Variable) -> tuple[str, ...]:
    """A plain no is no finding."""
    return ("0",) if variable.type == "yes_no" else ()


def _number(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
