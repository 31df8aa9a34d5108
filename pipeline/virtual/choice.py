"""The surgeon's choice: which lesion, level and side, by what can be seen; and who is listed.

A target is scored by how bad it looks and how well the pain seems to fit, with error. The diagnosis
follows the chosen lesion, not the source, which nobody sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import LEVELS, REGIONS, ROOTS
from pipeline.virtual.centres import Centres
from pipeline.virtual.draws import happens, picked, words_if
from pipeline.virtual.pain import Pain
from pipeline.virtual.parameters import DIAGNOSES, RegistryParams
from pipeline.virtual.people import People
from pipeline.virtual.record import first_day, grid_columns, name_of
from pipeline.virtual.scan import Reading

PROCEDURES = (
    "microdiscectomy",
    "endoscopic_discectomy",
    "decompression",
    "foraminotomy",
    "decompression_and_fusion",
    "fusion",
    "disc_prosthesis",
)
ZONES = np.array(["canal", "foramen", "both"], dtype=object)
ERROR_SD = 0.25
"""Of the surgeon's score, beside the reading and the signs, which err already."""
_FRONT = [REGIONS.index(r) for r in ("anterior_thigh", "medial_thigh", "knee", "medial_leg")]
_REAR = [REGIONS.index(r) for r in ("posterior_thigh", "lateral_leg", "posterior_leg", "foot_dorsum", "foot_lateral")]
_LEG = list(range(2, len(REGIONS)))
FUSED_BESIDE, FUSED_FURTHER = 0.40, 0.13
"""Shares of fusions that take in a second level, and of those a third (Swespine v1.0.2: 1.46 levels, SD 0.60)."""
UNSEEN = -9.0
"""Score of a target at which nothing is to be seen."""


@dataclass(frozen=True)
class Plan:
    diagnosis: np.ndarray
    procedure: np.ndarray
    level: np.ndarray
    zone: np.ndarray
    """Place in ZONES."""
    decompression: np.ndarray
    """(n, level, side) on the counted levels."""
    fusion: np.ndarray
    conviction: np.ndarray
    """The score of the chosen target: how good the indication looks."""
    severity: np.ndarray
    columns: dict[str, np.ndarray]


def chosen_plan(
    rng: Generator,
    people: People,
    centres: Centres,
    pain: Pain,
    signs: dict[str, np.ndarray],
    reading: Reading,
) -> Plan:
    """What the surgeon would do for each candidate."""
    skill = centres.skill[people.centre]
    canal, foramen = _lateral_severity(reading, people.columns["age_years"])
    lateral = np.maximum(canal, foramen)
    age = people.columns["age_years"]
    central = np.array([0, 0.6, 2.0, 2.8])[reading.central.astype(int)] + 0.5 * reading.slip
    axial = (
        0.45 * (reading.disc - 3)
        + np.array([0, 1.2, 0.8, 0.3])[reading.modic.astype(int)]
        + 0.9 * np.minimum(reading.slip, 1.5)
    )
    fit_lateral = _fit_of_roots(pain.drawing, signs, in_foramen=foramen > canal)
    fit_central = _fit_of_claudication(pain, signs)
    back_leads = (pain.columns["nrs_back"] - pain.columns["nrs_leg"]) / 4
    # Back pain alone is seldom operated in the old.
    axial_fit = 1.8 * skill * (back_leads - 0.15) - 0.45 - 0.055 * np.maximum(age - 50, 0)
    scores = np.concatenate(
        [
            np.where(lateral >= 1.2, lateral + skill[:, None, None] * fit_lateral, UNSEEN).reshape(len(skill), -1),
            np.where(central >= 1.5, central + (skill * fit_central)[:, None], UNSEEN),
            np.where(axial >= 0.4, axial + axial_fit[:, None], UNSEEN / 2),
        ],
        axis=1,
    )
    scores = scores + rng.normal(0, ERROR_SD, scores.shape)
    target = scores.argmax(axis=1)
    conviction = scores[np.arange(len(skill)), target]
    return _plan(rng, people, pain, reading, target, conviction, canal, foramen)


