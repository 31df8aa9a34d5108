"""Lesions, their support and the plan, one case at a time in plain Python loops, straight from the tables.

It computes what `features/lesion_pain.py`, `features/support.py` and `features/plan.py` compute over arrays, and
shares no code with them. A record is a mapping of variable to value; what is absent, None or NaN is not recorded.
"""

from __future__ import annotations

import csv
import itertools
import math
from functools import cache
from pathlib import Path

KNOWLEDGE = Path(__file__).resolve().parents[2] / "features" / "knowledge"
LEVELS = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")
SIDES = ("left", "right")
ROOTS = ("l1", "l2", "l3", "l4", "l5", "s1", "s2")
CANAL = ("central", "paracentral", "paracentral_up", "paracentral_down")
FORAMEN = ("foraminal", "far_lateral")
REGIONS = (
    "low_back", "buttock", "groin", "lateral_hip", "anterior_thigh", "medial_thigh", "lateral_thigh",
    "posterior_thigh", "knee", "medial_leg", "lateral_leg", "posterior_leg", "foot_dorsum", "foot_lateral",
    "foot_sole",
)  # fmt: skip
PLACES = [(region, side) for region in REGIONS for side in SIDES]
SITES = [
    (level, zone, side)
    for level in LEVELS
    for zone in (*CANAL, *FORAMEN, "disc", "facet")
    for side in ((None,) if zone in ("central", "disc", "facet") else SIDES)
]


