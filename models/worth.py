"""What the builders are worth: the same learner on other columns, and what it recovers of a known effect.

Arithmetic only: predictors and labels come in, numbers go out. Nothing here draws a case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from features.dictionary import Variable, load_dictionary
from features.findings import Findings
from features.predictors import Predictor
from features.summaries import summaries
from models.encoding import Floats, fitted_encoding
from models.learners import estimator, fit, log_odds
from models.metrics import NORMAL_QUANTILE, Estimate, auroc, brier_score

LEARNABLE = ("number", "grade", "yes_no", "choice")
"""Types of variables that a learner can take; identifiers and dates are no predictors."""
SOURCE_MISSED, UNREACHED_SHARE = "is_source_missed", "unreached_share"
"""What only a virtual registry knows: the operation did not reach the main source of the pain, and the
share of the pain whose source it did not reach."""
SETS = ("raw", "builders", "raw_and_builders", "published", "published_and_builders", "published_and_truth")
"""Sets of predictors. The last is no model: it knows whether the source was reached."""
DIFFERENCES = (
    ("raw_and_builders", "raw"),
    ("published_and_builders", "published"),
    ("published_and_builders", "raw"),
    ("published_and_truth", "published"),
)
"""Pairs of sets that are compared on the same development cases: the first less the second."""
TENTHS = (0.1, 0.9)
"""Quantiles of a share that stand for 0 and 1 of its marker."""
MARKERS: Mapping[str, int] = {
    "plan_support": -1,
    "plan_share": -1,
    "plan_best_share": -1,
    "plan_misses_best": 1,
    "plan_misses_likeliest": 1,
}
"""What the builders say of the plan: +1 where more means that the source is missed, -1 where less does."""
INTERVAL = (0.025, 0.975)
LEAST_GAIN = 0.005
"""A gain in AUROC from the truth below this is none, and a share of it no number."""


def builder_columns(features: pd.DataFrame) -> list[str]:
    """The numbers that both clinical builders made: all features but words and plain summaries."""
    plain = set(summaries(Findings(pd.DataFrame())))
    return [name for name in features.columns if features[name].dtype == np.float64 and name not in plain]


def predictor_sets(features: pd.DataFrame, candidates: Sequence[Predictor]) -> dict[str, list[Predictor]]:
    """The predictors of each of `SETS`.

    `raw` is every preoperative variable that a learner can take; `builders` every number that the builders
    make of it; `published` those candidates that are variables or plain summaries, and
    `published_and_builders` all candidates.
    """
    ranked = {candidate.name: candidate for candidate in candidates}
    made = builder_columns(features)
    raw = [_as_predictor(v) for v in load_dictionary().predictors if v.type in LEARNABLE]
    builders = [ranked.get(name, _linear(name)) for name in made]
    published = [candidate for candidate in candidates if candidate.name not in made]
    return {
        "raw": raw,
        "builders": builders,
        "raw_and_builders": raw + builders,
        "published": published,
        "published_and_builders": list(candidates),
        "published_and_truth": [*published, _linear(SOURCE_MISSED), _linear(UNREACHED_SHARE)],
    }


def _as_predictor(variable: Variable) -> Predictor:
    return Predictor(
        name=variable.name,
        label=variable.label,
        group=variable.form,
        form="linear" if variable.is_numeric else "levels",
        levels=() if variable.is_numeric else tuple(str(code) for code in variable.codes),
        direction=variable.direction,
    )


def _linear(name: str) -> Predictor:
    return Predictor(name=name, label=name, group="source of pain", form="linear", levels=(), direction=0)


@dataclass(frozen=True)
class Columns:
    """The predictors of some cases: as a frame for the linear learner, as a matrix for trees."""

    frame: pd.DataFrame
    matrix: NDArray[np.float32]
    """(n, n_columns): numbers as they are, one column a further choice; NaN is not recorded."""

    def rows(self, places: NDArray[np.intp]) -> Columns:
        return Columns(self.frame.iloc[places], self.matrix[places])


def columns_of(frame: pd.DataFrame, predictors: Sequence[Predictor]) -> Columns:
    """These predictors of a frame of n cases, for both learners."""
    words = {p.name: object for p in predictors if p.form == "levels"}
    chosen = frame[[p.name for p in predictors]].astype(words)
    return Columns(chosen, np.hstack([_native(chosen[p.name], p) for p in predictors]).astype(np.float32))


def _native(values: pd.Series, predictor: Predictor) -> Floats:
    if predictor.form != "levels":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
    words, known = values.to_numpy(dtype=object), values.notna().to_numpy()
    return np.stack([np.where(known, words == level, np.nan) for level in predictor.levels[1:]], axis=1)


def learned_risk(
    learner: str,
    setting: Mapping[str, Any],
    predictors: Sequence[Predictor],
    development: Columns,
    y: Floats,
    test: Columns,
    seed: int,
) -> Floats:
    """Risk of each test case by a learner fitted to the development cases with one fixed setting.

    Trees take missing values as they are, so that a column of tests rarely done is not spoilt by a
    median; the penalised logistic learner fills them as it always does. Risks are not recalibrated.
    """
    pipeline = estimator(learner, setting, predictors, seed)
    if learner == "xgboost":
        trees = pipeline["learn"].fit(development.matrix, y)
        return trees.predict_proba(test.matrix)[:, 1].astype(np.float64)
    fitted = fit(pipeline, development.frame, y, np.ones(len(y)))
    return expit(log_odds(fitted, test.frame))


def discrimination_and_error(y: Floats, risk: Floats) -> dict[str, float]:
    """AUROC and Brier score. One risk for all separates nobody: 0.5."""
    area = 0.5 if np.ptp(risk) == 0 else auroc(y, risk).estimate
    error = brier_score(y, risk).estimate
    if area is None or error is None:
        raise ValueError("the test cases need both classes")
    return {"auroc": area, "brier": error}


def development_samples(
    n_cases: int, sizes: Sequence[int], most: int, seed: int
) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Size, number and places of random samples of n cases; those of one size share no case.

    As many of each size as there is room for, and no more than `most`.
    """
    shuffled = np.random.default_rng(seed).permutation(n_cases)
    for size in sizes:
        for number in range(min(most, n_cases // size)):
            yield size, number, shuffled[number * size : (number + 1) * size]


def over_repeats(values: pd.Series) -> Estimate:
    """The mean over repeats, with the 2.5th and 97.5th percentile of the repeats.

    Repeats differ in their development cases and share the test cases, whose chance is not in the interval.
    """
    lower, upper = np.quantile(values, INTERVAL)
    return Estimate(float(values.mean()), float(lower), float(upper))


def learning_curves(measured: pd.DataFrame) -> pd.DataFrame:
    """AUROC and Brier score of each world, learner, set and size over its repeats.

    Parameters
    ----------
    measured : DataFrame
        `discordance_effect, learner, predictors, development_cases, repeat, auroc, brier`: one row a fit.

    Returns
    -------
    DataFrame
        One row a world, learner, set and size: `repeats`, and for each metric its mean, `_lower` and `_upper`.
    """
    keys = ["discordance_effect", "learner", "predictors", "development_cases"]
    rows = []
    for key, part in measured.groupby(keys, sort=False):
        row = {**dict(zip(keys, key, strict=True)), "repeats": len(part)}
        for metric in ("auroc", "brier"):
            row |= _named(metric, over_repeats(part[metric]))
        rows.append(row)
    return pd.DataFrame(rows)


def paired_gains(measured: pd.DataFrame) -> pd.DataFrame:
    """What one set adds to another on the same development cases, over repeats.

    Returns
    -------
    DataFrame
        One row a world, learner, pair of `DIFFERENCES` and size: `predictors, against, repeats`, the
        difference in `auroc` (above 0 is better) and in `brier` (below 0 is better), each with `_lower`
        and `_upper`.
    """
    rows = []
    for (world, learner, size), part in measured.groupby(
        ["discordance_effect", "learner", "development_cases"], sort=False
    ):
        by_set = part.pivot_table(index="repeat", columns="predictors", values=["auroc", "brier"])
        for more, less in DIFFERENCES:
            row = {"discordance_effect": world, "learner": learner, "development_cases": size}
            row |= {"predictors": more, "against": less, "repeats": len(by_set)}
            for metric in ("auroc", "brier"):
                row |= _named(metric, over_repeats(by_set[metric][more] - by_set[metric][less]))
            rows.append(row)
    return pd.DataFrame(rows)


def _named(metric: str, estimate: Estimate) -> dict[str, float | None]:
    return {metric: estimate.estimate, f"{metric}_lower": estimate.lower, f"{metric}_upper": estimate.upper}


def share_of_gain(gains: pd.DataFrame) -> pd.Series:
    """How much of what the truth would add to the published predictors' AUROC the builders add.

    Indexed by world, learner and size. None where the truth adds next to nothing, as with no effect.
    """
    added = gains[gains["against"] == "published"].pivot_table(
        index=["discordance_effect", "learner", "development_cases"], columns="predictors", values="auroc"
    )
    share = added["published_and_builders"] / added["published_and_truth"]
    return share.where(added["published_and_truth"] >= LEAST_GAIN).rename("share_of_gain")


@dataclass(frozen=True)
class Effect:
    """How much higher the risk is at 1 than at 0 of a marker: in log-odds, and as a difference in risk."""

    log_odds: Estimate
    risk_difference: Estimate
    n_cases: int

    def as_json(self) -> dict[str, Any]:
        return {
            "log_odds": self.log_odds.as_json(),
            "risk_difference": self.risk_difference.as_json(),
            "n_cases": self.n_cases,
        }


def marker_values(features: pd.DataFrame) -> pd.DataFrame:
    """What the builders say of each plan, turned so that more means it misses the source; NaN is undefined.

    A flag is 0 or 1. A share is scaled so that 0 is the tenth and 1 the ninetieth of a hundred plans in the
    order of their shares, since nobody's plan explains nothing, or everything.
    """
    found = [name for name in MARKERS if name in features.columns]
    return pd.DataFrame({name: _scaled(MARKERS[name] * features[name]) for name in found})


def _scaled(values: pd.Series) -> pd.Series:
    if values.dropna().isin([0, 1]).all():
        return values
    low, high = values.quantile(list(TENTHS))
    return (values - low) / (high - low)


def adjusted_effect(y: Floats, marker: Floats, cases: pd.DataFrame, predictors: Sequence[Predictor]) -> Effect:
    """Effect of a marker on the outcome at the same predictors, in an unpenalised logistic model.

    Parameters
    ----------
    y : (n,) float
        1 the outcome happened, 0 it did not.
    marker : (n,) float
        NaN is undefined; those cases are left out.
    cases : DataFrame
        The predictors of the same cases; missing ones are filled with the median, curves are splines.
        Without predictors the effect is crude.

    Returns
    -------
    Effect
        The coefficient with its Wald interval, and the difference in mean risk were every case's marker 1
        and were it 0 (standardisation), with an interval by the delta method.
    """
    known = ~np.isnan(marker)
    encoding = fitted_encoding(cases[known], list(predictors), linear=True)
    others = _standardised(encoding.encode(cases[known]))
    design = np.column_stack([marker[known], np.ones(int(known.sum())), others])
    fitted = GLM(y[known], design, family=Binomial()).fit(tol=1e-10)
    coefficients, covariance = fitted.params, fitted.cov_params()
    with_it, without = design.copy(), design.copy()
    with_it[:, 0], without[:, 0] = 1, 0
    high, low = expit(with_it @ coefficients), expit(without @ coefficients)
    gradient = ((high * (1 - high))[:, None] * with_it - (low * (1 - low))[:, None] * without).mean(axis=0)
    return Effect(
        log_odds=_normal(coefficients[0], covariance[0, 0]),
        risk_difference=_normal((high - low).mean(), gradient @ covariance @ gradient),
        n_cases=int(known.sum()),
    )


def _standardised(columns: Floats) -> Floats:
    """Columns that vary, with mean 0 and standard deviation 1: a fit of large numbers is a poor one."""
    spread = columns.std(axis=0)
    return (columns[:, spread > 0] - columns[:, spread > 0].mean(axis=0)) / spread[spread > 0]


def _normal(estimate: float, variance: float) -> Estimate:
    half = NORMAL_QUANTILE * float(np.sqrt(variance))
    return Estimate(float(estimate), float(estimate) - half, float(estimate) + half)


def share_missed_by(marker: Floats, is_missed: Floats) -> float:
    """How much likelier the source is missed at 1 than at 0 of a marker: a straight line through all cases.

    For a marker of 0 and 1 it is the difference of two shares. A perfect marker has 1 and a blind one 0: it
    is about the part of an effect of missing the source that the marker can recover.
    """
    known = ~np.isnan(marker)
    if np.ptp(marker[known]) == 0:
        return 0.0
    return float(np.polyfit(marker[known], is_missed[known], 1)[0])


def recovered_share(found: Estimate, control: Estimate, assumed: float) -> Estimate:
    """What of an assumed effect is recovered, beyond what is found where none was assumed.

    The interval takes both worlds as independent; where they hold the same people it is too wide.
    """
    if assumed == 0 or found.estimate is None or control.estimate is None:
        return Estimate(None, reason="no effect was assumed")
    variance = sum((_half_width(e) / NORMAL_QUANTILE) ** 2 for e in (found, control))
    return _normal((found.estimate - control.estimate) / assumed, variance / assumed**2)


def _half_width(estimate: Estimate) -> float:
    return ((estimate.upper or 0.0) - (estimate.lower or 0.0)) / 2
