"""Fixtures for every test: cases drawn as a table that a clinician can read."""

from __future__ import annotations

import fcntl
import gc
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import Phase, settings

# On a busy machine any example is slow at times, so none has a deadline. To shrink a failing one can take five
# minutes, so that is done on demand: pytest --hypothesis-profile=shrink tests/models/test_metrics.py
settings.register_profile("shrink", deadline=None)
settings.register_profile("suite", deadline=None, phases=[phase for phase in Phase if phase != Phase.shrink])
settings.load_profile("suite")

collect_ignore = ["bench"]  # measurements, not tests: `make bench`

# Modules and tests are collected to stay, some million objects: to look through them for garbage, again and again, is
# a fifth of the time to collect, and goes on in every test. They are set aside when all are there.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest file first: workers take a file at a time, and one of them is busy with it for minutes.

    Whatever else needs the study that it makes comes last, and does not wait for it. What is slow is left out
    unless asked for.
    """
    items.sort(key=lambda item: (item.get_closest_marker("end_to_end") is None, "finished_study" in item.fixturenames))
    if "slow" in (config.getoption("-m") or ""):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run it with pytest -m slow"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The end-to-end study has a processor to itself: everything else gives way to it."""
    if item.get_closest_marker("end_to_end") is None:
        _give_way()


@cache
def _give_way() -> None:
    os.nice(5)


@pytest.fixture
def draw_cases() -> Callable[[str], pd.DataFrame]:
    """Reads a drawn table of cases; `case_id` is the index.

    Columns stand between bars. An empty cell is missing, a number is a float, a column that ends in
    `_date` holds dates. A column without any value is missing throughout.
    """
    return drawn


def drawn(table: str) -> pd.DataFrame:
    lines = "\n".join(line.strip() for line in table.strip().splitlines())
    text = pd.read_csv(io.StringIO(lines), sep="|", dtype=str, skipinitialspace=True).rename(columns=str.strip)
    text = text.apply(lambda column: column.str.strip()).replace("", None)
    cases = text.apply(_typed).set_index("case_id")
    cases.index = cases.index.astype(str)
    return cases


def _typed(column: pd.Series) -> pd.Series:
    if column.name == "case_id":
        return column
    if str(column.name).endswith("_date"):
        return pd.to_datetime(column, format="%Y-%m-%d")
    numbers = pd.to_numeric(column, errors="coerce")
    is_number = numbers.notna() | column.isna()
    return numbers.astype(float) if is_number.all() else column.astype(object)


ROOT = Path(__file__).resolve().parents[1]
SMALL_OUTCOMES = ["failure_12m", "reoperation_24m"]
SMALL = {
    "registry": {"cases": 2400, "centres": 6, "years": 4},
    "split": {"folds": 3},
    "appraise": {"overrule_sample_size": SMALL_OUTCOMES},  # so few cases do not carry trees
    "train": {
        "outcomes": SMALL_OUTCOMES,
        "max_parameters": {"failure_12m": 20, "reoperation_24m": 5},
        "refits": 5,
        "logistic": {"C": [0.01, 0.1]},
        "xgboost": {"max_depth": 2, "n_rounds": [20, 40], "min_child_weight": 20},
    },
    "validate": {"resamples": 3},
    "builders": {"cases": 800, "twin_pairs": 300, "attainable_cases": 800},
    "cause_evidence": {"cases": 300, "twin_pairs": 100, "attainable_cases": 500},
    "explain": {"waterfalls": 1},
    # So few cases know neither net benefit nor slope well enough: here the loss alone decides.
    "register": {
        "promote_beyond_standard_errors": 0.0,
        "most_net_benefit_lost": 1.0,
        "calibration_slope": [0.01, 100.0],
    },
}


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory) -> Path:
    """A clone with a small registry's parameters, in which `dvc repro` has run: once, for every worker.

    Copy it, and leave it as it is: its store in MLflow names this folder. `repro.log` holds what DVC said.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, is_done = shared / "study", shared / "study.done"
    with (shared / "study.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make_study(folder)
            is_done.touch()
    return folder


def _make_study(folder: Path) -> None:
    listed = in_clone("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\n")
    for name in filter(None, listed):
        if (ROOT / name).exists() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in SMALL.items():
        for key, value in values.items():
            params[section][key] = params[section][key] | value if key in ("xgboost",) else value
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    in_clone("git", "init", "-q", cwd=folder)
    in_clone("git", "config", "user.email", "test@example.invalid", cwd=folder)
    in_clone("git", "config", "user.name", "test", cwd=folder)
    in_clone("git", "add", "-A", cwd=folder)
    in_clone("git", "commit", "-qm", "small", cwd=folder)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder.parent / "repro.log").write_text(in_clone("dvc", "repro", cwd=folder))


def in_clone(*command: str, cwd: Path) -> str:
    """What a command says in a clone: with this environment's programs, and with nobody else's store."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "PYTEST"))}
    kept |= {"VIRTUAL_ENV": sys.prefix, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
