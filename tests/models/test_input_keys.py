"""The key of a prediction: what it is a hash of, row by row, however many cases are keyed at once."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from features.dictionary import load_dictionary
from models.input_keys import input_keys, keys_by_model
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases


@pytest.fixture(scope="module")
def planned() -> pd.DataFrame:
    params = RegistryParams(cases=300, centres=2, first_year=2020, years=1, seed=11, discordance_effect=1.0)
    return draw_planned_cases(params).set_index("case_id")


def written_out(case: pd.Series, model_sha256: str) -> str:
    """The promise of the record: a line for the model, then name=value of each value in the dictionary's order."""
    lines = [model_sha256]
    for variable in load_dictionary().predictors:
        value = case.get(variable.name)
        if not pd.isna(value) and value != "":
            lines.append(f"{variable.name}={value if isinstance(value, str) else f'{float(value):.12g}'}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_key_is_that_of_the_case_written_out_and_alone(planned):
    awkward = planned.copy()
    awkward["odi"] += np.linspace(0, 1, len(awkward))  # no two alike
    awkward.iloc[0, awkward.columns.get_loc("eq5d_index")] = -0.0
    awkward.iloc[1, awkward.columns.get_loc("sick_leave_weeks")] = 1e7
    awkward["bmi_kg_m2"] = awkward["bmi_kg_m2"].astype("float32")
    awkward["age_years"] = awkward["age_years"].astype("Int64")
    awkward["nrs_leg"] = awkward["nrs_leg"].astype(object).where(awkward["nrs_leg"].notna(), None)
    expected = [written_out(row, "m") for _, row in awkward.astype(object).iterrows()]
    assert input_keys(awkward, "m").tolist() == expected
    assert input_keys(awkward.iloc[[7]], "m").tolist() == [expected[7]]


@pytest.mark.parametrize("odd", [255.0, 256.0, 257.0, 511.0, -1.0, -255.0, 65536.0, 2.5, np.inf, -0.0])
def test_a_number_beyond_a_byte_is_spelled_like_any_other(planned, odd):
    some = planned.iloc[:3].assign(odi=[odd, 1.0, np.nan])
    assert input_keys(some, "m").tolist() == [written_out(row, "m") for _, row in some.astype(object).iterrows()]


def test_several_models_have_each_its_own_keys(planned):
    both = keys_by_model(planned, ["m", "n"])
    assert both == [input_keys(planned, "m").tolist(), input_keys(planned, "n").tolist()]
    assert keys_by_model(planned.iloc[:0], ["m"]) == [[]]


def test_equal_inputs_have_equal_keys_and_the_key_names_no_one(planned):
    renamed = planned.assign(patient_id="P9", centre_id="K9")
    assert input_keys(planned, "m").tolist() == input_keys(renamed, "m").tolist()
    assert input_keys(planned, "m").nunique() == len(planned)
    assert not set(input_keys(planned, "m")) & set(input_keys(planned, "another model"))


def test_the_order_of_columns_does_not_change_a_key(planned):
    assert input_keys(planned[planned.columns[::-1]], "m").tolist() == input_keys(planned, "m").tolist()
