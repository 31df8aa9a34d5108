"""On simulated registries of which the whole truth is known: those lost are represented, and chance is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.metrics import brier_score
from models.nonresponse import FEWEST, fitted_response, response_weights

N = 6000


def registry(seed: int = 1) -> tuple[pd.DataFrame, np.ndarray, np.random.Generator]:
    """Predictors and an outcome that the distressed, and those out of work, have more often."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "distress": rng.normal(size=N),
            "work_status": rng.choice(["working", "unemployed", "retired"], N, p=[0.6, 0.2, 0.2]).astype(object),
            "sex": rng.choice(["female", "male"], N).astype(object),
        }
    )
    log_odds = -1 + 0.8 * X["distress"] + 0.8 * (X["work_status"] == "unemployed")
    return X, (rng.random(N) < 1 / (1 + np.exp(-log_odds))).astype(float), rng


def answers(log_odds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(N) < 1 / (1 + np.exp(-log_odds))


def test_where_the_distressed_stay_away_weighting_recovers_the_prevalence():
    X, y, rng = registry()
    known = answers(1 - 1.0 * X["distress"].to_numpy() - 0.7 * (X["work_status"] == "unemployed"), rng)
    weights = response_weights(known, X)
    chance = 2 * np.sqrt(y.mean() * (1 - y.mean()) / known.sum())
    assert y[known].mean() < y.mean() - 3 * chance
    assert np.average(y, weights=weights) == pytest.approx(y.mean(), abs=1.5 * chance)


def test_where_loss_is_random_weighting_changes_nothing_beyond_noise():
    X, y, rng = registry()
    known = answers(np.full(N, 1.0), rng)
    response = fitted_response(known, X)
    assert np.average(y, weights=response.weights) == pytest.approx(y[known].mean(), abs=0.005)
    assert response.effective_cases > 0.99 * known.sum()
    assert response.auroc.estimate < 0.54


def test_a_spline_follows_loss_at_both_ends():
    X, y, rng = registry(2)
    y = (rng.random(N) < 1 / (1 + np.exp(2 - X["distress"].to_numpy() ** 2))).astype(float)
    known = answers(2 - 0.5 * X["distress"].to_numpy() ** 2, rng)
    plain, weighted = y[known].mean(), np.average(y, weights=response_weights(known, X))
    assert abs(weighted - y.mean()) < 0.5 * abs(plain - y.mean())


def test_that_something_was_not_recorded_is_information_too():
    X, y, rng = registry(3)
    unrecorded = rng.random(N) < 0.3
    y = np.where(unrecorded, (rng.random(N) < 0.7).astype(float), y)
    known = answers(np.where(unrecorded, -1.0, 2.0), rng)
    X["distress"] = X["distress"].mask(unrecorded)
    assert np.average(y, weights=response_weights(known, X)) == pytest.approx(y.mean(), abs=0.03)
    assert y[known].mean() < y.mean() - 0.05


def test_a_case_without_an_outcome_weighs_nothing_and_the_others_one_on_average():
    X, _, rng = registry()
    known = answers(-X["distress"].to_numpy(), rng)
    weights = response_weights(known, X)
    assert (weights[~known] == 0).all()
    assert (weights[known] > 0).all()
    assert weights[known].mean() == pytest.approx(1)


def test_truncation_bounds_the_largest_weight_and_is_counted():
    X, _, rng = registry()
    known = answers(1 - 2.5 * X["distress"].to_numpy(), rng)
    free, bounded = fitted_response(known, X, (0, 100)), fitted_response(known, X, (5, 95))
    assert free.n_truncated == 0
    assert bounded.n_truncated == pytest.approx(0.1 * known.sum(), rel=0.05)
    assert bounded.weights.max() < free.weights.max()
    assert bounded.effective_cases > free.effective_cases


def test_weighted_metrics_take_the_weights():
    """Seam: the weights go to the metrics as they are, unknown outcomes left out."""
    X, y, rng = registry()
    known = answers(1 - X["distress"].to_numpy(), rng)
    weights = response_weights(known, X)
    risk = np.full(N, 0.4)
    expected = np.average((y[known] - 0.4) ** 2, weights=weights[known])
    assert brier_score(y[known], risk[known], weights=weights[known]).estimate == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n_unknown", "words"),
    [(0, "every outcome is known"), (FEWEST - 1, "19 are not; at least 20 of each are needed")],
)
def test_too_little_loss_to_learn_from_weighs_all_the_same(n_unknown, words):
    X, _, _ = registry()
    known = np.arange(N) >= n_unknown
    response = fitted_response(known, X)
    assert words in response.reason
    assert set(response.weights) <= {0.0, 1.0}
    assert response.auroc.estimate is None
    assert words in response.as_json()["auroc"]["reason"]


