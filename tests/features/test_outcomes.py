"""What became of a case, rule by rule. 1 the outcome happened, 0 it did not, empty it is not known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import outcomes as outcomes_module
from features.errors import KnowledgeError, ParamsError
from features.knowledge_tables import knowledge_table
from features.outcomes import OutcomeParams, horizon_months, outcome_label, outcome_labels, outcome_names

FOLLOW_UP = ("odi_12m", "global_assessment_leg_12m", "global_assessment_back_12m")
DATES = ("reoperation_date", "death_date", "last_contact_date")


@pytest.fixture
def label(draw_cases):
    """The labels of one outcome for drawn cases; what is not drawn is missing, the decision is of 2022-01-01."""

    def labels(outcome, table, **choices):
        return outcome_labels(whole(draw_cases(table)), {outcome: OutcomeParams(**choices)})

    return labels


def whole(cases):
    for name in DATES:
        if name not in cases:
            cases[name] = pd.NaT
    for name in ("odi", *FOLLOW_UP):
        if name not in cases:
            cases[name] = np.nan
    defaults = {"diagnosis": "disc_herniation", "index_date": pd.Timestamp(2022, 1, 1)}
    return cases.assign(**{name: value for name, value in defaults.items() if name not in cases})


def values(frame):
    return frame.iloc[:, 0].tolist()


UNKNOWN = pytest.approx(np.nan, nan_ok=True)


# Failure: the ODI fell by less than 30 %


def test_failure_is_a_fall_by_less_than_30_percent(label):
    found = label("failure_12m", """
        case_id | odi | odi_12m
        A       | 50  | 34
        B       | 50  | 36
        C       | 50  | 50
        D       | 50  | 70
        E       | 50  | 0
    """)  # fmt: skip
    assert values(found) == [0, 1, 1, 1, 0]  # falls by 32, 28, 0, -40 and 100 %


@pytest.mark.parametrize("baseline", [10, 20, 30, 42, 46, 50, 60, 70, 86, 90, 100])
def test_an_exact_fall_by_30_percent_is_no_failure(label, baseline):
    for exact in (baseline * 0.7, baseline * 7 / 10, baseline - 0.3 * baseline):
        found = label("failure_12m", f"case_id | odi | odi_12m\nA | {baseline} | {exact!r}")
        assert values(found) == [0]
    assert values(label("failure_12m", f"case_id | odi | odi_12m\nA | {baseline} | {baseline * 0.7 + 0.01}")) == [1]


def test_below_the_floor_a_baseline_cannot_fall_in_earnest(label):
    table = """
        case_id | odi | odi_12m
        A       | 9.9 | 20
        B       | 10  | 20
        C       | 0   | 20
    """
    assert values(label("failure_12m", table, baseline_floor=10)) == [UNKNOWN, 1, UNKNOWN]
    assert values(label("failure_12m", table)) == [1, 1, UNKNOWN]  # no fall from nothing, floor or not


def test_without_baseline_or_follow_up_failure_is_not_known(label):
    found = label("failure_12m", """
        case_id | odi | odi_12m
        A       | 50  |
        B       |     | 20
        C       | 50  | 20
    """)  # fmt: skip
    assert values(found) == [UNKNOWN, UNKNOWN, 0]


@settings(max_examples=80, deadline=None)
@given(st.floats(10, 100), st.floats(0, 100), st.floats(0, 100))
def test_who_is_worse_off_at_12_months_does_not_fail_less(baseline, better, worse):
    better, worse = sorted((better, worse))
    cases = pd.DataFrame({"odi": [baseline] * 2, "odi_12m": [better, worse]})
    failed = outcome_labels(whole(cases), {"failure_12m": OutcomeParams()})["failure_12m"]
    assert failed[0] <= failed[1]


# State and anchors


def test_above_22_is_not_acceptable_and_22_is(label):
    found = label("unacceptable_12m", """
        case_id | odi | odi_12m
        A       | 80  | 22
        B       | 80  | 23
        C       |     | 10
        D       | 80  |
    """)  # fmt: skip
    assert values(found) == [0, 1, 0, UNKNOWN]


def test_the_global_assessment_is_asked_of_the_leg_or_after_fusion_for_back_pain_of_the_back(label):
    table = """
        case_id | diagnosis         | global_assessment_leg_12m | global_assessment_back_12m
        A       | disc_herniation   | 1                         | 5
        B       | spinal_stenosis   | 3                         | 1
        C       | spondylolisthesis | 2                         | 5
        D       | segmental_pain    | 1                         | 3
        E       | segmental_pain    | 5                         | 2
        F       | segmental_pain    | 5                         |
        G       | disc_herniation   |                           | 5
        H       |                   | 5                         | 5
    """
    assert values(label("not_improved_12m", table)) == [0, 1, 0, 1, 0, UNKNOWN, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("answer", "not_improved", "worse"),
    [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 1, 0), (5, 1, 1)],  # gone, much better, somewhat better, unchanged, worse
)
def test_every_answer_of_the_global_assessment(label, answer, not_improved, worse):
    table = f"case_id | global_assessment_leg_12m\nA | {answer}"
    assert values(label("not_improved_12m", table)) == [not_improved]
    assert values(label("worse_12m", table)) == [worse]


# Events before the horizon


REOPERATED = """
    case_id | odi | odi_12m | reoperation_date
    A       | 50  | 10      | 2022-06-01
    B       | 50  | 10      | 2023-01-01
    C       | 50  | 10      | 2023-01-02
    D       | 50  |         | 2022-06-01
    E       | 50  | 10      |
