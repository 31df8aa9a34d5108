"""What `dvc repro` costs: the first time, again with nothing changed, and after one change.

It runs in a clone of what is committed, with a cache and a store of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.bench.measuring import Ended, Row, alone, program

TITLE = "What does `dvc repro` cost?"
LEAST = 2_400


def rows(scale: float) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = cloned(Path(name) / "clone")
        n = parameters(folder)["registry"]["cases"]
        if scale < 1:
            n = max(int(n * scale), LEAST)
            change(folder, "registry", "cases", n)
        first = repro(folder)
        again = repro(folder)
        change(folder, "explain", "waterfalls", 2)
        late = repro(folder)
    how = f"the default study with {n:,} cases, in a clone; {len(stages_run(first))} stages run"
    return [
        Row(
            what="`dvc repro`, the first time", figure=first.seconds, unit="s", how=how,
            limited_by="leaving centres out by the whole recipe, then training; stages run one after the other",
        ),
        Row(
            what="again, with nothing changed, beside the first", figure=again.seconds / first.seconds, unit="times",
            how=f"{again.seconds:.0f} s; what runs: {', '.join(stages_run(again))}",
            limited_by="hashing what stages depend on, and importing MLflow to find everything registered",
        ),
        Row(
            what="after one late change, beside the first", figure=late.seconds / first.seconds, unit="times",
            how=f"`explain.waterfalls` changed; {late.seconds:.0f} s; what runs: {', '.join(stages_run(late))}",
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


def parameters(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def change(folder: Path, section: str, name: str, value: object) -> None:
    """Another value in the clone's parameters."""
    params = parameters(folder)
    params[section][name] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def stages_run(ended: Ended) -> list[str]:
    """The stages that DVC ran, and did not skip or take from its cache, by name."""
    return [f"`{stage}`" for stage in re.findall(r"^Running stage '(.+)'", ended.out, flags=re.MULTILINE)]


def repro(folder: Path, *targets: str) -> Ended:
    env = {"VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(folder)}
    return alone([program("dvc"), "repro", *targets], cwd=folder, env=env)
