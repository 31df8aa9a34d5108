"""What contrast MRI, CT, films and blood show at the work-up: never a perfect mark of the cause.

Scar, herniations and narrow places are there in people whose pain has another cause, and what hurts is
overlooked in some. Levels are counted as on the scan before the operation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.axes import LEVELS, SIDES
from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.choice import PROCEDURES
from pipeline.virtual.draws import happens, whole
from pipeline.virtual.facts import constant, fact, facts
from pipeline.virtual.pain_after import CAUSE, Failed, PainAfter, Site, share
from pipeline.virtual.record import grid_columns
from pipeline.virtual.scan import at_counted_level, read_with_error
from pipeline.virtual.sources import both_sides
from pipeline.virtual.spine_after import PARACENTRAL, zones_opened

AGAIN = ("recurrent_herniation", "recurrent_herniation_other_side")
OLD_ENHANCES_MONTHS = 18
"""From which a disc that came out enhances more."""
EARLY_MRI_MONTHS, EARLY_BLOOD_MONTHS, UNITED_MONTHS = 2, 3, 12
MOTION_UNSTABLE, MOTION_UNSTABLE_SD, LEAST_UNSTABLE = 4.4, 1.6, 1.0
"""Millimetres on flexion-extension; 3 to 4 count as unstable, which some instabilities do not reach."""
MOTION_GAMMA = {"usual": (2.2, 0.48), "opened": (2.2, 0.65), "fused": (1.5, 0.3), "not_united": (4.0, 0.7)}
"""Shape and scale in millimetres, assigned."""


@dataclass(frozen=True)
class Sites:
    """(n, level, side) of what was done and of what hurts, on the true levels, where nothing else is said."""

    opened: np.ndarray
    again: np.ndarray
    fragment: np.ndarray
    scar: np.ndarray
    silent: np.ndarray
    """A herniation in an opened canal that does not hurt."""
    bone: tuple[np.ndarray, np.ndarray]
    """Bone left that hurts, in the recess and in the foramen."""
    unstable: np.ndarray
    """(n, level)."""
    not_united: np.ndarray
    """(n, level) non-union that hurts."""


def imaging(
    rng: Generator, failed: Failed, pain: PainAfter, spine: Anatomy, has_contrast: np.ndarray, error: float
) -> dict[str, np.ndarray]:
    """Columns of all imaging and of the blood, as if all had been done; `error` multiplies misreadings."""
    sites = _sites(failed, pain, spine)
    columns = _mri(rng, failed, pain, spine, sites, has_contrast, error)
    return columns | _ct_and_films(rng, failed, pain, sites) | _blood(rng, failed, pain)


def _at(site: Site, here: np.ndarray) -> np.ndarray:
    """(n, level, side) the place of a site in the cases that are here."""
    is_level = np.arange(len(LEVELS)) == site.level[:, None]
    return (here[:, None] & is_level)[:, :, None] & both_sides(site.side)[:, None, :]


def _at_level(places: np.ndarray) -> np.ndarray:
    """(n, level) on either side."""
    return np.asarray(places.any(axis=2))


def _sites(failed: Failed, pain: PainAfter, spine: Anatomy) -> Sites:
    def of(*names: str, zone: int | None = None) -> np.ndarray:
        places = [CAUSE[name] for name in names]
        found = np.zeros((len(pain.main), len(LEVELS), len(SIDES)), dtype=bool)
        for cause, site in ((pain.main, pain.site), (pain.beside, pain.beside_site)):
            here = np.isin(cause, places) & ((zone is None) | (site.zone == zone))
            found |= _at(site, here)
        return found

    canal, foramen = zones_opened(failed)
    again, fragment = of(*AGAIN), of("retained_fragment")
    herniated = spine.herniation[..., list(PARACENTRAL)] >= 2
    return Sites(
        opened=canal | foramen,
        again=again,
        fragment=fragment,
        scar=of("epidural_fibrosis"),
        silent=herniated & canal & ~again & ~fragment,
        bone=(of("residual_stenosis", zone=0), of("residual_stenosis", zone=1)),
        unstable=_at_level(of("instability")),
        not_united=_at_level(of("pseudarthrosis")),
    )


def _chosen(default: float, *cases: tuple[np.ndarray, float | np.ndarray]) -> np.ndarray:
    """A share by the last of the conditions that hold."""
    chosen = np.full(cases[0][0].shape, default)
    for condition, value in cases:
        chosen = np.where(condition, value, chosen)
    return chosen


def _mri(
    rng: Generator,
    failed: Failed,
    pain: PainAfter,
    spine: Anatomy,
    sites: Sites,
    has_contrast: np.ndarray,
    error: float,
) -> dict[str, np.ndarray]:
    lateral = np.stack([spine.herniation[..., slot : slot + 3].max(axis=-1) for slot in PARACENTRAL], axis=-1)
    grades = np.maximum(lateral, spine.herniation[..., :1])
    as_scar, as_disc = _mistaken(rng, sites, has_contrast)
    mass = _mass(rng, sites, lateral, as_scar, as_disc)
    herniation = read_with_error(rng, "herniation", grades, error, 0, 4)
    herniation = np.where(as_scar, np.minimum(herniation, 1), herniation)
    sided = {
        "herniation": np.where(as_disc | mass, np.maximum(herniation, 2), herniation),
        "recess_stenosis": read_with_error(rng, "recess_stenosis", spine.recess, error, 0, 3),
        "foraminal_stenosis": read_with_error(rng, "foraminal_stenosis", spine.foraminal, error, 0, 3),
        "mass_in_continuity": mass,
        "retained_fragment": _fragment(rng, failed, sites),
        "enhancement": _enhancement(rng, failed, sites, as_scar),
    }
    levels = {
        "central_stenosis": read_with_error(rng, "central_stenosis", spine.central, error, 0, 3),
        "slip": read_with_error(rng, "slip", spine.slip, error, 0, 4),
        "discitis_signs": _discitis(rng, failed, pain),
    }
    return _counted(failed, sided, "level", "side") | _counted(failed, levels, "level")


def _mistaken(rng: Generator, sites: Sites, has_contrast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a disc is taken for scar, and a scar for a disc: more often without contrast."""

    def happens_at(where: np.ndarray, mistake: str) -> np.ndarray:
        chance = np.where(has_contrast, share(mistake), share(f"{mistake}_without_contrast"))
        return where & happens(rng, np.broadcast_to(chance[:, None, None], where.shape))

    as_scar = happens_at(sites.again | sites.fragment, "disc_taken_for_scar")
    return as_scar, happens_at(sites.scar, "scar_taken_for_disc")


