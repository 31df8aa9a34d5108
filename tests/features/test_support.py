"""Lesions and mimics on one axis: how drawing, examination and tests divide the evidence between them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.anatomy import N_PLACES, SITES, flat_site_territory
from features.axes import REGIONS, SIDES
from features.builders import build_features, sources_of_pain
from features.findings import Findings
from features.support import CANDIDATE_LABELS, MARK_ERROR, N_CANDIDATES

L5_PAIN = {"pain_buttock_left": 5.0, "pain_lateral_leg_left": 7.0, "pain_foot_dorsum_left": 5.0}
TWO_LESIONS = {"recess_stenosis_l4_l5_left": 3.0, "foraminal_stenosis_l5_s1_left": 3.0}


@pytest.fixture
def sources(params):
    return lambda record, **changed: sources_of_pain(
        Findings.of_records([{"age_years": 45.0, **record}]), dataclasses.replace(params, **changed)
    )


def supported(found, label):
    support = found.support
    everything = np.concatenate([support.lesions[0], support.mimics[0], support.unknown])
    return everything[CANDIDATE_LABELS.index(label)]


RECESS, FORAMEN = "L4-L5 paracentral and recess, left", "L5-S1 foramen, left"


def test_support_adds_up_to_1_wherever_it_is_defined(invent_cases, params):
    cases = invent_cases(300, 11)
    support = sources_of_pain(Findings(cases), params).support
    everything = np.c_[support.lesions, support.mimics, support.unknown]
    assert everything.shape == (300, N_CANDIDATES)
    is_defined = build_features(cases, params)["concordance_unknown"].to_numpy() == 0
    assert 100 < is_defined.sum() < 300
    np.testing.assert_allclose(everything[is_defined].sum(axis=1), 1, atol=1e-7)
    assert np.isnan(everything[~is_defined]).all()
    assert ((support.likeliest >= 0) == is_defined).all()


def test_support_worked_by_hand(sources):
    """One lesion, pain at one place; no test of a mimic was done, so its odds are the pre-test odds of that side."""
    found = sources({"recess_stenosis_l4_l5_left": 3.0, "pain_lateral_leg_left": 7.0})
    place = flat_site_territory()[:, None]
    felt = {label: place[i, 0] for i, label in enumerate(CANDIDATE_LABELS[: len(SITES)])}
    is_marked = np.zeros(N_PLACES)
    is_marked[2 * 10] = 1  # outer calf, left

    def likelihood(territory):  # at half its logarithm
        chance = MARK_ERROR + (1 - 2 * MARK_ERROR) * territory
        return np.sqrt(np.prod(np.where(is_marked == 1, chance, 1 - chance)))

    recess = 0.8 / 0.2 * likelihood(felt[RECESS])
    unknown = 0.1 * np.sqrt((1 / 30) * (29 / 30) ** 29)
    assert supported(found, "something else") / supported(found, RECESS) == pytest.approx(unknown / recess, rel=1e-5)


def test_the_examination_decides_between_lesions_that_explain_the_same_pain(sources):
    # L5 passes both: as the traversing root at L4-L5 and as the exiting root at L5-S1. A weak S1 fits neither.
    record = TWO_LESIONS | L5_PAIN
    alone = sources(record)
    assert supported(alone, RECESS) > 0.2
    assert supported(alone, FORAMEN) > 0.2
    s1_sign = sources(record | {"recess_stenosis_l5_s1_left": 3.0, "power_s1_left": 3.0, "reflex_s1_left": 0.0})
    assert CANDIDATE_LABELS[s1_sign.support.likeliest[0]] == "L5-S1 paracentral and recess, left"


def test_a_root_sign_on_the_other_side_takes_support_away(sources):
    record = {"recess_stenosis_l4_l5_left": 3.0} | L5_PAIN
    with_sign, without = sources(record | {"power_l5_right": 2.0}), sources(record)
    assert supported(with_sign, RECESS) == pytest.approx(supported(without, RECESS))  # nothing else fits it either
    both = record | {"recess_stenosis_l4_l5_right": 2.0, "pain_buttock_right": 2.0}
    with_sign, without = sources(both | {"power_l5_right": 2.0}), sources(both)
    assert supported(with_sign, RECESS) < supported(without, RECESS)


def test_positive_tests_of_a_mimic_take_support_from_the_lesion(sources):
    pain = {"pain_buttock_left": 7.0, "pain_low_back_left": 5.0, "pain_posterior_thigh_left": 4.0}
    record = {"herniation_l5_s1_paracentral_left": 2.0} | pain
    tests = ("distraction", "compression", "thigh_thrust", "gaenslen", "sacral_thrust")
    positive = sources(record | {f"sij_{test}_left": 1.0 for test in tests} | {"one_finger_psis_left": 1.0})
    negative = sources(record | {f"sij_{test}_left": 0.0 for test in tests})
    joint = "sacroiliac joint, left"
    assert CANDIDATE_LABELS[positive.support.likeliest[0]] == joint
    assert supported(positive, joint) > 5 * supported(negative, joint)
    assert positive.plan.plan_support != positive.plan.plan_support  # no plan: undefined


def test_what_explains_none_of_the_pain_is_no_candidate(sources):
    found = sources({"recess_stenosis_l4_l5_left": 3.0, "pain_groin_right": 5.0, "pain_knee_right": 6.0})
    assert supported(found, RECESS) == 0
    assert found.support.likeliest_lesion[0] == -1


# Intensity, ties and both sides

BOTH_S1 = {"herniation_l5_s1_paracentral_left": 3.0, "herniation_l5_s1_paracentral_right": 3.0}


def s1_pain(left, right):
    regions = ("buttock", "posterior_thigh", "posterior_leg", "foot_sole")
    return {f"pain_{region}_{side}": value for region in regions for side, value in (("left", left), ("right", right))}


@pytest.mark.parametrize(("left", "right", "side"), [(0.1, 7.0, "right"), (2.0, 7.0, "right"), (7.0, 2.0, "left")])
def test_the_side_that_hurts_more_is_supported_more(sources, left, right, side):
    found = sources(BOTH_S1 | s1_pain(left, right))
    assert SITES[found.support.likeliest_lesion[0]].side == side
    assert not found.support.is_alike[0]


def test_leg_pain_that_is_a_trifle_beside_the_back_does_not_choose_the_leg(sources):
    record = {"modic_l5_s1": 1.0, "herniation_l5_s1_paracentral_left": 3.0}
    back = {"pain_low_back_left": 9.0, "pain_low_back_right": 9.0}
    trifle = sources(record | back | {"pain_posterior_leg_left": 1.0, "pain_posterior_thigh_left": 1.0})
    equal = sources(record | back | {"pain_posterior_leg_left": 9.0, "pain_posterior_thigh_left": 9.0})
    lesion = "L5-S1 paracentral and recess, left"
    assert supported(trifle, lesion) < 0.5 * supported(equal, lesion)


@pytest.mark.parametrize("side", ["left", "right"])
def test_of_equal_sides_a_plan_of_either_reaches_the_best_supported_lesion(params, side):
    record = {"age_years": 60.0, **BOTH_S1, **s1_pain(6.0, 6.0), f"planned_decompression_l5_s1_{side}": 1.0}
    found = build_features(pd.DataFrame([record]), params).iloc[0]
    assert found["plan_misses_likeliest"] == 0
    assert found["likeliest_lesion"] == "L5-S1 paracentral and recess, left and right alike"
    assert found["likeliest_source"] == "L5-S1 paracentral and recess, left and right alike"
    assert found["best_lesion"] == "L5-S1 paracentral and recess, left and right alike"


def test_a_mimic_that_is_alike_on_both_sides_is_named_so(params):
    tests = ("distraction", "compression", "thigh_thrust", "gaenslen", "sacral_thrust")
    pain = {f"pain_{region}_{side}": 7.0 for region in ("buttock", "low_back") for side in SIDES}
    record = {"recess_stenosis_l4_l5_left": 0.0, "age_years": 50.0, **pain}
    both = record | {f"sij_{test}_{side}": 1.0 for test in tests for side in SIDES}
    left = both | {"one_finger_psis_left": 1.0, "one_finger_psis_right": 0.0}
    found = build_features(pd.DataFrame([both, left]), params)["likeliest_source"].tolist()
    assert found == ["sacroiliac joint, left and right alike", "sacroiliac joint, left"]


@pytest.mark.parametrize("level", ["l3_l4", "l4_l5"])
def test_of_equal_levels_a_plan_of_either_reaches_the_best_supported_lesion(params, level):
    record = {"age_years": 50.0, "disc_degeneration_l3_l4": 5.0, "disc_degeneration_l4_l5": 5.0}
    record |= {"pain_low_back_left": 6.0, "pain_low_back_right": 6.0, f"planned_fusion_{level}": 1.0}
    assert build_features(pd.DataFrame([record]), params)["plan_misses_likeliest"].item() == 0


def test_a_lesion_that_all_but_vanishes_beside_something_else_is_still_named(sources):
    everywhere = {f"pain_{region}_{side}": 7.0 for region in REGIONS for side in SIDES}
    found = sources(everywhere | {"disc_degeneration_l4_l5": 3.0})
    assert SITES[found.support.likeliest_lesion[0]].label == "L4-L5 disc and endplates"


# What the examination may say


def support_of_s1(sources, **signs):
    pain = {"pain_buttock_left": 6.0, "pain_posterior_thigh_left": 6.0}
    lesions = {"recess_stenosis_l5_s1_left": 2.0, "recess_stenosis_l4_l5_left": 2.0}
    return supported(sources(lesions | pain | signs), "L5-S1 paracentral and recess, left")


def test_a_negative_block_or_emg_speaks_against_its_root(sources):
    nothing = support_of_s1(sources)
    assert support_of_s1(sources, root_block_relief_s1_left=0.0) < nothing
    assert support_of_s1(sources, emg_s1_left=0.0) < nothing
    assert support_of_s1(sources, root_block_relief_s1_left=80.0) > nothing


def test_signs_that_may_miss_speak_for_a_root_and_never_against_it(sources):
    nothing = support_of_s1(sources)
    for negative in ({"power_s1_left": 5.0}, {"reflex_s1_left": 2.0}, {"sensation_s1_left": 2.0}, {"slr_left": 0.0}):
        assert support_of_s1(sources, **negative) == nothing


def test_the_signs_of_one_root_hang_together_and_have_a_ceiling(sources):
    few = {"root_block_relief_s1_left": 80.0, "emg_s1_left": 1.0}
    many = {"power_s1_left": 2.0, "reflex_s1_left": 0.0, "sensation_s1_left": 0.0}
    assert support_of_s1(sources, **few, **many) == pytest.approx(support_of_s1(sources, **few))
    evidence = sources(few | many).lesions.signs
    assert evidence.balance.max() == pytest.approx(np.log(20))
    assert evidence.evidence.max() > np.log(20)


@pytest.mark.parametrize("known", ["has_polyneuropathy", "has_stocking_numbness"])
def test_signs_on_both_sides_are_those_of_a_known_neuropathy(sources, known):
    both = {f"{item}_s1_{side}": 0.0 for item in ("reflex", "sensation") for side in SIDES}
    nothing = support_of_s1(sources)
    assert support_of_s1(sources, **both) > nothing
    assert support_of_s1(sources, **both, **{known: 1.0}) == pytest.approx(nothing)
    assert support_of_s1(sources, reflex_s1_left=0.0, **{known: 1.0}) > nothing


def test_a_heavier_lesion_is_never_less_supported(sources):
    grades = [sources(L5_PAIN | {"recess_stenosis_l4_l5_left": grade}) for grade in (1.0, 2.0, 3.0)]
    values = [supported(found, RECESS) for found in grades]
    assert values == sorted(values)
    assert values[0] < values[2]


def test_without_lesions_it_is_a_mimic_or_something_else(sources):
    found = sources(L5_PAIN | {"recess_stenosis_l4_l5_left": 0.0})
    assert found.support.lesions.sum() == 0
    assert found.support.mimics.sum() + found.support.unknown[0] == pytest.approx(1)


@pytest.mark.parametrize(("pain", "is_defined"), [(0.0, False), (6.0, True)])
@pytest.mark.filterwarnings("error")
def test_a_drawing_that_is_marked_nowhere_or_everywhere_has_a_likelihood(sources, pain, is_defined):
    drawing = {f"pain_{region}_{side}": pain for region in REGIONS for side in SIDES}
    found = sources(TWO_LESIONS | drawing).support
    total = found.lesions.sum() + found.mimics.sum() + found.unknown[0]
    assert total == pytest.approx(1) if is_defined else np.isnan(total)


def test_what_is_assumed_of_other_sources_moves_them_alone(sources):
    record = {"recess_stenosis_l4_l5_left": 3.0} | L5_PAIN
    few, many = sources(record, unknown_source_odds=0.01), sources(record, unknown_source_odds=1.0)
    assert supported(few, "something else") < supported(many, "something else")
    joint = "sacroiliac joint, left"
    ratios = [supported(found, RECESS) / supported(found, joint) for found in (few, many)]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-4)


def test_without_weight_the_drawing_says_nothing(sources):
    record = {"recess_stenosis_l4_l5_left": 3.0, "recess_stenosis_l4_l5_right": 3.0} | L5_PAIN
    record |= {"pain_buttock_right": 1.0}
    deaf = sources(record, drawing_weight=0.0)
    assert supported(deaf, RECESS) == supported(deaf, "L4-L5 paracentral and recess, right")
    assert supported(sources(record), RECESS) > 0.5


def test_records_and_frames_give_the_same_findings(invent_cases, params):
    cases = invent_cases(40, 12)
    records = cases.astype(object).where(cases.notna(), None).to_dict("records")
    from_records, from_frame = Findings.of_records(records), Findings(cases)
    np.testing.assert_array_equal(from_records._values, from_frame._values)
    one = sources_of_pain(Findings.of_records(records[:1]), params)
    assert one.lesions.share_best.shape == (1,)


def test_a_word_that_is_no_choice_is_not_recorded():
    found = Findings.of_records([{"planned_zone": "attic"}, {"planned_zone": "both"}, {}])
    frame = Findings(pd.DataFrame({"planned_zone": ["attic", "both", None]}))
    for findings in (found, frame):
        assert np.isnan(findings.grid("planned_zone")).tolist() == [True, False, True]
