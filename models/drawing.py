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
from scipy.optimize import isotonic_regression

from features.errors import FileFormatError
from models.predictor import Explained, RiskPredictor

INK = "#222222"
RAISES, LOWERS = "#D55E00", "#0072B2"
LEARNER_STYLES: Mapping[str, tuple[str, Any]] = {
    "prevalence": ("#999999", ":"),
    "baseline": ("#E69F00", "-."),
    "published": ("#009E73", (0, (6, 1, 1, 1, 1, 1))),
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


SET_STYLES: Mapping[str, tuple[str, Any, str]] = {
    "raw": ("#8C8C8C", ":", "raw columns"),
    "builders": ("#CC79A7", "-.", "builders alone"),
    "raw_and_builders": ("#E69F00", "--", "raw + builders"),
    "published": ("#56B4E9", (0, (5, 1)), "published"),
    "published_and_builders": ("#0072B2", "-", "published + builders"),
    "published_and_truth": (INK, (0, (1, 1)), "published + truth"),
}
"""Colour, line and short name of each set of predictors."""
WORTH_METRICS = {"auroc": "AUROC", "brier": "Brier score"}
LABEL_GAP = 0.062
"""Between labels beside a panel, as a share of its height."""


def worth_panels(curves: pd.DataFrame, ceilings: Mapping[float, Mapping[str, float]], title: str) -> Figure:
    """Learning curves of each set of predictors: worlds across, AUROC and Brier score down.

    `curves` are those of one learner as `models.worth.learning_curves` makes them; `ceilings` are the
    figures of the true risk in each world, which no model can pass but by chance.
    """
    worlds = list(ceilings)
    figure, grid = plt.subplots(
        2, len(worlds), figsize=(3.4 * len(worlds) + 1.9, 6.6), sharex=True, sharey="row", squeeze=False
    )
    for row, (metric, name) in zip(grid, WORTH_METRICS.items(), strict=True):
        for axes, world in zip(row, worlds, strict=True):
            _worth_panel(axes, curves[curves["discordance_effect"] == world], metric, ceilings[world][metric])
        row[0].set_ylabel(name)
        _label_beside(row[-1], curves[curves["discordance_effect"] == worlds[-1]], metric, ceilings[worlds[-1]][metric])
    for axes, world in zip(grid[0], worlds, strict=True):
        axes.set_title(_world_name(world), loc="left", fontsize=10, fontweight="bold")
    for axes in grid[-1]:
        axes.set_xlabel("development cases")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    figure.tight_layout()
    return figure


def _world_name(effect: float) -> str:
    names = {0.0: "no effect of a missed source", 0.5: "half the assumed effect", 1.0: "the assumed effect in full"}
    return names.get(effect, f"{effect:g} times the assumed effect")


def _worth_panel(axes: Any, curves: pd.DataFrame, metric: str, ceiling: float) -> None:
    axes.axhline(ceiling, color="#BBBBBB", linewidth=0.8)
    sizes = sorted(curves["development_cases"].unique())
    for name, (colour, dashes, _) in SET_STYLES.items():
        curve = curves[curves["predictors"] == name].sort_values("development_cases")
        x = curve["development_cases"]
        axes.fill_between(x, curve[f"{metric}_lower"], curve[f"{metric}_upper"], color=colour, alpha=0.13, linewidth=0)
        axes.plot(x, curve[metric], color=colour, linestyle=dashes, linewidth=1.7)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45, ha="right", fontsize=8)
    axes.minorticks_off()


def _label_beside(axes: Any, curves: pd.DataFrame, metric: str, ceiling: float) -> None:
    """Names of the lines at their right ends, in their order and apart from one another."""
    last = curves[curves["development_cases"] == curves["development_cases"].max()].set_index("predictors")[metric]
    ends = [(last[name], label, colour) for name, (colour, _, label) in SET_STYLES.items()]
    ends = sorted([*ends, (ceiling, "true risk", "#777777")])
    low, high = axes.get_ylim()
    at = np.array([(value - low) / (high - low) for value, _, _ in ends])
    steps = LABEL_GAP * np.arange(len(ends))
    heights = isotonic_regression(at - steps).x + steps
    for (_, label, colour), end, height in zip(ends, at, heights, strict=True):
        axes.annotate(
            label,
            xy=(1.0, end),
            xytext=(1.07, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            color=colour,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 0,
            },
            annotation_clip=False,
        )


