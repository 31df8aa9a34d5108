"""The record read, by any process and while another writes: the chain verified, answers found again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import CaseNotFoundError
from pipeline.prediction_record import database
from pipeline.prediction_record.chain import ANSWERS, PROBLEMS_NAMED, Content, Entry, Verdict, content_digest, verdict
from pipeline.prediction_record.errors import RecordBrokenError

LINK = "sequence, prediction_id, kind, made_at, content_sha256, previous_sha256, sha256"
LAST_ENTRY = f"SELECT {LINK} FROM chain ORDER BY sequence DESC LIMIT 1"
CAUSE = "cause"
"""The question that is answered after an operation that failed; all other answers forecast whether one will."""
THE_FILE = 0
"""Stands for the number of an entry where the file is at fault."""
ALL_ENTRIES = f"SELECT {LINK}, salt, body FROM chain LEFT JOIN content USING (sequence)"


@dataclass(frozen=True)
class Kept:
    """An entry with its content read; None where it was erased."""

    entry: Entry
    content: dict[str, Any] | None

    @property
    def answer(self) -> dict[str, Any]:
        """What was answered; empty for what was erased, and for an entry that holds no answer."""
        return (self.content or {}).get("answer") or {}

    @property
    def is_workup(self) -> bool:
        return self.answer.get("question") == CAUSE


class Reader:
    """One state of a record."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def verdict(self, anchors: Iterable[str] = ()) -> Verdict:
        """The whole chain checked, as `chain.verdict` does it, and the file below it.

        An index that lost a row would hide a person from an erasure, although the chain holds.
        """
        found = verdict(self._rows(f"{ALL_ENTRIES} ORDER BY sequence"), anchors)
        for (said,) in self._connection.execute(f"PRAGMA integrity_check({PROBLEMS_NAMED})"):
            if said != "ok":
                found.add(THE_FILE, f"SQLite says of the file: {said.splitlines()[0]}")
        for (sequence,) in self._connection.execute(
            "SELECT sequence FROM content WHERE sequence NOT IN (SELECT sequence FROM chain) ORDER BY sequence"
        ):
            found.add(sequence, "its content is here, but its link is not")
        return found

    def has_content(self, prediction_id: str) -> bool:
        """Whether the record holds an answer of that id, and has not erased it."""
        query = (
            f"SELECT 1 FROM chain JOIN content USING (sequence) "
            f"WHERE prediction_id = ? AND kind IN {_listed(ANSWERS)} LIMIT 1"
        )
        return self._connection.execute(query, (prediction_id,)).fetchone() is not None

    def predictions_with(self, column: str, pseudonym: str | None, kinds: Sequence[str] = ("prediction",)) -> list[str]:
        """Predictions, or answers of other kinds, whose `case` or `patient` has that pseudonym; oldest first."""
        query = (
            f"SELECT prediction_id FROM chain JOIN content USING (sequence) "
            f"WHERE {column}_pseudonym = ? AND kind IN {_listed(kinds)} ORDER BY sequence"
        )
        return [row[0] for row in self._connection.execute(query, (pseudonym,))]

    def entries_of(self, prediction_id: str) -> list[Kept]:
        """A prediction and all that was attached to it, oldest first.

        Raises
        ------
        CaseNotFoundError
            If the record has no such prediction.
        """
        kept = list(self._kept("WHERE prediction_id = ? ORDER BY sequence", (prediction_id,)))
        if not kept:
            raise CaseNotFoundError("The record has no such prediction. Check the prediction id.")
        return kept

    def entries(self, *kinds: str) -> Iterator[Kept]:
        """All entries of these kinds, oldest first."""
        return self._kept(f"WHERE kind IN {_listed(kinds)} ORDER BY sequence", ())

    def pending(self, limit: int) -> list[Kept]:
        """The oldest entries that no tracking store has acknowledged."""
        return list(
            self._kept("WHERE sequence NOT IN (SELECT sequence FROM acknowledged) ORDER BY sequence LIMIT ?", (limit,))
        )

    def n_pending(self) -> int:
        query = "SELECT count(*) FROM chain WHERE sequence NOT IN (SELECT sequence FROM acknowledged)"
        return int(self._connection.execute(query).fetchone()[0])

    def _kept(self, condition: str, values: Sequence[Any]) -> Iterator[Kept]:
        for entry, content in self._rows(f"{ALL_ENTRIES} {condition}", values):
            yield Kept(entry, None if content is None else _read(entry, content))

    def _rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Entry, Content | None]]:
        for stored in self._connection.execute(query, values):
            row = [_plain(value) for value in stored]
            yield Entry(*row[:7]), None if row[7] is None else Content(*row[7:])


def _listed(kinds: Sequence[str]) -> str:
    """Kinds as SQL has them; they are words of this code."""
    return "(" + ", ".join(f"'{kind}'" for kind in kinds) + ")"


def _plain(value: Any) -> Any:
    """A stored value as text or whole number, even where a damaged file says that it is something else."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value) if isinstance(value, float) else value


def _read(entry: Entry, content: Content) -> dict[str, Any]:
    """The content of an entry, which is used only where it is what was written."""
    if content_digest(content) != entry.content_sha256:
        raise RecordBrokenError(
            f"Entry {entry.sequence} of the record: its content was changed. Run `backcast verify`, and restore the "
            f"record from its backup."
        )
    read: dict[str, Any] = json.loads(content.body)
    return read


@contextmanager
def open_record(path: Path) -> Iterator[Reader]:
    """A record to read, as it is at this moment.

    Raises
    ------
    RecordError
        If there is none, or the file is no record.
    """
    with database.connection_to_read(path) as connection:
        yield Reader(connection)
