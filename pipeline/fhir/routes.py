"""The FHIR side of the service: one case in resources answered, past answers as resources, the forms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response

from pipeline.fhir.capability import capability_statement, screen_operation
from pipeline.fhir.findings import Finding, refused
from pipeline.fhir.formats import KINDS, refuse_other_formats
from pipeline.fhir.names import form_id
from pipeline.fhir.operation_outcome import FHIR_MEDIA_TYPE, operation_outcome
from pipeline.fhir.questionnaires import forms, questionnaire, questionnaires
from pipeline.fhir.reading import case_of
from pipeline.fhir.risk_assessment import named, provenance, pseudonymous, risk_assessment
from pipeline.prediction_record.reading import Kept
from pipeline.service.answering import answered
from pipeline.service.body import json_of, json_response
from pipeline.service.openapi import BODY, HELD, LOOK, OPEN
from pipeline.service.past import answer_in, entries_of
from pipeline.service.problems import BAD_FHIR, ERASED, NOT_FOUND, NOT_OFFERED, UNFIT, UNRECORDED, Kind, ProblemError

Json = dict[str, Any]
UNPARSED = ("specification", "not_a_resource", "nested")
"""Rules whose breach means that what was sent is no FHIR at all."""


def fhir_response(resource: Mapping[str, Any]) -> Response:
    return json_response(resource, FHIR_MEDIA_TYPE)


def add_fhir(app: FastAPI) -> None:
    """The addresses below `/fhir/`; every problem there is an OperationOutcome."""
    router = APIRouter(prefix="/fhir", tags=["fhir"], dependencies=[Depends(refuse_other_formats)])
    _add_screen(router)
    _add_past(router)
    _add_forms(router)
    app.include_router(router)


def _add_screen(router: APIRouter) -> None:
    @router.post(
        "/$screen",
        summary="One planned operation in FHIR resources: RiskAssessment and Provenance, and what was not used",
        openapi_extra={"requestBody": {"required": True, "content": {FHIR_MEDIA_TYPE: {"schema": RESOURCE}}}},
        responses=_gives("A Bundle of the answer, as it was recorded", *BODY),
    )
    async def screen(request: Request) -> Response:
        state = request.app.state
        body = await json_of(request, KINDS)
        if not isinstance(body, dict) or "resourceType" not in body:
            raise _unfit([refused("", "not_a_resource", "is no FHIR resource. Send a Bundle.", kind="structure")])
        case = await asyncio.to_thread(case_of, body)
        if case.problems:
            raise _unfit(case.problems)
        if not set(case.record) - NOT_ASKED:
            raise _unfit([*case.unmapped, NOTHING])
        answer = await answered(state.screener, state.record, case.record)
        subject = named(str(case.record.get("patient_id", ""))) or pseudonymous(None)
        resources = [risk_assessment(answer, case.record, subject), provenance(answer)]
        if case.unmapped:
            resources.append(operation_outcome(case.unmapped))
        return fhir_response(_bundle(request, "collection", resources))


def _add_past(router: APIRouter) -> None:
    @router.get(
        "/RiskAssessment/{prediction_id}",
        summary="A past answer as a RiskAssessment; the patient is named by the pseudonym of the record",
        responses=_gives("The RiskAssessment", *LOOK),
    )
    async def past(request: Request, prediction_id: str) -> Response:
        kept = await _recorded(request, prediction_id)
        content = kept[0].content or {}
        return fhir_response(risk_assessment(answer_in(kept), content["inputs"], pseudonymous(content["patient"])))

    @router.get(
        "/Provenance/{prediction_id}",
        summary="Which models made a past answer, and from what",
        responses=_gives("The Provenance", *LOOK),
    )
    async def origin(request: Request, prediction_id: str) -> Response:
        return fhir_response(provenance(answer_in(await _recorded(request, prediction_id))))

    @router.get(
        "/Provenance",
        summary="The Provenance of a RiskAssessment",
        responses=_gives("A Bundle of it, or of nothing", UNRECORDED, *HELD),
    )
    async def origins(request: Request, target: str = "") -> Response:
        prediction_id = target.removeprefix(f"{_base(request)}/").removeprefix("RiskAssessment/")
        try:
            found = [provenance(answer_in(await _recorded(request, prediction_id)))]
        except ProblemError as problem:
            if problem.kind not in (NOT_FOUND, ERASED):
                raise
            found = []  # a search that finds nothing is no mistake in FHIR
        return fhir_response(_bundle(request, "searchset", found))


def _add_forms(router: APIRouter) -> None:
    by_id = {form_id(form): form for form in forms()}

    @router.get("/metadata", responses=_gives("CapabilityStatement", *OPEN))
    async def metadata(request: Request) -> Response:
        return fhir_response(capability_statement(_base(request)))

    @router.get("/OperationDefinition/screen", responses=_gives("Of $screen", *HELD))
    async def operation() -> Response:
        return fhir_response(screen_operation())

    @router.get("/Questionnaire", responses=_gives("All forms", *HELD))
    async def every_form(request: Request) -> Response:
        return fhir_response(_bundle(request, "searchset", questionnaires()))

    @router.get("/Questionnaire/{form}", responses=_gives("A form", NOT_FOUND, *HELD))
    async def one_form(form: str) -> Response:
        if form not in by_id:
            raise ProblemError(NOT_FOUND, f"The forms are {', '.join(by_id)}.")
        return fhir_response(questionnaire(by_id[form]))


# ---- parts -----------------------------------------------------------------------------------------

RESOURCE: Json = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}}
NOT_ASKED = frozenset({"case_id", "patient_id", "centre_id", "index_date", "record_origin"})
NOTHING = Finding(
    at="", severity="error", kind="required", rule="nothing_recorded",
    detail="Nothing in what was sent says anything of a case, so there is nothing to answer.",
)  # fmt: skip


def _unfit(findings: Sequence[Finding]) -> ProblemError:
    """All problems of a case at once."""
    errors = sum(finding.severity == "error" for finding in findings)
    kind = BAD_FHIR if any(finding.rule in UNPARSED for finding in findings) else UNFIT
    words = f"{errors} problem{'s' if errors > 1 else ''}. Nothing was answered, and nothing recorded."
    return ProblemError(kind, words, findings=findings)


async def _recorded(request: Request, prediction_id: str) -> list[Kept]:
    kept = await asyncio.to_thread(entries_of, request.app.state.settings.record, prediction_id)
    if kept[0].is_workup:
        raise ProblemError(NOT_FOUND, "That answer is of a work-up after an operation, which is no RiskAssessment.")
    return kept


def _bundle(request: Request, kind: str, resources: Sequence[Mapping[str, Any]]) -> Json:
    entries = [
        {"fullUrl": f"{_base(request)}/{one['resourceType']}/{one['id']}", "resource": one}
        if "id" in one
        else {"resource": one}
        for one in resources
    ]
    total = {"total": len(entries)} if kind == "searchset" else {}
    bundle = {"resourceType": "Bundle", "type": kind, **total}
    return {**bundle, "entry": entries} if entries else bundle


def _base(request: Request) -> str:
    """The address of FHIR here: as clients call the service where that is set, else as this one named it."""
    named = request.app.state.settings.cds.params.base_url or str(request.base_url).rstrip("/")
    return f"{named}/fhir"


def _gives(words: str, *kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """What an operation answers; problems are OperationOutcomes."""
    content = {FHIR_MEDIA_TYPE: {"schema": RESOURCE}}
    problems: dict[int | str, dict[str, Any]] = {
        kind.status: {"description": "An OperationOutcome that says why", "content": content}
        for kind in (NOT_OFFERED, *kinds)
    }
    return {200: {"description": words, "content": content}, **problems}
