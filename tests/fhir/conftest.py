"""Resources of one invented patient, as a hospital's record has them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _module() -> ModuleType:
    """The invented resources, also for the tests of the service."""
    if "invented_resources" not in sys.modules:
        place = Path(__file__).with_name("invented_resources.py")
        spec = importlib.util.spec_from_file_location("invented_resources", place)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["invented_resources"] = module
        spec.loader.exec_module(module)
    return sys.modules["invented_resources"]


@pytest.fixture(scope="session")
def made() -> ModuleType:
    return _module()
