"""The dictionary's forms as Questionnaires: choices, units, ranges, and what is asked only after an answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from features.axes import LABELS
from features.dictionary import Variable, load_dictionary
from features.errors import KnowledgeError
from pipeline.fhir.names import UCUM, VARIABLE, VERSION, choices_of, form_id, questionnaire_of
from pipeline.fhir.tables import factors, table_rows

Json = dict[str, Any]
ITEM_TYPE = {"number": "decimal", "date": "date", "identifier": "string"}
"""By type of the variable; what has choices is a choice. A yes or no is one too: a box that nobody ticked is
drawn like a no, and here it must not be one."""
LONGEST_IDENTIFIER = 64
STRUCTURE = "http://hl7.org/fhir/StructureDefinition"
GROUPED_BY = ("level", "root", "region")
OPERATORS = ("=", ">", "exists")


@cache
def forms() -> tuple[str, ...]:
    """The forms of the dictionary, each of which is a Questionnaire."""
    return tuple(dict.fromkeys(variable.form for variable in load_dictionary().variables))


def questionnaires() -> list[Json]:
    return [questionnaire(form) for form in forms()]


@cache
def questionnaire(form: str) -> Json:
    """The Questionnaire of one form; its items are named as the dictionary names the variables.

    Variables at a level, a root or a region of the body stand in a group of it. Nothing is required: what was
    not recorded or not examined is left out.
    """
    return {
        "resourceType": "Questionnaire",
        "id": form_id(form),
        "url": questionnaire_of(form),
        "version": VERSION,
        "name": "Backcast" + "".join(word.capitalize() for word in form.replace("-", " ").split()),
        "title": f"Backcast: {form}",
        "status": "active",
        "subjectType": ["Patient"],
        "publisher": "The Backcast developers",
        "description": "What was not recorded or not examined is left out; it is never answered with no or 0.",
        "item": [
            {"linkId": link, "text": title, "type": "group", "item": [_item(variable) for variable in variables]}
            if link
            else _item(variables[0])
            for link, title, variables in sections(form)
        ],
    }


@cache
def sections(form: str) -> tuple[tuple[str, str, tuple[Variable, ...]], ...]:
    """The groups of a form with link and title, in the order of the dictionary; without a link, a single variable."""
    groups: dict[str, list[Variable]] = {}
    for variable in load_dictionary().variables:
        if variable.form == form:
            groups.setdefault(group_of(variable) or variable.name, []).append(variable)
    return tuple(
        (link, LABELS[link.partition(":")[2]], tuple(variables))
        if group_of(variables[0])
        else ("", "", tuple(variables))
        for link, variables in groups.items()
    )


def group_of(variable: Variable) -> str | None:
    """The link of the group that a variable stands in, by its level, its root or its region.

    >>> group_of(load_dictionary()["herniation_l4_l5_central"])
    'level:l4_l5'
    """
    places = dict(variable.coordinates)
    return next((f"{name}:{places[name]}" for name in GROUPED_BY if name in places), None)


def _item(variable: Variable) -> Json:
    item: Json = {
        "linkId": variable.name,
        "code": [{"system": VARIABLE, "code": variable.name}],
        "text": variable.label,
        "type": "choice" if variable.choices else ITEM_TYPE[variable.type],
    }
    if variable.choices:
        item["answerOption"] = [{"valueCoding": choice} for choice in choices(variable)]
    if variable.type == "identifier":
        item["maxLength"] = LONGEST_IDENTIFIER
    extensions = list(_limits(variable))
    conditions = _conditions().get(variable.item, [])
    return {
        **item,
        **({"extension": extensions} if extensions else {}),
        **({"enableWhen": conditions, "enableBehavior": "any"} if conditions else {}),
    }


def choices(variable: Variable) -> list[Json]:
    """The choices of a variable as Codings."""
    return [
        {"system": choices_of(variable), "code": code_text(code), "display": label} for code, label in variable.choices
    ]


def code_text(code: float | str) -> str:
    """A choice of the dictionary as a FHIR code.

    >>> code_text(2.0), code_text("female")
    ('2', 'female')
    """
    return f"{code:g}" if isinstance(code, float) else code


def _limits(variable: Variable) -> Iterator[Json]:
    """Unit and range of a number, first day of a date."""
    if variable.type == "number":
        code = next(iter(factors()[variable.unit]))
        yield {
            "url": f"{STRUCTURE}/questionnaire-unit",
            "valueCoding": {"system": UCUM, "code": code, "display": variable.unit},
        }
        yield {"url": f"{STRUCTURE}/minValue", "valueDecimal": variable.lower}
        yield {"url": f"{STRUCTURE}/maxValue", "valueDecimal": variable.upper}
    elif variable.type == "date" and variable.lower:
        yield {"url": f"{STRUCTURE}/minValue", "valueDate": variable.lower}


@cache
def _conditions() -> dict[str, list[Json]]:
    """By item, when its question is asked: after one of these answers, or while the other has none.

    Raises
    ------
    KnowledgeError
        Where a question is none, or stands on another form.
    """
    dictionary = load_dictionary()
    form_of = {variable.item: variable.form for variable in dictionary.variables}
    found: dict[str, list[Json]] = {}
    for row in table_rows("enable_when"):
        item, question = row["item"], row["question"]
        if question not in dictionary or form_of.get(item) != dictionary[question].form:
            raise KnowledgeError(f"pipeline/fhir/tables/enable_when.csv: {item} and {question} share no form.")
        if row["operator"] not in OPERATORS:
            raise KnowledgeError(f"pipeline/fhir/tables/enable_when.csv: {item}: {row['operator']} is no operator.")
        unanswered = {"question": question, "operator": "exists", "answerBoolean": False}
        when = found.setdefault(item, [] if row["operator"] == "exists" else [unanswered])
        when.append({"question": question, "operator": row["operator"], **_expected(dictionary[question], row)})
    return found


def _expected(question: Variable, row: dict[str, str]) -> Json:
    if row["operator"] == "exists":
        return {"answerBoolean": row["answer"] == "true"}
    if question.choices:
        return {"answerCoding": {"system": choices_of(question), "code": row["answer"]}}
    return {"answerDecimal": float(row["answer"])}
