"""From records to features: the adapter that runs both clinical builders over a frame.

No state and no file; what has to be fitted lives in the model. Cases are taken in slices, on two
threads, so that a million fit into memory; each case's features come from its own row alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.anatomy import SITES, TWIN_SITES
from features.axes import FLAGGED_MIMICS, MIMICS, SIDES
from features.errors import ParamsError
from features.findings import Findings, Floats, findings_layout
from features.lesion_pain import LesionPain, lesion_pain, other_numbering, widespread_pain
from features.mimics import MimicEvidence, mimic_evidence
from features.next_test import NextTests, next_tests
from features.plan import PlanFit, plan_fit
from features.summaries import summaries
from features.support import CANDIDATE_LABELS, Support, source_support

TEXT_FEATURES = ("best_lesion", "likeliest_source", "likeliest_lesion", "best_mimic", "concordance_missing")
"""Features that name a source, or what is missing, in words; all others are numbers."""
COMPETING = 0.3
"""A lesion with at least this support competes with a mimic; one flagged by rule does when it is felt in this share."""
SLICE = 4096
"""Cases a slice: large enough for the array products, small enough for the processor's cache."""
THREADS = 2
"""Slices at a time, where nobody else uses the processors."""


@dataclass(frozen=True, kw_only=True)
class BuilderParams:
    """Choices of the builders that two honest teams could make differently; a model ships its own.

    `mimic_priors` is the pre-test probability of each mimic in a candidate for surgery;
    `mimic_flag_threshold` is the probability from which a mimic is flagged; `unknown_source_odds` are the
    odds, before drawing and examination, of a source that is neither lesion nor mimic; `drawing_weight`
    is the power to which the likelihood of the drawing is taken.
    """

    mimic_priors: Mapping[str, float] = field(default_factory=dict)
    mimic_flag_threshold: float = 0.5
    unknown_source_odds: float = 0.1
    drawing_weight: float = 0.5

    def __post_init__(self) -> None:
        problems = []
        if set(self.mimic_priors) != set(MIMICS):
            problems.append(f"derive.mimic_priors must name exactly {', '.join(MIMICS)}")
        problems += [
            f"derive.mimic_priors.{mimic} must lie in (0, 1), got {prior}"
            for mimic, prior in self.mimic_priors.items()
            if not 0 < prior < 1
        ]
        if not 0 < self.mimic_flag_threshold < 1:
            problems.append(f"derive.mimic_flag_threshold must lie in (0, 1), got {self.mimic_flag_threshold}")
        if not self.unknown_source_odds > 0:
            problems.append(f"derive.unknown_source_odds must be above 0, got {self.unknown_source_odds}")
        if not 0 <= self.drawing_weight <= 1:
            problems.append(f"derive.drawing_weight must lie in [0, 1], got {self.drawing_weight}")
        if problems:
            raise ParamsError("params.yaml: " + "; ".join(problems) + ".")


@dataclass(frozen=True)
class Sources:
    """Both builders on the same cases: lesions and mimics on one axis, and the plan held against them."""

    findings: Findings
    lesions: LesionPain
    mimics: MimicEvidence
    support: Support
    plan: PlanFit
    numbering_uncertain: Floats
    share_other_numbering: Floats
    other_best_site: NDArray[np.intp]
    """(n,): the site that explains most under the other numbering; -1 where that is not in doubt."""
    widespread_pain: Floats
    competing: Floats
    """1 where a mimic is likely, or flagged, and a lesion explains the pain as well; NaN where that is unknown."""

    @cached_property
    def next_tests(self) -> NextTests:
        """What to examine next; worked out for all cases when first asked for, since no feature needs it."""
        return next_tests(self.mimics)


def sources_of_pain(findings: Findings, params: BuilderParams) -> Sources:
    """Everything the builders know of n cases, parts beside totals."""
    lesions = lesion_pain(findings)
    mimics = mimic_evidence(findings, params.mimic_priors)
    support = source_support(
        lesions,
        mimics.tested_odds,
        unknown_source_odds=params.unknown_source_odds,
        drawing_weight=params.drawing_weight,
    )
    other = other_numbering(findings, lesions)
    return Sources(
        findings=findings,
        lesions=lesions,
        mimics=mimics,
        support=support,
        plan=plan_fit(findings, lesions, support),
        numbering_uncertain=other.is_doubtful,
        share_other_numbering=other.share,
        other_best_site=other.best_site,
        widespread_pain=widespread_pain(findings),
        competing=_competing(lesions, mimics, support, params.mimic_flag_threshold),
    )


