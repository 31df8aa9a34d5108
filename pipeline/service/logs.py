"""One JSON object a line on stderr, for whoever collects logs. No value of a patient, no body, no header.

Of an exception the kind and the places in the code are told, never its message: that may quote a value. For
the same reason messages of other libraries are withheld, and only counted by their line.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import traceback
from typing import Any

LOG = logging.getLogger("backcast.service")
TRUSTED = ("backcast.service", "uvicorn.error")
"""Loggers whose messages hold no value of a request."""


class JsonLines(logging.Formatter):
    """A record of `logging` as a line; what was given as `extra={"fields": ...}` stands in it by name."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name in TRUSTED:
            line["event"] = record.getMessage()
        else:
            line |= {"event": "message withheld", "logger": record.name}
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1]:
            line |= told(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def told(error: BaseException) -> dict[str, Any]:
    """An exception without its message: kind and places, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}


def event(words: str, level: int = logging.INFO, **fields: Any) -> None:
    LOG.log(level, words, extra={"fields": fields})


def log_to_stderr() -> None:
    """Everything that is logged in this process goes to stderr, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
