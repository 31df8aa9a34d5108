"""What the knowledge tables promise: no gap, no overlap, each fact with its source."""

from __future__ import annotations

import pytest

from features.anatomy import AXIAL_ZONES, ROOT_ZONES, SITES, root_reach, site_territory
from features.axes import LEVELS, MIMICS, REGIONS, ROOTS, SIDES
from features.dictionary import load_dictionary
from features.knowledge_tables import KNOWLEDGE, STATUSES, knowledge_table
from features.mimics import LR_CAPS, RATIO_TOLERANCE, clusters

TABLES = sorted(path.stem for path in KNOWLEDGE.glob("*.csv"))
SOURCED_BY_ANOTHER = {
    "choices": "the variables that use a set of choices",
    "mimic_items": "the cluster that a test belongs to",
}
TYPES_NOT_GRADES = {"modic"}
"""Modic types are kinds of change: type 1 hurts more than type 3."""


@pytest.mark.parametrize("name", [name for name in TABLES if name not in SOURCED_BY_ANOTHER])
def test_every_fact_says_where_it_comes_from(name):
    table = knowledge_table(name)
    assert (table["source"].str.strip().str.len() > 0).all()


@pytest.mark.parametrize("name", [n for n in TABLES if n not in SOURCED_BY_ANOTHER and n != "variables"])
def test_every_fact_says_how_sure_it_is(name):
    assert set(knowledge_table(name)["status"]) <= set(STATUSES)


@pytest.mark.parametrize("name", TABLES)
def test_no_cell_has_stray_blanks(name):
    text = knowledge_table(name).select_dtypes(["object", "str"])
    stray = [c for c in text if (text[c].dropna().astype(str) != text[c].dropna().astype(str).str.strip()).any()]
    assert stray == []


# Anatomy


def test_every_level_and_zone_reaches_a_root_and_one_of_them_wholly():
    table = knowledge_table("root_reach")
    furthest = table.groupby(["level", "zone"])["reach"].max()
    assert set(furthest.index) == {(level, zone) for level in LEVELS for zone in ROOT_ZONES}
    assert (furthest == 1).all()


@pytest.mark.parametrize(
    ("zone", "roots"),
    [
        # At L1-L2, L2-L3, L3-L4, L4-L5, L5-S1: the canal catches the traversing root, the foramen the exiting one.
        ("paracentral", ["l2", "l3", "l4", "l5", "s1"]),
        ("paracentral_down", ["l2", "l3", "l4", "l5", "s1"]),
        ("central", ["l2", "l3", "l4", "l5", "s1"]),
        ("paracentral_up", ["l1", "l2", "l3", "l4", "l5"]),
        ("foraminal", ["l1", "l2", "l3", "l4", "l5"]),
        ("far_lateral", ["l1", "l2", "l3", "l4", "l5"]),
    ],
)
def test_the_canal_catches_the_traversing_root_and_the_foramen_the_exiting_one(zone, roots):
    table = knowledge_table("root_reach").query("zone == @zone and reach == 1").set_index("level")["root"]
    assert [table[level] for level in LEVELS] == roots


def test_a_sided_site_reaches_its_own_side_alone():
    reach = root_reach()
    for place, site in enumerate(SITES):
        for side in SIDES:
            reaches = reach[place, :, SIDES.index(side)].any()
            assert reaches == (site.zone in ROOT_ZONES and site.side in (None, side)), (site.label, side)


def test_every_source_of_pain_has_a_territory_among_the_regions():
    table = knowledge_table("territories")
    assert set(table["pain_source"]) == set(ROOTS + AXIAL_ZONES + MIMICS)
    assert set(table["region"]) <= set(REGIONS)
    assert (table.groupby("pain_source")["share"].max() >= 0.5).all()


def test_every_region_can_be_explained_by_some_root():
    table = knowledge_table("territories")
    assert set(table[table["pain_source"].isin(ROOTS) & (table["share"] > 0)]["region"]) == set(REGIONS)


