"""Causes of failure learned from adjudicated ones, by the code of the first question: a demonstration, never served.

Each cause is an outcome of its own (it was adjudicated as the main one, or not), learned by the same learners in the
same folds, recalibrated out of fold, and only from as many findings as Riley's criteria let its cases carry. A cause
too rare for that keeps its share, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from features.axes import CAUSES
from features.cause_tables import cause_findings, evidence
from features.causes import CauseParams, pair_log_ratios
from features.errors import OutcomeError
from features.predictors import Predictor, n_parameters
from models.carrying import Capacity, Verdict, capacity, spending, verdict
from models.encoding import Floats
from models.learners import CANDIDATES
from models.training import Development, Learned, chosen_learner, learn

HALF_A_CASE = 0.5
"""Added to the events of a cause that is not learned, so that one nobody had is not impossible."""


@dataclass(frozen=True)
class LearnedCause:
    """What the learners made of one cause; `chosen` is None, with the reason, where its cases do not carry it."""

    cause: str
    cases: int
    events: int
    capacity: Capacity | None = None
    predictors: tuple[Predictor, ...] = ()
    verdict: Verdict | None = None
    learned: Mapping[str, Learned] = field(default_factory=dict)
    chosen: str | None = None
    reason: str | None = None

    def log_odds(self, features: pd.DataFrame) -> Floats:
        """(n,) recalibrated log-odds by the chosen learner; the share of development where none was learned."""
        if self.chosen is None:
            share = (self.events + HALF_A_CASE) / (self.cases + 2 * HALF_A_CASE)
            return np.full(len(features), float(logit(share)))
        return self.learned[self.chosen].log_odds(features)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How causes are learned: the learners and grids of the first question, its folds, and a size set beforehand."""

    learners: Sequence[str]
    grid: Callable[[str], Mapping[str, Any]]
    anticipated_c_statistic: float
    seed: int


def candidate_findings(cause: str, params: CauseParams) -> list[Predictor]:
    """The findings that knowledge weighs for a cause, in the order of how much they are expected to say.

    What a finding is expected to say is the mean size of its log likelihood ratio, by how often it is present in
    other failures. Of each cluster the most telling finding comes first, and the others after all of those. No case
    is looked at.
    """
    facts, expected = evidence(), _expected_points(params)
    pairs = np.flatnonzero((facts.cause == CAUSES.index(cause)) & (expected > 0))
    pairs = pairs[np.argsort(-expected[pairs], kind="stable")]
    seen = pd.Series([facts.rows[pair]["cluster"] for pair in pairs], dtype=object).duplicated().to_numpy()
    return [_as_predictor(facts.finding[pair]) for pair in [*pairs[~seen], *pairs[seen]]]


def _expected_points(params: CauseParams) -> Floats:
    """(n_pairs,)"""
    present = np.array([finding.background for finding in cause_findings()])[evidence().finding]
    sizes = np.abs(pair_log_ratios(params))
    return np.asarray((1 - present) * sizes[:, 0] + present * sizes[:, 1])


def _as_predictor(place: int) -> Predictor:
    finding = cause_findings()[place]
    label = finding.label.split(" (")[0].format(value=finding.threshold)
    return Predictor(
        name=f"finding_{finding.name}", label=label, group=finding.investigation, form="linear", levels=(), direction=0
    )


def learned_causes(
    features: pd.DataFrame,
    right: NDArray[np.intp],
    patients: NDArray[Any],
    folds: NDArray[np.intp],
    candidates: Mapping[str, Sequence[Predictor]],
    recipe: Recipe,
) -> dict[str, LearnedCause]:
    """Every cause as far as its development cases carry it.

    Parameters
    ----------
    features : DataFrame (n, ...)
        Findings and numbers of the course (`features.causes.cause_features`) of the development cases.
    right : (n,) int
        Place in CAUSES of the adjudicated cause.
    patients, folds : (n,)
        Whose case it is, and in which fold; no patient is in two.
    candidates : by cause
        Candidate findings in the order of what is known of them beforehand; the cases decide how many are used.
    """
    return {
        cause: _learned_cause(
            cause, features, (right == number) * 1.0, patients, folds, candidates.get(cause, ()), recipe
        )
        for number, cause in enumerate(CAUSES)
    }


def log_odds_of_causes(learned: Mapping[str, LearnedCause], features: pd.DataFrame) -> Floats:
    """(n, n_causes) log-odds of every cause, each by its own learner."""
    return np.stack([learned[cause].log_odds(features) for cause in CAUSES], axis=1)


def _learned_cause(
    cause: str,
    features: pd.DataFrame,
    y: Floats,
    patients: NDArray[Any],
    folds: NDArray[np.intp],
    candidates: Sequence[Predictor],
    recipe: Recipe,
) -> LearnedCause:
    cases, events = len(y), int(y.sum())

    def left_alone(reason: str) -> LearnedCause:
        counted = f"adjudicated in {events:,} of {cases:,} development cases"
        return LearnedCause(cause, cases, events, reason=f"{counted}, {reason}")

    if not candidates:
        return left_alone("and no finding is a candidate")
    try:
        data = Development(cause, features[[p.name for p in candidates]], y, np.ones(cases), patients, folds)
    except OutcomeError:
        return left_alone(f"too few for {len(np.unique(folds))} folds")
    found = capacity(cases, events / cases, recipe.anticipated_c_statistic, n_parameters(list(candidates)))
    predictors = list(candidates)[: found.used]
    if not predictors:
        return left_alone("which carry no finding at all")
    spent = {
        learner: spending(data, learner, predictors, recipe.grid(learner), seed=recipe.seed)
        for learner in recipe.learners
        if learner in CANDIDATES
    }
    judged = verdict(recipe.learners, spent, found)
    if not set(judged.allowed) & set(CANDIDATES):
        return left_alone("which carry no learner: " + "; ".join(judged.refused.values()))
    learned = {
        learner: learn(data, learner, predictors, recipe.grid(learner), refits=0, seed=recipe.seed, threads=1)
        for learner in judged.allowed
    }
    return LearnedCause(cause, cases, events, found, tuple(predictors), judged, learned, chosen_learner(learned, data))
