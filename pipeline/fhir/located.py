"""The resources within what was sent: a resource, a Bundle, a list, or a prefetch, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.fhir.findings import Finding, refused
from pipeline.fhir.specification import breaches, is_defined

KIND = re.compile(r"[A-Z][A-Za-z]{1,63}")
MOST_NESTED = 4
"""Bundles within Bundles; a page of a search within a collection is one."""


@dataclass(frozen=True)
class Located:
    """A resource that is what FHIR says, with the FHIRPath to it and the full URL that its Bundle gives it."""

    at: str
    resource: Mapping[str, Any]
    full_url: str | None = None

    @property
    def kind(self) -> str:
        return str(self.resource["resourceType"])


def located(content: Any, at: str = "") -> tuple[list[Located], list[Finding]]:
    """Every resource in what was sent, and what of it is not as FHIR defines it.

    Parameters
    ----------
    content : JSON value
        A resource, a Bundle of any type, a list of these, or an object that names them as the prefetch of CDS
        Hooks does. None is nothing.
    at : str
        FHIRPath to it; without one a resource begins its own.
    """
    resources: list[Located] = []
    wrong: list[Finding] = []
    for found in _walk(content, at, None, 0):
        if isinstance(found, Finding):
            wrong.append(found)
        else:
            resources.append(found)
    return resources, wrong


def _walk(content: Any, at: str, full_url: str | None, depth: int) -> Iterator[Located | Finding]:
    if content is None:
        return
    if isinstance(content, list):
        for place, one in enumerate(content):
            yield from _walk(one, f"{at}[{place}]", None, depth + 1)
    elif isinstance(content, Mapping) and "resourceType" in content:
        yield from _resource(content, at, full_url, depth)
    elif isinstance(content, Mapping) and not depth and all(_is_word(name) for name in content):
        for name, one in content.items():
            yield from _walk(one, f"{at}.{name}" if at else name, None, depth + 1)
    else:
        yield _not_a_resource(at)


def _resource(content: Mapping[str, Any], at: str, full_url: str | None, depth: int) -> Iterator[Located | Finding]:
    kind = content["resourceType"]
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        yield _not_a_resource(at)
        return
    place = at or kind
    wrong = breaches(content, place) if is_defined(kind) else []
    yield from wrong
    if kind == "Bundle" and not wrong:
        if depth > MOST_NESTED:
            yield refused(place, "nested", "is nested too deeply.", kind="too-long")
            return
        for number, entry in enumerate(content.get("entry", [])):
            if "resource" in entry:
                url = entry.get("fullUrl")
                yield from _walk(entry["resource"], f"{place}.entry[{number}].resource", url, depth + 1)
    elif not wrong:
        yield Located(place, content, full_url)


def _is_word(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name))


def _not_a_resource(at: str) -> Finding:
    return refused(at, "not_a_resource", "is no FHIR resource.", kind="structure")
