"""Makes `pipeline/fhir/tables/r4.schema.json` from the definitions that HL7 publishes for FHIR 4.0.1 (CC0).

    python tests/reference/fhir/r4_schema.py DEFINITIONS pipeline/fhir/tables/r4.schema.json

DEFINITIONS is a folder with four files of the specification's download `definitions.json.zip` and
`fhir.schema.json.zip`: fhir.schema.json, profiles-resources.json, profiles-types.json, valuesets.json.

The JSON schema of the specification says which elements there are, of which type and how often. It leaves
some things to the StructureDefinitions and to the page on JSON, which are added here: that a complex element is
an object, that a list is not empty, that an integer has no fraction, which primitive elements are required,
which codes a required binding allows, and that of the types of a choice (`value[x]`) one is used. Descriptions
and other resources are left out; a resource within a resource is any object with a `resourceType`, since each
is checked on its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESOURCES = (
    "Bundle", "CapabilityStatement", "Condition", "Device", "MedicationStatement", "Observation", "OperationDefinition",
    "OperationOutcome", "Patient", "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse",
    "RiskAssessment", "ServiceRequest",
)  # fmt: skip
ANY_RESOURCE = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}}
MOST_TYPES_OF_A_CHOICE = 15
"""More have only extensions and the like, which nothing here reads."""
MOST_CODES = 60
Json = dict[str, Any]


def main(folder: Path, out: Path) -> None:
    schema = _read(folder / "fhir.schema.json")
    elements = [
        element
        for name in ("profiles-resources.json", "profiles-types.json")
        for entry in _read(folder / name)["entry"]
        if entry["resource"]["resourceType"] == "StructureDefinition"
        for element in entry["resource"]["snapshot"]["element"]
    ]
    definitions = _cut(schema["definitions"])
    codes = _codes(_read(folder / "valuesets.json"))
    for element in elements:
        owner, _, name = element["path"].rpartition(".")
        definition = definitions.get(_definition_name(owner))
        if definition is not None and "properties" in definition:
            _tighten(definition, name, element, codes)
    content = {"$schema": schema["$schema"], "id": schema["id"], "definitions": dict(sorted(definitions.items()))}
    out.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n")


def _read(path: Path) -> Json:
    content: Json = json.loads(path.read_text())
    return content


def _cut(definitions: Json) -> Json:
    """The definitions of `RESOURCES` and of all that these name."""
    kept: Json = {}
    waiting = list(RESOURCES)
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = ANY_RESOURCE if name == "ResourceList" else _stripped(definitions[name])
            waiting += _named(kept[name])
    return kept


def _stripped(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_stripped(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _stripped(part) for key, part in schema.items() if not (key == "description" and isinstance(part, str))
    }
    if isinstance(kept.get("properties"), dict) and kept.get("additionalProperties") is False:
        kept["type"] = "object"
    if kept.get("type") == "array":
        kept["minItems"] = 1
    if kept.get("type") == "number" and "." not in kept.get("pattern", "."):
        kept["type"] = "integer"
    return kept


def _named(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _named(part)
    elif isinstance(schema, dict):
        for key, part in schema.items():
            if key == "$ref":
                yield part.rsplit("/", 1)[1]
            else:
                yield from _named(part)


def _definition_name(path: str) -> str:
    """`Observation.referenceRange` as the schema has it: `Observation_ReferenceRange`."""
    first, *rest = path.split(".")
    return "_".join([first, *(part[:1].upper() + part[1:] for part in rest)])


def _tighten(definition: Json, name: str, element: Json, codes: dict[str, list[str]]) -> None:
    types = [kind["code"] for kind in element.get("type", [])]
    if name.endswith("[x]"):
        stem = name.removesuffix("[x]")
        members = [stem + code[:1].upper() + code[1:] for code in types]
        members = [member for member in members if member in definition["properties"]]
        if element["min"]:
            definition.setdefault("allOf", []).append({"anyOf": [{"required": [member]} for member in members]})
        if 1 < len(members) <= MOST_TYPES_OF_A_CHOICE:
            rest = {member: [other for other in members if other != member] for member in members}
            definition.setdefault("dependencies", {}).update(
                {
                    member: {"not": {"anyOf": [{"required": [other]} for other in others]}}
                    for member, others in rest.items()
                }
            )
    elif name in definition["properties"]:
        is_primitive = f"_{name}" in definition["properties"]
        if element["min"] and is_primitive:
            definition.setdefault("allOf", []).append({"anyOf": [{"required": [name]}, {"required": [f"_{name}"]}]})
        elif element["min"]:
            definition["required"] = sorted({*definition.get("required", []), name})
        binding = element.get("binding", {})
        if types == ["code"] and binding.get("strength") == "required":
            allowed = codes.get(binding.get("valueSet", "").split("|")[0])
            if allowed and len(allowed) <= MOST_CODES:
                field = definition["properties"][name]
                one = {"enum": allowed}
                definition["properties"][name] = {**field, "items": one} if field.get("type") == "array" else one


def _codes(content: Json) -> dict[str, list[str]]:
    """The codes of each value set that lists codes, or takes whole code systems that list them."""
    resources = [entry["resource"] for entry in content["entry"]]
    systems = {
        one["url"]: list(_concepts(one.get("concept", []))) for one in resources if one["resourceType"] == "CodeSystem"
    }
    found = {}
    for one in resources:
        includes = one.get("compose", {}).get("include", []) if one["resourceType"] == "ValueSet" else []
        plain = all("filter" not in part and "valueSet" not in part for part in includes)
        lists = [
            [concept["code"] for concept in part["concept"]]
            if "concept" in part
            else systems.get(part.get("system"), [])
            for part in includes
        ]
        if lists and plain and all(lists):
            found[one["url"]] = sorted({code for codes in lists for code in codes})
    return found


def _concepts(concepts: list[Json]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _concepts(concept.get("concept", []))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
