"""Who is in the study, and where the others went: the counts of the flow add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.cohort import CohortParams, cohort_flow, criteria, outcome_flow, provenance


@pytest.fixture
def cases(draw_cases):
    return draw_cases("""
        case_id | age_years | planned_procedure | has_saddle_numbness | has_fever_or_infection_signs | has_diabetes
        adult   | 18        | microdiscectomy   |                     |                              |
        child   | 17.9      | microdiscectomy   | 1                   |                              |
        no_age  |           | microdiscectomy   |                     |                              |
        no_plan | 50        |                   |                     |                              |
        cauda   | 50        | decompression     | 1                   | 1                            |
        septic  | 50        | decompression     | 0                   | 1                            |
        old     | 90        | fusion            | 0                   | 0                            | 1
    """)


def test_the_cohort_is_adults_with_a_plan_and_no_red_flag(cases):
    included, _ = cohort_flow(cases, CohortParams())
    assert included[included].index.tolist() == ["adult", "old"]


def test_each_case_is_excluded_once_by_the_first_criterion_it_does_not_meet(cases):
    _, flow = cohort_flow(cases, CohortParams())
    excluded = flow.set_index("criterion")["excluded"]
    assert excluded[excluded > 0].to_dict() == {
        "adult (age recorded, at least 18 years)": 2,  # the child, whatever else, and the one of unknown age
        "a planned procedure is recorded": 1,
        "no red flag: cauda equina": 1,  # who is septic too
        "no red flag: infection": 1,
    }


def test_the_counts_of_the_flow_add_up(cases):
    included, flow = cohort_flow(cases, CohortParams())
    assert flow.loc[0, ["excluded", "remaining"]].tolist() == [0, len(cases)]
    assert (flow["remaining"].shift(1, fill_value=len(cases)) - flow["excluded"] == flow["remaining"]).all()
    assert flow["remaining"].iloc[-1] == included.sum()
    assert len(flow) == 1 + len(criteria(cases, CohortParams()))


def test_the_flow_adds_up_for_invented_cases(invent_cases):
    cases = invent_cases(500, 11)
    included, flow = cohort_flow(cases, CohortParams(minimum_age_years=40))
    assert len(cases) - flow["excluded"].sum() == included.sum() == flow["remaining"].iloc[-1] > 0
    assert (cases.loc[included, "age_years"] >= 40).all()


def test_the_lowest_age_is_a_choice(cases):
    included, _ = cohort_flow(cases, CohortParams(minimum_age_years=17))
    assert not included["child"]  # a red flag
    included, _ = cohort_flow(cases.drop(columns="has_saddle_numbness"), CohortParams(minimum_age_years=17))
    assert included["child"]


def test_the_cases_are_untouched(cases):
    before = cases.copy(deep=True)
    cohort_flow(cases, CohortParams())
    pd.testing.assert_frame_equal(cases, before)


# Outcomes in the flow


def test_every_case_of_the_cohort_is_lost_or_undefined_or_has_the_outcome(draw_cases):
    cases = draw_cases("""
        case_id | odi_12m | global_assessment_leg_12m | global_assessment_back_12m
        known   | 20      | 2                         |
        lost    |         |                           |
        floor   | 30      | 3                         |
        anchor  |         | 2                         |
        back    |         |                           | 4
    """)
    labels = pd.DataFrame({"failure_12m": [0, np.nan, np.nan, np.nan, np.nan]}, index=cases.index)
    flow = outcome_flow(cases, labels, ["failure_12m"])
    assert flow["step"].tolist() == ["outcome failure_12m"] * 2
    assert flow["criterion"].tolist() == ["no follow-up", "not defined, or censored"]
    # Who answered any questionnaire was not lost, even if the back alone was asked about.
    assert flow["excluded"].tolist() == [1, 3]
    assert flow["remaining"].tolist() == [4, 1]


def test_an_outcome_known_without_an_answer_is_not_lost(draw_cases):
    # Reoperated before the questionnaire: it failed, although nobody answered.
    cases = draw_cases("""
        case_id | odi_12m | global_assessment_leg_12m | global_assessment_back_12m
        A       |         |                           |
    """)
    labels = pd.DataFrame({"failure_12m": [1.0], "worse_12m": [np.nan]}, index=cases.index)
    flow = outcome_flow(cases, labels, ["failure_12m", "worse_12m"])
    assert flow["excluded"].tolist() == [0, 0, 1, 0]
    assert flow["remaining"].tolist() == [1, 1, 0, 0]


# Provenance


@pytest.mark.parametrize(
    ("origins", "told"),
    [
        (["registry", "registry"], "registry"),
        (["virtual", "virtual"], "virtual"),
        (["registry", "virtual"], "virtual"),
    ],
)
def test_a_single_invented_case_makes_all_virtual(origins, told):
    assert provenance(pd.DataFrame({"record_origin": origins})) == told
