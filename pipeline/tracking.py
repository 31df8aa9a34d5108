"""Everything that speaks to MLflow: runs, registered models, the alias `champion`, batches of predictions.

The store is `sqlite:///mlflow.db` unless `MLFLOW_TRACKING_URI` names another. Nothing that identifies
a person goes there, and of a case no recorded value and no picture, unless it is of the virtual registry.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.exc import SQLAlchemyError

from features.dictionary import Known, Variable, load_dictionary
from features.errors import TrackingError
from pipeline import paths
from pipeline.files import read_json, write_json
from pipeline.ledger import Witness

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
logging.getLogger("alembic").setLevel(logging.ERROR)

import mlflow  # noqa: E402  its loggers are quietened first
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.models import ModelSignature  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402
from mlflow.types import ColSpec, DataType, Schema  # noqa: E402

Client = MlflowClient
"""The client of a store, for those who get one from `store()`."""

MODEL_PREFIX = "backcast-"
TRAINING, SCORING, WORKING_UP, VALIDATING = "backcast", "backcast-scores", "backcast-workups", "backcast-validations"
CAUSE = "cause"
"""The question of the model of causes; it stands where another model has its outcome."""
CHAMPION, UPDATED = "champion", "updated"
"""Aliases: the version that is served, and the newest that was updated for a site."""
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""How a store says that a model or an alias does not exist; anything else is a fault."""
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "threadpoolctl", "xgboost")
"""What predicting needs, pinned as installed."""


PREDICTIONS = "predictions.parquet"
"""The table of a batch in its run: a file, or a folder of parts."""


def model_name(outcome: str) -> str:
    return f"{MODEL_PREFIX}{outcome}"


@contextmanager
def store() -> Iterator[MlflowClient]:
    """A client of the tracking store; what it cannot do becomes a `TrackingError` that names the store."""
    uri = paths.store_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield MlflowClient()
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        first_line = _without_password((str(error).splitlines() or [type(error).__name__])[0])
        raise TrackingError(
            f"The MLflow store {_without_password(uri)} answers: {first_line} (MLFLOW_TRACKING_URI names the store.)"
        ) from None


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def signature(predictors: list[str]) -> ModelSignature:
    """The signature of a served model, from the dictionary: numbers are doubles, all is optional.

    No boolean (MLflow turns an empty one into False) and no integer (an empty one is refused). Keys may
    be sent, and are not used.
    """
    numbers = ["risk", "risk_lower", "risk_upper", "base_log_odds", "missing_predictors"]
    contributions = [f"contribution_{name}" for name in predictors]
    outputs = [(DataType.double, numbers), (DataType.string, ["red_flags", "provenance"])]
    return _signature("preoperative", [*outputs, (DataType.double, contributions)])


def cause_signature(answered: pd.DataFrame) -> ModelSignature:
    """The same for the model of causes, which may see what is known by the follow-up; `answered` is an answer of it."""
    by_type = [
        (DataType.double if answered[name].dtype.kind == "f" else DataType.string, [name]) for name in answered.columns
    ]
    return _signature("follow_up", by_type)


def _signature(known: Known, outputs: Sequence[tuple[DataType, Sequence[str]]]) -> ModelSignature:
    inputs = [
        ColSpec(DataType.double if variable.is_numeric else DataType.string, variable.name, required=False)
        for variable in load_dictionary().known_by(known)
    ]
    named = [ColSpec(kind, name) for kind, names in outputs for name in names]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(named))


def synthetic_example(more: Sequence[str] = ()) -> pd.DataFrame:
    """One invented record: the essential predictors, and more where they are named, each in the middle of its range."""
    variables = [v for v in load_dictionary().essential if v.form != "keys"]
    variables += [load_dictionary()[name] for name in more]
    return pd.DataFrame([{variable.name: _middle(variable) for variable in variables}])


