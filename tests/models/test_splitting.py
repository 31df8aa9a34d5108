from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import CohortError, LeakError, ParamsError
from models.splitting import last_complete_year, refuse_shared_patients, split_cases


@pytest.fixture
def cases():
    """Six hundred cases of 500 patients in four centres over four years; a hundred patients come twice."""
    rng = np.random.default_rng(0)
    n = 600
    return pd.DataFrame(
        {
            "patient_id": [f"P{i % 500:03d}" for i in range(n)],
            "centre_id": [f"K{i % 500 % 4}" for i in range(n)],
            "index_date": pd.to_datetime([f"{2018 + (i // 150)}-{rng.integers(1, 13):02d}-15" for i in range(n)]),
        },
        index=pd.Index([f"C{i:03d}" for i in range(n)], name="case_id"),
    )


def test_whole_centres_and_the_last_year_are_held_out(cases):
    split = split_cases(cases, ["K1"], folds=3, seed=0)
    assert (split.loc[cases["centre_id"] == "K1", "set"] == "geographic").all()
    elsewhere = cases["centre_id"] != "K1"
    assert (split.loc[elsewhere & (cases["index_date"].dt.year == 2021), "set"] == "temporal").all()


def test_no_patient_is_on_both_sides(cases):
    split = split_cases(cases, 1, folds=3, seed=0)
    tested = set(split.loc[split["set"].isin(["temporal", "geographic"]), "patient_id"])
    assert not tested & set(split.loc[split["set"] == "development", "patient_id"])
    assert (split["set"] == "withheld").sum() > 0


def test_folds_keep_a_patient_together(cases):
    development = split_cases(cases, 1, folds=4, seed=0).query("set == 'development'")
    assert len(development.drop_duplicates(["patient_id", "fold"])) == development["patient_id"].nunique()
    assert set(development["fold"]) == {0, 1, 2, 3}


def test_a_patient_on_both_sides_is_a_leak(cases):
    split = split_cases(cases, 1, folds=3, seed=0)
    tested = split.index[split["set"] == "temporal"][0]
    split.loc[split["set"] == "development", "patient_id"] = split.loc[tested, "patient_id"]
    with pytest.raises(LeakError, match="development cases belong to patients of a test set"):
        refuse_shared_patients(split)


def test_a_year_whose_horizon_is_not_complete_is_withheld(cases):
    split = split_cases(cases, ["K1"], folds=3, seed=0, last_year=2020)
    years = cases["index_date"].dt.year
    assert (split.loc[years == 2021, "set"] == "withheld").all()
    assert (split.loc[(years == 2020) & (cases["centre_id"] != "K1"), "set"] == "temporal").all()


@pytest.mark.parametrize(
    ("observed_until", "horizon", "year"),
    [("2023-12-31", 24, 2021), ("2023-12-05", 24, 2021), ("2022-12-31", 24, 2020)],
)
def test_the_last_complete_year_has_its_whole_horizon_behind_it(cases, observed_until, horizon, year):
    assert last_complete_year(cases["index_date"], pd.Timestamp(observed_until), horizon) == year


def test_without_a_complete_year_it_is_said_what_to_do(cases):
    with pytest.raises(CohortError, match="Wait, or drop the outcome with the longest horizon"):
        last_complete_year(cases["index_date"], pd.Timestamp("2020-01-31"), 24)


@pytest.mark.parametrize(("wanted", "said"), [(4, "at least one must stay"), (["K9"], "K9, not a centre")])
def test_centres_that_cannot_be_held_out_are_refused(cases, wanted, said):
    with pytest.raises(ParamsError, match=said):
        split_cases(cases, wanted, folds=3, seed=0)
