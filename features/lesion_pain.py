"""Does this lesion explain this pain? The first clinical feature builder.

The cores take and return named arrays over (case, site) and (case, region, side). A source explains a
share of the reported pain; the best single lesion is what counts, because a worn spine taken together
explains everything. Nothing recorded is never read as nothing there: without a drawing, or without a
scan that was read, every share is undefined (NaN), while a drawing with a scan on which there is no
lesion is explained to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from features.anatomy import IS_AXIAL, SITE_SIDES, SITES, root_reach, site_territory
from features.axes import LEG_REGIONS, LEVELS, REGIONS, ROOTS, SIDES
from features.errors import KnowledgeError
from features.findings import Findings, Floats
from features.knowledge_tables import knowledge_table, refuse_duplicates

DECIMALS = 9
"""Shares are rounded here, so that ties fall alike whatever the order in which sums were taken."""
N_GRADES = 6
N_PLACES = len(REGIONS) * len(SIDES)
SOURCE_THRESHOLD = 0.3
"""A site with less weight than this is not taken for a source of leg pain (a bulge, a grade 1 recess)."""
LEG_PAIN_THRESHOLD = 0.2
"""Pain is axial when less than this share of it is felt below the buttock."""


@dataclass(frozen=True)
class LesionPain:
    """What the lesions of n cases explain of their pain. Shares lie in [0, 1]; NaN is undefined."""

    has_drawing: np.ndarray
    """(n,) bool: any region of the drawing is recorded."""
    has_scan: np.ndarray
    """(n,) bool: any finding at any level is recorded."""
    weights: Floats
    """(n, n_sites): how reliable a source each site is, given its findings and the age; 0 is no finding."""
    shares: Floats
    """(n, n_sites): pain explained by each site alone."""
    best_site: np.ndarray
    """(n,) int: the site that explains most; -1 where none does."""
    share_best: Floats
    share_all: Floats
    second_share: Floats
    """The most that a site at another level or side explains."""
    ambiguity: Floats
    """Second over best; 0 where nothing else explains anything."""
    parsimony: Floats
    """Best over all: 1 when one lesion explains whatever is explained."""
    expected_not_felt: Floats
    """Part of the best site's territory in which nothing is felt."""
    side_agreement: Floats
    """Share of the leg pain felt on the sides that the best site reaches."""
    sign_agreement: Floats
    """Share of the positive root signs that fit the best site."""
    signs_positive: Floats
    signs_examined: Floats
    axial_degeneration_only: Floats
    """1 when the pain is axial and the scan shows degeneration without a lesion that reaches a root."""


def reported_pain(findings: Findings) -> tuple[Floats, np.ndarray]:
    """Pain by region and side, 0 where unmarked, and whether there is a drawing at all."""
    pain = findings.grid("pain", "region", "side")
    has_drawing = np.asarray(~np.isnan(pain).all(axis=(1, 2)))
    return np.nan_to_num(pain, nan=0.0), has_drawing


def widespread_pain(findings: Findings) -> Floats:
    """Share of the upper-body regions in which pain is drawn; NaN without a drawing."""
    upper = findings.grid("upper_pain", "upper_region", "side")
    lower = findings.grid("pain", "region", "side")
    has_drawing = ~(np.isnan(upper).all(axis=(1, 2)) & np.isnan(lower).all(axis=(1, 2)))
    marked = (np.nan_to_num(upper, nan=0.0) > 0).mean(axis=(1, 2))
    return np.where(has_drawing, marked, np.nan)


def age_factor(age_years: Floats, finding: str) -> Floats:
    """1 less the prevalence of a finding at that age among people without pain: (n,) in [0, 1].

    Ages between decades are interpolated, ages beyond the studies take the nearest; an unrecorded age
    takes the mean over the decades.
    """
    ages, prevalence = _prevalence(finding)
    known = np.interp(np.nan_to_num(age_years, nan=ages[0]), ages, prevalence)
    return 1 - np.where(np.isnan(age_years), prevalence.mean(), known)


