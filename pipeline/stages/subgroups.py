"""Stage ``subgroups``: the chosen learner in groups of cases, in each test set and out of fold in development.

Development is the largest set, and so the most precise; its risks come from models that did not see the
patient, but their recalibration did see the whole set, so that over all of it the risks are right on average
by construction. Groups can still differ.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.outcomes import outcome_label
from models.drawing import save
from models.estimates import as_stored
from models.fitted import sigmoid
from models.metrics import Estimate, net_benefit_name, told_count
from models.subgroup_figure import subgroup_forest
from models.subgroups import FEWEST, Grouping, Judged, by_chance, flag_rates, group_performance, grouping
from pipeline import paths
from pipeline.files import read_cases, read_table, write_json, write_table
from pipeline.params import Params
from pipeline.tested import Tested, chosen_learner, chosen_predictor, known_outcomes, tested_cases

DEVELOPMENT = "development"
IDEALS = {"observed_to_expected": 1.0, "calibration_intercept": 0.0, "calibration_slope": 1.0}
"""What each would be if all were well; intervals that exclude it are counted."""


def run(params: Params) -> None:
    shutil.rmtree(paths.SUBGROUPS.parent, ignore_errors=True)
    cases = read_cases(paths.COHORT_CASES)
    groupings = [grouping(cases, name, params.subgroups.bands.get(name, ())) for name in params.subgroups.by]
    tested = tested_cases()
    outcomes, rates = {}, []
    for outcome in params.train.outcomes:
        judged = judged_sets(outcome, tested)
        threshold = params.evaluate.main_threshold[outcome]
        rows = in_order(
            [row for name, part in judged.items() for row in performance_rows(name, *part, groupings, threshold)],
            groupings,
        )
        outcomes[outcome] = told(outcome, threshold, rows)
        rates += [
            {"outcome": outcome, **row}
            for name, part in judged.items()
            for row in flag_rows(name, *part, groupings, params.evaluate.thresholds)
        ]
        title = f"{outcome}, {chosen_learner(outcome)}: {outcome_label(outcome)}"
        save(subgroup_forest(rows, title), paths.subgroup_forest(outcome))
    skipped = {group.variable: group.reason for group in groupings if group.reason}
    write_json({"fewest_cases": FEWEST, "skipped": skipped, "outcomes": outcomes}, paths.SUBGROUPS)
    write_table(pd.DataFrame(rates, columns=RATE_COLUMNS).astype(dict.fromkeys(COUNTS, "Int64")), paths.FLAG_RATES)


def judged_sets(outcome: str, tested: Tested) -> dict[str, tuple[pd.Index, Judged]]:
    """The risks of each set with what became of its cases: development out of fold, then the test sets."""
    tested = tested.asked(outcome)
    found = {DEVELOPMENT: _out_of_fold(outcome)}
    risk = chosen_predictor(outcome).risk(tested.cases, tested.features).to_numpy()
    y, weights = known_outcomes(outcome, tested)
    everything = Judged(y=y, risk=risk, weights=weights)
    for test_set in tested.test_sets:
        rows = tested.rows(test_set)
        found[test_set] = (tested.cases.index[rows], everything.of(rows))
    return found


def _out_of_fold(outcome: str) -> tuple[pd.Index, Judged]:
    table = read_table(paths.out_of_fold(outcome))
    table = table[table["learner"] == chosen_learner(outcome)]
    index = table.index if table.index.name == "case_id" else pd.Index(table["case_id"])
    log_odds = table["log_odds"].to_numpy(dtype=np.float64)
    y, weights = (table[name].to_numpy(dtype=np.float64) for name in ("y_true", "weight"))
    return index, Judged(y=y, risk=sigmoid(log_odds), weights=weights)


def _groups(index: pd.Index, groupings: Sequence[Grouping]) -> Iterator[tuple[Grouping, str, NDArray[np.bool_]]]:
    """Each group of which a set holds a case, with its rows there."""
    for group in groupings:
        of_case = group.of_case.reindex(index).to_numpy()
        for name in group.order:
            rows = of_case == name
            if rows.any():
                yield group, name, rows


def performance_rows(
    set_name: str, index: pd.Index, judged: Judged, groupings: Sequence[Grouping], threshold: float
) -> list[dict[str, Any]]:
    """One row a group, the whole set first: `cases` have a known outcome, `events` had it (None of fewer than five)."""
    everyone = np.ones(len(index), dtype=bool)
    asked = [("all", "All", "all cases", everyone)]
    asked += [(group.variable, group.label, name, rows) for group, name, rows in _groups(index, groupings)]
    return [
        {
            "set": set_name,
            "variable": variable,
            "label": label,
            "group": name,
            "cases": int(judged.of(rows).is_known.sum()),
            "events": told_count(int((judged.of(rows).y == 1).sum()), int(judged.of(rows).is_known.sum())),
            "metrics": group_performance(judged.of(rows), threshold),
        }
        for variable, label, name, rows in asked
    ]


def in_order(rows: list[dict[str, Any]], groupings: Sequence[Grouping]) -> list[dict[str, Any]]:
    """All cases first, then group by group: a set that lacks a group must not move it to the end."""
    groups = [("all", "all cases"), *((group.variable, name) for group in groupings for name in group.order)]
    return sorted(rows, key=lambda row: groups.index((row["variable"], row["group"])))


def told(outcome: str, threshold: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of an outcome for a file, by set, with how many would stray by chance alone."""
    groups = [row for row in rows if row["variable"] != "all"]
    sets = {
        name: [_as_json(row) for row in rows if row["set"] == name] for name in dict.fromkeys(r["set"] for r in rows)
    }
    return {
        "learner": chosen_learner(outcome),
        "main_threshold": threshold,
        "net_benefit": net_benefit_name(threshold),
        "sets": sets,
        "by_chance": {
            metric: by_chance([row["metrics"][metric] for row in groups], ideal) for metric, ideal in IDEALS.items()
        },
    }


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "metrics": as_stored(row["metrics"])}


SHARES = ("flagged_share", "sensitivity", "specificity")
COUNTS = ("cases", "flagged", "known", "events", "false_flags")
RATE_COLUMNS = [
    *("outcome", "set", "variable", "group", "threshold", *COUNTS),
    *(
        f"{share}{part}"
        for share in SHARES
        for part in (
            "", "_lower", "_upper", "_reason", "_difference", "_difference_lower", "_difference_upper",
            "_difference_reason",
        )
    ),
]  # fmt: skip


def flag_rows(
    set_name: str, index: pd.Index, judged: Judged, groupings: Sequence[Grouping], thresholds: Sequence[float]
) -> list[dict[str, Any]]:
    """One row a group and threshold: who is flagged, and how that differs from all the others of the set."""
    return [
        {
            "set": set_name,
            "variable": group.variable,
            "group": name,
            "threshold": threshold,
            **_flat(flag_rates(judged.of(rows), judged.of(~rows), threshold)),
        }
        for group, name, rows in _groups(index, groupings)
        for threshold in thresholds
    ]


def _flat(rates: dict[str, Any]) -> dict[str, Any]:
    counts = {name: value for name, value in rates.items() if name not in ("shares", "differences")}
    for name in SHARES:
        counts |= _columns(name, rates["shares"][name])
        counts |= _columns(f"{name}_difference", rates["differences"][name])
    return counts


def _columns(name: str, estimate: Estimate) -> dict[str, Any]:
    stored = estimate.as_json()
    return {
        name: stored["estimate"],
        f"{name}_lower": stored["lower"],
        f"{name}_upper": stored["upper"],
        f"{name}_reason": stored.get("reason"),
    }
