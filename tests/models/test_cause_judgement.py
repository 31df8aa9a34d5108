"""How well causes are named: against scikit-learn, by hand, and where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics as theirs

from features.axes import CAUSES
from models import cause_judgement as judgement
from models.estimates import paired_difference

N, N_CAUSES = 300, len(CAUSES)
WORDS = ("likely", "possible", "less likely", "unlikely")


@pytest.fixture(scope="module")
def right() -> np.ndarray:
    """The right cause of each case; the common ones come first, the last is nobody's."""
    shares = np.arange(N_CAUSES, 0, -1.0) * (np.arange(N_CAUSES) < N_CAUSES - 1)
    return np.random.default_rng(3).choice(N_CAUSES, N, p=shares / shares.sum())


@pytest.fixture(scope="module")
def log_odds(right) -> np.ndarray:
    """Scores that know something of it."""
    scores = np.random.default_rng(4).normal(-2, 1.2, (N, N_CAUSES))
    scores[np.arange(N), right] += 1.5
    return scores


@pytest.fixture(scope="module")
def patients() -> np.ndarray:
    """One in three was worked up twice."""
    return np.arange(N) // 3 * 2 + np.arange(N) % 3 // 2


# ---- rankings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 2])
def test_accuracy_is_that_of_scikit_learn(right, log_odds, patients, first):
    found = judgement.accuracy(judgement.places(log_odds), log_odds, right, patients, seed=1)
    expected = theirs.top_k_accuracy_score(right, log_odds, k=first, labels=np.arange(N_CAUSES))
    assert found[f"top_{first}"].estimate == pytest.approx(expected, abs=1e-12)


def test_log_loss_is_that_of_scikit_learn(right, log_odds, patients):
    found = judgement.accuracy(judgement.places(log_odds), log_odds, right, patients, seed=1)["log_loss"]
    share = expit(log_odds)
    share = np.maximum(share, judgement.LEAST_SHARE)
    share /= share.sum(axis=1, keepdims=True)
    assert found.estimate == pytest.approx(theirs.log_loss(right, share, labels=np.arange(N_CAUSES)), abs=1e-12)


def test_a_ranking_without_probabilities_has_no_log_loss(right, log_odds, patients):
    found = judgement.accuracy(judgement.places(log_odds), None, right, patients, seed=1)
    assert found["log_loss"].reason == "its ranking comes without probabilities"
    assert found["top_1"].is_estimable


def test_a_cause_that_cannot_be_comes_last_and_costs_a_finite_loss():
    log_odds = np.array([[0.0, -np.inf, -30.0]])
    assert judgement.places(log_odds).tolist() == [[1, 3, 2]]
    share = judgement.shares(log_odds)
    assert share.sum() == pytest.approx(1)
    assert np.isfinite(judgement.share_loss(share, np.array([1]))).all()


@given(st.lists(st.lists(st.floats(-5, 5) | st.just(-np.inf), min_size=4, max_size=4), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_places_are_an_order_and_never_against_the_scores(rows):
    scores = np.array(rows)
    place = judgement.places(scores)
    assert (np.sort(place, axis=1) == np.arange(1, 5)).all()
    for row, order in zip(scores, np.argsort(place, axis=1), strict=True):
        assert (row[order][:-1] >= row[order][1:]).all()


# ---- intervals ---------------------------------------------------------------------------------------


def test_a_patient_drawn_brings_all_cases_along(patients):
    """Cases of a patient that are alike tell less than as many patients would: the clustered error, and no less."""
    values = np.random.default_rng(8).normal(size=N)[patients]
    found = judgement.patient_mean(values, patients, seed=1)
    clustered = paired_difference(values, np.zeros(N), patients).standard_error
    assert (found.upper - found.lower) / (2 * 1.96) == pytest.approx(clustered, rel=0.15)
    apart = judgement.patient_mean(values, np.arange(N), seed=1)
    assert found.upper - found.lower > 1.15 * (apart.upper - apart.lower)


def test_the_interval_holds_the_share_about_nineteen_times_of_twenty():
    rng = np.random.default_rng(6)
    drawn = (rng.random((300, 120)) < 0.4) * 1.0
    found = [judgement.patient_mean(values, np.arange(120), seed=i) for i, values in enumerate(drawn)]
    assert 0.90 < np.mean([one.lower <= 0.4 <= one.upper for one in found]) < 0.99


def test_the_order_of_the_cases_changes_no_estimate(right, log_odds, patients):
    order = np.random.default_rng(2).permutation(N)
    found, again = (
        judgement.accuracy(judgement.places(log_odds[rows]), log_odds[rows], right[rows], patients[rows], seed=1)
        for rows in (np.arange(N), order)
    )
    for name, estimate in found.items():
        assert again[name] == pytest.approx(estimate, abs=1e-12), name


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "there are no cases"),
        ([1.0, 0.0], "only 2 cases; at least 5 are needed"),
        ([1.0] * 6, "no interval: every case counts the same"),
    ],
)
def test_what_cannot_be_said_has_a_reason(values, reason):
    assert judgement.patient_mean(np.array(values), np.arange(len(values)), seed=1).reason == reason


