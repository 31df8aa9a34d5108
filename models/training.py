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
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from tqdm import tqdm

from features.errors import OutcomeError
from features.predictors import Predictor
from models.encoding import Floats, rounded
from models.estimates import ROUNDING, paired_difference
from models.fitted import FittedModel, Recalibration
from models.learners import (
    CANDIDATES,
    Grow,
    ends_of_grid,
    estimator,
    fit,
    fit_all,
    fitted_model,
    grown_here,
    learner_predictors,
    log_odds_of_all,
    settings,
)

T = TypeVar("T")
R = TypeVar("R")
THREADS = 2


@dataclass(frozen=True)
class Development:
    """The development cases of one outcome, all of whose labels are known or weighted for.

    `weights` are 1, except where an event in time is censored; `patients` and `folds` are (n,). Cases that no
    recipe could learn from raise `OutcomeError`: fewer than two with the outcome, or without, for each fold, or
    one kind alone outside some fold.
    """

    outcome: str
    X: pd.DataFrame
    y: Floats
    weights: Floats
    patients: NDArray[Any]
    folds: NDArray[np.intp]

    def __post_init__(self) -> None:
        of_kind = {value: (self.y == value) & (self.weights > 0) for value in (0, 1)}
        counts = {value: int(cases.sum()) for value, cases in of_kind.items()}
        folds = np.unique(self.folds)
        outside_is_of_one_kind = len(folds) > 1 and any(
            len(np.unique(self.folds[cases])) == 1 for cases in of_kind.values()
        )
        if min(counts.values()) < 2 * max(1, len(folds)) or outside_is_of_one_kind:
            raise OutcomeError(
                f"{self.outcome} cannot be learned: it happened in {counts[1]} development cases and did not in "
                f"{counts[0]}; each of {len(folds)} folds needs both, and so do the cases outside it. Use more cases, "
                f"fewer folds (split.folds), or leave the outcome out (train.outcomes)."
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

    @property
    def ends_of_grid(self) -> list[str]:
        """What the setting with the least loss has at the complex end of its grid; nothing, where it is inside."""
        tried = [{name: trial[name] for name in self.setting} for trial in self.trials]
        best = int(np.argmin([trial["log_loss"] for trial in self.trials]))
        return ends_of_grid(self.learner, tried[best], tried)

    def log_odds(self, X: pd.DataFrame) -> Floats:
        """Recalibrated log-odds of cases: what the bundle will answer."""
        return self.recalibration(self.model.log_odds(X))


def fitted_recalibration(
    margin: Floats, y: Floats, weights: Floats, folds: NDArray[np.intp] | None = None
) -> Recalibration:
    """Intercept and slope that put out-of-fold log-odds right.

    The slope is estimated within folds: a fold with more events was predicted by a model that saw fewer,
    so that between folds the margin runs against the outcome, and a weak model would look weaker still.
    A margin that points the wrong way even then, or is the same for all, knows nothing, and everybody gets the
    prevalence.
    """
    slope = _slope_within(margin, y, weights, np.zeros(len(y), dtype=np.intp) if folds is None else folds)
    intercept = _intercept(slope * margin, y, weights)
    return Recalibration(intercept=float(rounded(intercept)), slope=float(rounded(slope)))


def _intercept(offset: Floats, y: Floats, weights: Floats) -> float:
    """The intercept of a logistic fit with an offset: the one at which as many events are expected as happened.

    Bracketed, since Newton's steps run away where a steep slope spreads the offsets.
    """
    log_odds_of_all = float(logit(np.average(y, weights=weights)))

    def too_few(intercept: float) -> float:
        return float(weights @ (y - expit(offset + intercept)))

    return float(brentq(too_few, log_odds_of_all - offset.max() - 1, log_odds_of_all - offset.min() + 1, xtol=1e-13))


def _slope_within(margin: Floats, y: Floats, weights: Floats, folds: NDArray[np.intp]) -> float:
    """At least 0. A fold with one kind of case alone says nothing of it, and its own intercept would be infinite."""
    tells = np.zeros(len(y), dtype=bool)
    spread = 0.0
    for fold in np.unique(folds):
        rows = folds == fold
        if len(np.unique(y[rows & (weights > 0)])) == 2:
            tells |= rows
            spread = max(spread, float(np.ptp(margin[rows])))
    if spread <= ROUNDING:
        return 0.0
    of_fold = (folds[tells, None] == np.unique(folds[tells])).astype(np.float64)
    return max(float(_binomial(y[tells], np.column_stack([margin[tells], of_fold]), weights[tells])[0]), 0.0)


def _binomial(y: Floats, design: Floats, weights: Floats, offset: Floats | None = None) -> Floats:
    return GLM(y, design, family=Binomial(), freq_weights=weights, offset=offset).fit(tol=1e-12).params


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
    threads: int = THREADS,
    grow: Grow = grown_here,
) -> Learned:
    """One learner, tuned in the folds, recalibrated out of fold, fitted to all, refitted for intervals.

    Where whole recipes already run on threads of their own, `threads=1` keeps each on its own, silently.
    All trees, those of the folds too, are grown by `grow`: a recalibration holds for trees of one kind.
    """
    used = learner_predictors(learner, predictors)
    data = Development(data.outcome, data.X[[p.name for p in used]], data.y, data.weights, data.patients, data.folds)
    tried = settings(learner, grid)
    margins = _out_of_fold_margins(data, learner, used, tried, seed, threads, grow)
    losses = [log_losses(data.y, margin) for margin in margins]
    chosen = simplest_within_one_standard_error(losses, data.weights, data.patients)
    setting = tried[chosen]
    recalibration = Recalibration()  # the prevalence differs between folds by chance alone
    if used:
        recalibration = fitted_recalibration(margins[chosen], data.y, data.weights, data.folds)
    out_of_fold = recalibration(margins[chosen])
    whole = fit(estimator(learner, setting, used, seed), data.X, data.y, data.weights, grow)
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
        refits=_refits(data, learner, used, setting, refits, seed, threads, grow) if learner in CANDIDATES else (),
    )


