"""What the tracked model costs as a function of Spark, beside the same model in one process (`how_to/spark.md`)."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd

from models.predictor import RiskPredictor
from tests.bench.invented import drawn_cases, write_cases
from tests.bench.measuring import NO_RUN, PRIMARY, Row, chosen_bundle, not_made, seconds

TITLE = "What does Spark cost?"
CASES, LEAST = 200_000, 4_000
SETTINGS = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def rows(scale: float) -> list[Row]:
    what = "a local Spark of one thread, beside one process"
    bundle = chosen_bundle(PRIMARY)
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        return [not_made(what, "Spark is not installed: `make spark`, and Java 17")]
    if bundle is None:
        return [not_made(what, NO_RUN)]
    n = max(int(CASES * scale), LEAST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cases(n, folder / "cases.parquet")
        spark, own = in_spark(folder), in_one_process(folder, bundle)
    how = f"{n:,} cases of one Parquet file to answers on disk, after a first call; {spark:.0f} s and {own:.0f} s"
    by = "every batch goes from Java to Python and back through Arrow, and through MLflow's checks of its columns"
    return [Row(what=what, figure=spark / own, unit="times", how=how, limited_by=by)]


def in_spark(folder: Path) -> float:
    """Seconds of Spark with the model as MLflow keeps it, once it has loaded it."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    import mlflow
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col, struct

    from tests.bench.service import saved_model

    model = str(saved_model(folder))
    session = SparkSession.builder.master("local[1]").config(map=SETTINGS).getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    try:
        cases = session.read.parquet(str(folder / "cases.parquet"))
        inputs = [one for one in mlflow.models.get_model_info(model).signature.inputs if one.name in cases.columns]
        asked = struct(*[col(one.name).cast(one.type.name).alias(one.name) for one in inputs])
        answer = mlflow.pyfunc.spark_udf(session, model, env_manager="local")

        def score(some, out: str) -> None:  # type: ignore[no-untyped-def]
            some.select("case_id", answer(asked).alias("a")).select("case_id", "a.*").write.parquet(str(folder / out))

        score(cases.limit(10), "warm")
        return seconds(lambda: score(cases, "risks"))
    finally:
        session.stop()


def in_one_process(folder: Path, bundle: Path) -> float:
    predictor = RiskPredictor.load(bundle)
    predictor.predict(drawn_cases().head(10).set_index("case_id"))

    def score() -> None:
        cases = pd.read_parquet(folder / "cases.parquet").set_index("case_id")
        explained = predictor.predict(cases.assign(index_date=cases["index_date"].astype(str)))
        pd.concat([explained.risks, explained.contributions], axis=1).to_parquet(folder / "own.parquet")

    return seconds(score)
