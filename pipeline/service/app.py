"""The application: what can be asked, and where each question goes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from features.dictionary import Known
from models.screening import Screener
from models.workup import CauseFinder
from pipeline.cds.routes import add_cds_hooks
from pipeline.fhir.routes import add_fhir
from pipeline.prediction_record.errors import RecordError
from pipeline.prediction_record.store import Record
from pipeline.service import openapi
from pipeline.service.answering import Answerer, all_answered, answered, unrecorded
from pipeline.service.body import json_of, json_response
from pipeline.service.dictionary_page import dictionary_content
from pipeline.service.exporter import Exporter
from pipeline.service.guard import OPEN_TO_ALL, Guard
from pipeline.service.logs import event, told
from pipeline.service.past import answer_in, entries_of, inputs_in, later
from pipeline.service.problems import (
    INVALID,
    MISTAKES_LISTED,
    NOT_FOUND,
    OF_STATUS,
    UNRECORDED,
    Mistake,
    ProblemError,
    invalid,
    known_problems,
    problem_response,
)
from pipeline.service.request_model import ANSWERED, ASKED_AT, Checked, case_model, checked
from pipeline.service.settings import ServiceSettings

LEAST_FREE_BYTES = 10_000_000
"""Of the disk that holds the record; with less the service says that it is not ready."""
ELSEWHERE = {
    404: "Nothing is at this address. GET /openapi.json describes every address.",
    405: "See the Allow header.",
}
FIGURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For a drawing that is opened by itself; nothing in it can act."""


def create_app(settings: ServiceSettings, screener: Screener, finder: CauseFinder, record: Record) -> FastAPI:
    """The service as an ASGI application, over models that are loaded and a record that is open.

    While it runs, its exporter runs beside it.
    """
    app = FastAPI(
        title="Backcast",
        summary="Which planned operations on the lumbar spine will fail, and why",
        description="Every case was operated on, so nothing here says that surgery is worse than none.",
        version="1",
        docs_url=None,  # both pages load their scripts from another host
        redoc_url=None,
        lifespan=_lifespan,
        default_response_class=Response,
    )
    app.state.settings, app.state.record = settings, record
    app.state.screener, app.state.finder = screener, finder
    app.add_middleware(Guard, settings=settings)
    app.add_exception_handler(ProblemError, _as_problem)
    app.add_exception_handler(HTTPException, _as_known_problem)
    _add_questions(app)
    _add_predictions(app)
    _add_about(app)
    add_fhir(app)
    add_cds_hooks(app)
    _add_page(app)
    made_by_fastapi = app.openapi
    app.openapi = lambda: _openapi(app, made_by_fastapi)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI, made_by_fastapi: Any) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = openapi.with_components(made_by_fastapi(), OPEN_TO_ALL)
    return app.openapi_schema


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ServiceSettings = app.state.settings
    for moment in ANSWERED:
        case_model(moment)  # made once, before anybody waits
    exporter = Exporter(settings.record, settings.params.export_seconds) if settings.exports else None
    if exporter:
        exporter.start()
    event("ready", outcomes=len(settings.models), provenance=app.state.screener.provenance)
    try:
        yield
    finally:
        if exporter:
            await exporter.stop()


async def _as_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, ProblemError)
    return problem_response(problem, request.state.request_id, request.url.path)


async def _as_known_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = OF_STATUS.get(error.status_code, NOT_FOUND)
    words = ELSEWHERE.get(kind.status, kind.title + ".")
    problem = ProblemError(kind, words, headers=error.headers)
    return problem_response(problem, request.state.request_id, request.url.path)


# ---- questions -----------------------------------------------------------------------------------


class Question(NamedTuple):
    """What is asked of one case or of many: what may be known of them, who answers, and what the OpenAPI page says."""

    name: str
    known: Known
    answerer: Answerer
    answer: str
    """The name of its schema."""
    tag: str
    one: str
    many: str


def _add_questions(app: FastAPI) -> None:
    state = app.state
    planned = Question(
        name="screen",
        known="preoperative",
        answerer=state.screener,
        answer="Answer",
        tag="screening",
        one="One planned operation: risks with their reasons, sources of the pain, the plan held against them",
        many="planned operations",
    )
    failed = Question(
        name="workup",
        known="follow_up",
        answerer=state.finder,
        answer="WorkUpAnswer",
        tag="work-up",
        one="One operation that failed: causes ranked with what speaks for and against each, what to do next",
        many="operations that failed",
    )
    for question in (planned, failed):
        _add_question(app, question)
    _add_outcomes(app)


