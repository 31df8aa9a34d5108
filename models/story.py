"""The risk of one case in words: against the base rate, what moved it, cautions. Its sources: `source_story`."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from features.red_flags import red_flag_advice
from features.words import percent
from models.predictor import Explained, RiskPredictor

PIECES = 6
NOT_A_VERDICT = (
    "Every case behind this model was operated on: it cannot say that surgery is worse than none, or that another "
    "plan would do better. A high risk means: complete the work-up, seek a second opinion before listing."
)


def red_flag_line(flags: str) -> str:
    """What is said instead of a risk: each flag with how urgent it is and what to do now.

    `flags` are names as `features.red_flags.red_flag_names` gives them.
    """
    raised = [f"Red flag: {flag.label} ({flag.urgency}). {flag.action}." for flag in red_flag_advice(flags)]
    return " ".join([*raised, "See to this first. It is not a question for a risk model, and no risk is given."])


def risk_lines(predictor: RiskPredictor, explained: Explained, case_id: str) -> list[str]:
    """The risk with its interval against the base rate, and what moved it."""
    risks, bundle = explained.risks.loc[case_id], predictor.bundle
    risk, lower, upper = (percent(risks[name]) for name in ("risk", "risk_lower", "risk_upper"))
    return [
        f"Risk of {bundle.outcome} ({bundle.outcome_label}) within {bundle.horizon_months} months: "
        f"{risk} (95 % interval of the model {lower} to {upper}), "
        f"where {percent(bundle.development['prevalence'])} of the development cases had it.",
        *_moved_by(predictor, explained, case_id),
    ]


def _moved_by(predictor: RiskPredictor, explained: Explained, case_id: str) -> list[str]:
    label_of = {p.name: p.label for p in predictor.bundle.predictors}
    contributions = explained.contributions.loc[case_id].rename(label_of)
    lines = [f"What moved it, in log-odds ({predictor.bundle.model.explanation} contributions):"]
    for title, part in (
        ("raised by", contributions[contributions > 0.005].nlargest(PIECES)),
        ("lowered by", contributions[contributions < -0.005].nsmallest(PIECES)),
    ):
        pieces = [f"{label} {value:+.2f}" for label, value in part.items()]
        lines.append(f"  {title}: " + ("; ".join(pieces) if pieces else "nothing that counts"))
    groups = explained.groups(predictor.bundle).loc[case_id]
    lines.append("  by group: " + "; ".join(f"{group} {value:+.2f}" for group, value in groups.items()))
    return lines


def caution_lines(predictor: RiskPredictor, risks: pd.Series) -> list[str]:
    """Where the model comes from, and how much of what it uses was not recorded."""
    cautions: Sequence[str] = predictor.cautions
    lines = [f"Caution: {caution}" for caution in cautions]
    missing = int(risks["missing_predictors"])
    if missing:
        lines.append(
            f"Caution: {missing} of {len(predictor.bundle.predictors)} predictors are not recorded; "
            f"the development median stands in for each."
        )
    return lines
