"""What the service can do in FHIR: its CapabilityStatement, and the operation that answers a case."""

from __future__ import annotations

from typing import Any

from pipeline.fhir.coded import READ
from pipeline.fhir.formats import FORMATS
from pipeline.fhir.names import FHIR_VERSION, OWN, VERSION

Json = dict[str, Any]
SCREEN = f"{OWN}:operation:screen"
DATE = "2026-11-23"
"""Of what is said below."""
TAKES = ", ".join((*READ, "QuestionnaireResponse"))


def capability_statement(base: str) -> Json:
    """For the service at an address, without the slash at its end."""
    read, search = {"code": "read"}, {"code": "search-type"}
    target = {"name": "target", "type": "reference", "documentation": "RiskAssessment/ and its id"}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "Backcast", "version": VERSION},
        "implementation": {"description": "Backcast, of this site", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": list(FORMATS),
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {"type": "RiskAssessment", "interaction": [read]},
                    {"type": "Provenance", "interaction": [read, search], "searchParam": [target]},
                    {"type": "Questionnaire", "interaction": [read, search]},
                    {"type": "OperationDefinition", "interaction": [read]},
                ],
                "operation": [{"name": "screen", "definition": SCREEN}],
            }
        ],
    }


def screen_operation() -> Json:
    """The definition of `$screen`."""
    return {
        "resourceType": "OperationDefinition",
        "id": "screen",
        "url": SCREEN,
        "name": "Screen",
        "title": "Risks of one planned operation on the lumbar spine",
        "status": "active",
        "kind": "operation",
        "date": DATE,
        "affectsState": True,
        "code": "screen",
        "description": f"Reads one case from {TAKES}, answers it, and enters the answer in the prediction record. "
        "What was sent and not used is listed in an OperationOutcome beside the answer.",
        "system": True,
        "type": False,
        "instance": False,
        "parameter": [
            {"name": "resource", "use": "in", "min": 1, "max": "1", "type": "Resource",
             "documentation": "A Bundle of the resources of one patient, or one QuestionnaireResponse."},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Bundle",
             "documentation": "RiskAssessment, Provenance, and an OperationOutcome where something was not used."},
        ],
    }  # fmt: skip
