"""Units convert or are refused."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from features.dictionary import load_dictionary
from pipeline.fhir.names import UCUM
from pipeline.fhir.reading import case_of
from pipeline.fhir.tables import MEASURES, factors
from pipeline.fhir.units import UnitError, as_quantity, plain_number, quantity

MEASURED = st.floats(min_value=0.01, max_value=1e6)
NUMBERS = [variable.name for variable in load_dictionary().variables if variable.type == "number"]


def of(value, code, **more):
    return {"value": value, "system": UCUM, "code": code, **more}


@given(MEASURED)
def test_a_length_is_the_same_in_every_unit(metres):
    for value, code in (
        (100 * metres, "cm"),
        (1000 * metres, "mm"),
        (metres / 1000, "km"),
        (metres / 0.0254, "[in_i]"),
    ):
        assert quantity("walking_distance_m", of(value, code)) == pytest.approx(metres, rel=1e-12)
    assert quantity("walking_distance_m", of(metres, "m")) == metres


@given(MEASURED)
def test_a_weight_in_pounds_is_one_in_kilograms(kilograms):
    pounds = kilograms / 0.45359237  # the international pound, exact since 1959
    assert quantity("body_weight_kg", of(pounds, "[lb_av]")) == pytest.approx(kilograms, rel=1e-12)


@given(st.floats(-20, 70))
def test_an_angle_in_radians_is_one_in_degrees(degrees):
    angle = quantity("hip_internal_rotation_deg_left", of(math.radians(degrees), "rad"))
    assert angle == pytest.approx(degrees, abs=1e-12)


@given(st.floats(0, 10))
def test_pain_of_0_to_100_is_pain_of_0_to_10(points):
    for value, code in ((10 * points, "{score_0_100}"), (10 * points, "mm"), (points, "cm"), (points, "{score_0_10}")):
        assert quantity("nrs_leg", of(value, code)) == pytest.approx(points, abs=1e-12)


def test_a_score_of_the_oswestry_index_is_taken_as_a_percent_alone():
    assert quantity("odi", of(44, "%")) == 44
    with pytest.raises(UnitError, match="UCUM code: %"):
        quantity("odi", of(22, "{score}"))  # of 50, or of 100? nobody knows
    assert plain_number("odi", 22) is None


@given(st.sampled_from(NUMBERS), st.sampled_from(sorted({code for known in factors().values() for code in known})))
def test_a_unit_of_another_kind_is_refused(name, code):
    assume(code not in factors()[load_dictionary()[name].unit])
    with pytest.raises(UnitError, match="UCUM code"):
        quantity(name, of(1, code))


@pytest.mark.parametrize(
    "given_",
    [
        {"value": 70, "unit": "kg"},
        {"value": 70, "code": "kg"},
        {"value": 70, "system": "http://example.org", "code": "kg"},
        {"system": UCUM, "code": "kg"},
        {"value": 70, "comparator": "<", "system": UCUM, "code": "kg"},
    ],
)
def test_words_for_a_unit_no_system_and_inexact_values_are_refused(given_):
    with pytest.raises(UnitError):
        quantity("body_weight_kg", given_)


@given(st.sampled_from(NUMBERS), MEASURED)
def test_what_is_written_is_read_as_the_same(name, value):
    assert quantity(name, as_quantity(name, value)) == value


def test_a_body_mass_index_is_the_same_from_metric_and_imperial_measures(made):
    metric = case_of([made.measured("8302-2", 1.75, "m"), made.measured("29463-7", 80000, "g")])
    imperial = case_of(
        [made.measured("8302-2", 1.75 / 0.0254, "[in_i]"), made.measured("29463-7", 80 / 0.45359237, "[lb_av]")]
    )
    assert metric.record["bmi_kg_m2"] == pytest.approx(imperial.record["bmi_kg_m2"], abs=1e-12)
    assert metric.record["bmi_kg_m2"] == pytest.approx(80 / 1.75**2, abs=1e-12)


def test_a_wrong_unit_refuses_the_case(made):
    case = case_of([made.measured("8302-2", 170, "kg"), made.measured("29463-7", 80, "kg")])
    assert [finding.rule for finding in case.problems] == ["unit"]
    assert "body_height_m" in case.problems[0].detail


def test_every_number_of_the_dictionary_has_its_units():
    assert {load_dictionary()[name].unit for name in NUMBERS} | set(MEASURES.values()) == set(factors())
