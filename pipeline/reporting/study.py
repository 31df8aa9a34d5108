"""What was made, as the report reads it. What a study does not have is None, and its section is left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from features.cohort import provenance
from features.knowledge_tables import study_tables
from features.outcomes import horizon_months, is_asked, outcome_label
from models.bundle import read_head
from models.splitting import left_out_together, sets_with_cases
from pipeline import paths
from pipeline.files import read_cases, read_json, read_table
from pipeline.not_asked import reason_in
from pipeline.params import Params
from pipeline.reporting.checklists import answered, source_attributes, tripod_ai
from pipeline.study import Words

Content = dict[str, Any] | None
"""What a section may print; None where the study does not have it."""


@dataclass(frozen=True)
class StudyArtefacts:
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
            name: answered(table, self.chosen, words=vars(self.words), tables=self.own_tables)
            for name, table in (("tripod_ai", tripod_ai()), ("source_attributes", source_attributes()))
        }

    @property
    def words(self) -> Words:
        """How the report speaks of this study."""
        return self.params.study.words

    @property
    def own_tables(self) -> dict[str, Path]:
        """The tables of its record that the study brings."""
        folder = self.params.study.folder
        return {name: folder / path.name for name, path in study_tables(folder).items()}

    @cached_property
    def test_sets(self) -> tuple[str, ...]:
        """The test sets that hold a case."""
        return sets_with_cases(self.sets)

    @property
    def unit(self) -> tuple[str, str]:
        """What is left out in turn, in the singular and the plural: a centre, or a cluster of centres."""
        if self.params.validate.clusters:
            return self.words.cluster, self.words.cluster.replace("cluster", "clusters", 1)
        return self.words.centre, self.words.centres

    @cached_property
    def left_out_together(self) -> pd.Series:
        """Of each case, the centre or the cluster of centres with which it is left out."""
        return left_out_together(self.cases["centre_id"], self.params.validate.clusters, self.params.validate.seed)

    def asked(self, outcome: str) -> pd.Series:
        """Whether the outcome is one of each case: (n_cases,) bool."""
        return is_asked(self.cases, outcome)

    def years(self, dates: pd.Series) -> tuple[str, str]:
        """The first and the last year of some days, as the study counts years."""
        first, last = int(dates.dt.year.min()), int(dates.dt.year.max())
        if self.words.year == "financial":
            return f"{first}/{(first + 1) % 100:02d}", f"{last}/{(last + 1) % 100:02d}"
        return str(first), str(last)

    def label(self, outcome: str) -> str:
        return outcome_label(outcome)

    def horizon(self, outcome: str) -> int:
        return horizon_months(outcome)

    def json(self, path: Path) -> Any | None:
        content = read_json(path) if path.exists() else None
        return None if reason_in(content) else content

    def table(self, path: Path) -> pd.DataFrame | None:
        return read_table(path) if path.exists() else None

    def picture(self, path: Path) -> Path | None:
        return path if path.exists() else None
