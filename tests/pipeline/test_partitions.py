"""A folder of parts on two workers: what one process says of it, whatever becomes of a worker, a file or the disk."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask.config
import mlflow
import numpy as np
import pandas as pd
import pytest

from features.errors import ColumnsError, FileFormatError, ValuesError
from models.bundle import bundle_sha256
from pipeline import tracking
from pipeline.partitions import cluster as clusters
from pipeline.partitions import work
from pipeline.partitions.cluster import Workers
from pipeline.partitions.code import difference, installed
from pipeline.partitions.commands import MANIFEST, check_parts, score_parts
from pipeline.partitions.errors import ClusterError
from pipeline.partitions.gathering import refuse_all
from pipeline.partitions.parts import parts_of
from pipeline.partitions.receipts import receipt_of
from pipeline.partitions.work import Asked, check_part, score_part
from tests import small_cluster, small_service

bundles, client = small_service.bundles, small_cluster.client
PARTS = 5
CERTIFICATES = [f"distributed.comm.tls.{name}" for name in ("ca-file", "client.key", "client.cert")]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    """One store for all tests, since a new one takes seconds to make."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def workers(client) -> Workers:
    return Workers(scheduler=client.scheduler.address)


@pytest.fixture
def models(bundles, elsewhere, store, monkeypatch) -> list[str]:
    """Two small models by the folders of their bundles, and a store for the runs."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return [str(folder) for _, folder in bundles]


@pytest.fixture
def in_parts(elsewhere) -> Callable[..., Path]:
    """Writes cases as a folder of so many parts."""

    def write(cases: pd.DataFrame, n: int = PARTS, name: str = "cases") -> Path:
        folder = elsewhere / name
        folder.mkdir()
        for number, rows in enumerate(np.array_split(np.arange(len(cases)), n)):
            cases.iloc[rows].infer_objects().to_parquet(folder / f"{2017 + number}.parquet", index=False)
        return folder

    return write


@pytest.fixture(autouse=True)
def stores_stay_apart() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def lines_of(message: str) -> set[str]:
    """The problems of a message, without its first line."""
    return {line for line in message.splitlines() if line.startswith("  - ")}


def table_of(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path).set_index(["outcome", "case_id"]).sort_index()


def manifest_of(out: Path) -> dict:
    return json.loads((out / MANIFEST).read_text())


def rewrite(file: Path, **columns: object) -> None:
    """The same part with other values."""
    pd.read_parquet(file).assign(**columns).to_parquet(file, index=False)


def test_a_fit_folder_is_fit_by_parts_too(backcast, in_parts, planned, workers):
    folder = in_parts(planned)
    alone = backcast("check", folder)
    answer = backcast("check", folder, "--scheduler", workers.scheduler)
    assert answer.status == alone.status == 0
    assert "60 cases in 5 parts" in answer.out
    assert answer.out.endswith("no problem. Fit for prediction.\n")


def test_every_problem_of_every_part_is_said_as_one_process_says_it(backcast, in_parts, planned, workers):
    """Ranges, choices, ids that stand in two parts, a unit that only the whole shows, a column that is nobody's."""
    planned["shoe_size"] = 42.0
    planned["odi"] = np.linspace(0.1, 0.9, len(planned))
    planned.loc[planned.index[:40], "age_years"] = 700.0
    planned.loc[planned.index[[0, 59]], "case_id"] = "the same"
    planned.loc[planned.index[[5, 6]], "case_id"] = None
    planned.loc[planned.index[[20, 50]], "sex"] = "X"
    planned.loc[planned.index[30], "index_date"] = "2199-01-01"
    folder = in_parts(planned)
    alone = backcast("check", folder)
    answer = backcast("check", folder, "--scheduler", workers.scheduler)
    assert lines_of(answer.err) == lines_of(alone.err)
    assert len(lines_of(answer.err)) >= 7
    assert answer.says("case_id is not unique in 2 rows (2017.parquet:1, 2021.parquet:12)")
    assert answer.says("odi never exceeds 1")
    assert answer.status == alone.status == 6
    assert answer.err.splitlines()[0] == alone.err.splitlines()[0]


