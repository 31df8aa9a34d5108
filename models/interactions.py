"""Interactions in boosted trees: how far the effect of one predictor hangs on another, in calibrated log-odds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from features.predictors import predictor_frame
from models.encoding import Floats
from models.fitted import TreeModel
from models.predictor import RiskPredictor


class Interactions(NamedTuple):
    """Pairs of predictors in n cases; XGBoost splits a pair's effect between both orders, here they are one."""

    X: pd.DataFrame
    """(n, n_predictors): the values."""
    values: Floats
    """(n, n_predictors, n_predictors), symmetric; on the diagonal is what a predictor does alone."""
    labels: dict[str, str]

    def strongest(self, most: int = 8) -> pd.DataFrame:
        """Mean size of the interaction between the predictors that interact most: a square table by label."""
        size = np.abs(self.values).mean(axis=0)
        np.fill_diagonal(size, 0.0)
        order = np.argsort(-size.sum(axis=0), kind="stable")[:most]
        names = [self.labels[name] for name in self.X.columns[order]]
        table = pd.DataFrame(size[np.ix_(order, order)], index=names, columns=names)
        return table.where(~np.eye(len(order), dtype=bool))

    def strongest_pair(self) -> tuple[str, str]:
        """The two predictors that interact most; first the one with more effect of its own."""
        size = np.abs(self.values).mean(axis=0)
        pairs = np.triu(size, k=1)
        first, second = np.unravel_index(pairs.argmax(), pairs.shape)
        ordered = sorted((int(first), int(second)), key=lambda place: -size[place, place])
        return str(self.X.columns[ordered[0]]), str(self.X.columns[ordered[1]])

    def of(self, first: str, second: str) -> Floats:
        """(n,): what the pair does together beyond what each does alone."""
        names = list(self.X.columns)
        return self.values[:, names.index(first), names.index(second)]


def interactions(predictor: RiskPredictor, cases: pd.DataFrame, features: pd.DataFrame) -> Interactions:
    """The interactions of a boosted model in some cases, by TreeSHAP; 500 cases take a second or a few.

    Raises
    ------
    TypeError
        For a model without trees: a regression without product terms has no interaction.
    """
    model = predictor.bundle.model
    if not isinstance(model, TreeModel):
        raise TypeError(f"{predictor.bundle.learner} has no interactions: only boosted trees do")
    import xgboost as xgb

    X = predictor_frame(cases, features, predictor.names)
    by_column = model.booster.predict(xgb.DMatrix(model.encoding.encode(X)), pred_interactions=True)[:, :-1, :-1]
    owned = (model.encoding.owner[:, None] == np.arange(len(predictor.names))).astype(np.float64)
    values = predictor.bundle.recalibration.slope * np.einsum(
        "nij,ip,jq->npq", by_column.astype(np.float64), owned, owned, optimize=True
    )
    alone = np.einsum("npp->np", values)
    both = values + values.swapaxes(1, 2)
    np.einsum("npp->np", both)[...] = alone
    return Interactions(X, both, {p.name: p.label for p in predictor.bundle.predictors})
