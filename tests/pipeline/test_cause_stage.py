"""The stage `cause` for real, at a tiny size: what it writes, what it never sees, a registry without adjudication."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from features.axes import CAUSES
from features.errors import ParamsError
from models.cause_answers import METHODS
from models.cause_figures import METHOD_STYLES
from pipeline import paths
from pipeline.cause_pictures import in_words
from pipeline.files import write_table
from pipeline.params import Params, load_params
from pipeline.reporting import about_causes
from pipeline.reporting.page import environment
from pipeline.stages import cause
from pipeline.virtual.workup_cases import workup_cases
from tests.stored_figures import figures

TINY = {"seed": 900, "cases": 150, "twin_pairs": 120, "attainable_cases": 150}
DATES = ("index_date", "operation_date", "workup_date")
PICTURES = ("accuracy", "confusion", "recurrence", "words")


@pytest.fixture(scope="module")
def params(tmp_path_factory) -> Params:
    content = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    content["cause_evidence"] |= TINY
    content["train"] |= {"learners": ["prevalence", "logistic"]}
    content["train"]["logistic"] = {"C": 0.1}
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_params(path)


@pytest.fixture(scope="module")
def cases(params) -> pd.DataFrame:
    """Four hundred worked-up cases; a seventh of them was never adjudicated."""
    drawn = workup_cases(400, 77, params.registry)[0].set_index("case_id")
    return drawn.assign(**{name: pd.to_datetime(drawn[name]) for name in DATES})


@pytest.fixture(scope="module")
def split(cases) -> pd.DataFrame:
    """Three of five for development, in three folds; patients are in one place."""
    place = np.arange(len(cases)) % 5
    sets = np.array(["development", "development", "development", "temporal", "geographic"], dtype=object)[place]
    folds = np.where(sets == "development", np.arange(len(cases)) // 5 % 3, -1)
    return pd.DataFrame({"patient_id": cases["patient_id"], "set": sets, "fold": folds}, index=cases.index)


def files_of_a_run(params: Params, cases: pd.DataFrame, split: pd.DataFrame, folder) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_table(cases, paths.INGESTED_CASES)
        write_table(split, paths.SPLIT)
        cause.run(params)
        return {file.name: file.read_bytes() for file in sorted(paths.CAUSES.parent.iterdir())}


@pytest.fixture(scope="module")
def written(params, cases, split, tmp_path_factory) -> dict[str, bytes]:
    return files_of_a_run(params, cases, split, tmp_path_factory.mktemp("cause"))


@pytest.fixture(scope="module")
def found(written) -> dict:
    return json.loads(written["cause.json"], parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


@pytest.fixture(scope="module")
def predictions(written, tmp_path_factory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("predictions") / "predictions.parquet"
    path.write_bytes(written["predictions.parquet"])
    return pd.read_parquet(path)


@pytest.fixture(scope="module")
def unadjudicated(params, cases, split, tmp_path_factory) -> dict[str, bytes]:
    """What is written where nobody adjudicated a cause."""
    blank = cases.assign(adjudicated_cause=pd.Series(None, index=cases.index, dtype=object))
    return files_of_a_run(params, blank, split, tmp_path_factory.mktemp("unadjudicated"))


# ---- what it writes ----------------------------------------------------------------------------------


def test_it_writes_figures_tables_and_pictures(written):
    assert set(written) == {
        "cause.json", "summary.json", "confusion.csv", "predictions.parquet", *(f"{name}.png" for name in PICTURES),
    }  # fmt: skip


def test_equal_inputs_give_equal_bytes(params, cases, split, written, tmp_path):
    again = files_of_a_run(params, cases.iloc[::-1], split, tmp_path)
    assert again == written


def test_every_figure_has_an_interval_or_a_reason(found):
    everything = figures(found)
    assert len(everything) > 300
    for where, figure in everything.items():
        if figure["estimate"] is None or figure["lower"] is None:
            assert figure["reason"], where
        else:
            assert figure["lower"] <= figure["estimate"] <= figure["upper"], where


def test_the_summary_is_that_of_the_file(found, written):
    told = json.loads(written["summary.json"])
    for name, accuracy in (("test_sets", found["registry"]["accuracy"]["both"]), ("drawn", found["drawn"]["accuracy"])):
        for method, measured in accuracy.items():
            expected = {measure: measured[measure]["estimate"] for measure in told[name][method]}
            assert told[name][method] == pytest.approx(expected, abs=1e-4, nan_ok=True), (name, method)


def test_no_case_is_named_but_in_the_predictions(written, cases):
    text = b"".join(content for name, content in written.items() if name.endswith((".json", ".csv"))).decode()
    for column in (cases.index, cases["patient_id"]):
        assert not [value for value in column.unique() if value in text]


def test_rare_causes_share_a_row_of_the_confusion(written, found, tmp_path):
    (tmp_path / "confusion.csv").write_bytes(written["confusion.csv"])
    cells = pd.read_csv(tmp_path / "confusion.csv")
    of_row = cells.groupby(["of", "method", "right"])["cases"].sum()
    assert of_row.drop("fewer than five each", level="right").min() >= 5
    totals = of_row.groupby(["of", "method"]).sum()
    assert (totals["drawn"] == TINY["cases"]).all()
    assert set(totals["test_sets"]) == {found["registry"]["cases"]["both"]}


# ---- who answers, and from what ----------------------------------------------------------------------


def test_every_method_ranks_every_cause_of_every_adjudicated_test_case(predictions, cases, split):
    is_tested = split["set"].isin(["temporal", "geographic"]) & cases["adjudicated_cause"].isin(CAUSES)
    assert set(predictions["method"]) == set(METHODS) == set(METHOD_STYLES)
    for method, own in predictions.groupby("method"):
        assert set(own.index) == set(cases.index[is_tested]), method
        places = own["place"].to_numpy().reshape(-1, len(CAUSES))
        assert (np.sort(places, axis=1) == np.arange(1, len(CAUSES) + 1)).all(), method
    assert predictions.loc[predictions["method"] == "rules", "log_odds"].isna().all()


@pytest.fixture
def study(params, cases, split, tmp_path, monkeypatch) -> cause.Adjudicated:
    monkeypatch.chdir(tmp_path)
    write_table(cases, paths.INGESTED_CASES)
    write_table(split, paths.SPLIT)
    return cause.adjudicated_cases(params)


def test_what_was_adjudicated_is_no_input_and_the_served_ranking_is_that_of_the_evidence(study, predictions):
    assert "adjudicated_cause" not in study.tested.cases.columns
    own = predictions[predictions["method"] == "knowledge"]
    places = own["place"].to_numpy().reshape(-1, len(CAUSES))
    rank = study.tested.evidence.rank
    assert (places[rank > 0] == rank[rank > 0]).all()
    assert places[rank == 0].min() > 1
    assert np.isnan(own["log_odds"].to_numpy().reshape(rank.shape)[rank == 0]).all()


def test_the_demonstration_learns_from_development_alone(study, split, params):
    assert set(split.loc[study.development.cases.index, "set"]) == {"development"}
    assert not set(study.development.patients) & set(study.tested.patients)
    learned = cause.demonstration(study, params)
    assert {its.cases for its in learned.values()} == {len(study.development.right)}
    assert any(its.chosen for its in learned.values())
    assert all(its.reason for its in learned.values() if not its.chosen)


def test_the_scan_alone_tells_no_pair_and_knowledge_tells_some(found):
    pairs = found["drawn"]["pairs"]
    assert pairs["knowledge"]["both"]["estimate"] > 0
    assert pairs["prevalence"]["both"]["estimate"] == 0
    assert pairs["prevalence"]["apart"]["estimate"] == 0.5
    for method, figures_ in pairs.items():
        assert figures_["both"]["estimate"] <= figures_["either"]["estimate"], method
        assert figures_["both"]["n"] <= TINY["twin_pairs"]


def test_a_part_of_the_follow_up_is_what_its_group_records():
    course, scan = (
        {variable.name for variable in cause.cause_answers._left_out(group)} for group in ("course", "scan")
    )
    assert "followup_herniation_l4_l5_left" in course - scan
    assert "return_tempo" in scan - course
    assert {"followup_pain_buttock_left", "followup_slr_left"} <= course & scan
    assert not {"operated_decompression_l4_l5_left", "workup_date", "pain_buttock_left"} & (course | scan)


def test_without_a_recurrence_or_scar_they_cannot_be_told_apart_and_it_is_said(study):
    rest = study.tested.rows(~np.isin(study.tested.right, [CAUSES.index(name) for name in cause.cause_answers.PAIR]))
    for told in cause.cause_answers.recurrence_or_scar(rest).values():
        assert told.area.as_json()["reason"] == "no case has either as its main cause"
        assert told.area.n == len(told.curve["true_positive_rate"]) == 0


# ---- where there is less -----------------------------------------------------------------------------


def test_a_registry_without_adjudication_is_not_judged_and_the_virtual_cases_still_are(unadjudicated):
    found = json.loads(unadjudicated["cause.json"])
    assert found["registry"] == {"reason": cause.NOBODY}
    assert set(found["drawn"]["accuracy"]) == set(METHODS) - {"trained"}
    assert json.loads(unadjudicated["summary.json"])["test_sets"] == {}
    assert set(unadjudicated) == {
        "cause.json", "summary.json", "confusion.csv", "predictions.parquet", *(f"{name}.png" for name in PICTURES),
    }  # fmt: skip


def test_the_seed_of_the_study_is_refused(params_yaml):
    path = params_yaml({"registry.seed": 91002})
    with pytest.raises(ParamsError, match=r"cause_evidence\.seed 91000 draws the cases of registry\.seed again"):
        load_params(path)


# ---- in the report -----------------------------------------------------------------------------------


class Pictured:
    """As much of a study as the section asks for."""

    def __init__(self, found: dict | None) -> None:
        self.found = found

    def json(self, path: object) -> dict | None:
        return self.found

    def picture(self, path: object) -> None:
        return None


def section(found: dict) -> str:
    content = about_causes.after_failure(Pictured(found), paths.REPORT.parent)
    text = environment().get_template("sections/causes.html.j2").render(it=content)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_what_the_report_says_comes_from_the_file(found):
    page = section(found)
    top = found["registry"]["accuracy"]["both"]["knowledge"]["top_1"]
    assert f"{top['estimate']:.2f} {top['lower']:.2f} to {top['upper']:.2f}" in page
    lead = found["registry"]["lead"]["rules"]["top_1"]["estimate"]
    assert f"by {lead:.2f} (".replace("-", "\u2212") in page
    for words in found["rules"]:
        assert words in page
    assert "not learned" in page


def test_the_report_says_why_a_registry_was_not_judged(unadjudicated):
    page = section(json.loads(unadjudicated["cause.json"]))
    assert f"nothing could be judged: {cause.NOBODY}" in page
    assert "Adjudicated cause" not in page


def test_without_the_stage_the_section_is_left_out():
    assert about_causes.after_failure(Pictured(None), paths.REPORT.parent) is None
    assert about_causes.card_causes(Pictured(None)) is None


def test_the_card_says_what_the_report_says_and_why_a_registry_was_not_judged(found, unadjudicated):
    told = about_causes.card_causes(Pictured(found))
    estimate = found["registry"]["accuracy"]["both"]["knowledge"]["top_2"]["estimate"]
    assert told["top_2"].startswith(f"{estimate:.2f} (")
    assert told["cases"] == found["registry"]["cases"]["both"]
    assert about_causes.card_causes(Pictured(json.loads(unadjudicated["cause.json"])))["reason"] == cause.NOBODY


@pytest.mark.parametrize(
    ("limits", "words"),
    [((0.8123, 0.7, 0.91), "0.81 (0.70 to 0.91)"), ((0.5, None, None), "0.50"), ((None,) * 3, "not estimable")],
)
def test_a_legend_says_what_is_known(limits, words):
    assert in_words(cause.Estimate(*limits)) == words
