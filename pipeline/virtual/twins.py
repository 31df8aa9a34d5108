"""Twins: pairs of cases with the same person, scan and plan, and another source of the pain.

What hurts in one twin is silent in the other, where another lesion of the same scan hurts, or a mimic.
Drawing, answers and signs are drawn anew from that source. No reading of the scan tells twins apart.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.random import Generator

from features.axes import LEVELS
from pipeline.virtual.anatomy import Anatomy, slot
from pipeline.virtual.choice import chosen_plan
from pipeline.virtual.decisions import decision_truth
from pipeline.virtual.draws import either_of, happens, picked, streams
from pipeline.virtual.examination import examination
from pipeline.virtual.pain import reported_pain
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.planned import Planned
from pipeline.virtual.registry import Decisions, accuracies_of, decided_record, decision_blocks
from pipeline.virtual.sources import BOTH, GENERATORS, NONE, SPINAL, UPWARD_AT_EXITING_ROOT, Lesion, Sources

TWIN_EPISODE = 2
"""Streams of chance of the second twin, beside those of first (0) and second (1) operations."""
SHARE_MIMIC = 0.3
"""Of second twins, those whose pain comes from no lesion of the scan (a choice)."""
RADIOGRAPH = "sacroiliitis_grade"
"""A finding on film that the examination draws; twins share it as they share the scan."""


@dataclass(frozen=True)
class Twins:
    """Row i of the four frames is one pair. The plan was made for one of the two, by chance."""

    first: pd.DataFrame
    second: pd.DataFrame
    first_truth: pd.DataFrame
    """See `decision_truth`."""
    second_truth: pd.DataFrame


class Place(NamedTuple):
    """Where a lesion may lie: kind (place in GENERATORS), level, side, zone and root at every site."""

    kind: np.ndarray
    level: np.ndarray
    side: np.ndarray
    zone: np.ndarray
    root: np.ndarray


def draw_twins(params: RegistryParams) -> Twins:
    """As many pairs as `params.cases`, the first twins being the cases of `draw_decisions`."""
    blocks = [_twins_of(params, decisions) for decisions in decision_blocks(params)]
    frames = {f.name: pd.concat([getattr(block, f.name) for block in blocks], ignore_index=True) for f in fields(Twins)}
    return Twins(**frames)


def _twins_of(params: RegistryParams, decisions: Decisions) -> Twins:
    rngs = streams(params.seed, TWIN_EPISODE, decisions.block)
    first, second = decisions.planned, _second_twin(rngs, params, decisions)
    n = len(decisions.index)
    plan = either_of(happens(rngs["listing"], 0.5, (n,)), second.plan, first.plan)
    first, second = replace(first, plan=plan), replace(second, plan=plan)
    order = np.arange(n)
    return Twins(
        first=decided_record(params, replace(decisions, planned=first), order),
        second=decided_record(params, replace(decisions, planned=second), order),
        first_truth=decision_truth(first),
        second_truth=decision_truth(second),
    )


def _second_twin(rngs: dict[str, Generator], params: RegistryParams, decisions: Decisions) -> Planned:
    twin = decisions.planned
    sources = other_sources(rngs["sources"], twin.sources, twin.anatomy)
    pain = reported_pain(rngs["pain"], twin.people, twin.anatomy, sources, params.drawing_extent)
    signs = examination(rngs["examination"], accuracies_of(params), twin.people, twin.anatomy, sources)
    signs |= {name: values for name, values in twin.signs.items() if name.startswith(RADIOGRAPH)}
    plan = chosen_plan(rngs["choice"], twin.people, decisions.centres, pain, signs, twin.reading)
    return replace(twin, sources=sources, pain=pain, signs=signs, plan=plan)


def other_sources(rng: Generator, sources: Sources, anatomy: Anatomy) -> Sources:
    """Sources with another main one: a lesion elsewhere in the same anatomy, or else a mimic.

    What hurts beside the main source (a second lesion, another mimic) hurts in both twins.
    """
    main, n = _other_lesion(rng, sources.main, anatomy), len(sources.main.kind)
    was_spinal = (sources.main.kind >= 0) & (sources.main.kind < SPINAL)
    is_mimic = (main.kind == NONE) | (was_spinal & happens(rng, SHARE_MIMIC, (n,)))
    main = either_of(is_mimic, _other_mimic(rng, sources.main), main)
    mimics = sources.mimics & ~_main_mimics(sources.main) | _main_mimics(main)
    same = (sources.second.kind == main.kind) & (sources.second.level == main.level)
    none = np.full(n, NONE)
    beside = (mimics.any(axis=(1, 2)) | sources.trochanter.any(axis=1)) & ~is_mimic
    share = np.where(sources.mimic_share > 0, sources.mimic_share, rng.uniform(0.1, 0.4, n))
    return replace(
        sources,
        main=main,
        second=either_of(same, Lesion(none, none, none, none, none, np.zeros(n)), sources.second),
        second_share=np.where(same, 0, sources.second_share),
        mimics=mimics,
        mimic_share=np.where(beside, share, 0),
        sensitised=sources.sensitised & (sources.main.kind != GENERATORS.index("central_sensitisation")),
    )


def _other_mimic(rng: Generator, main: Lesion) -> Lesion:
    """A mimic, never the one that hurts in the first twin."""
    n = len(main.kind)
    chance = np.ones((n, 3))
    for place in range(3):
        chance[main.kind == SPINAL + place, place] = 0
    none = np.full(n, NONE)
    side = happens(rng, 0.5, (n,)).astype(int)
    return Lesion(SPINAL + picked(rng, chance), none, side, np.zeros(n, dtype=int), none, np.zeros(n))


def _main_mimics(main: Lesion) -> np.ndarray:
    """(n, mimic, side) whether the main source is that mimic."""
    kinds = SPINAL + np.arange(3)
    return (main.kind[:, None] == kinds)[:, :, None] & (main.side[:, None] == [0, 1])[:, None, :]


def _other_lesion(rng: Generator, main: Lesion, anatomy: Anatomy) -> Lesion:
    """A lesion of the anatomy that could hurt and lies at another level or side; kind -1 where there is none."""
    n = len(main.kind)
    place, grades = _visible_lesions(anatomy)
    one_sided = (place.side != BOTH) & (main.side[:, None] != BOTH) & (place.side != main.side[:, None])
    elsewhere = (place.level != main.level[:, None]) | one_sided
    able = (grades > 0) & elsewhere
    chosen = np.where(able, rng.random(able.shape), -1).argmax(axis=1)
    case, found = np.arange(n), able.any(axis=1)

    def at(values: np.ndarray) -> np.ndarray:
        return np.where(found, np.broadcast_to(values, able.shape)[case, chosen], NONE)

    kind, level, side, zone, root = (at(values) for values in place)
    # As in the first twin: a slip is felt on one side in some, an upward fragment at the exiting root in some.
    slip = kind == GENERATORS.index("slip")
    side = np.where(slip & happens(rng, 0.55, (n,)), happens(rng, 0.5, (n,)).astype(int), side)
    lytic = slip & (anatomy.lysis[case, np.clip(level, 0, None)] > 0)
    upward = (kind == 0) & (zone == 0) & (anatomy.migration[case, np.clip(level, 0, None)] == 1)
    exits = lytic | (upward & happens(rng, UPWARD_AT_EXITING_ROOT, (n,)))
    return Lesion(
        kind=kind,
        level=level,
        side=side,
        zone=np.where(lytic, 1, zone),
        root=np.where(exits, level, root),
        grade=np.where(found, grades[case, chosen], 0),
    )


def _visible_lesions(anatomy: Anatomy) -> tuple[Place, np.ndarray]:
    """Every place at which a lesion may lie, and (n, place) its grade; 0 where it is too slight to hurt."""
    places, grades = [], []

    def add(kind: str, level: int, side: int, zone: int, root: int, grade: np.ndarray, least: float) -> None:
        places.append((GENERATORS.index(kind), level, side, zone, root))
        grades.append(np.where(grade >= least, grade, 0))

    for level in range(len(LEVELS)):
        for side in (0, 1):
            for zone in (1, 2, 3):
                is_foramen = int(zone > 1)
                grade = anatomy.herniation[:, level, int(slot(np.array(zone), np.array(side)))]
                add("herniation", level, side, is_foramen, level + 1 - is_foramen, grade, 2)
            add("recess_stenosis", level, side, 0, level + 1, anatomy.recess[:, level, side], 2)
            add("foraminal_stenosis", level, side, 1, level, anatomy.foraminal[:, level, side], 2)
        add("central_stenosis", level, BOTH, 0, level + 1, anatomy.central[:, level], 2)
        add("slip", level, BOTH, 0, level + 1, anatomy.slip[:, level], 1)
        inflamed = np.where(anatomy.modic[:, level] > 0, anatomy.disc[:, level], 0)
        add("disc", level, BOTH, 0, NONE, inflamed, 4)
        add("facet", level, BOTH, 0, NONE, anatomy.facet[:, level], 2)
    return Place(*np.array(places).T), np.stack(grades, axis=1)
