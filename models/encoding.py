"""How predictors become the columns of a learner: filled, transformed, indicated.

An `Encoding` is what was learned from the development cases, kept as plain numbers so that it can be
stored as JSON and evaluated with numpy alone. `models.training` fits it inside the pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.predictors import Predictor

Floats = NDArray[np.float64]
Columns: TypeAlias = pd.DataFrame | Mapping[str, NDArray[Any]]
"""Predictors by name: a frame, or arrays (n_cases,), numbers as float64 and words as objects, None where missing."""
KNOT_QUANTILES = (0.10, 0.50, 0.90)
"""Harrell, Regression Modeling Strategies, 2nd ed., table 2.3: three knots."""
SIGNIFICANT_DIGITS = 10


def rounded(values: Any) -> Floats:
    """Numbers to 10 significant digits: what is stored repeats to the byte, and is what is used."""
    array = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = np.where(array == 0, 0, np.floor(np.log10(np.abs(array))))
    text = np.array([f"{value:.{SIGNIFICANT_DIGITS - 1}e}" for value in array.ravel()])
    return np.where(np.isfinite(magnitude), text.astype(np.float64).reshape(array.shape), array)


def restricted_cubic_basis(x: Floats, knots: Floats) -> Floats:
    """Restricted cubic spline: x itself and k - 2 terms that are linear beyond the outer knots.

    Parameters
    ----------
    x : (...) float
    knots : (..., k) float, ascending, k >= 3
        The same for every x, or a row for each: leading axes broadcast.

    Returns
    -------
    (..., k - 1) float
        Scaled by the square of the distance of the outer knots, so that all are in the unit of x.

    References
    ----------
    Harrell, Regression Modeling Strategies, 2nd ed., 2.4.5; `rcspline.eval(norm=2)` of R's Hmisc.

    Examples
    --------
    >>> restricted_cubic_basis(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0])).tolist()
    [[0.0, 0.0], [1.0, 0.25], [2.0, 1.5]]
    """

    def cubed(distance: Floats) -> Floats:
        return np.maximum(distance, 0) ** 3

    last, before, inner = knots[..., -1:], knots[..., -2:-1], knots[..., :-2]
    at = x[..., None]
    terms = (
        cubed(at - inner)
        - cubed(at - before) * (last - inner) / (last - before)
        + cubed(at - last) * (before - inner) / (last - before)
    )
    return np.concatenate([at, terms / (last - knots[..., :1]) ** 2], axis=-1)


@dataclass(frozen=True, kw_only=True)
class EncodedPredictor:
    """One predictor as it is encoded. `fill` stands in for a missing value: the development median."""

    name: str
    form: str
    fill: float | str
    knots: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        if self.form == "levels":
            return [f"{self.name}={level}" for level in self.levels[1:]]
        return [self.name] + [f"{self.name}'" * term for term in range(1, len(self.knots) - 1)]


def as_numbers(values: pd.Series | NDArray[Any]) -> Floats:
    """(n_cases,) float64; NaN is missing, and so is what is no number."""
    if values.dtype == np.float64:
        return np.asarray(values)
    return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def as_words(values: pd.Series | NDArray[Any], fill: float | str | None) -> NDArray[np.object_]:
    """(n_cases,) object; `fill` stands in for what is missing."""
    words = np.array(values, dtype=object)
    words[pd.isna(words)] = fill
    return words


def is_missing(values: pd.Series | NDArray[Any]) -> NDArray[np.bool_]:
    """(n_cases,): where nothing is recorded."""
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        return np.isnan(values)
    return np.asarray(pd.isna(values))


def n_cases(columns: Columns) -> int:
    """How many cases there are; none where there is no predictor at all."""
    return len(columns) if isinstance(columns, pd.DataFrame) else len(next(iter(columns.values()), ()))


class _Layout(NamedTuple):
    """An encoding as arrays: which column holds what."""

    names: list[str]  # of the numbers
    places: NDArray[np.intp]  # (n_numbers,): the column of each
    fill: Floats  # (n_numbers,)
    is_log: NDArray[np.bool_]  # (n_numbers,)
    curved: NDArray[np.intp]  # (n_curved,): places among the numbers
    bends: NDArray[np.intp]  # (n_curved,): the column of each one's second term
    knots: Floats  # (n_curved, 3)
    words: list[tuple[int, EncodedPredictor]]  # first column of each


@dataclass(frozen=True)
class Encoding:
    """All predictors of a learner, encoded: (n_cases, n_columns) from a frame of predictors."""

    predictors: tuple[EncodedPredictor, ...]

    @cached_property
    def columns(self) -> list[str]:
        return [column for predictor in self.predictors for column in predictor.columns]

    @cached_property
    def owner(self) -> NDArray[np.intp]:
        """(n_columns,): the predictor that each encoded column belongs to."""
        return np.repeat(np.arange(len(self.predictors)), [len(p.columns) for p in self.predictors])

    def encode(self, frame: Columns) -> Floats:
        encoded = np.zeros((n_cases(frame), len(self.columns)))
        layout = self._layout
        if layout.names:
            recorded = np.array([as_numbers(frame[name]) for name in layout.names])
            numbers = np.where(np.isnan(recorded), layout.fill[:, None], recorded).T
            encoded[:, layout.places] = numbers
            encoded[:, layout.places[layout.is_log]] = np.log1p(numbers[:, layout.is_log])
            if len(layout.curved):
                encoded[:, layout.bends] = restricted_cubic_basis(numbers[:, layout.curved], layout.knots)[:, :, 1]
        for place, predictor in layout.words:
            words = as_words(frame[predictor.name], predictor.fill)
            for offset, level in enumerate(predictor.levels[1:]):
                encoded[:, place + offset] = words == level
        return encoded

    @cached_property
    def _layout(self) -> _Layout:
        places = list(zip(self._first_columns.tolist(), self.predictors, strict=True))
        numbers = [(place, p) for place, p in places if p.form != "levels"]
        curved = [(number, place, p.knots) for number, (place, p) in enumerate(numbers) if p.knots]
        return _Layout(
            names=[p.name for _, p in numbers],
            places=np.array([place for place, _ in numbers], dtype=np.intp),
            fill=np.array([float(p.fill) for _, p in numbers]),
            is_log=np.array([p.form == "log" for _, p in numbers], dtype=bool),
            curved=np.array([number for number, _, _ in curved], dtype=np.intp),
            bends=np.array([place + 1 for _, place, _ in curved], dtype=np.intp),
            knots=np.array([knots for _, _, knots in curved], dtype=np.float64).reshape(-1, len(KNOT_QUANTILES)),
            words=[(place, p) for place, p in places if p.form == "levels"],
        )

    def by_predictor(self, by_column: Floats) -> Floats:
        """Contributions of encoded columns summed to their predictors: (n_cases, n_predictors)."""
        if not self.predictors:
            return np.zeros((len(by_column), 0))
        return np.add.reduceat(by_column, self._first_columns, axis=1)

    @cached_property
    def _first_columns(self) -> NDArray[np.intp]:
        return np.searchsorted(self.owner, np.arange(len(self.predictors)))

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(predictor) for predictor in self.predictors]

    @classmethod
    def from_json(cls, stored: list[dict[str, Any]]) -> Encoding:
        return cls(
            tuple(
                EncodedPredictor(**{**row, "knots": tuple(row["knots"]), "levels": tuple(row["levels"])})
                for row in stored
            )
        )


def fitted_encoding(frame: pd.DataFrame, predictors: list[Predictor], *, linear: bool) -> Encoding:
    """The encoding learned from development cases: medians, knots, the commonest level.

    With `linear=False` (for trees) numbers stay as they are, since a tree makes its own curve. A
    predictor whose knots coincide is taken as linear. One that nobody has recorded is filled with 0.
    """
    return Encoding(tuple(_fitted_predictor(frame[p.name], p, linear) for p in predictors))


def _fitted_predictor(values: pd.Series, predictor: Predictor, linear: bool) -> EncodedPredictor:
    if predictor.form == "levels":
        counts = values.dropna().value_counts()
        commonest = sorted(predictor.levels, key=lambda level: -counts.get(level, 0))[0]
        return EncodedPredictor(name=predictor.name, form="levels", fill=commonest, levels=predictor.levels)
    numbers = as_numbers(values)
    numbers = numbers[~np.isnan(numbers)]
    fill = float(rounded(np.median(numbers))) if len(numbers) else 0.0
    form, knots = ("linear", ()) if not linear else (predictor.form, ())
    if form == "spline3":
        quantiles = rounded(np.quantile(numbers, KNOT_QUANTILES)) if len(numbers) else np.zeros(3)
        distinct = len(set(quantiles.tolist())) == len(KNOT_QUANTILES)
        form, knots = ("spline3", tuple(quantiles.tolist())) if distinct else ("linear", ())
    return EncodedPredictor(name=predictor.name, form=form, fill=fill, knots=knots)
