"""Does this lesion explain this pain? The first clinical feature builder.

The cores take and return named arrays over (case, site) and (case, region, side). A source explains a
share of the reported pain; the best single lesion is what counts, because a worn spine taken together
explains everything. Nothing recorded is never read as nothing there: without a drawing, or without a
scan that was read, every share is undefined (NaN), while a drawing with a scan on which there is no
lesion is explained to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.anatomy import (
    IS_AXIAL,
    N_PLACES,
    SITE_SIDES,
    SITES,
    TWIN_SITES,
    flat_reach,
    flat_site_territory,
    root_territory,
)
from features.axes import LEG_REGIONS, REGIONS, ROOTS, SIDES
from features.findings import Findings, Floats, places, word_code
from features.lesions import has_scan, site_weights
from features.root_signs import RootSigns, root_signs

DECIMALS = 9
"""Shares are rounded here, so that ties fall alike whatever the order in which sums were taken."""
SOURCE_THRESHOLD = 0.3
"""A site with less weight than this is not taken for a source of leg pain (a bulge, a grade 1 recess)."""
LEG_PAIN_THRESHOLD = 0.2
"""Pain is axial when less than this share of it is felt below the buttock."""


@dataclass(frozen=True)
class LesionPain:
    """What the lesions of n cases explain of their pain. Shares lie in [0, 1]; NaN is undefined."""

    is_defined: NDArray[np.bool_]
    """(n,): pain is drawn and a scan was read."""
    has_scan: NDArray[np.bool_]
    """(n,): any finding at any level is recorded."""
    pain: Floats
    """(n, n_places): the reported pain, 0 to 10, region by region, left and right."""
    weights: Floats
    """(n, n_sites): how reliable a source each site is, given its findings and the age; 0 is no finding."""
    expected: Floats
    """(n, n_places): pain expected from all lesions together, in [0, 1]; not undefined without a drawing."""
    shares: Floats
    """(n, n_sites): pain explained by each site alone."""
    best_site: NDArray[np.intp]
    """(n,): the site that explains most; -1 where none does."""
    is_alike: NDArray[np.bool_]
    """(n,): that site explains as much on the other side, and the signs fit both."""
    share_best: Floats
    share_all: Floats
    second_share: Floats
    """The most that a site at another level or side explains."""
    ambiguity: Floats
    """Second over best; 0 where nothing else explains anything."""
    parsimony: Floats
    """Best over all: 1 when one lesion explains whatever is explained."""
    expected_not_felt: Floats
    """Part of the best site's territory in which nothing is felt."""
    leg_share: Floats
    """Part of the reported pain that is felt in the legs, buttock and low back aside."""
    side_agreement: Floats
    """Share of the leg pain felt on the sides that the best site reaches."""
    signs: RootSigns
    sign_fit: Floats
    """(n, n_sites): the evidence of the root signs that fits each site."""
    sign_balance: Floats
    """(n, n_sites): what the signs say of the roots that each site reaches, as a log likelihood ratio."""
    sign_agreement: Floats
    """Share of the positive root signs that fit the best site."""
    axial_degeneration_only: Floats
    """1 when the pain is axial and the scan shows degeneration without a lesion that reaches a root."""


