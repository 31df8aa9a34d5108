"""What moved the probability of a mimic, and what raised a flag, for one case and in words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.axes import LABELS, MIMICS, SIDES
from features.mimics import MimicEvidence, mimic_stack


class RatioUsed(NamedTuple):
    """One likelihood ratio that counts, and what it rests on."""

    mimic: str
    side: str
    label: str
    positive: int
    done: int
    size: int
    """Tests positive, done, and in the cluster."""
    ratio: float
    """After the cap; 1 while the cluster is undecided."""
    n: float
    """Patients of the study; NaN where unknown."""
    is_assumed: bool = False
    """Nobody has measured the ratio."""

    @property
    def in_words(self) -> str:
        """
        >>> RatioUsed("piriformis", "left", "two piriformis tests", 1, 2, 2, 4.57, 33.0).in_words
        'piriformis (deep gluteal) syndrome, left: two piriformis tests, 1 positive of 2 done of 2, LR 4.57 (n = 33)'
        """
        people = "assumed" if self.is_assumed else "n unknown" if np.isnan(self.n) else f"n = {self.n:.0f}"
        done = f"{self.positive} positive of {self.done} done of {self.size}"
        if self.ratio == 1:
            verdict = "undecided" if self.done < self.size else "for which no ratio was published"
        else:
            verdict = f"LR {self.ratio:.2f} ({people})"
        return f"{LABELS[self.mimic]}, {self.side}: {self.label}, {done}, {verdict}"


def ratios_used(evidence: MimicEvidence, case: int) -> tuple[RatioUsed, ...]:
    """The ratios that count for one case: of every mimic, side and role of which anything is recorded."""
    examined, stack = evidence.examined, mimic_stack()
    cluster_at = dict(zip(stack.cluster_places.tolist(), stack.clusters, strict=True))
    used = []
    for place, cluster in cluster_at.items():
        mimic, role, alternative = np.unravel_index(place, stack.needed.shape)
        for side, name in enumerate(SIDES):
            here = (case, side, mimic, role)
            done = int(examined.recorded[(*here, alternative)])
            if done and examined.chosen[here] == alternative:
                positive = int(examined.holding[(*here, alternative)])
                used.append(
                    RatioUsed(
                        mimic=cluster.mimic,
                        side=name,
                        label=cluster.label,
                        positive=positive,
                        done=done,
                        size=len(cluster.items),
                        ratio=float(examined.ratios[here]),
                        n=cluster.n,
                        is_assumed=cluster.is_assumed,
                    )
                )
    return tuple(sorted(used, key=lambda one: (MIMICS.index(one.mimic), SIDES.index(one.side))))


def flag_reasons(evidence: MimicEvidence, case: int) -> tuple[str, ...]:
    """The rules that hold for one case, in words: flags and blocks, each with its side."""
    stack = mimic_stack()
    raised = evidence.examined.raised[case].reshape(len(SIDES), stack.rule_sizes.size)
    return tuple(
        f"{LABELS[rule.mimic]}, {side}: {rule.name}"
        for rule, place in zip(stack.rules, stack.rule_places, strict=True)
        for side, holds in zip(SIDES, raised[:, place], strict=True)
        if holds
    )
