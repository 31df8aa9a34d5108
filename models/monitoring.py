"""Are answers still right, and are cases still like those of development? Pure figures for `backcast monitor`.

Each figure comes with a verdict: `alarm`, `no alarm`, or `too few to say`. An alarm needs both a size that
matters and one that chance does not explain, at 5 % over all that is judged together: whoever looks at forty
predictors every month would otherwise be alarmed every month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from models.calibration import calibration_intercept, observed_to_expected
from models.estimates import NORMAL_QUANTILE, Estimate, not_estimable

Floats = NDArray[np.float64]

ALARM, NO_ALARM, TOO_FEW = "alarm", "no alarm", "too few to say"
FALSE_ALARMS = 0.05
"""Probability of any false alarm among the figures that are judged together."""
BINS = 10
SMALL_CELL = 10
"""Figures of fewer cases would tell of one of them; they are counted and not shown."""
EVERYONE = "all"
NO_CENTRE = "not recorded"


# ---- calibration -------------------------------------------------------------------------------------


def calibration_table(
    predictions: pd.DataFrame, *, minimum_known: int, most_intercept: float, by: Sequence[str] = ("centre", "month")
) -> pd.DataFrame:
    """Calibration of each outcome among predictions whose outcome is known: of all, by centre, by month.

    Parameters
    ----------
    predictions : DataFrame
        A row a prediction and outcome: `outcome`, `risk` in [0, 1], `y` (1 it happened, 0 it did not, NaN not
        known), and the columns of `by`.
    minimum_known : int
        Known outcomes below which nothing is judged.
    most_intercept : float
        Calibration intercept, in log-odds, from which a difference matters.

    Returns
    -------
    DataFrame
        `outcome`, `by`, `group`, `predictions`, `known`, `observed` and `expected` (mean risk) shares, their
        ratio `observed_to_expected` and the `intercept` with `_lower` and `_upper`, and `verdict`. Groups below
        `SMALL_CELL` known show no share. Months are described; of all and by centre is judged.
    """
    rows = []
    for outcome, own in predictions.groupby("outcome", sort=False):
        rows.append(_calibration_row(own, str(outcome), EVERYONE, EVERYONE))
        for name in by:
            groups = own.assign(**{name: own[name].fillna(NO_CENTRE)}).groupby(name, sort=True)
            rows += [_calibration_row(cases, str(outcome), name, str(group)) for group, cases in groups]
    table = pd.DataFrame(rows, columns=CALIBRATION_COLUMNS)
    return table.assign(verdict=_calibration_verdicts(table, minimum_known, most_intercept))


CALIBRATION_COLUMNS = [
    "outcome",
    "by",
    "group",
    "predictions",
    "known",
    "observed",
    "expected",
    *(f"{name}{end}" for name in ("observed_to_expected", "intercept") for end in ("", "_lower", "_upper")),
]


def _calibration_row(cases: pd.DataFrame, outcome: str, by: str, group: str) -> list[Any]:
    known = cases.dropna(subset=["y"])
    observed, expected = (np.nan, np.nan)
    ratio = intercept = not_estimable("too few")
    if len(known) >= SMALL_CELL:
        observed, expected = known["y"].mean(), known["risk"].mean()
        ratio = observed_to_expected(known["y"], known["risk"])
        intercept = calibration_intercept(known["y"], known["risk"])
    return [outcome, by, group, len(cases), len(known), observed, expected, *_numbers(ratio), *_numbers(intercept)]


def _numbers(estimate: Estimate) -> list[float]:
    return [np.nan if value is None else value for value in estimate[:3]]


def _calibration_verdicts(table: pd.DataFrame, minimum_known: int, most_intercept: float) -> list[str]:
    is_judged = (
        (table["by"] != "month") & (table["known"] >= minimum_known) & table["intercept_lower"].notna()
    ).to_numpy()
    error = (table["intercept_upper"] - table["intercept_lower"]) / (2 * NORMAL_QUANTILE)
    by_chance = norm.ppf(1 - FALSE_ALARMS / (2 * max(1, is_judged.sum()))) * error
    size = table["intercept"].abs()
    is_alarm = (size > most_intercept) & (size > by_chance)
    verdicts = np.where(is_judged, np.where(is_alarm, ALARM, NO_ALARM), TOO_FEW)
    return [str(v) if by != "month" else "" for v, by in zip(verdicts, table["by"], strict=True)]


# ---- drift -------------------------------------------------------------------------------------------


def distribution(values: pd.Series) -> dict[str, Any]:
    """What is remembered of a predictor or of the risks: enough to see drift, and no value of a case.

    Numbers are kept as shares between deciles (rounded to 3 digits), words as the share of each; both with the
    number of cases and the share that is missing. What fewer than `SMALL_CELL` cases have joins `other`.

    Examples
    --------
    >>> distribution(pd.Series([1.0] * 30 + [2.0] * 60 + [np.nan] * 10))
    {'cases': 100, 'missing': 0.1, 'cuts': [1.0], 'shares': [0.333333, 0.666667]}
    >>> distribution(pd.Series(["a"] * 15 + ["b"] * 45))
    {'cases': 60, 'missing': 0.0, 'levels': ['a', 'b'], 'shares': [0.25, 0.75]}
    """
    known = values.dropna()
    head: dict[str, Any] = {"cases": len(values), "missing": _rounded(values.isna().mean()) if len(values) else 0.0}
    if pd.api.types.is_numeric_dtype(known.dtype):
        numbers = known.to_numpy(dtype=np.float64)
        cuts = _cuts(numbers)
        return {**head, "cuts": cuts, "shares": _shares(_binned(numbers, cuts))}
    counts = known.astype(str).value_counts().sort_index()
    levels = counts.index[counts >= SMALL_CELL].tolist()
    return {**head, "levels": levels, "shares": _shares(_by_level(known, levels))}


def _cuts(numbers: Floats) -> list[float]:
    """Deciles, each once; a value at a cut belongs below it, so a cut at the largest value would cut nothing."""
    if not len(numbers):
        return []
    deciles = np.unique(
        [float(f"{cut:.3g}") for cut in np.quantile(numbers, np.arange(1, BINS) / BINS, method="lower")]
    )
    return [float(cut) for cut in deciles if (numbers > cut).any() and (numbers <= cut).any()]


def _binned(numbers: Floats, cuts: Sequence[float]) -> Floats:
    return np.bincount(np.searchsorted(np.asarray(cuts), numbers, side="left"), minlength=len(cuts) + 1).astype(float)


def _by_level(words: pd.Series, levels: Sequence[str]) -> Floats:
    counts = words.astype(str).value_counts()
    named = [float(counts.get(level, 0)) for level in levels]
    other = float(counts.sum()) - sum(named)
    return np.array([*named, other] if other else named)


def _shares(counts: Floats) -> list[float]:
    return [_rounded(count / counts.sum()) for count in counts] if counts.sum() else [0.0 for _ in counts]


def _rounded(share: float) -> float:
    return round(float(share), 6)


class Drift(NamedTuple):
    """How far a distribution moved.

    `stability` is the population stability index of the recorded values, None where there are none; `freedom` the
    degrees of freedom by which chance moves it.
    """

    cases: int
    stability: float | None
    freedom: int
    missing: float
    missing_before: float
    by_chance: float
    """What chance alone adds to it on average, and the unit of its spread."""


def drift(values: pd.Series, before: Mapping[str, Any]) -> Drift:
    """The population stability index of values against a distribution as `distribution` keeps it.

    The sum over bins of the difference of shares times the log of their ratio; 0 where nothing moved. An empty
    bin counts as half a case, on either side.

    References
    ----------
    Yurdakul, Statistical Properties of Population Stability Index, Western Michigan University 2018: without
    drift it is distributed as (1/n + 1/m) times a chi-squared with one degree of freedom fewer than bins.

    Examples
    --------
    >>> before = distribution(pd.Series(np.repeat([0.0, 1.0], 500)))
    >>> drift(pd.Series([0.0] * 50 + [1.0] * 50), before).stability
    0.0
    >>> round(drift(pd.Series([0.0] * 80 + [1.0] * 20), before).stability, 4)  # 0.3 log 1.6 - 0.3 log 0.4
    0.4159
    """
    known = values.dropna()
    if "cuts" in before:
        now = _binned(pd.to_numeric(known).to_numpy(dtype=np.float64), before["cuts"])
    else:
        now = _by_level(known, before["levels"])
    recorded_before = before["cases"] * (1 - before["missing"])
    then = np.zeros(max(len(now), len(before["shares"])))
    then[: len(before["shares"])] = before["shares"]
    now = np.pad(now, (0, len(then) - len(now)))
    missing = float(values.isna().mean()) if len(values) else 0.0
    if not now.sum() or recorded_before < 1:
        return Drift(len(values), None, 0, missing, before["missing"], np.nan)
    p, q = (_without_zero(counts) for counts in (now, then * recorded_before))
    # Adding zero keeps "no drift" from being written as a minus zero.
    index = float(np.sum((p - q) * np.log(p / q))) + 0.0
    return Drift(len(values), index, len(p) - 1, missing, before["missing"], 1 / now.sum() + 1 / recorded_before)


def _without_zero(counts: Floats) -> Floats:
    filled = np.maximum(counts, 0.5)
    return filled / filled.sum() if (counts == 0).any() else counts / counts.sum()


def drift_table(
    now: Mapping[str, pd.Series], before: Mapping[str, Mapping[str, Any]], *, minimum: int, most_index: float
) -> pd.DataFrame:
    """Drift of each name of `before`, largest first.

    Returns
    -------
    DataFrame
        `name`, `cases`, `stability_index`, `by_chance` (what it must exceed for chance not to explain it),
        `missing` and `missing_before` as shares, and `verdict`. An alarm is an index beyond `most_index` and
        beyond chance.
    """
    found = {name: drift(now.get(name, pd.Series(dtype=float)), kept) for name, kept in before.items()}
    judged = [name for name, one in found.items() if one.stability is not None and one.freedom and one.cases >= minimum]
    rows = []
    for name, one in found.items():
        limit = np.nan
        if one.freedom:
            limit = one.by_chance * chi2.ppf(1 - FALSE_ALARMS / max(1, len(judged)), one.freedom)
        verdict = TOO_FEW
        if name in judged:
            verdict = ALARM if (one.stability or 0) > max(most_index, limit) else NO_ALARM
        index = np.nan if one.stability is None or one.cases < SMALL_CELL else one.stability
        rows.append([name, one.cases, index, limit, one.missing, one.missing_before, verdict])
    columns = ["name", "cases", "stability_index", "by_chance", "missing", "missing_before", "verdict"]
    return pd.DataFrame(rows, columns=columns).sort_values("stability_index", ascending=False, ignore_index=True)


# ---- what was answered -------------------------------------------------------------------------------


def answer_shares(answers: pd.DataFrame) -> pd.DataFrame:
    """By month and of all: how many answers there were, and the shares with a red flag, with a caution, and of
    predictors that were missing.

    Parameters
    ----------
    answers : DataFrame
        A row a prediction: `month`, `has_red_flag`, `has_caution` (0 or 1) and `missing_predictors` (a share).

    Returns
    -------
    DataFrame
        `month`, `answers`, `red_flags`, `cautions`, `missing_predictors`; a month of fewer than `SMALL_CELL`
        answers shows how many they are and no share.
    """
    shares = ["has_red_flag", "has_caution", "missing_predictors"]
    groups = [*answers.groupby("month", sort=True), (EVERYONE, answers)]
    rows = []
    for month, own in groups:
        told = own[shares].mean().tolist() if len(own) >= SMALL_CELL else [np.nan] * len(shares)
        rows.append([month, len(own), *told])
    return pd.DataFrame(rows, columns=["month", "answers", "red_flags", "cautions", "missing_predictors"])
