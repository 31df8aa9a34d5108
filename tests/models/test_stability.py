from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from models.metrics import NORMAL_QUANTILE, auroc, smooth_calibration_curve
from models.predictor import RiskPredictor
from models.stability import (
    FEWEST_REFITS,
    Instability,
    calibration_curves,
    flag_instability,
    instability,
    performance_instability,
    risk_instability,
    spread_cases,
)
from models.stability_figure import stability_panels

WORKED = Instability(
    risk=np.array([0.20, 0.50]),
    refits=np.array([[0.10, 0.15, 0.20, 0.25, 0.40], [0.50, 0.50, 0.55, 0.50, 0.45]]),
)


def moved(n: int, spread: float, seed: int = 1, refits: int = 50) -> tuple[Instability, np.ndarray]:
    """Honest risks, and refits that move them by so much on the log-odds; with the outcomes."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-0.8, 0.9, n)
    risk, moving = (1 / (1 + np.exp(-x)) for x in (log_odds, log_odds[:, None] + rng.normal(0, spread, (n, refits))))
    return Instability(risk, moving), (rng.random(n) < risk).astype(float)


def test_the_worked_example_comes_out_as_by_hand():
    found = risk_instability(WORKED)
    assert WORKED.absolute_error.tolist() == pytest.approx([(0.1 + 0.05 + 0 + 0.05 + 0.2) / 5, 0.02])
    assert found["mape"].estimate == pytest.approx((0.08 + 0.02) / 2)
    assert WORKED.standard_deviation.tolist() == pytest.approx([(0.053 / 4) ** 0.5, (0.005 / 4) ** 0.5])


def test_a_flag_flips_where_a_refit_decides_otherwise():
    """At 0.25 the first case is not flagged and two refits of five flag it; the second is flagged by all."""
    assert WORKED.flips(0.25).tolist() == [0.4, 0.0]
    assert WORKED.flips(0.5).tolist() == [0.0, 0.2]
    found = {name: value.estimate for name, value in flag_instability(WORKED, 0.25).items()}
    assert found == {"classification_instability": 0.2, "flip_in_5_percent": 0.5, "flip_in_50_percent": 0.0}


def test_refits_that_agree_with_the_model_move_nothing():
    found, y = moved(500, spread=0.0)
    assert all(value.estimate == pytest.approx(0, abs=1e-12) for value in risk_instability(found).values())
    assert all(value.estimate == 0 for value in flag_instability(found, 0.3).values())
    slope = performance_instability(found, y, np.ones(500))["calibration_slope"]
    assert slope.lower == pytest.approx(slope.estimate) == pytest.approx(slope.upper)


def test_the_more_refits_differ_the_less_stable_everything_is():
    calm, wild = moved(800, spread=0.1)[0], moved(800, spread=0.5)[0]
    for name, value in risk_instability(calm).items():
        assert value.estimate < risk_instability(wild)[name].estimate, name
    assert (
        flag_instability(calm, 0.3)["flip_in_5_percent"].estimate
        < flag_instability(wild, 0.3)["flip_in_5_percent"].estimate
    )


def test_performance_is_that_of_the_final_model_with_the_range_of_the_refits():
    found, y = moved(800, spread=0.4)
    told = performance_instability(found, y, np.ones(800))["auroc"]
    assert told.estimate == auroc(y, found.risk).estimate
    assert "range of the refits" in told.reason
    refits = [auroc(y, refit).estimate for refit in found.refits.T]
    assert (told.lower, told.upper) == pytest.approx(np.quantile(refits, [0.025, 0.975]))


def test_a_case_without_a_known_outcome_does_not_enter_performance():
    found, y = moved(600, spread=0.3)
    is_known = np.arange(600) % 3 > 0
    partly = performance_instability(found, np.where(is_known, y, np.nan), is_known.astype(float))
    assert partly == performance_instability(
        Instability(found.risk[is_known], found.refits[is_known]), y[is_known], np.ones(is_known.sum())
    )


@pytest.mark.parametrize("n", [0, 1, FEWEST_REFITS - 1])
def test_too_few_refits_say_so(n):
    found, y = moved(100, spread=0.3, refits=n)
    words = f"the model has {n} refits; at least {FEWEST_REFITS} are needed"
    told = {
        **risk_instability(found),
        **flag_instability(found, 0.3),
        **performance_instability(found, y, np.ones(100)),
    }
    assert {value.reason for value in told.values()} == {words}
    assert spread_cases(found, 50).empty
    assert calibration_curves(found, y, np.ones(100)).empty


def test_no_case_and_no_event_are_no_crash():
    nobody, _ = moved(0, spread=0.3)
    assert risk_instability(nobody)["mape"].reason == "there are no cases"
    found, _ = moved(100, spread=0.3)
    told = performance_instability(found, np.zeros(100), np.ones(100))
    assert told["auroc"].reason == "no case has the outcome"
    assert calibration_curves(found, np.zeros(100), np.ones(100)).empty


def test_curves_are_those_of_the_metric_thinned():
    found, y = moved(700, spread=0.3, refits=6)
    curves = calibration_curves(found, y, np.ones(700))
    assert sorted(curves["refit"].unique()) == [-1, 0, 1, 2, 3, 4, 5]
    whole = smooth_calibration_curve(y, found.risk)
    final = curves[curves["refit"] == -1]
    assert len(final) <= 41
    assert np.interp(final["risk"], whole["risk"], whole["observed"]) == pytest.approx(final["observed"])


def test_shown_cases_are_spread_over_the_risks_and_named_by_nobody():
    found, _ = moved(1000, spread=0.3)
    shown = spread_cases(found, 50)
    assert list(shown.columns) == ["risk", "lower", "upper"]
    assert isinstance(shown.index, pd.RangeIndex)
    assert len(shown) == 50
    assert shown["risk"].is_monotonic_increasing
    assert (shown["lower"] < shown["upper"]).all()


def test_risks_of_a_bundle_are_those_that_it_predicts(development, learned, bundle_of):
    bundle = bundle_of(learned["xgboost"])
    found = instability(bundle, development.X, development.X)
    assert found.risk == pytest.approx(
        RiskPredictor(bundle, "hash").risk(development.X, development.X).to_numpy(), abs=1e-6
    )
    assert found.refits.shape == (len(development.y), len(bundle.refits))
    # The same spread that the predictor makes its interval of.
    log_odds = np.log(found.refits / (1 - found.refits))
    told = RiskPredictor(bundle, "hash").risks(development.X[[p.name for p in bundle.predictors]])
    width = np.log(told.upper / (1 - told.upper)) - np.log(told.lower / (1 - told.lower))
    assert log_odds.std(axis=1, ddof=1) == pytest.approx(width / (2 * NORMAL_QUANTILE), rel=1e-4)


def test_a_model_without_refits_is_told_as_such(development, learned, bundle_of):
    bundle = dataclasses.replace(bundle_of(learned["logistic"]), refits=())
    found = instability(bundle, development.X, development.X)
    assert found.refits.shape == (len(development.y), 0)
    assert risk_instability(found)["mape"].reason.startswith("the model has 0 refits")


def test_panels_are_drawn_also_where_nothing_can_be_said():
    found, y = moved(200, spread=0.3)
    few, _ = moved(10, spread=0.3, refits=1)
    figure = stability_panels(
        {"temporal": spread_cases(found, 50), "geographic": spread_cases(few, 50)},
        {
            "temporal": calibration_curves(found, y, np.ones(200)),
            "geographic": calibration_curves(few, y[:10], np.ones(10)),
        },
        0.3,
        "failure_12m",
    )
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert said == [[], [], ["not estimable"], ["not estimable"]]


def test_what_is_no_interval_says_so():
    found, _ = moved(100, spread=0.3)
    for value in {**risk_instability(found), **flag_instability(found, 0.3)}.values():
        assert value.lower is None
        assert value.reason.startswith("no interval")
