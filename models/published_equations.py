"""The published equations: from their inputs to the probability that each was published to give.

All predict that things go well. An ordered probit gives the probability of each level of the global
assessment or a better one, P(level <= k) = Phi(threshold_k - xb), so that a larger xb is worse; a logit
gives the probability of its event, and a larger xb is better. Turning them into the risk of an outcome is
left to `models.published_risk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from features.errors import KnowledgeError
from models.encoding import Floats
from models.published_facts import LEVELS, published_table


@dataclass(frozen=True)
class Scaled:
    """A term that enters as coefficient x (input - mean) / sd; mean 0 and sd 1 where it enters as it is."""

    term: str
    coefficient: float
    mean: float
    sd: float


@dataclass(frozen=True)
class Coded:
    """A term with one coefficient a code. `shares` are those of the codes among the development cases; NaN unread."""

    term: str
    codes: Floats
    coefficients: Floats
    shares: Floats


@dataclass(frozen=True)
class Equation:
    """One published equation.

    `cuts` holds the intercept of a logit or the rising thresholds of an ordered probit. `averaged` is the
    term, if there is one, over whose published shares a case is averaged when its code is not known.
    """

    name: str
    diagnosis: str
    predicts: str
    link: str
    cuts: Floats
    scaled: tuple[Scaled, ...]
    coded: tuple[Coded, ...]
    averaged: Coded | None

    @property
    def terms(self) -> tuple[str, ...]:
        averaged = (self.averaged.term,) if self.averaged else ()
        return (*(term.term for term in self.scaled), *(term.term for term in self.coded), *averaged)

    @property
    def needed(self) -> tuple[str, ...]:
        """Terms without which there is no probability."""
        return (*(term.term for term in self.scaled), *(term.term for term in self.coded))

    def linear_predictor(self, inputs: pd.DataFrame) -> Floats:
        """xb of each case, without intercept or threshold: (n,); NaN where an input is missing.

        Where the averaged term is not known it is the mean over the published shares.
        """
        linear, weights = self._mixture(inputs)
        return (linear * weights).sum(axis=1)

    def probability(self, inputs: pd.DataFrame, level: int = 1) -> Floats:
        """Probability of the event of a logit, or of that level of the global assessment or a better one.

        Parameters
        ----------
        inputs : DataFrame
            As `published_inputs` makes them; columns that the equation does not use are ignored.
        level : int
            Of an ordered probit: 1 gone, 2 gone or much better, ..., 4 anything but worse.

        Returns
        -------
        (n,) float in [0, 1]
            NaN where an input is missing or a code is none of those published. Where the averaged term is
            not known, the mean of the probabilities over the published shares of its codes.
        """
        if not 1 <= level <= len(self.cuts):
            raise ValueError(f"{self.name} divides at levels 1 to {len(self.cuts)}, not at {level}")
        linear, weights = self._mixture(inputs)
        cut = self.cuts[level - 1]
        chance = expit(cut + linear) if self.link == "logit" else ndtr(cut - linear)
        return (chance * weights).sum(axis=1)

    def _mixture(self, inputs: pd.DataFrame) -> tuple[Floats, Floats]:
        """Linear predictors (n, n_codes) and the weight of each: one code, unless the averaged term is not known."""
        fixed = np.zeros(len(inputs))
        for term in self.scaled:
            fixed = fixed + term.coefficient * (_values(inputs, term.term) - term.mean) / term.sd
        for coded in self.coded:
            fixed = fixed + _one_code(_values(inputs, coded.term), coded.codes) @ coded.coefficients
        if self.averaged is None:
            return fixed[:, None], np.ones((len(inputs), 1))
        codes = _values(inputs, self.averaged.term)
        mix = np.broadcast_to(_whole(self.averaged.shares), (len(inputs), len(self.averaged.codes)))
        weights = np.where(np.isnan(codes)[:, None], mix, _one_code(codes, self.averaged.codes))
        return fixed[:, None] + self.averaged.coefficients, weights


@cache
def equations() -> dict[str, Equation]:
    """Every published equation by name, from `published_tables/coefficients.csv`.

    Raises
    ------
    KnowledgeError
        For a faulty table; see `published_table`.
    """
    table = published_table("coefficients")
    return {str(name): _equation(str(name), rows) for name, rows in table.groupby("equation", sort=False)}


def _equation(name: str, rows: pd.DataFrame) -> Equation:
    inputs = published_table("inputs").set_index("term")
    cuts = rows[rows["term"].isin(("intercept", "threshold"))]
    terms = rows.drop(cuts.index)
    is_coded = terms["scaling"] == "code"
    plain = terms[~is_coded].fillna({"mean": 0.0, "sd": 1.0})
    coded = [
        Coded(str(term), *(codes[column].to_numpy(np.float64) for column in ("code", "coefficient", "share")))
        for term, codes in terms[is_coded].groupby("term", sort=False)
    ]
    averaged = [term for term in coded if inputs.loc[term.term, "unknown"] == "published_mix"]
    if len(averaged) > 1:
        raise KnowledgeError(
            f"models/published_tables/inputs.csv: {name} would be averaged over {', '.join(t.term for t in averaged)}. "
            f"Let one of them be published_mix at most: how their codes go together was not published."
        )
    return Equation(
        name=name,
        diagnosis=str(rows["diagnosis"].iloc[0]),
        predicts=str(rows["predicts"].iloc[0]),
        link=str(rows["link"].iloc[0]),
        cuts=cuts["coefficient"].to_numpy(np.float64),
        scaled=tuple(Scaled(str(r.term), r.coefficient, r.mean, r.sd) for r in plain.itertuples()),
        coded=tuple(term for term in coded if term not in averaged),
        averaged=averaged[0] if averaged else None,
    )


def level_probabilities(equation: Equation, inputs: pd.DataFrame) -> Floats:
    """Probability of each level of the global assessment, gone to worse: (n, 5), rows that add up to 1."""
    at_most = np.column_stack([equation.probability(inputs, level) for level in range(1, LEVELS)])
    return np.diff(at_most, axis=1, prepend=0, append=1)


def _values(inputs: pd.DataFrame, term: str) -> Floats:
    return inputs[term].to_numpy(dtype=np.float64)


def _one_code(values: Floats, codes: Floats) -> Floats:
    """(n, n_codes): 1 at the code of each case; NaN throughout where it is none of them."""
    is_code = (values[:, None] == codes).astype(np.float64)
    return np.where(is_code.any(axis=1)[:, None], is_code, np.nan)


def _whole(shares: Floats) -> Floats:
    """Shares of all codes: one that was not published is what the others leave, and rounding is evened out."""
    filled = np.where(np.isnan(shares), 1 - np.nansum(shares), shares)
    return filled / filled.sum()
