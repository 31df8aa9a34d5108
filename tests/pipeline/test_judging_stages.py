"""The stages `subgroups`, `completeness` and `stability` on a small study whose files are made as earlier stages do."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import yaml

from features.builders import build_features
from features.cohort import cohort_flow
from features.completeness import levels
from features.dictionary import load_dictionary
from features.errors import ParamsError
from features.outcomes import DAYS_PER_MONTH, horizon_months, outcome_labels
from features.predictors import candidate_predictors, predictor_frame
from models.bundle import Bundle, write_bundle
from models.censoring import censoring_weights
from models.encoding import rounded
from models.experience import SimilarCases, seen_in
from models.predictor import RiskPredictor
from models.splitting import split_cases
from models.subgroups import Judged
from models.training import Development, learn
from pipeline import paths
from pipeline.files import write_json, write_table
from pipeline.params import Params, load_params
from pipeline.stages import completeness, stability, subgroups
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_registry

REGISTRY = RegistryParams(seed=71, cases=600, centres=4, first_year=2019, years=3, discordance_effect=1.0)
OUTCOMES = {"failure_12m": 12, "reoperation_24m": 4}
SPOILT = "HANDFUL"
"""A centre of three cases."""


@pytest.fixture(scope="module")
def params(tmp_path_factory) -> Params:
    content = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    content["train"]["outcomes"] = list(OUTCOMES)
    content["subgroups"]["by"] = [*content["subgroups"]["by"], "bmi_kg_m2"]
    content["subgroups"]["bands"]["bmi_kg_m2"] = [25.0, 30.0]
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_params(path)


@pytest.fixture(scope="module")
def study(params, tmp_path_factory) -> Path:
    """A folder in which the stages before have run; nobody recorded the body mass index."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_study(params)
    return folder


def make_study(params: Params) -> None:
    cases = draw_registry(REGISTRY)[0].set_index("case_id")
    for name in [name for name in cases.columns if name.endswith("_date")]:
        cases[name] = pd.to_datetime(cases[name])
    cases = cases[cohort_flow(cases, params.cohort)[0]]
    labels = outcome_labels(cases, {name: params.cohort.outcomes[name] for name in OUTCOMES})
    known = {v.name for v in load_dictionary().known_by("preoperative")} - {"bmi_kg_m2"}
    cases = cases[[name for name in cases.columns if name in known]]
    split = split_cases(cases, 1, 3, 4, 2021)
    temporal = cases.index[split["set"] == "temporal"]
    cases.loc[temporal[:3], "centre_id"] = SPOILT
    features = build_features(cases, params.derive)
    for table, path in (
        (cases, paths.COHORT_CASES),
        (labels, paths.OUTCOMES),
        (split, paths.SPLIT),
        (features, paths.FEATURES),
    ):
        write_table(table, path)
    for outcome, most in OUTCOMES.items():
        train(params, outcome, candidate_predictors(outcome, most), cases, features, labels, split)


def train(params, outcome, predictors, cases, features, labels, split) -> None:
    inside = (split["set"] == "development").to_numpy()
    y = labels.loc[inside, outcome].to_numpy(dtype=float)
    weights = np.where(np.isnan(y), 0.0, 1.0)
    if f"{outcome}_days" in labels:
        days = labels.loc[inside, f"{outcome}_days"].to_numpy(dtype=float)
        weights = censoring_weights(days, y, horizon_months(outcome) * DAYS_PER_MONTH)
    X = predictor_frame(cases, features, [p.name for p in predictors])[inside]
    used = weights > 0
    data = Development(
        outcome, X[used], y[used], weights[used],
        split.loc[inside, "patient_id"].to_numpy(dtype=str)[used], split.loc[inside, "fold"].to_numpy()[used],
    )  # fmt: skip
    learned = learn(data, "logistic", predictors, {"C": 0.01}, refits=6, seed=1)
    bundle = Bundle(
        outcome=outcome, outcome_label="", horizon_months=horizon_months(outcome), learner="logistic",
        hyperparameters={}, provenance="virtual", predictors=learned.predictors, recalibration=learned.recalibration,
        builder_params=dataclasses.asdict(params.derive), development={}, model=learned.model, refits=learned.refits,
        seen=seen_in(data.X, learned.predictors),
        similar=SimilarCases.learned(learned.model.contributions(data.X)[1], data.y, data.weights),
    )  # fmt: skip
    write_bundle(bundle, paths.learner_folder(outcome, "logistic"))
    write_json({"chosen": "logistic", "learners": {"logistic": {}}}, paths.choice(outcome))
    odds = rounded(learned.out_of_fold)
    table = pd.DataFrame(
        {"learner": "logistic", "y_true": data.y, "weight": data.weights, "log_odds": odds}, data.X.index
    )
    write_table(table, paths.out_of_fold(outcome))


