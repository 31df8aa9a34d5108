"""What published figures speak of and a record does not name: the columns beside those of the dictionary.

Everything is measured as the source would have: from what the record holds, of those who answered.
Causes of failure, miscounted levels and the true source come from the truth, which no source had.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.axes import LEVELS, SIDES
from features.findings import Floats
from features.outcomes import DAYS_PER_MONTH
from models.published_inputs import published_inputs
from models.published_risk import published_risk

SWESPINE_OUTCOME = "not_improved_12m"
MUCH_BETTER = 2
"""Level of the global assessment: gone and much better are a success."""
ASKED_ABOUT_BACK = ("segmental_pain",)
"""Diagnoses whose success is asked of back pain; of the others of leg pain."""
PERIOPERATIVE = ("has_dural_tear", "has_root_injury", "has_epidural_haematoma")
"""Complications of the hospital stay; of the 169 published of 6,840 microdiscectomies these are 160 (Werner 2017)."""
DERMATOMES = {
    "l4": ("anterior_thigh", "knee", "medial_leg"),
    "l5": ("lateral_thigh", "lateral_leg", "foot_dorsum"),
    "s1": ("posterior_thigh", "posterior_leg", "foot_lateral", "foot_sole"),
}
"""Sites of each root below the buttock, which all three share (Harrison 19th ed. table of radiculopathy)."""
PUBLISHED_PREDICTORS = (
    "age_years",
    'sex == "male"',
    "bmi_kg_m2",
    "smoking == 2",
    "education == 2",
    'work_status == "unemployed"',
    'work_status == "disability_pension"',
    "asa_class",
    "has_depression_or_anxiety",
    "earlier_lumbar_operations",
    "back_pain_duration_months",
    "leg_pain_duration_months",
    "opioid_use",
    'diagnosis == "disc_herniation"',
    'diagnosis == "spinal_stenosis"',
    "odi",
    "nrs_back",
    "nrs_leg",
)
"""What published models predict from, as expressions: no drawing, no examination, no scan."""
PREDICTOR_SETS = {"published_predictors": PUBLISHED_PREDICTORS}
"""Sets that `given` may name instead of listing them."""


def measurable(cases: pd.DataFrame, truth: pd.DataFrame | None) -> pd.DataFrame:
    """Cases with every column that a target may ask for.

    Parameters
    ----------
    cases : DataFrame
        All cases of the registry, `case_id` as index, every variable of the dictionary. Not changed.
    truth : DataFrame or None
        The truth behind them by `case_id`; its columns are added as they are.

    Returns
    -------
    DataFrame
        One row a case. Numbers are float, NaN where not recorded. Beside the record and the truth: the inputs
        of the Swespine equations in their own names, and the columns that the functions below name.
    """
    found = [
        cases,
        published_inputs(cases),
        swespine_success(cases),
        time_to_reoperation(cases),
        of_the_scan(cases),
        has_perioperative_complication(cases),
        has_operation_at_same_level(cases),
        dermatome_of_pain(cases),
        cases["followup_date"].notna().astype(np.float64).rename("has_answered"),
    ]
    if truth is not None:
        found.append(truth.reindex(cases.index))
    return pd.concat(found, axis=1)


def describes(truth: pd.DataFrame, cases: pd.DataFrame) -> bool:
    """Whether this truth is of these cases: the same ids, and the ODI that was reported is the true one."""
    if set(truth.index) != set(cases.index):
        return False
    reported = cases["odi_12m"]
    return bool((reported.isna() | (reported == truth["true_odi_12m"].reindex(cases.index))).all())


def swespine_success(cases: pd.DataFrame) -> pd.DataFrame:
    """`is_success`, pain much better or gone at 12 months, and `swespine_success`, its published probability.

    Asked of back pain for segment-related pain and of leg pain else. NaN where not answered, or where no
    equation applies or one of its inputs is not recorded.
    """
    about_back = cases["diagnosis"].isin(ASKED_ABOUT_BACK)
    level = cases["global_assessment_back_12m"].where(about_back, cases["global_assessment_leg_12m"])
    return pd.DataFrame(
        {
            "is_success": (level <= MUCH_BETTER).astype(np.float64).where(level.notna()),
            "swespine_success": 1 - published_risk(cases, SWESPINE_OUTCOME).risk,
        }
    )


def time_to_reoperation(cases: pd.DataFrame) -> pd.DataFrame:
    """`is_reoperated`, `reoperated_for` ("none" where not), `months_to_reoperation` (to the last contact where not)."""
    is_reoperated = cases["reoperation_date"].notna()
    end = cases["reoperation_date"].fillna(cases["last_contact_date"])
    return pd.DataFrame(
        {
            "is_reoperated": is_reoperated.astype(np.float64),
            "reoperated_for": cases["reoperation_cause"].astype(object).where(is_reoperated, "none").fillna("unknown"),
            "months_to_reoperation": (end - cases["operation_date"]).dt.days / DAYS_PER_MONTH,
        }
    )


def of_the_scan(cases: pd.DataFrame) -> pd.DataFrame:
    """`most_modic` at any level, `pfirrmann_planned` at the worst planned level, `worst_hip_grade` of both hips."""
    planned = np.stack([_is_planned(cases, level) for level in LEVELS], axis=1)
    disc = cases[[f"disc_degeneration_{level}" for level in LEVELS]].to_numpy(dtype=np.float64)
    hips = cases[[f"hip_osteoarthritis_grade_{side}" for side in SIDES]]
    return pd.DataFrame(
        {
            "most_modic": cases[[f"modic_{level}" for level in LEVELS]].max(axis=1),
            "pfirrmann_planned": pd.DataFrame(np.where(planned, disc, np.nan), index=cases.index).max(axis=1),
            "worst_hip_grade": hips.max(axis=1),
        }
    )


def has_perioperative_complication(cases: pd.DataFrame) -> pd.Series:
    """1 with any of `PERIOPERATIVE`; NaN where none of them is recorded."""
    return cases[list(PERIOPERATIVE)].max(axis=1).rename("has_perioperative_complication")


def has_operation_at_same_level(cases: pd.DataFrame) -> pd.Series:
    """1 if operated at this level before, 0 if elsewhere or never; the record asks it only of those operated before."""
    asked = cases["has_earlier_operation_same_level"]
    return asked.mask(cases["earlier_lumbar_operations"] == 0, 0.0).rename("has_operation_at_same_level")


def dermatome_of_pain(cases: pd.DataFrame) -> pd.Series:
    """`drawn_dermatome`: l4, l5 or s1, whichever the drawing is fullest of on either side.

    By the mean intensity over the sites of each; "none" where two are equal or nothing is marked there,
    missing without a drawing.
    """
    fullest = np.stack([_fullness(cases, regions) for regions in DERMATOMES.values()], axis=1)
    most = fullest.max(axis=1)
    is_single = (most > 0) & ((fullest == most[:, None]).sum(axis=1) == 1)
    name = np.where(is_single, np.array(list(DERMATOMES), dtype=object)[fullest.argmax(axis=1)], "none")
    return pd.Series(name, index=cases.index, dtype=object, name="drawn_dermatome").mask(np.isnan(most))


def _fullness(cases: pd.DataFrame, regions: tuple[str, ...]) -> Floats:
    """(n,) mean intensity over the regions, on the side that has more of it; NaN without a drawing."""
    sides = [cases[[f"pain_{region}_{side}" for region in regions]].mean(axis=1) for side in SIDES]
    return np.maximum(*[side.to_numpy(dtype=np.float64) for side in sides])


def _is_planned(cases: pd.DataFrame, level: str) -> np.ndarray:
    names = [f"planned_decompression_{level}_{side}" for side in SIDES] + [f"planned_fusion_{level}"]
    return (cases[names] == 1).any(axis=1).to_numpy()
