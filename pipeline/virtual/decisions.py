"""Planned cases with the truth that stood behind the plan: did it reach the source of the pain?

Drawn like the registry, and apart from it: what happens at and after the operation plays no part, and
with a seed of their own these cases have set nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.axes import LEVELS, MIMICS, SIDES
from pipeline.virtual.operation import plan_reaches
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.planned import Planned
from pipeline.virtual.registry import decided_record, decision_blocks
from pipeline.virtual.sources import GENERATORS, SPINAL, both_sides


def draw_decisions(params: RegistryParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The record of planned cases before their operation, and the truth of each.

    Returns
    -------
    cases
        One row a case, with the preoperative variables of the dictionary.
    truth
        One row a case in the same order: see `decision_truth`.
    """
    cases, truth = [], []
    for decisions in decision_blocks(params):
        cases.append(decided_record(params, decisions, np.arange(len(decisions.index))))
        truth.append(decision_truth(decisions.planned))
    return pd.concat(cases, ignore_index=True), pd.concat(truth, ignore_index=True)


def decision_truth(planned: Planned) -> pd.DataFrame:
    """What nobody can know of a real patient at the decision.

    Returns
    -------
    DataFrame
        `source_kind` in words; `is_spinal` whether the main source lies in the lumbar spine;
        `source_level` by the count of whoever read the scan, and `source_side` (left, right, both),
        None where the main source has none; `is_source_in_plan` whether the plan, carried out at the
        levels that were meant, reaches the main source; `has_<mimic>_<side>` whether that mimic hurts
        there, `is_main_<mimic>_<side>` whether it is the main source. Yes is 1, no is 0.
    """
    sources, main = planned.sources, planned.sources.main
    is_spinal = (main.kind >= 0) & (main.kind < SPINAL)
    counted = main.level + planned.reading.shift
    in_sight = is_spinal & (counted >= 0) & (counted < len(LEVELS))
    columns = {
        "source_kind": np.array(GENERATORS, dtype=object)[main.kind],
        "is_spinal": is_spinal * 1.0,
        "source_level": np.array([*LEVELS, None], dtype=object)[np.where(in_sight, counted, -1)],
        "source_side": np.array([*SIDES, "both", None], dtype=object)[main.side],
        "is_source_in_plan": plan_reaches(sources, planned.reading, planned.plan) * 1.0,
    }
    on_side = both_sides(main.side)
    for place, mimic in enumerate(MIMICS):
        for number, side in enumerate(SIDES):
            is_main = (main.kind == SPINAL + place) & on_side[:, number]
            columns[f"has_{mimic}_{side}"] = sources.mimics[:, place, number] * 1.0
            columns[f"is_main_{mimic}_{side}"] = is_main * 1.0
    return pd.DataFrame(columns)