ANSWER_STYLES: Mapping[str, tuple[str, str, str]] = {
    "crude_rival": ("#777777", "s", "crude rival: largest planned lesion on the painful side"),
    "builders": ("#0072B2", "o", "builders"),
    "attainable": ("#D55E00", "D", "attainable from the record, at least"),
}
"""Who answers whether a lesion or mimic is the source: colour, mark and name."""


def truth_panels(
    auroc: pd.DataFrame, twins: pd.DataFrame, calibration: pd.DataFrame, labels: Mapping[str, str]
) -> Figure:
    """Do the builders find the truth? Discrimination, twins told apart, and calibration of what is a probability.

    `auroc` has question, who, estimate, lower, upper; `twins` other_source instead of question;
    `calibration` question, risk, observed, lower, upper. `labels` name questions and other sources.
    """
    questions = list(dict.fromkeys(calibration["question"]))
    figure = plt.figure(figsize=(11.5, 6.6))
    top, bottom = np.asarray(figure.subfigures(2, 1, height_ratios=[1.15, 1]))
    discriminates, pairs = top.subplots(1, 2, gridspec_kw={"width_ratios": [1.25, 1]})
    _answer_panel(discriminates, auroc, "question", labels)
    discriminates.set_xlabel("AUROC, 95 % interval (0.5 is chance)")
    discriminates.set_title("Is it the source?", loc="left", fontsize=10, fontweight="bold")
    _answer_panel(pairs, twins, "other_source", labels)
    pairs.set_xlabel("share of pairs told apart, 95 % interval (0.5 is chance)")
    pairs.set_title("Twins: the same scan and plan, another source", loc="left", fontsize=10, fontweight="bold")
    handles, names = discriminates.get_legend_handles_labels()
    top.legend(handles, names, frameon=False, ncols=3, loc="lower center", fontsize=8.5)
    top.subplots_adjust(left=0.17, right=0.99, wspace=0.5, top=0.9, bottom=0.27)
    for axes, question in zip(bottom.subplots(1, len(questions), squeeze=False)[0], questions, strict=True):
        _truth_calibration(axes, calibration[calibration["question"] == question])
        axes.set_title(labels.get(question, question), loc="left", fontsize=9.5, fontweight="bold")
    bottom.axes[0].set_ylabel("observed proportion")
    bottom.subplots_adjust(left=0.06, right=0.99, wspace=0.32, top=0.86, bottom=0.2)
    return figure


def _answer_panel(axes: Any, figures: pd.DataFrame, asked: str, labels: Mapping[str, str]) -> None:
    """Dots with intervals, a row a question; marks of one row stand a little apart."""
    questions = list(dict.fromkeys(figures[asked]))
    for place, (who, (colour, mark, name)) in enumerate(ANSWER_STYLES.items()):
        own = figures[figures["who"] == who].dropna(subset=["estimate"])
        if own.empty:
            continue
        y = np.array([questions.index(question) for question in own[asked]]) + 0.22 * (place - 1)
        errors = np.stack([own["estimate"] - own["lower"], own["upper"] - own["estimate"]])
        axes.errorbar(own["estimate"], y, xerr=errors, fmt=mark, color=colour, markersize=6, capsize=2.5, label=name)
        for at, value in zip(y, own["estimate"], strict=True):
            axes.annotate(f"{value:.2f}", (1.005, at), fontsize=8, color=colour, va="center", annotation_clip=False)
    axes.axvline(0.5, color="#BBBBBB", linewidth=0.8)
    axes.set_yticks(range(len(questions)), [labels.get(question, question) for question in questions])
    axes.set(xlim=(0.45, 1.0), ylim=(len(questions) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)


def _truth_calibration(axes: Any, curve: pd.DataFrame) -> None:
    colour = ANSWER_STYLES["builders"][0]
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
    axes.fill_between(curve["risk"], curve["lower"], curve["upper"], color=colour, alpha=0.15, linewidth=0)
    axes.plot(curve["risk"], curve["observed"], color=colour, linewidth=1.6)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="probability by the builders")
