"""What the record lacks: tests not done, forms not filled in, levels not read.

Blocks go missing whole and more often in some centres; a test is done more often where the pain
suggests it, so that missing is not at random.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from features.axes import REGIONS
from features.dictionary import load_dictionary
from pipeline.virtual.centres import Centres
from pipeline.virtual.draws import happens, shifted, words_if
from pipeline.virtual.facts import fact
from pipeline.virtual.pain import Pain
from pipeline.virtual.people import People

NEUROLOGY = ("slr", "crossed_slr", "femoral_stretch", "power", "reflex", "sensation")
HIP = (
    "hip_internal_rotation_deg",
    "hip_flexion_deg",
    "hip_squat_pain",
    "hip_flexion_lateral_pain",
    "hip_scour",
    "hip_extension_pain",
    "hip_adduction_limited",
    "hip_groin_pain_on_abduction",
)
SACROILIAC = (
    "sij_distraction",
    "sij_compression",
    "sij_thigh_thrust",
    "sij_gaenslen",
    "sij_sacral_thrust",
    "sij_faber",
    "one_finger_psis",
)
PIRIFORMIS = ("fair", "seated_piriformis_stretch", "active_piriformis", "sciatic_notch_tenderness")
SCANNED = (
    "herniation",
    "migration",
    "central_stenosis",
    "recess_stenosis",
    "foraminal_stenosis",
    "synovial_cyst",
    "root_compression",
    "slip",
    "spondylolysis",
    "disc_degeneration",
    "modic",
    "facet_arthropathy",
    "annular_fissure",
)
BLOCKS: dict[str, tuple[str, ...]] = {
    "drawing": ("pain", "upper_pain"),
    "scores": ("odi", "nrs_back", "nrs_leg", "eq5d_index"),
    "distress": ("distress_hscl25",),
    "catastrophising": ("catastrophising_pcs",),
    "fear_avoidance": ("fear_avoidance_work_fabq",),
    "bmi": ("bmi_kg_m2",),
    "neurology": NEUROLOGY,
    "sij_tests": SACROILIAC,
    "piriformis_tests": PIRIFORMIS,
    "hip_tests": HIP,
    "trochanter_tests": ("trochanter_tenderness", "single_leg_stance_pain"),
    "pulses": ("pedal_pulse",),
    "ankle_brachial_index": ("ankle_brachial_index",),
    "monofilament": ("monofilament_loss",),
    "gait": ("has_limp", "has_wide_based_gait", "has_abnormal_romberg"),
    "sij_block": ("sij_block_relief",),
    "hip_block": ("hip_block_relief",),
    "piriformis_block": ("piriformis_block_relief",),
    "facet_block": ("facet_block_relief",),
    "emg": ("emg",),
    "root_block": ("root_block_relief",),
    "scan": (*SCANNED, "scan_age_months", "numbering_method", "transitional_vertebra"),
    "hip_radiograph": ("hip_osteoarthritis_grade",),
    "sij_radiograph": ("sacroiliitis_grade",),
    "scoliosis": ("scoliosis_cobb_deg",),
    "pi_ll": ("pi_ll_mismatch_deg",),
}
"""Items that go missing together."""
ALWAYS = ("age_years", "sex", "diagnosis", "planned_procedure", "planned_zone")


def recorded(
    rng: Generator, columns: dict[str, np.ndarray], people: People, centres: Centres, pain: Pain
) -> dict[str, np.ndarray]:
    """The preoperative columns with what the record lacks left empty."""
    n = len(people.centre)
    gaps = centres.gaps[people.centre]
    nearer = _suggested(people, pain)
    items = {v.name: v.item for v in load_dictionary().known_by("preoperative")}
    of_block = {item: block for block, members in BLOCKS.items() for item in members}
    undone = {
        block: happens(rng, shifted(fact("missingness", block, "share"), gaps - nearer.get(block, 0)))
        for block in BLOCKS
    }
    odd_level = ~happens(rng, centres.reads_upper_levels[people.centre])
    blocked = _blocked_place(rng, pain, n)
    result = {}
    for name, values in columns.items():
        item = items[name]
        block = of_block.get(item)
        lacks = undone[block] if block else np.zeros(n, dtype=bool)
        lacks = lacks | _alone(rng, name, item, block, gaps, n)
        if item in SCANNED and "_l1_l2" in name:
            lacks = lacks | odd_level
        if block == "root_block":
            lacks = lacks | (blocked != name)
        result[name] = emptied(values, lacks)
    return result


def _suggested(people: People, pain: Pain) -> dict[str, np.ndarray]:
    """Log-odds by which the pain makes a block of tests likelier to be done."""

    def marked(*regions: str) -> np.ndarray:
        return pain.drawing[:, [REGIONS.index(r) for r in regions]].max(axis=(1, 2)) >= 3

    age = people.columns["age_years"]
    claudicant = pain.columns["is_relieved_by_standing_still"] > 0
    return {
        "sij_tests": 0.65 * marked("buttock"),
        "sij_block": 0.8 * marked("buttock"),
        "piriformis_tests": 0.5 * marked("buttock") - 0.3,
        "hip_tests": 0.9 * marked("groin") + 0.35 * (age > 60) - 0.1,
        "hip_radiograph": 0.9 * marked("groin") + 0.4 * (age > 60),
        "hip_block": 1.2 * marked("groin"),
        "trochanter_tests": 0.8 * marked("lateral_hip"),
        "ankle_brachial_index": 0.9 * claudicant,
        "pulses": 0.5 * claudicant + 0.3 * (age > 60),
    }


def _blocked_place(rng: Generator, pain: Pain, n: int) -> np.ndarray:
    """(n,) name of the one root whose block was done, if any was: on the worse side, mostly L5 or S1."""
    leg = pain.drawing[:, 2:].max(axis=1)
    side = np.where(leg[:, 1] > leg[:, 0], "right", "left")
    root = rng.choice(np.array(["l3", "l4", "l5", "s1"]), n, p=[0.06, 0.2, 0.44, 0.3])
    return np.char.add(np.char.add("root_block_relief_", root), np.char.add("_", side))


def _alone(rng: Generator, name: str, item: str, block: str | None, gaps: np.ndarray, n: int) -> np.ndarray:
    """Single answers that are missing, beside whole blocks."""
    if name in ALWAYS or name.startswith("planned") or block in ("drawing", "scan") or item in HIP[:2]:
        return np.zeros(n, dtype=bool)
    form = load_dictionary()[name].form
    if form == "patient" and block is None:
        history = name.startswith(
            (
                "is_",
                "morning",
                "sitting",
                "neuropathic",
                "walking",
                "has_midline",
                "has_night",
                "has_stocking",
            )
        )
        share = fact("missingness", "history_item" if history else "patient_item", "share")
    elif block == "scores":
        share = fact("missingness", "each_score", "share")
    elif block in ("neurology", "sij_tests", "piriformis_tests", "hip_tests"):
        share = fact("missingness", "each_sign", "share")
    else:
        return np.zeros(n, dtype=bool)
    return happens(rng, shifted(share, gaps))


def emptied(values: np.ndarray, lacks: np.ndarray) -> np.ndarray:
    return words_if(~lacks, values) if values.dtype == object else np.where(lacks, np.nan, values)
