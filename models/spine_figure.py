"""The lumbar spine of the figure, seen from behind: lesions at level, zone and side, and the plan.

Discs and foramina are in their order and on their sides, not to scale. Coordinates are those of the figure.
"""

from __future__ import annotations

import numpy as np

from features.axes import LABELS, LEVELS, SIDES
from features.words import percent
from models.body_picture import BodyPicture, DrawnLesion, expected_step
from models.svg import BOUNDARY, INK, PAPER, SHARE_FILLS, TEXT, group, tag, text, tooltip

BONE = "#f3f1ec"
DISC = "#dcd8cf"
NERVE = "#cfd3d8"

SPINE_LEFT = 484
SPINE_AXIS = SPINE_LEFT + 154
LEVEL_PITCH = 50
FIRST_DISC = 122
BRACKET_REACH = 84
ROD_REACH = 98


def spine(picture: BodyPicture) -> list[str]:
    """The elements of the spine, from its heading to the notes on what is not there."""
    return [
        text(SPINE_LEFT, 50, "Lumbar spine, from behind", size=17, weight="bold"),
        text(SPINE_AXIS - 84, 76, "left", anchor="middle"),
        text(SPINE_AXIS + 84, 76, "right", anchor="middle"),
        *spine_anatomy(),
        *(mark for level in LEVELS for mark in _plan_marks(picture, level)),
        *(_lesion(lesion) for lesion in sorted(picture.lesions, key=_drawn_last)),
        *_best_labels(picture.lesions),
        *_spine_notes(picture),
    ]


def spine_anatomy() -> list[str]:
    """Roots, vertebrae, discs with their names, and the sacrum: what every figure of the spine stands on."""
    return [*_nerves(), *_bones()]


def lesion_place(level: str, zone: str, side: str | None) -> tuple[float, float]:
    """Where the middle of a lesion is drawn, right and down, in the units of the figure.

    The axial zones, the disc and the facet joints, have no single place.

    >>> lesion_place("l4_l5", "paracentral", "left")
    (621.0, 272.0)
    """
    x, dy = _zone_place(level, zone, side)
    return SPINE_AXIS + x, _disc_y(level) + dy


def _drawn_last(lesion: DrawnLesion) -> tuple[bool, bool]:
    return lesion.zone != "disc", lesion.is_best


def _disc_y(level: str) -> float:
    return FIRST_DISC + LEVEL_PITCH * LEVELS.index(level)


def _half_width(level: str) -> float:
    """Of the disc: the spine widens downwards."""
    return 41 + 2 * LEVELS.index(level)


def _bones() -> list[str]:
    """Five vertebrae, the discs below them with their names, and the sacrum."""
    levels = [
        part
        for level in LEVELS
        for part in (
            _vertebra(level),
            _disc(level, DISC, BOUNDARY),
            text(SPINE_LEFT, _disc_y(level) + 6, LABELS[level], size=15),
        )
    ]
    return [*levels, _sacrum()]


def _vertebra(level: str) -> str:
    """The vertebra above a disc, with its pedicles."""
    y, half = _disc_y(level) - LEVEL_PITCH / 2, _half_width(level)
    waist, edge = half - 7, LEVEL_PITCH / 2 - 7.5
    body = (
        f"M{-half} {-edge}Q0 {-edge + 3} {half} {-edge}C{half + 2} {-edge + 6} {waist} -6 {waist} 0"
        f"C{waist} 6 {half + 2} {edge - 6} {half} {edge}Q0 {edge - 3} {-half} {edge}"
        f"C{-half - 2} {edge - 6} {-waist} 6 {-waist} 0C{-waist} -6 {-half - 2} {-edge + 6} {-half} {-edge}Z"
    )
    pedicles = [tag("ellipse", cx=x, cy=-4, rx=5, ry=7, fill="none", stroke=BOUNDARY) for x in (15 - half, half - 15)]
    return group([_bone(body), *pedicles], transform=f"translate({SPINE_AXIS} {y})")


