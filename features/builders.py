"""From records to features: the adapter that runs both clinical builders over a frame.

No state and no file; what has to be fitted lives in the model. Cases are taken in slices, on two
threads, so that a million fit into memory; each case's features come from its own row alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.anatomy import SITES
from features.axes import MIMICS, SIDES
from features.errors import ParamsError
from features.findings import Findings, Floats, words
from features.lesion_pain import LesionPain, lesion_pain, other_numbering_share, widespread_pain
from features.mimics import MimicEvidence, mimic_evidence
from features.plan import PlanFit, plan_fit
from features.summaries import summaries

SLICE = 4096
"""Cases a slice: large enough for the array products, small enough for the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class BuilderParams:
    """Choices of the builders that two honest teams could make differently; a model ships its own.

    `mimic_priors` is the pre-test probability of each mimic in a candidate for surgery;
    `mimic_flag_threshold` is the probability from which a mimic is flagged.
    """

    mimic_priors: Mapping[str, float] = field(default_factory=dict)
    mimic_flag_threshold: float = 0.5

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
        if problems:
            raise ParamsError("params.yaml: " + "; ".join(problems) + ".")


@dataclass(frozen=True)
class Sources:
    """Both builders on the same cases: lesions and mimics on one axis, and the plan held against them."""

    lesions: LesionPain
    mimics: MimicEvidence
    plan: PlanFit
    numbering_uncertain: Floats
    share_other_numbering: Floats
    widespread_pain: Floats


def sources_of_pain(findings: Findings, params: BuilderParams) -> Sources:
    """Everything the builders know of n cases, parts beside totals."""
    lesions = lesion_pain(findings)
    uncertain, other_share = other_numbering_share(findings, lesions)
    return Sources(
        lesions=lesions,
        mimics=mimic_evidence(findings, params.mimic_priors),
        plan=plan_fit(findings, lesions),
        numbering_uncertain=uncertain,
        share_other_numbering=other_share,
        widespread_pain=widespread_pain(findings),
    )


def build_features(cases: pd.DataFrame, params: BuilderParams) -> pd.DataFrame:
    """The features of each case: both builders, the plan, and the plain summaries.

    Parameters
    ----------
    cases : DataFrame
        Records in the dictionary's layout; columns that are absent count as not recorded, others than
        the dictionary's are ignored. It is not changed, and its index is kept.
    params : BuilderParams

    Returns
    -------
    DataFrame
        float64 throughout, except `best_lesion` and `best_mimic`, which name a source in words. NaN is
        undefined or not recorded. `concordance_unknown` is 1 where there is no pain drawn or no scan read.
    """
    slices = [cases.iloc[start : start + SLICE] for start in range(0, len(cases), SLICE)] or [cases]
    with ThreadPoolExecutor(max_workers=2) as pool:
        parts = list(pool.map(lambda part: _features(part, params), slices))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # Text even where no case has a source to name, so that a case alone looks as it does among others.
    return pd.DataFrame(columns, index=cases.index).astype({"best_lesion": "str", "best_mimic": "str"})


def _features(cases: pd.DataFrame, params: BuilderParams) -> dict[str, np.ndarray]:
    findings = Findings(cases)
    sources = sources_of_pain(findings, params)
    work = words(cases["work_status"]) if "work_status" in cases.columns else np.full(len(cases), None, dtype=object)
    return {
        **_lesion_features(sources),
        **_plan_features(sources.plan),
        **_mimic_features(sources, params.mimic_flag_threshold),
        **summaries(findings, work),
    }


def _lesion_features(sources: Sources) -> dict[str, np.ndarray]:
    lesions = sources.lesions
    labels = np.array([*(site.label for site in SITES), None], dtype=object)
    return {
        "best_lesion": labels[lesions.best_site],
        "share_best_lesion": lesions.share_best,
        "share_all_lesions": lesions.share_all,
        "share_second_lesion": lesions.second_share,
        "ambiguity": lesions.ambiguity,
        "parsimony": lesions.parsimony,
        "expected_not_felt": lesions.expected_not_felt,
        "side_agreement": lesions.side_agreement,
        "sign_agreement": lesions.sign_agreement,
        "signs_positive": lesions.signs_positive,
        "signs_examined": lesions.signs_examined,
        "axial_degeneration_only": lesions.axial_degeneration_only,
        "widespread_pain": sources.widespread_pain,
        "numbering_uncertain": sources.numbering_uncertain,
        "share_other_numbering": sources.share_other_numbering,
        "has_drawing": lesions.has_drawing.astype(np.float64),
        "has_scan": lesions.has_scan.astype(np.float64),
        "concordance_unknown": np.isnan(lesions.share_best).astype(np.float64),
    }


def _plan_features(plan: PlanFit) -> dict[str, np.ndarray]:
    return {
        "plan_share": plan.plan_share,
        "plan_best_share": plan.plan_best_share,
        "plan_misses_best": plan.plan_misses_best,
        "wrong_level_margin": plan.wrong_level_margin,
        "unexplained_by_plan": plan.unexplained_by_plan,
        "planned_levels": plan.planned_levels,
        "planned_idle_levels": plan.planned_idle_levels,
    }


def _likelier_side(evidence: MimicEvidence) -> np.ndarray:
    """(n, n_mimics) int: the likelier side of each mimic; between equals, the one that could still be."""
    is_right = np.zeros(evidence.probability.shape[:2], dtype=bool)
    is_tied = ~is_right
    for values in (evidence.probability, evidence.upper, evidence.lower):
        left, right = values[:, :, 0], values[:, :, 1]
        is_right |= is_tied & (right > left)
        is_tied &= right == left
    return is_right.astype(np.intp)


def _mimic_features(sources: Sources, threshold: float) -> dict[str, np.ndarray]:
    """Each mimic on its likelier side, and the best of them against the best lesion."""
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
    shares = evidence.shares.reshape(len(done), len(MIMICS) * len(SIDES))
    is_defined = ~np.isnan(shares).any(axis=1)
    best = np.nan_to_num(shares).argmax(axis=1)
    names = np.array([f"{mimic}, {side}" for mimic in MIMICS for side in SIDES], dtype=object)
    share = np.where(is_defined, np.nan_to_num(shares).max(axis=1), np.nan)
    features["best_mimic"] = np.where(is_defined & (share > 0), names[best], np.array(None, dtype=object))
    features["share_best_mimic"] = share
    features["margin_lesion_mimic"] = sources.lesions.share_best - share
    return features
