"""One case through every stage. The only place that prints a case's values, for those entitled to look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from features.builders import sources_of_pain
from features.cohort import criteria
from features.dictionary import load_dictionary
from features.errors import CaseNotFoundError
from features.findings import Findings
from features.knowledge_tables import has_own_record
from features.outcomes import outcome_labels
from features.red_flags import red_flag_names
from models.fitted import sigmoid
from models.predictor import RiskPredictor
from models.source_story import source_lines
from models.splitting import TEST_SETS
from pipeline import paths
from pipeline.files import read_cases, read_json, read_table
from pipeline.params import Params, load_params
from pipeline.sources.records import EXCEL, PARQUET

SHOWN = (
    "centre_id",
    "index_date",
    "age_years",
    "sex",
    "diagnosis",
    "odi",
    "nrs_back",
    "nrs_leg",
    "planned_procedure",
)
LARGEST = 4


def trace_lines(case_id: str) -> list[str]:
    """What each stage made of the case, a line or a few each.

    Raises
    ------
    CaseNotFoundError
        If the registry has no such case, or the pipeline has not run.
    """
    params = load_params()
    if not paths.INGESTED_CASES.exists():
        raise CaseNotFoundError(f"{paths.INGESTED_CASES} does not exist yet. Run `make repro` first.")
    ingested = read_cases(paths.INGESTED_CASES)
    if case_id not in ingested.index:
        raise CaseNotFoundError(f"{paths.INGESTED_CASES} has no such case_id among its {len(ingested)} cases.")
    case = ingested.loc[[case_id]]
    lines = [_line("registry", place_in_source(ingested.index.get_loc(case_id)))]
    recorded = [f"{name} {_shown(case[name].iloc[0])}" for name in _shown_variables() if name in case]
    lines.append(_line("ingest", "; ".join(recorded)))
    recorded = [f"{name} {_shown(case[name].iloc[0])}" for name in _shown_variables() if name in case]
    lines.append(_line("ingest", "; ".join(recorded)))
    cohort = read_cases(paths.COHORT_CASES)
    if case_id not in cohort.index:
        return [*lines, _line("cohort", f"excluded ({_exclusion(case, params)})")]
    labels = outcome_labels(case, params.cohort.outcomes)[params.train.outcomes].iloc[0]
    words = {1.0: "yes", 0.0: "no"}
    known = "; ".join(f"{name} {words.get(value, 'not known')}" for name, value in labels.items())
    lines.append(_line("cohort", f"included; {known}"))
    if params.derive:
        sources = sources_of_pain(Findings(cohort.loc[[case_id]]), params.derive)
        lines += [_line("derive", text) for text in source_lines(sources)]
    place = read_cases(paths.SPLIT).loc[case_id]
    fold = f", fold {place['fold']}" if place["set"] == "development" else ""
    lines.append(_line("split", f"{place['set']}{fold}"))
    for outcome in params.train.outcomes:
        lines += _predicted(case_id, outcome, place["set"])
    return lines


def place_in_source(place: int) -> str:
    """Where a case stood in what was read, from its place among the ingested cases."""
    source = read_json(paths.SOURCE)
    if source["kind"] == "query":
        return f"the answer to {source['name']} by {source['database']}"
    for file in source["files"]:
        if place < file["cases"]:
            name = source["name"] if source["kind"] == "file" else f"{source['name']}/{file['name']}"
            word = "row" if Path(name).suffix.lower() in PARQUET + EXCEL else "line"
            return f"{word} {place + file['first_row']} of {name}"
        place -= file["cases"]
    raise AssertionError(f"{paths.SOURCE} counts fewer cases than were ingested")


def _shown_variables() -> Sequence[str]:
    """A few of the default record; the essential ones of a study's own."""
    own = [variable.name for variable in load_dictionary().essential if not variable.identifies]
    return own if has_own_record() else SHOWN


def _line(stage: str, text: str) -> str:
    return f"{stage:9} {text}"


def _shown(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return "not recorded" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _exclusion(case: pd.DataFrame, params: Params) -> str:
    flag = red_flag_names(case).iloc[0]
    unmet = [name for name, met in criteria(case, params.cohort).items() if not met.iloc[0]]
    return f"red flag: {flag.replace('_', ' ')}" if flag else f"not met: {unmet[0]}"


def _predicted(case_id: str, outcome: str, its_set: str) -> list[str]:
    chosen = read_json(paths.choice(outcome))["chosen"]
    if its_set in TEST_SETS:
        cases, features = (
            read_cases(paths.COHORT_CASES).loc[[case_id]],
            read_cases(paths.FEATURES).loc[[case_id]],
        )
        predictor = RiskPredictor.load(paths.learner_folder(outcome, chosen))
        explained = predictor.explain(cases, features)
        risk = explained.risks.iloc[0]
        order = explained.contributions.iloc[0].sort_values(key=abs, ascending=False).head(LARGEST)
        parts = "   ".join(f"{name} {value:+.2f}" for name, value in order.items())
        return [
            _line(
                "predict",
                f"{outcome} {risk['risk']:.2f} ({risk['risk_lower']:.2f} to {risk['risk_upper']:.2f}) by {chosen}",
            ),
            _line("explain", f"{outcome} {parts}"),
        ]
    rows = read_table(paths.out_of_fold(outcome))
    if its_set == "withheld" or case_id not in rows.index:
        return [_line("train", f"{outcome} not used: {'withheld' if its_set == 'withheld' else 'outcome not known'}")]
    own = rows.loc[[case_id]].set_index("learner")["log_odds"]
    risk = float(sigmoid(own[[chosen]].to_numpy())[0])
    return [_line("train", f"{outcome} out of fold {risk:.2f} by {chosen}")]
