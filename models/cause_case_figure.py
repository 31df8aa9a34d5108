"""The causes of one failed operation as bars: how common each is, and what the findings add and take away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from models.drawing import INK, LOWERS, RAISES, REFERENCE

PRIOR = "#999999"
SHOWN = 7


def cause_bars(ranked: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """The first causes: a grey bar how common it is, then what speaks for it and against it; the mark is their sum.

    `ranked` are `causes` of an answer of `models.workup.CauseFinder`: `label`, `likelihood`, `log_odds`,
    `prior_log_odds`, and findings `for` and `against`, each with its `points`. Red flags leave none.
    """
    shown = list(ranked[:SHOWN])
    figure, axes = plt.subplots(figsize=(9.2, 0.52 * max(len(shown), 1) + 1.5), layout="constrained")
    for place, cause in enumerate(shown):
        speaks_for = sum(one["points"] for one in cause["for"])
        against = sum(one["points"] for one in cause["against"])
        prior = cause["prior_log_odds"]
        axes.barh(place - 0.24, prior, height=0.2, color=PRIOR)
        axes.barh(place, speaks_for, height=0.2, color=RAISES)
        axes.barh(place + 0.24, against, height=0.2, color=LOWERS)
        axes.plot(cause["log_odds"], place, "|", color=INK, markersize=22, markeredgewidth=2.2)
    axes.axvline(0, color=REFERENCE, linewidth=0.9, zorder=0)
    axes.set_yticks(range(len(shown)), [f"{cause['label']}\n{cause['likelihood']}" for cause in shown])
    axes.set(ylim=(max(len(shown), 1) - 0.45, -0.55), xlabel="log-odds of the cause: to the right it is likelier")
    axes.tick_params(axis="y", length=0)
    handles = [
        Patch(color=PRIOR, label="how common it is"),
        Patch(color=RAISES, label="findings for it"),
        Patch(color=LOWERS, label="findings against it"),
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=11, markeredgewidth=2, label="together"),
    ]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=4, frameon=False, fontsize=8.5, title=title,
        title_fontsize=11, alignment="left", borderaxespad=0.3,
    )  # fmt: skip
    return figure