def _out_of_fold_margins(
    data: Development,
    learner: str,
    predictors: list[Predictor],
    tried: list[dict[str, Any]],
    seed: int,
    threads: int,
    grow: Grow,
) -> list[Floats]:
    margins = np.zeros((len(tried), len(data.y)))

    def fill(fold: int) -> None:
        inside, outside = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
        unfitted = [estimator(learner, setting, predictors, seed) for setting in tried]
        fitted = fit_all(unfitted, data.X.iloc[inside], data.y[inside], data.weights[inside], grow)
        margins[:, outside] = log_odds_of_all(fitted, data.X.iloc[outside])

    in_threads(fill, np.unique(data.folds), f"{data.outcome}: {learner}, settings in folds", threads)
    return list(margins)


def _refits(
    data: Development,
    learner: str,
    predictors: list[Predictor],
    setting: Mapping[str, Any],
    n: int,
    seed: int,
    threads: int,
    grow: Grow,
) -> tuple[FittedModel, ...]:
    """Refits on bootstraps of patients, hyperparameters fixed."""

    def refit(rows: NDArray[np.intp]) -> FittedModel:
        unfitted = estimator(learner, setting, predictors, seed)
        return fitted_model(fit(unfitted, data.X.iloc[rows], data.y[rows], data.weights[rows], grow))

    draws = patient_resamples(data.patients, n, seed)
    return tuple(in_threads(refit, draws, f"{data.outcome}: {learner}, refits", threads))


def patient_resamples(patients: NDArray[Any], n: int, seed: int) -> list[NDArray[np.intp]]:
    """Rows of n bootstraps of patients: a drawn patient brings all cases along, as often as drawn."""
    distinct, owner = np.unique(patients, return_inverse=True)
    of_patient = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])

    def rows(number: int) -> NDArray[np.intp]:
        drawn = np.random.default_rng([seed, number]).integers(0, len(distinct), len(distinct))
        return np.concatenate([of_patient[patient] for patient in drawn])

    return [rows(number) for number in range(n)]


def in_threads(work: Callable[[T], R], jobs: Iterable[T], what: str, threads: int = THREADS) -> list[R]:
    """The work done on so many threads, in order, under a progress bar; on one, here and silently."""
    listed = list(jobs)
    if threads == 1:
        return [work(job) for job in listed]
    with ThreadPoolExecutor(threads) as pool:
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


def chosen_learner(learned: Mapping[str, Learned], data: Development) -> str:
    """The simplest candidate within one standard error of the best, out of fold."""
    candidates = [learner for learner in CANDIDATES if learner in learned]
    losses = [learned[learner].losses for learner in candidates]
    return candidates[simplest_within_one_standard_error(losses, data.weights, data.patients)]
