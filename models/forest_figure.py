"""The forest of an internal-external validation: centres left out, their mean, the next centre. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from features.words import percent
from models.drawing import INK, LOWERS, RAISES

GREY, PALE = "#6E6E6E", "#F2F2F2"
INCHES_PER_ROW = 0.27
WIDTH, ABOVE, BELOW, INCHES_PER_NOTE = 13.0, 0.95, 0.62, 0.17
"""Inches: of the figure, of its margins over and under the rows, and of each line below them."""
SMALL = 8.5
LONGEST_NAME = 24
"""Characters of a centre's name."""


class Panel(NamedTuple):
    """A measure, its name, what its axis says, and the value of a vertical line."""

    metric: str
    title: str
    says: str
    line: float


PANELS = (
    Panel("calibration_slope", "Calibration slope", "risks too extreme < 1 < too timid", 1.0),
    Panel("calibration_intercept", "Calibration intercept", "risks too high < 0 < too low, log-odds", 0.0),
    Panel("auroc", "AUROC", "0.5 is chance", 0.5),
)


LEFT_OUT = "predicted by the whole recipe learned without it"
"""How the risks of a forest came about, where nothing else is said."""


def forest(found: Mapping[str, Any], title: str, how: str | None = None, unit: str = "centre") -> Figure:
    """Slope, intercept and AUROC side by side: a row a centre, then the mean and the prediction interval.

    `found` is one learner's part of `models.validation.internal_external`. Squares grow with what a centre
    contributes; a whisker that leaves the panel ends in an arrow; below stands why something has no figure. `unit`
    is what a row is.
    """
    rows, notes = len(found["centres"]) + 2.4, _notes(found, unit)
    height = ABOVE + BELOW + INCHES_PER_ROW * (rows + 0.6) + INCHES_PER_NOTE * len(notes)
    figure, axes = plt.subplots(1, len(PANELS), figsize=(WIDTH, height), sharey=True)
    bottom = BELOW + INCHES_PER_NOTE * len(notes)
    figure.subplots_adjust(left=0.192, right=0.888, wspace=0.83, top=1 - ABOVE / height, bottom=bottom / height)
    axes[0].set_ylim(rows, -0.6)
    for panel_axes, panel in zip(axes, PANELS, strict=True):
        _panel(panel_axes, panel, found)
    _names(axes[0], found["centres"], unit)
    figure.text(0.012, 1 - 0.2 / height, title, fontsize=11, fontweight="bold", va="center")
    said = how or f"each {unit} {LEFT_OUT}"
    figure.text(
        0.012, 1 - 0.42 / height, f"{said}; whiskers are 95 % intervals", fontsize=SMALL, color=GREY, va="center"
    )
    for place, note in enumerate(reversed(notes)):
        figure.text(0.012, (0.06 + INCHES_PER_NOTE * (place + 0.5)) / height, note, fontsize=SMALL - 0.5, color=GREY)
    return figure


def _notes(found: Mapping[str, Any], unit: str) -> list[str]:
    """Why something is not estimable, each reason once with the rows and measures that it concerns."""
    rows = {centre: row["metrics"] for centre, row in found["centres"].items()} | {
        f"mean of {unit}s": found["heterogeneity"]
    }
    concerned: dict[str, dict[str, list[str]]] = {}
    for name, metrics in rows.items():
        for panel in PANELS:
            if metrics[panel.metric]["estimate"] is None:
                concerned.setdefault(metrics[panel.metric]["reason"], {}).setdefault(name, []).append(panel.title)
    return [f"{_said(by_row)}: {reason}" for reason, by_row in concerned.items()]


def _said(by_row: Mapping[str, list[str]]) -> str:
    return "; ".join(
        name if len(titles) == len(PANELS) else f"{name} ({', '.join(titles)})" for name, titles in by_row.items()
    )


def _names(axes: Any, centres: Mapping[str, Any], unit: str) -> None:
    """The columns left of the first panel: centre, cases, events, and the names of the last rows."""
    columns = {unit: (-1.185, "left"), "cases": (-0.3, "right"), "events": (-0.06, "right")}
    across = axes.get_yaxis_transform()

    def write(column: str, y: float, text: str, **how: Any) -> None:
        x, side = columns[column]
        axes.text(x, y, text, ha=side, va="center", fontsize=SMALL, transform=across, **how)

    for column in columns:
        write(column, -0.95, column, color=GREY)
    for y, (centre, row) in enumerate(centres.items()):
        write(unit, y, _short(centre))
        write("cases", y, f"{row['cases']:,}")
        write("events", y, "—" if row["events"] is None else f"{row['events']:,}")
    at, next_at = _places_below(len(centres))
    write(unit, at, f"mean of {unit}s", fontweight="bold")
    write(unit, next_at, f"next {unit}, expected", fontweight="bold")
    for column in ("cases", "events"):
        write(column, at, f"{sum(row[column] or 0 for row in centres.values()):,}", fontweight="bold")


