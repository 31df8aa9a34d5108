"""What an answer of the service costs, beside `mlflow models serve` of one of the same models.

Both run at the same time on the same machine and are asked in turn, one case after another. The service answers every
outcome with its reasons, sources and mimics, and records it; MLflow answers one outcome's risk with contributions.
Work-ups after an operation are asked beside screens, in turn too.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import requests

from features.dictionary import load_dictionary
from pipeline.params import load_params
from pipeline.prediction_record.reading import open_record
from pipeline.virtual.workup_cases import workup_cases
from pipeline.working_up import as_records
from tests.bench.invented import drawn_cases
from tests.bench.measuring import NO_RUN, PRIMARY, Row, chosen_bundle, environment, not_made, program

TITLE = "What does an answer cost, beside `mlflow models serve`?"
ASKED, WORKED_UP, PACED = 400, 200, 400
PER_SECOND = 20
PAUSE = 0.02
"""Seconds between two requests: the rate that one client is allowed."""
FASTEST_OF = 2
START_SECONDS = 300
Ask = Callable[[dict[str, Any]], float]


def rows(scale: float) -> list[Row]:
    bundles = [chosen_bundle(outcome) for outcome in load_params().train.outcomes]
    if None in bundles:
        return [not_made("an answer beside `mlflow models serve`", NO_RUN)]
    asked, worked_up, at_pace = (max(int(n * scale), 20) for n in (ASKED, WORKED_UP, PACED))
    with tempfile.TemporaryDirectory() as name, requests.Session() as session:
        folder = Path(name)
        own, theirs = free_port(), free_port()
        serve = [program("backcast"), "serve", "--port", str(own), "--store", str(folder / "record.db")]
        serve += [word for bundle in bundles for word in ("--model", str(bundle))]
        mlflow = [program("mlflow"), "models", "serve", "-m", str(saved_model(folder)), "--env-manager", "local"]
        mlflow += ["-p", str(theirs), "--host", "127.0.0.1"]
        ours = (serve, f"http://127.0.0.1:{own}/ready", folder / "own.log")
        others = (mlflow, f"http://127.0.0.1:{theirs}/ping", folder / "theirs.log")
        begun = ready([*serve, "--no-export"], *ours[1:], others)
        with started(*ours), started(*others):
            screen = asking(session, f"http://127.0.0.1:{own}/screen", json.dumps)
            work_up = asking(session, f"http://127.0.0.1:{own}/workup", json.dumps)
            invoke = asking(session, f"http://127.0.0.1:{theirs}/invocations", as_frame)
            records = cases(asked + at_pace)
            answers = in_turn(screen, invoke, records[:asked], records[:asked])
            work_ups = in_turn(screen, work_up, records[:worked_up], failed_cases(worked_up))
            steady = paced(screen, records[asked:])
            with open_record(folder / "record.db") as reader:
                if not reader.verdict().holds:
                    raise RuntimeError("the chain of the record does not hold after the measurement")
    return [begun, *told_answers(answers), told_work_ups(work_ups), told_pace(steady)]


def told_answers(pairs: Sequence[tuple[float, float]]) -> list[Row]:
    ours, others = ([pair[place] for pair in pairs] for place in (0, 1))
    how = f"{len(pairs)} cases in turn; p50 {p(ours, 50)} and {p(others, 50)}, p99 {p(ours, 99)} and {p(others, 99)}"
    by = (
        "one write to disk, awaited, and one of numpy's arrays for five outcomes; MLflow's is frames and checks of them"
    )
    what = "`POST /screen` (five outcomes, explained, recorded), beside one outcome of `mlflow models serve`"
    ratio = median(ours) / median(others)
    return [Row(what=what, figure=ratio, unit="times the p50", at_most=1.0, how=how, limited_by=by)]


def told_work_ups(pairs: Sequence[tuple[float, float]]) -> Row:
    screens, work_ups = ([pair[place] for pair in pairs] for place in (0, 1))
    how = f"{len(pairs)} of each in turn; p50 {p(work_ups, 50)}, p99 {p(work_ups, 99)}"
    what = "`POST /workup` (causes, evidence, next investigation, plan), beside `POST /screen`"
    by = "what each investigation would tell, which asks for the ranking again under every finding"
    return Row(what=what, figure=median(work_ups) / median(screens), unit="times the p50", how=how, limited_by=by)


def told_pace(steady: Sequence[float]) -> Row:
    how = f"{len(steady)} requests; p50 {p(steady, 50)}"
    what, by = f"p99 beside p50 at {PER_SECOND} requests a second", "the disk, and whatever else the machine does"
    return Row(what=what, figure=share(steady, 99) / share(steady, 50), unit="times", how=how, limited_by=by)


def ready(own: Sequence[str], address: str, log: Path, theirs: tuple[Sequence[str], str, Path]) -> Row:
    """How long each takes until it answers: one after the other, or each would slow the other."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(FASTEST_OF):
        for one, (command, at, into) in zip(took, ((own, address, log), theirs), strict=True):
            with started(command, at, into) as seconds:
                one.append(seconds)
    ours, others = (min(one) for one in took)
    how = f"faster of {FASTEST_OF} starts each, one after the other; {ours:.1f} s and {others:.1f} s"
    what, by = (
        "`backcast serve` until it answers, beside `mlflow models serve`",
        "imports, and the hashes of five bundles",
    )
    return Row(what=what, figure=ours / others, unit="times", at_most=1.0, how=how, limited_by=by)


