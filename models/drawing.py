"""Pictures of explanations and of performance. Drawing only: numbers come in, figures go out.

Colours are from Okabe and Ito's set, told apart by all kinds of colour vision; learners also differ in
the line they are drawn with, so that a black and white print still reads.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.optimize import isotonic_regression

from features.errors import FileFormatError
from models.predictor import Explained, RiskPredictor

INK = "#222222"
REFERENCE = "#AAAAAA"
"""The line that a curve is compared with."""
RAISES, LOWERS = "#D55E00", "#0072B2"
LEARNER_STYLES: Mapping[str, tuple[str, Any]] = {
    "prevalence": ("#999999", ":"),
    "baseline": ("#E69F00", "-."),
    "published": ("#009E73", (0, (6, 1, 1, 1, 1, 1))),
    "logistic": ("#0072B2", "-"),
    "xgboost": ("#D55E00", "--"),
}
SHAP_COLOURS: Mapping[str, Any] = {
    "primary_color_positive": RAISES,
    "primary_color_negative": LOWERS,
    "secondary_color_positive": "#F3C3A0",
    "secondary_color_negative": "#A9CDE6",
}
OF_RISK = "log-odds of the outcome: to the right raises the risk, to the left lowers it"
SHAP_WORDS = {"other features": "other predictors", "$E[f(X)]$": "base", "$f(x)$": "case"}
GROUP_COLOURS = {
    "source of pain": "#009E73",
    "mimics": "#CC79A7",
    "plan": "#0072B2",
    "burden": "#999999",
    "history": "#E69F00",
    "psychosocial": "#56B4E9",
}
HEAD_INCHES, ROW_INCHES = 0.62, 4.75
"""Of the pictures of performance: title and legend; one test set."""
PANEL_INCHES: Mapping[str, tuple[float, float, float, float]] = {
    "calibration": (0.6, 0.65, 3.05, 3.05),
    "distribution": (0.6, 3.78, 3.05, 0.55),
    "decision": (4.5, 0.65, 3.05, 3.68),
    "roc": (8.35, 0.65, 3.05, 3.05),
}
"""Left, from the top, width and height of each panel of a test set."""
DISTRIBUTION_BINS = 40
SHOWN_RISKS = 0.995
"""Share of the risks that the axes of calibration hold."""
NO_NET_BENEFIT = 0.001
"""Of a thousand cases, one: less is not drawn."""
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
    contributions: pd.Series,
    base_log_odds: float,
    values: Sequence[Any] | None,
    title: str,
    shown: int = 12,
    *,
    meaning: str = OF_RISK,
) -> Figure:
    """One case: how each predictor moves the log-odds from the base to the prediction, drawn by shap.

    `contributions` are indexed by the predictors' labels; without `values` (as for a real person) only
    the labels are named. `meaning` stands below the axis.
    """
    import shap
    from shap.plots._style import style_context  # shap has no public door to its colours yet; its version is locked

    explanation = shap.Explanation(
        values=contributions.to_numpy(dtype=np.float64),
        base_values=base_log_odds,
        data=None if values is None else np.array(list(values), dtype=object),
        feature_names=list(contributions.index),
    )
    figure = plt.figure()
    with style_context(**SHAP_COLOURS):
        shap.plots.waterfall(explanation, max_display=shown, show=False)
    figure.set_size_inches(8, 0.42 * min(shown, len(contributions)) + 1.6)
    axes = figure.axes[0]
    axes.set_xlabel(meaning, fontsize=9, labelpad=20)
    _say_plainly(figure)
    figure.suptitle(title, fontsize=11, x=0.0, ha="left", y=0.98)
    return figure


def _say_plainly(figure: Figure) -> None:
    """The words of this project for those of shap."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            said = [label.get_text() for label in axis.get_ticklabels()]
            plain = [
                functools.reduce(lambda text, words: text.replace(*words), SHAP_WORDS.items(), text) for text in said
            ]
            if plain != said:
                axis.set_ticklabels(plain)
        for label in axes.get_xticklabels():
            if label.get_text() in SHAP_WORDS.values():
                label.set_fontsize(9.5)  # there is room for four letters of shap's size


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
    roc: pd.DataFrame,
    calibration: pd.DataFrame,
    decision: pd.DataFrame,
    chosen: str,
    title: str,
    risks: pd.DataFrame | None = None,
    *,
    act: str = "work up",
) -> Figure:
    """Calibration above the distribution of risks, decision and ROC curves of one outcome, a row a test set.

    The first three frames are those of `data/evaluate/plots`, with `learner` and `test_set`; `risks` are the
    predictions of the outcome (`learner`, `test_set`, `risk`, `y_true`). Band and distribution are those
    of the chosen learner. `act` is what one would do about a risk that is high.
    """
    test_sets = list(dict.fromkeys(roc["test_set"]))
    figure = plt.figure(figsize=(11.5, HEAD_INCHES + ROW_INCHES * len(test_sets)))
    for place, test_set in enumerate(test_sets):
        panels = _row_of_panels(figure, HEAD_INCHES + ROW_INCHES * place, f"{test_set} test set")
        told = None if risks is None else risks[(risks["test_set"] == test_set) & (risks["learner"] == chosen)]
        curves = calibration[calibration["test_set"] == test_set]
        limit = _greatest_risk_shown(curves, told)
        _calibration_panel(panels["calibration"], curves, chosen, limit)
        _distribution_panel(panels["distribution"], told, LEARNER_STYLES[chosen][0], limit)
        _decision_panel(panels["decision"], decision[decision["test_set"] == test_set], chosen, act)
        _roc_panel(panels["roc"], roc[roc["test_set"] == test_set], chosen)
    _legend_above(figure, [learner for learner in LEARNER_STYLES if learner in set(roc["learner"])], chosen, title, act)
    return figure


