"""Which investigation next: expected information against burden, held against a slow account of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features import next_investigation
from features.axes import CAUSES
from features.builders import BuilderParams
from features.cause_tables import able_investigations, cause_findings, evidence, finding_places
from features.causes import CauseEvidence, CauseParams, cause_evidence, pair_log_ratios, points_of
from features.errors import ParamsError
from features.followup import FollowUp
from features.next_investigation import (
    INVASIVE_KINDS,
    RED_FLAGS,
    Worth,
    next_investigations,
    ranked_investigations,
    ranking_now,
    withheld_investigations,
)
from tests.features.invented_followups import invented_followups

BURDEN = {
    one.name: 120.0 if one.kind == "block" else 60.0 if one.kind == "image" else 5.0 for one in able_investigations()
}
CAUSE_PARAMS = CauseParams(burden=BURDEN)
BUILDERS = BuilderParams(mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.10})
NO_FLAGS = {
    f"followup_has_{flag}": 0.0
    for flag in (
        "wound_problem",
        *("sphincter_disturbance", "saddle_numbness", "progressive_weakness", "fever_or_infection_signs"),
        *("unexplained_weight_loss", "recent_major_trauma", "upper_motor_neurone_signs", "night_pain"),
    )
}
RETURNED = NO_FLAGS | {
    "age_years": 46.0,
    "sex": "female",
    "operation_date": "2024-01-10",
    "workup_date": "2024-11-10",
    "performed_procedure": "microdiscectomy",
    "operated_decompression_l4_l5_left": 1.0,
    "initial_relief_percent": 80.0,
    "pain_free_interval_months": 8.0,
    "followup_nrs_leg": 7.0,
    "followup_nrs_back": 3.0,
    "followup_pain_lateral_leg_left": 8.0,
    "followup_pain_foot_dorsum_left": 6.0,
}
"""Leg pain that came back after a discectomy, and nothing done about it yet."""
ASKED = RETURNED | {"return_tempo": "sudden", "return_trigger": "lifting_or_twisting", "pain_compared": "same"}


def worth_of(
    cases: pd.DataFrame | list[dict[str, Any]], params: CauseParams = CAUSE_PARAMS
) -> tuple[Worth, CauseEvidence]:
    followup = FollowUp(cases) if isinstance(cases, pd.DataFrame) else FollowUp.of_records(cases)
    found = cause_evidence(followup, params, BUILDERS)
    return next_investigations(found, followup), found


def advice_for(**record: Any) -> list[str]:
    worth, _ = worth_of([record])
    return [one.investigation for one in ranked_investigations(worth, most=30)]


@pytest.fixture(scope="module")
def invented() -> pd.DataFrame:
    return invented_followups(150, seed=11)


# Against a slow account: every result written into the states, and the points of the answer taken again


def told_slowly(found: CauseEvidence, findings: list[int]) -> float:
    """Bits that findings are expected to tell of the first case."""
    before = ranking_now(found)[0]
    facts, ratios = evidence(), pair_log_ratios(found.params)
    total = 0.0
    for result in itertools.product((0.0, 1.0), repeat=len(findings)):
        chance = np.ones(len(CAUSES))
        for finding, state in zip(findings, result, strict=True):
            for cause in range(len(CAUSES)):
                says = [
                    pair
                    for pair in range(len(facts.cause))
                    if (facts.cause[pair], facts.finding[pair]) == (cause, finding)
                ]
                odds = cause_findings()[finding].background / (1 - cause_findings()[finding].background)
                for pair in says:
                    odds *= np.exp(ratios[pair, 1] - ratios[pair, 0])
                present = odds / (1 + odds)
                chance[cause] *= present if state else 1 - present
        states = found.states[:1].copy()
        states[0, findings] = result
        log_odds = (found.prior + points_of(states, found.params).sum(axis=2))[0]
        odds_after = np.where(found.is_possible[0], np.exp(log_odds), 0.0)
        after = odds_after / odds_after.sum()
        kept = after > 0
        total += (before @ chance) * (after[kept] * np.log2(after[kept] / before[kept])).sum()
    return float(total)


@pytest.mark.parametrize(
    "name", ["blood_tests", "flexion_extension", "ct", "neuropathic_questionnaire", "contrast_mri"]
)
def test_the_gain_is_that_of_all_results_written_down(name, monkeypatch):
    few = 4
    monkeypatch.setattr(next_investigation, "MOST_FINDINGS", few)
    next_investigation._counted.cache_clear()
    worth, found = worth_of([RETURNED])
    shown = list(next_investigation._shown_by(name))
    weighing = next_investigation._weighing(tuple(sorted(CAUSE_PARAMS.rule_ratios.items())))
    told = sorted(shown, key=lambda finding: (-weighing.told[finding], finding))[:few]
    assert worth.gain[0, worth.place(name)] == pytest.approx(told_slowly(found, told), abs=1e-7)
    next_investigation._counted.cache_clear()


def test_what_else_of_a_cluster_was_found_takes_from_the_gain():
    weak = worth_of([RETURNED])[0]
    known = worth_of([RETURNED | {"return_tempo": "sudden", "return_trigger": "lifting_or_twisting"}])[0]
    assert 0 < known.gain[0, known.place("history")] < weak.gain[0, weak.place("history")]


def test_a_finding_that_says_nothing_of_any_cause_tells_nothing():
    facts = evidence()
    silent = [place for place in range(len(cause_findings())) if place not in facts.finding]
    weighing = next_investigation._weighing(tuple(sorted(CAUSE_PARAMS.rule_ratios.items())))
    assert all(weighing.told[place] == 0 for place in silent)
    assert all(weighing.told[place] > 0 for place in set(facts.finding.tolist()))


# Properties


def test_no_gain_is_below_0_and_what_is_done_has_none(invented):
    worth, _ = worth_of(invented)
    assert np.isfinite(worth.gain).all()
    assert (worth.gain >= 0).all()
    assert worth.is_done.any()
    assert (worth.gain[worth.is_done] == 0).all()
    assert not (worth.is_advised & worth.is_done).any()


def test_a_case_among_others_is_advised_as_alone(invented):
    worth, _ = worth_of(invented)
    for place in range(0, len(invented), 15):
        alone, _ = worth_of(invented.iloc[[place]])
        np.testing.assert_allclose(alone.gain[0], worth.gain[place], atol=1e-9)
        assert [one.investigation for one in ranked_investigations(alone)] == [
            one.investigation for one in ranked_investigations(worth, place)
        ]


def test_what_goes_into_the_body_comes_last(invented):
    worth, _ = worth_of(invented, replace(CAUSE_PARAMS, minutes_per_bit=5000.0))
    is_invasive = np.array([one.kind in INVASIVE_KINDS for one in worth.investigations])
    n_both = 0
    for order, is_advised in zip(worth.order, worth.is_advised, strict=True):
        kinds = [is_invasive[at] for at in order if is_advised[at]]
        n_both += len(set(kinds)) > 1
        assert kinds == sorted(kinds)
    assert n_both > 10


def test_a_greater_burden_never_advises_it_the_more():
    cheap, _ = worth_of([RETURNED])
    dear, _ = worth_of([RETURNED], replace(CAUSE_PARAMS, burden=BURDEN | {"contrast_mri": 500.0}))
    at = cheap.place("contrast_mri")
    assert cheap.is_advised[0, at]
    assert not dear.is_advised[0, at]
    others = [place for place in range(len(cheap.investigations)) if place != at]
    assert (cheap.is_advised[0, others] == dear.is_advised[0, others]).all()


def test_the_shares_that_move_are_of_causes_that_can_be(invented):
    worth, found = worth_of(invented)
    impossible = np.broadcast_to(~found.is_possible[:, None], worth.moves.shape)
    assert impossible.any()
    assert (worth.moves[impossible] == 0).all()


# Single cases


def test_after_a_return_of_leg_pain_contrast_comes_before_plain_mri_and_both_before_a_block():
    advised = advice_for(**ASKED)
    assert advised[0] == "contrast_mri"
    assert "mri" not in advised
    assert not any(name.endswith("block") for name in advised)


def test_of_two_scans_of_which_one_includes_the_other_the_better_alone_is_advised(invented):
    worth, _ = worth_of(invented)
    includes = {one.name: set(one.includes) for one in able_investigations()}
    both = 0
    for place in range(len(invented)):
        advised = {one.investigation for one in ranked_investigations(worth, place, most=30)} - {RED_FLAGS}
        assert not [name for name in advised if includes[name] & advised]
        both += bool(worth.is_advised[place, [worth.place("mri"), worth.place("contrast_mri")]].all())
    assert both > 10


def test_kidney_disease_withholds_contrast_and_leaves_mri():
    record = ASKED | {"has_kidney_disease": 1.0}
    assert advice_for(**record)[0] == "mri"
    worth, _ = worth_of([record])
    withheld = {one.investigation: one.withheld for one in withheld_investigations(worth)}
    assert withheld["contrast_mri"] == ("kidney disease: contrast",)


@pytest.mark.parametrize(
    ("record", "names"),
    [
        ({"has_cardiac_device": 1.0}, ("mri", "contrast_mri")),
        ({"is_pregnant": 1.0}, ("ct", "flexion_extension", "level_count", "hip_film", "contrast_mri")),
        (
            {"has_bleeding_risk": 1.0},
            ("root_block", "facet_block", "sacroiliac_block", "piriformis_block", "hip_block"),
        ),
        ({"followup_has_wound_problem": 1.0}, ("root_block", "facet_block", "sacroiliac_block")),
    ],
)
def test_the_record_forbids(record, names):
    worth, _ = worth_of([RETURNED | record], replace(CAUSE_PARAMS, minutes_per_bit=1e6))
    advised = {one.investigation for one in ranked_investigations(worth, most=30)}
    withheld = {one.investigation: one.withheld for one in withheld_investigations(worth)}
    for name in names:
        assert name not in advised
        assert withheld[name]


def test_a_scan_that_was_read_is_not_advised_again_and_contrast_only_where_there_was_none():
    read = RETURNED | {"followup_herniation_l4_l5_left": 0.0, "followup_recess_stenosis_l4_l5_left": 0.0}
    assert "mri" not in advice_for(**read)
    assert "contrast_mri" in advice_for(**read)
    contrasted = read | {"followup_contrast": 1.0}
    assert "contrast_mri" not in advice_for(**contrasted)


def test_films_and_ct_are_no_scan_of_the_discs():
    films = ASKED | {"followup_slip_l4_l5": 1.0, "slip_l4_l5": 1.0, "followup_motion_mm_l4_l5": 2.0}
    bone = films | {"followup_bone_left_recess_l4_l5_left": 1.0, "followup_retained_fragment_l4_l5_left": 0.0}
    for record in (films, bone):
        worth, _ = worth_of([record])
        assert not worth.is_done[0, worth.place("mri")]
        assert worth.is_open[0, finding_places()["discitis_signs"]]
    assert worth.is_done[0, worth.place("ct")]


def test_after_a_fusion_that_hurts_late_ct_is_worth_its_burden():
    fused = RETURNED | {
        "performed_procedure": "decompression_and_fusion",
        "operated_fusion_l4_l5": 1.0,
        "workup_date": "2025-11-10",
        "return_tempo": "gradual",
        "followup_nrs_leg": 2.0,
        "followup_nrs_back": 7.0,
        "smoking": 2.0,
        "followup_pain_lateral_leg_left": None,
        "followup_pain_foot_dorsum_left": None,
        "followup_pain_low_back_left": 7.0,
    }
    assert "ct" in advice_for(**fused)


def test_questions_about_a_return_are_not_asked_of_a_pain_that_never_left():
    never, _ = worth_of([RETURNED | {"return_tempo": "never_better", "pain_free_interval_months": 0.0,
                                     "initial_relief_percent": 0.0}])  # fmt: skip
    assert not never.is_open[0, finding_places()["sudden_return"]]
    left, _ = worth_of([RETURNED])
    assert left.is_open[0, finding_places()["sudden_return"]]


def test_an_examination_of_the_power_leaves_the_stretch_signs_open_and_no_deficit_to_compare():
    examined, _ = worth_of([RETURNED | {"followup_power_l5_left": 4.0}])
    places = finding_places()
    assert not examined.is_open[0, places["new_deficit"]]
    assert examined.is_open[0, places["nerve_stretch"]]
    assert not examined.is_done[0, examined.place("examination")]


def test_red_flags_that_nobody_asked_about_come_before_everything():
    worth, _ = worth_of([{name: value for name, value in RETURNED.items() if "saddle" not in name}])
    first = ranked_investigations(worth)[0]
    assert (first.investigation, first.burden) == (RED_FLAGS, 0.0)
    assert "saddle numbness" in first.text
    assert ranked_investigations(worth_of([RETURNED])[0])[0].investigation != RED_FLAGS


def test_an_advice_says_what_it_shows_what_it_would_move_and_what_is_left():
    worth, _ = worth_of([RETURNED])
    texts = {one.investigation: one.text for one in ranked_investigations(worth, most=30)}
    assert texts["contrast_mri"].startswith("MRI with contrast: shows scar or disc at the operated site.")
    assert "epidural fibrosis" in texts["contrast_mri"]
    asked = "how the pain came back, suddenly or gradually; a strain at the return; a fall at the return; whether it is"
    assert f"Left of it: {asked} the same pain or another; and more." in texts["history"]
    assert "Left of it:" not in texts["contrast_mri"]


def test_burdens_are_of_every_investigation_and_of_nothing_else():
    burden = {name: value for name, value in BURDEN.items() if name != "ct"} | {"palmistry": 3.0, "mri": -1.0}
    with pytest.raises(ParamsError) as error:
        replace(CAUSE_PARAMS, burden=burden)
    assert all(word in str(error.value) for word in ("none for ct", "palmistry is of no investigation", "got -1.0"))


def test_without_burdens_causes_are_ranked_and_no_investigations():
    with pytest.raises(ParamsError, match=r"cause\.burden has none for history"):
        worth_of([RETURNED], CauseParams())
