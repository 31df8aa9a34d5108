"""The dictionary as JSON: what a form needs to ask for a record, and to say what is wrong with it."""

from __future__ import annotations

from functools import cache
from typing import Any

from features.dictionary import Variable, load_dictionary


@cache
def dictionary_content() -> dict[str, Any]:
    """Forms in the order of the record, and every variable that a question may hold."""
    variables = load_dictionary().known_by("preoperative")
    return {
        "forms": list(dict.fromkeys(variable.form for variable in variables)),
        "variables": [_described(variable) for variable in variables],
    }


def _described(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "form": variable.form,
        "item": variable.item,
        "type": variable.type,
        "unit": variable.unit or None,
        "lower": variable.lower,
        "upper": variable.upper,
        "choices": [{"code": code, "label": label} for code, label in variable.choices],
        "expected": variable.expected,
        "identifies": variable.identifies,
        "essential": variable.essential,
        "missing_means": variable.missing_means,
        "coordinates": dict(variable.coordinates),
        "direction": variable.direction,
    }
