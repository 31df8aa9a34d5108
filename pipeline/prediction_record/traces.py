"""Entries of the record as MLflow keeps them: traces, expectations and feedback.

Imported after `pipeline.tracking`, which quietens MLflow's loggers. `TracingClient` is what MLflow's own
exporter speaks through; unlike the exporter it lets the id of a trace be given, writes many at once, and does
not swallow an error.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import mlflow
from mlflow.entities import AssessmentSource, Expectation, Feedback, Span, TraceInfo, TraceLocation, TraceState
from mlflow.exceptions import MlflowException
from mlflow.tracing.client import TracingClient

from features.errors import TrackingError
from pipeline import tracking
from pipeline.prediction_record.chain import ANSWERS
from pipeline.prediction_record.reading import CAUSE, Kept

SCREENING = "backcast-screening"
"""The experiment that holds the traces."""
PREVIEW = 200
"""Characters of a tag or of a preview, at most."""
SAID_CAUSES = 3
"""Causes that stand at the root of a trace, the likeliest first; all of them stand below it."""
BY_CODE = AssessmentSource(source_type="CODE", source_id="backcast outcomes")
BY_PERSON = AssessmentSource(source_type="HUMAN", source_id="clinic")


def trace_id(prediction_id: str) -> str:
    """The id of a prediction's trace: that of the prediction, as MLflow writes one.

    >>> trace_id("0b1c2d3e-4f50-4111-8222-333344445555")
    'tr-0b1c2d3e4f5041118222333344445555'
    """
    return "tr-" + prediction_id.replace("-", "")


def log_entries(batch: Sequence[Kept], client: tracking.Client, log_inputs: bool) -> None:
    """Log entries in their order; when this returns, the store has shown that it holds them.

    Raises
    ------
    TrackingError, MlflowException
        If it does not, or cannot be reached. Logging them again changes nothing that is there.
    """
    experiment = mlflow.set_experiment(SCREENING).experiment_id
    traces = TracingClient()
    models = ModelIds(client)
    answers = [kept for kept in batch if kept.entry.kind in ANSWERS and kept.content]
    spans = []
    for kept in answers:
        info, own = as_trace(kept, experiment, models, log_inputs)
        traces.start_trace(info)
        spans += own
    if spans:
        traces.log_spans(experiment, spans)
    _refuse_missing(traces, answers)
    for kept in batch:
        if kept.entry.kind == "erasure":
            _delete_trace(traces, experiment, kept)
        elif kept.content and kept.entry.kind in ("outcome", "feedback"):
            _assess(traces, kept)


def _refuse_missing(traces: TracingClient, answers: Sequence[Kept]) -> None:
    """Ask the store for what was just sent: an answer without an error is not yet a trace that is kept."""
    sent = {trace_id(kept.entry.prediction_id) for kept in answers}
    if not sent:
        return
    missing = sent - {trace.info.trace_id for trace in traces.batch_get_traces(sorted(sent)) if trace.data.spans}
    if missing:
        raise TrackingError(
            f"The MLflow store took {len(sent)} traces without an error and holds {len(sent) - len(missing)} of them. "
            f"All stay pending; see to its disk and its log."
        )


class ModelIds:
    """The logged model behind each registered version; a bundle folder has none."""

    def __init__(self, client: tracking.Client) -> None:
        self._client = client
        self._known: dict[str, str | None] = {}

    def __call__(self, uri: str) -> str | None:
        if uri not in self._known:
            self._known[uri] = self._asked(uri)
        return self._known[uri]

    def _asked(self, uri: str) -> str | None:
        name, _, version = uri.removeprefix("models:/").partition("/")
        if not uri.startswith("models:/") or not version.isdigit():
            return None
        try:
            found = self._client.get_model_version(name, version)
        except MlflowException as error:
            if error.error_code in tracking.NOT_THERE:
                return None
            raise
        logged = str(found.source).removeprefix("models:/")
        return found.model_id or (logged if logged.startswith("m-") else None)


def as_trace(
    kept: Kept, experiment: str, model_id: Callable[[str], str | None], log_inputs: bool
) -> tuple[TraceInfo, list[Span]]:
    """An answer as a trace: a span of the whole, and below it one a part, with its model where it has one.

    The parts are the outcomes, or the causes and the plan. Inputs are their hash alone, unless asked for;
    what identifies a person is in neither.
    """
    assert kept.content is not None
    answer, entry = kept.content["answer"], kept.entry
    parts, said = _parts(answer), _said(answer)
    models = {part.name: part.model_uri for part in parts if part.model_uri}
    ids = {name: found for name, uri in models.items() if (found := model_id(uri))}
    inputs: dict[str, Any] = {"input_sha256": answer.get("input_sha256")}
    if log_inputs:
        inputs["inputs"] = kept.content["inputs"]
    about = {
        name: answer.get(name)
        for name in ("question", "provenance", "completeness", "red_flags", "cautions")
        if answer.get(name) is not None
    }
    tags = {
        "mlflow.traceName": str(answer.get("question", "screening"))[:PREVIEW],
        "prediction_id": entry.prediction_id,
        "record.sequence": str(entry.sequence),
        "record.sha256": entry.sha256,
        "provenance": str(answer.get("provenance", "unknown")),
        "completeness": _completeness(answer),
        **{f"model.{name}": uri for name, uri in models.items()},
        **{f"model_id.{name}": found for name, found in ids.items()},
    }
    at = dt.datetime.fromisoformat(entry.made_at)
    info = TraceInfo(
        trace_id=trace_id(entry.prediction_id),
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=int(at.timestamp() * 1000),
        state=TraceState.OK,
        request_preview=json.dumps({"input_sha256": answer.get("input_sha256")}),
        response_preview=json.dumps(said)[:PREVIEW],
        client_request_id=entry.prediction_id,
        execution_duration=0,
        trace_metadata={"mlflow.modelId": next(iter(ids.values()))} if ids else {},
        tags={name: value[:PREVIEW] for name, value in tags.items()},
    )
    root = _span(kept, 0, str(answer.get("question", "screening")), inputs, {**about, **said}, None)
    return info, [
        root,
        *(
            _span(kept, place, part.name, inputs, part.outputs, ids.get(part.name))
            for place, part in enumerate(parts, start=1)
        ),
    ]


class Part(NamedTuple):
    """What stands in a span of its own below the answer."""

    name: str
    model_uri: str
    """Of the model that gave it; empty where none did."""
    outputs: dict[str, Any]


def _completeness(answer: Mapping[str, Any]) -> str:
    """How whole the record was, in words that can be searched for."""
    found = answer.get("completeness") or "unknown"
    return str(found.get("label", "unknown") if isinstance(found, Mapping) else found)


def _parts(answer: Mapping[str, Any]) -> list[Part]:
    """The outcomes of a planned operation; the causes of a failed one with all their points, and its plan."""
    parts = [
        Part(outcome["outcome"], (outcome.get("model") or {}).get("uri", ""), _named(outcome, OF_OUTCOME))
        for outcome in answer.get("outcomes") or []
    ]
    if answer.get("question") != CAUSE:
        return parts
    causes = [{**_named(cause, OF_CAUSE), "points": points_of(cause)} for cause in answer.get("causes") or []]
    if causes:
        model = answer.get("model") or {}
        parts.append(Part("cause", model.get("uri", ""), {"causes": causes, "model": model}))
    return [*parts, Part("plan", "", _named(answer, ("next_investigations", "plan")))]


OF_OUTCOME = ("risk", "risk_lower", "risk_upper", "base_log_odds", "base_rate", "contributions", "groups", "model")
OF_CAUSE = ("cause", "likelihood", "rank", "log_odds", "prior_log_odds")


def _named(content: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: content[name] for name in names if content.get(name) is not None}


def points_of(cause: Mapping[str, Any]) -> dict[str, float]:
    """What each finding adds to the log-odds of a cause; with its prior log-odds they add up to its log-odds."""
    return {said["finding"]: said["points"] for side in ("for", "against") for said in cause.get(side) or []}


def _said(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer in one line: risks, or what is likely or possible."""
    if answer.get("question") != CAUSE:
        return {"risk": {outcome["outcome"]: outcome.get("risk") for outcome in answer.get("outcomes") or []}}
    causes = answer.get("causes") or []
    return {"likelihood": {cause["cause"]: cause["likelihood"] for cause in causes[:SAID_CAUSES]}}


