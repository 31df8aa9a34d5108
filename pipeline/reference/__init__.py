"""Reference pages made from tables, parameters, stages, commands and the service; a test holds them current."""

from __future__ import annotations

from pathlib import Path

from features.dictionary import load_dictionary
from features.knowledge_review import check_knowledge
from pipeline.files import write_text
from pipeline.reference.commands import commands_page
from pipeline.reference.dictionary import dictionary_page
from pipeline.reference.exit_statuses import exit_statuses_page
from pipeline.reference.knowledge import knowledge_page
from pipeline.reference.outcomes import outcomes_page
from pipeline.reference.parameters import parameters_page
from pipeline.reference.service_api import service_api_page
from pipeline.reference.stages import stages_page


def write_reference(folder: Path) -> list[Path]:
    """Write every generated page into the folder, and name them.

    Raises
    ------
    KnowledgeError
        With the problems of every faulty table; then no page is written.
    """
    check_knowledge()
    pages = {
        "dictionary": dictionary_page(load_dictionary()),
        "knowledge": knowledge_page(),
        "outcomes": outcomes_page(),
        "parameters": parameters_page(),
        "stages": stages_page(),
        "commands": commands_page(),
        "service_api": service_api_page(),
        "exit_statuses": exit_statuses_page(),
    }
    paths = [folder / f"{name}.md" for name in pages]
    for path, text in zip(paths, pages.values(), strict=True):
        write_text(text, path)
    return paths
