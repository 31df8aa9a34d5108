"""Would other patients to learn from have given the same answer? Risks over the refits of a model.

A model ships with refits on bootstraps of its development patients. Their settings and the recalibration are
fixed, so what is found here is the least instability: a search for settings inside each bootstrap would add to it.

References
----------
Riley & Collins, Biom J 2023;65:2200302: instability of predictions, MAPE, classification instability index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.predictors import predictor_frame
from models.bundle import Bundle
from models.encoding import Floats
from models.fitted import sigmoid
from models.metrics import (
    Estimate,
    auroc,
    calibration_intercept,
    calibration_slope,
    not_estimable,
    smooth_calibration_curve,
)

FEWEST_REFITS = 5
"""Below it, neither a range nor a share of refits says anything."""
FLIPPING = {"flip_in_5_percent": 0.05, "flip_in_50_percent": 0.5}
"""Shares of refits that decide otherwise: from the first on a flag hangs on the draw, from the second it is a toss."""
RANGE = (0.025, 0.975)
NO_SAMPLE = "no interval: a figure of the cases at hand, which are not taken for a sample"
RANGE_OF_REFITS = "lower and upper are the 95 % range of the refits, which need not hold the final model's figure"
CURVE_POINTS = 41


@dataclass(frozen=True)
class Instability:
    """The risk of each case by the final model, (n,), and by each refit, (n, n_refits)."""

    risk: Floats
    refits: Floats

    @property
    def reason(self) -> str | None:
        """Why nothing can be said, where nothing can."""
        if not len(self.risk):
            return "there are no cases"
        n = self.refits.shape[1]
        return f"the model has {n} refits; at least {FEWEST_REFITS} are needed" if n < FEWEST_REFITS else None

    @property
    def standard_deviation(self) -> Floats:
        """(n,): of each case's risk over the refits."""
        return self.refits.std(axis=1, ddof=1)

    @property
    def range(self) -> tuple[Floats, Floats]:
        """(n,) twice: the 2.5th and 97.5th percentile of each case's risk over the refits."""
        lower, upper = np.quantile(self.refits, RANGE, axis=1)
        return lower, upper

    @property
    def absolute_error(self) -> Floats:
        """(n,): mean distance of the refits' risks from the final one; its mean is the MAPE."""
        return np.abs(self.refits - self.risk[:, None]).mean(axis=1)

    def flips(self, threshold: float) -> Floats:
        """(n,): share of the refits that decide otherwise than the final model (classification instability index)."""
        flagged = self.risk >= threshold
        return ((self.refits >= threshold) != flagged[:, None]).mean(axis=1)


def instability(bundle: Bundle, cases: pd.DataFrame, features: pd.DataFrame) -> Instability:
    """The risks of cases under a model and its refits.

    Parameters
    ----------
    cases, features : DataFrame
        Records, and the builders' features of the same cases.
    """
    frame = predictor_frame(cases, features, [predictor.name for predictor in bundle.predictors])
    margins = np.array([refit.log_odds(frame) for refit in bundle.refits]).reshape(len(bundle.refits), len(frame))
    refits = sigmoid(bundle.recalibrated_refits(margins))
    risk = sigmoid(bundle.recalibration(bundle.model.log_odds(frame)))
    return Instability(risk, refits.T)


def risk_instability(found: Instability) -> dict[str, Estimate]:
    """How much risks move, over cases: means, and the least stable twentieth.

    `mape` is the mean of each case's mean absolute error, `mape_95` its 95th percentile over cases;
    `standard_deviation` and `range_width` (of the 95 % range) are means over cases, `range_width_95` again the
    95th percentile.
    """
    if found.reason:
        names = ("mape", "mape_95", "standard_deviation", "range_width", "range_width_95")
        return dict.fromkeys(names, not_estimable(found.reason))
    lower, upper = found.range
    width = upper - lower
    return {
        "mape": _figure(found.absolute_error.mean()),
        "mape_95": _figure(np.quantile(found.absolute_error, 0.95)),
        "standard_deviation": _figure(found.standard_deviation.mean()),
        "range_width": _figure(width.mean()),
        "range_width_95": _figure(np.quantile(width, 0.95)),
    }


