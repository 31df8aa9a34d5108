"""What the prediction record costs, on the disk that holds temporary files.

The bare write beside it is what the disk itself takes for as many bytes as an answer brings to SQLite's log, which
writes whole pages; the difference is the record's own.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record
from tests.bench.measuring import Row, seconds

TITLE = "What does the prediction record cost?"
ALONE, THREADS, EACH, EXPORTED, BARE = 2000, 8, 500, 300, 400
BYTES = 7 * 4096
"""What SQLite's log grows by with an answer."""
OUTCOMES = ("failure_12m", "unacceptable_12m", "not_improved_12m", "worse_12m", "reoperation_24m")


def rows(scale: float) -> list[Row]:
    n, each, exported_ = (max(int(count * scale), 20) for count in (ALONE, EACH, EXPORTED))
    answer, request = an_answer(), {"age_years": 61.0, "odi": 44.0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_writes(folder)
        with Record.open(folder / "record.db") as record:

            def append() -> object:
                return record.append(answer, request, {"case_id": "C1"})

            took = [seconds(append) for _ in range(n)]
            at_once = in_threads(append, each)
            with open_record(folder / "record.db") as reader:
                begun = time.perf_counter()
                verdict = reader.verdict()
                verified = (time.perf_counter() - begun) / verdict.entries
        rate = exported(folder, exported_)
    if not verdict.holds:
        raise RuntimeError("the chain of the record does not hold after the measurement")
    ranked = sorted(took)
    size, p99 = len(json.dumps(answer)) / 1000, ranked[len(ranked) * 99 // 100]
    alone = f"{n} answers of {size:.0f} kB; p50 {1e3 * median(took):.2f} ms, p99 {1e3 * p99:.2f} ms"
    bare_how = f"bare {1e3 * median(bare):.2f} ms"
    return [
        Row(
            what=f"an answer on disk, beside a bare write of {BYTES // 1024} kB that is awaited",
            figure=median(took) / median(bare), unit="times the p50", how=f"{alone}; {bare_how}",
            limited_by="the disk: nothing is answered before it has it",
        ),
        Row(
            what=f"answers a second by {THREADS} threads", figure=at_once, unit="a second",
            how=f"{THREADS * each} answers",
            limited_by="one writer, one write after the other, as the chain asks",
        ),
        Row(
            what="verifying the chain", figure=1e6 * verified, unit="µs an answer", how=f"{verdict.entries} entries",
            limited_by="SHA-256 of every content, and SQLite's reading",
        ),
        Row(
            what="exporting to MLflow on SQLite", figure=rate, unit="answers a second",
            how=f"{exported_} answers of six spans each", limited_by="MLflow's own writing of traces",
        ),
    ]  # fmt: skip


def an_answer() -> dict[str, Any]:
    """Five outcomes with forty contributions each."""
    one = {
        "horizon_months": 12,
        "model": {"uri": "models:/backcast-failure_12m/3", "sha256": "c3" * 32, "learner": "logistic"},
        "risk": 0.25,
        "risk_lower": 0.2,
        "risk_upper": 0.31,
        "base_log_odds": -0.7,
        "contributions": {f"predictor_{i}": 0.0123 * i for i in range(40)},
    }
    outcomes = [{"outcome": outcome, **one} for outcome in OUTCOMES]
    return {"question": "failure", "provenance": "virtual", "input_sha256": "ab" * 32, "outcomes": outcomes}


def bare_writes(folder: Path) -> list[float]:
    """Overwriting a file that is there, and waiting for the disk."""
    handle = os.open(folder / "bare", os.O_RDWR | os.O_CREAT)
    os.write(handle, b"0" * BARE * BYTES)
    os.fsync(handle)
    os.lseek(handle, 0, os.SEEK_SET)

    def write() -> None:
        os.write(handle, b"1" * BYTES)
        os.fdatasync(handle)

    took = [seconds(write) for _ in range(BARE)]
    os.close(handle)
    return took


def in_threads(append: Callable[[], object], each: int) -> float:
    """Answers a second by several threads at once."""
    work = [threading.Thread(target=lambda: [append() for _ in range(each)]) for _ in range(THREADS)]
    begun = time.perf_counter()
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    return THREADS * each / (time.perf_counter() - begun)


def exported(folder: Path, n: int) -> float:
    """Answers a second to MLflow, after the first one, which makes the store."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    from pipeline.prediction_record.export import export_pending

    path = folder / "exported.db"
    with Record.open(path) as record:
        record.append(an_answer(), {}, {})
        export_pending(path)
        for _ in range(n):
            record.submit(an_answer(), {}, {})
        begun = time.perf_counter()
    export_pending(path)
    return n / (time.perf_counter() - begun)
