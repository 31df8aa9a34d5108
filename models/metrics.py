"""How well risks agreed with what happened: pure functions, arrays in, numbers out.

Every metric is an `Estimate` with a 95 % interval. What cannot be estimated (one class only, one risk
for all, a missing risk, too few events) is no number and no crash: its `reason` says why. Arrays of
unequal length, or a threshold outside 0 to 1, are mistakes of the caller and raise `ValueError`.

The measures live by what they ask: `discrimination`, `calibration`, `decision`, and here what is plain
arithmetic on each case. All are imported from here, and `performance` is all of them at once.

Where each interval comes from:

| metric | interval |
|---|---|
| `auroc` | DeLong, on the plain scale, as pROC gives it |
| `calibration_intercept`, `calibration_slope` | Wald, from a logistic fit |
| `observed_to_expected` | delta method, on the log scale |
| `ici`, `e50`, `e90`, `emax` | bootstrap of cases, percentiles, down to 0 where chance explains them |
| `prevalence` | Wilson |
| `scaled_brier_score` | delta method |
| all means (`brier_score`, `log_loss`, `net_benefit`, `interventions_avoided`, `mean_risk`) | normal |

All take `weights`, inverse probabilities of being observed: those who were stand for those who were not.
The intervals are then robust (sandwich), the weights taken as known. A case of weight 0 is not there.

They take cases as independent. `paired_difference`, which chooses between learners, does not: its
standard error is clustered by patient. Numbers agree with R: see `tests/reference/metrics/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from models.calibration import (
    N_RESAMPLES,
    calibration_errors,
    calibration_intercept,
    calibration_slope,
    observed_to_expected,
    smooth_calibration_curve,
)
from models.decision import (
    case_net_benefit,
    decision_curve,
    interventions_avoided,
    interventions_avoided_name,
    net_benefit,
    net_benefit_name,
    net_benefit_treat_all,
)
from models.discrimination import auroc, roc_points
from models.estimates import (
    MINIMUM_FOR_INTERVAL,
    MINIMUM_PER_CLASS,
    NORMAL_QUANTILE,
    Columns,
    Estimate,
    Floats,
    PairedDifference,
    at_bounds,
    check_lengths,
    checked,
    effective_cases,
    floats,
    judged,
    mean_of_cases,
    not_estimable,
    paired_difference,
    problem,
    standard_error_of_mean,
    too_few,
    with_normal_interval,
)

__all__ = [
    "MINIMUM_PER_CLASS",
    "NORMAL_QUANTILE",
    "N_RESAMPLES",
    "Columns",
    "Estimate",
    "Floats",
    "PairedDifference",
    "auroc",
    "brier_score",
    "calibration_errors",
    "calibration_intercept",
    "calibration_slope",
    "case_log_loss",
    "case_net_benefit",
    "decision_curve",
    "effective_cases",
    "enough_cases",
    "interventions_avoided",
    "interventions_avoided_name",
    "log_loss",
    "mean_risk",
    "net_benefit",
    "net_benefit_name",
    "net_benefit_treat_all",
    "not_estimable",
    "observed_to_expected",
    "paired_difference",
    "performance",
    "prevalence",
    "roc_points",
    "scaled_brier_score",
    "smooth_calibration_curve",
    "told_count",
]


def performance(
    y_true: ArrayLike,
    risk: ArrayLike,
    *,
    thresholds: Sequence[float],
    seed: int,
    weights: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """All that is reported of one outcome, learner and test set, by name; of fewer than five cases, nothing.

    Net benefit and interventions avoided are named for their threshold in percent: `net_benefit_20` at 0.2.

    Parameters
    ----------
    y_true : (n_cases,) 0 or 1
        Whether the outcome happened. May be missing where the weight is 0.
    risk : (n_cases,) float in [0, 1]
        Predicted probability of the outcome.
    thresholds : sequence of float in (0, 1)
        Risks at which one would act.
    seed : int
        Of the bootstrap behind the intervals of the calibration errors.
    weights : (n_cases,) float, at least 0, optional
        Inverse probabilities of being observed.

    Examples
    --------
    >>> found = performance([0, 0, 0, 1] * 10, np.linspace(0.1, 0.5, 40), thresholds=[0.2, 0.075], seed=1)
    >>> list(found)[:8]
    ['auroc', 'calibration_intercept', 'calibration_slope', 'observed_to_expected', 'ici', 'e50', 'e90', 'emax']
    >>> list(found)[8:12]
    ['brier_score', 'scaled_brier_score', 'net_benefit_20', 'net_benefit_7_5']
    >>> list(found)[12:]
    ['interventions_avoided_20', 'interventions_avoided_7_5', 'prevalence', 'mean_risk']
    """
    measured = {
        "auroc": auroc(y_true, risk, weights),
        "calibration_intercept": calibration_intercept(y_true, risk, weights),
        "calibration_slope": calibration_slope(y_true, risk, weights),
        "observed_to_expected": observed_to_expected(y_true, risk, weights),
        **calibration_errors(y_true, risk, seed=seed, weights=weights),
        "brier_score": brier_score(y_true, risk, weights),
        "scaled_brier_score": scaled_brier_score(y_true, risk, weights),
        **{net_benefit_name(at): net_benefit(y_true, risk, at, weights) for at in thresholds},
        **{interventions_avoided_name(at): interventions_avoided(y_true, risk, at, weights) for at in thresholds},
        "prevalence": prevalence(y_true, weights),
        "mean_risk": mean_risk(risk, weights),
    }
    return enough_cases(measured, len(judged(risk, weights=weights)[0]))


def enough_cases(measured: Mapping[str, Estimate], n: int) -> dict[str, Estimate]:
    """The figures of n cases; of one to four none, since a figure of so few tells what became of each.

    Examples
    --------
    >>> found = {"prevalence": prevalence([1, 0, 0])}
    >>> enough_cases(found, 3)["prevalence"].reason
    'only 3 cases; at least 5 are needed'
    """
    if 0 < n < MINIMUM_PER_CLASS:
        reason = f"only {n} case{'s' if n > 1 else ''}; at least {MINIMUM_PER_CLASS} are needed"
        return dict.fromkeys(measured, not_estimable(reason))
    return dict(measured)


def told_count(count: int, of: int) -> int | None:
    """How many of so many cases, for a file; None of one to four, where it would tell what became of each.

    Examples
    --------
    >>> told_count(1, of=1), told_count(1, of=5), told_count(0, of=0)
    (None, 1, 0)
    """
    return None if 0 < of < MINIMUM_PER_CLASS else count


def brier_score(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Mean squared difference between risk and outcome: 0 is ideal. Normal interval.

    Examples
    --------
    >>> round(brier_score([1, 0, 1, 0, 0], [0.9, 0.2, 0.6, 0.4, 0.1]).estimate, 4)
    0.076
    """
    y, p, w = judged(y_true, risk, weights=weights)
    reason = problem(y, p, w)
    return not_estimable(reason) if reason else mean_of_cases((p - y) ** 2, w, least=0.0, most=1.0)