@pytest.fixture(scope="module")
def run(params, study) -> Callable[[ModuleType], dict[str, bytes]]:
    """Runs a stage in the study and returns the files of its folder; once a stage."""
    done: dict[str, dict[str, bytes]] = {}

    def run_once(stage: ModuleType, *, again: bool = False) -> dict[str, bytes]:
        name = stage.__name__.rsplit(".", 1)[-1]
        if again or name not in done:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(study)
                stage.run(params)
            folder = study / "data" / name
            done[name] = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        return done[name]

    return run_once


@pytest.fixture(scope="module")
def cases(study) -> pd.DataFrame:
    return pd.read_parquet(study / paths.COHORT_CASES)


def read(files: dict[str, bytes], name: str) -> dict:
    return json.loads(files[name], parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def figures(content: object, where: str = "") -> dict[str, dict]:
    """Every figure of a file by its place in it."""
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        return {}
    if "estimate" in content:
        return {where: content}
    return {k: v for key, part in content.items() for k, v in figures(part, f"{where}/{key}").items()}


def predictor(study: Path, outcome: str) -> RiskPredictor:
    return RiskPredictor.load(study / paths.learner_folder(outcome, "logistic"))


@pytest.mark.parametrize("stage", [subgroups, completeness, stability])
def test_no_number_is_silent_and_no_patient_is_named(run, cases, stage):
    files = run(stage)
    found = {k: v for name in files if name.endswith(".json") for k, v in figures(read(files, name)).items()}
    assert found
    for place, figure in found.items():
        is_whole = all(figure[key] is not None for key in ("estimate", "lower", "upper"))
        assert is_whole or "reason" in figure or stage is stability, place
    named = "|".join([*cases.index, *cases["patient_id"].unique()])
    for name, content in files.items():
        assert not re.search(named.encode(), content), name


def test_a_second_run_gives_the_same_bytes(run):
    assert run(stability) == run(stability, again=True)


# ---- subgroups ---------------------------------------------------------------------------------------


def rows(files: dict[str, bytes], outcome: str, set_name: str) -> pd.DataFrame:
    return pd.DataFrame(read(files, "subgroups.json")["outcomes"][outcome]["sets"][set_name])


def test_groups_of_a_variable_make_up_the_set(run):
    for set_name in ("development", "temporal", "geographic"):
        found = rows(run(subgroups), "failure_12m", set_name)
        whole = found[found["variable"] == "all"].iloc[0]
        for variable, part in found[found["variable"] != "all"].groupby("variable"):
            assert part["cases"].sum() == whole["cases"], variable
            untold = part.loc[part["events"].isna(), "cases"]
            assert (untold < 5).all()
            assert 0 <= whole["events"] - part["events"].sum() <= untold.sum(), variable


def test_a_column_that_the_cohort_lacks_is_skipped_with_the_reason(run):
    assert read(run(subgroups), "subgroups.json")["skipped"] == {"bmi_kg_m2": "the cohort has no column bmi_kg_m2"}


def test_a_centre_of_three_keeps_its_row_and_says_why_there_is_no_number(run):
    found = rows(run(subgroups), "reoperation_24m", "temporal").query("group == @SPOILT").iloc[0]
    assert found["cases"] <= 3
    for metric in found["metrics"].values():
        assert metric["estimate"] is None
        assert "at least 20 are needed" in metric["reason"]


def test_flag_rates_are_those_of_the_risks_and_say_why_where_there_is_none(run, study, cases, params):
    rates = pd.read_csv(study / paths.FLAG_RATES)
    assert set(rates["threshold"]) == set(params.evaluate.thresholds)
    split = pd.read_parquet(study / paths.SPLIT)
    female = cases[(split["set"] == "geographic") & (cases["sex"] == "female")]
    risk = predictor(study, "failure_12m").risk(female, build_features(female, params.derive))
    found = rates.query("outcome == 'failure_12m' and set == 'geographic' and group == 'female' and threshold == 0.3")
    assert found["flagged"].item() == (risk >= 0.3).sum()
    assert found["cases"].item() == len(female) > found["known"].item()
    handful = rates.query("group == @SPOILT")
    assert handful[["flagged_share", "flagged", "events", "false_flags"]].isna().all(axis=None)
    assert (handful["flagged_share_reason"] == "only 3 cases; at least 20 are needed").all()


def test_every_outcome_has_its_forest(run):
    assert {f"forest_{outcome}.png" for outcome in OUTCOMES} <= set(run(subgroups))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"by": ["sex", "sex"]}, "subgroups.by names sex twice"),
        ({"bands": {"age_year": [40]}}, "subgroups.bands names age_year; known are sex"),
        ({"bands": {"age_years": [60, 45]}}, "subgroups.bands.age_years must hold numbers that rise"),
        ({"bands": {"age_years": []}}, "subgroups.bands.age_years must hold numbers that rise"),
        ({"bnads": {}}, "unknown key subgroups.bnads (is bands meant?)"),
    ],
)
def test_groups_that_cannot_be_made_are_refused_in_words(params_yaml, changes, words):
    changed = params_yaml({f"subgroups.{key}": value for key, value in changes.items()})
    with pytest.raises(ParamsError, match=re.escape(words)):
        load_params(changed)


