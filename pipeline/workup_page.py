"""The answer to one failed operation as a page that prints on one sheet, drawn from the answer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

from features.treatment_plan import AT_ONCE
from models.body_figure import body_figure
from models.course_figure import course_figure
from models.screening import picture_of
from models.workup_story import TOLD
from pipeline.reporting.page import rendered

PIECES = 4
"""Findings for and against a cause that the page holds; more are counted."""
TABLED = 6
"""Causes with a row of their own."""
MUCH = 4300
"""Letters of a story from which a page prints smaller, so that it stays on one sheet."""


def workup_page(answer: Mapping[str, Any], title: str) -> str:
    """A page of HTML that needs no other file.

    Parameters
    ----------
    answer : mapping
        As `CauseFinder.answers` gives it, or as the record kept it.
    title : str
        What names the case at the head of the page; the answer itself names nobody.
    """
    causes = answer["causes"]
    tabled = [cause for cause in causes if cause["likelihood"] in TOLD][:TABLED]
    return rendered(
        "workup.html.j2",
        title=title,
        answer=answer,
        course=course_figure(answer["course"], "Course of the pain"),
        body=body_figure(picture_of(answer["picture"]), "Pain now, and what the best source would explain"),
        tabled=tabled,
        others=_others(causes, tabled),
        parts=_parts(answer["plan"]),
        pieces=PIECES,
        is_dense=sum(map(len, answer["story"])) > MUCH,
    )


def _others(causes: Sequence[Mapping[str, Any]], tabled: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The causes without a row, by their word of likelihood."""
    rest = [cause for cause in causes if cause not in tabled]
    words = dict.fromkeys(cause["likelihood"] for cause in rest)
    return [(word, [cause["label"] for cause in rest if cause["likelihood"] == word]) for word in words]


class Later(NamedTuple):
    """Treatments that are not for now."""

    word: str
    """Waits, done or withheld."""
    labels: tuple[str, ...]
    because: str


def _parts(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the plan holds for each cause that is urgent, for everybody, and for each other; nothing is said twice."""
    told: list[Later] = []
    parts = []
    for part in _in_order(plan):
        later = [one for one in _later(part) if one not in told]
        told += later
        shown = [one for one in part["confirming"] if one["is_shown"]]
        parts.append({**part, "shown": shown, "later": later})
    return [part for part in parts if any(part[name] for name in ("rules", "shown", "steps", "as_above", "later"))]


def _in_order(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """As `TreatmentPlan.parts`."""
    is_urgent = [any(step["tier"] == AT_ONCE for step in part["steps"]) for part in plan["generators"]]
    urgent, others = (list(compress(plan["generators"], kept)) for kept in (is_urgent, [not one for one in is_urgent]))
    return [*urgent, *([plan["for_everybody"]] if plan["for_everybody"] else []), *others]


def _later(part: Mapping[str, Any]) -> list[Later]:
    """What is not for now: what waits by what it waits for, what was done or is withheld by the reason."""
    waiting, found = {one["label"] for one in part["waiting"]}, []
    for one in part["confirming"]:
        opened = tuple(label for label in one["opens"] if label in waiting)
        how = f"; {one['investigation']} would show it" if one["investigation"] else ""
        withheld = f", but {'; '.join(one['withheld'])}" if one["withheld"] else ""
        found += [Later("Waits", opened, f"until it is shown: {one['label']}{how}{withheld}")] if opened else []
    for word, ones in (("Done", part["tried"]), ("Withheld", part["withheld"])):
        reasons = [("; ".join(one["because"]).removeprefix("done already: "), one["label"]) for one in ones]
        found += [
            Later(word, tuple(label for other, label in reasons if other == reason), reason)
            for reason in dict.fromkeys(reason for reason, _ in reasons)
        ]
    return found
