"""Leaving one centre out, the whole recipe inside: would this way of making a model have worked at the next hospital?

For each centre everything that learning does (tuning in the folds, the choice between learners,
recalibration) is repeated on the others alone, and the centre is then predicted. So the figures judge the
recipe and not one model of it, and their spread over centres is what another centre may expect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import OutcomeError
from models.encoding import Floats
from models.estimates import Estimate, as_stored, not_estimable
from models.fitted import sigmoid
from models.meta_analysis import heterogeneity
from models.metrics import (
    auroc,
    brier_score,
    calibration_intercept,
    calibration_slope,
    enough_cases,
    mean_risk,
    observed_to_expected,
    performance,
    prevalence,
    scaled_brier_score,
    told_count,
)
from models.training import THREADS, Development, Learned, chosen_learner, in_threads

RECIPE = "recipe"
"""What stands for the learner that the recipe chose, which may differ from centre to centre."""
CENTRE_MEASURES: Mapping[str, Callable[[Floats, Floats, Floats], Estimate]] = {
    "auroc": auroc,
    "calibration_intercept": calibration_intercept,
    "calibration_slope": calibration_slope,
    "observed_to_expected": observed_to_expected,
    "brier_score": brier_score,
    "scaled_brier_score": scaled_brier_score,
    "prevalence": lambda y, risk, weights: prevalence(y, weights),
    "mean_risk": lambda y, risk, weights: mean_risk(risk, weights),
}
"""Of outcome, risk and weights: what a centre's cases are enough to ask. Curves and thresholds need more."""
POOLED_OVER_CENTRES = ("calibration_intercept", "calibration_slope", "auroc", "observed_to_expected")

Recipe = Callable[[Development], Mapping[str, Learned]]
"""Every learner, learned from these cases as for the model itself."""


@dataclass(frozen=True)
class LeftOut:
    """What was predicted of each development case by models that knew nobody of its centre.

    Arrays are (n,). `log_odds`, recalibrated, by learner and for the recipe's own choice; NaN for the
    cases of a centre in `refused`, without which the outcome could not be learned, with the reason.
    `chosen` is the learner that the recipe chose without the centre.
    """

    y: Floats
    weights: Floats
    centres: NDArray[Any]
    log_odds: Mapping[str, Floats]
    chosen: Mapping[str, str]
    refused: Mapping[str, str]


def others(patients: NDArray[Any], centres: NDArray[Any], centre: str) -> NDArray[np.bool_]:
    """Cases that may teach what is asked of a centre: those of patients who have no case there at all.

    Examples
    --------
    >>> others(np.array(["P1", "P1", "P2", "P3"]), np.array(["A", "B", "A", "B"]), "A").tolist()
    [False, False, False, True]
    """
    return ~np.isin(patients, patients[centres == centre])


def leave_one_centre_out(
    data: Development,
    centres: NDArray[Any],
    recipe: Recipe,
    *,
    learners: Sequence[str],
    weights_without: Callable[[str], Floats] | None = None,
    threads: int = THREADS,
) -> LeftOut:
    """Every development case predicted by what the other centres taught.

    Parameters
    ----------
    centres : (n,) str
        Of each case.
    learners : sequence of str
        What the recipe learns.
    weights_without : callable, optional
        Weights as teachers, (n,), estimated without a centre; those of `data` by default. Who stands for
        the censored is learned from cases too.

    Notes
    -----
    A centre without which the outcome could not be learned, by the rule that `Development` has for all of
    them, is refused: so is an only centre.
    """
    names = sorted(set(centres.tolist()))

    def without(centre: str) -> tuple[Mapping[str, Floats], str] | str:
        weights = data.weights if weights_without is None else weights_without(centre)
        teach = np.flatnonzero(others(data.patients, centres, centre) & (weights > 0))
        events, folds = int(data.y[teach].sum()), len(np.unique(data.folds))
        left = f"{events} cases with the outcome, {len(teach) - events} without, for {folds} folds"
        too_little = f"too little is left without it: {left}"
        if min(events, len(teach) - events) < 2 * folds:
            return too_little
        try:
            known = dataclasses.replace(data, weights=weights).rows(teach)
            learned = recipe(known)
        except OutcomeError:  # enough in all, and yet of one kind outside some fold
            return too_little
        asked = data.X[centres == centre]
        return {learner: learned[learner].log_odds(asked) for learner in learners}, chosen_learner(learned, known)

    found = dict(zip(names, in_threads(without, names, f"{data.outcome}: centres left out", threads), strict=True))
    log_odds = {learner: np.full(len(data.y), np.nan) for learner in (RECIPE, *learners)}
    chosen, refused = {}, {}
    for centre, result in found.items():
        if isinstance(result, str):
            refused[centre] = result
            continue
        predicted, chosen[centre] = result
        for learner, odds in {**predicted, RECIPE: predicted[chosen[centre]]}.items():
            log_odds[learner][centres == centre] = odds
    return LeftOut(data.y, data.weights, centres, log_odds, chosen, refused)


