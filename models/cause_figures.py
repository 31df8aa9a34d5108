"""Pictures of how well causes of a failed operation are named. Drawing only: figures come in, pictures go out.

Colours are from Okabe and Ito's set; the confusion is shaded on one scale from light to dark, and its numbers are
printed. Every picture says of which cases it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from models.drawing import INK, REFERENCE

METHOD_STYLES: Mapping[str, tuple[str, str]] = {
    "knowledge": ("#0072B2", "knowledge (served)"),
    "trained": ("#E69F00", "trained (demonstration)"),
    "rules": ("#777777", "ten crude rules"),
    "prevalence": ("#B5B5B5", "prevalence alone"),
    "attainable": ("#D55E00", "attainable, at least"),
}
"""Colour and name of each method, in the order in which they stand."""
GROUP_STYLES: Mapping[str, tuple[str, Any, str]] = {
    "course": ("#E69F00", "--", "course alone"),
    "scan": ("#56B4E9", "-.", "scan alone"),
    "both": ("#0072B2", "-", "both"),
}
"""Colour, line and name of each group of findings."""
SHADES = "Blues"
DARK_FROM = 0.55
"""Share of a row beyond which its number is printed in white."""
ROW_INCHES, COLUMN_INCHES = 0.36, 0.42


def accuracy_bars(figures: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """How often the right cause is first, and among the first two: a panel a set of cases, a pair of bars a method.

    Each frame has `method`, `measure` (top_1, top_2), `estimate`, `lower`, `upper`; missing limits draw no whisker.
    """
    rows = max(figure["method"].nunique() for figure in figures.values())
    height = 0.62 * rows + 1.75
    drawn, panels = plt.subplots(1, len(figures), figsize=(5.6 * len(figures), height), squeeze=False)
    for axes, (name, figure) in zip(panels[0], figures.items(), strict=True):
        _accuracy_panel(axes, figure)
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
    drawn.text(0.012, 1 - 0.12 / height, title, va="top", fontsize=11)
    handles = [Patch(color="#555555", label="right cause first"), Patch(color="#CFCFCF", label="among the first two")]
    drawn.legend(
        handles=handles, frameon=False, ncols=2, fontsize=9, loc="upper left", borderaxespad=0,
        bbox_to_anchor=(0.008, 1 - 0.42 / height),
    )  # fmt: skip
    drawn.subplots_adjust(
        left=1.75 / (5.6 * len(figures)), right=0.985, wspace=0.42, top=1 - 1.1 / height, bottom=0.55 / height
    )
    return drawn


def _accuracy_panel(axes: Any, figure: pd.DataFrame) -> None:
    present = [method for method in METHOD_STYLES if method in set(figure["method"])]
    for place, method in enumerate(present):
        colour = METHOD_STYLES[method][0]
        own = figure[figure["method"] == method].set_index("measure")
        for measure, offset, alpha in (("top_1", -0.19, 1.0), ("top_2", 0.19, 0.38)):
            found = own.loc[measure]
            if pd.isna(found["estimate"]):
                continue
            y = place + offset
            axes.barh(y, found["estimate"], height=0.34, color=colour, alpha=alpha, linewidth=0)
            end = found["estimate"]
            if not pd.isna(found["lower"]):
                axes.hlines(y, found["lower"], found["upper"], color=INK, linewidth=1.1)
                end = found["upper"]
            axes.text(end + 0.012, y, f"{found['estimate']:.2f}", va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(present)), [METHOD_STYLES[method][1] for method in present])
    axes.set(xlim=(0, 1.06), ylim=(len(present) - 0.5, -0.5), xlabel="share of cases, 95 % interval")
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.tick_params(axis="y", length=0)


def confusion_heat(counts: pd.DataFrame, labels: Mapping[str, str], title: str, right: str, named: str) -> Figure:
    """Cases by the right cause (rows) and the cause named first (columns), shaded by the share of the row.

    `counts` are those of `models.cause_judgement.confusion`; `right` and `named` say what rows and columns are.
    """
    total = counts.sum(axis=1).to_numpy()
    share = counts.to_numpy() / np.maximum(total, 1)[:, None]
    n_rows, n_columns = counts.shape
    width, height = COLUMN_INCHES * n_columns + 4.6, ROW_INCHES * n_rows + 2.75
    figure, axes = plt.subplots(figsize=(width, height))
    shown = axes.imshow(share, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    cells = counts.to_numpy()
    for row, column in np.argwhere(cells > 0):
        colour = "white" if share[row, column] > DARK_FROM else INK
        axes.text(column, row, f"{cells[row, column]:,}", ha="center", va="center", fontsize=10.5, color=colour)
    _outline_agreement(axes, counts)
    axes.set_xticks(range(n_columns), [labels.get(c, str(c)) for c in counts.columns], rotation=45, ha="right")
    axes.set_yticks(
        range(n_rows), [f"{labels.get(c, str(c))} ({n:,})" for c, n in zip(counts.index, total, strict=True)]
    )
    axes.set_xlabel(named)
    axes.set_ylabel(right)
    for line in np.arange(n_rows + 1) - 0.5:
        axes.axhline(line, color="white", linewidth=1.0)
    for line in np.arange(n_columns + 1) - 0.5:
        axes.axvline(line, color="white", linewidth=1.0)
    axes.tick_params(length=0, labelsize=10.5)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=axes, fraction=0.025, pad=0.02)
    bar.set_label("share of the row")
    bar.outline.set_visible(False)
    axes.set_title(title, loc="left", fontsize=11, pad=10)
    return figure


def _outline_agreement(axes: Any, counts: pd.DataFrame) -> None:
    """A frame round the cells in which the right cause was named."""
    for row, cause in enumerate(counts.index):
        if cause in counts.columns:
            column = counts.columns.get_loc(cause)
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(
                Rectangle(corner, 1, 1, fill=False, edgecolor="#D55E00", linewidth=1.4, zorder=3, clip_on=False)
            )


def group_roc(curves: pd.DataFrame, areas: Mapping[str, str], title: str, asked: str) -> Figure:
    """ROC curves of what groups of findings know of one question; `areas` hold the AUROC of each in words.

    `curves` have `group`, `false_positive_rate` and `true_positive_rate`.
    """
    figure, axes = plt.subplots(figsize=(5.2, 5.2))
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.9)
    for group, (colour, dashes, name) in GROUP_STYLES.items():
        curve = curves[curves["group"] == group]
        axes.plot(
            curve["false_positive_rate"], curve["true_positive_rate"], color=colour, linestyle=dashes, linewidth=1.9,
            label=f"{name}: {areas[group]}",
        )  # fmt: skip
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(frameon=False, loc="lower right", fontsize=8.5, title=asked, title_fontsize=8.5, alignment="left")
    axes.set_title(title, loc="left", fontsize=10.5)
    return figure


def words_kept_figure(told: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Each word of likelihood: the share of causes so called that were it, and the probability behind the word.

    Each frame is a panel, with `word`, `told`, `share`, `lower`, `upper` and `promised`, from the least likely word on.
    """
    figure, panels = plt.subplots(1, len(told), figsize=(4.9 * len(told), 3.9), squeeze=False, sharey=True)
    for axes, (name, words) in zip(panels[0], told.items(), strict=True):
        x = np.arange(len(words))
        axes.vlines(x, words["lower"], words["upper"], color="#0072B2", linewidth=1.6)
        axes.plot(x, words["share"], "o", color="#0072B2", markersize=7, label="it was so (95 % interval)")
        axes.plot(x, words["promised"], "D", mfc="none", mec="#D55E00", markersize=8, mew=1.6, label="behind the word")
        told_times = [f"{word}\ntold {n:,} times" for word, n in zip(words["word"], words["told"], strict=True)]
        axes.set_xticks(x, told_times, fontsize=8.5)
        axes.set(ylim=(0, 1), xlim=(-0.5, len(words) - 0.5), xlabel="word of likelihood")
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
        axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", length=0)
    panels[0][0].set_ylabel("share of the causes told the word")
    panels[0][-1].legend(frameon=False, fontsize=8.5, loc="upper left")
    figure.suptitle(title, x=0.012, ha="left", fontsize=11)
    figure.tight_layout()
    return figure
