"""Runs notebooks one after the other in this process, as a kernel would, and writes down what each showed.

    python tests/notebooks/in_one_process.py found.json notebooks/01_cohort.ipynb ...

A kernel of its own for each costs seconds to start; what is left out here, rendering among it, `make notebooks` has,
and is tested with a kernel for one of them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from features.dictionary import load_dictionary
from pipeline.notebooks.door import figure_title


def told(file: Path) -> dict[str, Any]:
    """What a notebook showed: cells, figures with what they lack, pictures of another kind, errors and warnings."""
    shell = InteractiveShell.instance()
    shell.reset(new_session=False)
    found: dict[str, Any] = {"cells": 0, "figures": {}, "drawings": 0, "stderr": "", "error": None}
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        shell.history_manager.outputs.clear()
        with capture_output() as captured:
            ran = shell.run_cell("".join(cell["source"]))
        found["cells"] += 1
        found["stderr"] += captured.stderr
        if not ran.success:
            error = ran.error_in_exec or ran.error_before_exec
            found["error"] = [type(error).__name__, str(error)]
            return found
        value = _as_shown(shell)
        if isinstance(ran.result, Figure):
            found["figures"][figure_title(ran.result)] = lacks(ran.result)
            assert value["image/png"][:4] == b"\x89PNG"
        else:
            kinds = {*value, *(kind for output in captured.outputs for kind in output.data)}
            found["drawings"] += bool(kinds & {"image/svg+xml", "image/png", "text/html"})
    return found


def _as_shown(shell: InteractiveShell) -> dict[str, Any]:
    """What the value of the last cell was shown as, by kind of content; to make it once more costs as much again."""
    outputs = [output for at_once in shell.history_manager.outputs.values() for output in at_once]
    return next((output.bundle for output in outputs if output.output_type == "execute_result"), {})


def lacks(figure: Figure) -> list[str]:
    """What a figure lacks: a title, the name of an axis, the unit of a variable, a legend."""
    found = [] if figure_title(figure) else ["it has no title"]
    units = {v.label: v.unit for v in load_dictionary().variables if v.unit and v.unit not in v.label}
    panels = [axes for axes in figure.axes if axes.has_data() and axes.axison and axes.get_label() != "<colorbar>"]
    found += [] if panels else ["nothing is drawn"]
    for axes in panels:
        names = [axes.get_xlabel(), axes.get_ylabel()]
        found += [] if any(names) else [f"a panel ({axes.get_title('left')}) names no axis"]
        found += [f"{name} has no unit" for name in names if name in units]
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    found += ["a scale of colours has no name" for axes in bars if not (axes.get_ylabel() or axes.get_xlabel())]
    series = {label for axes in panels for label in axes.get_legend_handles_labels()[1]}
    has_legend = bool(figure.legends) or any(axes.get_legend() for axes in panels)
    has_legend |= any(sub.legends for sub in getattr(figure, "subfigs", ()))
    found += [f"{len(series)} series have no legend"] if len(series) > 1 and not has_legend else []
    words = " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    found += ["it says nan"] if re.search(r"\bnan\b", words) else []
    return found


if __name__ == "__main__":
    out, *files = sys.argv[1:]
    Path(out).write_text(json.dumps({Path(file).stem: told(Path(file)) for file in files}, indent=1), encoding="utf-8")
