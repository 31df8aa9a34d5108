"""The rule by which a challenger may become champion, as `params.yaml` states it beforehand.

It is the same for the models of this study (stage `register`) and for one updated at another site
(`backcast update`); the risk at which one would act differs between them. Who was promoted tells
`pipeline/promotions.py`.
"""

from __future__ import annotations

from models.promotion import Rule
from pipeline.params import RegisterParams


def promotion_rule(params: RegisterParams, threshold: float) -> Rule:
    """The rule at a threshold: the risk at which one would act on the outcome."""
    least, most = params.calibration_slope
    return Rule(
        beyond_standard_errors=params.promote_beyond_standard_errors,
        threshold=threshold,
        most_net_benefit_lost=params.most_net_benefit_lost,
        calibration_slope=(least, most),
    )
