"""The record on its way to MLflow: each answer a trace, linked to the model that gave it.

A process of its own, since MLflow takes seconds to load and milliseconds to write. An entry is pending
until the tracking store has shown that it holds it, so the store may be down for as long as it likes. A
trace has the id of its prediction: whoever exports it twice writes the same trace again.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from features.errors import TrackingError
from pipeline import tracking
from pipeline.prediction_record import database
from pipeline.prediction_record.chain import ANSWERS
from pipeline.prediction_record.reading import Kept, open_record
from pipeline.prediction_record.traces import log_entries, trace_id
from pipeline.reporting.words import several

TOGETHER = 100
"""Entries that are exported and acknowledged together."""
GIVING_WAY = 10
"""How much nicer than others the process is that goes on exporting: answers come first."""
LONGEST_WAIT = 300.0
"""Seconds between two tries while the tracking store is down, at most."""


@dataclass(frozen=True)
class Exported:
    """What one pass exported, and how many entries are still pending."""

    predictions: int = 0
    red_flags: int = 0
    others: int = 0
    pending: int = 0

    def after(self, batch: Sequence[Kept], pending: int) -> Exported:
        """With the entries of one batch more."""
        count = Counter(kept.entry.kind for kept in batch)
        return Exported(
            predictions=self.predictions + count["prediction"],
            red_flags=self.red_flags + count["red_flag"],
            others=self.others + sum(count[kind] for kind in count if kind not in ANSWERS),
            pending=pending,
        )

    def __str__(self) -> str:
        return (
            f"{several(self.predictions, 'prediction')}, {several(self.red_flags, 'red flag')} and "
            f"{several(self.others, 'later entry', 'later entries')} went to MLflow; {self.pending} pending."
        )


def export_pending(path: Path, *, log_inputs: bool = False) -> Exported:
    """Export everything that is pending, in the order of the record.

    Raises
    ------
    TrackingError
        If the tracking store cannot be reached or does not keep an entry. What it has is acknowledged;
        the rest stays pending.
    RecordError
        If there is no record, or another process exports it.
    """
    with _alone(path):
        return _export_all(path, log_inputs)


def _alone(path: Path) -> AbstractContextManager[None]:
    database.refuse_missing(path)  # before a lock is left beside nothing
    return database.only_one(path.with_name(path.name + ".export.lock"), "exporting")


def _export_all(path: Path, log_inputs: bool) -> Exported:
    done = Exported()
    while True:
        with open_record(path) as reader:
            batch, pending = reader.pending(TOGETHER), reader.n_pending()
        if not batch:
            return done
        with tracking.store() as client:
            log_entries(batch, client, log_inputs)
        acknowledge(path, batch)
        done = done.after(batch, pending - len(batch))


def keep_exporting(
    path: Path,
    *,
    seconds: float,
    log_inputs: bool,
    stop: threading.Event,
    say: Callable[[str], None],
    has_ended: Callable[[], bool] = lambda: False,
) -> None:
    """Export what comes, every so many seconds, until told to stop; a store that is down is tried again later."""
    wait, was_down = seconds, False
    with _alone(path):
        while not stop.is_set() and not has_ended():
            try:
                done = _export_all(path, log_inputs)
            except TrackingError as error:
                wait = min(LONGEST_WAIT, 2 * wait)
                if not was_down:
                    say(f"{error} The record keeps what is pending; trying again.")
                was_down = True
            else:
                wait = seconds
                if was_down or done.predictions or done.red_flags or done.others:
                    say(str(done))
                was_down = False
            _wait(wait, stop, has_ended)


def _wait(seconds: float, stop: threading.Event, has_ended: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not has_ended():
        if stop.wait(min(1.0, seconds)):
            return


@contextmanager
def stopping_at_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, so that what was begun is finished."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ends_with_parent() -> Callable[[], bool]:
    """Whether the process that started this one is gone; its next export then belongs to somebody else."""
    parent = os.getppid()
    return lambda: os.getppid() != parent


def acknowledge(path: Path, batch: Iterable[Kept]) -> None:
    """Remember that the tracking store has these entries."""
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    rows = [(kept.entry.sequence, at, trace_id(kept.entry.prediction_id)) for kept in batch]
    connection = database.connect_to_write(path)
    try:
        with database.plain_errors(path):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR IGNORE INTO acknowledged VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
    finally:
        connection.close()
