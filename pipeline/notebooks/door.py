"""The door of a notebook: the study it reads, or one sentence that says what to run first.

>>> from pipeline.notebooks import opened
>>> study = opened("cohort", "evaluate")  # doctest: +SKIP
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import yaml
from IPython import get_ipython
from IPython.display import SVG
from matplotlib.figure import Figure

from models.drawing import SAVE
from pipeline import paths
from pipeline.notebooks.errors import NotMadeYetError, SkippedError
from pipeline.params import load_params
from pipeline.reporting.study import StudyArtefacts

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
FLOW_STYLE = (
    "svg.flow text{fill:#17212b;font-family:system-ui,sans-serif}svg.flow .box{fill:#f3f5f8;stroke:#566370}"
    "svg.flow .rail{fill:none;stroke:#566370;stroke-width:1.3}"
)


def opened(*stages: str, asks_builders: bool = False) -> StudyArtefacts:
    """The study of this repository, for a notebook that reads what these stages made.

    Works from `notebooks/` and from the root, where it goes. From here on a figure that is the value of a cell is
    shown as the report shows it.

    Parameters
    ----------
    stages : names of stages in `dvc.yaml`
    asks_builders : bool
        Whether the story is about lesions, mimics and the drawing.

    Raises
    ------
    NotMadeYetError
        If a stage has not run; says which command to run.
    SkippedError
        If the study cannot ask what a stage asks, or no clinical builder applies to it and the story is about them.
    """
    _go_to_the_root()
    study = StudyArtefacts(load_params())
    why_not = reason_to_skip(study, stages, asks_builders)
    if why_not:
        raise SkippedError(f"{why_not[0].upper()}{why_not[1:]}: this story, or the rest of it, is left out.")
    missing = [(stage, out) for stage in stages for out in outputs(stage) if not out.exists()]
    if missing:
        stage, out = missing[0]
        raise NotMadeYetError(
            f"Stage {stage} has not run here: {out} does not exist. Run `make repro` in the root of the repository, "
            f"then run this notebook again."
        )
    show_figures()
    return study


def reason_to_skip(study: StudyArtefacts, stages: Sequence[str], asks_builders: bool) -> str:
    """Why this study cannot tell a story, as its `study.yaml` says; empty where it can."""
    asked = study.params.study
    if asks_builders and not asked.builders:
        return f"no clinical builder applies to {asked.title}, since neither lesions nor pain drawings are recorded"
    return next((asked.not_asked[stage] for stage in stages if stage in asked.not_asked), "")


def outputs(stage: str) -> list[Path]:
    """What a stage leaves, as `dvc.yaml` says; of a matrix, the folder that holds all of it."""
    declared = yaml.safe_load(paths.DVC_YAML.read_text(encoding="utf-8"))["stages"][stage]
    listed = [out for kind in ("outs", "metrics", "plots") for out in declared.get(kind, [])]
    names = [name for out in listed for name in ([out] if isinstance(out, str) else out)]
    return [Path(name.partition("${")[0]) for name in names]


def _go_to_the_root() -> None:
    """From `notebooks/`, where Jupyter starts a notebook, to the root, from which every path is told."""
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / paths.PARAMS).is_file()), here)
    os.chdir(root)


def show_figures() -> None:
    """Let a figure that is the value of a cell be shown once, with the margins and sharpness of the report's.

    A table is shown whole, with numbers of three decimals, and what is missing as a dash.
    """
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, png)
        shell.display_formatter.formatters["text/plain"].for_type(Figure, _in_words)
        shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, table)


def drawn(svg: str) -> SVG:
    """A figure that is SVG text, such as that of `models.case_picture.case_figure`, for a cell.

    One whose colours come from the page that shows it, as the report's flow of cases, brings them along.
    """
    if 'class="flow"' in svg:
        svg = svg.replace("><", f" {NAMESPACE}><style>{FLOW_STYLE}</style><", 1)
    return SVG(data=svg)


def figure_title(figure: Figure) -> str:
    """What stands above a figure; of one without a title of its own, that of its first panel."""
    heads = [figure.get_suptitle(), *(legend.get_title().get_text() for legend in figure.legends)]
    heads += [text.get_text() for text in figure.texts]
    heads += [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center")]
    return next((head for head in heads if head), "")


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a picture; it is closed."""
    held = io.BytesIO()
    figure.savefig(held, format="png", **SAVE)
    plt.close(figure)
    return held.getvalue()


def table(rows: pd.DataFrame) -> str:
    """A table as HTML."""
    return rows.to_html(na_rep="–", float_format=lambda value: f"{value:.3f}".replace("-", "−"))


def _in_words(figure: Figure, printer: Any, cycle: bool) -> None:
    printer.text(figure_title(figure))
