"""One case before its operation: every outcome's risk, explained, with the sources of the pain and the plan.

`Screener.answers` is what the service gives, the page shows and the record keeps: plain values that JSON
can hold, made so that the whole can be drawn again without the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.axes import FLAGGED_MIMICS, LABELS, MIMICS, SIDES
from features.builders import BuilderParams, Sources, feature_arrays, sources_of_pain
from features.completeness import level_of
from features.dictionary import load_dictionary
from features.errors import BundleError
from features.findings import Findings
from features.next_test import ranked_actions
from features.red_flags import flag_names, red_flag_advice
from features.support import CANDIDATE_LABELS
from models.body_picture import BodyPicture, DrawnLesion
from models.case_picture import body_picture
from models.experience import Similar
from models.predictor import VIRTUAL_CAUTION, RiskPredictor, Risks
from models.source_story import source_lines
from models.story import NOT_A_VERDICT

Record = Mapping[str, Any]
SIMILAR = 50
"""How many similar development cases are asked for."""
KEY_IMPORTANCE = 0.05
"""A predictor with at least this part in all that moves the risks is missed when it is not recorded."""
SOURCES_SHOWN = 5
"""Sources of the pain that an answer ranks."""


class Screener:
    """The models of all outcomes, ready to answer.

    Parameters
    ----------
    predictors : at least one `RiskPredictor`
        One for each outcome, in the order of the answer; made with the same choices of the builders.
    uris : names under which they were loaded, for the record

    Raises
    ------
    BundleError
        If two answer the same outcome, or their builders differ.
    """

    def __init__(self, predictors: Sequence[RiskPredictor], uris: Sequence[str]) -> None:
        outcomes = [predictor.bundle.outcome for predictor in predictors]
        if not outcomes or len(set(outcomes)) < len(outcomes):
            raise BundleError(f"One model for each outcome is needed, got {', '.join(outcomes) or 'none'}.")
        if any(predictor.builder_params != predictors[0].builder_params for predictor in predictors):
            raise BundleError(
                "The models were made with different choices of the builders (derive in params.yaml), so they would "
                "see different sources of the same pain. Train all outcomes with the same ones."
            )
        if predictors[0].builder_params is None:
            raise BundleError(
                "The models are of a study to whose record no builder applies; page and service ask the lumbar record. "
                "Use `backcast score` or MLflow's own service for them."
            )
        self.predictors = tuple(predictors)
        self.uris = tuple(uris)
        self.provenance = "virtual" if any(p.bundle.provenance == "virtual" for p in predictors) else "registry"

    @property
    def builder_params(self) -> BuilderParams:
        params = self.predictors[0].builder_params
        assert params is not None, "refused when it was made"
        return params

    def answers(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """One answer for each record.

        Parameters
        ----------
        records : mappings in the dictionary's layout
            Checked before: numbers as numbers, codes as they are in the dictionary. Absent and None are
            both not recorded; keys of the record are not used.

        Returns
        -------
        list of dict
            `question`, `provenance`, `red_flags`, `completeness`, `outcomes`, `sources`, `plan`, `mimics`,
            `next_tests`, `story`, `picture`, `cautions`, `is_not`. Under a red flag `outcomes` is empty: it
            comes first, and there is no risk. The `evidence` of an outcome is that of records as complete
            as this one; None where nobody looked. A number that is undefined is None.
        """
        if not records:
            return []
        findings = Findings.of_records(records)
        sources = sources_of_pain(findings, self.builder_params)
        columns = self._columns(records, findings, sources)
        risks = [predictor.risks({name: columns[name] for name in predictor.names}) for predictor in self.predictors]
        similar = [predictor.similar(found, SIMILAR) for predictor, found in zip(self.predictors, risks, strict=True)]
        answered = list(zip(self.predictors, self.uris, risks, similar, strict=True))
        outcomes = [_outcome_answers(predictor, uri, found, alike) for predictor, uri, found, alike in answered]
        cautions = [_cautions(predictor, found, alike, columns) for predictor, _, found, alike in answered]
        levels = [level_of([name for name, value in record.items() if value is not None]) for record in records]
        flags = flag_names(findings)
        return [
            {
                "question": "failure",
                "provenance": self.provenance,
                "red_flags": [advice._asdict() for advice in red_flag_advice(flags[place])],
                "completeness": {"level": levels[place].name, "label": levels[place].label},
                "outcomes": []
                if flags[place]
                else [
                    {**answer[place], "evidence": predictor.evidence.get(levels[place].name)}
                    for predictor, answer in zip(self.predictors, outcomes, strict=True)
                ],
                "sources": ranked_sources(sources, place),
                "plan": _plan(sources, place),
                "mimics": _mimics(sources, place),
                "next_tests": [
                    {"action": action, "expected_change": change}
                    for action, change in ranked_actions(sources.mimics, sources.next_tests, place)
                ],
                "story": source_lines(sources, place),
                "picture": as_plain(body_picture(sources, place)),
                "cautions": self._all_cautions([found[place] for found in cautions]),
                "is_not": NOT_A_VERDICT,
            }
            for place in range(len(records))
        ]

    def _columns(self, records: Sequence[Record], findings: Findings, sources: Sources) -> dict[str, NDArray[Any]]:
        """Every predictor of any outcome as an array (n_cases,): from the builders, or from the record."""
        features = feature_arrays(sources, self.builder_params)
        dictionary = load_dictionary()
        columns: dict[str, NDArray[Any]] = {}
        for name in dict.fromkeys(name for predictor in self.predictors for name in predictor.names):
            if name in features:
                columns[name] = features[name]
            elif dictionary[name].is_numeric:
                columns[name] = findings.variable(name)
            else:
                columns[name] = np.array([record.get(name) for record in records], dtype=object)
        return columns

    def _all_cautions(self, by_outcome: Sequence[Sequence[tuple[str, str]]]) -> list[dict[str, str]]:
        own = [("virtual", VIRTUAL_CAUTION)] if self.provenance == "virtual" else []
        told = dict.fromkeys([*own, *(caution for cautions in by_outcome for caution in cautions)])
        return [{"code": code, "text": text} for code, text in told]


def _outcome_answers(predictor: RiskPredictor, uri: str, risks: Risks, similar: Similar) -> list[dict[str, Any]]:
    bundle = predictor.bundle
    model = {"uri": uri, "sha256": predictor.sha256, "learner": bundle.learner, "explanation": bundle.model.explanation}
    about = {p.name: {"label": p.label, "group": p.group} for p in bundle.predictors}
    return [
        {
            "outcome": bundle.outcome,
            "label": bundle.outcome_label,
            "horizon_months": bundle.horizon_months,
            "model": model,
            "risk": number(risks.risk[place]),
            "risk_lower": number(risks.lower[place]),
            "risk_upper": number(risks.upper[place]),
            "base_log_odds": float(risks.base_log_odds),
            "base_rate": bundle.development["prevalence"],
            "contributions": dict(zip(predictor.names, risks.contributions[place].tolist(), strict=True)),
            "predictors": about,
            "missing": [
                name for name, is_missing in zip(predictor.names, risks.is_missing[place], strict=True) if is_missing
            ],
            "similar": {"cases": int(similar.cases[place]), "events": round(float(similar.events[place]))},
        }
        for place in range(len(risks.risk))
    ]


def _cautions(
    predictor: RiskPredictor, risks: Risks, similar: Similar, columns: Mapping[str, NDArray[Any]]
) -> list[list[tuple[str, str]]]:
    """For each case what makes this model's answer less sure, as code and text."""
    label_of = {p.name: p.label for p in predictor.bundle.predictors}
    key = [name for name, part in zip(predictor.names, predictor.importance, strict=True) if part >= KEY_IMPORTANCE]
    outside = predictor.unseen(columns)
    found = []
    for place, is_missing in enumerate(risks.is_missing):
        missing = {name for name, missed in zip(predictor.names, is_missing, strict=True) if missed}
        cautions = [
            ("missing_key_predictor", f"Not recorded: {label_of[name]}. It matters; the development median stands in.")
            for name in key
            if name in missing
        ]
        cautions += [
            ("outside_development", f"{label_of[name]} is outside what development saw.") for name in outside[place]
        ]
        if similar.is_far[place]:
            cautions.append(("few_similar_cases", "Few development cases were like this one."))
        found.append(cautions)
    return found


