"""The work-up after a failed operation: who has one and when, and everything that is recorded of it.

Two in five of those who failed and said so are worked up, before their reoperation if they have one; so are some
whose pain came back later, and a few who did well. For all others every column stays empty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import CAUSES
from pipeline.virtual.accuracies import Accuracies
from pipeline.virtual.adjudication import adjudicated_cause
from pipeline.virtual.aftermath import NO_EVENT
from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.answers import MONTH, Dates
from pipeline.virtual.course import Course
from pipeline.virtual.draws import happens
from pipeline.virtual.facts import constant
from pipeline.virtual.pain_after import ASKED_MONTHS, Failed, PainAfter, pain_after, share
from pipeline.virtual.spine_after import spine_after
from pipeline.virtual.workup_done import IMAGED, done, with_gaps
from pipeline.virtual.workup_examination import drawing, followup_examination
from pipeline.virtual.workup_history import burden_now, conditions, history
from pipeline.virtual.workup_imaging import imaging

STEPS = ("causes", "spine", "person", "told", "examined", "done", "imaged", "gaps", "panel")
"""Streams of chance of one work-up, so that a change in one does not shift the others; append only."""
BEFORE_REOPERATION_DAYS = (5, 30)
"""A work-up comes so long before the reoperation that follows from it."""
DELAY_DAYS, LATER_DELAY_DAYS = 30, 45
"""Half of the mean time from the questionnaire, or from what came later, to the work-up (assumptions)."""
SOONEST_DAYS = 2
"""From what brought the pain to the work-up."""
INFECTION_SEEN_DAYS = 12
"""From the operation, and about as long again (postoperative differential: 1 to 6 weeks)."""


@dataclass(frozen=True)
class Clinic:
    """What the work-ups of one registry have in common; `gaps` (n,) are those of each case's centre."""

    accuracies: Accuracies
    gaps: np.ndarray
    reader_error: float
    drawing_extent: float


@dataclass(frozen=True)
class WorkUp:
    """What was found, and what lies behind it."""

    pain: PainAfter
    spine: Anatomy
    blocks: dict[str, np.ndarray]
    """Which investigations were done."""
    shared: tuple[str, ...]
    """Columns of the person, of imaging and of blood, which are the same whatever hurts."""
    columns: dict[str, np.ndarray]


def workup_days(
    rng: Generator,
    has_failed: np.ndarray,
    cause: np.ndarray,
    course: Course,
    dates: Dates,
    answered_on: np.ndarray,
    oftener: float = 1.0,
) -> np.ndarray:
    """(n,) day of the work-up, NaN without one.

    `answered_on` (n,) is the day of the questionnaire, NaN where it did not come back; `oftener` multiplies
    the shares of those worked up.
    """
    n, onset = len(cause), course.aftermath.onset_months
    is_later = ~has_failed & (onset > ASKED_MONTHS) & (course.aftermath.event != NO_EVENT)
    usual = np.where(has_failed, constant("worked_up_if_failed"), share("worked_up_otherwise"))
    usual = np.where(np.isnan(answered_on), 0, usual)
    seen = happens(rng, np.minimum(np.where(is_later, share("worked_up_if_later_event"), usual) * oftener, 1))
    has_event = is_later | (onset <= ASKED_MONTHS)
    came = dates.operation + np.where(has_event, onset, 0) * MONTH
    when = answered_on + np.round(rng.gamma(2, DELAY_DAYS, n))
    later = np.ceil(came) + SOONEST_DAYS + np.round(rng.gamma(2, LATER_DELAY_DAYS, n))
    infected = dates.operation + INFECTION_SEEN_DAYS + np.round(rng.gamma(2, INFECTION_SEEN_DAYS / 2, n))
    when = np.where(is_later, later, np.where((cause == "infection") & has_failed, infected, when))
    before = np.maximum(dates.reoperation - np.round(rng.uniform(*BEFORE_REOPERATION_DAYS, n)), came + SOONEST_DAYS)
    when = np.where(when >= dates.reoperation, np.ceil(before), when)
    # Operated again before the pain was there, or lost: no work-up that could tell of it.
    able = ~(when >= dates.reoperation) & (when <= dates.last_contact) & (when > dates.operation)
    return np.where(seen & able, when, np.nan)


def workup(rng: Generator, clinic: Clinic, failed: Failed) -> WorkUp:
    """The work-up of each of these cases."""
    rngs = _streams(rng)
    pain = pain_after(rngs["causes"], failed)
    spine = spine_after(rngs["spine"], failed, pain)
    person = conditions(rngs["person"], failed)
    told = _told(rngs, clinic, failed, pain, spine)
    blocks = done(rngs["done"], failed, clinic.gaps, told | person)
    seen = imaging(rngs["imaged"], failed, pain, spine, blocks["contrast"], clinic.reader_error)
    columns = with_gaps(rngs["gaps"], person | told | seen, blocks, clinic.gaps)
    columns["adjudicated_cause"] = adjudicated_cause(rngs["panel"], pain)
    return WorkUp(pain=pain, spine=spine, blocks=blocks, shared=(*person, *seen), columns=columns)


def workup_of_other_pain(
    rng: Generator, clinic: Clinic, failed: Failed, first: WorkUp, pain: PainAfter
) -> dict[str, np.ndarray]:
    """Columns of the work-up were this the pain, with person, imaging and blood as in the first."""
    rngs, shared = _streams(rng), {name: first.columns[name] for name in first.shared}
    told = _told(rngs, clinic, failed, pain, first.spine)
    blocks = done(rngs["done"], failed, clinic.gaps, told | shared) | {name: first.blocks[name] for name in IMAGED}
    columns = with_gaps(rngs["gaps"], told, blocks, clinic.gaps) | shared
    return columns | {"adjudicated_cause": adjudicated_cause(rngs["panel"], pain)}


def _streams(rng: Generator) -> dict[str, Generator]:
    return dict(zip(STEPS, rng.spawn(len(STEPS)), strict=True))


def _told(
    rngs: dict[str, Generator], clinic: Clinic, failed: Failed, pain: PainAfter, spine: Anatomy
) -> dict[str, np.ndarray]:
    """Columns of the history, the drawing and the examination, as if all had been done."""
    burden = burden_now(rngs["told"], failed, pain)
    told = history(rngs["told"], failed, pain, burden)
    told |= drawing(rngs["told"], failed, pain, spine, burden, clinic.drawing_extent)
    return told | followup_examination(rngs["examined"], clinic.accuracies, failed, pain, spine)


def workup_truth(pain: PainAfter) -> dict[str, np.ndarray]:
    """`true_cause_<cause>` 1 where it holds at the work-up, else 0."""
    return {f"true_cause_{cause}": pain.present[:, place] * 1.0 for place, cause in enumerate(CAUSES)}
