"""Whether each finding of `cause_findings.csv` is present, absent or was not sought.

A finding of one variable is compared with the threshold of its row; the others are read here, group by group,
each with the threshold of its row as well. What was not asked, examined or read is not sought, and says nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.anatomy import AXIAL_ZONES, mimic_territory, root_territory, territory
from features.axes import MIMICS, ROOTS, SIDES
from features.builders import Sources
from features.cause_tables import cause_findings, finding_places
from features.followup import DAYS_PER_MONTH, Bools, FollowUp, followup_layout
from features.knowledge_tables import refuse
from features.layout import Floats
from features.lesion_pain import leg_sums
from features.mimics import BACKGROUND, BLOCK, MimicEvidence
from features.operated_site import (
    Shown,
    anywhere,
    both_sides,
    lesions_at,
    narrowed,
    new_lesions,
    next_to_fusion,
    other_side,
    reached_roots,
    shown,
    slip_grown,
)

YEAR_MONTHS = 12.0
SETTLED_MONTHS = 14 / DAYS_PER_MONTH
"""CRP and ESR are raised by the operation itself for about two weeks (memory)."""
DRAWN_LEG, DRAWN_BACK = 0.6, 0.2
"""Shares of the drawn pain in the leg from which it dominates, and up to which the back does (judgement)."""
DISTRESS_HSCL25 = 1.75
DEFICITS = (("power", 4.0), ("reflex", 1.0), ("sensation", 1.0))
"""(what is examined by root, the most of it that is a deficit)."""
WEAK = 3.0
"""Power that is a deficit whatever else is there; MRC 4 alone is as often the examiner."""
PROTRUSION = 2.0
HOMOGENEOUS = 2.0


class Found(NamedTuple):
    """One finding of n cases."""

    state: Floats
    """(n,): 1 present, 0 absent, NaN not sought."""
    number: Floats | None = None
    """(n,): the number behind it, where there is one."""
    where: Bools | None = None
    """(n, n_levels, n_sides): where it is present, for a finding of the scan."""


class AllFound(NamedTuple):
    """Every finding of n cases, in the order of the table."""

    states: Floats
    """(n, n_findings): 1 present, 0 absent, NaN not sought."""
    numbers: Floats
    """(n, n_findings): the number behind each; NaN where there is none."""
    where: Mapping[str, Bools]
    """By finding of the scan (n, n_levels, n_sides): where it is present."""


@dataclass(frozen=True)
class Material:
    """What the findings are read from."""

    followup: FollowUp
    again: Sources
    """The builders on the follow-up."""
    before: Sources
    """The builders on the record before the operation, with what was operated on as the plan."""
    mimic_flag_threshold: float

    @cached_property
    def mimic_ratios(self) -> Floats:
        """See `mimic_log_ratios`."""
        return mimic_log_ratios(self.again.mimics)


Limits = Mapping[str, float]
"""The threshold of each finding."""
Group = Callable[[Material, Limits], dict[str, Found]]


def found(material: Material) -> AllFound:
    """The state of every finding, the number behind it, and where it is: see `AllFound`."""
    places, n = finding_places(), material.followup.n_cases
    states, numbers = np.full((2, n, len(places)), np.nan)
    single = _single_variables()
    numbers[:, single.findings] = material.followup.columns(single.columns)
    states[:, single.findings] = compared(numbers[:, single.findings] * single.signs, single.thresholds)
    where = {}
    for group in GROUPS_OF_FINDINGS:
        for name, one in group(material, _limits()).items():
            states[:, places[name]] = one.state
            if one.number is not None:
                numbers[:, places[name]] = one.number
            if one.where is not None:
                where[name] = one.where
    return AllFound(states, numbers, where)


class _SingleVariables(NamedTuple):
    findings: NDArray[np.intp]
    columns: NDArray[np.intp]
    signs: Floats
    thresholds: Floats
    """A finding is present where sign x value reaches its threshold."""


@cache
def _single_variables() -> _SingleVariables:
    rows = [(place, one) for place, one in enumerate(cause_findings()) if one.variable]
    signs = np.array([1.0 if one.rule == ">=" else -1.0 for _, one in rows])
    return _SingleVariables(
        findings=np.array([place for place, _ in rows], dtype=np.intp),
        columns=np.array([followup_layout().place_of[one.variable] for _, one in rows], dtype=np.intp),
        signs=signs,
        thresholds=signs * np.array([one.threshold for _, one in rows]),
    )


@cache
def _limits() -> Limits:
    return {one.name: one.threshold for one in cause_findings()}


def check_all_are_read(material: Material) -> None:
    """Refuse `cause_findings.csv` where nothing reads one of its findings, or it lacks one that is read here.

    Raises
    ------
    KnowledgeError
        With every such finding.
    """
    limits = defaultdict(float, _limits())
    read = {name for group in GROUPS_OF_FINDINGS for name in group(material, limits)}
    declared = {one.name: bool(one.variable) for one in cause_findings()}
    refuse(
        "cause_findings",
        [
            *(f"nothing reads {name}: name its variable." for name, is_single in declared.items()
              if not is_single and name not in read),
            *(f"{name} names one variable, and is read from more." for name, is_single in declared.items()
              if is_single and name in read),
            *(f"there is no row for {name}." for name in sorted(read - set(declared))),
        ],
    )  # fmt: skip


def compared(values: Floats, threshold: float | Floats) -> Floats:
    """1 where a value reaches the threshold, 0 where it does not, NaN where it is not recorded."""
    return np.where(values == values, values >= threshold, np.nan)


def known(is_known: Bools, state: Bools) -> Floats:
    """The state where it is known, NaN elsewhere."""
    return np.where(is_known, state, np.nan)


def _most(values: Floats) -> Floats:
    """The most that is recorded of (n, ...); NaN where nothing is."""
    return np.fmax.reduce(values, axis=tuple(range(1, values.ndim)))


def _seen(finding: Shown) -> Found:
    return Found(finding.state, None, finding.present & finding.read)


# The course


def _course(material: Material, limits: Limits) -> dict[str, Found]:
    """How it went since the operation, and how it is now."""
    ask = material.followup.variable
    tempo, trigger = ask("return_tempo"), ask("return_trigger")
    relief, interval = ask("initial_relief_percent"), ask("pain_free_interval_months")
    by_tempo = known(tempo == tempo, tempo == _code("return_tempo", "never_better"))
    by_relief = np.where(interval > 0, 0.0, known(relief == relief, relief < limits["never_better"]))
    never = np.where(tempo == tempo, by_tempo, by_relief)
    # An interval, a tempo and a trigger say something of a pain that came back.
    months = np.where((never == 0) & (interval > 0), interval, np.nan)
    tempo, trigger = np.where(never == 1, np.nan, tempo), np.where(never == 1, np.nan, trigger)
    had = months == months
    return {
        "never_better": Found(never, relief),
        "relief_under_6_weeks": Found(known(had, months < limits["relief_under_6_weeks"]), months),
        "relief_3_to_12_months": Found(
            known(had, (months >= limits["relief_3_to_12_months"]) & (months < YEAR_MONTHS)), months
        ),
        "relief_over_12_months": Found(compared(months, limits["relief_over_12_months"]), months),
        "sudden_return": Found(_is_word(tempo, "return_tempo", "sudden"), months),
        "return_after_strain": Found(_is_word(trigger, "return_trigger", "lifting_or_twisting"), months),
        "return_after_fall": Found(_is_word(trigger, "return_trigger", "fall_or_accident"), months),
        **_dominance(material, limits),
        **_comparison(ask("pain_compared")),
        "claudication": Found(
            _all_of(
                np.fmax(ask("followup_is_worse_on_standing"), ask("followup_is_worse_on_walking")),
                np.fmax(ask("followup_is_relieved_by_sitting"), ask("followup_is_relieved_by_bending_forward")),
            )
        ),
    }


def _dominance(material: Material, limits: Limits) -> dict[str, Found]:
    """By the scores, or without them by the drawing."""
    less = material.followup.variable("followup_nrs_leg") - material.followup.variable("followup_nrs_back")
    share = material.again.lesions.leg_share
    is_scored = less == less
    by_leg, by_back = known(share == share, share >= DRAWN_LEG), known(share == share, share <= DRAWN_BACK)
    return {
        "leg_dominant": Found(np.where(is_scored, less >= limits["leg_dominant"], by_leg)),
        "back_dominant": Found(np.where(is_scored, -less >= limits["back_dominant"], by_back)),
    }


def _comparison(compared_with: Floats) -> dict[str, Found]:
    same, other, both = (compared_with == _code("pain_compared", word) for word in ("same", "other", "both"))
    is_said = compared_with == compared_with
    return {"same_pain": Found(known(is_said, same | both)), "other_pain": Found(known(is_said, other | both))}


def _is_word(values: Floats, name: str, word: str) -> Floats:
    return known(values == values, values == _code(name, word))


@cache
def _code(name: str, word: str) -> float:
    return float(followup_layout().codes[name].index(word))


def _all_of(first: Floats, second: Floats) -> Floats:
    """1 where both hold, 0 where one does not, NaN where that is open."""
    return np.where((first == 0) | (second == 0), 0.0, first * second)


# The drawing


def _drawing(material: Material, limits: Limits) -> dict[str, Found]:
    before, now = marks(material.before.lesions.pain), marks(material.again.lesions.pain)
    leg = material.again.lesions.pain @ leg_sums()
    opened = material.followup.operated.opened.any(axis=1)
    with np.errstate(invalid="ignore"):
        common = np.minimum(before, now).sum(axis=1) / np.maximum(before, now).sum(axis=1)
        elsewhere = np.where(opened, 0.0, leg).sum(axis=1) / leg.sum(axis=1)
    elsewhere = np.where(opened.sum(axis=1) == 1, elsewhere, np.nan)
    is_syndrome = material.followup.variable("has_widespread_pain_syndrome") == 1
    wide = compared(material.again.widespread_pain, limits["widespread_pain"])
    is_below = material.again.lesions.pain.sum(axis=1) > 0
    return {
        "drawing_as_before": Found(_as_before(common, limits["drawing_as_before"]), common),
        "leg_pain_other_side": Found(compared(elsewhere, limits["leg_pain_other_side"]), elsewhere),
        "widespread_pain": Found(np.where(is_syndrome, 1.0, np.where(is_below, wide, wide * 0))),
        **_territories(now),
    }


def _as_before(common: Floats, threshold: float) -> Floats:
    """1 from the threshold on, 0 below half of it; what lies between says nothing."""
    return np.where((common < threshold) & (common >= threshold / 2), np.nan, compared(common, threshold))


def marks(pain: Floats) -> Floats:
    """A drawing (n, n_places) as parts of its own worst place, so that pain which eased is still the same pain.

    NaN where none is drawn.
    """
    with np.errstate(invalid="ignore"):
        return pain / pain.max(axis=1, keepdims=True)


def _territories(drawn: Floats) -> dict[str, Found]:
    """Whether each mimic on one side is more like the drawing than any lumbar source is."""
    lumbar, mimics = _directions()
    most = (drawn @ lumbar).max(axis=1)
    alike = (drawn @ mimics).reshape(len(drawn), len(MIMICS), len(SIDES)).max(axis=2)
    is_drawn = most == most
    return {f"{mimic}_territory": Found(known(is_drawn, alike[:, place] > most)) for place, mimic in enumerate(MIMICS)}


@cache
def _directions() -> tuple[Floats, Floats]:
    """Territories as directions in the space of the drawing: of roots and axial sources (n_places, n_lumbar), and
    of mimics by side (n_places, n_mimics x n_sides). Roots above L3 are left out: groin pain is the hip's first."""
    axial = np.stack([np.repeat(territory(zone)[:, None], len(SIDES), axis=1).ravel() for zone in AXIAL_ZONES])
    lumbar = np.vstack([root_territory()[ROOTS.index("l3") * len(SIDES) :], axial])
    mimics = np.einsum("mr,st->msrt", mimic_territory(), np.eye(len(SIDES))).reshape(-1, lumbar.shape[1])
    as_directions = [felt / np.linalg.norm(felt, axis=1, keepdims=True) for felt in (lumbar, mimics)]
    return as_directions[0].T, as_directions[1].T


