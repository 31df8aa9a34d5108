"""The tables of the report: who the cases are, what is missing, how good the risks are, the flow as a picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.knowledge_tables import knowledge_table
from pipeline.reporting.flow_diagram import Branch, branches, flow_diagram
from pipeline.reporting.missing import known_by_centre, missing_by_form
from pipeline.reporting.performance_tables import (
    Cell,
    cell,
    comparison_rows,
    favour,
    in_order,
    metric_label,
    metric_rows,
    reason_once,
    weighted_rows,
)
from pipeline.reporting.table_one import largest_differences, standardised_difference, table_one
from pipeline.reporting.words import count, with_interval
from pipeline.study import Words


def row_of(rows, label):
    return next(row for row in rows if row.label == label)


def test_table_one_describes_each_kind_of_variable(draw_cases):
    cases = draw_cases("""
        case_id | age_years | sex    | has_compensation_claim
        C1      | 40        | female | 1
        C2      | 48        | male   | 0
        C3      | 60        | female |
        C4      | 68        | female | 0
    """)
    young = pd.Series([True, True, False, False], index=cases.index)
    rows = table_one(cases, {"young": young, "old": ~young}, [("young", "old")])
    assert rows[0].cells == ["2", "2"]
    assert row_of(rows, "Age").cells == ["44 (42 to 46)", "64 (62 to 66)"]
    assert row_of(rows, "Age").differences == [pytest.approx(20 / np.sqrt(32))]
    assert row_of(rows, "female").cells == ["1 (50)", "2 (100)"]
    claim = rows.index(row_of(rows, "Compensation claim or litigation open"))
    assert rows[claim].cells == ["1 (50)", "0 (0)"]
    assert (rows[claim + 1].label, rows[claim + 1].cells) == ("not recorded", ["0 (0)", "1 (50)"])


def test_every_demographic_input_is_a_candidate_predictor_by_that_name():
    assert set(Words().demographic) <= set(knowledge_table("predictors")["predictor"])


def test_a_variable_that_a_study_does_not_have_is_left_out(draw_cases):
    cases = draw_cases("""
        case_id | age_years
        C1      | 40
        C2      | 50
    """)
    everyone = pd.Series(True, index=cases.index)
    assert [row.label for row in table_one(cases, {"all": everyone}, [])] == ["Cases", "Age"]


def test_an_empty_group_and_a_blank_column_are_dashes(draw_cases):
    cases = draw_cases("""
        case_id | age_years | sex
        C1      |           | female
        C2      |           | male
    """)
    nobody = pd.Series(False, index=cases.index)
    rows = table_one(cases, {"all": ~nobody, "none": nobody}, [("all", "none")])
    assert row_of(rows, "Age").cells == ["—", "—"]
    assert row_of(rows, "Age").differences == [None]
    assert row_of(rows, "female").cells == ["1 (50)", "—"]


def test_two_proportions_differ_as_the_usual_formula_says():
    """0.3 against 0.5: 0.2 / sqrt((0.21 + 0.25) / 2), as in Austin 2009."""
    few, many = pd.Series([1.0] * 3 + [0.0] * 7), pd.Series([1.0] * 5 + [0.0] * 5)
    expected = 0.2 / np.sqrt((0.3 * 0.7 + 0.5 * 0.5) / 2)
    assert standardised_difference(few, many, is_number=False) == pytest.approx(expected)


def test_three_levels_differ_by_the_distance_of_their_shares():
    """Worked by hand: p = (0.5, 0.3, 0.2), q = (0.3, 0.4, 0.3), over the last two levels."""
    p, q = pd.Series(list("aaaaabbbcc")), pd.Series(list("aaabbbbccc"))
    a, b, c = (0.21 + 0.24) / 2, -(0.06 + 0.12) / 2, (0.16 + 0.21) / 2
    inverse = np.array([[c, -b], [-b, a]]) / (a * c - b * b)
    difference = np.array([0.3 - 0.4, 0.2 - 0.3])
    expected = np.sqrt(difference @ inverse @ difference)
    assert standardised_difference(p, q, is_number=False) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "others"), [([1.0], [2.0, 3.0]), ([2.0, 2.0], [2.0, 2.0]), ([], [])])
def test_a_difference_that_is_not_defined_is_none(values, others):
    assert standardised_difference(pd.Series(values, dtype=float), pd.Series(others, dtype=float), True) is None


def test_groups_that_share_no_level_are_not_given_a_number():
    assert standardised_difference(pd.Series(["a", "a"]), pd.Series(["b", "b"]), is_number=False) is None


def test_the_largest_differences_come_first(draw_cases):
    cases = draw_cases("""
        case_id | age_years | nrs_leg
        C1      | 40        | 5
        C2      | 41        | 6
        C3      | 80        | 5
        C4      | 81        | 7
    """)
    old = cases["age_years"] > 60
    found = largest_differences(table_one(cases, {"young": ~old, "old": old}, [("young", "old")]), place=0)
    assert found[0][0] == "Age"
    assert found[0][1] > found[1][1]


def test_missing_is_counted_by_form(draw_cases):
    cases = draw_cases("""
        case_id | odi | nrs_leg
        C1      | 40  | 5
        C2      |     | 5
        C3      |     |
    """)
    scores = next(row for row in missing_by_form(cases) if row["form"] == "scores")
    assert scores["begun"] == pytest.approx(2 / 3)
    assert scores["recorded"] == pytest.approx(3 / (3 * scores["variables"]))


def test_known_outcomes_are_counted_by_centre():
    found = known_by_centre(pd.Series([1.0, np.nan, 0.0]), pd.Series(["A", "A", "B"]))
    assert found == [("A", 2, 0.5), ("B", 1, 1.0)]


FLOW = pd.DataFrame(
    [
        ("cases", "all records", 0, 1010),
        ("criterion", "adult <b>& older</b>", 10, 1000),
        ("criterion", "a plan", 0, 1000),
        ("outcome failure_12m", "no follow-up", 200, 800),
    ],
    columns=["step", "criterion", "excluded", "remaining"],
)


def test_the_flow_shows_its_counts_and_escapes_its_words():
    found = [Branch(name="development", cases=900, centres=2, years=("2017", "2019"), known=700, with_outcome=210)]
    drawn = flow_diagram(FLOW, found, "failure_12m")
    for words in ("1,010 cases recorded", "10 excluded", "1,000 cases in the cohort", "900 development",
                  "2 centres, 2017 to 2019", "700 known", "210 with it (30 %)", "200 not known",
                  "10: adult &lt;b&gt;&amp; older&lt;/b&gt;"):  # fmt: skip
        assert words in drawn, words
    assert "a plan" not in drawn
    assert "<b>" not in drawn


def test_the_flow_of_a_study_without_sets_or_outcomes_is_drawn():
    nobody = Branch(name="temporal", cases=5, centres=1, years=("2020", "2020"), known=0, with_outcome=0)
    assert "0 with it (none)" in flow_diagram(FLOW, [nobody], "failure_12m")
    assert "1 centre, 2020<" in flow_diagram(FLOW, [nobody], "failure_12m")
    assert "excluded" not in flow_diagram(FLOW.assign(excluded=0), [], "failure_12m")
    assert "1,000 cases in the cohort" in flow_diagram(FLOW, [], "failure_12m")


def test_branches_count_what_is_known_of_each_set():
    cases = pd.DataFrame(
        {"centre_id": ["A", "A", "B"], "index_date": pd.to_datetime(["2019-05-01", "2020-05-01", "2020-05-01"])}
    )
    sets, y = pd.Series(["development", "development", "withheld"]), pd.Series([1.0, np.nan, 0.0])
    found = branches(cases, sets, y, y.notna() | y.isna(), lambda days: (str(days.min().year), str(days.max().year)))
    assert [branch.name for branch in found] == ["development", "withheld"]
    assert (found[0].cases, found[0].known, found[0].with_outcome, found[0].years) == (2, 1, 1, ("2019", "2020"))


def estimate(value, lower=None, upper=None, reason=None):
    return {"estimate": value, "lower": lower, "upper": upper} | ({"reason": reason} if reason else {})


def test_a_cell_is_an_estimate_an_interval_or_a_reason():
    assert cell(estimate(0.7, 0.65, 0.75)) == Cell("0.70", "0.65 to 0.75")
    assert cell(estimate(None, reason="no case has the outcome")) == Cell(
        "—", reason="not estimable: no case has the outcome"
    )
    assert cell(estimate(0.0, reason="nobody is treated")) == Cell("0.00", reason="nobody is treated")
    assert cell(None) == Cell("—")


def test_one_reason_for_a_whole_row_is_said_once():
    same, other = Cell("—", reason="constant"), Cell("0.1", "0 to 1")
    assert reason_once([same, other, same]) == ([Cell("—"), other, Cell("—")], "constant")
    assert reason_once([same, other]) == ([same, other], "")
    assert reason_once([same, Cell("—", reason="too few")])[1] == ""


def test_learners_stand_in_their_order_in_each_test_set():
    measured = {"temporal": {"auroc": estimate(0.6, 0.5, 0.7)}, "geographic": {"auroc": estimate(0.5, 0.4, 0.6)}}
    rows = metric_rows({"xgboost": measured, "prevalence": measured, "new": measured}, "xgboost", ["auroc"])
    assert [(row["test_set"], row["learner"]) for row in rows[:3]] == [
        ("temporal", "prevalence"),
        ("temporal", "xgboost"),
        ("temporal", "new"),
    ]
    assert [row["is_chosen"] for row in rows] == [False, True, False] * 2
    assert in_order({"logistic", "baseline"}) == ["baseline", "logistic"]


@pytest.mark.parametrize(
    ("metric", "lower", "upper", "expected"),
    [
        ("auroc", 0.01, 0.05, "better"),
        ("auroc", -0.05, -0.01, "worse"),
        ("brier_score", -0.05, -0.01, "better"),
        ("log_loss", 0.01, 0.05, "worse"),
        ("net_benefit_20", 0.01, 0.05, "better"),
        ("interventions_avoided_20", -5.0, -1.0, "worse"),
        ("auroc", -0.01, 0.05, ""),
        ("auroc", None, None, ""),
    ],
)
def test_a_difference_favours_by_the_direction_of_its_measure(metric, lower, upper, expected):
    assert favour(metric, estimate(0.0, lower, upper)) == expected


def test_a_comparison_names_the_learner_that_a_reason_is_about():
    compared = {"temporal": {"prevalence": {"cases": 1200, "differences": {
        "auroc": estimate(None, reason="b: every case has the same risk"),
        "brier_score": estimate(-0.02, -0.03, -0.01)}}}}  # fmt: skip
    (row,) = comparison_rows(compared, "logistic", ["auroc", "brier_score"])
    assert row["cells"][0][0].reason == "not estimable: prevalence: every case has the same risk"
    assert row["cells"][1] == (Cell("−0.020", "−0.030 to −0.010"), "better")
    assert row["cases"] == "1,200"


def test_ways_of_weighting_stand_under_one_another():
    found = {"cases": 100, "effective_cases": 88.4, "metrics": {"auroc": estimate(0.6, 0.5, 0.7)}}
    rows = weighted_rows({"temporal": {"plain": found, "weighted_for_response": found}})
    assert [row["weighting"] for row in rows] == ["each known outcome once", "weighted for loss to follow-up"]
    assert rows[0]["effective"] == "88"


def test_a_metric_at_a_threshold_is_named_with_it():
    assert metric_label("interventions_avoided_5") == "Interventions avoided per 100 at 0.05"
    assert metric_label("calibration_slope") == "Calibration slope"
    assert metric_label("something_new") == "something new"


def test_numbers_are_written_as_people_write_them():
    assert (count(12000.4), count(None)) == ("12,000", "—")
    assert with_interval(estimate(None)) == "not estimable: no reason given"
