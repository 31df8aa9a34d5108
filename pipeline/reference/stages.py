"""The page of the stages: what each does, reads, obeys and writes, from `dvc.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipeline import paths
from pipeline.reference.markdown import code, made_from, table

HEAD = ("stage", "what it does", "reads the output of", "parameters", "writes to `data/`")


def stages_page(dvc_yaml: Path = paths.DVC_YAML, experiments: Path = paths.EXPERIMENTS_DVC_YAML) -> str:
    """Every stage as a Markdown page, those that `dvc repro` runs first."""
    stages, apart = (_stages(file) for file in (dvc_yaml, experiments))
    lines = [
        "# Stages",
        "",
        made_from(str(dvc_yaml), str(experiments)),
        "",
        f"`dvc repro` runs those of the {len(stages)} stages that are out of date, in this order. Each reads files, "
        "makes one pure call and writes files. Code and knowledge tables are dependencies too: `dvc.yaml` lists them "
        "module by module. `dvc repro STAGE` runs a stage and what it needs; `dvc status` says what would run, and "
        "why. The page on the [architecture](../explanation/architecture.md) has a drawing.",
        "",
        *table(HEAD, [_row(name, stage, stages) for name, stage in stages.items()]),
        "",
        "## Apart from `dvc repro`",
        "",
        "What takes minutes, and nothing waits for: `make worth`.",
        "",
        *table(HEAD, [_row(name, stage, stages | apart) for name, stage in apart.items()]),
    ]
    return "\n".join(lines) + "\n"


def _stages(file: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))["stages"]


def _row(name: str, stage: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    does = str(stage["desc"]) + (", once for each outcome" if "matrix" in stage else "")
    obeys = dict.fromkeys(_names(stage.get("params", [])))
    makes = [_below_data(out) for out in _written(stage)] or ["models in MLflow, and the ledger"]
    return code(name), does, _read(stage, stages), ", ".join(map(code, obeys)), ", ".join(makes)


def _read(stage: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> str:
    """The stages whose files it reads, in the order in which they run; and a file that the parameters name."""
    deps = _names(stage.get("deps", []))
    makers = [
        name for name, maker in stages.items() if any(_is_of(dep, out) for dep in deps for out in _written(maker))
    ]
    return ", ".join([*(f"`{dep[2:-1]}`" for dep in deps if dep.startswith("${")), *makers])


def _is_of(dep: str, out: str) -> bool:
    """Whether an output is what is read, lies in a folder that is read, or is the folder in which that lies."""
    read, written = PurePosixPath(dep), PurePosixPath(out)
    return read == written or read in written.parents or written in read.parents


def _written(stage: Mapping[str, Any]) -> list[str]:
    return [out for kind in ("outs", "metrics") for out in _names(stage.get(kind, []))]


def _names(entries: Iterable[Any]) -> list[str]:
    """DVC writes an entry as a path, or as a path with options; one of a matrix has the item in it."""
    named = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
    return [name.replace("${item.outcome}", "OUTCOME") for name in named]


def _below_data(out: str) -> str:
    return code(out.split("data/", 1)[-1])
