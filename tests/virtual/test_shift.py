"""Shift on demand: each parameter changes what it says, and nothing upstream of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.assumed import draw_assumed_effect
from pipeline.virtual.draws import streams
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.people import People
from pipeline.virtual.registry import draw_planned_cases, draw_registry, drawn_decisions, referred
from pipeline.virtual.scan import grades_at

HOME = RegistryParams(seed=41, cases=4000, centres=4, first_year=2016, years=6, discordance_effect=1.0)


@pytest.fixture(scope="module")
def at_home() -> tuple[pd.DataFrame, pd.DataFrame]:
    return draw_registry(HOME)


def same(one: People | Anatomy, other: People | Anatomy) -> bool:
    """Whether two blocks of arrays hold the same numbers."""
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(
        np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a.keys() == b.keys() for a, b in pairs
    )


def test_the_defaults_shift_nothing(at_home):
    named = replace(
        HOME, outcome_intercept=0.0, outcome_slope=1.0, reader_error=1.0, drawing_extent=0.0, threshold_change_year=2019
    )
    pd.testing.assert_frame_equal(draw_registry(named)[0], at_home[0])


# Another country


def test_another_country_has_the_same_patients_before_the_operation(at_home):
    abroad = replace(HOME, outcome_intercept=0.8, outcome_slope=0.8)
    pd.testing.assert_frame_equal(draw_planned_cases(abroad), draw_planned_cases(HOME))
    _, truth = draw_registry(abroad)
    assert truth["true_risk_failure_12m"].mean() > at_home[1]["true_risk_failure_12m"].mean() + 0.08


@pytest.mark.parametrize(("intercept", "slope"), [(0.8, 1.0), (0.0, 0.7), (-0.5, 0.8)])
def test_risks_of_home_are_off_by_intercept_and_slope_abroad(at_home, intercept, slope):
    """Recalibrating the true risks of home abroad finds about what was asked for."""
    by_case = (
        truth_of_decisions(HOME),
        truth_of_decisions(replace(HOME, outcome_intercept=intercept, outcome_slope=slope)),
    )
    home, abroad = (np.clip(risk, 1e-3, 1 - 1e-3) for risk in by_case)
    weights = np.concatenate([abroad, 1 - abroad])
    fitted = LogisticRegression(C=1e6).fit(
        np.tile(logit(home), 2)[:, None], np.repeat([1, 0], len(home)), sample_weight=weights
    )
    # Noise of the instrument is in both, so the slope on the log-odds is met only about.
    centre = logit(home).mean()
    moved = fitted.intercept_[0] + fitted.coef_[0, 0] * centre - centre
    assert fitted.coef_[0, 0] == pytest.approx(slope, abs=0.15)
    assert moved == pytest.approx(intercept, abs=0.2)


def truth_of_decisions(params: RegistryParams) -> np.ndarray:
    return draw_assumed_effect(params)["risk"].to_numpy()


# Another reader


def test_another_reader_reads_the_same_spines_otherwise():
    home, other = referred(HOME), referred(replace(HOME, reader_error=2.0))
    assert same(home.people, other.people)
    assert same(home.anatomy, other.anatomy)
    np.testing.assert_array_equal(home.pain.drawing, other.pain.drawing)
    assert all(np.array_equal(home.signs[name], other.signs[name]) for name in home.signs)
    assert not np.array_equal(home.reading.recess, other.reading.recess)


@pytest.mark.parametrize("finding", ["recess_stenosis", "central_stenosis", "disc_degeneration"])
def test_two_careless_readers_agree_less(finding):
    def agreement(error: float) -> float:
        _, truth = draw_registry(replace(HOME, cases=1500, reader_error=error))
        return float((truth[f"reading_{finding}"] == truth[f"second_reading_{finding}"]).mean())

    perfect, usual, careless = (agreement(error) for error in (0.0, 1.0, 2.0))
    assert perfect > usual + 0.05 > careless + 0.05


def test_a_reader_without_error_reads_what_is_there():
    spotless = referred(replace(HOME, reader_error=0.0))
    counted_right = spotless.reading.shift == 0
    level = 3
    read = grades_at(spotless.reading)
    for finding, there in (("central_stenosis", spotless.anatomy.central), ("slip", spotless.anatomy.slip)):
        np.testing.assert_array_equal(read[finding][counted_right], there[counted_right, level])


# Another habit of drawing


def test_another_habit_of_drawing_changes_the_drawing_alone():
    home, generous = referred(HOME), referred(replace(HOME, drawing_extent=1.0))
    assert same(home.people, generous.people)
    assert same(home.anatomy, generous.anatomy)
    np.testing.assert_array_equal(home.pain.leg, generous.pain.leg)
    np.testing.assert_array_equal(home.pain.columns["odi"], generous.pain.columns["odi"])
    assert all(np.array_equal(home.signs[name], generous.signs[name]) for name in home.signs)
    assert (generous.pain.drawing > 0).mean() > 1.3 * (home.pain.drawing > 0).mean()
    # Whoever marks more marks no less anywhere that was marked before.
    assert ((generous.pain.drawing > 0) >= (home.pain.drawing > 0)).mean() > 0.98


# Other thresholds, from a year on


def test_other_thresholds_change_who_is_listed_from_that_year_on():
    readily = replace(HOME, threshold_change=-2.0, threshold_change_year=2019)
    home, later = drawn_decisions(HOME), drawn_decisions(readily)
    assert same(referred(HOME).people, referred(readily).people)

    def conviction(decisions, from_2019: bool) -> float:
        day = int(np.datetime64("2019-01-01", "D").astype(int))
        return float(decisions.planned.plan.conviction[(decisions.index >= day) == from_2019].mean())

    def share_from_2019(decisions) -> float:
        return float((decisions.index >= int(np.datetime64("2019-01-01", "D").astype(int))).mean())

    assert share_from_2019(later) > share_from_2019(home) + 0.02
    assert conviction(later, True) < conviction(home, True) - 0.03
    assert conviction(later, False) > conviction(later, True)


def test_a_change_of_thresholds_leaves_no_trace_in_the_record(at_home):
    """But for the cases themselves: no column says that anything changed."""
    changed, _ = draw_registry(replace(HOME, threshold_change=-2.0, threshold_change_year=2019))
    assert list(changed.columns) == list(at_home[0].columns)
    assert set(changed["record_origin"]) == set(at_home[0]["record_origin"])


def test_streams_of_other_blocks_are_others():
    first, second = (streams(1, 0, block)["people"].random(5) for block in (0, 1))
    assert not np.allclose(first, second)
