"""Fitted models as plain numbers: what predicts, explains itself, and is stored without a pickle.

Both kinds answer with contributions on the scale of log-odds, and the margin is *defined* as their
float64 sum with the base, so that explanations add up to the prediction exactly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.encoding import (
    Columns,
    EncodedPredictor,
    Encoding,
    Floats,
    as_numbers,
    as_words,
    is_missing,
    n_cases,
    restricted_cubic_basis,
)

if TYPE_CHECKING:
    import xgboost as xgb


class FittedModel(Protocol):
    """A fitted learner: contributions by predictor, (n_cases, n_predictors), around a base."""

    explanation: ClassVar[str]

    @property
    def encoding(self) -> Encoding: ...

    def contributions(self, frame: Columns) -> tuple[float, Floats]: ...

    def log_odds(self, frame: Columns) -> Floats:
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

    def contributions(self, frame: Columns) -> tuple[float, Floats]:
        by_column = (self.encoding.encode(frame) - self.mean) / self.scale * self.coefficients
        return self.intercept, self.encoding.by_predictor(by_column)

    def log_odds(self, frame: Columns) -> Floats:
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


class LinearStack:
    """Linear models of the same predictors, evaluated together: all refits of a model in a few array products.

    The models may differ in medians, knots, means and coefficients, and in where a spline was possible.

    Parameters
    ----------
    models : at least one `LinearModel`
        With the same predictors in the same order.
    """

    def __init__(self, models: Sequence[LinearModel]) -> None:
        rows = [model.encoding.predictors for model in models]
        slopes = [_slopes(model) for model in models]
        self._intercept = np.array(
            [model.intercept - (model.mean / model.scale * model.coefficients).sum() for model in models]
        )
        numbers = [place for place, p in enumerate(rows[0]) if p.form != "levels"]
        self._names = [rows[0][place].name for place in numbers]
        self._is_log = np.array([rows[0][place].form == "log" for place in numbers], dtype=bool)
        self._fill = np.array([[float(row[place].fill) for place in numbers] for row in rows])
        self._slope = np.array([[slope[place][0] for place in numbers] for slope in slopes])
        curved = [place for place in numbers if any(row[place].knots for row in rows)]
        self._curved = np.array([numbers.index(place) for place in curved], dtype=np.intp)
        self._knots = np.array([[row[place].knots or UNBENT for place in curved] for row in rows]).reshape(
            len(rows), -1, len(UNBENT)
        )
        self._bend = np.array([[[*slope[place], 0.0][1] for place in curved] for slope in slopes])
        self._words = {
            p.name: (
                p.levels,
                np.array([_by_level(row[place], slope[place]) for row, slope in zip(rows, slopes, strict=True)]),
            )
            for place, p in enumerate(rows[0])
            if p.form == "levels"
        }

    def log_odds(self, frame: Columns) -> Floats:
        """Margins of all models, before recalibration: (n_models, n_cases)."""
        margins = np.tile(self._intercept, (n_cases(frame), 1))
        if self._names:
            recorded = np.stack([as_numbers(frame[name]) for name in self._names], axis=1)[:, None, :]
            values = np.where(np.isnan(recorded), self._fill, recorded)
            values[:, :, self._is_log] = np.log1p(values[:, :, self._is_log])
            margins += (values * self._slope).sum(axis=2)
        if len(self._curved):
            margins += (restricted_cubic_basis(values[:, :, self._curved], self._knots)[..., 1] * self._bend).sum(
                axis=2
            )
        for name, (levels, weights) in self._words.items():
            margins += weights[:, _level_places(frame[name], levels)].T
        return margins.T


UNBENT = (0.0, 1.0, 2.0)
"""Knots of a predictor that one model takes as linear, where another bends: its bend is 0."""


def _slopes(model: LinearModel) -> list[Floats]:
    """Coefficients on the plain scale of each predictor's columns."""
    own = np.split(model.coefficients / model.scale, np.flatnonzero(np.diff(model.encoding.owner)) + 1)
    return own if len(model.encoding.predictors) else []


def _by_level(predictor: EncodedPredictor, slopes: Floats) -> list[float]:
    """The coefficient of each level; then that of a word that is no level, and of a missing one."""
    of_levels = [0.0, *slopes.tolist()]
    filled = predictor.levels.index(str(predictor.fill)) if predictor.fill in predictor.levels else 0
    return [*of_levels, 0.0, of_levels[filled]]


def _level_places(values: Any, levels: tuple[str, ...]) -> NDArray[np.intp]:
    """(n_cases,): the place of each word among the levels, one behind them for another, two for none."""
    place_of = {level: place for place, level in enumerate(levels)} | {None: len(levels) + 1}
    return np.array([place_of.get(word, len(levels)) for word in as_words(values, None)], dtype=np.intp)


