"""Every command of the documentation is carried out, in the order of its page, in a clone of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pipeline.stage import STAGES
from tests.docs import reader

MOST_NOT_RUN = 23
"""Blocks of commands that no test may leave out beyond; each has its reason."""
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
INDENTED_COMMAND = re.compile(
    r"^ {4}(\$ |\.venv/bin/|backcast |dvc |make |mlflow |curl |git |pytest )", flags=re.MULTILINE
)
NAMED_TEST = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")
FOLLOWED = {
    "researcher": ("docs/tutorials/researcher.md", "docs/how_to/your_own_data.md"),
    "analyst": ("docs/tutorials/analyst.md", "docs/explanation/virtual_registry.md"),
    "clinic": (
        "docs/tutorials/clinic.md",
        "docs/reference/service.md",
        "docs/reference/prediction_record.md",
        "docs/how_to/cds_hooks.md",
        "docs/how_to/fhir.md",
    ),
}
"""Pages that are followed one after the other, as a person of that kind would."""
SHOWN_ELSEWHERE = {"docs/how_to/cds_hooks.md": "tests/cds/test_docs.py"}
"""Pages whose output a test of their own compares, against a service with models of its own."""
FOLLOWED_ELSEWHERE = {"docs/how_to/spark.md": "tests/service/test_spark.py"}
"""Pages whose steps a test of their own runs, since they need what is not everywhere."""


@pytest.fixture(scope="module")
def study(finished_study, tmp_path_factory) -> Path:
    """A clone in which the study was made, as `make repro` leaves it."""
    return shutil.copytree(finished_study, tmp_path_factory.mktemp("docs") / "clone", symlinks=True)


@pytest.mark.parametrize("who", FOLLOWED)
def test_a_newcomer_who_follows_the_pages_meets_no_surprise(who, root, study):
    reader.run_pages([root / page for page in FOLLOWED[who]], study)


def test_what_the_how_to_pages_add_is_found_by_their_checks(root, tmp_path):
    """All steps of all pages in one clone, then all checks, each once and every test in one process."""
    commands = [command for page in sorted((root / "docs/how_to").glob("*.md")) for command in reader.commands_of(page)]
    steps = [c for c in commands if c.block.section != "Check" and c.block.page.stem not in _elsewhere()]
    checks = [c for c in commands if c.block.section == "Check"]
    assert len({c.block.page for c in checks}) >= 7
    reader.run_commands([*steps, *_together(checks)], reader.clone(root, tmp_path / "clone"))


def _elsewhere() -> set[str]:
    """Names of the pages that are followed by other means than their checks."""
    return {Path(page).stem for pages in (*FOLLOWED.values(), tuple(FOLLOWED_ELSEWHERE)) for page in pages}


def _together(checks: list) -> list:
    lines = list(dict.fromkeys(line for check in checks for line in check.typed.splitlines()))
    tests = dict.fromkeys(word for line in lines if line.startswith("pytest -q ") for word in line.split()[2:])
    others = "\n".join(line for line in lines if not line.startswith("pytest"))
    return [
        reader.Command(checks[0].block, others),
        reader.Command(checks[-1].block, "pytest -q -p no:cacheprovider " + " ".join(tests)),
    ]


def test_every_page_with_commands_is_followed(root, pages):
    followed = {root / page for pages in FOLLOWED.values() for page in pages}
    for page, test in (SHOWN_ELSEWHERE | FOLLOWED_ELSEWHERE).items():
        assert Path(page).name in (root / test).read_text(encoding="utf-8")
    how_to = set((root / "docs/how_to").glob("*.md"))
    assert {page for page in pages if reader.commands_of(page)} <= followed | how_to


def test_what_no_test_can_run_is_little_and_says_why(root, pages):
    left_out = [block for page in pages for block in reader.blocks(page) if block.kind == "not run"]
    assert len(left_out) <= MOST_NOT_RUN
    for block in left_out:
        assert len(block.what.split()) >= 5, f"{block.place} says too little of why it is not run"
        for file, name in NAMED_TEST.findall(block.what):
            assert f"def {name}" in (root / file).read_text(encoding="utf-8"), f"{block.place} names {file}::{name}"


def test_what_the_readme_says_the_tutorials_run_is_run_there(root):
    (shown,) = [block for block in reader.blocks(root / "README.md") if "the tutorials run these" in block.what]
    typed = {line.partition("#")[0].strip().removeprefix(".venv/bin/") for line in shown.text.splitlines()}
    tutorials = [command for page in (root / "docs/tutorials").glob("*.md") for command in reader.commands_of(page)]
    assert typed - {line for command in tutorials for line in command.typed.splitlines()} == set()


def test_no_command_hides_from_the_tests(pages):
    """A fence says what it is, and nothing is shown as a command by its indentation alone."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        unknown = [block.place for block in reader.blocks(page) if block.language not in reader.RUN + reader.SHOWN]
        assert unknown == [], "name what these fences hold"
        assert text.count("```") == 2 * len(reader.blocks(page)), f"{page}: a fence that does not close"
        outside = text
        for block in reader.blocks(page):
            outside = outside.replace(block.text, "")
        assert INDENTED_COMMAND.findall(outside) == [], f"{page}: put commands into a fence"


def test_every_link_leads_to_a_file(root, pages):
    broken = [
        f"{page.relative_to(root)}: {link}"
        for page in pages
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_the_drawing_names_every_stage(root):
    drawing = (root / "docs/images/architecture.svg").read_text(encoding="utf-8")
    assert [stage for stage in STAGES if f">{stage}</text>" not in drawing] == []


def test_the_folder_of_what_was_made_says_what_each_folder_holds(root):
    told = re.findall(r"^\| `(\w+)/` \|", (root / "data/README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    written = re.findall(r"^ +- data/(\w+)/?", (root / "dvc.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(written) - set(told) == set()
