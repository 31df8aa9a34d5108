"""Where the registry stands against what was published, figure by figure, on one scale.

Figures have many units, so each is drawn on its own agreeing range: the band from -1 to 1 is where it
agrees. A miss is a filled diamond, the rest are open circles, so that a black and white print still reads.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from models.drawing import INK, LOWERS, RAISES
from pipeline.fidelity.judgement import AGREES, MISSES

COLUMNS = 3
EDGE = 4.0
"""Half-widths of the agreeing range at which the picture ends; what lies beyond is drawn at the edge."""
LABEL_LENGTH = 46
ROW_INCHES = 0.165


def fidelity_picture(table: pd.DataFrame) -> Figure:
    """Dots with intervals on the agreeing ranges, by topic; figures that were not measured are left out.

    `table` is that of `judgement.fidelity_table`. Without a measured figure the picture says so.
    """
    lines = _lines(table[table["verdict"].isin((AGREES, MISSES))])
    if not lines:
        return not_applicable_picture("no published figure could be measured")
    columns = _columns(lines)
    height = max(map(len, columns))
    figure, grid = plt.subplots(1, COLUMNS, figsize=(18, ROW_INCHES * height + 1.4))
    for axes, column in zip(grid, columns, strict=True):
        _column(axes, column, height)
    agree, miss = ((table["verdict"] == verdict).sum() for verdict in (AGREES, MISSES))
    figure.suptitle(
        f"Published figures and the registry's: {agree} of {agree + miss} agree. Band: where a figure agrees. "
        "Circle: agrees; diamond: misses; line: 95 % interval; right: published, registry.",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    figure.subplots_adjust(left=0.165, right=0.95, wspace=1.05, top=1 - 0.6 / figure.get_figheight(), bottom=0.05)
    return figure


def not_applicable_picture(reason: str) -> Figure:
    """A picture that says why there is none."""
    figure, axes = plt.subplots(figsize=(8, 1.2))
    axes.axis("off")
    axes.text(0, 0.5, f"Not applicable: {reason}.", va="center", fontsize=11)
    return figure


def _lines(measured: pd.DataFrame) -> list[dict[str, Any] | str]:
    """Rows from the top of the first column to the foot of the last: a topic's name, then its figures."""
    lines: list[dict[str, Any] | str] = []
    for topic, rows in measured.groupby("topic", sort=False):
        lines += [str(topic), *rows.to_dict("records")]
    return lines


def _columns(lines: list[dict[str, Any] | str]) -> list[list[dict[str, Any] | str]]:
    """The lines in columns of equal height; one that begins within a topic names it again."""
    height = int(np.ceil(len(lines) / COLUMNS))
    columns = [lines[place * height : (place + 1) * height] for place in range(COLUMNS)]
    for column in columns:
        if column and not isinstance(column[0], str):
            column.insert(0, f"{column[0]['topic']}, continued")
    return columns


def _column(axes: Any, lines: list[dict[str, Any] | str], height: int) -> None:
    axes.axvspan(-1, 1, color="#E4E4E4", linewidth=0)
    axes.axvline(0, color="#BBBBBB", linewidth=0.8)
    labels = []
    for y, line in enumerate(lines):
        if isinstance(line, str):
            axes.axhline(y, color="white", linewidth=11, zorder=1.5)
            labels.append(line.upper())
            continue
        labels.append(_label(line["id"]))
        _dot(axes, y, line)
    axes.set_yticks(range(len(lines)), labels, fontsize=7.5)
    for tick, line in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if isinstance(line, str) else "normal")
    axes.set(xlim=(-EDGE - 0.2, EDGE + 0.2), ylim=(height - 0.4, -0.8))
    axes.set_xticks(
        [-EDGE, -1, 0, 1, EDGE], ["far\nbelow", "lower\nlimit", "", "upper\nlimit", "far\nabove"], fontsize=7.5
    )
    axes.tick_params(axis="y", length=0)


def _dot(axes: Any, y: int, row: dict[str, Any]) -> None:
    centre, half = (row["agrees_from"] + row["agrees_to"]) / 2, (row["agrees_to"] - row["agrees_from"]) / 2
    estimate, lower, upper = (
        float(np.clip((row[name] - centre) / half, -EDGE, EDGE))
        for name in ("registry", "registry_low", "registry_high")
    )
    is_miss = row["verdict"] == MISSES
    colour = (RAISES if estimate > 0 else LOWERS) if is_miss else INK
    axes.plot([lower, upper], [y, y], color=colour, linewidth=1.0)
    axes.plot(
        estimate,
        y,
        marker="D" if is_miss else "o",
        color=colour,
        markersize=4.2,
        markerfacecolor=colour if is_miss else "white",
    )
    axes.annotate(_numbers(row), (EDGE + 0.35, y), fontsize=7, va="center", annotation_clip=False, color=colour)


def _numbers(row: dict[str, Any]) -> str:
    published = f"{row['published']:.3g}"
    if np.isnan(row["published"]):
        published = f"{row['published_low']:.3g} to {row['published_high']:.3g}"
    return f"{published}, {row['registry']:.3g}".replace("-", "−")


def _label(name: str) -> str:
    return name.replace("_", " ")[:LABEL_LENGTH]
