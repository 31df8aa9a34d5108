"""Decisions with their truth, and twins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.axes import LEVELS, MIMICS, REGIONS, SIDES
from features.dictionary import load_dictionary
from pipeline.virtual.decisions import decision_truth, draw_decisions
from pipeline.virtual.missingness import SCANNED
from pipeline.virtual.observer import drawing_log_likelihoods
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases, draw_registry, drawn_decisions
from pipeline.virtual.sources import GENERATORS
from pipeline.virtual.twins import Twins, draw_twins, other_sources

PARAMS = RegistryParams(seed=31, cases=1500, centres=5, first_year=2018, years=3, discordance_effect=1.0)
SCAN_ITEMS = {*SCANNED, "numbering_method", "transitional_vertebra", "scan_age_months", "scoliosis_cobb_deg"}
SCAN_ITEMS |= {"pi_ll_mismatch_deg", "sacroiliitis_grade"}


@pytest.fixture(scope="module")
def decisions() -> tuple[pd.DataFrame, pd.DataFrame]:
    return draw_decisions(PARAMS)


@pytest.fixture(scope="module")
def twins() -> Twins:
    return draw_twins(PARAMS)


def differing(twins: Twins) -> set[str]:
    """Items in which the twins of any pair differ."""
    known = load_dictionary()
    columns = {name for name in twins.first if not twins.first[name].equals(twins.second[name])}
    return {known[name].item for name in columns}


# Decisions


def test_decisions_are_the_planned_cases_in_another_order(decisions):
    cases, truth = decisions
    planned = draw_planned_cases(PARAMS)
    ids = ["case_id", "patient_id"]
    by_day = cases.sort_values("index_date", kind="stable").reset_index(drop=True)
    pd.testing.assert_frame_equal(by_day.drop(columns=ids), planned.drop(columns=ids))
    assert len(truth) == len(cases) == PARAMS.cases


def test_the_truth_of_a_decision_is_consistent(decisions):
    _, truth = decisions
    spinal = truth["is_spinal"] > 0
    assert truth.loc[~spinal, "is_source_in_plan"].eq(0).all()
    assert truth.loc[~spinal, "source_level"].isna().all()
    assert set(truth.loc[spinal, "source_level"].dropna()) == set(LEVELS)
    assert truth.loc[spinal, "source_level"].isna().mean() < 0.01
    for mimic in MIMICS:
        for side in SIDES:
            is_main = truth[f"is_main_{mimic}_{side}"] > 0
            assert truth.loc[is_main, f"has_{mimic}_{side}"].eq(1).all()
            assert set(truth.loc[is_main, "source_kind"]) <= {mimic}
    assert 0.65 < truth["is_source_in_plan"].mean() < 0.85


def test_a_plan_that_reaches_the_source_has_its_level(decisions):
    """The level of the record is the reader's; the plan is made on it."""
    cases, truth = decisions
    reached = truth[(truth["is_source_in_plan"] > 0) & truth["source_level"].notna()]
    for level, rows in reached.groupby("source_level"):
        columns = [f"planned_decompression_{level}_{side}" for side in SIDES] + [f"planned_fusion_{level}"]
        assert (cases.loc[rows.index, columns].max(axis=1) == 1).all()


def test_the_operation_reaches_what_the_plan_reaches_but_for_wrong_levels():
    """`is_source_in_plan` and the registry's own `is_source_reached` differ where the level was missed."""
    params = replace(PARAMS, seed=77)
    planned = drawn_decisions(params).planned
    cases, truth = draw_registry(params)
    # First cases keep their drawing; a registry's rows of patients with one case are among the decisions.
    in_plan = decision_truth(planned)["is_source_in_plan"].mean()
    right_level = truth["is_wrong_level"] == 0
    assert abs(truth.loc[right_level, "is_source_reached"].mean() - in_plan) < 0.03
    assert truth.loc[~right_level, "is_source_reached"].mean() < in_plan - 0.3
    assert len(cases) == PARAMS.cases


# Twins


def test_twins_share_person_scan_and_plan_and_differ_in_pain_and_examination(twins):
    differ = differing(twins)
    assert differ & SCAN_ITEMS == set()
    assert not {item for item in differ if item.startswith("planned")}
    assert not differ & {"age_years", "sex", "bmi_kg_m2", "diagnosis", "smoking", "work_status", "has_diabetes"}
    assert {"pain", "slr", "power", "sij_thigh_thrust", "nrs_leg", "is_worse_on_sitting"} <= differ


def test_a_radiograph_of_twins_says_the_same_where_both_have_it(twins):
    """Pain in the groin makes it likelier that there is one."""
    for side in SIDES:
        a, b = (twin[f"hip_osteoarthritis_grade_{side}"] for twin in (twins.first, twins.second))
        both = a.notna() & b.notna()
        assert both.sum() > 100
        assert (a[both] == b[both]).all()


