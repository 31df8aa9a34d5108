"""What the patient says: intensity, drawing, scores, and what eases or provokes the pain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import REGIONS, ROOTS, UPPER_REGIONS
from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.centres import PRESENTATIONS
from pipeline.virtual.draws import happens, shifted, whole
from pipeline.virtual.facts import fact_by, fact_grid, facts
from pipeline.virtual.people import People
from pipeline.virtual.sources import GENERATORS, ROOT_LESIONS, SPINAL, Sources, both_sides, felt_root

TERRITORIES = (*ROOTS, "disc", "facet", "sacroiliac", "piriformis", "hip", "trochanter")
ABOVE_THIGH = np.isin(REGIONS, ["low_back", "buttock", "groin", "lateral_hip"])
"""(region,) where the pain of a root is that does not go down the leg."""
ODI_ERROR_SD = 8.0
"""Of one filled-in ODI: two forms of 104 patients differed by 9.2 on average, up as often as down, so by an
SD of 11.5, over the square root of 2 (Alhaug 2021)."""

TERRITORY_SD = 0.7
"""Log-odds by which a patient's own territory differs from the published shares."""
LOW_BACK_ONLY = 0.25
"""How much the back pain beside another source keeps of its territory beyond the low back."""
LITTLE = 0.2
"""Intensity of the pain of who says that there is none."""
FORGOTTEN = 0.10
STRAY = 0.015
"""Chance that a place of the drawing is left out, or marked by mistake."""


@dataclass(frozen=True)
class Pain:
    leg: np.ndarray
    """Latent intensity 0 to 10."""
    back: np.ndarray
    disability: np.ndarray
    """Latent ODI, before the error of one form."""
    drawing: np.ndarray
    """(n, region, side) 0 to 10."""
    upper: np.ndarray
    columns: dict[str, np.ndarray]


def reported_pain(
    rng: Generator, people: People, anatomy: Anatomy, sources: Sources, drawing_extent: float = 0.0
) -> Pain:
    """The pain of these sources, as these people report it; `drawing_extent` in log-odds of a mark."""
    leg, back, disability = _latent(rng, people, sources)
    drawing = drawn_pain(rng, anatomy, sources, leg, back, drawing_extent)
    upper = _upper_pain(rng, sources, people.burden)
    n = len(leg)
    odi = whole(disability + rng.normal(0, ODI_ERROR_SD, n), 2, 100, 2)
    nrs_back = whole(back + rng.normal(0, 0.8, n), 0, 10)
    nrs_leg = whole(leg + rng.normal(0, 0.8, n), 0, 10)
    columns = {
        "odi": odi,
        "nrs_back": nrs_back,
        "nrs_leg": nrs_leg,
        "eq5d_index": eq5d(rng, disability, people.burden),
    }
    columns |= _behaviour(rng, sources, anatomy, people, leg, disability)
    return Pain(leg=leg, back=back, disability=disability, drawing=drawing, upper=upper, columns=columns)


def eq5d(rng: Generator, disability: np.ndarray, burden: np.ndarray) -> np.ndarray:
    """EQ-5D-3L index (UK), bimodal as it is known to be; -0.59 to 1."""
    latent = 0.92 - 0.0108 * disability - 0.05 * burden + rng.normal(0, 0.13, len(disability))
    latent = np.where(latent < 0.48, latent - 0.22, latent + 0.05)
    return np.round(np.clip(latent, -0.59, 1.0), 3)


def _latent(rng: Generator, people: People, sources: Sources) -> tuple[np.ndarray, ...]:
    n, at = len(people.burden), people.presentation
    leg_mean, back_mean = (fact_by("presentations", PRESENTATIONS, f"{q}_mean")[at] for q in ("leg", "back"))
    axial = np.isin(sources.main.kind, [GENERATORS.index("disc"), GENERATORS.index("facet")])
    common = rng.normal(0, 1, n)
    leg_sd, back_sd = (np.where(at == PRESENTATIONS.index("axial"), *own) for own in ((2.2, 1.7), (1.7, 2.3)))
    leg = leg_mean + 0.9 * common + leg_sd * rng.normal(0, 1, n) + 0.2 * people.burden - 2.0 * (axial & (at != 3))
    back = back_mean + 0.9 * common + back_sd * rng.normal(0, 1, n) + 0.28 * people.burden + 1.3 * (axial & (at != 3))
    back += 0.8 * sources.sensitised
    # A hip or a piriformis hurts in the leg, whatever the scan shows.
    leg += 1.5 * (np.isin(sources.main.kind, [8, 9]) & (at == 3))
    leg, back = np.clip(leg, 0.3, 10), np.clip(back, 0.3, 10)
    leg, back = np.where(people.no_leg_pain, LITTLE, leg), np.where(people.no_back_pain, LITTLE, back)
    mean, sd = (fact_by("presentations", PRESENTATIONS, f"odi_{q}")[at] for q in ("mean", "sd"))
    score = 0.28 * (leg - leg_mean) / 1.9 + 1.0 * (back - back_mean) / 2.4 + 0.26 * people.burden
    spread = np.sqrt(np.maximum(sd**2 - ODI_ERROR_SD**2, 25))
    disability = mean + spread * (0.91 * score + 0.42 * rng.normal(0, 1, n))
    return leg, back, np.clip(disability, 8, 96)


