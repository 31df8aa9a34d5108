"""How well causes of a failed operation are named: arrays in, figures out.

A method answers with a score for each cause of each case, larger where the cause is likelier. Every cause is
judged on its own, so scores need not share a sum; the ranking of a case is the order of its scores. A cause that
cannot be (a non-union where nothing was fused) has the score -inf and comes last.

The right cause is the main one, by number; the columns of every array are those of `features.axes.CAUSES`.
Intervals of means come from a bootstrap of patients, since one patient may have been worked up twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from features.axes import CAUSES
from models.metrics import (
    N_RESAMPLES,
    Estimate,
    Floats,
    auroc,
    calibration_intercept,
    calibration_slope,
    enough_cases,
    mean_risk,
    not_estimable,
    observed_to_expected,
    prevalence,
)

Places = NDArray[np.intp]

LEAST_SHARE = 0.001
"""No cause is told less than one in a thousand, or one that was held impossible and was right would be an infinite
loss. The same for every method."""
FEWEST_ADJUDICATED = 5
"""Of a cause with its own row in a table of confusion: a row of fewer would tell what became of each."""
POOLED = "fewer than five each"
BY_CAUSE = ("auroc", "calibration_intercept", "calibration_slope", "observed_to_expected", "prevalence", "mean_risk")


class Counted(NamedTuple):
    """An estimate and the number of cases that it is made from."""

    estimate: Estimate
    n: int

    def as_json(self) -> dict[str, Any]:
        return {**self.estimate.as_json(), "n": self.n}


def cause_numbers(causes: Sequence[str]) -> Places:
    """(n,) place of each cause in CAUSES; a cause that is not among them raises `ValueError`.

    >>> cause_numbers(["none_found", "recurrent_herniation"]).tolist()
    [16, 0]
    """
    return np.array([CAUSES.index(cause) for cause in causes], dtype=np.intp)


# ---- rankings ----------------------------------------------------------------------------------------


def places(scores: Floats) -> Places:
    """(n, n_causes) place of each cause in its case, 1 the likeliest; of equal scores the earlier column is first.

    >>> places(np.array([[0.1, 2.0, -np.inf], [1.0, 1.0, 0.0]])).tolist()
    [[2, 1, 3], [1, 2, 3]]
    """
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable") + 1


def is_within(place: Places, right: Places, first: int) -> Floats:
    """(n,) 1 where the right cause is among the first so many of its case, else 0.

    >>> is_within(np.array([[2, 1, 3], [1, 2, 3]]), np.array([0, 0]), first=1).tolist()
    [0.0, 1.0]
    """
    return (place[np.arange(len(right)), right] <= first) * 1.0


def shares(log_odds: Floats) -> Floats:
    """(n, n_causes) probability that each cause is the main one: each cause's own probability, made to sum to 1.

    Methods that judge every cause on its own (knowledge, one learner a cause) say how likely each is, not how they
    share a case. Divided by their sum they can be compared; none is below `LEAST_SHARE` before that.

    >>> shares(np.array([[0.0, 0.0, -np.inf]])).round(3).tolist()
    [[0.5, 0.5, 0.001]]
    """
    told = np.maximum(expit(log_odds), LEAST_SHARE)
    return told / told.sum(axis=1, keepdims=True)


def share_loss(share: Floats, right: Places) -> Floats:
    """(n,) minus log of the share that was told the right cause: 0 is ideal.

    >>> share_loss(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1])).round(4).tolist()
    [0.6931, 0.1054]
    """
    return -np.log(share[np.arange(len(right)), right])


# ---- figures of one method, and against another ------------------------------------------------------


def accuracy(
    place: Places, log_odds: Floats | None, right: Places, patients: ArrayLike, seed: int
) -> dict[str, Estimate]:
    """`top_1`, `top_2` and `log_loss`; a method whose scores are no log-odds has no log loss, and says so."""
    measured = {
        f"top_{first}": patient_mean(is_within(place, right, first), patients, seed, least=0.0, most=1.0)
        for first in (1, 2)
    }
    no_loss = not_estimable("its ranking comes without probabilities")
    loss = None if log_odds is None else share_loss(shares(log_odds), right)
    return {**measured, "log_loss": no_loss if loss is None else patient_mean(loss, patients, seed, least=0.0)}


def patient_mean(
    values: Floats, patients: ArrayLike, seed: int, *, least: float = -np.inf, most: float = np.inf
) -> Estimate:
    """Mean over cases, with the percentile interval of a bootstrap of patients; of fewer than five cases, nothing.

    A patient who is drawn brings all cases along. Where every case counts the same there is no interval.

    >>> patient_mean(np.ones(20), np.arange(20), seed=1).reason
    'no interval: every case counts the same'
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 0:
        return not_estimable("there are no cases")
    mean = float(values.mean())
    if values.min() == values.max():
        found = Estimate(mean, reason="no interval: every case counts the same")
    else:
        lower, upper = np.quantile(resampled_means(values, patients, seed), [0.025, 0.975]).tolist()
        found = Estimate(mean, max(least, lower), min(most, upper))
    return enough_cases({"mean": found}, len(values))["mean"]


