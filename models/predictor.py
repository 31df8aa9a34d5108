"""`RiskPredictor`: the one door from a record to an explained risk, for batch, service and MLflow alike.

It imports neither shap nor scikit-learn: a prediction is arithmetic on stored numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.builders import BuilderParams, build_features
from features.predictors import predictor_frame
from features.record import refuse_problems, value_problems, wrong_columns
from features.red_flags import red_flag_names
from models.bundle import Bundle, bundle_sha256, read_bundle, read_evidence
from models.encoding import Columns, Floats, is_missing
from models.experience import SeenLimits, Similar
from models.fitted import LinearModel, LinearStack, TreeModel, TreeStack, sigmoid

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


@dataclass(frozen=True)
class Risks:
    """What one model says of n cases, as arrays."""

    risk: Floats
    """(n,), as are the limits of its 95 % interval over the refits; NaN limits for a model without refits."""
    lower: Floats
    upper: Floats
    base_log_odds: float
    contributions: Floats
    """(n, n_predictors), in calibrated log-odds; with the base they add up to the log-odds of the risk."""
    is_missing: NDArray[np.bool_]
    """(n, n_predictors): not recorded, so that the development median stands in."""


class RiskPredictor:
    """A learned model with its outcome, horizon and provenance, ready to answer."""

    def __init__(self, bundle: Bundle, sha256: str, evidence: Mapping[str, Any] | None = None) -> None:
        self.bundle = bundle
        self.sha256 = sha256
        self.evidence = evidence or {}
        self.builder_params = BuilderParams(**bundle.builder_params) if bundle.builder_params else None
        self.names = [predictor.name for predictor in bundle.predictors]
        linear = [refit for refit in bundle.refits if isinstance(refit, LinearModel)]
        trees = [refit for refit in bundle.refits if isinstance(refit, TreeModel)]
        self._linear = LinearStack(linear) if linear else None
        self._trees = bundle.stack or (TreeStack.of(trees) if trees else None)
        self._limits = SeenLimits(bundle.seen, bundle.predictors)

    @classmethod
    def load(cls, folder: Path) -> RiskPredictor:
        """From a bundle folder; refuses one that is damaged or that other code made (`BundleError`)."""
        return cls(read_bundle(folder), bundle_sha256(folder), read_evidence(folder))

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
        answer = self.risks(predictor_frame(cases, features, self.names))
        flags = red_flag_names(cases)
        has_flag = (flags != "").to_numpy()
        risks = pd.DataFrame(
            {
                "risk": answer.risk,
                "risk_lower": answer.lower,
                "risk_upper": answer.upper,
                "base_log_odds": np.full(len(cases), answer.base_log_odds),
            },
            index=cases.index,
        )
        risks[has_flag] = np.nan
        answer.contributions[has_flag] = np.nan
        return Explained(
            risks=risks.assign(
                red_flags=flags,
                missing_predictors=answer.is_missing.sum(axis=1).astype(float),
                provenance=self.bundle.provenance,
            ),
            contributions=pd.DataFrame(answer.contributions, index=cases.index, columns=self.names),
            features=features,
        )

    def risks(self, predictors: Columns) -> Risks:
        """Risk, interval and contributions from the predictors alone, without a look at red flags.

        The one place where a risk is computed: frames of a batch and arrays of a request come here.
        """
        base, contributions = self.bundle.model.contributions(predictors)
        slope = self.bundle.recalibration.slope
        base = self.bundle.recalibration.intercept + slope * base
        contributions = slope * contributions
        log_odds = base + contributions.sum(axis=1)
        spread = Z_95 * self._spread(predictors, len(log_odds))
        missing = [is_missing(predictors[name]) for name in self.names]
        return Risks(
            risk=sigmoid(log_odds),
            lower=sigmoid(log_odds - spread),
            upper=sigmoid(log_odds + spread),
            base_log_odds=base,
            contributions=contributions,
            is_missing=np.stack(missing, axis=1) if missing else np.zeros((len(log_odds), 0), dtype=bool),
        )

    def similar(self, risks: Risks, wanted: int) -> Similar:
        """What became of the development cases whose risks were moved alike; see `SimilarCases.near`."""
        slope = self.bundle.recalibration.slope
        return self.bundle.similar.near(risks.contributions / slope if slope else 0 * risks.contributions, wanted)

    def unseen(self, predictors: Columns) -> list[list[str]]:
        """For each case the names of the predictors whose value development has not seen."""
        return self._limits.outside(predictors)

    @cached_property
    def importance(self) -> Floats:
        """(n_predictors,): the part of each in all that moves the risks of the development cases; adds up to 1."""
        moved = self.bundle.similar.cases @ np.abs(self.bundle.similar.centres)
        return moved / moved.sum() if moved.sum() else moved

    def risk(self, cases: pd.DataFrame, features: pd.DataFrame) -> pd.Series:
        """The risk alone, for cases whose features are made and whose values are checked."""
        base, contributions = self.bundle.model.contributions(predictor_frame(cases, features, self.names))
        recalibrated = self.bundle.recalibration(base + contributions.sum(axis=1))
        return pd.Series(sigmoid(recalibrated), index=cases.index, name="risk")

    def _spread(self, predictors: Columns, n_cases: int) -> Floats:
        """Standard deviation of the calibrated log-odds over the refits; NaN for a model without refits."""
        if not self.bundle.refits:
            return np.full(n_cases, np.nan)
        if self._linear is not None:
            margins = self._linear.log_odds(predictors)
        elif self._trees is not None and self._trees.is_fast_for(n_cases):
            margins = self._trees.log_odds(predictors)
        else:
            margins = np.stack([refit.log_odds(predictors) for refit in self.bundle.refits])
        return np.std(self.bundle.recalibrated_refits(margins), axis=0, ddof=1)
