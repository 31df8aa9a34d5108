"""Each published figure against the registry's, with a verdict; nothing is weighed, and no miss is left out.

A figure agrees when the registry's estimate lies in the published interval or range; where none was
published, when it lies within 10 % of the published value. It is not measured where the record lacks
what it asks for; that counts neither way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.findings import Floats
from models.metrics import Estimate, not_estimable
from pipeline.fidelity.expressions import answers, columns_of, parts
from pipeline.fidelity.measures import MEASURES, Asked
from pipeline.fidelity.quantities import PREDICTOR_SETS

TOLERANCE = 0.10
"""Of the published value, where no interval was published."""
AGREES, MISSES, NOT_MEASURED = "agrees", "misses", "not measured"
ROUNDING = 1e-9
"""Dust of binary fractions, so that an estimate at the limit counts as within."""
COLUMNS = (
    "id", "topic", "what", "measure", "published", "published_low", "published_high", "published_n", "agrees_from",
    "agrees_to", "registry", "registry_low", "registry_high", "cases", "verdict", "distance", "relative_distance",
    "chance_explains", "reason", "source", "status", "note",
)  # fmt: skip


def fidelity_table(targets: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """One row a published figure: what was published, what the registry has, and the verdict.

    Parameters
    ----------
    targets : DataFrame
        As `targets.published_targets` reads them.
    cases : DataFrame
        As `quantities.measurable` makes them.

    Returns
    -------
    DataFrame
        `COLUMNS`. `agrees_from` and `agrees_to` are where a figure agrees; `distance` is how far the registry's
        lies beyond (below 0: too low; 0 within), in the figure's unit, and `relative_distance` the same as a
        share of the published value. `chance_explains` is 1 for a miss whose 95 % interval reaches back.
    """
    rows = [judged(target, *measured(target, cases)) for target in targets.to_dict("records")]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def measured(target: dict[str, Any], cases: pd.DataFrame) -> tuple[Estimate, int]:
    """The registry's figure with its interval, and of how many cases."""
    given = [term for part in parts(target["given"]) for term in PREDICTOR_SETS.get(part, (part,))]
    wanted = [target["of"], *filter(None, [target["by"], target["where"]]), *given]
    needed = dict.fromkeys(name for expression in wanted for name in columns_of(expression))
    absent = [name for name in needed if name not in cases.columns]
    if absent:
        return not_estimable(f"the cases have no {', '.join(absent)}"), 0
    asked_of = cases[[*dict.fromkeys([*needed, "patient_id"])]]  # all 500 columns would be copied for each figure
    chosen = asked_of[answers(asked_of, target["where"]) == 1] if target["where"] else asked_of
    of = answers(chosen, target["of"])
    by = answers(chosen, target["by"]) if target["by"] else np.zeros(len(chosen))
    others = np.column_stack([answers(chosen, term) for term in given]) if given else np.zeros((len(chosen), 0))
    if target["measure"] == "auroc_of_predictors":
        others = _filled(others)
    known = ~np.isnan(np.column_stack([of, by, others])).any(axis=1)
    patient = pd.factorize(chosen["patient_id"])[0]
    asked = Asked(of[known], by[known], others[known], patient[known], float(target["at"]))
    return MEASURES[target["measure"]].function(asked), int(known.sum())


def judged(target: dict[str, Any], estimate: Estimate, n: int) -> dict[str, Any]:
    """The row of a figure: as published, as measured, verdict and distance."""
    low, high = agreeing_range(target["value"], target["low"], target["high"])
    row: dict[str, Any] = {
        name: target[name] for name in ("id", "topic", "what", "measure", "source", "status", "note")
    }
    row |= {"published": target["value"], "published_low": target["low"], "published_high": target["high"]}
    row |= {"published_n": target["n"], "agrees_from": low, "agrees_to": high, "cases": n}
    row |= {"registry": estimate.estimate, "registry_low": estimate.lower, "registry_high": estimate.upper}
    if estimate.estimate is None:
        return row | {"verdict": NOT_MEASURED, "reason": estimate.reason}
    distance = estimate.estimate - min(max(estimate.estimate, low), high)
    if abs(distance) <= ROUNDING * max(abs(low), abs(high)):
        return row | {"verdict": AGREES, "distance": 0.0, "relative_distance": 0.0, "chance_explains": 0.0}
    centre = (low + high) / 2 if np.isnan(target["value"]) else target["value"]
    reaches = estimate.lower is not None and estimate.upper is not None
    reaches = reaches and bool(estimate.lower <= high and estimate.upper >= low)  # type: ignore[operator]
    return row | {
        "verdict": MISSES,
        "distance": distance,
        "relative_distance": distance / abs(centre) if centre else np.nan,
        "chance_explains": float(reaches),
    }


def agreeing_range(value: float, low: float, high: float) -> tuple[float, float]:
    """Where the registry's figure agrees: the published interval or range, or else 10 % around the value.

    Examples
    --------
    >>> agreeing_range(2.1, 1.9, 2.2)
    (1.9, 2.2)
    >>> agreeing_range(-40.0, float("nan"), float("nan"))
    (-44.0, -36.0)
    """
    if not np.isnan(low):
        return float(low), float(high)
    margin = TOLERANCE * abs(value)
    return float(value - margin), float(value + margin)


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """How many figures agree, in all and by topic.

    `share_agreeing` is of those measured, None where none is; `missed_beyond_chance` are those whose
    interval does not reach what was published.
    """
    topics = {str(topic): _counts(rows) for topic, rows in table.groupby("topic", sort=False)}
    return {**_counts(table), "topics": topics}


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    number = {verdict: int((rows["verdict"] == verdict).sum()) for verdict in (AGREES, MISSES, NOT_MEASURED)}
    compared = number[AGREES] + number[MISSES]
    beyond = int(((rows["verdict"] == MISSES) & (rows["chance_explains"] == 0)).sum())
    return {
        "figures": len(rows),
        "measured": compared,
        "agree": number[AGREES],
        "miss": number[MISSES],
        "missed_beyond_chance": beyond,
        "not_measured": number[NOT_MEASURED],
        "share_agreeing": round(number[AGREES] / compared, 4) if compared else None,
    }


def _filled(predictors: Floats) -> Floats:
    """Predictors with their median where not recorded: published models, too, were used on records with gaps."""
    return np.where(np.isnan(predictors), np.nanmedian(predictors, axis=0), predictors)
