"""`RiskPredictor`: the one door from a record to an explained risk, for batch, service and MLflow alike.

It imports neither shap nor scikit-learn: a prediction is arithmetic on stored numbers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.builders import BuilderParams, build_features
from features.dictionary import load_dictionary
from features.predictors import predictor_frame
from features.record import refuse_problems, value_problems, wrong_columns
from features.red_flags import red_flag_names
from models.bundle import Bundle, bundle_sha256, read_bundle
from models.encoding import Floats
from models.fitted import sigmoid

Z_95 = 1.959963984540054
VIRTUAL_CAUTION = "Made from the virtual registry: not for patients."


@dataclass(frozen=True)
class Explained:
    """Predictions of one model for n cases, with their parts; indexed as the cases were.

    `risks` has `risk`, `risk_lower`, `risk_upper`, `base_log_odds`, `red_flags`, `missing_predictors` and
    `provenance`; `contributions` one column a predictor, in calibrated log-odds, that add up with the
    base to the log-odds of the risk. A case with a red flag has no risk: its numbers are missing.
    """

    risks: pd.DataFrame
    contributions: pd.DataFrame
    features: pd.DataFrame

    def groups(self, bundle: Bundle) -> pd.DataFrame:
        """Contributions summed to clinical groups, in the order of the predictors."""
        group_of = {predictor.name: predictor.group for predictor in bundle.predictors}
        return self.contributions.T.groupby(group_of, sort=False).sum(min_count=1).T


class RiskPredictor:
    """A learned model with its outcome, horizon and provenance, ready to answer."""

    def __init__(self, bundle: Bundle, sha256: str) -> None:
        self.bundle = bundle
        self.sha256 = sha256
        self.builder_params = BuilderParams(**bundle.builder_params)

    @classmethod
    def load(cls, folder: Path) -> RiskPredictor:
        """From a bundle folder; refuses one that is damaged or that other code made (`BundleError`)."""
        return cls(read_bundle(folder), bundle_sha256(folder))

    @property
    def cautions(self) -> list[str]:
        return [VIRTUAL_CAUTION] if self.bundle.provenance == "virtual" else []

    def predict(self, cases: pd.DataFrame) -> Explained:
        """Risk of the outcome within its horizon for each case, with interval and contributions.

        Parameters
        ----------
        cases : DataFrame
            Records in the dictionary's layout. A column that is absent, and a value that is empty, are
            not recorded. It is not changed.

        Raises
        ------
        TimingError, ColumnsError, ValuesError
            For a variable known only later, an unknown column, a value outside range or choices; all
            problems at once.
        """
        refuse_problems("the cases", wrong_columns(cases.columns, "preoperative", required=()))
        refuse_problems("the cases", value_problems(cases))
        return self.explain(cases, build_features(cases, self.builder_params))

    def explain(self, cases: pd.DataFrame, features: pd.DataFrame) -> Explained:
        """As `predict`, for cases whose features are made and whose values are checked."""
        names = [predictor.name for predictor in self.bundle.predictors]
        frame = predictor_frame(cases, features, names)
        base, contributions = self.bundle.model.contributions(frame)
        slope = self.bundle.recalibration.slope
        base = self.bundle.recalibration.intercept + slope * base
        contributions = slope * contributions
        log_odds = base + contributions.sum(axis=1)
        spread = Z_95 * self._spread(frame)
        flags = red_flag_names(cases)
        risks = pd.DataFrame(
            {
                "risk": sigmoid(log_odds),
                "risk_lower": sigmoid(log_odds - spread),
                "risk_upper": sigmoid(log_odds + spread),
                "base_log_odds": np.full(len(cases), base),
            },
            index=cases.index,
        )
        has_flag = (flags != "").to_numpy()
        risks[has_flag] = np.nan
        contributions[has_flag] = np.nan
        return Explained(
            risks=risks.assign(
                red_flags=flags,
                missing_predictors=frame.isna().sum(axis=1).astype(float),
                provenance=self.bundle.provenance,
            ),
            contributions=pd.DataFrame(contributions, index=cases.index, columns=names),
            features=features,
        )

    def risk(self, cases: pd.DataFrame, features: pd.DataFrame) -> pd.Series:
        """The risk alone, for cases whose features are made and whose values are checked."""
        names = [predictor.name for predictor in self.bundle.predictors]
        base, contributions = self.bundle.model.contributions(predictor_frame(cases, features, names))
        recalibrated = self.bundle.recalibration(base + contributions.sum(axis=1))
        return pd.Series(sigmoid(recalibrated), index=cases.index, name="risk")

    def _spread(self, frame: pd.DataFrame) -> Floats:
        """Standard deviation of the calibrated log-odds over the refits; NaN for a model without refits."""
        if not self.bundle.refits:
            return np.full(len(frame), np.nan)
        refitted = [self.bundle.recalibration(refit.log_odds(frame)) for refit in self.bundle.refits]
        return np.std(refitted, axis=0, ddof=1)


def input_keys(cases: pd.DataFrame, model_sha256: str) -> pd.Series:
    """A key for each prediction: hash of the model and the canonical input; the same input, the same key.

    Keys of the record (who, where, when) do not enter, so the key names no one.
    """
    names = [v.name for v in load_dictionary().predictors if v.name in cases.columns]
    canonical = pd.DataFrame(
        {name: cases[name].map(lambda value: "" if pd.isna(value) else _canonical(value)) for name in names}
    )
    rows = canonical.to_numpy(dtype=object)
    keys = [
        hashlib.sha256(
            "\n".join([model_sha256, *(f"{n}={v}" for n, v in zip(names, row, strict=True) if v != "")]).encode()
        ).hexdigest()
        for row in rows
    ]
    return pd.Series(keys, index=cases.index, name="prediction_key", dtype=object)


def _canonical(value: object) -> str:
    return f"{float(value):.12g}" if isinstance(value, int | float | np.number) else str(value)
