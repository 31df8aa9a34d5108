"""The sections of the report in their order: what each holds, or why it is left out.

A section is a template of its own in `pipeline/templates/sections`; what it is given here it may print, and
nothing else. `None` leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.reporting.about_builders import builders, fidelity
from pipeline.reporting.about_causes import after_failure
from pipeline.reporting.about_performance import comparisons, performance
from pipeline.reporting.about_reporting import checklists, explanations, limits, reproduce
from pipeline.reporting.about_study import about, missing, participants, summary
from pipeline.reporting.about_validation import appraisal, completeness, stability, subgroups, validation
from pipeline.reporting.study import Content, StudyArtefacts


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: its key (its template and its anchor), its title, and why it may be left out."""

    key: str
    title: str
    make: Callable[[StudyArtefacts, Path], Content]
    absent: str = ""
    stage: str = ""
    """The stage that asks what it tells, where that has another name."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A section with what it holds; `content` is None where it is left out."""

    key: str
    title: str
    content: Content
    absent: str


def made_sections(study: StudyArtefacts, folder: Path) -> list[Made]:
    """Every section, in order. Pictures that the report draws itself go to `folder`."""
    return [
        Made(
            key=section.key,
            title=title_of(section, study),
            content=None if (reason := not_asked(section, study)) else section.make(study, folder),
            absent=reason or section.absent,
        )
        for section in SECTIONS
    ]


def title_of(section: Section, study: StudyArtefacts) -> str:
    """Its title; of what is left out in turn, by what that is."""
    is_clustered = section.key == "validation" and study.params.validate.clusters
    return "Cluster by cluster" if is_clustered else section.title


def not_asked(section: Section, study: StudyArtefacts) -> str | None:
    """Why the study does not ask what the section tells; None where it does."""
    return study.params.study.not_asked.get(section.stage or section.key)


NOT_MADE = "not made in this run"
SECTIONS = (
    Section(key="summary", title="In short", make=summary),
    Section(key="study", title="What is predicted, and for whom", make=about),
    Section(key="participants", title="Participants", make=participants),
    Section(key="missing", title="What is missing", make=missing),
    Section(key="appraisal", title="Before any fit: size and risk of bias", make=appraisal, absent=NOT_MADE),
    Section(
        key="builders",
        title="Does the lesion explain the pain? Could something else?",
        make=builders,
        absent="the clinical builders do not apply to this study",
    ),
    Section(key="performance", title="Performance in the test sets", make=performance),
    Section(key="comparisons", title="Against what else one could use", make=comparisons, absent=NOT_MADE),
    Section(key="validation", title="Centre by centre", make=validation, absent=NOT_MADE),
    Section(key="subgroups", title="Who the risks serve", make=subgroups, absent=NOT_MADE),
    Section(key="completeness", title="When the record is not complete", make=completeness, absent=NOT_MADE),
    Section(key="stability", title="How far a risk hangs on who taught it", make=stability, absent=NOT_MADE),
    Section(key="explanations", title="What moves the risk", make=explanations, absent=NOT_MADE),
    Section(
        key="causes",
        title="After a failed operation: is the right cause named?",
        make=after_failure,
        absent=NOT_MADE,
        stage="cause",
    ),
    Section(
        key="fidelity",
        title="Is the virtual registry like real ones?",
        make=fidelity,
        absent="asked of the virtual registry alone",
    ),
    Section(key="limits", title="What a risk is not", make=limits),
    Section(key="checklists", title="Reporting, item by item", make=checklists),
    Section(key="reproduce", title="How to make this again", make=reproduce),
)
"""In the order of the page."""
