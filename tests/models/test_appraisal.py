"""Signalling questions are answered from figures, and another figure gives another answer."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from features.errors import KnowledgeError
from features.predictors import candidate_predictors
from models import appraisal
from models.appraisal import ANSWERS, JUDGEMENTS, Facts, HeldOut, diagnostics, judgement, questions
from models.carrying import Verdict, capacity
from models.estimates import Estimate, not_estimable

PREDICTORS = candidate_predictors("worse_12m", 20)
HELD = HeldOut(cases=5000, events=1600, unknown_share=0.02, needed=4000, slope_width=0.18)
EMPTY = HeldOut(cases=0, events=0, unknown_share=1.0, needed=None, slope_width=None)


@pytest.fixture
def facts() -> Facts:
    """A registry that nothing is wrong with, as far as figures can tell."""
    return Facts(
        provenance="registry",
        records=10_000,
        included=9_800,
        predictors=PREDICTORS,
        known_later=[],
        blank_share=dict.fromkeys([p.name for p in PREDICTORS], 0.01),
        blank_spread=dict.fromkeys([p.name for p in PREDICTORS], 0.02),
        shadow=Estimate(0.68, 0.66, 0.70),
        leak_alarm=0.85,
        label="ODI above 22",
        kinds=["state"],
        rules=1,
        statuses=["verified"],
        baselines=[],
        horizon_months=12,
        answered_on_time=0.97,
        unknown_share=0.03,
        unknown_by_centre=(0.02, 0.04),
        response=Estimate(0.52, 0.48, 0.56),
        is_weighted_for_censoring=False,
        capacity=capacity(6000, 0.33, 0.7, 20),
        verdict=Verdict(("prevalence", "baseline", "logistic", "xgboost"), {}),
        permuted={"logistic": Estimate(0.5, 0.48, 0.52)},
        shared_patients=0,
        test_sets={"temporal": HELD, "geographic": HELD},
        thresholds=[0.2, 0.3],
    )


def answered(facts: Facts, question: str, **changes) -> tuple[str, str]:
    table = diagnostics(dataclasses.replace(facts, **changes)).set_index("question_id")
    return table.loc[question, "answer"], table.loc[question, "evidence"]


def test_every_question_has_one_row_with_evidence_and_a_judgement(facts):
    table = diagnostics(facts)
    assert list(table["question_id"]) == list(questions()["question_id"])
    assert set(table["answer"]) <= set(ANSWERS)
    assert set(table["judgement"]) <= set(JUDGEMENTS)
    assert table.notna().all(axis=None)
    assert table["evidence"].str.endswith(".").all()


def test_a_sound_registry_is_unclear_only_where_an_author_must_answer(facts):
    table = diagnostics(facts)
    assert set(table.loc[table["judgement"] != "low", "domain"]) == {"participants"}
    assert set(table.query("domain == 'participants'")["answer"]) == {"author needed"}
    assert set(table.query("domain == 'participants'")["judgement"]) == {"unclear"}


def test_virtual_cases_describe_nobody(facts):
    table = diagnostics(dataclasses.replace(facts, provenance="virtual")).set_index("question_id")
    assert (table.loc[["D1.1", "D1.2"], "answer"] == "no").all()
    assert "virtual" in table.loc["D1.1", "evidence"]
    assert table.loc["D1.3", "judgement"] == "high"


@pytest.mark.parametrize(
    ("question", "changes", "answer", "words"),
    [
        ("D1.3", {"included": 7_000}, "probably no", "3,000 of 10,000 records (30.0 %)"),
        ("D2.1", {"blank_spread": {"odi": 0.4}}, "probably no", "most between centres in odi, by 40 percentage points"),
        ("D2.1", {"blank_spread": {}}, "no information", "one centre"),
        ("D2.3", {"shadow": Estimate(0.9, 0.88, 0.92)}, "probably no", "alarm at 0.85 was overruled by name"),
        ("D2.3", {"shadow": not_estimable("one class")}, "no information", "one class"),
        ("D2.4", {"known_later": ["odi_12m"]}, "no", "odi_12m is known only after"),
        ("D2.4", {"blank_share": {"odi": 0.0, "nrs_back": 0.5}}, "probably yes", "most often nrs_back (50 %)"),
        ("D3.1", {"statuses": ["verified", "assumption"]}, "probably yes", "not all are verified"),
        ("D3.2", {"rules": 2}, "probably yes", "differs by diagnosis"),
        ("D3.2", {"unknown_by_centre": (0.1, 0.5)}, "probably no", "10 % to 50 %"),
        ("D3.3", {"baselines": ["odi"]}, "probably no", "the baseline of odi, which is a candidate predictor"),
        ("D3.3", {"kinds": ["event"]}, "author needed", "who decided"),
        ("D3.4", {"answered_on_time": 0.5}, "probably yes", "50 % of answers"),
        ("D4.1", {"capacity": capacity(900, 0.33, 0.7, 20)}, "no", "Overruled by name"),
        (
            "D4.1",
            {"predictors": PREDICTORS[:3], "capacity": capacity(900, 0.33, 0.7, 20)},
            "probably yes",
            "The first 4",
        ),
        ("D4.3", {"unknown_share": 0.24}, "probably no", "unknown in 24 %"),
        ("D4.3", {"unknown_share": 0.10, "response": Estimate(0.7, 0.68, 0.72)}, "probably no", "0.70 (0.68 to 0.72)"),
        ("D4.3", {"unknown_share": 0.10}, "probably yes", "unknown in 10 %"),
        ("D4.3", {"unknown_share": 0.24, "is_weighted_for_censoring": True}, "probably yes", "are weighted for them"),
        ("D4.3", {"blank_share": {"odi": 0.3}}, "probably no", "30.0 % of predictor cells are blank"),
        ("E4.1", {"test_sets": {}}, "no", "nothing was learned from"),
        ("E4.2", {"test_sets": {"temporal": dataclasses.replace(HELD, cases=500)}}, "probably no", "500 of 4,000"),
        ("E4.5", {"shared_patients": 3}, "no", "3 development cases"),
        ("E4.6", {"permuted": {}}, "no information", "No candidate"),
        ("E4.7", {"test_sets": {"temporal": EMPTY, "geographic": HELD}}, "probably yes", "temporal can tell nothing"),
        ("E4.7", {"test_sets": {"temporal": EMPTY}}, "no", "no test set has cases with the outcome"),
    ],
)
def test_another_figure_gives_another_answer(facts, question, changes, answer, words):
    assert answered(facts, question)[0] != answer or words not in answered(facts, question)[1]
    found = answered(facts, question, **changes)
    assert found[0] == answer
    assert words in found[1]


def test_a_test_set_without_an_event_tells_nothing(facts):
    empty = HeldOut(cases=40, events=0, unknown_share=0.6, needed=None, slope_width=None)
    assert answered(facts, "E4.1", test_sets={"temporal": empty}) == (
        "no",
        "Test sets that nothing was learned from: temporal: 40 cases, 0 with the outcome.",
    )
    assert "tell nothing" in answered(facts, "E4.2", test_sets={"temporal": empty})[1]


def test_a_refused_learner_is_told_with_its_reason(facts):
    refused = Verdict(("logistic",), {"xgboost": "it spends more than the cases carry"})
    assert "Refused: xgboost, since it spends more" in answered(facts, "D4.1", verdict=refused)[1]


@pytest.mark.parametrize(
    ("answers", "judged"),
    [
        (["yes", "probably yes"], "low"),
        (["yes", "no information"], "unclear"),
        (["author needed", "probably no"], "high"),
        (["no"], "high"),
    ],
)
def test_one_no_makes_a_domain_high_and_one_gap_makes_it_unclear(answers, judged):
    assert judgement(answers) == judged


def test_a_faulty_table_of_questions_is_refused_with_all_that_is_wrong(monkeypatch):
    table = pd.read_csv(appraisal.Path(appraisal.__file__).with_name("probast.csv"), dtype=str)
    faulty = pd.concat([table.iloc[[0]], table.iloc[:-1].replace("D3.1", "D9.9")], ignore_index=True)
    faulty.loc[5, "source"] = None
    monkeypatch.setattr(pd, "read_csv", lambda *_, **__: faulty)
    questions.cache_clear()
    try:
        with pytest.raises(KnowledgeError) as refusal:
            questions()
    finally:
        questions.cache_clear()
    for fault in ("asks D1.1 twice", "asks D9.9, which nothing answers", "does not ask D3.1", "does not ask E4.7"):
        assert fault in str(refusal.value)
    assert "has an empty cell in" in str(refusal.value)


def test_what_is_done_once_over_all_folds_is_not_said_to_be_repeated_in_each(facts):
    answer, evidence = answered(facts, "E4.6")
    assert answer == "probably yes"
    assert "tuning, choice and recalibration are done once" in evidence
