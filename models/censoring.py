"""Weights for an event in time: those still observed stand for those censored before the horizon."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.duration.survfunc import SurvfuncRight

from features.outcomes import DAYS_PER_MONTH, horizon_months

Floats = NDArray[np.float64]


def censoring_weights(days: Floats, y: Floats, horizon_days: float) -> Floats:
    """Inverse-probability-of-censoring weights: 0 for a case censored before the horizon.

    A case whose label is known weighs 1 over the probability of still being observed at its event, or at
    the horizon; censored cases are thereby represented and not excluded. The Kaplan-Meier curve of the
    censoring is a nuisance, estimated once from all the cases that are handed over: those of
    development when a model is learned, those of a test set when it is judged there.

    Parameters
    ----------
    days : (n,) float
        Days to the event or to the end of observation; missing is never seen again, which is day 0.
    y : (n,) float
        1 event within the horizon, 0 observed to the horizon without one, NaN censored before it.
    """
    is_censored = np.isnan(y)
    if not is_censored.any():
        return np.ones_like(y)
    # A missing time would stay at risk for ever, and count as observed to the horizon.
    observed = np.minimum(np.where(np.isnan(days), 0.0, days), horizon_days)
    curve = SurvfuncRight(observed, is_censored.astype(int))
    # The probability just before each time: a case censored on the day of an event was still at risk.
    place = np.searchsorted(curve.surv_times, observed, side="left") - 1
    still_observed = np.where(place >= 0, curve.surv_prob[np.maximum(place, 0)], 1.0)
    return np.where(is_censored, 0.0, 1 / still_observed)


def label_weights(labels: pd.DataFrame, outcome: str, among: NDArray[np.bool_]) -> Floats:
    """What each known outcome stands for: 0 outside `among`, and where it is not known.

    1 elsewhere; for an event in time, what stands for the censored ones, estimated among those alone.
    """
    y = labels[outcome].to_numpy(dtype=np.float64)
    weights = np.where(among & ~np.isnan(y), 1.0, 0.0)
    if f"{outcome}_days" in labels.columns:
        days = labels[f"{outcome}_days"].to_numpy(dtype=np.float64)
        weights[among] = censoring_weights(days[among], y[among], horizon_months(outcome) * DAYS_PER_MONTH)
    return weights
