"""The scan as it was read: grades off by a step, zones mistaken, levels miscounted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import LEVELS
from pipeline.virtual.anatomy import SLOTS, TRANSITIONAL, Anatomy
from pipeline.virtual.draws import happens, picked, whole, words_if
from pipeline.virtual.facts import constant, fact
from pipeline.virtual.record import grid_columns, name_of

NUMBERING = ("whole_spine", "landmarks", "assumed", "unknown")
MIGRATION = np.array(["none", "up", "down"], dtype=object)


@dataclass(frozen=True)
class Reading:
    """What the report says, on the levels as they were counted."""

    herniation: np.ndarray
    central: np.ndarray
    recess: np.ndarray
    foraminal: np.ndarray
    root_compression: np.ndarray
    slip: np.ndarray
    disc: np.ndarray
    modic: np.ndarray
    shift: np.ndarray
    """A lesion truly at level l is read at level l + shift."""
    columns: dict[str, np.ndarray]


def read_scan(rng: Generator, anatomy: Anatomy, error: float = 1.0) -> Reading:
    """One reader's report of every level; `error` multiplies the chance of each misreading."""
    n = len(anatomy.transitional)
    method = picked(rng, np.array([0.07, 0.76, 0.14, 0.03]), n)
    shift = _numbering_shift(rng, anatomy.transitional, method)

    def read(finding: str, grades: np.ndarray, upper: int, lower: int = 0) -> np.ndarray:
        return at_counted_level(read_with_error(rng, finding, grades, error, lower, upper), shift, lower)

    herniation = at_counted_level(_misread_herniation(rng, anatomy.herniation, error), shift, 0)
    compression = read("root_compression", _root_compression(anatomy), 3)
    readings = {
        "central_stenosis": read("central_stenosis", anatomy.central, 3),
        "slip": read("slip", anatomy.slip, 4),
        "spondylolysis": read("spondylolysis", anatomy.lysis, 1),
        "disc_degeneration": read("disc_degeneration", anatomy.disc, 5, 1),
        "modic": read("modic", anatomy.modic, 3),
        "facet_arthropathy": read("facet_arthropathy", anatomy.facet, 3),
        "annular_fissure": read("annular_fissure", anatomy.fissure, 1),
    }
    sided = {
        "recess_stenosis": read("recess_stenosis", anatomy.recess, 3),
        "foraminal_stenosis": read("foraminal_stenosis", anatomy.foraminal, 3),
        "synovial_cyst": read("synovial_cyst", anatomy.cyst, 1),
        "root_compression": compression,
    }
    columns = _herniation_columns(herniation, at_counted_level(anatomy.migration, shift, 0))
    for item, grades in readings.items():
        columns |= grid_columns(item, grades, "level")
    for item, grades in sided.items():
        columns |= grid_columns(item, grades, "level", "side")
    columns |= _whole_scan(rng, anatomy, method)
    return Reading(
        herniation=herniation,
        central=readings["central_stenosis"],
        recess=sided["recess_stenosis"],
        foraminal=sided["foraminal_stenosis"],
        root_compression=compression,
        slip=readings["slip"],
        disc=readings["disc_degeneration"],
        modic=readings["modic"],
        shift=shift,
        columns=columns,
    )


def grades_at(reading: Reading, level: str = "l4_l5") -> dict[str, np.ndarray]:
    """(n,) each finding at one counted level; of a finding with sides, on the left."""
    slots = [reading.columns[name_of("herniation", level=level, zone=zone, side=side)] for zone, side in SLOTS]
    one = ("central_stenosis", "slip", "disc_degeneration", "modic", "facet_arthropathy", "annular_fissure")
    sided = ("recess_stenosis", "foraminal_stenosis", "root_compression")
    grades = {"herniation": np.max(slots, axis=0)}
    grades |= {item: reading.columns[name_of(item, level=level)] for item in one}
    grades |= {item: reading.columns[name_of(item, level=level, side="left")] for item in sided}
    return {item: np.asarray(grade, dtype=float) for item, grade in grades.items()}


def _numbering_shift(rng: Generator, transitional: np.ndarray, method: np.ndarray) -> np.ndarray:
    """Off by one in some, mostly with a transitional vertebra."""

    def chance_of(spine: str, counted_whole: float) -> np.ndarray:
        landmarks, assumed = (constant(f"miscounted_{spine}_{how}") for how in ("landmarks", "assumed"))
        return np.array([counted_whole, landmarks, assumed, assumed])[method]

    chance = np.where(transitional > 0, chance_of("transitional", 0.01), chance_of("otherwise", 0.0))
    direction = np.where(transitional == TRANSITIONAL.index("lumbarised_s1"), 1, -1)
    return np.where(happens(rng, chance), direction, 0)