def flag_instability(found: Instability, threshold: float) -> dict[str, Estimate]:
    """How far flags at a threshold hang on the draw of patients.

    `classification_instability` is the mean over cases of the share of refits that decide otherwise;
    `flip_in_5_percent` and `flip_in_50_percent` are the shares of cases of which at least that many do.
    """
    if found.reason:
        return dict.fromkeys(("classification_instability", *FLIPPING), not_estimable(found.reason))
    flips = found.flips(threshold)
    return {
        "classification_instability": _figure(flips.mean()),
        **{name: _figure((flips >= share).mean()) for name, share in FLIPPING.items()},
    }


def performance_instability(found: Instability, y_true: ArrayLike, weights: ArrayLike) -> dict[str, Estimate]:
    """AUROC, calibration intercept and slope over the refits: the final model's, and the refits' 95 % range.

    The range is not an interval of the figure: the cases are the same throughout, the models differ. A case of
    weight 0 has no known outcome and does not enter.
    """
    measures = {"auroc": auroc, "calibration_intercept": calibration_intercept, "calibration_slope": calibration_slope}
    if found.reason:
        return dict.fromkeys(measures, not_estimable(found.reason))
    told = {}
    for name, measure in measures.items():
        final = measure(y_true, found.risk, weights=weights)
        values = [measure(y_true, refit, weights=weights).estimate for refit in found.refits.T]
        told[name] = _ranged(final, [value for value in values if value is not None])
    return told


def _ranged(final: Estimate, refits: Sequence[float]) -> Estimate:
    if final.estimate is None:
        return final
    if len(refits) < FEWEST_REFITS:
        return Estimate(final.estimate, reason=f"no range: it is estimable for {len(refits)} refits only")
    lower, upper = np.quantile(refits, RANGE)
    return Estimate(final.estimate, float(lower), float(upper), RANGE_OF_REFITS)


def calibration_curves(found: Instability, y_true: ArrayLike, weights: ArrayLike) -> pd.DataFrame:
    """Smooth calibration curve of the final model (`refit` -1) and of each refit, thinned for a picture.

    Columns `refit`, `risk`, `observed`: at most 41 rows a curve. No rows where a curve is not estimable.
    """
    risks = [found.risk, *found.refits.T]
    curves = []
    for number, risk in enumerate(risks if not found.reason else (), start=-1):
        curve = smooth_calibration_curve(y_true, risk, weights=weights)
        if not len(curve["risk"]):
            continue
        kept = np.unique(np.linspace(0, len(curve["risk"]) - 1, CURVE_POINTS).round().astype(int))
        curves.append(pd.DataFrame({"refit": number, **{name: curve[name][kept] for name in ("risk", "observed")}}))
    none = pd.DataFrame({"refit": np.zeros(0, dtype=int), "risk": np.zeros(0), "observed": np.zeros(0)})
    return pd.concat([none, *curves], ignore_index=True)


def spread_cases(found: Instability, shown: int) -> pd.DataFrame:
    """Some cases for a picture, evenly spread over the ranks of the final risk, without a name.

    Columns `risk`, `lower`, `upper`: the final risk and the 95 % range of the refits.
    """
    if found.reason:
        return pd.DataFrame({name: np.zeros(0) for name in ("risk", "lower", "upper")})
    lower, upper = found.range
    order = np.argsort(found.risk, kind="stable")
    kept = order[np.unique(np.linspace(0, len(order) - 1, min(shown, len(order))).round().astype(int))]
    return pd.DataFrame({"risk": found.risk[kept], "lower": lower[kept], "upper": upper[kept]})


def _figure(value: np.floating[Any]) -> Estimate:
    return Estimate(float(value), reason=NO_SAMPLE)