def ranked_sources(sources: Sources, place: int) -> list[dict[str, Any]]:
    """The best supported candidates, mimics among them; none where support is undefined."""
    support = sources.support
    everything = np.concatenate([support.lesions[place], support.mimics[place], support.unknown[[place]]])
    if np.isnan(everything).any():
        return []
    n_sites, reached = support.lesions.shape[1], sources.plan.reached[place]
    has_plan = bool(sources.plan.has_plan[place])
    best = [at for at in np.argsort(-everything, kind="stable")[:SOURCES_SHOWN] if everything[at] > 0]
    return [
        {
            "label": CANDIDATE_LABELS[at],
            "kind": "lesion" if at < n_sites else "unknown" if at == len(everything) - 1 else "mimic",
            "support": float(everything[at]),
            "is_reached": bool(reached[at]) if at < n_sites and has_plan else False if has_plan else None,
        }
        for at in best
    ]


def _plan(sources: Sources, place: int) -> dict[str, Any]:
    plan = sources.plan
    return {
        "is_recorded": bool(plan.has_plan[place]),
        "support": number(plan.plan_support[place]),
        "share": number(plan.plan_share[place]),
        "misses_likeliest": number(plan.plan_misses_likeliest[place]),
        "unexplained": number(plan.unexplained_by_plan[place]),
        "side_conflict": number(plan.side_conflict[place]),
        "numbering_uncertain": number(sources.numbering_uncertain[place]),
    }


