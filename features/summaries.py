"""Plain summaries of a case that published models use as predictors: needed from its own row alone."""

from __future__ import annotations

import numpy as np

from features.findings import Findings, Floats, word_code
from features.plan import planned_level

COMORBIDITIES = (
    "has_diabetes",
    "has_hypertension",
    "has_heart_disease",
    "has_lung_disease",
    "has_vascular_disease",
    "has_rheumatic_disease",
    "has_joint_osteoarthritis",
    "has_polyneuropathy",
    "has_osteoporosis",
)


def comorbidity_count(findings: Findings) -> Floats:
    """How many other illnesses are recorded; NaN where not one of them was asked for."""
    recorded = np.stack([findings.grid(name) for name in COMORBIDITIES], axis=1)
    return np.where(np.isnan(recorded).all(axis=1), np.nan, np.nansum(recorded, axis=1))


def work_indicators(findings: Findings) -> dict[str, Floats]:
    """0 or 1 for each work status that published models name; NaN where it is not recorded."""
    work = findings.grid("work_status")
    return {
        name: np.where(np.isnan(work), np.nan, work == word_code("work_status", status))
        for name, status in (
            ("is_unemployed", "unemployed"),
            ("has_disability_pension", "disability_pension"),
            ("is_on_sick_leave", "sick_leave"),
        )
    }


def planned_disc_findings(findings: Findings) -> dict[str, Floats]:
    """The worst Pfirrmann grade and any Modic change at the planned levels; NaN where none was read."""
    planned = planned_level(findings)
    grade = np.where(planned, findings.grid("disc_degeneration", "level"), np.nan)
    modic = np.where(planned, findings.grid("modic", "level"), np.nan)
    return {
        "worst_planned_disc_grade": _largest(grade),
        "has_planned_modic": np.where(np.isnan(_largest(modic)), np.nan, (_largest(modic) > 0).astype(float)),
    }


def _largest(values: Floats) -> Floats:
    largest = np.where(np.isnan(values), -np.inf, values).max(axis=1)
    return np.where(np.isinf(largest), np.nan, largest)


def summaries(findings: Findings) -> dict[str, Floats]:
    """All plain summaries by name: arrays (n,)."""
    smoking = findings.grid("smoking")
    return {
        "comorbidity_count": comorbidity_count(findings),
        "is_current_smoker": np.where(np.isnan(smoking), np.nan, (smoking == 2).astype(np.float64)),
        "leg_dominance": (findings.grid("nrs_leg") - findings.grid("nrs_back")) / 10,
        **work_indicators(findings),
        **planned_disc_findings(findings),
    }