def _middle(variable: Variable) -> Any:
    if variable.type == "number":
        return (float(variable.lower or 0) + float(variable.upper or 0)) / 2
    return variable.codes[len(variable.codes) // 2]


def registered_version(client: MlflowClient, outcome: str, sha256: str) -> Any | None:
    """The version of a registered model that was made from the bundle with this hash, if there is one."""
    found = client.search_model_versions(f"name = '{model_name(outcome)}'")
    return next((v for v in found if v.tags.get("bundle_sha256") == sha256 and has_files(outcome, v)), None)


def has_files(outcome: str, version: Any) -> bool:
    """Whether a version's files are still there; a store may outlive the folder of its artefacts."""
    try:
        return bool(mlflow.artifacts.list_artifacts(f"models:/{model_name(outcome)}/{version.version}"))
    except (MlflowException, OSError):
        return False


def champion(client: MlflowClient, outcome: str) -> Any | None:
    """The version that the alias `champion` names, if there is one and its files are there."""
    try:
        version = client.get_model_version_by_alias(model_name(outcome), CHAMPION)
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        raise
    return version if has_files(outcome, version) else None


def of_champion(current: Any | None) -> dict[str, str] | None:
    """A champion as the ledger names it."""
    if current is None:
        return None
    tags = {key: current.tags.get(key, "unknown") for key in ("learner", "bundle_sha256")}
    return {"version": str(current.version), "run_id": current.run_id, **tags}


def versions_of_this_code(client: MlflowClient, outcome: str, code_sha256: str) -> list[str]:
    """Registered versions of an outcome's model that this checkout's code can load, newest first."""
    found = client.search_model_versions(f"name = '{model_name(outcome)}'")
    own = [int(v.version) for v in found if v.tags.get("code_sha256") == code_sha256]
    return [f"models:/{model_name(outcome)}/{version}" for version in sorted(own, reverse=True)]


def champion_uri(client: MlflowClient, outcome: str) -> str | None:
    """The champion as a name that stays its own, whichever version is champion next; None where there is none."""
    version = champion(client, outcome)
    return f"models:/{model_name(outcome)}/{version.version}" if version else None


LEDGER_LINE, LEDGER_DIGEST = "ledger_line", "ledger_digest"
"""Tags of a version that say by which line of the ledger it was decided."""


def ledger_witnesses(client: MlflowClient) -> list[Witness]:
    """Every registered version that was decided, of any outcome, with what it says of the ledger."""
    found = client.search_model_versions(f"name LIKE '{MODEL_PREFIX}%'")
    decided = [version for version in found if LEDGER_DIGEST in version.tags]
    return [
        Witness(f"{its.name} version {its.version}", its.tags.get(LEDGER_LINE, "?"), its.tags[LEDGER_DIGEST])
        for its in sorted(decided, key=lambda version: (version.name, int(version.version)))
    ]


def tag_with_line(client: MlflowClient, line: Mapping[str, Any], verdict: str) -> None:
    """Let a version say what was decided of it and by which line, and let its run keep a copy of the ledger.

    `ledger_witnesses` reads which line it was.
    """
    name, its = model_name(line["outcome"]), line["challenger"]
    client.set_model_version_tag(name, its["version"], "challenge", verdict)
    client.set_model_version_tag(name, its["version"], LEDGER_LINE, str(line["line"]))
    client.set_model_version_tag(name, its["version"], LEDGER_DIGEST, line["digest"])
    client.log_artifact(its["run_id"], str(paths.promotions()), "ledger")


def bundle_of(version_uri: str, into: Path) -> Path:
    """Fetch a registered model's bundle folder."""
    local = Path(mlflow.artifacts.download_artifacts(version_uri, dst_path=str(into)))
    bundles = sorted(local.rglob("bundle.json"))
    if not bundles:
        raise TrackingError(f"{version_uri} holds no Backcast bundle. Register models with `dvc repro`.")
    return bundles[0].parent


def run_file(run_id: str, path: str, into: Path) -> Path:
    """Fetch one file of a run."""
    into.mkdir(parents=True, exist_ok=True)
    return Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{path}", dst_path=str(into)))


def log_model_run(
    outcome: str,
    bundle: Path,
    sha256: str,
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Mapping[str, Path],
) -> str:
    """One run for one chosen model: parameters, metrics, files by name, and the model as a new version."""
    head = read_json(bundle / "bundle.json")
    served = Served("served_model.py", signature([p["name"] for p in head["predictors"]]), synthetic_example())
    return _log_model(outcome, bundle, sha256, served, params=params, metrics=metrics, tags=tags, files=files)


class Served(NamedTuple):
    """How a registered model is asked: its code in `pipeline/`, what it takes and gives, an example."""

    code: str
    signature: ModelSignature
    example: pd.DataFrame


def log_cause_run(
    bundle: Path,
    sha256: str,
    answered: pd.DataFrame,
    example: pd.DataFrame,
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Mapping[str, Path],
) -> str:
    """The same for the model of causes; `answered` is its answer to the example."""
    served = Served("served_causes.py", cause_signature(answered), example)
    return _log_model(CAUSE, bundle, sha256, served, params=params, metrics=metrics, tags=tags, files=files)


def _log_model(
    outcome: str,
    bundle: Path,
    sha256: str,
    served: Served,
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Mapping[str, Path],
) -> str:
    mlflow.set_experiment(TRAINING)
    with mlflow.start_run(run_name=outcome):
        mlflow.set_tags({"outcome": outcome, "bundle_sha256": sha256, **tags})
        mlflow.log_params({key: str(value)[:500] for key, value in params.items()})
        mlflow.log_metrics(dict(metrics))
        _log_files(files)
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path("pipeline") / served.code),
            artifacts={"bundle": str(bundle)},
            code_paths=["features", "models"],
            signature=served.signature,
            input_example=served.example,
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
            registered_model_name=model_name(outcome),
        )
    return str(logged.registered_model_version)


