"""What stage `appraise` counts in the files of earlier stages: the facts behind its answers, and sample sizes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.cohort import provenance
from features.dictionary import load_dictionary
from features.knowledge_tables import knowledge_table
from features.outcomes import CHANGES, DAYS_PER_MONTH, horizon_months, is_asked, outcome_label
from features.predictors import Predictor, n_parameters
from models.appraisal import Facts, HeldOut
from models.carrying import Capacity, Spending, Verdict
from models.estimates import Estimate, not_estimable
from models.guards import Shadow, shadow_columns, shadow_model
from models.sample_size import ValidationPrecision, ValidationSize, riley_validation_size, validation_precision
from models.splitting import TEST_SETS, left_out_together, sets_with_cases
from models.training import Development
from pipeline import paths
from pipeline.files import read_cases, read_table
from pipeline.params import Params


@dataclass(frozen=True)
class Files:
    """What earlier stages made, of the included cases."""

    cases: pd.DataFrame
    features: pd.DataFrame
    record: pd.DataFrame
    """As ingested, every column."""
    columns: pd.DataFrame
    """Every preoperative column of the record, as numbers."""
    labels: pd.DataFrame
    split: pd.DataFrame
    flow: pd.DataFrame

    def asked(self, outcome: str) -> Files:
        """The cases that the outcome is one of."""
        rows = is_asked(self.cases, outcome).to_numpy()
        if rows.all():
            return self
        of_cases = ("cases", "features", "record", "columns", "labels", "split")
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in of_cases})


@dataclass(frozen=True)
class Appraised:
    """What was found of one outcome."""

    data: Development
    predictors: list[Predictor]
    capacity: Capacity
    spent: dict[str, Spending]
    verdict: Verdict
    shadow: Shadow
    permuted: dict[str, Estimate]


def read_files() -> Files:
    cases = read_cases(paths.COHORT_CASES)
    record = read_cases(paths.INGESTED_CASES).loc[cases.index]
    return Files(
        cases=cases,
        features=read_cases(paths.FEATURES),
        record=record,
        columns=shadow_columns(record),
        labels=read_cases(paths.OUTCOMES),
        split=read_cases(paths.SPLIT),
        flow=read_table(paths.FLOW),
    )


def facts_of(files: Files, found: Appraised, params: Params, outcome: str) -> Facts:
    """What the signalling questions are answered from, for one outcome, of the cases that it is asked of."""
    files = files.asked(outcome)
    rules = knowledge_table("outcomes").query("outcome == @outcome")
    unknown = files.labels[outcome].isna()
    is_development = files.split["set"] == "development"
    centres = left_out_together(files.cases["centre_id"], params.validate.clusters, params.validate.seed)
    by_centre = unknown[is_development].groupby(centres[is_development]).mean()
    blanks = found.data.X.isna()
    blanks_by_centre = blanks.groupby(centres.loc[blanks.index]).mean()
    named = [load_dictionary()[p.name] for p in found.predictors if p.name in load_dictionary()]
    included = files.flow.query("step != 'cases' and not step.str.startswith('outcome')")["remaining"]
    return Facts(
        provenance=provenance(files.cases),
        records=int(files.flow.query("step == 'cases'")["remaining"].iloc[0]),
        included=int(included.iloc[-1]) if len(included) else len(files.cases),
        predictors=found.predictors,
        known_later=[variable.name for variable in named if variable.known != "preoperative"],
        blank_share=blanks.mean().to_dict(),
        blank_spread=(blanks_by_centre.max() - blanks_by_centre.min()).to_dict() if len(blanks_by_centre) > 1 else {},
        shadow=found.shadow.auroc,
        leak_alarm=params.train.leak_alarm_auroc,
        label=outcome_label(outcome),
        kinds=list(dict.fromkeys(rules["kind"])),
        rules=rules["rule"].add(rules["instrument"]).nunique(),
        statuses=list(dict.fromkeys(rules["status"])),
        baselines=[str(rule.baseline) for rule in rules.itertuples() if rule.kind in CHANGES],
        horizon_months=horizon_months(outcome),
        answered_on_time=answered_on_time(files.record, horizon_months(outcome), "event" in set(rules["kind"])),
        unknown_share=unknown_share(unknown, files.split["set"]),
        unknown_by_centre=(float(by_centre.min()), float(by_centre.max())),
        response=response(files, params, outcome),
        is_weighted_for_censoring=f"{outcome}_days" in files.labels.columns,
        capacity=found.capacity,
        verdict=found.verdict,
        permuted=found.permuted,
        shared_patients=shared_patients(files.split),
        test_sets={
            name: test_set(files, found.capacity, name, params, outcome) for name in sets_with_cases(files.split["set"])
        },
        thresholds=params.evaluate.thresholds,
    )


def unknown_share(is_unknown: pd.Series, sets: pd.Series) -> float:
    """Share of the cases that teach or judge without a known outcome.

    Of the withheld, the latest have a horizon that is not over: their outcome is not lost, and they do not count.
    """
    return float(is_unknown[sets.isin(["development", *TEST_SETS])].mean())


def answered_on_time(record: pd.DataFrame, horizon: int, is_event: bool) -> float | None:
    """Share of answers within a quarter of the horizon, from the operation or (if it has no date) the decision."""
    if is_event or "followup_date" not in record.columns:
        return None
    start = record["index_date"]
    if "operation_date" in record.columns:
        start = record["operation_date"].fillna(start)
    months = (record["followup_date"] - start).dt.days.dropna() / DAYS_PER_MONTH
    return float(((months - horizon).abs() <= horizon / 4).mean()) if len(months) else None


def response(files: Files, params: Params, outcome: str) -> Estimate:
    """AUROC with which the essential preoperative columns tell whose outcome is known, in development."""
    is_development = files.split["set"] == "development"
    is_known = files.labels.loc[is_development, outcome].notna().to_numpy(dtype=np.float64)
    if f"{outcome}_days" in files.labels.columns:
        return not_estimable("censoring is weighted for")
    essential = [variable.name for variable in load_dictionary().essential if variable.name in files.columns.columns]
    columns = files.columns.loc[is_development, essential]
    folds = files.split.loc[is_development, "fold"].to_numpy()
    fewest = pd.Series(is_known).groupby(folds).agg(lambda known: min(known.sum(), len(known) - known.sum())).min()
    if fewest < 1:
        return not_estimable("in some fold all outcomes are known, or none")
    return shadow_model(columns, is_known, folds, seed=params.appraise.seed, what=f"{outcome}: who answered").auroc


def shared_patients(split: pd.DataFrame) -> int:
    """Development cases whose patient is in a test set too."""
    tested = split.loc[split["set"].isin(TEST_SETS), "patient_id"]
    return int(split.loc[split["set"] == "development", "patient_id"].isin(tested).sum())


def test_set(files: Files, found: Capacity, name: str, params: Params, outcome: str) -> HeldOut:
    """A test set's cases against Riley's criteria, at the prevalence of development."""
    labels = files.labels.loc[files.split["set"] == name, outcome]
    cases, events = int(labels.notna().sum()), int(labels.sum())
    can_tell = 0 < events < cases
    return HeldOut(
        cases=cases,
        events=events,
        unknown_share=float(labels.isna().mean()) if len(labels) else 1.0,
        needed=validation_size(found, params, outcome).n_cases if can_tell else None,
        slope_width=expected_widths(cases, found, params, outcome).calibration_slope if can_tell else None,
    )


def validation_size(found: Capacity, params: Params, outcome: str) -> ValidationSize:
    threshold = params.evaluate.main_threshold[outcome]
    return riley_validation_size(found.prevalence, found.c_statistic, threshold=threshold)


def expected_widths(cases: int, found: Capacity, params: Params, outcome: str) -> ValidationPrecision:
    threshold = params.evaluate.main_threshold[outcome]
    return validation_precision(cases, found.prevalence, found.c_statistic, threshold=threshold)


def sample_sizes(found: Appraised, facts: Facts, params: Params, outcome: str) -> list[dict[str, Any]]:
    """One row a criterion: development by Riley's three, each test set by what is to be known; `all` is the largest.

    `interval_width` is what the cases of a test set will give; blank where nothing can be told.
    """
    size = found.capacity
    used = n_parameters(found.predictors)
    about = {"outcome": outcome, "anticipated_c_statistic": size.c_statistic, "prevalence": round(size.prevalence, 4)}
    of_development = {
        "set": "development",
        "candidate_parameters": size.declared,
        "parameters_carried": size.carried,
        "parameters_used": used,
        "cases_with_outcome_known": size.cases,
        "events": int(found.data.y.sum()),
    }
    rows = [
        {**about, **of_development, "criterion": name, "needed_cases": needed, "is_enough": size.cases >= needed}
        for name, needed in {**size.needed._asdict(), "all": size.needed.n_cases}.items()
    ]
    for name, held in facts.test_sets.items():
        of_set = {**about, "set": name, "cases_with_outcome_known": held.cases, "events": held.events}
        rows += [{**of_set, **row} for row in validation_rows(held, size, params, outcome)]
    return rows


def validation_rows(held: HeldOut, size: Capacity, params: Params, outcome: str) -> list[dict[str, Any]]:
    needed = validation_size(size, params, outcome)
    widths = expected_widths(held.cases, size, params, outcome)._asdict() if held.needed is not None else {}
    rows = []
    for name, cases in {**needed._asdict(), "all": needed.n_cases}.items():
        width = widths.get(name)
        rows.append(
            {
                "criterion": name,
                "needed_cases": cases,
                "is_enough": held.cases >= cases,
                "interval_width": None if width is None else round(width, 4),
            }
        )
    return rows
