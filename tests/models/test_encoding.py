from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.predictors import predictor
from models.encoding import Encoding, fitted_encoding, restricted_cubic_basis, rounded

REFERENCE = Path(__file__).parents[1] / "reference" / "metrics" / "rcs_reference.csv"


def test_spline_basis_is_that_of_hmisc():
    reference = pd.read_csv(REFERENCE)
    knots = reference.loc[0, ["knot_1", "knot_2", "knot_3", "knot_4"]].to_numpy(float)
    basis = restricted_cubic_basis(reference["x"].to_numpy(), knots)
    expected = reference[["linear", "nonlinear_1", "nonlinear_2"]].to_numpy()
    np.testing.assert_allclose(basis, expected, atol=1e-9)


def test_spline_is_straight_beyond_the_outer_knots():
    knots = np.array([10.0, 30.0, 60.0])
    beyond = restricted_cubic_basis(np.array([70.0, 80.0, 90.0]), knots)
    np.testing.assert_allclose(beyond[2] - beyond[1], beyond[1] - beyond[0])


def test_a_missing_value_is_encoded_as_the_development_median():
    frame = pd.DataFrame({"nrs_back": [2.0, 4.0, 9.0, np.nan]})
    encoding = fitted_encoding(frame, [predictor("nrs_back")], linear=True)
    assert encoding.encode(frame)[:, 0].tolist() == [2.0, 4.0, 9.0, 4.0]


def test_a_missing_or_unseen_level_is_encoded_as_the_commonest():
    frame = pd.DataFrame({"sex": ["male", "male", "female", None]})
    encoding = fitted_encoding(frame, [predictor("sex")], linear=True)
    assert encoding.columns == ["sex=male"]
    assert encoding.encode(frame)[:, 0].tolist() == [1.0, 1.0, 0.0, 1.0]


def test_a_predictor_nobody_recorded_is_filled_with_nought():
    frame = pd.DataFrame({"odi": [np.nan] * 5})
    assert fitted_encoding(frame, [predictor("odi")], linear=True).encode(frame).tolist() == [[0.0]] * 5


def test_coinciding_knots_make_a_straight_line():
    frame = pd.DataFrame({"odi": [40.0] * 50 + [60.0]})
    assert fitted_encoding(frame, [predictor("odi")], linear=True).columns == ["odi"]


def test_trees_see_numbers_as_they_are(development, predictors):
    encoding = fitted_encoding(development.X, predictors, linear=False)
    assert encoding.columns == [
        "odi",
        "nrs_back",
        "leg_pain_duration_months",
        "is_current_smoker",
        "diagnosis=spinal_stenosis",
        "diagnosis=spondylolisthesis",
        "diagnosis=segmental_pain",
        "share_best_lesion",
    ]


def test_encoded_columns_are_summed_to_their_predictors(development, predictors):
    encoding = fitted_encoding(development.X, predictors, linear=True)
    by_column = np.arange(len(encoding.columns), dtype=float)[None, :]
    sums = encoding.by_predictor(by_column)
    assert sums.shape == (1, len(predictors))
    assert sums.sum() == by_column.sum()
    assert sums[0, 0] == 0 + 1  # odi and its spline term


def test_an_encoding_survives_json(development, predictors):
    encoding = fitted_encoding(development.X, predictors, linear=True)
    again = Encoding.from_json(encoding.as_json())
    np.testing.assert_array_equal(again.encode(development.X), encoding.encode(development.X))


@pytest.mark.parametrize(
    ("value", "stored"), [(1 / 3, 0.3333333333), (0.0, 0.0), (-12345678901.2, -12345678900.0), (np.nan, np.nan)]
)
def test_stored_numbers_have_ten_digits(value, stored):
    np.testing.assert_array_equal(rounded(value), stored)
