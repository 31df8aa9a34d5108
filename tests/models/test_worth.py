"""What the builders are worth: the sets of predictors, the pairing, and effects recovered from known ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.dictionary import load_dictionary
from features.predictors import candidate_predictors
from models.drawing import SET_STYLES
from models.metrics import Estimate
from models.worth import (
    DIFFERENCES,
    SETS,
    SOURCE_MISSED,
    UNREACHED_SHARE,
    adjusted_effect,
    columns_of,
    development_samples,
    discrimination_and_error,
    learned_risk,
    learning_curves,
    marker_values,
    paired_gains,
    predictor_sets,
    recovered_share,
    share_missed_by,
    share_of_gain,
)

TREES = {
    "max_depth": 2,
    "n_rounds": 30,
    "min_child_weight": 5,
    "learning_rate": 0.1,
    "reg_lambda": 1.0,
    "colsample_bytree": 1.0,
}


@pytest.fixture
def features() -> pd.DataFrame:
    """One column of the builders, one plain summary and one word, as `build_features` names them."""
    return pd.DataFrame({"plan_misses_best": [0.0, 1.0], "comorbidity_count": [1.0, 2.0], "best_lesion": ["a", "b"]})


@pytest.fixture
def sets(features):
    return predictor_sets(features, candidate_predictors("failure_12m", 40))


def names(predictors) -> set[str]:
    return {predictor.name for predictor in predictors}


def repeats(**auroc: list[float]) -> pd.DataFrame:
    """Measured AUROC of sets, one number a repeat; the Brier score is a quarter less a tenth of it."""
    rows = [
        {
            "discordance_effect": 1.0,
            "learner": "xgboost",
            "predictors": name,
            "development_cases": 250,
            "repeat": repeat,
            "auroc": value,
            "brier": 0.25 - value / 10,
        }
        for name, values in auroc.items()
        for repeat, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


# Sets


def test_builders_are_all_numbers_but_plain_summaries(sets):
    assert names(sets["builders"]) == {"plan_misses_best"}


def test_raw_columns_are_every_preoperative_variable_a_learner_can_take(sets):
    variables = load_dictionary()
    assert {variables[name].known for name in names(sets["raw"])} == {"preoperative"}
    left_out = {v.name for v in variables.predictors} - names(sets["raw"])
    assert {variables[name].type for name in left_out} <= {"date", "identifier"}
    assert len(sets["raw"]) > 300


def test_the_union_holds_both_and_no_set_but_one_holds_the_truth(sets):
    assert names(sets["raw_and_builders"]) == names(sets["raw"]) | names(sets["builders"])
    truth = {SOURCE_MISSED, UNREACHED_SHARE}
    assert [name for name, predictors in sets.items() if names(predictors) & truth] == ["published_and_truth"]
    assert tuple(sets) == SETS == tuple(SET_STYLES)


def test_published_predictors_hold_nothing_that_the_builders_made(sets):
    assert "plan_misses_best" not in names(sets["published"])
    assert {"odi", "comorbidity_count"} <= names(sets["published"])
    assert names(sets["published_and_builders"]) == names(sets["published"]) | {"plan_misses_best"}


# Learning


def test_trees_see_what_is_missing_and_a_choice_has_a_column_for_each_further_word(sets):
    sex = next(p for p in sets["raw"] if p.name == "sex")
    odi = next(p for p in sets["raw"] if p.name == "odi")
    frame = pd.DataFrame({"odi": [40.0, np.nan, 20.0], "sex": [*sex.levels[:2], None]})
    matrix = columns_of(frame, [odi, sex]).matrix
    np.testing.assert_array_equal(matrix, [[40, 0], [np.nan, 1], [20, np.nan]])


@pytest.mark.parametrize(("learner", "setting"), [("xgboost", TREES), ("logistic", {"C": 0.1})])
def test_a_learner_finds_what_is_there_and_only_that(sets, learner, setting):
    rng = np.random.default_rng(4)
    predictors = [p for p in sets["raw"] if p.name in ("nrs_back", "age_years")]
    frame = pd.DataFrame({"nrs_back": rng.integers(0, 11, 4000) * 1.0, "age_years": rng.uniform(20, 90, 4000)})
    y = (rng.random(4000) < expit(frame["nrs_back"] - 5)).to_numpy(dtype=float)
    noise = rng.permutation(y)
    columns = columns_of(frame, predictors)
    first, second = columns.rows(np.arange(2000)), columns.rows(np.arange(2000, 4000))
    risk = learned_risk(learner, setting, predictors, first, y[:2000], second, seed=1)
    assert discrimination_and_error(y[2000:], risk)["auroc"] > 0.85
    blind = learned_risk(learner, setting, predictors, first, noise[:2000], second, seed=1)
    assert discrimination_and_error(noise[2000:], blind)["auroc"] == pytest.approx(0.5, abs=0.06)


def test_one_risk_for_all_separates_nobody():
    found = discrimination_and_error(np.array([0.0, 1.0] * 10), np.full(20, 0.5))
    assert found == {"auroc": 0.5, "brier": 0.25}


def test_samples_of_one_size_share_no_case_and_are_as_many_as_there_is_room_for():
    samples = list(development_samples(1000, [100, 400, 1000], most=3, seed=2))
    assert [(size, number) for size, number, _ in samples] == [
        (100, 0), (100, 1), (100, 2), (400, 0), (400, 1), (1000, 0),
    ]  # fmt: skip
    for size in (100, 400, 1000):
        places = np.concatenate([found for drawn, _, found in samples if drawn == size])
        assert len(np.unique(places)) == len(places)
    assert all(len(places) == size for size, _, places in samples)


# Over repeats


def test_curves_are_means_with_percentiles_of_the_repeats():
    values = np.linspace(0.60, 0.70, 41)
    curve = learning_curves(repeats(raw=list(values))).iloc[0]
    assert curve["repeats"] == 41
    assert curve["auroc"] == pytest.approx(0.65)
    assert (curve["auroc_lower"], curve["auroc_upper"]) == pytest.approx((0.6025, 0.6975))


def test_gains_are_paired_by_repeat():
    """Both sets vary by a tenth, and the difference not at all: an unpaired interval would be wide."""
    base = np.array([0.60, 0.65, 0.70])
    measured = repeats(
        raw=list(base),
        builders=list(base),
        raw_and_builders=list(base + 0.02),
        published=list(base),
        published_and_builders=list(base + 0.03),
        published_and_truth=list(base + 0.12),
    ).sample(frac=1, random_state=3)
    gains = paired_gains(measured).set_index(["predictors", "against"])
    assert list(gains.index) == list(DIFFERENCES)
    first = gains.loc[("raw_and_builders", "raw")]
    assert (first["auroc"], first["auroc_lower"], first["auroc_upper"]) == pytest.approx((0.02, 0.02, 0.02))
    assert first["brier"] == pytest.approx(-0.002)
    assert share_of_gain(gains.reset_index()).tolist() == pytest.approx([0.25])


def test_a_share_of_no_gain_is_no_number():
    same = [0.6, 0.7]
    measured = repeats(**dict.fromkeys(SETS, same))
    assert share_of_gain(paired_gains(measured)).isna().all()


# Effects


@pytest.fixture(scope="module")
def confounded() -> pd.DataFrame:
    """A flag with an effect of 1.0 on log-odds, and back pain that raises both the flag and the outcome."""
    rng = np.random.default_rng(11)
    pain = rng.integers(0, 11, 20_000) * 1.0
    flag = (rng.random(20_000) < expit((pain - 5) / 2)) * 1.0
    y = (rng.random(20_000) < expit(-1 + 1.0 * flag + 0.25 * (pain - 5))) * 1.0
    at_one, at_zero = expit(0.25 * (pain - 5)), expit(-1 + 0.25 * (pain - 5))
    return pd.DataFrame({"nrs_back": pain, "flag": flag, "y": y, "difference": at_one - at_zero})


def test_an_effect_is_recovered_at_the_same_predictors_and_not_without_them(sets, confounded):
    pain = [p for p in sets["raw"] if p.name == "nrs_back"]
    y, flag = confounded["y"].to_numpy(), confounded["flag"].to_numpy()
    adjusted, crude = adjusted_effect(y, flag, confounded, pain), adjusted_effect(y, flag, confounded, [])
    assert adjusted.log_odds.lower < 1.0 < adjusted.log_odds.upper
    assert adjusted.risk_difference.estimate == pytest.approx(confounded["difference"].mean(), abs=0.02)
    assert adjusted.risk_difference.lower < confounded["difference"].mean() < adjusted.risk_difference.upper
    assert crude.log_odds.lower > 1.2
    assert crude.risk_difference.estimate == pytest.approx(y[flag == 1].mean() - y[flag == 0].mean())


def test_where_the_flag_is_undefined_the_case_is_left_out(sets, confounded):
    flag = confounded["flag"].to_numpy().copy()
    flag[:5000] = np.nan
    assert adjusted_effect(confounded["y"].to_numpy(), flag, confounded, []).n_cases == 15_000


def test_without_an_effect_nothing_is_recovered(confounded):
    shuffled = np.random.default_rng(5).permutation(confounded["flag"].to_numpy())
    found = adjusted_effect(confounded["y"].to_numpy(), shuffled, confounded, [])
    assert found.risk_difference.lower < 0 < found.risk_difference.upper


def test_a_blind_marker_finds_nothing_and_a_perfect_one_everything():
    missed = np.array([0.0, 1.0, 0.0, 1.0])
    assert share_missed_by(missed, missed) == pytest.approx(1)
    assert share_missed_by(np.array([0.0, 0.0, 1.0, 1.0]), missed) == pytest.approx(0)
    assert share_missed_by(np.zeros(4), missed) == 0


def test_what_is_recovered_counts_beyond_the_world_without_an_effect():
    share = recovered_share(Estimate(0.20, 0.16, 0.24), Estimate(0.05, 0.02, 0.08), assumed=0.30)
    assert share.estimate == pytest.approx(0.5)
    assert share.upper - share.estimate == pytest.approx(0.05 / 0.30)
    assert recovered_share(Estimate(0.20, 0.16, 0.24), Estimate(0.05, 0.02, 0.08), assumed=0.0).estimate is None


def test_markers_point_to_a_missed_source():
    shares = np.linspace(0, 0.5, 101)
    found = marker_values(pd.DataFrame({"plan_share": shares, "plan_misses_best": (shares < 0.1) * 1.0, "odi": shares}))
    assert list(found.columns) == ["plan_share", "plan_misses_best"]
    assert found["plan_share"].iloc[[90, 10]].tolist() == pytest.approx([0, 1])
    assert set(found["plan_misses_best"]) == {0.0, 1.0}
