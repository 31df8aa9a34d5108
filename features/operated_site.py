"""What the scans after the operation show at the operated site, beside it, and next to a fusion.

Everything is laid out on (n_cases, n_levels, n_sides): present, and read. What was not read is neither there
nor absent. A finding without a side stands on both.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.anatomy import SITE_LEVEL, SITE_SIDES, SITES, root_reach
from features.axes import ROOTS, SIDES
from features.followup import Bools, FollowUp
from features.layout import Floats

EXTRUSION = 3.0
"""A herniation next to a fusion counts from this grade on: bulges and protrusions are common there."""
NEW_GRADES = 2.0
SIDED_STENOSES = ("recess_stenosis", "foraminal_stenosis")


class Shown(NamedTuple):
    """A finding of the scan by level and side."""

    present: Bools
    read: Bools

    def at(self, sites: Bools) -> Shown:
        """Only at these levels and sides."""
        return Shown(self.present & sites, self.read & sites)

    def either(self, other: Shown) -> Shown:
        return Shown(self.present | other.present, self.read | other.read)

    @property
    def state(self) -> Floats:
        """(n_cases,): 1 present anywhere, 0 read and nowhere, NaN not read."""
        return np.where(anywhere(self.read), anywhere(self.present), np.nan)


def anywhere(sites: Bools) -> Bools:
    """(n_cases,): at any level and side."""
    return np.asarray(sites.reshape(len(sites), sites[0].size if len(sites) else 0).any(axis=1))


def shown(values: Floats, threshold: float = 1.0) -> Shown:
    """Grades that reach the threshold, from (n, n_levels) or (n, n_levels, n_sides)."""
    by_side = values if values.ndim > 2 else both_sides(values)
    return Shown(by_side >= threshold, by_side == by_side)


def narrowed(followup: FollowUp, threshold: float) -> Shown:
    """Recess, foramen or central canal narrow to that grade."""
    places = [shown(grades, threshold) for grades in _stenoses(followup, "followup_")]
    return places[0].either(places[1]).either(places[2])


def _stenoses(followup: FollowUp, prefix: str) -> tuple[Floats, Floats, Floats]:
    """The grades of recess, foramen and central canal: with the prefix of the follow-up, or before the operation."""
    recess, foramen = (followup.grid(f"{prefix}{item}", "level", "side") for item in SIDED_STENOSES)
    return recess, foramen, both_sides(followup.grid(f"{prefix}central_stenosis", "level"))


def slip_grown(followup: FollowUp) -> Shown:
    """A higher grade of slip than before the operation."""
    return shown(followup.grid("followup_slip", "level") - followup.grid("slip", "level"))


def new_lesions(followup: FollowUp, threshold: float) -> Shown:
    """Stenosis of that grade, an extrusion or a grown slip that was not there before the operation.

    A grade counts as new two above the one before: two readers, or one of them twice, often differ by one.
    """
    again = (*_stenoses(followup, "followup_"), followup.grid("followup_herniation", "level", "side"))
    before = (*_stenoses(followup, ""), herniated_before(followup))
    least = (*(3 * (threshold,)), EXTRUSION)
    found = slip_grown(followup)
    present, read = found.present, np.zeros_like(found.read)
    for now, then, grade in zip(again, before, least, strict=True):
        present = present | ((now >= grade) & (now - np.nan_to_num(then) >= NEW_GRADES))
        read = read | (now == now)
    return Shown(present, read)


def herniated_before(followup: FollowUp) -> Floats:
    """(n, n_levels, n_sides): the worst grade of any zone before the operation, 0 where none is recorded."""
    return np.nan_to_num(followup.before.grid("herniation", "level", "side", "zone")).max(axis=3)


def other_side(followup: FollowUp) -> Bools:
    """The side that was not opened, at levels of which one side was."""
    opened = followup.operated.opened
    return opened[:, :, ::-1] & ~opened


def both_sides(levels: NDArray[Any]) -> NDArray[Any]:
    """(n, n_levels, n_sides) from (n, n_levels)."""
    return np.repeat(levels[:, :, None], len(SIDES), axis=2)


def next_to_fusion(followup: FollowUp) -> Bools:
    """Levels next to a fused one that were not operated on themselves: (n, n_levels)."""
    fused = followup.operated.fused
    beside = np.zeros_like(fused)
    beside[:, :-1] |= fused[:, 1:]
    beside[:, 1:] |= fused[:, :-1]
    return beside & ~followup.operated.level


def lesions_at(sites: Bools) -> Bools:
    """Which lesions of the first question lie at those levels and sides: (n, n_lesion_sites)."""
    return np.asarray((sites[:, SITE_LEVEL] & SITE_SIDES).any(axis=2))


def reached_roots(followup: FollowUp) -> Bools:
    """Roots that the operated sites reach wholly: (n, n_roots, n_sides)."""
    reached = lesions_at(followup.operated.site) @ _reach()
    roots = reached.reshape(len(reached), len(ROOTS), len(SIDES)) > 0
    sides = np.asarray(followup.operated.site.any(axis=1))
    return roots & sides[:, None, :]


@cache
def _reach() -> Floats:
    return (root_reach() == 1).astype(np.float64).reshape(len(SITES), len(ROOTS) * len(SIDES))
