"""Which test not yet done would change most of what a mimic explains of the pain?

The unit of action is what a clinic does in one go: a single test, or the rest of a cluster. If it were
done, its own ratio would count in its role from then on (its results may decide an earlier cluster that
shares its tests; that one would count then, with nearly the same ratio). The expected change is the mean
distance of the probability before from that after, over the results, each as likely as the probability, the
sensitivity and the specificity make it. Nothing is expected of an action that what was done has already
decided, nor of one that would leave another cluster counting. A diagnostic block is no action: an invasive
test comes after the examination, and is not ranked with it.

How likely the rest of a cluster is to make it positive depends on what was done of it. Its tests are taken as
alike, and as independent of each other in people with the disease and in those without: each is positive as
often as gives the whole cluster its published sensitivity and specificity. The probability of the disease is
the one before, which an undecided cluster has not moved.

Actions are ranked by the change of the share of pain that the mimic would explain: the expected change of its
probability times the share of the drawing that lies in its territory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.axes import MIMICS, SIDES
from features.findings import Floats
from features.mimic_tables import EXAMINED_ROLES, ROLES, Cluster, mimic_facts
from features.mimics import DECIMALS, Bools, Counts, MimicEvidence, mimic_stack

HALVINGS = 60
"""Steps of a bisection of [0, 1] that reach the precision of a number."""
ALIKE = 0.5
"""Actions that share this part of the tests of the shorter one, or more, are nearly the same thing to do."""


class Action(NamedTuple):
    """A single test, or a cluster to finish, on one side."""

    mimic: str
    side: str
    name: str
    """That of its row in `mimic_clusters.csv`."""
    label: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class NextTests:
    """What to examine next in n cases."""

    actions: tuple[Action, ...]
    next_test: NDArray[np.intp]
    """(n,): place among the actions of the one that is weighted most; -1 where nothing is left to do, or no mimic
    that is open would explain any of the pain."""
    next_test_change: Floats
    """(n,): the change of probability expected of it, in [0, 1); 0 for none."""
    changes: Floats
    """(n, n_actions): that of every action; NaN where it is done, decided, or would not count."""
    weighted: Floats
    """(n, n_actions): that times the share of the drawing in the territory of its mimic on that side, which is the
    expected change of the share of pain explained; the change itself where no pain is drawn."""


class _Choices(NamedTuple):
    """The actions of one side as arrays over n_choices."""

    actions: tuple[Action, ...]
    """One side after the other."""
    at: NDArray[np.intp]
    """Place of the cluster on the padded axes of the stack."""
    of_mimic: NDArray[np.intp]
    of_role: NDArray[np.intp]
    """Place of its mimic and role, flattened."""
    beyond: Counts
    """(n_conditions, n_choices x n_earlier): what an earlier cluster of that role holds beside the action's items."""
    no_earlier: Bools
    """(n_choices, n_earlier): there is no such cluster."""
    earlier_at: NDArray[np.intp]
    """(n_choices, n_earlier): its place on the padded axes of the stack."""
    lr_positive: Floats
    lr_negative: Floats
    if_diseased: Floats
    """(n_choices, most tests + 1, most tests + 1): the chance that it comes out positive in people with the
    disease, by how many of its tests are done and how many are positive."""
    if_not: Floats
    """The same in people without."""


