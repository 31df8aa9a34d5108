"""What every request passes, before anything looks at it: name, rate, token, size; and what is logged of it."""

from __future__ import annotations

import hmac
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders

from pipeline.service.body import too_large
from pipeline.service.limits import RateLimit
from pipeline.service.logs import LOG, event, told
from pipeline.service.problems import BUSY, FAULT, TOO_MANY, UNAUTHORISED, WRONG_HOST, ProblemError, problem_response
from pipeline.service.settings import ServiceSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OPEN_TO_ALL = ("/", "/health", "/ready", "/problems", "/openapi.json", "/dictionary", "/fhir/metadata")
"""What needs no token: the page, and what is the same for everybody."""
NOT_COUNTED = ("/health", "/ready")
STATIC = "/static/"
SIGNED = "/cds-services"
"""Below this each request carries a token of its own, where clients are named that sign."""
MOST_AT_ONCE = 256
"""Requests that are being answered, each of which may hold a body; more are turned away before they cost memory."""
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
A_YEAR = "max-age=31536000"


class Guard:
    """The outermost part of the service."""

    def __init__(self, app: App, settings: ServiceSettings) -> None:
        self._app, self._settings = app, settings
        params = settings.params
        self._rate = RateLimit(per_second=params.requests_per_second, burst=params.burst)
        self._at_once = 0
        self._token = settings.token.encode() if settings.token else None
        self._headers = HEADERS | ({"Strict-Transport-Security": A_YEAR} if settings.is_encrypted else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        sent = {"status": 0, "bytes": 0}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                answer = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    answer.setdefault(name, value)
                answer["X-Request-ID"] = request_id
            elif message["type"] == "http.response.body":
                sent["bytes"] += len(message.get("body", b""))
            await send(message)

        fault: dict[str, Any] = {}
        self._at_once += 1
        try:
            await self._answer(scope, headers, request_id, receive, send_guarded)
        except Exception as error:
            fault = told(error)
            if not sent["status"]:
                problem = ProblemError(FAULT, "Tell whoever runs it, with the request_id. Nothing was answered.")
                await problem_response(problem, request_id, scope["path"])(scope, receive, send_guarded)
        finally:
            self._at_once -= 1
            self._log(scope, headers, request_id, started, sent, fault)

    async def _answer(self, scope: Scope, headers: Headers, request_id: str, receive: Receive, send: Send) -> None:
        refused = self._refusal(scope, headers)
        if refused:
            await problem_response(refused, request_id, scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> ProblemError | None:
        """Why this request is not let in, or None; the cheapest question first."""
        path = scope["path"]
        if self._at_once > MOST_AT_ONCE and path not in NOT_COUNTED:
            return ProblemError(BUSY, "Ask again in 1 s.", headers={"Retry-After": "1"})
        if self._settings.hosts and _without_port(headers.get("host", "")) not in self._settings.hosts:
            return ProblemError(WRONG_HOST, f"Ask it as {self._settings.hosts[0]}, on the machine where it runs.")
        if path not in NOT_COUNTED and not path.startswith(STATIC):
            wait = self._rate.seconds_to_wait((scope.get("client") or ("unknown",))[0])
            if wait:
                after = {"Retry-After": str(max(1, round(wait + 0.5)))}
                return ProblemError(TOO_MANY, f"Ask again in {after['Retry-After']} s.", headers=after)
        if self._token is not None and not self._needs_no_token(path):
            given = headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                return ProblemError(
                    UNAUTHORISED, "Send it as Authorization: Bearer TOKEN.", headers={"WWW-Authenticate": "Bearer"}
                )
        size = headers.get("content-length", "")
        limit = self._settings.params.body_bytes
        return too_large(limit) if size.isdecimal() and int(size[:20]) > limit else None

    def _needs_no_token(self, path: str) -> bool:
        """What is open to all, and what each client signs for itself."""
        is_signed = self._settings.cds.are_signed and (path == SIGNED or path.startswith(SIGNED + "/"))
        return is_signed or path in OPEN_TO_ALL or path.startswith(STATIC)

    def _log(
        self,
        scope: Scope,
        headers: Headers,
        request_id: str,
        started: float,
        sent: dict[str, int],
        fault: dict[str, Any],
    ) -> None:
        level = logging.ERROR if sent["status"] >= 500 or fault else logging.INFO
        if not LOG.isEnabledFor(level):
            return
        size = headers.get("content-length", "")
        event(
            "request",
            level,
            request_id=request_id,
            method=scope["method"] if scope["method"] in METHODS else "other",
            route=getattr(scope.get("route"), "path", "none"),
            status=sent["status"],
            ms=round(1e3 * (time.perf_counter() - started), 2),
            request_bytes=int(size) if size.isdecimal() and len(size) < 20 else None,
            response_bytes=sent["bytes"],
            **fault,
        )


def _request_id(headers: Headers) -> str:
    """The client's own where it is plain, so that its log and ours can be held together; else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _without_port(host: str) -> str:
    """The name in a Host header, in small letters; an IPv6 address keeps its brackets.

    >>> _without_port("Localhost:8071"), _without_port("[::1]:8071")
    ('localhost', '[::1]')
    """
    return re.sub(r":\d*$", "", host).lower()
