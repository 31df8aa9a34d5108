"""The dictionary of the record: each variable once, and a faulty table refused with a word of why."""

from __future__ import annotations

import pandas as pd
import pytest

from features import dictionary as dictionary_module
from features import knowledge_tables
from features.axes import LEVELS, REGIONS, SIDES, UPPER_REGIONS
from features.dictionary import COORDINATES, KNOWN_ORDER, NUMERIC_TYPES, TEXT_TYPES, load_dictionary
from features.errors import KnowledgeError
from features.knowledge_tables import knowledge_table

UNIT_IN_NAME = {
    "years": "_years",
    "months": "_months",
    "weeks": "_weeks",
    "minutes": "_min",
    "kg/m2": "_kg_m2",
    "mm": "_mm",
    "ml": "_ml",
    "m": "_m",
    "degrees": "_deg",
    "mg/l": "_mg_l",
    "mm/h": "_mm_h",
}
"""How a physical unit ends the name of an item; points, indices and percentages of relief have none."""


@pytest.fixture(scope="module")
def dictionary():
    return load_dictionary()


def names(variables):
    return {v.name for v in variables}


# What it holds


def test_the_record_is_complete(dictionary):
    known = {moment: sum(v.known == moment for v in dictionary.variables) for moment in KNOWN_ORDER}
    assert sum(known.values()) == len(dictionary.variables) > 400
    assert known["preoperative"] > 300
    assert known["operative"] > 20
    assert known["follow_up"] > 150


def test_the_essentials_fit_one_screen_and_are_known_before_the_operation(dictionary):
    assert 20 <= len(dictionary.essential) <= 30
    assert {v.known for v in dictionary.essential} == {"preoperative"}


def test_what_is_known_at_a_moment_includes_all_that_was_known_before(dictionary):
    before, during, after, settled = (names(dictionary.known_by(moment)) for moment in KNOWN_ORDER)
    assert before < during < after < settled == names(dictionary.variables)


def test_the_settled_cause_is_known_to_no_question(dictionary):
    assert names(v for v in dictionary.variables if v.known == "adjudication") == {"adjudicated_cause"}


def test_a_predictor_is_known_before_the_operation_and_is_no_key(dictionary):
    assert {v.known for v in dictionary.predictors} == {"preoperative"}
    assert {"case_id", "patient_id", "centre_id", "index_date"}.isdisjoint(names(dictionary.predictors))
    assert {"odi_12m", "operated_fusion_l4_l5", "reoperation_date"}.isdisjoint(names(dictionary.predictors))


def test_nobody_is_identified_by_a_predictor(dictionary):
    assert names(v for v in dictionary.variables if v.identifies) == {"case_id", "patient_id"}


def test_no_variable_is_a_boolean_so_that_empty_never_becomes_no(dictionary):
    assert {v.type for v in dictionary.variables} <= set(NUMERIC_TYPES + TEXT_TYPES)
    for variable in dictionary.variables:
        if variable.type == "yes_no":
            assert variable.codes == (0.0, 1.0)
            assert not any(isinstance(code, bool) for code in variable.codes)


def test_grades_have_numbers_and_choices_have_words(dictionary):
    for variable in dictionary.variables:
        kind = {"grade": float, "yes_no": float, "choice": str}.get(variable.type)
        assert (kind is None) == (variable.choices == ()), variable.name
        assert all(isinstance(code, kind) for code in variable.codes), variable.name


def test_every_number_has_a_range_and_a_unit(dictionary):
    for variable in dictionary.variables:
        if variable.type == "number":
            assert variable.lower < variable.upper, variable.name
            assert variable.unit, variable.name


def test_every_variable_says_what_missing_means(dictionary):
    assert [v.name for v in dictionary.variables if not v.missing_means] == []


def test_every_variable_says_in_words_what_is_expected(dictionary):
    assert all(v.expected for v in dictionary.variables)
    assert dictionary["age_years"].expected == "16 to 105 years"
    assert dictionary["has_diabetes"].expected == "0 (no), 1 (yes)"
    assert dictionary["index_date"].expected == "a date as YYYY-MM-DD"


def test_a_direction_is_lower_unknown_or_higher(dictionary):
    assert {v.direction for v in dictionary.variables} <= {-1, 0, 1}


# Names


