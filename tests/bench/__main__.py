"""`python -m tests.bench [NAME ...]`: every question, or those named, each in a process of its own.

At full size the figures go to `docs/benchmarks.json`, question by question, and from there to `docs/benchmarks.md`. A
question that fails keeps its place, and the command then ends with status 1.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.bench.measuring import Row, environment, not_made
from tests.bench.page import benchmarks_page

QUESTIONS = ("batch", "workers", "peers", "service", "features", "growth", "repro", "start", "record", "spark")
PACKAGES = (
    "numpy",
    "pandas",
    "pyarrow",
    "xgboost",
    "scikit-learn",
    "interpret-core",
    "mlflow",
    "dvc",
    "dask",
    "pyspark",
)
FIGURES = Path("docs") / "benchmarks.json"


def main() -> int:
    wanted = arguments()
    if wanted.alone:
        print(json.dumps(answered(wanted.alone, wanted.scale)))
        return 0
    file = file_of(wanted.out, wanted.scale)
    questions: dict[str, Any] = {}
    if not wanted.page:
        when = {"scale": wanted.scale, "date": dt.date.today().isoformat(), "commit": commit()}
        for name in wanted.names or QUESTIONS:
            questions[name] = when | in_a_process_of_its_own(name, wanted.scale)
            show(name, questions[name])
            if file:
                keep({"machine": machine(), "versions": versions(), "questions": questions}, file)
    if file:
        measured = json.loads(file.read_text(encoding="utf-8"))
        file.with_suffix(".md").write_text(benchmarks_page(measured), encoding="utf-8")
    return int(any(question.get("failed") for question in questions.values()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"questions to ask: {', '.join(QUESTIONS)}")
    parser.add_argument("--scale", type=float, default=1.0, help=f"share of the full size; below 1 {FIGURES} stays")
    parser.add_argument("--out", type=Path, help=f"JSON for the figures, the page beside it; else {FIGURES}")
    parser.add_argument("--page", action="store_true", help="measure nothing; make the page from the figures")
    parser.add_argument("--alone", choices=QUESTIONS, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.names) - set(QUESTIONS))
    if unknown:
        parser.error(f"no such question: {', '.join(unknown)}; there are {', '.join(QUESTIONS)}")
    if not 0 < wanted.scale <= 1:
        parser.error("--scale is above 0 and at most 1")
    if wanted.scale < 1 and wanted.out and wanted.out.resolve() == FIGURES.resolve():
        parser.error(f"{FIGURES} holds figures of the full size: name another file")
    return wanted


def file_of(out: Path | None, scale: float) -> Path | None:
    """Where figures go; those of a trial nowhere, unless a file is named."""
    return out or (FIGURES if scale == 1 else None)


def answered(name: str, scale: float) -> dict[str, Any]:
    """A question's title, what its module says of it, and its rows."""
    module = importlib.import_module(f"tests.bench.{name}")
    begun = time.perf_counter()
    rows = module.rows(scale)
    return told(module, rows, minutes=round((time.perf_counter() - begun) / 60, 1))


def told(module: ModuleType, rows: Iterable[Row], **more: Any) -> dict[str, Any]:
    about = (module.__doc__ or "").strip()
    return {"title": module.TITLE, "about": about, **more, "rows": [row.as_json() for row in rows]}


def in_a_process_of_its_own(name: str, scale: float) -> dict[str, Any]:
    """A question's answer; where it fails, one row with the reason."""
    command = [sys.executable, "-m", "tests.bench", "--alone", name, "--scale", str(scale)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]
    module = importlib.import_module(f"tests.bench.{name}")
    return told(module, [not_made(module.TITLE, "the measurement failed")], minutes=0.0, failed=True)


def machine() -> dict[str, Any]:
    """On what it was measured: nothing that names a machine or a place on it."""
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Python's, and those of the packages that are installed."""
    return {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES if version(name)}


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


def commit() -> str:
    """What is checked out, marked where files differ from it."""
    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def keep(measured: dict[str, Any], file: Path) -> None:
    """Write the figures; those of questions that were not asked now stay, if machine and versions are the same.

    A package that is there on one side alone, as Spark's is, makes no difference to the others' figures.
    """
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else measured
    versions, earlier = measured["versions"], before["versions"]
    alike = before["machine"] == measured["machine"] and all(
        versions.get(name, of) == of for name, of in earlier.items()
    )
    questions = (before["questions"] if alike else {}) | measured["questions"]
    kept = {
        "machine": measured["machine"],
        "versions": (earlier if alike else {}) | versions,
        "questions": {name: questions[name] for name in QUESTIONS if name in questions},
    }
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def show(name: str, question: dict[str, Any]) -> None:
    print(f"{name}, {question['minutes']} min", flush=True)
    for row in question["rows"]:
        figure = row["reason"] if row["figure"] is None else f"{row['figure']:g} {row.get('unit', '')}".strip()
        met = "" if row["met"] is None else ", met" if row["met"] else ", NOT MET"
        print(f"  {row.get('subject', '')} {row['what']}: {figure}{met}".replace("  ", " "), flush=True)


if __name__ == "__main__":
    sys.exit(main())
