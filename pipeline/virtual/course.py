"""The years after: relief, what ends it, scores, global assessments, reoperation, death.

Relief (the share by which the disability that surgery can relieve falls) is a mean given all that was
known before follow-up, plus chance, less what a lapse or a later event takes; so the risks of failure and
of reoperation are known in closed form. Nothing here comes from the Swespine equations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr, ndtri

from pipeline.virtual.aftermath import (
    NO_EVENT,
    Aftermath,
    Hazards,
    aftermath,
    chance_by,
    chance_operated_by,
    event_names,
    event_numbers,
    hazards,
)
from pipeline.virtual.centres import Centres
from pipeline.virtual.draws import happens, shifted, whole
from pipeline.virtual.effects import (
    Effects,
    log_odds_of_failure,
    log_ratio,
    predictors_of_events,
    predictors_of_failure,
)
from pipeline.virtual.facts import constant, fact_by
from pipeline.virtual.operation import Operation
from pipeline.virtual.pain import ODI_ERROR_SD, Pain, eq5d
from pipeline.virtual.parameters import DIAGNOSES, RegistryParams
from pipeline.virtual.people import People
from pipeline.virtual.planned import Planned

RELIEF_SD = 0.23
"""Of the chance part of relief, as a share of disability (tuned to the published spread of outcomes)."""
RELIEF_PER_LOG_ODDS = 0.19
"""Relief lost for one log-odds of failure: the spread of observed relief (about 0.46) over 1.7, and less
since the published effects are not of independent predictors."""
RELIEF_PER_LOG_ODDS_OF_RISK = 0.25
"""Relief by which all risks of failure move by one log-odds on average (measured on draws)."""
FULL_DISCORDANCE = 0.50
"""Relief lost when nothing of the source is reached, at `discordance_effect` 1 (an assumption)."""
RELIEF_SD_IN = {"leg": 0.20, "back": 0.15}
"""Of the relief in either pain about that of the disability."""
FELT_SD = 0.10
"""Of a global assessment about the relief that it asks for."""
NRS_AFTER_SD = 1.55
"""Of one score of pain a year on, which moves by the day more than before an operation (tuned to published AUROCs)."""
FAILURE_FALL = 0.30
"""The ODI falls by less than 30 %."""
ODI_ELSEWHERE = 9.0
"""Points of the ODI at 50 that no operation on the spine takes away (an assumption; people without back
trouble score about as much)."""
ODI_ELSEWHERE_PER_YEAR = 0.05
ODI_PER_EARLIER_OPERATION = 5.2
"""Points that stay after each (up to four): in NORspine earlier operations weigh on the state more than on change."""
MOST_ELSEWHERE = 0.5
"""Of a case's disability."""
REOPERATION_PER_RELIEF = 1.5
"""Log-hazard by which less relief leads to an operation where no event calls for one (an assumption)."""
INFECTION_REOPERATED, HAEMATOMA_REOPERATED = 0.75, 0.90
"""Of infections (2.11 of 2.81 % in two series) and of symptomatic haematomas (an assumption)."""
HORIZON = 24
"""Months of the risk of reoperation."""


@dataclass(frozen=True)
class Course:
    expected_relief: np.ndarray
    """Before any later event."""
    relief: np.ndarray
    """At 12 months."""
    early_relief: np.ndarray
    """Before any later event."""
    aftermath: Aftermath
    risk: np.ndarray
    """Probability of failure at 12 months given all that was known before follow-up."""
    reoperation_months: np.ndarray
    """Months from the operation to the reoperation, however late."""
    reoperation_reason: np.ndarray
    """What called for it: an event, a lapse, a complication; `persistent` where it was pain alone."""
    reoperation_risk: np.ndarray
    """Probability of one within 24 months given all that was known before follow-up."""
    death_months: np.ndarray
    columns: dict[str, np.ndarray]


def course(
    rng: Generator,
    effects: Effects,
    params: RegistryParams,
    centres: Centres,
    planned: Planned,
    operation: Operation,
) -> Course:
    """What follows for each operated case, were everybody asked."""
    n = len(planned.plan.level)
    present = predictors_of_events(planned, operation.defect_mm)
    risks = hazards(effects, planned.plan, present)
    after = aftermath(rng, risks)
    mean = _expected_relief(effects, params, centres, planned, operation) - after.lost_at_once
    early = mean + rng.normal(0, RELIEF_SD, n)
    relief = early - np.where(after.onset_months <= 12, after.lost_later, 0)
    columns = _scores(rng, planned, relief)
    readiness = log_ratio(effects, "reoperation", present) * np.ones(n)
    months, reason = _reoperation(rng, planned, operation, after, early, readiness)
    return Course(
        expected_relief=mean,
        relief=relief,
        early_relief=early,
        aftermath=after,
        risk=_risk_of_failure(planned.people, planned.pain, mean, chance_by(risks, 12)),
        reoperation_months=months,
        reoperation_reason=reason,
        reoperation_risk=_risk_of_reoperation(planned, operation, after, risks, mean, readiness),
        death_months=_death_months(rng, planned.people),
        columns=columns,
    )


