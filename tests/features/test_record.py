"""Bad input is refused by name: what, in how many rows, where, and what to do; never a patient's value."""

from __future__ import annotations

import datetime as dt
import inspect
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import errors
from features.dictionary import load_dictionary
from features.errors import BackcastError, ColumnsError, TimingError, ValuesError
from features.record import (
    FRACTION_CASES,
    date_problems,
    followup_cautions,
    followup_problems,
    fraction_problems,
    problem_table,
    refuse_problems,
    required_columns,
    typed_cases,
    value_problems,
    wrong_columns,
)
from features.table_check import schema_problems

TODAY = dt.date(2024, 6, 1)


def text_cases(**columns):
    """A table of text as read from a file: None is missing."""
    return pd.DataFrame(columns, dtype="str")


def only(problems):
    assert len(problems) == 1, [str(p) for p in problems]
    return problems[0]


# Columns


def test_a_complete_table_has_no_wrong_columns():
    required = required_columns("preoperative")
    assert wrong_columns(required, "preoperative", required) == []


def test_to_predict_the_essentials_are_required_and_to_train_the_keys_and_outcomes_as_well():
    to_predict, to_train = required_columns("preoperative"), required_columns("adjudication")
    assert "case_id" in to_predict
    assert "patient_id" not in to_predict
    assert "odi_12m" not in to_predict
    assert {"patient_id", "centre_id", "index_date", "odi_12m", "reoperation_date"} <= set(to_train)


def test_a_missing_column_says_what_it_should_hold():
    required = required_columns("preoperative")
    problem = only(wrong_columns([n for n in required if n != "odi"], "preoperative", required))
    assert (problem.kind, problem.rule, problem.column) == (ColumnsError, "missing_column", "odi")
    assert str(problem) == (
        "odi is missing. Add the column; a value that is not recorded stays empty. Expected: 0 to 100 points of 100."
    )


def test_an_unknown_column_suggests_the_one_that_is_meant_with_its_unit():
    problem = only(wrong_columns(["bmi_kgm2"], "preoperative", []))
    assert (problem.kind, problem.rule) == (ColumnsError, "unknown_column")
    assert "bmi_kgm2 is not in the dictionary. Is bmi_kg_m2 meant (Body mass index; 12 to 75 kg/m2)?" in str(problem)


def test_an_unknown_column_that_is_like_no_other_is_to_be_left_out():
    assert "Leave the column out" in only(wrong_columns(["shoe_size"], "preoperative", [])).to_do


LEVELS = "The levels are l1_l2, l2_l3, l3_l4, l4_l5, l5_s1."


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("herniation_l7_s1_paracentral_left", f"names the level l7_s1, for which there is no column. {LEVELS}"),
        ("herniation_l7_paracentral_left", f"names the level l7, for which there is no column. {LEVELS}"),
        ("central_stenosis_t12_l1", f"names the level t12_l1, for which there is no column. {LEVELS}"),
        ("slip_l5", f"names the level l5, for which there is no column. {LEVELS}"),
        ("power_l6_left", "names the root l6, for which there is no column. The roots are l2, l3, l4, l5, s1."),
        ("reflex_l5_left", "names the root l5, for which there is no column. The roots are l4, s1."),
        ("pain_elbow_left", "names the region elbow, for which there is no column. The regions are low_back, buttock"),
        (
            "herniation_l4_l5_lateral_left",
            "names the zone lateral, for which there is no column. The zones are central,",
        ),
        ("slip", f"does not say which level. There is one column for each, such as slip_l1_l2: {LEVELS[15:]}"),
        (
            "herniation_l4_l5_left",
            "does not say which zone. There is one column for each, such as herniation_l4_l5_para",
        ),
    ],
)
def test_a_place_that_there_is_not_is_named_with_those_there_are(name, message):
    problem = only(wrong_columns([name], "preoperative", []))
    assert (problem.kind, problem.rule) == (ColumnsError, "unknown_column")
    assert f"{name} {message}" in str(problem)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("slr", "does not say which side. There is one column for each side, slr_left and slr_right."),
        ("slr_both", "names the side both. There is one column for each side, slr_left and slr_right; what holds"),
        ("slr_l", "names the side l. There is one column for each side, slr_left and slr_right."),
        (
            "herniation_l4_l5_paracentral_both",
            "names the side both. There is one column for each side, herniation_l4_l5_paracentral_left and "
            "herniation_l4_l5_paracentral_right; what holds for both stands in both.",
        ),
        ("pain_buttock_bilateral", "one column for each side, pain_buttock_left and pain_buttock_right; what holds"),
        ("planned_decompression_l4_l5", "does not say which side. There is one column for each side, planned_decomp"),
        ("followup_slr_both", "one column for each side, followup_slr_left and followup_slr_right"),
    ],
)
def test_a_side_that_is_no_side_is_answered_with_both_columns(name, message):
    problem = only(wrong_columns([name], "preoperative", []))
    assert (problem.kind, problem.column) == (ColumnsError, name)
    assert message in str(problem)


