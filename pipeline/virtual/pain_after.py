"""What hurts when an operation has failed: every cause that holds, the main one, where it lies, since when.

A source that was missed still hurts, mimics go on hurting, and what was left, came back or came loose hurts
besides. The same sources then make the drawing, the answers, the signs and the scan of the work-up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from features.axes import CAUSES
from pipeline.virtual.aftermath import NO_EVENT, event_names
from pipeline.virtual.course import FAILURE_FALL, Course
from pipeline.virtual.draws import either_of, happens
from pipeline.virtual.facts import fact, facts
from pipeline.virtual.operation import Operation
from pipeline.virtual.planned import Planned
from pipeline.virtual.sources import BOTH, GENERATORS, NONE, ROOT_LESIONS, SPINAL, Lesion, Sources

CAUSE = {name: place for place, name in enumerate(CAUSES)}
KIND = {name: place for place, name in enumerate(GENERATORS)}
ASKED_MONTHS = 12
"""Of the questionnaire by which an operation has failed or not."""
HEALED_MONTHS = 4
"""After which a wound infection that did not end in failure is no cause any more."""
MIMICS_OF = ("sacroiliac", "piriformis", "hip")
NAMED_FIRST = (
    "recurrent_herniation",
    "recurrent_herniation_other_side",
    "adjacent_segment",
    "pseudarthrosis",
    "hardware",
    "instability",
    "retained_fragment",
    "residual_stenosis",
    "wrong_level_or_side",
    "hip",
    "sacroiliac",
    "piriformis",
    "facet",
    "epidural_fibrosis",
    "infection",
    "neuropathic_or_central",
)
"""Which cause leads where no other was thought to: what came or was left before what was there all along."""
FELT_AS = {
    "recurrent_herniation": "herniation",
    "recurrent_herniation_other_side": "herniation",
    "retained_fragment": "herniation",
    "epidural_fibrosis": "recess_stenosis",
    "residual_stenosis": "recess_stenosis",
    "wrong_level_or_side": "recess_stenosis",
    "adjacent_segment": "central_stenosis",
    "instability": "slip",
    "pseudarthrosis": "disc",
    "hardware": "disc",
    "infection": "disc",
    "facet": "facet",
    "sacroiliac": "sacroiliac",
    "piriformis": "piriformis",
    "hip": "hip",
    "neuropathic_or_central": "central_sensitisation",
    "none_found": "disc",
}
"""The generator whose territory and signs a cause has, where nothing more is known of it."""
UNNAMED_PAIN_IN_LEG = 0.35
"""Of the pain without a cause, what stays in the leg where it was (an assumption)."""
SECOND_SHARE = (0.2, 0.45)
"""Of the pain, what a second cause makes."""
USUAL_MIMIC_SHARE = 0.25
"""Of the pain, what a new mimic beside another cause makes."""


@dataclass(frozen=True)
class Failed:
    """Operated cases at their work-up, with everything behind them."""

    planned: Planned
    operation: Operation
    course: Course
    cause: np.ndarray
    """Why it fails at 12 months, as `answers.failure_cause` has it."""
    has_failed: np.ndarray
    """Whether it did, by 12 months."""
    months: np.ndarray
    """From the operation to the work-up."""


@dataclass(frozen=True)
class Site:
    """Where a cause lies, on the true levels; level -1 outside the lumbar spine."""

    level: np.ndarray
    side: np.ndarray
    """0 left, 1 right, 2 both."""
    zone: np.ndarray
    """0 canal and recess, 1 foramen."""


@dataclass(frozen=True)
class PainAfter:
    """What hurts at the work-up."""

    main: np.ndarray
    """Place in CAUSES."""
    present: np.ndarray
    """(n, cause) every cause that holds."""
    is_old: np.ndarray
    """Whether the main cause is the source that hurt before, and that the operation missed."""
    came_months: np.ndarray
    """When the main cause came after the operation, where an event brought it; NaN elsewhere."""
    site: Site
    """Of the main cause."""
    beside: np.ndarray
    """Place in CAUSES of a lapse or event beside the main cause; NONE without."""
    beside_site: Site
    sources: Sources
    """What hurts, as the drawing and the examination need it."""


def has_failed_by_then(planned: Planned, course: Course) -> np.ndarray:
    """(n,) whether the ODI at 12 months, were everybody asked, had fallen by less than 30 %."""
    return course.columns["odi_12m"] > (1 - FAILURE_FALL) * planned.pain.columns["odi"]


def share(quantity: str) -> float:
    """A share of tables/workup_shares.csv."""
    return fact("workup_shares", quantity, "share")


def by_cause(table: str, row: str) -> np.ndarray:
    """(cause,) one row of a table that has a column a cause."""
    return np.array([fact(table, row, cause) for cause in CAUSES])


def pain_after(rng: Generator, failed: Failed) -> PainAfter:
    """The causes behind each of these cases."""
    crossed = _is_on_other_side(rng, failed)
    missed = missed_as(failed.planned.sources.main, failed.operation, failed.operation.reached_main)
    event, lapse = _event_cause(failed, crossed), _causes_of(failed.course.aftermath.lapse)
    present = _present(failed, missed, event, lapse)
    main, present = _main(failed, missed, event, present, crossed)
    came = np.where((event == main) & (event != NONE), failed.course.aftermath.onset_months, np.nan)
    beside = np.where((event != NONE) & (event != main), event, np.where(lapse != main, lapse, NONE))
    beside = np.where(beside == missed, NONE, beside)
    return placed(rng, failed, main, present, came, beside)


def _is_on_other_side(rng: Generator, failed: Failed) -> np.ndarray:
    """Whether a herniation that came again came on the side that was not operated."""
    late = failed.course.aftermath.onset_months > ASKED_MONTHS
    return happens(rng, np.where(late, share("other_side_later"), share("other_side_to_12_months")))


def missed_as(lesion: Lesion, operation: Operation, reached: np.ndarray) -> np.ndarray:
    """(n,) place in CAUSES by which a source that was not reached goes on hurting; NONE where it was.

    At a level and side that were opened it is what was left there; elsewhere the level or side was wrong.
    A painful disc that was opened and not fused has no word of its own.
    """
    kind = lesion.kind
    opened, at_level = opened_at(operation, lesion.level, lesion.side), _operated_at(operation, lesion.level)
    left = np.where(kind == KIND["herniation"], CAUSE["retained_fragment"], CAUSE["residual_stenosis"])
    cause = np.where(opened & (kind < ROOT_LESIONS), left, CAUSE["wrong_level_or_side"])
    cause = np.where((kind == KIND["disc"]) & at_level, NONE, cause)
    cause = np.where(kind == KIND["facet"], CAUSE["facet"], cause)
    for name in MIMICS_OF:
        cause = np.where(kind == KIND[name], CAUSE[name], cause)
    cause = np.where(kind == KIND["central_sensitisation"], CAUSE["neuropathic_or_central"], cause)
    return np.where((kind == NONE) | reached, NONE, cause)


def opened_at(operation: Operation, level: np.ndarray, side: np.ndarray) -> np.ndarray:
    """(n,) whether the canal was opened at that level and side, or on either side for both."""
    case, at = np.arange(len(level)), np.clip(level, 0, None)
    one = operation.decompressed[case, at, np.clip(side, 0, 1)]
    return np.where(side == BOTH, operation.decompressed[case, at].any(axis=1), one) & (level >= 0)


def _operated_at(operation: Operation, level: np.ndarray) -> np.ndarray:
    case, at = np.arange(len(level)), np.clip(level, 0, None)
    return (operation.decompressed[case, at].any(axis=1) | operation.fused[case, at]) & (level >= 0)


def _causes_of(places: np.ndarray) -> np.ndarray:
    """(n,) place in CAUSES of an event by its place in the table; NONE without."""
    return np.array([*(CAUSE[name] for name in event_names()), NONE])[places]


def _event_cause(failed: Failed, crossed: np.ndarray) -> np.ndarray:
    """(n,) what came since the operation and before the work-up."""
    after = failed.course.aftermath
    came = _causes_of(np.where(after.onset_months <= failed.months, after.event, NO_EVENT))
    again = came == CAUSE["recurrent_herniation"]
    return np.where(again & crossed, CAUSE["recurrent_herniation_other_side"], came)


def _present(failed: Failed, missed: np.ndarray, event: np.ndarray, lapse: np.ndarray) -> np.ndarray:
    """(n, cause) what holds whatever is thought to be the main cause."""
    sources, operation = failed.planned.sources, failed.operation
    case = np.arange(len(missed))
    present = np.zeros((len(missed), len(CAUSES)), dtype=bool)
    second = missed_as(sources.second, operation, operation.reached_second)
    for cause in (missed, second, event, lapse):
        present[case[cause != NONE], cause[cause != NONE]] = True
    for place, name in enumerate(MIMICS_OF):
        present[:, CAUSE[name]] |= sources.mimics[:, place].any(axis=1)
    present[:, CAUSE["infection"]] |= operation.events["wound_infection"] & (failed.months <= HEALED_MONTHS)
    present[:, CAUSE["neuropathic_or_central"]] |= sources.sensitised | operation.events["root_injury"]
    return present


def _main(
    failed: Failed, missed: np.ndarray, event: np.ndarray, present: np.ndarray, crossed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The main cause, and all that hold with it.

    As at 12 months, but that a wrong level is one only where the source was not reached by it, that a later
    event leads where all was well before, and that no cause is found only where none holds.
    """
    main = np.array([CAUSE[name] for name in failed.cause], dtype=int)
    none, operation = CAUSE["none_found"], failed.operation
    main = np.where((main == CAUSE["recurrent_herniation"]) & crossed, CAUSE["recurrent_herniation_other_side"], main)
    main = np.where(main == CAUSE["wrong_level_or_side"], np.where(missed == NONE, none, missed), main)
    healed = (main == CAUSE["infection"]) & ~failed.has_failed & (failed.months > HEALED_MONTHS)
    rest = _is_rest(failed)
    main = np.where(rest & operation.events["root_injury"], CAUSE["neuropathic_or_central"], main)
    at_opening = np.isin(main, [CAUSE["residual_stenosis"], CAUSE["epidural_fibrosis"]])
    unopened = rest & at_opening & ~operation.decompressed.any(axis=(1, 2))
    main = np.where(healed | unopened, none, main)
    later = ~failed.has_failed & (event != NONE) & (failed.course.aftermath.onset_months > ASKED_MONTHS)
    main = np.where(later, event, main)
    order = np.array([CAUSE[name] for name in NAMED_FIRST])
    first = order[present[:, order].argmax(axis=1)]
    main = np.where((main == none) & present.any(axis=1), first, main)
    return main, present | (np.arange(len(CAUSES)) == main[:, None])


