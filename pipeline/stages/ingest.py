"""Stage ``ingest``: a registry's file, files or query, read and checked; every problem in one list, or typed cases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from features.record import Problem, problem_table, refuse_problems
from pipeline import paths
from pipeline.files import write_json, write_table
from pipeline.intake import checked_records
from pipeline.params import Params
from pipeline.sources.records import source_facts
from pipeline.study_files import study_cases


def run(params: Params) -> None:
    paths.SOURCE.unlink(missing_ok=True)  # the one output that DVC leaves in place before a run
    if params.study.source is not None:
        found = study_cases(params.study, today=dt.date.today())
        _write(f"study {params.study.name}", found.cases, found.problems, found.facts)
        return
    source = Path(params.ingest.file)
    cases, problems = checked_records(source, params.ingest, "adjudication", today=dt.date.today())
    _write(str(source), cases, problems, lambda: source_facts(source, params.ingest, cases))


def _write(source: str, cases: pd.DataFrame, problems: list[Problem], facts: Callable[[], dict[str, Any]]) -> None:
    """The cases and what was read, or an error with every problem; the list of problems in either case."""
    write_table(problem_table(problems), paths.PROBLEMS)
    refuse_problems(f"{source} (all of them in {paths.PROBLEMS})", problems)
    write_json(facts(), paths.SOURCE)
    write_table(cases.set_index("case_id"), paths.INGESTED_CASES)
