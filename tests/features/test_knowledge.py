"""What the knowledge tables promise: no gap, no overlap, each fact with its source."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from features import knowledge_tables
from features.anatomy import AXIAL_ZONES, ROOT_ZONES, SITES, root_reach, site_territory
from features.axes import CAUSES, FLAGGED_MIMICS, LEVELS, MIMICS, REGIONS, ROOTS, SIDES
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.finding_evidence import finding_ratio, finding_ratios, reader_kappa
from features.knowledge_checks import (
    AXIAL_SOURCES,
    RATIO_TOLERANCE,
    SOURCED_ELSEWHERE,
    WITHOUT_STATUS,
    contradictions,
)
from features.knowledge_checks import ROOT_ZONES as CHECKED_ZONES
from features.knowledge_review import check_knowledge
from features.knowledge_tables import (
    KNOWLEDGE,
    STATUSES,
    knowledge_table,
    refuse,
    refuse_duplicates,
    refuse_gaps,
    refuse_outside,
    table_names,
)
from features.mimic_tables import LR_CAPS, clusters

TABLES = table_names()
TYPES_NOT_GRADES = {"modic"}
"""Modic types are kinds of change: type 1 hurts more than type 3."""


@pytest.mark.parametrize("name", [name for name in TABLES if name not in SOURCED_ELSEWHERE])
def test_every_fact_says_where_it_comes_from(name):
    table = knowledge_table(name)
    assert (table["source"].str.strip().str.len() > 0).all()


@pytest.mark.parametrize("name", [name for name in TABLES if name not in WITHOUT_STATUS])
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
    assert set(table["pain_source"]) == set(ROOTS + AXIAL_ZONES + MIMICS + FLAGGED_MIMICS)
    assert set(table["region"]) <= set(REGIONS)
    assert (table.groupby("pain_source")["share"].max() >= 0.5).all()


def test_a_published_share_says_how_many_people_are_behind_it_and_a_judgement_claims_none():
    table = knowledge_table("territories")
    is_published = table["status"].isin(["verified", "derived"])
    assert is_published.sum() > 20
    assert (table.loc[is_published, "n"] > 0).all()
    assert table.loc[~is_published, "n"].isna().all()


def test_a_prevalence_that_nobody_was_studied_for_says_so():
    table = knowledge_table("asymptomatic_prevalence")
    is_extrapolated = table["source"].str.contains("extrapolated") & (table["status"] == "derived")
    assert is_extrapolated.sum() == 4
    assert (is_extrapolated == (table["n"] == 0)).all()


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


def test_every_grade_above_0_has_a_weight_even_if_it_is_0():
    codes = {v.item: v.codes for v in load_dictionary().predictors if v.form == "imaging"}
    for (item, zone, site_zone), rows in weights().groupby(["item", "zone", "site_zone"]):
        assert set(rows["grade"]) == {code for code in codes[item] if code > 0}, (item, zone, site_zone)


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
    assert (table["lr_positive"].dropna() > 1).all()
    assert (table["lr_negative"].dropna() < 1).all()


def test_a_ratio_from_a_tiny_study_is_capped_and_from_a_large_one_kept():
    assert LR_CAPS[0] == (50, 5.0)
    by_name = {c.name: c for c in clusters()}
    assert by_name["fair"].lr_positive == 5.24  # n = 918
    assert by_name["sutlive_three"].lr_positive == 5.2  # n = 72
    assert by_name["martin_either"].lr_positive == 4.57  # n = 33: below the cap of 5
    assert by_name["martin_either"].lr_negative == 0.2  # n = 33: 0.11 is capped at 1 / 5
    assert by_name["laslett_five"].lr_negative == 0.2  # n unknown counts as tiny: 0.12 is capped


# Published figures about findings


def imaging_codes():
    return {v.item: set(v.codes) for v in load_dictionary().predictors if v.form == "imaging"}


def test_every_graded_figure_is_of_grades_that_the_dictionary_has():
    rows = knowledge_table("finding_ratios").dropna(subset=["item"])
    assert len(rows) > 30
    for row in rows.itertuples():
        assert {row.grade_from, row.grade_to} <= imaging_codes()[row.item], row.finding


def test_every_interval_holds_its_estimate_and_is_not_of_zero_width():
    for name in ("finding_ratios", "reader_agreement"):
        rows = knowledge_table(name).dropna(subset=["value", "low"])
        assert len(rows) > 10
        assert ((rows["low"] < rows["value"]) & (rows["value"] < rows["high"])).all()


def test_ratios_that_come_with_their_accuracy_agree_with_it():
    rows = knowledge_table("finding_ratios")
    figures = rows.pivot_table(index=["finding", "question"], columns="metric", values="value")
    known = figures.dropna(subset=["sensitivity", "specificity", "lr_positive", "lr_negative"])
    assert len(known) == 2
    np.testing.assert_allclose(known["lr_positive"], known["sensitivity"] / (1 - known["specificity"]), rtol=0.01)
    np.testing.assert_allclose(known["lr_negative"], (1 - known["sensitivity"]) / known["specificity"], rtol=0.02)


@pytest.mark.parametrize(
    ("item", "low", "high"),
    [
        ("root_compression", 0.47, 0.51),  # Lurie 2008 twice; Pfirrmann's own readers (0.62 to 0.67) do not count
        ("central_stenosis", 0.44, 0.73),
        ("recess_stenosis", 0.49, 0.49),
        ("foraminal_stenosis", 0.58, 0.58),  # not the 0.91 to 1.00 of those who devised the grading
        ("herniation", 0.81, 0.81),
        ("facet_arthropathy", 0.36, 0.54),
        ("modic", 0.39, 0.59),
        ("slip", 0.55, 0.55),
    ],
)
def test_how_well_readers_agree_on_a_finding(item, low, high):
    kappa = reader_kappa(item)
    assert (kappa.low, kappa.high) == (low, high)
    assert kappa.source


@pytest.mark.parametrize("item", ["synovial_cyst", "annular_fissure", "pain", "age_years", "no_such_item"])
def test_where_no_kappa_was_published_none_is_given(item):
    assert reader_kappa(item) is None


@pytest.mark.parametrize(
    ("item", "grade", "metric", "value"),
    [
        ("modic", 1, "lr_positive", 10.0),
        ("modic", 2, "lr_positive", 8.03),
        ("modic", 1, "odds_ratio", 4.01),  # of type 1, rather than 1.62 of any Modic change
        ("modic", 3, "odds_ratio", 1.62),
        ("herniation", 2, "odds_ratio", 2.65),
        ("herniation", 3, "odds_ratio", 4.38),
        ("disc_degeneration", 5, "lr_negative", 0.15),
        ("central_stenosis", 3, "share_with_symptoms", 0.175),
    ],
)
def test_the_figure_closest_to_a_grade_is_found(item, grade, metric, value):
    assert finding_ratio(item, grade, metric).value == value


@pytest.mark.parametrize(
    ("item", "grade", "metric"),
    [("disc_degeneration", 2, "odds_ratio"), ("herniation", 0, "odds_ratio"), ("modic", 3, "lr_positive")],
)
def test_a_grade_without_a_published_figure_has_none(item, grade, metric):
    assert finding_ratio(item, grade, metric) is None


def test_figures_are_plain_numbers_with_their_people_and_source():
    figures = finding_ratios("herniation", 1)
    assert [(f.metric, f.value, f.low, f.high, f.n) for f in figures] == [("odds_ratio", 7.54, 1.28, 44.56, 3097)]
    assert all(f.source and f.status in STATUSES for f in figures)


# Causes of failure


def evidence_rows():
    return knowledge_table("cause_evidence")


def test_every_cause_has_findings_for_it_and_against_it_and_none_found_has_none():
    rows = evidence_rows()
    assert set(rows["cause"]) == set(CAUSES) - {"none_found"}
    said = rows["if_present"].fillna("") + rows["if_absent"].fillna("")
    for cause, of_cause in said.groupby(rows["cause"]):
        assert of_cause.str.contains("for").any(), cause
        assert of_cause.str.contains("against").any(), cause


def test_a_published_figure_counts_before_a_rule_and_says_how_many_people_are_behind_it():
    rows = evidence_rows()
    is_ratio = rows["basis"] == "ratio"
    assert is_ratio.sum() >= 20
    assert (rows.loc[~is_ratio & (rows["basis"] == "rule"), "status"] == "expert_assignment").all()
    assert rows.loc[is_ratio & (rows["status"] == "verified"), "n"].notna().all()


def test_the_tests_of_the_mimics_have_their_accuracy_in_one_table():
    rows = evidence_rows().query("basis == 'mimic'")
    assert set(rows["cause"]) == set(MIMICS)
    assert rows[["sensitivity", "specificity", "lr_positive", "lr_negative"]].isna().all(axis=None)


def test_the_causes_are_those_of_the_record_but_for_the_emergency_of_the_first_days():
    codes = load_dictionary()["adjudicated_cause"].codes
    assert tuple(code for code in codes if code != "haematoma") == CAUSES
    assert knowledge_table("causes")["cause"].tolist() == list(CAUSES)


def test_every_label_with_a_number_can_hold_one():
    for row in knowledge_table("cause_findings").itertuples():
        for words in (row.label, row.negative):
            assert "{" not in words.format(value=1.0, percent="100 %")


# A faulty table is refused


Change = Callable[[pd.DataFrame], pd.DataFrame]


def forget():
    """Empty every cache of the features, so that tables are read again."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "features":
            for thing in list(vars(module).values()):
                if hasattr(thing, "cache_clear"):
                    thing.cache_clear()


