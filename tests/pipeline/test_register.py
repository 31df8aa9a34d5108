"""Registering: one outcome of a small study, with the store, the runs and the ledger as they are."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from features.errors import TrackingError
from features.predictors import predictor
from models.bundle import write_bundle
from models.comparison import paired_differences
from models.metrics import auroc, brier_score
from models.promotion import FIRST
from models.training import Development, learn
from pipeline import ledger, paths, tracking
from pipeline.cause_version import NEWER, register_causes
from pipeline.files import read_json, read_table, write_json, write_table, write_text
from pipeline.params import Params, load_params
from pipeline.promotions import promotion_lines
from pipeline.run_contents import flat, run_files, run_metrics
from pipeline.stages import register, train

OUTCOME = "failure_12m"
ROOT = Path(__file__).resolve().parents[2]
FIGURE = {"estimate": 0.7, "lower": 0.65, "upper": 0.75}
ONCE = {"estimate": None, "lower": None, "upper": None, "reason": "there are no cases"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Iterator[tuple[Path, Params]]:
    """A folder in which an outcome was learned by two learners and measured; the logistic one is chosen."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        for package in ("features", "models", "pipeline"):
            (folder / package).symlink_to(ROOT / package)
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("BACKCAST_WHO", "a statistician")
        params = load_params(ROOT / "params.yaml")
        params = dataclasses.replace(params, train=dataclasses.replace(params.train, outcomes=[OUTCOME]))
        write_learned(params)
        write_measured()
        yield folder, params
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def write_learned(params: Params) -> None:
    rng = np.random.default_rng(2)
    n = 600
    index = pd.Index([f"C{i:04d}" for i in range(n)], name="case_id")
    X = pd.DataFrame({"odi": rng.integers(5, 48, n) * 2.0, "nrs_back": rng.integers(0, 11, n) * 1.0}, index=index)
    y = (rng.random(n) < 1 / (1 + np.exp(1 - 0.05 * (X["odi"].to_numpy() - 50)))).astype(float)
    patients = np.array([f"P{i // 2:04d}" for i in range(n)])
    data = Development(OUTCOME, X, y, np.ones(n), patients, np.arange(n) // 2 % 4)
    predictors = [predictor(name) for name in X.columns]
    learned = {
        learner: learn(data, learner, predictors, grid, refits=2, seed=1)
        for learner, grid in (("prevalence", {}), ("logistic", {"C": 0.1}))
    }
    for learner, result in learned.items():
        write_bundle(train.as_bundle(result, data, params, OUTCOME, "virtual"), paths.learner_folder(OUTCOME, learner))
    write_json(train.choice(learned, data), paths.choice(OUTCOME))
    write_table(train.out_of_fold(learned, data), paths.out_of_fold(OUTCOME))


def write_measured() -> None:
    per_set = {test_set: {"auroc": FIGURE, "net_benefit_30": ONCE} for test_set in ("temporal", "geographic")}
    against = {"baseline": {"cases": 9, "differences": {"auroc": FIGURE, "interventions_avoided_30": FIGURE}}}
    ways = {"plain": {"metrics": {"auroc": FIGURE}}, "weighted_for_response": {"metrics": {"auroc": FIGURE}}}
    write_json({OUTCOME: {"logistic": per_set, "prevalence": per_set}}, paths.METRICS)
    write_json({OUTCOME: dict.fromkeys(per_set, against)}, paths.COMPARISONS)
    write_json({OUTCOME: dict.fromkeys(per_set, ways)}, paths.WEIGHTED)


def choose(learner: str) -> None:
    write_json(read_json(paths.choice(OUTCOME)) | {"chosen": learner}, paths.choice(OUTCOME))


def champion_version() -> str:
    return str(mlflow.MlflowClient().get_model_version_by_alias(tracking.model_name(OUTCOME), "champion").version)


def with_rule(params: Params, **changes: object) -> Params:
    return dataclasses.replace(params, register=dataclasses.replace(params.register, **changes))


def test_the_story_of_a_champion(study, capsys):
    """Each decision is one line, no decision is none, and the alias follows the ledger."""
    _, params = study
    choose("logistic")
    register.run(params)
    first, knowledge = ledger.lines(paths.promotions())
    assert (first["decision"], first["verdict"]) == ("promoted", "becomes champion: there was none")
    assert (first["who"], first["champion"], first["challenger"]["version"]) == ("a statistician", None, "1")
    assert {len(first["made_from"][name]) for name in ("code_sha256", "development")} == {64}
    assert_knowledge_is_champion(knowledge)
    assert capsys.readouterr().out.count("becomes champion: there was none") == 2

    register.run(params)
    assert capsys.readouterr().out.count("already, and champion") == 2
    assert len(ledger.lines(paths.promotions())) == 2

    choose("prevalence")
    register.run(params)
    refused = ledger.lines(paths.promotions())[2]
    assert refused["verdict"] == "champion stays: the challenger fails on log loss and net benefit"
    assert (refused["challenger"]["learner"], refused["champion"]["learner"]) == ("prevalence", "logistic")
    assert champion_version() == "1"

    before = paths.promotions().read_bytes()
    register.run(params)
    assert "already, and was refused (line 3 of the ledger)" in capsys.readouterr().out
    assert paths.promotions().read_bytes() == before

    register.run(with_rule(params, promote_beyond_standard_errors=2.0))
    assert len(ledger.lines(paths.promotions())) == 4, "by another rule it is another decision"

    mlflow.MlflowClient().set_registered_model_alias(tracking.model_name(OUTCOME), "champion", "2")
    choose("logistic")
    register.run(params)
    last = ledger.lines(paths.promotions())[-1]
    assert (last["line"], last["verdict"], champion_version()) == (5, "beats the champion", "1")

    assert_figures_are_those_of_the_comparison(refused)
    assert_the_run_holds_it_all(last)


def assert_knowledge_is_champion(line: dict) -> None:
    """The model of causes: a version by the hash of what it knows, with its tables and its card, and no figure."""
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias("backcast-cause", "champion")
    assert (line["outcome"], line["decision"], line["figures"]) == ("cause", "promoted", {})
    assert version.tags["bundle_sha256"] == line["challenger"]["bundle_sha256"]
    assert (version.tags["ledger_line"], version.tags["ledger_digest"]) == (str(line["line"]), line["digest"])
    assert version.tags["provenance"] == "knowledge"
    assert "no registry taught it" in version.description
    kept = client.download_artifacts(version.run_id, "knowledge/cause_evidence.csv")
    assert Path(kept).read_bytes() == (ROOT / "features" / "knowledge" / "cause_evidence.csv").read_bytes()
    signature = mlflow.models.get_model_info(f"models:/backcast-cause/{version.version}").signature
    inputs = {column.name for column in signature.inputs}
    assert {"followup_nrs_leg", "operated_fusion_l4_l5"} <= inputs
    assert "adjudicated_cause" not in inputs
    assert "points_recurrent_herniation.sudden_return" in {column.name for column in signature.outputs}
    assert any("cause" in told and "promoted" in told for told in promotion_lines())


def test_what_the_checkout_knows_now_is_champion_and_what_it_knew_comes_back(study, capsys):
    """Versions are made once; the alias goes where the choices go."""
    _, params = study
    register_causes(mlflow.MlflowClient(), params)
    first = champion_of_causes()
    other = dataclasses.replace(params, cause=dataclasses.replace(params.cause, possible=0.3))
    for chosen, verdict in ((other, NEWER), (params, NEWER), (params, "already, and champion")):
        register_causes(mlflow.MlflowClient(), chosen)
        assert verdict in capsys.readouterr().out
    assert champion_of_causes().version == first.version
    assert len(mlflow.MlflowClient().search_model_versions("name = 'backcast-cause'")) == 2


def champion_of_causes():
    return mlflow.MlflowClient().get_model_version_by_alias("backcast-cause", "champion")


def assert_figures_are_those_of_the_comparison(line: dict) -> None:
    """Out of fold, the champion's risks from the losses that its run keeps: the same as from its own log-odds."""
    rows = read_table(paths.out_of_fold(OUTCOME))
    ours, theirs = (rows[rows["learner"] == learner] for learner in ("prevalence", "logistic"))
    risks = [(1 / (1 + np.exp(-part["log_odds"].to_numpy()))).round(8) for part in (ours, theirs)]
    assert len(np.unique(risks[1])) < len(rows) / 2, "ties, which a risk that is worked out again must keep"
    y, patients = ours["y_true"].to_numpy(), ours["patient_id"].to_numpy()
    expected = paired_differences(y, *risks, thresholds=[0.3], patients=patients)
    found = line["figures"]["differences"]
    for name in ("brier_score", "log_loss", "net_benefit_30"):
        for part in ("estimate", "lower", "upper"):
            assert found[name][part] == pytest.approx(getattr(expected[name], part), abs=1e-7), name
    two_pairs = 2 / (y.sum() * (1 - y).sum())  # losses have ten digits: a tie may be one no more
    assert line["figures"]["champion"]["auroc"]["estimate"] == pytest.approx(auroc(y, risks[1]).estimate, abs=two_pairs)
    assert line["figures"]["challenger"]["brier_score"]["estimate"] == pytest.approx(
        brier_score(y, risks[0]).estimate, abs=1e-7
    )
    assert (line["figures"]["cases"], line["figures"]["patients"]) == (600, 300)


def assert_the_run_holds_it_all(line: dict) -> None:
    client = mlflow.MlflowClient()
    version = client.get_model_version(tracking.model_name(OUTCOME), "1")
    assert (version.tags["ledger_line"], version.tags["ledger_digest"]) == ("5", line["digest"])
    kept = client.download_artifacts(version.run_id, "ledger/promotions.jsonl")
    assert Path(kept).read_bytes() == paths.promotions().read_bytes()
    metrics = client.get_run(version.run_id).data.metrics
    assert metrics["temporal/auroc"] == 0.7
    assert metrics["geographic_vs_baseline/auroc_lower"] == 0.65
    weak = client.get_run(client.get_model_version(tracking.model_name(OUTCOME), "2").run_id).data.metrics
    assert weak["vs_champion/brier_score"] > 0
    assert not any("interventions_avoided" in name for name in [*metrics, *weak] if "_vs_" in name or "vs_c" in name)
    challenge = json.loads(Path(client.download_artifacts(version.run_id, "challenge/comparison.json")).read_text())
    assert challenge["is_promoted"] is True


def test_a_broken_ledger_stops_before_anything_is_registered(study, monkeypatch):
    folder, params = study
    elsewhere = folder / "another"
    elsewhere.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere / 'mlflow.db'}")
    paths.promotions().write_text('{"line": 1}\n')
    with pytest.raises(TrackingError, match="line 1 is not a line of a ledger"):
        register.run(params)
    assert not (elsewhere / "mlflow.db").exists()


