"""Runs one stage: `pipeline/run_stage train failure_12m`.

DVC hashes what a stage depends on after the stage has run, so an edit made meanwhile would link new
code or data to old output. The runner hashes the dependencies before and after, and refuses a change.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from features.errors import BackcastError, ParamsError, StaleInputError
from pipeline import paths
from pipeline.params import load_params

STAGES = (
    "registry", "ingest", "fidelity", "cohort", "derive", "split", "appraise", "train", "validate", "predict",
    "evaluate", "subgroups", "completeness", "stability", "builders", "cause", "explain", "report", "register",
)  # fmt: skip
OF_AN_OUTCOME = ("train", "validate")
"""Run once for each outcome."""
EXPERIMENTS = ("worth",)
"""Stages that cost minutes and that no other waits for: `dvc repro pipeline/experiments/dvc.yaml`."""


def run(stage: str, *item: str) -> None:
    """Run the stage, on its item where it is one of a matrix, and refuse inputs that changed meanwhile."""
    params = load_params()
    if item and item[0] not in params.train.outcomes:
        raise ParamsError(f"{item[0]} is not among train.outcomes ({', '.join(params.train.outcomes)}) of params.yaml.")
    before = dependency_hashes(stage, item)
    importlib.import_module(f"pipeline.stages.{stage}").run(params, *item)
    after = dependency_hashes(stage, item)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if changed:
        raise StaleInputError(
            f"{', '.join(changed)} changed while stage {stage} ran. Its outputs mix old and new; run `dvc repro` again."
        )


def dependency_hashes(stage: str, item: tuple[str, ...] = ()) -> dict[str, str]:
    """Hash of every file that its `dvc.yaml` says the stage depends on, params.yaml among them."""
    file = paths.EXPERIMENTS_DVC_YAML if stage in EXPERIMENTS else paths.DVC_YAML
    declared = yaml.safe_load(file.read_text())["stages"][stage]
    values = yaml.safe_load(paths.PARAMS.read_text()) | {"item": {"outcome": "".join(item)}}
    roots = [Path(_filled_in(dep, values)) for dep in declared.get("deps", [])] + [paths.PARAMS]
    files = [path for root in roots for path in (sorted(root.rglob("*")) if root.is_dir() else [root])]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }


def _filled_in(dep: str, values: dict[str, Any]) -> str:
    """A dependency with `${section.key}` replaced, as DVC fills it in from params.yaml."""

    def value(match: re.Match[str]) -> str:
        section, key = match[1].split(".")
        return str(values[section][key])

    return re.sub(r"\$\{(\w+\.\w+)\}", value, dep)


def main(arguments: list[str]) -> int:
    """Exit status: that of the error's kind, 0 when all went well."""
    wanted = 2 if arguments[:1] and arguments[0] in OF_AN_OUTCOME else 1
    if len(arguments) != wanted or arguments[0] not in STAGES + EXPERIMENTS:
        print(
            f"usage: pipeline/run_stage STAGE, or for {' and '.join(OF_AN_OUTCOME)} pipeline/run_stage STAGE OUTCOME; "
            f"stages: {', '.join(STAGES + EXPERIMENTS)}",
            file=sys.stderr,
        )
        return 2
    try:
        run(*arguments)
    except BackcastError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