@pytest.fixture
def spoil(monkeypatch, tmp_path):
    """`spoil("territories", change)`: from now on the tables are read from a copy, that one changed."""
    folder = shutil.copytree(KNOWLEDGE, tmp_path / "knowledge")
    monkeypatch.setattr(knowledge_tables, "KNOWLEDGE", folder)

    def change_table(name: str, change: Change) -> None:
        table = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        change(table).to_csv(folder / f"{name}.csv", index=False)
        forget()

    yield change_table
    forget()


def without(**cells: str) -> Change:
    """Rows with these cells are gone."""
    return lambda table: table[~np.all([table[column] == cell for column, cell in cells.items()], axis=0)]


def put(row: int, **cells: str) -> Change:
    """Cells of the row on that line of the file."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        for column, cell in cells.items():
            table.loc[row - 2, column] = cell
        return table

    return change


def twice(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.tail(1)])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("root_reach", without(level="l4_l5", zone="foraminal"), "there is no root for l4_l5 foraminal"),
        ("root_reach", without(level="l1_l2"), "no root for l1_l2 central, l1_l2 paracentral, l1_l2 foraminal"),
        ("root_reach", lambda t: t.assign(reach="0"), "no root for l1_l2 central"),
        ("territories", without(pain_source="l5"), "there is no territory for l5"),
        ("territories", without(pain_source="hip"), "there is no territory for hip"),
        ("asymptomatic_prevalence", without(finding="disc_bulge", age_years="40"), "prevalence for disc_bulge at 40"),
        ("asymptomatic_prevalence", without(finding="spondylolisthesis"), "for spondylolisthesis at 20, spond"),
        ("lesion_weights", without(item="modic", grade="3"), "there is no weight for modic at the disc grade 3"),
        ("lesion_weights", without(item="disc_degeneration", grade="1"), "for disc_degeneration at the disc grade 1"),
        (
            "lesion_weights",
            without(item="herniation", zone="foraminal", site_zone="foraminal", grade="2"),
            "there is no weight for herniation foraminal at the foraminal grade 2",
        ),
    ],
)  # fmt: skip
def test_a_gap_is_refused_by_name(spoil, name, change, message):
    spoil(name, change)
    with pytest.raises(KnowledgeError, match=rf"features/knowledge/{name}\.csv: (\d+ problems)?.*{message}"):
        knowledge_table(name)


KEYED = [
    "root_reach", "territories", "asymptomatic_prevalence", "lesion_weights", "root_signs", "finding_ratios",
    "reader_agreement", "grading_systems", "red_flags", "followup_red_flags", "causes", "cause_findings",
    "cause_evidence", "investigations",
]  # fmt: skip


@pytest.mark.parametrize("name", KEYED)
def test_a_fact_that_is_stated_twice_is_refused(spoil, name):
    spoil(name, twice)
    last = len(pd.read_csv(KNOWLEDGE / f"{name}.csv")) + 2
    with pytest.raises(KnowledgeError, match=rf"{name}\.csv: row {last} repeats the [a-z_, ]+ of another row"):
        knowledge_table(name)


def test_two_shares_for_one_place_are_an_overlap_even_if_they_differ(spoil):
    spoil("territories", lambda table: pd.concat([table, table.head(1).assign(share="0.1")]))
    with pytest.raises(KnowledgeError, match="repeats the pain_source, region"):
        root_and_territory()


def root_and_territory():
    return root_reach(), site_territory()


@pytest.mark.parametrize("name", [name for name in TABLES if name not in WITHOUT_STATUS])
@pytest.mark.parametrize(("column", "cell"), [("source", ""), ("source", "  "), ("status", "")])
def test_a_row_without_a_source_or_a_status_is_refused_in_every_table(spoil, name, column, cell):
    spoil(name, put(3, **{column: cell}))
    with pytest.raises(KnowledgeError, match=rf"{name}\.csv: .*1 rows have no {column} \(first: row 3\)"):
        knowledge_table(name)


@pytest.mark.parametrize("column", ["source", "status"])
def test_a_table_without_the_column_is_refused(spoil, column):
    spoil("territories", lambda table: table.drop(columns=column))
    with pytest.raises(KnowledgeError, match=f"there is no column {column}. Every fact says where it comes from"):
        knowledge_table("territories")


def test_a_table_without_a_column_of_its_own_is_refused(spoil):
    spoil("territories", lambda table: table.drop(columns=["share", "region"]))
    with pytest.raises(KnowledgeError, match=r"territories\.csv: there is no column region, share"):
        knowledge_table("territories")


def test_an_unknown_status_is_refused_with_its_row(spoil):
    spoil("root_reach", put(4, status="certain"))
    with pytest.raises(
        KnowledgeError, match=r"unknown status certain\. It is one of verified, memory, .*; see row 4\."
    ):
        knowledge_table("root_reach")


@pytest.mark.parametrize(
    ("name", "column", "value", "message"),
    [
        ("root_reach", "reach", "1.2", "reach is outside 0 to 1 in row 2"),
        ("territories", "share", "-0.1", "share is outside 0 to 1 in row 2"),
        ("territories", "share", "half", "share is outside 0 to 1 in row 2"),
        ("asymptomatic_prevalence", "prevalence", "37", "prevalence is outside 0 to 1 in row 2"),
        ("lesion_weights", "weight", "12", "weight is outside 0 to 0.99 in row 2"),
        ("reader_agreement", "high", "1.2", "high is outside -1 to 1 in row 2"),
        ("mimic_clusters", "sensitivity", "91", "sensitivity is outside 0 to 1 in row 2"),
        ("finding_ratios", "value", "-1", "odds_ratio: value is outside 0 to inf in row 2"),
    ],
)
def test_a_value_outside_its_range_is_refused_with_its_row(spoil, name, column, value, message):
    spoil(name, put(2, **{column: value}))
    with pytest.raises(KnowledgeError, match=message):
        knowledge_table(name)


@pytest.mark.parametrize(
    ("name", "column", "word", "message"),
    [
        ("root_reach", "zone", "lateral", r"unknown zone lateral\. It is one of .*; see row 2"),
        ("root_reach", "root", "l6", r"unknown root l6\. It is one of .*; see row 2"),
        ("territories", "region", "elbow", r"unknown region elbow\. It is one of .*; see row 2"),
        ("lesion_weights", "site_zone", "pedicle", r"unknown site_zone pedicle\. It is one of .*; see row 2"),
        ("lesion_weights", "grade", "7", "herniation paracentral at the paracentral grade 7 is no grade of the dict"),
        ("root_signs", "root", "t12", r"unknown root t12\. It is one of .*; see row 2"),
        ("root_signs", "item", "babinski", "babinski is no item of variables.csv"),
        ("finding_ratios", "metric", "hazard_ratio", r"unknown metric hazard_ratio\. It is one of .*; see row 2"),
        ("finding_ratios", "item", "schmorl", "schmorl is no item of variables.csv"),
        ("reader_agreement", "setting", "home", r"unknown setting home\. It is one of .*; see row 2"),
        ("red_flags", "urgency", "some day", r"unknown urgency some day\. It is one of .*; see row 2"),
        ("red_flags", "action", "wait", "cauda_equina has more than one label, urgency or action"),
        ("causes", "cause", "bad_luck", r"unknown cause bad_luck\. It is one of .*; see row 2"),
        ("causes", "needs", "luck", r"unknown needs luck\. It is one of .*; see row 2"),
        ("cause_findings", "investigation", "palmistry", r"unknown investigation palmistry\. .*; see row 2"),
        ("cause_findings", "variable", "shoe_size", "is read from shoe_size, which is no variable known by the"),
        ("cause_findings", "variable", "adjudicated_cause", "adjudicated_cause, which is no variable known by the"),
        ("cause_evidence", "finding", "aura", r"unknown finding aura\. It is one of .*; see row 2"),
        ("cause_evidence", "basis", "hearsay", r"unknown basis hearsay\. It is one of .*; see row 2"),
        ("cause_evidence", "if_present", "very much for", r"unknown if_present very much for\. .*; see row 2"),
        ("investigations", "includes", "pet", "pet is included somewhere and declared nowhere"),
    ],
)
def test_a_name_that_the_project_does_not_know_is_refused(spoil, name, column, word, message):
    spoil(name, put(2, **{column: word}))
    with pytest.raises(KnowledgeError, match=message):
        knowledge_table(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(2, value="50"), "low to high does not hold its value in row 2"),
        (put(2, low="9"), "low to high does not hold its value in row 2"),
        (put(2, low="44.56", high="1.28"), "low to high does not hold its value in row 2"),
        (put(2, high=""), "low and high stand alone in row 2. An interval has two ends"),
    ],
)
def test_an_interval_that_does_not_hold_its_estimate_is_refused(spoil, change, message):
    spoil("finding_ratios", change)
    with pytest.raises(KnowledgeError, match=message):
        knowledge_table("finding_ratios")


def test_a_range_of_kappas_needs_no_estimate_but_a_row_needs_one_of_them(spoil):
    ranges = knowledge_table("reader_agreement").query("value.isna()")
    assert len(ranges) >= 8
    spoil("reader_agreement", put(2, value="", low="", high=""))
    with pytest.raises(KnowledgeError, match="neither a value nor a range in row 2"):
        knowledge_table("reader_agreement")


@pytest.mark.parametrize(
    ("metric", "value", "message"),
    [
        ("lr_positive", "9.9", "a positive ratio of 9.9, but sensitivity and specificity give 3.26"),
        ("lr_negative", "0.9", "a negative ratio of 0.9, but sensitivity and specificity give 0.32"),
        ("sensitivity", "0.30", "a positive ratio of 3.26, but sensitivity and specificity give 1.30"),
    ],
)
def test_a_ratio_that_contradicts_its_sensitivity_and_specificity_is_refused(spoil, metric, value, message):
    table = pd.read_csv(KNOWLEDGE / "finding_ratios.csv")
    row = table.index[(table["question"] == "herniation at surgery") & (table["metric"] == metric)][0] + 2
    spoil("finding_ratios", put(row, value=value, low="", high=""))
    with pytest.raises(KnowledgeError, match=message):
        knowledge_table("finding_ratios")


def test_a_ratio_of_a_cluster_that_contradicts_its_accuracy_is_refused_with_its_row(spoil):
    spoil("mimic_clusters", put(2, lr_positive="9.9"))
    with pytest.raises(KnowledgeError, match=r"mimic_clusters\.csv: row 2: a positive ratio of 9.9, .* give 4.14"):
        knowledge_table("mimic_clusters")


@pytest.mark.parametrize(
    ("figures", "n"),
    [
        ((0.8, 0.8, 4.0, 0.25), 0),
        ((0.8, 0.8, 4.5, 0.25), 0),  # within rounding
        ((0.8, 0.8, 4.7, 0.25), 1),
        ((0.8, 0.8, 5.0, 0.35), 2),
        ((np.nan, 0.8, 99.0, 99.0), 0),
        ((0.8, 0.8, np.nan, np.nan), 0),
        ((1.0, 0.95, 20.0, 0.014), 0),  # a tiny ratio is compared by difference
    ],
)
def test_a_ratio_may_differ_from_its_accuracy_by_rounding_and_no_more(figures, n):
    assert RATIO_TOLERANCE == 0.15
    assert len(contradictions(*figures)) == n


@pytest.mark.parametrize(
    ("basis", "cells", "message"),
    [
        ("rule", {"if_present": "", "if_absent": ""}, "is a rule that says nothing"),
        (
            "rule",
            {"if_present": "weak for", "if_absent": "weak for"},
            "speaks for the cause whether it is there or not",
        ),
        ("rule", {"sensitivity": "0.9"}, "is a rule and has figures"),
        ("ratio", {"if_present": "weak for"}, "has the words of a rule, and is none"),
        ("ratio", {"sensitivity": "", "lr_positive": ""}, "has no ratio, nor a sensitivity and a specificity"),
        ("ratio", {"sensitivity": "1"}, "a sensitivity of 0 or 1 makes a finding certain"),
        ("ratio", {"lr_positive": "2", "lr_negative": "1.5"}, "both ratios speak the same way"),
        ("mimic", {"sensitivity": "0.9"}, "has figures, but mimic_clusters.csv has them"),
        ("mimic", {"finding": "never_better"}, "is nothing that the mimics weigh"),
    ],
)
def test_a_row_of_evidence_that_mixes_words_and_figures_or_has_neither_is_refused(spoil, basis, cells, message):
    row = int(np.flatnonzero(evidence_rows()["basis"] == basis)[0]) + 2
    spoil("cause_evidence", put(row, **cells))
    with pytest.raises(KnowledgeError, match=message):
        knowledge_table("cause_evidence")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("causes", without(cause="hip"), "there is no row for hip"),
        ("causes", put(2, share_fusion="0"), "share_fusion is outside 0.001 to 0.999 in row 2"),
        ("causes", put(2, share_fusion="0.6"), "share_fusion of none_found is not above all others"),
        ("cause_findings", put(2, sought=""), "sought is empty in row 2"),
        ("cause_findings", without(finding="fever"), r"cause_evidence\.csv: unknown finding fever"),
        ("cause_evidence", lambda t: t[t["finding"] != "night_pain"], "there is no evidence for night_pain"),
        ("cause_evidence", without(cause="facet"), "there is no evidence for facet"),
        ("investigations", without(investigation="hip_film"), r"cause_findings\.csv: unknown investigation hip_film"),
    ],
)
def test_the_tables_of_causes_have_no_gap(spoil, name, change, message):
    spoil(name, change)
    with pytest.raises(KnowledgeError) as refused:
        check_knowledge()
    assert re.search(message, str(refused.value))


def test_a_finding_that_nothing_reads_or_that_is_read_and_has_no_row_is_refused(spoil):
    spoil("cause_findings", lambda table: table.replace({"finding": {"same_pain": "the_same"}}))
    spoil("cause_evidence", lambda table: table.replace({"finding": {"same_pain": "the_same"}}))
    with pytest.raises(KnowledgeError) as refused:
        check_knowledge()
    assert "nothing reads the_same: name its variable" in str(refused.value)
    assert "there is no row for same_pain" in str(refused.value)


def test_all_problems_of_a_table_are_told_at_once(spoil):
    def change(table):
        table = put(2, share="7", source="")(put(3, status="sure")(table))
        return twice(table[table["pain_source"] != "s1"])

    spoil("territories", change)
    with pytest.raises(KnowledgeError) as refused:
        knowledge_table("territories")
    first, *lines = str(refused.value).splitlines()
    assert first == "features/knowledge/territories.csv: 5 problems."
    for line, words in zip(
        lines,
        [
            "1 rows have no source",
            "unknown status sure",
            "share is outside 0 to 1",
            "repeats the",
            "no territory for s1",
        ],
        strict=True,
    ):
        assert words in line


def test_all_tables_are_checked_at_once_and_none_is_faulty():
    assert check_knowledge() == TABLES
    assert len(TABLES) >= 16


def test_the_faults_of_several_tables_are_told_together(spoil):
    spoil("territories", without(pain_source="l5"))
    spoil("root_reach", put(2, reach="3"))
    spoil("red_flags", put(2, all_of="has_bad_luck"))
    spoil("outcomes", put(2, source=""))
    with pytest.raises(KnowledgeError) as refused:
        check_knowledge()
    told = str(refused.value)
    for words in (
        "territories.csv: there is no territory for l5",
        "root_reach.csv: reach is outside 0 to 1",
        "red_flags.csv: cauda_equina names has_bad_luck",
        "outcomes.csv: 1 rows have no source",
    ):
        assert told.count(words) == 1


def test_the_zones_that_are_checked_are_those_of_the_anatomy():
    assert set(CHECKED_ZONES) == set(ROOT_ZONES)
    assert set(AXIAL_SOURCES) == set(AXIAL_ZONES)


def test_refusals_that_a_reader_can_ask_for():
    table = pd.DataFrame({"fact": ["a", "a"], "share": [0.5, 1.5]})
    with pytest.raises(KnowledgeError, match=r"facts\.csv: row 3 repeats the fact of another row"):
        refuse_duplicates(table, "facts", ["fact"])
    with pytest.raises(KnowledgeError, match=r"facts\.csv: share is outside 0 to 1 in row 3"):
        refuse_outside(table, "facts", "share", 0, 1)
    with pytest.raises(KnowledgeError, match=r"facts\.csv: there is no share for b, c d\."):
        refuse_gaps("facts", "share", ["a", "b", ("c", "d")], table["fact"])
    refuse_gaps("facts", "share", ["a"], table["fact"])
    refuse_outside(table, "facts", "no_such_column", 0, 1)
    refuse("facts", [])


# Red flags


def test_every_red_flag_asks_what_is_known_before_the_operation():
    dictionary = load_dictionary()
    for needed in knowledge_table("red_flags")["all_of"].str.split("+").explode():
        name, _, threshold = needed.partition(">=")
        assert dictionary[name].known == "preoperative", needed
        assert dictionary[name].type == ("number" if threshold else "yes_no"), needed


def test_every_red_flag_says_what_to_do_and_the_same_in_each_of_its_rows():
    table = knowledge_table("red_flags")
    assert table["action"].notna().all()
    assert len(table[["red_flag", "label", "urgency", "action"]].drop_duplicates()) == table["red_flag"].nunique()


def _predictors():
    return load_dictionary().predictors
