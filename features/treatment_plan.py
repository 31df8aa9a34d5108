"""The plan after a failed operation, for one case: step by step, the least invasive that works first.

A red flag stops everything: stop and refer. Else, for everybody and then for each generator that is likely or
possible: what must be shown before anything invasive, what is offered now, what waits for that, and what is
withheld or was tried, with the reason. An operation that corrects a lesion is offered where that lesion is
confirmed, at a level and a side, and nowhere else. Everything is read from `TreatmentOptions`; nothing is decided
here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.axes import CAUSES, LABELS, LEVELS, SIDES
from features.cause_tables import investigations
from features.causes import LIKELIHOODS, CauseEvidence, cause_label
from features.conditions import is_asked, label_of, names_in
from features.followup import FollowUp
from features.next_investigation import red_flags_not_asked, withholding_rows
from features.red_flags import Advice, red_flag_advice
from features.treatment_options import Standing, TreatmentOptions, forbidding_rows, treatment_options
from features.treatment_tables import EVERYBODY, TIERS, Confirmation, Goal, Treatment, treatment_facts

Bools = NDArray[np.bool_]

AT_ONCE, LAST = min(TIERS), max(TIERS)
STOP_AND_REFER = "Stop here and refer. No other treatment before this is settled."


@dataclass(frozen=True)
class Step:
    """One treatment that is offered."""

    treatment: str
    label: str
    tier: int
    goals: tuple[str, ...]
    """What is to be reached, in words with numbers."""
    review_weeks: int | None
    stop: str
    evidence: str
    effect: str
    cautions: tuple[str, ...]
    ask_first: tuple[str, ...]
    """What nobody asked, and would forbid it."""
    source: str
    status: str


@dataclass(frozen=True)
class NotNow:
    """One treatment that waits, was tried, or is withheld."""

    treatment: str
    label: str
    tier: int
    because: tuple[str, ...]


@dataclass(frozen=True)
class Confirming:
    """What must be shown before some of the treatments."""

    confirmation: str
    label: str
    is_shown: bool
    where: tuple[str, ...]
    """The levels and sides at which it is."""
    investigation: str
    """What would show it; empty for nothing, as where it was looked for and is not so."""
    withheld: tuple[str, ...]
    """Why that investigation is not to be done, where the record forbids it."""
    opens: tuple[str, ...]
    """The treatments that wait for it, by label."""
    source: str
    status: str


@dataclass(frozen=True)
class GeneratorPlan:
    """What to do about one cause, or for everybody."""

    cause: str
    """`any` for everybody."""
    label: str
    likelihood: str
    confirming: tuple[Confirming, ...]
    rules: tuple[Step, ...]
    """Advice that always shows, such as no reoperation for scar alone."""
    steps: tuple[Step, ...]
    waiting: tuple[NotNow, ...]
    tried: tuple[NotNow, ...]
    withheld: tuple[NotNow, ...]
    as_above: tuple[str, ...]
    """Offered already for an earlier cause: treatments by label."""

    @property
    def is_urgent(self) -> bool:
        """Something is to be done at once."""
        return any(step.tier == AT_ONCE for step in self.steps)


@dataclass(frozen=True)
class TreatmentPlan:
    """The plan of one case."""

    red_flags: tuple[Advice, ...]
    first: str
    """With a red flag: stop and refer. Else empty."""
    not_asked: tuple[str, ...]
    """Red flags that nobody asked about."""
    for_everybody: GeneratorPlan | None
    generators: tuple[GeneratorPlan, ...]
    """Likely and possible causes, the likeliest first."""
    at_last: tuple[Step, ...]
    """For everybody, when all of that has not helped enough."""
    ask_first: tuple[str, ...]
    """What nobody asked, and would forbid some of the treatments offered; red flags aside."""
    goals: tuple[str, ...]
    """All goals of the treatments offered, each once."""
    notes: tuple[str, ...]

    @property
    def parts(self) -> tuple[GeneratorPlan, ...]:
        """What is urgent, what is for everybody, then the other causes: as a person reads them."""
        everybody = () if self.for_everybody is None else (self.for_everybody,)
        urgent = tuple(part for part in self.generators if part.is_urgent)
        return (*urgent, *everybody, *(part for part in self.generators if not part.is_urgent))

    def as_plain(self) -> dict[str, Any]:
        """The same in the types of JSON."""
        flags = [flag._asdict() for flag in self.red_flags]
        plain: dict[str, Any] = _plain(asdict(self)) | {"red_flags": flags}
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def treatment_plan(evidence: CauseEvidence, followup: FollowUp, place: int = 0) -> TreatmentPlan:
    """The plan of the case at a place: see `TreatmentPlan`. For many, make their options once and use `plan_of`."""
    return plan_of(treatment_options(evidence, followup), place)


def plan_of(options: TreatmentOptions, place: int = 0) -> TreatmentPlan:
    """The plan of the case at a place, read from the options of n cases."""
    flags = red_flag_advice(options.red_flags[place])
    not_asked = red_flags_not_asked(options.followup, place)
    if flags:
        return TreatmentPlan(tuple(flags), STOP_AND_REFER, not_asked, None, (), (), (), (), ())
    told: set[str] = set()
    everybody = _generator_plan(options, place, EVERYBODY, told)
    generators = [_generator_plan(options, place, cause, told) for cause in planned_causes(options, place)]
    steps = [step for part in (everybody, *generators) for step in part.steps]
    asked = [question for step in steps for question in step.ask_first]
    return TreatmentPlan(
        red_flags=(),
        first="",
        not_asked=not_asked,
        for_everybody=replace(everybody, steps=tuple(step for step in everybody.steps if step.tier < LAST)),
        generators=tuple(generators),
        at_last=tuple(step for step in everybody.steps if step.tier == LAST),
        ask_first=tuple(question for question in dict.fromkeys(asked) if question not in not_asked),
        goals=tuple(dict.fromkeys(goal for step in steps for goal in step.goals)),
        notes=(measurement_note(),),
    )


def planned_causes(options: TreatmentOptions, place: int) -> list[str]:
    """The causes that a plan is made for: what is urgent first, then the likeliest."""
    meant = [CAUSES[at] for at in options.ranking[place] if options.is_meant[place, at]]
    return sorted(meant, key=lambda cause: not is_urgent(cause))


def is_urgent(cause: str) -> bool:
    """Whether something is to be done about a cause at once."""
    facts = treatment_facts()
    return facts.of_generator(facts.generator_of[cause])[0].tier == AT_ONCE


def _generator_plan(options: TreatmentOptions, place: int, cause: str, told: set[str]) -> GeneratorPlan:
    """The plan for one cause; what an earlier one offers already is named and not told again."""
    at = [where for where, option in enumerate(options.options) if option.cause == cause]
    standings = [(options.options[where].treatment, Standing(options.standing[place, where])) for where in at]
    meant = [(treatment, standing) for treatment, standing in standings if standing != Standing.NOT_MEANT]
    offered = [treatment for treatment, standing in meant if standing == Standing.OFFERED]
    new = [treatment for treatment in offered if treatment.name not in told]
    as_above = tuple(treatment.label for treatment in offered if treatment.name in told)
    told.update(treatment.name for treatment in new)
    return GeneratorPlan(
        cause=cause,
        label="whatever the cause" if cause == EVERYBODY else cause_label(cause),
        likelihood="" if cause == EVERYBODY else LIKELIHOODS[options.situation.likelihoods[place, CAUSES.index(cause)]],
        confirming=_confirming(options, place, [treatment for treatment, _ in meant]),
        rules=tuple(_step(options, place, treatment) for treatment in new if treatment.is_rule),
        steps=tuple(_step(options, place, treatment) for treatment in new if not treatment.is_rule),
        waiting=_not_now(options, place, meant, Standing.WAITS),
        tried=_not_now(options, place, meant, Standing.TRIED),
        withheld=_not_now(options, place, meant, Standing.WITHHELD),
        as_above=as_above,
    )


def _step(options: TreatmentOptions, place: int, treatment: Treatment) -> Step:
    facts = treatment_facts()
    cautions = forbidding_rows(treatment.name, treatment.tags, "caution")
    forbidding = forbidding_rows(treatment.name, treatment.tags)
    weeks, goals = treatment.review_weeks, (facts.goals[goal] for goal in treatment.goals)
    return Step(
        treatment=treatment.name,
        label=treatment.label,
        tier=treatment.tier,
        goals=tuple(words for goal in goals if (words := goal_in_words(goal, options.followup, place))),
        review_weeks=None if math.isnan(weeks) else int(weeks),
        stop=treatment.stop,
        evidence=treatment.evidence,
        effect=treatment.effect,
        cautions=_reasons(cautions[options.holds[place, cautions]]),
        ask_first=_to_ask(options, place, forbidding[options.is_open[place, forbidding]]),
        source=treatment.source,
        status=treatment.status,
    )


def _reasons(rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(treatment_facts().contraindications[row].reason for row in rows))


def _to_ask(options: TreatmentOptions, place: int, rows: Iterable[int]) -> tuple[str, ...]:
    """What was not recorded and would make rows of contraindications hold, by label."""
    names = (name for row in rows for name in names_in(treatment_facts().contraindications[row].conditions))
    unknown = [name for name in dict.fromkeys(names) if np.isnan(options.situation.values(name)[place]).any()]
    return tuple(dict.fromkeys(label_of(name) for name in unknown if is_asked(name)))


def _not_now(
    options: TreatmentOptions, place: int, meant: Sequence[tuple[Treatment, Standing]], standing: Standing
) -> tuple[NotNow, ...]:
    return tuple(
        NotNow(treatment.name, treatment.label, treatment.tier, _because(options, place, treatment, standing))
        for treatment, found in meant
        if found == standing
    )


def _because(options: TreatmentOptions, place: int, treatment: Treatment, standing: Standing) -> tuple[str, ...]:
    if standing == Standing.WAITS:
        return (f"not before it is shown: {_lowered(treatment_facts().confirmations[treatment.needs].label)}",)
    if standing == Standing.TRIED:
        return tuple(f"done already: {_lowered(label_of(name))}" for name in names_in(treatment.tried))
    rows = forbidding_rows(treatment.name, treatment.tags)
    return _reasons(rows[options.holds[place, rows]])


def _confirming(options: TreatmentOptions, place: int, treatments: Sequence[Treatment]) -> tuple[Confirming, ...]:
    """What some of the treatments wait for, each once, in the order in which they come."""
    names = dict.fromkeys(treatment.needs for treatment in treatments if treatment.needs)
    return tuple(
        _shown(options, place, treatment_facts().confirmations[name], [t.label for t in treatments if t.needs == name])
        for name in names
    )


def _shown(options: TreatmentOptions, place: int, confirmation: Confirmation, opens: list[str]) -> Confirming:
    verdict = options.confirmed[confirmation.name]
    labels = {one.name: one.label for one in investigations()}
    able = confirmation.investigations if verdict.may_hold[place].any() else ()
    rows = [row for name in able for row in withholding_rows(name) if options.holds[place, row]]
    return Confirming(
        confirmation=confirmation.name,
        label=confirmation.label,
        is_shown=bool(verdict.holds[place].any()),
        where=places_in_words(verdict.holds[place]),
        investigation="; ".join(labels[name] for name in able),
        withheld=_reasons(rows),
        opens=tuple(opens),
        source=confirmation.source,
        status=confirmation.status,
    )


def places_in_words(holds: Bools) -> tuple[str, ...]:
    """The levels and sides at which something holds: (n_levels, n_sides) bool; none where it holds everywhere.

    >>> places_in_words(np.array([[0, 0], [0, 0], [0, 0], [1, 0], [1, 1]], dtype=bool))
    ('L4-L5 left', 'L5-S1')
    >>> places_in_words(np.array([[0, 1]] * 5, dtype=bool))
    ('right',)
    """
    if holds.all():
        return ()
    if (holds == holds[0]).all():
        return tuple(LABELS[side] for side, is_there in zip(SIDES, holds[0], strict=True) if is_there)
    return tuple(
        LABELS[level] if sides.all() else f"{LABELS[level]} {LABELS[SIDES[int(sides.argmax())]]}"
        for level, sides in zip(LEVELS, holds, strict=True)
        if sides.any()
    )


def goal_in_words(goal: Goal, followup: FollowUp, place: int) -> str:
    """What is to be reached: from the score now to the one that counts; where it is unknown, the fall itself.

    Of a fall in points and one in percent the larger is asked for. Empty where the score is too low to fall so far.
    """
    now = float(followup.variable(goal.variable)[place])
    if math.isnan(now):
        falls = [(goal.points, "points"), (goal.percent, "%")]
        return f"{goal.label}: a fall of {' and '.join(f'{fall:g} {of}' for fall, of in falls if fall == fall)} or more"
    fall = np.fmax(goal.points, now * goal.percent / 100)
    return f"{goal.label}: from {now:g} to {math.floor(now - fall):g} or less" if fall < now else ""


def measurement_note() -> str:
    """How small a change in one person may be an error of measurement, in words."""
    goals: dict[str, Goal] = {}
    for goal in treatment_facts().goals.values():
        goals.setdefault(goal.variable, goal)
    limits = ", ".join(f"{goal.detectable:g} in {goal.label}" for goal in goals.values())
    return f"In one person a smaller change than these may be an error of measurement: {limits}."


def _lowered(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


# On paper


def plan_lines(plan: TreatmentPlan) -> list[str]:
    """The plan as lines of text for one page: what a person does, in order. An indented line belongs to the one above.

    What is withheld for two causes for the same reason is told once.
    """
    if plan.red_flags:
        flags = [f"RED FLAG ({flag.urgency}): {flag.label}. {flag.action}." for flag in plan.red_flags]
        return [*flags, plan.first]
    lines = [f"Ask about red flags first, since nobody has: {'; '.join(plan.not_asked)}."] if plan.not_asked else []
    lines += [f"Ask before any of these: {'; '.join(plan.ask_first)}."] if plan.ask_first else []
    lines += [f"Goals, by the change that counts: {'; '.join(plan.goals)}."] if plan.goals else []
    for part in plan.parts:
        lines += [line for line in _lines_of(part) if line not in lines]
    lines += ["At last"] if plan.at_last else []
    return [*lines, *(f"  {_step_in_words(step)}" for step in plan.at_last), *plan.notes]


def _lines_of(part: GeneratorPlan) -> list[str]:
    lines = [part.label[:1].upper() + part.label[1:] + (f" ({part.likelihood})" if part.likelihood else "")]
    lines += [f"  Rule: {rule.label}." for rule in part.rules]
    lines += [f"  Shown{_at(one.where)}: {_lowered(one.label)}." for one in part.confirming if one.is_shown]
    lines += [f"  {number}. {_step_in_words(step)}" for number, step in enumerate(part.steps, start=1)]
    lines += [f"  As above: {'; '.join(part.as_above)}."] if part.as_above else []
    waiting = {one.label for one in part.waiting}
    for one in part.confirming:
        opened = [label for label in one.opens if label in waiting]
        if opened:
            how = f"; {one.investigation}" if one.investigation else ""
            withheld = f", but {'; '.join(one.withheld)}" if one.withheld else ""
            lines.append(f"  Not before it is shown ({_lowered(one.label)}{how}{withheld}): {'; '.join(opened)}.")
    lines += [f"  {reason.capitalize()}." for reason in dict.fromkeys(r for one in part.tried for r in one.because)]
    return lines + [f"  Withheld: {one.label} ({'; '.join(one.because)})." for one in part.withheld]


def _at(where: tuple[str, ...]) -> str:
    return f" ({', '.join(where)})" if where else ""


def _step_in_words(step: Step) -> str:
    words = [f"{step.label}."]
    words += [f"Review after {step.review_weeks} weeks."] if step.review_weeks else []
    words += [f"Stop: {step.stop}."] if step.stop else []
    return " ".join([*words, *(f"Caution: {caution}." for caution in step.cautions)])
