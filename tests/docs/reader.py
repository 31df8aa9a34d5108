"""Reads the pages as a newcomer does: every block of commands is run, in order, in a clone of its own.

A fence says what a block is: `sh` is run; `console` is run, and what it shows below a `$ ` line is what must come out,
`…` standing for anything; `diff` is applied; `python` is run. A comment on the line before a fence changes that:

    <!-- not run: why a test cannot -->
    <!-- background: http://127.0.0.1:8071/ready -->       goes on until the page ends, once that address answers
    <!-- fails: 8 -->                                      ends with that exit status, as the page says
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("sh", "console", "diff", "python")
"""What a fence may be called whose text is run; the rest is only shown."""
SHOWN = ("text", "json", "yaml", "sql", "output", "{toctree}")
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```\s*?$", re.MULTILINE | re.DOTALL
)
COMMENT = re.compile(r"<!-- (?P<kind>not run|background|fails): (?P<what>(?:(?!-->).)*) -->\s*\Z", re.DOTALL)
PORT = "8071"
"""Of the service, on every page; a test takes a free one in its place."""
BEGINS = "\x1e"
"""In what is said, before the number of the command that says what follows."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with what the comment before it says of it."""

    page: Path
    line: int
    section: str
    language: str
    text: str
    kind: str = ""
    what: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN and self.kind != "not run"


@dataclass(frozen=True)
class Command:
    """What is typed at once, and what the page shows as its answer, if it shows one."""

    block: Block
    typed: str
    shown: str = ""


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, found) for found in FENCE.finditer(text)]


def _block(page: Path, text: str, found: re.Match[str]) -> Block:
    before = COMMENT.search(text[: found.start()])
    said = {"kind": before["kind"], "what": " ".join(before["what"].split())} if before else {}
    headings = re.findall(r"^## (.*)$", text[: found.start()], flags=re.MULTILINE)
    section = headings[-1] if headings else ""
    indent = found["indent"]
    inside = re.sub(rf"^{indent}", "", found["text"], flags=re.MULTILINE)
    line = text.count("\n", 0, found.start()) + 1
    return Block(page, line, section, found["language"].strip(), inside, **said)


def commands_of(page: Path) -> list[Command]:
    return [command for block in blocks(page) if block.is_run for command in commands(block)]


def commands(block: Block) -> list[Command]:
    """What a block runs, one after the other."""
    if block.language == "diff":
        return [Command(block, f"git apply -C1 <<'END_OF_DIFF'\n{block.text}END_OF_DIFF")]
    if block.language == "python":
        return [Command(block, f"python <<'END_OF_PYTHON'\n{block.text}END_OF_PYTHON")]
    if block.language == "sh":
        return [Command(block, block.text.rstrip())]
    return [_typed(block, part) for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]]


def _typed(block: Block, part: str) -> Command:
    """What stands behind a prompt, the lines that begin with `> ` and go on with it, and the answer."""
    first, *rest = part.splitlines()
    typed = [first]
    while rest and rest[0].startswith("> "):
        typed.append(rest.pop(0)[2:])
    return Command(block, "\n".join(typed), "\n".join(rest))


def run_pages(followed: Sequence[Path], folder: Path) -> None:
    """Follow the pages in the folder, in one shell, and compare what they show with what comes out."""
    wanted: dict[tuple[str, str], Command] = {}
    for command in (command for page in followed for command in commands_of(page)):
        # What two pages say word for word is done once; so is what was typed before and now shows no answer.
        is_done = not command.shown and any(typed == command.typed for typed, _ in wanted)
        if not is_done:
            wanted.setdefault((command.typed, command.shown), command)
    run_commands(list(wanted.values()), folder)


def run_commands(wanted: Sequence[Command], folder: Path) -> None:
    """Run what is typed, in one shell, and hold every answer against the one that is shown."""
    port = free_port()
    move_service(folder, PORT, port)
    script = "\n".join([HEAD, *(_step(number, command) for number, command in enumerate(wanted))])
    done = subprocess.run(
        ["bash"], input=script.replace(PORT, port), cwd=folder, env=environment(folder),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    move_service(folder, port, PORT)
    said = dict(_said(done.stdout.replace(port, PORT)))
    reached = wanted[max(said, default=0)]
    told = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, f"{reached.block.place} ends with {done.returncode}:\n{reached.typed}\n{told}"
    wrong = [
        f"{command.block.place}: $ {command.typed}\nis shown with\n{command.shown}\nand says\n{said[number]}"
        for number, command in enumerate(wanted)
        if command.shown and not shows(command.shown, said[number])
    ]
    assert not wrong, "\n\n".join(wrong)


HEAD = """set -euo pipefail
started=
trap 'for one in $started; do kill $one 2>/dev/null; done; wait' EXIT
answers() { curl -fs "$1" >/dev/null; }
until_answers() {
    for _ in $(seq 300); do answers "$1" && return; sleep 0.2; done
    cat background.log; exit 99
}
"""


def _step(number: int, command: Command) -> str:
    """The command as lines of the script, its number said before it; what goes on already is not started again."""
    kind, what, typed = command.block.kind, command.block.what, command.typed
    lines = [f"printf '\\n{BEGINS}%s\\n' {number}"]
    if kind == "background":
        lines += [f"if ! answers {what}; then", f"{typed} >background.log 2>&1 &", 'started="$started $!"', "fi"]
        lines += [f"until_answers {what}"]
    elif kind == "fails":
        lines += ["set +e", "(", typed, ") 2>&1", "status=$?", "set -e", f'[ "$status" = {what} ] || exit 98']
    elif command.block.language == "console":
        lines += ["{", typed, "} 2>&1"]
    else:
        lines += [typed]
    return "\n".join(lines)


def _said(out: str) -> Iterator[tuple[int, str]]:
    for part in out.split(f"\n{BEGINS}")[1:]:
        number, _, text = part.partition("\n")
        yield int(number), text


def shows(shown: str, said: str) -> bool:
    """Whether a page's answer is what came out: blanks do not count, and `…` is anything."""
    parts = [re.escape("".join(part.split())) for part in shown.split("…")]
    return re.fullmatch(".*".join(parts), "".join(said.split()), flags=re.DOTALL) is not None


def move_service(folder: Path, port: str, to: str) -> None:
    """Another port in the parameters of a clone."""
    params = folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace(f"port: {port}", f"port: {to}"), encoding="utf-8")


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def environment(folder: Path) -> dict[str, str]:
    """As in the folder's own environment: its code first, nothing of the tests' or of another store."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "PYTEST", "BACKCAST"))}
    return kept | {
        "VIRTUAL_ENV": sys.prefix,
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "agg",
    }


def clone(source: Path, folder: Path) -> Path:
    """What git would clone of the source, edits of now included, as a repository with an environment."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", cwd=source).split("\n")
    for name in filter(None, listed):
        if (source / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, folder / name)
    _git("init", "-q", cwd=folder)
    _git("add", "-A", cwd=folder)
    _git("-c", "user.email=test@example.invalid", "-c", "user.name=test", "commit", "-qm", "a clone", cwd=folder)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def _git(*arguments: str, cwd: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True).stdout
