"""Worked-up failures by the thousand, and twins: the same imaging, another course and examination.

Drawn like the registry and apart from it, with a seed of their own: nothing of the study was set on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.random import Generator

from features.axes import CAUSES
from features.dictionary import load_dictionary
from pipeline.virtual.answers import waiting_days
from pipeline.virtual.choice import PROCEDURES
from pipeline.virtual.draws import either_of, happens, picked, rows_of, streams
from pipeline.virtual.effects import drawn_effects
from pipeline.virtual.facts import refuse_faulty_tables
from pipeline.virtual.fate import Fate, called, clinic_of, fate_of
from pipeline.virtual.pain_after import CAUSE, Failed, PainAfter, placed
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.record import iso_dates, record_frame, with_text
from pipeline.virtual.registry import BLOCK_CASES, Decisions, accuracies_of, decided_record, drawn_decisions
from pipeline.virtual.sources import BOTH
from pipeline.virtual.spine_after import PARACENTRAL
from pipeline.virtual.workup import Clinic, WorkUp, workup, workup_of_other_pain, workup_truth

WORKUP_EPISODE = 3
"""Streams of chance beside those of first (0) and second (1) operations and of twins (2)."""
OFTENER = 2.5
"""Times as often worked up as in the registry (0.40 of failures that answer): all of them."""
CASES_PER_WORKUP = 4.2
"""Operated for one worked up, so; somewhat more than needed."""
SPARE_CASES = 150
USUAL = RegistryParams(seed=1, cases=BLOCK_CASES, centres=8, first_year=2017, years=6, discordance_effect=1.0)
ELSEWHERE = ("facet", "sacroiliac", "piriformis", "hip", "neuropathic_or_central")
"""Causes that no imaging of the work-up shows: they may hurt behind any scan."""
BY_EVENT = ("recurrent_herniation", "recurrent_herniation_other_side", "adjacent_segment")
VISIBLE = (*BY_EVENT, "residual_stenosis")
"""Causes that may hurt only where the spine holds a lesion for them."""
DISCECTOMIES = [PROCEDURES.index(name) for name in ("microdiscectomy", "endoscopic_discectomy")]
CAME_BETWEEN = (0.15, 0.95)
"""Of the time since the operation, when an event of the second twin came."""
LEAST_GRADE = 2
"""From which such a lesion may hurt."""


@dataclass(frozen=True)
class WorkupTwins:
    """Row i of the four frames is one pair: the same person, operation and imaging, another main cause.

    Which of the two the operation was followed by, and for which the other was made up, is left to chance.
    """

    first: pd.DataFrame
    second: pd.DataFrame
    first_truth: pd.DataFrame
    """See `workup_cases`."""
    second_truth: pd.DataFrame


@dataclass(frozen=True)
class Drawn:
    """Cases of one block that are worked up, row by row."""

    decisions: Decisions
    fate: Fate
    failed: Failed
    clinic: Clinic
    days: np.ndarray
    """Of the work-up."""


def workup_cases(n: int, seed: int, params: RegistryParams = USUAL) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records of `n` work-ups, and the truth behind each; equal arguments give equal frames.

    Parameters
    ----------
    params : RegistryParams
        The registry that they are like; its seed and its number of cases play no part.

    Returns
    -------
    records
        One row a case with every variable of the dictionary, `adjudicated_cause` among them.
    truth
        In the same order: `case_id`, `true_failure_cause` (the main one) and `true_cause_<cause>`, 1 where
        it holds at the work-up, else 0.
    """
    records, truths = [], []
    for rngs, drawn in _blocks(n, seed, params):
        found = workup(rngs["workup"], drawn.clinic, drawn.failed)
        records.append(_record(params, drawn, found.columns))
        truths.append(_truth(found.pain))
    return _numbered(records, truths, n)


