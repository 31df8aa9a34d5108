"""Instability in two pictures a test set: each case's risk over the refits, and the refits' calibration curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.drawing import INK, LOWERS, RAISES

GREY = "#AAAAAA"
PALE = "#9DB9CF"
PANEL_INCHES, ABOVE = 4.6, 0.95
"""Height of a row of panels, and of the title with its legend."""


def stability_panels(
    cases: Mapping[str, pd.DataFrame], curves: Mapping[str, pd.DataFrame], threshold: float, title: str
) -> Figure:
    """A row a test set: 95 % range of the refits' risks against the final risk, and calibration of each refit.

    `cases` are those of `models.stability.spread_cases`, `curves` those of `calibration_curves`, by test set; the
    dotted line is the threshold at which one would act.
    """
    height = PANEL_INCHES * len(cases) + ABOVE
    figure, grid = plt.subplots(len(cases), 2, figsize=(9.2, height), squeeze=False)
    for (ranges, calibrated), (test_set, shown) in zip(grid, cases.items(), strict=True):
        limit = _limit(shown)
        _ranges(ranges, shown, threshold, limit)
        _calibration(calibrated, curves[test_set], limit)
        ranges.set_title(f"{test_set} test set", loc="left", fontsize=10, fontweight="bold")
    figure.text(0.075, 1 - 0.14 / height, title, va="top", fontsize=11)
    figure.legend(
        handles=_handles(), frameon=False, ncols=3, fontsize=8.5, loc="upper left", borderaxespad=0,
        bbox_to_anchor=(0.07, 1 - 0.42 / height),
    )  # fmt: skip
    figure.subplots_adjust(
        left=0.08, right=0.99, wspace=0.26, top=1 - (ABOVE + 0.2) / height, bottom=0.55 / height, hspace=0.3
    )
    return figure


def _handles() -> list[Line2D]:
    """The legend of both panels, column by column."""
    return [
        Line2D([], [], color=LOWERS, linewidth=1.2, label="left: range on one side of the threshold"),
        Line2D([], [], color=RAISES, linewidth=1.2, label="left: range crosses the threshold"),
        Line2D([], [], color=LOWERS, linewidth=2.0, label="right: final model"),
        Line2D([], [], color=PALE, linewidth=1.0, label="right: refits"),
        Line2D([], [], color=INK, linewidth=0.9, linestyle=":", label="threshold"),
        Line2D([], [], color=GREY, linewidth=0.9, label="no instability; ideal calibration"),
    ]


def _limit(shown: pd.DataFrame) -> float:
    return min(1.0, float(np.nanmax([shown["upper"].max() if len(shown) else 1.0, 0.2])) * 1.05)


def _ranges(axes: Any, shown: pd.DataFrame, threshold: float, limit: float) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, zorder=1)
    for line in (axes.axvline, axes.axhline):
        line(threshold, color=INK, linewidth=0.8, linestyle=":", zorder=1)
    is_moved = (shown["lower"] < threshold) & (shown["upper"] >= threshold)
    for rows, colour in ((shown[~is_moved], LOWERS), (shown[is_moved], RAISES)):
        axes.vlines(rows["risk"], rows["lower"], rows["upper"], color=colour, linewidth=1.0, alpha=0.75)
    axes.set(
        xlabel="risk by the final model", ylabel="risk by the refits, 95 % range",
        xlim=(0, limit), ylim=(0, limit), aspect="equal",
    )  # fmt: skip
    if shown.empty:
        _say_nothing(axes)


def _calibration(axes: Any, curves: pd.DataFrame, limit: float) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, zorder=1)
    for _, curve in curves[curves["refit"] >= 0].groupby("refit"):
        axes.plot(curve["risk"], curve["observed"], color=PALE, linewidth=0.8)
    final = curves[curves["refit"] < 0]
    axes.plot(final["risk"], final["observed"], color=LOWERS, linewidth=2.0)
    axes.set(xlabel="predicted risk", ylabel="observed proportion", xlim=(0, limit), ylim=(0, limit), aspect="equal")
    if curves.empty:
        _say_nothing(axes)


def _say_nothing(axes: Any) -> None:
    axes.text(0.5, 0.5, "not estimable", transform=axes.transAxes, ha="center", color=INK)
