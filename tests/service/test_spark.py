"""The tracked model as a function of Spark: the steps of `docs/how_to/spark.md` on a local Spark (`make spark`)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.dictionary import load_dictionary
from features.red_flags import red_flag_names
from models.bundle import bundle_sha256
from models.predictor import RiskPredictor
from pipeline import paths
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases

pytestmark = pytest.mark.spark
PAGE = Path(__file__).parents[2] / "docs/how_to/spark.md"
DRAWN = RegistryParams(seed=12, cases=2000, centres=8, first_year=2017, years=6, discordance_effect=1.0)
OF_THEIR_OWN = 3
"""Cases beside those drawn: one with a red flag, one of which nothing is recorded, one with no words."""
NUMBERS = ["risk", "risk_lower", "risk_upper", "base_log_odds", "missing_predictors"]
KEYS = ["case_id", "patient_id", "centre_id", "index_date"]


@pytest.fixture(scope="module", autouse=True)
def asked_for(request):
    if "spark" not in (request.config.getoption("-m") or ""):
        pytest.skip("spark: run it with make spark")


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    """Cases with every preoperative variable, numbers and words missing as they are in a registry."""
    drawn = draw_planned_cases(DRAWN)
    predictors = [v for v in load_dictionary().predictors if v.name in drawn.columns]
    kept = drawn.reset_index(drop=True)[[v.name for v in predictors]]
    added = kept.head(OF_THEIR_OWN).copy()
    added["has_saddle_numbness"] = [1.0, np.nan, np.nan]
    added.loc[1] = np.nan
    added.loc[2, [v.name for v in predictors if not v.is_numeric]] = None
    whole = pd.concat([kept, added], ignore_index=True)
    assert whole.isna().any().any()
    keys = {"case_id": [f"C{i}" for i in range(len(whole))], "patient_id": [f"P{i}" for i in range(len(whole))]}
    return whole.assign(
        **keys, centre_id=np.where(whole.index % 2, "north", "south"), index_date=pd.Timestamp("2026-3-2")
    )


@pytest.fixture(scope="module")
def store(bundles, tmp_path_factory):
    """A scratch store in which the bundles are registered, each as champion of its outcome."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("spark")
        patch.setenv("MLFLOW_TRACKING_URI", f"{paths.SQLITE}{folder}/mlflow.db")
        from pipeline import tracking

        with tracking.store() as client:
            tracking.mlflow.create_experiment(tracking.TRAINING, artifact_location=(folder / "files").as_uri())
            for uri, bundle in bundles:
                outcome = uri.split("/")[1].removeprefix(tracking.MODEL_PREFIX)
                sha256 = bundle_sha256(bundle)
                made = tracking.log_model_run(outcome, bundle, sha256, params={}, metrics={}, tags={}, files={})
                client.set_registered_model_alias(tracking.model_name(outcome), tracking.CHAMPION, made)
        yield folder


@pytest.fixture(scope="module")
def spark(store):
    """A local Spark of two threads that is at home in the folder of the store, outside the repository."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "300",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.chdir(store)
        session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.fixture(scope="module")
def followed(spark, cases):
    """The names of the page's code after it has run, beside a folder `cases.parquet` of two files."""
    Path("cases.parquet").mkdir()
    for number, part in enumerate((cases[:900], cases[900:])):
        part.to_parquet(f"cases.parquet/{number}.parquet", index=False)
    said: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        exec(code, said)
    return SimpleNamespace(**{name: said[name] for name in ("cases", "asked", "answer", "risk", "by_centre")})


@pytest.fixture(scope="module")
def scored(spark, followed, cases):
    """What the page wrote, in the order of the cases."""
    return spark.read.parquet("risks.parquet").toPandas().set_index("case_id").loc[cases["case_id"]]


@pytest.fixture(scope="module")
def own(bundles, cases):
    """The same cases in this process, by the folder of the bundle."""
    return RiskPredictor.load(dict(bundles)["models:/backcast-failure_12m/1"]).predict(cases.drop(columns=KEYS))


def test_every_number_and_every_missing_one_is_that_of_the_predictor(scored, own):
    np.testing.assert_allclose(scored[NUMBERS], own.risks[NUMBERS], rtol=0, atol=1e-12)
    contributions = scored[[f"contribution_{name}" for name in own.contributions]]
    np.testing.assert_allclose(contributions, own.contributions, rtol=0, atol=1e-12)
    assert own.risks["missing_predictors"].nunique() > 2, "cases that miss nothing alike would prove nothing"
    assert scored["provenance"].unique().tolist() == ["virtual"]


def test_a_red_flag_has_no_risk_and_no_other_number_in_its_place(followed, scored, own, cases):
    has_flag = (red_flag_names(cases) != "").to_numpy()
    assert has_flag.sum() > 1
    assert scored["red_flags"].tolist() == own.risks["red_flags"].tolist()
    assert scored["risk"].isna().tolist() == has_flag.tolist()
    alone = (
        followed.cases.select("case_id", followed.risk(followed.asked).alias("risk")).toPandas().set_index("case_id")
    )
    np.testing.assert_allclose(alone["risk"].loc[cases["case_id"]], own.risks["risk"], rtol=0, atol=1e-12)


def test_an_average_passes_over_those_without_a_risk(followed, own, cases):
    by_centre = own.risks["risk"].groupby(cases["centre_id"]).mean()
    average = followed.by_centre.toPandas().set_index("centre_id")["avg(risk)"]
    np.testing.assert_allclose(average[by_centre.index], by_centre, rtol=1e-12)


def test_a_value_out_of_range_is_refused_with_the_words_of_every_other_door(followed):
    from pyspark.errors import PythonException
    from pyspark.sql.functions import lit

    spoiled = followed.cases.limit(5).withColumn("age_years", lit(61000.5))
    with pytest.raises(PythonException, match="age_years is outside 16 to 105 years in 5 rows") as refusal:
        spoiled.select(followed.answer(followed.asked)).collect()
    assert "61000.5" not in str(refusal.value)


def test_a_word_that_is_no_choice_is_refused(followed):
    from pyspark.errors import PythonException
    from pyspark.sql.functions import lit

    spoiled = followed.cases.limit(3).withColumn("sex", lit("divers"))
    with pytest.raises(PythonException, match="sex holds"):
        spoiled.select(followed.answer(followed.asked)).collect()


def test_two_outcomes_stand_side_by_side_in_one_query(spark, followed, scored, bundles, cases):
    import mlflow

    other = mlflow.pyfunc.spark_udf(
        spark, "models:/backcast-worse_12m@champion", result_type="double", env_manager="local"
    )
    columns = [followed.answer(followed.asked)["risk"].alias("failure"), other(followed.asked).alias("worse")]
    both = followed.cases.select("case_id", *columns).toPandas().set_index("case_id").loc[cases["case_id"]]
    worse = RiskPredictor.load(dict(bundles)["models:/backcast-worse_12m/1"]).predict(cases.drop(columns=KEYS))
    np.testing.assert_allclose(both["worse"], worse.risks["risk"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(both["failure"], scored["risk"], rtol=0, atol=0)
