"""How the evidence divides between the sources of one case's pain, before a change and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from features.words import exact_percent, percent
from models.drawing import INK

KIND_COLOURS = {"lesion": "#009E73", "mimic": "#CC79A7", "unknown": "#999999"}
KIND_NAMES = {"lesion": "a lesion on the scan", "mimic": "not the spine", "unknown": "something else"}
NO_SUPPORT = "Undefined: no pain is drawn, or no scan was read."


def support_bars(ranked: Sequence[Mapping[str, Any]], title: str, before: Mapping[str, float] | None = None) -> Figure:
    """The best supported sources as bars; ticks show where they stood before, where that is given by label.

    `ranked` is that of `models.screening.ranked_sources`: `label`, `kind`, `support` in [0, 1], `is_reached`.
    """
    figure, axes = plt.subplots(figsize=(7.6, 0.36 * max(len(ranked), 1) + 1.35), layout="constrained")
    is_missed = [one["kind"] == "lesion" and one["is_reached"] is False for one in ranked]
    labels = [one["label"] + "  (not in the plan)" * missed for one, missed in zip(ranked, is_missed, strict=True)]
    places = range(len(ranked))
    axes.barh(
        places, [one["support"] for one in ranked], color=[KIND_COLOURS[one["kind"]] for one in ranked], height=0.62
    )
    for place, one in enumerate(ranked):
        axes.text(one["support"] + 0.012, place, percent(one["support"]), va="center", fontsize=8.5)
    handles: list[Any] = [
        Patch(color=colour, label=KIND_NAMES[kind])
        for kind, colour in KIND_COLOURS.items()
        if kind in {one["kind"] for one in ranked}
    ]
    if before is not None:
        stood = [before.get(one["label"], 0.0) for one in ranked]
        axes.plot(stood, places, "|", color=INK, markersize=17, markeredgewidth=2)
        handles.append(Line2D([], [], marker="|", color=INK, linestyle="", markersize=10, label="as recorded"))
    if not ranked:
        axes.text(0.02, 0, NO_SUPPORT, va="center")
    axes.set_yticks(places, labels)
    axes.set(xlim=(0, 1.08), ylim=(max(len(ranked), 1) - 0.5, -0.5), xlabel="support, share of the evidence")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(exact_percent)
    axes.tick_params(axis="y", length=0)
    figure.legend(
        handles=handles, loc="outside upper left", ncols=4, frameon=False, fontsize=8.5, title=title, title_fontsize=11,
        alignment="left", borderaxespad=0.3,
    )  # fmt: skip
    return figure
