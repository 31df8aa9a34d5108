"""Learning an outcome: settings and learner chosen inside development folds, recalibrated, refitted.

Folds are grouped by patient and made before; nothing here sees a test case. Two processes would each
pay the imports again, so loops use two threads: XGBoost lets go of the interpreter while it learns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from statsmodels.duration.survfunc import SurvfuncRight
from tqdm import tqdm

from features.errors import OutcomeError
from features.predictors import Predictor
from models.encoding import Floats, rounded
from models.fitted import FittedModel, Recalibration
from models.learners import (
    CANDIDATES,
    estimator,
    fit,
    fitted_model,
    learner_predictors,
    log_odds,
    settings,
)
from models.metrics import paired_difference

T = TypeVar("T")
R = TypeVar("R")
THREADS = 2


@dataclass(frozen=True)
class Development:
    """The development cases of one outcome, all of whose labels are known or weighted for.

    `weights` are 1, except where an event in time is censored; `patients` and `folds` are (n,).
    """

    outcome: str
    X: pd.DataFrame
    y: Floats
    weights: Floats
    patients: NDArray[Any]
    folds: NDArray[np.intp]

    def __post_init__(self) -> None:
        counts = {int(value): int(((self.y == value) & (self.weights > 0)).sum()) for value in (0, 1)}
        if min(counts.values()) < 2 * len(np.unique(self.folds)):
            raise OutcomeError(
                f"{self.outcome} cannot be learned: it happened in {counts[1]} development cases and did not in "
                f"{counts[0]}; each of {len(np.unique(self.folds))} folds needs both. Use more cases, fewer folds "
                f"(split.folds), or leave the outcome out (train.outcomes)."
            )

    def rows(self, places: NDArray[np.intp]) -> Development:
        return Development(
            self.outcome,
            self.X.iloc[places],
            self.y[places],
            self.weights[places],
            self.patients[places],
            self.folds[places],
        )

    @property
    def fingerprint(self) -> str:
        """Hash of who is in it, with which label and in which fold; predictors do not enter."""
        digest = hashlib.sha256()
        for part in (self.X.index.to_numpy(dtype=str), self.patients.astype(str)):
            digest.update("\n".join(part).encode())
        digest.update(np.concatenate([self.y, self.weights, self.folds]).astype("<f8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Learned:
    """What one learner made of an outcome."""

    learner: str
    setting: Mapping[str, Any]
    predictors: tuple[Predictor, ...]
    model: FittedModel
    recalibration: Recalibration
    out_of_fold: Floats
    """(n,): recalibrated log-odds of each development case, from models that did not see its patient."""
    losses: Floats
    """(n,): log loss of each development case, out of fold."""
    trials: tuple[Mapping[str, Any], ...]
    """Every setting with its mean log loss out of fold."""
    refits: tuple[FittedModel, ...]


def censoring_weights(days: Floats, y: Floats, horizon_days: float) -> Floats:
    """Inverse-probability-of-censoring weights: 0 for a case censored before the horizon.

    A case whose label is known weighs 1 over the probability of still being observed at its event, or at
    the horizon; censored cases are thereby represented and not excluded. The Kaplan-Meier curve of the
    censoring is a nuisance, estimated once from all development cases.

    Parameters
    ----------
    days : (n,) float
        Days to the event or to the end of observation.
    y : (n,) float
        1 event within the horizon, 0 observed to the horizon without one, NaN censored before it.
    """
    is_censored = np.isnan(y)
    if not is_censored.any():
        return np.ones_like(y)
    observed = np.minimum(days, horizon_days)
    curve = SurvfuncRight(observed, is_censored.astype(int))
    # The probability just before each time: a case censored on the day of an event was still at risk.
    place = np.searchsorted(curve.surv_times, observed, side="left") - 1
    still_observed = np.where(place >= 0, curve.surv_prob[np.maximum(place, 0)], 1.0)
    return np.where(is_censored, 0.0, 1 / still_observed)


def fitted_recalibration(
    margin: Floats, y: Floats, weights: Floats, folds: NDArray[np.intp] | None = None
) -> Recalibration:
    """Intercept and slope that put out-of-fold log-odds right.

    The slope is estimated within folds: a fold with more events was predicted by a model that saw fewer,
    so that between folds the margin runs against the outcome, and a weak model would look weaker still.
    A margin that points the wrong way even then knows nothing, and everybody gets the prevalence.
    """
    groups = np.zeros(len(y), dtype=np.intp) if folds is None else folds
    of_fold = (groups[:, None] == np.unique(groups)).astype(np.float64)
    slope = max(_binomial(y, np.column_stack([margin, of_fold]), weights)[0], 0.0)
    intercept = _binomial(y, np.ones((len(y), 1)), weights, offset=slope * margin)[0]
    return Recalibration(intercept=float(rounded(intercept)), slope=float(rounded(slope)))


def _binomial(y: Floats, design: Floats, weights: Floats, offset: Floats | None = None) -> Floats:
    family = sm.families.Binomial()
    return sm.GLM(y, design, family=family, freq_weights=weights, offset=offset).fit(tol=1e-12).params


def log_losses(y: Floats, log_odds_: Floats) -> Floats:
    """Log loss of each case, from log-odds, without overflow."""
    return np.logaddexp(0, -np.where(y == 1, log_odds_, -log_odds_))


def learn(
    data: Development,
    learner: str,
    predictors: Sequence[Predictor],
    grid: Mapping[str, Any],
    *,
    refits: int,
    seed: int,
) -> Learned:
    """One learner, tuned in the folds, recalibrated out of fold, fitted to all, refitted for intervals."""
    used = learner_predictors(learner, predictors)
    data = Development(data.outcome, data.X[[p.name for p in used]], data.y, data.weights, data.patients, data.folds)
    tried = settings(learner, grid)
    margins = _out_of_fold_margins(data, learner, used, tried, seed)
    losses = [log_losses(data.y, margin) for margin in margins]
    chosen = simplest_within_one_standard_error(losses, data.weights, data.patients)
    setting = tried[chosen]
    recalibration = Recalibration()  # the prevalence differs between folds by chance alone
    if used:
        recalibration = fitted_recalibration(margins[chosen], data.y, data.weights, data.folds)
    out_of_fold = recalibration(margins[chosen])
    whole = fit(estimator(learner, setting, used, seed), data.X, data.y, data.weights)
    return Learned(
        learner=learner,
        setting=setting,
        predictors=tuple(used),
        model=fitted_model(whole),
        recalibration=recalibration,
        out_of_fold=out_of_fold,
        losses=log_losses(data.y, out_of_fold),
        trials=tuple(
            {**tried[i], "log_loss": float(rounded(np.average(losses[i], weights=data.weights)))}
            for i in range(len(tried))
        ),
        refits=_refits(data, learner, used, setting, refits, seed) if learner in CANDIDATES else (),
    )


def _out_of_fold_margins(
    data: Development, learner: str, predictors: list[Predictor], tried: list[dict[str, Any]], seed: int
) -> list[Floats]:
    margins = [np.zeros(len(data.y)) for _ in tried]
    jobs = [(place, fold) for place in range(len(tried)) for fold in np.unique(data.folds)]

    def fill(job: tuple[int, int]) -> None:
        place, fold = job
        inside, outside = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
        part = data.rows(inside)
        fitted = fit(estimator(learner, tried[place], predictors, seed), part.X, part.y, part.weights)
        margins[place][outside] = log_odds(fitted, data.X.iloc[outside])

    in_threads(fill, jobs, f"{data.outcome}: {learner}, settings in folds")
    return margins


def _refits(
    data: Development,
    learner: str,
    predictors: list[Predictor],
    setting: Mapping[str, Any],
    n: int,
    seed: int,
) -> tuple[FittedModel, ...]:
    """Refits on bootstraps of patients, hyperparameters fixed: a drawn patient brings all cases along."""
    patients, owner = np.unique(data.patients, return_inverse=True)
    of_patient = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])

    def refit(number: int) -> FittedModel:
        rng = np.random.default_rng([seed, number])
        drawn = rng.integers(0, len(patients), len(patients))
        rows = np.concatenate([of_patient[patient] for patient in drawn])
        part = data.rows(rows)
        return fitted_model(fit(estimator(learner, setting, predictors, seed), part.X, part.y, part.weights))

    return tuple(in_threads(refit, range(n), f"{data.outcome}: {learner}, refits"))


def in_threads(work: Callable[[T], R], jobs: Iterable[T], what: str) -> list[R]:
    """The work done on two threads, in order, under a progress bar."""
    listed = list(jobs)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(tqdm(pool.map(work, listed), total=len(listed), desc=what, leave=False, disable=None))


def simplest_within_one_standard_error(losses: Sequence[Floats], weights: Floats, patients: NDArray[Any]) -> int:
    """The first whose loss is within one standard error of the paired difference from the best.

    `losses` are (n,) each, ordered from the simplest to the most complex; the standard error is over
    patients, since cases of one patient are alike.
    """
    means = [np.average(loss, weights=weights) for loss in losses]
    best = int(np.argmin(means))
    for place, loss in enumerate(losses):
        difference = paired_difference(loss, losses[best], patients, weights)
        if (difference.mean or 0.0) <= (difference.standard_error or 0.0):
            return place
    return best
