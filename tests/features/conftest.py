"""Invented cases, their mirror image, and the builders with the priors that the tests assume."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from features.axes import LEG_REGIONS
from features.builders import BuilderParams, build_features
from features.dictionary import Variable, load_dictionary

PRIORS = {"sacroiliac": 0.15, "piriformis": 0.05, "hip": 0.10}
OF_THE_LEG = (
    *(f"pain_{region}" for region in LEG_REGIONS),
    *("herniation", "central_stenosis", "recess", "root_compression", "synovial", "foraminal", "slip", "spondylolysis"),
)
"""What a patient with back pain alone does not have."""
BLOCKS = ("pain drawing", "examination", "imaging", "plan")


@pytest.fixture(scope="session")
def params() -> BuilderParams:
    return BuilderParams(mimic_priors=PRIORS, mimic_flag_threshold=0.5)


@pytest.fixture
def features_of(draw_cases, params) -> Callable[[str], pd.DataFrame]:
    """Features of a drawn table of cases."""
    return lambda table: build_features(draw_cases(table), params)


@pytest.fixture(scope="session")
def invent_cases() -> Callable[[int, int], pd.DataFrame]:
    """`invent_cases(n, seed)`: records over all predictors of the dictionary, with gaps and whole blocks blank."""
    return invented_cases


@pytest.fixture(scope="session")
def mirror_cases() -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The same people with left and right exchanged."""
    return mirrored


def invented_cases(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {v.name: _invented(v, n, rng) for v in load_dictionary().predictors}
    cases = pd.DataFrame(columns, index=pd.Index([f"I{i}" for i in range(n)], name="case_id"))
    is_axial = rng.random(n) < 0.15
    cases.loc[is_axial, [name for name in cases if name.startswith(OF_THE_LEG)]] = 0.0
    gaps = rng.random(n)[:, None] * 0.7
    cases = cases.mask(rng.random(cases.shape) < gaps)
    for block in BLOCKS:
        names = [v.name for v in load_dictionary().predictors if v.form == block]
        cases.loc[rng.random(n) < 0.1, names] = np.nan
    return cases


def _invented(variable: Variable, n: int, rng: np.random.Generator) -> np.ndarray:
    if variable.choices:
        codes = np.array(variable.codes, dtype=object if variable.type == "choice" else float)
        mostly_normal = np.r_[0.6, np.full(len(codes) - 1, 0.4 / (len(codes) - 1))]
        return rng.choice(codes, n, p=mostly_normal)
    if variable.item in ("pain", "upper_pain"):
        return np.where(rng.random(n) < 0.7, 0.0, np.round(rng.uniform(0, 10, n), 3))
    return np.round(rng.uniform(variable.lower, variable.upper, n), 1)


def mirrored(cases: pd.DataFrame) -> pd.DataFrame:
    return cases.rename(columns=_other_side)


def _other_side(name: str) -> str:
    if name.endswith("_left"):
        return name.removesuffix("_left") + "_right"
    if name.endswith("_right"):
        return name.removesuffix("_right") + "_left"
    return name
