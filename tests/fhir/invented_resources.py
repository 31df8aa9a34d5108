"""Makes resources of one invented patient, as a hospital's record has them; nobody is described."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
ICD, CM = "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm"
ATC, CPT = "http://www.whocc.no/atc", "http://www.ama-assn.org/go/cpt"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
OWN = "urn:backcast:fhir:variable"
OF = {"subject": {"reference": "Patient/p1"}}
EXAMPLES = Path("pipeline/service/page/static")
Json = dict[str, Any]


def records(which: str = "examples") -> list[Json]:
    """The invented cases of the page, planned (`examples`) or failed (`workups`)."""
    return [example["record"] for example in json.loads((EXAMPLES / f"{which}.json").read_text())["examples"]]


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-05-03", **more}


def observation(system: str, code: str, **more: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": coded(system, code), **OF, **more}


def measured(code: str, value: float, unit: str, **more: Any) -> Json:
    return observation(LOINC, code, valueQuantity={"value": value, "system": UCUM, "code": unit}, **more)


def condition(system: str, code: str, status: str | None = "active", verified: str | None = None, **more: Any) -> Json:
    content = {"resourceType": "Condition", "code": coded(system, code), **OF, **more}
    if status:
        content["clinicalStatus"] = coded(CLINICAL, status)
    if verified:
        content["verificationStatus"] = coded(VERIFICATION, verified)
    return content


def procedure(code: str, day: str | None, **more: Any) -> Json:
    when = {"performedDateTime": day} if day else {}
    return {"resourceType": "Procedure", "status": "completed", "code": coded(CPT, code), **OF, **when, **more}


def request(code: str, *details: str, **more: Any) -> Json:
    """A planned operation, with levels and sides in our own codes."""
    content = {"resourceType": "ServiceRequest", "id": "plan", "status": "draft", "intent": "order", **OF}
    content["code"] = coded(CPT, code)
    if details:
        content["orderDetail"] = [coded(OWN, detail) for detail in details]
    return {**content, **more}


def statement(code: str, **dosage: Any) -> Json:
    content = {"resourceType": "MedicationStatement", "status": "active", **OF}
    content["medicationCodeableConcept"] = coded(ATC, code)
    return {**content, **({"dosage": [dosage]} if dosage else {})}


def bundle(*resources: Json, kind: str = "collection") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources]}


def chart() -> list[Json]:
    """Every kind of resource that is read, once or more."""
    leg = coded(SNOMED, "61685007")
    return [
        patient(),
        measured("8302-2", 170, "cm"),
        measured("29463-7", 154, "[lb_av]"),
        measured("97909-6", 44, "%"),
        observation(LOINC, "72514-3", bodySite=leg, valueInteger=7),
        observation(LOINC, "72166-2", valueCodeableConcept=coded(SNOMED, "8517006")),
        observation(SNOMED, "302132005", valueCodeableConcept=coded(SNOMED, "413496000")),
        condition(CM, "E11.9"),
        condition(CM, "M51.26"),
        procedure("63030", "2024-11-23"),
        statement("N02AA05", asNeededBoolean=True),
        request("63030", "planned_decompression_l4_l5_left"),
    ]


def spoilt(content: Any, draw: random.Random) -> Any:
    """A copy with one to three places changed, into what is like it or into what nobody would send."""
    content = copy.deepcopy(content)
    for _ in range(draw.randint(1, 3)):
        places = list(_places(content))
        holder, key = draw.choice(places)
        change = draw.random()
        if change < 0.2:
            del holder[key]
        elif change < 0.3 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif change < 0.8:
            like = [other[name] for other, name in places if type(other[name]) is type(holder[key])]
            holder[key] = copy.deepcopy(draw.choice([*like, *(one for one in JUNK if type(one) is type(holder[key]))]))
        else:
            holder[key] = copy.deepcopy(draw.choice(JUNK))
    return content


def _places(content: Any) -> Any:
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(items):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


SECRET = "Zacharias-Unmistakable"
JUNK = (
    None, True, 0, -1, 2.5, 1e300, 10**400, "", " ", SECRET, f"{SECRET} 1970", "1970-02-30", "9999-99",
    "\u0000", "💥" * 50,
    [], {}, [None], [[]], {"a": SECRET}, {"resourceType": "Patient"}, {"resourceType": SECRET}, {"value": 1},
    {"reference": "Patient/p2"}, {"coding": [{}]}, {"coding": [{"system": OWN, "code": "odi"}]},
    {"extension": [{"url": SECRET}]},
)  # fmt: skip
