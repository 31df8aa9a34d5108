"""Figures that stages left in files, as the rows that pictures take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.predictors import predictor_frame
from models.estimates import Estimate
from models.fitted import sigmoid
from models.predictor import Explained, RiskPredictor
from models.rates import estimate_rows, rates
from models.screening import Screener
from models.splitting import TEST_SETS
from models.subgroups import grouping
from pipeline import paths
from pipeline.cause_pictures import accuracy_table, words_table
from pipeline.files import read_cases, read_json, read_table
from pipeline.notebooks.errors import SkippedError
from pipeline.reporting.study import StudyArtefacts
from pipeline.working_up import as_records

FEW_BLOCKS = 2
"""Blocks from which a record lacks more than can be told apart in one picture."""
ESTIMATE = ("estimate", "lower", "upper", "reason")


def estimates(content: Any) -> Any:
    """A file's content with each {estimate, lower, upper} in it as an `Estimate` again, whatever it is nested in."""
    if not isinstance(content, Mapping):
        return [estimates(each) for each in content] if isinstance(content, list) else content
    if "estimate" in content:
        return Estimate(**{name: content.get(name) for name in ESTIMATE})
    return {key: estimates(value) for key, value in content.items()}


def auroc_by_learner(study: StudyArtefacts) -> pd.DataFrame:
    """The AUROC of each learner for each outcome in the temporal test set: rows of `dots`."""
    learners = dict.fromkeys(learner for found in study.metrics.values() for learner in found)
    return pd.concat(
        estimate_rows(
            {f"{outcome}: {study.label(outcome)}".split(";")[0]: found[learner][TEST_SETS[0]]["auroc"]
             for outcome, found in study.metrics.items() if learner in found},
            learner,
        )
        for learner in learners
        if learner != "prevalence"
    )  # fmt: skip


def answered_risks(screener: Screener, case: pd.DataFrame) -> pd.DataFrame:
    """The risk of one case for each outcome, beside how common the outcome was in development: rows of `dots`."""
    answer = screener.answers(as_records(case))[0]
    risks = {one["label"]: {"estimate": one["risk"], "lower": one["risk_lower"], "upper": one["risk_upper"]}
             for one in answer["outcomes"]}  # fmt: skip
    everybody = {one["label"]: {"estimate": one["base_rate"]} for one in answer["outcomes"]}
    rows = pd.concat([estimate_rows(risks, "this patient"), estimate_rows(everybody, "everybody in development")])
    return rows.assign(label=rows["label"].str.partition(";")[0])


def sum_of_groups(predictor: RiskPredictor, explained: Explained) -> pd.DataFrame:
    """The base and what each clinical group adds, with their sum and the risk it is, of the first case."""
    groups, risks = explained.groups(predictor.bundle).iloc[0], explained.risks.iloc[0]
    parts = pd.concat([pd.Series({"base: everybody": risks["base_log_odds"]}), groups])
    total = float(parts.sum())
    table = pd.concat([parts, pd.Series({"sum": total})]).to_frame("log-odds")
    table["risk so far"] = sigmoid(np.append(parts.cumsum().to_numpy(), total))
    return table.round(3)


def subgroup_rows(outcome: str) -> list[dict[str, Any]]:
    """What stage `subgroups` found of an outcome, as `subgroup_forest` takes it."""
    sets = read_json(paths.SUBGROUPS)["outcomes"][outcome]["sets"]
    rows: list[dict[str, Any]] = estimates([row for rows in sets.values() for row in rows])
    order = list(dict.fromkeys((row["variable"], row["group"]) for row in rows))
    return sorted(rows, key=lambda row: order.index((row["variable"], row["group"])))


def by_completeness(outcome: str, metric: str = "auroc") -> pd.DataFrame:
    """A metric of records that are complete, that lack one block, and that have nothing but essentials: rows of `dots`."""
    levels = sorted(read_json(paths.COMPLETENESS)[outcome].values(), key=lambda level: level["order"])
    levels = [level for level in levels if len(level["blocks_blanked"]) < FEW_BLOCKS or level is levels[-1]]
    return pd.concat(
        estimate_rows(
            {level["label"]: level["test_set"][name]["metrics"][metric] for level in levels}, f"{name} test set"
        )
        for name in TEST_SETS
    )


def examined_spreads(features: pd.DataFrame, mimics: Mapping[str, str]) -> pd.DataFrame:
    """Where the probability of each mimic lies by how much was examined: the median, and the middle 80 % of cases.

    `mimics` are labels by name. Rows of `dots`, whose `lower` and `upper` are no interval of an estimate here.
    """
    rows = []
    for mimic, label in mimics.items():
        probability, done = features[f"{mimic}_probability"], features[f"{mimic}_tests_done"]
        for series, chosen in (("no test done", done == 0), ("some tests done", (done > 0) & (done < done.quantile(0.75))),
                               ("most tests done", (done > 0) & (done >= done.quantile(0.75)))):  # fmt: skip
            own = probability[chosen].dropna()
            if len(own):
                low, middle, high = np.quantile(own, [0.1, 0.5, 0.9])
                rows.append((label, middle, low, high, series))
    return pd.DataFrame(rows, columns=["label", "estimate", "lower", "upper", "series"])


