"""A skeleton of a study from a CSV that was looked at: `backcast study new NAME cases.csv`.

What a program can see (types, ranges, how days and decimals are written) is filled in; what only a person can
know is a guess, and marked so. Of a patient nothing is quoted: a range ends at the tenth smallest and tenth
largest value, and a word is named where at least ten rows have it.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd

from features.errors import FileFormatError, ParamsError
from pipeline import paths
from pipeline.files import write_text
from pipeline.intake import Reading, named_file
from pipeline.mapping import COLUMNS
from pipeline.mapping_hints import DATE_FORMATS, LEAST_ROWS
from pipeline.sources.records import read_records
from pipeline.study_check import GUESS

MOST_GRADES, MOST_CHOICES = 7, 12
"""Codes of a column that is still taken for a grade, and words of one that is taken for a choice."""
AFTERWARDS = re.compile(
    r"post|after|follow|outcome|(\b|_)\d+ ?(m|mo|months?|y|years?)\b|satisf|success|complic|readmi|reop", re.IGNORECASE
)
"""What a column's name looks like that was filled in after the operation."""
KEYS = (
    ("case_id", re.compile(r"^(case|record|operation|row)[ _-]?(id|no|number)?$", re.IGNORECASE)),
    ("patient_id", re.compile(r"^(patient|subject|person|pat)[ _-]?(id|no|number)?$", re.IGNORECASE)),
    ("centre_id", re.compile(r"centre|center|hospital|provider|site|clinic", re.IGNORECASE)),
    ("index_date", re.compile(r"date|year|day", re.IGNORECASE)),
)
VARIABLE_COLUMNS = (
    "name", "label", "form", "item", "type", "unit", "lower", "upper", "choices", "known", "identifies", "essential",
    "missing_means", "level", "side", "root", "region", "zone", "direction", "source",
)  # fmt: skip


