"""What must always hold of the features, whoever the patient is: many invented cases try to break it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features import builders
from features.builders import TEXT_FEATURES, build_features
from features.dictionary import load_dictionary

SHARES = (
    "share_best_lesion",
    "share_all_lesions",
    "share_second_lesion",
    "ambiguity",
    "parsimony",
    "expected_not_felt",
    "side_agreement",
    "sign_agreement",
    "axial_degeneration_only",
    "widespread_pain",
    "numbering_uncertain",
    "share_other_numbering",
    "has_drawing",
    "has_scan",
    "concordance_unknown",
    "support_best_lesion",
    "support_mimics",
    "support_unknown",
    "drawn_leg_share",
    "plan_unknown",
    "plan_support",
    "plan_misses_likeliest",
    "unplanned_root_share",
    "side_conflict",
    "plan_share",
    "plan_best_share",
    "plan_misses_best",
    "unexplained_by_plan",
    "sacroiliac_probability",
    "sacroiliac_lower",
    "sacroiliac_upper",
    "sacroiliac_flag",
    "piriformis_probability",
    "piriformis_flag",
    "hip_probability",
    "hip_flag",
    "share_best_mimic",
    "is_current_smoker",
    "is_unemployed",
    "has_disability_pension",
    "is_on_sick_leave",
    "has_planned_modic",
)
SOURCES = ("best_lesion", "likeliest_source", "likeliest_lesion", "best_mimic")


@pytest.fixture(scope="module")
def cases(invent_cases):
    return invent_cases(300, 1)


@pytest.fixture(scope="module")
def features(cases, params):
    return build_features(cases, params)


def same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


# The invented cases are worth their name


def test_the_invented_cases_reach_every_corner(features):
    assert 0.5 < features["share_best_lesion"].notna().mean() < 0.95
    for name in features.drop(columns=list(TEXT_FEATURES)):
        values = features[name].dropna()
        assert len(values) > 20, name
        assert values.min() < values.max(), name
    assert features["best_lesion"].nunique() > 20
    assert features["best_mimic"].nunique() > 3
    assert features["likeliest_source"].nunique() > 20
    assert features["concordance_missing"].nunique() == 4


def test_missing_is_found_in_every_summary_that_can_be_undefined(features):
    assert features[["share_best_lesion", "plan_share", "sign_agreement", "comorbidity_count"]].isna().any().all()


# Form


def test_features_are_floats_except_those_that_are_words(features):
    assert {name for name in features if features[name].dtype != np.float64} == set(TEXT_FEATURES)
    assert {str(features[name].dtype) for name in TEXT_FEATURES} == {"str"}


def test_no_feature_takes_the_name_of_a_recorded_variable(features):
    assert [name for name in features if name in load_dictionary()] == []


@pytest.mark.parametrize("name", SHARES)
def test_shares_and_probabilities_lie_between_0_and_1(features, name):
    assert features[name].dropna().between(0, 1).all()


def test_margins_lie_between_minus_1_and_1(features):
    margins = features[["wrong_level_margin", "margin_lesion_mimic", "leg_dominance"]].abs()
    assert (margins.max() <= 1).all()


def test_nothing_is_infinite(features):
    assert not np.isinf(features.drop(columns=list(TEXT_FEATURES)).to_numpy()).any()


def test_concordance_is_unknown_exactly_where_its_shares_are_missing(features):
    assert ((features["concordance_unknown"] == 1) == features["share_best_lesion"].isna()).all()


# Each case by itself


def test_the_index_is_kept_and_the_input_untouched(cases, params):
    before = cases.copy(deep=True)
    assert build_features(cases, params).index.equals(before.index)
    pd.testing.assert_frame_equal(cases, before, check_exact=True)


def test_the_order_of_cases_does_not_matter(cases, features, params):
    shuffled = cases.sample(frac=1, random_state=2)
    same(build_features(shuffled, params).loc[cases.index], features)


def test_the_order_of_columns_does_not_matter(cases, features, params):
    same(build_features(cases.sample(frac=1, axis="columns", random_state=3), params), features)


def test_a_case_alone_has_exactly_the_features_it_has_among_others(cases, features, params):
    for case_id in cases.index[:60]:
        same(build_features(cases.loc[[case_id]], params), features.loc[[case_id]])


def test_slices_leave_no_seam(monkeypatch, cases, features, params):
    monkeypatch.setattr(builders, "SLICE", 7)
    same(build_features(cases, params), features)


def test_no_case_at_all_is_an_empty_frame_with_the_same_columns(cases, features, params):
    empty = build_features(cases.iloc[:0], params)
    assert empty.columns.equals(features.columns)
    assert len(empty) == 0


# Left and right


def test_the_mirror_image_of_a_patient_has_the_mirror_image_of_the_features(cases, features, params, mirror_cases):
    reflected = build_features(mirror_cases(cases), params)
    pd.testing.assert_frame_equal(
        reflected.drop(columns=list(TEXT_FEATURES)), features.drop(columns=list(TEXT_FEATURES)), rtol=0, atol=2e-9
    )
    other_side = {"left": "right", "right": "left"}
    for name in TEXT_FEATURES:
        expected = [_mirrored_label(label, other_side) for label in features[name].fillna("none")]
        assert reflected[name].fillna("none").tolist() == expected


def _mirrored_label(label, other_side):
    place, comma, side = label.rpartition(", ")
    return f"{place}{comma}{other_side[side]}" if side in other_side else label


# What is not recorded


def test_a_record_without_anything_has_no_share_and_not_a_share_of_0(params):
    nothing = build_features(pd.DataFrame(index=pd.Index(["A"], name="case_id")), params).iloc[0]
    defined = nothing.drop(list(TEXT_FEATURES)).astype(float).dropna()
    marks = {"has_drawing": 0, "has_scan": 0, "concordance_unknown": 1, "plan_unknown": 1}
    assert {name: defined[name] for name in marks} == marks
    assert nothing["concordance_missing"] == "pain drawing and scan"
    # What is left are the pre-test probabilities, by side, their bounds, and counts of what was done.
    left = set(defined.index) - set(marks)
    endings = ("_probability", "_lower", "_upper", "_tests_done")
    assert {name for name in left if not name.endswith(endings)} == {"signs_examined", "numbering_uncertain"}
    assert nothing[list(SOURCES)].isna().all()


def test_an_absent_column_is_an_empty_column(cases, features, params):
    names = [v.name for v in load_dictionary().predictors]
    half = names[::2]
    absent = cases[half]
    empty = absent.reindex(columns=names)
    same(build_features(absent, params), build_features(empty, params))


@pytest.mark.parametrize("form", ["pain drawing", "examination", "imaging", "plan", "patient"])
def test_a_whole_block_may_be_blank(cases, params, form):
    block = [v.name for v in load_dictionary().predictors if v.form == form]
    blank = build_features(cases.assign(**dict.fromkeys(block, np.nan)), params)
    same(build_features(cases.drop(columns=block), params), blank)


def test_columns_that_the_dictionary_lacks_or_that_come_later_are_ignored(cases, features, params):
    more = cases.assign(shoe_size=43.0, odi_12m=60.0, followup_pain_knee_left=9.0, operated_fusion_l4_l5=1.0)
    same(build_features(more, params), features)


# However it is stored


@pytest.fixture(scope="module")
def whole(invent_cases):
    """Cases in whole numbers, so that every type can hold them."""
    cases = invent_cases(80, 4)
    numeric = cases.select_dtypes("number").columns
    return cases.assign(**{name: cases[name].round() for name in numeric})


def as_nullable(cases):
    return cases.convert_dtypes()


def as_objects(cases):
    return cases.astype(object).where(cases.notna(), None)


def as_text(cases):
    return cases.apply(lambda column: column.map(lambda v: None if pd.isna(v) else str(v)).astype(object))


def as_float32(cases):
    return cases.astype(dict.fromkeys(cases.select_dtypes("number").columns, np.float32))


@pytest.mark.parametrize("stored", [as_nullable, as_objects, as_text, as_float32])
def test_features_do_not_depend_on_how_values_are_stored(whole, params, stored):
    same(build_features(stored(whole), params), build_features(whole, params))


def test_words_may_be_categories(whole, params):
    words = whole.select_dtypes(["object", "str"]).columns
    assert len(words) > 5
    same(build_features(whole.astype(dict.fromkeys(words, "category")), params), build_features(whole, params))


def test_integers_and_floats_give_the_same(whole, params):
    complete = whole.select_dtypes("number").fillna(0.0)
    same(build_features(complete.astype(int), params), build_features(complete, params))


# Plain summaries


def test_other_illnesses_are_counted_and_unknown_where_none_was_asked_for(features_of):
    found = features_of("""
        case_id | has_diabetes | has_hypertension | has_osteoporosis
        A       | 1            | 1                | 0
        B       | 0            |                  |
        C       |              |                  |
    """)
    assert found["comorbidity_count"].tolist() == pytest.approx([2, 0, np.nan], nan_ok=True)


def test_work_smoking_and_leg_dominance(features_of):
    found = features_of("""
        case_id | work_status        | smoking | nrs_leg | nrs_back
        A       | unemployed         | 2       | 8       | 3
        B       | disability_pension | 1       | 2       | 7
        C       | sick_leave         | 0       | 5       | 5
        D       |                    |         | 5       |
    """)
    columns = ["is_unemployed", "has_disability_pension", "is_on_sick_leave", "is_current_smoker", "leg_dominance"]
    expected = [[1, 0, 0, 1, 0.5], [0, 1, 0, 0, -0.5], [0, 0, 1, 0, 0.0], [np.nan] * 5]
    np.testing.assert_allclose(found[columns], expected, equal_nan=True)
