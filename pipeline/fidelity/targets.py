"""The published figures, as `targets.csv`: one row one figure, with what measures it, and its source.

| column | holds |
|---|---|
| `id`, `topic`, `what` | name, group and words of the figure |
| `measure` | how it is measured: a name of `measures.MEASURES` |
| `of`, `by`, `given`, `at` | what of: expressions over the columns of a case; in `given` several, with semicolons |
| `where` | the cases it was published of |
| `value`, `low`, `high`, `n` | as published; `low` and `high` are an interval, or the range of several series |
| `source`, `status`, `note` | as in the knowledge tables; the note says where the record asks something else |

`left_out.csv` names the published figures that no record can be held against, or that another row
replaces, and why. Neither lies in `features/knowledge/`: no prediction depends on them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from features.errors import KnowledgeError
from features.knowledge_checks import LINE_OF_FIRST_ROW, general_problems, repeated, unknown_words
from pipeline.fidelity.expressions import expression_problem, parts
from pipeline.fidelity.measures import MEASURES

FOLDER = Path(__file__).resolve().parent
TEXT = ("id", "topic", "what", "measure", "of", "by", "given", "where", "source", "status", "note")
NUMBERS = ("at", "value", "low", "high", "n")


@cache
def published_targets() -> pd.DataFrame:
    """Every published figure, in the order of `targets.csv`; an empty text is "", an empty number NaN.

    Raises
    ------
    KnowledgeError
        With everything that is wrong with the table.
    """
    table = _read("targets")
    refuse("targets", target_problems(table))
    return table


@cache
def left_out() -> pd.DataFrame:
    """Published figures without a row among the targets: `figure`, `reason`, `source`, `status`."""
    table = _read("left_out")
    refuse("left_out", [*general_problems(table, "left_out"), *repeated(table, ["figure"])])
    return table


def refuse(name: str, problems: list[str]) -> None:
    """Refuse a table with all its problems at once; none is no error."""
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise KnowledgeError(f"pipeline/fidelity/{name}.csv: {len(problems)} problem(s).\n{lines}")


def target_problems(table: pd.DataFrame) -> list[str]:
    """What is wrong with a table of targets: no source, no figure, an unknown measure, a faulty expression."""
    missing = [column for column in (*TEXT, *NUMBERS) if column not in table.columns]
    if missing:
        return [f"there is no column {', '.join(missing)}."]
    problems = general_problems(table, "targets") + repeated(table, ["id"])
    problems += unknown_words(table, "measure", tuple(MEASURES))
    for line, row in enumerate(table.itertuples(), start=LINE_OF_FIRST_ROW):
        problems += [f"row {line} ({row.id}): {problem}" for problem in _row_problems(row._asdict())]
    return problems


def _row_problems(row: dict) -> list[str]:
    problems = [f"{name} is empty." for name in ("id", "topic", "what", "of") if not row[name]]
    if pd.isna(row["value"]) and (pd.isna(row["low"]) or pd.isna(row["high"])):
        problems.append("it has neither a value nor a range.")
    if pd.isna(row["low"]) != pd.isna(row["high"]):
        problems.append("low and high go together.")
    if not row["low"] <= row["high"] and not pd.isna(row["low"]):
        problems.append("low is above high.")
    if row["measure"] in MEASURES:
        wanted = MEASURES[row["measure"]].needs
        problems += [f"{row['measure']} needs {name}." for name in wanted if row[name] == "" or pd.isna(row[name])]
    for name in ("of", "by", "where", "given"):
        faults = [expression_problem(part) for part in parts(row[name])]
        problems += [f"{name}: {fault}" for fault in faults if fault]
    return problems


def _read(name: str) -> pd.DataFrame:
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        raise KnowledgeError(f"pipeline/fidelity/{name}.csv is missing. Restore it from git.")
    table = pd.read_csv(path)
    texts = [column for column in table.columns if column in TEXT or column in ("figure", "reason")]
    return table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))