class AnyName(tuple[str, ...]):
    """Every name is one that a header may have: nothing is known of the file yet."""

    def __contains__(self, name: object) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one column looks like; `choices` are codes with a label each."""

    column: str
    variable: str
    type: str
    conversion: str = ""
    lower: float | str = ""
    upper: float | str = ""
    choices: dict[str, str] = field(default_factory=dict)
    known: str = "preoperative"
    note: str = ""


def new_study(name: str, source: Path, **reading: Unpack[Reading]) -> Path:
    """Write the skeleton of a study into a folder of its own, and name the folder; whole, or not at all.

    Raises
    ------
    ParamsError
        If the name is no plain word, or there is such a study.
    FileFormatError
        If the file cannot be read, or nothing can be written.
    """
    folder = paths.STUDIES / name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ParamsError(f"{name} cannot name a study: use small letters, digits and underscores, a letter first.")
    if folder.exists():
        raise ParamsError(f"{folder} is there already. Choose another name, or work on with it.")
    how = named_file(source, **reading)
    text = read_records(source, how, AnyName())
    looked = _keys_first([looked_at(str(column), text[column]) for column in text.columns], len(text))
    looked = named_apart(looked)
    files = skeleton(name, source, looked, encoding=how.encoding, separator=how.separator)
    try:
        paths.STUDIES.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=paths.STUDIES, prefix=f".{name}.") as scratch:
            for file, content in files.items():
                write_text(content, Path(scratch) / name / file)
            shutil.move(Path(scratch) / name, folder)
    except OSError as error:
        raise FileFormatError(f"{folder} cannot be written: {error.strerror}.") from None
    return folder


# ---- looking at a column -----------------------------------------------------------------------------


def looked_at(column: str, raw: pd.Series) -> Looked:
    """The type of a column, how its values are written, and what it may be."""
    values = raw.dropna().str.strip()
    values = values[values != ""]
    known = "follow_up" if AFTERWARDS.search(column) else "preoperative"
    variable = variable_name(column)
    if values.empty:
        return Looked(column=column, variable="ignored", type="", note="empty in every row")
    written = date_written(values)
    if written:
        conversion = "" if written == "%Y-%m-%d" else f"date:{written}"
        return Looked(column=column, variable=variable, type="date", conversion=conversion, known=known)
    numbers, conversion = as_numbers(values)
    if numbers is not None:
        return _of_numbers(column, variable, numbers, values, conversion, known)
    counts = values.value_counts()
    common = counts[counts >= LEAST_ROWS]
    if len(counts) <= MOST_CHOICES and len(common):
        choices = {variable_name(str(word)): str(word) for word in common.index}
        return Looked(column=column, variable=variable, type="choice", choices=choices, known=known)
    return _text(column, values)


def _text(column: str, values: pd.Series) -> Looked:
    """A column of words of many kinds: a key if its name says so, else left out, since it may name a person."""
    what = "an identifier" if values.is_unique else "free text"
    return Looked(column=column, variable="ignored", type="identifier", note=f"{GUESS}: {what}; map it if it is more")


def variable_name(column: str) -> str:
    """A column's name as a variable: small letters without accents, digits and underscores.

    >>> variable_name("Pre-Op Q Score (0-48)"), variable_name("Größe (cm)")
    ('pre_op_q_score_0_48', 'grosse_cm')
    """
    plain = "".join(
        mark for mark in unicodedata.normalize("NFKD", column.casefold()) if not unicodedata.combining(mark)
    )
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return name if name[:1].isalpha() else f"v_{name}"


def named_apart(looked: list[Looked]) -> list[Looked]:
    """The columns with a variable each: of those whose names come to the same, the second ends in `_2`, and so on."""
    taken: set[str] = set()
    found = []
    for one in looked:
        names = (one.variable, *(f"{one.variable}_{place}" for place in range(2, len(looked) + 2)))
        name = next(name for name in names if name == "ignored" or name not in taken)
        taken.add(name)
        found.append(replace(one, variable=name))
    return found


def date_written(values: pd.Series) -> str:
    """How days are written, if every value is a day so written; empty if they are none."""
    if values.str.fullmatch(r"-?\d+([.,]\d+)?").all() and not values.str.fullmatch(r"(19|20)\d{6}").all():
        return ""
    for form in DATE_FORMATS:
        if pd.to_datetime(values, errors="coerce", format=form).notna().all():
            return form
    return ""


def as_numbers(values: pd.Series) -> tuple[np.ndarray | None, str]:
    """The values as numbers with the conversion that reads them; None where some are none."""
    for conversion, text in (("", values), ("decimal_comma", values.str.replace(",", ".", regex=False))):
        numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float)
        if np.isfinite(numbers).all():
            return numbers, conversion
    return None, ""


def _of_numbers(
    column: str, variable: str, numbers: np.ndarray, values: pd.Series, conversion: str, known: str
) -> Looked:
    counts = values.value_counts()
    distinct = sorted(set(numbers.tolist()))
    if set(distinct) <= {0.0, 1.0}:
        return Looked(column=column, variable=variable, type="yes_no", known=known)
    if len(distinct) <= MOST_GRADES and all(number.is_integer() for number in distinct) and counts.min() >= LEAST_ROWS:
        choices = {f"{number:g}": f"{GUESS}: what {number:g} means" for number in distinct}
        return Looked(column=column, variable=variable, type="grade", choices=choices, known=known)
    if len(distinct) == len(numbers) and all(number.is_integer() for number in distinct) and "id" in column.lower():
        return _text(column, values)
    lower, upper = plausible_range(numbers)
    return Looked(column=column, variable=variable, type="number", conversion=conversion, lower=lower, upper=upper,
                  known=known)  # fmt: skip


def plausible_range(numbers: np.ndarray) -> tuple[float, float]:
    """A range around the tenth smallest and the tenth largest value, rounded outwards; it shows no single value.

    Of fewer than twenty values, around the middle one.

    >>> plausible_range(np.arange(18.0, 91.0)), plausible_range(np.arange(11.0, 23.0))
    ((20.0, 90.0), (10.0, 20.0))
    """
    ordered = np.sort(numbers)
    place = min(LEAST_ROWS - 1, (len(ordered) - 1) // 2)
    low, high = float(ordered[place]), float(ordered[-place - 1])
    step = 10.0 ** math.floor(math.log10(max(abs(low), abs(high), 1e-9)))
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return (low, high) if low < high else (low, low + step)


def _keys_first(looked: list[Looked], rows: int) -> list[Looked]:
    """Columns that look like a key of the record, as that key; each key once."""
    found: list[Looked] = []
    taken: set[str] = set()
    for one in looked:
        key = next((k for k, like in KEYS if k not in taken and like.search(one.column) and _can_be(one, k)), None)
        if key and one.known == "preoperative":
            taken.add(key)
            kind = "date" if key == "index_date" else "identifier"
            one = Looked(
                column=one.column, variable=key, type=kind, conversion=one.conversion, note=f"{GUESS}: the {key}"
            )
        found.append(one)
    for key in ("case_id", "patient_id"):
        if key not in taken:
            note = f"{GUESS}: no column looks like the {key}; file and line stand for it"
            found.insert(0, Looked(column="", variable=key, type="identifier", conversion="row_number", note=note))
    return found


def _can_be(one: Looked, key: str) -> bool:
    return one.type == "date" if key == "index_date" else one.type in ("identifier", "choice", "grade", "number")


# ---- the files ---------------------------------------------------------------------------------------


RANKED = f"{GUESS}: rank by what is published"
CRITERIA = f"{GUESS}: who is in the study?"


def skeleton(name: str, source: Path, looked: list[Looked], *, encoding: str, separator: str) -> dict[str, str]:
    """Every file of the skeleton by its name."""
    used = [one for one in looked if one.variable != "ignored"]
    before = [
        one for one in used if one.known == "preoperative" and one.type in ("number", "grade", "yes_no", "choice")
    ]
    return {
        "study.yaml": _study_yaml(name, source, encoding, separator),
        "mapping.csv": _csv(COLUMNS, _mapping_rows(looked)),
        "variables.csv": _csv(VARIABLE_COLUMNS, [_variable_row(one) for one in used] + _missing_keys(used)),
        "choices.csv": _csv(("choices", "code", "label"), _choice_rows(used)),
        "outcomes.csv": _csv(
            ("outcome", "diagnosis", "horizon_months", "instrument", "baseline", "reported", "kind", "rule", "cutoff",
             "label", "source", "status"), [],
        ),
        "predictors.csv": _csv(
            ("predictor", "label", "group", "form", "direction", "rank", "source", "status"),
            [[one.variable, one.column, "burden", _form(one), 0, rank, RANKED, "assumption"]
             for rank, one in enumerate(before, start=1)],
        ),
        "criteria.csv": _csv(
            ("criterion", "label", "variable", "rule", "value", "source", "status"),
            [["dated", "the day of the decision is recorded", "index_date", "recorded", "", CRITERIA, "assumption"]],
        ),
        "params.yaml": PARAMS_SKELETON,
    }  # fmt: skip


def _csv(header: tuple[str, ...], rows: list[list[object]]) -> str:
    return pd.DataFrame(rows, columns=list(header)).to_csv(index=False, lineterminator="\n")


def _mapping_rows(looked: list[Looked]) -> list[list[object]]:
    rows: list[list[object]] = []
    for one in looked:
        rows.append([one.column, "", one.variable, one.conversion, "", "", one.note or f"{GUESS}: unit and codes"])
        if one.type == "choice":
            rows += [[one.column, "", one.variable, "", word, code, ""] for code, word in one.choices.items()]
    return rows


def _variable_row(one: Looked) -> list[object]:
    is_key = one.variable in dict(KEYS)
    choices = "yes_no" if one.type == "yes_no" else one.variable if one.choices else ""
    form = "keys" if is_key else "patient" if one.known == "preoperative" else "outcome"
    unit = f"{GUESS}: unit" if one.type == "number" else ""
    return [
        one.variable, one.column or one.variable, form, one.variable, one.type, unit, one.lower, one.upper, choices,
        one.known, int(one.variable in ("case_id", "patient_id")), int(is_key),
        "refused" if is_key else "not recorded", "", "", "", "", "", 0,
        f"{GUESS}: known {one.known.replace('_', '-')}, {one.type}, by its name and values",
    ]  # fmt: skip


def _missing_keys(used: list[Looked]) -> list[list[object]]:
    there = {one.variable for one in used}
    types = {"centre_id": "identifier", "index_date": "date"}
    return [
        [key, key, "keys", key, kind, "", "", "", "", "preoperative", 0, 1, "refused", "", "", "", "", "", 0,
         f"{GUESS}: no column looks like it; map one to it"]
        for key, kind in types.items()
        if key not in there
    ]  # fmt: skip


def _choice_rows(used: list[Looked]) -> list[list[object]]:
    rows: list[list[object]] = [["yes_no", 0, "no"], ["yes_no", 1, "yes"]]
    for one in used:
        rows += [[one.variable, code, label] for code, label in one.choices.items()]
    return rows


def _form(one: Looked) -> str:
    return "levels" if one.type == "choice" else "spline3" if one.type == "number" else "linear"


def _study_yaml(name: str, source: Path, encoding: str, separator: str) -> str:
    return f"""\
