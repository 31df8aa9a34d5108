"""Stage ``worth``: what the clinical builders are worth, where the effect of a wrong selection is known.

It draws virtual registries of its own, and so may see their truth; it trains nothing that is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from features.builders import build_features
from features.cohort import cohort_flow
from features.dictionary import load_dictionary
from features.errors import CohortError
from features.outcomes import outcome_labels
from features.predictors import Predictor, candidate_predictors
from models.drawing import save, worth_panels
from models.encoding import Floats
from models.learners import CANDIDATES
from models.training import in_threads
from models.worth import (
    SOURCE_MISSED,
    UNREACHED_SHARE,
    Columns,
    adjusted_effect,
    columns_of,
    development_samples,
    discrimination_and_error,
    learned_risk,
    learning_curves,
    marker_values,
    paired_gains,
    predictor_sets,
    recovered_share,
    share_missed_by,
    share_of_gain,
)
from pipeline import paths
from pipeline.files import write_json, write_table
from pipeline.params import Params
from pipeline.virtual.assumed import draw_assumed_effect
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_registry

OUTCOME = "failure_12m"
"""The outcome whose dependence on the source of the pain the virtual registry assumes."""
DRAWN_PER_CASE = 1.45
"""Cases drawn for one in the cohort whose outcome is known; a fifth do not answer, and some more are lost."""
EVERY_CANDIDATE = 1000
"""More parameters than the candidates have: a limit would let the builders' push published predictors out."""
DIGITS = 6
TRUTH = "truth"


@dataclass(frozen=True)
class Followed:
    """Cases of one virtual registry that are in the cohort and whose outcome is known."""

    predictors: pd.DataFrame
    """The record, all features of the builders, and what only a virtual registry knows."""
    y: Floats
    true_risk: Floats


def run(params: Params) -> None:
    candidates = candidate_predictors(OUTCOME, EVERY_CANDIDATE)
    measured, worlds = [], {}
    for effect in params.worth.discordance_effects:
        test = followed_cases(registry(params, effect, 0, params.worth.test_cases), params)
        found = measured_worth(test, effect, candidates, params)
        worlds[effect] = {**test_summary(test), **known_effects(test, effect, candidates, params)}
        measured.append(found)
        print(f"worth: {sentence(found, effect)}", flush=True)
    table = pd.concat(measured, ignore_index=True)
    curves, gains = learning_curves(table), paired_gains(table)
    write_table(table.round(DIGITS), paths.WORTH)
    write_json(summary(curves, gains, worlds), paths.WORTH_SUMMARY)
    ceilings = {effect: world["true_risk"] for effect, world in worlds.items()}
    for learner in CANDIDATES:
        title = f"{OUTCOME}, learner {learner}: mean of repeats, band from the 2.5th to the 97.5th percentile"
        save(worth_panels(curves[curves["learner"] == learner], ceilings, title), paths.worth_picture(learner))


def registry(params: Params, effect: float, number: int, cases: int) -> RegistryParams:
    """A registry of this world with so many followed cases: number 0 is for testing, others to develop in.

    A number stands for the same people in every world, so that worlds differ by the effect alone.
    """
    drawn = int(np.ceil(DRAWN_PER_CASE * cases))
    return replace(params.registry, seed=params.worth.seed + number, cases=drawn, discordance_effect=effect)


def followed_cases(drawn: RegistryParams, params: Params) -> Followed:
    """A registry drawn, restricted to the cohort with a known outcome, with all features."""
    cases, truth = draw_registry(drawn)
    days = [v.name for v in load_dictionary().variables if v.type == "date"]
    cases = cases.assign(**{day: pd.to_datetime(cases[day]) for day in days}).set_index("case_id")
    included, _ = cohort_flow(cases, params.cohort)
    y = outcome_labels(cases, {OUTCOME: params.cohort.outcomes[OUTCOME]})[OUTCOME]
    kept = included & y.notna()
    cases, truth = cases[kept], truth.set_index("case_id")[kept]
    features = build_features(cases, params.derive)
    known = pd.DataFrame(
        {SOURCE_MISSED: 1 - truth["is_source_reached"], UNREACHED_SHARE: truth["unreached_share"]}, index=cases.index
    )
    predictors = pd.concat([cases, features, known], axis=1)
    return Followed(predictors, y[kept].to_numpy(), truth["true_risk_failure_12m"].to_numpy())


def measured_worth(test: Followed, effect: float, candidates: list[Predictor], params: Params) -> pd.DataFrame:
    """AUROC and Brier score on the test cases of every learner, set, size and repeat: one row a fit."""
    sets = predictor_sets(features_of(test), candidates)
    tested = {name: columns_of(test.predictors, predictors) for name, predictors in sets.items()}

    def rows(number: int) -> list[dict[str, Any]]:
        most = max(params.worth.development_cases)
        development = followed_cases(registry(params, effect, number, most), params)
        if len(development.y) < most:
            raise CohortError(
                f"A virtual registry of {effect:g} has {len(development.y)} followed cases, and "
                f"worth.development_cases asks for {most}. Ask for fewer, or lower cohort.minimum_age_years."
            )
        return measured_registry(development, test.y, tested, sets, number, params)

    numbers = range(1, params.worth.registries + 1)
    found = in_threads(rows, numbers, f"worth: discordance effect {effect:g}, registries")
    table = pd.DataFrame([row for some in found for row in some])
    table.insert(0, "discordance_effect", effect)
    return table


