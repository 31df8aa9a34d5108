"""Lesions and mimics on one axis: how the evidence divides between all that could be the source.

Every candidate starts with odds (a lesion by its weight, a mimic by its tests alone, since the drawing
is weighed here, and *something else* by an assumption), multiplied by how likely the drawing would be
if it were the source, and by how well the root signs fit it; what explains none of the pain is no
candidate. Divided by their sum these are the *support* of each: they add up to 1. It is a reading of
evidence whose parts are partly judgement, not a measured probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from features.anatomy import N_PLACES, SITES, TWIN_SITES, flat_site_territory, mimic_territory
from features.axes import LABELS, MIMICS, SIDES
from features.findings import Floats
from features.lesion_pain import DECIMALS, LesionPain

Bools = NDArray[np.bool_]

MARK_ERROR = 0.1
"""Chance that a place is marked, or left out, against its territory. Of the same drawing made twice one minute
apart 0.62 is common to both (Leoni 2013, conference report): with 6 of 30 places marked, 0.09 of the places change."""
N_CANDIDATES = len(SITES) + len(MIMICS) * len(SIDES) + 1
CANDIDATE_LABELS = (
    *(site.label for site in SITES),
    *(f"{LABELS[mimic]}, {side}" for mimic in MIMICS for side in SIDES),
    "something else",
)


@dataclass(frozen=True)
class Support:
    """How the evidence divides, for n cases; every row adds up to 1, or is NaN where it is undefined."""

    lesions: Floats
    """(n, n_sites)"""
    mimics: Floats
    """(n, n_mimics * n_sides)"""
    unknown: Floats
    """(n,): something else, without a territory of its own."""
    likeliest: NDArray[np.intp]
    """(n,): the best supported candidate, a place in CANDIDATE_LABELS; -1 where undefined."""
    is_alike: Bools
    """(n,): the best supported candidate is supported as much on the other side."""
    is_likeliest_lesion: Bools
    """(n, n_sites): supported as much as the best supported site, as both sides are in symmetric stenosis."""
    likeliest_lesion: NDArray[np.intp]
    """(n,): the best supported site; -1 where no lesion explains anything, or it is undefined."""


def source_support(
    lesions: LesionPain, mimic_odds: Floats, *, unknown_source_odds: float, drawing_weight: float
) -> Support:
    """How the evidence divides between lesions, mimics and something else: see `Support`.

    Parameters
    ----------
    lesions : LesionPain
        Weights, drawing and root signs of n cases.
    mimic_odds : (n, n_mimics, n_sides) float > 0
        Post-test odds of each mimic from its tests alone: the drawing is weighed here.
    unknown_source_odds : float > 0
        Odds, before drawing and signs, of a source that is neither (assumption).
    drawing_weight : float in [0, 1]
        Power to which the likelihood of the drawing is taken: neighbouring places are marked together,
        so that 30 places are not 30 observations (assumption).
    """
    n = len(lesions.weights)
    odds = np.empty((n, N_CANDIDATES))
    odds[:, : len(SITES)] = lesions.weights / (1 - lesions.weights)
    odds[:, len(SITES) : -1] = mimic_odds.reshape(n, len(MIMICS) * len(SIDES))
    odds[:, -1] = unknown_source_odds
    odds[:, :-1] *= (lesions.pain > 0).astype(np.float64) @ _felt_anywhere() > 0
    fit = _log_drawing(lesions.pain) * drawing_weight
    fit[:, : len(SITES)] += lesions.sign_balance
    supported = odds * np.exp(fit - fit.max(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        of_best_lesion = supported[:, : len(SITES)] / supported[:, : len(SITES)].max(axis=1, keepdims=True)
    supported = np.round(supported / supported.sum(axis=1, keepdims=True), DECIMALS)
    supported = np.where(lesions.is_defined[:, None], supported, np.nan)
    is_likeliest = of_best_lesion.round(DECIMALS) == 1
    likeliest = supported.argmax(axis=1)
    case = np.arange(n)
    twin = _twins()[likeliest]
    return Support(
        lesions=supported[:, : len(SITES)],
        mimics=supported[:, len(SITES) : -1],
        unknown=supported[:, -1],
        likeliest=np.where(lesions.is_defined, likeliest, -1),
        is_alike=(twin != likeliest) & (supported[case, twin] == supported[case, likeliest]),
        is_likeliest_lesion=is_likeliest & lesions.is_defined[:, None],
        likeliest_lesion=_likeliest_lesion(is_likeliest, lesions),
    )


def _likeliest_lesion(is_likeliest: Bools, lesions: LesionPain) -> NDArray[np.intp]:
    """(n,): of equally supported sites the one that explains most; -1 where there is none."""
    best = np.where(is_likeliest, 1 + lesions.shares, 0.0).argmax(axis=1)
    return np.where(lesions.is_defined & is_likeliest.any(axis=1), best, -1)


def _log_drawing(pain: Floats) -> Floats:
    """Log-likelihood of the drawing under each candidate: (n, n_candidates).

    A place counts as marked as far as its pain reaches that of the worst place. Something else marks
    every place alike, at the rate of the case's own drawing.
    """
    weight, start = _mark_odds()
    marked = pain / np.maximum(pain.max(axis=1), np.finfo(float).tiny)[:, None]
    share = np.minimum(np.maximum(marked.sum(axis=1), 0.5), N_PLACES - 0.5) / N_PLACES
    log = np.empty((len(marked), N_CANDIDATES))
    log[:, :-1] = marked @ weight + start
    log[:, -1] = N_PLACES * (share * np.log(share) + (1 - share) * np.log(1 - share))
    return log


@cache
def _twins() -> NDArray[np.intp]:
    """(n_candidates,): the same candidate on the other side, or itself."""
    mimics = len(SITES) + np.arange(len(MIMICS) * len(SIDES)).reshape(-1, len(SIDES))[:, ::-1].ravel()
    return np.concatenate([TWIN_SITES, mimics, [N_CANDIDATES - 1]])


@cache
def _territories() -> Floats:
    """Where pain of each candidate but something else is felt: (n_candidates - 1, n_places) in [0, 1]."""
    one_side = np.einsum("mp,st->mspt", mimic_territory(), np.eye(len(SIDES))).reshape(-1, N_PLACES)
    return np.vstack([flat_site_territory(), one_side])


@cache
def _felt_anywhere() -> Floats:
    """(n_places, n_candidates - 1): 1 where pain of a candidate is ever felt."""
    return (_territories() > 0).astype(np.float64).T


@cache
def _mark_odds() -> tuple[Floats, Floats]:
    """Log odds of a mark by place and candidate (n_places, n_candidates - 1), and the log-likelihood of none."""
    chance = MARK_ERROR + (1 - 2 * MARK_ERROR) * _territories()
    return (np.log(chance) - np.log(1 - chance)).T, np.log(1 - chance).sum(axis=1)
