"""Cases as rows that REDCap imports: one a record, and one for each work-up as an instance of its instrument."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.errors import ValuesError
from features.record import Problem
from pipeline.redcap.columns import RECORD_ID
from pipeline.redcap.fields import Field, project_fields, repeating_instrument

INSTRUMENT, INSTANCE = "redcap_repeat_instrument", "redcap_repeat_instance"
"""The columns by which REDCap tells the rows of one record apart."""


def redcap_rows(cases: pd.DataFrame, later_work_ups: pd.DataFrame | None = None) -> pd.DataFrame:
    """The flat rows of an import: every field's column, raw codes, empty where nothing is recorded.

    Parameters
    ----------
    cases : DataFrame
        Typed cases with any of the dictionary's columns, `case_id` among them.
    later_work_ups : DataFrame, optional
        Further work-ups of these cases: `case_id` and follow-up columns, in the order in which they were made. That
        of `cases` is the first instance.

    Returns
    -------
    DataFrame of str
        A record's own row, then one a work-up in which anything is recorded.
    """
    work_ups = cases if later_work_ups is None else pd.concat([cases, later_work_ups], ignore_index=True)
    own = _columns_of(cases, is_repeated=False)
    found = _columns_of(work_ups, is_repeated=True)
    found = found[(found.drop(columns=RECORD_ID) != "").any(axis=1)]
    found[INSTRUMENT] = repeating_instrument()
    found[INSTANCE] = (found.groupby(RECORD_ID).cumcount() + 1).astype(str)
    rows = pd.concat([own, found], ignore_index=True).fillna("")
    order = {case: place for place, case in enumerate(own[RECORD_ID])}
    rows = rows.iloc[np.argsort(rows[RECORD_ID].map(order).to_numpy(), kind="stable")]
    names = [name for field in project_fields() for name in field.columns if name in rows.columns]
    return rows[[RECORD_ID, INSTRUMENT, INSTANCE, *names[1:]]].reset_index(drop=True)


def unwritable(cases: pd.DataFrame, first_row: int = 1) -> list[Problem]:
    """What boxes cannot say: that nothing was ticked on purpose. Reading it again would make it missing."""
    boxes = [v.name for f in project_fields() if f.kind == "checkbox" for v in f.variables if v.name in cases.columns]
    if not boxes:
        return []
    values = cases[boxes].to_numpy(dtype=np.float64)
    said = ~np.isnan(values).all(axis=1) & ~(values == 1).any(axis=1)
    rows = tuple((np.flatnonzero(said) + first_row).tolist())
    what = "and all of its kind are 0 or empty, which empty boxes cannot say"
    return [
        Problem(ValuesError, "nothing_ticked", boxes[0], what, "Say what is planned, or leave all empty.", rows)
    ] * (1 if rows else 0)


def _columns_of(cases: pd.DataFrame, *, is_repeated: bool) -> pd.DataFrame:
    columns = {RECORD_ID: cases[RECORD_ID].astype(str)}
    for field in project_fields():
        if (field.instrument == repeating_instrument()) == is_repeated:
            columns |= _texts(field, cases)
    columns = {INSTRUMENT: "", INSTANCE: "", **columns}
    return pd.DataFrame(columns, index=cases.index).astype(object)


def _texts(field: Field, cases: pd.DataFrame) -> dict[str, pd.Series]:
    pairs = zip(field.columns, field.variables, strict=True)
    return {column: _text(cases[v.name], v.type) for column, v in pairs if v.name in cases.columns}


def _text(values: pd.Series, type_: str) -> pd.Series:
    if type_ == "date":
        return pd.to_datetime(values).dt.strftime("%Y-%m-%d").astype(object).fillna("")
    if type_ in ("identifier", "choice"):
        return values.astype(object).fillna("").astype(str)
    numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    written = {n: number_text(n) for n in np.unique(numbers[~np.isnan(numbers)])}
    return pd.Series([written.get(n, "") for n in numbers], index=values.index, dtype=object)


def number_text(number: float) -> str:
    """The shortest decimal that is this number again when read, without an exponent.

    >>> number_text(56.0), number_text(0.1), number_text(-12.25)
    ('56', '0.1', '-12.25')
    """
    return np.format_float_positional(number, trim="-")
