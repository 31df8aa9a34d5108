"""Stage ``builders``: do the builders find the truth? On virtual cases that have set nothing.

It draws registries with seeds of its own, so that it works beside a real registry too, and sees their
truth, which no other stage does. What it writes are figures about the builders, never cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.anatomy import SITES
from features.axes import LEVELS, MIMICS, ROOTS, SIDES
from features.builders import TEXT_FEATURES, Sources, build_features, sources_of_pain
from features.findings import Findings, Floats
from features.mimic_tables import clusters
from features.words import percent
from models import builder_evidence as evidence
from models.attainable import FRACTIONS, LEVELLED, Question, learned_risks, plan_view, record_matrix, side_view
from models.builder_evidence import Figure
from models.metrics import roc_points, smooth_calibration_curve
from pipeline import paths
from pipeline.files import write_json, write_table
from pipeline.params import Params
from pipeline.virtual.decisions import draw_decisions
from pipeline.virtual.observer import drawing_log_likelihoods
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.twins import Twins, draw_twins

CONTENDERS = {
    "plan_support": 1,
    "wrong_level_margin": -1,
    "plan_best_share": 1,
    "plan_share": 1,
    "plan_misses_best": -1,
}
"""What the builders say of the plan, and the direction in which it speaks for it; the first is the headline."""
RIVAL, ATTAINABLE = "crude_rival", "attainable"
COMPLETENESS = ("all", "part", "none")
DRAWING_GRIDS = {f"drawing_{side}": [f"drawing_{root}_{side}" for root in ROOTS] for side in (*SIDES, "both")}


@dataclass(frozen=True)
class Judged:
    """Cases with their truth, and what the builders make of them."""

    cases: pd.DataFrame
    truth: pd.DataFrame
    features: pd.DataFrame
    sources: Sources
    rival: Floats

    def contender(self, name: str) -> Floats:
        """The builders' score on the plan, larger where it speaks for it; NaN where it is unknown."""
        return CONTENDERS[name] * self.features[name].to_numpy(dtype=float)


def run(params: Params) -> None:
    drawn = [replace(params.registry, seed=seed) for seed in params.builders.seeds]
    tested = judged(*draw_decisions(replace(drawn[0], cases=params.builders.cases)), params)
    pairs = draw_twins(replace(drawn[1], cases=params.builders.twin_pairs))
    taught = replace(drawn[2], cases=params.builders.attainable_cases)
    learned = attainable_risks(taught, tested, params)
    seed = params.builders.seed
    found = {
        "provenance": "virtual registry",
        "drawn": {
            "cases": len(tested.cases),
            "twin_pairs": len(pairs.first),
            "attainable_cases": params.builders.attainable_cases,
        },
        "plan": plan_figures(tested, learned["plan"], seed),
        "mimics": {mimic: mimic_figures(tested, mimic, learned[mimic], seed) for mimic in MIMICS},
        "lesion": lesion_figures(tested),
        "twins": twin_figures(pairs, params),
    }
    write_json(as_plain(found), paths.BUILDERS)
    write_json(summary(found), paths.BUILDERS_SUMMARY)
    for name, table in plot_tables(tested, learned, found, seed).items():
        write_table(table.round(6), paths.builder_table(name))


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """A few figures to compare between runs (`dvc metrics show`); null where not estimable."""
    plan, mimics = found["plan"], found["mimics"]
    calibration = plan.get("calibration", {})
    return {
        "plan_auroc": {who: _point(plan["compared"][who]) for who in ("builders", RIVAL, ATTAINABLE)},
        "plan": {name: _point(calibration.get(name)) for name in ("observed_over_expected", "calibration_slope")},
        "mimics_auroc": {mimic: _point(mimics[mimic]["auroc"]["source"]) for mimic in MIMICS},
    }


def _point(figure: Figure | None) -> float | None:
    return None if figure is None or figure.estimate.estimate is None else round(figure.estimate.estimate, 4)


def judged(cases: pd.DataFrame, truth: pd.DataFrame, params: Params) -> Judged:
    """What the builders and the crude rival make of these cases."""
    findings = Findings(cases)
    return Judged(
        cases=cases,
        truth=truth,
        features=build_features(cases, params.applied_builders),
        sources=sources_of_pain(findings, params.applied_builders),
        rival=evidence.largest_planned_lesion(findings),
    )


