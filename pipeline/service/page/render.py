"""The page itself: one HTML text, the same for everybody, made from the two forms and the pictures.

Nothing of a patient is in it: what is entered stays in the browser until an answer is asked for.
"""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from features.anatomy import AXIAL_ZONES, MIDLINE_ZONES, ROOT_ZONES
from features.axes import LABELS, LEVELS, REGIONS, ROOTS, SIDES, UPPER_REGIONS, ZONES
from models.body_figure import MIRRORED_SIDE, VIEW_LABELS, VIEW_PLACES, body_lines, region_shapes
from models.spine_figure import SPINE_AXIS, lesion_place, spine_anatomy
from pipeline.service.page.form import PREFIXES, Section, Tab, form_sections

HERE = Path(__file__).parent
STATIC = HERE / "static"
"""Scripts, styles and invented examples; to be served under `static/` beside the page."""
CELL_HEIGHT = 34
FOLLOWUP_ZONES = ("central", "paracentral", "foraminal")
"""The zones in which a finding of the follow-up is clicked: it is recorded by side, not by zone."""
SITE_EDGES = (-104, -22, 22, 104)
"""From the axis of the spine: where the left half of a level begins and ends, its middle, and its right half."""


class Question(NamedTuple):
    """A tab of the page: the form, and the words around it."""

    tab: Tab
    view: str
    main: str
    noun: str
    title: str
    heading: str
    lead: str
    ask: str
    sections: tuple[Section, ...]
    examples: list[dict[str, Any]]

    @property
    def prefix(self) -> str:
        return PREFIXES[self.tab]


class Layer(NamedTuple):
    """One account of where it was operated: by item of the dictionary, and whose account may be copied."""

    name: str
    title: str
    about: str
    asks: str
    missing: str
    sided: str
    fused: str
    copies: str
    copy_words: str


LAYERS = (
    Layer("intended", "Intended", "the plan", "What the operation was meant to reach.", "not planned",
          "planned_decompression", "planned_fusion", "", ""),
    Layer("noted", "Noted", "the operation note", "What the operation note says.", "not recorded",
          "operated_decompression", "operated_fusion", "intended", "As intended"),
    Layer("seen", "Seen", "film or CT", "Bone removed or an implant seen, counted on film or CT.", "not read",
          "followup_operated_site", "", "noted", "As noted"),
)  # fmt: skip


class Shape(NamedTuple):
    """A course of the pain to pick: in words, and as a small line."""

    words: str
    path: str


SHAPES = {
    "never_better": Shape("Never better", "M4 8h8l3 3h37"),
    "sudden": Shape("Relief, then back within days", "M4 7h6l5 17h19l3-17h15"),
    "gradual": Shape("Relief, then slowly back", "M4 7h6l5 17h11c9 0 15-13 26-16"),
}
"""By code of `return_tempo`."""


class BodyPart(NamedTuple):
    """A shape to click; a region that two views show is one control, the first of its shapes."""

    view: str
    region: str
    side: str
    path: str
    label: str
    is_control: bool


class SpineCell(NamedTuple):
    """A place of a level to click."""

    level: str
    zone: str
    side: str
    label: str
    left: float
    top: float
    width: float
    height: float


