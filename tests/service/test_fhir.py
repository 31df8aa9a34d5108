"""FHIR at the service: the same predictor and the same record, each mistake its own answer, and nothing recorded."""

import asyncio
import dataclasses
import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.fhir.located import located
from pipeline.fhir.reading import case_of
from pipeline.fhir.responses import responses
from pipeline.params import load_params
from pipeline.prediction_record.store import Record
from pipeline.service.app import create_app
from pipeline.service.settings import ServiceSettings
from tests.fhir import invented_resources
from tests.fhir.read_back import outcomes_in

FEW, MANY = 800, 5000
"""Spoilt bodies; a fifth of them is answered, and so is on disk."""
FHIR_JSON = {"Content-Type": "application/fhir+json"}


@pytest.fixture(scope="session")
def made():
    """The invented resources of the tests of FHIR."""
    return invented_resources


def ask(client, body):
    return client("POST", "/fhir/$screen", data=json.dumps(body), headers=FHIR_JSON)


def resources(response):
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/fhir+json"
    found, wrong = located(response.json())
    assert not wrong
    return {one.kind: one.resource for one in found}


def test_a_risk_is_the_same_by_fhir_and_by_rest(answering, made):
    record = made.records()[1]
    by_fhir = outcomes_in(resources(ask(answering, made.bundle(*responses(record))))["RiskAssessment"])
    by_rest = answering.screen(record).json()["outcomes"]
    for one, other in zip(by_fhir, by_rest, strict=True):
        assert one["outcome"] == other["outcome"]
        assert one["contributions"] == other["contributions"]
        for name in ("risk", "risk_lower", "risk_upper"):
            assert one[name] == pytest.approx(other[name], abs=1e-12)


def test_a_chart_is_answered_and_what_was_not_used_is_listed(answering, made):
    chart = [*made.chart(), made.condition(made.CM, "Z99.9"), {"resourceType": "Encounter"}]
    answer = resources(ask(answering, made.bundle(*chart)))
    assert answer["RiskAssessment"]["subject"] == {"reference": "Patient/p1"}
    assert answer["Provenance"]["target"] == [{"reference": f"RiskAssessment/{answer['RiskAssessment']['id']}"}]
    issues = answer["OperationOutcome"]["issue"]
    assert [issue["expression"] for issue in issues] == [["Bundle.entry[12].resource"], ["Bundle.entry[13].resource"]]


def test_the_case_of_the_documentation_is_answered_as_it_says(answering):
    page = Path("docs/how_to/fhir.md").read_text()
    case = json.loads(page.partition("<<'END'\n")[2].partition("END\n")[0])
    (issue,) = resources(ask(answering, case))["OperationOutcome"]["issue"]
    assert issue["expression"] == ["Bundle.entry[4].resource"]
    assert issue["details"]["text"] in page


def test_a_past_answer_is_the_same_resource_with_a_pseudonym(service, made):
    given = resources(ask(service, made.bundle(*made.chart())))
    prediction_id = given["RiskAssessment"]["id"]
    past = service("GET", f"/fhir/RiskAssessment/{prediction_id}").json()
    subject = past["subject"]["identifier"]["value"]
    assert "p1" not in subject
    assert {**past, "subject": given["RiskAssessment"]["subject"]} == given["RiskAssessment"]
    assert case_of(past["contained"][1:]).record["odi"] == 44.0
    assert service("GET", f"/fhir/Provenance/{prediction_id}").json() == given["Provenance"]
    for target in (f"RiskAssessment/{prediction_id}", f"{service.address}/fhir/RiskAssessment/{prediction_id}"):
        found = service("GET", "/fhir/Provenance", params={"target": target}).json()
        assert [entry["resource"] for entry in found["entry"]] == [given["Provenance"]]
    told = CliRunner().invoke(cli, ["fhir", "show", prediction_id, "--store", str(service.record)]).output
    assert [entry["resource"] for entry in json.loads(told)["entry"]] == [past, given["Provenance"]]
    assert service("GET", f"/predictions/{prediction_id}").json()["prediction_id"] == prediction_id
    outcome = service("POST", "/outcomes", json={"case_id": "plan", "odi_12m": 10})  # the id of the order is the case
    assert outcome.json()["attached"] == 1


