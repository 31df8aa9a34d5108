"""Sentences and tables that a notebook shows between its pictures."""

from __future__ import annotations

from collections.abc import Iterable

from IPython.display import Markdown

from pipeline.reporting.study import StudyArtefacts

VIRTUAL_NOTE = (
    "These are {cases:,} cases of the **virtual registry**: nobody is described, and no figure here is evidence about "
    "patients."
)
REAL_NOTE = (
    "These are {cases:,} cases of **real people**: figures are of groups, and nothing here shows one of them unless "
    "you ask for it by `case_id`."
)


def provenance_note(study: StudyArtefacts) -> Markdown:
    """Whose cases these are, in a sentence."""
    note = VIRTUAL_NOTE if study.provenance == "virtual" else REAL_NOTE
    return Markdown("> " + note.format(cases=len(study.cases)))


def paragraph(lines: Iterable[str]) -> Markdown:
    """Lines of a story, one below the other; an indented line belongs to the one above."""
    return Markdown("\n".join(f"{'    ' * line.startswith('  ')}- {line.strip()}" for line in lines if line.strip()))
