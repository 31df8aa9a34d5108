"""What of a work-up was done: each investigation the oftener the more the picture suggests it."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from features.axes import REGIONS, SIDES
from features.dictionary import load_dictionary
from pipeline.virtual.choice import PROCEDURES
from pipeline.virtual.draws import happens, shifted
from pipeline.virtual.facts import fact, facts
from pipeline.virtual.missingness import emptied
from pipeline.virtual.pain_after import Failed
from pipeline.virtual.record import name_of

MARKED = 3
"""Intensity from which a region of the drawing is noticed."""
NEUROPATHIC_DN4 = 4
SOON_MONTHS = 3
BLOCKED_ROOTS = {"l3": 0.06, "l4": 0.2, "l5": 0.44, "s1": 0.3}
"""Which root is blocked, if one is."""
NEUROLOGY = ("slr", "crossed_slr", "femoral_stretch", "power", "reflex", "sensation")
ON_MRI = (
    "herniation",
    "enhancement",
    "recess_stenosis",
    "foraminal_stenosis",
    "retained_fragment",
    "central_stenosis",
    "mass_in_continuity",
    "discitis_signs",
)
ON_CT = ("bone_left_recess", "bone_left_foramen", "fusion", "hardware_fault")
BLOCK_OF = {
    **dict.fromkeys(NEUROLOGY, "neurology"),
    **dict.fromkeys(("pain", "upper_pain"), "drawing"),
    **dict.fromkeys((f"sij_{test}" for test in ("distraction", "compression", "thigh_thrust")), "sij_tests"),
    **dict.fromkeys((f"sij_{test}" for test in ("gaenslen", "sacral_thrust", "faber")), "sij_tests"),
    **dict.fromkeys(("fair", "seated_piriformis_stretch"), "piriformis_tests"),
    **dict.fromkeys(("hip_internal_rotation_deg", "hip_groin_pain_on_abduction"), "hip_tests"),
    "trochanter_tenderness": "trochanter_tests",
    **dict.fromkeys(("extension_test", "percussion_tenderness"), "spine_tests"),
    "has_allodynia": "allodynia",
    **{f"{place}_block_relief": f"{place}_block" for place in ("facet", "sij", "piriformis", "hip", "root")},
    **dict.fromkeys(ON_MRI, "mri"),
    **dict.fromkeys(ON_CT, "ct"),
    "motion_mm": "flexion_extension",
    "operated_site": "site",
    "slip": "any_image",
    "crp_mg_l": "blood",
    "esr_mm_h": "blood",
}
"""Items of the follow-up, without their prefix, that are done together."""
IMAGED = ("mri", "contrast", "ct", "film", "flexion_extension", "blood", "site", "any_image")
"""Blocks of imaging and blood."""
COURSE = ("initial_relief_percent", "pain_free_interval_months", "return_tempo", "return_trigger")
RED_FLAGS = (
    "has_sphincter_disturbance",
    "has_saddle_numbness",
    "has_progressive_weakness",
    "has_fever_or_infection_signs",
    "has_unexplained_weight_loss",
    "has_recent_major_trauma",
    "has_upper_motor_neurone_signs",
    "has_wound_problem",
)
SCORES = ("nrs_leg", "nrs_back", "odi")
TREATMENT = (
    "has_tried_exercise",
    "has_tried_neuropathic_drugs",
    "has_tried_injections",
    "stimulation_trial_relief",
    "has_bleeding_risk",
    "has_cardiac_device",
    "has_kidney_disease",
    "has_untreated_psychosis",
    "has_sleep_apnoea",
    "is_pregnant",
)
ITEM_SHARES = {
    **dict.fromkeys(COURSE, "each_course_item"),
    **dict.fromkeys((*RED_FLAGS, *SCORES), "red_flag_item"),
    **dict.fromkeys(TREATMENT, "treatment_item"),
}
"""Answers that are missing one by one; all others of the history as a posture."""


def done(rng: Generator, failed: Failed, gaps: np.ndarray, told: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(n,) whether each block of the work-up was done.

    `gaps` (n,) are the log-odds by which the records of the centre are less complete; `told` holds the
    history and the drawing.
    """
    n = len(gaps)
    suggested = _suggested(failed, told)
    blocks = tuple(facts("workup_done")["block"])
    shares = {block: fact("workup_done", block, "share") for block in blocks if not block.endswith("_item")}
    found = {
        block: happens(rng, shifted(usual, suggested.get(block, np.zeros(n)) - gaps)) for block, usual in shares.items()
    }
    found["contrast"] &= found["mri"]
    found["site"] = found["film"] | found["ct"] | found["flexion_extension"]
    found["any_image"] = found["site"] | found["mri"]
    return found


