"""Leaving one centre out: who teaches whom, the same recipe as `train`, and centres that say nothing."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from models import validation
from models.drawing import plt, save
from models.estimates import Estimate
from models.fitted import sigmoid
from models.forest_figure import forest
from models.metrics import auroc
from models.training import learn
from models.validation import RECIPE, internal_external, leave_one_centre_out, others, pooled_metrics

LEARNERS = ("prevalence", "logistic")


@pytest.fixture(scope="module")
def recipe(predictors):
    def learned(data):
        return {
            learner: learn(data, learner, predictors, {"C": [0.01, 1.0]}, refits=0, seed=1, threads=1)
            for learner in LEARNERS
        }

    return learned


@pytest.fixture(scope="module")
def centres(development):
    """Four centres; the two hundred patients with two cases have them in different ones."""
    return np.array([f"K{i % 4 if i < 1000 else (i + 1) % 4}" for i in range(len(development.y))])


@pytest.fixture(scope="module")
def left_out(development, centres, recipe):
    return leave_one_centre_out(development, centres, recipe, learners=LEARNERS)


@pytest.fixture(scope="module")
def found(left_out):
    return internal_external(left_out, thresholds=[0.3], seed=1)


def watched(recipe, seen):
    def learned(data):
        seen.append(data)
        return recipe(data)

    return learned


def test_nobody_teaches_what_is_asked_of_a_centre_of_theirs(development, centres, recipe):
    seen = []
    leave_one_centre_out(development, centres, watched(recipe, seen), learners=LEARNERS, threads=1)
    assert len(seen) == 4
    for centre, known in zip(sorted(set(centres)), seen, strict=True):
        asked = set(development.patients[centres == centre])
        assert not asked & set(known.patients)
        assert set(known.patients) == set(development.patients) - asked
        both = set(development.patients[centres != centre]) & asked
        assert both, "the fixture has patients of two centres"


def test_each_centre_is_predicted_by_the_recipe_on_the_others(development, centres, recipe, left_out):
    teach = np.flatnonzero(others(development.patients, centres, "K2"))
    alone = recipe(development.rows(teach))["logistic"]
    asked = centres == "K2"
    expected = alone.recalibration(alone.model.log_odds(development.X[asked]))
    np.testing.assert_array_equal(left_out.log_odds["logistic"][asked], expected)


def test_the_recipe_is_what_it_chose_itself(left_out, centres):
    assert set(left_out.chosen) == set(centres)
    for centre, learner in left_out.chosen.items():
        of_centre = centres == centre
        np.testing.assert_array_equal(left_out.log_odds[RECIPE][of_centre], left_out.log_odds[learner][of_centre])


def test_weights_are_those_that_the_others_know(development, centres, recipe):
    seen = []

    def weights_without(centre):
        return np.where(development.y == 1, 1.0 + int(centre[1]), 1.0)

    leave_one_centre_out(
        development, centres, watched(recipe, seen), learners=LEARNERS, weights_without=weights_without, threads=1
    )
    assert [known.weights.max() for known in seen] == [1, 2, 3, 4]


def test_permuted_outcomes_are_not_predicted_in_another_centre(development, centres, recipe):
    shuffled = dataclasses.replace(development, y=np.random.default_rng(1).permutation(development.y))
    left_out = leave_one_centre_out(shuffled, centres, recipe, learners=LEARNERS)
    risk = sigmoid(left_out.log_odds["logistic"])
    # Centres whose margin knew nothing have one risk for all; between them only the prevalence of the others differs.
    assert auroc(shuffled.y, risk).lower < 0.5


def test_pooled_figures_are_of_all_cases_at_once(development, left_out, found):
    risk = sigmoid(left_out.log_odds["logistic"])
    assert found["logistic"]["pooled"]["auroc"] == auroc(development.y, risk).as_json()
    assert "net_benefit_30" in found["logistic"]["pooled"]


def test_every_learner_has_centres_pooled_figures_and_heterogeneity(found, centres):
    assert set(found) == {RECIPE, *LEARNERS}
    for of_learner in found.values():
        assert set(of_learner) == {"centres", "pooled", "heterogeneity"}
        assert sum(row["cases"] for row in of_learner["centres"].values()) == len(centres)
    spread = found[RECIPE]["heterogeneity"]["calibration_slope"]
    assert spread["centres"] == 4
    assert spread["prediction_lower"] <= spread["lower"] <= spread["estimate"] <= spread["upper"]
    assert found["prevalence"]["heterogeneity"]["auroc"]["reason"].startswith("0 of 4 centres")
    json.dumps(found, allow_nan=False)


def test_a_centre_of_one_class_or_three_cases_is_listed_and_not_estimable(development, centres, recipe):
    tiny = centres.copy()
    tiny[:3] = "K8"
    of_one_class = np.flatnonzero(development.y == 0)[10:40]
    tiny[of_one_class] = "K9"
    found = internal_external(
        leave_one_centre_out(development, tiny, recipe, learners=LEARNERS), thresholds=[0.3], seed=1
    )[RECIPE]
    assert found["centres"]["K8"]["cases"] == 3
    assert found["centres"]["K8"]["metrics"]["calibration_slope"]["estimate"] is None
    assert found["centres"]["K8"]["events"] is None
    for metric in found["centres"]["K8"]["metrics"].values():
        assert metric["reason"] == "only 3 cases; at least 5 are needed"
        assert metric["estimate"] is None
    assert found["centres"]["K9"]["metrics"]["auroc"]["reason"] == "no case has the outcome"
    assert found["heterogeneity"]["auroc"]["centres"] == 4
    assert "K9: no case has the outcome" in found["heterogeneity"]["auroc"]["reason"]


def test_where_one_centre_has_nearly_everything_the_others_cannot_be_asked(development, centres, recipe, tmp_path):
    uneven = np.where(np.arange(len(centres)) % 100 == 0, "small", "large")
    left_out = leave_one_centre_out(development, uneven, recipe, learners=LEARNERS)
    assert set(left_out.refused) == {"large"}
    assert np.isnan(left_out.log_odds[RECIPE][uneven == "large"]).all()
    found = internal_external(left_out, thresholds=[0.3], seed=1)[RECIPE]
    assert found["centres"]["large"]["chosen"] is None
    assert found["centres"]["large"]["metrics"]["auroc"]["reason"].startswith("too little is left without it")
    assert found["centres"]["small"]["chosen"] == "logistic"
    assert found["heterogeneity"]["auroc"]["reason"].startswith("1 of 2 centres can be pooled; at least 3 are needed")
    save(forest(found, "uneven"), tmp_path / "forest.png")


def test_a_single_centre_leaves_nobody_to_teach(development, recipe, tmp_path):
    one = np.full(len(development.y), "K1")
    left_out = leave_one_centre_out(development, one, recipe, learners=LEARNERS)
    assert set(left_out.refused) == {"K1"}
    pooled = pooled_metrics(left_out, RECIPE, thresholds=[0.3], seed=1)
    assert all(estimate.estimate is None and estimate.reason for estimate in pooled.values())
    save(forest(internal_external(left_out, thresholds=[0.3], seed=1)[RECIPE], "alone"), tmp_path / "forest.png")


def test_the_forest_names_every_centre_and_why_one_has_no_figure(found):
    spoiled = json.loads(json.dumps(found[RECIPE]))
    spoiled["centres"]["K1"]["metrics"]["auroc"] = Estimate(None, reason="no case has the outcome").as_json()
    figure = forest(spoiled, "failure")
    said = [text.get_text() for text in figure.findobj(plt.Text)]
    assert {"K0", "K1", "K2", "K3", "mean of centres", "next centre, expected"} <= set(said)
    assert "K1 (AUROC): no case has the outcome" in said
    assert "not estimable" in said
    plt.close(figure)


def test_what_a_centre_is_asked_is_among_all_measures(left_out):
    assert set(validation.POOLED_OVER_CENTRES) <= set(validation.CENTRE_MEASURES)
    assert set(validation.CENTRE_MEASURES) <= set(pooled_metrics(left_out, RECIPE, thresholds=[], seed=1))


def test_events_of_a_centre_are_its_cases_with_the_outcome(found, development, centres):
    for centre, row in found[RECIPE]["centres"].items():
        assert row["events"] == development.y[centres == centre].sum() != (centres == centre).sum() / 2


def with_events_elsewhere(development, in_small: np.ndarray):
    """Cases of two centres: in the one these have the outcome, in the other every second one."""
    n = len(development.y)
    centres = np.where(np.arange(n) < 600, "one", "other")
    y = np.where(np.arange(n) < 600, 0.0, np.arange(n) // 8 % 2)
    y[in_small] = 1.0
    patients = np.array([f"P{i}" for i in range(n)])
    return dataclasses.replace(development, y=y, patients=patients, folds=np.arange(n) % 4), centres


def test_a_centre_without_which_all_events_are_in_one_fold_is_refused(development, recipe):
    data, centres = with_events_elsewhere(development, np.arange(0, 48, 4))
    left_out = leave_one_centre_out(data, centres, recipe, learners=LEARNERS, threads=1)
    reason = "too little is left without it: 12 cases with the outcome, 588 without, for 4 folds"
    assert left_out.refused == {"other": reason}


def test_events_that_are_uneven_over_the_folds_are_learned_from(development, recipe):
    data, centres = with_events_elsewhere(development, np.r_[np.arange(0, 32, 4), 1, 2, 3])
    left_out = leave_one_centre_out(data, centres, recipe, learners=LEARNERS, threads=1)
    assert left_out.refused == {}
    assert np.isfinite(left_out.log_odds[RECIPE]).all()
