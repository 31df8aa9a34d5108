"""Does the operation reach the source? The plan held against the lesion that explains the pain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.anatomy import SITES
from features.axes import LEVELS, SIDES
from features.builders import build_features, sources_of_pain
from features.findings import Findings
from features.plan import CANAL_ZONES, FORAMEN_ZONES, IDLE_SHARE

# Each case has L5 pain on the left from the lesion that is named; the plan is in the other columns.
LEFT_L5_PAIN = {"pain_buttock_left": 5.0, "pain_lateral_leg_left": 7.0, "pain_foot_dorsum_left": 5.0}


@pytest.fixture
def hold_plan(params):
    """The plan against one lesion, named with its grade, and left L5 pain unless another is given."""

    def held(lesions, pain=LEFT_L5_PAIN, **plan):
        record = {"age_years": 45.0, **lesions, **pain, **plan}
        return build_features(pd.DataFrame([record]), params).iloc[0]

    return held


RECESS_L4_L5_LEFT = {"recess_stenosis_l4_l5_left": 3.0}
FORAMEN_L5_S1_LEFT = {"foraminal_stenosis_l5_s1_left": 3.0}
WORN_DISC_L5_S1 = {"modic_l5_s1": 1.0}
BACK_PAIN = {"pain_low_back_left": 7.0, "pain_low_back_right": 7.0}


@pytest.mark.parametrize(
    ("lesion", "pain", "plan", "misses", "why"),
    [
        (RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {"planned_decompression_l4_l5_left": 1.0}, 0, "right level and side"),
        (RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {"planned_decompression_l4_l5_right": 1.0}, 1, "wrong side"),
        (RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {"planned_decompression_l5_s1_left": 1.0}, 1, "wrong level"),
        (
            RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {"planned_decompression_l4_l5_left": 1.0, "planned_zone": "canal"}, 0,
            "the recess belongs to the canal",
        ),
        (
            RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {"planned_decompression_l4_l5_left": 1.0, "planned_zone": "foramen"}, 1,
            "a foraminotomy does not open the recess",
        ),
        (
            FORAMEN_L5_S1_LEFT, LEFT_L5_PAIN, {"planned_decompression_l5_s1_left": 1.0, "planned_zone": "canal"}, 1,
            "a laminectomy does not open the foramen",
        ),
        (
            FORAMEN_L5_S1_LEFT, LEFT_L5_PAIN, {"planned_decompression_l5_s1_left": 1.0}, 1,
            "a zone that is not recorded is read as the canal",
        ),
        (
            FORAMEN_L5_S1_LEFT, LEFT_L5_PAIN, {"planned_decompression_l5_s1_left": 1.0, "planned_zone": "foramen"}, 0,
            "a foraminotomy opens the foramen",
        ),
        (
            FORAMEN_L5_S1_LEFT, LEFT_L5_PAIN, {"planned_decompression_l5_s1_left": 1.0, "planned_zone": "both"}, 0,
            "both opens both",
        ),
        (WORN_DISC_L5_S1, BACK_PAIN, {"planned_fusion_l5_s1": 1.0}, 0, "a fusion reaches the disc"),
        (WORN_DISC_L5_S1, BACK_PAIN, {"planned_fusion_l4_l5": 1.0}, 1, "of its own level"),
        (
            WORN_DISC_L5_S1, BACK_PAIN,
            {"planned_decompression_l5_s1_left": 1.0, "planned_decompression_l5_s1_right": 1.0}, 1,
            "a decompression does not",
        ),
        (RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {"planned_fusion_l4_l5": 1.0}, 1, "a fusion alone opens no recess"),
        (
            {"central_stenosis_l4_l5": 3.0}, LEFT_L5_PAIN, {"planned_decompression_l4_l5_right": 1.0}, 0,
            "the central canal is opened from either side",
        ),
    ],
)  # fmt: skip
def test_whether_the_plan_reaches_the_best_lesion(hold_plan, lesion, pain, plan, misses, why):
    found = hold_plan(lesion, pain, **plan)
    assert found["plan_misses_best"] == misses, why
    assert (found["wrong_level_margin"] > 0) == bool(misses)
    assert found["plan_best_share"] == (0 if misses else found["share_best_lesion"])
    assert found["unexplained_by_plan"] == pytest.approx(1 - found["plan_share"])


def test_the_margin_of_the_wrong_level_is_what_lies_outside_less_what_lies_inside(hold_plan):
    # The plan opens a mild recess on the right level for the wrong lesion; the severe one is left alone.
    lesions = {"recess_stenosis_l4_l5_left": 3.0, "recess_stenosis_l3_l4_left": 2.0}
    found = hold_plan(lesions, planned_decompression_l3_l4_left=1.0)
    assert found["plan_misses_best"] == 1
    assert found["wrong_level_margin"] == pytest.approx(found["share_best_lesion"] - found["plan_best_share"])
    assert found["plan_best_share"] == pytest.approx(found["share_second_lesion"])


def test_a_plan_over_all_lesions_explains_all_that_is_explained(hold_plan):
    lesions = {"recess_stenosis_l4_l5_left": 3.0, "recess_stenosis_l3_l4_left": 2.0}
    found = hold_plan(lesions, planned_decompression_l3_l4_left=1.0, planned_decompression_l4_l5_left=1.0)
    assert found["plan_share"] == pytest.approx(found["share_all_lesions"])
    assert found["planned_levels"] == 2
    assert found["planned_idle_levels"] == 0


def test_a_planned_level_without_a_lesion_that_explains_is_idle(hold_plan):
    found = hold_plan(RECESS_L4_L5_LEFT, planned_decompression_l4_l5_left=1.0, planned_decompression_l2_l3_left=1.0)
    assert (found["planned_levels"], found["planned_idle_levels"]) == (2, 1)
    assert found["share_best_lesion"] > IDLE_SHARE


def test_of_equal_lesions_on_both_sides_either_will_do(hold_plan):
    both = {"recess_stenosis_l4_l5_left": 3.0, "recess_stenosis_l4_l5_right": 3.0}
    pain = {"pain_lateral_leg_left": 6.0, "pain_lateral_leg_right": 6.0}
    for side in SIDES:
        found = hold_plan(both, pain, **{f"planned_decompression_l4_l5_{side}": 1.0})
        assert (found["plan_misses_best"], found["wrong_level_margin"]) == (0, 0)
        assert found["unexplained_by_plan"] > 0.5  # the other leg


def test_when_no_lesion_explains_there_is_none_to_miss(hold_plan):
    found = hold_plan({"recess_stenosis_l4_l5_left": 0.0}, planned_decompression_l4_l5_left=1.0)
    assert np.isnan(found["plan_misses_best"])
    assert (found["plan_share"], found["unexplained_by_plan"], found["planned_idle_levels"]) == (0, 1, 1)


HELD = ["plan_share", "plan_best_share", "plan_misses_best", "wrong_level_margin", "unexplained_by_plan"]


@pytest.mark.parametrize(
    ("lesions", "pain", "plan", "why"),
    [
        (RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {}, "no plan"),
        (RECESS_L4_L5_LEFT, LEFT_L5_PAIN, {"planned_decompression_l4_l5_left": 0.0}, "no level of it"),
        (RECESS_L4_L5_LEFT, {}, {"planned_decompression_l4_l5_left": 1.0}, "no drawing"),
        ({}, LEFT_L5_PAIN, {"planned_decompression_l4_l5_left": 1.0}, "no scan"),
    ],
)
def test_without_plan_drawing_or_scan_it_is_undefined(hold_plan, lesions, pain, plan, why):
    assert hold_plan(lesions, pain, **plan)[[*HELD, "planned_idle_levels"]].isna().all(), why


def test_levels_are_counted_as_soon_as_a_plan_is_recorded(hold_plan):
    assert hold_plan({}, {}, planned_decompression_l4_l5_left=1.0, planned_fusion_l4_l5=1.0)["planned_levels"] == 1
    assert hold_plan({}, {}, planned_fusion_l4_l5=1.0, planned_fusion_l5_s1=1.0)["planned_levels"] == 2
    assert np.isnan(hold_plan({}, {})["planned_levels"])


def test_every_site_can_be_reached_by_some_plan(params):
    everything = {f"planned_decompression_{level}_{side}": 1.0 for level in LEVELS for side in SIDES}
    everything |= {f"planned_fusion_{level}": 1.0 for level in LEVELS} | {"planned_zone": "both"}
    assert sources_of_pain(Findings(pd.DataFrame([everything])), params).plan.reached.all()
    assert {site.zone for site in SITES} == {*CANAL_ZONES, *FORAMEN_ZONES, "disc", "facet"}


def test_the_worst_disc_and_modic_change_of_the_planned_levels_alone_count(hold_plan):
    scan = {"disc_degeneration_l4_l5": 3.0, "disc_degeneration_l5_s1": 5.0, "modic_l4_l5": 0.0, "modic_l5_s1": 2.0}
    one = hold_plan(scan, planned_fusion_l4_l5=1.0)
    both = hold_plan(scan, planned_fusion_l4_l5=1.0, planned_fusion_l5_s1=1.0)
    assert (one["worst_planned_disc_grade"], one["has_planned_modic"]) == (3, 0)
    assert (both["worst_planned_disc_grade"], both["has_planned_modic"]) == (5, 1)
    unread = hold_plan(scan, planned_fusion_l3_l4=1.0)
    assert unread[["worst_planned_disc_grade", "has_planned_modic"]].isna().all()


# Concordance, the root left behind, and the side


def test_concordance_is_the_support_of_what_the_plan_reaches(hold_plan):
    right = hold_plan(RECESS_L4_L5_LEFT, planned_decompression_l4_l5_left=1.0)
    wrong = hold_plan(RECESS_L4_L5_LEFT, planned_decompression_l4_l5_right=1.0)
    assert right["plan_support"] == pytest.approx(right["support_best_lesion"])
    assert right["plan_support"] > 0.8
    assert wrong["plan_support"] == 0


def test_two_planned_levels_have_the_support_of_both(hold_plan):
    lesions = {"recess_stenosis_l4_l5_left": 3.0, "recess_stenosis_l5_s1_left": 3.0}
    plans = ({"planned_decompression_l4_l5_left": 1.0}, {"planned_decompression_l5_s1_left": 1.0})
    one, other = (hold_plan(lesions, **plan)["plan_support"] for plan in plans)
    both = hold_plan(lesions, **plans[0], **plans[1])["plan_support"]
    assert both == pytest.approx(one + other)


def test_a_caught_root_outside_the_plan_is_the_wrong_level_risk(hold_plan):
    # L5 is caught at L4-L5; the plan opens L3-L4, where L4 is.
    lesions = {"recess_stenosis_l4_l5_left": 3.0, "recess_stenosis_l3_l4_left": 3.0}
    wrong = hold_plan(lesions, planned_decompression_l3_l4_left=1.0)
    right = hold_plan(lesions, planned_decompression_l4_l5_left=1.0)
    both = hold_plan(lesions, planned_decompression_l3_l4_left=1.0, planned_decompression_l4_l5_left=1.0)
    assert wrong["unplanned_root_share"] > right["unplanned_root_share"] > 0
    assert both["unplanned_root_share"] == 0


def test_a_root_freed_at_one_of_two_places_is_still_caught_at_the_other(hold_plan):
    # L5 is caught in the recess at L4-L5 and, more, in the foramen at L5-S1.
    lesions = {"recess_stenosis_l4_l5_left": 2.0, "foraminal_stenosis_l5_s1_left": 3.0}
    assert hold_plan(lesions, planned_decompression_l4_l5_left=1.0)["unplanned_root_share"] > 0


def test_a_root_caught_harder_inside_the_plan_is_caught_outside_it_all_the_same(hold_plan):
    lesions = {"recess_stenosis_l4_l5_left": 3.0, "foraminal_stenosis_l5_s1_left": 3.0}
    assert hold_plan(lesions, planned_decompression_l4_l5_left=1.0)["unplanned_root_share"] > 0.3


def test_without_a_lesion_outside_the_plan_no_root_is_named(params):
    record = {"age_years": 45.0, **RECESS_L4_L5_LEFT, **LEFT_L5_PAIN, "planned_decompression_l4_l5_left": 1.0}
    found = sources_of_pain(Findings(pd.DataFrame([record])), params).plan
    assert found.unplanned_root.tolist() == [-1]


def test_a_level_that_explains_a_little_is_not_idle(hold_plan):
    # A grade 1 recess weighs 0.15: where most of the pain is in its territory it explains about a tenth.
    found = hold_plan({"recess_stenosis_l4_l5_left": 1.0}, planned_decompression_l4_l5_left=1.0)
    assert IDLE_SHARE < found["share_best_lesion"] < 2 * IDLE_SHARE + 0.03
    assert found["planned_idle_levels"] == 0


@pytest.mark.parametrize(("right", "conflict"), [(2.0, 1), (2.6, 0)])
def test_four_fifths_of_the_leg_pain_make_it_one_sided(hold_plan, right, conflict):
    pain = {"pain_lateral_leg_left": 8.0, "pain_lateral_leg_right": right}
    found = hold_plan(RECESS_L4_L5_LEFT, pain, planned_decompression_l4_l5_right=1.0)
    assert found["side_conflict"] == conflict


@pytest.mark.parametrize(
    ("pain", "plan", "conflict", "why"),
    [
        (LEFT_L5_PAIN, {"planned_decompression_l4_l5_right": 1.0}, 1, "pain on the left, plan on the right"),
        (LEFT_L5_PAIN, {"planned_decompression_l4_l5_left": 1.0}, 0, "both on the left"),
        (
            LEFT_L5_PAIN, {"planned_decompression_l4_l5_left": 1.0, "planned_decompression_l4_l5_right": 1.0}, 0,
            "both sides planned",
        ),
        (
            LEFT_L5_PAIN | {"pain_posterior_leg_right": 6.0}, {"planned_decompression_l4_l5_right": 1.0}, 0,
            "pain in both legs",
        ),
        (BACK_PAIN, {"planned_decompression_l4_l5_right": 1.0}, np.nan, "no leg pain"),
        (LEFT_L5_PAIN, {"planned_fusion_l4_l5": 1.0}, np.nan, "nothing to decompress"),
    ],
)  # fmt: skip
def test_a_plan_on_the_painless_side_conflicts(hold_plan, pain, plan, conflict, why):
    assert hold_plan(RECESS_L4_L5_LEFT, pain, **plan)["side_conflict"] == pytest.approx(conflict, nan_ok=True), why


def test_a_plan_without_levels_is_marked(hold_plan):
    assert hold_plan(RECESS_L4_L5_LEFT)["plan_unknown"] == 1
    assert hold_plan(RECESS_L4_L5_LEFT, planned_procedure="decompression")["plan_unknown"] == 1
    assert hold_plan(RECESS_L4_L5_LEFT, planned_fusion_l4_l5=1.0)["plan_unknown"] == 0


@pytest.mark.parametrize(
    ("lesions", "pain", "missing"),
    [
        (RECESS_L4_L5_LEFT, {}, "pain drawing"),
        ({}, LEFT_L5_PAIN, "scan"),
        ({}, {}, "pain drawing and scan"),
        (RECESS_L4_L5_LEFT, {"pain_buttock_left": 0.0}, "pain in the drawing"),
    ],
)
def test_what_is_missing_for_concordance_is_named(hold_plan, lesions, pain, missing):
    found = hold_plan(lesions, pain)
    assert (found["concordance_unknown"], found["concordance_missing"]) == (1, missing)
