"""What stands in place of a stage's outputs where a study cannot answer its question: the reason, and no figure."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.files import read_json, write_json, write_table, write_text

KEY = "not_asked"
FILE = f"{KEY}.json"
"""In an output that is a folder."""


def write_not_asked(outputs: Iterable[Path], reason: str) -> None:
    """Write the reason in place of every output of a stage, each in its own format; what stood there is gone."""
    for path in outputs:
        if path.is_dir():
            shutil.rmtree(path)
        if path.suffix == ".json":
            write_json({KEY: reason}, path)
        elif path.suffix in (".csv", ".parquet"):
            write_table(pd.DataFrame({KEY: [reason]}), path)
        elif path.suffix:
            write_text(reason + "\n", path)
        else:
            write_json({KEY: reason}, path / FILE)


def reason_in(content: Any) -> str | None:
    """Why a question was not asked, from the content of a JSON output; None where it was."""
    return content.get(KEY) if isinstance(content, dict) else None


def was_asked(path: Path) -> bool:
    """Whether a JSON output is there and holds an answer."""
    return path.exists() and reason_in(read_json(path)) is None
