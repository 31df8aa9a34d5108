"""Stage ``appraise``: before any fit, are the cases enough, do the guards stay silent, what would a reviewer ask?

What is fitted here teaches nothing: outcomes are drawn or shuffled, or the model is a shadow that nobody keeps.
`learners.json` says what `train` may learn, and why not the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.builders import build_features
from features.errors import OutcomeError, ParamsError
from features.predictors import Predictor, candidate_predictors, n_parameters
from models.appraisal import diagnostics
from models.carrying import Capacity, Spending, Verdict, capacity, spending, verdict
from models.encoding import rounded
from models.estimates import Estimate, not_estimable
from models.guards import (
    most_by_chance,
    own_row_alarm,
    permuted_alarm,
    permuted_auroc,
    refuse_alarms,
    shadow_alarm,
    shadow_model,
)
from models.learners import CANDIDATES
from models.training import Development
from pipeline import paths
from pipeline.appraisal_facts import Appraised, Files, facts_of, read_files, sample_sizes
from pipeline.development import development
from pipeline.files import write_json, write_table
from pipeline.params import Params

OWN_ROW_CASES = 50  # built again without the others; a feature that needs them shows in any


def run(params: Params) -> None:
    files = read_files()
    capacities = development_capacities(files, params)
    refuse_alarms([own_row_alarm(files.features, features_apart(files.cases, params))])
    found = all_appraised(files, params, capacities)
    refuse_alarms([alarm for outcome in found for alarm in alarms(files, found[outcome], params, outcome)])
    facts = {outcome: facts_of(files, found[outcome], params, outcome) for outcome in found}
    sizes = [row for outcome in found for row in sample_sizes(found[outcome], facts[outcome], params, outcome)]
    asked = pd.concat([diagnostics(facts[outcome]).assign(outcome=outcome) for outcome in found], ignore_index=True)
    write_table(pd.DataFrame(sizes), paths.SAMPLE_SIZE)
    write_table(asked[["outcome", *asked.columns.drop("outcome")]], paths.DIAGNOSTICS)
    write_table(guards(found, params), paths.GUARDS)
    write_json({outcome: learners(found[outcome], params, outcome) for outcome in found}, paths.LEARNERS)


def features_apart(cases: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The features of a few cases, built as if there were no others."""
    few = min(OWN_ROW_CASES, len(cases))
    drawn = np.random.default_rng(params.appraise.seed).choice(len(cases), few, replace=False)
    return build_features(cases.iloc[np.sort(drawn)], params.derive)


def development_capacities(files: Files, params: Params) -> dict[str, Capacity]:
    """What the development cases of each outcome carry.

    Raises
    ------
    ParamsError, OutcomeError
        With every outcome that has no candidate predictor, one class only, or too few cases for a single parameter.
    """
    misplaced, problems, capacities = [], [], {}
    for outcome in params.train.outcomes:
        declared = candidate_predictors(outcome, params.train.max_parameters[outcome])
        if not declared:
            misplaced.append(
                f"train.max_parameters.{outcome} is {params.train.max_parameters[outcome]}, too few for the first "
                f"predictor of its ranking"
            )
            continue
        try:
            data = development(files.cases, outcome, declared)
        except OutcomeError as error:
            problems.append(str(error))
            continue
        found = development_capacity(data, declared, params)
        capacities[outcome] = found
        if outcome not in params.appraise.overrule_sample_size and not candidate_predictors(outcome, found.used):
            problems.append(too_few(outcome, data, found))
    if misplaced:
        raise ParamsError(f"params.yaml: {'; '.join(misplaced)}.")
    if problems:
        raise OutcomeError("\n".join(problems))
    return capacities


def development_capacity(data: Development, declared: list[Predictor], params: Params) -> Capacity:
    prevalence = float(np.average(data.y, weights=data.weights))
    return capacity(len(data.y), prevalence, params.appraise.anticipated_c_statistic, n_parameters(declared))


def too_few(outcome: str, data: Development, found: Capacity) -> str:
    return (
        f"{outcome}: {found.cases:,} development cases, {int(data.y.sum()):,} with the outcome, carry "
        f"{found.carried} candidate parameters (Riley; C statistic {found.c_statistic:g} anticipated), too few for the "
        f"first predictor of its ranking; {found.declared} need {found.needed.n_cases:,} cases. Validate and update a "
        f"model made elsewhere, use more cases, leave the outcome out (train.outcomes), or name it in "
        f"appraise.overrule_sample_size."
    )


def all_appraised(files: Files, params: Params, capacities: dict[str, Capacity]) -> dict[str, Appraised]:
    """Every outcome as `appraised` finds it; raises `OutcomeError` with all that no candidate learner may learn."""
    found, problems = {}, []
    for outcome in params.train.outcomes:
        try:
            found[outcome] = appraised(files, params, outcome, capacities[outcome])
        except OutcomeError as error:
            problems.append(str(error))
    if problems:
        raise OutcomeError("\n".join(problems))
    return found


