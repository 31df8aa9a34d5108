"""The ten rules of the crude rival, case by case, and what a faulty table of rules says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.axes import CAUSES
from features.builders import BuilderParams
from features.causes import CauseParams, cause_evidence
from features.errors import KnowledgeError
from features.followup import FollowUp
from models import cause_rivals as rivals

PARAMS = BuilderParams(mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.10})
OPERATED = {"operated_decompression_l4_l5_left": 1.0}
FUSED = {"operated_fusion_l4_l5": 1.0, "performed_procedure": "fusion"}
COMMON = rivals.shares_of(np.array([CAUSES.index("residual_stenosis")] * 3 + [CAUSES.index("none_found")] * 2))
SACROILIAC = {f"followup_sij_{test}_left": 1.0 for test in ("thigh_thrust", "compression", "distraction")}
STORIES = {
    "fever": ({"followup_has_fever_or_infection_signs": 1.0}, "infection"),
    "high CRP": ({"followup_crp_mg_l": 44.0}, "infection"),
    "loose screw": (FUSED | {"followup_hardware_fault": 1.0}, "hardware"),
    "not united": (FUSED | {"followup_fusion_l4_l5": 0.0}, "pseudarthrosis"),
    "fragment, never better": (
        OPERATED | {"return_tempo": "never_better", "followup_retained_fragment_l4_l5_left": 1.0},
        "retained_fragment",
    ),
    "sudden, herniation there": (
        OPERATED | {"return_tempo": "sudden", "followup_herniation_l4_l5_left": 3.0},
        "recurrent_herniation",
    ),
    "motion": (OPERATED | {"followup_motion_mm_l4_l5": 5.0}, "instability"),
    "three tests": (OPERATED | SACROILIAC, "sacroiliac"),
    "narrow foramen, never better": (
        OPERATED | {"return_tempo": "never_better", "followup_foraminal_stenosis_l4_l5_left": 2.0},
        "residual_stenosis",
    ),
    "slow, scar": (OPERATED | {"return_tempo": "gradual", "followup_enhancement_l4_l5_left": 2.0}, "epidural_fibrosis"),
    "burning": (OPERATED | {"followup_neuropathic_quality_dn4": 6.0}, "neuropathic_or_central"),
}
"""What is found, and the cause that the rules put first."""
HELD_BACK = {
    "a herniation elsewhere": OPERATED | {"return_tempo": "sudden", "followup_herniation_l2_l3_right": 3.0},
    "a herniation, slowly": OPERATED | {"return_tempo": "gradual", "followup_herniation_l4_l5_left": 3.0},
    "a fragment after a good start": OPERATED
    | {"return_tempo": "gradual", "followup_retained_fragment_l4_l5_left": 1.0},
    "tests on two sides": {
        **{f"followup_sij_{test}_left": 1.0 for test in ("thigh_thrust", "compression")},
        "followup_sij_distraction_right": 1.0,
    },
    "nothing recorded": {},
}  # fmt: skip
"""What no rule answers, so that the commonest cause is first."""


def scores(records: list[dict]) -> np.ndarray:
    followup = FollowUp(pd.DataFrame(records))
    return rivals.rule_scores(followup, cause_evidence(followup, CauseParams(), PARAMS), COMMON)


@pytest.fixture(scope="module")
def told() -> dict[str, np.ndarray]:
    records = {name: record for name, (record, _) in STORIES.items()} | HELD_BACK
    records["two rules"] = OPERATED | SACROILIAC | {"followup_crp_mg_l": 80.0}
    return dict(zip(records, scores(list(records.values())), strict=True))


@pytest.mark.parametrize("story", STORIES)
def test_each_rule_names_its_cause(told, story):
    assert CAUSES[told[story].argmax()] == STORIES[story][1]


@pytest.mark.parametrize("story", HELD_BACK)
def test_where_no_rule_holds_the_commonest_cause_is_first(told, story):
    assert told[story] == pytest.approx(COMMON)
    assert CAUSES[told[story].argmax()] == "residual_stenosis"


def test_of_two_rules_the_earlier_is_first_and_the_later_second(told):
    order = [CAUSES[number] for number in np.argsort(-told["two rules"])]
    assert order[:3] == ["infection", "sacroiliac", "residual_stenosis"]


def test_there_are_ten_rules_for_ten_causes_each_with_a_story():
    causes = [rule.cause for rule in rivals.crude_rules()]
    assert len(causes) == len(set(causes)) == 10
    assert {cause for _, cause in STORIES.values()} == set(causes)


def test_a_faulty_table_says_everything_that_is_wrong_with_it():
    rows = [("fracture", "has_diabetes"), ("facet", "followup_crp=9"), ("hip", "followup_motion_mm>=99")]
    with pytest.raises(KnowledgeError) as raised:
        rivals.rules_of(pd.DataFrame([{"cause": cause, "all_of": said, "words": ""} for cause, said in rows]))
    for words in ("fracture is no cause", "followup_crp=9", "followup_motion_mm runs from 0 to"):
        assert words in str(raised.value)


def test_the_shares_are_those_of_the_cases_and_none_is_impossible():
    assert COMMON.sum() == pytest.approx(1)
    assert COMMON.min() > 0
    log_odds = rivals.common_log_odds(4, COMMON)
    assert log_odds.shape == (4, len(CAUSES))
    assert (1 / (1 + np.exp(-log_odds[2]))) == pytest.approx(COMMON)
