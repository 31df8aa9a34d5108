"""In which format an answer in FHIR is asked for: JSON is given, and a client that asks for another is told so."""

from __future__ import annotations

import re

from starlette.requests import Request

from pipeline.fhir.operation_outcome import FHIR_MEDIA_TYPE
from pipeline.service.body import PLAIN
from pipeline.service.problems import NOT_OFFERED, ProblemError

KINDS = (FHIR_MEDIA_TYPE, PLAIN)
"""Media types that a body may have, and that an answer may be asked for by; it always has the first."""
RANGES = (*KINDS, "application/*", "*/*")
"""What an Accept header may call them, the most specific first."""
FORMATS = (*KINDS, "json")
"""What `_format` may call them."""
UNWANTED = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)", re.IGNORECASE)


async def refuse_other_formats(request: Request) -> None:
    """Look at a request before anything is answered.

    `_format` comes before the header `Accept`, as FHIR has it for clients that cannot set the header; without
    either, any format will do.

    Raises
    ------
    ProblemError
        406 where the answer is asked for in a format that is not offered, such as XML.
    """
    named = request.query_params.get("_format")
    is_offered = _is_json(named) if named else accepts_json(",".join(request.headers.getlist("accept")))
    if not is_offered:
        raise ProblemError(NOT_OFFERED, f"Ask for {FHIR_MEDIA_TYPE}, by the header Accept or as _format=json.")


def _is_json(named: str) -> bool:
    kind = named.partition(";")[0].strip().lower()
    return kind.replace(" ", "+") in FORMATS  # in an address, a plus that is not escaped stands for a space


def accepts_json(accept: str) -> bool:
    """Whether a header `Accept` takes JSON; of the ranges that do, the most specific decides (RFC 9110, 12.5.1).

    >>> accepts_json("application/fhir+xml, application/fhir+json;q=0.5"), accepts_json("application/fhir+xml")
    (True, False)
    >>> accepts_json("*/*"), accepts_json("*/*, application/fhir+json;q=0"), accepts_json("")
    (True, False, True)
    """
    ranges = [one.strip() for one in accept.split(",") if one.strip()]
    wanted = {one.partition(";")[0].strip().lower(): UNWANTED.search(one) is None for one in ranges}
    return not ranges or next((wanted[name] for name in RANGES if name in wanted), False)
