"""Weights for loss to follow-up: those who answered stand for those like them who did not.

A case whose outcome is known weighs the inverse of its probability to become known, given what was
recorded before the operation. Weighted figures are a sensitivity analysis beside the plain ones: they
are right if, among cases alike in these predictors, those lost fared as those who answered. What else
made patients stay away, such as the result itself, no weight can mend.

Where an event settles the outcome (a reoperation that counts as failure), it is known of everybody whom it
happened to. Such a case stands for itself alone; those lost are all among the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.predictors import Predictor
from models.encoding import Floats, fitted_encoding
from models.metrics import Estimate, auroc, effective_cases, not_estimable

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 1.0)
"""Inverse penalties on standardised columns, chosen by log loss in folds: the strongest says nothing depends."""
FOLDS = 5
FEWEST = 20
"""Cases with, and without, a known outcome below which no dependence is learned and the known weigh the same."""
PERCENTILES = (1.0, 99.0)
UNRECORDED = "unrecorded"


@dataclass(frozen=True)
class Response:
    """How likely each outcome was to become known, and what the known ones therefore weigh.

    `probability` (n,) in (0, 1]; `weights` (n,) at least 0, and 0 where the outcome is unknown: truncated
    where a few cases would speak for too many, with mean 1 over the known. `is_settled` (n,) are the cases
    whose outcome an event decided: probability 1. `reason` says why the weights of the others are all the
    same, where they are. `n_truncated` cases weighed more or less before.
    """

    probability: Floats
    weights: Floats
    is_settled: NDArray[np.bool_]
    n_truncated: int
    reason: str | None = None

    @property
    def is_known(self) -> NDArray[np.bool_]:
        return self.weights > 0

    @property
    def effective_cases(self) -> float:
        """Equally weighted cases that would say as much (Kish): at most the number of known ones."""
        return effective_cases(self.weights)

    @property
    def auroc(self) -> Estimate:
        """How well the probability tells who answered, on the cases that it was fitted to; 0.5 is chance."""
        if self.reason:
            return not_estimable(self.reason)
        return auroc(self.is_known[~self.is_settled].astype(float), self.probability[~self.is_settled])

    def as_json(self) -> dict[str, object]:
        """The diagnostics for a file; no case is in it."""
        return {
            "cases": len(self.weights),
            "known": int(self.is_known.sum()),
            "settled_by_event": int(self.is_settled.sum()),
            "effective_cases": round(self.effective_cases, 3),
            "largest_weight": round(float(self.weights.max(initial=0.0)), 6),
            "truncated": self.n_truncated,
            "auroc": self.auroc.as_json(),
            **({"reason": self.reason} if self.reason else {}),
        }


def response_weights(
    is_known: ArrayLike,
    X: pd.DataFrame,
    percentiles: Sequence[float] = PERCENTILES,
    is_settled: ArrayLike | None = None,
) -> Floats:
    """The weights of `fitted_response` alone: (n,), 0 where the outcome is unknown.

    Examples
    --------
    >>> response_weights([True, True, False], pd.DataFrame({"age_years": [40.0, 50.0, 60.0]})).tolist()
    [1.0, 1.0, 0.0]
    """
    return fitted_response(is_known, X, percentiles, is_settled).weights


def fitted_response(
    is_known: ArrayLike,
    X: pd.DataFrame,
    percentiles: Sequence[float] = PERCENTILES,
    is_settled: ArrayLike | None = None,
) -> Response:
    """Inverse-probability weights for loss to follow-up, fitted to the cases that they shall represent.

    Parameters
    ----------
    is_known : (n,) bool
        Whether the outcome of each case became known. Cases in which it is not defined (no baseline to fall
        from) were not lost, and do not belong here.
    X : DataFrame, (n, p)
        What was known before the operation. Numbers enter as splines, words by level; that something was
        not recorded is information too. A column that never varies says nothing and is left out.
    percentiles : two numbers in 0 to 100
        Of the weights of known cases, between which they are truncated; (0, 100) truncates none.
    is_settled : (n,) bool, optional
        Whether an event decided the outcome, so that it is known whoever answers. These cases are not fitted
        to, and count for as much of all cases as they are.

    Returns
    -------
    Response
        With fewer than 20 known or unknown outcomes, or nothing that varies, the others weigh the same.

    References
    ----------
    Seaman & White, Stat Methods Med Res 2013;22:278-295. Cole & Hernan, Am J Epidemiol 2008;168:656-664
    (stabilising and truncating).
    """
    known = np.asarray(is_known, dtype=bool)
    settled = np.zeros(len(known), dtype=bool) if is_settled is None else np.asarray(is_settled, dtype=bool)
    for name, values in (("is_known", known), ("is_settled", settled)):
        if values.shape != (len(X),):
            raise ValueError(f"{name} names {values.size} cases, X has {len(X)}")
    if (settled & ~known).any():
        raise ValueError(f"an event settled the outcome of {int((settled & ~known).sum())} cases that is not known")
    lowest, highest = percentiles
    if not 0 <= lowest < highest <= 100:
        raise ValueError(f"percentiles must rise within 0 to 100, got {lowest:g} and {highest:g}")
    asked = ~settled
    answered = _response_of(known[asked], X[asked], lowest, highest)
    if asked.all():
        return answered
    probability, weights = np.ones(len(known)), settled.astype(np.float64)
    probability[asked] = answered.probability
    # Beside a settled case, which weighs 1, those who answered count for all who were asked.
    weights[asked] = answered.weights * (asked.sum() / max(answered.weights.sum(), 1.0))
    return Response(probability, weights / weights[known].mean(), settled, answered.n_truncated, answered.reason)


def _response_of(known: NDArray[np.bool_], X: pd.DataFrame, lowest: float, highest: float) -> Response:
    """The response of cases none of which is settled."""
    nobody = np.zeros(len(known), dtype=bool)
    columns = _columns(X)
    reason = _nothing_to_learn(known, columns)
    if reason:
        share = float(known.mean()) if len(known) else np.nan
        return Response(np.full(len(known), share), known.astype(np.float64), nobody, 0, reason)
    probability = _probability(known, columns)
    weights, n_truncated = _truncated_weights(known, probability, lowest, highest)
    return Response(probability, weights, nobody, n_truncated)


def _nothing_to_learn(known: NDArray[np.bool_], columns: Floats) -> str | None:
    n_known, n_unknown = int(known.sum()), int((~known).sum())
    if n_unknown == 0:
        return "every outcome is known"
    if min(n_known, n_unknown) < FEWEST:
        return f"{n_known} outcomes are known and {n_unknown} are not; at least {FEWEST} of each are needed"
    return None if columns.shape[1] else "no predictor of response varies"


def _probability(known: NDArray[np.bool_], columns: Floats) -> Floats:
    logistic = LogisticRegressionCV(
        Cs=list(PENALTIES),
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=0),
        scoring="neg_log_loss",
        solver="newton-cholesky",
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
        max_iter=200,
    )
    fitted = make_pipeline(StandardScaler(), logistic).fit(columns, known)
    return fitted.predict_proba(columns)[:, 1]


def _truncated_weights(
    known: NDArray[np.bool_], probability: Floats, lowest: float, highest: float
) -> tuple[Floats, int]:
    inverse = 1 / probability[known]
    bounds = np.percentile(inverse, [lowest, highest])
    truncated = np.clip(inverse, *bounds)
    weights = np.zeros(len(known))
    weights[known] = truncated / truncated.mean()
    return weights, int((truncated != inverse).sum())


def _columns(X: pd.DataFrame) -> Floats:
    """X as numbers: (n, k), splines, levels, and whether a number was recorded."""
    parts = [_encoded(name, X[name]) for name in X.columns]
    encoded = np.hstack([np.zeros((len(X), 0)), *parts])
    return encoded[:, encoded.min(axis=0, initial=np.inf) < encoded.max(axis=0, initial=-np.inf)]


def _encoded(name: str, values: pd.Series) -> Floats:
    if pd.api.types.is_numeric_dtype(values.dtype):
        spline = _predictor(name, "spline3", ())
        encoded = fitted_encoding(values.to_frame(name), [spline], linear=True).encode(values.to_frame(name))
        return np.column_stack([encoded, values.isna().to_numpy(dtype=np.float64)])
    words = values.astype(object).where(values.notna(), UNRECORDED).astype(str)
    levels = tuple(sorted(words.unique()))
    if len(levels) < 2:
        return np.zeros((len(values), 0))
    return fitted_encoding(words.to_frame(name), [_predictor(name, "levels", levels)], linear=True).encode(
        words.to_frame(name)
    )


def _predictor(name: str, form: str, levels: tuple[str, ...]) -> Predictor:
    return Predictor(name=name, label=name, group="history", form=form, levels=levels, direction=0)  # type: ignore[arg-type]
