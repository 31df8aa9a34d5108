"""Sample sizes after Riley: published examples, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models import sample_size
from models.calibration import calibration_slope
from models.decision import case_net_benefit
from models.discrimination import auroc
from models.sample_size import (
    DevelopmentSize,
    largest_r2_cox_snell,
    r2_from_c_statistic,
    riley_development_size,
    riley_validation_size,
    validation_precision,
)

some_prevalence = st.floats(0.02, 0.98)
some_c_statistic = st.floats(0.55, 0.95)


def test_the_example_of_pmsampsize_needs_662_cases():
    size = riley_development_size(24, prevalence=0.174, r2_cox_snell=0.288)
    assert size == DevelopmentSize(shrinkage=623, optimism=662, prevalence=221)
    assert size.n_cases == 662


@pytest.mark.parametrize(
    ("c_statistic", "prevalence", "r2", "n_for_15", "n_for_30"),
    # By simulation (Riley 2021), so good to about 1 %; the last decimal of R2 is noise.
    [
        (0.70, 0.10, 0.047, 2788, 5576),
        (0.70, 0.20, 0.080, 1614, 3227),
        (0.70, 0.33, 0.108, 1170, 2339),
        (0.75, 0.20, 0.126, 999, 1997),
        (0.82, 0.33, 0.269, 424, 847),
    ],
)
def test_a_c_statistic_implies_a_sample_size(c_statistic, prevalence, r2, n_for_15, n_for_30):
    found = r2_from_c_statistic(c_statistic, prevalence)
    assert found == pytest.approx(r2, abs=0.0012)
    assert riley_development_size(15, prevalence, found).n_cases == pytest.approx(n_for_15, rel=0.015)
    assert riley_development_size(30, prevalence, found).n_cases == pytest.approx(n_for_30, rel=0.015)


def test_r2_is_what_a_large_simulation_gives():
    """Riley's own recipe, with the true log-odds in place of a fit."""
    rng = np.random.default_rng(1)
    n, prevalence, distance = 1_000_000, 0.2, np.sqrt(2) * 0.6744897501960817  # C = 0.75
    y_true = rng.random(n) < prevalence
    predictor = rng.normal(size=n) + distance * y_true
    log_odds = np.log(prevalence / (1 - prevalence)) + distance * predictor - distance**2 / 2
    log_likelihood = (y_true * log_odds - np.logaddexp(0, log_odds)).mean()
    null = y_true.mean() * np.log(y_true.mean()) + (1 - y_true.mean()) * np.log(1 - y_true.mean())
    assert r2_from_c_statistic(0.75, prevalence) == pytest.approx(1 - np.exp(-2 * (log_likelihood - null)), abs=0.002)


@pytest.mark.parametrize(
    ("c_statistic", "prevalence", "n_for_the_slope"),
    [(0.70, 0.10, 8700), (0.70, 0.33, 4000), (0.82, 0.33, 1900)],
)
def test_the_slope_decides_the_size_of_a_validation(c_statistic, prevalence, n_for_the_slope):
    size = riley_validation_size(prevalence, c_statistic, threshold=0.3)
    assert size.n_cases == size.calibration_slope == pytest.approx(n_for_the_slope, rel=0.02)


def test_interval_of_the_auroc_is_just_narrow_enough():
    c, prevalence, width = 0.75, 0.2, 0.1

    def width_with(n):
        pairs = 1 + (n / 2 - 1) * (1 - c) / (2 - c) + (n / 2 - 1) * c / (1 + c)
        return 2 * 1.96 * np.sqrt(c * (1 - c) * pairs / (n**2 * prevalence * (1 - prevalence)))

    n = riley_validation_size(prevalence, c, auroc_width=width).auroc
    assert width_with(n) <= width < width_with(n - 1)


def test_the_example_of_pmvalsampsize_needs_905_cases_for_the_ratio_and_4252_for_the_c_statistic():
    """Its own tests: prevalence 0.018, C 0.8, O/E to a width of 1. Its search in steps of 0.0001
    stops one case short of the exact 905.06."""
    size = riley_validation_size(0.018, 0.8, observed_to_expected_width=1.0)
    assert size.auroc == 4252
    assert size.observed_to_expected == 906


def test_the_slope_of_pmvalsampsize_with_normal_log_odds_needs_some_4500_cases():
    """The same example: log-odds normal with mean -5 and SD 2.5, of which it draws 1,000 and finds 4,501."""
    nodes, shares = sample_size._normal_nodes()
    variance = sample_size._slope_variance(-5 + 2.5 * nodes, shares)
    assert sample_size._cases_for_mean(variance, 0.2) == pytest.approx(4501, rel=0.02)


