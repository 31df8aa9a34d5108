"""Both files of stages declare what each imports and reads, no more and no less; the truth is nobody's input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from pipeline.stage import EXPERIMENTS, STAGES

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
APART = yaml.safe_load((ROOT / "pipeline/experiments/dvc.yaml").read_text(encoding="utf-8"))["stages"]
"""Outside the default graph."""
DVC = DEFAULT | APART
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
VIRTUAL = "pipeline/virtual"
DRAWING = {"registry", "builders", "cause", "worth"}
"""Stages that draw virtual cases, and so come upon their truth. No stage that trains a served model is among them."""
JUDGING = {"fidelity"}
"""Stages that read the truth of the registry, to hold it against published figures. None trains a model either."""
OF_COMMANDS = {"record", "monitor", "service", "cds_hooks", "study"}
"""Sections of `params.yaml` that no stage reads."""
STAGE_OF = {"cause_evidence": "cause"}
"""The stage of a section that is not named for it."""
BESIDE_THE_CODE = {
    "templates": "pipeline/templates",
    "served_causes.py": "pipeline/served_causes.py",
    "served_model.py": "pipeline/served_model.py",
    "published_tables": "models/published_tables",
    "body_outline.csv": "models/body_outline.csv",
    "probast.csv": "models/probast.csv",
    "cause_rules.csv": "models/cause_rules.csv",
}
"""What a module names as a file and does not import: by the word that names it."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("features", "models", "pipeline", exclude_type_checking_imports=True, cache_dir=None)


def entries(stage: str, kind: str) -> list[str]:
    """Names in a list of the stage, without the settings that may stand below one."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in DVC[stage].get(kind, [])]


def declared_code(stage: str) -> set[str]:
    return {dep for dep in entries(stage, "deps") if re.match(r"(features|models|pipeline)(/|$)", dep)}


def source(module: str) -> Path:
    file = ROOT / (module.replace(".", "/") + ".py")
    return file if file.is_file() else ROOT / module.replace(".", "/") / "__init__.py"


def modules(graph: grimp.ImportGraph, stage: str) -> set[str]:
    """Everything that Python runs for the stage: what is imported, and the packages around it."""
    found = set(graph.find_upstream_modules(f"pipeline.stages.{stage}"))
    found |= graph.find_upstream_modules("pipeline.stage") | {f"pipeline.stages.{stage}", "pipeline.stage"}
    for module in list(found):
        parts = module.split(".")
        found |= {".".join(parts[:depth]) for depth in range(1, len(parts))}
    return found


def imported_code(graph: grimp.ImportGraph, stage: str) -> set[str]:
    """What the stage must declare: `features` whole, the rest file by file."""
    found = modules(graph, stage)
    code = {"features" if name.split(".")[0] == "features" else str(source(name).relative_to(ROOT)) for name in found}
    own = [source(name).read_text(encoding="utf-8") for name in found if not name.startswith("features")]
    return code | {path for word, path in BESIDE_THE_CODE.items() if any(f'"{word}"' in text for text in own)}


def covered(path: str, by: set[str]) -> bool:
    return any(path == other or path.startswith(f"{other}/") for other in by)


@pytest.mark.parametrize("stage", DVC)
def test_a_stage_declares_the_code_that_it_runs(graph, stage):
    declared, needed = declared_code(stage), imported_code(graph, stage)
    missing = sorted(path for path in needed if not covered(path, declared))
    assert not missing, f"dvc.yaml: stage {stage} runs and does not declare {', '.join(missing)}"


@pytest.mark.parametrize("stage", DVC)
def test_a_stage_declares_no_code_that_it_does_not_run(graph, stage):
    declared, needed = declared_code(stage), imported_code(graph, stage)
    superfluous = {path for path in declared if not any(covered(other, {path}) for other in needed)}
    # The folder of the virtual registry is for those who draw from it; its parameters are one file.
    drawing = {path for path in needed if path.startswith(VIRTUAL)} - {
        f"{VIRTUAL}/__init__.py",
        f"{VIRTUAL}/parameters.py",
    }
    superfluous |= {VIRTUAL} & declared if not drawing else set()
    twice = {path for path in declared if covered(path, declared - {path})}
    named = ", ".join(sorted(superfluous | twice))
    assert not named, f"dvc.yaml: stage {stage} declares and does not run (or declares twice) {named}"


@pytest.mark.parametrize("stage", DVC)
def test_every_path_of_code_exists(stage):
    assert [dep for dep in declared_code(stage) if not (ROOT / dep).exists()] == []


@pytest.mark.parametrize("stage", DVC)
def test_every_stage_depends_on_the_lock_and_runs_itself(stage):
    assert "requirements.lock" in entries(stage, "deps")
    assert DVC[stage]["cmd"].split()[:2] == ["pipeline/run_stage", stage]


def test_the_stages_are_those_that_the_runner_knows():
    assert (tuple(DEFAULT), tuple(APART)) == (STAGES, EXPERIMENTS)
    named = {file.stem for file in (ROOT / "pipeline" / "stages").glob("*.py")} - {"__init__"}
    assert named == {*STAGES, *EXPERIMENTS}


def test_no_stage_waits_for_an_experiment():
    made = {path for stage in APART for path in outputs(stage)}
    assert made
    for stage in DEFAULT:
        assert not any(covered(path, made) or covered(out, {path}) for path in inputs(stage) for out in made), stage
    assert {APART[stage]["wdir"] for stage in APART} == {"../.."}


def parameter(name: str) -> Any:
    found: Any = PARAMS
    for key in name.split("."):
        found = found[key]
    return found


@pytest.mark.parametrize("stage", DVC)
def test_every_parameter_of_a_stage_is_in_params_yaml(stage):
    for name in entries(stage, "params"):
        parameter(name)


def test_every_section_of_params_yaml_belongs_to_its_stage():
    stage_of = {section: STAGE_OF.get(section, section) for section in set(PARAMS) - OF_COMMANDS}
    assert set(stage_of.values()) <= set(DVC)
    for section, stage in stage_of.items():
        assert any(name.split(".")[0] == section for name in entries(stage, "params")), section


def attributes_of_params(stage: str) -> set[str]:
    """Sections, and keys of sections, that the stage's module reads from its parameters."""
    text = source(f"pipeline.stages.{stage}").read_text(encoding="utf-8")
    return set(re.findall(r"\bparams\.([a-z_]+)", text)) & set(PARAMS) - {"study"}


