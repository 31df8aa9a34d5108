"""How likely each cause is before any finding, by the kind of operation, and which cannot be at all after it."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from features.axes import CAUSES
from features.cause_tables import GROUPS, causes
from features.followup import Bools, FollowUp, followup_layout
from features.layout import Floats
from features.operated_site import anywhere, herniated_before

DECIMALS = 9
"""Log-odds are rounded here, so that their sums do not depend on the machine's logarithm."""
DISCECTOMY = ("microdiscectomy", "endoscopic_discectomy")
DECOMPRESSION = ("decompression", "foraminotomy")
FUSION = ("decompression_and_fusion", "fusion", "disc_prosthesis")
PROTRUSION = 2.0
UNKNOWN_GROUP = len(GROUPS)
"""The place after the last of GROUPS: an operation of which the kind is not recorded."""
NEEDS = {
    "any": "",
    "opened": "nothing was decompressed",
    "disc": "no disc was operated on",
    "disc_one_side": "no disc was operated on, or it was opened on both sides",
    "fused": "nothing was fused",
    "implant": "there is no implant",
}
"""What a cause needs, and in words why it cannot be without it."""


def prior_log_odds(followup: FollowUp, weight: float) -> Floats:
    """Log-odds of each cause before any finding, by kind of operation: (n, n_causes).

    Parameters
    ----------
    weight : float in [0, 1]
        How far the published shares among failures count; at 0 no cause is preferred.
    """
    return _priors(weight)[operation_group(followup)]


@cache
def _priors(weight: float) -> Floats:
    """(n_groups + 1, n_causes); the last row is for an operation of unknown kind."""
    even = -np.log(len(CAUSES) - 1)
    return (weight * _share_log_odds() + (1 - weight) * even).round(DECIMALS)


@cache
def _share_log_odds() -> Floats:
    """The log-odds of each cause among failures: (n_groups + 1, n_causes)."""
    shares = np.array([[cause.shares[group] for cause in causes()] for group in GROUPS])
    shares = np.vstack([shares, shares.mean(axis=0)])
    return np.log(shares / (1 - shares))


def operation_group(followup: FollowUp) -> NDArray[np.intp]:
    """The kind of operation as a place in GROUPS; one more than those where it is not recorded: (n,).

    By the procedure performed, or else planned; a fused level makes it a fusion, whatever its name.
    """
    group = _group_of_code()[np.nan_to_num(_procedure(followup), nan=-1).astype(np.intp)]
    return np.where(followup.operated.fused.any(axis=1), GROUPS.index("fusion"), group)


@cache
def _group_of_code() -> NDArray[np.intp]:
    """The kind of operation by the code of its procedure; last where there is none."""
    words = followup_layout().codes["performed_procedure"]
    kinds = (DISCECTOMY, DECOMPRESSION, FUSION)
    groups = [next((place for place, kind in enumerate(kinds) if word in kind), UNKNOWN_GROUP) for word in words]
    return np.array([*groups, UNKNOWN_GROUP], dtype=np.intp)


def _procedure(followup: FollowUp) -> Floats:
    """The code of the procedure performed, or else planned: (n,); NaN where neither is recorded."""
    performed = followup.variable("performed_procedure")
    return np.where(performed == performed, performed, followup.variable("planned_procedure"))


def possible_causes(followup: FollowUp) -> Bools:
    """Which causes can be at all after that operation: (n, n_causes). What is not recorded excludes nothing."""
    excluded = _excluded(followup)
    return np.stack([~excluded[cause.needs] for cause in causes()], axis=1)


def because(cause: str) -> str:
    """Why a cause cannot be where `possible_causes` excludes it, in words."""
    return NEEDS[next(one.needs for one in causes() if one.name == cause)]


def _excluded(followup: FollowUp) -> dict[str, Bools]:
    """By what a cause needs: the cases that are known to lack it."""
    done = followup.operated
    is_known = done.is_noted | done.is_planned_known
    is_fused = done.fused.any(axis=1) | (followup.variable("has_earlier_fusion") == 1)
    procedure = _procedure(followup)
    is_named = procedure == procedure
    is_prosthesis = procedure == followup_layout().codes["performed_procedure"].index("disc_prosthesis")
    no_fusion = is_known & ~is_fused & (is_named | _is_fusion_said(followup))
    # Without a procedure nobody knows what was done inside the canal that was opened.
    no_disc = is_known & ~_is_disc_operated(followup) & (is_named | ~anywhere(done.opened))
    is_one_sided = (done.opened.sum(axis=2) == 1).any(axis=1)
    return {
        "any": np.zeros(followup.n_cases, dtype=bool),
        "opened": is_known & ~anywhere(done.opened),
        "disc": no_disc,
        "disc_one_side": no_disc | (is_known & ~is_one_sided),
        "fused": no_fusion,
        "implant": no_fusion & ~is_prosthesis,
    }


def _is_fusion_said(followup: FollowUp) -> Bools:
    """Whether note or plan says of any level that it was fused, or that it was not: (n,)."""
    said = [followup.grid(f"{moment}_fusion", "level") for moment in ("operated", "planned")]
    return np.any([(cells == cells).any(axis=1) for cells in said], axis=0)


def _is_disc_operated(followup: FollowUp) -> Bools:
    """By the procedure or the diagnosis, or because there was a herniation where it was opened."""
    opened = followup.operated.opened
    is_by_name = operation_group(followup) == GROUPS.index("discectomy")
    is_by_name |= followup.is_word("diagnosis", "disc_herniation") == 1
    is_herniated = anywhere(opened & (herniated_before(followup) >= PROTRUSION))
    return anywhere(opened) & (is_by_name | is_herniated)
