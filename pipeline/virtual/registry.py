"""The virtual registry, drawn along its arrows.

    person -> wear and incidental findings -> sources of the pain -> drawing, scores, examination, scan
    -> the surgeon's choice and listing -> operation -> course -> answers, work-up -> the record

Only those who were operated are in the record. The truth is a second table that no training may read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from features.axes import LEVELS, MIMICS, ROOTS
from features.dictionary import load_dictionary
from pipeline.virtual import answers
from pipeline.virtual.anatomy import Anatomy, worn_anatomy
from pipeline.virtual.centres import Centres, centre_of, drawn_centres
from pipeline.virtual.choice import Plan, chosen_plan, listing
from pipeline.virtual.course import Course, course, drawn_effects
from pipeline.virtual.draws import happens, rows_of, streams, words_if
from pipeline.virtual.examination import examination
from pipeline.virtual.missingness import recorded
from pipeline.virtual.operation import Operation, operation
from pipeline.virtual.pain import Pain, reported_pain
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.people import WORK, People, drawn_people, returned_people
from pipeline.virtual.record import grid_columns, iso_dates, record_frame
from pipeline.virtual.scan import Reading, read_scan
from pipeline.virtual.sources import GENERATORS, NONE, SPINAL, Sources, felt_root, pain_sources
from pipeline.virtual.workup import SHARE_WORKED_UP, Failed, workup_columns

CANDIDATES_PER_CASE = 1.4
"""Referred for one who is operated."""
SHARE_SECOND_CASE = 0.04
"""Of the cases, a second one of the same patient."""


@dataclass(frozen=True)
class Planned:
    """Everything up to the decision."""

    people: People
    anatomy: Anatomy
    sources: Sources
    pain: Pain
    signs: dict[str, np.ndarray]
    reading: Reading
    plan: Plan


@dataclass(frozen=True)
class Decisions:
    """First operations of as many patients, before anything was done."""

    planned: Planned
    centres: Centres
    index: np.ndarray
    """Day of the decision."""


@dataclass(frozen=True)
class Followed:
    """Everything after it."""

    operation: Operation
    course: Course
    dates: answers.Dates
    cause: np.ndarray
    columns: dict[str, np.ndarray]


def draw_registry(params: RegistryParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The record of all cases, and the truth behind it.

    Returns
    -------
    cases
        One row a case in the order of its index date, with every variable of the dictionary.
    truth
        By `case_id`: source, mimics, whether the operation reached it, the true risk of failure.
    """
    rngs = streams(params.seed, 0)
    firsts, centres, index = _first_cases(params, rngs)
    effects = drawn_effects(rngs["effects"])
    operated = index + answers.waiting_days(rngs["dates"], firsts.plan.diagnosis)
    followed = _followed(rngs, params, effects, centres, firsts, index, operated)
    back, dropped = _who_returns(rngs["returning"], params, followed, len(index))
    if not len(back):
        return _tables(params, centres, [(firsts, followed)], np.arange(len(index)))
    seconds, again = _second_cases(params, effects, centres, rows_of(firsts, back), rows_of(followed, back))
    kept = np.setdiff1d(np.arange(len(index)), dropped)
    for name in ("death_date", "last_contact_date"):
        followed.columns[name][back] = again.columns[name]
    _forget_after_last_contact(followed, back, again.dates.last_contact)
    patient = np.concatenate([kept, back])
    blocks = [(rows_of(firsts, kept), rows_of(followed, kept)), (seconds, again)]
    return _tables(params, centres, blocks, patient)


def draw_planned_cases(params: RegistryParams) -> pd.DataFrame:
    """Cases before their operation, with the preoperative columns alone, as for an example file."""
    decisions = drawn_decisions(params)
    return decided_record(params, decisions, np.argsort(decisions.index, kind="stable"))


def drawn_decisions(params: RegistryParams) -> Decisions:
    """First operations up to the decision, with everything behind them."""
    return Decisions(*_first_cases(params, streams(params.seed, 0)))


