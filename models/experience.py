"""What a model has seen: the range of each predictor, and what became of cases like this one.

Both ship with the model, and neither may reveal a person. A range ends at the tenth smallest and tenth
largest value. Development cases are kept as groups of at least ten: where their middle lies, how many
they are, and how many had the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.predictors import Predictor
from models.encoding import Columns, Floats, as_numbers, as_words, n_cases, rounded

LEAST_CASES = 10
"""Cases that stand behind anything that is kept: a group, the end of a range, a choice that counts as seen."""
SLICE = 8192
"""Cases whose distances are held at a time."""
FAR_QUANTILE = 0.99
"""A case further from the middle of the nearest group than this share of development cases has few like it."""


class Similar(NamedTuple):
    """What became of the development cases most like each of n cases."""

    cases: NDArray[np.intp]
    """(n,): how many they are; whole groups, so at least as many as were asked for where there are as many."""
    events: Floats
    """(n,): how many had the outcome; weighted where the outcome is censored, so not always whole."""
    is_far: NDArray[np.bool_]
    """(n,): even the nearest are far away, so that few or none are alike."""


@dataclass(frozen=True)
class SimilarCases:
    """Development cases in groups of at least ten, alike in what moves their risk.

    The space is that of the contributions: two cases are alike when each predictor moves their risks
    alike. What the model does not use makes no difference.
    """

    centres: Floats
    """(n_groups, n_predictors), in log-odds before recalibration."""
    cases: NDArray[np.intp]
    events: Floats
    far: float
    """Distance from the middle of the nearest group that one development case in a hundred exceeds."""

    @classmethod
    def learned(cls, contributions: Floats, y: Floats, weights: Floats) -> SimilarCases:
        """Groups of the development cases, by halving them along the predictor that varies most.

        Parameters
        ----------
        contributions : (n, n_predictors) float
        y : (n,) float
            0 or 1.
        weights : (n,) float
            1, or those for censoring; a group's share of events is weighted, its number of cases is not.
        """
        groups = _halved(contributions, np.arange(len(y)))
        centres = rounded(np.array([contributions[rows].mean(axis=0) for rows in groups]))
        cases = np.array([len(rows) for rows in groups], dtype=np.intp)
        shares = np.array([np.average(y[rows], weights=weights[rows]) for rows in groups])
        nearest = np.concatenate([_distances(part, centres).min(axis=1) for part in _in_slices(contributions)])
        return cls(centres, cases, rounded(shares * cases), float(rounded(np.quantile(nearest, FAR_QUANTILE))))

    def near(self, contributions: Floats, wanted: int) -> Similar:
        """The nearest groups that together hold as many cases as wanted, for each of n cases."""
        distances = _distances(contributions, self.centres)
        nearest = np.argsort(distances, axis=1, kind="stable")
        held = np.cumsum(self.cases[nearest], axis=1)
        last = np.minimum((held < wanted).sum(axis=1), len(self.cases) - 1)
        row = np.arange(len(contributions))
        return Similar(
            cases=held[row, last],
            events=np.cumsum(self.events[nearest], axis=1)[row, last],
            is_far=distances[row, nearest[:, 0]] > self.far,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "centres": self.centres.tolist(),
            "cases": self.cases.tolist(),
            "events": self.events.tolist(),
            "far": self.far,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> SimilarCases:
        centres, events = (np.array(stored[name], dtype=np.float64) for name in ("centres", "events"))
        return cls(centres, np.array(stored["cases"], dtype=np.intp), events, float(stored["far"]))


def _in_slices(points: Floats) -> Iterator[Floats]:
    """The points some at a time: the distances of a hundred thousand to ten thousand groups would fill a memory."""
    for start in range(0, max(len(points), 1), SLICE):
        yield points[start : start + SLICE]


def _halved(points: Floats, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The rows in groups of at least ten, each half the size of what it came from; never fewer than all of them."""
    if len(rows) < 2 * LEAST_CASES or not points.shape[1]:
        return [rows]
    widest = int(np.argmax(points[rows].var(axis=0)))
    order = rows[np.argsort(points[rows, widest], kind="stable")]
    middle = len(order) // 2
    return _halved(points, order[:middle]) + _halved(points, order[middle:])


def _distances(points: Floats, centres: Floats) -> Floats:
    """(n_points, n_centres)"""
    squares = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * points @ centres.T
    return np.sqrt(np.maximum(squares, 0))


class Seen(NamedTuple):
    """What development saw of one predictor: a range of numbers, or choices. None where hardly anybody had it."""

    lower: float | None
    upper: float | None
    choices: tuple[str, ...] = ()


def seen_in(columns: Columns, predictors: Sequence[Predictor]) -> dict[str, Seen]:
    """What the development cases show of each predictor, without its ten smallest and largest values."""
    return {p.name: _seen(columns, p) for p in predictors}


def _seen(columns: Columns, predictor: Predictor) -> Seen:
    if predictor.form == "levels":
        words = as_words(columns[predictor.name], None)
        common = [level for level in predictor.levels if (words == level).sum() >= LEAST_CASES]
        return Seen(None, None, tuple(common))
    numbers = as_numbers(columns[predictor.name])
    recorded = np.sort(numbers[~np.isnan(numbers)])
    if len(recorded) < LEAST_CASES:
        return Seen(None, None)
    return Seen(float(rounded(recorded[LEAST_CASES - 1])), float(rounded(recorded[-LEAST_CASES])))


class SeenLimits:
    """The ranges and choices of all predictors as arrays, to hold many cases or one against them quickly."""

    def __init__(self, seen: Mapping[str, Seen], predictors: Sequence[Predictor]) -> None:
        self._words = [p.name for p in predictors if p.form == "levels"]
        self._numbers = [p.name for p in predictors if p.form != "levels"]
        limits = [seen[name] for name in self._numbers]
        self._lower = np.array([np.inf if limit.lower is None else limit.lower for limit in limits])
        self._upper = np.array([-np.inf if limit.upper is None else limit.upper for limit in limits])
        self._choices = {name: {*seen[name].choices, None} for name in self._words}

    def outside(self, columns: Columns) -> list[list[str]]:
        """For each case the names of the predictors that development has not seen like this."""
        names = [*self._numbers, *self._words]
        if not names:
            return [[] for _ in range(n_cases(columns))]
        numbers = np.stack([as_numbers(columns[name]) for name in self._numbers], axis=1)
        strange = [
            np.array([word not in self._choices[name] for word in as_words(columns[name], None)], dtype=bool)
            for name in self._words
        ]
        is_outside = np.column_stack([(numbers < self._lower) | (numbers > self._upper), *strange])
        return [[names[place] for place in np.flatnonzero(row)] for row in is_outside]
