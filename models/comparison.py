"""Two sets of risks on the same cases: by how much the one is better, with 95 % intervals.

Every difference is a less b. Of `auroc`, `net_benefit` and `interventions_avoided` a is better above 0;
of `brier_score` and `log_loss`, which are losses, below 0. Both risks belong to the same cases, so the
intervals are paired: what makes a case hard to predict makes it so for both.

Patients are independent and cases of one patient may resemble each other as they like; with a patient to
each case (the default) that is the ordinary interval. With weights (inverse probabilities of being
observed, 0 allowed) every figure is the weighted one, and the weights are taken as known. Numbers
agree with `pROC::roc.test`: see `tests/reference/comparison/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.discrimination import placements
from models.estimates import (
    MINIMUM_FOR_INTERVAL,
    Estimate,
    Floats,
    at_bounds,
    constant,
    judged,
    not_estimable,
    paired_difference,
    problem,
    too_few,
    with_normal_interval,
)
from models.metrics import case_log_loss, case_net_benefit, interventions_avoided_name, net_benefit_name


class Pair(NamedTuple):
    """Two risks of the same cases that count, as arrays of (n,): outcome, risks, patient, weight (mean 1)."""

    y: Floats
    a: Floats
    b: Floats
    patients: NDArray[np.intp]
    w: Floats


def paired_differences(
    y_true: ArrayLike,
    risk_a: ArrayLike,
    risk_b: ArrayLike,
    *,
    thresholds: Sequence[float],
    patients: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Everything that is reported of a comparison, by name: a less b on the same cases.

    Parameters
    ----------
    y_true : (n,) 0 or 1
        Whether the outcome happened.
    risk_a, risk_b : (n,) float in [0, 1]
        The two predicted risks of each case.
    thresholds : sequence of float in (0, 1)
        Risks at which one would act; net benefit is named for them in percent.
    patients : (n,), optional
        The patient of each case; by default every case is another's.
    weights : (n,) float, optional
        Inverse-probability weights, 0 for a case that counts for nothing.

    Raises
    ------
    ValueError
        If the arrays are not of one length.

    Examples
    --------
    >>> y_true, risk_a, risk_b = [0, 1] * 10, [0.1, 0.9] * 10, [0.4, 0.4] * 10
    >>> found = paired_differences(y_true, risk_a, risk_b, thresholds=[0.2])
    >>> list(found)
    ['auroc', 'brier_score', 'log_loss', 'net_benefit_20', 'interventions_avoided_20']
    >>> round(found["brier_score"].estimate, 4), found["auroc"].reason
    (-0.25, 'b: every case has the same risk')
    """
    pair = _pair(y_true, risk_a, risk_b, patients, weights)
    return {
        "auroc": _auroc_difference(pair),
        "brier_score": _brier_difference(pair),
        "log_loss": _log_loss_difference(pair),
        **{net_benefit_name(at): _net_benefit_difference(pair, at) for at in thresholds},
        **{interventions_avoided_name(at): _avoided_difference(pair, at) for at in thresholds},
    }


