"""A study as its folder says it: `studies/<name>/study.yaml`, and what stands beside it.

| file | what |
|---|---|
| `study.yaml` | title, where the records come from, which builders apply, what cannot be asked, the report's words |
| `mapping.csv` | each column of the source: which variable it is, its unit and its codes |
| `params.yaml` | choices that differ from those of the root |
| `variables.csv`, `choices.csv`, `outcomes.csv`, `predictors.csv`, `criteria.csv` | a record of its own |

A study without a mapping has its records in the dictionary's layout already, in the file that `ingest.file` of
`params.yaml` names; one without tables has the record of `features/knowledge/`.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from features.errors import ParamsError
from features.knowledge_tables import study_tables, use_study
from pipeline import paths
from pipeline.typed_yaml import made, read_yaml

DEFAULT_STUDY = "lumbar"
STUDY_FILE, PARAMS_OF_STUDY, MAPPING = "study.yaml", "params.yaml", "mapping.csv"
BUILDERS = ("lesion_pain", "mimics")
"""They read one record together, so a study has both or none."""
OPTIONAL_STAGES = ("registry", "fidelity", "completeness", "builders", "cause")
"""Stages that ask what not every study can answer."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the records of a study are, and how they are written.

    `files` gives each group of files with one header as a pattern below the folder; `known_afterwards` names parts
    of a column's name that say that it was filled in after the operation.
    """

    files: dict[str, str]
    folder: str = ""
    folder_variable: str = ""
    encoding: str = "utf-8"
    separator: str = ","
    sheet: str | None = None
    missing_marks: list[str] = field(default_factory=lambda: [""])
    known_afterwards: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        problems = [] if self.files else ["source.files names no file"]
        if not (self.folder or self.folder_variable):
            problems.append("source needs a folder, or a folder_variable of the environment that names it")
        if problems:
            raise ParamsError("; ".join(problems))

    def place(self) -> Path:
        """The folder in which the files are: as the environment says, else as the study does.

        Raises
        ------
        ParamsError
            If neither names one.
        """
        named = os.environ.get(self.folder_variable, "") if self.folder_variable else ""
        if not (named or self.folder):
            raise ParamsError(
                f"Nothing says where the files of the study are. Set the environment variable {self.folder_variable} "
                f"to their folder, or source.folder in its {STUDY_FILE}."
            )
        return Path(named or self.folder)


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a report speaks of a study: whole phrases, in the singular where they name a case or a group of cases."""

    question: str = "Which planned lumbar operations will fail?"
    model: str = "risk that a planned lumbar operation fails"
    case: str = "planned operation"
    cases: str = "planned operations"
    before: str = "before an operation on the lumbar spine is listed"
    asked: str = (
        "Asked before a planned operation on the lumbar spine, of somebody who would otherwise be listed. The model "
        "gives the risk of each outcome with an interval, what moved it, and how well the lesions on the scan explain "
        "the pain. It is meant for the specialist who plans the operation, and informs that decision. The action "
        "behind a high risk is to complete the work-up and seek a second opinion before listing, never to refuse."
    )
    intended_use: str = (
        "Before a planned operation on the lumbar spine is listed: how likely each outcome is, what moves the risk, "
        "whether the lesion explains the pain and the plan reaches it. A high risk asks for a completed work-up and a "
        "second opinion."
    )
    inputs: str = (
        "What is known before the operation: history, questionnaires, pain drawing, examination, imaging by level, the "
        "plan."
    )
    published: str = (
        "published models of failed back surgery come little further than two thirds of the way from chance to "
        "certainty"
    )
    high_risk: str = "complete the work-up, seek a second opinion before listing"
    keywords: str = "lumbar spine, surgery, patient-reported outcome, risk prediction"
    groups: str = "sex, age, diagnosis, centre, education and work"
    fairness: list[str] = field(default_factory=lambda: ["education", "work_status"])
    """Groupings whose flag rates are shown in full."""
    fairness_words: str = "education and work"
    demographic: list[str] = field(
        default_factory=lambda: [
            "age_years", "sex", "education", "has_compensation_claim", "is_unemployed", "is_on_sick_leave",
            "has_disability_pension",
        ]
    )  # fmt: skip
    """Candidate predictors that are demographic or social, as HTI-1 asks for them by name."""
    act: str = "work up"
    acted: str = "worked up"
    acting: str = "working up"
    """What one would do about a high risk."""
    for_whom: str = "Before a planned operation on the lumbar spine, for the surgeon who lists it."
    purpose: str = (
        "To ask before listing what the work-up still lacks and whether the plan reaches the source of the pain."
    )
    not_for: str = "Outside the criteria, with a red flag, or to refuse an operation."
    sets: str = (
        "Sets are divided by patient: earlier cases of patients who come back into a test set, and cases whose horizon "
        "is not complete, are withheld."
    )
    division: str = "By patient: development, later year, other centres."
    centre: str = "centre"
    centres: str = "centres"
    cluster: str = "cluster of centres"
    year: Literal["calendar", "financial"] = "calendar"
    period: str = ""
    notes: list[str] = field(default_factory=list)
    """Sentences that a reader of the report must know: licence, what the records cannot say."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What `study.yaml` says, with the folder it stands in."""

    title: str = "Failed operations on the lumbar spine"
    source: Source | None = None
    attribution: str = ""
    licence: str = ""
    builders: list[str] = field(default_factory=lambda: list(BUILDERS))
    not_asked: dict[str, str] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    folder: Path = paths.STUDIES / DEFAULT_STUDY

    def __post_init__(self) -> None:
        problems = [
            f"not_asked names {stage}; it can name {', '.join(OPTIONAL_STAGES)}"
            for stage in self.not_asked
            if stage not in OPTIONAL_STAGES
        ]
        problems += [f"not_asked.{stage} gives no reason" for stage, why in self.not_asked.items() if not why.strip()]
        if set(self.builders) not in (set(), set(BUILDERS)):
            problems.append(f"builders are {' and '.join(BUILDERS)} together, or none ([])")
        needs_builders = [stage for stage in ("completeness", "builders", "cause") if stage not in self.not_asked]
        if not self.builders and needs_builders:
            problems.append(f"without builders {', '.join(needs_builders)} cannot be asked: say why in not_asked")
        if problems:
            raise ParamsError("; ".join(problems))

    @property
    def name(self) -> str:
        return self.folder.name