def cases(n: int) -> list[dict[str, Any]]:
    """Invented planned operations as requests: what is recorded, and no key."""
    drawn = drawn_cases().head(n)
    return as_records(drawn[[v.name for v in load_dictionary().predictors if v.name in drawn.columns]])


def failed_cases(n: int) -> list[dict[str, Any]]:
    """The same after an operation: invented work-ups."""
    drawn, _ = workup_cases(n, seed=6)
    return as_records(drawn[[v.name for v in load_dictionary().known_by("follow_up") if v.form != "keys"]])


def as_frame(record: dict[str, Any]) -> str:
    return json.dumps({"dataframe_records": [record]})


def asking(session: requests.Session, address: str, body_of: Callable[[dict[str, Any]], str]) -> Ask:
    """Asks for one case, and gives the seconds that the answer took."""

    def ask(record: dict[str, Any]) -> float:
        body = body_of(record)
        begun = time.perf_counter()
        response = session.post(address, data=body, headers={"Content-Type": "application/json"}, timeout=30)
        took = time.perf_counter() - begun
        if response.status_code != 200:
            raise RuntimeError(f"{address} answers {response.status_code}")
        return took

    return ask


def in_turn(
    one: Ask, other: Ask, records: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]
) -> list[tuple[float, float]]:
    for first, second in list(zip(records, others, strict=True))[:20]:
        one(first), other(second)
        time.sleep(2 * PAUSE)
    pairs = []
    for first, second in zip(records, others, strict=True):
        pairs.append((one(first), other(second)))
        time.sleep(2 * PAUSE)
    return pairs


def paced(ask: Ask, records: Sequence[dict[str, Any]]) -> list[float]:
    """As many a second as a busy hospital never asks, each on its time."""
    seconds, due = [], time.perf_counter()
    for record in records:
        time.sleep(max(0.0, due - time.perf_counter()))
        seconds.append(ask(record))
        due = max(due + 1 / PER_SECOND, time.perf_counter() - 1 / PER_SECOND)
    return seconds


def share(seconds: Sequence[float], percent: int) -> float:
    return sorted(seconds)[min(len(seconds) - 1, len(seconds) * percent // 100)]


def p(seconds: Sequence[float], percent: int) -> str:
    return f"{1e3 * share(seconds, percent):.1f} ms"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def started(command: Sequence[str], address: str, log: Path) -> Iterator[float]:
    """A server until the block ends; yields the seconds until it answered. Its store in MLflow is beside the log."""
    env = environment({"MLFLOW_TRACKING_URI": f"sqlite:///{log.parent}/mlflow.db"})
    begun = time.perf_counter()
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=env, start_new_session=True)
    try:
        while not is_up(address):
            if process.poll() is not None or time.perf_counter() - begun > START_SECONDS:
                raise RuntimeError(f"{Path(command[0]).name} did not start: {log.read_text()[-600:]}")
            time.sleep(0.02)
        yield time.perf_counter() - begun
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
        process.wait()


def is_up(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def saved_model(folder: Path) -> Path:
    """The chosen model as MLflow keeps it, as the stage `register` logs it."""
    import mlflow

    from pipeline import tracking
    from pipeline.files import read_json

    bundle = chosen_bundle(PRIMARY)
    assert bundle is not None
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
