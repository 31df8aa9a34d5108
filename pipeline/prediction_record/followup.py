"""What became of the cases: outcomes attached to the predictions that were made of them.

The baseline is what the prediction was made from, unless the file says better; the labels are those of
`features.outcomes`, as the models learned them. The ranked causes of a failed operation have one label, the
cause that was adjudicated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.errors import ColumnsError
from features.outcomes import OutcomeParams, outcome_labels
from features.record import Problem, date_problems, refuse_problems, typed_cases, wrong_columns
from features.table_check import schema_problems
from pipeline.intake import FIRST_ROW, Reading, named_file, placed
from pipeline.prediction_record.reading import Reader, open_record
from pipeline.prediction_record.store import Record
from pipeline.sources.records import input_sha256, read_records

EVENTS = ("reoperation_date", "death_date", "last_contact_date")
ADJUDICATED = "adjudicated_cause"
REPORTED = ("odi_12m", "global_assessment_leg_12m", "global_assessment_back_12m")
OUTCOMES_BY = (*REPORTED, *EVENTS)
TELLING = (*OUTCOMES_BY, ADJUDICATED)
"""What says something of what became of a case."""
Labels = dict[str, int | str | None]
"""By outcome 1 where it happened, 0 where not, None where that is not known; or the cause as it was adjudicated."""
LABELLED_BY = ("index_date", "diagnosis", "odi", *TELLING)
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


def read_follow_up(path: Path, today: dt.date, **reading: Unpack[Reading]) -> pd.DataFrame:
    """The cases of a follow-up file, `case_id` as index: any columns of the dictionary with some of follow-up.

    Raises
    ------
    BackcastError
        With every problem of the file.
    """
    text = read_records(path, named_file(path, **reading))
    problems = wrong_columns(text.columns, "adjudication", required=("case_id",)) + _says_nothing(text)
    cases, unreadable = typed_cases(text, FIRST_ROW)
    problems += unreadable + schema_problems(cases, "adjudication", FIRST_ROW) + date_problems(cases, today, FIRST_ROW)
    refuse_problems(str(path), placed(problems, text.index))
    return cases.set_index("case_id")


def _says_nothing(text: pd.DataFrame) -> list[Problem]:
    if set(TELLING) & set(text.columns):
        return []
    what = "and every other variable of the outcome is missing"
    return [Problem(ColumnsError, "missing_column", REPORTED[0], what, f"Add some of {', '.join(TELLING)}.")]


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
        latest = {prediction_id: _latest(reader, prediction_id) for prediction_id in found.index}
    saids = {
        prediction_id: _added(latest[prediction_id], said)
        for prediction_id, said in _said(found[found["is_told"]], params).items()
    }
    silent = [_tells(latest[prediction_id]) for prediction_id in found.index[~found["is_told"]]]
    new, unchanged, not_known = {}, sum(silent), silent.count(False)
    for prediction_id, said in saids.items():
        before, tells = latest[prediction_id], _tells(said)
        not_known += not tells and not _tells(before)
        unchanged += tells and before == said
        if before != said and (before or tells or said["days"]):
            new[prediction_id] = {**said, "source_sha256": source_sha256}
    record.attach_outcomes(new)
    told = [prediction_id for prediction_id in new if _tells(saids[prediction_id]) or _tells(latest[prediction_id])]
    return Attached(
        cases=len(follow_up),
        unmatched=len(follow_up) - found["case_id"].nunique(),
        attached=len(told),
        corrected=sum(_tells(latest[prediction_id]) for prediction_id in told),
        unchanged=unchanged,
        not_known=not_known,
    )


class Said(TypedDict):
    """What a follow-up says of one prediction."""

    labels: Labels
    days: dict[str, int]
    """Of an outcome in time: days to the event, or to the last contact where there was none."""


def _said(found: pd.DataFrame, params: Mapping[str, OutcomeParams]) -> dict[str, Said]:
    """What is said of each prediction, in the order of the table."""
    planned, failed = found[~found["is_workup"]], found[found["is_workup"]]
    said: dict[str, Said] = {
        str(prediction_id): {"labels": {ADJUDICATED: cause if isinstance(cause, str) else None}, "days": {}}
        for prediction_id, cause in failed[ADJUDICATED].items()
    }
    for prediction_id, row in (outcome_labels(planned, params) if len(planned) else planned).iterrows():
        days = {name: row.get(f"{name}_days", np.nan) for name in params}
        said[str(prediction_id)] = {
            "labels": {name: None if np.isnan(row[name]) else int(row[name]) for name in params},
            "days": {name: int(day) for name, day in days.items() if not np.isnan(day)},
        }
    return {prediction_id: said[prediction_id] for prediction_id in found.index}


def _added(before: Said | None, said: Said) -> Said:
    """What is known with both: a file that is silent on an outcome takes nothing back that an earlier one told."""
    if before is None:
        return said
    told = {name: label for name, label in said["labels"].items() if label is not None}
    labels = dict.fromkeys(said["labels"]) | before["labels"] | told
    return {"labels": labels, "days": before["days"] | said["days"]}


def _tells(said: Said | None) -> bool:
    """Whether an outcome is known; of one in time it may be known for how long it was not seen to happen."""
    return said is not None and set(said["labels"].values()) != {None}


def attach_file(record: Record, path: Path, follow_up: pd.DataFrame, params: Mapping[str, OutcomeParams]) -> Attached:
    return attach_follow_up(record, follow_up, params, input_sha256(path, follow_up))


def _predictions(record: Record, reader: Reader, follow_up: pd.DataFrame) -> pd.DataFrame:
    """A row a prediction of the cases, with what a label is made from; `prediction_id` is the index.

    `is_told` where the follow-up says anything of its label; where not, what was attached before stays.
    """
    rows: list[dict[str, Any]] = []
    for case_id, said in follow_up.iterrows():
        for prediction_id in reader.predictions_with("case", record.pseudonym("case_id", case_id)):
            made = reader.entries_of(prediction_id)[0]
            baseline = made.content["inputs"] if made.content else {}
            known = {name: said[name] for name in LABELLED_BY if name in said.index and pd.notna(said[name])}
            day = pd.Timestamp(made.entry.made_at).tz_convert(None).normalize()
            own = {"prediction_id": prediction_id, "case_id": case_id, "is_workup": made.is_workup}
            own["is_told"] = bool(known.keys() & ({ADJUDICATED} if made.is_workup else set(OUTCOMES_BY)))
            rows.append({**own, "index_date": day, **_of(baseline), **known})
    table = pd.DataFrame(rows, columns=["prediction_id", "case_id", "is_workup", "is_told", *LABELLED_BY])
    return _typed(table.astype({"is_workup": bool, "is_told": bool}).set_index("prediction_id"))


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


def _latest(reader: Reader, prediction_id: str) -> Said | None:
    said = [kept.content for kept in reader.entries_of(prediction_id) if kept.entry.kind == "outcome" and kept.content]
    return {"labels": said[-1]["labels"], "days": said[-1].get("days", {})} if said else None
