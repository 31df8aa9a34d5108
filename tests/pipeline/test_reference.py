"""The generated pages are current: they say what the tables say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from features.axes import LABELS, LEVELS, REGIONS
from features.dictionary import load_dictionary
from features.errors import KnowledgeError
from features.knowledge_tables import STATUSES, knowledge_table, table_names
from pipeline import reference
from pipeline.cli import cli
from pipeline.kinds_of_errors import kinds_of_errors
from pipeline.params import load_params
from pipeline.reference import dictionary_page, write_reference
from pipeline.reference.knowledge import NOT_FOR_REVIEW, STATUS_WORDS, knowledge_page
from pipeline.reference.parameters import sections
from pipeline.reference.service_api import openapi_page
from pipeline.stage import EXPERIMENTS, STAGES


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs/reference/dictionary.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def in_docs(root) -> Callable[[str], str]:
    return lambda name: (root / f"docs/reference/{name}.md").read_text(encoding="utf-8")


def test_every_generated_page_in_docs_is_current(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    kept = root / "docs/reference"
    stale = [page.name for page in write_reference(tmp_path) if page.read_bytes() != (kept / page.name).read_bytes()]
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


def test_the_command_names_the_pages_that_it_wrote(backcast, root, elsewhere, monkeypatch):
    monkeypatch.chdir(root)
    answer = backcast("reference", elsewhere / "pages")
    assert answer.status == 0
    assert {Path(line).stem for line in answer.out.splitlines()} >= {"dictionary", "knowledge", "parameters", "stages"}
    assert all(Path(line).is_file() for line in answer.out.splitlines())


def test_outside_the_repository_the_command_says_where_to_run_it(backcast):
    answer = backcast("reference", "pages")
    assert answer.status == 3
    assert answer.says("params.yaml is missing", "Run from the root of the repository")


# Parameters, stages, commands, exit statuses, the service


def leaves(value: object, above: str = "") -> Iterator[str]:
    """The dotted names of what is set below a section."""
    for name, below in value.items() if isinstance(value, dict) else ():
        yield f"{above}{name}"
        yield from leaves(below, f"{above}{name}.")


def test_every_parameter_stands_in_its_section_with_its_value(root, in_docs):
    page = in_docs("parameters")
    raw = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    assert re.findall(r"^## (.*)$", page, flags=re.MULTILINE) == list(raw)
    for name, values in raw.items():
        below = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        shown = set(re.findall(r"^\| `([\w.]+)` \|", below, flags=re.MULTILINE))
        assert shown <= set(leaves(values))
        assert {leaf.split(".")[0] for leaf in leaves(values)} <= shown
    assert "| `C` |" not in page
    assert "| `logistic.C` | `[0.003, 0.01, 0.1, 1.0]` |" in page


def test_the_words_beside_a_parameter_go_on_below_it():
    text = "train:  # what is learned\n  seed: 11  # of the draw,\n            # any number\n  learners: [a, b]\n"
    ((section, words, choices),) = sections(text)
    assert (section, words) == ("train", "what is learned")
    assert [tuple(choice) for choice in choices] == [
        ("seed", "11", "of the draw, any number"),
        ("learners", "[a, b]", ""),
    ]


def test_every_stage_stands_in_the_order_in_which_it_runs(in_docs):
    rows = re.findall(r"^\| `(\w+)` \|", in_docs("stages"), flags=re.MULTILINE)
    assert rows == [*STAGES, *EXPERIMENTS]


def test_a_stage_names_the_stages_whose_files_it_reads(in_docs):
    rows = {row[0]: row for row in grid(in_docs("stages"))}
    assert rows["`split`"][2] == "ingest, cohort"
    assert rows["`fidelity`"][2] == "registry, ingest"
    assert rows["`predict`"][2] == "cohort, derive, split, train"


def test_every_command_and_option_is_on_the_page(in_docs):
    page = in_docs("commands")
    for name, command in cli.commands.items():
        below = page.split(f"\n## backcast {name}")[1]
        for option in command.params:
            assert option.opts[0] in below or option.name.upper() in below
    assert "`make check`" in page


def test_no_two_mistakes_share_an_exit_status(in_docs):
    found = kinds_of_errors()
    assert len({kind.exit_status for kind in found}) == len(found)
    rows = {row[0]: row for row in grid(in_docs("exit_statuses"))}
    assert {str(kind.exit_status) for kind in found} <= set(rows)
    assert all(row[2] for row in rows.values()), "a kind of mistake that says nothing of when"


def test_every_kind_of_mistake_stands_where_it_is_looked_for(root):
    """One that stood in no `errors.py` would be known only to who had loaded it."""
    source = [file for package in ("features", "models", "pipeline") for file in (root / package).rglob("*.py")]
    places = {file.relative_to(root) for file in source if "\n    exit_status = " in file.read_text(encoding="utf-8")}
    assert {place.name for place in places} == {"errors.py"}
    assert places == {Path(*kind.__module__.split(".")).with_suffix(".py") for kind in kinds_of_errors()}


def test_every_outcome_is_told_with_what_is_chosen_of_it(in_docs):
    page = in_docs("outcomes")
    for outcome in load_params().train.outcomes:
        assert page.count(f"| `{outcome}` |") >= 2


def test_every_address_of_the_service_is_on_the_page_and_every_reference_leads_to_a_schema(in_docs):
    page, served = in_docs("service_api"), openapi_page()
    for address, methods in served["paths"].items():
        for method in methods:
            assert f"\n## {method.upper()} {address}\n" in page
    headings = {heading.lower() for heading in re.findall(r"^### (.*)$", page, flags=re.MULTILINE)}
    assert {name.lower() for name in re.findall(r"\[\w+\]\(#([a-z]+)\)", page)} <= headings


# The page of the knowledge tables


@pytest.fixture(scope="module")
def knowledge(root) -> str:
    return (root / "docs/reference/knowledge.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sources(knowledge) -> dict[int, str]:
    """The sources at the end of the page, by number."""
    return {
        int(number): text
        for number, text in re.findall(r'^(\d+)\. <a id="source-\d+"></a>(.*)$', knowledge, flags=re.MULTILINE)
    }


def section(knowledge: str, title: str) -> str:
    return knowledge.split(f"\n## {title}\n")[1].split("\n## ")[0]


def grid(text: str) -> list[list[str]]:
    """The cells of the first table in a text, its head first."""
    lines = text[text.index("| ") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| ---")]


def test_the_page_of_knowledge_is_the_same_each_time(knowledge):
    assert knowledge_page() == knowledge == knowledge_page()


def test_every_table_is_on_the_page_but_the_dictionary(knowledge):
    named = set(re.findall(r"`(\w+)\.csv`", knowledge))
    assert named == set(table_names()) - set(NOT_FOR_REVIEW)


def test_every_section_says_how_sure_it_is_by_counts_that_add_up(knowledge):
    counted = re.findall(r"^`\w+\.csv`.*: (\d+) facts, (.*)\.$", knowledge, flags=re.MULTILINE)
    assert len(counted) == 18
    for total, statuses in counted:
        assert int(total) == sum(int(n) for n in re.findall(r"\d+", statuses))
    shown = dict(re.findall(r"^\| `(\w+)` \| .* \| (\d+) \|$", knowledge, flags=re.MULTILINE))
    assert sum(map(int, shown.values())) == sum(int(total) for total, _ in counted)
    assert set(shown) == set(STATUS_WORDS) == set(STATUSES)


def test_every_source_of_every_table_stands_once_at_the_end(sources):
    expected = {
        str(source).replace("|", "/").replace("<=", "≤").replace(">=", "≥").replace("<", "&lt;")
        for name in set(table_names()) - set(NOT_FOR_REVIEW)
        for source in knowledge_table(name).get("source", ())
    }
    assert set(sources.values()) == expected
    assert list(sources) == list(range(1, len(expected) + 1))


def test_every_reference_leads_to_a_source_and_every_source_is_referred_to(knowledge, sources):
    referred = {(int(shown), int(target)) for shown, target in re.findall(r"\[\[(\d+)\]\]\(#source-(\d+)\)", knowledge)}
    assert all(shown == target for shown, target in referred)
    assert {target for _, target in referred} == set(sources)


def test_every_link_of_the_contents_leads_to_a_heading(knowledge):
    headings = re.findall(r"^## (.*)$", knowledge, flags=re.MULTILINE)
    links = re.findall(r"^\d+\. \[(.*)\]\(#([a-z0-9-]+)\)$", knowledge, flags=re.MULTILINE)
    assert [title for title, _ in links] == headings[:-1]
    for title, anchor in links:
        assert anchor == re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def test_tables_of_the_page_are_tables(knowledge):
    for block in re.findall(r"(?:^\|.*\|\n)+", knowledge, flags=re.MULTILINE):
        lines = block.splitlines()
        assert len(lines) > 2
        assert set(lines[1]) <= set("| -")
        assert {line.count(" | ") for line in lines} == {lines[0].count(" | ")}, lines[0]


def test_which_root_is_reached_where(knowledge):
    head, *rows = grid(section(knowledge, "Which root a lesion reaches"))
    assert [row[0] for row in rows] == [LABELS[level] for level in LEVELS]
    by_level = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert by_level["L4-L5"]["paracentral and recess"] == "L5 1, S1 0.3"
    assert by_level["L4-L5"]["foramen"] == "L4 1"
    assert by_level["L5-S1"]["central canal"] == "S1 1, S2 0.5"


def test_a_published_share_is_bold_and_a_judgement_is_plain(knowledge):
    text = section(knowledge, "Where each source is felt")
    for part, marked, plain in ((text, 2, 60), (text.split("What is not the spine:")[1], 20, 15)):
        rows = grid(part)[1:]
        assert [row[0] for row in rows] == [LABELS[region] for region in REGIONS]
        cells = [cell for row in rows for cell in row[1:] if cell]
        assert sum(cell.startswith("**") for cell in cells) >= marked
        assert sum(not cell.startswith("**") for cell in cells) >= plain
    roots = dict(zip(*[grid(text)[place] for place in (0, 1 + REGIONS.index("posterior_leg"))], strict=True))
    assert (roots["S1"], roots["L5"]) == ("**0.75**", "0.35")


def test_the_weight_of_a_common_finding_is_shown_as_it_is_at_each_age(knowledge):
    rows = grid(section(knowledge, "How reliable a finding is as a source of pain"))
    head = rows[0]
    (protrusion,) = [
        dict(zip(head, row, strict=True))
        for row in rows
        if row[:3] == ["Herniation, paracentral", "paracentral and recess", "protrusion"]
    ]
    # 0.6 less 31, 36 and 40 % (Brinjikji 2015)
    assert [protrusion[f"at {age} years"] for age in (30, 50, 70)] == ["0.41", "0.38", "0.36"]
    (extrusion,) = [
        row for row in rows if row[:3] == ["Herniation, paracentral", "paracentral and recess", "extrusion"]
    ]
    assert extrusion[4:7] == ["", "", ""]


def test_a_prevalence_that_was_extrapolated_is_not_bold(knowledge):
    rows = {row[0]: row for row in grid(section(knowledge, "Findings in people without pain"))}
    assert rows["facet degeneration"][1] == "4 % (0)"
    assert rows["facet degeneration"][3] == "**18 %** (596)"


def test_figures_of_one_study_stand_in_one_row_with_their_intervals(knowledge):
    text = section(knowledge, "How much a finding tells")
    modic = [line for line in text.splitlines() if line.startswith("| Modic type 1 | 10 ")]
    assert len(modic) == 1
    assert "| 10 (4.2 to 23.82) | 0.84 (0.74 to 0.96) | discography |" in modic[0]


def test_agreement_is_said_in_words_where_it_is_a_kappa_of_independent_readers(knowledge):
    head, *rows = grid(section(knowledge, "How well readers agree"))
    table = [dict(zip(head, row, strict=True)) for row in rows]
    by_finding = {(row["finding"], row["who"]): row for row in table}
    assert (
        by_finding["root compression by a herniation", "between readers (trial)"]["readers agree"] == "only moderately"
    )
    assert by_finding["foraminal stenosis, Lee", "between readers (developers)"]["readers agree"] == ""


def test_signs_are_told_in_words(knowledge):
    rows = {row[0]: row for row in grid(section(knowledge, "Signs of each root"))}
    assert rows["sign"][2:7] == ["L2", "L3", "L4", "L5", "S1"]
    assert rows["Power"][1:7] == ["MRC 4 or less", "1", "1", "1", "1", "1"]
    assert rows["Patellar reflex (L4)"][1:7] == ["absent or reduced", "", "0.3", "0.6", "", ""]
    assert rows["Relief by selective block of root"][1] == "50 % or more"


def test_red_flags_are_told_in_words_with_what_to_do(knowledge):
    rows = grid(section(knowledge, "Red flags"))[1:]
    raised = {row[1]: row for row in rows}
    assert len(rows) == len(knowledge_table("red_flags"))
    assert raised["age 70 years or more and long-term corticosteroids"][0] == "fracture"
    assert all(row[2] in ("emergency", "urgent") and row[3] for row in rows)


def test_no_page_is_written_from_a_faulty_table(monkeypatch, tmp_path):
    def faulty():
        raise KnowledgeError("features/knowledge/territories.csv: there is no territory for l5.")

    monkeypatch.setattr(reference, "check_knowledge", faulty)
    with pytest.raises(KnowledgeError, match="no territory for l5"):
        write_reference(tmp_path)
    assert list(tmp_path.iterdir()) == []
