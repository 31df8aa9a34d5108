"""Pictures of performance: what must be seen of them, wherever the figures lie."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from scipy.special import expit, logit

from models.drawing import performance_panels
from models.metrics import decision_curve, roc_points, smooth_calibration_curve

RISK = expit(np.random.default_rng(1).normal(-1.3, 0.7, 500))


def calibration_panel(risk: np.ndarray, shift: float) -> Axes:
    """The panel of a site at which the log-odds of all are higher by a shift than they were told."""
    y = (np.random.default_rng(2).random(len(risk)) < expit(logit(risk) + shift)) * 1.0
    named = {"learner": "logistic", "test_set": "external"}
    figure = performance_panels(
        pd.DataFrame(roc_points(y, risk)).assign(**named),
        pd.DataFrame(smooth_calibration_curve(y, risk, seed=1)).assign(**named),
        pd.DataFrame(decision_curve(y, risk, [0.1, 0.3])).assign(**named),
        "logistic",
        "A site",
        pd.DataFrame({"risk": risk, "y_true": y, **named}),
    )
    plt.close(figure)
    return next(axes for axes in figure.axes if axes.get_title("left") == "Calibration")


@pytest.mark.parametrize("shift", [-2.2, 0.0, 2.2])
def test_calibration_stays_in_its_frame_however_far_a_site_has_shifted(shift):
    panel = calibration_panel(RISK, shift)
    assert panel.get_xlim() == panel.get_ylim(), "one scale, so that the ideal is a diagonal"
    curve = next(line for line in panel.lines if line.get_label() == "logistic")
    risks, observed = (np.asarray(values) for values in curve.get_data())
    assert observed[risks <= np.quantile(RISK, 0.99)].max() < panel.get_ylim()[1]


def test_a_few_extreme_risks_do_not_press_the_others_into_a_corner():
    usual = calibration_panel(RISK, 0.0).get_xlim()[1]
    assert calibration_panel(np.append(RISK, [0.995, 0.999]), 0.0).get_xlim()[1] == pytest.approx(usual, abs=0.15)