def _is_rest(failed: Failed) -> np.ndarray:
    """(n,) whether neither a missed source nor an event, a lapse or an infection explains the failure."""
    after, operation = failed.course.aftermath, failed.operation
    came = (after.onset_months <= ASKED_MONTHS) | (after.lapse != NO_EVENT)
    return operation.reached_main & ~came & ~operation.events["wound_infection"]


def placed(
    rng: Generator,
    failed: Failed,
    main: np.ndarray,
    present: np.ndarray,
    came_months: np.ndarray,
    beside: np.ndarray,
) -> PainAfter:
    """Where these causes lie, and the sources that they are.

    `main` (n,) and `beside` (n,) places in CAUSES, the latter NONE without; `present` (n, cause).
    `came_months` (n,) is NaN where no event brought the main cause. What the operation missed stays where it was.
    """
    old = failed.planned.sources.main
    missed = missed_as(old, failed.operation, failed.operation.reached_main)
    is_old = (missed == main) & np.isnan(came_months)
    site = _site(rng, failed, main, came_months)
    site = Site(
        level=np.where(is_old, old.level, site.level),
        side=np.where(is_old, old.side, site.side),
        zone=np.where(is_old, old.zone, site.zone),
    )
    now = either_of(is_old, old, _felt(rng, failed, main, site))
    some = np.where(beside == NONE, CAUSE["none_found"], beside)
    beside_site = _site(rng, failed, some, came_months)
    felt_beside = either_of(beside == NONE, _nowhere(len(main)), _felt(rng, failed, some, beside_site))
    return PainAfter(
        main=main,
        present=present,
        is_old=is_old,
        came_months=came_months,
        site=site,
        beside=beside,
        beside_site=beside_site,
        sources=_sources(rng, failed, main, present, now, felt_beside),
    )


