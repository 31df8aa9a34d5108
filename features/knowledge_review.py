"""Every knowledge table read and checked at once, by whoever reads it in earnest."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from features.anatomy import mimic_territory
from features.axes import MIMICS
from features.builders import BuilderParams
from features.cause_findings import check_all_are_read
from features.cause_tables import check_cause_tables
from features.causes import material_of
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.findings import Findings
from features.followup import FollowUp
from features.knowledge_tables import knowledge_table, table_names
from features.lesion_pain import lesion_pain
from features.mimic_tables import mimic_facts
from features.outcomes import outcome_label, outcome_names
from features.predictors import candidate_predictors
from features.red_flags import AFTER, BEFORE, red_flag_rules
from features.treatment_tables import treatment_facts


def check_knowledge() -> list[str]:
    """The names of all tables, none of them faulty.

    Raises
    ------
    KnowledgeError
        With the problems of every table, one below the other.
    """
    names = table_names()
    readers: list[Callable[[], object]] = [lambda name=name: knowledge_table(name) for name in names]  # type: ignore[misc]
    readers += [
        load_dictionary,
        _lesions,
        mimic_territory,
        mimic_facts,
        check_cause_tables,
        treatment_facts,
        _findings,
        _red_flags,
        _outcomes,
        _predictors,
    ]
    problems = dict.fromkeys(problem for read in readers for problem in _problems(read))
    if problems:
        raise KnowledgeError("\n".join(problems))
    return names


def _problems(read: Callable[[], object]) -> list[str]:
    try:
        read()
    except KnowledgeError as error:
        return [str(error)]
    return []


def _lesions() -> object:
    """The builder reads its tables on the way, even for a case of which nothing is recorded."""
    return lesion_pain(Findings(pd.DataFrame(index=["nobody"])))


def _findings() -> None:
    """Every finding about a cause is read, even of a case of which nothing is recorded."""
    builders = BuilderParams(mimic_priors=dict.fromkeys(MIMICS, 0.1))
    check_all_are_read(material_of(FollowUp(pd.DataFrame(index=["nobody"])), builders))


def _red_flags() -> list[object]:
    return [red_flag_rules(table) for table in (BEFORE, AFTER)]


def _outcomes() -> list[str]:
    return [outcome_label(outcome) for outcome in outcome_names()]


def _predictors() -> list[object]:
    return [candidate_predictors(outcome, 1) for outcome in outcome_names()]
