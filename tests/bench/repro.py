"""What `dvc repro` costs: the first time, again with nothing changed, and after one change.

It runs in a clone of what is committed, with a cache and a store of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.bench.measuring import Ended, Row, alone, program

TITLE = "What does `dvc repro` cost?"
CASES, LEAST = 12_000, 2_400


def rows(scale: float) -> list[Row]:
    n = max(int(CASES * scale), LEAST)
    with tempfile.TemporaryDirectory() as name:
        folder = cloned(Path(name) / "clone")
        if n != CASES:
            change(folder, "registry", "cases", n)
        first = repro(folder)
        again = repro(folder)
        change(folder, "explain", "waterfalls", 2)
        late = repro(folder)
    ran = [len(re.findall(r"^Running stage", ended.out, flags=re.MULTILINE)) for ended in (first, again, late)]
    how = f"the default study with {n:,} cases, in a clone; {ran[0]} stages run"
    return [
        Row(
            what="`dvc repro`, the first time", figure=first.seconds, unit="s", how=how,
            limited_by="training, and leaving centres out by the whole recipe; stages run one after the other",
        ),
        Row(
            what="again, with nothing changed, beside the first", figure=again.seconds / first.seconds, unit="times",
            how=f"{again.seconds:.0f} s; {ran[1]} stage runs: `register`, always",
            limited_by="hashing what stages depend on, and importing MLflow to find everything registered",
        ),
        Row(
            what="after one late change, beside the first", figure=late.seconds / first.seconds, unit="times",
            how=f"`explain.waterfalls` changed; {late.seconds:.0f} s; {ran[2]} stages run",
            limited_by="the imports of each stage that runs again, and its pictures",
        ),
        Row(
            what="memory peak of all that runs at one moment", figure=first.together_gb, unit="GB",
            how="looked at twice a second, shared memory counted once", limited_by="DVC, and the one stage that runs",
        ),
    ]  # fmt: skip


def cloned(folder: Path) -> Path:
    """A clone of what is committed, with this environment and without what was made."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ".", str(folder)], check=True)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "dvc.lock").unlink(missing_ok=True)
    return folder


def change(folder: Path, section: str, name: str, value: object) -> None:
    """Another value in the clone's parameters."""
    file = folder / "params.yaml"
    params = yaml.safe_load(file.read_text(encoding="utf-8"))
    params[section][name] = value
    file.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def repro(folder: Path, *targets: str) -> Ended:
    env = {"VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(folder)}
    return alone([program("dvc"), "repro", *targets], cwd=folder, env=env)