def contenders(features: pd.DataFrame) -> list[str]:
    """Those that the builders make, the headline first."""
    return [name for name in CONTENDERS if name in features.columns]


def plan_figures(tested: Judged, learned: Mapping[float, Floats], seed: int) -> dict[str, Any]:
    """Does the plan reach the main source? Each contender, the rival, and the best attainable, with intervals."""
    is_true = tested.truth["is_source_in_plan"].to_numpy()
    names = contenders(tested.features)
    headline = names[0]
    score = tested.contender(headline)
    known = ~np.isnan(score) & ~np.isnan(tested.rival)
    compared = evidence.compared_aurocs(
        is_true,
        {"builders": score, RIVAL: tested.rival, ATTAINABLE: learned[FRACTIONS[-1]]},
        np.arange(len(is_true)),
        seed,
    )
    figures: dict[str, Any] = {
        "is_source_in_plan": evidence.share_true(is_true),
        "concordance_known": evidence.share_true(~np.isnan(score) * 1.0),
        "headline": headline,
        "auroc": {name: evidence.discrimination(is_true, tested.contender(name)) for name in names},
        "compared": compared,
        "attainable_learning_curve": learning_curve(is_true[known], {f: risk[known] for f, risk in learned.items()}),
    }
    if CONTENDERS[headline] == 1:
        figures["calibration"] = evidence.calibration(is_true, score)
    return figures


def learning_curve(is_true: Floats, learned: Mapping[float, Floats]) -> dict[str, Any]:
    """AUROC of what is attainable after a part of the draws, and whether the last doubling still added."""
    curve = {percent(fraction): evidence.discrimination(is_true, risk) for fraction, risk in learned.items()}
    last = [figure.estimate.estimate for figure in curve.values()][-2:]
    gain = None if None in last else round(float(last[1] - last[0]), 6)  # type: ignore[operator]
    return {**curve, "gain_of_last_doubling": gain, "is_levelled": None if gain is None else int(gain < LEVELLED)}


def by_side(columns: pd.DataFrame, stem: str) -> Floats:
    """(2 n,) a column of the truth for the left of all cases, then for their right."""
    return np.concatenate([columns[f"{stem}_{side}"].to_numpy(dtype=float) for side in SIDES])


def mimic_figures(tested: Judged, mimic: str, learned: Mapping[float, Floats], seed: int) -> dict[str, Any]:
    """One mimic, a row a case and side: is it a source there, is it the main one, is its probability right?"""
    place = MIMICS.index(mimic)
    is_source, is_main = by_side(tested.truth, f"has_{mimic}"), by_side(tested.truth, f"is_main_{mimic}")
    probability = tested.sources.mimics.probability[:, place].T.reshape(-1)
    support = tested.sources.support.mimics.reshape(len(tested.cases), len(MIMICS), len(SIDES))[:, place].T.reshape(-1)
    case = np.tile(np.arange(len(tested.cases)), len(SIDES))
    done = tests_done(tested.cases, mimic)
    return {
        "prevalence": evidence.share_true(is_source),
        "auroc": {
            "source": evidence.discrimination(is_source, probability),
            "main_source": evidence.discrimination(is_main, probability),
        },
        "auroc_of_support": {
            "source": evidence.discrimination(is_source, support),
            "main_source": evidence.discrimination(is_main, support),
        },
        "compared": evidence.compared_aurocs(
            is_source, {"builders": probability, ATTAINABLE: learned[FRACTIONS[-1]]}, case, seed
        ),
        "attainable_learning_curve": learning_curve(is_source, learned),
        "calibration": evidence.calibration(is_source, probability),
        "by_tests_done": {
            state: {
                "prevalence": evidence.share_true(is_source[done == state]),
                "auroc": evidence.discrimination(is_source[done == state], probability[done == state]),
                "attainable": evidence.discrimination(is_source[done == state], learned[FRACTIONS[-1]][done == state]),
                **evidence.calibration(is_source[done == state], probability[done == state]),
            }
            for state in COMPLETENESS
        },
    }


