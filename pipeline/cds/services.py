"""The two services, one for each hook: what discovery says of them, and what they ask a client to send along.

What is asked of Observations comes from the table that maps their codes, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from features.dictionary import load_dictionary
from pipeline.fhir.names import VARIABLE
from pipeline.fhir.tables import MEASURES, codes

PATIENT, ORDERS, ANSWERS, FINDINGS = "patient", "orders", "answers", "findings"
DRAFT_ORDERS = "draftOrders"
OF_PATIENT = "patient={{context.patientId}}"
LATEST = "&_sort=-date&_count=1"
LATEST_BY_SITE = "&_sort=-date&_count=20"
"""Enough that the latest at each body site is among them."""
USAGE = (
    "For clinicians who plan an operation on the lumbar spine. The patient must be sent, or the service be allowed to "
    "read it; what else is not sent counts as not recorded."
)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service: `required` are the keys of its prefetch without which it cannot answer."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: Mapping[str, str]
    required: tuple[str, ...]

    @property
    def as_discovered(self) -> dict[str, Any]:
        said = {name: getattr(self, name) for name in ("hook", "title", "description", "id")}
        return {**said, "prefetch": dict(self.prefetch), "usageRequirements": USAGE}


@cache
def services() -> Mapping[str, Service]:
    """The services by id, in the order of discovery."""
    found = (
        Service(
            id="backcast-patient-view",
            hook="patient-view",
            title="Backcast: before an operation on the lumbar spine",
            description="Where such an operation is planned, or Backcast's own forms are answered: the risk that it "
            "fails, with its reasons. For everybody else nothing.",
            prefetch={**_prefetch(), ORDERS: f"ServiceRequest?{OF_PATIENT}&status=active"},
            required=(PATIENT, ORDERS),
        ),
        Service(
            id="backcast-order-sign",
            hook="order-sign",
            title="Backcast: an operation on the lumbar spine is ordered",
            description="Where an operation on the lumbar spine is among the orders: the risk that it fails, with its "
            "reasons, before it is signed.",
            prefetch=_prefetch(),
            required=(PATIENT,),
        ),
    )
    return {service.id: service for service in found}


def _prefetch() -> dict[str, str]:
    return {
        PATIENT: "Patient/{{context.patientId}}",
        "conditions": f"Condition?{OF_PATIENT}",
        "procedures": f"Procedure?{OF_PATIENT}&status=completed",
        "medications": f"MedicationStatement?{OF_PATIENT}&status=active",
        **_observations(),
        ANSWERS: f"QuestionnaireResponse?{OF_PATIENT}&_sort=-authored&_count=50",
        FINDINGS: f"Observation?{OF_PATIENT}&code={VARIABLE}|",
    }


def _observations() -> dict[str, str]:
    """A query for each code of an Observation that says something before an operation, by what it says."""
    known = {variable.name for variable in load_dictionary().known_by("preoperative")} | set(MEASURES)
    queries: dict[str, str] = {}
    asked = set()
    for (resource, system), rows in codes().items():
        for row in rows if resource == "Observation" else ():
            if row.variable in known and (system, row.code) not in asked:
                asked.add((system, row.code))
                latest = LATEST_BY_SITE if row.body_site else LATEST
                queries[row.variable] = f"Observation?{OF_PATIENT}&code={system}|{row.code}{latest}"
    return queries


def discovered() -> dict[str, Any]:
    """What `GET /cds-services` says."""
    return {"services": [service.as_discovered for service in services().values()]}


def filled(template: str, context: Mapping[str, Any]) -> str:
    """A template with its tokens replaced.

    >>> filled("Patient/{{context.patientId}}", {"patientId": "p1"})
    'Patient/p1'
    """
    for name, value in context.items():
        template = template.replace("{{context." + name + "}}", str(value))
    return template