def _places_below(centres: int) -> tuple[float, float]:
    """Where the rows of the mean and of the next centre stand, below those of the centres."""
    return centres + 0.4, centres + 1.4


def _panel(axes: Any, panel: Panel, found: Mapping[str, Any]) -> None:
    estimates = [row["metrics"][panel.metric] for row in found["centres"].values()]
    mean = found["heterogeneity"][panel.metric]
    low, high = _limits(estimates, mean, panel.line)
    axes.set_xlim(low, high)
    for y in range(0, len(estimates), 2):
        axes.axhspan(y - 0.5, y + 0.5, color=PALE, linewidth=0, zorder=0)
    axes.axvline(panel.line, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for y, (estimate, area) in enumerate(zip(estimates, _areas(estimates), strict=True)):
        _whisker(axes, y, estimate, area)
    _mean_rows(axes, len(estimates), mean)
    _number(axes, -0.95, "95 % interval", color=GREY)
    axes.set_title(panel.title, loc="left", fontsize=9.5, fontweight="bold", pad=15)
    axes.set_xlabel(panel.says, fontsize=SMALL, color=GREY, labelpad=3)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.spines["left"].set_visible(False)


def _mean_rows(axes: Any, below: int, mean: Mapping[str, Any]) -> None:
    at, next_at = _places_below(below)
    axes.axhline(below - 0.3, color=INK, linewidth=0.6)
    if mean["estimate"] is None:
        _number(axes, at, "not estimable", color=GREY, style="italic")
        return
    ends = [(mean["lower"], at), (mean["estimate"], at - 0.3), (mean["upper"], at), (mean["estimate"], at + 0.3)]
    axes.add_patch(Polygon(ends, facecolor=LOWERS, edgecolor=LOWERS, zorder=3))
    _line(axes, next_at, mean["prediction_lower"], mean["prediction_upper"], RAISES, 4.5)
    _number(axes, at, _written(mean["estimate"], mean["lower"], mean["upper"]), fontweight="bold")
    _number(axes, next_at, f"{_figure(mean['prediction_lower'])} to {_figure(mean['prediction_upper'])}", color=RAISES)
    spread = f"τ {mean['tau']:.2f}   I² {percent(mean['i_squared'])}"
    _number(axes, next_at + 0.75, spread, color=GREY)


def _whisker(axes: Any, y: float, estimate: Mapping[str, Any], area: float) -> None:
    if estimate["estimate"] is None:
        _number(axes, y, "not estimable", color=GREY, style="italic")
        return
    if estimate["lower"] is not None:
        _line(axes, y, estimate["lower"], estimate["upper"], INK, 1.2)
    axes.scatter(estimate["estimate"], y, s=area, marker="s", color=INK, zorder=3, linewidth=0)
    _number(axes, y, _written(estimate["estimate"], estimate["lower"], estimate["upper"]))


def _line(axes: Any, y: float, lower: float, upper: float, colour: str, width: float) -> None:
    """A horizontal bar, with an arrow at an end that lies outside."""
    low, high = axes.get_xlim()
    axes.plot([max(lower, low), min(upper, high)], [y, y], color=colour, linewidth=width, solid_capstyle="butt")
    for outside, end, mark in ((lower < low, low, "<"), (upper > high, high, ">")):
        if outside:
            axes.plot(end, y, mark, color=colour, markersize=5 + width / 2, clip_on=False, zorder=4)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _number(axes: Any, y: float, text: str, **how: Any) -> None:
    axes.text(1.06, y, text, transform=axes.get_yaxis_transform(), fontsize=SMALL, va="center", **how)


def _written(estimate: float, lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None:
        return f"{_figure(estimate)} (no interval)"
    return f"{_figure(estimate)} ({_figure(lower)} to {_figure(upper)})"


def _figure(value: float) -> str:
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def _areas(estimates: list[Mapping[str, Any]]) -> list[float]:
    """Of the squares, in points squared: by what each centre knows, one over the square of its interval."""
    widths = [e["upper"] - e["lower"] if e["lower"] is not None else np.inf for e in estimates]
    narrowest = min(widths, default=np.inf)
    return [14 + 56 * (narrowest / width) ** 2 if np.isfinite(width) and width > 0 else 14 for width in widths]


def _limits(estimates: list[Mapping[str, Any]], mean: Mapping[str, Any], line: float) -> tuple[float, float]:
    """Wide enough for every estimate, the prediction and most whiskers; one wild centre does not squeeze the others."""
    inside = [line, *(e["estimate"] for e in estimates if e["estimate"] is not None)]
    inside += [mean[name] for name in ("prediction_lower", "prediction_upper") if mean[name] is not None]
    half = [(e["upper"] - e["lower"]) / 2 for e in estimates if e["lower"] is not None]
    reach = 1.3 * float(np.median(half)) if half else 0.5
    low, high = min(inside) - reach, max(inside) + reach
    return low, high
