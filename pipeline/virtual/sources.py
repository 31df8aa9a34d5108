"""What really hurts: one main source of the pain, sometimes a second, and mimics beside it.

A mimic is a source that is not the lumbar spine. Patients whose main source is no visible lesion have
an incidental lesion instead, or nobody would have thought of an operation: the decoy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from features.axes import LEVELS, ROOTS
from pipeline.virtual.anatomy import Anatomy, slot
from pipeline.virtual.centres import PRESENTATIONS
from pipeline.virtual.draws import happens, picked, shifted
from pipeline.virtual.facts import fact_grid
from pipeline.virtual.people import People

GENERATORS = (
    "herniation",
    "recess_stenosis",
    "central_stenosis",
    "foraminal_stenosis",
    "slip",
    "disc",
    "facet",
    "sacroiliac",
    "piriformis",
    "hip",
    "central_sensitisation",
)
ROOT_LESIONS = 5
"""The first five compress roots."""
SPINAL = 7
"""The first seven lie in the lumbar spine."""
BOTH = 2
"""Side of a source felt on both sides; 0 is left, 1 right."""
NONE = -1
HERNIATION_ZONES = np.array([0.96, 0.025, 0.015])
"""Shares of painful herniations that are paracentral, foraminal and far lateral (an assumption)."""
UPWARD_AT_EXITING_ROOT = 0.25
"""Share of upward fragments that reach the root that leaves above (an assumption)."""


@dataclass(frozen=True)
class Lesion:
    """A lesion put into the anatomy: kind (place in GENERATORS), level, side, zone and root; -1 is none."""

    kind: np.ndarray
    level: np.ndarray
    side: np.ndarray
    zone: np.ndarray
    """0 canal and recess, 1 foramen and beyond."""
    root: np.ndarray
    """Place in ROOTS by the count of vertebrae."""
    grade: np.ndarray


@dataclass(frozen=True)
class Sources:
    main: Lesion
    second: Lesion
    """A second painful lesion; kind -1 where there is none."""
    second_share: np.ndarray
    """Share of the pain that the second lesion makes."""
    mimics: np.ndarray
    """(n, mimic, side) whether sacroiliac joint, piriformis or hip hurts, main source or beside it."""
    trochanter: np.ndarray
    """(n, side) greater trochanteric pain."""
    mimic_share: np.ndarray
    """Share of the pain that mimics make beside a main source that is not one."""
    sensitised: np.ndarray
    """Whether pain is widespread and centrally maintained, main source or beside it."""


def pain_sources(rng: Generator, people: People, anatomy: Anatomy) -> tuple[Sources, Anatomy]:
    """The sources behind each patient, and the anatomy with the lesions that hurt (or deceive) in it."""
    kind = _main_kind(rng, people, anatomy)
    anatomy, main = _with_lesion(rng, anatomy, kind, milder=np.zeros(len(kind), dtype=bool))
    second_kind = _second_kind(rng, people, main)
    anatomy, second = _with_lesion(rng, anatomy, second_kind, milder=np.ones(len(kind), dtype=bool), near=main)
    decoy_kind = _decoy_kind(rng, people, main)
    at = np.where(decoy_kind == GENERATORS.index("slip"), main.level, NONE)
    anatomy, _ = _with_lesion(rng, anatomy, decoy_kind, milder=happens(rng, 0.6, kind.shape), at=at)
    mimics, trochanter = _mimics(rng, people, main, anatomy)
    beside = (mimics.any(axis=(1, 2)) | trochanter.any(axis=1)) & (kind < SPINAL)
    widespread = people.columns["has_widespread_pain_syndrome"]
    sensitised = happens(rng, shifted(0.04, 0.8 * people.burden + 1.2 * widespread))
    return (
        Sources(
            main=main,
            second=second,
            second_share=np.where(second.kind >= 0, rng.uniform(0.2, 0.45, len(kind)), 0),
            mimics=mimics,
            trochanter=trochanter,
            mimic_share=np.where(beside, rng.uniform(0.1, 0.4, len(kind)), 0),
            sensitised=sensitised | (kind == GENERATORS.index("central_sensitisation")),
        ),
        anatomy,
    )


def _main_kind(rng: Generator, people: People, anatomy: Anatomy) -> np.ndarray:
    mix = fact_grid("generator_mix", GENERATORS, PRESENTATIONS).T[people.presentation].copy()
    mix = np.exp(rng.normal(0, 0.05, mix.shape)) * mix
    mix[:, GENERATORS.index("central_sensitisation")] *= np.exp(
        0.7 * people.burden + people.columns["has_widespread_pain_syndrome"]
    )
    worn_hip = anatomy.hip_osteoarthritis.max(axis=1) >= 2
    mix[:, GENERATORS.index("hip")] *= np.where(worn_hip, 4.0, 0.25)
    mix[:, GENERATORS.index("sacroiliac")] *= 1 + 0.6 * np.nan_to_num(people.columns["has_earlier_fusion"])
    return picked(rng, mix)


def _second_kind(rng: Generator, people: People, main: Lesion) -> np.ndarray:
    often = np.array([0.06, 0.30, 0.25, 0.06])[people.presentation]
    there = happens(rng, often) & (main.kind < SPINAL)
    return np.where(there, 1 + picked(rng, np.array([0.5, 0.25, 0.25]), len(often)), NONE)


def _decoy_kind(rng: Generator, people: People, main: Lesion) -> np.ndarray:
    """The lesion on the scan of patients whose pain comes from elsewhere; a slip where one was referred."""
    mix = fact_grid("generator_mix", GENERATORS, PRESENTATIONS).T[people.presentation][:, :6]
    unseen = (main.kind >= 5) & ~((main.kind < SPINAL) & (people.presentation == 3))
    decoy = np.where(unseen, picked(rng, mix), NONE)
    slipped = (people.presentation == 2) & (main.kind != GENERATORS.index("slip"))
    return np.where(slipped, GENERATORS.index("slip"), decoy)


def _mimics(rng: Generator, people: People, main: Lesion, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    n = len(main.kind)
    mimics = np.zeros((n, 3, 2), dtype=bool)
    fused = np.nan_to_num(people.columns["has_earlier_fusion"])
    mimics[:, 0] = happens(rng, (0.03 + 0.05 * fused)[:, None], (n, 2))
    mimics[:, 1] = happens(rng, 0.012, (n, 2))
    mimics[:, 2] = happens(rng, 0.30 * (anatomy.hip_osteoarthritis >= 2) + 0.004)
    for place, name in enumerate(GENERATORS[SPINAL:10]):
        case = np.flatnonzero(main.kind == GENERATORS.index(name))
        mimics[case, place, main.side[case]] = True
    female = 1 - people.columns["is_male"]
    trochanter = happens(rng, (0.03 + 0.05 * female)[:, None], (n, 2))
    return mimics, trochanter


def _with_lesion(
    rng: Generator,
    anatomy: Anatomy,
    kind: np.ndarray,
    milder: np.ndarray,
    near: Lesion | None = None,
    at: np.ndarray | None = None,
) -> tuple[Anatomy, Lesion]:
    """The anatomy with one more lesion of the given kind in each case; kind -1 or a mimic adds none."""
    n = len(kind)
    in_spine = (kind >= 0) & (kind < SPINAL)
    shares = fact_grid("generator_levels", GENERATORS[:SPINAL], LEVELS)[np.clip(kind, 0, SPINAL - 1)]
    level = picked(rng, shares)
    if near is not None:
        beside = near.level + np.where(happens(rng, 0.65, (n,)), -1, 1)
        level = np.where((beside >= 0) & (beside < len(LEVELS)), beside, np.maximum(near.level - 1, 0))
    if at is not None:
        level = np.where(at >= 0, at, level)
    level = np.where(in_spine, level, NONE)
    side = happens(rng, 0.5, (n,)).astype(int)
    if near is not None:
        side = np.where(near.side < BOTH, near.side, side)
    placed = replace(
        anatomy,
        **{
            f: getattr(anatomy, f).copy()
            for f in (
                "herniation",
                "migration",
                "central",
                "recess",
                "foraminal",
                "cyst",
                "slip",
                "lysis",
                "disc",
                "modic",
                "facet",
                "fissure",
            )
        },
    )
    zone, root, grade = np.zeros(n, dtype=int), np.full(n, NONE), np.zeros(n)
    for place, put in enumerate(
        (_put_herniation, _put_recess, _put_central, _put_foraminal, _put_slip, _put_disc, _put_facet)
    ):
        case = np.flatnonzero(kind == place)
        zone[case], root[case], grade[case] = put(rng, placed, case, level[case], side[case], milder[case])
    bilateral = np.isin(kind, [2, 5, 6, 10]) | ((kind == 4) & happens(rng, 0.45, (n,)))
    side = np.where(bilateral, BOTH, np.where(kind < 0, NONE, side))
    return placed, Lesion(kind=kind, level=level, side=side, zone=zone, root=root, grade=grade)


Put = tuple[np.ndarray, np.ndarray, np.ndarray]


def _at_least(grades: np.ndarray, place: tuple[np.ndarray, ...], value: np.ndarray) -> None:
    grades[place] = np.maximum(grades[place], value)


def _put_herniation(
    rng: Generator, spine: Anatomy, case: np.ndarray, level: np.ndarray, side: np.ndarray, milder: np.ndarray
) -> Put:
    n = len(case)
    where = picked(rng, HERNIATION_ZONES, n) + 1
    shares = np.where(milder[:, None], [0.75, 0.22, 0.03], [0.33, 0.51, 0.16])
    grade = 2.0 + picked(rng, shares)
    moved = np.where(grade >= 3, picked(rng, np.array([0.55, 0.13, 0.32]), n), 0)
    _at_least(spine.herniation, (case, level, slot(where, side)), grade)
    spine.migration[case, level] = np.where(where == 1, moved, 0)
    _at_least(spine.disc, (case, level), 3.0 + happens(rng, 0.45, (n,)))
    _at_least(spine.recess, (case, level, side), np.where((where == 1) & happens(rng, 0.3, (n,)), 1.0, 0.0))
    exits = (where > 1) | ((moved == 1) & happens(rng, UPWARD_AT_EXITING_ROOT, (n,)))
    return (where > 1).astype(int), level + 1 - exits, grade


def _put_recess(
    rng: Generator, spine: Anatomy, case: np.ndarray, level: np.ndarray, side: np.ndarray, milder: np.ndarray
) -> Put:
    n = len(case)
    grade = 2.0 + (happens(rng, 0.55, (n,)) & ~milder)
    _at_least(spine.recess, (case, level, side), grade)
    _at_least(spine.facet, (case, level), 1.0 + happens(rng, 0.6, (n,)))
    _at_least(spine.disc, (case, level), 3.0 + happens(rng, 0.5, (n,)))
    _at_least(spine.cyst, (case, level, side), happens(rng, 0.06, (n,)) * 1.0)
    _at_least(spine.central, (case, level), happens(rng, 0.5, (n,)) * 1.0)
    return np.zeros(n, dtype=int), level + 1, grade


def _put_central(
    rng: Generator, spine: Anatomy, case: np.ndarray, level: np.ndarray, side: np.ndarray, milder: np.ndarray
) -> Put:
    n = len(case)
    grade = np.where(milder, 2.0, 2.0 + happens(rng, 0.4, (n,))) - (happens(rng, 0.12, (n,)) & ~milder)
    _at_least(spine.central, (case, level), grade)
    for one in (0, 1):
        _at_least(spine.recess, (case, level, np.full(n, one)), 1.0 + happens(rng, 0.5, (n,)))
    _at_least(spine.facet, (case, level), 1.0 + happens(rng, 0.7, (n,)))
    _at_least(spine.disc, (case, level), 3.0 + happens(rng, 0.55, (n,)))
    return np.zeros(n, dtype=int), level + 1, grade


def _put_foraminal(
    rng: Generator, spine: Anatomy, case: np.ndarray, level: np.ndarray, side: np.ndarray, milder: np.ndarray
) -> Put:
    n = len(case)
    grade = 2.0 + (happens(rng, 0.5, (n,)) & ~milder)
    _at_least(spine.foraminal, (case, level, side), grade)
    _at_least(spine.disc, (case, level), 4.0 + happens(rng, 0.3, (n,)))
    return np.ones(n, dtype=int), level, grade


def _put_slip(
    rng: Generator, spine: Anatomy, case: np.ndarray, level: np.ndarray, side: np.ndarray, milder: np.ndarray
) -> Put:
    n = len(case)
    grade = 1.0 + (happens(rng, 0.16, (n,)) & ~milder)
    lytic = (level == LEVELS.index("l5_s1")) & happens(rng, 0.75, (n,))
    _at_least(spine.slip, (case, level), grade)
    _at_least(spine.lysis, (case, level), lytic * 1.0)
    _at_least(spine.disc, (case, level), 3.0 + happens(rng, 0.5, (n,)))
    _at_least(spine.facet, (case, level), np.where(lytic, 0, 1.0 + happens(rng, 0.6, (n,))))
    _at_least(spine.central, (case, level), np.where(lytic, 0.0, 1.0 + happens(rng, 0.5, (n,))))
    for one in (0, 1):
        _at_least(spine.recess, (case, level, np.full(n, one)), np.where(lytic, 0.0, 1.0 + happens(rng, 0.5, (n,))))
        _at_least(
            spine.foraminal,
            (case, level, np.full(n, one)),
            np.where(lytic, 1.0 + happens(rng, 0.6, (n,)), 0.0),
        )
    return lytic.astype(int), level + 1 - lytic, grade


def _put_disc(
    rng: Generator, spine: Anatomy, case: np.ndarray, level: np.ndarray, side: np.ndarray, milder: np.ndarray
) -> Put:
    n = len(case)
    grade = 4.0 + happens(rng, 0.35, (n,))
    _at_least(spine.disc, (case, level), grade)
    _at_least(
        spine.modic,
        (case, level),
        np.where(happens(rng, np.where(milder, 0.25, 0.75)), 1.0 + happens(rng, 0.4, (n,)), 0.0),
    )
    _at_least(spine.fissure, (case, level), happens(rng, 0.6, (n,)) * 1.0)
    return np.zeros(n, dtype=int), np.full(n, NONE), grade


def _put_facet(
    rng: Generator, spine: Anatomy, case: np.ndarray, level: np.ndarray, side: np.ndarray, milder: np.ndarray
) -> Put:
    grade = 2.0 + happens(rng, 0.5, case.shape)
    _at_least(spine.facet, (case, level), grade)
    return np.zeros(len(case), dtype=int), np.full(len(case), NONE), grade


def felt_root(lesion: Lesion, anatomy: Anatomy) -> np.ndarray:
    """(n,) place in ROOTS of the root that is felt, off by one in shifted spines; -1 is none."""
    return np.where(lesion.root >= 0, np.clip(lesion.root + anatomy.root_shift, 0, len(ROOTS) - 2), NONE)


def both_sides(side: np.ndarray) -> np.ndarray:
    """(n, side) whether a source of that side is felt there."""
    return np.stack([(side == 0) | (side == BOTH), (side == 1) | (side == BOTH)], axis=1)
