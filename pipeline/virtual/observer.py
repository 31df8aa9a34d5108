"""What somebody who knows the generator reads from a drawing: how well each source would account for it.

The territories are the registry's own, blurred as they vary between patients, with what one forgets or
misplaces. It serves to ask how much a record holds at best; no builder may see it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import roots_hermitenorm

from features.axes import REGIONS, SIDES
from pipeline.virtual.draws import shifted
from pipeline.virtual.facts import fact_grid
from pipeline.virtual.pain import ABOVE_THIGH, FORGOTTEN, LOW_BACK_ONLY, STRAY, TERRITORIES, TERRITORY_SD
from pipeline.virtual.record import name_of

FELT_ON = {"left": (True, False), "right": (False, True), "both": (True, True)}
TINY = 1e-300
"""In place of no chance at all, whose logarithm is none."""
NODES = 9
"""Of the quadrature over patients' own territories: more change no share by 0.001."""


def drawing_log_likelihoods(cases: pd.DataFrame) -> pd.DataFrame:
    """Log-likelihood of each case's drawing under every territory and side, less that of the best.

    Parameters
    ----------
    cases : DataFrame
        Records in the dictionary's layout.

    Returns
    -------
    DataFrame
        Columns `drawing_<territory>_<left, right or both>`, at most 0; NaN without a drawing.
    """
    names = [name_of("pain", region=region, side=side) for region in REGIONS for side in SIDES]
    pain = cases.reindex(columns=names).to_numpy(dtype=float)
    marked = np.nan_to_num(pain) > 0
    shares, background = _territories(), _background()
    stays = fact_grid("territories", TERRITORIES, ("above_thigh_only",))[:, 0]
    found = {}
    for place, territory in enumerate(TERRITORIES):
        for side, felt in FELT_ON.items():
            whole, above = (
                _log_likelihood(marked, background, own[:, None] * np.array(felt))
                for own in (shares[place], shares[place] * ABOVE_THIGH)
            )
            # Some pains of a root do not go down the leg.
            mixed = np.logaddexp(np.log1p(-stays[place]) + whole, np.log(np.maximum(stays[place], TINY)) + above)
            found[f"drawing_{territory}_{side}"] = mixed
    table = pd.DataFrame(found, index=cases.index)
    table = table.sub(table.max(axis=1), axis=0)
    table.loc[np.isnan(pain).all(axis=1)] = np.nan
    return table


def _log_likelihood(marked: np.ndarray, background: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n,) of these marks, where each place has a share of its `own` and the background's."""
    chance = (1 - (1 - background[:, None]) * (1 - (1 - FORGOTTEN) * own)).reshape(-1)
    return marked @ np.log(chance) + ~marked @ np.log1p(-chance)


def _territories() -> np.ndarray:
    """(territory, region) share of patients who mark it, over patients' own territories."""
    return _blurred(fact_grid("territories", TERRITORIES, REGIONS))


def _background() -> np.ndarray:
    """(region,) chance of a mark whatever the source: back pain beside it, and marks that stray."""
    is_low_back = np.arange(len(REGIONS)) == 0
    back = fact_grid("territories", ("disc",), REGIONS)[0] * np.where(is_low_back, 1, LOW_BACK_ONLY)
    return 1 - (1 - (1 - FORGOTTEN) * _blurred(back)) * (1 - STRAY)


def _blurred(shares: np.ndarray) -> np.ndarray:
    nodes, weights = roots_hermitenorm(NODES)
    moved = shifted(shares[..., None], TERRITORY_SD * nodes)
    return moved @ (weights / weights.sum())
