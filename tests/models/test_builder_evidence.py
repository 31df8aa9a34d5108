"""Figures about the builders: what they are on cases worked by hand, and that they cannot be talked up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.findings import Findings
from models import attainable
from models import builder_evidence as evidence
from models.metrics import auroc

N = 600


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    """A truth and a score that knows something of it."""
    rng = np.random.default_rng(4)
    is_true = (rng.random(N) < 0.4) * 1.0
    return is_true, is_true + rng.normal(0, 1.2, N)


# Discrimination


def test_any_scale_gives_the_auroc_of_its_ranks(answers):
    is_true, score = answers
    found = evidence.discrimination(is_true, score).estimate
    assert found.estimate == pytest.approx(roc_auc_score(is_true, score), abs=1e-12)
    assert evidence.discrimination(is_true, np.exp(3 * score)).estimate.estimate == pytest.approx(found.estimate)
    assert evidence.discrimination(is_true, -score).estimate.estimate == pytest.approx(1 - found.estimate)


def test_scores_of_two_values_keep_their_ties():
    is_true, score = np.array([0.0, 0, 0, 1, 1, 1] * 3), np.array([0.0, 0, -7, 0, -7, 0] * 3)
    assert evidence.discrimination(is_true, score).estimate.estimate == roc_auc_score(is_true, score)


def test_what_is_unknown_is_left_out_and_counted(answers):
    is_true, score = answers
    hidden = np.where(np.arange(N) % 3 == 0, np.nan, score)
    found = evidence.discrimination(is_true, hidden)
    known = ~np.isnan(hidden)
    assert found.n == known.sum()
    assert found.estimate.estimate == pytest.approx(roc_auc_score(is_true[known], score[known]))


def test_knowing_nothing_is_no_figure_and_not_a_half(answers):
    is_true, _ = answers
    unknown, constant = np.full(N, np.nan), np.full(N, 0.3)
    assert evidence.discrimination(is_true, unknown).estimate.estimate is None
    assert evidence.discrimination(is_true, constant).estimate.reason == "every case has the same risk"
    compared = evidence.compared_aurocs(is_true, {"builders": unknown, "rival": constant}, np.arange(N), seed=1)
    assert compared["builders"].as_json()["estimate"] is None
    assert compared["builders"].n == 0
    assert set(compared) == {"builders", "rival"}


def test_a_permuted_truth_is_not_found(answers):
    """Over many permutations the AUROC is a half on average, and its interval holds a half about 19 times of 20."""
    is_true, score = answers
    rng = np.random.default_rng(9)
    found = [evidence.discrimination(rng.permutation(is_true), score).estimate for _ in range(200)]
    assert np.mean([one.estimate for one in found]) == pytest.approx(0.5, abs=0.006)
    assert 0.89 < np.mean([one.lower <= 0.5 <= one.upper for one in found]) < 0.99


# Paired figures


def test_a_weighted_auroc_counts_a_case_as_often_as_it_was_drawn(answers):
    is_true, score = answers
    score = score.round(1)  # ties
    draw = np.random.default_rng(2).integers(N, size=N)
    times = np.bincount(draw, minlength=N)[None].astype(float)
    found = evidence._weighted_aurocs(is_true, score, times)
    assert found[0] == pytest.approx(roc_auc_score(is_true[draw], score[draw]), abs=1e-12)


def test_a_score_compared_with_itself_is_not_ahead(answers):
    is_true, score = answers
    found = evidence.compared_aurocs(is_true, {"a": score, "b": 2 * score}, np.arange(N), seed=3)
    assert found["less_b"].estimate[:3] == (0.0, 0.0, 0.0)
    assert found["ratio_b"].estimate[:3] == (1.0, 1.0, 1.0)


def test_resampled_intervals_are_as_wide_as_delongs(answers):
    is_true, score = answers
    by_delong = auroc(is_true, evidence.ranks(score))
    found = evidence.compared_aurocs(is_true, {"a": score, "b": -score}, np.arange(N), seed=3)["a"].estimate
    assert found.upper - found.lower == pytest.approx(by_delong.upper - by_delong.lower, rel=0.2)


def test_cases_counted_twice_make_no_interval_narrower(answers):
    """Left and right of a case are one group: saying everything twice adds nothing."""
    is_true, score = answers
    other = np.random.default_rng(8).normal(size=N)
    once = evidence.compared_aurocs(is_true, {"a": score, "b": other}, np.arange(N), seed=5)
    twice = evidence.compared_aurocs(
        np.tile(is_true, 2), {"a": np.tile(score, 2), "b": np.tile(other, 2)}, np.tile(np.arange(N), 2), seed=5
    )
    assert twice["less_b"].estimate[:3] == pytest.approx(once["less_b"].estimate[:3])
    assert twice["less_b"].n == 2 * N


def test_calibration_of_true_probabilities_is_calibrated():
    rng = np.random.default_rng(6)
    p = rng.uniform(0.02, 0.9, 4000)
    is_true = (rng.random(4000) < p) * 1.0
    found = evidence.calibration(is_true, p)
    for name, ideal in (("calibration_intercept", 0), ("calibration_slope", 1), ("observed_over_expected", 1)):
        estimate = found[name].estimate
        assert estimate.lower <= ideal <= estimate.upper, name
    halved = evidence.calibration(is_true, p / 2)["observed_over_expected"].estimate
    assert halved.estimate == pytest.approx(2 * found["observed_over_expected"].estimate.estimate)


def test_certainties_are_left_out_of_slopes_and_counted():
    p = np.array([0.0, 1.0, *np.linspace(0.1, 0.9, 40)])
    is_true = np.array([0.0, 1.0, *[0.0, 1.0] * 20])
    found = evidence.calibration(is_true, p)
    assert found["calibration_slope"].n == 40
    assert found["observed_over_expected"].n == 42


def test_pairs_are_told_apart_by_who_has_more():
    wins = evidence.told_apart([3, 2, 5, np.nan], [1, 2, 6, 0])
    np.testing.assert_equal(wins, [1.0, 0.5, 0.0, np.nan])
    found = evidence.mean_over_pairs(wins)
    assert found.estimate.estimate == 0.5
    assert found.n == 3
    assert evidence.mean_over_pairs(evidence.told_apart([np.nan] * 3, [1, 2, 3])).estimate.estimate is None


def test_the_interval_of_pairs_holds_the_truth_19_times_of_20():
    rng = np.random.default_rng(14)
    found = [evidence.mean_over_pairs((rng.random(300) < 0.7) * 1.0).estimate for _ in range(400)]
    assert 0.92 < np.mean([one.lower <= 0.7 <= one.upper for one in found]) < 0.98


# The crude rival


def findings(**columns: float) -> Findings:
    """One case with left leg pain and the given findings."""
    drawing = {"pain_posterior_thigh_left": 8.0, "pain_posterior_thigh_right": 0.0}
    return Findings(pd.DataFrame([drawing | columns]))


@pytest.mark.parametrize(
    ("columns", "size"),
    [
        # An extrusion, operated on the side that hurts.
        ({"herniation_l4_l5_paracentral_left": 3, "planned_decompression_l4_l5_left": 1}, 0.75),
        # The larger of two planned lesions counts, and what is not planned does not.
        (
            {
                "recess_stenosis_l4_l5_left": 1,
                "recess_stenosis_l3_l4_left": 2,
                "foraminal_stenosis_l5_s1_left": 3,
                "planned_decompression_l4_l5_left": 1,
                "planned_decompression_l3_l4_left": 1,
            },
            2 / 3,
        ),
        # A lesion of the other side, on which nothing hurts.
        ({"herniation_l4_l5_paracentral_right": 4, "planned_decompression_l4_l5_right": 1}, 0.0),
        # Central stenosis lies on both sides.
        ({"central_stenosis_l4_l5": 3, "planned_decompression_l4_l5_left": 1}, 1.0),
        # A fused level is reached on both sides; Pfirrmann 1 is a normal disc.
        ({"disc_degeneration_l5_s1": 5, "planned_fusion_l5_s1": 1}, 1.0),
        ({"disc_degeneration_l5_s1": 1, "planned_fusion_l5_s1": 1}, 0.0),
        # A plan, but no scan that was read; a scan, but no plan.
        ({"planned_decompression_l4_l5_left": 1}, np.nan),
        ({"herniation_l4_l5_paracentral_left": 3, "planned_decompression_l4_l5_left": 0}, np.nan),
    ],
)
def test_the_crude_rival_takes_the_largest_planned_lesion_of_the_painful_side(columns, size):
    assert evidence.largest_planned_lesion(findings(**columns))[0] == pytest.approx(size, nan_ok=True)


def test_without_a_drawing_the_rival_knows_nothing():
    case = pd.DataFrame([{"herniation_l4_l5_paracentral_left": 3.0, "planned_decompression_l4_l5_left": 1.0}])
    assert np.isnan(evidence.largest_planned_lesion(Findings(case))).all()
    assert evidence.largest_lesion_place(Findings(case))[0].tolist() == [-1]


def test_the_rivals_pick_is_the_largest_lesion_of_the_painful_side():
    level, sides = evidence.largest_lesion_place(
        findings(recess_stenosis_l3_l4_left=2, herniation_l5_s1_paracentral_right=4, recess_stenosis_l4_l5_left=2)
    )
    assert level.tolist() == [3]  # of equals the lower
    assert sides.tolist() == [[True, False]]


# What is attainable


@pytest.fixture
def record() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    columns = {
        f"recess_stenosis_{level}_{side}": rng.integers(0, 4, 40) * 1.0
        for level in ("l3_l4", "l4_l5", "l5_s1")
        for side in ("left", "right")
    }
    columns |= {
        f"power_{root}_{side}": rng.integers(3, 6, 40) * 1.0 for root in ("l5", "s1") for side in ("left", "right")
    }
    columns |= {f"pain_posterior_thigh_{side}": rng.integers(0, 9, 40) * 1.0 for side in ("left", "right")}
    columns |= {"planned_decompression_l4_l5_right": np.ones(40), "age_years": rng.integers(30, 80, 40) * 1.0}
    return attainable.record_matrix(pd.DataFrame(columns))


def test_words_become_a_column_a_choice_and_a_missing_word_stays_missing():
    cases = pd.DataFrame({"age_years": [50.0, 60.0], "sex": ["male", None]})
    matrix = attainable.record_matrix(cases)
    assert matrix["sex=male"].iloc[0] == 1
    assert matrix["sex=female"].iloc[0] == 0
    assert matrix.filter(like="sex=").iloc[1].isna().all()


def test_mirroring_twice_changes_nothing_and_once_exchanges_the_sides(record):
    everybody = np.ones(len(record), dtype=bool)
    once = attainable.mirrored(record, everybody)
    assert (once["pain_posterior_thigh_left"] == record["pain_posterior_thigh_right"]).all()
    assert (once["age_years"] == record["age_years"]).all()
    pd.testing.assert_frame_equal(attainable.mirrored(once, everybody), record)


def test_the_view_of_a_plan_puts_its_side_left_and_counts_from_its_level(record):
    view = attainable.plan_view(record, {})
    # Planned at L4-L5 on the right: what lies there on the right stands at +0 on the left.
    assert (view["recess_stenosis_left@+0"] == record["recess_stenosis_l4_l5_right"]).all()
    assert (view["recess_stenosis_right@-1"] == record["recess_stenosis_l3_l4_left"]).all()
    assert (view["recess_stenosis_left@+1"] == record["recess_stenosis_l5_s1_right"]).all()
    assert view["recess_stenosis_left@+2"].isna().all()
    # The L4 root leaves at L4-L5, the L5 root passes it.
    assert (view["power_left@+1"] == record["power_l5_right"]).all()


def test_a_side_is_seen_from_itself(record):
    view = attainable.side_view(record)
    assert len(view) == 2 * len(record)
    left, right = view.iloc[: len(record)], view.iloc[len(record) :].reset_index(drop=True)
    assert (left["pain_posterior_thigh_left"] == record["pain_posterior_thigh_left"]).all()
    assert (right["pain_posterior_thigh_left"] == record["pain_posterior_thigh_right"]).all()
    assert "power_l5_left" not in view


def learned(is_true: np.ndarray, x: np.ndarray) -> float:
    taught, tested = pd.DataFrame(x[:2000]), pd.DataFrame(x[2000:])
    question = attainable.Question(taught, is_true[:2000], tested, fractions=(0.5, 1.0))
    risks = attainable.learned_risks({"asked": question}, seed=1)["asked"]
    assert list(risks) == [0.5, 1.0]
    return float(evidence.discrimination(is_true[2000:], risks[1.0]).estimate.estimate)


def test_a_learner_finds_what_is_there_and_nothing_that_is_not():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3500, 6))
    is_true = (rng.random(3500) < 1 / (1 + np.exp(-2 * x[:, 0]))) * 1.0
    assert learned(is_true, x) > 0.8
    assert learned(rng.permutation(is_true), x) == pytest.approx(0.5, abs=0.06)
