"""A recorded answer as a FHIR RiskAssessment with its Provenance: the same risks, in percent as FHIR has them.

One prediction an outcome, and a second one for its interval, since each may hold one probability. What the
answer used stands within the resource as the answers to our Questionnaires, which are its basis: the record
keeps what was recorded, and no resource of the hospital that it was read from.
"""

from __future__ import annotations

import calendar
import datetime as dt
import html
from collections.abc import Iterator, Mapping
from typing import Any

from features.words import percent
from pipeline.fhir.names import (
    CAUTION,
    CONTENT,
    MODEL,
    OUTCOME,
    PSEUDONYM,
    RED_FLAG,
    UCUM,
    URI,
    VARIABLE,
    VERSION,
    extension,
)
from pipeline.fhir.responses import responses
from pipeline.prediction_record.store import kept_inputs

Json = dict[str, Any]
PERCENT = 100.0
"""FHIR has a probability from 0 to 100, as a decimal and as a range."""
DEVICE = "backcast"
NAMED = 3
"""Predictors that the rationale names on each side."""
COUNTS = 0.005
"""Log-odds below which a contribution is not worth a word."""
NOT_STATED = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
XHTML = "http://www.w3.org/1999/xhtml"
INTERVAL = "95 % interval over refits: the model's uncertainty, not the patient's fate."


def risk_assessment(answer: Mapping[str, Any], inputs: Mapping[str, Any], subject: Json) -> Json:
    """An answer to the question before an operation, as the record holds it.

    Where a red flag was raised it has no prediction: its status is `cancelled`, which FHIR has for what was not
    done, and `mitigation` says what to do first.

    Parameters
    ----------
    answer : mapping
        With the receipt of the record: `prediction_id`, `made_at`, and what was answered.
    inputs : mapping
        The variables that it was answered from; what the record does not keep of them is left out.
    subject : Reference
        Of whom it is; see `pseudonymous` and `named`.
    """
    made_at, flags = answer["made_at"], answer["red_flags"]
    basis = responses({name: value for name, value in inputs.items() if name in kept_inputs()}, authored=made_at)
    content: Json = {
        "resourceType": "RiskAssessment",
        "id": answer["prediction_id"],
        "text": _narrative(answer),
        "contained": [_device(answer), *basis],
        "identifier": [
            {"system": URI, "value": f"urn:uuid:{answer['prediction_id']}"},
            {"system": f"{CONTENT}:record", "value": answer["record_sha256"]},
        ],
        "status": "cancelled" if flags else "final",
        "code": {"text": "Risks of a planned operation on the lumbar spine"},
        "subject": subject,
        "occurrenceDateTime": made_at,
        "performer": {"reference": f"#{DEVICE}"},
        "basis": [{"reference": f"#{one['id']}"} for one in basis],
        "prediction": [one for outcome in answer["outcomes"] for one in _predictions(outcome, made_at)],
        "mitigation": " ".join(_actions(answer)),
        "note": [{"text": text} for text in _notes(answer)],
        "extension": [_coded("caution", CAUTION, one["code"], one["text"]) for one in answer["cautions"]]
        + [_coded("red-flag", RED_FLAG, flag["red_flag"], flag["label"]) for flag in flags],
        **({"meta": {"security": [TEST_DATA]}} if answer["provenance"] == "virtual" else {}),
        **({"method": _method(answer)} if answer["outcomes"] else {}),
    }
    return {name: value for name, value in content.items() if value}


def provenance(answer: Mapping[str, Any]) -> Json:
    """Which models made a RiskAssessment, from what, and where the record has it."""
    entities = [_entity("source", "input", answer["input_sha256"], "the variables that were recorded")]
    entities += [
        _entity("derivation", "model", outcome["model"]["sha256"], f"the model of {outcome['outcome']}")
        for outcome in answer["outcomes"]
    ]
    return {
        "resourceType": "Provenance",
        "id": answer["prediction_id"],
        "contained": [_device(answer)],
        "target": [{"reference": f"RiskAssessment/{answer['prediction_id']}"}],
        "recorded": answer["made_at"],
        "activity": {"text": f"Predicted by models of the {_origin(answer)}, and entered in the prediction record"},
        "agent": [{"who": {"reference": f"#{DEVICE}"}}],
        "entity": entities,
    }


