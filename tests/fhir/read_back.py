"""A RiskAssessment as a hospital's program would read it, which knows its FHIR and none of our code."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def outcomes_in(resource: Json) -> list[Json]:
    """What a RiskAssessment of ours says of each outcome, under the names of the answer.

    Risks in [0, 1], contributions in log-odds; `risk_lower` and `risk_upper` where an interval is given.
    """
    found: dict[str, Json] = {}
    for prediction in resource.get("prediction", []):
        coding = prediction["outcome"]["coding"][0]
        outcome = found.setdefault(coding["code"], {"outcome": coding["code"], "label": coding["display"]})
        if "probabilityDecimal" in prediction:
            outcome["risk"] = prediction["probabilityDecimal"] / 100
            outcome |= explained(prediction["extension"][0])
        else:
            limits = prediction["probabilityRange"]
            outcome |= {"risk_lower": limits["low"]["value"] / 100, "risk_upper": limits["high"]["value"] / 100}
    return list(found.values())


def explained(given: Json) -> Json:
    """The parts of an explanation again."""
    single = {part["url"]: part for part in given["extension"] if part["url"] != "contribution"}
    pairs = [part["extension"] for part in given["extension"] if part["url"] == "contribution"]
    return {
        "horizon_months": single["horizonMonths"]["valueInteger"],
        "base_rate": single["baseRate"]["valueDecimal"] / 100,
        "base_log_odds": single["baseLogOdds"]["valueDecimal"],
        "contributions": {name["valueCoding"]["code"]: value["valueDecimal"] for name, value in pairs},
        "model": {
            "uri": single["model"]["valueCoding"]["code"],
            "sha256": single["model"]["valueCoding"]["version"],
            "learner": single["model"]["valueCoding"]["display"],
            "explanation": single["kind"]["valueString"],
        },
    }
