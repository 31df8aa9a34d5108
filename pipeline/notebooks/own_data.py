"""A registry of one's own, tried in a copy of the repository's choices that vanishes: nothing is written to the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown

from pipeline import paths
from pipeline.files import read_table
from pipeline.study import MAPPING

RENAMED = {
    "case_id": "CaseNo", "patient_id": "PatNo", "centre_id": "Hospital", "index_date": "Operation date",
    "age_years": "Age", "sex": "Sex", "bmi_kg_m2": "BMI", "asa_class": "ASA", "diagnosis": "Diagnosis",
    "earlier_lumbar_operations": "Earlier ops", "leg_pain_duration_months": "Leg pain (months)", "odi": "Oswestry pre",
    "nrs_back": "Back pain pre", "nrs_leg": "Leg pain pre", "odi_12m": "Oswestry 12m",
    "nrs_leg_12m": "Leg pain 12m",
}  # fmt: skip
"""The columns of an invented hospital, by the variable that each is."""
_kept: list[tempfile.TemporaryDirectory[str]] = []


def hospital_file(cases: int = 400) -> Path:
    """The CSV of an invented hospital, in columns and words of its own: days as 31.12.2021, a decimal comma."""
    path = tried_in() / "hospital.csv"
    answered(f"backcast --study lumbar registry --out {path} --cases {cases}", path.parent)
    table = read_table(path)[list(RENAMED)].rename(columns=RENAMED)
    table["Operation date"] = pd.to_datetime(table["Operation date"]).dt.strftime("%d.%m.%Y")
    table["BMI"] = table["BMI"].map(lambda value: "" if pd.isna(value) else f"{value:.1f}".replace(".", ","))
    table.to_csv(path, index=False)
    return path


def tried_in() -> Path:
    """A fresh folder with the repository's choices and studies, in which commands may write."""
    _kept.append(tempfile.TemporaryDirectory(prefix="backcast-study-"))
    folder = Path(_kept[-1].name)
    shutil.copy2(paths.PARAMS, folder / paths.PARAMS)
    shutil.copytree(paths.STUDIES, folder / paths.STUDIES)
    return folder


def answered(command: str, folder: Path) -> Markdown:
    """A command of `backcast`, run in the folder, and what it said; one that refuses has its exit status below it."""
    program = [sys.executable, "-m", "pipeline.cli", *command.split()[1:]]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    status = f"\n(exit status {done.returncode})" if done.returncode else ""
    return Markdown(f"```\n$ {command}\n{said}{status}\n```")


def mapping(folder: Path, name: str) -> pd.DataFrame:
    """What a skeleton makes of each column of the file: its mapping, without what it leaves empty throughout."""
    return read_table(folder / paths.STUDIES / name / MAPPING).dropna(axis="columns", how="all").replace({np.nan: ""})


def column_kinds(folder: Path, name: str) -> pd.DataFrame:
    """How many columns were taken for what, by type: rows of `dots`."""
    variables = read_table(folder / paths.STUDIES / name / "variables.csv")
    counted = variables["type"].value_counts()
    return pd.DataFrame({"label": counted.index.str.replace("_", " "), "estimate": counted.to_numpy(dtype=float)})