@cache
def _prevalence(finding: str) -> tuple[Floats, Floats]:
    table = knowledge_table("asymptomatic_prevalence")
    refuse_duplicates(table, "asymptomatic_prevalence", ["finding", "age_years"])
    rows = table[table["finding"] == finding].sort_values("age_years")
    if rows.empty:
        raise KnowledgeError(f"asymptomatic_prevalence.csv has no {finding}, which lesion_weights.csv names.")
    return rows["age_years"].to_numpy(np.float64), rows["prevalence"].to_numpy(np.float64)


@cache
def _weight_rows() -> tuple[tuple[str, str, str, Floats, tuple[str, ...]], ...]:
    """Each finding as (item, zone of the record, zone of the site, weight by grade, prevalence by grade)."""
    table = knowledge_table("lesion_weights")
    refuse_duplicates(table, "lesion_weights", ["item", "zone", "site_zone", "grade"])
    if not table["weight"].between(0, 1).all():
        raise KnowledgeError("lesion_weights.csv: a weight lies outside [0, 1].")
    rows = []
    for (item, zone, site_zone), group in table.fillna("").groupby(["item", "zone", "site_zone"], sort=False):
        weights, prevalence = np.zeros(N_GRADES), [""] * N_GRADES
        for grade, weight, finding in zip(
            group["grade"].astype(int), group["weight"], group["prevalence_finding"], strict=True
        ):
            weights[grade], prevalence[grade] = weight, finding
        rows.append((item, zone, site_zone, weights, tuple(prevalence)))
    return tuple(rows)


def has_scan(findings: Findings) -> np.ndarray:
    """Whether any finding at any level is recorded: (n,) bool. A scan not read is not a normal scan."""
    recorded = [~np.isnan(_finding_grades(findings, item, zone)).all(axis=(1, 2)) for item, zone, *_ in _weight_rows()]
    return np.any(recorded, axis=0)


def site_weights(findings: Findings) -> Floats:
    """How reliable a source of pain each site is: (n_cases, n_sites) in [0, 1].

    The most telling finding at a site counts, each less the more common it is at that age in people
    without pain. A level that was not read weighs nothing: it can explain nothing.
    """
    age = findings.grid("age_years")
    factors: dict[str, Floats] = {}
    by_zone: dict[str, Floats] = {}
    for item, zone, site_zone, weights, prevalence in _weight_rows():
        grades = _finding_grades(findings, item, zone)
        codes = np.nan_to_num(grades, nan=0.0).astype(np.intp)
        weight = weights[codes]
        for finding in {name for name in prevalence if name}:
            factors.setdefault(finding, age_factor(age, finding))
            discounted = np.array([name == finding for name in prevalence])[codes]
            weight = np.where(discounted, weight * factors[finding][:, None, None], weight)
        by_zone[site_zone] = np.maximum(by_zone.get(site_zone, 0.0), weight)
    _move_migrated(by_zone, findings)
    return _on_sites(by_zone)


def _finding_grades(findings: Findings, item: str, zone: str) -> Floats:
    """Grades as (n, n_levels, n_sides), or (n, n_levels, 1) for a finding without a side."""
    if item == "herniation" and zone == "central":
        return findings.grid(item, "level", zone="central")[:, :, None]
    if item == "herniation":
        return findings.grid(item, "level", "side", zone=zone)
    sided = findings.grid(item, "level", "side")
    return sided if not _is_midline(item) else findings.grid(item, "level")[:, :, None]


@cache
def _is_midline(item: str) -> bool:
    from features.dictionary import load_dictionary

    return not any(v.item == item and ("side", "left") in v.coordinates for v in load_dictionary().variables)


def _move_migrated(by_zone: dict[str, Floats], findings: Findings) -> None:
    """Give a migrated fragment its own site: it reaches other roots than one at the disc."""
    grades = findings.grid("herniation", "level", "side", zone="paracentral")
    has_fragment = np.nan_to_num(grades, nan=0.0) >= 3
    fragment_weight = np.where(has_fragment, by_zone["paracentral"], 0.0)
    direction = np.stack([findings.text("migration", level) for level in LEVELS], axis=1)
    for name in ("up", "down"):
        moved = (direction == name)[:, :, None] & has_fragment
        by_zone[f"paracentral_{name}"] = np.where(moved, fragment_weight, 0.0)
        by_zone["paracentral"] = np.where(moved, 0.0, by_zone["paracentral"])


