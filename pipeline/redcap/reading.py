"""A REDCap export read back into the dictionary's layout: one row a case, with one of its work-ups.

It takes what REDCap gives out: raw codes or labels, names or labels as headers, a column a box, events of a
longitudinal project, repeated instruments, codes for what is missing. Values are decoded and nothing else;
whether they are possible is asked by the check that every file goes through.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from features.dictionary import Known, Variable, load_dictionary
from features.errors import FileFormatError, ValuesError
from features.record import Problem, refuse_problems, required_columns
from pipeline.intake import checked_text
from pipeline.redcap.columns import RECORD_ID, Column, recognised
from pipeline.redcap.fields import code_text, missing_codes, project_fields, repeating_instrument
from pipeline.sources.delimited import decoded_text, separating_mark
from pipeline.sources.records import file_bytes

WORKUP_DATE = "workup_date"
TICKED, UNTICKED = ("1", "checked"), ("0", "unchecked")


@dataclass(frozen=True, kw_only=True)
class RedcapCases:
    """What an export holds, decoded and not yet judged.

    `own` has a row a case and `work_ups` one for each work-up, in the order of the export; both are text under the
    dictionary's names, indexed by `case_id`, None where nothing is recorded. `own_lines` and `work_up_lines` say on
    which line of the export each row stands. `left_out` are columns that are no field, `marked_missing` how many
    values held each missing-data code, `problems` what could not be decoded.
    """

    own: pd.DataFrame
    work_ups: pd.DataFrame
    own_lines: np.ndarray
    work_up_lines: np.ndarray
    left_out: tuple[str, ...]
    marked_missing: Mapping[str, int]
    problems: tuple[Problem, ...]


def read_export(path: Path, encoding: str, separator: str) -> tuple[pd.DataFrame, list[int]]:
    """A CSV as REDCap exports it: rows of text, and the line on which each begins.

    Notes of a project may hold line breaks, and its own columns may share a label, so that this is no file of records.

    Raises
    ------
    FileFormatError
        If it cannot be read as a table.
    """
    text = decoded_text(str(path), file_bytes(path, empty="It needs a header and records."), encoding)
    mark = separating_mark(str(path), separator)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    rows, lines, begins = [], [], 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error:
        raise FileFormatError(
            f"{path}: the value that begins on line {begins} does not end, or is too long. Close its quote."
        ) from None
    uneven = [line for row, line in zip(rows, lines, strict=True) if len(row) != len(rows[0])]
    if uneven:
        raise FileFormatError(
            f"{path}: {len(uneven)} rows do not have the {len(rows[0])} values that the header names "
            f"(first: line {uneven[0]}). Export it again."
        )
    if len(rows) < 2:
        raise FileFormatError(f"{path} has a header and no record.")
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=object), lines[1:]


def decoded(
    table: pd.DataFrame, lines: Sequence[int], source: str, codes: Mapping[str, str] | None = None
) -> RedcapCases:
    """The rows of a flat export in the dictionary's words.

    Parameters
    ----------
    table : DataFrame of str
        One row a line, under REDCap's headers.
    lines : sequence of int
        On which line of the export each row stands.
    source : str
        What the rows came from, for messages.
    codes : mapping, optional
        Missing-data codes of the project with their labels; those that REDCap suggests if none are named.

    Raises
    ------
    FileFormatError, ColumnsError, ValuesError
        As of `recognised`.
    """
    codes = missing_codes() if codes is None else codes
    columns, left_out = recognised(table.columns, codes, source)
    texts = {place: [str(cell).strip() for cell in table.iloc[:, place]] for place in columns}
    marked: Counter[str] = Counter()
    values = {c.name: _values(texts[p], c.name, codes, marked) for p, c in columns.items() if c.kind == "value"}
    boxes, unread = _boxes({column: texts[place] for place, column in columns.items()}, lines, codes, marked)
    cases = pd.DataFrame({**values, **boxes}, dtype=object)
    found_id = cases[RECORD_ID].notna().to_numpy()
    problems = [*unread, *_nameless(found_id, lines)]
    cases, at = cases[found_id], np.asarray(lines)[found_id]
    of_work_up = [name for name in cases if name in _work_up_names()]
    own, own_lines, conflicts = _own_rows(cases.drop(columns=of_work_up), at)
    has_work_up = cases[of_work_up].notna().any(axis=1).to_numpy()
    return RedcapCases(
        own=own,
        work_ups=cases[has_work_up].set_index(RECORD_ID)[of_work_up],
        own_lines=own_lines,
        work_up_lines=at[has_work_up],
        left_out=left_out,
        marked_missing={code: n for code, n in marked.items() if n},
        problems=(*problems, *conflicts),
    )


def checked_cases(found: RedcapCases, moment: Known, which: str | int, source: str, *, today: dt.date) -> pd.DataFrame:
    """One row a case as text, with what is known by that moment, checked like any other file.

    Parameters
    ----------
    moment : Known
        Variables known later are left out, as a prediction must not see them.
    which : "last", "first" or int
        The work-up of a case that has several: by its day, or by its place in the export, from 1. A case that has
        fewer goes without.

    Raises
    ------
    ColumnsError, ValuesError
        With every problem at once; rows are lines of the export.
    """
    place, problems = _chosen(found, which)
    is_worked_up = place >= 0
    work_ups = found.work_ups.iloc[place[is_worked_up]]
    cases = _with_work_ups(found.own, work_ups)
    cases = cases[[v.name for v in load_dictionary().known_by(moment) if v.name in cases]]
    _, wrong = checked_text(cases, moment, today=today, required=required_columns(moment))
    lines = found.own_lines.copy()
    lines[is_worked_up] = found.work_up_lines[place[is_worked_up]]
    in_export = [_at_lines(p, lines if p.column in _work_up_names() else found.own_lines) for p in wrong]
    refuse_problems(source, [*found.problems, *problems, *in_export])
    return cases


def _at_lines(problem: Problem, lines: np.ndarray) -> Problem:
    return replace(problem, rows=tuple(lines[list(problem.rows)].tolist()))


def _with_work_ups(own: pd.DataFrame, work_ups: pd.DataFrame) -> pd.DataFrame:
    """One row a case, `case_id` as a column, None where nothing is recorded."""
    both = pd.concat([own, work_ups], axis=1)
    values = both.to_numpy(dtype=object, copy=True)
    values[both.isna().to_numpy()] = None
    return pd.DataFrame(np.column_stack([both.index, values]), columns=[RECORD_ID, *both.columns], dtype=object)


def told(found: RedcapCases) -> list[str]:
    """What a reader of the file should know: counts, and names of columns."""
    several = int((found.work_ups.groupby(level=0, sort=False).size() > 1).sum())
    lines = [f"{len(found.work_ups)} work-ups were found, and {several} cases with more than one."]
    if found.marked_missing:
        counts = ", ".join(f"{code} ({n})" for code, n in sorted(found.marked_missing.items()))
        lines.append(f"Values that a code marks as missing are left empty: {counts}.")
    if found.left_out:
        lines.append(f"No variable of the dictionary, left out: {', '.join(found.left_out)}.")
    return lines


@cache
def _work_up_names() -> frozenset[str]:
    return frozenset(v.name for f in project_fields() if f.instrument == repeating_instrument() for v in f.variables)


def _values(text: list[str], name: str, codes: Mapping[str, str], marked: Counter[str]) -> list[str | None]:
    """Codes for labels, None for what is empty or marked as missing, all else as it stands."""
    variable = load_dictionary()[name]
    own = _codes_of(variable)
    missing = {} if name == RECORD_ID else _missing_words(variable, codes)
    meaning: dict[str, str | None] = {"": None}
    for word, n in Counter(text).items():
        code = own.get(word) or own.get(word.casefold())
        if code is None and word in missing:
            marked[missing[word]] += n
            meaning[word] = None
        elif word:
            meaning[word] = code or word
    return [meaning[word] for word in text]


def _codes_of(variable: Variable) -> dict[str, str]:
    """By code and by label in small letters: the code. A code goes before the same label of another choice."""
    by_label = {label.casefold(): code_text(code) for code, label in variable.choices}
    return by_label | {code_text(code): code_text(code) for code in variable.codes}


def _missing_words(variable: Variable, codes: Mapping[str, str]) -> dict[str, str]:
    """Words that mean missing, with their code; names of people and places are no labels."""
    words = {code: code for code in codes}
    return words if variable.type == "identifier" else {label: code for code, label in codes.items()} | words


def _boxes(
    texts: Mapping[Column, list[str]], lines: Sequence[int], codes: Mapping[str, str], marked: Counter[str]
) -> tuple[dict[str, pd.Series], list[Problem]]:
    """The variables that are boxes: 1 where ticked; where not, 0 once any box of the row is ticked, or else None."""
    ticks = pd.DataFrame({c.name: _ticks(c.name, text) for c, text in texts.items() if c.kind == "box"})
    unread = ticks.isna()
    what, to_do = "is neither ticked nor not", "Export 1 and 0, Checked and Unchecked, or the box's label."
    problems = [
        Problem(ValuesError, "no_box", str(name), what, to_do, tuple(np.asarray(lines)[unread[name]].tolist()))
        for name in ticks.columns[unread.any()]
    ]
    ticked = ticks == 1
    unticked = pd.Series(None, index=ticks.index, dtype=object).mask(ticked.any(axis=1), "0")
    boxes = {str(name): unticked.mask(ticked[name], "1") for name in ticked}
    for column, text in texts.items():
        if column.kind == "missing_box":
            is_missing = pd.Series(text).str.casefold().isin((*TICKED, codes[column.code].casefold()))
            marked[column.code] += int(is_missing.sum())
            boxes |= {name: boxes[name].mask(is_missing, None) for name in _variables_of(column.name) & boxes.keys()}
    return boxes, problems


def _variables_of(checkbox: str) -> set[str]:
    return {variable.name for field in project_fields() if field.name == checkbox for variable in field.variables}


@cache
def _box_labels() -> dict[str, str]:
    boxes = [field for field in project_fields() if field.kind == "checkbox"]
    return {v.name: label for f in boxes for v, (_, label) in zip(f.variables, f.choices, strict=True)}


def _ticks(name: str, text: list[str]) -> list[float | None]:
    """1 ticked, 0 not, None where it is neither; a label stands for a tick, an empty cell for none."""
    meaning = dict.fromkeys((*TICKED, _box_labels()[name].casefold()), 1.0) | dict.fromkeys((*UNTICKED, ""), 0.0)
    return [meaning.get(word.casefold()) for word in text]


def _nameless(found: np.ndarray, lines: Sequence[int]) -> list[Problem]:
    rows = tuple(np.asarray(lines)[~found].tolist())
    return [Problem(ValuesError, "missing_key", RECORD_ID, "is empty", "Export the record id.", rows)] if rows else []


def _own_rows(cases: pd.DataFrame, lines: np.ndarray) -> tuple[pd.DataFrame, np.ndarray, list[Problem]]:
    """A row a case, from all its rows; what two of them say differently is a problem."""
    by_case = cases.groupby(RECORD_ID, sort=False)
    first_lines = pd.Series(lines, index=cases.index).groupby(cases[RECORD_ID], sort=False).first().to_numpy()
    said = cases.drop(columns=RECORD_ID).notna().any(axis=1)
    again = cases[said & cases[RECORD_ID].duplicated(keep=False)]
    differs = again.groupby(RECORD_ID, sort=False).transform("nunique") > 1
    problems = []
    for name in differs.columns[differs.any()]:
        rows = tuple(lines[np.isin(cases.index, differs.index[differs[name]])].tolist())
        what, to_do = "differs between rows of one case", "Correct it, or export one event."
        problems.append(Problem(ValuesError, "differs", str(name), what, to_do, rows))
    return by_case.first(), first_lines, problems


def _chosen(found: RedcapCases, which: str | int) -> tuple[np.ndarray, list[Problem]]:
    """For each case the place of its work-up, or -1; and where nobody can tell which is meant."""
    ids = found.work_ups.index
    places = pd.Series(np.arange(len(ids)), index=ids)
    number = places.groupby(level=0, sort=False).cumcount()
    problems: list[Problem] = []
    if isinstance(which, int):
        chosen = places[(number == which - 1).to_numpy()]
    else:
        days = found.work_ups.get(WORKUP_DATE, pd.Series(None, index=ids, dtype=object))
        keyed = pd.DataFrame({"case": ids, "day": days.to_numpy(), "place": places.to_numpy()})
        several = keyed["case"].duplicated(keep=False)
        unclear = several & (keyed["day"].isna() | keyed.duplicated(["case", "day"], keep=False))
        if unclear.any():
            rows = tuple(found.work_up_lines[unclear.to_numpy()].tolist())
            what = f"does not tell which of several work-ups was {which}"
            problems.append(Problem(ValuesError, "which_work_up", WORKUP_DATE, what, "Date them, or name one.", rows))
        ordered = keyed.fillna({"day": ""}).sort_values("day", kind="stable", ascending=which == "first")
        chosen = ordered.drop_duplicates("case").set_index("case")["place"]
    return chosen.reindex(found.own.index).fillna(-1).to_numpy(dtype=int), problems
