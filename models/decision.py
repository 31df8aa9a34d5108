"""What acting on a risk is worth: net benefit at a threshold, and treatments spared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from models.estimates import (
    Columns,
    Estimate,
    Floats,
    check_lengths,
    floats,
    judged,
    mean_of_cases,
    not_estimable,
    problem,
)


def case_net_benefit(y_true: ArrayLike, risk: ArrayLike, threshold: float) -> Floats:
    """Each case's part in the net benefit: 1, minus the odds of the threshold, or 0 if not treated.

    Its differences between two models, given to `paired_difference`, compare their net benefit.

    Examples
    --------
    >>> case_net_benefit([1, 0, 1], [0.3, 0.3, 0.1], threshold=0.2).tolist()
    [1.0, -0.25, 0.0]
    """
    y, p = floats(y_true), floats(risk)
    check_lengths(y, p)
    odds = _odds(threshold)
    return np.where(np.isnan(y + p), np.nan, (p >= threshold) * np.where(y == 1, 1.0, -odds))


def net_benefit(y_true: ArrayLike, risk: ArrayLike, threshold: float, weights: ArrayLike | None = None) -> Estimate:
    """Net benefit of treating every case whose risk reaches the threshold.

    True positives per case, less false positives weighted by the odds of the threshold; treating nobody
    scores 0, and nothing exceeds the prevalence. Normal interval, from `case_net_benefit`.

    Parameters
    ----------
    threshold : float in (0, 1)
        Risk at which harm of treating and benefit of treating balance.

    References
    ----------
    Vickers & Elkin, Med Decis Making 2006;26:565-574.

    Examples
    --------
    >>> net_benefit([True, False, False, True], [0.9, 0.8, 0.1, 0.4], threshold=0.5).estimate
    0.0
    >>> net_benefit([True, False], [0.1, 0.1], threshold=0.5)
    Estimate(estimate=0.0, lower=None, upper=None, reason='no interval: every case counts the same')
    """
    y, p, w = judged(y_true, risk, weights=weights)
    contributions = case_net_benefit(y, p, threshold)
    reason = problem(y, p, w)
    return not_estimable(reason) if reason else mean_of_cases(contributions, w)


def net_benefit_treat_all(y_true: ArrayLike, threshold: float, weights: ArrayLike | None = None) -> Estimate:
    """Net benefit of treating every case, whatever the risk.

    Examples
    --------
    >>> net_benefit_treat_all([1, 0, 0, 0], threshold=0.2).estimate  # 1/4 - 3/4 of 0.25
    0.0625
    """
    y = floats(y_true)
    return net_benefit(y, np.ones(len(y)), threshold, weights)


def interventions_avoided(
    y_true: ArrayLike, risk: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> Estimate:
    """Treatments spared per 100 cases compared with treating all, net of outcomes missed.

    The gain in net benefit over treating all, divided by the odds of the threshold. An outcome missed
    counts as as many treatments as the threshold says one is worth.

    Examples
    --------
    >>> interventions_avoided([0, 0, 0, 1], [0.1, 0.1, 0.1, 0.3], threshold=0.2).estimate
    75.0
    """
    y, p, w = judged(y_true, risk, weights=weights)
    odds = _odds(threshold)
    reason = problem(y, p, w)
    if reason:
        return not_estimable(reason)
    return mean_of_cases(100 * (p < threshold) * np.where(y == 1, -1 / odds, 1.0), w)


def decision_curve(
    y_true: ArrayLike, risk: ArrayLike, thresholds: Sequence[float], weights: ArrayLike | None = None
) -> Columns:
    """Net benefit at each threshold of the model, of treating all and of treating none.

    Columns `threshold`, `model` with `lower` and `upper`, `treat_all`, `treat_none`: a table by
    `pd.DataFrame(decision_curve(...))`. NaN where not estimable.

    Examples
    --------
    >>> decision_curve([1, 0, 0, 0], [0.5, 0.1, 0.1, 0.1], [0.2, 0.4])["model"].tolist()
    [0.25, 0.25]
    """
    model = [net_benefit(y_true, risk, threshold, weights) for threshold in thresholds]
    treat_all = [net_benefit_treat_all(y_true, threshold, weights) for threshold in thresholds]
    return {
        "threshold": np.array(thresholds, dtype=float),
        "model": _column([point.estimate for point in model]),
        "lower": _column([point.lower for point in model]),
        "upper": _column([point.upper for point in model]),
        "treat_all": _column([point.estimate for point in treat_all]),
        "treat_none": np.zeros(len(thresholds)),
    }


def net_benefit_name(threshold: float) -> str:
    """Name of the net benefit at a threshold, in percent.

    Examples
    --------
    >>> net_benefit_name(0.2), net_benefit_name(0.075)
    ('net_benefit_20', 'net_benefit_7_5')
    """
    return f"net_benefit_{_percent(threshold)}"


def interventions_avoided_name(threshold: float) -> str:
    """Name of the interventions avoided at a threshold, in percent.

    Examples
    --------
    >>> interventions_avoided_name(0.2)
    'interventions_avoided_20'
    """
    return f"interventions_avoided_{_percent(threshold)}"


def _percent(threshold: float) -> str:
    return f"{100 * threshold:g}".replace(".", "_")


def _odds(threshold: float) -> float:
    if not 0 < threshold < 1:
        raise ValueError(f"a threshold must lie strictly between 0 and 1, got {threshold}")
    return threshold / (1 - threshold)


def _column(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values])