def pseudonymous(pseudonym: str | None) -> Json:
    """The subject as the record knows it: by a keyed pseudonym, or not at all."""
    if pseudonym is None:
        return {"extension": [NOT_STATED], "display": "The patient was not named."}
    return {"type": "Patient", "identifier": {"system": PSEUDONYM, "value": pseudonym}}


def named(patient_id: str | None) -> Json | None:
    """The subject by the id that the request gave, for the answer to it; None where it gave none."""
    return {"reference": f"Patient/{patient_id}"} if patient_id else None


# ---- parts -----------------------------------------------------------------------------------------


def _predictions(outcome: Mapping[str, Any], made_at: str) -> Iterator[Json]:
    about = {
        "outcome": {"coding": [{"system": OUTCOME, "code": outcome["outcome"], "display": outcome["label"]}]},
        "whenPeriod": _when(made_at, outcome["horizon_months"]),
    }
    if outcome["risk"] is None:
        return
    yield {
        "extension": [_explanation(outcome)],
        **about,
        "probabilityDecimal": outcome["risk"] * PERCENT,
        "rationale": _rationale(outcome),
    }
    lower, upper = outcome.get("risk_lower"), outcome.get("risk_upper")
    if lower is not None and upper is not None:
        limits = {"low": _quantity(lower), "high": _quantity(upper)}
        yield {**about, "probabilityRange": limits, "rationale": INTERVAL}


def _quantity(risk: float) -> Json:
    return {"value": risk * PERCENT, "unit": "%", "system": UCUM, "code": "%"}


def _when(made_at: str, months: int) -> Json:
    """From the day of the answer to the horizon; a Range would be an age here.

    >>> _when("2024-11-30T10:00:00.000Z", 3)
    {'start': '2024-11-30', 'end': '2025-02-28'}
    """
    first = dt.date.fromisoformat(made_at[:10])
    years, month = divmod(first.month - 1 + months, 12)
    year, month = first.year + years, month + 1
    last = first.replace(year=year, month=month, day=min(first.day, calendar.monthrange(year, month)[1]))
    return {"start": first.isoformat(), "end": last.isoformat()}


def _explanation(outcome: Mapping[str, Any]) -> Json:
    """What adds up to the log-odds of the risk, and the model that says so."""
    parts = [
        {
            "url": "contribution",
            "extension": [
                {"url": "predictor", "valueCoding": {"system": VARIABLE, "code": name, **_label(outcome, name)}},
                {"url": "logOdds", "valueDecimal": value},
            ],
        }
        for name, value in _ranked(outcome)
    ]
    model = outcome["model"]
    return {
        "url": extension("explanation"),
        "extension": [
            {"url": "model", "valueCoding": _model(model)},
            {"url": "horizonMonths", "valueInteger": outcome["horizon_months"]},
            {"url": "kind", "valueString": model["explanation"]},
            {"url": "baseRate", "valueDecimal": outcome["base_rate"] * PERCENT},
            {"url": "baseLogOdds", "valueDecimal": outcome["base_log_odds"]},
            *parts,
        ],
    }


def _label(outcome: Mapping[str, Any], name: str) -> Json:
    label = outcome.get("predictors", {}).get(name, {}).get("label")
    return {"display": label} if label else {}


def _model(model: Mapping[str, Any]) -> Json:
    return {"system": MODEL, "code": model["uri"], "version": model["sha256"], "display": model["learner"]}


