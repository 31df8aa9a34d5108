"""Which code and which libraries a process has: those of all workers must be those of whoever asks them."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from models.bundle import ROOT, code_sha256

PACKAGES = ("features", "models", "pipeline")
LIBRARIES = ("numpy", "pandas", "pyarrow", "xgboost")
"""Whose arithmetic and files a prediction depends on."""


@cache
def installed() -> dict[str, str]:
    """Hash of all code and tables of Backcast in this process, and the versions of the libraries.

    It is asked for first, so that a checkout which is changed below a running worker does not pass for what runs.
    """
    digest = hashlib.sha256()
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*") if p.suffix in (".py", ".csv")):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return {"code": digest.hexdigest(), **_versions()}


def predicting() -> dict[str, str]:
    """The same of the code that predicts alone: what a finished part depends on."""
    return {"code": code_sha256(), **_versions()}


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def code_and_sight(paths: Sequence[str]) -> dict[str, Any]:
    """What a worker has installed, and which of the files it does not see."""
    return {"installed": installed(), "unseen": [path for path in paths if not Path(path).exists()]}


def difference(has: dict[str, str], wanted: dict[str, str]) -> str:
    """In what code and libraries differ from those wanted, in words; empty where they do not."""
    said = [
        f"{name} {has.get(name, 'none')} and not {wanted[name]}" for name in wanted if has.get(name) != wanted[name]
    ]
    return ", ".join(said)
