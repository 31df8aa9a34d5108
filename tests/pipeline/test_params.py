"""params.yaml: what is misspelt, missing or unknown is refused by name, and all of it at once."""

from __future__ import annotations

import math

import pytest
import yaml

from features.errors import ParamsError
from features.outcomes import outcome_names
from models.learners import CANDIDATES, LEARNERS, settings
from pipeline import params as params_module
from pipeline.params import load_params
from pipeline.virtual.parameters import RegistryParams


def test_the_committed_file_loads_and_agrees_with_the_tables(root):
    params = load_params(root / "params.yaml")
    assert set(params.train.outcomes) <= set(outcome_names())
    assert set(params.train.outcomes) <= set(params.cohort.outcomes)
    assert params.registry.cases == 12_000
    assert params.cohort.outcomes["failure_12m"].reoperation == "failed"


def test_the_names_of_the_learners_are_those_of_the_models():
    assert set(params_module.LEARNERS) == set(LEARNERS)
    assert params_module.CANDIDATES == CANDIDATES


def test_no_change_is_no_problem(params_yaml, root):
    assert load_params(params_yaml({})) == load_params(root / "params.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train.refts": 50}, r"unknown key train\.refts \(is refits meant\?\)"),
        ({"trian": {}}, r"unknown key trian \(is train meant\?\)"),
        ({"train.xgboost.max_dept": 2}, r"unknown key train\.xgboost\.max_dept \(is max_depth meant\?\)"),
        ({"cohort.outcomes.failure_12m.reoperatoin": "failed"}, r"failure_12m\.reoperatoin \(is reoperation meant\?\)"),
        ({"split.zzz": 1}, r"unknown key split\.zzz[;.]"),
        ({"train.refits": None}, r"train\.refits is missing"),
        ({"split": None}, r"split is missing"),
        ({"ingest.file": None}, r"ingest\.file is missing"),
        ({"split": 3}, r"split must hold keys and values"),
        ({"train.learners": ["logistic", "forest"]}, r"train\.learners names forest; known are prevalence, baseline"),
        ({"train.learners": ["prevalence", "baseline"]}, r"train\.learners needs a candidate: logistic or xgboost"),
        ({"train.outcomes": ["failure_13m"]}, r"train\.outcomes names failure_13m; known are .*failure_12m"),
        ({"train.outcomes": []}, r"train\.outcomes names no outcome"),
        ({"cohort.outcomes.happy_12m": {}}, r"cohort\.outcomes names happy_12m; known are"),
        (
            {"cohort.outcomes.worse_12m": None},
            r"train\.outcomes names worse_12m, which cohort\.outcomes does not define",
        ),
        ({"train.max_parameters.failure_12m": None}, r"train\.max_parameters says nothing of failure_12m"),
        ({"cohort.outcomes.failure_12m.death": "sad"}, r"death must be one of failed, as_reported, unknown, got sad"),
        ({"appraise.anticipated_c_statistic": 0.5}, r"appraise\.anticipated_c_statistic must lie in \(0\.5, 1\)"),
        (
            {"appraise.overrule_sample_size": ["worse"]},
            r"appraise\.overrule_sample_size names worse; known are .*worse",
        ),
        ({"train.overrule_leak_alarm": ["worse"]}, r"train\.overrule_leak_alarm names worse; known are .*worse_12m"),
        ({"train.refits": "many"}, r"train\.refits must be int, got 'many'"),
        ({"train.refits": 2.5}, r"train\.refits must be int, got 2\.5"),
        ({"train.seed": True}, r"train\.seed must be int, got True"),
        ({"train.learners": "logistic"}, r"train\.learners must be list\[str\], got 'logistic'"),
        ({"train.learners": [1, "logistic"]}, r"train\.learners\[0\] must be str, got 1"),
        ({"train.logistic.C": "small"}, r"train\.logistic\.C must be float \| list\[float\], got 'small'"),
        ({"train.logistic.C": [0.1, "small"]}, r"train\.logistic\.C\[1\] must be float, got 'small'"),
        ({"train.xgboost.max_depth": []}, r"train\.xgboost\.max_depth has no value"),
        ({"train.refits": 1}, r"train\.refits must be in 2 to 1000, got 1"),
        ({"split.folds": 1}, r"split\.folds must be in 2 to 50, got 1"),
        ({"evaluate.thresholds": [0.1, 1.0]}, r"evaluate\.thresholds must all lie in \(0, 1\)"),
        ({"evaluate.thresholds": [0]}, r"evaluate\.thresholds must all lie in \(0, 1\)"),
        ({"evaluate.thresholds": []}, r"evaluate\.thresholds must all lie in \(0, 1\)"),
        ({"evaluate.main_threshold.failure_12m": 0.25}, r"main_threshold\.failure_12m must be one of evaluate\.thresh"),
        ({"evaluate.main_threshold.failure_12m": None}, r"evaluate\.main_threshold says nothing of failure_12m"),
        ({"evaluate.main_threshold.failure_13m": 0.3}, r"evaluate\.main_threshold names failure_13m; known are"),
        ({"evaluate.response_percentiles": [99, 1]}, r"response_percentiles must be two numbers that rise"),
        ({"register.calibration_slope": [1.1, 2]}, r"register\.calibration_slope must be two numbers, the ideal of 1"),
        ({"register.calibration_slope": [0.8]}, r"register\.calibration_slope must be two numbers"),
        ({"register.most_net_benefit_lost": -1}, r"most_net_benefit_lost must be in 0 to 1"),
        ({"derive.mimic_priors": {"hip": 0.1}}, r"derive\.mimic_priors must name exactly"),
        ({"derive.mimic_priors.hip": 1.5}, r"derive\.mimic_priors\.hip must lie in \(0, 1\), got 1\.5"),
        ({"registry.cases": 0}, r"registry\.cases must lie in 2 to"),
        ({"registry.centres": 0}, r"registry\.centres must lie in 1 to"),
        ({"registry.cases": 3}, r"registry\.centres \(8\) must not exceed registry\.cases \(3\)"),
        ({"registry.discordance_effect": -1}, r"registry\.discordance_effect must lie in 0 to 3, got -1"),
        ({"registry.discordance_effect": math.nan}, r"registry\.discordance_effect must be a number"),
        ({"worth.discordance_effects": [0.5, 1.0]}, r"worth\.discordance_effects must hold 0, the negative control"),
        ({"worth.development_cases": [500, 250]}, r"worth\.development_cases must rise, each value once"),
        ({"worth.development_cases": [5]}, r"worth\.development_cases must be in 50 to \d+, got 5"),
        ({"worth.xgboost.max_depth": [2, 3]}, r"worth\.xgboost\.max_depth must be one value"),
        ({"worth.registries": 1}, r"worth\.registries must be in 2 to 1000, got 1"),
    ],
)
def test_a_bad_value_is_refused_by_name(params_yaml, changes, words):
    with pytest.raises(ParamsError, match=words) as refused:
        load_params(params_yaml(changes))
    assert str(refused.value).count("params.yaml") == 1