def _site(rng: Generator, failed: Failed, cause: np.ndarray, came_months: np.ndarray) -> Site:
    """Where a cause of this kind lies after this operation."""
    old, operation, n = failed.planned.sources.main, failed.operation, len(cause)
    fused = operation.fused[np.arange(n), np.clip(old.level, 0, None)]
    reached_there = (opened_at(operation, old.level, old.side) | fused) & (old.level >= 0)
    level = np.where(reached_there, old.level, operation.level)
    side = _opened_side(rng, operation, level, old.side)
    side = np.where(cause == CAUSE["recurrent_herniation_other_side"], 1 - side, side)
    in_foramen = (cause == CAUSE["residual_stenosis"]) & happens(rng, share("residual_in_foramen"), (n,))
    # A screw that was misplaced at once lies against the root; one that came loose hurts in the back.
    in_foramen |= (cause == CAUSE["hardware"]) & np.isnan(came_months)
    is_adjacent = (cause == CAUSE["adjacent_segment"]) & operation.fused.any(axis=1)
    level = np.where(is_adjacent, _adjacent_level(rng, operation.fused), level)
    side = np.where(is_adjacent & happens(rng, 0.55, (n,)), BOTH, side)
    either = happens(rng, 0.5, (n,)) * 1
    for place, name in enumerate(MIMICS_OF):
        own = failed.planned.sources.mimics[:, place]
        here = np.where(own.sum(axis=1) == 1, own.argmax(axis=1), either)
        side = np.where(cause == CAUSE[name], here, side)
    outside = np.isin(cause, [CAUSE[name] for name in MIMICS_OF])
    return Site(level=np.where(outside, NONE, level), side=side, zone=in_foramen * 1)


