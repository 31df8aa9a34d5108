"""The registered model, as code: MLflow stores this file and runs it when the model is loaded.

It is shipped with `features/` and `models/` beside it and imports nothing else of the project, so that
it works outside the repository. The bundle it reads refuses to run under other code than its own.
"""

from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

from features.errors import BackcastError
from models.predictor import RiskPredictor


class ServedModel(PythonModel):
    """Records in the dictionary's layout to risks with intervals and contributions."""

    def load_context(self, context) -> None:  # type: ignore[no-untyped-def]
        self.predictor = RiskPredictor.load(Path(context.artifacts["bundle"]))

    def predict(self, context, model_input: pd.DataFrame, params=None):  # type: ignore[no-untyped-def]
        try:
            explained = self.predictor.predict(model_input)
        except BackcastError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        answer = pd.concat([explained.risks, explained.contributions.add_prefix("contribution_")], axis=1)
        return with_null(answer)


def with_null(answer: pd.DataFrame) -> pd.DataFrame:
    """A nullable column for numbers that are missing, as under a red flag.

    As NaN, MLflow's server would write what is no JSON. As None, the column would be no number any more, and
    MLflow's Spark UDF, asked for `double`, would take another one in place of the risk.
    """
    missing = [name for name in answer.select_dtypes("float64") if answer[name].isna().any()]
    return answer.astype(dict.fromkeys(missing, "Float64"))


set_model(ServedModel())
