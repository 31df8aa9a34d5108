"""A number with its interval or the reason why there is none; and what every measure asks of its cases first.

Arrays of cases go in by `judged`, which leaves out cases that weigh nothing and gives the others a mean weight
of 1. What then stands against an estimate is a sentence, by `problem`, `too_few`, `constant` and their like, and
becomes an `Estimate` without a number.

Weights are inverse probabilities of being observed (0 for a case that is not), and are taken as known. With
them every interval is robust: it rests on the spread of each case's weighted pull on the estimate. Equal weights
are no weights, and weights matter up to a factor only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Columns = dict[str, Floats]

NORMAL_QUANTILE = float(ndtri(0.975))
# Below five cases with the outcome, or five without, the intervals used here are known to be wrong.
MINIMUM_PER_CLASS = 5
# Below ten a mean is told without its normal interval.
MINIMUM_FOR_INTERVAL = 2 * MINIMUM_PER_CLASS
STORED_DIGITS = 10
# Sums of thousands of floats leave dust near zero that differs between machines; stored figures drop it.
STORED_DECIMALS = 12
# Rounding alone must not make five cases of equal weight fewer than five.
ROUNDING = 1e-9


class Estimate(NamedTuple):
    """A number with its 95 % interval, or the reason why there is none.

    Not estimable: `estimate`, `lower` and `upper` are None. A number without an interval (say the net
    benefit where nobody is treated): `lower` and `upper` are None. Both carry a `reason`.

    Examples
    --------
    >>> Estimate(0.7213, 0.68, 0.7626).as_json()
    {'estimate': 0.7213, 'lower': 0.68, 'upper': 0.7626}
    >>> not_estimable("no case has the outcome").as_json()
    {'estimate': None, 'lower': None, 'upper': None, 'reason': 'no case has the outcome'}
    """

    estimate: float | None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None

    @property
    def is_estimable(self) -> bool:
        return self.estimate is not None

    def as_json(self) -> dict[str, float | str | None]:
        """The estimate for a file, to 10 significant digits so that equal runs give equal bytes."""
        stored: dict[str, float | str | None] = {
            "estimate": _stored(self.estimate),
            "lower": _stored(self.lower),
            "upper": _stored(self.upper),
        }
        return stored if self.reason is None else {**stored, "reason": self.reason}


def as_stored(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float | str | None]]:
    """Estimates by name for a file, each as its `as_json` says."""
    return {name: estimate.as_json() for name, estimate in estimates.items()}


class PairedDifference(NamedTuple):
    """A mean difference with its standard error; None, with a reason, where there is none."""

    mean: float | None
    standard_error: float | None
    reason: str | None = None


def not_estimable(reason: str) -> Estimate:
    """The estimate that is none, and why."""
    return Estimate(None, None, None, reason)


def paired_difference(
    loss_a: ArrayLike, loss_b: ArrayLike, groups: ArrayLike, weights: ArrayLike | None = None
) -> PairedDifference:
    """Mean of loss_a - loss_b over cases, and its standard error clustered by group (the patient).

    With weights (such as those for censoring) it is the weighted mean, the weights taken as known.

    Below 0, a is better. Cases of one patient may resemble each other as they like; patients are
    independent. The usual factor G / (G - 1) for G patients is applied.

    Examples
    --------
    >>> paired_difference([0.2, 0.4, 0.9], [0.1, 0.2, 0.3], groups=["P1", "P1", "P2"]).mean.__round__(4)
    0.3
    >>> paired_difference([0.2, 0.4], [0.1, 0.2], groups=["P1", "P1"]).reason
    'no standard error: all cases are of one patient'
    """
    a, b = floats(loss_a), floats(loss_b)
    weight = np.ones(len(a)) if weights is None else floats(weights)
    check_lengths(a, b, weight)
    patients = np.asarray(groups)
    if len(patients) != len(a):
        raise ValueError(f"groups names {len(patients)} cases, the losses have {len(a)}")
    if len(a) == 0:
        return PairedDifference(None, None, "there are no cases")
    reason = _faulty_weights(weight)
    if reason:
        return PairedDifference(None, None, reason)
    counts = weight > 0
    difference, weight = (a - b)[counts], weight[counts]
    n_unusable = int((~np.isfinite(difference)).sum())
    if n_unusable:
        return PairedDifference(None, None, f"{_count(n_unusable, 'loss')} missing or infinite")
    mean = float(np.average(difference, weights=weight))
    _, patient_number = np.unique(patients[counts], return_inverse=True)
    sums = np.bincount(patient_number, weights=weight * (difference - mean))
    n_patients = len(sums)
    if n_patients == 1:
        return PairedDifference(mean, None, "no standard error: all cases are of one patient")
    variance = n_patients / (n_patients - 1) * float((sums**2).sum()) / float(weight.sum()) ** 2
    return PairedDifference(mean, float(np.sqrt(variance)))


def effective_cases(weights: ArrayLike) -> float:
    """How many cases of equal weight would know a mean as well as these: Kish's (sum w)^2 / sum of w^2.

    0 where there is no case, or none with a weight. A missing, infinite or negative weight raises `ValueError`.

    Examples
    --------
    >>> effective_cases([1, 1, 1, 1, 0]), round(effective_cases([1, 1, 1, 5]), 2)
    (4.0, 2.29)
    """
    (w,) = judged(weights=weights)
    reason = _faulty_weights(w) if w.any() else None
    if reason:
        raise ValueError(reason)
    return _effective(w)


# ---- cases as they are judged ------------------------------------------------------------------------


def judged(*values: ArrayLike, weights: ArrayLike | None = None) -> list[Floats]:
    """Arrays of (n,) as float, with the weights last: the cases that count, their mean weight 1.

    Missing is NaN. A case of weight 0 is left out, so its outcome and risk may be anything. Weights that cannot
    be used are handed on as they are, for `problem` to name. Unequal lengths raise `ValueError`.
    """
    arrays = [floats(value) for value in values]
    w = floats(weights) if weights is not None else np.ones(len(arrays[0]))
    check_lengths(*arrays, *([] if weights is None else [w]))
    if len(w) == 0 or _faulty_weights(w):
        return [*arrays, w]
    counts = w > 0
    w = w[counts] / w.max()  # first, so that no sum overflows
    w = np.ones(len(w)) if w.min() == w.max() else w / w.mean()
    return [*(array[counts] for array in arrays), w]


def floats(values: Any) -> Floats:
    """One value per case as float, missing as NaN; pandas' nullable columns too."""
    # They say missing with pd.NA, which numpy alone cannot read.
    if hasattr(values, "to_numpy"):
        array = values.to_numpy(dtype=float, na_value=np.nan)
    else:
        array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise ValueError(f"one value per case is needed, got an array of {array.ndim} dimensions")
    return array


