"""Who is in the study: named criteria, applied in order, each with its count."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from features.red_flags import red_flags

ANSWERS = ("odi_12m", "global_assessment_leg_12m", "global_assessment_back_12m")
"""A case that gave any of these was not lost to follow-up."""


@dataclass(frozen=True, kw_only=True)
class CohortParams:
    """`minimum_age_years`: younger cases are excluded, as are those whose age is not recorded."""

    minimum_age_years: float = 18


def criteria(cases: pd.DataFrame, params: CohortParams) -> dict[str, pd.Series]:
    """Each inclusion criterion by name, in the order of the flow: True where a case meets it."""
    flags = red_flags(cases)
    named = {
        f"adult (age recorded, at least {params.minimum_age_years:g} years)": cases["age_years"]
        >= params.minimum_age_years,
        "a planned procedure is recorded": cases["planned_procedure"].notna(),
    }
    for flag in flags.columns:
        named[f"no red flag: {flag.replace('_', ' ')}"] = ~flags[flag]
    return named


def cohort_flow(cases: pd.DataFrame, params: CohortParams) -> tuple[pd.Series, pd.DataFrame]:
    """Which cases meet every criterion, and the flow: criterion, excluded, remaining, one row a step.

    A case is counted as excluded by the first criterion that it does not meet.
    """
    included = pd.Series(True, index=cases.index)
    steps = [("cases", "all records", 0, len(cases))]
    for name, is_met in criteria(cases, params).items():
        excluded = included & ~is_met
        included &= is_met
        steps.append(("criterion", name, int(excluded.sum()), int(included.sum())))
    return included, pd.DataFrame(steps, columns=["step", "criterion", "excluded", "remaining"])


def outcome_flow(cases: pd.DataFrame, labels: pd.DataFrame, outcomes: list[str]) -> pd.DataFrame:
    """For each outcome, how many included cases lack it and how many have it, in the form of the flow."""
    answered = cases[list(ANSWERS)].notna().any(axis=1)
    steps = []
    for outcome in outcomes:
        unknown = labels[outcome].isna()
        # An event in time is followed by dates, not by questionnaires.
        followed = labels[f"{outcome}_days"].notna() if f"{outcome}_days" in labels.columns else answered
        lost = unknown & ~followed
        steps.append((f"outcome {outcome}", "no follow-up", int(lost.sum()), int((~lost).sum())))
        remaining = int((~unknown).sum())
        steps.append((f"outcome {outcome}", "not defined, or censored", int((unknown & ~lost).sum()), remaining))
    return pd.DataFrame(steps, columns=["step", "criterion", "excluded", "remaining"])


def provenance(cases: pd.DataFrame) -> str:
    """`virtual` if a single case comes from the virtual registry, else `registry`; no artefact may lose it."""
    return "virtual" if (cases["record_origin"] == "virtual").any() else "registry"
