"""Fitted models as plain numbers: what predicts, explains itself, and is stored without a pickle.

Both kinds answer with contributions on the scale of log-odds, and the margin is *defined* as their
float64 sum with the base, so that explanations add up to the prediction exactly.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

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
from models.tree_tables import NODE, ContributionTables, LeafTables, has_tables

if TYPE_CHECKING:
    import xgboost as xgb

FEW_CASES = 20
"""Up to so many cases the trees of all refits are faster as arrays; both ways give the same numbers."""
MANY_CASES = 2000
"""From so many cases on trees are looked up in tables, which take a moment to make; the numbers are the same."""


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
            recorded = np.stack([as_numbers(frame[name]) for name in self._names], axis=1)
            for start in range(0, len(margins), TOGETHER):
                self._add_numbers(margins[start : start + TOGETHER], recorded[start : start + TOGETHER, None, :])
        for name, (levels, weights) in self._words.items():
            margins += weights[:, _level_places(frame[name], levels)].T
        return margins.T

    def _add_numbers(self, margins: Floats, recorded: Floats) -> None:
        values = np.where(np.isnan(recorded), self._fill, recorded)
        values[:, :, self._is_log] = np.log1p(values[:, :, self._is_log])
        margins += (values * self._slope).sum(axis=2)
        if len(self._curved):
            bends = restricted_cubic_basis(values[:, :, self._curved], self._knots)[..., 1]
            margins += (bends * self._bend).sum(axis=2)


TOGETHER = 128
"""Cases whose numbers for every refit fit into the processor's cache."""
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
    ubj: bytes
    """As XGBoost stores them."""

    explanation: ClassVar[str] = "path-dependent"

    @cached_property
    def booster(self) -> xgb.Booster:
        import xgboost as xgb  # costs seconds, which only trees need to pay

        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(self.ubj))
        return booster

    @cached_property
    def tables(self) -> ContributionTables | None:
        """The trees as tables of contributions; None where they ask too much for that."""
        forest = _nodes([_forest(self)])[0]
        return ContributionTables(self.booster, forest, len(self.encoding.columns)) if has_tables(forest) else None

    def contributions(self, frame: Columns) -> tuple[float, Floats]:
        encoded = self.encoding.encode(frame)
        if len(encoded) >= MANY_CASES and self.tables is not None:
            return self.tables.base, self.encoding.by_predictor(self.tables.contributions(encoded))
        by_column = self.booster.predict(_matrix(encoded), pred_contribs=True).astype(np.float64)
        base = float(by_column[0, -1]) if len(by_column) else 0.0
        return base, self.encoding.by_predictor(by_column[:, :-1])

    def log_odds(self, frame: Columns) -> Floats:
        return self.booster.predict(_matrix(self.encoding.encode(frame)), output_margin=True).astype(np.float64)


