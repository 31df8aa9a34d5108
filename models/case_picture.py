"""The picture of one case, from the parts of the builders: pain expected over pain reported, lesions, plan."""

from __future__ import annotations

import numpy as np

from features.anatomy import SITES, mimic_territory, site_territory
from features.axes import LABELS, MIMICS, REGIONS, SIDES
from features.builders import Sources
from features.findings import Floats
from models.body_figure import BodyPicture, DrawnLesion, body_figure

LEAST_WEIGHT = 0.1
"""A lesion that weighs less than this is left out of the spine: a bulge, a mild facet joint."""


def case_figure(sources: Sources, place: int, title: str) -> str:
    """The figure of the case at a place, as SVG text."""
    return body_figure(body_picture(sources, place), title)


def body_picture(sources: Sources, place: int) -> BodyPicture:
    """What the figure of the case at a place shows.

    Expected is the pain of the best supported source, lesion or mimic; where neither is, that of all
    lesions together.
    """
    shape = (len(REGIONS), len(SIDES))
    pain = sources.findings.grid("pain", "region", "side")[place]
    upper = sources.findings.grid("upper_pain", "upper_region", "side")[place]
    has_drawing = bool(sources.findings.has_drawing[place])
    expected, label = _expected(sources, place)
    return BodyPicture(
        reported=np.where(np.isnan(pain), 0.0, pain) if has_drawing else np.full(shape, np.nan),
        upper=np.where(np.isnan(upper) & has_drawing, 0.0, upper),
        expected=expected if sources.lesions.has_scan[place] else np.full(shape, np.nan),
        lesions=_lesions(sources, place),
        planned=sources.plan.decompressed[place],
        fused=sources.plan.fused[place],
        expected_label=label,
    )


def _expected(sources: Sources, place: int) -> tuple[Floats, str]:
    likeliest = int(sources.support.likeliest[place])
    if 0 <= likeliest < len(SITES):
        return site_territory()[likeliest], f"expected from {SITES[likeliest].label}"
    if len(SITES) <= likeliest < len(SITES) + len(MIMICS) * len(SIDES):
        mimic, side = divmod(likeliest - len(SITES), len(SIDES))
        felt = mimic_territory()[mimic][:, None] * (np.arange(len(SIDES)) == side)
        return felt, f"expected from {LABELS[MIMICS[mimic]]}, {SIDES[side]}"
    return sources.lesions.expected[place].reshape(len(REGIONS), len(SIDES)), "expected from all lesions together"


def _lesions(sources: Sources, place: int) -> tuple[DrawnLesion, ...]:
    weights, shares = sources.lesions.weights[place], sources.lesions.shares[place]
    best = int(sources.support.likeliest_lesion[place])
    drawn = [site for site in range(len(SITES)) if weights[site] >= LEAST_WEIGHT or site == best]
    return tuple(
        DrawnLesion(*SITES[site], weight=float(weights[site]), share=float(shares[site]), is_best=site == best)
        for site in drawn
    )