def _sacrum() -> str:
    half, top = _half_width(LEVELS[-1]), _disc_y(LEVELS[-1]) + 7.5
    body = (
        f"M{-half} 0Q0 3 {half} 0C{half + 12} 3 {half + 15} 14 {half + 8} 22C{half - 6} 36 22 40 18 46H-18"
        f"C-22 40 {6 - half} 36 {-half - 8} 22C{-half - 15} 14 {-half - 12} 3 {-half} 0Z"
    )
    holes = [tag("ellipse", cx=x, cy=22, rx=4, ry=5, fill=PAPER, stroke=BOUNDARY) for x in (-20, 20)]
    return group([_bone(body), *holes], transform=f"translate({SPINE_AXIS} {top})")


def _bone(path: str) -> str:
    return tag("path", d=path, fill=BONE, fill_opacity=0.8, stroke=BOUNDARY, stroke_width=1.2)


def _disc(level: str, fill: str, stroke: str, grown: float = 0, width: float = 1) -> str:
    half, height = _half_width(level) + grown, 10 + 2 * grown
    return tag(
        "rect",
        x=SPINE_AXIS - half,
        y=_disc_y(level) - height / 2,
        width=2 * half,
        height=height,
        rx=height / 2,
        fill=fill,
        stroke=stroke,
        stroke_width=width,
    )


def _nerves() -> list[str]:
    """The sac and the roots: each passes its disc beside the midline and leaves through the foramen below."""
    bottom = _disc_y(LEVELS[-1]) + 40
    sac = f"M{-13} {FIRST_DISC - LEVEL_PITCH}L-8 {bottom}H8L13 {FIRST_DISC - LEVEL_PITCH}Z"
    drawn = [tag("path", d=sac, fill=NERVE, transform=f"translate({SPINE_AXIS} 0)")]
    for level in LEVELS:
        half = _half_width(level)
        for side in (-1, 1):
            root = (
                f"M{side * 10} {-LEVEL_PITCH}C{side * 14} {-LEVEL_PITCH + 14} {side * 20} {-LEVEL_PITCH + 26}"
                f" {side * (half - 8)} -14S{side * (half + 14)} 4 {side * (half + 22)} 18"
            )
            place = f"translate({SPINE_AXIS} {_disc_y(level)})"
            drawn.append(tag("path", d=root, fill="none", stroke=NERVE, stroke_width=4, transform=place))
    return drawn


def _lesion(lesion: DrawnLesion) -> str:
    fill = SHARE_FILLS[expected_step(lesion.share)]
    rings = [(6.0, PAPER, 4.0), (6.0, INK, 2.2)] if lesion.is_best else []
    return group(
        [
            tooltip(lesion.label),
            *(
                shape
                for grown, stroke, width in rings
                for shape in _lesion_shapes(lesion, "none", stroke, grown, width)
            ),
            *_lesion_shapes(lesion, fill, PAPER, 1.5, 2),
            *_lesion_shapes(lesion, fill, INK, 0, 1.6),
        ],
        data_level=lesion.level,
        data_zone=lesion.zone,
        data_side=lesion.side or "midline",
    )


def _lesion_shapes(lesion: DrawnLesion, fill: str, stroke: str, grown: float, width: float) -> list[str]:
    """A disc is a band, the facet joints two diamonds, any other lesion a circle whose area is its weight."""
    if lesion.zone == "disc":
        return [_disc(lesion.level, fill, stroke, grown=grown, width=width)]
    size = 4 + 4 * float(np.sqrt(lesion.weight)) + grown
    line = {"fill": fill, "stroke": stroke, "stroke_width": width}
    if lesion.zone == "facet":
        y = _disc_y(lesion.level)
        return [
            tag(
                "path",
                d=f"M{x - size:.1f} {y + 16}L{x} {y + 16 - size:.1f}L{x + size:.1f} {y + 16}L{x} {y + 16 + size:.1f}Z",
                **line,
            )
            for x in (SPINE_AXIS - 34, SPINE_AXIS + 34)
        ]
    x, y = lesion_place(lesion.level, lesion.zone, lesion.side)
    return [tag("circle", cx=x, cy=y, r=f"{size:.1f}", **line)]


