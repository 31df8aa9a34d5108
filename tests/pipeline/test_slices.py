"""A Parquet file is scored slice by slice: the same file however it is cut, or none at all, and bounded memory."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import BackcastError, ValuesError
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


@pytest.mark.parametrize("fault", LATE)
def test_a_fault_in_any_slice_is_said_as_of_the_whole_and_nothing_is_written(cases, models, monkeypatch, fault):
    path = written(LATE[fault](cases))
    with pytest.raises(BackcastError) as expected:
        fit_cases(path, "preoperative")
    monkeypatch.setattr(scoring, "SLICE", 22)
    with pytest.raises(ValuesError) as refusal:
        score_file(path, Path("out/risks.parquet"), models)
    assert str(refusal.value) == str(expected.value)
    assert type(refusal.value) is type(expected.value)
    assert list(Path("out").rglob("*")) == [] if Path("out").exists() else True


def test_what_seems_a_fraction_in_a_slice_may_be_none_in_the_whole(cases):
    path = written(cases.assign(odi=[0.5] * 30 + [40.0] * 30))
    assert sum(map(len, planned_cases(path, 25).slices)) == 60


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
