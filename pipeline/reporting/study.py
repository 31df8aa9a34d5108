"""What was made, as the report reads it. What a study does not have is None, and its section is left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from features.cohort import provenance
from features.outcomes import horizon_months, outcome_label
from models.bundle import read_head
from pipeline import paths
from pipeline.files import read_cases, read_json, read_table
from pipeline.params import Params
from pipeline.reporting.checklists import answered, source_attributes, tripod_ai

Content = dict[str, Any] | None
"""What a section may print; None where the study does not have it."""


@dataclass(frozen=True)
class Study:
    """The artefacts of one run under its parameters, read when they are asked for."""

    params: Params

    @property
    def outcomes(self) -> list[str]:
        return self.params.train.outcomes

    @property
    def primary(self) -> str:
        """The outcome that comes first in `train.outcomes`."""
        return self.outcomes[0]

    @cached_property
    def cases(self) -> pd.DataFrame:
        return read_cases(paths.COHORT_CASES)

    @cached_property
    def features(self) -> pd.DataFrame:
        return read_cases(paths.FEATURES)

    @cached_property
    def sets(self) -> pd.Series:
        return read_cases(paths.SPLIT)["set"].reindex(self.cases.index)

    @cached_property
    def labels(self) -> pd.DataFrame:
        return read_cases(paths.OUTCOMES).reindex(self.cases.index)

    @cached_property
    def flow(self) -> pd.DataFrame:
        return read_table(paths.FLOW)

    @cached_property
    def provenance(self) -> str:
        return provenance(self.cases)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        return read_json(paths.METRICS)

    @cached_property
    def choices(self) -> dict[str, Any]:
        return {outcome: read_json(paths.choice(outcome)) for outcome in self.outcomes}

    @cached_property
    def chosen(self) -> dict[str, str]:
        """The learner of each outcome."""
        return {outcome: choice["chosen"] for outcome, choice in self.choices.items()}

    @cached_property
    def heads(self) -> dict[str, dict[str, Any]]:
        """What the bundle of each chosen model says of itself."""
        return {outcome: read_head(paths.learner_folder(outcome, learner)) for outcome, learner in self.chosen.items()}

    @cached_property
    def checklists(self) -> dict[str, pd.DataFrame]:
        """TRIPOD+AI and the source attributes of HTI-1, each item with its status."""
        return {
            "tripod_ai": answered(tripod_ai(), self.chosen),
            "source_attributes": answered(source_attributes(), self.chosen),
        }

    def label(self, outcome: str) -> str:
        return outcome_label(outcome)

    def horizon(self, outcome: str) -> int:
        return horizon_months(outcome)

    def json(self, path: Path) -> Any | None:
        return read_json(path) if path.exists() else None

    def table(self, path: Path) -> pd.DataFrame | None:
        return read_table(path) if path.exists() else None

    def picture(self, path: Path) -> Path | None:
        return path if path.exists() else None
