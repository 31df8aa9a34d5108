"""The spine and hips as they are: wear and incidental findings, before anything hurts.

Patient-level shares of people without pain (tables/incidental.csv) are spread over the levels; a latent
wear makes findings come together. Which lesion hurts is decided in `sources.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.special import expit, logit

from features.axes import LEVELS
from pipeline.virtual.draws import happens, picked, shifted
from pipeline.virtual.facts import constant, fact_grid, share_at_age

WEAR_SD = 0.8
WEAR_MEAN = -0.05
"""The operated are more worn than the referred; below 0, so that it is they who have the published shares."""
STEEPER = float(np.sqrt(1 + 0.346 * WEAR_SD**2))
"""Of log-odds whose mean over a normal spread of this SD shall be the published one (Zeger 1988)."""
SLOTS: tuple[tuple[str, str | None], ...] = (
    ("central", None),
    ("paracentral", "left"),
    ("foraminal", "left"),
    ("far_lateral", "left"),
    ("paracentral", "right"),
    ("foraminal", "right"),
    ("far_lateral", "right"),
)
"""Places of a herniation within a level; a central one has no side."""
TRANSITIONAL = ("none", "sacralised_l5", "lumbarised_s1", "unknown")


def slot(zone: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Place in SLOTS of a lateral zone (1 paracentral, 2 foraminal, 3 far lateral) and side."""
    return zone + 3 * side


@dataclass(frozen=True)
class Anatomy:
    """Grades by level, and by slot or side where there is one, in the codes of the dictionary."""

    herniation: np.ndarray
    """(n, level, slot) 0 to 4."""
    migration: np.ndarray
    """(n, level) 0 none, 1 up, 2 down."""
    central: np.ndarray
    recess: np.ndarray
    foraminal: np.ndarray
    cyst: np.ndarray
    slip: np.ndarray
    lysis: np.ndarray
    disc: np.ndarray
    modic: np.ndarray
    facet: np.ndarray
    fissure: np.ndarray
    transitional: np.ndarray
    """Place in TRANSITIONAL."""
    root_shift: np.ndarray
    """By how many roots function is off the count of the vertebrae (-1, 0 or 1)."""
    cobb: np.ndarray
    hip_osteoarthritis: np.ndarray
    """(n, side) Kellgren-Lawrence 0 to 4."""


def worn_anatomy(rng: Generator, age: np.ndarray) -> Anatomy:
    """What would be seen in these people had they no pain."""
    n, wear = len(age), rng.normal(WEAR_MEAN, WEAR_SD, len(age))

    def by_level(finding: str, extra: float = 0.0) -> np.ndarray:
        weights = fact_grid("generator_levels", ("incidental",), LEVELS)[0]
        share = shifted(share_at_age("incidental", finding, age), extra)
        # Steeper, so that the mean over wear is the published share.
        share = expit(logit(share) * STEEPER + wear)
        # The share of patients with the finding at any level, spread over the levels.
        return 1 - (1 - share)[:, None] ** (weights / weights.sum())

    worn = happens(rng, by_level("disc_degeneration"))
    disc = np.where(worn, 3 + happens(rng, _late(age, wear), worn.shape), 2 - (age < 32)[:, None] * 1.0)
    disc = disc + ((disc == 4) & happens(rng, _late(age, wear) * 0.45, worn.shape))
    herniation = np.zeros((n, len(LEVELS), len(SLOTS)))
    bulge = happens(rng, by_level("bulge"))
    herniation[..., 0] = bulge
    protruded = happens(rng, by_level("protrusion"))
    where = picked(rng, np.array([0.3, 0.28, 0.05, 0.02, 0.28, 0.05, 0.02]), n * len(LEVELS))
    where = where.reshape(n, len(LEVELS))
    case, level = np.nonzero(protruded)
    grade = 2 + happens(rng, 0.07, case.shape)
    herniation[case, level, where[case, level]] = grade
    facet = happens(rng, by_level("facet")) * (1 + picked(rng, np.array([0.5, 0.35, 0.15]), n))[:, None]
    central = _graded(rng, 1 - (1 - by_level("central")) ** 1.4, 0.17)
    modic = np.where(happens(rng, by_level("modic", 0.5)), 1 + picked(rng, np.array([0.3, 0.62, 0.08]), n)[:, None], 0)
    slip_weight = np.array([0.02, 0.05, 0.2, 1.0, 0.35]) / 1.62
    transitional, root_shift = _transitional(rng, n)
    curved = happens(rng, shifted(constant("scoliosis_at_60"), 0.06 * (age - 60)))
    return Anatomy(
        herniation=herniation,
        migration=np.zeros((n, len(LEVELS)), dtype=int),
        central=central,
        recess=_graded(rng, _sided(by_level("recess")), 0.18),
        foraminal=_graded(rng, _sided(by_level("foraminal")), 0.2),
        cyst=happens(rng, _sided(by_level("cyst"))) * 1.0,
        slip=happens(rng, 1 - (1 - share_at_age("incidental", "slip", age)[:, None]) ** slip_weight) * 1.0,
        lysis=happens(rng, share_at_age("incidental", "lysis", age)[:, None] * [0, 0, 0.03, 0.12, 0.85]) * 1.0,
        disc=disc.astype(float),
        modic=modic.astype(float),
        facet=facet.astype(float),
        fissure=happens(rng, by_level("annular_fissure")) * 1.0,
        transitional=transitional,
        root_shift=root_shift,
        cobb=np.round(np.where(curved, rng.gamma(4, 4.5, n), rng.gamma(2, 1.5, n))),
        hip_osteoarthritis=_hips(rng, age),
    )