def test_most_drawings_of_twins_differ(twins):
    drawing = [f"pain_{region}_{side}" for region in REGIONS for side in SIDES]
    a, b = twins.first[drawing], twins.second[drawing]
    drawn = a.notna().all(axis=1) & b.notna().all(axis=1)
    assert (a.isna().all(axis=1) == b.isna().all(axis=1)).all()
    assert ((a != b).any(axis=1) & drawn).sum() > 0.99 * drawn.sum()


def test_the_source_of_twins_differs_in_place(twins):
    a, b = twins.first_truth, twins.second_truth
    lesions = (a["is_spinal"] > 0) & (b["is_spinal"] > 0) & a["source_level"].notna() & b["source_level"].notna()
    same_level = lesions & (a["source_level"] == b["source_level"])
    sides = a.loc[same_level, ["source_side"]].assign(other=b.loc[same_level, "source_side"])
    assert lesions.sum() > 200
    assert ((sides["source_side"] != sides["other"]) & (sides != "both").all(axis=1)).all()
    mimic = b["is_spinal"] == 0
    assert 0.3 < mimic.mean() < 0.7
    assert (a.loc[mimic, "source_kind"] != b.loc[mimic, "source_kind"]).all()


def test_the_plan_was_made_for_either_twin(twins):
    """By chance for one of them, so that being first says little of being reached."""
    first, second = twins.first_truth["is_source_in_plan"], twins.second_truth["is_source_in_plan"]
    only_first, only_second = ((first > second).sum(), (second > first).sum())
    assert only_first > 100
    assert only_second > 100
    one_of_two = drawn_decisions(PARAMS).planned
    as_first = pd.DataFrame({name: v for name, v in one_of_two.plan.columns.items() if name.startswith("planned_dec")})
    same = (as_first.to_numpy() == twins.first[as_first.columns].to_numpy()).all(axis=1).mean()
    assert 0.45 < same < 0.9  # half by the coin, and some plans are the same for both


def test_the_second_source_is_a_lesion_that_the_anatomy_holds():
    planned = drawn_decisions(PARAMS).planned
    other = other_sources(np.random.default_rng(1), planned.sources, planned.anatomy).main
    case = np.arange(len(other.kind))
    level, side = np.clip(other.level, 0, None), np.clip(other.side, 0, 1)
    spine = planned.anatomy
    least = {
        "herniation": (spine.herniation.max(axis=2)[case, level], 2),
        "recess_stenosis": (spine.recess[case, level, side], 2),
        "central_stenosis": (spine.central[case, level], 2),
        "foraminal_stenosis": (spine.foraminal[case, level, side], 2),
        "slip": (spine.slip[case, level], 1),
        "disc": (spine.disc[case, level], 4),
        "facet": (spine.facet[case, level], 2),
    }
    seen = 0
    for kind, (grade, needed) in least.items():
        own = other.kind == GENERATORS.index(kind)
        seen += own.sum()
        assert (grade[own] >= needed).all(), kind
        assert (other.grade[own] >= needed).all(), kind
    assert seen == (other.kind < 7).sum() > 400
    assert np.isin(other.kind[other.kind >= 7], [GENERATORS.index(mimic) for mimic in MIMICS]).all()


def test_equal_seeds_draw_equal_twins_and_others_others(twins):
    again = draw_twins(PARAMS)
    pd.testing.assert_frame_equal(again.second, twins.second)
    assert not draw_twins(replace(PARAMS, seed=32)).second["odi"].equals(twins.second["odi"])


# The observer


def one_drawing(**pain: float) -> pd.DataFrame:
    columns = {f"pain_{region}_{side}": 0.0 for region in REGIONS for side in SIDES}
    return pd.DataFrame([columns | {f"pain_{place}": value for place, value in pain.items()}])


def test_the_observer_names_the_root_that_was_drawn():
    s1 = one_drawing(buttock_left=7, posterior_thigh_left=8, posterior_leg_left=8, foot_lateral_left=6)
    found = drawing_log_likelihoods(s1).iloc[0]
    assert found.idxmax() == "drawing_s1_left"
    assert found["drawing_s1_left"] == 0
    assert found["drawing_s1_right"] < found["drawing_s1_both"] < -1
    l3 = one_drawing(anterior_thigh_right=8, medial_thigh_right=6, knee_right=6)
    assert drawing_log_likelihoods(l3).iloc[0].idxmax() == "drawing_l3_right"


def test_without_a_drawing_the_observer_knows_nothing():
    assert drawing_log_likelihoods(one_drawing() * np.nan).isna().all(axis=None)
    assert drawing_log_likelihoods(pd.DataFrame({"age_years": [50.0]})).isna().all(axis=None)


def test_the_observer_is_as_good_as_the_drawing_lets_it_be(decisions):
    """Over cases, the side it prefers is the side of the source far more often than not."""
    cases, truth = decisions
    found = drawing_log_likelihoods(cases)
    sided = truth["source_side"].isin(SIDES) & found.notna().all(axis=1)
    best = found[sided].idxmax(axis=1).str.rsplit("_", n=1).str[-1]
    agrees = (best == truth.loc[sided, "source_side"])[best != "both"]
    assert agrees.mean() > 0.9
