"""A small hospital's system: it finds services, fills in what they ask for, shows cards and tells what became of them.

It keeps to CDS Hooks 2.0 and knows nothing of Backcast but the address of its services.
"""

from __future__ import annotations

import copy
import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
CPT, ICD = "http://www.ama-assn.org/go/cpt", "http://hl7.org/fhir/sid/icd-10-cm"
PATIENT_ID = "1288992"
SUBJECT = {"reference": f"Patient/{PATIENT_ID}"}
TODAY = dt.date.today()
Json = dict[str, Any]
Send = Callable[..., Any]


def years_ago(years: int) -> str:
    return TODAY.replace(year=TODAY.year - years, day=1).isoformat()


def patient(age: int = 61, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": PATIENT_ID, "gender": "female", "birthDate": years_ago(age), **more}


def observation(code: str, value: float, unit: str, *, system: str = LOINC, site: str = "", days: int = 10) -> Json:
    found = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": SUBJECT,
        "effectiveDateTime": (TODAY - dt.timedelta(days=days)).isoformat(),
        "valueQuantity": {"value": value, "system": UCUM, "code": unit},
    }
    return {**found, "bodySite": {"coding": [{"system": SNOMED, "code": site}]}} if site else found


def condition(code: str, id: str = "c1") -> Json:
    active = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    return {
        "resourceType": "Condition",
        "id": id,
        "clinicalStatus": active,
        "code": {"coding": [{"system": ICD, "code": code}]},
        "subject": SUBJECT,
    }


def order(code: str = "63047", id: str = "order-1", status: str = "draft", **more: Any) -> Json:
    """A ServiceRequest; 63047 is a lumbar laminectomy."""
    return {
        "resourceType": "ServiceRequest",
        "id": id,
        "status": status,
        "intent": "order",
        "code": {"coding": [{"system": CPT, "code": code}]},
        "subject": SUBJECT,
        **more,
    }


def finding(variable: str, value: Any) -> Json:
    """An Observation coded with a name of the dictionary: a number, or a yes."""
    said = {"valueBoolean": value} if isinstance(value, bool) else {"valueQuantity": value}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:backcast:fhir:variable", "code": variable}]},
        "subject": SUBJECT,
        "effectiveDateTime": TODAY.isoformat(),
        **said,
    }


ODI = observation("97909-6", 48, "{score_0_100}")
BACK_PAIN = observation("72514-3", 6, "{score}", site="77568009")
LEG_PAIN = observation("72514-3", 8, "{score}", site="61685007")
SMOKING: Json = {
    **{key: value for key, value in observation("72166-2", 0, "1").items() if key != "valueQuantity"},
    "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "449868002"}]},
}
LEG_PAIN_MONTHS = finding("leg_pain_duration_months", {"value": 9, "system": UCUM, "code": "mo"})
STENOSIS = condition("M48.06")
CHART: tuple[Json, ...] = (patient(), STENOSIS, ODI, BACK_PAIN, LEG_PAIN, SMOKING, LEG_PAIN_MONTHS)
"""A patient with spinal stenosis, of whom what the models of the tests use is known."""
PUREED_DIET: Json = {
    "resourceType": "NutritionOrder",
    "id": "pureed-diet",
    "status": "draft",
    "patient": SUBJECT,
    "dateTime": "2024-09-17",
}


