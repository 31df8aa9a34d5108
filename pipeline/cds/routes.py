"""Where CDS Hooks are asked: discovery, the two services, and feedback on their cards."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.util
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from features.errors import ParamsError
from pipeline.cds.cards import card_of, card_without_forecast, source_of
from pipeline.cds.case import case_in
from pipeline.cds.feedback import feedback_in, stored
from pipeline.cds.prefetch import Prefetched, prefetched
from pipeline.cds.request import HookRequest, mistake, not_as_specified, request_in
from pipeline.cds.services import DRAFT_ORDERS, Service, discovered, services
from pipeline.cds.settings import CdsSettings
from pipeline.cds.trust import Trust
from pipeline.prediction_record.errors import RecordError
from pipeline.service.answering import answered, unrecorded
from pipeline.service.body import json_of, json_response
from pipeline.service.logs import event, told
from pipeline.service.problems import BAD_JSON, NOT_FOUND, UNMET, Mistake, ProblemError

HOME = "/cds-services"
OTHER_HOOK = "other_hook"


def add_cds_hooks(app: FastAPI) -> None:
    """Add the routes; they are not on the OpenAPI page, since their contract is that of CDS Hooks 2.0."""
    settings: CdsSettings = app.state.settings.cds
    trust = Trust(settings)
    if settings.params.fhir_servers:
        _refuse_without_httpx()

    async def refuse_strangers(request: Request, *paths: str) -> None:
        await trust.refuse_strangers(request.headers.get("authorization", ""), paths)

    @app.get(HOME, include_in_schema=False)
    async def discovery(request: Request) -> Response:
        await refuse_strangers(request, HOME)
        return json_response(discovered())

    @app.post(HOME + "/{service_id}", include_in_schema=False)
    async def call(request: Request, service_id: str) -> Response:
        await refuse_strangers(request, f"{HOME}/{service_id}")
        service = _service(service_id)
        asked = _asked(service, request_in(await json_of(request)))
        return json_response({"cards": await _cards(request, service, asked, settings)})

    @app.post(HOME + "/{service_id}/feedback", include_in_schema=False)
    async def feedback(request: Request, service_id: str) -> Response:
        await refuse_strangers(request, f"{HOME}/{service_id}/feedback", f"{HOME}/{service_id}")
        _service(service_id)
        entries = feedback_in(await json_of(request), request.app.state.settings.params.batch_cases)
        try:
            count = await asyncio.to_thread(stored, request.app.state.record, entries)
        except RecordError as error:
            event("the record refused feedback", logging.ERROR, **told(error))
            raise unrecorded(error) from None
        return json_response({"stored": count})


def _refuse_without_httpx() -> None:
    if importlib.util.find_spec("httpx") is None:
        raise ParamsError(
            "params.yaml: cds_hooks.fhir_servers needs httpx. Install the extra cds, or take the servers out."
        )


def _service(service_id: str) -> Service:
    if service_id not in services():
        raise ProblemError(NOT_FOUND, f"There is no such service. GET {HOME} says which there are.")
    return services()[service_id]


def _asked(service: Service, request: HookRequest) -> HookRequest:
    """The request where it is one of this service; else a problem."""
    if request.hook != service.hook:
        what = f"This service is for the hook {service.hook} alone."
        wrong = Mistake(pointer="#/hook", name=None, rule=OTHER_HOOK, detail=what)
        raise not_as_specified([wrong], BAD_JSON)
    if service.hook == "order-sign" and request.context.draftOrders is None:
        raise not_as_specified([mistake(("context", DRAFT_ORDERS), "missing")], BAD_JSON)
    return request


async def _cards(http: Request, service: Service, asked: HookRequest, settings: CdsSettings) -> list[dict[str, Any]]:
    """The cards of a call; none where it is about something else."""
    state = http.app.state
    known = await _known(service, asked, settings, state.settings.params.body_bytes)
    case = await asyncio.to_thread(
        case_in,
        asked,
        known,
        minimum_age_years=settings.minimum_age_years,
        oldest_months=settings.params.oldest_months,
        today=dt.date.today(),
    )
    page = f"{settings.params.base_url or str(http.base_url).rstrip('/')}/"
    if not case.is_concerned:
        return []
    if case.no_forecast and not case.has_red_flag:
        return [card_without_forecast(case.no_forecast, source_of(state.screener.provenance, page))]
    answer = await answered(state.screener, state.record, case.record)
    return [card_of(answer, case, state.screener, settings, page)]


async def _known(service: Service, asked: HookRequest, settings: CdsSettings, most_bytes: int) -> Mapping[str, Any]:
    """What is known by key of the prefetch: sent, or fetched where the client gave leave.

    Raises
    ------
    ProblemError
        412 where a key is lacking without which there is no answer.
    """
    found = prefetched(service, asked.prefetch)
    fetched = await _fetched(service, asked, found, settings, most_bytes) if found.lacking else {}
    unmet = [key for key in service.required if key in found.lacking and fetched.get(key) is None]
    if unmet:
        mistakes = [
            Mistake(
                pointer=f"#/prefetch/{key}",
                name=None,
                rule="prefetch",
                detail=f"prefetch.{key} is needed ({found.lacking[key]}): {service.prefetch[key]}",
            )
            for key in unmet
        ]
        raise ProblemError(UNMET, "Send what is listed, or give leave to read it. Nothing was answered.", mistakes)
    return {**found.known, **{key: resource for key, resource in fetched.items() if resource is not None}}


async def _fetched(
    service: Service, asked: HookRequest, found: Prefetched, settings: CdsSettings, most_bytes: int
) -> dict[str, Any]:
    """What is lacking, from the client's FHIR server, where that is allowed and the client gave leave."""
    server, leave = asked.fhirServer, asked.fhirAuthorization
    if not server or not leave or server.rstrip("/") not in settings.params.fhir_servers:
        return {}
    from pipeline.cds.fetching import fetched

    return await fetched(
        server,
        leave.access_token.get_secret_value(),
        {key: service.prefetch[key] for key in found.lacking},
        asked.context.model_dump(include={"patientId"}),
        seconds=settings.params.fetch_seconds,
        most_bytes=most_bytes,
    )
