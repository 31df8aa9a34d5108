"""What the notebooks are as files: stripped, short, each a question, and nothing defined in them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))
MOST_CELLS, MOST_LINES = 12, 6
OLDER = ("10_optimism",)
"""A trial of a method, on data of its own: its cells are longer."""

each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def cells(file: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(file.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def code(file: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in cells(file, "code")]


def test_they_are_numbered_without_a_gap():
    assert [int(file.name[:2]) for file in FILES] == list(range(1, len(FILES) + 1))


@each
def test_nothing_that_ran_is_in_git(file):
    content = json.loads(file.read_text(encoding="utf-8"))
    assert set(content["metadata"]) == {"kernelspec", "language_info"}
    for cell in cells(file, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert all(cell["metadata"] == {} for cell in content["cells"])


@each
def test_the_title_is_a_question(file):
    title = "".join(cells(file, "markdown")[0]["source"]).splitlines()[0]
    assert re.fullmatch(r"# [A-Z].*\?", title), title


@each
def test_nothing_is_defined(file):
    for source in code(file):
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert not any(isinstance(node, defined) for node in ast.walk(ast.parse(source))), source


@pytest.mark.parametrize("file", [file for file in FILES if file.stem not in OLDER], ids=lambda file: file.stem)
def test_they_are_short(file):
    """Imports apart: a cell says what it asks in six lines or fewer."""
    assert len(code(file)) <= MOST_CELLS
    for source in code(file):
        lines = [line for line in source.splitlines() if line and not line.startswith(("import ", "from "))]
        assert len(lines) <= MOST_LINES, source


@each
def test_whatever_is_imported_is_public(file):
    """A notebook reads the project by its doors: no name of it that begins with an underscore."""
    for source in code(file):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                assert not any(alias.name.startswith("_") for alias in node.names), source


@each
def test_no_path_of_data_is_written_in_a_cell(file):
    """Where a file lies is known to `pipeline.paths` alone."""
    assert not [source for source in code(file) if re.search(r"[\"'](\.\./)?data/", source)]
