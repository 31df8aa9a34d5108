"""The published equations as tables: `models/published_tables/`, one row one fact with source and status.

They lie beside this code and not among the knowledge tables of `features/`, because no model's prediction
depends on them: a comparator may change without making a registered model stale. Only equations whose
every coefficient was read are here; of Halicka 2023 and Janssen 2020 rows are missing, and half an
equation gives no probability.

| table | one row is |
|---|---|
| `coefficients.csv` | a coefficient, an intercept or a threshold, with the mean and SD its input is scaled by |
| `inputs.csv` | an input, its published range, and what an unknown value means |
| `bands.csv` | a code of an input that is published in bands |
| `comorbidities.csv` | a condition of the record that the published question on comorbidity would count |
| `applies.csv` | an outcome and a diagnosis for which there is an equation |
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.knowledge_checks import gaps, general_problems, repeated, unknown_words
from features.outcomes import outcome_names

PUBLISHED = "published"
"""The comparator, as predictions, metrics and pictures name it."""
TABLES = Path(__file__).with_name("published_tables")
LINKS = ("logit", "ordered_probit")
SCALINGS = ("as_it_is", "z_score", "code")
KINDS = ("number", "code", "yes_no")
UNKNOWN = ("not_estimable", "published_mix")
"""What an unknown input means: no probability, or the mean over the shares in which its codes were published."""
LEVELS = 5
"""Of the global assessment: gone, much better, somewhat better, unchanged, worse."""
WITHOUT_INPUT = ("intercept", "threshold")


@cache
def published_table(name: str) -> pd.DataFrame:
    """The table `models/published_tables/<name>.csv`; empty cells are missing.

    Raises
    ------
    KnowledgeError
        With everything that is wrong with the table: a row without a source, a coefficient stated twice, a
        scaled input without its SD, a code without a coefficient, bands with a gap, an unknown word.
    """
    table = _read(name)
    problems = general_problems(table, name) + PROBLEMS[name](table)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise KnowledgeError(f"models/published_tables/{name}.csv: {len(problems)} problem(s).\n{lines}")
    return table


def _read(name: str) -> pd.DataFrame:
    path = TABLES / f"{name}.csv"
    if not path.exists():
        raise KnowledgeError(f"models/published_tables/{name}.csv is missing. Restore it from git.")
    return pd.read_csv(path)


def _coefficient_problems(table: pd.DataFrame) -> list[str]:
    inputs = _read("inputs").set_index("term")
    has_input = table[~table["term"].isin(WITHOUT_INPUT)]
    problems = [
        *repeated(table, ["equation", "term", "code"]),
        *unknown_words(table, "link", LINKS),
        *unknown_words(has_input, "term", inputs.index),
        *unknown_words(has_input, "scaling", SCALINGS),
    ]
    if not np.isfinite(pd.to_numeric(table["coefficient"], errors="coerce")).all():
        problems.append("a coefficient is empty or no number.")
    scaled = table[table["scaling"] == "z_score"]
    if not ((scaled["sd"] > 0) & scaled["mean"].notna()).all():
        problems.append("a z_score needs its mean, and an sd above 0.")
    for equation, rows in table.groupby("equation", sort=False):
        problems += [f"{equation}: {said}" for said in _equation_problems(rows, inputs)]
    return problems


def _equation_problems(rows: pd.DataFrame, inputs: pd.DataFrame) -> list[str]:
    problems = []
    for column in ("link", "diagnosis", "predicts"):
        if len(rows[column].unique()) != 1:
            problems.append(f"one equation has one {column}.")
    cuts = rows[rows["term"].isin(WITHOUT_INPUT)]
    if (rows["link"] == "logit").all() and list(cuts["term"]) != ["intercept"]:
        problems.append("a logit has one intercept.")
    if (rows["link"] == "ordered_probit").all():
        is_whole = list(cuts["term"]) == ["threshold"] * (LEVELS - 1) and list(cuts["code"]) == list(range(1, LEVELS))
        if not is_whole or not cuts["coefficient"].is_monotonic_increasing:
            problems.append(f"an ordered probit has {LEVELS - 1} rising thresholds.")
    coded = rows[rows["scaling"] == "code"]
    for term, codes in coded[coded["term"].isin(inputs.index)].groupby("term", sort=False):
        its = inputs.loc[str(term)]
        problems += gaps(f"coefficient of {term}", range(int(its["lower"]), int(its["upper"]) + 1), codes["code"])
        unread = codes["share"].isna().sum()
        if its["unknown"] == "published_mix" and (unread > 1 or codes["share"].sum() > 1):
            problems.append(f"the shares of {term} must leave one code at most to be what remains of 1.")
    return problems


def _input_problems(table: pd.DataFrame) -> list[str]:
    problems = repeated(table, ["term"]) + unknown_words(table, "kind", KINDS)
    problems += unknown_words(table, "unknown", UNKNOWN)
    return problems if (table["lower"] < table["upper"]).all() else [*problems, "a range has a lower and an upper end."]


def _band_problems(table: pd.DataFrame) -> list[str]:
    problems = repeated(table, ["term", "code"]) + unknown_words(table, "term", _read("inputs")["term"])
    for term, bands in table.groupby("term", sort=False):
        for one, after in pairwise(bands.itertuples()):
            if one.upper != after.lower or one.upper_included + after.lower_included != 1:
                problems.append(f"{term}: code {one.code} ends where code {after.code} does not begin.")
        if bands["upper"].isna().sum() != 1 or not pd.isna(bands["upper"].iloc[-1]):
            problems.append(f"{term}: the last band alone has no upper end.")
    return problems


def _comorbidity_problems(table: pd.DataFrame) -> list[str]:
    known = [variable.name for variable in load_dictionary().predictors if variable.type == "yes_no"]
    return repeated(table, ["variable"]) + unknown_words(table, "variable", known)


def _applies_problems(table: pd.DataFrame) -> list[str]:
    coefficients, dictionary = _read("coefficients"), load_dictionary()
    of_equation = coefficients.drop_duplicates("equation").set_index("equation")
    procedures = [str(code) for code, _ in dictionary["planned_procedure"].choices]
    named = pd.DataFrame({"procedures": table["procedures"].dropna().str.split().explode()})
    problems = [
        *repeated(table, ["outcome", "diagnosis"]),
        *unknown_words(table, "outcome", outcome_names()),
        *unknown_words(table, "diagnosis", [str(code) for code, _ in dictionary["diagnosis"].choices]),
        *unknown_words(table, "equation", of_equation.index),
        *unknown_words(named, "procedures", procedures),
    ]
    for row in table[table["equation"].isin(of_equation.index)].itertuples():
        its = of_equation.loc[str(row.equation)]
        if its["diagnosis"] != row.diagnosis:
            problems.append(f"{row.equation} is of {its['diagnosis']} and not of {row.diagnosis}.")
        if its["link"] != "ordered_probit" or not 1 <= row.level < LEVELS:
            problems.append(f"{row.equation}: level {row.level} is not one that an ordered probit divides at.")
    return problems


PROBLEMS = {
    "coefficients": _coefficient_problems,
    "inputs": _input_problems,
    "bands": _band_problems,
    "comorbidities": _comorbidity_problems,
    "applies": _applies_problems,
}
