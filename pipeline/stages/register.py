"""Stage ``register``: the chosen models to MLflow, and the alias `champion` by the rule of `params.yaml`.

Beside them the model of causes, which is knowledge and follows a rule of its own (`pipeline/cause_version.py`).

Always runs, is last, and nothing depends on it: a cached stage would restore its receipt and register
nothing. Idempotent by the hash of the bundle: what is registered already is left as it is, and what was
decided already is not decided again. Every decision is a line of the ledger before anything is done by it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.errors import TrackingError
from models.bundle import bundle_sha256, read_head
from models.comparison import paired_differences
from models.estimates import as_stored
from models.fitted import sigmoid
from models.metrics import (
    Estimate,
    Floats,
    PairedDifference,
    auroc,
    brier_score,
    case_log_loss,
    net_benefit,
    net_benefit_name,
    paired_difference,
)
from models.promotion import FIRST, Decision, Rule, decision, not_comparable
from pipeline import ledger, paths, tracking
from pipeline.cause_version import register_causes
from pipeline.evidence import with_evidence
from pipeline.files import read_cases, read_json, read_table, write_json, write_table
from pipeline.params import Params
from pipeline.promotion_rule import promotion_rule
from pipeline.run_contents import run_files, run_metrics, run_params

OUT_OF_FOLD = "both out of fold, on the same development cases and folds"
ELSEWHERE = "champion run on other development cases"
RISK_DECIMALS = 8


class Challenger(NamedTuple):
    """The chosen model of an outcome, as `train` left it: its folder, its hash, its head."""

    outcome: str
    learner: str
    folder: Path
    sha256: str
    head: Mapping[str, Any]


class Challenge(NamedTuple):
    """What came of a comparison: the decision, how both were judged, and the figures it rests on."""

    decision: Decision
    judged: str | None
    differences: dict[str, Estimate]
    figures: dict[str, Any]


def run(params: Params) -> None:
    lines = ledger.lines(paths.promotions())  # a broken one is told before anything is done
    with tracking.store() as client:
        ledger.refuse_contradictions(paths.promotions(), lines, tracking.ledger_witnesses(client))
        for outcome in params.train.outcomes:
            register(client, outcome, params)
        if "cause" not in params.study.not_asked:
            register_causes(client, params)


def register(client: tracking.Client, outcome: str, params: Params) -> None:
    """Register the chosen model of an outcome, unless it is, and let it challenge the champion."""
    challenger = chosen_model(outcome)
    rule = promotion_rule(params.register, params.evaluate.main_threshold[outcome])
    known = tracking.registered_version(client, outcome, challenger.sha256)
    current = tracking.champion(client, outcome)
    if known and current and known.version == current.version:
        print(f"register: {outcome} is version {known.version} already, and champion")
        return
    refusal = earlier_refusal(challenger, current, rule)
    if known and refusal:
        line = refusal["line"]
        print(f"register: {outcome} is version {known.version} already, and was refused (line {line} of the ledger)")
        return
    with tempfile.TemporaryDirectory() as scratch:
        challenge = challenge_of(challenger, current, rule, params, Path(scratch))
        version = known.version if known else _log(challenger, challenge, Path(scratch))
        tracking.describe_version(client, outcome, str(version), challenger.head, challenger.sha256)
        decide(client, challenger, str(version), current, challenge, rule)


def chosen_model(outcome: str) -> Challenger:
    learner = read_json(paths.choice(outcome))["chosen"]
    folder = paths.learner_folder(outcome, learner)
    return Challenger(outcome, learner, folder, bundle_sha256(folder), read_head(folder))


# ---- the decision and its line in the ledger ---------------------------------------------------------


def decide(
    client: tracking.Client, challenger: Challenger, version: str, current: Any | None, challenge: Challenge, rule: Rule
) -> None:
    """Write the decision down, then do it: the alias follows the ledger, never the other way round."""
    outcome, decided = challenger.outcome, challenge.decision
    name = tracking.model_name(outcome)
    run_id = client.get_model_version(name, version).run_id
    entry = ledger_entry(challenger, version, run_id, current, challenge, rule)
    if not decided.is_promoted and is_written(entry):
        print(f"register: {outcome} is version {version} already ({challenger.learner}); {decided.verdict}")
        return
    line = ledger.append(paths.promotions(), entry)
    if decided.is_promoted:
        client.set_registered_model_alias(name, tracking.CHAMPION, version)
    tracking.tag_with_line(client, line, decided.verdict)
    print(f"register: {outcome} is version {version} ({challenger.learner}); {decided.verdict}")


def ledger_entry(
    challenger: Challenger, version: str, run_id: str, current: Any | None, challenge: Challenge, rule: Rule
) -> dict[str, Any]:
    """What a decision was made of; hashes and figures, nothing of a case."""
    decided = challenge.decision
    return {
        "outcome": challenger.outcome,
        "decision": decided.word,
        "verdict": decided.verdict,
        "conditions": [asdict(condition) for condition in decided.conditions],
        "rule": rule.as_json(),
        "judged": challenge.judged,
        "figures": challenge.figures,
        "challenger": {
            "version": version,
            "run_id": run_id,
            "learner": challenger.learner,
            "bundle_sha256": challenger.sha256,
        },
        "champion": tracking.of_champion(current),
        "made_from": made_from(challenger.head),
    }


def made_from(head: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of everything that the challenger was made from."""
    return {
        **tracking.checkout(),
        "code_sha256": head["code_sha256"],
        "development": head["development"]["fingerprint"],
        "provenance": head["provenance"],
    }


