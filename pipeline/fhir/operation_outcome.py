"""What went wrong, or was not used, as a FHIR OperationOutcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipeline.fhir.findings import Finding
from pipeline.fhir.names import OWN

if TYPE_CHECKING:
    from pipeline.service.problems import ProblemError

FHIR_MEDIA_TYPE = "application/fhir+json"
RULE = f"{OWN}:rule"
ISSUES_LISTED = 500
ISSUE_TYPE = {
    400: "structure", 401: "login", 404: "not-found", 405: "not-supported", 406: "not-supported", 408: "timeout",
    410: "deleted", 413: "too-long", 415: "not-supported", 421: "not-found", 422: "processing", 429: "throttled",
    500: "exception", 503: "transient", 507: "no-store",
}  # fmt: skip
"""FHIR's word for a kind of problem, by its status."""
Json = dict[str, Any]


def operation_outcome(findings: Iterable[Finding], most: int | None = ISSUES_LISTED) -> Json:
    """Findings as issues, in their order; beyond `most` they are counted."""
    every = list(findings)
    issues = [_issue(one.severity, one.kind, one.rule, one.detail, one.at) for one in every[:most]]
    if most is not None and len(every) > most:
        left = f"{len(every) - most} more are not listed."
        issues.append(_issue("information", "informational", "not_listed", left))
    return {"resourceType": "OperationOutcome", "issue": issues}


def problem_outcome(problem: ProblemError, request_id: str) -> Json:
    """A problem of the service, in FHIR's own form; the request is named, so that the log can be asked of it."""
    kind = ISSUE_TYPE[problem.kind.status]
    whole = _issue("error", kind, problem.kind.name, f"{problem.kind.title}. {problem.detail}")
    named = {**whole, "diagnostics": f"request_id {request_id}"}
    return {"resourceType": "OperationOutcome", "issue": [named, *operation_outcome(problem.findings)["issue"]]}


def _issue(severity: str, kind: str, rule: str, detail: str, at: str = "") -> Json:
    details = {"coding": [{"system": RULE, "code": rule}], "text": detail}
    issue: Json = {"severity": severity, "code": kind, "details": details}
    return {**issue, "expression": [at]} if at else issue
