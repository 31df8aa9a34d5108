"""The candidate predictors of each outcome, in the order of what is known of them beforehand.

`predictors.csv` ranks them before any data are seen; an outcome takes as many, from the top, as the
parameters it may spend. Single tests feed builders, not learners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.knowledge_tables import knowledge_table, refuse_duplicates
from features.outcomes import horizon_months

Form = Literal["linear", "log", "spline3", "levels"]
FORMS = ("linear", "log", "spline3", "levels")
GROUPS = ("source of pain", "mimics", "plan", "burden", "history", "psychosocial")
PARAMETERS = {"linear": 1, "log": 1, "spline3": 2}


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A clinical input of a learner: a variable of the dictionary, or a feature of the builders.

    `form` is how a linear learner sees it; `levels` are the choices of a nominal one; `direction` is
    +1 or -1 where the direction of its effect on failure is certain, else 0.
    """

    name: str
    label: str
    group: str
    form: Form
    levels: tuple[str, ...]
    direction: int

    @property
    def n_parameters(self) -> int:
        return len(self.levels) - 1 if self.form == "levels" else PARAMETERS[self.form]


def candidate_predictors(outcome: str, max_parameters: int) -> list[Predictor]:
    """The predictors an outcome may use, best known first, within its number of parameters.

    The list stops at the first predictor that would not fit. The ranking is that of the column `rank_<outcome>`
    where the table has one; else `rank`, or `rank_reoperation` beyond a year.
    """
    table = _table()
    rank = "rank_reoperation" if horizon_months(outcome) > 12 else "rank"
    rank = f"rank_{outcome}" if f"rank_{outcome}" in table.columns else rank
    ranked = table.dropna(subset=[rank]).sort_values(rank)
    chosen: list[Predictor] = []
    for row in ranked.to_dict("records"):
        predictor = _predictor(row)
        if sum(p.n_parameters for p in chosen) + predictor.n_parameters > max_parameters:
            break
        chosen.append(predictor)
    return chosen


def predictor(name: str) -> Predictor:
    """One candidate predictor by name."""
    return _predictor(_table().query("predictor == @name").iloc[0].to_dict())


def n_parameters(predictors: list[Predictor]) -> int:
    """Candidate parameters of a linear learner on these predictors, the intercept not counted."""
    return sum(predictor.n_parameters for predictor in predictors)


def predictor_frame(cases: pd.DataFrame, features: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The predictors by name, from the record or from the features; one absent from both is missing."""
    columns = {
        name: features[name] if name in features.columns else cases[name] if name in cases.columns else None
        for name in names
    }
    return pd.DataFrame(columns, index=cases.index, columns=names)


def _table() -> pd.DataFrame:
    table = knowledge_table("predictors")
    refuse_duplicates(table, "predictors", ["predictor"])
    for column, allowed in (("form", FORMS), ("group", GROUPS)):
        unknown = sorted(set(table[column]) - set(allowed))
        if unknown:
            raise KnowledgeError(f"predictors.csv: unknown {column} {', '.join(unknown)}.")
    later = [
        name
        for name in table["predictor"]
        if name in load_dictionary() and load_dictionary()[name].known != "preoperative"
    ]
    if later:
        raise KnowledgeError(f"predictors.csv: {', '.join(later)} is known only after the operation.")
    return table


def _predictor(row: dict) -> Predictor:
    name = row["predictor"]
    levels = load_dictionary()[name].codes if row["form"] == "levels" else ()
    return Predictor(
        name=name,
        label=row["label"],
        group=row["group"],
        form=row["form"],
        levels=tuple(str(level) for level in levels),
        direction=int(row["direction"]),
    )
