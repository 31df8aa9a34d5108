"""Pictures of explanations and of performance. Drawing only: numbers come in, figures go out.

Colours are from Okabe and Ito's set, told apart by all kinds of colour vision; learners also differ in
the line they are drawn with, so that a black and white print still reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from features.errors import FileFormatError
from models.predictor import Explained, RiskPredictor

INK = "#222222"
RAISES, LOWERS = "#D55E00", "#0072B2"
LEARNER_STYLES: Mapping[str, tuple[str, str]] = {
    "prevalence": ("#999999", ":"),
    "baseline": ("#E69F00", "-."),
    "logistic": ("#0072B2", "-"),
    "xgboost": ("#D55E00", "--"),
}
GROUP_COLOURS = {
    "source of pain": "#009E73",
    "mimics": "#CC79A7",
    "plan": "#0072B2",
    "burden": "#999999",
    "history": "#E69F00",
    "psychosocial": "#56B4E9",
}
SAVE: Mapping[str, Any] = {"dpi": 130, "bbox_inches": "tight", "metadata": {"Software": None}}

plt.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "text.color": INK,
        "figure.facecolor": "white",
        "svg.hashsalt": "backcast",
    }
)


def save(figure: Figure, path: Path) -> None:
    """Write a figure and close it; without a date, so that equal pictures are equal files."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, **SAVE)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be written: {error.strerror}. Name another place.") from None
    finally:
        plt.close(figure)


def waterfall(
    contributions: pd.Series, base_log_odds: float, values: Sequence[Any] | None, title: str, shown: int = 12
) -> Figure:
    """One case: how each predictor moves the log-odds from the base to the prediction, drawn by shap.

    `contributions` are indexed by the predictors' labels; without `values` (as for a real person) only
    the labels are named.
    """
    import shap

    explanation = shap.Explanation(
        values=contributions.to_numpy(dtype=np.float64),
        base_values=base_log_odds,
        data=None if values is None else np.array(list(values), dtype=object),
        feature_names=list(contributions.index),
    )
    figure = plt.figure()
    shap.plots.waterfall(explanation, max_display=shown, show=False)
    figure.set_size_inches(8, 0.42 * min(shown, len(contributions)) + 1.6)
    axes = figure.axes[0]
    axes.set_xlabel(
        "log-odds of the outcome: to the right raises the risk, to the left lowers it", fontsize=9, labelpad=20
    )
    figure.suptitle(title, fontsize=11, x=0.0, ha="left", y=0.98)
    return figure


def predictor_values(predictor: RiskPredictor, explained: Explained, cases: pd.DataFrame, case_id: str) -> list[object]:
    """The values of one case as a person reads them: three digits, words, or a dash for not recorded."""
    values = []
    for p in predictor.bundle.predictors:
        source = explained.features if p.name in explained.features.columns else cases
        value = source.loc[case_id, p.name] if p.name in source.columns else None
        values.append("-" if pd.isna(value) else f"{value:.3g}" if isinstance(value, float) else value)
    return values


def case_waterfall(
    predictor: RiskPredictor, explained: Explained, cases: pd.DataFrame | None, case_id: str, title: str
) -> Figure:
    """The waterfall of one case under one model; without `cases` its values stay out of the picture."""
    label_of = {p.name: p.label for p in predictor.bundle.predictors}
    return waterfall(
        explained.contributions.loc[case_id].rename(label_of),
        explained.risks.loc[case_id, "base_log_odds"],
        None if cases is None else predictor_values(predictor, explained, cases, case_id),
        title,
    )


def importance_bars(importance: pd.DataFrame, title: str, shown: int = 20) -> Figure:
    """Mean absolute contribution of each predictor, coloured by clinical group, largest first.

    `importance` has `label`, `group` and `mean_abs_contribution`.
    """
    top = importance.nlargest(shown, "mean_abs_contribution").iloc[::-1]
    figure, axes = plt.subplots(figsize=(7.5, 0.28 * len(top) + 1.2))
    axes.barh(top["label"], top["mean_abs_contribution"], color=[GROUP_COLOURS[g] for g in top["group"]])
    axes.set_xlabel("mean size of the contribution, log-odds")
    axes.set_title(title, loc="left", fontsize=10)
    axes.tick_params(length=0)
    present = [group for group in GROUP_COLOURS if group in set(top["group"])]
    handles = [Patch(color=GROUP_COLOURS[group]) for group in present]
    axes.legend(handles, present, frameon=False, loc="lower right", fontsize=8)
    return figure


