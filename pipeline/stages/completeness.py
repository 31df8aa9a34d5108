"""Stage ``completeness``: the chosen learner on the test cases, with whole blocks of their records blanked.

For every completeness that a record of the study can have (`features.completeness`) the features are derived
anew, the model answers again, and its figures stand beside those of the records as they are. A prediction can
thereby carry the figures of the completeness it was made with. Cases that lack a block anyhow stay in: the
figures of a level are those of all test cases, had each been asked no more than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tqdm import tqdm

from features.builders import BuilderParams, build_features
from features.completeness import Level, completeness_of, levels, never_recorded
from models.comparison import paired_differences
from models.encoding import Floats
from models.estimates import as_stored
from models.metrics import (
    Estimate,
    auroc,
    brier_score,
    calibration_intercept,
    calibration_slope,
    enough_cases,
    log_loss,
    mean_risk,
    net_benefit,
    net_benefit_name,
    observed_to_expected,
    scaled_brier_score,
    told_count,
)
from models.predictor import RiskPredictor
from pipeline import paths
from pipeline.files import write_json
from pipeline.params import Params
from pipeline.tested import Tested, chosen_predictor, known_outcomes, tested_cases

THREADS = 2
DIFFERENCES = ("auroc", "brier_score", "log_loss")


def run(params: Params) -> None:
    tested = tested_cases()
    found = levels(never_recorded(tested.cases))
    predictors = {outcome: chosen_predictor(outcome) for outcome in params.train.outcomes}
    risks = blanked_risks(tested, found, predictors, params.derive)
    told = {}
    for outcome in params.train.outcomes:
        figures = level_figures(outcome, tested, [risks[level][outcome] for level in found], found, params)
        told[outcome] = {
            level.name: {
                "order": order,
                "label": level.label,
                "blocks_blanked": list(level.blank),
                "variables_blanked": sum(name in tested.cases.columns for name in level.variables),
                "test_set": of_level,
            }
            for order, (level, of_level) in enumerate(zip(found, figures, strict=True))
        }
    write_json(told, paths.COMPLETENESS)


def blanked_risks(
    tested: Tested,
    found: tuple[Level, ...],
    predictors: Mapping[str, RiskPredictor],
    builder_params: BuilderParams | None,
) -> dict[Level, dict[str, Floats]]:
    """The risk of every test case, (n,), at each level and for each outcome."""

    def answer(level: Level) -> dict[str, Floats]:
        cases = level.blanked(tested.cases)
        features = build_features(cases, builder_params)
        return {outcome: p.risk(cases, features).to_numpy() for outcome, p in predictors.items()}

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(tqdm(pool.map(answer, found), total=len(found), desc="levels", leave=False, disable=None))
    return dict(zip(found, answers, strict=True))


def level_figures(
    outcome: str, tested: Tested, risks: list[Floats], found: tuple[Level, ...], params: Params
) -> list[dict[str, Any]]:
    """By level and test set: cases, metrics, and the difference from the records as they are, which come first.

    `as_recorded` counts the cases that are at the level already. A difference is the level's figure less that
    of the record as it is: above 0, a loss (Brier, log loss) is worse; below 0, the AUROC is.
    """
    y, weights = known_outcomes(outcome, tested)
    threshold = params.evaluate.main_threshold[outcome]
    recorded = completeness_of(tested.cases).to_numpy()
    told: list[dict[str, Any]] = []
    for level, risk in zip(found, risks, strict=True):
        figures = {}
        for test_set in tested.test_sets:
            rows = tested.rows(test_set) & (weights > 0)
            metrics = level_metrics(y[rows], risk[rows], weights[rows], threshold)
            differences = paired_differences(
                y[rows], risk[rows], risks[0][rows],
                thresholds=[threshold], patients=tested.patients[rows], weights=weights[rows],
            )  # fmt: skip
            differences = enough_cases(differences, int(rows.sum()))
            kept = (*DIFFERENCES, net_benefit_name(threshold))
            figures[test_set] = {
                "cases": int(rows.sum()),
                "events": told_count(int(y[rows].sum()), int(rows.sum())),
                "as_recorded": int((recorded[rows] == level.name).sum()),
                "metrics": as_stored(metrics),
                "difference": {} if risk is risks[0] else as_stored({name: differences[name] for name in kept}),
            }
        told.append(figures)
    return told


def level_metrics(y: Floats, risk: Floats, weights: Floats, threshold: float) -> dict[str, Estimate]:
    """What is reported of one level in one test set, by name; of fewer than five cases, nothing."""
    measured = {
        "auroc": auroc(y, risk, weights=weights),
        "calibration_intercept": calibration_intercept(y, risk, weights=weights),
        "calibration_slope": calibration_slope(y, risk, weights=weights),
        "observed_to_expected": observed_to_expected(y, risk, weights=weights),
        "brier_score": brier_score(y, risk, weights=weights),
        "scaled_brier_score": scaled_brier_score(y, risk, weights=weights),
        "log_loss": log_loss(y, risk, weights=weights),
        net_benefit_name(threshold): net_benefit(y, risk, threshold, weights=weights),
        "mean_risk": mean_risk(risk, weights=weights),
    }
    return enough_cases(measured, len(y))