def resampled_means(values: Floats, patients: ArrayLike, seed: int) -> Floats:
    """(n_resamples,) mean of the cases of as many patients, drawn with replacement; the same draws for equal seeds.

    Differences of two means within a resample are paired.
    """
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    sums, counts = np.bincount(owner, weights=values), np.bincount(owner).astype(float)
    draws = np.random.default_rng(seed).integers(len(sums), size=(N_RESAMPLES, len(sums)))
    return np.asarray(sums[draws].sum(axis=1) / counts[draws].sum(axis=1))


def confusion(right: Places, named: Places) -> pd.DataFrame:
    """Cases by the right cause (row) and the cause named first (column); only causes that occur, in their order.

    Right causes of one to four cases share the row `fewer than five each`.

    >>> table = confusion(np.array([0] * 5 + [2]), np.array([0, 0, 0, 0, 2, 2]))
    >>> table.index.tolist(), table.columns.tolist(), table.to_numpy().tolist()
    (['recurrent_herniation', 'fewer than five each'], ['recurrent_herniation', 'epidural_fibrosis'], [[4, 1], [0, 1]])
    """
    rare = np.flatnonzero(np.bincount(right, minlength=len(CAUSES)) < FEWEST_ADJUDICATED)
    row = np.where(np.isin(right, rare), len(CAUSES), right)
    names = np.array([*CAUSES, POOLED], dtype=object)
    counts = np.zeros((len(CAUSES) + 1, len(CAUSES)), dtype=np.int64)
    np.add.at(counts, (row, named), 1)
    table = pd.DataFrame(counts, index=pd.Index(names, name="right"), columns=pd.Index(CAUSES, name="named"))
    rows, columns = counts.any(axis=1), counts.any(axis=0) | np.isin(np.arange(len(CAUSES)), row)
    return table.loc[rows, columns]


# ---- cause by cause ----------------------------------------------------------------------------------


def figures_of_cause(is_cause: ArrayLike, log_odds: Floats, *, is_probability: bool = True) -> dict[str, Counted]:
    """Discrimination and calibration of one cause against all else, among the cases in which it can be.

    Where it cannot be (-inf) its probability of 0 is a matter of logic and not of evidence; such cases are left out
    and not counted. Of scores that are no log-odds only the AUROC is told.
    """
    can_be = np.isfinite(log_odds)
    y, score, n = np.asarray(is_cause, dtype=float)[can_be], log_odds[can_be], int(can_be.sum())
    if n == 0:
        reason = not_estimable("in no case can it be the cause")
        return dict.fromkeys(BY_CAUSE if is_probability else BY_CAUSE[:1], Counted(reason, 0))
    measured: dict[str, Estimate] = {"auroc": auroc(y, expit(score) if is_probability else ordered(score))}
    if is_probability:
        p = expit(score)
        measured |= {
            "calibration_intercept": calibration_intercept(y, p),
            "calibration_slope": calibration_slope(y, p),
            "observed_to_expected": observed_to_expected(y, p),
            "prevalence": prevalence(y),
            "mean_risk": mean_risk(p),
        }
    return {name: Counted(estimate, n) for name, estimate in enough_cases(measured, n).items()}


