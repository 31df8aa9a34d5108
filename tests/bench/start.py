"""What it costs to begin: commands that do next to nothing, each in a process of its own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.invented import write_cases
from tests.bench.measuring import NO_RUN, PRIMARY, Row, alone, chosen_bundle, middle, not_made, program

TITLE = "How long until it begins?"
TIMES, CHECKED = 5, 100
BARE = "import pandas"


def rows(scale: float) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cases(CHECKED, folder / "cases.parquet")
        times = max(int(TIMES * scale), 2)
        bare, helped, checked = (
            middle(lambda c=command: alone(c).seconds, times)
            for command in (
                [sys.executable, "-c", BARE],
                [program("backcast"), "--help"],
                [program("backcast"), "check", str(folder / "cases.parquet"), "--for", "prediction"],
            )
        )
        how = f"median of {times} processes, files in the disk's cache"
        by_help = "Python itself and click: no package of figures is imported"
        by_check = "importing pandas, pandera and pyarrow, and the dictionary's tables"
        found = [
            Row(
                what="`backcast --help`, beside a Python that imports pandas", figure=helped / bare, unit="times",
                how=f"{how}; {helped:.2f} s and {bare:.2f} s", limited_by=by_help,
            ),
            Row(
                what=f"`backcast check` of {CHECKED} cases, beside the same", figure=checked / bare, unit="times",
                how=f"{how}; {checked:.2f} s", limited_by=by_check,
            ),
        ]  # fmt: skip
        return [*found, *served(folder, times)]


def served(folder: Path, times: int) -> list[Row]:
    from tests.bench.service import free_port, started

    bundle = chosen_bundle(PRIMARY)
    if bundle is None:
        return [not_made("`backcast serve` until it answers", NO_RUN)]

    def once() -> float:
        port = free_port()
        command = [program("backcast"), "serve", "--model", str(bundle), "--port", str(port), "--no-export"]
        command += ["--store", str(folder / "record.db")]
        with started(command, f"http://127.0.0.1:{port}/ready", folder / "own.log") as took:
            return took

    how = f"one model; median of {min(times, 3)} starts, until /ready answers"
    by = "imports (FastAPI, pandas), the bundle's hashes, and a first answer that it gives itself"
    return [
        Row(
            what="`backcast serve` until it answers",
            figure=middle(once, min(times, 3)),
            unit="s",
            how=how,
            limited_by=by,
        )
    ]
