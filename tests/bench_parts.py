"""What parts on several workers cost: `python -m tests.bench_parts`. Ratios of one run; seconds depend on the machine.

Cases of the virtual registry, repeated under ids of their own, are scored by one process from one Parquet file, and by 1, 2
and 4 workers of this machine from a folder of parts; each time in a process of its own, once with a worker killed half-way.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.partitions.commands import MANIFEST
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases

DRAWN = 12_000
PEAK = re.compile(r"most memory that a worker had: ([\d.]+) GB")


class Scored(NamedTuple):
    """One way of scoring the folder: seconds, the most memory of a worker in GB, and where the table is."""

    seconds: float
    worker_gb: float | None
    table: Path


def many_parts(folder: Path, n_cases: int, per_part: int) -> Path:
    """A folder of planned cases in parts of so many, each under an id of its own."""
    registry = RegistryParams(seed=1, cases=DRAWN, centres=8, first_year=2017, years=6, discordance_effect=1.0)
    drawn = draw_planned_cases(registry)
    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, n_cases, per_part)):
        rows = np.arange(start, min(start + per_part, n_cases))
        part = drawn.iloc[rows % DRAWN].assign(case_id=[f"N{row:09d}" for row in rows])
        part.to_parquet(folder / f"part-{number:05d}.parquet", index=False)
    return folder


def one_file(parts: Path, whole: Path) -> Path:
    """All parts below one another in one file."""
    files = sorted(parts.iterdir())
    with pq.ParquetWriter(whole, pq.read_schema(files[0])) as writer:
        for file in files:
            writer.write_table(pq.read_table(file))
    return whole


def scored_by(workers: int | None, cases: Path, out: Path, model: Path, *, kills_one: bool = False) -> Scored:
    """A folder scored by so many workers, or a file by one process; in a process, with a store, of its own."""
    by = [] if workers is None else ["--workers", str(workers)]
    command = [sys.executable, "-m", "pipeline.cli", "score", str(cases), "--out", str(out), "--model", str(model), *by]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{out.parent / f'{out.name}.db'}"}
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=out.parent) as process:
        if kills_one:
            threading.Thread(target=_kill_one, args=(process.pid, cases, out), daemon=True).start()
        said = process.communicate()[0]
    took = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    peak = PEAK.search(said)
    return Scored(took, float(peak[1]) if peak else None, out)


def _kill_one(process: int, parts: Path, out: Path) -> None:
    """Kill a worker of a process, as soon as half of the parts are finished."""
    half = len(list(parts.iterdir())) // 2
    while len(list(out.glob("*.parquet"))) < half:
        time.sleep(0.2)
    os.kill(_workers_of(process)[0], signal.SIGKILL)


def _workers_of(process: int) -> list[int]:
    """The processes below it that run parts; `/proc` knows their commands."""
    children = [one for path in Path(f"/proc/{process}/task").glob("*/children") for one in path.read_text().split()]
    return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def furthest_apart(one: Path, other: Path) -> float:
    """The greatest difference of any risk between two scored tables; both have to hold the same cases.

    Only three columns of either are read, so that millions of cases are compared in little memory.
    """
    columns = ["case_id", "outcome", "risk"]
    tables = [
        pd.read_parquet(path, columns=columns).set_index(columns[:2])["risk"].sort_index() for path in (one, other)
    ]
    if not tables[0].index.equals(tables[1].index) or not tables[0].index.is_unique:
        raise AssertionError("a case is lost or doubled")
    if not (tables[0].isna() == tables[1].isna()).all():
        raise AssertionError("a risk is missing in one of them")
    return float((tables[0] - tables[1]).abs().max())


def measured(model: Path, n_cases: int, per_part: int, numbers: tuple[int, ...]) -> dict[str, Any]:
    """Seconds by one process and by each number of workers, memory, and how far the risks are apart."""
    with tempfile.TemporaryDirectory() as scratch:
        parts = many_parts(Path(scratch) / "parts", n_cases, per_part)
        whole = one_file(parts, Path(scratch) / "whole.parquet")
        alone = scored_by(None, whole, Path(scratch) / "alone.parquet", model)
        by_workers = {n: scored_by(n, parts, Path(scratch) / f"by_{n}", model) for n in numbers}
        killed = scored_by(max(numbers), parts, Path(scratch) / "killed", model, kills_one=True)
        manifests = {(one.table / MANIFEST).read_text() for one in (*by_workers.values(), killed)}
        return {
            "cases": n_cases,
            "seconds_alone": alone.seconds,
            "seconds": {n: one.seconds for n, one in by_workers.items()},
            "worker_gb": {n: one.worker_gb for n, one in by_workers.items()},
            "furthest_apart": furthest_apart(alone.table, killed.table),
            "same_bytes_with_a_worker_killed": len(manifests) == 1,
        }


@click.command()
@click.option("--model", type=click.Path(path_type=Path, exists=True), default="data/train/failure_12m/xgboost")
@click.option("--cases", default=2_000_000)
@click.option("--per-part", default=50_000)
@click.option("--workers", "numbers", multiple=True, type=int, default=(1, 2, 4))
def main(model: Path, cases: int, per_part: int, numbers: tuple[int, ...]) -> None:
    click.echo(json.dumps(measured(model.resolve(), cases, per_part, numbers), indent=1))


if __name__ == "__main__":
    main()
