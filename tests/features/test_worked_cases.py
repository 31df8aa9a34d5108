"""Worked cases for a clinician to check, a line each: what is found, what is planned, what the builders make of it.

Pain is drawn 0 to 10 by region and side. Scans are read in the grades of `choices.csv`: a herniation is 1 bulge,
2 protrusion, 3 extrusion, 4 sequestration; a stenosis goes from 0 to 3; power from 0 to 5, reflexes from 0 to 2.
`likeliest` is the best supported of all lesions and mimics, or something else. `verdict` says whether the plan
reaches the lesion that drawing and examination support most, misses it, or finds none, and whether it opens the
painless side. The last column names the mimics that are flagged.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.axes import MIMICS
from features.builders import build_features

# who | age | scan | pain | examination | plan | likeliest | verdict | flagged
CASES = """
L1 of the left side | 50 | herniation_l1_l2_foraminal_left 3 | groin_left 6, lateral_hip_left 3, low_back_left 3 | | decompression_l1_l2_left, zone foramen | L1-L2 foramen, left | reaches |
L2 of the right side | 55 | herniation_l1_l2_paracentral_right 3 | anterior_thigh_right 7, groin_right 3 | power_l2_right 4, femoral_stretch_right 1 | decompression_l1_l2_right | L1-L2 paracentral and recess, right | reaches |
L3 of the left side | 60 | foraminal_stenosis_l3_l4_left 3 | anterior_thigh_left 7, knee_left 5 | power_l3_left 4, femoral_stretch_left 1 | decompression_l3_l4_left, zone foramen | L3-L4 foramen, left | reaches |
L3 of the right side | 48 | herniation_l2_l3_paracentral_right 3 | anterior_thigh_right 7, knee_right 5 | femoral_stretch_right 1 | decompression_l2_l3_right | L2-L3 paracentral and recess, right | reaches |
L4 of the left side | 45 | herniation_l3_l4_paracentral_left 3 | anterior_thigh_left 5, knee_left 5, medial_leg_left 6 | power_l4_left 4, reflex_l4_left 0 | decompression_l3_l4_left | L3-L4 paracentral and recess, left | reaches |
L4 of the right side | 52 | recess_stenosis_l3_l4_right 3 | anterior_thigh_right 5, knee_right 4, medial_leg_right 6 | reflex_l4_right 0, femoral_stretch_right 1 | decompression_l3_l4_right | L3-L4 paracentral and recess, right | reaches |
L5 of the left side | 42 | herniation_l4_l5_paracentral_left 3 | buttock_left 6, lateral_leg_left 7, foot_dorsum_left 5 | power_l5_left 4, slr_left 1 | decompression_l4_l5_left | L4-L5 paracentral and recess, left | reaches |
L5 of the right side | 63 | foraminal_stenosis_l5_s1_right 3 | buttock_right 5, lateral_leg_right 7, foot_dorsum_right 6 | power_l5_right 4 | decompression_l5_s1_right, zone foramen | L5-S1 foramen, right | reaches |
S1 of the left side | 38 | herniation_l5_s1_paracentral_left 4 | buttock_left 5, posterior_thigh_left 7, posterior_leg_left 7, foot_sole_left 4 | reflex_s1_left 0, slr_left 1 | decompression_l5_s1_left | L5-S1 paracentral and recess, left | reaches |
S1 of the right side | 44 | herniation_l5_s1_paracentral_right 3 | buttock_right 5, posterior_thigh_right 7, posterior_leg_right 7, foot_lateral_right 4 | reflex_s1_right 0, slr_right 1, crossed_slr_left 1 | decompression_l5_s1_right | L5-S1 paracentral and recess, right | reaches |
Far lateral herniation | 58 | herniation_l4_l5_far_lateral_left 3 | anterior_thigh_left 7, knee_left 5, medial_leg_left 5 | femoral_stretch_left 1, reflex_l4_left 0 | decompression_l4_l5_left, zone foramen | L4-L5 far lateral, left | reaches |
Far lateral herniation, opened in the midline | 58 | herniation_l4_l5_far_lateral_left 3 | anterior_thigh_left 7, knee_left 5, medial_leg_left 5 | femoral_stretch_left 1 | decompression_l4_l5_left, zone canal | L4-L5 far lateral, left | misses |
A fragment gone up | 47 | herniation_l5_s1_paracentral_left 4, migration_l5_s1 up | buttock_left 5, lateral_leg_left 7, foot_dorsum_left 6 | power_l5_left 3 | decompression_l5_s1_left | L5-S1 paracentral, migrated upwards, left | reaches |
A fragment gone down | 47 | herniation_l4_l5_paracentral_left 4, migration_l4_l5 down | buttock_left 5, lateral_leg_left 7, foot_dorsum_left 6 | power_l5_left 3 | decompression_l4_l5_left | L4-L5 paracentral, migrated downwards, left | reaches |
A synovial cyst | 68 | synovial_cyst_l4_l5_right 1 | buttock_right 5, lateral_leg_right 8, foot_dorsum_right 4 | power_l5_right 4 | decompression_l4_l5_right | L4-L5 paracentral and recess, right | reaches |
A slipped vertebra with a pars defect | 45 | spondylolysis_l5_s1 1, slip_l5_s1 1, foraminal_stenosis_l5_s1_left 3 | buttock_left 5, lateral_leg_left 7, foot_dorsum_left 5 | power_l5_left 4 | decompression_l5_s1_left, fusion_l5_s1, zone foramen | L5-S1 foramen, left | reaches |
Central stenosis with claudication | 72 | central_stenosis_l4_l5 3 | buttock_left 6, buttock_right 6, posterior_thigh_left 5, posterior_thigh_right 5, lateral_leg_left 6, lateral_leg_right 6 | | decompression_l4_l5_left, decompression_l4_l5_right | L4-L5 central canal | reaches |
Central stenosis opened from one side | 72 | central_stenosis_l4_l5 3 | buttock_left 6, buttock_right 6, lateral_leg_left 6, lateral_leg_right 6 | | decompression_l4_l5_left | L4-L5 central canal | reaches |
Recess stenosis on both sides, pain on the right | 66 | recess_stenosis_l4_l5_left 3, recess_stenosis_l4_l5_right 3 | buttock_right 5, lateral_leg_right 7 | | decompression_l4_l5_right | L4-L5 paracentral and recess, right | reaches |
The same, the other side planned | 66 | recess_stenosis_l4_l5_left 3, recess_stenosis_l4_l5_right 3 | buttock_right 5, lateral_leg_right 7 | | decompression_l4_l5_left | L4-L5 paracentral and recess, right | misses, other side |
Back pain and a type 1 endplate | 48 | modic_l5_s1 1, disc_degeneration_l5_s1 5 | low_back_left 7, low_back_right 7 | | fusion_l5_s1 | L5-S1 disc and endplates | reaches |
The same, only decompressed | 48 | modic_l5_s1 1, disc_degeneration_l5_s1 5 | low_back_left 7, low_back_right 7 | | decompression_l5_s1_left, decompression_l5_s1_right | L5-S1 disc and endplates | misses |
Back pain and a slip | 65 | slip_l4_l5 2 | low_back_left 7, low_back_right 7, buttock_left 3, buttock_right 3 | | fusion_l4_l5 | L4-L5 facet joints and slip | reaches |
Back pain and black discs alone | 55 | disc_degeneration_l4_l5 4, disc_degeneration_l5_s1 3 | low_back_left 6, low_back_right 6 | | fusion_l4_l5 | L4-L5 disc and endplates | reaches |
Two herniations, S1 pain | 50 | herniation_l3_l4_far_lateral_left 3, herniation_l5_s1_paracentral_left 3 | buttock_left 5, posterior_thigh_left 7, posterior_leg_left 7 | reflex_s1_left 0 | decompression_l5_s1_left | L5-S1 paracentral and recess, left | reaches |
The same two, L3 pain | 50 | herniation_l3_l4_far_lateral_left 3, herniation_l5_s1_paracentral_left 3 | anterior_thigh_left 7, knee_left 7 | femoral_stretch_left 1 | decompression_l5_s1_left | L3-L4 far lateral, left | misses |
The wrong level | 57 | recess_stenosis_l3_l4_left 2, recess_stenosis_l4_l5_left 3 | buttock_left 5, lateral_leg_left 7, foot_dorsum_left 6 | power_l5_left 4 | decompression_l3_l4_left | L4-L5 paracentral and recess, left | misses |
The wrong side | 40 | herniation_l5_s1_paracentral_left 3 | posterior_thigh_left 7, posterior_leg_left 7 | reflex_s1_left 0 | decompression_l5_s1_right | L5-S1 paracentral and recess, left | misses, other side |
The examination decides | 61 | recess_stenosis_l4_l5_left 2, recess_stenosis_l5_s1_left 2 | buttock_left 6, posterior_thigh_left 5 | reflex_s1_left 0, power_s1_left 4 | decompression_l5_s1_left | L5-S1 paracentral and recess, left | reaches |
The block decides | 61 | recess_stenosis_l4_l5_left 2, recess_stenosis_l5_s1_left 2 | buttock_left 6, posterior_thigh_left 5 | root_block_relief_l5_left 80 | decompression_l4_l5_left | L4-L5 paracentral and recess, left | reaches |
EMG decides | 61 | foraminal_stenosis_l4_l5_right 2, recess_stenosis_l4_l5_right 2 | buttock_right 6, lateral_thigh_right 5 | emg_l4_right 1 | decompression_l4_l5_right, zone foramen | L4-L5 foramen, right | reaches |
Sacroiliac joint beside a bulge | 45 | herniation_l5_s1_paracentral_left 1 | low_back_left 5, buttock_left 8, posterior_thigh_left 4 | sij_distraction_left 1, sij_compression_left 1, sij_thigh_thrust_left 1, sij_gaenslen_left 1, sij_sacral_thrust_left 1, one_finger_psis_left 1 | decompression_l5_s1_left | sacroiliac joint, left | reaches | sacroiliac
Piriformis with a clean scan | 39 | recess_stenosis_l5_s1_right 0 | buttock_right 8, posterior_thigh_right 5 | fair_right 1, seated_piriformis_stretch_right 1, active_piriformis_right 1 | decompression_l5_s1_right | piriformis (deep gluteal) syndrome, right | none | piriformis
Hip disease beside a worn spine | 70 | disc_degeneration_l4_l5 4, foraminal_stenosis_l4_l5_right 1 | groin_right 8, anterior_thigh_right 5, buttock_right 4 | hip_squat_pain_right 1, hip_flexion_lateral_pain_right 1, hip_scour_right 1, hip_extension_pain_right 1, hip_internal_rotation_deg_right 5, hip_groin_pain_on_abduction_right 1 | fusion_l4_l5 | hip joint, right | misses | hip
A herniation and a sacroiliac joint | 42 | herniation_l5_s1_paracentral_left 3 | low_back_left 5, buttock_left 8, posterior_thigh_left 7, posterior_leg_left 7, foot_sole_left 5 | reflex_s1_left 0, sij_distraction_left 1, sij_compression_left 1, sij_thigh_thrust_left 1, sij_gaenslen_left 1, sij_sacral_thrust_left 1, one_finger_psis_left 1 | decompression_l5_s1_left | L5-S1 paracentral and recess, left | reaches | sacroiliac
No lesion at all | 36 | herniation_l4_l5_paracentral_left 0, herniation_l5_s1_paracentral_left 0, recess_stenosis_l5_s1_left 0 | buttock_left 6, posterior_leg_left 7 | slr_left 0 | decompression_l5_s1_left | something else | none |
A lesion that cannot be it | 64 | recess_stenosis_l4_l5_left 3 | groin_right 5, knee_right 6 | | decompression_l4_l5_left | something else | none, other side |
Pain without any territory | 50 | recess_stenosis_l4_l5_left 2 | knee_left 7, foot_sole_right 7, groin_left 6, medial_leg_right 6 | | decompression_l4_l5_left | something else | reaches |
"""  # noqa: E501


def worked_cases():
    for line in CASES.strip().splitlines():
        who, *cells = (cell.strip() for cell in line.split("|"))
        yield pytest.param(*cells, id=who)


def case(age: str, scan: str, pain: str, examination: str, plan: str) -> pd.DataFrame:
    """One case from the short hand of a line."""
    record: dict[str, object] = {"age_years": float(age)}
    for entry in filter(None, f"{scan}, {examination}".split(", ")):
        name, value = entry.split(" ")
        record[name] = value if value in ("up", "down") else float(value)
    for entry in filter(None, pain.split(", ")):
        name, value = entry.split(" ")
        record[f"pain_{name}"] = float(value)
    for entry in filter(None, plan.split(", ")):
        record |= {"planned_zone": entry[5:]} if entry.startswith("zone ") else {f"planned_{entry}": 1.0}
    return pd.DataFrame([record], index=pd.Index(["A"], name="case_id"))


@pytest.mark.parametrize(
    ("age", "scan", "pain", "examination", "plan", "likeliest", "verdict", "flagged"), worked_cases()
)
def test_worked_case(params, age, scan, pain, examination, plan, likeliest, verdict, flagged):
    found = build_features(case(age, scan, pain, examination, plan), params).iloc[0]
    assert found["likeliest_source"] == likeliest
    reach, _, side = verdict.partition(", ")
    misses = {"reaches": 0, "misses": 1, "none": np.nan}[reach]
    assert found["plan_misses_likeliest"] == pytest.approx(misses, nan_ok=True)
    assert (found["side_conflict"] == 1) == (side == "other side")
    assert [mimic for mimic in MIMICS if found[f"{mimic}_flag"] == 1] == flagged.split()


def test_there_are_thirty_worked_cases_or_more():
    assert len(CASES.strip().splitlines()) >= 30
