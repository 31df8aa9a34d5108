"""The reader of the pages, which tests cannot import."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def root() -> Path:
    return HERE.parents[1]


@pytest.fixture(scope="session")
def reader() -> ModuleType:
    """`reader.py`: what the pages say, and how it is carried out."""
    spec = importlib.util.spec_from_file_location("documentation_reader", HERE / "reader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pages(reader: ModuleType) -> list[Path]:
    return reader.pages()
