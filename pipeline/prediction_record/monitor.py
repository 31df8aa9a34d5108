"""What `backcast monitor` reads from the record, writes to its folder, and calls an alarm.

The last answer of a case counts, and an outcome counts once its horizon had passed when it was attached:
before that only those who failed early are known, and every model would seem too hopeful.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.builders import BuilderParams, build_features
from features.dictionary import load_dictionary
from features.errors import FileFormatError
from features.outcomes import DAYS_PER_MONTH
from features.predictors import predictor_frame
from models.drawing import save
from models.monitoring import ALARM, EVERYONE, answer_shares, calibration_table, distribution, drift_table
from models.monitoring_pictures import calibration_picture, drift_picture
from pipeline.files import read_json, write_table
from pipeline.params import MonitorParams
from pipeline.prediction_record.reading import Kept, Reader

REFERENCE_FORMAT = 1
RISK_OF = "risk of "


@dataclass(frozen=True)
class Answers:
    """The answers of a record as tables, one row a prediction.

    `about` has month, centre, has_red_flag, has_caution, missing_predictors; `predictors` the values that the
    models saw; `risks` a column an outcome; `known` an outcome's label where it counts, else NaN. The counts say
    what was left out.
    """

    about: pd.DataFrame
    predictors: pd.DataFrame
    risks: pd.DataFrame
    known: pd.DataFrame
    erased: int
    replaced: int
    known_early: int


def answers_of(reader: Reader, builder_params: BuilderParams) -> Answers:
    """What a record holds of answers and outcomes; erased ones are counted, and earlier ones of a case."""
    kept = list(reader.entries("prediction"))
    made = [one for one in kept if one.content is not None]
    last = list({_case(one): one for one in made}.values())
    outcomes = {one.entry.prediction_id: one for one in reader.entries("outcome") if one.content is not None}
    index = [one.entry.prediction_id for one in last]
    risks = pd.DataFrame([_risks(one) for one in last], index=index, dtype=float)
    labels = [_labels(one, outcomes.get(one.entry.prediction_id)) for one in last]
    predictors = _predictor_values(last, index, builder_params)
    about = pd.DataFrame([_about(one) for one in last], index=index, columns=ABOUT)
    return Answers(
        about=about.assign(missing_predictors=predictors.isna().mean(axis=1)),
        predictors=predictors,
        risks=risks,
        known=pd.DataFrame([counted for counted, _ in labels], index=index, columns=risks.columns, dtype=float),
        erased=len(kept) - len(made),
        replaced=len(made) - len(last),
        known_early=sum(early for _, early in labels),
    )


ABOUT = ["month", "centre", "has_red_flag", "has_caution"]


def _case(one: Kept) -> str:
    return (one.content or {}).get("case") or one.entry.prediction_id


def _about(one: Kept) -> dict[str, Any]:
    content = one.content or {}
    answer = content.get("answer", {})
    return {
        "month": one.entry.made_at[:7],
        "centre": content.get("centre"),
        "has_red_flag": float(bool(answer.get("red_flags"))),
        "has_caution": float(bool(answer.get("cautions"))),
    }


def _outcomes(one: Kept) -> list[dict[str, Any]]:
    return ((one.content or {}).get("answer", {}).get("outcomes")) or []


def _risks(one: Kept) -> dict[str, float | None]:
    return {outcome["outcome"]: outcome.get("risk") for outcome in _outcomes(one)}


def _labels(one: Kept, attached: Kept | None) -> tuple[dict[str, float], int]:
    """The labels that count, and how many are known but do not."""
    if attached is None or attached.content is None:
        return {}, 0
    waited = dt.datetime.fromisoformat(attached.entry.made_at) - dt.datetime.fromisoformat(one.entry.made_at)
    horizons = {outcome["outcome"]: outcome.get("horizon_months") or 0 for outcome in _outcomes(one)}
    known = {name: label for name, label in attached.content["labels"].items() if label is not None}
    counts = {
        name: float(label)
        for name, label in known.items()
        if name in horizons and waited.days >= int(horizons[name] * DAYS_PER_MONTH)
    }
    return counts, sum(name in horizons and name not in counts for name in known)


def _predictor_values(made: list[Kept], index: list[str], builder_params: BuilderParams) -> pd.DataFrame:
    """What the models saw of each case, made again from the stored inputs by the builders of this version."""
    names = list(dict.fromkeys(name for one in made for outcome in _outcomes(one) for name in _contributed(outcome)))
    inputs = pd.DataFrame([(one.content or {}).get("inputs", {}) for one in made], index=index)
    for name in inputs.columns:
        if name in load_dictionary() and load_dictionary()[name].is_numeric:
            inputs[name] = pd.to_numeric(inputs[name], errors="coerce").astype(np.float64)
    if not made or not names:
        return pd.DataFrame(index=index)
    return predictor_frame(inputs, build_features(inputs, builder_params), names)


def _contributed(outcome: Mapping[str, Any]) -> list[str]:
    return list(outcome.get("contributions") or {})


# ---- the reference -----------------------------------------------------------------------------------


def reference_of(predictors: pd.DataFrame, risks: Mapping[str, pd.Series]) -> dict[str, Any]:
    """The distributions to hold later answers against: of predictors, and of the risk of each outcome."""
    return {
        "format": REFERENCE_FORMAT,
        "predictors": {str(name): distribution(predictors[name]) for name in predictors.columns},
        "risks": {outcome: distribution(risk) for outcome, risk in risks.items()},
    }


def read_reference(path: Path) -> dict[str, Any]:
    """A reference that `backcast drift-reference` wrote."""
    reference = read_json(path)
    if not isinstance(reference, dict) or reference.get("format") != REFERENCE_FORMAT:
        raise FileFormatError(f"{path} is no reference of format {REFERENCE_FORMAT}. Run `backcast drift-reference`.")
    return reference


# ---- figures -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Monitored:
    """The tables of `models.monitoring`; `drift` is None without a reference."""

    answers: Answers
    calibration: pd.DataFrame
    drift: pd.DataFrame | None
    shares: pd.DataFrame

    @property
    def alarms(self) -> list[str]:
        """Each alarm in words."""
        rows = self.calibration[self.calibration["verdict"] == ALARM]
        found = [
            f"{row['outcome']}, {_group(row['by'], row['group'])}: {row['observed']:.0%} had it where "
            f"{row['expected']:.0%} were expected (intercept {row['intercept']:+.2f}, 95 % interval "
            f"{row['intercept_lower']:+.2f} to {row['intercept_upper']:+.2f}; {row['known']} known)"
            for row in rows.to_dict("records")
        ]
        if self.drift is not None:
            found += [
                f"{row['name']} drifted: stability index {row['stability_index']:.2f} over {row['cases']} answers"
                for row in self.drift[self.drift["verdict"] == ALARM].to_dict("records")
            ]
        return found


def monitored(answers: Answers, reference: Mapping[str, Any] | None, params: MonitorParams) -> Monitored:
    about = answers.about[["centre", "month"]]
    long = pd.concat(
        [
            about.assign(outcome=outcome, risk=answers.risks[outcome], y=answers.known[outcome])
            for outcome in answers.risks.columns
        ]
        or [about.assign(outcome="", risk=np.nan, y=np.nan).head(0)]
    )
    calibration = calibration_table(
        long[long["risk"].notna()],
        minimum_known=params.minimum_known,
        most_intercept=params.calibration_intercept,
    )
    return Monitored(answers, calibration, _drift(answers, reference, params), answer_shares(answers.about))


def _drift(answers: Answers, reference: Mapping[str, Any] | None, params: MonitorParams) -> pd.DataFrame | None:
    if reference is None:
        return None
    now = {str(name): answers.predictors[name] for name in answers.predictors.columns}
    now |= {RISK_OF + outcome: answers.risks[outcome].dropna() for outcome in answers.risks.columns}
    before = {
        **{name: kept for name, kept in reference["predictors"].items() if name in now},
        **{RISK_OF + name: kept for name, kept in reference["risks"].items() if RISK_OF + name in now},
    }
    return drift_table(now, before, minimum=params.minimum_predictions, most_index=params.stability_index)


def _group(by: str, group: str) -> str:
    return "all centres" if by == EVERYONE else f"{by} {group}"


def told(found: Monitored) -> list[str]:
    """The figures in words, for the command line."""
    answers = found.answers
    left_out = f"{answers.replaced} answered again later, {answers.erased} erased"
    whole = found.shares[found.shares["month"] == EVERYONE].iloc[0]
    lines = [f"{len(answers.about)} cases answered ({left_out})."]
    if np.isfinite(whole["red_flags"]):
        lines[0] += (
            f" With a red flag {whole['red_flags']:.0%}, with a caution {whole['cautions']:.0%}; "
            f"{whole['missing_predictors']:.0%} of the predictors were missing."
        )
    for row in found.calibration[found.calibration["by"] == EVERYONE].to_dict("records"):
        line = f"  {row['outcome']:18} {row['known']} known"
        if np.isfinite(row["observed"]):
            line += f": {row['observed']:.0%} had it, {row['expected']:.0%} expected"
        if np.isfinite(row["intercept_lower"]):
            line += (
                f"; intercept {row['intercept']:+.2f} ({row['intercept_lower']:+.2f} to {row['intercept_upper']:+.2f})"
            )
        lines.append(f"{line}; {row['verdict']}")
    if answers.known_early:
        lines.append(
            f"  {answers.known_early} outcomes were attached before their horizon had passed, and do not count."
        )
    if found.drift is None:
        lines.append("  No reference was named (--reference), so drift is not judged.")
    else:
        verdicts = found.drift["verdict"].value_counts()
        counted = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.items())
        lines.append(f"  Drift of {len(found.drift)} predictors and risks: {counted or 'none to judge'}.")
    return lines


def write_monitored(found: Monitored, folder: Path, params: MonitorParams) -> list[Path]:
    """Tables and pictures; those of drift only where there was a reference."""
    written = [folder / "calibration.csv", folder / "answers.csv"]
    write_table(found.calibration.round(6), written[0])
    write_table(found.shares.round(6), written[1])
    if (found.calibration["known"] > 0).any():
        save(calibration_picture(found.calibration, params.calibration_intercept), folder / "calibration.png")
        written.append(folder / "calibration.png")
    if found.drift is not None:
        write_table(found.drift.round(6), folder / "drift.csv")
        save(drift_picture(found.drift, params.stability_index), folder / "drift.png")
        written += [folder / "drift.csv", folder / "drift.png"]
    return written
