"""How a predictor or a risk is distributed: kept with the model at development, held against later answers.

What is kept tells of groups of at least ten cases, and of no single one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from models.encoding import Floats
from models.experience import LEAST_CASES
from models.fitted import sigmoid

BINS = 10


def development_distributions(predictors: pd.DataFrame, log_odds: Floats) -> dict[str, Any]:
    """What a model keeps of its development: each predictor's distribution, and that of the risk.

    Parameters
    ----------
    predictors : (n_cases, n_predictors) DataFrame
    log_odds : (n_cases,) float
        Recalibrated and out of fold: what the model would have said of each case without having seen it.
    """
    return {
        "predictors": {str(name): distribution(predictors[name]) for name in predictors.columns},
        "risk": distribution(pd.Series(sigmoid(log_odds))),
    }


def distribution(values: pd.Series) -> dict[str, Any]:
    """What is remembered of a predictor or of the risks: enough to see drift, and no value of a case.

    Numbers are kept as shares between cuts: each value where there are few, else deciles, to three significant
    digits. Words are kept as the share of each. Every share stands for at least ten cases: a bin of fewer joins the
    next, a word of fewer joins the others, which come last, and fewer than ten that are missing, or recorded, count
    as none.

    Returns
    -------
    dict
        `cases`, `missing` (a share of them), `cuts` or `levels`, and `shares` of those recorded: one more than
        cuts; one for each level, and one more where there are others.

    Examples
    --------
    >>> distribution(pd.Series([1.0] * 30 + [2.0] * 60 + [np.nan] * 10))
    {'cases': 100, 'missing': 0.1, 'cuts': [1.0], 'shares': [0.333333, 0.666667]}
    >>> distribution(pd.Series(["a"] * 15 + ["b"] * 45 + ["c"] * 3))
    {'cases': 63, 'missing': 0.0, 'levels': ['b'], 'shares': [0.714286, 0.285714]}
    """
    known = values.dropna()
    missing = 1 - len(known) / len(values) if len(values) - len(known) >= LEAST_CASES else 0.0
    if len(known) < LEAST_CASES:
        known, missing = known.iloc[:0], 1.0
    head: dict[str, Any] = {"cases": len(values), "missing": _rounded(missing)}
    if pd.api.types.is_numeric_dtype(known.dtype):
        numbers = known.to_numpy(dtype=np.float64)
        cuts = _cuts(numbers)
        return {**head, "cuts": cuts, "shares": _shares(_binned(numbers, cuts))}
    levels = _levels(known)
    return {**head, "levels": levels, "shares": _shares(_by_level(known, levels))}


def _cuts(numbers: Floats) -> list[float]:
    """Where bins end, each of at least ten cases; a value at a cut belongs below it."""
    found = np.unique(numbers).tolist()
    if len(found) > BINS:
        found = np.quantile(numbers, np.arange(1, BINS) / BINS, method="lower").tolist()
    cuts: list[float] = []
    below = 0
    for cut in sorted({float(f"{cut:.3g}") for cut in found}):
        at_or_below = int((numbers <= cut).sum())
        if at_or_below - below >= LEAST_CASES and len(numbers) - at_or_below >= LEAST_CASES:
            cuts.append(cut)
            below = at_or_below
    return cuts


def _levels(words: pd.Series) -> list[str]:
    """The words that are told apart; the rest are either nobody or at least ten cases."""
    counts = words.astype(str).value_counts()
    levels = counts.index[counts >= LEAST_CASES].tolist()
    others = int(counts.sum() - counts[levels].sum())
    while levels and 0 < others < LEAST_CASES:
        others += int(counts[levels.pop()])
    return sorted(levels)


def _binned(numbers: Floats, cuts: Sequence[float]) -> Floats:
    return np.bincount(np.searchsorted(np.asarray(cuts), numbers, side="left"), minlength=len(cuts) + 1).astype(float)


def _by_level(words: pd.Series, levels: Sequence[str]) -> Floats:
    counts = words.astype(str).value_counts()
    named = [float(counts.get(level, 0)) for level in levels]
    other = float(counts.sum()) - sum(named)
    return np.array([*named, other] if other else named)


def _shares(counts: Floats) -> list[float]:
    return [_rounded(count / counts.sum()) for count in counts] if counts.sum() else [0.0 for _ in counts]


def _rounded(share: float) -> float:
    return round(float(share), 6)


class Drift(NamedTuple):
    """How far a distribution moved.

    `stability` is the population stability index of the recorded values, None where there are none; `freedom` the
    degrees of freedom by which chance moves it.
    """

    cases: int
    stability: float | None
    freedom: int
    missing: float
    missing_before: float
    by_chance: float
    """What chance alone adds to it on average, and the unit of its spread."""


def drift(values: pd.Series, before: Mapping[str, Any]) -> Drift:
    """The population stability index of values against a distribution as `distribution` keeps it.

    The sum over bins of the difference of shares times the log of their ratio; 0 where nothing moved. An empty
    bin counts as half a case, on either side.

    References
    ----------
    Yurdakul, Statistical Properties of Population Stability Index, Western Michigan University 2018: without
    drift it is distributed as (1/n + 1/m) times a chi-squared with one degree of freedom fewer than bins.

    Examples
    --------
    >>> before = distribution(pd.Series(np.repeat([0.0, 1.0], 500)))
    >>> drift(pd.Series([0.0] * 50 + [1.0] * 50), before).stability
    0.0
    >>> round(drift(pd.Series([0.0] * 80 + [1.0] * 20), before).stability, 4)  # 0.3 log 1.6 - 0.3 log 0.4
    0.4159
    """
    known = values.dropna()
    if "cuts" in before:
        now = _binned(pd.to_numeric(known).to_numpy(dtype=np.float64), before["cuts"])
    else:
        now = _by_level(known, before["levels"])
    recorded_before = before["cases"] * (1 - before["missing"])
    then = np.zeros(max(len(now), len(before["shares"])))
    then[: len(before["shares"])] = before["shares"]
    now = np.pad(now, (0, len(then) - len(now)))
    missing = float(values.isna().mean()) if len(values) else 0.0
    if not now.sum() or recorded_before < 1:
        return Drift(len(values), None, 0, missing, before["missing"], np.nan)
    p, q = (_without_zero(counts) for counts in (now, then * recorded_before))
    # Adding zero keeps "no drift" from being written as a minus zero.
    index = float(np.sum((p - q) * np.log(p / q))) + 0.0
    return Drift(len(values), index, len(p) - 1, missing, before["missing"], 1 / now.sum() + 1 / recorded_before)


def _without_zero(counts: Floats) -> Floats:
    filled = np.maximum(counts, 0.5)
    return filled / filled.sum() if (counts == 0).any() else counts / counts.sum()