def ordered(score: Floats) -> Floats:
    """(n,) scores of any size as numbers from 0 to 1 in the same order: what an AUROC is asked of."""
    distinct, place = np.unique(score, return_inverse=True)
    return place / max(len(distinct) - 1, 1)


def told_between(right: Places, lead: Floats, first: str, other: str) -> Counted:
    """AUROC of a lead of one cause over another, among the cases that have one of the two as their main cause."""
    pair = np.isin(right, cause_numbers([first, other]))
    is_first = (right[pair] == CAUSES.index(first)) * 1.0
    return Counted(auroc(is_first, ordered(lead[pair])), int(pair.sum()))


def words_kept(
    word: NDArray[Any], is_true: Floats, log_odds: Floats, patients: ArrayLike, words: Sequence[str], seed: int
) -> dict[str, dict[str, Any]]:
    """Of all causes that were told each word: in how many it was so, and what the log-odds behind the word promised.

    Parameters
    ----------
    word : (n, n_causes) str
        The word of likelihood that each cause of each case was told; anything else (a cause that cannot be) is
        left out.
    is_true : (n, n_causes) 0 or 1
        Whether it was a cause of the case.
    log_odds : (n, n_causes) float
        The log-odds behind the words.
    words : sequence of str
        The words, in the order in which they are told.

    Returns
    -------
    dict
        By word: `told`, to how many causes; `so`, of how many of them it was so (None where fewer than five were
        told); `share`, with a bootstrap of patients; `promised`, the mean probability behind it.
    """
    owner = np.broadcast_to(np.asarray(patients)[:, None], word.shape)
    found: dict[str, dict[str, Any]] = {}
    for one in words:
        is_told = word == one
        n = int(is_told.sum())
        share = patient_mean(is_true[is_told], owner[is_told], seed, least=0.0, most=1.0)
        found[one] = {
            "told": n,
            "so": None if 0 < n < FEWEST_ADJUDICATED else int(is_true[is_told].sum()),
            "share": share,
            "promised": float(expit(log_odds[is_told]).mean()) if n >= FEWEST_ADJUDICATED else None,
        }
    return found


# ---- pairs -------------------------------------------------------------------------------------------


def pairs_told(
    place_in_first: Places, right_in_first: Places, place_in_second: Places, right_in_second: Places
) -> tuple[Floats, Floats]:
    """(n_pairs,) whether the right cause is first in both of a pair, and whether it is first in at least one.

    The members of a pair share what one method may lean on alone (the scan), so whoever looks only at that names
    the same cause twice and can be right once at most.
    """
    first, second = is_within(place_in_first, right_in_first, 1), is_within(place_in_second, right_in_second, 1)
    return first * second, np.maximum(first, second)


def pairs_apart(
    scores_in_first: Floats, right_in_first: Places, scores_in_second: Floats, right_in_second: Places
) -> Floats:
    """(n_pairs,) 1 where the first's cause leads the second's by more in the first than in the second, ties a half.

    It asks whether a method moves the right way, however strongly the scan that both share speaks for one of them;
    a half is chance, and what the scan alone gives. NaN where one of the two causes cannot be.

    >>> in_first, in_second = np.array([[1.0, 3.0]]), np.array([[0.0, 3.0]])
    >>> pairs_apart(in_first, np.array([0]), in_second, np.array([1])).tolist()
    [1.0]
    """

    def lead(scores: Floats) -> Floats:
        case = np.arange(len(scores))
        with np.errstate(invalid="ignore"):
            by = scores[case, right_in_first] - scores[case, right_in_second]
        return np.where(np.isfinite(by), by, np.nan)

    return np.asarray((1 + np.sign(lead(scores_in_first) - lead(scores_in_second))) / 2)