def test_one_person_in_two_parts_is_found_before_training(backcast, in_parts, registry, workers):
    twice = registry.iloc[[3]].assign(case_id="again", sex=["female" if registry.iloc[3]["sex"] == "male" else "male"])
    folder = in_parts(pd.concat([registry, twice], ignore_index=True))
    alone = backcast("check", folder, "--for", "training")
    answer = backcast("check", folder, "--for", "training", "--scheduler", workers.scheduler)
    assert lines_of(answer.err) == lines_of(alone.err)
    assert answer.says("sex differs within one patient_id in", "2017.parquet:4", "2021.parquet:")
    assert answer.says("index_date stands more than once for one patient")


def test_a_folder_is_scored_as_one_process_scores_it(backcast, in_parts, planned, models, workers):
    """The same rows, numbers to 1e-12, and the same run in MLflow with the same table, ids left out."""
    folder = in_parts(planned.assign(has_saddle_numbness=np.where(np.arange(len(planned)) == 7, 1.0, np.nan)))
    named = [word for model in models for word in ("--model", model)]
    alone = backcast("score", folder, "--out", "alone.parquet", *named)
    answer = backcast("score", folder, "--out", "scored", *named, "--scheduler", workers.scheduler)
    assert (alone.status, answer.status) == (0, 0), answer.err
    pd.testing.assert_frame_equal(table_of(Path("scored")), table_of(Path("alone.parquet")), rtol=0, atol=1e-12)
    assert len(pd.read_parquet("scored")) == len(models) * len(planned)
    same = [line for line in alone.out.splitlines() if "mean risk" in line or "Caution" in line]
    assert [line for line in answer.out.splitlines() if "mean risk" in line or "Caution" in line] == same
    by_parts, at_once = (run_of(said.out) for said in (answer, alone))
    assert by_parts.data.params == at_once.data.params
    assert by_parts.data.metrics == pytest.approx(at_once.data.metrics, abs=1e-12)
    assert by_parts.data.tags.keys() == at_once.data.tags.keys()
    logged = [pd.read_parquet(fetched(run, "predictions.parquet")) for run in (by_parts, at_once)]
    assert "case_id" not in logged[0]
    keys = ["outcome", "prediction_key"]
    pd.testing.assert_frame_equal(*(table.sort_values(keys, ignore_index=True) for table in logged), rtol=0, atol=1e-12)


def run_of(said: str) -> mlflow.entities.Run:
    return mlflow.get_run(said.split("logged in MLflow as run ")[1][:32])


def fetched(run: mlflow.entities.Run, name: str) -> str:
    return mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)


def test_a_worker_killed_half_way_loses_nothing_and_doubles_nothing(client, in_parts, planned, models, workers):
    """The same bytes as where nobody was killed."""
    folder = in_parts(pd.concat([planned.assign(case_id=planned["case_id"] + mark) for mark in "abc"]), n=8)
    score_parts(folder, Path("whole"), models, workers)
    before = client.run(os.getpid)
    killed = threading.Thread(target=kill_after_the_first_part, args=(Path("scored"), next(iter(before.values()))))
    killed.start()
    said = score_parts(folder, Path("scored"), models, workers)
    killed.join()
    assert "180 cases" in said
    assert manifest_of(Path("scored")) == manifest_of(Path("whole"))
    assert sorted(os.listdir("scored")) == sorted([MANIFEST, *os.listdir(folder)]), "and nothing half-written"
    client.wait_for_workers(2, timeout=60)
    assert set(client.run(os.getpid).values()) != set(before.values())


def kill_after_the_first_part(out: Path, process: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(out.glob("*.parquet")):
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)


def test_what_interrupts_a_command_is_not_heard_by_its_workers(client):
    """They would each say so, before the command ends them."""
    pids = client.run(os.getpid)
    for pid in pids.values():
        os.kill(pid, signal.SIGINT)
    assert client.run(os.getpid) == pids
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_second_start_goes_on_where_the_first_one_ended(in_parts, planned, models, workers):
    """A part that is wrong ends the batch without manifest and run; the others are kept, and are not scored again."""
    folder, out, before = in_parts(planned), Path("scored"), len(runs())
    right = pd.read_parquet(folder / "2019.parquet")
    rewrite(folder / "2019.parquet", age_years=700.0)
    with pytest.raises(Exception, match=r"age_years is outside .* in 12 rows \(2019.parquet:1, .*"):
        score_parts(folder, out, models, workers)
    assert sorted(os.listdir(out)) == ["2017.parquet", "2018.parquet", "2020.parquet", "2021.parquet"]
    assert len(runs()) == before
    kept = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    right.to_parquet(folder / "2019.parquet", index=False)
    said = score_parts(folder, out, models, workers)
    assert "4 of the parts were finished before" in said
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert manifest_of(out)["cases"] == len(planned)
    assert len(runs()) == before + 1