def earlier_refusal(challenger: Challenger, current: Any | None, rule: Rule) -> dict[str, Any] | None:
    """The last line that refused this very challenger against this champion by this rule, on figures."""
    alike = _refusals(challenger.outcome, challenger.sha256, tracking.of_champion(current), rule.as_json())
    return next((line for line in alike if line["figures"]), None)


def is_written(entry: Mapping[str, Any]) -> bool:
    """Whether a refusal stands in the ledger already, word for word."""
    alike = _refusals(entry["outcome"], entry["challenger"]["bundle_sha256"], entry["champion"], entry["rule"])
    return any(line["verdict"] == entry["verdict"] for line in alike)


def _refusals(outcome: str, sha256: str, champion: Mapping[str, str] | None, rule: object) -> Iterator[dict[str, Any]]:
    for line in reversed(ledger.lines(paths.promotions())):
        same = (line["outcome"], line["challenger"]["bundle_sha256"], line["champion"], line["rule"])
        if line["decision"] == "refused" and same == (outcome, sha256, champion, rule):
            yield line


# ---- champion against challenger ---------------------------------------------------------------------


class Development(NamedTuple):
    """The development cases as arrays of (n,): outcome, weight, patient as a number."""

    y: Floats
    weights: Floats
    patients: np.ndarray


def challenge_of(challenger: Challenger, current: Any | None, rule: Rule, params: Params, scratch: Path) -> Challenge:
    """The challenger against the present champion, on the development cases.

    On the same development set and folds both are judged out of fold. On another set the champion is
    run on it, in a process of its own; cases that it was itself fitted to then favour the champion.
    """
    if current is None:
        return Challenge(FIRST, None, {}, {})
    rows = read_table(paths.out_of_fold(challenger.outcome)).query("learner == @challenger.learner")
    cases = Development(
        rows["y_true"].to_numpy(), rows["weight"].to_numpy(), np.unique(rows["patient_id"], return_inverse=True)[1]
    )
    try:
        theirs, how = champion_risks(challenger.outcome, current, cases.y, scratch)
    except TrackingError as error:
        return Challenge(not_comparable(str(error)), None, {}, {})
    ours = sigmoid(rows["log_odds"].to_numpy()).round(RISK_DECIMALS)
    log_loss = paired_difference(
        case_log_loss(cases.y, ours), case_log_loss(cases.y, theirs), cases.patients, cases.weights
    )
    differences = paired_differences(
        cases.y, ours, theirs, thresholds=params.evaluate.thresholds, patients=cases.patients, weights=cases.weights
    )
    slope = internal_external_slope(challenger.outcome)
    decided = decision(log_loss, differences[net_benefit_name(rule.threshold)], slope, rule)
    return Challenge(decided, how, differences, figures(cases, ours, theirs, log_loss, differences, rule, slope))


def figures(
    cases: Development,
    ours: Floats,
    theirs: Floats,
    log_loss: PairedDifference,
    differences: Mapping[str, Estimate],
    rule: Rule,
    slope: Estimate | None,
) -> dict[str, Any]:
    """Both models' figures and their paired differences, challenger less champion, with intervals."""
    return {
        "cases": len(cases.y),
        "patients": len(np.unique(cases.patients)),
        "challenger": _own_figures(cases, ours, rule.threshold),
        "champion": _own_figures(cases, theirs, rule.threshold),
        "differences": as_stored(differences),
        "log_loss_standard_error": log_loss.standard_error,
        "internal_external_calibration_slope": None if slope is None else slope.as_json(),
    }


