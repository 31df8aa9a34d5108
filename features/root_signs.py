"""What the examination, EMG and blocks say of each root and side. A test not done is no evidence either way."""

from __future__ import annotations

import math
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
    """(n, n_roots * n_sides): the summed weight of positive signs by root and side."""
    balance: Floats
    """(n, n_roots * n_sides): the same as a log likelihood ratio of the root: no more than `STRONGEST`, since the
    signs of a root hang together; less the weight of what was looked for and not found, where that is telling
    (a block, EMG); and without what is alike on both sides where a polyneuropathy is known."""
    positive: Floats
    """(n,): how many signs are positive."""
    examined: Floats
    """(n,): how many were looked for."""


STRONGEST = math.log(20)
"""However many signs of a root are positive, together they move its odds no further (as a ratio of a large study)."""
NEUROPATHY = ("has_polyneuropathy", "has_stocking_numbness")
"""Where one of these is known, a sign on both sides is theirs: absent ankle jerks on both sides are no S1 sign."""


class _Signs(NamedTuple):
    columns: NDArray[np.intp]
    direction: Floats
    threshold: Floats
    speaks_for: Floats
    """(n_signs, n_roots * n_sides): the weight with which a positive sign speaks for each root."""
    speaks_against: Floats
    """The weight with which one that was looked for and not found speaks against it."""


def root_signs(findings: Findings) -> RootSigns:
    """Positive signs by root and side, and how many were looked for: see `RootSigns`."""
    signs = _signs()
    values = findings.columns(signs.columns)
    positive = (values * signs.direction >= signs.threshold).astype(np.float64)
    recorded = (values == values).astype(np.float64)
    evidence = positive @ signs.speaks_for
    against = (recorded - positive) @ signs.speaks_against
    return RootSigns(
        evidence=evidence,
        balance=np.minimum(_without_neuropathy(findings, evidence), STRONGEST) - against,
        positive=positive.sum(axis=1),
        examined=recorded.sum(axis=1),
    )


def _without_neuropathy(findings: Findings, evidence: Floats) -> Floats:
    """The evidence less what both sides share, in those with a polyneuropathy."""
    has_neuropathy = (findings.columns(_neuropathy_columns()) == 1).any(axis=1)
    if not has_neuropathy.any():
        return evidence
    by_side = evidence.reshape(len(evidence), len(ROOTS), len(SIDES))
    shared = by_side.min(axis=2, keepdims=True) * has_neuropathy[:, None, None]
    return (by_side - shared).reshape(evidence.shape)


@cache
def _neuropathy_columns() -> NDArray[np.intp]:
    return np.array([int(places(name)) for name in NEUROPATHY])


@cache
def _signs() -> _Signs:
    table = knowledge_table("root_signs")
    rows: dict[int, tuple[float, float, Floats, Floats]] = {}
    for row in table.fillna({"tested_root": ""}).itertuples():
        fixed = (("root", row.tested_root),) if row.tested_root else ()
        direction = -1.0 if row.rule == "<=" else 1.0
        for side, column in enumerate(places(row.item, ("side",), fixed).tolist()):
            nothing = np.zeros((2, len(ROOTS), len(SIDES)))
            *_, speaks_for, speaks_against = rows.setdefault(column, (direction, direction * row.threshold, *nothing))
            felt_on = 1 - side if row.item in OPPOSITE else side
            speaks_for[ROOTS.index(row.root), felt_on] = row.weight
            speaks_against[ROOTS.index(row.root), felt_on] = row.weight_against
    return _Signs(
        columns=np.array(list(rows), dtype=np.intp),
        direction=np.array([row[0] for row in rows.values()]),
        threshold=np.array([row[1] for row in rows.values()]),
        speaks_for=np.stack([row[2].ravel() for row in rows.values()]),
        speaks_against=np.stack([row[3].ravel() for row in rows.values()]),
    )
