"""From a record to the inputs of the published equations, to a risk of our outcome, and to what was wanting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.dictionary import load_dictionary
from features.errors import ValuesError
from models.published_equations import equations
from models.published_facts import published_table
from models.published_inputs import outside_range, published_inputs, record_variables
from models.published_risk import coverage, published_outcomes, published_risk

COMORBIDITIES = list(published_table("comorbidities")["variable"])


def whole_record(n: int = 1, **changes) -> pd.DataFrame:
    """Cases with every variable of the equations recorded; a herniation, nothing else wrong with the patient."""
    record = {
        "diagnosis": "disc_herniation",
        "planned_procedure": "microdiscectomy",
        "age_years": 45.0,
        "sex": "male",
        "bmi_kg_m2": 26.0,
        "smoking": 0.0,
        "education": 1.0,
        "work_status": "working",
        "earlier_lumbar_operations": 0.0,
        "back_pain_duration_months": 6.0,
        "leg_pain_duration_months": 6.0,
        "walking_distance_m": 800.0,
        "odi": 48.0,
        "nrs_back": 5.0,
        "nrs_leg": 7.0,
        "eq5d_index": 0.3,
        "planned_decompression_l4_l5_left": 1.0,
        **dict.fromkeys(COMORBIDITIES, 0.0),
    } | changes
    index = pd.Index([f"C{i}" for i in range(n)], name="case_id")
    return pd.DataFrame({name: pd.Series([value] * n, index=index) for name, value in record.items()})


def test_every_variable_of_the_inputs_is_known_before_the_operation():
    known = {variable.name for variable in load_dictionary().known_by("preoperative")}
    assert set(record_variables()) <= known


@pytest.mark.parametrize(
    ("changes", "term", "expected"),
    [
        ({"sex": "female"}, "Female", 1),
        ({"work_status": "retired"}, "HasAgePension", 1),
        ({"work_status": "disability_pension"}, "HasSickPension", 1),
        ({"work_status": "unemployed"}, "IsUnemployed", 1),
        ({"work_status": "sick_leave"}, "HasSickPension", 0),
        ({"education": 2.0}, "CollegeUniversity", 1),
        ({"smoking": 1.0}, "IsSmoker", 0),
        ({"smoking": 2.0}, "IsSmoker", 1),
        ({"earlier_lumbar_operations": 3.0}, "IsPreviouslyOperated", 1),
        ({"has_vascular_disease": 1.0}, "HasOtherIllness", 1),
        ({"has_diabetes": 1.0}, "HasOtherIllness", 0),
        ({"planned_fusion_l5_s1": 1.0}, "OpLevel", 2),
        ({"planned_decompression_l4_l5_right": 1.0}, "OpLevel", 1),
    ],
)
def test_an_input_follows_the_record(changes, term, expected):
    assert published_inputs(whole_record(**changes))[term].tolist() == [expected]


@pytest.mark.parametrize(
    ("months", "code"),
    [(0, 0), (0.5, 1), (2, 1), (3, 2), (12, 2), (12.5, 3), (13, 3), (24, 3), (25, 4), (800, 4)],
)
def test_durations_fall_into_the_published_bands(months, code):
    inputs = published_inputs(whole_record(leg_pain_duration_months=months, back_pain_duration_months=months))
    assert inputs[["DurationLegPain", "DurationBackPain"]].to_numpy().tolist() == [[code, code]]


@pytest.mark.parametrize(
    ("metres", "code"), [(0, 1), (100, 1), (101, 2), (500, 2), (501, 3), (1000, 3), (1001, 4), (9000, 4)]
)
def test_walking_distances_fall_into_the_published_bands(metres, code):
    assert published_inputs(whole_record(walking_distance_m=metres))["AbilityWalking"].tolist() == [code]


def test_what_is_not_recorded_is_never_a_no():
    inputs = published_inputs(pd.DataFrame({"age_years": [45.0]}, index=["C0"]))
    assert inputs.drop(columns="AgeAtSurgery").isna().all(axis=None)


def test_one_condition_recorded_absent_is_not_health():
    cases = whole_record(has_heart_disease=0.0, has_polyneuropathy=np.nan)
    assert published_inputs(cases)["HasOtherIllness"].isna().all()
    assert published_inputs(cases.assign(has_cancer_history=1.0))["HasOtherIllness"].tolist() == [1]


def test_a_plan_without_levels_is_not_one_of_no_levels():
    assert published_inputs(whole_record(planned_decompression_l4_l5_left=0.0))["OpLevel"].isna().all()


def test_the_record_is_left_as_it_was():
    cases = whole_record()
    before = cases.copy()
    published_risk(cases, "not_improved_12m")
    pd.testing.assert_frame_equal(cases, before)


def test_only_outcomes_of_the_table_have_an_equation():
    assert published_outcomes() == ("not_improved_12m",)
    nobody = published_risk(whole_record(), "failure_12m")
    assert nobody.risk.isna().all()
    assert nobody.equation.tolist() == [""]


@pytest.mark.parametrize(
    ("diagnosis", "procedure", "equation"),
    [
        ("disc_herniation", "microdiscectomy", "swespine_v1.0.2_disc_herniation_ga"),
        ("spinal_stenosis", "decompression", "swespine_v1.0.2_spinal_stenosis_ga"),
        ("segmental_pain", "fusion", "swespine_v1.0.2_srbp_ga"),
        ("segmental_pain", "disc_prosthesis", "swespine_v1.0.2_srbp_ga"),
    ],
)
def test_the_risk_is_one_less_the_published_chance_of_much_better_or_gone(diagnosis, procedure, equation):
    cases = whole_record(diagnosis=diagnosis, planned_procedure=procedure)
    found = published_risk(cases, "not_improved_12m")
    assert found.equation.tolist() == [equation]
    chance = equations()[equation].probability(published_inputs(cases), level=2)
    assert found.risk.tolist() == pytest.approx(1 - chance)
    assert 0.1 < found.risk.iloc[0] < 0.5


@pytest.mark.parametrize(
    ("diagnosis", "procedure"), [("spondylolisthesis", "fusion"), ("segmental_pain", "decompression"), (None, "fusion")]
)
def test_where_no_equation_applies_there_is_no_risk(diagnosis, procedure):
    found = published_risk(whole_record(diagnosis=diagnosis, planned_procedure=procedure), "not_improved_12m")
    assert found.risk.isna().all()
    assert found.equation.tolist() == [""]
    assert not found.not_recorded.any(axis=None)


def test_a_worse_patient_has_a_higher_risk():
    worse = whole_record(nrs_back=9.0, leg_pain_duration_months=40.0, earlier_lumbar_operations=2.0)
    well, ill = (published_risk(cases, "not_improved_12m").risk.iloc[0] for cases in (whole_record(), worse))
    assert ill > well + 0.1


def test_an_unknown_diagnosis_is_refused_by_name():
    with pytest.raises(ValuesError, match="diagnosis") as error:
        published_risk(whole_record(diagnosis="rhizopathy"), "not_improved_12m")
    assert "rhizopathy" not in str(error.value)


def test_every_value_beyond_the_dictionary_is_refused_at_once():
    with pytest.raises(ValuesError, match="2 problems") as error:
        published_risk(whole_record(odi=480.0, work_status="astronaut"), "not_improved_12m")
    assert "odi" in str(error.value)
    assert "work_status" in str(error.value)


def test_an_input_beyond_the_published_form_gives_no_risk_and_is_named():
    cases = whole_record(diagnosis="segmental_pain", planned_procedure="fusion", bmi_kg_m2=46.0)
    found = published_risk(cases, "not_improved_12m")
    assert found.risk.isna().all()
    assert found.out_of_range.columns[found.out_of_range.iloc[0]].tolist() == ["BMI"]


def test_an_input_that_the_equation_does_not_use_may_be_anything():
    cases = whole_record(bmi_kg_m2=46.0, eq5d_index=np.nan)
    assert published_risk(cases, "not_improved_12m").risk.notna().all()


def test_half_a_code_is_out_of_range():
    inputs = published_inputs(whole_record()).assign(DurationLegPain=1.5, IsSmoker=2.0)
    assert outside_range(inputs).iloc[0].loc[lambda wrong: wrong].index.tolist() == ["DurationLegPain", "IsSmoker"]


def test_a_variable_that_the_registry_lacks_is_counted_for_every_case():
    cases = whole_record(3).drop(columns="nrs_back")
    found = published_risk(cases, "not_improved_12m")
    assert found.risk.isna().all()
    counted = coverage(found, cases["diagnosis"]).query("answer == 'not recorded'")
    assert counted[["diagnosis", "input", "cases"]].to_numpy().tolist() == [["disc_herniation", "NRSBackPain", 3]]


def test_coverage_counts_each_diagnosis_and_what_was_wanting():
    cases = pd.concat(
        [
            whole_record(2),
            whole_record(nrs_back=np.nan, education=np.nan),
            whole_record(diagnosis="spondylolisthesis", planned_procedure="fusion"),
            whole_record(diagnosis=None),
            whole_record(diagnosis="segmental_pain", planned_procedure="fusion", bmi_kg_m2=46.0),
        ]
    )
    cases.index = [f"C{i}" for i in range(len(cases))]
    counted = coverage(published_risk(cases, "not_improved_12m"), cases["diagnosis"])
    assert {(*row,) for row in counted.to_numpy().tolist()} == {
        ("disc_herniation", "asked", "", 3),
        ("disc_herniation", "estimated", "", 2),
        ("disc_herniation", "not recorded", "NRSBackPain", 1),
        ("disc_herniation", "not recorded", "CollegeUniversity", 1),
        ("spondylolisthesis", "asked", "", 1),
        ("spondylolisthesis", "estimated", "", 0),
        ("spondylolisthesis", "no equation", "", 1),
        ("not recorded", "asked", "", 1),
        ("not recorded", "estimated", "", 0),
        ("not recorded", "no equation", "", 1),
        ("segmental_pain", "asked", "", 1),
        ("segmental_pain", "estimated", "", 0),
        ("segmental_pain", "out of range", "BMI", 1),
    }


def test_coverage_of_some_cases_counts_those():
    cases = whole_record(5)
    counted = coverage(published_risk(cases, "not_improved_12m"), cases["diagnosis"].iloc[:2])
    assert counted["cases"].tolist() == [2, 2]
