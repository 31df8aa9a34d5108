"""What is written is FHIR R4, by its definitions and by another program; what is no FHIR is refused."""

import copy
import json
import re

import pytest
from click.testing import CliRunner
from fhir.resources.R4B import get_fhir_model_class

from features.errors import KnowledgeError
from pipeline.cli import cli
from pipeline.fhir import tables
from pipeline.fhir.capability import capability_statement, screen_operation
from pipeline.fhir.operation_outcome import operation_outcome
from pipeline.fhir.questionnaires import questionnaires
from pipeline.fhir.reading import case_of
from pipeline.fhir.responses import responses
from pipeline.fhir.risk_assessment import named, provenance, pseudonymous, risk_assessment
from pipeline.fhir.specification import breaches
from tests.fhir.read_back import outcomes_in

AT = "2026-11-23T13:24:03.544448+00:00"
MODEL = {
    "uri": "models:/backcast-failure_12m/3",
    "sha256": "ab" * 32,
    "learner": "logistic",
    "explanation": "interventional",
}
ANSWER = {
    "prediction_id": "0b7c4f2e-6a51-4a30-9d6e-1f7f5a0b9c11",
    "made_at": AT,
    "record_sha256": "cd" * 32,
    "input_sha256": "ef" * 32,
    "question": "failure",
    "provenance": "virtual",
    "red_flags": [],
    "outcomes": [
        {
            "outcome": "failure_12m", "label": "ODI fell by less than 30 %", "horizon_months": 12, "model": MODEL,
            "risk": 0.31, "risk_lower": 0.2500000000000001, "risk_upper": 0.3799999999999999, "base_log_odds": -0.7,
            "base_rate": 0.33, "contributions": {"odi": -0.2, "has_diabetes": 1e-05},
            "predictors": {"odi": {"label": "Disability (ODI)", "group": "burden"}},
        }
    ],
    "cautions": [{"code": "virtual", "text": "Made from the virtual registry: <not> for patients."}],
    "next_tests": [{"action": "raise the straight leg", "expected_change": 0.1}],
    "story": ["A story & its end."],
    "is_not": "It cannot say that surgery is worse than none.",
}  # fmt: skip
FLAG = {
    "red_flag": "cauda_equina",
    "label": "cauda equina compression",
    "urgency": "emergency",
    "action": "MRI at once",
}
FLAGGED = {**ANSWER, "red_flags": [FLAG], "outcomes": []}
INPUTS = {"odi": 44.0, "has_diabetes": 1.0, "case_id": "C1", "index_date": "2026-01-01"}


@pytest.fixture(scope="module")
def written(made):
    """Every kind of resource that is written."""
    left_out = case_of([{"resourceType": "Encounter"}, made.patient(birthDate="1970")]).unmapped
    answers = [
        one
        for answer in (ANSWER, FLAGGED)
        for one in (risk_assessment(answer, INPUTS, pseudonymous("ab" * 32)), provenance(answer))
    ]
    nameless = risk_assessment({**ANSWER, "provenance": "registry"}, {}, pseudonymous(None))
    forms = [*questionnaires(), *(one for record in made.records() for one in responses(record, subject=named("p1")))]
    about = [capability_statement("https://spine.example/fhir"), screen_operation(), operation_outcome(left_out)]
    return [*answers, nameless, *forms, *about]


def test_every_resource_that_is_written_is_as_fhir_defines_it(written):
    for resource in written:
        assert not breaches(resource, resource["resourceType"])
        for within in resource.get("contained", []):
            assert not breaches(within, within["resourceType"])


def test_another_program_reads_every_resource_that_is_written_and_writes_the_same(written):
    for resource in written:
        again = get_fhir_model_class(resource["resourceType"]).model_validate(copy.deepcopy(resource)).model_dump_json()
        assert json.loads(again) == json.loads(json.dumps(resource).replace("+00:00", "Z"))


def test_the_command_writes_every_form_to_a_file(tmp_path):
    CliRunner().invoke(cli, ["fhir", "questionnaires", "--out", str(tmp_path / "forms")], catch_exceptions=False)
    found = {path.name: json.loads(path.read_text()) for path in (tmp_path / "forms").iterdir()}
    assert found == {f"Questionnaire-{form['id']}.json": form for form in questionnaires()}


def test_what_is_contained_is_referred_to_and_what_is_referred_to_is_contained(written):
    for resource in written:
        inside = {f"#{one['id']}" for one in resource.get("contained", [])}
        assert inside == set(re.findall(r'"reference": "(#[^"]+)"', json.dumps(resource)))


