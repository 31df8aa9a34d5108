"""How well risks tell cases with the outcome from cases without: the area under the ROC curve, and the curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from models.estimates import (
    Columns,
    Estimate,
    Floats,
    constant,
    judged,
    not_estimable,
    problem,
    standard_error_of_mean,
    too_few,
    with_normal_interval,
)

ROC_POINTS = 200


def auroc(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Probability that a case with the outcome has a higher risk than a case without; ties count half.

    From 0 to 1; 0.5 is no discrimination. With weights, a pair counts by the product of its two. DeLong interval
    on the plain scale, cut to 0 to 1, which is the default of pROC; with weights the same, from each case's
    weighted pull on the area. Where the risks separate the outcomes completely DeLong's variance is 0: the
    estimate is given without an interval.

    References
    ----------
    DeLong et al., Biometrics 1988;44:837-845. Sun & Xu, IEEE Signal Process Lett 2014;21:1389-1393.

    Examples
    --------
    >>> y_true = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> risk = [0.1, 0.1, 0.2, 0.2, 0.3, 0.6, 0.2, 0.4, 0.5, 0.7, 0.8]
    >>> round(auroc(y_true, risk).estimate, 4)
    0.8333
    >>> auroc([0, 0, 0], [0.1, 0.2, 0.3]).reason
    'no case has the outcome'
    """
    y, p, w = judged(y_true, risk, weights=weights)
    reason = problem(y, p, w) or too_few(y, w) or constant(p)
    if reason:
        return not_estimable(reason)
    won = placements(y, p, w)
    is_event = y == 1
    area = float(np.average(won[is_event], weights=w[is_event]))
    if area in (0, 1):
        return Estimate(area, reason="no interval: the risks separate the outcomes completely")
    variance = sum(standard_error_of_mean(won[part] - area, w[part]) ** 2 for part in (is_event, ~is_event))
    return with_normal_interval(area, float(np.sqrt(variance)), least=0.0, most=1.0)


def placements(y: Floats, p: Floats, w: Floats) -> Floats:
    """Each case's share of pairs that are in the right order, (n,) from 0 to 1; both classes must be there.

    Of a case with the outcome: the weighted share of the others with a lower risk. Of one without: of those with
    the outcome, the share with a higher risk. Ties count half. The weighted mean within either class is the area.
    """
    is_event = y == 1
    won = np.empty(len(y))
    won[is_event] = _share_below(p[is_event], p[~is_event], w[~is_event])
    won[~is_event] = 1 - _share_below(p[~is_event], p[is_event], w[is_event])
    return won


def roc_points(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Columns:
    """The ROC curve from (0, 0) to (1, 1): columns `false_positive_rate` and `true_positive_rate`.

    At most 200 points, spread evenly along the curve's length; neither column ever falls. For drawing:
    take the area from `auroc`. No rows where one class is absent.

    Examples
    --------
    >>> roc_points([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.4])["true_positive_rate"].tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    y, p, w = judged(y_true, risk, weights=weights)
    if problem(y, p, w) or y.min() == y.max():
        return {"false_positive_rate": np.empty(0), "true_positive_rate": np.empty(0)}
    order = np.argsort(-p, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    true_positives = np.append(0, np.cumsum((w * y)[order])[last_of_tie])
    false_positives = np.append(0, np.cumsum((w * (1 - y))[order])[last_of_tie])
    false_positive_rate, true_positive_rate = false_positives / false_positives[-1], true_positives / true_positives[-1]
    if len(true_positive_rate) > ROC_POINTS:
        distance = false_positive_rate + true_positive_rate
        kept = np.unique(np.searchsorted(distance, np.linspace(0, distance[-1], ROC_POINTS)))
        false_positive_rate, true_positive_rate = false_positive_rate[kept], true_positive_rate[kept]
    return {"false_positive_rate": false_positive_rate, "true_positive_rate": true_positive_rate}


def _share_below(risk: Floats, rivals: Floats, weights: Floats) -> Floats:
    """Weighted share of the rivals below each risk, ties half."""
    order = np.argsort(rivals, kind="stable")
    reached = np.append(0.0, np.cumsum(weights[order]))
    below, up_to = (np.searchsorted(rivals[order], risk, side=side) for side in ("left", "right"))
    return (reached[below] + reached[up_to]) / (2 * reached[-1])
