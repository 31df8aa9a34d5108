"""The candidate predictors: ranked before any data are seen, as many as the outcome can pay for."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from features import predictors as predictors_module
from features.builders import build_features
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.knowledge_tables import knowledge_table
from features.outcomes import outcome_names
from features.predictors import (
    FORMS,
    GROUPS,
    candidate_predictors,
    n_parameters,
    predictor,
    predictor_frame,
)


@pytest.fixture(scope="module")
def ranks():
    return knowledge_table("predictors").set_index("predictor")[["rank", "rank_reoperation"]]


@pytest.mark.parametrize("rank", ["rank", "rank_reoperation"])
def test_ranks_are_unique_and_without_a_gap(ranks, rank):
    ranked = ranks[rank].dropna()
    assert sorted(ranked) == list(range(1, len(ranked) + 1))


def test_every_predictor_is_ranked_for_something(ranks):
    assert ranks.notna().any(axis=1).all()


@pytest.mark.parametrize("outcome", outcome_names())
@pytest.mark.parametrize("allowed", [0, 1, 2, 5, 12, 20, 40, 1000])
def test_candidates_stay_within_the_parameters_an_outcome_may_spend(outcome, allowed):
    assert n_parameters(candidate_predictors(outcome, allowed)) <= allowed


def test_more_parameters_add_predictors_and_never_exchange_them():
    names = [[p.name for p in candidate_predictors("failure_12m", allowed)] for allowed in range(60)]
    for fewer, more in itertools.pairwise(names):
        assert more[: len(fewer)] == fewer


def test_with_enough_parameters_every_ranked_predictor_is_a_candidate(ranks):
    for outcome, rank in (("failure_12m", "rank"), ("reoperation_24m", "rank_reoperation")):
        names = [p.name for p in candidate_predictors(outcome, 1000)]
        assert names == ranks[rank].dropna().sort_values().index.tolist()


def test_the_baseline_score_comes_first_and_earlier_operations_for_a_reoperation():
    assert candidate_predictors("failure_12m", 2)[0].name == "odi"
    assert candidate_predictors("reoperation_24m", 1)[0].name == "earlier_lumbar_operations"


def test_a_spline_of_three_knots_costs_two_parameters_and_a_choice_one_less_than_its_levels():
    assert predictor("odi").n_parameters == 2
    assert predictor("nrs_leg").n_parameters == 1
    assert predictor("diagnosis").levels == (
        "disc_herniation",
        "spinal_stenosis",
        "spondylolisthesis",
        "segmental_pain",
    )
    assert predictor("diagnosis").n_parameters == 3
    assert n_parameters([predictor("odi"), predictor("diagnosis")]) == 5


def test_the_builders_have_a_place_among_the_first_for_every_common_outcome():
    names = {p.name for p in candidate_predictors("failure_12m", 10)}
    assert {"share_best_lesion", "plan_misses_best", "margin_lesion_mimic"} <= names


def test_every_predictor_is_recorded_before_the_operation_or_made_by_the_builders(ranks, invent_cases, params):
    recorded = {v.name for v in load_dictionary().predictors}
    made = set(build_features(invent_cases(5, 1), params).columns)
    assert set(ranks.index) <= recorded | made
    assert recorded.isdisjoint(made)


def test_a_predictor_of_the_dictionary_with_words_has_levels_and_one_with_numbers_has_none():
    for row in knowledge_table("predictors").itertuples():
        if row.predictor in load_dictionary():
            is_word = not load_dictionary()[row.predictor].is_numeric
            assert (row.form == "levels") == is_word, row.predictor


def test_directions_agree_with_the_dictionary_where_both_are_certain():
    for row in knowledge_table("predictors").itertuples():
        if row.predictor in load_dictionary():
            declared = load_dictionary()[row.predictor].direction
            assert declared * row.direction >= 0, row.predictor


def test_every_predictor_has_a_label_a_form_and_a_clinical_group():
    table = knowledge_table("predictors")
    assert table["label"].is_unique
    assert set(table["form"]) <= set(FORMS)
    assert set(table["group"]) == set(GROUPS)
    assert set(table["direction"]) <= {-1, 0, 1}


def test_a_logarithm_is_taken_of_what_cannot_be_negative():
    for row in knowledge_table("predictors").query("form == 'log'").itertuples():
        assert load_dictionary()[row.predictor].lower >= 0, row.predictor


# The frame of predictors


def test_predictors_come_from_the_features_or_from_the_record_in_the_order_asked():
    cases = pd.DataFrame({"odi": [40.0], "nrs_leg": [7.0]}, index=["A"])
    features = pd.DataFrame({"share_best_lesion": [0.5]}, index=["A"])
    frame = predictor_frame(cases, features, ["share_best_lesion", "odi"])
    assert frame.columns.tolist() == ["share_best_lesion", "odi"]
    assert frame.loc["A"].tolist() == [0.5, 40.0]


def test_a_predictor_that_is_in_neither_is_missing():
    cases = pd.DataFrame({"odi": [40.0]}, index=["A"])
    frame = predictor_frame(cases, pd.DataFrame(index=["A"]), ["odi", "bmi_kg_m2"])
    assert frame["bmi_kg_m2"].isna().all()


# Faulty tables are refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(form="quadratic"), r"predictors\.csv: unknown form quadratic"),
        (lambda t: t.assign(group="luck"), r"predictors\.csv: unknown group luck"),
        (lambda t: pd.concat([t, t.tail(1)]).reset_index(drop=True), r"predictors\.csv: row \d+ repeats the predictor"),
        (
            lambda t: t.assign(predictor=np.r_[["odi_12m"], t["predictor"].to_numpy()[1:]]),
            "odi_12m is known only after the operation",
        ),
    ],
)
def test_a_faulty_table_of_predictors_is_refused(monkeypatch, change, message):
    faulty = change(knowledge_table("predictors").copy())
    monkeypatch.setattr(predictors_module, "knowledge_table", lambda name: faulty)
    with pytest.raises(KnowledgeError, match=message):
        candidate_predictors("failure_12m", 40)
