"""Could something that is not the spine explain it better? The second clinical feature builder.

For each mimic and side: pre-test odds times the likelihood ratio of the most complete cluster of tests
that was recorded, times that of at most one further test that the cluster does not own. Each item
counts once. A test not done is never negative: a cluster partly done is positive, negative, or
undecided, and the bounds say what the rest of it could make of the probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from features.anatomy import mimic_territory
from features.axes import MIMICS
from features.errors import KnowledgeError
from features.findings import Findings, Floats
from features.knowledge_tables import knowledge_table, refuse_duplicates
from features.lesion_pain import DECIMALS, reported_pain

LR_CAPS = ((50, 5.0), (100, 10.0), (np.inf, 20.0))
"""(patients fewer than, ratio at most): a ratio from a tiny study moves the odds no further than this."""
SIDE_FLOOR = 0.1
"""Part of the pre-test probability that a side keeps on which no pain is drawn (assumption)."""
RATIO_TOLERANCE = 0.15
"""How far a published ratio may stand from its own sensitivity and specificity (rounding in print)."""


class Cluster(NamedTuple):
    """Tests that count together, positive when at least `positives_needed` of them are."""

    mimic: str
    name: str
    role: str
    positives_needed: int
    lr_positive: float
    lr_negative: float
    items: tuple[tuple[str, str, float], ...]
    """Its tests as (item, rule, threshold)."""


@dataclass(frozen=True)
class MimicEvidence:
    """What speaks for each mimic on each side: arrays over (n, n_mimics, n_sides)."""

    probability: Floats
    """Post-test probability in (0, 1), with what was not done left out."""
    lower: Floats
    """The probability if the undone tests of the cluster that counts were negative."""
    upper: Floats
    """The probability if the undone tests of the cluster that counts were positive."""
    tests_done: Floats
    """How many of its tests are recorded."""
    shares: Floats
    """Share of the reported pain it would explain, weighted by its probability; NaN without pain drawn."""


@cache
def clusters() -> tuple[Cluster, ...]:
    """The clusters of `mimic_clusters.csv`, the ratios capped; checked against their own accuracy."""
    table = knowledge_table("mimic_clusters")
    items = knowledge_table("mimic_items")
    refuse_duplicates(table, "mimic_clusters", ["mimic", "cluster"])
    refuse_duplicates(items, "mimic_items", ["mimic", "cluster", "item"])
    unknown = sorted(set(table["mimic"]) - set(MIMICS))
    if unknown:
        raise KnowledgeError(f"mimic_clusters.csv: unknown mimics {', '.join(unknown)}.")
    made = []
    for row in table.itertuples():
        _refuse_contradiction(row)
        members = items[(items["mimic"] == row.mimic) & (items["cluster"] == row.cluster)]
        if len(members) < row.positives_needed:
            raise KnowledgeError(f"mimic_items.csv: {row.cluster} has fewer items than it needs positive.")
        n = row.n if row.n == row.n else 0
        cap = next(ratio for patients, ratio in LR_CAPS if n < patients)
        made.append(
            Cluster(
                mimic=row.mimic,
                name=row.cluster,
                role=row.role,
                positives_needed=int(row.positives_needed),
                lr_positive=min(row.lr_positive, cap),
                lr_negative=max(row.lr_negative, 1 / cap),
                items=tuple(zip(members["item"], members["rule"], members["threshold"], strict=True)),
            )
        )
    return tuple(made)


def _refuse_contradiction(row: object) -> None:
    sensitivity, specificity = row.sensitivity, row.specificity  # type: ignore[attr-defined]
    if sensitivity != sensitivity or specificity != specificity:
        return
    derived = (sensitivity / (1 - specificity), (1 - sensitivity) / specificity)
    stated = (row.lr_positive, row.lr_negative)  # type: ignore[attr-defined]
    for ratio, figure in zip(derived, stated, strict=True):
        if abs(figure - ratio) > RATIO_TOLERANCE * max(ratio, 0.1):
            raise KnowledgeError(
                f"mimic_clusters.csv: {row.cluster} states a ratio of {figure:g}, "  # type: ignore[attr-defined]
                f"but its sensitivity and specificity give {ratio:.2f}."
            )


def mimic_evidence(findings: Findings, priors: Mapping[str, float]) -> MimicEvidence:
    """Probability of each mimic on each side, with bounds: see `MimicEvidence`.

    Parameters
    ----------
    findings : Findings
        The record of n cases.
    priors : mapping of mimic to probability in (0, 1)
        Pre-test probability for a candidate for surgery. It is shared between the sides as the pain of
        back, buttock and leg is; evenly without a drawing.
    """
    pain, has_drawing = reported_pain(findings)
    side_share = _side_share(pain, has_drawing)
    results = [_one_mimic(findings, mimic, priors[mimic] * side_share) for mimic in MIMICS]
    probability, lower, upper, done = (np.stack(parts, axis=1) for parts in zip(*results, strict=True))
    covered = np.einsum("nrs,mr->nms", pain, mimic_territory())
    total = np.where(has_drawing, pain.sum(axis=(1, 2)), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.round(probability * covered / total[:, None, None], DECIMALS)
    return MimicEvidence(probability=probability, lower=lower, upper=upper, tests_done=done, shares=shares)


def _side_share(pain: Floats, has_drawing: np.ndarray) -> Floats:
    """(n, n_sides): how the pain is shared between left and right; half each where none is drawn.

    A side without pain keeps a little, so that tests which are positive there still count.
    """
    by_side = pain.sum(axis=1)
    total = by_side.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.maximum(by_side / total, SIDE_FLOOR)
    return np.where(has_drawing[:, None] & (total > 0), share, 0.5)


def _one_mimic(findings: Findings, mimic: str, prior: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    positives = _positives(findings, mimic)
    done = _tests_done(positives)
    own = [cluster for cluster in clusters() if cluster.mimic == mimic]
    main = [_cluster_state(cluster, positives) for cluster in own if cluster.role == "cluster"]
    ratio, low, high, chosen = _most_complete(main)
    taken = np.zeros_like(prior, dtype=bool)
    for cluster in (cluster for cluster in own if cluster.role == "single"):
        test = cluster.items[0]
        owned = np.array([test[0] in {item for item, _, _ in state.cluster.items} for state in main])[chosen]
        value = positives[test]
        counts = ~np.isnan(value) & ~owned & ~taken
        factor = np.where(counts, np.where(value > 0, cluster.lr_positive, cluster.lr_negative), 1.0)
        ratio, low, high = ratio * factor, low * factor, high * factor
        taken |= counts
    odds = prior / (1 - prior)
    probability, lower, upper = (np.round(odds * r / (1 + odds * r), DECIMALS) for r in (ratio, low, high))
    return probability, lower, upper, done


Test = tuple[str, str, float]


def _positives(findings: Findings, mimic: str) -> dict[Test, Floats]:
    """Each test of the mimic by side: 1 positive, 0 negative, NaN not done.

    One measurement may serve two tests with thresholds of their own, as internal rotation does.
    """
    states: dict[Test, Floats] = {}
    for test in {test: None for cluster in clusters() if cluster.mimic == mimic for test in cluster.items}:
        item, rule, threshold = test
        values = findings.grid(item, "side")
        positive = values <= threshold if rule == "<=" else values >= threshold
        states[test] = np.where(np.isnan(values), np.nan, positive.astype(np.float64))
    return states


def _tests_done(positives: Mapping[Test, Floats]) -> Floats:
    by_item = {item: ~np.isnan(values) for (item, _, _), values in positives.items()}
    return np.sum(list(by_item.values()), axis=0).astype(np.float64)


class _State(NamedTuple):
    cluster: Cluster
    completeness: Floats
    ratio: Floats
    low: Floats
    high: Floats


def _cluster_state(cluster: Cluster, positives: Mapping[Test, Floats]) -> _State:
    """The ratio of a cluster as far as it was done: decided, or 1 with bounds."""
    values = np.stack([positives[test] for test in cluster.items])
    done = (~np.isnan(values)).sum(axis=0)
    positive = np.nansum(values, axis=0)
    is_positive = positive >= cluster.positives_needed
    is_negative = positive + (len(values) - done) < cluster.positives_needed
    decided = np.where(is_positive, cluster.lr_positive, cluster.lr_negative)
    undecided = ~is_positive & ~is_negative
    return _State(
        cluster=cluster,
        completeness=done / len(values),
        ratio=np.where(undecided, 1.0, decided),
        low=np.where(undecided, cluster.lr_negative, decided),
        high=np.where(undecided, cluster.lr_positive, decided),
    )


def _most_complete(states: list[_State]) -> tuple[Floats, Floats, Floats, np.ndarray]:
    """The ratio and bounds of the most complete cluster; the first in the table among equals."""
    chosen = np.stack([state.completeness for state in states]).argmax(axis=0)
    ratio, low, high = (
        np.take_along_axis(np.stack([getattr(state, part) for state in states]), chosen[None], axis=0)[0]
        for part in ("ratio", "low", "high")
    )
    return ratio, low, high, chosen
