"""The rows of the tables that recentre the registry on its own cases, measured again on draws.

After any change of a table or of a tuned number:

    python -m pipeline.virtual.calibration            sets them and says which have changed
    python -m pipeline.virtual.calibration --check    says which would change, and writes nothing

| row | set to |
|---|---|
| `outcome_levels`: `relief_mean` | the mean relief at which `failure_12m` is met |
| `persistent_reoperation_yearly` | the hazard at which `reoperation_24m` is met, where it is not above it without |
| `usual_log_odds`, `expected_unreached_*` | their mean over the cases |
| `anchor_mean_*`, `anchor_sd_*` | mean and spread of the relief that a global assessment asks for |
| `events`, `later_events`: `mean_ratio` | mean over the cases at risk of the ratio by which hazards are multiplied |
| `effects`: `usual` | mean of each predictor |

Draws are of `SEEDS`, with every effect at its published value, so that the same tables give the same rows;
what other seeds would give differs by about `TOLERANCE`.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from pipeline.virtual.aftermath import is_at_risk
from pipeline.virtual.course import FELT_SD, RELIEF_SD_IN, course
from pipeline.virtual.draws import streams
from pipeline.virtual.effects import (
    Effects,
    log_odds_of_failure,
    log_ratio,
    predictors_of_events,
    predictors_of_failure,
    published_effects,
)
from pipeline.virtual.facts import TABLES, fact_by, facts, forget_tables
from pipeline.virtual.operation import operation
from pipeline.virtual.parameters import DIAGNOSES, RegistryParams
from pipeline.virtual.registry import BLOCK_CASES, drawn_decisions

SEEDS = (101, 102, 103)
"""None of them the study's own."""
ROUNDS = 5
"""Each measures what the rows of the one before have moved; more change nothing by more than `TOLERANCE`."""
TOLERANCE = 0.01
"""Less than this between two seeds is chance: three standard errors of a share of 0.2 among 12,000 cases."""
DIGITS = 4
RELIEF_PER_RISK = 1.5
"""Mean relief for one of mean risk of failure: less than the 1.9 that was measured, so that no round overshoots."""
YEARLY_PER_RISK = 0.4
"""Yearly hazard by which the risk of a reoperation in two years moves by one, a little less than a half."""
LEAST_YEARLY = 0.001
"""Somebody is always operated again for pain alone."""


@dataclass(frozen=True)
class Drawn:
    """First operations with what recentring asks of them; one row a case."""

    diagnosis: np.ndarray
    """Place in DIAGNOSES."""
    log_odds: np.ndarray
    unreached_spine: np.ndarray
    unreached_elsewhere: np.ndarray
    relief: np.ndarray
    risk: np.ndarray
    """Of failure at 12 months."""
    reoperation_risk: np.ndarray
    """Within 24 months."""
    predictors: dict[str, np.ndarray]
    ratio: dict[str, np.ndarray]
    """By event."""
    at_risk: dict[str, np.ndarray]
    """By later event."""


class Row(NamedTuple):
    """One number of a table: the row that begins with `keys`, its column, and the value that was measured."""

    table: str
    keys: tuple[str, ...]
    column: str
    value: float


def measured_rows() -> list[Row]:
    """Every row that recentres, as draws from the present tables would have it."""
    drawn = _together([_drawn(seed, published_effects()) for seed in SEEDS])
    return [*_outcome_rows(drawn), *_ratio_rows(drawn), *_usual_rows(drawn)]


def drifted(rows: Sequence[Row]) -> list[Row]:
    """Those that differ from the present tables by more than `TOLERANCE`."""
    return [row for row in rows if abs(row.value - _present(row)) > TOLERANCE]


def written(rows: Sequence[Row]) -> None:
    """Put the rows into their tables; every other cell keeps its text."""
    for table in dict.fromkeys(row.table for row in rows):
        path = TABLES / f"{table}.csv"
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = list(csv.reader(file))
        for row in rows:
            if row.table == table:
                line = next(line for line in lines if tuple(line[: len(row.keys)]) == row.keys)
                line[header.index(row.column)] = f"{round(row.value, DIGITS):g}"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *lines])
        path.write_text(text.getvalue(), encoding="utf-8")
    forget_tables()