def _log_files(files: Mapping[str, Path]) -> None:
    """Files under the names given, whatever they are called at home."""
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files.items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, Path(folder) / name)
        mlflow.log_artifacts(folder)


def describe_version(client: MlflowClient, outcome: str, version: str, head: Mapping[str, Any], sha256: str) -> None:
    """Tags and words that let a stranger know what this version is."""
    name = model_name(outcome)
    tags = {"bundle_sha256": sha256, "code_sha256": head["code_sha256"], "learner": head["learner"]}
    for key, value in {**tags, "provenance": head["provenance"]}.items():
        client.set_model_version_tag(name, version, key, value)
    note = f"{head['outcome_label']} within {head['horizon_months']} months; {head['learner']}."
    for update in head.get("updates", ()):
        note += f" Updated ({update['method']}) on {update['cases']:,} cases of another site."
    if head["provenance"] == "virtual":
        note += " Made from the virtual registry: not for patients."
    client.update_model_version(name, version, description=note)


def predictions_elsewhere(version_uri: str, cases: pd.DataFrame) -> pd.Series:
    """Risks by a registered model in a process and folder of its own, where its own code is loaded.

    Raises
    ------
    TrackingError
        If the model cannot be loaded or does not take these cases.
    """
    program = (
        "import sys, mlflow, pandas as pd\n"
        "uri, store, source, target = sys.argv[1:]\n"
        "mlflow.set_tracking_uri(store); mlflow.set_registry_uri(store)\n"
        "mlflow.pyfunc.load_model(uri).predict(pd.read_parquet(source))[['risk']].to_parquet(target)\n"
    )
    sent = cases.copy()
    for name in sent.select_dtypes("datetime"):
        sent[name] = sent[name].dt.strftime("%Y-%m-%d")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "cases.parquet", Path(folder) / "risks.parquet"
        sent.reset_index(drop=True).to_parquet(source)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, version_uri, _absolute(mlflow.get_tracking_uri()), source, target],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise TrackingError(f"{version_uri} cannot be run in a process of its own: {last}")
        return pd.Series(pd.read_parquet(target)["risk"].to_numpy(), index=cases.index, name="risk")


def _absolute(uri: str) -> str:
    relative = uri.removeprefix(paths.SQLITE)
    if relative == uri or relative.startswith("/"):
        return uri
    return f"{paths.SQLITE}{Path(relative).resolve()}"


def log_batch(
    predictions: Path, *, models: Mapping[str, str], input_sha256: str, n_cases: int, provenance: str,
    mean_risks: Mapping[str, float],
) -> str:  # fmt: skip
    """A scored batch as a run: its table of predictions and contributions, and what it was made with.

    The table is keyed by the hash of model and input; `case_id` stays at home.
    """
    with _scoring_run(models, input_sha256, n_cases, provenance, mean_risks) as (run_id, folder):
        path = folder / PREDICTIONS
        _without_ids(predictions, path)
        mlflow.log_artifact(str(path))
    return run_id


def log_parts(
    parts: Sequence[Path], *, models: Mapping[str, str], input_sha256: str, n_cases: int, provenance: str,
    mean_risks: Mapping[str, float],
) -> str:  # fmt: skip
    """The same of a batch whose table is in parts: a folder in place of the file, read in the same way."""
    with _scoring_run(models, input_sha256, n_cases, provenance, mean_risks) as (run_id, folder):
        client = MlflowClient()

        def log(part: Path) -> None:
            path = folder / part.name
            _without_ids(part, path)
            client.log_artifact(run_id, str(path), PREDICTIONS)
            path.unlink()

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(log, parts):
                pass
    return run_id


