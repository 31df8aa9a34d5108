"""Past answers out of the prediction record, for whoever asks with an id."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from features.errors import CaseNotFoundError
from pipeline.prediction_record.errors import RecordError
from pipeline.prediction_record.reading import Kept, open_record
from pipeline.prediction_record.store import Receipt
from pipeline.service.answering import unrecorded, with_receipt
from pipeline.service.logs import event, told
from pipeline.service.problems import ERASED, NOT_FOUND, ProblemError

PREDICTION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def entries_of(record: Path, prediction_id: str) -> list[Kept]:
    """A prediction that has its content, and what was attached to it.

    Raises
    ------
    ProblemError
        404 where the record has no such prediction, 410 where it was erased, 503 where it cannot be read.
    """
    missing = ProblemError(NOT_FOUND, "The record has no such prediction. Check the prediction_id.")
    if not PREDICTION_ID.fullmatch(prediction_id):
        raise missing
    try:
        with open_record(record) as reader:
            entries = reader.entries_of(prediction_id)
    except CaseNotFoundError:
        raise missing from None
    except RecordError as error:
        event("the record cannot be read", logging.ERROR, **told(error))
        raise unrecorded(error) from None
    if entries[0].content is None:
        raise ProblemError(ERASED, "That it was made is still in the record; what it said is not.")
    return entries


def answer_in(entries: list[Kept]) -> dict[str, Any]:
    """The answer as it was given, with its receipt."""
    first = entries[0]
    assert first.content is not None
    entry = first.entry
    receipt = Receipt(entry.prediction_id, entry.sequence, entry.made_at, entry.sha256)
    return with_receipt(first.content["answer"], receipt)


def inputs_in(entries: list[Kept]) -> dict[str, Any]:
    """What the answer was made from: variables by name, without keys and days."""
    first = entries[0]
    assert first.content is not None
    inputs: dict[str, Any] = first.content["inputs"]
    return inputs


def later(kept: Kept) -> dict[str, Any]:
    """An entry that was attached to an answer."""
    return {"kind": kept.entry.kind, "made_at": kept.entry.made_at, "content": kept.content}
