"""Every place where the pipeline reads or writes, relative to the root of the repository.

Each folder of `data/` is named for the stage that writes it.
"""

from __future__ import annotations

from pathlib import Path

PARAMS = Path("params.yaml")
DVC_YAML = Path("dvc.yaml")
DVC_LOCK = Path("dvc.lock")
DATA = Path("data")

REGISTRY_CASES = DATA / "registry" / "cases.csv"
REGISTRY_TRUTH = DATA / "registry" / "truth.parquet"
INGESTED_CASES = DATA / "ingest" / "cases.parquet"
PROBLEMS = DATA / "ingest" / "problems.csv"
COHORT_CASES = DATA / "cohort" / "cases.parquet"
OUTCOMES = DATA / "cohort" / "outcomes.parquet"
FLOW = DATA / "cohort" / "flow.csv"
SAMPLE_SIZE = DATA / "cohort" / "sample_size.csv"
FEATURES = DATA / "derive" / "features.parquet"
SPLIT = DATA / "split" / "split.parquet"
TRAIN = DATA / "train"
PREDICT = DATA / "predict"
METRICS = DATA / "evaluate" / "metrics.json"
PLOTS = DATA / "evaluate" / "plots"
EXPLAIN = DATA / "explain"
REPORT = DATA / "report" / "report.html"

REFERENCE_DICTIONARY = Path("docs") / "dictionary.md"


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
