"""A table as a heat map: numbers printed in the cells, one scale from light to dark, or two from the middle."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from features.words import exact_percent
from models.drawing import INK, LOWERS, RAISES

ONE_WAY = LinearSegmentedColormap.from_list("backcast", ["#FFFFFF", "#56B4E9", "#0072B2", "#003A5C"])
BOTH_WAYS = LinearSegmentedColormap.from_list("backcast_both", [LOWERS, "#FFFFFF", RAISES])
FINE = 0.1
"""A table with nothing beyond this is printed with a digit more."""
DARK_FROM = 0.55
"""Part of the scale beyond which a number is printed in white."""


def heat(
    table: pd.DataFrame,
    title: str,
    *,
    rows: str,
    columns: str,
    scale: str,
    percent: bool = True,
    both_ways: bool = False,
) -> Figure:
    """The table as it stands: a cell a value; an empty one is left white, with a dash.

    Parameters
    ----------
    table : DataFrame of numbers
        Index and columns are what people read.
    title, rows, columns, scale : str
        What is shown; what the rows, the columns and the colours are.
    percent : bool
        Whether values are shares.
    both_ways : bool
        Whether values have a sign: then colours start from 0, towards what raises and what lowers.
    """
    values = table.to_numpy(dtype=float)
    most = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    width = 3.1 + max(0.62 * table.shape[1], 2.4)
    figure, axes = plt.subplots(figsize=(width, 0.36 * table.shape[0] + 1.9), layout="constrained")
    low = -most if both_ways else 0.0
    shown = axes.imshow(values, cmap=BOTH_WAYS if both_ways else ONE_WAY, vmin=low, vmax=most or 1.0, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        value = values[row, column]
        is_dark = np.isfinite(value) and most > 0 and abs(value) / most > DARK_FROM
        axes.text(column, row, _printed(value, percent, most), ha="center", va="center", fontsize=8.5,
                  color="white" if is_dark else INK)  # fmt: skip
    axes.set_xticks(range(table.shape[1]), [str(name) for name in table.columns], rotation=35, ha="right")
    axes.set_yticks(range(table.shape[0]), [str(name) for name in table.index])
    axes.set(xlabel=columns, ylabel=rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label(scale)
    bar.outline.set_visible(False)
    if percent:
        bar.ax.yaxis.set_major_formatter(exact_percent)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _printed(value: float, percent: bool, most: float) -> str:
    if not np.isfinite(value):
        return "—"
    digits = 2 if most >= FINE else 3
    return f"{100 * value:.0f}" if percent else f"{value:.{digits}f}".replace("-", "−")
