"""The effect that the virtual registry assumes: each case's risk were its source reached, and were it missed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pipeline.virtual.course import course, drawn_effects
from pipeline.virtual.draws import streams
from pipeline.virtual.operation import operation, unreached_share
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import drawn_decisions


def draw_assumed_effect(params: RegistryParams) -> pd.DataFrame:
    """Risk of failure at 12 months of first operations, with all else of the case as it is.

    Returns
    -------
    DataFrame
        One row a case: `is_source_reached`, `risk` as it is, `risk_if_reached` and `risk_if_missed` the
        main source of the pain. A second source, and pain from elsewhere, stay reached or not as they are.
    """
    decisions = drawn_decisions(params)
    planned, rngs = decisions.planned, streams(params.seed, 0)
    done = operation(rngs["operation"], planned.people, planned.sources, planned.reading, planned.plan)
    effects = drawn_effects(rngs["effects"])
    n = len(decisions.index)

    def risk(unreached: np.ndarray) -> np.ndarray:
        return course(
            streams(params.seed, 0)["course"],
            effects,
            params.discordance_effect,
            planned.people,
            decisions.centres,
            planned.pain,
            planned.reading,
            planned.plan,
            replace(done, unreached=unreached),
        ).risk

    return pd.DataFrame(
        {
            "is_source_reached": done.reached_main * 1.0,
            "risk": risk(done.unreached),
            "risk_if_reached": risk(unreached_share(planned.sources, np.ones(n), done.reached_second)),
            "risk_if_missed": risk(unreached_share(planned.sources, np.zeros(n), done.reached_second)),
        }
    )
