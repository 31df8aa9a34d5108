"""Does this lesion explain this pain? Worked cases for a clinician to check line by line, then what must always hold.

Pain is drawn from 0 to 10 by region and side; scans are read in the grades of `choices.csv`: a herniation is
1 bulge, 2 protrusion, 3 extrusion, 4 sequestration; a stenosis goes from 0 to 3.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.axes import LEVELS, REGIONS, SIDES
from features.builders import build_features
from features.findings import Findings
from features.lesion_pain import lesion_pain
from features.lesions import age_factors, prevalence_findings
from tests.features import lesion_oracle, mimic_oracle

WORKED = """
 1 | herniation_l5_s1_paracentral_right 3 | buttock_right 6, posterior_thigh_right 7, posterior_leg_right 7, foot_lateral_right 4 | L5-S1 paracentral and recess, right | S1 pain from a right L5-S1 extrusion
 2 | herniation_l4_l5_far_lateral_left 3 | anterior_thigh_left 7, knee_left 5, medial_leg_left 5 | L4-L5 far lateral, left | a far lateral herniation catches the exiting L4
 3 | recess_stenosis_l4_l5_left 3 | buttock_left 5, lateral_leg_left 7, foot_dorsum_left 5 | L4-L5 paracentral and recess, left | L5 pain from the recess at L4-L5
 4 | central_stenosis_l4_l5 3 | buttock_left 6, buttock_right 6, posterior_thigh_left 5, posterior_thigh_right 5, lateral_leg_left 5, lateral_leg_right 5 | L4-L5 central canal | bilateral claudication
 5 | herniation_l5_s1_paracentral_left 4, migration_l5_s1 up | buttock_left 5, lateral_leg_left 7, foot_dorsum_left 6 | L5-S1 paracentral, migrated upwards, left | a fragment gone up catches the exiting L5
 6 | herniation_l4_l5_paracentral_left 4, migration_l4_l5 down | buttock_left 5, lateral_leg_left 7, foot_dorsum_left 6 | L4-L5 paracentral, migrated downwards, left | a fragment gone down stays with the traversing L5
 7 | foraminal_stenosis_l5_s1_right 3 | buttock_right 5, lateral_leg_right 7, foot_dorsum_right 5 | L5-S1 foramen, right | L5 pain from the foramen at L5-S1
 8 | synovial_cyst_l4_l5_right 1 | buttock_right 5, lateral_leg_right 8 | L4-L5 paracentral and recess, right | a synovial cyst presses on L5
 9 | modic_l5_s1 1 | low_back_left 7, low_back_right 7 | L5-S1 disc and endplates | back pain and a type 1 endplate
