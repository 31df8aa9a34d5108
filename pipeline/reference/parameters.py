"""The page of `params.yaml`: every choice by section, with its default and the words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pipeline import paths
from pipeline.reference.markdown import code, made_from, table

COMMENT = re.compile(r"(?:^|\s)#\s?(?P<words>.*)$")


class Choice(NamedTuple):
    """One parameter: its dotted name below the section, its value as it is written, and what is said of it."""

    name: str
    value: str
    words: str


def parameters_page(params: Path = paths.PARAMS) -> str:
    """Every section of the parameters as a Markdown page."""
    text = params.read_text(encoding="utf-8")
    lines = [
        "# Parameters",
        "",
        made_from("params.yaml"),
        "",
        "Choices that two honest teams could make differently. What is true whatever one decides stands in the "
        "[knowledge tables](knowledge.md) instead. A misspelt key, a missing one and a value out of range are refused "
        "by name, all at once. `dvc exp run -S train.refits=20` tries another value without touching the file; "
        "`dvc params diff` says what changed since the last commit.",
    ]
    for section, words, choices in sections(text):
        lines += ["", f"## {section}", "", *([sentence(words), ""] if words else [])]
        lines += table(("parameter", "default", "what it says"), [_row(choice) for choice in choices])
    return "\n".join(lines) + "\n"


def sections(text: str) -> Iterator[tuple[str, str, list[Choice]]]:
    """Each section of a parameter file: its name, what is said of it, its choices in order."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    written = text.splitlines()
    for key, node in root.value:
        yield key.value, *_section(node, key.start_mark.line, written)


def _section(node: Any, first: int, written: list[str]) -> tuple[str, list[Choice]]:
    if not isinstance(node, yaml.MappingNode):
        return "", [Choice("", _as_written(node, written), _words(written[first : first + 1]))]
    leaves = list(_leaves(node))
    starts = [key.start_mark.line for _, key, _ in leaves] + [node.end_mark.line]
    choices = [
        Choice(name, _as_written(value, written), _words(written[start:end]))
        for (name, _, value), start, end in zip(leaves, starts, starts[1:], strict=False)
    ]
    return _words(written[first : starts[0]]), choices


def _leaves(node: yaml.MappingNode, above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Names, keys and values of a section; of a mapping written over several lines those of its entries too."""
    for key, value in node.value:
        name = f"{above}{key.value}"
        yield name, key, value
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _leaves(value, f"{name}.")


def _as_written(node: Any, written: list[str]) -> str:
    """The value in its own spelling; empty where the lines below hold it."""
    start, end = node.start_mark, node.end_mark
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return ""
    return " ".join(written[start.line : end.line + 1])[start.column :].split(" #")[0].strip()


def _words(lines: list[str]) -> str:
    """What the comments of these lines say, joined where a sentence goes on below."""
    found = [match["words"].strip() for line in lines if (match := COMMENT.search(line))]
    return " ".join(found)


def sentence(words: str) -> str:
    """Words as a sentence of a page."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "?", "!")) else ".")


def _row(choice: Choice) -> tuple[str, str, str]:
    return code(choice.name), code(choice.value), choice.words
