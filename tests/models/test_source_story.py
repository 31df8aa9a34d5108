"""One case's sources of pain in words, and its picture: every sentence says what the parts hold, and nothing more."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from features.builders import BuilderParams, sources_of_pain
from features.findings import Findings
from features.words import percent
from models.case_picture import body_picture, case_figure
from models.source_story import clinical_paragraph, source_lines

PARAMS = BuilderParams(mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.10})
L5_PAIN = {"pain_buttock_left": 5.0, "pain_lateral_leg_left": 7.0, "pain_foot_dorsum_left": 5.0}
RECESS = {"age_years": 60.0, "recess_stenosis_l4_l5_left": 3.0}
SIJ = {f"sij_{test}_left": 1.0 for test in ("distraction", "compression", "thigh_thrust", "gaenslen", "sacral_thrust")}


def sources(record):
    return sources_of_pain(Findings(pd.DataFrame([record])), PARAMS)


def told(**record):
    return clinical_paragraph(sources(RECESS | L5_PAIN | record))


def test_the_paragraph_names_the_source_what_it_explains_and_the_plan_that_reaches_it():
    found = sources(RECESS | L5_PAIN | {"planned_decompression_l4_l5_left": 1.0})
    story = clinical_paragraph(found)
    assert "mostly leg pain; best supported is L4-L5 paracentral and recess, left" in story
    weight = found.lesions.weights[0, found.lesions.best_site[0]]
    assert f"{percent(found.lesions.share_best[0] / weight)} of the drawing lies in its territory" in story
    assert f"accounts for {percent(found.lesions.share_best[0])}" in story
    assert "The plan (L4-L5 decompression left) reaches the best supported lesion" in story
    assert "risk:" not in story


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"planned_decompression_l4_l5_right": 1.0}, "Wrong-side risk"),
        ({"planned_decompression_l3_l4_left": 1.0}, "Wrong-level risk: L5, left, is caught where the plan does not"),
        ({"planned_decompression_l3_l4_left": 1.0}, "Nothing at L3-L4 explains any pain"),
        ({"planned_decompression_l4_l5_right": 1.0}, "which is on the other side of that level"),
        ({"planned_decompression_l3_l4_left": 1.0}, "which is at another level"),
        ({"planned_decompression_l4_l5_left": 1.0, "planned_zone": "foramen"}, "which is in another part of the canal"),
        ({"planned_fusion_l4_l5": 1.0}, "which only a decompression would"),
        (
            {
                "recess_stenosis_l4_l5_left": 0.0,
                "foraminal_stenosis_l5_s1_left": 3.0,
                "planned_decompression_l5_s1_left": 1.0,
            },
            "(the zone is not recorded and read as the canal)",
        ),
        (
            {
                "recess_stenosis_l5_s1_right": 3.0,
                "pain_posterior_leg_right": 6.0,
                "planned_decompression_l4_l5_left": 1.0,
            },
            "Left as it is: S1, right, is caught where the plan does not reach",
        ),
        ({}, "no level is planned"),
        ({"power_l5_left": 3.0, "reflex_s1_left": 2.0}, "the positive root signs (1 of 2 examined) fit it to 100 %"),
        ({"power_l5_left": 5.0}, "of 1 root sign none is positive"),
        ({}, "no root sign was examined"),
        ({"foraminal_stenosis_l5_s1_left": 3.0}, "Hard to tell apart from"),
        (SIJ | {"one_finger_psis_left": 1.0}, "both may be true"),
        (
            SIJ,
            "On what that rests: sacroiliac joint, left: five sacroiliac provocation tests, 5 positive of 5 done of 5",
        ),
        ({"has_stocking_numbness": 1.0}, "Flagged by rule: peripheral neuropathy, left"),
        ({"sij_block_relief_left": 80.0}, "a block relieved it"),
        (
            {"numbering_method": "unknown"},
            "Under the other reading L4-L5 paracentral and recess, left accounts for most",
        ),
        (SIJ | {"planned_fusion_l5_s1": 1.0, "recess_stenosis_l4_l5_left": 0.0}, "has no lesion to reach"),
        ({"pain_head_neck_left": 4.0, "pain_upper_back_left": 4.0}, "pain is drawn in 25 % of the regions above"),
        ({}, "Examine next: do the five sacroiliac provocation tests, left"),
        ({"sij_distraction_left": 0.0, "sij_compression_left": 1.0}, "Examine next: finish the four best sacroiliac"),
        ({}, "readers of scans agree only moderately on this finding (lateral recess stenosis; kappa 0.49)"),
    ],
)
def test_each_part_that_matters_has_its_sentence(record, sentence):
    assert sentence in told(**record)


def test_what_does_not_matter_is_not_said():
    story = told(planned_decompression_l4_l5_left=1.0, power_l5_left=3.0)
    for words in ("Wrong-level", "Wrong-side", "Hard to tell", "both may be true", "numbering", "above the low back"):
        assert words not in story


@pytest.mark.parametrize(
    ("record", "missing"),
    [(L5_PAIN, "not recorded: scan."), (RECESS, "not recorded: pain drawing."),
     ({"age_years": 60.0}, "not recorded: pain drawing and scan."),
     (RECESS | {"pain_knee_left": 0.0}, "not recorded: any pain in the drawing.")],
)  # fmt: skip
def test_what_is_not_recorded_is_said_by_name(record, missing):
    assert f"Source of the pain: unknown; {missing}" in clinical_paragraph(sources(record))


def test_back_pain_with_a_worn_disc_is_called_a_weak_target():
    story = clinical_paragraph(sources({"disc_degeneration_l4_l5": 4.0, "pain_low_back_left": 6.0, "age_years": 50.0}))
    assert "Source of the pain: back pain" in story
    assert "a weak target for surgery" in story


def test_a_clean_scan_is_said_to_explain_nothing():
    story = clinical_paragraph(sources(L5_PAIN | {"recess_stenosis_l4_l5_left": 0.0}))
    assert "no lesion that was read explains any of it (not read: L1-L2, L2-L3, L3-L4, L5-S1)" in story


def test_the_story_of_a_case_does_not_depend_on_its_neighbours():
    cases = pd.DataFrame([
        RECESS | L5_PAIN, RECESS | L5_PAIN | SIJ, RECESS, L5_PAIN, {"planned_fusion_l4_l5": 1.0},
        RECESS | L5_PAIN | {"planned_decompression_l3_l4_left": 1.0, "numbering_method": "unknown"},
    ])  # fmt: skip
    together = sources_of_pain(Findings(cases), PARAMS)
    for place in range(len(cases)):
        alone = sources_of_pain(Findings(cases.iloc[[place]]), PARAMS)
        assert source_lines(together, place) == source_lines(alone)
        assert case_figure(together, place, "t") == case_figure(alone, 0, "t")


def test_pain_above_the_ribs_alone_is_not_called_no_drawing():
    story = clinical_paragraph(sources(RECESS | {"pain_head_neck_left": 5.0}))
    assert "not recorded: pain drawing below the ribs" in story


def test_a_mimic_that_was_tested_on_one_side_is_shown_on_that_side():
    negative = dict.fromkeys(SIJ, 0.0)
    story = told(**negative, pain_posterior_thigh_right=3.0)
    assert "sacroiliac joint, left" in story
    assert "(5 tests recorded" in story


def test_a_plan_cannot_reach_what_is_no_lesion():
    pain = {"pain_buttock_left": 8.0, "pain_low_back_left": 5.0, "pain_posterior_thigh_left": 4.0}
    record = {"age_years": 45.0, "herniation_l5_s1_paracentral_left": 1.0, **pain, **SIJ, "one_finger_psis_left": 1.0}
    story = clinical_paragraph(sources(record | {"planned_decompression_l5_s1_left": 1.0}))
    assert "best supported is sacroiliac joint, left" in story
    assert "The best supported source is no lesion, and no operation on the spine reaches it" in story


def test_the_picture_expects_the_pain_of_the_best_supported_source():
    lesion = body_picture(sources(RECESS | L5_PAIN), 0)
    assert lesion.expected_label == "expected from L4-L5 paracentral and recess, left"
    assert lesion.expected[:, 1].sum() == 0
    assert [drawn.is_best for drawn in lesion.lesions] == [True]
    joint = body_picture(sources({"recess_stenosis_l4_l5_left": 0.0, **L5_PAIN, **SIJ}), 0)
    assert joint.expected_label == "expected from sacroiliac joint, left"


def test_the_picture_of_an_empty_record_says_what_is_missing():
    empty = sources({"age_years": 60.0})
    assert np.isnan(body_picture(empty, 0).reported).all()
    svg = case_figure(empty, 0, "Nothing recorded")
    ET.fromstring(svg)
    for words in ("No pain drawing", "No scan read", "No level planned"):
        assert words.lower() in svg.lower()
