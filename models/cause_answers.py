"""What each method answers about the causes of worked-up cases, and how good the answers are.

The served method is knowledge. Its rivals answer on the same cases, so that every figure stands beside theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from features.axes import CAUSES
from features.builders import BuilderParams
from features.causes import (
    LIKELIHOODS,
    CauseEvidence,
    CauseParams,
    cause_evidence,
    cause_features,
    red_flags_at_followup,
)
from features.dictionary import Variable, load_dictionary
from features.followup import FollowUp
from models import cause_judgement as judgement
from models.cause_judgement import Counted, Places
from models.cause_rivals import common_log_odds, rule_scores
from models.encoding import Floats
from models.metrics import Columns, Estimate, enough_cases, not_estimable, prevalence, roc_points

METHODS = ("knowledge", "trained", "rules", "prevalence", "attainable")
SERVED = "knowledge"
PAIR = ("recurrent_herniation", "epidural_fibrosis")
"""Told apart on their own: the one may be operated on, the other should not be for scar alone."""
COURSE, SCAN, BOTH = "course", "scan", "both"
GROUPS: Mapping[str, tuple[str, ...]] = {
    COURSE: ("follow-up work-up",),
    SCAN: ("follow-up imaging",),
    BOTH: ("follow-up work-up", "follow-up imaging"),
}
"""Forms of the follow-up that are recorded in each group; the record before and the operation always are."""
DRAWING_ITEMS = ("followup_pain", "followup_upper_pain")
"""Neither course nor scan."""


@dataclass(frozen=True)
class WorkedUp:
    """Failed operations that were worked up, with the causes by which answers are judged.

    `right` is (n,) the place in CAUSES of the main cause; `is_cause` (n, n_causes) 1 for every cause that holds;
    `patients` (n,) whose case it is.
    """

    cases: pd.DataFrame
    right: Places
    is_cause: Floats
    patients: NDArray[Any]
    cause_params: CauseParams
    builder_params: BuilderParams

    @cached_property
    def followup(self) -> FollowUp:
        return FollowUp(self.cases)

    @cached_property
    def evidence(self) -> CauseEvidence:
        return cause_evidence(self.followup, self.cause_params, self.builder_params)

    @cached_property
    def features(self) -> pd.DataFrame:
        return cause_features(self.cases, self.builder_params)

    def rows(self, chosen: NDArray[np.bool_]) -> WorkedUp:
        return WorkedUp(
            self.cases[chosen], self.right[chosen], self.is_cause[chosen], self.patients[chosen],
            self.cause_params, self.builder_params,
        )  # fmt: skip


class Answer(NamedTuple):
    """What one method says: a score for every cause, whether it is a log-odds, and the place of each cause."""

    scores: Floats
    is_log_odds: bool
    place: Places

    def rows(self, chosen: NDArray[np.bool_]) -> Answer:
        return Answer(self.scores[chosen], self.is_log_odds, self.place[chosen])


def knowledge_answer(evidence: CauseEvidence) -> Answer:
    """What is served. A cause that cannot be has the score -inf."""
    scores = np.where(evidence.is_possible, evidence.log_odds, -np.inf)
    return Answer(scores, True, judgement.places(scores))


def rules_answer(worked: WorkedUp, common: Floats) -> Answer:
    """The ten rules, then the commonest causes."""
    scores = rule_scores(worked.followup, worked.evidence, common)
    return Answer(scores, False, judgement.places(scores))


def prevalence_answer(n: int, common: Floats) -> Answer:
    """How common each cause is, whatever was found."""
    return log_odds_answer(common_log_odds(n, common))


def log_odds_answer(log_odds: Floats) -> Answer:
    return Answer(log_odds, True, judgement.places(log_odds))


def share_answer(share: Floats) -> Answer:
    """Of shares that sum to 1 over the causes."""
    return log_odds_answer(logit(np.clip(share, 1e-9, 1 - 1e-9)))


# ---- figures -----------------------------------------------------------------------------------------


def accuracies(worked: WorkedUp, answers: Mapping[str, Answer], seed: int) -> dict[str, dict[str, Estimate]]:
    """`top_1`, `top_2` and `log_loss` of each method on the same cases."""
    return {
        method: judgement.accuracy(
            answer.place, answer.scores if answer.is_log_odds else None, worked.right, worked.patients, seed
        )
        for method, answer in answers.items()
    }


def leads(worked: WorkedUp, answers: Mapping[str, Answer], seed: int) -> dict[str, dict[str, Estimate]]:
    """By how much more often than each other method the served one has the right cause first, or among two."""

    def lead(method: str, first: int) -> Estimate:
        mine, theirs = (judgement.is_within(answers[who].place, worked.right, first) for who in (SERVED, method))
        return judgement.patient_mean(mine - theirs, worked.patients, seed)

    return {method: {f"top_{first}": lead(method, first) for first in (1, 2)} for method in answers if method != SERVED}


def by_cause(worked: WorkedUp, answers: Mapping[str, Answer]) -> dict[str, dict[str, dict[str, Counted]]]:
    """Discrimination and calibration of each cause as the main one: {cause: {method: figures}}.

    A method that says the same of every case has no figures of its own here.
    """
    told = {name: answer for name, answer in answers.items() if name != "prevalence"}
    return {
        cause: {
            method: judgement.figures_of_cause(
                worked.right == number, answer.scores[:, number], is_probability=answer.is_log_odds
            )
            for method, answer in told.items()
        }
        for number, cause in enumerate(CAUSES)
    }


def holding(worked: WorkedUp, answer: Answer) -> dict[str, dict[str, Counted]]:
    """The same of one method for every cause that holds, be it the main one or not, as knowledge means it."""
    return {
        cause: judgement.figures_of_cause(worked.is_cause[:, number], answer.scores[:, number])
        for number, cause in enumerate(CAUSES)
    }


def words(worked: WorkedUp, seed: int) -> dict[str, dict[str, Any]]:
    """Of the causes told each word of likelihood, in how many it was so: by every cause that is known to hold."""
    evidence = worked.evidence
    return judgement.words_kept(
        evidence.likelihood, worked.is_cause, evidence.log_odds, worked.patients, LIKELIHOODS, seed
    )


def red_flagged(worked: WorkedUp) -> dict[str, Counted]:
    """Cases with a red flag, of which no cause is told: of all, and of those with an infection."""
    flags = np.any(list(red_flags_at_followup(worked.followup).values()), axis=0) * 1.0
    infected = worked.is_cause[:, CAUSES.index("infection")] > 0
    return {
        name: Counted(enough_cases({"share": prevalence(flags[rows])}, int(rows.sum()))["share"], int(rows.sum()))
        for name, rows in (("all", np.ones(len(flags), dtype=bool)), ("infection", infected))
    }


class Told(NamedTuple):
    """How well a part of the follow-up tells the two causes of `PAIR` apart: the area, and the ROC curve."""

    area: Counted
    curve: Columns


def recurrence_or_scar(worked: WorkedUp) -> dict[str, Told]:
    """Recurrent herniation against epidural fibrosis, from the course alone, the scan alone, and both.

    Knowledge answers as if nothing else of the follow-up had been recorded, and is asked which of the two it puts
    ahead, among the cases that have one of them as their main cause.
    """
    first, other = (CAUSES.index(cause) for cause in PAIR)
    is_asked = np.isin(worked.right, [first, other])
    if not is_asked.any():
        nobody = Told(Counted(not_estimable("no case has either as its main cause"), 0), roc_points([], []))
        return dict.fromkeys(GROUPS, nobody)
    asked = worked.rows(is_asked)
    found = {}
    for group in GROUPS:
        kept = asked.cases.drop(columns=[v.name for v in _left_out(group) if v.name in asked.cases.columns])
        evidence = cause_evidence(FollowUp(kept), asked.cause_params, asked.builder_params)
        lead = evidence.log_odds[:, first] - evidence.log_odds[:, other]
        found[group] = Told(judgement.told_between(asked.right, lead, *PAIR), _curve(asked.right == first, lead))
    return found


def _left_out(group: str) -> list[Variable]:
    """What a group does not hold of the follow-up; dates stay, since they are known to everybody."""
    later = [v for v in load_dictionary().known_by("follow_up") if v.known == "follow_up" and v.type != "date"]
    return [v for v in later if v.form not in GROUPS[group] or v.item in DRAWING_ITEMS]


def _curve(is_first: NDArray[np.bool_], lead: Floats) -> Columns:
    return roc_points(is_first * 1.0, judgement.ordered(lead))


def pairs(
    first: WorkedUp, second: WorkedUp, of_first: Mapping[str, Answer], of_second: Mapping[str, Answer], seed: int
) -> dict[str, dict[str, Counted]]:
    """Pairs with the same scan and another main cause: how well each method tells them, by its name.

    `both` and `either`: how often the right cause is first in both, and in at least one; `apart`: how often the cause
    of each leads the other's by more in its own case, chance a half.
    """
    asked = first.right != second.right
    right = first.right[asked], second.right[asked]
    found = {}
    for method in of_first:
        one, other = of_first[method].rows(asked), of_second[method].rows(asked)
        both, either = judgement.pairs_told(one.place, right[0], other.place, right[1])
        apart = judgement.pairs_apart(one.scores, right[0], other.scores, right[1])
        told = {"both": both, "either": either, "apart": apart[~np.isnan(apart)]}
        found[method] = {name: _share_of_pairs(values, seed) for name, values in told.items()}
    return found


def _share_of_pairs(values: Floats, seed: int) -> Counted:
    return Counted(judgement.patient_mean(values, np.arange(len(values)), seed, least=0.0, most=1.0), len(values))
