"""Counts, estimates and names as people read them; `features.words` has plain numbers and percentages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.words import ABSENT, number


def count(value: float | None) -> str:
    """A number of cases; one that was weighted is rounded."""
    return number(value, 0)


def several(number: int, one: str, many: str = "") -> str:
    """A number with its noun; of what takes more than an s, both are named.

    >>> several(1, "case"), several(0, "case"), several(2, "entry", "entries")
    ('1 case', '0 cases', '2 entries')
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def significant(value: float | None) -> str:
    """Three significant digits."""
    return ABSENT if value is None or pd.isna(value) else f"{value:.3g}".replace("-", "−")


def with_interval(value: Mapping[str, Any], digits: int = 2) -> str:
    """An estimate with its interval, or why there is none."""
    if value["estimate"] is None:
        return f"not estimable: {value.get('reason') or 'no reason given'}"
    if value.get("lower") is None or value.get("upper") is None:
        return number(value["estimate"], digits)
    return f"{number(value['estimate'], digits)} ({number(value['lower'], digits)} to {number(value['upper'], digits)})"


def plain(name: str) -> str:
    """A name of the code as words: underscores are spaces."""
    return str(name).replace("_", " ")


def capital(words: str) -> str:
    """The words with a capital at the start; the others stay as they are."""
    return words[:1].upper() + words[1:]
