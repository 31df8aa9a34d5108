"""TRIPOD+AI and HTI-1: a status is what the artefacts say, and an author's part stays the author's."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.reporting.checklists import (
    AUTHOR_NEEDED,
    DRAFT,
    EVIDENCE,
    REACH,
    answered,
    expanded,
    holds,
    source_attributes,
    tally,
    tripod_ai,
)
from pipeline.reporting.sections import SECTIONS

CHOSEN = {"failure_12m": "logistic", "worse_12m": "xgboost"}
TRIPOD_SUB_ITEMS = {
    **dict.fromkeys(["3", "6", "8", "9", "20", "27"], "abc"),
    **dict.fromkeys(["5", "23"], "ab"),
    "12": "abcdefg",
    "18": "abcdef",
}


def one(reach: str, artefacts: str) -> pd.DataFrame:
    return pd.DataFrame([{"item": "1", "topic": "t", "asks": "?", "reach": reach, "artefacts": artefacts,
                          "section": "summary", "says": "as said"}])  # fmt: skip


def made(root: Path, name: str, content: object) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_tripod_ai_has_its_27_items_and_52_sub_items():
    expected = [f"{item}{letter}" for item in range(1, 28) for letter in TRIPOD_SUB_ITEMS.get(str(item), [""])]
    assert list(tripod_ai()["item"]) == expected
    assert len(expected) == 52


def test_hti_1_has_its_31_attributes_in_nine_groups():
    table = source_attributes()
    assert list(table["item"]) == [str(number) for number in range(1, 32)]
    assert table["topic"].value_counts(sort=False).tolist() == [4, 4, 2, 4, 2, 4, 5, 4, 2]


@pytest.mark.parametrize("table", [tripod_ai(), source_attributes()], ids=["tripod_ai", "source_attributes"])
def test_a_table_is_sound(table):
    assert set(table["reach"]) <= set(REACH)
    assert (table["asks"].str.len() > 10).all()
    assert set(table["section"]) <= {section.key for section in SECTIONS} | {""}
    assert (table.loc[table["reach"] == "evidence", "artefacts"] != "").all()
    assert (table.loc[table["reach"] == "author", "artefacts"] == "").all()
    assert (table.loc[table["reach"] != "author", "section"] != "").all()
    assert not table["says"].str.contains(r"\bcomplete\b").any()


def test_evidence_needs_the_artefact_and_what_it_must_hold(tmp_path):
    row = one("evidence", "data/metrics.json#{outcome}.{chosen}.auroc")
    assert answered(row, CHOSEN, tmp_path)["status"].tolist() == [AUTHOR_NEEDED]
    made(tmp_path, "data/metrics.json", {"failure_12m": {"logistic": {"auroc": {"estimate": 0.7}}}})
    half = answered(row, CHOSEN, tmp_path)
    assert half["status"].tolist() == [AUTHOR_NEEDED]
    assert half["says"].tolist() == ["Not made in this study: data/metrics.json#worse_12m.xgboost.auroc"]
    whole = {outcome: {learner: {"auroc": {"estimate": 0.7}}} for outcome, learner in CHOSEN.items()}
    made(tmp_path, "data/metrics.json", whole)
    found = answered(row, CHOSEN, tmp_path)
    assert found[["status", "says", "artefacts"]].to_numpy().tolist() == [[EVIDENCE, "as said", "data/metrics.json"]]


def test_what_is_not_estimable_is_no_evidence(tmp_path):
    made(tmp_path, "m.json", {"auroc": {"estimate": None, "reason": "no events"}, "slope": {"estimate": 0.0}})
    assert not holds("m.json#auroc", tmp_path)
    assert holds("m.json#slope", tmp_path)


@pytest.mark.parametrize("content", [{}, [], None, ""])
def test_an_empty_thing_is_nothing(content, tmp_path):
    made(tmp_path, "m.json", {"optimism": content})
    assert holds("m.json", tmp_path)
    assert not holds("m.json#optimism", tmp_path)
    assert not holds("m.json#optimism.logistic", tmp_path)


def test_a_column_must_hold_a_value(tmp_path):
    pd.DataFrame({"known": [None, 2.0], "blank": [None, None]}).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame({"known": [1.0]}).to_parquet(tmp_path / "t.parquet")
    assert holds("t.csv#known", tmp_path)
    assert not holds("t.csv#blank", tmp_path)
    assert not holds("t.csv#absent", tmp_path)
    assert holds("t.parquet#known", tmp_path)


def test_what_only_an_author_can_say_stays_with_the_author(tmp_path):
    """Even where everything that the pipeline can make was made."""
    assert answered(one("author", ""), CHOSEN, tmp_path)["status"].tolist() == [AUTHOR_NEEDED]
    assert answered(one("draft", ""), CHOSEN, tmp_path)["status"].tolist() == [DRAFT]
    for table in (tripod_ai(), source_attributes()):
        status = answered(table, CHOSEN, tmp_path)["status"]
        assert (status[table["reach"] == "author"] == AUTHOR_NEEDED).all()
        assert EVIDENCE not in set(status)


def test_a_second_reading_sees_what_was_made_meanwhile(tmp_path):
    row = one("evidence", "m.json#a")
    made(tmp_path, "m.json", {"a": None})
    assert answered(row, CHOSEN, tmp_path)["status"].tolist() == [AUTHOR_NEEDED]
    made(tmp_path, "m.json", {"a": 1})
    assert answered(row, CHOSEN, tmp_path)["status"].tolist() == [EVIDENCE]


def test_references_are_expanded_for_each_outcome_once():
    assert expanded("a.csv#x; b/{outcome}/{chosen}.json#y ;a.csv#x", CHOSEN) == [
        "a.csv#x",
        "b/failure_12m/logistic.json#y",
        "b/worse_12m/xgboost.json#y",
    ]


def test_the_tally_counts_every_row():
    table = pd.DataFrame({"status": [EVIDENCE, DRAFT, DRAFT]})
    assert tally(table) == {EVIDENCE: 1, DRAFT: 2, AUTHOR_NEEDED: 0, "of": 3}
