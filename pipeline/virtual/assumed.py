"""The effect that the virtual registry assumes: each case's risk were its source reached, and were it missed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pipeline.virtual.course import course
from pipeline.virtual.draws import streams
from pipeline.virtual.effects import Effects, drawn_effects
from pipeline.virtual.operation import Unreached, operation, unreached_share
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import Decisions, decision_blocks


def draw_assumed_effect(params: RegistryParams) -> pd.DataFrame:
    """Risk of failure at 12 months of first operations, with all else of the case as it is.

    Returns
    -------
    DataFrame
        One row a case: `is_source_reached`, `risk` as it is, `risk_if_reached` and `risk_if_missed` the
        main source of the pain. A second source, and pain from elsewhere, stay reached or not as they are.
    """
    effects = drawn_effects(streams(params.seed, 0)["effects"])
    return pd.concat(
        [_assumed_of(params, effects, decisions) for decisions in decision_blocks(params)], ignore_index=True
    )


def _assumed_of(params: RegistryParams, effects: Effects, decisions: Decisions) -> pd.DataFrame:
    planned, rngs = decisions.planned, streams(params.seed, 0, decisions.block)
    done = operation(rngs["operation"], effects, planned)
    n = len(decisions.index)

    def risk(unreached: Unreached) -> np.ndarray:
        course_rng = streams(params.seed, 0, decisions.block)["course"]
        return course(course_rng, effects, params, decisions.centres, planned, replace(done, unreached=unreached)).risk

    return pd.DataFrame(
        {
            "is_source_reached": done.reached_main * 1.0,
            "risk": risk(done.unreached),
            "risk_if_reached": risk(unreached_share(planned.sources, np.ones(n), done.reached_second)),
            "risk_if_missed": risk(unreached_share(planned.sources, np.zeros(n), done.reached_second)),
        }
    )
