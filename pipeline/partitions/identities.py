"""Who is who among the parts, in numbers that name nobody: enough to find an id or a person that stands twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

KEYS = ("backcast:first:0", "backcast:other:1")
"""Sixteen bytes each, of two hashes of 64 bits: of a thousand million ids no two are expected to fall together."""


@dataclass(frozen=True)
class Identities:
    """The cases of a part, row by row: 16 bytes for a case, and 32 more for its person where that is asked for."""

    cases: NDArray[np.uint64]
    """(n, 2); 0 and 0 where there is no id."""
    people: NDArray[np.uint64] | None = None
    """(n, 2) of `patient_id`."""
    said: pd.DataFrame | None = None
    """`index_date`, `sex` (as a number) and `age_years` of each case, as far as the part has them."""

    @classmethod
    def of(cls, cases: pd.DataFrame, *, with_people: bool) -> Identities:
        own = _hashes(cases["case_id"]) if "case_id" in cases else np.zeros((len(cases), 2), dtype=np.uint64)
        if not with_people or "patient_id" not in cases:
            return cls(own)
        said = cases.reindex(columns=["index_date", "sex", "age_years"]).reset_index(drop=True)
        sexes = _hashes(said["sex"])[:, 0].astype(np.float64)
        said["sex"] = np.where(sexes > 0, sexes, np.nan)
        said["index_date"] = pd.to_datetime(said["index_date"]).astype("datetime64[s]")
        return cls(own, _hashes(cases["patient_id"]), said)


def _hashes(values: pd.Series) -> NDArray[np.uint64]:
    there = values.notna().to_numpy()
    words = values.to_numpy(dtype=object)[there]
    hashes = np.zeros((len(values), 2), dtype=np.uint64)
    for place, key in enumerate(KEYS):
        hashes[there, place] = pd.util.hash_array(words, hash_key=key, categorize=False)
    return hashes


def joined(identities: Sequence[Identities]) -> Identities:
    """Those of all of them, one below the other; of people only where each tells of them."""
    people = [each.people for each in identities if each.people is not None]
    said = [each.said for each in identities if each.said is not None]
    has_people = len(people) == len(said) == len(identities)
    return Identities(
        np.concatenate([each.cases for each in identities]),
        np.concatenate(people) if has_people else None,
        pd.concat(said, ignore_index=True) if has_people else None,
    )


def repeated_rows(identities: Identities) -> NDArray[np.int64]:
    """Rows, counted from 0, whose `case_id` stands more than once."""
    ids = pd.DataFrame(identities.cases)
    return np.flatnonzero(ids.duplicated(keep=False) & ids.any(axis="columns"))


def people_of(identities: Identities) -> pd.DataFrame | None:
    """`patient_id` as a number, `index_date`, `sex`, `age_years` of each case; None where nothing tells of people."""
    if identities.people is None or identities.said is None:
        return None
    ids = pd.DataFrame(identities.people)
    numbers = ids.groupby([0, 1], sort=False).ngroup().astype(float).where(ids.any(axis="columns"))
    return identities.said.assign(patient_id=numbers)
