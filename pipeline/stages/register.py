"""Stage ``register``: the chosen models to MLflow, and the alias `champion` to the best of them.

Always runs, is last, and nothing depends on it: a cached stage would restore its receipt and register
nothing. Idempotent by the hash of the bundle: what is registered already is left as it is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import TrackingError
from models.bundle import bundle_sha256, read_head
from models.metrics import case_log_loss, paired_difference
from pipeline import paths, tracking
from pipeline.files import read_cases, read_json, read_table, write_json, write_table
from pipeline.params import Params


def run(params: Params) -> None:
    with tracking.store() as client:
        for outcome in params.train.outcomes:
            register(client, outcome, params)


def register(client: tracking.Client, outcome: str, params: Params) -> None:
    """Register the chosen model of an outcome, unless it is, and let it challenge the champion."""
    chosen = read_json(paths.choice(outcome))["chosen"]
    folder = paths.learner_folder(outcome, chosen)
    sha256, head = bundle_sha256(folder), read_head(folder)
    known = tracking.registered_version(client, outcome, sha256)
    current = tracking.champion(client, outcome)
    if known and current and known.version == current.version:
        print(f"register: {outcome} is version {known.version} already, and champion")
        return
    with tempfile.TemporaryDirectory() as scratch:
        comparison = compare(outcome, chosen, current, params, Path(scratch))
        write_json(comparison, Path(scratch) / "comparison.json")
        write_table(anonymous_losses(outcome, chosen), Path(scratch) / "out_of_fold.parquet")
        version = known.version if known else _log(client, outcome, chosen, head, sha256, params, Path(scratch))
    client.set_model_version_tag(tracking.model_name(outcome), version, "challenge", comparison["verdict"])
    if comparison["is_promoted"]:
        client.set_registered_model_alias(tracking.model_name(outcome), tracking.CHAMPION, version)
    print(f"register: {outcome} is version {version} ({chosen}); {comparison['verdict']}")


def _log(
    client: tracking.Client,
    outcome: str,
    chosen: str,
    head: dict[str, Any],
    sha256: str,
    params: Params,
    scratch: Path,
) -> str:
    pictures = [*sorted((paths.EXPLAIN / outcome).glob("*.png")), paths.REPORT.parent / f"{outcome}.png"]
    files = {f"pictures/{path.stem}": path for path in pictures}
    files |= {"report": paths.REPORT, "challenge": scratch / "comparison.json"}
    files |= {"out_of_fold": scratch / "out_of_fold.parquet", "choice": paths.choice(outcome)}
    version = tracking.log_model_run(
        outcome,
        paths.learner_folder(outcome, chosen),
        sha256,
        params=flat_params(outcome, head),
        metrics=flat_metrics(outcome, chosen),
        tags={
            "git_commit": tracking.git_commit(),
            "dvc_lock_sha256": tracking.sha256_of(paths.DVC_LOCK),
            "provenance": head["provenance"],
            "learner": chosen,
            "development": head["development"]["fingerprint"],
        },
        files=files,
    )
    tracking.describe_version(client, outcome, str(version), head, sha256)
    return str(version)


def flat_params(outcome: str, head: dict[str, Any]) -> dict[str, Any]:
    """What the run was made with: the chosen setting, the size of its development, what the builders took."""
    development = {f"development.{k}": v for k, v in head["development"].items() if k != "fingerprint"}
    setting = {f"setting.{k}": v for k, v in head["hyperparameters"].items()}
    builders = {f"builders.{k}": v for k, v in head["builder_params"].items()}
    return {
        "outcome": outcome,
        "learner": head["learner"],
        "predictors": len(head["predictors"]),
        **development,
    } | {
        **setting,
        **builders,
    }


def flat_metrics(outcome: str, chosen: str) -> dict[str, float]:
    """Metrics under stable names: `<test set>/<metric>` of the chosen learner, with limits."""
    metrics = read_json(paths.METRICS)[outcome][chosen]
    return {
        f"{test_set}/{metric}{ending}": value[part]
        for test_set, measured in metrics.items()
        for metric, value in measured.items()
        for part, ending in (("estimate", ""), ("lower", "_lower"), ("upper", "_upper"))
        if value[part] is not None
    }


def anonymous_losses(outcome: str, learner: str) -> pd.DataFrame:
    """Out-of-fold losses of the development cases in their order; patients are numbers, cases unnamed."""
    rows = read_table(paths.out_of_fold(outcome)).query("learner == @learner")
    patients = np.unique(rows["patient_id"], return_inverse=True)[1]
    return pd.DataFrame({"patient": patients, "weight": rows["weight"].to_numpy(), "loss": rows["loss"].to_numpy()})


def compare(outcome: str, chosen: str, current: Any | None, params: Params, scratch: Path) -> dict[str, Any]:
    """The challenger against the present champion, on the development cases, and who is champion now.

    On the same development set and folds both are judged out of fold. On another set the champion is
    run on it, in a process of its own; cases that it was itself fitted to then favour the champion.
    """
    if current is None:
        return {"is_promoted": True, "verdict": "becomes champion: there was none", "champion": None}
    challenger = anonymous_losses(outcome, chosen)
    try:
        losses, how = champion_losses(outcome, current, scratch)
    except TrackingError as error:
        return {
            "is_promoted": False,
            "verdict": f"champion stays: not comparable ({error})",
            "champion": current.version,
        }
    difference = paired_difference(challenger["loss"], losses, challenger["patient"], challenger["weight"])
    if difference.mean is None or difference.standard_error is None:
        verdict = f"champion stays: not comparable ({difference.reason})"
        return {"is_promoted": False, "verdict": verdict, "champion": current.version}
    mean, error_ = float(difference.mean), float(difference.standard_error)
    beyond = params.register.promote_beyond_standard_errors
    is_better = mean < -beyond * error_ and mean < 0
    is_same = abs(mean) < 1e-9
    verdict = (
        "beats the champion" if is_better else "equals the champion and replaces it: this checkout's code" if is_same
        else "champion stays: the challenger does not beat it"
    )  # fmt: skip
    return {
        "is_promoted": is_better or is_same,
        "verdict": verdict,
        "champion": current.version,
        "judged": how,
        "log_loss_difference": mean,
        "standard_error": error_,
    }


def champion_losses(outcome: str, current: Any, scratch: Path) -> tuple[np.ndarray, str]:
    """Losses of the champion on the present development cases, and how they came about.

    Raises
    ------
    TrackingError
        If the champion can neither be looked up nor run.
    """
    tags = tracking.Client().get_run(current.run_id).data.tags
    if tags.get("development") == read_json(paths.choice(outcome))["development"]:
        stored = tracking.run_file(current.run_id, "out_of_fold/out_of_fold.parquet", scratch / "champion")
        return pd.read_parquet(stored)["loss"].to_numpy(), "both out of fold, on the same development cases and folds"
    rows = read_table(paths.out_of_fold(outcome))
    rows = rows[rows["learner"] == rows["learner"].iloc[0]]
    cases = read_cases(paths.COHORT_CASES).loc[rows.index]
    uri = f"models:/{tracking.model_name(outcome)}/{current.version}"
    risks = tracking.predictions_elsewhere(uri, cases)
    return case_log_loss(rows["y_true"].to_numpy(), risks.to_numpy()), "champion run on other development cases"
