from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from features.errors import LeakError, OutcomeError
from models.censoring import censoring_weights
from models.fitted import sigmoid
from models.guards import refuse_leak, single_aurocs
from models.metrics import auroc
from models.training import (
    Development,
    fitted_recalibration,
    in_threads,
    learn,
    simplest_within_one_standard_error,
)


def test_recalibration_undoes_a_known_distortion():
    rng = np.random.default_rng(1)
    true = rng.normal(-0.5, 1, 40_000)
    y = (rng.random(len(true)) < 1 / (1 + np.exp(-true))).astype(float)
    found = fitted_recalibration((true - 0.4) / 1.5, y, np.ones(len(y)))
    assert found.slope == pytest.approx(1.5, abs=0.08)
    assert found.intercept == pytest.approx(0.4, abs=0.05)


def test_a_weak_model_is_not_made_weaker_by_the_prevalence_of_its_folds():
    """Each fold's model starts from the prevalence of the others, which is low just where its own is high."""
    rng = np.random.default_rng(6)
    n, folds = 20_000, np.arange(20_000) % 5
    true = -1 + 0.15 * rng.normal(size=n)
    shift = np.array([0.5, -0.5, 0.25, -0.25, 0.0])[folds]
    y = (rng.random(n) < 1 / (1 + np.exp(-true - shift))).astype(float)
    margin = true - shift / 4
    pooled = fitted_recalibration(margin, y, np.ones(n))
    within = fitted_recalibration(margin, y, np.ones(n), folds)
    assert pooled.slope < 0.4
    assert within.slope == pytest.approx(1, abs=0.25)


def test_a_margin_that_points_the_wrong_way_gives_everybody_the_prevalence():
    rng = np.random.default_rng(7)
    margin = rng.normal(0, 0.5, 5000)
    y = (rng.random(5000) < 1 / (1 + np.exp(1 + margin))).astype(float)
    found = fitted_recalibration(margin, y, np.ones(5000))
    assert found.slope == 0
    assert 1 / (1 + np.exp(-found.intercept)) == pytest.approx(y.mean(), abs=1e-6)


def test_the_simplest_within_one_standard_error_is_chosen():
    rng = np.random.default_rng(2)
    best = rng.exponential(0.6, 500)
    hardly_worse, clearly_worse = best + rng.normal(0.0005, 0.2, 500), best + 0.1
    patients, weights = np.arange(500), np.ones(500)
    assert simplest_within_one_standard_error([hardly_worse, best], weights, patients) == 0
    assert simplest_within_one_standard_error([clearly_worse, best], weights, patients) == 1


def test_a_grid_that_ends_where_the_loss_still_falls_is_told(development, predictors, grids):
    """Few rounds underfit; with enough of them, the best setting is inside the grid."""
    short, long = (
        learn(development, "xgboost", predictors, grids["xgboost"] | {"n_rounds": rounds}, refits=0, seed=5)
        for rounds in ([2, 4], [2, 4, 40, 1500])
    )
    assert short.ends_of_grid == ["n_rounds"]
    assert long.ends_of_grid == []


def test_no_case_is_predicted_by_a_model_that_saw_its_patient(development, predictors, monkeypatch):
    import models.training as training

    seen = []
    original = training.fit_all

    def watched(pipelines, X, *others):
        seen.append(set(X.index))
        return original(pipelines, X, *others)

    monkeypatch.setattr(training, "fit_all", watched)
    learn(development, "logistic", predictors, {"C": 0.1}, refits=2, seed=1)
    patient_of = dict(zip(development.X.index, development.patients, strict=True))
    for fold in np.unique(development.folds):
        outside = {patient_of[case] for case in development.X.index[development.folds == fold]}
        fitted_without = [cases for cases in seen if not outside & {patient_of[case] for case in cases}]
        assert fitted_without, f"no model was fitted without the patients of fold {fold}"


@pytest.mark.parametrize("seed", [3, 4, 5])
@pytest.mark.parametrize("learner", ["logistic", "xgboost"])
def test_permuted_outcomes_are_not_predicted(development, predictors, learner, grids, seed):
    shuffled = dataclasses.replace(development, y=np.random.default_rng(seed).permutation(development.y))
    result = learn(shuffled, learner, predictors, grids[learner], refits=2, seed=1)
    found = auroc(shuffled.y, sigmoid(result.out_of_fold))
    knows_nothing = result.recalibration.slope == 0  # then everybody has the prevalence, and nothing is ranked
    assert knows_nothing or found.lower <= 0.5 <= found.upper


def test_a_real_signal_is_predicted(development, learned):
    assert auroc(development.y, sigmoid(learned["logistic"].out_of_fold)).lower > 0.6


def test_a_planted_leak_raises_the_alarm_and_is_named(development, predictors):
    """The outcome itself, with a little noise, under the name of an honest predictor."""
    rng = np.random.default_rng(4)
    leaking = development.X.assign(
        nrs_back=np.clip(np.round(development.y * 6 + rng.normal(2, 1, len(development.y))), 0, 10)
    )
    data = dataclasses.replace(development, X=leaking)
    result = learn(data, "logistic", predictors, {"C": 1.0}, refits=2, seed=1)
    with pytest.raises(LeakError, match=r"leak until proved otherwise.*nrs_back \(alone 1\.00"):
        refuse_leak("failure_12m", leaking, data.y, {"logistic": result.out_of_fold}, most=0.85)


def test_honest_predictors_raise_no_alarm(development, learned):
    odds = {learner: result.out_of_fold for learner, result in learned.items()}
    refuse_leak("failure_12m", development.X, development.y, odds, most=0.85)
    assert single_aurocs(development.X, development.y).between(0.5, 0.85).all()


