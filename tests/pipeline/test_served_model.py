"""What a registered model answers where a number is missing: for MLflow's server, and for its Spark UDF."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server import predictions_to_json

from pipeline.served_model import with_null

MISSING = {"risk": [0.25, np.nan], "contribution_odi": [np.nan, np.nan], "missing_predictors": [0.0, 3.0]}


@pytest.fixture
def answer():
    return with_null(pd.DataFrame({**MISSING, "red_flags": ["", "cauda_equina"]}))


def test_a_missing_number_is_null_in_json(answer):
    written = io.StringIO()
    predictions_to_json(answer, written)
    first, second = json.loads(written.getvalue(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))[
        "predictions"
    ]
    assert first == {"risk": 0.25, "contribution_odi": None, "missing_predictors": 0.0, "red_flags": ""}
    assert second == {"risk": None, "contribution_odi": None, "missing_predictors": 3.0, "red_flags": "cauda_equina"}


def test_a_column_with_a_missing_number_stays_a_number_and_the_first(answer):
    """MLflow's Spark UDF takes the first column of numbers where `double` is asked: it must be the risk."""
    numbers = answer.select_dtypes(include=(np.number,)).astype(np.float64)
    pd.testing.assert_frame_equal(numbers, pd.DataFrame(MISSING))
