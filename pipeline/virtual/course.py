"""The year after: relief, scores, global assessments, reoperation, death.

Relief (the share by which disability falls) is a mean given all that was known before follow-up, plus
chance; so the risk of failure is known in closed form. Nothing here comes from the Swespine equations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.special import ndtr, ndtri

from pipeline.virtual.centres import Centres
from pipeline.virtual.choice import DIAGNOSES, PROCEDURES, Plan
from pipeline.virtual.draws import happens, whole
from pipeline.virtual.facts import fact_by, facts
from pipeline.virtual.operation import Operation
from pipeline.virtual.pain import ODI_ERROR_SD, Pain, eq5d
from pipeline.virtual.people import WORK, People
from pipeline.virtual.scan import Reading

RELIEF_SD = 0.36
"""Of the chance part of relief, as a share of disability (tuned to the published spread of outcomes)."""
RELIEF_PER_LOG_ODDS = 0.20
"""Relief lost for one log-odds of failure: the spread of observed relief (about 0.42) over 1.7, and less
since the published effects are not of independent predictors."""
FULL_DISCORDANCE = 0.50
"""Relief lost when nothing of the source is reached, at `discordance_effect` 1 (an assumption)."""
FAILURE_FALL = 0.30
"""The ODI falls by less than 30 %."""


@dataclass(frozen=True)
class Course:
    expected_relief: np.ndarray
    relief: np.ndarray
    risk: np.ndarray
    """Probability of failure at 12 months given all that was known before follow-up."""
    reoperation_months: np.ndarray
    """Months from the operation to the reoperation, however late."""
    death_months: np.ndarray
    columns: dict[str, np.ndarray]


def drawn_effects(rng: Generator) -> dict[str, float]:
    """Log-odds of failure per predictor, drawn once a registry around the published values."""
    table = facts("effects")
    values = rng.normal(table["log_odds"], table["standard_error"])
    return dict(zip(table["predictor"], values.astype(float), strict=True))


def predictors_present(
    people: People, pain: Pain, reading: Reading, plan: Plan, operation: Operation
) -> dict[str, np.ndarray]:
    """What each case has of the predictors of tables/effects.csv, in their units."""
    c, case = people.columns, np.arange(len(plan.level))
    operations = c["earlier_lumbar_operations"]
    work = np.array(WORK, dtype=object)[c["work"]]
    return {
        "earlier_operation_one": operations == 1,
        "earlier_operation_two": operations == 2,
        "earlier_operation_three": operations == 3,
        "earlier_operation_four": operations >= 4,
        "current_smoking": c["smoking"] == 2,
        "distress_per_sd": (c["distress_hscl25"] - 1.7) / 0.4,
        "depression": c["has_depression_or_anxiety"],
        "catastrophising_per_sd": (c["catastrophising_pcs"] - 19) / 10.5,
        "fear_avoidance_per_sd": (c["fear_avoidance_work_fabq"] - 18) / 9.3,
        "compensation_claim": c["has_compensation_claim"],
        "unemployed": work == "unemployed",
        "disability_pension": work == "disability_pension",
        "sick_leave_long": np.nan_to_num(c["sick_leave_weeks"]) > 28,
        "college": c["education"] == 2,
        "low_expectation": c["expectation"] <= 1,
        "daily_opioids": c["opioid_use"] == 2,
        "occasional_opioids": c["opioid_use"] == 1,
        "leg_pain_over_12_months": c["leg_pain_duration_months"] > 12,
        "back_pain_over_24_months": c["back_pain_duration_months"] > 24,
        "pfirrmann_4_5": reading.disc[case, plan.level] >= 4,
        "asa_3": c["asa_class"] >= 3,
        "widespread_pain": c["has_widespread_pain_syndrome"],
        "bmi_per_sd": (c["bmi_kg_m2"] - 27) / 4.2,
        "age_per_decade_over_60": np.maximum(c["age_years"] - 60, 0) / 10,
        "nrs_back_per_sd": (pain.back - 5.5) / 2.4,
        "nrs_leg_per_sd": (pain.leg - 6.3) / 2.2,
        "severe_compression": plan.severity,
        "dural_tear": operation.events["dural_tear"],
        "root_injury": operation.events["root_injury"],
    }


def log_odds_of_failure(effects: dict[str, float], present: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) sum of the drawn effects, less what their drawing adds to a usual patient."""
    table = facts("effects").set_index("predictor")
    drawn = pd.Series(effects) - table["log_odds"]
    total = np.sum([effects[name] * np.asarray(x, dtype=float) for name, x in present.items()], axis=0)
    return total - float((drawn * table["usual"]).sum())


def course(
    rng: Generator,
    effects: dict[str, float],
    discordance_effect: float,
    people: People,
    centres: Centres,
    pain: Pain,
    reading: Reading,
    plan: Plan,
    operation: Operation,
) -> Course:
    """What follows for each operated case, were everybody asked."""
    n = len(plan.level)
    log_odds = log_odds_of_failure(effects, predictors_present(people, pain, reading, plan, operation))
    log_odds = log_odds + centres.quality[people.centre]
    usual = fact_by("outcome_levels", DIAGNOSES, "usual_log_odds")[plan.diagnosis]
    expected = fact_by("outcome_levels", DIAGNOSES, "expected_unreached")[plan.diagnosis]
    # Recentred on the expected share, so that the base rate stays about the same at any effect.
    lost = FULL_DISCORDANCE * discordance_effect * (operation.unreached - expected)
    mean = fact_by("outcome_levels", DIAGNOSES, "relief_mean")[plan.diagnosis]
    mean = mean - RELIEF_PER_LOG_ODDS * (log_odds - usual) - lost
    relief = mean + rng.normal(0, RELIEF_SD, n)
    risk = _risk(pain, mean)
    columns = _scores(rng, people, pain, plan, relief)
    reoperation = _reoperation_months(rng, people, plan, operation, relief, mean)
    return Course(
        expected_relief=mean,
        relief=relief,
        risk=risk,
        reoperation_months=reoperation,
        death_months=_death_months(rng, people),
        columns=columns,
    )


