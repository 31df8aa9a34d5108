"""Cases of a file under the registered models: a scored batch, or one case explained."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import pandas as pd
from tqdm import tqdm

from features.builders import THREADS, BuilderParams, Sources, build_features, sources_of_pain
from features.errors import BundleError, TrackingError
from features.findings import Findings
from features.outcomes import outcome_names
from features.red_flags import red_flag_names
from features.words import percent
from models.bundle import code_sha256, read_head
from models.case_picture import case_figure
from models.cause_model import HEAD_KEYS as CAUSE_KEYS
from models.cause_model import JUDGING_MODULES, is_cause_model
from models.input_keys import keys_by_model
from models.predictor import Explained, RiskPredictor
from models.source_story import clinical_paragraph
from models.story import NOT_A_VERDICT, caution_lines, red_flag_line, risk_lines
from pipeline.batch_file import BatchFile, Said
from pipeline.files import refuse_out, write_text, written_whole
from pipeline.intake import SLICE, Reading, fit_cases, named_case, planned_cases

if TYPE_CHECKING:
    from pipeline import tracking  # where it is used it is imported: MLflow takes seconds, and scoring alone needs none

NO_CHAMPION = "No model is registered as champion. Make them with `make repro`, or name --model."


@dataclass(frozen=True)
class LoadedModel:
    """A predictor, the name under which it was loaded, and its bundle's folder where that is still needed."""

    uri: str
    predictor: RiskPredictor
    folder: Path | None = None


@contextmanager
def loaded_models(names: Sequence[str]) -> Iterator[list[LoadedModel]]:
    """The named models, or the champion of every outcome.

    Raises
    ------
    TrackingError
        If there is no champion at all.
    BundleError
        If a model is damaged or was made with other code.
    """
    from pipeline import tracking

    with tempfile.TemporaryDirectory() as scratch:
        with tracking.store() as client:  # and no longer: a full disk later is no fault of the store
            uris = uris_or_champions(client, names)
            if not uris:
                raise TrackingError(NO_CHAMPION)
            models = [_loaded(client, uri, Path(scratch) / str(number)) for number, uri in enumerate(uris)]
        outcomes = [model.predictor.bundle.outcome for model in models]
        if len(set(outcomes)) < len(outcomes):
            raise BundleError(
                f"--model names more than one model of {max(outcomes, key=outcomes.count)}. Name one each."
            )
        yield models


def uris_or_champions(client: tracking.Client, names: Sequence[str]) -> list[str]:
    """The named models, or the version that is champion of each outcome; empty where there is none."""
    from pipeline import tracking

    return list(names) or [uri for outcome in outcome_names() if (uri := tracking.champion_uri(client, outcome))]


def _loaded(client: tracking.Client, uri: str, scratch: Path) -> LoadedModel:
    folder = bundle_folder(client, uri, scratch)
    return LoadedModel(uri, RiskPredictor.load(folder), folder)


def bundle_folder(client: tracking.Client, uri: str, scratch: Path) -> Path:
    """The bundle of a named model, fetched where it is registered.

    Raises
    ------
    BundleError
        If it is no folder, or was made with other code; says which version this code made.
    """
    from pipeline import tracking

    if not uri.startswith(("models:/", "runs:/")):
        if not Path(uri).is_dir():
            raise BundleError(f"{uri} is neither a bundle folder nor a registered model (models:/name@alias).")
        return Path(uri)
    folder = tracking.bundle_of(uri, scratch)
    asked, made_with, loaded = _whose_code(folder)
    if made_with != loaded:
        own = tracking.versions_of_this_code(client, asked, loaded)
        way_out = (
            f"Name --model {own[0]}, which this code made." if own else "Run `dvc repro`, or check out its commit."
        )
        raise BundleError(
            f"{uri} was made with code {made_with}, but the code that is loaded here is {loaded}. {way_out}"
        )
    return folder