def test_what_is_no_risk_assessment_or_was_erased_says_so(running, made):
    """By its address; a search finds nothing, which is no mistake in FHIR."""
    with running() as one:
        client = one.client
        prediction_id = resources(ask(client, made.bundle(*made.chart())))["RiskAssessment"]["id"]
        workup = client.work_up(made.records("workups")[0]).json()["prediction_id"]
        one.open_record.erase([prediction_id], "on request")
        names = (prediction_id, workup, "nobody")
        said = [client("GET", f"/fhir/RiskAssessment/{name}") for name in names]
        found = [client("GET", "/fhir/Provenance", params={"target": f"RiskAssessment/{name}"}) for name in names]
    assert [response.status_code for response in said] == [410, 404, 404]
    assert [response.json()["issue"][0]["code"] for response in said] == ["deleted", "not-found", "not-found"]
    nothing = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    assert [(response.status_code, response.json()) for response in found] == [(200, nothing)] * 3


def test_a_red_flag_is_answered_without_a_risk(answering, made):
    record = {**made.records()[0], "has_saddle_numbness": 1}
    assessment = resources(ask(answering, made.bundle(*responses(record))))["RiskAssessment"]
    assert (assessment["status"], "prediction" in assessment) == ("cancelled", False)


def mistakes(made):
    """Each mistake with its status and the rules that it breaks."""
    chart = made.chart()
    own = made.observation(made.OWN, "odi", valueQuantity={"value": 900, "system": made.UCUM, "code": "%"})
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "security"}]}
    return {
        "two patients": (made.bundle(*chart, made.patient(id="p2")), 422, {"patients"}),
        "of another patient": (made.bundle(made.patient(id="p2"), *chart[1:]), 422, {"patients"}),
        "a wrong unit": (made.bundle(*chart, made.measured("39156-5", 30, "kg")), 422, {"unit"}),
        "out of range": (made.bundle(own), 422, {"out_of_range"}),
        "an outcome of another server": (failed, 422, {"operation_outcome"}),
        "nothing of a case": (made.bundle({"resourceType": "Encounter"}), 422, {"resource", "nothing_recorded"}),
        "a patient alone by id": ({"resourceType": "Patient", "id": "p1"}, 422, {"nothing_recorded"}),
        "no list": (chart, 400, {"not_a_resource"}),
        "no resource": ({"patient": chart[0]}, 400, {"not_a_resource"}),
        "no FHIR": (made.bundle(made.patient(gender="f")), 400, {"specification"}),
        "null": (None, 400, {"not_a_resource"}),
    }


def test_each_mistake_has_its_own_answer_and_nothing_is_recorded(refusing, made):
    for name, (body, status, rules) in mistakes(made).items():
        response = ask(refusing, body)
        _, *issues = response.json()["issue"]
        assert (name, response.status_code) == (name, status)
        assert {issue["details"]["coding"][0]["code"] for issue in issues} == rules, name
        assert not located(response.json())[1]
    assert refusing.send(b"{", "application/fhir+json", "/fhir/$screen").json()["issue"][0]["code"] == "structure"
    assert refusing.send(b"{}", "application/xml", "/fhir/$screen").status_code == 415
    assert refusing.recorded() == 0


def test_a_token_is_asked_for_in_fhirs_own_words_except_of_the_metadata(running):
    with running(token="t" * 24) as one:
        refused = one.client("GET", "/fhir/Questionnaire")
        about = one.client("GET", "/fhir/metadata")
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (401, "login")
    assert (about.status_code, about.json()["fhirVersion"]) == (200, "4.0.1")


