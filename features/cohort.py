"""Who is in the study: named criteria, applied in order, each with its count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from features.errors import KnowledgeError
from features.knowledge_tables import knowledge_table
from features.outcomes import OutcomeParams, has_reachable_baseline, is_asked, reported_variables
from features.red_flags import red_flags

RULES = ("at_least", "at_most", "equals", "recorded", "no_red_flag")
"""What a criterion of `criteria.csv` can ask of its variable; `no_red_flag` asks a criterion of every red flag."""


@dataclass(frozen=True, kw_only=True)
class CohortParams:
    """`minimum_age_years`: younger cases are excluded, as are those whose age is not recorded."""

    minimum_age_years: float = 18


def criteria(cases: pd.DataFrame, params: CohortParams) -> dict[str, pd.Series]:
    """Each inclusion criterion by name, in the order of the flow: True where a case meets it.

    They stand in `criteria.csv`, a row a criterion: its `value` is a number, a word, or the name of one of `params`.
    A value that is not recorded meets no criterion about it.

    Raises
    ------
    KnowledgeError
        For a rule that there is none of.
    """
    named: dict[str, pd.Series] = {}
    for row in knowledge_table("criteria").itertuples():
        if row.rule == "no_red_flag":
            flags = red_flags(cases)
            named |= {row.label.format(flag=flag.replace("_", " ")): ~flags[flag] for flag in flags.columns}
        else:
            value = _value(row.value, params)
            named[row.label.format(value=value)] = _is_met(cases[row.variable], row.rule, value)
    return named


def _value(written: object, params: CohortParams) -> object:
    """The value of a criterion: that of the parameter it names, else as it is written."""
    value = getattr(params, str(written), written)
    number = pd.to_numeric(value, errors="coerce")
    return value if pd.isna(number) else _Number(number)


class _Number(float):
    """Printed without decimals that say nothing."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec or "g")


def _is_met(values: pd.Series, rule: str, value: object) -> pd.Series:
    if rule == "at_least":
        return values >= value
    if rule == "at_most":
        return values <= value
    if rule == "equals":
        return values == value
    if rule == "recorded":
        return values.notna()
    raise KnowledgeError(f"criteria.csv: there is no rule {rule}; choose from {', '.join(RULES)}.")


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


def outcome_flow(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    outcomes: Iterable[str],
    choices: Mapping[str, OutcomeParams] | None = None,
) -> pd.DataFrame:
    """For each outcome, how many included cases lack it and how many have it, in the form of the flow.

    Cases of which the outcome is not asked, and those from whose baseline it cannot be reached (by `choices`), come
    first and are named only where there are any.
    """
    answered = cases[list(reported_variables())].notna().any(axis=1)
    steps = []
    for outcome in outcomes:
        step, unknown = f"outcome {outcome}", labels[outcome].isna()
        within = pd.Series(True, index=cases.index)
        for name, kept in _left_out_beforehand(cases, outcome, (choices or {}).get(outcome)):
            left_out = within & ~kept
            within &= kept
            if left_out.any():
                steps.append((step, name, int(left_out.sum()), int(within.sum())))
        # An event in time is followed by dates, not by questionnaires.
        followed = labels[f"{outcome}_days"].notna() if f"{outcome}_days" in labels.columns else answered
        lost = within & unknown & ~followed
        steps.append((step, "no follow-up", int(lost.sum()), int((within & ~lost).sum())))
        remaining = int((~unknown).sum())
        not_defined = within & unknown & ~lost
        steps.append((step, "not defined, or censored", int(not_defined.sum()), remaining))
    return pd.DataFrame(steps, columns=["step", "criterion", "excluded", "remaining"])


def _left_out_beforehand(
    cases: pd.DataFrame, outcome: str, choice: OutcomeParams | None
) -> Iterator[tuple[str, pd.Series]]:
    yield "asked of other cases", is_asked(cases, outcome)
    if choice and choice.baseline_ceiling is not None:
        yield "baseline from which it cannot be reached", has_reachable_baseline(cases, outcome, choice)


def is_of_nobody(cases: pd.DataFrame) -> bool:
    """Whether every case comes from the virtual registry, so that none is of a real person."""
    return bool("record_origin" in cases and (cases["record_origin"] == "virtual").all())


def provenance(cases: pd.DataFrame) -> str:
    """`virtual` if a single case comes from the virtual registry, else `registry`; no artefact may lose it."""
    return "virtual" if "record_origin" in cases and (cases["record_origin"] == "virtual").any() else "registry"
