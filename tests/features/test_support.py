"""Lesions and mimics on one axis: how drawing, examination and tests divide the evidence between them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.anatomy import N_PLACES, SITES, flat_site_territory
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

    def likelihood(territory):
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
    record = {"recess_stenosis_l5_s1_left": 2.0} | pain
    tests = ("distraction", "compression", "thigh_thrust", "gaenslen", "sacral_thrust")
    positive = sources(record | {f"sij_{test}_left": 1.0 for test in tests})
    negative = sources(record | {f"sij_{test}_left": 0.0 for test in tests})
    joint = "sacroiliac joint, left"
    assert CANDIDATE_LABELS[positive.support.likeliest[0]] == joint
    assert supported(positive, joint) > 5 * supported(negative, joint)
    assert positive.plan.plan_support != positive.plan.plan_support  # no plan: undefined


def test_what_explains_none_of_the_pain_is_no_candidate(sources):
    found = sources({"recess_stenosis_l4_l5_left": 3.0, "pain_groin_right": 5.0, "pain_knee_right": 6.0})
    assert supported(found, RECESS) == 0
    assert found.support.likeliest_lesion[0] == -1


def test_a_heavier_lesion_is_never_less_supported(sources):
    grades = [sources(L5_PAIN | {"recess_stenosis_l4_l5_left": grade}) for grade in (1.0, 2.0, 3.0)]
    values = [supported(found, RECESS) for found in grades]
    assert values == sorted(values)
    assert values[0] < values[2]


def test_without_lesions_it_is_a_mimic_or_something_else(sources):
    found = sources(L5_PAIN | {"recess_stenosis_l4_l5_left": 0.0})
    assert found.support.lesions.sum() == 0
    assert found.support.mimics.sum() + found.support.unknown[0] == pytest.approx(1)


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
