"""One case to tell a story of: a virtual one, unless a person names another."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.dictionary import Variable, load_dictionary
from features.errors import CaseNotFoundError
from models.splitting import TEST_SETS
from pipeline.reporting.study import StudyArtefacts
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases
from pipeline.virtual.workup_cases import workup_cases
from pipeline.working_up import as_records

SEED = 123
"""That of `backcast example`."""
LEAST_SHARE = 0.3
"""Of the pain, that the best lesion of a case worth telling explains."""


def told_case(study: StudyArtefacts, case_id: str | None = None) -> pd.DataFrame:
    """One row of the cohort, or of an invented file, with what was known before the operation.

    Of the virtual registry it is a test case with a scan, a drawing and a rival for its best lesion. The cases of any
    other study are people: an invented case is told in their place, unless you name one, and answer for showing it.

    Raises
    ------
    CaseNotFoundError
        If the cohort has no such case.
    """
    if case_id is not None and case_id not in study.cases.index:
        raise CaseNotFoundError(f"The cohort has no such case_id among its {len(study.cases)} cases.")
    if case_id is not None:
        return known_before(study.cases.loc[[case_id]])
    if study.provenance != "virtual":
        return invented_case()
    features = study.features[study.sets.isin(TEST_SETS).to_numpy()]
    is_rich = (features["share_best_lesion"] > LEAST_SHARE) & features["margin_lesion_mimic"].abs().notna()
    order = features[is_rich].sort_values(["plan_misses_likeliest", "competing", "ambiguity"], ascending=False).index
    return known_before(study.cases.loc[[*order, *features.index][:1]])


def invented(cases: int, first_year: int = 2017, years: int = 6) -> RegistryParams:
    """An invented registry of so many cases, as `backcast example` draws it."""
    return RegistryParams(
        seed=SEED, cases=cases, centres=min(8, cases), first_year=first_year, years=years, discordance_effect=1.0
    )


def invented_case() -> pd.DataFrame:
    """The first case of the file that `backcast example` writes: nobody is described."""
    return draw_planned_cases(invented(100, first_year=2023, years=1)).set_index("case_id").iloc[[0]]


def failed_case() -> dict[str, Any]:
    """A failed operation with its work-up, as `backcast example --failed` writes them: nobody is described."""
    records, _ = workup_cases(20, SEED, invented(20))
    return as_records(records.drop(columns="adjudicated_cause").iloc[[0]])[0]


def known_before(cases: pd.DataFrame) -> pd.DataFrame:
    """The columns that a prediction may see."""
    return cases[[v.name for v in load_dictionary().predictors if v.name in cases.columns]]


def essentials(case: pd.DataFrame) -> pd.DataFrame:
    """What is essential in a record, as a person reads it: variable, value, unit."""
    asked = [v for v in load_dictionary().essential if v.form != "keys" and v.name in case.columns]
    rows = [(v.label, _in_words(v, case[v.name].iloc[0]), v.unit) for v in asked]
    return pd.DataFrame(rows, columns=["variable", "recorded", "unit"]).set_index("variable").rename_axis(None)


def _in_words(variable: Variable, value: object) -> str:
    if pd.isna(value):
        return "not recorded"
    return dict(variable.choices).get(value, f"{value:g}" if isinstance(value, float) else str(value))  # type: ignore[call-overload]
