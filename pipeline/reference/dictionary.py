"""The page of the dictionary: every variable by form, with what it may be, what missing means, and its source."""

from __future__ import annotations

from features.dictionary import Dictionary, Variable
from pipeline.reference.markdown import table

HEAD = ("name", "what", "expected", "missing means", "source")


def dictionary_page(dictionary: Dictionary) -> str:
    """The dictionary as a Markdown page."""
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
    return head + table(HEAD, [_cells(variable) for variable in variables])


def _cells(variable: Variable) -> tuple[str, ...]:
    star = " *" if variable.essential else ""
    return f"`{variable.name}`{star}", variable.label, variable.expected, variable.missing_means, variable.source