def test_a_set_without_a_known_outcome_is_told_and_no_crash(study, params):
    """Every label of the temporal set is lost; flags are counted all the same."""
    index = pd.Index([f"C{place}" for place in range(60)], name="case_id")
    nobody = Judged(y=np.full(60, np.nan), risk=np.linspace(0.1, 0.6, 60), weights=np.zeros(60))
    cases = pd.DataFrame({"sex": ["female", "male"] * 30}, index=index)
    groups = [subgroups.grouping(cases, "sex")]
    for row in subgroups.performance_rows("temporal", index, nobody, groups, 0.3):
        assert row["cases"] == 0
        assert {value.reason for value in row["metrics"].values()} == {"only 0 known outcomes; at least 20 are needed"}
    for row in subgroups.flag_rows("temporal", index, nobody, groups, [0.3]):
        assert row["flagged"] == 18
        assert row["sensitivity"] is None
        assert "at least 20 are needed" in row["sensitivity_reason"]
    none = np.zeros(0)
    for value in completeness.level_metrics(none, none, none, 0.3).values():
        assert value.reason == "there are no cases"


def test_a_group_is_set_against_all_the_others_without_itself():
    index = pd.Index([f"C{place}" for place in range(200)], name="case_id")
    is_female = np.arange(200) < 120
    judged = Judged(y=np.arange(200) % 2.0, risk=np.where(is_female, 0.5, 0.1), weights=np.ones(200))
    groups = [subgroups.grouping(pd.DataFrame({"sex": np.where(is_female, "female", "male")}, index=index), "sex")]
    for row in subgroups.flag_rows("temporal", index, judged, groups, [0.3]):
        assert row["flagged_share_difference"] == (1.0 if row["group"] == "female" else -1.0)


def test_a_level_of_a_handful_has_no_figure():
    handful = completeness.level_metrics(np.array([0.0, 1.0, 0.0]), np.array([0.2, 0.3, 0.4]), np.ones(3), 0.3)
    assert {value.reason for value in handful.values()} == {"only 3 cases; at least 5 are needed"}


# ---- completeness ------------------------------------------------------------------------------------


def test_every_level_is_evaluated_and_the_whole_comes_first(run):
    found = read(run(completeness), "completeness.json")
    assert set(found) == set(OUTCOMES)
    by_order = sorted(found["failure_12m"], key=lambda name: found["failure_12m"][name]["order"])
    assert by_order == [level.name for level in levels()]
    assert found["failure_12m"]["whole"]["test_set"]["temporal"]["difference"] == {}
    assert found["failure_12m"]["no_drawing"]["variables_blanked"] == 38


def test_a_blanked_block_is_predicted_as_a_record_without_it(run, study, cases):
    split = pd.read_parquet(study / paths.SPLIT)
    labels = pd.read_parquet(study / paths.OUTCOMES)["failure_12m"]
    asked = cases[(split["set"] == "temporal") & labels.notna()]
    record = asked.drop(columns=[name for name in asked.columns if name.startswith("pain_")])
    explained = predictor(study, "failure_12m").predict(record)
    told = read(run(completeness), "completeness.json")["failure_12m"]["no_drawing"]["test_set"]["temporal"]
    assert told["metrics"]["mean_risk"]["estimate"] == pytest.approx(explained.risks["risk"].mean())
    assert told["cases"] == len(asked)


def test_what_the_model_does_not_use_changes_nothing_and_what_it_uses_does(run, study):
    """Negative control: the model of reoperation knows no drawing; that of failure does."""
    used = {p.name for p in predictor(study, "reoperation_24m").bundle.predictors}
    assert used == {"earlier_lumbar_operations", "is_current_smoker", "has_planned_modic"}
    found = read(run(completeness), "completeness.json")
    for test_set in ("temporal", "geographic"):
        unmoved = found["reoperation_24m"]["no_drawing"]["test_set"][test_set]["difference"]
        assert unmoved["log_loss"]["estimate"] == unmoved["auroc"]["estimate"] == 0
        assert found["failure_12m"]["no_drawing"]["test_set"][test_set]["difference"]["log_loss"]["estimate"] != 0


# ---- stability ---------------------------------------------------------------------------------------


def test_stability_tells_every_threshold_and_draws_every_outcome(run, params):
    files = run(stability)
    assert {f"{outcome}.png" for outcome in OUTCOMES} | {"stability.json"} == set(files)
    found = read(files, "stability.json")["failure_12m"]
    assert (found["learner"], found["refits"]) == ("logistic", 6)
    told = found["test_set"]["temporal"]
    assert set(told["flags"]) == {f"{threshold:g}" for threshold in params.evaluate.thresholds}
    assert 0 < told["risk"]["mape"]["estimate"] < told["risk"]["range_width"]["estimate"] < 1
    assert told["known"] < told["cases"]