@pytest.mark.parametrize("name", ["slip_grade", "shoe_size", "l4_l5", "pain", "herniation", "left"])
def test_a_name_that_is_like_no_place_is_merely_unknown(name):
    assert "is not in the dictionary" in str(only(wrong_columns([name], "preoperative", [])))


def test_every_declared_column_stands_where_it_says():
    for variable in load_dictionary().predictors:
        assert wrong_columns([variable.name], "preoperative", []) == [], variable.name


def test_a_column_that_stands_twice_is_refused_once():
    problem = only(wrong_columns(["odi", "odi"], "preoperative", []))
    assert (problem.rule, problem.what) == ("repeated_column", "stands 2 times")


@pytest.mark.parametrize(
    ("name", "moment"),
    [("odi_12m", "follow-up"), ("operated_fusion_l4_l5", "the operation"), ("followup_crp_mg_l", "follow-up")],
)
def test_a_variable_known_later_than_the_question_is_a_timing_error(name, moment):
    problem = only(wrong_columns([name], "preoperative", []))
    assert (problem.kind, problem.rule) == (TimingError, "later_variable")
    assert f"{name} is known only at {moment}" in str(problem)
    assert "a prediction must not see it" in str(problem)


def test_after_adjudication_every_variable_of_the_dictionary_may_be_there():
    assert wrong_columns(load_dictionary().by_name, "adjudication", []) == []


def test_before_the_operation_every_later_variable_is_refused_and_no_other():
    refused = {p.column for p in wrong_columns(load_dictionary().by_name, "preoperative", [])}
    assert refused == {v.name for v in load_dictionary().variables if v.known != "preoperative"}


# Text becomes numbers, dates and words


def test_text_becomes_what_the_dictionary_says():
    cases, problems = typed_cases(
        text_cases(case_id=["A", "B"], odi=[" 44.5 ", None], sex=["female", ""], index_date=["2023-02-01", None])
    )
    assert problems == []
    assert cases["odi"].tolist() == [44.5, pytest.approx(np.nan, nan_ok=True)]
    assert cases["sex"].isna().tolist() == [False, True]
    assert cases["index_date"][0] == pd.Timestamp(2023, 2, 1)
    assert cases["index_date"].isna().tolist() == [False, True]


def test_columns_that_the_dictionary_lacks_are_left_out():
    cases, problems = typed_cases(text_cases(odi=["40"], shoe_size=["43"]))
    assert cases.columns.tolist() == ["odi"]
    assert problems == []


