"""Does the operation reach the source? The plan held against what the lesions explain.

A site is reached when its level and side are to be decompressed in its part of the canal, or, for the
disc and the facet joints, when its level is to be fused. Without any planned level, or without a
drawing, everything is undefined (NaN).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.anatomy import SITE_LEVEL, SITE_SIDES, SITES
from features.axes import LEVELS
from features.findings import Findings, Floats
from features.lesion_pain import LesionPain, reported_pain, share_explained_together

IDLE_SHARE = 0.05
"""A planned level whose best lesion explains less of the pain than this is idle."""
CANAL_ZONES = ("central", "paracentral", "paracentral_up", "paracentral_down")
FORAMEN_ZONES = ("foraminal", "far_lateral")


@dataclass(frozen=True)
class PlanFit:
    """The plan against the sources of n cases. Shares lie in [0, 1]; NaN is undefined."""

    reached: np.ndarray
    """(n, n_sites) bool: sites that the plan reaches."""
    plan_share: Floats
    """Pain explained by the reached sites together."""
    plan_best_share: Floats
    """Pain explained by the best reached site alone."""
    unreached_best_share: Floats
    """Pain explained by the best site outside the plan: the wrong-level risk, when it is the larger."""
    wrong_level_margin: Floats
    """Best outside the plan less best inside it: above 0, a lesion outside explains more."""
    plan_misses_best: Floats
    """1 when no site that explains most is reached, 0 when one is; NaN where no site explains."""
    unexplained_by_plan: Floats
    planned_levels: Floats
    planned_idle_levels: Floats


def sites_reached(findings: Findings) -> np.ndarray:
    """Which sites the plan reaches: (n, n_sites) bool; all False without a plan."""
    decompressed = np.nan_to_num(findings.grid("planned_decompression", "level", "side"), nan=0.0) > 0
    fused = np.nan_to_num(findings.grid("planned_fusion", "level"), nan=0.0) > 0
    zone = findings.text("planned_zone")
    is_canal = (zone != "foramen")[:, None]  # not recorded is read as the canal
    is_foramen = ((zone == "foramen") | (zone == "both"))[:, None]
    at_site = (decompressed[:, SITE_LEVEL, :] & SITE_SIDES).any(axis=2)
    zones = np.array([site.zone for site in SITES])
    return np.where(
        np.isin(zones, CANAL_ZONES),
        at_site & is_canal,
        np.where(np.isin(zones, FORAMEN_ZONES), at_site & is_foramen, fused[:, SITE_LEVEL]),
    )


def planned_level(findings: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Which levels are planned, (n, n_levels) bool, and whether any plan is recorded, (n,) bool."""
    decompression = findings.grid("planned_decompression", "level", "side")
    fusion = findings.grid("planned_fusion", "level")
    planned = (np.nan_to_num(decompression, nan=0.0) > 0).any(axis=2) | (np.nan_to_num(fusion, nan=0.0) > 0)
    return planned, np.asarray(planned.any(axis=1))


def plan_fit(findings: Findings, lesions: LesionPain) -> PlanFit:
    """The plan held against the sources: see `PlanFit`."""
    pain, has_drawing = reported_pain(findings)
    planned, has_plan = planned_level(findings)
    reached = sites_reached(findings)
    is_defined = has_plan & has_drawing & ~np.isnan(lesions.share_best)
    shares = np.nan_to_num(lesions.shares, nan=0.0)
    inside = np.where(reached, shares, 0.0).max(axis=1)
    outside = np.where(reached, 0.0, shares).max(axis=1)
    together = share_explained_together(pain, lesions.weights, reached)
    level_best = np.stack([shares[:, place == SITE_LEVEL].max(axis=1) for place in range(len(LEVELS))], axis=1)
    idle = (planned & (level_best < IDLE_SHARE)).sum(axis=1)

    def where_defined(values: np.ndarray, condition: np.ndarray = is_defined) -> Floats:
        return np.where(condition, values.astype(np.float64), np.nan)

    return PlanFit(
        reached=reached,
        plan_share=where_defined(together),
        plan_best_share=where_defined(inside),
        unreached_best_share=where_defined(outside),
        wrong_level_margin=where_defined(outside - inside),
        plan_misses_best=where_defined(inside < lesions.share_best, is_defined & (lesions.best_site >= 0)),
        unexplained_by_plan=where_defined(1 - together),
        planned_levels=where_defined(planned.sum(axis=1), has_plan),
        planned_idle_levels=where_defined(idle),
    )
