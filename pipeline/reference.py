"""Reference pages made from the dictionary and the knowledge tables; a test holds them current."""

from __future__ import annotations

from pathlib import Path

from features.dictionary import Dictionary, Variable, load_dictionary
from features.knowledge_review import check_knowledge
from pipeline.files import write_text
from pipeline.knowledge_page import knowledge_page


def write_reference(folder: Path) -> list[Path]:
    """Write every generated page into the folder, and name them.

    Raises
    ------
    KnowledgeError
        With the problems of every faulty table; then no page is written.
    """
    check_knowledge()
    pages = {
        folder / "dictionary.md": dictionary_page(load_dictionary()),
        folder / "knowledge.md": knowledge_page(),
    }
    for path, text in pages.items():
        write_text(text, path)
    return list(pages)


def dictionary_page(dictionary: Dictionary) -> str:
    """The dictionary as a Markdown page: every variable by form, with what it may be and its source."""
    before = len(dictionary.known_by("preoperative"))
    lines = [
        "# The dictionary",
        "",
        "Made from `features/knowledge/variables.csv` by `make docs`; do not edit this page.",
        "",
        f"{len(dictionary.variables)} variables, {before} of them known before the operation; "
        f"{len(dictionary.essential)} are essential (marked *). One row of a table is one case: "
        f"one planned operation on one patient. An empty cell is missing; "
        "what that means stands with each variable. A yes or no is 1, 0 or empty.",
    ]
    for form in dict.fromkeys(variable.form for variable in dictionary.variables):
        lines += _form_section(form, [v for v in dictionary.variables if v.form == form])
    return "\n".join(lines) + "\n"


def _form_section(form: str, variables: list[Variable]) -> list[str]:
    known = ", ".join(dict.fromkeys(variable.known.replace("_", "-") for variable in variables))
    head = ["", f"## {form[0].upper()}{form[1:]}", "", f"{len(variables)} variables, known: {known}.", ""]
    rows = ["| name | what | expected | missing means | source |", "|---|---|---|---|---|"]
    for variable in variables:
        star = " *" if variable.essential else ""
        cells = (
            f"`{variable.name}`{star}",
            variable.label,
            variable.expected,
            variable.missing_means,
            variable.source,
        )
        rows.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return head + rows
