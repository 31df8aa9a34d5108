"""Who the risks serve: performance and flag rates in groups of cases, each beside all the others.

A group is what the record says (sex, a band of age, a centre); not recorded is a group of its own. A group
with few cases says little, and with many groups some figures stray by chance alone: `by_chance` says how many.
That groups differ in how many are flagged is no fault by itself, since their risk differs; that the same
risk means another outcome (observed to expected), or that outcomes are missed more often (sensitivity), is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.dictionary import Variable, load_dictionary
from models.encoding import Floats
from models.metrics import (
    Estimate,
    auroc,
    brier_score,
    calibration_intercept,
    calibration_slope,
    net_benefit,
    net_benefit_name,
    not_estimable,
    observed_to_expected,
    prevalence,
    told_count,
)

UNRECORDED = "unrecorded"
FEWEST = 20
"""Cases below which nothing is said of a group but how many they are."""
CHANCE = 0.05
"""How often a 95 % interval misses what it estimates."""


@dataclass(frozen=True)
class Grouping:
    """The cases by one variable: the label of each, in the order in which groups are told.

    `reason` says why there are none, where there are none.
    """

    variable: str
    label: str
    of_case: pd.Series
    order: tuple[str, ...]
    reason: str | None = None


def grouping(cases: pd.DataFrame, variable: str, bands: Sequence[float] = ()) -> Grouping:
    """The group of each case by a variable of its record: by choice, by band of a number, or by word.

    Parameters
    ----------
    cases : DataFrame
        Records; a column that the dictionary does not name is taken as it is.
    bands : rising numbers
        Where the bands of a number end: below the first, from each to below the next, from the last.

    Examples
    --------
    >>> cases = pd.DataFrame({"age_years": [39.0, 40.0, 80.0, None]})
    >>> grouping(cases, "age_years", [40, 60]).of_case.tolist()
    ['below 40', '40 to below 60', '60 and over', 'unrecorded']
    >>> grouping(cases, "sex").reason
    'the cohort has no column sex'
    """
    known = load_dictionary().by_name.get(variable)
    label = known.label if known else variable.replace("_", " ")
    none = pd.Series(UNRECORDED, index=cases.index, dtype=object)
    if variable not in cases.columns:
        return Grouping(variable, label, none, (), f"the cohort has no column {variable}")
    values = cases[variable]
    if values.isna().all():
        return Grouping(variable, label, none, (), f"{variable} is recorded of no case")
    groups, order = _banded(values, bands) if bands else _named(values, known)
    present = set(groups.dropna())
    named = tuple(name for name in order if name in present)
    if groups.isna().any():
        named += (UNRECORDED,)
    if len(named) == 1:
        return Grouping(variable, label, none, (), f"all cases are of one group, {named[0]}")
    return Grouping(variable, label, groups.astype(object).where(groups.notna(), UNRECORDED), named)


def _banded(values: pd.Series, bands: Sequence[float]) -> tuple[pd.Series, list[str]]:
    names = [
        f"below {bands[0]:g}",
        *(f"{low:g} to below {high:g}" for low, high in pairwise(bands)),
        f"{bands[-1]:g} and over",
    ]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    place = np.searchsorted(bands, numbers, side="right").clip(max=len(bands))
    named = pd.Series(np.array(names, dtype=object)[place], index=values.index, dtype=object)
    return named.mask(np.isnan(numbers)), names


def _named(values: pd.Series, variable: Variable | None) -> tuple[pd.Series, list[str]]:
    words = dict(variable.choices) if variable else {}
    named = values.astype(object).where(values.notna(), None).map(lambda value: words.get(value, value), "ignore")
    named = named.map(lambda value: f"{value:g}" if isinstance(value, float) else str(value), "ignore")
    others = sorted(set(named.dropna()) - set(words.values()))
    return named, [*words.values(), *others]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Risks and what became of the cases: arrays of (n,).

    `y` is 1, 0 or NaN (not known); `weights` are those of a known outcome, 0 where it is not.
    """

    y: Floats
    risk: Floats
    weights: Floats

    def of(self, rows: NDArray[np.bool_]) -> Judged:
        return Judged(y=self.y[rows], risk=self.risk[rows], weights=self.weights[rows])

    @property
    def is_known(self) -> NDArray[np.bool_]:
        return self.weights > 0


