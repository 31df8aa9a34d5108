"""Red flags: cases that are not a question for a risk model.

A flag is shown, and no risk. One that was not asked for does not count as raised.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.knowledge_tables import knowledge_table


def red_flags(cases: pd.DataFrame) -> pd.DataFrame:
    """One bool column per red flag of `red_flags.csv`, True where it is raised; the index is kept."""
    table = knowledge_table("red_flags")
    raised = {name: np.zeros(len(cases), dtype=bool) for name in table["red_flag"]}
    dictionary = load_dictionary()
    for row in table.itertuples():
        needed = row.all_of.split("+")
        unknown = [name for name in needed if name not in dictionary]
        if unknown:
            raise KnowledgeError(f"red_flags.csv: {row.red_flag} names {', '.join(unknown)}, not a variable.")
        present = [
            pd.to_numeric(cases[name], errors="coerce").to_numpy(dtype=float) == 1
            if name in cases.columns
            else np.zeros(len(cases), dtype=bool)
            for name in needed
        ]
        raised[row.red_flag] |= np.all(present, axis=0)
    return pd.DataFrame(raised, index=cases.index)


def red_flag_names(cases: pd.DataFrame) -> pd.Series:
    """The raised flags of each case in one text, empty where none is."""
    flags = red_flags(cases)
    names = [", ".join(flags.columns[row]) for row in flags.to_numpy()]
    return pd.Series(names, index=cases.index, name="red_flags", dtype=object)
