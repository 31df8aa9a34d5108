"""Typed Parquet: the same values and the same verdicts, word for word, as from text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.dictionary import Known, load_dictionary
from features.table_check import record_schema, schema_problems
from pipeline.intake import checked_records
from pipeline.params import IngestParams
from pipeline.sources.records import read_records
from pipeline.sources.text import text_of

TODAY = dt.date(2026, 1, 1)
ROWS = 40

FAULTS: dict[str, tuple[str, list[Any]]] = {
    "out of range": ("odi", [140.0, -1.0]),
    "no choice": ("smoking", [7.0, 0.5]),
    "no finite number": ("odi", [float("inf"), float("-inf")]),
    "no yes or no": ("has_diabetes", [2.0]),
    "no code": ("sex", ["unknown", " male "]),
    "not a date": ("index_date", ["03/04/2021"]),
    "in the future": ("index_date", ["2031-01-01"]),
    "an id twice": ("case_id", ["C1", "C1"]),
    "an id missing": ("case_id", [None]),
    "number as text": ("odi", ["forty", "7,5"]),
    "side as value": ("slr_left", ["left"]),
    "other grading": ("central_stenosis_l4_l5", ["C"]),
    "known later": ("odi_12m", [20.0]),
    "unknown": ("shoe_size", [43.0]),
    "nothing wrong": ("odi", [-0.0, 40.0, None]),
}


@pytest.fixture
def sound(planned) -> pd.DataFrame:
    cases = planned.head(ROWS)
    return cases.where(cases.notna(), None)


def with_values(cases: pd.DataFrame, name: str, values: list[Any]) -> pd.DataFrame:
    column = cases[name].tolist() if name in cases else [None] * len(cases)
    return cases.assign(**{name: pd.Series([*values, *column[len(values) :]], dtype=object)})


def as_typed(cases: pd.DataFrame) -> pa.Table:
    return pa.table({name: _typed(cases[name]) for name in cases})


def _typed(values: pd.Series) -> pa.Array:
    is_text = values.map(lambda value: isinstance(value, str)).any()
    return pa.array([text_of(value) if is_text else value for value in values], from_pandas=True)


def as_text(cases: pd.DataFrame) -> pa.Table:
    return pa.table({name: pa.array([text_of(value) for value in cases[name]], pa.string()) for name in cases})


def checked(table: pa.Table, path: Path) -> tuple[pd.DataFrame, list[str]]:
    pq.write_table(table, path)
    cases, problems = checked_records(path, IngestParams(file=str(path)), "preoperative", today=TODAY)
    return cases, [f"{problem.kind.__name__} {problem.rule} {problem} {problem.rows}" for problem in problems]


@pytest.mark.parametrize("fault", FAULTS)
def test_typed_columns_have_the_verdicts_of_text(sound, tmp_path, fault):
    cases = with_values(sound, *FAULTS[fault])
    typed, problems = checked(as_typed(cases), tmp_path / "typed.parquet")
    text, expected = checked(as_text(cases), tmp_path / "text.parquet")
    assert problems == expected
    assert bool(problems) == (fault != "nothing wrong")
    pd.testing.assert_frame_equal(typed, text, check_exact=True)
    assert not np.signbit(typed["odi"].dropna()).any() or fault == "out of range"


KINDS = {
    "double": pa.float64(), "float": pa.float32(), "byte": pa.int8(), "long": pa.int64(), "unsigned": pa.uint64(),
    "decimal": pa.decimal128(6, 2), "yes or no": pa.bool_(), "text": pa.string(), "large text": pa.large_string(),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_holds_a_number_gives_the_number(tmp_path, kind):
    values = [1, 0, None] if kind == "yes or no" else [1, 9, None]
    numbers = [str(v) if "text" in kind and v is not None else v for v in values]
    numbers = [Decimal(v) if kind == "decimal" and v is not None else v for v in numbers]
    numbers = [bool(v) if kind == "yes or no" and v is not None else v for v in numbers]
    pq.write_table(
        pa.table({"case_id": ["A", "B", "C"], "nrs_leg": pa.array(numbers, KINDS[kind])}), tmp_path / "f.parquet"
    )
    how = IngestParams(file="f.parquet", missing_marks=["", "9", "9.0"])
    cases, problems = checked_records(tmp_path / "f.parquet", how, "preoperative", today=TODAY, required=())
    assert problems == []
    expected = [1.0, 0.0 if kind == "yes or no" else np.nan, np.nan]  # 9 is a mark, and 9.0 is the text of no number
    np.testing.assert_array_equal(cases["nrs_leg"], expected)


def test_numbers_stay_numbers_only_where_the_dictionary_has_them_as_such(tmp_path):
    pq.write_table(pa.table({"case_id": [1, 2], "odi": [40.0, 7.5]}), tmp_path / "f.parquet")
    how = IngestParams(file="f.parquet")
    table = read_records(tmp_path / "f.parquet", how)
    assert table["case_id"].tolist() == ["1", "2"]
    assert table["odi"].tolist() == [40.0, 7.5]
    assert read_records(tmp_path / "f.parquet", how, names={"odi"})["odi"].tolist() == ["40", "7.5"]


@pytest.mark.parametrize("moment", ["preoperative", "adjudication"])
def test_what_pandera_refuses_is_always_suspected(planned, moment: Known):
    import pandera.pandas as pandera

    numeric = [v.name for v in load_dictionary().predictors if v.is_numeric and v.name in planned]
    sound = planned.head(3).astype(dict.fromkeys(numeric, float))
    assert schema_problems(sound, moment, 2) == []
    wrong = sound.assign(**dict.fromkeys(numeric, 99999.0), case_id="C1", sex=["female", "?", None], centre_id=None)
    with pytest.raises(pandera.errors.SchemaErrors) as refusal:
        record_schema(moment).validate(wrong.reset_index(drop=True), lazy=True)
    expected = refusal.value.failure_cases.groupby("column").size().to_dict()
    assert {problem.column: len(problem.rows) for problem in schema_problems(wrong, moment, 2)} == expected
    assert len(expected) >= len(numeric) + 2
