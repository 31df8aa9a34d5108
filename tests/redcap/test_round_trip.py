"""Five hundred cases into a project and out again, in every way REDCap exports, without a changed value."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.dictionary import load_dictionary
from pipeline.redcap.fields import project_fields, repeating_instrument
from pipeline.redcap.reading import checked_cases, decoded, read_export, told
from pipeline.redcap.writing import number_text, redcap_rows, unwritable
from tests.redcap import small_redcap

TODAY = dt.date(2026, 1, 1)
MODES = {
    "raw": {},
    "labels": {"labels": True},
    "labels of boxes": {"labels": True, "box_labels": True},
    "labels and label headers": {"labels": True, "headers": True},
}
WORK_UP = {v.name for v in load_dictionary().variables if v.form.startswith("follow-up")}


@pytest.fixture
def read(tmp_path):
    """The text of an export, read and decoded."""

    def of(text: str, codes=None):
        path = tmp_path / "export.csv"
        path.write_text(text, encoding="utf-8")
        table, lines = read_export(path, "utf-8", ",")
        return decoded(table, lines, "export.csv", codes)

    return of


def changed(found: pd.DataFrame, cases: pd.DataFrame) -> list[str]:
    """The columns that are not the same, to the last digit; missing as missing."""
    return [name for name in cases.columns if name not in found or differ(found[name], cases[name])]


def differ(text: pd.Series, values: pd.Series) -> bool:
    left = pd.to_numeric(text) if values.dtype.kind == "f" else text
    left, right = left.to_numpy(dtype=object), values.to_numpy(dtype=object)
    is_missing = pd.isna(left) & pd.isna(right)
    return not bool((is_missing | (left == right)).all())


@pytest.mark.parametrize(("mode", "n"), [("raw", 500), ("labels", 500), *((mode, 60) for mode in list(MODES)[2:])])
def test_five_hundred_cases_come_back_as_they_were(kept, registry, read, mode, n):
    cases = registry.head(n)
    found = read(kept.file(records=set(cases["case_id"]), **MODES[mode]))
    assert (found.problems, found.left_out, found.marked_missing) == ((), (), {})
    both = pd.concat([found.own, found.work_ups], axis=1).copy().reset_index(names="case_id")
    assert both["case_id"].tolist() == cases["case_id"].tolist()
    assert len(found.work_ups) == cases["workup_date"].notna().sum() > 0
    assert changed(both, cases) == []


def test_nothing_known_later_gets_into_a_prediction(project, rows, read):
    project.take(rows[:3])
    cases = checked_cases(read(project.file()), "preoperative", "last", "export.csv", today=TODAY)
    assert list(cases.columns) == [variable.name for variable in load_dictionary().known_by("preoperative")]


@pytest.fixture
def with_three_work_ups(project, registry):
    """One case worked up three times, the last of which was entered second; and one worked up once."""
    columns = ["case_id", "age_years", "operation_date", "workup_date", "followup_odi", "followup_slr_left"]
    worked_up = registry.loc[registry["workup_date"].notna(), columns].head(2).reset_index(drop=True)
    again = [
        worked_up.head(1).assign(workup_date=day, followup_odi=odi)
        for day, odi in [("2025-05-05", 71), ("2024-05-05", 62)]
    ]
    project.take(redcap_rows(worked_up, pd.concat(again)).to_dict("records"))
    return project, worked_up["followup_odi"].map(number_text).tolist()


@pytest.mark.parametrize("mode", ["raw", "labels and label headers"])
def test_of_several_work_ups_one_is_taken_whole(with_three_work_ups, read, mode):
    project, (first, alone) = with_three_work_ups
    fields = ["age_years", "operation_date", "workup_date", "followup_odi", "fu_slr_lt"]
    found = read(project.file(fields=fields, **MODES[mode]))
    assert found.work_ups.groupby(level=0, sort=False).size().tolist() == [3, 1]
    taken = {which: checked_cases(found, "follow_up", which, "export.csv", today=TODAY)["followup_odi"].tolist()
             for which in ("last", "first", 1, 2, 3)}  # fmt: skip
    assert taken == {
        "last": ["71", alone],
        "first": [first, alone],
        1: [first, alone],
        2: ["71", None],
        3: ["62", None],
    }


def test_events_of_a_longitudinal_project_are_one_case(rows, kept, read):
    """The plan stands in one event and the outcome in another; what both leave empty stays empty."""
    header, exported = kept.export([rows[0]["case_id"]], fields=["age_years", "odi", "planned_fusion", "odi_12m"])
    outcome = header.index("odi_12m")
    second = [cell if place in (0, outcome) else "" for place, cell in enumerate(exported[0])]
    first = ["" if place == outcome else cell for place, cell in enumerate(exported[0])]
    table = pd.DataFrame([["before", *first], ["after", *second]], columns=["redcap_event_name", *header])
    alone = decoded(pd.DataFrame(exported[:1], columns=header), [2], "export.csv")
    together = decoded(table, [2, 3], "export.csv")
    pd.testing.assert_frame_equal(together.own, alone.own)


def test_what_two_events_say_differently_is_a_problem(rows, kept):
    header, exported = kept.export([rows[0]["case_id"]], fields=["age_years", "sex"])
    other = list(exported[0])
    other[header.index("age_years")] = "99"
    found = decoded(pd.DataFrame([exported[0], other], columns=header), [2, 5], "export.csv")
    assert [(problem.column, problem.rule, problem.rows) for problem in found.problems] == [
        ("age_years", "differs", (2, 5))
    ]


@pytest.mark.parametrize("mode", MODES)
def test_codes_for_what_is_missing_are_counted_and_left_empty(project, rows, read, mode):
    marked = [dict(row) for row in rows[:12]]
    own = [row for row in marked if not row["redcap_repeat_instrument"]]
    for row in own:
        row |= {"slr_left": "NASK", "bmi_kg_m2": "UNK", "followup_date": "NAV", "work_status": "ASKU"}
        row |= {name: "" for name in row if name.startswith("planned_") and "___" in name}
        row |= {"planned_decompression___ni": "1", "planned_fusion___l4_l5": "1"}
    project.take(marked)
    fields = ["slr_left", "bmi_kg_m2", "followup_date", "work_status", "planned_decompression", "planned_fusion"]
    found = read(project.file(fields=fields, **MODES[mode]))
    n = len(own)
    assert found.marked_missing == {"NASK": n, "UNK": n, "NAV": n, "ASKU": n, "NI": n}
    assert found.own[["slr_left", "bmi_kg_m2", "followup_date", "work_status"]].isna().all(axis=None)
    assert found.own.filter(like="planned_decompression").isna().all(axis=None)
    assert (found.own["planned_fusion_l4_l5"] == "1").all()
    assert (found.own["planned_fusion_l1_l2"] == "0").all()
    assert any(f"UNK ({n})" in line for line in told(found))


def test_a_project_has_codes_of_its_own(metadata, rows, read):
    codes = {"-9999": "No answer", "gone": "Form lost"}
    project = small_redcap.Project(metadata, [repeating_instrument()], codes)
    project.take([row | {"odi": "-9999", "numbering_method": "gone"} for row in rows[:1]])
    for how in MODES.values():
        found = read(project.file(fields=["odi", "numbering_method"], **how), codes)
        assert found.marked_missing == {"-9999": 1, "gone": 1}
        assert found.own[["odi", "numbering_method"]].isna().all(axis=None)


def test_a_plan_that_nobody_recorded_stays_unrecorded(project, rows, read):
    """REDCap exports an empty box as 0: without any tick it says nothing."""
    empty = {name: "" for name in rows[0] if name.startswith("planned_") and "___" in name}
    project.take([rows[0] | empty])
    text = project.file(fields=["planned_decompression", "planned_fusion"])
    assert ",0,0,0,0,0,0,0,0,0,0," in text
    assert read(text).own.filter(regex="planned_(decompression|fusion)_").isna().all(axis=None)


def test_boxes_cannot_say_that_nothing_is_planned_on_purpose():
    cases = pd.DataFrame({"case_id": ["A", "B", "C"], "planned_fusion_l4_l5": [0.0, 1.0, np.nan]})
    assert [problem.rows for problem in unwritable(cases)] == [(1,)]


def test_what_is_no_variable_is_left_out_by_name(kept, rows):
    header, exported = kept.export([rows[0]["case_id"]], fields=["age_years", "sex"])
    table = pd.DataFrame(exported, columns=header).assign(
        nurse="x", redcap_data_access_group="north", plan_timestamp=""
    )
    found = decoded(table, [2, 3][: len(table)], "export.csv")
    assert found.left_out == ("nurse",)


@given(number=st.floats(-1e6, 1e6, allow_nan=False))
@settings(max_examples=60, deadline=None)
def test_a_number_is_the_same_number_again(number):
    assert float(number_text(number)) == number
    assert "e" not in number_text(number)


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_case_comes_back_by_code_and_by_label(metadata, data):
    """Choices and numbers drawn at will, some missing, for variables of every kind."""
    variables = data.draw(st.lists(st.sampled_from([v for v in load_dictionary().variables if v.name not in WORK_UP
                                   and v.type != "identifier" and "planned_" not in v.item]), min_size=1, max_size=6,
                                   unique_by=lambda v: v.name))  # fmt: skip
    case = pd.DataFrame([{"case_id": "C 1", "centre_id": "Nord", **{v.name: data.draw(values(v)) for v in variables}}])
    project = small_redcap.Project(metadata, [repeating_instrument()])
    project.take(redcap_rows(case).to_dict("records"))
    fields = [field.name for field in project_fields() if field.variable.name in case]
    for how in ({}, {"labels": True}, {"labels": True, "headers": True}):
        header, exported = project.export(fields=fields, **how)
        found = decoded(pd.DataFrame(exported, columns=header), [2], "export.csv")
        assert changed(found.own.reset_index(), case) == []


def values(variable) -> st.SearchStrategy:
    if variable.choices:
        return st.sampled_from(variable.codes) | st.just(np.nan if variable.is_numeric else None)
    if variable.type == "date":
        return st.dates(dt.date(1990, 1, 2), dt.date(2025, 1, 1)).map(str)
    return st.floats(variable.lower, variable.upper).map(lambda number: number + 0.0)
