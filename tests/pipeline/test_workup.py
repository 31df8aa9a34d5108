"""`backcast workup`: a table of causes, one case in words, a page that prints on one sheet."""

from __future__ import annotations

import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from features.errors import (
    BackcastError,
    CaseNotFoundError,
    FileFormatError,
    TimingError,
    TrackingError,
    ValuesError,
)
from models.cause_model import CauseModel, write_cause_model
from models.course_figure import course_figure
from models.workup import CauseFinder
from pipeline.cli import cli
from pipeline.params import load_params
from pipeline.working_up import as_records, causes_table
from pipeline.workup_page import workup_page

RECURRENCE = {
    "case_id": "C1",
    "performed_procedure": "microdiscectomy",
    "planned_decompression_l4_l5_left": 1.0,
    "operated_decompression_l4_l5_left": 1.0,
    "operation_date": "2024-01-10",
    "workup_date": "2025-01-09",
    "initial_relief_percent": 80.0,
    "pain_free_interval_months": 7.0,
    "return_tempo": "sudden",
    "nrs_leg": 8.0,
    "followup_nrs_leg": 7.0,
    "followup_contrast": 1.0,
    "followup_herniation_l4_l5_left": 3.0,
    "followup_enhancement_l4_l5_left": 1.0,
}
CASES = pd.DataFrame(
    [
        RECURRENCE,
        {**RECURRENCE, "case_id": "C2", "followup_has_saddle_numbness": 1.0},
        {**RECURRENCE, "case_id": "<b>C3</b>", "return_tempo": "gradual", "followup_herniation_l4_l5_left": 0.0},
        {**RECURRENCE, "case_id": "C4", "workup_date": "2024-03-09", "pain_free_interval_months": 1.0},
    ]
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    params, folder = load_params(), tmp_path_factory.mktemp("knowledge") / "causes"
    write_cause_model(params.cause, params.derive, folder)
    return folder


@pytest.fixture(scope="module")
def finder(model):
    return CauseFinder(CauseModel.load(model), "models:/backcast-cause/1")


@pytest.fixture
def workup(model, tmp_path, monkeypatch):
    """The command on a file of these cases; gives what it said. A named folder needs no store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/none/store.db")

    def run(*options: str, cases: pd.DataFrame = CASES) -> str:
        cases.to_csv("cases.csv", index=False)
        done = CliRunner().invoke(cli, ["workup", "cases.csv", "--model", str(model), *options])
        if isinstance(done.exception, BackcastError):
            raise done.exception
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.output

    return run


@pytest.fixture(scope="module")
def typed():
    """The cases as they are read from a file."""
    days = {name: pd.to_datetime(CASES[name]) for name in ("operation_date", "workup_date")}
    return CASES.assign(**days).set_index("case_id")


def test_a_batch_is_a_table_of_causes_whose_points_add_up(typed, finder):
    table = causes_table(typed, finder.model)
    first = table[table["rank"] == 1].set_index("case_id")
    assert list(first.loc["C1", ["cause", "likelihood"]]) == ["recurrent_herniation", "likely"]
    assert table[table["case_id"] == "C2"]["red_flags"].tolist() == ["cauda_equina"]
    assert table[table["case_id"] == "C2"]["cause"].isna().all()
    ranked = table[table["cause"].notna()]
    assert list(dict.fromkeys(table["case_id"])) == list(typed.index)
    assert (ranked.groupby("case_id")["rank"].diff().dropna() == 1).all()
    points = ranked.filter(like="points_").sum(axis=1)
    np.testing.assert_allclose(ranked["prior_log_odds"] + points, ranked["log_odds"], rtol=0, atol=1e-12)


def test_a_batch_has_the_answers_that_the_service_gives(typed, finder):
    table = causes_table(typed, finder.model).set_index(["case_id", "cause"])
    for case_id, answer in zip(typed.index, finder.answers(as_records(typed)), strict=True):
        for cause in answer["causes"]:
            row = table.loc[(case_id, cause["cause"])]
            assert (row["rank"], row["likelihood"]) == (cause["rank"], cause["likelihood"])
            assert row["log_odds"] == pytest.approx(cause["log_odds"], abs=1e-12)


def test_the_key_of_a_row_follows_the_findings_and_the_time_since_and_nothing_else(typed, finder):
    elsewhere = typed.rename(index={"C1": "X1"}).assign(patient_id="P1")
    for name in ("operation_date", "workup_date"):
        elsewhere[name] = elsewhere[name] + pd.Timedelta(days=30)
    keys, same = (causes_table(part, finder.model) for part in (typed, elsewhere))
    assert keys["prediction_key"].tolist() == same["prediction_key"].tolist()
    assert keys.groupby("case_id")["prediction_key"].nunique().eq(1).all()
    assert keys["prediction_key"].nunique() == len(typed)


def test_one_case_is_told_in_words(workup):
    said = workup("--case", "C1")
    for words in ("Operated on 12 months ago.", "Likely: recurrent herniation, same side. For: ", "Find out next: "):
        assert words in said, words
    flagged = workup("--case", "C2")
    assert "RED FLAG (emergency): " in flagged
    assert "Likely: " not in flagged
    with pytest.raises(CaseNotFoundError, match="no such case_id among its 4 cases"):
        workup("--case", "C9")


def test_a_page_a_case_needs_no_other_file_and_holds_no_markup_of_the_record(workup, tmp_path):
    assert "4 pages, one a case" in workup("--pages", "pages")
    pages = {path.name: path.read_text() for path in (tmp_path / "pages").iterdir()}
    assert len(pages) == 4
    assert all("<b>C3</b>" not in page for page in pages.values())
    for page in pages.values():
        assert not re.search(r"""(src|href)=|url\((?!#)|<script|@import""", page)
        html.parser.HTMLParser().feed(page)
    whole = pages["C1.html"]
    for words in ("recurrent herniation, same side", "Find out next", "Whatever the cause", "not a fitted model"):
        assert words in whole, words
    assert "Find out next" not in pages["C2.html"]
    assert "Red flag: see to this first" in pages["C2.html"]


def test_a_page_can_be_made_again_from_what_was_recorded(finder):
    answer = finder.answers(as_records(CASES.drop(columns="case_id")))[0]
    assert workup_page(json.loads(json.dumps(answer)), "again") == workup_page(answer, "again")


def test_what_was_not_sought_is_told_as_there_is_to_ask_it_and_once(finder):
    for answer in finder.answers([*as_records(CASES.drop(columns="case_id")), {"operation_date": "2024-01-10"}]):
        assert "{" not in " ".join(answer["story"])
        for cause in answer["causes"]:
            labels = [one["label"] for one in cause["not_sought"]]
            assert len(labels) == len(set(labels))
    asked = {one["label"] for cause in answer["causes"] for one in cause["not_sought"]}
    assert {"crossed straight leg raise", "how long the pain was gone", "CRP and ESR together"} <= asked


LEVEL_ABOVE = {"followup_herniation_l4_l5_left": 0.0, "followup_herniation_l3_l4_left": 3.0}
ANOTHER = {f"followup_pain_{region}_left": 7.0 for region in ("anterior_thigh", "knee", "medial_leg")} | {
    "pain_compared": "other",
    "pain_free_interval_months": 11.0,
}
NEVER = {"return_tempo": "never_better", "initial_relief_percent": 0.0, "pain_free_interval_months": None}
COURSE = {name: value for name, value in RECURRENCE.items() if name != "case_id"}


@pytest.mark.parametrize(
    ("changes", "code", "is_told"),
    [
        ({"followup_nrs_leg": 0.0, "followup_nrs_back": 1.0}, "no_pain_now", True),
        ({"followup_nrs_leg": 0.0, "followup_pain_buttock_left": 5.0}, "no_pain_now", False),
        ({"followup_nrs_leg": None}, "no_pain_now", False),
        ({"followup_power_l5_left": 3.0, "power_l5_left": 5.0}, "new_deficit", True),
        ({"followup_power_l5_left": 3.0, "power_l5_left": 3.0}, "new_deficit", False),
        (LEVEL_ABOVE | ANOTHER, "source_elsewhere", True),
        (LEVEL_ABOVE | ANOTHER | NEVER | {"pain_compared": "same"}, "source_elsewhere", False),
        (ANOTHER, "source_elsewhere", False),
        ({"has_polyneuropathy": 1.0}, "flagged_mimic", True),
        ({"hip_osteoarthritis_grade_left": 4.0}, "flagged_mimic", False),
        ({"followup_nrs_leg": 0.0, "followup_pain_lateral_leg_left": 8.0}, "score_against_drawing", True),
        ({"followup_nrs_leg": 0.0, "followup_pain_low_back_left": 8.0}, "score_against_drawing", False),
    ],
)  # fmt: skip
def test_what_makes_an_answer_less_sure_is_said(finder, changes, code, is_told):
    (answer,) = finder.answers([COURSE | changes])
    assert (code in {one["code"] for one in answer["cautions"]}) == is_told


def test_a_file_is_checked_for_a_work_up(tmp_path):
    file = tmp_path / "cases.csv"
    CASES.to_csv(file, index=False)
    assert "4 cases, 15 variables, no problem. Fit for workup." in checked(file)
    CASES.assign(adjudicated_cause="hip").to_csv(file, index=False)
    assert "adjudicated_cause is known only at the adjudication" in checked(file)


def checked(file) -> str:
    done = CliRunner().invoke(cli, ["check", str(file), "--for", "workup"])
    return done.output + str(done.exception or "")


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        ("causes.xlsx", FileFormatError, "causes.xlsx does not end in .csv or .parquet"),
        ("cases.csv", FileFormatError, "which it would replace"),
        ("causes.csv", TrackingError, "MLFLOW_TRACKING_URI names the store"),
    ],
)
def test_a_table_that_cannot_be_kept_or_logged_is_not_left_behind(workup, tmp_path, out, error, words):
    with pytest.raises(error, match=words):
        workup("--out", out)
    assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]


