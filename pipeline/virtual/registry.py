"""The virtual registry, drawn along its arrows.

    person -> wear and incidental findings -> sources of the pain -> drawing, scores, examination, scan
    -> the surgeon's choice and listing -> operation -> course -> answers, work-up -> the record

Only those who were operated are in the record. The truth is a second table that no training may read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from features.axes import LEVELS, MIMICS, ROOTS
from features.dictionary import load_dictionary
from pipeline.virtual import answers
from pipeline.virtual.accuracies import Accuracies, drawn_accuracies
from pipeline.virtual.aftermath import NO_EVENT, event_names
from pipeline.virtual.anatomy import Anatomy, incidental_findings, worn_anatomy
from pipeline.virtual.centres import Centres, centre_of, drawn_centres
from pipeline.virtual.choice import chosen_plan, listing
from pipeline.virtual.course import Course
from pipeline.virtual.draws import happens, rows_of, streams, words_if
from pipeline.virtual.effects import Effects, drawn_effects
from pipeline.virtual.examination import examination
from pipeline.virtual.facts import refuse_faulty_tables
from pipeline.virtual.fate import clinic_of, fate_of, settled
from pipeline.virtual.missingness import recorded
from pipeline.virtual.operation import Operation
from pipeline.virtual.pain import reported_pain
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.people import WORK, People, drawn_people, returned_people
from pipeline.virtual.planned import Planned
from pipeline.virtual.record import first_day, grid_columns, iso_dates, record_frame, with_text
from pipeline.virtual.scan import Reading, grades_at, read_scan
from pipeline.virtual.sources import GENERATORS, NONE, SPINAL, felt_root, pain_sources

BLOCK_CASES = 12_000
"""Cases drawn together. A registry of any size is a row of such blocks, so that it needs the memory of one."""
CANDIDATES_PER_CASE = 1.4
"""Referred for one who is operated."""
SHARE_SECOND_CASE = 0.04
"""Of the cases, a second one of the same patient."""


@dataclass(frozen=True)
class Decisions:
    """First operations of the patients of one block, before anything was done."""

    planned: Planned
    centres: Centres
    index: np.ndarray
    """Day of the decision."""
    block: int


@dataclass(frozen=True)
class Followed:
    """Everything after it."""

    operation: Operation
    course: Course
    dates: answers.Dates
    cause: np.ndarray
    """Main cause in words: at the work-up, or should it fail by 12 months."""
    holds: dict[str, np.ndarray]
    """Whether each cause holds at the work-up, by its name in the truth; NaN without one."""
    columns: dict[str, np.ndarray]


def draw_registry(params: RegistryParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The record of all cases, and the truth behind it.

    Returns
    -------
    cases
        One row a case with every variable of the dictionary; in the order of its index date within each
        block of `BLOCK_CASES`, and numbered in the order of the rows.
    truth
        By `case_id`: source, mimics, whether the operation reached it, the true risks.
    """
    blocks = list(registry_blocks(params))
    cases, truth = (pd.concat(part, ignore_index=True) for part in zip(*blocks, strict=True))
    return cases, truth