class TreeStack:
    """Boosted trees of the same predictors, evaluated together for a case or a few.

    XGBoost takes a tenth of a millisecond for each booster and each call, which fifty refits make long. The
    same trees as arrays take a few steps down for all of them at once. Leaves are added in XGBoost's order
    and in its single precision, so that the numbers are those of each model alone.

    Parameters
    ----------
    encodings : that of each model
        With the same predictors in the same order.
    nodes : (n_models, n_trees, n_nodes) of `NODE`
        The margin to which a model's leaves are added stands in those of its first tree.
    """

    def __init__(self, encodings: Sequence[Encoding], nodes: NDArray[np.void]) -> None:
        n_models, n_trees, n_nodes = nodes.shape
        self._nodes = nodes
        self._root = np.arange(0, nodes.size, n_nodes).reshape(n_models, 1, n_trees)
        self._left = self._root.reshape(n_models, n_trees, 1) + nodes["left"]
        self._feature = nodes["feature"].astype(np.intp)
        self._split, self._leaf = (np.ascontiguousarray(nodes[name]) for name in ("split", "leaf"))
        self._depth = _depth(nodes["left"])
        self._encodings = encodings
        self._fill = np.array([_fills(encoding) for encoding in encodings])

    @classmethod
    def of(cls, models: Sequence[TreeModel]) -> TreeStack:
        """Of at least one model."""
        return cls([model.encoding for model in models], _nodes([_forest(model) for model in models]))

    @classmethod
    def from_npy(cls, encodings: Sequence[Encoding], npy: bytes) -> TreeStack:
        return cls(encodings, np.load(io.BytesIO(npy), allow_pickle=False))

    def as_npy(self) -> bytes:
        """The nodes as an array file of NumPy."""
        file = io.BytesIO()
        np.save(file, self._nodes, allow_pickle=False)
        return file.getvalue()

    def log_odds(self, frame: Columns) -> Floats:
        """Margins of all models, before recalibration: (n_models, n_cases)."""
        if n_cases(frame) >= MANY_CASES and self._tables is not None:
            return self._tables.margins(self._encodings[0].encode(frame), self._missing(frame))
        x = self._encoded(frame).astype(np.float32)
        n_models, n_rows, n_columns = x.shape
        first = np.arange(0, x.size, n_columns).reshape(n_models, n_rows, 1)
        node = np.broadcast_to(self._root, (n_models, n_rows, self._root.shape[2]))
        for _ in range(self._depth):
            goes_right = x.take(first + self._feature.take(node)) >= self._split.take(node)
            node = self._left.take(node) + goes_right
        return np.cumsum(self._leaf.take(node), axis=2, dtype=np.float32)[:, :, -1].astype(np.float64)

    def _encoded(self, frame: Columns) -> Floats:
        """What each model sees: (n_models, n_cases, n_columns); they differ where something is missing alone."""
        return np.where(self._missing(frame), self._fill[:, None, :], self._encodings[0].encode(frame))

    def _missing(self, frame: Columns) -> NDArray[np.bool_]:
        """(n_cases, n_columns): whether what a column is made from is not recorded."""
        encoding = self._encodings[0]
        return np.stack([is_missing(frame[p.name]) for p in encoding.predictors], axis=1)[:, encoding.owner]

    @cached_property
    def _tables(self) -> LeafTables | None:
        return LeafTables(self._nodes, self._fill) if has_tables(self._nodes) else None

    def is_fast_for(self, n_cases: int) -> bool:
        """Whether so many cases are better taken here than by one booster after another; both give the same numbers."""
        return n_cases <= FEW_CASES or (n_cases >= MANY_CASES and has_tables(self._nodes))


def _nodes(forests: Sequence[Sequence[NDArray[np.void]]]) -> NDArray[np.void]:
    """The trees of several models in one array, (n_models, n_trees, n_nodes); what is lacking is a leaf of 0."""
    size = max(len(tree) for forest in forests for tree in forest)
    nodes = np.zeros((len(forests), max(map(len, forests)), size), dtype=NODE)
    nodes["left"], nodes["split"] = np.arange(size), np.nan
    for own, forest in zip(nodes, forests, strict=True):
        for place, tree in enumerate(forest):
            own[place, : len(tree)] = tree
    return nodes


def _forest(model: TreeModel) -> list[NDArray[np.void]]:
    """The trees of a model as `NODE`s."""
    learner = json.loads(bytes(model.booster.save_raw("json")))["learner"]
    trees = [_tree(stored) for stored in learner["gradient_booster"]["model"]["trees"]]
    share = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
    odds_against = np.float64(np.float32(1) / share - np.float32(1))
    trees[0]["leaf"] += np.float32(-np.log(odds_against))
    return trees


def _tree(stored: Mapping[str, Any]) -> NDArray[np.void]:
    """A tree as XGBoost stores it, where a node may stand anywhere behind its parent."""
    left, right = stored["left_children"], stored["right_children"]
    order, own_left = [0], []
    for place, node in enumerate(order):  # which grows by the children of each
        is_leaf = left[node] < 0
        own_left.append(place if is_leaf else len(order))
        if not is_leaf:
            order += [left[node], right[node]]
    tree = np.zeros(len(order), dtype=NODE)
    tree["left"], tree["feature"] = own_left, np.array(stored["split_indices"])[order]
    condition = np.array(stored["split_conditions"], dtype=np.float32)[order]
    at_leaf = tree["left"] == np.arange(len(order))
    tree["split"] = np.where(at_leaf, np.float32(np.nan), condition)
    tree["leaf"] = np.where(at_leaf, condition, np.float32(0))
    return tree


def _depth(left: NDArray[np.int32]) -> int:
    """Steps from the root to the deepest leaf of (n_models, n_trees, n_nodes) trees."""
    depths = np.zeros(left.shape, dtype=np.intp)
    for node in range(left.shape[2]):  # a child stands behind its parent
        model, tree = np.nonzero(left[:, :, node] != node)
        child = left[model, tree, node]
        depths[model, tree, child] = depths[model, tree, child + 1] = depths[model, tree, node] + 1
    return int(depths.max())


def _fills(encoding: Encoding) -> Floats:
    """The encoded columns of a case of which nothing is recorded: (n_columns,)."""
    word, number = np.array([None], dtype=object), np.array([np.nan])
    nothing = {p.name: word if p.form == "levels" else number for p in encoding.predictors}
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