def _whose_code(folder: Path) -> tuple[str, str, str]:
    """What a bundle answers, the hash of the code that made it, and that of the code which is loaded here."""
    from pipeline import tracking

    if is_cause_model(folder):
        return tracking.CAUSE, read_head(folder, CAUSE_KEYS)["code_sha256"], code_sha256(JUDGING_MODULES)
    head = read_head(folder)
    return head["outcome"], head["code_sha256"], code_sha256()


def explained_in_slices(model: LoadedModel, cases: pd.DataFrame, features: pd.DataFrame) -> Explained:
    """All cases explained by one model, under a progress bar when they are many."""
    starts = range(0, max(len(cases), 1), SLICE)
    label = f"{model.predictor.bundle.outcome} ({model.predictor.bundle.learner})"
    parts = [
        model.predictor.explain(cases.iloc[start : start + SLICE], features.iloc[start : start + SLICE])
        for start in tqdm(starts, desc=label, unit_scale=SLICE, unit="case", disable=None if len(starts) > 1 else True)
    ]
    return Explained(
        risks=pd.concat([part.risks for part in parts]),
        contributions=pd.concat([part.contributions for part in parts]),
        features=features,
    )


def batch_table(keys: list[str], explained: Explained, outcome: str) -> pd.DataFrame:
    """The rows of one outcome in the table of a batch: risk, contributions and features of each case."""
    index = explained.risks.index
    keyed = pd.Series(keys, index=index, dtype=object)
    front = pd.DataFrame({"case_id": index, "outcome": outcome, "prediction_key": keyed}, index=index)
    contributions = explained.contributions.add_prefix("contribution_")
    return pd.concat([front, explained.risks, contributions, explained.features], axis=1).reset_index(drop=True)


