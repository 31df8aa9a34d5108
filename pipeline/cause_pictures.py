"""The pictures of the stage `cause`, from its figures: what is drawn, and what stands above it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.cause_tables import causes
from models.cause_figures import accuracy_bars, confusion_heat, group_roc, words_kept_figure
from models.cause_judgement import POOLED
from models.drawing import save
from models.metrics import Estimate
from pipeline import paths

WHOSE = {"virtual": "virtual registry: not for patients", "registry": "for research"}
"""What stands beside every title, by provenance of the study."""
VIRTUAL = WHOSE["virtual"]


def draw_pictures(found: Mapping[str, Any], cells: pd.DataFrame) -> None:
    """Accuracy, words, confusion of the served method, and recurrence against scar.

    `found` holds the figures of the stage, `cells` its table of confusion.
    """
    whose, drawn = WHOSE[found["provenance"]], found["drawn"]
    shown = {f"Drawn apart: {drawn['cases']:,} virtual cases\nof known truth": (drawn["accuracy"], drawn["words"])}
    if "accuracy" in found["registry"]:
        registry = found["registry"]
        title = f"Held-out centres and year:\n{registry['cases']['both']:,} adjudicated cases"
        shown = {title: (registry["accuracy"]["both"], registry["words"])} | shown
    accuracy = {title: accuracy_table(figures) for title, (figures, _) in shown.items()}
    save(accuracy_bars(accuracy, f"How often the right cause is named ({whose})"), paths.cause_picture("accuracy"))
    kept = {title: words_table(told) for title, (_, told) in shown.items()}
    save(words_kept_figure(kept, f"What a word of likelihood keeps ({whose})"), paths.cause_picture("words"))
    draw_confusion(cells, whose)
    draw_recurrence(drawn["recurrence_or_scar"])


def draw_confusion(cells: pd.DataFrame, whose: str) -> None:
    """Of the test sets where they were judged, else of the cases drawn apart."""
    counts, labels = cause_confusion(cells)
    right, kind = ("adjudicated cause", "of the test sets") if _are_judged(cells) else ("true cause", "drawn apart")
    title = f"Which cause is taken for which: {counts.to_numpy().sum():,} cases {kind} ({whose})"
    figure = confusion_heat(counts, labels, title, f"{right} (cases)", "cause that knowledge ranks first")
    save(figure, paths.cause_picture("confusion"))


def cause_confusion(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Cases by right cause and cause named first, of the test sets where they were judged, and the causes' labels.

    Every right cause has its column, so that what was never named shows as never named.
    """
    of = "test_sets" if _are_judged(cells) else "drawn"
    own = cells[(cells["of"] == of) & (cells["method"] == "knowledge")]
    labels = {cause.name: cause.label for cause in causes()}
    rows = [name for name in (*labels, POOLED) if name in set(own["right"])]
    columns = [name for name in labels if name in set(own["named"]) | set(rows)]
    counts = own.pivot_table(index="right", columns="named", values="cases", aggfunc="sum", fill_value=0)
    return counts.reindex(index=rows, columns=columns, fill_value=0).astype(int), labels


def _are_judged(cells: pd.DataFrame) -> bool:
    return bool((cells["of"] == "test_sets").any())


def draw_recurrence(told: Mapping[str, Any]) -> None:
    curves = pd.concat([pd.DataFrame(its.curve).assign(group=group) for group, its in told.items()])
    areas = {group: in_words(its.area.estimate) for group, its in told.items()}
    title = f"Recurrent herniation or scar?\n{told['both'].area.n:,} virtual cases of known truth: not for patients"
    save(group_roc(curves, areas, title, "AUROC of knowledge, 95 % interval"), paths.cause_picture("recurrence"))


def accuracy_table(figures: Mapping[str, Mapping[str, Estimate]]) -> pd.DataFrame:
    """`method`, `measure`, `estimate`, `lower`, `upper`: one row a bar."""
    return pd.DataFrame(
        [
            {"method": method, "measure": measure, **_limits(estimate)}
            for method, measured in figures.items()
            for measure, estimate in measured.items()
        ]
    )


def words_table(told: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """`word`, `told`, `share`, `lower`, `upper`, `promised`: one row a word."""
    return pd.DataFrame(
        [
            {"word": word, "told": its["told"], "share": its["share"].estimate, "promised": its["promised"]}
            | {name: value for name, value in _limits(its["share"]).items() if name != "estimate"}
            for word, its in told.items()
        ]
    ).astype({"share": float, "lower": float, "upper": float, "promised": float})


def _limits(estimate: Estimate) -> dict[str, float | None]:
    return {"estimate": estimate.estimate, "lower": estimate.lower, "upper": estimate.upper}


def in_words(estimate: Estimate) -> str:
    """An estimate with its interval, for a legend.

    >>> in_words(Estimate(0.8123, 0.7, 0.91))
    '0.81 (0.70 to 0.91)'
    """
    if estimate.estimate is None or estimate.lower is None or estimate.upper is None:
        return "not estimable" if estimate.estimate is None else f"{estimate.estimate:.2f}"
    return f"{estimate.estimate:.2f} ({estimate.lower:.2f} to {estimate.upper:.2f})"