@cache
def table(name):
    with (KNOWLEDGE / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def reach():
    return {(r["level"], r["zone"], r["root"]): float(r["reach"]) for r in table("root_reach")}


@cache
def territory():
    return {(r["pain_source"], r["region"]): float(r["share"]) for r in table("territories")}


@cache
def variables():
    return {r["name"] for r in table("variables")}


@cache
def prevalence():
    found = {}
    for fact in table("asymptomatic_prevalence"):
        found.setdefault(fact["finding"], []).append((float(fact["age_years"]), float(fact["prevalence"])))
    return {finding: sorted(points) for finding, points in found.items()}


def recorded(record, name):
    value = record.get(name)
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


def prevalence_at(finding, age):
    points = prevalence()[finding]
    if age is None:
        return sum(share for _, share in points) / len(points)
    if age <= points[0][0]:
        return points[0][1]
    for (young, low), (old, high) in itertools.pairwise(points):
        if age <= old:
            return low + (high - low) * (age - young) / (old - young)
    return points[-1][1]


def place_in_record(row, level, side):
    zone = f"_{row['zone']}" if row["zone"] else ""
    plain = f"{row['item']}_{level}{zone}"
    return plain if plain in variables() else f"{plain}_{side}"


def finding_weight(record, level, zone, side):
    heaviest = 0.0
    for row in table("lesion_weights"):
        if row["site_zone"] == zone and recorded(record, place_in_record(row, level, side)) == float(row["grade"]):
            common = row["prevalence_finding"]
            spared = 1 - prevalence_at(common, recorded(record, "age_years")) if common else 1
            heaviest = max(heaviest, float(row["weight"]) * spared)
    return heaviest


def site_weight(record, level, zone, side):
    if side is None:
        return max(finding_weight(record, level, zone, s) for s in SIDES)
    if not zone.startswith("paracentral"):
        return finding_weight(record, level, zone, side)
    is_fragment = (recorded(record, f"herniation_{level}_paracentral_{side}") or 0) >= 3
    migrated = recorded(record, f"migration_{level}") if is_fragment else None
    lies_in = f"paracentral_{migrated}" if migrated in ("up", "down") else "paracentral"
    return finding_weight(record, level, "paracentral", side) if zone == lies_in else 0.0


def felt(site, region, side):
    level, zone, site_side = site
    if site_side not in (None, side):
        return 0.0
    if zone in ("disc", "facet"):
        return territory().get((zone, region), 0.0)
    silent = 1.0
    for root in ROOTS:
        silent *= 1 - reach().get((level, zone, root), 0.0) * territory().get((root, region), 0.0)
    return 1 - silent


def reported_pain(record):
    return {place: recorded(record, f"pain_{place[0]}_{place[1]}") or 0.0 for place in PLACES}


def is_defined(record):
    names = {place_in_record(row, level, side) for row in table("lesion_weights") for level in LEVELS for side in SIDES}
    return any(recorded(record, name) is not None for name in names) and sum(reported_pain(record).values()) > 0


def site_weights(record):
    return {site: site_weight(record, *site) for site in SITES}


def share_of(pain, covered):
    return sum(pain[place] * covered[place] for place in pain) / sum(pain.values())


def share_alone(pain, site, weight):
    return share_of(pain, {place: weight * felt(site, *place) for place in pain})


def share_together(pain, weights):
    covered = {}
    for place in pain:
        uncovered = 1.0
        for site, weight in weights.items():
            uncovered *= 1 - weight * felt(site, *place)
        covered[place] = 1 - uncovered
    return share_of(pain, covered)


def sign_balance(record):
    """By (root, side): what positive signs say for it, at most ln 20, less what is missing of blocks and EMG."""
    found = {(root, side): 0.0 for root in ROOTS for side in SIDES}
    against = dict(found)
    for row in table("root_signs"):
        for side in SIDES:
            root = f"_{row['tested_root']}" if row["tested_root"] else ""
            value = recorded(record, f"{row['item']}{root}_{side}")
            if value is None:
                continue
            other = "left" if side == "right" else "right"
            felt_on = other if row["item"] == "crossed_slr" else side
            if value <= float(row["threshold"]) if row["rule"] == "<=" else value >= float(row["threshold"]):
                found[row["root"], felt_on] += float(row["weight"])
            else:
                against[row["root"], felt_on] += float(row["weight_against"])
    if any(recorded(record, name) == 1 for name in ("has_polyneuropathy", "has_stocking_numbness")):
        shared = {root: min(found[root, side] for side in SIDES) for root in ROOTS}
        found = {(root, side): weight - shared[root] for (root, side), weight in found.items()}
    return {place: min(found[place], math.log(20)) - against[place] for place in found}


def of_site(balance, site):
    level, zone, site_side = site
    return sum(
        weight * reach().get((level, zone, root), 0.0)
        for (root, side), weight in balance.items()
        if site_side in (None, side)
    )


def log_drawing(marks, felt_at):
    log = 0.0
    for place, mark in marks.items():
        chance = 0.1 + 0.8 * felt_at(place)
        log += mark * math.log(chance) + (1 - mark) * math.log(1 - chance)
    return log


def supports(record, mimic_odds):
    """Support of every site, of every (mimic, side), and of None, something else."""
    pain, balance = reported_pain(record), sign_balance(record)
    marks = {place: intensity / max(pain.values()) for place, intensity in pain.items()}
    share = min(max(sum(marks.values()), 0.5), 29.5) / 30
    unknown = 30 * (share * math.log(share) + (1 - share) * math.log(1 - share))
    evidence_of = {None: 0.1 * math.exp(unknown / 2)}
    for site, weight in site_weights(record).items():
        if any(felt(site, *place) > 0 and pain[place] > 0 for place in PLACES):
            log = log_drawing(marks, lambda place, site=site: felt(site, *place)) / 2 + of_site(balance, site)
            evidence_of[site] = weight / (1 - weight) * math.exp(log)
    for (mimic, side), odds in mimic_odds.items():

        def felt_at(place, mimic=mimic, side=side):
            return territory().get((mimic, place[0]), 0.0) if place[1] == side else 0.0

        if any(felt_at(place) > 0 and pain[place] > 0 for place in PLACES):
            evidence_of[mimic, side] = odds * math.exp(log_drawing(marks, felt_at) / 2)
    everything = sum(evidence_of.values())
    return {candidate: value / everything for candidate, value in evidence_of.items()}


def is_reached(record, site):
    level, zone, site_side = site
    if zone in ("disc", "facet"):
        return (recorded(record, f"planned_fusion_{level}") or 0) > 0
    sides = SIDES if site_side is None else (site_side,)
    is_opened = any((recorded(record, f"planned_decompression_{level}_{side}") or 0) > 0 for side in sides)
    opened = recorded(record, "planned_zone") or "canal"
    return is_opened and opened in ("both", "foramen" if zone in FORAMEN else "canal")


def has_plan(record):
    names = [f"planned_fusion_{level}" for level in LEVELS]
    names += [f"planned_decompression_{level}_{side}" for level in LEVELS for side in SIDES]
    return any((recorded(record, name) or 0) > 0 for name in names)


def lesion_numbers(record, mimic_odds):
    """What the arrays call by the same names; None where it is undefined."""
    if not is_defined(record):
        names = ("share_best_lesion", "share_all_lesions", "support_best_lesion", "plan_share", "plan_support")
        return dict.fromkeys(names)
    pain, weights = reported_pain(record), site_weights(record)
    weights = {site: weight for site, weight in weights.items() if weight > 0}
    support = supports(record, mimic_odds)
    reached = {site: weight for site, weight in weights.items() if is_reached(record, site)}
    return {
        "share_best_lesion": max((share_alone(pain, *entry) for entry in weights.items()), default=0.0),
        "share_all_lesions": share_together(pain, weights),
        "support_best_lesion": max((support.get(site, 0.0) for site in weights), default=0.0),
        "plan_share": share_together(pain, reached) if has_plan(record) else None,
        "plan_support": sum(support.get(site, 0.0) for site in reached) if has_plan(record) else None,
    }
