"""How good tests are differs from registry to registry, as much as was published, and not from block to block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit

from pipeline.virtual.accuracies import drawn_accuracies
from pipeline.virtual.examination import examination
from pipeline.virtual.facts import constant, facts
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import accuracies_of, drawn_decisions

PARAMS = RegistryParams(seed=5, cases=1500, centres=3, first_year=2020, years=2, discordance_effect=1.0)


@pytest.fixture(scope="module")
def drawn():
    return [drawn_accuracies(np.random.default_rng(seed)) for seed in range(400)]


@pytest.mark.parametrize("share", ["sensitivity", "false_positive"])
def test_accuracies_scatter_about_the_published_ones_within_their_interval(drawn, share):
    for row in facts("tests").to_dict("records"):
        values = np.array([getattr(accuracies, share)[row["test"]] for accuracies in drawn])
        error = (logit(row[f"{share}_high"]) - logit(row[f"{share}_low"])) / (2 * 1.96)
        assert logit(values).mean() == pytest.approx(logit(row[share]), abs=4 * error / 400**0.5)
        assert logit(values).std() == pytest.approx(error, rel=0.15)
        assert np.ptp(logit(values)) <= 2 * 1.96 * error + 1e-9


def test_a_sign_without_a_published_interval_stands_as_it_is(drawn):
    assert len({accuracies.sign("slr_otherwise") for accuracies in drawn}) == 1
    assert drawn[0].sign("slr_otherwise") == constant("slr_otherwise")
    assert len({accuracies.sign("slr_if_herniated") for accuracies in drawn}) > 300


def test_a_registry_has_one_set_and_another_seed_another():
    assert accuracies_of(PARAMS) == accuracies_of(replace(PARAMS, cases=50_000))
    assert accuracies_of(PARAMS) != accuracies_of(replace(PARAMS, seed=6))


def test_a_more_sensitive_test_finds_more_of_those_who_have_it_and_no_more_of_the_others():
    planned = drawn_decisions(PARAMS).planned
    hurts = planned.sources.mimics[:, 0, 0]

    def positive(sensitivity: float) -> np.ndarray:
        accuracies = accuracies_of(PARAMS)
        accuracies.sensitivity["sij_thigh_thrust"] = sensitivity
        signs = examination(np.random.default_rng(1), accuracies, planned.people, planned.anatomy, planned.sources)
        return signs["sij_thigh_thrust_left"] == 1

    keen, dull = positive(0.95), positive(0.3)
    assert keen[hurts].mean() > dull[hurts].mean() + 0.3
    assert (keen[~hurts] == dull[~hurts]).all()