def registry_blocks(params: RegistryParams) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The registry block by block: centres and effects are drawn once, everything else in each block anew."""
    refuse_faulty_tables()
    effects = drawn_effects(streams(params.seed, 0)["effects"])
    for block in range(blocks_of(params)):
        yield _drawn_block(params, effects, block)


def _drawn_block(params: RegistryParams, effects: Effects, block: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rngs = streams(params.seed, 0, block)
    firsts, centres, index = _first_cases(params, rngs, block)
    operated = index + answers.waiting_days(rngs["dates"], firsts.plan.diagnosis)
    followed = _followed(rngs, params, effects, centres, firsts, index, operated)
    # The first case of each centre stays, so that no centre is without one.
    back, dropped = _who_returns(rngs["returning"], params, followed, len(index), _opening(params, block))
    if not len(back):
        return _tables(params, centres, [(firsts, followed)], np.arange(len(index)), block)
    seconds, again = _second_cases(params, effects, centres, rows_of(firsts, back), rows_of(followed, back), block)
    kept = np.setdiff1d(np.arange(len(index)), dropped)
    for name in ("death_date", "last_contact_date"):
        followed.columns[name][back] = again.columns[name]
    _forget_after_last_contact(followed, back, again.dates.last_contact)
    patient = np.concatenate([kept, back])
    blocks = [(rows_of(firsts, kept), rows_of(followed, kept)), (seconds, again)]
    return _tables(params, centres, blocks, patient, block)


def draw_planned_cases(params: RegistryParams) -> pd.DataFrame:
    """Cases before their operation, with the preoperative columns alone, as for an example file."""
    records = [
        decided_record(params, decisions, np.argsort(decisions.index, kind="stable"))
        for decisions in decision_blocks(params)
    ]
    return pd.concat(records, ignore_index=True)


def blocks_of(params: RegistryParams) -> int:
    """How many blocks the registry has; the last holds what is left over."""
    return -(-params.cases // BLOCK_CASES)


def decision_blocks(params: RegistryParams) -> Iterator[Decisions]:
    """First operations up to the decision, with everything behind them, block by block."""
    return (drawn_decisions(params, block) for block in range(blocks_of(params)))


def drawn_decisions(params: RegistryParams, block: int = 0) -> Decisions:
    """The first operations of one block up to the decision, with everything behind them."""
    return Decisions(*_first_cases(params, streams(params.seed, 0, block), block), block)


def decided_record(params: RegistryParams, decisions: Decisions, order: np.ndarray) -> pd.DataFrame:
    """What the record holds of these decisions before the operation, in the given order of rows.

    What is left out depends on the seed and on the pain alone: the same cases with other pain, as
    twins are, lack the same things but for tests that the pain suggests.
    """
    planned, index = decisions.planned, decisions.index
    rng = streams(params.seed, 0, decisions.block)["missingness"]
    columns = _preoperative(rng, decisions.centres, planned)
    columns |= _keys(planned.people.centre, index)
    names = [v.name for v in load_dictionary().known_by("preoperative")]
    cases = record_frame(columns, len(index), names).iloc[order].reset_index(drop=True)
    return _numbered(cases, np.arange(len(index)), decisions.block)


def _first_cases(params: RegistryParams, rngs: dict[str, Generator], block: int) -> tuple[Planned, Centres, np.ndarray]:
    """The operated among those referred in one block, and their index days."""
    cases = min(BLOCK_CASES, params.cases - block * BLOCK_CASES)
    centres = drawn_centres(streams(params.seed, 0)["centres"], params)
    planned = _referred(params, rngs, centres, cases, block)
    index = answers.index_days(rngs["dates"], params, len(planned.plan.level))
    rank = listing(rngs["listing"], params, planned.people, centres, planned.pain, planned.plan, index)
    rank[: _opening(params, block)] = np.inf
    chosen = np.sort(np.argsort(-rank, kind="stable")[:cases])
    return rows_of(planned, chosen), centres, index[chosen]


def referred(params: RegistryParams) -> Planned:
    """Everybody referred in the first block, operated or not, with the plan that would be theirs."""
    centres = drawn_centres(streams(params.seed, 0)["centres"], params)
    return _referred(params, streams(params.seed, 0), centres, min(BLOCK_CASES, params.cases), 0)


def accuracies_of(params: RegistryParams) -> Accuracies:
    """How good tests and signs are in this registry, whatever the block and the episode."""
    return drawn_accuracies(streams(params.seed, 0)["accuracies"])


def _referred(params: RegistryParams, rngs: dict[str, Generator], centres: Centres, cases: int, block: int) -> Planned:
    n = int(np.ceil(CANDIDATES_PER_CASE * cases)) + 20
    centre = centre_of(rngs["listing"], centres, n)
    opening = _opening(params, block)
    centre[:opening] = np.arange(opening)
    people = drawn_people(rngs["people"], centre, centres)
    anatomy = worn_anatomy(rngs["anatomy"], people.columns["age_years"])
    return _planned(rngs, params, centres, people, anatomy, incidental_findings(anatomy))


def _opening(params: RegistryParams, block: int) -> int:
    """How many patients, one of each centre, open the registry and are operated whatever their rank."""
    return params.centres if block == 0 else 0


def _planned(
    rngs: dict[str, Generator],
    params: RegistryParams,
    centres: Centres,
    people: People,
    anatomy: Anatomy,
    incidental: dict[str, np.ndarray],
) -> Planned:
    sources, anatomy = pain_sources(rngs["sources"], people, anatomy)
    pain = reported_pain(rngs["pain"], people, anatomy, sources, params.drawing_extent)
    signs = examination(rngs["examination"], accuracies_of(params), people, anatomy, sources)
    reading = read_scan(rngs["scan"], anatomy, params.reader_error)
    plan = chosen_plan(rngs["choice"], people, centres, pain, signs, reading)
    return Planned(
        people=people,
        anatomy=anatomy,
        sources=sources,
        pain=pain,
        signs=signs,
        reading=reading,
        plan=plan,
        incidental=incidental,
    )


def _followed(
    rngs: dict[str, Generator],
    params: RegistryParams,
    effects: Effects,
    centres: Centres,
    planned: Planned,
    index: np.ndarray,
    operated: np.ndarray,
) -> Followed:
    fate = fate_of(rngs, params, effects, centres, planned, index, operated)
    found = settled(rngs["workup"], clinic_of(params, accuracies_of(params), centres, planned), planned, fate)
    return Followed(
        operation=fate.operation,
        course=fate.course,
        dates=fate.dates,
        cause=found.cause,
        holds=found.holds,
        columns=fate.columns | found.columns,
    )


def _who_returns(
    rng: Generator, params: RegistryParams, followed: Followed, n: int, staying: int
) -> tuple[np.ndarray, np.ndarray]:
    """Who comes back as a planned case, and as many single cases (not the `staying` first) that make room."""
    window_end = first_day(params.last_year + 1) - 1
    late = followed.dates.reoperation - followed.dates.operation > 75
    emergency = np.isin(followed.columns["reoperation_cause"], ["infection", "haematoma"])
    able = np.flatnonzero(late & (followed.dates.reoperation <= window_end) & ~emergency)
    # Each patient has a turn of their own, so that worlds of another effect lose and regain nearly the same people.
    turn, leaving = rng.random(n), rng.random(n)
    back = able[np.argsort(turn[able], kind="stable")][: round(SHARE_SECOND_CASE * n)]
    others = np.setdiff1d(np.arange(staying, n), back)
    others = others[np.argsort(leaving[others], kind="stable")]
    return np.sort(back[: len(others)]), others[: len(back)]


def _second_cases(
    params: RegistryParams, effects: Effects, centres: Centres, first: Planned, followed: Followed, block: int
) -> tuple[Planned, Followed]:
    """The second operation of those who come back: the recorded reoperation of the first."""
    rngs = streams(params.seed, 1, block)
    operated = followed.dates.reoperation
    wait = np.minimum(
        answers.waiting_days(rngs["dates"], first.plan.diagnosis), operated - followed.dates.operation - 30
    )
    index = operated - wait
    months = (index - followed.dates.index) / answers.MONTH
    people = returned_people(rngs["people"], first.people, months, first.plan.fusion.max(axis=1))
    planned = _planned(rngs, params, centres, people, first.anatomy, first.incidental)
    return planned, _followed(rngs, params, effects, centres, planned, index, operated)


def _forget_after_last_contact(followed: Followed, back: np.ndarray, last_contact: np.ndarray) -> None:
    """Empty what a first case could not have told, since the patient died or was lost after the second."""
    told = [pd.to_datetime(pd.Series(followed.columns[f"{name}_date"][back])) for name in ("followup", "workup")]
    latest = pd.concat(told, axis=1).max(axis=1).to_numpy()
    gone = back[latest > last_contact.astype("int64").astype("datetime64[D]")]
    kept = {"reoperation_date", "reoperation_cause", "death_date", "last_contact_date", "has_wound_infection"}
    kept |= {"has_epidural_haematoma", "has_thromboembolism"}
    for variable in load_dictionary().variables:
        is_told = variable.known in ("follow_up", "adjudication") and variable.name not in kept
        if is_told and variable.name in followed.columns:
            followed.columns[variable.name][gone] = np.nan if variable.is_numeric else None
    for holds in followed.holds.values():
        holds[gone] = np.nan


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


def _numbered(cases: pd.DataFrame, patient: np.ndarray, block: int) -> pd.DataFrame:
    """Ids in the order of the rows; `patient` says which rows are one person, named by its first case."""
    number = block * BLOCK_CASES + 1 + np.arange(len(cases))
    _, first, inverse = np.unique(patient, return_index=True, return_inverse=True)
    case_id = [f"C{i:06d}" for i in number]
    patient_id = [f"P{i:06d}" for i in number[first][inverse]]
    return cases.assign(case_id=pd.array(case_id, dtype="str"), patient_id=pd.array(patient_id, dtype="str"))


def _tables(
    params: RegistryParams,
    centres: Centres,
    parts: list[tuple[Planned, Followed]],
    patient: np.ndarray,
    block: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [v.name for v in load_dictionary().variables]
    cases, truths = [], []
    for episode, (planned, followed) in enumerate(parts):
        rngs = streams(params.seed, episode, block)
        columns = _preoperative(rngs["missingness"], centres, planned) | followed.columns
        columns |= _keys(planned.people.centre, followed.dates.index)
        n = len(followed.dates.index)
        cases.append(record_frame(columns, n, names))
        second_reading = read_scan(rngs["second_reader"], planned.anatomy, params.reader_error)
        truths.append(with_text(_truth(planned, followed, second_reading)))
    table, truth = pd.concat(cases, ignore_index=True), pd.concat(truths, ignore_index=True)
    order = np.argsort(table["index_date"].to_numpy(dtype=str), kind="stable")
    table = _numbered(table.iloc[order].reset_index(drop=True), patient[order], block)
    truth = truth.iloc[order].reset_index(drop=True)
    truth.insert(0, "case_id", table["case_id"])
    return table, truth


def _truth(planned: Planned, followed: Followed, second_reading: Reading) -> pd.DataFrame:
    """What nobody can know of a real patient, and what another reader would have said of the same scan."""
    sources, main = planned.sources, planned.sources.main
    spinal = (main.kind >= 0) & (main.kind < SPINAL)
    level = np.array([*LEVELS, None], dtype=object)[np.where(spinal, main.level, -1)]
    root = np.array([*ROOTS, None], dtype=object)[felt_root(main, planned.anatomy)]
    second = np.array([*GENERATORS, None], dtype=object)[sources.second.kind]
    events, after = np.array([*event_names(), None], dtype=object), followed.course.aftermath
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
            "unreached_share": followed.operation.unreached.share,
            "unreached_elsewhere_share": followed.operation.unreached.elsewhere,
            "expected_relief": followed.course.expected_relief,
            "true_risk_failure_12m": followed.course.risk,
            "true_odi_12m": followed.course.columns["odi_12m"],
            "true_failure_cause": followed.cause,
            **followed.holds,
            "true_risk_reoperation_24m": followed.course.reoperation_risk,
            "true_lapse": events[after.lapse],
            "true_later_event": events[after.event],
            "true_later_event_months": np.where(after.event == NO_EVENT, np.nan, np.round(after.onset_months, 2)),
            **{f"incidental_{name}": found * 1.0 for name, found in planned.incidental.items()},
            **{f"reading_{name}": grade for name, grade in grades_at(planned.reading).items()},
            **{f"second_reading_{name}": grade for name, grade in grades_at(second_reading).items()},
        }
    )