def _mass(rng: Generator, sites: Sites, lateral: np.ndarray, as_scar: np.ndarray, as_disc: np.ndarray) -> np.ndarray:
    """Whether a mass in continuity with the disc is read."""
    return happens(
        rng,
        _chosen(
            share("mass_elsewhere"),
            (lateral >= 2, share("mass_if_unopened_herniation")),
            (sites.opened, share("mass_if_opened")),
            (sites.silent, share("mass_if_painless_herniation")),
            (sites.fragment, share("mass_if_fragment")),
            (sites.again, share("mass_if_recurrence")),
            (as_disc, share("mass_if_scar_taken_for_disc")),
            (as_scar, 0.0),
        ),
    )


def _fragment(rng: Generator, failed: Failed, sites: Sites) -> np.ndarray:
    early = (failed.months < EARLY_MRI_MONTHS)[:, None, None]
    return happens(
        rng,
        _chosen(
            0.0,
            (sites.opened, np.where(early, share("fragment_if_opened_early"), share("fragment_if_opened"))),
            (sites.again, share("fragment_if_recurrence")),
            (sites.fragment, share("fragment_if_retained")),
        ),
    )


def _enhancement(rng: Generator, failed: Failed, sites: Sites, as_scar: np.ndarray) -> np.ndarray:
    """0 none, 1 rim, 2 homogeneous."""
    late = (failed.months >= OLD_ENHANCES_MONTHS)[:, None, None]
    tissues = tuple(facts("workup_enhancement")["tissue"])
    tissue = np.full(sites.opened.shape, tissues.index("elsewhere"))
    for here, name in (
        (sites.opened, "opened"),
        (sites.silent, "painless_herniation"),
        (sites.scar, "painful_scar"),
        (sites.fragment, "fragment"),
        (sites.again & ~late, "recurrence_to_18_months"),
        (sites.again & late, "recurrence_later"),
        (as_scar, "painful_scar"),
    ):
        tissue = np.where(here, tissues.index(name), tissue)
    rim, full = (np.array([fact("workup_enhancement", t, kind) for t in tissues]) for kind in ("rim", "homogeneous"))
    drawn = rng.random(tissue.shape)
    return np.where(drawn < full[tissue], 2.0, np.where(drawn < full[tissue] + rim[tissue], 1.0, 0.0))


def _discitis(rng: Generator, failed: Failed, pain: PainAfter) -> np.ndarray:
    """(n, level) disc and endplates bright or eroded, which endplates after a discectomy are as well."""
    early = (failed.months < EARLY_MRI_MONTHS)[:, None]
    opened = _at_level(failed.operation.decompressed)
    is_level = np.arange(len(LEVELS)) == failed.operation.level[:, None]
    infected = is_level & pain.present[:, [CAUSE["infection"]]]
    return happens(
        rng,
        _chosen(
            share("discitis_elsewhere"),
            (opened, np.where(early, share("discitis_if_opened_early"), share("discitis_if_opened"))),
            (infected, np.where(early, share("discitis_if_infected_early"), share("discitis_if_infected"))),
        ),
    )