@pytest.mark.parametrize("how", ["cut off", "deleted"])
def test_a_ledger_that_versions_contradict_stops_and_is_told(study, how):
    """A shorter chain is whole: only the versions know that there was more."""
    _, params = study
    choose("logistic")
    register.run(params)
    path, whole = paths.promotions(), paths.promotions().read_bytes()
    gone = whole.count(b"\n")
    try:
        path.unlink() if how == "deleted" else path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        words = rf"line {gone}, by which backcast-\w+ version 1 was decided, is not there"
        assert ledger.checked(path)[1] == []
        with pytest.raises(TrackingError, match=words):
            register.run(params)
        with pytest.raises(TrackingError, match=words):
            list(promotion_lines())
        assert not path.exists() or path.read_bytes() in whole
    finally:
        path.write_bytes(whole)
    register.run(params)
    assert re.search(r"whole\. Versions in the store that agree with it: [2-4]\.$", list(promotion_lines())[-1])


@pytest.fixture
def drawn(elsewhere):
    """Everything that `explain` and `report` leave of an outcome, whatever it shows."""
    explained = [f"{name}_{n}{end}" for n in (1, 2) for name, end in (("waterfall", ".png"), ("sources", ".svg"))]
    for name in ("importance.png", "contributions.parquet", "sources_1.txt", "sources_1.png", *explained):
        write_text("", paths.EXPLAIN / OUTCOME / name)
    for path in (paths.REPORT, paths.MODEL_CARD, paths.TRIPOD_AI, paths.METRICS):
        write_text("", path)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("provenance", ["registry", "anything else"])