# A study from {source.name}. What is marked {GUESS} a person must look at; `backcast --study {name} check` says what is
# still missing. docs/how_to/add_a_study.md goes through it step by step.
title: "{GUESS}: what was operated on, where"

source:
  folder_variable: BACKCAST_{name.upper()}     # an environment variable that names the folder of the files
  files:                                   # a group of files with one header: its name and its pattern
    cases: "{source.name}"
  encoding: {encoding}
  separator: "{separator}"
  missing_marks: ["", "NA"]                # what stands for a value that is not there
  known_afterwards: []                     # parts of a column's name that say it was filled in after the operation

attribution: ""                            # whom to thank for the records
licence: ""

builders: []                               # the clinical builders read the lumbar record alone

not_asked:                                 # stages that ask what these records cannot answer, and why
  registry: the cases are real
  fidelity: asked of the virtual registry alone
  completeness: the record has no blocks that a clinic could leave out
  builders: neither lesions nor sources of pain are recorded
  cause: no work-up after a failed operation is recorded

words:                                     # how the report speaks of the study; pipeline/study.py has all of them
  question: "{GUESS}: Which operations will not help?"
  model: "{GUESS}: risk that an operation does not help"
  case: planned operation
  cases: planned operations
  before: "{GUESS}: before the operation"
  asked: "{GUESS}: who asks, about whom, and what follows from a high risk."
  intended_use: "{GUESS}: what the model is meant for."
  inputs: "{GUESS}: what is known before the operation."
  published: "{GUESS}: what published models reach"
  high_risk: "{GUESS}: what follows from a high risk"
  keywords: "{GUESS}: keywords"
  groups: "{GUESS}: the groups of subgroups.by"
  fairness: []
  fairness_words: "{GUESS}"
  demographic: []
  act: act on
  acted: acted on
  acting: acting on
  for_whom: "{GUESS}: before what, for whom."
  purpose: "{GUESS}: what it is meant for."
  not_for: Outside the criteria, or to refuse an operation.
  sets: Sets are divided by patient.
  division: "By patient: development, later year, other centres."
"""


PARAMS_SKELETON = f"""\
# Choices of this study in place of those of the root's params.yaml; a key replaces that key.
# {GUESS}: name the outcomes of outcomes.csv everywhere below.

cohort:
  outcomes: {{}}                 # my_outcome: {{reoperation: as_reported, death: as_reported}}

split:
  test_centres: 2               # 0 holds none out
  # test_year: 2020             # needed where no last_contact_date says which year is complete

train:
  outcomes: []
  max_parameters: {{}}
  overrule_leak_alarm: []

validate:
  optimism_outcomes: []
  clusters: 0                   # with very many centres: leave out clusters of them

evaluate:
  main_threshold: {{}}

subgroups:
  by: []
  bands: {{}}
"""
