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


def assert_refused(response, status, words, rule="", pointer=""):
    """The answer is a problem of that status that says so; with a rule, by a mistake of that rule at that place."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert SECRET not in response.text
    problem = response.json()
    mistakes = [one for one in problem.get("errors", []) if (one["rule"], one["pointer"]) == (rule, pointer)]
    assert any(words in one["detail"] for one in (mistakes if rule else [problem])), response.text
    return problem


NOT_SENT = "patient is needed (not sent): Patient/{{context.patientId}}"
NOT_OF_THE_CONTEXT = "is not the Patient of context.patientId, with its id"


@pytest.fixture
def sign(ehr, chart):
    """Sends a good request for `order-sign` after a change of it."""

    def send(change):
        request = ehr.request("order-sign", [chart.order()])
        change(request)
        return ehr.post("order-sign", request)

    return send


@pytest.mark.parametrize(
    ("value", "why"), [("absent", "not sent"), (None, "null"), (FAILURE, "an error at the client")]
)
def test_without_the_patient_there_is_no_answer(sign, value, why):
    def change(request):
        request["prefetch"]["patient"] = value
        if value == "absent":
            del request["prefetch"]["patient"]

    words = f"patient is needed ({why}): Patient/{{{{context.patientId}}}}"
    problem = assert_refused(sign(change), 412, words, "prefetch", "#/prefetch/patient")
    assert problem["type"] == "/problems#prefetch"


def test_no_prefetch_at_all_is_the_same(sign):
    assert_refused(sign(lambda request: request.pop("prefetch")), 412, NOT_SENT, "prefetch", "#/prefetch/patient")


@pytest.mark.parametrize(("value", "why"), [(FAILURE, "an error at the client"), (NEXT, "not all pages")])
def test_a_chart_without_its_orders_is_not_answered(ehr, value, why):
    request = ehr.request("patient-view")
    request["prefetch"]["orders"] = value
    words = f"orders is needed ({why}): ServiceRequest?patient="
    assert_refused(ehr.post("patient-view", request), 412, words, "prefetch", "#/prefetch/orders")


def test_another_patient_than_that_of_the_context(sign, chart):
    for change in (lambda r: r["context"].update(patientId=SECRET), lambda r: r["prefetch"]["patient"].pop("id")):
        assert_refused(sign(change), 422, NOT_OF_THE_CONTEXT, "patients", "#/prefetch/patient")
    other = {"resource": {**chart.ODI, "subject": {"reference": f"Patient/{SECRET}"}}}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [other]}
    place = "#/prefetch/odi/entry/0/resource/subject"
    assert_refused(sign(lambda r: r["prefetch"].update(odi=bundle)), 422, "names another patient", "patients", place)


def test_two_patients(sign, chart):
    two = [{"resource": chart.patient()}, {"resource": {**chart.patient(), "id": SECRET}}]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": two}
    for key, second in (("patient", "#/prefetch/patient/entry/1/resource"), ("odi", "#/prefetch/odi/entry/1/resource")):
        response = sign(lambda r, key=key: r["prefetch"].update({key: bundle}))
        assert_refused(response, 422, "is another patient; send one at a time", "patients", second)


def test_an_order_for_another_patient(ehr, chart):
    order = chart.order(subject={"reference": f"Patient/{SECRET}"})
    place = "#/context/draftOrders/entry/1/resource/subject"
    assert_refused(ehr.call("order-sign", [chart.PUREED_DIET, order]), 422, "names another patient", "patients", place)


@pytest.mark.parametrize("unit", ["cm", "{score}", SECRET])
def test_a_score_in_an_unknown_unit(ehr, chart, unit):
    ehr.chart[2] = chart.observation("97909-6", 48, unit)
    place = "#/prefetch/odi/entry/0/resource/valueQuantity"
    words = "is not in a unit of odi. Send it with a UCUM code"
    problem = assert_refused(ehr.call("order-sign", [chart.order()]), 422, words, "unit", place)
    assert problem["errors"][0]["name"] == "odi"


def test_a_value_that_cannot_be(ehr, chart):
    ehr.chart.append(chart.observation("39156-5", 471147, "kg/m2"))
    place = "#/prefetch/bmi_kg_m2/entry/0/resource"
    problem = assert_refused(
        ehr.call("order-sign", [chart.order()]), 422, "is outside 12 to 75 kg/m2", "out_of_range", place
    )
    assert "471147" not in str(problem)


@pytest.mark.parametrize(
    "value", [SECRET, 47, True, [], [1], {}, {"resourceType": SECRET}, {"resourceType": "Patient"}]
)
def test_what_is_no_resource(sign, value):
    response = sign(lambda r: r["prefetch"].update(patient=value))
    assert_refused(response, 422, NOT_OF_THE_CONTEXT, "patients", "#/prefetch/patient")
    if value not in ([], {"resourceType": "Patient"}):
        words, place = ("odi[0]", "odi/0") if value == [1] else ("odi", "odi")
        response = sign(lambda r: r["prefetch"].update(odi=value))
        assert_refused(response, 422, f"{words} is no FHIR resource", "not_a_resource", f"#/prefetch/{place}")


def test_a_service_that_there_is_none_of(ehr, service, chart):
    body = ehr.request("order-sign", [chart.order()])
    for path in (f"/cds-services/{SECRET}", f"/cds-services/{SECRET}/feedback"):
        assert_refused(service("POST", path, json=body), 404, "There is no such service. GET /cds-services says which")
    assert_refused(service("GET", "/cds-services/backcast-order-sign"), 405, "See the Allow header")


@pytest.mark.parametrize("hook", ["patient-view", "appointment-book", SECRET])
def test_a_hook_that_a_service_is_not_for(sign, hook):
    words = "This service is for the hook order-sign alone"
    assert_refused(sign(lambda r: r.update(hook=hook)), 400, words, "other_hook", "#/hook")


NO_TYPE = "is not of the type that CDS Hooks gives it"


@pytest.mark.parametrize(
    ("change", "words", "rule", "pointer"),
    [
        (lambda r: r.pop("hook"), "is missing", "missing", "#/hook"),
        (lambda r: r.update(hook=None), "is no text", "string_type", "#/hook"),
        (lambda r: r.update(hookInstance=SECRET), "is no UUID", "uuid_parsing", "#/hookInstance"),
        (lambda r: r.pop("context"), "is missing", "missing", "#/context"),
        (
            lambda r: r["context"].update(patientId="../" + SECRET),
            "is not written as CDS Hooks writes it",
            "string_pattern_mismatch",
            "#/context/patientId",
        ),
        (lambda r: r["context"].update(userId=""), "is empty", "string_too_short", "#/context/userId"),
        (lambda r: r["context"].pop("draftOrders"), "is missing", "missing", "#/context/draftOrders"),
        (lambda r: r["context"].update(draftOrders=[SECRET]), NO_TYPE, "dict_type", "#/context/draftOrders"),
        (lambda r: r.update(prefetch=[SECRET]), NO_TYPE, "dict_type", "#/prefetch"),
        (
            lambda r: r.update(fhirAuthorization={"access_token": SECRET}),
            "is missing",
            "missing",
            "#/fhirAuthorization/token_type",
        ),
        (lambda r: r.update(fhirAuthorization=AUTHORIZATION), "is missing", "missing", "#/fhirServer"),
    ],
)
def test_what_is_no_request_of_cds_hooks(sign, change, words, rule, pointer):
    assert_refused(sign(change), 400, words, rule, pointer)


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

    assert_refused(sign(change), 412, NOT_SENT, "prefetch", "#/prefetch/patient")
    assert not stranger.was_asked()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is no JSON: see line 1, column 1"),
        (b"{", "is no JSON: see line 1, column 2"),
        (b"[]", "The body is not what CDS Hooks 2.0 defines"),
        (b"\xff", "is not UTF-8"),
        (b"null", "The body is not what CDS Hooks 2.0 defines"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"hook": NaN}', "NaN and Infinity are no JSON"),
    ],
)
def test_what_is_no_json_object(service, body, words):
    headers = {"Content-Type": "application/json"}
    for path in ("/cds-services/backcast-order-sign", "/cds-services/backcast-order-sign/feedback"):
        assert_refused(service("POST", path, content=body, headers=headers), 400, words)
        assert_refused(service("POST", path, content=body), 415, "with the header Content-Type: application/json")


ACCEPTED = {"outcome": "accepted", "acceptedSuggestions": [{"id": UUID}]}
NONE_OF_THIS_CARD = "A suggestion is none of this card"


@pytest.mark.parametrize(
    ("change", "words", "rule", "element"),
    [
        ({"card": SECRET}, "is not written as CDS Hooks writes it", "string_pattern_mismatch", "card"),
        ({"card": None}, "is no text", "string_type", "card"),
        ({"outcome": "acceptedSuggestion"}, "is none of the words", "literal_error", "outcome"),
        ({"outcomeTimestamp": SECRET}, NO_TYPE, "datetime_from_date_parsing", "outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-11-20T10:00:00"}, "its time zone", "timezone_aware", "outcomeTimestamp"),
        (
            {"overrideReason": {"userComment": 3 * SECRET * 200}},
            "is too long",
            "string_too_long",
            "overrideReason/userComment",
        ),
        (
            {"overrideReason": {"reason": {"display": SECRET}}},
            "is missing",
            "missing",
            "overrideReason/reason/code",
        ),
    ],
)
def test_feedback_that_is_not_as_cds_hooks_defines_it(ehr, chart, change, words, rule, element):
    response = ehr.feed_back("order-sign", {**chart.overridden(UUID), **change})
    assert_refused(response, 400, words, rule, f"#/feedback/0/{element}")


@pytest.mark.parametrize(
    ("change", "words", "element"),
    [
        ({"outcome": "accepted"}, "needs the suggestions that were accepted", "acceptedSuggestions"),
        (ACCEPTED, NONE_OF_THIS_CARD, "acceptedSuggestions"),
        (ACCEPTED, "has no reason to override it", "overrideReason"),
        ({"acceptedSuggestions": [{"id": UUID}]}, "has no accepted suggestions", "acceptedSuggestions"),
        ({"acceptedSuggestions": [{"id": UUID}]}, NONE_OF_THIS_CARD, "acceptedSuggestions"),
    ],
)
def test_feedback_that_contradicts_itself(ehr, chart, change, words, element):
    given = {**chart.overridden(UUID, overrideReason={"userComment": SECRET}), **change}
    assert_refused(ehr.feed_back("order-sign", given), 422, words, "contradiction", f"#/feedback/0/{element}")


UNKNOWN = "1 of the cards are of no prediction in the record, or of one that was erased. Nothing was stored."


def test_feedback_on_a_card_that_there_is_none_of(ehr, chart):
    assert_refused(ehr.feed_back("order-sign", chart.overridden(UUID)), 404, UNKNOWN)
    assert_refused(ehr.feed_back("order-sign"), 400, "is empty", "too_short", "#/feedback")
    assert_refused(
        ehr.feed_back("order-sign", *[chart.overridden(UUID)] * 101), 400, "is too long", "too_long", "#/feedback"
    )


def test_with_one_unknown_card_no_feedback_is_stored(served, chart):
    with served() as service:
        ehr = chart.Ehr(service)
        (card,) = ehr.cards("order-sign", [chart.order()])
        assert_refused(
            ehr.feed_back("order-sign", chart.overridden(card["uuid"]), chart.overridden(UUID)), 404, UNKNOWN
        )
        assert len(service.kept(card["uuid"])) == 1


def test_feedback_on_a_card_that_was_erased(socketed, chart, tmp_path):
    with socketed(tmp_path / "record.db") as one:
        ehr = chart.Ehr(one.client)
        (card,) = ehr.cards("order-sign", [chart.order()])
        one.open_record.erase([card["uuid"]], "on request")
        assert_refused(ehr.feed_back("order-sign", chart.overridden(card["uuid"])), 404, UNKNOWN)
        with open_record(one.client.record) as reader:
            assert "feedback" not in [kept.entry.kind for kept in reader.entries_of(card["uuid"])]
