"""Pictures of what `models.monitoring` found. Drawing only: tables come in, figures go out."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from models.drawing import INK
from models.monitoring import ALARM, EVERYONE, NO_ALARM

COLOURS = {ALARM: "#D55E00", NO_ALARM: "#0072B2"}
MARKS = {ALARM: "D", NO_ALARM: "o"}
NOT_JUDGED = "#8C8C8C"
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
SHOWN = 25


def calibration_picture(table: pd.DataFrame, most_intercept: float) -> Figure:
    """Each outcome a row: outcomes for each one expected by month, and the calibration intercept by centre.

    `table` is that of `models.monitoring.calibration_table`; `most_intercept` bounds the band of what does not
    matter.
    """
    outcomes = list(dict.fromkeys(table["outcome"]))
    centres = max(len(_judged(table, outcome)) for outcome in outcomes)
    height = max(2.1, 0.26 * centres + 1.2)
    figure, grid = plt.subplots(len(outcomes), 2, figsize=(11, height * len(outcomes) + 0.5), squeeze=False)
    for row, outcome in zip(grid, outcomes, strict=True):
        _by_month(row[0], table[(table["outcome"] == outcome) & (table["by"] == "month")])
        _by_centre(row[1], _judged(table, outcome), most_intercept)
        row[0].set_title(outcome, loc="left", fontsize=10, fontweight="bold")
        row[0].tick_params(labelbottom=row[0] is grid[-1][0])
    _verdict_legend(grid[0][1])
    grid[-1][0].set_xlabel("month of the prediction")
    grid[-1][1].set_xlabel("calibration intercept, log-odds: above 0 the risks are too low")
    figure.tight_layout(w_pad=2.5, h_pad=1.6)
    return figure


def _judged(table: pd.DataFrame, outcome: str) -> pd.DataFrame:
    return table[(table["outcome"] == outcome) & (table["by"] != "month")]


def _by_month(axes: Any, rows: pd.DataFrame) -> None:
    axes.axhline(1, color="#BBBBBB", linewidth=0.8)
    places = np.arange(len(rows))
    told = rows["observed_to_expected"].notna().to_numpy()
    own = rows[told]
    if len(own):
        errors = np.stack(
            [
                own["observed_to_expected"] - own["observed_to_expected_lower"],
                own["observed_to_expected_upper"] - own["observed_to_expected"],
            ]
        )
        axes.errorbar(
            places[told], own["observed_to_expected"], yerr=errors, fmt="o", color=COLOURS[NO_ALARM], ms=4, capsize=2
        )
    else:
        axes.text(0.5, 0.6, "too few known in any month", transform=axes.transAxes, ha="center", color=NOT_JUDGED)
    axes.set_yscale("log")
    axes.set_ylim(RATIOS[0], RATIOS[-1])
    axes.yaxis.set_major_locator(FixedLocator(RATIOS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(RATIOS, [f"{ratio:g}" for ratio in RATIOS], fontsize=8)
    axes.set_ylabel("observed / expected")
    step = max(1, len(rows) // 12)
    axes.set_xticks(places[::step], rows["group"].tolist()[::step], rotation=45, ha="right", fontsize=8)
    axes.set_xlim(-0.6, max(len(rows), 1) - 0.4)


def _by_centre(axes: Any, rows: pd.DataFrame, most_intercept: float) -> None:
    axes.axvspan(-most_intercept, most_intercept, color="#000000", alpha=0.05, linewidth=0)
    axes.axvline(0, color="#BBBBBB", linewidth=0.8)
    names = []
    for place, row in enumerate(rows.to_dict("records")):
        names.append(("all" if row["by"] == EVERYONE else row["group"]) + f"  ({row['known']} known)")
        colour, mark = COLOURS.get(row["verdict"], NOT_JUDGED), MARKS.get(row["verdict"], "o")
        face = colour if row["verdict"] in COLOURS else "white"
        if np.isfinite(row["intercept_lower"]):
            axes.plot([row["intercept_lower"], row["intercept_upper"]], [place, place], color=colour, linewidth=1.4)
        if not np.isfinite(row["intercept"]):
            axes.text(0, place, "not estimable", color=NOT_JUDGED, fontsize=7.5, ha="center", va="center")
        else:
            axes.plot(row["intercept"], place, mark, color=colour, markerfacecolor=face, markersize=5.5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    reach = np.nanmax(np.abs(rows[["intercept_lower", "intercept_upper"]].to_numpy()), initial=1.0)
    axes.set(xlim=(-1.05 * reach, 1.05 * reach), ylim=(len(rows) - 0.4, -0.6))


def _verdict_legend(axes: Any) -> None:
    handles = [
        *(Line2D([], [], color=COLOURS[v], marker=MARKS[v], linestyle="", markersize=5) for v in COLOURS),
        Line2D([], [], color=NOT_JUDGED, marker="o", markerfacecolor="white", linestyle="", markersize=5),
    ]
    names = [*COLOURS, "too few to say"]
    axes.legend(handles, names, frameon=False, fontsize=7.5, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def drift_picture(table: pd.DataFrame, most_index: float) -> Figure:
    """The stability index of the predictors and risks that moved most, against what matters and what chance does."""
    top = table.dropna(subset=["stability_index"]).head(SHOWN).iloc[::-1]
    figure, axes = plt.subplots(figsize=(8.5, 0.27 * max(len(top), 4) + 1.4), layout="constrained")
    for place, row in enumerate(top.to_dict("records")):
        colour = COLOURS.get(row["verdict"], NOT_JUDGED)
        axes.barh(place, row["stability_index"], color=colour, height=0.6)
        axes.plot([row["by_chance"]] * 2, [place - 0.38, place + 0.38], color=INK, linewidth=1.3)
    axes.axvline(most_index, color=INK, linewidth=0.9, linestyle="--")
    axes.set_yticks(range(len(top)), top["name"], fontsize=8)
    axes.tick_params(axis="y", length=0)
    most = max([1.5 * most_index, *top["stability_index"], *top["by_chance"].dropna()]) if len(top) else 1.0
    axes.set(xlim=(0, 1.06 * most), xlabel="population stability index against the reference")
    handles = [
        *(Line2D([], [], color=COLOURS[v], linewidth=6) for v in COLOURS if v in set(top["verdict"])),
        *([Line2D([], [], color=NOT_JUDGED, linewidth=6)] if (~top["verdict"].isin(list(COLOURS))).any() else []),
        Line2D([], [], color=INK, linewidth=0.9, linestyle="--"),
        Line2D([], [], color=INK, linewidth=1.3, marker="|", markersize=9, linestyle=""),
    ]
    names = [v for v in COLOURS if v in set(top["verdict"])]
    names += ["too few to say"] if (~top["verdict"].isin(list(COLOURS))).any() else []
    names += ["beyond this it matters", "beyond this chance does not explain it"]
    axes.set_ylim(-0.6, max(len(top), 1) - 0.4)
    axes.legend(handles, names, frameon=False, fontsize=8, ncols=len(names), loc="lower right", bbox_to_anchor=(1, 1))
    return figure
