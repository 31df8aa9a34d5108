"""What the resources of a hospital's record say of a case, by the codes that the tables name.

Each reader yields facts, and for what it cannot use a finding that says why. Nothing is guessed: a code that
no row names, a diagnosis that is not confirmed, a medication without its rhythm say nothing. What the record
does not hold is missing, never negative.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from features.dictionary import Variable, load_dictionary
from pipeline.fhir.facts import Fact, Read, moment
from pipeline.fhir.findings import refused, unused
from pipeline.fhir.located import Located
from pipeline.fhir.names import CLINICAL_STATUS, VARIABLE, VERIFICATION_STATUS, choices_of
from pipeline.fhir.questionnaires import code_text
from pipeline.fhir.tables import MEASURES, Code, coded_values, codes_for
from pipeline.fhir.units import UnitError, as_float, plain_number, quantity

Coding = Mapping[str, Any]
READ = ("Patient", "Observation", "Condition", "Procedure", "MedicationStatement", "ServiceRequest")
FINAL = ("final", "amended", "corrected")
ACTIVE = ("active", "recurrence", "relapse")
EVER = ("has_cancer_history",)
"""Variables that a past condition answers too; others ask what is so now."""
FUSIONS = ("fusion", "decompression_and_fusion")
DECOMPRESSIONS = ("decompression", "microdiscectomy", "foraminotomy")
DAILY, OCCASIONAL = 2.0, 1.0
"""Codes of `opioid_use`."""
DAYS_A_MONTH = 365.25 / 12


def patient_facts(one: Located, today: dt.date) -> Iterator[Read]:
    """Age in completed years, sex, and the id by which an answer can be found again.

    An age is read where the date of birth leaves no doubt of it: a year alone is not enough.
    """
    patient, at = one.resource, one.at
    if patient.get("deceasedBoolean") or "deceasedDateTime" in patient:
        yield refused(at, "deceased", "is of somebody who has died.", kind="business-rule")
    if "id" in patient:
        yield Fact(variable="patient_id", value=patient["id"], at=f"{at}.id")
    if patient.get("gender") in load_dictionary()["sex"].codes:
        yield Fact(variable="sex", value=patient["gender"], at=f"{at}.gender")
    elif "gender" in patient:
        yield unused(f"{at}.gender", "sex", "the models know female and male", variable="sex")
    if "birthDate" in patient:
        ages = {_age(born, today) for born in _possible_days(patient["birthDate"])}
        if len(ages) == 1 and None not in ages:
            yield Fact(variable="age_years", value=float(ages.pop() or 0), at=f"{at}.birthDate")
        else:
            yield unused(f"{at}.birthDate", "birth_date", "the age is not certain", variable="age_years")


def _possible_days(text: str) -> tuple[dt.date | None, dt.date | None]:
    """The first and the last day that a FHIR date may mean; None for one that does not exist."""
    first = moment(text)
    if first is None:
        return None, None
    day = first.date()
    if len(text) == 4:
        return day, day.replace(month=12, day=31)
    if len(text) == 7:
        return day, (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    return day, day


def _age(born: dt.date | None, today: dt.date) -> int | None:
    if born is None or born > today:
        return None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def observation_facts(one: Located, today: dt.date) -> Iterator[Read]:
    """The value of an Observation whose code a row names, or that is coded with a name of the dictionary."""
    observation, at = one.resource, one.at
    if observation["status"] not in FINAL:
        yield unused(at, "status", "it is not final")
        return
    when = _when(observation, "effective", "issued")
    variable = _own_variable(observation["code"])
    if variable is not None:
        yield from _valued(variable.name, observation, at, when, is_answer=True)
        return
    rows = _rows("Observation", observation["code"], observation.get("bodySite"))
    variables = dict.fromkeys(row.variable for row in rows)
    if not variables:
        is_known = any(_rows("Observation", observation["code"], None, any_site=True))
        why = "its code is mapped for other body sites" if is_known else "its code is not mapped"
        yield unused(f"{at}.code", "code", why)
    for name in variables:
        yield from _valued(name, observation, at, when)


def _valued(
    name: str, observation: Mapping[str, Any], at: str, when: dt.datetime | None, is_answer: bool = False
) -> Iterator[Read]:
    try:
        value = _observed(name, observation)
    except UnitError as error:
        yield refused(f"{at}.valueQuantity", "unit", f"is not in a unit of {name}. {error}", variable=name)
        return
    if value is None:
        yield unused(at, "value", f"it has no value that {name} can take", variable=name)
    else:
        yield Fact(variable=name, value=value, at=at, when=when, is_answer=is_answer)


def _observed(name: str, observation: Mapping[str, Any]) -> float | str | None:
    variable = load_dictionary().by_name.get(name)
    if name in MEASURES or (variable and variable.type == "number"):
        if "valueQuantity" in observation:
            return quantity(name, observation["valueQuantity"])
        return plain_number(name, observation["valueInteger"]) if "valueInteger" in observation else None
    assert variable
    if "valueBoolean" in observation and variable.type == "yes_no":
        return float(observation["valueBoolean"])
    for coding in observation.get("valueCodeableConcept", {}).get("coding", []):
        value = coded_value(variable, coding)
        if value is not None:
            return value
    return None


def coded_value(variable: Variable, coding: Coding) -> float | str | None:
    """What a coding says of a variable with choices, in our own code or in one of others that a row names."""
    code = str(coding.get("code"))
    if coding.get("system") == choices_of(variable):
        return next((own for own in variable.codes if code_text(own) == code), None)
    return coded_values().get((variable.name, str(coding.get("system")), code))


def condition_facts(one: Located, today: dt.date) -> Iterator[Read]:
    """What a confirmed condition says that is so now, or for a history that ever was.

    A condition that was refuted says nothing: another of the same kind may well be there.
    """
    condition, at = one.resource, one.at
    verification = _codes_in(condition.get("verificationStatus"), VERIFICATION_STATUS)
    if verification and "confirmed" not in verification:
        yield unused(at, "not_confirmed", "it is not confirmed")
        return
    clinical = _codes_in(condition.get("clinicalStatus"), CLINICAL_STATUS)
    is_active = bool(set(clinical) & set(ACTIVE)) and not any(key.startswith("abatement") for key in condition)
    rows = [row for row in _rows("Condition", condition.get("code"), None) if is_active or row.variable in EVER]
    facts = {row.variable: row.value for row in rows if row.value is not None}
    if not facts:
        mapped = _rows("Condition", condition.get("code"), None)
        yield unused(at, *(("not_active", "it does not say that it is active") if mapped else NOT_MAPPED))
    for variable, value in facts.items():
        yield Fact(variable=variable, value=value, at=at)


NOT_MAPPED = ("code", "its code is not mapped")


def procedure_facts(one: Located, today: dt.date) -> Iterator[Read]:
    """An earlier lumbar operation, and whether it was a fusion. Which level it was, no code here says."""
    procedure, at = one.resource, one.at
    rows = _rows("Procedure", procedure.get("code"), None)
    if procedure["status"] != "completed":
        yield unused(at, "status", "it is not completed")
    elif not rows:
        yield unused(at, *NOT_MAPPED)
    else:
        done = _when(procedure, "performed")
        yield Fact(variable="earlier_lumbar_operations", value=1.0, at=at, when=done)
        if done is not None and done.date() <= today:
            months = (today - done.date()).days / DAYS_A_MONTH
            yield Fact(variable="months_since_last_operation", value=months, at=at, when=done)
        if any(row.value in FUSIONS for row in rows):
            yield Fact(variable="has_earlier_fusion", value=1.0, at=at)


def medication_facts(one: Located, today: dt.date) -> Iterator[Read]:
    """Opioids, daily or as needed where the dosage says which of the two."""
    statement, at = one.resource, one.at
    rows = _rows("MedicationStatement", statement.get("medicationCodeableConcept"), None)
    if statement["status"] != "active":
        yield unused(at, "status", "it does not say that it is taken now")
    elif not rows:
        yield unused(at, *NOT_MAPPED)
    else:
        rhythms = [_opioid_use(dosage) for dosage in statement.get("dosage", [])]
        said = [rhythm for rhythm in rhythms if rhythm is not None]
        if said:
            yield Fact(variable="opioid_use", value=max(said), at=at)
        else:
            yield unused(f"{at}.dosage", "rhythm", "it does not say whether daily or as needed", variable="opioid_use")


def _opioid_use(dosage: Mapping[str, Any]) -> float | None:
    if dosage.get("asNeededBoolean") or "asNeededCodeableConcept" in dosage:
        return OCCASIONAL
    repeat = dosage.get("timing", {}).get("repeat", {})
    is_often = repeat.get("frequency", 1) >= 1 and repeat.get("period") is not None
    hours = {"h": 1, "d": 24, "min": 1 / 60}.get(repeat.get("periodUnit"))
    return DAILY if is_often and hours is not None and as_float(repeat["period"]) * hours <= 24 else None


def request_facts(one: Located, today: dt.date) -> Iterator[Read]:
    """The planned operation: its procedure, and levels and sides where the order has them in our own codes."""
    request, at = one.resource, one.at
    rows = _rows("ServiceRequest", request.get("code"), None)
    details = [_own_variable(detail) for detail in request.get("orderDetail", [])]
    if request["status"] not in ("draft", "active", "on-hold") or request.get("doNotPerform"):
        yield unused(at, "status", "it is no plan to operate")
        return
    if not rows:
        yield unused(f"{at}.code", *NOT_MAPPED)
        return
    if "id" in request:
        yield Fact(variable="case_id", value=request["id"], at=f"{at}.id")
    for value in dict.fromkeys(row.value for row in rows if row.value is not None):
        yield Fact(variable="planned_procedure", value=value, at=f"{at}.code")
    for place, variable in enumerate(details):
        if variable is not None and variable.form == "plan" and variable.type == "yes_no":
            yield Fact(variable=variable.name, value=1.0, at=f"{at}.orderDetail[{place}]", is_answer=True)
        else:
            yield unused(f"{at}.orderDetail[{place}]", *NOT_MAPPED)
    if "bodySite" in request:
        yield unused(f"{at}.bodySite", "body_site", "levels and sides are read from orderDetail, in our own codes")


def plans_lumbar_operation(request: Mapping[str, Any]) -> bool:
    """Whether a ServiceRequest is for an operation on the lumbar spine, as far as the codes that are mapped say."""
    return bool(_rows("ServiceRequest", request.get("code"), None)) and not request.get("doNotPerform")


READERS: Mapping[str, Callable[[Located, dt.date], Iterator[Read]]] = {
    "Patient": patient_facts,
    "Observation": observation_facts,
    "Condition": condition_facts,
    "Procedure": procedure_facts,
    "MedicationStatement": medication_facts,
    "ServiceRequest": request_facts,
}


def _rows(resource: str, concept: Any, site: Any, *, any_site: bool = False) -> list[Code]:
    """The rows that the codings of a concept name, for that body site or for none."""
    sites = {f"{coding.get('system')}|{coding.get('code')}" for coding in _codings(site)} or {""}
    rows = [
        row
        for coding in _codings(concept)
        for row in codes_for(resource, str(coding.get("system")), str(coding.get("code")))
        if any_site or not row.body_site or row.body_site in sites
    ]
    return list(dict.fromkeys(rows))


def _own_variable(concept: Any) -> Variable | None:
    names = _codes_in(concept, VARIABLE)
    return next((load_dictionary()[name] for name in names if name in load_dictionary()), None)


def _codings(concept: Any) -> Sequence[Coding]:
    return concept.get("coding", []) if concept else []


def _codes_in(concept: Any, system: str) -> list[str]:
    return [str(coding.get("code")) for coding in _codings(concept) if coding.get("system") == system]


def _when(resource: Mapping[str, Any], *stems: str) -> dt.datetime | None:
    """When something was so: a day, a time, or the end of a period."""
    for stem in stems:
        period = resource.get(f"{stem}Period", {})
        for text in (
            resource.get(f"{stem}DateTime"),
            resource.get(f"{stem}Instant"),
            period.get("end"),
            resource.get(stem),
        ):
            found = moment(text)
            if found is not None:
                return found
    return None
