"""Every place where the pipeline reads or writes, relative to the root of the repository.

Each folder of `data/` is named for the stage that writes it; figures of the builders, which a stage of
their own makes, stand beside those of the models in `evaluate`.
"""

from __future__ import annotations

from pathlib import Path

PARAMS = Path("params.yaml")
DVC_YAML = Path("dvc.yaml")
DVC_LOCK = Path("dvc.lock")
EXPERIMENTS_DVC_YAML = Path("pipeline") / "experiments" / "dvc.yaml"
DATA = Path("data")

REGISTRY_CASES = DATA / "registry" / "cases.csv"
REGISTRY_TRUTH = DATA / "registry" / "truth.parquet"
INGESTED_CASES = DATA / "ingest" / "cases.parquet"
PROBLEMS = DATA / "ingest" / "problems.csv"
FIDELITY = DATA / "fidelity" / "fidelity.csv"
FIDELITY_SUMMARY = DATA / "fidelity" / "fidelity.json"
FIDELITY_PICTURE = DATA / "fidelity" / "fidelity.png"
COHORT_CASES = DATA / "cohort" / "cases.parquet"
OUTCOMES = DATA / "cohort" / "outcomes.parquet"
FLOW = DATA / "cohort" / "flow.csv"
SAMPLE_SIZE = DATA / "cohort" / "sample_size.csv"
FEATURES = DATA / "derive" / "features.parquet"
SPLIT = DATA / "split" / "split.parquet"
TRAIN = DATA / "train"
PREDICT = DATA / "predict"
PUBLISHED_COVERAGE = PREDICT / "published_coverage.csv"
METRICS = DATA / "evaluate" / "metrics.json"
PLOTS = DATA / "evaluate" / "plots"
SAME_CASES = DATA / "evaluate" / "same_cases.json"
BUILDERS = DATA / "evaluate" / "builders.json"
BUILDER_TABLES = DATA / "evaluate" / "builders"
EXPLAIN = DATA / "explain"
REPORT = DATA / "report" / "report.html"
WORTH = DATA / "worth" / "worth.csv"
WORTH_SUMMARY = DATA / "worth" / "summary.json"


def learner_folder(outcome: str, learner: str) -> Path:
    return TRAIN / outcome / learner


def choice(outcome: str) -> Path:
    return TRAIN / outcome / "choice.json"


def out_of_fold(outcome: str) -> Path:
    return TRAIN / outcome / "out_of_fold.parquet"


def predictions(outcome: str) -> Path:
    return PREDICT / f"{outcome}.parquet"


def curves(kind: str) -> Path:
    """The curves of every outcome, learner and test set: kind `roc`, `calibration` or `decision`."""
    return PLOTS / f"{kind}.csv"


def builder_table(name: str) -> Path:
    """A table behind the pictures of the builders: `auroc`, `roc`, `calibration` or `twins`."""
    return BUILDER_TABLES / f"{name}.csv"


def worth_picture(learner: str) -> Path:
    """What the builders are worth to one learner: trees in `worth.png`, others by name."""
    return DATA / "worth" / ("worth.png" if learner == "xgboost" else f"worth_{learner}.png")
