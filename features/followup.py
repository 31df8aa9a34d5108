"""A failed operation as arrays: the follow-up in the layout of the first question, beside the record before.

The builders of the first question run unchanged on `findings`: the drawing, the examination and the scan
of the follow-up, what is lasting about the person and the spine carried over, and what was operated on in
place of what was planned.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.axes import LEVELS
from features.dictionary import Variable, load_dictionary
from features.findings import Findings, findings_layout
from features.layout import Floats, Layout
from features.red_flags import MONTHS_SINCE

Bools = NDArray[np.bool_]

DAYS_PER_MONTH = 30.4375
PASSING = (
    "is_relieved_by_standing_still",
    "is_worse_on_stairs",
    "has_midline_pain",
    "morning_stiffness_min",
    "sitting_tolerance_min",
    "sick_leave_weeks",
    "back_pain_duration_months",
    "leg_pain_duration_months",
)
"""Asked of the pain before the operation and not again: not carried over, as is no test of that examination."""
LASTING = (
    "disc_degeneration",
    "modic",
    "facet_arthropathy",
    "annular_fissure",
    "spondylolysis",
    "numbering_method",
    "transitional_vertebra",
    "scoliosis_cobb_deg",
    "pi_ll_mismatch_deg",
    "hip_osteoarthritis_grade",
    "sacroiliitis_grade",
)
"""Of the scan before, what an operation seldom changes: it stands until it is read again."""
LEFT_ALONE = (
    "herniation",
    "migration",
    "central_stenosis",
    "recess_stenosis",
    "foraminal_stenosis",
    "synovial_cyst",
    "root_compression",
    "slip",
)
"""Of the scan before, what stands at a level that was neither operated on nor read again."""
READ_AGAIN = (
    "followup_herniation",
    "followup_central_stenosis",
    "followup_recess_stenosis",
    "followup_foraminal_stenosis",
)
"""A level of which one of these is recorded was read again."""
SEEN_AS = (
    ("followup_mass_in_continuity", "herniation", 2.0),
    ("followup_retained_fragment", "herniation", 4.0),
    ("followup_bone_left_recess", "recess_stenosis", 2.0),
    ("followup_bone_left_foramen", "foraminal_stenosis", 2.0),
)
"""(finding of the follow-up, the lesion that it is to the builders, the grade that it has at least)."""
INSTEAD = {"planned_decompression": "operated_decompression", "planned_fusion": "operated_fusion"}
"""What the operation note says, by what it stands in for."""


class FollowUp:
    """What is known of n cases at the work-up after an operation.

    Parameters
    ----------
    cases : DataFrame
        Any subset of the dictionary's columns, in any order; others are ignored. It is not changed.
    """

    def __init__(self, cases: pd.DataFrame) -> None:
        self._values: Floats = followup_layout().matrix(cases)
        self.months_since: Floats = _months(cases)
        """(n_cases,): from the operation to the work-up; NaN where one of the dates is not recorded."""

    @classmethod
    def of_records(cls, records: Sequence[Mapping[str, Any]]) -> Self:
        """The same from plain records, as a request holds them: numbers, words, ISO dates, None."""
        followup = cls.__new__(cls)
        followup._values = followup_layout().matrix_of_records(records)
        followup.months_since = np.array([_months_of_record(record) for record in records], dtype=np.float64)
        return followup

    @property
    def n_cases(self) -> int:
        return len(self._values)

    def columns(self, places: NDArray[np.intp]) -> Floats:
        """The columns at places of `followup_layout` of every case: (n_cases, *places.shape)."""
        return self._values.take(places, axis=1)

    def variable(self, name: str) -> Floats:
        """One variable known by the follow-up as a number, a word by the place of its code: (n_cases,).

        `months_since_operation` counts as one.

        Raises
        ------
        KeyError
            If the dictionary declares no such number or word.
        """
        if name == MONTHS_SINCE:
            return self.months_since
        return self._values[:, followup_layout().place_of[name]]

    def grid(self, item: str, *axes: str, **fixed: str) -> Floats:
        """An item over axes: `grid("followup_herniation", "level", "side")` is (n_cases, n_levels, n_sides)."""
        return self._values.take(_places(item, axes, tuple(sorted(fixed.items()))), axis=1)

    def is_word(self, name: str, *words: str) -> Floats:
        """1 where a choice is one of these words, 0 where it is another, NaN where it is not recorded: (n_cases,)."""
        value = self.variable(name)
        codes = followup_layout().codes[name]
        is_one = np.any([value == codes.index(word) for word in words], axis=0)
        return np.where(value == value, is_one, np.nan)

    @cached_property
    def before(self) -> Findings:
        """The record before the operation, in the layout of the first question."""
        return Findings.of_values(self._values.take(_carrying().before, axis=1))

    @cached_property
    def before_as_operated(self) -> Findings:
        """The same, as if it had been planned what was operated on."""
        values = self._values.take(_carrying().before, axis=1)
        self._put_operated(values)
        return Findings.of_values(values)

    @cached_property
    def findings(self) -> Findings:
        """The follow-up in the layout of the first question, for its builders.

        A lesion that CT or contrast shows counts as the lesion which it is; a herniation is taken to lie in
        the zone of the one before. The scan before stands where nothing was operated on and nothing read
        again, but only beside a scan that was read again: without one, what explains the pain is unknown.
        """
        values = self._values.take(_carrying().again, axis=1)
        layout = _carrying()
        is_read, is_any_read = self.levels_read, np.asarray(self.levels_read.any(axis=1))
        values[~is_any_read[:, None] & layout.is_lasting] = np.nan
        self._put_herniations(values)
        for item, lesion, grade in SEEN_AS:
            self._put_lesions(values, self.grid(item, "level", "side") > 0, lesion, grade)
        is_left = ~(is_read | self.operated.level) & is_any_read[:, None]
        for level, (columns, sources) in enumerate(layout.left_alone):
            rows = np.flatnonzero(is_left[:, level])
            if len(rows):
                values[np.ix_(rows, columns)] = self._values[np.ix_(rows, sources)]
        self._put_operated(values)
        return Findings.of_values(values)

    @cached_property
    def levels_read(self) -> Bools:
        """Whether a scan of each level after the operation is recorded: (n_cases, n_levels)."""
        return np.stack([_is_any_recorded(self._values, columns) for columns in _carrying().read_again], axis=1)

    @cached_property
    def is_lesion_seen(self) -> Bools:
        """Whether CT or contrast shows a lesion anywhere: (n_cases,)."""
        seen = [(self.grid(item, "level", "side") > 0).any(axis=(1, 2)) for item, _, _ in SEEN_AS]
        return np.asarray(np.any(seen, axis=0))

    @cached_property
    def operated(self) -> Operated:
        """What was operated on, as planned, as noted, as seen: see `Operated`."""
        return _operated(self)

    def _put_herniations(self, values: Floats) -> None:
        """The herniations read again, each into the zone of the worst one before at that level and side."""
        again = self.grid("followup_herniation", "level", "side")
        if np.isnan(again).all():
            return
        before = np.nan_to_num(self.before.grid("herniation", "level", "side", "zone")[..., 1:])
        zone = before.argmax(axis=3)  # paracentral where there was none
        case, level, side = np.nonzero(~np.isnan(again))
        values[case, _herniation_columns()[level, side, zone[case, level, side]]] = again[case, level, side]

    def _put_lesions(self, values: Floats, is_seen: Bools, lesion: str, grade: float) -> None:
        case, level, side = np.nonzero(is_seen)
        if len(case):
            columns = _lesion_columns(lesion)[level, side]
            values[case, columns] = np.fmax(values[case, columns], grade)

    def _put_operated(self, values: Floats) -> None:
        """What was opened and fused, in place of what was planned."""
        known = self.operated.is_known[:, None]
        for item, done in (("planned_decompression", self.operated.opened), ("planned_fusion", self.operated.fused)):
            columns = _planned_columns(item)
            values[:, columns] = np.where(known, done.reshape(len(values), len(columns)), np.nan)


class Operated(NamedTuple):
    """What was operated on. Where nothing is recorded, everything is False."""

    planned: Bools
    """(n, n_levels, n_sides): to be decompressed or fused, before the operation."""
    noted: Bools
    """The same by the operation note."""
    seen: Bools
    """The same by film or CT: bone removed or an implant."""
    opened: Bools
    """(n, n_levels, n_sides): decompressed in fact. As seen where the level was counted, as noted where it was
    not, as planned where there is no note."""
    fused: Bools
    """(n, n_levels): fused, as noted, or else as planned."""
    site: Bools
    """(n, n_levels, n_sides): opened or fused."""
    is_planned_known: Bools
    """(n,): any level is recorded as planned."""
    is_noted: Bools
    """(n,): any level is recorded as operated on."""
    is_counted: Bools
    """(n,): the site was seen on film or CT."""

    @property
    def is_known(self) -> Bools:
        """(n,): it is recorded in any way what was operated on."""
        return self.is_planned_known | self.is_noted | self.is_counted

    @property
    def level(self) -> Bools:
        """(n, n_levels): opened or fused there."""
        return np.asarray(self.site.any(axis=2))


def _operated(followup: FollowUp) -> Operated:
    def sites(prefix: str) -> tuple[Bools, Bools]:
        opened = followup.grid(f"{prefix}_decompression", "level", "side") > 0
        return opened, followup.grid(f"{prefix}_fusion", "level") > 0

    (plan_opened, plan_fused), (note_opened, note_fused) = sites("planned"), sites("operated")
    planned = plan_opened | plan_fused[:, :, None]
    noted = note_opened | note_fused[:, :, None]
    seen = followup.grid("followup_operated_site", "level", "side") > 0
    is_planned, is_noted, is_counted = (np.asarray(site.any(axis=(1, 2))) for site in (planned, noted, seen))
    by_note = is_noted[:, None, None]
    said_opened = np.where(by_note, note_opened, plan_opened)
    fused = np.where(by_note[:, :, 0], note_fused, plan_fused)
    only_fused = fused & ~said_opened.any(axis=2)
    # An operation without any decompression opened nothing, whatever its implants show.
    is_opening = np.asarray(said_opened.any(axis=(1, 2)) | ~(is_noted | is_planned))
    is_opened = seen & ~only_fused[:, :, None] & is_opening[:, None, None]
    opened = np.where(is_counted[:, None, None], is_opened, said_opened)
    return Operated(planned, noted, seen, opened, fused, opened | fused[:, :, None], is_planned, is_noted, is_counted)


def _months(cases: pd.DataFrame) -> Floats:
    if not {"operation_date", "workup_date"} <= set(cases.columns):
        return np.full(len(cases), np.nan)
    operation, workup = (
        pd.to_datetime(cases[name], errors="coerce", format="ISO8601") for name in ("operation_date", "workup_date")
    )
    return ((workup - operation).dt.days / DAYS_PER_MONTH).to_numpy(dtype=np.float64, na_value=np.nan)


def _months_of_record(record: Mapping[str, Any]) -> float:
    dates = [_date(record.get(name)) for name in ("operation_date", "workup_date")]
    operation, workup = dates
    return (workup - operation).days / DAYS_PER_MONTH if operation and workup else np.nan


def _date(value: object) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


@cache
def followup_layout() -> Layout:
    """Which variable known by the follow-up lies in which column: every number and every choice."""
    kinds = ("number", "grade", "yes_no", "choice")
    return Layout(v for v in load_dictionary().known_by("follow_up") if v.type in kinds)


@cache
def _places(item: str, axes: tuple[str, ...], fixed: tuple[tuple[str, str], ...]) -> NDArray[np.intp]:
    try:
        return followup_layout().places(item, axes, fixed)
    except KeyError:
        raise KeyError(f"the dictionary declares no item {item} known by the follow-up") from None


class _Carrying(NamedTuple):
    """From columns of the follow-up to those of the first question."""

    before: NDArray[np.intp]
    """(n_findings + 1,): each variable as it was before the operation."""
    again: NDArray[np.intp]
    """The same: as recorded again, or carried over; nowhere for what was not examined again."""
    is_lasting: Bools
    """The same: carried over from the scan before."""
    left_alone: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    """By level: the columns of the scan of the first question, and those they come from."""
    read_again: tuple[NDArray[np.intp], ...]
    """By level: the columns that show that it was read again."""


@cache
def _carrying() -> _Carrying:
    source, target = followup_layout(), findings_layout()
    nowhere = source.nowhere
    before = [source.place_of[name] for name in target.names]
    again = [source.place_of.get(_again(variable), nowhere) for variable in target.variables]
    lasting = [v.item in LASTING and f"followup_{v.name}" not in source.place_of for v in target.variables]
    return _Carrying(
        before=np.array([*before, nowhere], dtype=np.intp),
        again=np.array([*again, nowhere], dtype=np.intp),
        is_lasting=np.array([*lasting, False]),
        left_alone=tuple(_left_alone(level) for level in LEVELS),
        read_again=tuple(
            np.array([source.place_of[v.name] for v in source.variables if _is_at(v, READ_AGAIN, level)])
            for level in LEVELS
        ),
    )


def _again(variable: Variable) -> str:
    """Where the follow-up has what a variable of the first question asks: its name, or that of nothing."""
    name, item = variable.name, variable.item
    if f"followup_{name}" in followup_layout().place_of:
        return f"followup_{name}"
    if name == "planned_procedure":
        return "performed_procedure"
    is_of_the_person = variable.form == "patient" and item not in PASSING
    return name if is_of_the_person or item in LASTING or name == "planned_zone" else ""


def _left_alone(level: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    source, target = followup_layout(), findings_layout()
    names = [v.name for v in target.variables if _is_at(v, LEFT_ALONE, level)]
    return np.array([target.place_of[n] for n in names]), np.array([source.place_of[n] for n in names])


def _is_at(variable: Variable, items: tuple[str, ...], level: str) -> bool:
    return variable.item in items and ("level", level) in variable.coordinates


def _is_any_recorded(values: Floats, columns: NDArray[np.intp]) -> Bools:
    return np.asarray((~np.isnan(values[:, columns])).any(axis=1))


@cache
def _herniation_columns() -> NDArray[np.intp]:
    """(n_levels, n_sides, 3): herniations of each zone that has sides."""
    return findings_layout().places("herniation", ("level", "side", "zone"))[:, :, 1:]


@cache
def _lesion_columns(item: str) -> NDArray[np.intp]:
    """(n_levels, n_sides): a lesion of the scan; a herniation where it usually lies."""
    zone = (("zone", "paracentral"),) if item == "herniation" else ()
    return findings_layout().places(item, ("level", "side"), zone)


@cache
def _planned_columns(item: str) -> NDArray[np.intp]:
    axes = ("level", "side") if item == "planned_decompression" else ("level",)
    return findings_layout().places(item, axes).ravel()
