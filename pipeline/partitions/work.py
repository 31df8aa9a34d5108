"""What a worker does with one part: read it, check it, and score it into one part of the output.

A worker runs one part at a time, whatever number of threads it was given, and has one slice of it in memory; the tables
of a study are those of a process. What it answers is small; of a case it tells two numbers that name nobody.
"""

from __future__ import annotations

import datetime as dt
import resource
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from features.dictionary import Known
from features.errors import BackcastError, BundleError
from features.knowledge_tables import use_study
from features.record import highest_values, required_columns
from models.predictor import RiskPredictor
from pipeline.batch_file import BatchFile
from pipeline.files import written_whole
from pipeline.intake import OF_THE_WHOLE, SLICE, checked_text, named_file
from pipeline.partitions.code import difference, installed, predicting
from pipeline.partitions.errors import ClusterError
from pipeline.partitions.found import Found, placed
from pipeline.partitions.identities import Identities
from pipeline.partitions.parts import Part
from pipeline.partitions.receipts import Receipt, receipt_of
from pipeline.scoring import LoadedModel, by_outcome
from pipeline.sources.records import file_sha256, record_slices

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
        _use_tables(tuple(asked.study.items()))
        found: list[Found] = []
        for _ in _slices(part, asked, found):
            pass
        return Done(Found.together(found), _peak_bytes())


def score_part(part: Part, asked: Asked, out: Path, bundles: Mapping[str, Path]) -> Done:
    """One part scored into its part of the output; one that was finished from the same input is only looked at.

    Of a part that is not fit there is none, nor one of an earlier input.

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
            return _looked_at(target, earlier)
        found: list[Found] = []
        try:
            receipt = _scored(part, asked, _models(tuple(bundles.items())), input_sha256, target, found)
        except _Unfit:
            target.unlink(missing_ok=True)  # one that is there is of an earlier input
            return Done(Found.together(found), _peak_bytes())
        return Done(Found.together(found), _peak_bytes(), receipt, file_sha256(target))


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


class _Unfit(Exception):
    """Something is wrong with the cases of a part, so that its output may not appear."""


def _slices(part: Part, asked: Asked, found: list[Found]) -> Iterator[tuple[pd.DataFrame, bool]]:
    """The cases of a part slice by slice, and whether they are fit; what is found of each is appended to `found`."""
    how, required = named_file(part.path), required_columns(asked.moment)
    with_people = asked.moment == "adjudication"
    try:
        for text in record_slices(part.path, how, SLICE):
            cases, problems = checked_text(text, asked.moment, today=asked.today, required=required, is_part=True)
            own = tuple(placed(problem, part.name) for problem in problems if problem.rule not in OF_THE_WHOLE)
            identities = Identities.of(cases, with_people=with_people)
            found.append(Found(own, (identities,), highest_values(cases)))
            yield cases, not own and cases["case_id"].is_unique
    except BackcastError as error:
        found.append(Found(refusals=(error,)))


def _scored(
    part: Part, asked: Asked, models: Sequence[LoadedModel], input_sha256: str, target: Path, found: list[Found]
) -> Receipt:
    """Write the part of the output, slice by slice; nothing of it appears unless all cases are fit."""
    are_fit = True
    with written_whole(target) as beside, BatchFile(beside) as batch:
        for cases, is_fit in _slices(part, asked, found):
            are_fit = are_fit and is_fit
            if are_fit:
                batch.write(by_outcome(cases.set_index("case_id"), models, threads=1))
        if not are_fit or found[-1].refusals:
            raise _Unfit
        receipt = Receipt(
            name=part.name,
            input_sha256=input_sha256,
            cases=batch.n_cases,
            models={model.predictor.bundle.outcome: model.predictor.sha256 for model in models},
            made_with=predicting(),
            said=batch.said(),
            highest=Found.together(found).highest,
        )
        batch.note(receipt.as_footer())
    return receipt


def _looked_at(target: Path, earlier: Receipt) -> Done:
    """A part that was finished before."""
    ids = pq.read_table(target, columns=["case_id"]).slice(0, earlier.cases).to_pandas()
    found = Found(identities=(Identities.of(ids, with_people=False),), highest=earlier.highest)
    return Done(found, _peak_bytes(), earlier, file_sha256(target), is_reused=True)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
