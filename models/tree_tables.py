"""Boosted trees as tables, for many cases at once: the numbers of XGBoost to the last bit, at a fraction of its cost.

A tree of depth 3 asks at most seven questions, each whether a column reaches a threshold. What the tree adds, and how
it shares that among its columns, depends on the answers alone: so it is a table of at most 2**7 rows, which is worked
out once, and a case is a look into it. XGBoost walks down the tree for each case instead, and for contributions along
every path of it.

Numbers are single precision and added tree after tree, as XGBoost does, so that they are its own. Trees that ask more
than `QUESTIONS` have no table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xgboost as xgb

Singles: TypeAlias = NDArray[np.float32]
Answers: TypeAlias = NDArray[np.uint8]
Reached: TypeAlias = NDArray[np.unsignedinteger[Any]]

NODE = np.dtype([("left", "<i4"), ("feature", "<i4"), ("split", "<f4"), ("leaf", "<f4")])
"""Of a tree, whose nodes stand from the root on: `left` is the place of the left child, behind which the right one
stands, and at a leaf its own; `split` is NaN there, where no value reaches it; `leaf` is the value of a leaf."""
QUESTIONS = 8
"""As many answers as a byte holds; a tree of depth 3 asks seven at most."""


class Question(NamedTuple):
    """Whether a column reaches a threshold: the first that is as high as it among those of the column."""

    column: int
    place: np.unsignedinteger[Any]
    """From 1 on."""


class Thresholds:
    """All thresholds that trees hold against each column.

    Parameters
    ----------
    nodes : (..., n_nodes) of `NODE`
        Of all trees.
    n_columns : int
    """

    def __init__(self, nodes: NDArray[np.void], n_columns: int) -> None:
        asks = nodes["left"] != np.arange(nodes.shape[-1])
        column, split = nodes["feature"][asks], nodes["split"][asks]
        self._of_column = [np.unique(split[column == place]) for place in range(n_columns)]

    def reached(self, column: int, values: Singles) -> Reached:
        """How many of a column's thresholds each value reaches."""
        thresholds = self._of_column[column]
        small = np.uint8 if len(thresholds) < np.iinfo(np.uint8).max else np.uint16
        reached: Reached = np.searchsorted(thresholds, values, side="right").astype(small)
        return reached

    def questions(self, trees: NDArray[np.void]) -> list[list[Question]]:
        """The questions of each of (n_trees, n_nodes) trees, in the order of its nodes and so of the bits."""
        tree, node = np.nonzero(trees["left"] != np.arange(trees.shape[1]))
        column, split = trees["feature"][tree, node], trees["split"][tree, node]
        of_column = {each: self.reached(each, split[column == each]) for each in np.unique(column).tolist()}
        upcoming = {each: iter(places) for each, places in of_column.items()}
        asked: list[list[Question]] = [[] for _ in trees]
        for own, each in zip(tree.tolist(), column.tolist(), strict=True):
            asked[own].append(Question(each, next(upcoming[each])))
        return asked


def has_tables(nodes: NDArray[np.void]) -> bool:
    """Whether every one of (..., n_nodes) trees asks few enough questions."""
    return bool((nodes["left"] != np.arange(nodes.shape[-1])).sum(axis=-1).max(initial=0) <= QUESTIONS)


