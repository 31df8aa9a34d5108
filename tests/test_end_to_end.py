"""The whole pipeline on a small registry in a temporary folder: DVC, MLflow and the served model are real."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from playwright.sync_api import sync_playwright
from scipy.special import logit

from features.dictionary import load_dictionary
from pipeline.fhir.commands import case_bundle
from pipeline.stage import STAGES

ROOT = Path(__file__).resolve().parents[1]
OUTCOMES = ["failure_12m", "reoperation_24m"]
pytestmark = pytest.mark.end_to_end


def run(*command: str, cwd: Path, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "PYTEST"))}
    environment |= {"VIRTUAL_ENV": sys.prefix, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", **variables}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def run_stages(*stages: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Stages one after the other, up to one that fails, in one process: most of the time of a small one is to start."""
    program = (
        "import sys; from pipeline.stage import main\n"
        "sys.exit(next((status for stage in sys.argv[1:] if (status := main(stage.split()))), 0))"
    )
    return run(sys.executable, "-c", program, *stages, cwd=cwd)


def stages_run(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def project(finished_study, tmp_path_factory) -> Path:
    """A copy of the finished study, which tests may change."""
    return shutil.copytree(finished_study, tmp_path_factory.mktemp("backcast") / "clone", symlinks=True)


@pytest.fixture(scope="module")
def cases(project) -> Path:
    run("backcast", "example", "cases.csv", "--cases", "60", cwd=project)
    return project / "cases.csv"


@pytest.fixture(scope="module")
def scored(project, cases) -> pd.DataFrame:
    run("backcast", "score", "cases.csv", "--out", "predictions.parquet", cwd=project)
    return pd.read_parquet(project / "predictions.parquet")


def write_params(folder: Path, params: dict) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def test_every_stage_runs_once(finished_study):
    said = (finished_study.parent / "repro.log").read_text()
    assert said.count("Running stage") == len(STAGES)


def test_the_files_that_other_work_relies_on(project):
    data = project / "data"
    for name in ("registry/cases.csv", "registry/truth.parquet", "ingest/problems.csv", "cohort/flow.csv",
                 "derive/features.parquet", "report/report.html"):  # fmt: skip
        assert (data / name).stat().st_size > 0, name
    predictions = pd.read_parquet(data / "predict" / "failure_12m.parquet")
    assert {"case_id", "outcome", "learner", "test_set", "y_true", "risk"} <= set(predictions.columns)
    assert set(predictions["test_set"]) == {"temporal", "geographic"}
    assert predictions["risk"].between(0, 1).all()


def test_metrics_are_json_with_intervals(project):
    text = (project / "data" / "evaluate" / "metrics.json").read_text()
    metrics = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert set(metrics) == set(OUTCOMES)
    auroc = metrics["failure_12m"]["logistic"]["temporal"]["auroc"]
    assert auroc["lower"] < auroc["estimate"] < auroc["upper"]
    assert 0.5 < auroc["estimate"] < 0.85
    for name in ("calibration_intercept", "calibration_slope", "ici", "brier_score", "net_benefit_30"):
        assert set(metrics["failure_12m"]["xgboost"]["geographic"][name]) >= {"estimate", "lower", "upper"}


def test_the_report_needs_no_outside_host(project):
    report = (project / "data" / "report" / "report.html").read_text()
    assert "http://" not in report
    assert "https://" not in report
    assert "not for patients" in " ".join(report.split()) or "no model of it is for patients" in " ".join(
        report.split()
    )


def test_with_nothing_changed_only_register_runs_and_registers_nothing(project):
    again = run("dvc", "repro", cwd=project)
    assert stages_run(again) == ["register"]
    assert again.stdout.count("already, and champion") == len(OUTCOMES) + 1, "and what is known of causes"


def test_a_colleague_without_the_store_gets_the_models_registered_again(project):
    (project / "mlflow.db").unlink()
    shutil.rmtree(project / "mlruns", ignore_errors=True)
    assert stages_run(run("dvc", "repro", cwd=project)) == ["register"]
    client = client_of(project)
    for name in (*OUTCOMES, "cause"):
        assert client.get_model_version_by_alias(f"backcast-{name}", "champion").version in ("1", 1)


def client_of(project: Path) -> mlflow.MlflowClient:
    store = f"sqlite:///{project / 'mlflow.db'}"
    return mlflow.MlflowClient(tracking_uri=store, registry_uri=store)


def test_the_run_carries_commit_lock_parameters_metrics_and_pictures(project):
    client = client_of(project)
    version = client.get_model_version_by_alias("backcast-failure_12m", "champion")
    run_ = client.get_run(version.run_id)
    commit = run("git", "rev-parse", "HEAD", cwd=project).stdout.strip()
    assert run_.data.tags["git_commit"].startswith(commit)
    assert len(run_.data.tags["dvc_lock_sha256"]) == 64
    assert run_.data.tags["provenance"] == "virtual"
    assert run_.data.params["outcome"] == "failure_12m"
    assert {"temporal/auroc", "temporal/auroc_lower", "geographic/calibration_slope"} <= set(run_.data.metrics)
    top = {item.path for item in client.list_artifacts(version.run_id)}
    assert {"pictures", "report", "figures", "challenge", "choice", "ledger"} <= top
    assert version.tags["provenance"] == "virtual"
    assert "not for patients" in version.description
    shipped = [json.loads(path.read_text()) for path in (project / "mlruns").rglob("evidence.json")]
    assert shipped
    assert all("temporal" in figures["essential_only"] for figures in shipped)


def test_a_parameter_reruns_what_depends_on_it_and_nothing_before(project):
    params = yaml.safe_load((project / "params.yaml").read_text())
    try:
        deeper = params | {"train": params["train"] | {"xgboost": params["train"]["xgboost"] | {"max_depth": 3}}}
        write_params(project, deeper)
        assert set(status(project)) == {"appraise", "train", "validate", "cause", "register"}
        more = params["train"]["max_parameters"] | {"reoperation_24m": 4}
        write_params(project, params | {"train": params["train"] | {"max_parameters": more}})
        assert "train" in status(project)
        assert not {"registry", "ingest", "derive", "split"} & set(status(project))
    finally:
        write_params(project, params)


def status(project: Path) -> list[str]:
    """Stages of the default graph that would run; `make worth` has a DVC file of its own."""
    names = json.loads(run("dvc", "status", "--json", cwd=project).stdout)
    return [name for name in names if not name.startswith("pipeline/experiments/")]


def test_a_fresh_run_gives_the_same_bytes(project):
    """What draws, learns and judges again, without any cache: not one hash of `dvc.lock` may change."""
    before = (project / "dvc.lock").read_text()
    again = ["registry", "cohort", "split", "train", "predict", "evaluate"]
    run("dvc", "repro", "--force", "--no-run-cache", "--single-item", *again, cwd=project)
    assert (project / "dvc.lock").read_text() == before


def test_dvc_draws_and_compares(project):
    shown = json.loads(run("dvc", "metrics", "show", "--json", cwd=project).stdout)
    assert "failure_12m" in json.dumps(shown)
    run("dvc", "plots", "show", "-o", "drawn", cwd=project)
    page = (project / "drawn" / "index.html").read_text()
    assert page.count("vegaEmbed(") == 5
    for word in (*OUTCOMES, "temporal", "geographic"):
        assert word in page


def test_every_notebook_tells_its_story_and_no_figure_lacks_a_thing(project):
    """All but the trial of a method, which has its own test; a study of 2,400 cases, two outcomes."""
    names = [path.name for path in sorted((project / "notebooks").glob("*.ipynb")) if "optimism" not in path.name]
    program = [
        sys.executable,
        "tests/notebooks/in_one_process.py",
        "notebooks.json",
        *(f"notebooks/{n}" for n in names),
    ]
    run(*program, cwd=project, PYTHONPATH=str(project))
    told = json.loads((project / "notebooks.json").read_text())
    assert len(told) == len(names) >= 8
    for name, its in told.items():
        assert its["error"] is None, (name, its["error"])
        assert its["stderr"] == "", (name, its["stderr"])
        assert len(its["figures"]) + its["drawings"] >= 3, name
        assert {title: lacks for title, lacks in its["figures"].items() if lacks} == {}, name


def test_a_notebook_becomes_a_page_that_needs_nothing_else(project):
    done = run(sys.executable, "-m", "pipeline.notebooks", "01_cohort", cwd=project)
    page = (project / "data" / "notebooks" / "01_cohort.html").read_text()
    assert "01_cohort.html" in done.stdout
    assert page.count('<img src="data:image/png;base64,') == 5
    assert "<svg" in page
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", page)


def test_contributions_add_up_on_every_scored_case(scored):
    answered = scored[scored["red_flags"] == ""]
    assert len(answered) > 50
    contributions = answered.filter(like="contribution_").fillna(0).sum(axis=1)
    np.testing.assert_allclose(answered["base_log_odds"] + contributions, logit(answered["risk"]), rtol=0, atol=1e-9)
    assert (answered["risk_lower"] <= answered["risk"]).all()
    assert (answered["risk"] <= answered["risk_upper"]).all()


def test_the_table_of_a_batch(scored):
    assert list(scored.columns[:2]) == ["case_id", "outcome"]
    assert set(scored["outcome"]) == set(OUTCOMES)
    assert {"share_best_lesion", "margin_lesion_mimic", "plan_share", "sacroiliac_probability"} <= set(scored.columns)
    assert scored["prediction_key"].is_unique
    assert (scored["provenance"] == "virtual").all()


def test_a_batch_is_a_run_that_names_no_one(project, scored):
    client = client_of(project)
    experiment = client.get_experiment_by_name("backcast-scores")
    batch = client.search_runs([experiment.experiment_id])[0]
    assert batch.data.tags["model.failure_12m"].startswith("models:/backcast-failure_12m/")
    assert len(batch.data.tags["input_sha256"]) == 64
    logged = pd.read_parquet(client.download_artifacts(batch.info.run_id, "predictions.parquet"))
    assert "case_id" not in logged.columns
    assert "patient_id" not in logged.columns
    np.testing.assert_array_equal(logged["risk"], scored["risk"])


def test_equal_inputs_give_equal_bytes(project, scored):
    run("backcast", "score", "cases.csv", "--out", "again.parquet", cwd=project)
    assert (project / "again.parquet").read_bytes() == (project / "predictions.parquet").read_bytes()


def test_one_case_is_followed_through_the_stages(project):
    split = pd.read_parquet(project / "data" / "split" / "split.parquet")
    for its_set in ("development", "temporal"):
        case = split.index[split["set"] == its_set][0]
        lines = run("backcast", "trace", case, cwd=project).stdout.splitlines()
        stages = [line.split()[0] for line in lines]
        last = "train" if its_set == "development" else "explain"
        assert [stages[0], stages[-1]] == ["registry", last]
        assert its_set in "\n".join(lines)
    absent = run("backcast", "trace", "C999999", cwd=project, check=False)
    assert absent.returncode == 12
    assert "Traceback" not in absent.stderr


@pytest.fixture(scope="module")
def records(cases) -> pd.DataFrame:
    """The scored cases as a client would hold them: numbers as floats, words as text even where all are empty."""
    frame = pd.read_csv(cases).drop(columns=["index_date", "patient_id", "centre_id", "record_origin"])
    is_number = {name: variable.is_numeric for name, variable in load_dictionary().by_name.items()}
    return frame.astype({name: "float64" if is_number[name] else object for name in frame.columns})


def answered_elsewhere(project: Path, model: str, cases: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """What `mlflow.pyfunc` answers in a new process, in another folder, without the project on the path."""
    cases.to_parquet(folder / "cases.parquet")
    program = (
        "import sys, mlflow, pandas as pd\n"
        "sys.path[:] = [p for p in sys.path if p != sys.argv[3]]\n"
        "mlflow.set_tracking_uri(sys.argv[1]); mlflow.set_registry_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(sys.argv[2])\n"
        "assert model.metadata.signature is not None\n"
        "model.predict(pd.read_parquet('cases.parquet')).to_parquet('answer.parquet')\n"
        "import features, models\n"
        "print(features.__file__, models.__file__)\n"
    )
    store, name = f"sqlite:///{project / 'mlflow.db'}", f"models:/{model}@champion"
    done = run(sys.executable, "-P", "-c", program, store, name, str(ROOT), cwd=folder)
    assert str(ROOT) not in done.stdout, "the code that was loaded is not the model's own"
    return pd.read_parquet(folder / "answer.parquet")


@pytest.fixture(scope="module")
def by_mlflow(project, records, tmp_path_factory) -> pd.DataFrame:
    return answered_elsewhere(project, "backcast-failure_12m", records, tmp_path_factory.mktemp("elsewhere"))


def test_the_model_works_outside_the_repository(by_mlflow, scored):
    ours = scored.query("outcome == 'failure_12m'").reset_index(drop=True)
    for column in ("risk", "risk_lower", "risk_upper", "base_log_odds"):
        np.testing.assert_allclose(by_mlflow[column], ours[column], rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def service(project):
    """`backcast serve` of the champion of failure."""
    chosen = json.loads((project / "data/train/failure_12m/choice.json").read_text())["chosen"]
    bundle = f"data/train/failure_12m/{chosen}"
    with (project / "doors.log").open("w") as log:
        process = subprocess.Popen(
            ["backcast", "serve", "--model", bundle, "--port", "0", "--store", "doors.db", "--no-export"],
            cwd=project, stderr=log,
        )  # fmt: skip
    try:
        found = None
        while found is None:
            assert process.poll() is None, (project / "doors.log").read_text()[-3000:]
            time.sleep(0.05)
            found = re.search(r'"event": "listening", "address": "([^"]+)"', (project / "doors.log").read_text())
        yield found[1]
    finally:
        process.terminate()
        process.wait(timeout=20)


def post(address: str, body: dict) -> dict:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def risk_by_rest(service: str, record: dict) -> float:
    return post(f"{service}/screen", record)["outcomes"][0]["risk"]


def risk_by_fhir(service: str, record: dict) -> float:
    answer = post(f"{service}/fhir/$screen", case_bundle(record))
    return answer["entry"][0]["resource"]["prediction"][0]["probabilityDecimal"] / 100


def risk_by_cds_hooks(service: str, record: dict) -> float:
    """The card says whole percents; the answer behind it says all."""
    of = {"subject": {"reference": "Patient/p1"}}
    code = {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "63047"}]}
    order = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order", "code": code, **of}
    orders = {"resourceType": "Bundle", "entry": [{"resource": order}]}
    answers = [{"resource": {**one["resource"], **of}} for one in case_bundle(record)["entry"]]
    card = post(
        f"{service}/cds-services/backcast-order-sign",
        {
            "hook": "order-sign",
            "hookInstance": str(uuid.uuid4()),
            "context": {"userId": "u", "patientId": "p1", "draftOrders": orders},
            "prefetch": {
                "patient": {"resourceType": "Patient", "id": "p1"},
                "answers": {"resourceType": "Bundle", "type": "searchset", "entry": answers},
            },
        },
    )["cards"][0]
    with urllib.request.urlopen(f"{service}/predictions/{card['uuid']}", timeout=60) as answer:
        return json.loads(answer.read())["outcomes"][0]["risk"]


ON_THE_PAGE = """async (records) => {
  const { fillForm, readRecord } = await import("/static/record.js");
  const { ask } = await import("/static/service.js");
  const form = document.getElementById("record");
  const risks = [];
  for (const record of records) {
    fillForm(form, record);
    risks.push((await ask(readRecord(form))).outcomes[0].risk);
  }
  return risks;
}"""


def risks_on_the_page(service: str, records: list[dict]) -> list[float]:
    """The page's own form, filled in, read and sent by the page's own program in a browser."""
    named = (os.environ.get("BACKCAST_BROWSER"), *map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    chromium = next(filter(None, named), None)
    if chromium is None and os.environ.get("BACKCAST_REQUIRE_BROWSER") != "1":
        pytest.skip("There is no Chromium: on Debian `apt install chromium`. The other doors agree.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(service)
        return page.evaluate(ON_THE_PAGE, records)


def test_a_case_has_the_same_risk_through_every_door(service, records, scored, by_mlflow):
    """Page, REST, CDS Hooks, FHIR, a scored batch and MLflow: twenty cases, one model."""
    batch = scored.query("outcome == 'failure_12m'").reset_index(drop=True)
    chosen = batch.index[batch["red_flags"] == ""][:20]
    asked = [{k: v for k, v in as_json(records)[place].items() if v is not None} for place in chosen]
    found = {
        "batch": batch.loc[chosen, "risk"],
        "MLflow": by_mlflow.loc[chosen, "risk"].astype(float),
        "CDS Hooks": [risk_by_cds_hooks(service, record) for record in asked],
        "FHIR": [risk_by_fhir(service, record) for record in asked],
    }
    expected = [risk_by_rest(service, record) for record in asked]
    assert len(set(expected)) == 20
    for door, risks in found.items():
        np.testing.assert_allclose(risks, expected, rtol=0, atol=1e-12, err_msg=door)
    np.testing.assert_allclose(risks_on_the_page(service, asked), expected, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def worked_up(project) -> pd.DataFrame:
    """The causes of a few failures of the registry, ranked by the champion."""
    cases = pd.read_csv(project / "data" / "registry" / "cases.csv", low_memory=False)
    failed = cases[cases["workup_date"].notna()].head(20).drop(columns="adjudicated_cause")
    failed.to_csv(project / "failed.csv", index=False)
    done = run("backcast", "workup", "failed.csv", "--out", "causes.parquet", "--pages", "pages", cwd=project)
    assert "20 cases under models:/backcast-cause/1" in done.stdout
    assert len(list((project / "pages").glob("*.html"))) == 20
    return pd.read_parquet(project / "causes.parquet")


def test_a_batch_of_work_ups_is_a_run_that_names_no_one(project, worked_up):
    ranked = worked_up[worked_up["red_flags"] == ""]
    points = ranked.filter(like="points_").sum(axis=1)
    np.testing.assert_allclose(ranked["prior_log_odds"] + points, ranked["log_odds"], rtol=0, atol=1e-12)
    client = client_of(project)
    batch = client.search_runs([client.get_experiment_by_name("backcast-workups").experiment_id])[0]
    assert batch.data.tags["model.cause"] == "models:/backcast-cause/1"
    logged = pd.read_parquet(client.download_artifacts(batch.info.run_id, "causes.parquet"))
    assert not {"case_id", "patient_id"} & set(logged.columns)
    np.testing.assert_array_equal(logged["log_odds"], worked_up["log_odds"])


def test_the_model_of_causes_works_outside_the_repository(project, worked_up, tmp_path):
    """Days are sent as text."""
    records = pd.read_csv(project / "failed.csv")
    is_number = {name: variable.is_numeric for name, variable in load_dictionary().by_name.items()}
    records = records.astype({name: "float64" if is_number[name] else object for name in records.columns})
    loaded = answered_elsewhere(project, "backcast-cause", records, tmp_path)
    first = worked_up[worked_up["rank"] == 1].set_index("case_id")["cause"]
    theirs = pd.Series(loaded["first_cause"].to_numpy(), index=records["case_id"]).dropna()
    assert theirs.to_dict() == first.to_dict()


@pytest.fixture(scope="module")
def server(project):
    """`mlflow models serve`, as the README starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "PYTEST"))}
    environment |= {
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}",
    }
    log = (project / "serve.log").open("w")
    elsewhere = project.parent
    process = subprocess.Popen(
        ["mlflow", "models", "serve", "-m", "models:/backcast-failure_12m@champion", "--env-manager=local",
         "-p", str(port)],
        cwd=elsewhere, env=environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        yield wait_for(f"http://127.0.0.1:{port}", process, project / "serve.log")
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=20)
        log.close()


def wait_for(address: str, process: subprocess.Popen, log: Path) -> str:
    for _ in range(240):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(f"{address}/ping", timeout=2)
            return address
        except OSError:
            time.sleep(0.25)
    raise AssertionError(log.read_text()[-3000:])


def invoke(server: str, body: dict) -> list[dict]:
    request = urllib.request.Request(
        f"{server}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))["predictions"]


def as_json(records: pd.DataFrame) -> list[dict]:
    return json.loads(records.to_json(orient="records"))


def test_the_served_model_gives_the_scored_risks(server, records, scored):
    answers = pd.DataFrame(invoke(server, {"dataframe_records": as_json(records)}))
    ours = scored.query("outcome == 'failure_12m'").reset_index(drop=True)
    np.testing.assert_allclose(answers["risk"].astype(float), ours["risk"], rtol=0, atol=1e-9)
    split = {"columns": list(records.columns), "data": [list(r.values()) for r in as_json(records)]}
    np.testing.assert_allclose(
        [float(a["risk"]) for a in invoke(server, {"dataframe_split": split}) if a["risk"] is not None],
        ours["risk"].dropna(), rtol=0, atol=1e-9,
    )  # fmt: skip


def test_null_absent_and_absent_beside_present_are_all_not_recorded(server, records):
    whole = {k: v for k, v in as_json(records)[0].items() if v is not None and k not in ("odi", "sex")}
    other = {**whole, "odi": 44.0, "sex": "female"}
    absent = invoke(server, {"dataframe_records": [whole]})[0]
    null = invoke(server, {"dataframe_records": [{**whole, "odi": None, "sex": None}]})[0]
    beside, present = invoke(server, {"dataframe_records": [whole, other]})
    assert absent["risk"] == pytest.approx(null["risk"], abs=1e-12)
    assert absent["risk"] == pytest.approx(beside["risk"], abs=1e-12)
    assert absent["missing_predictors"] == null["missing_predictors"] == beside["missing_predictors"]
    assert present["missing_predictors"] < absent["missing_predictors"]


def test_an_empty_yes_or_no_is_not_a_no(server, records):
    whole = {k: v for k, v in as_json(records)[1].items() if k != "has_compensation_claim"}
    empty, no, yes = (
        invoke(server, {"dataframe_records": [{**whole, "has_compensation_claim": value}]})[0] for value in (None, 0, 1)
    )
    assert empty["missing_predictors"] == no["missing_predictors"] + 1
    assert yes["risk"] != no["risk"]


def test_a_bad_value_is_refused_by_name(server, records):
    body = {"dataframe_records": [{**as_json(records)[0], "odi": 140.0}]}
    with pytest.raises(urllib.error.HTTPError) as refusal:
        invoke(server, body)
    assert refusal.value.code == 400
    text = refusal.value.read().decode()
    assert "odi is outside 0 to 100" in text
    assert "140" not in text


def test_a_red_flag_over_http_has_no_risk(server, records):
    answer = invoke(server, {"dataframe_records": [{**as_json(records)[0], "has_saddle_numbness": 1}]})[0]
    assert answer["risk"] is None
    assert answer["red_flags"] == "cauda_equina"


def test_other_code_than_the_models_own_is_refused(project):
    """Editing a feature builder makes every registered model stale for this checkout."""
    builder = project / "features" / "summaries.py"
    original = builder.read_text()
    try:
        builder.write_text(original + "\n# another version\n")
        done = run(
            "python", "-c", "from pipeline.cli import main; main()", "score", "cases.csv", "--out", "stale.parquet",
            cwd=project, check=False,
        )  # fmt: skip
    finally:
        builder.write_text(original)
    assert done.returncode == 11, done.stderr
    assert "was made with code" in done.stderr
    assert not (project / "stale.parquet").exists()


@pytest.fixture
def contest(project, tmp_path) -> Path:
    """A copy of the project in which champions may fall: whatever a test does to it, no other test sees."""
    return shutil.copytree(project, tmp_path / "contest", symlinks=True)


def test_a_weak_challenger_is_judged_out_of_fold_and_the_better_version_wins_its_title_back(contest):
    """A penalty that leaves the logistic learner next to nothing, and shallow trees: whatever is chosen is new.

    After going back to what made the better version, a weaker champion must not stand for ever.
    """
    client = client_of(contest)
    best = client.get_model_version_by_alias("backcast-failure_12m", "champion").version
    params = yaml.safe_load((contest / "params.yaml").read_text())
    weaker = {"logistic": {"C": 0.00001}, "xgboost": params["train"]["xgboost"] | {"max_depth": 1}}
    write_params(contest, params | {"train": params["train"] | weaker})
    run_stages("train failure_12m", "register", cwd=contest)
    weak, comparison = newest(contest)
    assert int(weak) > int(best)
    assert "same development cases and folds" in comparison["judged"]
    assert_alias_follows(contest, comparison, best, weak)

    client.set_registered_model_alias("backcast-failure_12m", "champion", weak)
    write_params(contest, params)
    done = run_stages("train failure_12m", "register", cwd=contest)
    assert "beats the champion" in done.stdout
    assert client.get_model_version_by_alias("backcast-failure_12m", "champion").version == best


def test_a_challenger_of_other_cases_meets_the_champion_in_a_process_of_its_own(contest):
    """Another draw of the registry, and all that learning needs of the pipeline."""
    before = client_of(contest).get_model_version_by_alias("backcast-failure_12m", "champion").version
    params = yaml.safe_load((contest / "params.yaml").read_text())
    write_params(contest, params | {"registry": params["registry"] | {"seed": 7}})
    drawn_and_learned = ("registry", "ingest", "cohort", "derive", "split", "appraise", "train failure_12m")
    run_stages(*drawn_and_learned, "register", cwd=contest)
    version, comparison = newest(contest)
    assert comparison["judged"] == "champion run on other development cases"
    assert np.isfinite(comparison["log_loss_difference"])
    assert comparison["standard_error"] > 0
    assert_alias_follows(contest, comparison, before, version)


def test_an_experiment_runs_what_its_parameter_reaches_and_is_listed(contest):
    done = run("dvc", "exp", "run", "-n", "another", "-S", "explain.waterfalls=2", cwd=contest)
    assert stages_run(done) == ["explain", "report", "register"]
    assert "another" in json.dumps(json.loads(run("dvc", "exp", "show", "--json", cwd=contest).stdout))


def newest(project: Path) -> tuple[str, dict]:
    """The newest version of the primary outcome's model, and how it fared against the champion."""
    client = client_of(project)
    found = max(client.search_model_versions("name = 'backcast-failure_12m'"), key=lambda v: int(v.version))
    return found.version, json.loads(
        Path(client.download_artifacts(found.run_id, "challenge/comparison.json")).read_text()
    )


def assert_alias_follows(project: Path, comparison: dict, before: str, version: str) -> None:
    """The alias moves when, and only when, no condition of the rule fails."""
    now = client_of(project).get_model_version_by_alias("backcast-failure_12m", "champion").version
    assert comparison["is_promoted"] == all(found["is_met"] is not False for found in comparison["conditions"])
    by_name = {found["name"]: found["is_met"] for found in comparison["conditions"]}
    assert by_name["log loss"] == (comparison["log_loss_difference"] < 0)
    assert now == (version if comparison["is_promoted"] else before)