def internal_external(left_out: LeftOut, *, thresholds: Sequence[float], seed: int) -> dict[str, Any]:
    """How the recipe, and each learner, did in centres that it did not know; for a file.

    By learner: `centres` with their `metrics`; `pooled`, from all left-out predictions taken together;
    `heterogeneity`, the random-effects meta-analysis over centres. Pooled figures weigh cases alike; the
    meta-analysis weighs centres by what they know. The prevalence of the others, taken as a prediction,
    runs against a centre's own: pooled, that comparator ranks worse than chance.
    """
    return {learner: _of_learner(left_out, learner, thresholds, seed) for learner in left_out.log_odds}


def _of_learner(left_out: LeftOut, learner: str, thresholds: Sequence[float], seed: int) -> dict[str, Any]:
    centres = sorted(set(left_out.centres.tolist()))
    metrics = {centre: centre_metrics(left_out, learner, centre) for centre in centres}
    return {
        "centres": {centre: _of_centre(left_out, learner, centre, metrics[centre]) for centre in centres},
        "pooled": as_stored(pooled_metrics(left_out, learner, thresholds=thresholds, seed=seed)),
        "heterogeneity": {
            name: heterogeneity(name, {centre: metrics[centre][name] for centre in centres})
            for name in POOLED_OVER_CENTRES
        },
    }


def _of_centre(left_out: LeftOut, learner: str, centre: str, metrics: Mapping[str, Estimate]) -> dict[str, Any]:
    of_centre = left_out.centres == centre
    chosen = left_out.chosen.get(centre)
    cases = int(of_centre.sum())
    return {
        "cases": cases,
        "events": told_count(int(left_out.y[of_centre].sum()), cases),
        "chosen": learner if chosen and learner != RECIPE else chosen,
        "metrics": as_stored(metrics),
    }


def centre_metrics(left_out: LeftOut, learner: str, centre: str) -> dict[str, Estimate]:
    """Measures on one centre's cases, by name; not estimable, with the reason, where it was refused or has too few."""
    if centre in left_out.refused:
        return dict.fromkeys(CENTRE_MEASURES, not_estimable(left_out.refused[centre]))
    of_centre = left_out.centres == centre
    y, weights = left_out.y[of_centre], left_out.weights[of_centre]
    risk = sigmoid(left_out.log_odds[learner][of_centre])
    measured = {name: measure(y, risk, weights) for name, measure in CENTRE_MEASURES.items()}
    return enough_cases(measured, int((weights > 0).sum()))


def pooled_metrics(left_out: LeftOut, learner: str, *, thresholds: Sequence[float], seed: int) -> dict[str, Estimate]:
    """All measures on the cases of all centres at once, each case predicted without its centre."""
    predicted = ~np.isnan(left_out.log_odds[learner])
    return performance(
        left_out.y[predicted],
        sigmoid(left_out.log_odds[learner][predicted]),
        thresholds=thresholds,
        seed=seed,
        weights=left_out.weights[predicted],
    )