class LeafTables:
    """The sums of the leaves of several models: their margins.

    Parameters
    ----------
    nodes : (n_models, n_trees, n_nodes) of `NODE`
        The margin to which a model's leaves are added stands in those of its first tree.
    fills : (n_models, n_columns) float
        What a case of which nothing is recorded looks like to each model.
    """

    def __init__(self, nodes: NDArray[np.void], fills: NDArray[np.float64]) -> None:
        self._thresholds = Thresholds(nodes, fills.shape[1])
        self._fills = fills.astype(np.float32)
        tables = _leaf_tables(nodes)
        self._models = [
            [
                (questions, table[: 2 ** len(questions)].copy())
                for questions, table in zip(self._thresholds.questions(trees), of_trees, strict=True)
            ]
            for trees, of_trees in zip(nodes, tables, strict=True)
        ]

    def margins(self, encoded: NDArray[np.float64], is_missing: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n_models, n_cases), from encoded columns and whether each holds a value that was filled in, both
        (n_cases, n_columns)."""
        columns = encoded.T.astype(np.float32)
        reached = [self._thresholds.reached(place, values) for place, values in enumerate(columns)]
        filled = [(place, missing) for place, missing in enumerate(np.ascontiguousarray(is_missing.T)) if missing.any()]
        margins = np.empty((len(self._models), len(encoded)))
        for own, model, fill in zip(margins, self._models, self._fills, strict=True):
            seen = list(reached)
            for place, missing in filled:
                seen[place] = np.where(missing, self._thresholds.reached(place, fill[place]), reached[place])
            own[:] = _sums(model, seen, len(encoded))
        return margins


def _sums(trees: list[tuple[list[Question], Singles]], seen: Sequence[Reached], n_cases: int) -> Singles:
    total, leaf = np.zeros(n_cases, dtype=np.float32), np.empty(n_cases, dtype=np.float32)
    answer = _Answers(n_cases)
    for questions, table in trees:
        np.take(table, answer(questions, seen), out=leaf, mode="clip")
        np.add(total, leaf, out=total)
    return total


class ContributionTables:
    """How a model's trees share what they add among the columns, as XGBoost's `pred_contribs` does.

    Parameters
    ----------
    booster : Booster
        Which fills the tables itself: it is asked about a case for each way to answer.
    nodes : (n_trees, n_nodes) of `NODE`
        Its trees.
    n_columns : int
    """

    def __init__(self, booster: xgb.Booster, nodes: NDArray[np.void], n_columns: int) -> None:
        import xgboost as xgb

        self._n_columns = n_columns
        self._thresholds = Thresholds(nodes, n_columns)
        self._trees = []
        for place, (tree, questions) in enumerate(zip(nodes, self._thresholds.questions(nodes), strict=True)):
            cases = _ways_to_answer(tree, n_columns)
            alone = xgb.DMatrix(cases, nthread=1)
            shares = booster[place : place + 1].predict(alone, pred_contribs=True)
            seen = [self._thresholds.reached(column, values) for column, values in enumerate(cases.T)]
            answers = _Answers(len(cases))(questions, seen)
            used = sorted({question.column for question in questions})
            table = np.zeros((len(used), 2 ** len(questions)), dtype=np.float32)
            table[:, answers] = shares[:, used].T
            self._trees.append((questions, list(zip(used, table, strict=True))))
        nothing = xgb.DMatrix(np.zeros((1, n_columns), dtype=np.float32), nthread=1)
        self.base = float(booster.predict(nothing, pred_contribs=True)[0, -1])

    def contributions(self, encoded: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_cases, n_columns), in log-odds around `base`, from the encoded columns."""
        columns = encoded.T.astype(np.float32)
        seen = [self._thresholds.reached(place, values) for place, values in enumerate(columns)]
        total = np.zeros((self._n_columns, len(encoded)), dtype=np.float32)
        share, answer = np.empty(len(encoded), dtype=np.float32), _Answers(len(encoded))
        for questions, tables in self._trees:
            answers = answer(questions, seen).astype(np.intp)
            for column, table in tables:
                np.take(table, answers, out=share, mode="clip")
                np.add(total[column], share, out=total[column])
        return total.T.astype(np.float64)


class _Answers:
    """The answers of cases to the questions of a tree, one after another as bits of a byte."""

    def __init__(self, n_cases: int) -> None:
        self._all, self._one = np.empty(n_cases, dtype=np.uint8), np.empty(n_cases, dtype=np.uint8)

    def __call__(self, questions: list[Question], seen: Sequence[Reached]) -> Answers:
        """(n_cases,), the first question's answer as the highest bit; kept until the next tree is asked."""
        self._all[:] = 0
        for column, place in questions:
            np.greater_equal(seen[column], place, out=self._one.view(np.bool_))
            np.add(self._all, self._all, out=self._all)  # ten times as fast as a shift
            np.bitwise_or(self._all, self._one, out=self._all)
        return self._all


def _leaf_tables(nodes: NDArray[np.void]) -> Singles:
    """The leaf that is reached by each way to answer: (n_models, n_trees, 2 ** QUESTIONS)."""
    asks = nodes["left"] != np.arange(nodes.shape[2])
    bit = asks.sum(axis=2, keepdims=True) - np.cumsum(asks, axis=2)
    ways = np.arange(2**QUESTIONS)
    node = np.zeros((*nodes.shape[:2], len(ways)), dtype=np.intp)
    while True:
        asked = np.take_along_axis(asks, node, axis=2)
        if not asked.any():
            return np.take_along_axis(nodes["leaf"], node, axis=2)
        right = ways >> np.take_along_axis(bit, node, axis=2) & 1
        node = np.where(asked, np.take_along_axis(nodes["left"], node, axis=2) + right, node)


def _ways_to_answer(tree: NDArray[np.void], n_columns: int) -> Singles:
    """A case for each way in which the questions of a tree can be answered: (n_cases, n_columns)."""
    splits: dict[int, set[np.float32]] = {}
    for node in tree[tree["left"] != np.arange(len(tree))]:
        splits.setdefault(int(node["feature"]), set()).add(node["split"])
    values = [list(_around(sorted(of_column))) for of_column in splits.values()]
    ways = list(product(*values))
    cases = np.zeros((len(ways), n_columns), dtype=np.float32)
    if splits:
        cases[:, list(splits)] = np.array(ways, dtype=np.float32)
    return cases


def _around(splits: Sequence[np.float32]) -> Iterator[np.float32]:
    """A value that reaches none of the thresholds, and one that reaches each but not the next."""
    yield np.nextafter(splits[0], np.float32(-np.inf))
    yield from splits