def at_counted_level(grades: np.ndarray, shift: np.ndarray, lower: int) -> np.ndarray:
    """The grades moved along the levels; what comes in from beyond the lumbar spine is normal."""
    moved = grades.copy()
    for by, (onto, off, new) in {
        1: (slice(1, None), slice(None, -1), 0),
        -1: (slice(None, -1), slice(1, None), -1),
    }.items():
        case = shift == by
        moved[case, onto] = grades[case, off]
        moved[case, new] = max(lower, 0)
    return moved


def read_with_error(
    rng: Generator, finding: str, grades: np.ndarray, error: float, lower: int, upper: int
) -> np.ndarray:
    """One step off with the chance of the table times `error`, another one where the place is normal."""
    overread, misread = (fact("reader_error", finding, kind) for kind in ("overread", "misread"))
    chance = error * np.where(grades <= lower, overread, misread)
    step = np.where(happens(rng, 0.55, grades.shape), -1, 1)
    step = np.where(grades <= lower, 1, step)
    return np.clip(grades + step * happens(rng, chance), lower, upper)


def _misread_herniation(rng: Generator, herniation: np.ndarray, error: float) -> np.ndarray:
    read = read_with_error(rng, "herniation", herniation, error, 0, 4)
    # A bulge is all round, so a lateral place is either normal or more than a bulge.
    read[..., 1:] = np.where(read[..., 1:] == 1, np.where(herniation[..., 1:] > 1, 2, 0), read[..., 1:])
    overlooked = [constant(f"{zone}_herniation_missed") for zone in ("foraminal", "far_lateral")]
    for lateral in (1, 4):
        far = slice(lateral + 1, lateral + 3)
        missed = happens(rng, error * np.array(overlooked), (*read.shape[:2], 2))
        read[..., far] = np.where(missed, 0, read[..., far])
        mistaken = (
            happens(rng, error * constant("zone_mistaken"), read.shape[:2])
            & (read[..., lateral] > 0)
            & (read[..., lateral + 1] == 0)
        )
        read[..., lateral + 1] = np.where(mistaken, read[..., lateral], read[..., lateral + 1])
        read[..., lateral] = np.where(mistaken, 0, read[..., lateral])
    return read


def _root_compression(anatomy: Anatomy) -> np.ndarray:
    """(n, level, side) 0 to 3: no contact, contact, deviation, compression of the traversing root."""
    lateral = np.stack([anatomy.herniation[..., 1], anatomy.herniation[..., 4]], axis=-1)
    by_disc = np.where(lateral >= 3, 3, np.where(lateral == 2, 2, 0))
    by_canal = np.where(anatomy.central == 3, 2, 0)[..., None]
    return np.maximum.reduce([by_disc, anatomy.recess, np.broadcast_to(by_canal, by_disc.shape)])


def _herniation_columns(herniation: np.ndarray, migration: np.ndarray) -> dict[str, np.ndarray]:
    columns = {
        name_of("herniation", level=level, zone=zone, side=side): herniation[:, i, j]
        for i, level in enumerate(LEVELS)
        for j, (zone, side) in enumerate(SLOTS)
    }
    fragment = herniation.max(axis=2) >= 3
    words = words_if(fragment, MIGRATION[migration])
    return columns | grid_columns("migration", words, "level")


def _whole_scan(rng: Generator, anatomy: Anatomy, method: np.ndarray) -> dict[str, np.ndarray]:
    n = len(method)
    kind = np.where((anatomy.transitional > 0) & happens(rng, 0.15, (n,)), 0, anatomy.transitional)
    cobb = whole(anatomy.cobb + rng.normal(0, 2.5, n), 0, 90)
    return {
        "numbering_method": np.array(NUMBERING, dtype=object)[method],
        "transitional_vertebra": np.array(TRANSITIONAL, dtype=object)[kind],
        "scan_age_months": whole(rng.gamma(1.6, 2.6, n), 0, 36),
        "scoliosis_cobb_deg": cobb,
        "pi_ll_mismatch_deg": whole(rng.normal(6 + 0.25 * (cobb - 5), 11, n), -35, 60),
    }
