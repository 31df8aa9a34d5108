"""Stage ``registry``: the virtual registry as a CSV, the same door through which a real one comes.

The truth goes into a file of its own, which no training stage reads.
"""

from __future__ import annotations

from pipeline import paths
from pipeline.params import Params
from pipeline.registry_file import write_registry


def run(params: Params) -> None:
    write_registry(params.registry, paths.REGISTRY_CASES, paths.REGISTRY_TRUTH)