def decided_record(params: RegistryParams, decisions: Decisions, order: np.ndarray) -> pd.DataFrame:
    """What the record holds of these decisions before the operation, in the given order of rows.

    What is left out depends on the seed and on the pain alone: the same cases with other pain, as
    twins are, lack the same things but for tests that the pain suggests.
    """
    planned, index = decisions.planned, decisions.index
    columns = _preoperative(streams(params.seed, 0)["missingness"], decisions.centres, planned)
    columns |= _keys(planned.people.centre, index)
    names = [v.name for v in load_dictionary().known_by("preoperative")]
    cases = record_frame(columns, len(index), names).iloc[order].reset_index(drop=True)
    return _numbered(cases, np.arange(len(index)))


def _first_cases(params: RegistryParams, rngs: dict[str, Generator]) -> tuple[Planned, Centres, np.ndarray]:
    """The operated among the referred, and their index days."""
    n = int(np.ceil(CANDIDATES_PER_CASE * params.cases)) + 20
    centres = drawn_centres(rngs["centres"], params.centres)
    people = drawn_people(rngs["people"], centre_of(rngs["listing"], centres, n), centres)
    anatomy = worn_anatomy(rngs["anatomy"], people.columns["age_years"])
    planned = _planned(rngs, centres, people, anatomy)
    rank = listing(rngs["listing"], planned.people, centres, planned.pain, planned.plan)
    chosen = np.sort(np.argsort(-rank, kind="stable")[: params.cases])
    return rows_of(planned, chosen), centres, answers.index_days(rngs["dates"], params, params.cases)


def _planned(rngs: dict[str, Generator], centres: Centres, people: People, anatomy: Anatomy) -> Planned:
    sources, anatomy = pain_sources(rngs["sources"], people, anatomy)
    pain = reported_pain(rngs["pain"], people, anatomy, sources)
    signs = examination(rngs["examination"], people, anatomy, sources)
    reading = read_scan(rngs["scan"], anatomy)
    plan = chosen_plan(rngs["choice"], people, centres, pain, signs, reading)
    return Planned(people=people, anatomy=anatomy, sources=sources, pain=pain, signs=signs, reading=reading, plan=plan)


def _followed(
    rngs: dict[str, Generator],
    params: RegistryParams,
    effects: dict[str, float],
    centres: Centres,
    planned: Planned,
    index: np.ndarray,
    operated: np.ndarray,
) -> Followed:
    people, plan = planned.people, planned.plan
    done = operation(rngs["operation"], people, planned.sources, planned.reading, plan)
    after = course(
        rngs["course"],
        effects,
        params.discordance_effect,
        people,
        centres,
        planned.pain,
        planned.reading,
        plan,
        done,
    )
    dates = answers.all_dates(rngs["dates"], params, index, operated, after)
    cause = answers.failure_cause(rngs["answers"], planned.sources, done, plan.diagnosis)
    written = answers.reoperation_cause(rngs["answers"], cause, done, after)
    replied, day = answers.answered(rngs["answers"], people, centres, dates, after)
    columns = done.columns | answers.outcome_columns(dates, after, done, written, replied, day)
    columns |= _workup(rngs["workup"], planned, done, after, dates, cause, replied, day)
    return Followed(operation=done, course=after, dates=dates, cause=cause, columns=columns)


