"""Stage `appraise` on a small virtual registry: what it allows, what it refuses, and that each guard fires there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from features.errors import FileFormatError, LeakError, OutcomeError
from features.predictors import candidate_predictors
from models import carrying
from models.training import Development
from pipeline import paths
from pipeline.appraisal_facts import unknown_share
from pipeline.development import carried, development
from pipeline.files import read_cases, read_json, read_table, write_table
from pipeline.params import Params, load_params
from pipeline.stages import appraise, cohort, derive, ingest, registry, split, train

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = "failure_12m"
SMALL = {
    "registry": {"cases": 1200, "centres": 3, "years": 4},
    "split": {"folds": 3, "test_centres": 1},
    "train": {
        "outcomes": [OUTCOME],
        "refits": 2,
        "logistic": {"C": 0.01},
        "xgboost": {
            "max_depth": 2,
            "n_rounds": 40,
            "min_child_weight": 20,
            "learning_rate": 0.06,
            "reg_lambda": 5.0,
            "colsample_bytree": 0.7,
        },
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder in which every stage before `appraise` has run."""
    folder = tmp_path_factory.mktemp("study")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, values in SMALL.items():
        params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    home = Path.cwd()
    os.chdir(folder)
    try:
        for stage in (registry, ingest, cohort, derive, split):
            stage.run(load_params())
    finally:
        os.chdir(home)
    return folder


@pytest.fixture(scope="module")
def appraised(made, tmp_path_factory) -> Path:
    """A copy of it in which `appraise` has run too."""
    folder = shutil.copytree(made, tmp_path_factory.mktemp("appraised") / "study")
    home = Path.cwd()
    os.chdir(folder)
    try:
        appraise.run(load_params())
    finally:
        os.chdir(home)
    return folder