def _risk(pain: Pain, expected_relief: np.ndarray) -> np.ndarray:
    """P(the recorded ODI at 12 months is above 70 % of the recorded baseline), rounding included."""
    baseline, latent = pain.columns["odi"], pain.disability
    lowest_failing = 2 * (np.floor((1 - FAILURE_FALL) * baseline / 2 + 1e-9) + 1)
    spread = np.sqrt((latent * RELIEF_SD) ** 2 + ODI_ERROR_SD**2)
    return ndtr((latent * (1 - expected_relief) - (lowest_failing - 1)) / spread)


def _scores(rng: Generator, people: People, pain: Pain, plan: Plan, relief: np.ndarray) -> dict[str, np.ndarray]:
    n = len(relief)
    odi = pain.disability * (1 - relief)
    leg_relief = relief + rng.normal(0, 0.22, n)
    back_relief = relief - 0.08 + rng.normal(0, 0.24, n)
    columns = {
        "odi_12m": whole(odi + rng.normal(0, ODI_ERROR_SD, n), 0, 100, 2),
        "nrs_leg_12m": whole(pain.leg * (1 - leg_relief) + rng.normal(0, 0.8, n), 0, 10),
        "nrs_back_12m": whole(pain.back * (1 - back_relief) + rng.normal(0, 0.8, n), 0, 10),
        "eq5d_index_12m": eq5d(rng, np.clip(odi, 0, 100), people.burden),
    }
    for pain_in, own in (("leg", leg_relief), ("back", back_relief)):
        felt = own + rng.normal(0, 0.20, n)
        columns[f"global_assessment_{pain_in}_12m"] = _assessment(felt, plan.diagnosis, pain_in)
    none_before = pain.columns["nrs_leg"] == 0
    columns["global_assessment_leg_12m"] = np.where(none_before, np.nan, columns["global_assessment_leg_12m"])
    none_before = pain.columns["nrs_back"] == 0
    columns["global_assessment_back_12m"] = np.where(none_before, np.nan, columns["global_assessment_back_12m"])
    return columns


def _assessment(felt: np.ndarray, diagnosis: np.ndarray, pain_in: str) -> np.ndarray:
    """1 gone to 5 worse, cut where the published level mixes cut."""
    centre = fact_by("outcome_levels", DIAGNOSES, "anchor_mean")[diagnosis]
    spread = fact_by("outcome_levels", DIAGNOSES, "anchor_sd")[diagnosis]
    standard = (centre - (0.08 if pain_in == "back" else 0) - felt) / spread
    cuts = [
        ndtri(fact_by("outcome_levels", DIAGNOSES, f"{pain_in}_{level}"))[diagnosis]
        for level in ("gone", "much", "some", "unchanged")
    ]
    return 1.0 + np.sum([standard > cut for cut in cuts], axis=0)


def _reoperation_months(
    rng: Generator, people: People, plan: Plan, operation: Operation, relief: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Weibull of shape 0.62: more than half of two years' reoperations in the first (Kim 2013)."""
    at_24 = fact_by("outcome_levels", DIAGNOSES, "reoperation_24m")[plan.diagnosis]
    log_hazard = (
        -1.5 * (relief - 0.5)
        + 0.35 * (people.columns["smoking"] == 2)
        + 0.20 * np.minimum(people.columns["earlier_lumbar_operations"], 3)
        + 0.07 * np.clip(operation.defect_mm - 5, 0, 8)
        + 0.25 * (plan.procedure >= PROCEDURES.index("decompression_and_fusion"))
        + 2.0 * operation.events["wound_infection"]
        + 2.6 * operation.events["epidural_haematoma"]
        - 0.012 * np.maximum(people.columns["age_years"] - 65, 0)
        - 0.62
    )
    cumulative = -np.log1p(-at_24) * np.exp(log_hazard)
    months = 24 * (rng.exponential(1, len(relief)) / cumulative) ** (1 / 0.62)
    early = operation.events["epidural_haematoma"] & happens(rng, 0.6, relief.shape)
    infected = operation.events["wound_infection"] & happens(rng, 0.4, relief.shape)
    months = np.where(infected, rng.uniform(0.3, 2.0, len(relief)), months)
    return np.where(early, 0.1, months)


def _death_months(rng: Generator, people: People) -> np.ndarray:
    """Gompertz: about 0.06 % a year at 50, 0.35 % at 70, 0.8 % at 80, more with ASA 3 and smoking."""
    c, growth = people.columns, 0.085
    yearly = 0.0006 * np.exp(growth * (c["age_years"] - 50))
    yearly = yearly * np.where(c["asa_class"] >= 3, 1.8, 0.8) * np.where(c["smoking"] == 2, 1.5, 1)
    return 12 / growth * np.log1p(growth * rng.exponential(1, len(yearly)) / yearly)
