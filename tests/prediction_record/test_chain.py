"""The chain: whatever was changed, added, taken away or moved is found; what was erased by an entry is not missed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prediction_record.chain import (
    Content,
    Entry,
    canonical,
    next_entry,
    salted,
    verdict,
)

Row = tuple[Entry, Content | None]
KINDS = st.lists(st.sampled_from(["prediction", "outcome", "feedback"]), min_size=2, max_size=6)


def chain_of(kinds: list[str]) -> list[Row]:
    rows: list[Row] = []
    for number, kind in enumerate(kinds):
        content = salted(canonical({"risk": number / 10, "words": "näher"}))
        before = rows[-1][0] if rows else None
        rows.append((next_entry(before, f"P{number}", kind, f"2024-03-0{number + 1}", content), content))
    return rows


@given(KINDS)
def test_a_chain_that_nobody_touched_verifies(kinds):
    rows = chain_of(kinds)
    found = verdict(rows, anchors=[row[0].sha256 for row in rows])
    assert found.holds
    assert (found.entries, found.head) == (len(kinds), rows[-1][0].sha256)


@given(KINDS, st.data())
def test_any_character_changed_anywhere_is_found(kinds, data):
    rows = chain_of(kinds)
    place = data.draw(st.integers(0, len(rows) - 1))
    entry, content = rows[place]
    texts = {**{name: value for name, value in entry._asdict().items() if isinstance(value, str)}, **content._asdict()}
    name = data.draw(st.sampled_from(sorted(texts)))
    at = data.draw(st.integers(0, len(texts[name]) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != texts[name][at]))
    changed = {name: texts[name][:at] + other + texts[name][at + 1 :]}
    if name in entry._fields:
        rows[place] = (entry._replace(**changed), content)
    else:
        rows[place] = (entry, content._replace(**changed))
    found = verdict(rows)
    assert not found.holds
    assert entry.sequence in {problem.sequence for problem in found.problems}


@given(KINDS, st.data())
def test_another_sequence_number_is_found(kinds, data):
    rows = chain_of(kinds)
    place = data.draw(st.integers(0, len(rows) - 1))
    entry, content = rows[place]
    number = data.draw(st.integers(-3, 20).filter(lambda one: one != entry.sequence))
    rows[place] = (entry._replace(sequence=number), content)
    assert not verdict(rows).holds


@given(KINDS, st.data())
def test_an_entry_taken_away_inserted_or_moved_is_found(kinds, data):
    rows = chain_of(kinds)
    place = data.draw(st.integers(0, len(rows) - 2))
    assert not verdict(rows[:place] + rows[place + 1 :]).holds
    assert not verdict([*rows[:place], rows[place], *rows[place:]]).holds
    assert not verdict([*rows[:place], rows[place + 1], rows[place], *rows[place + 2 :]]).holds
    forged = salted(canonical({"risk": 0.01}))
    before = rows[place - 1][0] if place else None
    inserted = next_entry(before, "P9", "prediction", "2024-03-09", forged)
    assert not verdict([*rows[:place], (inserted, forged), *rows[place:]]).holds


@given(KINDS, st.data())
def test_contents_of_two_entries_exchanged_are_found(kinds, data):
    rows = chain_of(kinds)
    place = data.draw(st.integers(0, len(rows) - 2))
    (first, own), (second, others) = rows[place : place + 2]
    rows[place : place + 2] = [(first, others), (second, own)]
    assert not verdict(rows).holds


def test_only_an_anchor_shows_that_the_end_was_cut_off_or_all_was_made_anew():
    rows, anew = chain_of(["prediction"] * 4), chain_of(["prediction"] * 4)
    head = rows[-1][0].sha256
    assert verdict(rows[:2]).holds
    assert verdict(rows[:2], anchors=[head]).anchors_missing == [head]
    assert verdict(anew).holds
    assert not verdict(anew, anchors=[head]).holds


def test_content_may_be_missing_only_where_a_later_entry_erased_it():
    rows = chain_of(["prediction", "prediction"])
    gone = [(rows[0][0], None), rows[1]]
    assert [problem.sequence for problem in verdict(gone).problems] == [1]
    erasure = salted(canonical({"reason": "on request"}))
    entry = next_entry(rows[-1][0], "P0", "erasure", "2024-04-01", erasure)
    found = verdict([*gone, (entry, erasure)])
    assert found.holds
    assert found.erased == 1
    back = verdict([*rows, (entry, erasure)])
    assert "entry 3 erased it" in back.problems[0].what
    assert not verdict([*gone, (entry, None)]).holds


def test_what_was_erased_cannot_be_guessed_from_its_digest():
    """The same small answer twice has two digests, since each has a salt of its own."""
    body = canonical({"red_flags": ["cauda_equina"]})
    first, second = (next_entry(None, "P1", "prediction", "2024-03-05", salted(body)) for _ in range(2))
    assert first.content_sha256 != second.content_sha256
    assert hashlib.sha256(body.encode()).hexdigest() not in (first.content_sha256, second.content_sha256)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(number):
    with pytest.raises(ValueError, match="Out of range float"):
        canonical({"risk": number})