@pytest.mark.parametrize(
    ("region", "root", "weaker"),
    [
        ("groin", "l1", "l5"),
        ("anterior_thigh", "l3", "s1"),
        ("knee", "l3", "l5"),
        ("medial_leg", "l4", "l5"),
        ("lateral_leg", "l5", "s1"),
        ("foot_dorsum", "l5", "s1"),
        ("posterior_leg", "s1", "l5"),
        ("foot_lateral", "s1", "l5"),
        ("foot_sole", "s1", "l5"),
    ],
)
def test_roots_are_felt_where_the_textbook_says(region, root, weaker):
    shares = knowledge_table("territories").set_index(["pain_source", "region"])["share"]
    assert shares[root, region] > shares.get((weaker, region), 0.0)


def test_a_site_that_reaches_two_roots_is_felt_by_noisy_or():
    # Paracentral L5-S1 reaches S1 wholly and S2 by 0.3; the back of the thigh: S1 0.75, S2 0.60.
    site = next(i for i, s in enumerate(SITES) if (s.level, s.zone, s.side) == ("l5_s1", "paracentral", "left"))
    felt = site_territory()[site, REGIONS.index("posterior_thigh")]
    assert felt[SIDES.index("left")] == pytest.approx(1 - (1 - 0.75) * (1 - 0.3 * 0.60))
    assert felt[SIDES.index("right")] == 0


def test_another_numbering_moves_every_root_by_one_and_keeps_the_ends():
    at = {(s.level, s.zone, s.side): i for i, s in enumerate(SITES)}
    foramen = at["l4_l5", "foraminal", "left"]

    def root(shift):
        return ROOTS[root_reach(shift)[foramen, :, 0].argmax()]

    assert (root(-1), root(0), root(+1)) == ("l3", "l4", "l5")
    top = at["l1_l2", "foraminal", "left"]
    assert ROOTS[root_reach(-1)[top, :, 0].argmax()] == "l1"


# Lesions


def weights():
    return knowledge_table("lesion_weights").fillna({"zone": "", "prevalence_finding": ""})


def test_every_graded_finding_is_an_item_of_the_scan_with_that_grade():
    dictionary = load_dictionary()
    codes = {v.item: set(v.codes) for v in dictionary.predictors if v.form == "imaging"}
    for row in weights().itertuples():
        assert row.grade in codes[row.item], (row.item, row.grade)


def test_every_abnormal_grade_has_a_weight_and_the_normal_grade_has_none():
    codes = {v.item: v.codes for v in load_dictionary().predictors if v.form == "imaging"}
    for (item, zone, site_zone), rows in weights().groupby(["item", "zone", "site_zone"]):
        abnormal = {3.0, 4.0, 5.0} if item == "disc_degeneration" else {code for code in codes[item] if code > 0}
        assert set(rows["grade"]) == abnormal, (item, zone, site_zone)


def test_a_higher_grade_never_weighs_less():
    for (item, zone, site_zone), rows in weights().groupby(["item", "zone", "site_zone"]):
        if item not in TYPES_NOT_GRADES:
            assert rows.sort_values("grade")["weight"].is_monotonic_increasing, (item, zone, site_zone)


def test_every_zone_of_a_site_can_hold_a_lesion():
    migrated = {"paracentral_up", "paracentral_down"}  # a paracentral fragment is moved there
    assert set(weights()["site_zone"]) == {site.zone for site in SITES} - migrated


def test_every_prevalence_named_by_a_weight_exists_over_the_adult_ages():
    prevalence = knowledge_table("asymptomatic_prevalence")
    for finding in set(weights()["prevalence_finding"]) - {""}:
        rows = prevalence[prevalence["finding"] == finding].sort_values("age_years")
        assert rows["age_years"].tolist() == [20, 30, 40, 50, 60, 70, 80], finding
        assert rows["prevalence"].between(0, 1).all(), finding
        assert rows["prevalence"].is_monotonic_increasing, finding