# ---- confusion ---------------------------------------------------------------------------------------


def test_confusion_is_that_of_scikit_learn(right, log_odds):
    named = judgement.places(log_odds).argmin(axis=1)
    table = judgement.confusion(right, named)
    expected = theirs.confusion_matrix(right, named, labels=np.arange(N_CAUSES))
    for cause in set(table.index) - {judgement.POOLED}:
        row = expected[CAUSES.index(cause)]
        assert table.loc[cause].to_dict() == {name: row[CAUSES.index(name)] for name in table.columns}
    assert table.to_numpy().sum() == N


def test_rare_causes_share_a_row():
    right, named = np.array([0] * 6 + [3, 3, 8]), np.array([0] * 9)
    table = judgement.confusion(right, named)
    assert table.index.tolist() == [CAUSES[0], judgement.POOLED]
    assert table.loc[judgement.POOLED].sum() == 3


# ---- cause by cause ----------------------------------------------------------------------------------


def test_the_figures_of_a_cause_are_those_of_its_probability(right, log_odds):
    found = judgement.figures_of_cause(right == 0, log_odds[:, 0])
    y, p = (right == 0) * 1.0, expit(log_odds[:, 0])
    assert found["auroc"].estimate.estimate == pytest.approx(theirs.roc_auc_score(y, p), abs=1e-12)
    assert found["observed_to_expected"].estimate.estimate == pytest.approx(y.mean() / p.mean())
    assert found["auroc"].n == N


def test_cases_in_which_it_cannot_be_are_left_out_and_not_counted(right, log_odds):
    scores = np.where(np.arange(N) % 2 == 0, log_odds[:, 0], -np.inf)
    found = judgement.figures_of_cause(right == 0, scores)
    half = judgement.figures_of_cause((right == 0)[::2], log_odds[::2, 0])
    assert {name: one.estimate for name, one in found.items()} == {name: one.estimate for name, one in half.items()}
    assert found["auroc"].n == N // 2
    assert judgement.figures_of_cause(right == 0, np.full(N, -np.inf))["auroc"].as_json() == {
        "estimate": None, "lower": None, "upper": None, "reason": "in no case can it be the cause", "n": 0,
    }  # fmt: skip


def test_a_rare_cause_has_a_reason_and_no_figure(log_odds):
    is_cause = np.arange(N) < 3
    found = judgement.figures_of_cause(is_cause, log_odds[:, 0])
    for name in ("auroc", "calibration_intercept", "calibration_slope", "observed_to_expected"):
        assert found[name].estimate.reason == "only 3 cases have the outcome; at least 5 are needed", name


def test_scores_that_are_no_log_odds_are_judged_by_their_order_alone(right, log_odds):
    found = judgement.figures_of_cause(right == 0, 100 * log_odds[:, 0] + 7, is_probability=False)
    assert set(found) == {"auroc"}
    expected = theirs.roc_auc_score(right == 0, log_odds[:, 0])
    assert found["auroc"].estimate.estimate == pytest.approx(expected, abs=1e-12)


