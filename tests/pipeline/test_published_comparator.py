"""A comparator that has a risk for some cases only, beside learners that have one for all."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from features.outcomes import OutcomeParams
from models.drawing import LEARNER_STYLES, performance_panels
from models.metrics import auroc
from pipeline import paths
from pipeline.files import read_table, write_json, write_table
from pipeline.reporting.performance_tables import coverage_lines, same_case_rows
from pipeline.stages import evaluate

ROOT = Path(__file__).resolve().parents[2]

THRESHOLDS = [0.2, 0.3]


def predictions(n: int = 400, outcome: str = "not_improved_12m", covered: str = "disc_herniation") -> pd.DataFrame:
    """Two diagnoses in both test sets; `published` knows one of them, and is the better where it answers."""
    rng = np.random.default_rng(3)
    margin = rng.normal(size=n)
    about = pd.DataFrame(
        {
            "case_id": [f"C{i:04d}" for i in range(n)],
            "outcome": outcome,
            "test_set": np.where(np.arange(n) % 2, "temporal", "geographic"),
            "patient_id": [f"P{i:04d}" for i in range(n)],
            "weight": 1.0,
            "diagnosis": np.where(np.arange(n) % 4 < 2, "disc_herniation", "spondylolisthesis"),
            "y_true": (rng.random(n) < 1 / (1 + np.exp(1 - margin))).astype(float),
        }
    )
    logistic = about.assign(learner="logistic", risk=1 / (1 + np.exp(1 - 0.5 * margin - rng.normal(size=n))))
    published = about.assign(learner="published", risk=1 / (1 + np.exp(1 - margin)))
    return pd.concat([logistic, published[published["diagnosis"] == covered]], ignore_index=True)


def part(rows: pd.DataFrame, learner: str, test_set: str) -> pd.DataFrame:
    return rows[(rows["learner"] == learner) & (rows["test_set"] == test_set)]


def test_every_learner_is_measured_on_the_cases_of_the_comparator():
    rows = predictions()
    found = evaluate.same_cases(rows, "published", THRESHOLDS)
    assert set(found) == {"geographic", "temporal"}
    whole = found["temporal"]["all"]
    assert (whole["cases"], whole["of"]) == (100, 200)
    theirs = part(rows, "published", "temporal")
    ours = part(rows, "logistic", "temporal")
    ours = ours[ours["case_id"].isin(theirs["case_id"])]
    assert whole["learners"]["logistic"]["auroc"]["estimate"] == pytest.approx(
        auroc(ours["y_true"], ours["risk"]).estimate
    )
    assert set(found["temporal"]) == {"all", "disc_herniation"}
    assert found["temporal"]["disc_herniation"]["of"] == 100


def test_the_brier_difference_is_paired_case_by_case():
    rows = predictions().sample(frac=1, random_state=1)  # the order of rows must not matter
    theirs = part(rows, "published", "temporal").set_index("case_id")
    ours = part(rows, "logistic", "temporal").set_index("case_id").loc[theirs.index]
    losses = [(one["risk"] - one["y_true"]) ** 2 for one in (ours, theirs)]
    learners = evaluate.same_cases(rows, "published", THRESHOLDS)["temporal"]["all"]["learners"]
    difference = learners["logistic"]["brier_difference"]
    assert difference["estimate"] == pytest.approx((losses[0] - losses[1]).mean())
    assert difference["lower"] < difference["estimate"] < difference["upper"]
    assert "brier_difference" not in learners["published"]


def test_a_test_set_that_the_comparator_does_not_reach_is_absent():
    rows = predictions()
    rows = rows[(rows["learner"] != "published") | (rows["test_set"] == "temporal")]
    assert set(evaluate.same_cases(rows, "published", THRESHOLDS)) == {"temporal"}


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """The stage run on one outcome with the comparator and one without."""
    monkeypatch.chdir(tmp_path)
    outcomes = ["failure_12m", "not_improved_12m"]
    rows = predictions(outcome="failure_12m")
    with_comparator = predictions()
    write_table(rows[rows["learner"] == "logistic"].reset_index(drop=True), paths.predictions("failure_12m"))
    write_table(with_comparator, paths.predictions("not_improved_12m"))
    for outcome in outcomes:
        write_json({"chosen": "logistic", "learners": {"logistic": {}}}, paths.choice(outcome))
    about = with_comparator.drop_duplicates("case_id").set_index("case_id")
    split = about[["patient_id"]].assign(set=about["test_set"], fold=-1)
    cases = about[["diagnosis"]].assign(
        odi=40.0, age_years=50.0, centre_id="centre", index_date=pd.Timestamp("2020-06-01")
    )
    write_table(split, paths.SPLIT)
    write_table(cases, paths.COHORT_CASES)
    never = pd.Series(pd.NaT, index=cases.index, dtype="datetime64[ns]")
    write_table(cases.assign(reoperation_date=never, death_date=never), paths.INGESTED_CASES)
    write_table(cases[[]], paths.FEATURES)
    write_table(pd.DataFrame(dict.fromkeys(outcomes, about["y_true"])), paths.OUTCOMES)
    evaluate.run(small_params(outcomes))
    return tmp_path


def small_params(outcomes: list[str]) -> SimpleNamespace:
    return SimpleNamespace(
        cohort=SimpleNamespace(outcomes={outcome: OutcomeParams(baseline_floor=10.0) for outcome in outcomes}),
        train=SimpleNamespace(outcomes=outcomes, learners=["logistic"], max_parameters=dict.fromkeys(outcomes, 10)),
        evaluate=SimpleNamespace(
            thresholds=THRESHOLDS,
            seed=1,
            main_threshold=dict.fromkeys(outcomes, 0.3),
            response_percentiles=[1.0, 99.0],
        ),
        validate=SimpleNamespace(seed=1, clusters=0),
    )


def test_the_stage_measures_the_comparator_where_there_is_one(evaluated):
    metrics = json.loads((evaluated / paths.METRICS).read_text())
    assert set(metrics["failure_12m"]) == {"logistic"}
    assert set(metrics["not_improved_12m"]) == {"logistic", "published"}
    theirs = part(predictions(), "published", "temporal")
    assert metrics["not_improved_12m"]["published"]["temporal"]["auroc"]["estimate"] == pytest.approx(
        auroc(theirs["y_true"], theirs["risk"]).estimate
    )
    same = json.loads((evaluated / paths.SAME_CASES).read_text())
    assert same["failure_12m"] == {}
    assert set(same["not_improved_12m"]) == {"published"}


def test_the_chosen_learner_is_compared_with_the_comparator_on_its_cases(evaluated):
    compared = json.loads((evaluated / paths.COMPARISONS).read_text())
    assert compared["failure_12m"] == {"temporal": {}, "geographic": {}}
    found = compared["not_improved_12m"]["temporal"]["published"]
    theirs = part(predictions(), "published", "temporal").set_index("case_id")
    ours = part(predictions(), "logistic", "temporal").set_index("case_id").loc[theirs.index]
    assert found["cases"] == len(theirs) == 100
    expected = auroc(theirs["y_true"], ours["risk"]).estimate - auroc(theirs["y_true"], theirs["risk"]).estimate
    assert found["differences"]["auroc"]["estimate"] == pytest.approx(expected)
    assert found["differences"]["auroc"]["upper"] < 0, "the comparator knows more here"


def test_curves_show_the_comparator_but_for_net_benefit_on_other_cases(evaluated):
    shown = {kind: set(read_table(paths.curves(kind))["learner"]) for kind in ("roc", "calibration", "decision")}
    assert shown == {
        "roc": {"logistic", "published"},
        "calibration": {"logistic", "published"},
        "decision": {"logistic"},
    }


def test_the_panels_draw_the_comparator_for_one_outcome_and_not_for_another(evaluated):
    for outcome, expected in (("not_improved_12m", {"logistic", "published"}), ("failure_12m", {"logistic"})):
        curves = (read_table(paths.curves(kind)) for kind in ("roc", "calibration", "decision"))
        tables = [curve[curve["outcome"] == outcome] for curve in curves]
        figure = performance_panels(*tables, "logistic", outcome)
        labels = {text.get_text().removesuffix(" (chosen)") for text in figure.legends[0].get_texts()}
        assert labels & set(LEARNER_STYLES) == expected


@pytest.mark.parametrize("kind", ["roc", "calibration"])
def test_dvc_gives_every_learner_the_colour_of_the_report(kind):
    text = (ROOT / ".dvc" / "plots" / f"backcast_{kind}.json").read_text(encoding="utf-8")
    scales = [found["scale"] for found in colours(json.loads(text))]
    assert scales
    for scale in scales:
        drawn = dict(zip(scale["domain"], scale["range"], strict=True))
        assert drawn == {learner: colour for learner, (colour, _) in LEARNER_STYLES.items()}


def colours(node):
    """Every encoding of the learner by colour in a Vega-Lite specification."""
    if isinstance(node, dict):
        if isinstance(node.get("color"), dict) and node["color"].get("field") == "learner":
            yield node["color"]
        for value in node.values():
            yield from colours(value)
    elif isinstance(node, list):
        for value in node:
            yield from colours(value)


def test_training_does_not_know_the_comparator():
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert "published" not in params["train"]["learners"]
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert not [dep for dep in stages["train"]["deps"] if "published" in dep]


def test_the_rows_of_the_report_stand_side_by_side():
    rows = same_case_rows(evaluate.same_cases(predictions(), "published", THRESHOLDS), ["published", "logistic"])
    assert [row["learner"] for row in rows[:2]] == ["published", "logistic"]
    assert list(dict.fromkeys(row["test_set"] for row in rows)) == ["temporal", "geographic"]
    assert {row["cases"] for row in rows if row["group"] == "all"} == {"100 of 200"}
    assert rows[0]["shown"]["Difference in Brier score"].estimate == "—"
    assert "to" in rows[1]["shown"]["Difference in Brier score"].interval


def test_the_lines_of_the_coverage_say_what_was_wanting():
    table = pd.DataFrame(
        [
            ("disc_herniation", "asked", None, 10),
            ("disc_herniation", "estimated", None, 7),
            ("disc_herniation", "not recorded", "ODI", 2),
            ("disc_herniation", "out of range", "BMI", 1),
            ("spondylolisthesis", "asked", None, 1200),
            ("spondylolisthesis", "estimated", None, 0),
            ("spondylolisthesis", "no equation", None, 1200),
        ],
        columns=["diagnosis", "answer", "input", "cases"],
    )
    assert coverage_lines(table, {"ODI": "disability", "BMI": "body mass"}) == [
        ("disc herniation", "7 of 10", "not recorded: disability (2); out of range: body mass (1)"),
        ("spondylolisthesis", "0 of 1,200", "no published equation (1,200)"),
    ]
