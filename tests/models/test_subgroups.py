from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.metrics import prevalence
from models.subgroup_figure import subgroup_forest
from models.subgroups import (
    FEWEST,
    Judged,
    by_chance,
    difference_of_shares,
    flag_rates,
    group_performance,
    grouping,
)

THRESHOLD = 0.3


def honest(n: int, seed: int) -> Judged:
    """Cases whose risks are what they say."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 4, n)
    return Judged(y=(rng.random(n) < risk).astype(float), risk=risk, weights=np.ones(n))


# ---- groups ------------------------------------------------------------------------------------------


def test_a_choice_is_told_in_the_words_and_the_order_of_the_dictionary(draw_cases):
    cases = draw_cases("""
        case_id | education | work_status
        A       | 2         | retired
        B       | 0         | working
        C       |           | working
        D       | 1         |
    """)
    education = grouping(cases, "education")
    assert education.label == "Education"
    assert education.order == ("compulsory school", "upper secondary school", "college or university", "unrecorded")
    assert education.of_case["A"] == "college or university"
    assert grouping(cases, "work_status").order == ("working", "retired", "unrecorded")


def test_unrecorded_is_a_group_of_its_own_also_of_a_number(draw_cases):
    cases = draw_cases("""
        case_id | age_years
        A       | 44.9
        B       | 45
        C       | 75
        D       |
    """)
    found = grouping(cases, "age_years", [45, 60, 75])
    assert found.of_case.to_dict() == {"A": "below 45", "B": "45 to below 60", "C": "75 and over", "D": "unrecorded"}
    assert found.order == ("below 45", "45 to below 60", "75 and over", "unrecorded")


def test_a_column_of_another_registry_is_taken_as_it_is():
    cases = pd.DataFrame({"provider_code": ["RX1", "RA7", None], "revision_flag": [1.0, 0.0, 1.0]})
    assert grouping(cases, "provider_code").order == ("RA7", "RX1", "unrecorded")
    assert grouping(cases, "revision_flag").of_case.tolist() == ["1", "0", "1"]
    assert grouping(cases, "revision_flag").label == "revision flag"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (None, "the cohort has no column sex"),
        ([None, None], "sex is recorded of no case"),
        (["male", "male"], "all cases are of one group, male"),
    ],
)
def test_what_makes_no_groups_is_skipped_with_the_reason(values, words):
    cases = pd.DataFrame({"age_years": [40.0, 50.0]})
    if values is not None:
        cases["sex"] = pd.Series(values, dtype=object)
    found = grouping(cases, "sex")
    assert found.reason == words
    assert found.order == ()


# ---- performance -------------------------------------------------------------------------------------


def test_a_group_whose_risks_are_too_low_is_found_and_the_others_are_not():
    judged = honest(6000, seed=1)
    group = np.arange(6000) % 3
    too_low = Judged(y=judged.y, risk=np.where(group == 1, judged.risk * 0.6, judged.risk), weights=judged.weights)
    found = [group_performance(too_low.of(group == place), THRESHOLD)["observed_to_expected"] for place in range(3)]
    assert found[1].lower > 1.3
    for place in (0, 2):
        assert found[place].lower < 1 < found[place].upper


def test_groups_drawn_at_random_stray_as_often_as_chance_says():
    """Negative control: honest risks in 200 groups; 95 % intervals exclude the ideal in about 10."""
    found = [group_performance(honest(150, seed=[7, place]), THRESHOLD)["observed_to_expected"] for place in range(200)]
    counted = by_chance(found, 1.0)
    assert counted["intervals"] == 200
    assert counted["expected_by_chance"] == 10
    assert 3 <= counted["excluding"] <= 20


@pytest.mark.parametrize("n", [0, 1, 3, FEWEST - 1])
def test_nothing_is_said_of_a_handful_of_cases(n):
    found = group_performance(honest(n, seed=2), THRESHOLD)
    assert {value.estimate for value in found.values()} == {None}
    assert f"only {n} known outcomes; at least {FEWEST} are needed" in found["auroc"].reason


def test_a_group_of_one_class_has_a_brier_score_and_no_auroc():
    judged = honest(200, seed=3)
    found = group_performance(Judged(y=np.zeros(200), risk=judged.risk, weights=judged.weights), THRESHOLD)
    assert found["brier_score"].is_estimable
    assert found["auroc"].reason == "no case has the outcome"
    assert found["observed_to_expected"].reason == "no case has the outcome"


def test_an_outcome_that_is_not_known_does_not_enter():
    judged = honest(400, seed=4)
    is_known = np.arange(400) % 4 > 0
    partly = Judged(y=np.where(is_known, judged.y, np.nan), risk=judged.risk, weights=is_known.astype(float))
    assert group_performance(partly, THRESHOLD) == group_performance(judged.of(is_known), THRESHOLD)


def test_weights_count_as_cases_do():
    judged = honest(300, seed=5)
    times = np.random.default_rng(6).integers(1, 4, 300)
    repeated = Judged(y=np.repeat(judged.y, times), risk=np.repeat(judged.risk, times), weights=np.ones(times.sum()))
    weighted = Judged(y=judged.y, risk=judged.risk, weights=times.astype(float))
    for name, value in group_performance(weighted, THRESHOLD).items():
        assert value.estimate == pytest.approx(group_performance(repeated, THRESHOLD)[name].estimate), name


# ---- flags -------------------------------------------------------------------------------------------


def test_flags_are_counted_as_a_clinician_would():
    """Thirty with the outcome, of whom 21 are flagged; fifty without, of whom 10; twenty whose outcome nobody knows."""
    risk = np.repeat([0.8, 0.1, 0.8, 0.1, 0.8], [21, 9, 10, 40, 20])
    y = np.repeat([1.0, 1.0, 0.0, 0.0, np.nan], [21, 9, 10, 40, 20])
    group = Judged(y=y, risk=risk, weights=(~np.isnan(y)).astype(float))
    found = flag_rates(group, honest(500, seed=8), 0.5)
    assert (found["cases"], found["flagged"], found["known"], found["events"]) == (100, 51, 80, 30)
    assert found["false_flags"] == 10
    shares = {name: share.estimate for name, share in found["shares"].items()}
    assert shares == {"flagged_share": 0.51, "sensitivity": 0.7, "specificity": 0.8}


@pytest.mark.parametrize("n", [1, 4])
def test_what_became_of_a_handful_is_not_counted(n):
    handful = Judged(y=np.ones(n), risk=np.full(n, 0.6), weights=np.ones(n))
    found = flag_rates(handful, honest(500, seed=8), 0.5)
    assert (found["cases"], found["known"]) == (n, n)
    assert found["flagged"] is found["events"] is found["false_flags"] is None
    few_known = Judged(y=np.r_[np.ones(n), np.full(30, np.nan)], risk=np.full(30 + n, 0.6),
                       weights=np.r_[np.ones(n), np.zeros(30)])  # fmt: skip
    found = flag_rates(few_known, honest(500, seed=8), 0.5)
    assert found["flagged"] == 30 + n
    assert found["events"] is found["false_flags"] is None


def test_a_risk_at_the_threshold_is_flagged():
    group = Judged(y=np.zeros(40), risk=np.full(40, 0.3), weights=np.ones(40))
    assert flag_rates(group, group, 0.3)["flagged"] == 40


@pytest.mark.parametrize(
    ("own", "rest", "lower", "upper"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_differences_agree_with_newcombe(own, rest, lower, upper):
    """Newcombe, Stat Med 1998;17:873-890, table II, method 10."""
    shares = [prevalence(np.repeat([1.0, 0.0], [r, n - r])) for r, n in (own, rest)]
    found = difference_of_shares(*shares)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=6e-5)


def test_a_difference_from_a_group_too_small_says_which():
    few, many = honest(3, seed=9), honest(300, seed=10)
    found = flag_rates(few, many, THRESHOLD)
    assert found["shares"]["flagged_share"].reason == f"only 3 cases; at least {FEWEST} are needed"
    assert found["differences"]["flagged_share"].reason.startswith("group: only 3 cases")
    assert flag_rates(many, few, THRESHOLD)["differences"]["flagged_share"].reason.startswith("rest: only 3 cases")


def test_a_group_with_the_same_risks_is_flagged_as_often():
    """Negative control, and its opposite: of twins of whom one kind has higher risks, more are flagged."""
    one, other = honest(2000, seed=11), honest(2000, seed=12)
    same = flag_rates(one, other, THRESHOLD)["differences"]["flagged_share"]
    assert same.lower < 0 < same.upper
    raised = Judged(y=one.y, risk=np.sqrt(one.risk), weights=one.weights)
    assert flag_rates(raised, other, THRESHOLD)["differences"]["flagged_share"].lower > 0.2


# ---- the picture -------------------------------------------------------------------------------------


def rows_of(sizes: dict[str, int]) -> list[dict]:
    return [
        {
            "set": set_name,
            "variable": "sex",
            "label": "Sex",
            "group": group,
            "cases": n,
            "events": n // 3,
            "metrics": group_performance(honest(n, seed=n), THRESHOLD),
        }
        for set_name in ("development", "temporal", "geographic")
        for group, n in sizes.items()
    ]


def test_the_forest_names_groups_and_counts_also_where_nothing_can_be_said():
    figure = subgroup_forest(rows_of({"female": 300, "male": 3}), "failure_12m")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["Sex", "female", "male"]
    told = [text.get_text() for text in figure.axes[2].texts]
    assert told.count("1 / 3") == told.count("100 / 300") == 3


def test_a_forest_without_a_single_estimate_is_still_drawn():
    figure = subgroup_forest(rows_of({"female": 3, "male": 3}), "failure_12m")
    assert not figure.axes[0].collections or all(not len(c.get_segments()) for c in figure.axes[0].collections)
