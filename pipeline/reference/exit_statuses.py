"""The page of the exit statuses: every kind of mistake, from the classes of errors themselves."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pipeline
from features import errors
from features.errors import BackcastError
from pipeline.reference.markdown import made_from, table

LINE_OF_TREE = re.compile(r"[├└]── (?P<kind>\w+) +\d+ +(?P<when>.*)$", flags=re.MULTILINE)
OF_ANY_COMMAND = (
    ("0", "", "all went well"),
    ("1", "", "a fault of ours, with its traceback: please tell us"),
    ("2", "", "the command was called with arguments it does not know"),
)


def exit_statuses_page() -> str:
    """Every exit status as a Markdown page."""
    known = [(str(kind.exit_status), f"`{kind.__name__}`", _when(kind)) for kind in sorted(kinds(), key=_status)]
    lines = [
        "# Exit statuses",
        "",
        made_from("features/errors.py") + " The later ones stand in the `errors.py` of their package.",
        "",
        "A command and a stage end with the status of what went wrong, and with one message that says what, where and "
        "what to do. A message counts cases and names columns and rows; it never quotes a value of a patient.",
        "",
        *table(("status", "kind", "when"), sorted([*OF_ANY_COMMAND, *known], key=lambda row: int(row[0]))),
    ]
    return "\n".join(lines) + "\n"


def kinds(above: type[BackcastError] = BackcastError) -> Iterator[type[BackcastError]]:
    """Every kind of mistake that has an exit status of its own, in whatever package it stands."""
    if above is BackcastError:
        _load_errors()
    for kind in above.__subclasses__():
        if "exit_status" in vars(kind):
            yield kind
        yield from kinds(kind)


def _load_errors() -> None:
    """Every module named `errors`, since a class is known to its parent only once it is made."""
    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)


def _status(kind: type[BackcastError]) -> int:
    return kind.exit_status


def _when(kind: type[BackcastError]) -> str:
    """What a kind is for: its docstring, or its line in the tree of `features/errors.py`."""
    of_tree = {found["kind"]: found["when"] for found in LINE_OF_TREE.finditer(errors.__doc__ or "")}
    return of_tree.get(kind.__name__) or (kind.__doc__ or "").strip()