@pytest.fixture
def study(made, tmp_path, monkeypatch) -> Path:
    """A copy of it, for a test to spoil; the spending of trees is estimated by fewer draws."""
    monkeypatch.setattr(carrying, "NOISE_DRAWS", 3)
    folder = shutil.copytree(made, tmp_path / "study")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def params_with(study) -> Callable[..., Params]:
    """The parameters of the study with changes, each in its section: `params_with(train={"refits": 3})`."""

    def changed(**sections) -> Params:
        content = yaml.safe_load((study / "params.yaml").read_text(encoding="utf-8"))
        for section, values in sections.items():
            content[section] |= values
        (study / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return load_params()

    return changed


def test_cases_too_few_for_all_restrict_predictors_and_learners_and_say_why(appraised, monkeypatch):
    monkeypatch.chdir(appraised)
    found = read_json(paths.LEARNERS)[OUTCOME]
    parameters = found["parameters"]
    assert parameters["used"] <= parameters["carried"] < parameters["declared"] == 40
    assert found["allowed"] == ["prevalence", "baseline", "logistic"]
    assert "spends as much as" in found["refused"]["xgboost"]
    assert f"carry {parameters['carried']} of 40 candidate parameters" in found["notes"][0]

    sizes = read_table(paths.SAMPLE_SIZE)
    assert set(sizes["set"]) == {"development", "temporal", "geographic"}
    largest = sizes.query("set == 'development'").set_index("criterion")
    assert largest.loc["all", "needed_cases"] == largest["needed_cases"].max()
    assert not largest.loc["all", "is_enough"]
    assert sizes.query("set == 'temporal' and criterion != 'all'")["interval_width"].gt(0).all()

    asked = read_table(paths.DIAGNOSTICS)
    assert asked["question_id"].is_unique
    assert set(asked["outcome"]) == {OUTCOME}
    assert (read_table(paths.GUARDS)["verdict"] == "silent").all()


def test_training_learns_only_what_the_cases_carry(appraised, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(appraised, tmp_path / "study"))
    train.run(load_params(), OUTCOME)
    can = carried(OUTCOME)
    choice = read_json(paths.choice(OUTCOME))
    assert set(choice["learners"]) == set(can.learners) == {"prevalence", "baseline", "logistic"}
    assert {path.name for path in (paths.TRAIN / OUTCOME).iterdir() if path.is_dir()} == set(can.learners)
    stored = read_json(paths.learner_folder(OUTCOME, "logistic") / "bundle.json")
    assert [p["name"] for p in stored["predictors"]] == [p.name for p in can.predictors]
    ranked = [p.name for p in candidate_predictors(OUTCOME, 40)]
    assert [p.name for p in can.predictors] == ranked[: len(can.predictors)]


def smuggle() -> None:
    """Disability after a year, under the name of a walking distance, in the file as it was ingested."""
    record = read_cases(paths.INGESTED_CASES)
    write_table(record.assign(walking_distance_m=record["odi_12m"] * 13), paths.INGESTED_CASES)


def test_a_follow_up_column_smuggled_in_stops_the_pipeline(study, params_with):
    smuggle()
    with pytest.raises(LeakError, match=r"failure_12m: the preoperative columns .*walking_distance_m \("):
        appraise.run(params_with())
    assert not paths.LEARNERS.exists()


def test_what_is_overruled_by_name_restricts_nothing_and_is_told(study, params_with):
    smuggle()
    overruled = params_with(appraise={"overrule_sample_size": [OUTCOME]}, train={"overrule_leak_alarm": [OUTCOME]})
    appraise.run(overruled)
    found = read_json(paths.LEARNERS)[OUTCOME]
    assert found["allowed"] == ["prevalence", "baseline", "logistic", "xgboost"]
    assert found["parameters"]["used"] == 40
    assert "overruled by name" in found["notes"][0]
    guards = read_table(paths.GUARDS).set_index("guard")
    assert guards.loc["shadow model", "verdict"] == "overruled"
    assert guards.loc["shadow model", "estimate"] > 0.85
    answers = read_table(paths.DIAGNOSTICS).set_index("question_id")["answer"]
    assert (answers["D4.1"], answers["D2.3"]) == ("no", "probably no")


def test_a_feature_that_looked_at_other_cases_stops_the_pipeline(study, params_with):
    params = params_with()
    features = read_cases(paths.FEATURES)
    centred = features["plan_support"] - features["plan_support"].mean()
    write_table(features.assign(plan_support=centred), paths.FEATURES)
    with pytest.raises(LeakError, match=r"1 of \d+ features change .*plan_support"):
        appraise.run(params)


def test_a_patient_on_both_sides_stops_the_pipeline(study, params_with):
    params = params_with()
    table = read_cases(paths.SPLIT)
    places = np.flatnonzero(table["set"] == "development")[:1]
    tested = table.loc[table["set"] == "temporal", "patient_id"].iloc[0]
    table.iloc[places, table.columns.get_loc("patient_id")] = tested
    write_table(table, paths.SPLIT)
    with pytest.raises(LeakError, match="1 development cases belong to patients of a test set"):
        appraise.run(params)


def test_no_test_case_reaches_a_learner(study, params_with):
    """Absurd values and outcomes in every case outside development change not a number of what is learned from."""
    params_with()
    predictors = candidate_predictors(OUTCOME, 20)
    cases, labels, features = (read_cases(path) for path in (paths.COHORT_CASES, paths.OUTCOMES, paths.FEATURES))
    clean = development(cases, OUTCOME, predictors)
    outside = (read_cases(paths.SPLIT)["set"] != "development").to_numpy()
    labels.loc[outside, OUTCOME] = 1.0
    write_table(labels, paths.OUTCOMES)
    numeric = features.select_dtypes("number").columns
    features.loc[outside, numeric] = 1e6
    write_table(features, paths.FEATURES)
    cases.loc[outside, ["odi", "age_years"]] = 1e6
    planted = development(cases, OUTCOME, predictors)
    pd.testing.assert_frame_equal(planted.X, clean.X)
    assert planted.fingerprint == clean.fingerprint


def test_one_class_in_development_is_refused_before_anything_is_fitted(study, params_with):
    params = params_with()
    labels = read_cases(paths.OUTCOMES)
    write_table(labels.assign(failure_12m=labels[OUTCOME] * 0), paths.OUTCOMES)
    with pytest.raises(OutcomeError, match=r"failure_12m cannot be learned: it happened in 0 development cases"):
        appraise.run(params)


def test_cases_that_carry_no_parameter_are_refused_with_what_to_do(study, params_with):
    params = params_with(appraise={"anticipated_c_statistic": 0.501})
    with pytest.raises(
        OutcomeError,
        match=r"carry 0 candidate parameters .*Validate and update a model made elsewhere.*overrule_sample",
    ):
        appraise.run(params)


def test_no_candidate_that_can_be_carried_is_refused_by_name(study, params_with):
    params = params_with(train={"learners": ["prevalence", "xgboost"]})
    with pytest.raises(OutcomeError, match=r"none of the candidates in train\.learners \(xgboost: .*Add logistic"):
        appraise.run(params)


def test_a_test_set_whose_outcomes_are_unknown_is_said_to_tell_nothing(study, params_with):
    params = params_with()
    labels, is_temporal = read_cases(paths.OUTCOMES), read_cases(paths.SPLIT)["set"] == "temporal"
    write_table(labels.mask(is_temporal), paths.OUTCOMES)
    appraise.run(params)
    sizes = read_table(paths.SAMPLE_SIZE).query("set == 'temporal'")
    assert (sizes["cases_with_outcome_known"] == 0).all()
    assert sizes["interval_width"].isna().all()
    evidence = read_table(paths.DIAGNOSTICS).set_index("question_id").loc["E4.2", "evidence"]
    assert "temporal: 0 cases with 0 events tell nothing" in evidence


def test_an_outcome_that_was_not_appraised_is_refused_by_name(appraised, monkeypatch):
    monkeypatch.chdir(appraised)
    with pytest.raises(FileFormatError, match=r"learners\.json does not name worse_12m"):
        carried("worse_12m")


def test_shuffled_outcomes_that_cannot_be_learned_from_are_not_estimable(predictor_data):
    """One of two folds is tiny: shuffled, nearly always every event lies in the other."""
    data, predictors = predictor_data(np.repeat([0, 1], [196, 4]), np.r_[0, 1, 196, 197])
    found = appraise.shuffled_auroc(data, "logistic", predictors, {"C": [0.1]}, seed=1)
    assert found.estimate is None
    assert "fell into one fold" in found.reason


def test_few_events_in_every_fold_do_not_stop_the_guard(predictor_data):
    data, predictors = predictor_data(np.arange(300) % 5, np.arange(10))
    for seed in range(8):
        found = appraise.shuffled_auroc(data, "logistic", predictors, {"C": [0.1]}, seed=seed)
        assert found.estimate is not None or found.reason == "every case has the same risk"


@pytest.fixture
def predictor_data():
    """Cases with two predictors that mean nothing, in these folds and with these events."""
    predictors = [p for p in candidate_predictors(OUTCOME, 40) if p.form == "linear"][:2]

    def made(folds, events):
        n, rng = len(folds), np.random.default_rng(3)
        X = pd.DataFrame({p.name: rng.random(n) for p in predictors})
        y = np.isin(np.arange(n), events).astype(float)
        return Development(OUTCOME, X, y, np.ones(n), np.arange(n).astype(str), folds), predictors

    return made


def test_every_outcome_that_nothing_may_learn_is_said_at_once(monkeypatch):
    def refused(files, params, outcome, found):
        raise OutcomeError(f"{outcome}: nothing")

    monkeypatch.setattr(appraise, "appraised", refused)
    outcomes = ["failure_12m", "worse_12m"]
    params = SimpleNamespace(train=SimpleNamespace(outcomes=outcomes))
    with pytest.raises(OutcomeError, match="failure_12m: nothing\nworse_12m: nothing"):
        appraise.all_appraised(None, params, dict.fromkeys(outcomes))


def test_a_case_whose_horizon_is_not_over_was_not_lost():
    sets = pd.Series(["development"] * 3 + ["temporal"] + ["withheld"] * 4)
    assert unknown_share(pd.Series([True, False, False, False] + [True] * 4), sets) == 0.25
