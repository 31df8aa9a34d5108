"""The page of the service: every address with what it takes and gives, from the OpenAPI page that it serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.params import load_params
from pipeline.reference.markdown import made_from, table

BY_NAME = ("Case", "WorkUp", "FollowUp")
"""Flat records of the dictionary's variables, whose properties would fill the page again."""
JSON = "application/json"


def service_api_page() -> str:
    """Every operation of the service, and every schema that it speaks of, as a Markdown page."""
    page = openapi_page()
    lines = [
        "# The service's addresses",
        "",
        made_from("pipeline/service") + " A running service has the same at `/openapi.json`.",
        "",
        "How to start it, who may ask and what is logged is told in [The service](service.md). An answer whose status "
        "is 400 or more is a `Problem`.",
        "",
        *table(
            ("", "for"),
            [(f"[`{_name(*place)}`](#{_anchor(*place)})", it["summary"]) for place, it in _operations(page)],
        ),
    ]
    for place, operation in _operations(page):
        lines += ["", f"## {_name(*place)}", "", operation["summary"] + ".", "", *_told(operation)]
    lines += ["", "## Schemas"]
    for name, schema in sorted(page["components"]["schemas"].items()):
        lines += ["", f"### {name}", "", *_schema(name, schema)]
    return "\n".join(lines) + "\n"


def openapi_page() -> dict[str, Any]:
    """The OpenAPI page of the service as `params.yaml` sets it up; it does not depend on the models that are served."""
    from pipeline.service.app import create_app
    from pipeline.service.settings import ServiceSettings

    settings = ServiceSettings(models=(), causes=("", Path()), record=Path(), params=load_params().service)
    nothing: Any = None
    return create_app(settings, nothing, nothing, nothing).openapi()


def _operations(page: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for address, methods in page["paths"].items():
        for method, operation in methods.items():
            yield (method.upper(), address), operation


def _name(method: str, address: str) -> str:
    return f"{method} {address}"


def _anchor(method: str, address: str) -> str:
    """As GitHub and the site make it of a heading: letters, digits, hyphens."""
    plain = "".join(letter for letter in _name(method, address).lower() if letter.isalnum() or letter in " _-")
    return plain.replace(" ", "-")


def _told(operation: Mapping[str, Any]) -> list[str]:
    takes = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema")
    rows = [("takes", "", _words(takes))] if takes else []
    rows += [
        ("parameter", f"`{given['name']}`", _words(given.get("schema", {})))
        for given in operation.get("parameters", [])
    ]
    rows += [("answers", status, _answer(response)) for status, response in sorted(operation["responses"].items())]
    return table(("", "", "what"), rows)


def _answer(response: Mapping[str, Any]) -> str:
    schemas = [its["schema"] for its in response.get("content", {}).values() if its.get("schema")]
    given = (
        f": {_words(schemas[0])}" if schemas and "$ref" in str(schemas[0]) and "Problem" not in str(schemas[0]) else ""
    )
    return response["description"] + given


def _schema(name: str, schema: Mapping[str, Any]) -> list[str]:
    about = [schema["description"], ""] if schema.get("description") else []
    properties = schema.get("properties", {})
    if name in BY_NAME:
        return [
            *about,
            f"{len(properties)} variables of [the dictionary](dictionary.md), by name; none has to be sent.",
        ]
    if not properties:
        return [*about, _words(schema)]
    needed = schema.get("required", [])
    rows = [
        (f"`{key}`", _words(its), "always" if key in needed else "", its.get("description", ""))
        for key, its in properties.items()
    ]
    return [*about, *table(("name", "type", "there", "what"), rows)]


def _words(schema: Mapping[str, Any] | None) -> str:
    """A schema in a few words, other schemas as links."""
    if not schema:
        return "anything"
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(_words(one) for one in schema[several])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "anything")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    if kind == "array":
        most = f" of at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"a list{most}: {_words(schema.get('items'))}"
    return kind + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']:g} to {schema['maximum']:g}"
    return f", {schema['format']}" if "format" in schema else ""
