"""What `backcast monitor` reads from the record, writes to its folder, and calls an alarm.

The last answer of a case counts, and an outcome counts once its horizon had passed when it was attached:
before that only those who failed early are known, and every model would seem too hopeful.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.builders import BuilderParams, build_features
from features.dictionary import load_dictionary
from features.errors import FileFormatError
from features.outcomes import DAYS_PER_MONTH, is_in_time
from features.predictors import predictor_frame
from features.words import percent
from models.bundle import bundle_sha256, read_distributions
from models.censoring import label_weights
from models.distributions import distribution
from models.drawing import save
from models.monitoring import ALARM, EVERYONE, answer_shares, calibration_table, drift_table
from models.monitoring_pictures import calibration_picture, drift_picture
from pipeline.files import read_json, write_table
from pipeline.params import MonitorParams
from pipeline.prediction_record.chain import ANSWERS
from pipeline.prediction_record.reading import Kept, Reader
from pipeline.reporting.words import several

REFERENCE_FORMAT = 1
RISK_OF = "risk of "


@dataclass(frozen=True)
class Answers:
    """The answers of a record as tables, one row a prediction.

    `about` has month, centre, has_red_flag, has_caution, missing_predictors; `predictors` the values that the
    models saw; `risks` a column an outcome; `known` an outcome's label where it counts, else NaN; `days` those to
    an outcome in time, or to the last contact, where they count; `models` the model that answered an outcome last,
    as the answer names it. The counts say what was left out.
    """

    about: pd.DataFrame
    predictors: pd.DataFrame
    risks: pd.DataFrame
    known: pd.DataFrame
    days: pd.DataFrame
    models: Mapping[str, Mapping[str, Any]]
    erased: int
    replaced: int
    known_early: int

    def weights(self, outcome: str) -> pd.Series:
        """(n,) float: what each known outcome stands for, 0 where it is not known.

        1, but for an event in time whose days are known, where those watched to the end stand for those who were not.
        """
        if not is_in_time(outcome) or self.n_undated(outcome):
            return self.known[outcome].notna().astype(float)
        labels = pd.DataFrame({outcome: self.known[outcome], f"{outcome}_days": self.days[outcome]})
        is_watched = self.days[outcome].notna().to_numpy()
        return pd.Series(label_weights(labels, outcome, is_watched), index=labels.index)

    def n_undated(self, outcome: str) -> int:
        """How often an event in time is known and its day is not, as in what older versions attached."""
        return int((self.known[outcome].notna() & self.days[outcome].isna()).sum()) if is_in_time(outcome) else 0

    def n_lost(self, outcome: str) -> int:
        """Cases that were lost sight of before the horizon of an event in time, without one."""
        return int((self.known[outcome].isna() & self.days[outcome].notna()).sum())


def answers_of(reader: Reader, builder_params: BuilderParams) -> Answers:
    """What a record holds of answers before an operation, and of outcomes.

    Erased ones are counted, and earlier ones of a case; work-ups after an operation are `workups_of`.
    """
    kept = list(reader.entries(*ANSWERS))
    made = [one for one in kept if one.content is not None and not one.is_workup]
    last = list({_case(one): one for one in made}.values())
    outcomes = {one.entry.prediction_id: one for one in reader.entries("outcome") if one.content is not None}
    index = [one.entry.prediction_id for one in last]
    risks = pd.DataFrame([_risks(one) for one in last], index=index, dtype=float)
    became = [_became(one, outcomes.get(one.entry.prediction_id)) for one in last]
    predictors = _predictor_values(last, index, builder_params)
    about = pd.DataFrame([_about(one) for one in last], index=index, columns=ABOUT)
    return Answers(
        about=about.assign(missing_predictors=predictors.isna().mean(axis=1)),
        predictors=predictors,
        risks=risks,
        known=pd.DataFrame([one.labels for one in became], index=index, columns=risks.columns, dtype=float),
        days=pd.DataFrame([one.days for one in became], index=index, columns=risks.columns, dtype=float),
        models={outcome["outcome"]: outcome.get("model") or {} for one in last for outcome in _outcomes(one)},
        erased=sum(one.content is None for one in kept),
        replaced=len(made) - len(last),
        known_early=sum(one.early for one in became),
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


class Became(NamedTuple):
    """What became of a case: labels and days that count by outcome, and how many labels are known but do not."""

    labels: dict[str, float]
    days: dict[str, float]
    early: int


def _became(one: Kept, attached: Kept | None) -> Became:
    if attached is None or attached.content is None:
        return Became({}, {}, 0)
    waited = dt.datetime.fromisoformat(attached.entry.made_at) - dt.datetime.fromisoformat(one.entry.made_at)
    horizons = {outcome["outcome"]: outcome.get("horizon_months") or 0 for outcome in _outcomes(one)}
    counts = {name for name, months in horizons.items() if waited.days >= int(months * DAYS_PER_MONTH)}
    labels = {name: label for name, label in attached.content["labels"].items() if label is not None}
    days = attached.content.get("days", {})
    return Became(
        labels={name: float(label) for name, label in labels.items() if name in counts},
        days={name: float(day) for name, day in days.items() if name in counts},
        early=sum(name in horizons and name not in counts for name in labels),
    )


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


def development_reference(answers: Answers, served: Path) -> dict[str, Any] | None:
    """The distributions of their own development that the models which answered last came with.

    Parameters
    ----------
    answers : Answers
    served : Path
        The folder in which a service keeps the models that it fetched (`service.models`); a model that was served
        from a bundle folder is looked for there.

    Returns
    -------
    dict or None
        As `reference_of`, for those models that are still there; None where there is none. A predictor of several
        models has the distribution of the first.
    """
    found = {}
    for outcome, model in answers.models.items():
        bundle = _bundle_of(model, served)
        kept = read_distributions(bundle) if bundle else None
        if kept:
            found[outcome] = kept
    if not found:
        return None
    return {
        "format": REFERENCE_FORMAT,
        "predictors": {n: one for kept in reversed(found.values()) for n, one in kept["predictors"].items()},
        "risks": {outcome: kept["risk"] for outcome, kept in found.items()},
    }


def _bundle_of(model: Mapping[str, Any], served: Path) -> Path | None:
    """The folder of the very model that an answer names, or None."""
    sha256, uri = str(model.get("sha256")), str(model.get("uri"))
    folders = (folder for folder in (served / sha256, Path(uri)) if (folder / "bundle.json").is_file())
    return next((folder for folder in folders if bundle_sha256(folder) == sha256), None)


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
            f"{row['outcome']}, {_group(row['by'], row['group'])}: {percent(row['observed'])} had it where "
            f"{percent(row['expected'])} were expected (intercept {row['intercept']:+.2f}, 95 % interval "
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
            about.assign(
                outcome=outcome,
                risk=answers.risks[outcome],
                y=answers.known[outcome],
                weight=answers.weights(str(outcome)),
            )
            for outcome in answers.risks.columns
        ]
        or [about.assign(outcome="", risk=np.nan, y=np.nan, weight=np.nan).head(0)]
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
    lines = [f"{several(len(answers.about), 'case')} answered ({left_out})."]
    if np.isfinite(whole["red_flags"]):
        lines[0] += (
            f" With a red flag {percent(whole['red_flags'])}, with a caution {percent(whole['cautions'])}; "
            f"{percent(whole['missing_predictors'])} of the predictors were missing."
        )
    for row in found.calibration[found.calibration["by"] == EVERYONE].to_dict("records"):
        line = f"  {row['outcome']:18} {row['known']} known"
        if np.isfinite(row["observed"]):
            line += f": {percent(row['observed'])} had it, {percent(row['expected'])} expected"
        if np.isfinite(row["intercept_lower"]):
            line += (
                f"; intercept {row['intercept']:+.2f} ({row['intercept_lower']:+.2f} to {row['intercept_upper']:+.2f})"
            )
        lines.append(f"{line}; {row['verdict']}{_lost_words(answers, row['outcome'])}")
    if answers.known_early:
        lines.append(
            f"  {answers.known_early} outcomes were attached before their horizon had passed, and do not count."
        )
    if found.drift is None:
        lines.append(
            "  Drift is not judged: none of the models that answered is in the folder service.models of params.yaml, "
            "or it came without the distributions of its development. `backcast drift-reference` makes them of a "
            "file of cases, and --reference names them."
        )
    else:
        verdicts = found.drift["verdict"].value_counts()
        counted = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.items())
        lines.append(f"  Drift of {len(found.drift)} predictors and risks: {counted or 'none to judge'}.")
    return lines


def _lost_words(answers: Answers, outcome: str) -> str:
    """How those who were lost sight of before an event in time enter; empty where nobody was."""
    if answers.n_undated(outcome):
        return (
            f"; {answers.n_undated(outcome)} came without a day, so that those lost to follow-up are not weighted for"
        )
    lost = answers.n_lost(outcome)
    return f"; weighted for {lost} lost to follow-up before" if lost else ""


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