def workup_twins(n: int, seed: int, params: RegistryParams = USUAL) -> WorkupTwins:
    """`n` pairs with the same imaging and blood and another cause; equal arguments give equal frames.

    The second cause is one that the imaging allows: from outside the spine or from a nerve or facet joint
    always, a scar where it was opened, a disc or bone only where the spine holds such a lesion, which in
    the other twin does not hurt. Infections, of which the blood tells, have no twin.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in ("first", "second", "first_truth", "second_truth")}
    for rngs, drawn in _blocks(n, seed, params):
        found = workup(rngs["workup"], drawn.clinic, drawn.failed)
        pain = other_pain(rngs["sources"], drawn.failed, found)
        columns = workup_of_other_pain(rngs["pain"], drawn.clinic, drawn.failed, found, pain)
        able = ~found.pain.present[:, CAUSE["infection"]]
        swapped = happens(rngs["listing"], 0.5, able.shape)[able]
        one, other = (_record(params, drawn, c)[able].reset_index(drop=True) for c in (found.columns, columns))
        own, made = (_truth(p)[able].reset_index(drop=True) for p in (found.pain, pain))
        parts["first"].append(_rows_from(swapped, other, one))
        parts["second"].append(_rows_from(swapped, one, other))
        parts["first_truth"].append(_rows_from(swapped, made, own))
        parts["second_truth"].append(_rows_from(swapped, own, made))
    first, first_truth = _numbered(parts["first"], parts["first_truth"], n)
    second, second_truth = _numbered(parts["second"], parts["second_truth"], n)
    return WorkupTwins(first=first, second=second, first_truth=first_truth, second_truth=second_truth)


def other_pain(rng: Generator, failed: Failed, first: WorkUp) -> PainAfter:
    """Pain of another main cause in the same spine; what hurts beside the main cause hurts in both."""
    pain, n = first.pain, len(first.pain.main)
    able = np.zeros((n, len(CAUSES)), dtype=bool)
    able[:, [CAUSE[name] for name in ELSEWHERE]] = True
    able[:, CAUSE["epidural_fibrosis"]] = failed.operation.decompressed.any(axis=(1, 2))
    came = rng.uniform(*CAME_BETWEEN, n) * failed.months
    there = {name: _with_main(rng, failed, pain, np.full(n, CAUSE[name]), came) for name in VISIBLE}
    for name, placed_there in there.items():
        able[:, CAUSE[name]] = _is_visible(failed, first, placed_there, name)
    main = picked(rng, (able & ~pain.present) * 1.0)
    other = _with_main(rng, failed, pain, main, came)
    for name, placed_there in there.items():
        other = either_of(main == CAUSE[name], placed_there, other)
    return other


def _with_main(rng: Generator, failed: Failed, pain: PainAfter, main: np.ndarray, came: np.ndarray) -> PainAfter:
    """The same pain with another main cause in place of its own."""
    case, present = np.arange(len(main)), pain.present.copy()
    present[case, pain.main] = False
    present[case, main] = True
    by_event = np.isin(main, [CAUSE[name] for name in BY_EVENT])
    return placed(rng, failed, main, present, np.where(by_event, came, np.nan), pain.beside)


def _is_visible(failed: Failed, first: WorkUp, pain: PainAfter, name: str) -> np.ndarray:
    """(n,) whether the spine holds a lesion by which this cause may hurt, at the place where it would be."""
    case, spine, site = np.arange(len(pain.main)), first.spine, pain.site
    level, side = np.clip(site.level, 0, None), np.clip(site.side, 0, 1)
    narrow = np.where(site.zone == 0, spine.recess[case, level, side], spine.foraminal[case, level, side])
    if name == "adjacent_segment":
        narrow = np.where(site.side == BOTH, spine.central[case, level], spine.recess[case, level, side])
        return failed.operation.fused.any(axis=1) & (narrow >= LEAST_GRADE)
    if name == "residual_stenosis":
        return failed.operation.decompressed[case, level, side] & (narrow >= LEAST_GRADE)
    slot = np.where(side == 1, PARACENTRAL[1], PARACENTRAL[0])
    return np.isin(failed.planned.plan.procedure, DISCECTOMIES) & (spine.herniation[case, level, slot] >= LEAST_GRADE)


def _blocks(n: int, seed: int, params: RegistryParams) -> Iterator[tuple[dict[str, Generator], Drawn]]:
    """Worked-up cases block by block, until there are enough."""
    refuse_faulty_tables()
    cases = int(np.clip(np.ceil(CASES_PER_WORKUP * n) + SPARE_CASES, params.centres, BLOCK_CASES))
    params = replace(params, seed=seed, cases=cases)
    effects = drawn_effects(streams(seed, 0)["effects"])
    found, block = 0, 0
    while found < n:
        drawn = replace(params, cases=cases + block * BLOCK_CASES)
        rngs, decisions = streams(seed, WORKUP_EPISODE, block), drawn_decisions(drawn, block)
        planned = decisions.planned
        operated = decisions.index + waiting_days(rngs["dates"], planned.plan.diagnosis)
        fate = fate_of(rngs, params, effects, decisions.centres, planned, decisions.index, operated)
        days, failed = called(rngs["returning"], planned, fate, OFTENER)
        rows = np.flatnonzero(~np.isnan(days))
        clinic = clinic_of(params, accuracies_of(params), decisions.centres, planned)
        yield (
            rngs,
            Drawn(
                decisions=replace(decisions, planned=rows_of(planned, rows), index=decisions.index[rows]),
                fate=rows_of(fate, rows),
                failed=rows_of(failed, rows),
                clinic=rows_of(clinic, rows),
                days=days[rows],
            ),
        )
        found, block = found + len(rows), block + 1


def _record(params: RegistryParams, drawn: Drawn, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """The record of these cases, in the order of the dictionary."""
    names, n = [v.name for v in load_dictionary().variables], len(drawn.days)
    before = decided_record(params, drawn.decisions, np.arange(n))
    since = drawn.fate.columns | columns | {"workup_date": iso_dates(drawn.days)}
    later = record_frame(since, n, [name for name in names if name not in before])
    return pd.concat([before, later], axis=1)[names]


def _truth(pain: PainAfter) -> pd.DataFrame:
    main = np.array(CAUSES, dtype=object)[pain.main]
    return with_text(pd.DataFrame({"true_failure_cause": main, **workup_truth(pain)}))


def _numbered(records: list[pd.DataFrame], truths: list[pd.DataFrame], n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first `n` rows, with ids that run through the blocks."""
    record, truth = (pd.concat(parts, ignore_index=True).iloc[:n] for parts in (records, truths))
    case_id = pd.array([f"W{i:06d}" for i in range(1, n + 1)], dtype="str")
    patient_id = pd.array([f"V{i:06d}" for i in range(1, n + 1)], dtype="str")
    truth = truth.copy()
    truth.insert(0, "case_id", case_id)
    return record.assign(case_id=case_id, patient_id=patient_id), truth


def _rows_from(condition: np.ndarray, first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first frame where the condition holds, else of the second."""
    return first.where(pd.Series(condition, index=first.index), second)