@pytest.mark.parametrize(
    ("column", "bad", "rule", "message"),
    [
        ("nrs_leg", "8,25", "not_a_number", "holds a decimal comma in 1 row (3). Write the decimal with a point"),
        ("odi", "fourty", "not_a_number", "odi is not a number in 1 row (3). Expected: 0 to 100 points of 100."),
        ("odi", "inf", "not_a_number", "odi is not a number"),
        ("odi", "nan", "not_a_number", "odi is not a number"),
        ("index_date", "13/05/2023", "not_a_date", "index_date is not a date in 1 row (3). Write it as YYYY-MM-DD."),
        ("index_date", "2023-02-30", "not_a_date", "index_date is not a date"),
        ("index_date", "20230510", "not_a_date", "index_date is not a date"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line_and_never_quoted(column, bad, rule, message):
    cases, problems = typed_cases(text_cases(**{column: ["2023-01-01" if "date" in column else "5", bad]}))
    problem = only(problems)
    assert (problem.kind, problem.rule, problem.rows) == (ValuesError, rule, (3,))
    assert message in str(problem)
    assert bad not in str(problem)
    assert cases[column].isna().tolist() == [False, True]


# Grades of another system, and sides where a value is meant

SCHIZAS = "Expected: 0 (grade A), 1 (grade B), 2 (grade C), 3 (grade D)."


@pytest.mark.parametrize(
    ("column", "written", "system"),
    [
        ("central_stenosis_l4_l5", ["C", "a", "grade D"], "of Schizas, usually written A to D."),
        ("central_stenosis_l4_l5", ["moderate", "severe", "none"], "of Schizas, usually written A to D."),
        ("disc_degeneration_l4_l5", ["IV", "iii", "grade V"], "of Pfirrmann (disc), usually written I to V."),
        ("foraminal_stenosis_l4_l5_left", ["mild", "B", "II"], "of Lee, usually written 0 to 3."),
        ("slip_l5_s1", ["I", "II", "Grade III"], "of Meyerding, usually written I to IV."),
        ("modic_l4_l5", ["type I", "II", "III"], "of Modic, usually written type 1 to 3."),
    ],
)
@pytest.mark.parametrize("door", ["a file", "a request"])
def test_a_grade_in_letters_roman_numerals_or_words_is_refused_and_not_translated(door, column, written, system):
    if door == "a file":
        cases, problems = typed_cases(text_cases(**{column: ["1", *written, None]}))
        assert cases[column].isna().tolist() == [False, True, True, True, True]
    else:
        problems = value_problems(pd.DataFrame({column: [1, *written, None]}, dtype=object), first_row=2)
    problem = only(problems)
    assert (problem.kind, problem.rule, problem.rows) == (ValuesError, "other_grading", (3, 4, 5))
    assert "holds a grade that is no number in 3 rows (3, 4, 5). Translate it, since nothing is translated" in str(
        problem
    )
    assert str(problem).endswith(f"The column is in the grading {system}")


def test_a_schizas_letter_is_answered_with_what_each_letter_is_here():
    _, problems = typed_cases(text_cases(central_stenosis_l4_l5=["C"]))
    assert SCHIZAS in str(only(problems))


def test_a_number_of_another_grading_is_refused_with_the_system_of_the_column():
    problem = only(value_problems(pd.DataFrame({"central_stenosis_l4_l5": [0.0, 4.0]})))
    assert problem.rule == "not_a_choice"
    assert (
        "Choices: 0 (grade A), 1 (grade B), 2 (grade C), 3 (grade D). The column is in the grading of Schizas"
        in str(problem)
    )


@pytest.mark.parametrize("written", ["both", "Left", "bilateral"])
def test_a_side_where_a_result_is_meant_is_refused_with_both_columns(written):
    _, problems = typed_cases(text_cases(slr_left=["1", written]))
    problem = only(problems)
    assert (problem.rule, problem.rows) == ("side_as_value", (3,))
    assert "There is one column for each side, slr_left and slr_right; what holds for both stands in both." in str(
        problem
    )


def test_a_letter_in_an_answer_is_no_grade_of_another_system():
    _, problems = typed_cases(text_cases(has_diabetes=["D"], age_years=["old"]))
    assert [p.rule for p in problems] == ["not_a_number", "not_a_number"]


def test_each_way_of_being_no_number_is_told_with_its_own_rows():
    _, problems = typed_cases(text_cases(disc_degeneration_l4_l5=["IV", "left", "worn", "3"]))
    assert {p.rule: p.rows for p in problems} == {
        "side_as_value": (3,), "other_grading": (2,), "not_a_number": (4,),
    }  # fmt: skip


# Values


@pytest.mark.parametrize(
    ("column", "values", "rule", "message"),
    [
        (
            "age_years",
            [45.0, 845.0],
            "out_of_range",
            "is outside 16 to 105 years in 1 row (2). Recorded in another unit",
        ),
        ("bmi_kg_m2", [24.0, -3.25], "out_of_range", "Expected: kg/m2."),
        ("pain_buttock_left", [10.0, 11.0], "out_of_range", "is outside 0 to 10 points of 10 in 1 row (2)"),
        ("nrs_leg", [10.0, 11.0], "out_of_range", "is outside 0 to 10 points of 10 in 1 row (2)"),
        ("odi", [100.5, 1000.25], "out_of_range", "is outside 0 to 100 points of 100 in 2 rows (1, 2)"),
        ("herniation_l4_l5_central", [2.0, 7.0], "not_a_choice", "holds a code that is none of its choices"),
        ("has_diabetes", [0.0, 2.0], "not_a_choice", "Choices: 0 (no), 1 (yes)."),
        ("smoking", [0.0, 1.5], "not_a_choice", "Choices: 0 (never), 1 (former), 2 (current)."),
        ("sex", ["male", "weiblich"], "not_a_choice", "Choices: female (female), male (male)."),
    ],
)
def test_values_outside_range_or_choices_are_counted_and_never_quoted(column, values, rule, message):
    problem = only(value_problems(pd.DataFrame({column: values})))
    assert (problem.kind, problem.rule, problem.column) == (ValuesError, rule, column)
    assert message in str(problem)
    assert not re.search(rf"(?<![\d.]){re.escape(str(values[-1]))}(?![\d.])", str(problem))


def test_the_ends_of_a_range_are_inside():
    for variable in load_dictionary().variables:
        if variable.type == "number":
            ends = pd.DataFrame({variable.name: [variable.lower, variable.upper]})
            assert value_problems(ends) == [], variable.name


def test_missing_is_no_problem_whatever_the_variable():
    names = [v.name for v in load_dictionary().predictors]
    empty = pd.DataFrame({name: [None, np.nan] for name in names}, dtype=object)
    assert value_problems(empty) == []


def test_more_rows_than_five_are_counted_and_the_first_five_named():
    problem = only(value_problems(pd.DataFrame({"odi": [101.0] * 7}), first_row=2))
    assert "in 7 rows (2, 3, 4, 5, 6, ...)" in str(problem)


def keyed(**columns):
    n = len(next(iter(columns.values())))
    keys = {
        "case_id": [f"case-{i}" for i in range(n)],
        "patient_id": [f"patient-{i}" for i in range(n)],
        "centre_id": ["centre"] * n,
        "index_date": [pd.Timestamp(2023, 1, 1)] * n,
        "record_origin": ["registry"] * n,
    }
    return pd.DataFrame(keys | columns)


def test_a_sound_table_has_no_problem():
    assert schema_problems(keyed(odi=[40.0, np.nan], sex=["male", None]), "follow_up", 2) == []


def test_a_case_id_may_stand_once():
    problem = only(schema_problems(keyed(case_id=["A17", "B", "A17"]), "follow_up", 2))
    assert (problem.kind, problem.rule, problem.rows) == (ValuesError, "duplicate_id", (2, 4))
    assert "case_id is not unique in 2 rows (2, 4). Give each case an id of its own." in str(problem)
    assert "A17" not in str(problem)


def test_a_patient_may_have_several_cases():
    assert schema_problems(keyed(patient_id=["P", "P"]), "follow_up", 2) == []


@pytest.mark.parametrize("key", ["case_id", "patient_id", "centre_id", "index_date", "record_origin"])
def test_a_key_may_not_be_empty(key):
    cases = keyed(odi=[40.0, 50.0])
    cases[key] = cases[key].mask([False, True])
    problem = only(schema_problems(cases, "adjudication", 2))
    assert (problem.rule, problem.column, problem.rows) == ("missing_key", key, (3,))
    assert bool(schema_problems(cases, "follow_up", 2)) == (key == "case_id"), "a work-up may come from elsewhere"


def test_rows_are_lines_of_the_file_whatever_the_index():
    cases = keyed(odi=[40.0, 400.0]).set_index(pd.Index(["x", "y"]))
    assert only(schema_problems(cases, "follow_up", 2)).rows == (3,)


def plain_values(variable):
    """Values of all kinds around those allowed."""
    if variable.type == "choice":
        return st.sampled_from([*variable.codes, "something else", None])
    if variable.choices:
        return st.sampled_from([*variable.codes, -1.0, 0.5, 99.0, np.nan])
    edges = [
        variable.lower,
        variable.upper,
        np.nextafter(variable.upper, np.inf),
        np.nextafter(variable.lower, -np.inf),
    ]
    return st.one_of(st.sampled_from([*edges, np.nan]), st.floats(-1e6, 1e6))


CHECKED = [v for v in load_dictionary().variables if v.type not in ("identifier", "date") and v.form != "keys"]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_check_of_a_table_and_of_a_request_find_the_same(data):
    variables = data.draw(st.lists(st.sampled_from(CHECKED), min_size=1, max_size=4, unique_by=lambda v: v.name))
    n = data.draw(st.integers(1, 4))
    cases = pd.DataFrame(
        {v.name: data.draw(st.lists(plain_values(v), min_size=n, max_size=n)) for v in variables}
    ).astype({v.name: float if v.is_numeric else object for v in variables})
    by_table = {str(p) for p in schema_problems(cases, "follow_up", 1)}
    by_request = {str(p) for p in value_problems(cases, 1)}
    assert by_table == by_request


# Units and fractions


def test_a_percentage_recorded_as_a_fraction_is_noticed():
    cases = pd.DataFrame({"odi": np.linspace(0.2, 0.83, FRACTION_CASES)})
    problem = only(fraction_problems(cases))
    assert (problem.kind, problem.rule) == (ValuesError, "wrong_unit")
    assert "odi never exceeds 1, although its range is 0 to 100 points of 100" in str(problem)
    assert "0.83" not in str(problem)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0.2, 0.9, FRACTION_CASES - 1),  # too few to tell
        np.zeros(FRACTION_CASES * 2),  # nobody has any
        np.r_[np.full(FRACTION_CASES, 0.5), 40.0],  # one is plainly a percentage
    ],
)
def test_few_or_plausible_values_are_not_taken_for_fractions(values):
    assert fraction_problems(pd.DataFrame({"odi": values})) == []


