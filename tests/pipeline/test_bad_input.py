"""Each way in which a file can be bad: one message with file, column, rows and what to do, and a status of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import errors
from features.errors import BackcastError, OutcomeError, ValuesError
from features.record import typed_cases
from models.training import Development
from pipeline import stage
from pipeline.params import load_params
from pipeline.stages import ingest

UNSAID = "98765.25"
"""A value that no message may repeat."""


@dataclass(frozen=True)
class Spoilt:
    """A good table made bad in one way, and what is said of it."""

    name: str
    spoil: Callable[[pd.DataFrame], pd.DataFrame | None]
    status: int
    words: tuple[str, ...]


def put(column: str, *values: object, first: int = 0) -> Callable[[pd.DataFrame], None]:
    """Puts the values into the first cases of a column; case 0 stands on line 2."""

    def spoil(cases: pd.DataFrame) -> None:
        cases.loc[range(first, first + len(values)), column] = list(values)

    return spoil


def fraction(cases: pd.DataFrame) -> None:
    cases["odi"] = cases["odi"].astype(float) / 100


def in_months(cases: pd.DataFrame) -> None:
    cases["age_years"] = cases["age_years"].astype(float) * 12


SPOILT = [
    Spoilt(
        "a missing column",
        lambda cases: cases.drop(columns="odi"),
        6,
        ("odi is missing", "Add the column", "0 to 100 points of 100"),
    ),
    Spoilt(
        "no id at all",
        lambda cases: cases.drop(columns="case_id"),
        6,
        ("case_id is missing", "Add the column"),
    ),
    Spoilt(
        "an unknown column",
        lambda cases: cases.assign(favourite_colour=UNSAID),
        6,
        (
            "favourite_colour is not in the dictionary",
            "Leave the column out, or name it as in docs/reference/dictionary.md",
        ),
    ),
    Spoilt(
        "a unit in the name",
        lambda cases: cases.rename(columns={"walking_distance_m": "walking_distance_km"}),
        6,
        ("walking_distance_km is not in the dictionary", "Is walking_distance_m meant", "in that unit"),
    ),
    Spoilt(
        "a variable known later",
        lambda cases: cases.assign(odi_12m=UNSAID),
        7,
        ("odi_12m is known only at follow-up", "Leave the column out: a prediction must not see it"),
    ),
    Spoilt(
        "a variable known at the operation",
        lambda cases: cases.assign(has_dural_tear=0),
        7,
        ("has_dural_tear is known only at the operation", "Leave the column out"),
    ),
    Spoilt(
        "another unit, beyond the range",
        in_months,
        8,
        ("age_years is outside 16 to 105 years in 60 rows (2, 3, 4, 5, 6, ...)", "another unit? Expected: years"),
    ),
    Spoilt(
        "another unit, within the range",
        fraction,
        8,
        ("odi never exceeds 1", "Recorded as a fraction or in another unit? Expected: points of 100"),
    ),
    Spoilt(
        "one value out of range",
        put("bmi_kg_m2", UNSAID, first=4),
        8,
        ("bmi_kg_m2 is outside 12 to 75 kg/m2 in 1 row (6)",),
    ),
    Spoilt(
        "a number outside the codes",
        put("smoking", 7, 0.5),
        8,
        ("smoking holds a code that is none of its choices in 2 rows (2, 3)", "Choices: 0 ("),
    ),
    Spoilt(
        "a word outside the choices",
        put("sex", "secretword", first=9),
        8,
        ("sex holds a code that is none of its choices in 1 row (11)", "female"),
    ),
    Spoilt(
        "a yes in words",
        put("has_diabetes", "yes", "TRUE"),
        8,
        ("has_diabetes is not a number in 2 rows (2, 3)", "Expected: 0 (no), 1 (yes)"),
    ),
    Spoilt(
        "a decimal comma",
        put("bmi_kg_m2", "98765,25"),
        8,
        ("bmi_kg_m2 holds a decimal comma in 1 row (2)", "Write the decimal with a point"),
    ),
    Spoilt(
        "a word for a number",
        put("odi", "secretword", "1e999", first=1),
        8,
        ("odi is not a number in 2 rows (3, 4)", "Expected: 0 to 100"),
    ),
    Spoilt(
        "a pain of 11",
        put("pain_buttock_left", 11, first=6),
        8,
        ("pain_buttock_left is outside 0 to 10 points of 10 in 1 row (8)",),
    ),
    Spoilt(
        "a lesion at L7",
        lambda cases: cases.assign(herniation_l7_s1_paracentral_left=UNSAID),
        6,
        ("names the level l7_s1, for which there is no column", "The levels are l1_l2, l2_l3, l3_l4, l4_l5, l5_s1"),
    ),
    Spoilt(
        "a grade in letters",
        lambda cases: cases.assign(central_stenosis_l4_l5=["C"] + ["1"] * (len(cases) - 1)),
        8,
        (
            "central_stenosis_l4_l5 holds a grade that is no number in 1 row (2)",
            "Translate it, since nothing is translated silently",
            "0 (grade A), 1 (grade B)",
            "grading of Schizas, usually written A to D",
        ),
    ),
    Spoilt(
        "a grade in Roman numerals",
        lambda cases: cases.assign(disc_degeneration_l5_s1=["4", "IV"] * (len(cases) // 2)),
        8,
        ("holds a grade that is no number in 30 rows (3, 5, 7, 9, 11, ...)", "grading of Pfirrmann (disc)"),
    ),
    Spoilt(
        "a grade beyond its grading",
        lambda cases: cases.assign(foraminal_stenosis_l4_l5_left=[4] * 2 + [0] * (len(cases) - 2)),
        8,
        ("holds a code that is none of its choices in 2 rows (2, 3)", "grading of Lee"),
    ),
    Spoilt(
        "a column for both sides",
        lambda cases: cases.assign(herniation_l4_l5_paracentral_both=1),
        6,
        (
            "names the side both",
            "one column for each side, herniation_l4_l5_paracentral_left and herniation_l4_l5_paracentral_right",
        ),
    ),
    Spoilt(
        "a column that does not say the side",
        lambda cases: cases.drop(columns="slr_left").assign(slr="both"),
        6,
        ("slr does not say which side", "one column for each side, slr_left and slr_right"),
    ),
    Spoilt(
        "a side for a result",
        put("slr_left", "both", "right"),
        8,
        ("slr_left holds a side where a value is meant in 2 rows (2, 3)", "one column for each side"),
    ),
    Spoilt(
        "an id twice",
        put("case_id", "C000009", first=2),
        8,
        ("case_id is not unique in 2 rows", "(4, ", "Give each case an id of its own"),
    ),
    Spoilt(
        "an empty id",
        put("case_id", None, "  "),
        8,
        ("case_id is empty in 2 rows (2, 3)", "Every case needs one"),
    ),
    Spoilt(
        "an empty case id",
        put("case_id", None, first=3),
        8,
        ("case_id is empty in 1 row (5)", "Every case needs one"),
    ),
    Spoilt(
        "a date to come",
        put("index_date", "2999-01-31", first=7),
        8,
        ("index_date lies in the future in 1 row (9)", "Correct the date"),
    ),
    Spoilt(
        "a date long ago",
        put("index_date", "1890-01-31"),
        8,
        ("index_date lies before 1990-01-01 in 1 row (2)", "Correct the date"),
    ),
    Spoilt(
        "a date in another order",
        put("index_date", "31.01.2020", "2020-02-31", "01/31/2020"),
        8,
        ("index_date is not a date in 3 rows (2, 3, 4)", "Write it as YYYY-MM-DD"),
    ),
]


@pytest.mark.parametrize("bad", SPOILT, ids=lambda bad: bad.name)
def test_check_names_file_column_rows_and_what_to_do(backcast, planned, elsewhere, bad):
    spoilt = bad.spoil(planned)
    (planned if spoilt is None else spoilt).to_csv("cases.csv", index=False)
    answer = backcast("check", "cases.csv")
    assert answer.status == bad.status
    assert answer.says("backcast: cases.csv: 1 problem") or "cases.csv: 2 problems" in answer.err
    assert answer.says(*bad.words)
    assert answer.out == ""
    for value in (UNSAID, "98765,25", "secretword", "C000009", "2999", "1890", "31.01", "1e999", "TRUE"):
        assert value not in answer.err
    assert os.listdir(elsewhere) == ["cases.csv"]


def test_a_good_file_is_fit(backcast, planned):
    planned.to_csv("cases.csv", index=False)
    answer = backcast("check", "cases.csv")
    assert (answer.status, answer.err) == (0, "")
    assert "60 cases" in answer.out
    assert "Fit for prediction" in answer.out


def test_optional_columns_may_be_absent_or_empty(backcast, planned):
    planned = planned.drop(columns=["slr_left"]).assign(distress_hscl25="", eq5d_index="NA")
    planned.to_csv("cases.csv", index=False)
    assert backcast("check", "cases.csv").status == 0


def test_all_problems_of_a_file_are_said_at_once_under_the_first_status(backcast, planned):
    for spoil in (put("smoking", 9), put("bmi_kg_m2", "27,5"), put("index_date", "2999-01-01", first=1), in_months):
        spoil(planned)
    planned = planned.drop(columns="odi").assign(odi_12m=3, hair=1)
    planned.to_csv("cases.csv", index=False)
    answer = backcast("check", "cases.csv")
    assert answer.status == 6
    assert answer.says("cases.csv: 7 problems.")
    for words in (
        ("odi is missing",),
        ("hair is not in the dictionary",),
        ("odi_12m is known only at follow-up",),
        ("smoking", "(2)"),
        ("bmi_kg_m2 holds a decimal comma", "(2)"),
        ("index_date lies in the future", "(3)"),
        ("age_years is outside", "60 rows"),
    ):
        assert answer.says(*words)


def test_rows_are_lines_of_the_file(backcast, planned, elsewhere):
    planned.loc[41, "smoking"] = 9
    planned.loc[41, "case_id"] = "marked"
    planned.to_csv("cases.csv", index=False)
    lines = (elsewhere / "cases.csv").read_text().splitlines()
    (line,) = [number for number, text in enumerate(lines, start=1) if text.startswith("marked")]
    assert backcast("check", "cases.csv").says(f"smoking holds a code that is none of its choices in 1 row ({line})")


def test_a_follow_up_file_is_for_training_and_not_for_a_prediction(backcast, whole_registry):
    whole_registry.to_csv("registry.csv", index=False)
    training = backcast("check", "registry.csv", "--for", "training")
    assert (training.status, training.err) == (0, "")
    assert "Fit for training" in training.out
    prediction = backcast("check", "registry.csv")
    assert prediction.status == 7
    for column in ("operation_date", "odi_12m", "death_date", "followup_slr_left"):
        assert prediction.says(f"- {column} is known only at")


def test_training_needs_the_outcome(backcast, registry):
    registry.drop(columns=["odi_12m", "reoperation_date"]).to_csv("registry.csv", index=False)
    answer = backcast("check", "registry.csv", "--for", "training")
    assert answer.status == 6
    assert answer.says("odi_12m is missing")
    assert answer.says("reoperation_date is missing")


@pytest.mark.parametrize(
    ("later", "earlier"),
    [("operation_date", "index_date"), ("followup_date", "operation_date"), ("death_date", "index_date")],
)
def test_dates_in_an_impossible_order_are_refused(backcast, registry, later, earlier):
    registry.loc[3, [earlier, later]] = ["2019-06-02", "2019-06-01"]
    registry.to_csv("registry.csv", index=False)
    answer = backcast("check", "registry.csv", "--for", "training")
    assert answer.status == 8
    assert answer.says(f"{later} lies before {earlier} in 1 row (5)", "Correct one of the dates")


NO_TABLE = {
    "an empty file": (lambda cases: b"", "is empty"),
    "a header alone": (lambda cases: cases.head(0).to_csv(index=False).encode(), "has a header and no case"),
    "prose": (lambda cases: b"Dear colleague\nplease find attached\n", "is not a CSV in the dictionary's layout"),
    "a workbook": (lambda cases: b"PK\x03\x04....", "is an Excel or zip file, not a CSV"),
    "semicolons": (lambda cases: cases.to_csv(index=False, sep=";").encode(), "Set --separator"),
    "Latin-1": (
        lambda cases: cases.assign(centre_id="Zürich").to_csv(index=False).encode("latin-1"),
        "line 2 holds a byte that it does not allow",
    ),
    "a bare comma in a number": (
        lambda cases: cases.to_csv(index=False).replace("\nC000003,", "\nC0,00003,").encode(),
        "1 row does not have",
    ),
    "a torn end": (lambda cases: cases.to_csv(index=False).encode()[:-200], "1 row does not have"),
}


@pytest.mark.parametrize("name", NO_TABLE)
def test_a_file_that_is_no_table_is_refused(backcast, planned, elsewhere, name):
    content, words = NO_TABLE[name]
    (elsewhere / "cases.csv").write_bytes(content(planned))
    answer = backcast("check", "cases.csv")
    assert answer.status == 5
    assert answer.says("backcast: cases.csv", words)
    assert len(answer.err.splitlines()) == 1


def test_an_absent_file_is_refused(backcast):
    answer = backcast("check", "nowhere.csv")
    assert answer.status == 5
    assert answer.says("nowhere.csv does not exist")


def test_the_header_may_name_no_column_twice(backcast, planned):
    pd.concat([planned, planned[["odi"]]], axis=1).to_csv("cases.csv", index=False)
    answer = backcast("check", "cases.csv")
    assert answer.status == 6
    assert answer.says("cases.csv: the header names odi more than once")


def test_other_encodings_and_separators_are_read_when_named(backcast, planned, elsewhere):
    planned = planned.assign(centre_id="Zürich")
    (elsewhere / "bom.csv").write_bytes(planned.to_csv(index=False).encode("utf-8-sig"))
    (elsewhere / "latin.csv").write_bytes(planned.to_csv(index=False, sep=";").encode("latin-1"))
    (elsewhere / "tab.csv").write_bytes(planned.to_csv(index=False, sep="\t", lineterminator="\r\n").encode())
    assert backcast("check", "bom.csv").status == 0
    assert backcast("check", "latin.csv", "--encoding", "latin-1", "--separator", ";").status == 0
    assert backcast("check", "tab.csv", "--separator", r"\t").status == 0


def test_an_unknown_encoding_or_separator_is_no_crash(backcast, planned):
    planned.to_csv("cases.csv", index=False)
    assert backcast("check", "cases.csv", "--encoding", "klingon").says("there is no encoding klingon")
    answer = backcast("check", "cases.csv", "--separator", ";;")
    assert answer.status == 5
    assert answer.says("';;' cannot separate values")


@pytest.mark.parametrize(
    ("command", "extra"), [("score", ("--out", "out/risks.parquet")), ("explain", ("--case", "C000001"))]
)
@pytest.mark.parametrize(
    "bad", [bad for bad in SPOILT if bad.name in ("a missing column", "a variable known later", "a decimal comma")],
    ids=lambda bad: bad.name,
)  # fmt: skip
def test_score_and_explain_refuse_what_check_refuses_and_write_nothing(
    backcast, planned, elsewhere, bad, command, extra
):
    spoilt = bad.spoil(planned)
    (planned if spoilt is None else spoilt).to_csv("cases.csv", index=False)
    answer = backcast(command, "cases.csv", *extra)
    assert answer.status == bad.status
    assert answer.says(*bad.words)
    assert os.listdir(elsewhere) == ["cases.csv"]


def test_score_leaves_an_older_table_alone(backcast, planned, elsewhere):
    planned.drop(columns="odi").to_csv("cases.csv", index=False)
    (elsewhere / "risks.parquet").write_bytes(b"older")
    assert backcast("score", "cases.csv", "--out", "risks.parquet").status == 6
    assert (elsewhere / "risks.parquet").read_bytes() == b"older"


def test_a_case_that_is_not_in_the_file_is_refused(backcast, planned):
    planned.to_csv("cases.csv", index=False)
    answer = backcast("explain", "cases.csv", "--case", "C999999")
    assert answer.status == 12
    assert answer.says("cases.csv has no such case_id among its 60 cases", "Check --case")


@pytest.mark.parametrize("arguments", [("score", "cases.csv", "--out", "."), ("example", "."), ("score", "cases.csv")])
def test_a_wrong_use_of_a_command_is_a_message_and_status_2(backcast, arguments):
    answer = backcast(*arguments)
    assert answer.status == 2
    assert answer.says("Error:")


@pytest.mark.parametrize(("option", "value"), [("--cases", "0"), ("--cases", "-3"), ("--seed", "-1")])
def test_an_example_that_cannot_be_drawn_is_refused(backcast, elsewhere, option, value):
    answer = backcast("example", "cases.csv", option, value)
    assert answer.status == 3
    assert answer.says(f"registry.{option.removeprefix('--')} must lie in")
    assert list(elsewhere.iterdir()) == []


def test_an_example_is_fit_for_a_prediction(backcast):
    assert backcast("example", "cases.csv", "--cases", "30").status == 0
    assert backcast("check", "cases.csv").status == 0


def test_an_example_of_failed_operations_is_fit_for_a_work_up_and_names_no_cause(backcast):
    assert backcast("example", "failed.csv", "--failed", "--cases", "30").status == 0
    assert "30 cases" in backcast("check", "failed.csv", "--for", "workup").out
    assert "adjudicated_cause" not in Path("failed.csv").read_text().splitlines()[0].split(",")


def test_every_kind_of_error_has_a_status_of_its_own():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BackcastError)]
    statuses = [kind.exit_status for kind in kinds]
    assert len(set(statuses)) == len(statuses)
    assert not {0, 2} & set(statuses)
    for kind in kinds[1:]:
        assert f"{kind.__name__:19} {kind.exit_status:2}".split() in [
            line.strip("│├└─ ").split()[:2] for line in (errors.__doc__ or "").splitlines()
        ]


@pytest.fixture
def project(elsewhere, root, params_yaml):
    """A folder with params.yaml and dvc.yaml alone, in which a stage can run."""
    params_yaml({"ingest.file": "registry.csv"})
    shutil.copy(root / "dvc.yaml", elsewhere)
    return elsewhere


def test_ingest_lists_every_problem_and_writes_no_cases(project, registry):
    for spoil in (put("smoking", 9, 9), put("bmi_kg_m2", "27,5"), put("index_date", "2999-01-01", first=1)):
        spoil(registry)
    put("case_id", registry.loc[0, "case_id"], first=20)(registry)
    registry.drop(columns="odi_12m").to_csv("registry.csv", index=False)
    with pytest.raises(BackcastError, match=r"registry\.csv \(all of them in data/ingest/problems\.csv\)"):
        ingest.run(load_params())
    listed = pd.read_csv("data/ingest/problems.csv")
    assert list(listed.columns) == ["rule", "column", "n_rows", "rows", "what", "to_do", "error"]
    said = {(row.rule, row.column): (row.n_rows, row.rows) for row in listed.itertuples()}
    assert said["not_a_choice", "smoking"] == (2, "2 3")
    assert said["not_a_number", "bmi_kg_m2"] == (1, "2")
    assert said["future_date", "index_date"] == (1, "3")
    assert said["duplicate_id", "case_id"] == (2, "2 22")
    assert said["missing_column", "odi_12m"][0] == 0
    assert "27,5" not in Path("data/ingest/problems.csv").read_text()
    assert os.listdir("data/ingest") == ["problems.csv"]


def test_ingest_lists_all_rows_of_a_problem(project, registry):
    in_months(registry)
    registry.to_csv("registry.csv", index=False)
    with pytest.raises(ValuesError, match=r"in 60 rows \(2, 3, 4, 5, 6, \.\.\.\)"):
        ingest.run(load_params())
    listed = pd.read_csv("data/ingest/problems.csv").set_index("column")
    assert listed.loc["age_years", "rows"].split() == [str(line) for line in range(2, 62)]


def test_ingest_of_a_good_file_types_every_column(project, whole_registry):
    registry = whole_registry
    registry.to_csv("registry.csv", index=False)
    assert stage.main(["ingest"]) == 0
    assert len(pd.read_csv("data/ingest/problems.csv")) == 0
    cases = pd.read_parquet("data/ingest/cases.parquet")
    assert cases.index.name == "case_id"
    assert list(cases.index) == list(registry["case_id"])
    assert cases["odi"].dtype == np.float64
    assert np.issubdtype(cases["index_date"].dtype, np.datetime64)


def test_a_stage_that_refuses_ends_with_the_status_of_its_error(project, registry, capsys):
    registry.drop(columns="odi").to_csv("registry.csv", index=False)
    assert stage.main(["ingest"]) == 6
    said = capsys.readouterr().err
    assert said.startswith("ingest: registry.csv")
    assert "odi is missing" in said


def test_an_unknown_stage_is_refused_with_the_stages_there_are(capsys):
    assert stage.main(["ingst"]) == 2
    assert "stages: registry, ingest" in capsys.readouterr().err


def test_a_misspelt_parameter_stops_a_stage_before_it_reads(project, capsys, params_yaml):
    params_yaml({"ingest.seperator": ";"})
    assert stage.main(["ingest"]) == 3
    assert "ingest.seperator (is separator meant?)" in capsys.readouterr().err
    assert not Path("data").exists()


def ingested(registry: pd.DataFrame) -> None:
    """Write the cases as stage ingest would."""
    text = registry.astype(str).where(registry.notna())
    cases, problems = typed_cases(text)
    assert problems == []
    Path("data/ingest").mkdir(parents=True)
    cases.set_index("case_id").to_parquet("data/ingest/cases.parquet")


def test_no_case_after_the_criteria_is_refused_with_the_count_of_each(project, whole_registry, capsys):
    whole_registry["age_years"] = 17
    ingested(whole_registry)
    assert stage.main(["cohort"]) == 9
    said = capsys.readouterr().err
    assert "No case of 60 meets the criteria" in said
    assert "adult (age recorded, at least 18 years): 60 excluded" in said
    assert "See `cohort` in params.yaml" in said
    assert not Path("data/cohort").exists()


def test_red_flags_exclude_everyone_by_name(project, whole_registry, capsys):
    whole_registry["has_saddle_numbness"] = 1
    ingested(whole_registry)
    assert stage.main(["cohort"]) == 9
    assert "no red flag" in capsys.readouterr().err


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_outcome_with_one_class_cannot_be_learned(value):
    n = 40
    with pytest.raises(
        OutcomeError, match=r"failure_12m cannot be learned: .*split\.folds.*train\.outcomes"
    ) as refused:
        Development(
            outcome="failure_12m",
            X=pd.DataFrame(index=[f"C{number}" for number in range(n)]),
            y=np.full(n, value),
            weights=np.ones(n),
            patients=np.arange(n),
            folds=np.arange(n) % 5,
        )
    assert refused.value.exit_status == 10
    assert f"happened in {int(value * n)} development cases and did not in {int((1 - value) * n)}" in str(refused.value)


def test_cases_that_are_not_weighted_do_not_make_a_class():
    y, weights = np.zeros(40), np.ones(40)
    y[:20], weights[:20] = 1, 0
    with pytest.raises(OutcomeError, match="happened in 0 development cases"):
        Development("failure_12m", pd.DataFrame(index=range(40)), y, weights, np.arange(40), np.arange(40) % 5)


def process(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_installed_command_ends_with_the_status_and_no_traceback(elsewhere, planned):
    put("smoking", 9, first=5)(planned)
    planned.to_csv("cases.csv", index=False)
    ended = process(str(Path(sys.executable).with_name("backcast")), "check", "cases.csv")
    assert ended.returncode == 8
    assert ended.stdout == ""
    assert ended.stderr.startswith("backcast: cases.csv: 1 problem.\n  - smoking")
    assert "Traceback" not in ended.stderr


def test_a_stage_in_its_own_process_ends_with_the_status_and_no_traceback(project, registry):
    registry.head(0).to_csv("registry.csv", index=False)
    ended = process(sys.executable, "-m", "pipeline.stage", "ingest")
    assert ended.returncode == 5
    assert "registry.csv has a header and no case" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not Path("data").exists()
