"""Fixtures for every test: cases drawn as a table that a clinician can read."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import cache

import pandas as pd
import pytest
from hypothesis import Phase, settings

# On a busy machine any example is slow at times, so none has a deadline. To shrink a failing one can take five
# minutes, so that is done on demand: pytest --hypothesis-profile=shrink tests/models/test_metrics.py
settings.register_profile("shrink", deadline=None)
settings.register_profile("suite", deadline=None, phases=[phase for phase in Phase if phase != Phase.shrink])
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: workers take a file at a time, and one of them is busy with it for minutes."""
    items.sort(key=lambda item: item.get_closest_marker("end_to_end") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The end-to-end study has a processor to itself: everything else gives way to it."""
    if item.get_closest_marker("end_to_end") is None:
        _give_way()


@cache
def _give_way() -> None:
    os.nice(5)


@pytest.fixture
def draw_cases() -> Callable[[str], pd.DataFrame]:
    """Reads a drawn table of cases; `case_id` is the index.

    Columns stand between bars. An empty cell is missing, a number is a float, a column that ends in
    `_date` holds dates. A column without any value is missing throughout.
    """
    return drawn


def drawn(table: str) -> pd.DataFrame:
    lines = "\n".join(line.strip() for line in table.strip().splitlines())
    text = pd.read_csv(io.StringIO(lines), sep="|", dtype=str, skipinitialspace=True).rename(columns=str.strip)
    text = text.apply(lambda column: column.str.strip()).replace("", None)
    cases = text.apply(_typed).set_index("case_id")
    cases.index = cases.index.astype(str)
    return cases


def _typed(column: pd.Series) -> pd.Series:
    if column.name == "case_id":
        return column
    if str(column.name).endswith("_date"):
        return pd.to_datetime(column, format="%Y-%m-%d")
    numbers = pd.to_numeric(column, errors="coerce")
    is_number = numbers.notna() | column.isna()
    return numbers.astype(float) if is_number.all() else column.astype(object)