def _competing(lesions: LesionPain, mimics: MimicEvidence, support: Support, threshold: float) -> Floats:
    """A mimic and a lesion can both be true: 1 where both are likely, rather than a choice between them."""
    is_flagged = (mimics.flags == 1) & (mimics.flagged_shares >= COMPETING)
    is_mimic = (mimics.probability >= threshold).any(axis=(1, 2)) | is_flagged.any(axis=(1, 2))
    return np.where(lesions.is_defined, is_mimic & (support.lesions.max(axis=1) >= COMPETING), np.nan)


def build_features(cases: pd.DataFrame, params: BuilderParams | None, threads: int = THREADS) -> pd.DataFrame:
    """The features of each case: both builders, the plan, and the plain summaries; none where no builder applies.

    Parameters
    ----------
    cases : DataFrame
        Records in the dictionary's layout; columns that are absent count as not recorded, others than
        the dictionary's are ignored. It is not changed, and its index is kept.
    params : BuilderParams, optional
        None in a study whose record holds neither lesions nor sources of pain.
    threads : int
        Slices at a time; no number depends on it.

    Returns
    -------
    DataFrame
        float64 throughout, except `TEXT_FEATURES`, which are words. NaN is undefined or not recorded.
        `concordance_unknown` is 1 where no pain is drawn or no scan was read, and `concordance_missing`
        says which; `plan_unknown` is 1 where no level is planned.
    """
    if params is None:
        return pd.DataFrame(index=cases.index)
    given = findings_layout().columns(cases)  # once, since a frame of many columns takes its time over each
    slices = [slice(start, min(start + SLICE, len(cases))) for start in range(0, len(cases), SLICE) or [0]]
    columns: dict[str, np.ndarray] = {}
    # Some slices at a time; a matrix product that took threads of its own would only wait for them.
    with ThreadPoolExecutor(max_workers=threads) as pool, _single_threaded_products(is_needed=len(slices) > 1):
        parts = pool.map(lambda rows: _features(Findings.of_columns(given, rows), params), slices)
        for rows, part in zip(slices, parts, strict=True):
            for name, values in part.items():
                column = columns.setdefault(name, np.empty(len(cases), dtype=values.dtype))
                column[rows] = values
    # Text even where no case has a source to name, so that a case alone looks as it does among others.
    return pd.DataFrame(columns, index=cases.index, copy=False).astype(dict.fromkeys(TEXT_FEATURES, "str"))


def _single_threaded_products(*, is_needed: bool) -> AbstractContextManager[object]:
    return threadpool_limits(limits=1, user_api="blas") if is_needed else nullcontext()


def _features(findings: Findings, params: BuilderParams) -> dict[str, np.ndarray]:
    return feature_arrays(sources_of_pain(findings, params), params)


def feature_arrays(sources: Sources, params: BuilderParams) -> dict[str, np.ndarray]:
    """The features of `build_features` as arrays (n_cases,), from sources made with the same params."""
    return {
        **_lesion_features(sources, sources.findings.has_drawing),
        **_support_features(sources.support),
        **_plan_features(sources.plan),
        **_mimic_features(sources, params.mimic_flag_threshold),
        **summaries(sources.findings),
    }


def _lesion_features(sources: Sources, has_drawing: np.ndarray) -> dict[str, np.ndarray]:
    lesions = sources.lesions
    return {
        "best_lesion": named(tuple(site.label for site in SITES), lesions.best_site, lesions.is_alike),
        "share_best_lesion": lesions.share_best,
        "share_all_lesions": lesions.share_all,
        "share_second_lesion": lesions.second_share,
        "ambiguity": lesions.ambiguity,
        "parsimony": lesions.parsimony,
        "drawn_leg_share": lesions.leg_share,
        "expected_not_felt": lesions.expected_not_felt,
        "side_agreement": lesions.side_agreement,
        "sign_agreement": lesions.sign_agreement,
        "signs_positive": np.where(lesions.signs.examined > 0, lesions.signs.positive, np.nan),
        "signs_examined": lesions.signs.examined,
        "axial_degeneration_only": lesions.axial_degeneration_only,
        "widespread_pain": sources.widespread_pain,
        "numbering_uncertain": sources.numbering_uncertain,
        "share_other_numbering": sources.share_other_numbering,
        "has_drawing": has_drawing.astype(np.float64),
        "has_scan": lesions.has_scan.astype(np.float64),
        "concordance_unknown": (~lesions.is_defined).astype(np.float64),
        "concordance_missing": _missing(lesions, has_drawing),
    }


def _missing(lesions: LesionPain, has_drawing: np.ndarray) -> np.ndarray:
    """(n,) text: what is not recorded, so that concordance is unknown; None where it is known."""
    missing = np.where(
        has_drawing, np.where(lesions.has_scan, "pain in the drawing", "scan"),
        np.where(lesions.has_scan, "pain drawing", "pain drawing and scan"),
    ).astype(object)  # fmt: skip
    return np.where(lesions.is_defined, np.array(None, dtype=object), missing)


