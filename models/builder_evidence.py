"""Do the builders find the truth? Figures on arrays, where the truth of each case is known.

Scores need no scale here: what ranks cases is judged by its ranks. A score is NaN where the builder says
that it does not know; such cases are counted apart and never given a middling score. The crude rival
(`largest_planned_lesion`) is what anybody could do without the builders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from features.axes import LEG_REGIONS, LEVELS, REGIONS, SIDES
from features.findings import Findings
from models.metrics import (
    N_RESAMPLES,
    NORMAL_QUANTILE,
    Estimate,
    Floats,
    auroc,
    calibration_intercept,
    calibration_slope,
    mean_risk,
    not_estimable,
    prevalence,
)

SIZES: tuple[tuple[str, str | None, float, float], ...] = (
    ("herniation", "paracentral", 0, 4),
    ("herniation", "foraminal", 0, 4),
    ("herniation", "far_lateral", 0, 4),
    ("herniation", "central", 0, 4),
    ("recess_stenosis", None, 0, 3),
    ("foraminal_stenosis", None, 0, 3),
    ("central_stenosis", None, 0, 3),
    ("slip", None, 0, 4),
    ("disc_degeneration", None, 1, 5),
)
"""What has a size on a scan: item, zone, grade of a normal place, largest grade."""
MIDLINE = ("central_stenosis", "slip", "disc_degeneration")


class Figure(NamedTuple):
    """An estimate and the number of cases (or rows, or pairs) that it is made from."""

    estimate: Estimate
    n: int

    def as_json(self) -> dict[str, Any]:
        return {**self.estimate.as_json(), "n": self.n}


def discrimination(is_true: ArrayLike, score: ArrayLike) -> Figure:
    """AUROC of a score on any scale, among the cases in which it is known: larger should mean true.

    Examples
    --------
    >>> found = discrimination([0, 1] * 10, [-3, 8] * 9 + [8, -3])
    >>> round(found.estimate.estimate, 2), found.n
    (0.9, 20)
    >>> discrimination([0, 1] * 10, [float("nan")] * 20).estimate.reason
    'there are no cases'
    """
    y, values = np.asarray(is_true, dtype=float), np.asarray(score, dtype=float)
    known = ~np.isnan(values)
    return Figure(auroc(y[known], ranks(values[known])), int(known.sum()))


def ranks(score: Floats) -> Floats:
    """Place of each score among the distinct ones, in [0, 1]: the same order, on the scale of a risk."""
    distinct, place = np.unique(score, return_inverse=True)
    return place / max(len(distinct) - 1, 1)


def resampled_aurocs(is_true: Floats, scores: Mapping[str, Floats], groups: Floats, seed: int) -> dict[str, Floats]:
    """AUROC of each score in the same 200 resamples of groups (patients): a row a resample.

    Scores must be known in every case. Differences and ratios of two scores within a resample give
    paired intervals.
    """
    _, group = np.unique(groups, return_inverse=True)
    n_groups = int(group.max()) + 1
    draws = np.random.default_rng(seed).integers(n_groups, size=(N_RESAMPLES, n_groups))
    times = np.array([np.bincount(draw, minlength=n_groups) for draw in draws], dtype=float)[:, group]
    return {name: _weighted_aurocs(is_true, score, times) for name, score in scores.items()}


def _weighted_aurocs(is_true: Floats, score: Floats, times: Floats) -> Floats:
    """(n_resamples,) AUROC with each case counted as often as drawn; ties count half."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf) > 0)
    events = np.add.reduceat(times[:, order] * is_true[order], starts, axis=1)
    others = np.add.reduceat(times[:, order] * (1 - is_true[order]), starts, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    return (events * below).sum(axis=1) / (events.sum(axis=1) * others.sum(axis=1))


def paired(found: float, resampled: Floats, n: int) -> Figure:
    """A difference or ratio with the percentile interval of its resamples."""
    kept = resampled[np.isfinite(resampled)]
    if not np.isfinite(found) or len(kept) < N_RESAMPLES / 2:
        return Figure(not_estimable("too few cases to resample"), n)
    lower, upper = np.quantile(kept, [0.025, 0.975]).tolist()
    return Figure(Estimate(float(found), lower, upper), n)


def compared_aurocs(
    is_true: ArrayLike, scores: Mapping[str, Floats], groups: ArrayLike, seed: int
) -> dict[str, Figure]:
    """AUROC of each score on the cases in which all are known, with differences and ratios to the first.

    Returns
    -------
    dict
        `<name>` for each score; `less_<name>`, by how much the first beats it; `ratio_<name>`, what the
        first reaches above chance as a share of what that score reaches: (A - 0.5) / (B - 0.5).
        Intervals by resampling groups, paired.
    """
    y, group = np.asarray(is_true, dtype=float), np.asarray(groups)
    known = ~np.isnan(np.stack(list(scores.values()))).any(axis=0)
    n, kept = int(known.sum()), {name: score[known] for name, score in scores.items()}
    estimates = {name: discrimination(y[known], score).estimate for name, score in kept.items()}
    if not all(estimate.is_estimable for estimate in estimates.values()):
        return {name: Figure(estimate, n) for name, estimate in estimates.items()}
    drawn = resampled_aurocs(y[known], kept, group[known], seed)
    area = {name: float(estimate.estimate or 0.0) for name, estimate in estimates.items()}
    first, *others = scores
    found = {name: paired(area[name], drawn[name], n) for name in scores}
    for name in others:
        found[f"less_{name}"] = paired(area[first] - area[name], drawn[first] - drawn[name], n)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (drawn[first] - 0.5) / (drawn[name] - 0.5)
        found[f"ratio_{name}"] = paired((area[first] - 0.5) / (area[name] - 0.5), ratio, n)
    return found


def calibration(is_true: ArrayLike, probability: ArrayLike) -> dict[str, Figure]:
    """Intercept, slope, and observed over expected, among the cases in which a probability is known.

    `observed_over_expected` is 1 where as many are true as were expected; its interval takes the
    expected number as given (Wilson's interval of the observed share). Log-odds of exactly 0 or 1 are
    infinite: such cases are left out of intercept and slope, whose `n` says how many remain.
    """
    y, p = np.asarray(is_true, dtype=float), np.asarray(probability, dtype=float)
    known = ~np.isnan(p)
    y, p, n = y[known], p[known], int(known.sum())
    inside = (p > 0) & (p < 1)
    observed, expected = prevalence(y), mean_risk(p)
    ratio = not_estimable(observed.reason or expected.reason or "nothing is expected")
    if expected.estimate and None not in (observed.estimate, observed.lower, observed.upper):
        ratio = Estimate(*(np.array(observed[:3], dtype=float) / expected.estimate).tolist())
    return {
        "calibration_intercept": Figure(calibration_intercept(y[inside], p[inside]), int(inside.sum())),
        "calibration_slope": Figure(calibration_slope(y[inside], p[inside]), int(inside.sum())),
        "observed_over_expected": Figure(ratio, n),
    }


def share_true(is_true: ArrayLike) -> Figure:
    """Share of the cases with a yes, NaN left out; Wilson's interval."""
    y = np.asarray(is_true, dtype=float)
    y = y[~np.isnan(y)]
    return Figure(prevalence(y), len(y))


def told_apart(score_of_right: ArrayLike, score_of_wrong: ArrayLike) -> Floats:
    """(n_pairs,) 1 where the right twin has the higher score, 0.5 where both have the same, NaN where one is unknown.

    Examples
    --------
    >>> told_apart([0.9, 0.4, 0.5], [0.1, 0.6, 0.5]).tolist()
    [1.0, 0.0, 0.5]
    """
    lead = np.asarray(score_of_right, dtype=float) - np.asarray(score_of_wrong, dtype=float)
    return np.where(np.isnan(lead), np.nan, (1 + np.sign(lead)) / 2)


def mean_over_pairs(values: ArrayLike) -> Figure:
    """Mean over the pairs in which the value is known, with its normal interval.

    Of `told_apart` it is the share of pairs told apart, ties half; of the difference of two of them, by how
    much more of the pairs the first tells apart.

    Examples
    --------
    >>> mean_over_pairs(told_apart([0.9, 0.4, 0.5, 0.8], [0.1, 0.6, 0.5, 0.2])).estimate.estimate
    0.625
    """
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    n = len(known)
    if n < 2:
        return Figure(not_estimable("there are no pairs"), n)
    mean, margin = float(known.mean()), NORMAL_QUANTILE * float(known.std(ddof=1)) / np.sqrt(n)
    return Figure(Estimate(mean, float(mean - margin), float(mean + margin)), n)


def largest_lesion(findings: Findings) -> Floats:
    """(n, n_levels, n_sides) size in [0, 1] of the largest lesion there; midline ones lie on both sides.

    0 where nothing is seen or nothing was read; NaN everywhere in a case of which nothing was read.
    """
    sizes = []
    for item, zone, normal, largest in SIZES:
        fixed = {"zone": zone} if zone else {}
        if item in MIDLINE or zone == "central":
            grades = np.repeat(findings.grid(item, "level", **fixed)[:, :, None], len(SIDES), axis=2)
        else:
            grades = findings.grid(item, "level", "side", **fixed)
        sizes.append((grades - normal) / (largest - normal))
    stacked = np.stack(sizes)
    is_read = np.asarray((~np.isnan(stacked)).any(axis=(0, 2, 3)))
    return np.where(is_read[:, None, None], np.nan_to_num(stacked).max(axis=0), np.nan)


def painful_sides(findings: Findings) -> Floats:
    """(n, n_sides) 1 on the side with more pain drawn in the leg (on both where equal); NaN without a drawing."""
    pain = findings.grid("pain", "region", "side")
    leg = np.nan_to_num(pain)[:, [REGIONS.index(region) for region in LEG_REGIONS]].sum(axis=1)
    has_drawing = np.asarray(~np.isnan(pain).all(axis=(1, 2)))
    return np.where(has_drawing[:, None], (leg >= leg[:, ::-1]) * 1.0, np.nan)


def largest_planned_lesion(findings: Findings) -> Floats:
    """The crude rival: (n,) size of the largest lesion on the painful side that the plan reaches.

    A level and side is reached that is to be decompressed, or whose level is to be fused. NaN without a
    drawing, a scan that was read or a plan.
    """
    decompressed = np.nan_to_num(findings.grid("planned_decompression", "level", "side")) > 0
    fused = np.nan_to_num(findings.grid("planned_fusion", "level")) > 0
    planned = decompressed | fused[:, :, None]
    size = (largest_lesion(findings) * painful_sides(findings)[:, None, :] * planned).max(axis=(1, 2))
    return np.where(planned.any(axis=(1, 2)), size, np.nan)


def largest_lesion_place(findings: Findings) -> tuple[np.ndarray, np.ndarray]:
    """The crude rival's pick: (n,) level, and (n, n_sides) sides, of the largest lesion on the painful side.

    Of equals the lowest level counts, where most are operated. Level -1 without a drawing, a scan, or a
    lesion.
    """
    size = np.nan_to_num(largest_lesion(findings) * painful_sides(findings)[:, None, :])
    by_level = size.max(axis=2)
    level = len(LEVELS) - 1 - by_level[:, ::-1].argmax(axis=1)
    case = np.arange(len(level))
    at_level = size[case, level]
    is_found = by_level.max(axis=1) > 0
    return np.where(is_found, level, -1), at_level == at_level.max(axis=1, keepdims=True)
