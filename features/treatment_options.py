"""What may be done about each likely generator of pain, for n cases at once, and what the record forbids.

An option is a treatment for a cause, or for everybody. It *stands* in one of six ways (`Standing`), and the
stronger reason wins: a red flag stops everything; what the record forbids is withheld; what was tried without
enough relief is not tried again; what waits for something to be shown waits; the rest is offered. What is not
recorded forbids nothing and shows nothing: an operation waits until its lesion is confirmed, and a question
that nobody asked is named, so that somebody asks it before the treatment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.axes import CAUSES
from features.causes import LIKELIHOODS, CauseEvidence, flag_names_at_followup
from features.conditions import Clauses, Situation, Verdict
from features.followup import FollowUp
from features.treatment_tables import CORRECTS, EVERYBODY, Treatment, TreatmentFacts, treatment_facts

Bools = NDArray[np.bool_]

LEAST_LIKELY = LIKELIHOODS.index("possible")
"""A generator is planned for from this likelihood on."""
NONE_FOUND = "none_found"


class Standing(IntEnum):
    """How an option stands for a case."""

    NOT_MEANT = 0
    """The generator is not likely enough, or what the treatment is meant for is not recorded."""
    OFFERED = 1
    WAITS = 2
    """For what must be shown first."""
    TRIED = 3
    """Without enough relief, or done already."""
    WITHHELD = 4
    """The record forbids it."""
    STOPPED = 5
    """A red flag comes first."""


class Option(NamedTuple):
    """A treatment for one cause, or for everybody."""

    cause: str
    treatment: Treatment


@cache
def all_options() -> tuple[Option, ...]:
    """Every option there is: for everybody, then cause by cause, the least invasive first."""
    facts = treatment_facts()
    generators = {EVERYBODY: EVERYBODY, **{cause: facts.generator_of[cause] for cause in CAUSES}}
    return tuple(Option(cause, one) for cause, generator in generators.items() for one in facts.of_generator(generator))


@dataclass(frozen=True)
class TreatmentOptions:
    """How every option stands for n cases, and why."""

    options: tuple[Option, ...]
    standing: NDArray[np.int8]
    """(n, n_options): a `Standing` each."""
    red_flags: tuple[str, ...]
    """(n,): the raised red flags of each case in one text, empty where none is."""
    is_meant: Bools
    """(n, n_causes): a plan is made for the cause."""
    holds: Bools
    """(n, n_contraindications): the row of `contraindications.csv` holds."""
    is_open: Bools
    """(n, n_contraindications): it would hold, if something came out so that is not recorded."""
    confirmed: Mapping[str, Verdict]
    """Each confirmation, by level and side."""
    ranking: NDArray[np.intp]
    """(n, n_causes): places in CAUSES from the likeliest on."""
    situation: Situation
    followup: FollowUp


def treatment_options(evidence: CauseEvidence, followup: FollowUp) -> TreatmentOptions:
    """How every option stands for n cases, from the evidence for their causes: see `TreatmentOptions`."""
    facts, options = treatment_facts(), all_options()
    situation = Situation(followup, evidence)
    confirmed = {name: _confirmed(one.ways, situation) for name, one in facts.confirmations.items()}
    situation.add(CORRECTS, _is_correctable(facts, confirmed))
    verdicts = [situation.verdict(row.conditions).anywhere() for row in facts.contraindications]
    holds = np.stack([verdict.holds for verdict in verdicts], axis=1)
    may_hold = np.stack([verdict.may_hold for verdict in verdicts], axis=1)
    is_meant = meant_causes(situation.likelihoods)
    red_flags = tuple(flag_names_at_followup(followup))
    standing = np.stack([_standing(option, facts, situation, confirmed, holds, is_meant) for option in options], axis=1)
    is_stopped = np.array(red_flags, dtype=bool)[:, None] & (standing != Standing.NOT_MEANT)
    return TreatmentOptions(
        options=options,
        standing=np.where(is_stopped, Standing.STOPPED, standing).astype(np.int8),
        red_flags=red_flags,
        is_meant=is_meant,
        holds=holds,
        is_open=may_hold & ~holds,
        confirmed=confirmed,
        ranking=evidence.ranking,
        situation=situation,
        followup=followup,
    )


def meant_causes(likelihoods: NDArray[np.intp]) -> Bools:
    """(n, n_causes): causes that a plan is made for: those likely or possible.

    That none was found is planned for only where no other is.
    """
    none_found = CAUSES.index(NONE_FOUND)
    is_meant = likelihoods >= LEAST_LIKELY
    is_meant[:, none_found] = ~np.delete(is_meant, none_found, axis=1).any(axis=1)
    return is_meant


def _confirmed(ways: tuple[Clauses, ...], situation: Situation) -> Verdict:
    """Where any of the ways holds."""
    verdicts = [situation.verdict(clauses) for clauses in ways]
    return Verdict(
        np.any([verdict.holds for verdict in verdicts], axis=0),
        np.any([verdict.may_hold for verdict in verdicts], axis=0),
    )


def _is_correctable(facts: TreatmentFacts, confirmed: Mapping[str, Verdict]) -> Bools:
    """(n,): a lesion is confirmed that an operation would correct, whatever cause leads."""
    needs = {treatment.needs for treatment in facts.treatments if treatment.corrects}
    return np.any([confirmed[name].anywhere().holds for name in needs], axis=0)


def _standing(
    option: Option,
    facts: TreatmentFacts,
    situation: Situation,
    confirmed: Mapping[str, Verdict],
    holds: Bools,
    is_meant: Bools,
) -> NDArray[np.int8]:
    """(n,): how one option stands, red flags aside."""
    treatment = option.treatment
    n = situation.n_cases
    for_cause = np.ones(n, dtype=bool) if option.cause == EVERYBODY else is_meant[:, CAUSES.index(option.cause)]
    is_wanted = for_cause & situation.verdict(treatment.indication).anywhere().holds
    forbidding = forbidding_rows(treatment.name, treatment.tags)
    is_tried = situation.verdict(treatment.tried).anywhere().holds if treatment.tried else np.zeros(n, dtype=bool)
    is_shown = confirmed[treatment.needs].anywhere().holds if treatment.needs else np.ones(n, dtype=bool)
    return np.select(
        [~is_wanted, holds[:, forbidding].any(axis=1), is_tried, ~is_shown],
        [Standing.NOT_MEANT, Standing.WITHHELD, Standing.TRIED, Standing.WAITS],
        Standing.OFFERED,
    ).astype(np.int8)


@cache
def forbidding_rows(treatment: str, tags: tuple[str, ...], effect: str = "withhold") -> NDArray[np.intp]:
    """The rows of `contraindications.csv` with that effect that concern a treatment; none concerns a rule."""
    rows = [] if "rule" in tags else treatment_facts().contraindications
    names = {treatment, *tags}
    return np.array(
        [place for place, row in enumerate(rows) if row.effect == effect and names & set(row.applies_to)], dtype=np.intp
    )