def group_performance(group: Judged, threshold: float) -> dict[str, Estimate]:
    """The metrics of one group by name; of fewer than `FEWEST` known outcomes none is estimated.

    `observed_to_expected`, `auroc`, calibration intercept and slope, Brier score, net benefit at the threshold,
    and how common the outcome is.
    """
    y, risk, weights = (values[group.is_known] for values in (group.y, group.risk, group.weights))
    names = (
        "auroc",
        "calibration_intercept",
        "calibration_slope",
        "observed_to_expected",
        "brier_score",
        net_benefit_name(threshold),
        "prevalence",
    )
    if len(y) < FEWEST:
        return dict.fromkeys(names, not_estimable(_too_small(len(y), "known outcomes")))
    found = (
        auroc(y, risk, weights=weights),
        calibration_intercept(y, risk, weights=weights),
        calibration_slope(y, risk, weights=weights),
        observed_to_expected(y, risk, weights=weights),
        brier_score(y, risk, weights=weights),
        net_benefit(y, risk, threshold, weights=weights),
        prevalence(y, weights=weights),
    )
    return dict(zip(names, found, strict=True))


def flag_rates(group: Judged, rest: Judged, threshold: float) -> dict[str, Any]:
    """How one group is flagged at a threshold, and how that differs from all the others.

    `cases` have a risk, `known` of them an outcome. `flagged_share` is of all cases; `sensitivity` and `specificity`
    are of those with a known outcome, weighted; `false_flags` counts known cases that were flagged and did
    not have the outcome. Each share comes with its difference from the rest (group less rest): shares by
    Wilson, differences by Newcombe's square-and-add. What became of one to four cases is not counted (None).

    References
    ----------
    Newcombe, Stat Med 1998;17:873-890, method 10.
    """
    own, others = _shares(group, threshold), _shares(rest, threshold)
    flagged = group.risk >= threshold
    cases, known = len(group.y), int(group.is_known.sum())
    return {
        "cases": cases,
        "flagged": told_count(int(flagged.sum()), cases),
        "known": known,
        "events": told_count(int((group.y[group.is_known] == 1).sum()), known),
        "false_flags": told_count(int((flagged & group.is_known & (group.y == 0)).sum()), known),
        "shares": own,
        "differences": {name: difference_of_shares(own[name], others[name]) for name in own},
    }


def _shares(group: Judged, threshold: float) -> dict[str, Estimate]:
    flagged = (group.risk >= threshold).astype(np.float64)
    with_outcome, without = group.is_known & (group.y == 1), group.is_known & (group.y == 0)
    return {
        "flagged_share": _share(flagged, np.ones(len(flagged)), "cases"),
        "sensitivity": _share(flagged[with_outcome], group.weights[with_outcome], "cases with the outcome"),
        "specificity": _share(1 - flagged[without], group.weights[without], "cases without the outcome"),
    }


def _share(values: Floats, weights: Floats, noun: str) -> Estimate:
    if len(values) < FEWEST:
        return not_estimable(_too_small(len(values), noun))
    return prevalence(values, weights=weights)


def difference_of_shares(own: Estimate, rest: Estimate) -> Estimate:
    """One share less another of other cases, from their intervals (Newcombe's method 10).

    Examples
    --------
    >>> own, rest = Estimate(56 / 70, 0.6914, 0.8776), Estimate(48 / 80, 0.4907, 0.7003)
    >>> [round(value, 3) for value in difference_of_shares(own, rest)[:3]]  # Newcombe 1998, table II, row a
    [0.2, 0.052, 0.334]
    """
    reasons = {name: share.reason for name, share in (("group", own), ("rest", rest)) if share.lower is None}
    if reasons:
        return not_estimable("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
    p, low, high = (float(value) for value in own[:3] if value is not None)
    q, rest_low, rest_high = (float(value) for value in rest[:3] if value is not None)
    down, up = np.hypot(p - low, rest_high - q), np.hypot(high - p, q - rest_low)
    return Estimate(p - q, float(p - q - down), float(p - q + up))


def by_chance(estimates: Iterable[Estimate], ideal: float) -> Mapping[str, float]:
    """How many intervals were looked at, how many exclude the ideal, and how many would if all were well.

    Examples
    --------
    >>> by_chance([Estimate(1.1, 1.02, 1.2), Estimate(1.0, 0.9, 1.1), not_estimable("too few")], 1.0)
    {'intervals': 2, 'excluding': 1, 'expected_by_chance': 0.1}
    """
    intervals = [(e.lower, e.upper) for e in estimates if e.lower is not None and e.upper is not None]
    excluding = sum(not lower <= ideal <= upper for lower, upper in intervals)
    return {
        "intervals": len(intervals),
        "excluding": excluding,
        "expected_by_chance": round(CHANCE * len(intervals), 2),
    }


def _too_small(n: int, noun: str) -> str:
    return f"only {n} {noun}; at least {FEWEST} are needed"