def test_a_scale_that_ends_at_ten_may_stay_below_one():
    assert fraction_problems(pd.DataFrame({"nrs_leg": np.full(FRACTION_CASES, 0.5)})) == []


# Dates


def test_dates_in_order_are_no_problem(draw_cases):
    cases = draw_cases("""
        case_id | index_date | operation_date | followup_date | reoperation_date | death_date | last_contact_date
        A       | 2023-01-01 | 2023-01-01     | 2024-01-05    |                  |            | 2024-01-05
        B       | 2023-01-01 | 2023-03-01     |               | 2023-03-01       | 2023-05-01 | 2023-05-01
        C       | 2023-01-01 |                |               |                  |            |
    """)
    assert date_problems(cases, TODAY, 2) == []


def test_today_is_not_in_the_future_and_tomorrow_is(draw_cases):
    cases = draw_cases("""
        case_id | index_date
        A       | 2024-06-01
        B       | 2024-06-02
    """)
    problem = only(date_problems(cases, TODAY, 2))
    assert (problem.kind, problem.rule, problem.rows) == (ValuesError, "future_date", (3,))
    assert "2024-06-02" not in str(problem)


def test_a_date_before_there_were_registries_is_out_of_range(draw_cases):
    cases = draw_cases("""
        case_id | index_date
        A       | 1923-01-01
    """)
    assert "index_date lies before 1990-01-01 in 1 row (2). Correct the date." in str(
        only(date_problems(cases, TODAY, 2))
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("index_date", "operation_date"),
        ("operation_date", "followup_date"),
        ("operation_date", "reoperation_date"),
        ("index_date", "death_date"),
        ("index_date", "last_contact_date"),
    ],
)
def test_dates_in_an_impossible_order_are_refused(draw_cases, earlier, later):
    cases = draw_cases(f"""
        case_id | {earlier}  | {later}
        A       | 2023-05-02 | 2023-05-02
        B       | 2023-05-02 | 2023-05-01
    """)
    problem = only(date_problems(cases, TODAY, 2))
    assert (problem.rule, problem.column, problem.rows) == ("date_order", later, (3,))
    assert f"{later} lies before {earlier}" in str(problem)
    assert "2023" not in str(problem)


