"""Fitted models as plain numbers: what predicts, explains itself, and is stored without a pickle.

Both kinds answer with contributions on the scale of log-odds, and the margin is *defined* as their
float64 sum with the base, so that explanations add up to the prediction exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from models.encoding import Encoding, Floats

if TYPE_CHECKING:
    import xgboost as xgb


class FittedModel(Protocol):
    """A fitted learner: contributions by predictor, (n_cases, n_predictors), around a base."""

    explanation: ClassVar[str]

    @property
    def encoding(self) -> Encoding: ...

    def contributions(self, frame: pd.DataFrame) -> tuple[float, Floats]: ...

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """The margin without its parts: the same number to single precision, at a fraction of the cost."""
        ...


@dataclass(frozen=True)
class LinearModel:
    """Penalised logistic regression on standardised columns.

    Its contributions are interventional: a column's coefficient times its distance from the development
    mean. With no predictor it is the prevalence.
    """

    encoding: Encoding
    mean: Floats
    scale: Floats
    coefficients: Floats
    intercept: float

    explanation: ClassVar[str] = "interventional"

    def contributions(self, frame: pd.DataFrame) -> tuple[float, Floats]:
        by_column = (self.encoding.encode(frame) - self.mean) / self.scale * self.coefficients
        return self.intercept, self.encoding.by_predictor(by_column)

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        base, contributions = self.contributions(frame)
        return base + contributions.sum(axis=1)

    def as_json(self) -> dict[str, Any]:
        return {
            "encoding": self.encoding.as_json(),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> LinearModel:
        return cls(
            encoding=Encoding.from_json(stored["encoding"]),
            mean=np.array(stored["mean"], dtype=np.float64),
            scale=np.array(stored["scale"], dtype=np.float64),
            coefficients=np.array(stored["coefficients"], dtype=np.float64),
            intercept=float(stored["intercept"]),
        )


@dataclass(frozen=True)
class TreeModel:
    """Gradient boosted trees; contributions are path-dependent, as XGBoost's own."""

    encoding: Encoding
    booster: xgb.Booster

    explanation: ClassVar[str] = "path-dependent"

    def contributions(self, frame: pd.DataFrame) -> tuple[float, Floats]:
        by_column = self.booster.predict(_matrix(self.encoding.encode(frame)), pred_contribs=True).astype(np.float64)
        base = float(by_column[0, -1]) if len(by_column) else 0.0
        return base, self.encoding.by_predictor(by_column[:, :-1])

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        return self.booster.predict(_matrix(self.encoding.encode(frame)), output_margin=True).astype(np.float64)

    @classmethod
    def from_ubj(cls, encoding: Encoding, ubj: bytes) -> TreeModel:
        import xgboost as xgb  # costs seconds, which only trees need to pay

        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(ubj))
        return cls(encoding=encoding, booster=booster)

    def as_ubj(self) -> bytes:
        return bytes(self.booster.save_raw("ubj"))


def _matrix(columns: Floats) -> xgb.DMatrix:
    import xgboost as xgb

    return xgb.DMatrix(columns, nthread=1)


def sigmoid(log_odds: Floats) -> Floats:
    """Probability of log-odds, without overflow at either end."""
    return np.where(log_odds >= 0, 1 / (1 + np.exp(-np.abs(log_odds))), 1 - 1 / (1 + np.exp(-np.abs(log_odds))))


@dataclass(frozen=True)
class Recalibration:
    """Intercept and slope on the log-odds: the calibrator, and the way to update a model for a new site.

    Being linear, it keeps explanations exact: contributions are multiplied by the slope.
    """

    intercept: float = 0.0
    slope: float = 1.0

    def __call__(self, log_odds: Floats) -> Floats:
        return self.intercept + self.slope * log_odds