def test_nothing_to_make_is_a_mistake_of_use(workup):
    assert "Name what to make: --out, --case or --pages" in workup()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"adjudicated_cause": "hip"}, TimingError, "adjudicated_cause is known only at the adjudication"),
        ({"followup_contrast": 0.0}, ValuesError, "followup_enhancement_l4_l5_left is recorded of an MRI without"),
        ({"workup_date": "2023-01-01"}, ValuesError, "workup_date lies before operation_date in 4 rows"),
        ({"followup_nrs_leg": 80.0}, ValuesError, "followup_nrs_leg is outside 0 to 10"),
    ],
)
def test_a_file_that_is_not_fit_is_refused_with_every_reason(workup, changes, error, words):
    with pytest.raises(error, match=words):
        workup("--case", "C1", cases=CASES.assign(**changes))


@pytest.mark.parametrize(
    ("course", "turns"),
    [
        ({"return_tempo": "never_better", "months_since_operation": 3.0}, 1),
        ({"initial_relief_percent": 80.0, "return_tempo": "sudden", "pain_free_interval_months": 7.0}, 5),
        ({"initial_relief_percent": 80.0, "return_tempo": "gradual", "pain_free_interval_months": 7.0}, 4),
        ({"return_tempo": "gradual"}, 0),
    ],
)
def test_the_course_is_one_line_with_a_turn_for_each_thing_that_is_known(course, turns):
    drawn = course_figure(course, "Course & pain")
    paths = re.findall(r'<path d="M58 [\d.]+(L[^"]+)"', drawn)
    assert (sum(path.count("L") for path in paths), bool(drawn)) == (turns + bool(turns == 1), bool(turns))
    assert "Course & pain" not in drawn
