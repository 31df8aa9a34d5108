"""The page of the exit statuses: every kind of mistake, from the classes of errors themselves."""

from __future__ import annotations

import re

from features import errors
from features.errors import BackcastError
from pipeline.kinds_of_errors import kinds_of_errors
from pipeline.reference.markdown import made_from, table

LINE_OF_TREE = re.compile(r"[├└]── (?P<kind>\w+) +\d+ +(?P<when>.*)$", flags=re.MULTILINE)
OF_ANY_COMMAND = (
    ("0", "", "all went well"),
    ("1", "", "a fault of ours, with its traceback: please tell us"),
    ("2", "", "the command was called with arguments it does not know"),
)


def exit_statuses_page() -> str:
    """Every exit status as a Markdown page."""
    known = [
        (str(kind.exit_status), f"`{kind.__name__}`", _when(kind)) for kind in sorted(kinds_of_errors(), key=_status)
    ]
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


def _status(kind: type[BackcastError]) -> int:
    return kind.exit_status


def _when(kind: type[BackcastError]) -> str:
    """What a kind is for: its docstring, or its line in the tree of `features/errors.py`."""
    of_tree = {found["kind"]: found["when"] for found in LINE_OF_TREE.finditer(errors.__doc__ or "")}
    return of_tree.get(kind.__name__) or (kind.__doc__ or "").strip()