# Mimics, as the first question reads them


def _mimics(material: Material, limits: Limits) -> dict[str, Found]:
    signs = np.where(material.mimic_ratios == 0, np.nan, material.mimic_ratios > 0)
    before = material.before.mimics
    probability = before.probability.max(axis=2)
    is_tested = before.tests_done.sum(axis=2) > 0
    age = material.followup.variable("age_years")
    hip_ratio = material.mimic_ratios[:, MIMICS.index("hip"), PERSON]
    made = {"hip_age": Found(known(age == age, hip_ratio >= 0), age)}
    for place, mimic in enumerate(MIMICS):
        likely = probability[:, place] >= material.mimic_flag_threshold
        made[f"{mimic}_tests"] = Found(signs[:, place, TESTS])
        made[f"{mimic}_block"] = Found(signs[:, place, DIAGNOSTIC_BLOCK])
        made[f"{mimic}_before"] = Found(known(is_tested[:, place], likely), probability[:, place])
    return made


TESTS, DIAGNOSTIC_BLOCK, PERSON = range(3)
"""Parts of `mimic_log_ratios`."""


def mimic_log_ratios(evidence: MimicEvidence) -> Floats:
    """What the first question's builder says of each mimic on its likelier side: (n, n_mimics, 3).

    The log likelihood ratios of its tests, of its block, and of what is known of the person; 0 where
    nothing is decided. They are its own ratios, so that the accuracy of a test has one home.
    """
    side = evidence.examined.odds.argmax(axis=1)
    ratios = np.take_along_axis(evidence.examined.ratios, side[:, None, :, None], axis=1)[:, 0]
    tests = ratios[:, :, :BACKGROUND].prod(axis=2)
    return np.log(np.stack([tests, ratios[:, :, BLOCK], ratios[:, :, BACKGROUND]], axis=2))


