"""Estimates with their intervals as dots, a row a group: the plainest picture of shares, risks and figures of merit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from features.words import exact_percent
from models.drawing import INK, REFERENCE

SERIES_STYLES = (
    ("#0072B2", "o"), ("#D55E00", "D"), ("#009E73", "s"), ("#CC79A7", "^"), ("#E69F00", "v"), ("#56B4E9", "P"),
)  # fmt: skip
"""Colour and mark of each series, in their order."""
ROW_INCHES, HEAD_INCHES, FOOT_INCHES = 0.34, 0.5, 0.65
LEGEND_INCHES = 0.27
APART = 0.56
"""Part of a row over which the marks of several series stand apart."""


def dots(
    rows: pd.DataFrame,
    title: str,
    measured: str,
    *,
    reference: tuple[float, str] | None = None,
    percent: bool = True,
    interval: str = "95 % interval",
) -> Figure:
    """A row a label, a mark an estimate, a line its interval.

    Parameters
    ----------
    rows : DataFrame
        `label` and `estimate`; where there are any `lower`, `upper`, `n` (cases, written beside the row) and
        `series` (told apart by colour and mark). Rows stand in their order; one without an estimate is empty.
    title : str
    measured : str
        What the axis shows, with its unit.
    reference : (value, words), optional
        A line to compare with.
    percent : bool
        Whether estimates are shares, which people read as percentages.
    interval : str
        What the lines are.
    """
    labels = list(dict.fromkeys(rows["label"]))
    series = list(dict.fromkeys(rows["series"])) if "series" in rows else [""]
    has_legend = len(series) > 1 or reference is not None
    height = HEAD_INCHES + FOOT_INCHES + LEGEND_INCHES * has_legend + max(ROW_INCHES, 0.16 * len(series)) * len(labels)
    figure, axes = plt.subplots(figsize=(8.2, height), layout="constrained")
    if reference is not None:
        axes.axvline(reference[0], color=REFERENCE, linewidth=1.2, label=reference[1], zorder=0)
    for place, (name, (colour, mark)) in enumerate(zip(series, SERIES_STYLES, strict=False)):
        own = rows if len(series) == 1 else rows[rows["series"] == name]
        off = APART * (place / (len(series) - 1) - 0.5) if len(series) > 1 else 0.0
        _marks(axes, own, [labels.index(label) + off for label in own["label"]], colour, mark, name)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(ylim=(len(labels) - 0.4, -0.6), xlabel=f"{measured}, {interval}" if "lower" in rows else measured)
    if percent:
        axes.xaxis.set_major_formatter(exact_percent)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    if "n" in rows:
        _counts(axes, rows, labels)
    _heading(figure, title, has_legend)
    return figure


def _marks(axes: Any, rows: pd.DataFrame, y: list[float], colour: str, mark: str, name: str) -> None:
    if "lower" in rows:
        axes.hlines(y, rows["lower"].astype(float), rows["upper"].astype(float), color=colour, linewidth=1.6)
    axes.plot(rows["estimate"].astype(float), y, mark, color=colour, markersize=6.5, label=name or None, linestyle="")


def _counts(axes: Any, rows: pd.DataFrame, labels: list[str]) -> None:
    """Cases behind each row, beside it; of series that differ, the most."""
    most = rows.groupby("label", sort=False)["n"].max()
    for place, label in enumerate(labels):
        axes.annotate(
            f"{most[label]:,.0f}", (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8,
            color="#666666",
        )  # fmt: skip
    axes.annotate("cases", (1.01, -0.62), xycoords=("axes fraction", "data"), va="bottom", fontsize=8, color="#666666")


def _heading(figure: Figure, title: str, has_legend: bool) -> None:
    """The title above all; of a figure with a legend it stands over that, as in the pictures of performance."""
    if not has_legend:
        figure.suptitle(title, x=0.012, ha="left", fontsize=11)
        return
    figure.legend(
        loc="outside upper left", ncols=6, frameon=False, fontsize=8.5, title=title, title_fontsize=11,
        alignment="left", borderaxespad=0.3,
    )  # fmt: skip


def change_arrows(rows: pd.DataFrame, title: str, measured: str) -> Figure:
    """From where a share stands to where each of two results would take it: a row a label.

    `rows` have `label`, `before`, `if_positive` and `if_negative`, shares in [0, 1].
    """
    height = HEAD_INCHES + LEGEND_INCHES + FOOT_INCHES + ROW_INCHES * 1.25 * len(rows)
    figure, axes = plt.subplots(figsize=(8.2, height), layout="constrained")
    places = np.arange(len(rows))
    results: Mapping[str, tuple[str, str, str]] = {
        "if_positive": ("#D55E00", ">", "if it comes out positive"),
        "if_negative": ("#0072B2", "<", "if it comes out negative"),
    }
    for column, (colour, mark, name) in results.items():
        axes.hlines(places, rows["before"], rows[column], color=colour, linewidth=2.2)
        axes.plot(rows[column], places, mark, color=colour, markersize=8, label=name, linestyle="")
    axes.plot(rows["before"], places, "|", color=INK, markersize=15, markeredgewidth=2, label="now", linestyle="")
    axes.set_yticks(places, rows["label"])
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6), xlabel=measured)
    axes.xaxis.set_major_formatter(exact_percent)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    _heading(figure, title, has_legend=True)
    return figure
