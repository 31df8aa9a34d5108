"""Updating a model for another site: numbers as R has them, decisions in order, explanations that still add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from features.errors import OutcomeError
from models.bundle import read_bundle, write_bundle
from models.distributions import development_distributions
from models.fitted import Recalibration
from models.predictor import RiskPredictor
from models.updating import (
    INTERCEPT,
    INTERCEPT_AND_SLOPE,
    METHODS,
    ORIGINAL,
    Site,
    closed_test,
    compared,
    composed,
    fitted,
    moved_distributions,
    out_of_fold,
    refit_lines,
    site_fingerprint,
    update_facts,
    updated_bundle,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "updating"
SAME_AS_R = 1e-6
EXACT = 1e-12


def a_site(n: int, intercept: float = 0.0, slope: float = 1.0, seed: int = 3) -> Site:
    """Cases whose outcomes follow intercept + slope x the log-odds that the model gives."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-0.8, 0.9, n)
    y = (rng.random(n) < expit(intercept + slope * log_odds)).astype(float)
    return Site(log_odds, y, np.ones(n), np.arange(n))


@pytest.fixture(scope="module")
def reference_sites() -> dict[str, Site]:
    cases = pd.read_csv(REFERENCE / "cases.csv")
    return {
        str(name): Site.of(
            expit(own["log_odds"].to_numpy()), own["y"].to_numpy(float), own["weight"].to_numpy(float), own.index
        )
        for name, own in cases.groupby("site", sort=False)
    }


@pytest.mark.parametrize("name", ["right", "higher", "steeper", "censored"])
def test_fits_and_tests_are_those_of_r(reference_sites, name):
    rows = pd.read_csv(REFERENCE / "reference.csv").query("site == @name")
    wanted = rows.set_index("quantity")["value"].drop("last_p_by_definition", errors="ignore").to_dict()
    fits = {method: fitted(reference_sites[name], method) for method in METHODS}
    alone, both = fits[INTERCEPT], fits[INTERCEPT_AND_SLOPE]
    most, last = (compared(fits, smaller, INTERCEPT_AND_SLOPE, 0.05) for smaller in (ORIGINAL, INTERCEPT))
    found = {
        "intercept_alone": alone.line.intercept,
        "intercept_alone_se": np.sqrt(alone.covariance[0, 0]),
        "intercept": both.line.intercept,
        "intercept_se": np.sqrt(both.covariance[0, 0]),
        "slope": both.line.slope,
        "slope_se": np.sqrt(both.covariance[1, 1]),
        "most_statistic": most.statistic,
        "most_p": most.p_value,
        "last_statistic": last.statistic,
        "last_p": last.p_value,
    }
    assert found == pytest.approx(wanted, rel=SAME_AS_R, abs=1e-9)


def test_the_least_that_the_cases_ask_for_is_taken(reference_sites):
    decided = {name: closed_test(site, 0.05).method for name, site in reference_sites.items()}
    assert decided == {
        "right": ORIGINAL,
        "higher": INTERCEPT,
        "steeper": INTERCEPT_AND_SLOPE,
        "censored": INTERCEPT_AND_SLOPE,
    }


def test_the_level_is_the_one_that_is_asked_for(reference_sites):
    site = reference_sites["right"]  # p 0.085 for both together, 0.29 for the slope
    assert [closed_test(site, level).method for level in (0.08, 0.09, 0.3)] == [
        ORIGINAL,
        INTERCEPT,
        INTERCEPT_AND_SLOPE,
    ]


def test_what_is_kept_is_said_without_an_interval(reference_sites):
    kept = closed_test(reference_sites["right"], 0.05)
    assert (kept.changes, kept.line) == (False, Recalibration(0.0, 1.0))
    assert (kept.intercept.lower, kept.slope.lower) == (None, None)
    moved = closed_test(reference_sites["higher"], 0.05)
    assert moved.intercept.lower < moved.intercept.estimate < moved.intercept.upper
    assert (moved.slope.estimate, moved.slope.lower) == (1.0, None)


def test_a_model_that_is_right_is_changed_no_more_often_than_the_level_says():
    changed = sum(closed_test(a_site(300, seed=seed), 0.05).changes for seed in range(200))
    assert changed <= 19  # 10 expected; more than 18 in one of 200 such series


def test_weights_that_are_all_equal_are_no_weights(reference_sites):
    site = reference_sites["higher"]
    heavy = Site.of(expit(site.log_odds), site.y, 7 * site.weights, site.patients)
    assert closed_test(heavy, 0.05) == closed_test(site, 0.05)


def test_a_case_of_weight_0_is_not_there(reference_sites):
    site = reference_sites["higher"]
    more = [np.append(value, values) for values, value in ((expit(site.log_odds), 0.2), (site.y, np.nan))]
    found = Site.of(*more, np.append(0.0, site.weights), np.append(-1, site.patients))
    np.testing.assert_allclose(found.log_odds, site.log_odds, atol=1e-12)
    np.testing.assert_array_equal(found.patients, site.patients)


