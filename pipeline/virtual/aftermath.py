"""What happens after the operation: lapses present from the start, and events that compete in time.

A lapse (a retained fragment, bone left beside the root) leaves no good interval. Of the events of
tables/later_events.csv the first that comes ends a good interval, at a pace that its row tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pipeline.virtual.choice import PROCEDURES, Plan
from pipeline.virtual.draws import happens, picked
from pipeline.virtual.effects import Effects, log_ratio
from pipeline.virtual.facts import facts

HORIZONS = np.array([0.0, 3.0, 12.0, 24.0, 60.0])
"""Months at which the table gives cumulative shares; the hazard between two of them is even."""
NO_EVENT = -1


@dataclass(frozen=True)
class Hazards:
    """What may happen to each case, by its predictors and operation."""

    at_once: np.ndarray
    """(n, event) chance of a lapse."""
    between: np.ndarray
    """(n, interval, event) cumulative hazard within each interval between two HORIZONS."""


@dataclass(frozen=True)
class Aftermath:
    lapse: np.ndarray
    """(n,) place in EVENTS of the lapse, NO_EVENT without."""
    event: np.ndarray
    """(n,) place in EVENTS of the first event within five years, NO_EVENT without."""
    onset_months: np.ndarray
    """(n,) when it comes; infinite without."""
    lost_at_once: np.ndarray
    """(n,) relief lost by the lapse, as a share of disability."""
    lost_later: np.ndarray
    """(n,) relief lost once the event came."""


def event_names() -> tuple[str, ...]:
    return tuple(facts("later_events")["event"])


def event_numbers(quantity: str) -> np.ndarray:
    """(event,) one column of the table."""
    return facts("later_events")[quantity].to_numpy(dtype=float)


def hazards(effects: Effects, plan: Plan, present: dict[str, np.ndarray]) -> Hazards:
    """Baseline shares of the table, times the ratio of each case's predictors, where it is at risk at all."""
    table = facts("later_events")
    at_risk = np.stack([is_at_risk(plan, group) for group in table["at_risk"]], axis=1)
    ratio = np.stack([np.exp(log_ratio(effects, name, present)) * np.ones(len(plan.level)) for name in table["event"]])
    # Ratios are about those of the usual patient; the published shares are of all.
    factor = at_risk * ratio.T / event_numbers("mean_ratio")
    at_once = event_numbers("at_once")
    shares = np.stack([event_numbers(f"by_{months:.0f}_months") for months in HORIZONS[1:]]) - at_once
    cumulative = -np.log1p(-np.vstack([np.zeros(len(table)), shares]))
    return Hazards(
        at_once=np.clip(at_once * factor, 0, 0.9), between=np.diff(cumulative, axis=0)[None] * factor[:, None]
    )


def is_at_risk(plan: Plan, group: str) -> np.ndarray:
    """(n,) cases of which a group of operations speaks."""
    procedures = {
        "discectomy": ("microdiscectomy", "endoscopic_discectomy"),
        "decompression": ("decompression", "foraminotomy", "decompression_and_fusion"),
        "unfused": ("decompression", "foraminotomy"),
        "opened": PROCEDURES[:5],
        "fused": ("decompression_and_fusion", "fusion"),
    }[group]
    return np.isin(plan.procedure, [PROCEDURES.index(name) for name in procedures])


def aftermath(rng: Generator, risks: Hazards) -> Aftermath:
    """What does happen to each case."""
    n = len(risks.at_once)
    lapses = happens(rng, risks.at_once)
    lapse = np.where(lapses.any(axis=1), lapses.argmax(axis=1), NO_EVENT)
    event, onset = _first_event(rng, risks)
    lost, spread = event_numbers("relief_lost"), event_numbers("relief_lost_sd")
    noise = rng.normal(0, 1, (n, 2))

    def relief_lost(which: np.ndarray, own: np.ndarray) -> np.ndarray:
        return np.where(which == NO_EVENT, 0, lost[which] + spread[which] * own)

    return Aftermath(
        lapse=lapse,
        event=event,
        onset_months=onset,
        lost_at_once=relief_lost(lapse, noise[:, 0]),
        lost_later=relief_lost(event, noise[:, 1]),
    )


def _first_event(rng: Generator, risks: Hazards) -> tuple[np.ndarray, np.ndarray]:
    total = risks.between.sum(axis=2)
    ends = np.cumsum(total, axis=1)
    own = rng.exponential(1, len(total))
    interval = (own[:, None] > ends).sum(axis=1)
    happened = interval < total.shape[1]
    place = np.minimum(interval, total.shape[1] - 1)
    case = np.arange(len(total))
    within = total[case, place]
    along = (own - (ends[case, place] - within)) / np.where(within > 0, within, 1)
    months = HORIZONS[place] + along * np.diff(HORIZONS)[place]
    # Those without any hazard get an even choice, of which nothing comes.
    event = picked(rng, np.where(within[:, None] > 0, risks.between[case, place], 1.0))
    return np.where(happened, event, NO_EVENT), np.where(happened, months, np.inf)


def chance_by(risks: Hazards, months: float) -> np.ndarray:
    """(n, event) chance that this event comes first, and by then.

    `months` is one of the HORIZONS.
    """
    last = int(np.searchsorted(HORIZONS, months))
    total = risks.between.sum(axis=2)
    reached = np.exp(-(np.cumsum(total, axis=1) - total))[:, :last]
    some = -np.expm1(-total[:, :last]) / np.where(total[:, :last] > 0, total[:, :last], 1)
    return np.einsum("ni,nik->nk", reached * some, risks.between[:, :last])


def chance_operated_by(risks: Hazards, months: float, delay: np.ndarray) -> np.ndarray:
    """(n, event) the same, and that an exponential delay after it has passed by then.

    `months` is one of the HORIZONS; `delay` holds the mean delay in months of each event.
    """
    last = int(np.searchsorted(HORIZONS, months))
    total = risks.between.sum(axis=2)
    reached = np.exp(-(np.cumsum(total, axis=1) - total))
    chance = chance_by(risks, months)
    for place in range(last):
        width = np.diff(HORIZONS)[place]
        rate = total[:, place, None] / width - 1 / delay
        rate = np.where(np.abs(rate) < 1e-9, 1e-9, rate)
        waiting = np.exp(-(months - HORIZONS[place]) / delay) * -np.expm1(-rate * width) / rate
        chance = chance - reached[:, place, None] * risks.between[:, place] / width * waiting
    return chance