# The record before, and the operation


def _record(material: Material, limits: Limits) -> dict[str, Found]:
    ask, done = material.followup.variable, material.followup.operated
    misses = material.before.plan.plan_misses_likeliest
    is_supported = material.before.support.lesions.max(axis=1) >= limits["source_missed"]
    wanted = np.where(done.is_planned_known[:, None, None], done.planned, done.noted)
    months = material.followup.months_since
    distress = np.fmax(
        np.fmax(
            compared(ask("distress_hscl25"), DISTRESS_HSCL25), compared(ask("catastrophising_pcs"), limits["distress"])
        ),
        ask("has_depression_or_anxiety"),
    )
    return {
        "source_missed": Found(np.where(is_supported, misses, np.nan)),
        "note_not_as_planned": Found(known(done.is_planned_known & done.is_noted, _lacks(done.noted, done.planned))),
        "site_not_as_planned": Found(
            known(done.is_counted & (done.is_planned_known | done.is_noted), _lacks(done.seen, wanted))
        ),
        "early_workup": Found(known(months == months, months <= limits["early_workup"]), months),
        "distress": Found(distress),
    }


def _lacks(done: Bools, wanted: Bools) -> Bools:
    """A level that was wanted was not done; or a side of it, where one side alone was wanted."""
    is_one_sided = wanted.sum(axis=2, keepdims=True) == 1
    levels = np.asarray(wanted.any(axis=2) & ~done.any(axis=2))
    return levels.any(axis=1) | anywhere(is_one_sided & wanted & ~done)


