"""What the examination, EMG and blocks say of each root and side. A test not done is no evidence either way."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.axes import ROOTS, SIDES
from features.findings import Findings, Floats, places
from features.knowledge_tables import knowledge_table

OPPOSITE = ("crossed_slr",)
"""Signs of the other side: raising one leg brings on the pain of the other."""


class RootSigns(NamedTuple):
    """Root signs of n cases."""

    evidence: Floats
    """(n, n_roots * n_sides): the summed weight of positive signs by root and side, as log likelihood ratios."""
    positive: Floats
    """(n,): how many signs are positive."""
    examined: Floats
    """(n,): how many were looked for."""


class _Signs(NamedTuple):
    columns: NDArray[np.intp]
    direction: Floats
    threshold: Floats
    speaks_for: Floats
    """(n_signs, n_roots * n_sides): the weight with which a positive sign speaks for each root."""


def root_signs(findings: Findings) -> RootSigns:
    """Positive signs by root and side, and how many were looked for: see `RootSigns`."""
    signs = _signs()
    values = findings.columns(signs.columns)
    positive = (values * signs.direction >= signs.threshold).astype(np.float64)
    examined = (values == values).sum(axis=1).astype(np.float64)
    return RootSigns(evidence=positive @ signs.speaks_for, positive=positive.sum(axis=1), examined=examined)


@cache
def _signs() -> _Signs:
    table = knowledge_table("root_signs")
    rows: dict[int, tuple[float, float, Floats]] = {}
    for row in table.fillna({"tested_root": ""}).itertuples():
        fixed = (("root", row.tested_root),) if row.tested_root else ()
        direction = -1.0 if row.rule == "<=" else 1.0
        for side, column in enumerate(places(row.item, ("side",), fixed).tolist()):
            _, _, speaks_for = rows.setdefault(
                column, (direction, direction * row.threshold, np.zeros((len(ROOTS), len(SIDES))))
            )
            felt_on = 1 - side if row.item in OPPOSITE else side
            speaks_for[ROOTS.index(row.root), felt_on] = row.weight
    return _Signs(
        columns=np.array(list(rows), dtype=np.intp),
        direction=np.array([direction for direction, _, _ in rows.values()]),
        threshold=np.array([threshold for _, threshold, _ in rows.values()]),
        speaks_for=np.stack([speaks_for.ravel() for _, _, speaks_for in rows.values()]),
    )