def performance_panels(
    roc: pd.DataFrame, calibration: pd.DataFrame, decision: pd.DataFrame, chosen: str, title: str
) -> Figure:
    """ROC, calibration and decision curves of one outcome, a row a test set.

    The frames are those of `data/evaluate/plots`, with `learner` and `test_set`. The band is that of
    the chosen learner.
    """
    test_sets = list(dict.fromkeys(roc["test_set"]))
    figure, grid = plt.subplots(len(test_sets), 3, figsize=(11.5, 3.6 * len(test_sets)), squeeze=False)
    for row, test_set in zip(grid, test_sets, strict=True):
        _roc_panel(row[0], roc[roc["test_set"] == test_set])
        _calibration_panel(row[1], calibration[calibration["test_set"] == test_set], chosen)
        _decision_panel(row[2], decision[decision["test_set"] == test_set], chosen)
        row[0].set_title(f"{test_set} test set", loc="left", fontsize=10, fontweight="bold")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.tight_layout()
    return figure


def _line(axes: Any, learner: str, x: pd.Series, y: pd.Series) -> None:
    colour, dashes = LEARNER_STYLES[learner]
    axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.6, label=learner)


def _roc_panel(axes: Any, curves: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
    for learner, curve in curves.groupby("learner", sort=False):
        _line(axes, str(learner), curve["false_positive_rate"], curve["true_positive_rate"])
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _calibration_panel(axes: Any, curves: pd.DataFrame, chosen: str) -> None:
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
    for learner, curve in curves.groupby("learner", sort=False):
        if str(learner) == chosen and curve["lower"].notna().any():
            axes.fill_between(
                curve["risk"],
                curve["lower"],
                curve["upper"],
                color=LEARNER_STYLES[chosen][0],
                alpha=0.15,
                linewidth=0,
            )
        _line(axes, str(learner), curve["risk"], curve["observed"])
    most = float(np.nanmax([curves[["risk", "observed"]].max().max(), 0.2])) if len(curves) else 1.0
    limit = min(1.0, most * 1.1)
    axes.set(
        xlabel="predicted risk",
        ylabel="observed proportion",
        xlim=(0, limit),
        ylim=(0, limit),
        aspect="equal",
    )


def _decision_panel(axes: Any, curves: pd.DataFrame, chosen: str) -> None:
    for learner, curve in curves.groupby("learner", sort=False):
        if str(learner) == chosen:
            axes.fill_between(
                curve["threshold"],
                curve["lower"],
                curve["upper"],
                color=LEARNER_STYLES[chosen][0],
                alpha=0.15,
                linewidth=0,
            )
        _line(axes, str(learner), curve["threshold"], curve["model"])
    everyone = curves.drop_duplicates("threshold")
    axes.plot(everyone["threshold"], everyone["treat_all"], color=INK, linewidth=0.8, label="work up all")
    axes.axhline(0, color="#BBBBBB", linewidth=0.8)
    top = float(np.nanmax(curves[["model", "treat_all"]].to_numpy())) if len(curves) else 1.0
    axes.set(
        xlabel="threshold",
        ylabel="net benefit",
        ylim=(-0.05 * max(top, 0.1), 1.08 * max(top, 0.02)),
        xlim=(0, 0.8),
    )


def builder_panels(features: pd.DataFrame, diagnosis: pd.Series) -> Figure:
    """What the builders found: pain explained by the best lesion and its margin over the best mimic."""
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.2))
    kinds = list(diagnosis.dropna().unique())
    order = sorted(kinds, key=lambda kind: -int((diagnosis == kind).sum()))
    names = [str(kind).replace("_", " ") for kind in order]
    for panel, column, label in (
        (axes[0], "share_best_lesion", "share of the pain explained\nby the best single lesion"),
        (axes[1], "margin_lesion_mimic", "best lesion less best mimic"),
    ):
        groups = [features.loc[diagnosis == kind, column].dropna() for kind in order]
        panel.boxplot(groups, vert=False, widths=0.55, showfliers=False, medianprops={"color": RAISES, "linewidth": 2})
        panel.set_yticks(range(1, len(order) + 1), names if panel is axes[0] else [""] * len(order))
        panel.set_xlabel(label)
        panel.axvline(0, color="#BBBBBB", linewidth=0.8)
    missed = [features.loc[diagnosis == kind, "plan_misses_best"].mean() * 100 for kind in order]
    axes[2].barh(range(1, len(order) + 1), missed, color=LOWERS, height=0.55)
    axes[2].set_yticks(range(1, len(order) + 1), [""] * len(order))
    axes[2].set_xlabel("plans that do not reach\nthe best lesion, %")
    figure.tight_layout()
    return figure