def test_two_causes_are_told_apart_among_their_own_cases(right, log_odds):
    first, other = CAUSES[0], CAUSES[2]
    lead = log_odds[:, 0] - log_odds[:, 2]
    found = judgement.told_between(right, lead, first, other)
    pair = np.isin(right, [0, 2])
    assert found.n == pair.sum()
    assert found.estimate.estimate == pytest.approx(theirs.roc_auc_score(right[pair] == 0, lead[pair]), abs=1e-12)


def test_a_permuted_cause_is_not_told(right, log_odds):
    rng = np.random.default_rng(9)
    permuted = [judgement.told_between(rng.permutation(right), log_odds[:, 0], CAUSES[0], CAUSES[2]) for _ in range(60)]
    assert np.mean([one.estimate.estimate for one in permuted]) == pytest.approx(0.5, abs=0.03)


# ---- words -------------------------------------------------------------------------------------------


def test_a_word_keeps_what_it_promises_where_the_log_odds_are_true():
    """Causes drawn from the very log-odds behind the words: each word's share is what it promised."""
    rng = np.random.default_rng(1)
    log_odds = rng.normal(-1, 2, (1500, 4))
    is_true = (rng.random(log_odds.shape) < expit(log_odds)) * 1.0
    word = np.array(WORDS)[np.digitize(-log_odds, [-1, 0, 2])]
    found = judgement.words_kept(word, is_true, log_odds, np.arange(1500), WORDS, seed=1)
    assert list(found) == list(WORDS)
    assert sum(one["told"] for one in found.values()) == log_odds.size
    for name, one in found.items():
        assert one["share"].lower < one["promised"] < one["share"].upper, name
        assert one["so"] / one["told"] == pytest.approx(one["share"].estimate)


def test_a_cause_that_cannot_be_is_told_no_word_and_few_are_not_counted():
    word = np.array([["likely", ""], ["likely", ""], ["", ""]])
    found = judgement.words_kept(word, np.zeros((3, 2)), np.zeros((3, 2)), np.arange(3), WORDS, seed=1)
    assert found["likely"]["told"] == 2
    assert found["likely"]["so"] is None
    assert found["likely"]["share"].reason == "only 2 cases; at least 5 are needed"
    assert found["unlikely"]["share"].reason == "there are no cases"


# ---- pairs -------------------------------------------------------------------------------------------


def test_a_pair_is_told_when_both_causes_are_first():
    first, second = np.array([[1, 2], [1, 2], [2, 1]]), np.array([[2, 1], [1, 2], [1, 2]])
    both, one = judgement.pairs_told(first, np.array([0, 0, 0]), second, np.array([1, 1, 1]))
    assert both.tolist() == [1.0, 0.0, 0.0]
    assert one.tolist() == [1.0, 1.0, 0.0]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_whoever_looks_at_what_pairs_share_alone_tells_no_pair(seed):
    """The same scores for both of a pair whose causes differ."""
    rng = np.random.default_rng(seed)
    place = judgement.places(rng.normal(size=(30, 5)))
    right = rng.integers(0, 5, 30)
    both, _ = judgement.pairs_told(place, right, place, (right + 1 + rng.integers(0, 4, 30)) % 5)
    assert both.sum() == 0


def test_pairs_are_told_apart_when_each_cause_leads_by_more_in_its_own_case():
    """The scan speaks for cause 0 in all; the course moves the first pair the right way, the second the wrong way."""
    first, second = np.array([[3.0, 0.0], [2.0, 1.0], [2.0, 1.0]]), np.array([[3.0, 2.0], [2.0, 0.0], [2.0, 1.0]])
    right = np.array([0, 0, 0]), np.array([1, 1, 1])
    assert judgement.pairs_apart(first, right[0], second, right[1]).tolist() == [1.0, 0.0, 0.5]
    assert judgement.pairs_apart(second, right[1], first, right[0]).tolist() == [1.0, 0.0, 0.5]
    impossible = np.where(np.arange(2) == 1, -np.inf, first)
    assert np.isnan(judgement.pairs_apart(impossible, right[0], impossible, right[1])).all()
