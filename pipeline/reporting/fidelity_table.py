"""The virtual registry beside published figures, as the report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.reporting.words import significant


def fidelity_section(found: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any] | None:
    """What the page says of the virtual registry beside published figures; None where that was not asked.

    `found` and `table` are the two files of the stage `fidelity`. `misses` come farthest first within a topic.
    """
    if not found["is_applicable"]:
        return None
    order = table["relative_distance"].abs().sort_values(ascending=False, kind="stable").index
    rows = [_fidelity_row(row) for row in table.to_dict("records")]
    topics = list(dict.fromkeys(table["topic"]))
    farthest = sorted((rows[place] for place in order), key=lambda row: topics.index(row["topic"]))
    return {
        **found,
        "topics": {topic: found["topics"][topic] for topic in topics},
        "rows": rows,
        "misses": [row for row in farthest if row["verdict"] == "misses"],
    }


def _fidelity_row(row: Mapping[str, Any]) -> dict[str, str]:
    """A published figure and the registry's, in words."""
    names = ("topic", "what", "verdict", "source", "note", "reason")
    words = {name: "" if pd.isna(row[name]) else str(row[name]) for name in names}
    published = significant(row["published"])
    if not pd.isna(row["published_low"]):
        interval = f"{significant(row['published_low'])} to {significant(row['published_high'])}"
        published = interval if pd.isna(row["published"]) else f"{published} ({interval})"
    registry = significant(row["registry"])
    if not pd.isna(row["registry_low"]):
        registry += f" ({significant(row['registry_low'])} to {significant(row['registry_high'])})"
    direction = "" if row["verdict"] != "misses" else "too high" if row["distance"] > 0 else "too low"
    if row["chance_explains"] == 1:
        direction += ", chance explains it"
    return words | {"published": published, "registry": registry, "direction": direction}
