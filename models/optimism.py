"""Bootstrap optimism (Harrell): how much a model flatters itself on the cases that taught it.

The whole recipe is repeated in each resample of patients; it is judged there, and on the original cases;
the mean difference is subtracted from the apparent figure. For a regression this is sound, and it is
kept as a cross-check of leaving one centre out. For deep trees it is not: about 63 % of the original
cases are in each resample, a tree knows them by heart, and so the original cases are no test of it.
`notebooks/10_optimism.ipynb` shows by how much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import OutcomeError
from features.predictors import Predictor
from models.encoding import Floats, rounded
from models.estimates import Estimate, not_estimable, weighted_quantiles
from models.fitted import sigmoid
from models.metrics import (
    auroc,
    brier_score,
    calibration_intercept,
    calibration_slope,
    smooth_calibration_curve,
)
from models.training import THREADS, Development, in_threads, learn

Rows = NDArray[np.intp]
Predicts = Callable[[pd.DataFrame], Floats]
"""Log-odds of cases, (n,), from their predictors."""


@dataclass(frozen=True)
class Optimism:
    """One measure: on the cases that taught the model, how much of it is flattery, and what is left.

    None where the measure cannot be estimated, with a `reason`. `monte_carlo_error` is the standard
    error of `optimism` that comes from having `resamples` of them; those in which the measure could not
    be estimated are not among them.
    """

    apparent: float | None
    optimism: float | None
    monte_carlo_error: float | None
    resamples: int
    reason: str | None = None

    @property
    def corrected(self) -> float | None:
        if self.apparent is None or self.optimism is None:
            return None
        return self.apparent - self.optimism

    def as_json(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in ("apparent", "optimism", "corrected", "monte_carlo_error")}
        stored = {name: None if value is None else float(rounded(value)) for name, value in numbers.items()}
        why = {} if self.reason is None else {"reason": self.reason}
        return {**stored, "resamples": self.resamples, **why}


def bootstrap_optimism(
    data: Development, recipe: Callable[[Development], Predicts], draws: Sequence[Rows], threads: int = THREADS
) -> dict[str, Optimism]:
    """Apparent and corrected measures of a recipe, by name.

    Parameters
    ----------
    recipe : callable
        Everything that is done to cases to get a model, tuning and recalibration with it.
    draws : sequence of (n_drawn,) int
        The rows of each resample (`models.training.patient_resamples`).

    Notes
    -----
    A resample that the recipe refuses, since too few cases in it have the outcome, is left out.

    References
    ----------
    Harrell, Lee & Mark, Stat Med 1996;15:361-387. Steyerberg et al., J Clin Epidemiol 2001;54:774-781.
    """
    apparent = measures(data, recipe(data))

    def flattery(rows: Rows) -> dict[str, float] | None:
        try:
            resample = data.rows(rows)
            model = recipe(resample)
        except OutcomeError:
            return None
        here, there = measures(resample, model), measures(data, model)
        return {name: _difference(here[name], there[name]) for name in here}

    found = [each for each in in_threads(flattery, draws, f"{data.outcome}: optimism", threads) if each is not None]
    return {name: _optimism(value, np.array([each[name] for each in found])) for name, value in apparent.items()}


def measures(data: Development, model: Predicts) -> dict[str, Estimate]:
    """What optimism is asked of, for a model on cases: discrimination, calibration and both."""
    y, risk, weights = data.y, sigmoid(model(data.X)), data.weights
    return {
        "auroc": auroc(y, risk, weights),
        "calibration_intercept": calibration_intercept(y, risk, weights),
        "calibration_slope": calibration_slope(y, risk, weights),
        "brier_score": brier_score(y, risk, weights),
        **_calibration_errors(y, risk, weights),
    }


def _calibration_errors(y: Floats, risk: Floats, weights: Floats) -> dict[str, Estimate]:
    """`ici` and `e90` without their intervals, which cost two hundred resamples of their own."""
    curve = smooth_calibration_curve(y, risk, weights=weights)
    if len(curve["risk"]) == 0:
        return dict.fromkeys(("ici", "e90"), not_estimable("there is no smooth calibration curve"))
    errors = np.abs(np.interp(risk, curve["risk"], curve["observed"]) - risk)
    e90 = weighted_quantiles(errors[None, :], weights, [0.9])[0, 0]
    return {"ici": Estimate(float(np.average(errors, weights=weights))), "e90": Estimate(float(e90))}


def learned_log_odds(
    learner: str, predictors: Sequence[Predictor], grid: Mapping[str, Any], seed: int
) -> Callable[[Development], Predicts]:
    """The whole recipe of one learner: tuned in the folds, recalibrated out of fold, fitted to all."""

    def recipe(data: Development) -> Predicts:
        learned = learn(data, learner, predictors, grid, refits=0, seed=seed, threads=1)
        return learned.log_odds

    return recipe


def _difference(a: Estimate, b: Estimate) -> float:
    return np.nan if a.estimate is None or b.estimate is None else a.estimate - b.estimate


def _optimism(apparent: Estimate, differences: Floats) -> Optimism:
    usable = differences[~np.isnan(differences)]
    if apparent.estimate is None:
        return Optimism(None, None, None, len(usable), apparent.reason)
    if len(usable) < 2:
        return Optimism(apparent.estimate, None, None, len(usable), "estimable in fewer than 2 resamples")
    error = float(usable.std(ddof=1) / np.sqrt(len(usable)))
    return Optimism(apparent.estimate, float(usable.mean()), error, len(usable))
