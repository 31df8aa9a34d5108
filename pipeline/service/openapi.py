"""What the OpenAPI page says, made from the dictionary and from the kinds of problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.service.problems import MEDIA_TYPE, OF_STATUS
from pipeline.service.request_model import case_model

COMPONENTS = "#/components/schemas/"
TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
RISK = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
PREDICTION_ID = {"type": "string", "format": "uuid"}
MISTAKE = {
    "type": "object",
    "required": ["pointer", "rule", "detail"],
    "properties": {
        "pointer": {**TEXT, "description": "JSON pointer into the body, as a URI fragment."},
        **dict.fromkeys(("name", "label", "unit", "expected"), MAYBE_TEXT),
        "rule": TEXT,
        "detail": TEXT,
    },
}
PROBLEM = {
    "type": "object",
    "description": "Problem details after RFC 9457; it holds no value that was sent.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {**TEXT, "format": "uri-reference"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "request_id": TEXT,
        "errors": {"type": "array", "items": MISTAKE},
        "errors_not_listed": {"type": "integer"},
    },
}
OUTCOME = {
    "type": "object",
    "required": ["outcome", "label", "horizon_months", "model", "risk", "base_log_odds", "base_rate", "contributions"],
    "properties": {
        "outcome": TEXT,
        "label": TEXT,
        "horizon_months": {"type": "integer"},
        "model": {"type": "object", "properties": {"uri": TEXT, "sha256": TEXT, "learner": TEXT}},
        "risk": {**RISK, "description": "Of the outcome within its horizon, after this operation."},
        "risk_lower": {**RISK, "description": "Of its 95 % interval over refits: the model's uncertainty."},
        "risk_upper": RISK,
        "base_log_odds": {"type": "number"},
        "base_rate": {**RISK, "description": "Share of the development cases with the outcome."},
        "contributions": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "Log-odds; with base_log_odds they add up to the log-odds of the risk.",
        },
    },
}
ANSWER = {
    "type": "object",
    "required": ["prediction_id", "made_at", "question", "provenance", "red_flags", "outcomes", "cautions"],
    "properties": {
        "prediction_id": PREDICTION_ID,
        "made_at": {**TEXT, "format": "date-time"},
        "record_sha256": {**TEXT, "description": "The link of its entry in the chain of the prediction record."},
        "input_sha256": {**TEXT, "description": "Of the predictors as they were recorded; keys do not enter."},
        "question": TEXT,
        "provenance": {"enum": ["virtual", "registry"], "description": "virtual is not for patients."},
        "red_flags": {"type": "array", "description": "What comes first; with any there is no risk."},
        "outcomes": {"type": "array", "items": {"$ref": COMPONENTS + "Outcome"}},
        "cautions": {"type": "array", "items": {"type": "object", "properties": {"code": TEXT, "text": TEXT}}},
    },
}
BATCH_ANSWER = {
    "type": "object",
    "required": ["answers"],
    "properties": {"answers": {"type": "array", "items": {"$ref": COMPONENTS + "Answer"}}},
}
COUNTS = ("cases", "unmatched", "attached", "corrected", "unchanged", "not_known")
ATTACHED = {"type": "object", "properties": {name: {"type": "integer"} for name in COUNTS}}


def components() -> dict[str, Any]:
    """Schemas by name; those of the request come from the dictionary."""
    return {
        "Case": case_model("preoperative").model_json_schema(),
        "FollowUp": case_model("follow_up").model_json_schema(),
        "Problem": PROBLEM,
        "Outcome": OUTCOME,
        "Answer": ANSWER,
        "BatchAnswer": BATCH_ANSWER,
        "Attached": ATTACHED,
    }


def of(name: str) -> dict[str, str]:
    return {"$ref": COMPONENTS + name}


def takes(schema: dict[str, Any]) -> dict[str, Any]:
    """The body of an operation, which the application reads itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def gives(schema: dict[str, Any], words: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses of an operation: its answer, and the problems it may answer with."""
    problem = {MEDIA_TYPE: {"schema": of("Problem")}}
    answer: dict[str, Any] = {"description": words, "content": {"application/json": {"schema": schema}}}
    problems: dict[int | str, dict[str, Any]] = {
        status: {"description": OF_STATUS[status].title, "content": problem} for status in statuses
    }
    return {200: answer, **problems}


def with_components(page: dict[str, Any], open_paths: Sequence[str]) -> dict[str, Any]:
    """The page that FastAPI made, with our schemas, and with the token where it may be asked for."""
    content = page.setdefault("components", {})
    content.setdefault("schemas", {}).update(components())
    content["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in page["paths"].items():
        for operation in operations.values():
            if "requestBody" not in operation:
                operation["responses"].pop("422", None)  # FastAPI's own, which nothing here answers with
            if path not in open_paths:
                operation["security"] = [{"token": []}, {}]
    return page
