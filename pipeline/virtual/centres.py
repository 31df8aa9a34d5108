"""Centres of unequal size, case mix, thresholds, skill and completeness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pipeline.virtual.draws import picked
from pipeline.virtual.facts import fact_by
from pipeline.virtual.parameters import DIAGNOSES, RegistryParams

PRESENTATIONS = ("radicular", "claudicant", "slip", "axial")
"""The pictures with which patients are referred, in the order of the DIAGNOSES that they suggest."""


RAKING_ROUNDS = 20
"""More change no share by 1e-6."""


@dataclass(frozen=True)
class Centres:
    """(n_centres,) each, but `mix` (n_centres, presentation)."""

    size: np.ndarray
    mix: np.ndarray
    skill: np.ndarray
    """How much the pain, beside the picture, weighs in the choice of the lesion; about 1."""
    threshold: np.ndarray
    """Log-odds by which the centre lists less readily."""
    gaps: np.ndarray
    """Log-odds by which its records are less complete."""
    silence: np.ndarray
    """Log-odds by which its patients answer less often."""
    quality: np.ndarray
    """Log-odds of failure beside what its patients bring."""
    reads_upper_levels: np.ndarray
    """Share of scans on which it reads L1-L2 as well."""


def drawn_centres(rng: Generator, params: RegistryParams) -> Centres:
    """Centres as different as those of a national registry; spreads are assumptions."""
    n, shares = params.centres, fact_by("presentations", PRESENTATIONS, "share")
    size = np.sort(np.exp(rng.normal(0, 0.5, n)))[::-1]
    if params.centre_shares:
        size = np.array(params.centre_shares, dtype=float)
    if params.diagnosis_mix:
        shares = np.array([params.diagnosis_mix.get(diagnosis, 0.0) for diagnosis in DIAGNOSES])
    own = np.exp(rng.normal(0, 0.22, (n, 4)))
    gaps = rng.normal(0, 0.35, n)
    lowest_detail = np.argsort(gaps)[::-1] < 0.25 * n
    size = size / size.sum()
    mix = _raked(shares * own, size, shares / shares.sum())

    def spread(sd: float) -> np.ndarray:
        """Differences of centres about nought, so that the whole registry keeps its base rates."""
        values = rng.normal(0, sd, n)
        return values - size @ values

    return Centres(
        size=size,
        mix=mix,
        skill=1 + spread(0.2),
        threshold=spread(0.3),
        gaps=gaps - size @ gaps,
        silence=spread(0.25),
        quality=spread(0.15),
        reads_upper_levels=np.where(lowest_detail, 0.45, 0.995),
    )


def _raked(mix: np.ndarray, size: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(n_centres, presentation) the mixes scaled until together they are the shares of the whole registry."""
    for _ in range(RAKING_ROUNDS):
        mix = mix / mix.sum(axis=1, keepdims=True)
        together = size @ mix
        mix = mix * np.where(together > 0, shares / np.where(together > 0, together, 1), 0)
    return mix / mix.sum(axis=1, keepdims=True)


def centre_of(rng: Generator, centres: Centres, n: int) -> np.ndarray:
    """(n,) centre of each candidate."""
    return picked(rng, centres.size, n)
