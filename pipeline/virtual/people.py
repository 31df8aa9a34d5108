"""Who is referred: age, habits, work, other diseases, mind, history."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from pipeline.virtual.centres import PRESENTATIONS, Centres
from pipeline.virtual.draws import happens, picked, shifted, whole
from pipeline.virtual.facts import constant, fact_by, facts

WORK = ("working", "sick_leave", "unemployed", "disability_pension", "retired", "other")
RED_FLAGS = {
    "has_sphincter_disturbance": 0.0008,
    "has_saddle_numbness": 0.0006,
    "has_progressive_weakness": 0.0012,
    "has_fever_or_infection_signs": 0.0004,
    "has_unexplained_weight_loss": 0.0005,
    "has_recent_major_trauma": 0.0004,
    "has_upper_motor_neurone_signs": 0.0006,
}
"""Shares (assumptions) of an elective registry: about 0.4 % of cases carry one."""


@dataclass(frozen=True)
class People:
    """One row a candidate; `columns` by their name in the dictionary, the rest nobody records."""

    centre: np.ndarray
    presentation: np.ndarray
    """Place in PRESENTATIONS: the picture with which the patient is referred."""
    burden: np.ndarray
    """Latent distress, standard normal: it lies behind mood, catastrophising, opioids and intensity."""
    no_leg_pain: np.ndarray
    no_back_pain: np.ndarray
    columns: dict[str, np.ndarray]


LONGEST_MONTHS = 720
"""Nobody answers with a longer duration of pain."""


def drawn_people(rng: Generator, centre: np.ndarray, centres: Centres) -> People:
    """People referred for an operation on the lumbar spine; marginals by presentation are published."""
    presentation = picked(rng, centres.mix[centre])
    mean, sd = (fact_by("presentations", PRESENTATIONS, f"age_{q}")[presentation] for q in ("mean", "sd"))
    age = np.clip(np.round(rng.normal(mean, sd)), 16, 94)
    young = (age < 18) & happens(rng, 0.7, age.shape)
    columns = {"age_years": np.where(young, 18 + np.round(rng.exponential(6, len(age))), age)}
    columns["is_male"] = happens(rng, fact_by("presentations", PRESENTATIONS, "male")[presentation]) * 1.0
    burden = rng.normal(0, 1, len(centre)) + 0.15 * (presentation == 3)
    columns |= _habits(rng, presentation, columns["age_years"], burden)
    columns |= _diseases(rng, columns["age_years"], columns["bmi_kg_m2"])
    columns |= _work(rng, columns["age_years"], burden, columns["education"])
    columns |= _mind(rng, burden, columns["has_widespread_pain_syndrome"], columns["education"])
    columns |= _history(rng, presentation, columns["age_years"], burden)
    none = {}
    for pain_in in ("leg", "back"):
        share = fact_by("presentations", PRESENTATIONS, f"no_{pain_in}_pain")[presentation]
        none[pain_in] = happens(rng, share)
        columns[f"{pain_in}_pain_duration_months"] = np.where(
            none[pain_in], 0, columns[f"{pain_in}_pain_duration_months"]
        )
    columns |= {name: happens(rng, share, age.shape) * 1.0 for name, share in RED_FLAGS.items()}
    return People(
        centre=centre,
        presentation=presentation,
        burden=burden,
        no_leg_pain=none["leg"],
        no_back_pain=none["back"],
        columns=columns,
    )


def _habits(rng: Generator, presentation: np.ndarray, age: np.ndarray, burden: np.ndarray) -> dict[str, np.ndarray]:
    college = shifted(fact_by("presentations", PRESENTATIONS, "college")[presentation], -0.15 * burden)
    school = shifted(0.2, 0.35 * (age - 55) / 10 + 0.2 * burden)
    education = np.where(happens(rng, college), 2.0, np.where(happens(rng, school), 0.0, 1.0))
    smokes = shifted(
        fact_by("presentations", PRESENTATIONS, "smoking")[presentation],
        0.25 * burden - 0.35 * (education == 2) - 0.3 * (age > 72),
    )
    former = happens(rng, shifted(0.36, 0.25 * (age - 55) / 10))
    bmi = np.exp(rng.normal(np.log(26.6), 0.142, len(age)))
    return {
        "education": education,
        "smoking": np.where(happens(rng, smokes), 2.0, np.where(former, 1.0, 0.0)),
        "bmi_kg_m2": np.clip(np.round(bmi, 1), 16, 55),
    }


def _diseases(rng: Generator, age: np.ndarray, bmi: np.ndarray) -> dict[str, np.ndarray]:
    table = facts("comorbidities")
    frailty = rng.normal(0, 0.7, len(age))
    columns = {}
    for variable, at_45, at_70 in zip(table["variable"], table["share_at_45"], table["share_at_70"], strict=True):
        slope = (shifted(at_70, 0) - shifted(at_45, 0)) / 25
        share = np.clip(at_45 + slope * (age - 45), 0.002, 0.8)
        heavier = 0.07 * (bmi - 27) * (variable in ("has_diabetes", "has_hypertension"))
        columns[variable] = happens(rng, shifted(share, frailty - 0.2 + heavier)) * 1.0
    serious = columns["has_heart_disease"] + columns["has_lung_disease"] + columns["has_diabetes"]
    ill = -2.3 + 1.1 * serious + 0.35 * columns["has_hypertension"] + 0.03 * (age - 55) + 0.06 * (bmi - 27)
    asa = 1.0 + (ill + rng.logistic(0, 1, len(age)) > -1.9) + (ill + rng.logistic(0, 1, len(age)) > 0.5)
    return columns | {"asa_class": np.where(happens(rng, 0.01 * (asa == 3)), 4.0, asa)}


def _work(rng: Generator, age: np.ndarray, burden: np.ndarray, education: np.ndarray) -> dict[str, np.ndarray]:
    trouble = 0.35 * burden - 0.3 * (education == 2)
    log_shares = np.stack(
        [
            np.full(len(age), np.log(0.42)),
            np.log(0.32) + 0.15 * burden,
            np.log(0.094) + trouble,
            np.log(0.26) + trouble + 0.03 * (age - 45),
            np.where(age < 60, -20.0, np.log(0.5) + 0.9 * (age - 64)),
            np.log(0.06) - 0.06 * (age - 40),
        ],
        axis=1,
    )
    work = picked(rng, np.exp(log_shares - log_shares.max(axis=1, keepdims=True)))
    work = np.where(age > 70, WORK.index("retired"), work)
    unasked = (work == WORK.index("retired")) & happens(rng, constant("retired_written_unemployed"), (len(age),))
    work = np.where(unasked, WORK.index("unemployed"), work)
    weeks = np.minimum(np.round(np.exp(rng.normal(2.6, 1.0, len(age)))), 150)
    employed = np.isin(work, [WORK.index("working"), WORK.index("sick_leave")])
    weeks = np.where(work == WORK.index("sick_leave"), np.maximum(weeks, 1), 0.0)
    claim = happens(rng, np.where(age < 67, shifted(0.045, 0.3 * burden + 0.8 * (weeks > 8)), 0.004))
    return {
        "work": work,
        "sick_leave_weeks": np.where(employed, weeks, np.nan),
        "has_compensation_claim": claim * 1.0,
    }


def _mind(rng: Generator, burden: np.ndarray, widespread: np.ndarray, education: np.ndarray) -> dict[str, np.ndarray]:
    burden = burden + 0.6 * widespread
    n = len(burden)
    distress = 1 + np.exp(rng.normal(-0.55 + 0.42 * burden, 0.38))
    catastrophising = 19 + 8 * burden + rng.normal(0, 7, n)
    fear = 19 + 4.5 * burden - 3 * (education == 2) + rng.normal(0, 8, n)
    hope = 1.1 - 0.45 * burden + rng.normal(0, 1, n)
    opioids = -0.9 + 0.55 * burden + rng.logistic(0, 1, n)
    return {
        "has_depression_or_anxiety": happens(rng, shifted(0.15, 0.9 * burden - 0.3)) * 1.0,
        "distress_hscl25": np.clip(np.round(distress, 2), 1, 4),
        "catastrophising_pcs": whole(catastrophising, 0, 52),
        "fear_avoidance_work_fabq": whole(fear, 0, 42),
        "expectation": np.digitize(hope, [-0.75, 0.15, 1.6]).astype(float),
        "opioid_use": np.digitize(opioids, [0.0, 1.15]).astype(float),
    }


def _history(rng: Generator, presentation: np.ndarray, age: np.ndarray, burden: np.ndarray) -> dict[str, np.ndarray]:
    n = len(age)
    ever = happens(rng, fact_by("presentations", PRESENTATIONS, "earlier_operation")[presentation])
    operations = np.where(ever, np.minimum(rng.geometric(0.72, n), 8), 0).astype(float)
    since = np.minimum(np.round(np.exp(rng.normal(np.log(50), 1.1, n))), np.minimum(12 * (age - 15), 600))
    fused = happens(rng, np.where(operations > 0, 0.10 + 0.08 * (operations - 1).clip(0), 0))
    durations = rng.multivariate_normal([0, 0], [[1, 0.55], [0.55, 1]], n)
    durations += 0.15 * burden[:, None]
    longest = np.minimum(12 * (age - 10), LONGEST_MONTHS)

    def months(pain_in: str, own: np.ndarray) -> np.ndarray:
        median, spread = (
            fact_by("presentations", PRESENTATIONS, f"{pain_in}_{quantity}")[presentation]
            for quantity in ("median_months", "log_sd")
        )
        return np.minimum(np.maximum(np.round(median * np.exp(spread * own)), 1), longest)

    return {
        "earlier_lumbar_operations": operations,
        "months_since_last_operation": np.where(operations > 0, np.maximum(since, 3), np.nan),
        "has_earlier_fusion": np.where(operations > 0, fused, np.nan),
        "back_pain_duration_months": months("back", durations[:, 0]),
        "leg_pain_duration_months": months("leg", durations[:, 1]),
    }


def returned_people(rng: Generator, people: People, months: np.ndarray, operated_again: np.ndarray) -> People:
    """The same people, months after a first operation, on their way to a second.

    `operated_again` is True where the first operation was a fusion.
    """
    old, n = people.columns, len(people.centre)
    burden = 0.85 * people.burden + 0.45 + rng.normal(0, 0.4, n)
    new = dict(old) | _mind(rng, burden, old["has_widespread_pain_syndrome"], old["education"])
    new["age_years"] = old["age_years"] + np.floor(months / 12)
    new["earlier_lumbar_operations"] = old["earlier_lumbar_operations"] + 1
    new["months_since_last_operation"] = np.maximum(np.round(months), 1)
    new["has_earlier_fusion"] = np.maximum(np.nan_to_num(old["has_earlier_fusion"]), operated_again * 1.0)
    back = old["back_pain_duration_months"] + np.round(months)
    new["back_pain_duration_months"] = np.minimum(back, LONGEST_MONTHS)
    new["leg_pain_duration_months"] = np.maximum(1, np.round(months * rng.uniform(0.3, 1.0, n)))
    new |= {name: np.zeros(n) for name in RED_FLAGS}
    never = np.zeros(n, dtype=bool)
    return replace(people, burden=burden, no_leg_pain=never, no_back_pain=never, columns=new)
