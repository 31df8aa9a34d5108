"""What was sent along, key by key: a resource, nothing known, or an error; and what has to be fetched or is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.cds.services import PATIENT, Service

NOT_SENT, FAILED, NOT_ALL, NOT_THERE = "not sent", "an error at the client", "not all pages", "null"


@dataclass(frozen=True)
class Prefetched:
    """What is known by key, and of each key that is lacking the reason.

    A key that was sent as null is neither: it was asked for, and there is nothing.
    """

    known: dict[str, Any] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def prefetched(service: Service, sent: Mapping[str, Any] | None) -> Prefetched:
    """What a client sent of that which a service asks for; other keys are passed over.

    An OperationOutcome stands for an error at the client. Of a search of which only the first page was sent
    the rest is lacking, and so is a patient that is null.
    """
    found = Prefetched()
    for key in service.prefetch:
        value = (sent or {}).get(key)
        if key not in (sent or {}):
            found.lacking[key] = NOT_SENT
        elif is_failure(value):
            found.lacking[key] = FAILED
        elif value is None and key == PATIENT:
            found.lacking[key] = NOT_THERE
        elif value is not None:
            found.known[key] = value
            if next_page(value):
                found.lacking[key] = NOT_ALL
    return found


def is_failure(resource: Any) -> bool:
    return isinstance(resource, Mapping) and resource.get("resourceType") == "OperationOutcome"


def next_page(resource: Any) -> str | None:
    """The address of the page after this one of a search; None where it is the last."""
    links = resource.get("link") if isinstance(resource, Mapping) else None
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None
