"""What was not sent is read from the FHIR server of the client, where that is allowed; its token is kept nowhere."""

import http.server
import json
import logging
import threading
import time
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

SECRET = "some-opaque-fhir-access-token"
LEAVE = {
    "access_token": SECRET,
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "backcast",
}
FAILURE = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}


class ManyAtOnce(http.server.ThreadingHTTPServer):
    request_queue_size = 64


@pytest.fixture(scope="module")
def fhir(chart):
    """A FHIR server over the chart of an EHR; `answers` replaces what it says to a kind of resource."""
    state = SimpleNamespace(ehr=chart.Ehr(None), asked=[], tokens=set(), answers={}, slow=set())

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            state.tokens.add(self.headers["Authorization"])
            query = unquote(self.path).removeprefix("/fhir/")
            kind = query.partition("?")[0].partition("/")[0]
            if kind in state.slow:
                time.sleep(3)
            status, resource = state.answers.get(kind, (200, None))
            if resource is None:
                resource = state.ehr.looked_up(query)
                status = 200 if resource else 404
            body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ManyAtOnce(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.address = f"http://127.0.0.1:{server.server_port}/fhir"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def allowed(served, fhir):
    with served(fhir_servers=[fhir.address], fetch_seconds=20) as one:
        yield one


@pytest.fixture
def call(allowed, fhir, chart):
    """Signs an order of which the client sends only some of the prefetch, with leave to read the rest."""
    fhir.asked.clear()
    fhir.tokens.clear()
    fhir.answers, fhir.slow = {}, set()
    ehr = chart.Ehr(allowed)

    def send(sent=(), **changed):
        request = ehr.request("order-sign", [chart.order()], fhirServer=fhir.address, fhirAuthorization=LEAVE)
        request["prefetch"] = {key: value for key, value in request["prefetch"].items() if key in sent}
        return ehr.post("order-sign", {**request, **changed})

    return send


def case_of(allowed, response):
    (card,) = response.json()["cards"]
    return allowed("GET", f"/predictions/{card['uuid']}/case").json()


def test_what_is_fetched_makes_the_same_case_as_what_is_sent(call, allowed, fhir, chart):
    ehr = chart.Ehr(allowed)
    (sent,) = ehr.cards("order-sign", [chart.order()])
    fetched = case_of(allowed, call())
    assert fetched == allowed("GET", f"/predictions/{sent['uuid']}/case").json()
    assert len(fhir.asked) == len(ehr.service("order-sign")["prefetch"])
    assert fhir.tokens == {f"Bearer {SECRET}"}


def test_only_what_is_lacking_is_fetched(call, allowed, fhir):
    call(sent=("conditions", "odi"))
    assert not [path for path in fhir.asked if "Condition" in path or "97909-6" in path]
    assert f"/fhir/Patient/{'1288992'}" in fhir.asked


def test_the_token_is_in_no_log_no_answer_and_no_record(call, allowed, fhir, caplog):
    fhir.answers = {"Condition": (500, FAILURE), "Procedure": (200, b"no json")}
    with caplog.at_level(logging.DEBUG):
        response = call()
    assert response.status_code == 200
    assert SECRET not in response.text
    kept = allowed.kept(response.json()["cards"][0]["uuid"])
    assert SECRET not in str(kept)
    assert SECRET not in allowed.record.read_bytes().decode("latin-1")
    logged = " ".join(record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG)
    assert SECRET not in logged
    assert "1288992" not in logged


@pytest.mark.parametrize(
    "answer", [(401, FAILURE), (500, b""), (302, b""), (200, FAILURE), (200, b"{"), (200, b" " * 2_000_000)]
)
def test_what_cannot_be_fetched_is_lacking(call, allowed, fhir, answer):
    fhir.answers = {"Condition": answer}
    assert "diagnosis" not in case_of(allowed, call())
    fhir.answers = {"Patient": answer}
    response = call()
    assert response.status_code == 412
    assert response.json()["errors"][0]["pointer"] == "#/prefetch/patient"


def test_a_slow_server_costs_no_more_than_its_time(served, fhir, chart):
    with served(fhir_servers=[fhir.address], fetch_seconds=0.3) as hasty:
        fhir.answers, fhir.slow = {}, {"Condition"}
        ehr = chart.Ehr(hasty)
        request = ehr.request("order-sign", [chart.order()], fhirServer=fhir.address, fhirAuthorization=LEAVE)
        del request["prefetch"]["conditions"]
        started = time.monotonic()
        assert "diagnosis" not in case_of(hasty, ehr.post("order-sign", request))
        assert time.monotonic() - started < 2.5


def test_every_page_of_a_search_is_read_and_none_of_another_server(call, allowed, fhir, chart, stranger):
    def page(resource, url=None):
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]}
        return {**bundle, "link": [{"relation": "next", "url": url}]} if url else bundle

    class Pages(dict):
        def get(self, kind, default=None):
            if kind != "Condition":
                return default
            return 200, (page(chart.condition("E11.9", "c2")) if "page" in fhir.asked[-1] else self["first"])

    fhir.answers = Pages(first=page(chart.STENOSIS, f"{fhir.address}/Condition?page=2"))
    both = case_of(allowed, call())
    assert both["diagnosis"] == "spinal_stenosis"
    assert both["has_diabetes"] == 1
    fhir.answers = Pages(first=page(chart.STENOSIS, f"{stranger.address}/Condition?page=2"))
    assert "diagnosis" not in case_of(allowed, call())
    assert not stranger.was_asked()


def test_without_leave_or_to_another_server_nobody_is_asked(call, fhir):
    elsewhere = fhir.address.replace("127.0.0.1", "localhost")
    for changed in ({"fhirAuthorization": None}, {"fhirServer": elsewhere}, {"fhirServer": fhir.address + "/../evil"}):
        assert call(**changed).status_code == 412
    assert fhir.asked == []
