"""How predictors become the columns of a learner: filled, transformed, indicated.

An `Encoding` is what was learned from the development cases, kept as plain numbers so that it can be
stored as JSON and evaluated with numpy alone. `models.training` fits it inside the pipeline.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.predictors import Predictor

Floats = NDArray[np.float64]
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
    x : (n,) float
    knots : (k,) float, ascending, k >= 3

    Returns
    -------
    (n, k - 1) float
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

    last, before = knots[-1], knots[-2]
    terms = [
        cubed(x - knot)
        - cubed(x - before) * (last - knot) / (last - before)
        + cubed(x - last) * (before - knot) / (last - before)
        for knot in knots[:-2]
    ]
    return np.stack([x, *(term / (last - knots[0]) ** 2 for term in terms)], axis=1)


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

    def encode(self, values: pd.Series) -> Floats:
        if self.form == "levels":
            filled = values.astype(object).where(values.notna(), self.fill).to_numpy()
            return np.stack([(filled == level).astype(np.float64) for level in self.levels[1:]], axis=1)
        numbers = _as_numbers(values, float(self.fill))
        if self.form == "log":
            return np.log1p(numbers)[:, None]
        if self.form == "spline3" and self.knots:
            return restricted_cubic_basis(numbers, np.array(self.knots))
        return numbers[:, None]


def _as_numbers(values: pd.Series, fill: float) -> Floats:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isnan(numbers), fill, numbers)


@dataclass(frozen=True)
class Encoding:
    """All predictors of a learner, encoded: (n_cases, n_columns) from a frame of predictors."""

    predictors: tuple[EncodedPredictor, ...]

    @property
    def columns(self) -> list[str]:
        return [column for predictor in self.predictors for column in predictor.columns]

    @property
    def owner(self) -> NDArray[np.intp]:
        """(n_columns,): the predictor that each encoded column belongs to."""
        return np.repeat(np.arange(len(self.predictors)), [len(p.columns) for p in self.predictors])

    def encode(self, frame: pd.DataFrame) -> Floats:
        if not self.predictors:
            return np.zeros((len(frame), 0))
        return np.hstack([predictor.encode(frame[predictor.name]) for predictor in self.predictors])

    def by_predictor(self, by_column: Floats) -> Floats:
        """Contributions of encoded columns summed to their predictors: (n_cases, n_predictors)."""
        sums = np.zeros((len(by_column), len(self.predictors)))
        for column, place in enumerate(self.owner):
            sums[:, place] += by_column[:, column]
        return sums

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
    numbers = pd.to_numeric(values, errors="coerce").dropna().to_numpy(dtype=np.float64)
    fill = float(rounded(np.median(numbers))) if len(numbers) else 0.0
    form, knots = ("linear", ()) if not linear else (predictor.form, ())
    if form == "spline3":
        quantiles = rounded(np.quantile(numbers, KNOT_QUANTILES)) if len(numbers) else np.zeros(3)
        distinct = len(set(quantiles.tolist())) == len(KNOT_QUANTILES)
        form, knots = ("spline3", tuple(quantiles.tolist())) if distinct else ("linear", ())
    return EncodedPredictor(name=predictor.name, form=form, fill=fill, knots=knots)
