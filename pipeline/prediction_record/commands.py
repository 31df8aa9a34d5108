"""What the commands on the record do; each returns what is to be said."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from features.errors import CaseNotFoundError
from pipeline.files import write_json
from pipeline.params import Params, load_params
from pipeline.prediction_record.chain import Verdict, canonical
from pipeline.prediction_record.errors import MonitorAlarm, RecordBrokenError
from pipeline.prediction_record.reading import THE_FILE, open_record
from pipeline.prediction_record.store import Record
from pipeline.reporting.words import several

if TYPE_CHECKING:
    from pipeline.intake import Reading


def store_of(named: Path | None, params: Params | None = None) -> Path:
    """The record that a command is about: the one named, or that of `params.yaml`."""
    return named or Path((params or load_params()).record.store)


def verify(named: Path | None, anchors: Sequence[str]) -> str:
    """Check a whole chain.

    Raises
    ------
    RecordBrokenError
        If it does not verify, or an anchor is not in it; says where.
    """
    path = store_of(named)
    with open_record(path) as reader:
        found = reader.verdict(anchor.strip().lower() for anchor in anchors)
        pending = reader.n_pending()
    if not found.holds:
        raise RecordBrokenError(f"{path}: the chain does not verify.\n" + "\n".join(_problem_lines(found)))
    anchored = f" Anchored heads in it: {len(anchors)}." if anchors else ""
    return (
        f"{path}: the chain verifies: {_entries(found.entries)}, {several(found.predictions, 'prediction')}, "
        f"{several(found.red_flags, 'red flag')}, the content of {_entries(found.erased)} erased, "
        f"{_entries(pending)} not yet in MLflow.{anchored}\n"
        f"head {found.head}\n"
        f"Write the head down elsewhere: `backcast verify --head` then also shows whether entries were cut off."
    )


def _entries(number: int) -> str:
    return several(number, "entry", "entries")


def _problem_lines(found: Verdict) -> list[str]:
    lines = [f"  - {_place(problem.sequence)}{problem.what}" for problem in found.problems]
    if found.n_problems > len(found.problems):
        lines.append(f"  - and {found.n_problems - len(found.problems)} more")
    lines += [
        f"  - the anchored head {anchor[:12]}... is not in the chain: entries after it, or all, are not those of then"
        for anchor in found.anchors_missing
    ]
    return [*lines, "Restore the record from its backup, and find out who could write to it."]


def _place(sequence: int) -> str:
    return "" if sequence == THE_FILE else f"entry {sequence}: "


def show(named: Path | None, prediction_id: str, out: Path, as_json: bool) -> str:
    """A past answer in words and waterfall pictures, or as the JSON that was answered."""
    from pipeline.prediction_record.told import told, waterfalls

    path = store_of(named)
    with open_record(path) as reader:
        entries = reader.entries_of(prediction_id)
        holds = reader.verdict().holds
    if as_json:
        return canonical(entries[0].content)
    verified = "The chain verifies." if holds else "The chain does NOT verify: run `backcast verify`."
    paragraphs = told(entries, verified)
    content = entries[0].content
    pictures = waterfalls(content["answer"], out, prediction_id) if content else []
    return "\n\n".join([*paragraphs, *([f"pictures: {', '.join(map(str, pictures))}"] if pictures else [])])


def erase(named: Path | None, *, case: str | None, patient: str | None, prediction: str | None, reason: str) -> str:
    """Erase the content of the predictions of a case, of a patient, or of one prediction.

    Raises
    ------
    click.UsageError
        If not exactly one of the three is named.
    CaseNotFoundError
        If the record has no such prediction, or they were erased before.
    """
    if sum(one is not None for one in (case, patient, prediction)) != 1:
        raise click.UsageError("Name one of --case, --patient and --prediction.")
    path = _existing(store_of(named))
    with Record.open(path) as record:
        if prediction is not None:
            with open_record(path) as reader:
                found = [prediction] if reader.has_content(prediction) else []
        else:
            found = record.predictions_of(case_id=case, patient_id=patient)
        if not found:
            raise CaseNotFoundError(f"{path} holds no content of that. Check the id; what was erased is gone.")
        record.erase(found, reason)
    return (
        f"{path}: the content of {several(len(found), 'answer')}, with what was attached, is erased. The chain keeps "
        "that something was answered. `backcast export` takes the traces out of MLflow; see to backups."
    )


def outcomes(named: Path | None, file: Path, **reading: Unpack[Reading]) -> str:
    """Attach what a follow-up file says to the predictions of its cases."""
    from pipeline.prediction_record.followup import attach_file, read_follow_up

    params = load_params()
    path = _existing(store_of(named, params))
    follow_up = read_follow_up(file, today=dt.date.today(), **reading)
    with Record.open(path) as record:
        attached = attach_file(record, file, follow_up, params.cohort.outcomes)
    return f"{path}: {attached}" + (" `backcast export` takes them to MLflow." if attached.attached else "")


def export(named: Path | None, *, every: float | None, with_parent: bool) -> str:
    """Export what is pending once, or go on every so many seconds until told to stop."""
    from pipeline.prediction_record import export as exporting

    params = load_params()
    path = store_of(named, params)
    if every is None:
        return f"{path}: {exporting.export_pending(path, log_inputs=params.record.log_inputs)}"
    os.nice(exporting.GIVING_WAY)
    with exporting.stopping_at_signals() as stop:
        exporting.keep_exporting(
            path,
            seconds=every,
            log_inputs=params.record.log_inputs,
            stop=stop,
            say=lambda words: click.echo(f"{path}: {words}", err=True),
            has_ended=exporting.ends_with_parent() if with_parent else lambda: False,
        )
    return f"{path}: stopped; what is pending stays in the record."


def monitor(named: Path | None, out: Path, reference: Path | None) -> str:
    """Figures and pictures of the record.

    Raises
    ------
    MonitorAlarm
        If something went beyond what `params.yaml` allows; says all that is to be said.
    """
    from pipeline.prediction_record import monitor as monitoring
    from pipeline.prediction_record.workups import workups_of

    params = load_params()
    path = store_of(named, params)
    named_reference = monitoring.read_reference(reference) if reference else None
    with open_record(path) as reader:
        answers, workups = monitoring.answers_of(reader, params.applied_builders), workups_of(reader)
    against = named_reference or monitoring.development_reference(answers, Path(params.service.models))
    found = monitoring.monitored(answers, against, params.monitor)
    written = monitoring.write_monitored(found, out, params.monitor)
    lines = [*monitoring.told(found), *([str(workups)] if workups.cases else [])]
    lines.append(f"In {out}: {', '.join(file.name for file in written)}.")
    if found.alarms:
        alarms = "\n".join(f"  - {alarm}" for alarm in found.alarms)
        raise MonitorAlarm("\n".join(lines) + f"\nALARM, by the rules of params.yaml: monitor:\n{alarms}")
    return "\n".join([*lines, "No alarm."])


def drift_reference(cases: Path, out: Path, models: Sequence[str], **reading: Unpack[Reading]) -> str:
    """The distributions of predictors and risks among the cases of a file, to hold later answers against."""
    import pandas as pd

    from features.builders import build_features
    from features.predictors import predictor_frame
    from pipeline.intake import fit_cases
    from pipeline.prediction_record.monitor import reference_of
    from pipeline.scoring import explained_in_slices, loaded_models

    table = fit_cases(cases, "preoperative", **reading)
    risks, frames = {}, []
    with loaded_models(models) as loaded:
        for model in loaded:
            predictor = model.predictor
            features = build_features(table, predictor.builder_params)
            risks[predictor.bundle.outcome] = explained_in_slices(model, table, features).risks["risk"].dropna()
            frames.append(predictor_frame(table, features, [p.name for p in predictor.bundle.predictors]))
    side_by_side = pd.concat(frames, axis="columns")
    predictors = side_by_side.loc[:, ~side_by_side.columns.duplicated()]
    write_json(reference_of(predictors, risks), out)
    counted = f"{predictors.shape[1]} predictors and {len(risks)} risks of {len(table)} cases"
    return f"{out}: the distributions of {counted}, as shares. No case is in it."


def _existing(path: Path) -> Path:
    """The path of a record that is there: a command on the past must not make a new one."""
    with open_record(path):
        return path
