"""The generated pages are current: they say what the tables say."""

from __future__ import annotations

import pytest

from features.dictionary import load_dictionary
from pipeline.reference import dictionary_page, write_reference


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs" / "dictionary.md").read_text(encoding="utf-8")


def test_every_generated_page_in_docs_is_current(root, tmp_path):
    stale = [
        page.name for page in write_reference(tmp_path) if (root / "docs" / page.name).read_bytes() != page.read_bytes()
    ]
    assert stale == [], "run `make docs`"


def test_the_page_is_the_same_each_time(page):
    assert dictionary_page(load_dictionary()) == page == dictionary_page(load_dictionary())


def test_every_variable_has_one_row_with_what_it_may_be(page):
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    named = {cells[0].split("`")[1]: cells for cells in rows}
    variables = load_dictionary().variables
    assert list(named) == [variable.name for variable in variables]
    assert len(rows) == len(variables)
    for variable in variables:
        assert variable.expected.replace("|", "/") in named[variable.name]
        assert named[variable.name][0].endswith("*") == variable.essential


def test_every_row_has_as_many_cells_as_its_table(page):
    assert {line.count(" | ") for line in page.splitlines() if line.startswith("| ")} == {4}


def test_every_form_has_a_section_that_says_when_it_is_known(page):
    for form in {variable.form for variable in load_dictionary().variables}:
        assert f"\n## {form[0].upper()}{form[1:]}\n" in page
    assert "known: follow-up." in page


def test_the_page_repeats_no_path_of_this_machine(page, root):
    assert str(root) not in page


def test_the_command_names_the_pages_that_it_wrote(backcast, elsewhere):
    answer = backcast("reference", "pages")
    assert answer.status == 0
    assert "pages/dictionary.md" in answer.out.splitlines()
    assert all((elsewhere / line).is_file() for line in answer.out.splitlines())
