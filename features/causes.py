"""Why did the operation fail? The evidence for each cause, additive in log-odds.

Each cause is judged on its own against all others: the log-odds of its share among failures of that kind of
operation, plus the log likelihood ratio of every finding that was sought. Of findings that hang together (a
cluster) only the one counts that says most for the cause, and the one that says most against it. So the points
add up exactly, and a further finding against a cause never makes it likelier. A finding that was not sought
adds nothing. A cause that cannot be, such as a non-union without a fusion, is not ranked.

This is knowledge and not a fitted model: published ratios where there are any, capped by the size of their
study, and ordered rules of three strengths where there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.axes import CAUSES, LABELS, LEVELS, MIMICS, SIDES
from features.builders import TEXT_FEATURES, BuilderParams, Sources, feature_arrays, sources_of_pain
from features.cause_findings import DIAGNOSTIC_BLOCK, PERSON, TESTS, Material, found
from features.cause_priors import operation_group, possible_causes, prior_log_odds
from features.cause_tables import (
    GROUPS,
    STRENGTHS,
    able_investigations,
    cause_findings,
    causes,
    evidence,
    finding_places,
)
from features.errors import ParamsError
from features.findings import Findings
from features.followup import FollowUp
from features.layout import Floats
from features.mimics import BACKGROUND, BLOCK, mimic_stack
from features.red_flags import MONTHS_SINCE, names_of_flags, raised_flags_after
from features.words import percent

Bools = NDArray[np.bool_]

DECIMALS = 9
"""Points are rounded here, so that their sums do not depend on the machine's logarithm."""
LIKELIHOODS = ("unlikely", "less likely", "possible", "likely")
"""The words for a cause, from the least to the most."""


@dataclass(frozen=True, kw_only=True)
class CauseParams:
    """Choices about causes that two honest teams could make differently; the tracked model ships its own.

    `likely`, `possible` and `less_likely` are the probabilities from which a cause is called so; `prior_weight`
    is how far the published shares among failures count against no preference at all; `rule_ratios` are the
    likelihood ratios that weak, moderate and strong rules stand for; `burden` is what an investigation costs a
    patient, in equivalent minutes, and `minutes_per_bit` how many of these one bit about the ranking is worth.
    """

    likely: float = 0.5
    possible: float = 0.2
    less_likely: float = 0.05
    prior_weight: float = 0.5
    rule_ratios: Mapping[str, float] = field(default_factory=lambda: {"weak": 1.5, "moderate": 3.0, "strong": 9.0})
    burden: Mapping[str, float] = field(default_factory=dict)
    minutes_per_bit: float = 600.0

    def __post_init__(self) -> None:
        problems = []
        words = (self.less_likely, self.possible, self.likely)
        if not 0 < words[0] < words[1] < words[2] < 1:
            problems.append("cause.less_likely, cause.possible and cause.likely must rise within (0, 1)")
        if not 0 <= self.prior_weight <= 1:
            problems.append(f"cause.prior_weight must lie in [0, 1], got {self.prior_weight}")
        if not self.minutes_per_bit > 0:
            problems.append(f"cause.minutes_per_bit must be above 0, got {self.minutes_per_bit}")
        ratios = [self.rule_ratios.get(name, np.nan) for name in STRENGTHS]
        if set(self.rule_ratios) != set(STRENGTHS):
            problems.append(f"cause.rule_ratios must name exactly {', '.join(STRENGTHS)}")
        elif not 1 < ratios[0] < ratios[1] < ratios[2] <= MOST_RATIO:
            problems.append(f"cause.rule_ratios must rise from weak to strong, above 1 and up to {MOST_RATIO:g}")
        problems += burden_problems(self.burden) if self.burden else []
        if problems:
            raise ParamsError("params.yaml: " + "; ".join(problems) + ".")


