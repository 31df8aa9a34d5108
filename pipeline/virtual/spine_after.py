"""The spine at the work-up: what the operation took away, what it left, and what came since."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.choice import PROCEDURES
from pipeline.virtual.draws import happens
from pipeline.virtual.pain_after import CAUSE, KIND, Failed, PainAfter, Site, share
from pipeline.virtual.sources import BOTH

PARACENTRAL = (1, 4)
"""Places in SLOTS on the left and on the right; foramen and far lateral follow each."""
OPENED = {"recess": "recess", "foraminal": "foramen", "central": "central"}


def zones_opened(failed: Failed) -> tuple[np.ndarray, np.ndarray]:
    """(n, level, side) whether the canal was opened, and whether the foramen was."""
    plan, decompressed = failed.planned.plan, failed.operation.decompressed
    wide = plan.procedure == PROCEDURES.index("decompression_and_fusion")
    canal, foramen = ((plan.zone != other) | wide for other in (1, 0))
    return decompressed & canal[:, None, None], decompressed & foramen[:, None, None]


def spine_after(rng: Generator, failed: Failed, pain: PainAfter) -> Anatomy:
    """The spine as it is at the work-up, with the lesions that hurt and those that do not."""
    names = ("herniation", "central", "recess", "foraminal", "slip")
    before = failed.planned.anatomy
    spine = replace(before, **{name: getattr(before, name).copy() for name in names})
    canal, foramen = zones_opened(failed)
    _relieve(rng, spine, canal, foramen, failed.operation.fused)
    _add_what_does_not_hurt(rng, spine, failed, canal)
    _put(rng, spine, np.where(pain.is_old, -1, pain.main), pain.site, pain.sources.main.kind)
    _put(
        rng, spine, pain.beside, pain.beside_site, np.where(pain.beside_site.side == BOTH, KIND["central_stenosis"], 1)
    )
    return spine


def _relieve(rng: Generator, spine: Anatomy, canal: np.ndarray, foramen: np.ndarray, fused: np.ndarray) -> None:
    """Take away what lay where it was opened, but for what is left in some without complaint."""
    for side, slot in enumerate(PARACENTRAL):
        spine.herniation[..., slot][canal[..., side] | fused] = 0
        spine.herniation[..., slot + 1 : slot + 3][foramen[..., side] | fused] = 0
    for name, opened in {"recess": canal, "foraminal": foramen, "central": canal.any(axis=2)}.items():
        left = happens(rng, share(f"{OPENED[name]}_left_without_complaint"), opened.shape)
        rest = np.where(left, 2.0, happens(rng, 0.45, opened.shape) * 1.0)
        grades = getattr(spine, name)
        grades[:] = np.where(opened, np.minimum(grades, rest), grades)


def _add_what_does_not_hurt(rng: Generator, spine: Anatomy, failed: Failed, canal: np.ndarray) -> None:
    """Herniations seen again, wear beside a fusion, slips that grow: all without complaint."""
    operation, discectomy = failed.operation, failed.planned.plan.procedure <= PROCEDURES.index("endoscopic_discectomy")
    again = canal & discectomy[:, None, None] & happens(rng, share("herniation_without_complaint"), canal.shape)
    grade = 2.0 + happens(rng, 0.25, canal.shape)
    for side, slot in enumerate(PARACENTRAL):
        spine.herniation[..., slot] = np.where(again[..., side], grade[..., side], spine.herniation[..., slot])
    levels = operation.fused.shape
    worn = _adjacent(operation.fused) & happens(rng, share("adjacent_worn_without_complaint"), levels)
    spine.central[:] = np.where(worn, np.maximum(spine.central, 2), spine.central)
    slid = operation.decompressed.any(axis=2) & ~operation.fused & happens(rng, share("slip_grows_otherwise"), levels)
    spine.slip[:] = np.minimum(spine.slip + slid, 4)


def _adjacent(fused: np.ndarray) -> np.ndarray:
    """(n, level) beside a fused level and not fused."""
    beside = np.zeros_like(fused)
    beside[:, :-1] |= fused[:, 1:]
    beside[:, 1:] |= fused[:, :-1]
    return beside & ~fused


def _put(rng: Generator, spine: Anatomy, cause: np.ndarray, site: Site, kind: np.ndarray) -> None:
    """The lesions of these causes at their sites, into the spine in place; `kind` as it is felt."""

    def of(*names: str) -> np.ndarray:
        return np.flatnonzero(np.isin(cause, [CAUSE[name] for name in names]))

    def at_least(grades: np.ndarray, place: tuple[np.ndarray, ...], value: np.ndarray) -> None:
        grades[place] = np.maximum(grades[place], value)

    case = of("recurrent_herniation", "recurrent_herniation_other_side", "retained_fragment")
    slot = np.where(site.side[case] == 1, PARACENTRAL[1], PARACENTRAL[0])
    at_least(spine.herniation, (case, site.level[case], slot), 2.0 + rng.choice(3, len(case), p=[0.3, 0.5, 0.2]))
    for zone, grades in enumerate((spine.recess, spine.foraminal)):
        case = of("residual_stenosis")
        case = case[site.zone[case] == zone]
        at = np.clip(site.side[case], 0, 1)
        at_least(grades, (case, site.level[case], at), 2.0 + happens(rng, 0.45, case.shape))
    case = of("adjacent_segment")
    is_central = kind[case] == KIND["central_stenosis"]
    worse = 2.0 + happens(rng, 0.4, case.shape)
    wide, one = case[is_central], case[~is_central]
    at_least(spine.central, (wide, site.level[wide]), worse[is_central])
    at_least(spine.recess, (one, site.level[one], np.clip(site.side[one], 0, 1)), worse[~is_central])
    case = of("instability")
    grows = happens(rng, share("slip_grows_if_unstable"), case.shape)
    spine.slip[case, site.level[case]] = np.minimum(spine.slip[case, site.level[case]] + grows, 4)
