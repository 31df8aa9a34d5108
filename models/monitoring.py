"""Are answers still right, and are cases still like those of development? Pure figures for `backcast monitor`.

Each figure comes with a verdict: `alarm`, `no alarm`, or `too few to say`. An alarm needs both a size that
matters and one that chance does not explain, at 5 % over all that is judged together: whoever looks at forty
predictors every month would otherwise be alarmed every month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from models.calibration import calibration_intercept, observed_to_expected
from models.distributions import drift
from models.estimates import NORMAL_QUANTILE, Estimate, not_estimable

ALARM, NO_ALARM, TOO_FEW = "alarm", "no alarm", "too few to say"
FALSE_ALARMS = 0.05
"""Probability of any false alarm among the figures that are judged together."""
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
        known), the columns of `by`, and maybe `weight`: what a known outcome stands for where others are
        censored (`models.censoring`), else 1.
    minimum_known : int
        Known outcomes below which nothing is judged.
    most_intercept : float
        Calibration intercept, in log-odds, from which a difference matters.

    Returns
    -------
    DataFrame
        `outcome`, `by`, `group`, `predictions`, `known`, `observed` and `expected` (mean risk) shares, weighted, their
        ratio `observed_to_expected` and the `intercept` with `_lower` and `_upper`, and `verdict`. Groups below
        `SMALL_CELL` known show no share. Months are described; of all and by centre is judged.
    """
    rows = []
    predictions = predictions if "weight" in predictions else predictions.assign(weight=1.0)
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
        y, risk, weight = (known[name].to_numpy(dtype=np.float64) for name in ("y", "risk", "weight"))
        observed, expected = np.average(y, weights=weight), np.average(risk, weights=weight)
        ratio = observed_to_expected(y, risk, weight)
        intercept = calibration_intercept(y, risk, weight)
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