def named(labels: tuple[str, ...], place: NDArray[np.intp], is_alike: np.ndarray) -> np.ndarray:
    """(n,) text: the label at each place, None at -1; where both sides are alike it says so and names neither.

    >>> named(("hip joint, left", "hip joint, right"), np.array([0, 1, -1]), np.array([True, False, False])).tolist()
    ['hip joint, left and right alike', 'hip joint, right', None]
    """
    one, both = _names_and_alike(labels)
    return np.where(is_alike, both[place], one[place])


@cache
def _names_and_alike(labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    alike = (re.sub(r", (left|right)$", ", left and right alike", label) for label in labels)
    return np.array([*labels, None], dtype=object), np.array([*alike, None], dtype=object)


def _support_features(support: Support) -> dict[str, np.ndarray]:
    site, twin = support.likeliest_lesion, TWIN_SITES[support.likeliest_lesion]
    is_alike = (site >= 0) & (twin != site) & support.is_likeliest_lesion[np.arange(len(twin)), twin]
    return {
        "likeliest_source": named(CANDIDATE_LABELS, support.likeliest, support.is_alike),
        "likeliest_lesion": named(CANDIDATE_LABELS, site, is_alike),
        "support_best_lesion": support.lesions.max(axis=1),
        "support_mimics": support.mimics.sum(axis=1),
        "support_unknown": support.unknown,
    }


def _plan_features(plan: PlanFit) -> dict[str, np.ndarray]:
    return {
        "plan_unknown": (~plan.has_plan).astype(np.float64),
        "plan_support": plan.plan_support,
        "plan_share": plan.plan_share,
        "plan_best_share": plan.plan_best_share,
        "plan_misses_best": plan.plan_misses_best,
        "plan_misses_likeliest": plan.plan_misses_likeliest,
        "wrong_level_margin": plan.wrong_level_margin,
        "unexplained_by_plan": plan.unexplained_by_plan,
        "planned_levels": plan.planned_levels,
        "planned_idle_levels": plan.planned_idle_levels,
        "unplanned_root_share": plan.unplanned_root_share,
        "side_conflict": plan.side_conflict,
    }


def _mimic_features(sources: Sources, threshold: float) -> dict[str, np.ndarray]:
    """Each mimic on its likelier side, flags on either, and the best mimic against the best lesion."""
    evidence = sources.mimics
    side = _likelier_side(evidence)[:, :, None]
    on_side = {
        name: np.take_along_axis(getattr(evidence, name), side, axis=2)[:, :, 0]
        for name in ("probability", "lower", "upper")
    }
    done = evidence.tests_done.sum(axis=2)
    features: dict[str, np.ndarray] = {}
    for place, mimic in enumerate(MIMICS):
        probability = on_side["probability"][:, place]
        features[f"{mimic}_probability"] = probability
        features[f"{mimic}_lower"] = on_side["lower"][:, place]
        features[f"{mimic}_upper"] = on_side["upper"][:, place]
        is_flagged = (probability >= threshold).astype(np.float64)
        features[f"{mimic}_flag"] = np.where(done[:, place] > 0, is_flagged, np.nan)
        features[f"{mimic}_tests_done"] = done[:, place]
        features[f"{mimic}_block_flag"] = _either_side(evidence.block_flags[:, place])
    for place, mimic in enumerate(FLAGGED_MIMICS):
        features[f"{mimic}_flag"] = _either_side(evidence.flags[:, place])
    shares = evidence.shares.reshape(len(done), len(MIMICS) * len(SIDES))
    share, best = shares.max(axis=1), np.where(np.isnan(shares), 0.0, shares).argmax(axis=1)
    names = tuple(f"{mimic}, {side}" for mimic in MIMICS for side in SIDES)
    is_alike = shares[np.arange(len(best)), best ^ 1] == share
    features["best_mimic"] = named(names, np.where(share > 0, best, -1), is_alike & (share > 0))
    features["share_best_mimic"] = share
    features["margin_lesion_mimic"] = sources.lesions.share_best - share
    features["competing"] = sources.competing
    return features


def _likelier_side(evidence: MimicEvidence) -> NDArray[np.intp]:
    """(n, n_mimics): the likelier side of each mimic; between equals, the one that could still be."""
    is_right = np.zeros(evidence.probability.shape[:2], dtype=bool)
    is_tied = ~is_right
    for values in (evidence.probability, evidence.upper, evidence.lower):
        left, right = values[:, :, 0], values[:, :, 1]
        is_right |= is_tied & (right > left)
        is_tied &= right == left
    return is_right.astype(np.intp)


def _either_side(flags: Floats) -> Floats:
    """(n,): 1 where either side is flagged, 0 where one was examined and none is, NaN where none was examined."""
    return np.fmax(flags[:, 0], flags[:, 1])
