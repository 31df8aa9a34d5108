"""The MLflow store for a notebook: what is there is read, and what is tried goes to a copy that vanishes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Markdown

from models.cause_model import CauseModel
from models.screening import Screener
from models.splitting import TEST_SETS
from models.workup import CauseFinder
from pipeline import paths, tracking
from pipeline.notebooks.case import known_before
from pipeline.notebooks.errors import SkippedError
from pipeline.prediction_record.followup import attach_follow_up
from pipeline.prediction_record.reading import open_record
from pipeline.prediction_record.store import Record
from pipeline.prediction_record.told import told
from pipeline.reporting.study import StudyArtefacts
from pipeline.scoring import loaded_models
from pipeline.working_up import as_records, loaded_finder

STORE = "MLFLOW_TRACKING_URI"
_before: dict[str, str | None] = {}
_kept: list[tempfile.TemporaryDirectory[str]] = []


def copied_store() -> Path:
    """A folder with a copy of the store, which this process speaks to from now on; it goes when the process ends.

    Registered models are in it, since their files stay where they are. Calling it again gives a fresh copy.

    Raises
    ------
    SkippedError
        If the store is on a server: a notebook writes nothing there.
    """
    if STORE in os.environ and STORE not in _before:
        _before[STORE] = os.environ[STORE]
    own = _before.setdefault(STORE, None)
    os.environ.pop(STORE, None)
    if own:
        os.environ[STORE] = own
    uri = paths.store_uri()
    if not uri.startswith(paths.SQLITE):
        raise SkippedError(
            "The MLflow store is on a server, and a notebook writes nothing there: this part of the story is left out. "
            "It is told where MLFLOW_TRACKING_URI names a file."
        )
    _kept.append(tempfile.TemporaryDirectory(prefix="backcast-notebook-"))
    folder = Path(_kept[-1].name)
    shutil.copy2(uri.removeprefix(paths.SQLITE), folder / "mlflow.db")
    os.environ[STORE] = f"{paths.SQLITE}{folder / 'mlflow.db'}"
    return folder


def champions() -> Screener:
    """Every outcome's champion, as `backcast serve` loads them: one answer for each record."""
    with loaded_models([]) as models:
        return Screener([model.predictor for model in models], [model.uri for model in models])


def cause_champion() -> CauseFinder:
    """What is known of causes, as it is registered."""
    with loaded_finder(None) as finder:
        model: CauseModel = finder.model
        return CauseFinder(model, finder.uri)


def training_runs() -> pd.DataFrame:
    """The runs of `dvc repro` in MLflow, the last first: outcome, learner, AUROC in the later year, commit."""
    import mlflow  # after pipeline.tracking, which quietens its loggers

    with tracking.store():
        runs = mlflow.search_runs(experiment_names=[tracking.TRAINING])
    wanted = {
        "start_time": "started", "tags.outcome": "outcome", "params.learner": "learner",
        "metrics.temporal/auroc": "estimate", "metrics.temporal/auroc_lower": "lower",
        "metrics.temporal/auroc_upper": "upper", "tags.git_commit": "commit",
    }  # fmt: skip
    table = runs.reindex(columns=list(wanted)).rename(columns=wanted)
    table = table.assign(commit=table["commit"].str[:7], started=table["started"].dt.strftime("%Y-%m-%d %H:%M"))
    return table.dropna(subset=["outcome"]).reset_index(drop=True)


def champion_versions(outcomes: Sequence[str]) -> pd.DataFrame:
    """The champion of each question: version, learner, provenance, hash of its bundle."""
    with tracking.store() as client:
        found = {outcome: tracking.champion(client, outcome) for outcome in (*outcomes, tracking.CAUSE)}
    rows = [
        (outcome, int(its.version), *(its.tags.get(key, "")[:12] for key in ("learner", "provenance", "bundle_sha256")))
        for outcome, its in found.items()
        if its
    ]
    return pd.DataFrame(rows, columns=["question", "version", "learner", "provenance", "bundle"]).set_index("question")


