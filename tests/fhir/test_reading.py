"""What the resources of a hospital's record say of a case, and what they do not say."""

import datetime as dt

import pytest

from pipeline.fhir.reading import case_of

TODAY = dt.date(2026, 11, 23)


def read(*resources):
    return case_of(list(resources), today=TODAY)


def told(case):
    """The record without its keys."""
    return {name: value for name, value in case.record.items() if name not in ("case_id", "patient_id")}


def rules(findings):
    return [finding.rule for finding in findings]


def test_every_kind_of_resource_tells_its_part_of_a_case(made):
    case = case_of(made.bundle(*made.chart()), today=TODAY)
    assert not case.problems
    assert not case.unmapped
    bmi, months = case.record.pop("bmi_kg_m2"), case.record.pop("months_since_last_operation")
    assert bmi == pytest.approx(154 * 0.45359237 / 1.7**2, abs=1e-12)
    assert months == pytest.approx(24.0, abs=0.05)
    assert case.record == {
        "case_id": "plan", "patient_id": "p1", "age_years": 56.0, "sex": "female", "smoking": 1.0, "asa_class": 2.0,
        "has_diabetes": 1.0, "opioid_use": 1.0, "earlier_lumbar_operations": 1.0, "diagnosis": "disc_herniation",
        "odi": 44.0, "nrs_leg": 7.0, "planned_procedure": "microdiscectomy", "planned_decompression_l4_l5_left": 1.0,
    }  # fmt: skip
    assert case.sources["odi"] == "Bundle.entry[3].resource"


def test_a_bundle_a_list_and_a_prefetch_say_the_same(made):
    chart = made.chart()
    prefetch = {
        "patient": chart[0],
        "observations": made.bundle(*chart[1:7], kind="searchset"),
        "rest": chart[7:],
        "none": None,
    }
    said = [case_of(content, today=TODAY).record for content in (made.bundle(*chart), chart, prefetch)]
    assert said[0] == said[1] == said[2]


# ---- nothing is guessed ------------------------------------------------------------------------------


def test_what_the_record_does_not_hold_is_missing_and_not_negative(made):
    assert read(made.patient()).record.keys() == {"patient_id", "sex", "age_years"}


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("1970-11-23", 56.0),
        ("1970-11-24", 55.0),
        ("1970-10", 56.0),
        ("1970-11", None),
        ("1970", None),
        ("2027-01-01", None),
    ],
)
def test_an_age_is_read_where_the_date_of_birth_leaves_no_doubt(made, born, age):
    case = read(made.patient(birthDate=born))
    assert case.record.get("age_years") == age
    assert rules(case.unmapped) == ([] if age else ["birth_date"])


@pytest.mark.parametrize(
    ("more", "is_said"),
    [
        ({}, True),
        ({"verified": "confirmed"}, True),
        ({"verified": "provisional"}, False),
        ({"verified": "refuted"}, False),
        ({"status": "resolved"}, False),
        ({"status": None}, False),
        ({"abatementDateTime": "2020-01-01"}, False),
    ],
)
def test_a_condition_counts_once_it_is_confirmed_and_active(made, more, is_said):
    case = read(made.condition(made.CM, "I10", **more))
    assert ("has_hypertension" in case.record) is is_said
    assert bool(case.unmapped) is not is_said


def test_a_cancer_of_the_past_counts_as_history(made):
    assert told(read(made.condition(made.ICD, "C50.9", status="remission"))) == {"has_cancer_history": 1.0}


def test_a_code_below_a_row_is_taken_and_one_beside_it_is_not(made):
    assert "has_diabetes" in read(made.condition(made.ICD, "E11.65")).record
    assert rules(read(made.condition(made.ICD, "E16.2")).unmapped) == ["code"]
    assert rules(read(made.condition("http://example.org/own", "E11")).unmapped) == ["code"]


def test_two_diagnoses_are_none_unless_the_plan_names_its_reason(made):
    both = [made.condition(made.CM, "M51.26", id="c1"), made.condition(made.CM, "M48.061", id="c2")]
    case = read(*both)
    assert "diagnosis" not in case.record
    assert rules(case.unmapped) == ["diagnoses", "diagnoses"]
    planned = made.request("63047", reasonReference=[{"reference": "Condition/c2"}])
    assert read(*both, planned).record["diagnosis"] == "spinal_stenosis"


def test_a_score_of_pain_needs_its_site(made):
    assert rules(read(made.measured("72514-3", 7, "{score}")).unmapped) == ["code"]


def test_an_observation_that_is_not_final_says_nothing(made):
    preliminary = {**made.measured("39156-5", 30, "kg/m2"), "status": "preliminary"}
    assert rules(read(preliminary).unmapped) == ["status"]


def test_the_latest_observation_counts(made):
    old = made.measured("39156-5", 31, "kg/m2", effectiveDateTime="2020-01-01")
    new = made.measured("39156-5", 28, "kg/m2", effectiveDateTime="2026-06-01T08:00:00+02:00")
    case = read(new, old)
    assert told(case) == {"bmi_kg_m2": 28.0}
    assert rules(case.unmapped) == ["passed_over"]


def test_an_answer_comes_before_what_a_code_of_others_says(made):
    own = made.observation(made.OWN, "has_diabetes", valueBoolean=False)
    assert told(read(made.condition(made.CM, "E11.9"), own)) == {"has_diabetes": 0.0}