def _on_sites(by_zone: dict[str, Floats]) -> Floats:
    columns = []
    for site in SITES:
        weight = by_zone[site.zone][:, LEVELS.index(site.level), :]
        columns.append(weight.max(axis=1) if site.side is None else weight[:, SIDES.index(site.side)])
    return np.stack(columns, axis=1)


def shares_explained(pain: Floats, weights: Floats, shift: int = 0) -> Floats:
    """Share of the reported pain that each site explains alone: (n, n_sites); NaN where no pain is drawn."""
    territory = site_territory(shift).reshape(len(SITES), N_PLACES)
    total = pain.sum(axis=(1, 2))
    covered = pain.reshape(len(pain), N_PLACES) @ territory.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.round(weights * covered / total[:, None], DECIMALS)


def share_explained_together(pain: Floats, weights: Floats, reached: np.ndarray | None = None) -> Floats:
    """Share of the reported pain that the sites explain together, by noisy-or: (n,).

    `reached` (n, n_sites) bool keeps only those sites, such as the ones that the plan reaches.
    """
    territory = site_territory().reshape(len(SITES), N_PLACES)
    reported = pain.reshape(len(pain), N_PLACES)
    kept = weights if reached is None else np.where(reached, weights, 0.0)
    uncovered = np.ones_like(reported)
    for site in np.flatnonzero(kept.any(axis=0)):
        uncovered *= 1 - kept[:, site, None] * territory[site]
    total = reported.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.round((reported * (1 - uncovered)).sum(axis=1) / total, DECIMALS)


def root_signs(findings: Findings) -> tuple[Floats, Floats, Floats]:
    """Evidence from the examination for each root: (n, n_roots, n_sides), positive signs, signs done.

    A test not done is no evidence either way. A crossed straight leg raise speaks for the other side.
    """
    evidence = np.zeros((findings.n_cases, len(ROOTS), len(SIDES)))
    positive, examined = np.zeros(findings.n_cases), np.zeros(findings.n_cases)
    table = knowledge_table("root_signs")
    refuse_duplicates(table, "root_signs", ["item", "tested_root", "root"])
    counted = set()
    for row in table.fillna({"tested_root": ""}).itertuples():
        fixed = {"root": row.tested_root} if row.tested_root else {}
        values = findings.grid(row.item, "side", **fixed)
        is_positive = values <= row.threshold if row.rule == "<=" else values >= row.threshold
        if row.item == "crossed_slr":
            is_positive = is_positive[:, ::-1]
        evidence[:, ROOTS.index(row.root)] += row.weight * is_positive
        if (row.item, row.tested_root) not in counted:
            counted.add((row.item, row.tested_root))
            positive += is_positive.sum(axis=1)
            examined += (~np.isnan(values)).sum(axis=1)
    return evidence, positive, examined


def lesion_pain(findings: Findings) -> LesionPain:
    """What the lesions explain of the pain, with its parts: see `LesionPain`."""
    pain, has_drawing = reported_pain(findings)
    is_scanned = has_scan(findings)
    pain = np.where((has_drawing & is_scanned)[:, None, None], pain, np.nan)
    weights = site_weights(findings)
    shares = shares_explained(pain, weights)
    is_defined = ~np.isnan(shares).any(axis=1)
    share_best = np.where(is_defined, np.nan_to_num(shares).max(axis=1), np.nan)
    evidence, positive, examined = root_signs(findings)
    best = np.where(share_best > 0, _best_site(shares, share_best, evidence), -1)
    elsewhere = ~_same_place()[best]
    second = np.where(is_defined, (np.nan_to_num(shares) * elsewhere).max(axis=1), np.nan)
    share_all = share_explained_together(pain, weights)
    return LesionPain(
        has_drawing=has_drawing,
        has_scan=is_scanned,
        weights=weights,
        shares=shares,
        best_site=best,
        share_best=share_best,
        share_all=share_all,
        second_share=second,
        ambiguity=_ratio(second, share_best),
        parsimony=_ratio(share_best, share_all),
        expected_not_felt=_expected_not_felt(pain, best),
        side_agreement=_side_agreement(pain, best),
        sign_agreement=_sign_agreement(evidence, best),
        signs_positive=np.where(examined > 0, positive, np.nan),
        signs_examined=examined,
        axial_degeneration_only=_axial_degeneration_only(pain, weights),
    )


