"""An answer as a card: what it comes to in a line, the reasons below, and what may be done about it.

A card shows what was recorded and nothing else. It has the id of its prediction, so that feedback finds it;
where no prediction was made it has none, and by the specification no feedback comes then.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from features.completeness import BLOCKS
from features.dictionary import load_dictionary
from features.words import percent
from models.predictor import VIRTUAL_CAUTION, RiskPredictor
from models.screening import Screener
from pipeline.cds.case import DIED, NOT_OF_AGE, NOTHING, CdsCase
from pipeline.cds.settings import CdsSettings

Card = dict[str, Any]
LONGEST_SUMMARY = 139
ITEMS_NAMED = 4
"""Of what is missing, in a summary and below it."""
MOVED_BY = 4
"""Predictors that are told, each way."""
COUNTS = 0.005
"""A contribution nearer to 0 is not told."""
BUILT = ("source of pain", "plan", "mimics")
"""Groups of predictors that builders make of whole blocks of the record."""
FAR = "few_similar_cases"
LABEL = "Backcast, forecasts before operations on the lumbar spine"
VIRTUAL_LABEL = "Backcast, made from a virtual registry: not for patients"
OWN = "urn:backcast:cds-hooks"
OVERRIDE_SYSTEM = f"{OWN}:override-reason"
OVERRIDE_REASONS = {
    "work_up_complete": "The work-up is complete, and a second opinion was given",
    "decided_with_patient": "Decided together with the patient, who knows the risk",
    "cannot_wait": "The operation cannot wait",
    "record_incomplete": "The record is wrong or incomplete",
    "does_not_fit": "The forecast does not fit this patient",
    "other": "Another reason",
}
"""What a clinician may say who does not follow a card; a client may add reasons of its own."""
SUGGESTIONS = {
    "complete_work_up": "Complete the work-up before listing",
    "second_opinion": "Ask for a second opinion before listing",
}
"""What a high risk asks for. It never asks to refuse an operation."""
FLAG_SUGGESTION = {"act_on_red_flag": "Act on the red flag first"}
WHY_NONE = {
    NOT_OF_AGE: "The models were made from adults alone; the age of this patient is outside theirs.",
    DIED: "The record says that this patient has died.",
    NOTHING: "Nothing is recorded that a forecast could use.",
}


def card_without_forecast(why: str, source: Card) -> Card:
    """What is said of somebody for whom the models were not made; nothing was predicted, so it has no id."""
    return {
        "summary": "Not applicable: no forecast is made for this patient",
        "indicator": "info",
        "detail": WHY_NONE[why],
        "source": source,
    }


def card_of(answer: Mapping[str, Any], case: CdsCase, screener: Screener, settings: CdsSettings, page: str) -> Card:
    """The card of a recorded answer.

    Parameters
    ----------
    answer : as the service gave and recorded it
    page : str
        Address of the page, where the case is filled in.
    """
    prediction_id = str(answer["prediction_id"])
    if answer["red_flags"]:
        summary, indicator, told, actions = _red_flags(answer)
    else:
        summary, indicator, told, actions = _forecast(answer, case, screener.predictors[0], settings)
    card = {
        "uuid": prediction_id,
        "summary": _short(summary),
        "indicator": indicator,
        "detail": "\n\n".join([*told, *_foot(answer, case)]),
        "source": source_of(answer["provenance"], page),
        "overrideReasons": [
            {"system": OVERRIDE_SYSTEM, "code": code, "display": words} for code, words in OVERRIDE_REASONS.items()
        ],
        "links": [
            {"label": "Open in Backcast, with the case filled in", "url": link(page, prediction_id), "type": "absolute"}
        ],
    }
    return {**card, **_suggested(prediction_id, actions)} if actions else card


def source_of(provenance: str, page: str) -> Card:
    return {"label": VIRTUAL_LABEL if provenance == "virtual" else LABEL, "url": page}


def link(page: str, prediction_id: str) -> str:
    return f"{page}#filled/{prediction_id}"


def suggestion_id(prediction_id: str, code: str) -> str:
    """The id of a suggestion on a card: the same whenever it is asked for, so that nothing need be kept."""
    return str(uuid.uuid5(uuid.UUID(prediction_id), code))


def suggestions_of(prediction_id: str) -> dict[str, str]:
    """Every suggestion that a card may make, as its code by its id."""
    return {suggestion_id(prediction_id, code): code for code in (*SUGGESTIONS, *FLAG_SUGGESTION)}


def _suggested(prediction_id: str, actions: Mapping[str, str]) -> Card:
    suggestions = [
        {"label": words, "uuid": suggestion_id(prediction_id, code), "isRecommended": True}
        for code, words in actions.items()
    ]
    return {"suggestions": suggestions, "selectionBehavior": "any"}


Told = tuple[str, str, list[str], Mapping[str, str]]
"""Summary, indicator, paragraphs, and suggestions by their code."""


def _red_flags(answer: Mapping[str, Any]) -> Told:
    flags = answer["red_flags"]
    told = [f"- **{flag['label']}** ({flag['urgency']}): {flag['action']}" for flag in flags]
    last = "See to this first. It is not a question for a risk model, and no risk is given."
    summary = f"Red flag: {', '.join(flag['label'] for flag in flags)}. See to this first; no risk is given."
    return summary, "critical", ["\n".join(told), last], FLAG_SUGGESTION


def _forecast(answer: Mapping[str, Any], case: CdsCase, predictor: RiskPredictor, settings: CdsSettings) -> Told:
    """The first outcome leads; the others stand in the table below."""
    first = answer["outcomes"][0]
    lacking = missing_items(predictor, first["missing"], case.record)
    told = [_table(answer["outcomes"], settings.high_risk), *_moved(first), *_next(answer, lacking)]
    codes = {caution["code"] for caution in answer["cautions"]}
    if known_part(predictor, first["missing"]) < settings.params.least_known:
        return (
            f"Too little is recorded for a forecast that says much. Most would matter: {', '.join(lacking)}",
            "info",
            ["With so little recorded the figures are hardly more than those of everybody.", *told],
            {},
        )
    if FAR in codes:
        return (
            "Not applicable: hardly anybody like this patient was among those the models were made from",
            "info",
            ["The figures rest on few or no patients like this one. Do not act on them.", *told],
            {},
        )
    average = percent(first["base_rate"])
    risk = f"{first['label']} within {first['horizon_months']} months: {_risk(first)}, average {average}"
    if first["risk"] >= settings.high_risk.get(first["outcome"], float("inf")):
        return f"High risk. {risk}", "warning", told, SUGGESTIONS
    return risk, "info", told, {}


def known_part(predictor: RiskPredictor, missing: Sequence[str]) -> float:
    """In [0, 1]: the part that what is recorded has in all that moves the risks of the development cases."""
    return float(
        sum(part for name, part in zip(predictor.names, predictor.importance, strict=True) if name not in missing)
    )


def missing_items(predictor: RiskPredictor, missing: Sequence[str], record: Mapping[str, Any]) -> list[str]:
    """What to record next, as words: what is missing and moves the risk most, first.

    What a builder makes of whole blocks is asked for by those of them that are blank, in equal parts.
    """
    parts: dict[str, float] = {}
    for about, part in zip(predictor.bundle.predictors, predictor.importance, strict=True):
        if about.name in missing:
            is_built = about.group in BUILT and about.name not in load_dictionary()
            items = _blank_blocks(record) if is_built else [about.label]
            for item in items:
                parts[item] = parts.get(item, 0.0) + float(part) / len(items)
    return sorted(parts, key=lambda item: -parts[item])[:ITEMS_NAMED]


def _blank_blocks(record: Mapping[str, Any]) -> list[str]:
    made_from = [block for block in BLOCKS if block.name in ("drawing", "imaging", "examination", "levels")]
    return [block.label for block in made_from if not any(record.get(name) is not None for name in block.variables)]


def _risk(outcome: Mapping[str, Any]) -> str:
    if outcome["risk_lower"] is None:
        return percent(outcome["risk"])
    return f"{percent(outcome['risk'])} ({percent(outcome['risk_lower'])} to {percent(outcome['risk_upper'])})"


def _table(outcomes: Sequence[Mapping[str, Any]], high_risk: Mapping[str, float]) -> str:
    rows = [
        [
            outcome["label"],
            str(outcome["horizon_months"]),
            _risk(outcome),
            percent(outcome["base_rate"]),
            percent(high_risk[outcome["outcome"]]) if outcome["outcome"] in high_risk else "",
        ]
        for outcome in outcomes
    ]
    head = ["Outcome", "Months", "Risk (95 % interval of the model)", "Average", "High from"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def _moved(outcome: Mapping[str, Any]) -> list[str]:
    """What raised and what lowered the risk most, of what is recorded."""
    known = {
        name: value
        for name, value in outcome["contributions"].items()
        if name not in outcome["missing"] and abs(value) > COUNTS
    }
    told = []
    for words, is_there in (("Raised by", lambda value: value > 0), ("Lowered by", lambda value: value < 0)):
        names = sorted((name for name in known if is_there(known[name])), key=lambda name: -abs(known[name]))[:MOVED_BY]
        told += [f"{words}: {', '.join(outcome['predictors'][name]['label'] for name in names)}."] if names else []
    return ["  \n".join(told)] if told else []


def _next(answer: Mapping[str, Any], lacking: Sequence[str]) -> list[str]:
    return [*answer["story"], *([f"Not recorded, and most would matter: {', '.join(lacking)}."] if lacking else [])]


def _foot(answer: Mapping[str, Any], case: CdsCase) -> list[str]:
    left_out = []
    if case.outdated:
        left_out.append(f"Too old and left out, of answers and measurements: {case.outdated}.")
    if case.unused:
        left_out.append(f"Sent and of no use here, such as codes that are not mapped: {case.unused}.")
    own = [VIRTUAL_CAUTION] if answer["provenance"] == "virtual" else []
    models = sorted({f"{one['model']['uri']} ({one['model']['sha256'][:12]})" for one in answer["outcomes"]})
    made = f"Prediction {answer['prediction_id']}, {answer['made_at'][:16].replace('T', ' ')} UTC."
    given = f" Given by {', '.join(models)}." if models else ""
    return [*([" ".join(left_out)] if left_out else []), " ".join([*own, answer["is_not"]]), made + given]


def _short(summary: str) -> str:
    """A summary that is short enough for a card, cut at a word where it is not.

    >>> _short("word " * 40)[-6:]
    'word …'
    """
    if len(summary) <= LONGEST_SUMMARY:
        return summary
    return summary[: LONGEST_SUMMARY - 1].rpartition(" ")[0].rstrip(".,:; ") + " …"
