"""Red flags: shown in place of a risk."""

from __future__ import annotations

import pandas as pd
import pytest

from features import red_flags as red_flags_module
from features.errors import KnowledgeError
from features.findings import Findings
from features.knowledge_tables import knowledge_table
from features.red_flags import red_flag_advice, red_flag_names, red_flag_rules, red_flags
from models.story import red_flag_line


@pytest.mark.parametrize(
    ("findings", "raised"),
    [
        (["has_sphincter_disturbance"], "cauda_equina"),
        (["has_saddle_numbness"], "cauda_equina"),
        (["has_sphincter_disturbance", "has_saddle_numbness"], "cauda_equina"),
        (["has_progressive_weakness"], "progressive_deficit"),
        (["has_fever_or_infection_signs"], "infection"),
        (["has_recent_major_trauma"], "fracture"),
        (["has_upper_motor_neurone_signs"], "cord_compression"),
        (["has_cancer_history", "has_unexplained_weight_loss"], "tumour"),
        (["has_cancer_history", "has_night_pain"], "tumour"),
        (["has_immunosuppression_or_iv_drugs", "has_night_pain"], "infection"),
        # One of the two alone is no flag.
        (["has_cancer_history"], ""),
        (["has_immunosuppression_or_iv_drugs"], ""),
        (["has_long_term_steroids"], ""),
        (["has_unexplained_weight_loss"], ""),
        (["has_night_pain"], ""),
        (["has_unexplained_weight_loss", "has_night_pain"], ""),
        (["has_progressive_weakness", "has_recent_major_trauma"], "progressive_deficit, fracture"),
        ([], ""),
    ],
)
def test_what_raises_which_flag(findings, raised):
    asked = {condition.name for _, conditions in red_flag_rules() for condition in conditions}
    assert set(findings) <= asked
    cases = pd.DataFrame([{name: float(name in findings) for name in asked} | {"age_years": 45.0}])
    assert red_flag_names(cases).tolist() == [raised]


def test_thresholds_of_age_are_reached_and_not_passed(draw_cases):
    cases = draw_cases("""
        case_id | age_years | has_long_term_steroids | has_unexplained_weight_loss
        A       | 69        | 1                      | 0
        B       | 70        | 1                      | 0
        C       | 82        | 0                      | 0
        D       |           | 1                      | 1
        E       | 49        | 0                      | 1
        F       | 50        | 0                      | 1
        G       | 70        | 1                      | 1
    """)
    assert red_flag_names(cases).to_dict() == {
        "A": "", "B": "fracture", "C": "", "D": "", "E": "", "F": "tumour", "G": "tumour, fracture",
    }  # fmt: skip


def test_weakness_that_does_not_get_worse_is_no_flag_by_itself(draw_cases):
    cases = draw_cases("""
        case_id | power_l5_left | power_l5_right | power_s1_left | has_progressive_weakness
        A       | 0             | 0              | 1             |
        B       | 3             | 5              | 5             | 0
        C       | 4             | 5              | 5             | 1
    """)
    assert red_flag_names(cases).to_dict() == {"A": "", "B": "", "C": "progressive_deficit"}


def test_a_flag_that_was_not_asked_for_is_not_raised(draw_cases):
    cases = draw_cases("""
        case_id | has_cancer_history | has_night_pain | has_saddle_numbness
        A       | 1                  |                | 0
        B       |                    | 1              |
        C       | 1                  | 1              |
    """)
    assert red_flag_names(cases).to_dict() == {"A": "", "B": "", "C": "tumour"}


def test_a_record_without_any_of_the_questions_raises_none():
    flags = red_flags(pd.DataFrame({"age_years": [50.0, 60.0]}, index=["A", "B"]))
    assert flags.index.tolist() == ["A", "B"]
    assert set(flags.columns) == set(knowledge_table("red_flags")["red_flag"])
    assert not flags.any(axis=None)
    assert {str(dtype) for dtype in flags.dtypes} == {"bool"}


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "boolean", "object"])
def test_a_flag_is_raised_however_the_answer_is_stored(dtype):
    cases = pd.DataFrame({"has_saddle_numbness": pd.Series([1, 0], dtype=dtype)})
    assert red_flags(cases)["cauda_equina"].tolist() == [True, False]