def incidental_findings(anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Whether each finding is there at any level, by the names in the literature."""
    lateral = anatomy.herniation.max(axis=2)
    found = {
        "disc_degeneration": anatomy.disc >= 3,
        "disc_bulge": anatomy.herniation[..., 0] == 1,
        "disc_protrusion": lateral >= 2,
        "annular_fissure": anatomy.fissure >= 1,
        "facet_arthropathy": anatomy.facet >= 1,
        "slip": anatomy.slip >= 1,
    }
    return {name: at_level.any(axis=1) for name, at_level in found.items()}


def _late(age: np.ndarray, wear: np.ndarray) -> np.ndarray:
    return shifted(0.42, 0.45 * (age - 50) / 10 + wear)[:, None]


def _sided(share: np.ndarray) -> np.ndarray:
    return np.repeat((1 - (1 - share) ** 0.75)[..., None], 2, axis=-1)


def _graded(rng: Generator, share: np.ndarray, worse: float) -> np.ndarray:
    """Grade 1 where the finding is, sometimes 2, seldom 3."""
    found = happens(rng, share)
    more = happens(rng, worse, share.shape)
    return found * (1.0 + more + (more & happens(rng, 0.15, share.shape)))


def _transitional(rng: Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Transitional vertebrae, and by how much the roots are shifted."""
    shares = [constant(name) for name in ("sacralised_l5", "lumbarised_s1", "transitional_unclear")]
    kind = picked(rng, np.array([1 - sum(shares), *shares]), n)
    off = happens(rng, constant("roots_shifted_if_transitional"), (n,)) & (kind > 0)
    direction = np.where(kind == 2, 1, -1)
    other = happens(rng, constant("roots_shifted_otherwise"), (n,))
    furcal = np.where(other, np.where(happens(rng, 0.5, (n,)), 1, -1), 0)
    return kind, np.where(off, direction, furcal)


def _hips(rng: Generator, age: np.ndarray) -> np.ndarray:
    share = share_at_age("incidental", "hip_osteoarthritis", age)[:, None] + rng.normal(0, 0.01, (len(age), 2))
    worn = happens(rng, share)
    return np.where(
        worn,
        2 + picked(rng, np.array([0.35, 0.45, 0.2]), 2 * len(age)).reshape(-1, 2),
        happens(rng, 0.2, worn.shape) * 1,
    )