def _method(answer: Mapping[str, Any]) -> Json:
    """The models; two outcomes of one model name it once."""
    models = {outcome["model"]["sha256"]: outcome["model"] for outcome in answer["outcomes"]}
    return {
        "coding": [_model(model) for model in models.values()],
        "text": f"Prediction models of the {_origin(answer)}",
    }


def _device(answer: Mapping[str, Any]) -> Json:
    versions = [{"type": {"text": "Backcast"}, "value": VERSION}]
    versions += [
        {"type": {"text": f"model of {outcome['outcome']}"}, "value": outcome["model"]["sha256"]}
        for outcome in answer["outcomes"]
    ]
    return {
        "resourceType": "Device",
        "id": DEVICE,
        "deviceName": [{"name": "Backcast", "type": "model-name"}],
        "version": versions,
    }


def _entity(role: str, what: str, digest: str, words: str) -> Json:
    identifier = {"system": f"{CONTENT}:{what}", "value": digest}
    return {"role": role, "what": {"identifier": identifier, "display": words}}


def _coded(name: str, system: str, code: str, display: str) -> Json:
    return {"url": extension(name), "valueCoding": {"system": system, "code": code, "display": display}}


# ---- words -----------------------------------------------------------------------------------------


def _origin(answer: Mapping[str, Any]) -> str:
    return "virtual registry" if answer["provenance"] == "virtual" else "registry"


def _rationale(outcome: Mapping[str, Any]) -> str:
    """The risk against the base rate, and what moved it most."""
    raised = [_predictor(outcome, name) for name, value in _ranked(outcome) if value > COUNTS][:NAMED]
    lowered = [_predictor(outcome, name) for name, value in _ranked(outcome) if value < -COUNTS][:NAMED]
    base = f"{percent(outcome['base_rate'])} of the development cases had it within {outcome['horizon_months']} months."
    moved = [
        f"{words} most by: {'; '.join(names)}." for words, names in (("Raised", raised), ("Lowered", lowered)) if names
    ]
    return " ".join([base, *moved])


def _ranked(outcome: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Contributions, the largest first."""
    return sorted(outcome["contributions"].items(), key=lambda pair: (-abs(pair[1]), pair[0]))


def _predictor(outcome: Mapping[str, Any], name: str) -> str:
    return str(_label(outcome, name).get("display", name))


def _actions(answer: Mapping[str, Any]) -> list[str]:
    """What to do first: about a red flag; else the examination that would tell most."""
    if answer["red_flags"]:
        return [f"{flag['label'].capitalize()} ({flag['urgency']}): {flag['action']}." for flag in answer["red_flags"]]
    return [f"Worth doing next: {test['action']}." for test in answer.get("next_tests", [])[:1]]


def _notes(answer: Mapping[str, Any]) -> list[str]:
    told = ["A red flag was raised, so no risk is given: see to it first."] if answer["red_flags"] else []
    return [*told, *(one["text"] for one in answer["cautions"]), *answer.get("story", []), answer["is_not"]]


def _narrative(answer: Mapping[str, Any]) -> Json:
    """The same for a reader, as FHIR wants it beside the data."""
    risks = [_risk_line(outcome) for outcome in answer["outcomes"] if outcome["risk"] is not None]
    lines = [*(_actions(answer) if answer["red_flags"] else []), *_notes(answer)]
    listed = "".join(f"<li>{html.escape(line)}</li>" for line in risks)
    told = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="{XHTML}">{f"<ul>{listed}</ul>" if risks else ""}{told}</div>'}


def _risk_line(outcome: Mapping[str, Any]) -> str:
    line = f"{outcome['label']}, within {outcome['horizon_months']} months: {percent(outcome['risk'])}"
    if outcome.get("risk_lower") is None or outcome.get("risk_upper") is None:
        return line
    return f"{line} (95 % interval {percent(outcome['risk_lower'])} to {percent(outcome['risk_upper'])})"