@contextmanager
def _scoring_run(
    models: Mapping[str, str], input_sha256: str, n_cases: int, provenance: str, mean_risks: Mapping[str, float]
) -> Iterator[tuple[str, Path]]:
    """The run of a batch with all but its table, and a folder for what is logged into it."""
    mlflow.set_experiment(SCORING)
    with mlflow.start_run(run_name=f"batch of {n_cases}") as run, tempfile.TemporaryDirectory() as folder:
        yield str(run.info.run_id), Path(folder)
        write_json({"input_sha256": input_sha256, "models": dict(models)}, Path(folder) / "batch.json")
        mlflow.log_artifact(str(Path(folder) / "batch.json"))
        mlflow.set_tags({"input_sha256": input_sha256, "provenance": provenance})
        mlflow.set_tags({f"model.{outcome}": uri for outcome, uri in models.items()})
        mlflow.log_params({"cases": n_cases, "outcomes": len(models)})
        mlflow.log_metrics({f"mean_risk/{name}": mean for name, mean in mean_risks.items() if not math.isnan(mean)})


def _without_ids(part: Path, path: Path) -> None:
    """Copy a part without its ids, and without what its footer says of where it came from."""
    with pq.ParquetFile(part) as source:
        schema = pa.schema([field for field in source.schema_arrow if field.name != "case_id"])
        with pq.ParquetWriter(path, schema, compression="zstd") as target:
            for group in range(source.num_row_groups):
                target.write_table(source.read_row_group(group, columns=schema.names).replace_schema_metadata(None))


def log_validation(
    outcome: str,
    *,
    uri: str,
    model_sha256: str,
    model_id: str | None,
    input_sha256: str,
    provenance: str,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    files: Mapping[str, Path],
) -> str:
    """The evidence of a model on another site's cases as a run, its metrics linked to the model where it is registered.

    Figures and the report hold no case; the file is named by its hash.
    """
    mlflow.set_experiment(VALIDATING)
    with mlflow.start_run(run_name=f"{outcome} elsewhere") as run:
        tags = {"outcome": outcome, "bundle_sha256": model_sha256, f"model.{outcome}": uri}
        mlflow.set_tags({**tags, "input_sha256": input_sha256, "provenance": provenance})
        mlflow.log_params({key: str(value)[:500] for key, value in params.items()})
        mlflow.log_metrics(dict(metrics), model_id=model_id)
        _log_files(files)
        return str(run.info.run_id)


def logged_model(client: MlflowClient, uri: str) -> str | None:
    """The logged model behind a registered version (`models:/name/3`), to which metrics can be linked; else None."""
    name, _, version = uri.removeprefix("models:/").partition("/")
    if not uri.startswith("models:/") or not version.isdigit():
        return None
    found = client.get_model_version(name, version)
    logged = str(found.source).removeprefix("models:/")
    return found.model_id or (logged if logged.startswith("m-") else None)


def log_workups(
    table: pd.DataFrame, *, uri: str, model_sha256: str, input_sha256: str, first: Mapping[str, int], flagged: int
) -> str:
    """A batch of work-ups as a run: its table of causes with the points of each finding, and what it was made with.

    `first` counts the cases by the cause that ranks first. As in `log_batch`, `case_id` stays at home.
    """
    mlflow.set_experiment(WORKING_UP)
    n_cases = table["case_id"].nunique()
    with mlflow.start_run(run_name=f"batch of {n_cases}") as run, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "causes.parquet"
        table.drop(columns="case_id").to_parquet(path, index=False, compression="zstd")
        mlflow.log_artifact(str(path))
        write_json({"input_sha256": input_sha256, "models": {CAUSE: uri}}, Path(folder) / "batch.json")
        mlflow.log_artifact(str(Path(folder) / "batch.json"))
        mlflow.set_tags({"input_sha256": input_sha256, f"model.{CAUSE}": uri, "bundle_sha256": model_sha256})
        mlflow.log_params({"cases": n_cases})
        counts = {f"first/{cause}": float(count) for cause, count in first.items()}
        mlflow.log_metrics({"red_flags": float(flagged), **counts})
        return str(run.info.run_id)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "absent"


def checkout() -> dict[str, str]:
    """What a model was made from: the commit, and the hashes of what DVC and the parameters said."""
    return {
        "git_commit": git_commit(),
        "dvc_lock_sha256": sha256_of(paths.DVC_LOCK),
        "params_sha256": sha256_of(paths.PARAMS),
    }


def git_commit() -> str:
    """The commit that is checked out, marked when the tree differs from it; `unknown` outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
