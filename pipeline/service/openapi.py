"""What the OpenAPI page says, made from the dictionary and from the kinds of problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from features.causes import LIKELIHOODS
from pipeline.service.problems import (
    BAD_JSON,
    BUSY,
    ERASED,
    INVALID,
    MEDIA_TYPE,
    NO_ROOM,
    NOT_FOUND,
    SLOW,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHORISED,
    UNRECORDED,
    WRONG_TYPE,
    Kind,
)
from pipeline.service.request_model import ANSWERED, ASKED_AT, case_model

COMPONENTS = "#/components/schemas/"
TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
RISK = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
OPEN = (TOO_MANY, BUSY)
HELD = (UNAUTHORISED, *OPEN)
"""Problems that the guard may answer with, before anything is looked at: to everybody, and where a token is needed."""
BODY = (BAD_JSON, SLOW, TOO_LARGE, WRONG_TYPE, INVALID, UNRECORDED, NO_ROOM, *HELD)
LOOK = (NOT_FOUND, ERASED, UNRECORDED, *HELD)
"""Problems that may be answered where a body is sent, and where a past answer is looked up."""
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
ANSWER: dict[str, Any] = {
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
POINT = {
    "type": "object",
    "required": ["finding", "label", "points"],
    "properties": {"finding": TEXT, "label": TEXT, "points": {"type": "number", "description": "Log-odds."}},
}
CAUSE = {
    "type": "object",
    "required": ["cause", "label", "likelihood", "rank", "log_odds", "prior_log_odds", "for", "against", "not_sought"],
    "properties": {
        "cause": TEXT,
        "label": TEXT,
        "class": TEXT,
        "likelihood": {"enum": list(LIKELIHOODS)},
        "rank": {"type": "integer", "minimum": 1},
        "log_odds": {"type": "number", "description": "Of this cause on its own; for the order, not to be printed."},
        "prior_log_odds": {"type": "number", "description": "With the points for and against it makes log_odds."},
        "for": {"type": "array", "items": POINT},
        "against": {"type": "array", "items": POINT},
        "not_sought": {
            "type": "array",
            "items": {"type": "object", "properties": dict.fromkeys(("finding", "label", "investigation"), TEXT)},
        },
    },
}
WORK_UP_ANSWER = {
    "type": "object",
    "required": ["prediction_id", "made_at", "question", "provenance", "red_flags", "causes", "plan", "cautions"],
    "properties": {
        **{name: ANSWER["properties"][name] for name in ("prediction_id", "made_at", "record_sha256", "question")},
        "input_sha256": {**TEXT, "description": "Of what was recorded; keys and days do not enter, months do."},
        "provenance": {"enum": ["knowledge"], "description": "Nothing of it was learned from a registry."},
        "model": {"type": "object", "properties": dict.fromkeys(("name", "uri", "sha256"), TEXT)},
        "red_flags": {"type": "array", "description": "What comes first; with any no cause is ranked."},
        "course": {"type": "object", "description": "What became of the pain, in numbers and in words (text)."},
        "operated": {
            "type": "object",
            "properties": dict.fromkeys(("intended", "noted", "seen"), MAYBE_TEXT),
        },
        "causes": {"type": "array", "items": {"$ref": COMPONENTS + "Cause"}, "description": "The likeliest first."},
        "impossible": {"type": "array", "description": "What cannot be after that operation, and why."},
        "next_investigations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **dict.fromkeys(("investigation", "label", "text"), TEXT),
                    "gain": {"type": "number", "description": "Bits by which the ranking is expected to change."},
                    "burden": {"type": "number", "description": "Equivalent minutes of the patient."},
                },
            },
        },
        "plan": {"type": "object", "description": "Stop and refer, or steps for everybody and for each likely cause."},
        "story": {"type": "array", "items": TEXT, "description": "The whole in words."},
        "cautions": ANSWER["properties"]["cautions"],
    },
}
COUNTS = ("cases", "unmatched", "attached", "corrected", "unchanged", "not_known")
ATTACHED = {"type": "object", "properties": {name: {"type": "integer"} for name in COUNTS}}


def components() -> dict[str, Any]:
    """Schemas by name; those of the request come from the dictionary."""
    return {
        **{ASKED_AT[known][0]: case_model(known).model_json_schema() for known in ANSWERED},
        "FollowUp": _requiring("case_id", case_model("adjudication").model_json_schema()),
        "Problem": PROBLEM,
        "Outcome": OUTCOME,
        "Answer": ANSWER,
        "BatchAnswer": _batch_of("Answer"),
        "Cause": CAUSE,
        "WorkUpAnswer": WORK_UP_ANSWER,
        "BatchWorkUpAnswer": _batch_of("WorkUpAnswer"),
        "Attached": ATTACHED,
    }


def _batch_of(name: str) -> dict[str, Any]:
    return {"type": "object", "required": ["answers"], "properties": {"answers": {"type": "array", "items": of(name)}}}


def _requiring(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """The schema of a record in which one variable cannot be left out."""
    field = record["properties"][name]
    (kind,) = (option for option in field["anyOf"] if option["type"] != "null")
    required = {"title": field["title"], "description": field["description"], **kind}
    return {**record, "properties": {**record["properties"], name: required}, "required": [name]}


def of(name: str) -> dict[str, str]:
    return {"$ref": COMPONENTS + name}


def takes(schema: dict[str, Any]) -> dict[str, Any]:
    """The body of an operation, which the application reads itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def gives(schema: dict[str, Any], words: str, *kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Responses of an operation: its answer, and the problems it may answer with, those of one status together."""
    problem = {MEDIA_TYPE: {"schema": of("Problem")}}
    answer: dict[str, Any] = {"description": words, "content": {"application/json": {"schema": schema}}}
    problems: dict[int | str, dict[str, Any]] = {
        status: {
            "description": "; or: ".join(kind.title for kind in kinds if kind.status == status),
            "content": problem,
        }
        for status in sorted({kind.status for kind in kinds})
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