def appraised(files: Files, params: Params, outcome: str, found: Capacity) -> Appraised:
    """Learners that the cases carry, with the predictors they carry, and what the guards saw."""
    is_overruled = outcome in params.appraise.overrule_sample_size
    predictors = candidate_predictors(outcome, found.declared if is_overruled else found.used)
    data = development(files.cases, outcome, predictors)
    seed = params.appraise.seed
    tried = [learner for learner in params.train.learners if learner in CANDIDATES]
    spent = {learner: spending(data, learner, predictors, params.train.grid(learner), seed=seed) for learner in tried}
    columns = files.columns.loc[data.X.index]
    return Appraised(
        data=data,
        predictors=predictors,
        capacity=found,
        spent=spent,
        verdict=learner_verdict(params, outcome, spent, found),
        shadow=shadow_model(columns, data.y, data.folds, seed=seed, what=f"{outcome}: shadow model"),
        permuted={
            learner: shuffled_auroc(data, learner, predictors, params.train.grid(learner), seed=seed)
            for learner in tried
        },
    )


def shuffled_auroc(
    data: Development, learner: str, predictors: list[Predictor], grid: Mapping[str, Any], *, seed: int
) -> Estimate:
    """What the guard of permuted outcomes sees; not estimable where what was shuffled cannot be learned from."""
    try:
        return permuted_auroc(data, learner, predictors, grid, seed=seed)
    except OutcomeError:
        return not_estimable("too few cases with the outcome, or without: shuffled, all of them fell into one fold")


def learner_verdict(params: Params, outcome: str, spent: dict[str, Spending], found: Capacity) -> Verdict:
    """Refuses learners by what they spend, unless the outcome is named in `appraise.overrule_sample_size`."""
    judged = verdict(params.train.learners, spent, found)
    if outcome in params.appraise.overrule_sample_size:
        return Verdict(tuple(params.train.learners), {})
    if not set(judged.allowed) & set(CANDIDATES):
        reasons = "; ".join(f"{learner}: {reason}" for learner, reason in judged.refused.items())
        raise OutcomeError(
            f"{outcome}: the cases carry none of the candidates in train.learners ({reasons}). Add logistic, use more "
            f"cases, or name the outcome in appraise.overrule_sample_size."
        )
    return judged


def alarms(files: Files, found: Appraised, params: Params, outcome: str) -> list[str | None]:
    """What the guards say of an outcome; a record that knows it too well is let pass where that was overruled."""
    raised = [permuted_alarm(outcome, learner, auroc, found.data.y) for learner, auroc in found.permuted.items()]
    if outcome in params.train.overrule_leak_alarm:
        return raised
    columns, most = files.columns.loc[found.data.X.index], params.train.leak_alarm_auroc
    return [*raised, shadow_alarm(outcome, found.shadow, columns, found.data.y, most=most)]


def guards(found: dict[str, Appraised], params: Params) -> pd.DataFrame:
    """What each guard saw, one row an outcome, guard and learner; `most` is where the alarm is raised."""
    rows = []
    for outcome, its in found.items():
        most = params.train.leak_alarm_auroc
        seen = [("shadow model", "", its.shadow.auroc, most, "overruled" if its.shadow.is_over(most) else "silent")]
        seen += [
            ("permuted outcomes", learner, auroc, round(most_by_chance(its.data.y), 4), "silent")
            for learner, auroc in its.permuted.items()
        ]
        rows += [
            {"outcome": outcome, "guard": guard, "learner": learner, **auroc.as_json(), "most": limit, "verdict": said}
            for guard, learner, auroc, limit, said in seen
        ]
    columns = ["outcome", "guard", "learner", "estimate", "lower", "upper", "reason", "most", "verdict"]
    return pd.DataFrame(rows).reindex(columns=columns)


def learners(found: Appraised, params: Params, outcome: str) -> dict[str, Any]:
    """What the outcome may be learned by and from, and why not by and from more."""
    size, used = found.capacity, n_parameters(found.predictors)
    notes = []
    if outcome in params.appraise.overrule_sample_size:
        notes.append("sample size overruled by name in appraise.overrule_sample_size")
    if used < size.declared:
        notes.append(
            f"{size.cases:,} development cases carry {size.carried} of {size.declared} candidate parameters; the first "
            f"{used}, in the ranking set beforehand, are used"
        )
    return {
        "allowed": list(found.verdict.allowed),
        "refused": dict(found.verdict.refused),
        "notes": notes,
        "parameters": {"declared": size.declared, "carried": size.carried, "used": used},
        "spending": {learner: spending_as_json(spent) for learner, spent in found.spent.items()},
    }


def spending_as_json(spent: Spending) -> dict[str, Any]:
    about: dict[str, Any] = {"setting": dict(spent.setting), "parameters": spent.parameters}
    if spent.on_noise is None:
        return about
    return about | {
        "on_noise": float(rounded(spent.on_noise)),
        "standard_error": float(rounded(spent.standard_error)),
    }
