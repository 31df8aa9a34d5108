"""Every place where the pipeline reads or writes, relative to the root of the repository.

Each folder of `data/` is named for the stage that writes it; figures of the builders, which a stage of
their own makes, stand beside those of the models in `evaluate`.
"""

from __future__ import annotations

import os
from pathlib import Path

PARAMS = Path("params.yaml")
STUDIES = Path("studies")
DVC_YAML = Path("dvc.yaml")
DVC_LOCK = Path("dvc.lock")
EXPERIMENTS_DVC_YAML = Path("pipeline") / "experiments" / "dvc.yaml"
DATA = Path("data")

REGISTRY_CASES = DATA / "registry" / "cases.csv"
REGISTRY_TRUTH = DATA / "registry" / "truth.parquet"
INGESTED_CASES = DATA / "ingest" / "cases.parquet"
PROBLEMS = DATA / "ingest" / "problems.csv"
SOURCE = DATA / "ingest" / "source.json"
FIDELITY = DATA / "fidelity" / "fidelity.csv"
FIDELITY_SUMMARY = DATA / "fidelity" / "fidelity.json"
FIDELITY_PICTURE = DATA / "fidelity" / "fidelity.png"
COHORT_CASES = DATA / "cohort" / "cases.parquet"
OUTCOMES = DATA / "cohort" / "outcomes.parquet"
FLOW = DATA / "cohort" / "flow.csv"
FEATURES = DATA / "derive" / "features.parquet"
SPLIT = DATA / "split" / "split.parquet"
SAMPLE_SIZE = DATA / "appraise" / "sample_size.csv"
DIAGNOSTICS = DATA / "appraise" / "diagnostics.csv"
GUARDS = DATA / "appraise" / "guards.csv"
LEARNERS = DATA / "appraise" / "learners.json"
TRAIN = DATA / "train"
VALIDATE = DATA / "validate"
VALIDATED_SUMMARY = VALIDATE / "summary.json"
PREDICT = DATA / "predict"
PUBLISHED_COVERAGE = PREDICT / "published_coverage.csv"
METRICS = DATA / "evaluate" / "metrics.json"
PLOTS = DATA / "evaluate" / "plots"
SAME_CASES = DATA / "evaluate" / "same_cases.json"
METRICS_SUMMARY = DATA / "evaluate" / "summary.json"
WEIGHTED = DATA / "evaluate" / "weighted.json"
COMPARISONS = DATA / "evaluate" / "comparisons.json"
WITHHELD = DATA / "evaluate" / "withheld.json"
SUBGROUPS = DATA / "subgroups" / "subgroups.json"
FLAG_RATES = DATA / "subgroups" / "flag_rates.csv"
COMPLETENESS = DATA / "completeness" / "completeness.json"
STABILITY = DATA / "stability" / "stability.json"
BUILDERS = DATA / "evaluate" / "builders.json"
BUILDERS_SUMMARY = DATA / "evaluate" / "builders_summary.json"
BUILDER_TABLES = DATA / "evaluate" / "builders"
CAUSES = DATA / "cause" / "cause.json"
CAUSES_SUMMARY = DATA / "cause" / "summary.json"
CONFUSION = DATA / "cause" / "confusion.csv"
CAUSE_PREDICTIONS = DATA / "cause" / "predictions.parquet"
EXPLAIN = DATA / "explain"
REPORT = DATA / "report" / "report.html"
MODEL_CARD = DATA / "report" / "model_card.html"
TRIPOD_AI = DATA / "report" / "tripod_ai.csv"
SOURCE_ATTRIBUTES = DATA / "report" / "source_attributes.csv"
WORTH = DATA / "worth" / "worth.csv"
WORTH_SUMMARY = DATA / "worth" / "summary.json"

SQLITE = "sqlite:///"
STORE = f"{SQLITE}mlflow.db"
PROMOTIONS = Path("promotions.jsonl")


def learner_folder(outcome: str, learner: str) -> Path:
    return TRAIN / outcome / learner


def choice(outcome: str) -> Path:
    return TRAIN / outcome / "choice.json"


def out_of_fold(outcome: str) -> Path:
    return TRAIN / outcome / "out_of_fold.parquet"


def left_out(outcome: str) -> Path:
    return VALIDATE / outcome / "left_out.parquet"


def internal_external(outcome: str) -> Path:
    return VALIDATE / outcome / "internal_external.json"


def optimism(outcome: str) -> Path:
    return VALIDATE / outcome / "optimism.json"


def forest(outcome: str) -> Path:
    return VALIDATE / outcome / "forest.png"


def predictions(outcome: str) -> Path:
    return PREDICT / f"{outcome}.parquet"


def subgroup_forest(outcome: str) -> Path:
    return SUBGROUPS.with_name(f"forest_{outcome}.png")


def stability_picture(outcome: str) -> Path:
    return STABILITY.with_name(f"{outcome}.png")


def curves(kind: str) -> Path:
    """The curves of every outcome, learner and test set: kind `roc`, `calibration` or `decision`."""
    return PLOTS / f"{kind}.csv"


def builder_table(name: str) -> Path:
    """A table behind the pictures of the builders: `auroc`, `roc`, `calibration` or `twins`."""
    return BUILDER_TABLES / f"{name}.csv"


def cause_picture(name: str) -> Path:
    """A picture of how well causes are named: `accuracy`, `confusion`, `recurrence` or `words`."""
    return CAUSES.with_name(f"{name}.png")


def worth_picture(learner: str) -> Path:
    """What the builders are worth to one learner: trees in `worth.png`, others by name."""
    return DATA / "worth" / ("worth.png" if learner == "xgboost" else f"worth_{learner}.png")


def store_uri() -> str:
    """The tracking store: that of `MLFLOW_TRACKING_URI`, else a file in the root of the repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or STORE


def promotions() -> Path:
    """The ledger of promotions: beside a store that is a file, since both tell of the same champions.

    With a store on a server it is in the root of the repository.
    """
    store = store_uri()
    return Path(store.removeprefix(SQLITE)).with_name(PROMOTIONS.name) if store.startswith(SQLITE) else PROMOTIONS
