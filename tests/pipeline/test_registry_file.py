"""`backcast registry`: a file of any size, its truth only where asked for, and refusals before anything is written."""

from __future__ import annotations

import pandas as pd
import pytest

SMALL = {"registry.cases": 40, "registry.centres": 3, "registry.seed": 5}


def files(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"params.yaml"}


def test_a_registry_is_written_as_params_yaml_says(backcast, params_yaml, elsewhere):
    params_yaml(SMALL)
    answer = backcast("registry", "--out", "cases.parquet")
    assert answer.status == 0
    assert "40 invented cases of 3 centres" in answer.out
    assert "Nobody is described" in answer.out
    assert len(pd.read_parquet("cases.parquet")) == 40
    assert files(elsewhere) == {"cases.parquet"}


def test_cases_seed_and_fields_of_the_section_may_be_named(backcast, params_yaml, elsewhere):
    params_yaml(SMALL)
    arguments = ("--cases", 30, "--seed", 9, "--set", "centres=2", "--set", "reader_error=2", "--truth", "truth.csv")
    assert backcast("registry", "--out", "cases.csv", *arguments).status == 0
    cases, truth = pd.read_csv("cases.csv"), pd.read_csv("truth.csv")
    assert len(cases) == len(truth) == 30
    assert cases["centre_id"].nunique() == 2
    assert list(truth["case_id"]) == list(cases["case_id"])
    assert files(elsewhere) == {"cases.csv", "truth.csv"}


def test_a_written_registry_passes_the_door_of_real_ones(backcast, params_yaml):
    params_yaml(SMALL)
    assert backcast("registry", "--out", "cases.csv").status == 0
    assert backcast("check", "cases.csv", "--for", "training").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--cases", "0"), 3, ("registry.cases must lie in 2 to", "got 0")),
        (("--cases", "1"), 3, ("registry.cases must lie in 2 to", "got 1")),
        (("--cases", "2"), 3, ("registry.centres (3) must not exceed registry.cases (2)",)),
        (("--seed", "-1"), 3, ("registry.seed must lie in 0 to",)),
        (("--set", "reader_eror=2"), 3, ("--set names reader_eror (is reader_error meant?)",)),
        (("--set", "reader_error"), 3, ("--set reader_error is not NAME=VALUE",)),
        (("--set", "reader_error=-1"), 3, ("registry.reader_error must lie in 0 to 3",)),
        (("--set", "diagnosis_mix={sciatica: 1.0}"), 3, ("unknown diagnosis (sciatica)", "disc_herniation")),
        (("--set", "diagnosis_mix={disc_herniation: 0.7}"), 3, ("registry.diagnosis_mix must sum to 1, got 0.7",)),
        (("--set", "centre_shares=[0.5, 0.5, 0]"), 3, ("registry.centre_shares leaves K3 without cases",)),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name_and_nothing_written(
    backcast, params_yaml, elsewhere, arguments, status, words
):
    params_yaml(SMALL)
    answer = backcast("registry", "--out", "cases.parquet", "--truth", "truth.parquet", *arguments)
    assert answer.status == status
    assert answer.says(*words)
    assert files(elsewhere) == set()


def test_an_unknown_ending_is_refused(backcast, params_yaml, elsewhere):
    params_yaml(SMALL)
    answer = backcast("registry", "--out", "cases.xlsx")
    assert answer.status != 0
    assert answer.says("cases.xlsx does not end in .csv or .parquet", "Name another file")
    assert files(elsewhere) == set()


def test_outside_a_repository_the_missing_params_are_named(backcast, elsewhere):
    assert backcast("registry", "--out", "cases.csv").says("params.yaml is missing")
    assert files(elsewhere) == set()