def tests_done(cases: pd.DataFrame, mimic: str) -> np.ndarray:
    """(2 n,) how far the most complete cluster of the mimic was done on each side: all, part or none of it."""
    findings = Findings(cases)
    share = np.zeros((len(SIDES), len(cases)))
    for cluster in clusters():
        if cluster.mimic == mimic and cluster.role == "cluster":
            items = [item for item, *_ in cluster.items]
            recorded = np.mean([~np.isnan(findings.grid(item, "side")) for item in items], axis=0)
            share = np.maximum(share, recorded.T)
    return np.where(share == 1, "all", np.where(share == 0, "none", "part")).reshape(-1)


def lesion_figures(tested: Judged) -> dict[str, Any]:
    """Is the lesion that the builders name at the level and side of the true source? Where it lies in the spine."""
    lesions, support = tested.sources.lesions, tested.sources.support
    asked = (tested.truth["is_spinal"] > 0) & (tested.features["concordance_unknown"] == 0)
    level = np.array([LEVELS.index(site.level) for site in SITES] + [-1])
    sides = np.array([[site.side in (None, side) for side in SIDES] for site in SITES] + [[False, False]])
    supported = np.where(np.isnan(support.unknown), -1, np.nan_to_num(support.lesions).argmax(axis=1))
    picks = {
        "best_lesion": (level[lesions.best_site], sides[lesions.best_site]),
        "best_supported_lesion": (level[supported], sides[supported]),
        RIVAL: evidence.largest_lesion_place(Findings(tested.cases)),
    }
    true_level = tested.truth["source_level"].map({name: i for i, name in enumerate(LEVELS)}).fillna(-2).to_numpy()
    true_side = tested.truth["source_side"].to_numpy(dtype=object)
    true_sides = np.stack([(true_side == side) | (true_side == "both") for side in SIDES], axis=1)
    figures = {}
    for name, (picked_level, picked_sides) in picks.items():
        at_level = picked_level == true_level
        on_side = (picked_sides & true_sides).any(axis=1)
        figures[name] = {
            "same_level": evidence.share_true(at_level[asked] * 1.0),
            "same_level_and_side": evidence.share_true((at_level & on_side)[asked] * 1.0),
        }
    return figures


def twin_figures(pairs: Twins, params: Params) -> dict[str, Any]:
    """Pairs of which the plan reaches one twin's source: how often that twin has the better concordance.

    `less_crude_rival` is by how much more of the same pairs the headline tells apart.
    """
    first, second = judged(pairs.first, pairs.first_truth, params), judged(pairs.second, pairs.second_truth, params)
    in_first, in_second = (twin.truth["is_source_in_plan"].to_numpy() > 0 for twin in (first, second))
    other_is_spinal = np.where(in_first, second.truth["is_spinal"], first.truth["is_spinal"]) > 0
    asked = in_first != in_second
    names = contenders(first.features)
    scores = {name: (first.contender(name), second.contender(name)) for name in names}
    scores[RIVAL] = (first.rival, second.rival)
    wins = {
        name: evidence.told_apart(np.where(in_first, a, b), np.where(in_first, b, a)) for name, (a, b) in scores.items()
    }
    wins[f"less_{RIVAL}"] = wins[names[0]] - wins[RIVAL]
    groups = {"all": asked, "another_lesion": asked & other_is_spinal, "a_mimic": asked & ~other_is_spinal}
    return {
        group: {name: evidence.mean_over_pairs(won[chosen]) for name, won in wins.items()}
        for group, chosen in groups.items()
    }


def attainable_risks(taught: RegistryParams, tested: Judged, params: Params) -> dict[str, dict[float, Floats]]:
    """What a learner taught by draws of the generator says of the tested cases: of the plan, and of each mimic."""
    cases, truth = draw_decisions(taught)
    known = observed(cases, build_features(cases, params.applied_builders))
    new = observed(tested.cases, tested.features)
    plan = Question(
        plan_view(known, DRAWING_GRIDS), truth["is_source_in_plan"].to_numpy(), plan_view(new, DRAWING_GRIDS)
    )
    # Both sides of a case stay together when a part of the cases is taken.
    together = np.arange(len(SIDES) * len(known)).reshape(len(SIDES), -1).T.reshape(-1)
    known, new = side_view(known).iloc[together], side_view(new)
    mimics = {mimic: Question(known, by_side(truth, f"has_{mimic}")[together], new, FRACTIONS[-2:]) for mimic in MIMICS}
    return learned_risks({"plan": plan, **mimics}, params.builders.seed)


