"""What an examination adds: the tests that are worth doing in many cases, and what each result would mean in one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from features.axes import LABELS, MIMICS, SIDES
from features.builders import BuilderParams, Sources, sources_of_pain
from features.dictionary import Variable, load_dictionary
from features.findings import Findings
from features.mimic_tables import mimic_facts
from features.next_test import Action, items_left

LEAST_CHANGE = 0.005
"""An expected change of half a point in a hundred is none."""


def worth_of_tests(sources: Sources) -> pd.DataFrame:
    """Each action over all cases: how often it comes first, and how much it would change where it is open.

    Returns
    -------
    DataFrame
        `label` (the action without its side), `first` (share of the cases with anything left to do in which it is the
        best next test, on either side), `change` (mean expected change of the probability of its mimic where it is
        open, in [0, 1)), `open` (share of the cases in which it is open). The best comes first.
    """
    tests = sources.next_tests
    has_any = tests.next_test >= 0
    names = [action.name for action in tests.actions]
    labels = {action.name: f"{LABELS[action.mimic]}: {_without_side(action)}" for action in tests.actions}
    rows = []
    for name, label in labels.items():
        of_name = np.array([each == name for each in names])
        changes = tests.changes[:, of_name]
        is_open = ~np.isnan(changes).all(axis=1)
        first = of_name[tests.next_test] & has_any
        change = np.nanmax(changes[is_open], axis=1).mean() if is_open.any() else 0.0
        rows.append((label, first.sum() / max(has_any.sum(), 1), change, is_open.mean()))
    table = pd.DataFrame(rows, columns=["label", "first", "change", "open"])
    table = table[(table["change"] >= LEAST_CHANGE) | (table["first"] > 0)]
    return table.sort_values("first", ascending=False, ignore_index=True)


def _without_side(action: Action) -> str:
    return action.label.removesuffix(f", {action.side}")


def results_of_tests(case: pd.DataFrame, params: BuilderParams, most: int = 4) -> pd.DataFrame:
    """What the best next test of each mimic and side would do to its probability, in one case.

    Parameters
    ----------
    case : DataFrame
        One row in the dictionary's layout. It is not changed.
    params : BuilderParams
    most : int

    Returns
    -------
    DataFrame
        `label`, `before`, `if_positive`, `if_negative`: probabilities in (0, 1), as if all that is left of a cluster
        came out so. No row where nothing is left to examine.
    """
    sources = sources_of_pain(Findings(case), params)
    tests = sources.next_tests
    weighted = np.nan_to_num(tests.weighted[0])
    order = [tests.actions[place] for place in np.argsort(-weighted, kind="stable") if weighted[place] > 0]
    best = {(action.mimic, action.side): action for action in reversed(order)}
    rows = []
    for action in [action for action in order if action in best.values()][:most]:
        left = items_left(sources.mimics, 0, action)
        before = _probability(sources, action)
        after = [_probability(sources_of_pain(Findings(_with(case, action, left, is_positive)), params), action)
                 for is_positive in (True, False)]  # fmt: skip
        rows.append((f"{LABELS[action.mimic]}, {action.side}:\n{_without_side(action)}", before, *after))
    return pd.DataFrame(rows, columns=["label", "before", "if_positive", "if_negative"])


def _probability(sources: Sources, action: Action) -> float:
    return float(sources.mimics.probability[0, MIMICS.index(action.mimic), SIDES.index(action.side)])


def _with(case: pd.DataFrame, action: Action, items: Iterable[str], is_positive: bool) -> pd.DataFrame:
    """The case as it would be recorded if the tests that are left all came out one way."""
    cluster = next(each for each in mimic_facts().clusters if each.name == action.name)
    rules = {item: (rule, threshold) for item, rule, threshold in cluster.items}
    results = {}
    for item in items:
        variable = _variable(item, action.side)
        results[variable.name] = _result(variable, *rules[item], is_positive)
    return case.assign(**results)


def _variable(item: str, side: str) -> Variable:
    found = [v for v in load_dictionary().predictors if v.item == item]
    return next((v for v in found if dict(v.coordinates).get("side") == side), found[0])


def _result(variable: Variable, rule: str, threshold: float, is_positive: bool) -> float:
    """A value that meets the rule, or the one in the variable's range that is farthest from meeting it."""
    codes = [float(code) for code in variable.codes] or [float(variable.lower or 0), float(variable.upper or 0)]
    least, most = min(codes), max(codes)
    if rule in (">=", ">"):
        return (most if rule == ">" else threshold) if is_positive else least
    return (least if rule == "<" else threshold) if is_positive else most
