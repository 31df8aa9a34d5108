"""A failed operation in words: its course, what was operated on, and the evidence for and against each cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from features.axes import LABELS, LEVELS
from features.cause_priors import because
from features.cause_tables import cause_findings, causes, evidence, investigations
from features.causes import CauseEvidence, CauseParams, finding_words, pair_log_ratios
from features.dictionary import load_dictionary
from features.followup import DAYS_PER_MONTH, Bools, FollowUp
from features.next_investigation import Advised
from features.treatment_plan import places_in_words
from models.screening import number

PIECES = 4
"""Findings for and against a cause that a line tells; the answer holds all."""
TOLD = ("likely", "possible")
"""Words of likelihood from which a cause is told with its evidence."""


FEW = 3.0
"""Months below which weeks matter."""
MANY = 36.0
"""Months from which years are said."""
TRIGGERS = {"lifting_or_twisting": ", on lifting or twisting", "fall_or_accident": ", after a fall or accident"}


# ---- the course ----------------------------------------------------------------------------------


def course_of(followup: FollowUp, place: int) -> dict[str, Any]:
    """What became of the pain: as recorded, the worse of leg and back before and now, and in words."""
    worse = {name: _worse(followup, prefix, place) for name, prefix in (("pain_before", ""), ("pain_now", "followup_"))}
    course = {
        "months_since_operation": number(followup.months_since[place].round(2)),
        "initial_relief_percent": number(followup.variable("initial_relief_percent")[place]),
        "pain_free_interval_months": number(followup.variable("pain_free_interval_months")[place]),
        "return_tempo": word(followup, "return_tempo", place),
        "return_trigger": word(followup, "return_trigger", place),
        **worse,
    }
    return {"text": course_words(course), **course}


def _worse(followup: FollowUp, prefix: str, place: int) -> float | None:
    felt = [number(followup.variable(f"{prefix}nrs_{part}")[place]) for part in ("leg", "back")]
    return max((pain for pain in felt if pain is not None), default=None)


def word(followup: FollowUp, name: str, place: int) -> str | None:
    """The word recorded for a choice; None where none is."""
    code = followup.variable(name)[place]
    return None if np.isnan(code) else str(load_dictionary()[name].codes[int(code)])


def course_words(course: Mapping[str, Any]) -> str:
    """The course as a sentence or two; what is not recorded is left out, or said where it matters.

    >>> course_words({"months_since_operation": 11.99, "initial_relief_percent": 80.0, "return_tempo": "gradual",
    ...               "pain_free_interval_months": 7.0, "return_trigger": "none"})
    'Operated on 12 months ago. At first the pain fell by 80 %; after 7 months it came back gradually.'
    >>> course_words({"months_since_operation": 240.0, "initial_relief_percent": 90.0, "return_tempo": "gradual",
    ...               "pain_free_interval_months": 222.0})
    'Operated on 20 years ago. At first the pain fell by 90 %; after 18.5 years it came back gradually.'
    >>> course_words({"return_tempo": "never_better"})
    'How long ago the operation was is not recorded. The pain never got better.'
    """
    months = course.get("months_since_operation")
    ago = "How long ago the operation was is not recorded." if months is None else f"Operated on {_ago(months)}."
    return f"{ago} {_relief_words(course)}{_return_words(course)}."


def _ago(months: float) -> str:
    return f"{round(months * DAYS_PER_MONTH)} days ago" if months < FEW else f"{_months(months)} ago"


def _months(months: float) -> str:
    if months >= MANY:
        return f"{round(months / 12, 1):g} years"
    rounded = round(months, 1) if months < FEW else round(months)
    return f"{rounded:g} month{'s' if rounded != 1 else ''}"


def _relief_words(course: Mapping[str, Any]) -> str:
    relief, tempo = course.get("initial_relief_percent"), course.get("return_tempo")
    if tempo == "never_better" or relief == 0:
        return "The pain never got better"
    return "The relief at first is not recorded" if relief is None else f"At first the pain fell by {relief:g} %"


def _return_words(course: Mapping[str, Any]) -> str:
    tempo, months = course.get("return_tempo"), course.get("pain_free_interval_months")
    how = {"sudden": "suddenly", "gradual": "gradually"}.get(tempo or "")
    when = f"after {_months(months)}" if months else ""
    if not how:
        return "" if tempo == "never_better" or not when else f"; {when} it came back"
    return f"; {when + ' ' if when else ''}it came back {how}{TRIGGERS.get(course.get('return_trigger') or '', '')}"


# ---- what was operated on ------------------------------------------------------------------------


def operated_words(followup: FollowUp, place: int) -> dict[str, str | None]:
    """Levels and sides as intended before the operation, as noted at it, as seen on film or CT; None: not recorded."""
    done = followup.operated
    said = (
        ("intended", done.is_planned_known, done.planned, "planned_fusion"),
        ("noted", done.is_noted, done.noted, "operated_fusion"),
        ("seen", done.is_counted, done.seen, None),
    )
    return {
        name: _site_words(sites[place], _fused(followup, fusion, place)) if is_known[place] else None
        for name, is_known, sites, fusion in said
    }


def _fused(followup: FollowUp, item: str | None, place: int) -> list[str]:
    if item is None:
        return []
    return [
        LABELS[level] for level, fused in zip(LEVELS, followup.grid(item, "level")[place], strict=True) if fused > 0
    ]


def _site_words(sites: Bools, fused: Sequence[str]) -> str:
    where = ", ".join(places_in_words(sites)) or "every level"
    return f"{where}; fused: {', '.join(fused)}" if fused else where


# ---- causes --------------------------------------------------------------------------------------


def ranked_causes(
    found: CauseEvidence, place: int, words: Sequence[str | None], is_open: Bools
) -> list[dict[str, Any]]:
    """Each cause that can be, the likeliest first, with every finding that counted and every one still to be sought.

    Parameters
    ----------
    words : (n_causes,)
        The likelihood of each cause of that case; None where it cannot be.
    is_open : (n_findings,)
        What could still be found in that case; nothing of how a pain came back that was never better.
    """
    order, told = np.argsort(found.rank[place], kind="stable"), telling(found.params)
    open_ones = [[finding for finding in of_cause if is_open[finding] and can_be_sought(finding)] for of_cause in told]
    return [_cause(found, place, at, said, open_ones[at]) for at in order if (said := words[at]) is not None]


def can_be_sought(finding: int) -> bool:
    """Whether somebody can still look for it: the record before the operation is as it is."""
    return cause_findings()[finding].investigation != "record"


def _cause(found: CauseEvidence, place: int, at: int, likelihood: str, not_sought: Sequence[int]) -> dict[str, Any]:
    fact, points = causes()[at], found.points[place, at]
    said = sorted(np.flatnonzero(points).tolist(), key=lambda finding: -abs(points[finding]))
    pieces = [_piece(found, place, finding, float(points[finding])) for finding in said]
    return {
        "cause": fact.name,
        "label": fact.label,
        "class": fact.kind,
        "likelihood": likelihood,
        "rank": int(found.rank[place, at]),
        "log_odds": float(found.log_odds[place, at]),
        "prior_log_odds": float(found.prior[place, at]),
        "for": [piece for piece in pieces if piece["points"] > 0],
        "against": [piece for piece in pieces if piece["points"] < 0],
        "not_sought": _unsought(not_sought),
    }


def _piece(found: CauseEvidence, place: int, finding: int, points: float) -> dict[str, Any]:
    name = cause_findings()[finding].name
    return {"finding": name, "label": finding_words(found, place, name), "points": points}


def _unsought(findings: Sequence[int]) -> list[dict[str, str]]:
    """What there is to ask or to look at, each once: one question may bring several findings to light."""
    told: dict[str, dict[str, str]] = {}
    for fact in (cause_findings()[finding] for finding in findings):
        investigation = investigation_labels()[fact.investigation]
        told.setdefault(fact.sought, {"finding": fact.name, "label": fact.sought, "investigation": investigation})
    return list(told.values())


def telling(params: CauseParams) -> list[list[int]]:
    """By cause, the findings that say something of it, the most telling first."""
    facts, most = evidence(), np.abs(pair_log_ratios(params)).max(axis=1)
    pairs = np.argsort(-most, kind="stable")
    pairs = pairs[most[pairs] > 0]
    return [list(dict.fromkeys(facts.finding[pairs[facts.cause[pairs] == at]].tolist())) for at in range(len(causes()))]


@cache
def investigation_labels() -> dict[str, str]:
    return {one.name: one.label for one in investigations()}


def impossible_causes(found: CauseEvidence, place: int) -> list[dict[str, str]]:
    """The causes that cannot be after that operation, and why."""
    return [
        {"cause": cause.name, "label": cause.label, "because": because(cause.name)}
        for cause, is_possible in zip(causes(), found.is_possible[place], strict=True)
        if not is_possible
    ]


def cause_lines(ranked: Sequence[Mapping[str, Any]], impossible: Sequence[Mapping[str, Any]]) -> list[str]:
    """The causes in lines: those likely and possible with their evidence, the others named."""
    lines = [_evidence_line(cause) for cause in ranked if cause["likelihood"] in TOLD]
    lines = lines or ["No cause is likely or possible by what was found so far."]
    for likelihood in ("less likely", "unlikely"):
        named = [cause["label"] for cause in ranked if cause["likelihood"] == likelihood]
        lines += [f"{likelihood.capitalize()}: {'; '.join(named)}."] if named else []
    if impossible:
        lines.append("Cannot be: " + "; ".join(f"{one['label']} ({one['because']})" for one in impossible) + ".")
    return lines


def _evidence_line(cause: Mapping[str, Any]) -> str:
    line = f"{cause['likelihood'].capitalize()}: {cause['label']}."
    for title, name in (("For", "for"), ("Against", "against"), ("Not sought", "not_sought")):
        told = [piece["label"] for piece in cause[name][:PIECES]]
        more = len(cause[name]) - len(told)
        line += f" {title}: {'; '.join(told)}{f'; and {more} more' if more else ''}." if told else ""
    return line


# ---- what to find out next -----------------------------------------------------------------------


def investigation_lines(advised: Sequence[Advised], withheld: Sequence[Advised]) -> list[str]:
    """The next investigations in lines, the best first; and what would be worth it and may not be done."""
    lines = [f"Find out next: {advised[0].text}"] if advised else ["Find out next: nothing would be worth its burden."]
    lines += [f"Then: {one.text}" for one in advised[1:]]
    return [*lines, *(f"Withheld: {one.label} ({'; '.join(one.withheld)})." for one in withheld)]


# ---- completeness --------------------------------------------------------------------------------


def completeness_of_work_up(found: CauseEvidence, place: int) -> dict[str, Any]:
    """What was looked for: how many findings, by which investigations, and which were not done at all."""
    is_sought = ~np.isnan(found.states[place])
    done = {fact.investigation for fact, sought in zip(cause_findings(), is_sought, strict=True) if sought}
    labels = investigation_labels()
    used = {fact.investigation for fact in cause_findings()}
    return {
        "sought": int(is_sought.sum()),
        "findings": len(is_sought),
        "done": [labels[name] for name in labels if name in done],
        "not_done": [labels[name] for name in labels if name in used - done],
        "label": f"{is_sought.sum()} of {len(is_sought)} findings sought",
    }
