"""Bodies: that of a request, read within its limits and taken apart as strict JSON, and that of an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pipeline.params import ServiceParams
from pipeline.service.problems import BAD_JSON, SLOW, TOO_LARGE, WRONG_TYPE, ProblemError

PLAIN = "application/json"


def json_response(content: Any, media_type: str = PLAIN) -> Response:
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(body.encode(), media_type=media_type)


async def json_of(request: Request, kinds: Sequence[str] = (PLAIN,)) -> Any:
    """The JSON value of a body; the settings say how long it may be, and in which time it must arrive.

    Parameters
    ----------
    kinds : media types that it may have, the usual one first

    Raises
    ------
    ProblemError
        415 for another content type, 413 beyond the limit, 408 when it takes too long, 400 for what is no
        JSON: text that is not UTF-8, a name given twice, NaN or infinity, brackets within brackets without end.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise ProblemError(WRONG_TYPE, f"Send the record as JSON, with the header Content-Type: {kinds[0]}.")
    params: ServiceParams = request.app.state.settings.params
    seconds = params.body_seconds
    try:
        async with asyncio.timeout(seconds):
            raw = await _bytes_of(request, params.body_bytes)
    except TimeoutError:
        raise ProblemError(SLOW, f"The body did not arrive within {seconds:g} seconds. Send it again.") from None
    except ClientDisconnect:
        raise ProblemError(BAD_JSON, "The body ended early.") from None
    return parsed(raw)


async def _bytes_of(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return b"".join(parts)


def too_large(limit: int) -> ProblemError:
    return ProblemError(TOO_LARGE, f"The body may have {limit:,} bytes. Send fewer cases at once.")


def parsed(raw: bytes) -> Any:
    """Strict JSON: each name once, and no number that JSON does not have."""
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_each_name_once, parse_constant=_refuse_constant)
    except ProblemError:
        raise
    except UnicodeDecodeError:
        raise ProblemError(BAD_JSON, "The body is not UTF-8.") from None
    except RecursionError:
        raise ProblemError(BAD_JSON, "The body is nested too deeply. A record is one flat object.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemError(BAD_JSON, f"The body is no JSON: see {where}.") from None
    except ValueError:
        raise ProblemError(BAD_JSON, "The body holds a number with too many digits.") from None


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ProblemError(BAD_JSON, "A name stands twice in one object, so its value is not certain. Send it once.")
    return content


def _refuse_constant(_: str) -> None:
    raise ProblemError(BAD_JSON, "NaN and Infinity are no JSON. What is not recorded is left out, or null.")
