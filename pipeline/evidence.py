"""How good a model's risks are, by how complete the record is: what travels with the model to the clinic."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from models.bundle import EVIDENCE
from pipeline import paths
from pipeline.files import read_json, write_json

CARRIED = ("auroc", "calibration_slope", "observed_to_expected")
"""What a clinic is told of records as complete as the one at hand."""


def evidence_of(outcome: str) -> dict[str, Any]:
    """By completeness and test set: cases, events, and a few metrics of the chosen learner with their limits."""
    levels = read_json(paths.COMPLETENESS).get(outcome, {}) if paths.COMPLETENESS.exists() else {}
    return {
        level: {
            test_set: {
                "cases": found["cases"],
                "events": found["events"],
                "metrics": {name: found["metrics"][name] for name in CARRIED if name in found["metrics"]},
            }
            for test_set, found in about["test_set"].items()
        }
        for level, about in levels.items()
    }


def with_evidence(bundle: Path, outcome: str, into: Path) -> Path:
    """A copy of a bundle folder with what was found of its model beside it; its hash is the same."""
    copy = into / "with_evidence" / bundle.name
    shutil.copytree(bundle, copy, dirs_exist_ok=True)
    write_json(evidence_of(outcome), copy / EVIDENCE)
    return copy
