"""The model of causes: a bundle of knowledge that is read by the code that made it, and by no other."""

from __future__ import annotations

import grimp
import numpy as np
import pandas as pd
import pytest

from features.axes import CAUSES
from features.causes import LIKELIHOODS
from features.errors import BundleError, TimingError, ValuesError
from models import bundle
from models.bundle import read_bundle
from models.cause_model import JUDGING_MODULES, CauseModel, card_lines, is_cause_model, write_cause_model
from models.workup import CauseFinder
from pipeline.params import load_params

CASES = pd.DataFrame(
    {
        "operated_decompression_l4_l5_left": [1.0, 1.0, np.nan],
        "return_tempo": ["sudden", None, "gradual"],
        "followup_nrs_leg": [8.0, 3.0, np.nan],
        "followup_crp_mg_l": [2.0, np.nan, 80.0],
        "followup_has_saddle_numbness": [0.0, 1.0, np.nan],
    },
    index=["C1", "C2", "C3"],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    params, folder = load_params(), tmp_path_factory.mktemp("knowledge") / "causes"
    write_cause_model(params.cause, params.derive, folder)
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    params = load_params()
    write_cause_model(params.cause, params.derive, tmp_path / "causes")
    return tmp_path / "causes"


def test_the_same_knowledge_has_the_same_hash_and_no_pickle(folder, copy):
    assert CauseModel.load(folder).sha256 == CauseModel.load(copy).sha256
    assert {path.suffix for path in copy.rglob("*") if path.is_file()} == {".json", ".csv"}


def test_it_judges_with_the_choices_that_it_was_made_with(folder):
    params = load_params()
    model = CauseModel.load(folder)
    assert (model.params, model.builder_params) == (params.cause, params.derive)


def test_a_table_that_was_changed_is_refused(copy):
    table = copy / "knowledge" / "cause_evidence.csv"
    table.write_text(table.read_text().replace("strong for", "weak for", 1))
    with pytest.raises(BundleError, match=r"knowledge/cause_evidence\.csv changed"):
        CauseModel.load(copy)


def test_other_code_than_its_own_is_refused_with_both_hashes(folder, monkeypatch):
    made_with = CauseModel.load(folder).code_sha256
    monkeypatch.setattr("models.cause_model.code_sha256", lambda modules: "0" * 64)
    with pytest.raises(BundleError, match=rf"made with code {made_with}.*loaded here is {'0' * 64}"):
        CauseModel.load(folder)


def test_it_is_no_model_of_an_outcome_and_says_so(folder, tmp_path):
    assert is_cause_model(folder)
    with pytest.raises(BundleError, match="lacks"):
        read_bundle(folder)
    with pytest.raises(BundleError, match="is no bundle"):
        is_cause_model(tmp_path)


def test_the_code_hash_covers_every_module_that_judges():
    graph = grimp.build_graph("features", "models", cache_dir=None)
    needed = graph.find_upstream_modules("models.cause_model") | {"models.cause_model", "models"}
    of_models = {name.removeprefix("models").lstrip(".") or "__init__" for name in needed if name.startswith("models")}
    assert of_models == set(JUDGING_MODULES)
    assert bundle.code_sha256(JUDGING_MODULES) != bundle.code_sha256()


def test_points_and_prior_add_up_to_the_log_odds_of_each_cause(folder):
    table = CauseModel.load(folder).predict(CASES)
    assert list(table.index) == list(CASES.index)
    for cause in CAUSES:
        told = table[f"likelihood_{cause}"].notna()
        assert set(table.loc[told, f"likelihood_{cause}"]) <= set(LIKELIHOODS)
        added = table[f"prior_{cause}"] + table.filter(regex=rf"^points_{cause}\.").sum(axis=1)
        np.testing.assert_allclose(added[told], table.loc[told, f"log_odds_{cause}"], rtol=0, atol=1e-12)
        assert table.loc[~told, f"log_odds_{cause}"].isna().all()


def test_under_a_red_flag_nothing_is_said_of_a_cause(folder):
    flagged = CauseModel.load(folder).predict(CASES).loc["C2"]
    assert flagged["red_flags"] == "cauda_equina"
    assert flagged.drop("red_flags").isna().all()


def test_a_frame_and_records_have_the_same_answer(folder):
    """Blank in one of the records is not recorded, as absent is in the other."""
    model = CauseModel.load(folder)
    table = model.predict(CASES)
    records = [{name: v for name, v in row.items() if not pd.isna(v)} for row in CASES.to_dict("records")]
    for case_id, answer in zip(CASES.index, CauseFinder(model, "x").answers(records), strict=True):
        for cause in answer["causes"]:
            assert table.loc[case_id, f"log_odds_{cause['cause']}"] == pytest.approx(cause["log_odds"], abs=1e-12)
            assert table.loc[case_id, f"rank_{cause['cause']}"] == cause["rank"]


def test_what_it_may_not_see_and_what_cannot_be_is_refused(folder):
    model = CauseModel.load(folder)
    with pytest.raises(TimingError, match="adjudicated_cause is known only at the adjudication"):
        model.predict(CASES.assign(adjudicated_cause="hip"))
    with pytest.raises(ValuesError, match="followup_nrs_leg is outside 0 to 10"):
        model.predict(CASES.assign(followup_nrs_leg=80.0))


def test_its_card_counts_what_it_rests_on(folder):
    card = "\n".join(card_lines(CauseModel.load(folder)))
    for words in (
        "17 causes",
        "no fitted model",
        "no percentage",
        "nobody has calibrated it",
        "Each row has its source",
    ):
        assert words in card, words