def test_no_picture_of_a_case_of_a_real_registry_goes_to_mlflow(provenance):
    kept = {"pictures/importance.png", "figures/metrics.json", "report/model_card.html", "report/tripod_ai.csv"}
    assert set(run_files(OUTCOME, provenance)) == kept


@pytest.mark.usefixtures("drawn")
def test_cases_of_the_virtual_registry_are_nobody_and_may_be_shown():
    more = set(run_files(OUTCOME, "virtual")) - set(run_files(OUTCOME, "registry"))
    assert more == {"pictures/waterfall_1.png", "pictures/waterfall_2.png", "report/report.html"}


def test_register_asks_by_the_provenance_of_the_model(monkeypatch, study):
    asked = []
    monkeypatch.setattr(register, "run_files", lambda outcome, provenance: asked.append(provenance) or {})
    monkeypatch.setattr(tracking, "log_model_run", lambda *arguments, **settings: sorted(settings["files"]))
    challenger = register.chosen_model(OUTCOME)
    real = challenger._replace(head={**challenger.head, "provenance": "registry"})
    for one in (challenger, real):
        register._log(one, register.Challenge(FIRST, None, {}, {}), study[0])
    assert asked == ["virtual", "registry"]


@pytest.mark.usefixtures("study")
def test_the_slope_of_the_left_out_centres_is_asked_when_it_is_there():
    assert register.internal_external_slope(OUTCOME) is None
    pooled = {"calibration_slope": {"estimate": 1.0, "lower": 0.9, "upper": 1.1}}
    heterogeneity = {"calibration_slope": {"estimate": 1.0, "lower": 0.8, "upper": 1.2, "tau": 0.1, "centres": 6}}
    try:
        write_json({"recipe": {"pooled": pooled, "heterogeneity": heterogeneity}}, paths.internal_external(OUTCOME))
        assert register.internal_external_slope(OUTCOME)[:3] == (1.0, 0.9, 1.1)
        metrics = run_metrics(OUTCOME, "logistic", {})
        assert metrics["internal_external/calibration_slope_upper"] == 1.1
        assert metrics["heterogeneity/calibration_slope_tau"] == 0.1
        assert "heterogeneity/calibration_slope_centres" not in metrics
        assert run_files(OUTCOME, "registry")["figures/internal_external.json"] == paths.internal_external(OUTCOME)
    finally:
        paths.internal_external(OUTCOME).unlink()


@pytest.mark.usefixtures("study")
def test_what_is_not_estimable_is_no_metric_and_no_name_is_refused_by_mlflow():
    assert flat({"auroc": ONCE, "ici": FIGURE}, "temporal") == {
        "temporal/ici": 0.7, "temporal/ici_lower": 0.65, "temporal/ici_upper": 0.75,
    }  # fmt: skip
    for name in run_metrics(OUTCOME, "logistic", {}):
        mlflow.utils.validation._validate_metric_name(name)
