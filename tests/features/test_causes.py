"""The evidence for each cause: additive, one finding of a cluster each way, and what was not sought says nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.axes import CAUSES, LEVELS, MIMICS, SIDES
from features.builders import sources_of_pain
from features.cause_findings import found, mimic_log_ratios
from features.cause_priors import because, operation_group, possible_causes, prior_log_odds
from features.cause_tables import GROUPS, STRENGTHS, cause_findings, causes, evidence, finding_places, investigations
from features.causes import (
    LIKELIHOODS,
    CauseEvidence,
    CauseParams,
    cause_evidence,
    cause_features,
    cause_label,
    finding_words,
    material_of,
    pair_log_ratios,
    points_of,
    red_flags_at_followup,
)
from features.errors import ParamsError
from features.followup import FollowUp
from features.mimic_tables import LR_CAPS, mimic_facts
from features.treatment_options import all_options, treatment_options
from tests.features.invented_followups import invented_followups

PARAMS = CauseParams()
N_FINDINGS = len(cause_findings())
NONE_FOUND = CAUSES.index("none_found")
DISCECTOMY = {"performed_procedure": "microdiscectomy", "operated_decompression_l5_s1_left": 1.0}
FUSION = {"performed_procedure": "fusion", "operated_fusion_l5_s1": 1.0}
DECOMPRESSION = {
    "performed_procedure": "decompression",
    "operated_decompression_l4_l5_left": 1.0,
    "operated_decompression_l4_l5_right": 1.0,
}


@pytest.fixture(scope="module")
def invented() -> pd.DataFrame:
    return invented_followups(300, 31)


@pytest.fixture(scope="module")
def judged(invented, params) -> CauseEvidence:
    """The invented cases, judged."""
    return cause_evidence(FollowUp(invented), PARAMS, params)


@pytest.fixture
def of(params):
    """`of(**record)`: the evidence of one case."""
    return lambda **record: cause_evidence(FollowUp.of_records([record]), PARAMS, params)


@pytest.fixture
def state(params):
    """`state(finding, **record)`: 1, 0 or NaN."""

    def state_of(finding: str, **record: object) -> float:
        states = found(material_of(FollowUp.of_records([record]), params)).states
        return float(states[0, finding_places()[finding]])

    return state_of


def points(judged: CauseEvidence, cause: str, finding: str) -> float:
    return float(judged.points[0, CAUSES.index(cause), finding_places()[finding]])


# Arithmetic


def test_points_add_up_to_the_log_odds_exactly(judged):
    np.testing.assert_array_equal(judged.log_odds, judged.prior + judged.points.sum(axis=-1))
    assert np.isfinite(judged.log_odds).all()


def test_a_finding_that_was_not_sought_adds_nothing(judged):
    not_sought = np.isnan(judged.states)
    assert 0.2 < not_sought.mean() < 0.9
    assert not judged.points[np.broadcast_to(not_sought[:, None], judged.points.shape)].any()
    assert set(np.unique(judged.states[~not_sought])) == {0.0, 1.0}


def test_a_case_alone_is_judged_as_among_others(invented, judged, params):
    for place in range(0, len(invented), 60):
        alone = cause_evidence(FollowUp(invented.iloc[[place]]), PARAMS, params)
        np.testing.assert_array_equal(alone.states[0], judged.states[place])
        np.testing.assert_allclose(alone.log_odds[0], judged.log_odds[place], atol=1e-12)
        np.testing.assert_array_equal(alone.rank[0], judged.rank[place])


def test_the_order_of_columns_and_what_is_beside_them_say_nothing(invented, judged, params):
    shuffled = invented[np.random.default_rng(5).permutation(invented.columns)].assign(hobby="chess")
    np.testing.assert_array_equal(cause_evidence(FollowUp(shuffled), PARAMS, params).points, judged.points)


@pytest.mark.parametrize("nobody", [FollowUp(pd.DataFrame({"followup_nrs_leg": []})), FollowUp.of_records([])])
def test_of_no_case_there_is_evidence_of_no_case(nobody, params):
    judged = cause_evidence(nobody, PARAMS, params)
    assert judged.points.shape == (0, len(CAUSES), N_FINDINGS)
    assert judged.likelihood.shape == judged.rank.shape == (0, len(CAUSES))
    assert treatment_options(judged, nobody).standing.shape == (0, len(all_options()))


def test_left_and_right_are_judged_alike(invented, judged, params, mirror_cases):
    mirrored = cause_evidence(FollowUp(mirror_cases(invented)), PARAMS, params)
    same = (np.nan_to_num(mirrored.states, nan=-1) == np.nan_to_num(judged.states, nan=-1)).all(axis=1)
    assert same.mean() > 0.97  # equal sides of a mimic are told apart by their order
    np.testing.assert_allclose(mirrored.log_odds[same], judged.log_odds[same], atol=1e-9)


def test_of_a_cluster_one_finding_counts_each_way(judged):
    facts = evidence()
    ends = [*facts.cluster_starts[1:], len(facts.cause)]
    assert max(np.diff([0, *ends])) >= 4
    for start, end in zip(facts.cluster_starts, ends, strict=True):
        kept = judged.points[:, facts.cause[start], facts.finding[start:end]]
        assert ((kept > 0).sum(axis=1) <= 1).all()
        assert ((kept < 0).sum(axis=1) <= 1).all()


def test_the_strongest_of_a_cluster_is_the_one_that_counts():
    states = np.full((1, N_FINDINGS), np.nan)
    for finding in ("bone_left", "stenosis_at_operated"):  # strong, and a ratio of 3.4
        states[0, finding_places()[finding]] = 1
    of_cause = points_of(states, PARAMS)[0, CAUSES.index("residual_stenosis")]
    assert of_cause[finding_places()["bone_left"]] == pytest.approx(np.log(9))
    assert of_cause[finding_places()["stenosis_at_operated"]] == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, N_FINDINGS - 1), st.booleans())
def test_a_further_finding_moves_each_cause_the_way_it_speaks(seed, place, present):
    rng = np.random.default_rng(seed)
    states = rng.choice([0.0, 1.0, np.nan], N_FINDINGS, p=[0.25, 0.25, 0.5])
    states[place] = np.nan
    more = states.copy()
    more[place] = float(present)
    before, after = points_of(np.stack([states, more]), PARAMS).sum(axis=-1)
    alone = np.full((1, N_FINDINGS), np.nan)
    alone[0, place] = float(present)
    speaks = np.sign(points_of(alone, PARAMS)[0, :, place])
    change = (after - before).round(9)
    assert (change * speaks >= 0).all()
    assert (change[speaks == 0] == 0).all()


def test_no_finding_says_more_than_its_study_or_a_strong_rule_allows(judged):
    most = max(cap for _, cap in LR_CAPS)
    assert np.abs(judged.points).max() <= 2 * np.log(most)  # two clusters of tests of a mimic
    by_rule = np.abs(pair_log_ratios(PARAMS)[~evidence().mimic])
    assert by_rule.max() <= np.log(most) + 1e-9
    tiny = [place for place, row in enumerate(evidence().rows) if row["basis"] == "ratio" and row["n"] < 50]
    assert tiny
    assert by_rule[np.flatnonzero(np.isin(np.flatnonzero(~evidence().mimic), tiny))].max() <= np.log(LR_CAPS[0][1])


def test_rules_stand_for_the_ratios_of_the_parameters():
    params = CauseParams(rule_ratios={"weak": 1.2, "moderate": 2.0, "strong": 4.0})
    ratios = dict.fromkeys(STRENGTHS)
    for pair, row in enumerate(evidence().rows):
        if row["basis"] == "rule" and row["if_present"]:
            strength, way = row["if_present"].split()
            ratios[strength] = np.exp(abs(pair_log_ratios(params)[pair, 1]))
            assert (pair_log_ratios(params)[pair, 1] > 0) == (way == "for")
    assert ratios == pytest.approx(params.rule_ratios)


# Before any finding, and what cannot be


@pytest.mark.parametrize(
    ("record", "group"),
    [
        (DISCECTOMY, "discectomy"),
        ({"planned_procedure": "foraminotomy"}, "decompression"),
        (FUSION, "fusion"),
        ({"performed_procedure": "decompression", "operated_fusion_l4_l5": 1.0}, "fusion"),
        ({"performed_procedure": "disc_prosthesis"}, "fusion"),
        ({"planned_procedure": "fusion", "performed_procedure": "decompression"}, "decompression"),
    ],
)
def test_the_kind_of_operation(record, group):
    assert operation_group(FollowUp.of_records([record])).tolist() == [GROUPS.index(group)]


def test_priors_follow_the_shares_as_far_as_they_are_to_count():
    followup = FollowUp.of_records([DISCECTOMY, {}])
    shares = np.array([cause.shares["discectomy"] for cause in causes()])
    whole = prior_log_odds(followup, 1.0)
    np.testing.assert_allclose(whole[0], np.log(shares / (1 - shares)), atol=1e-9)
    mean = np.mean([[cause.shares[group] for group in GROUPS] for cause in causes()], axis=1)
    np.testing.assert_allclose(whole[1], np.log(mean / (1 - mean)), atol=1e-9)
    assert np.unique(prior_log_odds(followup, 0.0)).size == 1


@pytest.mark.parametrize("record", [{}, DISCECTOMY, DECOMPRESSION, FUSION])
def test_where_nothing_speaks_for_anything_no_cause_is_found(of, record):
    judged = of(**record)
    assert CAUSES[judged.first[0]] == "none_found"


def test_no_cause_found_keeps_its_prior_whatever_speaks_for_others(judged):
    assert not judged.points[:, NONE_FOUND].any()
    np.testing.assert_array_equal(judged.log_odds[:, NONE_FOUND], judged.prior[:, NONE_FOUND])
    assert judged.is_possible[:, NONE_FOUND].all()


IMPLANTED = ("adjacent_segment", "pseudarthrosis", "hardware")
OF_A_DISC = ("recurrent_herniation", "recurrent_herniation_other_side", "retained_fragment")


@pytest.mark.parametrize(
    ("record", "impossible"),
    [
        ({}, ()),
        ({"performed_procedure": "microdiscectomy"}, ()),  # no level recorded: nothing is known to lack
        ({"operated_decompression_l5_s1_left": 1.0}, ()),  # nor what was done inside it, or beside it
        ({"operated_decompression_l5_s1_left": 1.0, "operated_fusion_l5_s1": 0.0}, IMPLANTED),
        (DISCECTOMY, IMPLANTED),
        (DISCECTOMY | {"has_earlier_fusion": 1.0}, ()),
        (DISCECTOMY | {"operated_decompression_l5_s1_right": 1.0}, (*IMPLANTED, "recurrent_herniation_other_side")),
        (DECOMPRESSION, (*IMPLANTED, *OF_A_DISC)),
        (
            DECOMPRESSION | {"herniation_l4_l5_paracentral_left": 3.0},
            (*IMPLANTED, "recurrent_herniation_other_side"),
        ),
        (FUSION, (*OF_A_DISC, "epidural_fibrosis")),
        ({"performed_procedure": "disc_prosthesis", "operated_decompression_l5_s1_left": 1.0},
         ("adjacent_segment", "pseudarthrosis", *OF_A_DISC)),
    ],
)  # fmt: skip
def test_a_cause_that_cannot_be_is_not_ranked_and_says_why(of, record, impossible):
    judged = of(**record)
    excluded = {CAUSES[place] for place in np.flatnonzero(~judged.is_possible[0])}
    assert excluded == set(impossible)
    for cause in impossible:
        place = CAUSES.index(cause)
        assert because(cause)
        assert judged.rank[0, place] == 0
        assert judged.likelihood[0, place] is None
        assert judged.likelihood_places[0, place] == -1
    assert sorted(judged.rank[0][judged.is_possible[0]]) == list(range(1, judged.is_possible.sum() + 1))


def test_ranks_and_words_follow_the_log_odds(judged):
    for place in range(0, len(judged.rank), 25):
        ranked = judged.ranking[place][: judged.is_possible[place].sum()]
        assert (np.diff(judged.log_odds[place, ranked]) <= 0).all()
        np.testing.assert_array_equal(judged.rank[place, ranked], np.arange(1, len(ranked) + 1))
        assert (np.diff(judged.likelihood_places[place, ranked]) <= 0).all()
    probability = judged.probability
    likely = judged.likelihood == "likely"
    assert likely.any()
    assert (probability[likely] >= PARAMS.likely).all()
    assert (probability[judged.likelihood == "unlikely"] < PARAMS.less_likely).all()
    assert {word for word in judged.likelihood.ravel() if word} == set(LIKELIHOODS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"likely": 0.1}, "must rise within"),
        ({"less_likely": 0.0}, "must rise within"),
        ({"prior_weight": 1.5}, r"cause\.prior_weight must lie in \[0, 1\]"),
        ({"rule_ratios": {"weak": 2.0}}, "must name exactly weak, moderate, strong"),
        ({"rule_ratios": {"weak": 3.0, "moderate": 2.0, "strong": 9.0}}, "must rise from weak to strong"),
        ({"rule_ratios": {"weak": 2.0, "moderate": 3.0, "strong": 90.0}}, "up to 20"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ParamsError, match=message):
        dataclasses.replace(PARAMS, **changes)


# Findings


LEFT_S1 = {"followup_pain_posterior_leg_left": 7.0, "followup_pain_posterior_thigh_left": 7.0}
RIGHT_S1 = {"followup_pain_posterior_leg_right": 7.0, "followup_pain_posterior_thigh_right": 7.0}
NEVER = {"return_tempo": "never_better", "pain_free_interval_months": 0.0}
LATE = {"operation_date": "2024-01-01", "workup_date": "2025-06-01"}
EARLY = {"operation_date": "2025-01-01", "workup_date": "2025-02-15"}
WEEK = {"operation_date": "2025-01-01", "workup_date": "2025-01-08"}
WEAK_S1 = {"followup_power_s1_left": 4.0, "power_s1_left": 5.0}
FOUR_SIJ = {f"followup_sij_{test}_left": 1.0 for test in ("distraction", "compression", "thigh_thrust", "gaenslen")}
ONLY_PLANNED = {"planned_decompression_l5_s1_left": 1.0}


NO_SIJ = {f"followup_sij_{test}_{side}": 0.0 for test in ("distraction", "compression", "thigh_thrust", "gaenslen",
                                                           "sacral_thrust") for side in SIDES}  # fmt: skip
WORN_HIP = {"followup_hip_internal_rotation_deg_left": 5.0, "followup_hip_groin_pain_on_abduction_left": 1.0}
SOUND_HIPS = {f"followup_hip_internal_rotation_deg_{side}": 45.0 for side in SIDES} | {
    f"followup_hip_groin_pain_on_abduction_{side}": 0.0 for side in SIDES
}
L5_BEFORE = {
    "pain_lateral_leg_left": 7.0, "pain_foot_dorsum_left": 6.0, "pain_buttock_left": 4.0,
    "recess_stenosis_l4_l5_left": 3.0, "recess_stenosis_l2_l3_left": 1.0, "power_l5_left": 4.0,
}  # fmt: skip
FUSION_ABOVE = {"performed_procedure": "fusion", "operated_fusion_l4_l5": 1.0}
NECK = {f"followup_pain_head_neck_{side}": 8.0 for side in SIDES}
NOTHING_LEFT = {"followup_herniation_l5_s1_left": 0.0, "followup_recess_stenosis_l5_s1_right": 0.0}
HIGHER = {"operated_decompression_l5_s1_left": 0.0, "operated_decompression_l2_l3_left": 1.0}
S1_NOW = DISCECTOMY | LEFT_S1 | {"followup_reflex_s1_left": 0.0}


def before_the_operation(record):
    """The same examination before the operation."""
    return {name.removeprefix("followup_"): value for name, value in record.items()}


EXAMPLES = (
    ("never_better", NEVER, 1),
    ("never_better", {"return_tempo": "gradual", "initial_relief_percent": 30.0}, 0),
    ("never_better", {"initial_relief_percent": 30.0}, 1),
    ("never_better", {}, np.nan),
    ("relief_under_6_weeks", {"return_tempo": "gradual", "pain_free_interval_months": 1.0}, 1),
    ("relief_under_6_weeks", {"return_tempo": "gradual", "pain_free_interval_months": 2.0}, 0),
    ("relief_under_6_weeks", NEVER, np.nan),
    ("relief_3_to_12_months", {"return_tempo": "sudden", "pain_free_interval_months": 3.0}, 1),
    ("relief_3_to_12_months", {"return_tempo": "sudden", "pain_free_interval_months": 12.0}, 0),
    ("relief_over_12_months", {"return_tempo": "sudden", "pain_free_interval_months": 12.0}, 1),
    ("sudden_return", {"return_tempo": "gradual"}, 0),
    ("sudden_return", NEVER, np.nan),
    ("return_after_strain", {"return_tempo": "sudden", "return_trigger": "lifting_or_twisting"}, 1),
    ("return_after_strain", NEVER | {"return_trigger": "lifting_or_twisting"}, np.nan),
    ("leg_dominant", {"followup_nrs_leg": 7.0, "followup_nrs_back": 5.0}, 1),
    ("leg_dominant", {"followup_nrs_leg": 6.0, "followup_nrs_back": 5.0}, 0),
    ("leg_dominant", LEFT_S1, 1),
    ("back_dominant", {"followup_nrs_leg": 3.0, "followup_nrs_back": 6.0}, 1),
    ("back_dominant", {"followup_pain_low_back_left": 7.0}, 1),
    ("back_dominant", {"followup_nrs_leg": 3.0}, np.nan),
    ("same_pain", {"pain_compared": "both"}, 1),
    ("other_pain", {"pain_compared": "same"}, 0),
    ("claudication", {"followup_is_worse_on_walking": 1.0, "followup_is_relieved_by_sitting": 1.0}, 1),
    ("claudication", {"followup_is_worse_on_walking": 0.0, "followup_is_worse_on_standing": 0.0}, 0),
    ("claudication", {"followup_is_worse_on_walking": 1.0}, np.nan),
    ("drawing_as_before", LEFT_S1 | {"pain_posterior_leg_left": 7.0, "pain_posterior_thigh_left": 6.0}, 1),
    ("drawing_as_before", LEFT_S1 | {"pain_posterior_leg_left": 2.0, "pain_posterior_thigh_left": 2.0}, 1),
    ("drawing_as_before", LEFT_S1 | {"pain_groin_left": 7.0}, 0),
    ("drawing_as_before", LEFT_S1 | {"pain_posterior_leg_left": 7.0, "pain_foot_sole_left": 9.0}, np.nan),
    ("drawing_as_before", LEFT_S1, np.nan),
    ("leg_pain_other_side", DISCECTOMY | RIGHT_S1, 1),
    ("leg_pain_other_side", DISCECTOMY | LEFT_S1, 0),
    ("leg_pain_other_side", DECOMPRESSION | LEFT_S1, np.nan),
    ("widespread_pain", {"has_widespread_pain_syndrome": 1.0}, 1),
    ("widespread_pain", {"has_widespread_pain_syndrome": 0.0}, np.nan),
    ("widespread_pain", LEFT_S1, 0),
    ("widespread_pain", LEFT_S1 | NECK, 1),
    ("widespread_pain", NECK, 0),
    ("distress", {"catastrophising_pcs": 12.0, "has_depression_or_anxiety": 1.0}, 1),
    ("distress", {"catastrophising_pcs": 12.0}, 0),
    ("nerve_stretch", {"followup_slr_left": 0.0, "followup_femoral_stretch_right": 1.0}, 1),
    ("new_deficit", {"followup_power_s1_left": 3.0, "power_s1_left": 5.0}, 1),
    ("new_deficit", {"followup_power_s1_left": 4.0, "power_s1_left": 5.0}, 0),
    ("new_deficit", WEAK_S1 | {"followup_reflex_s1_left": 0.0, "reflex_s1_left": 2.0}, 1),
    ("new_deficit", WEAK_S1 | {"followup_reflex_s1_right": 0.0, "reflex_s1_right": 2.0}, 0),
    ("new_deficit", WEAK_S1 | {"followup_reflex_s1_left": 0.0, "reflex_s1_left": 0.0}, 0),
    ("new_deficit", {"followup_power_s1_left": 3.0}, np.nan),
    ("sacroiliac_tests", FOUR_SIJ, 1),
    ("sacroiliac_tests", {"followup_sij_distraction_left": 1.0}, np.nan),
    ("sacroiliac_block", {"followup_sij_block_relief_left": 20.0, "followup_sij_block_relief_right": 10.0}, 0),
    ("operated_root_block", DISCECTOMY | {"followup_root_block_relief_s1_left": 80.0}, 1),
    ("operated_root_block", DISCECTOMY | {"followup_root_block_relief_s1_right": 80.0}, np.nan),
    ("other_root_block", DISCECTOMY | {"followup_root_block_relief_l4_left": 80.0}, 1),
    ("other_root_block", {"followup_root_block_relief_l4_left": 80.0}, np.nan),
    ("other_root_block", DISCECTOMY | {"followup_root_block_relief_s1_left": 80.0}, np.nan),
    ("note_not_as_planned", DISCECTOMY | {"planned_decompression_l4_l5_left": 1.0}, 1),
    ("note_not_as_planned", DISCECTOMY | ONLY_PLANNED, 0),
    ("note_not_as_planned", DISCECTOMY, np.nan),
    ("site_not_as_planned", DISCECTOMY | ONLY_PLANNED | {"followup_operated_site_l5_s1_right": 1.0}, 1),
    ("site_not_as_planned", DISCECTOMY | ONLY_PLANNED | {"followup_operated_site_l5_s1_left": 1.0}, 0),
    ("site_not_as_planned", DECOMPRESSION | {"followup_operated_site_l4_l5_left": 1.0}, 0),
    ("site_not_as_planned", DISCECTOMY | ONLY_PLANNED, np.nan),
    ("early_workup", EARLY, 1),
    ("early_workup", LATE, 0),
    ("hip_osteoarthritis", {"hip_osteoarthritis_grade_right": 3.0}, 1),
    ("motion", DISCECTOMY | {"followup_motion_mm_l5_s1": 4.0}, 1),
    ("motion", DISCECTOMY | {"followup_motion_mm_l5_s1": 3.0}, 0),
    ("motion", DISCECTOMY | {"followup_motion_mm_l3_l4": 6.0}, np.nan),
    ("motion", FUSION | {"followup_motion_mm_l5_s1": 6.0}, np.nan),
    ("motion_at_fusion", FUSION | {"followup_motion_mm_l5_s1": 6.0}, 1),
    ("slip_grew", DISCECTOMY | {"followup_slip_l5_s1": 1.0, "slip_l5_s1": 0.0}, 1),
    ("slip_grew", DISCECTOMY | {"followup_slip_l5_s1": 1.0}, np.nan),
    ("herniation_operated_side", DISCECTOMY | {"followup_herniation_l5_s1_left": 2.0}, 1),
    ("herniation_operated_side", DISCECTOMY | {"followup_herniation_l5_s1_left": 1.0}, 0),
    ("herniation_operated_side", DISCECTOMY | {"followup_herniation_l5_s1_right": 3.0}, np.nan),
    ("herniation_other_side", DISCECTOMY | {"followup_herniation_l5_s1_right": 3.0}, 1),
    ("herniation_other_side", DECOMPRESSION | {"followup_herniation_l4_l5_right": 3.0}, np.nan),
    ("homogeneous_enhancement", DISCECTOMY | {"followup_enhancement_l5_s1_left": 2.0}, 1),
    (
        "homogeneous_enhancement",
        DISCECTOMY | {"followup_enhancement_l5_s1_left": 2.0, "followup_contrast": 0.0},
        np.nan,
    ),
    (
        "no_central_enhancement",
        DISCECTOMY | {"followup_enhancement_l5_s1_left": 1.0, "followup_herniation_l5_s1_left": 3.0},
        1,
    ),
    (
        "no_central_enhancement",
        DISCECTOMY | {"followup_enhancement_l5_s1_left": 0.0, "followup_herniation_l5_s1_left": 0.0},
        0,
    ),
    ("no_central_enhancement", DISCECTOMY | {"followup_herniation_l5_s1_left": 3.0}, np.nan),
    ("stenosis_at_operated", DECOMPRESSION | {"followup_central_stenosis_l4_l5": 2.0}, 1),
    ("stenosis_at_operated", DECOMPRESSION | {"followup_central_stenosis_l3_l4": 3.0}, np.nan),
    ("adjacent_lesion", FUSION | {"followup_central_stenosis_l4_l5": 2.0, "central_stenosis_l4_l5": 0.0}, 1),
    ("adjacent_lesion", FUSION | {"followup_central_stenosis_l4_l5": 2.0, "central_stenosis_l4_l5": 2.0}, 0),
    ("adjacent_lesion", FUSION | {"followup_central_stenosis_l4_l5": 2.0, "central_stenosis_l4_l5": 1.0}, 0),
    ("adjacent_lesion", FUSION | {"followup_herniation_l4_l5_left": 2.0}, 0),
    ("adjacent_lesion", FUSION | {"followup_herniation_l4_l5_left": 3.0}, 1),
    ("sacroiliac_territory", {"followup_pain_buttock_left": 8.0, "followup_pain_low_back_left": 5.0}, 1),
    ("sacroiliac_territory", LEFT_S1, 0),
    ("sacroiliac_territory", {}, np.nan),
    ("hip_territory", {"followup_pain_groin_right": 8.0, "followup_pain_anterior_thigh_right": 4.0}, 1),
    ("hip_territory", LEFT_S1, 0),
    ("adjacent_lesion", DISCECTOMY | {"followup_central_stenosis_l4_l5": 2.0}, np.nan),
    ("adjacent_lesion", FUSION_ABOVE | {"followup_central_stenosis_l5_s1": 2.0}, 1),
    ("adjacent_lesion", FUSION_ABOVE | {"followup_central_stenosis_l3_l4": 2.0}, 1),
    ("adjacent_lesion", FUSION_ABOVE | {"followup_central_stenosis_l2_l3": 2.0}, np.nan),
    ("adjacent_lesion", FUSION_ABOVE | FUSION | {"followup_central_stenosis_l5_s1": 2.0}, np.nan),
    ("discitis_signs", {"followup_discitis_signs_l2_l3": 1.0}, 1),
    ("retained_fragment_ct", DISCECTOMY | {"followup_retained_fragment_l5_s1_left": 1.0}, 1),
    ("bone_left", DECOMPRESSION | {"followup_bone_left_foramen_l4_l5_right": 1.0}, 1),
    ("not_united", FUSION | LATE | {"followup_fusion_l5_s1": 0.0}, 1),
    ("not_united", FUSION | LATE | {"followup_fusion_l5_s1": 1.0}, np.nan),
    ("not_united", FUSION | LATE | {"followup_fusion_l5_s1": 2.0}, 0),
    ("not_united", FUSION | EARLY | {"followup_fusion_l5_s1": 0.0}, np.nan),
    ("crp_and_esr_raised", {"followup_crp_mg_l": 40.0, "followup_esr_mm_h": 60.0}, 1),
    ("crp_and_esr_raised", {"followup_crp_mg_l": 40.0}, np.nan),
    ("crp_raised", {"followup_crp_mg_l": 40.0} | WEEK, np.nan),
    ("neuropathic_quality", {"followup_neuropathic_quality_dn4": 3.0}, 0),
    ("never_better", {"pain_free_interval_months": 4.0, "initial_relief_percent": 30.0}, 0),
    ("relief_under_6_weeks", {"pain_free_interval_months": 1.0}, 1),
    ("relief_over_12_months", {"return_tempo": "sudden", "pain_free_interval_months": 11.0}, 0),
    ("sudden_return", {"return_tempo": "sudden"}, 1),
    ("return_after_strain", {"return_tempo": "sudden", "return_trigger": "none"}, 0),
    ("return_after_fall", {"return_tempo": "sudden", "return_trigger": "fall_or_accident"}, 1),
    ("return_after_fall", {"return_tempo": "sudden", "return_trigger": "lifting_or_twisting"}, 0),
    ("back_dominant", LEFT_S1, 0),
    ("same_pain", {"pain_compared": "other"}, 0),
    ("other_pain", {"pain_compared": "both"}, 1),
    ("piriformis_territory", {"followup_pain_buttock_left": 8.0, "followup_pain_posterior_thigh_left": 5.0}, 1),
    ("piriformis_territory", LEFT_S1, 0),
    ("nerve_stretch", {"followup_slr_left": 0.0}, 0),
    ("crossed_stretch", {"followup_crossed_slr_left": 0.0, "followup_crossed_slr_right": 1.0}, 1),
    ("crossed_stretch", {"followup_crossed_slr_left": 0.0}, 0),
    ("extension_pain", {"followup_extension_test_right": 1.0}, 1),
    ("extension_pain", {"followup_extension_test_right": 0.0}, 0),
    ("sacroiliac_tests", NO_SIJ, 0),
    ("piriformis_tests", {"followup_fair_left": 1.0, "followup_seated_piriformis_stretch_left": 1.0}, 1),
    ("piriformis_tests", {"followup_fair_left": 0.0, "followup_seated_piriformis_stretch_left": 0.0,
                          "followup_fair_right": 0.0, "followup_seated_piriformis_stretch_right": 0.0}, 0),
    ("hip_tests", WORN_HIP, 1),
    ("hip_tests", SOUND_HIPS, 0),
    ("hip_age", {"age_years": 72.0}, 1),
    ("hip_age", {"age_years": 35.0}, 0),
    ("sacroiliac_block", {"followup_sij_block_relief_left": 80.0}, 1),
    ("piriformis_block", {"followup_piriformis_block_relief_left": 80.0}, 1),
    ("piriformis_block", {f"followup_piriformis_block_relief_{side}": 10.0 for side in SIDES}, 0),
    ("hip_block", {"followup_hip_block_relief_left": 80.0}, 1),
    ("hip_block", {f"followup_hip_block_relief_{side}": 10.0 for side in SIDES}, 0),
    ("operated_root_block", DISCECTOMY | {"followup_root_block_relief_s1_left": 20.0}, 0),
    ("other_root_block", DISCECTOMY | {"followup_root_block_relief_l4_left": 20.0}, 0),
    ("source_missed", L5_BEFORE | {"operated_decompression_l2_l3_left": 1.0}, 1),
    ("source_missed", L5_BEFORE | {"operated_decompression_l4_l5_left": 1.0}, 0),
    ("source_missed", L5_BEFORE, np.nan),
    ("sacroiliac_before", before_the_operation(FOUR_SIJ) | {"pain_buttock_left": 8.0,
                                                            "sij_block_relief_left": 90.0}, 1),
    ("sacroiliac_before", before_the_operation(NO_SIJ), 0),
    ("piriformis_before", {"fair_left": 1.0, "seated_piriformis_stretch_left": 1.0, "pain_buttock_left": 8.0,
                           "piriformis_block_relief_left": 90.0}, 1),
    ("piriformis_before", {"fair_left": 0.0, "fair_right": 0.0}, 0),
    ("hip_before", before_the_operation(WORN_HIP) | {"pain_groin_left": 8.0, "age_years": 72.0,
                                                     "hip_block_relief_left": 90.0}, 1),
    ("hip_before", before_the_operation(SOUND_HIPS), 0),
    ("hip_osteoarthritis", {"hip_osteoarthritis_grade_right": 2.0}, 0),
    ("motion_at_fusion", FUSION | {"followup_motion_mm_l5_s1": 3.0}, 0),
    ("slip_grew", DISCECTOMY | {"followup_slip_l5_s1": 1.0, "slip_l5_s1": 1.0}, 0),
    ("slip_grew", DISCECTOMY | {"followup_slip_l3_l4": 1.0, "slip_l3_l4": 0.0}, np.nan),
    ("herniation_other_side", DISCECTOMY | {"followup_herniation_l5_s1_right": 1.0}, 0),
    ("mass_in_continuity", DISCECTOMY | {"followup_mass_in_continuity_l5_s1_left": 1.0}, 1),
    ("mass_in_continuity", DISCECTOMY | {"followup_mass_in_continuity_l5_s1_left": 0.0}, 0),
    ("mass_in_continuity", DISCECTOMY | {"followup_mass_in_continuity_l5_s1_right": 1.0}, np.nan),
    ("homogeneous_enhancement", DISCECTOMY | {"followup_enhancement_l5_s1_left": 1.0}, 0),
    ("stenosis_at_operated", DECOMPRESSION | {"followup_central_stenosis_l4_l5": 1.0}, 0),
    ("source_at_operated", S1_NOW | {"followup_herniation_l5_s1_left": 3.0}, 1),
    ("source_at_operated", S1_NOW | NOTHING_LEFT, 0),
    ("source_at_operated", S1_NOW, np.nan),
    ("source_not_operated", S1_NOW | HIGHER | {"followup_herniation_l5_s1_left": 3.0}, 1),
    ("source_not_operated", S1_NOW | {"followup_herniation_l5_s1_left": 3.0}, 0),
    ("no_lesion_explains", S1_NOW | NOTHING_LEFT, 1),
    ("no_lesion_explains", S1_NOW | {"followup_slip_l5_s1": 0.0}, np.nan),
    ("source_at_operated", S1_NOW | {"followup_slip_l5_s1": 1.0}, np.nan),
    ("source_at_operated", S1_NOW | {"followup_bone_left_recess_l5_s1_left": 1.0}, 1),
    ("no_lesion_explains", S1_NOW | {"followup_herniation_l5_s1_left": 3.0}, 0),
    ("discitis_signs", {"followup_discitis_signs_l2_l3": 0.0}, 0),
    ("retained_fragment_ct", DISCECTOMY | {"followup_retained_fragment_l5_s1_left": 0.0}, 0),
    ("retained_fragment_ct", DISCECTOMY | {"followup_retained_fragment_l5_s1_right": 1.0}, np.nan),
    ("bone_left", DECOMPRESSION | {"followup_bone_left_recess_l4_l5_right": 0.0}, 0),
    ("bone_left", DECOMPRESSION | {"followup_bone_left_recess_l2_l3_right": 1.0}, np.nan),
    ("crp_raised", {"followup_crp_mg_l": 10.0}, 1),
    ("crp_raised", {"followup_crp_mg_l": 9.0}, 0),
    ("esr_raised", {"followup_esr_mm_h": 50.0}, 1),
    ("esr_raised", {"followup_esr_mm_h": 49.0}, 0),
    ("esr_raised", {"followup_esr_mm_h": 90.0} | WEEK, np.nan),
    ("crp_and_esr_raised", {"followup_crp_mg_l": 4.0, "followup_esr_mm_h": 60.0}, 0),
)  # fmt: skip
"""(finding, record, whether it is present, absent or was not sought)"""


@pytest.mark.parametrize(("finding", "record", "expected"), EXAMPLES)
def test_when_a_finding_is_present_absent_or_not_sought(state, finding, record, expected):
    assert state(finding, **record) == pytest.approx(expected, nan_ok=True)


def test_the_first_question_weighs_the_tests_of_the_mimics_and_its_ratios_are_the_points(of, params):
    record = FOUR_SIJ | {"followup_sij_block_relief_left": 80.0, "followup_pain_buttock_left": 7.0}
    judged = of(**record)
    sources = sources_of_pain(FollowUp.of_records([record]).findings, params)
    ratios = mimic_log_ratios(sources.mimics)[0, MIMICS.index("sacroiliac")]
    by_name = {cluster.name: cluster for cluster in mimic_facts().clusters}
    assert ratios[:2] == pytest.approx(np.log([by_name["laslett_five"].lr_positive, by_name["sij_block"].lr_positive]))
    assert points(judged, "sacroiliac", "sacroiliac_tests") == pytest.approx(ratios[0])
    assert points(judged, "sacroiliac", "sacroiliac_block") == pytest.approx(ratios[1])


def test_without_the_builder_a_test_of_a_mimic_weighs_what_its_first_cluster_does():
    states = np.full((1, N_FINDINGS), np.nan)
    states[0, finding_places()["sacroiliac_tests"]] = 1
    first = next(c for c in mimic_facts().clusters if (c.mimic, c.role) == ("sacroiliac", "cluster"))
    made = points_of(states, PARAMS)[0, CAUSES.index("sacroiliac"), finding_places()["sacroiliac_tests"]]
    assert made == pytest.approx(np.log(first.lr_positive))


def test_every_finding_that_is_read_from_more_than_one_variable_has_an_example_of_each_kind():
    states = {(finding, expected) for finding, _, expected in EXAMPLES}
    read = [fact.name for fact in cause_findings() if not fact.variable]
    assert [(finding, state) for finding in read for state in (0, 1) if (finding, state) not in states] == []


@pytest.mark.parametrize("fact", [fact for fact in cause_findings() if fact.variable], ids=lambda fact: fact.name)
def test_a_finding_of_one_variable_is_present_from_its_threshold_on(state, fact):
    assert fact.rule == ">="
    assert state(fact.name, **{fact.variable: fact.threshold}) == 1
    assert state(fact.name, **{fact.variable: fact.threshold - 1}) == 0
    assert np.isnan(state(fact.name, age_years=50.0))


# Words, red flags, and a learner's candidates


@pytest.mark.parametrize(
    ("finding", "record", "words"),
    [
        (
            "relief_3_to_12_months",
            {"return_tempo": "sudden", "pain_free_interval_months": 7.0},
            "the pain came back after 7 months free of it",
        ),
        ("sudden_return", {"return_tempo": "gradual"}, "the pain came back gradually"),
        ("herniation_operated_side", DISCECTOMY | {"followup_herniation_l5_s1_left": 3.0},
         "herniation again at the operated site (L5-S1 left)"),
        ("stenosis_at_operated", DECOMPRESSION | {"followup_central_stenosis_l4_l5": 2.0},
         "stenosis left at the operated level (L4-L5)"),
        ("crp_raised", {"followup_crp_mg_l": 42.0}, "CRP raised (42 mg/l)"),
        ("crp_raised", {}, "CRP"),
        ("motion", DISCECTOMY | {"followup_motion_mm_l5_s1": 2.5}, "moves by 2.5 mm only"),
    ],
)  # fmt: skip
def test_a_finding_in_a_persons_words(of, finding, record, words):
    assert finding_words(of(**record), 0, finding) == words


def test_every_finding_has_words_in_every_state(judged):
    for fact in cause_findings():
        for case in range(0, 300, 30):
            words = finding_words(judged, case, fact.name)
            assert words
            assert "{" not in words
            assert "nan" not in words


def test_every_cause_has_a_label_and_every_investigation_a_finding():
    assert [cause_label(cause) for cause in CAUSES] == [cause.label for cause in causes()]
    assert {one.name for one in investigations()} == {fact.investigation for fact in cause_findings()}


@pytest.mark.parametrize(
    ("record", "flags"),
    [
        ({"has_fever_or_infection_signs": 1.0}, set()),  # before the operation
        ({"followup_has_fever_or_infection_signs": 1.0}, {"infection"}),
        ({"followup_has_wound_problem": 1.0}, {"wound"}),
        ({"has_cancer_history": 1.0, "followup_has_unexplained_weight_loss": 1.0}, {"tumour"}),
        ({"followup_has_progressive_weakness": 1.0}, {"progressive_deficit"}),
        (
            {"followup_has_progressive_weakness": 1.0, "operation_date": "2025-01-01", "workup_date": "2025-01-03"},
            {"progressive_deficit", "haematoma"},
        ),
    ],
)
def test_red_flags_are_those_of_the_follow_up(record, flags):
    raised = red_flags_at_followup(FollowUp.of_records([record]))
    assert {flag for flag, held in raised.items() if held[0]} == flags


def test_candidates_for_a_learner_are_numbers_of_the_case_alone(invented, judged, params):
    features = cause_features(invented, params)
    pd.testing.assert_index_equal(features.index, invented.index)
    assert (features.dtypes == np.float64).all()
    states = features[[f"finding_{fact.name}" for fact in cause_findings()]].to_numpy()
    np.testing.assert_array_equal(states, judged.states)
    assert {"months_since_operation", "again_share_best_lesion", "after_fusion"} <= set(features)
    assert not [name for name in features if "adjudicated" in name or "outcome" in name]
    alone = cause_features(invented.iloc[[7]], params)
    np.testing.assert_allclose(alone.to_numpy()[0], features.to_numpy()[7], atol=1e-9)


def test_possible_causes_are_the_same_without_any_finding(invented, judged):
    np.testing.assert_array_equal(possible_causes(FollowUp(invented)), judged.is_possible)


def test_where_a_finding_is_has_the_shape_of_the_spine(judged):
    assert len(judged.where) >= 14
    for name, where in judged.where.items():
        assert where.shape == (300, len(LEVELS), len(SIDES))
        present = judged.states[:, finding_places()[name]] == 1
        assert where[present].any(axis=(1, 2)).all(), name
