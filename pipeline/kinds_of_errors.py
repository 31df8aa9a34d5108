"""Every kind of mistake that the project knows, in whatever package it stands."""

from __future__ import annotations

import importlib
import pkgutil

import pipeline
from features.errors import BackcastError


def kinds_of_errors() -> list[type[BackcastError]]:
    """Each kind below `BackcastError`, once every module named `errors` is loaded: a class is known when it is made."""
    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    return _below(BackcastError)


def _below(kind: type[BackcastError]) -> list[type[BackcastError]]:
    return [each for child in kind.__subclasses__() for each in (child, *_below(child))]