def runs() -> list[Any]:
    """The scored batches that the store knows of."""
    with tracking.store() as client:
        known = [client.get_experiment_by_name(tracking.SCORING)]
        return client.search_runs([each.experiment_id for each in known if each])


def test_a_part_whose_input_changed_is_scored_again(in_parts, planned, models, workers):
    folder, out = in_parts(planned), Path("scored")
    score_parts(folder, out, models, workers)
    before = manifest_of(out)
    rewrite(folder / "2018.parquet", age_years=80.0)
    assert "4 of the parts were finished before" in score_parts(folder, out, models, workers)
    changed = [new["name"] for old, new in zip(before["parts"], manifest_of(out)["parts"], strict=True) if new != old]
    assert changed == ["2018.parquet"]
    rewrite(folder / "2018.parquet", age_years=800.0)
    with pytest.raises(ValuesError):
        score_parts(folder, out, models, workers)
    assert sorted(os.listdir(out)) == [f"{year}.parquet" for year in (2017, 2019, 2020, 2021)]


def test_an_id_in_two_parts_is_found_among_finished_parts_too(in_parts, planned, models, workers):
    folder = in_parts(planned.assign(case_id=["same", *planned["case_id"].iloc[1:-1], "same"]))
    for _ in range(2):
        with pytest.raises(Exception, match=r"not unique in 2 rows \(2017.parquet:1, 2021.parquet:12\)"):
            score_parts(folder, Path("scored"), models, workers)
    assert not (Path("scored") / MANIFEST).exists()


def test_parts_of_other_models_or_code_are_never_mixed(in_parts, planned, models, workers):
    folder, out = in_parts(planned, n=2), Path("scored")
    score_parts(folder, out, models, workers)
    with pytest.raises(FileFormatError, match=r"2017.parquet was made by other models\n.*2018.parquet was made by"):
        score_parts(folder, out, models[:1], workers)
    assert (out / MANIFEST).exists()


