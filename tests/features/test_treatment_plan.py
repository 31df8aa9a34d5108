"""The plan after a failed operation: red flags first, nothing forbidden, no operation without its lesion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from features.axes import CAUSES, LEG_REGIONS, LEVELS, SIDES
from features.builders import BuilderParams
from features.causes import CauseParams, cause_evidence
from features.conditions import Situation, label_of, read_conditions
from features.errors import KnowledgeError
from features.followup import FollowUp
from features.knowledge_tables import knowledge_table
from features.treatment_options import Standing, TreatmentOptions, all_options, treatment_options
from features.treatment_plan import TreatmentPlan, plan_lines, plan_of, treatment_plan
from features.treatment_tables import COLUMNS, INVASIVE_TAGS, problems_of_tables, treatment_facts
from tests.features.invented_followups import invented_followups

N_INVENTED = 10_000
BUILDERS = BuilderParams(mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.10})
CAUSE_PARAMS = CauseParams()


class Invented(NamedTuple):
    cases: pd.DataFrame
    options: TreatmentOptions
    is_offered: np.ndarray
    """(n, n_options)"""

    def offered(self, wanted: Callable[[Any], bool]) -> pd.Series:
        """Whether any option whose treatment is wanted is offered, by case."""
        columns = [place for place, option in enumerate(self.options.options) if wanted(option.treatment)]
        assert columns
        return pd.Series(self.is_offered[:, columns].any(axis=1), index=self.cases.index)


def options_of(cases: pd.DataFrame) -> TreatmentOptions:
    followup = FollowUp(cases)
    return treatment_options(cause_evidence(followup, CAUSE_PARAMS, BUILDERS), followup)


def plan_for(**record: Any) -> TreatmentPlan:
    followup = FollowUp.of_records([record])
    return treatment_plan(cause_evidence(followup, CAUSE_PARAMS, BUILDERS), followup)


@pytest.fixture(scope="module")
def invented() -> Invented:
    cases = invented_followups(N_INVENTED, seed=7)
    options = options_of(cases)
    return Invented(cases, options, options.standing == Standing.OFFERED)


# Properties over 10,000 invented cases, each told again from the raw columns


def yes(cases: pd.DataFrame, *names: str) -> pd.Series:
    return (cases[list(names)] >= 1).any(axis=1)


def any_of_grid(cases: pd.DataFrame, item: str) -> pd.DataFrame:
    return cases[[name for name in cases if name.startswith(f"{item}_")]]


def test_the_invented_cases_reach_every_standing_and_nearly_every_treatment(invented):
    assert set(np.unique(invented.options.standing)) == set(Standing)
    is_any = invented.is_offered.any(axis=0)
    often = {option.treatment.name for option, is_met in zip(all_options(), is_any, strict=True) if is_met}
    assert often == {treatment.name for treatment in treatment_facts().treatments}


def raises_a_flag(cases: pd.DataFrame) -> pd.Series:
    """Whether the raw record raises a red flag, written down apart from the tables."""
    age, loses_weight = cases["age_years"], yes(cases, "followup_has_unexplained_weight_loss")
    night, cancer = yes(cases, "followup_has_night_pain"), yes(cases, "has_cancer_history")
    alone = yes(
        cases,
        *("followup_has_sphincter_disturbance", "followup_has_saddle_numbness", "followup_has_progressive_weakness"),
        *("followup_has_fever_or_infection_signs", "followup_has_recent_major_trauma", "followup_has_wound_problem"),
        "followup_has_upper_motor_neurone_signs",
    )
    together = yes(cases, "has_immunosuppression_or_iv_drugs") & night | cancer & (loses_weight | night)
    return alone | together | (age >= 50) & loses_weight | (age >= 70) & yes(cases, "has_long_term_steroids")


def test_a_red_flag_is_never_skipped_and_nothing_is_offered_beside_it(invented):
    has_flag = raises_a_flag(invented.cases)
    assert [bool(flags) for flags in invented.options.red_flags] == has_flag.tolist()
    assert has_flag.sum() > 300
    assert not invented.is_offered[has_flag].any()
    for place in np.flatnonzero(has_flag)[:50]:
        plan = plan_of(invented.options, int(place))
        assert plan.red_flags
        assert plan.first
        assert (plan.for_everybody, plan.generators, plan.at_last) == (None, (), ())
        assert plan_lines(plan)[0].startswith("RED FLAG")


def forbidden_by_the_record(cases: pd.DataFrame) -> dict[str, pd.Series]:
    """By tag or treatment: what the record forbids, written down from the issue and not read from the table."""
    pregnant = cases["is_pregnant"] >= 1
    infection = (
        yes(cases, "followup_has_wound_problem", "followup_has_fever_or_infection_signs")
        | (any_of_grid(cases, "followup_discitis_signs") >= 1).any(axis=1)
        | (cases["followup_esr_mm_h"] >= 50)
        | (cases["followup_crp_mg_l"] >= 30)
    )
    bleeds, months = yes(cases, "has_bleeding_risk"), FollowUp(cases).months_since
    fused = (
        (any_of_grid(cases, "operated_fusion") >= 1).any(axis=1)
        | cases["performed_procedure"].isin(["fusion", "decompression_and_fusion"])
        | yes(cases, "has_earlier_fusion")
    )
    unstable = (any_of_grid(cases, "followup_motion_mm") >= 4).any(axis=1)
    return {
        "manual_therapy": fused | (months <= 3) | yes(cases, "has_osteoporosis", "followup_percussion_tenderness")
        | unstable | infection & (any_of_grid(cases, "followup_discitis_signs") >= 1).any(axis=1),
        "injection": infection | bleeds | pregnant,
        "ablation": infection | bleeds | pregnant,
        "stimulation": infection | bleeds | pregnant | yes(cases, "has_untreated_psychosis")
        | (cases["stimulation_trial_relief"] <= 49),
        "pump": infection | bleeds | yes(cases, "has_untreated_psychosis", "has_sleep_apnoea"),
        "surgery": infection | pregnant,
        "fusion": infection | (cases["followup_crp_mg_l"] > 10),
        "nsaid": yes(cases, "has_kidney_disease", "has_heart_disease", "is_pregnant") | bleeds,
        "opioid": yes(cases, "has_sleep_apnoea") | (cases["opioid_use"] >= 2),
        "gabapentinoid": yes(cases, "has_kidney_disease", "is_pregnant"),
        "basivertebral": fused | yes(cases, "has_osteoporosis"),
        "sacroiliac_fusion": yes(cases, "has_widespread_pain_syndrome", "is_pregnant"),
    }  # fmt: skip


def test_a_plan_never_offers_what_the_record_forbids(invented):
    for what, is_forbidden in forbidden_by_the_record(invented.cases).items():
        offered = invented.offered(lambda t, what=what: what == t.name or what in t.tags)
        assert is_forbidden.sum() > 100, what
        assert offered.any(), what
        assert not (offered & is_forbidden).any(), what


INDOLENT = {
    "operation_date": "2024-01-10",
    "workup_date": "2024-03-10",
    "pain_free_interval_months": 0.7,
    "followup_has_night_pain": 1.0,
    "followup_nrs_back": 6.0,
    "followup_crp_mg_l": 14.0,
}
"""Nothing alone forbids anything, and an infection is possible."""


def test_a_possible_infection_bars_what_goes_into_the_body():
    record = HERNIATED | INDOLENT
    plan = plan_for(**record)
    assert [part.likelihood for part in plan.generators if part.cause == "infection"] == ["possible"]
    withheld = {one.treatment: one.because for part in plan.generators for one in part.withheld}
    for treatment in ("epidural_steroid", "revision_discectomy"):
        assert withheld[treatment] == ("an infection is possible: exclude it first",)
    less = plan_for(**(record | {"followup_crp_mg_l": 2.0, "followup_esr_mm_h": 4.0, "followup_has_night_pain": 0.0}))
    assert "infection" not in {part.cause for part in less.generators}
    assert "epidural_steroid" in {step.treatment for part in less.generators for step in part.steps}


TOUCHED = (
    "operated_decompression",
    "operated_fusion",
    "followup_operated_site",
    "planned_decompression",
    "planned_fusion",
)


def touched(cases: pd.DataFrame, items: tuple[str, ...] = TOUCHED) -> pd.DataFrame:
    """Levels at which plan, note or film has anything, a column each: no other was operated on."""
    of_level = {
        level: [name for name in cases if name.startswith(tuple(f"{item}_{level}" for item in items))]
        for level in LEVELS
    }
    return pd.DataFrame({level: (cases[names] >= 1).any(axis=1) for level, names in of_level.items()})


def shows_lesion(cases: pd.DataFrame, treatment: str) -> pd.Series:
    """Whether the raw record shows, at any one level and side, what that operation corrects."""
    found = pd.Series(False, index=cases.index)
    operated, fused = touched(cases), touched(cases, ("operated_fusion", "planned_fusion"))
    for side in SIDES:
        hurts = (cases[[f"followup_pain_{region}_{side}" for region in LEG_REGIONS]] > 0).any(axis=1)
        for place, level in enumerate(LEVELS):
            around = slice(max(place - 1, 0), place + 2)
            here, beside = operated[level], fused.iloc[:, around].any(axis=1)
            next_to = operated.iloc[:, around].any(axis=1)
            shown = {name: cases[f"followup_{name}_{level}"] for name in BY_LEVEL}
            shown |= {name: cases[f"followup_{name}_{level}_{side}"] for name in BY_SIDE}
            narrow = (shown["recess_stenosis"] >= 2) | (shown["foraminal_stenosis"] >= 2)
            narrow |= shown["central_stenosis"] >= 2
            disc = (shown["herniation"] >= 2) | (shown["mass_in_continuity"] >= 1)
            fragment = (disc | (shown["retained_fragment"] >= 1)) & ~(shown["enhancement"] >= 2)
            bone = narrow | (shown["bone_left_recess"] >= 1) | (shown["bone_left_foramen"] >= 1)
            moves = (shown["motion_mm"] >= 4) | (shown["slip"] > cases[f"slip_{level}"])
            at = {
                "revision_discectomy": here & hurts & fragment,
                "discectomy_with_fusion": here & hurts & fragment,
                "revision_decompression": here & hurts & bone,
                "decompression_with_fusion": here & hurts & bone,
                "corrective_surgery": hurts & (narrow | disc) & ~(shown["operated_site"] >= 1),
                "adjacent_surgery": beside & hurts & (narrow | disc | (shown["slip"] >= 1)),
                "stabilisation": next_to & moves,
                "revision_fusion": fused[level] & (shown["fusion"] == 0) & (cases["followup_crp_mg_l"] <= 10),
                "implant_revision": (cases["followup_hardware_fault"] >= 1)
                & ((cases["followup_crp_mg_l"] <= 10) | (FollowUp(cases).months_since <= 1.5)),
            }
            found |= at[treatment]
    return found


BY_LEVEL = ("central_stenosis", "slip", "motion_mm", "fusion")
BY_SIDE = (
    *("herniation", "mass_in_continuity", "retained_fragment", "recess_stenosis", "foraminal_stenosis"),
    *("bone_left_recess", "bone_left_foramen", "operated_site", "enhancement"),
)


def test_an_operation_is_never_offered_without_its_lesion_on_the_scan(invented):
    revisions = dict.fromkeys(option.treatment.name for option in all_options() if option.treatment.corrects)
    for name in revisions:
        offered = invented.offered(lambda t, name=name: t.name == name)
        assert offered.sum() >= 10, name
        assert shows_lesion(invented.cases[offered], name).all(), name


def test_no_stimulation_where_an_operation_would_correct_the_lesion(invented):
    stimulated, revised = invented.offered(lambda t: "stimulation" in t.tags), invented.offered(lambda t: t.corrects)
    assert stimulated.sum() > 100
    assert revised.sum() > 300
    assert not (stimulated & revised).any()


def test_an_operation_with_its_lesion_taken_off_the_scan_waits(invented):
    corrects = [option.treatment.corrects for option in all_options()]
    with_one = invented.is_offered[:, corrects].any(axis=1)
    assert with_one.sum() > 300
    cases = invented.cases[with_one].iloc[:300].copy()
    lesions = tuple(f"followup_{item}_" for item in BY_LEVEL + BY_SIDE)
    cases[[name for name in cases if name.startswith(lesions)]] = np.nan
    cases["followup_hardware_fault"] = np.nan
    assert not (options_of(cases).standing[:, corrects] == Standing.OFFERED).any()


def test_a_block_is_demanded_before_an_operation_at_another_level(invented):
    offered = invented.offered(lambda t: t.name == "corrective_surgery")
    relief = any_of_grid(invented.cases[offered], "followup_root_block_relief")
    assert (relief.max(axis=1) >= 50).all()


def test_nothing_is_offered_that_was_tried_without_enough_relief(invented):
    for name, tried in (
        ("exercise", "has_tried_exercise"),
        ("antidepressant", "has_tried_neuropathic_drugs"),
        ("gabapentinoid", "has_tried_neuropathic_drugs"),
        ("epidural_steroid", "has_tried_injections"),
        ("sacroiliac_steroid", "has_tried_injections"),
    ):
        offered = invented.offered(lambda t, name=name: t.name == name)
        assert not (offered & yes(invented.cases, tried)).any(), name


def test_only_what_is_likely_or_possible_is_treated_and_no_cause_found_only_alone(invented):
    likelihoods = invented.options.situation.likelihoods
    for place, option in enumerate(all_options()):
        offered = invented.is_offered[:, place]
        if option.cause == "none_found":
            others = np.delete(likelihoods, CAUSES.index("none_found"), axis=1)
            assert (others[offered] < 2).all()
        elif option.cause != "any":
            assert (likelihoods[offered, CAUSES.index(option.cause)] >= 2).all(), option.cause


def test_a_further_contraindication_never_offers_more(invented):
    some = invented.cases.iloc[::20].copy()
    for name in ("has_bleeding_risk", "has_kidney_disease", "has_untreated_psychosis", "has_sleep_apnoea"):
        some[name] = 1.0
    before = invented.is_offered[::20]
    after = options_of(some).standing == Standing.OFFERED
    assert (before & ~after).any()
    assert not (after & ~before).any()


def test_a_plan_says_what_the_options_say_and_the_same_alone_as_among_others(invented):
    places = np.arange(0, N_INVENTED, 500)
    for place in places:
        plan = plan_of(invented.options, int(place))
        if plan.red_flags:
            continue
        assert plan.for_everybody
        steps = {(part.cause, step.treatment) for part in (plan.for_everybody, *plan.generators)
                 for step in (*part.steps, *part.rules)}  # fmt: skip
        steps |= {("any", step.treatment) for step in plan.at_last}
        above = {label for part in plan.generators for label in part.as_above}
        options = [option for option, is_in in zip(all_options(), invented.is_offered[place], strict=True) if is_in]
        offered = {(option.cause, option.treatment.name) for option in options}
        assert steps <= offered
        assert all(option.treatment.label in above for option in options
                   if (option.cause, option.treatment.name) not in steps)  # fmt: skip
        alone = options_of(invented.cases.iloc[[place]])
        assert plan_of(alone) == plan
        tiers = [step.tier for step in plan.for_everybody.steps]
        assert tiers == sorted(tiers)


# Single cases


HERNIATED = {
    "age_years": 46.0,
    "sex": "female",
    "operation_date": "2024-01-10",
    "workup_date": "2024-11-10",
    "performed_procedure": "microdiscectomy",
    "operated_decompression_l4_l5_left": 1.0,
    "initial_relief_percent": 80.0,
    "pain_free_interval_months": 8.0,
    "return_tempo": "sudden",
    "followup_nrs_leg": 7.0,
    "followup_nrs_back": 3.0,
    "followup_odi": 46.0,
    "followup_pain_lateral_leg_left": 8.0,
    "followup_pain_foot_dorsum_left": 6.0,
    "followup_contrast": 1.0,
    "followup_herniation_l4_l5_left": 3.0,
    "followup_mass_in_continuity_l4_l5_left": 1.0,
    "followup_enhancement_l4_l5_left": 1.0,
}


def steps_for(plan: TreatmentPlan, cause: str) -> list[str]:
    return [step.treatment for part in plan.generators if part.cause == cause for step in part.steps]


def test_a_recurrent_herniation_is_injected_then_operated_on_where_it_is_shown():
    plan = plan_for(**HERNIATED)
    assert steps_for(plan, "recurrent_herniation") == ["epidural_steroid", "revision_discectomy"]
    confirming = {one.confirmation: one for one in plan.generators[0].confirming}
    assert confirming["herniation_confirmed"].is_shown
    assert confirming["herniation_confirmed"].where == ("L4-L5 left",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"followup_enhancement_l4_l5_left": 2.0}, "it takes up contrast throughout: scar"),
        ({"followup_enhancement_l4_l5_left": None}, "nobody looked whether it takes up contrast"),
        ({"followup_enhancement_l4_l5_left": 2.0, "workup_date": "2026-01-10"}, "scar at two years as well"),
        ({"operated_decompression_l4_l5_left": 0.0, "operated_decompression_l3_l4_left": 1.0}, "another level"),
        ({"followup_pain_lateral_leg_left": 0.0, "followup_pain_foot_dorsum_left": 0.0,
          "followup_pain_lateral_leg_right": 8.0}, "the other leg hurts"),
        ({"followup_pain_lateral_leg_left": None, "followup_pain_foot_dorsum_left": None}, "no drawing"),
    ],
)  # fmt: skip
def test_revision_waits_where_the_lesion_does_not_fit(change, why):
    plan = plan_for(**(HERNIATED | change))
    assert not {"revision_discectomy", "discectomy_with_fusion"} & {
        step for cause in CAUSES[:4] for step in steps_for(plan, cause)
    }, why


def test_a_year_and_a_half_after_the_operation_an_extrusion_needs_no_contrast():
    late = {"followup_enhancement_l4_l5_left": None, "followup_contrast": None, "workup_date": "2026-01-10"}
    plan = plan_for(**(HERNIATED | late))
    assert "revision_discectomy" in steps_for(plan, "recurrent_herniation")


SCREW = {
    "operation_date": "2024-01-10",
    "workup_date": "2024-01-31",
    "performed_procedure": "decompression_and_fusion",
    "operated_fusion_l4_l5": 1.0,
    "followup_hardware_fault": 1.0,
    "return_tempo": "never_better",
    "pain_compared": "other",
    "followup_nrs_leg": 9.0,
    "followup_pain_lateral_leg_left": 8.0,
}
"""New leg pain on waking, and CT shows a screw in the wrong place."""


@pytest.mark.parametrize(
    ("change", "is_offered"),
    [
        ({}, True),
        ({"followup_crp_mg_l": 60.0}, False),
        ({"workup_date": "2024-06-10"}, False),
        ({"workup_date": "2024-06-10", "followup_crp_mg_l": 4.0}, True),
        ({"followup_hardware_fault": None}, False),
    ],
)
def test_a_screw_in_the_wrong_place_is_revised_early_and_a_loose_one_once_blood_is_normal(change, is_offered):
    assert ("implant_revision" in steps_for(plan_for(**(SCREW | change)), "hardware")) == is_offered


def test_what_would_show_a_lesion_is_named_until_it_was_looked_for_and_is_not_there():
    def shown_by(**change):
        plan = plan_for(**(HERNIATED | change))
        parts = {one.confirmation: one for part in plan.generators for one in part.confirming}
        return parts["herniation_confirmed"].investigation

    assert shown_by(followup_enhancement_l4_l5_left=None) == "MRI with contrast"
    scar = {f"followup_enhancement_{level}_{side}": 2.0 for level in LEVELS for side in SIDES}
    assert shown_by(**scar, followup_retained_fragment_l4_l5_left=0.0) == ""
    late = {"workup_date": "2025-06-10", "followup_crp_mg_l": None}
    waiting = [one for part in plan_for(**(SCREW | late)).generators for one in part.confirming if not one.is_shown]
    assert "CT; CRP and ESR" in {one.investigation for one in waiting}


def test_scar_shows_the_rule_against_reoperation():
    scar = {"followup_enhancement_l4_l5_left": 2.0, "followup_mass_in_continuity_l4_l5_left": 0.0}
    plan = plan_for(**(HERNIATED | scar | {"return_tempo": "gradual", "followup_herniation_l4_l5_left": 0.0}))
    assert plan.generators[0].cause == "epidural_fibrosis"
    assert [rule.treatment for rule in plan.generators[0].rules] == ["no_reoperation_for_scar"]
    assert "  Rule: No reoperation for scar alone." in plan_lines(plan)


@pytest.mark.parametrize(
    ("scan", "is_offered"),
    [
        ({"followup_herniation_l4_l5_left": 2.0}, True),
        ({"followup_herniation_l4_l5_left": 3.0}, False),
        ({"followup_central_stenosis_l3_l4": 3.0}, False),
        ({"followup_central_stenosis_l3_l4": 2.0}, True),
    ],
)
def test_no_manipulation_over_a_large_herniation_or_a_very_narrow_canal(scan, is_offered):
    sore = HERNIATED | {"followup_nrs_back": 6.0, "followup_herniation_l4_l5_left": 0.0}
    plan = plan_for(**(sore | {"followup_mass_in_continuity_l4_l5_left": 0.0} | scan))
    assert ("manual_therapy" in {step.treatment for step in plan.for_everybody.steps}) == is_offered


def test_a_new_lesion_at_another_level_is_a_case_of_its_own():
    elsewhere = {"operated_decompression_l4_l5_left": 0.0, "operated_decompression_l2_l3_left": 1.0}
    asked = {"pain_compared": "other", "pain_free_interval_months": 30.0, "workup_date": "2027-01-10",
             "followup_nrs_back": 6.0}  # fmt: skip
    plan = plan_for(**(HERNIATED | elsewhere | asked))
    assert [part.cause for part in plan.generators] == ["none_found"]
    assert [rule.treatment for rule in plan.generators[0].rules] == ["no_operation_without_lesion", "new_lesion"]
    healed = {name: 0.0 for name in HERNIATED if name.startswith(("followup_herniation", "followup_mass"))}
    plan = plan_for(**(HERNIATED | elsewhere | asked | healed))
    assert "new_lesion" not in [rule.treatment for rule in plan.generators[-1].rules]


def test_what_was_done_already_is_said_once():
    injured = {"has_root_injury": 1.0, "followup_neuropathic_quality_dn4": 8.0, "has_tried_neuropathic_drugs": 1.0}
    empty = {name: 0.0 for name in HERNIATED if name.startswith(("followup_herniation", "followup_mass"))}
    lines = plan_lines(plan_for(**(HERNIATED | injured | empty)))
    assert len([line for line in lines if line.startswith("  Done already")]) == 1


def test_what_is_withheld_says_why():
    plan = plan_for(**HERNIATED, has_bleeding_risk=1.0)
    withheld = {one.treatment: one.because for part in plan.generators for one in part.withheld}
    assert withheld["epidural_steroid"] == ("takes an anticoagulant, or bleeds easily",)
    assert steps_for(plan, "recurrent_herniation") == ["revision_discectomy"]
    revision = next(step for part in plan.generators for step in part.steps)
    assert "takes an anticoagulant, or bleeds easily: plan its pause" in revision.cautions


def test_what_is_forbidden_is_withheld_though_it_was_tried():
    plan = plan_for(**HERNIATED, has_bleeding_risk=1.0, has_tried_injections=1.0)
    assert "epidural_steroid" in {one.treatment for part in plan.generators for one in part.withheld}
    assert not [one for part in plan.generators for one in part.tried]
    tried = plan_for(**HERNIATED, has_bleeding_risk=0.0, has_tried_injections=1.0)
    assert "epidural_steroid" in {one.treatment for part in tried.generators for one in part.tried}


def test_what_nobody_asked_is_asked_before_and_pregnancy_of_nobody_who_cannot_be():
    asked = plan_for(**HERNIATED).ask_first
    assert {"pregnant", "takes an anticoagulant, or bleeds easily"} <= set(asked)
    assert "pregnant" not in plan_for(**(HERNIATED | {"sex": "male"})).ask_first
    assert "pregnant" not in plan_for(**(HERNIATED | {"age_years": 70.0})).ask_first
    assert "pregnant" not in plan_for(**HERNIATED, is_pregnant=0.0).ask_first


@pytest.mark.parametrize(
    ("before", "is_asked"),
    [
        ({}, True),
        ({"earlier_lumbar_operations": 1.0}, True),
        ({"earlier_lumbar_operations": 0.0}, False),
        ({"has_earlier_fusion": 0.0, "earlier_lumbar_operations": 1.0}, False),
    ],
)
def test_an_earlier_fusion_is_asked_about_unless_there_was_no_operation(before, is_asked):
    plan = plan_for(**(HERNIATED | {"followup_nrs_back": 6.0, "followup_herniation_l4_l5_left": 2.0} | before))
    assert "manual_therapy" in {step.treatment for step in plan.for_everybody.steps}
    assert ("an earlier lumbar fusion" in plan.ask_first) == is_asked


def test_red_flags_that_nobody_asked_about_are_named_first():
    plan = plan_for(**HERNIATED, followup_has_saddle_numbness=0.0)
    assert "saddle numbness" not in plan.not_asked
    assert "leg weakness that is new and getting worse" in plan.not_asked
    assert plan_lines(plan)[0].startswith("Ask about red flags first")


def test_goals_are_the_change_that_counts():
    plan = plan_for(**HERNIATED)
    epidural, revision = plan.generators[0].steps
    assert epidural.goals == ("leg pain (NRS): from 7 to 5 or less", "disability (ODI): from 46 to 32 or less")
    assert revision.goals[1] == "disability after an operation (ODI): from 46 to 26 or less"
    unscored = plan_for(**(HERNIATED | {"followup_odi": None})).generators[0].steps[0]
    assert unscored.goals[1] == "disability (ODI): a fall of 10 points and 30 % or more"
    mild = plan_for(**(HERNIATED | {"followup_nrs_back": 1.0}))
    assert not any(goal.startswith("back pain") for goal in mild.goals)


def test_every_step_says_when_to_review_what_stops_it_and_what_it_rests_on():
    plan = plan_for(**HERNIATED)
    for step in [step for part in plan.generators for step in part.steps]:
        assert step.review_weeks
        assert all((step.stop, step.evidence, step.source, step.status))


def test_an_infection_comes_before_everything_and_bars_what_is_invasive():
    infected = HERNIATED | {"followup_discitis_signs_l4_l5": 1.0, "followup_crp_mg_l": 90.0, "followup_esr_mm_h": 80.0,
                            "followup_has_night_pain": 1.0, "followup_percussion_tenderness": 1.0,
                            "pain_free_interval_months": 0.5, "workup_date": "2024-02-20"}  # fmt: skip
    plan = plan_for(**infected)
    assert plan.generators[0].cause == "infection"
    assert plan.generators[0].steps[0].tier == 0
    assert plan.parts[:2] == (plan.generators[0], plan.for_everybody)
    lines = plan_lines(plan)
    assert lines.index("Infection (likely)") < lines.index("Whatever the cause")
    every = [step for part in plan.generators for step in part.steps]
    invasive = {t.name for t in treatment_facts().treatments if set(t.tags) & set(INVASIVE_TAGS)}
    assert not invasive & {step.treatment for step in every}


def test_of_a_record_without_anything_nothing_invasive_is_offered():
    plan = plan_for()
    assert [part.cause for part in plan.generators] == ["none_found"]
    invasive = {t.name for t in treatment_facts().treatments if set(t.tags) & set(INVASIVE_TAGS)}
    assert not invasive & {step.treatment for step in plan.generators[0].steps}
    assert plan_lines(plan)


def test_a_plan_is_plain_json_and_fits_on_one_page():
    import json

    plan = plan_for(**HERNIATED)
    assert json.loads(json.dumps(plan.as_plain())) == plan.as_plain()
    assert sum(1 + len(line) // 110 for line in plan_lines(plan)) < 60


# The tables


def spoiled(table: str, **change: Any) -> list[str]:
    """What is said of a table whose first row is changed."""
    tables = {name: knowledge_table(name).copy() for name in COLUMNS}
    for column, value in change.items():
        tables[table][column] = tables[table][column].astype(object)
        tables[table].loc[0, column] = value
    return problems_of_tables(tables, knowledge_table("causes"), knowledge_table("investigations"))[table]


def test_the_tables_have_no_fault():
    assert not any(spoiled("treatments"))
    assert treatment_facts().treatments


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("treatments", {"tags": "exercise+juggling"}, "unknown tag juggling"),
        ("treatments", {"goals": "fame"}, "unknown goal fame"),
        ("treatments", {"needs": "a_miracle"}, "unknown needs a_miracle"),
        ("treatments", {"generator": "the_moon"}, "unknown generator the_moon"),
        ("treatments", {"tags": "surgery+revision"}, "waits for none to be confirmed"),
        ("treatments", {"tags": "injection"}, "is invasive, in tier 1"),
        ("treatments", {"stop": np.nan}, "does not say its stop"),
        ("treatments", {"all_of": "followup_nrs_back>=11"}, "runs from 0 to 10"),
        ("treatments", {"all_of": "followup_nrs_bakc>=3"}, "Did you mean followup_nrs_back"),
        ("treatments", {"all_of": "followup_nrs_back"}, "without a threshold"),
        ("treatments", {"all_of": "infection>=probable"}, "none of unlikely, less likely, possible, likely"),
        ("treatments", {"all_of": "measles>=possible"}, "measles is no cause"),
        ("treatments", {"all_of": "sex"}, "sex, which is no number"),
        ("treatments", {"all_of": "pain"}, "lies on side and region"),
        ("treatments", {"all_of": "a == b"}, "is no condition"),
        ("treatment_confirmations", {"investigation": "palmistry"}, "unknown investigation palmistry"),
        ("treatment_confirmations", {"all_of": "has_correctable_lesion"}, "which follows from it"),
        ("treatment_confirmations", {"confirmation": "unused"}, "confirms nothing"),
        ("contraindications", {"applies_to": "surgery, juggling"}, "concerns juggling"),
        ("contraindications", {"effect": "discourage"}, "unknown effect discourage"),
        ("contraindications", {"reason": np.nan}, "gives no reason"),
        ("contraindications", {"all_of": np.nan}, "asks nothing"),
        ("treatment_goals", {"variable": "sex"}, "unknown variable sex"),
        ("treatment_goals", {"points": np.nan}, "names no change"),
    ],
)  # fmt: skip
def test_a_fault_in_a_table_is_named(table, change, said):
    assert any(said in problem for problem in spoiled(table, **change)), spoiled(table, **change)


def test_every_fault_of_the_tables_is_told_at_once(monkeypatch):
    def read(name: str) -> pd.DataFrame:
        table = knowledge_table(name).copy()
        if name == "treatments":
            table.loc[0, ["tags", "goals"]] = ["juggling", "fame"]
        if name == "contraindications":
            table.loc[0, "applies_to"] = "nothing"
        return table

    monkeypatch.setattr("features.treatment_tables.knowledge_table", read)
    with pytest.raises(KnowledgeError) as error:
        treatment_facts.__wrapped__()
    assert all(word in str(error.value) for word in ("juggling", "fame", "concerns nothing"))


def test_a_missing_column_is_named(monkeypatch):
    monkeypatch.setattr(
        "features.treatment_tables.knowledge_table",
        lambda name: knowledge_table(name).drop(columns="tier", errors="ignore"),
    )
    with pytest.raises(KnowledgeError, match=r"treatments.csv: there is no column tier"):
        treatment_facts.__wrapped__()


def test_whatever_is_invasive_but_a_block_that_decides_waits_for_something_to_be_shown():
    bare = [t.name for t in treatment_facts().treatments if t.is_invasive and not t.needs]
    assert bare == ["medial_branch_block"]


def test_whatever_goes_into_the_body_is_barred_by_infection_and_in_pregnancy():
    for treatment in treatment_facts().treatments:
        if treatment.is_invasive:
            names = {
                one.name
                for row in treatment_facts().contraindications
                if row.effect == "withhold" and row.concerns(treatment)
                for clause in row.conditions
                for one in clause
            }
            assert {"cause infection", "is_or_may_be_pregnant", "followup_has_wound_problem"} <= names, treatment.name


# Conditions


def situation(**record: Any) -> Situation:
    followup = FollowUp.of_records([record])
    return Situation(followup, cause_evidence(followup, CAUSE_PARAMS, BUILDERS))


def verdict(text: str, **record: Any) -> tuple[bool, bool]:
    words = read_conditions(text)
    assert not words.problems
    told = situation(**record).verdict(words.clauses).anywhere()
    return bool(told.holds[0]), bool(told.may_hold[0])


def test_and_means_at_one_place():
    text = "followup_herniation>=2 + followup_enhancement<=1"
    here = {"followup_herniation_l4_l5_left": 3.0}
    assert verdict(text, **here, followup_enhancement_l4_l5_left=1.0) == (True, True)
    assert verdict(text, **here, followup_enhancement_l4_l5_right=1.0)[0] is False


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({}, (False, True)),
        ({"has_diabetes": 1.0}, (False, True)),
        ({"has_diabetes": 0.0}, (False, False)),
        ({"has_diabetes": 1.0, "age_years": 71.0}, (True, True)),
        ({"has_diabetes": 1.0, "age_years": 50.0}, (False, True)),
        ({"has_diabetes": 1.0, "age_years": 50.0, "has_osteoporosis": 0.0}, (False, False)),
        ({"has_diabetes": 1.0, "has_osteoporosis": 1.0}, (True, True)),
    ],
)
def test_what_is_not_recorded_neither_holds_nor_is_ruled_out(record, told):
    assert verdict("has_diabetes + (age_years>=70 or has_osteoporosis)", **record) == told


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        ("is_beside_fusion", {"operated_fusion_l4_l5": 1.0}, {"l3_l4", "l5_s1"}),
        ("is_fused_here", {"operated_fusion_l4_l5": 1.0}, {"l4_l5"}),
        ("is_operated_or_next", {"operated_decompression_l1_l2_left": 1.0}, {"l1_l2", "l2_l3"}),
        ("slip_growth", {"slip_l4_l5": 1.0, "followup_slip_l4_l5": 2.0}, {"l4_l5"}),
        ("block_relief_here", {"followup_root_block_relief_s1_left": 80.0}, {"l5_s1"}),
        ("block_relief_here", {"followup_root_block_relief_l5_left": 80.0}, {"l4_l5", "l5_s1"}),
    ],
)
def test_terms_know_their_levels(name, record, expected):
    values = np.nan_to_num(situation(**record).values(name))[0].max(axis=1)
    assert {level for level, value in zip(LEVELS, np.broadcast_to(values, len(LEVELS)), strict=True) if value > 0} \
        == expected  # fmt: skip


def test_the_side_of_the_operation_is_that_seen_on_the_film_rather_than_that_of_the_note():
    noted = {"operated_decompression_l4_l5_left": 1.0, "followup_operated_site_l3_l4_left": 1.0}
    operated = situation(**noted).values("is_operated_here")[0]
    assert (operated[LEVELS.index("l3_l4"), 0], operated[LEVELS.index("l4_l5"), 0]) == (1, 0)


def test_sacroiliac_tests_are_counted_by_side():
    tests = {f"followup_sij_{name}_left": 1.0 for name in ("distraction", "compression", "gaenslen")}
    counted = situation(**tests, followup_sij_faber_right=0.0).values("sacroiliac_tests")[0, 0]
    assert counted.tolist() == [3.0, 0.0]


def test_every_name_of_a_condition_has_a_label():
    rows = [row.conditions for row in treatment_facts().contraindications]
    rows += [treatment.indication for treatment in treatment_facts().treatments]
    names = {one.name for clauses in rows for clause in clauses for one in clause} - {"has_correctable_lesion"}
    assert all(label_of(name) for name in names)
