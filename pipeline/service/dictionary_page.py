"""The dictionary as JSON: what a form needs to ask for a record, and to say what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from features.dictionary import Variable, load_dictionary
from pipeline.service.request_model import ANSWERED


@cache
def dictionary_content() -> dict[str, Any]:
    """Forms in the order of the record, and every variable that a question may hold.

    First those of a planned operation; below `workup` what a work-up may hold beside them.
    """
    before, by_follow_up = (load_dictionary().known_by(moment) for moment in ANSWERED)
    return {**_forms(before), "workup": _forms([variable for variable in by_follow_up if variable not in before])}


def _forms(variables: Sequence[Variable]) -> dict[str, Any]:
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
