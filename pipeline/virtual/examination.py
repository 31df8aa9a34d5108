"""What the hand finds: signs as sensitive and specific as published, and correlated within a patient.

Everything is examined here; what a clinic did not do is blanked in `missingness.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from features.axes import ROOTS
from pipeline.virtual.accuracies import Accuracies
from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.draws import happens, shifted, whole
from pipeline.virtual.facts import constant, facts
from pipeline.virtual.people import People
from pipeline.virtual.record import grid_columns
from pipeline.virtual.sources import GENERATORS, NONE, Sources, both_sides, felt_root

EXAMINED_ROOTS = ROOTS[1:6]
REFLEX_ROOTS = ("l4", "s1")
BLOCKED_ROOTS = ROOTS[2:6]
SEVERITY = np.array([0.95, 0.55, 0.35, 0.60, 0.35])
"""How much a root suffers from herniation, recess, central and foraminal stenosis, slip (assigned)."""


def suffering_roots(sources: Sources, anatomy: Anatomy) -> np.ndarray:
    """(n, root, side) in 0 to 1, how much each root suffers."""
    n = len(sources.main.kind)
    suffering = np.zeros((n, len(ROOTS), 2))
    for lesion, weight in ((sources.second, 0.5), (sources.main, 1.0)):
        root = felt_root(lesion, anatomy)
        case = np.flatnonzero(root != NONE)
        much = weight * SEVERITY[np.clip(lesion.kind[case], 0, len(SEVERITY) - 1)]
        sides = both_sides(lesion.side)[case]
        suffering[case, root[case]] = np.maximum(suffering[case, root[case]], much[:, None] * sides)
    return suffering


def examination(
    rng: Generator, accuracies: Accuracies, people: People, anatomy: Anatomy, sources: Sources
) -> dict[str, np.ndarray]:
    """Columns of the examination, as if all of it had been done."""
    suffering = suffering_roots(sources, anatomy)
    columns = _neurology(rng, people, suffering)
    columns |= _stretch(rng, accuracies, sources, suffering)
    columns |= _provocation(rng, accuracies, people, sources)
    columns |= _hips(rng, people, anatomy, sources)
    columns |= _circulation(rng, people, sources)
    return columns | _blocks(rng, sources, suffering)


def _neurology(rng: Generator, people: People, suffering: np.ndarray) -> dict[str, np.ndarray]:
    n = len(suffering)
    # Myotomes and dermatomes overlap: a sign may show at the root beside.
    spread = suffering.copy()
    off = happens(rng, constant("sign_at_next_root"), (n, 2))
    for side in (0, 1):
        spread[off[:, side], :, side] = np.roll(suffering[off[:, side], :, side], 1, axis=1)
    spread = spread[:, 1:6]
    neuropathy = people.columns["has_polyneuropathy"] > 0
    old = np.clip((people.columns["age_years"] - 55) / 60, 0, 0.5)
    weak = happens(rng, constant("weak_if_suffering") * spread + constant("weak_otherwise"))
    power = 5 - weak * (1.0 + happens(rng, 0.22, weak.shape) + happens(rng, 0.04, weak.shape))
    distal = np.array([0, 0, 0.05, 0.35, 0.4])[None, :, None] * neuropathy[:, None, None]
    numb_share = constant("numb_if_suffering") * spread + constant("numb_otherwise") + distal
    numb = happens(rng, np.clip(numb_share, 0, 1))
    sensation = 2 - numb * (1.0 + happens(rng, 0.12, numb.shape))
    ankles = happens(rng, old + 0.5 * neuropathy)[:, None]
    by_root = [constant(f"reflex_lost_if_suffering_{root}") for root in ("l3", "l4", "s1")]
    knee, ankle = by_root[1] * spread[:, 2] + by_root[0] * spread[:, 1], by_root[2] * spread[:, 4]
    lost = happens(rng, np.stack([knee, ankle], axis=1) + constant("reflex_lost_otherwise"))
    lost[:, 1] = lost[:, 1] | (ankles & happens(rng, 0.95, (n, 2)))
    brisk = happens(rng, 0.02, (n,))[:, None, None]
    reflex = np.where(lost, 1.0 - happens(rng, 0.45, lost.shape), np.where(brisk, 3.0, 2.0))
    electric_share = constant("emg_if_suffering") * spread + constant("emg_otherwise")
    electric = happens(rng, np.clip(electric_share, 0, 1)) * 1.0
    return (
        grid_columns("power", power, "root", "side", roots=EXAMINED_ROOTS)
        | grid_columns("sensation", sensation, "root", "side", roots=EXAMINED_ROOTS)
        | grid_columns("reflex", reflex, "root", "side", roots=REFLEX_ROOTS)
        | grid_columns("emg", electric, "root", "side", roots=EXAMINED_ROOTS)
    )


def _stretch(rng: Generator, accuracies: Accuracies, sources: Sources, suffering: np.ndarray) -> dict[str, np.ndarray]:
    herniated = (sources.main.kind == 0)[:, None]
    low, high = suffering[:, 4:6].max(axis=1), suffering[:, 1:4].max(axis=1)
    other = sources.mimics.any(axis=1)

    def share(sign: str, felt: np.ndarray) -> np.ndarray:
        among_felt = np.where(
            herniated, accuracies.sign(f"{sign}_if_herniated"), accuracies.sign(f"{sign}_if_narrowed")
        )
        return np.where(felt > 0, among_felt, accuracies.sign(f"{sign}_otherwise"))

    slr = share("slr", low) + constant("slr_beside_mimic") * other
    is_crossed = (low > 0) & herniated
    crossed = np.where(
        is_crossed, accuracies.sign("crossed_slr_if_herniated"), accuracies.sign("crossed_slr_otherwise")
    )
    femoral = share("femoral_stretch", high)
    return (
        grid_columns("slr", happens(rng, slr) * 1.0, "side")
        | grid_columns("crossed_slr", happens(rng, crossed) * 1.0, "side")
        | grid_columns("femoral_stretch", happens(rng, femoral) * 1.0, "side")
    )


def _provocation(rng: Generator, accuracies: Accuracies, people: People, sources: Sources) -> dict[str, np.ndarray]:
    """Tests of sacroiliac joint, piriformis, hip and trochanter; the tender are tender everywhere."""
    n = len(people.burden)
    tender = 0.35 * people.burden + 0.8 * sources.sensitised + rng.normal(0, 0.8, n)
    hurts = {
        "sacroiliac": sources.mimics[:, 0],
        "piriformis": sources.mimics[:, 1],
        "hip": sources.mimics[:, 2],
        "trochanter": sources.trochanter,
    }
    columns: dict[str, np.ndarray] = {}
    tests = facts("tests")
    for test, condition in zip(tests["test"], tests["condition"], strict=True):
        share = np.where(hurts[condition], accuracies.sensitivity[test], accuracies.false_positive[test])
        moved = shifted(share, (tender - 0.3)[:, None] + rng.normal(0, 0.3, (n, 2)))
        columns |= grid_columns(test, happens(rng, moved) * 1.0, "side")
    return columns


def _hips(rng: Generator, people: People, anatomy: Anatomy, sources: Sources) -> dict[str, np.ndarray]:
    n, worn = len(people.burden), anatomy.hip_osteoarthritis
    stiff = rng.normal(0, 6, n)[:, None]
    age = people.columns["age_years"][:, None]
    painful = sources.mimics[:, 2]
    rotation = 33 - 0.09 * (age - 50) - 4.0 * np.maximum(worn - 1, 0) - 9 * painful + stiff
    flexion = 121 - 0.1 * (age - 50) - 4.0 * np.maximum(worn - 1, 0) - 8 * painful + stiff
    limp = happens(rng, np.where(painful.any(axis=1), 0.5, 0.16)) * 1.0
    joints = whole(rng.poisson(np.where(sources.mimics[:, 0], 0.5, 0.25)), 0, 3)
    return (
        grid_columns("hip_internal_rotation_deg", whole(rotation + rng.normal(0, 5, (n, 2)), -10, 60, 5), "side")
        | grid_columns("hip_flexion_deg", whole(flexion + rng.normal(0, 6, (n, 2)), 60, 140, 5), "side")
        | grid_columns("hip_osteoarthritis_grade", worn.astype(float), "side")
        | grid_columns("sacroiliitis_grade", joints, "side")
        | {"has_limp": limp}
    )


def _circulation(rng: Generator, people: People, sources: Sources) -> dict[str, np.ndarray]:
    n = len(people.burden)
    arteries = (people.columns["has_vascular_disease"] > 0)[:, None] & happens(rng, 0.8, (n, 2))
    pulse = 2 - happens(rng, np.where(arteries, 0.75, 0.06)) * (1.0 + happens(rng, 0.4, (n, 2)))
    index = np.where(arteries, rng.normal(0.72, 0.15, (n, 2)), rng.normal(1.07, 0.09, (n, 2)))
    neuropathy = (people.columns["has_polyneuropathy"] > 0)[:, None]
    loss = happens(rng, np.where(neuropathy, 0.65, 0.07), (n, 2)) * 1.0
    claudicant = sources.main.kind == GENERATORS.index("central_stenosis")
    gait, romberg = (
        np.where(claudicant, constant(f"{sign}_if_stenosis"), constant(f"{sign}_otherwise"))
        for sign in ("wide_based_gait", "romberg")
    )
    return (
        grid_columns("pedal_pulse", pulse, "side")
        | grid_columns("ankle_brachial_index", np.clip(np.round(index, 2), 0.2, 1.6), "side")
        | grid_columns("monofilament_loss", loss, "side")
        | {
            "has_wide_based_gait": happens(rng, gait) * 1.0,
            "has_abnormal_romberg": happens(rng, romberg) * 1.0,
        }
    )


def _blocks(rng: Generator, sources: Sources, suffering: np.ndarray) -> dict[str, np.ndarray]:
    facet = sources.main.kind == GENERATORS.index("facet")
    return (
        grid_columns(
            "root_block_relief", block_relief(rng, suffering[:, 2:6] > 0.2), "root", "side", roots=BLOCKED_ROOTS
        )
        | grid_columns("sij_block_relief", block_relief(rng, sources.mimics[:, 0]), "side")
        | grid_columns("piriformis_block_relief", block_relief(rng, sources.mimics[:, 1]), "side")
        | grid_columns("hip_block_relief", block_relief(rng, sources.mimics[:, 2]), "side")
        | {"facet_block_relief": block_relief(rng, facet)}
    )


def block_relief(rng: Generator, hurts: np.ndarray) -> np.ndarray:
    """Per cent of relief; an anaesthetic relieves the wrong structure in some, too (placebo, spread)."""
    return whole(100 * np.where(hurts, rng.beta(4, 1.6, hurts.shape), rng.beta(1.1, 2.4, hurts.shape)), 0, 100, 5)
