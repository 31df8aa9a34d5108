"""Dates, what became of the patient, and who answers the questionnaire a year later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import LEVELS
from pipeline.virtual.aftermath import NO_EVENT, event_names
from pipeline.virtual.centres import Centres
from pipeline.virtual.course import Course
from pipeline.virtual.draws import happens, picked, shifted, words_if
from pipeline.virtual.facts import constant, fact_grid, facts
from pipeline.virtual.operation import Operation
from pipeline.virtual.parameters import DIAGNOSES, RegistryParams
from pipeline.virtual.people import People
from pipeline.virtual.record import first_day, iso_dates
from pipeline.virtual.sources import GENERATORS, SPINAL, Sources

MONTH = 365.25 / 12
OUTCOMES = (
    "odi_12m",
    "nrs_back_12m",
    "nrs_leg_12m",
    "eq5d_index_12m",
    "global_assessment_leg_12m",
    "global_assessment_back_12m",
)
MIMIC_CAUSES = np.array(["sacroiliac", "piriformis", "hip", "neuropathic_or_central"], dtype=object)


@dataclass(frozen=True)
class Dates:
    """Days since 1970-01-01; NaN where the thing did not happen or nobody knows."""

    index: np.ndarray
    operation: np.ndarray
    reoperation: np.ndarray
    death: np.ndarray
    last_contact: np.ndarray


def index_days(rng: Generator, params: RegistryParams, n: int) -> np.ndarray:
    """Days of decision, with fewer in July and around the new year."""
    start, end = first_day(params.first_year), first_day(params.last_year + 1)
    days = rng.integers(start, end, n)
    quiet = np.isin((days.astype("datetime64[D]").astype("datetime64[M]").astype(int)) % 12, [6, 11])
    return np.where(quiet & happens(rng, 0.35, (n,)), rng.integers(start, end, n), days).astype(float)


def waiting_days(rng: Generator, diagnosis: np.ndarray) -> np.ndarray:
    """Days from the decision to the operation: shorter for a herniation."""
    return np.clip(np.round(rng.gamma(2.0, np.array([13.0, 34.0, 42.0, 45.0])[diagnosis])), 1, 360)


def all_dates(
    rng: Generator, params: RegistryParams, index: np.ndarray, operation: np.ndarray, course: Course
) -> Dates:
    """Dates up to the extraction; a tenth is lost to the linkage earlier, on any day."""
    n = len(index)
    end = float(np.datetime64(params.extraction_date, "D").astype(int))
    lost = np.where(happens(rng, constant("lost_to_linkage"), (n,)), operation + rng.random(n) * (end - operation), end)
    death = np.ceil(operation + 1 + course.death_months * MONTH)
    last = np.floor(np.minimum(lost, death))
    reoperation = np.ceil(operation + course.reoperation_months * MONTH)
    return Dates(
        index=index,
        operation=operation,
        reoperation=np.where(reoperation < last, reoperation, np.nan),
        death=np.where(death <= lost, death, np.nan),
        last_contact=last,
    )


def failure_cause(
    rng: Generator, sources: Sources, operation: Operation, after: Course, diagnosis: np.ndarray
) -> np.ndarray:
    """(n,) why it fails, should it fail: what was not reached, what was left or came later, or the rest."""
    names = tuple(facts("causes")["cause"])
    cause = np.array(names, dtype=object)[picked(rng, fact_grid("causes", names, DIAGNOSES).T[diagnosis])]
    events = np.array([*event_names(), None], dtype=object)
    came, lapse = after.aftermath.onset_months <= 12, after.aftermath.lapse
    cause = np.where(lapse != NO_EVENT, events[lapse], cause)
    cause = np.where(came, events[after.aftermath.event], cause)
    cause = np.where(operation.events["wound_infection"], "infection", cause)
    kind = sources.main.kind
    mimic = MIMIC_CAUSES[np.clip(kind - SPINAL, 0, 3)]
    missed = ~operation.reached_main
    cause = np.where(missed & (kind < SPINAL), "wrong_level_or_side", cause)
    cause = np.where(missed & (kind == GENERATORS.index("facet")), "facet", cause)
    return np.where(missed & (kind >= SPINAL), mimic, cause).astype(object)


def _has_implant(operation: Operation) -> np.ndarray:
    return np.max([operation.columns[f"operated_fusion_{level}"] for level in LEVELS], axis=0) > 0


def reoperation_cause(rng: Generator, cause: np.ndarray, operation: Operation, course: Course) -> np.ndarray:
    """(n,) what the second surgeon wrote: what called for it, or else a lesion that can be operated."""
    operable = ["residual_stenosis", "adjacent_segment", "instability", "epidural_fibrosis", "wrong_level_or_side"]
    found = np.array(operable, dtype=object)[picked(rng, np.array([6, 2, 2, 1, 0.5]), len(cause))]
    found = np.where((found == "adjacent_segment") & ~_has_implant(operation), "residual_stenosis", found)
    found = np.where(cause == "wrong_level_or_side", cause, found)
    pain_alone = course.reoperation_reason == "persistent"
    return np.where(pain_alone, found, course.reoperation_reason).astype(object)


def answered(
    rng: Generator, people: People, centres: Centres, dates: Dates, course: Course
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the questionnaire came back, and its day; about a fifth does not answer."""
    c = people.columns
    silent = shifted(
        constant("silent_usual"),
        0.45 * (c["age_years"] < 45)
        - 0.15 * (c["age_years"] > 62)
        + 0.3 * (c["age_years"] > 80)
        + 0.40 * (c["smoking"] == 2)
        + 0.20 * c["is_male"]
        + 0.20 * (c["education"] == 0)
        + 0.20 * people.burden
        + 0.30 * (course.relief < 0.2)
        + centres.silence[people.centre],
    )
    day = dates.operation + 365 + np.clip(np.round(rng.normal(12, 16, len(silent))), -30, 90)
    return ~happens(rng, silent) & (day <= dates.last_contact), day


def outcome_columns(
    dates: Dates,
    course: Course,
    operation: Operation,
    written_cause: np.ndarray,
    replied: np.ndarray,
    day: np.ndarray,
) -> dict[str, np.ndarray]:
    """Columns of the outcome; scores only of those who answered."""
    columns = {name: np.where(replied, course.columns[name], np.nan) for name in OUTCOMES}
    reoperated = ~np.isnan(dates.reoperation)
    return columns | {
        "followup_date": iso_dates(np.where(replied, day, np.nan)),
        "reoperation_date": iso_dates(dates.reoperation),
        "reoperation_cause": words_if(reoperated, written_cause),
        "death_date": iso_dates(dates.death),
        "last_contact_date": iso_dates(dates.last_contact),
        "operation_date": iso_dates(dates.operation),
        "has_wound_infection": operation.events["wound_infection"] * 1.0,
        "has_epidural_haematoma": operation.events["epidural_haematoma"] * 1.0,
        "has_thromboembolism": operation.events["thromboembolism"] * 1.0,
    }
