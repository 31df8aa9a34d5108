"""What a study still lacks, and what is wrong with it: `backcast --study NAME check`. Everything at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from features.cohort import RULES
from features.dictionary import load_dictionary
from features.errors import BackcastError, KnowledgeError
from features.knowledge_tables import knowledge_table
from features.outcomes import outcome_names, reported_variables
from features.predictors import candidate_predictors
from features.record import problem_table
from pipeline.files import write_table
from pipeline.params import load_params
from pipeline.study import Study, read_study
from pipeline.study_files import study_cases

GUESS = "GUESS"
"""How a skeleton marks what it has guessed; taken away by whoever has looked."""


def checked_study(name: str, out: Path | None = None) -> str:
    """What was found of a study without a fault, in words.

    Parameters
    ----------
    name : str
    out : Path, optional
        CSV for every problem of the records with all its rows.

    Raises
    ------
    BackcastError
        With every problem, of the kind that comes first in the tree of errors.
    """
    study = read_study(name)
    steps: list[Callable[[], object]] = [
        lambda: load_params(study=name),
        load_dictionary,
        _outcomes_are_whole,
        _predictors_are_known,
        _criteria_are_known,
    ]
    problems = [problem for step in steps for problem in _problems(step)]
    told = [f"study {name}: {study.title}."]
    if study.source is not None:
        found, counted = _records(study, out)
        problems += found
        told += counted
    guesses = guessed(study.folder)
    if problems:
        kind = min((type(problem) for problem in problems), key=lambda kind: kind.exit_status)
        lines = [line for problem in dict.fromkeys(map(str, problems)) for line in _lines(problem)]
        raise kind("\n  - ".join([f"study {name}: it is not ready yet.", *lines, *guesses]))
    return "\n".join([*told, *(f"Still to be looked at: {guess}" for guess in guesses)])


def _lines(problem: str) -> list[str]:
    """A message as points of a list: its parts stay below the heading that names their file, if it has one."""
    head, *parts = problem.splitlines()
    return ["\n    ".join([head, *parts])] if head else [part.removeprefix("- ") for part in parts]


def _problems(step: Callable[[], object]) -> list[BackcastError]:
    try:
        step()
    except BackcastError as error:
        return [error]
    return []


def _outcomes_are_whole() -> None:
    """Every outcome names variables that the record has, at the right time."""
    dictionary, problems = load_dictionary(), []
    if not outcome_names():
        problems.append("outcomes.csv names no outcome: add one, with its rule, cut-off, horizon and source")
    for name in reported_variables():
        if name not in dictionary:
            problems.append(f"outcomes.csv: {name} is reported in no variable of the dictionary")
        elif dictionary[name].known == "preoperative":
            problems.append(f"outcomes.csv: {name} is known before the operation, and cannot say what became of a case")
    for name in dict.fromkeys(knowledge_table("outcomes")["baseline"].dropna()):
        if name not in dictionary or dictionary[name].known != "preoperative":
            problems.append(f"outcomes.csv: the baseline {name} is no variable known before the operation")
    _refuse(problems)


def _predictors_are_known() -> None:
    dictionary = load_dictionary()
    named = {p.name for outcome in outcome_names() for p in candidate_predictors(outcome, 10_000)}
    if outcome_names() and not named:
        _refuse(["predictors.csv ranks no predictor"])
    # The builders make predictors that are no variables; a record of its own has none.
    if "odi" not in dictionary:
        _refuse(
            [
                f"predictors.csv: {name} is no variable of the dictionary"
                for name in sorted(named)
                if name not in dictionary
            ]
        )


def _criteria_are_known() -> None:
    table, dictionary = knowledge_table("criteria"), load_dictionary()
    problems = [
        f"criteria.csv: {row.criterion} has the rule {row.rule}; choose from {', '.join(RULES)}"
        for row in table.itertuples()
        if row.rule not in RULES
    ]
    problems += [
        f"criteria.csv: {row.criterion} asks {row.variable}, which is no variable of the dictionary"
        for row in table.itertuples()
        if row.rule != "no_red_flag" and row.variable not in dictionary
    ]
    _refuse(problems)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise KnowledgeError("\n".join(["", *(f"- {problem}." for problem in problems)]))


def _records(study: Study, out: Path | None) -> tuple[list[BackcastError], list[str]]:
    """What is wrong with the mapping and the records, and how many there are."""
    try:
        found = study_cases(study, today=dt.date.today())
    except BackcastError as error:
        return [error], []
    if out:
        write_table(problem_table(found.problems), out)
    wrong: list[BackcastError] = [problem.kind(str(problem)) for problem in found.problems]
    return wrong, [
        f"{len(found.files)} files with {len(found.cases):,} cases, {len(found.cases.columns)} variables, no problem."
    ]


def guessed(folder: Path) -> list[str]:
    """The files of a study in which something is still a guess, with their lines."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".csv", ".yaml"):
            continue
        lines = [n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1) if GUESS in line]
        if lines:
            first = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
            found.append(f"{path} holds {len(lines)} guess{'es' if len(lines) > 1 else ''} (line {first})")
    return found
