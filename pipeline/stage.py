"""Runs one stage: `pipeline/run_stage cohort`, or for one outcome `pipeline/run_stage train failure_12m`.

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
from pipeline.not_asked import write_not_asked
from pipeline.params import load_params
from pipeline.study import DEFAULT_STUDY

STAGES = (
    "registry", "ingest", "fidelity", "cohort", "derive", "split", "appraise", "train", "validate", "predict",
    "evaluate", "subgroups", "completeness", "stability", "builders", "cause", "explain", "report", "register",
)  # fmt: skip
OF_AN_OUTCOME = ("train", "validate")
"""Run for every outcome of `train.outcomes`, or for one that is named by hand."""
EXPERIMENTS = ("worth",)
"""Stages that cost minutes and that no other waits for: `dvc repro pipeline/experiments/dvc.yaml`."""


def run(stage: str, *item: str) -> None:
    """Run the stage, for one outcome where one is named, and refuse inputs that changed meanwhile.

    A stage that asks what the study cannot answer writes why in place of its outputs.
    """
    params = load_params()
    if stage in EXPERIMENTS and params.study.name != DEFAULT_STUDY:
        raise ParamsError(f"{stage} is of the study {DEFAULT_STUDY}; params.yaml has {params.study.name}.")
    reason = params.study.not_asked.get(stage)
    if reason:
        write_not_asked(outputs(stage), reason)
        return
    if item and item[0] not in params.train.outcomes:
        raise ParamsError(f"{item[0]} is not among train.outcomes ({', '.join(params.train.outcomes)}) of params.yaml.")
    before = dependency_hashes(stage)
    importlib.import_module(f"pipeline.stages.{stage}").run(params, *item)
    after = dependency_hashes(stage)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if changed:
        raise StaleInputError(
            f"{', '.join(changed)} changed while stage {stage} ran. Its outputs mix old and new; run `dvc repro` again."
        )


def dependency_hashes(stage: str) -> dict[str, str]:
    """Hash of every file that its `dvc.yaml` says the stage depends on, params.yaml among them."""
    values = yaml.safe_load(paths.PARAMS.read_text())
    values["study"] = values.get("study", DEFAULT_STUDY)
    roots = [Path(_filled_in(dep, values)) for dep in _declared(stage).get("deps", [])] + [paths.PARAMS]
    files = [path for root in roots for path in (sorted(root.rglob("*")) if root.is_dir() else [root])]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }


def outputs(stage: str) -> list[Path]:
    """Every file or folder that its `dvc.yaml` says the stage makes."""
    declared = _declared(stage)
    listed = [*declared.get("outs", []), *declared.get("metrics", [])]
    return [Path(next(iter(out)) if isinstance(out, dict) else out) for out in listed]


def _declared(stage: str) -> dict[str, Any]:
    file = paths.EXPERIMENTS_DVC_YAML if stage in EXPERIMENTS else paths.DVC_YAML
    found: dict[str, Any] = yaml.safe_load(file.read_text())["stages"][stage]
    return found


def _filled_in(dep: str, values: dict[str, Any]) -> str:
    """A dependency with `${key}` and `${section.key}` replaced, as DVC fills them in from params.yaml."""

    def value(match: re.Match[str]) -> str:
        found: Any = values
        for key in match[1].split("."):
            found = found[key]
        return str(found)

    return re.sub(r"\$\{(\w+(?:\.\w+)?)\}", value, dep)


def main(arguments: list[str]) -> int:
    """Exit status: that of the error's kind, 0 when all went well."""
    most = 2 if arguments[:1] and arguments[0] in OF_AN_OUTCOME else 1
    if not 1 <= len(arguments) <= most or arguments[0] not in STAGES + EXPERIMENTS:
        print(
            f"usage: pipeline/run_stage STAGE, or for {' and '.join(OF_AN_OUTCOME)} STAGE [OUTCOME]; "
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