@given(some_c_statistic, some_prevalence, st.floats(0.05, 0.95), st.floats(0.05, 0.5))
def test_the_precision_of_a_size_is_the_one_that_was_asked_for(c_statistic, prevalence, threshold, width):
    size = riley_validation_size(
        prevalence,
        c_statistic,
        threshold=threshold,
        observed_to_expected_width=width,
        slope_width=width,
        auroc_width=width,
        net_benefit_width=width,
    )
    for measure, n_cases in size._asdict().items():
        assume(n_cases > 2)  # the search for the C statistic begins at two
        enough, too_few = (
            validation_precision(n, prevalence, c_statistic, threshold=threshold) for n in (n_cases, n_cases - 1)
        )
        assert getattr(enough, measure) <= width * (1 + 1e-9)
        assert getattr(too_few, measure) > width * (1 - 1e-9)


def test_the_precision_foretold_is_that_of_simulated_validations():
    """Test sets of 1,200 well calibrated cases: the interval that we foretell is the one that the metrics give."""
    rng, prevalence, c_statistic = np.random.default_rng(11), 0.3, 0.7
    foretold = validation_precision(1_200, prevalence, c_statistic, threshold=0.2)
    (mean_of_events, mean_of_others), spread = sample_size._log_odds_distributions(c_statistic, prevalence)
    widths = []
    for _ in range(30):
        y_true = rng.random(1_200) < prevalence
        log_odds = rng.normal(np.where(y_true, mean_of_events, mean_of_others), spread)
        risk = 1 / (1 + np.exp(-log_odds))
        slope, area = (one.upper - one.lower for one in (calibration_slope(y_true, risk), auroc(y_true, risk)))
        benefit = case_net_benefit(y_true, risk, 0.2)
        pulls = (benefit - benefit.mean() / y_true.mean() * y_true) / y_true.mean()  # on the standardised net benefit
        widths.append([slope, area, 2 * 1.96 * pulls.std() / np.sqrt(1_200)])
    seen = np.mean(widths, axis=0)
    assert seen == pytest.approx([foretold.calibration_slope, foretold.auroc, foretold.net_benefit], rel=0.05)


def test_a_precision_asked_of_no_threshold_has_none_of_the_net_benefit():
    assert validation_precision(500, 0.2, 0.7).net_benefit is None


@given(some_c_statistic, some_prevalence)
def test_r2_stays_below_the_largest_possible_and_grows_with_discrimination(c_statistic, prevalence):
    r2 = r2_from_c_statistic(c_statistic, prevalence)
    assert 0 < r2 < largest_r2_cox_snell(prevalence)
    assert r2 < r2_from_c_statistic(c_statistic + 0.01, prevalence)


@given(some_c_statistic, some_prevalence, st.integers(1, 100))
def test_more_parameters_never_need_fewer_cases(c_statistic, prevalence, n_parameters):
    r2 = r2_from_c_statistic(c_statistic, prevalence)
    fewer, more = (riley_development_size(n, prevalence, r2) for n in (n_parameters, n_parameters + 1))
    assert fewer.n_cases <= more.n_cases


def test_no_threshold_asks_nothing_of_the_net_benefit():
    assert riley_validation_size(0.2, 0.7).net_benefit == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: riley_development_size(24, 0.0, 0.1), "prevalence must lie strictly between 0 and 1, got 0"),
        (lambda: riley_development_size(0, 0.2, 0.1), "n_parameters must be at least 1, got 0"),
        (lambda: riley_development_size(24, 0.1, 0.5), "between 0 and 0.478, the largest possible"),
        (lambda: r2_from_c_statistic(0.4, 0.2), r"c_statistic must lie in \[0.5, 1\), got 0.4"),
        (lambda: riley_validation_size(0.2, 0.5), "c_statistic must exceed 0.5"),
        (lambda: riley_validation_size(0.2, 0.7, threshold=1.0), "threshold must lie strictly between"),
        (lambda: validation_precision(0, 0.2, 0.7), "n_cases must be at least 1, got 0"),
        (lambda: validation_precision(500, 1.0, 0.7), "prevalence must lie strictly between 0 and 1, got 1"),
        (lambda: validation_precision(500, 0.2, 0.5), "c_statistic must exceed 0.5"),
    ],
)
def test_impossible_questions_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
