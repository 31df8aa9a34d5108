"""Risk of bias in the manner of PROBAST+AI: each signalling question answered with its evidence, before any fit.

The questions, in our own words, are rows of `probast.csv`; the functions here answer them from figures that the
stages have counted. What only an author can know is answered `author needed`, never guessed. Where the pipeline itself
sees to something, the row's basis is `by design`, and tests hold it to that.

References
----------
Moons et al., BMJ 2025;388:e082505 (PROBAST+AI); Wolff et al., Ann Intern Med 2019;170:51-58 (how answers make a
judgement).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from features.errors import KnowledgeError
from features.knowledge_checks import STATUSES
from features.predictors import Predictor, n_parameters
from features.words import percent
from models.carrying import Capacity, Verdict
from models.estimates import Estimate

YES, PROBABLY_YES, PROBABLY_NO, NO = "yes", "probably yes", "probably no", "no"
NO_INFORMATION, AUTHOR_NEEDED = "no information", "author needed"
ANSWERS = (YES, PROBABLY_YES, PROBABLY_NO, NO, NO_INFORMATION, AUTHOR_NEEDED)
JUDGEMENTS = ("low", "high", "unclear")

# The 5-and-20 rule of loss to follow-up: below 5 % bias is small, above 20 % it threatens validity.
# Sackett et al., Evidence-Based Medicine, 2nd ed. 2000; a rule of thumb, used for blanks in predictors too.
LITTLE_LOSS, MUCH_LOSS = 0.05, 0.20
# Above this AUROC, those who were lost differ from those who were not in what was known beforehand. An assumption.
SELECTIVE_LOSS = 0.60
# Centres that record a predictor for so much smaller a share of their cases record it differently. An assumption.
UNEVEN_RECORDING = 0.25
ON_TIME = 0.90  # share of answers within a quarter of the horizon; an assumption


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What a test set can tell: cases whose outcome is known, and what Riley's criteria say of them."""

    cases: int
    events: int
    unknown_share: float
    needed: int | None
    slope_width: float | None

    @property
    def can_tell(self) -> bool:
        """Whether it has cases with the outcome and cases without."""
        return 0 < self.events < self.cases

    @property
    def is_enough(self) -> bool:
        return self.needed is not None and self.cases >= self.needed


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the questions are answered from, for one outcome. Shares are in [0, 1] and None where unknown."""

    provenance: str
    records: int
    included: int
    predictors: Sequence[Predictor]
    known_later: Sequence[str]
    """Candidate predictors that the dictionary does not call preoperative."""
    blank_share: Mapping[str, float]
    """Of each candidate predictor, the share of development cases without it."""
    blank_spread: Mapping[str, float]
    """Of each candidate predictor, the largest less the smallest such share of a centre."""
    shadow: Estimate
    leak_alarm: float
    label: str
    kinds: Sequence[str]
    rules: int
    statuses: Sequence[str]
    baselines: Sequence[str]
    """Variables whose baseline value is part of the label."""
    horizon_months: int
    answered_on_time: float | None
    unknown_share: float
    unknown_by_centre: tuple[float, float]
    response: Estimate
    """AUROC with which the preoperative record tells whose outcome is known."""
    is_weighted_for_censoring: bool
    capacity: Capacity
    verdict: Verdict
    permuted: Mapping[str, Estimate]
    shared_patients: int
    test_sets: Mapping[str, HeldOut]
    thresholds: Sequence[float]


class Answer(NamedTuple):
    answer: str
    evidence: str


def diagnostics(facts: Facts) -> pd.DataFrame:
    """One row a signalling question: its answer, the evidence, and the judgement of its domain.

    Returns
    -------
    DataFrame
        `question_id`, `domain`, `part` (development, evaluation or both), `question`, `basis` (computed, by
        design or author), `answer` (one of `ANSWERS`), `evidence`, `judgement` of domain and part (`low`,
        `high` or `unclear` risk of bias), `source`, `status`.
    """
    table = questions()
    answers = pd.DataFrame(
        [ANSWER[question](facts) for question in table["question_id"]], columns=["answer", "evidence"]
    )
    rows = pd.concat([table, answers], axis=1)
    judged = rows.groupby(["domain", "part"], sort=False)["answer"].transform(judgement)
    columns = ["question_id", "domain", "part", "question", "basis", "answer", "evidence"]
    return rows[columns].assign(judgement=judged, source=table["source"], status=table["status"])


def judgement(answers: Iterable[str]) -> str:
    """Risk of bias of a domain: `high` by one (probable) no, `low` if all are (probably) yes, else `unclear`.

    Examples
    --------
    >>> judgement(["yes", "probably yes"]), judgement(["yes", "author needed"]), judgement(["yes", "probably no"])
    ('low', 'unclear', 'high')
    """
    given = set(answers)
    if given & {NO, PROBABLY_NO}:
        return "high"
    return "low" if given <= {YES, PROBABLY_YES} else "unclear"


@cache
def questions() -> pd.DataFrame:
    """The signalling questions of `probast.csv`.

    Raises
    ------
    KnowledgeError
        With everything that is wrong with the table: a question twice, without an answer here, without a source.
    """
    table = pd.read_csv(Path(__file__).with_name("probast.csv"), dtype=str)
    asked = list(table["question_id"])
    faults = [f"asks {name} twice" for name in sorted({name for name in asked if asked.count(name) > 1})]
    faults += [f"asks {name}, which nothing answers" for name in asked if name not in ANSWER]
    faults += [f"does not ask {name}" for name in ANSWER if name not in asked]
    blank = table.isna().any(axis=1)
    faults += [f"has an empty cell in {name}" for name in table.loc[blank, "question_id"]]
    faults += [f"has an unknown status {status}" for status in sorted(set(table["status"].dropna()) - set(STATUSES))]
    if faults:
        raise KnowledgeError(f"models/probast.csv {'; '.join(faults)}.")
    return table


def _source(facts: Facts) -> Answer:
    if facts.provenance == "virtual":
        return Answer(NO, "The registry is virtual: cases were drawn from published figures, and describe nobody.")
    return Answer(AUTHOR_NEEDED, f"{facts.records:,} records; who collected them, from where, and why.")


def _design(facts: Facts) -> Answer:
    if facts.provenance == "virtual":
        return Answer(NO, "Nobody was followed: the course of each case was drawn.")
    return Answer(AUTHOR_NEEDED, "Whether cases were entered one after the other, and followed forward.")


def _representative(facts: Facts) -> Answer:
    excluded = 1 - facts.included / facts.records
    left_out = f"{facts.records - facts.included:,} of {facts.records:,} records ({percent(excluded, 1)})"
    text = f"The criteria exclude {left_out}."
    if excluded > MUCH_LOSS:
        return Answer(PROBABLY_NO, text)
    return Answer(AUTHOR_NEEDED, f"{text} Whether the records are those of all who were listed.")


def _measured_alike(facts: Facts) -> Answer:
    if not facts.blank_spread:
        return Answer(NO_INFORMATION, "There is one centre.")
    worst = max(facts.blank_spread, key=lambda name: facts.blank_spread[name])
    spread = facts.blank_spread[worst]
    text = (
        f"One dictionary gives definition, unit and range of all {len(facts.predictors)} candidate predictors. Blanks "
        f"differ most between centres in {worst}, by {_points(spread)}."
    )
    return Answer(PROBABLY_NO if spread > UNEVEN_RECORDING else PROBABLY_YES, text)


def _prepared_alike(facts: Facts) -> Answer:
    return Answer(
        YES,
        "Features need a case's own row alone: cases built again without the others gave the same. Medians, knots and "
        "levels are fitted inside the learner and are part of it.",
    )


def _blind_to_outcome(facts: Facts) -> Answer:
    text = (
        f"All preoperative columns of the record together predict the outcome with an AUROC of "
        f"{_interval(facts.shadow)}"
    )
    reached = facts.shadow.estimate
    if reached is None:
        return Answer(NO_INFORMATION, f"No AUROC of the record could be estimated: {facts.shadow.reason}.")
    if reached > facts.leak_alarm:
        return Answer(PROBABLY_NO, f"{text}; the alarm at {facts.leak_alarm:g} was overruled by name.")
    return Answer(PROBABLY_YES, f"{text}, below the alarm at {facts.leak_alarm:g}.")


def _available(facts: Facts) -> Answer:
    if facts.known_later:
        return Answer(NO, f"{', '.join(facts.known_later)} is known only after the operation.")
    blank = pd.Series(facts.blank_share, dtype=float)
    text = (
        f"All {len(facts.predictors)} candidate predictors are known at the index date by the dictionary, or built "
        f"from what is. Blank in {_mean(blank)} of cells"
    )
    if blank.empty or blank.max() == 0:
        return Answer(YES, f"{text}.")
    text = f"{text}, most often {blank.idxmax()} ({percent(blank.max())})."
    return Answer(PROBABLY_YES if blank.max() > MUCH_LOSS else YES, text)


def _well_defined(facts: Facts) -> Answer:
    sure = set(facts.statuses) == {"verified"}
    counted = "One rule, with its source" if facts.rules == 1 else f"{facts.rules} rules, each with its source"
    text = f"{facts.label}. {counted}"
    return Answer(YES if sure else PROBABLY_YES, f"{text}." if sure else f"{text}; not all are verified.")


def _assessed_alike(facts: Facts) -> Answer:
    low, high = facts.unknown_by_centre
    text = (
        f"{'One rule for all diagnoses' if facts.rules == 1 else 'The rule differs by diagnosis'}. The outcome is "
        f"unknown in {percent(low)} to {percent(high)} of cases, by centre."
    )
    if high - low > UNEVEN_RECORDING:
        return Answer(PROBABLY_NO, text)
    return Answer(YES if facts.rules == 1 else PROBABLY_YES, text)


def _outcome_apart(facts: Facts) -> Answer:
    named = {predictor.name for predictor in facts.predictors}
    part = [name for name in facts.baselines if name in named]
    if part:
        return Answer(
            PROBABLY_NO,
            f"The label compares with the baseline of {', '.join(part)}, which is a candidate predictor too. The "
            f"learner `baseline` shows what that alone achieves.",
        )
    if "event" in facts.kinds:
        return Answer(
            AUTHOR_NEEDED, "No predictor is part of the label. Whether who decided on it knew the predictors."
        )
    return Answer(PROBABLY_YES, "No predictor is part of the label, which the patient reports.")


def _interval_right(facts: Facts) -> Answer:
    text = f"The horizon is {facts.horizon_months} months, and complete for the last test year"
    if facts.answered_on_time is None:
        return Answer(YES if "event" in facts.kinds else PROBABLY_YES, f"{text}.")
    answer = PROBABLY_YES if facts.answered_on_time < ON_TIME else YES
    return Answer(answer, f"{text}; {percent(facts.answered_on_time)} of answers came within a quarter of it.")


def _enough_to_develop(facts: Facts) -> Answer:
    found = facts.capacity
    text = (
        f"{found.cases:,} development cases, {found.cases * found.prevalence:,.0f} with the outcome; {found.declared} "
        f"candidate parameters need {found.needed.n_cases:,} (Riley; C statistic {found.c_statistic:g} anticipated), "
        f"and {found.carried} could be carried."
    )
    text += "".join(f" Refused: {learner}, since {reason}." for learner, reason in facts.verdict.refused.items())
    spends = n_parameters(list(facts.predictors))
    if spends > found.carried:
        return Answer(NO, f"{text} Overruled by name.")
    if not found.is_enough:
        return Answer(PROBABLY_YES, f"{text} The first {spends}, as ranked beforehand, are used.")
    return Answer(YES, text)


def _predictors_handled(facts: Facts) -> Answer:
    forms = pd.Series([predictor.form for predictor in facts.predictors]).value_counts()
    words = {"linear": "straight lines or yes/no", "log": "logarithms", "spline3": "splines", "levels": "nominal"}
    counted = ", ".join(f"{count} {words[form]}" for form, count in forms.items())
    return Answer(YES, f"Nothing continuous was cut into bands: {counted}. Trees find their own curves.")


def _missing_in_development(facts: Facts) -> Answer:
    blank = pd.Series(facts.blank_share, dtype=float)
    filled = (
        f"{_mean(blank)} of predictor cells are blank and filled with the development median, as in use (not by "
        f"multiple imputation)."
    )
    if not blank.empty and blank.mean() > MUCH_LOSS:
        return Answer(PROBABLY_NO, f"{_loss(facts)[1]} {filled}")
    answer, lost = _loss(facts)
    return Answer(PROBABLY_YES if answer == YES else answer, f"{lost} {filled}")


def _balanced(facts: Facts) -> Answer:
    return Answer(YES, "No class is sampled or weighted to balance; risks are recalibrated out of fold anyway.")


def _overfitting(facts: Facts) -> Answer:
    shuffled = "; ".join(f"{learner} {_of_shuffled(found)}" for learner, found in facts.permuted.items())
    return Answer(
        YES if facts.capacity.is_enough else PROBABLY_YES,
        "Penalties are tuned and the learner chosen out of fold, the simplest within one standard error, then "
        f"recalibrated. AUROC of the recipe on shuffled outcomes: {shuffled}.",
    )


def _more_than_apparent(facts: Facts) -> Answer:
    able = [name for name, held in facts.test_sets.items() if held.can_tell]
    counted = ", ".join(
        f"{name}: {held.cases:,} cases, {held.events:,} with the outcome" for name, held in facts.test_sets.items()
    )
    return Answer(YES if able else NO, f"Test sets that nothing was learned from: {counted}.")


def _enough_to_judge(facts: Facts) -> Answer:
    parts = []
    for name, held in facts.test_sets.items():
        if held.needed is None or held.slope_width is None:
            parts.append(f"{name}: {held.cases:,} cases with {held.events:,} events tell nothing")
        else:
            parts.append(
                f"{name}: {held.cases:,} of {held.needed:,} cases needed, will know the calibration slope to within "
                f"±{held.slope_width / 2:.2f}"
            )
    enough = [held.is_enough for held in facts.test_sets.values()]
    answer = YES if enough and all(enough) else PROBABLY_NO
    return Answer(answer, f"{'; '.join(parts)}." if parts else "There is no test set.")


def _missing_in_evaluation(facts: Facts) -> Answer:
    by_set = ", ".join(f"{percent(held.unknown_share)} ({name})" for name, held in facts.test_sets.items())
    answer, lost = _loss(facts)
    return Answer(answer, f"Unknown in the test sets: {by_set}. {lost}")


def _as_they_come(facts: Facts) -> Answer:
    whole = "whole centres and a whole year" if "geographic" in facts.test_sets else "a whole year"
    return Answer(YES, f"Test sets are {whole}, with the outcome as often as it came.")


def _kept_apart(facts: Facts) -> Answer:
    text = (
        f"Splits and folds are by patient: {facts.shared_patients} development cases belong to patients of a test set."
    )
    return Answer(NO if facts.shared_patients else YES, text)


def _steps_repeated(facts: Facts) -> Answer:
    shuffled = max((found.estimate or 0.5 for found in facts.permuted.values()), default=None)
    if shuffled is None:
        return Answer(NO_INFORMATION, "No candidate learner was tried on shuffled outcomes.")
    return Answer(
        PROBABLY_YES,
        "Encoding and fitting are repeated in each fold; tuning, choice and recalibration are done once, on what the "
        "folds predicted taken together. For each centre left out all of it is repeated on the others. On shuffled "
        f"outcomes nothing is predicted (AUROC at most {shuffled:.2f}).",
    )


def _all_measures(facts: Facts) -> Answer:
    thresholds = ", ".join(f"{threshold:g}" for threshold in facts.thresholds)
    text = (
        "AUROC, calibration intercept, slope and curve, Brier score, and net benefit at thresholds of "
        f"{thresholds}, each with its interval"
    )
    able = [name for name, held in facts.test_sets.items() if held.can_tell]
    if not able:
        return Answer(NO, f"{text}, but no test set has cases with the outcome and cases without.")
    unable = [name for name in facts.test_sets if name not in able]
    but = f"; {' and '.join(unable)} can tell nothing" if unable else ""
    return Answer(PROBABLY_YES if unable else YES, f"{text} in the test set {' and '.join(able)}{but}.")


ANSWER: dict[str, Callable[[Facts], Answer]] = {
    "D1.1": _source,
    "D1.2": _design,
    "D1.3": _representative,
    "D2.1": _measured_alike,
    "D2.2": _prepared_alike,
    "D2.3": _blind_to_outcome,
    "D2.4": _available,
    "D3.1": _well_defined,
    "D3.2": _assessed_alike,
    "D3.3": _outcome_apart,
    "D3.4": _interval_right,
    "D4.1": _enough_to_develop,
    "D4.2": _predictors_handled,
    "D4.3": _missing_in_development,
    "D4.4": _balanced,
    "D4.5": _overfitting,
    "E4.1": _more_than_apparent,
    "E4.2": _enough_to_judge,
    "E4.3": _missing_in_evaluation,
    "E4.4": _as_they_come,
    "E4.5": _kept_apart,
    "E4.6": _steps_repeated,
    "E4.7": _all_measures,
}


def _loss(facts: Facts) -> Answer:
    """What the cases without a known outcome do to the figures."""
    text = f"The outcome is unknown in {percent(facts.unknown_share)} of included cases"
    if facts.unknown_share < LITTLE_LOSS:
        return Answer(YES, f"{text}.")
    if facts.is_weighted_for_censoring:
        return Answer(PROBABLY_YES, f"{text}, censored; the others are weighted for them.")
    if facts.response.estimate is None:
        return Answer(NO_INFORMATION, f"{text}; who they are could not be told: {facts.response.reason}.")
    text = f"{text}; the preoperative record tells which with an AUROC of {_interval(facts.response)}."
    is_selective = facts.response.estimate > SELECTIVE_LOSS
    return Answer(PROBABLY_NO if is_selective or facts.unknown_share > MUCH_LOSS else PROBABLY_YES, text)


def _interval(estimate: Estimate) -> str:
    if estimate.estimate is None:
        return f"not estimable ({estimate.reason})"
    if estimate.lower is None or estimate.upper is None:
        return f"{estimate.estimate:.2f}"
    return f"{estimate.estimate:.2f} ({estimate.lower:.2f} to {estimate.upper:.2f})"


def _of_shuffled(estimate: Estimate) -> str:
    """A recipe that gives everybody the same risk has found nothing, which is right."""
    return "0.50, as every case has the same risk" if estimate.estimate is None else _interval(estimate)


def _mean(shares: pd.Series) -> str:
    return percent(0.0 if shares.empty else shares.mean(), 1)


def _points(share: float) -> str:
    return f"{share * 100:.0f} percentage points"