def next_tests(evidence: MimicEvidence) -> NextTests:
    """The expected change of every action in n cases, and the best one: see `NextTests`."""
    choices = _choices()
    examined = evidence.examined
    done, ratios, odds = examined.done, examined.ratios, examined.odds
    n = len(odds)
    flat = (n, len(SIDES), math.prod(examined.is_open.shape[2:]))
    is_open = examined.is_open.reshape(flat)
    undone = (1 - done).reshape(n * len(SIDES), done.shape[-1])
    beyond = (undone @ choices.beyond).reshape(n, len(SIDES), *choices.no_earlier.shape)
    stays_open = (beyond > 0) & is_open[..., choices.earlier_at]
    is_left = is_open[..., choices.at] & (stays_open | choices.no_earlier).all(axis=-1)
    before = evidence.probability.swapaxes(1, 2)[..., choices.of_mimic]
    rest = odds[..., choices.of_mimic] / ratios.reshape(n, len(SIDES), len(MIMICS) * len(ROLES))[..., choices.of_role]
    if_positive, if_negative = rest * choices.lr_positive, rest * choices.lr_negative
    so_far = (
        np.arange(len(choices.at)),
        examined.recorded.reshape(flat)[..., choices.at].astype(np.intp),
        examined.holding.reshape(flat)[..., choices.at].astype(np.intp),
    )
    positive = before * choices.if_diseased[so_far] + (1 - before) * choices.if_not[so_far]
    change = positive * np.abs(if_positive / (1 + if_positive) - before)
    change += (1 - positive) * np.abs(if_negative / (1 + if_negative) - before)
    changes = np.where(is_left, change.round(DECIMALS), np.nan)
    felt = evidence.territory_shares.swapaxes(1, 2)[..., choices.of_mimic]
    weighted = (changes * np.where(np.isnan(felt), 1.0, felt)).round(DECIMALS)
    changes, weighted = (each.reshape(n, len(choices.actions)) for each in (changes, weighted))
    best = np.nan_to_num(weighted).argmax(axis=1)
    is_any = np.nan_to_num(weighted[np.arange(n), best]) > 0
    return NextTests(
        actions=choices.actions,
        next_test=np.where(is_any, best, -1),
        next_test_change=np.where(is_any, changes[np.arange(n), best], 0.0),
        changes=changes,
        weighted=weighted,
    )


def items_left(evidence: MimicEvidence, case: int, action: Action) -> tuple[str, ...]:
    """The items of an action that are not recorded for a case."""
    done = evidence.examined.done[case, SIDES.index(action.side)]
    recorded = {
        condition.item
        for condition, is_done in zip(mimic_stack().conditions, done, strict=True)
        if is_done and condition.side == "own"
    }
    return tuple(item for item in action.items if item not in recorded)


def action_in_words(action: Action, left: tuple[str, ...]) -> str:
    """What to do, for a person: the tests of a cluster that are left (see `items_left`) by name.

    >>> cluster = next(a for a in next_actions() if (a.name, a.side) == ("laslett_five", "left"))
    >>> action_in_words(cluster, ("sij_thigh_thrust", "sij_sacral_thrust"))
    'finish the five sacroiliac provocation tests, left: thigh thrust, sacral thrust'
    """
    if len(action.items) == 1:
        return f"do the {action.label}, {action.side}"
    verb = "do" if len(left) == len(action.items) else "finish"
    names = ", ".join(mimic_facts().labels[item] for item in left)
    return f"{verb} the {action.label}, {action.side}: {names}"


def next_actions() -> tuple[Action, ...]:
    """Every action there is, in the order of `NextTests.changes`."""
    return _choices().actions


def ranked_actions(evidence: MimicEvidence, tests: NextTests, case: int, most: int = 3) -> list[tuple[str, float]]:
    """The actions of one case that are weighted most, in words, each with the change of probability expected of it.

    They differ in what the clinic does: an action is left out that shares with a better one, on the same side, half
    or more of the tests that are left of the shorter of the two. So one cluster of sacroiliac provocation tests
    stands for all of them, and another test, the other side or another joint comes next.
    """
    changes, weighted = tests.changes[case], np.nan_to_num(tests.weighted[case])
    listed: dict[int, tuple[str, ...]] = {}
    for place in np.argsort(-weighted, kind="stable"):
        if len(listed) == most or weighted[place] <= 0:
            break
        action, left = tests.actions[place], items_left(evidence, case, tests.actions[place])
        better = (items for other, items in listed.items() if tests.actions[other].side == action.side)
        if not any(_is_alike(left, items) for items in better):
            listed[int(place)] = left
    return [(action_in_words(tests.actions[place], left), float(changes[place])) for place, left in listed.items()]


