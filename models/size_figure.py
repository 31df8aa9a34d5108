"""How many cases a model needs, by how much it may learn: Riley's criteria as curves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from features.words import percent
from models.drawing import INK, LEARNER_STYLES
from models.sample_size import r2_from_c_statistic, riley_development_size

SHARES = (0.1, 0.2, 0.3)
MOST_PARAMETERS = 40


def cases_needed(n_cases: int, c_statistic: float, title: str) -> Figure:
    """The cases that a model needs, by its candidate parameters and how common the outcome is, beside those there are.

    `c_statistic` is what published models of the question reached.
    """
    figure, axes = plt.subplots(figsize=(7.6, 4.2), layout="constrained")
    parameters = np.arange(1, MOST_PARAMETERS + 1)
    styles = [LEARNER_STYLES[name] for name in ("logistic", "xgboost", "published")]
    for share, (colour, dashes) in zip(SHARES, styles, strict=True):
        r2 = r2_from_c_statistic(c_statistic, share)
        needed = [riley_development_size(int(count), share, r2).n_cases for count in parameters]
        label = f"{percent(share)} have the outcome"
        axes.plot(parameters, needed, color=colour, linestyle=dashes, linewidth=2, label=label)
    axes.axhline(n_cases, color=INK, linewidth=1.1, label=f"{n_cases:,} cases with a known outcome")
    axes.set(xlabel="candidate parameters of the model", ylabel="development cases needed")
    axes.set(xscale="log", yscale="log", xlim=(1, MOST_PARAMETERS))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.set_minor_locator(NullLocator())
    axes.grid(color="#E6E6E6", linewidth=0.8)
    figure.legend(
        loc="outside upper left", ncols=2, frameon=False, fontsize=8.5, title=title, title_fontsize=11,
        alignment="left", borderaxespad=0.3,
    )  # fmt: skip
    return figure
