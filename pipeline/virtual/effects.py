"""What predicts failure and events: published effects, drawn once a registry, and who has which predictor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import LEVELS
from pipeline.virtual.facts import facts
from pipeline.virtual.parameters import DIAGNOSES
from pipeline.virtual.people import WORK, People
from pipeline.virtual.planned import Planned

OTHER_ILLNESS = (
    "has_heart_disease",
    "has_polyneuropathy",
    "has_cancer_history",
    "has_vascular_disease",
    "has_rheumatic_disease",
    "has_lung_disease",
)
OBESE = 30
"""Body mass index in kg/m2."""
LARGE_DEFECT_MM = 6
"""Of the annulus (Miller 2018)."""
HERNIATION, SEGMENTAL = DIAGNOSES.index("disc_herniation"), DIAGNOSES.index("segmental_pain")
LITTLE_LEG_PAIN = 1.5
"""On the scale of 0 to 10, so that it is written down as 0 or 1."""
MISMATCHED_DEG = 10
"""Pelvic incidence less lumbar lordosis."""


@dataclass(frozen=True)
class Effects:
    """Drawn around the published values with the published uncertainty."""

    failure: dict[str, float]
    """Log-odds of failure by predictor."""
    events: dict[tuple[str, str], float]
    """Log ratio by event and predictor."""


def drawn_effects(rng: Generator) -> Effects:
    """The effects of one registry: the same in all of its blocks."""
    failure, events = facts("effects"), facts("event_predictors")
    on_failure = rng.normal(failure["log_odds"], failure["standard_error"]).astype(float)
    on_events = rng.normal(events["log_ratio"], events["standard_error"]).astype(float)
    return _effects(on_failure, on_events)


def published_effects() -> Effects:
    """The effects of a registry in which nothing was drawn: those of the tables."""
    return _effects(
        facts("effects")["log_odds"].to_numpy(float), facts("event_predictors")["log_ratio"].to_numpy(float)
    )


def _effects(on_failure: np.ndarray, on_events: np.ndarray) -> Effects:
    failure, events = facts("effects"), facts("event_predictors")
    return Effects(
        failure=dict(zip(failure["predictor"], on_failure, strict=True)),
        events=dict(zip(zip(events["event"], events["predictor"], strict=True), on_events, strict=True)),
    )


def predictors_of_failure(planned: Planned, operation_events: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What each case has of the predictors of tables/effects.csv, in their units."""
    c, plan, pain = planned.people.columns, planned.plan, planned.pain
    operations = c["earlier_lumbar_operations"]
    work = np.array(WORK, dtype=object)[c["work"]]
    return {
        "earlier_operation_one": operations == 1,
        "earlier_operation_two": operations == 2,
        "earlier_operation_three": operations == 3,
        "earlier_operation_four": operations >= 4,
        "male": c["is_male"],
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
        "pfirrmann_4_5": _worn_disc(planned),
        "asa_3": c["asa_class"] >= 3,
        "widespread_pain": c["has_widespread_pain_syndrome"],
        "bmi_per_sd": (c["bmi_kg_m2"] - 27) / 4.2,
        "age_per_decade_over_60": np.maximum(c["age_years"] - 60, 0) / 10,
        "nrs_back_per_sd": (pain.back - 5.5) / 2.4,
        "nrs_leg_per_sd_unless_segmental": np.where(plan.diagnosis == SEGMENTAL, 0, (pain.leg - 6.3) / 2.2),
        "little_leg_pain_unless_segmental": (plan.diagnosis != SEGMENTAL) & (pain.leg <= LITTLE_LEG_PAIN),
        "odi_per_sd": (pain.columns["odi"] - 44) / 17,
        "odi_per_sd_unless_herniation": np.where(plan.diagnosis == HERNIATION, 0, (pain.columns["odi"] - 44) / 17),
        "other_illness": np.max([c[name] for name in OTHER_ILLNESS], axis=0),
        "severe_compression": plan.severity,
        "dural_tear": operation_events["dural_tear"],
        "root_injury": operation_events["root_injury"],
        "wound_infection": operation_events["wound_infection"],
    }


def log_odds_of_failure(effects: Effects, present: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) sum of the drawn effects, less what their drawing adds to a usual patient."""
    table = facts("effects").set_index("predictor")
    total = np.sum([effects.failure[name] * np.asarray(x, dtype=float) for name, x in present.items()], axis=0)
    drawn = np.array([effects.failure[name] for name in table.index]) - table["log_odds"].to_numpy()
    return total - float(drawn @ table["usual"].to_numpy())


def predictors_in_people(people: People) -> dict[str, np.ndarray]:
    """What each person has of the predictors of tables/event_predictors.csv."""
    c = people.columns
    return {
        "current_smoking": c["smoking"] == 2,
        "diabetes": c["has_diabetes"],
        "hypertension": c["has_hypertension"],
        "obesity": c["bmi_kg_m2"] >= OBESE,
        "earlier_operation": c["earlier_lumbar_operations"] > 0,
        "years_over_75": np.maximum(c["age_years"] - 75, 0),
    }


def predictors_of_events(planned: Planned, defect_mm: np.ndarray) -> dict[str, np.ndarray]:
    """Also what the case has of them in pain, signs, scan, plan and operation."""
    spine, plan, reading = planned.anatomy, planned.plan, planned.reading
    case, level = np.arange(len(plan.level)), np.clip(plan.level - reading.shift, 0, len(LEVELS) - 1)
    weakest = np.min([values for name, values in planned.signs.items() if name.startswith("power_")], axis=0)
    narrow_canal = np.maximum(spine.central, spine.recess.max(axis=2))[case, level] >= 2
    narrow_foramen = spine.foraminal.max(axis=2)[case, level] >= 2
    return predictors_in_people(planned.people) | {
        "large_annular_defect": defect_mm >= LARGE_DEFECT_MM,
        "pfirrmann_4_5": _worn_disc(planned),
        "modic": reading.modic[case, plan.level] > 0,
        "odi_per_point": planned.pain.columns["odi"],
        "motor_deficit": weakest < 5,
        "migrated_fragment": spine.migration[case, level] > 0,
        "unopened_zone": ((plan.zone == 0) & narrow_foramen) | ((plan.zone == 1) & narrow_canal),
        "slip": spine.slip[case, level] >= 1,
        "levels_beyond_one": np.maximum(plan.decompression.any(axis=2).sum(axis=1) - 1, 0),
        "levels_fused_beyond_one": np.maximum(plan.fusion.sum(axis=1) - 1, 0),
        "pi_ll_mismatch_over_10": reading.columns["pi_ll_mismatch_deg"] > MISMATCHED_DEG,
    }


def log_ratio(effects: Effects, event: str, present: dict[str, np.ndarray]) -> np.ndarray | float:
    """(n,) log of how much likelier the event is than in a usual patient; 0 for events without predictors."""
    table = facts("event_predictors")
    rows = table[table["event"] == event]
    terms = [
        effects.events[event, predictor] * (np.asarray(present[predictor], dtype=float) - usual)
        for predictor, usual in zip(rows["predictor"], rows["usual"], strict=True)
    ]
    return sum(terms, start=0.0)


def _worn_disc(planned: Planned) -> np.ndarray:
    return planned.reading.disc[np.arange(len(planned.plan.level)), planned.plan.level] >= 4