def _row_of_panels(figure: Figure, top: float, title: str) -> dict[str, Any]:
    """Axes of one test set, `top` inches from the upper edge; the wide ones stand in line."""
    width, height = figure.get_size_inches()
    figure.text(0.1 / width, 1 - (top + 0.12) / height, title, fontsize=10.5, fontweight="bold", va="top")
    panels = {}
    for name, (left, down, wide, high) in PANEL_INCHES.items():
        panels[name] = figure.add_axes((left / width, 1 - (top + down + high) / height, wide / width, high / height))
    return panels


def _legend_above(figure: Figure, learners: Sequence[str], chosen: str, title: str, act: str) -> None:
    """One legend for all panels, under the title: the lines of the learners, and what they are compared with."""
    handles: list[Any] = []
    for learner in learners:
        colour, dashes = LEARNER_STYLES[learner]
        name = f"{learner} (chosen)" if learner == chosen else learner
        handles.append(Line2D([], [], color=colour, linestyle=dashes, linewidth=_width(learner, chosen), label=name))
    handles.append(Line2D([], [], color=INK, linewidth=0.9, label=f"{act} all"))
    handles.append(Line2D([], [], color=REFERENCE, linewidth=0.9, label=f"ideal, chance or {act} none"))
    figure.legend(
        handles=handles, loc="upper left", ncols=len(handles), frameon=False, fontsize=8.5, title=title,
        title_fontsize=11.5, alignment="left", borderaxespad=0,
    )  # fmt: skip


def _width(learner: str, chosen: str) -> float:
    return 2.2 if learner == chosen else 1.3


def _line(axes: Any, learner: str, chosen: str, x: pd.Series, y: pd.Series) -> None:
    colour, dashes = LEARNER_STYLES[learner]
    axes.plot(x, y, color=colour, linestyle=dashes, linewidth=_width(learner, chosen), label=learner)


def _band(axes: Any, curve: pd.DataFrame, x: str, chosen: str) -> None:
    colour = LEARNER_STYLES[chosen][0]
    axes.fill_between(curve[x], curve["lower"], curve["upper"], color=colour, alpha=0.15, linewidth=0)


def _roc_panel(axes: Any, curves: pd.DataFrame, chosen: str) -> None:
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.9)
    for learner, curve in curves.groupby("learner", sort=False):
        _line(axes, str(learner), chosen, curve["false_positive_rate"], curve["true_positive_rate"])
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1))
    axes.set_title("Discrimination", loc="left", fontsize=9.5)


def _greatest_risk_shown(curves: pd.DataFrame, told: pd.DataFrame | None) -> float:
    """Where the axes of calibration end: with most risks, and with what was observed at these.

    A few extreme risks must not press all others into a corner; a curve far from the diagonal must not leave the frame.
    """
    most = 1.0
    if told is not None and len(told):
        most = float(told["risk"].quantile(SHOWN_RISKS))
    elif len(curves):
        most = float(curves["risk"].max())
    observed = curves.loc[curves["risk"] <= most, "observed"].max()
    return min(1.0, float(np.nanmax([most, observed, 0.2])) * 1.1)