XML = "application/fhir+xml"
A_BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "named", "status"),
    [
        ("application/fhir+json", None, 200),
        ("APPLICATION/FHIR+JSON; charset=utf-8", None, 200),
        ("application/json", None, 200),
        ("application/*", None, 200),
        (A_BROWSER, None, 200),
        ("", None, 200),
        (f"{XML}, application/fhir+json;q=0.1", None, 200),
        (XML, None, 406),
        ("text/html, application/fhir+turtle", None, 406),
        ("*/*, application/fhir+json;q=0.0", None, 406),
        (XML, "json", 200),
        (XML, "application/fhir+json", 200),
        ("*/*", "xml", 406),
        ("application/fhir+json", XML, 406),
        ("*/*", "<script>", 406),
    ],
)
def test_an_answer_is_in_the_format_that_was_asked_for_or_is_refused(answering, accept, named, status):
    params = {"_format": named} if named else {}
    response = answering("GET", "/fhir/metadata", headers={"Accept": accept}, params=params)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/fhir+json")
    if status == 406:
        (issue,) = response.json()["issue"]
        assert issue["details"]["coding"][0]["code"] == "accept"
        assert "Ask for application/fhir+json" in issue["details"]["text"]
        assert not located(response.json())[1]
        assert "script" not in response.text


def test_no_address_of_fhir_answers_in_json_where_xml_was_asked_for(refusing, made):
    paths = refusing("GET", "/openapi.json").json()["paths"]
    below = [(method, path) for path in paths if path.startswith("/fhir/") for method in paths[path]]
    assert ("post", "/fhir/$screen") in below
    body, headers = json.dumps(made.bundle(*made.chart())), {**FHIR_JSON, "Accept": XML}
    said = {place: refusing(*place, data=body, headers=headers).status_code for place in below}
    assert said == dict.fromkeys(below, 406)
    assert all("406" in paths[path][method]["responses"] for method, path in below)
    assert refusing.recorded() == 0


def test_each_format_that_the_capability_statement_names_is_answered(answering):
    formats = answering("GET", "/fhir/metadata").json()["format"]
    assert formats[0] == "application/fhir+json"
    for name in formats:
        assert answering("GET", "/fhir/metadata", params={"_format": name}).json()["format"] == formats
        assert answering("GET", f"/fhir/metadata?_format={name}").status_code == 200, "a plus that is not escaped"


def test_the_forms_are_served_alone_and_together(answering):
    every = resources(answering("GET", "/fhir/Questionnaire"))
    one = answering("GET", "/fhir/Questionnaire/pain-drawing").json()
    assert one["title"] == "Backcast: pain drawing"
    assert every.keys() == {"Questionnaire"}
    assert answering("GET", "/fhir/Questionnaire/diary").status_code == 404
    assert answering("GET", "/fhir/OperationDefinition/screen").json()["code"] == "screen"


@pytest.fixture
def asked_within(answerers, bundles, causes, tmp_path):
    """Asks `$screen` without a socket, so that many cost little: status and text of the answer to a body."""
    params = dataclasses.replace(load_params().service, requests_per_second=1e6, burst=10**6)
    settings = ServiceSettings(
        models=bundles, causes=causes, record=tmp_path / "record.db", params=params, exports=False
    )
    scope = {
        "type": "http", "method": "POST", "path": "/fhir/$screen", "query_string": b"", "scheme": "http",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
        "headers": [(b"content-type", b"application/fhir+json")],
    }  # fmt: skip
    with Record.open(settings.record) as record:
        app = create_app(settings, *answerers, record)

        async def asked(body):
            sent = []

            async def receive():
                return {"type": "http.request", "body": json.dumps(body).encode()}

            async def send(message):
                sent.append(message)

            await app({**scope}, receive, send)
            return sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:]).decode()

        yield asked


@pytest.mark.parametrize("bodies", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_spoilt_bodies_are_answered_or_refused_without_a_fault_or_a_value_in_the_log(
    asked_within, made, caplog, bodies
):
    draw = random.Random(20261123)
    whole = [made.bundle(*made.chart()), made.bundle(*responses(made.records()[0])[:3]), made.chart()[4]]

    async def all_asked():
        return [await asked_within(made.spoilt(whole[number % 3], draw)) for number in range(bodies)]

    with caplog.at_level("INFO"):
        answers = asyncio.run(all_asked())
    assert {status for status, _ in answers} == {200, 400, 422}
    assert not [text for status, text in answers if status != 200 and made.SECRET in text]
    assert len(caplog.records) >= bodies
    assert made.SECRET not in caplog.text
    assert "Traceback" not in caplog.text
