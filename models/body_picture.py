"""What a figure of one case shows: pain reported and expected, lesions, plan; checked, stepped, and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from features.anatomy import AXIAL_ZONES, MIDLINE_ZONES, ROOT_ZONES, Site
from features.axes import LABELS, LEVELS, REGIONS, SIDES, UPPER_REGIONS
from features.errors import ValuesError
from features.findings import Floats
from features.words import percent

REPORTED_STEPS = (3.0, 6.0, 8.0, 10.0)
"""Upper ends of the steps of reported pain, points of 10; 0 is blank."""
EXPECTED_STEPS = (0.2, 0.5)
"""Lower ends of the steps of expected pain, and of the share that a lesion explains: some, strong."""


@dataclass(frozen=True)
class DrawnLesion:
    """A lesion at its place in the lumbar spine."""

    level: str
    zone: str
    """One of `anatomy.ROOT_ZONES` and `AXIAL_ZONES`."""
    side: str | None
    """None in the midline, as for `Site`."""
    weight: float
    """How reliable a source it is, in [0, 1]."""
    share: float
    """Pain that it explains alone, in [0, 1]; NaN is undefined."""
    is_best: bool = False

    @property
    def label(self) -> str:
        """As `Site.label`, with what it explains."""
        best = ", the best" if self.is_best else ""
        explains = "" if np.isnan(self.share) else f", explains {percent(self.share)} of the pain"
        return Site(self.level, self.zone, self.side).label + best + explains


@dataclass(frozen=True)
class BodyPicture:
    """What one figure shows of one case.

    Raises
    ------
    ValuesError
        All at once: an array of another shape, a value out of its range, a lesion in a place there is not.
    """

    reported: Floats
    """(n_regions, n_sides) points 0-10; NaN everywhere where there is no pain drawing, and nowhere else."""
    upper: Floats
    """(n_upper_regions, n_sides) points 0-10; NaN is not recorded."""
    expected: Floats
    """(n_regions, n_sides) in [0, 1]: pain expected from the lesions; NaN everywhere where it is undefined."""
    lesions: tuple[DrawnLesion, ...]
    """Without any, the scan is one without a lesion, or, where `expected` is undefined too, was not read."""
    planned: np.ndarray
    """(n_levels, n_sides) bool: to be decompressed."""
    fused: np.ndarray
    """(n_levels,) bool: to be fused."""
    expected_label: str
    """What the hatching is, such as "expected from the best lesion"."""
    is_done: bool = False
    """Whether `planned` and `fused` are what was done, as at the work-up after an operation."""

    def __post_init__(self) -> None:
        problems = [*_shape_problems(self), *_lesion_problems(self.lesions)]
        if problems:
            raise ValuesError("The figure cannot be drawn:\n" + "\n".join(f"- {problem}" for problem in problems))

    @property
    def has_drawing(self) -> bool:
        return not bool(np.isnan(self.reported).all())

    @property
    def has_expected(self) -> bool:
        return not bool(np.isnan(self.expected).all())

    @property
    def has_scan(self) -> bool:
        return bool(self.lesions) or self.has_expected

    @property
    def has_plan(self) -> bool:
        return bool(self.planned.any() or self.fused.any())

    def reported_at(self, region: str, side: str) -> float:
        """Points 0-10 in a region, be it above or below the low back; NaN is not recorded."""
        grid, axis = (self.reported, REGIONS) if region in REGIONS else (self.upper, UPPER_REGIONS)
        return float(grid[axis.index(region), SIDES.index(side)])

    def expected_at(self, region: str, side: str) -> float:
        """Pain expected in a region, in [0, 1]; NaN is undefined, as it is above the low back."""
        return float(self.expected[REGIONS.index(region), SIDES.index(side)]) if region in REGIONS else np.nan


def figure_description(picture: BodyPicture) -> str:
    """What the figure shows, in words: felt and expected, each alone, lesions, plan."""
    return " ".join([*_pain_sentences(picture), _lesion_sentence(picture), _plan_sentence(picture)])


def reported_step(points: float) -> int:
    """The step of the tint, 1 to 4; 0 where nothing is felt or recorded.

    >>> [reported_step(points) for points in (0, 1, 3, 3.5, 8, 10)]
    [0, 1, 1, 2, 3, 4]
    """
    return 0 if np.isnan(points) or points == 0 else 1 + int(np.searchsorted(REPORTED_STEPS, points))


def expected_step(share: float) -> int:
    """The step of the hatching: 0 none or undefined, 1 some, 2 strong; in whole per cent, as it is written.

    >>> [expected_step(share) for share in (0, 0.19, 0.2, 0.49, 0.499, 1)]
    [0, 0, 1, 1, 2, 2]
    """
    return 0 if np.isnan(share) else int(np.searchsorted(EXPECTED_STEPS, round(share, 2), side="right"))


def _shape_problems(picture: BodyPicture) -> Iterable[str]:
    for name, axis, top in (
        ("reported", REGIONS, REPORTED_STEPS[-1]),
        ("upper", UPPER_REGIONS, REPORTED_STEPS[-1]),
        ("expected", REGIONS, 1.0),
    ):
        values, shape = np.asarray(getattr(picture, name)), (len(axis), len(SIDES))
        if values.shape != shape:
            yield f"{name} has the shape {values.shape}; it is {shape}, a region a row, left then right."
        elif (outside := int(((values < 0) | (values > top)).sum())) > 0:
            yield f"{name} lies outside 0 to {top:g} in {outside} places; leave a place not recorded as NaN."
        elif name != "upper" and np.isnan(values).any() and not np.isnan(values).all():
            yield f"{name} is NaN in some places only; where nothing is felt or expected it is 0."
    plan: dict[str, tuple[int, ...]] = {"planned": (len(LEVELS), len(SIDES)), "fused": (len(LEVELS),)}
    for name, of_levels in plan.items():
        values = np.asarray(getattr(picture, name))
        if values.shape != of_levels or values.dtype != bool:
            yield f"{name} is {values.dtype} of the shape {values.shape}; it is bool of {of_levels}."


def _lesion_problems(lesions: tuple[DrawnLesion, ...]) -> Iterable[str]:
    for number, lesion in enumerate(lesions, start=1):
        if lesion.level not in LEVELS or lesion.zone not in ROOT_ZONES + AXIAL_ZONES:
            yield f"lesion {number}: there is no {lesion.zone} of {lesion.level}; see LEVELS and ROOT_ZONES."
        elif (lesion.side is None) != (lesion.zone in MIDLINE_ZONES) or lesion.side not in (None, *SIDES):
            yield f"lesion {number}: {lesion.zone} with the side {lesion.side}; midline zones alone have none."
        if not 0 <= lesion.weight <= 1 or lesion.share < 0 or lesion.share > 1:
            yield f"lesion {number}: weight and share lie in [0, 1]; an undefined share is NaN."


def _pain_sentences(picture: BodyPicture) -> list[str]:
    felt = _places_where(picture.reported_at, reported_step)
    expected = _places_where(picture.expected_at, expected_step)
    if not picture.has_drawing:
        return ["No pain drawing.", *([_sentence(picture, "Expected", expected)] if picture.has_expected else [])]
    if not picture.has_expected:
        return [_sentence(picture, "Felt", felt), "What is expected is undefined."]
    return [
        _sentence(picture, "Felt and expected", [place for place in felt if place in expected]),
        _sentence(picture, "Expected, not felt", [place for place in expected if place not in felt]),
        _sentence(picture, "Felt, not expected", [place for place in felt if place not in expected]),
    ]


def _places_where(value_at: Callable[[str, str], float], step: Callable[[float], int]) -> list[tuple[str, str]]:
    places = [(region, side) for region in REGIONS + UPPER_REGIONS for side in SIDES]
    return [(region, side) for region, side in places if step(value_at(region, side))]


def _sentence(picture: BodyPicture, kind: str, places: list[tuple[str, str]]) -> str:
    return f"{kind}: {'; '.join(place_label(picture, *place) for place in places) or 'nowhere'}."


def place_label(picture: BodyPicture, region: str, side: str) -> str:
    """A region with what is felt and expected there, such as "groin left 7 of 10, expected 30 %"."""
    points, share = picture.reported_at(region, side), picture.expected_at(region, side)
    felt = "not recorded" if np.isnan(points) else f"{points:g} of 10"
    expected = "" if np.isnan(share) else f", expected {percent(share)}"
    return f"{LABELS[region]} {side} {felt}{expected}"


def _lesion_sentence(picture: BodyPicture) -> str:
    if picture.lesions:
        return f"Lesions: {'; '.join(lesion.label for lesion in picture.lesions)}."
    return "No lesion found." if picture.has_scan else "No scan read."


def _plan_sentence(picture: BodyPicture) -> str:
    decompressed = [
        f"{LABELS[level]} {side}"
        for place, level in enumerate(LEVELS)
        for on_side, side in enumerate(SIDES)
        if picture.planned[place, on_side]
    ]
    fused = [LABELS[level] for place, level in enumerate(LEVELS) if picture.fused[place]]
    parts = [
        f"{what} {', '.join(where)}" for what, where in (("decompression", decompressed), ("fusion", fused)) if where
    ]
    if not parts:
        return "It is not recorded which level was operated on." if picture.is_done else "No level planned."
    return f"{'Operated on' if picture.is_done else 'Planned'}: {'; '.join(parts)}."
