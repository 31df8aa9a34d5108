"""A million cases of one Parquet file to risks, intervals and contributions, beside the raw library on a ready matrix.

`backcast score` runs as a user runs it, in a process of its own: it reads and checks the file, builds the features,
answers, writes the table and logs it in MLflow. XGBoost beside it has its matrix ready before its clock starts. What
surrounds the answers costs the same whatever the trees are, and XGBoost alone walks through few stumps much faster than
through deep trees: so both are measured, the study's own and trees as they are commonly set.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import xgboost as xgb

from features.builders import build_features
from features.cohort import provenance
from features.predictors import predictor_frame
from models.bundle import read_bundle, write_bundle
from models.predictor import RiskPredictor
from models.training import learn
from pipeline import paths
from pipeline.development import carried, development
from pipeline.files import read_cases
from pipeline.params import load_params
from pipeline.stages.train import as_bundle
from tests.bench.invented import many_cases, write_cases
from tests.bench.measuring import NO_RUN, PRIMARY, Ended, Row, alone, chosen_bundle, not_made, program, seconds

TITLE = "What does a nation's batch cost, beside the library beneath?"
MILLION, LEAST = 1_000_000, 2_000
SLICE = 100_000
AT_MOST, AT_MOST_GB = 1.3, 8.0
COMMON = {"max_depth": 3, "n_rounds": 150, "min_child_weight": 20, "learning_rate": 0.06}
AROUND = "features, the key of each case's input, reading and checking the file, the table in Parquet and in MLflow"


def rows(scale: float) -> list[Row]:
    trees, chosen = Path("data") / "train" / PRIMARY / "xgboost", chosen_bundle(PRIMARY)
    if chosen is None or not trees.is_dir():
        return [not_made(f"{MILLION:,} cases", NO_RUN)]
    n = max(int(MILLION * scale), LEAST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cases(n, folder / "cases.parquet")
        common = write_trees(COMMON, folder / "common")
        told = [row for bundle in (trees, common) for row in beside_xgboost(folder, bundle, n)]
        return told if chosen == trees else [*told, *alone_rows(scored(folder, chosen), f"the chosen {chosen.name}", n)]


def write_trees(setting: dict[str, Any], folder: Path) -> Path:
    """The primary outcome learned by trees of one setting, with the study's refits, as a bundle."""
    params, can, cases = load_params(), carried(PRIMARY), read_cases(paths.COHORT_CASES)
    data, train = development(cases, PRIMARY, can.predictors), params.train
    grid = train.grid("xgboost") | setting
    result = learn(data, "xgboost", can.predictors, grid, refits=train.refits, seed=train.seed)
    write_bundle(as_bundle(result, data, params, PRIMARY, provenance(cases)), folder)
    return folder


def beside_xgboost(folder: Path, bundle: Path, n: int) -> list[Row]:
    """The folder's cases scored by a bundle, and XGBoost with the same trees."""
    setting = read_bundle(bundle).hyperparameters
    trees = f"{setting['n_rounds']} trees of depth {setting['max_depth']}"
    command = [sys.executable, "-m", "tests.bench.batch", str(bundle), str(n)]
    every = {"OMP_NUM_THREADS": str(os.cpu_count())}  # XGBoost takes no more than OpenMP allows, whatever it is told
    raw = json.loads(alone(command, env=every).out.splitlines()[-1])
    ended = scored(folder, bundle)
    ours = f"`backcast score` of {n:,} cases, from its start to its end: {ended.seconds:.0f} s"
    matrix, once, refits = "XGBoost with the same trees, its matrix ready, on one thread", raw["once"], raw["refits"]
    return [
        Row(
            what=f"{n:,} cases with {trees}, beside XGBoost's predict and contributions",
            figure=ended.seconds / once, unit="times", at_most=AT_MOST, how=f"{ours}; {matrix}: {once:.0f} s",
            limited_by=f"{AROUND}, and the refits of the interval, which the library alone has not",
        ),
        Row(
            what=f"{trees}, beside XGBoost on {os.cpu_count()} threads", figure=ended.seconds / raw["on all"],
            unit="times",
            how=f"{ours}; XGBoost on all of them: {raw['on all']:.0f} s, {raw['processor']:.0f} s of processor",
            limited_by="one thread for all but the features and the files; a folder of parts uses every processor",
        ),
        Row(
            what=f"{trees}, beside XGBoost doing the same work, refits too",
            figure=ended.seconds / (once + refits), unit="times", how=f"{ours}; {matrix}: {once + refits:.0f} s",
            limited_by=AROUND,
        ),
        *alone_rows(ended, trees, n),
    ]  # fmt: skip


def alone_rows(ended: Ended, model: str, n: int) -> list[Row]:
    return [
        Row(
            what=f"{model}: cases a second", figure=n / ended.seconds, unit="a second",
            how=f"`backcast score` of {n:,} cases: {ended.seconds:.0f} s",
            limited_by=f"{AROUND}, and the refits of the interval",
        ),
        Row(
            what=f"{model}: memory peak", figure=ended.peak_gb, unit="GB", at_most=AT_MOST_GB,
            how="the process of `backcast score`", limited_by="what is held of cases, features and answers at once",
        ),
    ]  # fmt: skip


def scored(folder: Path, bundle: Path) -> Ended:
    """`backcast score` of the folder's cases, with a store of its own in the folder."""
    out = folder / "risks.parquet"
    command = [program("backcast"), "score", "cases.parquet", "--model", str(bundle.resolve()), "--out", str(out)]
    ended = alone(command, cwd=folder, env={"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"})
    out.unlink()
    return ended


def raw_seconds(folder: Path, n: int) -> dict[str, float]:
    """What XGBoost alone takes for risks and contributions of so many cases, on one thread and on all, and for the
    risks of all refits on one; by a process of its own. `processor` is what all threads together took."""
    predictor, cases = RiskPredictor.load(folder), many_cases(min(n, SLICE))
    model, refits = predictor.bundle.model, [refit.booster for refit in predictor.bundle.refits]
    frame = predictor_frame(cases, build_features(cases, predictor.builder_params), predictor.names)
    matrix = model.encoding.encode(frame)
    one, every = (on_threads(model.ubj, threads) for threads in (1, os.cpu_count()))
    took = dict.fromkeys(("once", "on all", "processor", "refits"), 0.0)
    for start in range(0, n, SLICE):
        ready = xgb.DMatrix(matrix[: min(SLICE, n - start)], nthread=1)
        took["once"] += seconds(lambda x=ready: (one.predict(x), one.predict(x, pred_contribs=True)))
        before = time.process_time()
        took["on all"] += seconds(lambda x=ready: (every.predict(x), every.predict(x, pred_contribs=True)))
        took["processor"] += time.process_time() - before
        took["refits"] += seconds(lambda x=ready: [refit.predict(x) for refit in refits])
    return took


def on_threads(ubj: bytes, threads: int | None) -> xgb.Booster:
    booster = xgb.Booster({"nthread": threads})
    booster.load_model(bytearray(ubj))
    return booster


if __name__ == "__main__":
    print(json.dumps(raw_seconds(Path(sys.argv[1]), int(sys.argv[2]))))