def lesion_pain(findings: Findings) -> LesionPain:
    """What the lesions explain of the pain, with its parts: see `LesionPain`."""
    pain = findings.pain.reshape(findings.n_cases, N_PLACES)
    total = pain.sum(axis=1)
    is_scanned = has_scan(findings)
    is_defined = findings.has_drawing & is_scanned & (total > 0)
    unit = np.where(is_defined, 1.0, np.nan)
    weights, signs = site_weights(findings), root_signs(findings)
    sign_fit = signs.evidence @ flat_reach().T
    shares = shares_explained(pain, weights) * unit[:, None]
    share_best = shares.max(axis=1)
    best, is_alike = _best_site(shares, share_best, sign_fit)
    expected, leg = expected_together(weights), pain @ leg_sums()
    territory = flat_site_territory()[best]
    leg_total = leg.sum(axis=1)
    share_all, leg_share, not_felt, on_side, fitting = _ratios(
        ((pain * expected).sum(axis=1), total),
        (leg_total, total),
        ((territory * (pain == 0)).sum(axis=1), territory.sum(axis=1)),
        ((leg * SITE_SIDES[best]).sum(axis=1), leg_total),
        (sign_fit[np.arange(len(best)), best], signs.evidence.sum(axis=1)),
    )
    second = np.where(_same_place()[best], 0.0, shares).max(axis=1) * unit
    ambiguity, parsimony = _ratios((second, share_best), (share_best, share_all * unit))
    where_best = np.where(best >= 0, 1.0, np.nan)
    return LesionPain(
        is_defined=is_defined,
        has_scan=is_scanned,
        pain=pain,
        weights=weights,
        expected=expected,
        shares=shares,
        best_site=best,
        is_alike=is_alike,
        share_best=share_best,
        share_all=share_all * unit,
        second_share=second,
        ambiguity=np.where(share_best == 0, 0.0, ambiguity),
        parsimony=np.where(share_best == 0, 0.0, parsimony),
        expected_not_felt=not_felt * where_best,
        leg_share=leg_share,
        side_agreement=on_side * where_best,
        signs=signs,
        sign_fit=sign_fit,
        sign_balance=signs.balance @ flat_reach().T,
        sign_agreement=fitting * where_best,
        axial_degeneration_only=_is_axial_degeneration_only(leg_share, weights) * unit,
    )


def shares_explained(pain: Floats, weights: Floats, shift: int = 0) -> Floats:
    """Share of the reported pain (n, n_places) that each site explains alone: (n, n_sites); NaN without pain."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.round(weights * (pain @ flat_site_territory(shift).T) / pain.sum(axis=1)[:, None], DECIMALS)


def expected_together(weights: Floats) -> Floats:
    """Pain expected from sites of these weights together, by noisy-or: (n, n_places) in [0, 1]."""
    unfelt = np.ones((N_PLACES, len(weights)))
    by_site = np.ascontiguousarray(weights.T)
    for site in np.flatnonzero(by_site.any(axis=1)):
        felt, share = _felt_places()[site]
        unfelt[felt] *= 1 - share * by_site[site]
    return np.ascontiguousarray(1 - unfelt.T)


@cache
def _felt_places() -> list[tuple[NDArray[np.intp], Floats]]:
    """Of each site the places where its pain is felt, (n_felt,), and how strongly, (n_felt, 1)."""
    return [(felt := np.flatnonzero(territory), territory[felt, None]) for territory in flat_site_territory()]


def widespread_pain(findings: Findings) -> Floats:
    """Share of the upper-body regions in which pain is drawn: (n,); NaN without a drawing."""
    upper = findings.columns(places("upper_pain", ("upper_region", "side")).ravel())
    has_drawing = findings.has_drawing | (upper == upper).any(axis=1)
    return np.where(has_drawing, (upper > 0).mean(axis=1), np.nan)


class OtherNumbering(NamedTuple):
    """The scan under the other numbering of the levels, where that is in doubt."""

    is_doubtful: Floats
    """(n,): 1 where it is, else 0."""
    share: Floats
    """(n,): the most that a site then explains; NaN where the numbering is not in doubt."""
    best_site: NDArray[np.intp]
    """(n,): that site, by the level it bears in the record; -1 where there is none."""


def other_numbering(findings: Findings, lesions: LesionPain) -> OtherNumbering:
    """The scan read under the other numbering: see `OtherNumbering`.

    A sacralised L5 makes every root read one lower than it is, a lumbarised S1 one higher; where the
    kind or the numbering is unknown the better of both counts.
    """
    kind = findings.columns(places("transitional_vertebra"))
    method = findings.columns(places("numbering_method"))
    is_sacralised = kind == word_code("transitional_vertebra", "sacralised_l5")
    is_lumbarised = kind == word_code("transitional_vertebra", "lumbarised_s1")
    is_unknown = (kind == word_code("transitional_vertebra", "unknown")) | (
        method == word_code("numbering_method", "unknown")
    )
    doubtful = is_sacralised | is_lumbarised | is_unknown
    if not doubtful.any():
        nothing = np.full(len(doubtful), np.nan)
        return OtherNumbering(doubtful.astype(np.float64), nothing, np.full(len(doubtful), -1))
    shares = [
        np.where(applies[:, None], shares_explained(lesions.pain, lesions.weights, shift), 0.0)
        for shift, applies in ((-1, ~is_lumbarised), (+1, ~is_sacralised))
    ]
    either = np.maximum(*shares)
    is_read = doubtful & lesions.is_defined
    best = either.max(axis=1)
    return OtherNumbering(
        is_doubtful=doubtful.astype(np.float64),
        share=np.where(is_read, best, np.nan),
        best_site=np.where(is_read & (best > 0), either.argmax(axis=1), -1),
    )


def root_compromise(weights: Floats) -> Floats:
    """How strongly each root is caught on each side, by the worst site that reaches it: (n, n_roots * n_sides)."""
    sites, reach = _sites_of_roots()
    return (weights.take(sites, axis=1) * reach).max(axis=2)


def root_shares(pain: Floats, compromise: Floats) -> Floats:
    """Share of the reported pain that each root explains, as far as it is caught: (n, n_roots * n_sides)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.round(compromise * (pain @ root_territory().T) / pain.sum(axis=1)[:, None], DECIMALS)