def test_all_problems_are_said_at_once(params_yaml):
    path = params_yaml(
        {
            "train.refts": 50,
            "train.refits": None,
            "split.folds": 1,
            "evaluate.thresholds": [2.0],
            "registry.years": 0,
            "registry.centres": 0,
        }
    )
    with pytest.raises(ParamsError) as refused:
        load_params(path)
    for words in (
        "train.refts",
        "train.refits is missing",
        "split.folds",
        "evaluate.thresholds",
        "registry.years",
        "registry.centres",
    ):
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("by", "bands", "words"),
    [
        (["patient_id"], {}, r"subgroups\.by names patient_id, which identifies a person"),
        (["index_date"], {}, r"index_date, a key of the record; the only key that makes groups is centre_id"),
        (["gender"], {}, r"subgroups\.by names gender, which the dictionary does not"),
        (["eduction"], {}, r"eduction, which the dictionary does not \(is education meant\?\)"),
        (["odi"], {}, r"odi, a number: say in subgroups\.bands\.odi where its bands end"),
        (["sex"], {"sex": [0.5]}, r"sex, which is no number: leave out subgroups\.bands\.sex"),
        (["education"], {"education": [2.0]}, r"education, which is no number: leave out"),
        (["centre_id"], {"centre_id": [3.0]}, r"centre_id, which is no number"),
        (["global_assessment_leg_12m"], {}, r"global_assessment_leg_12m, which is known only after the operation"),
    ],
)
def test_what_cannot_make_groups_is_refused_by_name(params_yaml, by, bands, words):
    with pytest.raises(ParamsError, match=words):
        load_params(params_yaml({"subgroups.by": by, "subgroups.bands": bands}))


