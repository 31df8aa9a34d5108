"""What the drawing and the hand show at the work-up, as if all of it had been done."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from features.axes import SIDES
from features.dictionary import load_dictionary
from pipeline.virtual.accuracies import Accuracies
from pipeline.virtual.anatomy import Anatomy
from pipeline.virtual.draws import happens, whole
from pipeline.virtual.examination import block_relief, examination
from pipeline.virtual.pain import drawn_pain
from pipeline.virtual.pain_after import CAUSE, Failed, PainAfter, share
from pipeline.virtual.record import grid_columns
from pipeline.virtual.sources import both_sides
from pipeline.virtual.workup_history import Burden, signs_by_cause

LASTS = {"power": "weakness_lasts", "sensation": "numbness_lasts", "reflex": "reflex_stays_lost"}


def drawing(
    rng: Generator, failed: Failed, pain: PainAfter, spine: Anatomy, burden: Burden, extent: float
) -> dict[str, np.ndarray]:
    """The pain that stayed or came, in the territory of what makes it now."""
    drawn = drawn_pain(rng, spine, pain.sources, burden.leg, burden.back, extent)
    before = failed.planned.pain.upper
    upper = whole(before + rng.normal(0, 1, before.shape) * (before > 0), 0, 10)
    return grid_columns("followup_pain", drawn, "region", "side") | grid_columns(
        "followup_upper_pain", upper, "upper_region", "side"
    )


def followup_examination(
    rng: Generator, accuracies: Accuracies, failed: Failed, pain: PainAfter, spine: Anatomy
) -> dict[str, np.ndarray]:
    """Columns of the examination and of the blocks."""
    people, known = failed.planned.people, load_dictionary()
    signs = examination(rng, accuracies, people, spine, pain.sources)
    signs |= _lasting(rng, failed, signs)
    signs["facet_block_relief"] = block_relief(rng, pain.present[:, CAUSE["facet"]])
    own = signs_by_cause(rng, pain, ("extension_test", "percussion_tenderness", "has_allodynia"))
    columns = {f"followup_{name}": v for name, v in (signs | own).items() if f"followup_{name}" in known}
    return columns | _extension(rng, pain, own["extension_test"])


def _lasting(rng: Generator, failed: Failed, signs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Deficits of before the operation that last, though the root may be free."""
    kept = {}
    for name, before in failed.planned.signs.items():
        item = name.split("_")[0]
        if item in LASTS:
            lasts = happens(rng, share(LASTS[item]), before.shape)
            kept[name] = np.where(lasts, np.minimum(signs[name], before), signs[name])
    return kept


def _extension(rng: Generator, pain: PainAfter, hurts: np.ndarray) -> dict[str, np.ndarray]:
    """Extension with rotation to either side, by the side of what hurts."""
    elsewhere = happens(rng, share("extension_test_other_side"), (len(hurts), len(SIDES)))
    test = np.where(both_sides(pain.sources.main.side), hurts[:, None] > 0, elsewhere)
    return grid_columns("followup_extension_test", test * 1.0, "side")
