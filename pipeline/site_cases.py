"""Another site's file under one model: checked, cohort and labels made as the model's own were, risks told.

What both `backcast validate` and `backcast update` start from.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.builders import build_features
from features.cohort import CohortParams, cohort_flow, outcome_flow, provenance
from features.errors import BundleError, CohortError, OutcomeError
from features.outcomes import OutcomeParams, horizon_months, label_columns, outcome_labels, reported_variables
from features.predictors import predictor_frame
from features.record import required_columns
from models.bundle import Bundle
from models.cause_model import is_cause_model
from models.censoring import label_weights
from models.encoding import Columns, Floats, is_missing
from models.estimates import MINIMUM_PER_CLASS
from models.input_keys import input_keys
from models.predictor import RiskPredictor
from models.updating import site_fingerprint
from pipeline import tracking
from pipeline.intake import Reading, fit_cases
from pipeline.params import Params
from pipeline.scoring import LoadedModel, bundle_folder, explained_in_slices
from pipeline.sources.records import input_sha256

MODELS = "models:/"
OWN, OF_PARAMS = "the model's own bundle", "params.yaml"
DATES = ("index_date", "death_date", "reoperation_date", "last_contact_date")
EVENTS = ("death_date", "reoperation_date")
"""Days of what need not have happened to anybody."""
ONE_CENTRE = "one centre"
"""The centre of all cases of a file that names none."""


@dataclass(frozen=True)
class Definition:
    """Who is asked and what the outcome means there: as at development, or as params.yaml has it."""

    cohort: CohortParams
    outcome: OutcomeParams
    source: str


@dataclass(frozen=True)
class SiteCases:
    """The included cases of a file under a model; arrays are (n,) in the order of `cases`.

    `y` is NaN where the outcome is not known, and the weight 0. `missing` is (n, n_predictors).
    """

    cases: pd.DataFrame
    y: Floats
    weights: Floats
    risk: Floats
    contributions: Floats
    columns: Columns
    missing: NDArray[np.bool_]
    patients: NDArray[np.object_]
    centres: NDArray[np.object_]
    flow: pd.DataFrame
    definition: Definition
    provenance: str
    """Of model and cases together: virtual if one of them is."""
    input_sha256: str

    def fingerprint(self, parent_sha256: str) -> str:
        """Of the cases with a known outcome, as an update of the model with this hash keeps it."""
        keys = input_keys(self.cases[self.known], parent_sha256)
        return site_fingerprint(keys.tolist(), self.y[self.known], self.weights[self.known])

    @property
    def known(self) -> NDArray[np.bool_]:
        return self.weights > 0


def one_model(name: str) -> LoadedModel:
    """The model of a risk behind a registered name or a folder.

    Raises
    ------
    BundleError
        If it is damaged, other code made it, or it ranks causes and tells no risk.
    """
    with tempfile.TemporaryDirectory() as scratch, tracking.store() as client:
        folder = bundle_folder(client, name, Path(scratch))
        if is_cause_model(folder):
            raise BundleError(f"{name} ranks the causes of a failure and tells no risk. Name the model of an outcome.")
        return LoadedModel(_numbered(client, name), RiskPredictor.load(folder))


def _numbered(client: tracking.Client, name: str) -> str:
    """A registered model by its version, since an alias will name another one day."""
    registered, at, alias = name.removeprefix(MODELS).partition("@")
    if not name.startswith(MODELS) or not at:
        return name
    return f"{MODELS}{registered}/{client.get_model_version_by_alias(registered, alias).version}"


def definition(bundle: Bundle, params: Params) -> Definition:
    """Criteria and label by which the model was developed; of a bundle that kept none, those of params.yaml.

    Raises
    ------
    OutcomeError
        If neither says what the outcome means.
    """
    kept = dict(bundle.cohort)
    if kept:
        cohort = CohortParams(minimum_age_years=kept.pop("minimum_age_years"))
        return Definition(cohort, OutcomeParams(**kept), OWN)
    if bundle.outcome not in params.cohort.outcomes:
        raise OutcomeError(
            f"Neither the bundle nor params.yaml says what {bundle.outcome} means. Define it in cohort.outcomes."
        )
    cohort = CohortParams(minimum_age_years=params.cohort.minimum_age_years)
    return Definition(cohort, params.cohort.outcomes[bundle.outcome], OF_PARAMS)


def site_cases(path: Path, model: LoadedModel, params: Params, **reading: Unpack[Reading]) -> SiteCases:
    """The cases of a file that meet the model's criteria, with labels, weights and risks.

    Raises
    ------
    BackcastError
        With every problem of the file at once; `CohortError` if no case meets the criteria; `OutcomeError` if the
        outcome is known of too few with it or without it for anything to be said.
    """
    bundle = model.predictor.bundle
    meant = definition(bundle, params)
    cases = checked_site(path, bundle.outcome, meant.outcome, **reading)
    input_hash = input_sha256(path, cases)
    included, flow = cohort_flow(cases, meant.cohort)
    if not included.any():
        raise CohortError(
            f"{path}: no case of {len(cases)} meets the criteria of {model.uri}. See its flow: {_told(flow)}."
        )
    cases = cases[included]
    labels = outcome_labels(cases, {bundle.outcome: meant.outcome})
    flow = pd.concat([flow, outcome_flow(cases, labels, [bundle.outcome])], ignore_index=True)
    y = labels[bundle.outcome].to_numpy(dtype=np.float64)
    weights = label_weights(labels, bundle.outcome, np.ones(len(cases), dtype=bool))
    _refuse_one_kind(path, bundle.outcome, y[weights > 0], _never_recorded(cases, bundle.outcome, meant.outcome))
    features = build_features(cases, model.predictor.builder_params)
    explained = explained_in_slices(model, cases, features)
    columns = predictor_frame(cases, features, model.predictor.names)
    gaps = [is_missing(columns[name]) for name in model.predictor.names]
    origins = {bundle.provenance, provenance(cases)}
    return SiteCases(
        cases=cases,
        y=y,
        weights=weights,
        risk=explained.risks["risk"].to_numpy(dtype=np.float64),
        contributions=explained.contributions.to_numpy(dtype=np.float64),
        columns={name: columns[name].to_numpy() for name in model.predictor.names},
        missing=np.stack(gaps, axis=1) if gaps else np.zeros((len(cases), 0), dtype=bool),
        patients=cases["patient_id"].fillna(cases.index.to_series()).to_numpy(dtype=object),
        centres=cases["centre_id"].fillna(ONE_CENTRE).to_numpy(dtype=object),
        flow=flow,
        definition=meant,
        provenance="virtual" if "virtual" in origins else "registry",
        input_sha256=input_hash,
    )


def checked_site(path: Path, outcome: str, choice: OutcomeParams, **reading: Unpack[Reading]) -> pd.DataFrame:
    """The records of a file that is fit for this: what a prediction needs, and what the label is made from.

    A file of one clinic may lack `patient_id`, `centre_id` and `record_origin`: its cases are then each of a patient
    of their own, of one centre, and of a registry.
    """
    required = dict.fromkeys([*required_columns("preoperative"), *label_columns(outcome, choice)])
    cases = fit_cases(path, "adjudication", list(required), **reading)
    absent = {name: pd.Series(pd.NaT, index=cases.index) for name in DATES if name not in cases.columns}
    absent |= {name: pd.Series(np.nan, index=cases.index) for name in reported_variables() if name not in cases.columns}
    for name in ("patient_id", "centre_id", "record_origin"):
        if name not in cases.columns:
            absent[name] = pd.Series(None, index=cases.index, dtype=object)
    return cases.assign(**absent)


def _told(flow: pd.DataFrame) -> str:
    return "; ".join(f"{row.criterion}: {row.excluded} excluded" for row in flow.iloc[1:].itertuples() if row.excluded)


def _never_recorded(cases: pd.DataFrame, outcome: str, choice: OutcomeParams) -> list[str]:
    """What the label is made from and is empty throughout; a column of dates may be."""
    return [name for name in label_columns(outcome, choice) if name not in EVENTS and cases[name].isna().all()]


def _refuse_one_kind(path: Path, outcome: str, y: Floats, never: list[str]) -> None:
    events = int(y.sum())
    if min(events, len(y) - events) >= MINIMUM_PER_CLASS:
        return
    empty = f"{', '.join(never)} {'is' if len(never) == 1 else 'are'} recorded of no case; " if never else ""
    raise OutcomeError(
        f"{path}: {empty}{outcome} is known of {len(y)} cases that meet the criteria, {events} with it and "
        f"{len(y) - events} without it within {horizon_months(outcome)} months. Nothing can be said of a model with "
        f"fewer than {MINIMUM_PER_CLASS} of either: bring more cases, or look whether a code is turned round."
    )


def definition_as_json(meant: Definition) -> dict[str, object]:
    """The definition for a file."""
    return {"source": meant.source, **asdict(meant.cohort), **asdict(meant.outcome)}
