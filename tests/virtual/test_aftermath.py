"""What happens after the operation: lapses, competing events in time, and the reoperations that follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.axes import LEVELS, SIDES
from pipeline.virtual.aftermath import (
    HORIZONS,
    NO_EVENT,
    Hazards,
    aftermath,
    chance_by,
    chance_operated_by,
    event_names,
    event_numbers,
    hazards,
)
from pipeline.virtual.choice import PROCEDURES
from pipeline.virtual.draws import streams
from pipeline.virtual.effects import drawn_effects, predictors_of_events
from pipeline.virtual.facts import facts
from pipeline.virtual.operation import operation, unreached_share
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_registry, drawn_decisions

PARAMS = RegistryParams(seed=23, cases=6000, centres=6, first_year=2016, years=4, discordance_effect=1.0)


@pytest.fixture(scope="module")
def registry() -> tuple[pd.DataFrame, pd.DataFrame]:
    return draw_registry(PARAMS)


@pytest.fixture(scope="module")
def risks() -> Hazards:
    """Of planned cases, with published effects that nothing has moved."""
    planned = drawn_decisions(PARAMS).planned
    effects = drawn_effects(streams(PARAMS.seed, 0)["effects"])
    done = operation(streams(PARAMS.seed, 0)["operation"], effects, planned)
    return hazards(effects, planned.plan, predictors_of_events(planned, done.defect_mm))


def months(cases: pd.DataFrame, name: str) -> pd.Series:
    return (pd.to_datetime(cases[name]) - pd.to_datetime(cases["operation_date"])).dt.days / 30.4375


# Events in time


def test_chances_are_the_shares_that_happen(risks):
    drawn = [aftermath(np.random.default_rng(seed), risks) for seed in range(20)]
    for horizon in (12, 24):
        expected = chance_by(risks, horizon).mean(axis=0)
        for place, name in enumerate(event_names()):
            seen = np.mean([((a.event == place) & (a.onset_months <= horizon)).mean() for a in drawn])
            assert seen == pytest.approx(expected[place], abs=0.0015), name


def test_the_chance_of_an_operation_by_then_is_that_of_the_event_and_its_delay(risks):
    delay, rng = event_numbers("operation_delay_months"), np.random.default_rng(3)
    expected = chance_operated_by(risks, 24, delay).mean(axis=0)
    found = np.zeros(len(delay))
    for seed in range(20):
        a = aftermath(np.random.default_rng(seed), risks)
        passed = a.onset_months + rng.exponential(1, len(a.event)) * np.append(delay, 1)[a.event] <= 24
        found += [((a.event == place) & passed).mean() / 20 for place in range(len(delay))]
    assert found == pytest.approx(expected, abs=0.0015)


def test_events_compete_so_that_no_case_has_two(risks):
    chance = chance_by(risks, 60)
    assert (chance >= 0).all()
    assert (chance.sum(axis=1) < 1).all()
    alone = -np.expm1(-risks.between.sum(axis=1))
    assert (chance <= alone + 1e-12).all()
    assert (chance.sum(axis=1) < alone.sum(axis=1))[(alone > 0).sum(axis=1) > 1].all()


def test_a_usual_registry_has_the_published_shares(risks):
    """Those of the table are of operations at risk, before other events compete."""
    planned = drawn_decisions(PARAMS).planned
    discectomy = planned.plan.procedure <= 1
    place, by = event_names().index("recurrent_herniation"), int(np.searchsorted(HORIZONS, 24))
    cumulative = -np.expm1(-risks.between[discectomy, :by, place].sum(axis=1))
    row = facts("later_events").set_index("event").loc["recurrent_herniation"]
    assert row["low_24_months"] < cumulative.mean() < row["high_24_months"]


def test_only_what_was_done_can_go_wrong(registry):
    cases, truth = registry
    fused = cases["performed_procedure"].isin(PROCEDURES[4:6])
    implant = truth["true_later_event"].isin(["pseudarthrosis", "adjacent_segment", "sacroiliac", "hardware"])
    assert implant.sum() > 50
    assert fused[implant].all()
    again = (truth["true_later_event"] == "recurrent_herniation") | (truth["true_lapse"] == "retained_fragment")
    assert (cases.loc[again, "diagnosis"] == "disc_herniation").mean() > 0.97


def test_every_event_has_its_hour_and_a_lapse_none(registry):
    _, truth = registry
    came = truth["true_later_event"].notna()
    assert (truth["true_later_event_months"].notna() == came).all()
    onset = truth["true_later_event_months"].groupby(truth["true_later_event"]).median()
    assert onset["recurrent_herniation"] < onset["adjacent_segment"]
    assert onset["epidural_fibrosis"] < 12
    assert set(truth["true_lapse"].dropna()) == {"retained_fragment", "residual_stenosis", "hardware"}


def test_a_retained_fragment_is_found_early_and_a_recurrence_later(registry):
    cases, _ = registry
    when = months(cases, "reoperation_date").groupby(cases["reoperation_cause"]).median()
    assert when["haematoma"] < when["infection"] < when["recurrent_herniation"] < when["adjacent_segment"]
    assert when["retained_fragment"] < when["recurrent_herniation"]


def test_the_work_up_tells_the_interval_of_the_event(registry):
    """Where the event is the main cause; a source that was missed before it leaves no good interval."""
    cases, truth = registry
    told = cases["workup_date"].notna() & cases["pain_free_interval_months"].notna()
    main = truth["true_failure_cause"].str.removesuffix("_other_side")
    by_event = told & (main == truth["true_later_event"])
    missed = told & (main == "wrong_level_or_side")
    good = cases["pain_free_interval_months"] > 0
    assert good[by_event].mean() > 0.8
    assert good[missed].mean() < 0.25
    remembered = (cases["pain_free_interval_months"] / truth["true_later_event_months"])[by_event & good]
    assert 0.85 < remembered.median() < 1.15
    sudden = (cases["return_tempo"] == "sudden")[by_event].groupby(truth["true_later_event"]).mean()
    assert sudden["recurrent_herniation"] > sudden["epidural_fibrosis"] + 0.3


def test_a_film_shows_a_wrong_level_that_the_note_does_not_tell(registry):
    cases, truth = registry

    def levels(item: str) -> np.ndarray:
        columns = [[f"{item}_{level}_{side}" for side in SIDES] for level in LEVELS]
        return np.stack([cases[pair].max(axis=1) for pair in columns], axis=1)

    fused = cases[[f"operated_fusion_{level}" for level in LEVELS]].to_numpy()
    noted, seen = np.maximum(levels("operated_decompression"), fused), levels("followup_operated_site")
    read = ~np.isnan(seen).any(axis=1) & ~np.isnan(noted).any(axis=1)
    differs = (noted != seen).any(axis=1)
    wrong = truth["is_wrong_level"] == 1
    assert (read & wrong).sum() >= 5
    assert differs[read & wrong].mean() > 0.6
    assert differs[read & ~wrong].mean() < 0.12


# What predicts them


def test_smokers_and_the_obese_are_operated_again_more_often(registry):
    cases, truth = registry
    discectomy = cases["performed_procedure"].isin(PROCEDURES[:2])
    risk = truth["true_risk_reoperation_24m"]
    smoker, obese = cases["smoking"] == 2, cases["bmi_kg_m2"] >= 30
    assert risk[discectomy & smoker].mean() > 1.2 * risk[discectomy & ~smoker].mean()
    assert risk[obese].mean() > 1.1 * risk[~obese].mean()
    wide = cases["annular_defect_mm"] >= 6
    assert risk[discectomy & wide].mean() > 1.2 * risk[discectomy & ~wide].mean()


def test_the_true_risk_of_reoperation_is_calibrated(registry):
    """Against what was recorded, of those who were followed for two years."""
    cases, truth = registry
    operated, observed = months(cases, "reoperation_date") <= 24, months(cases, "last_contact_date") >= 24
    followed = operated | observed
    risk = truth["true_risk_reoperation_24m"][followed]
    assert operated[followed].mean() == pytest.approx(risk.mean(), abs=0.012)
    fifth = pd.qcut(risk, 5, labels=False)
    gap = operated[followed].groupby(fifth).mean() - risk.groupby(fifth).mean()
    assert gap.abs().max() < 0.05


def test_the_effects_of_a_registry_scatter_about_the_published_ones():
    table = facts("event_predictors")
    drawn = [drawn_effects(np.random.default_rng(seed)).events for seed in range(300)]
    for row in table.to_dict("records"):
        values = np.array([effects[row["event"], row["predictor"]] for effects in drawn])
        assert values.mean() == pytest.approx(row["log_ratio"], abs=4 * row["standard_error"] / 300**0.5)
        assert values.std() == pytest.approx(row["standard_error"], rel=0.2)


# Mimics and discordance


def test_shares_that_are_not_reached_sum_to_what_is_not_reached():
    sources = drawn_decisions(PARAMS).planned.sources
    n = len(sources.main.kind)
    everything = unreached_share(sources, np.ones(n), np.ones(n))
    nothing = unreached_share(sources, np.zeros(n), np.zeros(n))
    assert nothing.share == pytest.approx(np.ones(n))
    assert everything.spine == pytest.approx(np.zeros(n))
    calm = ~sources.sensitised
    assert (everything.elsewhere <= nothing.elsewhere + 1e-12)[calm].all()
    assert (everything.elsewhere > 0)[~calm].all()


def test_the_effect_of_mimics_is_an_assumption_of_its_own():
    """Without it, pain from elsewhere costs no relief; what a missed lesion costs stays."""
    _, both = draw_registry(PARAMS)
    _, spine_only = draw_registry(replace(PARAMS, mimic_effect=0.0))
    _, neither = draw_registry(replace(PARAMS, discordance_effect=0.0))

    def relief_lost(truth: pd.DataFrame, share: str) -> float:
        spine = truth["unreached_share"] - truth["unreached_elsewhere_share"]
        design = np.column_stack([np.ones(len(truth)), spine, truth["unreached_elsewhere_share"]])
        return float(np.linalg.lstsq(design, truth["expected_relief"], rcond=None)[0][1 if share == "spine" else 2])

    assert relief_lost(both, "spine") == pytest.approx(relief_lost(spine_only, "spine"), abs=0.05)
    assert relief_lost(both, "elsewhere") < relief_lost(spine_only, "elsewhere") - 0.4
    assert abs(relief_lost(neither, "spine")) < 0.12
    assert relief_lost(neither, "elsewhere") == pytest.approx(relief_lost(spine_only, "elsewhere"), abs=0.05)


def test_no_event_is_told_apart_by_its_place():
    """`NO_EVENT` picks the last of a list to which nothing was added; both must agree."""
    assert NO_EVENT == -1
    assert np.append(event_numbers("operated"), 0)[NO_EVENT] == 0
