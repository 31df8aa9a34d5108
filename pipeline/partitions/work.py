"""What a worker does with one part: read it, check it, and score it into one part of the output.

A worker runs one part at a time, whatever number of threads it was given: memory is that of one part, and the tables
of a study are those of a process. What it answers is small; of a case it tells two numbers that name nobody.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import resource
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.dictionary import Known
from features.errors import BackcastError, BundleError
from features.knowledge_tables import use_study
from features.record import ROWS_NAMED, Problem, highest_values
from models.predictor import RiskPredictor
from pipeline.files import written_whole
from pipeline.intake import checked_records, named_file
from pipeline.partitions.code import difference, installed, predicting
from pipeline.partitions.errors import ClusterError
from pipeline.partitions.identities import Identities
from pipeline.partitions.parts import Part
from pipeline.partitions.receipts import Figures, Receipt, receipt_of
from pipeline.scoring import LoadedModel, scored

OF_THE_WHOLE = ("wrong_unit", "duplicate_id", "repeated_decision", "two_people")
"""Rules that a part can neither keep nor break: they are judged when all parts are known."""
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Asked:
    """What is asked of every part, the same for all."""

    moment: Known
    today: dt.date
    installed: Mapping[str, str]
    """Code and libraries of whoever asks."""
    study: Mapping[str, bytes]
    """Tables of the record that the study at hand brings, by name."""


@dataclass(frozen=True)
class Found:
    """What the check of one part found; `refusal` where it could not be read as a table at all."""

    columns: int
    problems: tuple[Problem, ...] = ()
    highest: Mapping[str, tuple[int, float]] | None = None
    identities: Identities | None = None
    refusal: BackcastError | None = None


@dataclass(frozen=True)
class Done:
    """One part as a worker leaves it: what was found and, where nothing was wrong and it was asked for, the receipt."""

    found: Found
    peak_bytes: int
    """The most memory that the worker's process has had so far."""
    receipt: Receipt | None = None
    output_sha256: str = ""
    is_reused: bool = False


def check_part(part: Part, asked: Asked) -> Done:
    """Everything that is wrong with one part.

    Raises
    ------
    ClusterError
        If this worker has other code or libraries.
    """
    _refuse_other_code(asked)
    with _one_at_a_time:
        _, found = _checked(part, asked)
        return Done(found, _peak_bytes())


def score_part(part: Part, asked: Asked, out: Path, bundles: Mapping[str, Path]) -> Done:
    """One part scored into its part of the output; one that was finished from the same input is only looked at.

    Parameters
    ----------
    out : Path
        Folder in which the part gets its own name.
    bundles : mapping
        Folder of each model by the hash of its bundle.

    Raises
    ------
    ClusterError
        As `check_part`.
    FileFormatError
        If the part cannot be written.
    BundleError
        If a model is not the one that is meant.
    """
    _refuse_other_code(asked)
    with _one_at_a_time:
        _use_tables(tuple(asked.study.items()))
        input_sha256 = file_sha256(part.path)
        target = out / part.name
        earlier = receipt_of(target)
        if earlier is not None and earlier.input_sha256 == input_sha256:
            return _looked_at(part, target, earlier)
        cases, found = _checked(part, asked)
        if cases is None or found.problems:
            return Done(found, _peak_bytes())
        receipt = _written(cases.set_index("case_id"), _models(tuple(bundles.items())), part, input_sha256, target)
        return Done(found, _peak_bytes(), receipt, file_sha256(target))


def _refuse_other_code(asked: Asked) -> None:
    said = difference(installed(), dict(asked.installed))
    if said:
        raise ClusterError(f"A worker on {socket.gethostname()} has other code than yours: {said}.")


@cache
def _use_tables(tables: tuple[tuple[str, bytes], ...]) -> None:
    """Let this process work on the study whose tables these are."""
    if not tables:
        use_study(None)
        return
    folder = Path(tempfile.mkdtemp(prefix="backcast-study-"))  # for as long as the worker lives
    for name, content in tables:
        (folder / f"{name}.csv").write_bytes(content)
    use_study(folder)


@cache
def _models(bundles: tuple[tuple[str, Path], ...]) -> list[LoadedModel]:
    models = [LoadedModel(sha256, RiskPredictor.load(folder)) for sha256, folder in bundles]
    for model in models:
        if model.predictor.sha256 != model.uri:
            raise BundleError(f"A worker was given the model {model.predictor.sha256} in place of {model.uri}.")
    return models


def _checked(part: Part, asked: Asked) -> tuple[pd.DataFrame | None, Found]:
    """The cases of a part, None where there is no table, and what was found of it."""
    _use_tables(tuple(asked.study.items()))
    try:
        cases, problems = checked_records(part.path, named_file(part.path), asked.moment, today=asked.today)
    except BackcastError as error:
        return None, Found(len(part.columns), refusal=error)
    own = tuple(_placed(problem, part.name) for problem in problems if problem.rule not in OF_THE_WHOLE)
    identities = Identities.of(cases, with_people=asked.moment == "adjudication")
    return cases, Found(len(cases.columns), own, highest_values(cases), identities)


def _placed(problem: Problem, name: str) -> Problem:
    """The problem with the first of its rows as they stand in a folder, and the number of all."""
    places = tuple(f"{name}:{row}" for row in problem.rows[:ROWS_NAMED])
    return replace(problem, rows=(), places=places, count=len(problem.rows))


def _written(
    cases: pd.DataFrame, models: Sequence[LoadedModel], part: Part, input_sha256: str, target: Path
) -> Receipt:
    table = scored(cases, models)
    by_outcome = {model.predictor.bundle.outcome: model.predictor.sha256 for model in models}
    receipt = Receipt(
        name=part.name,
        input_sha256=input_sha256,
        cases=len(cases),
        models=by_outcome,
        made_with=predicting(),
        figures=_figures(table, list(by_outcome)),
        highest=highest_values(cases),
    )
    rows = pa.Table.from_pandas(table, schema=_schema(table), preserve_index=False)
    rows = rows.replace_schema_metadata({**(rows.schema.metadata or {}), **receipt.as_footer()})
    with written_whole(target) as beside:
        pq.write_table(rows, beside, compression="zstd")
    return receipt


def _figures(table: pd.DataFrame, outcomes: Sequence[str]) -> dict[str, Figures]:
    figures = {}
    for outcome in outcomes:
        rows = table[table["outcome"] == outcome]
        risks = rows["risk"].dropna()
        flagged = int((rows["red_flags"] != "").sum())
        figures[outcome] = Figures(len(rows), len(risks), float(risks.sum()), flagged)
    return figures


def _schema(table: pd.DataFrame) -> pa.Schema:
    """The same types for every part, also where a column of one is empty throughout."""
    numbers = {name: table[name].dtype.kind == "f" for name in table}
    return pa.schema([(name, pa.float64() if is_number else pa.large_string()) for name, is_number in numbers.items()])


def _looked_at(part: Part, target: Path, earlier: Receipt) -> Done:
    """A part that was finished before."""
    ids = pq.read_table(target, columns=["case_id"]).slice(0, earlier.cases).to_pandas()
    found = Found(len(part.columns), highest=earlier.highest, identities=Identities.of(ids, with_people=False))
    return Done(found, _peak_bytes(), earlier, file_sha256(target), is_reused=True)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
