"""What another site's cases can say of a model: how precisely, of what case mix, from how complete a record.

All of it comes from the risks and the predictors alone, so it can be told before any outcome is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.words import percent
from models.bundle import Bundle
from models.distributions import drift
from models.encoding import Columns, Floats, as_numbers, as_words, is_missing
from models.estimates import effective_cases
from models.monitoring import drift_table
from models.predictor import RiskPredictor
from models.sample_size import riley_validation_size, validation_precision

WANTED_WIDTHS: Mapping[str, float] = {
    "observed_to_expected": 0.2,
    "calibration_slope": 0.2,
    "auroc": 0.1,
    "net_benefit": 0.2,
}
"""Of a 95 % interval, upper limit less lower, as Riley and colleagues propose; net benefit over the prevalence."""
ROUGHLY = 3.0
"""An interval up to so many times as wide as wanted still says something: an AUROC to within 0.15, a slope to within
0.3. A wider one holds good models and useless ones alike."""
PRECISE, ROUGH, HARDLY = "as precisely as wanted", "roughly", "hardly"
KEY_SHARE = 0.8
"""Key predictors are those that together make so much of all that moves the risks, from the top."""
MOSTLY_MISSING = 0.5


class Precision(NamedTuple):
    """How well one measure will be known: `width` of its expected interval, the cases that the width wanted takes."""

    measure: str
    wanted: float
    width: float
    needed: int
    verdict: str


class SampleVerdict(NamedTuple):
    """What so many cases will say of risks like these, if the risks are right. `cases` are effective ones."""

    cases: float
    expected_prevalence: float
    expected_auroc: float
    precisions: tuple[Precision, ...]

    def of(self, verdict: str) -> list[Precision]:
        return [found for found in self.precisions if found.verdict == verdict]


def expected_auroc(risk: Floats, weights: Floats) -> float:
    """The AUROC that these risks would have if they were right: it falls where patients are alike.

    The share of pairs, of one who has the outcome and one who has not, in which the former's risk is higher; each
    pair counts by the probability that it is such a pair. A case may pair with itself, and counts as a tie.

    References
    ----------
    van Klaveren et al., Stat Med 2016;35:4136-4152 (the model-based concordance).

    Examples
    --------
    >>> expected_auroc(np.array([0.3, 0.3]), np.ones(2)), round(expected_auroc(np.array([0.1, 0.9]), np.ones(2)), 2)
    (0.5, 0.9)
    """
    values, place = np.unique(risk, return_inverse=True)
    with_it = np.bincount(place, weights=weights * risk, minlength=len(values))
    without = np.bincount(place, weights=weights * (1 - risk), minlength=len(values))
    below = np.concatenate([[0.0], np.cumsum(without)[:-1]])
    return float(with_it @ (below + without / 2) / (with_it.sum() * without.sum()))


def sample_verdict(risk: Floats, weights: Floats, threshold: float) -> SampleVerdict | None:
    """How precisely these cases will know the model, by Riley's criteria; None where all risks are one.

    Prevalence and AUROC are those that the risks themselves expect, so that no outcome is looked at.

    Parameters
    ----------
    risk : (n,) float in (0, 1)
        Of the cases whose outcome is known.
    weights : (n,) float above 0
    threshold : float in (0, 1)
        At which the net benefit is asked.
    """
    cases = effective_cases(weights)
    prevalence, concordance = float(np.average(risk, weights=weights)), expected_auroc(risk, weights)
    if round(concordance, 6) <= 0.5:
        return None
    widths = validation_precision(max(1, round(cases)), prevalence, concordance, threshold=threshold)
    needed = riley_validation_size(prevalence, concordance, threshold=threshold)
    return SampleVerdict(
        cases,
        prevalence,
        concordance,
        tuple(
            Precision(name, wanted, width, getattr(needed, name), _verdict(width / wanted))
            for name, wanted in WANTED_WIDTHS.items()
            if (width := getattr(widths, name)) is not None
        ),
    )


def _verdict(times_as_wide: float) -> str:
    return PRECISE if times_as_wide <= 1 else ROUGH if times_as_wide <= ROUGHLY else HARDLY


# ---- case mix beside development ---------------------------------------------------------------------


def case_mix(predictor: RiskPredictor, columns: Columns, *, minimum: int, most_index: float) -> pd.DataFrame:
    """Each predictor at the site beside development, the most important first.

    Returns
    -------
    DataFrame
        `name`, `label`, `importance` (its share in all that moves the risks at development), `is_key`, `missing` and
        `missing_before` as shares (the latter NaN where the bundle kept none), `unseen` (share of recorded values
        that development hardly saw), `typical` and `typical_before` in words, `stability_index` and its `verdict`.
    """
    bundle = predictor.bundle
    before = bundle.distributions.get("predictors", {})
    now = {name: pd.Series(columns[name]) for name in predictor.names}
    drifted = drift_table(now, before, minimum=minimum, most_index=most_index).set_index("name")
    unseen = [set(names) for names in predictor.unseen(columns)]
    order = np.argsort(-predictor.importance, kind="stable")
    above = np.cumsum(predictor.importance[order]) - predictor.importance[order]
    rows = []
    for place, reached in zip(order, above, strict=True):
        its = bundle.predictors[place]
        recorded = int((~is_missing(columns[its.name])).sum())
        strange = sum(its.name in names for names in unseen)
        rows.append(
            {
                "name": its.name,
                "label": its.label,
                "importance": float(predictor.importance[place]),
                "is_key": bool(reached < KEY_SHARE),
                "missing": 1 - recorded / max(1, len(unseen)),
                "missing_before": before[its.name]["missing"] if its.name in before else np.nan,
                "unseen": strange / recorded if recorded else np.nan,
                "typical": _typical(columns[its.name], its.form),
                "typical_before": _typical_before(before.get(its.name)),
                "stability_index": drifted["stability_index"].get(its.name, np.nan),
                "verdict": drifted["verdict"].get(its.name, "nothing kept"),
            }
        )
    return pd.DataFrame(rows)


FEWEST_TOLD = 10
"""Recorded values below which nothing is said of them: they would tell of one case."""


def _typical(values: Any, form: str) -> str:
    """Median of numbers, share of a yes, commonest word with its share."""
    if form == "levels":
        words = pd.Series(as_words(values, None)).dropna()
        if len(words) < FEWEST_TOLD:
            return ""
        counts = words.value_counts()
        return f"{counts.index[0]} {percent(counts.iloc[0] / len(words))}"
    numbers = as_numbers(values)
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers) < FEWEST_TOLD:
        return ""
    if set(np.unique(numbers)) <= {0.0, 1.0}:
        return percent(float(numbers.mean()))
    return f"{np.median(numbers):.3g}"


def _typical_before(kept: Mapping[str, Any] | None) -> str:
    """The same from what a bundle kept of development: a median is told as the bin that holds it."""
    if not kept or not kept["shares"] or not sum(kept["shares"]):
        return ""
    shares = np.array(kept["shares"])
    if "levels" in kept:
        first = int(np.argmax(shares[: len(kept["levels"])])) if kept["levels"] else 0
        return f"{kept['levels'][first]} {percent(shares[first])}" if kept["levels"] else ""
    cuts = kept["cuts"]
    if cuts == [0.0]:
        return percent(shares[1])
    place = int(np.searchsorted(np.cumsum(shares), 0.5))
    if not cuts:
        return ""
    if place == 0:
        return f"at most {cuts[0]:.3g}"
    return f"over {cuts[-1]:.3g}" if place == len(cuts) else f"{cuts[place - 1]:.3g} to {cuts[place]:.3g}"


def risk_drift(bundle: Bundle, risk: Floats) -> float | None:
    """Population stability index of the risks against those of development; None where the bundle kept none."""
    kept = bundle.distributions.get("risk")
    return drift(pd.Series(risk), kept).stability if kept else None


def recorded_importance(missing: NDArray[np.bool_], importance: Floats) -> Floats:
    """(n,): how much of what moves the risks is recorded of each case, in [0, 1].

    Examples
    --------
    >>> recorded_importance(np.array([[False, True], [False, False]]), np.array([0.7, 0.3])).tolist()
    [0.7, 1.0]
    """
    return np.asarray((~missing) @ importance, dtype=np.float64)


def never_recorded(mix: pd.DataFrame) -> Sequence[str]:
    """Labels of the key predictors of which hardly anything is recorded at the site."""
    return mix.loc[mix["is_key"] & (mix["missing"] > MOSTLY_MISSING), "label"].tolist()