@cache
def screening_page(is_virtual: bool = False) -> str:
    """The page as HTML, to be served at the root, with `STATIC` under `static/` and the service's addresses beside it.

    It sends the record as JSON to `screen`, and needs no other host, no inline script and no inline style.

    Parameters
    ----------
    is_virtual : bool
        Whether a model that is served learned from the virtual registry: the page says so from the start,
        and not only with an answer.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        forms=_questions(),
        labels=LABELS,
        levels=LEVELS,
        sides=SIDES,
        roots=ROOTS,
        zones=ZONES,
        regions=REGIONS,
        upper_regions=UPPER_REGIONS,
        layers=LAYERS,
        shapes=SHAPES,
        body=_body_parts(),
        body_lines=body_lines(),
        views=VIEW_LABELS,
        view_places=VIEW_PLACES,
        mirrored_side=MIRRORED_SIDE,
        spine=Markup("".join(spine_anatomy())),  # drawn by our own code, from tables
        cells=_spine_cells(ZONES),
        followup_cells=_spine_cells(FOLLOWUP_ZONES),
        sites=_sites(),
        axes=json.dumps({"regions": REGIONS, "upper": UPPER_REGIONS, "sides": SIDES, "levels": LEVELS}),
        places=json.dumps(_lesion_places()),
        is_virtual=is_virtual,
    )


def _questions() -> list[Question]:
    return [
        Question(
            "before", "case-view", "case", "case", "Before an operation", "The case",
            "What is known on the day of the decision.", "Ask for the risk",
            form_sections("before"), examples(),
        ),
        Question(
            "after", "workup-view", "workup", "work-up", "After an operation that failed", "The work-up",
            "What is known now, after an operation that did not bring relief that lasted.", "Ask for the causes",
            form_sections("after"), workup_examples(),
        ),
    ]  # fmt: skip


def examples() -> list[dict[str, Any]]:
    """The invented cases before an operation that the page offers: name, title, about and record."""
    return _invented("examples")


def workup_examples() -> list[dict[str, Any]]:
    """The invented work-ups that the page offers: name, title, about and record."""
    return _invented("workups")


def _invented(name: str) -> list[dict[str, Any]]:
    return json.loads((STATIC / f"{name}.json").read_text(encoding="utf-8"))["examples"]


def _body_parts() -> list[BodyPart]:
    seen: set[tuple[str, str]] = set()
    parts = []
    for shape in region_shapes():
        place = (shape.region, shape.side)
        parts.append(BodyPart(*shape, f"{LABELS[shape.region]}, {shape.side}", place not in seen))
        seen.add(place)
    return parts


def _sites() -> list[SpineCell]:
    """Three places of each level where an operation can have been: its left, its middle, its right."""
    return [
        SpineCell(
            level,
            "",
            side,
            f"{LABELS[level]}, {side or 'fused'}",
            SPINE_AXIS + left,
            lesion_place(level, "central", None)[1] - CELL_HEIGHT / 2,
            right - left,
            CELL_HEIGHT,
        )
        for level in LEVELS
        for side, (left, right) in zip((SIDES[0], "", SIDES[1]), itertools.pairwise(SITE_EDGES), strict=True)
    ]


def _spine_cells(zones: tuple[str, ...]) -> list[SpineCell]:
    """The places of these zones at each level side by side: a place ends half way to the next."""
    cells = []
    for level in LEVELS:
        places = sorted(
            (lesion_place(level, zone, side)[0], zone, side)
            for zone in zones
            for side in ([""] if zone in MIDLINE_ZONES else SIDES)
        )
        middle = [x for x, _, _ in places]
        between = [(a + b) / 2 for a, b in itertools.pairwise(middle)]
        reach = middle[-1] - between[-1]
        edges = [middle[0] - reach, *between, middle[-1] + reach]
        y = lesion_place(level, "central", None)[1]
        cells += [
            SpineCell(
                level,
                zone,
                side,
                " ".join(filter(None, [LABELS[level], LABELS[zone], side])),
                edges[at],
                y - CELL_HEIGHT / 2,
                edges[at + 1] - edges[at],
                CELL_HEIGHT,
            )
            for at, (_, zone, side) in enumerate(places)
        ]
    return cells


def _lesion_places() -> dict[str, tuple[float, float]]:
    """Where a lesion is marked, by level, zone and side joined by spaces; axial zones at the middle of the disc."""
    places = {}
    for level in LEVELS:
        for zone in ROOT_ZONES:
            for side in [""] if zone in MIDLINE_ZONES else SIDES:
                places[f"{level} {zone} {side}".strip()] = lesion_place(level, zone, side)
        for zone in AXIAL_ZONES:
            places[f"{level} {zone}"] = lesion_place(level, "central", None)
    return places
