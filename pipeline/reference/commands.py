"""The page of the commands: what `backcast` and `make` can do, as they say it themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.cli import cli
from pipeline.reference.markdown import code, made_from, table

MAKEFILE = Path("Makefile")
TARGET = re.compile(r"^(?P<name>[a-z]+):.*?## (?P<does>.*)$", flags=re.MULTILINE)


def commands_page(makefile: Path = MAKEFILE) -> str:
    """Every command with its arguments and options as a Markdown page."""
    named = list(_commands(cli, click.Context(cli, info_name="backcast")))
    lines = [
        "# Commands",
        "",
        made_from("pipeline/cli.py", str(makefile)),
        "",
        "`.venv/bin/backcast COMMAND --help` says the same. A mistake ends with one message and an "
        "[exit status](exit_statuses.md) of its kind.",
        "",
        *table(("command", "does"), [(_link(path), _first(command)) for path, command, _ in named]),
        "",
        "## make",
        "",
        "Each target sets up `.venv` first if that is out of date.",
        "",
        *table(("target", "does"), [(f"`make {name}`", does) for name, does in _targets(makefile)]),
    ]
    for path, command, context in named:
        lines += ["", *_section(path, command, context)]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, above: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command below a group, by the words that call it."""
    for name in group.list_commands(above):
        command = group.commands[name]
        context = click.Context(command, info_name=name, parent=above)
        if isinstance(command, click.Group):
            yield from _commands(command, context)
        elif not command.hidden:
            yield context.command_path, command, context


def _targets(makefile: Path) -> list[tuple[str, str]]:
    return [(found["name"], found["does"]) for found in TARGET.finditer(makefile.read_text(encoding="utf-8"))]


def _section(path: str, command: click.Command, context: click.Context) -> list[str]:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    options = [record for param in command.params if (record := param.get_help_record(context))]
    about = [line.strip() for line in (command.help or "").strip().splitlines()]
    lines = [f"## {path}", "", *about, "", "```text", usage, "```"]
    if options:
        lines += ["", *table(("option", ""), [(code(name), words) for name, words in options])]
    return lines


def _link(path: str) -> str:
    return f"[`{path}`](#{path.replace(' ', '-')})"


def _first(command: click.Command) -> str:
    return (command.help or "").strip().splitlines()[0]