class Ehr:
    """Holds a chart as a FHIR server does, and calls services as a client does.

    Parameters
    ----------
    send : callable
        As `requests.request`: method, path, `json`, `headers`.
    sign : callable, optional
        The Authorization header for a path.
    """

    def __init__(self, send: Send, chart: Sequence[Json] = CHART, sign: Callable[[str], str] | None = None) -> None:
        self._send, self.chart, self._sign = send, list(chart), sign
        self.services: dict[str, Json] = {}

    def ask(self, method: str, path: str, **how: Any) -> Any:
        headers = {"Authorization": self._sign(path)} if self._sign else {}
        return self._send(method, path, headers=headers, **how)

    def discover(self) -> dict[str, Json]:
        """The services by the hook that they are for."""
        response = self.ask("GET", "/cds-services")
        assert response.status_code == 200, response.text
        self.services = {service["hook"]: service for service in response.json()["services"]}
        return self.services

    def prefetch(self, hook: str) -> dict[str, Any]:
        """What a service asks for, from the chart; null for a read of what is not there."""
        return {key: self.looked_up(query) for key, query in self.service(hook)["prefetch"].items()}

    def service(self, hook: str) -> Json:
        return (self.services or self.discover())[hook]

    def looked_up(self, template: str) -> Any:
        """A query answered by the subset of FHIR that prefetch templates may use."""
        query = template.replace("{{context.patientId}}", PATIENT_ID)
        assert "{{" not in query
        kind, _, parameters = query.partition("?")
        if not parameters:
            kind, _, id = kind.partition("/")
            return next((copy.deepcopy(one) for one in self._of(kind) if one.get("id") == id), None)
        found = [one for one in self._of(kind) if all(_fits(one, *pair) for pair in parse_qsl(parameters))]
        entries = [{"resource": copy.deepcopy(one), "search": {"mode": "match"}} for one in found]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
        return {**bundle, "entry": entries} if entries else bundle

    def _of(self, kind: str) -> list[Json]:
        return [one for one in self.chart if one["resourceType"] == kind]

    def request(self, hook: str, orders: Sequence[Json] = (), **changed: Any) -> Json:
        """A call as it goes out."""
        context = {"userId": "Practitioner/example", "patientId": PATIENT_ID, "encounterId": "89284"}
        if hook == "order-sign":
            context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": one} for one in orders]}
        made = {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, "prefetch": self.prefetch(hook)}
        return {**made, **changed}

    def call(self, hook: str, orders: Sequence[Json] = (), **changed: Any) -> Any:
        return self.post(hook, self.request(hook, orders, **changed))

    def post(self, hook: str, body: Json) -> Any:
        return self.ask("POST", f"/cds-services/{self.service(hook)['id']}", json=body)

    def cards(self, hook: str, orders: Sequence[Json] = ()) -> list[Json]:
        """The cards of a call, held by what CDS Hooks says of a card."""
        response = self.call(hook, orders)
        assert response.status_code == 200, response.text
        for card in response.json()["cards"]:
            refuse_card(card)
        return list(response.json()["cards"])

    def feed_back(self, hook: str, *feedback: Json) -> Any:
        path = f"/cds-services/{self.service(hook)['id']}/feedback"
        return self.ask("POST", path, json={"feedback": list(feedback)})


def _fits(resource: Mapping[str, Any], name: str, value: str) -> bool:
    if name in ("_sort", "_count"):
        return True
    if name == "patient":
        return bool(resource["subject"]["reference"] == f"Patient/{value}")
    if name == "status":
        return bool(resource["status"] == value)
    assert name == "code", f"a prefetch query by {name}"
    system, _, code = unquote(value).partition("|")
    codings = resource["code"]["coding"]
    return any(coding["system"] == system and code in ("", coding["code"]) for coding in codings)


def overridden(card: str, **more: Any) -> Json:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-20T10:00:00Z", **more}


def accepted(card: str, *suggestions: str, **more: Any) -> Json:
    said = [{"id": one} for one in suggestions]
    return {
        "card": card,
        "outcome": "accepted",
        "acceptedSuggestions": said,
        "outcomeTimestamp": "2026-11-20T10:00:00Z",
        **more,
    }


CARD = (
    {"summary", "indicator", "source"},
    {"uuid", "detail", "suggestions", "selectionBehavior", "overrideReasons", "links"},
)
"""What a card must and may have."""


def refuse_card(card: Json) -> None:
    """Fail on a card that CDS Hooks does not allow."""
    must, may = CARD
    assert must <= card.keys() <= must | may
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in ("info", "warning", "critical")
    assert card["source"]["label"]
    assert ("suggestions" in card) == ("selectionBehavior" in card)
    assert card.get("selectionBehavior", "any") in ("any", "at-most-one")
    for suggestion in card.get("suggestions", []):
        assert suggestion["label"]
        assert uuid.UUID(suggestion["uuid"])
    for reason in card.get("overrideReasons", []):
        assert {"code", "system", "display"} == reason.keys()
    for link in card.get("links", []):
        assert link["type"] == "absolute"
        assert re.fullmatch(r"https?://\S+", link["url"])
        assert link["label"]
    refuse_empty(card)


def refuse_empty(value: Any) -> None:
    """Nothing is null or empty where CDS Hooks does not say that it may be."""
    assert value not in (None, "", [], {})
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        refuse_empty(one)
