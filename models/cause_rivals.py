"""Crude rivals of the knowledge on causes: ten rules that a registrar would use, and how common each cause is.

The rules stand in `cause_rules.csv`, in the words of `features.conditions`. They look at the follow-up alone: no
drawing against territories, no record before the operation, nothing weighed. The first that holds names the first
cause, the next the second; after them come the commonest.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.axes import CAUSES
from features.causes import CauseEvidence
from features.conditions import Clauses, Situation, read_conditions
from features.errors import KnowledgeError
from features.followup import FollowUp
from models.encoding import Floats

TABLE = Path(__file__).with_name("cause_rules.csv")
TEMPO: Mapping[str, str] = {"was_never_better": "never_better", "came_suddenly": "sudden", "came_slowly": "gradual"}
"""What rules may name beside the words of conditions: how the pain came back."""
HALF_A_CASE = 0.5
"""Added to the cases of each cause, so that one nobody had is not impossible."""


class Rule(NamedTuple):
    cause: str
    clauses: Clauses
    words: str


@cache
def crude_rules() -> tuple[Rule, ...]:
    """The rules of `cause_rules.csv`, the first to be asked first."""
    return rules_of(pd.read_csv(TABLE).sort_values("place"))


def rules_of(table: pd.DataFrame) -> tuple[Rule, ...]:
    """The rules of a table with `cause`, `all_of` and `words`, in its order.

    Raises
    ------
    KnowledgeError
        With everything that is wrong with the table: unknown causes, and conditions that say nothing.
    """
    rules, problems = [], []
    for row in table.itertuples():
        read = read_conditions(row.all_of, frozenset(TEMPO))
        problems += [f"the rule of {row.cause} {problem}" for problem in read.problems]
        problems += [] if row.cause in CAUSES else [f"{row.cause} is no cause."]
        rules.append(Rule(row.cause, read.clauses, row.words))
    if problems:
        raise KnowledgeError(f"models/{TABLE.name}: {' '.join(problems)}")
    return tuple(rules)


def rule_scores(followup: FollowUp, evidence: CauseEvidence, common: Floats) -> Floats:
    """(n, n_causes) a score by the rules, above 1 where one holds; else `common`, (n_causes,) shares of the causes.

    The scores are an order and no probabilities. No rule names a cause, so the `evidence` plays no part in them.
    """
    situation = Situation(followup, evidence)
    for name, word in TEMPO.items():
        situation.add(name, followup.is_word("return_tempo", word))
    scores = np.tile(common, (followup.n_cases, 1))
    rules = crude_rules()
    for place, rule in reversed(list(enumerate(rules))):
        number = CAUSES.index(rule.cause)
        holds = situation.verdict(rule.clauses).anywhere().holds
        scores[:, number] = np.where(holds, 1.0 + len(rules) - place, scores[:, number])
    return scores


def shares_of(right: NDArray[np.intp]) -> Floats:
    """(n_causes,) share of each cause, half a case added to each; `right` is the place of each case's in CAUSES.

    >>> shares_of(np.array([0, 0, 2]))[:3].round(3).tolist()
    [0.217, 0.043, 0.13]
    """
    counts = np.bincount(right, minlength=len(CAUSES)) + HALF_A_CASE
    return np.asarray(counts / counts.sum())


def common_log_odds(n: int, common: Floats) -> Floats:
    """(n, n_causes) log-odds of each cause by how common it is alone: the same for every case."""
    return np.tile(np.log(common / (1 - common)), (n, 1))
