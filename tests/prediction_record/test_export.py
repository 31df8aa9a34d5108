"""The way to MLflow, with a real store: every prediction a trace, once, whatever was down or killed meanwhile."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.errors import TrackingError
from pipeline import tracking
from pipeline.prediction_record.errors import RecordError
from pipeline.prediction_record.export import acknowledge, export_pending
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.traces import SCREENING, log_entries, trace_id

IDENTITY = {"case_id": "CASE-4711", "patient_id": "PATIENT-0815", "centre_id": "CENTRE-42"}


@pytest.fixture(scope="module")
def tracking_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow") / "mlflow.db"


@pytest.fixture
def store_uri(tracking_store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = f"sqlite:///{tracking_store}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


def traces_of(*predictions: str) -> list[Any]:
    """The traces of these predictions, as the store finds them by their tag."""
    with tracking.store() as client:
        experiment = client.get_experiment_by_name(SCREENING)
        if experiment is None:
            return []
        found = []
        for prediction_id in predictions:
            filter_string = f"tags.prediction_id = '{prediction_id}'"
            found += client.search_traces(locations=[experiment.experiment_id], filter_string=filter_string)
        return found


@pytest.fixture
def model_uri(store_uri: str) -> str:
    """A version of a registered model that points at a logged model, as `register` makes one."""
    with tracking.store() as client:
        name = "backcast-failure_12m"
        experiment = client.get_experiment_by_name("backcast")
        experiment_id = experiment.experiment_id if experiment else client.create_experiment("backcast")
        logged = client.create_logged_model(experiment_id, name="model")
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        version = client.create_model_version(name, source=f"models:/{logged.model_id}", model_id=logged.model_id)
        return f"models:/{name}/{version.version}"


def of_model(answer: dict[str, Any], uri: str) -> dict[str, Any]:
    answer["outcomes"][0]["model"]["uri"] = uri
    return answer


def test_a_prediction_becomes_a_trace_linked_to_its_model(record, path, answered, model_uri, tracking_store):
    receipt = record.append(of_model(answered(), model_uri), {"age_years": 61.0}, IDENTITY)
    done = export_pending(path)
    assert (done.predictions, done.pending) == (1, 0)
    (trace,) = traces_of(receipt.prediction_id)
    with tracking.store() as client:
        name, version = model_uri.removeprefix("models:/").split("/")
        logged = client.get_model_version(name, version).source.removeprefix("models:/")
        experiment = client.get_experiment_by_name(SCREENING).experiment_id
        of_the_model = client.search_traces(locations=[experiment], model_id=logged)
    assert [one.info.trace_id for one in of_the_model] == [trace.info.trace_id]
    assert trace.info.tags["record.sha256"] == receipt.sha256
    assert trace.info.tags["provenance"] == "virtual"
    root, outcome = sorted(trace.data.spans, key=lambda span: span.span_id)
    assert root.inputs == outcome.inputs == {"input_sha256": "ab" * 32}
    assert root.outputs["cautions"][0]["code"] == "few_similar"
    assert outcome.outputs["risk"] == 0.25
    assert (outcome.outputs["risk_lower"], outcome.outputs["risk_upper"]) == (0.2, 0.31)
    assert outcome.outputs["contributions"] == {"odi": 0.3, "age_years": -0.7}
    assert outcome.parent_id == root.span_id
    held = tracking_store.read_bytes()
    assert receipt.prediction_id.encode() in held
    assert not re.search(rb"CASE-4711|PATIENT-0815|CENTRE-42", held)
    assert not re.search(record.pseudonym("case_id", "CASE-4711").encode(), held)


def test_a_work_up_becomes_a_trace_with_every_point_linked_to_the_model_of_causes(record, path, worked_up, model_uri):
    answer = worked_up(model={"name": "backcast-cause", "uri": model_uri, "sha256": "d4" * 32})
    receipt = record.append(answer, {"followup_nrs_leg": 8.0}, IDENTITY)
    record.attach_outcomes({receipt.prediction_id: {"labels": {"adjudicated_cause": "epidural_fibrosis"}}})
    done = export_pending(path)
    assert (done.predictions, done.others) == (1, 1)
    (trace,) = traces_of(receipt.prediction_id)
    root, cause, plan = sorted(trace.data.spans, key=lambda span: span.span_id)
    assert [span.name for span in (root, cause, plan)] == ["cause", "cause", "plan"]
    assert {span.parent_id for span in (cause, plan)} == {root.span_id}
    assert root.outputs["likelihood"] == {"recurrent_herniation": "likely", "epidural_fibrosis": "possible"}
    first = cause.outputs["causes"][0]
    assert first["points"] == {"sudden_return": 1.5, "never_better": -0.25}
    assert first["prior_log_odds"] + sum(first["points"].values()) == first["log_odds"]
    assert plan.outputs["next_investigations"][0]["investigation"] == "ct"
    with tracking.store() as client:
        name, version = model_uri.removeprefix("models:/").split("/")
        logged = client.get_model_version(name, version).source.removeprefix("models:/")
    assert trace.info.tags["model_id.cause"] == logged
    assert cause.attributes["mlflow.modelId"] == logged
    assert [(one.name, one.value) for one in trace.info.assessments] == [("adjudicated_cause", "epidural_fibrosis")]


def test_a_red_flag_is_a_trace_that_ranks_nothing(record, path, worked_up, store_uri):
    flag = {"red_flag": "cauda_equina", "label": "cauda equina", "urgency": "emergency", "action": "MRI at once"}
    receipt = record.append(worked_up(red_flags=[flag], causes=[], next_investigations=[]), {}, IDENTITY)
    assert str(export_pending(path)).startswith("0 predictions, 1 red flag and 0 later entries")
    (trace,) = traces_of(receipt.prediction_id)
    root, plan = sorted(trace.data.spans, key=lambda span: span.span_id)
    assert root.outputs["red_flags"] == [flag]
    assert root.outputs["likelihood"] == {}
    assert plan.name == "plan"


def test_inputs_go_there_by_explicit_choice_alone(record, path, answered, store_uri):
    receipt = record.append(answered(), {"age_years": 61.0}, IDENTITY)
    export_pending(path, log_inputs=True)
    (trace,) = traces_of(receipt.prediction_id)
    assert {str(span.inputs["inputs"]) for span in trace.data.spans} == {"{'age_years': 61.0}"}


def test_a_crash_before_the_acknowledgement_neither_loses_nor_doubles(record, path, answered, store_uri):
    made = [record.append(answered(), {}, IDENTITY).prediction_id for _ in range(3)]
    with open_record(path) as reader, tracking.store() as client:
        log_entries(reader.pending(2), client, log_inputs=False)  # and then the exporter is killed
    assert len(traces_of(*made)) == 2
    assert export_pending(path).predictions == 3
    traces = traces_of(*made)
    assert sorted(trace.info.trace_id for trace in traces) == sorted(map(trace_id, made))
    assert {len(trace.data.spans) for trace in traces} == {2}
    assert export_pending(path).predictions == 0


def test_outcomes_become_expectations_once_and_a_correction_overrides(record, path, answered, store_uri):
    """What feedback holds below its root, such as what somebody wrote, stays in the record."""
    made = record.append(answered(), {}, IDENTITY).prediction_id
    record.attach_outcomes({made: {"labels": {"failure_12m": 1, "worse_12m": None}, "source_sha256": "0" * 64}})
    record.attach_all_feedback(
        [(made, {"outcome": "overridden", "reason": "second opinion", "given": {"comment": "wishes"}})]
    )
    with open_record(path) as reader, tracking.store() as client:
        log_entries(reader.pending(10), client, log_inputs=False)
    export_pending(path)
    record.attach_outcomes({made: {"labels": {"failure_12m": 0}, "source_sha256": "1" * 64}})
    export_pending(path)
    (trace,) = traces_of(made)
    said = [(one.name, one.value, one.valid) for one in trace.info.assessments]
    assert sorted(said, key=str) == [
        ("failure_12m", 0, True),
        ("failure_12m", 1, False),
        ("outcome", "overridden", True),
        ("reason", "second opinion", True),
    ]


def test_who_is_erased_is_erased_there_too(record, path, answered, store_uri):
    before, after = (record.append(answered(), {}, {"case_id": case}).prediction_id for case in ("C1", "C2"))
    kept = record.append(answered(), {}, {"case_id": "C3"}).prediction_id
    with open_record(path) as reader, tracking.store() as client:
        first = reader.pending(1)
        log_entries(first, client, log_inputs=False)
    acknowledge(path, first)
    record.erase([before, after], "on request")
    assert export_pending(path).pending == 0
    assert [trace.info.tags["prediction_id"] for trace in traces_of(before, after, kept)] == [kept]


def test_a_store_that_is_down_holds_up_nobody_and_is_caught_up_with(
    record, path, answered, tracking_store, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/none/store.db")
    made = [record.append(answered(), {}, IDENTITY).prediction_id for _ in range(5)]
    with pytest.raises(TrackingError, match=r"/proc/none/store\.db"):
        export_pending(path)
    with open_record(path) as reader:
        assert reader.n_pending() == 5
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tracking_store}")
    assert export_pending(path).predictions == 5
    assert len(traces_of(*made)) == 5


def test_one_exporter_at_a_time(record, path):
    from pipeline.prediction_record import database

    with (
        database.only_one(path.with_name("record.db.export.lock"), "exporting"),
        pytest.raises(RecordError, match="is exporting it"),
    ):
        export_pending(path)


# ---- a real server, stopped and started --------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Server:
    """`mlflow server` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, self.folder = free_port(), folder
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder / 'served.db'}"]
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise AssertionError((self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


@pytest.mark.slow
def test_server_and_exporter_are_killed_and_every_prediction_is_there_once(record, path, answered, server, monkeypatch):
    """The clinic goes on throughout; exporter and server are killed in the middle of their work."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    made = [record.append(answered(), {}, IDENTITY).prediction_id for _ in range(150)]
    with pytest.raises(TrackingError):
        export_pending(path)
    server.start()
    exporter = [sys.executable, "-m", "pipeline.cli", "export", "--store", str(path), "--every", "0.5"]
    killed = subprocess.Popen(exporter)
    for _ in range(600):
        with open_record(path) as reader:
            if reader.n_pending() < 150:
                break
        time.sleep(0.1)
    killed.kill()
    killed.wait()
    server.stop()
    made += [record.append(answered(), {}, IDENTITY).prediction_id for _ in range(50)]
    going_on = subprocess.Popen(exporter)
    time.sleep(3)
    server.start()
    for _ in range(900):
        with open_record(path) as reader:
            if not reader.n_pending():
                break
        time.sleep(0.1)
    going_on.terminate()
    assert going_on.wait(timeout=60) == 0
    traces = traces_of(*made)
    assert sorted(trace.info.trace_id for trace in traces) == sorted(map(trace_id, made))
    assert {len(trace.data.spans) for trace in traces} == {2}
