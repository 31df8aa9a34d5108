"""Does the closed test do at virtual centres what it promises? Shifted sites of three sizes, many times each.

    python -m pipeline.updated_sites data/train/failure_12m/logistic docs/how_to/external_validation.csv

For each shift one large virtual centre is drawn. Half of it is the site's next patients, on whom calibration is
judged before and after; from the other half come the cases that a site brings, again and again. Minutes; nothing
waits for it. The table in docs/how_to/external_validation.md is made from the CSV, and a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from features.builders import build_features
from features.cohort import cohort_flow
from features.errors import OutcomeError
from features.outcomes import outcome_labels
from features.predictors import predictor_frame
from features.words import number, percent
from models.encoding import Floats
from models.estimates import NORMAL_QUANTILE
from models.fitted import LinearModel, LinearStack, sigmoid
from models.predictor import RiskPredictor
from models.updating import (
    INTERCEPT,
    INTERCEPT_AND_SLOPE,
    METHODS,
    Site,
    closed_test,
    fitted,
    refit_lines,
)
from pipeline.files import write_table
from pipeline.params import load_params
from pipeline.site_cases import definition
from pipeline.virtual.registry import draw_registry

SHIFTS: Mapping[str, Mapping[str, Any]] = {
    "none but the model's own error": {},
    "failure commoner": {"outcome_intercept": 0.8},
    "failure rarer": {"outcome_intercept": -0.8},
    "what is known tells less": {"outcome_slope": 0.5},
    "commoner, and tells less": {"outcome_intercept": 0.8, "outcome_slope": 0.5},
    "scans misread more often": {"reader_error": 2.5},
    "pain drawn more widely": {"drawing_extent": 1.0},
}
RIGHT = "none: outcomes drawn from the risks themselves"
"""Where the model is right by construction, so that every change is an error."""
SIZES = (150, 400, 2000)
REPETITIONS = 200
CENTRE_CASES = 40_000
SEED = 64_000
LEVEL = 0.05
CASES_WITH_INTERVAL = 500
"""Next patients whose risk's interval is looked at."""
Draw = NDArray[np.intp]


class Centre(NamedTuple):
    """All cases of a virtual centre with a known outcome: `refits` are (n_refits, n) calibrated log-odds."""

    cases: Site
    refits: Floats

    def rows(self, rows: Draw) -> Centre:
        return Centre(self.cases.rows(rows), self.refits[:, rows])


def drawn_centre(predictor: RiskPredictor, changes: Mapping[str, Any], seed: int) -> Centre:
    """One centre with its shift, under the model, labelled as the model's development was."""
    params = load_params()
    registry = replace(params.registry, seed=seed, cases=CENTRE_CASES, centres=1, **changes)
    cases = draw_registry(registry)[0].set_index("case_id")
    cases = cases.assign(**{day: pd.to_datetime(cases[day]) for day in cases.columns if day.endswith("_date")})
    meant = definition(predictor.bundle, params)
    cases = cases[cohort_flow(cases, meant.cohort)[0]]
    outcome = predictor.bundle.outcome
    y = outcome_labels(cases, {outcome: meant.outcome})[outcome]
    cases, y = cases[y.notna()], y.dropna().to_numpy(dtype=np.float64)
    frame = predictor_frame(cases, build_features(cases, predictor.builder_params), predictor.names)
    log_odds = predictor.bundle.recalibration(predictor.bundle.model.log_odds(frame))
    linear = [refit for refit in predictor.bundle.refits if isinstance(refit, LinearModel)]
    margins = LinearStack(linear).log_odds(frame) if linear else [r.log_odds(frame) for r in predictor.bundle.refits]
    patients = cases["patient_id"].to_numpy(dtype=object)
    return Centre(Site(log_odds, y, np.ones(len(y)), patients), predictor.bundle.recalibrated_refits(np.array(margins)))


def centres(predictor: RiskPredictor) -> Iterator[tuple[str, str, Centre]]:
    """Every shift with its settings and its centre; the one that is right by construction comes first."""
    for place, (name, changes) in enumerate(SHIFTS.items()):
        centre = drawn_centre(predictor, changes, SEED + place)
        if not changes:
            rng = np.random.default_rng(SEED)
            y = (rng.random(len(centre.cases.y)) < sigmoid(centre.cases.log_odds)).astype(np.float64)
            yield RIGHT, "", Centre(replace(centre.cases, y=y), centre.refits)
        yield name, " ".join(f"{key}={value:g}" for key, value in changes.items()), centre


# ---- one site's cases, and what becomes of the model -------------------------------------------------


def repetition(bring: Centre, next_patients: Centre, truth: Truth, seed: int) -> dict[str, Any]:
    """What the closed test does with the cases that a site brings, and how right the model then is."""
    before = next_patients.cases.log_odds
    try:
        site = Site.of(sigmoid(bring.cases.log_odds), bring.cases.y, bring.cases.weights, bring.cases.patients)
        update = closed_test(site, LEVEL)
        lines = refit_lines(bring.refits, site, update.method, seed) if update.changes else ()
    except OutcomeError:
        return {"method": "refused", "error": truth.error(before)}
    intercept, slope = update.estimates[INTERCEPT][0], update.estimates[INTERCEPT_AND_SLOPE][1]
    found = {
        "method": update.method,
        "error": truth.error(update.line(before)),
        "intercept_covered": _holds(intercept, truth.intercept),
        "slope_covered": _holds(slope, truth.slope),
    }
    if not lines:
        return found
    rows = np.arange(CASES_WITH_INTERVAL)
    centre, goal = update.line(before[rows]), truth.log_odds(before[rows])
    own = np.array([line(refit) for line, refit in zip(lines, next_patients.refits[:, rows], strict=True)])
    shared = update.line(next_patients.refits[:, rows])
    return found | {
        "risk_covered": _covered(centre, own, goal),
        "risk_covered_by_refits_alone": _covered(centre, shared, goal),
    }


