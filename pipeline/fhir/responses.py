"""Answers to our Questionnaires: a case as QuestionnaireResponses, one a form, and back without a loss."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from features.dictionary import Variable, load_dictionary
from pipeline.fhir.coded import coded_value
from pipeline.fhir.facts import Fact, Read, moment
from pipeline.fhir.findings import refused, unused
from pipeline.fhir.located import Located
from pipeline.fhir.names import choices_of, form_id, questionnaire_of
from pipeline.fhir.questionnaires import code_text, forms, sections
from pipeline.fhir.units import UnitError, as_float, quantity

Json = dict[str, Any]
ANSWERED = ("completed", "amended")
VALUE_OF = {"number": "valueDecimal", "date": "valueDate", "identifier": "valueString"}
"""The type of an answer by the type of its variable; what has choices is answered with a Coding."""


def responses(record: Mapping[str, Any], **about: Any) -> list[Json]:
    """A case as one QuestionnaireResponse a form in which something is recorded; `about` as for `response`."""
    made = [response(form, record, **about) for form in forms()]
    return [one for one in made if one is not None]


def response(
    form: str, record: Mapping[str, Any], *, authored: str | None = None, subject: Json | None = None
) -> Json | None:
    """What a case holds of one form, as a completed QuestionnaireResponse; None if it holds nothing.

    Parameters
    ----------
    record : mapping
        Values by the dictionary's names; None is missing.
    authored : str, optional
        When it was answered, as a FHIR dateTime.
    subject : Reference, optional
        Of whom it is.
    """
    items: list[Json] = []
    for link, title, variables in sections(form):
        answered = [
            _item(variable, record[variable.name]) for variable in variables if record.get(variable.name) is not None
        ]
        if link and answered:
            items.append({"linkId": link, "text": title, "item": answered})
        else:
            items += answered
    if not items:
        return None
    content: Json = {
        "resourceType": "QuestionnaireResponse",
        "id": form_id(form),
        "questionnaire": questionnaire_of(form),
        "status": "completed",
        "item": items,
    }
    return {**content, **({"subject": subject} if subject else {}), **({"authored": authored} if authored else {})}


def _item(variable: Variable, value: Any) -> Json:
    return {"linkId": variable.name, "text": variable.label, "answer": [_answer(variable, value)]}


def _answer(variable: Variable, value: Any) -> Json:
    if not variable.choices:
        return {VALUE_OF[variable.type]: value}
    own = float(value) if variable.is_numeric else value
    coding = {"system": choices_of(variable), "code": code_text(own), "display": dict(variable.choices)[own]}
    return {"valueCoding": coding}


def response_facts(one: Located, today: dt.date) -> Iterator[Read]:
    """Every answer to one of our Questionnaires; an answer that its question does not take is refused."""
    content, at = one.resource, one.at
    form = {questionnaire_of(form): form for form in forms()}.get(str(content.get("questionnaire")).partition("|")[0])
    if form is None:
        yield unused(at, "questionnaire", "it answers no Questionnaire of ours")
    elif content["status"] not in ANSWERED:
        yield unused(at, "status", "it is not completed")
    else:
        yield from _items(content, at, form, moment(content.get("authored")))


def _items(holder: Mapping[str, Any], at: str, form: str, when: dt.datetime | None) -> Iterator[Read]:
    for place, item in enumerate(holder.get("item", [])):
        here = f"{at}.item[{place}]"
        yield from _items(item, here, form, when)
        answers = item.get("answer", [])
        if answers:
            yield _answered(item, answers, here, form, when)
        for number, answer in enumerate(answers):
            yield from _items(answer, f"{here}.answer[{number}]", form, when)


def _answered(item: Mapping[str, Any], answers: list[Any], at: str, form: str, when: dt.datetime | None) -> Read:
    variable = load_dictionary().by_name.get(item["linkId"])
    if variable is None or variable.form != form:
        return refused(f"{at}.linkId", "question", "is no question of this Questionnaire.", kind="not-found")
    if len(answers) > 1:
        return refused(at, "answers", "has more than one answer.", kind="multiple-matches", variable=variable.name)
    try:
        value = _value(variable, answers[0])
    except UnitError as error:
        return refused(
            f"{at}.answer[0]", "unit", f"is not in a unit of {variable.name}. {error}", variable=variable.name
        )
    if value is None:
        why = f"is no answer to {variable.name}. Expected: {variable.expected}."
        return refused(f"{at}.answer[0]", "answer", why, kind="code-invalid", variable=variable.name)
    return Fact(variable=variable.name, value=value, at=at, when=when, is_answer=True)


def _value(variable: Variable, answer: Mapping[str, Any]) -> float | str | None:
    if variable.choices:
        return coded_value(variable, answer.get("valueCoding", {}))
    if variable.type != "number":
        found = answer.get(VALUE_OF[variable.type])
        return None if found is None else str(found)
    if "valueQuantity" in answer:
        return quantity(variable.name, answer["valueQuantity"])
    number = answer.get("valueDecimal", answer.get("valueInteger"))
    return None if number is None else as_float(number)
