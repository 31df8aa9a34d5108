"""Stage ``report``: the report, the model card, two checklists. Every number comes from an artefact; none is typed."""

from __future__ import annotations

import shutil

from pipeline import paths
from pipeline.files import write_table, write_text
from pipeline.params import Params
from pipeline.reporting.model_card import model_card
from pipeline.reporting.page import rendered
from pipeline.reporting.sections import made_sections
from pipeline.reporting.study import StudyArtefacts


def run(params: Params) -> None:
    folder = paths.REPORT.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    study = StudyArtefacts(params)
    sections = made_sections(study, folder)
    titles = {section.key: section.title for section in sections if section.content is not None}
    page = rendered(
        "report.html.j2", provenance=study.provenance, sections=sections, known_sections=titles, words=study.words
    )
    write_text(page, paths.REPORT)
    card = rendered("model_card.html.j2", provenance=study.provenance, words=study.words, **model_card(study))
    write_text(card, paths.MODEL_CARD)
    write_table(study.checklists["tripod_ai"], paths.TRIPOD_AI)
    write_table(study.checklists["source_attributes"], paths.SOURCE_ATTRIBUTES)