@pytest.mark.parametrize("stage", DVC)
def test_a_stage_declares_the_sections_that_it_reads(stage):
    assert attributes_of_params(stage) <= {name.split(".")[0] for name in entries(stage, "params")}


def outputs(stage: str) -> list[str]:
    return [path for kind in ("outs", "metrics", "plots") for path in entries(stage, kind)]


def inputs(stage: str) -> list[str]:
    return [dep.replace("${ingest.file}", PARAMS["ingest"]["file"]) for dep in entries(stage, "deps")]


def test_every_input_comes_from_an_earlier_stage():
    made: set[str] = set()
    for stage in DVC:
        for path in inputs(stage):
            if path.startswith("data/"):
                assert covered(path, made) or any(out.startswith(f"{path}/") for out in made), f"{stage}: {path}"
        made |= set(outputs(stage))


def test_an_output_stands_in_the_folder_of_its_stage():
    """But for the figures of the builders: they stand beside those of the models, in paths of their own."""
    own = ["", ".json", "_summary.json"]
    assert outputs("builders") == [f"data/evaluate/builders{ending}" for ending in own]
    for stage in set(DVC) - {"builders"}:
        assert all(covered(path, {f"data/{stage}"}) for path in outputs(stage)), stage


def test_no_output_lies_within_another():
    made = [path for stage in DVC for path in outputs(stage)]
    assert [path for path in made if covered(path, {*made} - {path})] == []
    assert len(made) == len(set(made))


def test_the_truth_is_an_input_of_no_stage_but_those_that_judge_the_registry():
    truth = "data/registry/truth.parquet"
    assert truth in outputs("registry")
    assert {stage for stage in DVC if any(covered(truth, {path}) for path in inputs(stage))} == JUDGING


def test_no_module_names_the_truth_but_the_stages_that_write_and_judge_it():
    naming = {
        str(file.relative_to(ROOT))
        for package in ("features", "models", "pipeline")
        for file in (ROOT / package).rglob("*.py")
        if re.search(r"REGISTRY_TRUTH|truth\.parquet", file.read_text(encoding="utf-8"))
    }
    assert naming == {"pipeline/paths.py", "pipeline/stages/registry.py", "pipeline/stages/fidelity.py"}


def test_register_is_last_always_runs_and_nothing_waits_for_it():
    assert list(DEFAULT)[-1] == "register"
    assert DEFAULT["register"]["always_changed"] is True
    for stage in DVC:
        assert stage == "register" or not DVC[stage].get("always_changed")
        assert not any(covered(path, set(outputs("register")) or {"data/register"}) for path in inputs(stage))


def test_no_stage_before_register_speaks_to_mlflow(graph):
    assert [stage for stage in DVC if "pipeline.tracking" in modules(graph, stage)] == ["register"]


def test_only_named_stages_draw_virtual_cases(graph):
    assert {stage for stage in DVC if "pipeline.virtual.registry" in modules(graph, stage)} == DRAWING


def test_what_a_stage_makes_that_saw_the_truth_teaches_no_model():
    """But for the registry's own cases: whatever else comes from a stage that saw the truth stays out of training."""
    seen = {path for stage in DRAWING | JUDGING for path in outputs(stage)} - {"data/registry/cases.csv"}
    for stage in ("ingest", "cohort", "derive", "split", "train", "predict"):
        assert not any(covered(path, seen) or covered(out, {path}) for path in inputs(stage) for out in seen), stage


def test_no_answer_of_a_database_comes_from_the_cache_of_runs():
    """It may have changed since. An output that is left in place before a run switches that cache off for its stage."""
    assert {"data/ingest/source.json": {"persist": True}} in DVC["ingest"]["outs"]


def test_no_stage_is_a_matrix_over_outcomes_which_hang_on_the_study():
    """DVC fills a matrix from params.yaml alone, and a study's outcomes stand in its own file."""
    assert not any("matrix" in DVC[stage] or "foreach" in DVC[stage] for stage in DVC)
    assert {"data/train", "data/validate"} <= {*outputs("train"), *outputs("validate")}


@pytest.mark.parametrize("stage", DEFAULT)
def test_every_stage_depends_on_the_folder_of_the_study(stage):
    assert "studies/${study}" in entries(stage, "deps")
