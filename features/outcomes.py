"""What became of a case: one outcome a rule, from `outcomes.csv`; a label never mixes kinds.

An outcome that is not known is missing, never imputed: lost to follow-up, dead, or (for a percentage)
without a baseline from which it could fall.
"""

from __future__ import annotations

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
BASELINE = {"odi": "odi"}
"""The baseline of an instrument that is compared with one."""
REPORTED = {
    "odi": "odi_12m",
    "global_assessment_leg": "global_assessment_leg_12m",
    "global_assessment_back": "global_assessment_back_12m",
}
"""The variable in which an instrument is reported at follow-up."""


@dataclass(frozen=True, kw_only=True)
class OutcomeParams:
    """What an event before the horizon means for one outcome.

    `reoperation` and `death` are `failed` (the outcome happened), `as_reported` (whatever the
    questionnaire says) or `unknown`. A case whose baseline lies below `baseline_floor` cannot fall by a
    percentage in earnest; its outcome is unknown.
    """

    reoperation: Meaning = "as_reported"
    death: Meaning = "unknown"
    baseline_floor: float = 0.0

    def __post_init__(self) -> None:
        if not self.baseline_floor >= 0:
            raise ParamsError(
                f"params.yaml: cohort.outcomes: baseline_floor must be at least 0, got {self.baseline_floor}."
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
        label = label.mask(_applies(cases, rule), _reported_label(cases, rule, choice.baseline_floor))
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
    changes = rules[rules["kind"] == "percent_change"]
    events = {"death_date": choice.death, "reoperation_date": choice.reoperation}
    deciding = [name for name, meaning in events.items() if meaning != "as_reported"]
    names = [
        *(BASELINE[instrument] for instrument in changes["instrument"]),
        *(REPORTED[instrument] for instrument in rules["instrument"]),
        *(["diagnosis"] if (rules["diagnosis"] != "all").any() else []),
        *(["index_date", *deciding] if deciding else []),
    ]
    return tuple(dict.fromkeys(names))


def is_defined(cases: pd.DataFrame, outcome: str, choice: OutcomeParams) -> pd.Series:
    """Whether a case's report could tell the outcome: a percentage needs a baseline, at the floor, to fall from.

    A case whose outcome is defined and not known was lost to follow-up; one in which it is not defined was not.
    """
    defined = pd.Series(True, index=cases.index)
    for rule in _table().query("outcome == @outcome").to_dict("records"):
        if rule["kind"] == "percent_change":
            defined &= ~_applies(cases, rule) | _baseline(cases, rule, choice.baseline_floor).notna()
    return defined


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
        happened = (cases[event] - cases["index_date"]).dt.days <= horizon
        if meaning != "as_reported":
            decided = decided.mask(happened, meaning)
    return decided


def _applies(cases: pd.DataFrame, rule: dict) -> pd.Series:
    if rule["diagnosis"] == "all":
        return pd.Series(True, index=cases.index)
    return cases["diagnosis"] == rule["diagnosis"]


def _baseline(cases: pd.DataFrame, rule: dict, baseline_floor: float) -> pd.Series:
    baseline = cases[BASELINE[rule["instrument"]]].astype(float)
    return baseline.where(baseline >= max(baseline_floor, 1e-9))


def _reported_label(cases: pd.DataFrame, rule: dict, baseline_floor: float) -> pd.Series:
    reported = cases[REPORTED[rule["instrument"]]].astype(float)
    if rule["kind"] == "percent_change":
        baseline = _baseline(cases, rule, baseline_floor)
        fall = (baseline - reported) / baseline * 100
        # An exact 30 % must not fail for want of the last bit.
        return (fall < rule["cutoff"] - 1e-9).astype(float).where(fall.notna())
    return (reported > rule["cutoff"]).astype(float).where(reported.notna())


def _event_labels(cases: pd.DataFrame, outcome: str, horizon_days: float) -> pd.DataFrame:
    to_event = (cases["reoperation_date"] - cases["index_date"]).dt.days
    observed = (cases["last_contact_date"] - cases["index_date"]).dt.days
    days = to_event.fillna(observed).astype(float)
    label = pd.Series(np.nan, index=cases.index, name=outcome)
    label = label.mask(days >= horizon_days, 0.0).mask(to_event <= horizon_days, 1.0)
    return pd.DataFrame({outcome: label, f"{outcome}_days": days})
