"""What is told at the work-up: how the pain came back, what it is like, what was tried, what forbids what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import CAUSES
from pipeline.virtual.aftermath import event_names, event_numbers
from pipeline.virtual.course import disability_elsewhere
from pipeline.virtual.draws import happens, picked, shifted, whole
from pipeline.virtual.facts import fact, facts
from pipeline.virtual.pain import ODI_ERROR_SD
from pipeline.virtual.pain_after import CAUSE, Failed, PainAfter, by_cause, interval_facts, share

TEMPO = np.array(["never_better", "sudden", "gradual"], dtype=object)
TRIGGER = np.array(["none", "lifting_or_twisting", "fall_or_accident", "other"], dtype=object)
COMPARED = np.array(["same", "other", "both"], dtype=object)
POSTURE = (
    "is_relieved_by_sitting",
    "is_relieved_by_bending_forward",
    "is_worse_on_cough",
    "is_worse_on_sitting",
    "is_worse_on_standing",
    "is_worse_on_walking",
    "has_night_pain",
    "has_catch_on_rising",
)
SPOKEN_BY_MAIN = 0.8
"""Of answers and signs, those that the main cause decides where several hurt (an assumption)."""
EARLY_MONTHS = 3
SOON_MONTHS = 2
"""Before which nobody has been through six weeks of exercise."""
LEAST_INTERVAL = 0.5
NO_RELIEF_MOST, SOME_RELIEF_LEAST = 45, 20
"""Per cent of relief at the start that who was never better, and who was better, remember at most and at least."""
DN4_SD = 1.8
WALKING_LOG_SD = 0.9
MOST_LEG_PAIN_BESIDE, MOST_BACK_PAIN_BESIDE = 0.7, 0.85
"""Of the leading pain, what the other reaches at most."""
OLD_PAIN_ANOTHER, OLD_PAIN_BOTH = 0.04, 0.06
"""Of those whose missed source hurts on, who calls the pain another or both (an assumption)."""
ACUTE_BACK_PAIN, ACUTE_DISABILITY = (7.5, 1.3), (58.0, 13.0)
"""Mean and SD in the first weeks of an infection, whatever is left of it a year on (assigned)."""
RESPONSE_TO_STIMULATION = {True: (4.0, 2.0), False: (1.5, 3.0)}
"""Beta of the relief by a trial, with neuropathic pain and without (an assumption)."""


@dataclass(frozen=True)
class Burden:
    """Latent intensity 0 to 10 and disability 0 to 100 at the work-up."""

    leg: np.ndarray
    back: np.ndarray
    disability: np.ndarray


def burden_now(rng: Generator, failed: Failed, pain: PainAfter) -> Burden:
    """The pain and disability that were left or came back; the cause decides whether leg or back leads."""
    before, n = failed.planned.pain, len(pain.main)
    stays = disability_elsewhere(failed.planned.people, before)
    after = failed.course.aftermath
    relief = failed.course.early_relief - np.where(after.onset_months <= failed.months, after.lost_later, 0)
    left = np.clip(1 - relief + rng.normal(0, 0.1, n), 0.3, 1.25)
    peak = np.clip(np.maximum(before.leg, before.back) * left, 1.5, 10)
    back_leads = happens(rng, by_cause("workup_symptoms", "back_leads")[pain.main])
    leg = np.where(back_leads, peak * rng.uniform(0.05, MOST_LEG_PAIN_BESIDE, n), peak)
    back = np.where(back_leads, peak, peak * rng.uniform(0.2, MOST_BACK_PAIN_BESIDE, n))
    leg = np.where(pain.is_old, np.clip(before.leg * left, 0.5, 10), leg)
    back = np.where(pain.is_old, np.clip(before.back * left, 0.5, 10), back)
    disability = np.clip(stays + (before.disability - stays) * (1 - relief), 4, 96)
    acute = failed.has_failed & (pain.main == CAUSE["infection"]) & (failed.months <= EARLY_MONTHS)
    back = np.where(acute, np.clip(rng.normal(*ACUTE_BACK_PAIN, n), 4, 10), back)
    disability = np.where(acute, np.clip(rng.normal(*ACUTE_DISABILITY, n), 30, 96), disability)
    return Burden(leg=leg, back=back, disability=disability)


def speaking(rng: Generator, pain: PainAfter, items: int) -> np.ndarray:
    """(n, item) place in CAUSES of the cause that decides each item: mostly the main one."""
    n = len(pain.main)
    others = pain.present & (np.arange(len(CAUSES)) != pain.main[:, None])
    has_others = others.any(axis=1)
    weights = np.where(has_others[:, None], others, np.arange(len(CAUSES)) == pain.main[:, None]) * 1.0
    chosen = np.stack([picked(rng, weights) for _ in range(items)], axis=1)
    return np.where(happens(rng, SPOKEN_BY_MAIN, (n, items)), pain.main[:, None], chosen)


def signs_by_cause(rng: Generator, pain: PainAfter, items: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Yes or no of each item of tables/workup_symptoms.csv, by the cause that decides it."""
    by = speaking(rng, pain, len(items))
    return {
        item: happens(rng, by_cause("workup_symptoms", item)[by[:, place]]) * 1.0 for place, item in enumerate(items)
    }


