"""The page itself: one HTML text, the same for everybody, made from the form and the two pictures.

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
from models.spine_figure import lesion_place, spine_anatomy
from pipeline.service.page.form import form_sections

HERE = Path(__file__).parent
STATIC = HERE / "static"
"""Scripts, styles and invented examples; to be served under `static/` beside the page."""
CELL_HEIGHT = 34


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
        sections=form_sections(),
        labels=LABELS,
        levels=LEVELS,
        sides=SIDES,
        roots=ROOTS,
        zones=ZONES,
        regions=REGIONS,
        upper_regions=UPPER_REGIONS,
        body=_body_parts(),
        body_lines=body_lines(),
        views=VIEW_LABELS,
        view_places=VIEW_PLACES,
        mirrored_side=MIRRORED_SIDE,
        spine=Markup("".join(spine_anatomy())),  # drawn by our own code, from tables
        cells=_spine_cells(),
        axes=json.dumps({"regions": REGIONS, "upper": UPPER_REGIONS, "sides": SIDES, "levels": LEVELS}),
        places=json.dumps(_lesion_places()),
        examples=examples(),
        is_virtual=is_virtual,
    )


def examples() -> list[dict[str, Any]]:
    """The invented cases that the page offers: name, title, about and record."""
    return json.loads((STATIC / "examples.json").read_text(encoding="utf-8"))["examples"]


def _body_parts() -> list[BodyPart]:
    seen: set[tuple[str, str]] = set()
    parts = []
    for shape in region_shapes():
        place = (shape.region, shape.side)
        parts.append(BodyPart(*shape, f"{LABELS[shape.region]}, {shape.side}", place not in seen))
        seen.add(place)
    return parts


def _spine_cells() -> list[SpineCell]:
    """Seven places of each level side by side: a place ends half way to the next."""
    cells = []
    for level in LEVELS:
        places = sorted(
            (lesion_place(level, zone, side)[0], zone, side)
            for zone in ZONES
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
