"""A chain of digests: each entry names the digest of the one before, so none can be changed unseen.

Of an entry the chain holds `sequence`, `prediction_id`, `kind`, `made_at`, `content_sha256` and
`previous_sha256`; its own digest is the SHA-256 of these six as canonical JSON. The content stands apart,
and its digest is salted: content that was erased cannot be guessed from what remains.

    canonical JSON   keys sorted, no space, all but ASCII escaped: `canonical` below
    content_sha256   SHA-256 of the canonical JSON of [salt, body], both as the texts that are stored
    previous_sha256  the digest of the entry before; 64 zeros for the first
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NOTHING_BEFORE = "0" * 64
ANSWERS = ("prediction", "red_flag")
"""Kinds of entries that hold an answer. Under a red flag nothing is predicted, so it counts apart; records that
older versions wrote hold such answers as predictions."""
KINDS = (*ANSWERS, "outcome", "feedback", "erasure")
SALT_BYTES = 16
PROBLEMS_NAMED = 20


class Entry(NamedTuple):
    """A link of the chain, as stored."""

    sequence: int
    prediction_id: str
    kind: str
    made_at: str
    content_sha256: str
    previous_sha256: str
    sha256: str


class Content(NamedTuple):
    """What an entry says, apart from the chain so that it can be erased."""

    salt: str
    body: str


class Problem(NamedTuple):
    """Where the chain is broken, and how."""

    sequence: int
    what: str


@dataclass
class Verdict:
    """What was found of a whole chain.

    `head` is the digest of the last entry; `problems` are at most the first `PROBLEMS_NAMED`, and
    `n_problems` counts all. `erased` counts entries whose content was taken away by an erasure.
    """

    entries: int = 0
    predictions: int = 0
    red_flags: int = 0
    erased: int = 0
    head: str = NOTHING_BEFORE
    n_problems: int = 0
    problems: list[Problem] = field(default_factory=list)
    anchors_missing: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.n_problems and not self.anchors_missing

    def add(self, sequence: int, what: str) -> None:
        self.n_problems += 1
        if len(self.problems) < PROBLEMS_NAMED:
            self.problems.append(Problem(sequence, what))


def canonical(content: Any) -> str:
    """The one text of a JSON value: keys sorted, no space, ASCII; a number that is none is refused.

    Raises
    ------
    ValueError
        For NaN or infinity, which JSON does not have.

    Examples
    --------
    >>> canonical({"b": [1, 0.5, None], "a": "ü"})
    '{"a":"\\\\u00fc","b":[1,0.5,null]}'
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def salted(body: str) -> Content:
    """A body with a salt of its own."""
    return Content(secrets.token_hex(SALT_BYTES), body)


def content_digest(content: Content) -> str:
    return sha256(canonical([content.salt, content.body]))


def entry_digest(
    sequence: int, prediction_id: str, kind: str, made_at: str, content_sha256: str, previous_sha256: str
) -> str:
    return sha256(
        canonical(
            {
                "sequence": sequence,
                "prediction_id": prediction_id,
                "kind": kind,
                "made_at": made_at,
                "content_sha256": content_sha256,
                "previous_sha256": previous_sha256,
            }
        )
    )


def next_entry(before: Entry | None, prediction_id: str, kind: str, made_at: str, content: Content) -> Entry:
    """The entry that follows one; `before` is None for the first."""
    sequence = before.sequence + 1 if before else 1
    previous = before.sha256 if before else NOTHING_BEFORE
    digest = content_digest(content)
    own = entry_digest(sequence, prediction_id, kind, made_at, digest, previous)
    return Entry(sequence, prediction_id, kind, made_at, digest, previous, own)


def verdict(rows: Iterable[tuple[Entry, Content | None]], anchors: Iterable[str] = ()) -> Verdict:
    """Every link and every content of a chain checked, in its order.

    Parameters
    ----------
    rows : iterable of (Entry, Content or None)
        By rising sequence; None where the store holds no content of an entry.
    anchors : iterable of str
        Digests that were written down elsewhere and must still be in the chain. Only these can show
        that the end of a chain was cut off, or that all of it was made anew.
    """
    found, awaited = Verdict(), set(anchors) - {NOTHING_BEFORE}
    kept: dict[str, list[int]] = defaultdict(list)
    absent: dict[str, list[int]] = defaultdict(list)
    expected, previous = 1, NOTHING_BEFORE
    for entry, content in rows:
        _check_link(found, entry, expected, previous)
        _check_content(found, entry, content)
        if entry.kind == "erasure":
            found.erased += len(absent.pop(entry.prediction_id, []))
            for sequence in kept.pop(entry.prediction_id, []):
                found.add(sequence, f"its content is here, although entry {entry.sequence} erased it")
        elif content is None:
            absent[entry.prediction_id].append(entry.sequence)
        else:
            kept[entry.prediction_id].append(entry.sequence)
        found.entries += 1
        found.predictions += entry.kind == "prediction"
        found.red_flags += entry.kind == "red_flag"
        awaited.discard(entry.sha256)
        expected, previous = entry.sequence + 1, entry.sha256
    for sequence in sorted(sequence for sequences in absent.values() for sequence in sequences):
        found.add(sequence, "its content is missing, and no later entry says that it was erased")
    found.head, found.anchors_missing = previous, sorted(awaited)
    return found


def _check_link(found: Verdict, entry: Entry, expected: int, previous: str) -> None:
    if entry.sequence != expected:
        found.add(entry.sequence, f"entry {expected} should stand here")
    if entry.previous_sha256 != previous:
        found.add(entry.sequence, "it does not follow from the entry before")
    if entry.sha256 != _digest_of(entry):
        found.add(entry.sequence, "its link was changed: the digest is another")


def _digest_of(entry: Entry) -> str:
    return entry_digest(*entry[:-1])


def _check_content(found: Verdict, entry: Entry, content: Content | None) -> None:
    if content is not None and content_digest(content) != entry.content_sha256:
        found.add(entry.sequence, "its content was changed: the digest is another")
    elif content is None and entry.kind == "erasure":
        found.add(entry.sequence, "its content is missing; an erasure is not erased")