10 | slip_l4_l5 1 | low_back_left 7, low_back_right 7, buttock_left 3, buttock_right 3 | L4-L5 facet joints and slip | back pain and a slip
11 | herniation_l3_l4_far_lateral_left 3, herniation_l5_s1_paracentral_left 3 | buttock_left 5, posterior_thigh_left 7, posterior_leg_left 7 | L5-S1 paracentral and recess, left | two lesions: S1 pain chooses L5-S1
12 | herniation_l3_l4_far_lateral_left 3, herniation_l5_s1_paracentral_left 3 | anterior_thigh_left 7, knee_left 7 | L3-L4 far lateral, left | the same two: L3 pain chooses L3-L4
13 | herniation_l4_l5_paracentral_right 3, herniation_l5_s1_paracentral_right 1 | buttock_right 6, lateral_leg_right 6 | L4-L5 paracentral and recess, right | an extrusion outweighs a bulge
14 | herniation_l1_l2_paracentral_left 3 | anterior_thigh_left 7, groin_left 4 | L1-L2 paracentral and recess, left | L2 pain from L1-L2
15 | herniation_l3_l4_paracentral_right 3 | anterior_thigh_right 6, knee_right 5, medial_leg_right 6 | L3-L4 paracentral and recess, right | L4 pain from L3-L4
16 | herniation_l2_l3_foraminal_left 3 | anterior_thigh_left 6, groin_left 4 | L2-L3 foramen, left | L2 pain from the foramen at L2-L3
17 | herniation_l5_s1_far_lateral_left 3, herniation_l5_s1_paracentral_left 2 | lateral_leg_left 7, foot_dorsum_left 7 | L5-S1 far lateral, left | one level, two zones: L5 pain chooses the far lateral one
18 | facet_arthropathy_l5_s1 3 | low_back_left 5, buttock_left 5 | L5-S1 facet joints and slip | back and buttock pain from worn facet joints
19 | spondylolysis_l5_s1 1 | low_back_left 7, low_back_right 7 | L5-S1 facet joints and slip | back pain from a pars defect
20 | root_compression_l5_s1_left 3 | posterior_thigh_left 7, posterior_leg_left 7 | L5-S1 paracentral and recess, left | compression of S1, whatever compresses it
21 | herniation_l4_l5_central 3 | low_back_left 7, low_back_right 7 | L4-L5 disc and endplates | a central herniation with back pain alone is a disc
22 | recess_stenosis_l4_l5_left 3, recess_stenosis_l4_l5_right 3 | buttock_right 5, lateral_leg_right 7 | L4-L5 paracentral and recess, right | stenosis on both sides, pain on the right
23 | recess_stenosis_l5_s1_left 3 | posterior_thigh_right 7, posterior_leg_right 7 | none | a narrow recess on the other side explains nothing
24 | foraminal_stenosis_l5_s1_left 3 | groin_left 7 | none | L5 is not felt in the groin
25 | herniation_l4_l5_paracentral_left 0, modic_l4_l5 0 | posterior_leg_left 7 | none | a scan without a lesion explains nothing
"""  # noqa: E501


def worked_cases():
    for line in WORKED.strip().splitlines():
        number, scan, pain, best, why = (cell.strip() for cell in line.split("|"))
        yield pytest.param(scan, pain, best, id=f"{number}: {why}")


def case(scan, pain, age_years=45.0, **others):
    """One case, written in the short hand of the worked cases."""
    record = {"age_years": age_years, **others}
    for finding in filter(None, scan.split(", ")):
        name, grade = finding.split(" ")
        record[name] = float(grade) if grade.isdigit() else grade
    for drawn in filter(None, pain.split(", ")):
        region, intensity = drawn.split(" ")
        record[f"pain_{region}"] = float(intensity)
    return pd.DataFrame([record], index=pd.Index(["A"], name="case_id"))


@pytest.fixture
def read(params):
    """The features of one case in short hand."""
    return lambda scan, pain, **others: build_features(case(scan, pain, **others), params).iloc[0]


@pytest.mark.parametrize(("scan", "pain", "best"), worked_cases())
def test_the_lesion_that_explains_the_pain_best(read, scan, pain, best):
    found = read(scan, pain)
    assert found.fillna({"best_lesion": "none"})["best_lesion"] == best
    assert (found["share_best_lesion"] > 0) == (best != "none")
    assert found["concordance_unknown"] == 0


def test_a_herniation_on_the_other_side_explains_no_more_than_its_disc(read):
    # The disc is felt in the back of the thigh by 0.15, on both sides; an extrusion makes it a source by 0.25.
    found = read("herniation_l5_s1_paracentral_left 3", "posterior_thigh_right 7")
    assert found["best_lesion"] == "L5-S1 disc and endplates"
    assert found["share_best_lesion"] == pytest.approx(0.25 * 0.15)


# By hand


def test_a_share_worked_by_hand(read):
    # An extrusion weighs 0.85 at any age. Paracentral at L5-S1 reaches S1 wholly and S2 by 0.3:
    #   back of the thigh 1 - (1 - 0.75)(1 - 0.3 x 0.60) = 0.795; of the calf 1 - 0.25 x 0.91 = 0.7725; sole 0.45
    found = read(
        "herniation_l5_s1_paracentral_right 3", "posterior_thigh_right 6, posterior_leg_right 6, foot_sole_right 4"
    )
    assert found["share_best_lesion"] == pytest.approx(0.85 * (6 * 0.795 + 6 * 0.7725 + 4 * 0.45) / 16, abs=1e-9)


def test_a_protrusion_counts_less_the_more_common_it_is_at_that_age(read):
    # At 40, 33 % of people without pain have one; at 80, 43 %. Foraminal at L4-L5 reaches L4: knee 0.5.
    at_40 = read("herniation_l4_l5_foraminal_left 2", "knee_left 5", age_years=40.0)["share_best_lesion"]
    at_80 = read("herniation_l4_l5_foraminal_left 2", "knee_left 5", age_years=80.0)["share_best_lesion"]
    assert at_40 == pytest.approx(0.65 * (1 - 0.33) * 0.5)
    assert at_80 == pytest.approx(0.65 * (1 - 0.43) * 0.5)


def test_an_extrusion_counts_the_same_at_any_age(read):
    shares = [read("herniation_l4_l5_foraminal_left 3", "knee_left 5", age_years=age)["share_best_lesion"]
              for age in (20.0, 50.0, 90.0)]  # fmt: skip
    assert shares == pytest.approx([0.9 * 0.5] * 3)


def spared(age, finding):
    """What is left of the weight of a finding at an age."""
    place = prevalence_findings().index(finding) if finding else -1
    return age_factors(np.array([age]))[0, place]


@pytest.mark.parametrize(
    ("age", "factor"),
    [(20.0, 1 - 0.37), (16.0, 1 - 0.37), (45.0, 1 - 0.74), (80.0, 1 - 0.96), (99.0, 1 - 0.96)],
)
def test_between_decades_prevalence_is_interpolated_and_beyond_them_held(age, factor):
    assert spared(age, "disc_degeneration") == pytest.approx(factor)


def test_an_age_that_is_not_recorded_takes_the_mean_over_the_decades():
    mean = np.mean([0.37, 0.52, 0.68, 0.80, 0.88, 0.93, 0.96])
    assert spared(np.nan, "disc_degeneration") == pytest.approx(1 - mean)
    assert spared(np.nan, None) == 1


def test_the_most_telling_finding_at_a_site_counts_and_not_their_sum(read):
    pain = "lateral_leg_left 7"
    one = read("herniation_l4_l5_paracentral_left 3", pain)
    three = read(
        "herniation_l4_l5_paracentral_left 3, recess_stenosis_l4_l5_left 3, root_compression_l4_l5_left 3", pain
    )
    assert three["share_best_lesion"] == one["share_best_lesion"]
    assert three["share_all_lesions"] == one["share_all_lesions"]


def test_two_lesions_together_explain_by_noisy_or(read):
    # Facet joints at two levels, severe, at 40 (18 % have it): each 0.45 x 0.82 x 0.9 of the low back.
    found = read("facet_arthropathy_l3_l4 3, facet_arthropathy_l4_l5 3", "low_back_left 8", age_years=40.0)
    alone = 0.45 * (1 - 0.18) * 0.9
    assert found["share_best_lesion"] == pytest.approx(alone)
    assert found["share_second_lesion"] == pytest.approx(alone)
    assert found["share_all_lesions"] == pytest.approx(1 - (1 - alone) ** 2)
    assert found["ambiguity"] == 1
    assert found["parsimony"] == pytest.approx(alone / (1 - (1 - alone) ** 2))


def test_one_lesion_is_parsimonious_and_unambiguous(read):
    found = read("herniation_l5_s1_far_lateral_left 3", "lateral_leg_left 7")
    assert (found["parsimony"], found["ambiguity"], found["share_second_lesion"]) == (1, 0, 0)


def test_another_zone_of_the_same_level_and_side_is_no_second_lesion(read):
    found = read("herniation_l4_l5_paracentral_left 3, foraminal_stenosis_l4_l5_left 3", "lateral_leg_left 7")
    assert found["share_second_lesion"] == 0


def test_pain_expected_but_not_felt_is_the_silent_part_of_the_territory(read):
    # Foraminal at L2-L3 reaches L2, felt in eight regions: 2.95 in all, 0.75 of it in the front of the thigh.
    found = read("herniation_l2_l3_foraminal_left 3", "anterior_thigh_left 6")
    assert found["expected_not_felt"] == pytest.approx(1 - 0.75 / 2.95)


def test_leg_pain_on_the_side_of_the_lesion_agrees(read):
    # 6 of 8 points of leg pain are on the left; the low back is no leg.
    found = read("herniation_l4_l5_paracentral_left 3", "lateral_leg_left 6, lateral_leg_right 2, low_back_right 9")
    assert found["side_agreement"] == pytest.approx(6 / 8)


def test_a_lesion_in_the_midline_agrees_with_both_sides(read):
    assert read("central_stenosis_l4_l5 3", "buttock_left 6, lateral_leg_left 6")["side_agreement"] == 1


# Nothing recorded is never read as nothing there


@pytest.mark.parametrize(
    ("scan", "pain", "why"),
    [
        ("herniation_l4_l5_paracentral_left 3", "", "no drawing"),
        ("", "lateral_leg_left 7", "no scan"),
        ("", "", "neither"),
        ("herniation_l4_l5_paracentral_left 3", "lateral_leg_left 0", "a drawing without pain"),
    ],
)
def test_without_pain_drawn_or_scan_read_concordance_is_unknown(read, scan, pain, why):
    found = read(scan, pain)
    shares = ["share_best_lesion", "share_all_lesions", "share_second_lesion", "ambiguity", "parsimony"]
    more = ["expected_not_felt", "side_agreement", "sign_agreement", "axial_degeneration_only", "margin_lesion_mimic"]
    assert found["concordance_unknown"] == 1, why
    assert found[shares + more].isna().all(), why
    assert pd.isna(found["best_lesion"])


def test_a_drawing_with_a_clean_scan_is_explained_to_nothing(read):
    found = read("herniation_l4_l5_paracentral_left 0", "lateral_leg_left 7")
    assert (found["share_best_lesion"], found["share_all_lesions"], found["concordance_unknown"]) == (0, 0, 0)
    assert np.isnan(found["expected_not_felt"])  # there is no site from which anything is expected


def test_an_unmarked_region_counts_as_no_pain_once_any_is_marked(read):
    marked = read("herniation_l4_l5_paracentral_left 3", "lateral_leg_left 7")
    zeros = read("herniation_l4_l5_paracentral_left 3", "lateral_leg_left 7, knee_left 0, groin_right 0")
    pd.testing.assert_series_equal(marked, zeros)


def test_a_level_that_was_not_read_explains_nothing(read):
    assert read("herniation_l1_l2_central 0", "lateral_leg_left 7")["share_all_lesions"] == 0


def test_a_grade_without_a_weight_is_no_lesion(read):
    # Pfirrmann I and II are healthy discs.
    assert read("disc_degeneration_l4_l5 2", "low_back_left 7")["share_best_lesion"] == 0
    assert read("disc_degeneration_l4_l5 3", "low_back_left 7")["share_best_lesion"] > 0


# Migration


def test_only_a_fragment_migrates(read):
    found = read("herniation_l5_s1_paracentral_left 2, migration_l5_s1 up", "posterior_leg_left 7")
    assert found["best_lesion"] == "L5-S1 paracentral and recess, left"


def test_a_fragment_at_the_disc_stays_in_its_zone(read):
    found = read("herniation_l5_s1_paracentral_left 4, migration_l5_s1 none", "posterior_leg_left 7")
    assert found["best_lesion"] == "L5-S1 paracentral and recess, left"


def test_a_fragment_takes_its_own_side_alone_along(read):
    scan = "herniation_l5_s1_paracentral_left 4, recess_stenosis_l5_s1_right 3, migration_l5_s1 up"
    assert read(scan, "posterior_leg_right 7")["best_lesion"] == "L5-S1 paracentral and recess, right"


# The examination


def signs(read, **found):
    scan, pain = "herniation_l5_s1_paracentral_right 3", "posterior_thigh_right 7, posterior_leg_right 7"
    return read(scan, pain, **{name: float(value) for name, value in found.items()})


@pytest.mark.parametrize(
    ("found", "agreement", "positive", "examined"),
    [
        ({"reflex_s1_right": 0, "power_s1_right": 4}, 1.0, 2, 2),
        ({"power_l5_right": 3}, 0.0, 1, 1),
        ({"power_s1_left": 3}, 0.0, 1, 1),
        ({"power_s1_right": 5, "reflex_s1_right": 2}, np.nan, 0, 2),
        ({}, np.nan, np.nan, 0),
        # A raised leg speaks for L5 and S1 alike; only S1 fits.
        ({"slr_right": 1}, 0.5, 1, 1),
        # The block (2.0) of S1 against the power (1.0) of L4.
        ({"root_block_relief_s1_right": 80, "power_l4_right": 4}, 2 / 3, 2, 2),
        ({"root_block_relief_s1_right": 49}, np.nan, 0, 1),
    ],
)
def test_positive_root_signs_agree_with_the_root_and_side_of_the_lesion(read, found, agreement, positive, examined):
    result = signs(read, **found)
    assert result["sign_agreement"] == pytest.approx(agreement, nan_ok=True)
    assert result["signs_positive"] == pytest.approx(positive, nan_ok=True)
    assert result["signs_examined"] == examined


def test_a_crossed_leg_raise_speaks_for_the_other_side(read):
    # Raising the left leg brings on pain in the right: it speaks for the lesion on the right.
    assert signs(read, crossed_slr_left=1)["sign_agreement"] == pytest.approx(0.5)
    assert signs(read, crossed_slr_right=1)["sign_agreement"] == 0


def test_of_equal_lesions_on_both_sides_the_signs_choose(read):
    scan = "recess_stenosis_l4_l5_left 3, recess_stenosis_l4_l5_right 3"
    pain = "lateral_leg_left 6, lateral_leg_right 6"
    for side in SIDES:
        found = read(scan, pain, **{f"power_l5_{side}": 3.0})
        assert found["best_lesion"] == f"L4-L5 paracentral and recess, {side}"
        assert found["sign_agreement"] == 1


# Axial pain with degeneration alone


@pytest.mark.parametrize(
    ("scan", "pain", "expected", "why"),
    [
        ("disc_degeneration_l4_l5 5", "low_back_left 7, low_back_right 7", 1, "back pain and a worn disc"),
        ("disc_degeneration_l4_l5 5", "low_back_left 7, lateral_leg_left 7", 0, "half of it in the leg"),
        ("disc_degeneration_l4_l5 5, recess_stenosis_l4_l5_left 3", "low_back_left 7", 0, "a lesion reaches a root"),
        ("disc_degeneration_l4_l5 5, recess_stenosis_l4_l5_left 1", "low_back_left 7", 1, "a grade 1 recess does not"),
        ("disc_degeneration_l4_l5 1", "low_back_left 7", 0, "nothing is worn"),
        ("disc_degeneration_l4_l5 5, herniation_l5_s1_central 2", "low_back_left 7", 1, "a lesion of little weight"),
        ("disc_degeneration_l4_l5 5", "low_back_left 8, lateral_leg_left 2", 0, "a fifth of it in the leg"),
        ("disc_degeneration_l4_l5 5", "low_back_left 8, lateral_leg_left 1.9", 1, "less than a fifth"),
        ("modic_l5_s1 2", "low_back_left 7, buttock_left 5", 1, "the buttock is not the leg"),
    ],
)
def test_axial_pain_with_degeneration_alone(read, scan, pain, expected, why):
    assert read(scan, pain)["axial_degeneration_only"] == expected, why


# Widespread pain and numbering


def test_pain_above_the_low_back_is_widespread(read):
    scan = "herniation_l4_l5_paracentral_left 3"
    assert read(scan, "lateral_leg_left 7")["widespread_pain"] == 0
    assert read(scan, "lateral_leg_left 7, head_neck_left 1, upper_back_right 5")["widespread_pain"] == 2 / 8
    assert np.isnan(read(scan, "")["widespread_pain"])


S1_READ_AS_L4_L5 = ("herniation_l4_l5_paracentral_left 3", "posterior_thigh_left 7, posterior_leg_left 7")


@pytest.mark.parametrize(
    ("record", "uncertain", "comparison"),
    [
        ({"transitional_vertebra": "lumbarised_s1"}, 1, "more"),  # the root there is one lower: S1
        ({"transitional_vertebra": "sacralised_l5"}, 1, "less"),  # one higher: L4
        ({"transitional_vertebra": "unknown"}, 1, "more"),  # the better of both
        ({"numbering_method": "unknown"}, 1, "more"),
        ({"transitional_vertebra": "none", "numbering_method": "whole_spine"}, 0, "undefined"),
        ({"numbering_method": "assumed"}, 0, "undefined"),
        ({}, 0, "undefined"),
    ],
)
def test_another_numbering_is_read_where_it_is_in_doubt(read, record, uncertain, comparison):
    found = read(*S1_READ_AS_L4_L5, **record)
    other, this = found["share_other_numbering"], found["share_best_lesion"]
    assert found["numbering_uncertain"] == uncertain
    assert {"more": other > this, "less": other < this, "undefined": np.isnan(other)}[comparison]


def test_the_other_reading_explains_as_much_as_that_root_would(read):
    # Lumbarised S1: what is called paracentral L4-L5 then reaches S1 and, by 0.3, S2, as at L5-S1.
    doubtful = read(*S1_READ_AS_L4_L5, transitional_vertebra="lumbarised_s1")
    at_l5_s1 = read("herniation_l5_s1_paracentral_left 3", S1_READ_AS_L4_L5[1])
    assert doubtful["share_other_numbering"] == pytest.approx(at_l5_s1["share_best_lesion"])


# An oracle: one case at a time, in plain Python, straight from the tables


def test_a_plain_loop_over_the_tables_finds_the_same_numbers(invent_cases, params):
    cases = invent_cases(80, 5)
    found = build_features(cases, params)
    by_hand = []
    for record in cases.to_dict("records"):
        numeric = {name: value for name, value in record.items() if not isinstance(value, str)}
        odds = {
            (mimic, side): mimic_oracle.tested_odds(numeric, mimic, side, params.mimic_priors)
            for mimic in params.mimic_priors
            for side in SIDES
        }
        by_hand.append(lesion_oracle.lesion_numbers(record, odds))
    expected = pd.DataFrame(by_hand, index=cases.index).astype(float)
    assert expected.notna().sum().min() > 30
    for column in expected:
        np.testing.assert_allclose(found[column], expected[column], atol=1e-7, equal_nan=True, err_msg=column)


# What must always hold


ZONES_OF_A_SIDE = ("paracentral", "foraminal", "far_lateral")
LESIONS = [f"herniation_{level}_{zone}_{side}" for level in LEVELS for zone in ZONES_OF_A_SIDE for side in SIDES]
PLACES = [f"pain_{region}_{side}" for region in REGIONS for side in SIDES]


def best_and_all(record):
    lesions = lesion_pain(Findings(pd.DataFrame([record])))
    return lesions.share_best[0], lesions.share_all[0]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(PLACES), st.integers(1, 10), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from(LESIONS), st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from(LESIONS),
    st.integers(1, 4),
)
def test_one_more_lesion_never_lowers_what_is_explained(pain, scan, lesion, grade):
    before = best_and_all(pain | scan)
    after = best_and_all(pain | scan | {lesion: max(grade, scan.get(lesion, 0))})
    assert after[0] >= before[0] - 1e-9
    assert after[1] >= before[1] - 1e-9


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from([p for p in PLACES if p.endswith("left")]), st.integers(1, 10), min_size=1),
    st.dictionaries(st.sampled_from([p for p in LESIONS if p.endswith("left")]), st.integers(0, 4), min_size=1),
    # A foraminal herniation also wears the disc, which is felt on both sides: a narrow recess does not.
    st.sampled_from(
        [f"{item}_{level}_right" for item in ("recess_stenosis", "foraminal_stenosis") for level in LEVELS]
    ),
    st.integers(1, 3),
)
def test_a_lesion_on_the_painless_side_changes_nothing(pain, scan, lesion, grade):
    assert best_and_all(pain | scan) == best_and_all(pain | scan | {lesion: grade})


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from([p for p in PLACES if p.endswith("left")]), st.integers(1, 10), min_size=1),
    st.dictionaries(st.sampled_from([p for p in LESIONS if p.endswith("left")]), st.integers(1, 4), min_size=1),
    st.sampled_from([f"recess_stenosis_{level}_right" for level in LEVELS]),
    st.sampled_from(LEVELS),
    st.sampled_from([*SIDES, "fusion"]),
)
def test_a_lesion_that_explains_nothing_never_raises_the_fit_of_the_plan(params, pain, scan, lesion, level, side):
    plan = {f"planned_fusion_{level}" if side == "fusion" else f"planned_decompression_{level}_{side}": 1.0}
    records = pd.DataFrame([pain | scan | plan, pain | scan | plan | {lesion: 3.0}])
    names = ["plan_support", "plan_share", "plan_best_share", "share_best_lesion", "support_best_lesion"]
    before, after = build_features(records, params)[names].to_numpy()
    np.testing.assert_array_equal(after, before)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(PLACES), st.integers(1, 10), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from(LESIONS), st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from([0.1, 0.5]),
)
def test_only_the_proportions_of_the_drawing_count_and_not_its_strength(pain, scan, scale):
    weaker = {place: intensity * scale for place, intensity in pain.items()}
    assert best_and_all(weaker | scan) == pytest.approx(best_and_all(pain | scan), abs=2e-9)


def test_the_best_lesion_explains_no_more_than_all_and_no_less_than_the_second(invent_cases, params):
    found = build_features(invent_cases(300, 6), params).dropna(subset=["share_best_lesion"])
    assert (found["share_best_lesion"] <= found["share_all_lesions"] + 1e-8).all()
    assert (found["share_second_lesion"] <= found["share_best_lesion"]).all()