def _mimics(sources: Sources, place: int) -> list[dict[str, Any]]:
    """Each mimic on each side: a probability with its bounds, or a flag by rule."""
    evidence = sources.mimics
    with_probability = [
        {
            "mimic": mimic,
            "label": LABELS[mimic],
            "side": side,
            "probability": number(evidence.probability[place, row, column]),
            "lower": number(evidence.lower[place, row, column]),
            "upper": number(evidence.upper[place, row, column]),
            "tests_done": int(evidence.tests_done[place, row, column]),
            "share": number(evidence.shares[place, row, column]),
        }
        for row, mimic in enumerate(MIMICS)
        for column, side in enumerate(SIDES)
    ]
    by_rule = [
        {"mimic": mimic, "label": LABELS[mimic], "side": side, "flag": number(evidence.flags[place, row, column])}
        for row, mimic in enumerate(FLAGGED_MIMICS)
        for column, side in enumerate(SIDES)
    ]
    return [*with_probability, *by_rule]


def number(value: float) -> float | None:
    """A number that JSON can hold; None where it is undefined."""
    return float(value) if np.isfinite(value) else None


def as_plain(picture: BodyPicture) -> dict[str, Any]:
    """The picture as values that JSON can hold; `picture_of` reads it back."""
    stored = {name: getattr(picture, name).tolist() for name in ("reported", "upper", "expected", "planned", "fused")}
    lesions = [vars(lesion) for lesion in picture.lesions]
    about = {"expected_label": picture.expected_label, "is_done": picture.is_done}
    return _without_nan({**stored, "lesions": lesions, **about})


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and value != value else value


def picture_of(stored: Mapping[str, Any]) -> BodyPicture:
    """The picture that `as_plain` stored, without the model."""
    numbers = {name: np.array(stored[name], dtype=np.float64) for name in ("reported", "upper", "expected")}
    lesions = (
        DrawnLesion(**{**lesion, "share": np.nan if lesion["share"] is None else lesion["share"]})
        for lesion in stored["lesions"]
    )
    return BodyPicture(
        **numbers,
        lesions=tuple(lesions),
        planned=np.array(stored["planned"], dtype=bool),
        fused=np.array(stored["fused"], dtype=bool),
        expected_label=str(stored["expected_label"]),
        is_done=bool(stored.get("is_done", False)),
    )
