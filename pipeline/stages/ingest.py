"""Stage ``ingest``: a registry's file, files or query, read and checked; every problem in one list, or typed cases."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from features.record import problem_table, refuse_problems
from pipeline import paths
from pipeline.files import write_json, write_table
from pipeline.intake import checked_records
from pipeline.params import Params
from pipeline.sources.records import source_facts


def run(params: Params) -> None:
    paths.SOURCE.unlink(missing_ok=True)  # the one output that DVC leaves in place before a run
    source = Path(params.ingest.file)
    cases, problems = checked_records(source, params.ingest, "adjudication", today=dt.date.today())
    write_table(problem_table(problems), paths.PROBLEMS)
    refuse_problems(f"{source} (all of them in {paths.PROBLEMS})", problems)
    write_json(source_facts(source, params.ingest, cases), paths.SOURCE)
    write_table(cases.set_index("case_id"), paths.INGESTED_CASES)
