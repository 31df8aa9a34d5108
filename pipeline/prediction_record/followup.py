"""What became of the cases: outcomes attached to the predictions that were made of them.

The baseline is what the prediction was made from, unless the file says better; the labels are those of
`features.outcomes`, as the models learned them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.errors import ColumnsError
from features.outcomes import REPORTED, OutcomeParams, outcome_labels
from features.record import Problem, date_problems, refuse_problems, typed_cases, wrong_columns
from features.table_check import schema_problems
from pipeline.files import read_records
from pipeline.intake import FIRST_ROW
from pipeline.prediction_record.reading import Reader, open_record
from pipeline.prediction_record.store import Record

EVENTS = ("reoperation_date", "death_date", "last_contact_date")
LABELLED_BY = ("index_date", "diagnosis", "odi", *REPORTED.values(), *EVENTS)
"""What a label is made from; a column that is absent is not known."""


@dataclass(frozen=True)
class Attached:
    """What a follow-up file led to, in numbers of cases (`cases`, `unmatched`) and of predictions."""

    cases: int
    unmatched: int
    attached: int
    corrected: int
    unchanged: int
    not_known: int

    def __str__(self) -> str:
        parts = [
            f"{self.attached} predictions have an outcome now",
            f"{self.corrected} of them a corrected one, beside the earlier",
            f"{self.unchanged} had it already",
            f"{self.not_known} have none that is known yet",
            f"{self.unmatched} of {self.cases} cases have no prediction in the record",
        ]
        return "; ".join(parts) + "."


def read_follow_up(path: Path, *, encoding: str, separator: str, today: dt.date) -> pd.DataFrame:
    """The cases of a follow-up file, `case_id` as index: any columns of the dictionary with some of follow-up.

    Raises
    ------
    BackcastError
        With every problem of the file.
    """
    text = read_records(path, encoding, separator, ["", "NA"])
    problems = wrong_columns(text.columns, "follow_up", required=("case_id",)) + _says_nothing(text)
    cases, unreadable = typed_cases(text, FIRST_ROW)
    problems += unreadable + schema_problems(cases, "follow_up", FIRST_ROW) + date_problems(cases, today, FIRST_ROW)
    refuse_problems(str(path), problems)
    return cases.set_index("case_id")


def _says_nothing(text: pd.DataFrame) -> list[Problem]:
    telling = [*REPORTED.values(), *EVENTS]
    if set(telling) & set(text.columns):
        return []
    what = "and every other variable of the outcome is missing"
    return [Problem(ColumnsError, "missing_column", REPORTED["odi"], what, f"Add some of {', '.join(telling)}.")]


def attach_follow_up(
    record: Record, follow_up: pd.DataFrame, params: Mapping[str, OutcomeParams], source_sha256: str
) -> Attached:
    """Attach the outcomes of cases to all predictions of each; a correction is an entry more.

    Parameters
    ----------
    record : Record
    follow_up : DataFrame
        Typed cases, `case_id` as index.
    params : mapping of outcome to OutcomeParams
        `cohort.outcomes` of `params.yaml`: what a reoperation or a death before the horizon means.
    source_sha256 : str
        Hash of the file that said so.
    """
    with open_record(record.path) as reader:
        found = _predictions(record, reader, follow_up)
        labels = outcome_labels(found, params) if len(found) else pd.DataFrame(columns=list(params))
        latest = {prediction_id: _latest(reader, prediction_id) for prediction_id in found.index}
    new, unchanged, not_known = {}, 0, 0
    for prediction_id, row in labels.iterrows():
        said = {outcome: None if np.isnan(row[outcome]) else int(row[outcome]) for outcome in params}
        before = latest[prediction_id]
        if before == said:
            unchanged += 1
        elif before is None and set(said.values()) == {None}:
            not_known += 1
        else:
            new[str(prediction_id)] = {"labels": said, "source_sha256": source_sha256}
    record.attach_outcomes(new)
    return Attached(
        cases=len(follow_up),
        unmatched=len(follow_up) - found["case_id"].nunique(),
        attached=len(new),
        corrected=sum(latest[prediction_id] is not None for prediction_id in new),
        unchanged=unchanged,
        not_known=not_known,
    )


def attach_file(record: Record, path: Path, follow_up: pd.DataFrame, params: Mapping[str, OutcomeParams]) -> Attached:
    return attach_follow_up(record, follow_up, params, hashlib.sha256(path.read_bytes()).hexdigest())


def _predictions(record: Record, reader: Reader, follow_up: pd.DataFrame) -> pd.DataFrame:
    """A row a prediction of the cases, with what a label is made from; `prediction_id` is the index."""
    rows: list[dict[str, Any]] = []
    for case_id, said in follow_up.iterrows():
        for prediction_id in reader.predictions_with("case", record.pseudonym("case_id", case_id)):
            made = reader.entries_of(prediction_id)[0]
            baseline = made.content["inputs"] if made.content else {}
            known = {name: said[name] for name in LABELLED_BY if name in said.index and pd.notna(said[name])}
            day = pd.Timestamp(made.entry.made_at).tz_convert(None).normalize()
            rows.append(
                {"prediction_id": prediction_id, "case_id": case_id, "index_date": day, **_of(baseline), **known}
            )
    table = pd.DataFrame(rows, columns=["prediction_id", "case_id", *LABELLED_BY]).set_index("prediction_id")
    return _typed(table)


def _of(baseline: Mapping[str, Any]) -> dict[str, Any]:
    return {name: baseline[name] for name in LABELLED_BY if name in baseline}


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    typed = table.copy()
    for name in LABELLED_BY:
        variable = load_dictionary()[name]
        if variable.type == "date":
            typed[name] = pd.to_datetime(table[name])
        elif variable.is_numeric:
            typed[name] = pd.to_numeric(table[name]).astype(np.float64)
    return typed


def _latest(reader: Reader, prediction_id: str) -> dict[str, int | None] | None:
    said = [kept.content for kept in reader.entries_of(prediction_id) if kept.entry.kind == "outcome" and kept.content]
    return said[-1]["labels"] if said else None
