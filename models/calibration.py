"""Whether risks are as high as what happened: on average, along their range, and case by case."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from models.estimates import (
    NORMAL_QUANTILE,
    Columns,
    Estimate,
    Floats,
    are_equal,
    at_bounds,
    checked,
    constant,
    judged,
    not_estimable,
    problem,
    standard_error_of_mean,
    too_few,
    weighted_quantiles,
    with_normal_interval,
)
from models.lowess import Smoother, smoother

N_RESAMPLES = 200
# Resamples are made so many numbers at a time: 30 MB of each array that a batch of curves needs.
NUMBERS_AT_ONCE = 4_000_000
ERRORS = ("ici", "e50", "e90", "emax")
# A standard error in log-odds beyond which cases determine nothing: the interval spans a factor of e^39 of odds.
UNDETERMINED = 10.0


def calibration_intercept(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Calibration in the large: intercept of a logistic fit with the log-odds of the risk as offset.

    0 is ideal; below 0 the risks are too high on average, above 0 too low. Log-odds of a risk of exactly
    0 or 1 are infinite; such risks are not clipped, because the answer would depend on the clip: the
    intercept and slope are then not estimable. Nor are they where every case is fitted as all but certain, as
    risks of 1e-157 among others of 0.5 make it: the likelihood is then flat. Wald interval; with weights by
    the sandwich, as `survey::svyglm` has it.

    Examples
    --------
    >>> y_true = [1] * 10 + [0] * 10
    >>> round(calibration_intercept(y_true, [0.25] * 20).estimate, 4)  # log(0.5/0.5) - log(0.25/0.75)
    1.0986
    """
    y, p, w = _in_order(*judged(y_true, risk, weights=weights))
    reason = problem(y, p, w) or too_few(y, w) or at_bounds(p)
    if reason:
        return not_estimable(reason)
    return _logistic_coefficient(np.ones((len(y), 1)), y, w, offset=logit(p))


