"""Each guard is seen to fire on a planted leak, and to stay silent on clean cases."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.builders import BuilderParams, build_features
from features.dictionary import load_dictionary
from features.errors import LeakError
from models import guards, training
from models.fitted import FittedModel, TreeModel
from models.guards import (
    own_row_alarm,
    permuted_alarm,
    permuted_auroc,
    refuse_alarms,
    refuse_leak,
    shadow_alarm,
    shadow_columns,
    shadow_model,
    surest_aurocs,
)
from models.learners import fitted_model
from models.splitting import refuse_shared_patients
from models.training import learn, patient_resamples

ROOT = Path(__file__).resolve().parents[2]
MOST = 0.85


# A planted leak among the predictors


def test_a_predictor_that_is_the_outcome_is_named(development, predictors):
    noise = np.random.default_rng(4).normal(0, 1, len(development.y))
    leaking = dataclasses.replace(development, X=development.X.assign(nrs_back=2 + 6 * development.y + noise))
    result = learn(leaking, "logistic", predictors, {"C": 1.0}, refits=0, seed=1)
    with pytest.raises(LeakError, match=r"failure_12m: logistic .*nrs_back \(alone 1\.00\).*overrule_leak_alarm"):
        refuse_leak("failure_12m", leaking.X, leaking.y, {"logistic": result.out_of_fold}, most=MOST)


# A column of the follow-up under another name: the shadow model


@pytest.fixture(scope="module")
def record() -> pd.DataFrame:
    """Preoperative columns of 1,500 invented cases; disability and diabetes drive the outcome, honestly."""
    rng = np.random.default_rng(8)
    n = 1500
    return pd.DataFrame(
        {
            "patient_id": [f"P{i}" for i in range(n)],
            "index_date": pd.Timestamp("2020-01-01"),
            "odi": rng.integers(5, 48, n) * 2.0,
            "has_diabetes": rng.integers(0, 2, n).astype(float),
            "walking_distance_m": np.round(rng.exponential(400, n)),
            "slr_left": rng.integers(0, 2, n).astype(float),
            "diagnosis": rng.choice(np.array(["disc_herniation", "spinal_stenosis", None], dtype=object), n),
            "odi_12m": rng.integers(0, 50, n) * 2.0,
        },
        index=pd.Index([f"C{i}" for i in range(n)], name="case_id"),
    )


@pytest.fixture(scope="module")
def happened(record) -> np.ndarray:
    log_odds = -1 + 0.03 * (record["odi"] - 50) + 0.7 * record["has_diabetes"]
    return (np.random.default_rng(9).random(len(record)) < 1 / (1 + np.exp(-log_odds))).astype(float).to_numpy()


def alarm_of(record: pd.DataFrame, happened: np.ndarray) -> str | None:
    X, folds = shadow_columns(record), np.arange(len(record)) % 4
    shadow = shadow_model(X, happened, folds, seed=1)
    return shadow_alarm("failure_12m", shadow, X, happened, most=MOST)


def test_an_honest_record_raises_no_alarm(record, happened):
    assert alarm_of(record, happened) is None


def test_the_shadow_sees_every_preoperative_column_and_nothing_else(record):
    columns = shadow_columns(record)
    assert set(columns) == {"odi", "has_diabetes", "walking_distance_m", "slr_left", "diagnosis"}
    assert set(columns.dtypes) == {np.dtype(float)}
    assert (columns["diagnosis"].isna() == record["diagnosis"].isna()).all()


def test_a_follow_up_column_under_another_name_is_found_and_named(record, happened):
    """Disability at twelve months, in metres: no candidate predictor need be touched."""
    later = np.random.default_rng(3).normal(20 + 25 * happened, 8)
    alarm = alarm_of(record.assign(walking_distance_m=np.round(later * 13)), happened)
    assert alarm is not None
    assert "walking_distance_m" in alarm.split("most telling columns are ")[1].split(" (")[0]
    assert "above 0.85 is a leak until proved otherwise" in alarm
    assert "train.overrule_leak_alarm" in alarm


def test_a_column_filled_in_for_failures_alone_is_found_though_its_values_say_nothing(record, happened):
    alarm = alarm_of(record.assign(slr_left=record["slr_left"].where(happened == 1)), happened)
    assert alarm is not None
    assert "slr_left" in alarm


@pytest.mark.parametrize("is_recorded", [0.3, 0.15])
def test_a_follow_up_column_recorded_in_a_part_of_the_cases_is_found_and_named(record, happened, is_recorded):
    """Together the columns stay below the alarm, since most cases say nothing: the one column tells."""
    rng = np.random.default_rng(3)
    later = pd.Series(rng.normal(20 + 25 * happened, 8), index=record.index).where(
        rng.random(len(record)) < is_recorded
    )
    planted = record.assign(walking_distance_m=np.round(later * 13))
    X = shadow_columns(planted)
    shadow = shadow_model(X, happened, np.arange(len(record)) % 4, seed=1)
    assert shadow.auroc.estimate < MOST
    alarm = shadow_alarm("failure_12m", shadow, X, happened, most=MOST)
    assert alarm is not None
    assert "single columns separate it" in alarm
    named, recorded = re.search(r"recorded: (\w+) \(at least 0\.\d\d, recorded in (\d+) %\)", alarm).groups()
    assert named == "walking_distance_m"
    assert int(recorded) == pytest.approx(100 * is_recorded, abs=3)
    assert "train.overrule_leak_alarm" in alarm


def test_a_column_that_separates_the_outcome_completely_has_a_limit_too(happened):
    X = pd.DataFrame({"same": happened, "opposite": -happened, "empty": np.full(len(happened), np.nan)})
    limits = surest_aurocs(X, happened)
    smaller = min(happened.sum(), (1 - happened).sum())
    assert limits["same"] == limits["opposite"] == pytest.approx(0.025 ** (1 / smaller))
    assert limits["same"] > 0.99
    assert limits["empty"] == 0.5


def test_complete_separation_of_few_cases_proves_nothing(happened):
    """Among hundreds of columns some are recorded in ten cases, and one or the other happens to separate them."""
    few = np.flatnonzero(happened == 1)[:5].tolist() + np.flatnonzero(happened == 0)[:5].tolist()
    values = np.full(len(happened), np.nan)
    values[few] = happened[few]
    limit = surest_aurocs(pd.DataFrame({"rare": values}), happened)["rare"]
    assert limit == pytest.approx(0.025 ** (1 / 5))
    assert limit < 0.5


def test_no_value_of_a_case_stands_in_an_alarm(record, happened):
    planted = record.assign(walking_distance_m=happened * 1234.5 + record["walking_distance_m"] / 1000)
    assert "1234" not in str(alarm_of(planted, happened))


def test_alarms_are_raised_all_at_once():
    with pytest.raises(LeakError, match=r"(?s)first.*second"):
        refuse_alarms([None, "first", "second"])
    refuse_alarms([None, None])


# Permuted outcomes


@pytest.mark.parametrize("learner", ["logistic", "xgboost"])
def test_the_recipe_does_not_predict_shuffled_outcomes(development, predictors, learner, grids):
    found = permuted_auroc(development, learner, predictors, grids[learner], seed=7)
    assert permuted_alarm("failure_12m", learner, found, development.y) is None


def test_a_shuffled_outcome_takes_its_weight_along(development, predictors, monkeypatch):
    """A weight says how many cases an outcome stands for: left behind, it would tell which cases had which."""
    seen = []

    def watched(data, *arguments, **settings):
        seen.append(data)
        return learn(data, *arguments, **settings)

    monkeypatch.setattr(guards, "learn", watched)
    weighted = dataclasses.replace(development, weights=np.where(development.y == 1, 2.0, 0.5))
    permuted_auroc(weighted, "prevalence", predictors, {}, seed=7)
    (shuffled,) = seen
    assert (shuffled.y != development.y).any()
    assert np.array_equal(shuffled.weights, np.where(shuffled.y == 1, 2.0, 0.5))
    assert np.array_equal(shuffled.patients, development.patients)


def test_a_recipe_that_learns_from_held_out_cases_predicts_what_is_not_there(
    development, predictors, grids, monkeypatch
):
    """The same recipe, but for one mistake: each case is judged by a model that saw it."""

    def careless(data, *arguments, **settings):
        learned = learn(data, *arguments, **settings)
        return dataclasses.replace(learned, out_of_fold=learned.model.log_odds(data.X))

    monkeypatch.setattr(guards, "learn", careless)
    found = permuted_auroc(development, "xgboost", predictors, grids["xgboost"], seed=7)
    alarm = permuted_alarm("failure_12m", "xgboost", found, development.y)
    assert alarm is not None
    assert "shuffled outcomes" in alarm
    assert "learns from held-out cases" in alarm


# A patient on both sides of a split


def test_a_patient_on_both_sides_is_refused_and_counted():
    split = pd.DataFrame(
        {
            "patient_id": ["P1", "P1", "P2", "P3", "P3", "P4"],
            "set": ["development", "temporal", "development", "development", "development", "geographic"],
            "fold": [0, -1, 1, 0, 1, -1],
        }
    )
    with pytest.raises(LeakError, match="1 development cases belong to patients of a test set, and 1 patients are in"):
        refuse_shared_patients(split)
    refuse_shared_patients(split.drop([1, 4]))


# Fitting outside the pipeline


def numbers_of(model: FittedModel) -> str:
    """Everything a fitted model has learned: medians, knots, levels, means, coefficients or trees."""
    if isinstance(model, TreeModel):
        return json.dumps(model.encoding.as_json()) + model.ubj.hex()
    return json.dumps(dataclasses.asdict(model), default=np.ndarray.tolist)


def with_outliers(development, rows: np.ndarray):
    """The same cases, some with absurd numbers, another diagnosis and the opposite outcome."""
    X = development.X.copy()
    X.loc[rows, ["odi", "nrs_back", "leg_pain_duration_months"]] = 500.0
    X.loc[rows, "diagnosis"] = "spinal_stenosis"
    return dataclasses.replace(development, X=X, y=np.where(rows, 1 - development.y, development.y))


def fold_models(data, learner, predictors, grid, monkeypatch) -> dict[frozenset, str]:
    """What each fit of the recipe learned, by the folds it learned from."""
    seen: dict[frozenset, str] = {}
    fold_of = dict(zip(data.X.index, data.folds, strict=True))

    def watched(pipelines, X, y, weights, *others):
        fitted = original(pipelines, X, y, weights, *others)
        seen[frozenset(fold_of[case] for case in X.index)] = "".join(numbers_of(fitted_model(one)) for one in fitted)
        return fitted

    original = training.fit_all
    with monkeypatch.context() as patched:
        patched.setattr(training, "fit_all", watched)
        learn(data, learner, predictors, grid, refits=0, seed=1)
    return seen


@pytest.mark.parametrize("learner", ["logistic", "xgboost"])
def test_an_outlier_in_held_out_rows_moves_no_fitted_number(development, predictors, grids, learner, monkeypatch):
    clean = fold_models(development, learner, predictors, grids[learner], monkeypatch)
    planted = with_outliers(development, development.folds == 0)
    moved = fold_models(planted, learner, predictors, grids[learner], monkeypatch)
    without = frozenset(set(development.folds) - {0})
    assert clean[without] == moved[without]
    others = [folds for folds in clean if 0 in folds]
    assert len(others) == len(set(development.folds)) - 1
    assert all(clean[folds] != moved[folds] for folds in others)


ONE_SETTING = {"logistic": {"C": 0.1}, "xgboost": {"n_rounds": 5}}


@pytest.mark.parametrize("learner", ["logistic", "xgboost"])
def test_an_outlier_in_a_patient_that_a_refit_did_not_draw_moves_no_number_of_it(
    development, predictors, grids, learner
):
    refits = 5
    rows = development.patients == development.patients[0]
    planted = with_outliers(development, rows)
    clean, moved = (
        learn(data, learner, predictors, {**grids[learner], **ONE_SETTING[learner]}, refits=refits, seed=5).refits
        for data in (development, planted)
    )
    draws = patient_resamples(development.patients, refits, seed=5)
    has_drawn = [bool(rows[drawn].any()) for drawn in draws]
    assert 0 < sum(has_drawn) < refits
    assert [numbers_of(a) != numbers_of(b) for a, b in zip(clean, moved, strict=True)] == has_drawn


def test_a_feature_that_needs_other_cases_raises_the_alarm(planned_cases):
    params = BuilderParams(mimic_priors={"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.1})
    whole = build_features(planned_cases, params)
    apart = build_features(planned_cases.iloc[:5], params)
    assert own_row_alarm(whole, apart) is None
    centred = whole.assign(plan_support=whole["plan_support"] - whole["plan_support"].mean())
    again = apart.assign(plan_support=apart["plan_support"] - apart["plan_support"].mean())
    assert "plan_support" in str(own_row_alarm(centred, again))
    filled = whole.assign(share_best_lesion=0.5)
    blank = apart.assign(share_best_lesion=np.nan)
    assert "1 of" in str(own_row_alarm(filled, blank))


@pytest.fixture(scope="module")
def planned_cases() -> pd.DataFrame:
    """Forty cases with a painful leg and a lesion each, some without a scan."""
    rng = np.random.default_rng(2)
    n = 40
    return pd.DataFrame(
        {
            "diagnosis": "disc_herniation",
            "odi": rng.integers(10, 40, n) * 2.0,
            "pain_posterior_leg_left": rng.integers(0, 10, n).astype(float),
            "pain_low_back_left": rng.integers(0, 10, n).astype(float),
            "herniation_l5_s1_paracentral_left": rng.choice([0.0, 2.0, np.nan], n),
            "planned_decompression_l5_s1_left": 1.0,
        },
        index=pd.Index([f"C{i}" for i in range(n)], name="case_id"),
    )


def test_the_cases_of_the_alarm_test_are_made_of_the_dictionarys_columns(planned_cases):
    assert [name for name in planned_cases if name not in load_dictionary()] == []


@pytest.mark.parametrize("file", sorted((ROOT / "features").glob("*.py")), ids=lambda file: file.name)
def test_nothing_is_fitted_in_features(file):
    """No learning library, and no function that is called or named `fit`: there is one home for what is fitted."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert fitting(tree) == []


def test_a_scaler_in_features_would_be_seen():
    code = "from sklearn.preprocessing import StandardScaler\nodi = StandardScaler().fit_transform(cases)"
    assert fitting(ast.parse(code)) == ["sklearn.preprocessing", "fit_transform"]


def fitting(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.split(".")[0] in LEARNING]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LEARNING:
            found.append(str(node.module))
        elif isinstance(node, ast.FunctionDef) and node.name.split("_")[0] in ("fit", "fitted"):
            found.append(node.name)
        elif isinstance(node, ast.Attribute) and node.attr.split("_")[0] == "fit":
            found.append(node.attr)
    return found


LEARNING = ("sklearn", "statsmodels", "xgboost", "shap", "models")
