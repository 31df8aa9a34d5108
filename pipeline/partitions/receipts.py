"""What a finished part says of itself, in the Parquet file's own footer: the two appear together or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.batch_file import Said

KEY = b"backcast.receipt"
"""Under which a receipt stands in the footer."""


@dataclass(frozen=True)
class Receipt:
    """What a part was made from, and what it says in sum. No time and no place: equal parts have equal bytes."""

    name: str
    input_sha256: str
    cases: int
    models: Mapping[str, str]
    """Hash of the bundle of each outcome, in the order of the models."""
    made_with: Mapping[str, str]
    """Hash of the code that predicts, and versions of the libraries whose arithmetic it uses."""
    said: Mapping[str, Said]
    """By outcome."""
    highest: Mapping[str, tuple[int, float]]
    """Of the input's variables of a wide range: what only the whole can be judged by."""

    def as_footer(self) -> dict[bytes, bytes]:
        return {KEY: json.dumps(asdict(self)).encode()}


def receipt_of(path: Path) -> Receipt | None:
    """The receipt of a finished part; None where a file has none or is no whole Parquet file."""
    try:
        stored: dict[str, Any] = json.loads((pq.read_metadata(path).metadata or {})[KEY])
        said = {outcome: Said(*each) for outcome, each in stored.pop("said").items()}
        highest = {name: (int(n), float(value)) for name, (n, value) in stored.pop("highest").items()}
        return Receipt(**stored, said=said, highest=highest)
    except (KeyError, TypeError, ValueError, pa.ArrowException, OSError):
        return None
