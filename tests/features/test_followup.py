"""The follow-up as arrays, and in the layout of the first question."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from features.axes import LEVELS, REGIONS, SIDES
from features.builders import sources_of_pain
from features.dictionary import load_dictionary
from features.findings import Findings
from features.followup import LASTING, LEFT_ALONE, PASSING, READ_AGAIN, SEEN_AS, FollowUp, followup_layout
from tests.features.invented_followups import invented_followups

L4_L5, L5_S1 = LEVELS.index("l4_l5"), LEVELS.index("l5_s1")
LEFT, RIGHT = 0, 1
OPERATED = {"performed_procedure": "microdiscectomy", "operated_decompression_l4_l5_left": 1.0}


def of(**record: object) -> FollowUp:
    return FollowUp.of_records([record])


def scan(item: str, followup: FollowUp, *axes: str, **fixed: str) -> np.ndarray:
    """An item of the follow-up as the first question reads it, of the only case."""
    return followup.findings.grid(item, *axes, **fixed)[0]


def test_a_table_and_plain_records_make_the_same():
    cases = invented_followups(40, 5)
    table = FollowUp(cases)
    records = FollowUp.of_records(cases.astype(object).where(cases.notna(), None).to_dict("records"))
    np.testing.assert_array_equal(table.months_since, records.months_since)
    for name in followup_layout().names:
        np.testing.assert_array_equal(table.variable(name), records.variable(name), err_msg=name)
    for moment in ("findings", "before", "before_as_operated"):
        one, other = getattr(table, moment), getattr(records, moment)
        for name in ("pain", "has_drawing"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_frame_is_unchanged_and_what_is_absent_is_not_recorded():
    cases = invented_followups(10, 6)
    kept = cases.copy()
    followup = FollowUp(cases.drop(columns=["followup_odi"]))
    _ = followup.findings, followup.before_as_operated, followup.operated
    pd.testing.assert_frame_equal(cases, kept)
    assert np.isnan(followup.variable("followup_odi")).all()


def test_every_number_and_choice_known_by_the_follow_up_has_a_column_and_nothing_else():
    known = {v.name for v in load_dictionary().known_by("follow_up") if v.type not in ("identifier", "date")}
    assert set(followup_layout().names) == known
    with pytest.raises(KeyError):
        of().variable("adjudicated_cause")
    with pytest.raises(KeyError, match="no item no_such_item"):
        of().grid("no_such_item", "level")


@pytest.mark.parametrize("as_text", [True, False])
def test_months_since_the_operation_come_from_both_dates(as_text):
    days = {"operation_date": dt.date(2025, 1, 1), "workup_date": dt.date(2026, 1, 1)}
    record = {name: day.isoformat() if as_text else day for name, day in days.items()}
    assert of(**record).months_since[0] == pytest.approx(365 / 30.4375)
    assert FollowUp(pd.DataFrame([record])).variable("months_since_operation")[0] == pytest.approx(365 / 30.4375)
    assert np.isnan(of(workup_date="2026-01-01").months_since[0])


def test_a_choice_is_asked_by_its_word():
    followup = FollowUp.of_records([{"return_tempo": "sudden"}, {"return_tempo": "gradual"}, {}])
    np.testing.assert_array_equal(followup.is_word("return_tempo", "sudden"), [1, 0, np.nan])
    np.testing.assert_array_equal(followup.is_word("return_tempo", "sudden", "gradual"), [1, 1, np.nan])


# The layout of the first question


def test_drawing_examination_and_questions_are_those_of_the_follow_up():
    followup = of(
        pain_buttock_left=8.0, followup_pain_knee_right=6.0, followup_pain_head_neck_left=2.0, slr_left=1.0,
        followup_slr_right=1.0, has_night_pain=1.0, followup_has_night_pain=0.0, nrs_leg=9.0, followup_nrs_leg=4.0,
    )  # fmt: skip
    again = followup.findings
    assert again.pain[0, REGIONS.index("knee"), RIGHT] == 6
    assert again.pain[0].sum() == 6
    assert followup.before.pain[0, REGIONS.index("buttock"), LEFT] == 8
    assert again.variable("pain_head_neck_left")[0] == 2
    np.testing.assert_array_equal(again.grid("slr", "side")[0], [np.nan, 1])
    assert again.variable("has_night_pain")[0] == 0
    assert again.variable("nrs_leg")[0] == 4


def test_the_person_is_carried_over_and_what_was_asked_of_the_pain_before_is_not():
    followup = of(
        age_years=60.0,
        has_cancer_history=1.0,
        has_midline_pain=1.0,
        active_piriformis_left=1.0,
        sitting_tolerance_min=9.0,
    )
    assert followup.findings.variable("age_years")[0] == 60
    assert followup.findings.variable("has_cancer_history")[0] == 1
    for name in ("has_midline_pain", "active_piriformis_left", "sitting_tolerance_min"):
        assert np.isnan(followup.findings.variable(name)[0]), name


def test_the_lists_of_what_is_carried_over_name_items_of_the_dictionary():
    items = {v.item for v in load_dictionary().known_by("follow_up")}
    assert set(PASSING + LASTING + LEFT_ALONE + READ_AGAIN) <= items
    assert {name for row in SEEN_AS for name in row[:2]} <= items


def test_what_lasts_on_the_scan_stands_beside_a_new_scan_and_not_alone():
    before = OPERATED | {"modic_l4_l5": 1.0, "disc_degeneration_l4_l5": 4.0}
    assert np.isnan(scan("modic", of(**before), "level")).all()
    with_scan = of(**before, followup_herniation_l4_l5_left=0.0)
    assert scan("modic", with_scan, "level")[L4_L5] == 1
    assert scan("disc_degeneration", with_scan, "level")[L4_L5] == 4


def test_a_level_that_was_not_operated_on_keeps_its_scan_until_it_is_read_again():
    before = OPERATED | {"recess_stenosis_l5_s1_left": 3.0, "recess_stenosis_l4_l5_left": 3.0}
    elsewhere = of(**before, followup_herniation_l4_l5_left=1.0)
    recess = scan("recess_stenosis", elsewhere, "level", "side")
    assert recess[L5_S1, LEFT] == 3
    assert np.isnan(recess[L4_L5, LEFT])
    again = of(**before, followup_herniation_l4_l5_left=1.0, followup_recess_stenosis_l5_s1_left=1.0)
    assert scan("recess_stenosis", again, "level", "side")[L5_S1, LEFT] == 1


def test_without_any_new_scan_there_is_none():
    before = OPERATED | {"recess_stenosis_l5_s1_left": 3.0, "followup_pain_buttock_left": 7.0}
    assert np.isnan(scan("recess_stenosis", of(**before), "level", "side")).all()


@pytest.mark.parametrize(
    ("before", "zone"),
    [
        ({}, "paracentral"),
        ({"herniation_l4_l5_foraminal_left": 3.0}, "foraminal"),
        ({"herniation_l4_l5_far_lateral_left": 3.0, "herniation_l4_l5_paracentral_left": 1.0}, "far_lateral"),
        ({"herniation_l4_l5_foraminal_right": 3.0}, "paracentral"),
    ],
)
def test_a_herniation_lies_in_the_zone_of_the_one_before_on_its_side(before, zone):
    followup = of(**OPERATED, **before, followup_herniation_l4_l5_left=3.0)
    assert scan("herniation", followup, "level", "side", zone=zone)[L4_L5, LEFT] == 3


@pytest.mark.parametrize(
    ("seen", "item", "grade"),
    [
        ("followup_retained_fragment_l4_l5_left", "herniation", 4),
        ("followup_mass_in_continuity_l4_l5_left", "herniation", 2),
        ("followup_bone_left_recess_l4_l5_left", "recess_stenosis", 2),
        ("followup_bone_left_foramen_l4_l5_left", "foraminal_stenosis", 2),
    ],
)
def test_what_ct_or_contrast_shows_is_a_lesion_to_the_builders(seen, item, grade):
    fixed = {"zone": "paracentral"} if item == "herniation" else {}
    assert scan(item, of(**OPERATED, **{seen: 1.0}), "level", "side", **fixed)[L4_L5, LEFT] == grade
    assert np.isnan(scan(item, of(**OPERATED, **{seen: 0.0}), "level", "side", **fixed)[L4_L5, LEFT])


def test_a_lesion_read_worse_than_ct_implies_keeps_its_grade():
    followup = of(**OPERATED, followup_bone_left_recess_l4_l5_left=1.0, followup_recess_stenosis_l4_l5_left=3.0)
    assert scan("recess_stenosis", followup, "level", "side")[L4_L5, LEFT] == 3


def test_the_builders_of_the_first_question_run_on_it_unchanged(params):
    followup = FollowUp(invented_followups(50, 8))
    sources = sources_of_pain(followup.findings, params)
    assert isinstance(sources.findings, Findings)
    assert np.isfinite(sources.mimics.probability).all()
    assert sources.lesions.is_defined.any()


# What was operated on


def places(sites: np.ndarray) -> set[str]:
    """Levels and sides of the only case, as l4_l5 left."""
    return {f"{LEVELS[level]} {SIDES[side]}" for level, side in np.argwhere(sites[0])}


def test_the_note_counts_before_the_plan_and_the_film_before_the_note():
    plan = {"planned_decompression_l3_l4_left": 1.0}
    note = {"operated_decompression_l4_l5_left": 1.0}
    film = {"followup_operated_site_l5_s1_left": 1.0, "followup_operated_site_l4_l5_left": 0.0}
    for record, opened in ((plan, "l3_l4 left"), (plan | note, "l4_l5 left"), (plan | note | film, "l5_s1 left")):
        operated = of(**record).operated
        assert places(operated.opened) == {opened}
        assert places(operated.site) == {opened}
        assert operated.is_known.all()
    assert places(of(**plan, **note, **film).operated.noted) == {"l4_l5 left"}
    assert not of().operated.is_known.any()


def test_a_film_that_counted_nothing_leaves_the_note():
    operated = of(operated_decompression_l4_l5_left=1.0, followup_operated_site_l4_l5_left=0.0).operated
    assert places(operated.opened) == {"l4_l5 left"}
    assert not operated.is_counted.any()


def test_implants_alone_open_nothing():
    record = {"operated_fusion_l5_s1": 1.0} | {f"followup_operated_site_l5_s1_{side}": 1.0 for side in SIDES}
    operated = of(**record).operated
    assert not operated.opened.any()
    assert places(operated.site) == {"l5_s1 left", "l5_s1 right"}


def test_a_level_that_is_only_fused_is_not_opened_by_its_implants():
    record = {"operated_fusion_l5_s1": 1.0, "operated_fusion_l4_l5": 1.0, "operated_decompression_l4_l5_left": 1.0}
    record |= {f"followup_operated_site_{level}_{side}": 1.0 for level in ("l4_l5", "l5_s1") for side in SIDES}
    assert places(of(**record).operated.opened) == {"l4_l5 left", "l4_l5 right"}


def test_what_was_operated_on_stands_in_place_of_the_plan():
    followup = of(
        planned_decompression_l3_l4_left=1.0, operated_decompression_l4_l5_left=1.0, operated_fusion_l4_l5=1.0
    )
    for findings in (followup.findings, followup.before_as_operated):
        planned = findings.grid("planned_decompression", "level", "side")
        assert places(planned > 0) == {"l4_l5 left"}
        assert findings.grid("planned_fusion", "level")[0, L4_L5] == 1
    assert places(followup.before.grid("planned_decompression", "level", "side") > 0) == {"l3_l4 left"}
