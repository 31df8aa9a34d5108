"""The stage `worth` for real, at a tiny size: what it writes, and that the worlds differ by the effect alone."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from models.learners import CANDIDATES
from models.worth import DIFFERENCES, MARKERS, SETS
from pipeline import paths
from pipeline.params import Params, load_params
from pipeline.stages import worth
from pipeline.virtual.assumed import draw_assumed_effect

TINY = {
    "seed": 9,
    "discordance_effects": [0.0, 1.0],
    "development_cases": [60, 120],
    "registries": 2,
    "samples_per_registry": 1,
    "test_cases": 250,
}


@pytest.fixture(scope="module")
def params(tmp_path_factory) -> Params:
    content = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    content["registry"]["centres"] = 3
    content["worth"] |= TINY
    content["worth"]["xgboost"] |= {"n_rounds": 20, "min_child_weight": 2}
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_params(path)


@pytest.fixture(scope="module")
def written(params, tmp_path_factory) -> dict[str, bytes]:
    """The files of the stage, from an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("worth"))
        worth.run(params)
        return {file.name: file.read_bytes() for file in (paths.DATA / "worth").iterdir()}


@pytest.fixture(scope="module")
def summary(written) -> dict:
    return json.loads(written["summary.json"], parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


@pytest.fixture(scope="module")
def table(written, tmp_path_factory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("table") / "worth.csv"
    path.write_bytes(written["worth.csv"])
    return pd.read_csv(path)


def test_the_files_are_those_that_dvc_expects(written):
    declared = yaml.safe_load((paths.EXPERIMENTS_DVC_YAML).read_text(encoding="utf-8"))["stages"]["worth"]
    assert {f"data/worth/{name}" for name in written} == set(declared["outs"])
    for name in ("worth.png", "worth_logistic.png"):
        assert written[name].startswith(b"\x89PNG")


def test_every_world_set_learner_and_size_has_its_repeats(table):
    keys = ["discordance_effect", "learner", "predictors", "development_cases"]
    assert table.groupby(keys)["repeat"].nunique().eq(2).all()
    assert set(table["discordance_effect"]) == {0.0, 1.0}
    assert set(table["learner"]) == set(CANDIDATES)
    assert set(table["predictors"]) == set(SETS)
    assert set(table["development_cases"]) == {60, 120}
    assert not table.duplicated([*keys, "repeat"]).any()
    assert table["auroc"].between(0, 1).all()
    assert table["brier"].between(0, 1).all()


def test_the_summary_says_where_it_comes_from_and_is_rounded_json(summary):
    assert summary["provenance"] == "virtual registry"
    assert len(summary["curves"]) == 2 * 2 * 2 * len(SETS)
    assert len(summary["gains"]) == 2 * 2 * 2 * len(DIFFERENCES)
    for world in summary["worlds"].values():
        assert set(world["found"]) <= {"truth", *MARKERS}
        assert {"truth", "plan_misses_best", "plan_share"} <= set(world["found"])
        assert world["true_risk"]["auroc"] > 0.6


def test_where_none_was_assumed_the_effect_is_none_and_nothing_counts_as_recovered(summary):
    none, full = summary["worlds"]["0"], summary["worlds"]["1"]
    assert none["assumed"]["risk_difference"] == none["assumed"]["log_odds"] == 0
    assert 0.2 < full["assumed"]["risk_difference"] < 0.5
    assert none["found"]["truth"]["recovered_share"]["estimate"] is None
    assert full["found"]["truth"]["recovered_share"]["estimate"] > 0.3


def test_the_same_seed_gives_the_same_numbers_whatever_the_other_worlds(params, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alone = dataclasses.replace(params, worth=dataclasses.replace(params.worth, discordance_effects=[0.0]))
    worth.run(alone)
    again = pd.read_csv(paths.WORTH)
    pd.testing.assert_frame_equal(
        again, table[table["discordance_effect"] == 0].reset_index(drop=True), check_exact=True
    )


def test_worlds_hold_the_same_people_and_registries_others(params):
    """But for the few who answer, or come back for a second operation, in one world alone."""

    def people(effect: float, number: int) -> set[tuple[object, ...]]:
        cases = worth.followed_cases(worth.registry(params, effect, number, 100), params)
        return set(
            cases.predictors[["index_date", "centre_id", "planned_procedure"]].itertuples(index=False, name=None)
        )

    here = people(1.0, 1)
    assert len(people(0.0, 1) & here) > 0.8 * len(here)
    assert len(people(1.0, 0) & here) < 0.1 * len(here)


def test_features_are_apart_from_the_record_and_the_truth(params):
    cases = worth.followed_cases(worth.registry(params, 1.0, 0, 100), params)
    features = set(worth.features_of(cases).columns)
    assert "plan_misses_best" in features
    assert not features & {"odi", "age_years", "odi_12m", "is_source_missed", "unreached_share"}


def test_the_assumed_effect_is_that_of_the_registry(params):
    """Where the source was missed, the risk is the risk if missed; what it was in the registry stands between."""
    drawn = draw_assumed_effect(worth.registry(params, 1.0, 0, 400))
    reached = drawn["is_source_reached"] == 1
    assert 0.6 < reached.mean() < 0.9
    np.testing.assert_allclose(drawn["risk"].where(reached), drawn["risk_if_reached"].where(reached))
    np.testing.assert_allclose(drawn["risk"].where(~reached), drawn["risk_if_missed"].where(~reached))
    assert (drawn["risk_if_missed"] >= drawn["risk_if_reached"]).all()


def test_the_assumed_effect_is_drawn_for_the_registrys_own_cases(params):
    """As many first cases miss their source as the registry's truth says, but for those who come back."""
    size = worth.registry(params, 1.0, 0, 1000)
    _, truth = worth.draw_registry(size)
    drawn = draw_assumed_effect(size)
    known = set(truth["true_risk_failure_12m"].round(9))
    assert np.isin(drawn["risk"].round(9), list(known)).mean() > 0.9
