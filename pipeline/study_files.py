"""The files of a study: found, read through its mapping, and checked; every problem at once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.dictionary import load_dictionary
from features.errors import ColumnsError, FileFormatError, ValuesError
from features.record import Problem, patient_problems, required_columns
from pipeline.intake import FIRST_ROW, checked_text, placed
from pipeline.mapping import ColumnRule, mapped, read_mapping
from pipeline.mapping_hints import hint, scale_problems
from pipeline.params import IngestParams
from pipeline.sources.records import content_sha256, read_records
from pipeline.study import MAPPING, Source, Study


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: its group, where it is, and what it holds, as text."""

    group: str
    path: Path
    text: pd.DataFrame

    @property
    def stem(self) -> str:
        return self.path.name.split(".")[0]


@dataclass(frozen=True)
class StudyCases:
    """The cases of all files, typed, with every problem, and the files as they were read."""

    name: str
    cases: pd.DataFrame
    problems: list[Problem]
    files: list[SourceFile]

    def facts(self) -> dict[str, Any]:
        """What was read, as `pipeline.sources.records.source_facts` tells it: names, hashes, numbers of rows."""
        return {
            "name": self.name,
            "kind": "study",
            "cases": len(self.cases),
            "columns": len(self.cases.columns),
            "content_sha256": content_sha256(self.cases),
            "files": [_file_facts(file) for file in self.files],
        }


def rules_of(study: Study) -> list[ColumnRule]:
    """The mapping of a study, checked; raises as `read_mapping`."""
    source = source_of(study)
    return read_mapping(study.folder / MAPPING, source.files, source.known_afterwards)


def source_of(study: Study) -> Source:
    assert study.source is not None, "a study without a source has its records in the dictionary's layout"
    return study.source


def source_files(study: Study) -> list[SourceFile]:
    """Every file of a study's source, read as text; raises `FileFormatError` with all that cannot be."""
    source = source_of(study)
    folder = source.place()
    how = IngestParams(
        file=str(folder), encoding=source.encoding, separator=source.separator, missing_marks=source.missing_marks,
        sheet=source.sheet,
    )  # fmt: skip
    columns = {rule.column for rule in rules_of(study)}
    files, problems = [], []
    for group, pattern in source.files.items():
        paths = sorted(folder.glob(pattern)) if folder.is_dir() else []
        if not paths:
            problems.append(f"{folder / pattern} is not there: the files {group} of study {study.name}.")
        for path in paths:
            try:
                text = read_records(path, how, columns)
                files.append(SourceFile(group, path, text))
            except (FileFormatError, ColumnsError, ValuesError) as error:
                problems.append(str(error))
    if len(problems) > 1:
        problems = [f"{folder}: {len(problems)} problems.", *(f"  - {problem}" for problem in problems)]
    if problems:
        raise FileFormatError("\n".join(problems))
    return files


def study_cases(study: Study, *, today: dt.date) -> StudyCases:
    """All cases of a study in the dictionary's layout, checked for training.

    Raises
    ------
    KnowledgeError, TimingError
        For a mapping that cannot be used.
    FileFormatError
        For files that are absent or cannot be read.
    """
    rules, files = rules_of(study), source_files(study)
    problems = [*unlike_headers(files), *repeated_files(files)]
    tables = []
    for file in files:
        own = [rule for rule in rules if rule.is_of(file.group)]
        wrong = header_problems(file, own)
        problems += wrong
        if wrong:
            continue
        cases, found = checked_text(
            mapped(file.text, own, file.stem), "adjudication", today=today, required=(), is_part=True
        )
        found += scale_problems(cases)
        problems += [in_file(problem, file, own) for problem in found]
        tables.append(
            cases.set_index(pd.MultiIndex.from_product([[file.path.name], cases.index], names=["file", "row"]))
        )
    cases = pd.concat(tables) if tables else pd.DataFrame()
    if not problems:
        problems = [*missing_variables(cases, rules), *repeated_cases(cases), *problems_of_patients(cases, rules)]
    return StudyCases(study.name, cases, problems, files)


def _file_facts(file: SourceFile) -> dict[str, Any]:
    content = hashlib.sha256(file.path.read_bytes()).hexdigest()
    first = int(file.text.index[0])
    return {
        "name": file.path.name, "group": file.group, "cases": len(file.text), "first_row": first, "sha256": content,
    }  # fmt: skip


