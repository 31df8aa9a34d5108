"""Random-effects meta-analysis: the mean of one figure a centre, how far centres differ, what to expect of the next.

A centre's figure is its own truth plus chance, and the truths vary. The variance between centres is
Paule and Mandel's, the interval of the mean Hartung and Knapp's, and the prediction interval is where
the truth of a new centre is expected. Where figures lie closer together than chance alone would have
them, Hartung and Knapp's interval would be narrower than if all centres were one; their own remedy, to
count no less than chance, is taken. Numbers agree with R's metafor: see `tests/reference/validation/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, stdtrit

from models.encoding import rounded
from models.estimates import NORMAL_QUANTILE, Estimate

Floats = NDArray[np.float64]

MINIMUM_CENTRES = 3
"""Below it nothing can be said of how centres differ: two leave one degree of freedom."""
TOLERANCE = 1e-13
"""Of the variance between centres, relative to the largest variance at hand."""


@dataclass(frozen=True)
class Pooled:
    """The mean over centres and their heterogeneity, on the scale that the figures were given on.

    `tau` is the standard deviation of the centres' truths; `i_squared`, in [0, 1], its share of the
    variance seen. `lower` and `upper` hold the mean, the prediction limits the truth of a new centre: of six
    centres, with a spread like that within them, the latter do so about nine times in ten (a test).
    """

    estimate: float
    lower: float
    upper: float
    prediction_lower: float
    prediction_upper: float
    tau: float
    i_squared: float
    centres: int


def random_effects(estimates: ArrayLike, standard_errors: ArrayLike) -> Pooled:
    """Mean and heterogeneity of independent estimates.

    Parameters
    ----------
    estimates : (n_centres,) float
        On a scale on which they are about normal.
    standard_errors : (n_centres,) float, above 0
        Of each within its centre, taken as known.

    Raises
    ------
    ValueError
        For fewer than three centres, missing values, or a standard error that is not above 0.

    References
    ----------
    Paule & Mandel, J Res Natl Bur Stand 1982;87:377-385. Hartung & Knapp, Stat Med 2001;20:3875-3889.
    Knapp & Hartung, Stat Med 2003;22:2693-2710 (the remedy; `test = "adhoc"` of metafor). Higgins et al.,
    J R Stat Soc A 2009;172:137-159 (prediction interval; here with k - 1 degrees of freedom, as metafor
    has it beside Hartung and Knapp). Partlett & Riley, Stat Med 2017;36:301-317 (of few centres it
    promises too much). Higgins & Thompson, Stat Med 2002;21:1539-1558 (I squared).

    Examples
    --------
    >>> found = random_effects([0.8, 1.0, 1.2, 1.0], [0.05, 0.05, 0.05, 0.05])
    >>> round(found.estimate, 6), round(found.tau, 4), round(found.i_squared, 4)
    (1.0, 0.1555, 0.9062)
    >>> random_effects([1.0, 1.0, 1.0], [0.1, 0.1, 0.1]).tau
    0.0
    """
    y, variance = np.asarray(estimates, dtype=float), np.asarray(standard_errors, dtype=float) ** 2
    if len(y) < MINIMUM_CENTRES or not np.isfinite([*y, *variance]).all() or variance.min() <= 0:
        raise ValueError(f"{MINIMUM_CENTRES} centres or more are needed, each with a standard error above 0")
    tau_squared = _paule_mandel(y, variance)
    weight = 1 / (variance + tau_squared)
    mean = float(np.average(y, weights=weight))
    freedom = len(y) - 1
    scale = float((weight * (y - mean) ** 2).sum()) / freedom
    error_squared = max(scale, 1.0) / float(weight.sum())
    quantile = float(stdtrit(freedom, 0.975))
    margin = quantile * np.sqrt(error_squared)
    prediction_margin = quantile * np.sqrt(tau_squared + error_squared)
    return Pooled(
        estimate=mean,
        lower=mean - margin,
        upper=mean + margin,
        prediction_lower=mean - prediction_margin,
        prediction_upper=mean + prediction_margin,
        tau=float(np.sqrt(tau_squared)),
        i_squared=tau_squared / (tau_squared + _typical_variance(variance)),
        centres=len(y),
    )


def _paule_mandel(y: Floats, variance: Floats) -> float:
    """The variance between centres at which the weighted squares sum to their expectation; 0 if even 0 is too much."""

    def excess(tau_squared: float) -> float:
        weight = 1 / (variance + tau_squared)
        return float((weight * (y - np.average(y, weights=weight)) ** 2).sum()) - (len(y) - 1)

    # Bracketed: the iteration of statsmodels says 0 once rounding carries it past the root (statsmodels 0.15; of
    # 3,000 sets of six centres 269, at a tolerance of 1e-12).
    if excess(0.0) <= 0:
        return 0.0
    # Beyond it every weight is so small that the squares, at most those around the plain mean, fall short.
    largest = float(((y - y.mean()) ** 2).sum()) / (len(y) - 1)
    return float(brentq(excess, 0.0, largest, xtol=TOLERANCE * max(largest, float(variance.max())), rtol=1e-12))


def _typical_variance(variance: Floats) -> float:
    weight = 1 / variance
    return float((len(variance) - 1) * weight.sum() / (weight.sum() ** 2 - (weight**2).sum()))


BACK_FROM_SCALE: Mapping[str, Callable[[Floats], Floats]] = {"auroc": expit, "observed_to_expected": np.exp}
"""Pooled as log-odds and as logarithm, where they are about normal (Debray et al., BMJ 2017;356:i6460)."""
LIMITS = ("estimate", "lower", "upper", "prediction_lower", "prediction_upper")


def heterogeneity(metric: str, by_centre: Mapping[str, Estimate]) -> dict[str, float | int | str | None]:
    """What a metric is in a typical centre and in the next one, for a file.

    `estimate`, `lower`, `upper` and the prediction limits are on the metric's own scale; `tau` is on that
    of pooling: log-odds of the AUROC, logarithm of observed to expected, the metric itself otherwise.
    Centres without an interval are left out; `centres` counts the others, and `reason` names those left out
    and why: where a constant risk is among the reasons, the mean is of the centres in which something was
    found, and so too good. Where too few remain, the figures are None, and `reason` says so first.

    Examples
    --------
    >>> slopes = {"A": Estimate(1.1, 0.9, 1.3), "B": Estimate(0.9, 0.7, 1.1), "C": Estimate(1.0, 0.8, 1.2)}
    >>> found = heterogeneity("calibration_slope", slopes)
    >>> found["estimate"], found["tau"], found["centres"]
    (1.0, 0.0, 3)
    >>> heterogeneity("calibration_slope", {"A": Estimate(1.1, 0.9, 1.3)})["reason"]
    '1 of 1 centres can be pooled; at least 3 are needed'
    """
    on_scale = {centre: _on_scale(metric, each) for centre, each in by_centre.items()}
    usable = [pair for pair in on_scale.values() if pair is not None]
    left_out = {centre: by_centre[centre].reason for centre, pair in on_scale.items() if pair is None}
    named = "; ".join(f"{centre}: {reason or 'at the end of its scale'}" for centre, reason in left_out.items())
    if len(usable) < MINIMUM_CENTRES:
        reason = f"{len(usable)} of {len(by_centre)} centres can be pooled; at least {MINIMUM_CENTRES} are needed"
        nothing = dict.fromkeys((*LIMITS, "tau", "i_squared"))
        return {**nothing, "centres": len(usable), "reason": f"{reason} ({named})" if named else reason}
    found = random_effects(*np.transpose(usable))
    back = BACK_FROM_SCALE.get(metric, np.asarray)
    pooled: dict[str, float | int | str | None] = {
        **{name: float(rounded(back(np.asarray(getattr(found, name))))) for name in LIMITS},
        "tau": float(rounded(found.tau)),
        "i_squared": float(rounded(found.i_squared)),
        "centres": found.centres,
    }
    return {**pooled, "reason": f"left out ({named})"} if named else pooled


def _on_scale(metric: str, found: Estimate) -> tuple[float, float] | None:
    """A centre's figure and its standard error on the scale of pooling; None where there is none."""
    value, lower, upper = found.estimate, found.lower, found.upper
    if value is None or lower is None or upper is None:
        return None
    if metric == "observed_to_expected":
        if lower <= 0:
            return None
        return float(np.log(value)), float(np.log(upper / lower)) / (2 * NORMAL_QUANTILE)
    if metric == "auroc":
        if not 0 < value < 1:
            return None
        # On the plain scale, and cut where it would pass 0 or 1: then the longer half is whole.
        standard_error = max(value - lower, upper - value) / NORMAL_QUANTILE
        return float(logit(value)), standard_error / (value * (1 - value))
    return value, (upper - lower) / (2 * NORMAL_QUANTILE)
