"""Stage `train` on a few invented cases: what it writes, and that a planted leak stops it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import LeakError
from features.predictors import candidate_predictors
from pipeline import paths
from pipeline.files import read_cases, read_json, read_table, write_json, write_table
from pipeline.params import LogisticGrid, Params, load_params
from pipeline.stages import train

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = "failure_12m"
LEARNERS = ["prevalence", "logistic"]
PARAMETERS = 4


@pytest.fixture
def params() -> Params:
    """Those of the study, with a grid of one and two refits."""
    params = load_params(ROOT / "params.yaml")
    small = dataclasses.replace(params.train, refits=2, logistic=LogisticGrid(C=0.1))
    return dataclasses.replace(params, train=small)


@pytest.fixture
def study(elsewhere) -> None:
    """The files of 240 development and 60 other cases, as the stages before leave them; disability drives failure."""
    rng = np.random.default_rng(6)
    n = 300
    index = pd.Index([f"C{i:03d}" for i in range(n)], name="case_id")
    odi = rng.integers(5, 48, n) * 2.0
    failed = (rng.random(n) < 1 / (1 + np.exp(0.8 - 0.03 * (odi - 50)))).astype(float)
    numbers = {p.name: rng.integers(0, 5, n) * 1.0 for p in candidate_predictors(OUTCOME, PARAMETERS)}
    cases = pd.DataFrame({**numbers, "odi": odi, "record_origin": "virtual"}, index=index)
    is_development = np.arange(n) < 240
    split = pd.DataFrame(
        {
            "patient_id": [f"P{i:03d}" for i in range(n)],
            "set": np.where(is_development, "development", "temporal"),
            "fold": np.where(is_development, np.arange(n) % 3, -1),
        },
        index=index,
    )
    write_table(cases, paths.COHORT_CASES)
    write_table(pd.DataFrame({OUTCOME: failed}, index=index), paths.OUTCOMES)
    write_table(pd.DataFrame({"plan_support": rng.random(n)}, index=index), paths.FEATURES)
    write_table(split, paths.SPLIT)
    write_json({OUTCOME: {"allowed": LEARNERS, "parameters": {"used": PARAMETERS}}}, paths.LEARNERS)


def plant_a_leak() -> None:
    """The disability of the cohort file becomes that of the follow-up, under the name of the baseline."""
    failed = read_cases(paths.OUTCOMES)[OUTCOME]
    noise = np.random.default_rng(7).integers(-25, 26, len(failed))
    write_table(read_cases(paths.COHORT_CASES).assign(odi=30 + 40 * failed + noise), paths.COHORT_CASES)


@pytest.mark.usefixtures("study")
def test_honest_cases_are_learned_from_those_of_development_alone(params):
    train.run(params, OUTCOME)
    assert set(read_json(paths.choice(OUTCOME))["learners"]) == set(LEARNERS)
    assert {path.name for path in (paths.TRAIN / OUTCOME).iterdir()} == {
        *LEARNERS,
        "choice.json",
        "out_of_fold.parquet",
    }
    assert set(read_table(paths.out_of_fold(OUTCOME)).index) == {f"C{i:03d}" for i in range(240)}


@pytest.mark.usefixtures("study")
def test_a_leak_stops_the_stage_before_it_writes_a_model(params):
    plant_a_leak()
    with pytest.raises(LeakError, match=r"failure_12m: logistic reaches .* odi \(alone 0\.9"):
        train.run(params, OUTCOME)
    assert not paths.TRAIN.exists()


@pytest.mark.usefixtures("study")
def test_an_alarm_that_was_overruled_for_the_outcome_stops_nothing(params):
    plant_a_leak()
    overruled = dataclasses.replace(params.train, overrule_leak_alarm=[OUTCOME])
    train.run(dataclasses.replace(params, train=overruled), OUTCOME)
    assert paths.choice(OUTCOME).exists()
    with pytest.raises(LeakError):
        train.run(
            dataclasses.replace(params, train=dataclasses.replace(overruled, overrule_leak_alarm=["worse_12m"])),
            OUTCOME,
        )
