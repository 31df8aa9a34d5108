"""TRIPOD+AI and the source attributes of HTI-1, item by item: how far the artefacts answer each.

The tables ask in our own words. `reach` is the most that a row can ever be: what an author must say stays
`author needed`, whatever the pipeline makes. A row names the artefacts that answer it, with what they must
hold; the status follows from whether they do. Nothing is ever called complete.

References
----------
Collins et al., BMJ 2024;385:e078378 (TRIPOD+AI); 45 CFR 170.315(b)(11)(iv)(B) (HTI-1, predictive decision
support interventions).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pipeline.study import Words

TABLES = Path(__file__).resolve().parent
EVIDENCE, DRAFT, AUTHOR_NEEDED = "evidence", "draft", "author needed"
STATUSES = (EVIDENCE, DRAFT, AUTHOR_NEEDED)
REACH = {"evidence": EVIDENCE, "draft": DRAFT, "author": AUTHOR_NEEDED}


def tripod_ai() -> pd.DataFrame:
    """The 27 items of TRIPOD+AI with their sub-items, one row each, in our own words."""
    return _table("tripod_ai.csv")


def source_attributes() -> pd.DataFrame:
    """The 31 source attributes that HTI-1 asks of a predictive decision support intervention, in our own words."""
    return _table("source_attributes.csv")


def _table(name: str) -> pd.DataFrame:
    return pd.read_csv(TABLES / name, dtype=str, keep_default_na=False)


def answered(
    table: pd.DataFrame,
    chosen: Mapping[str, str],
    root: Path = Path(),
    *,
    words: Mapping[str, Any] | None = None,
    tables: Mapping[str, Path] | None = None,
) -> pd.DataFrame:
    """The table with the status of each row, and where its answer lies.

    Parameters
    ----------
    table : DataFrame
        `tripod_ai()` or `source_attributes()`.
    chosen : mapping of outcome to learner
        Fills `{outcome}` and `{chosen}`: what an artefact must hold, it must hold for every outcome.
    root : Path
        Folder in which the artefacts lie.
    words : mapping, optional
        Of the study, for what a row says in braces; those of the default study unless given.
    tables : mapping of name to Path, optional
        Tables of `features/knowledge/` in whose place the study has its own.

    Returns
    -------
    DataFrame
        `item`, `topic`, `asks`, `status`, `says` (why an author is needed, where an artefact is wanting),
        `section` of the report, and the `artefacts` that answer it.
    """
    rows = []
    for row in table.to_dict("records"):
        artefacts = row["artefacts"]
        for name, path in (tables or {}).items():
            artefacts = artefacts.replace(f"features/knowledge/{name}.csv", str(path))
        wanted = expanded(artefacts, chosen)
        wanting = [reference for reference in wanted if not holds(reference, root)]
        status = REACH[row["reach"]] if not wanting else AUTHOR_NEEDED
        says = (
            row["says"].format(**(words or vars(Words())))
            if not wanting
            else f"Not made in this study: {_first_of(wanting)}"
        )
        rows.append(
            {
                "item": row["item"],
                "topic": row["topic"],
                "asks": row["asks"],
                "status": status,
                "says": says,
                "section": row["section"],
                "artefacts": "; ".join(places(artefacts)),
            }
        )
    holds.cache_clear()  # files may change between two readings
    _read.cache_clear()
    return pd.DataFrame(rows)


def _first_of(references: Sequence[str]) -> str:
    return references[0] + (f" and {len(references) - 1} more" if len(references) > 1 else "")


def places(references: str) -> list[str]:
    """The artefacts that references name, once each; those of every outcome by a pattern.

    >>> places("data/train/{outcome}/choice.json#rule; data/train/{outcome}/choice.json#learners.{chosen}")
    ['data/train/<outcome>/choice.json']
    """
    named = [part.strip().split("#")[0] for part in references.split(";") if part.strip()]
    return list(dict.fromkeys(name.format(outcome="<outcome>", chosen="<learner>") for name in named))


def expanded(references: str, chosen: Mapping[str, str]) -> list[str]:
    """References to artefacts (`path#what.it.holds`, between semicolons), one for each outcome where they name it."""
    found = []
    for reference in filter(None, (part.strip() for part in references.split(";"))):
        if "{" in reference:
            found += [reference.format(outcome=outcome, chosen=learner) for outcome, learner in chosen.items()]
        else:
            found.append(reference)
    return list(dict.fromkeys(found))


@cache
def holds(reference: str, root: Path = Path()) -> bool:
    """Whether an artefact exists and holds what the reference names.

    In JSON and YAML that is a path of keys to something that is not empty; an estimate that is not
    estimable holds nothing. In a table it is a column with at least one value.
    """
    name, _, key = reference.partition("#")
    path = root / name
    if not path.is_file():
        return False
    if not key:
        return True
    if path.suffix in (".csv", ".parquet"):
        table = _read(path)
        values = table[key] if key in table.columns else pd.Series(dtype=object)
        return bool(values.notna().any())
    return _is_something(_at(_read(path), key.split(".")))


@cache
def _read(path: Path) -> Any:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    text = path.read_text(encoding="utf-8")
    return yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)


def _at(content: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            return None
        content = content[key]
    return content


def _is_something(value: Any) -> bool:
    if isinstance(value, dict) and "estimate" in value:
        return value["estimate"] is not None
    return value is not None and value not in ({}, [], "")


def tally(table: pd.DataFrame) -> dict[str, int]:
    """How many rows have each status, and how many there are: `evidence`, `draft`, `author needed`, `of`."""
    counts = table["status"].value_counts()
    return {status: int(counts.get(status, 0)) for status in STATUSES} | {"of": len(table)}
