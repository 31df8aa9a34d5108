"""`mapping.csv` of a study: which column of the source is which variable, in what unit and with what codes.

One row a column, and one more for each code that is written otherwise:

| column | what |
|---|---|
| `column` | of the source; empty for a variable that no column holds |
| `files` | the group of files that has it (`source.files` of `study.yaml`); empty for all |
| `variable` | of the dictionary, or `ignored` |
| `conversion` | how the value is written there; empty for as the dictionary has it |
| `code`, `value` | a code of the source and what the dictionary writes for it; an empty value is missing |
| `note` | why a column is ignored; anything a reader should know |

Conversions are the units of `features/knowledge/unit_conversions.csv`, `decimal_comma`, `date:%d/%m/%Y` (a date so
written), `year_start:04-01` (the first four digits are a year, which begins that day), `row_number` (file and line
as an identifier) and `constant:word`. Several are joined by `+`, and done in that order.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from features.dictionary import Variable, load_dictionary
from features.errors import BackcastError, KnowledgeError, TimingError
from features.knowledge_tables import knowledge_table

IGNORED = "ignored"
COLUMNS = ("column", "files", "variable", "conversion", "code", "value", "note")
DIGITS = 12
"""Of a converted number; more than any instrument has, and fewer than would show what binary fractions add."""


@dataclass(frozen=True, kw_only=True)
class ColumnRule:
    """What one column of the source becomes; `lines` are those of `mapping.csv`."""

    column: str
    files: str
    variable: str
    conversion: str
    codes: dict[str, str]
    note: str
    lines: tuple[int, ...]

    @property
    def is_ignored(self) -> bool:
        return self.variable == IGNORED

    def is_of(self, group: str) -> bool:
        return self.files in ("", group)


def read_mapping(path: Path, groups: Iterable[str], known_afterwards: Sequence[str]) -> list[ColumnRule]:
    """The rules of a `mapping.csv`, one a column (and file group).

    Raises
    ------
    TimingError
        If a column that was filled in after the operation is mapped to a variable known before it.
    KnowledgeError
        With everything else that is wrong with the file, all at once.
    """
    problems: list[tuple[type[BackcastError], str]] = []
    rules = _rules(_rows(path), problems)
    for rule in rules:
        problems += [(KnowledgeError, f"{_at(rule)}: {what}") for what in _faults(rule, list(groups))]
        problems += [(TimingError, f"{_at(rule)}: {what}") for what in _untimely(rule, known_afterwards)]
    problems += [(KnowledgeError, what) for what in _repeated(rules, list(groups))]
    if problems:
        kind = TimingError if any(kind is TimingError for kind, _ in problems) else KnowledgeError
        lines = "\n".join(f"  - {what}" for _, what in problems)
        raise kind(f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}.\n{lines}")
    return rules


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = tuple(reader.fieldnames or ())
            if header != COLUMNS:
                raise KnowledgeError(
                    f"{path}: line 1 must be {','.join(COLUMNS)}, and is {','.join(header) or 'empty'}."
                )
            rows = [
                (reader.line_num, {key: (value or "").strip() for key, value in row.items() if key}) for row in reader
            ]
    except OSError as error:
        raise KnowledgeError(f"{path} cannot be read: {error.strerror}. A study with a source needs it.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise KnowledgeError(f"{path} is no CSV in UTF-8: {error}.") from None
    return [(line, row) for line, row in rows if any(row.values())]


def _rules(
    rows: Sequence[tuple[int, dict[str, str]]], problems: list[tuple[type[BackcastError], str]]
) -> list[ColumnRule]:
    """Rows of one column and variable made one rule; its codes from the rows that have any."""
    parts: dict[tuple[str, str, str], list[tuple[int, dict[str, str]]]] = {}
    for line, row in rows:
        parts.setdefault((row["column"], row["files"], row["variable"]), []).append((line, row))
    rules = []
    for (column, files, variable), own in parts.items():
        written = list(dict.fromkeys(row["conversion"] for _, row in own if row["conversion"]))
        if len(written) > 1:
            problems.append((KnowledgeError, f"line {own[0][0]}: {column} has the conversions {' and '.join(written)}"))
        codes: dict[str, str] = {}
        for line, row in own:
            if row["code"] and row["code"] in codes:
                problems.append((KnowledgeError, f"line {line}: the code {row['code']} of {column} stands twice"))
            if row["code"]:
                codes[row["code"]] = row["value"]
        rules.append(
            ColumnRule(
                column=column, files=files, variable=variable, conversion=(written or [""])[0], codes=codes,
                note=" ".join(row["note"] for _, row in own if row["note"]), lines=tuple(line for line, _ in own),
            )
        )  # fmt: skip
    return rules


def _at(rule: ColumnRule) -> str:
    return f"line {rule.lines[0]}"


def _faults(rule: ColumnRule, groups: list[str]) -> list[str]:
    """What is wrong with one rule, apart from when its column is known."""
    faults = []
    if rule.files and rule.files not in groups:
        faults.append(f"{rule.column} is of the files {rule.files}; source.files has {', '.join(groups)}")
    if rule.is_ignored:
        return faults + ([] if rule.note else [f"{rule.column} is ignored, and no note says why"])
    dictionary = load_dictionary()
    if rule.variable not in dictionary:
        closest = dictionary.closest(rule.variable)
        meant = f" (is {closest} meant?)" if closest else ""
        what = f"names {rule.variable or 'no variable'}{meant}" if rule.variable else "names no variable"
        return [*faults, f"{rule.column or 'a row without a column'} {what}: one of variables.csv, or {IGNORED}"]
    variable = dictionary[rule.variable]
    makes_itself = any(part.startswith(("row_number", "constant:")) for part in rule.conversion.split("+"))
    if not rule.column and not makes_itself:
        faults.append(f"{rule.variable} comes from no column; its conversion must be row_number or constant:word")
    faults += [f"{rule.column or rule.variable}: {what}" for what in _conversion_faults(rule.conversion, variable)]
    faults += [
        f"{rule.column}: code {code} becomes {value}, none of the choices of {rule.variable} ({variable.expected})"
        for code, value in rule.codes.items()
        if value and variable.choices and not _is_choice(value, variable)
    ]
    return faults


def _is_choice(value: str, variable: Variable) -> bool:
    if not variable.is_numeric:
        return value in variable.codes
    number = pd.to_numeric(value, errors="coerce")
    return bool(number in variable.codes)


def _conversion_faults(conversion: str, variable: Variable) -> list[str]:
    faults = []
    for part in filter(None, conversion.split("+")):
        kind, _, detail = part.partition(":")
        if kind in _units():
            to_unit = _units()[kind][1]
            if variable.type != "number":
                faults.append(f"{kind} is for numbers, and {variable.name} is a {variable.type}")
            elif variable.unit != to_unit:
                faults.append(f"{kind} gives {to_unit}, but {variable.name} is in {variable.unit or 'a plain number'}")
        elif kind not in MARKS:
            faults.append(f"there is no conversion {part}; there are {', '.join([*MARKS, *_units()])}")
        elif kind in ("date", "year_start") and (variable.type != "date" or not detail):
            faults.append(f"{part} is for dates, and says how: date:%d/%m/%Y, year_start:04-01")
    return faults


def _untimely(rule: ColumnRule, known_afterwards: Sequence[str]) -> list[str]:
    """The timing contract, by name: what was filled in afterwards is no variable known before the operation."""
    marks = [mark for mark in known_afterwards if mark.lower() in rule.column.lower()]
    if not marks or rule.is_ignored or rule.variable not in load_dictionary():
        return []
    if load_dictionary()[rule.variable].known in ("follow_up", "adjudication"):
        return []
    return [
        f"{rule.column} is known only after the operation ({marks[0]}: source.known_afterwards of study.yaml), and "
        f"{rule.variable} is known before it. A prediction must not see it: map it to a variable of the follow-up, "
        f"or to {IGNORED}"
    ]


def _repeated(rules: Sequence[ColumnRule], groups: list[str]) -> list[str]:
    """Variables that two columns of one group of files would fill, and columns that are both used and ignored."""
    found = []
    for group in groups:
        owner: dict[str, ColumnRule] = {}
        for rule in rules:
            if rule.is_ignored or not rule.is_of(group):
                continue
            if rule.variable in owner:
                first = owner[rule.variable].column or "no column"
                found.append(
                    f"{_at(rule)}: {rule.variable} comes from {first} and from {rule.column} in the files {group}"
                )
            owner[rule.variable] = rule
        used = {rule.column for rule in rules if rule.is_of(group) and not rule.is_ignored and rule.column}
        both = sorted({rule.column for rule in rules if rule.is_of(group) and rule.is_ignored} & used)
        found += [f"{column} is ignored, and used, in the files {group}" for column in both]
    return list(dict.fromkeys(found))


# ---- from the source's text to the dictionary's ------------------------------------------------------


def mapped(text: pd.DataFrame, rules: Sequence[ColumnRule], stem: str) -> pd.DataFrame:
    """The columns of a source as text in the dictionary's layout; what is missing is missing.

    Parameters
    ----------
    text : DataFrame of str
        As read from one file; every column that the rules name is there. Its index is the line of each case.
    rules : sequence of ColumnRule
        Those of its group of files.
    stem : str
        Of the file's name, for `row_number`.

    Notes
    -----
    A code that no rule names, and a value that no conversion can read, pass as they are: the check against the
    dictionary then names their rows.
    """
    columns = {rule.variable: _converted(text, rule, stem) for rule in rules if not rule.is_ignored}
    return pd.DataFrame(columns, index=text.index)


def _converted(text: pd.DataFrame, rule: ColumnRule, stem: str) -> pd.Series:
    values = text[rule.column].str.strip() if rule.column else pd.Series(pd.NA, index=text.index, dtype="str")
    if rule.codes:
        values = values.map(lambda value: rule.codes.get(value, value), na_action="ignore").replace("", pd.NA)
    for part in filter(None, rule.conversion.split("+")):
        kind, _, detail = part.partition(":")
        if kind == "row_number":
            values = pd.Series([f"{stem}:{line}" for line in text.index], index=text.index)
        elif kind in _units():
            factor, offset = _units()[kind][2:]
            values = _where_read(values, lambda numbers, f=factor, o=offset: numbers * f + o)  # type: ignore[misc]
        else:
            values = MARKS[kind](values, detail)
    return values


def _where_read(values: pd.Series, convert: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """The numbers of a column of text converted, as text; what is no number stays as it is."""
    numbers = pd.to_numeric(values, errors="coerce")
    is_read = np.isfinite(numbers.astype(float))
    converted = convert(numbers[is_read].astype(float)).map(lambda number: f"{number:.{DIGITS}g}")
    return values.astype(object).mask(is_read, converted.reindex(values.index))


DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


def _decimal_comma(values: pd.Series, _: str) -> pd.Series:
    return values.str.replace(DECIMAL_COMMA, lambda found: found.group().replace(",", "."), regex=True)


def _date(values: pd.Series, written: str) -> pd.Series:
    """Dates as YYYY-MM-DD; one that is not so written becomes a text that says so, and not another date."""
    days = pd.to_datetime(values, errors="coerce", format=written)
    iso = days.dt.strftime("%Y-%m-%d")
    return iso.where(days.notna(), values.where(values.isna(), "not as " + written))


def _year_start(values: pd.Series, day: str) -> pd.Series:
    years = values.str.extract(r"^(\d{4})", expand=False)
    return (years + "-" + day).where(years.notna(), values)


MARKS: dict[str, Callable[[pd.Series, str], pd.Series]] = {
    "decimal_comma": _decimal_comma,
    "date": _date,
    "year_start": _year_start,
    "row_number": lambda values, _: values,
    "constant": lambda values, word: pd.Series(word, index=values.index, dtype="str"),
}
"""Conversions that are none of a unit, by the word before the colon."""


@cache
def _units() -> dict[str, tuple[str, str, float, float]]:
    """Each conversion of a unit: from which, to which, factor and offset."""
    table = knowledge_table("unit_conversions")
    return {row.conversion: (row.from_unit, row.to_unit, row.factor, row.offset) for row in table.itertuples()}


def unit_conversions() -> dict[str, tuple[str, str, float, float]]:
    """The conversions of units by name: from which unit, to which, factor and offset."""
    return dict(_units())
