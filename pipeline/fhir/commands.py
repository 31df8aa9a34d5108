"""What `backcast fhir` does: forms and cases as files of FHIR, files of FHIR as cases, a past answer as resources."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from features.dictionary import Known, load_dictionary
from features.errors import CaseNotFoundError, ColumnsError, FileFormatError, ValuesError
from features.record import required_columns
from pipeline.fhir.findings import Finding
from pipeline.fhir.operation_outcome import operation_outcome
from pipeline.fhir.questionnaires import questionnaires
from pipeline.fhir.reading import MappedCase, case_of
from pipeline.fhir.responses import responses
from pipeline.fhir.risk_assessment import named, provenance, pseudonymous, risk_assessment
from pipeline.files import refuse_out, write_text
from pipeline.intake import Reading, fit_cases
from pipeline.prediction_record.commands import store_of
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Receipt
from pipeline.service.answering import with_receipt

Json = dict[str, Any]
FINDINGS_TOLD = 50
ENDINGS = (".json",)


def write_questionnaires(out: Path) -> str:
    """Every form as a Questionnaire in a file of its own."""
    forms = questionnaires()
    for form in forms:
        _write(form, out / f"Questionnaire-{form['id']}.json")
    return f"{out}: {len(forms)} Questionnaires of FHIR R4."


def write_cases(cases: Path, out: Path, moment: Known, **reading: Unpack[Reading]) -> str:
    """Each case of a file as a Bundle of QuestionnaireResponses, named by its place in the file.

    Raises
    ------
    BackcastError
        With every problem of the file.
    """
    table = fit_cases(cases, moment, **reading).reset_index()
    for place, case in enumerate(table.to_dict("records"), start=1):
        record = {name: _plain(value) for name, value in case.items() if not pd.isna(value)}
        _write(case_bundle(record), out / f"case-{place:06d}.json")
    return f"{out}: {len(table)} cases, each a Bundle of answers to the Questionnaires."


def case_bundle(record: Mapping[str, Any]) -> Json:
    """A case as a Bundle that `case_of` reads back without a loss."""
    subject = named(record.get("patient_id"))
    entries = [{"resource": one} for one in responses(record, subject=subject)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def read_cases(sources: Sequence[Path], out: Path, moment: Known, *, centre: str | None, left_out: Path | None) -> str:
    """Files of FHIR, a case each, as a table that the other commands take; what was not used is listed.

    Raises
    ------
    FileFormatError
        If a file is absent or no JSON.
    ValuesError
        With every problem of every file.
    """
    files = [file for source in sources for file in _files(source)]
    for file in files:
        refuse_out(out, file, endings=(".csv",))
    read = {file: case_of(_json(file), known=moment) for file in files}
    _refuse_wrong(read)
    rows = [
        {"case_id": file.stem, **({"centre_id": centre} if centre else {}), **case.record}
        for file, case in read.items()
    ]
    present = {name for row in rows for name in row} | set(required_columns(moment))
    columns = [variable.name for variable in load_dictionary().variables if variable.name in present]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    write_text(text.getvalue(), out)
    unused = [_in_file(file, finding) for file, case in read.items() for finding in case.unmapped]
    if left_out and unused:
        _write(operation_outcome(unused, most=None), left_out)
    where = f": see {left_out}" if left_out and unused else ""
    return f"{out}: {len(rows)} cases, {len(columns)} variables; {len(unused)} elements were not used{where}."


def past_answer(named_store: Path | None, prediction_id: str) -> str:
    """A past answer as a Bundle of RiskAssessment and Provenance.

    Raises
    ------
    CaseNotFoundError
        If the record has no such answer to the question before an operation, or erased it.
    """
    with open_record(store_of(named_store)) as reader:
        kept = reader.entries_of(prediction_id)[0]
    if kept.content is None or kept.is_workup:
        raise CaseNotFoundError("That answer was erased, or is of a work-up, which is no RiskAssessment.")
    entry = kept.entry
    answer = with_receipt(kept.answer, Receipt(entry.prediction_id, entry.sequence, entry.made_at, entry.sha256))
    subject = pseudonymous(kept.content["patient"])
    resources = [risk_assessment(answer, kept.content["inputs"], subject), provenance(answer)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    return _text(bundle)


# ---- files -----------------------------------------------------------------------------------------


def _files(source: Path) -> Iterator[Path]:
    """The file itself, or those of a folder by name."""
    if not source.is_dir():
        yield source
        return
    found = sorted(path for path in source.iterdir() if path.suffix in ENDINGS)
    if not found:
        raise FileFormatError(f"{source} holds no file that ends in {', '.join(ENDINGS)}.")
    yield from found


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        state = "does not exist" if isinstance(error, FileNotFoundError) else "is no JSON in UTF-8"
        raise FileFormatError(f"{file} {state}. Name files of FHIR R4, each of one case.") from None


def _refuse_wrong(read: Mapping[Path, MappedCase]) -> None:
    wrong = [f"{file}: {finding.detail}" for file, case in read.items() for finding in case.problems]
    if wrong:
        more = f"\n{len(wrong) - FINDINGS_TOLD} more are not listed." if len(wrong) > FINDINGS_TOLD else ""
        raise ValuesError("\n".join(wrong[:FINDINGS_TOLD]) + more)
    empty = [str(file) for file, case in read.items() if not case.record]
    if empty:
        raise ColumnsError(f"{', '.join(empty[:FINDINGS_TOLD])}: nothing there says anything of a case.")


def _in_file(file: Path, finding: Finding) -> Finding:
    return dataclasses.replace(finding, detail=f"{file.name}: {finding.detail}")


def _plain(value: Any) -> Any:
    return value.date().isoformat() if isinstance(value, pd.Timestamp) else value


def _cell(value: Any) -> str:
    """A value as the shortest text that is read as the same."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _write(resource: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(_text(resource) + "\n", path)


def _text(resource: Mapping[str, Any]) -> str:
    return json.dumps(resource, ensure_ascii=False, allow_nan=False, indent=1)
