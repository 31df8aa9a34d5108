"""The operation: what was done, what went wrong, and whether it reached the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pipeline.virtual.choice import PROCEDURES, Plan
from pipeline.virtual.draws import happens, picked, whole, words_if
from pipeline.virtual.effects import LARGE_DEFECT_MM, Effects, log_ratio, predictors_in_people
from pipeline.virtual.facts import constant, fact_grid, facts
from pipeline.virtual.parameters import DIAGNOSES
from pipeline.virtual.people import People
from pipeline.virtual.planned import Planned
from pipeline.virtual.record import grid_columns
from pipeline.virtual.scan import Reading
from pipeline.virtual.sources import ROOT_LESIONS, SPINAL, Lesion, Sources

CENTRAL_SHARE = 0.25
"""Of the pain of a source that was reached, what is centrally maintained and stays (an assumption)."""
CARRAGEE = ("fragment_fissure", "fragment_defect", "fragment_contained", "no_fragment_contained")


@dataclass(frozen=True)
class Unreached:
    """(n,) shares of the pain whose source the operation did not reach, which sum to at most 1."""

    spine: np.ndarray
    """From lesions of the lumbar spine."""
    elsewhere: np.ndarray
    """From mimics, or centrally maintained."""

    @property
    def share(self) -> np.ndarray:
        return self.spine + self.elsewhere


@dataclass(frozen=True)
class Operation:
    events: dict[str, np.ndarray]
    wrong_level: np.ndarray
    """Operated a level beside the one that was meant, by miscounting or by exposure."""
    reached_main: np.ndarray
    reached_second: np.ndarray
    unreached: Unreached
    defect_mm: np.ndarray
    level: np.ndarray
    """The true level that was operated for the pain."""
    decompressed: np.ndarray
    """(n, level, side) on the true levels, whatever the note says."""
    fused: np.ndarray
    """(n, level) fused, or given a disc prosthesis."""
    columns: dict[str, np.ndarray]


def operation(rng: Generator, effects: Effects, planned: Planned) -> Operation:
    """What was done, and what went wrong."""
    sources, reading, plan = planned.sources, planned.reading, planned.plan
    n = len(plan.level)
    events = _events(rng, effects, planned.people, plan)
    # Who counts the levels at operation as on the scan operates what was seen, whatever its name.
    recounted = (reading.shift != 0) & happens(rng, constant("recounted_at_operation"), (n,))
    slipped = np.where(events["wrong_level"], np.where(happens(rng, 0.5, (n,)), 1, -1), 0)
    off = np.where(recounted, 0, -reading.shift) + slipped
    decompressed, fused = _moved(plan.decompression, off), _moved(plan.fusion, off)
    wide = plan.procedure == PROCEDURES.index("decompression_and_fusion")
    main = _reached(sources.main, plan.zone, decompressed, fused, wide)
    second = _reached(sources.second, plan.zone, decompressed, fused, wide)
    noted = _moved(plan.decompression, slipped * happens(rng, 0.5, (n,)))
    columns, defect = _columns(rng, plan, events)
    columns |= grid_columns("operated_decompression", noted * 1.0, "level", "side")
    columns |= grid_columns("operated_fusion", plan.fusion * 1.0, "level")
    return Operation(
        events=events,
        wrong_level=(slipped != 0) | recounted,
        reached_main=main,
        reached_second=second,
        unreached=unreached_share(sources, main, second),
        defect_mm=defect,
        level=np.clip(plan.level + off, 0, decompressed.shape[1] - 1),
        decompressed=decompressed,
        fused=fused,
        columns=columns,
    )


def unreached_share(sources: Sources, main: np.ndarray, second: np.ndarray) -> Unreached:
    """What of the pain is not reached, by whether the main and the second source are."""
    own = 1 - sources.second_share - sources.mimic_share
    reached = own * main + sources.second_share * second
    kept = np.where(sources.sensitised, CENTRAL_SHARE, 0)
    is_spinal = (sources.main.kind >= 0) & (sources.main.kind < SPINAL)
    missed_spine = own * is_spinal * (1 - main) + sources.second_share * (1 - second)
    missed_elsewhere = own * ~is_spinal * (1 - main) + sources.mimic_share
    return Unreached(spine=missed_spine, elsewhere=missed_elsewhere + kept * reached)


def plan_reaches(sources: Sources, reading: Reading, plan: Plan) -> np.ndarray:
    """(n,) whether the plan, carried out at the levels that were meant, reaches the main source."""
    decompressed, fused = _moved(plan.decompression, -reading.shift), _moved(plan.fusion, -reading.shift)
    wide = plan.procedure == PROCEDURES.index("decompression_and_fusion")
    return _reached(sources.main, plan.zone, decompressed, fused, wide)


def _events(rng: Generator, effects: Effects, people: People, plan: Plan) -> dict[str, np.ndarray]:
    names = tuple(facts("events")["event"])
    rates = fact_grid("events", names, DIAGNOSES)[:, plan.diagnosis]
    present = predictors_in_people(people)
    usual = facts("events")["mean_ratio"].to_numpy(dtype=float)
    return {
        name: happens(rng, rates[i] / usual[i] * np.exp(log_ratio(effects, name, present)))
        for i, name in enumerate(names)
    }


def _moved(grid: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The grid with its levels moved; what would fall off the lumbar spine stays at its end."""
    moved = grid.copy()
    up, down = np.flatnonzero(by < 0), np.flatnonzero(by > 0)
    moved[up, :-1], moved[up, -1] = grid[up, 1:], False
    moved[up, 0] |= grid[up, 0]
    moved[down, 1:], moved[down, 0] = grid[down, :-1], False
    moved[down, -1] |= grid[down, -1]
    return moved