def check_lengths(*arrays: Floats) -> None:
    """Refuse arrays that do not name the same number of cases: a mistake of the caller, not of the data."""
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"arrays of unequal length: {', '.join(str(len(array)) for array in arrays)} cases")


def are_equal(w: Floats) -> bool:
    """Whether judged weights are no weights."""
    return bool((w == 1).all())


# ---- why a measure is not estimable ------------------------------------------------------------------


def problem(y: Floats | None, p: Floats | None, w: Floats) -> str | None:
    """What is wrong with outcomes, risks or weights themselves, all at once; None if nothing is."""
    if len(w) == 0:
        return "there are no cases"
    found = [_faulty_weights(w)]
    if y is not None:
        found += [_fault(np.isnan(y), "outcome", "missing")]
        found += [_fault(~np.isnan(y) & (y != 0) & (y != 1), "outcome", "neither 0 nor 1")]
    if p is not None:
        found += [_fault(np.isnan(p), "risk", "missing"), _fault((p < 0) | (p > 1), "risk", "outside 0 to 1")]
    return "; ".join(one for one in found if one) or None


def too_few(y: Floats, w: Floats) -> str | None:
    """Fewer than five cases with the outcome or without; with weights, than five effective ones."""
    for part, has in ((y == 1, "the outcome"), (y == 0, "no outcome")):
        n = int(part.sum())
        if n == 0:
            return "no case has the outcome" if has == "the outcome" else "every case has the outcome"
        if n < MINIMUM_PER_CLASS:
            verb = "case has" if n == 1 else "cases have"
            return f"only {n} {verb} {has}; at least {MINIMUM_PER_CLASS} are needed"
        if _effective(w[part]) < MINIMUM_PER_CLASS - ROUNDING:
            left = f"{_effective(w[part]):.1f} effective cases with {has}"
            return f"the weights leave only {left}; at least {MINIMUM_PER_CLASS} are needed"
        if w[part].sum() < ROUNDING * w.sum():
            return f"the weights leave next to nothing of the cases with {has}"
    return None


def constant(p: Floats) -> str | None:
    """Risks that differ by the dust of their arithmetic alone are one risk: a slope over it would be astronomical."""
    return "every case has the same risk" if p.max() - p.min() <= ROUNDING * p.max() else None


