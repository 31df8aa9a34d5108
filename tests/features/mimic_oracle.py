"""The mimics of one case at a time, in plain Python loops, straight from the tables.

It computes what `features/mimics.py` and `features/next_test.py` compute over arrays, and shares no code with
them. A record is a mapping of variable to number; what is absent, None or NaN is not recorded.
"""

from __future__ import annotations

import csv
import itertools
import math
from functools import cache
from pathlib import Path

from scipy.optimize import brentq

KNOWLEDGE = Path(__file__).resolve().parents[2] / "features" / "knowledge"
MIMICS = ("sacroiliac", "piriformis", "hip")
FLAGGED = ("other_hip_disease", "trochanteric_pain", "vascular_claudication", "peripheral_neuropathy")
ROLES = ("cluster", "single", "background", "block")
SIDES = ("left", "right")
REGIONS = (
    "low_back", "buttock", "groin", "lateral_hip", "anterior_thigh", "medial_thigh", "lateral_thigh",
    "posterior_thigh", "knee", "medial_leg", "lateral_leg", "posterior_leg", "foot_dorsum", "foot_lateral",
    "foot_sole",
)  # fmt: skip


@cache
def table(name):
    with (KNOWLEDGE / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def recorded(record, name):
    value = record.get(name)
    return None if value is None or math.isnan(value) else float(value)


def pain(record, region, side):
    """None where nothing at all is drawn, 0 where this region is not marked."""
    marks = [recorded(record, f"pain_{r}_{s}") for r in REGIONS for s in SIDES]
    if all(mark is None for mark in marks):
        return None
    return recorded(record, f"pain_{region}_{side}") or 0.0


def all_pain(record, side):
    return sum(pain(record, region, side) or 0.0 for region in REGIONS)


def is_true(value, rule, threshold):
    threshold = float(threshold)
    return {">=": value >= threshold, "<=": value <= threshold, ">": value > threshold, "<": value < threshold}[rule]


def prior(record, mimic, side, priors):
    total = sum(all_pain(record, s) for s in SIDES)
    if total == 0:
        return priors[mimic] * 0.5
    return priors[mimic] * max(all_pain(record, side) / max(all_pain(record, s) for s in SIDES), 0.1)


def as_probability(odds):
    return min(max(odds / (1 + odds), 1e-9), 1 - 1e-9)


@cache
def clusters_of(mimic, role):
    return [row for row in table("mimic_clusters") if (row["mimic"], row["role"]) == (mimic, role)]


@cache
def tests_of(mimic, cluster):
    return [row for row in table("mimic_items") if (row["mimic"], row["cluster"]) == (mimic, cluster)]


def ratios_of(row):
    n = float(row["n"] or 0)
    cap = 5.0 if n < 50 else 10.0 if n < 100 else 20.0
    positive = min(float(row["lr_positive"]), cap) if row["lr_positive"] else 1.0
    negative = max(float(row["lr_negative"]), 1 / cap) if row["lr_negative"] else 1.0
    return positive, negative


def results(record, row, side):
    """Of each test of a cluster: True, False, or None where it was not done."""
    found = []
    for test in tests_of(row["mimic"], row["cluster"]):
        name = test["item"] if row["role"] == "background" else f"{test['item']}_{side}"
        value = recorded(record, name)
        found.append(None if value is None else is_true(value, test["rule"], test["threshold"]))
    return found


def state(found, needed):
    """True positive, False negative, None undecided."""
    positive, undone = found.count(True), found.count(None)
    if positive >= needed:
        return True
    return False if positive + undone < needed else None


def counting(record, mimic, role, side):
    """The cluster that counts in a role, with its ratio; (None, 1) where the mimic has none."""
    fullest, best = -1.0, None
    for row in clusters_of(mimic, role):
        found = results(record, row, side)
        decided = state(found, int(row["positives_needed"]))
        if decided is not None:
            return row, ratios_of(row)[0 if decided else 1]
        completeness = (len(found) - found.count(None)) / len(found)
        if completeness > fullest:
            best, fullest = row, completeness
    return best, 1.0


def ratio_of_all(record, mimic, side):
    return math.prod(counting(record, mimic, role, side)[1] for role in ROLES)


def odds(record, mimic, side, priors):
    before = prior(record, mimic, side, priors)
    return before / (1 - before) * ratio_of_all(record, mimic, side)


def tested_odds(record, mimic, side, priors):
    before = priors[mimic] / 2
    return before / (1 - before) * ratio_of_all(record, mimic, side)


def probability(record, mimic, side, priors):
    return as_probability(odds(record, mimic, side, priors))


EXAMINED = ("cluster", "single")


def items_of(mimic, roles=EXAMINED):
    return list(
        dict.fromkeys(
            t["item"] for role in roles for c in clusters_of(mimic, role) for t in tests_of(mimic, c["cluster"])
        )
    )


def undone_items(record, mimic, side):
    return [item for item in items_of(mimic) if recorded(record, f"{item}_{side}") is None]


def tests_done(record, mimic, side):
    return sum(recorded(record, f"{item}_{side}") is not None for item in items_of(mimic, (*EXAMINED, "block")))


def telling_values(mimic, item):
    """One value of an item for each way in which its tests can come out."""
    tests = [
        (t["rule"], float(t["threshold"])) for t in table("mimic_items") if (t["mimic"], t["item"]) == (mimic, item)
    ]
    by_pattern = {}
    for value in itertools.chain.from_iterable((threshold - 1, threshold, threshold + 1) for _, threshold in tests):
        by_pattern.setdefault(tuple(is_true(value, rule, threshold) for rule, threshold in tests), value)
    return list(by_pattern.values())


def completions(record, mimic, side):
    """The record with every undone test of a mimic on a side done, in every way in which they could come out."""
    undone = undone_items(record, mimic, side)
    for values in itertools.product(*(telling_values(mimic, item) for item in undone)):
        yield dict(record) | {f"{item}_{side}": value for item, value in zip(undone, values, strict=True)}


def bounds_by_brute_force(record, mimic, side, priors):
    found = [probability(done, mimic, side, priors) for done in completions(record, mimic, side)]
    now = probability(record, mimic, side, priors)
    return min([now, *found]), max([now, *found])


def bounds(record, mimic, side, priors):
    """The same by thought: with all done the first cluster of each role counts, whatever else is recorded."""
    before = prior(record, mimic, side, priors)
    low = high = before / (1 - before)
    for role in ("background", "block"):
        low = high = low * counting(record, mimic, role, side)[1]
    for role in EXAMINED:
        for row in clusters_of(mimic, role)[:1]:
            decided = state(results(record, row, side), int(row["positives_needed"]))
            positive, negative = ratios_of(row)
            low *= positive if decided is True else negative
            high *= negative if decided is False else positive
    now = odds(record, mimic, side, priors)
    return as_probability(min(now, low)), as_probability(max(now, high))


def territory(source, region):
    rows = [row for row in table("territories") if (row["pain_source"], row["region"]) == (source, region)]
    return float(rows[0]["share"]) if rows else 0.0


def share(record, source, side):
    """Share of the reported pain in a territory; NaN of no pain."""
    total = sum(all_pain(record, s) for s in SIDES)
    if total == 0:
        return math.nan
    return sum((pain(record, region, side) or 0.0) * territory(source, region) for region in REGIONS) / total


def flag(record, mimic, side):
    """1 where a rule holds, 0 where one was decided and none holds, NaN where none was decided."""
    rules = {}
    for row in table("mimic_rules"):
        if row["mimic"] == mimic:
            rules.setdefault(row["alternative"], []).append(holds(record, row, side))
    if any(all(conditions) for conditions in rules.values()):
        return 1.0
    return 0.0 if any(False in conditions for conditions in rules.values()) else math.nan


def holds(record, row, side):
    """True, False, or None where it is not recorded."""
    looked_at = {"own": side, "other": SIDES[1 - SIDES.index(side)]}.get(row["side"])
    if row["item"] == "pain":
        value = pain(record, row["region"], looked_at)
    else:
        value = recorded(record, f"{row['item']}_{looked_at}" if looked_at else row["item"])
    return None if value is None else is_true(value, row["rule"], row["threshold"])


def expected_change(record, row, side, priors):
    """How far one cluster or test, done to the end, would move the probability; NaN where it would not count."""
    mimic, role = row["mimic"], row["role"]
    found, needed = results(record, row, side), int(row["positives_needed"])
    if state(found, needed) is not None or would_not_count(record, row, side):
        return math.nan
    before = probability(record, mimic, side, priors)
    rest = odds(record, mimic, side, priors) / counting(record, mimic, role, side)[1]
    if row["sensitivity"]:
        sensitivity, specificity = float(row["sensitivity"]), float(row["specificity"])
    else:
        positive, negative = float(row["lr_positive"]), float(row["lr_negative"])
        specificity = (positive - 1) / (positive - negative)
        sensitivity = 1 - negative * specificity
    chances = [positive_from_here(tuple(found), needed, round(whole, 12)) for whole in (sensitivity, 1 - specificity)]
    is_positive = before * chances[0] + (1 - before) * chances[1]
    after = [as_probability(rest * ratio) for ratio in ratios_of(row)]
    return is_positive * abs(after[0] - before) + (1 - is_positive) * abs(after[1] - before)


def would_not_count(record, row, side):
    """An earlier cluster of its role is decided, or complete once this one is."""
    mine = {test["item"] for test in tests_of(row["mimic"], row["cluster"])}
    alike = clusters_of(row["mimic"], row["role"])
    for other in alike[: alike.index(row)]:
        undone = {
            test["item"]
            for test in tests_of(row["mimic"], other["cluster"])
            if recorded(record, f"{test['item']}_{side}") is None
        }
        if undone <= mine or state(results(record, other, side), int(other["positives_needed"])) is not None:
            return True
    return False


@cache
def positive_from_here(found, needed, of_whole):
    """Chance that the tests not done make a cluster positive, outcome by outcome."""
    each = brentq(lambda chance: all_outcomes((None,) * len(found), needed, chance) - of_whole, 0, 1, xtol=1e-14)
    return all_outcomes(found, needed, each)


def all_outcomes(found, needed, each):
    total = 0.0
    for outcome in itertools.product((True, False), repeat=found.count(None)):
        if found.count(True) + sum(outcome) >= needed:
            total += math.prod(each if result else 1 - each for result in outcome)
    return total


def actions():
    """(row of the table, side) of every single test and cluster, one side after the other."""
    rows = [row for row in table("mimic_clusters") if row["role"] in EXAMINED]
    return [(row, side) for side in SIDES for row in rows]


def mimic_numbers(record, priors):
    """All that the builder says of one case: by (mimic, side), and the expected change by action."""
    places = list(itertools.product(MIMICS, SIDES))
    chance = {(m, s): probability(record, m, s, priors) for m, s in places}
    changes = [expected_change(record, row, side, priors) for row, side in actions()]
    felt = {(m, s): share(record, m, s) for m, s in places}
    by_action = [felt[row["mimic"], side] for row, side in actions()]
    return {
        "probability": chance,
        "tested_odds": {(m, s): tested_odds(record, m, s, priors) for m, s in places},
        "territory_shares": felt,
        "lower": {(m, s): bounds(record, m, s, priors)[0] for m, s in places},
        "upper": {(m, s): bounds(record, m, s, priors)[1] for m, s in places},
        "tests_done": {(m, s): tests_done(record, m, s) for m, s in places},
        "shares": {place: chance[place] * felt[place] for place in places},
        "block_flags": {(m, s): flag(record, m, s) for m, s in places},
        "flags": {(m, s): flag(record, m, s) for m, s in itertools.product(FLAGGED, SIDES)},
        "flagged_shares": {(m, s): share(record, m, s) for m, s in itertools.product(FLAGGED, SIDES)},
        "changes": changes,
        "weighted": [
            change * (1.0 if math.isnan(part) else part) for change, part in zip(changes, by_action, strict=True)
        ],
    }
