"""Subgroups as a forest: observed to expected and AUROC of each group, development beside the test sets.

Colours are Okabe and Ito's, and sets differ in their mark too. A group of which nothing can be said keeps its
row and its counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from models.drawing import INK
from models.metrics import Estimate

SET_STYLES: Mapping[str, tuple[str, str, str]] = {
    "development": ("#0072B2", "o", "development, out of fold"),
    "temporal": ("#D55E00", "D", "temporal test set"),
    "geographic": ("#009E73", "s", "geographic test set"),
}
"""Colour, mark and name of each set, from the top of a row to its foot."""
APART = 0.24
FINE_TICKS, COARSE_TICKS = (0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0), (0.25, 0.5, 1.0, 2.0, 4.0)
COARSE_BEYOND = 2.2
NARROWEST, WIDEST = 1.25, 4.0
"""The axis of the ratio reaches from 1 / x to x at least and at most; an interval that goes on ends in an arrow."""
LEAST_AUROC = 0.4
ROW_INCHES = 0.33
ABOVE, BELOW = 1.0, 0.6
"""Inches for the title and legend, and for the axis."""
SHADE = "#F3F3F3"

Line = tuple[str, str | None]


def subgroup_forest(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Groups down, metrics across, with 95 % intervals; outcomes and cases of each set at the right.

    Each row has `set`, `variable`, `label`, `group`, `cases`, `events` and `metrics`: name to `Estimate`.
    """
    lines = list(_lines(rows))
    height = ROW_INCHES * len(lines) + ABOVE + BELOW
    figure, (ratio, auroc, counts) = plt.subplots(
        1, 3, figsize=(11.5, height), sharey=True, gridspec_kw={"width_ratios": [1.2, 1.0, 1.0]}
    )
    for axes in (ratio, auroc, counts):
        _shade_headings(axes, lines)
    _panel(ratio, rows, lines, "observed_to_expected", 1.0)
    _panel(auroc, rows, lines, "auroc", 0.5)
    _ratio_axis(ratio, rows)
    _auroc_axis(auroc, rows)
    _counts(counts, rows, lines)
    ratio.set_yticks(range(len(lines)), [group or _label(rows, variable) for variable, group in lines])
    for tick, (variable, group) in zip(ratio.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if group is None or variable == "all" else "normal")
    ratio.set_ylim(len(lines) - 0.4, -0.6)
    figure.text(0.012, 1 - 0.14 / height, title, va="top", fontsize=11)
    handles, names = ratio.get_legend_handles_labels()
    figure.legend(
        handles, names, frameon=False, ncols=3, fontsize=9, loc="upper left", borderaxespad=0,
        bbox_to_anchor=(0.008, 1 - 0.44 / height),
    )  # fmt: skip
    figure.subplots_adjust(left=0.25, right=0.985, wspace=0.05, top=1 - ABOVE / height, bottom=BELOW / height)
    return figure


def _lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """From the top: a variable (without a group), then its groups; all cases have a line and no heading."""
    for variable in dict.fromkeys(row["variable"] for row in rows):
        if variable != "all":
            yield variable, None
        yield from ((variable, group) for group in dict.fromkeys(r["group"] for r in rows if r["variable"] == variable))


def _label(rows: Sequence[Mapping[str, Any]], variable: str) -> str:
    return next(str(row["label"]) for row in rows if row["variable"] == variable)


def _shade_headings(axes: Any, lines: Sequence[Line]) -> None:
    for y, (_, group) in enumerate(lines):
        if group is None:
            axes.axhspan(y - 0.5, y + 0.5, color=SHADE, linewidth=0, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _panel(axes: Any, rows: Sequence[Mapping[str, Any]], lines: Sequence[Line], metric: str, reference: float) -> None:
    axes.axvline(reference, color="#AAAAAA", linewidth=0.9, zorder=1)
    for place, (name, (colour, mark, label)) in enumerate(SET_STYLES.items()):
        found = [
            (lines.index((row["variable"], row["group"])) + APART * (place - 1), row["metrics"][metric])
            for row in rows
            if row["set"] == name and row["metrics"][metric].is_estimable
        ]
        if not found:
            continue
        at, estimates = np.array([y for y, _ in found]), [estimate for _, estimate in found]
        axes.hlines(at, *_ends(estimates), color=colour, linewidth=1.3, zorder=2)
        values = [estimate.estimate for estimate in estimates]
        axes.plot(values, at, mark, color=colour, markersize=4.6, label=label, zorder=3)


def _ends(estimates: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    """Both ends of each interval; the estimate itself where there is none."""
    lower = [float(e.estimate or 0.0) if e.lower is None else e.lower for e in estimates]
    upper = [float(e.estimate or 0.0) if e.upper is None else e.upper for e in estimates]
    return lower, upper


def _limits(rows: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, float] | None:
    estimates = [row["metrics"][metric] for row in rows if row["metrics"][metric].is_estimable]
    if not estimates:
        return None
    lower, upper = _ends(estimates)
    return min(lower), max(upper)


def _ratio_axis(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    low, high = _limits(rows, "observed_to_expected") or (1.0, 1.0)
    reach = float(np.clip(max(high, 1 / max(low, 1e-9)) * 1.05, NARROWEST, WIDEST))
    axes.set_xscale("log")
    axes.set_xlim(1 / reach, reach)
    _arrows(axes, rows, reach)
    ticks = [tick for tick in (COARSE_TICKS if reach > COARSE_BEYOND else FINE_TICKS) if 1 / reach <= tick <= reach]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_xlabel("observed / expected outcomes, 95 % interval")


def _arrows(axes: Any, rows: Sequence[Mapping[str, Any]], reach: float) -> None:
    """An arrow at the edge for each interval of the ratio that goes on beyond it."""
    lines = list(_lines(rows))
    for place, (name, (colour, _, _)) in enumerate(SET_STYLES.items()):
        for row in rows:
            estimate = row["metrics"]["observed_to_expected"]
            if row["set"] != name or estimate.lower is None:
                continue
            y = lines.index((row["variable"], row["group"])) + APART * (place - 1)
            for goes_on, x, mark in (
                (estimate.lower < 1 / reach, 1 / reach, "<"),
                (estimate.upper > reach, reach, ">"),
            ):
                if goes_on:
                    axes.plot(x, y, mark, color=colour, markersize=5, clip_on=False, zorder=4)


def _auroc_axis(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    low, high = _limits(rows, "auroc") or (LEAST_AUROC, 1.0)
    axes.set_xlim(max(0.0, min(LEAST_AUROC, np.floor(low * 10) / 10)), min(1.0, np.ceil(high * 10) / 10) + 0.01)
    axes.set_xlabel("AUROC, 95 % interval (0.5 is chance)")


def _counts(axes: Any, rows: Sequence[Mapping[str, Any]], lines: Sequence[Line]) -> None:
    """Outcomes of cases, a column a set in its colour."""
    axes.set(xlim=(0, 1), xlabel="had the outcome / outcome known")
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    for place, (name, (colour, _, label)) in enumerate(SET_STYLES.items()):
        x = (place + 1) / len(SET_STYLES) - 0.02
        axes.text(x, 1.0, label.split(" ")[0].rstrip(","), color=colour, fontsize=8.5, ha="right", va="bottom",
                  transform=axes.get_xaxis_transform())  # fmt: skip
        for row in rows:
            if row["set"] == name and row["cases"]:
                y = lines.index((row["variable"], row["group"]))
                events = "—" if row["events"] is None else f"{row['events']:,}"
                told = f"{events} / {row['cases']:,}"
                axes.text(x, y, told, color=INK, fontsize=8, ha="right", va="center")