def _span(
    kept: Kept, place: int, name: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], model_id: str | None
) -> Span:
    """One span with an id of its own place, so that the same entry gives the same span."""
    at = int(dt.datetime.fromisoformat(kept.entry.made_at).timestamp() * 1e6) * 1000
    attributes = {
        "mlflow.traceRequestId": trace_id(kept.entry.prediction_id),
        "mlflow.spanType": "TASK",
        "mlflow.spanInputs": inputs,
        "mlflow.spanOutputs": outputs,
        **({"mlflow.modelId": model_id} if model_id else {}),
    }
    return Span.from_dict(
        {
            "name": name,
            "trace_id": trace_id(kept.entry.prediction_id),
            "span_id": f"{place + 1:016x}",
            "parent_span_id": f"{1:016x}" if place else "",
            "start_time_unix_nano": at,
            "end_time_unix_nano": at,
            "status": {"code": "OK", "message": ""},
            "attributes": {key: json.dumps(value) for key, value in attributes.items()},
        }
    )


def _assess(traces: TracingClient, kept: Kept) -> None:
    """What became of a prediction as expectations on its trace, what was made of it as feedback; each once."""
    assert kept.content is not None
    place = trace_id(kept.entry.prediction_id)
    try:
        there = traces.get_trace_info(place).assessments
    except MlflowException as error:
        if error.error_code in tracking.NOT_THERE:
            return  # somebody deleted the trace, which is theirs to do; the record keeps the entry
        raise
    own = {"record.sequence": str(kept.entry.sequence), "record.sha256": kept.entry.sha256}
    logged = {one.name for one in there if (one.metadata or {}).get("record.sha256") == kept.entry.sha256}
    for name, value in _values(kept).items():
        if name in logged:
            continue
        earlier = [one for one in there if one.name == name and one.valid is not False]
        kind, source = (Expectation, BY_CODE) if kept.entry.kind == "outcome" else (Feedback, BY_PERSON)
        assessment = kind(name=name, value=value, source=source, trace_id=place, metadata=own)
        assessment.overrides = earlier[-1].assessment_id if earlier and kept.entry.kind == "outcome" else None
        traces.log_assessment(place, assessment)


def _values(kept: Kept) -> dict[str, Any]:
    content = kept.content or {}
    if kept.entry.kind == "outcome":
        return {name: label for name, label in content["labels"].items() if label is not None}
    return {name: value for name, value in content.items() if isinstance(value, str | int | float | bool)}


def _delete_trace(traces: TracingClient, experiment: str, kept: Kept) -> None:
    traces.delete_traces(experiment_id=experiment, trace_ids=[trace_id(kept.entry.prediction_id)])
