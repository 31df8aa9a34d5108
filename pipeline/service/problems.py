"""What the service says when it cannot answer: problem details after RFC 9457, in the words of the dictionary.

A problem names variables and says what is expected. It never holds a value that was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from starlette.responses import Response

from pipeline.fhir.findings import Finding
from pipeline.fhir.operation_outcome import FHIR_MEDIA_TYPE, problem_outcome

MEDIA_TYPE = "application/problem+json"
FHIR = "/fhir/"
MISTAKES_LISTED = 500
"""Mistakes that one answer lists; more are counted."""


class Kind(NamedTuple):
    """A kind of problem; `name` ends its `type`, which `GET /problems` explains."""

    status: int
    name: str
    title: str


BAD_JSON = Kind(400, "json", "The body is not the JSON that is expected")
BAD_FHIR = Kind(400, "fhir", "A resource is not what FHIR R4 defines")
UNAUTHORISED = Kind(401, "token", "A valid token is needed")
FORBIDDEN = Kind(403, "client", "This client is not known here")
NOT_FOUND = Kind(404, "not-found", "There is nothing here")
WRONG_METHOD = Kind(405, "method", "This address does not take this method")
NOT_OFFERED = Kind(406, "accept", "The answer is not offered in that format")
SLOW = Kind(408, "slow", "The body did not arrive in time")
ERASED = Kind(410, "erased", "The content of this prediction was erased")
UNMET = Kind(412, "prefetch", "What an answer needs was not sent, and could not be fetched")
TOO_LARGE = Kind(413, "too-large", "The body is too large")
WRONG_TYPE = Kind(415, "content-type", "The body must be application/json")
WRONG_HOST = Kind(421, "host", "This service does not answer under that name")
INVALID = Kind(422, "record", "The record has mistakes")
UNFIT = Kind(422, "fhir-case", "The resources do not make one case")
TOO_MANY = Kind(429, "rate", "Too many requests")
FAULT = Kind(500, "fault", "The service failed; this is not a mistake of yours")
BUSY = Kind(503, "busy", "Too many requests are being answered at once")
UNRECORDED = Kind(503, "unrecorded", "The prediction record cannot be used, so nothing may be answered")
UNVERIFIED = Kind(503, "keys", "The keys of the client cannot be had")
NO_ROOM = Kind(507, "no-room", "The disk is full, so nothing may be answered")
KINDS = (
    BAD_JSON, BAD_FHIR, UNAUTHORISED, FORBIDDEN, NOT_FOUND, WRONG_METHOD, NOT_OFFERED, SLOW, ERASED, UNMET, TOO_LARGE,
    WRONG_TYPE, WRONG_HOST, INVALID, UNFIT, TOO_MANY, FAULT, BUSY, UNVERIFIED, UNRECORDED, NO_ROOM,
)  # fmt: skip
OF_STATUS = {kind.status: kind for kind in KINDS if kind not in (BAD_FHIR, BUSY, UNFIT, UNVERIFIED)}
"""What a status means where nothing more is known."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """What is wrong with one field.

    `pointer` is a JSON pointer as a URI fragment; `name` is None where what was sent cannot be a name, so
    that nothing is sent back that a page could render.
    """

    pointer: str
    name: str | None
    label: str | None = None
    unit: str | None = None
    rule: str
    detail: str
    expected: str | None = None


class ProblemError(Exception):
    """Ends a request with a problem; its text holds nothing that was sent."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        mistakes: Sequence[Mistake] = (),
        *,
        unlisted: int = 0,
        headers: Mapping[str, str] | None = None,
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers = kind, detail, dict(headers or {})
        self.findings = tuple(findings)
        self.mistakes = tuple(mistakes[:MISTAKES_LISTED])
        self.unlisted = unlisted + max(0, len(mistakes) - MISTAKES_LISTED)


def invalid(mistakes: Sequence[Mistake], unlisted: int = 0) -> ProblemError:
    """All mistakes of a record at once."""
    count = len(mistakes) + unlisted
    words = f"{count} mistake{'s' if count > 1 else ''}. Nothing was answered, and nothing recorded."
    return ProblemError(INVALID, words, mistakes, unlisted=unlisted)


def problem_response(problem: ProblemError, request_id: str, path: str = "") -> Response:
    """A problem as its client reads it: below `/fhir/` an OperationOutcome, elsewhere problem details."""
    if path.startswith(FHIR):
        outcome = json.dumps(problem_outcome(problem, request_id), ensure_ascii=False).encode()
        return Response(outcome, problem.kind.status, problem.headers, FHIR_MEDIA_TYPE)
    content: dict[str, Any] = {
        "type": f"/problems#{problem.kind.name}",
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": problem.detail,
        "request_id": request_id,
    }
    if problem.mistakes:
        content["errors"] = [asdict(mistake) for mistake in problem.mistakes]
    if problem.unlisted:
        content["errors_not_listed"] = problem.unlisted
    body = json.dumps(content, ensure_ascii=False).encode()
    return Response(body, problem.kind.status, problem.headers, MEDIA_TYPE)


def known_problems() -> list[dict[str, Any]]:
    """Every kind of problem, for whoever follows its `type`."""
    return [{"type": f"/problems#{kind.name}", "title": kind.title, "status": kind.status} for kind in KINDS]