def _adjacent_level(rng: Generator, fused: np.ndarray) -> np.ndarray:
    """(n,) the level above the fused ones, or below them."""
    last = fused.shape[1] - 1
    top, bottom = fused.argmax(axis=1), last - fused[:, ::-1].argmax(axis=1)
    above = (happens(rng, share("adjacent_above"), (len(fused),)) & (top > 0)) | (bottom == last)
    return np.where(above, np.maximum(top - 1, 0), np.minimum(bottom + 1, last))


def _opened_side(rng: Generator, operation: Operation, level: np.ndarray, old: np.ndarray) -> np.ndarray:
    """(n,) the side operated at a level; where it is both, that of the old pain, or either."""
    opened = operation.decompressed[np.arange(len(level)), level]
    either = np.where((old == 0) | (old == 1), old, happens(rng, 0.5, (len(level),)) * 1)
    return np.where(opened.sum(axis=1) == 1, opened.argmax(axis=1), either)


def _felt(rng: Generator, failed: Failed, cause: np.ndarray, site: Site) -> Lesion:
    """The lesion, or the mimic, that a cause at its site is felt as."""
    n, old = len(cause), failed.planned.sources.main
    kind = np.array([KIND[FELT_AS[name]] for name in CAUSES])[cause]
    bony = np.isin(cause, [CAUSE["residual_stenosis"], CAUSE["hardware"]])
    kind = np.where(bony & (site.zone == 1), KIND["foraminal_stenosis"], kind)
    one_sided = (cause == CAUSE["adjacent_segment"]) & (site.side != BOTH)
    kind = np.where(one_sided, KIND["recess_stenosis"], kind)
    is_nerve = failed.operation.events["root_injury"] | ~failed.planned.sources.sensitised
    is_nerve &= cause == CAUSE["neuropathic_or_central"]
    in_leg = (old.root != NONE) & happens(rng, UNNAMED_PAIN_IN_LEG, (n,)) & (cause == CAUSE["none_found"])
    kind = np.where(is_nerve | in_leg, KIND["recess_stenosis"], kind)
    has_root, in_spine = kind < ROOT_LESIONS, kind < SPINAL
    keeps_root = (is_nerve | in_leg) & (old.root != NONE)
    on_both = np.isin(kind, [KIND[name] for name in ("disc", "facet", "slip", "central_sensitisation")])
    return Lesion(
        kind=kind,
        level=np.where(in_spine, site.level, NONE),
        side=np.where(on_both, BOTH, site.side),
        zone=site.zone,
        root=np.where(keeps_root, old.root, np.where(has_root, site.level + 1 - site.zone, NONE)),
        grade=np.where(in_spine, 2.0, 0.0),
    )


