"""Invented operations as a CSV: planned, as `check`, `score` and `explain` take them, or failed, as `workup` does."""

from __future__ import annotations

from pathlib import Path

from pipeline.files import write_table
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases
from pipeline.virtual.workup_cases import workup_cases


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


def write_failed_example(out: Path, cases: int, seed: int) -> None:
    """Draw operations that failed and were worked up, with all that is known by then but the cause.

    Raises
    ------
    ParamsError
        If the virtual registry cannot have that many.
    """
    params = RegistryParams(
        seed=seed, cases=cases, centres=min(8, cases), first_year=2017, years=6, discordance_effect=1.0
    )
    records, _ = workup_cases(cases, seed, params)
    write_table(records.drop(columns="adjudicated_cause"), out)