def _reached(
    lesion: Lesion, zone: np.ndarray, decompressed: np.ndarray, fused: np.ndarray, wide: np.ndarray
) -> np.ndarray:
    """Whether it reached this source: level, side and zone of a root lesion, level of an axial one."""
    case, level = np.arange(len(zone)), np.clip(lesion.level, 0, None)
    one = decompressed[case, level, np.clip(lesion.side, 0, 1)]
    any_side = decompressed[case, level].any(axis=1)
    opened = np.where(lesion.side == 2, any_side, one)
    in_zone = (zone == 2) | (zone == lesion.zone) | wide
    stiffened = fused[case, level]
    by_root = opened & (in_zone | (lesion.kind == 4))
    reached = np.where(lesion.kind < ROOT_LESIONS, by_root | ((lesion.kind == 4) & stiffened), stiffened)
    return reached & (lesion.level >= 0)


def _columns(rng: Generator, plan: Plan, events: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    n = len(plan.level)
    levels = np.maximum(plan.decompression.any(axis=2).sum(axis=1), plan.fusion.sum(axis=1))
    stiff = plan.procedure >= PROCEDURES.index("decompression_and_fusion")
    minutes = np.exp(rng.normal(np.log(48 + 22 * (levels - 1) + 75 * stiff), 0.3))
    loss = np.exp(rng.normal(np.log(50 + 60 * (levels - 1) + 220 * stiff), 0.7))
    changed = happens(rng, 0.012, (n,)) & (plan.procedure == 0)
    done = np.where(changed, PROCEDURES.index("decompression"), plan.procedure)
    discectomy = done <= 1
    median, log_sd = constant("annular_defect_median_mm"), constant("annular_defect_log_sd")
    defect = whole(np.exp(rng.normal(np.log(median), log_sd, n)), 1, 20)
    kind = picked(rng, np.array([constant(name) for name in CARRAGEE]), n)
    defect = np.where(kind == CARRAGEE.index("fragment_defect"), np.maximum(defect, LARGE_DEFECT_MM), defect)
    columns = {
        "performed_procedure": np.array(PROCEDURES, dtype=object)[done],
        "has_dural_tear": events["dural_tear"] * 1.0,
        "has_root_injury": events["root_injury"] * 1.0,
        "operation_minutes": whole(minutes + 20 * events["dural_tear"], 15, 600),
        "blood_loss_ml": whole(loss, 5, 5000, 5),
        "annular_defect_mm": np.where(discectomy, defect, np.nan),
        "fragment_type": words_if(discectomy, np.array(CARRAGEE, dtype=object)[kind]),
    }
    return columns, np.where(discectomy, defect, 0)