def calibrated(rounds: int = ROUNDS) -> list[Row]:
    """Set every row, and set it again on the registry that this makes; the rows of the last round."""
    rows: list[Row] = []
    for _ in range(rounds):
        rows = measured_rows()
        written(rows)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate, or with `--check` say what would; 1 where something has drifted."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.virtual.calibration", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 where a row has drifted")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often to measure and set (default {ROUNDS})")
    asked = parser.parse_args(arguments)
    before = {row[:3]: _present(row) for row in measured_rows()} if not asked.check else {}
    if asked.check:
        moved = [(row, _present(row)) for row in drifted(measured_rows())]
    else:
        moved = [(row, before[row[:3]]) for row in calibrated(asked.rounds)]
        moved = [(row, was) for row, was in moved if abs(row.value - was) > TOLERANCE]
    for row, was in moved:
        print(f"{row.table} {' '.join(row.keys)} {row.column}: {was:g} -> {row.value:.{DIGITS}f}")
    print(f"{len(moved)} rows moved by more than {TOLERANCE:g}")
    return int(asked.check and bool(moved))


def _present(row: Row) -> float:
    table = facts(row.table)
    chosen = np.logical_and.reduce([table.iloc[:, place] == key for place, key in enumerate(row.keys)])
    return float(table.loc[chosen, row.column].iloc[0])


def _drawn(seed: int, effects: Effects) -> Drawn:
    params = RegistryParams(
        seed=seed, cases=BLOCK_CASES, centres=8, first_year=2017, years=6, discordance_effect=1.0, mimic_effect=1.0
    )
    rngs, decisions = streams(seed, 0), drawn_decisions(params)
    planned = decisions.planned
    done = operation(rngs["operation"], effects, planned)
    after = course(rngs["course"], effects, params, decisions.centres, planned, done)
    predictors = predictors_of_failure(planned, done.events)
    present = predictors_of_events(planned, done.defect_mm)
    later, n = facts("later_events"), len(decisions.index)
    return Drawn(
        diagnosis=planned.plan.diagnosis,
        log_odds=log_odds_of_failure(effects, predictors),
        unreached_spine=done.unreached.spine,
        unreached_elsewhere=done.unreached.elsewhere,
        relief=after.relief,
        risk=after.risk,
        reoperation_risk=after.reoperation_risk,
        predictors={name: np.asarray(values, dtype=float) for name, values in predictors.items()},
        ratio={
            event: np.exp(log_ratio(effects, event, present)) * np.ones(n)
            for event in (*later["event"], *facts("events")["event"])
        },
        at_risk={
            event: is_at_risk(planned.plan, group)
            for event, group in zip(later["event"], later["at_risk"], strict=True)
        },
    )


def _together(drawn: Sequence[Drawn]) -> Drawn:
    def joined(name: str) -> np.ndarray | dict[str, np.ndarray]:
        parts = [getattr(one, name) for one in drawn]
        if isinstance(parts[0], dict):
            return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        return np.concatenate(parts)

    return Drawn(**{field.name: joined(field.name) for field in fields(Drawn)})  # type: ignore[arg-type]


def _outcome_rows(drawn: Drawn) -> Iterator[Row]:
    for place, diagnosis in enumerate(DIAGNOSES):
        cases = drawn.diagnosis == place

        def present(quantity: str, place: int = place) -> float:
            return float(fact_by("outcome_levels", DIAGNOSES, quantity)[place])

        easier = RELIEF_PER_RISK * (float(drawn.risk[cases].mean()) - present("failure_12m"))
        excess = float(drawn.reoperation_risk[cases].mean()) - present("reoperation_24m")
        yearly = present("persistent_reoperation_yearly") - YEARLY_PER_RISK * excess
        values = {
            "relief_mean": present("relief_mean") + easier,
            "persistent_reoperation_yearly": max(yearly, LEAST_YEARLY),
            "usual_log_odds": float(drawn.log_odds[cases].mean()),
            "expected_unreached_spine": float(drawn.unreached_spine[cases].mean()),
            "expected_unreached_elsewhere": float(drawn.unreached_elsewhere[cases].mean()),
        }
        for pain_in, own_sd in RELIEF_SD_IN.items():
            less = present(f"{pain_in}_relief_less")
            values[f"anchor_mean_{pain_in}"] = float(drawn.relief[cases].mean()) + easier - less
            spread = float(np.sqrt(drawn.relief[cases].var() + own_sd**2 + FELT_SD**2))
            values[f"anchor_sd_{pain_in}"] = spread
        yield from (Row("outcome_levels", (diagnosis, name), "value", value) for name, value in values.items())


def _ratio_rows(drawn: Drawn) -> Iterator[Row]:
    for event in facts("events")["event"]:
        yield Row("events", (event,), "mean_ratio", float(drawn.ratio[event].mean()))
    for event, cases in drawn.at_risk.items():
        yield Row("later_events", (event,), "mean_ratio", float(drawn.ratio[event][cases].mean()))


def _usual_rows(drawn: Drawn) -> Iterator[Row]:
    for predictor in facts("effects")["predictor"]:
        yield Row("effects", (predictor,), "usual", float(drawn.predictors[predictor].mean()))


if __name__ == "__main__":
    raise SystemExit(main())