def _ct_and_films(rng: Generator, failed: Failed, pain: PainAfter, sites: Sites) -> dict[str, np.ndarray]:
    operation, procedure = failed.operation, failed.planned.plan.procedure
    is_fused = np.isin(procedure, [PROCEDURES.index(name) for name in ("decompression_and_fusion", "fusion")])
    fused = operation.fused & is_fused[:, None]
    bone = {
        f"bone_left_{place}": happens(
            rng,
            _chosen(share("bone_elsewhere"), (sites.opened, share("bone_if_opened")), (own, share("bone_if_residual"))),
        )
        for place, own in zip(("recess", "foramen"), sites.bone, strict=True)
    }
    touched = operation.decompressed | operation.fused[:, :, None]
    bone["operated_site"] = happens(rng, np.where(touched, share("site_seen"), share("site_seen_elsewhere")))
    open_union = fused & (sites.not_united | happens(rng, share("non_union_without_complaint"), fused.shape))
    opened = _at_level(operation.decompressed)
    levels = {"motion_mm": _motion(rng, opened, operation.fused, open_union, sites.unstable)}
    has_implant = operation.fused.any(axis=1)
    fault = _chosen(
        share("implant_fault_otherwise"),
        (pain.present[:, CAUSE["pseudarthrosis"]], share("implant_fault_if_pseudarthrosis")),
        (pain.present[:, CAUSE["hardware"]], share("implant_fault_if_cause")),
    )
    return (
        _counted(failed, bone, "level", "side")
        | _counted(failed, levels, "level")
        | _fusion(rng, failed, fused, open_union)
        | {"followup_hardware_fault": np.where(has_implant, happens(rng, fault) * 1.0, np.nan)}
    )


def _motion(
    rng: Generator, opened: np.ndarray, fused: np.ndarray, open_union: np.ndarray, unstable: np.ndarray
) -> np.ndarray:
    """(n, level) translation in millimetres, with the error of measuring it."""
    shape = opened.shape
    drawn = {name: rng.gamma(*own, shape) for name, own in MOTION_GAMMA.items()}
    motion = np.where(opened, drawn["opened"], drawn["usual"])
    motion = np.where(fused, np.where(open_union, drawn["not_united"], drawn["fused"]), motion)
    moves = np.maximum(rng.normal(MOTION_UNSTABLE, MOTION_UNSTABLE_SD, shape), LEAST_UNSTABLE)
    return np.round(np.clip(np.where(unstable, moves, motion), 0, 20), 1)


def _fusion(rng: Generator, failed: Failed, fused: np.ndarray, open_union: np.ndarray) -> dict[str, np.ndarray]:
    """0 not united, 1 doubtful, 2 united, where it was fused; before a year it says little."""
    early = (failed.months < UNITED_MONTHS)[:, None]

    def of(word: str) -> np.ndarray:
        otherwise = np.where(early, share(f"{word}_before_12_months"), share(f"{word}_otherwise"))
        return np.where(open_union, share(f"{word}_if_pseudarthrosis"), otherwise)

    not_united, drawn = of("not_united"), rng.random(fused.shape)
    state = np.where(drawn < not_united, 0.0, np.where(drawn < not_united + of("doubtful"), 1.0, 2.0))
    shift = failed.planned.reading.shift
    seen = at_counted_level(fused * 1.0, shift, 0) > 0
    return grid_columns("followup_fusion", np.where(seen, at_counted_level(state, shift, 0), np.nan), "level")


def _counted(failed: Failed, grids: dict[str, np.ndarray], *axes: str) -> dict[str, np.ndarray]:
    """Columns of these grids at the levels as they were counted before the operation."""
    columns: dict[str, np.ndarray] = {}
    for item, values in grids.items():
        counted = at_counted_level(values * 1.0, failed.planned.reading.shift, 0)
        columns |= grid_columns(f"followup_{item}", counted, *axes)
    return columns


def _blood(rng: Generator, failed: Failed, pain: PainAfter) -> dict[str, np.ndarray]:
    """CRP and ESR: apart in most, and raised by the operation itself in the first weeks."""
    n, infected = len(pain.main), pain.present[:, CAUSE["infection"]]
    early = failed.months < EARLY_BLOOD_MONTHS
    own = rng.normal(0, 1, (n, 2))
    common = 0.5 * own[:, 0]

    def level(name: str, noise: np.ndarray) -> np.ndarray:
        usual = np.where(early, constant(f"{name}_early"), constant(f"{name}_otherwise"))
        median = np.where(infected, constant(f"{name}_infected"), usual)
        return median * np.exp(constant(f"{name}_log_sd") * noise)

    return {
        "followup_crp_mg_l": np.clip(np.round(level("crp", own[:, 0]), 1), 0.2, 500),
        "followup_esr_mm_h": whole(level("esr", common + np.sqrt(0.75) * own[:, 1]), 1, 140),
    }
