"""How much a record holds at best: a flexible learner, taught by many cases whose truth is known.

Nobody can write down what the generator of the virtual registry would itself conclude from a record. A
learner that has seen enough of its draws comes close from below: "at least this much is attainable". It
sees the whole record laid out so that little has to be learned twice: left and right exchanged where
need be, and levels counted from the one that is planned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.axes import LEG_REGIONS, LEVELS, ROOTS, SIDES
from features.dictionary import Variable, load_dictionary
from models.metrics import Floats

ABOUT_LEVEL = (-1, 0, 1, 2)
"""Levels laid out beside the planned one, above and below it."""
ABOUT_ROOT = (0, 1, 2)
"""Roots laid out: the one that leaves at the planned level, and those that pass it."""
TREES = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 5,
    "learning_rate": 0.12,
    "min_child_weight": 10,
    "subsample": 0.8,
    "colsample_bytree": 0.3,
    "nthread": 1,  # two threads of one fit wait for each other on a busy machine; two fits do not
}
ROUNDS = 150
FRACTIONS = (0.25, 0.5, 1.0)
LEVELLED = 0.005
"""A learning curve has levelled off when doubling the cases adds less than this to the AUROC."""

Grids = Mapping[str, Sequence[str | None]]


def record_matrix(cases: pd.DataFrame, variables: Sequence[Variable] | None = None) -> pd.DataFrame:
    """Variables as numbers, by default the preoperative ones: choices become one column a choice; NaN is missing."""
    wanted = load_dictionary().predictors if variables is None else variables
    predictors = [v for v in wanted if v.name in cases.columns]
    numbers = cases[[v.name for v in predictors if v.is_numeric]].astype(float)
    columns = {}
    for variable in predictors:
        if not variable.is_numeric and variable.choices:
            for code in variable.codes:
                is_code = (cases[variable.name] == code) * 1.0
                columns[f"{variable.name}={code}"] = is_code.where(cases[variable.name].notna())
    return pd.concat([numbers, pd.DataFrame(columns, index=cases.index)], axis=1)


def mirrored(record: pd.DataFrame, is_mirrored: np.ndarray) -> pd.DataFrame:
    """The record with left and right exchanged in some cases: columns in pairs `..._left`, `..._right`."""
    other = {"left": "right", "right": "left"}
    partner = {}
    for name in record.columns:
        stem, _, side = str(name).rpartition("_")
        twin = f"{stem}_{other[side]}" if side in other else str(name)
        partner[name] = twin if twin in record.columns else name
    exchanged = record[list(partner.values())].to_numpy()
    return pd.DataFrame(
        np.where(is_mirrored[:, None], exchanged, record.to_numpy()), index=record.index, columns=record.columns
    )


def planned_place(record: pd.DataFrame, which: str = "planned", drawing: str = "pain") -> tuple[np.ndarray, np.ndarray]:
    """(n,) uppermost planned level, 0 without a plan, and whether the plan leans to the right.

    A plan for both sides leans to the side on which more leg pain is drawn. Of what was done it is asked with
    `which="operated"`, and with `drawing="followup_pain"` of the drawing made later.
    """
    planned = {
        side: np.stack([_column(record, f"{which}_decompression_{level}_{side}") > 0 for level in LEVELS], axis=1)
        for side in SIDES
    }
    fused = np.stack([_column(record, f"{which}_fusion_{level}") > 0 for level in LEVELS], axis=1)
    leg = {side: sum(np.nan_to_num(_column(record, f"{drawing}_{r}_{side}")) for r in LEG_REGIONS) for side in SIDES}
    n_left, n_right = planned["left"].sum(axis=1), planned["right"].sum(axis=1)
    leans_right = np.where(n_left == n_right, leg["right"] > leg["left"], n_right > n_left)
    return (planned["left"] | planned["right"] | fused).argmax(axis=1), np.asarray(leans_right, dtype=bool)


def _column(record: pd.DataFrame, name: str) -> Floats:
    return record[name].to_numpy() if name in record.columns else np.full(len(record), np.nan)


def level_grids(variables: Sequence[Variable] | None = None) -> Grids:
    """Columns of the record that run along the levels, by what they are apart from the level."""
    return _grids("level", LEVELS, variables)


def root_grids(variables: Sequence[Variable] | None = None) -> Grids:
    """Columns of the record that run along the roots, by what they are apart from the root."""
    return _grids("root", ROOTS, variables)


def _grids(axis: str, labels: Sequence[str], variables: Sequence[Variable] | None) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for variable in load_dictionary().predictors if variables is None else variables:
        place = dict(variable.coordinates)
        if variable.is_numeric and axis in place:
            label = place.pop(axis)
            key = "_".join([variable.item, *sorted(place.values())])
            found.setdefault(key, [None] * len(labels))[labels.index(label)] = variable.name
    return found


def about(record: pd.DataFrame, grids: Grids, place: np.ndarray, offsets: Sequence[int]) -> pd.DataFrame:
    """The grids counted from a place of each case: column `<grid>@<offset>`; NaN beyond the axis."""
    columns = {}
    for key, names in grids.items():
        # One empty column at the end stands for every place that is not recorded.
        values = np.stack([_column(record, name) if name else np.full(len(record), np.nan) for name in names], axis=1)
        values = np.column_stack([values, np.full(len(record), np.nan)])
        for offset in offsets:
            at = place + offset
            at = np.where((at >= 0) & (at < len(names)), at, len(names))
            columns[f"{key}@{offset:+d}"] = values[np.arange(len(record)), at]
    return pd.DataFrame(columns, index=record.index)


def plan_view(record: pd.DataFrame, more_root_grids: Grids) -> pd.DataFrame:
    """The record seen from the plan: its side is always left, its level always the same.

    `more_root_grids` name further columns of the record that run along the roots.
    """
    level, leans_right = planned_place(record)
    turned = mirrored(record, leans_right)
    return pd.concat(
        [
            turned,
            about(turned, level_grids(), level, ABOUT_LEVEL),
            about(turned, {**root_grids(), **more_root_grids}, level, ABOUT_ROOT),
        ],
        axis=1,
    )


def side_view(record: pd.DataFrame) -> pd.DataFrame:
    """Each case twice: seen from its left, then all cases from their right; without single levels and roots."""
    local = {name for grids in (level_grids(), root_grids()) for names in grids.values() for name in names}
    kept = record[[name for name in record.columns if name not in local]]
    return pd.concat([mirrored(kept, np.full(len(kept), side == "right")) for side in SIDES], ignore_index=True)


class Question(NamedTuple):
    """What is to be learned: rows whose truth is shown, in no order that matters, and rows to be judged."""

    draws: pd.DataFrame
    is_true: Floats
    tested: pd.DataFrame
    fractions: Sequence[float] = FRACTIONS
    """Parts of the draws to learn from, for a learning curve; the first rows are taken."""


def learned_risks(questions: Mapping[str, Question], seed: int) -> dict[str, dict[float, Floats]]:
    """Risk of each tested row, by question and part of the draws: {question: {fraction: (n_tested,)}}."""
    fits = [(name, fraction) for name, question in questions.items() for fraction in question.fractions]
    with ThreadPoolExecutor(max_workers=2) as pool:
        # The long ones first, so that neither thread waits for the other at the end.
        fits.sort(key=lambda fit: -fit[1])
        risks = list(pool.map(lambda fit: _risk_after(questions[fit[0]], fit[1], seed), fits))
    found = dict(zip(fits, risks, strict=True))
    return {
        name: {fraction: found[name, fraction] for fraction in question.fractions}
        for name, question in questions.items()
    }


def _risk_after(question: Question, fraction: float, seed: int) -> Floats:
    import xgboost

    n = max(1, round(fraction * len(question.draws)))
    shown = question.draws.iloc[:n].to_numpy(dtype=np.float32)
    data = xgboost.QuantileDMatrix(shown, label=question.is_true[:n], nthread=1)
    tested = xgboost.DMatrix(question.tested.to_numpy(dtype=np.float32), nthread=1)
    return xgboost.train({**TREES, "seed": seed}, data, ROUNDS).predict(tested).astype(np.float64)
