"""One case told in words: risk against base rate, what moved it, sources of the pain, the plan, cautions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.axes import LABELS, MIMICS
from models.predictor import Explained, RiskPredictor

PIECES = 6
NOT_A_VERDICT = (
    "Every case behind this model was operated on: it cannot say that surgery is worse than none, or that another "
    "plan would do better. A high risk means: complete the work-up, seek a second opinion before listing."
)


def case_story(predictor: RiskPredictor, explained: Explained, case_id: str) -> str:
    """The story of one case under one model, in plain text.

    A case with a red flag gets the flag and what to do, and no risk.
    """
    flags = explained.risks.loc[case_id, "red_flags"]
    if flags:
        return red_flag_line(flags)
    parts = [
        risk_lines(predictor, explained, case_id),
        source_lines(explained.features.loc[case_id]),
        [*caution_lines(predictor, explained.risks.loc[case_id]), NOT_A_VERDICT],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts)


def red_flag_line(flags: str) -> str:
    """What is said instead of a risk."""
    return (
        f"Red flag: {flags.replace('_', ' ')}. This is not a question for a risk model; no risk is given. "
        f"See to the flag first."
    )


def risk_lines(predictor: RiskPredictor, explained: Explained, case_id: str) -> list[str]:
    """The risk with its interval against the base rate, and what moved it."""
    risks, bundle = explained.risks.loc[case_id], predictor.bundle
    return [
        f"Risk of {bundle.outcome} ({bundle.outcome_label}) within {bundle.horizon_months} months: "
        f"{risks['risk']:.0%} (95 % interval of the model {risks['risk_lower']:.0%} to {risks['risk_upper']:.0%}), "
        f"where {bundle.development['prevalence']:.0%} of the development cases had it.",
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


def source_lines(features: pd.Series) -> list[str]:
    """Sources of the pain, lesions and mimics, and the plan held against them."""
    lines = []
    if features["concordance_unknown"] == 1:
        missing = [word for name, word in (("has_drawing", "pain drawing"), ("has_scan", "scan")) if not features[name]]
        lines.append(
            f"Source of the pain: unknown; not recorded: {' and '.join(missing) or 'any pain in the drawing'}."
        )
    elif isinstance(features["best_lesion"], str):
        lines.append(
            f"Source of the pain: of the lesions, {features['best_lesion']} explains most "
            f"({features['share_best_lesion']:.0%} of the drawing; all lesions together "
            f"{features['share_all_lesions']:.0%})"
            f"{_second(features)}."
        )
    else:
        lines.append("Source of the pain: no lesion on the scan explains any of it.")
    lines += _plan_lines(features) if features["concordance_unknown"] == 0 else []
    lines += [_mimic_line(features, mimic) for mimic in MIMICS]
    if features["numbering_uncertain"] == 1 and features["concordance_unknown"] == 0:
        lines.append(
            f"Caution: the numbering of the levels is in doubt; under the other reading the best lesion explains "
            f"{features['share_other_numbering']:.0%}."
        )
    return lines


def _second(features: pd.Series) -> str:
    if not features["share_second_lesion"] > 0:
        return ""
    return f"; a lesion elsewhere explains {features['share_second_lesion']:.0%}"


def _plan_lines(features: pd.Series) -> list[str]:
    if np.isnan(features["plan_share"]):
        return ["The plan: no level is planned, so it cannot be held against the sources."]
    verdict = {0.0: "reaches", 1.0: "does not reach"}.get(features["plan_misses_best"])
    reach = f"The plan {verdict} the best lesion; " if verdict else "The plan: "
    line = f"{reach}what it reaches explains {features['plan_share']:.0%} of the pain."
    if features["wrong_level_margin"] > 0:
        line += " A lesion outside the plan explains more than any inside it: check level and side."
    return [line]


def _mimic_line(features: pd.Series, mimic: str) -> str:
    done = int(features[f"{mimic}_tests_done"])
    line = f"Mimic: {LABELS[mimic]} {features[f'{mimic}_probability']:.0%} ({done} test readings recorded"
    low, high = features[f"{mimic}_lower"], features[f"{mimic}_upper"]
    if high - low > 0.005:
        line += f"; {low:.0%} to {high:.0%} once its cluster is finished"
    return line + ")."


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