def burden_problems(burden: Mapping[str, float]) -> list[str]:
    """Investigations without a burden, burdens of what is no investigation, and those below 0."""
    names = [one.name for one in able_investigations()]
    return [
        *(f"cause.burden has none for {name}" for name in names if name not in burden),
        *(f"cause.burden.{name} is of no investigation" for name in burden if name not in names),
        *(f"cause.burden.{name} must be at least 0, got {value}" for name, value in burden.items() if not value >= 0),
    ]


MOST_RATIO = 20.0
"""No single finding moves the odds further, as no ratio of a large study does."""


@dataclass(frozen=True)
class CauseEvidence:
    """What speaks for and against each cause, for n cases."""

    states: Floats
    """(n, n_findings): 1 present, 0 absent, NaN not sought."""
    numbers: Floats
    """(n, n_findings): the number behind a finding; NaN where there is none."""
    where: Mapping[str, Bools]
    """By finding of the scan (n, n_levels, n_sides): where it is present."""
    prior: Floats
    """(n, n_causes): log-odds before any finding."""
    points: Floats
    """(n, n_causes, n_findings): log-odds that each finding adds; 0 where it was not sought, or another of its
    cluster counts."""
    log_odds: Floats
    """(n, n_causes): the prior plus the sum of the points."""
    is_possible: Bools
    """(n, n_causes): the cause can be one at all after that operation."""
    rank: NDArray[np.intp]
    """(n, n_causes): 1 for the likeliest; 0 for a cause that cannot be."""
    sources: Sources
    """The builders of the first question on the follow-up."""
    params: CauseParams
    """Those with which it was made."""

    @property
    def probability(self) -> Floats:
        """(n, n_causes): of each cause on its own; they need not add up to 1. For words, not to be printed."""
        return 1 / (1 + np.exp(-self.log_odds))

    @property
    def ranking(self) -> NDArray[np.intp]:
        """(n, n_causes): places in CAUSES from the likeliest on; those that cannot be stand last."""
        return _order(self.log_odds, self.is_possible)

    @property
    def first(self) -> NDArray[np.intp]:
        """(n,): the place in CAUSES of the likeliest cause."""
        return self.ranking[:, 0]

    @property
    def likelihood_places(self) -> NDArray[np.intp]:
        """(n, n_causes): the place of each cause's word in LIKELIHOODS, more for likelier; -1 where it cannot be."""
        limits = [self.params.less_likely, self.params.possible, self.params.likely]
        place = np.searchsorted(limits, self.probability, side="right")
        return np.where(self.is_possible, place, -1)

    @property
    def likelihood(self) -> NDArray[np.object_]:
        """(n, n_causes): each cause in words of likelihood; None where it cannot be."""
        return np.array([*LIKELIHOODS, None], dtype=object)[self.likelihood_places]


def cause_evidence(followup: FollowUp, params: CauseParams, builders: BuilderParams) -> CauseEvidence:
    """What speaks for and against each cause: see `CauseEvidence`."""
    material = material_of(followup, builders)
    findings = found(material)
    points = points_of(findings.states, params, material.mimic_ratios)
    prior = prior_log_odds(followup, params.prior_weight)
    log_odds = prior + points.sum(axis=-1)
    is_possible = possible_causes(followup)
    return CauseEvidence(
        states=findings.states,
        numbers=findings.numbers,
        where=findings.where,
        prior=prior,
        points=points,
        log_odds=log_odds,
        is_possible=is_possible,
        rank=_ranks(log_odds, is_possible),
        sources=material.again,
        params=params,
    )


def material_of(followup: FollowUp, builders: BuilderParams) -> Material:
    """Both builders on the follow-up and, with what was operated on as the plan, on the record before it."""
    n = followup.n_cases
    both = sources_of_pain(Findings.stacked(followup.findings, followup.before_as_operated), builders)
    return Material(
        followup=followup,
        again=_rows(both, slice(n)),
        before=_rows(both, slice(n, None)),
        mimic_flag_threshold=builders.mimic_flag_threshold,
    )