"""


def test_a_rescued_operation_failed(label):
    # A after five months, B on day 365, C on day 366: beyond the horizon of twelve months.
    assert values(label("failure_12m", REOPERATED, reoperation="failed")) == [1, 1, 0, 1, 0]


def test_a_reoperation_may_count_as_reported_or_as_unknown(label):
    assert values(label("failure_12m", REOPERATED, reoperation="as_reported")) == [0, 0, 0, UNKNOWN, 0]
    assert values(label("failure_12m", REOPERATED, reoperation="unknown")) == [UNKNOWN, UNKNOWN, 0, UNKNOWN, 0]


def test_of_the_dead_nothing_is_known_unless_one_says_otherwise(label):
    table = """
        case_id | odi | odi_12m | death_date | reoperation_date
        A       | 50  | 10      | 2022-06-01 |
        B       | 50  | 10      | 2023-06-01 |
        C       | 50  | 10      | 2022-06-01 | 2022-03-01
    """
    # C was reoperated before dying: a rescued operation failed, whatever came after.
    assert values(label("failure_12m", table, reoperation="failed")) == [UNKNOWN, 0, 1]
    assert values(label("failure_12m", table, death="failed")) == [1, 0, 1]
    assert values(label("failure_12m", table, death="as_reported")) == [0, 0, 0]


# Reoperation: an event in time, censored


def test_reoperation_within_24_months_is_censored_where_observation_ends_before(label):
    found = label("reoperation_24m", """
        case_id | reoperation_date | last_contact_date
        A       | 2022-07-01       | 2022-07-01
        B       | 2024-01-01       | 2024-05-01
        C       | 2024-01-02       | 2024-05-01
        D       |                  | 2024-01-02
        E       |                  | 2024-01-01
        F       |                  | 2022-07-01
        G       |                  |
    """)  # fmt: skip
    # Day 730 is within 24 months, day 731 beyond; who was seen for 731 days without one had none.
    assert found["reoperation_24m"].tolist() == [1, 1, 0, 0, UNKNOWN, UNKNOWN, UNKNOWN]
    assert found["reoperation_24m_days"].tolist() == [181, 730, 731, 731, 730, 181, UNKNOWN]


# All of them


def test_every_outcome_of_the_table_has_a_label_a_horizon_and_one_kind():
    assert outcome_names() == ("failure_12m", "unacceptable_12m", "not_improved_12m", "worse_12m", "reoperation_24m")
    for outcome in outcome_names():
        assert outcome.endswith(f"_{horizon_months(outcome)}m")
        assert outcome_label(outcome)
        assert len(knowledge_table("outcomes").query("outcome == @outcome")["kind"].unique()) == 1


def test_an_outcome_by_diagnosis_covers_every_diagnosis():
    rules = knowledge_table("outcomes")
    choices = knowledge_table("choices")
    diagnoses = set(choices.loc[choices["choices"] == "diagnosis", "code"])
    for outcome, rows in rules.groupby("outcome"):
        assert set(rows["diagnosis"]) in ({"all"}, diagnoses), outcome


def test_several_outcomes_stand_side_by_side_and_the_cases_are_untouched(draw_cases):
    cases = whole(draw_cases(REOPERATED))
    before = cases.copy(deep=True)
    labels = outcome_labels(cases, {name: OutcomeParams() for name in outcome_names()})
    assert labels.columns.tolist() == [*outcome_names(), "reoperation_24m_days"]
    assert labels.index.equals(cases.index)
    assert (labels.dtypes == np.float64).all()
    pd.testing.assert_frame_equal(cases, before)


def test_who_is_lost_to_follow_up_has_no_outcome_at_all(draw_cases):
    lost = whole(draw_cases("case_id | odi\nA | 60"))
    assert outcome_labels(lost, {name: OutcomeParams() for name in outcome_names()}).isna().all(axis=None)


def test_a_label_that_mixes_kinds_is_refused(monkeypatch):
    table = knowledge_table("outcomes").copy()
    table.loc[table["diagnosis"] == "segmental_pain", "kind"] = "state"
    monkeypatch.setattr(outcomes_module, "knowledge_table", lambda name: table)
    with pytest.raises(KnowledgeError, match=r"outcomes\.csv: \w+ mixes kinds; one outcome has one kind"):
        outcome_names()


@pytest.mark.parametrize("event", ["reoperation", "death"])
def test_what_an_event_means_is_one_of_three(event):
    with pytest.raises(ParamsError, match=f"{event} must be one of failed, as_reported, unknown, got perhaps"):
        OutcomeParams(**{event: "perhaps"})
