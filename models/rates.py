"""How often something happened, group by group, as rows that `dot_figure.dots` draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from models.metrics import MINIMUM_PER_CLASS, prevalence


def rates(happened: pd.Series, groups: pd.Series, series: str = "") -> pd.DataFrame:
    """The share of the cases of each group to which it happened, with Wilson's interval.

    Parameters
    ----------
    happened : (n,) 0, 1 or NaN
        NaN is not known, and leaves the case out.
    groups : (n,) words
        A category keeps its order; words stand in that of the alphabet. NaN is no group.
    series : str, optional
        A name for these rows among others.

    Returns
    -------
    DataFrame
        `label`, `estimate`, `lower`, `upper`, `n`, one row a group, and `series` where it is named. A group of fewer
        than five cases has no figure.

    Examples
    --------
    >>> rates(pd.Series([1, 0, 0, 0, 1, None]), pd.Series(["a"] * 5 + ["b"])).round(2).to_dict("list")
    {'label': ['a', 'b'], 'estimate': [0.4, nan], 'lower': [0.12, nan], 'upper': [0.77, nan], 'n': [5, 0]}
    """
    is_known = happened.notna()
    found = []
    names = groups.cat.categories if isinstance(groups.dtype, pd.CategoricalDtype) else sorted(groups.dropna().unique())
    for name in names:
        own = happened[is_known & (groups == name)].to_numpy(dtype=np.float64)
        share = prevalence(own) if len(own) >= MINIMUM_PER_CLASS else None
        limits = (np.nan,) * 3 if share is None else (share.estimate, share.lower, share.upper)
        found.append((str(name), *limits, len(own)))
    table = pd.DataFrame(found, columns=["label", "estimate", "lower", "upper", "n"])
    return table.assign(series=series) if series else table


def banded(values: pd.Series, ends: Sequence[float], *, percent: bool = True) -> pd.Series:
    """Values as bands between ends, each named by its limits; the last includes its upper end.

    >>> banded(pd.Series([0.1, 0.5, 1.0, None]), [0, 0.5, 1]).tolist()
    ['0–50 %', '50–100 %', '50–100 %', nan]
    """
    shown = [f"{100 * end:.0f}" if percent else f"{end:g}" for end in ends]
    names = [f"{low}–{high}" + (" %" if percent else "") for low, high in pairwise(shown)]
    cut = np.clip(np.searchsorted(ends, values.to_numpy(dtype=float), side="right") - 1, 0, len(names) - 1)
    words = pd.Series(np.array(names, dtype=object)[cut], index=values.index).where(values.notna())
    return words.astype(pd.CategoricalDtype(names, ordered=True))


def estimate_rows(figures: Mapping[str, Mapping[str, Any]], series: str = "") -> pd.DataFrame:
    """Figures of a file ({label: {estimate, lower, upper}}) as such rows."""
    rows = [
        {"label": label, **{part: figure.get(part) for part in ("estimate", "lower", "upper")}}
        for label, figure in figures.items()
    ]
    table = pd.DataFrame(rows).astype({"estimate": float, "lower": float, "upper": float})
    return table.assign(series=series) if series else table