def test_a_resource_with_a_modifier_is_left_alone(made):
    modifier = [{"url": "http://example.org/not", "valueBoolean": True}]
    assert rules(read({**made.condition(made.CM, "E11.9"), "modifierExtension": modifier}).unmapped) == ["modifier"]


@pytest.mark.parametrize(
    ("dosage", "use"),
    [
        ({"asNeededBoolean": True}, 1.0),
        ({"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}, 2.0),
        ({"timing": {"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}}, 2.0),
        ({"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}}, None),
        ({}, None),
    ],
)
def test_opioids_are_read_where_the_dosage_says_how_often(made, dosage, use):
    assert read(made.statement("N02AX02", **dosage)).record.get("opioid_use") == use


def test_operations_are_counted_by_day(made):
    said = read(
        made.procedure("63047", "2020-01-01"), made.procedure("22633", "2020-01-01"), made.procedure("63030", "2015")
    ).record
    assert (said["earlier_lumbar_operations"], said["has_earlier_fusion"]) == (2.0, 1.0)
    assert said["months_since_last_operation"] == pytest.approx(82.7, abs=0.1)


@pytest.mark.parametrize(
    ("more", "is_planned"),
    [({}, True), ({"status": "active"}, True), ({"status": "revoked"}, False), ({"doNotPerform": True}, False)],
)
def test_an_order_that_forbids_or_was_revoked_plans_nothing(made, more, is_planned):
    assert ("planned_procedure" in read(made.request("63030", **more)).record) is is_planned


def test_a_decompression_ordered_with_a_fusion_is_both(made):
    said = read(made.request("63047"), {**made.request("22633"), "id": "second"}).record
    assert said["planned_procedure"] == "decompression_and_fusion"


def test_a_blood_test_of_the_work_up_is_read_for_the_work_up_alone(made):
    crp = made.measured("1988-5", 1.2, "mg/dL")
    assert rules(read(crp).unmapped) == ["later"]
    assert told(case_of(crp, known="follow_up")) == {"followup_crp_mg_l": 12.0}


def test_an_answer_that_is_known_only_later_is_refused(made):
    assert problems(
        made.observation(made.OWN, "odi_12m", valueQuantity={"value": 10, "system": made.UCUM, "code": "%"})
    ) == ["later_variable"]


# ---- what is refused ---------------------------------------------------------------------------------


def problems(*resources):
    return rules(case_of(list(resources), today=TODAY).problems)


def test_two_patients_are_refused(made):
    assert problems(made.patient(), made.patient(id="p2")) == ["patients"]
    assert problems(made.patient(id="p3"), made.condition(made.CM, "I10")) == ["patients"]
    of_another = {**made.condition(made.CM, "I10"), "subject": {"reference": "https://ehr.example/fhir/Patient/p2"}}
    assert problems(made.condition(made.CM, "I10"), of_another) == ["patients"]


def test_a_patient_is_known_by_full_url_and_by_absolute_reference(made):
    entry = {"fullUrl": "urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427", "resource": made.patient()}
    about = {**made.condition(made.CM, "I10"), "subject": {"reference": entry["fullUrl"]}}
    content = {"resourceType": "Bundle", "type": "collection", "entry": [entry, {"resource": about}]}
    assert not case_of(content, today=TODAY).problems
    elsewhere = {**about, "subject": {"reference": "https://ehr.example/fhir/Patient/p1/_history/3"}}
    assert problems(made.patient(), elsewhere) == []


def test_a_patient_who_is_only_referred_to_is_known_by_id(made):
    assert read(made.condition(made.CM, "I10")).record["patient_id"] == "p1"
    nameless = {
        **made.condition(made.CM, "I10"),
        "subject": {"reference": "urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427"},
    }
    assert "patient_id" not in read(nameless).record


def test_equally_late_values_that_differ_are_refused(made):
    assert problems(made.measured("39156-5", 30, "kg/m2"), made.measured("39156-5", 31, "kg/m2")) == ["conflict"]
    assert problems(made.measured("39156-5", 30, "kg/m2"), made.measured("39156-5", 30, "kg/m2")) == []


def test_a_value_out_of_the_dictionarys_range_is_refused_at_its_place(made):
    case = read(made.patient(), made.measured("39156-5", 300, "kg/m2"))
    assert [(finding.at, finding.rule, finding.variable) for finding in case.problems] == [
        ("[1]", "out_of_range", "bmi_kg_m2")
    ]


def test_an_outcome_that_says_something_failed_is_refused_and_a_warning_is_not(made):
    def outcome(severity):
        return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}

    assert problems(made.patient(), outcome("error")) == ["operation_outcome"]
    assert problems(made.patient(), outcome("warning")) == []


def test_somebody_who_has_died_is_refused(made):
    assert problems(made.patient(deceasedDateTime="2026-01-01")) == ["deceased"]


def test_all_problems_are_told_at_once_and_none_quotes_a_value(made):
    secret = made.SECRET
    case = read(
        made.patient(birthDate=0, name=[{"family": secret, secret: 1}]),
        made.measured("8302-2", 1.7, secret),
        {"resourceType": "Observation", "status": secret, "code": {"text": secret}},
        {secret: secret},
        made.observation(made.OWN, "odi", valueQuantity={"value": 987654321, "system": made.UCUM, "code": "%"}),
    )
    assert len(case.problems) >= 4
    assert not [
        finding for finding in (*case.problems, *case.unmapped) if secret in str(finding) or "987654321" in str(finding)
    ]
