"""Whether a challenger becomes champion: a rule stated beforehand, each condition told with what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from models.metrics import Estimate, PairedDifference

EQUAL = 1e-9
"""Mean losses closer than this are those of one model; stored losses have ten digits."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a challenger must show against the champion, on the development cases.

    It beats the champion's log loss by more than `beyond_standard_errors` of the paired difference; at
    `threshold` it loses no more than `most_net_benefit_lost` of net benefit, by the estimate; and the 95 %
    interval of its pooled internal-external calibration slope lies within `calibration_slope`.
    """

    beyond_standard_errors: float
    threshold: float
    most_net_benefit_lost: float
    calibration_slope: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "calibration_slope": list(self.calibration_slope)}


@dataclass(frozen=True)
class Condition:
    """One condition of the rule: `is_met` is None where it could not be asked."""

    name: str
    is_met: bool | None
    found: str


@dataclass(frozen=True)
class Decision:
    is_promoted: bool
    verdict: str
    conditions: tuple[Condition, ...] = ()

    @property
    def word(self) -> str:
        return "promoted" if self.is_promoted else "refused"


FIRST = Decision(True, "becomes champion: there was none")


def not_comparable(reason: str) -> Decision:
    return Decision(False, f"champion stays: not comparable ({reason})")


def decision(log_loss: PairedDifference, net_benefit: Estimate, slope: Estimate | None, rule: Rule) -> Decision:
    """The rule applied to a challenger less the champion.

    Equal losses are those of one model made by other code: the newer replaces the older, or no checkout
    could ever load its own champion again. Nothing else is asked of it then.

    Parameters
    ----------
    log_loss : PairedDifference
        Mean log loss of the challenger less the champion's; below 0 the challenger is better.
    net_benefit : Estimate
        Net benefit at the rule's threshold, challenger less champion; above 0 the challenger is better.
    slope : Estimate or None
        Pooled calibration slope of the recipe over left-out centres; None where nobody asked.

    Examples
    --------
    >>> rule = Rule(beyond_standard_errors=1, threshold=0.3, most_net_benefit_lost=0.005, calibration_slope=(0.8, 1.25))
    >>> found = decision(PairedDifference(-0.01, 0.002), Estimate(0.001, -0.001, 0.003), None, rule)
    >>> found.word, found.verdict
    ('promoted', 'beats the champion')
    >>> decision(PairedDifference(-0.001, 0.002), Estimate(-0.02, -0.03, -0.01), None, rule).verdict
    'champion stays: the challenger fails on log loss and net benefit'
    """
    if log_loss.mean is None or log_loss.standard_error is None:
        return not_comparable(log_loss.reason or "the losses cannot be compared")
    if abs(log_loss.mean) < EQUAL and log_loss.standard_error < EQUAL:
        return Decision(True, "equals the champion and replaces it: this checkout's code")
    conditions = (
        _beats_in_log_loss(log_loss.mean, log_loss.standard_error, rule),
        _keeps_net_benefit(net_benefit, rule),
        _is_calibrated(slope, rule),
    )
    failed = [condition.name for condition in conditions if condition.is_met is False]
    if failed:
        return Decision(False, f"champion stays: the challenger fails on {' and '.join(failed)}", conditions)
    return Decision(True, "beats the champion", conditions)


def _beats_in_log_loss(mean: float, standard_error: float, rule: Rule) -> Condition:
    is_met = mean < 0 and mean < -rule.beyond_standard_errors * standard_error
    wanted = f"below 0 by more than {rule.beyond_standard_errors:g} standard errors"
    return Condition(
        "log loss", is_met, f"difference {mean:+.5f}, standard error {standard_error:.5f}; wanted {wanted}"
    )


def _keeps_net_benefit(difference: Estimate, rule: Rule) -> Condition:
    wanted = f"at least {-rule.most_net_benefit_lost:g} at {rule.threshold:g}"
    if difference.estimate is None:
        return Condition("net benefit", False, f"not estimable: {difference.reason}; wanted {wanted}")
    is_met = difference.estimate >= -rule.most_net_benefit_lost
    return Condition("net benefit", is_met, f"difference {difference.estimate:+.5f}; wanted {wanted}")


def _is_calibrated(slope: Estimate | None, rule: Rule) -> Condition:
    least, most = rule.calibration_slope
    wanted = f"an interval within {least:g} to {most:g}"
    if slope is None:
        return Condition("calibration slope", None, f"not asked: no internal-external figures; wanted {wanted}")
    if slope.lower is None or slope.upper is None:
        return Condition("calibration slope", False, f"no interval: {slope.reason}; wanted {wanted}")
    is_met = least <= slope.lower and slope.upper <= most
    return Condition("calibration slope", is_met, f"{slope.lower:.3f} to {slope.upper:.3f}; wanted {wanted}")
