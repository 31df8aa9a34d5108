"""The lesions on the scan, each as reliable a source of pain as its kind, its grade and the age allow."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.anatomy import SITE_LEVEL, SITES
from features.axes import LEVELS, SIDES
from features.dictionary import load_dictionary
from features.findings import Findings, Floats, places, word_code
from features.knowledge_tables import knowledge_table

N_GRADES = 6
FRAGMENT_GRADE = 3
"""From an extrusion on, a herniation is a fragment that may have migrated."""
DIRECTIONS = ("up", "down")


class _Readings(NamedTuple):
    """Every finding that can make a site a source, in the order of its site."""

    items: tuple[str, ...]
    columns: NDArray[np.intp]
    """(n_readings,): where the finding stands in the record."""
    first: NDArray[np.intp]
    """(n_readings,): where its weights begin."""
    weights: Floats
    """(n_readings * N_GRADES,): its weight by grade, one reading after the other."""
    discounts: NDArray[np.intp]
    """The same places: which prevalence lowers that weight; the last one lowers nothing."""
    sites: NDArray[np.intp]
    """The sites that have a finding of their own."""
    starts: NDArray[np.intp]
    """Where the readings of each of those begin."""


def has_scan(findings: Findings) -> NDArray[np.bool_]:
    """Whether any finding at any level is recorded: (n,). A scan not read is not a normal scan."""
    grades = findings.columns(_readings().columns)
    return (grades == grades).any(axis=1)


def levels_read(findings: Findings) -> NDArray[np.bool_]:
    """Whether any finding of each level is recorded: (n, n_levels)."""
    readings = _readings()
    grades = findings.columns(readings.columns)
    level = SITE_LEVEL[np.repeat(readings.sites, np.diff(readings.starts, append=len(readings.columns)))]
    return np.stack([(grades == grades)[:, level == place].any(axis=1) for place in range(len(LEVELS))], axis=1)


def site_weights(findings: Findings) -> Floats:
    """How reliable a source of pain each site is: (n_cases, n_sites) in [0, 1].

    The most telling finding at a site counts, each less the more common it is at that age in people
    without pain. A level that was not read weighs nothing: it can explain nothing.
    """
    weights = np.zeros((findings.n_cases, len(SITES)))
    weights[:, _readings().sites] = np.maximum.reduceat(_reading_weights(findings), _readings().starts, axis=0).T
    _move_migrated(weights, findings)
    return weights


def telling_item(findings: Findings, case: int, site: int) -> str:
    """The item of the scan that makes a site the source it is: the one of most weight there.

    >>> cases = pd.DataFrame({"recess_stenosis_l4_l5_left": [2.0], "herniation_l4_l5_paracentral_left": [1.0]})
    >>> telling_item(Findings(cases), 0, SITES.index(("l4_l5", "paracentral", "left")))
    'recess_stenosis'
    """
    level, zone, side = SITES[site]
    home = SITES.index((level, "paracentral" if zone.startswith("paracentral") else zone, side))
    readings = _readings()
    row = int(np.searchsorted(readings.sites, home))
    end = readings.starts[row + 1] if row + 1 < len(readings.starts) else len(readings.items)
    of_site = _reading_weights(findings)[readings.starts[row] : end, case]
    return readings.items[readings.starts[row] + int(of_site.argmax())]


def _reading_weights(findings: Findings) -> Floats:
    """The weight of every finding at every site, less what is common at that age: (n_readings, n_cases)."""
    readings = _readings()
    recorded = np.ascontiguousarray(findings.columns(readings.columns).T)  # a row a reading, which is faster to look up
    grades = np.fmin(np.fmax(recorded, 0.0), N_GRADES - 1.0)  # not recorded is 0
    place = grades.astype(np.intp) + readings.first[:, None]
    spared = age_factors(findings.columns(places("age_years"))).T.ravel()
    of_case = readings.discounts.take(place) * findings.n_cases + np.arange(findings.n_cases)
    return readings.weights.take(place) * spared.take(of_case)


def _move_migrated(weights: Floats, findings: Findings) -> None:
    """Give a migrated fragment its own site: it reaches other roots than one at the disc."""
    direction = findings.columns(places("migration", ("level",)))[:, :, None]
    if not (direction == direction).any():
        return
    grades = findings.columns(places("herniation", ("level", "side"), (("zone", "paracentral"),)))
    at_disc = weights[:, _sites("paracentral")]
    for name in DIRECTIONS:
        moved = (direction == word_code("migration", name)) & (grades >= FRAGMENT_GRADE)
        weights[:, _sites(f"paracentral_{name}")] = np.where(moved, at_disc, 0.0)
        at_disc = np.where(moved, 0.0, at_disc)
    weights[:, _sites("paracentral")] = at_disc


def age_factors(age_years: Floats) -> Floats:
    """1 less the prevalence of each finding at that age among people without pain.

    Parameters
    ----------
    age_years : (n,) float
        Ages between decades are interpolated, ages beyond the studies take the nearest; an unrecorded
        age takes the mean over the decades.

    Returns
    -------
    (n, n_findings + 1) float in [0, 1]
        In the order of `prevalence_findings()`; the last column is 1: nothing to discount.
    """
    ages, prevalence, mean = _prevalence()
    age = np.fmin(np.fmax(age_years, ages[0]), ages[-1])
    below = np.minimum(np.searchsorted(ages, age, side="right") - 1, len(ages) - 2)
    above = ((age - ages[below]) / (ages[below + 1] - ages[below]))[:, None]
    common = prevalence[below] * (1 - above) + prevalence[below + 1] * above
    is_known = age_years == age_years
    return 1 - (common if is_known.all() else np.where(is_known[:, None], common, mean))


@cache
def prevalence_findings() -> tuple[str, ...]:
    """Findings whose prevalence among people without pain is known, in the order of the table."""
    return tuple(dict.fromkeys(knowledge_table("asymptomatic_prevalence")["finding"]))


@cache
def _prevalence() -> tuple[Floats, Floats, Floats]:
    """The ages studied (n_ages,), the prevalence of each finding (n_ages, n_findings + 1), last 0, and its mean."""
    table = knowledge_table("asymptomatic_prevalence")
    by_age = table.pivot_table(index="age_years", columns="finding", values="prevalence")[list(prevalence_findings())]
    prevalence = np.c_[by_age.to_numpy(np.float64), np.zeros(len(by_age))]
    return by_age.index.to_numpy(np.float64), prevalence, prevalence.mean(axis=0)


@cache
def _readings() -> _Readings:
    rows = []
    table = knowledge_table("lesion_weights").fillna({"zone": "", "prevalence_finding": ""})
    for row in table.itertuples():
        for level in LEVELS:
            for column, side in _columns_of(row.item, row.zone, level):
                for place in _sites_of(row.site_zone, level, side):
                    rows.append((place, column, row.item, int(row.grade), row.weight, row.prevalence_finding))
    read = pd.DataFrame(rows, columns=["site", "column", "item", "grade", "weight", "finding"])
    keys = read[["site", "column", "item"]].drop_duplicates().sort_values(["site", "column", "item"], kind="stable")
    place_of = {tuple(key): place for place, key in enumerate(keys.itertuples(index=False))}
    findings = (*prevalence_findings(), "")
    weights = np.zeros((len(keys), N_GRADES))
    discounts = np.full((len(keys), N_GRADES), len(findings) - 1, dtype=np.intp)
    for row in read.itertuples():
        place = place_of[(row.site, row.column, row.item)]
        weights[place, row.grade] = row.weight
        discounts[place, row.grade] = findings.index(row.finding)
    sites, starts = np.unique(keys["site"].to_numpy(), return_index=True)
    return _Readings(
        items=tuple(keys["item"]),
        columns=keys["column"].to_numpy(np.intp),
        first=np.arange(len(keys)) * N_GRADES,
        weights=weights.ravel(),
        discounts=discounts.ravel(),
        sites=sites,
        starts=starts,
    )


def _columns_of(item: str, zone: str, level: str) -> list[tuple[int, str | None]]:
    """Where a finding at a level stands in the record, a column for each side that has one."""
    fixed = (("level", level), *((("zone", zone),) if zone else ()))
    if any(v.item == item and ("side", SIDES[0]) in v.coordinates and set(fixed) <= set(v.coordinates)
           for v in load_dictionary().predictors):  # fmt: skip
        return [(int(column), side) for column, side in zip(places(item, ("side",), fixed), SIDES, strict=True)]
    return [(int(places(item, (), fixed)), None)]


def _sites_of(zone: str, level: str, side: str | None) -> list[int]:
    """Sites of a zone at a level which a finding of that side makes a source; one without a side, both."""
    return [
        place
        for place, site in enumerate(SITES)
        if (site.zone, site.level) == (zone, level) and (site.side is None or side is None or site.side == side)
    ]


@cache
def _sites(zone: str) -> NDArray[np.intp]:
    """(n_levels, n_sides): the sites of a zone that has sides."""
    return np.array([[SITES.index((level, zone, side)) for side in SIDES] for level in LEVELS])