def _sources(
    rng: Generator, failed: Failed, main: np.ndarray, present: np.ndarray, now: Lesion, beside: Lesion
) -> Sources:
    """What hurts now: the main cause, the source missed or left beside it, and the mimics."""
    before, operation, n = failed.planned.sources, failed.operation, len(main)
    mimics = before.mimics.copy()
    for place, name in enumerate(MIMICS_OF):
        mimics[:, place] &= present[:, [CAUSE[name]]]
        rows = np.flatnonzero(main == CAUSE[name])
        mimics[rows, place, now.side[rows]] = True
        new = np.flatnonzero(present[:, CAUSE[name]] & ~mimics[:, place].any(axis=1))
        mimics[new, place, happens(rng, 0.5, new.shape) * 1] = True
    missed = _hurts(missed_as(before.main, operation, operation.reached_main), present)
    missed &= (before.main.kind < SPINAL) & (now.level != before.main.level)
    left = _hurts(missed_as(before.second, operation, operation.reached_second), present)
    second = either_of(missed, before.main, either_of(beside.kind != NONE, beside, before.second))
    second = either_of(missed | (beside.kind != NONE) | left, second, _nowhere(n))
    has_mimic_beside = mimics.any(axis=(1, 2)) & (now.kind < SPINAL)
    usual = np.where(before.mimic_share > 0, before.mimic_share, USUAL_MIMIC_SHARE)
    return replace(
        before,
        main=now,
        second=second,
        second_share=np.where(second.kind != NONE, rng.uniform(*SECOND_SHARE, n), 0),
        mimics=mimics,
        mimic_share=np.where(has_mimic_beside, usual, 0),
        sensitised=before.sensitised & present[:, CAUSE["neuropathic_or_central"]],
    )


def _hurts(cause: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(n,) whether a cause (place in CAUSES, or NONE) is among those that hold."""
    return (cause != NONE) & present[np.arange(len(cause)), cause]


def _nowhere(n: int) -> Lesion:
    none = np.full(n, NONE)
    return Lesion(kind=none, level=none, side=none, zone=np.zeros(n, dtype=int), root=none, grade=np.zeros(n))


def interval_facts() -> dict[str, np.ndarray]:
    """(cause,) how the pain goes where no event brought it; of an event's cause as of one never better."""
    table = facts("workup_course").set_index("cause")
    usual = table.loc["wrong_level_or_side"]
    columns = ("good_start", "interval_months", "interval_log_sd", "sudden", "triggered")
    return {
        column: np.array([float(table[column].get(cause, usual[column])) for cause in CAUSES]) for column in columns
    }
