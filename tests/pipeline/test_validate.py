"""What stage ``validate`` adds to the pure functions: who stands for the censored, and the files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.outcomes import DAYS_PER_MONTH
from models.censoring import censoring_weights
from models.training import Development
from models.validation import RECIPE, LeftOut
from pipeline import paths
from pipeline.files import write_table
from pipeline.stages.validate import SUMMARISED, as_table, summary, weights_without

OUTCOME = "reoperation_24m"
CASES = 60


@pytest.fixture
def cases(elsewhere) -> pd.DataFrame:
    """Sixty cases of three centres, P0 in two of them; every fifth is censored, the last ten are a test set."""
    index = pd.Index([f"C{i:02d}" for i in range(CASES)], name="case_id")
    rng = np.random.default_rng(1)
    days = np.where(np.arange(CASES) % 5 == 0, rng.integers(50, 700, CASES), 730.5).astype(float)
    y = np.where(np.arange(CASES) % 5 == 0, np.nan, (np.arange(CASES) % 3 == 0).astype(float))
    y_days = np.where(y == 1, rng.integers(30, 700, CASES), days)
    patients = [f"P{0 if i == 1 else i}" for i in range(CASES)]
    write_table(pd.DataFrame({OUTCOME: y, f"{OUTCOME}_days": y_days}, index=index), paths.OUTCOMES)
    sets = np.where(np.arange(CASES) < 50, "development", "temporal")
    write_table(pd.DataFrame({"patient_id": patients, "set": sets}, index=index), paths.SPLIT)
    return pd.DataFrame({"centre_id": [f"K{i % 3}" for i in range(CASES)], "patient_id": patients}, index=index)


def known_development(cases: pd.DataFrame) -> Development:
    labels = pd.read_parquet(paths.OUTCOMES)
    used = (labels[OUTCOME].notna() & (np.arange(CASES) < 50)).to_numpy()
    n = int(used.sum())
    return Development(
        OUTCOME, cases.loc[used, ["patient_id"]], labels.loc[used, OUTCOME].to_numpy(), np.ones(n),
        cases.loc[used, "patient_id"].to_numpy(dtype=str), np.zeros(n, dtype=np.intp),
    )  # fmt: skip


def test_who_stands_for_the_censored_is_learned_in_the_other_centres_alone(cases):
    data = known_development(cases)
    labels = pd.read_parquet(paths.OUTCOMES)
    found = pd.Series(weights_without(cases, data, "K0"), index=data.X.index)
    teach = (cases["centre_id"] != "K0") & (cases["patient_id"] != "P0") & (np.arange(CASES) < 50)
    y, days = (labels.loc[teach, name].to_numpy() for name in (OUTCOME, f"{OUTCOME}_days"))
    expected = pd.Series(censoring_weights(days, y, 24 * DAYS_PER_MONTH), index=labels.index[teach])
    assert found[~teach[found.index]].eq(0).all()
    assert "C01" in found.index, "the second case of P0, who has another in K0"
    pd.testing.assert_series_equal(found[found > 0], expected[expected > 0], check_names=False)
    assert expected.max() > 1


def test_the_table_has_a_row_for_each_case_and_learner(cases):
    data = known_development(cases)
    centres = cases.loc[data.X.index, "centre_id"].to_numpy(dtype=str)
    odds = np.linspace(-1, 1, len(data.y))
    odds[centres == "K2"] = np.nan
    left_out = LeftOut(data.y, data.weights, centres, {RECIPE: odds, "logistic": odds}, {"K0": "logistic"}, {"K2": ""})
    table = as_table(left_out, data)
    assert table.index.name == "case_id"
    assert table.groupby("learner").size().to_dict() == {RECIPE: len(odds), "logistic": len(odds)}
    assert table.loc[table["centre_id"] == "K2", "log_odds"].isna().all()


def test_what_dvc_compares_is_numbers_alone():
    pooled = {name: {"estimate": 0.5, "lower": 0.4, "upper": 0.6} for name in SUMMARISED}
    pooled["ici"] = {"estimate": None, "lower": None, "upper": None, "reason": "no case has the outcome"}
    found = summary({"pooled": pooled, "heterogeneity": {"auroc": {"estimate": 0.5, "tau": 0.1}}})
    assert found == dict.fromkeys(SUMMARISED, 0.5) | {"ici": None, "auroc_tau": 0.1}