def test_names_are_lower_case_words(dictionary):
    assert [n for n in dictionary.by_name if not pd.Series([n]).str.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")[0]] == []


def test_the_unit_stands_last_in_the_name_of_what_is_measured(dictionary):
    wrong = [
        v.name
        for v in dictionary.variables
        if v.type == "number" and v.unit in UNIT_IN_NAME and not v.item.endswith(UNIT_IN_NAME[v.unit])
    ]
    assert set(wrong) == {"operation_minutes", "months_since_last_operation"}  # the unit is written out


def test_yes_or_no_begins_with_is_or_has_unless_it_is_planned_operated_or_found_later(dictionary):
    prefixes = ("is_", "has_", "planned_", "operated_", "followup_")
    assert [v.name for v in dictionary.variables if v.type == "yes_no" and not v.name.startswith(prefixes)] == []


def test_dates_end_in_date(dictionary):
    assert all(v.name.endswith("_date") == (v.type == "date") for v in dictionary.variables)


def test_a_misspelt_name_finds_the_one_that_was_meant(dictionary):
    assert dictionary.closest("age_year") == "age_years"
    assert dictionary.closest("bmi_kgm2") == "bmi_kg_m2"
    assert dictionary.closest("shoe_size") is None


# Grids


def test_every_place_of_a_grid_is_taken_once(dictionary):
    places = [(v.item, v.coordinates) for v in dictionary.variables]
    assert len(places) == len(set(places))


def test_coordinates_stand_in_the_name_of_the_variable(dictionary):
    for variable in dictionary.variables:
        for coordinate, place in variable.coordinates:
            assert place in COORDINATES[coordinate]
            assert place in variable.name, variable.name


def test_grids_are_complete(dictionary):
    pain = {v.coordinates for v in dictionary.variables if v.item in ("pain", "upper_pain")}
    assert len(pain) == len(REGIONS + UPPER_REGIONS) * len(SIDES)
    for item, per_level in (("herniation", 7), ("recess_stenosis", 2), ("modic", 1), ("planned_decompression", 2)):
        assert sum(v.item == item for v in dictionary.variables) == per_level * len(LEVELS), item


def test_what_is_sided_has_both_sides(dictionary):
    for name in dictionary.by_name:
        if name.endswith("_left"):
            assert name.removesuffix("_left") + "_right" in dictionary


# A faulty table is refused


@pytest.fixture
def load_with(monkeypatch):
    """Loads the dictionary with the table `variables` changed by a function, past the caches."""

    def load(change, table="variables"):
        def changed(name):
            frame = knowledge_table(name).copy()
            return change(frame) if name == table else frame

        monkeypatch.setattr(dictionary_module, "knowledge_table", changed)
        return load_dictionary.__wrapped__()

    return load


def with_value(variable, column, value):
    def change(table):
        table[column] = table[column].astype(object)
        table.loc[table["name"] == variable, column] = value
        return table

    return change


def test_an_unchanged_table_loads(load_with):
    assert len(load_with(lambda table: table).variables) == len(load_dictionary().variables)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pd.concat([t, t.tail(1)]).reset_index(drop=True), r"variables\.csv: row \d+ repeats the name"),
        (with_value("sex", "type", "boolean"), "sex has the unknown type boolean"),
        (with_value("sex", "known", "later"), "sex is known at later"),
        (with_value("sex", "choices", "genders"), r"sex names genders, which choices\.csv does not declare"),
        (with_value("sex", "choices", None), "sex is a choice; choices belong to"),
        (with_value("age_years", "choices", "yes_no"), "age_years is a number; choices belong to"),
        (with_value("age_years", "lower", "105"), r"range of age_years is empty \(105 to 105\)"),
        (with_value("age_years", "upper", None), "age_years is a number without a range"),
        (with_value("slip_l4_l5", "level", "l4_l6"), "slip_l4_l5 has the unknown level l4_l6"),
        (with_value("slr_left", "side", "both"), "slr_left has the unknown side both"),
        (with_value("pain_knee_left", "region", "elbow"), "pain_knee_left has the unknown region elbow"),
        (with_value("slr_left", "side", "right"), "repeats the item, level, side"),
    ],
)
def test_a_faulty_dictionary_is_refused(load_with, change, message):
    with pytest.raises(KnowledgeError, match=message):
        load_with(change)


def test_a_code_declared_twice_is_refused(load_with):
    with pytest.raises(KnowledgeError, match=r"choices\.csv: row \d+ repeats the choices, code"):
        load_with(lambda t: pd.concat([t, t.head(1)]).reset_index(drop=True), table="choices")


@pytest.fixture
def read_table(monkeypatch, tmp_path):
    """Reads a table from a folder of its own."""
    monkeypatch.setattr(knowledge_tables, "KNOWLEDGE", tmp_path)

    def read(text):
        (tmp_path / "facts.csv").write_text(text, encoding="utf-8")
        return knowledge_table.__wrapped__("facts")

    return read


def test_a_row_without_a_source_is_refused_and_named(read_table):
    with pytest.raises(KnowledgeError, match=r"facts\.csv: 1 rows have no source \(first: row 3\)"):
        read_table("fact,source,status\n1,a paper,verified\n2,,verified\n")


def test_a_row_without_a_status_is_refused(read_table):
    with pytest.raises(KnowledgeError, match="1 rows have no status"):
        read_table("fact,source,status\n1,a paper,\n")


def test_an_unknown_status_is_refused_with_those_there_are(read_table):
    with pytest.raises(KnowledgeError, match=r"unknown status certain\. It is one of verified, memory"):
        read_table("fact,source,status\n1,a paper,certain\n")


def test_an_absent_table_is_refused_with_what_to_do(read_table):
    with pytest.raises(KnowledgeError, match=r"nothing\.csv is missing\. Restore it from git"):
        knowledge_table.__wrapped__("nothing")
