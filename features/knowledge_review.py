"""Every knowledge table read and checked at once, by whoever reads it in earnest."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from features.anatomy import mimic_territory
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.findings import Findings
from features.knowledge_tables import knowledge_table, table_names
from features.lesion_pain import lesion_pain
from features.mimic_tables import mimic_facts
from features.outcomes import outcome_label, outcome_names
from features.predictors import candidate_predictors
from features.red_flags import red_flag_rules


def check_knowledge() -> list[str]:
    """The names of all tables, none of them faulty.

    Raises
    ------
    KnowledgeError
        With the problems of every table, one below the other.
    """
    names = table_names()
    readers: list[Callable[[], object]] = [lambda name=name: knowledge_table(name) for name in names]  # type: ignore[misc]
    readers += [load_dictionary, _lesions, mimic_territory, mimic_facts, red_flag_rules, _outcomes, _predictors]
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


def _outcomes() -> list[str]:
    return [outcome_label(outcome) for outcome in outcome_names()]


def _predictors() -> list[object]:
    return [candidate_predictors(outcome, 1) for outcome in outcome_names()]