# The work-up


@pytest.mark.parametrize(
    ("rule", "column", "wrong", "sound"),
    [
        ("work_up_without_operation", "operation_date", {"followup_odi": 40.0}, {"planned_fusion_l4_l5": 1.0}),
        (
            "work_up_without_operation",
            "operation_date",
            {"workup_date": "2023-05-02"},
            {"operation_date": "2022-05-02"},
        ),
        (
            "enhancement_without_contrast",
            "followup_enhancement_l4_l5_left",
            {"followup_contrast": 0.0, "followup_enhancement_l4_l5_left": 0.0},
            {"followup_contrast": 1.0},
        ),
        (
            "never_better",
            "pain_free_interval_months",
            {"return_tempo": "never_better", "pain_free_interval_months": 3.0},
            {"pain_free_interval_months": 0.0},
        ),
        (
            "never_better",
            "initial_relief_percent",
            {"return_tempo": "never_better", "initial_relief_percent": 50.0},
            {"initial_relief_percent": 45.0},
        ),
        (
            "came_back",
            "return_tempo",
            {"return_tempo": "gradual", "pain_free_interval_months": 0.0, "initial_relief_percent": 0.0},
            {"initial_relief_percent": 20.0},
        ),
        (
            "interval_too_long",
            "pain_free_interval_months",
            {"operation_date": "2023-01-01", "workup_date": "2023-07-01", "pain_free_interval_months": 8.0},
            {"pain_free_interval_months": 6.0},
        ),
        (
            "fusion_without_fusion",
            "followup_fusion_l5_s1",
            {
                "performed_procedure": "decompression",
                "has_earlier_fusion": 0.0,
                "followup_fusion_l5_s1": 2.0,
            },
            {"has_earlier_fusion": 1.0},
        ),
        (
            "implant_without_implant",
            "followup_hardware_fault",
            {
                "performed_procedure": "microdiscectomy",
                "earlier_lumbar_operations": 0.0,
                "followup_hardware_fault": 1.0,
            },
            {"performed_procedure": "disc_prosthesis"},
        ),
        ("pregnant_man", "is_pregnant", {"is_pregnant": 1.0, "sex": "male"}, {"sex": "female"}),
    ],
)
def test_a_work_up_that_contradicts_itself_is_refused_by_name(rule, column, wrong, sound):
    """In a table and in one record alike; two cases, of which the second is sound."""
    operated = {} if rule == "work_up_without_operation" else {"operated_decompression_l4_l5_left": 1.0}
    first, second = operated | wrong, operated | wrong | sound
    names = [*first, *(name for name in second if name not in first)]
    cases = pd.DataFrame({name: [first.get(name), second.get(name)] for name in names})
    for name in ("operation_date", "workup_date"):
        if name in cases:
            cases[name] = pd.to_datetime(cases[name])
    problem = only(followup_problems(cases, first_row=2))
    assert (problem.kind, problem.rule, problem.column, problem.rows) == (ValuesError, rule, column, (2,))
    assert only(followup_problems({name: [value] for name, value in first.items()})).rule == rule
    assert followup_problems({name: [value] for name, value in second.items()}) == []
    assert "2023" not in str(problem)


