"""Published kinds of figures, measured on cases: arrays in, an estimate with its 95 % interval out.

| measure | of | by | interval |
|---|---|---|---|
| `mean`, `sd` | a number | | normal; of the SD by the fourth moment |
| `share` | yes or no | | Wilson |
| `mean_difference` | a number | yes less no | normal, unequal variances |
| `odds_ratio`, `risk_ratio` | yes or no | yes against no | Wald on the log; odds adjusted for what is `given` |
| `correlation` | a number | a number | Fisher |
| `weighted_kappa` | a grade | the same grade by another reader | Fleiss, Cohen and Everitt 1969, linear weights |
| `auroc` | yes or no | a score | DeLong |
| `auroc_of_predictors` | yes or no | | DeLong, of predictions out of fold from what is `given` |
| `observed_to_expected` | yes or no | its probability | normal, the expected taken as known |
| `cumulative_incidence` | whether it happened | months to it, or of follow-up | Greenwood on log(-log) |
| `rate` | whether it happened | years at risk | Poisson on the log |

A case of which anything asked is not recorded is left out. Cases count as independent, although one
patient in some 25 has two: as in `models.metrics`, from which what is there already is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.findings import Floats
from models.metrics import MINIMUM_PER_CLASS, NORMAL_QUANTILE, Estimate, auroc, not_estimable, prevalence

FOLDS = 5
RIDGE = 1.0
"""Penalty on squared coefficients of standardised predictors: enough to keep a fit finite, too little to shape it."""
MOST_STEPS = 60
CONVERGED = 1e-9


@dataclass(frozen=True)
class Asked:
    """What a figure is measured on: one value a case, all recorded.

    `given` is (n, n_given); `patient` numbers the patients; `at` is months, and NaN where nothing asks for it.
    """

    of: Floats
    by: Floats
    given: Floats
    patient: NDArray[np.int64]
    at: float


@dataclass(frozen=True)
class Measure:
    function: Callable[[Asked], Estimate]
    needs: tuple[str, ...] = ()
    """Columns of the table of targets beside `of`."""


def mean(asked: Asked) -> Estimate:
    return _few(asked.of) or _normal(asked.of.mean(), asked.of.std(ddof=1) / np.sqrt(len(asked.of)))


def sd(asked: Asked) -> Estimate:
    """Standard deviation; its variance from the fourth moment, so that skewed scales have honest intervals."""
    if few := _few(asked.of):
        return few
    spread, n = asked.of.std(ddof=1), len(asked.of)
    fourth = ((asked.of - asked.of.mean()) ** 4).mean()
    return _normal(spread, np.sqrt(max(fourth - spread**4, 0) / n) / (2 * spread) if spread else 0.0)


def share(asked: Asked) -> Estimate:
    return prevalence(asked.of)


def mean_difference(asked: Asked) -> Estimate:
    """Mean where `by` is 1 less mean where it is 0."""
    groups = [asked.of[asked.by == value] for value in (1, 0)]
    if few := next(filter(None, map(_few, groups)), None):
        return few
    with_, without = groups
    return _normal(with_.mean() - without.mean(), np.sqrt(sum(g.var(ddof=1) / len(g) for g in groups)))


def odds_ratio(asked: Asked) -> Estimate:
    """Odds ratio of `of` for `by`, from a logistic regression on it and on what is given."""
    if few := _few_in_table(asked):
        return few
    design = np.column_stack([asked.by, _standardised(asked.given), np.ones(len(asked.of))])
    fitted = logistic_fit(design, asked.of)
    if fitted is None:
        return not_estimable("the logistic fit did not converge")
    coefficients, covariance = fitted
    return _ratio(float(coefficients[0]), float(np.sqrt(covariance[0, 0])))


def risk_ratio(asked: Asked) -> Estimate:
    """Share of `of` where `by` is 1, over the share where it is 0."""
    if few := _few_in_table(asked):
        return few
    exposed, others = asked.of[asked.by == 1], asked.of[asked.by == 0]
    variance = sum((1 - group.mean()) / group.sum() for group in (exposed, others))
    return _ratio(float(np.log(exposed.mean() / others.mean())), float(np.sqrt(variance)))


def correlation(asked: Asked) -> Estimate:
    """Pearson's correlation."""
    if few := _few(asked.of):
        return few
    if asked.of.std() == 0 or asked.by.std() == 0:
        return not_estimable("every case has the same value")
    r = float(np.corrcoef(asked.of, asked.by)[0, 1])
    margin = NORMAL_QUANTILE / np.sqrt(len(asked.of) - 3)
    lower, upper = np.tanh(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)) + np.array([-margin, margin]))
    return Estimate(r, float(lower), float(upper))


def weighted_kappa(asked: Asked) -> Estimate:
    """Agreement beyond chance of two readings on an ordered grade, with linear weights.

    References
    ----------
    Fleiss, Cohen & Everitt, Psychol Bull 1969;72:323-327.
    """
    if few := _few(asked.of):
        return few
    grades = np.unique(np.concatenate([asked.of, asked.by]))
    if len(grades) < 2:
        return not_estimable("every reading is the same")
    one, other = (np.searchsorted(grades, reading) for reading in (asked.of, asked.by))
    table = np.zeros((len(grades), len(grades)))
    np.add.at(table, (one, other), 1 / len(one))
    weights = 1 - np.abs(grades[:, None] - grades[None, :]) / (grades[-1] - grades[0])
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float((weights * table).sum()), float((weights * np.outer(rows, columns)).sum())
    kappa = (observed - expected) / (1 - expected)
    of_row, of_column = weights @ columns, rows @ weights
    part = weights * (1 - expected) - (of_row[:, None] + of_column[None, :]) * (1 - observed)
    variance = (table * part**2).sum() - (observed * expected - 2 * expected + observed) ** 2
    return _normal(kappa, np.sqrt(max(variance, 0) / len(one)) / (1 - expected) ** 2)


