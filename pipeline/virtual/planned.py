"""A case as it stands at the decision, with everything behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.choice import Plan
from pipeline.virtual.pain import Pain
from pipeline.virtual.people import People
from pipeline.virtual.scan import Reading
from pipeline.virtual.sources import Sources


@dataclass(frozen=True)
class Planned:
    """Everything up to the decision."""

    people: People
    anatomy: Anatomy
    sources: Sources
    pain: Pain
    signs: dict[str, np.ndarray]
    reading: Reading
    plan: Plan
    incidental: dict[str, np.ndarray]
    """Whether a finding was there at any level before the lesion that hurts."""
