"""Does the operation reach the source? The plan held against what the lesions explain.

A site is reached when its level and side are to be decompressed in its part of the canal, or, for the
disc and the facet joints, when its level is to be fused. Without any planned level, or where what the
lesions explain is unknown, everything but the plan itself is undefined (NaN).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.anatomy import SITE_LEVEL, SITE_SIDES, SITES
from features.findings import Findings, Floats, places, word_code
from features.lesion_pain import DECIMALS, LesionPain, expected_together, leg_sums, root_compromise, root_shares
from features.support import Support

Bools = NDArray[np.bool_]

IDLE_SHARE = 0.05
"""A planned level whose best lesion explains less of the pain than this is idle."""
ONE_SIDED = 0.8
"""Leg pain is of one side when this share of it is felt there."""
CANAL_ZONES = ("central", "paracentral", "paracentral_up", "paracentral_down")
FORAMEN_ZONES = ("foraminal", "far_lateral")
_ZONES = np.array([site.zone for site in SITES])
_IS_CANAL = np.isin(_ZONES, CANAL_ZONES)
_IS_FORAMEN = np.isin(_ZONES, FORAMEN_ZONES)
_LEVEL_STARTS = np.flatnonzero(np.diff(SITE_LEVEL, prepend=-1))


@dataclass(frozen=True)
class PlanFit:
    """The plan against the sources of n cases. Shares lie in [0, 1]; NaN is undefined."""

    decompressed: Bools
    """(n, n_levels, n_sides): what is to be decompressed."""
    fused: Bools
    """(n, n_levels): what is to be fused."""
    has_plan: Bools
    """(n,): any level is planned."""
    reached: Bools
    """(n, n_sites): sites that the plan reaches."""
    plan_support: Floats
    """Part of the support, lesions and mimics competing, that falls on what the plan reaches: *concordance*."""
    plan_share: Floats
    """Pain explained by the reached sites together."""
    plan_best_share: Floats
    """Pain explained by the best reached site alone."""
    wrong_level_margin: Floats
    """Best outside the plan less best inside it: above 0, a lesion outside explains more."""
    plan_misses_best: Floats
    """1 when no site that explains most is reached, 0 when one is; NaN where no site explains."""
    plan_misses_likeliest: Floats
    """The same of the site that drawing and examination together support most."""
    unexplained_by_plan: Floats
    level_shares: Floats
    """(n, n_levels): the most that a single site of each level explains."""
    is_idle: Bools
    """(n, n_levels): planned, while nothing at that level explains anything to speak of."""
    planned_levels: Floats
    planned_idle_levels: Floats
    unplanned_root: NDArray[np.intp]
    """(n,): the root caught outside the plan that explains most, a place in (root, side); -1 where there is none."""
    unplanned_root_share: Floats
    """Pain explained by that root: the wrong-level risk, before the first incision."""
    side_conflict: Floats
    """1 when the leg pain is on one side and only the other is to be decompressed; NaN without leg pain."""


def planned_level(findings: Findings) -> Bools:
    """Which levels are planned: (n, n_levels)."""
    decompressed, fused = _planned(findings)
    return decompressed.any(axis=2) | fused


def _planned(findings: Findings) -> tuple[Bools, Bools]:
    decompressed = findings.columns(places("planned_decompression", ("level", "side"))) > 0
    return decompressed, findings.columns(places("planned_fusion", ("level",))) > 0


def _reached(findings: Findings, decompressed: Bools, fused: Bools) -> Bools:
    zone = findings.columns(places("planned_zone"))[:, None]
    is_foramen = zone == word_code("planned_zone", "foramen")
    is_both = zone == word_code("planned_zone", "both")
    at_side = decompressed.take(SITE_LEVEL, axis=1) & SITE_SIDES
    at_site = at_side[:, :, 0] | at_side[:, :, 1]  # any() over two is slow
    in_zone = (_IS_CANAL & ~is_foramen) | (_IS_FORAMEN & (is_foramen | is_both))  # not recorded is read as the canal
    return np.where(_IS_CANAL | _IS_FORAMEN, at_site & in_zone, fused[:, SITE_LEVEL])


def plan_fit(findings: Findings, lesions: LesionPain, support: Support) -> PlanFit:
    """The plan held against the sources: see `PlanFit`."""
    decompressed, fused = _planned(findings)
    planned = decompressed.any(axis=2) | fused
    has_plan = np.asarray(planned.any(axis=1))
    reached = _reached(findings, decompressed, fused)
    unit = np.where(has_plan & lesions.is_defined, 1.0, np.nan)
    shares = lesions.shares
    inside = np.where(reached, shares, 0.0).max(axis=1)
    outside = np.where(reached, 0.0, shares).max(axis=1)
    weights_reached = np.where(reached, lesions.weights, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = (lesions.pain * expected_together(weights_reached)).sum(axis=1) / lesions.pain.sum(axis=1)
    together = explained.round(DECIMALS) * unit
    level_shares = np.maximum.reduceat(shares, _LEVEL_STARTS, axis=1)
    is_idle = planned & (level_shares < IDLE_SHARE)
    root, root_share = _unplanned_root(lesions, reached)
    n_planned = planned.sum(axis=1)
    return PlanFit(
        decompressed=decompressed,
        fused=fused,
        has_plan=has_plan,
        reached=reached,
        plan_support=np.minimum((np.where(reached, support.lesions, 0.0)).sum(axis=1), 1.0) * unit,
        plan_share=together,
        plan_best_share=inside * unit,
        wrong_level_margin=(outside - inside) * unit,
        plan_misses_best=np.where(lesions.best_site >= 0, inside < lesions.share_best, np.nan) * unit,
        plan_misses_likeliest=_misses_likeliest(support, reached) * unit,
        unexplained_by_plan=1 - together,
        level_shares=level_shares,
        is_idle=is_idle,
        planned_levels=np.where(has_plan, n_planned, np.nan),
        planned_idle_levels=is_idle.sum(axis=1) * unit,
        unplanned_root=np.where(root_share * unit > 0, root, -1),
        unplanned_root_share=root_share * unit,
        side_conflict=_side_conflict(lesions.pain, decompressed),
    )


def _misses_likeliest(support: Support, reached: Bools) -> Floats:
    is_reached = (reached & support.is_likeliest_lesion).any(axis=1)
    return np.where(support.likeliest_lesion >= 0, ~is_reached, np.nan)


def _unplanned_root(lesions: LesionPain, reached: Bools) -> tuple[NDArray[np.intp], Floats]:
    """The root that explains most as it is caught at sites which the plan does not reach, and its share."""
    left = root_compromise(np.where(reached, 0.0, lesions.weights))
    shares = root_shares(lesions.pain, left)
    return shares.argmax(axis=1), shares.max(axis=1)


def _side_conflict(pain: Floats, decompressed: Bools) -> Floats:
    leg = pain @ leg_sums()
    total = leg.sum(axis=1)
    sides = np.asarray(decompressed.any(axis=1))
    is_one_sided = leg >= ONE_SIDED * total[:, None]
    conflict = (is_one_sided & ~sides & sides[:, ::-1]).any(axis=1)
    return np.where((total > 0) & sides.any(axis=1), conflict, np.nan)
