"""What is wrong with an export is said with its line and its column, all at once, and nothing is written."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random

import pandas as pd
import pytest

from features.errors import BackcastError, ColumnsError, FileFormatError, ParamsError, ValuesError
from pipeline.redcap.reading import checked_cases, decoded, told
from tests.redcap import small_redcap


def second(rows):
    """The first row of the second case."""
    return next(place for place, row in enumerate(rows) if row[0] != rows[0][0])


@pytest.fixture
def export(kept_narrow, rows, tmp_path):
    """Writes the export of three cases after a change: `export(lambda header, rows: ...)`."""
    three = list(dict.fromkeys(row["case_id"] for row in rows))[:3]

    def of(change=lambda header, rows: None, **how):
        header, exported = kept_narrow.export(three, **how)
        change(header, exported)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *exported])
        (tmp_path / "export.csv").write_text(text.getvalue(), encoding="utf-8")

    return of


def named(old, new):
    def change(header, rows):
        header[header.index(old)] = new

    return change


def read(backcast, *more):
    return backcast("redcap", "read", "export.csv", "--out", "cases.csv", *more)


def test_an_export_becomes_cases_that_score_would_take(export, backcast, tmp_path):
    export()
    status, said = backcast("redcap", "read", "export.csv", "--out", "cases.csv")
    assert (status, "cases.csv: 3 cases, " in said) == (0, True)
    assert backcast("check", "cases.csv")[0] == 0


def test_cases_written_for_redcap_come_back(export, backcast, tmp_path, narrow):
    export()
    assert read(backcast)[0] == 0
    status, said = backcast("redcap", "write", "cases.csv", "--out", "import.csv")
    assert (status, "import.csv: 3 cases in" in said) == (0, True)
    project = small_redcap.Project(narrow[0], ["follow_up_work_up"])
    with (tmp_path / "import.csv").open(encoding="utf-8", newline="") as file:
        project.take(list(csv.DictReader(file)))
    before = (tmp_path / "cases.csv").read_bytes()
    (tmp_path / "export.csv").write_text(project.file(), encoding="utf-8")
    assert read(backcast)[0] == 0
    assert (tmp_path / "cases.csv").read_bytes() == before


ANOTHER = "record_id,redcap_event_name,dob,weight\n1,visit_1,1970-01-01,80\n"


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (ANOTHER, FileFormatError, "is an export of another REDCap project"),
        ("case_id,weight\n1,80\n", FileFormatError, "1 are fields of the record"),
        ("record_id,age_years,sex\n1,50,male\n", FileFormatError, "its record id is not case_id"),
        ("case_id;age_years;sex\n1;50;male\n", FileFormatError, "name the --separator"),
        ("case_id,age_years\n", FileFormatError, "a header and no record"),
        ("case_id,age_years\n1,50,x\n", FileFormatError, "first: line 2"),
        ('case_id,age_years\n1,"50\n', FileFormatError, "does not end, or is too long"),
        ("", FileFormatError, "is empty"),
    ],
)
def test_what_is_no_export_of_ours_is_refused(backcast, tmp_path, text, error, said):
    (tmp_path / "export.csv").write_text(text, encoding="utf-8")
    status, message = read(backcast)
    assert (status, said in message) == (error.exit_status, True), message
    assert not (tmp_path / "cases.csv").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (named("sex", "age_years"), "age_years stands more than once"),
        (named("planned_fusion___l1_l2", "planned_fusion"), "planned_fusion has all its boxes in one column"),
        (named("slr_left", "slr_left___0"), "slr_left is a checkbox in this project"),
    ],
)
def test_columns_that_cannot_be_decoded_are_refused(export, backcast, tmp_path, change, said):
    export(change)
    status, message = read(backcast)
    assert (status, said in message) == (ColumnsError.exit_status, True), message
    assert not (tmp_path / "cases.csv").exists()


MISTAKES = {
    "age_years": ("oldish", "age_years is not a number in 1 row (2)"),
    "bmi_kg_m2": ("755", "bmi_kg_m2 is outside 12 to 75 kg/m2 in 1 row (2)"),
    "sex": ("unsure", "sex holds a code that is none of its choices in 1 row (2)"),
    "index_date": ("31-12-2020", "index_date is not a date in 1 row (2)"),
    "planned_fusion___l4_l5": ("perhaps", "planned_fusion_l4_l5 is neither ticked nor not in 1 row (2)"),
}


def test_all_mistakes_are_told_at_once_and_none_is_quoted(export, backcast, tmp_path):
    def spoil(header, rows):
        for column, (value, _) in MISTAKES.items():
            rows[0][header.index(column)] = value
        rows[second(rows)][0] = ""
        header[header.index("odi")] = "oswestry"

    export(spoil)
    status, message = read(backcast)
    assert status == ColumnsError.exit_status
    for _, said in MISTAKES.values():
        assert said in message, message
    assert "case_id is empty in 1 row (" in message
    assert "odi is missing" in message
    assert not any(value and value in message for value, _ in MISTAKES.values())
    assert not (tmp_path / "cases.csv").exists()


def test_a_mistake_in_a_work_up_is_at_the_line_of_the_work_up(kept_narrow, rows, backcast, tmp_path):
    case = next(row["case_id"] for row in rows if row["redcap_repeat_instrument"])
    header, exported = kept_narrow.export([case])
    exported[1][header.index("followup_odi")] = "1000"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *exported])
    (tmp_path / "export.csv").write_text(text.getvalue(), encoding="utf-8")
    assert "followup_odi is outside 0 to 100 points of 100 in 1 row (3)" in read(backcast, "--for", "workup")[1]


def test_work_ups_without_a_day_are_not_guessed_between(kept_narrow, rows, backcast, tmp_path):
    case = next(row["case_id"] for row in rows if row["redcap_repeat_instrument"])
    header, exported = kept_narrow.export([case])
    exported[1][header.index("workup_date")] = ""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *exported, exported[1]])
    (tmp_path / "export.csv").write_text(text.getvalue(), encoding="utf-8")
    status, message = read(backcast)
    assert (status, "workup_date does not tell which of several work-ups was last" in message) == (8, True), message


def test_a_missing_data_code_that_is_also_a_value_is_refused(export, backcast):
    export()
    status, message = read(backcast, "--missing", "99=Not known")
    assert (status, "which the project also uses as a missing-data code" in message) == (ValuesError.exit_status, True)


@pytest.mark.parametrize("wrong", [("--work-up", "0"), ("--work-up", "latest"), ("--missing", "=Unknown")])
def test_a_wrong_option_is_refused(export, backcast, wrong):
    export()
    assert read(backcast, *wrong)[0] == ParamsError.exit_status


def test_a_separator_is_one_mark(export, backcast):
    export()
    status, message = read(backcast, "--separator", ",,")
    assert (status, "cannot separate values" in message) == (FileFormatError.exit_status, True)


def test_nothing_is_written_over_the_export(export, backcast):
    export()
    status, message = backcast("redcap", "read", "export.csv", "--out", "export.csv")
    assert (status, "which it would replace" in message) == (FileFormatError.exit_status, True)


def test_notes_with_line_breaks_shift_no_line(export, backcast):
    def spoil(header, rows):
        header.append("nurse_notes")
        for row in rows:
            row.append("two\nlines")
        at.append(2 * second(rows) + 2)
        rows[second(rows)][header.index("age_years")] = "200"

    at: list[int] = []
    export(spoil)
    assert f"age_years is outside 16 to 105 years in 1 row ({at[0]})" in read(backcast)[1]


HEADERS = [
    "Case", "age_years", "Age", "sex", "slr_left", "slr_left___1", "bmi_kg_m2", "index_date", "workup_date",
    "operation_date", "followup_odi", "fu_slr_lt", "planned_fusion", "planned_fusion___l1_l2", "planned_fusion___ni",
    "redcap_event_name", "redcap_repeat_instance", "patient_complete", "Complete?", "notes", "",
]  # fmt: skip
CELLS = [
    "", "0", "1", "2", "yes", "No", "male", "Checked", "UNK", "Unknown", "-9", "1e400", "nan", "2024-01-01",
    "2025-01-01", "2024-13-01", "SECRET", "7777777777777777", "two\nlines", '"', "follow_up_work_up", " 5 ",
]  # fmt: skip


def test_any_table_is_cases_or_a_message_that_quotes_nothing():
    draw, ends = random.Random(11), set()
    for _ in range(60):
        header = ["case_id", *draw.sample(HEADERS, draw.randint(1, 9))]
        rows = [[draw.choice("ABC"), *draw.choices(CELLS, k=len(header) - 1)] for _ in range(draw.randint(1, 6))]
        try:
            found = decoded(pd.DataFrame(rows, columns=header, dtype=object), range(2, 2 + len(rows)), "export.csv")
            checked_cases(
                found, "follow_up", draw.choice(["last", "first", 2]), "export.csv", today=dt.date(2026, 1, 1)
            )
            said = " ".join(told(found))
        except BackcastError as error:
            said = str(error)
        ends.add(said[:40])
        assert "SECRET" not in said
        assert "7777" not in said
    assert len(ends) > 10
