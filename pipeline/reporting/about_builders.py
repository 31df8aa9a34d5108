"""Sections on the clinical feature builders and on the virtual registry, where a study has them."""

from __future__ import annotations

from pathlib import Path

from models.drawing import builder_panels, save, truth_panels
from pipeline import paths
from pipeline.files import read_table
from pipeline.reporting.builder_tables import ASKED, builder_facts, truth_figures
from pipeline.reporting.fidelity_table import fidelity_section
from pipeline.reporting.study import Content, StudyArtefacts


def builders(study: StudyArtefacts, folder: Path) -> Content:
    if "share_best_lesion" not in study.features.columns:
        return None
    picture = folder / "builders.png"
    save(builder_panels(study.features, study.cases["diagnosis"]), picture)
    return {"picture": picture, "facts": builder_facts(study.features), "truth": truth(study, folder)}


def truth(study: StudyArtefacts, folder: Path) -> Content:
    found = study.json(paths.BUILDERS)
    if found is None:
        return None
    picture = folder / "builders_truth.png"
    auroc, twins, calibration = (read_table(paths.builder_table(name)) for name in ("auroc", "twins", "calibration"))
    save(truth_panels(auroc, twins, calibration, ASKED), picture)
    return {"picture": picture, **truth_figures(found)}


def fidelity(study: StudyArtefacts, folder: Path) -> Content:
    found, table = study.json(paths.FIDELITY_SUMMARY), study.table(paths.FIDELITY)
    section = None if found is None or table is None else fidelity_section(found, table)
    return None if section is None else section | {"picture": study.picture(paths.FIDELITY_PICTURE)}
