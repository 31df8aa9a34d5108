"""Sections on why a risk is what it is, what it is not, what is reported, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.red_flags import red_flag_rules
from pipeline import paths
from pipeline.reporting.checklists import tally
from pipeline.reporting.study import Content, StudyArtefacts
from pipeline.study import DEFAULT_STUDY

SVG_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'
"""What a file needs and a page does not."""
SEEDED = ("registry", "split", "appraise", "train", "validate", "evaluate", "builders", "cause_evidence")
"""Stages of the default graph that draw."""


def explanations(study: StudyArtefacts, folder: Path) -> Content:
    found = [
        {
            "name": outcome,
            "label": study.label(outcome),
            "chosen": study.chosen[outcome],
            "how": study.heads[outcome]["explanation"],
            "importance": study.picture(paths.EXPLAIN / outcome / "importance.png"),
            "cases": [told_case(drawn) for drawn in sorted((paths.EXPLAIN / outcome).glob("waterfall_*.png"))],
        }
        for outcome in study.outcomes
    ]
    found = [one for one in found if one["importance"]]
    return {"outcomes": found} if found else None


def told_case(waterfall: Path) -> dict[str, Any]:
    """One case: its waterfall and, of the virtual registry alone, its sources in a picture and in words."""
    drawn = waterfall.with_name(waterfall.name.replace("waterfall", "sources")).with_suffix(".svg")
    if not drawn.exists():
        return {"waterfall": waterfall, "figure": None, "paragraph": None}
    # Taken as markup by the page: it was written by our own stage from escaped parts.
    figure = drawn.read_text(encoding="utf-8").replace(SVG_NAMESPACE, "")
    return {
        "waterfall": waterfall,
        "figure": figure,
        "paragraph": drawn.with_suffix(".txt").read_text(encoding="utf-8"),
    }


def limits(study: StudyArtefacts, folder: Path) -> Content:
    choices = study.params.cohort.outcomes
    return {
        "refits": study.params.train.refits,
        "has_red_flags": bool(red_flag_rules()),
        "has_test_centres": "geographic" in study.test_sets,
        "counts_reoperations": any(choices[outcome].reoperation == "failed" for outcome in study.outcomes),
    }


def checklists(study: StudyArtefacts, folder: Path) -> Content:
    return {name: {"rows": table.to_dict("records"), "tally": tally(table)} for name, table in study.checklists.items()}


def reproduce(study: StudyArtefacts, folder: Path) -> Content:
    is_default = study.params.study.name == DEFAULT_STUDY
    return {
        "of_study": "" if is_default else f" STUDY={study.params.study.name}",
        "folder": None if is_default else str(study.params.study.folder),
        "seeds": seeds(study),
        "models": [
            {"outcome": outcome, "learner": study.chosen[outcome], "code": head["code_sha256"],
             "fingerprint": head["development"]["fingerprint"]}
            for outcome, head in study.heads.items()
        ],
    }  # fmt: skip


def seeds(study: StudyArtefacts) -> Mapping[str, int]:
    """The seed of each stage that draws; a registry that was not drawn has none."""
    stage_of = {"cause_evidence": "cause"}
    asked = [name for name in SEEDED if stage_of.get(name, name) not in study.params.study.not_asked]
    drawing = asked if study.provenance == "virtual" else [name for name in asked if name != "registry"]
    return {name: getattr(study.params, name).seed for name in drawing}
