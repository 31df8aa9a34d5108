"""REDCap would import the data dictionary without a complaint, and the rules that say so can complain."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from features.dictionary import load_dictionary
from pipeline.redcap.data_dictionary import data_dictionary
from pipeline.redcap.fields import missing_codes, project_fields, repeating_instrument, table
from tests.redcap import import_rules


def test_redcap_has_nothing_to_complain_of(metadata):
    assert import_rules.complaints(metadata) == []


FEW = {"case_id", "index_date", "age_years", "sex", "odi", "nrs_back", "nrs_leg", "slr_left", "slr_right",
       "crossed_slr_left", "planned_fusion"}  # fmt: skip


@pytest.fixture(scope="module")
def few(metadata) -> list[dict[str, str]]:
    """A dozen fields, which are quicker to complain of."""
    return [row for row in metadata if row["field_name"] in FEW]


def test_a_part_of_it_is_as_good(few):
    assert (len(few), import_rules.complaints(few)) == (len(FEW), [])


@pytest.mark.parametrize(
    ("field", "column", "value", "complaint"),
    [
        ("slr_left", "field_name", "followup_herniation_l4_l5_left", "more than 26 letters"),
        ("slr_left", "field_name", "Slr", "no name"),
        ("slr_left", "field_name", "1_slr", "no name"),
        ("slr_left", "field_name", "slr_right", "2 times"),
        ("slr_left", "field_name", "patient_complete", "keeps for itself"),
        ("slr_left", "form_name", "plan", "do not stand together"),
        ("slr_left", "field_label", "", "no label"),
        ("slr_left", "field_type", "matrix", "unknown field type"),
        ("slr_left", "field_type", "yesno", "choices belong"),
        ("slr_left", "select_choices_or_calculations", "", "choices belong"),
        ("slr_left", "select_choices_or_calculations", "0, negative | 0, positive", "stands twice"),
        ("slr_left", "select_choices_or_calculations", "0 negative", "not a code, a comma"),
        ("slr_left", "select_choices_or_calculations", "0, no | 1, yes", "differ in form, type or choices"),
        ("slr_left", "text_validation_type_or_show_slider_number", "number", "only a text"),
        ("slr_left", "identifier", "yes", "neither y nor empty"),
        ("slr_right", "section_header", "Nerve tension", "a header stands within"),
        ("slr_right", "matrix_group_name", "", "do not stand together"),
        ("age_years", "text_validation_type_or_show_slider_number", "float", "unknown validation"),
        ("age_years", "text_validation_type_or_show_slider_number", "", "bounds without"),
        ("age_years", "text_validation_max", "old", "not of its validation"),
        ("age_years", "text_validation_max", "3", "wrong way round"),
        ("index_date", "text_validation_min", "01.01.1990", "not of its validation"),
        ("age_years", "custom_alignment", "XX", "unknown alignment"),
        ("case_id", "field_type", "radio", "record id"),
        ("age_years", "branching_logic", "[planned] = '1'", "no such field"),
        ("age_years", "branching_logic", "[sex] = 'f'", "no such code"),
        ("age_years", "branching_logic", '[sex] = "female"', "not understood"),
        ("age_years", "branching_logic", "[sex] = female", "not understood"),
        ("age_years", "branching_logic", "[odi] > 1 and [nrs_leg] > 1 or [nrs_back] > 1", "needs brackets"),
        ("age_years", "branching_logic", "([odi] > 1", "ends too early"),
        ("age_years", "branching_logic", "[planned_fusion] = '1'", "named by their code"),
        ("age_years", "branching_logic", "[age_years] > 3", "its own value"),
        ("planned_fusion", "required_field", "y", "cannot be required"),
    ],
)
def test_the_rules_can_complain(few, field, column, value, complaint):
    spoilt = [row | {column: value} if row["field_name"] == field else row for row in few]
    assert any(complaint in found for found in import_rules.complaints(spoilt))


def test_the_upload_has_redcaps_headers_in_their_order(backcast, tmp_path):
    status, said = backcast("redcap", "dictionary", "upload.csv")
    assert (status, "641 fields in 10 instruments" in said) == (0, True)
    with (tmp_path / "upload.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == import_rules.UPLOAD_COLUMNS
    assert [dict(zip(import_rules.API_COLUMNS, row, strict=True)) for row in rows] == data_dictionary().to_dict(
        "records"
    )


def test_every_variable_is_in_the_project_once():
    variables = [variable.name for field in project_fields() for variable in field.variables]
    assert Counter(variables) == Counter(variable.name for variable in load_dictionary().variables)


def test_a_field_says_which_variables_it_holds(metadata):
    named = [name for row in metadata for name in row["field_annotation"].removeprefix("Backcast: ").split(", ")]
    assert named == [variable.name for field in project_fields() for variable in field.variables]


@pytest.fixture(scope="module")
def columns() -> dict[str, str]:
    """By variable: its column in an export."""
    return {v.name: column for f in project_fields() for v, column in zip(f.variables, f.columns, strict=True)}


def test_a_name_given_once_is_kept(columns):
    """A running project loses the data of a field that is renamed. Add to the list; change nothing in it."""
    with Path(__file__).with_name("names.csv").open(encoding="utf-8") as file:
        kept = {row["variable"]: row["column"] for row in csv.DictReader(file)}
    changed = {name for name in kept if columns.get(name, kept[name]) != kept[name]}
    assert (changed, set(columns) - set(kept)) == (set(), set()), "only add the new variables to names.csv"


def test_every_abbreviation_shortens_something(columns):
    for written, short in table("abbreviations").itertuples(index=False):
        assert any(written in name and short in field and name != field for name, field in columns.items()), written


def test_grids_are_matrices(metadata):
    sizes = Counter(row["matrix_group_name"] for row in metadata if row["matrix_group_name"])
    assert sizes["grid_power_l2_left"] == 10
    assert sizes["grid_herniation_l12_central"] == 35
    assert sum(sizes.values()) > 400


def test_only_what_an_empty_box_can_say_is_a_box(metadata):
    boxes = [row["field_name"] for row in metadata if row["field_type"] == "checkbox"]
    assert boxes == ["planned_decompression", "planned_fusion"]


def test_the_whole_work_up_repeats_together():
    """Drawing, examination and scan of one visit cannot be mixed with those of another."""
    instruments = {field.instrument for field in project_fields() if field.variable.form.startswith("follow-up")}
    assert instruments == {repeating_instrument()}


def test_a_label_or_a_code_means_one_choice():
    """Raw and label exports can be told apart value by value, so that nobody has to say which a file is."""
    for variable in load_dictionary().variables:
        labels = {label.casefold(): code for code, label in variable.choices}
        assert len(labels) == len(variable.choices), variable.name
        for code in variable.codes:
            assert labels.get(str(code), code) == code, variable.name


def test_labels_tell_the_fields_apart():
    labels = Counter(field.label for field in project_fields())
    assert max(labels.values()) == 1


def test_a_missing_data_code_is_no_choice():
    codes = {code for variable in load_dictionary().variables for code in variable.codes}
    assert not codes & set(missing_codes())


def test_what_is_recorded_is_never_hidden(metadata, rows):
    """REDCap offers to erase a value whose field is hidden: so nothing that the virtual registry records may be."""
    fields = {row["field_name"]: row for row in metadata}
    own = {row["case_id"]: row for row in rows if not row["redcap_repeat_instrument"]}
    ruled = [row for row in metadata if row["branching_logic"]]
    hidden, seen = Counter(), Counter()
    for row in rows:
        known = own[row["case_id"]] | {name: value for name, value in row.items() if value}
        for field in ruled:
            if row[field["field_name"]]:
                is_shown = import_rules.shown(field["branching_logic"], known, fields)
                (seen if is_shown else hidden)[field["field_name"]] += 1
    assert hidden == {}
    assert len(seen) > 10