def _lateral_severity(reading: Reading, age: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, level, side) how bad the canal and recess, and the foramen and beyond, look.

    Bone is blamed less readily in the young.
    """
    bone_counts = np.clip(0.4 + 0.6 * (age - 35) / 25, 0.4, 1)[:, None, None]
    by_grade = np.array([0, 0.2, 1.4, 2.7, 3.0])
    herniated = by_grade[reading.herniation.astype(int)]
    canal = np.stack([herniated[..., 1], herniated[..., 4]], axis=-1)
    foramen = np.stack([herniated[..., 2:4].max(axis=-1), herniated[..., 5:7].max(axis=-1)], axis=-1)
    recess = np.array([0, 0.5, 1.6, 2.3])[reading.recess.astype(int)]
    bony = np.array([0, 0.3, 1.5, 2.2])[reading.foraminal.astype(int)]
    touched = 0.15 * reading.root_compression
    return np.maximum(canal, recess * bone_counts) + touched, np.maximum(foramen, bony * bone_counts)


def _fit_of_roots(drawing: np.ndarray, signs: dict[str, np.ndarray], in_foramen: np.ndarray) -> np.ndarray:
    """(n, level, side) how well the pain and signs fit the root that a lesion there would reach."""
    front, rear = drawing[:, _FRONT].max(axis=1) / 10, drawing[:, _REAR].max(axis=1) / 10
    leg = drawing[:, _LEG].max(axis=1) / 10
    one_sided = leg - leg[:, ::-1]
    by_root = np.zeros((len(leg), len(ROOTS), 2))
    for place, root in enumerate(ROOTS):
        weight = {"l1": (0.8, -0.6), "l2": (1, -0.6), "l3": (1, -0.5), "l4": (0.7, 0.2)}.get(root, (-0.4, 1.0))
        by_root[:, place] = weight[0] * front + weight[1] * rear
        for s, side in enumerate(("left", "right")):
            if 1 <= place <= 5:
                weak = signs[name_of("power", root=root, side=side)] < 5
                numb = signs[name_of("sensation", root=root, side=side)] < 2
                by_root[:, place, s] += 0.35 * weak + 0.3 * numb
            stretch = signs[f"slr_{side}"] if place >= 4 else signs[f"femoral_stretch_{side}"]
            by_root[:, place, s] += 0.25 * stretch
    traversing, exiting = by_root[:, 1:6], by_root[:, 0:5]
    return np.where(in_foramen, exiting, traversing) + 1.3 * one_sided[:, None, :]


def _fit_of_claudication(pain: Pain, signs: dict[str, np.ndarray]) -> np.ndarray:
    leg = pain.drawing[:, _LEG].max(axis=1)
    return (
        0.6 * (leg.min(axis=1) >= 2)
        + 0.5 * pain.columns["is_relieved_by_sitting"]
        + 0.3 * pain.columns["is_worse_on_walking"]
        - 0.3 * signs["slr_left"]
        - 0.3 * signs["slr_right"]
    )


def _plan(
    rng: Generator,
    people: People,
    pain: Pain,
    reading: Reading,
    target: np.ndarray,
    conviction: np.ndarray,
    canal: np.ndarray,
    foramen: np.ndarray,
) -> Plan:
    n, case = len(target), np.arange(len(target))
    is_lateral, is_central = target < 10, (target >= 10) & (target < 15)
    level = np.where(is_lateral, target // 2, np.where(is_central, target - 10, target - 15))
    side = np.where(is_lateral, target % 2, 0)
    in_foramen = is_lateral & (foramen > canal)[case, level, side]
    grade = _lateral_grade(reading.herniation, in_foramen)[case, level, side]
    diagnosis = _diagnosis(rng, reading, case, level, is_lateral, is_central, grade)
    zone = np.where(
        happens(rng, np.array([0.1, 0.45, 0.4, 0.1])[diagnosis]) & is_lateral, 2, np.where(in_foramen, 1, 0)
    )
    decompression = _decompression(rng, reading, pain, level, side, is_lateral, is_central, diagnosis)
    procedure = _procedure(rng, people, diagnosis, zone, reading.slip[case, level])
    name = np.array(PROCEDURES, dtype=object)[procedure]
    fusion = np.zeros((n, len(LEVELS)), dtype=bool)
    fuses = procedure >= PROCEDURES.index("decompression_and_fusion")
    fusion[case, level] = fuses
    beside = np.where(level > 0, level - 1, level + 1)
    further = np.where(level > 1, level - 2, level)
    longer = fuses & happens(rng, FUSED_BESIDE, (n,))
    fusion[case, beside] |= longer
    fusion[case, further] |= longer & happens(rng, FUSED_FURTHER, (n,))
    stiff = np.isin(procedure, [PROCEDURES.index("fusion"), PROCEDURES.index("disc_prosthesis")])
    decompression &= ~stiff[:, None, None]
    fusion &= (procedure != PROCEDURES.index("disc_prosthesis"))[:, None] | (np.arange(5) == level[:, None])
    severity = np.where(is_lateral, grade >= 3, reading.central[case, level] >= 3)
    columns = {
        "diagnosis": np.array(DIAGNOSES, dtype=object)[diagnosis],
        "planned_procedure": name,
        "planned_zone": words_if(~stiff, ZONES[zone]),
    }
    columns |= grid_columns("planned_decompression", decompression * 1.0, "level", "side")
    columns |= grid_columns("planned_fusion", fusion * 1.0, "level")
    return Plan(
        diagnosis=diagnosis,
        procedure=procedure,
        level=level,
        zone=zone,
        decompression=decompression,
        fusion=fusion,
        conviction=conviction,
        severity=severity * 1.0,
        columns=columns,
    )


def _lateral_grade(herniation: np.ndarray, in_foramen: np.ndarray) -> np.ndarray:
    """(n, level, side) grade of the herniation in the chosen zone."""
    canal = np.stack([herniation[..., 1], herniation[..., 4]], axis=-1)
    foramen = np.stack([herniation[..., 2:4].max(axis=-1), herniation[..., 5:7].max(axis=-1)], axis=-1)
    return np.where(in_foramen[:, None, None], foramen, canal)


def _diagnosis(
    rng: Generator,
    reading: Reading,
    case: np.ndarray,
    level: np.ndarray,
    is_lateral: np.ndarray,
    is_central: np.ndarray,
    grade: np.ndarray,
) -> np.ndarray:
    slip = reading.slip[case, level]
    bone = np.maximum(reading.recess[case, level].max(axis=1), reading.foraminal[case, level].max(axis=1))
    disc = is_lateral & (grade >= 2) & ((grade >= 3) | (bone <= 2))
    named = happens(rng, np.where(slip >= 2, 0.97, 0.72)) & (slip >= 1) & ~disc
    return np.where(disc, 0, np.where(named, 2, np.where(is_lateral | is_central, 1, 3)))


def _decompression(
    rng: Generator,
    reading: Reading,
    pain: Pain,
    level: np.ndarray,
    side: np.ndarray,
    is_lateral: np.ndarray,
    is_central: np.ndarray,
    diagnosis: np.ndarray,
) -> np.ndarray:
    n, case = len(level), np.arange(len(level))
    mask = np.zeros((n, len(LEVELS), 2), dtype=bool)
    leg = pain.drawing[:, _LEG].max(axis=1)
    worse = (leg[:, 1] > leg[:, 0]).astype(int)
    mask[case, level, np.where(is_lateral, side, worse)] = True
    other = np.where(is_lateral, (diagnosis > 0) & happens(rng, 0.52, (n,)), happens(rng, 0.85, (n,)))
    mask[case, level] |= other[:, None]
    # Neighbours that look narrow are often opened as well.
    narrow = (reading.central >= 2) | (reading.recess.max(axis=-1) >= 2)
    beside = np.abs(np.arange(len(LEVELS)) - level[:, None]) == 1
    more = narrow & beside & np.isin(diagnosis, [1, 2])[:, None] & happens(rng, 0.80, narrow.shape)
    return mask | more[..., None]


def _procedure(rng: Generator, people: People, diagnosis: np.ndarray, zone: np.ndarray, slip: np.ndarray) -> np.ndarray:
    shares = np.array(
        [
            [0.84, 0.10, 0.06, 0, 0, 0, 0],
            [0.0, 0, 0.93, 0, 0.07, 0, 0],
            [0.0, 0, 0.42, 0, 0.53, 0.05, 0],
            [0.0, 0, 0, 0, 0.08, 0.78, 0.14],
        ]
    )[diagnosis]
    old = people.columns["age_years"] > 55
    shares[old, 6] = 0
    procedure = picked(rng, shares)
    foraminal = (zone == 1) & (procedure == 2) & happens(rng, 0.6, zone.shape)
    return np.where(foraminal, PROCEDURES.index("foraminotomy"), procedure)


def listing(
    rng: Generator,
    params: RegistryParams,
    people: People,
    centres: Centres,
    pain: Pain,
    plan: Plan,
    index: np.ndarray,
) -> np.ndarray:
    """(n,) rank by which candidates are operated: chance weighted by how good the indication looks."""
    year = params.threshold_change_year
    changed = np.zeros(len(index), dtype=bool) if year is None else index >= first_day(year)
    flagged = sum(people.columns[name] for name in ("has_fever_or_infection_signs", "has_upper_motor_neurone_signs"))
    log_odds = (
        1.2
        + 1.0 * (plan.conviction - 3)
        + 0.025 * (pain.columns["odi"] - 42)
        - 0.22 * people.burden
        - centres.threshold[people.centre]
        - 0.8 * flagged
        - params.threshold_change * changed
    )
    return -np.logaddexp(0, -log_odds) + rng.gumbel(0, 1, len(log_odds))