def test_what_is_wrong_with_files_is_said_before_any_work_and_all_at_once(in_parts, planned):
    folder = in_parts(planned)
    whole = (folder / "2018.parquet").read_bytes()
    (folder / "2018.parquet").write_bytes(whole[: len(whole) // 2])
    planned.head(0).to_parquet(folder / "2019.parquet", index=False)
    rewrite(folder / "2020.parquet", shoe_size=42.0)
    pd.read_parquet(folder / "2021.parquet").drop(columns="odi").to_parquet(folder / "2021.parquet", index=False)
    with pytest.raises(FileFormatError, match="4 problems, before any work") as refusal:
        check_parts(folder, "preoperative", Workers(scheduler="tcp://127.0.0.1:1"))
    said = str(refusal.value)
    assert "2018.parquet is not a whole Parquet file" in said
    assert "2019.parquet has a header and no case" in said
    assert "2020.parquet also has shoe_size" in said
    assert "2021.parquet lacks odi" in said


def test_what_spark_leaves_beside_the_parts_is_no_part(in_parts, planned):
    folder = in_parts(planned)
    (folder / "_SUCCESS").touch()
    assert [part.name for part in parts_of(folder)] == [f"{year}.parquet" for year in range(2017, 2022)]


def test_one_process_writes_a_file_and_no_folder(backcast, in_parts, planned):
    Path("scored").mkdir()
    answer = backcast("score", in_parts(planned), "--out", "scored")
    assert answer.status == 2
    assert answer.says("--out scored is a folder, which takes parts")


def test_a_part_with_other_columns_alone_is_a_question_of_columns(in_parts, planned):
    folder = in_parts(planned)
    rewrite(folder / "2020.parquet", shoe_size=42.0)
    with pytest.raises(ColumnsError, match=r"2020.parquet also has shoe_size, beside 2017.parquet"):
        parts_of(folder)


def test_a_part_that_is_damaged_inside_is_named_and_the_others_are_kept(in_parts, planned, models, workers):
    """Its footer is whole, so that only the worker that reads it can tell."""
    folder, out = in_parts(planned), Path("scored")
    damaged = bytearray((folder / "2020.parquet").read_bytes())
    damaged[4:400] = b"\xff" * 396
    (folder / "2020.parquet").write_bytes(damaged)
    with pytest.raises(FileFormatError, match=r"2020.parquet is not a whole Parquet file"):
        score_parts(folder, out, models, workers)
    assert len(os.listdir(out)) == PARTS - 1


def test_a_full_disk_ends_the_batch_and_keeps_what_is_finished(client, in_parts, planned, models, workers):
    """The limit is the system's own for a file's size, which the workers meet as they write."""
    folder, out = in_parts(planned), Path("scored")
    score_parts(folder, Path("whole"), models, workers)
    out.mkdir()
    shutil.copy2("whole/2017.parquet", out)
    client.run(allow_files_of, 1000)
    try:
        with pytest.raises(FileFormatError, match=r"2018.parquet cannot be written: File too large") as refusal:
            score_parts(folder, out, models, workers)
    finally:
        client.run(allow_files_of, resource.RLIM_INFINITY)
    assert "the same command goes on from there" in str(refusal.value)
    assert os.listdir(out) == ["2017.parquet"]
    assert "1 of the parts were finished before" in score_parts(folder, out, models, workers)
    assert manifest_of(out) == manifest_of(Path("whole"))


def test_a_disk_without_room_for_the_models_is_named(in_parts, planned, models, workers):
    folder, before = in_parts(planned), resource.getrlimit(resource.RLIMIT_FSIZE)
    with tracking.store():
        pass  # a new one needs room too
    allow_files_of(1_000)  # enough for the lock
    try:
        with pytest.raises(FileFormatError, match=r"--out out cannot be written: .* Make room"):
            score_parts(folder, Path("out"), models, workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir("out") == []


def allow_files_of(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def test_a_scheduler_that_does_not_answer_is_named(backcast, in_parts, planned, monkeypatch):
    monkeypatch.setattr(clusters, "ANSWER_SECONDS", 0.3)
    answer = backcast("check", in_parts(planned), "--scheduler", "tcp://127.0.0.1:1")
    assert answer.status == ClusterError.exit_status
    assert answer.says("The scheduler tcp://127.0.0.1:1 does not answer")


@pytest.mark.parametrize(
    ("scheme", "answer", "words"),
    [
        ("tcp", b"", "does not answer: timed out after"),
        ("tcp", b"HTTP/1.1 400 Bad Request\r\n\r\n", "Is another program there"),
        ("tls", b"", "distributed.comm.tls"),
    ],
    ids=["silent", "another program", "no certificates"],
)
def test_what_answers_as_no_scheduler_does_is_named(scheme, answer, words, backcast, in_parts, planned, monkeypatch):
    monkeypatch.setattr(clusters, "ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=answer_once, args=(server, answer)).start()
        with dask.config.set(dict.fromkeys(CERTIFICATES)):
            said = backcast("check", in_parts(planned, 1), "--scheduler", address)
        server.shutdown(socket.SHUT_RDWR)
    assert said.status == ClusterError.exit_status
    assert said.says(address)
    assert said.says(words)


def answer_once(server: socket.socket, answer: bytes) -> None:
    """Say so much to the first who asks, and no more until the server ends."""
    with suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.sendall(answer)
            server.accept()


def test_a_worker_with_other_code_is_refused_with_both_hashes(in_parts, planned, root, tmp_path):
    """A worker of a changed copy, at a scheduler of its own."""
    from distributed import LocalCluster

    copy = tmp_path / "copy"
    for package in ("features", "models", "pipeline"):
        shutil.copytree(root / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "features" / "builders.py").open("a") as file:
        file.write("# changed\n")
    folder = in_parts(planned)
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as scheduler:
        address = scheduler.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"]
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        with subprocess.Popen(command, cwd=copy, env=environment, stderr=subprocess.DEVNULL) as worker:
            try:
                with pytest.raises(ClusterError, match="has other code than yours") as refusal:
                    check_parts(folder, "preoperative", Workers(scheduler=address))
            finally:
                worker.terminate()
    assert installed()["code"] in str(refusal.value)
    assert "code " in str(refusal.value)


def test_a_worker_that_joins_later_with_other_code_refuses_its_part(in_parts, planned):
    part = parts_of(in_parts(planned))[0]
    asked = Asked("preoperative", pd.Timestamp.today().date(), {**installed(), "code": "0" * 64}, {})
    with pytest.raises(ClusterError, match=f"code {installed()['code']} and not {'0' * 64}"):
        check_part(part, asked)


def test_a_part_is_the_same_however_it_is_sliced(in_parts, planned, bundles, monkeypatch):
    """Its rows, what is summed up of them, and what is wrong in a later slice, where nothing may appear."""
    part = parts_of(in_parts(planned, n=1))[0]
    asked = Asked("preoperative", pd.Timestamp.today().date(), installed(), {})
    models = {bundle_sha256(folder): folder for _, folder in bundles}
    whole = score_part(part, asked, Path("whole").resolve(), models)
    monkeypatch.setattr(work, "SLICE", 7)
    sliced = score_part(part, asked, Path("sliced").resolve(), models)
    tables = [pd.read_parquet(Path(name, part.name)) for name in ("whole", "sliced")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert sliced.receipt == whole.receipt
    assert (sliced.found.identities[0].cases == whole.found.identities[0].cases).all()
    rewrite(part.path, age_years=[*[50.0] * 40, *[700.0] * 20])
    unfit = score_part(part, asked, Path("unfit").resolve(), models)
    assert unfit.receipt is None
    assert os.listdir("unfit") == []
    with pytest.raises(ValuesError, match=r"age_years .* in 20 rows \(2017.parquet:41, "):
        refuse_all("cases", {part: unfit.found})


def test_another_library_is_said_by_its_versions():
    assert difference({"code": "a", "xgboost": "3.1"}, {"code": "a", "xgboost": "3.2"}) == "xgboost 3.1 and not 3.2"
    assert difference({"code": "a"}, {"code": "a"}) == ""


def test_without_dask_it_is_said_how_to_install_it(backcast, in_parts, planned, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    answer = backcast("check", in_parts(planned), "--workers", 2)
    assert answer.status == ClusterError.exit_status
    assert answer.says("pip install 'backcast[dask]'")


@pytest.mark.parametrize(("asked", "begun"), [(1000, 3), (2, 2), (None, None)])
def test_no_more_processes_are_begun_than_there_are_parts(asked, begun):
    assert Workers(processes=asked).for_parts(3) == Workers(processes=begun)


def test_dask_is_imported_only_where_it_is_asked_for(root):
    """Inside functions of two modules, so that nobody else waits for it."""
    imports = re.compile(r"^( *)(?:import|from) (?:dask|distributed)\b", flags=re.MULTILINE)
    sources = [path for package in ("features", "models", "pipeline") for path in (root / package).rglob("*.py")]
    found = {path: imports.findall(path.read_text(encoding="utf-8")) for path in sources}
    assert {path.name for path in found if found[path]} == {"cluster.py", "training.py"}
    assert all(all(indents) for indents in found.values()), "indented, so inside a function"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("file", "is a file. With --workers or --scheduler name a folder"),
        ("other", "holds notes.txt, which is no part"),
        ("inside", "lie in one another"),
    ],
)
def test_an_output_that_would_mix_is_refused(what, words, in_parts, planned, models):
    folder, out = in_parts(planned), Path("scored")
    if what == "file":
        out.touch()
    elif what == "other":
        out.mkdir()
        (out / "notes.txt").touch()
    else:
        out = folder / "scored"
    with pytest.raises(FileFormatError, match=words):
        score_parts(folder, out, models, Workers(processes=1))


def test_what_is_no_folder_of_parquet_files_is_refused(elsewhere, planned):
    Path("named").mkdir()
    planned.to_parquet("named/_2017.parquet")
    planned.to_parquet("cases.parquet")
    Path("mixed").mkdir()
    planned.to_csv("mixed/2017.csv")
    for name, words in (
        ("cases.parquet", "is no folder"),
        ("mixed", "every file is Parquet"),
        ("named", r"holds _2017.parquet: readers .* pass over"),
        ("no", "does not exist"),
    ):
        with pytest.raises(FileFormatError, match=words):
            parts_of(Path(name))


def test_a_receipt_names_no_one_and_no_time(in_parts, planned, models, workers):
    folder = in_parts(planned, n=1)
    score_parts(folder, Path("scored"), models, workers)
    receipt = receipt_of(Path("scored/2017.parquet"))
    assert receipt is not None
    assert receipt.cases == len(planned)
    stored = (Path("scored") / MANIFEST).read_text()
    assert not any(case_id in stored for case_id in planned["case_id"])
    listed = subprocess.run("sha256sum *.parquet | sha256sum", shell=True, cwd=folder, capture_output=True, text=True)
    assert manifest_of(Path("scored"))["input_sha256"] == listed.stdout.split()[0]