def measured_registry(
    development: Followed,
    y_test: Floats,
    tested: Mapping[str, Columns],
    sets: Mapping[str, Sequence[Predictor]],
    number: int,
    params: Params,
) -> list[dict[str, Any]]:
    """One row a fit for the samples of one registry; every set learns from the same cases."""
    columns = {name: columns_of(development.predictors, predictors) for name, predictors in sets.items()}
    worth, rows = params.worth, []
    samples = development_samples(
        len(development.y), worth.development_cases, worth.samples_per_registry, worth.seed + number
    )
    for size, sample, places in samples:
        repeat = (number - 1) * worth.samples_per_registry + sample
        for learner in CANDIDATES:
            for name, predictors in sets.items():
                risk = learned_risk(
                    learner,
                    worth.setting(learner),
                    predictors,
                    columns[name].rows(places),
                    development.y[places],
                    tested[name],
                    worth.seed,
                )
                row = {"learner": learner, "predictors": name, "development_cases": size, "repeat": repeat}
                rows.append(row | discrimination_and_error(y_test, risk))
    return rows


def features_of(cases: Followed) -> pd.DataFrame:
    """The features among the predictors, without the record and the truth."""
    known = [SOURCE_MISSED, UNREACHED_SHARE]
    recorded = [v.name for v in load_dictionary().variables if v.name in cases.predictors.columns]
    return cases.predictors.drop(columns=[*recorded, *known])


def test_summary(test: Followed) -> dict[str, Any]:
    """Who the test cases are, and how well their true risks would do: the best attainable."""
    return {
        "test_cases": len(test.y),
        "prevalence": round(float(test.y.mean()), DIGITS),
        "true_risk": {k: round(v, DIGITS) for k, v in discrimination_and_error(test.y, test.true_risk).items()},
    }


def known_effects(test: Followed, effect: float, candidates: list[Predictor], params: Params) -> dict[str, Any]:
    """The effect that is assumed of missing the source, and the effects that are found on the test cases.

    `found` holds, for the truth and for each marker of the builders, the effect crude and at the same
    published predictors, and how much likelier the source is missed at 1 than at 0 of the marker.
    """
    published = predictor_sets(features_of(test), candidates)["published"]
    missed = test.predictors[SOURCE_MISSED].to_numpy()
    markers = marker_values(test.predictors).assign(**{TRUTH: missed})
    found = {}
    for name in markers.columns:
        marker = markers[name].to_numpy()
        found[name] = {
            "crude": adjusted_effect(test.y, marker, test.predictors, []),
            "adjusted": adjusted_effect(test.y, marker, test.predictors, published),
            "source_missed_difference": share_missed_by(marker, missed),
        }
    return {"assumed": assumed_effect(effect, params), "found": found}


def assumed_effect(effect: float, params: Params) -> dict[str, float]:
    """What the generator does to the same case when the source is missed: mean over the test registry's cases."""
    drawn = draw_assumed_effect(registry(params, effect, 0, params.worth.test_cases))
    missed, reached = drawn["risk_if_missed"], drawn["risk_if_reached"]
    return {
        "risk_difference": round(float((missed - reached).mean()), DIGITS),
        "log_odds": round(float((logit(missed) - logit(reached)).mean()), DIGITS),
        "source_missed": round(float(1 - drawn["is_source_reached"].mean()), DIGITS),
    }


def summary(curves: pd.DataFrame, gains: pd.DataFrame, worlds: Mapping[float, Mapping[str, Any]]) -> dict[str, Any]:
    """All of it for a file: no NaN, figures rounded, where it comes from."""
    control = worlds[0.0]["found"]
    stored = {}
    for effect, world in worlds.items():
        found = {}
        for name, its in world["found"].items():
            share = recovered_share(
                its["adjusted"].risk_difference,
                control[name]["adjusted"].risk_difference,
                world["assumed"]["risk_difference"],
            )
            found[name] = {
                "crude": its["crude"].as_json(),
                "adjusted": its["adjusted"].as_json(),
                "source_missed_difference": round(its["source_missed_difference"], DIGITS),
                "recovered_share": share.as_json(),
            }
        stored[f"{effect:g}"] = {**world, "found": found}
    return {
        "provenance": "virtual registry",
        "outcome": OUTCOME,
        "worlds": stored,
        "curves": _records(curves),
        "gains": _records(gains),
        "share_of_gain": _records(share_of_gain(gains).reset_index()),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.round(DIGITS).astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


def sentence(found: pd.DataFrame, effect: float) -> str:
    """One world in a line, at its largest size."""
    largest = found[found["development_cases"] == found["development_cases"].max()]
    means = largest[largest["learner"] == CANDIDATES[-1]].groupby("predictors", sort=False)["auroc"].mean()
    named = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
    return f"discordance effect {effect:g}: AUROC of {named}"
