"""Development and test sets, by patient: two whole centres and the last year are touched once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import CohortError, LeakError, ParamsError

TEST_SETS = ("temporal", "geographic")
GRACE = pd.Timedelta(days=31)
"""The last year of the development centres; every year of the centres held out."""


def split_cases(
    cases: pd.DataFrame, test_centres: int | list[str], folds: int, seed: int, last_year: int | None = None
) -> pd.DataFrame:
    """Where each case belongs, and its fold inside development.

    Parameters
    ----------
    cases : DataFrame
        `patient_id`, `centre_id` and `index_date` of each case; its index is kept.
    test_centres : int or list of str
        How many centres are held out, drawn by the seed, or which; 0 leaves the last year alone to test.
    folds : int
        Folds inside development, grouped by patient.
    last_year : int, optional
        The last year whose horizon is complete (`last_complete_year`); later cases are withheld. By
        default the last year there is.

    Returns
    -------
    DataFrame
        `patient_id`; `set`: `development`, `temporal`, `geographic`, or `withheld` (an earlier case of a
        patient who is in a test set, which development must not see, or a case whose horizon is not
        complete); and `fold` (-1 outside development).
    """
    held_out = _test_centres(cases["centre_id"], test_centres, seed)
    is_geographic = cases["centre_id"].isin(held_out)
    years = cases["index_date"].dt.year
    last_year = int(years.max()) if last_year is None else last_year
    is_geographic &= years <= last_year
    is_temporal = ~cases["centre_id"].isin(held_out) & (years == last_year)
    tested = cases.loc[is_geographic | is_temporal, "patient_id"]
    sets = pd.Series("development", index=cases.index, name="set")
    sets = sets.mask(cases["patient_id"].isin(tested) | (years > last_year), "withheld")
    sets = sets.mask(is_temporal, "temporal").mask(is_geographic, "geographic")
    split = pd.DataFrame({"patient_id": cases["patient_id"], "set": sets})
    split["fold"] = _folds(split, folds, seed)
    refuse_shared_patients(split)
    return split


def last_complete_year(index_dates: pd.Series, observed_until: pd.Timestamp, horizon_months: int) -> int:
    """The last calendar year all of whose cases could be observed for the whole horizon.

    A registry that closes within a month of that day counts as complete.

    Raises
    ------
    CohortError
        If there is no such year, or no year before it to develop on.
    """
    years = sorted(index_dates.dt.year.unique())
    needed = {year: pd.Timestamp(year, 12, 31) + pd.DateOffset(months=horizon_months) - GRACE for year in years}
    complete = [int(year) for year in years if needed[year] <= observed_until]
    if len(complete) < 2:
        raise CohortError(
            f"{len(complete)} years of the cohort have a complete follow-up of {horizon_months} months (observed until "
            f"{observed_until.date()}); one to test on and one to develop on are needed. "
            f"Wait, or drop the outcome with the longest horizon from train.outcomes."
        )
    return complete[-1]


def _test_centres(centres: pd.Series, wanted: int | list[str], seed: int) -> list[str]:
    present = sorted(centres.unique())
    if isinstance(wanted, list):
        unknown = sorted(set(wanted) - set(present))
        if unknown:
            raise ParamsError(
                f"params.yaml: split.test_centres names {', '.join(unknown)}, not a centre of the cohort."
            )
        return wanted
    if not 0 <= wanted < len(present):
        raise ParamsError(
            f"params.yaml: split.test_centres is {wanted}; the cohort has {len(present)} centres, and at least one "
            f"must stay. 0 holds none out."
        )
    return list(np.random.default_rng(seed).choice(present, wanted, replace=False))


def _folds(split: pd.DataFrame, folds: int, seed: int) -> pd.Series:
    patients = np.sort(split.loc[split["set"] == "development", "patient_id"].unique())
    if len(patients) < folds:
        raise CohortError(
            f"{len(patients)} patients are left for development, fewer than the {folds} folds (split.folds). The test "
            f"sets are whole centres and the last year: is there more than one year?"
        )
    order = np.random.default_rng([seed, 1]).permutation(len(patients))
    fold_of = dict(zip(patients[order], np.arange(len(patients)) % folds, strict=True))
    return split["patient_id"].map(fold_of).where(split["set"] == "development").fillna(-1).astype(int)


def sets_with_cases(sets: pd.Series | NDArray[Any]) -> tuple[str, ...]:
    """The test sets that hold a case; a study that holds no centre out has no geographic one.

    Examples
    --------
    >>> sets_with_cases(np.array(["development", "temporal", "withheld"]))
    ('temporal',)
    """
    there = set(np.unique(np.asarray(sets, dtype=object).astype(str)))
    return tuple(name for name in TEST_SETS if name in there)


def clusters(centres: NDArray[Any], wanted: int, seed: int) -> NDArray[np.str_]:
    """Whole centres drawn into clusters of about as many cases each: the cluster of each case, (n,).

    The largest centres are dealt first, each to the cluster that has the fewest cases; the seed settles ties, and
    which centres of one size come first.

    Examples
    --------
    >>> clusters(np.array(["A", "A", "A", "B", "B", "C"]), 2, seed=1).tolist()
    ['cluster 1', 'cluster 1', 'cluster 1', 'cluster 2', 'cluster 2', 'cluster 2']
    """
    names, place, sizes = np.unique(centres, return_inverse=True, return_counts=True)
    held = np.zeros(min(wanted, len(names)))
    cluster_of = np.zeros(len(names), dtype=np.intp)
    order = np.random.default_rng(seed).permutation(len(names))
    for centre in order[np.argsort(-sizes[order], kind="stable")]:
        cluster_of[centre] = held.argmin()
        held[held.argmin()] += sizes[centre]
    width = len(str(len(held)))
    return np.array([f"cluster {number + 1:0{width}d}" for number in cluster_of])[place]


def left_out_together(centres: pd.Series, wanted: int, seed: int) -> pd.Series:
    """The centre of each case, or the cluster of centres with which it is left out; 0 wants no clusters."""
    if not wanted:
        return centres
    drawn = clusters(centres.to_numpy(dtype=str), wanted, seed)
    return pd.Series(drawn, index=centres.index, name=centres.name)


def refuse_shared_patients(split: pd.DataFrame) -> None:
    """Raise `LeakError` if a patient of development is in a test set, or in two folds."""
    development = split[split["set"] == "development"]
    tested = split.loc[split["set"].isin(TEST_SETS), "patient_id"]
    shared = development["patient_id"].isin(tested).sum()
    folded = len(development.drop_duplicates(["patient_id", "fold"])) - development["patient_id"].nunique()
    if shared or folded:
        raise LeakError(
            f"The split leaks: {shared} development cases belong to patients of a test set, and {folded} patients are "
            f"in two folds."
        )
