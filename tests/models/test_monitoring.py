"""Alarms come for what matters and is not chance; what cannot be said is said to be so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from models.distributions import distribution, drift
from models.monitoring import (
    ALARM,
    NO_ALARM,
    TOO_FEW,
    answer_shares,
    calibration_table,
    drift_table,
)


def predictions(n: int, *, shift: float = 0.0, seed: int = 1, centres: tuple[str, ...] = ("A", "B")) -> pd.DataFrame:
    """Predictions whose outcomes happen at the log-odds of the risk, plus a shift."""
    rng = np.random.default_rng(seed)
    risk = expit(rng.normal(-0.8, 0.7, n))
    return pd.DataFrame(
        {
            "outcome": "failure_12m",
            "risk": risk,
            "y": (rng.random(n) < expit(logit(risk) + shift)).astype(float),
            "centre": rng.choice(centres, n),
            "month": rng.choice(["2024-01", "2024-02"], n),
        }
    )


def judged(table: pd.DataFrame, **rules) -> pd.DataFrame:
    return calibration_table(table, **{"minimum_known": 100, "most_intercept": 0.3, **rules})


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["group"], table["verdict"], strict=True))


def test_risks_that_are_right_raise_no_alarm_and_risks_too_low_do():
    assert verdicts(judged(predictions(2000)))["all"] == NO_ALARM
    table = judged(predictions(2000, shift=0.6)).set_index("group")
    assert table.loc["all", "verdict"] == ALARM
    assert table.loc["all", "intercept"] == pytest.approx(0.6, abs=0.15)
    assert table.loc["all", "observed_to_expected"] > 1.2


def test_a_small_difference_is_no_alarm_however_sure_it_is():
    table = judged(predictions(60_000, shift=0.15)).set_index("group")
    assert table.loc["all", "intercept_lower"] > 0
    assert table.loc["all", "verdict"] == NO_ALARM


def test_too_few_known_are_too_few_to_say():
    few = predictions(2000, shift=1.0)
    few["y"] = few["y"].where(np.arange(len(few)) < 60)
    assert set(verdicts(judged(few)).values()) == {TOO_FEW, ""}


def test_one_centre_that_is_off_is_named():
    table = pd.concat([predictions(800), predictions(400, shift=1.0, centres=("C",))])
    found = verdicts(judged(table))
    assert (found["A"], found["B"], found["C"]) == (NO_ALARM, NO_ALARM, ALARM)


def test_where_nothing_is_wrong_there_is_seldom_an_alarm():
    """Eight centres looked at twenty times: judged each alone, some would ring each time."""
    centres = tuple("ABCDEFGH")
    rang = sum(
        ALARM in verdicts(judged(predictions(1600, seed=seed, centres=centres), most_intercept=0.0)).values()
        for seed in range(20)
    )
    assert rang <= 4  # 1 expected; above 4 with a probability of 0.3 %


def test_figures_of_a_few_cases_are_not_shown():
    table = judged(predictions(9)).set_index("group")
    assert table.loc["all", "known"] == 9
    assert table.loc["all", ["observed", "expected", "intercept"]].isna().all()
    shares = answer_shares(
        pd.DataFrame({"month": ["2024-01"] * 9, "has_red_flag": 0.0, "has_caution": 1.0, "missing_predictors": 0.1})
    )
    assert shares["answers"].tolist() == [9, 9]
    assert shares["cautions"].isna().all()


@settings(max_examples=40)
@given(st.lists(st.floats(-1e3, 1e3) | st.none(), min_size=30, max_size=200))
def test_the_same_values_again_have_not_drifted(values):
    series = pd.Series(values, dtype=float)
    found = drift(series, distribution(series))
    assert found.missing == pytest.approx(found.missing_before, abs=9.5 / len(values))
    assert found.stability is None or found.stability == pytest.approx(0, abs=1e-6)


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from("abc"), min_size=30, max_size=90),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=90),
)
def test_drift_is_never_negative_and_a_new_word_is_no_crash(before, now):
    assert drift(pd.Series(now), distribution(pd.Series(before))).stability >= 0


def test_without_drift_the_index_stays_below_what_chance_explains():
    """Its limit holds at the rate that it states: 5 % of any alarm among twenty predictors."""
    rng = np.random.default_rng(3)
    beyond = 0
    for _ in range(30):
        before = {f"p{i}": distribution(pd.Series(rng.normal(size=2000))) for i in range(20)}
        now = {name: pd.Series(rng.normal(size=300)) for name in before}
        beyond += ALARM in set(drift_table(now, before, minimum=100, most_index=0.0)["verdict"])
    assert beyond <= 5  # 1.5 expected; above 5 with a probability of 0.3 %


def test_drift_that_matters_is_an_alarm_and_comes_first():
    rng = np.random.default_rng(4)
    before = {name: distribution(pd.Series(rng.normal(50, 10, 3000))) for name in ("odi", "age_years")}
    now = {"odi": pd.Series(rng.normal(60, 10, 400)), "age_years": pd.Series(rng.normal(50, 10, 400))}
    table = drift_table(now, before, minimum=100, most_index=0.2)
    assert table["name"].tolist() == ["odi", "age_years"]
    assert table["verdict"].tolist() == [ALARM, NO_ALARM]
    few = drift_table({"odi": now["odi"].head(50)}, {"odi": before["odi"]}, minimum=100, most_index=0.2)
    assert few["verdict"].tolist() == [TOO_FEW]


def test_more_that_is_missing_is_told_beside_the_index():
    before = distribution(pd.Series(np.arange(1000.0)))
    now = pd.Series(np.arange(1000.0)).where(np.arange(1000) % 4 > 0)
    found = drift(now, before)
    assert (found.missing, found.missing_before) == (0.25, 0.0)
    assert found.stability < 0.01


def test_what_is_kept_of_a_distribution_tells_of_no_fewer_than_ten_cases():
    words = distribution(pd.Series(["usual"] * 60 + ["seldom"] * 35 + ["rare"] * 5))
    assert words["levels"] == ["usual"]  # five alone would be told: they stand together with the thirty-five
    assert words["shares"] == [0.6, 0.4]
    flags = distribution(pd.Series([0.0] * 95 + [1.0] * 5))
    assert (flags["cuts"], flags["shares"]) == ([], [1.0])
    assert distribution(pd.Series([1.0] * 95 + [np.nan] * 5))["missing"] == 0
    hardly_any = distribution(pd.Series([1.0] * 5 + [np.nan] * 95))
    assert (hardly_any["missing"], hardly_any["shares"]) == (1.0, [0.0])


def test_a_flag_that_most_or_hardly_any_have_is_seen_to_change():
    """No decile lies between the two values of such a flag."""
    for common in (0.95, 0.05):
        before = distribution(pd.Series(np.arange(1000) < 1000 * common).astype(float))
        assert before["shares"] == [pytest.approx(1 - common), pytest.approx(common)]
        now = pd.Series(np.arange(200) < 100).astype(float)
        assert drift(now, before).stability > 1


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 12).map(float) | st.floats(0, 1e6) | st.none(), max_size=120),
    st.lists(st.sampled_from("abcdefg") | st.none(), max_size=80),
)
def test_every_share_stands_for_at_least_ten_cases_or_for_all(numbers, words):
    for values in (pd.Series(numbers, dtype=float), pd.Series(words, dtype=object)):
        kept = distribution(values)
        recorded = kept["cases"] * (1 - kept["missing"])
        assert len(kept["shares"]) <= 1 or min(kept["shares"]) * recorded > 9.9
        assert 0 in (kept["missing"], round(recorded)) or kept["cases"] * kept["missing"] > 9.9
        assert sum(kept["shares"]) == pytest.approx(float(recorded > 0), abs=1e-5)


def test_known_outcomes_stand_for_those_that_were_lost():
    """Half of those without the event were lost; the others stand for two each."""
    table = predictions(4000)
    lost = (table["y"] == 0) & (np.arange(4000) % 2 == 0)
    watched = table.assign(y=table["y"].mask(lost), weight=np.where(table["y"] == 0, 2.0, 1.0))
    assert verdicts(judged(watched.drop(columns="weight")))["all"] == ALARM
    assert verdicts(judged(watched))["all"] == NO_ALARM
    whole, weighted = (judged(found).set_index("group").loc["all"] for found in (table, watched))
    assert weighted["observed"] == pytest.approx(whole["observed"], abs=0.02)
    assert weighted["known"] == (~lost).sum()