def _is_alike(left: tuple[str, ...], items: tuple[str, ...]) -> bool:
    return len(set(left) & set(items)) >= ALIKE * min(len(left), len(items))


@cache
def _choices() -> _Choices:
    stack = mimic_stack()
    rows = [row for row, cluster in enumerate(stack.clusters) if cluster.role in EXAMINED_ROLES]
    own = [stack.clusters[row] for row in rows]
    earlier = [[b for b in own[:a] if (b.mimic, b.role) == (own[a].mimic, own[a].role)] for a in range(len(own))]
    width = max(1, *(len(found) for found in earlier))
    no_earlier = np.ones((len(own), width), dtype=bool)
    earlier_at = np.zeros((len(own), width), dtype=np.intp)
    beyond = np.zeros((len(stack.conditions), len(own), width), dtype=np.float32)
    for a, found in enumerate(earlier):
        no_earlier[a, : len(found)] = False
        earlier_at[a, : len(found)] = [stack.cluster_places[stack.clusters.index(other)] for other in found]
        mine = {item for item, _, _ in own[a].items}
        for place, other in enumerate(found):
            others = {test for test in other.items if test[0] not in mine}
            for row, condition in enumerate(stack.conditions):
                test = (condition.item, condition.rule, condition.threshold)
                beyond[row, a, place] = condition.side == "own" and test in others
    return _Choices(
        actions=tuple(
            Action(c.mimic, side, c.name, c.label, tuple(item for item, _, _ in c.items)) for side in SIDES for c in own
        ),
        at=stack.cluster_places[rows],
        of_mimic=np.array([MIMICS.index(c.mimic) for c in own]),
        of_role=np.array([MIMICS.index(c.mimic) * len(ROLES) + ROLES.index(c.role) for c in own]),
        beyond=beyond.reshape(len(stack.conditions), len(own) * width),
        no_earlier=no_earlier,
        earlier_at=earlier_at,
        lr_positive=np.array([c.lr_positive for c in own]),
        lr_negative=np.array([c.lr_negative for c in own]),
        if_diseased=_stacked([positive_from_here(c, c.sensitivity) for c in own]),
        if_not=_stacked([positive_from_here(c, 1 - c.specificity) for c in own]),
    )


def positive_from_here(cluster: Cluster, of_whole: float) -> Floats:
    """Chance that a cluster comes out positive: (size + 1, size + 1), by tests done and tests positive so far.

    NaN where more would be positive than are done. The tests are taken as alike and independent, each positive
    as often as makes the whole cluster positive with chance `of_whole`.

    >>> piriformis = next(c for c in mimic_facts().clusters if c.name == "martin_either")
    >>> positive_from_here(piriformis, 0.91).round(2)[:, 0]  # each of the two tests is positive in 0.7
    array([0.91, 0.7 , 0.  ])
    """
    size, needed = len(cluster.items), cluster.positives_needed
    each = _chance_of_each(size, needed, of_whole)
    chance = np.full((size + 1, size + 1), np.nan)
    for done in range(size + 1):
        for positive in range(done + 1):
            chance[done, positive] = _at_least(needed - positive, size - done, each)
    return chance


def _at_least(needed: int, tests: int, each: float) -> float:
    """Chance that at least so many of independent tests are positive."""
    return math.fsum(
        math.comb(tests, positive) * each**positive * (1 - each) ** (tests - positive)
        for positive in range(max(needed, 0), tests + 1)
    )


def _chance_of_each(size: int, needed: int, of_whole: float) -> float:
    """The chance of a positive test with which the whole cluster is positive with chance `of_whole`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_least(needed, size, middle) < of_whole else (low, middle)
    return (low + high) / 2


def _stacked(tables: Sequence[Floats]) -> Floats:
    """Square tables side by side on one more axis, padded with NaN to the widest."""
    widest = max(len(table) for table in tables)
    stacked = np.full((len(tables), widest, widest), np.nan)
    for place, table in enumerate(tables):
        stacked[place, : len(table), : len(table)] = table
    return stacked
