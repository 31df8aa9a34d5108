"""The case that a call tells of: what was sent and fetched, read as FHIR; or why there is nothing to say of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.findings import Findings
from features.red_flags import flag_names
from pipeline.cds.request import HookRequest
from pipeline.cds.services import ANSWERS, DRAFT_ORDERS, FINDINGS, ORDERS, PATIENT
from pipeline.fhir.coded import plans_lumbar_operation
from pipeline.fhir.facts import moment
from pipeline.fhir.findings import Finding
from pipeline.fhir.reading import MappedCase, case_of
from pipeline.service.problems import Mistake, invalid
from pipeline.service.request_model import asked_of

DATED = {"QuestionnaireResponse": ("authored",), "Observation": ("effectiveDateTime", "effectiveInstant", "issued")}
DAYS_A_MONTH = 365.25 / 12
PLANNED = ("draft", "active", "on-hold")
AGE, DECEASED = "age_years", "deceased"
"""What the reader refuses and is no mistake here: a chart of a child or of the dead may be opened."""
NOT_OF_AGE, DIED, NOTHING = "not_of_age", "died", "nothing_recorded"


@dataclass(frozen=True, kw_only=True)
class CdsCase:
    """What is known of a case. `no_forecast` says why it is none that the models were made for, or is None.

    A red flag of somebody who is alive comes before that: it is no question for a model.

    `is_concerned` is False where no operation on the lumbar spine is planned and none of our own forms is
    answered: then nothing is said at all. `unused` counts what was sent and could not be used, `outdated` what
    was older than `oldest_months`.
    """

    record: Mapping[str, Any]
    is_concerned: bool
    no_forecast: str | None = None
    unused: int = 0
    outdated: int = 0

    @property
    def has_red_flag(self) -> bool:
        return self.no_forecast != DIED and bool(flag_names(Findings.of_records([self.record]))[0])


def case_in(
    request: HookRequest, known: Mapping[str, Any], *, minimum_age_years: float, oldest_months: float, today: dt.date
) -> CdsCase:
    """The case of a call.

    Parameters
    ----------
    known : mapping
        Resources by key of the prefetch, sent or fetched.
    oldest_months : float
        Answers and measurements that are older tell of another time, and are left out.

    Raises
    ------
    ProblemError
        422 with every mistake: a resource that is none, two patients, another patient than that of the
        context, a unit that is not known, a value that cannot be.
    """
    drafts = request.context.draftOrders
    asked, place = (known.get(ORDERS), ORDERS) if drafts is None else ({"type": "collection", **drafts}, DRAFT_ORDERS)
    orders, n_orders = _kept(asked, is_lumbar_operation)
    since = dt.datetime.combine(today, dt.time(), dt.UTC) - dt.timedelta(days=oldest_months * DAYS_A_MONTH)
    told = {
        key: _kept(value, lambda resource: _is_of(resource, since)) for key, value in known.items() if key != ORDERS
    }
    found = case_of(
        {**{key: kept for key, (kept, _) in told.items()}, place: orders if n_orders else None}, today=today
    )
    _refuse(found.problems, request.context.patientId, known.get(PATIENT))
    is_ours = any(source.startswith((ANSWERS, FINDINGS)) for source in found.sources.values())
    return CdsCase(
        record=found.record,
        is_concerned=n_orders > 0 or (is_ours and drafts is None),
        no_forecast=_no_forecast(found, minimum_age_years),
        unused=len(found.unmapped),
        outdated=sum(_count(known[key]) - count for key, (_, count) in told.items()),
    )


def is_lumbar_operation(resource: Any) -> bool:
    """Whether an order is for an operation on the lumbar spine, and still stands.

    Other orders may be anything; they are not looked at, so what is wrong with them does not matter.
    """
    if not isinstance(resource, Mapping) or resource.get("resourceType") != "ServiceRequest":
        return False
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, Mapping) else None
    named = [coding for coding in codings if isinstance(coding, Mapping)] if isinstance(codings, list) else []
    return resource.get("status") in PLANNED and plans_lumbar_operation(
        {"code": {"coding": named}, "doNotPerform": resource.get("doNotPerform")}
    )


def _is_of(resource: Any, since: dt.datetime) -> bool:
    """Whether a resource is so recent that it tells of today; so is everything that has no such day."""
    if not isinstance(resource, Mapping):
        return True
    names = DATED.get(str(resource.get("resourceType")), ())
    when = next((moment(resource[name]) for name in names if name in resource), None)
    return when is None or when >= since


def _kept(content: Any, is_kept: Callable[[Any], bool]) -> tuple[Any, int]:
    """What was sent with only some of its resources, each in its place, and how many they are."""
    if isinstance(content, list):
        parts = [_kept(one, is_kept) for one in content]
        return [part for part, _ in parts], sum(count for _, count in parts)
    if isinstance(content, Mapping) and content.get("entry") == []:  # no FHIR, but what some servers send for nothing
        return {name: value for name, value in content.items() if name != "entry"}, 0
    if isinstance(content, Mapping) and isinstance(content.get("entry"), list):
        kept = [_is_entry(entry) and is_kept(entry["resource"]) for entry in content["entry"]]
        entries = [
            entry if is_there or not _is_entry(entry) else {}
            for entry, is_there in zip(content["entry"], kept, strict=True)
        ]
        return {**content, "entry": entries}, sum(kept)
    return (content, 1) if content is not None and is_kept(content) else (None, 0)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "resource" in entry


def _count(content: Any) -> int:
    return _kept(content, lambda _: True)[1]


def _no_forecast(found: MappedCase, minimum_age_years: float) -> str | None:
    """Why the models were not made for this case; None where nothing speaks against it."""
    if any(finding.rule == DECEASED for finding in found.problems):
        return DIED
    is_impossible = any(finding.variable == AGE for finding in found.problems)
    if is_impossible or found.record.get(AGE, minimum_age_years) < minimum_age_years:
        return NOT_OF_AGE
    return None if found.record.keys() & asked_of("preoperative") else NOTHING


def _refuse(problems: Sequence[Finding], patient_id: str, patient: Any) -> None:
    """Refuse what must be mended; that there is no forecast for somebody is no mistake of the client."""
    mistakes = [_as_mistake(finding) for finding in problems if finding.rule != DECEASED and finding.variable != AGE]
    if not isinstance(patient, Mapping) or patient.get("id") != patient_id:
        what = "prefetch.patient is not the Patient of context.patientId, with its id."
        mistakes.insert(0, Mistake(pointer="#/prefetch/patient", name=None, rule="patients", detail=what))
    if mistakes:
        raise invalid(mistakes)


def _as_mistake(finding: Finding) -> Mistake:
    home = "context" if finding.at.startswith(DRAFT_ORDERS) else "prefetch"
    return Mistake(
        pointer=f"#/{home}/{json_pointer(finding.at)}",
        name=finding.variable,
        rule=finding.rule,
        detail=f"{home}.{finding.detail}",
    )


def json_pointer(path: str) -> str:
    """A FHIRPath to an element as steps of a JSON pointer.

    >>> json_pointer("conditions.entry[3].resource.code")
    'conditions/entry/3/resource/code'
    """
    return re.sub(r"[.\[]+", "/", path.replace("]", ""))
