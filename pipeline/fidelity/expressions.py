"""Expressions over the columns of a case, as the table of targets writes them.

`odi - odi_12m >= 10` or `diagnosis == "disc_herniation" and age_years >= 50`: comparisons, arithmetic
and words of the dictionary. A case in which any column of an expression is not recorded has no answer.
"""

from __future__ import annotations

import ast

import numpy as np
import pandas as pd

from features.findings import Floats


def parts(text: str) -> list[str]:
    """The expressions of a cell, parted by semicolons."""
    return [part.strip() for part in text.split(";") if part.strip()]


def columns_of(expression: str) -> list[str]:
    """Names of the columns that an expression reads, in the order of their first use.

    Examples
    --------
    >>> columns_of('odi - odi_12m >= 10 and diagnosis == "disc_herniation"')
    ['odi', 'odi_12m', 'diagnosis']
    """
    names = [node for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(name.id for name in sorted(names, key=lambda name: name.col_offset)))


def expression_problem(expression: str) -> str | None:
    """Why an expression cannot be read; None when it can."""
    try:
        is_empty = not columns_of(expression)
    except SyntaxError:
        return f"{expression!r} is not an expression."
    return f"{expression!r} names no column." if is_empty else None


def answers(cases: pd.DataFrame, expression: str) -> Floats:
    """(n,) the expression for each case; 1 and 0 for true and false, NaN where a column of it is not recorded."""
    asked = cases[columns_of(expression)]
    found = asked.eval(expression, engine="python")
    known = asked.notna().all(axis=1).to_numpy()
    return np.where(known, np.asarray(found, dtype=np.float64), np.nan)
