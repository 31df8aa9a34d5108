"""What became of a case: one outcome a rule, from `outcomes.csv`; a label never mixes kinds.

An outcome that is not known is missing, never imputed: lost to follow-up, dead, or (for a percentage)
without a baseline from which it could fall.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.errors import KnowledgeError, ParamsError
from features.knowledge_tables import knowledge_table, refuse_duplicates

Meaning = Literal["failed", "as_reported", "unknown"]
MEANINGS = ("failed", "as_reported", "unknown")
DAYS_PER_MONTH = 365.25 / 12
CHANGES = ("percent_change", "change")
"""Kinds that compare what is reported with the baseline."""
OF_SOME = "="
"""A rule for the cases of which a variable has one value is written `variable=value`."""


@dataclass(frozen=True, kw_only=True)
class OutcomeParams:
    """What an event before the horizon means for one outcome.

    `reoperation` and `death` are `failed` (the outcome happened), `as_reported` (whatever the
    questionnaire says) or `unknown`. A case whose baseline lies below `baseline_floor` cannot fall by a
    percentage in earnest, and one whose baseline lies above `baseline_ceiling` cannot rise by what is asked;
    its outcome is unknown.
    """

    reoperation: Meaning = "as_reported"
    death: Meaning = "unknown"
    baseline_floor: float = 0.0
    baseline_ceiling: float | None = None

    def __post_init__(self) -> None:
        if not self.baseline_floor >= 0:
            raise ParamsError(
                f"params.yaml: cohort.outcomes: baseline_floor must be at least 0, got {self.baseline_floor}."
            )
        if self.baseline_ceiling is not None and not self.baseline_ceiling > self.baseline_floor:
            raise ParamsError(
                f"params.yaml: cohort.outcomes: baseline_ceiling must lie above baseline_floor, got "
                f"{self.baseline_ceiling}."
            )
        for name in ("reoperation", "death"):
            if getattr(self, name) not in MEANINGS:
                raise ParamsError(
                    f"params.yaml: cohort.outcomes: {name} must be one of {', '.join(MEANINGS)}, "
                    f"got {getattr(self, name)}."
                )


def outcome_names() -> tuple[str, ...]:
    """Every outcome of the table, in its order."""
    return tuple(dict.fromkeys(_table()["outcome"]))


def outcome_label(outcome: str) -> str:
    """What the outcome means, in words; where it differs by diagnosis, all of them."""
    return "; ".join(dict.fromkeys(_table().query("outcome == @outcome")["label"]))


def is_in_time(outcome: str) -> bool:
    """Whether it is an event that may come at any day, so that a case watched too briefly hides it; others are not."""
    return bool((_table().query("outcome == @outcome")["kind"] == "event").any())


def horizon_months(outcome: str) -> int:
    return int(_table().query("outcome == @outcome")["horizon_months"].iloc[0])


def reported_variables() -> tuple[str, ...]:
    """The variables in which outcomes are reported; a case with any of them was not lost to follow-up."""
    return tuple(dict.fromkeys(_table()["reported"].dropna()))


def baseline_scores() -> tuple[str, ...]:
    """The variables before the operation that a reported outcome is compared with."""
    return tuple(dict.fromkeys(_table()["baseline"].dropna()))


def is_asked(cases: pd.DataFrame, outcome: str) -> pd.Series:
    """Whether the outcome is one of that case: False where all its rules are for others (`variable=value`).

    A rule for each diagnosis is no such thing: the outcome is then one of every case.
    """
    rules = _table().query("outcome == @outcome")
    if not rules["diagnosis"].str.contains(OF_SOME).all():
        return pd.Series(True, index=cases.index)
    asked = [_applies(cases, rule) for rule in rules.to_dict("records")]
    return pd.concat(asked, axis=1).any(axis=1)


def has_reachable_baseline(cases: pd.DataFrame, outcome: str, choice: OutcomeParams) -> pd.Series:
    """Whether no baseline that is recorded lies below the floor or above the ceiling of the outcome."""
    reachable = pd.Series(True, index=cases.index)
    for rule in _table().query("outcome == @outcome").to_dict("records"):
        if rule["kind"] in CHANGES:
            is_recorded = cases[rule["baseline"]].notna()
            reachable &= ~(_applies(cases, rule) & is_recorded & _baseline(cases, rule, choice).isna())
    return reachable


def _table() -> pd.DataFrame:
    table = knowledge_table("outcomes")
    refuse_duplicates(table, "outcomes", ["outcome", "diagnosis"])
    mixed = table.groupby("outcome")["kind"].nunique()
    if (mixed > 1).any():
        raise KnowledgeError(f"outcomes.csv: {mixed.idxmax()} mixes kinds; one outcome has one kind.")
    return table


def outcome_labels(cases: pd.DataFrame, params: Mapping[str, OutcomeParams]) -> pd.DataFrame:
    """Each outcome of each case: 1 it happened, 0 it did not, NaN not known.

    Parameters
    ----------
    cases : DataFrame
        Whole records, follow-up included, dates as datetimes, `case_id` as index.
    params : mapping of outcome to OutcomeParams
        The outcomes wanted, and what a reoperation or a death before the horizon means for each.

    Returns
    -------
    DataFrame
        One float column an outcome. Events in time come with `<outcome>_days`, the days to the event or
        to the end of observation, whatever the horizon.
    """
    return pd.concat([_labels(cases, outcome, choice) for outcome, choice in params.items()], axis=1)


def _labels(cases: pd.DataFrame, outcome: str, choice: OutcomeParams) -> pd.DataFrame:
    rules = _table().query("outcome == @outcome")
    if rules["kind"].iloc[0] == "event":
        return _event_labels(cases, outcome, rules["cutoff"].iloc[0] * DAYS_PER_MONTH)
    label = pd.Series(np.nan, index=cases.index, name=outcome)
    for rule in rules.to_dict("records"):
        label = label.mask(_applies(cases, rule), _reported_label(cases, rule, choice))
    decided = _decided(cases, rules, choice)
    return label.mask(decided == "failed", 1.0).mask(decided == "unknown").to_frame()


def label_columns(outcome: str, choice: OutcomeParams) -> tuple[str, ...]:
    """Columns of a record that the label is made from; without one of them no case is labelled as it is meant.

    Examples
    --------
    >>> label_columns("failure_12m", OutcomeParams(reoperation="failed", death="as_reported"))
    ('odi', 'odi_12m', 'index_date', 'reoperation_date')
    """
    rules = _table().query("outcome == @outcome")
    if is_in_time(outcome):
        return ("index_date", "reoperation_date", "last_contact_date")
    changes, some = rules[rules["kind"].isin(CHANGES)], rules[rules["diagnosis"] != "all"]
    events = {"death_date": choice.death, "reoperation_date": choice.reoperation}
    deciding = [name for name, meaning in events.items() if meaning != "as_reported"]
    names = [
        *changes["baseline"],
        *rules["reported"],
        *(diagnosis.rpartition(OF_SOME)[0] or "diagnosis" for diagnosis in some["diagnosis"]),
        *(["index_date", *deciding] if deciding else []),
    ]
    return tuple(dict.fromkeys(names))


def is_defined(cases: pd.DataFrame, outcome: str, choice: OutcomeParams) -> pd.Series:
    """Whether a case's report could tell the outcome: a percentage needs a baseline, at the floor, to fall from.

    A case whose outcome is defined and not known was lost to follow-up; one in which it is not defined was not.
    """
    defined = pd.Series(True, index=cases.index)
    for rule in _table().query("outcome == @outcome").to_dict("records"):
        if rule["kind"] in CHANGES:
            defined &= ~_applies(cases, rule) | _baseline(cases, rule, choice).notna()
    return defined & is_asked(cases, outcome)


def failed_by_event(cases: pd.DataFrame, outcome: str, choice: OutcomeParams) -> pd.Series:
    """Whether a death or a reoperation before the horizon made the outcome happen, whatever was reported.

    Parameters
    ----------
    cases : DataFrame
        With `index_date`, `death_date` and `reoperation_date`.
    """
    rules = _table().query("outcome == @outcome")
    if rules["kind"].iloc[0] == "event":
        return pd.Series(False, index=cases.index)
    return _decided(cases, rules, choice) == "failed"


def _decided(cases: pd.DataFrame, rules: pd.DataFrame, choice: OutcomeParams) -> pd.Series:
    """What an event before the horizon makes of each case: `failed`, `unknown`, or `as_reported`."""
    horizon = rules["horizon_months"].iloc[0] * DAYS_PER_MONTH
    decided = pd.Series("as_reported", index=cases.index)
    # A rescued operation failed, whatever came after: the reoperation has the last word.
    for event, meaning in (("death_date", choice.death), ("reoperation_date", choice.reoperation)):
        if meaning != "as_reported" and event in cases.columns:
            happened = (cases[event] - cases["index_date"]).dt.days <= horizon
            decided = decided.mask(happened, meaning)
    return decided


def _applies(cases: pd.DataFrame, rule: dict) -> pd.Series:
    if rule["diagnosis"] == "all":
        return pd.Series(True, index=cases.index)
    variable, _, value = rule["diagnosis"].rpartition(OF_SOME)
    return cases[variable or "diagnosis"] == value


def _baseline(cases: pd.DataFrame, rule: dict, choice: OutcomeParams) -> pd.Series:
    baseline = cases[rule["baseline"]].astype(float)
    least = max(choice.baseline_floor, 1e-9) if rule["kind"] == "percent_change" else choice.baseline_floor
    most = math.inf if choice.baseline_ceiling is None else choice.baseline_ceiling
    return baseline.where(baseline.between(least, most))


def _reported_label(cases: pd.DataFrame, rule: dict, choice: OutcomeParams) -> pd.Series:
    reported = cases[rule["reported"]].astype(float)
    if rule["kind"] not in CHANGES:
        return (reported > rule["cutoff"]).astype(float).where(reported.notna())
    baseline = _baseline(cases, rule, choice)
    change = reported - baseline if rule["rule"] == "rose_less_than" else baseline - reported
    if rule["kind"] == "percent_change":
        change = change / baseline * 100
    # An exact 30 % must not fail for want of the last bit.
    return (change < rule["cutoff"] - 1e-9).astype(float).where(change.notna())


def _event_labels(cases: pd.DataFrame, outcome: str, horizon_days: float) -> pd.DataFrame:
    to_event = (cases["reoperation_date"] - cases["index_date"]).dt.days
    observed = (cases["last_contact_date"] - cases["index_date"]).dt.days
    days = to_event.fillna(observed).astype(float)
    label = pd.Series(np.nan, index=cases.index, name=outcome)
    label = label.mask(days >= horizon_days, 0.0).mask(to_event <= horizon_days, 1.0)
    return pd.DataFrame({outcome: label, f"{outcome}_days": days})
