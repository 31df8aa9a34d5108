"""Resources of one invented patient, as a hospital's record has them."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.fhir import invented_resources


@pytest.fixture(scope="session")
def made() -> ModuleType:
    return invented_resources