def test_links_of_a_questionnaire_are_distinct_and_its_groups_are_not_empty(written):
    def links(items):
        for item in items:
            yield item["linkId"]
            assert (item["type"] == "group") is ("item" in item)
            yield from links(item.get("item", []))

    for form in (one for one in written if one["resourceType"] == "Questionnaire"):
        found = list(links(form["item"]))
        assert len(found) == len(set(found))
        assert re.fullmatch(r"[A-Z]([A-Za-z0-9_]){0,254}", form["name"])


def test_a_probability_is_in_percent_and_its_interval_a_prediction_of_its_own():
    point, interval = risk_assessment(ANSWER, INPUTS, pseudonymous(None))["prediction"]
    limits = interval["probabilityRange"]
    assert point["probabilityDecimal"] == 31.0
    assert (limits["low"]["value"], limits["high"]["value"]) == pytest.approx((25.0, 38.0), abs=1e-10)
    assert {limits[end]["code"] for end in ("low", "high")} == {"%"}
    assert point["whenPeriod"] == {"start": "2026-11-23", "end": "2027-11-23"}


def test_an_outcome_is_read_back_as_it_was_answered():
    (outcome,) = outcomes_in(json.loads(json.dumps(risk_assessment(ANSWER, INPUTS, pseudonymous(None)))))
    (given,) = ANSWER["outcomes"]
    for name in ("risk", "risk_lower", "risk_upper", "base_rate"):
        assert outcome.pop(name) == pytest.approx(given[name], abs=1e-12)
    assert outcome == {name: given[name] for name in outcome}


def test_the_basis_is_what_the_record_keeps_and_holds_no_key_and_no_day():
    made = risk_assessment(ANSWER, INPUTS, pseudonymous(None))
    assert case_of(made["contained"][1:]).record == {"odi": 44.0, "has_diabetes": 1.0}


def test_a_red_flag_has_no_prediction_and_says_what_to_do():
    made = risk_assessment(FLAGGED, INPUTS, pseudonymous(None))
    assert made["status"] == "cancelled"
    assert "prediction" not in made
    assert "MRI at once" in made["mitigation"]
    assert [one["valueCoding"]["code"] for one in made["extension"]] == ["virtual", "cauda_equina"]


def test_a_virtual_model_says_so_to_machines_and_to_readers():
    made = risk_assessment(ANSWER, INPUTS, pseudonymous(None))
    assert made["meta"]["security"][0]["code"] == "HTEST"
    assert "&lt;not&gt; for patients" in made["text"]["div"]
    assert "meta" not in risk_assessment({**ANSWER, "provenance": "registry"}, INPUTS, pseudonymous(None))


# ---- what is no FHIR R4 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"birthDate": 0},  # read as 1970 by who takes a number for a time
        {"birthDate": "1970-13-01"},
        {"gender": "f"},
        {"active": "true"},
        {"name": {"family": "A"}},
        {"name": []},
        {"name": [None]},
        {"multipleBirthInteger": 1.5},
        {"deceasedBoolean": False, "deceasedDateTime": "2020-01-01"},
        {"spouse": "A"},
        {"birthDate": None},
    ],
)
def test_a_patient_that_is_not_as_fhir_defines_it_is_refused(made, change):
    assert breaches(made.patient(), "Patient") == []
    assert [finding.rule for finding in breaches(made.patient(**change), "Patient")] == ["specification"]


@pytest.mark.parametrize("lacking", ["status", "code"])
def test_a_required_element_may_not_be_absent(made, lacking):
    observation = made.measured("39156-5", 30, "kg/m2")
    del observation[lacking]
    assert breaches(observation, "Observation")[0].detail == "Observation lacks an element that FHIR requires."


@pytest.mark.parametrize(
    ("table", "column", "value", "words"),
    [
        ("codes", "variable", "has_diabetis", "not in the dictionary"),
        ("codes", "value", "7", "cannot be 7"),
        ("codes", "source", "", "no source"),
        ("values", "value", "9", "cannot be 9"),
        ("units", "factor", "0", "not above 0"),
    ],
)
def test_a_faulty_table_is_refused(monkeypatch, table, column, value, words):
    rows = tables.table_rows(table)
    place = next(place for place, row in enumerate(rows) if row[column])
    faulty = [{**row, column: value} if number == place else row for number, row in enumerate(rows)]
    monkeypatch.setattr(tables, "_rows", lambda name: faulty)
    check = {"codes": tables.codes, "values": tables.coded_values, "units": tables.factors}[table]
    with pytest.raises(KnowledgeError, match=words):
        check.__wrapped__()


def test_a_row_that_stands_twice_is_refused(monkeypatch):
    rows = tables.table_rows("units")
    monkeypatch.setattr(tables, "_rows", lambda name: [*rows, rows[0]])
    with pytest.raises(KnowledgeError, match="stands twice"):
        tables.factors.__wrapped__()
