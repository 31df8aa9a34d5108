"""Which test not yet done would change the probability of a mimic most?

The unit of action is what a clinic does in one go: a single test, or the rest of a cluster. If it were
done, its own ratio would count in its role from then on. The expected change is the mean distance of the
probability before from that after, over the results, each as likely as the probability, the sensitivity
and the specificity make it. Nothing is expected of an action that what was done has already decided, nor
of one that would leave another cluster counting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.axes import MIMICS, SIDES
from features.findings import Floats
from features.mimic_tables import ROLES, mimic_facts
from features.mimics import DECIMALS, Bools, Counts, MimicEvidence, mimic_stack


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
    """(n,): place among the actions of the one that would change the probability of its mimic most; -1 for none."""
    next_test_change: Floats
    """(n,): the change of probability expected of it, in [0, 1); 0 where nothing is left."""
    changes: Floats
    """(n, n_actions): that of every action; NaN where it is done, decided, or would not count."""


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
    lr_positive: Floats
    lr_negative: Floats
    sensitivity: Floats
    false_positive: Floats


def next_tests(evidence: MimicEvidence) -> NextTests:
    """The expected change of every action in n cases, and the best one: see `NextTests`."""
    choices = _choices()
    examined = evidence.examined
    done, is_open, ratios, odds = examined.done, examined.is_open, examined.ratios, examined.odds
    n = len(odds)
    undone = (1 - done).reshape(n * len(SIDES), done.shape[-1])
    beyond = (undone @ choices.beyond).reshape(n, len(SIDES), *choices.no_earlier.shape)
    counts = ((beyond > 0) | choices.no_earlier).all(axis=-1)
    is_left = is_open.reshape(n, len(SIDES), math.prod(is_open.shape[2:]))[..., choices.at] & counts
    before = evidence.probability.swapaxes(1, 2)[..., choices.of_mimic]
    rest = odds[..., choices.of_mimic] / ratios.reshape(n, len(SIDES), len(MIMICS) * len(ROLES))[..., choices.of_role]
    if_positive, if_negative = rest * choices.lr_positive, rest * choices.lr_negative
    positive = before * choices.sensitivity + (1 - before) * choices.false_positive
    change = positive * np.abs(if_positive / (1 + if_positive) - before)
    change += (1 - positive) * np.abs(if_negative / (1 + if_negative) - before)
    changes = np.where(is_left, change.round(DECIMALS), 0.0).reshape(n, len(choices.actions))
    best = changes.argmax(axis=1)
    most = changes[np.arange(n), best]
    return NextTests(
        actions=choices.actions,
        next_test=np.where(most > 0, best, -1),
        next_test_change=most,
        changes=np.where(is_left.reshape(changes.shape), changes, np.nan),
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
    """The actions of one case from which most is expected, in words, each with the change expected of it."""
    changes = np.nan_to_num(tests.changes[case])
    best = [place for place in np.argsort(-changes, kind="stable")[:most] if changes[place] > 0]
    return [
        (action_in_words(tests.actions[place], items_left(evidence, case, tests.actions[place])), float(changes[place]))
        for place in best
    ]


@cache
def _choices() -> _Choices:
    stack = mimic_stack()
    rows = [row for row, cluster in enumerate(stack.clusters) if cluster.role != "background"]
    own = [stack.clusters[row] for row in rows]
    earlier = [[b for b in own[:a] if (b.mimic, b.role) == (own[a].mimic, own[a].role)] for a in range(len(own))]
    width = max(1, *(len(found) for found in earlier))
    no_earlier = np.ones((len(own), width), dtype=bool)
    beyond = np.zeros((len(stack.conditions), len(own), width), dtype=np.float32)
    for a, found in enumerate(earlier):
        no_earlier[a, : len(found)] = False
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
        lr_positive=np.array([c.lr_positive for c in own]),
        lr_negative=np.array([c.lr_negative for c in own]),
        sensitivity=np.array([c.sensitivity for c in own]),
        false_positive=1 - np.array([c.specificity for c in own]),
    )