def _rows(of_cases: Any, rows: slice) -> Any:
    """Some of the cases of arrays, and of whatever holds arrays of cases."""
    if isinstance(of_cases, np.ndarray):
        return of_cases[rows]
    if isinstance(of_cases, Findings):
        return of_cases.rows(rows)
    kind: Any = type(of_cases)
    if is_dataclass(of_cases):
        return kind(**{part.name: _rows(getattr(of_cases, part.name), rows) for part in fields(of_cases)})
    return kind(*(_rows(part, rows) for part in of_cases))


# Points


def points_of(states: Floats, params: CauseParams, mimic_ratios: Floats | None = None) -> Floats:
    """The log-odds that each finding adds to each cause: (n, n_causes, n_findings).

    Parameters
    ----------
    states : (n, n_findings)
        1 present, 0 absent, NaN not sought; also invented ones, to ask what a result would say.
    params : CauseParams
    mimic_ratios : (n, n_mimics, 3), optional
        What the first question's builder says of the tests, the block and the person (`mimic_log_ratios`).
        Without it these findings weigh what their first cluster does when it is decided.
    """
    facts = evidence()
    of_pair = states[:, facts.finding]
    absent, present = pair_log_ratios(params).T
    points = np.where(of_pair == 1, present, np.where(of_pair == 0, absent, 0.0))
    if mimic_ratios is not None:
        for pair, (mimic, part) in _mimic_pairs():
            points[:, pair] = np.where(np.isnan(of_pair[:, pair]), 0.0, mimic_ratios[:, mimic, part])
    kept = np.where(_is_strongest(points) | _is_strongest(-points), points.round(DECIMALS), 0.0)
    spread = np.zeros((len(states), len(CAUSES), states.shape[1]))
    spread[:, facts.cause, facts.finding] = kept
    return spread


def pair_log_ratios(params: CauseParams) -> Floats:
    """(n_pairs, 2): log likelihood ratio of each pair of `evidence()` where its finding is absent, and present."""
    facts = evidence()
    of_level = np.log([1.0, *(params.rule_ratios[name] for name in STRENGTHS)])
    by_rule = np.sign(facts.level) * of_level[np.abs(facts.level)]
    return np.where(facts.mimic[:, None], _mimic_usual(), facts.log_ratio + by_rule)


def _is_strongest(points: Floats) -> Bools:
    """Points above 0 that are the most of their cluster, the first of equals: (n, n_pairs)."""
    starts = evidence().cluster_starts
    sizes = np.diff(starts, append=points.shape[1])
    most = np.repeat(np.maximum.reduceat(points, starts, axis=1), sizes, axis=1)
    is_most = (points == most) & (points > 0)
    seen = np.cumsum(is_most, axis=1)
    earlier = np.repeat(seen[:, starts] - is_most[:, starts], sizes, axis=1)
    return is_most & (seen - earlier == 1)


@cache
def _mimic_pairs() -> tuple[tuple[int, tuple[int, int]], ...]:
    """The pairs that the builder of mimics weighs: (pair, (mimic, part of `mimic_log_ratios`))."""
    facts, findings = evidence(), cause_findings()
    parts = {"tests": TESTS, "block": DIAGNOSTIC_BLOCK, "age": PERSON}
    pairs = []
    for pair in np.flatnonzero(facts.mimic):
        mimic, part = findings[facts.finding[pair]].name.rsplit("_", 1)
        pairs.append((int(pair), (MIMICS.index(mimic), parts[part])))
    return tuple(pairs)


@cache
def _mimic_usual() -> Floats:
    """(n_pairs, 2): for the pairs of the mimics, the ratios of the first cluster of each role, decided."""
    stack, usual = mimic_stack(), np.zeros((len(evidence().cause), 2))
    roles = (0, BLOCK, BACKGROUND)
    for pair, (mimic, part) in _mimic_pairs():
        place = (mimic, roles[part], 0)
        usual[pair] = np.log([stack.lr_negative[place], stack.lr_positive[place]])
    return usual