def test_an_outcome_with_one_class_cannot_be_learned(development):
    with pytest.raises(OutcomeError, match="failure_12m cannot be learned: it happened in 0"):
        Development(
            "failure_12m", development.X, np.zeros(len(development.y)), development.weights,
            development.patients, development.folds,
        )  # fmt: skip


def test_the_same_seed_gives_the_same_model(development, predictors, learned, grids):
    again = learn(development, "xgboost", predictors, grids["xgboost"], refits=4, seed=5)
    assert again.model.ubj == learned["xgboost"].model.ubj
    assert [refit.ubj for refit in again.refits] == [refit.ubj for refit in learned["xgboost"].refits]


def test_refits_differ_from_one_another(learned, development):
    odds = [refit.log_odds(development.X) for refit in learned["logistic"].refits]
    assert np.std(odds, axis=0).min() > 0


def test_censored_cases_are_represented_by_those_still_observed():
    """Three of six leave before the event of the fourth: those that remain count double."""
    days = np.array([100.0, 100.0, 100.0, 400.0, 730.0, 730.0])
    y = np.array([np.nan, np.nan, np.nan, 1.0, 0.0, 0.0])
    assert censoring_weights(days, y, horizon_days=730).tolist() == [0, 0, 0, 2, 2, 2]


def test_an_event_before_any_censoring_weighs_one():
    days = np.array([50.0, 100.0, 730.0, 730.0])
    y = np.array([1.0, np.nan, 0.0, 0.0])
    np.testing.assert_allclose(censoring_weights(days, y, horizon_days=730), [1, 0, 1.5, 1.5])


def test_without_censoring_every_case_weighs_one():
    assert censoring_weights(np.array([10.0, 730.0]), np.array([1.0, 0.0]), horizon_days=730).tolist() == [1, 1]


def test_weights_add_up_to_the_number_of_cases_in_large_samples():
    rng = np.random.default_rng(5)
    event, leaves = rng.exponential(3000, 20_000), rng.exponential(2500, 20_000)
    days = np.minimum(np.minimum(event, leaves), 730)
    y = np.where(event <= np.minimum(leaves, 730), 1.0, np.where(leaves < 730, np.nan, 0.0))
    weights = censoring_weights(days, y, 730)
    assert weights.sum() == pytest.approx(20_000, rel=0.01)
    known = ~np.isnan(y)
    assert np.average(y[known], weights=weights[known]) == pytest.approx(1 - np.exp(-730 / 3000), abs=0.01)


def test_work_in_threads_keeps_its_order():
    assert in_threads(lambda x: x * x, range(50), "squares") == [x * x for x in range(50)]


def test_who_is_censored_on_the_day_of_an_event_was_still_at_risk():
    days, y = np.array([400.0, 400.0, 730.0, 730.0]), np.array([np.nan, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(censoring_weights(days, y, horizon_days=730), [0, 1, 4 / 3, 4 / 3])


def test_a_case_that_was_never_seen_again_is_censored_at_once():
    rng = np.random.default_rng(7)
    event, leaves = rng.exponential(1000, 4000), rng.uniform(0, 1500, 4000)
    days = np.minimum(event, leaves)
    y = np.where((event <= leaves) & (event <= 730), 1.0, np.where(days >= 730, 0.0, np.nan))
    never_seen = rng.random(4000) < 0.3
    days, y = np.where(never_seen, np.nan, days), np.where(never_seen, np.nan, y)
    weights = censoring_weights(days, y, 730)
    assert np.average(np.nan_to_num(y), weights=weights) == pytest.approx(1 - np.exp(-0.73), abs=0.025)
    assert weights.tolist() == censoring_weights(np.nan_to_num(days), y, 730).tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dust", [0.0, 1e-12])
def test_a_margin_that_is_one_in_each_fold_knows_nothing_and_warns_nobody(dust):
    rng = np.random.default_rng(8)
    folds = np.arange(500) % 5
    y = (rng.random(500) < 0.3).astype(float)
    found = fitted_recalibration(-1 + 0.01 * folds + dust * rng.random(500), y, np.ones(500), folds)
    assert found.slope == 0
    assert 1 / (1 + np.exp(-found.intercept)) == pytest.approx(y.mean())


@pytest.mark.filterwarnings("error")
def test_a_fold_without_an_event_says_nothing_of_the_slope():
    rng = np.random.default_rng(9)
    folds, margin = np.arange(2000) % 4, rng.normal(-1, 1, 2000)
    y = (rng.random(2000) < 1 / (1 + np.exp(-margin))).astype(float)
    y[folds == 3] = 0
    rest = folds < 3
    whole = fitted_recalibration(margin, y, np.ones(2000), folds)
    assert whole.slope == fitted_recalibration(margin[rest], y[rest], np.ones(rest.sum()), folds[rest]).slope


def test_margins_of_hardly_any_spread_still_get_their_intercept():
    """Trees that hardly split: steep within the folds, whose levels then lie far apart. Newton's steps ran away."""
    rng = np.random.default_rng(3)
    folds, own = np.arange(1000) % 5, rng.normal(size=1000)
    margin = -2.5 + 0.2 * folds + 0.005 * own
    y = (rng.random(1000) < 1 / (1 + np.exp(2.5 - own))).astype(float)
    found = fitted_recalibration(margin, y, np.ones(1000), folds)
    assert found.slope > 100
    risk = 1 / (1 + np.exp(-(found.intercept + found.slope * margin)))
    assert risk.mean() == pytest.approx(y.mean(), abs=1e-6)


def test_events_of_one_fold_alone_cannot_be_learned(development):
    y = ((development.folds == 1) & (np.arange(len(development.y)) < 400)).astype(float)
    with pytest.raises(OutcomeError, match="so do the cases outside it"):
        dataclasses.replace(development, y=y)