_at_hand = [DEFAULT_STUDY]


def at_hand() -> str:
    """The name of the study that this process works on."""
    return _at_hand[0]


def work_on(named: str | None) -> None:
    """Let this process work on a study: the one that is named, else that of `params.yaml`, else the default one."""
    if named is None:
        raw = read_yaml(paths.PARAMS) if paths.PARAMS.is_file() else {}
        named = raw.get("study", DEFAULT_STUDY) if isinstance(raw, dict) else DEFAULT_STUDY
    use_study(read_study(named).folder)
    _at_hand[0] = named


def study_names() -> list[str]:
    """Every study there is a folder of."""
    return sorted(path.parent.name for path in paths.STUDIES.glob(f"*/{STUDY_FILE}"))


def read_study(name: object) -> Study:
    """The study of that name, checked.

    Raises
    ------
    ParamsError
        If there is none, or with everything that is wrong with its `study.yaml`.
    """
    folder = paths.STUDIES / str(name)
    if name == DEFAULT_STUDY and not folder.exists():  # away from the repository, as a command may run
        return Study()
    if name not in study_names():  # a path is no name, wherever it leads
        there = ", ".join(study_names()) or "none"
        raise ParamsError(
            f"There is no study {name}: no folder of that name in {paths.STUDIES} holds a {STUDY_FILE}. "
            f"Studies: {there}. `backcast study new NAME cases.csv` starts one."
        )
    problems: list[str] = []
    study: Study | None = made(Study, read_yaml(folder / STUDY_FILE), "", problems)
    virtual = [stage for stage in ("registry", "fidelity") if study and stage not in study.not_asked]
    if virtual and (study_tables(folder) or (folder / MAPPING).is_file()):
        problems.append(f"the virtual registry is of another record: say so of {' and '.join(virtual)} in not_asked")
    if study and (study.source is None) == (folder / MAPPING).is_file():
        problems.append(f"a source needs a {MAPPING}, and a {MAPPING} a source")
    if problems or study is None:
        raise ParamsError(f"{folder / STUDY_FILE}: {'; '.join(problems)}.")
    return dataclasses.replace(study, folder=folder)