def _order(log_odds: Floats, is_possible: Bools) -> NDArray[np.intp]:
    """Places in CAUSES from the likeliest on, in the order of CAUSES between equals; last those that cannot be."""
    return np.argsort(np.where(is_possible, -log_odds, np.inf), axis=1, kind="stable")


def _ranks(log_odds: Floats, is_possible: Bools) -> NDArray[np.intp]:
    """1 for the likeliest; 0 for those that cannot be."""
    order = _order(log_odds, is_possible)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(1, len(CAUSES) + 1)[None], axis=1)
    return np.where(is_possible, rank, 0)


# Red flags, words, and candidates for a learner


def red_flags_at_followup(followup: FollowUp) -> dict[str, Bools]:
    """Each red flag, and whether it is raised at the follow-up: (n_cases,) bool."""
    return raised_flags_after(followup.findings, followup)


def flag_names_at_followup(followup: FollowUp) -> list[str]:
    """The red flags of each case at the follow-up in one text, empty where none is raised."""
    return names_of_flags(red_flags_at_followup(followup))


def cause_label(cause: str) -> str:
    """What a person reads for a cause."""
    return next(one.label for one in causes() if one.name == cause)


def finding_words(judged: CauseEvidence, case: int, finding: str) -> str:
    """A finding of one case in a person's words; where it was not sought, what there is to ask or to look at."""
    place = finding_places()[finding]
    fact, state = cause_findings()[place], judged.states[case, place]
    if np.isnan(state):
        return fact.sought
    number = judged.numbers[case, place]
    words = (fact.label if state else fact.negative).format(value=number, percent=percent(number))
    at = judged.where.get(finding)
    return words + (f" ({_place_words(at[case])})" if state and at is not None else "")


def _place_words(at: Bools) -> str:
    """Levels and sides, as L4-L5 left; without the side where it is both."""
    words = []
    for level, sides in zip(LEVELS, at, strict=True):
        if sides.all():
            words.append(LABELS[level])
        elif sides.any():
            words.append(f"{LABELS[level]} {SIDES[int(sides.argmax())]}")
    return ", ".join(words)


COURSE = (
    "initial_relief_percent",
    "pain_free_interval_months",
    "followup_nrs_leg",
    "followup_nrs_back",
    "followup_odi",
    "followup_neuropathic_quality_dn4",
    "followup_walking_distance_m",
    "followup_crp_mg_l",
    "followup_esr_mm_h",
    "age_years",
)
"""Numbers of the follow-up that a learner may use as they are."""


def cause_features(cases: pd.DataFrame, builders: BuilderParams) -> pd.DataFrame:
    """What a trained learner may use: the states of all findings, the numbers behind them, the builders again.

    Returns
    -------
    DataFrame
        float64, the index of the cases: `finding_<name>` 1, 0 or NaN; `months_since_operation`; the numbers of
        the course; `again_<feature>` by the builders of the first question on the follow-up; `after_<kind>` 1
        or 0 by kind of operation.
    """
    followup = FollowUp(cases)
    material = material_of(followup, builders)
    states = found(material).states
    group = operation_group(followup)
    columns = {f"finding_{fact.name}": states[:, place] for place, fact in enumerate(cause_findings())}
    columns[MONTHS_SINCE] = followup.months_since
    columns |= {name: followup.variable(name) for name in COURSE}
    columns |= {f"after_{name}": (group == place).astype(np.float64) for place, name in enumerate(GROUPS)}
    again = feature_arrays(material.again, builders)
    columns |= {f"again_{name}": values for name, values in again.items() if name not in TEXT_FEATURES}
    return pd.DataFrame(columns, index=cases.index)
