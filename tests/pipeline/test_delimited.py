"""A CSV is read as it is written, plain or compressed; what is none is refused with a reason."""

from __future__ import annotations

import codecs
import gzip
import io

import pandas as pd
import pytest

from features.errors import ColumnsError, FileFormatError
from pipeline.params import IngestParams
from pipeline.sources.records import read_records


@pytest.fixture
def read(tmp_path):
    """Reads the given bytes as the file cases.csv."""

    def of(content: bytes | str, encoding="utf-8", separator=",", missing_marks=("", "NA")) -> pd.DataFrame:
        path = tmp_path / "cases.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        how = IngestParams(file=str(path), encoding=encoding, separator=separator, missing_marks=list(missing_marks))
        return read_records(path, how)

    return of


def test_values_stay_as_they_are_written(read):
    table = read("case_id,odi\nC1,040\nC2, 7.50\nC3,None\n")
    assert table["odi"].tolist() == ["040", " 7.50", "None"]


def test_missing_marks_are_missing(read):
    table = read("case_id,odi,sex\nC1,,NA\nC2,-9,female\n", missing_marks=("", "NA", "-9"))
    assert table.isna().to_numpy().tolist() == [[False, True, True], [False, True, False]]


def test_a_mark_that_is_not_listed_is_a_value(read):
    assert read("case_id,odi\nC1,NA\n", missing_marks=("",))["odi"].tolist() == ["NA"]


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf8", "utf_8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(read, encoding):
    content = "\ufeffcase_id,centre_id\nC1,Zürich\n".encode()
    table = read(content, encoding=encoding)
    assert list(table.columns) == ["case_id", "centre_id"]
    assert table["centre_id"].tolist() == ["Zürich"]


def test_latin_1_is_refused_with_the_line_and_what_to_do(read):
    content = "case_id,centre_id\nC1,Basel\nC2,Zürich\n".encode("latin-1")
    with pytest.raises(FileFormatError, match=r"cases\.csv is not UTF-8: line 3 .*--encoding latin-1"):
        read(content)
    assert read(content, encoding="latin-1")["centre_id"].tolist() == ["Basel", "Zürich"]


def test_an_encoding_that_does_not_exist_is_refused(read):
    with pytest.raises(FileFormatError, match=r"there is no encoding klingon.*utf-8 or latin-1"):
        read("a,b\n1,2\n", encoding="klingon")


TOWNS = "case_id,centre_id\nC1,Zürich\nC2,Łódź\n"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
def test_wide_characters_are_read_when_named_and_else_the_option_is_told(read, written, named):
    content = TOWNS.encode(written)
    assert read(content, encoding=named.upper()).to_dict("list") == {
        "case_id": ["C1", "C2"], "centre_id": ["Zürich", "Łódź"],
    }  # fmt: skip
    for other in ("utf-8", "latin-1"):
        with pytest.raises(FileFormatError, match=rf"cases\.csv is {named.upper()}\. .*--encoding {named}, or ingest"):
            read(content, encoding=other)


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_the_byte_order_mark_of_wide_characters_says_which_comes_first(read, mark):
    order = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    content = mark + TOWNS.encode(order)
    for named in ("utf-16", order):
        assert list(read(content, encoding=named).columns) == ["case_id", "centre_id"]
    with pytest.raises(FileFormatError, match=r"--encoding utf-16, or"):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TOWNS.encode(), id="UTF-8 of an odd length"),
        pytest.param(TOWNS.encode() + b"\n", id="UTF-8 of an even length"),
        pytest.param(TOWNS.encode("utf-16")[:-1], id="broken off"),
        pytest.param(TOWNS.encode("utf-32"), id="UTF-32"),
    ],
)
def test_what_is_not_in_the_wide_characters_named_is_refused(read, content):
    with pytest.raises(FileFormatError, match=r"cases\.csv is not UTF-16"):
        read(content, encoding="utf-16")


@pytest.mark.parametrize(("mark", "shown"), [(";", "';'"), ("\t", r"'\\t'"), ("|", r"'\|'")])
def test_another_separator_is_recognised_and_named(read, mark, shown):
    content = f"case_id{mark}odi\nC1{mark}40\n"
    with pytest.raises(FileFormatError, match=rf"{shown} separates its header\. Set --separator .* to {shown}"):
        read(content)
    assert read(content, separator=mark)["odi"].tolist() == ["40"]