def at_bounds(p: Floats) -> str | None:
    n = int(((p == 0) | (p == 1)).sum())
    return f"{_count(n, 'risk')} exactly 0 or 1, where log-odds are infinite" if n else None


def _fault(faulty: NDArray[np.bool_], noun: str, fault: str) -> str | None:
    return f"{_count(int(faulty.sum()), noun)} {fault}" if faulty.any() else None


def _faulty_weights(w: Floats) -> str | None:
    faults = [(np.isnan(w), "missing"), (np.isinf(w), "infinite"), (np.isfinite(w) & (w < 0), "negative")]
    found = [_fault(faulty, "weight", fault) for faulty, fault in faults]
    if not any(found) and len(w) and not w.any():
        return "every weight is 0"
    return "; ".join(one for one in found if one) or None


def _effective(w: Floats) -> float:
    if not w.any():
        return 0.0
    w = w / w.max()  # so that no square is lost
    return float(w.sum() ** 2 / (w**2).sum())


def _count(n: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{n} {noun} is" if n == 1 else f"{n} {plural} are"


# ---- intervals ---------------------------------------------------------------------------------------


def checked(estimate: float, lower: float, upper: float) -> Estimate:
    """The estimate, unless arithmetic on extreme numbers left no number; without an interval that has no width."""
    if not np.isfinite([estimate, lower, upper]).all():
        return not_estimable("the arithmetic overflowed")
    if lower == upper:
        return Estimate(float(estimate), reason="no interval: the cases do not vary")
    return Estimate(float(estimate), float(lower), float(upper))


def with_normal_interval(
    estimate: float, standard_error: float, *, least: float = -np.inf, most: float = np.inf
) -> Estimate:
    """The estimate +- 1.96 standard errors, cut to what is possible."""
    margin = NORMAL_QUANTILE * standard_error
    return checked(estimate, max(least, estimate - margin), min(most, estimate + margin))


def mean_of_cases(values: Floats, w: Floats, *, least: float = -np.inf, most: float = np.inf) -> Estimate:
    """Weighted mean with its normal interval; none where all cases count the same or hardly any do."""
    if values.min() == values.max():
        return Estimate(float(values[0]), reason="no interval: every case counts the same")
    mean = float(np.average(values, weights=w))
    if len(w) < MINIMUM_FOR_INTERVAL:
        return Estimate(mean, reason=f"no interval: only {len(w)} cases; at least {MINIMUM_FOR_INTERVAL} are needed")
    if _effective(w) < MINIMUM_FOR_INTERVAL - ROUNDING:
        left = f"{_effective(w):.1f} effective cases; at least {MINIMUM_FOR_INTERVAL} are needed"
        return Estimate(mean, reason=f"no interval: the weights leave only {left}")
    return with_normal_interval(mean, standard_error_of_mean(values - mean, w), least=least, most=most)


def standard_error_of_mean(pulls: Floats, w: Floats) -> float:
    """Robust standard error of a weighted mean, from each case's distance to it (or its influence).

    With equal weights the ordinary one, with n - 1.
    """
    n = len(w)
    return float(np.sqrt(n / (n - 1) * ((w * pulls) ** 2).sum()) / w.sum())


def weighted_quantiles(values: Floats, w: Floats, shares: list[float]) -> Floats:
    """Quantiles along the last axis, one row for each of the shares; R's type 7 where weights are equal.

    With weights as `Hmisc::wtd.quantile(normwt = TRUE)` has them: the weights are scaled to the number of cases
    and count how often a value stands in the ordered list.
    """
    if are_equal(w):
        return np.quantile(values, shares, axis=-1)
    n = values.shape[-1]
    w = np.broadcast_to(w, values.shape)
    order = np.argsort(values, axis=-1, kind="stable")
    ordered, reached = (np.take_along_axis(array, order, axis=-1) for array in (values, w))
    reached = np.cumsum(reached, axis=-1)
    reached *= n / reached[..., -1:]
    return np.array([_between_places(ordered, reached, 1 + (n - 1) * share) for share in shares])


def _between_places(ordered: Floats, reached: Floats, place: float) -> Floats:
    def at(whole: float) -> Floats:
        number = np.minimum((reached < whole - ROUNDING).sum(axis=-1), ordered.shape[-1] - 1)
        return np.take_along_axis(ordered, number[..., None], axis=-1)[..., 0]

    low = float(np.floor(place))
    return at(low) + (place - low) * (at(low + 1) - at(low))


def _stored(value: float | None) -> float | None:
    if value is None:
        return None
    return round(float(f"{value:.{STORED_DIGITS}g}"), STORED_DECIMALS) + 0.0  # + 0.0: no minus zero
