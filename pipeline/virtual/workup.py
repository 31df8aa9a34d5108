"""The work-up of failures: how the pain came back, drawing, examination and scan again.

About 40 % of those who failed are worked up; for all others every column stays empty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from features.axes import LEVELS
from features.dictionary import load_dictionary
from pipeline.virtual.accuracies import Accuracies
from pipeline.virtual.aftermath import NO_EVENT, event_numbers
from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.course import Course
from pipeline.virtual.draws import happens, picked, whole
from pipeline.virtual.examination import examination
from pipeline.virtual.operation import Operation
from pipeline.virtual.pain import Pain, drawn_pain
from pipeline.virtual.people import People
from pipeline.virtual.record import grid_columns
from pipeline.virtual.sources import Sources

SEEN_MONTHS = 12
"""Events that came by the questionnaire; the work-up of a failure follows it."""
TEMPO = np.array(["sudden", "gradual"], dtype=object)
TRIGGER = np.array(["none", "lifting_or_twisting", "fall_or_accident", "other"], dtype=object)


@dataclass(frozen=True)
class Failed:
    """What the work-up of these cases can find."""

    people: People
    anatomy: Anatomy
    sources: Sources
    pain: Pain
    operation: Operation
    course: Course
    cause: np.ndarray


def workup_columns(rng: Generator, accuracies: Accuracies, failed: Failed) -> dict[str, np.ndarray]:
    """Columns of the work-up, as if every one of these cases had it."""
    columns = _history(rng, failed)
    columns |= _drawing(rng, failed)
    signs = examination(rng, accuracies, failed.people, failed.anatomy, failed.sources)
    known = load_dictionary()
    columns |= {f"followup_{name}": v for name, v in signs.items() if f"followup_{name}" in known}
    columns |= _scan(rng, failed)
    return _with_gaps(rng, columns)


def _history(rng: Generator, failed: Failed) -> dict[str, np.ndarray]:
    """How it went until the work-up, as far as the patient remembers."""
    after, n = failed.course.aftermath, len(failed.cause)
    returned = after.onset_months < SEEN_MONTHS
    # Some who were never better remember a good start, and some who were forget it.
    better = np.where(returned, happens(rng, 0.88, (n,)), happens(rng, 0.12, (n,)))
    usual = np.where(returned, after.onset_months, 5.0) * np.exp(rng.normal(0, 0.25, n))
    event = np.where(returned, after.event, NO_EVENT)
    sudden = happens(rng, np.array([*event_numbers("sudden"), 0.15])[event])
    lifted = happens(rng, np.array([*event_numbers("triggered"), 0.08])[event])
    relief = np.where(better, 100 * rng.beta(6, 2, n), 100 * rng.beta(1.1, 4.5, n))
    return {
        "initial_relief_percent": whole(relief, 0, 100, 5),
        "pain_free_interval_months": np.where(better, whole(usual, 1, 11), 0),
        "return_tempo": np.where(better, TEMPO[np.where(sudden, 0, 1)], "never_better"),
        "return_trigger": np.where(
            better,
            np.where(lifted, TRIGGER[1], TRIGGER[picked(rng, np.array([0.8, 0.05, 0.05, 0.1]), n)]),
            "none",
        ),
    }


def _drawing(rng: Generator, failed: Failed) -> dict[str, np.ndarray]:
    """The pain that stayed or came back, in the territory of its source."""
    left = np.clip(1 - failed.course.relief, 0.35, 1.25)
    leg, back = np.clip(failed.pain.leg * left, 1, 10), np.clip(failed.pain.back * left, 1, 10)
    main = failed.sources.main
    above = (failed.cause == "adjacent_segment") & (main.root > 1)
    sources = replace(failed.sources, main=replace(main, root=np.where(above, main.root - 1, main.root)))
    drawing = drawn_pain(rng, failed.anatomy, sources, leg, back)
    upper = whole(failed.pain.upper + rng.normal(0, 1, failed.pain.upper.shape) * (failed.pain.upper > 0), 0, 10)
    n = len(leg)
    return (
        grid_columns("followup_pain", drawing, "region", "side")
        | grid_columns("followup_upper_pain", upper, "upper_region", "side")
        | {
            "followup_nrs_leg": whole(leg + rng.normal(0, 0.8, n), 0, 10),
            "followup_nrs_back": whole(back + rng.normal(0, 0.8, n), 0, 10),
        }
    )


def _operated(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    decompressed = np.stack(
        [
            np.stack(
                [operation.columns[f"operated_decompression_{level}_{side}"] for side in ("left", "right")],
                axis=1,
            )
            for level in LEVELS
        ],
        axis=1,
    )
    fused = np.stack([operation.columns[f"operated_fusion_{level}"] for level in LEVELS], axis=1)
    return decompressed > 0, fused > 0


def _scan(rng: Generator, failed: Failed) -> dict[str, np.ndarray]:
    """Contrast MRI and CT: what is left, what came back, what is scar."""
    spine, cause = failed.anatomy, failed.cause
    opened, fused = _operated(failed.operation)
    n, shape = len(cause), opened.shape
    fresh = rng.random(shape)

    def here(name: str) -> np.ndarray:
        return (cause == name)[:, None, None] & opened

    lateral = np.stack([spine.herniation[..., 1:4].max(-1), spine.herniation[..., 4:7].max(-1)], axis=-1)
    herniation = np.where(opened, 1.0 * (fresh < 0.35), lateral)
    herniation = np.where(here("recurrent_herniation"), 2.0 + (fresh < 0.65) + (fresh < 0.15), herniation)
    scar = np.where(opened, np.where(fresh < 0.45, 2.0, 0.0), 0.0)
    scar = np.where(here("recurrent_herniation"), 1.0, np.where(here("epidural_fibrosis"), 2.0, scar))
    recess = np.where(opened, np.minimum(spine.recess, 1), spine.recess)
    recess = np.where(here("residual_stenosis"), 2.0 + (fresh < 0.4), recess)
    foramen = np.where(here("residual_stenosis") & (fresh > 0.5), 2.0 + (fresh > 0.8), spine.foraminal)
    above = np.roll(opened.any(axis=2) | fused, -1, axis=1)
    above[:, -1] = False
    central = np.where(opened.any(axis=2), np.minimum(spine.central, 1), spine.central)
    central = np.where((cause == "adjacent_segment")[:, None] & above, np.maximum(central, 2), central)
    unstable = (cause == "instability")[:, None] & opened.any(axis=2)
    motion = np.where(unstable, rng.uniform(3.5, 8, (n, 5)), rng.gamma(2.2, 0.55, (n, 5)))
    union = np.where((cause == "pseudarthrosis")[:, None], picked(rng, np.array([0.75, 0.25]), n)[:, None], 2.0)
    union = np.where(happens(rng, 0.12, union.shape), 1.0, union)
    ct = happens(rng, 0.35, (n,)) | np.isin(cause, ["pseudarthrosis", "hardware"])
    infected = cause == "infection"
    return (
        grid_columns("followup_herniation", herniation, "level", "side")
        | grid_columns("followup_enhancement", scar, "level", "side")
        | grid_columns("followup_recess_stenosis", recess, "level", "side")
        | grid_columns("followup_foraminal_stenosis", foramen, "level", "side")
        | grid_columns("followup_retained_fragment", here("retained_fragment") * 1.0, "level", "side")
        | grid_columns("followup_central_stenosis", central, "level")
        | grid_columns("followup_motion_mm", np.round(np.clip(motion, 0, 20), 1), "level")
        | grid_columns("followup_fusion", np.where(fused & ct[:, None], union, np.nan), "level")
        | {
            "followup_hardware_fault": np.where(fused.any(axis=1) & ct, (cause == "hardware") * 1.0, np.nan),
            "followup_crp_mg_l": np.round(np.where(infected, rng.gamma(3, 25, n), rng.gamma(1.2, 2.6, n)), 1),
            "followup_esr_mm_h": whole(np.where(infected, rng.gamma(5, 11, n), rng.gamma(2, 6, n)), 1, 140),
        }
    )


def _with_gaps(rng: Generator, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parts of the work-up that were not done, whole."""
    n = len(next(iter(columns.values())))
    gaps = {
        ("followup_sij_block", "followup_hip_block", "followup_piriformis_block"): 0.90,
        ("followup_sij",): 0.50,
        ("followup_fair", "followup_seated"): 0.70,
        ("followup_hip_internal", "followup_hip_groin", "followup_trochanter"): 0.55,
        ("followup_pain_", "followup_upper", "followup_head", "followup_shoulder", "followup_trunk"): 0.10,
        (
            "followup_slr",
            "followup_crossed",
            "followup_femoral",
            "followup_power",
            "followup_reflex",
            "followup_sens",
        ): 0.08,
        (
            "followup_herniation",
            "followup_enhancement",
            "followup_recess",
            "followup_foraminal",
            "followup_retained",
            "followup_central",
        ): 0.12,
        ("followup_motion",): 0.65,
        ("followup_crp", "followup_esr"): 0.40,
    }
    result = dict(columns)
    for prefixes, share in gaps.items():
        undone = happens(rng, share, (n,))
        for name in columns:
            if name.startswith(prefixes):
                result[name] = np.where(undone, np.nan, result[name])
    return result
