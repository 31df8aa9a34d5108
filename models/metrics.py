"""How well risks agreed with what happened: pure functions, arrays in, numbers out.

Every metric is an `Estimate` with a 95% interval. What cannot be estimated (one class only, one risk
for all, a missing risk, too few events) is no number and no crash: its `reason` says why. Arrays of
unequal length, or a threshold outside 0 to 1, are mistakes of the caller and raise `ValueError`.

Where each interval comes from:

| metric | interval |
|---|---|
| `auroc` | DeLong, on the plain scale, as pROC gives it |
| `calibration_intercept`, `calibration_slope` | Wald, from a logistic fit |
| `ici`, `e50`, `e90`, `emax` | bootstrap of cases, percentiles, down to 0 where chance explains them |
| `prevalence` | Wilson |
| `scaled_brier_score` | delta method |
| all means (`brier_score`, `log_loss`, `net_benefit`, `interventions_avoided`, `mean_risk`) | normal |

They take cases as independent. `paired_difference`, which chooses between learners, does not: its
standard error is clustered by patient. Numbers agree with R: see `tests/reference/metrics/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

Floats = NDArray[np.float64]
Columns = dict[str, Floats]

NORMAL_QUANTILE = float(ndtri(0.975))
# Below five cases with the outcome, or five without, the intervals used here are known to be wrong.
MINIMUM_PER_CLASS = 5
N_RESAMPLES = 200
# R's defaults for lowess(): the share of cases in each local fit, and how far apart fits are made.
LOWESS_SHARE = 2 / 3
LOWESS_SPACING = 0.01
ROC_POINTS = 200
STORED_DIGITS = 10
# Sums of thousands of floats leave dust near zero that differs between machines; stored figures drop it.
STORED_DECIMALS = 12


class Estimate(NamedTuple):
    """A number with its 95% interval, or the reason why there is none.

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


class PairedDifference(NamedTuple):
    """A mean difference with its standard error; None, with a reason, where there is none."""

    mean: float | None
    standard_error: float | None
    reason: str | None = None


def not_estimable(reason: str) -> Estimate:
    """The estimate that is none, and why."""
    return Estimate(None, None, None, reason)