def history(rng: Generator, failed: Failed, pain: PainAfter, burden: Burden) -> dict[str, np.ndarray]:
    """Columns of the history, as if everything had been asked."""
    columns = _course(rng, failed, pain)
    columns |= {f"followup_{item}": answer for item, answer in signs_by_cause(rng, pain, POSTURE).items()}
    columns |= _scores(rng, failed, pain, burden)
    columns["pain_compared"] = _compared(rng, pain)
    columns |= _red_flags(rng, failed, pain, columns["return_trigger"])
    return columns | _tried(rng, failed, columns)


def _course(rng: Generator, failed: Failed, pain: PainAfter) -> dict[str, np.ndarray]:
    """How it went until the work-up, as far as the patient remembers."""
    n, came = len(pain.main), pain.came_months
    usual = interval_facts()
    as_missed = np.where(pain.is_old, CAUSE["wrong_level_or_side"], pain.main)

    def own(column: str) -> np.ndarray:
        return usual[column][as_missed]

    event = {name: place for place, name in enumerate(event_names())}
    of_event = np.array([event.get(name.removesuffix("_other_side"), 0) for name in CAUSES])[pain.main]
    by_event = ~np.isnan(came)
    better = np.where(by_event, ~happens(rng, share("forgets_good_start"), (n,)), happens(rng, own("good_start")))
    better |= happens(rng, share("remembers_good_start"), (n,))
    median = np.where(by_event, np.nan_to_num(came), own("interval_months"))
    months = median * np.exp(rng.normal(0, np.where(by_event, 0.2, own("interval_log_sd")), n))
    fine = np.where(months < EARLY_MONTHS, 0.5, 1.0)
    months = np.clip(np.round(months / fine) * fine, LEAST_INTERVAL, None)
    longest = np.maximum(np.floor(failed.months / 0.5) * 0.5, LEAST_INTERVAL)
    sudden = happens(rng, np.where(by_event, event_numbers("sudden")[of_event], own("sudden")))
    lifted = happens(rng, np.where(by_event, event_numbers("triggered")[of_event], own("triggered")))
    relief = np.where(
        better,
        np.maximum(whole(100 * rng.beta(6, 2, n), 0, 100, 5), SOME_RELIEF_LEAST),
        np.minimum(whole(100 * rng.beta(1.1, 4.5, n), 0, 100, 5), NO_RELIEF_MOST),
    )
    other_trigger = TRIGGER[picked(rng, np.array([0.82, 0.03, 0.05, 0.1]), n)]
    return {
        "initial_relief_percent": relief,
        "pain_free_interval_months": np.where(better, np.minimum(months, longest), 0),
        "return_tempo": TEMPO[np.where(better, np.where(sudden, 1, 2), 0)],
        "return_trigger": np.where(better, np.where(lifted, TRIGGER[1], other_trigger), "none").astype(object),
    }


def _compared(rng: Generator, pain: PainAfter) -> np.ndarray:
    """Whether it is the pain of before the operation, another, or both."""
    another, both = (
        np.where(pain.is_old, old, by_cause("workup_symptoms", item)[pain.main])
        for item, old in (("pain_is_another", OLD_PAIN_ANOTHER), ("pain_is_both", OLD_PAIN_BOTH))
    )
    return COMPARED[picked(rng, np.stack([1 - another - both, another, both], axis=1))]


def _scores(rng: Generator, failed: Failed, pain: PainAfter, burden: Burden) -> dict[str, np.ndarray]:
    n, people = len(pain.main), failed.planned.people
    by = speaking(rng, pain, 2)
    dn4 = by_cause("workup_scores", "dn4_mean")[by[:, 0]] + 0.4 * people.burden
    dn4 = dn4 + 0.8 * pain.sources.sensitised + (people.columns["has_polyneuropathy"] > 0)
    walking = by_cause("workup_scores", "log_walking_mean")[by[:, 1]] - 0.02 * (burden.disability - 42)
    metres = np.exp(walking + rng.normal(0, WALKING_LOG_SD, n))
    return {
        "followup_nrs_leg": whole(burden.leg + rng.normal(0, 0.8, n), 0, 10),
        "followup_nrs_back": whole(burden.back + rng.normal(0, 0.8, n), 0, 10),
        "followup_odi": whole(burden.disability + rng.normal(0, ODI_ERROR_SD, n), 0, 100, 2),
        "followup_neuropathic_quality_dn4": whole(dn4 + rng.normal(0, DN4_SD, n), 0, 10),
        "followup_walking_distance_m": np.where(metres > 4000, 5000, whole(metres, 10, 5000, 10)),
    }