@dataclass(frozen=True)
class TreeModel:
    """Gradient boosted trees; contributions are path-dependent, as XGBoost's own."""

    encoding: Encoding
    booster: xgb.Booster

    explanation: ClassVar[str] = "path-dependent"

    def contributions(self, frame: Columns) -> tuple[float, Floats]:
        by_column = self.booster.predict(_matrix(self.encoding.encode(frame)), pred_contribs=True).astype(np.float64)
        base = float(by_column[0, -1]) if len(by_column) else 0.0
        return base, self.encoding.by_predictor(by_column[:, :-1])

    def log_odds(self, frame: Columns) -> Floats:
        return self.booster.predict(_matrix(self.encoding.encode(frame)), output_margin=True).astype(np.float64)

    @classmethod
    def from_ubj(cls, encoding: Encoding, ubj: bytes) -> TreeModel:
        import xgboost as xgb  # costs seconds, which only trees need to pay

        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(ubj))
        return cls(encoding=encoding, booster=booster)

    def as_ubj(self) -> bytes:
        return bytes(self.booster.save_raw("ubj"))


class TreeStack:
    """Boosted trees of the same predictors, evaluated together for a case or a few.

    XGBoost takes a tenth of a millisecond for each booster and each call, which fifty refits make long. The
    same trees as arrays take a few steps down for all of them at once. Leaves are added in XGBoost's order
    and in its single precision, so that the numbers are those of each model alone.

    Parameters
    ----------
    models : at least one `TreeModel`
        With the same predictors in the same order.
    """

    def __init__(self, models: Sequence[TreeModel]) -> None:
        forests, bases = zip(*map(_forest, models), strict=True)
        shape = (len(models), max(map(len, forests)), max(len(tree.left) for forest in forests for tree in forest))
        self._left, self._right, self._feature = (np.zeros(shape, dtype=np.intp) for _ in range(3))
        self._split, self._leaf = (np.zeros(shape, dtype=np.float32) for _ in range(2))
        for row, forest in enumerate(forests):
            for column, tree in enumerate(forest):
                size = slice(len(tree.left))
                is_leaf, own = tree.left < 0, np.arange(len(tree.left))
                self._left[row, column, size] = np.where(is_leaf, own, tree.left)
                self._right[row, column, size] = np.where(is_leaf, own, tree.right)
                self._feature[row, column, size] = tree.feature
                self._split[row, column, size] = tree.split
                self._leaf[row, column, size] = np.where(is_leaf, tree.split, 0)
        self._depth = max(tree.depth for forest in forests for tree in forest)
        self._base = np.array(bases, dtype=np.float32)
        self._encodings = [model.encoding for model in models]
        self._fill = np.array([_fills(encoding) for encoding in self._encodings])

    def log_odds(self, frame: Columns) -> Floats:
        """Margins of all models, before recalibration: (n_models, n_cases)."""
        x = self._encoded(frame).astype(np.float32)
        n_models, n_rows, n_columns = x.shape
        _, n_trees, n_nodes = self._left.shape
        first_node = (np.arange(n_models)[:, None] * n_trees + np.arange(n_trees))[:, None, :] * n_nodes
        first_value = (np.arange(n_models)[:, None] * n_rows + np.arange(n_rows))[:, :, None] * n_columns
        node = np.zeros((n_models, n_rows, n_trees), dtype=np.intp)
        for _ in range(self._depth):
            at = first_node + node
            goes_left = x.take(first_value + self._feature.take(at)) < self._split.take(at)
            node = np.where(goes_left, self._left.take(at), self._right.take(at))
        leaves = self._leaf.take(first_node + node)
        leaves[:, :, 0] += self._base[:, None]
        return np.cumsum(leaves, axis=2, dtype=np.float32)[:, :, -1].astype(np.float64)

    def _encoded(self, frame: Columns) -> Floats:
        """What each model sees: (n_models, n_cases, n_columns); they differ where something is missing alone."""
        encoding = self._encodings[0]
        missing = np.stack([is_missing(frame[p.name]) for p in encoding.predictors], axis=1)[:, encoding.owner]
        return np.where(missing, self._fill[:, None, :], encoding.encode(frame))


class _Tree(NamedTuple):
    left: NDArray[np.intp]  # (n_nodes,); -1 at a leaf
    right: NDArray[np.intp]
    feature: NDArray[np.intp]
    split: NDArray[np.float32]  # at a leaf its value

    @property
    def depth(self) -> int:
        depths = np.zeros(len(self.left), dtype=np.intp)
        for node in range(len(self.left)):  # a child stands behind its parent
            if self.left[node] >= 0:
                depths[[self.left[node], self.right[node]]] = depths[node] + 1
        return int(depths.max())


def _forest(model: TreeModel) -> tuple[list[_Tree], np.float32]:
    """The trees of a model, and the margin to which their leaves are added."""
    learner = json.loads(bytes(model.booster.save_raw("json")))["learner"]
    trees = [
        _Tree(
            left=np.array(tree["left_children"], dtype=np.intp),
            right=np.array(tree["right_children"], dtype=np.intp),
            feature=np.array(tree["split_indices"], dtype=np.intp),
            split=np.array(tree["split_conditions"], dtype=np.float32),
        )
        for tree in learner["gradient_booster"]["model"]["trees"]
    ]
    share = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
    odds_against = np.float64(np.float32(1) / share - np.float32(1))
    return trees, np.float32(-np.log(odds_against))


def _fills(encoding: Encoding) -> Floats:
    """The encoded columns of a case of which nothing is recorded: (n_columns,)."""
    nothing = {p.name: np.array([None], dtype=object) for p in encoding.predictors}
    return encoding.encode(nothing)[0]


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
