"""The names by which FHIR knows things: code systems of others, and those that Backcast gives to its own."""

from __future__ import annotations

import importlib.metadata

from features.dictionary import Variable

FHIR_VERSION = "4.0.1"
VERSION = importlib.metadata.version("backcast")
"""Read once: where it cannot be had nothing starts, rather than fail once an answer is recorded."""
UCUM = "http://unitsofmeasure.org"
URI = "urn:ietf:rfc:3986"
"""The system of an identifier whose value is a URI by itself."""
CLINICAL_STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION_STATUS = "http://terminology.hl7.org/CodeSystem/condition-ver-status"

OWN = "urn:backcast:fhir"
"""Begins every name of ours. It is no address: what a site publishes under its own host is its own affair."""
VARIABLE = f"{OWN}:variable"
"""Code system whose codes are the dictionary's names."""
OUTCOME = f"{OWN}:outcome"
MODEL = f"{OWN}:model"
CAUTION = f"{OWN}:caution"
RED_FLAG = f"{OWN}:red-flag"
PSEUDONYM = f"{OWN}:pseudonym"
CONTENT = f"{OWN}:sha256"


def choices_of(variable: Variable) -> str:
    """Code system of the choices of a variable; those of one item are the same at every level and side."""
    return f"{OWN}:choices:{variable.item}"


def questionnaire_of(form: str) -> str:
    """Canonical name of the Questionnaire of a form.

    >>> questionnaire_of("pain drawing")
    'urn:backcast:fhir:questionnaire:pain-drawing'
    """
    return f"{OWN}:questionnaire:{form_id(form)}"


def form_id(form: str) -> str:
    return form.replace(" ", "-")


def extension(name: str) -> str:
    return f"{OWN}:extension:{name}"
