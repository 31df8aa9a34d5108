"""The axes on which a case is laid out, in the order in which every array uses them.

An array of the builders is (n_cases, *axes); `LEVELS.index("l4_l5")` is a place on its axis.
These are names, not facts: what reaches what is in the knowledge tables.
"""

from __future__ import annotations

LEVELS = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")
SIDES = ("left", "right")
ZONES = ("central", "paracentral", "foraminal", "far_lateral")
ROOTS = ("l1", "l2", "l3", "l4", "l5", "s1", "s2")
"""Roots a lumbar lesion can reach; examination is recorded for L2 to S1."""
REGIONS = (
    "low_back",
    "buttock",
    "groin",
    "lateral_hip",
    "anterior_thigh",
    "medial_thigh",
    "lateral_thigh",
    "posterior_thigh",
    "knee",
    "medial_leg",
    "lateral_leg",
    "posterior_leg",
    "foot_dorsum",
    "foot_lateral",
    "foot_sole",
)
"""Regions of the pain drawing from the low back down: those a lumbar source can explain."""
UPPER_REGIONS = ("head_neck", "shoulder_arm", "upper_back", "trunk")
"""Regions above the low back, drawn so that widespread pain does not look lumbar."""
LEG_REGIONS = REGIONS[2:]
MIMICS = ("sacroiliac", "piriformis", "hip")
"""Conditions outside the spine that have a probability, from a pre-test probability and likelihood ratios."""
FLAGGED_MIMICS = ("other_hip_disease", "trochanteric_pain", "vascular_claudication", "peripheral_neuropathy")
"""Those that are flagged by rule, because no usable ratio was published."""
CAUSES = (
    "recurrent_herniation",
    "recurrent_herniation_other_side",
    "epidural_fibrosis",
    "retained_fragment",
    "residual_stenosis",
    "wrong_level_or_side",
    "adjacent_segment",
    "instability",
    "pseudarthrosis",
    "hardware",
    "infection",
    "facet",
    "sacroiliac",
    "piriformis",
    "hip",
    "neuropathic_or_central",
    "none_found",
)
"""Why an operation failed, `none_found` where nothing speaks for anything; several may hold at once."""

LABELS = {
    "l1_l2": "L1-L2",
    "l2_l3": "L2-L3",
    "l3_l4": "L3-L4",
    "l4_l5": "L4-L5",
    "l5_s1": "L5-S1",
    "left": "left",
    "right": "right",
    "central": "central",
    "paracentral": "paracentral",
    "foraminal": "foraminal",
    "far_lateral": "far lateral",
    "low_back": "low back",
    "buttock": "buttock",
    "groin": "groin",
    "lateral_hip": "side of the hip",
    "anterior_thigh": "front of the thigh",
    "medial_thigh": "inner thigh",
    "lateral_thigh": "outer thigh",
    "posterior_thigh": "back of the thigh",
    "knee": "knee",
    "medial_leg": "inner shin and calf",
    "lateral_leg": "outer calf",
    "posterior_leg": "back of the calf",
    "foot_dorsum": "back of the foot and great toe",
    "foot_lateral": "outer edge of the foot",
    "foot_sole": "sole and heel",
    "head_neck": "head and neck",
    "shoulder_arm": "shoulder and arm",
    "upper_back": "upper back",
    "trunk": "chest and abdomen",
    "sacroiliac": "sacroiliac joint",
    "piriformis": "piriformis (deep gluteal) syndrome",
    "hip": "hip joint",
    "other_hip_disease": "other hip disease",
    "trochanteric_pain": "greater trochanteric pain",
    "vascular_claudication": "vascular claudication",
    "peripheral_neuropathy": "peripheral neuropathy",
} | {root: root.upper() for root in ROOTS}
"""What a person reads for a name on an axis."""
