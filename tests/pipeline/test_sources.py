"""CSV, Parquet, Excel, archives and folders give the same cases; what cannot be read is one message with its place."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook, load_workbook

from features.errors import ColumnsError, FileFormatError, ValuesError
from features.record import required_columns, typed_cases
from pipeline import paths
from pipeline.files import write_json, write_table
from pipeline.intake import checked_records
from pipeline.params import IngestParams
from pipeline.sources.records import content_sha256, input_sha256, read_records, source_facts
from pipeline.sources.text import text_of
from pipeline.trace import place_in_source

TODAY = dt.date(2026, 1, 1)


def as_excel(cases: pd.DataFrame, path: Path, sheet: str = "cases") -> None:
    cases.to_excel(path, index=False, sheet_name=sheet)


def as_zip(cases: pd.DataFrame, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._cases.csv", b"\x00\x05")
        archive.writestr("cases.csv", cases.to_csv(index=False))


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "cases.csv": lambda cases, path: cases.to_csv(path, index=False),
    "cases.csv.gz": lambda cases, path: path.write_bytes(gzip.compress(cases.to_csv(index=False).encode(), mtime=0)),
    "cases.zip": as_zip,
    "cases.parquet": lambda cases, path: cases.to_parquet(path, index=False),
    "indexed.parquet": lambda cases, path: cases.set_index("case_id").to_parquet(path),
    "filtered.parquet": lambda cases, path: cases.set_index(cases.index + 7).to_parquet(path),
    "cases.xlsx": as_excel,
    "CASES.PARQUET": lambda cases, path: cases.to_parquet(path, index=False),
}


@pytest.fixture(scope="module")
def typed(registry_as_drawn) -> pd.DataFrame:
    """Sixty operations with their follow-up as numbers, words and days."""
    columns = [*required_columns("adjudication"), "has_diabetes", "eq5d_index", "operation_date"]
    chosen = registry_as_drawn[list(dict.fromkeys(columns))]
    cases, problems = typed_cases(chosen.astype(str).where(chosen.notna()))
    assert problems == []
    return cases


def read(path: Path | str, **how: Any) -> pd.DataFrame:
    return read_records(Path(path), IngestParams(file=str(path), **how))


# ---- the same cases from every kind of file ------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_cases_of_the_csv(typed, elsewhere, name):
    WRITERS[name](typed, elsewhere / name)
    cases, problems = checked_records(Path(name), IngestParams(file=name), "adjudication", today=TODAY)
    assert problems == []
    pd.testing.assert_frame_equal(cases[typed.columns].reset_index(drop=True), typed)
    assert content_sha256(cases) == content_sha256(typed)


@pytest.mark.parametrize("name", ["cases.csv", "cases.zip", "cases.parquet", "cases.xlsx"])
def test_a_mistake_is_said_in_the_same_words_whatever_the_file(planned, elsewhere, backcast, name):
    planned.loc[3, "bmi_kg_m2"] = "27,5"
    planned.loc[4, "index_date"] = "03/04/2021"
    planned["smoking"] = [7.0] + [0.0] * (len(planned) - 1)
    planned = planned.astype({column: str for column in planned.columns if planned[column].dtype == object})
    WRITERS[name](planned.replace({"nan": None, "None": None}), elsewhere / name)
    answer = backcast("check", name)
    assert answer.status == 8
    first = 1 if name.endswith("parquet") else 2
    assert answer.says(f"bmi_kg_m2 holds a decimal comma in 1 row ({first + 3})")
    assert answer.says(f"index_date is not a date in 1 row ({first + 4})", "Write it as YYYY-MM-DD")
    assert answer.says(f"smoking holds a code that is none of its choices in 1 row ({first})")
    assert os.listdir(elsewhere) == [name]


@pytest.mark.parametrize("name", ["cases.csv", "cases.parquet", "cases.xlsx"])
def test_missing_marks_are_missing_in_every_kind_of_file(elsewhere, name):
    WRITERS[name](pd.DataFrame({"case_id": ["C1", "C2"], "odi": [-9, 40], "sex": ["NA", None]}), elsewhere / name)
    table = read(name, missing_marks=["", "NA", "-9"])
    assert table.isna().to_numpy().tolist() == [[False, True, True], [False, False, True]]


@pytest.mark.parametrize("name", ["cases.csv", "cases.parquet", "cases.xlsx"])
def test_a_column_without_any_value_is_not_recorded(typed, elsewhere, name):
    WRITERS[name](typed.assign(eq5d_index=None), elsewhere / name)
    cases, problems = checked_records(Path(name), IngestParams(file=name), "adjudication", today=TODAY)
    assert problems == []
    assert cases["eq5d_index"].isna().all()


def test_one_of_several_sheets_is_named(planned, elsewhere, backcast):
    as_excel(planned, elsewhere / "cases.xlsx", sheet="operations")
    book = load_workbook("cases.xlsx")
    book.create_sheet("notes")
    book.save("cases.xlsx")
    assert backcast("check", "cases.xlsx").says("has 2 sheets: operations, notes. Name one: --sheet or ingest.sheet")
    assert backcast("check", "cases.xlsx", "--sheet", "operations").status == 0
    assert backcast("check", "cases.xlsx", "--sheet", "cases").says("has no sheet cases; it has: operations, notes")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (float("nan"), None),
        (pd.NaT, None),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e300, "1e+300"),
        (-0.0, "0"),
        (np.float64(40), "40"),
        (10**20, "100000000000000000000"),
        (False, "0"),
        (dt.date(2021, 3, 4), "2021-03-04"),
        (pd.Timestamp("2021-03-04"), "2021-03-04"),
        (dt.datetime(2021, 3, 4, 12, 30), "2021-03-04 12:30:00"),
        (dt.datetime(2021, 3, 4, tzinfo=dt.UTC), "2021-03-04 00:00:00+00:00"),
        (" 040 ", " 040 "),
    ],
)
def test_a_value_becomes_the_text_that_a_csv_would_hold(value, text):
    assert text_of(value) == text


# ---- what is not whole ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cases.csv.gz", "cases.zip", "cases.parquet", "cases.xlsx"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_file_that_broke_off_is_refused_and_nothing_is_written(typed, elsewhere, backcast, name, share):
    WRITERS[name](typed, elsewhere / name)
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[: max(5, int(share * len(whole)))])
    answer = backcast("check", name, "--for", "training")
    assert answer.status == 5
    assert answer.says(f"backcast: {name} is not a whole", "Fetch it again")
    assert len(answer.err.splitlines()) == 1
    assert os.listdir(elsewhere) == [name]


@pytest.mark.parametrize("name", ["cases.csv.gz", "cases.zip", "cases.parquet", "cases.xlsx"])
def test_a_page_saved_under_the_name_of_a_file_is_refused(elsewhere, backcast, name):
    Path(name).write_text("<html><body>Sign in to go on</body></html>")
    answer = backcast("check", name)
    assert answer.status == 5
    assert answer.says("is not a whole")


def test_a_damaged_byte_in_an_archive_is_found(typed, elsewhere):
    as_zip(typed, Path("cases.zip"))
    raw = bytearray(Path("cases.zip").read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    Path("cases.zip").write_bytes(raw)
    with pytest.raises(FileFormatError, match=r"cases\.zip is not a whole zip file"):
        read("cases.zip")


def test_a_zip_holds_one_csv(elsewhere):
    with zipfile.ZipFile("cases.zip", "w") as archive:
        archive.writestr("2016.csv", "case_id,odi\nC1,40\n")
        archive.writestr("2017.csv", "case_id,odi\nC2,40\n")
    with pytest.raises(FileFormatError, match=r"cases\.zip holds 2 files\. Leave one CSV in it, or unzip them"):
        read("cases.zip")


def test_a_message_names_the_file_within_the_zip(elsewhere):
    with zipfile.ZipFile("pack.zip", "w") as archive:
        archive.writestr("cases.csv", "case_id,odi\nC1\n")
    with pytest.raises(FileFormatError, match=r"pack\.zip \(cases\.csv\): 1 row does not have the 2 values"):
        read("pack.zip")


def test_parquet_of_lists_is_refused_by_column(elsewhere):
    pd.DataFrame({"case_id": ["C1"], "odi": [[1, 2]], "sex": [b"x"], "nrs_leg": [3]}).to_parquet("cases.parquet")
    with pytest.raises(FileFormatError, match="odi holds values of type list; sex holds values of type bytes"):
        read("cases.parquet")


def test_parquet_may_name_no_column_twice_and_must_name_one_that_is_meant(elsewhere):
    table = pd.DataFrame([["C1", 1, 2]], columns=["case_id", "odi", "odi"])
    with pytest.raises(ValueError, match="Duplicate column names"):
        table.to_parquet("cases.parquet")
    pd.DataFrame({"hair": ["brown"]}).to_parquet("cases.parquet")
    with pytest.raises(FileFormatError, match="names not one column of the dictionary"):
        read("cases.parquet")


def test_the_names_that_are_meant_may_be_those_of_a_study(elsewhere):
    Path("cases.csv").write_text("Provider Code,Age Band\nRA1,60 to 69\n")
    how = IngestParams(file="cases.csv")
    with pytest.raises(FileFormatError, match="names not one column of the dictionary"):
        read_records(Path("cases.csv"), how)
    assert len(read_records(Path("cases.csv"), how, names={"Provider Code"})) == 1


# ---- Excel ---------------------------------------------------------------------------------------


@pytest.fixture
def sheet(elsewhere) -> Callable[..., pd.DataFrame]:
    """Writes rows into an Excel file, lets it be spoilt, and reads it."""

    def of(*rows: list[Any], spoil: Callable[[Any], object] = lambda sheet: None, **how: Any) -> pd.DataFrame:
        book = Workbook()
        for row in rows:
            book.active.append(row)
        spoil(book.active)
        book.save("cases.xlsx")
        return read("cases.xlsx", **how)

    return of


HEADER = ["case_id", "odi", "index_date"]
CASE = ["C1", 40, dt.date(2021, 3, 4)]


def test_numbers_dates_and_text_of_a_sheet_are_read_as_they_are_meant(sheet):
    table = sheet(HEADER, CASE, [17, "040", dt.datetime(2021, 3, 5)], [18.0, 7.5, "2021-03-06"], ["C4", True, None])
    assert table["case_id"].tolist() == ["C1", "17", "18", "C4"]
    assert table["odi"].tolist() == ["40", "040", "7.5", "1"]
    assert table["index_date"].tolist()[:3] == ["2021-03-04", "2021-03-05", "2021-03-06"]
    assert table["index_date"].isna().tolist() == [False, False, False, True]


def test_a_number_that_excel_took_for_a_date_is_refused_by_its_row(planned, elsewhere, backcast):
    as_excel(planned, elsewhere / "cases.xlsx")
    book = load_workbook("cases.xlsx")
    cell = book.active.cell(row=5, column=list(planned.columns).index("bmi_kg_m2") + 1, value=dt.date(2024, 7, 5))
    book.save("cases.xlsx")
    assert cell.coordinate
    answer = backcast("check", "cases.xlsx")
    assert answer.status == 8
    assert answer.says("bmi_kg_m2 is not a number in 1 row (5)")
    assert "2024" not in answer.err


@pytest.mark.parametrize("place", ["A1:B1", "A1:A2", "C2:C3"])
def test_merged_cells_are_refused_since_one_alone_has_the_value(sheet, place):
    with pytest.raises(FileFormatError, match=rf"cells are merged \({place}\)\. Unmerge them"):
        sheet(HEADER, CASE, CASE, spoil=lambda sheet: sheet.merge_cells(place))


def test_a_title_above_the_header_is_refused(sheet):
    with pytest.raises(FileFormatError, match="names not one column of the dictionary"):
        sheet(["Spine registry 2021"], HEADER, CASE)
    with pytest.raises(FileFormatError, match="row 1 is empty"):
        sheet([None], HEADER, CASE)


def test_columns_of_a_sheet_need_names_of_their_own(sheet):
    with pytest.raises(ColumnsError, match="the header has no name for column 2"):
        sheet(["case_id", None, "odi"], ["C1", 1, 2])
    with pytest.raises(ColumnsError, match="the header names odi more than once"):
        sheet(["case_id", "odi", "odi"], ["C1", 1, 2])


def test_empty_rows_and_columns_at_the_end_are_none_and_between_cases_are_refused(sheet):
    assert sheet(HEADER, CASE, [None] * 5, [" "]).shape == (1, 3)
    with pytest.raises(FileFormatError, match=r"1 row is empty \(row 3\)\. Delete what is empty"):
        sheet(HEADER, CASE, [], CASE)
    with pytest.raises(FileFormatError, match="has a header and no case"):
        sheet(HEADER)


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!"])
def test_what_a_failed_formula_shows_is_no_value_even_in_an_id(sheet, error):
    def fail(sheet):
        for place in ("A2", "B3"):
            sheet[place] = error
            sheet[place].data_type = "e"

    with pytest.raises(ValuesError, match=rf"case_id holds {error} in 1 row \(2\); odi holds {error} in 1 row \(3\)"):
        sheet(HEADER, CASE, CASE, spoil=fail)
    assert sheet(HEADER, CASE, CASE, spoil=fail, missing_marks=["", error])["odi"].isna().tolist() == [False, True]


def test_a_csv_saved_from_a_failed_formula_is_refused_alike(elsewhere):
    Path("cases.csv").write_text("case_id,odi\n#N/A,40\nC2,#VALUE!\n")
    with pytest.raises(ValuesError, match=r"case_id holds #N/A in 1 row \(2\); odi holds #VALUE! in 1 row \(3\)"):
        read("cases.csv")


def test_a_formula_without_its_result_is_no_missing_value(sheet):
    with pytest.raises(FileFormatError, match=r"results of 1 formulas are not in the file \(cell B2\).*save it"):
        sheet(HEADER, ["C1", "=20+20", None])


def with_results(results: dict[str, bytes]) -> None:
    """Puts results into the formulas of cases.xlsx, as Excel does when it saves: place to the cell's XML."""
    old = zipfile.ZipFile(io.BytesIO(Path("cases.xlsx").read_bytes()))
    with zipfile.ZipFile("cases.xlsx", "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "xl/worksheets/sheet1.xml":
                for before, after in results.items():
                    assert before.encode() in content
                    content = content.replace(before.encode(), after)
            new.writestr(info, content)


def test_a_formula_counts_as_what_it_last_came_to(sheet):
    with pytest.raises(FileFormatError, match="results of 2 formulas are not in the file"):
        sheet(HEADER, ["C1", "=20+20", '=""'])
    with_results(
        {
            '<c r="B2"><f>20+20</f><v /></c>': b'<c r="B2"><f>20+20</f><v>40</v></c>',
            '<c r="C2"><f>""</f><v /></c>': b'<c r="C2" t="str"><f>""</f><v></v></c>',
        }
    )
    assert read("cases.xlsx").fillna("").iloc[0].tolist() == ["C1", "40", ""]


def test_a_hidden_sheet_is_not_asked_for(sheet):
    def hide(sheet):
        sheet.parent.create_sheet("codes").sheet_state = "hidden"

    assert len(sheet(HEADER, CASE, spoil=hide)) == 1


def test_a_protected_workbook_says_so(elsewhere):
    Path("cases.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(FileFormatError, match="protected by a password, or older than 2007"):
        read("cases.xlsx")


# ---- several files -------------------------------------------------------------------------------


@pytest.fixture
def years(typed, elsewhere) -> Path:
    """A folder with a CSV, a workbook and a Parquet file of twenty cases each."""
    Path("years").mkdir()
    for name, start in (("2016.csv", 0), ("2017.xlsx", 20), ("2018.parquet", 40)):
        WRITERS[f"cases{Path(name).suffix}"](typed.iloc[start : start + 20], Path("years") / name)
    return Path("years")


def test_files_of_a_folder_are_appended_in_the_order_of_their_names(typed, years):
    cases, problems = checked_records(years, IngestParams(file="years"), "adjudication", today=TODAY)
    assert problems == []
    pd.testing.assert_frame_equal(cases.reset_index(drop=True), typed)
    facts = source_facts(years, IngestParams(file="years"), cases)
    assert [(file["name"], file["cases"], file["first_row"]) for file in facts["files"]] == [
        ("2016.csv", 20, 2), ("2017.xlsx", 20, 2), ("2018.parquet", 20, 1),
    ]  # fmt: skip
    assert facts["content_sha256"] == content_sha256(typed)


def test_columns_may_stand_in_another_order(typed, years):
    typed.iloc[20:40, ::-1].to_excel(years / "2017.xlsx", index=False)
    table = read(years)
    assert list(table.columns) == list(typed.columns)
    assert table["case_id"].tolist() == typed["case_id"].tolist()


def test_different_headers_are_all_said_at_once(typed, years, backcast):
    typed.iloc[20:40].drop(columns="odi_12m").to_excel(years / "2017.xlsx", index=False)
    typed.iloc[40:].rename(columns={"odi": "ODI"}).assign(hair=1).to_parquet(years / "2018.parquet")
    answer = backcast("check", "years", "--for", "training")
    assert answer.status == 6
    assert answer.says(
        "backcast: years: the files have different headers. Beside 2016.csv, 2017.xlsx lacks odi_12m; "
        "2018.parquet lacks odi and also has ODI, hair."
    )
    assert len(answer.err.splitlines()) == 1


def test_a_case_in_two_files_is_named_with_file_and_row(typed, years, backcast):
    typed.iloc[[*range(20, 40), 3]].to_excel(years / "2017.xlsx", index=False)
    answer = backcast("check", "years", "--for", "training")
    assert answer.status == 8
    assert answer.says("case_id is not unique in 2 rows (2016.csv:5, 2017.xlsx:22)")


def test_an_operation_in_two_files_is_found_under_another_case_id(typed, years, backcast):
    again = typed.iloc[[3]].assign(case_id="C900001")
    pd.concat([typed.iloc[20:40], again]).to_excel(years / "2017.xlsx", index=False)
    answer = backcast("check", "years", "--for", "training")
    assert answer.status == 8
    assert answer.says("index_date stands more than once for one patient in 2 rows (2016.csv:5, 2017.xlsx:22)")
    assert answer.says("One row is one planned operation")


def test_two_hospitals_that_number_their_patients_alike_are_found(typed, years, backcast):
    other = typed.iloc[20:40].assign(patient_id=typed["patient_id"].iloc[:20].to_numpy())
    other["index_date"] = other["index_date"] + pd.Timedelta(days=1)
    other.to_excel(years / "2017.xlsx", index=False)
    answer = backcast("check", "years", "--for", "training")
    assert answer.status == 8
    assert answer.says("sex differs within one patient_id", "(2016.csv:", "Do two files number their patients alike?")
    assert answer.says("age_years fits no one year of birth within a patient_id", "(2016.csv:")


def test_cases_of_one_patient_may_be_years_apart(typed, years, backcast):
    back = typed.iloc[[3]].assign(case_id="C900001", age_years=typed["age_years"].iloc[3] + 2)
    back[["index_date", "operation_date"]] += pd.Timedelta(days=800)
    back[["reoperation_date", "death_date", "last_contact_date"]] = pd.NaT
    pd.concat([typed.iloc[20:40], back]).to_excel(years / "2017.xlsx", index=False)
    assert backcast("check", "years", "--for", "training").err == ""


@pytest.mark.parametrize(("name", "words"), [("notes.docx", "holds notes.docx"), ("old", "holds old")])
def test_what_cannot_be_told_to_be_records_is_refused(years, name, words):
    (years / name).mkdir() if name == "old" else (years / name).write_bytes(b"x")
    with pytest.raises(FileFormatError, match=f"years {words}, and it cannot be told"):
        read(years)


def test_every_file_that_cannot_be_read_is_named(years):
    (years / "2016.csv").write_bytes(b"")
    (years / "2018.parquet").write_bytes(b"PAR1")
    with pytest.raises(FileFormatError) as refusal:
        read(years)
    first, second = str(refusal.value).splitlines()
    assert first.startswith("years/2016.csv is empty. ")
    assert second.startswith("years/2018.parquet is not a whole Parquet file. ")


def test_what_a_desktop_leaves_behind_is_passed_over(years):
    for name in (".DS_Store", "~$2017.xlsx"):
        (years / name).write_bytes(b"x")
    assert len(read(years)) == 60


def test_an_empty_folder_is_refused(elsewhere):
    Path("years").mkdir()
    with pytest.raises(FileFormatError, match="years is an empty folder"):
        read("years")


# ---- which content -------------------------------------------------------------------------------


def test_the_hash_of_the_content_is_of_the_cases_and_not_of_their_order(typed):
    shuffled = typed.sample(frac=1, random_state=1)[list(reversed(typed.columns))]
    assert content_sha256(shuffled) == content_sha256(typed) == content_sha256(typed.set_index("case_id"))
    for column, value in (("odi", 12.5), ("sex", None), ("index_date", pd.Timestamp("2020-02-02"))):
        changed = typed.copy()
        changed.loc[7, column] = value
        assert content_sha256(changed) != content_sha256(typed)
    of_zeros = [content_sha256(typed.assign(odi=zero)) for zero in (0.0, -0.0)]
    assert of_zeros[0] == of_zeros[1]
    assert content_sha256(typed.rename(columns={"odi": "odi_12m", "odi_12m": "odi"})) != content_sha256(typed)


def test_an_input_is_known_by_its_bytes_or_where_no_one_file_holds_it_by_its_content(typed, years):
    file = years / "2016.csv"
    assert input_sha256(file, typed) == hashlib.sha256(file.read_bytes()).hexdigest()
    Path("cases.sql").write_text("SELECT 1")
    assert input_sha256(years, typed) == input_sha256(Path("cases.sql"), typed) == content_sha256(typed)


def test_a_case_is_followed_back_to_its_file(typed, years):
    cases, _ = checked_records(years, IngestParams(file="years"), "adjudication", today=TODAY)
    write_json(source_facts(years, IngestParams(file="years"), cases), paths.SOURCE)
    assert [place_in_source(place) for place in (0, 19, 20, 59)] == [
        "line 2 of years/2016.csv",
        "line 21 of years/2016.csv",
        "row 2 of years/2017.xlsx",
        "row 20 of years/2018.parquet",
    ]


def test_the_table_of_an_earlier_stage_can_be_read_again(typed, elsewhere):
    write_table(typed.set_index("case_id"), Path("cases.parquet"))
    assert len(read("cases.parquet")) == 60
