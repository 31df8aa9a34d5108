"""From a checked record to a recorded answer: nothing is answered that is not on disk.

Both questions come this way, that before an operation and that after one that failed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from models.cause_model import CauseModel
from models.predictor import RiskPredictor
from models.screening import Screener
from models.workup import CauseFinder
from pipeline.prediction_record.chain import canonical
from pipeline.prediction_record.errors import RecordError, RecordFullError
from pipeline.prediction_record.store import Receipt, Record, kept_inputs
from pipeline.service.problems import NO_ROOM, UNRECORDED, ProblemError
from pipeline.service.settings import ServiceSettings

AT_ONCE = 10
"""Cases of a batch that are answered before others may have their turn."""
CaseRecord = Mapping[str, Any]
SOMEBODY = {"age_years": 50.0, "operated_decompression_l4_l5_left": 1.0}
"""A record that is answered before anybody waits."""


class Answerer(Protocol):
    """Answers a question on each of many records."""

    def answers(self, records: Sequence[CaseRecord]) -> list[dict[str, Any]]: ...


def load_screener(settings: ServiceSettings) -> Screener:
    """The models, loaded and warm: the first request is as fast as the next."""
    uris = [uri for uri, _ in settings.models]
    screener = Screener([RiskPredictor.load(folder) for _, folder in settings.models], uris)
    screener.answers([SOMEBODY])
    return screener


def load_cause_finder(settings: ServiceSettings) -> CauseFinder:
    """The same for the question after an operation: its knowledge, loaded and warm."""
    uri, folder = settings.causes
    finder = CauseFinder(CauseModel.load(folder), uri)
    finder.answers([SOMEBODY])
    return finder


async def answered(answerer: Answerer, record: Record, case: CaseRecord) -> dict[str, Any]:
    """The answer to one case, recorded. It is computed at once: a few milliseconds, less than a thread costs."""
    answer = _answers(answerer, [case])[0]
    return (await _recorded(record, [case], [answer]))[0]


async def all_answered(answerer: Answerer, record: Record, cases: Sequence[CaseRecord]) -> list[dict[str, Any]]:
    """The answers to many cases, in their order, while others are answered in between."""
    answers: list[dict[str, Any]] = []
    for start in range(0, len(cases), AT_ONCE):
        answers += await asyncio.to_thread(_answers, answerer, cases[start : start + AT_ONCE])
    return await _recorded(record, cases, answers)


def _answers(answerer: Answerer, cases: Sequence[CaseRecord]) -> list[dict[str, Any]]:
    return [
        {"input_sha256": input_sha256(case, answer), **answer}
        for case, answer in zip(cases, answerer.answers(cases), strict=True)
    ]


async def _recorded(
    record: Record, cases: Sequence[CaseRecord], answers: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The answers with their receipts, once all are on disk.

    A request that is given up does not take its entry back: what was submitted is written.
    """
    try:
        submitted = [record.submit(answer, case) for case, answer in zip(cases, answers, strict=True)]
        written = await asyncio.gather(*(asyncio.shield(asyncio.wrap_future(job)) for job in submitted))
    except RecordError as error:
        raise unrecorded(error) from None
    return [with_receipt(answer, receipts[0]) for answer, receipts in zip(answers, written, strict=True)]


def unrecorded(error: RecordError) -> ProblemError:
    """An error of the record as a problem, in words that name no place on this machine."""
    if isinstance(error, RecordFullError):
        return ProblemError(NO_ROOM, "There is no room for another entry. Nothing was recorded; ask again later.")
    return ProblemError(UNRECORDED, "Nothing was recorded. Whoever runs the service finds the reason in its log.")


def with_receipt(answer: Mapping[str, Any], receipt: Receipt) -> dict[str, Any]:
    return {
        "prediction_id": receipt.prediction_id,
        "made_at": receipt.made_at,
        "record_sha256": receipt.sha256,
        **answer,
    }


def input_sha256(case: CaseRecord, answer: Mapping[str, Any]) -> str:
    """SHA-256 of what was recorded of a case, as canonical JSON; the same case, the same hash, whoever it is.

    Keys and days do not enter; what a work-up takes from its days is how many months lie between them.

    >>> one, same = {"age_years": 61.0, "case_id": "C1"}, {"case_id": "C2", "age_years": 61.0}
    >>> input_sha256(one, {}) == input_sha256(same, {})
    True
    """
    said = {name: value for name, value in case.items() if name in kept_inputs() and value is not None}
    months = answer.get("course", {}).get("months_since_operation")
    if months is not None:
        said["months_since_operation"] = months
    return hashlib.sha256(canonical(said).encode("ascii")).hexdigest()
