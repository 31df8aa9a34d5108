"""A case read from FHIR resources: what they say of it, what was not used, and what must be mended first."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.dictionary import Known, load_dictionary
from pipeline.fhir.coded import DECOMPRESSIONS, READERS
from pipeline.fhir.facts import Fact, Read
from pipeline.fhir.findings import Finding, refused, unused
from pipeline.fhir.located import Located, located
from pipeline.fhir.responses import response_facts
from pipeline.fhir.tables import MEASURES
from pipeline.service.request_model import checked

ALL_READERS: Mapping[str, Callable[[Located, dt.date], Iterator[Read]]] = {
    **READERS,
    "QuestionnaireResponse": response_facts,
}
COMPARTMENT = ("subject", "patient")
"""Elements that say of whom a resource is."""
PATIENT_ID = re.compile(r"(^|/)Patient/[A-Za-z0-9.-]{1,64}$")
ERRORS = ("error", "fatal")
LATER = "it is of something that is known only after the operation"


@dataclass(frozen=True, kw_only=True)
class MappedCase:
    """A case as its resources tell it.

    `record` is fit for a question only where there are no `problems`; it may be empty. `sources` says for each
    of its variables where it was read, as FHIRPath. `unmapped` lists everything that was sent and not used.
    """

    record: Mapping[str, Any]
    sources: Mapping[str, str]
    unmapped: Sequence[Finding]
    problems: Sequence[Finding]


def case_of(content: Any, *, at: str = "", known: Known = "preoperative", today: dt.date | None = None) -> MappedCase:
    """The case that resources tell of.

    Answers to our Questionnaires, and Observations coded with a name of the dictionary, come before what the
    codes of others say; among equals the latest counts. Two that are equally late and differ are refused.

    Parameters
    ----------
    content : JSON value
        A resource, a Bundle, a list of them, or an object that names them as a prefetch does.
    at : str
        FHIRPath to it, where it is a part of something larger.
    known : Known
        What may be known when the question is asked. An answer of later is a problem; a code that tells of
        later is not used.
    today : date
        For the age, and for the time since the last operation.
    """
    day = today or dt.date.today()
    resources, problems = located(content, at)
    several = _of_several_patients(resources)
    if several:
        return MappedCase(record={}, sources={}, unmapped=[], problems=[*problems, *several])
    facts = list(_referred_to(resources))
    unmapped: list[Finding] = []
    wanted = {variable.name for variable in load_dictionary().known_by(known)} | set(MEASURES)
    for one in resources:
        for read in _read(one, day):
            if isinstance(read, Fact) and not read.is_answer and read.variable not in wanted:
                unmapped.append(unused(read.at, "later", LATER, "not-supported", read.variable))
            elif isinstance(read, Fact):
                facts.append(read)
            else:
                (problems if read.severity == "error" else unmapped).append(read)
    chosen, passed_over = _chosen(facts, resources)
    unmapped += [finding for finding in passed_over if finding.severity == "warning"]
    problems += [finding for finding in passed_over if finding.severity == "error"]
    chosen = _with_body_mass_index(chosen)
    record, sources = (
        {name: fact.value for name, fact in chosen.items()},
        {name: fact.at for name, fact in chosen.items()},
    )
    if not record:
        return MappedCase(record={}, sources={}, unmapped=unmapped, problems=problems)
    found = checked(record, known=known)
    problems += [
        refused(sources.get(mistake.name or "", at), mistake.rule, f"is wrong: {mistake.detail}", variable=mistake.name)
        for mistake in found.mistakes
        if mistake.rule != "nothing_recorded"
    ]
    kept = found.record or record
    return MappedCase(record=kept, sources=sources, unmapped=unmapped, problems=problems)


def _read(one: Located, today: dt.date) -> Iterator[Read]:
    reader = ALL_READERS.get(one.kind)
    if one.kind == "OperationOutcome":
        severe = any(issue.get("severity") in ERRORS for issue in one.resource["issue"])
        if severe:
            yield refused(one.at, "operation_outcome", "says that something failed.", kind="processing")
        else:
            yield unused(one.at, "operation_outcome", "it holds no finding of a patient", kind="informational")
    elif reader is None:
        yield unused(one.at, "resource", "this kind of resource is not read")
    elif "modifierExtension" in one.resource or "implicitRules" in one.resource:
        yield unused(one.at, "modifier", "it carries a modifier whose meaning is not known here", kind="extension")
    else:
        yield from reader(one, today)


# ---- of whom ---------------------------------------------------------------------------------------


def _of_several_patients(resources: Iterable[Located]) -> list[Finding]:
    """A finding where the resources are of more than one patient."""
    resources = list(resources)
    patients = [one for one in resources if one.kind == "Patient"]
    names = {one.resource.get("id"): _names(one) for one in patients}
    if len(patients) > 1 and (len(names) > 1 or None in names):
        return [
            refused(one.at, "patients", "is another patient; send one at a time.", kind="multiple-matches")
            for one in patients[1:]
        ]
    of_others = [
        refused(f"{one.at}.{element}", "patients", "names another patient.", kind="conflict")
        for one, element, reference in _references(resources)
        if patients and not _is_of(reference, set().union(*names.values()))
    ]
    if patients or len({_last_step(reference) for _, _, reference in _references(resources)}) < 2:
        return of_others
    return [
        refused(one.at, "patients", "is of another patient than the others.", kind="conflict")
        for one, _, _ in list(_references(resources))[1:]
    ]


def _referred_to(resources: Sequence[Located]) -> Iterator[Fact]:
    """The id of the patient whom the resources are of, where they say so without holding the Patient."""
    said = [(one, reference) for one, _, reference in _references(resources) if PATIENT_ID.search(reference)]
    if said and not any(one.kind == "Patient" for one in resources):
        one, reference = said[0]
        yield Fact(variable="patient_id", value=_last_step(reference), at=one.at)


def _names(patient: Located) -> set[str]:
    own = {f"Patient/{patient.resource['id']}"} if "id" in patient.resource else set()
    return own | ({patient.full_url} if patient.full_url else set())


def _references(resources: Iterable[Located]) -> Iterator[tuple[Located, str, str]]:
    for one in resources:
        for element in COMPARTMENT if one.kind in ALL_READERS else ():
            reference = (one.resource.get(element) or {}).get("reference")
            if reference and not reference.startswith("#"):
                yield one, element, reference.partition("/_history/")[0]


def _is_of(reference: str, names: set[str]) -> bool:
    return reference in names or any(name.endswith(f"/{reference}") or reference.endswith(f"/{name}") for name in names)


def _last_step(reference: str) -> str:
    return reference.rpartition("/")[2]


# ---- one value a variable --------------------------------------------------------------------------


def _chosen(facts: Sequence[Fact], resources: Sequence[Located]) -> tuple[dict[str, Fact], list[Finding]]:
    """The fact that counts of each variable, and what is said of those that do not."""
    by_variable: dict[str, list[Fact]] = {}
    for fact in facts:
        by_variable.setdefault(fact.variable, []).append(fact)
    chosen: dict[str, Fact] = {}
    findings: list[Finding] = []
    for variable, said in by_variable.items():
        answers = [fact for fact in said if fact.is_answer]
        rule = RULES.get(variable, _latest)
        counts, found = (_latest if answers else rule)(answers or said, resources)
        if counts is not None:
            chosen[variable] = counts
        findings += found
        if answers:
            value = answers[0].value if counts is None else counts.value
            findings += [_passed_over(other) for other in said if not other.is_answer and other.value != value]
    return chosen, findings


Chosen = tuple[Fact | None, list[Finding]]
LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


def _passed_over(fact: Fact) -> Finding:
    return unused(
        fact.at, "passed_over", "something later, or an answer of its own, counts", "informational", fact.variable
    )


def _latest(facts: Sequence[Fact], resources: Sequence[Located]) -> Chosen:
    last = max(fact.when or LONG_AGO for fact in facts)
    latest = [fact for fact in facts if (fact.when or LONG_AGO) == last]
    if len({fact.value for fact in latest}) > 1:
        where = ", ".join(fact.at for fact in latest)
        why = f"and the others differ in {facts[0].variable}, and none is later: {where}."
        return None, [refused(latest[0].at, "conflict", why, kind="conflict", variable=facts[0].variable)]
    return latest[0], [_passed_over(fact) for fact in facts if fact is not latest[0] and fact.value != latest[0].value]


def _most(facts: Sequence[Fact], resources: Sequence[Located]) -> Chosen:
    return max(facts, key=lambda fact: float(fact.value)), []


def _how_many(facts: Sequence[Fact], resources: Sequence[Located]) -> Chosen:
    """Operations by day, so that the codes of one operation count once; one without a day counts by itself."""
    days = {fact.when.date() if fact.when else fact.at for fact in facts}
    return Fact(variable=facts[0].variable, value=float(len(days)), at=facts[0].at), []


def _diagnosis(facts: Sequence[Fact], resources: Sequence[Located]) -> Chosen:
    """The one diagnosis, or the one that the planned operation names as its reason."""
    reasons = [
        reference.get("reference", "")
        for one in resources
        if one.kind == "ServiceRequest"
        for reference in one.resource.get("reasonReference", [])
    ]
    named = [
        fact
        for fact in facts
        for one in resources
        if one.at == fact.at and any(_is_of(reference, _names_of(one)) for reference in reasons)
    ]
    for candidates in (facts, named):
        if len({fact.value for fact in candidates}) == 1:
            return candidates[0], [_passed_over(fact) for fact in facts if fact.value != candidates[0].value]
    why = "there are several, and the planned operation names none as its reason"
    return None, [unused(fact.at, "diagnoses", why, "multiple-matches", "diagnosis") for fact in facts]


def _names_of(one: Located) -> set[str]:
    own = {f"{one.kind}/{one.resource['id']}"} if "id" in one.resource else set()
    return own | ({one.full_url} if one.full_url else set())


def _procedure(facts: Sequence[Fact], resources: Sequence[Located]) -> Chosen:
    """One procedure; a decompression ordered with a fusion is both."""
    values = {fact.value for fact in facts}
    if len(values) == 1:
        return facts[0], []
    if values <= {*DECOMPRESSIONS, "fusion"} and "fusion" in values and len(values) == 2:
        both = Fact(variable=facts[0].variable, value="decompression_and_fusion", at=facts[0].at)
        return both, []
    why = "several operations are planned, which are no case together"
    return None, [unused(fact.at, "procedures", why, "multiple-matches", fact.variable) for fact in facts]


def _first(facts: Sequence[Fact], resources: Sequence[Located]) -> Chosen:
    return facts[0], []


RULES: Mapping[str, Callable[[Sequence[Fact], Sequence[Located]], Chosen]] = {
    "case_id": _first,
    "diagnosis": _diagnosis,
    "earlier_lumbar_operations": _how_many,
    "opioid_use": _most,
    "planned_procedure": _procedure,
}


def _with_body_mass_index(chosen: Mapping[str, Fact]) -> dict[str, Fact]:
    """The facts about variables of the dictionary; height and weight give the body mass index where none is given."""
    kept = dict(chosen)
    height, weight = kept.pop("body_height_m", None), kept.pop("body_weight_kg", None)
    if "bmi_kg_m2" not in kept and height and weight and float(height.value) > 0:
        index = float(weight.value) / float(height.value) ** 2
        kept["bmi_kg_m2"] = Fact(variable="bmi_kg_m2", value=index, at=f"{weight.at} | {height.at}")
    return kept
