"""A folder of Parquet files scored by 1, 2 and 4 workers on this machine (`backcast score FOLDER --workers N`)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from features.builders import THREADS, build_features
from models.predictor import RiskPredictor
from tests.bench import batch
from tests.bench.invented import DRAWN, drawn_cases, write_cases, write_parts
from tests.bench.measuring import NO_RUN, PRIMARY, Ended, Row, alone, chosen_bundle, family, not_made, program

TITLE = "What do workers bring?"
CASES, NATION, PARTS = 1_000_000, 2_000_000, 40
LEAST, FEW = 8_000, 100
AT_LEAST, SAME = 1.7, 1e-12
PEAK = re.compile(r"most memory that a worker had: ([\d.]+) GB")


def rows(scale: float) -> list[Row]:
    bundle = chosen_bundle(PRIMARY)
    if bundle is None:
        return [not_made("2 workers beside 1", NO_RUN)]
    n, nation = max(int(CASES * scale), LEAST), max(int(NATION * scale), LEAST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parts(n, PARTS // 2, folder / "cases")
        write_parts(FEW, 2, folder / "few")
        start = min(
            scored(folder, "few", bundle, 2).seconds for _ in range(2)
        )  # the first reads programs from the disk
        took = {workers: scored(folder, "cases", bundle, workers).seconds for workers in (1, 2, 4)}
        write_cases(n, folder / "cases.parquet")
        single = batch.scored(folder, bundle).seconds
        write_parts(nation, PARTS, folder / "nation")
        whole = scored(folder, "nation", bundle, 4, loses_one=True)
        apart = most_apart(folder / "nation_risks", bundle, nation)
    free = f"{os.cpu_count()} processors"
    times = ", ".join(f"{workers}: {seconds:.0f} s" for workers, seconds in took.items())
    told = f"{n:,} cases in {PARTS // 2} files; {times}; {FEW} cases with 2: {start:.0f} s; {free}"
    by = "the processors that there are, and the start: a cluster, and the imports of each worker"
    memory = "a part with its features and answers in each worker, and the imports of each"
    return [
        *(
            Row(
                what=f"{workers} workers, as fast as 1", figure=took[1] / took[workers], unit="times",
                at_least=AT_LEAST if workers == 2 else None, how=told, limited_by=by,
            )
            for workers in (2, 4)
        ),
        Row(
            what="2 workers, as fast as `backcast score` of one file without workers", figure=single / took[2],
            unit="times", how=f"the same {n:,} cases in one file, by one process with features on {THREADS} threads: "
            f"{single:.0f} s", limited_by=by,
        ),
        Row(
            what=f"{nation:,} cases on 4 workers, one of them killed half-way", figure=whole.seconds, unit="s",
            how=f"{PARTS} files; {free}", limited_by=f"{by}; what the one that was killed had begun is done again",
        ),
        Row(
            what="memory peak of a worker", figure=float(PEAK.findall(whole.out)[-1]), unit="GB",
            how="the same run, as it says itself, to 0.1 GB",
            limited_by="a slice with its features and answers, and the imports",
        ),
        Row(
            what="memory peak of all its processes together", figure=whole.together_gb, unit="GB",
            how="the same run, looked at twice a second; shared memory counted once", limited_by=memory,
        ),
        Row(
            what="risks apart from those of a single process, at most", figure=apart, unit="", at_most=SAME,
            how="every case of the same run, each found once after a worker was killed",
            limited_by="nothing: the same functions on the same values",
        ),
    ]  # fmt: skip


def scored(folder: Path, cases: str, bundle: Path, workers: int, *, loses_one: bool = False) -> Ended:
    """`backcast score` of a folder, with a store of its own; the last answers of these cases stay.

    Where it loses one, a worker is killed as soon as half of the parts are finished.
    """
    out = folder / f"{cases}_risks"
    shutil.rmtree(out, ignore_errors=True)
    command = [program("backcast"), "score", cases, "--model", str(bundle.resolve()), "--out", out.name]
    command += ["--workers", str(workers)]
    half, killed = len(list((folder / cases).iterdir())) // 2, []

    def kill_one(pid: int) -> None:
        while len(list(out.glob("*.parquet"))) < half:
            time.sleep(0.1)
        killed.append(next(one for one in family(pid) if is_worker(one)))
        os.kill(killed[0], signal.SIGKILL)

    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    ended = alone(command, cwd=folder, env=store, **({"meanwhile": kill_one} if loses_one else {}))
    if loses_one and not killed:
        raise RuntimeError("no worker was killed: the folder was scored too soon")
    return ended


def is_worker(pid: int) -> bool:
    """Whether a process runs parts: Dask starts its workers as multiprocessing spawns."""
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def most_apart(out: Path, bundle: Path, n: int) -> float:
    """The largest difference of any risk from that of this process; each case has to be there once.

    Cases are the same draw over and over, so that few answers of this process tell of all.
    """
    predictor, drawn = RiskPredictor.load(bundle), drawn_cases()
    own = predictor.explain(drawn, build_features(drawn, predictor.builder_params)).risks["risk"].to_numpy()
    seen, apart = np.zeros(n, dtype=int), 0.0
    for file in sorted(out.rglob("*.parquet")):
        table = pq.read_table(file, columns=["case_id", "risk"]).to_pandas()
        number = table["case_id"].str[1:].astype(int).to_numpy()
        np.add.at(seen, number, 1)
        ours, theirs = own[number % DRAWN], table["risk"].to_numpy(dtype=float)
        if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
            raise RuntimeError("a risk is missing on one side alone")
        apart = max(apart, float(np.nanmax(np.abs(ours - theirs))))
    if not (seen == 1).all():
        raise RuntimeError(f"{int((seen != 1).sum())} cases are lost or stand twice")
    return apart
