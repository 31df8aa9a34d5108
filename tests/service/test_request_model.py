"""The request and the check of a table are one dictionary: what one takes the other takes."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.dictionary import load_dictionary
from features.record import value_problems
from pipeline.service.request_model import checked

VARIABLES = [variable for variable in load_dictionary().predictors if variable.type not in ("date", "identifier")]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_number_or_code_is_taken_where_the_check_of_a_table_takes_it(data):
    variable = data.draw(st.sampled_from(VARIABLES))
    near = [*variable.codes, variable.lower, variable.upper, 0.0, -1.0, 1e9]
    value = data.draw(st.sampled_from([value for value in near if value is not None]) | st.floats(-10, 120))
    if variable.is_numeric == isinstance(value, str):
        return
    table = pd.DataFrame({variable.name: pd.Series([value], dtype=object)})
    assert bool(checked({variable.name: value}).mistakes) == bool(value_problems(table))


def test_every_variable_takes_its_own_values_and_no_boolean():
    for variable in VARIABLES:
        for value in variable.codes or (variable.lower, variable.upper):
            assert checked({variable.name: value}).record == {variable.name: value}
        assert checked({variable.name: True}).mistakes
        assert not checked({variable.name: None, "age_years": 50}).mistakes


def test_every_day_of_the_dictionary_is_taken_as_a_day():
    days = {v.name: "2020-02-29" for v in load_dictionary().variables if v.type == "date"}
    assert not checked({"case_id": "C1", **days}, known="follow_up").mistakes
    wrong = checked(dict.fromkeys(days, "2021-02-29"), known="follow_up").mistakes
    assert {mistake.name for mistake in wrong} == set(days)


def test_a_mistaken_value_hides_no_contradiction_of_the_others_and_makes_none():
    record = {
        "operation_date": "2024-05-05",
        "workup_date": "2025-05-05",
        "return_tempo": "never_better",
        "pain_free_interval_months": 5,
        "followup_nrs_leg": 80,
    }
    found = checked(record, known="follow_up").mistakes
    assert {(one.name, one.rule) for one in found} == {
        ("followup_nrs_leg", "out_of_range"),
        ("pain_free_interval_months", "never_better"),
    }
    unread = checked({"operation_date": "yesterday", "followup_nrs_leg": 8}, known="follow_up").mistakes
    assert [one.rule for one in unread] == ["not_a_day"]
