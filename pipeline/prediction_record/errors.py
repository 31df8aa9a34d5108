"""What can be wrong with a prediction record, each kind with its own exit status.

They go on where `features/errors.py` ends; that module is in the hash of the code that predicts, and a
record is no part of a prediction.
"""

from __future__ import annotations

from features.errors import BackcastError


class RecordError(BackcastError):
    """A record that is absent, locked by another process, damaged as a file, or without its key."""

    exit_status = 20


class RecordFullError(RecordError):
    """No room for another entry: nothing was recorded, so no answer may leave. A service answers 507."""

    exit_status = 21


class RecordBrokenError(RecordError):
    """A chain that does not verify."""

    exit_status = 22


class MonitorAlarm(BackcastError):
    """No mistake of the user: what is monitored went beyond what `params.yaml` allows."""

    exit_status = 23