def _zone_place(level: str, zone: str, side: str | None) -> tuple[float, float]:
    """Right of the midline and below the disc, in the units of the figure."""
    half = _half_width(level)
    outwards, downwards = {
        "central": (0.0, 0.0),
        "paracentral": (17.0, 0.0),
        "paracentral_up": (17.0, -15.0),
        "paracentral_down": (17.0, 15.0),
        "foraminal": (half - 5.0, -7.0),
        "far_lateral": (half + 15.0, 3.0),
    }[zone]
    return (-outwards if side == "left" else outwards), downwards


def _best_labels(lesions: tuple[DrawnLesion, ...]) -> list[str]:
    labels = []
    for lesion in lesions:
        if lesion.is_best:
            x, y = SPINE_AXIS + 109, _disc_y(lesion.level)
            share = [] if np.isnan(lesion.share) else [f"{percent(lesion.share)} of", "the pain"]
            labels += [text(x, y - 13, "best", weight="bold")]
            labels += [text(x, y + 5 + 18 * row, line) for row, line in enumerate(share)]
    return labels


def _plan_marks(picture: BodyPicture, level: str) -> list[str]:
    place, y = LEVELS.index(level), _disc_y(level)
    brackets = [
        group([_bracket(SPINE_AXIS, y, outwards)], data_plan="decompression", data_level=level, data_side=side)
        for on_side, (side, outwards) in enumerate(zip(SIDES, (-1, 1), strict=True))
        if picture.planned[place, on_side]
    ]
    rods = [_rod(SPINE_AXIS + x, y) for x in (-ROD_REACH, ROD_REACH)]
    return [*brackets, *([group(rods, data_plan="fusion", data_level=level)] if picture.fused[place] else [])]


def _bracket(x: float, y: float, outwards: int) -> str:
    edge = x + outwards * BRACKET_REACH
    return tag(
        "path", d=f"M{edge - outwards * 8} {y - 18}H{edge}V{y + 18}H{edge - outwards * 8}",
        fill="none", stroke=TEXT, stroke_width=3,
    )  # fmt: skip


def _rod(x: float, y: float) -> str:
    screws = [tag("circle", cx=x, cy=y + dy, r=5, fill=TEXT) for dy in (-20, 20)]
    return group([tag("path", d=f"M{x} {y - 20}V{y + 20}", stroke=TEXT, stroke_width=3.5), *screws])


def _spine_notes(picture: BodyPicture) -> list[str]:
    """Of the scan in the middle, of the plan on the sacrum, where no lesion is drawn."""
    scan = [] if picture.lesions else ["no lesion found" if picture.has_scan else "no scan read"]
    plan = [] if picture.has_plan else ["operation not recorded" if picture.is_done else "no level planned"]
    return [
        text(SPINE_AXIS, y, note, weight="bold", anchor="middle", is_haloed=True)
        for y, notes in ((_disc_y("l2_l3") + 6, scan), (_disc_y("l5_s1") + 44, plan))
        for note in notes
    ]


def spine_legend(top: float, *, is_done: bool = False) -> list[str]:
    """What the marks on the spine mean; brackets and rods are planned, or done."""
    to_be = "" if is_done else "to be "
    circles = [
        tag("circle", cx=SPINE_LEFT + 9 + 22 * step, cy=top - 5, r=8, fill=fill, stroke=INK, stroke_width=1.6)
        for step, fill in enumerate(SHARE_FILLS)
    ]
    return [
        *circles,
        text(SPINE_LEFT + 76, top, "lesion: darker explains more,"),
        text(SPINE_LEFT + 76, top + 19, "larger is the surer source"),
        _bracket(SPINE_LEFT + 9 - BRACKET_REACH, top + 50, 1),
        text(SPINE_LEFT + 20, top + 55, f"{to_be}decompressed"),
        _rod(SPINE_LEFT + 206, top + 50),
        text(SPINE_LEFT + 220, top + 55, f"{to_be}fused"),
    ]
