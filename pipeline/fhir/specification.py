"""Whether a resource is what FHIR R4 (4.0.1) says it is, by the specification's own definitions.

`tables/r4.schema.json` is cut from what HL7 publishes, by `tests/reference/fhir/r4_schema.py`, which says how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema_rs

from pipeline.fhir.findings import Finding, refused
from pipeline.fhir.tables import TABLES

BREACHES_LISTED = 50
WORDS = {
    "Type": "is not of the type that FHIR gives it",
    "Pattern": "is not written as FHIR writes it",
    "Enum": "is none of the codes that FHIR allows here",
    "Constant": "is not what FHIR says it is",
    "Required": "lacks an element that FHIR requires",
    "AnyOf": "lacks an element that FHIR requires",
    "AdditionalProperties": "has an element that FHIR does not know here",
    "MinItems": "is a list without anything in it",
    "Not": "has two values where FHIR allows one",
}


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((TABLES / "r4.schema.json").read_text(encoding="utf-8"))
    return schema


@cache
def is_defined(kind: str) -> bool:
    """Whether this kind of resource is one of those whose definition is kept here."""
    definition = _schema()["definitions"].get(kind, {})
    return bool(definition.get("properties", {}).get("resourceType", {}).get("const") == kind)


@cache
def _validator(kind: str) -> jsonschema_rs.Draft6Validator:
    schema = _schema()
    top = {"$schema": schema["$schema"], "definitions": schema["definitions"]}
    return jsonschema_rs.Draft6Validator({**top, "allOf": [{"$ref": f"#/definitions/{kind}"}]})


def breaches(resource: Mapping[str, Any], at: str) -> list[Finding]:
    """Where a resource of a kind that is kept here is not what FHIR says; empty if it is.

    Names of elements that FHIR does not know are not repeated, nor is any value.
    """
    validator = _validator(resource["resourceType"])
    try:
        found = [] if validator.is_valid(resource) else list(validator.iter_errors(resource))
    except ValueError:  # nested beyond what the validator follows, or a number that JSON cannot have
        return [_finding(at, "is nested too deeply, or holds a number that FHIR cannot have")]
    told = dict.fromkeys((path_in(at, error.instance_path), _words(error)) for error in found)
    return [_finding(path, words) for path, words in list(told)[:BREACHES_LISTED]]


def _words(error: jsonschema_rs.ValidationError) -> str:
    return WORDS.get(type(error.kind).__name__, "is not as FHIR defines it")


def _finding(at: str, words: str) -> Finding:
    return refused(at, "specification", f"{words}.", kind="structure")


def path_in(at: str, path: Sequence[str | int]) -> str:
    """A FHIRPath below another.

    >>> path_in("Bundle.entry[0].resource", ["code", "coding", 1])
    'Bundle.entry[0].resource.code.coding[1]'
    """
    return at + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