def _add_question(app: FastAPI, question: Question) -> None:
    most = app.state.settings.params.batch_cases
    case, _ = ASKED_AT[question.known]

    @app.post(
        f"/{question.name}",
        name=question.name,
        tags=[question.tag],
        summary=question.one,
        openapi_extra=openapi.takes(openapi.of(case)),
        responses=openapi.gives(openapi.of(question.answer), "The answer, as it was recorded", *openapi.BODY),
    )
    async def ask(request: Request) -> Response:
        case = _checked_case(await json_of(request), question.known)
        return json_response(await answered(question.answerer, request.app.state.record, case))

    @app.post(
        f"/{question.name}/batch",
        name=f"{question.name}_batch",
        tags=[question.tag],
        summary=f"Up to {most} {question.many}; with a mistake in one, none is answered",
        openapi_extra=openapi.takes(_list_of(case, most)),
        responses=openapi.gives(
            openapi.of(f"Batch{question.answer}"), "The answers, in the order of the cases", *openapi.BODY
        ),
    )
    async def ask_of_many(request: Request) -> Response:
        cases = await _checked_cases(await json_of(request), most, question.known)
        return json_response({"answers": await all_answered(question.answerer, request.app.state.record, cases)})


def _add_outcomes(app: FastAPI) -> None:
    most = app.state.settings.params.batch_cases

    @app.post(
        "/outcomes",
        tags=["follow-up"],
        summary="What became of cases, or the cause that was adjudicated, attached to their predictions by case_id",
        openapi_extra=openapi.takes({"oneOf": [openapi.of("FollowUp"), _list_of("FollowUp", most)]}),
        responses=openapi.gives(openapi.of("Attached"), "How many predictions have an outcome now", *openapi.BODY),
    )
    async def outcomes(request: Request) -> Response:
        body = await json_of(request)
        cases = await _checked_cases(body if isinstance(body, list) else [body], most, "adjudication")
        source = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        return json_response(await asyncio.to_thread(_attached, request.app, cases, source))


def _list_of(name: str, most: int) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": most, "items": openapi.of(name)}


def _checked_case(body: Any, known: Known) -> dict[str, Any]:
    found = checked(body, known=known)
    if found.mistakes:
        raise invalid(found.mistakes, found.unlisted)
    return found.record


async def _checked_cases(body: Any, most: int, known: Known) -> list[dict[str, Any]]:
    """Every case of a list; checked in a thread, since mistakes in many cost time."""
    if not isinstance(body, list) or not 1 <= len(body) <= most:
        what = f"A list of 1 to {most} cases is expected."
        raise ProblemError(INVALID, what, [Mistake(pointer="#", name=None, rule="not_a_list", detail=what)])
    found = await asyncio.to_thread(_all_checked, body, known)
    mistakes = [mistake for one in found for mistake in one.mistakes]
    if mistakes:
        raise invalid(mistakes, sum(one.unlisted for one in found))
    return [one.record for one in found]


def _all_checked(body: list[Any], known: Known) -> list[Checked]:
    """Each case checked, until there are more mistakes than are listed."""
    found, count = [], 0
    for place, case in enumerate(body):
        found.append(checked(case, f"#/{place}", known))
        count += len(found[-1].mistakes)
        if count > MISTAKES_LISTED:
            break
    return found


def _attached(app: FastAPI, cases: list[dict[str, Any]], source: str) -> dict[str, int]:
    from pipeline.service.followup import attached  # its check of tables takes long to load, and is seldom needed

    state = app.state
    try:
        return asdict(attached(state.record, cases, state.settings.outcomes, source))
    except RecordError as error:
        event("the record refused outcomes", logging.ERROR, **told(error))
        raise unrecorded(error) from None


# ---- predictions ---------------------------------------------------------------------------------


def _add_predictions(app: FastAPI) -> None:
    @app.get(
        "/predictions/{prediction_id}",
        tags=["past answers"],
        summary="A past answer, as it was given, with what was attached to it since",
        responses=openapi.gives(
            {"oneOf": [openapi.of("Answer"), openapi.of("WorkUpAnswer")]}, "The answer", *openapi.LOOK
        ),
    )
    async def prediction(request: Request, prediction_id: str) -> Response:
        entries = await asyncio.to_thread(entries_of, request.app.state.settings.record, prediction_id)
        return json_response({**answer_in(entries), "later": [later(kept) for kept in entries[1:]]})

    @app.get(
        "/predictions/{prediction_id}/case",
        tags=["past answers"],
        summary="What was recorded of the case, as it was asked about; without keys and days, which are not kept",
        responses=openapi.gives({"type": "object"}, "Variables by name", *openapi.LOOK),
    )
    async def past_case(request: Request, prediction_id: str) -> Response:
        entries = await asyncio.to_thread(entries_of, request.app.state.settings.record, prediction_id)
        return json_response(inputs_in(entries))

    @app.get(
        "/predictions/{prediction_id}/figure.svg",
        tags=["past answers"],
        summary="Expected over reported pain on a body, with the lesions and what is planned or was operated on",
        responses=openapi.gives({"type": "string"}, "A drawing, as image/svg+xml", *openapi.LOOK),
    )
    async def figure(request: Request, prediction_id: str) -> Response:
        drawing = await asyncio.to_thread(_figure, request.app.state.settings.record, prediction_id)
        headers = {"Content-Security-Policy": FIGURE_POLICY}
        return Response(drawing.encode(), media_type="image/svg+xml", headers=headers)


