"""Guards against a leak: a predictor that knows the outcome makes a model that is too good to be true."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from features.errors import LeakError
from models.encoding import Floats
from models.fitted import sigmoid
from models.metrics import auroc

SUSPECTS_NAMED = 3


def refuse_leak(
    outcome: str, X: pd.DataFrame, y: Floats, log_odds_by_learner: Mapping[str, Floats], *, most: float
) -> None:
    """Raise `LeakError` if a learner's out-of-fold AUROC exceeds what honest registries have ever reached.

    The message names the predictors that separate the outcome best on their own.
    """
    reached = {learner: auroc(y, sigmoid(odds)).estimate or 0.5 for learner, odds in log_odds_by_learner.items()}
    learner = max(reached, key=lambda name: reached[name])
    if reached[learner] <= most:
        return
    suspects = single_aurocs(X, y).head(SUSPECTS_NAMED)
    named = ", ".join(f"{name} (alone {value:.2f})" for name, value in suspects.items())
    raise LeakError(
        f"{outcome}: {learner} reaches an AUROC of {reached[learner]:.2f} out of fold; above {most:g} is a leak until "
        f"proved otherwise. The best single predictors are {named}. Is one of them known only after the operation? "
        f"If not, name the outcome in train.overrule_leak_alarm."
    )


def single_aurocs(X: pd.DataFrame, y: Floats) -> pd.Series:
    """How well each numeric predictor separates the outcome alone, in either direction; best first."""
    values = {}
    for name in X.columns:
        numbers = pd.to_numeric(X[name], errors="coerce").to_numpy(dtype=np.float64)
        known = ~np.isnan(numbers)
        estimate = auroc(y[known], rankdata(numbers[known]) / known.sum()).estimate if known.any() else None
        values[name] = 0.5 if estimate is None else max(estimate, 1 - estimate)
    return pd.Series(values, dtype=float).sort_values(ascending=False, kind="stable")
