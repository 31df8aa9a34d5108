"""What a client did not send, read from its FHIR server with the leave it gave for this one call.

Only servers that `params.yaml` names are asked: the address comes with the request, and a service that asks
whatever address it is given asks for others. The token is used here and kept nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from pipeline.cds.prefetch import is_failure, next_page
from pipeline.cds.services import filled
from pipeline.service.body import parsed
from pipeline.service.problems import ProblemError

MOST_PAGES = 5
NOTHING_THERE = (404, 410)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each address, and an address names the patient


class NotFetchedError(Exception):
    """What was asked for did not come; its text holds nothing that was received."""


async def fetched(
    server: str,
    token: str,
    templates: Mapping[str, str],
    context: Mapping[str, Any],
    *,
    seconds: float,
    most_bytes: int,
) -> dict[str, Any]:
    """What a FHIR server holds for each template, asked at once; without the keys for which nothing came in time.

    Parameters
    ----------
    server : str
        Base address, one that is allowed.
    templates : mapping
        Of the prefetch, by key.
    seconds : float
        For all of them together.
    most_bytes : int
        Of one page.

    Returns
    -------
    dict
        By key a resource or a list of them; None where the server says that there is none.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}
    async with httpx.AsyncClient(verify=_trusted_authorities(), headers=headers, timeout=seconds) as client:
        jobs = {
            key: asyncio.create_task(_pages(client, server.rstrip("/") + "/" + filled(template, context), most_bytes))
            for key, template in templates.items()
        }
        done, late = await asyncio.wait(jobs.values(), timeout=seconds) if jobs else (set(), set())
        for job in late:
            job.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    return {
        key: job.result() for key, job in jobs.items() if job in done and not isinstance(job.exception(), Exception)
    }


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """What the machine trusts; made once, since it takes longer than a request."""
    return ssl.create_default_context()


async def _pages(client: httpx.AsyncClient, address: str, most_bytes: int) -> Any:
    """A resource, or every page of a search."""
    pages: list[Any] = []
    following: str | None = address
    while following and len(pages) < MOST_PAGES:
        if urlsplit(following)[:2] != urlsplit(address)[:2]:
            raise NotFetchedError("The next page is on another server.")
        page = await _one(client, following, most_bytes)
        if page is None:
            return None
        pages.append(page)
        following = next_page(page)
        following = urljoin(address, following) if following else None
    if following:
        raise NotFetchedError(f"There are more than {MOST_PAGES} pages.")
    return pages[0] if len(pages) == 1 else pages


async def _one(client: httpx.AsyncClient, address: str, most_bytes: int) -> Any:
    async with client.stream("GET", address) as response:
        if response.status_code in NOTHING_THERE:
            return None
        if response.status_code != httpx.codes.OK:
            raise NotFetchedError(f"The FHIR server answered with {response.status_code}.")
        parts, size = [], 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > most_bytes:
                raise NotFetchedError("The answer of the FHIR server is too large.")
            parts.append(part)
    try:
        resource = parsed(b"".join(parts))
    except ProblemError:
        raise NotFetchedError("The answer of the FHIR server is no JSON.") from None
    if is_failure(resource):
        raise NotFetchedError("The FHIR server answered with an error.")
    return resource
