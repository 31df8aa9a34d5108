"""What clinicians made of the cards: read as CDS Hooks defines it, and stored beside the predictions, each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from pipeline.cds.cards import OVERRIDE_REASONS, OVERRIDE_SYSTEM, suggestions_of
from pipeline.cds.request import MaybeText, Said, Text, mistake, not_as_specified, read
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record
from pipeline.service.problems import BAD_JSON, INVALID, NOT_FOUND, Mistake, ProblemError

PREDICTION_ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
OF_THE_CLIENT = "of_the_client"
"""Stands for a reason that is none of ours; as it was given it stands beside."""


class Coding(Said):
    code: Text
    system: MaybeText = None
    display: MaybeText = None


class AcceptedSuggestion(Said):
    id: Text


class OverrideReason(Said):
    reason: Coding | None = None
    userComment: MaybeText = None


class Feedback(Said):
    """What was done with one card."""

    card: str = Field(pattern=PREDICTION_ID)
    outcome: Literal["accepted", "overridden"]
    outcomeTimestamp: AwareDatetime
    acceptedSuggestions: tuple[AcceptedSuggestion, ...] = Field(default=(), max_length=20)
    overrideReason: OverrideReason | None = None


class FeedbackRequest(Said):
    feedback: list[Feedback] = Field(min_length=1)


def feedback_in(body: Any, most: int) -> list[tuple[str, dict[str, Any]]]:
    """The entries for the record in a body: the id of a prediction, and what was made of it.

    Whether it was accepted and why not stand as plain words, which may go to MLflow. What people wrote, and
    when, stands below `given`, which stays in the record.

    Raises
    ------
    ProblemError
        400 for what is not as CDS Hooks defines it, 422 for what contradicts itself; all mistakes at once.
    """
    said = read(FeedbackRequest, body, BAD_JSON).feedback
    if len(said) > most:
        raise not_as_specified([mistake(("feedback",), "too_long")], BAD_JSON)
    contradictions = [one for place, each in enumerate(said) for one in _contradictions(each, f"#/feedback/{place}")]
    if contradictions:
        raise ProblemError(INVALID, "The feedback contradicts itself. Nothing was stored.", contradictions)
    return [(each.card, _content(each)) for each in said]


def _contradictions(said: Feedback, at: str) -> list[Mistake]:
    known = suggestions_of(said.card)
    found = []
    if said.outcome == "accepted" and not said.acceptedSuggestions:
        found.append(("acceptedSuggestions", "An accepted card needs the suggestions that were accepted."))
    if said.outcome == "overridden" and said.acceptedSuggestions:
        found.append(("acceptedSuggestions", "A card that was overridden has no accepted suggestions."))
    if said.outcome == "accepted" and said.overrideReason:
        found.append(("overrideReason", "An accepted card has no reason to override it."))
    if any(one.id not in known for one in said.acceptedSuggestions):
        found.append(("acceptedSuggestions", "A suggestion is none of this card."))
    return [Mistake(pointer=f"{at}/{name}", name=None, rule="contradiction", detail=words) for name, words in found]


def _content(said: Feedback) -> dict[str, Any]:
    given: dict[str, Any] = {"at": said.outcomeTimestamp.isoformat()}
    content: dict[str, Any] = {"outcome": said.outcome}
    if said.acceptedSuggestions:
        known = suggestions_of(said.card)
        content["accepted"] = ", ".join(sorted({known[one.id] for one in said.acceptedSuggestions}))
    if said.overrideReason:
        reason, comment = said.overrideReason.reason, said.overrideReason.userComment
        if reason:
            is_own = reason.code in OVERRIDE_REASONS and reason.system in (None, OVERRIDE_SYSTEM)
            content["reason"] = reason.code if is_own else OF_THE_CLIENT
            given["reason"] = reason.model_dump(exclude_none=True)
        if comment:
            given["comment"] = comment
    return {**content, "given": given}


def stored(record: Record, entries: Sequence[tuple[str, dict[str, Any]]]) -> int:
    """Store feedback, all of it or none; how many entries there are now more.

    Raises
    ------
    ProblemError
        404 where a card is of no prediction that the record holds.
    RecordError
        If the record cannot be written.
    """
    with open_record(record.path) as reader:
        unknown = {card for card, _ in entries if not reader.has_content(card)}
    if unknown:
        what = f"{len(unknown)} of the cards are of no prediction in the record, or of one that was erased."
        raise ProblemError(NOT_FOUND, f"{what} Nothing was stored.")
    return len(record.attach_all_feedback(entries))