def _calibration_panel(axes: Any, curves: pd.DataFrame, chosen: str, limit: float) -> None:
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.9)
    for learner, curve in curves.groupby("learner", sort=False):
        if str(learner) == chosen and curve["lower"].notna().any():
            _band(axes, curve, "risk", chosen)
        _line(axes, str(learner), chosen, curve["risk"], curve["observed"])
    axes.set(ylabel="observed proportion", xlim=(0, limit), ylim=(0, limit))
    axes.set_title("Calibration", loc="left", fontsize=9.5)
    axes.tick_params(labelbottom=False)


def _distribution_panel(axes: Any, told: pd.DataFrame | None, colour: str, limit: float) -> None:
    """How many cases were told which risk: with the outcome upwards, without it downwards."""
    axes.set(xlabel="predicted risk", xlim=(0, limit), yticks=[])
    axes.spines["left"].set_visible(False)
    if told is None or told.empty:
        return
    edges = np.linspace(0, limit, DISTRIBUTION_BINS + 1)
    heights = {y: np.histogram(told.loc[told["y_true"] == y, "risk"], edges)[0] for y in (1, 0)}
    axes.bar(edges[:-1], heights[1], np.diff(edges), align="edge", color=colour, linewidth=0)
    axes.bar(edges[:-1], -heights[0], np.diff(edges), align="edge", color=colour, alpha=0.4, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.6)
    most = max(1, *heights[1], *heights[0])
    up, down = max(heights[1].max(), 0.3 * most), max(heights[0].max(), 0.3 * most)
    axes.set_ylim(-down * 1.05, up * 1.05)
    axes.set_yticks([up / 2, -down / 2], ["with", "without"], fontsize=7.5)
    axes.tick_params(axis="y", length=0)


def _decision_panel(axes: Any, curves: pd.DataFrame, chosen: str, act: str) -> None:
    axes.axhline(0, color=REFERENCE, linewidth=0.9)
    everyone = curves.drop_duplicates("threshold")
    axes.plot(everyone["threshold"], everyone["treat_all"], color=INK, linewidth=0.9, label=f"{act} all")
    for learner, curve in curves.groupby("learner", sort=False):
        if str(learner) == chosen:
            _band(axes, curve, "threshold", chosen)
        _line(axes, str(learner), chosen, curve["threshold"], curve["model"])
    top = float(np.nanmax(curves[["model", "treat_all"]].to_numpy())) if len(curves) else 1.0
    axes.set(
        xlabel="risk at which one would act",
        ylabel="net benefit",
        ylim=(-0.08 * max(top, 0.02), 1.06 * max(top, 0.02)),
        xlim=(0, _last_useful_threshold(curves)),
    )
    axes.set_title("Decision", loc="left", fontsize=9.5)


def _last_useful_threshold(curves: pd.DataFrame) -> float:
    """Where the net benefit of every learner has come to nothing; a curve that runs along zero tells nothing more."""
    useful = curves.loc[curves["model"] > NO_NET_BENEFIT, "threshold"]
    return min(float(useful.max()) + 0.06, 1.0) if len(useful) else 0.8


def builder_panels(features: pd.DataFrame, diagnosis: pd.Series, title: str = "") -> Figure:
    """What the builders found: pain explained by the best lesion and its margin over the best mimic.

    A page that has a heading of its own needs no title.
    """
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.5 if title else 3.2))
    kinds = list(diagnosis.dropna().unique())
    order = sorted(kinds, key=lambda kind: -int((diagnosis == kind).sum()))
    names = [str(kind).replace("_", " ") for kind in order]
    for panel, column, label in (
        (axes[0], "share_best_lesion", "share of the pain explained\nby the best single lesion"),
        (axes[1], "margin_lesion_mimic", "best lesion less best mimic"),
    ):
        groups = [features.loc[diagnosis == kind, column].dropna() for kind in order]
        panel.boxplot(
            groups,
            orientation="horizontal",
            widths=0.55,
            showfliers=False,
            medianprops={"color": RAISES, "linewidth": 2},
        )
        panel.set_yticks(range(1, len(order) + 1), names if panel is axes[0] else [""] * len(order))
        panel.set_xlabel(label)
        panel.axvline(0, color="#BBBBBB", linewidth=0.8)
    missed = [features.loc[diagnosis == kind, "plan_misses_best"].mean() * 100 for kind in order]
    axes[2].barh(range(1, len(order) + 1), missed, color=LOWERS, height=0.55)
    axes[2].set_yticks(range(1, len(order) + 1), [""] * len(order))
    axes[2].set_xlabel("plans that do not reach\nthe best lesion, %")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
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
