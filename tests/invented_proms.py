"""Invented packs in the layout of NHS Digital's record-level PROMs: nobody is described.

python -m tests.invented_proms FOLDER [OPERATIONS]
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

YEARS = {"1617": "2016/17", "1718": "2017/18"}
BEFORE = ["Assisted", "Assisted By", "Symptom Period", "Previous Surgery", "Living Arrangements", "Disability"]
ILLNESSES = [
    "Heart Disease", "High Bp", "Stroke", "Circulation", "Lung Disease", "Diabetes", "Kidney Disease",
    "Nervous System", "Liver Disease", "Cancer", "Depression", "Arthritis",
]  # fmt: skip
EQ5D = ["Mobility", "Self-Care", "Activity", "Discomfort", "Anxiety"]
AFTER = ["Satisfaction", "Sucess", "Allergy", "Bleeding", "Wound", "Urine", "Further Surgery", "Readmitted"]
ITEMS = {
    "Hip": ["Pain", "Sudden Pain", "Night Pain", "Washing", "Transport", "Dressing", "Shopping", "Walking", "Limping",
            "Stairs", "Standing", "Work"],
    "Knee": ["Pain", "Night Pain", "Washing", "Transport", "Walking", "Standing", "Limping", "Kneeling", "Work",
             "Confidence", "Shopping", "Stairs"],
}  # fmt: skip
PREDICTED = {
    "Hip": ("Hip Replacement EQ5D Index Post-Op Q Predicted", "Hip Replacement EQ VAS Post-Op Q Predicted",
            "Hip Replacement OHS Post-Op Q Predicted"),
    "Knee": ("Knee Replacement EQ 5D Index Post-Op Q Predicted", "Knee Replacement EQ VAS_Post-Op Q Predicted",
             "Knee Replacement OKS Post-Op Q Predicted"),
}  # fmt: skip
PROVIDERS = 12


def pack(joint: str, year: str, operations: int, rng: np.random.Generator) -> pd.DataFrame:
    """One pack as text: some revisions, suppressed ages, codes for missing, outcomes that can be told in part."""
    n = operations
    burden, spirits = rng.normal(size=n), rng.normal(size=n)
    items = {name: np.clip(np.round(1.6 - 0.7 * burden + rng.normal(0, 0.8, n)), 0, 4) for name in ITEMS[joint]}
    before = sum(items.values())
    gain = 19 - 4 * spirits - 0.35 * (before - 18) + rng.normal(0, 8, n) - (3 if joint == "Knee" else 0)
    after = np.clip(np.round(before + gain), 0, 48)
    success = np.clip(np.round(1.4 + np.clip(14 - gain, 0, None) / 9 + rng.normal(0, 0.4, n)), 1, 5)
    replacement = f"{joint} Replacement"
    columns: dict[str, object] = {
        "Provider Code": [f"RX{number:02d}" for number in rng.integers(0, PROVIDERS, n)],
        "Procedure": replacement,
        "Revision Flag": (rng.random(n) < 0.05).astype(int),
        "Year": year,
        "Age Band": rng.choice(["50 to 59", "60 to 69", "70 to 79", "80 to 89"], n, p=[0.15, 0.35, 0.37, 0.13]),
        "Gender": rng.integers(1, 3, n),
    }
    columns |= {f"Pre-Op Q {name}": rng.choice([1, 2, 9], n, p=[0.2, 0.77, 0.03]) for name in BEFORE}
    columns["Pre-Op Q Assisted By"] = 0
    columns["Pre-Op Q Living Arrangements"] = rng.choice([1, 2, 3, 4, 9], n, p=[0.7, 0.25, 0.01, 0.02, 0.02])
    columns["Pre-Op Q Symptom Period"] = rng.choice([1, 2, 3, 4, 9], n, p=[0.12, 0.66, 0.12, 0.09, 0.01])
    columns |= {name: np.where(rng.random(n) < 0.08, 1, 9) for name in ILLNESSES}
    columns["Depression"] = np.where(rng.random(n) < 1 / (1 + np.exp(3 - spirits)), 1, 9)
    levels = {name: np.clip(np.round(1.8 + 0.3 * burden + rng.normal(0, 0.4, n)), 1, 3).astype(int) for name in EQ5D}
    levels["Anxiety"] = np.clip(np.round(1.4 + 0.5 * spirits), 1, 3).astype(int)
    columns |= {f"Pre-Op Q {name}": np.where(rng.random(n) < 0.03, 9, level) for name, level in levels.items()}
    columns["Pre-Op Q EQ5D Index Profile"] = 22222
    index = np.clip(0.5 - 0.2 * burden - 0.08 * spirits + rng.normal(0, 0.15, n), -0.59, 1).round(3)
    columns["Pre-Op Q EQ5D Index"] = np.where(rng.random(n) < 0.05, "", index.astype(str))
    columns |= {
        f"Post-Op Q {name}": rng.choice([1, 2, 9], n)
        for name in BEFORE
        if name not in ("Symptom Period", "Previous Surgery")
    }
    columns |= {f"Post-Op Q {name}": rng.integers(1, 4, n) for name in EQ5D}
    columns |= {f"Post-Op Q {name}": rng.choice([1, 2, 9], n, p=[0.1, 0.88, 0.02]) for name in AFTER}
    columns["Post-Op Q Sucess"] = np.where(rng.random(n) < 0.02, 9, success.astype(int))
    columns["Post-Op Q EQ5D Index Profile"], columns["Post-Op Q EQ5D Index"] = 11121, 0.796
    columns[PREDICTED[joint][0]] = 0.8
    vas = np.clip(np.round(65 - 8 * burden - 6 * spirits + rng.normal(0, 12, n)), 0, 100).astype(int)
    columns["Pre-Op Q EQ VAS"] = np.where(rng.random(n) < 0.08, 999, vas)
    columns["Post-Op Q EQ VAS"], columns[PREDICTED[joint][1]] = 75, 75.0
    columns |= {f"{replacement} Pre-Op Q {name}": value.astype(int) for name, value in items.items()}
    columns[f"{replacement} Pre-Op Q Score"] = np.where(rng.random(n) < 0.01, "", before.astype(int).astype(str))
    columns |= {f"{replacement} Post-Op Q {name}": rng.integers(0, 5, n) for name in ITEMS[joint]}
    columns[f"{replacement} Post-Op Q Score"] = np.where(rng.random(n) < 0.02, "", after.astype(int).astype(str))
    columns[PREDICTED[joint][2]] = (before + 18).round(4)
    table = pd.DataFrame(columns).astype(str)
    suppressed = rng.random(n) < 0.07
    table.loc[suppressed, ["Age Band", "Gender"]] = "*"
    return table


def write_packs(folder: Path, operations: int, seed: int = 20261123) -> None:
    """Four packs, two joints in two years, each a CSV in a zip file; equal calls give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (joint, year) in enumerate((joint, year) for joint in ITEMS for year in YEARS):
        table = pack(joint, YEARS[year], operations, np.random.default_rng([seed, number]))
        name = f"nhs_proms_{joint.lower()}_{year}.csv"
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), table.to_csv(index=False))


if __name__ == "__main__":
    write_packs(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1500)
