"""Why a notebook ends early."""

from __future__ import annotations

from features.errors import BackcastError, FileFormatError


class NotMadeYetError(FileFormatError):
    """A notebook before the stages that it reads."""

    exit_status = 26


class SkippedError(BackcastError):
    """A story that the study cannot tell: it is no mistake, and the exit status is that of success."""

    exit_status = 0
