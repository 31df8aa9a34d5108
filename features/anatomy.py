"""The anatomy as arrays: which root a lesion site reaches, and where each source of pain is felt.

Made from `root_reach.csv` and `territories.csv`, once a process. A *site* is a place a surgeon can
reach: a zone at a level, on a side where the zone has one. Findings at one site (a herniation, the
narrow recess behind it, the root it compresses) are one source of pain, not three.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.axes import LABELS, LEVELS, MIMICS, REGIONS, ROOTS, SIDES
from features.findings import Floats
from features.knowledge_tables import knowledge_table

ROOT_ZONES = ("central", "paracentral", "paracentral_up", "paracentral_down", "foraminal", "far_lateral")
AXIAL_ZONES = ("disc", "facet")
MIDLINE_ZONES = ("central", "disc", "facet")
ZONE_LABELS = {
    "central": "central canal",
    "paracentral": "paracentral and recess",
    "paracentral_up": "paracentral, migrated upwards",
    "paracentral_down": "paracentral, migrated downwards",
    "foraminal": "foramen",
    "far_lateral": "far lateral",
    "disc": "disc and endplates",
    "facet": "facet joints and slip",
}


class Site(NamedTuple):
    """A place that can be a source of pain and can be operated on."""

    level: str
    zone: str
    side: str | None

    @property
    def label(self) -> str:
        side = f", {self.side}" if self.side else ""
        return f"{LABELS[self.level]} {ZONE_LABELS[self.zone]}{side}"


SITES = tuple(
    Site(level, zone, side)
    for level in LEVELS
    for zone in ROOT_ZONES + AXIAL_ZONES
    for side in ((None,) if zone in MIDLINE_ZONES else SIDES)
)
TWIN_SITES = np.array(
    [SITES.index(Site(s.level, s.zone, s.side and SIDES[1 - SIDES.index(s.side)])) for s in SITES], dtype=np.intp
)
"""(n_sites,): the same site on the other side; a site of the midline is its own."""
IS_AXIAL = np.array([site.zone in AXIAL_ZONES for site in SITES])
SITE_LEVEL = np.array([LEVELS.index(site.level) for site in SITES])
SITE_SIDES = np.array([[site.side in (None, side) for side in SIDES] for site in SITES])
"""(n_sites, n_sides) bool: the sides on which a site can be felt."""


@cache
def root_reach(shift: int = 0) -> Floats:
    """How far a lesion at each site reaches each root: (n_sites, n_roots, n_sides) in [0, 1].

    `shift` reads the scan under another numbering: +1 names every root one lower (as with a lumbarised
    S1), -1 one higher (as with a sacralised L5). At the ends of the axis the last root stays.
    """
    table = knowledge_table("root_reach")
    reach = np.zeros((len(SITES), len(ROOTS), len(SIDES)))
    by_place = table.groupby(["level", "zone"])
    for place, site in enumerate(SITES):
        if site.zone in AXIAL_ZONES:
            continue
        rows = by_place.get_group((site.level, site.zone))
        for root, share in zip(rows["root"], rows["reach"], strict=True):
            read_as = int(np.clip(ROOTS.index(root) + shift, 0, len(ROOTS) - 1))
            reach[place, read_as] = np.maximum(reach[place, read_as], share * SITE_SIDES[place])
    return reach


@cache
def territory(pain_source: str) -> Floats:
    """Share of patients with that source who feel pain in each region, on its side: (n_regions,)."""
    return _territories().loc[pain_source].reindex(list(REGIONS)).fillna(0.0).to_numpy(dtype=np.float64)


@cache
def _territories() -> pd.DataFrame:
    table = knowledge_table("territories")
    return table.set_index(["pain_source", "region"])["share"].unstack()  # noqa: PD010


@cache
def site_territory(shift: int = 0) -> Floats:
    """Where pain from each site is felt: (n_sites, n_regions, n_sides) in [0, 1].

    Roots reached add up by noisy-or; a share of one root weighs as much as it is reached.
    """
    roots = np.stack([territory(root) for root in ROOTS])
    spared = 1 - root_reach(shift)[:, :, None, :] * roots[None, :, :, None]
    felt = 1 - spared.prod(axis=1)
    for zone in AXIAL_ZONES:
        is_zone = np.array([site.zone == zone for site in SITES])
        felt[is_zone] = territory(zone)[None, :, None]
    return felt


N_PLACES = len(REGIONS) * len(SIDES)
"""Places of the pain drawing: region by region, left then right."""


@cache
def flat_site_territory(shift: int = 0) -> Floats:
    """`site_territory` over the places of the drawing: (n_sites, n_places)."""
    return site_territory(shift).reshape(len(SITES), N_PLACES)


@cache
def flat_reach() -> Floats:
    """`root_reach` over roots and sides at once: (n_sites, n_roots * n_sides)."""
    return root_reach().reshape(len(SITES), len(ROOTS) * len(SIDES))


@cache
def root_territory() -> Floats:
    """Where pain from each root of each side is felt: (n_roots * n_sides, n_places) in [0, 1]."""
    felt = np.stack([territory(root) for root in ROOTS])
    one_side = np.eye(len(SIDES))
    return np.einsum("rp,st->rspt", felt, one_side).reshape(len(ROOTS) * len(SIDES), N_PLACES)


@cache
def mimic_territory() -> Floats:
    """Where pain from each mimic of one side is felt on that side: (n_mimics, n_regions)."""
    return np.stack([territory(mimic) for mimic in MIMICS])