def test_cases_that_are_drawn_keep_their_own_weights_and_patients(reference_sites):
    site = reference_sites["censored"]
    drawn = site.rows(np.array([7, 3, 7]))
    for part in ("log_odds", "y", "weights", "patients"):
        np.testing.assert_array_equal(getattr(drawn, part), getattr(site, part)[[7, 3, 7]])


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1.0] * 40, "every case has the outcome"),
        ([0.0] * 40, "no case has the outcome"),
        ([1.0] * 4 + [0.0] * 36, "4 had the outcome and 36 did not; at least 10 of each"),
        ([1.0] * 31 + [0.0] * 9, "31 had the outcome and 9 did not; at least 10 of each"),
    ],
)
def test_too_few_of_a_kind_are_refused_with_the_counts(y, words):
    with pytest.raises(OutcomeError, match=words):
        Site.of(np.linspace(0.1, 0.6, 40), np.array(y), np.ones(40), np.arange(40))


def test_ten_of_each_kind_are_enough():
    y = np.array([1.0, 0.0, 0.0, 0.0] * 10)
    assert Site.of(np.linspace(0.1, 0.6, 40), y, np.ones(40), np.arange(40)).events == 10


def test_one_risk_for_all_and_certain_risks_are_refused():
    y = np.array([1.0, 0.0] * 20)
    with pytest.raises(OutcomeError, match="same risk"):
        Site.of(np.full(40, 0.3), y, np.ones(40), np.arange(40))
    with pytest.raises(OutcomeError, match="exactly 0 or 1"):
        Site.of(np.append(np.linspace(0.1, 0.6, 39), 1.0), y, np.ones(40), np.arange(40))


def test_risks_that_run_against_outcomes_are_not_turned_round():
    with pytest.raises(OutcomeError, match="run against outcomes"):
        closed_test(a_site(400, intercept=-1.5, slope=-1.0), 0.05)


@pytest.mark.parametrize("direction", [1, -1])
def test_risks_that_separate_the_outcomes_have_no_slope(direction):
    log_odds = np.linspace(-2, 2, 40)
    site = Site(log_odds, (direction * log_odds > 0).astype(float), np.ones(40), np.arange(40))
    with pytest.raises(OutcomeError, match="separate the outcomes"):
        closed_test(site, 0.05)


# ---- lines, one after the other ------------------------------------------------------------------

LINES = st.builds(Recalibration, st.floats(-3, 3), st.floats(0.1, 3))


@given(LINES, LINES, LINES)
def test_lines_may_be_joined_in_any_order_of_brackets(a, b, c):
    left, right = composed(composed(a, b), c), composed(a, composed(b, c))
    assert (left.intercept, left.slope) == pytest.approx((right.intercept, right.slope), abs=1e-9)
    x = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(left(x), c(b(a(x))), atol=1e-9)


@settings(max_examples=20)
@given(LINES)
def test_the_distribution_of_the_risk_moves_with_the_line(line):
    log_odds = np.random.default_rng(0).normal(-1, 1, 300)
    before = development_distributions(pd.DataFrame({"odi": log_odds}), log_odds)
    moved = moved_distributions(before, line)
    for cut, old in zip(moved["risk"]["cuts"], before["risk"]["cuts"], strict=True):
        below = [int((expit(values) <= at).sum()) for values, at in ((line(log_odds), cut), (log_odds, old))]
        assert abs(below[0] - below[1]) <= 1  # a case at the cut may fall on either side of the tenth digit
    assert moved["predictors"] == before["predictors"]


# ---- the updated model ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["logistic", "xgboost"])
def updated(request, learned, bundle_of, development):
    """A model and its update to a site of 300 cases where the outcome is commoner by 0.8 in log-odds."""
    bundle = bundle_of(learned[request.param])
    predictor = RiskPredictor(bundle, "parent")
    rows = development.X.iloc[:300]
    risk = predictor.risks(columns_of(rows, predictor)).risk
    y = (np.random.default_rng(1).random(300) < expit(logit(risk) + 0.8)).astype(float)
    site = Site.of(risk, y, np.ones(300), development.patients[:300])
    update = closed_test(site, 0.05)
    margins = np.stack([refit.log_odds(rows) for refit in bundle.refits])
    lines = refit_lines(bundle.recalibrated_refits(margins), site, update.method, seed=1)
    facts = update_facts(update, site, parent_sha256="parent", fingerprint="f", centres=1, provenance="registry")
    return bundle, updated_bundle(bundle, update, lines, facts, "virtual"), update, development.X.iloc[300:600]


def columns_of(rows: pd.DataFrame, predictor: RiskPredictor) -> dict:
    return {name: rows[name].to_numpy() for name in predictor.names}


