"""What a batch in parts says in sum, and which finished parts it takes for its own; one worker, in this process."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from features.errors import FileFormatError
from pipeline.partitions.cluster import Workers
from pipeline.partitions.commands import MANIFEST, MODELS, score_parts
from pipeline.partitions.receipts import receipt_of
from pipeline.scoring import score_file
from tests import small_service

bundles = small_service.bundles
OUT = Path("scored")


@pytest.fixture(scope="module")
def worker() -> Iterator[Workers]:
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield Workers(scheduler=cluster.scheduler_address)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def models(bundles, elsewhere, store, monkeypatch) -> Iterator[list[str]]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    yield [str(folder) for _, folder in bundles]
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def two_parts(cases: pd.DataFrame) -> Path:
    folder = Path("cases")
    folder.mkdir()
    for number, rows in enumerate(np.array_split(np.arange(len(cases)), 2)):
        cases.iloc[rows].infer_objects().to_parquet(folder / f"{2017 + number}.parquet", index=False)
    return folder


@pytest.mark.parametrize("flagged", [8, 16])
def test_cases_without_a_risk_have_no_part_in_the_mean(planned, models, worker, flagged):
    """Of the first part alone, or of all cases: then there is no mean, in no place, as where one process scores."""
    folder = two_parts(planned.head(16).assign(has_saddle_numbness=np.where(np.arange(16) < flagged, 1.0, np.nan)))
    told = score_parts(folder, OUT, models, worker)
    alone = score_file(folder, Path("alone.parquet"), models)
    lines = [[line for line in said.splitlines() if "mean risk" in line] for said in (told, alone)]
    assert lines[0] == lines[1]
    assert len(lines[0]) == len(models)
    means = pd.read_parquet("alone.parquet").groupby("outcome")["risk"].mean()
    sums = json.loads((OUT / MANIFEST).read_text())["outcomes"]
    for outcome, mean in means.items():
        expected = None if np.isnan(mean) else pytest.approx(mean, abs=1e-12)
        assert sums[outcome] == {"mean_risk": expected, "flagged": flagged, "with_risk": 16 - flagged}


def test_parts_made_with_other_code_or_by_nobody_knows_whom_are_named(planned, models, worker):
    folder = two_parts(planned.head(16))
    score_parts(folder, OUT, models, worker)
    first, second = (OUT / f"{year}.parquet" for year in (2017, 2018))
    receipt = receipt_of(first)
    other = dataclasses.replace(receipt, made_with={**receipt.made_with, "code": "0" * 64})
    for path, footer in ((first, other.as_footer()), (second, None)):
        pq.write_table(pq.read_table(path).replace_schema_metadata(footer), path)
    with pytest.raises(FileFormatError, match="holds parts of another batch") as refusal:
        score_parts(folder, OUT, models, worker)
    assert f"  - 2017.parquet was made with other code: code {'0' * 64} and not " in str(refusal.value)
    assert "  - 2018.parquet says nothing of what it was made from" in str(refusal.value)


def test_a_second_command_on_the_same_folder_is_refused_and_does_not_disturb_the_first(planned, models, worker):
    folder, said = two_parts(planned.head(16)), []
    first = threading.Thread(target=lambda: said.append(score_parts(folder, OUT, models, worker)))
    first.start()
    while not (OUT / MODELS).exists():
        assert first.is_alive()
        time.sleep(0.002)
    with pytest.raises(FileFormatError, match=r"^--out scored is being written by process \d+ .*: wait until it ends"):
        score_parts(folder, OUT, models, worker)
    first.join()
    assert "16 cases" in said[0]
    assert sorted(os.listdir(OUT)) == ["2017.parquet", "2018.parquet", MANIFEST]


def test_a_folder_that_cannot_be_written_is_named(planned, models, worker):
    Path("file").touch()
    with pytest.raises(FileFormatError, match="--out file/scored cannot be written: Not a directory"):
        score_parts(two_parts(planned.head(16)), Path("file/scored"), models, worker)
