"""Could something that is not the spine explain it better? The second clinical feature builder.

For each mimic and side: pre-test odds times the likelihood ratio of one cluster of tests, times that of at
most one further test that no cluster owns, times that of what is known of the person, times that of a
diagnostic block. Each item counts once. A test not done is never negative: a cluster partly done is positive,
negative, or undecided, and the bounds say what the tests not done could make of the probability.

Of overlapping clusters the first in the table that is decided counts: what the tests not done cannot change is
as good as complete. Since no earlier cluster has the smaller positive ratio, a further positive test never
lowers a probability. A further negative one can raise it in one way only: by deciding a cluster whose negative
ratio is weaker than that of the later one which counted, or would have (hip: Sutlive's five after Altman's two
movements, the test for groin pain after that of adduction). A rotation of the hip above 15 and up to 25 degrees
is positive for Sutlive's five and negative for Altman's two movements, and may do either.

A mimic for which no usable ratio was published is flagged by rule, as is relief by a diagnostic block.
Everything is evaluated at once: the conditions of all tests and rules are gathered from the record, and
one matrix product counts in each cluster and rule how many are recorded and how many hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.anatomy import territory
from features.axes import FLAGGED_MIMICS, MIMICS, REGIONS, SIDES
from features.findings import Findings, Floats, places
from features.mimic_tables import ROLES, Cluster, Condition, MimicFacts, Rule, mimic_facts

Bools = NDArray[np.bool_]
Counts = NDArray[np.float32]

DECIMALS = 9
"""Results are rounded here, so that ties fall alike whatever the order in which sums were taken."""
SIDE_FLOOR = 0.1
"""Part of the pre-test probability that a side keeps on which no pain is drawn (assumption)."""
EVEN = 0.5
"""Part of the pre-test probability that each side has where the drawing is missing, or is not to count."""
BACKGROUND, BLOCK = ROLES.index("background"), ROLES.index("block")
RULED = MIMICS + FLAGGED_MIMICS
"""Mimics with rules: a block for the first, a flag for the others."""


@dataclass(frozen=True)
class MimicEvidence:
    """What speaks for each mimic on each side: arrays over (n, n_mimics, n_sides) unless it says otherwise."""

    probability: Floats
    """Post-test probability in (0, 1), with what was not done left out."""
    lower: Floats
    """The least that the probability could become if every undone test of that mimic and side were done.

    A block that was not done is left out of both bounds: it is invasive, and nobody does it for completeness.
    """
    upper: Floats
    """The most that it could become."""
    tests_done: Floats
    """How many of its tests are recorded, a block among them."""
    tested_odds: Floats
    """Odds without the drawing: the pre-test probability shared evenly between the sides, the same ratios."""
    shares: Floats
    """Share of the reported pain it would explain, weighted by its probability; NaN without pain drawn."""
    territory_shares: Floats
    """Share of the reported pain in its territory on that side; NaN without pain drawn."""
    flags: Floats
    """(n, n_flagged, n_sides): 1 a rule holds, 0 one was examined and none holds, NaN none was examined."""
    flagged_shares: Floats
    """(n, n_flagged, n_sides): share of the reported pain in the territory; NaN without pain drawn."""
    block_flags: Floats
    """Relief by a diagnostic block of that mimic: 1, 0, NaN not done. Its ratio is in the probability too."""
    examined: Examined


class Examined(NamedTuple):
    """What was recorded of each mimic, cluster by cluster, for the choice of the next test and for words."""

    done: Counts
    """(n, n_sides, n_conditions): 1 recorded, 0 not."""
    recorded: Counts
    """(n, n_sides, n_mimics, n_roles, n_alternatives): how many tests of a cluster are recorded."""
    holding: Counts
    """The same: how many are positive."""
    is_open: Bools
    """The same: the tests not done could still decide it either way."""
    chosen: NDArray[np.intp]
    """(n, n_sides, n_mimics, n_roles): which of its clusters counts in each role: the first that is decided, or
    else the most complete."""
    ratios: Floats
    """The same: its ratio."""
    odds: Floats
    """(n, n_sides, n_mimics): post-test odds."""
    raised: Bools
    """(n, n_sides, n_ruled, n_rules): the rule holds."""


class MimicStack(NamedTuple):
    """The facts as arrays, padded to (n_mimics, n_roles, n_alternatives) and (n_ruled, n_rules)."""

    clusters: tuple[Cluster, ...]
    rules: tuple[Rule, ...]
    conditions: tuple[Condition, ...]
    columns: NDArray[np.intp]
    """(n_sides, n_conditions): where the record holds each."""
    signs: Floats
    thresholds: Floats
    """A condition holds where sign x value reaches the threshold."""
    is_pain: Bools
    """Conditions on the drawing, where unmarked is no pain once anything is drawn."""
    members: Counts
    """(n_conditions, n_counts): which conditions each cluster, each rule and each mimic counts."""
    needed: Floats
    """How many a cluster needs positive; infinitely many a pad."""
    spare: Floats
    """How many less that is than it holds: so many may be negative."""
    sizes: Floats
    lr_positive: Floats
    lr_negative: Floats
    cluster_places: NDArray[np.intp]
    """(n_clusters,): where each cluster lies on the flattened padded axes."""
    rule_sizes: Floats
    rule_places: NDArray[np.intp]
    """(n_rules in all,): where each rule lies on the flattened padded axes."""


@cache
def mimic_stack() -> MimicStack:
    """The stack of the knowledge tables, made once a process."""
    return stacked(mimic_facts())


def mimic_evidence(findings: Findings, priors: Mapping[str, float]) -> MimicEvidence:
    """Probability of each mimic on each side, with bounds, and the flags of the others: see `MimicEvidence`.

    Parameters
    ----------
    findings : Findings
        The record of n cases.
    priors : mapping of mimic to probability in (0, 1)
        Pre-test probability for a candidate for surgery. The side with more pain has all of it, the other
        one as much less as it hurts less: pain on both sides does not halve it, since disease on both sides
        is one of its explanations. Without a drawing each side has half.
    """
    stack = mimic_stack()
    side_share, shares = _drawn(findings)
    done, counts = _counted(findings, stack)
    n_padded = stack.needed.size
    recorded, holding = counts[..., :n_padded].reshape(*counts.shape[:-1], *stack.needed.shape)
    is_met = holding >= stack.needed
    is_missed = recorded - holding > stack.spare
    decided = np.where(is_met, stack.lr_positive, np.where(is_missed, stack.lr_negative, 1.0))
    is_open = ~(is_met | is_missed)
    chosen = np.where(is_open, recorded / stack.sizes, 1.0).argmax(axis=-1)
    ratios = _picked(decided, chosen)
    prior = np.array([priors[mimic] for mimic in MIMICS])
    pretest = _as_odds(side_share[:, :, None] * prior)
    known = ratios[..., BACKGROUND] * ratios[..., BLOCK]
    low, high = _if_all_were_done(known, is_met, is_missed, stack)
    ratio = ratios[..., 0] * ratios[..., 1] * known
    odds = pretest * ratio
    bounded = np.empty((3, *odds.shape))
    bounded[0] = odds
    np.minimum(odds, pretest * low, out=bounded[1])
    np.maximum(odds, pretest * high, out=bounded[2])
    probability, lower, upper = _as_probability(bounded).swapaxes(2, 3)
    raised, flags = _flags(counts[..., n_padded : -len(MIMICS)], stack)
    return MimicEvidence(
        probability=probability,
        lower=lower,
        upper=upper,
        tests_done=counts[0, :, :, -len(MIMICS) :].swapaxes(1, 2).astype(np.float64),
        tested_odds=(_as_odds(EVEN * prior) * ratio).swapaxes(1, 2),
        shares=(probability * shares[:, : len(MIMICS)]).round(DECIMALS),
        territory_shares=shares[:, : len(MIMICS)],
        flags=flags[:, len(MIMICS) :],
        flagged_shares=shares[:, len(MIMICS) :],
        block_flags=flags[:, : len(MIMICS)],
        examined=Examined(done, recorded, holding, is_open, chosen, ratios, odds, raised),
    )


def _drawn(findings: Findings) -> tuple[Floats, Floats]:
    """What each side keeps of a pre-test probability (n, n_sides), and the share of the pain in each territory
    (n, n_ruled, n_sides).

    A side keeps as much as its pain is of that on the side with more, so that pain that is alike on both
    leaves both the whole. A side without pain keeps a little, so that tests which are positive there still
    count; both keep half where no pain is drawn. Of no pain every share is undefined.
    """
    felt = findings.pain.reshape(findings.n_cases, len(REGIONS) * len(SIDES)) @ _felt_in()
    by_side = felt[:, -len(SIDES) :]
    left, right = by_side[:, :1], by_side[:, 1:]
    most = np.maximum(left, right)
    is_drawn = most > 0
    divisor = np.where(is_drawn, left + right, np.nan)
    whole = np.where(is_drawn, most, 1.0)
    side_share = np.maximum(by_side, np.where(is_drawn, SIDE_FLOOR * most, EVEN)) / whole
    shares = (felt[:, : -len(SIDES)] / divisor).round(DECIMALS)
    return side_share, shares.reshape(len(felt), len(RULED), len(SIDES))


@cache
def _felt_in() -> Floats:
    """(n_regions x n_sides, n_ruled x n_sides + n_sides): the territory of each mimic by side, and each whole side."""
    felt = np.zeros((len(REGIONS), len(SIDES), len(RULED) + 1, len(SIDES)))
    for side in range(len(SIDES)):
        for place, mimic in enumerate(RULED):
            felt[:, side, place, side] = territory(mimic)
        felt[:, side, -1, side] = 1
    return felt.reshape(len(REGIONS) * len(SIDES), -1)


def _counted(findings: Findings, stack: MimicStack) -> tuple[Counts, Counts]:
    """Which conditions are recorded (n, n_sides, n_conditions), and how many are, and hold, in each cluster,
    rule and mimic (2, n, n_sides, n_counts)."""
    values = findings.columns(stack.columns)
    states = np.empty((2, *values.shape), dtype=np.float32)
    states[0] = (values == values) | (stack.is_pain & findings.has_drawing[:, None, None])
    states[1] = values * stack.signs >= stack.thresholds
    counts = states.reshape(states.size // len(stack.members), len(stack.members)) @ stack.members
    return states[0], counts.reshape(*states.shape[:-1], stack.members.shape[1])


def _picked(values: Floats, chosen: NDArray[np.intp]) -> Floats:
    """One value along the last axis at each place."""
    flat = values.reshape(chosen.size, values.shape[-1])
    return flat[np.arange(chosen.size), chosen.ravel()].reshape(chosen.shape)


def _if_all_were_done(known: Floats, is_met: Bools, is_missed: Bools, stack: MimicStack) -> tuple[Floats, Floats]:
    """The least and the greatest ratio with every test done: (n, n_sides, n_mimics).

    Every cluster would be decided then, so the first in the table counts, and the first further test.
    What is known of the person is no test, and stays; so does a block, done or not: their ratio is `known`.
    """
    first = (..., slice(BACKGROUND), 0)
    positive, negative = stack.lr_positive[first], stack.lr_negative[first]
    least = np.where(is_met[first], positive, negative)
    most = np.where(is_missed[first], negative, positive)
    return least[..., 0] * least[..., 1] * known, most[..., 0] * most[..., 1] * known


def _as_odds(probability: Floats) -> Floats:
    return probability / (1 - probability)


def _as_probability(odds: Floats) -> Floats:
    """Rounded, and never quite 0 or 1."""
    smallest = 10.0**-DECIMALS
    return np.minimum(np.maximum((odds / (1 + odds)).round(DECIMALS), smallest), 1 - smallest)


def _flags(counts: Counts, stack: MimicStack) -> tuple[Bools, Floats]:
    """Which rules hold (n, n_sides, n_ruled, n_rules), and the flag they make (n, n_ruled, n_sides).

    A rule is examined once it is decided: all of its conditions hold, or one that is recorded does not.
    """
    recorded, holding = counts.reshape(*counts.shape[:-1], *stack.rule_sizes.shape)
    raised = holding >= stack.rule_sizes
    is_examined = (recorded > holding).any(axis=-1)
    flags = np.where(raised.any(axis=-1), 1.0, np.where(is_examined, 0.0, np.nan))
    return raised, flags.swapaxes(1, 2)


def stacked(facts: MimicFacts) -> MimicStack:
    """The facts as arrays: see `MimicStack`."""
    of_cluster = [_conditions_of(cluster) for cluster in facts.clusters]
    conditions = tuple(
        dict.fromkeys([c for own in of_cluster for c in own] + [c for r in facts.rules for c in r.conditions])
    )
    cluster_shape, cluster_places = _padded([(c.mimic, c.role) for c in facts.clusters], (MIMICS, ROLES))
    rule_shape, rule_places = _padded([(rule.mimic,) for rule in facts.rules], (RULED,))
    rows = [_condition_row(condition) for condition in conditions]
    return MimicStack(
        clusters=facts.clusters,
        rules=facts.rules,
        conditions=conditions,
        columns=np.stack([row[0] for row in rows], axis=1),
        signs=np.array([row[1] for row in rows]),
        thresholds=np.array([row[2] for row in rows]),
        is_pain=np.array([condition.item == "pain" for condition in conditions]),
        members=np.concatenate(
            [
                _members(conditions, of_cluster, cluster_places, int(np.prod(cluster_shape))),
                _members(conditions, [rule.conditions for rule in facts.rules], rule_places, int(np.prod(rule_shape))),
                _members(conditions, *_items(facts.clusters), len(MIMICS)),
            ],
            axis=1,
        ),
        needed=_spread([c.positives_needed for c in facts.clusters], cluster_places, cluster_shape, np.inf),
        spare=_spread(
            [len(c.items) - c.positives_needed for c in facts.clusters], cluster_places, cluster_shape, np.inf
        ),
        sizes=_spread([len(c.items) for c in facts.clusters], cluster_places, cluster_shape, np.inf),
        lr_positive=_spread([c.lr_positive for c in facts.clusters], cluster_places, cluster_shape, 1.0),
        lr_negative=_spread([c.lr_negative for c in facts.clusters], cluster_places, cluster_shape, 1.0),
        cluster_places=cluster_places,
        rule_sizes=_spread([len(rule.conditions) for rule in facts.rules], rule_places, rule_shape, np.inf),
        rule_places=rule_places,
    )


def _conditions_of(cluster: Cluster) -> tuple[Condition, ...]:
    side = "none" if cluster.role == "background" else "own"
    return tuple(Condition(item, "", side, rule, threshold) for item, rule, threshold in cluster.items)


def _items(clusters: tuple[Cluster, ...]) -> tuple[list[tuple[Condition, ...]], NDArray[np.intp]]:
    """One condition an item of each mimic: one measurement may serve two thresholds, as internal rotation does."""
    first: dict[str, dict[str, Condition]] = {mimic: {} for mimic in MIMICS}
    for cluster in clusters:
        if cluster.role != "background":
            for condition in _conditions_of(cluster):
                first[cluster.mimic].setdefault(condition.item, condition)
    return [tuple(first[mimic].values()) for mimic in MIMICS], np.arange(len(MIMICS))


def _condition_row(condition: Condition) -> tuple[NDArray[np.intp], float, float]:
    """(n_sides,) columns of the record, and the sign and threshold with which `sign x value >= threshold` holds."""
    fixed = (("region", condition.region),) if condition.region else ()
    if condition.side == "none":
        columns = np.repeat(places(condition.item, (), fixed), len(SIDES))
    else:
        columns = places(condition.item, ("side",), fixed)[:: -1 if condition.side == "other" else 1]
    sign = 1.0 if ">" in condition.rule else -1.0
    threshold = sign * condition.threshold
    return columns, sign, threshold if "=" in condition.rule else float(np.nextafter(threshold, np.inf))


def _padded(keys: list[tuple[str, ...]], axes: tuple[tuple[str, ...], ...]) -> tuple[tuple[int, ...], NDArray[np.intp]]:
    """The shape that holds every row of a table under its key, and the flat place of each row, in its order."""
    rank = [keys[:row].count(key) for row, key in enumerate(keys)]
    shape = (*(len(axis) for axis in axes), max(rank) + 1)
    indices = [[axis.index(name) for axis, name in zip(axes, key, strict=True)] for key in keys]
    return shape, np.ravel_multi_index((*np.array(indices).T, np.array(rank)), shape)


def _members(
    conditions: tuple[Condition, ...], groups: list[tuple[Condition, ...]], columns: NDArray[np.intp], width: int
) -> Counts:
    """(n_conditions, width): 1 where the group in that column counts the condition."""
    members = np.zeros((len(conditions), width), dtype=np.float32)
    for group, column in zip(groups, columns, strict=True):
        members[[conditions.index(condition) for condition in group], column] = 1
    return members


def _spread(figures: Sequence[float], at: NDArray[np.intp], shape: tuple[int, ...], pad: float) -> Floats:
    """Figures at their flat places on the padded axes."""
    spread = np.full(int(np.prod(shape)), pad)
    spread[at] = figures
    return spread.reshape(shape)