def _own_figures(cases: Development, risk: Floats, threshold: float) -> dict[str, Any]:
    found = {
        "auroc": auroc(cases.y, risk, weights=cases.weights),
        "brier_score": brier_score(cases.y, risk, weights=cases.weights),
        net_benefit_name(threshold): net_benefit(cases.y, risk, threshold, weights=cases.weights),
    }
    return as_stored(found)


def champion_risks(outcome: str, current: Any, y: Floats, scratch: Path) -> tuple[Floats, str]:
    """Risks of the champion for the present development cases, and how they came about.

    Raises
    ------
    TrackingError
        If the champion can neither be looked up nor run.
    """
    tags = tracking.Client().get_run(current.run_id).data.tags
    if tags.get("development") == read_json(paths.choice(outcome))["development"]:
        stored = tracking.run_file(current.run_id, "out_of_fold/out_of_fold.parquet", scratch / "champion")
        return risk_of_losses(pd.read_parquet(stored)["loss"].to_numpy(), y), OUT_OF_FOLD
    rows = read_table(paths.out_of_fold(outcome))
    rows = rows[rows["learner"] == rows["learner"].iloc[0]]
    cases = read_cases(paths.COHORT_CASES).loc[rows.index]
    uri = f"models:/{tracking.model_name(outcome)}/{current.version}"
    return tracking.predictions_elsewhere(uri, cases).to_numpy(), ELSEWHERE


def risk_of_losses(losses: Floats, y: Floats) -> Floats:
    """The risk behind each log loss, given what happened: a run keeps losses, and not who had the outcome.

    To 8 decimals: losses have ten digits, and equal risks of cases with and without the outcome must stay equal.

    Examples
    --------
    >>> losses = -np.log([0.9, 0.8])  # a risk of 0.9 where it happened, of 0.2 where it did not
    >>> risk_of_losses(losses, np.array([1.0, 0.0])).round(6).tolist()
    [0.9, 0.2]
    """
    return np.where(y == 1, np.exp(-losses), -np.expm1(-losses)).round(RISK_DECIMALS)


def as_json(challenge: Challenge) -> dict[str, Any]:
    """The challenge as a run keeps it; the log loss once more at the top, since the rule starts from it."""
    log_loss = challenge.figures.get("differences", {}).get("log_loss", {})
    return {
        "is_promoted": challenge.decision.is_promoted,
        "verdict": challenge.decision.verdict,
        "conditions": [asdict(condition) for condition in challenge.decision.conditions],
        "judged": challenge.judged,
        "log_loss_difference": log_loss.get("estimate"),
        "standard_error": challenge.figures.get("log_loss_standard_error"),
        "figures": challenge.figures,
    }


def anonymous_losses(outcome: str, learner: str) -> pd.DataFrame:
    """Out-of-fold losses of the development cases in their order; patients are numbers, cases unnamed."""
    rows = read_table(paths.out_of_fold(outcome)).query("learner == @learner")
    patients = np.unique(rows["patient_id"], return_inverse=True)[1]
    return pd.DataFrame({"patient": patients, "weight": rows["weight"].to_numpy(), "loss": rows["loss"].to_numpy()})


def internal_external_slope(outcome: str) -> Estimate | None:
    """Pooled calibration slope of the whole recipe over the centres left out; None where nobody asked."""
    if not paths.internal_external(outcome).exists():
        return None
    found = read_json(paths.internal_external(outcome))["recipe"]["pooled"]["calibration_slope"]
    return Estimate(found["estimate"], found["lower"], found["upper"], found.get("reason"))


# ---- the run ----------------------------------------------------------------------------------------


def _log(challenger: Challenger, challenge: Challenge, scratch: Path) -> str:
    outcome, head = challenger.outcome, challenger.head
    write_json(as_json(challenge), scratch / "comparison.json")
    write_table(anonymous_losses(outcome, challenger.learner), scratch / "out_of_fold.parquet")
    files = run_files(outcome, head["provenance"]) | {
        "challenge/comparison.json": scratch / "comparison.json",
        "out_of_fold/out_of_fold.parquet": scratch / "out_of_fold.parquet",
    }
    return tracking.log_model_run(
        outcome,
        with_evidence(challenger.folder, outcome, scratch),
        challenger.sha256,
        params=run_params(outcome, head),
        metrics=run_metrics(outcome, challenger.learner, challenge.differences),
        tags={**made_from(head), "learner": challenger.learner},
        files=files,
    )
