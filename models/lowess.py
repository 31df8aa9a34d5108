"""Lowess as R has it, made once for a set of risks and then applied to many outcomes.

`lowess(x, y, iter = 0)` is linear in y, so its local fits are a table of kernel weights: any number of resamples,
or of outcomes drawn by chance, costs a few matrix products.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimates import Floats

# R's defaults for lowess(): the share of cases in each local fit, and how far apart fits are made.
SHARE = 2 / 3
SPACING = 0.01


class Smoother(NamedTuple):
    """Lowess of anything on one set of risks: where local fits are made, and each case's weight there."""

    risk: Floats  # (n_fits,), rising
    kernel: Floats  # (n_fits, n_cases), tricube
    distance: Floats  # (n_fits, n_cases), a case's risk less that of the fit
    least_spread: float  # below it, a local mean replaces the local line

    def curves(self, y: Floats, weights: Floats) -> Floats:
        """Smoothed y where local fits are made, (n_curves, n_fits).

        Either argument has one row per curve, (n_curves, n_cases), or one for all, (1, n_cases). A weight
        counts a case as often; neighbourhoods stay those of the cases, whatever they weigh.
        """
        weighted = self.kernel * self.distance
        total = weights @ self.kernel.T
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_distance = weights @ weighted.T / total
            mean_y = (weights * y) @ self.kernel.T / total
            variance = weights @ (weighted * self.distance).T / total - mean_distance**2
            covariance = (weights * y) @ weighted.T / total - mean_distance * mean_y
            has_line = np.sqrt(np.maximum(variance, 0)) > self.least_spread
            line = mean_y - np.where(has_line, covariance / variance, 0) * mean_distance
        # A resample may leave a neighbourhood empty: there the overall proportion stands in.
        overall = ((weights * y).sum(axis=1) / weights.sum(axis=1))[:, None]
        return np.where(total > 0, line, overall)


def smoother(risk: Floats) -> Smoother:
    """The smoother of R's lowess(risk, y, iter = 0); the risks may stand in any order, and must differ."""
    order = np.argsort(risk, kind="stable")
    x = risk[order]
    spread = x[-1] - x[0]
    fits = _fit_positions(x, spread * SPACING)
    first, last = _neighbourhoods(x, fits)
    distance = x[None, :] - x[fits][:, None]
    reach = np.maximum(x[fits] - x[first], x[last] - x[fits])[:, None]
    far = np.abs(distance)
    with np.errstate(divide="ignore", invalid="ignore"):
        tricube = (1 - (np.minimum(far, reach) / reach) ** 3) ** 3
    # R's constants: nearly at the fit counts in full, nearly at the edge not at all. Ties with the last
    # neighbour count, ties before the first do not.
    kernel = np.where(far <= 0.001 * reach, 1.0, np.where(far <= 0.999 * reach, tricube, 0.0))
    kernel[np.arange(len(x))[None, :] < first[:, None]] = 0.0
    back = np.argsort(order, kind="stable")
    return Smoother(x[fits], kernel[:, back], distance[:, back], 0.001 * float(spread))


def _fit_positions(x: Floats, spacing: float) -> NDArray[np.int64]:
    """Where lowess fits: each time the last case within the spacing, or else the next larger risk."""
    positions, at = [0], 0
    while x[at] < x[-1]:
        next_larger = int(np.searchsorted(x, x[at], side="right"))
        within = int(np.searchsorted(x, x[at] + spacing, side="right")) - 1
        at = max(next_larger, within)
        positions.append(at)
    return np.array(positions)


def _neighbourhoods(x: Floats, fits: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last of the nearest cases around each fit, sliding to the right only."""
    size = max(2, min(len(x), int(SHARE * len(x) + 1e-7)))
    risks, first, found = x.tolist(), 0, []
    for fit in fits.tolist():
        while first + size < len(risks) and risks[fit] - risks[first] > risks[first + size] - risks[fit]:
            first += 1
        found.append(first)
    return np.array(found), np.array(found) + size - 1
