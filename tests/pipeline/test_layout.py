"""The folders are the packages, what predicts stays light, and lock files name neither a host nor a place."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGES = ("features", "models", "pipeline")
COMMANDS = ("check", "score", "explain", "workup", "trace", "example", "registry", "promotions", "redcap", "reference")
COMMANDS += ("verify", "show", "erase", "outcomes", "export", "monitor", "drift-reference", "serve")
COMMANDS += ("validate", "update", "study", "fhir")
UNPICKLERS = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve"}
HEAVY = {"shap", "sklearn", "mlflow", "xgboost", "statsmodels", "matplotlib", "pandera", "dvc"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_plain_name_means_this_repository(package, root):
    module = importlib.import_module(package)
    assert Path(module.__file__ or "").resolve() == root / package / "__init__.py"
    assert [Path(place).resolve() for place in module.__path__] == [root / package]


def test_another_process_elsewhere_finds_the_same_folders(root, tmp_path):
    code = (
        "import features, json, models, pipeline; print(json.dumps([m.__file__ for m in (features, models, pipeline)]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [Path(file).resolve() for file in json.loads(ended.stdout)] == [
        root / package / "__init__.py" for package in PACKAGES
    ]


def imported(source: Path) -> set[str]:
    """First names of everything that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_no_module_unpickles(root):
    sources = [source for package in PACKAGES for source in sorted((root / package).rglob("*.py"))]
    assert len(sources) > 50
    assert {str(source.relative_to(root)): imported(source) & UNPICKLERS for source in sources} == {
        str(source.relative_to(root)): set() for source in sources
    }


def test_no_module_reads_a_pickle_by_way_of_pandas_or_numpy(root):
    unsafe = re.compile(r"read_pickle|to_pickle|allow_pickle\s*=\s*True|yaml\.(unsafe_|full_)?load\(")
    for package in PACKAGES:
        for source in (root / package).rglob("*.py"):
            assert not unsafe.search(source.read_text(encoding="utf-8")), source


def test_what_predicts_imports_nothing_heavy(tmp_path):
    code = """
import importlib, json, pkgutil, sys
import models.predictor, models.bundle
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
import features
for module in pkgutil.iter_modules(features.__path__):
    if module.name != "table_check":  # the check of a whole file, which is pandera's
        importlib.import_module("features." + module.name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    for line in ended.stdout.splitlines():
        assert set(json.loads(line)) & HEAVY == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "bootstrap.lock", "spark.lock"])
def test_a_lock_file_names_packages_and_hashes_and_no_place(lock, root):
    requirement = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,._-]+\])?==[^ ]+( ; [^/:@]+)? \\")
    for line in (root / lock).read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("--hash="):
            assert re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}( \\)?", line), line
        elif not line.strip().startswith("#"):
            assert requirement.fullmatch(line), line
        assert "://" not in line
        assert "/" not in line
        assert "\\" not in line.rstrip("\\")


@pytest.mark.parametrize("lock", ["requirements.lock", "bootstrap.lock", "spark.lock"])
def test_every_locked_package_has_a_hash(lock, root):
    blocks = re.split(r"\n(?=[a-z0-9])", (root / lock).read_text(encoding="utf-8").strip())
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def locked(text: str) -> dict[str, str]:
    """The version of each package that a lock file names."""
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", text, flags=re.MULTILINE))


def test_every_extra_is_locked_and_what_spark_adds_agrees_with_the_rest(root):
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = re.search(r"^EXTRAS +:= (.*)$", (root / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert named[1].split() == sorted(set(extras) - {"spark"})
    whole, added = (locked((root / lock).read_text(encoding="utf-8")) for lock in ("requirements.lock", "spark.lock"))
    assert all(re.split(r"[<>=]", wanted)[0] in added for wanted in extras["spark"])
    assert {name: version for name, version in added.items() if whole.get(name, version) != version} == {}


def test_help_names_every_command(backcast):
    answer = backcast("--help")
    assert answer.status == 0
    listed = answer.out.split("Commands:")[1]
    assert [line.split()[0] for line in listed.splitlines() if re.match(r"  \w", line)] == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_how_it_is_used(backcast, command):
    answer = backcast(command, "--help")
    assert answer.status == 0
    assert answer.out.startswith(f"Usage: backcast {command}")


def test_an_unknown_command_is_refused(backcast):
    answer = backcast("predict")
    assert answer.status == 2
    assert answer.says("No such command")
