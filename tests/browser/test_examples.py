"""The invented cases that the page offers are what their names say."""

import pandas as pd
import pytest

from features.axes import CAUSES
from features.builders import BuilderParams, sources_of_pain
from features.causes import cause_evidence, flag_names_at_followup
from features.findings import Findings
from features.followup import FollowUp
from features.record import followup_problems, value_problems, wrong_columns
from features.red_flags import flag_names
from features.support import CANDIDATE_LABELS
from pipeline.params import load_params
from pipeline.service.page.render import examples, workup_examples

PRIORS = {"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.1}
RECORDS = {example["name"]: example["record"] for example in examples()}
WORKUPS = {example["name"]: example for example in workup_examples()}


@pytest.fixture(scope="module")
def sources():
    found = sources_of_pain(Findings.of_records(list(RECORDS.values())), BuilderParams(mimic_priors=PRIORS))
    labels = dict(zip(RECORDS, (CANDIDATE_LABELS[at] for at in found.support.likeliest), strict=True))
    misses = dict(zip(RECORDS, found.plan.plan_misses_likeliest, strict=True))
    reached = dict(zip(RECORDS, found.plan.plan_support, strict=True))
    return labels, misses, reached


@pytest.mark.parametrize("name", RECORDS)
def test_an_example_is_a_record_without_a_mistake(name):
    record = RECORDS[name]
    assert wrong_columns(record, "preoperative", required=()) == []
    assert value_problems(pd.DataFrame([record])) == []


def test_the_disc_herniation_is_reached_by_its_plan(sources):
    labels, misses, reached = sources
    assert labels["disc_herniation"] == "L5-S1 paracentral and recess, left"
    assert misses["disc_herniation"] == 0
    assert reached["disc_herniation"] > 0.5


def test_the_plan_that_misses_the_source_misses_it(sources):
    labels, misses, reached = sources
    assert labels["plan_misses_source"] == "L4-L5 foramen, left"
    assert misses["plan_misses_source"] == 1
    assert reached["plan_misses_source"] < 0.1


def test_the_sacroiliac_joint_is_the_best_source_behind_the_worn_disc(sources):
    labels, _, reached = sources
    assert labels["sacroiliac_mimic"] == "sacroiliac joint, right"
    assert reached["sacroiliac_mimic"] < 0.5


def test_one_example_alone_raises_a_red_flag():
    flags = dict(zip(RECORDS, flag_names(Findings.of_records(list(RECORDS.values()))), strict=True))
    assert flags == {**dict.fromkeys(RECORDS, ""), "red_flag": "cauda_equina"}


@pytest.mark.parametrize("name", WORKUPS)
def test_a_work_up_is_a_record_without_a_mistake(name):
    record = WORKUPS[name]["record"]
    assert wrong_columns(record, "follow_up", required=()) == []
    assert value_problems(pd.DataFrame([record])) == []
    assert followup_problems(pd.DataFrame([record])) == []


def test_every_work_up_has_the_cause_first_that_it_was_invented_with():
    params = load_params()
    followup = FollowUp.of_records([example["record"] for example in WORKUPS.values()])
    found = cause_evidence(followup, params.cause, params.derive)
    flags = dict(zip(WORKUPS, flag_names_at_followup(followup), strict=True))
    assert flags == {**dict.fromkeys(WORKUPS, ""), "infection": "infection, wound"}
    first = {name: CAUSES[at] for name, at in zip(WORKUPS, found.first, strict=True) if not flags[name]}
    assert first == {name: example["cause"] for name, example in WORKUPS.items() if example["cause"]}
    assert len(set(first.values())) >= 6