def _red_flags(rng: Generator, failed: Failed, pain: PainAfter, trigger: np.ndarray) -> dict[str, np.ndarray]:
    """Rare, and mostly where infection, compression or a fall is behind them."""
    n, early = len(pain.main), failed.months <= EARLY_MONTHS
    infected = pain.present[:, CAUSE["infection"]]
    compressing = [CAUSE[name] for name in ("recurrent_herniation", "recurrent_herniation_other_side")]
    at_worst = np.isin(pain.main, [*compressing, CAUSE["retained_fragment"], CAUSE["adjacent_segment"]])
    pressed = at_worst | (pain.main == CAUSE["hardware"])

    def either(condition: np.ndarray, name: str, if_so: str) -> np.ndarray:
        return happens(rng, np.where(condition, share(f"{name}_{if_so}"), share(f"{name}_otherwise"))) * 1.0

    sphincter = either(at_worst, "sphincter", "if_compressed")
    saddle = either(sphincter > 0, "saddle_numbness", "with_sphincter")
    wound_infected = np.where(early, share("wound_problem_if_infected_early"), share("wound_problem_if_infected"))
    wound_other = np.where(early, share("wound_problem_otherwise_early"), share("wound_problem_otherwise"))
    return {
        "followup_has_sphincter_disturbance": sphincter,
        "followup_has_saddle_numbness": saddle,
        "followup_has_progressive_weakness": either(pressed, "progressive_weakness", "if_compressed"),
        "followup_has_fever_or_infection_signs": either(infected, "fever", "if_infected"),
        "followup_has_unexplained_weight_loss": either(infected, "weight_loss", "if_infected"),
        "followup_has_recent_major_trauma": either(trigger == "fall_or_accident", "major_trauma", "after_fall"),
        "followup_has_upper_motor_neurone_signs": happens(rng, share("upper_motor_neurone_signs"), (n,)) * 1.0,
        "followup_has_wound_problem": happens(rng, np.where(infected, wound_infected, wound_other)) * 1.0,
    }


def _tried(rng: Generator, failed: Failed, told: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What was tried without enough relief, the more the longer ago the operation and the worse the pain."""
    n, soon = len(failed.months), failed.months < SOON_MONTHS
    neuropathic = told["followup_neuropathic_quality_dn4"] >= 4
    leg_leads = told["followup_nrs_leg"] > told["followup_nrs_back"]

    def tried(name: str, more: np.ndarray) -> np.ndarray:
        return happens(rng, shifted(share(f"tried_{name}"), more - 2.5 * soon)) * 1.0

    trial = happens(rng, shifted(share("stimulation_trial"), 1.2 * neuropathic + 0.6 * leg_leads - 3.0 * soon - 1.0))
    relief = np.where(
        neuropathic, *(whole(100 * rng.beta(*RESPONSE_TO_STIMULATION[kind], n), 0, 100, 5) for kind in (True, False))
    )
    return {
        "has_tried_exercise": tried("exercise", np.zeros(n)),
        "has_tried_neuropathic_drugs": tried("neuropathic_drugs", 1.0 * neuropathic + 0.5 * leg_leads - 0.6),
        "has_tried_injections": tried("injections", 0.7 * leg_leads - 0.3),
        "stimulation_trial_relief": np.where(trial, relief, np.nan),
    }


def conditions(rng: Generator, failed: Failed) -> dict[str, np.ndarray]:
    """What forbids some treatments, by age and what is known of the person."""
    people = failed.planned.people.columns
    age, n = people["age_years"], len(failed.months)
    more = {
        "has_bleeding_risk": 1.1 * (people["has_heart_disease"] > 0) + 0.8 * (people["has_vascular_disease"] > 0),
        "has_cardiac_device": 1.5 * (people["has_heart_disease"] > 0),
        "has_kidney_disease": 0.9 * (people["has_diabetes"] > 0) + 0.4 * (people["has_hypertension"] > 0),
        "has_sleep_apnoea": 0.14 * (people["bmi_kg_m2"] - 27) + 0.4 * people["is_male"],
    }
    columns = {}
    for name in facts("workup_conditions")["variable"]:
        at_45, at_70 = (fact("workup_conditions", name, f"share_at_{at}") for at in (45, 70))
        usual = np.clip(at_45 + (at_70 - at_45) / 25 * (age - 45), 0.001, 0.8)
        columns[name] = happens(rng, shifted(usual, more.get(name, np.zeros(n)))) * 1.0
    young_woman = (people["is_male"] == 0) & (age < 45)
    is_pregnant = young_woman & happens(rng, share("pregnant_woman_below_45"), (n,))
    return columns | {"is_pregnant": is_pregnant * 1.0}