def test_everything_that_cannot_make_groups_is_said_at_once(params_yaml):
    by = ["patient_id", "odi", "sex", "eduction", "centre_id"]
    with pytest.raises(ParamsError, match=r"patient_id.*odi.*sex.*eduction") as refused:
        load_params(params_yaml({"subgroups.by": by, "subgroups.bands": {"sex": [1.0]}}))
    assert "centre_id," not in str(refused.value)


def test_all_problems_of_one_section_are_said_at_once(params_yaml):
    path = params_yaml({"train.learners": ["forest"], "train.outcomes": ["failure_13m"], "train.refits": 1})
    with pytest.raises(ParamsError, match=r"failure_13m.*forest.*needs a candidate.*refits"):
        load_params(path)


def test_the_message_is_the_same_each_time(params_yaml):
    path = params_yaml({f"train.odd_{number}": number for number in range(8)})
    with pytest.raises(ParamsError) as refused:
        load_params(path)
    places = [str(refused.value).index(f"train.odd_{number}") for number in range(8)]
    assert places == sorted(places)


def test_a_scalar_is_a_grid_of_one(params_yaml):
    alone = load_params(params_yaml({"train.logistic.C": 0.25})).train
    listed = load_params(params_yaml({"train.logistic.C": [0.25]})).train
    assert (
        settings("logistic", alone.grid("logistic")) == settings("logistic", listed.grid("logistic")) == [{"C": 0.25}]
    )


def test_a_whole_number_serves_where_a_number_is_asked(params_yaml):
    params = load_params(params_yaml({"train.logistic.C": 1, "cohort.minimum_age_years": 21}))
    assert params.train.logistic.C == 1.0
    assert isinstance(params.train.logistic.C, float)
    assert params.cohort.minimum_age_years == 21


def test_comparators_have_no_grid(params_yaml):
    train = load_params(params_yaml({})).train
    assert train.grid("prevalence") == train.grid("baseline") == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"train: [1, 2", "is not YAML"),
        (b"just a sentence", "must hold keys and values"),
        (b"", "must hold keys and values"),
        ("train: {refits: 50} # für".encode("latin-1"), "cannot be read as UTF-8 text"),
    ],
)
def test_a_file_that_holds_no_parameters_is_refused(tmp_path, content, words):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ParamsError, match=words):
        load_params(path)


def test_an_absent_file_is_refused_with_what_to_do(elsewhere):
    with pytest.raises(ParamsError, match=r"params\.yaml is missing\. Run from the root of the repository"):
        load_params()


def test_a_folder_is_no_parameter_file(tmp_path):
    with pytest.raises(ParamsError, match="cannot be read"):
        load_params(tmp_path)


def test_every_field_of_the_registry_is_in_the_file(root):
    content = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["registry"]
    assert RegistryParams(**content) == load_params(root / "params.yaml").registry


def test_a_key_written_twice_is_refused(tmp_path):
    twice = tmp_path / "params.yaml"
    twice.write_text("split:\n  seed: 1\n  seed: 2\n")
    with pytest.raises(ParamsError, match="seed is written twice"):
        load_params(twice)


def test_thresholds_that_print_alike_are_refused(params_yaml):
    path = params_yaml({"evaluate.thresholds": [0.1, 0.2, 0.3, 0.30000000001]})
    with pytest.raises(ParamsError, match=r"evaluate\.thresholds names 30 % twice, as it is printed"):
        load_params(path)