def _expected_relief(
    effects: Effects, params: RegistryParams, centres: Centres, planned: Planned, operation: Operation
) -> np.ndarray:
    """(n,) mean relief given person, plan and operation, before lapses and later events."""
    at = planned.plan.diagnosis
    log_odds = log_odds_of_failure(effects, predictors_of_failure(planned, operation.events))
    log_odds = log_odds + centres.quality[planned.people.centre]
    usual, spine, elsewhere, level = (
        fact_by("outcome_levels", DIAGNOSES, quantity)[at]
        for quantity in ("usual_log_odds", "expected_unreached_spine", "expected_unreached_elsewhere", "relief_mean")
    )
    # Recentred on the expected shares, so that the base rate stays about the same at any effect.
    missed = operation.unreached.spine - spine + params.mimic_effect * (operation.unreached.elsewhere - elsewhere)
    lost = FULL_DISCORDANCE * params.discordance_effect * missed
    own = -RELIEF_PER_LOG_ODDS * (log_odds - usual) - lost
    return level + params.outcome_slope * own - RELIEF_PER_LOG_ODDS_OF_RISK * params.outcome_intercept


def disability_elsewhere(people: People, pain: Pain) -> np.ndarray:
    """(n,) points of the ODI that stay whatever the operation does."""
    points = ODI_ELSEWHERE + ODI_ELSEWHERE_PER_YEAR * np.maximum(people.columns["age_years"] - 50, 0)
    points = points + ODI_PER_EARLIER_OPERATION * np.minimum(people.columns["earlier_lumbar_operations"], 4)
    return np.minimum(points, MOST_ELSEWHERE * pain.disability)


