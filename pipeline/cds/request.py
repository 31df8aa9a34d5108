"""What a client sends: read by a model of CDS Hooks 2.0, with every mistake in it at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from pipeline.service.problems import BAD_JSON, Kind, Mistake, ProblemError

FHIR_ID = r"^[A-Za-z0-9.-]{1,64}$"
SAID = {
    "missing": "is missing",
    "uuid_parsing": "is no UUID",
    "literal_error": "is none of the words that CDS Hooks has for it",
    "string_type": "is no text",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "is not written as CDS Hooks writes it",
    "list_type": "is no list",
    "too_short": "is empty",
    "too_long": "is too long",
    "timezone_aware": "does not say its time zone; Z is UTC",
}
"""What is wrong, by pydantic's word for it; what is not here is of another type than CDS Hooks gives it."""
Model = TypeVar("Model", bound=BaseModel)


class Said(BaseModel):
    """Part of a request; what CDS Hooks may add later, and extensions, are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


def _absent(value: Any) -> Any:
    """Nothing where a member that may be left out is null or empty, which CDS Hooks forbids and systems send."""
    return None if value in ("", [], {}) else value


Text = Annotated[str, Field(min_length=1, max_length=2000)]
MaybeText = Annotated[Text | None, BeforeValidator(_absent)]


class FhirAuthorization(Said):
    """Leave to read from the client's FHIR server; the token is never written anywhere."""

    access_token: SecretStr = Field(min_length=1, max_length=8000)
    token_type: Literal["Bearer"]
    expires_in: int
    scope: Text
    subject: Text


class Context(Said):
    """Where the clinician is; `draftOrders` in `order-sign` alone."""

    userId: Text
    patientId: str = Field(pattern=FHIR_ID)
    encounterId: MaybeText = None
    draftOrders: dict[str, Any] | None = None


class HookRequest(Said):
    """A call of a service. The prefetch may be absent; of its keys each may be absent, null, or hold a resource."""

    hook: Text
    hookInstance: UUID
    context: Context
    fhirServer: MaybeText = None
    fhirAuthorization: Annotated[FhirAuthorization | None, BeforeValidator(_absent)] = None
    prefetch: dict[str, Any] | None = None


def request_in(body: Any) -> HookRequest:
    """The call in a JSON body.

    Raises
    ------
    ProblemError
        400 with every mistake, none of which holds what was sent.
    """
    request = read(HookRequest, body, BAD_JSON)
    if request.fhirAuthorization and not request.fhirServer:
        raise not_as_specified([mistake(("fhirServer",), "missing")], BAD_JSON)
    return request


def read(model: type[Model], body: Any, kind: Kind) -> Model:
    """A body as a model of it, or a problem of that kind."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise not_as_specified([mistake(one["loc"], one["type"]) for one in found], kind) from None


def not_as_specified(mistakes: Sequence[Mistake], kind: Kind) -> ProblemError:
    return ProblemError(kind, "The body is not what CDS Hooks 2.0 defines. Nothing was answered.", mistakes)


def mistake(place: Sequence[str | int], rule: str) -> Mistake:
    """What is wrong at a place, in words.

    >>> mistake(("context", "patientId"), "missing").detail
    'context.patientId is missing.'
    """
    steps = [str(step) for step in place]
    what = SAID.get(rule, "is not of the type that CDS Hooks gives it")
    return Mistake(
        pointer="#" + "".join(f"/{step}" for step in steps),
        name=None,
        rule=rule,
        detail=f"{'.'.join(steps) or 'The body'} {what}.",
    )
