"""What the cases of an outcome can carry: how many candidate parameters, and so which learners.

Riley's criteria are for regression, whose candidate parameters can be counted. Those of trees cannot. What a
learner *spends* can be measured for both alike, before a single outcome is looked at: fit it to outcomes that
were drawn at the prevalence and have nothing to do with the predictors, and see how closely it follows them. By
Efron's covariance penalty this is the number of parameters of an unpenalised regression, whatever the learner.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.predictors import Predictor, n_parameters
from models.estimates import NORMAL_QUANTILE
from models.learners import CANDIDATES, estimator, fit, learner_predictors, log_odds, settings
from models.sample_size import DevelopmentSize, r2_from_c_statistic, riley_development_size
from models.training import Development, in_threads

NOISE_DRAWS = 20  # the spending of one draw varies by a tenth or so, the mean of twenty by a fortieth
COUNTED = ("logistic",)
"""Learners whose parameters can be counted: those of their candidate predictors."""


@dataclass(frozen=True)
class Capacity:
    """How many development cases there are, and how many candidate parameters they carry.

    `declared` parameters were meant to be spent; `carried` is the most for which Riley's three criteria hold
    (0 where not even the overall risk would be known); `needed` are the cases that `declared` would take.
    """

    cases: int
    prevalence: float
    c_statistic: float
    declared: int
    carried: int
    needed: DevelopmentSize

    @property
    def used(self) -> int:
        return min(self.declared, self.carried)

    @property
    def is_enough(self) -> bool:
        return self.cases >= self.needed.n_cases


@dataclass(frozen=True)
class Spending:
    """Parameters that a learner's simplest setting spends: on candidates, or on noise if that is more.

    A regression's are counted, and `on_noise` is None. Of trees the upper end of the interval counts, so that the
    luck of the draws lets nobody in. Neither counts for less than its candidates by penalties, which are no rescue
    for too few cases (Riley et al., J Clin Epidemiol 2021;132:88-96).
    """

    setting: Mapping[str, Any]
    candidates: int
    on_noise: float | None = None
    standard_error: float | None = None

    @property
    def parameters(self) -> int:
        if self.on_noise is None or self.standard_error is None:
            return self.candidates
        return max(self.candidates, math.ceil(self.on_noise + NORMAL_QUANTILE * self.standard_error))


@dataclass(frozen=True)
class Verdict:
    """Which learners an outcome may have, and why it may not have the others."""

    allowed: tuple[str, ...]
    refused: Mapping[str, str]


def capacity(cases: int, prevalence: float, c_statistic: float, declared: int) -> Capacity:
    """What these cases carry at this prevalence, for a model of the anticipated C statistic.

    Examples
    --------
    >>> found = capacity(6299, prevalence=0.332, c_statistic=0.7, declared=40)
    >>> found.needed.n_cases, found.carried
    (3111, 81)
    """
    needed = riley_development_size(declared, prevalence, r2_from_c_statistic(c_statistic, prevalence))
    return Capacity(
        cases=cases,
        prevalence=prevalence,
        c_statistic=c_statistic,
        declared=declared,
        carried=parameters_carried(cases, prevalence, c_statistic),
        needed=needed,
    )


def parameters_carried(cases: int, prevalence: float, c_statistic: float) -> int:
    """The most candidate parameters for which so many cases meet all three of Riley's criteria."""
    r2 = r2_from_c_statistic(c_statistic, prevalence)

    def are_enough(parameters: int) -> bool:
        return riley_development_size(parameters, prevalence, r2).n_cases <= cases

    return next(most for most in itertools.count() if not are_enough(most + 1))


def spending(
    data: Development, learner: str, predictors: Sequence[Predictor], grid: Mapping[str, Any], *, seed: int
) -> Spending:
    """What the simplest setting of a learner spends; of trees, on outcomes that were drawn and not observed.

    Uses the predictors and the prevalence of the development cases, never their outcomes.

    References
    ----------
    Efron, J Am Stat Assoc 2004;99:619-632 (for binomial deviance the optimism is twice the covariance of
    fitted log-odds and outcomes; of a regression, twice the number of its parameters).
    """
    setting = settings(learner, grid)[0]
    candidates = n_parameters(learner_predictors(learner, predictors))
    if learner in COUNTED:
        return Spending(setting, candidates)
    drawn = spent_on_noise(data, learner, predictors, setting, seed=seed)
    return Spending(setting, candidates, float(np.mean(drawn)), float(np.std(drawn, ddof=1) / math.sqrt(len(drawn))))


def spent_on_noise(
    data: Development, learner: str, predictors: Sequence[Predictor], setting: Mapping[str, Any], *, seed: int
) -> list[float]:
    """For each of `NOISE_DRAWS` draws, the covariance of fitted log-odds with outcomes that mean nothing."""
    used = learner_predictors(learner, predictors)
    prevalence = float(np.average(data.y, weights=data.weights))
    X = data.X[[predictor.name for predictor in used]]

    def covariance(number: int) -> float:
        y = (np.random.default_rng([seed, number]).random(len(X)) < prevalence).astype(np.float64)
        fitted = fit(estimator(learner, setting, used, seed), X, y, np.ones(len(X)))
        return float((y - y.mean()) @ log_odds(fitted, X))

    return in_threads(covariance, range(NOISE_DRAWS), f"{data.outcome}: {learner}, drawn outcomes")


def verdict(learners: Sequence[str], spent: Mapping[str, Spending], found: Capacity) -> Verdict:
    """Candidates that spend no more than the cases carry; comparators always stay."""
    refused = {
        learner: _too_much(spent[learner], found)
        for learner in learners
        if learner in CANDIDATES and spent[learner].parameters > found.carried
    }
    return Verdict(tuple(learner for learner in learners if learner not in refused), refused)


def _too_much(spent: Spending, found: Capacity) -> str:
    named = ", ".join(f"{name} {value:g}" for name, value in spent.setting.items())
    return (
        f"its simplest setting ({named}) spends as much as {spent.parameters} parameters on drawn outcomes; "
        f"{found.cases:,} development cases carry {found.carried} (C statistic {found.c_statistic:g} anticipated, "
        f"prevalence {found.prevalence:.3f})"
    )
