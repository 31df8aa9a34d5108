"""Stage ``cause``: is the right cause of a failed operation named, and how much better than by ten rules?

What is served is knowledge, not a fitted model. It is judged twice: on the worked-up cases of the test sets, by the
cause that was adjudicated, and on work-ups of the virtual registry that are drawn apart, with seeds of their own, and
whose truth is known. Beside it stand the learners of the first question, taught by adjudicated causes of the
development cases (a demonstration that is never served), ten crude rules, how common each cause is, and what is
attainable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.axes import CAUSES
from features.cohort import provenance
from features.dictionary import load_dictionary
from models import cause_answers
from models.cause_answers import (
    METHODS,
    SERVED,
    Answer,
    Told,
    WorkedUp,
    knowledge_answer,
    log_odds_answer,
    prevalence_answer,
    rules_answer,
    share_answer,
)
from models.cause_attainable import attainable_shares, operated_view
from models.cause_judgement import Counted, Places, cause_numbers, confusion, is_within, places
from models.cause_learning import LearnedCause, Recipe, candidate_findings, learned_causes, log_odds_of_causes
from models.cause_rivals import crude_rules, shares_of
from models.encoding import Floats, rounded
from models.metrics import Estimate
from models.splitting import TEST_SETS, refuse_shared_patients
from pipeline import paths
from pipeline.cause_pictures import draw_pictures
from pipeline.files import read_cases, write_json, write_table
from pipeline.params import Params
from pipeline.virtual.workup_cases import workup_cases, workup_twins

LABEL = "adjudicated_cause"
TRAINED, ATTAINABLE = "trained", "attainable"
BOTH_SETS = "both"
"""The test sets together: there are few work-ups in each."""
NOT_LEARNERS = ("baseline",)
"""The score before the operation says nothing of what went wrong."""
FRACTIONS = (0.5, 1.0)
SUMMARISED = ("top_1", "top_2", "log_loss")
NOBODY = "no case of development, or none of the test sets, was worked up and has an adjudicated cause"


class Adjudicated(NamedTuple):
    """The worked-up cases of the registry whose main cause was adjudicated."""

    development: WorkedUp
    folds: np.ndarray
    tested: WorkedUp
    sets: np.ndarray
    is_virtual: bool

    @property
    def is_judged(self) -> bool:
        return len(self.development.right) > 0 and len(self.tested.right) > 0


class Drawn(NamedTuple):
    """Work-ups of the virtual registry that have set nothing, judged by their truth."""

    tested: WorkedUp
    taught: WorkedUp
    first: WorkedUp
    second: WorkedUp


class Answers(NamedTuple):
    """What every method answers: of the test sets (nothing where they are not judged), of the drawn, of the pairs."""

    study: dict[str, Answer]
    drawn: dict[str, Answer]
    first: dict[str, Answer]
    second: dict[str, Answer]
    shares: Mapping[float, Floats]
    """Of the drawn, by the learner that was shown the truth of a part of others: by that part."""


def run(params: Params) -> None:
    study, drawn = adjudicated_cases(params), drawn_cases(params)
    learned = demonstration(study, params) if study.is_judged else {}
    answers = all_answers(study, drawn, learned, params.cause_evidence.seed)
    found = figures(study, drawn, learned, answers, params.cause_evidence.seed)
    cells = confusions(study, drawn, answers)
    write_json(as_plain(found), paths.CAUSES)
    write_json(summary(found), paths.CAUSES_SUMMARY)
    write_table(cells, paths.CONFUSION)
    write_table(predictions(study, answers.study), paths.CAUSE_PREDICTIONS)
    draw_pictures(found, cells)


# ---- cases -------------------------------------------------------------------------------------------


def adjudicated_cases(params: Params) -> Adjudicated:
    """Every worked-up case of the cohort with an adjudicated cause; what is no cause to be ranked is left out."""
    split = read_cases(paths.SPLIT)
    refuse_shared_patients(split)
    cases = read_cases(paths.INGESTED_CASES).loc[split.index]
    label = cases[LABEL] if LABEL in cases.columns else pd.Series(None, index=cases.index, dtype=object)
    is_adjudicated = cases["workup_date"].notna() & label.isin(CAUSES)
    sets = split["set"].to_numpy(dtype=object)

    def worked(chosen: np.ndarray) -> WorkedUp:
        rows = chosen & is_adjudicated.to_numpy()
        right = cause_numbers(label[rows])
        patients = split.loc[rows, "patient_id"].to_numpy(dtype=str)
        return worked_up(cases[rows], right, (right[:, None] == np.arange(len(CAUSES))) * 1.0, patients, params)

    is_development, is_tested = sets == "development", np.isin(sets, TEST_SETS)
    return Adjudicated(
        development=worked(is_development),
        folds=split["fold"].to_numpy()[is_development & is_adjudicated],
        tested=worked(is_tested),
        sets=sets[is_tested & is_adjudicated],
        is_virtual=provenance(cases) == "virtual",
    )


def worked_up(cases: pd.DataFrame, right: Places, is_cause: Floats, patients: np.ndarray, params: Params) -> WorkedUp:
    """Cases as they are known by the work-up, and nothing of what was adjudicated later."""
    known = [v.name for v in load_dictionary().known_by("follow_up") if v.name in cases.columns]
    return WorkedUp(cases[known], right, is_cause, patients, params.cause, params.applied_builders)


def drawn_cases(params: Params) -> Drawn:
    """Work-ups with their truth: to be judged, in pairs with the same scan, and to teach what is attainable."""
    own, seeds = params.cause_evidence, params.cause_evidence.seeds
    pairs = workup_twins(own.twin_pairs, seeds[1], params.registry)
    return Drawn(
        tested=with_truth(*workup_cases(own.cases, seeds[0], params.registry), params),
        taught=with_truth(*workup_cases(own.attainable_cases, seeds[2], params.registry), params),
        first=with_truth(pairs.first, pairs.first_truth, params),
        second=with_truth(pairs.second, pairs.second_truth, params),
    )


def with_truth(cases: pd.DataFrame, truth: pd.DataFrame, params: Params) -> WorkedUp:
    """Drawn cases and their true causes, each a patient."""
    is_cause = truth[[f"true_cause_{cause}" for cause in CAUSES]].to_numpy(dtype=float)
    right = cause_numbers(truth["true_failure_cause"])
    return worked_up(cases, right, is_cause, np.arange(len(cases)), params)


# ---- answers -----------------------------------------------------------------------------------------


def demonstration(study: Adjudicated, params: Params) -> dict[str, LearnedCause]:
    """The learners of the first question on the adjudicated causes of the development cases."""
    recipe = Recipe(
        learners=[learner for learner in params.train.learners if learner not in NOT_LEARNERS],
        grid=params.train.grid,
        anticipated_c_statistic=params.cause_evidence.anticipated_c_statistic,
        seed=params.train.seed,
    )
    worked = study.development
    candidates = {cause: candidate_findings(cause, params.cause) for cause in CAUSES}
    return learned_causes(worked.features, worked.right, worked.patients, study.folds, candidates, recipe)


def attainable(taught: WorkedUp, asked: Sequence[WorkedUp], seed: int) -> list[dict[float, Floats]]:
    """Shares of the causes in cases that are asked, by a learner taught with the truth of others, by part of those."""
    shown, *views = (operated_view(worked.cases, worked.features) for worked in (taught, *asked))
    tested = pd.concat(views).reindex(columns=shown.columns)
    shares = attainable_shares(shown, taught.right, tested, seed, FRACTIONS)
    ends = np.cumsum([len(view) for view in views])[:-1]
    apart = {part: np.split(share, ends) for part, share in shares.items()}
    return [{part: split[number] for part, split in apart.items()} for number in range(len(views))]


def all_answers(study: Adjudicated, drawn: Drawn, learned: Mapping[str, LearnedCause], seed: int) -> Answers:
    """Every method on every case. What virtual cases taught is not asked of real ones, nor the other way round."""
    common = shares_of((study.development if study.is_judged else drawn.taught).right)
    virtual = [drawn.tested, drawn.first, drawn.second]
    is_attainable = study.is_judged and study.is_virtual
    shares = attainable(drawn.taught, [*virtual, study.tested] if is_attainable else virtual, seed)
    whole = [by_part[FRACTIONS[-1]] for by_part in shares]
    its_own = learned if study.is_virtual else {}
    of_virtual = [answers_of(worked, common, its_own, share) for worked, share in zip(virtual, whole, strict=False)]
    of_study = {}
    if study.is_judged:
        of_study = answers_of(study.tested, common, learned, whole[-1] if is_attainable else None)
    return Answers(of_study, of_virtual[0], of_virtual[1], of_virtual[2], shares[0])


def answers_of(
    worked: WorkedUp, common: Floats, learned: Mapping[str, LearnedCause], share: Floats | None
) -> dict[str, Answer]:
    """What every method answers, in the order of METHODS; one that cannot is left out."""
    found = {
        SERVED: knowledge_answer(worked.evidence),
        "rules": rules_answer(worked, common),
        "prevalence": prevalence_answer(len(worked.right), common),
    }
    if learned:
        found[TRAINED] = log_odds_answer(log_odds_of_causes(learned, worked.features))
    if share is not None:
        found[ATTAINABLE] = share_answer(share)
    return {method: found[method] for method in METHODS if method in found}


# ---- figures -----------------------------------------------------------------------------------------


def figures(
    study: Adjudicated, drawn: Drawn, learned: Mapping[str, LearnedCause], answers: Answers, seed: int
) -> dict[str, Any]:
    """All that is found; of a registry that could not be judged, the reason."""
    return {
        "provenance": "virtual" if study.is_virtual else "registry",
        "rules": [rule.words for rule in crude_rules()],
        "registry": study_figures(study, answers.study, learned, seed) if study.is_judged else {"reason": NOBODY},
        "drawn": drawn_figures(drawn, answers, seed),
    }


def study_figures(
    study: Adjudicated, answers: Mapping[str, Answer], learned: Mapping[str, LearnedCause], seed: int
) -> dict[str, Any]:
    """Every method on the test sets, against the adjudicated cause."""
    rows = {name: study.sets == name for name in TEST_SETS} | {BOTH_SETS: np.isin(study.sets, TEST_SETS)}
    in_sets = {
        name: {method: answer.rows(chosen) for method, answer in answers.items()} for name, chosen in rows.items()
    }
    return {
        "cases": {"development": len(study.development.right), **{name: int(r.sum()) for name, r in rows.items()}},
        "accuracy": {
            name: cause_answers.accuracies(study.tested.rows(chosen), in_sets[name], seed)
            for name, chosen in rows.items()
        },
        **shared_figures(study.tested, answers, seed),
        "learned": {cause: as_learned(its) for cause, its in learned.items()},
    }


def shared_figures(worked: WorkedUp, answers: Mapping[str, Answer], seed: int) -> dict[str, Any]:
    """What is asked of the test sets together, and of the cases drawn apart."""
    return {
        "events": dict(zip(CAUSES, np.bincount(worked.right, minlength=len(CAUSES)).tolist(), strict=True)),
        "lead": cause_answers.leads(worked, answers, seed),
        "by_cause": cause_answers.by_cause(worked, answers),
        "words": cause_answers.words(worked, seed),
        "recurrence_or_scar": cause_answers.recurrence_or_scar(worked),
        "red_flags": cause_answers.red_flagged(worked),
    }


def drawn_figures(drawn: Drawn, answers: Answers, seed: int) -> dict[str, Any]:
    """Every method on work-ups drawn apart, against the truth; the pairs; and how far the learner had come."""
    return {
        "cases": len(drawn.tested.right),
        "taught": len(drawn.taught.right),
        "accuracy": cause_answers.accuracies(drawn.tested, answers.drawn, seed),
        **shared_figures(drawn.tested, answers.drawn, seed),
        "holding": {
            cause: {"events": int(drawn.tested.is_cause[:, number].sum()), **its}
            for number, (cause, its) in enumerate(cause_answers.holding(drawn.tested, answers.drawn[SERVED]).items())
        },
        "pairs": cause_answers.pairs(drawn.first, drawn.second, answers.first, answers.second, seed),
        "gain_of_last_doubling": gain_of_last_doubling(drawn.tested, answers.shares),
    }


def gain_of_last_doubling(worked: WorkedUp, shares: Mapping[float, Floats]) -> float:
    """How much more often the learner has the right cause first after all cases than after half of them."""
    half, whole = (float(is_within(places(shares[part]), worked.right, 1).mean()) for part in FRACTIONS)
    return round(whole - half, 6)


def as_learned(its: LearnedCause) -> dict[str, Any]:
    """What was learned of a cause, and why not more."""
    told: dict[str, Any] = {"events": its.events, "chosen": its.chosen, "reason": its.reason}
    if its.capacity is None or its.verdict is None:
        return told
    return told | {
        "parameters": {
            "candidates": its.capacity.declared,
            "carried": its.capacity.carried,
            "used": len(its.predictors),
        },
        "findings": [p.label for p in its.predictors],
        "refused": dict(its.verdict.refused),
    }


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """A few figures to compare between runs (`dvc metrics show`); null where not estimable."""
    registry = found["registry"].get("accuracy", {}).get(BOTH_SETS, {})
    return {
        name: {
            method: {measure: point(figures[measure]) for measure in SUMMARISED} for method, figures in accuracy.items()
        }
        for name, accuracy in (("test_sets", registry), ("drawn", found["drawn"]["accuracy"]))
    }


def point(estimate: Estimate) -> float | None:
    return None if estimate.estimate is None else round(estimate.estimate, 4)


def as_plain(content: Any) -> Any:
    """Figures as {estimate, lower, upper}, some with their n, whatever they are nested in."""
    if isinstance(content, Estimate | Counted):
        return content.as_json()
    if isinstance(content, Told):
        return content.area.as_json()
    return {key: as_plain(value) for key, value in content.items()} if isinstance(content, Mapping) else content


# ---- tables --------------------------------------------------------------------------------------------


def confusions(study: Adjudicated, drawn: Drawn, answers: Answers) -> pd.DataFrame:
    """Cases by right cause and cause named first, one row a cell that is not empty."""
    parts = []
    for name, worked, of in (("test_sets", study.tested, answers.study), ("drawn", drawn.tested, answers.drawn)):
        for method, answer in of.items():
            counts = confusion(worked.right, answer.place.argmin(axis=1)).reset_index()
            cells = counts.melt(id_vars="right", var_name="named", value_name="cases")
            parts.append(cells[cells["cases"] > 0].assign(of=name, method=method))
    return pd.concat(parts, ignore_index=True)[["of", "method", "right", "named", "cases"]]


def predictions(study: Adjudicated, answers: Mapping[str, Answer]) -> pd.DataFrame:
    """What each method says of each test case: one row a case, method and cause; scores that are log-odds alone."""
    case = np.repeat(np.arange(len(study.sets)), len(CAUSES))
    names = np.array(CAUSES, dtype=object)
    about = pd.DataFrame(
        {
            "test_set": study.sets[case],
            "adjudicated_cause": names[study.tested.right[case]],
            "cause": np.tile(names, len(study.sets)),
        },
        index=study.tested.cases.index[case].rename("case_id"),
    )
    told = [
        about.assign(
            method=method,
            place=answer.place.ravel(),
            log_odds=rounded(answer.scores).ravel() if answer.is_log_odds else np.nan,
        )
        for method, answer in answers.items()
    ]
    told = pd.concat(told or [about.assign(method="", place=0, log_odds=np.nan)[:0]])
    return told.assign(log_odds=told["log_odds"].where(np.isfinite(told["log_odds"])))
