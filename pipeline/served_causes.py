"""The registered model of causes, as code; like `served_model.py`, and as that it works outside the repository."""

from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

from features.errors import BackcastError
from models.cause_model import CauseModel


class ServedCauses(PythonModel):
    """Records of failed operations to causes: what is likely, and how much each finding says for each."""

    def load_context(self, context) -> None:  # type: ignore[no-untyped-def]
        self.model = CauseModel.load(Path(context.artifacts["bundle"]))

    def predict(self, context, model_input: pd.DataFrame, params=None):  # type: ignore[no-untyped-def]
        try:
            answer = self.model.predict(model_input)
        except BackcastError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        missing = [name for name in answer.columns if answer[name].isna().any()]
        # None, as under a red flag, where MLflow would write NaN, which is no JSON.
        return answer.assign(
            **{name: answer[name].astype(object).where(answer[name].notna(), None) for name in missing}
        )


set_model(ServedCauses())
