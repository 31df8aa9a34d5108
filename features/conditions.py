"""Conditions that knowledge tables state in words of the record, and whether they hold for a case.

A condition reads as it is spoken: `is_operated_level + is_painful_side + (followup_mass_in_continuity or
followup_herniation>=2)`. `+` is *and*, `or` joins alternatives in brackets; a yes or no goes by its name, a
number or a grade has a threshold, a cause a word (`infection>=possible`). Names are those of the dictionary
(a variable, or the item of a grid), of `TERMS` below, and of causes; any other is refused.

Everything is laid out on levels and sides, so that `and` means *at one place*: a herniation at L4-L5 on the
left and an empty recess at L3-L4 make nothing together. What has no level or side holds at every one.

A condition holds, does not hold, or cannot be told, where what it asks was not recorded. What cannot be told
never counts as holding; what could still hold is said, so that somebody can ask (`may_hold`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.anatomy import SITE_LEVEL, SITE_SIDES, SITES, root_reach
from features.axes import CAUSES, LABELS, LEVELS, ROOTS, SIDES
from features.causes import LIKELIHOODS, CauseEvidence, cause_label
from features.dictionary import Dictionary, Variable, load_dictionary
from features.followup import FollowUp
from features.layout import Floats
from features.lesion_pain import leg_sums

Bools = NDArray[np.bool_]

CONDITION = re.compile(r"(?P<name>[a-z]\w*)(?:(?P<rule>>=|<=)(?P<threshold>-?\d+(?:\.\d+)?|[a-z ]+))?")
CAUSE_TERM = "cause "
PAINFUL_SHARE = 0.25
"""A side hurts when at least this part of the drawn leg pain is on it."""
CAUGHT = 1.0
"""A level catches the roots that some lesion at it reaches so far: wholly."""
HOMOGENEOUS = 2.0
"""The grade of enhancement that is that of scar."""
SACROILIAC_TESTS = ("distraction", "compression", "thigh_thrust", "gaenslen", "sacral_thrust", "faber")
CHILDBEARING_AGES = (12, 55)
FUSIONS = ("decompression_and_fusion", "fusion")


class Condition(NamedTuple):
    """One comparison: `name` reaches its threshold from above or from below."""

    name: str
    rule: str
    threshold: float

    def compares(self, values: Floats) -> tuple[Bools, Bools]:
        """Whether it holds, and whether it may: the same, and where nothing is recorded."""
        holds = values >= self.threshold if self.rule == ">=" else values <= self.threshold
        return holds, holds | np.isnan(values)


Clauses = tuple[tuple[Condition, ...], ...]
"""All of these, and of each any one."""


class Verdict(NamedTuple):
    """Whether clauses hold, by level and side: (n, n_levels, n_sides) each."""

    holds: Bools
    may_hold: Bools

    def anywhere(self) -> Verdict:
        """The same over all places: (n,) each."""
        return Verdict(np.asarray(self.holds.any(axis=(1, 2))), np.asarray(self.may_hold.any(axis=(1, 2))))


class Situation:
    """What conditions are held against: n cases at the work-up, with the evidence for their causes."""

    def __init__(self, followup: FollowUp, evidence: CauseEvidence) -> None:
        self.followup = followup
        self.sources = evidence.sources
        self.likelihoods = evidence.likelihood_places
        self._known: dict[str, Floats] = {}
        self._told: dict[Clauses, Verdict] = {}

    @property
    def n_cases(self) -> int:
        return len(self.likelihoods)

    def add(self, name: str, values: Floats | Bools) -> None:
        """Let conditions name what is known of the cases by now: (n,), 1, 0 or NaN."""
        self._known[name] = np.asarray(values, dtype=np.float64)[:, None, None]

    def values(self, name: str) -> Floats:
        """What a name stands for: NaN where not recorded, of a shape that spreads to (n, n_levels, n_sides)."""
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def verdict(self, clauses: Clauses) -> Verdict:
        """Whether all clauses hold at one place, by place; no clause at all holds everywhere."""
        if clauses not in self._told:
            shape = (self.n_cases, len(LEVELS), len(SIDES))
            holds, may_hold = np.ones(shape, dtype=bool), np.ones(shape, dtype=bool)
            for clause in clauses:
                held, possible = zip(*(one.compares(self.values(one.name)) for one in clause), strict=True)
                holds &= _any_of(held)
                may_hold &= _any_of(possible)
            self._told[clauses] = Verdict(holds, may_hold)
        return self._told[clauses]

    def _read(self, name: str) -> Floats:
        if name in TERMS:
            return TERMS[name].values(self)
        if name.startswith(CAUSE_TERM):
            return self.likelihoods[:, CAUSES.index(name.removeprefix(CAUSE_TERM))].astype(np.float64)[:, None, None]
        axes = _axes_of(name)
        values = self.followup.grid(name, *axes) if axes else self.followup.variable(name)
        return _spread(values, axes)


def _any_of(of_each: Collection[Bools]) -> Bools:
    found, *others = of_each
    for other in others:
        found = found | other
    return found


def _spread(values: Floats, axes: tuple[str, ...]) -> Floats:
    """With an axis of length 1 where it has none."""
    n = len(values)
    return values.reshape(n, len(LEVELS) if "level" in axes else 1, len(SIDES) if "side" in axes else 1)


# How conditions are written


class Words(NamedTuple):
    """The clauses of a cell, or what is wrong with it."""

    clauses: Clauses
    problems: tuple[str, ...]


@cache
def read_conditions(text: str, more: frozenset[str] = frozenset()) -> Words:
    """The clauses that a cell of a table states; an empty cell states none.

    Parameters
    ----------
    text : str
    more : frozenset of str
        Names of yes or no that the caller will `add` to the situation.

    Examples
    --------
    >>> read_conditions("has_diabetes + (age_years>=70 or has_osteoporosis)").clauses[1][0]
    Condition(name='age_years', rule='>=', threshold=70.0)
    >>> read_conditions("has_diabetis").problems
    ('names has_diabetis, which is nothing that conditions know. Did you mean has_diabetes?',)
    """
    clauses, problems = [], []
    for part in re.split(r"\s+\+\s+", text.strip()) if text.strip() else []:
        clause = []
        for alternative in re.split(r"\s+or\s+", part.strip().removeprefix("(").removesuffix(")")):
            condition, problem = _condition(alternative.strip(), more)
            clause += [condition] if condition else []
            problems += [problem] if problem else []
        clauses.append(tuple(clause))
    return Words(tuple(clauses), tuple(problems))


def _condition(text: str, more: frozenset[str]) -> tuple[Condition | None, str]:
    """A condition as written, or what is wrong with it."""
    read = CONDITION.fullmatch(text)
    if read is None:
        return None, f"has {text!r}, which is no condition. Write a yes or no by its name, a number as name>=threshold."
    name, rule, threshold = read["name"], read["rule"], read["threshold"]
    if rule is not None and threshold in LIKELIHOODS:
        return _of_cause(text, name, rule, threshold)
    if rule is not None and re.fullmatch(r"[a-z ]+", threshold):
        return None, f"has {text}, but {threshold} is none of {', '.join(LIKELIHOODS)}."
    reach = _reach_of(name, more)
    if isinstance(reach, str):
        return None, reach
    lower, upper = reach
    if rule is None:
        needed = "" if reach == YES_NO else f"names {name} without a threshold, as in {name}>={lower:g}."
        return Condition(name, ">=", 1.0), needed
    condition = Condition(name, rule, float(threshold))
    decides = lower < condition.threshold <= upper if rule == ">=" else lower <= condition.threshold < upper
    return condition, "" if decides else f"has {text}, but {name} runs from {lower:g} to {upper:g}."


YES_NO = (0.0, 1.0)


def _of_cause(text: str, name: str, rule: str, word: str) -> tuple[Condition | None, str]:
    if name not in CAUSES:
        return None, f"has {text}, but {name} is no cause."
    if rule != ">=":
        return None, f"has {text}; a cause is at least a word, as in {name}>={word}."
    return Condition(CAUSE_TERM + name, rule, float(LIKELIHOODS.index(word))), ""


def _reach_of(name: str, more: frozenset[str]) -> tuple[float, float] | str:
    """The least and the most that a name can stand for, or why it stands for nothing."""
    if name in more:
        return YES_NO
    if name in TERMS:
        return TERMS[name].reach
    variables = _declared().get(name)
    if variables is None:
        closest = load_dictionary().closest(name)
        return f"names {name}, which is nothing that conditions know." + (
            f" Did you mean {closest}?" if closest else ""
        )
    variable = variables[0]
    if not variable.is_numeric or variable.identifies:
        return f"names {name}, which is no number."
    if set(_axes_of(name)) - {"level", "side"}:
        return f"names {name}, which lies on {' and '.join(_axes_of(name))}; conditions know levels and sides."
    if variable.codes:
        codes = [float(code) for code in variable.codes]
        return min(codes), max(codes)
    return float(variable.lower or 0), float(variable.upper or 0)


@cache
def _declared() -> Mapping[str, tuple[Variable, ...]]:
    """The variables of each item known by the follow-up, in the order of the record."""
    found: dict[str, tuple[Variable, ...]] = {}
    dictionary: Dictionary = load_dictionary()
    for variable in dictionary.known_by("follow_up"):
        found[variable.item] = (*found.get(variable.item, ()), variable)
    return found


@cache
def _axes_of(item: str) -> tuple[str, ...]:
    """The axes on which an item lies, from the dictionary."""
    return tuple(dict.fromkeys(axis for variable in _declared()[item] for axis, _ in variable.coordinates))


def names_in(clauses: Clauses) -> Iterator[str]:
    """Every name that clauses compare, once each."""
    yield from dict.fromkeys(one.name for clause in clauses for one in clause)


@cache
def label_of(name: str) -> str:
    """What a person reads for a name of a condition.

    >>> label_of("has_bleeding_risk"), label_of("followup_herniation")
    ('takes an anticoagulant, or bleeds easily', 'herniation')
    """
    if name in TERMS:
        return TERMS[name].label
    if name.startswith(CAUSE_TERM):
        return cause_label(name.removeprefix(CAUSE_TERM))
    variable = _declared()[name][0]
    label = re.sub(r"^At (follow-up|the work-up): ", "", variable.label)
    for axis, place in variable.coordinates:
        label = re.sub(rf",? *{re.escape(LABELS.get(place, place))}\b", "", label) if axis != "root" else label
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def is_asked(name: str) -> bool:
    """Whether a name stands for something that one asks a person, rather than looks for."""
    return name in ASKED or (name in _declared() and _declared()[name][0].form in ASKED_FORMS)


# What conditions can name beside the dictionary


@dataclass(frozen=True)
class Term:
    """Something about a case that follows from several variables."""

    label: str
    reach: tuple[float, float]
    values: Callable[[Situation], Floats]


def _operated(situation: Situation) -> Floats:
    """(n, n_levels, n_sides): 1 operated on, 0 not, NaN where it is not recorded what was operated on."""
    operated = situation.followup.operated
    return np.where(operated.is_known[:, None, None], operated.site, np.nan)


def _operated_level(situation: Situation) -> Floats:
    return _most(situation.values("is_operated_here"), axis=2)


def _operated_or_next(situation: Situation) -> Floats:
    operated = situation.values("is_operated_level")
    return np.maximum(operated, _beside(operated))


def _fused(situation: Situation) -> Floats:
    operated = situation.followup.operated
    return np.where(operated.is_known[:, None], operated.fused, np.nan)[:, :, None]


def _fused_anywhere(situation: Situation) -> Floats:
    """A fusion shows in the levels, in the procedure, in its state on CT, or in the fault of its implant."""
    followup = situation.followup
    by_procedure = followup.is_word("performed_procedure", *FUSIONS)
    is_shown = (~np.isnan(followup.grid("followup_fusion", "level"))).any(axis=1)
    holds = followup.operated.fused.any(axis=1) | (by_procedure > 0) | is_shown
    holds |= (followup.grid("operated_fusion", "level") > 0).any(axis=1)
    holds |= followup.variable("followup_hardware_fault") > 0
    is_known = holds | followup.operated.is_known | ~np.isnan(by_procedure)
    return np.where(is_known, holds, np.nan)[:, None, None]


def _beside_fusion(situation: Situation) -> Floats:
    fused = situation.values("is_fused_here")
    return np.where(fused > 0, 0.0, _beside(fused))


def _beside(of_level: Floats) -> Floats:
    """(n, n_levels, 1): 1 where a level next to it is 1, 0 where none is; NaN where either is not known."""
    nothing = np.zeros((len(of_level), 1, 1))
    return np.maximum(
        np.concatenate([nothing, of_level[:, :-1]], axis=1), np.concatenate([of_level[:, 1:], nothing], axis=1)
    )


def _not_scar(situation: Situation) -> Floats:
    """0 where contrast goes right through, as in scar; 1 where it does not, and where nobody gave any."""
    return (~(situation.values("followup_enhancement") >= HOMOGENEOUS)).astype(np.float64)


def _painful_side(situation: Situation) -> Floats:
    findings = situation.followup.findings
    leg = findings.pain.reshape(findings.n_cases, len(leg_sums())) @ leg_sums()
    total = leg.sum(axis=1, keepdims=True)
    hurts = (leg >= PAINFUL_SHARE * total) & (leg > 0)
    return np.where(findings.has_drawing[:, None], hurts.astype(np.float64), np.nan)[:, None, :]


def _explained_here(situation: Situation) -> Floats:
    """(n, n_levels, n_sides): the most of the drawing that one lesion at that level and side explains."""
    shares = situation.sources.lesions.shares
    found = np.zeros((len(shares), len(LEVELS), len(SIDES)))
    for level in range(len(LEVELS)):
        for side in range(len(SIDES)):
            found[:, level, side] = shares[:, (level == SITE_LEVEL) & SITE_SIDES[:, side]].max(axis=1)
    return found


def _block_relief(situation: Situation) -> Floats:
    """(n, n_levels, n_sides): the best relief by a block of a root that the level can catch on that side."""
    relief = situation.followup.grid("followup_root_block_relief", "root", "side")
    return _most(np.where(_caught()[None], relief[:, None], np.nan), axis=2)[:, :, 0]


@cache
def _caught() -> Bools:
    """(n_levels, n_roots, n_sides): whether some lesion of the level reaches the root."""
    reach = root_reach()
    caught = np.zeros((len(LEVELS), len(ROOTS), len(SIDES)), dtype=bool)
    for place in range(len(SITES)):
        caught[SITE_LEVEL[place]] |= reach[place] >= CAUGHT
    return caught


def _slip_growth(situation: Situation) -> Floats:
    followup = situation.followup
    return (followup.grid("followup_slip", "level") - followup.grid("slip", "level"))[:, :, None]


def _sacroiliac_tests(situation: Situation) -> Floats:
    tests = np.stack([situation.followup.grid(f"followup_sij_{test}", "side") for test in SACROILIAC_TESTS])
    return np.where(np.isnan(tests).all(axis=0), np.nan, (tests > 0).sum(axis=0))[:, None, :]


def _pregnant(situation: Situation) -> Floats:
    """As recorded; where it is not, 0 for a man and at an age at which nobody is."""
    followup = situation.followup
    stated, age = followup.variable("is_pregnant"), followup.variable("age_years")
    cannot = (followup.is_word("sex", "male") > 0) | (age < CHILDBEARING_AGES[0]) | (age > CHILDBEARING_AGES[1])
    return np.where(np.isnan(stated) & cannot, 0.0, stated)[:, None, None]


def _earlier_fusion(situation: Situation) -> Floats:
    """As recorded; where it is not, 0 for somebody who was never operated on before."""
    followup = situation.followup
    stated, is_first = followup.variable("has_earlier_fusion"), followup.variable("earlier_lumbar_operations") == 0
    return np.where(np.isnan(stated) & is_first, 0.0, stated)[:, None, None]


def _site_seen(situation: Situation) -> Floats:
    seen = situation.followup.grid("followup_operated_site", "level", "side")
    return _most(_most(seen, axis=1), axis=2)


def _most(values: Floats, axis: int) -> Floats:
    """The most of what is recorded along an axis, which is kept; NaN where nothing is."""
    is_none = np.isnan(values).all(axis=axis, keepdims=True)
    return np.where(is_none, np.nan, np.where(np.isnan(values), -np.inf, values).max(axis=axis, keepdims=True))


def _negation(name: str) -> Callable[[Situation], Floats]:
    return lambda situation: 1 - situation.values(name)


TERMS: Mapping[str, Term] = {
    "months_since_operation": Term(
        "months since the operation", (0, 720), lambda s: s.followup.months_since[:, None, None]
    ),
    "is_operated_here": Term("operated on at this level and side", YES_NO, _operated),
    "not_operated_here": Term("not operated on at this level and side", YES_NO, _negation("is_operated_here")),
    "is_operated_level": Term("operated on at this level", YES_NO, _operated_level),
    "is_operated_or_next": Term("operated on at this level, or at the next", YES_NO, _operated_or_next),
    "operated_site_is_seen": Term("site of the operation seen on film or CT", YES_NO, _site_seen),
    "is_fused_here": Term("this level fused", YES_NO, _fused),
    "not_fused_here": Term("this level not fused", YES_NO, _negation("is_fused_here")),
    "is_fused_anywhere": Term("a level fused", YES_NO, _fused_anywhere),
    "is_beside_fusion": Term("next to a fused level", YES_NO, _beside_fusion),
    "not_scar_here": Term("no tissue here that is known to take up contrast throughout", YES_NO, _not_scar),
    "is_painful_side": Term("leg pain drawn on this side", YES_NO, _painful_side),
    "pain_explained_here": Term("share of the drawing that a lesion here explains", YES_NO, _explained_here),
    "block_relief_here": Term("relief by a root block here, %", (0, 100), _block_relief),
    "slip_growth": Term("slip grown since the operation, grades", (-4, 4), _slip_growth),
    "sacroiliac_tests": Term("sacroiliac provocation tests positive", (0, 6), _sacroiliac_tests),
    "is_or_may_be_pregnant": Term("pregnant", YES_NO, _pregnant),
    "was_fused_before": Term("an earlier lumbar fusion", YES_NO, _earlier_fusion),
}
"""What conditions can name beside the variables of the dictionary."""
ASKED = ("is_or_may_be_pregnant", "was_fused_before")
ASKED_FORMS = ("patient", "follow-up work-up")
"""What one asks a person: some of the terms, and forms of the record."""