@pytest.mark.parametrize(
    "left_out",
    ["return_tempo", "pain_free_interval_months", "initial_relief_percent", "operation_date", "followup_contrast"],
)
def test_what_is_not_recorded_contradicts_nothing(left_out):
    record = {
        "operated_decompression_l4_l5_left": 1.0,
        "operation_date": "2023-01-01",
        "workup_date": "2023-02-01",
        "return_tempo": "sudden",
        "pain_free_interval_months": 0.0,
        "initial_relief_percent": 0.0,
        "followup_contrast": 0.0,
        "followup_enhancement_l4_l5_left": 2.0,
    }
    rules = {problem.rule for problem in followup_problems({name: [value] for name, value in record.items()})}
    assert rules == {"came_back", "enhancement_without_contrast"}
    blank = {name: [None if name == left_out else value] for name, value in record.items()}
    absent = {name: value for name, value in blank.items() if name != left_out}
    fewer = {problem.rule for problem in followup_problems(blank)}
    assert fewer == {problem.rule for problem in followup_problems(absent)} <= rules
    assert (fewer < rules) == (left_out != "operation_date")


def test_a_fusion_of_which_nothing_is_known_is_a_caution_and_no_contradiction():
    record = {"performed_procedure": ["microdiscectomy"], "followup_fusion_l4_l5": [0.0]}
    assert followup_problems(record) == []
    assert only(followup_cautions(record)).rule == "fusion_unsaid"