def auroc(y_true: ArrayLike, risk: ArrayLike) -> Estimate:
    """Probability that a case with the outcome has a higher risk than a case without; ties count half.

    From 0 to 1; 0.5 is no discrimination. DeLong interval on the plain scale, cut to 0 to 1, which is
    the default of pROC. Where the risks separate the outcomes completely DeLong's variance is 0: the
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
    y, p = _arrays(y_true, risk)
    reason = _problem(y, p) or _too_few(y) or _constant(p)
    if reason:
        return not_estimable(reason)
    risk_of_events, risk_of_others = p[y == 1], p[y == 0]
    n_events, n_others = len(risk_of_events), len(risk_of_others)
    rank = _midranks(np.concatenate([risk_of_events, risk_of_others]))
    others_below = (rank[:n_events] - _midranks(risk_of_events)) / n_others
    events_above = 1 - (rank[n_events:] - _midranks(risk_of_others)) / n_events
    area = float(others_below.mean())
    variance = others_below.var(ddof=1) / n_events + events_above.var(ddof=1) / n_others
    if variance == 0:
        return Estimate(area, reason="no interval: the risks separate the outcomes completely")
    return _normal(area, float(np.sqrt(variance)), least=0.0, most=1.0)


def calibration_intercept(y_true: ArrayLike, risk: ArrayLike) -> Estimate:
    """Calibration in the large: intercept of a logistic fit with the log-odds of the risk as offset.

    0 is ideal; below 0 the risks are too high on average, above 0 too low. Log-odds of a risk of exactly
    0 or 1 are infinite; such risks are not clipped, because the answer would depend on the clip: the
    intercept and slope are then not estimable.

    Examples
    --------
    >>> y_true = [1] * 10 + [0] * 10
    >>> round(calibration_intercept(y_true, [0.25] * 20).estimate, 4)  # log(0.5/0.5) - log(0.25/0.75)
    1.0986
    """
    y, p = _arrays(y_true, risk)
    reason = _problem(y, p) or _too_few(y) or _at_bounds(p)
    if reason:
        return not_estimable(reason)
    return _logistic_coefficient(np.ones((len(y), 1)), y, offset=logit(p))


def calibration_slope(y_true: ArrayLike, risk: ArrayLike) -> Estimate:
    """Coefficient of the log-odds of the risk in a logistic fit of the outcome.

    1 is ideal; below 1 the risks are too extreme, above 1 too timid. Not estimable where a risk is
    exactly 0 or 1 (see `calibration_intercept`) or where the risks separate the outcomes completely.

    Examples
    --------
    >>> y_true, risk = [1] * 5 + [0] * 15 + [1] * 15 + [0] * 5, [0.1] * 20 + [0.9] * 20
    >>> round(calibration_slope(y_true, risk).estimate, 4)  # seen 0.25 and 0.75: log(3) / log(9)
    0.5
    """
    y, p = _arrays(y_true, risk)
    reason = _problem(y, p) or _too_few(y) or _at_bounds(p) or _constant(p) or _separated(y, p)
    if reason:
        return not_estimable(reason)
    log_odds = logit(p)
    spread = float(log_odds.std())
    standardised = (log_odds - log_odds.mean()) / spread  # keeps the fit well conditioned
    slope = _logistic_coefficient(np.column_stack([standardised, np.ones(len(y))]), y, offset=np.zeros(len(y)))
    if slope.estimate is None or slope.lower is None or slope.upper is None:
        return slope
    return Estimate(slope.estimate / spread, slope.lower / spread, slope.upper / spread)


def smooth_calibration_curve(y_true: ArrayLike, risk: ArrayLike, *, seed: int | None = None) -> Columns:
    """Observed proportion as a smooth function of the risk: columns `risk` and `observed`.

    Lowess without robustness iterations, two thirds of the cases in each local fit, as
    `rms::val.prob` draws it. The rows are where local fits were made, at most some hundred; between
    them the curve is a straight line. It is not cut to 0 to 1. With a seed, columns `lower` and `upper`
    hold a pointwise 95% band from a bootstrap of cases. No rows where it is not estimable; the reason
    is that of `calibration_errors`.

    Examples
    --------
    >>> curve = smooth_calibration_curve([0, 1] * 10, np.linspace(0.1, 0.9, 20))
    >>> sorted(curve), bool(np.all(np.diff(curve["risk"]) > 0))
    (['observed', 'risk'], True)
    """
    y, p = _arrays(y_true, risk)
    if _problem(y, p) or _too_few(y) or _constant(p):
        names = ("risk", "observed") if seed is None else ("risk", "observed", "lower", "upper")
        return {name: np.empty(0) for name in names}
    smoother = _lowess_smoother(p)
    curve = {"risk": smoother.risk, "observed": smoother.observed(y)}
    if seed is not None:
        resampled = smoother.resampled(y, _draws(len(y), seed))
        curve["lower"], curve["upper"] = np.quantile(resampled, [0.025, 0.975], axis=0)
    return curve


def calibration_errors(y_true: ArrayLike, risk: ArrayLike, *, seed: int) -> dict[str, Estimate]:
    """`ici`, `e50`, `e90` and `emax`: mean, median, 90th percentile and largest of |observed - risk|.

    Observed is the smooth calibration curve at each case's risk. 0 is ideal, and never quite reached:
    chance alone bends the curve, and a resample bends it further. So the interval has two parts: the
    percentiles of 200 resamples of cases, shared by the four; and, where the error is no larger than
    what well calibrated risks show by chance (97.5th percentile of 200 outcomes drawn from the risks
    themselves), a lower limit of 0. Resamples keep the neighbourhoods of the full sample, which makes
    them a few matrix products.

    References
    ----------
    Austin & Steyerberg, Stat Med 2019;38:4051-4065. Harrell, Regression Modeling Strategies.

    Examples
    --------
    >>> errors = calibration_errors([0, 0, 1, 0, 1] * 20, np.linspace(0.2, 0.6, 100), seed=1)
    >>> errors["e50"].estimate <= errors["e90"].estimate <= errors["emax"].estimate
    True
    """
    y, p = _arrays(y_true, risk)
    reason = _problem(y, p) or _too_few(y) or _constant(p)
    if reason:
        return {name: not_estimable(reason) for name in ("ici", "e50", "e90", "emax")}
    smoother = _lowess_smoother(p)
    draws = _draws(len(y), seed)
    found = _error_summaries(smoother.errors(smoother.observed(y)[None, :], p))
    resampled = _error_summaries(np.take_along_axis(smoother.errors(smoother.resampled(y, draws), p), draws, axis=1))
    by_chance = _error_summaries(smoother.errors(smoother.by_chance(p, seed), p))
    return {name: _error(float(found[name][0]), resampled[name], by_chance[name]) for name in found}


def brier_score(y_true: ArrayLike, risk: ArrayLike) -> Estimate:
    """Mean squared difference between risk and outcome: 0 is ideal. Normal interval.

    Examples
    --------
    >>> round(brier_score([1, 0, 1, 0, 0], [0.9, 0.2, 0.6, 0.4, 0.1]).estimate, 4)
    0.076
    """
    y, p = _arrays(y_true, risk)
    reason = _problem(y, p)
    return not_estimable(reason) if reason else _mean((p - y) ** 2, least=0.0, most=1.0)


def scaled_brier_score(y_true: ArrayLike, risk: ArrayLike) -> Estimate:
    """Share of the outcome's variance that the risks explain: 1 - Brier / (prevalence (1 - prevalence)).

    1 is ideal, 0 is what giving everyone the prevalence achieves, below 0 is worse than that. Interval by
    the delta method: the prevalence is estimated from the same cases.

    Examples
    --------
    >>> scaled_brier_score([0, 1] * 10, [0.5] * 20).estimate
    0.0
    """
    y, p = _arrays(y_true, risk)
    reason = _problem(y, p) or _too_few(y)
    if reason:
        return not_estimable(reason)
    loss, prevalence_ = (p - y) ** 2, y.mean()
    reference = prevalence_ * (1 - prevalence_)
    score = 1 - loss.mean() / reference
    influence = -(loss - loss.mean()) / reference + loss.mean() / reference**2 * (1 - 2 * prevalence_) * (
        y - prevalence_
    )
    return _normal(float(score), float(influence.std(ddof=1) / np.sqrt(len(y))), most=1.0)


def case_log_loss(y_true: ArrayLike, risk: ArrayLike) -> Floats:
    """Each case's minus log of the risk that was given to what happened; infinite if that risk was 0.

    Examples
    --------
    >>> case_log_loss([1, 0], [0.5, 0.1]).round(4).tolist()
    [0.6931, 0.1054]
    """
    y, p = _arrays(y_true, risk)
    with np.errstate(divide="ignore"):
        return np.where(np.isnan(y), np.nan, -np.where(y == 1, np.log(p), np.log1p(-p)))


def log_loss(y_true: ArrayLike, risk: ArrayLike) -> Estimate:
    """Mean of `case_log_loss`: 0 is ideal. Not estimable where a risk is exactly 0 or 1.

    Examples
    --------
    >>> log_loss([1, 0], [0.8, 1.0]).reason
    '1 risk is exactly 0 or 1, where log-odds are infinite'
    """
    y, p = _arrays(y_true, risk)
    reason = _problem(y, p) or _at_bounds(p)
    return not_estimable(reason) if reason else _mean(case_log_loss(y, p), least=0.0)


def case_net_benefit(y_true: ArrayLike, risk: ArrayLike, threshold: float) -> Floats:
    """Each case's part in the net benefit: 1, minus the odds of the threshold, or 0 if not treated.

    Its differences between two models, given to `paired_difference`, compare their net benefit.

    Examples
    --------
    >>> case_net_benefit([1, 0, 1], [0.3, 0.3, 0.1], threshold=0.2).tolist()
    [1.0, -0.25, 0.0]
    """
    y, p = _arrays(y_true, risk)
    odds = _odds(threshold)
    return np.where(np.isnan(y + p), np.nan, (p >= threshold) * np.where(y == 1, 1.0, -odds))


def net_benefit(y_true: ArrayLike, risk: ArrayLike, threshold: float) -> Estimate:
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
    y, p = _arrays(y_true, risk)
    contributions = case_net_benefit(y, p, threshold)
    reason = _problem(y, p)
    return not_estimable(reason) if reason else _mean(contributions)


def net_benefit_treat_all(y_true: ArrayLike, threshold: float) -> Estimate:
    """Net benefit of treating every case, whatever the risk.

    Examples
    --------
    >>> net_benefit_treat_all([1, 0, 0, 0], threshold=0.2).estimate  # 1/4 - 3/4 of 0.25
    0.0625
    """
    (y,) = _arrays(y_true)
    return net_benefit(y, np.ones(len(y)), threshold)


def interventions_avoided(y_true: ArrayLike, risk: ArrayLike, threshold: float) -> Estimate:
    """Treatments spared per 100 cases compared with treating all, net of outcomes missed.

    The gain in net benefit over treating all, divided by the odds of the threshold. An outcome missed
    counts as as many treatments as the threshold says one is worth.

    Examples
    --------
    >>> interventions_avoided([0, 0, 0, 1], [0.1, 0.1, 0.1, 0.3], threshold=0.2).estimate
    75.0
    """
    y, p = _arrays(y_true, risk)
    odds = _odds(threshold)
    reason = _problem(y, p)
    if reason:
        return not_estimable(reason)
    return _mean(100 * (p < threshold) * np.where(y == 1, -1 / odds, 1.0))


def decision_curve(y_true: ArrayLike, risk: ArrayLike, thresholds: Sequence[float]) -> Columns:
    """Net benefit at each threshold of the model, of treating all and of treating none.

    Columns `threshold`, `model` with `lower` and `upper`, `treat_all`, `treat_none`: a table by
    `pd.DataFrame(decision_curve(...))`. NaN where not estimable.

    Examples
    --------
    >>> decision_curve([1, 0, 0, 0], [0.5, 0.1, 0.1, 0.1], [0.2, 0.4])["model"].tolist()
    [0.25, 0.25]
    """
    y, p = _arrays(y_true, risk)
    model = [net_benefit(y, p, threshold) for threshold in thresholds]
    treat_all = [net_benefit_treat_all(y, threshold) for threshold in thresholds]
    return {
        "threshold": np.array(thresholds, dtype=float),
        "model": _column([point.estimate for point in model]),
        "lower": _column([point.lower for point in model]),
        "upper": _column([point.upper for point in model]),
        "treat_all": _column([point.estimate for point in treat_all]),
        "treat_none": np.zeros(len(thresholds)),
    }


def roc_points(y_true: ArrayLike, risk: ArrayLike) -> Columns:
    """The ROC curve from (0, 0) to (1, 1): columns `false_positive_rate` and `true_positive_rate`.

    At most 200 points, spread evenly along the curve's length; neither column ever falls. For drawing:
    take the area from `auroc`. No rows where one class is absent.

    Examples
    --------
    >>> roc_points([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.4])["true_positive_rate"].tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    y, p = _arrays(y_true, risk)
    if _problem(y, p) or y.min() == y.max():
        return {"false_positive_rate": np.empty(0), "true_positive_rate": np.empty(0)}
    order = np.argsort(-p, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    true_positives = np.append(0, np.cumsum(y[order])[last_of_tie])
    false_positives = np.append(0, np.cumsum(1 - y[order])[last_of_tie])
    false_positive_rate, true_positive_rate = false_positives / false_positives[-1], true_positives / y.sum()
    if len(true_positive_rate) > ROC_POINTS:
        distance = false_positive_rate + true_positive_rate
        kept = np.unique(np.searchsorted(distance, np.linspace(0, distance[-1], ROC_POINTS)))
        false_positive_rate, true_positive_rate = false_positive_rate[kept], true_positive_rate[kept]
    return {"false_positive_rate": false_positive_rate, "true_positive_rate": true_positive_rate}


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
    a, b = _arrays(loss_a, loss_b)
    patients = np.asarray(groups)
    if len(patients) != len(a):
        raise ValueError(f"groups names {len(patients)} cases, the losses have {len(a)}")
    if len(a) == 0:
        return PairedDifference(None, None, "there are no cases")
    difference = a - b
    n_unusable = int((~np.isfinite(difference)).sum())
    if n_unusable:
        return PairedDifference(None, None, f"{_count(n_unusable, 'loss')} missing or infinite")
    weight = np.ones(len(a)) if weights is None else _floats(weights)
    mean = float(np.average(difference, weights=weight))
    _, patient_number = np.unique(patients, return_inverse=True)
    sums = np.bincount(patient_number, weights=weight * (difference - mean))
    n_patients = len(sums)
    if n_patients == 1:
        return PairedDifference(mean, None, "no standard error: all cases are of one patient")
    variance = n_patients / (n_patients - 1) * float((sums**2).sum()) / float(weight.sum()) ** 2
    return PairedDifference(mean, float(np.sqrt(variance)))


def prevalence(y_true: ArrayLike) -> Estimate:
    """Proportion of cases with the outcome, with Wilson's interval.

    Examples
    --------
    >>> prevalence([0] * 9 + [1]).as_json()
    {'estimate': 0.1, 'lower': 0.0178762131, 'upper': 0.4041500268}
    """
    (y,) = _arrays(y_true)
    reason = _problem(y)
    if reason:
        return not_estimable(reason)
    n, proportion, z = len(y), float(y.mean()), NORMAL_QUANTILE
    centre = (proportion + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * np.sqrt(proportion * (1 - proportion) / n + z**2 / (4 * n**2))
    return _checked(proportion, max(0.0, centre - half_width), min(1.0, centre + half_width))


def mean_risk(risk: ArrayLike) -> Estimate:
    """Mean predicted risk: beside `prevalence`, calibration at its coarsest.

    Examples
    --------
    >>> round(mean_risk([0.1, 0.2, 0.6]).estimate, 4)
    0.3
    """
    (p,) = _arrays(risk)
    reason = _problem(np.zeros(len(p)), p)
    return not_estimable(reason) if reason else _mean(p, least=0.0, most=1.0)


def performance(y_true: ArrayLike, risk: ArrayLike, *, thresholds: Sequence[float], seed: int) -> dict[str, Estimate]:
    """All that is reported of one outcome, learner and test set, by name.

    Net benefit is named for its threshold in percent: `net_benefit_20` at 0.2.

    Examples
    --------
    >>> found = performance([0, 0, 0, 1] * 10, np.linspace(0.1, 0.5, 40), thresholds=[0.2, 0.075], seed=1)
    >>> list(found)[:6]
    ['auroc', 'calibration_intercept', 'calibration_slope', 'ici', 'e50', 'e90']
    >>> list(found)[6:]
    ['brier_score', 'scaled_brier_score', 'net_benefit_20', 'net_benefit_7_5', 'prevalence', 'mean_risk']
    """
    y, p = _arrays(y_true, risk)
    errors = calibration_errors(y, p, seed=seed)
    return {
        "auroc": auroc(y, p),
        "calibration_intercept": calibration_intercept(y, p),
        "calibration_slope": calibration_slope(y, p),
        **{name: errors[name] for name in ("ici", "e50", "e90")},
        "brier_score": brier_score(y, p),
        "scaled_brier_score": scaled_brier_score(y, p),
        **{net_benefit_name(threshold): net_benefit(y, p, threshold) for threshold in thresholds},
        "prevalence": prevalence(y),
        "mean_risk": mean_risk(p),
    }


def net_benefit_name(threshold: float) -> str:
    """Name of the net benefit at a threshold, in percent.

    Examples
    --------
    >>> net_benefit_name(0.2), net_benefit_name(0.075)
    ('net_benefit_20', 'net_benefit_7_5')
    """
    return f"net_benefit_{100 * threshold:g}".replace(".", "_")


# ---- why a metric is not estimable -------------------------------------------------------------------


def _problem(y: Floats, p: Floats | None = None) -> str | None:
    if len(y) == 0:
        return "there are no cases"
    checks = [
        (np.isnan(y), "outcome", "missing"),
        (~np.isnan(y) & (y != 0) & (y != 1), "outcome", "neither 0 nor 1"),
    ]
    if p is not None:
        checks += [(np.isnan(p), "risk", "missing"), ((p < 0) | (p > 1), "risk", "outside 0 to 1")]
    found = [f"{_count(int(faulty.sum()), noun)} {fault}" for faulty, noun, fault in checks if faulty.any()]
    return "; ".join(found) or None


def _too_few(y: Floats) -> str | None:
    for n, has in ((int(y.sum()), "the outcome"), (int((1 - y).sum()), "no outcome")):
        if n == 0:
            return "no case has the outcome" if has == "the outcome" else "every case has the outcome"
        if n < MINIMUM_PER_CLASS:
            verb = "case has" if n == 1 else "cases have"
            return f"only {n} {verb} {has}; at least {MINIMUM_PER_CLASS} are needed"
    return None


def _constant(p: Floats) -> str | None:
    return "every case has the same risk" if p.min() == p.max() else None


def _at_bounds(p: Floats) -> str | None:
    n = int(((p == 0) | (p == 1)).sum())
    return f"{_count(n, 'risk')} exactly 0 or 1, where log-odds are infinite" if n else None


def _separated(y: Floats, p: Floats) -> str | None:
    # With one predictor a logistic fit diverges exactly when the two classes' risks do not overlap.
    events, others = p[y == 1], p[y == 0]
    apart = events.min() >= others.max() or others.min() >= events.max()
    return "the risks separate the outcomes completely" if apart else None


def _count(n: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{n} {noun} is" if n == 1 else f"{n} {plural} are"


# ---- arithmetic --------------------------------------------------------------------------------------


def _arrays(*values: ArrayLike) -> list[Floats]:
    arrays = [_floats(value) for value in values]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ValueError(f"arrays of unequal length: {', '.join(str(len(array)) for array in arrays)} cases")
    return arrays


def _floats(values: Any) -> Floats:
    # pandas' nullable columns say missing with pd.NA, which numpy alone cannot read.
    if hasattr(values, "to_numpy"):
        array = values.to_numpy(dtype=float, na_value=np.nan)
    else:
        array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise ValueError(f"one value per case is needed, got an array of {array.ndim} dimensions")
    return array


def _odds(threshold: float) -> float:
    if not 0 < threshold < 1:
        raise ValueError(f"a threshold must lie strictly between 0 and 1, got {threshold}")
    return threshold / (1 - threshold)


def _column(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values])


def _stored(value: float | None) -> float | None:
    if value is None:
        return None
    return round(float(f"{value:.{STORED_DIGITS}g}"), STORED_DECIMALS) + 0.0  # + 0.0: no minus zero


def _checked(estimate: float, lower: float, upper: float) -> Estimate:
    if not np.isfinite([estimate, lower, upper]).all():
        return not_estimable("the arithmetic overflowed")
    return Estimate(float(estimate), float(lower), float(upper))


def _normal(estimate: float, standard_error: float, *, least: float = -np.inf, most: float = np.inf) -> Estimate:
    margin = NORMAL_QUANTILE * standard_error
    return _checked(estimate, max(least, estimate - margin), min(most, estimate + margin))


def _mean(values: Floats, *, least: float = -np.inf, most: float = np.inf) -> Estimate:
    mean = float(values.mean())
    if values.min() == values.max():
        return Estimate(float(values[0]), reason="no interval: every case counts the same")
    return _normal(mean, float(values.std(ddof=1) / np.sqrt(len(values))), least=least, most=most)


def _midranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    return (last_rank - (counts - 1) / 2)[place]


def _logistic_coefficient(design: Floats, y: Floats, *, offset: Floats) -> Estimate:
    """First coefficient of a maximum-likelihood logistic fit, with its Wald interval."""
    coefficients = np.zeros(design.shape[1])
    for _ in range(100):
        fitted = expit(offset + design @ coefficients)
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, design.T @ (y - fitted))
        except np.linalg.LinAlgError:
            break
        before = _log_likelihood(design, y, offset, coefficients)
        while np.abs(step).max() > 1e-10:
            if _log_likelihood(design, y, offset, coefficients + step) >= before:
                break
            step = step / 2
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            standard_error = float(np.sqrt(np.linalg.inv(information)[0, 0]))
            return _normal(float(coefficients[0]), standard_error)
    return not_estimable("the logistic fit did not converge")


def _log_likelihood(design: Floats, y: Floats, offset: Floats, coefficients: Floats) -> float:
    log_odds = offset + design @ coefficients
    return float((y * log_odds - np.logaddexp(0, log_odds)).sum())


def _error_summaries(errors: Floats) -> Columns:
    e50, e90 = np.quantile(errors, [0.5, 0.9], axis=1)
    return {"ici": errors.mean(axis=1), "e50": e50, "e90": e90, "emax": errors.max(axis=1)}


def _error(found: float, resampled: Floats, by_chance: Floats) -> Estimate:
    lower, upper = np.quantile(resampled, [0.025, 0.975]).tolist()
    is_chance = found <= np.quantile(by_chance, 0.975)
    return _checked(found, 0.0 if is_chance else lower, upper)


def _draws(n_cases: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(n_cases, size=(N_RESAMPLES, n_cases))


# ---- lowess ------------------------------------------------------------------------------------------


class _Smoother(NamedTuple):
    """Lowess of anything on one set of risks: where local fits are made, and each case's weight there."""

    risk: Floats  # (n_fits,), rising
    weights: Floats  # (n_fits, n_cases), the tricube kernel
    distance: Floats  # (n_fits, n_cases), a case's risk less that of the fit
    least_spread: float  # below it, a local mean replaces the local line

    def observed(self, y: Floats) -> Floats:
        return self._fits(y, np.ones((1, len(y))))[0]

    def resampled(self, y: Floats, draws: NDArray[np.int64]) -> Floats:
        """One curve per resample; a case drawn twice weighs twice, neighbourhoods stay as they were."""
        return self._fits(y, np.array([np.bincount(draw, minlength=len(y)) for draw in draws], dtype=float))

    def by_chance(self, p: Floats, seed: int) -> Floats:
        """Curves of outcomes drawn from the risks themselves: what perfect calibration looks like."""
        rng = np.random.default_rng([seed, 1])  # another stream than that of the resamples
        return self._fits((rng.random((N_RESAMPLES, len(p))) < p).astype(float), np.ones((1, len(p))))

    def errors(self, curves: Floats, p: Floats) -> Floats:
        """|observed - risk| of each case, one row per curve."""
        return np.abs(np.array([np.interp(p, self.risk, curve) for curve in curves]) - p)

    def _fits(self, y: Floats, times_drawn: Floats) -> Floats:
        weighted = self.weights * self.distance
        total = times_drawn @ self.weights.T
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_distance = times_drawn @ weighted.T / total
            mean_y = (times_drawn * y) @ self.weights.T / total
            variance = times_drawn @ (weighted * self.distance).T / total - mean_distance**2
            covariance = (times_drawn * y) @ weighted.T / total - mean_distance * mean_y
            has_line = np.sqrt(np.maximum(variance, 0)) > self.least_spread
            line = mean_y - np.where(has_line, covariance / variance, 0) * mean_distance
        # A resample may leave a neighbourhood empty: there the overall proportion stands in.
        overall = ((times_drawn * y).sum(axis=1) / times_drawn.sum(axis=1))[:, None]
        return np.where(total > 0, line, overall)


def _lowess_smoother(p: Floats) -> _Smoother:
    """The smoother of R's lowess(p, y, iter = 0), which is linear in y."""
    order = np.argsort(p, kind="stable")
    x = p[order]
    spread = x[-1] - x[0]
    fits = _fit_positions(x, spread * LOWESS_SPACING)
    first, last = _neighbourhoods(x, fits)
    distance = x[None, :] - x[fits][:, None]
    reach = np.maximum(x[fits] - x[first], x[last] - x[fits])[:, None]
    far = np.abs(distance)
    with np.errstate(divide="ignore", invalid="ignore"):
        tricube = (1 - (np.minimum(far, reach) / reach) ** 3) ** 3
    # R's constants: nearly at the fit counts in full, nearly at the edge not at all. Ties with the last
    # neighbour count, ties before the first do not.
    weights = np.where(far <= 0.001 * reach, 1.0, np.where(far <= 0.999 * reach, tricube, 0.0))
    weights[np.arange(len(x))[None, :] < first[:, None]] = 0.0
    back = np.argsort(order, kind="stable")
    return _Smoother(x[fits], weights[:, back], distance[:, back], 0.001 * float(spread))


def _fit_positions(x: Floats, spacing: float) -> NDArray[np.int64]:
    """Where lowess fits: each time the last case within the spacing, or else the next larger risk."""
    positions, at = [0], 0
    while x[at] < x[-1]:
        next_larger = int(np.searchsorted(x, x[at], side="right"))
        within = int(np.searchsorted(x, x[at] + spacing, side="right")) - 1
        at = max(next_larger, within)
        positions.append(at)
    return np.array(positions)


def _neighbourhoods(x: Floats, fits: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last of the nearest cases around each fit, sliding to the right only."""
    size = max(2, min(len(x), int(LOWESS_SHARE * len(x) + 1e-7)))
    risks, first, found = x.tolist(), 0, []
    for fit in fits.tolist():
        while first + size < len(risks) and risks[fit] - risks[first] > risks[first + size] - risks[fit]:
            first += 1
        found.append(first)
    return np.array(found), np.array(found) + size - 1
