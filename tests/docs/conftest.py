"""The root of the repository, and the pages of its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import reader


@pytest.fixture(scope="session")
def root() -> Path:
    return reader.ROOT


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    return reader.pages()