def calibration_slope(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Coefficient of the log-odds of the risk in a logistic fit of the outcome.

    1 is ideal; below 1 the risks are too extreme, above 1 too timid. Not estimable where a risk is
    exactly 0 or 1 or where the risks separate the outcomes completely. Interval as that of
    `calibration_intercept`.

    Examples
    --------
    >>> y_true, risk = [1] * 5 + [0] * 15 + [1] * 15 + [0] * 5, [0.1] * 20 + [0.9] * 20
    >>> round(calibration_slope(y_true, risk).estimate, 4)  # seen 0.25 and 0.75: log(3) / log(9)
    0.5
    """
    y, p, w = _in_order(*judged(y_true, risk, weights=weights))
    reason = problem(y, p, w) or too_few(y, w) or at_bounds(p) or constant(p) or _separated(y, p)
    if reason:
        return not_estimable(reason)
    log_odds = logit(p)
    spread = float(log_odds.std())
    standardised = (log_odds - log_odds.mean()) / spread  # keeps the fit well conditioned
    design = np.column_stack([standardised, np.ones(len(y))])
    slope = _logistic_coefficient(design, y, w, offset=np.zeros(len(y)))
    if slope.estimate is None or slope.lower is None or slope.upper is None:
        return slope
    return Estimate(slope.estimate / spread, slope.lower / spread, slope.upper / spread)


def observed_to_expected(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Outcomes that happened for each one expected: the prevalence over the mean risk.

    1 is ideal; below 1 the risks are too high on average, above 1 too low. Interval normal on the log scale, by the
    delta method: outcomes and risks are of the same cases, so it is somewhat narrower than one that takes the
    expected number as fixed.

    Examples
    --------
    >>> round(observed_to_expected([1] * 10 + [0] * 10, [0.25] * 20).estimate, 4)
    2.0
    """
    y, p, w = judged(y_true, risk, weights=weights)
    reason = problem(y, p, w) or too_few(y, w)
    if reason:
        return not_estimable(reason)
    observed, expected = (float(np.average(values, weights=w)) for values in (y, p))
    if expected == 0:
        return not_estimable("every risk is 0, so no outcome is expected")
    with np.errstate(over="ignore"):
        ratio = observed / expected
        margin = NORMAL_QUANTILE * standard_error_of_mean(y / observed - p / expected, w)
        return checked(ratio, ratio * np.exp(-margin), ratio * np.exp(margin))


def smooth_calibration_curve(
    y_true: ArrayLike, risk: ArrayLike, *, seed: int | None = None, weights: ArrayLike | None = None
) -> Columns:
    """Observed proportion as a smooth function of the risk: columns `risk` and `observed`.

    Lowess without robustness iterations, two thirds of the cases in each local fit, as
    `rms::val.prob` draws it; with weights, local fits are weighted, as `loess` does. The rows are where local fits
    were made, at most some hundred; between them the curve is a straight line. It is not cut to 0 to 1. With a seed,
    columns `lower` and `upper` hold a pointwise 95 % band from a bootstrap of cases. No rows where it is not
    estimable; the reason is that of `calibration_errors`.

    Examples
    --------
    >>> curve = smooth_calibration_curve([0, 1] * 10, np.linspace(0.1, 0.9, 20))
    >>> sorted(curve), bool(np.all(np.diff(curve["risk"]) > 0))
    (['observed', 'risk'], True)
    """
    y, p, w = _in_order(*judged(y_true, risk, weights=weights))
    if problem(y, p, w) or too_few(y, w) or constant(p):
        names = ("risk", "observed") if seed is None else ("risk", "observed", "lower", "upper")
        return {name: np.empty(0) for name in names}
    by_risk = smoother(p)
    curve = {"risk": by_risk.risk, "observed": by_risk.curves(y[None, :], w[None, :])[0]}
    if seed is not None:
        resampled = np.concatenate(
            [by_risk.curves(y[None, :], w * _times_drawn(draws)) for draws in _draws(len(y), seed)]
        )
        curve["lower"], curve["upper"] = np.quantile(resampled, [0.025, 0.975], axis=0)
    return curve


def calibration_errors(
    y_true: ArrayLike, risk: ArrayLike, *, seed: int, weights: ArrayLike | None = None
) -> dict[str, Estimate]:
    """`ici`, `e50`, `e90` and `emax`: mean, median, 90th percentile and largest of |observed - risk|.

    Observed is the smooth calibration curve at each case's risk. 0 is ideal, and never quite reached:
    chance alone bends the curve, and a resample bends it further. So the interval has two parts: the
    percentiles of 200 resamples of cases, shared by the four; and, where the error is no larger than
    what well calibrated risks show by chance (97.5th percentile of 200 outcomes drawn from the risks
    themselves), a lower limit of 0. Resamples keep the neighbourhoods of the full sample, which makes
    them a few matrix products. Cases are put in order first, so that the order of a file changes nothing.

    References
    ----------
    Austin & Steyerberg, Stat Med 2019;38:4051-4065. Harrell, Regression Modeling Strategies.

    Examples
    --------
    >>> errors = calibration_errors([0, 0, 1, 0, 1] * 20, np.linspace(0.2, 0.6, 100), seed=1)
    >>> errors["e50"].estimate <= errors["e90"].estimate <= errors["emax"].estimate
    True
    """
    y, p, w = _in_order(*judged(y_true, risk, weights=weights))
    reason = problem(y, p, w) or too_few(y, w) or constant(p)
    if reason:
        return {name: not_estimable(reason) for name in ERRORS}
    by_risk = smoother(p)
    found = _summaries(_case_errors(by_risk, by_risk.curves(y[None, :], w[None, :]), p), w)[:, 0]
    resampled = _resampled_errors(by_risk, y, p, w, seed)
    by_chance = _errors_by_chance(by_risk, p, w, seed)
    return {name: _error(*numbers) for name, *numbers in zip(ERRORS, found, resampled, by_chance, strict=True)}


def _resampled_errors(by_risk: Smoother, y: Floats, p: Floats, w: Floats, seed: int) -> Floats:
    batches = []
    for draws in _draws(len(y), seed):
        errors = _case_errors(by_risk, by_risk.curves(y[None, :], w * _times_drawn(draws)), p)
        batches.append(_summaries(np.take_along_axis(errors, draws, axis=1), w[draws]))
    return np.concatenate(batches, axis=1)


def _errors_by_chance(by_risk: Smoother, p: Floats, w: Floats, seed: int) -> Floats:
    """What perfectly calibrated risks show: outcomes are drawn from the risks themselves."""
    rng = np.random.default_rng([seed, 1])  # another stream than that of the resamples
    batches = []
    for size in _batches(len(p)):
        curves = by_risk.curves((rng.random((size, len(p))) < p).astype(float), w[None, :])
        batches.append(_summaries(_case_errors(by_risk, curves, p), w))
    return np.concatenate(batches, axis=1)


def _case_errors(by_risk: Smoother, curves: Floats, p: Floats) -> Floats:
    """|observed - risk| of each case, one row per curve."""
    return np.abs(np.array([np.interp(p, by_risk.risk, curve) for curve in curves]) - p)


def _summaries(errors: Floats, w: Floats) -> Floats:
    """A row for each of `ERRORS`, a column per curve."""
    e50, e90 = weighted_quantiles(errors, w, [0.5, 0.9])
    return np.array(
        [np.average(errors, axis=1, weights=np.broadcast_to(w, errors.shape)), e50, e90, errors.max(axis=1)]
    )


def _error(found: float, resampled: Floats, by_chance: Floats) -> Estimate:
    lower, upper = np.quantile(resampled, [0.025, 0.975]).tolist()
    is_chance = found <= np.quantile(by_chance, 0.975)
    return checked(found, 0.0 if is_chance else lower, upper)


def _in_order(y: Floats, p: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    order = np.lexsort((w, y, p))
    return y[order], p[order], w[order]


def _draws(n_cases: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Cases of each resample, (size, n_cases), batch by batch; together the same whatever the batches."""
    rng = np.random.default_rng(seed)
    for size in _batches(n_cases):
        yield rng.integers(n_cases, size=(size, n_cases))


def _batches(n_cases: int) -> list[int]:
    size = max(1, min(N_RESAMPLES, NUMBERS_AT_ONCE // n_cases))
    return [min(size, N_RESAMPLES - done) for done in range(0, N_RESAMPLES, size)]


def _times_drawn(draws: NDArray[np.int64]) -> Floats:
    return np.array([np.bincount(draw, minlength=len(draw)) for draw in draws], dtype=float)


def _separated(y: Floats, p: Floats) -> str | None:
    # With one predictor a logistic fit diverges exactly when the two classes' risks do not overlap.
    events, others = p[y == 1], p[y == 0]
    apart = events.min() >= others.max() or others.min() >= events.max()
    return "the risks separate the outcomes completely" if apart else None


def _logistic_coefficient(design: Floats, y: Floats, w: Floats, *, offset: Floats) -> Estimate:
    """First coefficient of a maximum-likelihood logistic fit, with its Wald interval; with weights a robust one."""
    coefficients = np.zeros(design.shape[1])
    for _ in range(100):
        fitted = expit(offset + design @ coefficients)
        information = (design * (w * fitted * (1 - fitted))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, design.T @ (w * (y - fitted)))
        except np.linalg.LinAlgError:
            break
        before = _log_likelihood(design, y, w, offset, coefficients)
        while np.abs(step).max() > 1e-10:
            if _log_likelihood(design, y, w, offset, coefficients + step) >= before:
                break
            step = step / 2
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            variance = np.linalg.inv(information)
            if not 0 < variance[0, 0] <= UNDETERMINED**2:
                break
            if not are_equal(w):
                pulls = (design * (w * (y - fitted))[:, None]) @ variance
                variance = len(w) / (len(w) - 1) * pulls.T @ pulls
            return with_normal_interval(float(coefficients[0]), float(np.sqrt(variance[0, 0])))
    return not_estimable("the outcomes do not determine it: the likelihood of the logistic fit has no clear peak")


def _log_likelihood(design: Floats, y: Floats, w: Floats, offset: Floats, coefficients: Floats) -> float:
    log_odds = offset + design @ coefficients
    return float((w * (y * log_odds - np.logaddexp(0, log_odds))).sum())
