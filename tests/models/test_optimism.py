"""Bootstrap optimism: R's arithmetic on the same resamples, agreement with rms, and why trees are not asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from features.predictors import predictor
from models.fitted import sigmoid
from models.metrics import auroc
from models.optimism import bootstrap_optimism, learned_log_odds, measures
from models.training import Development, patient_resamples

REFERENCE = Path(__file__).parents[1] / "reference" / "validation"
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "10_optimism.ipynb"
PREDICTORS = ["odi", "nrs_back", "age_years", "bmi"]


@pytest.fixture(scope="module")
def cases() -> Development:
    table = pd.read_csv(REFERENCE / "cases.csv")
    each = np.arange(len(table))
    return Development(
        "failure_12m", table[PREDICTORS], table["y"].to_numpy(dtype=float), np.ones(len(table)), each, each % 5
    )


def unpenalised(data: Development):
    """A maximum-likelihood logistic regression, as R fits it."""
    fitted = sm.GLM(data.y, sm.add_constant(data.X), family=sm.families.Binomial()).fit(tol=1e-14)
    return lambda X: np.asarray(sm.add_constant(X, has_constant="add") @ fitted.params)


def test_it_is_rs_arithmetic_on_the_same_resamples(cases):
    draws = list(pd.read_csv(REFERENCE / "draws.csv").to_numpy().T)
    found = bootstrap_optimism(cases, unpenalised, draws, threads=1)
    expected = pd.read_csv(REFERENCE / "optimism.csv").set_index("metric")
    assert set(found) == set(expected.index)
    for metric, row in expected.iterrows():
        for figure in ("apparent", "optimism", "corrected"):
            assert getattr(found[metric], figure) == pytest.approx(row[figure], abs=1e-6), (metric, figure)
        assert found[metric].resamples == len(draws)


def test_it_agrees_with_rms_up_to_chance(cases):
    found = bootstrap_optimism(cases, unpenalised, patient_resamples(cases.patients, 60, 1), threads=1)
    for metric, row in pd.read_csv(REFERENCE / "optimism_rms.csv").set_index("metric").iterrows():
        assert found[metric].apparent == pytest.approx(row["apparent"], abs=1e-6)
        error = found[metric].monte_carlo_error * np.sqrt(1 + 60 / row["resamples"])
        assert found[metric].corrected == pytest.approx(row["corrected"], abs=3 * error), metric


def test_a_model_that_learns_nothing_has_no_optimism(cases):
    def fixed(data: Development):
        return lambda X: 0.04 * (X["odi"].to_numpy() - 50)

    draws = patient_resamples(cases.patients, 50, 2)
    for metric, found in bootstrap_optimism(cases, fixed, draws, threads=1).items():
        if metric not in ("ici", "e90"):  # errors that grow in any resample, whoever predicts
            assert abs(found.optimism) < 4 * found.monte_carlo_error, metric


def test_resamples_that_teach_nothing_are_left_out_and_counted(cases):
    draws = patient_resamples(cases.patients, 6, 3)
    without_event = np.flatnonzero(cases.y == 0)

    found = bootstrap_optimism(cases, unpenalised, [*draws, without_event], threads=1)
    assert {each.resamples for each in found.values()} == {6}


def test_what_cannot_be_estimated_says_why(cases):
    found = bootstrap_optimism(cases, lambda data: lambda X: np.zeros(len(X)), patient_resamples(cases.patients, 4, 4))
    assert found["auroc"].as_json() == {
        "apparent": None, "optimism": None, "corrected": None, "monte_carlo_error": None, "resamples": 0,
        "reason": "every case has the same risk",
    }  # fmt: skip
    assert found["brier_score"].corrected is not None


def test_a_drawn_patient_brings_all_cases_along():
    patients = np.array(["P1", "P2", "P1", "P3"])
    for rows in patient_resamples(patients, 50, 5):
        assert np.bincount(rows, minlength=4)[0] == np.bincount(rows, minlength=4)[2]
    assert len(patient_resamples(patients, 50, 5)) == 50


def test_weights_count_as_cases(cases):
    doubled = np.where(cases.X["odi"] > 50, 2.0, 1.0)
    weighted = Development(cases.outcome, cases.X, cases.y, doubled, cases.patients, cases.folds)
    repeated = weighted.rows(np.repeat(np.arange(len(doubled)), doubled.astype(int)))
    repeated = Development(cases.outcome, repeated.X, repeated.y, np.ones(len(repeated.y)), repeated.patients,
                           repeated.folds)  # fmt: skip
    model = unpenalised(cases)
    a, b = measures(weighted, model), measures(repeated, model)
    for metric in ("auroc", "calibration_intercept", "calibration_slope", "brier_score"):
        assert a[metric].estimate == pytest.approx(b[metric].estimate, abs=1e-8)


# ---- why trees are not asked -------------------------------------------------------------------------

DEEP = {"max_depth": 6, "n_rounds": 60, "min_child_weight": 1, "learning_rate": 0.2, "reg_lambda": 1.0,
        "colsample_bytree": 1.0}  # fmt: skip
NAMES = ["odi", "nrs_back", "nrs_leg", "age_years", "walking_distance_m", "back_pain_duration_months"]


def simulated(n: int, seed: int) -> Development:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({name: rng.normal(50, 10, n) for name in NAMES})
    y = (rng.random(n) < sigmoid(-0.5 + 0.05 * (X["odi"] + X["nrs_back"] - 100).to_numpy())).astype(float)
    return Development("failure_12m", X, y, np.ones(n), np.arange(n), np.arange(n) % 5)


@pytest.mark.parametrize(("learner", "grid", "is_right"), [("xgboost", DEEP, False), ("logistic", {"C": 1.0}, True)])
def test_the_bootstrap_flatters_deep_trees_and_not_the_logistic_learner(learner, grid, is_right):
    """Three hundred cases teach; twenty thousand fresh ones know what that was worth."""
    known, fresh = simulated(300, 1), simulated(5_000, 2)
    recipe = learned_log_odds(learner, [predictor(name) for name in NAMES], grid, seed=1)
    corrected = bootstrap_optimism(known, recipe, patient_resamples(known.patients, 3, 3))["auroc"].corrected
    true = auroc(fresh.y, sigmoid(recipe(known)(fresh.X))).estimate
    by_chance = 0.065  # half the interval of an AUROC of 0.67 from three hundred cases
    assert abs(corrected - true) < by_chance if is_right else corrected - true > 3 * by_chance, (corrected, true)


def test_the_notebook_runs_and_shows_the_same():
    """Its cells, with fewer resamples: nothing stored, nothing defined, and the end that it tells."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if "outputs" in cell)
    assert not any(line.startswith(("def ", "class ")) for cell in code for line in cell.splitlines())
    told: dict[str, Any] = {}
    for cell in code:
        exec(compile(cell.replace("RESAMPLES = 50", "RESAMPLES = 2"), str(NOTEBOOK), "exec"), told)
    table = told["table"]
    assert table.loc["deep trees", "corrected"] > table.loc["deep trees", "true"] + 0.15
    assert abs(table.loc["logistic", "corrected"] - table.loc["logistic", "true"]) < 0.065
    assert abs(table.loc["deep trees", "out of fold"] - table.loc["deep trees", "true"]) < 0.065
