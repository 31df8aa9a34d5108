"""What became of cases, as JSON: checked like a follow-up file, and attached to their predictions."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.outcomes import OutcomeParams
from features.record import date_problems
from pipeline.prediction_record.followup import TELLING, Attached, attach_follow_up
from pipeline.prediction_record.store import Record
from pipeline.service.problems import Mistake, invalid


def attached(
    record: Record, cases: Sequence[Mapping[str, Any]], params: Mapping[str, OutcomeParams], source_sha256: str
) -> Attached:
    """Attach what became of checked cases to their predictions.

    Raises
    ------
    ProblemError
        For a case without `case_id` or given twice, one that says nothing of an outcome, and days in an
        impossible order.
    """
    table = pd.DataFrame({name: _column(name, cases) for name in dict.fromkeys(n for case in cases for n in case)})
    mistakes = _mistakes(cases) + _date_mistakes(table)
    if mistakes:
        raise invalid(mistakes)
    return attach_follow_up(record, table.set_index("case_id"), params, source_sha256)


def _column(name: str, cases: Sequence[Mapping[str, Any]]) -> pd.Series:
    values = [case.get(name) for case in cases]
    variable = load_dictionary()[name]
    if variable.is_numeric:
        return pd.Series(values, dtype=np.float64)
    return pd.to_datetime(pd.Series(values)) if variable.type == "date" else pd.Series(values, dtype=object)


def _mistakes(cases: Sequence[Mapping[str, Any]]) -> list[Mistake]:
    counts = Counter(case.get("case_id") for case in cases)
    mistakes = []
    for place, case in enumerate(cases):
        at = f"#/{place}"
        if "case_id" not in case:
            what = "case_id is missing: it says to which predictions this belongs."
            mistakes.append(Mistake(pointer=at, name="case_id", rule="missing_column", detail=what))
        elif counts[case["case_id"]] > 1:
            what = "case_id stands more than once. Send each case once."
            mistakes.append(Mistake(pointer=f"{at}/case_id", name="case_id", rule="duplicate_id", detail=what))
        if not case.keys() & set(TELLING):
            what = f"Nothing says what became of the case. Send some of {', '.join(TELLING)}."
            mistakes.append(Mistake(pointer=at, name=None, rule="missing_column", detail=what))
    return mistakes


def _date_mistakes(table: pd.DataFrame) -> list[Mistake]:
    return [
        Mistake(
            pointer=f"#/{row}/{problem.column}",
            name=problem.column,
            label=load_dictionary()[problem.column].label,
            rule=problem.rule,
            detail=f"{problem.column} {problem.what}. {problem.to_do}",
        )
        for problem in date_problems(table, dt.date.today(), first_row=0)
        for row in problem.rows
    ]
