"""Pictures of many explanations at once: which way each predictor moves whom, and where two models part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from features.words import exact_percent
from models.drawing import INK, LOWERS, RAISES, REFERENCE
from models.encoding import Floats
from models.heat_figure import ONE_WAY

SEED = 1
"""Of the jitter by which points of one value are drawn apart."""
APART = 0.10
"""Risks that differ by more than this are marked."""


def beeswarm(
    contributions: pd.DataFrame, values: pd.DataFrame, labels: Sequence[str], title: str, shown: int = 12
) -> Figure:
    """A point a case and predictor, drawn by shap: where it moved the risk, and whether its value was low or high.

    Parameters
    ----------
    contributions, values : (n, n_predictors)
        In calibrated log-odds; the values behind them, of which words are ordered by what they contribute.
    labels : (n_predictors,) words
    title : str
    shown : int
    """
    import shap

    explanation = shap.Explanation(
        values=contributions.to_numpy(dtype=np.float64),
        data=np.column_stack([_as_numbers(values[name], contributions[name]) for name in contributions.columns]),
        feature_names=list(labels),
    )
    figure = plt.figure()
    axes = shap.plots.beeswarm(
        explanation, max_display=shown, show=False, color=plt.get_cmap("cividis"), plot_size=(9.2, 0.36 * shown + 1.6),
        color_bar_label="value of the predictor", group_remaining_features=True,
    )  # fmt: skip
    axes.set_xlabel("contribution to the risk, log-odds: to the right raises it", fontsize=9)
    axes.tick_params(labelsize=9)
    for each in figure.axes:
        each.yaxis.label.set_fontsize(9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _as_numbers(values: pd.Series, contributions: pd.Series) -> Floats:
    """Words as the mean of what they contribute, so that their colours have an order."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64)
    return contributions.groupby(values.astype(str)).transform("mean").to_numpy(dtype=np.float64)


def two_learners(risks: pd.DataFrame, title: str) -> Figure:
    """The risk of each case by two learners: on the line they agree; colour is how many cases stand there.

    `risks` has two columns, named for the learners.
    """
    first, second = risks.columns
    most = min(1.0, 1.05 * float(risks.to_numpy().max()))
    figure, axes = plt.subplots(figsize=(6.4, 5.4), layout="constrained")
    held = axes.hexbin(
        risks[first], risks[second], gridsize=42, mincnt=1, cmap=ONE_WAY, bins="log", linewidths=0,
        extent=(0, most, 0, most),
    )  # fmt: skip
    axes.plot([0, most], [0, most], color=INK, linewidth=0.9, label="the same risk")
    for sign, style in ((1, "--"), (-1, ":")):
        ends = np.array([0.0, most])
        axes.plot(ends, ends + sign * APART, color=REFERENCE, linestyle=style, linewidth=1.1,
                  label=f"{second} {APART * 100:.0f} points {'higher' if sign > 0 else 'lower'}")  # fmt: skip
    axes.set(xlim=(0, most), ylim=(0, most), xlabel=f"risk by {first}", ylabel=f"risk by {second}", aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(exact_percent)
    bar = figure.colorbar(held, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("cases")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    bar.outline.set_visible(False)
    figure.legend(
        loc="outside upper left", ncols=3, frameon=False, fontsize=8.5, title=title, title_fontsize=11,
        alignment="left", borderaxespad=0.3,
    )  # fmt: skip
    return figure


def pair_dependence(x: pd.Series, y: Floats, by: pd.Series, labels: tuple[str, str], title: str) -> Figure:
    """What two predictors do together beyond what each does alone, along the first, by whether the second is high.

    Parameters
    ----------
    x, by : (n,) numbers
        The values of both; NaN is not recorded, and is left out.
    y : (n,)
        Their interaction, in log-odds.
    labels : names of both, with units
    title : str
    """
    known = (x.notna() & by.notna()).to_numpy()
    numbers, other = _as_numbers(x[known], pd.Series(y[known])), _as_numbers(by[known], pd.Series(y[known]))
    middle = float(np.median(other))
    is_high = other > middle if (other > middle).any() else other >= middle
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    axes.axhline(0, color=REFERENCE, linewidth=0.9)
    spread = np.random.default_rng(SEED).uniform(-0.5, 0.5, len(numbers)) * _grain(numbers) * 0.5
    for rows, colour, mark, name in (
        (~is_high, LOWERS, "o", f"{labels[1]}: {middle:.3g} or less"),
        (is_high, RAISES, "^", f"{labels[1]}: more"),
    ):
        axes.plot((numbers + spread)[rows], y[known][rows], mark, color=colour, markersize=3.6, alpha=0.65, label=name,
                  linestyle="", markeredgewidth=0)  # fmt: skip
    axes.set(xlabel=labels[0], ylabel="interaction, log-odds:\nabove 0 the two raise the risk together")
    figure.legend(
        loc="outside upper left", ncols=2, frameon=False, fontsize=8.5, title=title, title_fontsize=11,
        alignment="left", borderaxespad=0.3,
    )  # fmt: skip
    return figure


def _grain(values: Floats) -> float:
    steps = np.diff(np.unique(values))
    return float(np.median(steps)) if len(steps) else 0.0


def reasons(told: pd.DataFrame, labels: Mapping[str, str], title: str, shown: int = 10) -> Figure:
    """The mean contributions of the third with the highest risks: what raised them, and what lowered them.

    Parameters
    ----------
    told : DataFrame
        `risk`, and `contribution_<predictor>` in log-odds; a row a prediction.
    labels : label of each predictor by name
    title : str
    shown : int
    """
    own = told[told["risk"] >= told["risk"].quantile(2 / 3)].filter(like="contribution_")
    means = own.mean().rename(lambda name: labels.get(name.removeprefix("contribution_"), name))
    means = means[means.abs().sort_values(ascending=False).index][:shown]
    figure, axes = plt.subplots(figsize=(8.2, 0.34 * len(means) + 1.3), layout="constrained")
    axes.barh(range(len(means)), means, color=np.where(means > 0, RAISES, LOWERS), height=0.62)
    axes.axvline(0, color=REFERENCE, linewidth=0.9)
    axes.set_yticks(range(len(means)), list(means.index))
    axes.set(ylim=(len(means) - 0.45, -0.55), xlabel="mean contribution, log-odds")
    axes.tick_params(axis="y", length=0)
    handles = [Patch(color=RAISES, label="raised the risk"), Patch(color=LOWERS, label="lowered it")]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=2, frameon=False, fontsize=8.5,
        title=f"{title} ({len(own)} predictions)", title_fontsize=11, alignment="left", borderaxespad=0.3,
    )  # fmt: skip
    return figure