def group_means(study: StudyArtefacts, contributions: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """The mean contribution of each clinical group, a row, in each group of cases, a column; log-odds.

    `contributions` have a column a predictor.
    """
    group_of = {p["name"]: p["group"] for p in study.heads[study.primary]["predictors"]}
    by_group = contributions[list(group_of)].T.groupby(group_of, sort=False).sum().T
    return by_group.groupby(groups.reindex(by_group.index)).mean().T.rename_axis(columns=None, index=None)


def named_groups(study: StudyArtefacts, variable: str) -> pd.Series:
    """Each case's group by a variable, as the subgroups of the report have it; the order is kept."""
    found = grouping(study.cases, variable, study.params.subgroups.bands.get(variable, ()))
    return found.of_case.astype(pd.CategoricalDtype([name for name in found.order], ordered=True))


def cause_accuracy() -> dict[str, pd.DataFrame]:
    """How often the right cause is named, by set of cases: panels of `accuracy_bars`."""
    return {title: accuracy_table(estimates(figures["accuracy"])) for title, figures in _judged_causes().items()}


def cause_words() -> dict[str, pd.DataFrame]:
    """What each word of likelihood keeps, from the least likely word on: panels of `words_kept_figure`."""
    tables = {title: words_table(estimates(figures["words"])) for title, figures in _judged_causes().items()}
    return {title: table.sort_values("promised", ignore_index=True) for title, table in tables.items()}


def _judged_causes() -> dict[str, dict[str, Any]]:
    found = read_json(paths.CAUSES)
    drawn, registry = found["drawn"], found["registry"]
    shown = {f"Drawn apart: {drawn['cases']:,} virtual cases\nof known truth": drawn}
    if "accuracy" not in registry:
        return shown
    of_tests = {**registry, "accuracy": registry["accuracy"]["both"]}
    return {f"Held-out centres and year:\n{registry['cases']['both']:,} adjudicated cases": of_tests} | shown


def with_units(names: Iterable[str], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Labels of predictors for axes, with the unit where the dictionary has one."""
    known = load_dictionary().by_name
    units = {name: known[name].unit if name in known else "" for name in names}
    return tuple(
        labels[name] + (f", {unit}" if unit and unit not in labels[name] else "") for name, unit in units.items()
    )


class ExplainedTests(NamedTuple):
    """The contributions of the test cases to one outcome, the values behind them, and what the predictors are called."""

    contributions: pd.DataFrame
    """(n, n_predictors), by predictor, in calibrated log-odds."""
    values: pd.DataFrame
    labels: list[str]


def explained_tests(study: StudyArtefacts) -> ExplainedTests:
    """What stage `explain` found for the first outcome; cases with a red flag have no contributions, and are left out."""
    table = read_cases(paths.EXPLAIN / study.primary / "contributions.parquet")
    contributions = table.filter(like="contribution_").dropna(how="all")
    contributions = contributions.rename(columns=lambda name: name.removeprefix("contribution_"))
    index, names = contributions.index, list(contributions.columns)
    values = predictor_frame(study.cases.loc[index], study.features.loc[index], names)
    labels = predictor_labels(study)
    return ExplainedTests(contributions, values, [labels[name] for name in names])


def predictor_labels(study: StudyArtefacts) -> dict[str, str]:
    """What each predictor of the first outcome's model is called."""
    return {p["name"]: p["label"] for p in study.heads[study.primary]["predictors"]}


def boosted(study: StudyArtefacts, outcome: str, most: int) -> tuple[RiskPredictor, pd.DataFrame, pd.DataFrame]:
    """The boosted trees of an outcome with some test cases and their features.

    Raises
    ------
    SkippedError
        If its cases did not carry trees, so that none were learned.
    """
    if "xgboost" not in study.choices[outcome]["learners"]:
        raise SkippedError(
            f"The cases of {outcome} do not carry boosted trees (stage appraise), and a regression has no interactions: "
            f"the rest of the story is left out."
        )
    rows = read_table(paths.predictions(outcome))["case_id"].drop_duplicates()[:most]
    predictor = RiskPredictor.load(paths.learner_folder(outcome, "xgboost"))
    return predictor, study.cases.loc[rows], study.features.loc[rows]


def risks_of_two(outcome: str, learners: tuple[str, str]) -> pd.DataFrame:
    """The risk of each test case by two learners, and `y_true`; `case_id` is the index."""
    told = read_table(paths.predictions(outcome))
    risks = told[told["learner"].isin(learners)].pivot(index="case_id", columns="learner", values="risk")
    y = told.drop_duplicates("case_id").set_index("case_id")["y_true"]
    return risks[list(learners)].rename_axis(columns=None).assign(y_true=y)


def who_was_right(risks: pd.DataFrame, learners: tuple[str, str]) -> pd.DataFrame:
    """What both told those on whom they differ most, a fifth each way, and what became of them: rows of `dots`."""
    first, second = learners
    gap = risks[second] - risks[first]
    low, high = gap.quantile(0.2), gap.quantile(0.8)
    kinds = {f"{second} told more": gap >= high, "both told much the same": (gap > low) & (gap < high),
             f"{first} told more": gap <= low}  # fmt: skip
    groups = pd.Series(None, index=risks.index, dtype=object)
    for name, rows in kinds.items():
        groups[rows] = name
    groups = groups.astype(pd.CategoricalDtype(list(kinds), ordered=True))
    means = [
        estimate_rows(
            {name: {"estimate": risks.loc[rows, learner].mean()} for name, rows in kinds.items()}, f"told by {learner}"
        )
        for learner in learners
    ]
    return pd.concat([rates(risks["y_true"], groups, "what happened"), *means])


def told_and_happened(told: pd.DataFrame) -> pd.DataFrame:
    """The mean risk and what happened, by thirds of the risk, of predictions whose outcome is known: rows of `dots`."""
    known = told.dropna(subset=["risk", "happened"])
    names = ["lowest third", "middle third", "highest third"]
    thirds = pd.qcut(known["risk"].rank(method="first"), 3, labels=names)
    means = known.groupby(thirds, observed=False)["risk"].mean()
    mean_rows = estimate_rows({name: {"estimate": means[name]} for name in names}, "mean risk told")
    return pd.concat([rates(known["happened"], thirds, "what happened"), mean_rows])
