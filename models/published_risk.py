"""The published equations as a comparator: a risk of our outcome for the cases to which one applies.

A comparator and never a candidate: nothing is fitted here, nothing is recalibrated, and no model that
answers imports it. An equation predicts that leg pain (back pain after fusion) is much better or gone;
`not_improved_12m` is that it is not, so the risk is 1 less the published probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.knowledge_tables import has_own_record
from features.record import refuse_problems, value_problems
from models.published_equations import equations
from models.published_facts import published_table
from models.published_inputs import outside_range, published_inputs

CONSULTED = ("diagnosis", "planned_procedure")
"""Variables that decide whether an equation applies."""


@dataclass(frozen=True)
class PublishedRisk:
    """Risks of n cases by the equations of one outcome; every part is indexed as the cases were.

    `risk` is NaN where no equation applies or an input is wanting; `equation` is the name of the one that
    applies, empty where none does. `not_recorded` and `out_of_range` have a column an input: True where
    the equation of the case needs it, and it is unknown, or outside what was published.
    """

    risk: pd.Series
    equation: pd.Series
    not_recorded: pd.DataFrame
    out_of_range: pd.DataFrame


def published_outcomes() -> tuple[str, ...]:
    """Outcomes for which there is a published equation; none in a study with a record of its own."""
    if has_own_record():
        return ()
    return tuple(dict.fromkeys(published_table("applies")["outcome"]))


def published_risk(cases: pd.DataFrame, outcome: str) -> PublishedRisk:
    """Risk of the outcome by the published equation of each case's diagnosis.

    Parameters
    ----------
    cases : DataFrame
        Records. A column that is absent is not recorded. It is not changed.
    outcome : str
        One without an equation gives no case a risk.

    Raises
    ------
    ValuesError
        For a value that the dictionary does not allow, such as an unknown diagnosis, all columns at once.
    """
    consulted = cases.reindex(columns=list(CONSULTED))
    refuse_problems("the cases", value_problems(consulted))
    inputs = published_inputs(cases)
    out_of_range = outside_range(inputs)
    usable = inputs.mask(out_of_range)
    risk = pd.Series(np.nan, index=cases.index, name="risk")
    name = pd.Series("", index=cases.index, name="equation", dtype=object)
    is_needed = pd.DataFrame(False, index=cases.index, columns=inputs.columns)
    for row in published_table("applies").query("outcome == @outcome").itertuples():
        applies = consulted["diagnosis"] == row.diagnosis
        if isinstance(row.procedures, str):
            applies &= consulted["planned_procedure"].isin(row.procedures.split())
        equation = equations()[row.equation]
        risk[applies] = 1 - equation.probability(usable[applies], level=row.level)
        name[applies] = equation.name
        is_needed.loc[applies, list(equation.needed)] = True
    return PublishedRisk(risk, name, is_needed & inputs.isna(), is_needed & out_of_range)


def coverage(published: PublishedRisk, diagnosis: pd.Series) -> pd.DataFrame:
    """To how many cases of each diagnosis an equation gave a risk, and why not to the others.

    Parameters
    ----------
    published : PublishedRisk
    diagnosis : Series
        Of the cases to count, by their index: all of `published`, or some.

    Returns
    -------
    DataFrame
        `diagnosis`, `answer`, `input`, `cases`. `answer` is `asked`, `estimated` or `no equation` (whole
        cases, without an input), or `not recorded` or `out of range` with the input that was so; a case
        counts under each of its inputs. Rows without cases are left out but for `asked` and `estimated`.
    """
    rows = []
    kinds = diagnosis.fillna("not recorded")
    for kind, index in kinds.groupby(kinds).groups.items():
        rows.append((kind, "asked", "", len(index)))
        rows.append((kind, "estimated", "", int(published.risk[index].notna().sum())))
        rows.append((kind, "no equation", "", int((published.equation[index] == "").sum())))
        for answer, wanting in (("not recorded", published.not_recorded), ("out of range", published.out_of_range)):
            rows += [(kind, answer, term, int(number)) for term, number in wanting.loc[index].sum().items()]
    table = pd.DataFrame(rows, columns=["diagnosis", "answer", "input", "cases"])
    return table[(table["cases"] > 0) | table["answer"].isin(("asked", "estimated"))].reset_index(drop=True)
