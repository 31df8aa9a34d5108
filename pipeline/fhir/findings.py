"""What is said of resources that were read: where, which rule, what it means. Never a value that was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
EVERYTHING = "What was sent"
"""Stands for the path to the whole."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with what was sent (`error`), or that was not used (`warning`).

    `at` is a FHIRPath to the element, such as `Bundle.entry[3].resource.code`; `kind` is a code of FHIR's
    issue-type; `rule` is our own word for it, the same whatever the text; `variable` is set where a variable
    of the dictionary is concerned.
    """

    at: str
    severity: Severity
    kind: str
    rule: str
    detail: str
    variable: str | None = None


def refused(at: str, rule: str, why: str, kind: str = "value", variable: str | None = None) -> Finding:
    """Something that must be mended before anything is answered."""
    return Finding(at=at, severity="error", kind=kind, rule=rule, detail=f"{at or EVERYTHING} {why}", variable=variable)


def unused(at: str, rule: str, why: str, kind: str = "not-supported", variable: str | None = None) -> Finding:
    """Something that was sent, is no mistake, and says nothing of the case."""
    return Finding(
        at=at, severity="warning", kind=kind, rule=rule, detail=f"{at} is not used: {why}.", variable=variable
    )
