"""How many cases a model needs, to be developed and to be judged: Riley and colleagues.

For (penalised) regression. Tree ensembles need more: for them the figures are a lower bound. Everything
is computed, nothing drawn: two normal distributions of log-odds, one for cases with the outcome and one
for those without, stand for a model of a given C statistic, and averages over them are quadratures.

References
----------
Riley et al., Stat Med 2019;38:1276-1296 and BMJ 2020;368:m441 (development); Stat Med 2021;40:4230-4251
(external validation). Newcombe, Stat Med 2006;25:559-573 (variance of the C statistic). The authors' R packages
pmsampsize and pmvalsampsize compute the same criteria; the first rounds on the way (so for the example below it
may differ by some cases), the second simulates and searches in steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri

# Riley's own constants: 1.96 and not the exact quantile, so that published examples come out to the case.
NORMAL_QUANTILE = 1.96
ALLOWED_OPTIMISM_OF_R2 = 0.05  # as a share of the largest possible R2
ALLOWED_ERROR_OF_PREVALENCE = 0.05
# Gauss-Hermite nodes; the averages here are smooth and settle to 10 digits well below this.
QUADRATURE_NODES = 120


class DevelopmentSize(NamedTuple):
    """Cases needed to develop a model: one number per criterion, and the largest."""

    shrinkage: int
    optimism: int
    prevalence: int

    @property
    def n_cases(self) -> int:
        return max(self)


class ValidationSize(NamedTuple):
    """Cases needed to judge a model elsewhere, by what is to be known; 0 where it was not asked."""

    observed_to_expected: int
    calibration_slope: int
    auroc: int
    net_benefit: int

    @property
    def n_cases(self) -> int:
        return max(self)


class ValidationPrecision(NamedTuple):
    """Expected widths of 95 % intervals, upper limit less lower; None where it was not asked.

    Half of it is the "to within" of a sentence, but for the ratio of observed to expected, whose interval is
    symmetric on the log scale.
    """

    observed_to_expected: float
    calibration_slope: float
    auroc: float
    net_benefit: float | None


def riley_development_size(
    n_parameters: int, prevalence: float, r2_cox_snell: float, *, shrinkage: float = 0.9
) -> DevelopmentSize:
    """Cases needed to develop a logistic model.

    Parameters
    ----------
    n_parameters : int
        Candidate parameters, counted before any selection: a spline of four knots is three.
    prevalence : float in (0, 1)
        Expected proportion of cases with the outcome.
    r2_cox_snell : float
        Expected Cox-Snell R2, adjusted for optimism; from a C statistic by `r2_from_c_statistic`.
    shrinkage : float in (0, 1)
        Least acceptable uniform shrinkage.

    Returns
    -------
    DevelopmentSize
        Cases for the shrinkage, for an optimism of Nagelkerke's R2 of at most 0.05, and for the overall
        risk to within 0.05.

    Examples
    --------
    >>> size = riley_development_size(24, prevalence=0.174, r2_cox_snell=0.288)
    >>> size, size.n_cases
    (DevelopmentSize(shrinkage=623, optimism=662, prevalence=221), 662)
    """
    _check_share("prevalence", prevalence)
    _check_share("shrinkage", shrinkage)
    most = largest_r2_cox_snell(prevalence)
    if n_parameters < 1:
        raise ValueError(f"n_parameters must be at least 1, got {n_parameters}")
    if not 0 < r2_cox_snell < min(most, shrinkage):
        raise ValueError(
            f"r2_cox_snell must lie between 0 and {min(most, shrinkage):.3g}, the largest possible at this "
            f"prevalence and shrinkage; got {r2_cox_snell:g}"
        )
    shrinkage_for_optimism = r2_cox_snell / (r2_cox_snell + ALLOWED_OPTIMISM_OF_R2 * most)
    return DevelopmentSize(
        shrinkage=_cases_for_shrinkage(n_parameters, r2_cox_snell, shrinkage),
        optimism=_cases_for_shrinkage(n_parameters, r2_cox_snell, shrinkage_for_optimism),
        prevalence=math.ceil((NORMAL_QUANTILE / ALLOWED_ERROR_OF_PREVALENCE) ** 2 * prevalence * (1 - prevalence)),
    )


def largest_r2_cox_snell(prevalence: float) -> float:
    """Cox-Snell R2 of a perfect model: below 1 for a binary outcome.

    Examples
    --------
    >>> round(largest_r2_cox_snell(0.5), 4), round(largest_r2_cox_snell(0.1), 4)
    (0.75, 0.478)
    """
    _check_share("prevalence", prevalence)
    entropy = -prevalence * math.log(prevalence) - (1 - prevalence) * math.log(1 - prevalence)
    return 1 - math.exp(-2 * entropy)


def r2_from_c_statistic(c_statistic: float, prevalence: float) -> float:
    """Cox-Snell R2 of a logistic model with this C statistic, in a population with this prevalence.

    The population value that Riley's simulation estimates: log-odds are normal with equal variance in
    cases with and without the outcome, and the true logistic model is known, so nothing is fitted.

    References
    ----------
    Riley et al., Stat Med 2021;40:859-864.

    Examples
    --------
    >>> round(r2_from_c_statistic(0.7, prevalence=0.2), 3)
    0.081
    >>> r2_from_c_statistic(0.5, prevalence=0.2)
    0.0
    """
    _check_c_statistic(c_statistic)
    _check_share("prevalence", prevalence)
    log_likelihood = _mean_with_outcome(
        c_statistic,
        prevalence,
        events=lambda lp: -np.logaddexp(0, -lp),
        others=lambda lp: -np.logaddexp(0, lp),
    )
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    return max(0.0, -math.expm1(-2 * (log_likelihood - null)))


def riley_validation_size(
    prevalence: float,
    c_statistic: float,
    *,
    threshold: float | None = None,
    observed_to_expected_width: float = 0.2,
    slope_width: float = 0.2,
    auroc_width: float = 0.1,
    net_benefit_width: float = 0.2,
) -> ValidationSize:
    """Cases needed for 95 % intervals of the given widths in an external validation.

    Taken for a well calibrated model of the given C statistic. The net benefit is standardised (divided
    by the prevalence) and asked for only where a threshold is given.

    Examples
    --------
    >>> riley_validation_size(0.33, 0.82, threshold=0.3).n_cases > 1_500
    True
    """
    _check_share("prevalence", prevalence)
    _check_c_statistic(c_statistic)
    if c_statistic == 0.5:
        raise ValueError("c_statistic must exceed 0.5: risks that are all alike have no slope to judge")
    net_benefit = 0
    if threshold is not None:
        net_benefit = _cases_for_mean(_net_benefit_variance(prevalence, c_statistic, threshold), net_benefit_width)
    return ValidationSize(
        observed_to_expected=_cases_for_observed_to_expected(prevalence, observed_to_expected_width),
        calibration_slope=_cases_for_mean(_slope_variance(*_log_odds_of_cases(c_statistic, prevalence)), slope_width),
        auroc=_cases_for_auroc(prevalence, c_statistic, auroc_width),
        net_benefit=net_benefit,
    )


def validation_precision(
    n_cases: int, prevalence: float, c_statistic: float, *, threshold: float | None = None
) -> ValidationPrecision:
    """How precisely a test set of `n_cases` will know a model: the inverse of `riley_validation_size`.

    Taken for a well calibrated model of the given C statistic, and from formulas for large samples: at a few dozen
    cases the widths say no more than that nothing will be known. The net benefit is standardised (divided by the
    prevalence) and answered only where a threshold is given.

    Examples
    --------
    >>> precision = validation_precision(1_200, prevalence=0.33, c_statistic=0.7)
    >>> round(precision.calibration_slope / 2, 2), round(precision.auroc / 2, 2)  # to within
    (0.18, 0.03)
    """
    _check_share("prevalence", prevalence)
    _check_c_statistic(c_statistic)
    if c_statistic == 0.5:
        raise ValueError("c_statistic must exceed 0.5: risks that are all alike have no slope to judge")
    if n_cases < 1:
        raise ValueError(f"n_cases must be at least 1, got {n_cases}")
    net_benefit = None
    if threshold is not None:
        net_benefit = _width_of_mean(_net_benefit_variance(prevalence, c_statistic, threshold), n_cases)
    return ValidationPrecision(
        observed_to_expected=_observed_to_expected_width(n_cases, prevalence),
        calibration_slope=_width_of_mean(_slope_variance(*_log_odds_of_cases(c_statistic, prevalence)), n_cases),
        auroc=_auroc_width(n_cases, prevalence, c_statistic),
        net_benefit=net_benefit,
    )


def _cases_for_shrinkage(n_parameters: int, r2: float, shrinkage: float) -> int:
    return math.ceil(n_parameters / ((shrinkage - 1) * math.log1p(-r2 / shrinkage)))


def _cases_for_observed_to_expected(prevalence: float, width: float) -> int:
    # exp(z) - exp(-z) = width, for z = 1.96 standard errors of log(O/E)
    standard_error = math.asinh(width / 2) / NORMAL_QUANTILE
    return math.ceil((1 - prevalence) / (prevalence * standard_error**2))


def _observed_to_expected_width(n: int, prevalence: float) -> float:
    return 2 * math.sinh(NORMAL_QUANTILE * math.sqrt((1 - prevalence) / (prevalence * n)))


def _cases_for_mean(variance_per_case: float, width: float) -> int:
    return math.ceil(variance_per_case / (width / (2 * NORMAL_QUANTILE)) ** 2)


def _width_of_mean(variance_per_case: float, n: int) -> float:
    return 2 * NORMAL_QUANTILE * math.sqrt(variance_per_case / n)


def _slope_variance(log_odds: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """Variance of the calibration slope times the number of cases; `share` of each of the log-odds sums to 1."""
    spread = expit(log_odds) * expit(-log_odds)
    information = [float(share @ (spread * log_odds**power)) for power in (0, 1, 2)]
    return information[0] / (information[0] * information[2] - information[1] ** 2)


def _cases_for_auroc(prevalence: float, c_statistic: float, width: float) -> int:
    # The width falls as n grows, so the smallest n is found by bisection.
    too_few, enough = 1, 2
    while _auroc_width(enough, prevalence, c_statistic) > width:
        too_few, enough = enough, enough * 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        is_narrow = _auroc_width(middle, prevalence, c_statistic) <= width
        too_few, enough = (too_few, middle) if is_narrow else (middle, enough)
    return enough


def _auroc_width(n: int, prevalence: float, c: float) -> float:
    pairs = 1 + (n / 2 - 1) * ((1 - c) / (2 - c) + c / (1 + c))
    variance = c * (1 - c) * pairs / (n**2 * prevalence * (1 - prevalence))
    return 2 * NORMAL_QUANTILE * math.sqrt(variance)


def _net_benefit_variance(prevalence: float, c_statistic: float, threshold: float) -> float:
    """Variance of the standardised net benefit times the number of cases."""
    _check_share("threshold", threshold)
    means, spread = _log_odds_distributions(c_statistic, prevalence)
    sensitivity = float(ndtr((means[0] - logit(threshold)) / spread))
    specificity = float(ndtr((logit(threshold) - means[1]) / spread))
    weight = (1 - prevalence) / prevalence * threshold / (1 - threshold)
    return (
        sensitivity * (1 - sensitivity) / prevalence
        + weight**2 * specificity * (1 - specificity) / (1 - prevalence)
        + weight**2 * (1 - specificity) ** 2 / (prevalence * (1 - prevalence))
    )


def _log_odds_distributions(c_statistic: float, prevalence: float) -> tuple[tuple[float, float], float]:
    """Means of a calibrated model's log-odds, with and without the outcome, and their common spread."""
    spread = math.sqrt(2) * float(ndtri(c_statistic))
    centre = float(logit(prevalence))
    return (centre + spread**2 / 2, centre - spread**2 / 2), spread


def _log_odds_of_cases(c_statistic: float, prevalence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-odds of all cases, as quadrature nodes with their shares."""
    nodes, shares = _normal_nodes()
    means, spread = _log_odds_distributions(c_statistic, prevalence)
    log_odds = np.concatenate([mean + spread * nodes for mean in means])
    return log_odds, np.concatenate([prevalence * shares, (1 - prevalence) * shares])


def _mean_with_outcome(
    c_statistic: float,
    prevalence: float,
    *,
    events: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    others: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> float:
    log_odds, shares = _log_odds_of_cases(c_statistic, prevalence)
    of_events, of_others = np.split(log_odds, 2)
    return float(shares @ np.concatenate([events(of_events), others(of_others)]))


@cache
def _normal_nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
    return nodes, weights / weights.sum()


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value:g}")


def _check_c_statistic(value: float) -> None:
    if not 0.5 <= value < 1:
        raise ValueError(f"c_statistic must lie in [0.5, 1), got {value:g}")