def _suggested(failed: Failed, told: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Log-odds by which what was told makes an investigation likelier, whatever the cause behind it."""
    procedure, months = failed.planned.plan.procedure, failed.months

    def marked(region: str) -> np.ndarray:
        names = [name_of("followup_pain", region=region, side=side) for side in SIDES]
        return (np.max([told[name] for name in names], axis=0) >= MARKED) * 1.0

    leg_leads = (told["followup_nrs_leg"] >= told["followup_nrs_back"]) * 1.0
    back_leads = 1 - leg_leads
    unchanged = (told["return_tempo"] == "never_better") * 1.0
    neuropathic = (told["followup_neuropathic_quality_dn4"] >= NEUROPATHIC_DN4) * 1.0
    sick = np.maximum(told["followup_has_fever_or_infection_signs"], told["followup_has_wound_problem"])
    discectomy = (procedure <= PROCEDURES.index("endoscopic_discectomy")) * 1.0
    fused = (procedure >= PROCEDURES.index("decompression_and_fusion")) * 1.0
    slipped = (failed.planned.reading.slip.max(axis=1) > 0) * 1.0
    soon = (months < SOON_MONTHS) * 1.0
    old = (failed.planned.people.columns["age_years"] > 60) * 1.0
    return {
        "sij_tests": 0.8 * marked("buttock") + 0.3 * fused - 0.4,
        "sij_block": 0.9 * marked("buttock") + 0.5 * fused,
        "piriformis_tests": 0.6 * marked("buttock") - 0.3,
        "hip_tests": 1.0 * marked("groin") + 0.3 * old - 0.2,
        "hip_block": 1.4 * marked("groin"),
        "trochanter_tests": 0.8 * marked("lateral_hip"),
        "allodynia": 0.7 * neuropathic,
        "root_block": 0.8 * leg_leads - 2.0 * soon,
        "facet_block": 0.9 * back_leads - 2.0 * soon,
        "mri": 0.5 * leg_leads + 0.6 * sick,
        "contrast": 0.8 * leg_leads * discectomy + 0.8 * sick - 2.5 * told["has_kidney_disease"],
        "ct": 1.3 * fused + 0.4 * unchanged + 0.3 * back_leads,
        "film": 0.4 * unchanged + 0.5 * fused,
        "flexion_extension": 0.8 * slipped + 0.8 * told["followup_has_catch_on_rising"] + 0.5 * back_leads,
        "blood": 2.5 * sick + 0.7 * told["followup_has_night_pain"] + 1.0 * soon,
    }


def with_gaps(
    rng: Generator, columns: dict[str, np.ndarray], blocks: dict[str, np.ndarray], gaps: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns with what was not done, not asked or not written left empty, and whether contrast was given."""
    known, n = load_dictionary(), len(gaps)
    nothing = np.ones(n, dtype=bool)
    blocked = _blocked_places(rng, columns, n)
    result = {}
    for name, values in columns.items():
        item = known[name].item.removeprefix("followup_")
        block = "course" if item in COURSE else BLOCK_OF.get(item)
        has = blocks[block] if block else nothing
        if item in blocked:
            has = has & (blocked[item] == name)
        if item == "enhancement":
            has = has & blocks["contrast"]
        if block is None or item in COURSE:
            share = fact("workup_done", ITEM_SHARES.get(item, "posture_item"), "share")
            has = has & happens(rng, shifted(share, -gaps))
        result[name] = emptied(values, ~has)
    return result | {"followup_contrast": np.where(blocks["mri"], blocks["contrast"] * 1.0, np.nan)}


def _blocked_places(rng: Generator, columns: dict[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """(n,) name of the one place that was blocked, if any was, on the side of more pain; by item."""
    side = np.array(SIDES)[_worse_side(columns)]
    root = rng.choice(np.array([*BLOCKED_ROOTS]), n, p=[*BLOCKED_ROOTS.values()])
    places = dict.fromkeys(("sij_block_relief", "piriformis_block_relief", "hip_block_relief"), side)
    places["root_block_relief"] = np.char.add(np.char.add(root, "_"), side)
    return {item: np.char.add(f"followup_{item}_", place) for item, place in places.items()}


def _worse_side(columns: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) 0 left or 1 right, by the pain that is drawn below the low back."""
    below = [
        np.sum([columns[name_of("followup_pain", region=r, side=side)] for r in REGIONS[1:]], axis=0) for side in SIDES
    ]
    return (below[1] > below[0]) * 1