def score_file(path: Path, out: Path, names: Sequence[str], **reading: Unpack[Reading]) -> str:
    """Score every case of a file under every model, write the table, log it, and say what was done.

    Cases are read, checked, scored and written in slices, so that memory does not grow with them, where they are in
    a Parquet file or a folder of such files; anything else is read at once. A fault in any slice refuses all of it,
    and nothing is written.
    """
    from pipeline import tracking

    refuse_out(out, path, (".parquet",))
    cases = planned_cases(path, SLICE, **reading)
    with written_whole(out) as beside:
        with loaded_models(names) as models, BatchFile(beside) as batch:
            for some in tqdm(cases.slices, total=-(-cases.n // SLICE), desc="score", unit_scale=SLICE, unit="case",
                             disable=None if cases.n > SLICE else True):  # fmt: skip
                batch.write(by_outcome(some, models))
        said = batch.said()
        with tracking.store():
            run_id = tracking.log_batch(
                beside,
                models={model.predictor.bundle.outcome: model.uri for model in models},
                input_sha256=cases.sha256,
                n_cases=batch.n_cases,
                provenance=provenance_of(models),
                mean_risks={outcome: each.mean_risk for outcome, each in said.items()},
            )
    return "\n".join(summary_lines(batch.n_cases, said, models, str(out), run_id))


def by_outcome(cases: pd.DataFrame, models: Sequence[LoadedModel], threads: int = THREADS) -> list[pd.DataFrame]:
    """The table of the cases under each model; features are built once for models that build them alike.

    They are built on so many `threads`; no number depends on it.
    """
    tables = []
    features: dict[str, pd.DataFrame] = {}
    keys = keys_by_model(cases, [model.predictor.sha256 for model in models])
    for model, own_keys in zip(models, keys, strict=True):
        params = model.predictor.builder_params
        known = str(params)
        if known not in features:
            features[known] = build_features(cases, params, threads)
        explained = explained_in_slices(model, cases, features[known])
        tables.append(batch_table(own_keys, explained, model.predictor.bundle.outcome))
    return _alike(tables)


def _alike(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """The same tables in the same columns; a contribution that a model does not have is missing."""
    if len(tables) == 1:
        return tables
    contributions = [c for table in tables for c in table.columns if c.startswith("contribution_")]
    front = list(tables[0].columns[: list(tables[0].columns).index("provenance") + 1])
    features = [c for c in tables[0].columns if c not in front and not c.startswith("contribution_")]
    columns = [*front, *dict.fromkeys(contributions), *features]
    return [table.reindex(columns=columns) for table in tables]


def provenance_of(models: Sequence[LoadedModel]) -> str:
    """Of a batch: `virtual` as soon as one model is."""
    return "virtual" if "virtual" in {model.predictor.bundle.provenance for model in models} else "registry"


def summary_lines(
    n_cases: int, said: Mapping[str, Said], models: Sequence[LoadedModel], out: str, run_id: str
) -> list[str]:
    """What was done, in words."""
    lines = [f"{n_cases} cases under {len(models)} models, in {out}; logged in MLflow as run {run_id}."]
    for model in models:
        bundle = model.predictor.bundle
        mean_risk, flagged, _ = said[bundle.outcome]
        note = f"; no risk for {flagged} with a red flag" if flagged else ""
        lines.append(f"  {bundle.outcome:18} mean risk {mean_risk:.2f} by {bundle.learner}, {model.uri}{note}")
    return lines + [f"Caution: {caution}" for caution in dict.fromkeys(c for m in models for c in m.predictor.cautions)]


def explain_case(path: Path, case_id: str, out: Path, names: Sequence[str], **reading: Unpack[Reading]) -> list[str]:
    """One case in paragraphs: its risk under each model with a waterfall picture, its sources, its cautions.

    Raises
    ------
    CaseNotFoundError
        If the file has no such case.
    """
    one = named_case(path, fit_cases(path, "preoperative", **reading), case_id)
    flags = red_flag_names(one).iloc[0]
    if flags:  # before any model is loaded: what is urgent must not wait for one
        return [red_flag_line(flags)]
    paragraphs, cautions = [], []
    with loaded_models(names) as models:
        for model in models:
            predictor = model.predictor
            explained = predictor.explain(one, build_features(one, predictor.builder_params))
            paragraphs.append(
                "\n".join([*risk_lines(predictor, explained, case_id), _drawn(model, explained, one, out)])
            )
            cautions += caution_lines(predictor, explained.risks.loc[case_id])
        told = _told_sources(one, models[0].predictor.builder_params, out)
    return [*paragraphs, *told, "\n".join([*dict.fromkeys(cautions), NOT_A_VERDICT])]


def _told_sources(one: pd.DataFrame, params: BuilderParams | None, out: Path) -> list[str]:
    """The sources of a case's pain in a paragraph, with their picture; nothing where no builder applies."""
    if params is None:
        return []
    sources = sources_of_pain(Findings(one), params)
    return [f"{clinical_paragraph(sources)}\n  picture: {_sources_drawn(sources, str(one.index[0]), out)}"]


def file_name(case_id: str) -> str:
    """A name for a file from a case_id, which may hold anything: no folder, no length beyond sense."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", case_id)[:60]
    return plain if plain and plain == case_id else f"{plain}_{hashlib.sha256(case_id.encode()).hexdigest()[:8]}"


def _drawn(model: LoadedModel, explained: Explained, one: pd.DataFrame, out: Path) -> str:
    from models.drawing import case_waterfall, save  # shap and matplotlib, which a batch does not need

    case_id, predictor = str(one.index[0]), model.predictor
    if not predictor.bundle.predictors:
        return "  picture: none, since this model uses no predictor"
    picture = out / f"{file_name(case_id)}_{predictor.bundle.outcome}.png"
    save(case_waterfall(predictor, explained, one, case_id, _title(predictor, explained, case_id)), picture)
    return f"  picture: {picture}"


def _sources_drawn(sources: Sources, case_id: str, out: Path) -> Path:
    """The picture of the sources of the pain, as an SVG file beside the others."""
    picture = out / f"{file_name(case_id)}_sources.svg"
    write_text(case_figure(sources, 0, f"{case_id}: pain expected and reported"), picture)
    return picture


def _title(predictor: RiskPredictor, explained: Explained, case_id: str) -> str:
    title = f"{case_id}, {predictor.bundle.outcome}: risk {percent(explained.risks.loc[case_id, 'risk'])}"
    return title + ("  (virtual registry: not for patients)" if predictor.cautions else "")