def _workup(
    rng: Generator,
    planned: Planned,
    done: Operation,
    after: Course,
    dates: answers.Dates,
    cause: np.ndarray,
    replied: np.ndarray,
    day: np.ndarray,
) -> dict[str, np.ndarray]:
    """Follow-up work-up of some who failed, after the questionnaire and before the last contact."""
    n = len(cause)
    failed = after.columns["odi_12m"] > 0.7 * planned.pain.columns["odi"]
    when = day + np.round(rng.gamma(2, 30, n))
    seen = failed & replied & happens(rng, SHARE_WORKED_UP, (n,)) & (when <= dates.last_contact)
    rows = np.flatnonzero(seen)
    if not len(rows):
        return {"workup_date": iso_dates(np.full(n, np.nan))}
    whole_block = Failed(
        people=planned.people,
        anatomy=planned.anatomy,
        sources=planned.sources,
        pain=planned.pain,
        operation=done,
        course=after,
        cause=cause,
    )
    columns = {"workup_date": iso_dates(np.where(seen, when, np.nan))}
    for name, values in workup_columns(rng, rows_of(whole_block, rows)).items():
        spread = np.full(
            n,
            None if values.dtype.kind in "OU" else np.nan,
            dtype=object if values.dtype.kind in "OU" else float,
        )
        spread[rows] = values
        columns[name] = spread
    return columns