def test_without_a_predictor_that_varies_it_weighs_all_the_same():
    known = np.arange(100) % 2 == 0
    response = fitted_response(known, pd.DataFrame({"sex": ["female"] * 100, "empty": [np.nan] * 100}))
    assert response.reason == "no predictor of response varies"
    assert response.weights.tolist() == known.astype(float).tolist()


def test_no_case_at_all_is_no_crash():
    response = fitted_response(np.zeros(0, dtype=bool), pd.DataFrame({"age_years": []}))
    assert response.effective_cases == 0
    assert response.as_json()["largest_weight"] == 0


def test_the_same_cases_get_the_same_weights_and_the_frame_is_unchanged():
    X, _, rng = registry()
    known = answers(-X["distress"].to_numpy(), rng)
    before = X.copy()
    assert np.array_equal(response_weights(known, X), response_weights(known, X))
    pd.testing.assert_frame_equal(X, before)


def test_mistakes_of_the_caller_are_refused():
    X, _, _ = registry()
    with pytest.raises(ValueError, match="is_known names 3 cases, X has 6000"):
        response_weights([True] * 3, X)
    with pytest.raises(ValueError, match="must rise within 0 to 100"):
        response_weights([True] * N, X, (99, 1))


def test_a_case_that_an_event_settled_stands_for_itself_alone():
    """Reoperated patients are all known, whoever answers; they must not also stand for those who were lost."""
    X, y, rng = registry(5)
    settled = rng.random(N) < 1 / (1 + np.exp(2.5 - X["distress"].to_numpy()))
    y = np.where(settled, 1.0, y)
    known = settled | answers(0.5 - 0.5 * X["distress"].to_numpy(), rng)
    response = fitted_response(known, X, is_settled=settled)
    assert np.average(settled, weights=response.weights) == pytest.approx(settled.mean(), abs=1e-12)
    assert response.weights[known].mean() == pytest.approx(1)
    plain, blind = y[known].mean(), np.average(y, weights=response_weights(known, X))
    weighted = np.average(y, weights=response.weights)
    assert min(plain, blind) > y.mean() + 0.015
    assert weighted == pytest.approx(y.mean(), abs=0.01)
    assert response.as_json()["settled_by_event"] == settled.sum()
    assert response.auroc.estimate < 0.7


def test_settled_cases_stand_for_themselves_also_where_no_response_is_learned():
    known, settled = np.arange(60) < 45, np.arange(60) < 15
    response = fitted_response(known, pd.DataFrame({"sex": ["female"] * 60}), is_settled=settled)
    assert response.reason == "30 outcomes are known and 15 are not; at least 20 of each are needed"
    assert np.average(settled, weights=response.weights) == pytest.approx(0.25)


def test_an_event_cannot_settle_what_is_not_known():
    with pytest.raises(ValueError, match="settled the outcome of 1 cases that is not known"):
        fitted_response([True, False], pd.DataFrame({"age_years": [40.0, 50.0]}), is_settled=[False, True])
