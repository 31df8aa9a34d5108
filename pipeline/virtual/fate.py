"""What becomes of operated cases: the operation, the years after, who answers, and the work-up of failures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import CAUSES
from pipeline.virtual import answers
from pipeline.virtual.accuracies import Accuracies
from pipeline.virtual.centres import Centres
from pipeline.virtual.course import Course, course
from pipeline.virtual.draws import rows_of
from pipeline.virtual.effects import Effects
from pipeline.virtual.operation import Operation, operation
from pipeline.virtual.pain_after import ASKED_MONTHS, Failed, has_failed_by_then, pain_after
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.planned import Planned
from pipeline.virtual.record import iso_dates
from pipeline.virtual.workup import Clinic, workup, workup_days, workup_truth


@dataclass(frozen=True)
class Fate:
    """What became of each case, work-up apart."""

    operation: Operation
    course: Course
    dates: answers.Dates
    cause: np.ndarray
    """Why it fails, should it fail by 12 months."""
    answered_on: np.ndarray
    """Day of the questionnaire; NaN where it did not come back."""
    columns: dict[str, np.ndarray]


@dataclass(frozen=True)
class Settled:
    """The work-ups of a block."""

    cause: np.ndarray
    """Main cause in words: at the work-up, or should it fail by 12 months."""
    holds: dict[str, np.ndarray]
    """Whether each cause holds at the work-up, by its name in the truth; NaN without one."""
    columns: dict[str, np.ndarray]


def fate_of(
    rngs: dict[str, Generator],
    params: RegistryParams,
    effects: Effects,
    centres: Centres,
    planned: Planned,
    index: np.ndarray,
    operated: np.ndarray,
) -> Fate:
    """What follows the decisions of these days, operated on those."""
    done = operation(rngs["operation"], effects, planned)
    after = course(rngs["course"], effects, params, centres, planned, done)
    dates = answers.all_dates(rngs["dates"], params, index, operated, after)
    cause = answers.failure_cause(rngs["answers"], planned.sources, done, after, planned.plan.diagnosis)
    written = answers.reoperation_cause(rngs["answers"], cause, done, after)
    replied, day = answers.answered(rngs["answers"], planned.people, centres, dates, after)
    return Fate(
        operation=done,
        course=after,
        dates=dates,
        cause=cause,
        answered_on=np.where(replied, day, np.nan),
        columns=done.columns | answers.outcome_columns(dates, after, done, written, replied, day),
    )


def clinic_of(params: RegistryParams, accuracies: Accuracies, centres: Centres, planned: Planned) -> Clinic:
    """Where these cases are worked up."""
    return Clinic(
        accuracies=accuracies,
        gaps=centres.gaps[planned.people.centre],
        reader_error=params.reader_error,
        drawing_extent=params.drawing_extent,
    )


def called(rng: Generator, planned: Planned, fate: Fate, oftener: float = 1.0) -> tuple[np.ndarray, Failed]:
    """(n,) day of each work-up, NaN without one, and all cases as they are on it, or at 12 months.

    `oftener` multiplies the shares of those worked up.
    """
    has_failed = has_failed_by_then(planned, fate.course)
    days = workup_days(rng, has_failed, fate.cause, fate.course, fate.dates, fate.answered_on, oftener)
    months = (days - fate.dates.operation) / answers.MONTH
    failed = Failed(
        planned=planned,
        operation=fate.operation,
        course=fate.course,
        cause=fate.cause,
        has_failed=has_failed,
        months=np.where(np.isnan(months), ASKED_MONTHS, months),
    )
    return days, failed


def settled(rng: Generator, clinic: Clinic, planned: Planned, fate: Fate) -> Settled:
    """The work-ups of these cases, and the main cause of all."""
    n, (called_rng, cause_rng, seen_rng) = len(fate.cause), rng.spawn(3)
    days, failed = called(called_rng, planned, fate)
    words = np.array(CAUSES, dtype=object)
    cause = words[pain_after(cause_rng, failed).main]
    rows = np.flatnonzero(~np.isnan(days))
    found = workup(seen_rng, rows_of(clinic, rows), rows_of(failed, rows))
    cause[rows] = words[found.pain.main]
    return Settled(
        cause=cause,
        holds={name: _spread(values, rows, n) for name, values in workup_truth(found.pain).items()},
        columns={"workup_date": iso_dates(days)} | {k: _spread(v, rows, n) for k, v in found.columns.items()},
    )


def _spread(values: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """(n,) the values in their rows, and nothing elsewhere."""
    is_text = values.dtype.kind in "OU"
    whole = np.full(n, None if is_text else np.nan, dtype=object if is_text else float)
    whole[rows] = values
    return whole