def _who_returns(rng: Generator, params: RegistryParams, followed: Followed, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Who comes back as a planned case, and as many single cases that make room for them."""
    window_end = answers.first_day(params.last_year + 1) - 1
    late = followed.dates.reoperation - followed.dates.operation > 75
    emergency = np.isin(followed.columns["reoperation_cause"], ["infection", "haematoma"])
    able = np.flatnonzero(late & (followed.dates.reoperation <= window_end) & ~emergency)
    wanted = min(round(SHARE_SECOND_CASE * n), len(able), n - 1)
    back = np.sort(rng.permutation(able)[:wanted])
    others = rng.permutation(np.setdiff1d(np.arange(n), back))
    return back, others[: len(back)]


def _second_cases(
    params: RegistryParams, effects: dict[str, float], centres: Centres, first: Planned, followed: Followed
) -> tuple[Planned, Followed]:
    """The second operation of those who come back: the recorded reoperation of the first."""
    rngs = streams(params.seed, 1)
    operated = followed.dates.reoperation
    wait = np.minimum(
        answers.waiting_days(rngs["dates"], first.plan.diagnosis), operated - followed.dates.operation - 30
    )
    index = operated - wait
    months = (index - followed.dates.index) / answers.MONTH
    people = returned_people(rngs["people"], first.people, months, first.plan.fusion.max(axis=1))
    planned = _planned(rngs, centres, people, first.anatomy)
    return planned, _followed(rngs, params, effects, centres, planned, index, operated)


def _forget_after_last_contact(followed: Followed, back: np.ndarray, last_contact: np.ndarray) -> None:
    """Empty what a first case could not have told, since the patient died or was lost after the second."""
    told = [pd.to_datetime(pd.Series(followed.columns[f"{name}_date"][back])) for name in ("followup", "workup")]
    latest = pd.concat(told, axis=1).max(axis=1).to_numpy()
    gone = back[latest > last_contact.astype("int64").astype("datetime64[D]")]
    kept = {"reoperation_date", "reoperation_cause", "death_date", "last_contact_date", "has_wound_infection"}
    kept |= {"has_epidural_haematoma", "has_thromboembolism"}
    for variable in load_dictionary().variables:
        if variable.known == "follow_up" and variable.name not in kept:
            followed.columns[variable.name][gone] = np.nan if variable.is_numeric else None


def _preoperative(rng: Generator, centres: Centres, planned: Planned) -> dict[str, np.ndarray]:
    """The preoperative columns as the record holds them."""
    people, plan = planned.people, planned.plan
    columns = {name: v for name, v in people.columns.items() if name not in ("is_male", "work")}
    columns["sex"] = np.where(people.columns["is_male"] > 0, "male", "female").astype(object)
    columns["work_status"] = np.array(WORK, dtype=object)[people.columns["work"]]
    same = happens(rng, 0.45, plan.level.shape) * 1.0
    columns["has_earlier_operation_same_level"] = np.where(
        people.columns["earlier_lumbar_operations"] > 0, same, np.nan
    )
    columns |= planned.pain.columns
    columns |= grid_columns("pain", planned.pain.drawing, "region", "side")
    columns |= grid_columns("upper_pain", planned.pain.upper, "upper_region", "side")
    columns |= planned.signs | planned.reading.columns | plan.columns
    return recorded(rng, columns, people, centres, planned.pain)


def _keys(centre: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "centre_id": np.array([f"K{c + 1}" for c in centre], dtype=object),
        "index_date": iso_dates(index),
        "record_origin": np.full(len(index), "virtual", dtype=object),
    }


def _numbered(cases: pd.DataFrame, patient: np.ndarray) -> pd.DataFrame:
    """Ids in the order of the rows; `patient` says which rows are one person."""
    codes, _ = pd.factorize(patient)
    case_id = [f"C{i + 1:06d}" for i in range(len(cases))]
    patient_id = [f"P{code + 1:06d}" for code in codes]
    return cases.assign(case_id=pd.array(case_id, dtype=object), patient_id=pd.array(patient_id, dtype=object))


def _tables(
    params: RegistryParams, centres: Centres, blocks: list[tuple[Planned, Followed]], patient: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [v.name for v in load_dictionary().variables]
    cases, truths = [], []
    for episode, (planned, followed) in enumerate(blocks):
        rng = streams(params.seed, episode)["missingness"]
        columns = _preoperative(rng, centres, planned) | followed.columns
        columns |= _keys(planned.people.centre, followed.dates.index)
        n = len(followed.dates.index)
        cases.append(record_frame(columns, n, names))
        truths.append(_truth(planned, followed))
    table, truth = pd.concat(cases, ignore_index=True), pd.concat(truths, ignore_index=True)
    order = np.argsort(table["index_date"].to_numpy(dtype=str), kind="stable")
    table = _numbered(table.iloc[order].reset_index(drop=True), patient[order])
    truth = truth.iloc[order].reset_index(drop=True)
    truth.insert(0, "case_id", table["case_id"])
    return table, truth


def _truth(planned: Planned, followed: Followed) -> pd.DataFrame:
    """What nobody can know of a real patient."""
    sources, main = planned.sources, planned.sources.main
    spinal = (main.kind >= 0) & (main.kind < SPINAL)
    level = np.array([*LEVELS, None], dtype=object)[np.where(spinal, main.level, -1)]
    root = np.array([*ROOTS, None], dtype=object)[felt_root(main, planned.anatomy)]
    second = np.array([*GENERATORS, None], dtype=object)[sources.second.kind]
    mimics = {
        f"has_{mimic}_{side}": sources.mimics[:, i, j] * 1.0
        for i, mimic in enumerate(MIMICS)
        for j, side in enumerate(("left", "right"))
    }
    return pd.DataFrame(
        {
            "true_source_kind": np.array(GENERATORS, dtype=object)[main.kind],
            "true_source_level": level,
            "true_source_side": np.array(["left", "right", "both"], dtype=object)[main.side],
            "true_source_root": root,
            "true_source_zone": words_if(spinal, np.array(["canal", "foramen"], dtype=object)[main.zone]),
            "second_source_kind": second,
            "second_source_level": np.array([*LEVELS, None], dtype=object)[
                np.where(sources.second.kind == NONE, -1, sources.second.level)
            ],
            **mimics,
            "is_mimic_main_source": np.isin(main.kind, range(SPINAL, SPINAL + 3)) * 1.0,
            "has_central_sensitisation": sources.sensitised * 1.0,
            "numbering_shift": planned.reading.shift.astype(float),
            "is_wrong_level": followed.operation.wrong_level * 1.0,
            "is_source_reached": followed.operation.reached_main * 1.0,
            "unreached_share": followed.operation.unreached,
            "expected_relief": followed.course.expected_relief,
            "true_risk_failure_12m": followed.course.risk,
            "true_odi_12m": followed.course.columns["odi_12m"],
            "true_failure_cause": followed.cause,
        }
    )