def _risk_of_failure(people: People, pain: Pain, expected_relief: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """P(the recorded ODI at 12 months is above 70 % of the recorded baseline), rounding included.

    `chance` (n, event) is that of each event within the 12 months.
    """
    stays = disability_elsewhere(people, pain)
    baseline, able = pain.columns["odi"], pain.disability - stays
    lowest_failing = 2 * (np.floor((1 - FAILURE_FALL) * baseline / 2 + 1e-9) + 1)

    def failing(lost: float, lost_sd: float) -> np.ndarray:
        spread = np.sqrt(able**2 * (RELIEF_SD**2 + lost_sd**2) + ODI_ERROR_SD**2)
        return ndtr((stays + able * (1 - expected_relief + lost) - (lowest_failing - 1)) / spread)

    risk = (1 - chance.sum(axis=1)) * failing(0, 0)
    losses = zip(event_numbers("relief_lost"), event_numbers("relief_lost_sd"), strict=True)
    for place, (lost, lost_sd) in enumerate(losses):
        risk = risk + chance[:, place] * failing(lost, lost_sd)
    return risk


def _scores(rng: Generator, planned: Planned, relief: np.ndarray) -> dict[str, np.ndarray]:
    n, people, pain = len(relief), planned.people, planned.pain
    stays = disability_elsewhere(people, pain)
    odi = stays + (pain.disability - stays) * (1 - relief)
    own = {pain_in: _relief_in(rng, pain_in, relief, planned.plan.diagnosis) for pain_in in RELIEF_SD_IN}
    columns = {
        "odi_12m": whole(odi + rng.normal(0, ODI_ERROR_SD, n), 0, 100, 2),
        "nrs_leg_12m": whole(pain.leg * (1 - own["leg"]) + rng.normal(0, NRS_AFTER_SD, n), 0, 10),
        "nrs_back_12m": whole(pain.back * (1 - own["back"]) + rng.normal(0, NRS_AFTER_SD, n), 0, 10),
        "eq5d_index_12m": eq5d(rng, np.clip(odi, 0, 100), people.burden),
    }
    for pain_in, eased in own.items():
        felt = eased + rng.normal(0, FELT_SD, n)
        columns[f"global_assessment_{pain_in}_12m"] = _assessment(felt, planned.plan.diagnosis, pain_in)
    none_before = pain.columns["nrs_leg"] == 0
    columns["global_assessment_leg_12m"] = np.where(none_before, np.nan, columns["global_assessment_leg_12m"])
    none_before = pain.columns["nrs_back"] == 0
    columns["global_assessment_back_12m"] = np.where(none_before, np.nan, columns["global_assessment_back_12m"])
    return columns


def _relief_in(rng: Generator, pain_in: str, relief: np.ndarray, diagnosis: np.ndarray) -> np.ndarray:
    """(n,) share by which pain in the leg or the back falls, about that of the disability."""
    less = fact_by("outcome_levels", DIAGNOSES, f"{pain_in}_relief_less")[diagnosis]
    return relief - less + rng.normal(0, RELIEF_SD_IN[pain_in], len(relief))


def _assessment(felt: np.ndarray, diagnosis: np.ndarray, pain_in: str) -> np.ndarray:
    """1 gone to 5 worse, cut where the published level mixes cut."""
    centre = fact_by("outcome_levels", DIAGNOSES, f"anchor_mean_{pain_in}")[diagnosis]
    spread = fact_by("outcome_levels", DIAGNOSES, f"anchor_sd_{pain_in}")[diagnosis]
    standard = (centre - felt) / spread
    cuts = [
        ndtri(fact_by("outcome_levels", DIAGNOSES, f"{pain_in}_{level}"))[diagnosis]
        for level in ("gone", "much", "some", "unchanged")
    ]
    return 1.0 + np.sum([standard > cut for cut in cuts], axis=0)


def _reoperation(
    rng: Generator,
    planned: Planned,
    operation: Operation,
    after: Aftermath,
    early_relief: np.ndarray,
    readiness: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Months to the first reoperation, and what called for it; whichever comes first of what may."""
    n, names = len(early_relief), np.array([*event_names(), "none"], dtype=object)
    delay, operated = event_numbers("operation_delay_months"), event_numbers("operated")

    def after_event(which: np.ndarray, onset: np.ndarray) -> np.ndarray:
        wait = np.array([*delay, 1.0])[which] * rng.exponential(1, n)
        goes = happens(rng, shifted(np.array([*operated, 0.0])[which], readiness)) & (which != NO_EVENT)
        return np.where(goes, onset + wait, np.inf)

    yearly = _persistent_yearly(planned, readiness, early_relief)
    infected = operation.events["wound_infection"] & happens(rng, INFECTION_REOPERATED, (n,))
    bled = operation.events["epidural_haematoma"] & happens(rng, HAEMATOMA_REOPERATED, (n,))
    months = np.stack(
        [
            after_event(after.event, after.onset_months),
            after_event(after.lapse, np.zeros(n)),
            np.where(infected, rng.uniform(0.3, 2.0, n), np.inf),
            np.where(bled, 0.1, np.inf),
            12 * rng.exponential(1, n) / yearly,
        ],
        axis=1,
    )
    first = months.argmin(axis=1)
    reasons = np.stack([names[after.event], names[after.lapse]], axis=1)
    fixed = np.broadcast_to(np.array(["infection", "haematoma", "persistent"], dtype=object), (n, 3))
    return months.min(axis=1), np.concatenate([reasons, fixed], axis=1)[np.arange(n), first]


def _persistent_yearly(planned: Planned, readiness: np.ndarray, relief: np.ndarray) -> np.ndarray:
    """(n,) yearly hazard of an operation for pain that no event explains, or for another level."""
    usual = fact_by("outcome_levels", DIAGNOSES, "persistent_reoperation_yearly")[planned.plan.diagnosis]
    return usual * np.exp(readiness - REOPERATION_PER_RELIEF * (relief - 0.5))


def _risk_of_reoperation(
    planned: Planned,
    operation: Operation,
    after: Aftermath,
    risks: Hazards,
    expected_relief: np.ndarray,
    readiness: np.ndarray,
) -> np.ndarray:
    delay = event_numbers("operation_delay_months")
    operated = shifted(event_numbers("operated"), readiness[:, None])
    by_event = (chance_operated_by(risks, HORIZON, delay) * operated).sum(axis=1)
    passed = -np.expm1(-HORIZON / delay)
    by_lapse = np.where(after.lapse == NO_EVENT, 0, (operated * passed)[np.arange(len(readiness)), after.lapse])
    by_infection = INFECTION_REOPERATED * operation.events["wound_infection"]
    by_haematoma = HAEMATOMA_REOPERATED * operation.events["epidural_haematoma"]
    # The mean over what chance adds to relief; hazards this low add up.
    spread = np.exp((REOPERATION_PER_RELIEF * RELIEF_SD) ** 2 / 2)
    persistent = -np.expm1(-_persistent_yearly(planned, readiness, expected_relief) * spread * HORIZON / 12)
    spared = [1 - chance for chance in (by_event, by_lapse, by_infection, by_haematoma, persistent)]
    return 1 - np.prod(spared, axis=0)


def _death_months(rng: Generator, people: People) -> np.ndarray:
    """Gompertz: about 0.06 % a year at 50, 0.35 % at 70, 0.8 % at 80, more with ASA 3 and smoking."""
    c, growth = people.columns, constant("yearly_death_growth")
    yearly = constant("yearly_death_at_50") * np.exp(growth * (c["age_years"] - 50))
    yearly = yearly * np.where(c["asa_class"] >= 3, 1.8, 0.8) * np.where(c["smoking"] == 2, 1.5, 1)
    return 12 / growth * np.log1p(growth * rng.exponential(1, len(yearly)) / yearly)
