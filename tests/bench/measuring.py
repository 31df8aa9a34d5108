"""How it is measured: a figure with its limit, and what a process of its own takes in seconds and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

LOOKED_AT_EVERY = 0.05
"""Seconds between two looks at a process's memory; the peak is the kernel's, so only the last moment is missed."""
PRIMARY = "failure_12m"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Linear algebra, and trees, whoever starts the measurement."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of the table, or the reason why there is none.

    `subject` is whom a figure is of where several are compared by the same figures; `how` says what was done, in the
    run that made the figure, `limited_by` what keeps it from being better.
    """

    what: str
    figure: float | None
    unit: str
    how: str
    limited_by: str = ""
    lower: float | None = None
    upper: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    subject: str = ""
    reason: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the figure is within its limits; None without a figure or without a limit."""
        if self.figure is None or (self.at_most is None and self.at_least is None):
            return None
        above, below = self.at_least, self.at_most
        return (above is None or self.figure >= above) and (below is None or self.figure <= below)

    def as_json(self) -> dict[str, Any]:
        """What there is of it; figures to 4 significant digits, which is more than a run repeats."""
        told = {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if value is not None and value != ""
        }
        return told | {"figure": told.get("figure"), "met": self.met}


def not_made(what: str, reason: str) -> Row:
    """A row that says why its figure is wanting."""
    return Row(what=what, figure=None, unit="", how="", reason=reason)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def middle(work: Callable[[], float], times: int) -> float:
    """The median of several measurements."""
    return median(work() for _ in range(times))


def peak_gb(pid: int | str = "self") -> float:
    """The most memory that a process has held since it began its program, in GB; 0 once it is gone.

    The kernel's `VmHWM`. `ru_maxrss` would count the process that it was started from.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1e6


@dataclass(frozen=True)
class Ended:
    """What a process of its own took; memory of itself, and of all that it started at one moment together."""

    seconds: float
    peak_gb: float
    together_gb: float
    out: str


def alone(
    command: Sequence[str],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    meanwhile: Callable[[int], None] = lambda pid: None,
) -> Ended:
    """Run a program to its end. Memory of several processes is shared out among them, so none of it counts twice.

    `meanwhile` is called with its process's id once it has begun.

    Raises
    ------
    RuntimeError
        With the last that it said, if it fails.
    """
    peaks, together, done = [0.0], [0.0], threading.Event()

    def look(pid: int) -> None:
        while not done.wait(LOOKED_AT_EVERY):
            peaks.append(peak_gb(pid))
            if len(peaks) % 10 == 0:
                together.append(sum(share_gb(one) for one in family(pid)))

    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(env), stdout=said, stderr=subprocess.STDOUT, text=True
        )
        watch = threading.Thread(target=look, args=(process.pid,))
        watch.start()
        threading.Thread(target=meanwhile, args=(process.pid,), daemon=True).start()
        status = process.wait()
        took = time.perf_counter() - start
        done.set()
        watch.join()
        said.seek(0)
        out = said.read()
    if status:
        raise RuntimeError(f"{' '.join(command[:4])} ends with {status}: {out.strip()[-600:]}")
    return Ended(took, max(peaks), max(*together, *peaks), out)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This one's on one thread, with the programs of this Python's environment first, and nothing of another store."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, **ONE_THREAD, "PATH": path, "PYTHONPATH": os.getcwd(), **(more or {})}


def family(pid: int) -> Iterable[int]:
    """A process and all that it has started."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task").glob("*/children")
        for child in [int(word) for file in children for word in file.read_text().split()]:
            yield from family(child)
    except OSError:
        return


def share_gb(pid: int) -> float:
    """A process's share of the memory that is in use now, in GB."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1e6


def program(name: str) -> str:
    """A program of this Python's environment."""
    return str(Path(sys.executable).with_name(name))


def chosen_bundle(outcome: str, root: Path = Path()) -> Path | None:
    """The bundle of the chosen model of a finished run below the folder; None where there is none."""
    train = root / "data" / "train" / outcome
    if not (train / "choice.json").is_file():
        return None
    return train / json.loads((train / "choice.json").read_text(encoding="utf-8"))["chosen"]


NO_RUN = "no finished run stands in data/: make it with `make repro`"
