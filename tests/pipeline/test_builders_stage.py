"""The stage `builders` for real, at a tiny size: what it writes, and what it makes of no information."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from features.axes import MIMICS
from features.errors import ParamsError
from models import builder_evidence as evidence
from models.drawing import ANSWER_STYLES
from pipeline import paths
from pipeline.params import Params, load_params
from pipeline.reporting import builder_tables
from pipeline.stages import builders
from pipeline.virtual.decisions import draw_decisions
from pipeline.virtual.parameters import RegistryParams
from tests.stored_figures import figures

TINY = {"seed": 900, "cases": 700, "twin_pairs": 250, "attainable_cases": 500}
DRAWN = RegistryParams(seed=61, cases=400, centres=3, first_year=2018, years=2, discordance_effect=1.0)


@pytest.fixture(scope="module")
def params(tmp_path_factory) -> Params:
    content = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    content["registry"]["centres"] = 3
    content["builders"] |= TINY
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_params(path)


def files_of_a_run(params: Params, folder) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        builders.run(params)
        return {str(file): file.read_bytes() for file in sorted(paths.DATA.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def written(params, tmp_path_factory) -> dict[str, bytes]:
    return files_of_a_run(params, tmp_path_factory.mktemp("builders"))


@pytest.fixture(scope="module")
def found(written) -> dict:
    text = written[str(paths.BUILDERS)].decode()
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def judged_blank(params: Params, blanked: str) -> builders.Judged:
    """Cases in which every column whose name matches is empty."""
    cases, truth = draw_decisions(DRAWN)
    empty = [name for name in cases.columns if re.match(blanked, name)]
    assert empty
    cases = cases.assign(**{name: None if cases[name].dtype == object else np.nan for name in empty})
    return builders.judged(cases, truth, params)


def test_it_writes_the_figures_and_the_tables_of_the_pictures(written):
    assert set(written) == {
        "data/evaluate/builders.json",
        "data/evaluate/builders_summary.json",
        *(f"data/evaluate/builders/{name}.csv" for name in ("auroc", "calibration", "roc", "twins")),
    }


def test_the_metrics_that_dvc_shows_are_few_and_those_of_the_file(found, written):
    """All of them in one table of `dvc metrics show` would be wider than any screen."""
    told = json.loads(written[str(paths.BUILDERS_SUMMARY)])
    compared, calibration = found["plan"]["compared"], found["plan"]["calibration"]
    expected = {
        "plan_auroc": {who: compared[who]["estimate"] for who in ("builders", "crude_rival", "attainable")},
        "plan": {name: calibration[name]["estimate"] for name in ("observed_over_expected", "calibration_slope")},
        "mimics_auroc": {mimic: found["mimics"][mimic]["auroc"]["source"]["estimate"] for mimic in MIMICS},
    }
    assert told.keys() == expected.keys()
    for group, values in expected.items():
        assert told[group] == pytest.approx(values, abs=1e-4), group


def test_equal_parameters_give_equal_bytes(params, written, tmp_path):
    assert files_of_a_run(params, tmp_path) == written


def test_every_figure_has_an_interval_a_number_of_cases_or_a_reason(found):
    everything = figures(found)
    assert len(everything) > 80
    for where, figure in everything.items():
        assert set(figure) >= {"estimate", "lower", "upper", "n"}, where
        if figure["estimate"] is None or figure["lower"] is None:
            assert figure["reason"], where
        else:
            assert figure["lower"] <= figure["estimate"] <= figure["upper"], where
            assert figure["n"] > 0, where


def test_the_file_says_where_it_comes_from_and_holds_no_case(found, written):
    assert found["provenance"] == "virtual registry"
    assert found["drawn"] == {"cases": 700, "twin_pairs": 250, "attainable_cases": 500}
    assert not re.search(rb"C\d{6}|P\d{6}", b"".join(written.values()))


def test_it_asks_of_the_plan_of_each_mimic_of_the_lesion_and_of_twins(found):
    assert set(found["mimics"]) == set(MIMICS)
    assert found["plan"]["headline"] in found["plan"]["auroc"]
    assert {"best_lesion", "crude_rival"} <= set(found["lesion"])
    assert set(found["twins"]) == {"all", "another_lesion", "a_mimic"}
    pairs = {group: figures_["crude_rival"]["n"] for group, figures_ in found["twins"].items()}
    assert pairs["all"] == pairs["another_lesion"] + pairs["a_mimic"] > 50
    for mimic in MIMICS:
        by_done = found["mimics"][mimic]["by_tests_done"]
        assert sum(state["prevalence"]["n"] for state in by_done.values()) == 2 * 700


def test_the_builders_beat_the_crude_rival_on_the_plan_and_on_twins(found):
    """Small as the draw is: were this to fail, the builders would be worth nothing."""
    assert found["plan"]["compared"]["less_crude_rival"]["lower"] > 0
    assert found["twins"]["all"]["less_crude_rival"]["lower"] > 0


def test_a_contender_that_the_builders_do_not_make_is_passed_over(params):
    tested = judged_blank(params, "has_night_pain")
    features = tested.features.drop(columns="plan_support", errors="ignore")
    assert "plan_support" not in builders.contenders(features)
    assert len(builders.contenders(features)) == len(builders.CONTENDERS) - 1


def test_with_the_truth_permuted_nothing_is_found(params):
    tested = judged_blank(params, "has_night_pain")
    score = tested.contender(builders.contenders(tested.features)[0])
    rng = np.random.default_rng(1)
    is_true = tested.truth["is_source_in_plan"].to_numpy()
    areas = [evidence.discrimination(rng.permutation(is_true), score).estimate.estimate for _ in range(100)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)
    assert evidence.discrimination(is_true, score).estimate.lower > 0.6


@pytest.mark.parametrize("blanked", ["pain_", "planned_", ".*(_l[1-5]_|_l5_s1)|migration"])
def test_without_drawing_plan_or_scan_nothing_is_claimed_of_the_plan(params, blanked):
    tested = judged_blank(params, blanked)
    for name in builders.contenders(tested.features):
        figure = evidence.discrimination(tested.truth["is_source_in_plan"], tested.contender(name))
        assert figure.n == 0, name
        assert figure.estimate.estimate is None, name
    assert np.isnan(tested.rival).all()


def test_without_any_test_or_drawing_a_mimic_has_its_prior_and_no_auroc(params):
    tested = judged_blank(params, "(?!planned_).*")
    blank = tested.cases.drop(columns=[name for name in tested.cases if name.startswith("planned_")])
    assert blank.isna().all(axis=None)
    for mimic in MIMICS:
        assert set(builders.tests_done(tested.cases, mimic)) == {"none"}
        found = builders.mimic_figures(tested, mimic, dict.fromkeys((0.5, 1.0), np.full(800, np.nan)), seed=1)
        assert found["auroc"]["source"].estimate.reason == "every case has the same risk"
        assert found["auroc_of_support"]["source"].n == 0


def test_a_cluster_is_done_in_full_in_part_or_not(params):
    five = ["sij_distraction", "sij_compression", "sij_thigh_thrust", "sij_gaenslen", "sij_sacral_thrust"]
    rows = [{f"{test}_left": 0.0 for test in five}, {"sij_thigh_thrust_left": 1.0}, {"sij_thigh_thrust_right": 1.0}]
    states = builders.tests_done(pd.DataFrame(rows), "sacroiliac")
    assert states.tolist() == ["all", "part", "none", "none", "none", "part"]


def test_the_seeds_of_the_study_are_refused(params_yaml):
    path = params_yaml({"registry.seed": 83001})
    with pytest.raises(ParamsError, match=r"builders\.seed 83000 draws the cases of registry\.seed again"):
        load_params(path)


def test_sizes_too_small_to_judge_are_refused(params):
    with pytest.raises(ParamsError, match=r"builders\.cases must be in 100 to \d+, got 10"):
        dataclasses.replace(params.builders, cases=10)


def test_what_the_report_says_comes_from_the_file(found):
    told = builder_tables.truth_figures(found)
    asked = [found["plan"], *(found["mimics"][mimic] for mimic in MIMICS)]
    for row, figures_ in zip(told["rows"], asked, strict=True):
        estimate, n = (figures_["compared"]["builders"][name] for name in ("estimate", "n"))
        assert row["builders"].startswith(f"{estimate:.2f} (")
        assert row["n"] == n
    estimate = found["plan"]["compared"]["less_crude_rival"]["estimate"]
    assert told["ahead"].startswith(f"{estimate:.2f} (")
    assert {"plan", *MIMICS, *found["twins"]} == set(builder_tables.ASKED)


def test_the_picture_shows_everybody_who_answers(written, tmp_path):
    for name in ("auroc", "roc", "twins"):
        (tmp_path / f"{name}.csv").write_bytes(written[f"data/evaluate/builders/{name}.csv"])
        assert set(pd.read_csv(tmp_path / f"{name}.csv")["who"]) <= set(ANSWER_STYLES)