# The examination and blocks


def _examination(material: Material, limits: Limits) -> dict[str, Found]:
    grid = material.followup.grid
    stretch = np.fmax(_most(grid("followup_slr", "side")), _most(grid("followup_femoral_stretch", "side")))
    relief, is_known = grid("followup_root_block_relief", "root", "side"), material.followup.operated.is_known
    reached = reached_roots(material.followup)
    own = np.where(is_known, _most(np.where(reached, relief, np.nan)), np.nan)
    other = np.where(is_known, _most(np.where(reached, np.nan, relief)), np.nan)
    return {
        "nerve_stretch": Found(stretch),
        "crossed_stretch": Found(_most(grid("followup_crossed_slr", "side"))),
        "extension_pain": Found(_most(grid("followup_extension_test", "side"))),
        "new_deficit": _new_deficit(material.followup),
        "operated_root_block": Found(compared(own, limits["operated_root_block"]), own),
        "other_root_block": Found(compared(other, limits["other_root_block"]), other),
    }


def _new_deficit(followup: FollowUp) -> Found:
    """A marked weakness that is new, or two new signs of one root on one side."""
    signs, was_compared = [], []
    for item, most in DEFICITS:
        now, before = followup.grid(f"followup_{item}", "root", "side"), followup.grid(item, "root", "side")
        signs.append((now <= most) & (before > most))
        was_compared.append((now == now) & (before == before))
    now, before = followup.grid("followup_power", "root", "side"), followup.grid("power", "root", "side")
    is_new = (np.sum(signs, axis=0) >= 2) | ((now <= WEAK) & (before > WEAK))
    return Found(known(anywhere(np.any(was_compared, axis=0)), anywhere(is_new)))


# Films and scans


def _films(material: Material, limits: Limits) -> dict[str, Found]:
    followup, done = material.followup, material.followup.operated
    hip = _most(followup.grid("hip_osteoarthritis_grade", "side"))
    moves = followup.grid("followup_motion_mm", "level")
    free, fused = np.where(done.level & ~done.fused, moves, np.nan), np.where(done.fused, moves, np.nan)
    return {
        "hip_osteoarthritis": Found(compared(hip, limits["hip_osteoarthritis"]), hip),
        "motion": _moving(free, limits["motion"]),
        "motion_at_fusion": _moving(fused, limits["motion_at_fusion"]),
        "slip_grew": _seen(slip_grown(followup).at(both_sides(done.level))),
    }


