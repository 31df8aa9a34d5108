"""The record open for writing, by one process: answers go in, and a receipt comes when they are on disk.

Requests that come together share one commit, since what costs is waiting for the disk.
"""

from __future__ import annotations

import datetime as dt
import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from features.dictionary import load_dictionary
from pipeline.prediction_record import database, pseudonyms
from pipeline.prediction_record.chain import ANSWERS, Entry, canonical, next_entry, salted
from pipeline.prediction_record.errors import RecordError
from pipeline.prediction_record.reading import LAST_ENTRY, open_record

Clock = Callable[[], dt.datetime]
SHARED_AT_MOST = 256
"""Jobs that share one commit."""


class Receipt(NamedTuple):
    """Proof that an entry is on disk; `sha256` is its link in the chain, the head when it was written."""

    prediction_id: str
    sequence: int
    made_at: str
    sha256: str


class Draft(NamedTuple):
    """An entry before it has a place in the chain."""

    prediction_id: str
    kind: str
    body: str


@dataclass(frozen=True)
class Job:
    """Drafts that are written together or not at all."""

    drafts: Sequence[Draft]
    done: Future[list[Receipt]]


@cache
def kept_inputs() -> frozenset[str]:
    """The variables of a request that are kept: what an answer may use, without keys and without days."""
    known = load_dictionary().known_by("follow_up")
    return frozenset(variable.name for variable in known if variable.form != "keys" and variable.type != "date")


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Record:
    """A prediction record that this process alone writes, from any number of threads.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Record.open(Path(folder.name) / "record.db") as record:
    ...     receipt = record.append({"question": "failure"}, {"age_years": 61}, {"case_id": "C1"})
    >>> receipt.sequence
    1
    """

    def __init__(self, path: Path, key: bytes, connection: sqlite3.Connection, clock: Clock, held: ExitStack) -> None:
        self.path, self._key, self._connection, self._clock, self._held = path, key, connection, clock, held
        self._inputs = kept_inputs()
        self._identifying = frozenset(pseudonyms.identifying())
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._is_closed = False
        self._last = self._read_last()
        self._writer = threading.Thread(target=self._write_jobs, name="prediction-record", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, path: Path, *, clock: Clock = utc_now) -> Record:
        """The record at a path, made with its key where there is none; both for their owner's eyes only.

        Raises
        ------
        RecordError
            If another process writes it, its key is missing or another, or the file is no record.
        RecordFullError
            If there is no room for it.
        """
        with ExitStack() as stack:
            with database.plain_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            stack.enter_context(database.only_one(path.with_name(path.name + ".lock"), "writing"))
            connection = database.connect_to_write(path)
            stack.callback(connection.close)
            key = _key_of(connection, path)
            return cls(path, key, connection, clock, stack.pop_all())

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(
        self, answer: Mapping[str, Any], request: Mapping[str, Any], identity: Mapping[str, Any] | None = None
    ) -> Receipt:
        """Record an answer; only when this returns may the answer leave.

        One with red flags predicts nothing, and is an entry of the kind `red_flag`.

        Parameters
        ----------
        answer : mapping
            JSON, kept as it is but for variables that identify a person.
        request : mapping of variable to value
            The case. Of it `kept_inputs` are kept.
        identity : mapping, optional
            `case_id`, `patient_id` and `centre_id`, where the request does not hold them. Case and patient
            are kept as keyed pseudonyms, the centre by its name.

        Raises
        ------
        RecordFullError
            If there is no room. Nothing was recorded.
        RecordError
            If nothing could be recorded for another reason.
        ValueError
            If the answer is no JSON: it holds a number that is none.
        """
        return self.submit(answer, request, identity).result()[0]

    def submit(
        self, answer: Mapping[str, Any], request: Mapping[str, Any], identity: Mapping[str, Any] | None = None
    ) -> Future[list[Receipt]]:
        """As `append`, without waiting: the receipt is the only one of the list that comes.

        `asyncio.wrap_future` makes it awaitable. One that is cancelled before its turn is not recorded.
        """
        keys = {**request, **(identity or {})}
        body = {
            "answer": pseudonyms.without_identity(answer, self._identifying),
            "inputs": {name: v for name, v in request.items() if name in self._inputs and v is not None and v == v},
            "case": self.pseudonym("case_id", keys.get("case_id")),
            "patient": self.pseudonym("patient_id", keys.get("patient_id")),
            "centre": keys.get("centre_id"),
        }
        kind = "red_flag" if answer.get("red_flags") else "prediction"
        return self._submit([Draft(str(uuid.uuid4()), kind, canonical(body))])

    def attach_outcomes(self, outcomes: Mapping[str, Mapping[str, Any]]) -> list[Receipt]:
        """An entry a prediction that says what became of it; all of them, or none.

        A later entry has the last word, and the earlier one stays.
        """
        return self._attach("outcome", list(outcomes.items()))

    def attach_all_feedback(self, feedback: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Receipt]:
        """What people made of answers, such as that one was accepted or overridden, and why; all of it, or none.

        The feedback on one answer may come more than once.
        """
        return self._attach("feedback", feedback)

    def _attach(self, kind: str, contents: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Receipt]:
        with open_record(self.path) as reader:
            unknown = [prediction_id for prediction_id, _ in contents if not reader.has_content(prediction_id)]
        if unknown:
            raise RecordError(
                f"{self.path}: {len(unknown)} of {len(contents)} predictions are not in the record, or were erased. "
                f"Check the prediction ids."
            )
        if not contents:
            return []
        named = self._identifying
        return self._submit(
            Draft(prediction_id, kind, canonical(pseudonyms.without_identity(content, named)))
            for prediction_id, content in contents
        ).result()

    def pseudonym(self, name: str, value: object) -> str | None:
        """What stands in this record for a `case_id` or a `patient_id`."""
        return pseudonyms.pseudonym(self._key, name, value)

    def predictions_of(self, *, case_id: str | None = None, patient_id: str | None = None) -> list[str]:
        """Every answer on a case or a patient whose content is kept, red flags among them; oldest first."""
        name, value = ("case_id", case_id) if case_id is not None else ("patient_id", patient_id)
        column = {"case_id": "case", "patient_id": "patient"}[name]
        with open_record(self.path) as reader:
            return reader.predictions_with(column, self.pseudonym(name, value), ANSWERS)

    def erase(self, prediction_ids: Sequence[str], reason: str) -> list[Receipt]:
        """Take away the content of predictions and of all that was attached to them; the chain stays.

        Each erasure is an entry, and is written before the content goes. Freed pages are overwritten
        and the write-ahead log is emptied, so that nothing is left in the files.
        """
        if not prediction_ids:
            return []
        body = canonical({"reason": reason})
        receipts = self._submit([Draft(prediction_id, "erasure", body) for prediction_id in prediction_ids]).result()
        self._empty_log()
        return receipts

    def close(self) -> None:
        """Write what was submitted, and let the next process write."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._jobs.put(None)
        self._writer.join()
        self._held.close()

    def _submit(self, drafts: Iterable[Draft]) -> Future[list[Receipt]]:
        job = Job(list(drafts), Future())
        with self._closing:
            if self._is_closed:
                raise RecordError(f"{self.path} is closed. Nothing was recorded.")
            self._jobs.put(job)
        return job.done

    # ---- the writing thread ----------------------------------------------------------------------

    def _write_jobs(self) -> None:
        is_open = True
        while is_open:
            jobs = [self._jobs.get()]
            while len(jobs) < SHARED_AT_MOST and jobs[-1] is not None:
                try:
                    jobs.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            is_open = jobs[-1] is not None
            # A job that its caller gave up is left out; one that is begun can no longer be given up.
            self._write_together([job for job in jobs if job is not None and job.done.set_running_or_notify_cancel()])

    def _write_together(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            with database.plain_errors(self.path):
                receipts = self._commit(jobs)
        except BaseException as error:  # whoever waits must be told, whatever it was
            for job in jobs:
                job.done.set_exception(error)
            return
        for job, of_job in zip(jobs, receipts, strict=True):
            job.done.set_result(of_job)

    def _commit(self, jobs: list[Job]) -> list[list[Receipt]]:
        last = self._last
        receipts: list[list[Receipt]] = []
        if self._connection.in_transaction:  # the disk was so full that not even the way back was written
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                receipts.append([])
                for draft in job.drafts:
                    last = self._insert(last, draft)
                    receipts[-1].append(Receipt(last.prediction_id, last.sequence, last.made_at, last.sha256))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._last = last
        return receipts

    def _insert(self, last: Entry | None, draft: Draft) -> Entry:
        content = salted(draft.body)
        made_at = self._clock().astimezone(dt.UTC).isoformat(timespec="microseconds")
        entry = next_entry(last, draft.prediction_id, draft.kind, made_at, content)
        self._connection.execute("INSERT INTO chain VALUES (?, ?, ?, ?, ?, ?, ?)", entry)
        self._connection.execute(
            "INSERT INTO content (sequence, salt, body) VALUES (?, ?, ?)", (entry.sequence, *content)
        )
        if draft.kind == "erasure":
            self._connection.execute(
                "DELETE FROM content WHERE sequence IN "
                "(SELECT sequence FROM chain WHERE prediction_id = ? AND kind <> 'erasure')",
                (draft.prediction_id,),
            )
        return entry

    def _read_last(self) -> Entry | None:
        with database.plain_errors(self.path):
            row = self._connection.execute(LAST_ENTRY).fetchone()
        return None if row is None else Entry(*row)

    def _empty_log(self) -> None:
        with database.plain_errors(self.path):
            is_busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise RecordError(
                f"{self.path}: the content is erased, but somebody reads the record, so its write-ahead log still "
                f"holds old pages. They go when the record is closed; close what reads it."
            )


def _key_of(connection: sqlite3.Connection, path: Path) -> bytes:
    """The key of this record, made with it; another is refused, or nobody would be found again."""
    place = pseudonyms.key_path(path)
    with database.plain_errors(path):
        row = connection.execute("SELECT value FROM about WHERE name = 'key'").fetchone()
        if row is None and not place.exists():
            pseudonyms.make_key(place)
        key = pseudonyms.read_key(place)
        if row is None:
            connection.execute("INSERT INTO about VALUES ('key', ?)", (pseudonyms.fingerprint(key),))
        elif row[0] != pseudonyms.fingerprint(key):
            raise RecordError(f"{place} is not the key of {path}. Restore the one that was made with it.")
    return key
