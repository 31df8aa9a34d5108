"""Parquet is checked and scored slice by slice: the same however it is cut, or nothing at all, and bounded memory."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import BackcastError, FileFormatError, ValuesError
from pipeline import intake, scoring
from pipeline.batch_file import BatchFile
from pipeline.intake import fit_cases, planned_cases
from pipeline.scoring import score_file
from tests import small_service

bundles = small_service.bundles


@pytest.fixture(autouse=True, scope="module")
def stores_stay_apart() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def models(bundles, elsewhere, store, monkeypatch) -> list[str]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return [str(folder) for _, folder in bundles]


@pytest.fixture
def cases(planned, elsewhere) -> pd.DataFrame:
    """Sixty cases, also as `cases.parquet` in groups of 25 rows."""
    written(planned.infer_objects())
    return planned.infer_objects()


def written(cases: pd.DataFrame) -> Path:
    cases.to_parquet("cases.parquet", index=False, row_group_size=25)
    return Path("cases.parquet")


def written_in_parts(cases: pd.DataFrame, sizes: Sequence[int] = (30, 3, 4, 23)) -> Path:
    """A folder of a file longer than most slices here, two short ones and another, whose columns stand otherwise.

    A file whose cases hold words where others hold numbers is of text, as Parquet is.
    """
    folder = Path("cases")
    folder.mkdir()
    ends = np.cumsum(sizes)
    for number, (start, end) in enumerate(zip(ends - sizes, ends, strict=True)):
        part = cases.iloc[start:end].infer_objects()
        part = part.astype({"odi": "str", "sex": "category"}) if number == 1 else part
        part[sorted(part) if number == 3 else list(part)].to_parquet(folder / f"{2017 + number}.parquet", index=False)
    return folder


WRITTEN: dict[str, Callable[[pd.DataFrame], Path]] = {"file": written, "folder": written_in_parts}


def test_slices_give_the_file_of_one_piece(cases, models, monkeypatch):
    score_file(Path("cases.parquet"), Path("whole.parquet"), models)
    monkeypatch.setattr(scoring, "SLICE", 22)
    said = score_file(Path("cases.parquet"), Path("slices.parquet"), models)
    whole, slices = pd.read_parquet("whole.parquet"), pd.read_parquet("slices.parquet")
    pd.testing.assert_frame_equal(slices, whole, check_exact=True)
    assert pq.read_schema("slices.parquet").equals(pq.read_schema("whole.parquet"), check_metadata=True)
    assert list(slices["case_id"]) == list(cases["case_id"]) * len(models)
    assert f"{len(cases)} cases under {len(models)} models" in said
    runs = mlflow.search_runs(experiment_names=["backcast-scores"])
    logged = pd.read_parquet(mlflow.artifacts.download_artifacts(f"{runs['artifact_uri'][0]}/predictions.parquet"))
    pd.testing.assert_frame_equal(logged, whole.drop(columns="case_id"), check_exact=True)


def test_a_folder_gives_the_file_of_its_cases_in_one(cases, models, monkeypatch):
    score_file(Path("cases.parquet"), Path("whole.parquet"), models)
    folder = written_in_parts(cases)
    monkeypatch.setattr(scoring, "SLICE", 22)
    monkeypatch.setattr(intake, "read_records", None)  # which reads a folder as a whole
    score_file(folder, Path("slices.parquet"), models)
    whole, slices = pd.read_parquet("whole.parquet"), pd.read_parquet("slices.parquet")
    pd.testing.assert_frame_equal(slices, whole, check_exact=True)
    assert pq.read_schema("slices.parquet").equals(pq.read_schema("whole.parquet"), check_metadata=True)
    runs = mlflow.search_runs(experiment_names=["backcast-scores"])
    listed = subprocess.run("sha256sum *.parquet | sha256sum", shell=True, cwd=folder, capture_output=True, text=True)
    assert runs["tags.input_sha256"][0] == listed.stdout.split()[0]


@pytest.mark.parametrize(
    ("rows", "expected"), [(7, [7, 7, 7, 7, 2, 7, 7, 7, 7, 2]), (25, [25, 5, 7, 23]), (1000, [60])]
)
def test_short_files_of_a_folder_make_a_slice_together(cases, rows, expected):
    folder = written_in_parts(cases)
    found = planned_cases(folder, rows)
    parts = list(found.slices)
    assert found.n == len(cases)
    assert list(map(len, parts)) == expected
    pd.testing.assert_frame_equal(pd.concat(parts), fit_cases(folder, "preoperative"), check_index_type=False)
    assert {tuple(part.columns) for part in parts} == {tuple(cases.columns.drop("case_id"))}, "as the first file's"
    assert list(pd.concat(parts).index) == list(cases["case_id"])


@pytest.mark.parametrize("rows", [7, 25, 1000])
def test_every_case_comes_once_in_slices_of_so_many(cases, rows):
    found = planned_cases(Path("cases.parquet"), rows)
    parts = list(found.slices)
    assert found.n == len(cases)
    assert {len(part) for part in parts[:-1]} <= {rows}
    pd.testing.assert_frame_equal(
        pd.concat(parts), fit_cases(Path("cases.parquet"), "preoperative"), check_index_type=False
    )


LATE = {
    "out of range": lambda cases: cases.assign(odi=[*cases["odi"][:-1], 400.0]),
    "an id that stood far above": lambda cases: cases.assign(
        case_id=[*cases["case_id"][:-1], cases["case_id"].iloc[0]]
    ),
    "in no row but the sum": lambda cases: cases.assign(odi=cases["odi"] / 200),
    "what a failed formula left": lambda cases: cases.assign(sex=["#N/A", *cases["sex"][1:-1], "#N/A"]),
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("fault", LATE)
def test_a_fault_in_any_slice_is_said_as_of_the_whole_and_nothing_is_written(cases, models, monkeypatch, fault, form):
    path = WRITTEN[form](LATE[fault](cases))
    with pytest.raises(BackcastError) as expected:
        fit_cases(path, "preoperative")
    monkeypatch.setattr(scoring, "SLICE", 22)
    with pytest.raises(ValuesError) as refusal:
        score_file(path, Path("out/risks.parquet"), models)
    assert str(refusal.value) == str(expected.value)
    assert type(refusal.value) is type(expected.value)
    assert list(Path("out").rglob("*")) == [] if Path("out").exists() else True


@pytest.mark.parametrize("form", WRITTEN)
def test_what_seems_a_fraction_in_a_slice_may_be_none_in_the_whole(cases, form):
    path = WRITTEN[form](cases.assign(odi=[0.5] * 30 + [40.0] * 30))
    assert sum(map(len, planned_cases(path, 25).slices)) == 60


FILES: dict[str, Callable[[Path], object]] = {
    "broken off": lambda file: file.write_bytes(file.read_bytes()[:500]),
    "empty": lambda file: file.write_bytes(b""),
    "without a case": lambda file: pd.read_parquet(file).head(0).to_parquet(file, index=False),
    "with other columns": lambda file: pd.read_parquet(file).drop(columns="odi").to_parquet(file, index=False),
    "damaged inside": lambda file: file.write_bytes(b"PAR1" + b"\xff" * 396 + file.read_bytes()[400:]),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_file_of_a_folder_that_cannot_be_read_is_said_as_of_the_whole(cases, fault):
    folder = written_in_parts(cases)
    FILES[fault](folder / "2020.parquet")
    with pytest.raises(BackcastError, match=r"2020\.parquet") as expected:
        fit_cases(folder, "preoperative")
    with pytest.raises(type(expected.value)) as refusal:
        list(planned_cases(folder, 25).slices)
    assert str(refusal.value) == str(expected.value)


def test_cases_that_changed_while_they_were_read_are_refused(cases):
    """A slice that is wrong, of a whole in which nothing is: never a batch of the cases before it."""
    folder = written_in_parts(cases)
    slices = planned_cases(folder, 25).slices
    next(slices)
    (folder / "2020.parquet").unlink()
    with pytest.raises(FileFormatError, match="cases was changed while it was read"):
        list(slices)


@pytest.mark.parametrize("form", WRITTEN)
def test_a_check_reads_slices_too(cases, backcast, monkeypatch, form):
    path = WRITTEN[form](cases)
    whole = backcast("check", path)
    monkeypatch.setattr(intake, "SLICE", 22)
    monkeypatch.setattr(intake, "read_records", None)
    answer = backcast("check", path)
    assert answer == whole
    assert answer.out == f"{path}: 60 cases, {len(cases.columns)} variables, no problem. Fit for prediction.\n"


@pytest.mark.parametrize("form", WRITTEN)
def test_one_person_in_two_slices_is_found_before_training(registry, backcast, monkeypatch, elsewhere, form):
    other = "female" if registry["sex"].iloc[3] == "male" else "male"
    twice = registry.iloc[[3]].assign(case_id="again", sex=other)
    path = WRITTEN[form](pd.concat([registry.iloc[:59], twice], ignore_index=True).infer_objects())
    whole = backcast("check", path, "--for", "training")
    monkeypatch.setattr(intake, "SLICE", 22)
    answer = backcast("check", path, "--for", "training")
    assert answer == whole
    assert answer.says("sex differs within one patient_id in 2 rows", "4, ")
    assert answer.says("index_date stands more than once for one patient")


def test_no_more_than_a_slice_is_in_memory(cases, models, monkeypatch):
    """Counted, not measured: what is typed, scored and written at a time, and how far reading runs ahead of writing."""
    typed, waiting = [], [0]
    as_typed, write = intake.typed_cases, BatchFile.write

    def counted(text, first_row):
        typed.append(len(text))
        waiting[0] += 1
        assert waiting[0] <= 2  # the first slice, and the one that is scored
        return as_typed(text, first_row)

    def writes(batch, tables):
        waiting[0] -= 1
        assert max(map(len, tables)) <= 20
        write(batch, tables)

    monkeypatch.setattr(scoring, "SLICE", 20)
    monkeypatch.setattr(intake, "typed_cases", counted)
    monkeypatch.setattr(BatchFile, "write", writes)
    score_file(Path("cases.parquet"), Path("risks.parquet"), models)
    assert typed == [20] * 3


def test_a_crash_while_scoring_leaves_nothing_behind(cases, models, monkeypatch):
    write = BatchFile.write

    def fills_the_disk(batch, tables):
        if batch.n_cases:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(batch, tables)

    monkeypatch.setattr(scoring, "SLICE", 20)
    monkeypatch.setattr(BatchFile, "write", fills_the_disk)
    with pytest.raises(BackcastError, match="cannot be written: No space left"):
        score_file(Path("cases.parquet"), Path("out/risks.parquet"), models)
    assert list(Path("out").iterdir()) == []
