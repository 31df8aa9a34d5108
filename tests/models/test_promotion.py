"""The rule of promotion: each condition alone can stop a challenger, and says what it found."""

from __future__ import annotations

import dataclasses

import pytest

from models.metrics import Estimate, PairedDifference, not_estimable
from models.promotion import Rule, decision

RULE = Rule(beyond_standard_errors=1.0, threshold=0.3, most_net_benefit_lost=0.005, calibration_slope=(0.8, 1.25))
BETTER = PairedDifference(-0.010, 0.002)
NO_LOSS = Estimate(0.001, -0.002, 0.004)
CALIBRATED = Estimate(1.02, 0.90, 1.14)


def test_a_better_challenger_is_promoted():
    found = decision(BETTER, NO_LOSS, CALIBRATED, RULE)
    assert (found.word, found.verdict) == ("promoted", "beats the champion")
    assert [condition.is_met for condition in found.conditions] == [True, True, True]


@pytest.mark.parametrize(
    ("log_loss", "net_benefit", "slope", "failed"),
    [
        (PairedDifference(-0.0019, 0.002), NO_LOSS, CALIBRATED, "log loss"),
        (PairedDifference(0.010, 0.002), NO_LOSS, CALIBRATED, "log loss"),
        (BETTER, Estimate(-0.0051, -0.006, -0.004), CALIBRATED, "net benefit"),
        (BETTER, not_estimable("there are no cases"), CALIBRATED, "net benefit"),
        (BETTER, NO_LOSS, Estimate(1.02, 0.79, 1.25), "calibration slope"),
        (BETTER, NO_LOSS, Estimate(1.02, 0.90, 1.26), "calibration slope"),
        (BETTER, NO_LOSS, not_estimable("every case has the same risk"), "calibration slope"),
        (PairedDifference(0.0, 0.002), Estimate(-0.1, -0.2, 0.0), None, "log loss and net benefit"),
    ],
)
def test_one_condition_that_fails_is_enough(log_loss, net_benefit, slope, failed):
    found = decision(log_loss, net_benefit, slope, RULE)
    assert not found.is_promoted
    assert found.verdict == f"champion stays: the challenger fails on {failed}"


def test_a_condition_says_what_was_found_and_what_was_wanted():
    found = decision(PairedDifference(-0.001, 0.002), NO_LOSS, CALIBRATED, RULE)
    by_name = {condition.name: condition.found for condition in found.conditions}
    assert by_name["log loss"] == (
        "difference -0.00100, standard error 0.00200; wanted below 0 by more than 1 standard errors"
    )
    assert by_name["net benefit"] == "difference +0.00100; wanted at least -0.005 at 0.3"
    assert by_name["calibration slope"] == "0.900 to 1.140; wanted an interval within 0.8 to 1.25"


def test_calibration_that_nobody_looked_at_is_not_asked_for():
    found = decision(BETTER, NO_LOSS, None, RULE)
    assert found.is_promoted
    assert found.conditions[2].is_met is None
    assert "no internal-external figures" in found.conditions[2].found


def test_an_equal_model_of_newer_code_replaces_the_champion_whatever_its_calibration():
    found = decision(PairedDifference(0.0, 0.0), Estimate(0.0), Estimate(0.4, 0.2, 0.6), RULE)
    assert found.is_promoted
    assert "this checkout's code" in found.verdict


def test_equal_on_average_is_not_equal():
    assert not decision(PairedDifference(0.0, 0.002), NO_LOSS, CALIBRATED, RULE).is_promoted
    none = dataclasses.replace(RULE, beyond_standard_errors=0.0)
    assert not decision(PairedDifference(0.0, 0.002), NO_LOSS, CALIBRATED, none).is_promoted


def test_losses_that_cannot_be_compared_leave_the_champion():
    for unknown in (PairedDifference(None, None, "1 loss is missing or infinite"), PairedDifference(-0.1, None, "one")):
        found = decision(unknown, NO_LOSS, CALIBRATED, RULE)
        assert not found.is_promoted
        assert found.verdict == f"champion stays: not comparable ({unknown.reason})"