def scaled_brier_score(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Share of the outcome's variance that the risks explain: 1 - Brier / (prevalence (1 - prevalence)).

    1 is ideal, 0 is what giving everyone the prevalence achieves, below 0 is worse than that. Interval by
    the delta method: the prevalence is estimated from the same cases.

    Examples
    --------
    >>> scaled_brier_score([0, 1] * 10, [0.5] * 20).estimate
    0.0
    """
    y, p, w = judged(y_true, risk, weights=weights)
    reason = problem(y, p, w) or too_few(y, w)
    if reason:
        return not_estimable(reason)
    loss = (p - y) ** 2
    brier, happened = (float(np.average(values, weights=w)) for values in (loss, y))
    reference = happened * (1 - happened)
    influence = -(loss - brier) / reference + brier / reference**2 * (1 - 2 * happened) * (y - happened)
    return with_normal_interval(1 - brier / reference, standard_error_of_mean(influence, w), most=1.0)


def case_log_loss(y_true: ArrayLike, risk: ArrayLike) -> Floats:
    """Each case's minus log of the risk that was given to what happened; infinite if that risk was 0.

    Examples
    --------
    >>> case_log_loss([1, 0], [0.5, 0.1]).round(4).tolist()
    [0.6931, 0.1054]
    """
    y, p = floats(y_true), floats(risk)
    check_lengths(y, p)
    with np.errstate(divide="ignore"):
        return np.where(np.isnan(y), np.nan, -np.where(y == 1, np.log(p), np.log1p(-p)))


def log_loss(y_true: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Mean of `case_log_loss`: 0 is ideal. Not estimable where a risk is exactly 0 or 1.

    Examples
    --------
    >>> log_loss([1, 0], [0.8, 1.0]).reason
    '1 risk is exactly 0 or 1, where log-odds are infinite'
    """
    y, p, w = judged(y_true, risk, weights=weights)
    reason = problem(y, p, w) or at_bounds(p)
    return not_estimable(reason) if reason else mean_of_cases(case_log_loss(y, p), w, least=0.0)


def prevalence(y_true: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Proportion of cases with the outcome, with Wilson's interval.

    With weights the number of cases in Wilson's formula is that which would know an unweighted proportion as well.

    Examples
    --------
    >>> prevalence([0] * 9 + [1]).as_json()
    {'estimate': 0.1, 'lower': 0.0178762131, 'upper': 0.4041500268}
    """
    y, w = judged(y_true, weights=weights)
    reason = problem(y, None, w)
    if reason:
        return not_estimable(reason)
    proportion, z = float(np.average(y, weights=w)), NORMAL_QUANTILE
    n = _cases_knowing_as_well(proportion, y, w)
    centre = (proportion + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * np.sqrt(proportion * (1 - proportion) / n + z**2 / (4 * n**2))
    return checked(proportion, max(0.0, centre - half_width), min(1.0, centre + half_width))


def mean_risk(risk: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Mean predicted risk: beside `prevalence`, calibration at its coarsest.

    Examples
    --------
    >>> round(mean_risk([0.1, 0.2, 0.6]).estimate, 4)
    0.3
    """
    p, w = judged(risk, weights=weights)
    reason = problem(None, p, w)
    return not_estimable(reason) if reason else mean_of_cases(p, w, least=0.0, most=1.0)


def _cases_knowing_as_well(proportion: float, y: Floats, w: Floats) -> float:
    spread = float(((w * (y - proportion)) ** 2).sum())
    if spread == 0 or effective_cases(w) < MINIMUM_FOR_INTERVAL:  # too few for a spread to be believed
        return effective_cases(w)
    return proportion * (1 - proportion) * float(w.sum()) ** 2 / spread