def other_numbering_share(findings: Findings, lesions: LesionPain) -> tuple[Floats, Floats]:
    """Whether the numbering of the levels is in doubt (0 or 1), and the best share under the other reading.

    A sacralised L5 makes every root read one lower than it is, a lumbarised S1 one higher; where the
    kind or the numbering is unknown the better of both counts. NaN where the numbering is not in doubt.
    """
    kind, method = findings.text("transitional_vertebra"), findings.text("numbering_method")
    sacralised, lumbarised = kind == "sacralised_l5", kind == "lumbarised_s1"
    doubtful = sacralised | lumbarised | (kind == "unknown") | (method == "unknown")
    pain, _ = reported_pain(findings)
    share = np.full(findings.n_cases, np.nan)
    if doubtful.any():
        readings = [
            np.where(
                applies[doubtful],
                shares_explained(pain[doubtful], lesions.weights[doubtful], shift).max(1),
                0,
            )
            for shift, applies in ((-1, ~lumbarised), (+1, ~sacralised))
        ]
        share[doubtful] = np.maximum(*readings)
    return doubtful.astype(np.float64), np.where(np.isnan(lesions.share_best), np.nan, share)


def _best_site(shares: Floats, share_best: Floats, evidence: Floats) -> np.ndarray:
    """(n,) int: the site that explains most; of equals, as in symmetric stenosis, the one the signs fit."""
    fit = np.einsum("nrs,zrs->nz", evidence, root_reach())
    return np.where(shares == share_best[:, None], 1 + np.round(fit, DECIMALS), 0.0).argmax(axis=1)


def _same_place() -> np.ndarray:
    """(n_sites + 1, n_sites) bool: sites at the same level that share a side; the last row is no site."""
    levels = np.array([site.level for site in SITES])
    same = (levels[:, None] == levels) & (SITE_SIDES[:, None] & SITE_SIDES[None]).any(axis=2)
    return np.vstack([same, np.zeros(len(SITES), dtype=bool)])


def _ratio(part: Floats, whole: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.round(part / whole, DECIMALS)
    return np.where(whole == 0, 0.0, ratio)


def _expected_not_felt(pain: Floats, best: np.ndarray) -> Floats:
    expected = site_territory()[best]
    silent = (expected * (pain == 0)).sum(axis=(1, 2)) / expected.sum(axis=(1, 2))
    return np.where((best >= 0) & ~np.isnan(pain).any(axis=(1, 2)), np.round(silent, DECIMALS), np.nan)


def _side_agreement(pain: Floats, best: np.ndarray) -> Floats:
    leg = pain[:, [REGIONS.index(region) for region in LEG_REGIONS]].sum(axis=1)
    agreeing = (leg * SITE_SIDES[best]).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.round(agreeing / leg.sum(axis=1), DECIMALS)
    return np.where(best >= 0, share, np.nan)


def _sign_agreement(evidence: Floats, best: np.ndarray) -> Floats:
    fitting = (evidence * root_reach()[best]).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.round(fitting / evidence.sum(axis=(1, 2)), DECIMALS)
    return np.where(best >= 0, share, np.nan)


def _axial_degeneration_only(pain: Floats, weights: Floats) -> Floats:
    leg = pain[:, [REGIONS.index(region) for region in LEG_REGIONS]].sum(axis=(1, 2))
    total = pain.sum(axis=(1, 2))
    is_axial = leg < LEG_PAIN_THRESHOLD * total
    reaches_root = (weights[:, ~IS_AXIAL] >= SOURCE_THRESHOLD).any(axis=1)
    is_worn = (weights[:, IS_AXIAL] > 0).any(axis=1)
    return np.where(total > 0, (is_axial & is_worn & ~reaches_root).astype(np.float64), np.nan)