# Signs and tests


def test_every_root_sign_is_examined_on_both_sides():
    declared = {(v.item, dict(v.coordinates).get("root"), dict(v.coordinates).get("side")) for v in _predictors()}
    for row in knowledge_table("root_signs").itertuples():
        root = row.tested_root if row.tested_root == row.tested_root else None
        for side in SIDES:
            assert (row.item, root, side) in declared, (row.item, root, side)
        assert row.root in ROOTS


def test_every_root_that_is_examined_has_a_sign():
    table = knowledge_table("root_signs")
    for item in ("power", "sensation", "reflex", "emg"):
        examined = {dict(v.coordinates)["root"] for v in _predictors() if v.item == item}
        assert set(table[table["item"] == item]["tested_root"]) == examined, item


def test_every_mimic_test_is_known_before_the_operation_on_both_sides():
    sides = {}
    for variable in _predictors():
        sides.setdefault(variable.item, set()).add(dict(variable.coordinates).get("side"))
    for item in knowledge_table("mimic_items")["item"]:
        assert sides.get(item) == {"left", "right"}, item


def test_every_test_belongs_to_a_declared_cluster_and_no_cluster_is_empty():
    items, table = knowledge_table("mimic_items"), knowledge_table("mimic_clusters")
    assert set(zip(items["mimic"], items["cluster"], strict=True)) == set(
        zip(table["mimic"], table["cluster"], strict=True)
    )


def test_every_mimic_has_a_cluster_and_a_single_test_has_one_item():
    for mimic in MIMICS:
        assert any(c.role == "cluster" for c in clusters() if c.mimic == mimic), mimic
    assert all(len(c.items) == 1 for c in clusters() if c.role == "single")


def test_stated_ratios_agree_with_stated_sensitivity_and_specificity():
    stated = knowledge_table("mimic_clusters").dropna(subset=["sensitivity", "specificity"])
    assert len(stated) >= 8
    positive = stated["sensitivity"] / (1 - stated["specificity"])
    negative = (1 - stated["sensitivity"]) / stated["specificity"]
    assert ((stated["lr_positive"] - positive).abs() <= RATIO_TOLERANCE * positive).all()
    assert ((stated["lr_negative"] - negative).abs() <= RATIO_TOLERANCE * negative.clip(lower=0.1)).all()


def test_a_positive_test_never_lowers_and_a_negative_one_never_raises_the_odds():
    table = knowledge_table("mimic_clusters")
    assert (table["lr_positive"] > 1).all()
    assert (table["lr_negative"] < 1).all()


def test_a_ratio_from_a_tiny_study_is_capped_and_from_a_large_one_kept():
    assert LR_CAPS[0] == (50, 5.0)
    by_name = {c.name: c for c in clusters()}
    assert by_name["fair"].lr_positive == 5.24  # n = 918
    assert by_name["sutlive_three"].lr_positive == 5.2  # n = 72
    assert by_name["martin_either"].lr_positive == 4.57  # n = 33: below the cap of 5
    assert by_name["martin_either"].lr_negative == 0.2  # n = 33: 0.11 is capped at 1 / 5
    assert by_name["laslett_five"].lr_negative == 0.2  # n unknown counts as tiny: 0.12 is capped


# Red flags


def test_every_red_flag_is_a_yes_or_no_known_before_the_operation():
    dictionary = load_dictionary()
    for needed in knowledge_table("red_flags")["all_of"].str.split("+").explode():
        assert dictionary[needed].type == "yes_no", needed
        assert dictionary[needed].known == "preoperative", needed


def test_every_red_flag_says_what_to_do():
    table = knowledge_table("red_flags")
    assert table["action"].notna().all()
    assert set(table["urgency"]) <= {"emergency", "urgent"}


def _predictors():
    return load_dictionary().predictors