def test_explanations_of_an_updated_model_still_add_up(updated):
    _, bundle, _, rows = updated
    predictor = RiskPredictor(bundle, "new")
    found = predictor.risks(columns_of(rows, predictor))
    np.testing.assert_allclose(found.base_log_odds + found.contributions.sum(axis=1), logit(found.risk), atol=EXACT)


def test_an_updated_risk_is_the_old_one_on_another_line(updated):
    before, after, update, rows = updated
    old, new = (RiskPredictor(each, "x").risks(columns_of(rows, RiskPredictor(each, "x"))) for each in (before, after))
    assert update.method == INTERCEPT
    np.testing.assert_allclose(logit(new.risk), update.line(logit(old.risk)), atol=1e-9)
    np.testing.assert_allclose(new.contributions, update.line.slope * old.contributions, atol=EXACT)


def test_what_the_site_does_not_know_widens_the_intervals(updated):
    before, after, update, rows = updated
    old, new = (RiskPredictor(each, "x").risks(columns_of(rows, RiskPredictor(each, "x"))) for each in (before, after))
    widths = [np.median(logit(risks.upper) - logit(risks.lower)) for risks in (old, new)]
    assert widths[1] > widths[0]
    alone = update.intercept.upper - update.intercept.lower
    assert widths[1] == pytest.approx(np.hypot(widths[0], alone), rel=0.5)  # four refits know their spread so well


def test_an_updated_model_is_stored_and_read_again(updated, tmp_path):
    _, bundle, _, rows = updated
    sha256 = write_bundle(bundle, tmp_path / "b")
    again = read_bundle(tmp_path / "b")
    assert (again.updates, again.refit_recalibrations) == (bundle.updates, bundle.refit_recalibrations)
    assert again.updates[0]["parent_sha256"] == "parent"
    predictor = RiskPredictor(bundle, sha256)
    asked = columns_of(rows.iloc[:5], predictor)
    for part in ("risk", "lower", "upper"):
        np.testing.assert_allclose(
            getattr(RiskPredictor(again, sha256).risks(asked), part), getattr(predictor.risks(asked), part), atol=1e-7
        )


def test_a_second_update_stands_on_the_first(updated):
    _, bundle, update, _ = updated
    twice = updated_bundle(bundle, update, (update.line,) * len(bundle.refits), {"cases": 5}, "virtual")
    assert [facts["cases"] for facts in twice.updates] == [300, 5]
    assert twice.recalibration == composed(bundle.recalibration, update.line)
    assert twice.refit_recalibrations[0] == composed(bundle.refit_recalibrations[0], update.line)


def test_each_refit_is_updated_by_its_own_risks_and_by_the_method_that_was_chosen():
    site = a_site(400)
    alone, both = (
        refit_lines(np.stack([site.log_odds, site.log_odds + 3]), site, method, seed=1)
        for method in (INTERCEPT, INTERCEPT_AND_SLOPE)
    )
    assert [line.slope for line in alone] == [1.0, 1.0]
    assert alone[0].intercept - alone[1].intercept == pytest.approx(3, abs=0.6)  # each on a resample of its own
    assert alone[0].intercept - alone[1].intercept != pytest.approx(3, abs=1e-6)
    assert all(line.slope != 1.0 for line in both)


def test_what_a_bundle_says_of_a_site_is_weighted(reference_sites):
    site = reference_sites["censored"]
    facts = update_facts(
        closed_test(site, 0.05), site, parent_sha256="p", fingerprint="f", centres=1, provenance="registry"
    )
    assert facts["prevalence"] == pytest.approx((site.weights * site.y).sum() / site.weights.sum(), abs=1e-9)
    assert facts["prevalence"] != pytest.approx(site.y.mean(), abs=1e-4)


def test_cases_out_of_fold_did_not_update_their_own_risk():
    site = a_site(400, intercept=0.8)
    found = out_of_fold(site, 0.05, seed=1)
    moved = found - site.log_odds
    assert len(np.unique(moved.round(9))) == 10  # an intercept of its own in each fold
    assert abs(moved.mean() - closed_test(site, 0.05).line.intercept) < 0.02


def test_patients_are_on_one_side_of_a_fold():
    site = a_site(400, intercept=0.8)
    twins = Site(site.log_odds, site.y, site.weights, np.arange(400) // 2)
    moved = (out_of_fold(twins, 0.05, seed=1) - twins.log_odds).round(9)
    np.testing.assert_allclose(moved[0::2], moved[1::2], atol=1e-8)


def test_a_fingerprint_is_of_the_cases_and_not_of_their_order():
    y, weights = np.array([1.0, 0.0, 1.0]), np.ones(3)
    same = site_fingerprint(["a", "b", "c"], y, weights), site_fingerprint(["c", "b", "a"], y, weights)
    assert same[0] == same[1]
    assert site_fingerprint(["a", "b", "c"], 1 - y, weights) != same[0]
    assert site_fingerprint(["a", "b", "c"], y, weights * [1, 1, 2]) != same[0]