def observed(cases: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """All that can be seen of a case, as numbers: record, builders, and the generator's reading of the drawing."""
    numbers = features.drop(columns=list(TEXT_FEATURES)).add_prefix("built:")
    return pd.concat([record_matrix(cases), numbers, drawing_log_likelihoods(cases)], axis=1)


def plot_tables(
    tested: Judged, learned: Mapping[str, Mapping[float, Floats]], found: Mapping[str, Any], seed: int
) -> dict[str, pd.DataFrame]:
    """Tables behind the pictures: `auroc`, `roc`, `calibration` and `twins`."""
    headline = found["plan"]["headline"]
    questions = scored_questions(tested, learned, headline)
    compared = {"plan": found["plan"]["compared"]} | {m: found["mimics"][m]["compared"] for m in MIMICS}
    curves: dict[str, list[pd.DataFrame]] = {"roc": [], "calibration": []}
    for question, (is_true, scores) in questions.items():
        known = ~np.isnan(np.stack(list(scores.values()))).any(axis=0)
        for who, score in scores.items():
            points = pd.DataFrame(roc_points(is_true[known], evidence.ranks(score[known])))
            curves["roc"].append(points.rename_axis("place").reset_index().assign(question=question, who=who))
        probability = scores["builders"]
        if question != "plan" or CONTENDERS[headline] == 1:
            known = ~np.isnan(probability)
            curve = smooth_calibration_curve(is_true[known], probability[known], seed=seed)
            curves["calibration"].append(pd.DataFrame(curve).assign(question=question, who="builders"))
    return {
        "auroc": figure_table(
            {(question, who): compared[question][who] for question, (_, scores) in questions.items() for who in scores},
            ("question", "who"),
        ),
        "roc": pd.concat(curves["roc"], ignore_index=True),
        "calibration": pd.concat(curves["calibration"], ignore_index=True),
        "twins": figure_table(
            {
                (group, who): figures[name]
                for group, figures in found["twins"].items()
                for who, name in ((RIVAL, RIVAL), ("builders", headline))
            },
            ("other_source", "who"),
        ),
    }


def scored_questions(
    tested: Judged, learned: Mapping[str, Mapping[float, Floats]], headline: str
) -> dict[str, tuple[Floats, dict[str, Floats]]]:
    """What is asked of the builders: the truth, and the score of everybody who answers, crudest first."""
    scores = {
        RIVAL: tested.rival,
        "builders": tested.contender(headline),
        ATTAINABLE: learned["plan"][FRACTIONS[-1]],
    }
    asked = {"plan": (tested.truth["is_source_in_plan"].to_numpy(), scores)}
    for place, mimic in enumerate(MIMICS):
        probability = tested.sources.mimics.probability[:, place].T.reshape(-1)
        answers = {"builders": probability, ATTAINABLE: learned[mimic][FRACTIONS[-1]]}
        asked[mimic] = (by_side(tested.truth, f"has_{mimic}"), answers)
    return asked


def figure_table(figures: Mapping[tuple[str, str], Figure], names: tuple[str, str]) -> pd.DataFrame:
    """One row a figure: its two names, estimate, lower, upper, n."""
    rows = [
        {names[0]: one, names[1]: other, **dict(zip(("estimate", "lower", "upper"), figure.estimate, strict=False))}
        | {"n": figure.n}
        for (one, other), figure in figures.items()
    ]
    return pd.DataFrame(rows)


def as_plain(content: Any) -> Any:
    """Figures as {estimate, lower, upper, n}, whatever they are nested in."""
    if isinstance(content, Figure):
        return content.as_json()
    return {key: as_plain(value) for key, value in content.items()} if isinstance(content, Mapping) else content
