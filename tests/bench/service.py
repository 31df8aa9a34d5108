"""What an answer costs, beside `mlflow models serve` of one of the same models: `python -m tests.bench_service`.

Both run at the same time on the same machine and are asked in turn, one case after another, so that the ratio
is of one run. The service answers every outcome with its reasons, sources and mimics, and records it; MLflow
answers one outcome's risk with contributions. Models are those of `data/train`. Work-ups after an operation are asked
beside screens, in turn too.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from features.dictionary import load_dictionary
from pipeline import paths
from pipeline.files import read_json
from pipeline.params import load_params
from pipeline.prediction_record.reading import open_record
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases
from pipeline.virtual.workup_cases import workup_cases
from pipeline.working_up import as_records

ASKED = 400
WORKED_UP = 200
PACED, PER_SECOND = 400, 20
FASTEST_OF = 2
PRIMARY = "failure_12m"
START_SECONDS = 300


def cases(n: int) -> list[dict[str, Any]]:
    """Invented planned operations as requests: what is recorded, and no key."""
    params = RegistryParams(seed=6, cases=n, centres=8, first_year=2017, years=6, discordance_effect=1.0)
    drawn = draw_planned_cases(params)
    names = [v.name for v in load_dictionary().predictors if v.name in drawn.columns]
    rows = drawn[names].astype(object).where(drawn[names].notna(), None).to_dict("records")
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def failed_cases(n: int) -> list[dict[str, Any]]:
    """The same after an operation: invented work-ups."""
    drawn, _ = workup_cases(n, seed=6)
    return as_records(drawn[[v.name for v in load_dictionary().known_by("follow_up") if v.form != "keys"]])


def chosen(outcome: str) -> Path:
    return paths.learner_folder(outcome, read_json(paths.choice(outcome))["chosen"])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def started(command: Sequence[str], address: str, log: Path) -> Iterator[float]:
    """A server until the block ends; yields the seconds until it answered."""
    begun = time.perf_counter()
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        while not is_up(address):
            if process.poll() is not None or time.perf_counter() - begun > START_SECONDS:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield time.perf_counter() - begun
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def is_up(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def saved_model(folder: Path) -> Path:
    """One of the models as MLflow keeps it, as the stage `register` logs it."""
    import mlflow

    from pipeline import tracking

    bundle = chosen(PRIMARY)
    names = [predictor["name"] for predictor in read_json(bundle / "bundle.json")["predictors"]]
    mlflow.pyfunc.save_model(
        path=str(folder / "model"),
        python_model=str(Path("pipeline") / "served_model.py"),
        artifacts={"bundle": str(bundle)},
        code_paths=["features", "models"],
        signature=tracking.signature(names),
        input_example=tracking.synthetic_example(),
        pip_requirements=list(tracking.REQUIREMENTS),
    )
    return folder / "model"


def timed(ask: Callable[[], requests.Response]) -> float:
    begun = time.perf_counter()
    response = ask()
    took = time.perf_counter() - begun
    assert response.status_code == 200, response.text[:500]
    return took


def share(seconds: Sequence[float], part: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * part))]


def told(name: str, seconds: Sequence[float]) -> str:
    p50, p99 = (1e3 * share(seconds, part) for part in (0.5, 0.99))
    return f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def paced(ask: Callable[[dict[str, Any]], float], records: Sequence[dict[str, Any]]) -> list[float]:
    """As many a second as a busy hospital never asks, each on its time."""
    seconds, due = [], time.perf_counter()
    for record in records:
        time.sleep(max(0.0, due - time.perf_counter()))
        seconds.append(ask(record))
        due = max(due + 1 / PER_SECOND, time.perf_counter() - 1 / PER_SECOND)
    return seconds


def main() -> None:
    records = cases(ASKED + PACED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own, theirs = free_port(), free_port()
        models = [word for outcome in load_params().train.outcomes for word in ("--model", str(chosen(outcome)))]
        record = folder / "record.db"
        serve = [sys.executable, "-m", "pipeline.cli", "serve", *models, "--port", str(own), "--store", str(record)]
        mlflow = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", str(saved_model(folder))]
        mlflow += ["--env-manager", "local", "-p", str(theirs), "--host", "127.0.0.1"]
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        starts: dict[str, list[float]] = {"own": [], "theirs": []}
        for _ in range(FASTEST_OF):  # one after the other, or each would slow the other
            with started([*serve, "--no-export"], f"http://127.0.0.1:{own}/ready", folder / "own.log") as took:
                starts["own"].append(took)
            with started(mlflow, f"http://127.0.0.1:{theirs}/ping", folder / "theirs.log") as took:
                starts["theirs"].append(took)
        ready = min(starts["own"]) / min(starts["theirs"])
        print(f"ready in {min(starts['own']):.1f} s; mlflow models serve in {min(starts['theirs']):.1f} s: {ready:.2f}")
        with (
            started(serve, f"http://127.0.0.1:{own}/ready", folder / "own.log"),
            started(mlflow, f"http://127.0.0.1:{theirs}/ping", folder / "theirs.log"),
            requests.Session() as session,
        ):
            compare(session, own, theirs, records)
            with open_record(record) as reader:
                verdict = reader.verdict()
            answers = verdict.predictions + verdict.red_flags
            print(f"{answers} answers in the record; the chain {'holds' if verdict.holds else 'BREAKS'}")


def compare(session: requests.Session, own: int, theirs: int, records: Sequence[dict[str, Any]]) -> None:
    headers = {"Content-Type": "application/json"}

    def ask_own(record: dict[str, Any]) -> float:
        body = json.dumps(record)
        return timed(lambda: session.post(f"http://127.0.0.1:{own}/screen", data=body, headers=headers, timeout=30))

    def ask_theirs(record: dict[str, Any]) -> float:
        body = json.dumps({"dataframe_records": [record]})
        url = f"http://127.0.0.1:{theirs}/invocations"
        return timed(lambda: session.post(url, data=body, headers=headers, timeout=30))

    def ask_work_up(record: dict[str, Any]) -> float:
        body = json.dumps(record)
        return timed(lambda: session.post(f"http://127.0.0.1:{own}/workup", data=body, headers=headers, timeout=30))

    for record in records[:20]:
        ask_own(record)
        ask_theirs(record)
    pairs = []
    for record in records[:ASKED]:
        pairs.append((ask_own(record), ask_theirs(record)))
        time.sleep(0.02)  # the rate that one client is allowed
    ours, others = ([pair[place] for pair in pairs] for place in (0, 1))
    print(told("POST /screen, five outcomes explained and recorded", ours))
    print(told("mlflow models serve, one outcome", others))
    print(f"ratio of the p50: {share(ours, 0.5) / share(others, 0.5):.3f}")
    pairs = []
    for record, failed in zip(records[:WORKED_UP], failed_cases(WORKED_UP), strict=True):
        pairs.append((ask_own(record), ask_work_up(failed)))
        time.sleep(0.04)
    screens, work_ups = ([pair[place] for pair in pairs] for place in (0, 1))
    print(told("POST /workup, causes with their evidence, next investigation and plan, recorded", work_ups))
    print(f"ratio of its p50 to that of POST /screen beside it: {share(work_ups, 0.5) / share(screens, 0.5):.2f}")
    steady = paced(ask_own, records[ASKED : ASKED + PACED])
    print(told(f"at {PER_SECOND} requests a second", steady))
    print(f"p99 over p50: {share(steady, 0.99) / share(steady, 0.5):.1f}")


if __name__ == "__main__":
    main()