def auroc_difference(
    y_true: ArrayLike,
    risk_a: ArrayLike,
    risk_b: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Estimate:
    """AUROC of a less that of b: DeLong's paired interval, by Obuchowski's sums over patients.

    With a patient to each case and no weights it is the interval of `pROC::roc.test(paired = TRUE)`.

    References
    ----------
    DeLong et al., Biometrics 1988;44:837-845. Obuchowski, Biometrics 1997;53:567-578.

    Examples
    --------
    >>> y_true = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> risk_a = [0.1, 0.2, 0.3, 0.4, 0.6, 0.3, 0.5, 0.6, 0.7, 0.8]
    >>> risk_b = [0.2, 0.1, 0.6, 0.3, 0.5, 0.4, 0.3, 0.7, 0.2, 0.6]
    >>> round(auroc_difference(y_true, risk_a, risk_b).estimate, 4)
    0.18
    """
    return _auroc_difference(_pair(y_true, risk_a, risk_b, patients, weights))


def brier_difference(
    y_true: ArrayLike,
    risk_a: ArrayLike,
    risk_b: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Estimate:
    """Brier score of a less that of b; below 0, a is better.

    Examples
    --------
    >>> round(brier_difference([1, 0, 1], [0.9, 0.2, 0.6], [0.5, 0.5, 0.5]).estimate, 4)
    -0.18
    """
    return _brier_difference(_pair(y_true, risk_a, risk_b, patients, weights))


def _pair(
    y_true: ArrayLike,
    risk_a: ArrayLike,
    risk_b: ArrayLike,
    patients: ArrayLike | None,
    weights: ArrayLike | None,
) -> Pair:
    n = len(np.asarray(y_true))
    owner = np.arange(n) if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]
    y, a, b, owner_, w = judged(y_true, risk_a, risk_b, owner, weights=weights)
    return Pair(y, a, b, owner_.astype(np.intp), w)


def _auroc_difference(pair: Pair) -> Estimate:
    reason = _reason(pair, lambda p: too_few(pair.y, pair.w) or constant(p))
    if reason:
        return not_estimable(reason)
    is_event = pair.y == 1
    won = placements(pair.y, pair.a, pair.w) - placements(pair.y, pair.b, pair.w)
    difference = float(np.average(won[is_event], weights=pair.w[is_event]))
    classes = (pair.patients[is_event], pair.patients[~is_event])
    if min(len(np.unique(patients)) for patients in classes) == 1:
        return Estimate(
            difference, reason="no interval: all cases with the outcome, or all without, are of one patient"
        )
    # Each case's pull on the difference, as a share of its class; the mean of either class is the difference.
    pulls = [np.where(part, pair.w * (won - difference), 0.0) / pair.w[part].sum() for part in (is_event, ~is_event)]
    sums = [np.bincount(pair.patients, weights=pull) for pull in pulls]
    variance = sum(_few_patients(of) * float((pull**2).sum()) for of, pull in zip(classes, sums, strict=True))
    variance += 2 * _few_patients(pair.patients) * float((sums[0] * sums[1]).sum())
    return _with_interval(difference, float(np.sqrt(max(variance, 0.0))), pair)


def _brier_difference(pair: Pair) -> Estimate:
    reason = _reason(pair)
    return not_estimable(reason) if reason else _mean_difference(pair, (pair.a - pair.y) ** 2, (pair.b - pair.y) ** 2)


def _log_loss_difference(pair: Pair) -> Estimate:
    reason = _reason(pair, at_bounds)
    if reason:
        return not_estimable(reason)
    return _mean_difference(pair, case_log_loss(pair.y, pair.a), case_log_loss(pair.y, pair.b))


def _net_benefit_difference(pair: Pair, threshold: float) -> Estimate:
    ours, theirs = (case_net_benefit(pair.y, risk, threshold) for risk in (pair.a, pair.b))
    reason = _reason(pair)
    return not_estimable(reason) if reason else _mean_difference(pair, ours, theirs)


def _avoided_difference(pair: Pair, threshold: float) -> Estimate:
    """Per 100 cases: both are set against treating all, which drops out, so it is a gain in net benefit."""
    gain, per_100 = _net_benefit_difference(pair, threshold), 100 * (1 - threshold) / threshold
    estimate, lower, upper = (None if value is None else per_100 * value for value in gain[:3])
    return Estimate(estimate, lower, upper, gain.reason)


def _mean_difference(pair: Pair, ours: Floats, theirs: Floats) -> Estimate:
    found = paired_difference(ours, theirs, pair.patients, pair.w)
    if found.mean is None:
        return not_estimable(found.reason or "there are no cases")
    if found.standard_error is None:
        return Estimate(found.mean, reason=found.reason)
    return _with_interval(found.mean, found.standard_error, pair)


def _with_interval(difference: float, standard_error: float, pair: Pair) -> Estimate:
    if standard_error == 0:
        return Estimate(difference, reason="no interval: every case differs by the same")
    n_patients = len(np.unique(pair.patients))
    if n_patients < MINIMUM_FOR_INTERVAL:
        words = f"only {n_patients} patients; at least {MINIMUM_FOR_INTERVAL} are needed"
        return Estimate(difference, reason=f"no interval: {words}")
    return with_normal_interval(difference, standard_error)


def _few_patients(patients: NDArray[np.intp]) -> float:
    """The usual correction of a variance over patients: G / (G - 1)."""
    n = len(np.unique(patients))
    return n / (n - 1)


def _reason(pair: Pair, more: Callable[[Floats], str | None] = lambda p: None) -> str | None:
    """Why a risk cannot be judged, and which of the two; what is true of both is said once."""
    found = {name: problem(pair.y, p, pair.w) or more(p) for name, p in (("a", pair.a), ("b", pair.b))}
    if found["a"] == found["b"]:
        return found["a"]
    return "; ".join(f"{name}: {reason}" for name, reason in found.items() if reason)