def _figure(record: Path, prediction_id: str) -> str:
    from models.body_figure import body_figure
    from models.screening import picture_of

    return body_figure(
        picture_of(answer_in(entries_of(record, prediction_id))["picture"]), "Pain expected and reported"
    )


# ---- about the service ---------------------------------------------------------------------------


def _add_about(app: FastAPI) -> None:
    anything: dict[str, Any] = {"type": "object"}

    @app.get(
        "/health",
        tags=["service"],
        summary="The process lives",
        responses=openapi.gives(anything, "It lives"),
    )
    async def health() -> Response:
        return json_response({"status": "alive"})

    @app.get(
        "/ready",
        tags=["service"],
        summary="It has models, leave to write and room on the disk",
        responses=openapi.gives(anything, "It can answer", UNRECORDED),
    )
    async def ready(request: Request) -> Response:
        state = request.app.state
        if not await asyncio.to_thread(_can_record, state.settings.record):
            raise ProblemError(UNRECORDED, "The disk that holds the record is full, or may not be written.")
        return json_response({"status": "ready", "outcomes": [p.bundle.outcome for p in state.screener.predictors]})

    @app.get(
        "/models",
        tags=["service"],
        summary="What is served, with hash and provenance",
        responses=openapi.gives(anything, "Served", *openapi.HELD),
    )
    async def models(request: Request) -> Response:
        return json_response({"models": _models(request.app), "causes": _causes(request.app)})

    @app.get(
        "/dictionary",
        tags=["service"],
        summary="Every variable with label, unit, range and choices",
        responses=openapi.gives(anything, "Variables", *openapi.OPEN),
    )
    async def dictionary() -> Response:
        return json_response(dictionary_content())

    @app.get(
        "/problems",
        tags=["service"],
        summary="The kinds of problem it may answer with",
        responses=openapi.gives(anything, "Their kinds", *openapi.OPEN),
    )
    async def problems() -> Response:
        return json_response({"problems": known_problems()})


def _can_record(record: Path) -> bool:
    """Whether there is room, and leave to write; asked without opening the file.

    The system drops all locks that a process has on a file when the process closes it once, and SQLite's
    would be among them.
    """
    return os.access(record, os.W_OK) and shutil.disk_usage(record.parent).free >= LEAST_FREE_BYTES


def _models(app: FastAPI) -> list[dict[str, Any]]:
    """What is served: enough to find each model again, and what it is based on."""
    screener = app.state.screener
    return [
        {
            "outcome": predictor.bundle.outcome,
            "label": predictor.bundle.outcome_label,
            "horizon_months": predictor.bundle.horizon_months,
            "uri": uri,
            "sha256": predictor.sha256,
            "learner": predictor.bundle.learner,
            "explanation": predictor.bundle.model.explanation,
            "provenance": predictor.bundle.provenance,
            "development": dict(predictor.bundle.development),
            "predictors": len(predictor.names),
        }
        for predictor, uri in zip(screener.predictors, screener.uris, strict=True)
    ]


def _causes(app: FastAPI) -> dict[str, Any]:
    """The model of the causes of failed operations: knowledge, so without a development."""
    finder = app.state.finder
    return {
        "question": finder.model.question,
        "uri": finder.uri,
        "sha256": finder.model.sha256,
        "provenance": finder.model.provenance,
        "causes": [{"cause": cause.name, "label": cause.label} for cause in finder.model.causes],
        "findings": len(finder.model.findings),
    }


def _add_page(app: FastAPI) -> None:
    """The screening page at the root, with its scripts."""
    from starlette.staticfiles import StaticFiles

    from pipeline.service.page.render import STATIC, screening_page

    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        is_virtual = app.state.screener.provenance == "virtual"
        return Response(screening_page(is_virtual).encode(), media_type="text/html")