def screened(screener: Screener, cases: pd.DataFrame, store: Path) -> list[str]:
    """Answer cases, record each answer as the service does, and take the record to MLflow; ids of the predictions.

    `store` is the folder of a copied store, where the record stands too.
    """
    from pipeline.prediction_record.export import export_pending

    records = as_records(cases)
    with Record.open(store / "record.db") as record:
        receipts = [
            record.append(answer, request, {"case_id": case_id})
            for answer, request, case_id in zip(screener.answers(records), records, cases.index, strict=True)
        ]
    export_pending(store / "record.db")
    return [receipt.prediction_id for receipt in receipts]


def asked_again(study: StudyArtefacts, store: Path, most: int) -> pd.DataFrame:
    """Virtual test cases whose outcome is known, screened into the copied store; of people, no case.

    Raises
    ------
    SkippedError
        Of a study of people in whose store there is no trace.
    """
    if study.provenance != "virtual":
        if traces(study.primary).empty:
            raise SkippedError(
                "No clinic has taken a prediction to this MLflow store, and the cases of this study are people, whom a "
                "notebook does not screen: the rest of the story is left out. `backcast serve` makes traces."
            )
        return study.cases.iloc[:0]
    is_known = study.sets.isin(TEST_SETS) & study.labels[study.primary].notna()
    cases = known_before(study.cases[is_known].sort_index().iloc[:most])
    screened(champions(), cases, store)
    return cases


def what_became(study: StudyArtefacts, cases: pd.DataFrame, store: Path) -> Markdown:
    """Attach the follow-up of recorded cases to their predictions, take it to MLflow, and say what that led to."""
    from pipeline.files import read_cases
    from pipeline.prediction_record.export import export_pending

    if cases.empty:
        return Markdown("Nothing was screened here; `backcast outcomes` attaches what became of a clinic's own cases.")
    follow_up = read_cases(paths.INGESTED_CASES).loc[cases.index]
    with Record.open(store / "record.db") as record:
        attached = attach_follow_up(record, follow_up, study.params.cohort.outcomes, "notebook")
    export_pending(store / "record.db")
    return Markdown(str(attached))


def recorded_story(store: Path, prediction_id: str) -> Markdown:
    """A past answer again, from the record alone, without the model."""
    with open_record(store / "record.db") as reader:
        entries, verdict = reader.entries_of(prediction_id), reader.verdict()
    lines = told(entries, "The chain verifies." if verdict.holds else "The chain does NOT verify.")
    return Markdown("\n\n".join(line.replace("\n", "  \n") for line in lines))


def traces(outcome: str) -> pd.DataFrame:
    """What MLflow holds of an outcome's predictions: a row a trace.

    Returns
    -------
    DataFrame
        `trace`, `risk`, `lower`, `upper`, `model`, `completeness`, `happened` (1, 0, or NaN: not known yet), and
        `contribution_<predictor>` in calibrated log-odds. A red flag has no risk, and no row.
    """
    import mlflow

    from pipeline.prediction_record.traces import SCREENING

    with tracking.store() as client:
        experiment = client.get_experiment_by_name(SCREENING)
        if experiment is None:
            return pd.DataFrame()
        found = mlflow.search_traces(locations=[experiment.experiment_id], max_results=500, return_type="list")
    return pd.DataFrame([row for trace in found if (row := _row(trace, outcome))])


def _row(trace: Any, outcome: str) -> dict[str, Any] | None:
    span = next((span for span in trace.data.spans if span.name == outcome), None)
    if span is None:
        return None
    said: Mapping[str, Any] = span.outputs
    became = [one for one in trace.info.assessments if one.name == outcome and one.valid is not False]
    return {
        "trace": trace.info.trace_id,
        "risk": said["risk"],
        "lower": said["risk_lower"],
        "upper": said["risk_upper"],
        "model": said["model"]["uri"],
        "completeness": trace.info.tags.get("completeness", ""),
        "happened": float(became[-1].value) if became else float("nan"),
        **{f"contribution_{name}": value for name, value in said["contributions"].items()},
    }