@pytest.mark.parametrize(
    ("rule", "column", "odd"),
    [
        ("trigger_without_return", "return_trigger", {"return_tempo": "never_better", "return_trigger": "other"}),
        (
            "mass_without_herniation",
            "followup_mass_in_continuity_l4_l5_left",
            {"followup_mass_in_continuity_l4_l5_left": 1.0, "followup_herniation_l4_l5_left": 0.0},
        ),
        ("after_reoperation", "workup_date", {"reoperation_date": "2023-01-01", "workup_date": "2023-02-01"}),
        (
            "score_against_drawing",
            "followup_nrs_leg",
            {"followup_nrs_leg": 0.0, "followup_pain_lateral_leg_left": 4.0},
        ),
    ],
)
def test_what_is_odd_and_may_be_so_is_a_caution(rule, column, odd):
    record = {name: [value] for name, value in ({"operated_fusion_l4_l5": 1.0} | odd).items()}
    assert followup_problems(record) == []
    caution = only(followup_cautions(record))
    assert (caution.rule, caution.column) == (rule, column)


def test_a_level_that_was_operated_and_does_not_exist_is_refused_with_those_that_do():
    problem = only(wrong_columns(["operated_decompression_l6_s1_left"], "follow_up", ()))
    assert problem.rule == "unknown_column"
    assert "The levels are l1_l2, l2_l3, l3_l4, l4_l5, l5_s1." in str(problem)


def test_a_work_up_before_the_operation_is_a_date_in_the_wrong_order(draw_cases):
    cases = draw_cases("""
        case_id | operation_date | workup_date
        A       | 2023-05-02     | 2023-05-01
    """)
    problem = only(date_problems(cases, TODAY, 2))
    assert (problem.rule, problem.column) == ("date_order", "workup_date")


def test_an_empty_table_holds_no_contradiction():
    assert followup_problems(pd.DataFrame()) == []
    assert followup_problems({}) == []
    assert followup_cautions(pd.DataFrame({"followup_odi": []})) == []


# All at once


def test_every_problem_is_told_at_once_and_no_value_is_quoted():
    text = text_cases(
        case_id=["A77", "A77"], odi=["7777", "40"], nrs_leg=["7,7", "5"], odi_12m=["30", "77.7"], shoe_size=["7", "7"]
    )
    problems = wrong_columns(text.columns, "preoperative", ["odi", "sex"])
    cases, unreadable = typed_cases(text)
    problems += unreadable + schema_problems(cases, "preoperative", 2)
    rules = {p.rule for p in problems}
    assert rules == {
        "missing_column", "unknown_column", "later_variable", "not_a_number", "out_of_range", "duplicate_id",
    }  # fmt: skip
    with pytest.raises(ColumnsError, match=r"^cases\.csv: 6 problems\.\n  - ") as refused:
        refuse_problems("cases.csv", problems)
    assert str(refused.value).count("\n  - ") == 6
    for value in ("A77", "7777", "7,7", "77.7"):
        assert value not in str(refused.value)


def test_the_error_is_of_the_kind_that_comes_first_in_the_tree():
    later = wrong_columns(["odi_12m"], "preoperative", [])
    out_of_range = value_problems(pd.DataFrame({"odi": [101.0]}))
    with pytest.raises(TimingError):
        refuse_problems("a file", out_of_range + later)
    with pytest.raises(ValuesError, match=r"a file: 1 problem\.\n"):
        refuse_problems("a file", out_of_range)


def test_no_problem_is_no_error():
    refuse_problems("a file", [])


def test_problems_make_a_table_with_one_row_each():
    table = problem_table(value_problems(pd.DataFrame({"odi": [101.0, 40.0, 102.0]}), first_row=2))
    assert table.loc[0, ["rule", "column", "n_rows", "rows", "error"]].tolist() == [
        "out_of_range", "odi", 2, "2 4", "ValuesError",
    ]  # fmt: skip
    assert problem_table([]).columns.tolist() == table.columns.tolist()


# Exit statuses


def test_each_kind_of_error_has_the_exit_status_that_its_page_states():
    stated = dict(re.findall(r"── (\w+) +(\d+) ", errors.__doc__))
    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, BackcastError)]
    assert {k.__name__: str(k.exit_status) for k in kinds if k is not BackcastError} == stated


def test_exit_statuses_are_distinct_and_clear_of_those_of_the_shell():
    statuses = [k.exit_status for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, BackcastError)]
    assert len(statuses) == len(set(statuses))
    assert 2 not in statuses  # click: wrong usage
    assert all(0 < status < 126 for status in statuses)
