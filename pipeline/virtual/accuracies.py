"""How good tests and signs are in one registry: drawn once around the published values.

No two clinics examine alike, and most published accuracies rest on a few dozen people. What one registry
has lies within the published interval; from patient to patient it varies besides (`examination.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.special import expit, logit

from pipeline.virtual.facts import constant, facts

WIDTH = 1.96
"""Standard errors from an estimate to either end of its interval."""


@dataclass(frozen=True)
class Accuracies:
    """Shares of positive tests, the same in all blocks of a registry."""

    sensitivity: dict[str, float]
    """By test of tables/tests.csv, where its condition is there."""
    false_positive: dict[str, float]
    """By test, where it is not."""
    signs: dict[str, float]
    """By quantity of tables/constants.csv that was published with an interval."""

    def sign(self, quantity: str) -> float:
        """A share of tables/constants.csv: as drawn, or as it stands where no interval was published."""
        return self.signs.get(quantity, constant(quantity))


def drawn_accuracies(rng: Generator) -> Accuracies:
    """Accuracies around the published values, as uncertain on log-odds as published and within the interval."""
    tests, constants = facts("tests"), facts("constants")
    signs = constants[constants["low"].notna()]
    return Accuracies(
        sensitivity=_drawn(rng, tests, "test", "sensitivity", "sensitivity_low", "sensitivity_high"),
        false_positive=_drawn(rng, tests, "test", "false_positive", "false_positive_low", "false_positive_high"),
        signs=_drawn(rng, signs, "quantity", "value", "low", "high"),
    )


def _drawn(rng: Generator, table: pd.DataFrame, name: str, value: str, low: str, high: str) -> dict[str, float]:
    error = (logit(table[high].to_numpy(float)) - logit(table[low].to_numpy(float))) / (2 * WIDTH)
    off = np.clip(rng.normal(0, 1, len(table)), -WIDTH, WIDTH)
    drawn = expit(logit(table[value].to_numpy(float)) + error * off)
    return dict(zip(table[name], drawn.tolist(), strict=True))