@cache
def leg_sums() -> Floats:
    """Sums the pain of each leg: (n_places, n_sides), 1 where a place is of that leg."""
    legs = np.zeros((len(REGIONS), len(SIDES), len(SIDES)))
    for region in LEG_REGIONS:
        legs[REGIONS.index(region)] = np.eye(len(SIDES))
    return legs.reshape(N_PLACES, len(SIDES))


def _ratios(*parts_and_wholes: tuple[Floats, Floats]) -> Floats:
    """Each part over its whole, a row each: (n_ratios, n); NaN where the whole is 0."""
    parts, wholes = map(np.array, zip(*parts_and_wholes, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.round(parts / wholes, DECIMALS)


def _best_site(shares: Floats, share_best: Floats, sign_fit: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(n,): the site that explains most; of equals the one the signs fit; and whether the other side equals it."""
    score = np.where(shares == share_best[:, None], 1 + sign_fit.round(DECIMALS), 0.0)
    best = score.argmax(axis=1)
    case, twin = np.arange(len(best)), TWIN_SITES[best]
    is_some = share_best > 0
    return np.where(is_some, best, -1), is_some & (twin != best) & (score[case, twin] == score[case, best])


@cache
def _same_place() -> NDArray[np.bool_]:
    """(n_sites + 1, n_sites): sites at the same level that share a side; the last row is no site."""
    levels = np.array([site.level for site in SITES])
    same = (levels[:, None] == levels) & (SITE_SIDES[:, None] & SITE_SIDES[None]).any(axis=2)
    return np.vstack([same, np.zeros(len(SITES), dtype=bool)])


@cache
def _sites_of_roots() -> tuple[NDArray[np.intp], Floats]:
    """For each root and side the sites that reach it, and how far: (n_roots * n_sides, most), padded by 0."""
    reach = flat_reach()
    reaching = [np.flatnonzero(reach[:, root]) for root in range(len(ROOTS) * len(SIDES))]
    most = max(len(sites) for sites in reaching)
    sites = np.zeros((len(reaching), most), dtype=np.intp)
    shares = np.zeros((len(reaching), most))
    for root, found in enumerate(reaching):
        sites[root, : len(found)] = found
        shares[root, : len(found)] = reach[found, root]
    return sites, shares


def _is_axial_degeneration_only(leg_share: Floats, weights: Floats) -> NDArray[np.bool_]:
    reaches_root = ((weights >= SOURCE_THRESHOLD) & ~IS_AXIAL).any(axis=1)
    is_worn = ((weights > 0) & IS_AXIAL).any(axis=1)
    return (leg_share < LEG_PAIN_THRESHOLD) & is_worn & ~reaches_root
