"""What the published equations ask for, made from the record.

The equations were fitted on complete cases, and the published form gives no answer while a field is empty.
So an input that is not recorded stays missing: nothing is filled in, and no empty field is read as "no".
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.dictionary import load_dictionary
from features.record import refuse_problems, value_problems
from models.published_facts import published_table

RECORDED = (
    "age_years",
    "sex",
    "bmi_kg_m2",
    "smoking",
    "education",
    "work_status",
    "earlier_lumbar_operations",
    "back_pain_duration_months",
    "leg_pain_duration_months",
    "walking_distance_m",
    "odi",
    "nrs_back",
    "nrs_leg",
    "eq5d_index",
)
"""Variables of the record from which inputs are made, beside the comorbidities and the planned levels."""
CURRENT_SMOKER, COLLEGE = 2, 2
"""Grades of `smoking` and `education`."""
PLANNED = ("planned_decompression", "planned_fusion")
MOST_LEVELS = 5
"""The published form counts five levels or more as 5."""


def record_variables() -> list[str]:
    """Every variable of the record that an input is made from."""
    planned = [variable.name for variable in load_dictionary().predictors if variable.item in PLANNED]
    return [*RECORDED, *published_table("comorbidities")["variable"], *planned]


def published_inputs(cases: pd.DataFrame) -> pd.DataFrame:
    """The inputs of the published equations, in their own names, units and codes, before any scaling.

    Parameters
    ----------
    cases : DataFrame
        Records. A column that is absent is not recorded. It is not changed.

    Returns
    -------
    DataFrame
        One float column an input (`published_tables/inputs.csv` says what each is made of), indexed as the
        cases; NaN is not known. `ClinicType` is not in the record and is NaN throughout.

    Raises
    ------
    ValuesError
        For a value that the dictionary does not allow, all columns at once.
    """
    record = cases.reindex(columns=record_variables())
    refuse_problems("the cases", value_problems(record))
    number = record.drop(columns=["sex", "work_status"]).astype(np.float64)
    made = {
        "AgeAtSurgery": number["age_years"],
        "BMI": number["bmi_kg_m2"],
        "ODI": number["odi"],
        "NRSBackPain": number["nrs_back"],
        "NRSLegPain": number["nrs_leg"],
        "EQ5DIndex": number["eq5d_index"],
        "OpLevel": levels_planned(number),
        "AbilityWalking": banded(number["walking_distance_m"], "AbilityWalking"),
        "DurationBackPain": banded(number["back_pain_duration_months"], "DurationBackPain"),
        "DurationLegPain": banded(number["leg_pain_duration_months"], "DurationLegPain"),
        "ClinicType": pd.Series(np.nan, index=cases.index),
        "Female": _is(record["sex"], "female"),
        "HasAgePension": _is(record["work_status"], "retired"),
        "HasSickPension": _is(record["work_status"], "disability_pension"),
        "IsUnemployed": _is(record["work_status"], "unemployed"),
        "CollegeUniversity": _is(number["education"], COLLEGE),
        "IsSmoker": _is(number["smoking"], CURRENT_SMOKER),
        "IsPreviouslyOperated": _known(number["earlier_lumbar_operations"] > 0, number["earlier_lumbar_operations"]),
        "HasOtherIllness": has_other_illness(number),
    }
    return pd.DataFrame(made, index=cases.index)[list(published_table("inputs")["term"])]


def levels_planned(cases: pd.DataFrame) -> pd.Series:
    """How many levels are to be decompressed or fused, 5 for five or more; NaN without a planned level."""
    by_level: dict[str, list[str]] = {}
    for variable in load_dictionary().predictors:
        if variable.item in PLANNED:
            by_level.setdefault(dict(variable.coordinates)["level"], []).append(variable.name)
    count = sum((cases[names] == 1).any(axis=1).astype(np.float64) for names in by_level.values())
    return pd.Series(count, index=cases.index).clip(upper=MOST_LEVELS).replace(0.0, np.nan)


def banded(values: pd.Series, term: str) -> pd.Series:
    """The published code of each value, by `published_tables/bands.csv`; NaN for what is not known.

    Examples
    --------
    >>> banded(pd.Series([0, 2, 3, 12, 13, 25]), "DurationLegPain").tolist()
    [0.0, 1.0, 2.0, 2.0, 3.0, 4.0]
    """
    bands = published_table("bands").query("term == @term").fillna({"upper": np.inf})
    code = pd.Series(np.nan, index=values.index)
    for band in bands.itertuples():
        above = values >= band.lower if band.lower_included else values > band.lower
        below = values <= band.upper if band.upper_included else values < band.upper
        code = code.mask(above & below, float(band.code))
    return code


def has_other_illness(cases: pd.DataFrame) -> pd.Series:
    """1 when any condition of `published_tables/comorbidities.csv` is recorded, 0 when each is recorded absent.

    NaN otherwise: a condition that nobody recorded is not one that is absent.
    """
    conditions = cases[list(published_table("comorbidities")["variable"])]
    has_one, has_none = (conditions == 1).any(axis=1), (conditions == 0).all(axis=1)
    return has_one.astype(np.float64).where(has_one | has_none)


def outside_range(inputs: pd.DataFrame) -> pd.DataFrame:
    """Which inputs lie outside the range of the published form, or between its codes; an unknown one does not."""
    table = published_table("inputs").set_index("term")
    wrong = {}
    for term in inputs.columns:
        its = table.loc[term]
        is_inside = inputs[term].between(its["lower"], its["upper"])
        if its["kind"] != "number":
            is_inside &= inputs[term] == inputs[term].round()
        wrong[term] = inputs[term].notna() & ~is_inside
    return pd.DataFrame(wrong, index=inputs.index)


def _is(values: pd.Series, code: float | str) -> pd.Series:
    return _known(values == code, values)


def _known(answer: pd.Series, values: pd.Series) -> pd.Series:
    return answer.astype(np.float64).where(values.notna())
