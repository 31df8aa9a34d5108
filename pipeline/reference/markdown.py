"""Lines of Markdown that every reference page is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table as lines; a bar in a cell would end it, so it becomes a stroke, and a break becomes a blank."""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    return ["| " + " | ".join(_cell(text) for text in line) + " |" for line in lines]


def made_from(*sources: str) -> str:
    """The sentence below the title of a generated page."""
    named = " and ".join(f"`{source}`" for source in sources)
    return f"Made from {named} by `make docs`; do not edit this page."


def code(text: object) -> str:
    """Text as code, or nothing where there is none."""
    return f"`{text}`" if str(text) else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
