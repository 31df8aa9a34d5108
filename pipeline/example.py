"""Invented planned operations as a CSV, in the layout that `check`, `score` and `explain` take."""

from __future__ import annotations

from pathlib import Path

from pipeline.files import write_table
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases


def write_example(out: Path, cases: int, seed: int) -> None:
    """Draw cases from the virtual registry, with what is known before the operation and no more.

    Raises
    ------
    ParamsError
        If the virtual registry cannot have that many.
    """
    params = RegistryParams(
        seed=seed, cases=cases, centres=min(8, cases), first_year=2023, years=1, discordance_effect=1.0
    )
    write_table(draw_planned_cases(params), out)
