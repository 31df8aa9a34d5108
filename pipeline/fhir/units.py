"""Quantities in the dictionary's units. A unit that the table does not name is refused, never guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.fhir.names import UCUM
from pipeline.fhir.tables import factors, unit_of


class UnitError(ValueError):
    """A quantity that is not in a unit of the table; the message says which are."""


def quantity(variable: str, given: Mapping[str, Any]) -> float:
    """The value of a FHIR Quantity in the unit of a variable.

    Raises
    ------
    UnitError
        If its unit is no UCUM code of that variable's unit, is missing, or its value is not exact.

    Examples
    --------
    >>> quantity("walking_distance_m", {"value": 0.4, "system": UCUM, "code": "km"})
    400.0
    >>> quantity("body_weight_kg", {"value": 100, "system": UCUM, "code": "[lb_av]"})
    45.359237
    """
    known = factors()[unit_of(variable)]
    if "value" not in given or given.get("comparator"):
        raise UnitError("It has no value, or one that is only more or less than another.")
    if given.get("system") != UCUM or given.get("code") not in known:
        raise UnitError(f"Send it with a UCUM code: {', '.join(known)}.")
    return as_float(given["value"]) * known[given["code"]]


def plain_number(variable: str, value: float) -> float | None:
    """A number without a unit, where the variable is a count or a score whose unit is the unity; else None.

    >>> plain_number("nrs_leg", 7), plain_number("odi", 22)
    (7.0, None)
    """
    return as_float(value) if factors()[unit_of(variable)].get("1") == 1 else None


def as_float(value: float) -> float:
    """A number of JSON as a float; one with more digits than a float can hold is infinite, which no variable takes.

    >>> as_float(10**400)
    inf
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf


def as_quantity(variable: str, value: float) -> dict[str, Any]:
    """A value as a FHIR Quantity in the preferred UCUM unit, which is the dictionary's own.

    >>> as_quantity("nrs_leg", 7.0)
    {'value': 7.0, 'unit': 'points of 10', 'system': 'http://unitsofmeasure.org', 'code': '{score}'}
    """
    unit = unit_of(variable)
    return {"value": value, "unit": unit, "system": UCUM, "code": next(iter(factors()[unit]))}
