"""Every notebook executed on what is in `data/`, and rendered as a page of its own: `make notebooks`.

Each runs in a kernel of its own, from its stripped file, and nothing is written back to it. A page needs no outside
host. One that says which command to run first makes no page; one that a study cannot tell makes a page that says so.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import markupsafe
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert.filters import Highlight2HTML, markdown2html, strip_ansi
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from features.errors import BackcastError, FileFormatError
from pipeline.files import write_text
from pipeline.kinds_of_errors import kinds_of_errors
from pipeline.reporting.page import environment

NOTEBOOKS = Path("notebooks")
PAGES = Path("data") / "notebooks"
AT_ONCE = 2
"""Kernels that run at the same time."""
SECONDS = 600
"""That one cell may take."""
SHOWN_FIRST = ("text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain")
"""Of the kinds in which an output comes; a widget, which needs a kernel, comes with a picture too."""
UNEXPECTED = 1
"""Exit status where a notebook fails for a reason that is no mistake of its user."""


@dataclass(frozen=True)
class Made:
    """What became of one notebook."""

    name: str
    title: str
    seconds: float
    status: int = 0
    said: str = ""
    """Why it was skipped, or what it failed with."""

    @property
    def is_page(self) -> bool:
        return self.status == 0


def make_notebooks(names: Sequence[str] = (), out: Path = PAGES) -> list[Made]:
    """Execute the notebooks and write a page for each that could be told, and an index.

    Parameters
    ----------
    names : file names without their ending, optional
        All of `notebooks/`, in their order, where none is named.
    out : Path
        Folder of the pages; one that is left over from another run is removed.

    Raises
    ------
    FileFormatError
        If there is no such notebook.
    """
    files = notebook_files(names)
    for old in out.glob("*.html") if not names else [out / f"{file.stem}.html" for file in files]:
        old.unlink(missing_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(lambda file: _made(file, out), files))
    if not names:
        page = environment().get_template("notebooks.html.j2").render(notebooks=made)
        write_text(page, out / "index.html")
    return made


def notebook_files(names: Sequence[str] = ()) -> list[Path]:
    """The files of the named notebooks, or of all."""
    files = [NOTEBOOKS / f"{name}.ipynb" for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        raise FileFormatError(f"{', '.join(missing) or NOTEBOOKS} does not exist. Run in the root of the repository.")
    return files


def _made(file: Path, out: Path) -> Made:
    started = time.monotonic()
    notebook = nbformat.read(file, as_version=4)
    about = {"name": file.stem, "title": title_of(notebook)}
    status, said, told = 0, "", notebook
    try:
        executed(notebook)
    except CellExecutionError as error:
        status, said = failure(error.ename, error.evalue, error.traceback)
        told = until_failure(notebook)
    made = Made(**about, seconds=time.monotonic() - started, status=status, said=said)
    if made.is_page:
        write_text(page(told, made), out / f"{file.stem}.html")
    return made


def executed(notebook: NotebookNode) -> None:
    """Run every cell in a kernel of its own, in the root of the repository; outputs stay in the notebook.

    What passes between this process and the kernel may be patients' data: it goes by a socket that its owner alone
    may open, wherever there are such sockets.
    """
    with tempfile.TemporaryDirectory(prefix="backcast-kernel-") as folder:
        about = {"kernel_name": "python3", "connection_file": f"{folder}/connection.json"}
        if sys.platform != "win32":
            about |= {"transport": "ipc", "ip": f"{folder}/socket"}
        client = NotebookClient(
            notebook, km=AsyncKernelManager(**about), timeout=SECONDS, store_widget_state=False, record_timing=False,
            resources={"metadata": {"path": str(Path.cwd())}},
        )  # fmt: skip
        client.execute(cleanup_kc=True, env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})


def failure(kind: str, said: str, traceback: str) -> tuple[int, str]:
    """Exit status and message of an error, by its name: ours in a sentence, any other with where it happened."""
    statuses = {one.__name__: one.exit_status for one in kinds_of_errors()}
    return (statuses[kind], said) if kind in statuses else (UNEXPECTED, strip_ansi(traceback))


def until_failure(notebook: NotebookNode) -> NotebookNode:
    """The cells up to the one that failed, whose output is its sentence alone."""
    for place, cell in enumerate(notebook.cells):
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return NotebookNode({**notebook, "cells": notebook.cells[: place + 1]})
    return notebook


def title_of(notebook: NotebookNode) -> str:
    """The question above it."""
    return str(next(line for line in notebook.cells[0].source.splitlines() if line.startswith("# "))).removeprefix("# ")


# ---- the page ----------------------------------------------------------------------------------------


def page(notebook: NotebookNode, made: Made) -> str:
    """An executed notebook as a page that holds all it needs."""
    lead, *cells = [part for cell in notebook.cells for part in _parts(cell)]
    return environment().get_template("notebook.html.j2").render(
        made=made,
        lead=markupsafe.Markup(re.sub(r"<h1.*?</h1>", "", lead["html"], count=1, flags=re.DOTALL)),
        parts=cells,
        code_style=markupsafe.Markup(HtmlFormatter(nobackground=True).get_style_defs(".highlight")),
    )  # fmt: skip


def _parts(cell: NotebookNode) -> Iterable[dict[str, Any]]:
    if cell.cell_type == "markdown":
        yield {"kind": "text", "html": without_anchors(markdown2html(cell.source))}
        return
    yield {"kind": "code", "html": markupsafe.Markup(Highlight2HTML()(cell.source))}
    for output in cell.outputs:
        yield from _shown(output)


def _shown(output: NotebookNode) -> Iterable[dict[str, Any]]:
    if output.output_type == "error":
        yield {"kind": "said", "words": output.evalue}
    elif output.output_type == "stream":
        yield {"kind": "plain", "words": output.text}
    else:
        kind = next(kind for kind in SHOWN_FIRST if kind in output.data)
        yield _figure(kind, output.data)


def _figure(kind: str, data: Mapping[str, str]) -> dict[str, Any]:
    content = data[kind]
    if kind == "image/png":
        return {"kind": "png", "base64": content.strip(), "alt": data.get("text/plain", "")}
    if kind == "text/markdown":
        return {"kind": "text", "html": without_anchors(markdown2html(content))}
    if kind == "text/plain":
        return {"kind": "plain", "words": content}
    return {
        "kind": "html",
        "html": markupsafe.Markup(re.sub(r"<style scoped>.*?</style>", "", content, flags=re.DOTALL)),
    }


def without_anchors(text: str) -> markupsafe.Markup:
    """HTML of a text without the marks by which Jupyter links to its headings."""
    return markupsafe.Markup(re.sub(r'<a class="anchor-link".*?</a>', "", text, flags=re.DOTALL))


# ---- the command -------------------------------------------------------------------------------------


def main(names: Sequence[str]) -> int:
    """Make the notebooks, say what became of each, and return the exit status: that of the first that failed."""
    try:
        made = make_notebooks(names)
    except BackcastError as error:
        print(f"notebooks: {error}", file=sys.stderr)
        return error.exit_status
    for one in made:
        where = f"{PAGES / one.name}.html" if one.is_page else "no page"
        print(f"{one.name:22} {one.seconds:5.1f} s  {where}{'; ' if one.said else ''}{one.said if one.is_page else ''}")
    failed = [one for one in made if not one.is_page]
    for said, names_of in _by_message(failed).items():
        print(f"notebooks: {', '.join(names_of)}: {said}", file=sys.stderr)
    return failed[0].status if failed else 0


def _by_message(failed: Iterable[Made]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in failed:
        found.setdefault(one.said, []).append(one.name)
    return found
