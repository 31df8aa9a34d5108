"""Expected pain over reported pain on a body, with the lesions at their levels: one figure, as SVG text.

The body is seen from the front, from behind, and on its soles; left and right are always the patient's.
Reported pain is a solid tint, expected pain a hatching, so that the two can be told apart without colour:
both together are agreement, hatching alone is expected but not felt, tint alone is felt but not explained.
Beside it stands the lumbar spine from behind: lesions at level, zone and side, the plan in brackets.

The paths of the body are in `body_outline.csv`: one half of each view, of which the other is the mirror
image. The text of a figure depends on its picture and title alone, and needs no script and no other file.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd

from features.axes import REGIONS, SIDES, UPPER_REGIONS
from features.errors import KnowledgeError
from features.knowledge_tables import refuse_duplicates
from features.words import percent
from models.body_picture import (
    EXPECTED_STEPS,
    BodyPicture,
    DrawnLesion,
    expected_step,
    figure_description,
    place_label,
    reported_step,
)
from models.spine_figure import SPINE_LEFT, spine, spine_legend
from models.svg import BOUNDARY, INK, OUTLINE, PAPER, TEXT, TINTS, group, tag, text, tooltip

__all__ = ["BodyPicture", "DrawnLesion", "RegionShape", "body_figure", "figure_description", "region_shapes"]

VIEW_LABELS = {"front": "front", "back": "back", "sole": "soles"}
MIRRORED_SIDE = {"front": "right", "back": "left", "sole": "right"}
"""The side of the patient that lies to the left of the viewer: the mirror image of the half that is drawn."""

REPORTED_NAMES = ("1–3", "4–6", "7–8", "9–10")

WIDTH = 820
TITLE_LINE = 26
BODY_TOP = 66
"""Where the crown of the head is, below a title of one line."""
FOOT = 632
FOOT_HEIGHT = 34
VIEW_PLACES = {"front": (118, BODY_TOP), "back": (354, BODY_TOP), "sole": (236, 500)}
LEGEND_TOP = 402
LEGEND_LINE = 19
HATCHING_LINES = 3
"""For as many lines of what the hatching is there is room beside the body."""


class RegionShape(NamedTuple):
    """The outline of a region on one side in one view, its x measured from the midline of the view."""

    view: str
    region: str
    side: str
    path: str


class Line(NamedTuple):
    """A line that belongs to no region: the silhouette (`outline`) or a landmark (`detail`)."""

    view: str
    kind: str
    path: str


@cache
def outline_table() -> pd.DataFrame:
    """The paths of the body: view, kind (`region`, `outline` or `detail`), part, path; drawn for this project."""
    return pd.read_csv(Path(__file__).with_name("body_outline.csv"))


def body_figure(picture: BodyPicture, title: str) -> str:
    """The figure as an `<svg>` element: it scales to the width that it is given, from a phone to a page.

    Parameters
    ----------
    picture : BodyPicture
    title : str
        Stands above the figure and names it to a screen reader. Nothing else in it identifies anybody.

    Returns
    -------
    str
        Well-formed XML without declaration, for a page or a file of its own. Every region is a group with
        `data-view`, `data-region`, `data-side`, and the steps `data-reported` (0-4) and `data-expected` (0-2).
    """
    heading = textwrap.wrap(title, 62) or [""]
    shift = TITLE_LINE * (len(heading) - 1)
    hatching = textwrap.wrap(_hatching_words(picture), 38)
    foot = FOOT + LEGEND_LINE * max(0, len(hatching) - HATCHING_LINES)
    height = foot + FOOT_HEIGHT + shift
    description = figure_description(picture)
    mark = "body-" + hashlib.sha256(f"{title}\n{description}".encode()).hexdigest()[:8]
    content = [
        f"<title id={quoteattr(mark + '-title')}>{escape(title)}</title>",
        f"<desc id={quoteattr(mark + '-desc')}>{escape(description)}</desc>",
        _patterns(mark),
        tag("rect", width=WIDTH, height=height, fill=PAPER),
        *(text(16, 28 + TITLE_LINE * row, line, size=20, weight="bold") for row, line in enumerate(heading)),
        group(
            [
                *_bodies(picture, mark),
                *spine(picture),
                *_legend(picture, hatching, foot, mark),
            ],
            transform=f"translate(0 {shift})",
        ),
    ]
    return group(
        content,
        name="svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_labelledby=f"{mark}-title {mark}-desc",
        font_family="system-ui, sans-serif",
        fill=TEXT,
    )


@cache
def region_shapes() -> tuple[RegionShape, ...]:
    """Every shape of a region: by view and side of the patient, those of one side the mirror of the other's.

    Raises
    ------
    KnowledgeError
        If `body_outline.csv` draws a region that there is not, one twice in a view, or none of a region.
    """
    table = outline_table()
    regions = table[table["kind"] == "region"]
    refuse_duplicates(regions, "body_outline", ["view", "part"])
    drawn, known = set(regions["part"]), set(REGIONS + UPPER_REGIONS)
    if drawn != known:
        raise KnowledgeError(
            f"models/body_outline.csv: draws unknown regions {sorted(drawn - known)}, "
            f"and does not draw {sorted(known - drawn)}."
        )
    return tuple(
        RegionShape(row.view, row.part, side, _on_side(row.path, row.view, side))
        for row in regions.itertuples()
        for side in SIDES
    )


@cache
def body_lines() -> tuple[Line, ...]:
    """The silhouette and the landmarks of each view, both halves."""
    table = outline_table()
    rows = table[table["kind"].isin(["outline", "detail"])]
    return tuple(
        Line(row.view, row.kind, _on_side(row.path, row.view, side)) for row in rows.itertuples() for side in SIDES
    )


def mirrored_path(path: str) -> str:
    """The mirror image over the midline of a path of absolute coordinates.

    >>> mirrored_path("M0.0 1.5C2.0 3.0 -4.5 5.0 6.0 7.0Z")
    'M0.0 1.5C-2.0 3.0 4.5 5.0 -6.0 7.0Z'
    """
    return re.sub(r"(-?[\d.]+) (-?[\d.]+)", lambda pair: f"{0.0 - float(pair[1]):.1f} {pair[2]}", path)


# The body


def _bodies(picture: BodyPicture, mark: str) -> list[str]:
    views = [
        group(
            [
                *(_region(shape, picture, mark) for shape in region_shapes() if shape.view == view),
                *(_body_line(line) for line in body_lines() if line.view == view),
            ],
            transform=f"translate({x} {y})",
        )
        for view, (x, y) in VIEW_PLACES.items()
    ]
    caption = text(16, 50, "Left and right are the patient’s.")
    return [caption, *views, *_view_labels(), *_body_notes(picture)]


def _region(shape: RegionShape, picture: BodyPicture, mark: str) -> str:
    felt = reported_step(picture.reported_at(shape.region, shape.side))
    expected = expected_step(picture.expected_at(shape.region, shape.side))
    fills = [_tint(felt), *([f"url(#{mark}-{expected})"] if expected else [])]
    layers = [tag("path", d=shape.path, fill=fill, stroke=BOUNDARY, stroke_width=0.9) for fill in fills]
    return group(
        [tooltip(place_label(picture, shape.region, shape.side)), *layers],
        data_view=shape.view,
        data_region=shape.region,
        data_side=shape.side,
        data_reported=felt,
        data_expected=expected,
    )


def _body_line(line: Line) -> str:
    stroke, width = (OUTLINE, 1.6) if line.kind == "outline" else (BOUNDARY, 1)
    return tag("path", d=line.path, fill="none", stroke=stroke, stroke_width=width, stroke_linecap="round")


def _view_labels() -> list[str]:
    names = {"front": (-70, 14, 70, 37), "back": (-70, 14, 70, 37), "sole": (0, -32, 27, -11)}
    labels = []
    for view, (name_x, name_y, side_x, side_y) in names.items():
        x, y = VIEW_PLACES[view]
        on_viewers_left = MIRRORED_SIDE[view]
        on_viewers_right = SIDES[1 - SIDES.index(on_viewers_left)]
        labels += [
            text(x + name_x, y + name_y, VIEW_LABELS[view], size=17, weight="bold", anchor="middle"),
            text(x - side_x, y + side_y, on_viewers_left, anchor="middle"),
            text(x + side_x, y + side_y, on_viewers_right, anchor="middle"),
        ]
    return labels


def _body_notes(picture: BodyPicture) -> list[str]:
    """Says over the front and the back when there is no drawing, or none of the upper body."""
    upper = "not recorded" if np.isnan(picture.upper).all() else ""
    note = upper if picture.has_drawing else "no pain drawing"
    return [
        text(VIEW_PLACES[view][0], BODY_TOP + 160, note, weight="bold", anchor="middle", is_haloed=True)
        for view in ("front", "back")
        if note
    ]


def _on_side(path: str, view: str, side: str) -> str:
    return mirrored_path(path) if side == MIRRORED_SIDE[view] else path


def _tint(step: int) -> str:
    return TINTS[step - 1] if step else PAPER


def _patterns(mark: str) -> str:
    strokes = ((8, 1.3), (4, 1.5))
    return group(
        [
            group(
                [tag("path", d=f"M0 -1V{gap + 1}", stroke=INK, stroke_width=2 * width)],
                name="pattern",
                id=f"{mark}-{step}",
                width=gap,
                height=gap,
                patternUnits="userSpaceOnUse",
                patternTransform="rotate(45)",
            )
            for step, (gap, width) in enumerate(strokes, start=1)
        ],
        name="defs",
    )


# The legend


def _legend(picture: BodyPicture, hatching: list[str], foot: float, mark: str) -> list[str]:
    """What is not in the picture is not in the legend either."""
    top = LEGEND_TOP + 156
    heading = [text(SPINE_LEFT, top + LEGEND_LINE * row, line, weight="bold") for row, line in enumerate(hatching)]
    steps = _expected_legend(top + LEGEND_LINE * (len(hatching) - 1) + 10, mark) if picture.has_expected else []
    reading = _reading_legend(foot, mark) if picture.has_drawing and picture.has_expected else []
    return [
        *spine_legend(LEGEND_TOP, is_done=picture.is_done),
        *_reported_legend(LEGEND_TOP + 98),
        *heading,
        *steps,
        *reading,
    ]


def _reported_legend(top: float) -> list[str]:
    keys = [_key(SPINE_LEFT + 84 * place, top + 10, tint) for place, tint in enumerate(TINTS)]
    names = [text(SPINE_LEFT + 36 + 84 * place, top + 25, name) for place, name in enumerate(REPORTED_NAMES)]
    return [text(SPINE_LEFT, top, "Tint: reported pain, points of 10", weight="bold"), *keys, *names]


def _hatching_words(picture: BodyPicture) -> str:
    return f"Hatching: {picture.expected_label}" if picture.has_expected else "No hatching: expected pain is undefined"


def _expected_legend(top: float, mark: str) -> list[str]:
    return [
        drawn
        for place, share in enumerate(EXPECTED_STEPS)
        for drawn in (
            _key(SPINE_LEFT + 168 * place, top, PAPER),
            _key(SPINE_LEFT + 168 * place, top, f"url(#{mark}-{place + 1})"),
            text(SPINE_LEFT + 36 + 168 * place, top + 15, f"from {percent(share)}"),
        )
    ]


def _reading_legend(top: float, mark: str) -> list[str]:
    strong = f"url(#{mark}-{len(EXPECTED_STEPS)})"
    rows = (
        ("felt and expected", (TINTS[2], strong)),
        ("expected, not felt", (PAPER, strong)),
        ("felt, not expected", (TINTS[2],)),
    )
    return [
        drawn
        for place, (name, fills) in enumerate(rows)
        for drawn in (
            *(_key(16 + 204 * place, top, fill) for fill in fills),
            text(52 + 204 * place, top + 15, name),
        )
    ]


def _key(x: float, y: float, fill: str) -> str:
    return tag("rect", x=x, y=y, width=28, height=19, fill=fill, stroke=OUTLINE, stroke_width=1)
