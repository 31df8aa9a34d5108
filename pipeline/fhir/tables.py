"""The mapping tables of `pipeline/fhir/tables/`: codes, coded values, units. One row is one fact, with its source."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from features.dictionary import load_dictionary
from features.errors import KnowledgeError

TABLES = Path(__file__).resolve().parent / "tables"
STATUSES = ("verified", "memory", "assumption")
MEASURES = {"body_height_m": "m", "body_weight_kg": "kg"}
"""What is read though it is no variable of the dictionary, with its unit: from both comes the body mass index."""
RESOURCES = ("Observation", "Condition", "Procedure", "ServiceRequest", "MedicationStatement")
EXACT, BELOW = "exact", "below"


@dataclass(frozen=True, kw_only=True)
class Code:
    """What a code in a kind of resource says: of which variable, and which value where the code alone says it.

    `body_site` is `system|code` where the code says it only of that site.
    """

    resource: str
    system: str
    code: str
    is_prefix: bool
    body_site: str
    variable: str
    value: float | str | None
    means: str


@cache
def codes() -> dict[tuple[str, str], tuple[Code, ...]]:
    """Rows of `codes.csv` by kind of resource and code system.

    Raises
    ------
    KnowledgeError
        With all that is wrong with the table.
    """
    rows = _rows("codes")
    _refuse("codes", _faults_of_codes(rows))
    found: dict[tuple[str, str], list[Code]] = {}
    for row in rows:
        code = Code(
            resource=row["resource"],
            system=row["system"],
            code=row["code"],
            is_prefix=row["match"] == BELOW,
            body_site=row["body_site"],
            variable=row["variable"],
            value=_value(row["variable"], row["value"]) if row["value"] else None,
            means=row["means"],
        )
        found.setdefault((code.resource, code.system), []).append(code)
    return {key: tuple(rows) for key, rows in found.items()}


def codes_for(resource: str, system: str, code: str) -> list[Code]:
    """What a code says in a kind of resource; nothing for one that no row names.

    A row that matches `below` takes the codes under its own: I25 takes I25.1 and I25.10, and N02A takes N02AA01.
    """
    return [
        row
        for row in codes().get((resource, system), ())
        if row.code == code or (row.is_prefix and code.startswith(row.code))
    ]


@cache
def coded_values() -> dict[tuple[str, str, str], float | str]:
    """Values by variable, code system and code."""
    rows = _rows("values")
    _refuse("values", _faults_of_values(rows))
    return {(row["variable"], row["system"], row["code"]): _value(row["variable"], row["value"]) for row in rows}


@cache
def factors() -> dict[str, dict[str, float]]:
    """By unit of the dictionary, what a value in each UCUM unit is multiplied with; the first unit is the preferred."""
    rows = _rows("units")
    units = {variable.unit for variable in load_dictionary().variables if variable.type == "number"}
    faults = [f"no row for the unit {unit}" for unit in sorted(units - {row["unit"] for row in rows})]
    faults += [
        f"{row['unit']}, {row['ucum']}: the factor is not above 0" for row in rows if not float(row["factor"]) > 0
    ]
    _refuse("units", [*faults, *_repeated(rows, ("unit", "ucum"))])
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row["unit"], {})[row["ucum"]] = float(row["factor"])
    return found


def unit_of(variable: str) -> str:
    """The dictionary's unit of a variable, or that of a measure."""
    return MEASURES.get(variable) or load_dictionary()[variable].unit


def table_rows(name: str) -> list[dict[str, str]]:
    """A table as text, for the reference page."""
    return _rows(name)


def _rows(name: str) -> list[dict[str, str]]:
    with open(TABLES / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _refuse(name: str, faults: Iterable[str]) -> None:
    faults = list(faults)
    if faults:
        raise KnowledgeError(f"pipeline/fhir/tables/{name}.csv: " + "; ".join(faults) + ".")


def _faults_of_codes(rows: list[dict[str, str]]) -> list[str]:
    faults = _repeated(rows, ("resource", "system", "code", "body_site", "variable"))
    for row in rows:
        where = f"{row['resource']} {row['code']}"
        faults += [f"{where}: no {column}" for column in ("system", "means", "source") if not row[column]]
        if row["resource"] not in RESOURCES or row["match"] not in (EXACT, BELOW) or row["status"] not in STATUSES:
            faults.append(f"{where}: an unknown resource, match or status")
        if row["variable"] not in load_dictionary() and row["variable"] not in MEASURES:
            faults.append(f"{where}: {row['variable']} is not in the dictionary")
        elif row["value"] and not _is_value(row["variable"], row["value"]):
            faults.append(f"{where}: {row['variable']} cannot be {row['value']}")
    return faults


def _faults_of_values(rows: list[dict[str, str]]) -> list[str]:
    faults = _repeated(rows, ("variable", "system", "code"))
    for row in rows:
        if row["variable"] not in load_dictionary() or not _is_value(row["variable"], row["value"]):
            faults.append(f"{row['code']}: {row['variable']} cannot be {row['value']}")
        if not row["source"] or row["status"] not in STATUSES:
            faults.append(f"{row['code']}: no source, or an unknown status")
    return faults


def _repeated(rows: list[dict[str, str]], key: tuple[str, ...]) -> list[str]:
    keys = [tuple(row[name] for name in key) for row in rows]
    return [f"{', '.join(one)} stands twice" for one in sorted({one for one in keys if keys.count(one) > 1})]


def _is_value(variable: str, value: str) -> bool:
    try:
        return _value(variable, value) in load_dictionary()[variable].codes
    except ValueError:
        return False


def _value(variable: str, value: str) -> float | str:
    return float(value) if load_dictionary()[variable].is_numeric else value