def _moving(millimetres: Floats, above: float) -> Found:
    most = _most(millimetres)
    return Found(known(most == most, most > above), most, both_sides(millimetres > above))


def _mri(material: Material, limits: Limits) -> dict[str, Found]:
    followup, opened = material.followup, material.followup.operated.opened
    herniation = shown(followup.grid("followup_herniation", "level", "side"), PROTRUSION)
    mass = shown(followup.grid("followup_mass_in_continuity", "level", "side"))
    enhancement = followup.grid("followup_enhancement", "level", "side")
    given = (followup.variable("followup_contrast") != 0)[:, None, None]
    enhanced = Shown((enhancement >= HOMOGENEOUS) & given, (enhancement == enhancement) & given)
    dark = Shown(~enhanced.present & enhanced.read & (herniation.present | mass.present), enhanced.read)
    narrow = narrowed(followup, limits["stenosis_at_operated"])
    new = new_lesions(followup, limits["adjacent_lesion"])
    return {
        "herniation_operated_side": _seen(herniation.at(opened)),
        "herniation_other_side": _seen(herniation.at(other_side(followup))),
        "mass_in_continuity": _seen(mass.at(opened)),
        "homogeneous_enhancement": _seen(enhanced.at(opened)),
        "no_central_enhancement": _seen(dark.at(opened)),
        "stenosis_at_operated": _seen(narrow.at(both_sides(followup.operated.level))),
        "adjacent_lesion": _seen(new.at(both_sides(next_to_fusion(followup)))),
        "discitis_signs": _seen(shown(followup.grid("followup_discitis_signs", "level"))),
    }


def _sources_now(material: Material, limits: Limits) -> dict[str, Found]:
    """Where the builders of the first question see the source on the new drawing, examination and scan."""
    support, site = material.again.support.lesions, lesions_at(material.followup.operated.site)
    # A film of the slip alone shows no other lesion, and excludes none.
    is_read = np.asarray(material.followup.levels_read.any(axis=1))
    is_known = material.followup.operated.is_known & material.again.lesions.is_defined
    is_known &= is_read | material.followup.is_lesion_seen
    own = np.where(is_known, np.where(site, support, 0.0).sum(axis=1), np.nan)
    other = np.where(is_known, np.where(site, 0.0, support).sum(axis=1), np.nan)
    best = material.again.lesions.share_best
    return {
        "source_at_operated": Found(compared(own, limits["source_at_operated"]), own),
        "source_not_operated": Found(compared(other, limits["source_not_operated"]), other),
        "no_lesion_explains": Found(known(is_read & (best == best), best < limits["no_lesion_explains"]), best),
    }


def _ct(material: Material, limits: Limits) -> dict[str, Found]:
    followup, done = material.followup, material.followup.operated
    recess = shown(followup.grid("followup_bone_left_recess", "level", "side"))
    foramen = shown(followup.grid("followup_bone_left_foramen", "level", "side"))
    union = np.where(done.fused, followup.grid("followup_fusion", "level"), np.nan)
    worst, months = np.fmin.reduce(union, axis=1), followup.months_since
    is_late = ~(months < limits["not_united"])
    state = np.where(worst == 0, 1.0, np.where(worst == UNITED, 0.0, np.nan))
    return {
        "retained_fragment_ct": _seen(
            shown(followup.grid("followup_retained_fragment", "level", "side")).at(done.opened)
        ),
        "bone_left": _seen(recess.either(foramen).at(both_sides(done.level))),
        "not_united": Found(np.where(is_late, state, np.nan), months, both_sides(union == 0)),
    }


UNITED = 2.0


# Blood


def _blood(material: Material, limits: Limits) -> dict[str, Found]:
    is_settled = ~(material.followup.months_since < SETTLED_MONTHS)
    crp, esr = (
        np.where(is_settled, material.followup.variable(name), np.nan)
        for name in ("followup_crp_mg_l", "followup_esr_mm_h")
    )
    crp_raised, esr_raised = compared(crp, limits["crp_raised"]), compared(esr, limits["esr_raised"])
    return {
        "crp_raised": Found(crp_raised, crp),
        "esr_raised": Found(esr_raised, esr),
        "crp_and_esr_raised": Found(crp_raised * esr_raised),
    }


GROUPS_OF_FINDINGS: tuple[Group, ...] = (
    _course, _drawing, _mimics, _record, _examination, _films, _mri, _sources_now, _ct, _blood,
)  # fmt: skip
"""What reads the findings that need more than one variable and a threshold."""
