"""How values are spread: small histograms side by side, each with its own axis, label and unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from features.dictionary import Variable
from features.words import exact_percent
from models.drawing import INK, LOWERS, RAISES

BINS = 24
ACROSS = 4
MANY = 200
"""Cases in one bar beyond which the few in others would not be seen but on a logarithmic axis."""


def value_spreads(cases: pd.DataFrame, variables: Sequence[Variable], title: str) -> Figure:
    """A histogram a variable, of what is recorded; the line is its median."""
    drawn = [variable for variable in variables if cases[variable.name].notna().any()]
    figure, panels = _panels(len(drawn), title)
    for axes, variable in zip(panels, drawn, strict=False):
        values = cases[variable.name].dropna().to_numpy(dtype=float)
        axes.hist(values, bins=_edges(values), color=LOWERS, linewidth=0)
        axes.axvline(float(np.median(values)), color=INK, linewidth=1.2)
        axes.set(xlabel=labelled(variable), ylabel="cases")
    figure.legend(
        handles=[Patch(color=LOWERS, label="cases in which it is recorded"), Line2D([], [], color=INK, label="median")],
        loc="outside lower left", ncols=2, frameon=False, fontsize=8.5,
    )  # fmt: skip
    return figure


def share_spreads(
    shares: Mapping[str, pd.Series], title: str, measured: str, *, line: tuple[float, str] | None = None
) -> Figure:
    """A histogram of shares in [0, 1] a name, whose colours are dark where the line is reached."""
    figure, panels = _panels(len(shares), title)
    for axes, (name, values) in zip(panels, shares.items(), strict=False):
        known = values.dropna().to_numpy(dtype=float)
        heights, edges, bars = axes.hist(known, bins=np.linspace(0, 1, 21), color=LOWERS, linewidth=0)
        for bar, start in zip(bars, edges, strict=False):
            bar.set_facecolor(RAISES if line is not None and start >= line[0] - 1e-9 else LOWERS)
        axes.set(xlabel=measured, ylabel="cases", xlim=(0, 1))
        if heights.max() > MANY:
            axes.set(ylabel="cases, logarithmic", yscale="symlog", ylim=(0, 2 * float(heights.max())))
        axes.xaxis.set_major_formatter(exact_percent)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_title(name, loc="left", fontsize=9.5)
        if line is not None:
            axes.axvline(line[0], color=INK, linewidth=1.0)
    if line is not None:
        below, beyond = (
            Patch(color=LOWERS, label=f"below {line[1]}"),
            Patch(color=RAISES, label=f"at or above {line[1]}"),
        )
        figure.legend(handles=[below, beyond], loc="outside lower left", ncols=2, frameon=False, fontsize=8.5)
    return figure


def labelled(variable: Variable) -> str:
    """The name of a variable for an axis, with its unit where it has one."""
    is_said = not variable.unit or variable.unit in variable.label
    return variable.label if is_said else f"{variable.label}, {variable.unit}"


def _panels(wanted: int, title: str) -> tuple[Figure, Sequence[Any]]:
    across = wanted if wanted < ACROSS else ACROSS if wanted % ACROSS == 0 or wanted % (ACROSS - 1) else ACROSS - 1
    across = max(across, 1)
    down = -(-max(wanted, 1) // across)
    figure, grid = plt.subplots(
        down, across, figsize=(11.5 if across > 2 else 7.5, 2.25 * down + 0.9), squeeze=False, layout="constrained"
    )
    panels: list[Any] = list(grid.ravel())
    for axes in panels[wanted:]:
        axes.remove()
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure, panels[:wanted]


def _edges(values: np.ndarray) -> np.ndarray:
    """Bins that each hold as many steps of the scale: points of a score come in twos, years in ones."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    grain = float(np.median(np.diff(np.unique(values))))
    step = grain * max(1, int(np.ceil((high - low) / grain / BINS)))
    return np.arange(low - grain / 2, high + step, step)
