"""Red flags: shown in place of a risk."""

from __future__ import annotations

import pandas as pd
import pytest

from features import red_flags as red_flags_module
from features.errors import KnowledgeError
from features.knowledge_tables import knowledge_table
from features.red_flags import red_flag_names, red_flags


@pytest.mark.parametrize(
    ("findings", "raised"),
    [
        (["has_sphincter_disturbance"], "cauda_equina"),
        (["has_saddle_numbness"], "cauda_equina"),
        (["has_sphincter_disturbance", "has_saddle_numbness"], "cauda_equina"),
        (["has_progressive_weakness"], "progressive_deficit"),
        (["has_fever_or_infection_signs"], "infection"),
        (["has_recent_major_trauma"], "fracture"),
        (["has_upper_motor_neurone_signs"], "cord_compression"),
        (["has_cancer_history", "has_unexplained_weight_loss"], "tumour"),
        (["has_cancer_history", "has_night_pain"], "tumour"),
        # One of the two alone is no flag.
        (["has_cancer_history"], ""),
        (["has_unexplained_weight_loss"], ""),
        (["has_night_pain"], ""),
        (["has_unexplained_weight_loss", "has_night_pain"], ""),
        (["has_progressive_weakness", "has_recent_major_trauma"], "progressive_deficit, fracture"),
        ([], ""),
    ],
)
def test_what_raises_which_flag(findings, raised):
    asked = knowledge_table("red_flags")["all_of"].str.split("+").explode().unique()
    cases = pd.DataFrame([{name: float(name in findings) for name in asked}])
    assert red_flag_names(cases).tolist() == [raised]


def test_a_flag_that_was_not_asked_for_is_not_raised(draw_cases):
    cases = draw_cases("""
        case_id | has_cancer_history | has_night_pain | has_saddle_numbness
        A       | 1                  |                | 0
        B       |                    | 1              |
        C       | 1                  | 1              |
    """)
    assert red_flag_names(cases).to_dict() == {"A": "", "B": "", "C": "tumour"}


def test_a_record_without_any_of_the_questions_raises_none():
    flags = red_flags(pd.DataFrame({"age_years": [50.0, 60.0]}, index=["A", "B"]))
    assert flags.index.tolist() == ["A", "B"]
    assert set(flags.columns) == set(knowledge_table("red_flags")["red_flag"])
    assert not flags.any(axis=None)
    assert {str(dtype) for dtype in flags.dtypes} == {"bool"}


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "boolean", "object"])
def test_a_flag_is_raised_however_the_answer_is_stored(dtype):
    cases = pd.DataFrame({"has_saddle_numbness": pd.Series([1, 0], dtype=dtype)})
    assert red_flags(cases)["cauda_equina"].tolist() == [True, False]


def test_an_empty_nullable_answer_raises_nothing():
    cases = pd.DataFrame({"has_saddle_numbness": pd.array([pd.NA, 1], dtype="Int64")})
    assert red_flags(cases)["cauda_equina"].tolist() == [False, True]


def test_a_flag_that_names_no_variable_is_refused(monkeypatch):
    table = knowledge_table("red_flags").assign(all_of="has_bad_luck")
    monkeypatch.setattr(red_flags_module, "knowledge_table", lambda name: table)
    with pytest.raises(KnowledgeError, match=r"red_flags\.csv: cauda_equina names has_bad_luck, not a variable"):
        red_flags(pd.DataFrame({"age_years": [50.0]}))