def drawn_pain(
    rng: Generator, anatomy: Anatomy, sources: Sources, leg: np.ndarray, back: np.ndarray, extent: float = 0.0
) -> np.ndarray:
    """(n, region, side) intensity drawn: every source in its territory, then what one misplaces.

    Territories vary by patient: the log-odds of every share carry a patient's own noise.
    """
    kind, n = sources.main.kind, len(leg)
    sides = both_sides(sources.main.side)
    territory = np.where(kind < ROOT_LESIONS, felt_root(sources.main, anatomy), kind - ROOT_LESIONS + len(ROOTS))
    located = kind != GENERATORS.index("central_sensitisation")
    second = felt_root(sources.second, anatomy)
    layers = [
        _felt(
            rng,
            territory,
            sides & located[:, None],
            np.where(kind < ROOT_LESIONS, leg, np.maximum(leg, back) * 0.9),
            extent,
        ),
        _felt(rng, second, both_sides(sources.second.side), leg * (0.3 + sources.second_share), extent),
        _felt(rng, np.full(n, TERRITORIES.index("disc")), np.ones((n, 2), dtype=bool), back, extent, LOW_BACK_ONLY),
    ]
    beside = np.maximum(1, 8 * (0.25 + sources.mimic_share))
    for place, mimic in enumerate(("sacroiliac", "piriformis", "hip")):
        here = sources.mimics[:, place] & (kind != SPINAL + place)[:, None]
        layers.append(_felt(rng, np.full(n, TERRITORIES.index(mimic)), here, beside, extent))
    layers.append(_felt(rng, np.full(n, TERRITORIES.index("trochanter")), sources.trochanter, beside, extent))
    diffuse = happens(rng, (0.42 * sources.sensitised)[:, None, None], (n, len(REGIONS), 2))
    layers.append(diffuse * rng.uniform(2, 7, diffuse.shape))
    drawing = np.maximum.reduce(layers)
    # Of two drawings a minute apart, only 62 % overlaps (Leoni 2013).
    forgotten = happens(rng, FORGOTTEN, drawing.shape)
    stray = happens(rng, STRAY, drawing.shape) * rng.uniform(1, 5, drawing.shape)
    return whole(np.maximum(np.where(forgotten, 0, drawing), stray), 0, 10)


def _felt(
    rng: Generator,
    territory: np.ndarray,
    sides: np.ndarray,
    intensity: np.ndarray,
    extent: float,
    narrow: float = 1.0,
) -> np.ndarray:
    """(n, region, side) intensity of one source; `narrow` shrinks all shares but that of the low back."""
    shares = fact_grid("territories", TERRITORIES, REGIONS)[np.maximum(territory, 0)]
    shares = np.where(np.arange(len(REGIONS)) == 0, shares, shares * narrow)
    stays = happens(rng, fact_grid("territories", TERRITORIES, ("above_thigh_only",))[np.maximum(territory, 0)])
    shares = np.where(stays & ~ABOVE_THIGH, 0, shares)
    own = shifted(shares, extent + TERRITORY_SD * rng.normal(0, 1, shares.shape))
    marked = happens(rng, own[:, :, None], (*shares.shape, 2))
    marked &= (sides & (territory >= 0)[:, None])[:, None, :]
    strength = intensity[:, None, None] * rng.beta(6, 1.6, marked.shape)
    return np.where(marked, np.maximum(strength, 1), 0)


def _upper_pain(rng: Generator, sources: Sources, burden: np.ndarray) -> np.ndarray:
    share = shifted(0.10, 0.5 * burden + 1.9 * sources.sensitised)[:, None, None]
    marked = happens(rng, share * np.array([1, 0.8, 0.7, 0.35])[None, :, None], (len(burden), len(UPPER_REGIONS), 2))
    return whole(marked * rng.uniform(1, 8, marked.shape), 0, 10)


def _behaviour(
    rng: Generator,
    sources: Sources,
    anatomy: Anatomy,
    people: People,
    leg: np.ndarray,
    disability: np.ndarray,
) -> dict[str, np.ndarray]:
    """Answers on posture, and the tolerances that follow from the source."""
    kind, n = sources.main.kind, len(leg)
    items = tuple(facts("symptoms")["variable"])
    shares = fact_grid("symptoms", items, GENERATORS)
    columns = {item: happens(rng, shares[i][kind]) * 1.0 for i, item in enumerate(items)}
    vascular = people.columns["has_vascular_disease"] > 0
    standing = columns["is_relieved_by_standing_still"]
    columns["is_relieved_by_standing_still"] = np.where(vascular & happens(rng, 0.6, (n,)), 1.0, standing)
    claudicant = np.isin(kind, [1, 2, 4])
    walking = np.exp(rng.normal(np.where(claudicant, 5.7, 6.9), 1.1) - 0.02 * (disability - 42))
    neuropathic = np.where(kind < ROOT_LESIONS, 4.2, 2.6) + 0.5 * people.burden + 0.9 * sources.sensitised
    polyneuropathy = people.columns["has_polyneuropathy"] > 0
    sitting = np.exp(rng.normal(np.where(columns["is_worse_on_sitting"] > 0, 3.2, 4.3), 0.6))
    return columns | {
        "has_stocking_numbness": happens(rng, np.where(polyneuropathy, 0.75, 0.04)) * 1.0,
        "morning_stiffness_min": np.minimum(whole(rng.gamma(1.2, 18, n), 0, 240, 5), 240),
        "sitting_tolerance_min": whole(sitting, 5, 240, 5),
        "walking_distance_m": np.where(walking > 4000, 5000, whole(walking, 10, 5000, 10)),
        "neuropathic_quality_dn4": whole(neuropathic + polyneuropathy + rng.normal(0, 1.9, n), 0, 10),
    }
