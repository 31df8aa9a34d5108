"""What the record costs: `python tests/prediction_record/bench.py [FOLDER]`, on the disk that holds the folder.

The bare write beside it is what the disk itself takes for as many bytes; the difference is the record's own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record

ALONE, THREADS, EACH, EXPORTED = 2000, 8, 500, 300
OUTCOMES = ("failure_12m", "unacceptable_12m", "not_improved_12m", "worse_12m", "reoperation_24m")


def an_answer() -> dict[str, Any]:
    """Five outcomes with forty contributions each, some 8 kB."""
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


def told(name: str, seconds: list[float]) -> None:
    ranked = sorted(seconds)
    p50, p99 = (1e3 * ranked[int(len(ranked) * share)] for share in (0.5, 0.99))
    print(f"{name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {1e3 * ranked[-1]:.1f} ms")


def timed(work: Callable[[], object], times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def bare_writes(folder: Path, size: int) -> list[float]:
    """Overwriting a file that is there, and waiting for the disk."""
    handle = os.open(folder / "bare", os.O_RDWR | os.O_CREAT)
    os.write(handle, b"0" * 400 * size)
    os.fsync(handle)
    os.lseek(handle, 0, os.SEEK_SET)

    def write() -> None:
        os.write(handle, b"1" * size)
        os.fdatasync(handle)

    seconds = timed(write, 400)
    os.close(handle)
    return seconds


def main(folder: Path) -> None:
    path, answer, request = folder / "record.db", an_answer(), {"age_years": 61.0, "odi": 44.0}
    told("a bare write of 16 kB to disk", bare_writes(folder, 16_384))
    with Record.open(path) as record:
        told("append, alone", timed(lambda: record.append(answer, request, {"case_id": "C1"}), ALONE))
        seconds: list[float] = []
        work = [
            threading.Thread(
                target=lambda: seconds.extend(timed(lambda: record.append(answer, request, {"case_id": "C1"}), EACH))
            )
            for _ in range(THREADS)
        ]
        start = time.perf_counter()
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        rate = THREADS * EACH / (time.perf_counter() - start)
        told(f"append, {THREADS} threads ({rate:.0f} a second)", seconds)
        with open_record(path) as reader:
            start = time.perf_counter()
            entries = reader.verdict().entries
            print(f"verify {entries} entries: {time.perf_counter() - start:.2f} s")
    exported(folder)


def exported(folder: Path) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    from pipeline.prediction_record.export import export_pending

    path = folder / "exported.db"
    with Record.open(path) as record:
        record.append(an_answer(), {}, {})
        export_pending(path)  # the first one makes the store
        for _ in range(EXPORTED):
            record.submit(an_answer(), {}, {})
        start = time.perf_counter()
    export_pending(path)
    rate = EXPORTED / (time.perf_counter() - start)
    print(f"export to MLflow on SQLite: {rate:.0f} predictions a second, six spans each")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as scratch:
        main(Path(scratch))
