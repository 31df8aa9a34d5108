"""What a client may do wrong: each its own clear answer, nothing recorded, and nothing of a patient repeated."""

import pytest

from pipeline.prediction_record.reading import open_record

SECRET = "Zebedee4711"
UUID = "0b1c2d3e-4f50-4111-8222-333344445555"
FAILURE = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
NEXT = {
    "resourceType": "Bundle",
    "type": "searchset",
    "link": [{"relation": "next", "url": "https://fhir.example.org/?page=2"}],
}


@pytest.fixture(autouse=True)
def nothing_is_recorded(service):
    before = service.recorded()
    yield
    assert service.recorded() == before


def refused(response, status, rule="", pointer=""):
    """The answer is a problem of that status; with a rule, one of its mistakes has it, at that place."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert SECRET not in response.text
    mistakes = response.json().get("errors", [])
    if rule:
        assert (rule, pointer) in {(one["rule"], one["pointer"]) for one in mistakes}, response.text
    return response.json()


@pytest.fixture
def sign(ehr, chart):
    """Sends a good request for `order-sign` after a change of it."""

    def send(change):
        request = ehr.request("order-sign", [chart.order()])
        change(request)
        return ehr.post("order-sign", request)

    return send


@pytest.mark.parametrize("value", ["absent", None, FAILURE])
def test_without_the_patient_there_is_no_answer(sign, value):
    def change(request):
        request["prefetch"]["patient"] = value
        if value == "absent":
            del request["prefetch"]["patient"]

    problem = refused(sign(change), 412, "prefetch", "#/prefetch/patient")
    assert problem["type"] == "/problems#prefetch"
    assert "Patient/{{context.patientId}}" in problem["errors"][0]["detail"]


def test_no_prefetch_at_all_is_the_same(sign):
    refused(sign(lambda request: request.pop("prefetch")), 412, "prefetch", "#/prefetch/patient")


@pytest.mark.parametrize("value", [FAILURE, NEXT])
def test_a_chart_without_its_orders_is_not_answered(ehr, value):
    request = ehr.request("patient-view")
    request["prefetch"]["orders"] = value
    refused(ehr.post("patient-view", request), 412, "prefetch", "#/prefetch/orders")


def test_another_patient_than_that_of_the_context(sign, chart):
    refused(sign(lambda r: r["context"].update(patientId=SECRET)), 422, "patients", "#/prefetch/patient")
    refused(sign(lambda r: r["prefetch"]["patient"].pop("id")), 422, "patients", "#/prefetch/patient")
    other = {"resource": {**chart.ODI, "subject": {"reference": f"Patient/{SECRET}"}}}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [other]}
    refused(
        sign(lambda r: r["prefetch"].update(odi=bundle)), 422, "patients", "#/prefetch/odi/entry/0/resource/subject"
    )


def test_two_patients_in_a_bundle(sign, chart):
    two = [{"resource": chart.patient()}, {"resource": {**chart.patient(), "id": SECRET}}]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": two}
    refused(sign(lambda r: r["prefetch"].update(patient=bundle)), 422, "patients", "#/prefetch/patient")


def test_an_order_for_another_patient(ehr, chart):
    order = chart.order(subject={"reference": f"Patient/{SECRET}"})
    place = "#/context/draftOrders/entry/1/resource/subject"
    refused(ehr.call("order-sign", [chart.PUREED_DIET, order]), 422, "patients", place)


@pytest.mark.parametrize("unit", ["cm", "{score}", SECRET])
def test_a_score_in_an_unknown_unit(ehr, chart, unit):
    ehr.chart[2] = chart.observation("97909-6", 48, unit)
    place = "#/prefetch/odi/entry/0/resource/valueQuantity"
    problem = refused(ehr.call("order-sign", [chart.order()]), 422, "unit", place)
    assert problem["errors"][0]["name"] == "odi"


def test_a_value_that_cannot_be(ehr, chart):
    ehr.chart.append(chart.observation("39156-5", 471147, "kg/m2"))
    problem = refused(
        ehr.call("order-sign", [chart.order()]), 422, "out_of_range", "#/prefetch/bmi_kg_m2/entry/0/resource"
    )
    assert "471147" not in str(problem)


@pytest.mark.parametrize(
    "value", [SECRET, 47, True, [], [1], {}, {"resourceType": SECRET}, {"resourceType": "Patient"}]
)
def test_what_is_no_resource(sign, value):
    refused(sign(lambda r: r["prefetch"].update(patient=value)), 422)
    if value not in ([], {}, {"resourceType": "Patient"}, {"resourceType": SECRET}):
        refused(sign(lambda r: r["prefetch"].update(odi=value)), 422)


def test_a_service_that_there_is_none_of(ehr, service, chart):
    body = ehr.request("order-sign", [chart.order()])
    for path in (f"/cds-services/{SECRET}", f"/cds-services/{SECRET}/feedback"):
        refused(service("POST", path, json=body), 404)
    refused(service("GET", "/cds-services/backcast-order-sign"), 405)


@pytest.mark.parametrize("hook", ["patient-view", "appointment-book", SECRET])
def test_a_hook_that_a_service_is_not_for(sign, hook):
    refused(sign(lambda r: r.update(hook=hook)), 400, "other_hook", "#/hook")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda r: r.pop("hook"), "#/hook"),
        (lambda r: r.update(hook=None), "#/hook"),
        (lambda r: r.update(hookInstance=SECRET), "#/hookInstance"),
        (lambda r: r.pop("context"), "#/context"),
        (lambda r: r["context"].update(patientId="../" + SECRET), "#/context/patientId"),
        (lambda r: r["context"].update(userId=""), "#/context/userId"),
        (lambda r: r["context"].pop("draftOrders"), "#/context/draftOrders"),
        (lambda r: r["context"].update(draftOrders=[SECRET]), "#/context/draftOrders"),
        (lambda r: r.update(prefetch=[SECRET]), "#/prefetch"),
        (lambda r: r.update(fhirAuthorization={"access_token": SECRET}), "#/fhirAuthorization/token_type"),
        (lambda r: r.update(fhirAuthorization=AUTHORIZATION), "#/fhirServer"),
    ],
)
def test_what_is_no_request_of_cds_hooks(sign, change, pointer):
    problem = refused(sign(change), 400)
    assert pointer in {one["pointer"] for one in problem["errors"]}


AUTHORIZATION = {
    "access_token": SECRET,
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "s",
}


def test_a_server_that_nobody_allowed_is_not_asked(sign, stranger):
    """The address comes with the request: whoever sends it would choose where this service knocks."""

    def change(request):
        del request["prefetch"]["patient"]
        request.update(fhirServer=f"{stranger.address}/fhir", fhirAuthorization=AUTHORIZATION)

    refused(sign(change), 412, "prefetch", "#/prefetch/patient")
    assert not stranger.was_asked()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000, b'{"hook": NaN}'])
def test_what_is_no_json_object(service, body):
    headers = {"Content-Type": "application/json"}
    for path in ("/cds-services/backcast-order-sign", "/cds-services/backcast-order-sign/feedback"):
        refused(service("POST", path, content=body, headers=headers), 400)
        refused(service("POST", path, content=body), 415)


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"card": SECRET}, 400, "#/feedback/0/card"),
        ({"card": None}, 400, "#/feedback/0/card"),
        ({"outcome": "acceptedSuggestion"}, 400, "#/feedback/0/outcome"),
        ({"outcomeTimestamp": SECRET}, 400, "#/feedback/0/outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-11-20T10:00:00"}, 400, "#/feedback/0/outcomeTimestamp"),
        ({"overrideReason": {"userComment": 3 * SECRET * 200}}, 400, "#/feedback/0/overrideReason/userComment"),
        ({"overrideReason": {"reason": {"display": SECRET}}}, 400, "#/feedback/0/overrideReason/reason/code"),
        ({"outcome": "accepted"}, 422, "#/feedback/0/acceptedSuggestions"),
        ({"outcome": "accepted", "acceptedSuggestions": [{"id": UUID}]}, 422, "#/feedback/0/acceptedSuggestions"),
        ({"acceptedSuggestions": [{"id": UUID}]}, 422, "#/feedback/0/acceptedSuggestions"),
    ],
)
def test_feedback_that_says_nothing_or_two_things(ehr, chart, change, status, pointer):
    problem = refused(ehr.feed_back("order-sign", {**chart.overridden(UUID), **change}), status)
    assert pointer in {one["pointer"] for one in problem["errors"]}


def test_feedback_on_a_card_that_there_is_none_of(ehr, chart):
    refused(ehr.feed_back("order-sign", chart.overridden(UUID)), 404)
    refused(ehr.feed_back("order-sign"), 400, "too_short", "#/feedback")
    refused(ehr.feed_back("order-sign", *[chart.overridden(UUID)] * 101), 400, "too_long", "#/feedback")


def test_with_one_unknown_card_no_feedback_is_stored(served, chart):
    with served() as service:
        ehr = chart.Ehr(service)
        (card,) = ehr.cards("order-sign", [chart.order()])
        refused(ehr.feed_back("order-sign", chart.overridden(card["uuid"]), chart.overridden(UUID)), 404)
        assert len(service.kept(card["uuid"])) == 1


def test_feedback_on_a_card_that_was_erased(socketed, chart, tmp_path):
    with socketed(tmp_path / "record.db") as one:
        ehr = chart.Ehr(one.client)
        (card,) = ehr.cards("order-sign", [chart.order()])
        one.open_record.erase([card["uuid"]], "on request")
        refused(ehr.feed_back("order-sign", chart.overridden(card["uuid"])), 404)
        with open_record(one.client.record) as reader:
            assert "feedback" not in [kept.entry.kind for kept in reader.entries_of(card["uuid"])]