def test_a_tab_may_be_named_as_a_shell_hands_it_over(read):
    assert read("case_id\todi\nC1\t40\n", separator=r"\t")["odi"].tolist() == ["40"]


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n"])
def test_a_separator_that_cannot_separate_is_refused(read, separator):
    with pytest.raises(FileFormatError, match=r"cannot separate values\. Set --separator"):
        read("case_id,odi\nC1,40\n", separator=separator)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"cases\.csv is empty\. It needs a header and one row a case"),
        (b"\n \n", r"cases\.csv is empty"),
        (b"case_id,odi\n", "has a header and no case"),
        (b"case_id,odi\n\n\n", "has a header and no case"),
        (b"\ncase_id,odi\nC1,40\n", "line 1 is empty"),
        (b"some words\nand more\n", "has one column only"),
        (b"P-17,Schmidt,1950-03-12,71,71\nP-18,Meyer,1948-01-02,73,73\n", "names not one column of the dictionary"),
        (b"<html>\n<p>1, 2</p>\n", "has one column only"),
        (b"PK\x03\x04rest of a workbook", "is an Excel or zip file, not a CSV"),
        (gzip.compress(b"case_id,odi\nC1,40\n", mtime=0), "is a gzip file, not a CSV"),
        (b"case_id,odi\nC1,\x00\n", "is a binary file, not a CSV"),
        (b"case_id,odi\n" + 5000 * b"C1,4\n" + b"C2,\x00\n", "is a binary file, not a CSV"),
    ],
)
def test_what_is_not_a_csv_is_refused(read, content, words):
    with pytest.raises(FileFormatError, match=words):
        read(content)


def test_a_parquet_file_is_refused(read):
    table = io.BytesIO()
    pd.DataFrame({"case_id": ["C1"]}).to_parquet(table)
    with pytest.raises(FileFormatError, match="is a Parquet file, not a CSV"):
        read(table.getvalue())


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"cases\.csv does not exist\. Name a CSV, Parquet or Excel file"):
        read_records(tmp_path / "cases.csv", IngestParams(file="cases.csv"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("C1,1,2\nC2,1,2,3\n", r"1 row does not have the 3 values that the header names \(line 3\)"),
        ("C1,1\nC2,1,2\n", r"1 row does not have the 3 values that the header names \(line 2\)"),
        ("C1,1,2\n\nC2,1,2\n", r"1 line is empty \(line 3\)\. Delete"),
        ("C1,1\n\nC2,1\n", r"2 rows do not .*\(line 2, 4\).* 1 line is empty \(line 3\)"),
        ('C1,"1,2\nC2,1,2\n', r"a value of line 2 runs over the end of the line\. Close its quote"),
        ('C1,1,2\nC2,"1\n",2\n', r"a value of line 3 runs over the end of the line"),
        ('C1,"' + 70_000 * "1,", r"do not have|a value of line 2 runs over"),
        ("C1," + 140_000 * "1" + ",2\n", r"a value of line 2 runs over"),
    ],
)
def test_uneven_rows_are_refused_by_line_and_never_mended(read, rows, words):
    with pytest.raises(FileFormatError, match=words):
        read("case_id,nrs_back,nrs_leg\n" + rows)


def test_a_decimal_comma_in_every_row_cannot_push_a_value_out_of_the_table(read):
    with pytest.raises(FileFormatError, match=r"line 2, 3, 4, 5, 6, \.\.\.\).*write decimals with a point"):
        read("case_id,nrs_back,nrs_leg\n" + 8 * "C1,7,5,2\n")


def test_empty_lines_at_the_end_are_no_rows(read):
    assert len(read("case_id,odi\nC1,40\nC2,30\n\n \n")) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(read, end):
    table = read(end.join(["case_id,centre_id", 'C1,"Basel, west"', "C2,Bern", ""]))
    assert list(table.columns) == ["case_id", "centre_id"]
    assert table["centre_id"].tolist() == ["Basel, west", "Bern"]


def test_a_last_line_without_an_end_is_a_row(read):
    assert read("case_id,odi\nC1,40")["odi"].tolist() == ["40"]


def test_a_column_named_twice_is_refused_by_name(read):
    with pytest.raises(ColumnsError, match=r"the header names odi, sex more than once\. Keep one of each"):
        read("case_id,sex,odi,odi,sex\nC1,1,2,3,4\n")


def test_a_column_without_a_name_is_refused_by_its_place(read):
    with pytest.raises(ColumnsError, match="the header has no name for column 1, 4"):
        read(",case_id,odi, \n0,C1,40,\n")