def unlike_headers(files: Sequence[SourceFile]) -> list[Problem]:
    """Files of one group whose headers differ from that of the first."""
    first: dict[str, SourceFile] = {}
    problems = []
    for file in files:
        other = first.setdefault(file.group, file)
        more = sorted(set(file.text.columns) - set(other.text.columns))
        less = sorted(set(other.text.columns) - set(file.text.columns))
        if more or less:
            said = [f"it alone has {', '.join(more)}"] if more else []
            said += [f"it lacks {', '.join(less)}"] if less else []
            what = f"has another header than {other.path.name}: {'; '.join(said)}"
            to_do = "Files of one group have one header; name groups apart in source.files."
            problems.append(Problem(ColumnsError, "unlike_headers", file.path.name, what, to_do))
    return problems


def repeated_files(files: Sequence[SourceFile]) -> list[Problem]:
    """Files of one group that hold rows of an earlier one, word for word."""
    problems = []
    seen: dict[str, list[tuple[SourceFile, pd.Series]]] = {}
    for file in files:
        rows = pd.util.hash_pandas_object(file.text[sorted(file.text.columns)].fillna(""), index=False)
        for other, theirs in seen.setdefault(file.group, []):
            again = rows.isin(theirs)
            if again.any():
                what = f"holds rows that stand in {other.path.name} word for word"
                to_do = "Was one pack saved twice? Leave one out; a case counts once."
                places = tuple(map(int, file.text.index[again.to_numpy()]))
                problems.append(Problem(ValuesError, "repeated_rows", file.path.name, what, to_do, places))
        seen[file.group].append((file, rows))
    return problems


def header_problems(file: SourceFile, rules: Sequence[ColumnRule]) -> list[Problem]:
    """Columns that the mapping names and the file lacks, and columns of which it says nothing."""
    named = {rule.column: rule for rule in rules if rule.column}
    there = {str(name) for name in file.text.columns}
    problems = []
    for name in sorted(named.keys() - there):
        line = named[name].lines[0]
        to_do = f"Correct line {line} of {MAPPING}, or the file."
        problems.append(
            Problem(ColumnsError, "missing_column", f"{file.path.name}: {name}", "is not in the file", to_do)
        )
    for name in sorted(there - named.keys()):
        what, to_do = f"is a column of which {MAPPING} says nothing", "Say which variable it is, or ignored and why."
        problems.append(Problem(ColumnsError, "unmapped_column", f"{file.path.name}: {name}", what, to_do))
    return problems


def in_file(problem: Problem, file: SourceFile, rules: Sequence[ColumnRule]) -> Problem:
    """A problem of a variable, told of the file and the column that it came from."""
    rule = next((rule for rule in rules if rule.variable == problem.column), None)
    column = f"{rule.column} ({problem.column})" if rule and rule.column else problem.column
    to_do = problem.to_do
    if rule:
        said = hint(problem, rule, file.text[rule.column]) if rule.column else ""
        to_do = " ".join(filter(None, [to_do, said, f"Its line in {MAPPING} is {rule.lines[0]}."]))
    return dataclasses.replace(problem, column=f"{file.path.name}: {column}", to_do=to_do)


def missing_variables(cases: pd.DataFrame, rules: Sequence[ColumnRule]) -> list[Problem]:
    """Variables that a study needs and no column fills, and those filled of which nothing at all is recorded."""
    problems = []
    for name in required_columns("adjudication"):
        if name not in cases.columns:
            to_do = f"Add its line to {MAPPING}. Expected: {load_dictionary()[name].expected}."
            problems.append(Problem(ColumnsError, "missing_column", name, "comes from no column", to_do))
    for rule in rules:
        if not rule.is_ignored and rule.variable in cases.columns and cases[rule.variable].isna().all():
            what, to_do = "is empty in every row", f"Map it to ignored and say why (line {rule.lines[0]} of {MAPPING})."
            problems.append(Problem(ValuesError, "empty_column", rule.column or rule.variable, what, to_do))
    return problems


def repeated_cases(cases: pd.DataFrame) -> list[Problem]:
    """Ids of cases that stand more than once, in one file or in several."""
    again = cases["case_id"].duplicated(keep=False).to_numpy()
    if not again.any():
        return []
    found = Problem(
        ValuesError, "duplicate_id", "case_id", "is not unique", "Give each case an id of its own, in one file.",
        tuple((again.nonzero()[0] + FIRST_ROW).tolist()),
    )  # fmt: skip
    return placed([found], cases.index)


def problems_of_patients(cases: pd.DataFrame, rules: Sequence[ColumnRule]) -> list[Problem]:
    """Cases of one patient that cannot be so, in whichever files they stand.

    Where a year stands for the day of the decision, two decisions may well have the same one.
    """
    found = patient_problems(cases, FIRST_ROW)
    if any(rule.variable == "index_date" and "year_start" in rule.conversion for rule in rules):
        found = [problem for problem in found if problem.rule != "repeated_decision"]
    return placed(found, cases.index)
