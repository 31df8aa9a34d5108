"""How well causes can be named at best: a flexible learner, taught by many work-ups whose cause is known.

As in `models.attainable`: what it reaches is attainable, and more may be. It sees the findings that knowledge
weighs, and beside them the whole follow-up, laid out from the operation: its side is always left, its level always
the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.axes import CAUSES
from features.dictionary import Variable, load_dictionary
from models.attainable import about, level_grids, mirrored, planned_place, record_matrix, root_grids
from models.encoding import Floats

ABOUT_LEVEL = (-1, 0, 1)
"""Levels laid out beside the operated one, above and below it."""
ABOUT_ROOT = (0, 1)
"""Roots laid out: the one that leaves at the operated level, and the one that passes it."""
TREES = {
    "objective": "multi:softprob",
    "num_class": len(CAUSES),
    "tree_method": "hist",
    "max_bin": 32,  # most findings have a handful of grades
    "max_depth": 4,
    "learning_rate": 0.2,
    "min_child_weight": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.3,
    "nthread": 1,
}
ROUNDS = 40


def operated_view(cases: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """The follow-up seen from the operation, with the findings that were made of it: numbers, NaN where missing."""
    variables = _followed_up()
    record = record_matrix(cases, variables)
    level, leans_right = planned_place(record, "operated", "followup_pain")
    turned = mirrored(record, leans_right)
    levels, roots = level_grids(variables), root_grids(variables)
    local = {name for grids in (levels, roots) for names in grids.values() for name in names}
    return pd.concat(
        [
            turned[[name for name in turned.columns if name not in local]],
            about(turned, levels, level, ABOUT_LEVEL),
            about(turned, roots, level, ABOUT_ROOT),
            features.add_prefix("built:").set_axis(cases.index),
        ],
        axis=1,
    )


def _followed_up() -> list[Variable]:
    """What is known at the work-up, with what is not laid out by level and root before the operation."""
    known = load_dictionary()
    before = [v for v in known.predictors if not {"level", "root", "region"} & set(dict(v.coordinates))]
    later = [v for v in known.known_by("follow_up") if v.known != "preoperative"]
    return [*before, *later]


def attainable_shares(
    shown: pd.DataFrame, right: NDArray[np.intp], tested: pd.DataFrame, seed: int, fractions: Sequence[float] = (1.0,)
) -> dict[float, Floats]:
    """Probability of each cause in the tested cases, after each part of the cases shown: (n_tested, n_causes).

    `right` is the place in CAUSES of the cause of each case shown; the first rows make the parts.
    """
    import xgboost

    told = {}
    asked = xgboost.DMatrix(tested.to_numpy(dtype=np.float32), nthread=1)
    for fraction in fractions:
        n = max(1, round(fraction * len(shown)))
        data = xgboost.QuantileDMatrix(
            shown.iloc[:n].to_numpy(dtype=np.float32), label=right[:n], nthread=1, max_bin=TREES["max_bin"]
        )
        trees = xgboost.train({**TREES, "seed": seed}, data, ROUNDS)
        told[fraction] = trees.predict(asked).astype(np.float64)
    return told