def test_an_empty_nullable_answer_raises_nothing():
    cases = pd.DataFrame({"has_saddle_numbness": pd.array([pd.NA, 1], dtype="Int64")})
    assert red_flags(cases)["cauda_equina"].tolist() == [False, True]


# What is said instead of a risk


def test_a_flag_comes_with_its_urgency_and_what_to_do_emergencies_first():
    advice = red_flag_advice("infection, cauda_equina")
    assert [(one.label, one.urgency) for one in advice] == [
        ("cauda equina compression", "emergency"),
        ("infection of the spine", "urgent"),
    ]
    assert "MRI at once" in advice[0].action


def test_without_a_flag_there_is_nothing_to_do():
    assert red_flag_advice("") == []


@pytest.mark.parametrize("flag", knowledge_table("red_flags")["red_flag"].unique())
def test_every_flag_says_what_to_do_now_and_that_there_is_no_risk(flag):
    row = knowledge_table("red_flags").query("red_flag == @flag").iloc[0]
    said = red_flag_line(flag)
    assert said.startswith(f"Red flag: {row['label']} ({row['urgency']}). {row['action']}.")
    assert said.endswith("It is not a question for a risk model, and no risk is given.")
    assert "_" not in said


def test_two_flags_are_both_told():
    said = red_flag_line("progressive_deficit, fracture")
    assert said.count("Red flag: ") == 2
    assert said.count("no risk is given") == 1


# A faulty table is refused


@pytest.fixture
def rules_with(monkeypatch):
    """The rules of a table whose first flag, cauda equina, has these conditions."""

    def rules(all_of):
        table = knowledge_table("red_flags").copy()
        table.loc[0, "all_of"] = all_of
        monkeypatch.setattr(red_flags_module, "knowledge_table", lambda name: table)
        return red_flag_rules.__wrapped__()

    return rules


@pytest.mark.parametrize(
    ("all_of", "message"),
    [
        ("has_bad_luck", "cauda_equina names has_bad_luck, not a variable"),
        ("has_saddle_numbness+has_bad_luck", "cauda_equina names has_bad_luck, not a variable"),
        ("age_years", r"names age_years without a threshold, as in age_years>=1"),
        ("age_years>=120", r"has age_years>=120, but age_years is 16 to 105 years"),
        ("age_years>=0", r"has age_years>=0, but age_years is 16 to 105 years"),
        ("power_l5_left<=6", r"has power_l5_left<=6, but power_l5_left is 0 \(MRC 0\)"),
        ("has_saddle_numbness>=2", r"has has_saddle_numbness>=2, but has_saddle_numbness is 0 \(no\), 1 \(yes\)"),
        (
            "age_years>70",
            r"has the condition age_years>70\. Write a yes or no by its name, a number as name>=threshold",
        ),
        ("not has_saddle_numbness", "has the condition not has_saddle_numbness"),
        ("", "has the condition"),
        ("odi_12m>=50", "names odi_12m, which is no number or answer known before the operation"),
        ("sex", "names sex, which is no number or answer known before the operation"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(rules_with, all_of, message):
    with pytest.raises(KnowledgeError, match=rf"red_flags\.csv: cauda_equina .*{message}|red_flags\.csv: {message}"):
        rules_with(all_of)


def test_all_faulty_conditions_are_told_at_once(rules_with):
    with pytest.raises(KnowledgeError, match=r"red_flags\.csv: 2 problems\.") as refused:
        rules_with("has_bad_luck+age_years>=120")
    assert "has_bad_luck" in str(refused.value)
    assert "age_years>=120" in str(refused.value)


def test_a_threshold_may_come_from_below(rules_with):
    flag, conditions = rules_with("power_l5_left<=2+has_saddle_numbness")[0]
    cases = pd.DataFrame({"power_l5_left": [2.0, 3.0, None, 0.0], "has_saddle_numbness": [1.0, 1.0, 1.0, 0.0]})
    assert flag == "cauda_equina"
    assert [condition.holds(Findings(cases)).tolist() for condition in conditions] == [
        [True, False, False, True],
        [True, True, True, False],
    ]