def auroc_of_score(asked: Asked) -> Estimate:
    return auroc(asked.of, asked.by)


def auroc_of_predictors(asked: Asked) -> Estimate:
    """AUROC, out of fold, of a logistic regression of `of` on what is given; no patient is in two folds."""
    if few := _few(asked.of):
        return few
    fold = asked.patient % FOLDS
    score = np.zeros(len(asked.of))
    for left_out in range(FOLDS):
        held = fold == left_out
        centre, spread = asked.given[~held].mean(axis=0), asked.given[~held].std(axis=0)
        scaled = (asked.given - centre) / np.where(spread > 0, spread, 1)
        design = np.column_stack([scaled, np.ones(len(score))])
        fitted = logistic_fit(design[~held], asked.of[~held], ridge=RIDGE)
        if fitted is None:
            return not_estimable("the logistic fit did not converge in every fold")
        score[held] = design[held] @ fitted[0]
    return auroc(asked.of, expit(score))


def observed_to_expected(asked: Asked) -> Estimate:
    """How many had it, over how many the probabilities expect: 1 is calibrated in the large, above 1 told too low."""
    if few := _few(asked.of):
        return few
    expected = float(asked.by.sum())
    return _normal(asked.of.sum() / expected, np.sqrt((asked.by * (1 - asked.by)).sum()) / expected)


def cumulative_incidence(asked: Asked) -> Estimate:
    """1 less the Kaplan-Meier share without the event at `at` months; whoever left or died before is censored."""
    if few := _few(asked.of):
        return few
    if asked.by.max() < asked.at:
        return not_estimable(f"nobody was followed for {asked.at:g} months")
    months, happened = np.unique(asked.by[(asked.of == 1) & (asked.by <= asked.at)], return_counts=True)
    if len(months) < MINIMUM_PER_CLASS:
        return not_estimable(f"events on only {len(months)} days")
    ended = np.sort(asked.by)
    at_risk = len(ended) - np.searchsorted(ended, months, side="left")
    free = float(np.prod(1 - happened / at_risk))
    greenwood = float((happened / (at_risk * (at_risk - happened))).sum())
    margin = NORMAL_QUANTILE * np.sqrt(greenwood) / abs(np.log(free))
    return Estimate(1 - free, float(1 - free ** np.exp(-margin)), float(1 - free ** np.exp(margin)))


def rate(asked: Asked) -> Estimate:
    """Events per year at risk."""
    events = float(asked.of.sum())
    if events < MINIMUM_PER_CLASS:
        return not_estimable(f"only {events:g} events")
    return _ratio(float(np.log(events / asked.by.sum())), float(1 / np.sqrt(events)))


MEASURES = {
    "mean": Measure(mean),
    "sd": Measure(sd),
    "share": Measure(share),
    "mean_difference": Measure(mean_difference, ("by",)),
    "odds_ratio": Measure(odds_ratio, ("by",)),
    "risk_ratio": Measure(risk_ratio, ("by",)),
    "correlation": Measure(correlation, ("by",)),
    "weighted_kappa": Measure(weighted_kappa, ("by",)),
    "auroc": Measure(auroc_of_score, ("by",)),
    "auroc_of_predictors": Measure(auroc_of_predictors, ("given",)),
    "observed_to_expected": Measure(observed_to_expected, ("by",)),
    "cumulative_incidence": Measure(cumulative_incidence, ("by", "at")),
    "rate": Measure(rate, ("by",)),
}


def logistic_fit(design: Floats, y: Floats, ridge: float = 0.0) -> tuple[Floats, Floats] | None:
    """Coefficients and their covariance; None where no maximum is found. The last column is not penalised."""
    penalty = ridge * np.diag([1.0] * (design.shape[1] - 1) + [0.0])
    coefficients = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        fitted = expit(design @ coefficients)
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design + penalty
        try:
            step = np.linalg.solve(information, design.T @ (y - fitted) - penalty @ coefficients)
        except np.linalg.LinAlgError:
            return None
        coefficients = coefficients + step
        if not np.isfinite(coefficients).all():
            return None
        if np.abs(step).max() < CONVERGED:
            return coefficients, np.linalg.inv(information)
    return None


def _few(values: Sequence[float] | Floats) -> Estimate | None:
    return not_estimable(f"only {len(values)} cases") if len(values) < MINIMUM_PER_CLASS else None


def _few_in_table(asked: Asked) -> Estimate | None:
    """Why the two-by-two table of `of` and `by` is too thin for a ratio."""
    counts = [int(((asked.of == yes) & (asked.by == has)).sum()) for yes in (0, 1) for has in (0, 1)]
    return not_estimable(f"a group holds only {min(counts)} cases") if min(counts) < MINIMUM_PER_CLASS else None


def _standardised(given: Floats) -> Floats:
    """Columns with mean 0 and SD 1, which keeps a fit well conditioned; what does not vary is left out."""
    spread = given.std(axis=0)
    return (given - given.mean(axis=0))[:, spread > 0] / spread[spread > 0]


def _normal(estimate: float, standard_error: float) -> Estimate:
    margin = NORMAL_QUANTILE * float(standard_error)
    return Estimate(float(estimate), float(estimate) - margin, float(estimate) + margin)


def _ratio(log_ratio: float, standard_error: float) -> Estimate:
    margin = NORMAL_QUANTILE * standard_error
    ratio, lower, upper = np.exp([log_ratio, log_ratio - margin, log_ratio + margin]).tolist()
    return Estimate(ratio, lower, upper)