class Truth(NamedTuple):
    """What an update with all cases of the centre would be: the intercept alone, and both together."""

    intercept: float
    of_both: float
    slope: float
    next_log_odds: Floats

    @classmethod
    def of(cls, centre: Centre, next_log_odds: Floats) -> Truth:
        both = fitted(centre.cases, INTERCEPT_AND_SLOPE).line
        return cls(fitted(centre.cases, INTERCEPT).line.intercept, both.intercept, both.slope, next_log_odds)

    def log_odds(self, before: Floats) -> Floats:
        return self.of_both + self.slope * before

    def error(self, told: Floats) -> float:
        """Mean distance of told risks from what becomes of the next patients with such a risk, in per cent points."""
        return float(100 * np.abs(sigmoid(told) - sigmoid(self.log_odds(self.next_log_odds))).mean())


def _holds(estimate: Any, value: float) -> float:
    return float(estimate.lower <= value <= estimate.upper)


def _covered(centre: Floats, refits: Floats, goal: Floats) -> float:
    return float((np.abs(goal - centre) <= NORMAL_QUANTILE * refits.std(axis=0, ddof=1)).mean())


COVERED = ("intercept_covered", "slope_covered", "risk_covered", "risk_covered_by_refits_alone")


# ---- the table ---------------------------------------------------------------------------------------


def table(predictor: RiskPredictor, repetitions: int = REPETITIONS, sizes: Sequence[int] = SIZES) -> pd.DataFrame:
    """One row a shift and size: how often each decision was taken, errors before and after, coverage."""
    rows = []
    for name, settings, centre in centres(predictor):
        half = len(centre.cases.y) // 2
        next_patients = centre.rows(np.arange(half, len(centre.cases.y)))
        truth = Truth.of(centre, next_patients.cases.log_odds)
        for size in sizes:
            found = [
                repetition(centre.rows(draw), next_patients, truth, number)
                for number, draw in enumerate(
                    tqdm(_draws(half, size, repetitions), desc=f"{name}, {size}", disable=None)
                )
            ]
            rows.append(_row(name, settings, size, truth, pd.DataFrame(found)))
    return pd.DataFrame(rows)


def _draws(half: int, size: int, repetitions: int) -> list[Draw]:
    return [
        np.random.default_rng([SEED, size, number]).choice(half, size, replace=False) for number in range(repetitions)
    ]


def _row(name: str, settings: str, size: int, truth: Truth, found: pd.DataFrame) -> dict[str, Any]:
    method = found["method"]
    return {
        "shift": name,
        "settings": settings,
        "true_intercept": round(truth.intercept, 3),
        "true_slope": round(truth.slope, 3),
        "cases": size,
        "repetitions": len(found),
        **{chosen.replace(" ", "_"): round(float((method == chosen).mean()), 3) for chosen in (*METHODS, "refused")},
        "error_before": round(truth.error(truth.next_log_odds), 2),
        "error_after": round(float(found["error"].mean()), 2),
        "error_after_95": round(float(found["error"].quantile(0.95)), 2),
        **{one: round(float(found[one].mean()), 3) if one in found else np.nan for one in COVERED},
    }


DECISIONS = ("original", "intercept", "intercept_and_slope", "refused")


DECIDED = (
    "shift",
    "intercept",
    "slope",
    "cases",
    "kept",
    "intercept only",
    "both",
    "refused",
    "before",
    "after",
    "95th percentile",
)
HELD = ("shift", "cases", "intercept", "slope", "risk, a line a refit", "risk, one line for all")


def documented(simulated: pd.DataFrame) -> tuple[str, str]:
    """The simulation as two tables of a page: decisions with errors, and coverage."""
    rows = simulated.to_dict("records")
    truth, errors = (
        ("true_intercept", "true_slope"),
        ("error_before", "error_after", "error_after_95"),
    )
    decided = [
        [
            row["shift"],
            *(number(row[one]) for one in truth),
            f"{row['cases']:,}",
            *(percent(row[one]) for one in DECISIONS),
            *(number(row[one], 1) for one in errors),
        ]
        for row in rows
    ]
    held = [[row["shift"], f"{row['cases']:,}", *(percent(row[one]) for one in COVERED)] for row in rows]
    return _markdown(DECIDED, decided), _markdown(HELD, held)


def _markdown(header: Sequence[str], rows: list[list[Any]]) -> str:
    aligned = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (header, aligned, *rows))


def main() -> None:
    """Simulate, and write the CSV."""
    if len(sys.argv) != 3:
        sys.exit("python -m pipeline.updated_sites BUNDLE_FOLDER CSV")
    write_table(table(RiskPredictor.load(Path(sys.argv[1]))), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
