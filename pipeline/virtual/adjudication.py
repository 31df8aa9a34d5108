"""What a panel calls the main cause, with every finding and a year more: mostly rightly.

Which cause it takes for which other is an assumption (tables/adjudication.csv); a scar on the scan is blamed
for what it did not do, and a facet joint for nothing found.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from features.axes import CAUSES
from pipeline.virtual.draws import happens, picked, words_if
from pipeline.virtual.facts import facts
from pipeline.virtual.pain_after import CAUSE, PainAfter, share


def confusion() -> np.ndarray:
    """(true, called) shares of what a panel calls each main cause where it names none of the others present."""
    table = facts("adjudication")
    shares = np.zeros((len(CAUSES), len(CAUSES)))
    for cause, called, part in zip(table["cause"], table["called"], table["share"], strict=True):
        shares[CAUSE[cause], CAUSE[called]] = part
    return shares + np.diag(1 - shares.sum(axis=1))


def adjudicated_cause(rng: Generator, pain: PainAfter) -> np.ndarray:
    """(n,) in words; None where no panel sat."""
    n = len(pain.main)
    others = pain.present & (np.arange(len(CAUSES)) != pain.main[:, None])
    has_others = others.any(axis=1)
    other = picked(rng, np.where(has_others[:, None], others, 1.0))
    names_other = has_others & happens(rng, share("names_another_cause_present"), (n,))
    called = np.where(names_other, other, picked(rng, confusion()[pain.main]))
    return words_if(happens(rng, share("adjudicated"), (n,)), np.array(CAUSES, dtype=object)[called])
