"""Invented work-ups over every variable known by the follow-up: nonsense, contradictions, gaps, and textbook pictures.

A third of the records is drawn at random over the ranges of the dictionary. The others begin as the picture of
one cause at a random level and side, so that every treatment is within reach; then some of it is blanked, and
some overwritten with whatever the ranges allow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.axes import LEVELS, SIDES
from features.dictionary import Variable, load_dictionary
from features.red_flags import AFTER, BEFORE, red_flag_rules

ANYBODY = {
    "operation_date": "2022-03-01",
    "workup_date": "2024-03-01",
    "followup_nrs_leg": 7.0,
    "followup_nrs_back": 6.0,
    "followup_odi": 48.0,
    "followup_pain_lateral_leg_{hurting}": 8.0,
    "followup_pain_foot_dorsum_{hurting}": 7.0,
    "operated_decompression_{opened}_{side}": 1.0,
    "planned_decompression_{opened}_{side}": 1.0,
}
FUSED = {"performed_procedure": "decompression_and_fusion", "operated_fusion_{opened}": 1.0}
PICTURES: tuple[dict[str, Any], ...] = (
    {
        "performed_procedure": "microdiscectomy",
        "return_tempo": "sudden",
        "pain_free_interval_months": 9.0,
        "followup_herniation_{level}_{side}": 3.0,
        "followup_mass_in_continuity_{level}_{side}": 1.0,
        "followup_enhancement_{level}_{side}": 1.0,
    },
    {
        "performed_procedure": "microdiscectomy",
        "return_tempo": "never_better",
        "initial_relief_percent": 5.0,
        "pain_compared": "same",
        "followup_retained_fragment_{level}_{side}": 1.0,
    },
    {
        "performed_procedure": "microdiscectomy",
        "return_tempo": "gradual",
        "pain_free_interval_months": 6.0,
        "followup_enhancement_{level}_{side}": 2.0,
        "followup_mass_in_continuity_{level}_{side}": 0.0,
        "followup_neuropathic_quality_dn4": 6.0,
        "stimulation_trial_relief": 60.0,
    },
    {
        "performed_procedure": "decompression",
        "return_tempo": "never_better",
        "initial_relief_percent": 5.0,
        "followup_recess_stenosis_{level}_{side}": 3.0,
        "followup_bone_left_recess_{level}_{side}": 1.0,
        "followup_root_block_relief_l5_{side}": 80.0,
        "followup_slip_{level}": 1.0,
    },
    {
        "performed_procedure": "microdiscectomy",
        "return_tempo": "never_better",
        "pain_compared": "same",
        "followup_operated_site_{other}_{side}": 1.0,
        "followup_herniation_{level}_{side}": 3.0,
        "followup_root_block_relief_l5_{side}": 80.0,
        "followup_root_block_relief_s1_{side}": 80.0,
    },
    {
        "performed_procedure": "fusion",
        "operated_fusion_{other}": 1.0,
        "operated_decompression_{level}_{side}": 0.0,
        "return_tempo": "gradual",
        "pain_free_interval_months": 30.0,
        "pain_compared": "other",
        "followup_central_stenosis_{level}": 3.0,
        "followup_recess_stenosis_{level}_{side}": 3.0,
    },
    {
        "performed_procedure": "decompression",
        "followup_has_catch_on_rising": 1.0,
        "followup_motion_mm_{level}": 6.0,
        "followup_slip_{level}": 2.0,
        "slip_{level}": 1.0,
        "followup_nrs_leg": 2.0,
    },
    FUSED | {"followup_fusion_{level}": 0.0, "followup_crp_mg_l": 3.0, "smoking": 2.0, "followup_nrs_leg": 2.0},
    FUSED | {"followup_hardware_fault": 1.0, "followup_crp_mg_l": 3.0, "return_tempo": "never_better"},
    {
        "followup_discitis_signs_{level}": 1.0,
        "followup_crp_mg_l": 90.0,
        "followup_esr_mm_h": 80.0,
        "workup_date": "2022-04-10",
        "pain_free_interval_months": 0.5,
        "followup_has_night_pain": 1.0,
    },
    {"followup_nrs_leg": 1.0, "followup_facet_block_relief": 80.0, "followup_extension_test_{side}": 1.0},
    FUSED
    | {f"followup_sij_{test}_{{side}}": 1.0 for test in ("distraction", "compression", "thigh_thrust", "gaenslen")}
    | {"followup_sij_block_relief_{side}": 80.0, "followup_pain_buttock_{side}": 9.0, "pain_compared": "other"},
    {
        "followup_fair_{side}": 1.0,
        "followup_seated_piriformis_stretch_{side}": 1.0,
        "followup_piriformis_block_relief_{side}": 80.0,
        "followup_pain_buttock_{side}": 9.0,
    },
    {
        "followup_hip_internal_rotation_deg_{side}": 5.0,
        "followup_hip_groin_pain_on_abduction_{side}": 1.0,
        "followup_hip_block_relief_{side}": 80.0,
        "hip_osteoarthritis_grade_{side}": 4.0,
        "followup_pain_groin_{side}": 9.0,
        "age_years": 74.0,
    },
    {
        "followup_neuropathic_quality_dn4": 8.0,
        "followup_has_allodynia": 1.0,
        "stimulation_trial_relief": 20.0,
        "opioid_use": 2.0,
        "distress_hscl25": 2.4,
    },
    {"modic_{level}": 1.0, "followup_nrs_leg": 1.0},
)


def invented_followups(n: int, seed: int) -> pd.DataFrame:
    """n records: see the module. Columns of every type but identifiers; None and NaN where nothing is recorded."""
    rng = np.random.default_rng(seed)
    variables = [v for v in load_dictionary().known_by("follow_up") if v.type != "identifier" and v.form != "keys"]
    places = {variable.name: place for place, variable in enumerate(variables)}
    n_random = n // 3
    drawn = np.empty((n_random, len(variables)), dtype=object)
    for place, variable in enumerate(variables):
        drawn[:, place] = _invented(variable, n_random, rng)
    table = drawn[rng.permutation(np.arange(n) % n_random)]
    is_random = np.arange(n) < n_random
    blank = np.where(is_random, rng.uniform(0, 1, n), rng.choice([0.9, 0.99, 1.0], n))
    table[rng.random(table.shape) < blank[:, None]] = None
    flags = [places[name] for name in flags_at_followup()]
    table[:, flags] = np.where(rng.random((n, 1)) < 0.15, table[:, flags], rng.choice([None, 0.0], (n, len(flags))))
    for row in np.flatnonzero(~is_random):
        for name, value in _picture(rng).items():
            if rng.random() < 0.93:
                table[row, places[name]] = value
    names = list(places)
    columns = {
        name: table[:, place] if variables[place].type in ("choice", "date") else table[:, place].astype(np.float64)
        for place, name in enumerate(names)
    }
    return pd.DataFrame(columns, index=[f"I{i}" for i in range(n)])


def flags_at_followup() -> list[str]:
    """What the follow-up asks of which a yes raises a red flag without another yes."""
    dictionary = load_dictionary()
    yes_no = {variable.name for variable in dictionary.variables if variable.type == "yes_no"}
    rows = [conditions for table in (BEFORE, AFTER) for _, conditions in red_flag_rules(table)]
    asked = [[condition.name for condition in conditions if condition.name in yes_no] for conditions in rows]
    alone = [f"followup_{names[0].removeprefix('followup_')}" for names in asked if len(names) == 1]
    return [name for name in dict.fromkeys(alone) if name in dictionary]


def _picture(rng: np.random.Generator) -> dict[str, Any]:
    """The picture of one cause at a level and side; at times another level was opened, or the other leg hurts."""
    place, side = int(rng.integers(1, len(LEVELS))), int(rng.integers(2))
    words = {
        "level": LEVELS[place],
        "other": LEVELS[place - 1],
        "opened": LEVELS[place - int(rng.random() < 0.15)],
        "side": SIDES[side],
        "hurting": SIDES[side ^ int(rng.random() < 0.15)],
    }
    picture = ANYBODY | PICTURES[int(rng.integers(len(PICTURES)))]
    return {name.format(**words): value for name, value in picture.items()}


def _invented(variable: Variable, n: int, rng: np.random.Generator) -> np.ndarray:
    if variable.type == "date":
        days = rng.integers(0, 3000, n).astype("timedelta64[D]")
        return (np.datetime64("2016-01-01") + days).astype(str).astype(object)
    if variable.choices:
        codes = np.array(variable.codes, dtype=object if variable.type == "choice" else float)
        return rng.choice(codes, n)
    assert isinstance(variable.lower, float)
    assert variable.upper is not None
    inside = np.round(rng.uniform(variable.lower, variable.upper, n), 1)
    return np.where(rng.random(n) < 0.15, rng.choice([variable.lower, variable.upper], n), inside)
